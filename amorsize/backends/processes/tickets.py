"""Tickets: 16 bytes that stand for a span of positions, in a pipe that forked workers share.

::

    caller --write (whole tickets, at most PIPE_BUF bytes)--> pipe --read (whole tickets)--> any worker

A worker that has inherited the data needs positions only. A read takes whole tickets in one system call,
so there is no lock that a dying worker could keep, and whichever worker is free takes next."""

from __future__ import annotations

import fcntl
import os
import termios
from array import array

from amorsize.planning.chunking import CHUNK_SECONDS

TICKET = 16
"""Bytes of a ticket: first position and one past the last, signed 64-bit integers. The second is negative
where the item is to be by itself, since a worker died in it or near it."""
TICKET_SECONDS = 0.0001
"""Work behind one ticket when items are shorter: reading one costs about 0.001 ms."""


class TicketReader:
    """The reading end of the pipe of tickets, for one worker (or the caller as one)."""

    def __init__(self, pipe: int, workers: int) -> None:
        self.pipe, self.workers = pipe, workers
        self._size = 1
        """Items behind one of the tickets taken last."""

    def take(self, per: float) -> list[tuple[int, int]]:
        """Stretches of about 5 ms of work with ``per`` seconds an item, less when little is left; [] at
        the end.

        Tickets that follow one another are one stretch: as a message each, tickets of 0.1 ms cost 8 to
        17 %."""
        fair = waiting_tickets(self.pipe) // (2 * self.workers)
        quick = int(CHUNK_SECONDS / max(per * self._size, TICKET_SECONDS)) if per > 0 else 1
        try:
            body = os.read(self.pipe, TICKET * max(1, min(fair, quick)))
        except BlockingIOError:  # the caller is emptying it after the death of another worker
            return []
        spans = sorted(_pairs(body))
        if spans:
            self._size = sum(abs(hi) - lo for lo, hi in spans) // len(spans)
        return joined(spans)


def waiting_tickets(pipe: int) -> int:
    """Tickets that wait in the pipe."""
    left = array("i", [0])
    fcntl.ioctl(pipe, termios.FIONREAD, left)
    return left[0] // TICKET


def new_tickets() -> array[int]:
    """An empty list of tickets: first position, one past the last, and so on."""
    return array("q")


def parse_tickets(body: bytes) -> list[tuple[int, int]]:
    """First position of each, and one past the last."""
    return [(lo, abs(hi)) for lo, hi in _pairs(body)]


def _pairs(body: bytes) -> list[tuple[int, int]]:
    numbers = new_tickets()
    numbers.frombytes(body)
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def joined(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The same positions, neighbours in one but for those that are to be by themselves."""
    found: list[tuple[int, int]] = []
    open_end = -1
    for lo, hi in spans:
        if open_end == lo and hi > 0:
            lo = found.pop()[0]
        found.append((lo, abs(hi)))
        open_end = hi
    return found
