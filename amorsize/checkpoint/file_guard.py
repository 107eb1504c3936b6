"""Claim a checkpoint's file: this user's own, locked for one run, and nothing but a journal of ours.

Results are read back by ``pickle``, which runs what it reads. So a file is opened only if this user
alone could have written it, and the same holds for the two files that SQLite keeps beside it and for
the directory, in which another user could replace all three.
"""

from __future__ import annotations

import errno
import os
import stat

from amorsize.errors import CheckpointError
from amorsize.storage.files import (
    CAREFUL,
    EVERYBODY,
    OTHERS,
    belongs_to_us,
    is_at,
    is_ours_alone,
    is_writable_by,
    lock,
)

APPLICATION_ID = 0x616D636A
"""Marks the file as ours ("amcj"), in bytes 68 to 71 of its header."""
NAME_ANOTHER = "name another path"
_HEADER = b"SQLite format 3\0"
_OPEN = os.O_RDWR | os.O_CREAT | CAREFUL | getattr(os, "O_NONBLOCK", 0)
"""Open or make the file; O_NONBLOCK, for a named pipe would wait for a reader."""


def claim(path: str) -> int:
    """Open the file, making it if need be, and lock it: a descriptor.

    Raises
    ------
    CheckpointError
        It is in use, cannot be opened, could have been written by another user, or is no journal.
    """
    _check_directory(path)
    try:
        descriptor = os.open(path, _OPEN, 0o600)
    except OSError as error:
        raise _unopened(path, error) from error
    try:
        _check_owner(path, os.fstat(descriptor))
        try:
            lock(descriptor)
        except BlockingIOError:
            raise in_use(path) from None
        except OSError:  # a file system without locks: SQLite's own will say
            pass
        # Only with the lock is it sure that no other run is writing the header.
        header = os.pread(descriptor, 100, 0) if hasattr(os, "pread") else _head(path)
        ours = header[68:72] == APPLICATION_ID.to_bytes(4, "big")
        if header and not (header.startswith(_HEADER) and ours):
            raise CheckpointError(
                path, "is no checkpoint of amorsize, and is left as it is", NAME_ANOTHER
            )
        if os.path.islink(path) or not is_at(descriptor, path):
            raise CheckpointError(path, "was replaced while it was opened", "try again")
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def claim_companions(path: str) -> None:
    """Make the write-ahead log and the rollback journal before SQLite looks for them. It would take
    another user's for its own; while ours is there, no other user can put one in its place."""
    for companion in (path + "-wal", path + "-journal"):
        try:
            descriptor = os.open(companion, _OPEN, 0o600)
        except OSError as error:
            raise CheckpointError(
                path,
                f"cannot be used: {companion} cannot be opened ({error.strerror})",
                NAME_ANOTHER,
            ) from error
        try:
            status = os.fstat(descriptor)
            if not (is_ours_alone(status) and stat.S_ISREG(status.st_mode)):
                raise CheckpointError(
                    path,
                    f"cannot be used: {companion} could be written by others",
                    NAME_ANOTHER,
                )
        finally:
            os.close(descriptor)


def version_of(path: str) -> tuple[int, ...]:
    """Differs when the file has been written or replaced; () if there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return ()
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def in_use(path: str) -> CheckpointError:
    """Another run has the file."""
    return CheckpointError(
        path, "is in use by another run", "wait for that run or end it, or name another path"
    )


def _check_directory(path: str) -> None:
    """Refuse a directory in which another user could replace the file."""
    directory = os.path.dirname(path)
    try:
        status = os.stat(directory)
    except OSError as error:
        raise CheckpointError(
            path, f"cannot be opened: {directory}: {error.strerror}", "make the directory first"
        ) from error
    way_out = "use a directory of your own"
    if not belongs_to_us(status) and status.st_uid != 0 and os.geteuid() != 0:
        raise CheckpointError(
            path, "is in a directory of another user, and results are unpickled from it", way_out
        )
    if is_writable_by(EVERYBODY, status) and not status.st_mode & stat.S_ISVTX:
        raise CheckpointError(
            path,
            "is in a directory that everybody can write, and results are unpickled from it",
            way_out,
        )


def _check_owner(path: str, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise CheckpointError(path, "is not a regular file", NAME_ANOTHER)
    if not belongs_to_us(status):
        raise CheckpointError(path, "belongs to another user", "use a file of your own")
    if is_writable_by(OTHERS, status):
        raise CheckpointError(
            path,
            "can be written by others, and results are unpickled from it",
            "chmod go-w it if you trust what it holds, or name another path",
        )


def _unopened(path: str, error: OSError) -> CheckpointError:
    if os.path.islink(path):
        return CheckpointError(path, "is a symbolic link", "name the file itself")
    if error.errno == errno.EISDIR:
        return CheckpointError(path, "is a directory", "name a file in it")
    return CheckpointError(
        path,
        f"cannot be opened for writing: {error.strerror}",
        "name another path, or make room",
    )


def _head(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read(100)
