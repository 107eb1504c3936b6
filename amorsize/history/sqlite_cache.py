"""Cache beside a SQLite history: a run reads one slot and appends one frame, without the database.

Importing and opening a database costs 6 to 10 ms, which many a run would not win back. Beside the
database lie two files that only shorten the way to it and may be deleted at any time:

* ``<history>.recall``: a table of slots, one for each function (a later function may displace an
  earlier one), with its newest observations; the header has the history's key, tells which
  database file it belongs to, has tags of functions with long items (``core/places.py``), and errors of
  forecasts;
* ``<history>.spool``: observations that the database has not taken in yet. The process that opens the
  database next takes them in first, so every reader sees them.

Each frame (``frames.py``) carries a keyed digest: what a kill left half-written, or another program
wrote, does not count. A run that finds none reads neither that module nor what an observation is, and
``struct`` would be two files more.
"""

from __future__ import annotations

import os
import time

from amorsize.core.lazy import LazyModule
from amorsize.core.places import KEY_BYTES, TAG_BYTES, tag_of
from amorsize.storage.files import (
    CAREFUL,
    NO_FILE,
    SHARED_LOCKS,
    identity,
    is_at,
    is_ours_alone,
    is_private,
    lock,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from amorsize.core.observation import Observation
    from amorsize.history import errors, frames
else:
    errors = LazyModule("amorsize.history.errors")
    frames = LazyModule("amorsize.history.frames")

_READ, _WRITE = os.O_RDONLY | CAREFUL, os.O_WRONLY | CAREFUL
MAGIC = b"amorrec1"
WORD_BYTES = 8
_HEADER_BYTES = 3 * WORD_BYTES + KEY_BYTES
"""Header of a file of slots: magic, device and inode of the database (little-endian), key."""
SLOTS, SLOT_BYTES = 1_024, 8_192
"""Functions known at once, and room for about ten observations of each; the file is sparse."""
HEADER_BYTES = SLOT_BYTES
ERRORS_AT, ERRORS = 6_400, 128
"""Where in the first block the errors of forecasts begin, and how many are kept of known functions, and
of first calls behind them; 0 where none is."""
MOST_ERROR = 1_000.0
"""Larger numbers are none of ours."""
ERROR_BYTES = 4
"""Each is a number of single precision, as this machine writes it: the files never leave it."""
SAME_CONFIG = 4
"""Observations of one configuration that a slot keeps."""
SPOOL_BYTES, MOST_SPOOL_BYTES = 262_144, 16_777_216
"""From the first size on (about 500 runs) the database should take the spool in. At the second, which it
reaches only if the database cannot be opened for long, no run is recorded any more."""
LOCK_TRIES, LOCK_SECONDS = 20, 0.002
"""Tries to lock the spool, and seconds between two: a run holds it for microseconds, a process that takes
it in for some milliseconds."""


class SqliteCache:
    """The two files beside the database at ``path``."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.recall_path, self.spool_path = path + ".recall", path + ".spool"
        self._key: bytes | None = None
        self.is_full = False

    @property
    def is_private(self) -> bool:
        """Whether only this user can read these files and the database."""
        return all(map(is_private, (self.path, self.recall_path, self.spool_path)))

    # ------------------------------------------------------------------ the key

    @property
    def key(self) -> bytes | None:
        """The history's key; None if these files are not there or belong to another database."""
        if self._key is None:
            self._key = self._read_key()
        return self._key

    def _read_key(self) -> bytes | None:
        header = self._read_header()
        if header is None:
            return None
        magic, device, inode, key = header
        return key if magic == MAGIC and (device, inode) == identity(self.path) else None

    def _read_header(self) -> tuple[bytes, int, int, bytes] | None:
        try:
            file = os.open(self.recall_path, _READ)
        except OSError:
            return None
        try:
            if not is_ours_alone(os.fstat(file)):
                return None
            header = os.read(file, _HEADER_BYTES)
        finally:
            os.close(file)
        if len(header) != _HEADER_BYTES:
            return None
        device, inode = (
            int.from_bytes(header[place : place + WORD_BYTES], "little")
            for place in (WORD_BYTES, 2 * WORD_BYTES)
        )
        return header[:WORD_BYTES], device, inode, header[3 * WORD_BYTES :]

    def begin(self) -> bytes | None:
        """Found a history before there is a database: its key, None if that has to come from one."""
        if identity(self.path) != NO_FILE or not SHARED_LOCKS:
            return None
        os.makedirs(os.path.dirname(self.path), mode=0o700, exist_ok=True)
        self._write_header(os.urandom(KEY_BYTES), NO_FILE, keep=True)
        self._key = None
        return self.key

    def establish(self, key: bytes, *, keep: bool = False) -> None:
        """These files belong to the database that is there now. Slots are kept only if asked for,
        and under the same key."""
        header = self._read_header() if keep else None
        if header is not None and header[0] == MAGIC and header[3] == key:
            file = os.open(self.recall_path, _WRITE)
            try:
                os.write(file, _header(identity(self.path), key))
            finally:
                os.close(file)
        else:
            self._write_header(key, identity(self.path), keep=False)
        self._key = key

    def _write_header(self, key: bytes, identity: tuple[int, int], *, keep: bool) -> None:
        header = _header(identity, key)
        temporary = f"{self.recall_path}.{os.getpid()}.{os.urandom(4).hex()}"
        file = os.open(temporary, os.O_CREAT | os.O_EXCL | _WRITE, 0o600)
        try:
            os.write(file, header)
            os.ftruncate(file, HEADER_BYTES + SLOTS * SLOT_BYTES)
            if keep:
                os.link(temporary, self.recall_path)  # refused if another was first
            else:
                os.rename(temporary, self.recall_path)
        except FileExistsError:
            pass
        finally:
            os.close(file)
            try:
                os.unlink(temporary)
            except FileNotFoundError:
                pass

    def forget_key(self) -> None:
        """Have the key read again at the next call: the database may have become another."""
        self._key = None

    # ------------------------------------------------------------------ recall

    def recall(self, fingerprint: str) -> list[Observation]:
        """The newest observations of a function, newest first; [] if none are at hand."""
        return [one for _, one in self._slot(fingerprint)]

    def _slot(self, fingerprint: str) -> list[tuple[bytes, Observation]]:
        """A function's observations at hand, newest first, each behind its frame."""
        key = self.key
        if key is None or not hasattr(os, "pread"):
            return []
        try:
            file = os.open(self.recall_path, _READ)
        except OSError:
            return []
        try:
            slot = os.pread(file, SLOT_BYTES, _offset(fingerprint))
        finally:
            os.close(file)
        if not any(slot):
            return []
        found = frames.frames_in(slot, key)
        return [(frame, one) for frame, one in found if one.fingerprint == fingerprint]

    def _put(self, observation: Observation, frame: bytes) -> None:
        """Put an observation, of which this is the frame, before the others in its slot."""
        body, configs = frame, [observation.config]
        for frame, one in self._slot(observation.fingerprint):
            if configs.count(one.config) < SAME_CONFIG:
                if len(body) + len(frame) > SLOT_BYTES:
                    break
                body += frame
                configs.append(one.config)
        file = os.open(self.recall_path, _WRITE)
        try:
            os.pwrite(file, body.ljust(SLOT_BYTES, b"\0"), _offset(observation.fingerprint))
        finally:
            os.close(file)

    def mark_long(self, func: Any) -> None:
        """Have a run of this function look its history up before the first item."""
        found = tag_of(func)
        if found is None or self.key is None or not hasattr(os, "pwrite"):
            return
        slot, tag = found
        file = os.open(self.recall_path, os.O_RDWR | CAREFUL)
        try:
            if os.pread(file, TAG_BYTES, slot) != tag:
                os.pwrite(file, tag, slot)
        finally:
            os.close(file)

    def errors(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Errors of the history's forecasts, in their own spreads: of known functions, of first calls."""
        if self.key is None or not hasattr(os, "pread"):
            return (), ()
        try:
            file = os.open(self.recall_path, _READ)
        except OSError:
            return (), ()
        try:
            block = os.pread(file, 2 * ERRORS * ERROR_BYTES, ERRORS_AT)
        finally:
            os.close(file)
        if len(block) < 2 * ERRORS * ERROR_BYTES:
            return (), ()
        scores = memoryview(block).cast("f").tolist()
        known, first = scores[:ERRORS], scores[ERRORS:]
        return tuple(filter(_is_error, known)), tuple(filter(_is_error, first))

    def note_error(self, score: float, *, first: bool) -> None:
        """Keep the error of a forecast, in the place of one of any age."""
        if self.key is None or not hasattr(os, "pwrite") or not _is_error(score):
            return
        place = ERRORS_AT + ERROR_BYTES * (first * ERRORS + os.urandom(1)[0] % ERRORS)
        number = memoryview(bytearray(ERROR_BYTES)).cast("f")
        number[0] = score
        file = os.open(self.recall_path, _WRITE)
        try:
            os.pwrite(file, number, place)
        finally:
            os.close(file)

    # ------------------------------------------------------------------ record

    def record(self, observation: Observation) -> bool:
        """Leave an observation for the database. False if it has to take it itself; ``is_full`` tells
        afterwards whether it is time to open the database."""
        key = self.key
        if key is None or not SHARED_LOCKS:
            return False
        try:
            frame = frames.frame_of(observation, key)
            if not self._append(frame):
                return False
            self._put(observation, frame)
        except OSError as error:
            raise errors.HistoryUnavailable(f"{self.spool_path}: {error.strerror}") from error
        return True

    def remember(self, observation: Observation) -> None:
        """Put an observation that the database has already into its slot."""
        key = self.key
        if key is not None and hasattr(os, "pwrite"):
            try:
                self._put(observation, frames.frame_of(observation, key))
            except OSError:
                pass  # the database has it

    def _append(self, frame: bytes) -> bool:
        for turn in range(LOCK_TRIES):
            if turn:
                time.sleep(LOCK_SECONDS)
            file = os.open(
                self.spool_path,
                os.O_CREAT | os.O_APPEND | _WRITE,
                0o600,
            )
            try:
                if not is_ours_alone(os.fstat(file)):
                    raise errors.HistoryRefused(
                        f"{self.spool_path} is not this user's alone to write"
                    )
                if not _locked(file, shared=True):
                    continue  # it is being taken in: there will be a new one
                if os.fstat(file).st_nlink == 0 or not is_at(file, self.spool_path):
                    continue  # taken away between open and lock
                size = os.lseek(file, 0, os.SEEK_END)
                self.is_full = size > SPOOL_BYTES
                if size > MOST_SPOOL_BYTES:
                    raise errors.HistoryUnavailable(
                        f"{self.spool_path} is full, its database could not be opened for long: "
                        "see `amorsize history check`"
                    )
                if os.write(file, frame) != len(frame):
                    raise errors.HistoryUnavailable(f"{self.spool_path}: no room on the disk")
                return True
            finally:
                os.close(file)
        return False

    # ------------------------------------------------------------------ for the database

    def taken(self) -> Iterator[tuple[str, list[Observation]]]:
        """Spools that wait, one after the other, taken out of the way of writers: name and content.

        The caller stores the observations (each has an id: twice does no harm), then calls
        :meth:`stored`; a spool that was taken and not stored is found again. While one is being
        stored, other processes pass it by."""
        folder, name = os.path.split(self.spool_path)
        key = self.key
        if key is None or not SHARED_LOCKS:
            return
        try:
            if os.stat(self.spool_path).st_size:
                aside = f"{self.spool_path}.{os.getpid()}.{os.urandom(4).hex()}"
                os.rename(self.spool_path, aside)
        except OSError:
            pass  # there is none, or another was quicker
        for entry in os.listdir(folder):
            if not entry.startswith(name + "."):
                continue
            path = os.path.join(folder, entry)
            try:
                file = os.open(path, _READ)
            except OSError:
                continue
            try:
                if is_ours_alone(os.fstat(file)) and _locked(file) and is_at(file, path):
                    yield path, list(frames.observations_in(_read_all(file), key))
            finally:
                os.close(file)

    def waits(self) -> bool:
        """Whether there is anything to take in."""
        try:
            return os.stat(self.spool_path).st_size > 0
        except OSError:
            return False

    def stored(self, path: str) -> None:
        """The database has what the spool at ``path`` held."""
        try:
            os.unlink(path)
        except OSError:
            pass


def _is_error(score: float) -> bool:
    """Whether a number is an error that a forecast could have had."""
    return score != 0.0 and -MOST_ERROR < score < MOST_ERROR


def _header(database: tuple[int, int], key: bytes) -> bytes:
    device, inode = (number.to_bytes(WORD_BYTES, "little") for number in database)
    return MAGIC + device + inode + key


def _offset(fingerprint: str) -> int:
    return HEADER_BYTES + int(fingerprint[:8], 16) % SLOTS * SLOT_BYTES


def _read_all(file: int) -> bytes:
    parts = []
    while part := os.read(file, 1 << 20):
        parts.append(part)
    return b"".join(parts)


def _locked(file: int, *, shared: bool = False) -> bool:
    """Whether the open file could be locked; False, too, where the file system has no locks."""
    try:
        lock(file, shared=shared)
    except OSError:
        return False
    return True
