"""The memory that a worker shares with its caller: 64-bit words that outlive the worker.

::

    words: | item of each thread | first unsent position of each | end of each stretch | allowed | base |
             written by the worker's threads, read by the caller    written by the caller | by the worker

Each word has one writer, and is written in one step, so that no lock is needed. After a death the marks
tell what was lost: ``[first, current)`` is done but unsent, ``current`` is the item that the worker died
in, the rest was never begun."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

MARKS = 3
"""Marks of a thread: the item it is in; first position that is not sent; where its stretch ends."""
UNLIMITED = -1
ALLOWED, BASE = 0, 1
ROOM_WORDS = 2
"""Words about memory: bytes that the worker may grow by (0: leave); bytes that it held at first."""


class SharedPage:
    """The words of one worker, for so many threads."""

    def __init__(self, words: memoryview[int], slots: int) -> None:
        self.slots = slots
        """Threads that there is room for."""
        end = MARKS * slots
        self.marks = words[:end]
        self.room = words[end : end + ROOM_WORDS]

    @staticmethod
    def size(slots: int) -> int:
        """Bytes for so many threads."""
        return 8 * (MARKS * slots + ROOM_WORDS)

    def clear(self) -> None:
        """No thread is in any item; nothing is known of the worker's memory, and nothing asked of it."""
        for number in range(len(self.marks)):
            self.marks[number] = -1
        self.room[ALLOWED] = self.room[BASE] = UNLIMITED

    def running(self, threads: int) -> list[int]:
        """Positions of the items that the worker's threads are in."""
        return [position for position in self.marks[:threads] if position >= 0]

    def unsent(self, threads: int) -> Iterator[tuple[int, int, int]]:
        """For each stretch whose results have not been sent: its first position, the item its thread is
        in (-1: before its first item or, more often, after its last), its end."""
        marks, slots = self.marks, self.slots
        for slot in range(threads):
            if marks[slots + slot] >= 0:
                yield marks[slots + slot], marks[slot], marks[2 * slots + slot]
