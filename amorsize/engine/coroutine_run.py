"""Coroutine functions: one event loop, as many items side by side as the limit allows.

::

    data --read as there is room--> a task for each item --place--> ResultCollector --> results in order
                  ^                        |
                  +---- Limit (limiting) <-+ latency of each item

``Flow`` is one run in the loop that runs; ``CoroutineEngine`` gives it the two ways through that a run of
any function has, from code that knows no loop: ``execute`` runs a loop of its own in the caller's
thread, ``stream`` one in a thread that lives as long as the stream.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from _thread import get_ident
from heapq import heappop, heappush
from itertools import count
from queue import SimpleQueue

from amorsize.core import nesting
from amorsize.core.model import Config, Run
from amorsize.errors import OptionError, OptionTypeError
from amorsize.items.call import format_traceback, overdue_error, with_origin
from amorsize.items.collector import SKIPPED, ListCollector, WindowCollector
from amorsize.items.kinds import length_of
from amorsize.items.retry import drawn_pause_seconds
from amorsize.items.usage import UsageLog
from amorsize.planning.concurrency import Limit
from amorsize.reporting.trace import tell_run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
    from typing import Any

    from amorsize.core.options import Options

clock = time.perf_counter

REFUSED = {
    "backend": ("auto", None),
    "chunksize": ("auto", None),
    "checkpoint": (None,),
    "memory_limit": (None,),
    "initializer": (None,),
    "rerun_after_death": (True,),
}
"""Options that a run on an event loop cannot honour, and the values that ask for nothing."""
SLOW_SOURCE_SECONDS = 0.002
"""A source that takes longer for an item would hold up the loop: it is read in a thread from then on."""
TICK_SECONDS = 0.005
"""Between two looks how late the loop is: what it is held up is not the latency of any server."""
AHEAD_ROUNDS = 2
"""A stream without ``buffersize`` is ahead of its consumer by so many times the limit."""
PATIENCE_SECONDS = 0.05
"""Longest wait of a stream's consumer before it looks around."""
LOOP_ENDS = (KeyboardInterrupt, SystemExit)
"""A task that raises one of these ends the loop, not only the run."""


def check(options: dict[str, Any]) -> None:
    """Refuse what a run on an event loop cannot honour."""
    for name, nothing in REFUSED.items():
        if name in options and not any(
            options[name] is one or options[name] == one for one in nothing
        ):
            raise OptionError(
                name,
                options[name],
                "cannot be honoured for a coroutine function, which runs on an event loop",
                "leave it out (n_jobs is the most items that run side by side)",
            )


class Flow:
    """One run of a coroutine function in the loop that runs."""

    def __init__(
        self,
        func: Callable[[Any], Any],
        data: Any,
        options: Options,
        collector: ListCollector | WindowCollector,
        buffersize: int | None = None,
        *,
        bounded: bool = False,
    ) -> None:
        self.func, self.data, self.options, self.collector = func, data, options, collector
        self.limit = Limit(options.max_jobs)
        self.in_flight = 0
        self.pausing = 0
        """Items that are tried again after a pause."""
        self.read = 0
        """Items taken from the source."""
        self.given = 0
        """Results that the consumer of a stream has taken."""
        self.ended = False
        self._bounded, self._buffersize = bounded, buffersize
        self._room = asyncio.Event()
        self.changed = asyncio.Event()
        """There is something new for the consumer."""
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._all_read = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._lag = 0.0
        """Seconds that the loop was held up so far (other code in it, other programs)."""
        self._progress = options.make_progress(length_of(data))
        self._ledger = UsageLog(None if options.trace is None else options.trace.lines)
        self._rows: list[int] = []
        """Rows of a trace that no item is drawn in now: there are as many as items run side by side."""
        self._new_rows = count(1)
        self._began, self._cpu = clock(), time.process_time()

    def account(self, outcome: str) -> None:
        """The run is over: tell whoever listens."""
        wall, cpu = clock() - self._began, time.process_time() - self._cpu
        run = Run(Config("asyncio", self.limit.value), self.collector.done, wall, cpu, outcome)
        tell_run(run)
        if self.options.trace is not None:
            self.options.trace.add(run, self._began, self._ledger)

    def _now(self) -> float:
        """A clock that stands still while the loop is held up."""
        return clock() - self._lag

    async def _tick(self) -> None:
        while True:
            due = clock() + TICK_SECONDS
            await asyncio.sleep(TICK_SECONDS)
            self._lag += max(0.0, clock() - due)

    async def run(self) -> None:
        """Until everything is done, or somebody has failed (see ``collector.failure``)."""
        loop = asyncio.get_running_loop()
        reader, ticker = loop.create_task(self._read()), loop.create_task(self._tick())
        try:
            await self._over
        finally:
            self.ended = True
            left = [reader, ticker, *self._tasks]
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)
            self._show(last=True)
            self.changed.set()

    def stop(self, running: asyncio.Task[None]) -> None:
        """End the run, which is this task. Only once: a second cancelling would cut off what its items
        await as they end."""
        if not self.ended:
            running.cancel()

    def took(self, count: int) -> None:
        """The consumer of a stream has taken so many results more."""
        self.given += count
        self._room.set()

    # -- reading --------------------------------------------------------------------------------

    def _has_room(self) -> bool:
        if self.in_flight >= self.limit.value:
            return False
        if not self._bounded:
            return True
        return self.read - self.given < (self._buffersize or AHEAD_ROUNDS * self.limit.value)

    async def _read(self) -> None:
        items = self._items()
        try:
            while True:
                while not self._has_room():
                    self._room.clear()
                    await self._room.wait()
                try:
                    item = await anext(items)
                except StopAsyncIteration:
                    break
                self._begin(item)
            self._all_read = True
            self._look()
        except BaseException as error:  # the source's own, unless the run has ended
            if not self.ended:
                self._fail(None, error)
            if isinstance(error, LOOP_ENDS):
                raise
        finally:
            await items.aclose()  # type: ignore[attr-defined]

    async def _items(self) -> AsyncIterator[Any]:
        if hasattr(self.data, "__aiter__"):
            source = aiter(self.data)
            try:
                async for item in source:
                    yield item
            finally:
                close = getattr(source, "aclose", None)
                if close is not None:
                    await close()
            return
        iterator = iter(self.data)
        reader: Reader | None = None
        try:
            while True:
                began = clock()
                if reader is None:
                    item = next(iterator, _END)
                    if clock() - began > SLOW_SOURCE_SECONDS:
                        reader = Reader(iterator)
                else:
                    item = await reader.next()
                if item is _END:
                    return
                yield item
        finally:
            if reader is not None:
                reader.close()
            else:
                _close(iterator)

    # -- items ----------------------------------------------------------------------------------

    def _begin(self, item: Any) -> None:
        index, self.read = self.read, self.read + 1
        self.in_flight += 1
        task = asyncio.get_running_loop().create_task(self._one(index, item))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _one(self, index: int, item: Any) -> None:
        """All tries of one item; between two of them its place is free for others."""
        number = 0
        while await self._try(index, item, number):
            await asyncio.sleep(drawn_pause_seconds(number))
            number += 1
            while self.in_flight >= self.limit.value:
                self._room.clear()
                await self._room.wait()
            self.pausing -= 1
            self.in_flight += 1

    async def _try(self, index: int, item: Any, number: int) -> bool:
        """Try ``number`` (from 0) of an item. True when another one is to follow."""
        began, again, drawn = self._now(), False, clock()
        row = heappop(self._rows) if self._rows else next(self._new_rows)
        try:
            value = await self._called(index, item)
            self.collector.place(index, (value,))
        except BaseException as error:
            if self.ended and isinstance(error, asyncio.CancelledError):
                raise
            again = number < self.options.retries and isinstance(error, self.options.retry_on)
            if not again:
                self._fail(index, error)
            if isinstance(error, LOOP_ENDS):
                raise
        finally:
            heappush(self._rows, row)
            self._ledger.chunk((os.getpid(), row), index, 1, drawn, clock() - drawn)
            self.in_flight -= 1
            self.pausing += again
            self.limit.ended(began, self._now(), self.in_flight)
            self._look()
        return again

    async def _called(self, index: int, item: Any) -> Any:
        if self.options.seed is not None:
            from amorsize.items.seeding import enter

            enter(self.options.seed, index)
        if self.options.timeout is None:
            return await self.func(item)
        try:
            async with asyncio.timeout(self.options.timeout) as scope:
                return await self.func(item)
        except TimeoutError:
            if scope.expired():
                raise overdue_error(index, self.options.timeout) from None
            raise

    def _fail(self, index: int | None, error: BaseException) -> None:
        text = format_traceback(error) if self.options.on_error == "collect" else ""
        if self.collector.fail(index, error, text) and not self._over.done():
            self._over.set_result(None)

    def _look(self) -> None:
        """Something has changed: is everything done, is there room, is there news?"""
        self._room.set()
        self.changed.set()
        if self._progress.active:
            self._show()
        if self._all_read and not self.in_flight and not self.pausing and not self._over.done():
            self._over.set_result(None)

    def _show(self, *, last: bool = False) -> None:
        """Show how far the run is; what the user's progress function raises ends it."""
        try:
            self._progress.update(self.collector.done)
            if last:
                self._progress.close()
        except BaseException as error:
            self._fail(None, error)


_END = object()


def _close(iterator: Iterator[Any]) -> None:
    close = getattr(iterator, "close", None)
    if close is not None:
        close()


class Reader:
    """Reads a slow source in a thread. Nobody waits for one that does not answer, neither the end of
    the run nor that of the interpreter: it closes the source when it comes back."""

    def __init__(self, iterator: Iterator[Any]) -> None:
        self._iterator, self._loop = iterator, asyncio.get_running_loop()
        self._asked: SimpleQueue[asyncio.Future[Any] | None] = SimpleQueue()
        threading.Thread(target=self._read, name="amorsize-source", daemon=True).start()

    def next(self) -> asyncio.Future[Any]:
        """The next item, ``_END`` behind the last."""
        item: asyncio.Future[Any] = self._loop.create_future()
        self._asked.put(item)
        return item

    def close(self) -> None:
        """Nothing more will be asked for."""
        self._asked.put(None)

    def _read(self) -> None:
        while (future := self._asked.get()) is not None:
            item, error = _END, None
            try:
                item = next(self._iterator, _END)
            except BaseException as raised:
                error = raised
            _call(self._loop, _settle, future, item, error)
        _close(self._iterator)


def _settle(future: asyncio.Future[Any], item: Any, error: BaseException | None) -> None:
    if future.done():  # the run has ended meanwhile
        return
    if error is None:
        future.set_result(item)
    else:
        future.set_exception(error)


async def execute(func: Callable[[Any], Any], data: Any, options: Options) -> list[Any]:
    """All results, in order, in the loop that runs."""
    flow = Flow(func, data, options, ListCollector(0, options.on_error))
    outcome = "failed"
    try:
        await flow.run()
        _raise_failure(flow.collector)
        outcome = "done"
    finally:
        flow.account(outcome)
    assert isinstance(flow.collector, ListCollector)
    return [value for value in flow.collector.results if value is not SKIPPED]


async def stream(
    func: Callable[[Any], Any],
    data: Any,
    options: Options,
    *,
    ordered: bool,
    buffersize: int | None,
) -> AsyncGenerator[Any, None]:
    """The results one after the other, in the loop that runs."""
    collector = WindowCollector(0, options.on_error, ordered=ordered)
    flow = Flow(func, data, options, collector, buffersize, bounded=True)
    running = asyncio.get_running_loop().create_task(flow.run())
    outcome = "abandoned"
    try:
        while True:
            values = collector.pop()
            if values is not None:
                for value in values:
                    if value is not SKIPPED:
                        yield value
                flow.took(len(values))
            elif collector.failure is not None:
                await running
                _raise_failure(collector)
            elif flow.ended:
                outcome = "done"
                return
            else:
                flow.changed.clear()
                await flow.changed.wait()
    except GeneratorExit:
        raise
    except BaseException:
        outcome = "failed"
        raise
    finally:
        flow.stop(running)
        await asyncio.gather(running, return_exceptions=True)
        flow.account(outcome)


def _raise_failure(collector: ListCollector | WindowCollector) -> None:
    failure = collector.failure
    if failure is not None:
        raise with_origin(failure.exception, failure.index, failure.traceback)


class CoroutineEngine:
    """A run of a coroutine function from code that knows no event loop."""

    def __init__(self, func: Callable[[Any], Any], data: Any, options: Options) -> None:
        self.func, self.data, self.options = func, data, options
        running = asyncio._get_running_loop()
        if running is not None:
            raise OptionTypeError(
                "func",
                func,
                "is a coroutine function, and an event loop runs in this thread already",
                "write await amorsize.aexecute(...) or async for ... in amorsize.astream(...)",
            )

    def execute(self) -> list[Any]:
        """Everything, in order."""
        me = get_ident()
        outer = me in nesting.busy_threads
        nesting.busy_threads.add(me)  # a call of amorsize by the function stays serial
        try:
            with asyncio.Runner() as runner:
                return runner.run(execute(self.func, self.data, self.options))
        finally:
            if not outer:
                nesting.busy_threads.discard(me)

    def stream(self, *, ordered: bool, buffersize: int | None) -> Generator[Any, None, None]:
        """The results one after the other; closing the iterator ends the run."""
        collector = WindowCollector(0, self.options.on_error, ordered=ordered)
        loop = asyncio.new_event_loop()
        flows: list[Flow] = []

        async def work() -> None:
            flow = Flow(self.func, self.data, self.options, collector, buffersize, bounded=True)
            flows.append(flow)
            await flow.run()

        running = loop.create_task(work())

        def stop() -> None:
            if flows:
                flows[0].stop(running)
            else:
                running.cancel()

        def body() -> None:
            nesting.busy_threads.add(get_ident())
            try:
                loop.run_until_complete(running)
            except asyncio.CancelledError:
                pass
            except BaseException as error:
                collector.fail(None, error)
            finally:
                nesting.busy_threads.discard(get_ident())
                try:
                    if not running.done():  # an item's SystemExit has ended the loop under it
                        running.cancel()
                        loop.run_until_complete(asyncio.gather(running, return_exceptions=True))
                    loop.run_until_complete(loop.shutdown_asyncgens())
                finally:
                    loop.close()
                    collector.notify()

        thread = threading.Thread(target=body, name="amorsize-loop", daemon=True)
        thread.start()
        outcome = "abandoned"
        try:
            while True:
                alive = thread.is_alive()
                values = collector.pop()
                if values is not None:
                    yield from (value for value in values if value is not SKIPPED)
                    if flows and not loop.is_closed():
                        _call(loop, flows[0].took, len(values))
                elif collector.failure is not None:
                    thread.join()
                    _raise_failure(collector)
                elif not alive:
                    outcome = "done"
                    return
                else:
                    collector.wait(PATIENCE_SECONDS)
        except GeneratorExit:
            raise
        except BaseException:
            outcome = "failed"
            raise
        finally:
            _call(loop, stop)
            thread.join()
            if flows:
                flows[0].account(outcome)


def _call(loop: asyncio.AbstractEventLoop, function: Callable[..., object], *args: Any) -> None:
    try:
        loop.call_soon_threadsafe(function, *args)
    except RuntimeError:  # it has ended meanwhile
        pass
