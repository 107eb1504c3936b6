"""Runs of coroutine functions from code that knows no event loop.

::

    execute: a loop of its own in the caller's thread, until everything is done
    stream:  a loop in a thread (amorsize-loop) that lives as long as the stream --collector--> consumer
"""

from __future__ import annotations

import asyncio
import threading

from amorsize.core import nesting
from amorsize.engine.coroutine_run import CoroutineRun, CoroutineSpec, execute, raise_failure
from amorsize.engine.coroutine_source import call_in
from amorsize.errors import OptionTypeError
from amorsize.items.collector import SKIPPED, WindowCollector

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import Any

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
            with asyncio.Runner() as runner:
                return runner.run(execute(self._spec))
        finally:
            if entered:
                nesting.leave()

    def stream(self, *, ordered: bool, buffersize: int | None) -> Generator[Any, None, None]:
        """The results one after the other; closing the iterator ends the run."""
        collector = WindowCollector(0, self._spec.options.on_error, ordered=ordered)
        loop = asyncio.new_event_loop()
        runs: list[CoroutineRun] = []

        async def work() -> None:
            run = CoroutineRun(self._spec, collector, buffersize, bounded=True)
            runs.append(run)
            await run.run()

        running = loop.create_task(work())

        def stop() -> None:
            if runs:
                runs[0].stop(running)
            else:
                running.cancel()

        def body() -> None:
            nesting.enter()
            try:
                loop.run_until_complete(running)
            except asyncio.CancelledError:
                pass
            except BaseException as error:
                collector.fail(None, error)
            finally:
                nesting.leave()
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
                    if runs and not loop.is_closed():
                        call_in(loop, runs[0].took, len(values))
                elif collector.failure is not None:
                    thread.join()
                    raise_failure(collector)
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
            call_in(loop, stop)
            thread.join()
            if runs:
                runs[0].account(outcome)
