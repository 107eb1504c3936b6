"""Cancelled tasks, abandoned streams, interrupts: every run of coroutines ends."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from support.coroutines import SQUARES, asquare

import amorsize
from amorsize.core import nesting
from amorsize.engine import coroutine_engine

pytestmark = pytest.mark.timeout(60)


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
        timeout=150,
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
            import asyncio, sys, threading, time
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
                end = time.monotonic() + 10  # whoever reads the items is told to end, not waited for
                while threading.active_count() > 1 and time.monotonic() < end:
                    time.sleep(0.001)
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


def test_an_interrupt_that_comes_while_the_loop_begins_ends_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = coroutine_engine._LoopBeside

    def interrupted(*given: Any) -> Any:
        beside = real(*given)
        signal.raise_signal(signal.SIGINT)
        return beside

    async def item(number: int) -> None:
        await asyncio.sleep(30)

    monkeypatch.setattr(coroutine_engine, "_LoopBeside", interrupted)
    with pytest.raises(KeyboardInterrupt):
        list(amorsize.stream(item, range(10)))
    assert "amorsize-loop" not in [thread.name for thread in threading.enumerate()]


def test_asyncio_is_not_imported_before_it_is_used() -> None:
    code = "import sys, amorsize; amorsize.execute(abs, [1]); print('asyncio' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@pytest.mark.parametrize("how", ["coroutines", "beside"])
@pytest.mark.parametrize("fails", [False, True])
def test_the_end_of_an_async_with_closes_the_run_and_its_data(how: str, fails: bool) -> None:
    ended: list[bool] = []

    async def numbers() -> AsyncIterator[int]:
        try:
            for number in range(10_000):
                yield number
        finally:
            ended.append(True)

    async def one_more(number: int) -> int:
        return number + 1

    async def main() -> None:
        func: Any = one_more if how == "coroutines" else abs
        async with amorsize.astream(func, numbers(), history=None) as results:
            first = await anext(results)
            assert first == (1 if how == "coroutines" else 0)
            if fails:
                raise KeyError("mine")
        assert ended == [True]
        with pytest.raises(StopAsyncIteration):
            await anext(results)

    with pytest.raises(KeyError, match="mine") if fails else contextlib.nullcontext():
        asyncio.run(main())
    assert ended == [True]
