"""Whether a function's own code could take long, told without looking further."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from amorsize.engine.slices import may_take_long


def counts(number: int) -> int:
    while number > 3:
        number -= 1
    return number


def endless(number: int) -> int:
    while True:
        number += 1
        if number > 9:
            return number


def spreads(number: dict[str, int]) -> Any:
    return dict(**number)


@pytest.mark.parametrize(
    "func",
    [
        counts,
        endless,
        spreads,
        partial(len),
        lambda x: [y + 1 for y in x],
        lambda x: str(x),
        lambda x: x.a(),
    ],
)
def test_loops_and_calls_may(func: Callable[[Any], Any]) -> None:
    assert may_take_long(func)


@pytest.mark.parametrize(
    "func", [lambda x: x + 1, lambda x: x.a, lambda x: x[0] * 3, len, str.upper]
)
def test_what_neither_loops_nor_calls_does_not(func: Callable[[Any], Any]) -> None:
    assert not may_take_long(func)
