"""One chunk of items, run and delivered, and the running mean of what an item takes."""

from __future__ import annotations

import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amorsize.errors import ItemError
from amorsize.items import call
from amorsize.items.call import NEWEST_SHARE, Pace, run_chunk
from amorsize.items.collector import ListCollector
from amorsize.items.source import ItemSource
from amorsize.planning.chunking import fair_items, items_in


def picky(item: int) -> int:
    if item == 3:
        raise KeyError(item)
    return -item


def test_a_chunk_is_placed_and_booked() -> None:
    collector = ListCollector(10, "raise")
    outcome = run_chunk(picky, 10, [0, 1, 2], "raise")
    assert outcome.deliver(collector, (7, 1)) and collector.results == [0, -1, -2]
    (use,) = collector.usage.uses(0.0, outcome.began + outcome.seconds)
    assert (use.items, use.chunks) == (3, 1) and use.busy_seconds == outcome.seconds


def test_what_came_before_an_error_is_kept() -> None:
    collector = ListCollector(0, "raise")
    assert not run_chunk(picky, 0, range(6), "raise").deliver(collector, (7, 1))
    assert collector.results == [0, -1, -2]
    assert collector.failure is not None and collector.failure.index == 3


def test_a_collected_error_ends_nothing() -> None:
    mark = memoryview(bytearray(8)).cast("q")
    outcome = run_chunk(picky, 5, [2, 3, 4], "collect", mark)
    assert outcome.failed is None and outcome.values[0] == -2 and outcome.values[2] == -4
    assert isinstance(outcome.values[1], ItemError) and outcome.values[1].index == 6
    assert mark[0] == -1


@given(st.lists(st.tuples(st.integers(1, 50), st.floats(1e-6, 10.0)), min_size=1, max_size=20))
def test_pace_is_an_exponential_mean(chunks: list[tuple[int, float]]) -> None:
    pace = Pace()
    for items, seconds in chunks:
        pace.add(items, seconds)
    each = [seconds / items for items, seconds in chunks]
    older = [NEWEST_SHARE * (1 - NEWEST_SHARE) ** age for age in range(len(each) - 1)]
    weights = [*older, (1 - NEWEST_SHARE) ** (len(each) - 1)]  # the first has the rest
    expected = sum(w * one for w, one in zip(weights, reversed(each), strict=True))
    assert sum(weights) == pytest.approx(1.0)
    assert pace.item_seconds == pytest.approx(expected)


@given(
    st.floats(0, 1),
    st.just(0.0) | st.floats(1e-9, 1),
    st.none() | st.integers(0, 10**6),
    st.integers(1, 64),
)
def test_chunks_have_an_item_and_are_fair(
    seconds: float, item_seconds: float, left: int | None, workers: int
) -> None:
    items = items_in(seconds, item_seconds)
    assert items >= 1 and (items == 1 or items * item_seconds <= seconds * (1 + 1e-9))
    fair = fair_items(items, left, workers)
    assert 1 <= fair <= items
    assert left is None or fair == 1 or 2 * workers * fair <= left


def test_a_source_is_read_only_where_nothing_waits() -> None:
    source = ItemSource(iter("abcd"))
    source.hand_over(0)
    assert source.take_or_pull(2) == (0, ["a", "b"])
    source.give_back(0, ["a"])
    assert source.take_or_pull(2) == (0, ["a"]) and source.position == 2
    source.read_elsewhere()
    assert source.take_or_pull(2) is None


def test_a_thread_that_lost_its_core_did_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the clock the chunk lasted ten times what it computed; whether it waited, its switches tell."""
    switches = iter([3, 3, 3, 4])
    for waits in (False, True):
        wall, cpu = iter([0.0, 1.0]), iter([0.0, 0.1])
        monkeypatch.setattr(call, "clock", lambda wall=wall: next(wall))
        monkeypatch.setattr(call, "cpu_clock", lambda cpu=cpu: next(cpu))
        monkeypatch.setattr(call, "_switches", lambda: next(switches))
        outcome = run_chunk(abs, 0, [1], "raise")
        assert outcome.seconds == 1.0 and outcome.cpu == (0.1 if waits else 1.0)


def test_what_a_system_lacks_is_looked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A search under the lock of imports after each chunk that waits made threads wait for each other."""
    searched = []

    class Finder:
        def find_spec(self, name: str, *_: object) -> None:
            searched.append(name)
            if name == "resource":
                raise ModuleNotFoundError(name)

    monkeypatch.delitem(sys.modules, "resource", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Finder(), *sys.meta_path])
    monkeypatch.setattr(call, "_usage", [])
    monkeypatch.setattr(call, "_looked_for", [])
    for _ in range(3):
        run_chunk(time.sleep, 0, [0.02], "raise")
    assert searched.count("resource") == 1 and call._usage == []
