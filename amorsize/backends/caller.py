"""The caller alone, on what other workers left: the way back from a choice that was wrong."""

from __future__ import annotations

import os
import time

from amorsize.backends.processes.worker import CHUNK_SECONDS
from amorsize.items.call import ItemFailed, run_items

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from amorsize.items.collector import ResultCollector
    from amorsize.items.source import ItemSource


LOOK_SECONDS = 0.01
"""Pause between two looks for something to do."""


class Serial:
    """Takes 5 ms of work from the source at each :meth:`step`."""

    def __init__(
        self,
        func: Callable[[Any], Any],
        source: ItemSource,
        collector: ResultCollector,
        item_seconds: float,
    ) -> None:
        self.func, self.source, self.collector, self.item_seconds = (
            func,
            source,
            collector,
            item_seconds,
        )

    def start(self) -> None:
        """Nothing to start."""

    def step(self, patience: float = 0.0) -> None:
        """Run one chunk."""
        count = max(1, int(CHUNK_SECONDS / self.item_seconds)) if self.item_seconds > 0 else 1
        if not self.source.indexed and self.source.caller_reads_source:
            self.source.pull(count)
        run = self.source.take(count)
        if run is None:  # what failed is to be tried again after a pause, or the source is slow
            self.collector.wait(min(patience, LOOK_SECONDS))
            return
        start, items = run
        began = time.perf_counter()
        try:
            values = run_items(self.func, start, items, self.collector.on_error)
        except ItemFailed as failed:
            self.collector.place(start, failed.done)
            self.collector.fail(failed.index, failed.exception)
            return
        seconds = time.perf_counter() - began
        self.item_seconds = seconds / len(values)
        self.collector.usage.chunk((os.getpid(), 0), start, len(values), began, seconds)
        self.collector.place(start, values)

    def nudge(self) -> None:
        """Wake the caller: there is something new to take."""
        self.collector.notify()

    def close(self, *, abort: bool = False, hurry: bool = False) -> None:
        """Nothing to end."""
