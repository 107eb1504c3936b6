"""Worker processes as the caller keeps account of them: who they are, what they hold, where they are.

Each thread of a worker has three marks in memory that it shares with the caller: the position of the
item it is in, and the first and the end of the stretch whose results it has not sent. They are there
after its death: ``[first, current)`` is done but lost, ``current`` is the item it died in, the rest was
never begun.
"""

from __future__ import annotations

import os

from amorsize.backends.processes import protocol as wire
from amorsize.backends.processes.memory import ROOM_WORDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator, Sequence
    from typing import Any

    from amorsize.items.source import ItemSource

MARKS = 3
"""Marks of a thread: the item it is in; first position that is not sent; where its stretch ends."""


def split_page(page: memoryview[int], slots: int) -> tuple[memoryview[int], memoryview[int]]:
    """Shared memory of a worker with so many threads: its marks, and what memory it may take."""
    end = MARKS * slots
    return page[:end], page[end : end + ROOM_WORDS]


def page_bytes(slots: int) -> int:
    """Shared memory that a worker with so many threads needs."""
    return 8 * (MARKS * slots + ROOM_WORDS)


def clear_marks(marks: memoryview[int]) -> None:
    """Nobody is in any item."""
    for number in range(len(marks)):
        marks[number] = -1


class Peer:
    """One worker process as the caller sees it."""

    def __init__(
        self,
        pid: int,
        sock: socket.socket,
        marks: memoryview[int],
        room: memoryview[int],
        lifeline: int = -1,
        *,
        threads: int | None = None,
        ready: bool = True,
    ) -> None:
        self.pid, self.sock = pid, sock
        self.lifeline = lifeline
        """Our end of a pipe whose closing kills the worker."""
        self.marks = marks
        self.slots = len(marks) // MARKS
        """Threads that there is room for..."""
        self.threads = self.slots if threads is None else threads
        """...and those that there are."""
        self.room = room
        """What memory it may take, and what it held at first (`memory`)."""
        self.peak_bytes = 0
        """Most memory that it was seen to hold."""
        self.answered = False
        """It has sent a result."""
        self.leaving = False
        """It has said that it leaves: what it holds goes back."""
        self.receiver = wire.Receiver(sock)
        self.outbox: list[memoryview] = []
        self.held: dict[int, Sequence[Any]] = {}
        """Runs sent to this worker and not answered: first open position -> items from there on."""
        self.ready = ready
        """A spawned worker is not, until it has loaded its function."""
        self.crew: Crew
        self.seen: dict[int, tuple[int, float]] = {}
        """With a time limit: slot -> the position it was last seen in, and since when."""
        self.overdue = False
        """It has been killed for an item that took too long."""

    def running(self) -> list[int]:
        """Positions of the items it is in."""
        return [position for position in self.marks[: self.threads] if position >= 0]

    def unsent(self) -> Iterator[tuple[int, int, int]]:
        """For each stretch whose results have not been sent: its first position, the item its thread is
        in (-1: before its first item or, more often, after its last), its end."""
        marks, slots = self.marks, self.slots
        for slot in range(self.threads):
            if marks[slots + slot] >= 0:
                yield marks[slots + slot], marks[slot], marks[2 * slots + slot]

    def forget(self) -> None:
        """In a forked process: this worker is not ours."""
        self.sock.close()
        if self.lifeline >= 0:
            os.close(self.lifeline)


class Crew:
    """Workers that were started the same way and share one pipe of tickets, if there is one.

    What a dead worker had taken from the pipe is known when all the others of its crew have left: its
    pipe is emptied and closed at the first death, a new crew goes on, the others finish what they hold.
    """

    def __init__(self, launcher: Any, *, shared: bool) -> None:
        self.launcher, self.shared = launcher, shared
        self.open_runs: dict[int, int] = {}
        """Dealt and unanswered: first open position -> one past the last (tickets only)."""
        self.read_fd = self.write_fd = self.own_fd = -1
        if shared:
            self.read_fd, self.write_fd = os.pipe()
            os.set_blocking(self.write_fd, False)
            self.own_fd = _opened_again(self.read_fd)

    def settle(self, start: int, stop: int) -> int:
        """Nothing is open from ``start`` to ``stop`` any more; returns where the last ticket of it ends.
        A stretch may span several tickets."""
        end = start
        while end < stop and end in self.open_runs:
            end = self.open_runs.pop(end)
        return end

    def reclaim(self, source: ItemSource, parse: Any) -> None:
        """Take back what nobody has taken from the pipe, and deal no more."""
        if self.read_fd < 0:
            return
        self.end_dealing()  # a worker that reads meanwhile finds the end, and so do we
        os.set_blocking(self.read_fd, False)
        while True:
            try:
                body = os.read(self.read_fd, 65536)
            except BlockingIOError:
                return
            if not body:
                return
            for lo, hi in parse(body):
                del self.open_runs[lo]
                source.give_back(lo, hi - lo)

    def end_dealing(self) -> None:
        """The end of file tells the workers that this was all."""
        if self.write_fd >= 0:
            os.close(self.write_fd)
            self.write_fd = -1

    def leave_to_the_caller(self) -> None:
        """A worker reads its tickets as workers do."""
        if self.own_fd >= 0:
            os.close(self.own_fd)
            self.own_fd = -1

    def close(self) -> None:
        """Close both ends of the pipe."""
        self.end_dealing()
        self.leave_to_the_caller()
        if self.read_fd >= 0:
            os.close(self.read_fd)
            self.read_fd = -1


def _opened_again(pipe: int) -> int:
    """The reading end as the caller reads it: without waiting, for a worker may take the last ticket
    between the caller's look and its reading. (Where there is no ``/proc`` it may wait for the next.)"""
    try:
        return os.open(f"/proc/self/fd/{pipe}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return os.dup(pipe)
