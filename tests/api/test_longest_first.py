"""Items that are known to be long by their size begin first; what comes back is the loop's."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

import amorsize
from amorsize.core.frozen import replace
from amorsize.history.factory import open_history

pytestmark = pytest.mark.timeout(60)
OTHERS = [400, 900, 300, 1_500, 700, 200, 1_100, 500] * 4
SIZES = [*OTHERS, 12_000, *OTHERS]
"""The longest is in the middle, which is handed out last otherwise."""


def worked(text: str) -> tuple[int, float]:
    """Computes for as long as the text is; and when it began."""
    began, value = time.perf_counter(), 1
    for number in range(30 * len(text)):
        value = (value * 48_271 + number) % 2_147_483_647
    return value, began


def worked_but_13(text: str) -> int:
    """Computes; a text of 13 signs has no result."""
    return worked(text)[0] // (len(text) - 13)


def with_a_law(path: Path, power: float) -> None:
    """As if the last run had found that cost follows size with this power."""
    with open_history(path) as history:
        last = list(history.read())[-1]
        work = replace(last.work, size_power=power, size_seconds=3e-6)
        history.add([replace(last, id="", time=last.time + 1, work=work)])


def begun_before_the_longest(path: Path) -> int:
    data = ["x" * size for size in SIZES]
    found = amorsize.execute(
        worked, data, backend=("serial", "processes"), n_jobs=2, history=str(path)
    )
    assert [value for value, _ in found] == [worked(text)[0] for text in data]
    began = [at for _, at in found]
    return sum(at < began[len(OTHERS)] for at in began)


def test_the_longest_item_begins_early_once_a_law_is_known(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    begun_before_the_longest(path)
    with_a_law(path, 1.0)
    assert begun_before_the_longest(path) < len(SIZES) // 3


def test_an_exception_is_raised_with_its_own_index(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    data = ["x" * size for size in SIZES]
    amorsize.execute(worked_but_13, data, history=str(path), n_jobs=2)
    with_a_law(path, 1.0)
    with pytest.raises(ZeroDivisionError) as told:
        amorsize.execute(worked_but_13, [*data, "x" * 13], history=str(path), n_jobs=2)
    assert str(len(data)) in "".join(told.value.__notes__)
