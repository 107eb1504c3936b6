"""Runs of ordinary functions from inside an event loop: the run works in a thread, the loop goes on.

An asynchronous source is read in the loop, a few items ahead, and handed to that thread.
"""

from __future__ import annotations

import asyncio
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from itertools import islice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterator
    from typing import Any

    from amorsize.engine.driver import Engine

BATCH = 64
"""Results fetched from a stream in one turn of its thread, at most; a turn costs 0.1 ms."""
TURN_SECONDS = 0.001
"""Seconds without a result after which the turn of a stream's thread ends."""
AHEAD = 64
"""Items read ahead from an asynchronous source."""


class Interrupted(Exception):
    """The task that waits for the run was cancelled."""


class Job:
    """One run: its engine is made, and works, in the thread of a pool."""

    def __init__(self, make: Callable[[Any], Engine], data: Any) -> None:
        self.source = Source(data) if hasattr(data, "__aiter__") else None
        self.data = data if self.source is None else self.source
        self._make = make
        self._engine: Engine | None = None
        self._stopped = False

    def engine(self) -> Engine:
        """Made where it works: the caller that it marks and observes is that thread, not the loop's."""
        self._engine = engine = self._make(self.data)
        engine.bound()
        if self._stopped:
            engine.interrupt(Interrupted())
        return engine

    def execute(self) -> list[Any]:
        """All results, in order."""
        return self.engine().execute()

    def stop(self) -> None:
        """End the run soon, made yet or not."""
        self._stopped = True
        if self._engine is not None:
            self._engine.interrupt(Interrupted())
        if self.source is not None:
            self.source.stop()

    async def finish(self) -> None:
        """Wait until the source is closed."""
        if self.source is not None:
            await self.source.finish()


async def execute(make: Callable[[Any], Engine], data: Any) -> list[Any]:
    """All results of ``make(data)``, in order; cancelling ends the run."""
    job = Job(make, data)
    with ThreadPoolExecutor(1, "amorsize-run") as pool:
        work = asyncio.get_running_loop().run_in_executor(pool, copy_context().run, job.execute)
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            job.stop()
            await asyncio.gather(work, return_exceptions=True)
            raise
        finally:
            await job.finish()


async def stream(
    make: Callable[[Any], Engine], data: Any, *, ordered: bool, buffersize: int | None
) -> AsyncGenerator[Any, None]:
    """The results of ``make(data)`` one after the other; closing the iterator ends the run."""
    loop = asyncio.get_running_loop()
    job = Job(make, data)
    run = copy_context().run  # all turns of the stream share the copy
    most = min(BATCH, max(1, (buffersize or BATCH) // 2))
    with ThreadPoolExecutor(1, "amorsize-run") as pool:
        work: Any = loop.run_in_executor(
            pool, run, lambda: job.engine().stream(ordered=ordered, buffersize=buffersize)
        )
        results: Any = None
        try:
            results = await asyncio.shield(work)
            while True:
                work = loop.run_in_executor(pool, run, _turn, results, most)
                values, ended = await asyncio.shield(work)
                for value in values:
                    yield value
                if ended is not None:
                    raise ended
                if not values:
                    return
        finally:
            job.stop()
            await asyncio.gather(work, return_exceptions=True)
            if results is not None:
                closing = loop.run_in_executor(pool, run, results.close)
                await asyncio.gather(closing, return_exceptions=True)
            await job.finish()


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
    except BaseException as error:  # after the results that came before it
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
        source: Any = None
        try:
            try:
                source = aiter(data)
                async for item in source:
                    self._items.append(item)
                    self._ready.release()
                    while len(self._items) >= AHEAD:
                        self._room.clear()
                        await self._room.wait()
            finally:
                close = getattr(source, "aclose", None)
                if close is not None:
                    await close()
        except BaseException as error:  # the source's own, unless it was stopped
            self._error = error
        finally:
            self._ready.release()

    def stop(self) -> None:
        """Nothing more will be asked for."""
        self._stopped = True
        self._task.cancel()

    async def finish(self) -> None:
        """Wait until the source is closed."""
        self.stop()
        await asyncio.gather(self._task, return_exceptions=True)
