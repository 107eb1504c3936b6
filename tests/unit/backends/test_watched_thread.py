"""A thread whose first items run between two looks of the caller."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Any

import pytest

from amorsize.backends.base import BackendSpec
from amorsize.backends.threads.watched import WatchedThread
from amorsize.core.model import Config, Safety
from amorsize.inspection.thread_data import ThreadData, needs_its_thread
from amorsize.items.collector import ListCollector
from amorsize.items.source import ItemSource

VARIABLE: ContextVar[int] = ContextVar("VARIABLE", default=0)
PATIENCE = 0.02


class Looks:
    """Notes what it is told; wants to see so many items."""

    def __init__(self, wanted: int = 2) -> None:
        self.told: list[Any] = []
        self._wanted = wanted

    def begin(self, items: Sequence[Any], position: int, thread: int) -> None:
        assert thread != threading.get_ident()
        self.told.append(("begin", position, list(items)))

    def end(self, values: Sequence[Any], seconds: float) -> bool:
        assert seconds >= 0
        self.told.append(("end", list(values)))
        self._wanted -= 1
        return self._wanted > 0

    def drop(self) -> None:
        self.told.append("drop")


def pool(
    func: Callable[[Any], Any], data: Any, watch: Looks, on_error: str = "raise", **more: Any
) -> tuple[WatchedThread, ListCollector]:
    source, collector = ItemSource(data), ListCollector(0, on_error)
    source.hand_over(0)
    source.hand_out_in_order()
    given = BackendSpec(
        func, source, collector, Config("threads", 1), timeout_seconds=0.3, watch=watch, **more
    )
    made = WatchedThread(given)
    made.start()
    return made, collector


def until(made: WatchedThread, reached: Callable[[], bool]) -> Any:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        report = made.step(PATIENCE)
        if reached() or report.watched is not None:
            return report
    raise AssertionError("not reached")


@pytest.mark.parametrize("data", [range(5), iter(range(5))], ids=["indexed", "read"])
def test_it_waits_and_goes_on_alone(data: Any) -> None:
    watch = Looks()
    made, collector = pool(lambda item: item + 1, data, watch)
    items, wall, computed = until(made, lambda: False).watched
    assert items == 2 and 0 <= computed <= wall + 0.1
    assert collector.results == [1, 2]  # it holds no item while it waits
    made.scale_to(1)
    assert until(made, lambda: collector.done == 5).watched is None
    made.close()
    assert collector.results == [1, 2, 3, 4, 5]
    assert watch.told == [("begin", 0, [0]), ("end", [1]), ("begin", 1, [1]), ("end", [2])]


def test_others_take_over() -> None:
    made, collector = pool(lambda item: item, range(5), Looks())
    until(made, lambda: False)
    made.close()
    assert collector.done == 2 and made.spec.source.left() == 3


def test_an_item_that_waits_for_a_look_comes_back() -> None:
    made, _ = pool(lambda item: item, range(5), Looks())
    deadline = time.monotonic() + 20
    while made.spec.source.left() == 5 and time.monotonic() < deadline:
        time.sleep(0.001)
    made.close()
    assert made.spec.source.left() == 5


def test_an_item_that_takes_too_long() -> None:
    go, watch = threading.Event(), Looks()
    made, collector = pool(lambda item: item or go.wait(30), range(4), watch, "skip")
    assert until(made, lambda: False).watched == (0, 0.0, 0.0)
    made.scale_to(1)
    until(made, lambda: collector.done == 4)
    go.set()
    made.close()
    assert collector.results[1:] == [1, 2, 3]
    assert watch.told == [("begin", 0, [0]), "drop"]


def test_an_item_that_raises_is_looked_at() -> None:
    watch = Looks()
    made, collector = pool(lambda item: 1 // item, range(4), watch)
    until(made, lambda: collector.failure is not None)
    made.close()
    assert watch.told == [("begin", 0, [0]), ("end", [])]


def test_what_it_sets_for_its_thread_is_the_callers() -> None:
    local = threading.local()
    local.name = "here"

    def func(item: int) -> Any:
        local.count = getattr(local, "count", 0) + item
        VARIABLE.set(VARIABLE.get() + item)
        return local.name

    made, collector = pool(func, range(5), Looks(), thread_data=ThreadData(func))
    until(made, lambda: False)
    made.scale_to(1)
    until(made, lambda: collector.done == 5)
    made.close()
    assert collector.results == ["here"] * 5
    assert local.count == VARIABLE.get() == 10


def test_a_source_is_read_item_by_item() -> None:
    done: list[int] = []

    def source() -> Any:
        for item in range(6):
            assert len(done) == item
            yield item

    made, collector = pool(done.append, source(), Looks())
    until(made, lambda: False)
    made.scale_to(1)
    until(made, lambda: collector.done == 6)
    made.close()
    assert done == list(range(6))


def test_what_reading_an_item_sets_is_there_when_it_runs() -> None:
    local, seen = threading.local(), []

    def source() -> Any:
        for item in range(4):
            seen.append(VARIABLE.get())
            VARIABLE.set(10 * item)
            local.item = item
            yield item

    def func(item: int) -> Any:
        found = VARIABLE.get(), local.item
        VARIABLE.set(VARIABLE.get() + 1)
        return found

    VARIABLE.set(7)
    made, collector = pool(func, source(), Looks(), thread_data=ThreadData(func))
    until(made, lambda: False)
    made.scale_to(1)
    until(made, lambda: collector.done == 4)
    made.close()
    assert collector.results == [(0, 0), (10, 1), (20, 2), (30, 3)]
    assert seen == [7, 1, 11, 21]


def test_what_needs_the_callers_thread() -> None:
    assert needs_its_thread(Safety(caller_only="the captured 'lock' is a lock that is held"))
    assert needs_its_thread(Safety(no_threads="current_thread tells which thread runs the item"))
    assert needs_its_thread(Safety(caller_only="it sets a global")) is None
