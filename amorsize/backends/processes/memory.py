"""How much memory the workers of a run take, and what is done about it.

::

    caller: MemoryBudget --allowed bytes (shared memory)--> worker: MemoryGuard
       ^  every 50 ms: what do they hold,                  |  after each stretch: would the next
       |  what is left of the machine and the cgroup?      v  one still fit?
       +---- fewer workers, a warning              no: it leaves between two items (a leak), the
                                                       rest of its work goes back, a new one comes

Memory is what is resident and no file; of a forked worker only what has come since the fork, for the rest
is the caller's (and so seems what it takes of the heap that the caller had freed before). Read from
``/proc``; nothing is limited where there is none.
"""

from __future__ import annotations

import os

from amorsize.backends.processes.protocol import ALLOWED, BASE, UNLIMITED
from amorsize.machine.detect import available_memory
from amorsize.planning.explain import format_bytes
from amorsize.planning.values import ROOM_SHARE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

    from amorsize.backends.processes.workers import WorkerHandle

LOOK_SECONDS = 0.05
"""Longest pause between two looks of a worker at itself, and of the caller at all; a look takes 2 µs
there, and 25 µs here for each worker."""
FILL_BYTES_SECOND = 4 << 30
"""No process fills memory faster (1.7 GB a second measured where pages are fresh): a worker looks
again before it could have filled what is left to it."""
LEAK_BYTES = 1 << 20
"""A worker that has not grown by more since its first items does not leak; a new one would need as
much."""
TIGHT_SHARE = 0.25
"""Workers that hold less of their room need no look at what is left of the machine."""


def _held(words: bytes) -> int:
    numbers = words.split()
    return (int(numbers[1]) - int(numbers[2])) * _PAGE_BYTES


_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


def held_by(pid: int) -> int:
    """Bytes that a process holds, files not counted; 0 if it cannot be seen."""
    try:
        with open(f"/proc/{pid}/statm", "rb", 0) as file:
            return _held(file.read())
    except (OSError, IndexError, ValueError):
        return 0


class MemoryGuard:
    """In a worker: has it grown so much that it should leave?"""

    def __init__(
        self, room: memoryview[int], *, forked: bool, path: str = "/proc/self/statm"
    ) -> None:
        self._room = room
        try:
            self._file = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
            self._base = self._last = _held(os.pread(self._file, 256, 0)) if forked else 0
        except (OSError, IndexError, ValueError):
            self._file = -1
            return
        self._first = UNLIMITED
        self._due = 0.0
        room[BASE] = self._base

    def is_full(self, now: float) -> bool:
        """Asked after each stretch of items, at the cost of a comparison but for every 50 ms."""
        if self._file < 0 or now < self._due:  # in this order: without a file nothing else is set
            return False
        allowed = self._room[ALLOWED]
        if not allowed:
            return True
        try:
            growth = _held(os.pread(self._file, 256, 0)) - self._base
        except (OSError, IndexError, ValueError):  # the function has closed it
            self._file = -1
            return False
        left = allowed - growth if allowed > 0 else 1 << 60
        self._due = now + min(LOOK_SECONDS, max(0, left) / FILL_BYTES_SECOND)
        if self._first < 0:
            self._first = self._last = growth
            return False
        step, self._last = growth - self._last, growth
        return step > left and growth > self._first + LEAK_BYTES

    def close(self) -> None:
        """At the end of a run."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


class MemoryBudget:
    """In the caller: what the workers of a run may have together."""

    def __init__(self, limit: int | None, available: int, workers: int) -> None:
        self.limit = limit
        """Bytes that the user allows, None for what is available."""
        self.workers = workers
        """Workers that fit, as far as is known."""
        free = int(ROOM_SHARE * available) if available else 1 << 60
        self._room_bytes = free if limit is None else min(limit, free)
        self.awaits_first = limit is not None and workers > 1
        """The first worker is to show what it needs before further ones are started."""
        self.most_bytes = 0
        """Most that a worker was seen to hold."""
        self._warned = False
        self._looked = 0.0

    def admit(self, worker: WorkerHandle) -> None:
        """Tell a worker what it may have."""
        worker.page.room[ALLOWED] = self._room_bytes // max(1, self.workers)

    def look(self, now: float, handles: Collection[WorkerHandle]) -> str | None:
        """See what the workers hold; returns what there is to warn of."""
        if now - self._looked < LOOK_SECONDS:
            return None
        self._looked = now
        held = {id(worker): self._growth(worker) for worker in handles}
        total = sum(held.values())
        self.most_bytes = max(self.most_bytes, *held.values(), 0)
        if self.limit is not None or total > TIGHT_SHARE * self._room_bytes:
            self._measure_room(total)
        leaving = False
        for worker in handles:
            if worker.page.room[ALLOWED]:
                self.admit(worker)
            else:
                leaving = True
        if total <= self._room_bytes or leaving:
            return None
        return self._relieve(handles, held, total)

    def _growth(self, worker: WorkerHandle) -> int:
        base, held = worker.page.room[BASE], held_by(worker.pid)
        worker.note_memory(held)
        return max(0, held - base) if base >= 0 else 0

    def _measure_room(self, held: int) -> None:
        available = available_memory()
        if available:
            free = int(ROOM_SHARE * (available + held))
            self._room_bytes = free if self.limit is None else min(self.limit, free)

    def _relieve(
        self, handles: Collection[WorkerHandle], held: dict[int, int], total: int
    ) -> str | None:
        """The workers hold more than there is: the largest leaves after its item, and is not replaced."""
        largest = max(handles, key=lambda worker: held[id(worker)])
        if len(handles) > 1:
            largest.page.room[ALLOWED] = 0
            self.fewer(len(handles) - 1)
        if self._warned:
            return None
        self._warned = True
        who = f"{len(handles)} workers hold" if len(handles) > 1 else "a worker holds"
        inside = largest.running()
        where = f" (the largest in item {inside[0]})" if inside else ""
        what = (
            f"the run goes on with {self.workers}"
            if len(handles) > 1
            else "the run goes on, and the system may end the worker"
        )
        return f"{who} {format_bytes(total)}{where}, more than the {self._described()}; {what}"

    def fewer(self, workers: int) -> None:
        """So many fit, no more."""
        self.workers = max(1, min(self.workers, workers))

    def _described(self) -> str:
        if self.limit is not None and self._room_bytes == self.limit:
            return f"{format_bytes(self._room_bytes)} of memory_limit"
        return f"{format_bytes(self._room_bytes)} that are available: memory may run out"

    def fit(self, handles: Collection[WorkerHandle]) -> int:
        """Workers that may be there now: one until its needs are known, then as many as fit."""
        if self.awaits_first:
            known = [worker for worker in handles if worker.answered]
            if not known:
                return 1
            self.awaits_first = False
            need = max(max(self._growth(worker), LEAK_BYTES) for worker in known)
            self.fewer(self._room_bytes // need)
        return self.workers
