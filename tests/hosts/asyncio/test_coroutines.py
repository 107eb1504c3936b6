"""Coroutine functions from everywhere, and every function from inside an event loop."""

from __future__ import annotations

import asyncio
import functools
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import count, pairwise
from pathlib import Path
from typing import Any

import pytest
from support.coroutines import COROUTINES, SQUARES, WAYS, Method, added, asquare, numbers, ways
from support.work import square

import amorsize
from amorsize.items.kinds import is_coroutine_function
from amorsize.reporting import progress as amorsize_progress

pytestmark = pytest.mark.timeout(60)


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


@pytest.mark.parametrize("way", WAYS)
def test_a_result_that_the_checkpoint_cannot_hold_ends_the_run(way: str, tmp_path: Path) -> None:
    """It is no failure of the item: nothing is tried again."""
    tmp_path.chmod(0o700)
    calls: list[int] = []

    async def sealed(item: int) -> Any:
        calls.append(item)
        return (value for value in ())

    with pytest.raises(amorsize.CheckpointError, match="cannot hold the result of item"):
        WAYS[way](sealed, range(3), checkpoint=tmp_path / "journal", retries=5, on_error="skip")
    assert len(calls) <= 3


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


in_first_wait: list[int] = []
"""Items that began before the first answer; no part of the function."""
answered: list[int] = []


async def ask(item: int) -> int:
    if not answered:
        in_first_wait.append(item)
    await asyncio.sleep(0.2)
    answered.append(item)
    return item


@pytest.mark.parametrize("way", WAYS)
def test_a_known_function_begins_where_the_last_run_ended(way: str, tmp_path: Path) -> None:
    """More than the usual first twenty are in flight before the first answer is there."""
    tmp_path.chmod(0o700)
    for known in (False, True):
        in_first_wait.clear()
        answered.clear()
        found = WAYS[way](ask, range(400), history=str(tmp_path / "history"), n_jobs=400)
        assert sorted(found) == list(range(400))
        assert (len(in_first_wait) > 20) == known
