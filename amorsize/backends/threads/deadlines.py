"""Items of threads that take longer than their time limit: the item is judged, its thread is left behind.

::

    worker thread: enter(position) -- item -- leave() -> True: its own result counts
    caller:        take_overdue() -> (thread, position): the verdict of the caller counts

Nothing can end a thread. Each entry is taken out exactly once, by a ``dict.pop`` that is one step under
the GIL: whichever of the two gets it decides what becomes of the item, and the other does nothing.
"""

from __future__ import annotations

import time

from amorsize.items.call import overdue_look

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

clock = time.perf_counter

LEFT_BEHIND_FACTOR = 2
"""So many threads for each of the run may be left alone with overdue items at the same time."""


class ThreadDeadlines:
    """The time limit of one run, and the threads that hang in items beyond it.

    A thread is known by the lock that it holds until it ends."""

    def __init__(self, timeout_seconds: float) -> None:
        self.timeout_seconds = timeout_seconds
        self.look_seconds = overdue_look(timeout_seconds)
        """Pause between two looks for overdue items."""
        self._inside: dict[Any, tuple[int, float]] = {}
        """Thread -> position of its item, and when it began."""
        self._left_behind: list[Any] = []

    def enter(self, thread: Any, position: int) -> None:
        """A thread begins an item."""
        self._inside[thread] = position, clock()

    def leave(self, thread: Any) -> bool:
        """A thread has ended its item; False where the caller has judged it meanwhile."""
        return self._inside.pop(thread, None) is not None

    def take_overdue(self) -> list[tuple[Any, int]]:
        """Threads whose item takes too long, and its position; each is told once."""
        now, found = clock(), []
        for thread, (_, began) in list(self._inside.items()):
            if now - began > self.timeout_seconds:
                entry = self._inside.pop(thread, None)
                if entry is not None:  # else it has ended at the last moment
                    found.append((thread, entry[0]))
        return found

    def leave_behind(self, thread: Any) -> int:
        """A thread is left alone with its item; returns how many hang now."""
        self._left_behind = [other for other in self._left_behind if other.locked()]
        self._left_behind.append(thread)
        return len(self._left_behind)
