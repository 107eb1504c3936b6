r"""Where results go: each position once, from any thread, out again in order; who worked when.

::

    workers --place, fail--> Middleware (retries, journal) --> ListCollector, WindowCollector --> caller

    backend --chunk--> UsageLog --uses--> Run.workers (what each worker did)
    caller's slices --slice--^  |\--sums--> the truth of the run, for the history
                                \--lines--> a trace (a file that Perfetto opens)

Middleware is put in front once, before the first result comes; who runs items sees one collector.
"""

from __future__ import annotations

import os
from _thread import allocate_lock

from amorsize.core.model import Sums, WorkerUse
from amorsize.core.signals import released
from amorsize.errors import ItemError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any


MOST_LINES = 500_000
"""Lines kept of one trace: 100 MB of memory, and about as many bytes of JSON. What comes after is
counted."""


MOST_SPANS = 256
"""Chunks and slices whose seconds are kept one by one, to see whether cost follows size: 20 KB."""
PARTS = 8
"""Parts of the data whose items are summed apart, to see a trend along them."""


class _Use:
    """One worker's sums."""

    __slots__ = ("_sums", "busy", "chunks", "first", "items", "last", "longest", "moved", "opened")

    def __init__(self, began: float) -> None:
        self.items = self.chunks = 0
        self.busy = self.moved = self.longest = 0.0
        self.first = self.last = began
        self.opened = (0, 0.0, 0.0)
        """Items, wall and CPU seconds of the first chunk."""
        self._sums = (0.0, 0.0, 0.0)
        """Wall seconds, CPU seconds and squares of the others."""

    def add(self, items: int, began: float, seconds: float, cpu: float, moved: float) -> None:
        """One more chunk."""
        if not items:
            return
        self.longest = max(self.longest, seconds / items)
        if not self.chunks:
            self.opened = (items, seconds, cpu)
        else:
            wall, computed, square = self._sums
            self._sums = wall + seconds, computed + cpu, square + seconds * seconds / items
        self.items += items
        self.chunks += 1
        self.busy += seconds
        self.moved += moved
        self.last = began + seconds

    def sums(self, process: int, thread: int) -> Sums:
        """The sums as a value."""
        wall, computed, square = self._sums
        first = self.opened[0]
        return Sums(
            process,
            thread,
            *self.opened,
            self.items - first,
            wall,
            computed,
            square,
            max(0, self.chunks - 1),
            self.longest,
        )


class UsageLog:
    """The account of one run. A worker is known by process and thread; only it, or the caller for it,
    writes its sums. O(1) for a chunk, about 0.5 µs."""

    def __init__(
        self, lines: list[tuple[Any, ...]] | None = None, total: int | None = None
    ) -> None:
        self.lines = lines
        """Chunks, slices and marks in the order of their ends; None where no trace is made."""
        self.dropped = 0
        self.began = float("inf")
        """When the first item began."""
        self._total = total
        self._uses: dict[tuple[int, int], _Use] = {}
        self._alone = _Use(0.0)
        """The caller before the hand-over."""
        self._parts: dict[tuple[int, int], tuple[int, float]] = {}
        """Items and seconds by thread of this process (or 0) and part of the data."""
        self.spans: list[tuple[int, int, float, float]] = []
        """First position, items, seconds and CPU seconds of the earliest chunks and slices, without the
        first of each worker, which may have paid for a warm-up. Where the number of items is known. The
        CPU seconds are 0 of the caller's slices, and of a chunk that waited for more than a core."""
        self._heard: Callable[[int, int, float, float], object] | None = None

    def tell(self, heard: Callable[[int, int, float, float], object]) -> None:
        """Have ``heard(first, items, seconds, began)`` called for each chunk, before it is placed."""
        self._heard = heard

    def chunk(
        self, worker: tuple[int, int], span: tuple[int, int], began: float, seconds: float,
        cpu: tuple[float, float] = (0.0, 0.0), moved: float = 0.0,
    ) -> None:  # fmt: skip
        """A worker has run the items of ``span``: first position and number. That took ``seconds``; for
        the first of ``cpu`` it computed or wanted a core, for the second it was on one. Before that it
        spent ``moved`` seconds on sending results. ``began`` is a time of ``time.perf_counter``, which is
        the same clock in all processes of a Linux system."""
        if self._heard is not None:
            self._heard(*span, seconds, began)
        self.began = min(self.began, began)
        use = self._uses.get(worker)
        if use is None:
            use = self._uses[worker] = _Use(began)
        else:
            self._span(span, seconds, cpu[1] if 2.0 * cpu[0] > seconds else 0.0)
        use.add(span[1], began, seconds, cpu[0], moved)
        self._book(worker[1], span, seconds)
        if self.lines is not None:
            self._keep("chunk", worker, *span, began, seconds)

    def slice(
        self, first: int, items: int, began: float, seconds: float, most: float | None = None
    ) -> None:
        """The caller has run items while it was alone. Items that workers ran side by side before the run
        began took ``seconds`` together, and ``most`` on the clock."""
        self.began = min(self.began, began)
        if self._alone.items and most is None:
            self._span((first, items), seconds, 0.0)
        self._alone.add(items, began, seconds, 0.0, 0.0)
        self._book(0, (first, items), seconds)
        if self.lines is not None:
            shown = seconds if most is None else min(seconds, most)
            self._keep("slice", (os.getpid(), 0), first, items, began, shown)

    def _span(self, span: tuple[int, int], seconds: float, cpu: float) -> None:
        if self._total and span[1] and len(self.spans) < MOST_SPANS:
            self.spans.append((*span, seconds, cpu))

    def _book(self, writer: int, span: tuple[int, int], seconds: float) -> None:
        """Add items to their part of the data, that of the middle one. A key for each writer, since
        threads add at the same time."""
        if self._total:
            first, items = span
            key = writer, min(PARTS - 1, PARTS * (2 * first + items) // (2 * self._total))
            count, before = self._parts.get(key, (0, 0.0))
            self._parts[key] = count + items, before + seconds

    @property
    def alone(self) -> Sums:
        """What the caller's items took before the hand-over; their CPU seconds are not known here."""
        return self._alone.sums(os.getpid(), 0)

    def sums(self) -> tuple[Sums, ...]:
        """What the items of each worker took."""
        return tuple(use.sums(*worker) for worker, use in sorted(self._uses.items()))

    def later(self) -> tuple[int, float, float]:
        """Items of all workers, wall and CPU seconds, without each one's first chunk. O(workers)."""
        sums = self.sums()
        return (
            sum(one.items for one in sums),
            sum(one.seconds for one in sums),
            sum(one.cpu_seconds for one in sums),
        )

    def parts(self) -> tuple[float, ...]:
        """Mean seconds of an item in each eighth of the data; 0 where none was timed, or the number of
        items is not known."""
        sums = [(0, 0.0)] * PARTS
        for (_, part), (items, seconds) in self._parts.items():
            sums[part] = sums[part][0] + items, sums[part][1] + seconds
        return tuple(seconds / items if items else 0.0 for items, seconds in sums)

    def _keep(self, *line: Any) -> None:
        assert self.lines is not None
        if len(self.lines) < MOST_LINES:
            self.lines.append(line)
        else:
            self.dropped += 1

    def uses(self, handed_over: float, ended: float) -> tuple[WorkerUse, ...]:
        """What each worker did between these two times."""
        own = os.getpid()
        return tuple(
            WorkerUse(
                _name(process, thread, own),
                use.items,
                use.chunks,
                use.busy,
                use.moved,
                max(0.0, use.first - handed_over),
                max(0.0, ended - use.last),
                max(0.0, use.last - use.first - use.busy - use.moved),
            )
            for (process, thread), use in sorted(self._uses.items())
        )


def _name(process: int, thread: int, own: int) -> str:
    if process == own:
        return f"thread {thread}" if thread else "caller"
    return f"process {process}" + (f" thread {thread}" if thread else "")


class _Skipped:
    """Stands for an item left out by ``on_error="skip"``; one object in each process."""

    def __reduce__(self) -> str:
        return "SKIPPED"


SKIPPED = _Skipped()


def is_failed(value: object) -> bool:
    """Whether it stands for an item that failed."""
    return value is SKIPPED or type(value) is ItemError


PENDING = object()
"""Stands for a result that is not there yet; never leaves the process."""


class Failure:
    """The first exception of a run with ``on_error="raise"``: the lowest index known so far."""

    def __init__(self, index: int | None, exception: BaseException, traceback: str = "") -> None:
        self.index, self.exception, self.traceback = index, exception, traceback

    def comes_before(self, known: Failure | None) -> bool:
        """Whether it is told of instead of the one known so far, if any."""
        if known is None:
            return True
        return self.index is not None and known.index is not None and self.index < known.index


class ResultCollector:
    """Common part: counts what is done, keeps the first failure, wakes the caller."""

    def __init__(self, on_error: str, usage: UsageLog | None = None) -> None:
        self.on_error = on_error
        self.usage = UsageLog() if usage is None else usage
        """Who ran what."""
        self.done = 0
        self.failure: Failure | None = None
        self.lock = allocate_lock()
        self.wake = allocate_lock()
        """Held while the caller has nothing to look at; released (once) to wake it."""
        self.wake.acquire()

    def fail(self, index: int | None, exception: BaseException, traceback: str = "") -> bool:
        """An item raised. True when the run is to end, False when its place was filled."""
        value = self.stand_in(index, exception, traceback)
        if value is not None:
            assert index is not None
            self.place(index, (value,))
            return False
        with self.lock:
            self._note(Failure(index, exception, traceback), index)
        self.notify()
        return True

    def end_at(self, position: int | None, failure: Failure) -> None:
        """An item raised, and the run is to end; the failure names it by another number."""
        with self.lock:
            self._note(failure, position)
        self.notify()

    def _note(self, failure: Failure, position: int | None) -> None:
        """Something ends the run, at this position of it. Under the lock."""
        if failure.comes_before(self.failure):
            self.failure = failure

    def stand_in(self, index: int | None, exception: BaseException, traceback: str) -> Any:
        """What stands in the place of an item that raised; None where the run is to end."""
        if index is None or not isinstance(exception, Exception) or self.on_error == "raise":
            return None
        return SKIPPED if self.on_error == "skip" else ItemError(index, exception, traceback)

    def holds(self, total: int) -> bool:
        """Whether the results of so many items are there."""
        return self.done >= total

    def notify(self) -> None:
        if self.wake.locked():
            try:
                self.wake.release()
            except RuntimeError:  # another thread was faster
                pass

    def wait(self, seconds: float) -> None:
        """Sleep until notified, at most ``seconds``."""
        with released():
            self.wake.acquire(timeout=seconds)

    def place(self, start: int, values: Sequence[Any]) -> None:
        raise NotImplementedError


class ListCollector(ResultCollector):
    """All results from ``position`` on, in one list: what ``execute`` returns in the end."""

    def __init__(self, position: int, on_error: str, usage: UsageLog | None = None) -> None:
        super().__init__(on_error, usage)
        self.position = position
        self.done = position
        self.results: list[Any] = []
        self._awaited: int | None = None

    def holds(self, total: int) -> bool:
        """Whether so many results are there, those before ``position`` counted; wakes the caller then."""
        self._awaited = total
        return self.done >= total

    def place(self, start: int, values: Sequence[Any]) -> None:
        lo = start - self.position
        stop = lo + len(values)
        with self.lock:
            if stop > len(self.results):
                self.results.extend([PENDING] * (stop - len(self.results)))
            self.results[lo:stop] = values
            self.done += len(values)
        if self._awaited is not None and self.done >= self._awaited:
            self.notify()


class Middleware(ResultCollector):
    """Stands in front of a collector: passes everything on, and is what workers see of it."""

    def __init__(self, inner: ResultCollector) -> None:
        self._inner = inner
        self.on_error, self.usage = inner.on_error, inner.usage

    @property
    def done(self) -> int:  # type: ignore[override]
        """Results that are there."""
        return self._inner.done

    @property
    def failure(self) -> Failure | None:  # type: ignore[override]
        """What ends the run."""
        return self._inner.failure

    def fail(self, index: int | None, exception: BaseException, traceback: str = "") -> bool:
        """As the collector's; what stands in the item's place takes the way of every result."""
        value = self._inner.stand_in(index, exception, traceback)
        if value is None:
            return self._inner.fail(index, exception, traceback)
        assert index is not None
        self.place(index, (value,))
        return False

    def stand_in(self, index: int | None, exception: BaseException, traceback: str) -> Any:
        return self._inner.stand_in(index, exception, traceback)

    def place(self, start: int, values: Sequence[Any]) -> None:
        self._inner.place(start, values)

    def notify(self) -> None:
        self._inner.notify()

    def wait(self, seconds: float) -> None:
        self._inner.wait(seconds)


class CountingCollector(Middleware):
    """Counts items that failed for good, and has nothing more handed out when there are too many."""

    def __init__(self, inner: ResultCollector, count_failed: Callable[[int], None]) -> None:
        super().__init__(inner)
        self._count_failed = count_failed

    def place(self, start: int, values: Sequence[Any]) -> None:
        """Results, some of them errors."""
        failed = sum(map(is_failed, values))
        self._inner.place(start, values)
        if failed:
            self._count_failed(failed)
            self._inner.notify()
