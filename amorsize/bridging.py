"""Runs of ordinary functions from inside an event loop: the run works in a thread, the loop goes on.

An asynchronous source is read in the loop, a few items ahead, and handed to that thread.
"""

from __future__ import annotations

import asyncio
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterator
    from typing import Any

    from amorsize.execution import Engine

BATCH = 64
"""Results fetched from a stream in one turn of its thread, at most; a turn costs 0.1 ms."""
TURN_SECONDS = 0.001
"""...and only as long as they come without waiting for so long."""
AHEAD = 64
"""Items read ahead from an asynchronous source."""


class Interrupted(Exception):
    """The task that waits for the run was cancelled."""


async def execute(make: Callable[[Any], Engine], data: Any) -> list[Any]:
    """All results of ``make(data)``, in order; cancelling ends the run."""
    loop = asyncio.get_running_loop()
    source = Source(data) if hasattr(data, "__aiter__") else None
    engine = make(data if source is None else source)
    with ThreadPoolExecutor(1, "amorsize-run") as pool:
        work = loop.run_in_executor(pool, engine.execute)
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            engine.interrupt(Interrupted())
            if source is not None:
                source.stop()
            await asyncio.gather(work, return_exceptions=True)
            raise
        finally:
            if source is not None:
                await source.finish()


async def stream(
    make: Callable[[Any], Engine], data: Any, *, ordered: bool, buffersize: int | None
) -> AsyncGenerator[Any, None]:
    """The results of ``make(data)`` one after the other; closing the iterator ends the run."""
    loop = asyncio.get_running_loop()
    source = Source(data) if hasattr(data, "__aiter__") else None
    engine = make(data if source is None else source)
    results = engine.stream(ordered=ordered, buffersize=buffersize)
    most = min(BATCH, max(1, (buffersize or BATCH) // 2))
    with ThreadPoolExecutor(1, "amorsize-run") as pool:
        work: Any = None
        try:
            while True:
                work = loop.run_in_executor(pool, _turn, results, most)
                values, ended = await asyncio.shield(work)
                for value in values:
                    yield value
                if ended is not None:
                    raise ended
                if not values:
                    return
        finally:
            engine.interrupt(Interrupted())
            if source is not None:
                source.stop()
            await asyncio.gather(work, return_exceptions=True)
            await asyncio.gather(loop.run_in_executor(pool, results.close), return_exceptions=True)
            if source is not None:
                await source.finish()


def _turn(results: Iterator[Any], most: int) -> tuple[list[Any], BaseException | None]:
    """The next results: one, and those that follow at once; and what ended the stream."""
    import time

    values: list[Any] = []
    end = time.perf_counter() + TURN_SECONDS
    try:
        for value in islice(results, most):
            values.append(value)
            if time.perf_counter() > end:
                break
    except Exception as error:
        return values, error
    return values, None


class Source:
    """An asynchronous iterable as an iterator for the run's thread; a task of the loop reads it."""

    def __init__(self, data: Any) -> None:
        import threading

        self._loop = asyncio.get_running_loop()
        self._items: deque[Any] = deque()
        self._ready = threading.Semaphore(0)
        self._room = asyncio.Event()
        self._error: BaseException | None = None
        self._stopped = self._ended = False
        self._task = self._loop.create_task(self._read(data))

    def __iter__(self) -> Source:
        return self

    def __next__(self) -> Any:
        self._ready.acquire()
        if self._items:
            item = self._items.popleft()
            if len(self._items) == AHEAD // 2:
                self._loop.call_soon_threadsafe(self._room.set)
            return item
        self._ready.release()  # so is everybody else's next
        if self._error is not None and not self._stopped:
            raise self._error
        raise StopIteration

    async def _read(self, data: Any) -> None:
        source = aiter(data)
        try:
            async for item in source:
                self._items.append(item)
                self._ready.release()
                while len(self._items) >= AHEAD:
                    self._room.clear()
                    await self._room.wait()
        except Exception as error:
            self._error = error
        finally:
            close = getattr(source, "aclose", None)
            if close is not None:
                await close()
            self._ready.release()

    def stop(self) -> None:
        """Nothing more will be asked for."""
        self._stopped = True
        self._task.cancel()

    async def finish(self) -> None:
        """Wait until the source is closed."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
