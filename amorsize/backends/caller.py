"""The caller alone, on what other workers left: the way back from a choice that was wrong."""

from __future__ import annotations

import os

from amorsize.backends.base import Backend, BackendReport
from amorsize.core.signals import released
from amorsize.items.call import Pace, run_chunk
from amorsize.planning.chunking import CHUNK_SECONDS, items_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize.backends.base import BackendSpec

LOOK_SECONDS = 0.01
"""Pause between two looks for something to do."""


class CallerBackend(Backend):
    """Takes 5 ms of work from the source at each :meth:`step` and runs it in the caller."""

    def __init__(self, spec: BackendSpec) -> None:
        self.spec = spec
        self._pace = Pace(spec.item_seconds)
        self._done_before = spec.collector.done
        self._drained = False
        self._worker = os.getpid(), 0

    def start(self) -> None:
        """There is nothing to start."""

    def step(self, patience: float = 0.0) -> BackendReport:
        """Run one chunk; where nothing can be taken, wait for at most ``patience`` seconds."""
        if not self._drained:
            self._run_chunk(patience)
        return self.report()

    def _run_chunk(self, patience: float) -> None:
        spec = self.spec
        taken = spec.source.take_or_pull(items_in(CHUNK_SECONDS, self._pace.item_seconds))
        if taken is None:  # an item that failed is tried again after a pause, or the source is slow
            spec.collector.wait(min(patience, LOOK_SECONDS))
            return
        with released():
            outcome = run_chunk(spec.func, *taken, spec.collector.on_error)
        if outcome.deliver(spec.collector, self._worker):
            self._pace.add(len(outcome.values), outcome.seconds)

    def report(self) -> BackendReport:
        return BackendReport(
            done=self.spec.collector.done - self._done_before,
            workers=1,
            item_seconds=self._pace.item_seconds,
            drained=self._drained,
        )

    def wake(self) -> None:
        """Wake the caller: something new can be taken."""
        self.spec.collector.notify()

    def drain(self) -> None:
        """Take nothing more."""
        self._drained = True

    def close(self, *, abort: bool = False, hurry: bool = False) -> None:
        """There is nothing to end."""
