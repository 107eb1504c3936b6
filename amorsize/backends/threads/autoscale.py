"""How many threads: a ramp while nothing computes, and growth while throughput grows.

Both are for items that wait. The ramp starts the threads of the plan where only a first wait was seen;
growth goes beyond the plan. (``planning.concurrency``, made for coroutines, follows the latency of each
item; the caller of threads sees no single item end, so they are judged by their throughput alone.)
"""

from __future__ import annotations

import time
from _thread import allocate_lock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

clock = time.perf_counter

GROW_FACTOR = 2
"""Growth of one step."""
GROW_GAIN = 1.15
"""Doubling the threads must give at least this throughput, or it is the last growth."""
WINDOW_ITEMS = 2
"""A window for measuring throughput lasts until each thread has had so many items on average."""
WINDOW_SECONDS = 0.02
"""Least seconds of a window for measuring throughput."""
RAMP_SECONDS = 0.0008
"""Between two doublings of threads whose items are known by a first wait only: a wait of 20 ms is used
for all but 4 ms of it by 64 threads, and an item that begins to compute stops the growth."""
RAMP_LONGEST_SECONDS = 0.004
"""Longest pause between two looks whether threads that compute have come to wait."""
RAMP_STALLED_LOOKS = 4
"""So many busy looks one after the other, 8 ms, are more than the beginnings of items."""
RAMP_LATE_SECONDS = 0.002
"""A wake-up later than this found the GIL held: some thread computes."""
RAMP_BUSY_SHARE = 0.5
"""CPU seconds a second of the process above which some thread computes."""
RAMP_START_SECONDS = 1e-4
"""CPU seconds that starting a thread takes, which do not count as the work of items."""


class Ramp:
    """Doubles the threads up to the plan's number as long as nothing computes.

    Looked at by the caller, or by the sampler's thread while the caller is in a long item: a lock that is
    never waited for lets one of them look at a time."""

    def __init__(self, workers: int, *, active: bool) -> None:
        self.workers = workers
        """Threads of the plan."""
        self.active = active
        """Whether there are more threads to be started."""
        self.stalled = False
        """Whether items computed for so long that growth was held up."""
        self.pause_seconds = RAMP_SECONDS
        """Until the next look."""
        self._lock = allocate_lock()
        self._busy_looks = 0
        self._added = 0
        self._looked = self._cpu = 0.0

    def begin(self, started: int) -> None:
        """The first threads have been started."""
        self._added = started
        self._looked, self._cpu = clock(), time.process_time()

    def end(self) -> None:
        """No more threads are started by it."""
        self.active = False

    def look(self, late_seconds: float, count: int, grow: Callable[[int], int], over: bool) -> bool:
        """Start more of the threads, of which there are ``count``, by ``grow``, which returns how many
        there are then. ``late_seconds``: by how much this look came too late; ``over``: there is nothing
        left to take. True while there are more to be started."""
        if self.active and self._lock.acquire(blocking=False):
            try:
                now, cpu = clock(), time.process_time()
                if now - self._looked < self.pause_seconds:
                    return True
                usual = RAMP_BUSY_SHARE * (now - self._looked) + RAMP_START_SECONDS * self._added
                busy = cpu - self._cpu > usual or late_seconds > RAMP_LATE_SECONDS
                self._busy_looks = self._busy_looks + 1 if busy else 0
                self.stalled |= self._busy_looks >= RAMP_STALLED_LOOKS
                if over:
                    self.active = False
                    return False
                if busy:  # no more for now; the items may only begin or end with a computation
                    self._added = 0
                    self.pause_seconds = min(2 * self.pause_seconds, RAMP_LONGEST_SECONDS)
                else:
                    self._added = min(count, self.workers - count)
                    self.pause_seconds = RAMP_SECONDS
                    # `grow` ends the ramp where the system gives no more threads.
                    self.active = grow(self._added) < self.workers and self.active
                self._looked, self._cpu = clock(), time.process_time()
            finally:
                self._lock.release()
        return self.active


class Growth:
    """Doubles the threads as long as that gives more throughput; the caller asks."""

    def __init__(self, most: int, *, active: bool) -> None:
        self.most = most
        """Most threads of the run."""
        self.active = active
        """Whether more threads may be started."""
        self._began, self._done, self._rate = 0.0, 0, 0.0

    def open_window(self, done: int) -> None:
        """Measure throughput anew; ``done`` items have ended so far."""
        self._began, self._done = clock(), done

    def cap(self, count: int) -> None:
        """The system gives no more threads than these."""
        self.most, self.active = max(1, count), False

    def due(self, done: int, count: int, left: int | None) -> int:
        """Threads to start now, beside ``count``; the window is to be opened again afterwards."""
        seconds = clock() - self._began
        ended = done - self._done
        if seconds < WINDOW_SECONDS or ended < WINDOW_ITEMS * count:
            return 0
        rate = ended / seconds
        if (
            count >= self.most
            or (left is not None and left < 2 * count)
            or rate < GROW_GAIN * self._rate
        ):
            self.active = False
            return 0
        self._rate = rate
        return min(self.most - count, count * (GROW_FACTOR - 1))
