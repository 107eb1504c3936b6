"""With a time limit no item runs in the caller, and none is watched: the order of the loop is kept all
the same, on one thread, where the function's code says that it leaves something behind."""

from __future__ import annotations

import csv
import io
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

import amorsize

ITEMS = range(60)


class Count:
    def __init__(self) -> None:
        self.value = 0

    def up(self) -> int:
        self.value += 1
        return self.value


class Mine(threading.local):
    def __init__(self) -> None:
        self.items: list[int] = []


def appends() -> Callable[[int], Any]:
    seen: list[int] = []

    def func(item: int) -> int:
        time.sleep(0.001)
        seen.append(item)
        return len(seen)

    return func


def writes_rows() -> Callable[[int], Any]:
    out = io.StringIO()
    writer = csv.writer(out)

    def func(item: int) -> int:
        time.sleep(0.001)
        writer.writerow([item])
        return out.tell()

    return func


def counts_in_a_local() -> Callable[[int], Any]:
    local = threading.local()

    def func(item: int) -> int:
        local.count = getattr(local, "count", 0) + 1
        time.sleep(0.001)
        return int(local.count)

    return func


def keeps_the_last_in_a_local() -> Callable[[int], Any]:
    local = threading.local()

    def func(item: int) -> Any:
        last = getattr(local, "last", None)
        local.last = item
        time.sleep(0.001)
        return last

    return func


def grows_a_list_of_a_local() -> Callable[[int], Any]:
    local = threading.local()

    def func(item: int) -> int:
        seen = getattr(local, "seen", None)
        if seen is None:
            seen = local.seen = []
        seen += [item]
        time.sleep(0.001)
        return len(seen)

    return func


def fills_a_table_of_a_local() -> Callable[[int], Any]:
    local = threading.local()

    def func(item: int) -> int:
        if not hasattr(local, "table"):
            local.table = {}
        table = local.table
        table[item % 5] = table.get(item % 5, 0) + 1
        time.sleep(0.001)
        return int(table[item % 5])

    return func


def counts_in_an_object_of_a_local() -> Callable[[int], Any]:
    local = threading.local()

    def func(item: int) -> int:
        if not hasattr(local, "counter"):
            local.counter = Count()
        time.sleep(0.001)
        return int(local.counter.up())

    return func


def appends_to_a_subclass() -> Callable[[int], Any]:
    mine = Mine()

    def func(item: int) -> int:
        mine.items.append(item)
        time.sleep(0.001)
        return len(mine.items)

    return func


@pytest.mark.parametrize(
    "make",
    [
        appends,
        writes_rows,
        counts_in_a_local,
        keeps_the_last_in_a_local,
        grows_a_list_of_a_local,
        fills_a_table_of_a_local,
        counts_in_an_object_of_a_local,
        appends_to_a_subclass,
    ],
)
@pytest.mark.parametrize("options", [{"timeout": 30}, {}], ids=["with a limit", "without"])
def test_what_an_item_leaves_for_the_next(
    make: Callable[[], Callable[[int], Any]], options: dict[str, Any]
) -> None:
    loop = make()
    expected = [loop(item) for item in ITEMS]
    assert amorsize.execute(make(), ITEMS, history=None, **options) == expected


def test_a_tool_that_each_thread_makes_once_is_no_effect() -> None:
    """Sessions and buffers are what such data are for."""
    local = threading.local()

    def func(item: int) -> int:
        if not hasattr(local, "tool"):
            local.tool = str(item)[:0].join
        time.sleep(0.002)
        return len(local.tool(["a", "b"])) + item

    plan = amorsize.optimize(func, range(300), history=None, backend=("serial", "threads"))
    assert plan.execute() == [item + 2 for item in range(300)]
    assert plan.run is not None and plan.run.config.backend == "threads"
