"""Coroutine functions from everywhere, and every function from inside an event loop."""

from __future__ import annotations

import asyncio
import functools
import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import count, islice, pairwise
from pathlib import Path
from typing import Any

import pytest
from support.work import square

import amorsize
from amorsize.core import nesting
from amorsize.items.star import is_coroutine_function
from amorsize.reporting import progress as amorsize_progress

pytestmark = pytest.mark.timeout(60)
SQUARES = [n * n for n in range(500)]


async def asquare(item: int) -> int:
    await asyncio.sleep(0.001)
    return item * item


async def numbers(total: int) -> AsyncIterator[int]:
    for number in range(total):
        if number % 7 == 0:
            await asyncio.sleep(0)
        yield number


class Method:
    async def square(self, item: int) -> int:
        return item * item

    async def __call__(self, item: int) -> int:
        return item * item


async def added(first: int, second: int) -> int:
    return first + second


COROUTINES: dict[str, Callable[[int], Any]] = {
    "function": asquare,
    "method": Method().square,
    "object": Method(),
    "partial": functools.partial(asquare),
}


def drained(func: Any, data: Any, **options: Any) -> list[Any]:
    """What ``astream`` gives."""

    async def all_of_it() -> list[Any]:
        return [value async for value in amorsize.astream(func, data, **options)]

    return asyncio.run(all_of_it())


WAYS: dict[str, Callable[..., list[Any]]] = {
    "execute": amorsize.execute,
    "stream": lambda *args, **options: list(amorsize.stream(*args, **options)),
    "aexecute": lambda *args, **options: asyncio.run(amorsize.aexecute(*args, **options)),
    "astream": drained,
}
ways = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)


# -- results -------------------------------------------------------------------------------------------


@ways
@pytest.mark.parametrize("func", COROUTINES.values(), ids=COROUTINES)
def test_as_the_loop(way: Callable[..., list[Any]], func: Any) -> None:
    assert way(func, range(500)) == SQUARES
    assert way(func, (n for n in range(500))) == SQUARES
    assert way(func, numbers(500)) == SQUARES
    assert way(func, []) == []


@pytest.mark.parametrize("way", ["aexecute", "astream"])
def test_ordinary_functions_from_inside_a_loop(way: str) -> None:
    assert WAYS[way](square, range(500)) == SQUARES
    assert WAYS[way](square, numbers(500)) == SQUARES
    assert WAYS[way](square, numbers(500), backend="threads") == SQUARES


def test_star_and_partial() -> None:
    assert amorsize.execute(amorsize.star(added), [(1, 2), (3, 4)]) == [3, 7]
    assert amorsize.execute(functools.partial(added, 5), [1, 2]) == [6, 7]


def test_what_is_a_coroutine_function() -> None:
    assert all(map(is_coroutine_function, COROUTINES.values()))
    assert is_coroutine_function(amorsize.star(added))
    for other in (square, len, Method, lambda x: x, numbers, functools.partial(square, 1)):
        assert not is_coroutine_function(other)


@pytest.mark.parametrize("way", ["stream", "astream"])
def test_unordered(way: str) -> None:
    assert sorted(WAYS[way](asquare, range(500), ordered=False)) == SQUARES


@ways
def test_seeds_are_those_of_every_backend(way: Callable[..., list[Any]]) -> None:
    async def throw(item: int) -> int:
        await asyncio.sleep(0.001 * (item % 3))
        return int(amorsize.item_rng().integers(10**6))

    def sync_throw(item: int) -> int:
        return int(amorsize.item_rng().integers(10**6))

    assert way(throw, range(50), seed=7) == amorsize.execute(sync_throw, range(50), seed=7)


# -- errors, retries, time limits ----------------------------------------------------------------------


async def refuses_seven(item: int) -> int:
    await asyncio.sleep(0.0)
    if item == 7:
        raise KeyError("seven")
    return item


@ways
def test_an_error_has_the_index_of_its_item(way: Callable[..., list[Any]]) -> None:
    with pytest.raises(KeyError, match="seven") as caught:
        way(refuses_seven, range(100))
    assert caught.value.__notes__ == ["amorsize: raised by item 7 of the data"]
    collected = way(refuses_seven, range(100), on_error="collect")
    assert isinstance(collected[7], amorsize.ItemError) and collected[7].index == 7
    assert "refuses_seven" in collected[7].traceback
    assert way(refuses_seven, range(100), on_error="skip") == [n for n in range(100) if n != 7]


@ways
def test_errors_of_the_source_are_the_users(way: Callable[..., list[Any]]) -> None:
    async def broken() -> AsyncIterator[int]:
        yield 1
        raise LookupError("source")

    def also_broken() -> Iterator[int]:
        yield 1
        raise LookupError("source")

    for source in (broken(), also_broken()):
        with pytest.raises(LookupError, match="source"):
            way(asquare, source)


class Stop(BaseException):
    pass


@ways
@pytest.mark.parametrize("on_error", ["raise", "collect", "skip"])
@pytest.mark.parametrize("kind", [Stop, GeneratorExit, SystemExit, asyncio.CancelledError])
def test_what_is_no_exception_ends_the_run(
    way: Callable[..., list[Any]], on_error: str, kind: type[BaseException]
) -> None:
    async def stops(item: int) -> int:
        if item == 1:
            raise kind("one")
        return item

    with pytest.raises(kind):
        way(stops, range(3), on_error=on_error)


@ways
@pytest.mark.parametrize("kind", [Stop, SystemExit, asyncio.CancelledError])
@pytest.mark.parametrize("asynchronous", [True, False])
def test_what_is_no_exception_of_the_source_ends_the_run(
    way: Callable[..., list[Any]], kind: type[BaseException], asynchronous: bool
) -> None:
    async def asource() -> AsyncIterator[int]:
        yield 1
        raise kind("source")

    def source() -> Iterator[int]:
        yield 1
        raise kind("source")

    with pytest.raises(kind):
        way(asquare, asource() if asynchronous else source())


@pytest.mark.parametrize("way", ["aexecute", "astream"])
@pytest.mark.parametrize("func", [abs, asquare])
def test_a_source_whose_own_task_was_cancelled_has_not_ended(way: str, func: Any) -> None:
    async def source() -> AsyncIterator[int]:
        yield -1
        yield -2
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        WAYS[way](func, source())


@pytest.mark.parametrize("way", ["aexecute", "astream"])
@pytest.mark.parametrize("func", [abs, asquare])
def test_a_source_that_cannot_begin_or_be_closed(way: str, func: Any) -> None:
    class CannotBegin:
        def __aiter__(self) -> AsyncIterator[int]:
            raise LookupError("begin")

    class CannotBeClosed:
        def __aiter__(self) -> CannotBeClosed:
            return self

        async def __anext__(self) -> int:
            raise StopAsyncIteration

        async def aclose(self) -> None:
            raise LookupError("close")

    with pytest.raises(LookupError, match="begin"):
        WAYS[way](func, CannotBegin())
    with pytest.raises(LookupError, match="close"):
        WAYS[way](func, CannotBeClosed())


@ways
def test_time_limits(way: Callable[..., list[Any]]) -> None:
    ended: list[int] = []

    async def slow(item: int) -> int:
        try:
            await asyncio.sleep(30.0 if item == 3 else 0.0)
        finally:
            ended.append(item)
        return item

    found = way(slow, range(10), timeout=0.5, on_error="collect")
    assert isinstance(found[3].exception, TimeoutError) and "item 3" in str(found[3].exception)
    assert found[:3] + found[4:] == [n for n in range(10) if n != 3]
    assert sorted(ended) == list(range(10))


@ways
def test_retries(way: Callable[..., list[Any]]) -> None:
    tries: dict[int, int] = {}

    async def third_time(item: int) -> int:
        tries[item] = tries.get(item, 0) + 1
        if tries[item] < 3:
            raise ConnectionError(item)
        return item

    assert way(third_time, range(20), retries=2, retry_on=(ConnectionError,)) == list(range(20))
    assert set(tries.values()) == {3}
    tries.clear()
    with pytest.raises(ConnectionError):
        way(third_time, range(20), retries=1)
    tries.clear()
    with pytest.raises(ConnectionError):
        way(third_time, range(20), retries=2, retry_on=(ValueError,))


@ways
def test_retries_pause_and_others_go_on(way: Callable[..., list[Any]]) -> None:
    begun: list[tuple[int, float]] = []
    inside: list[int] = []

    async def third_time(item: int) -> int:
        begun.append((item, time.perf_counter()))
        inside.append(item)
        assert len(inside) == 1
        try:
            await asyncio.sleep(0)
            if item == 0 and [number for number, _ in begun].count(0) < 3:
                raise ConnectionError
            return item
        finally:
            inside.pop()

    found = way(third_time, range(5), retries=2, retry_on=ConnectionError, n_jobs=1)
    assert found == list(range(5))
    assert [item for item, _ in begun][:2] == [0, 1]  # a stream's window ends there
    assert sorted(item for item, _ in begun) == [0, 0, 0, 1, 2, 3, 4]
    tries = [when for item, when in begun if item == 0]
    assert tries[1] - tries[0] >= 0.05
    assert tries[2] - tries[1] >= 0.1


@ways
@pytest.mark.parametrize("at", [1, 30, 50])
def test_what_a_progress_function_raises_ends_the_run(
    way: Callable[..., list[Any]], at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(amorsize_progress, "REPORT_SECONDS", 0.0)

    def progress(done: int, total: int | None) -> None:
        if done >= at:
            raise LookupError(done)

    with pytest.raises(LookupError):
        way(asquare, range(50), progress=progress)


@pytest.mark.parametrize(
    "option",
    [
        {"backend": "threads"},
        {"chunksize": 3},
        {"memory_limit": "1GB"},
        {"initializer": print},
        {"rerun_after_death": False},
    ],
    ids=str,
)
def test_what_cannot_be_honoured_is_refused(option: dict[str, Any]) -> None:
    for way in WAYS.values():
        with pytest.raises(ValueError, match="cannot be honoured for a coroutine function"):
            way(asquare, range(3), **option)


def test_checkpoints_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot be honoured for a coroutine function"):
        amorsize.execute(asquare, range(3), checkpoint=tmp_path / "journal")


def test_the_wrong_way_in_is_told_of() -> None:
    async def wrong() -> None:
        amorsize.execute(asquare, range(3))

    with pytest.raises(TypeError, match="aexecute"):
        asyncio.run(wrong())
    with pytest.raises(TypeError, match="aexecute"):
        amorsize.execute(square, numbers(3))
    with pytest.raises(TypeError, match="call execute, stream, aexecute"):
        amorsize.optimize(asquare, range(3))


@pytest.mark.parametrize("way", WAYS)
def test_runs_are_told_and_drawn(
    way: str, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    path = tmp_path / "trace.json"
    tuner = amorsize.Tuner(trace=path)

    async def streamed(func: Any, data: Any) -> list[Any]:
        return [value async for value in tuner.astream(func, data)]

    ways: dict[str, Callable[[Any, Any], list[Any]]] = {
        "execute": tuner.execute,
        "stream": lambda *args: list(tuner.stream(*args)),
        "aexecute": lambda *args: asyncio.run(tuner.aexecute(*args)),
        "astream": lambda *args: asyncio.run(streamed(*args)),
    }
    caplog.set_level("INFO", "amorsize")
    assert ways[way](asquare, range(50)) == SQUARES[:50]
    with pytest.raises(KeyError):
        ways[way](refuses_seven, range(50))
    told = [(record.amorsize["outcome"], record.amorsize["items"]) for record in caplog.records]  # type: ignore[attr-defined]
    assert told[0] == ("done", 50)
    assert [outcome for outcome, _ in told] == ["done", "failed"]
    drawn = json.loads(path.read_text())
    runs = [(run["outcome"], run["items"]) for run in drawn["otherData"]["runs"]]
    assert runs == told
    boxes = [event for event in drawn["traceEvents"] if event["name"] == "chunk"]
    first, _ = [event for event in drawn["traceEvents"] if event["name"].startswith("run")]
    mine = [box for box in boxes if box["ts"] < first["ts"] + first["dur"]]
    assert sorted(box["args"]["first"] for box in mine) == list(range(50))
    for row in {box["tid"] for box in boxes}:  # boxes of a row come one after the other
        spans = sorted((box["ts"], box["ts"] + box["dur"]) for box in boxes if box["tid"] == row)
        assert all(end <= begin + 0.01 for (_, end), (begin, _) in pairwise(spans))


def test_an_abandoned_stream_is_told_of(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "amorsize")
    results = amorsize.stream(asquare, count())
    assert next(results) == 0
    results.close()
    (record,) = caplog.records
    assert record.amorsize["outcome"] == "abandoned"  # type: ignore[attr-defined]


# -- limits and back-pressure --------------------------------------------------------------------------


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


# -- endings -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["coroutine", "function"])
def test_a_cancelled_task_ends_the_run(kind: str) -> None:
    begun: list[int] = []
    closed: list[bool] = []

    async def waits(item: int) -> None:
        begun.append(item)
        await asyncio.sleep(30)

    def works(item: int) -> None:
        begun.append(item)
        time.sleep(0.01)

    async def source() -> AsyncIterator[int]:
        try:
            for number in count():
                yield number
                await asyncio.sleep(0)
        finally:
            closed.append(True)

    async def main() -> None:
        func: Any = waits if kind == "coroutine" else works
        task = asyncio.create_task(amorsize.aexecute(func, source()))
        while len(begun) < 5:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())
    assert closed == [True]
    assert not [one for one in threading.enumerate() if one.name.startswith("amorsize")]


@pytest.mark.parametrize("data", [range(10**8), iter(range(10**8))], ids=["indexed", "iterator"])
@pytest.mark.parametrize("nested", [False, True])
def test_the_loop_goes_on_beside_trivial_items_and_may_end_them(
    data: Any, nested: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A loop in C would let no other thread have its turn before the end."""
    if nested:
        monkeypatch.setattr(nesting, "in_worker", True)  # nothing is decided, nobody observes

    async def main() -> float:
        began = time.perf_counter()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(amorsize.aexecute(abs, data), 0.1)
        return time.perf_counter() - began

    assert asyncio.run(main()) < 2.0  # some 5 s and more to the end


@pytest.mark.parametrize("kind", ["stream", "astream"])
def test_items_of_a_closed_stream_may_await_their_end(kind: str) -> None:
    ended: list[int] = []

    async def slow_to_end(item: int) -> int:
        try:
            await asyncio.sleep(30 if item else 0)
            return item
        finally:
            await asyncio.sleep(0.2)
            ended.append(item)

    if kind == "stream":
        results = amorsize.stream(slow_to_end, range(3))
        assert next(results) == 0
        results.close()
    else:

        async def main() -> None:
            stream = amorsize.astream(slow_to_end, range(3))
            assert await anext(stream) == 0
            await stream.aclose()

        asyncio.run(main())
    assert sorted(ended) == [0, 1, 2]


def test_a_source_that_falls_silent_does_not_keep_the_interpreter() -> None:
    code = """
        import threading, time
        import amorsize

        async def item(n):
            return n

        def source():
            time.sleep(0.1)
            yield 1
            threading.Event().wait()

        results = amorsize.stream(item, source())
        print(next(results))
        results.close()
        print("closed")
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=20,
        env={**os.environ, "AMORSIZE_HISTORY": "off"},
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "1\nclosed\n", "")


def test_a_function_that_cancels_itself_fails() -> None:
    async def gives_up(item: int) -> None:
        raise asyncio.CancelledError

    async def main() -> None:
        with pytest.raises(asyncio.CancelledError):
            await amorsize.aexecute(gives_up, range(3))

    asyncio.run(main())


def test_nested_runs() -> None:
    async def outer(item: int) -> list[int]:
        return await amorsize.aexecute(asquare, range(item))

    assert amorsize.execute(outer, range(10)) == [SQUARES[:item] for item in range(10)]


def test_interrupt(tmp_path: Path) -> None:
    script = tmp_path / "job.py"
    script.write_text(
        textwrap.dedent(
            """
            import asyncio, sys, threading
            import amorsize

            async def item(n):
                if n == 0:
                    print("begun", flush=True)
                await asyncio.sleep(30)

            try:
                if sys.argv[1] == "execute":
                    amorsize.execute(item, range(2000))
                else:
                    list(amorsize.stream(item, range(2000)))
            except KeyboardInterrupt:
                print("interrupted", threading.active_count(), flush=True)
            """
        )
    )
    for way in ("execute", "stream"):
        job = subprocess.Popen(
            [sys.executable, str(script), way],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "AMORSIZE_HISTORY": "off"},
        )
        with job:
            assert job.stdout is not None
            assert job.stdout.readline() == "begun\n"
            job.send_signal(signal.SIGINT)
            assert job.stdout.readline() == "interrupted 1\n"
            assert job.wait(20) == 0


def test_asyncio_is_not_imported_before_it_is_used() -> None:
    code = "import sys, amorsize; amorsize.execute(abs, [1]); print('asyncio' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
