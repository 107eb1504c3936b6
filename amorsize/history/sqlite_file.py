"""The file of a SQLite history: opened, waited for, checked, and set aside when it is damaged.

::

    run(act) --lock--> connected? --no--> check the owner, open, make or bring up the tables
                           |              then take in what runs have left beside the database
                           +--> act(connection) --busy--> pause, and again while another process commits

A commit is safe against the death of the process at once, and against the loss of power up to the
last checkpoint (``synchronous=NORMAL``): it costs 0.05 ms, where a full flush costs a disk's.
"""

from __future__ import annotations

import os
import sqlite3
import time

from amorsize.core.observation import pack, texts
from amorsize.core.places import KEY_BYTES
from amorsize.history import errors
from amorsize.history import sqlite_tables as tables
from amorsize.history.base import check_replaced
from amorsize.history.sqlite_cache import SqliteCache
from amorsize.storage.files import EVERYBODY, NO_FILE, belongs_to_us, identity, is_writable_by
from amorsize.storage.sqlite_file import BUSY, DAMAGED, FULL, SqliteFile, Transaction, meaning

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random
    from typing import TypeVar

    from amorsize.core.observation import Observation

    Answer = TypeVar("Answer")

PATIENCE_SECONDS = 0.2
"""Seconds that a call waits for another process that holds the file and commits nothing. A run that has
waited in vain once waits no more, so that a lock held for a minute costs it less than 250 ms."""
QUEUE_SECONDS = 5.0
"""Seconds that a call waits while other processes do commit: of sixteen that wrote without pause on two
busy cores, one waited for more than 0.1 s about once in 10,000 times."""
WAIT_SECONDS = 0.001
"""Mean seconds between two tries: SQLite's own grow to 100 ms, so that the longest waiter starves."""
WAL_PAGES = 1_000
"""Pages in the write-ahead file before a commit moves them over (SQLite's own default), 4 MB."""


class HistoryFile(SqliteFile):
    """One history's database in this process, and the cache beside it."""

    def __init__(self, path: str, max_rows: int, patience_seconds: float) -> None:
        super().__init__(path)
        self.max_rows, self.patience_seconds = max_rows, patience_seconds
        self.cache = SqliteCache(self.path)
        self._identity = NO_FILE
        """Device and inode of the database that was opened."""
        self._known = NO_FILE
        """The same of the file that had our tables: its header may still be in the log."""
        self._cached_key: bytes | None = None
        """The key of runs that were recorded before there was a database."""
        self._is_new = False
        """The connection is new: what killed processes had taken and not stored is taken in, too."""
        self._random: Random | None = None

    # ------------------------------------------------------------------ one connection, in turns

    def run(self, act: Callable[[sqlite3.Connection], Answer]) -> Answer:
        """What ``act`` answers; tried again while another process holds the file, up to the patience."""
        start = time.monotonic()
        deadline, last = start + self.patience_seconds, start + QUEUE_SECONDS
        version = None
        if not self._lock.acquire(timeout=self.patience_seconds):
            raise errors.HistoryUnavailable(
                f"{self.path} is in use by another thread; try again later"
            )
        try:
            while True:
                try:
                    connection = self._connected()
                    if self._is_new or self.cache.waits():
                        self._take_in(connection)
                        self._is_new = False
                    return act(connection)
                except sqlite3.Error as error:
                    if meaning(error) != BUSY or time.monotonic() >= deadline:
                        raise self._explained(error) from error
                    seen = self._version()
                    version = seen if version is None else version
                    if seen is not None and seen != version:
                        version = seen
                        deadline = min(time.monotonic() + self.patience_seconds, last)
                    self._pause()
                except OSError as error:
                    raise errors.HistoryUnavailable(f"{self.path}: {error.strerror}") from error
        finally:
            self._lock.release()

    def close(self) -> None:
        """Disconnect; the next call connects again."""
        with self._lock:
            self._disconnect()

    def _version(self) -> int | None:
        """A number that changes when another connection commits, None if it cannot be read."""
        if self._connection is None:
            return None
        try:
            return int(self._connection.execute("PRAGMA data_version").fetchone()[0])
        except sqlite3.Error:
            return None

    def _pause(self) -> None:
        if self._random is None or self._pid != os.getpid():
            from random import Random

            self._random = Random()
        time.sleep(self._random.uniform(0.0, 2.0 * WAIT_SECONDS))

    # ------------------------------------------------------------------ rows

    def exchange(
        self,
        connection: sqlite3.Connection,
        remove: list[str],
        fresh: list[Observation],
        strict: bool = False,
    ) -> tuple[int, int]:
        """Remove and add in one transaction, and keep the bound; how many went and came."""
        ids = set(remove)
        renewed = {one.id: one for one in fresh if one.id in ids}
        with Transaction(connection):
            start = connection.total_changes
            connection.executemany(
                tables.UPDATE,
                [(pack(one), one.time, *texts(one), one.id) for one in renewed.values()],
            )
            in_place = connection.total_changes - start
            connection.executemany(
                "DELETE FROM observations WHERE id = ?",
                [(id,) for id in remove if id not in renewed],
            )
            gone = connection.total_changes - start
            if strict:
                check_replaced(gone, len(ids), self.path)
            connection.executemany(
                tables.INSERT, [(pack(one), one.time, *texts(one)) for one in fresh]
            )
            came = connection.total_changes - start - gone + in_place
            held = tables.noted_rows(connection) + came - gone
            if held > self.max_rows:
                connection.execute(tables.EXPIRE, (held - self.max_rows,))
                held = self.max_rows
            tables.set_meta(connection, "rows", held)
        if gone or held == self.max_rows:
            step = tables.VACUUM_STEP
            tables.shrink(connection, None if len(remove) > step else step)
        return gone, came

    # ------------------------------------------------------------------ the cache beside it

    def establish(self, key: bytes, *, keep: bool = False) -> None:
        """Have the cache answer for this database under this key."""
        try:
            self.cache.establish(key, keep=keep)
        except OSError:
            pass  # a run asks the database then

    def _take_in(self, connection: sqlite3.Connection) -> None:
        """Store what runs have left beside the database; ids make a repetition harmless."""
        for name, observations in self.cache.taken():
            self.exchange(connection, [], observations)
            self.cache.stored(name)

    # ------------------------------------------------------------------ opening

    def _check_files(self) -> None:
        """Make the file if there is none; refuse one that is not this user's alone to write."""
        try:
            status = os.stat(self.path)
        except FileNotFoundError:
            self._cached_key = self.cache.key
            os.makedirs(os.path.dirname(self.path), mode=0o700, exist_ok=True)
            os.close(
                os.open(self.path, os.O_CREAT | os.O_RDWR | getattr(os, "O_CLOEXEC", 0), 0o600)
            )
            status = os.stat(self.path)
        self._identity = status.st_dev, status.st_ino
        if not belongs_to_us(status):
            raise errors.HistoryRefused(
                f"{self.path} belongs to another user; use a file of your own"
            )
        if is_writable_by(EVERYBODY, status):
            raise errors.HistoryRefused(
                f"{self.path} can be written by everybody; chmod o-w it, or remove it"
            )
        header = tables.header_of(self.path)
        if header and not header.startswith(tables.MAGIC):
            raise self._no_history("its first bytes are not those of a database")

    def _set_up(self, connection: sqlite3.Connection) -> None:
        if tables.application_id(connection) != tables.APPLICATION_ID:
            self._create(connection)
        schema = tables.schema(connection)
        if schema > tables.SCHEMA:
            raise errors.HistoryNewer(
                f"{self.path} has schema {schema}, this version of amorsize knows {tables.SCHEMA}: "
                "upgrade amorsize, or name another file"
            )
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute(f"PRAGMA wal_autocheckpoint = {WAL_PAGES}")
        if schema < tables.SCHEMA:
            tables.migrate(connection)
        key = tables.read_key(connection)
        self.cache.forget_key()
        if self.cache.key != key:
            self.establish(key, keep=True)
        self._is_new, self._known = True, self._identity

    def _create(self, connection: sqlite3.Connection) -> None:
        if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            if tables.application_id(connection) == tables.APPLICATION_ID:
                return  # another process was first
            raise errors.HistoryRefused(
                f"{self.path} is a database of another program; name another file"
            )
        tables.create(connection, self._cached_key or os.urandom(KEY_BYTES))

    # ------------------------------------------------------------------ what can go wrong

    def _explained(self, error: sqlite3.Error) -> errors.HistoryError:
        """The error to raise for one of SQLite's, the connection closed."""
        kind = meaning(error)
        if kind == BUSY:
            return errors.HistoryUnavailable(
                f"{self.path} has been locked by others for {self.patience_seconds} s"
            )
        if kind == DAMAGED:
            return self.damaged(str(error))
        self._disconnect()
        if kind == FULL:
            return errors.HistoryUnavailable(f"{self.path}: no room on the disk ({error})")
        return errors.HistoryUnavailable(f"{self.path}: {error}")

    def _no_history(self, what: str) -> errors.HistoryRefused:
        return errors.HistoryRefused(
            f"{self.path} is not a history of amorsize ({what}) and stays as it is: name another file, "
            "or remove this one"
        )

    def damaged(self, what: str) -> errors.HistoryError:
        """Set the file aside, if it is still the one that was opened and was a history, and say so."""
        self._disconnect()
        first = aside = f"{self.path}.corrupt-{time.strftime('%Y%m%dT%H%M%S')}"
        number = 1
        while os.path.lexists(aside):
            number += 1
            aside = f"{first}-{number}"
        if identity(self.path) != self._identity:
            return errors.HistoryCorrupt(
                f"{self.path} was damaged ({what}) and has been replaced", None
            )
        if self._identity != self._known and not tables.is_history(tables.header_of(self.path)):
            return self._no_history(what)
        try:
            os.rename(self.path, aside)
            for suffix in ("-wal", "-shm"):
                if os.path.lexists(self.path + suffix):
                    os.rename(self.path + suffix, aside + suffix)
        except OSError as error:
            return errors.HistoryCorrupt(
                f"{self.path} is damaged ({what}) and stays: {error.strerror}", None
            )
        return errors.HistoryCorrupt(
            f"{self.path} was damaged ({what}); it is kept as {aside}", aside
        )

    def __del__(self) -> None:
        if getattr(self, "_connection", None) is not None:
            try:
                self._disconnect()
            except (AttributeError, TypeError):  # the interpreter ends, and its modules are gone
                pass
