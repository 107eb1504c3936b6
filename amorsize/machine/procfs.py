"""Files that Linux shows of processes and of the machine, read without raising."""

from __future__ import annotations

import os
import time

START = 19
"""Where a process's start stands behind its name in its file (proc(5): field 22), in clock ticks."""
GENERATIONS = 3
"""A shell, what it runs, and what that runs."""
READ_BYTES = 1 << 16
"""Bytes asked for in one read; the kernel gives at most about a page of most of its files."""


def read_text(path: str) -> str:
    """The text of a file, "" when it cannot be had."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except (OSError, ValueError, AttributeError):
        return ""
    parts = []
    try:
        while part := os.read(handle, READ_BYTES):
            parts.append(part)
    except OSError:
        pass
    finally:
        os.close(handle)
    return b"".join(parts).decode("utf-8", "replace")


def number(text: str) -> int | None:
    """A count in a kernel file; None for ``max``, nothing, garbage and negative numbers."""
    text = text.strip()
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else None


def named_number(text: str, name: str) -> int:
    """The number after ``name`` at the start of a line, 0 when there is none."""
    _, found, rest = ("\n" + text).partition("\n" + name)
    words = rest.split(None, 1) if found else []
    return number(words[0]) or 0 if words else 0


def programs_compute(seconds: float) -> bool | None:
    """Whether a process that this one has started in the last so many seconds, or one that it has started
    in turn, is on a core or ready: whoever waits for it does not leave the machine idle. None where there
    is none, or the system does not tell. 5 µs without a child, else 20 µs for each process of the
    machine."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        names = os.listdir("/proc")
        begun = (time.clock_gettime(time.CLOCK_BOOTTIME) - seconds) * os.sysconf("SC_CLK_TCK") - 1
    except (OSError, AttributeError):  # no child; another system
        return None
    me = str(os.getpid())
    parents: dict[str, str] = {}
    ready: dict[str, bool] = {}
    for name in filter(str.isdecimal, names):
        words = read_text(f"/proc/{name}/stat").rpartition(")")[2].split()
        if len(words) > START:
            parents[name] = words[1]
            if int(words[START]) >= begun:
                ready[name] = words[0] == "R"
    found = None
    for name, computes in ready.items():
        for _ in range(GENERATIONS):
            name = parents.get(name, "")
            if name == me:
                found = found or computes
    return found


def page_bytes() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return 4096


def tells_memory() -> bool:
    """Whether this system tells what a process holds."""
    return os.path.exists("/proc/self/statm")
