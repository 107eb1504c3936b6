"""Files that Linux shows of processes and of the machine, read without raising."""

from __future__ import annotations

import os

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


def page_bytes() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return 4096


def tells_memory() -> bool:
    """Whether this system tells what a process holds."""
    return os.path.exists("/proc/self/statm")
