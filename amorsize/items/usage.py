"""Which worker worked when: one line for each chunk that was run, summed up by worker, kept for a trace.

::

    backend --chunk--> UsageLog --uses--> Run.workers (what each worker did)
    caller's slices --slice--^   \\--lines--> tracing (a file that Perfetto opens)
"""

from __future__ import annotations

import os

from amorsize.core.model import WorkerUse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MOST_LINES = 500_000
"""Lines kept of one trace: 100 MB of memory, and about as many bytes of JSON. What comes after is
counted."""


class _Use:
    """One worker's sums."""

    __slots__ = ("busy", "chunks", "first", "items", "last", "moved")

    def __init__(self, began: float) -> None:
        self.items = self.chunks = 0
        self.busy = self.moved = 0.0
        self.first = self.last = began

    def add(self, items: int, began: float, seconds: float, moved: float) -> None:
        """One more chunk."""
        self.items += items
        self.chunks += 1
        self.busy += seconds
        self.moved += moved
        self.last = began + seconds


class UsageLog:
    """The account of one run. A worker is known by process and thread; only it, or the caller for it,
    writes its sums. O(1) for a chunk, about 0.5 µs."""

    def __init__(self, lines: list[tuple[Any, ...]] | None = None) -> None:
        self.lines = lines
        """Chunks, slices and marks in the order of their ends; None where no trace is made."""
        self.dropped = 0
        self._uses: dict[tuple[int, int], _Use] = {}

    def chunk(
        self, worker: tuple[int, int], first: int, items: int, began: float, seconds: float,
        moved: float = 0.0,
    ) -> None:  # fmt: skip
        """A worker has run ``items`` items from position ``first`` on; before that it spent ``moved``
        seconds on sending results. ``began`` is a time of ``time.perf_counter``, which is the same clock
        in all processes of a Linux system."""
        use = self._uses.get(worker)
        if use is None:
            use = self._uses[worker] = _Use(began)
        use.add(items, began, seconds, moved)
        if self.lines is not None:
            self._keep("chunk", worker, first, items, began, seconds)

    def slice(self, first: int, items: int, began: float, seconds: float) -> None:
        """The caller has run items while it was alone."""
        if self.lines is not None:
            self._keep("slice", (os.getpid(), 0), first, items, began, seconds)

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
