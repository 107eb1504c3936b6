"""Nothing is consumed twice, and nothing is lost: the first item is looked at before anybody takes it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import amorsize
from amorsize.items.source import NOTHING, ItemSource

KINDS: list[Callable[[int], Iterable[int]]] = [
    lambda n: iter(range(n)),
    lambda n: (i for i in range(n)),
    lambda n: dict.fromkeys(range(n)).keys(),
    range,
]


def everything(source: ItemSource) -> list[int]:
    found: list[int] = []
    while not source.finished:
        source.pull(3)
        while (run := source.take(2)) is not None:
            start, items = run
            assert start == len(found)
            found += items
    return found


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("looks", [0, 1, 2])
def test_what_was_looked_at_is_handed_over(kind: Any, looks: int) -> None:
    source = ItemSource(kind(7))
    source.hand_out_in_order()
    for _ in range(looks):
        assert source.peek() == 0
    source.hand_over(0)
    assert everything(source) == list(range(7))


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_looked_at_is_begun_once(kind: Any) -> None:
    source = ItemSource(kind(7))
    source.hand_out_in_order()
    assert source.peek() == 0
    assert next(iter(source.begin())) == 0
    if not source.indexed:
        assert source.peek() == 1
    source.hand_over(1)
    assert source.take(1) in ((1, [1]), (1, range(1, 2))) or source.pull(1)


def test_of_nothing_there_is_no_first() -> None:
    source = ItemSource(iter(()))
    assert source.peek() is NOTHING
    source.hand_over(0)
    assert everything(source) == []


def twice(item: int) -> int:
    return 2 * sum(range(item % 50)) + item


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "more", [{"timeout": 30}, {"timeout": 30, "n_jobs": 1}, {"retries": 1}, {}]
)
@pytest.mark.parametrize("backend", ["auto", ("serial", "fork"), ("threads", "spawn")])
def test_no_option_costs_an_item(kind: Any, more: dict[str, Any], backend: Any) -> None:
    wanted = [twice(i) for i in range(40)]
    if more.get("timeout") and backend == ("serial", "fork"):
        backend = ("threads", "fork")  # somebody must be able to end an item
    options = {"n_jobs": 2, "backend": backend, **more}
    assert amorsize.execute(twice, kind(40), **options) == wanted
    assert list(amorsize.stream(twice, kind(40), **options)) == wanted
    plan = amorsize.optimize(twice, kind(40), **options)
    assert plan.execute() == wanted


@given(
    st.integers(0, 4), st.permutations(range(20)), st.integers(0, 8), st.sets(st.integers(0, 19))
)
def test_items_that_go_first_do_and_none_is_lost(
    begun: int, order: list[int], count: int, done: set[int]
) -> None:
    source, first = ItemSource(list(range(20))), order[:count]
    source.hand_over(begun)
    left_out = sorted(one for one in done if one >= begun)
    source.leave_out(left_out, None)
    source.hand_out_first(first)
    found: list[int] = []
    while (run := source.take(3)) is not None:
        found += run[1]
    wanted = [one for one in range(begun, 20) if one not in left_out]
    ahead = [one for one in first if one in wanted]
    assert found[: len(ahead)] == ahead and sorted(found) == wanted and source.finished
