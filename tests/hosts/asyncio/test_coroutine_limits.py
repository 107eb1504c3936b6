"""How many coroutines run side by side, how far a source is read ahead, and threads of their own."""

from __future__ import annotations

import asyncio
import functools
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import count, islice, pairwise
from typing import Any

import pytest
from support.coroutines import SQUARES, WAYS, asquare, ways
from support.work import square

import amorsize

pytestmark = pytest.mark.timeout(60)


@ways
def test_no_more_side_by_side_than_asked_for(way: Callable[..., list[Any]]) -> None:
    inside = most = 0

    async def watched(item: int) -> int:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        await asyncio.sleep(0.001)
        inside -= 1
        return item

    assert way(watched, range(100), n_jobs=3) == list(range(100))
    assert most == 3


@pytest.mark.parametrize("func", [asquare, square], ids=["coroutine", "function"])
def test_a_stream_reads_no_further_than_its_window(func: Any) -> None:
    read: list[int] = []

    async def source() -> AsyncIterator[int]:
        for number in count():
            read.append(number)
            yield number
            await asyncio.sleep(0)

    async def some() -> list[int]:
        found = []
        stream = amorsize.astream(func, source(), buffersize=20)
        async for value in stream:
            found.append(value)
            if len(found) == 50:
                await stream.aclose()
        return found

    assert asyncio.run(some()) == SQUARES[:50]
    assert len(read) <= 50 + 20 + 64 + 2  # beside the window, what is read ahead for a thread


def test_a_stream_from_ordinary_code_is_bounded_too() -> None:
    read: list[int] = []

    def source() -> Iterator[int]:
        for number in count():
            read.append(number)
            yield number

    results = amorsize.stream(asquare, source(), buffersize=20)
    assert list(islice(results, 50)) == SQUARES[:50]
    time.sleep(0.05)
    assert len(read) <= 50 + 20 + 1
    results.close()
    assert not [one for one in threading.enumerate() if one.name.startswith("amorsize")]


def test_a_slow_source_does_not_hold_up_the_loop() -> None:
    """While the source sleeps, what is on its way goes on."""
    marks: list[float] = []

    async def item(number: int) -> int:
        for _ in range(10):
            await asyncio.sleep(0.005)
            marks.append(time.perf_counter())
        return number

    def source() -> Iterator[int]:
        for number in range(4):
            time.sleep(0.2)
            yield number

    assert amorsize.execute(item, source()) == [0, 1, 2, 3]
    gaps = [after - before for before, after in pairwise(marks)]
    assert len([gap for gap in gaps if gap < 0.1]) >= 30


# -- ordinary functions in a thread of their own -------------------------------------------------------


@pytest.mark.parametrize("way", ["aexecute", "astream"])
def test_runs_side_by_side_are_not_nested_in_each_other(way: str) -> None:
    """Two runs meet in the middle of an item each, and both have threads."""
    meeting = threading.Barrier(2, timeout=20)
    seen: dict[str, set[int]] = {"a": set(), "b": set()}

    def item(name: str, number: int) -> int:
        seen[name].add(threading.get_ident())
        if number == 0:
            meeting.wait()
        time.sleep(0.01)
        return number

    async def one(name: str) -> list[int]:
        func, options = functools.partial(item, name), {"backend": "threads", "n_jobs": 2}
        if way == "aexecute":
            return await amorsize.aexecute(func, range(20), **options)
        return [value async for value in amorsize.astream(func, range(20), **options)]

    async def both() -> list[list[int]]:
        return await asyncio.gather(one("a"), one("b"))

    assert asyncio.run(both()) == [list(range(20))] * 2
    assert {name: len(threads) for name, threads in seen.items()} == {"a": 2, "b": 2}


@pytest.mark.parametrize("way", ["aexecute", "astream"])
def test_a_run_inside_of_an_item_stays_in_its_thread(way: str) -> None:
    def outer(item: int) -> int:
        def inner(_: int) -> int:
            time.sleep(0.002)
            return threading.get_ident()

        return len(set(amorsize.execute(inner, range(20), backend="threads", n_jobs=2)))

    assert WAYS[way](outer, range(3), backend="serial") == [1, 1, 1]


def test_the_thread_that_works_is_observed_not_the_one_that_waits(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def computes(item: int) -> int:
        end = time.perf_counter() + 0.04
        while time.perf_counter() < end:
            pass
        return item

    caplog.set_level("DEBUG", "amorsize")
    options: dict[str, Any] = {"backend": ("serial", "threads")}
    assert WAYS["aexecute"](computes, range(12), **options) == list(range(12))
    plan = amorsize.optimize(computes, range(12), **options)
    elsewhere = threading.Thread(target=plan.execute)
    elsewhere.start()
    elsewhere.join()
    assert plan.run is not None and plan.run.items == 12
    ended = [record.amorsize for record in caplog.records if hasattr(record, "amorsize")]
    jobs = [fields["config"]["n_jobs"] for fields in ended if "config" in fields]
    assert len(jobs) == 2
    assert max(jobs) <= 4  # 9 or more where the items seemed to wait
