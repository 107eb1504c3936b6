"""One thread whose first items run between two looks of the caller: where no item may run in the caller.

::

    the caller's thread                                   the one worker
    step:  watch.begin(item ...) <-- BEFORE ------------  has taken an item, waits
                                  --- go on ----------->  runs it, under its time limit
           watch.end(result ...) <-- AFTER -------------  waits
              True: --------------- go on ------------->  places the result, takes the next item
              False: -------------- go on ------------->  places the result
           report.watched        <-- BETWEEN -----------  waits, with no item in hand
    engine:  scale_to(1): it goes on alone, as any pool of one;   or close: other workers begin

An item that takes longer than the limit is judged as ever; then nothing is watched any more, and the
thread that comes in its place goes on alone.
"""

from __future__ import annotations

import os
from _thread import allocate_lock, get_ident, get_native_id

from amorsize.backends.threads.pool import PATIENCE_SECONDS, ThreadPool
from amorsize.core.frozen import replace
from amorsize.items.call import run_chunk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from amorsize.backends.base import BackendReport, BackendSpec
    from amorsize.backends.threads.pool import ThreadDeadlines

BEFORE, AFTER, BETWEEN = "before", "after", "between"
"""Where the worker waits for the caller."""


class WatchedThread(ThreadPool):
    """A pool of one thread, which waits before and after its first items for ``spec.watch``."""

    def __init__(self, spec: BackendSpec) -> None:
        super().__init__(spec)
        assert spec.watch is not None and spec.timeout_seconds is not None
        self._watch = spec.watch
        self._watching = True
        self._enough = False
        """Whether no further item is to be watched."""
        self._asked: tuple[str, tuple[Any, ...]] | None = None
        """Where the worker waits, and what it shows: set by the worker, taken by the caller."""
        self._go = allocate_lock()
        """Free once for each time that the caller lets the worker go on."""
        self._go.acquire()
        self._seen = (0, 0.0, 0.0)
        self._told = False
        """Whether the report tells of what was seen: the engine is to say how it goes on."""

    # -- the caller's thread --------------------------------------------------------------------

    def _look_after(self, patience: float) -> None:
        if not self._answer():
            super()._look_after(patience)
            self._answer()

    def _answer(self) -> bool:
        """Look at what the worker shows, if it waits, and let it go on."""
        asked, self._asked = self._asked, None
        if asked is None:
            return False
        where, shown = asked
        if where == BETWEEN and self._watching:
            self._told = True
            return True
        if where == BEFORE and self._watching:
            self._watch.begin(*shown)
        elif where == AFTER and self._watching:
            self._carry_back()
            values, seconds, computed = shown
            self._seen = self._seen[0] + 1, seconds, computed
            self._enough = not self._watch.end(values, seconds)
        self._let_go()
        return True

    def _let_go(self) -> None:
        if self._go.locked():
            self._go.release()

    def _watch_no_more(self) -> None:
        self._watching = self._told = False
        self._let_go()

    def _judge_overdue(self, deadlines: ThreadDeadlines) -> None:
        super()._judge_overdue(deadlines)
        if self._watching and deadlines.hangs:
            self._watch.drop()
            self._watch_no_more()
            self._seen, self._told = (0, 0.0, 0.0), True

    def scale_to(self, workers: int) -> None:
        self._watch_no_more()
        super().scale_to(workers)

    def report(self) -> BackendReport:
        return replace(super().report(), watched=self._seen if self._told else None)

    def close(self, *, abort: bool = False, hurry: bool = False) -> None:
        self._stopping = True
        self._let_go()
        super().close(abort=abort, hurry=hurry)

    # -- in the worker thread -------------------------------------------------------------------

    def _work_watched(self, gone: Any, deadlines: ThreadDeadlines) -> None:
        spec, me = self.spec, (os.getpid(), get_native_id())
        while self._watching:
            taken = self._take(1)
            if taken is None:
                return
            start, items = taken
            if not self._ask(BEFORE, items, start, get_ident()):
                spec.source.give_back(start, len(items) if spec.source.indexed else items)
                return
            deadlines.enter(gone, start)
            outcome = run_chunk(spec.func, start, items, spec.collector.on_error)
            if not deadlines.leave(gone):
                return
            self._ask(AFTER, outcome.values, outcome.seconds, outcome.cpu)
            if not outcome.deliver(spec.collector, me):
                return
            if self._enough and not self._ask(BETWEEN):
                return
        super()._work_watched(gone, deadlines)

    def _ask(self, where: str, *shown: Any) -> bool:
        """Wait until the caller lets this thread go on. False where the pool ends."""
        self._asked = where, shown
        self.spec.collector.notify()
        while not self._stopping and not self._go.acquire(timeout=PATIENCE_SECONDS):
            pass
        return not self._stopping
