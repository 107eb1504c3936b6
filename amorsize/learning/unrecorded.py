"""Work that left no record, since reading what records would have taken too much of it: summed over the
processes of a history.

::

    end of a short run --add--> <history>.unrecorded (microseconds, 8 bytes)
                                    |
                                    +--enough for a record?--> the run is recorded, the sum begins anew

One process of 50 ms cannot pay for a record; one of several such can. So the records of a user's short
scripts, too, cost at most their share of all the work. A sum that two processes add to at once may lose
one of them: that delays a record, and nothing else.
"""

from __future__ import annotations

import os

from amorsize.core.places import resolve, sqlite_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SUM_BYTES = 8
_MICRO = 1e6
_MOST = (1 << 8 * SUM_BYTES) - 1
_OPENS = (
    os.O_RDWR
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_BINARY", 0)
    | getattr(os, "O_NONBLOCK", 0)
)


def add_unrecorded(choice: Any, seconds: float) -> float | None:
    """So much work more left no record: the sum for the history that the option ``history`` names. None
    where it has no file."""
    path = sqlite_path(resolve(choice))
    if not path:
        return None
    try:
        return _changed(path + ".unrecorded", seconds)
    except (OSError, ValueError):  # of a full disk, or a name with a null in it
        return None


def clear_unrecorded(choice: Any) -> None:
    """A record is made: the sum begins anew."""
    add_unrecorded(choice, -float("inf"))


def _changed(path: str, seconds: float) -> float | None:
    """The sum after a change; it stays at 0 or above. None where the file is not one of ours."""
    try:
        file = os.open(path, _OPENS | os.O_CREAT, 0o600)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(os.path.abspath(path)), mode=0o700, exist_ok=True)
        file = os.open(path, _OPENS | os.O_CREAT, 0o600)
    try:
        if not _is_ours(os.fstat(file)):
            return None
        before = int.from_bytes(os.read(file, SUM_BYTES), "little") / _MICRO
        now = max(0.0, before + seconds)
        os.lseek(file, 0, os.SEEK_SET)
        os.write(file, min(int(now * _MICRO), _MOST).to_bytes(SUM_BYTES, "little"))
        return now
    finally:
        os.close(file)


def _is_ours(status: os.stat_result) -> bool:
    """Whether writing the sum can hurt nothing: a regular file of this user's, with no other name, that
    holds a sum or nothing."""
    return (
        status.st_mode & 0o170000 == 0o100000
        and (not hasattr(os, "geteuid") or status.st_uid == os.geteuid())
        and status.st_nlink <= 1
        and status.st_size in (0, SUM_BYTES)
    )
