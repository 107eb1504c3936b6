"""Runs of coroutine functions from code that knows no event loop.

::

    execute: a loop of its own in the caller's thread, until everything is done
    stream:  a loop in a thread (amorsize-loop) that lives as long as the stream --collector--> consumer
"""

from __future__ import annotations

import asyncio
import threading
from contextvars import copy_context

from amorsize.core import nesting
from amorsize.core.signals import deferred, held, released
from amorsize.engine.coroutine_run import CoroutineRun, raise_failure, results_of
from amorsize.engine.coroutine_source import call_in
from amorsize.engine.outcome import stream_from, tell_stopped
from amorsize.errors import OptionTypeError
from amorsize.items.collector import SKIPPED, ListCollector
from amorsize.items.window import WindowCollector

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import Any

    from amorsize.engine.coroutine_spec import CoroutineSpec
    from amorsize.engine.outcome import Stream

PATIENCE_SECONDS = 0.05
"""Longest wait of a stream's consumer before it looks around."""


class CoroutineEngine:
    """A run of a coroutine function from code that knows no event loop."""

    def __init__(self, spec: CoroutineSpec) -> None:
        self._spec = spec
        running = asyncio._get_running_loop()
        if running is not None:
            raise OptionTypeError(
                "func",
                spec.func,
                "is a coroutine function, and an event loop runs in this thread already",
                "write await amorsize.aexecute(...) or async for ... in amorsize.astream(...)",
            )

    def execute(self) -> list[Any]:
        """Everything, in order."""
        entered = nesting.enter()  # a call of amorsize by the function stays serial
        try:
            with deferred() as noted, asyncio.Runner() as runner:
                return runner.run(self._execute(noted))
        finally:
            if entered:
                nesting.leave()

    async def _execute(self, noted: deferred) -> list[Any]:
        run = CoroutineRun(self._spec, ListCollector(0, self._spec.options.on_error))
        loop = asyncio.get_running_loop()
        noted.tell(lambda: call_in(loop, run.guarded, noted.answer))
        return await results_of(run)

    def stream(self, *, ordered: bool, buffersize: int | None) -> Stream:
        """The results one after the other; closing the iterator ends the run."""
        return stream_from(self._results(ordered=ordered, buffersize=buffersize))

    def _results(self, *, ordered: bool, buffersize: int | None) -> Generator[Any, None, None]:
        collector = WindowCollector(0, self._spec.options.on_error, ordered=ordered)
        beside: _LoopBeside | None = None
        outcome = "abandoned"
        try:
            with (
                held()
            ):  # a Ctrl-C that comes meanwhile is raised at its end: the loop is ended then
                beside = _LoopBeside(self._spec, collector, buffersize)
            while True:
                alive = beside.is_alive()
                values = collector.pop()
                if values is not None:
                    yield from (value for value in values if value is not SKIPPED)
                    beside.took(len(values))
                elif collector.failure is not None:
                    beside.join()
                    raise_failure(collector)
                elif not alive:
                    outcome = "done"
                    if beside.is_stopped:
                        tell_stopped(self._spec.options, None)
                    return
                else:
                    collector.wait(PATIENCE_SECONDS)
        except GeneratorExit:
            raise
        except BaseException:
            outcome = "failed"
            raise
        finally:
            if beside is not None:
                with held():
                    beside.stop()
                    beside.account(outcome)


class _LoopBeside:
    """An event loop in a thread of its own, and the run in it. The consumer's thread calls the methods;
    what they ask of the run is done in the loop."""

    def __init__(
        self, spec: CoroutineSpec, collector: WindowCollector, buffersize: int | None
    ) -> None:
        self._spec, self._collector, self._buffersize = spec, collector, buffersize
        self._loop = asyncio.new_event_loop()
        self._run: CoroutineRun | None = None
        self._running = self._loop.create_task(self._work())
        self._thread = threading.Thread(
            target=copy_context().run, args=(self._body,), name="amorsize-loop", daemon=True
        )
        self._thread.start()

    async def _work(self) -> None:
        self._run = CoroutineRun(self._spec, self._collector, self._buffersize, bounded=True)
        await self._run.run()

    def _body(self) -> None:
        loop, running = self._loop, self._running
        nesting.enter()
        try:
            loop.run_until_complete(running)
        except asyncio.CancelledError:
            pass
        except BaseException as error:
            self._collector.fail(None, error)
        finally:
            nesting.leave()
            try:
                if not running.done():  # an item's SystemExit has ended the loop under it
                    running.cancel()
                    loop.run_until_complete(asyncio.gather(running, return_exceptions=True))
                loop.run_until_complete(loop.shutdown_asyncgens())
            finally:
                loop.close()
                self._collector.notify()

    def is_alive(self) -> bool:
        """Whether the loop still runs."""
        return self._thread.is_alive()

    @property
    def is_stopped(self) -> bool:
        """Whether so many items have failed that the run has ended."""
        return self._run is not None and self._run.is_stopped

    def join(self) -> None:
        """Wait until the loop has ended."""
        self._thread.join()

    def took(self, count: int) -> None:
        """The consumer has taken so many results."""
        if self._run is not None and not self._loop.is_closed():
            call_in(self._loop, self._run.took, count)

    def stop(self) -> None:
        """End the run, begun or not, and wait for the loop."""
        call_in(self._loop, self._stop)
        with released():
            self._thread.join()

    def _stop(self) -> None:
        if self._run is None:
            self._running.cancel()
        else:
            self._run.stop(self._running)

    def account(self, outcome: str) -> None:
        """Tell the observers how the run ended."""
        if self._run is not None:
            self._run.account(outcome)
