"""Coroutine functions: one event loop, as many items side by side as the limit allows.

::

    data --read as there is room--> ready --begin?--> a task for each --place--> collector --> results
                                     ^  |                      |
                 refused, to retry --+  +---- CallLimiter <----+ served, refused, failed

``CoroutineRun`` is one run in the loop that runs; :mod:`amorsize.engine.coroutine_engine` serves code
that knows no loop.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import deque
from heapq import heappop, heappush
from itertools import count
from math import inf

from amorsize import engine
from amorsize.core.events import RunEnded
from amorsize.core.model import Config, Run
from amorsize.engine.coroutine_source import items_of
from amorsize.engine.limiter import CallLimiter, refusal_in
from amorsize.engine.outcome import fill_not_run, tell_stopped
from amorsize.items.call import format_traceback, overdue_error, with_origin
from amorsize.items.collector import PENDING, SKIPPED, ListCollector, UsageLog
from amorsize.items.kinds import length_of
from amorsize.items.retry import drawn_pause_seconds, give_up_note
from amorsize.items.seeding import enter
from amorsize.items.window import WindowCollector

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from typing import Any

    from amorsize.engine.coroutine_journal import LoopJournal
    from amorsize.engine.coroutine_spec import CoroutineSpec

clock = time.perf_counter

TICK_SECONDS = 0.005
"""Between two looks whether the loop is held up (by other code in it, by other programs)."""
ASKED_SECONDS = 0.02
"""A run that lasts for so long asks what an earlier one has found of the server (10 ms the first
time)."""
AHEAD_ROUNDS = 2
"""A stream without ``buffersize`` is ahead of its consumer by so many times the limit."""
LEAST_WAIT_SECONDS = 0.0005
"""A timer of an event loop is no finer."""
PATIENCE_SECONDS = 0.05
"""Longest wait of a stream's consumer before it looks around."""
LOOP_ENDS = (KeyboardInterrupt, SystemExit)
"""A task that raises one of these ends the loop, not only the run."""


class CoroutineRun:
    """One run of a coroutine function in the loop that runs."""

    def __init__(
        self,
        spec: CoroutineSpec,
        collector: ListCollector | WindowCollector,
        buffersize: int | None = None,
        *,
        bounded: bool = False,
    ) -> None:
        self._func, self._data, self._options = spec.func, spec.data, spec.options
        self._observers, self.collector = spec.observers, collector
        self.limiter = CallLimiter(spec.options.rate, spec.options.max_jobs, adaptive=True)
        self.limiter.remember(spec.func, spec.options.history)
        self._ready: deque[tuple[int, Any, int]] = deque()
        """Items that wait for their start, with their position and the tries that they have had."""
        self._errors_left = spec.options.max_errors
        self.is_stopped = False
        """Whether so many items have failed that no more begin."""
        self._pausing = 0
        """Items that are tried again after a pause."""
        self._read = 0
        """Items taken from the source."""
        self._given = 0
        """Results that the consumer of a stream has taken."""
        self.ended = False
        self._bounded, self._buffersize = bounded, buffersize
        self._room = asyncio.Event()
        self.changed = asyncio.Event()
        """There is something new for the consumer."""
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._all_read = False
        self._source_error: Exception | None = None
        self._journal: LoopJournal | None = None
        if spec.options.checkpoint is not None:
            self._journal = engine.LoopJournal(spec.func, spec.options)
        self._tasks: set[asyncio.Task[None]] = set()
        self._look_due = inf
        """When the loop is to come round next: what it is late is not the latency of any server."""
        self._progress = spec.observers.progress(length_of(spec.data))
        self._progress.beside(self.limiter.said)
        self._usage = UsageLog(spec.observers.lines)
        self._rows: list[int] = []
        """Rows of a trace that no item is drawn in now: there are as many as items run side by side."""
        self._new_rows = count(1)
        self._began, self._cpu = clock(), time.process_time()

    def account(self, outcome: str) -> None:
        """The run is over: tell the observers."""
        wall, cpu = clock() - self._began, time.process_time() - self._cpu
        limiter = self.limiter
        run = Run(
            Config("asyncio", limiter.limit or 1),
            self.collector.done,
            wall,
            cpu,
            outcome,
            **limiter.told(),
        )
        self._observers.tell(RunEnded(run, self._began, self._usage.dropped))
        if outcome == "done":
            limiter.keep(wall)

    async def _tick(self) -> None:
        asked = False
        while True:
            if not asked and clock() - self._began >= ASKED_SECONDS:
                asked = True
                self.limiter.recall()
                self._room.set()
            self._look_due = clock() + TICK_SECONDS
            await asyncio.sleep(TICK_SECONDS)

    async def run(self) -> None:
        """Until everything is done, or somebody has failed (see ``collector.failure``)."""
        loop = asyncio.get_running_loop()
        beside = [loop.create_task(self._read_all()), loop.create_task(self._tick())]
        if self._journal is not None:
            writing = self._journal.keep_writing(lambda error: self._fail(None, error))
            beside.append(loop.create_task(writing))
        try:
            await self._over
        finally:
            self.ended = True
            left = [*beside, *self._tasks]
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)
            self._close_journal()
            self._show(last=True)
            self.changed.set()

    def _close_journal(self) -> None:
        if self._journal is not None:
            try:
                self._journal.close()
            except Exception as error:
                self._fail(None, error)

    def stop(self, running: asyncio.Task[None]) -> None:
        """End the run, which is this task. Only once: a second cancelling would cut off what its items
        await as they end."""
        if not self.ended:
            running.cancel()

    def guarded(self, call: Callable[[], None]) -> None:
        """Call what may raise: that ends the run. Not where it is over, and nothing would raise it."""
        if self._over.done():
            return
        try:
            call()
        except BaseException as error:
            self._fail(None, error)

    def tell_what_did_not_run(self, results: list[Any] | None) -> None:
        """Where the run has ended before its data: fill in their results, or warn (a stream: None)."""
        if not self.is_stopped:
            return
        if results is None:
            tell_stopped(self._options, None)
        else:
            fill_not_run(results, length_of(self._data), self._options)

    def took(self, count: int) -> None:
        """The consumer of a stream has taken so many results more."""
        self._given += count
        self._room.set()

    # -- reading --------------------------------------------------------------------------------

    def _may_read(self) -> bool:
        """Whether another item may be read: none waits for its start, and the consumer is near."""
        if self._ready:
            return False
        limit = self.limiter.limit or 1
        if not self._bounded:
            return True
        return self._read - self._given < (self._buffersize or AHEAD_ROUNDS * limit)

    async def _read_all(self) -> None:
        items = items_of(self._data)
        try:
            while True:
                self._begin_ready()
                if self._ended_reading() or self.is_stopped:
                    return
                if self._all_read or not self._may_read() or self.limiter.pause() is None:
                    await self._wait()
                    continue
                try:
                    item = await anext(items)
                except StopAsyncIteration:
                    self._all_read = True
                    self._look()
                    continue
                except Exception as error:  # all items before it are done first, as in a loop
                    self._all_read, self._source_error = True, error
                    self._look()
                    continue
                index, self._read = self._read, self._read + 1
                held = PENDING if self._journal is None else self._journal.held(index, item)
                if held is PENDING:
                    self._ready.append((index, item, 0))
                    continue
                self.collector.place(index, (held,))
                self._look()
                if self._journal is not None:
                    await self._journal.give_turn()
        except BaseException as error:  # the source's own, unless the run has ended
            if not self.ended:
                self._fail(None, error)
            if isinstance(error, LOOP_ENDS):
                raise
        finally:
            await items.aclose()  # type: ignore[attr-defined]

    def _ended_reading(self) -> bool:
        return self._all_read and not (self._ready or self._tasks or self._pausing)

    async def _wait(self) -> None:
        """Until something has changed, or a start is due."""
        pause = self.limiter.pause() if self._ready else None
        self._room.clear()
        if pause is None:
            await self._room.wait()
            return
        try:
            async with asyncio.timeout(max(pause, LEAST_WAIT_SECONDS)):
                await self._room.wait()
        except TimeoutError:
            pass

    # -- items ----------------------------------------------------------------------------------

    def _begin_ready(self) -> None:
        """Begin what may begin."""
        while self._ready and not self._over.done():
            index, item, number = self._ready[0]
            if not self.limiter.begin(index, item):
                return
            self._ready.popleft()
            task = asyncio.get_running_loop().create_task(self._try(index, item, number))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _again(self, index: int, item: Any, number: int) -> None:
        """An item that failed goes back after a pause; its place is free for others meanwhile."""
        await asyncio.sleep(drawn_pause_seconds(number - 1))
        self._pausing -= 1
        if not self.is_stopped:
            self._ready.appendleft((index, item, number))
        self._look()

    async def _try(self, index: int, item: Any, number: int) -> None:
        """Try ``number`` (from 0) of an item."""
        drawn, limiter = clock(), self.limiter
        limiter.ran(index, 1, 0.0, drawn)
        row = heappop(self._rows) if self._rows else next(self._new_rows)
        try:
            value = await self._called(index, item)
            limiter.served(index, max(0.0, clock() - self._look_due))
            self._place(index, value)
        except BaseException as error:
            if self.ended and isinstance(error, asyncio.CancelledError):
                limiter.failed_call(index)
                raise
            self._failed(index, item, number, error)
            if isinstance(error, LOOP_ENDS):
                raise
        finally:
            heappush(self._rows, row)
            self._usage.chunk((os.getpid(), row), (index, 1), drawn, clock() - drawn)
            self._look()

    def _failed(self, index: int, item: Any, number: int, error: BaseException) -> None:
        """A try has raised: the item waits as the server asks, is tried again, or has failed for good."""
        options, limiter = self._options, self.limiter
        refusal = refusal_in(error)
        if refusal is not None:
            limiter.recall()  # a first refusal is heard with what an earlier run has found
            waits = limiter.refused_call(index, refusal)
            if self.is_stopped:
                return  # it was not served, and does not begin again
            if options.retries and waits:
                self._ready.appendleft((index, item, number))
                return
            if options.retries and not refusal.unreached:
                give_up_note(error)
                self._fail(index, error)
                return
        else:
            limiter.failed_call(index, overdue=type(error) is TimeoutError)
        again = number < options.retries and isinstance(error, options.retry_on)
        if again and not self.is_stopped:
            self._pausing += 1
            task = asyncio.get_running_loop().create_task(self._again(index, item, number + 1))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        else:
            self._fail(index, error)

    def _place(self, index: int, value: Any) -> None:
        """An item has its result. One that the journal cannot hold ends the run."""
        if self._journal is not None:
            try:
                self._journal.add(index, value)
            except Exception as error:
                self._fail(None, error)
                return
        self.collector.place(index, (value,))

    async def _called(self, index: int, item: Any) -> Any:
        if self._options.seed is not None:
            enter(self._options.seed, index)
        if self._options.timeout is None:
            return await self._func(item)
        try:
            async with asyncio.timeout(self._options.timeout) as scope:
                return await self._func(item)
        except TimeoutError:
            if scope.expired():
                raise overdue_error(index, self._options.timeout) from None
            raise

    def _fail(self, index: int | None, error: BaseException) -> None:
        if index is not None:
            self.limiter.gave_up(index)
        text = format_traceback(error) if self._options.on_error == "collect" else ""
        if self._journal is not None and index is not None and isinstance(error, Exception):
            self._journal.add_failed(index, error, text)
        if self.collector.fail(index, error, text) and not self._over.done():
            self._over.set_result(None)
        elif self._errors_left is not None:
            self._errors_left -= 1
            if self._errors_left <= 0:
                self.is_stopped = self._all_read = True
                self._ready.clear()

    def _look(self) -> None:
        """Something has changed: is everything done, is there room, is there news?"""
        self._room.set()
        self.changed.set()
        if self._progress.active:
            self._show()
        left = self._ready or self._pausing or self.limiter.in_flight
        if self._all_read and not left and not self._over.done():
            if self._source_error is None or self.is_stopped:
                self._over.set_result(None)
            else:
                self._fail(None, self._source_error)

    def _show(self, *, last: bool = False) -> None:
        """Show how far the run is; what the user's progress function raises ends it."""
        try:
            self._progress.update(self.collector.done)
            if last:
                self._progress.close()
        except BaseException as error:
            self._fail(None, error)


async def execute(spec: CoroutineSpec) -> list[Any]:
    """All results, in order, in the loop that runs."""
    return await results_of(CoroutineRun(spec, ListCollector(0, spec.options.on_error)))


async def results_of(run: CoroutineRun) -> list[Any]:
    """All results of a run that collects a list, in order."""
    outcome = "failed"
    try:
        await run.run()
        raise_failure(run.collector)
        outcome = "done"
    finally:
        run.account(outcome)
    assert isinstance(run.collector, ListCollector)
    run.tell_what_did_not_run(run.collector.results)
    return [value for value in run.collector.results if value is not SKIPPED]


async def stream(
    spec: CoroutineSpec, *, ordered: bool, buffersize: int | None
) -> AsyncGenerator[Any, None]:
    """The results one after the other, in the loop that runs."""
    collector = WindowCollector(0, spec.options.on_error, ordered=ordered)
    run = CoroutineRun(spec, collector, buffersize, bounded=True)
    running = asyncio.get_running_loop().create_task(run.run())
    outcome = "abandoned"
    try:
        while True:
            values = collector.pop()
            if values is not None:
                for value in values:
                    if value is not SKIPPED:
                        yield value
                run.took(len(values))
            elif collector.failure is not None:
                await running
                raise_failure(collector)
            elif run.ended:
                outcome = "done"
                run.tell_what_did_not_run(None)
                return
            else:
                run.changed.clear()
                await run.changed.wait()
    except GeneratorExit:
        raise
    except BaseException:
        outcome = "failed"
        raise
    finally:
        run.stop(running)
        await asyncio.gather(running, return_exceptions=True)
        run.account(outcome)


def raise_failure(collector: ListCollector | WindowCollector) -> None:
    failure = collector.failure
    if failure is not None:
        raise with_origin(failure.exception, failure.index, failure.traceback)
