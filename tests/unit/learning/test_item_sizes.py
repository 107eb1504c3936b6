"""Sizes of items: what they are, what a forecast makes of them, and that no code of the user's runs."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from amorsize.core.model import Forecast
from amorsize.learning.forecasts import by_size, forecast_of
from amorsize.learning.item_sizes import LOOK_SECONDS, SIZE_POWER, log_ratio, size_of


class Odd(list):  # type: ignore[type-arg]
    def __len__(self) -> int:
        raise AssertionError

    def __getitem__(self, place: Any) -> Any:
        raise AssertionError


def test_sizes_are_lengths_values_and_bytes(tmp_path: Path) -> None:
    import numpy as np

    path = tmp_path / "file"
    path.write_bytes(bytes(1234))
    known: list[tuple[Any, float]] = [("abc", 3), ([1, 2], 2), (-7.0, 7), (2.5, 2.5), ({}, 0)]
    known += [(path, 1234), (np.zeros(3), 24)]
    assert [size_of(item) for item, _ in known] == [size for _, size in known]
    nothing = [
        None,
        object(),
        7,
        math.inf,
        math.nan,
        10**400,
        tmp_path / "none",
        True,
        1j,
        Odd([1]),
    ]
    assert [size_of(item) for item in nothing] == [-1.0] * len(nothing)


def test_the_ratio_is_that_of_the_means() -> None:
    assert log_ratio(["x" * 10] * 500, 4) == pytest.approx(0.0)
    data = [1.0] * 4 + [100.0] * 320
    assert log_ratio(data, 4) == pytest.approx(math.log(100))
    rising = [float(number) for number in range(1, 10_001)]
    assert log_ratio(rising, 8) == pytest.approx(math.log(5_000 / 4.5), rel=0.05)


@pytest.mark.parametrize(
    "data", [None, iter([1]), Odd([1] * 9), [1.0, None] * 50, {1: 2}, [0.0] * 50, range(99), []]
)
def test_where_sizes_say_nothing_there_is_none(data: object) -> None:
    assert log_ratio(data, 4) == 0.0


def test_looks_end_in_time() -> None:
    time = iter([0.0, *(LOOK_SECONDS * number / 4 for number in range(100))])
    assert log_ratio([1.0] * 4 + [100.0] * 320, 4, lambda: next(time)) == 0.0


def test_a_forecast_follows_sizes_and_is_less_sure() -> None:
    before = forecast_of(1.0, 0.0, 0.1, ())
    after = by_size(before, math.log(50))
    assert after.seconds == pytest.approx(50**SIZE_POWER)
    assert after.high_seconds / after.low_seconds > before.high_seconds / before.low_seconds
    assert after.low_seconds < 50 < after.high_seconds  # cost is the size
    assert by_size(before, 0.0) == before and by_size(Forecast(), 3.0) == Forecast()
