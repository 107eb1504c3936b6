"""The first moments of a run: whatever ends there gives what the loop gives, and no item is lost."""

from __future__ import annotations

import collections
import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.work import steps

import amorsize
from amorsize.engine.local_loop import LocalLoop
from amorsize.engine.slices import TRIVIAL_UNSEEN_ITEMS

pytestmark = pytest.mark.timeout(60)

KINDS: dict[str, Callable[[list[int]], Iterable[int]]] = {
    "list": list,
    "tuple": tuple,
    "generator": lambda items: (item for item in items),
    "iterator": iter,
    "values": lambda items: dict(enumerate(items)).values(),
    "deque": collections.deque,
}


def negated(item: int) -> int:
    return -item


def inverse(item: int) -> float:
    return 1 / item


@pytest.mark.parametrize("func", [abs, negated, str, math.sqrt, float])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [0, 1, 2, 255, 256, 3 * TRIVIAL_UNSEEN_ITEMS])
def test_the_loop_s_results(func: Callable[[int], Any], kind: str, count: int) -> None:
    items = list(range(count))
    assert amorsize.execute(func, KINDS[kind](items)) == [func(item) for item in items]
    assert list(amorsize.stream(func, KINDS[kind](items))) == [func(item) for item in items]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [1, 2, 300, 3000])
def test_the_index_of_an_error(kind: str, count: int) -> None:
    items = [1] * (count - 1) + [0, 1]
    for call in (amorsize.execute, lambda *args: list(amorsize.stream(*args))):
        with pytest.raises(ZeroDivisionError) as caught:
            call(inverse, KINDS[kind](items))
        assert caught.value.__notes__ == [f"amorsize: raised by item {count - 1} of the data"]


def test_an_error_of_the_source_is_no_item_s() -> None:
    for before in (0, 1, 10, 2 * TRIVIAL_UNSEEN_ITEMS):

        def source(before: int = before) -> Iterator[int]:
            yield from range(before)
            raise LookupError("source")

        with pytest.raises(LookupError) as caught:
            amorsize.execute(negated, source())
        assert not hasattr(caught.value, "__notes__")


def test_a_source_is_closed_after_an_error() -> None:
    closed = []

    def source() -> Iterator[int]:
        try:
            yield from (1, 0, 1)
        finally:
            closed.append(True)

    data = source()
    with pytest.raises(ZeroDivisionError):
        amorsize.execute(inverse, data)
    assert closed


def test_stop_iteration_passes() -> None:
    for data in ([()], [(1,), ()], (item for item in [()])):
        with pytest.raises(StopIteration):
            amorsize.execute(lambda item: next(iter(item)), data)


@given(st.lists(st.integers(0, 400), max_size=300))
@settings(deadline=None, max_examples=30)
def test_whatever_is_left_goes_on_from_there(counts: list[int]) -> None:
    loop = LocalLoop(steps, counts)
    ended = loop.open()
    done = len(loop.results)
    assert loop.results == [steps(count) for count in counts[:done]]
    assert sum(items for items, _ in loop.opened or ()) <= done
    assert not ended or done == len(counts)
    assert list(loop.source.iterator) == counts[done:]


def test_heavy_items_after_light_ones_are_left_to_the_engine() -> None:
    loop = LocalLoop(steps, [1] * 50 + [30_000] * 500)
    assert not loop.open()
    assert len(loop.results) < 550
    assert amorsize.execute(steps, [1] * 50 + [3000] * 50) == [steps(1)] * 50 + [steps(3000)] * 50
