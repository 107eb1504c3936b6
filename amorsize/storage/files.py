"""What has to be known of a file before it is trusted: its owner, its identity, and its lock."""

from __future__ import annotations

import os

from amorsize.core.lazy import LazyModule

TYPE_CHECKING = False
if TYPE_CHECKING:
    import fcntl
    from typing import Any
else:
    fcntl = LazyModule("fcntl")

CAREFUL = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
"""Flags of every ``os.open``: no child inherits the file, and a symbolic link is refused."""
EVERYBODY, OTHERS = 0o002, 0o022
"""Permission to write for all users; for the group or all users."""
NO_FILE = (0, 0)
"""Identity of a file that does not exist."""
SHARED_LOCKS = os.name == "posix"
"""Whether this platform has locks that several readers hold together."""
LOCKED_BYTE = 1 << 40
"""Windows locks this byte: far beyond what SQLite uses."""


def belongs_to_us(status: os.stat_result) -> bool:
    """Whether this user owns the file; True where files have no owners."""
    return not hasattr(os, "geteuid") or status.st_uid == os.geteuid()


def is_writable_by(whom: int, status: os.stat_result) -> bool:
    """Whether ``whom`` (EVERYBODY or OTHERS) may write the file; False where modes say nothing."""
    return os.name == "posix" and bool(status.st_mode & whom)


def is_ours_alone(status: os.stat_result) -> bool:
    """Whether only this user could have written the file."""
    return belongs_to_us(status) and not is_writable_by(OTHERS, status)


def is_private(path: str) -> bool:
    """Whether only this user can read the file, or there is none; False where modes say nothing."""
    if os.name != "posix":
        return False
    try:
        status = os.stat(path)
    except OSError:
        return True
    return belongs_to_us(status) and not status.st_mode & 0o077


def identity(file: str | int) -> tuple[int, int]:
    """Device and inode of a path or an open file; NO_FILE if there is none."""
    try:
        status = os.stat(file)
    except OSError:
        return NO_FILE
    return status.st_dev, status.st_ino


def is_at(descriptor: int, path: str) -> bool:
    """Whether the open file is still the one at this path."""
    return identity(path) == identity(descriptor)


def lock(descriptor: int, *, shared: bool = False) -> None:
    """Lock the open file without waiting. The lock ends with the last process that has the file open.

    Raises
    ------
    BlockingIOError
        Another open file holds the lock.
    OSError
        The file system has no locks.
    """
    if os.name == "posix":
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        return
    msvcrt: Any = LazyModule("msvcrt")
    os.lseek(descriptor, LOCKED_BYTE, os.SEEK_SET)
    try:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    except OSError as error:
        raise BlockingIOError(*error.args) from None
