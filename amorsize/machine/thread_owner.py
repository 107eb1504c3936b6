"""Which native library a sleeping thread of this process works for, read off its stack.

A thread that waits inside of a library has return addresses of that library on its stack, between its
own routine and the system's wait. Nothing of the library has to be exported for that: wheels of NumPy
2.5 and SciPy 1.18 hide the counters of their OpenBLAS, and its number of threads alone does not tell
them from as many threads of OpenMP.

Linux with 64-bit words; elsewhere nothing is known. The stack of a thread that sleeps does not change;
one that wakes up while its stack is read is looked at again by whoever asks later.
"""

from __future__ import annotations

import os
from bisect import bisect_right

from amorsize.machine.procfs import read_text

STACK_BYTES = 16 << 10
"""Bytes of a stack that are read: a waiting thread of OpenBLAS has 4.7 KB to the end of its own."""
LOW = 1 << 32
"""A program that was not linked to lie anywhere lies below (Debian's python3.14), where its addresses
cannot be told from sizes and counters: such words count only where nothing else is found. A thread that
it runs in a library has the extension module on its stack that called it."""
START_TIME = 19
"""Position of the start time in ``/proc/self/task/N/stat``, counted behind the name and its bracket."""
SYSTEM = ("libc.", "libc-", "ld-", "ld.", "libpthread", "[vdso]")
"""File names of what each stack passes through: the C library, its loader and the kernel's page."""

_owners: dict[int, tuple[str, frozenset[str]]] = {}
"""What was seen: thread -> its start time, the libraries. A thread never changes its owner."""


class CodePages:
    """The executable and writable pages of this process, as they are mapped when first asked for."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._pages: list[tuple[int, str]] = []
        self._stacks: list[tuple[int, int]] = []

    def _read(self) -> None:
        for line in read_text("/proc/self/maps").splitlines():
            words = line.split(None, 5)
            start, _, end = words[0].partition("-")
            if "x" in words[1]:
                self._starts.append(int(start, 16))
                self._pages.append((int(end, 16), words[5] if len(words) > 5 else ""))
            elif "w" in words[1]:
                self._stacks.append((int(start, 16), int(end, 16)))

    def path_of(self, address: int) -> str | None:
        """The file whose code lies at an address; "" for code without a file, None for no code."""
        if not self._starts:
            self._read()
        at = bisect_right(self._starts, address) - 1
        if at < 0 or address >= self._pages[at][0]:
            return None
        return self._pages[at][1]

    def stack_end(self, address: int) -> int:
        """Where the writable pages end that an address lies in; 0 where it lies in none."""
        if not self._starts:
            self._read()
        return next((end for start, end in self._stacks if start <= address < end), 0)


def libraries_of(thread: int, pages: CodePages) -> frozenset[str]:
    """Paths of the code that a sleeping thread is in, without the system's own; empty if unknown.

    ``thread``: its number in ``/proc/self/task``. Some 0.3 ms for a thread that was not seen before.
    """
    status = read_text(f"/proc/self/task/{thread}/stat").rpartition(")")[2].split()
    if len(status) <= START_TIME:
        return frozenset()
    before = _owners.get(thread)
    if before is not None and before[0] == status[START_TIME]:
        return before[1]
    call = read_text(f"/proc/self/task/{thread}/syscall").split()
    if len(call) < 9:  # "running", or a thread that is in no call
        return frozenset()
    found = _libraries_at(int(call[-2], 16), pages)
    if found:
        _owners[thread] = status[START_TIME], found
    return found


def _libraries_at(top: int, pages: CodePages) -> frozenset[str]:
    end = pages.stack_end(top)
    size = min(STACK_BYTES, end - top) // 8 * 8
    if size <= 0:
        return frozenset()
    try:
        memory = os.open("/proc/self/mem", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return frozenset()
    try:
        stack = os.pread(memory, size, top)
    except OSError:
        return frozenset()
    finally:
        os.close(memory)
    words = set(memoryview(stack[: len(stack) // 8 * 8]).cast("Q"))
    return _paths({word for word in words if word >= LOW}, pages) or _paths(words, pages)


def _paths(words: set[int], pages: CodePages) -> frozenset[str]:
    paths = {pages.path_of(word) for word in words}
    return frozenset(
        path
        for path in paths
        if path is not None and not path.rpartition("/")[2].startswith(SYSTEM)
    )
