"""What comes back from pickling as another value is seen, without running code of the user's."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

from amorsize.items.pickling import changes


class Plain:
    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        raise AssertionError("nothing of the user's may run")

    __hash__ = None  # type: ignore[assignment]


class Forgets(Plain):
    def __getstate__(self) -> dict[str, Any]:
        return {}


class Rebuilds(Plain):
    def __setstate__(self, state: dict[str, Any]) -> None:
        raise AssertionError("nothing of the user's may run")


class Marked(list[int]):
    pass


class Series(np.ndarray):  # type: ignore[type-arg]
    unit = ""


def with_a_unit() -> Any:
    made = np.arange(3.0).view(Series)
    made.unit = "kPa"
    return made


def caused() -> BaseException:
    error = ValueError(1)
    error.__cause__ = KeyError(2)
    return error


@pytest.mark.parametrize(
    "value",
    [1, "text", None, float("nan"), [1, (2, {"a": {3}})], Plain([1, Plain(2)]), Marked([1]),
     np.arange(4), ValueError(1), {1, 2}, range(3)],
)  # fmt: skip
def test_what_comes_back_as_it_went(value: Any) -> None:
    assert not changes([value], pickle.dumps, pickle.loads)


@pytest.mark.parametrize(
    "value",
    [Forgets(1), [Forgets(1)], Rebuilds(1), object(), with_a_unit(), caused(), lambda: 1,
     {"made": object()}],
)  # fmt: skip
def test_what_does_not(value: Any) -> None:
    assert changes([value], pickle.dumps, pickle.loads)


def test_only_the_last_values_are_looked_at() -> None:
    assert not changes([object(), 1, 2, 3], pickle.dumps, pickle.loads)
