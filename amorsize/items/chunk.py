"""One chunk of items: run, timed, and its results given to the collector. The same for every backend.

::

    items --run_chunk (in a thread or a worker process)--> ChunkOutcome --deliver--> collector, usage log
                                                                 |
                                                                 +--pickled, over a socket--> caller

A worker process sends what an outcome holds; where the worker is a thread of the caller's process,
:meth:`ChunkOutcome.deliver` hands it over at once.
"""

from __future__ import annotations

import time

from amorsize.items.call import ItemFailed, run_items

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from amorsize.items.collector import ResultCollector

clock = time.perf_counter


class ChunkOutcome:
    """What became of the items of a chunk, from position ``start`` on."""

    __slots__ = ("began", "failed", "seconds", "start", "values")

    def __init__(
        self,
        start: int,
        values: list[Any],
        began: float,
        seconds: float,
        failed: ItemFailed | None = None,
    ) -> None:
        self.start, self.values = start, values
        self.began, self.seconds = began, seconds
        self.failed = failed
        """The item after ``values`` raised, and the run is to end; else None."""

    def retime(self, began: float, seconds: float) -> None:
        """Have it that the items ran then and for so long (of a simulated worker)."""
        self.began, self.seconds = began, seconds

    def deliver(self, collector: ResultCollector, worker: tuple[int, int]) -> bool:
        """Place the results and book the time of ``worker`` (process, thread). False where the run is to
        end."""
        failed = self.failed
        if failed is not None:
            collector.place(self.start, self.values)
            collector.fail(failed.index, failed.exception)
            return False
        collector.usage.chunk(worker, self.start, len(self.values), self.began, self.seconds)
        collector.place(self.start, self.values)
        return True


def run_chunk(
    func: Callable[[Any], Any],
    start: int,
    items: Iterable[Any],
    on_error: str,
    mark: memoryview[int] | None = None,
    told: Callable[[BaseException], tuple[BaseException, str]] | None = None,
) -> ChunkOutcome:
    """Run the items from position ``start`` on; the arguments are those of :func:`run_items`."""
    began = clock()
    try:
        values = run_items(func, start, items, on_error, mark, told)
    except ItemFailed as failed:
        return ChunkOutcome(start, failed.done, began, clock() - began, failed)
    return ChunkOutcome(start, values, began, clock() - began)
