"""The default history: one SQLite file in write-ahead mode, shared by threads, processes and forks.

A process has one connection, used in turns under a lock, closed before every fork and opened again
when next needed, in parent and child alike. It is never left to a child: SQLite's locks belong to a
process. A commit is safe against the death of the process at once, and against the loss of power up
to the last checkpoint (``synchronous=NORMAL``): it costs 0.05 ms, where a full flush costs a
disk's.
"""

from __future__ import annotations

import os
import sqlite3
import time
from _thread import allocate_lock
from contextlib import contextmanager

from amorsize.core.frozen import replace
from amorsize.core.observation import NUMBERS, SCHEMA, TEXTS, pack, texts, unpack, validate
from amorsize.history.base import KEY_BYTES, MAX_ROWS, History, Table, new_id
from amorsize.history.errors import (
    HistoryChanged,
    HistoryCorrupt,
    HistoryError,
    HistoryNewer,
    HistoryRefused,
    HistoryUnavailable,
)
from amorsize.history.fork_guard import watch
from amorsize.history.rows import COLUMNS, NAMES, default_text, problems_of, relayout, table_of
from amorsize.history.sqlite_cache import Quick
from amorsize.history.summary import Stats

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from random import Random
    from typing import Any, TypeVar

    from amorsize.core.observation import Observation

    Answer = TypeVar("Answer")

APPLICATION_ID = 0x616D6F72
"""In the file's header: "amor"."""
PATIENCE_SECONDS = 0.2
"""Wait for others who hold the file and commit nothing. A run that has waited in vain once waits no
more, so that a lock held for a minute costs it less than 250 ms."""
QUEUE_SECONDS = 5.0
"""Wait while others do commit: of sixteen processes that wrote without pause on two busy cores, one
waited for more than 0.1 s about once in 10,000 times."""
WAIT_SECONDS = 0.001
"""Mean pause between tries: SQLite's own grow to 100 ms, and whoever waits longest starves."""
VACUUM_PAGES, VACUUM_STEP = 64, 256
"""Free pages (4 KB) from which a call gives some back to the file system, and how many: 1 ms."""
WAL_PAGES = 1_000
"""Pages in the write-ahead file before a commit moves them over (SQLite's own default), 4 MB."""

_COLUMNS = ", ".join(f"{column} TEXT NOT NULL" for column in COLUMNS if column != "id")
CREATE = (
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID",
    f"CREATE TABLE observations (seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, {_COLUMNS}, "
    "time REAL NOT NULL, numbers BLOB NOT NULL)",
    "CREATE INDEX by_function ON observations (fingerprint, seq)",
)
_SELECT = f"SELECT numbers, {NAMES} FROM observations"
_INSERT = (
    f"INSERT OR IGNORE INTO observations (numbers, time, {NAMES}) "
    f"VALUES (?, ?, {', '.join('?' * len(TEXTS))})"
)
_UPDATE = (
    "UPDATE OR IGNORE observations SET numbers = ?, time = ?, "
    f"{', '.join(f'{column} = ?' for column in COLUMNS)} WHERE id = ?"
)
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_WAITING = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)

MIGRATIONS: dict[int, Callable[[sqlite3.Connection], None]] = {}
"""What a version needs beyond `_lay_out` to become the next."""


class SqliteHistory(History):
    """Observations in a file.

    Parameters
    ----------
    path : the file; it and its folder are made, for this user only, when first needed
    max_rows : bound on observations
    patience_seconds : longest wait for others in one call
    """

    def __init__(
        self, path: str, *, max_rows: int = MAX_ROWS, patience_seconds: float = PATIENCE_SECONDS
    ) -> None:
        if max_rows < 1:
            raise ValueError(f"max_rows={max_rows}: at least 1")
        self.location, self.max_rows, self.patience_seconds = (
            os.path.abspath(path),
            max_rows,
            patience_seconds,
        )
        self._lock = allocate_lock()
        self._connection: sqlite3.Connection | None = None
        self._pid = 0
        self._inode: tuple[int, int] | None = None
        self._key: bytes | None = None
        self._quick = Quick(self.location)
        self._begun: bytes | None = None
        self._random: Random | None = None
        watch(self)

    # ------------------------------------------------------------------ the contract

    @property
    def key(self) -> bytes:
        if self._key is None:
            self._key = self._run(_read_key)
        return self._key

    def adopt_key(self, key: bytes) -> bool:
        def act(connection: sqlite3.Connection) -> bytes:
            with self._transaction(connection):
                if not _count(connection):
                    connection.execute("UPDATE meta SET value = ? WHERE name = 'key'", (key,))
                return _read_key(connection)

        self._key = self._run(act)
        if self._quick.key != self._key:
            self._establish(self._key)
        return self._key == key

    def add(self, observations: Iterable[Observation]) -> int:
        return self.replace((), observations)[1]

    def replace(
        self,
        remove: Iterable[str],
        observations: Iterable[Observation],
        *,
        strict: bool = False,
    ) -> tuple[int, int]:
        fresh = [validate(one if one.id else replace(one, id=new_id())) for one in observations]
        ids = list(dict.fromkeys(remove))
        if not fresh and not ids:
            return 0, 0
        changed = self._run(lambda connection: self._exchange(connection, ids, fresh, strict))
        if len(fresh) == 1 and not ids:
            self._quick.remember(fresh[0])
        return changed

    def _exchange(
        self,
        connection: sqlite3.Connection,
        remove: list[str],
        fresh: list[Observation],
        strict: bool = False,
    ) -> tuple[int, int]:
        """Remove and add in one transaction, and keep the bound."""
        ids = set(remove)
        renewed = {one.id: one for one in fresh if one.id in ids}
        with self._transaction(connection):
            start = connection.total_changes
            connection.executemany(
                _UPDATE,
                [(pack(one), one.time, *texts(one), one.id) for one in renewed.values()],
            )
            in_place = connection.total_changes - start
            connection.executemany(
                "DELETE FROM observations WHERE id = ?",
                [(id,) for id in remove if id not in renewed],
            )
            gone = connection.total_changes - start
            if strict and gone < len(ids):
                raise HistoryChanged(
                    f"{self.location}: {len(ids) - gone} of the rows to be removed are gone"
                )
            connection.executemany(_INSERT, [(pack(one), one.time, *texts(one)) for one in fresh])
            came = connection.total_changes - start - gone + in_place
            held = _count(connection) + came - gone
            if held > self.max_rows:
                oldest = "SELECT seq FROM observations ORDER BY seq LIMIT ?"
                connection.execute(
                    f"DELETE FROM observations WHERE seq IN ({oldest})", (held - self.max_rows,)
                )
                held = self.max_rows
            connection.execute("UPDATE meta SET value = ? WHERE name = 'rows'", (held,))
        if gone or held == self.max_rows:
            _shrink(connection, None if len(remove) > VACUUM_STEP else VACUUM_STEP)
        return gone, came

    def recent(self, fingerprint: str, limit: int = 32) -> list[Observation]:
        query = f"{_SELECT} WHERE fingerprint = ? ORDER BY seq DESC LIMIT ?"
        rows = self._run(
            lambda connection: connection.execute(query, (fingerprint, limit)).fetchall()
        )
        return [_unpacked(row) for row in rows]

    def table(self, limit: int | None = None) -> Table:
        query = f"{_SELECT} ORDER BY seq DESC LIMIT ?"
        bound = -1 if limit is None else limit
        rows = self._run(lambda connection: connection.execute(query, (bound,)).fetchall())
        rows.reverse()
        table = table_of(rows)
        if table is None:
            raise self._damaged("a row of numbers has the wrong length")
        return table

    def clear(self, fingerprint: str | None = None) -> int:
        def act(connection: sqlite3.Connection) -> int:
            with self._transaction(connection):
                before = _count(connection)
                if fingerprint is None:
                    connection.execute("DELETE FROM observations")
                else:
                    connection.execute(
                        "DELETE FROM observations WHERE fingerprint = ?", (fingerprint,)
                    )
                held = connection.execute("SELECT count(*) FROM observations").fetchone()[0]
                connection.execute("UPDATE meta SET value = ? WHERE name = 'rows'", (held,))
            _shrink(connection, None)
            return int(before - held)

        gone = self._run(act)
        self._establish(self.key)  # what was cleared is not recalled
        return gone

    def note(self, name: str) -> str | None:
        query = "SELECT value FROM meta WHERE name = ?"
        row = self._run(lambda connection: connection.execute(query, (f"note:{name}",)).fetchone())
        return None if row is None else str(row[0])

    def set_note(self, name: str, text: str) -> None:
        def act(connection: sqlite3.Connection) -> None:
            with self._transaction(connection):
                connection.execute(
                    "INSERT OR REPLACE INTO meta VALUES (?, ?)", (f"note:{name}", text)
                )

        self._run(act)

    def check(self) -> list[str]:
        def act(connection: sqlite3.Connection) -> list[str]:
            problems = [
                str(row[0])
                for row in connection.execute("PRAGMA integrity_check")
                if row[0] != "ok"
            ]
            connection.execute("BEGIN")
            try:
                counted = connection.execute("SELECT count(*) FROM observations").fetchone()[0]
                problems += problems_of(
                    connection.execute(f"SELECT time, numbers, {NAMES} FROM observations"),
                    counted=counted,
                    noted=_count(connection),
                    max_rows=self.max_rows,
                    key=_read_key(connection),
                )
            finally:
                connection.execute("ROLLBACK")
            return problems

        return self._run(act)

    def stats(self) -> Stats:
        query = (
            "SELECT count(*), count(DISTINCT fingerprint), min(time), max(time) FROM observations"
        )
        rows, functions, oldest, newest = self._run(
            lambda connection: connection.execute(query).fetchone()
        )
        size = sum([_size(self.location + suffix) for suffix in ("", "-wal")])
        return Stats(self.location, rows, functions, self.max_rows, size, oldest, newest)

    def open(self) -> None:
        """Open the file now, to see what is wrong with it."""
        self._run(lambda connection: None)

    def close(self) -> None:
        with self._lock:
            self._disconnect()

    # ------------------------------------------------------------------ one connection, in turns

    def _run(self, act: Callable[[sqlite3.Connection], Answer]) -> Answer:
        """What ``act`` answers; tried again while others hold the file, up to the patience."""
        start = time.monotonic()
        deadline, last = start + self.patience_seconds, start + QUEUE_SECONDS
        version = None
        if not self._lock.acquire(timeout=self.patience_seconds):
            raise HistoryUnavailable(
                f"{self.location} is in use by another thread; try again later"
            )
        try:
            while True:
                try:
                    connection = self._connected()
                    if self._quick.waits():
                        self._take_in(connection)
                    return act(connection)
                except sqlite3.Error as error:
                    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
                    if code not in _WAITING or time.monotonic() >= deadline:
                        raise self._explained(error, code) from error
                    seen = self._version()
                    version = seen if version is None else version
                    if seen is not None and seen != version:
                        version = seen
                        deadline = min(time.monotonic() + self.patience_seconds, last)
                    self._pause()
                except OSError as error:
                    raise HistoryUnavailable(f"{self.location}: {error.strerror}") from error
        finally:
            self._lock.release()

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

    def _connected(self) -> sqlite3.Connection:
        if self._connection is not None and self._pid == os.getpid():
            return self._connection
        self._disconnect()
        self._prepare_file()
        connection = sqlite3.connect(
            self.location,
            timeout=0.0,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=32,
        )
        try:
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        self._connection, self._pid = connection, os.getpid()
        key = _read_key(connection)
        self._quick.forget_key()
        if self._quick.key != key:
            self._establish(key, keep=True)
        self._take_in(connection)
        return connection

    # ------------------------------------------------------------------ the short way in

    def _establish(self, key: bytes, *, keep: bool = False) -> None:
        try:
            self._quick.establish(key, keep=keep)
        except OSError:
            pass  # a run takes the long way then

    def _take_in(self, connection: sqlite3.Connection) -> None:
        """Store what runs have left beside the database; ids make a repetition harmless."""
        for name, observations in self._quick.taken():
            self._exchange(connection, [], observations)
            self._quick.stored(name)

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None and self._pid == os.getpid():
            connection.close()
        elif connection is not None:
            _inherited.append(connection)

    def _prepare_file(self) -> None:
        """Make the file if there is none; refuse one that is not this user's alone to write."""
        try:
            status = os.stat(self.location)
        except FileNotFoundError:
            self._begun = self._quick.key  # of runs that came before the database
            os.makedirs(os.path.dirname(self.location), mode=0o700, exist_ok=True)
            os.close(
                os.open(self.location, os.O_CREAT | os.O_RDWR | getattr(os, "O_CLOEXEC", 0), 0o600)
            )
            status = os.stat(self.location)
        self._inode = status.st_dev, status.st_ino
        if hasattr(os, "geteuid"):
            if status.st_uid != os.geteuid():
                raise HistoryRefused(
                    f"{self.location} belongs to another user; use a file of your own"
                )
            if status.st_mode & 0o002:
                raise HistoryRefused(
                    f"{self.location} can be written by everybody; chmod o-w it, or remove it"
                )

    def _prepare(self, connection: sqlite3.Connection) -> None:
        application = connection.execute("PRAGMA application_id").fetchone()[0]
        schema = connection.execute("PRAGMA user_version").fetchone()[0]
        if application != APPLICATION_ID:
            self._create(connection)
            schema = connection.execute("PRAGMA user_version").fetchone()[0]
        if schema > SCHEMA:
            raise HistoryNewer(
                f"{self.location} has schema {schema}, this version of amorsize knows {SCHEMA}: "
                "upgrade amorsize, or name another file"
            )
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute(f"PRAGMA wal_autocheckpoint = {WAL_PAGES}")
        if schema < SCHEMA:
            migrate(connection)

    def _create(self, connection: sqlite3.Connection) -> None:
        if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            if connection.execute("PRAGMA application_id").fetchone()[0] == APPLICATION_ID:
                return  # another process was first
            raise HistoryRefused(
                f"{self.location} is a database of another program; name another file"
            )
        # both act only while the file is empty, and are kept in it
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("BEGIN IMMEDIATE")
        try:
            if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
                key = self._begun or os.urandom(KEY_BYTES)
                for statement in CREATE:
                    connection.execute(statement)
                meta = (("key", key), ("rows", 0), ("numbers", " ".join(NUMBERS)))
                connection.executemany("INSERT INTO meta VALUES (?, ?)", meta)
                connection.execute(f"PRAGMA user_version = {SCHEMA}")
                connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    @contextmanager
    def _transaction(self, connection: sqlite3.Connection) -> Iterator[None]:
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    # ------------------------------------------------------------------ what can go wrong

    def _explained(self, error: sqlite3.Error, code: int) -> HistoryError:
        """The error to raise for one of SQLite's, the connection closed."""
        if code in _WAITING:
            return HistoryUnavailable(
                f"{self.location} has been locked by others for {self.patience_seconds} s"
            )
        if code in _DAMAGED:
            return self._damaged(str(error))
        self._disconnect_quietly()
        if code == sqlite3.SQLITE_FULL:
            return HistoryUnavailable(f"{self.location}: no room on the disk ({error})")
        return HistoryUnavailable(f"{self.location}: {error}")

    def _disconnect_quietly(self) -> None:
        try:
            self._disconnect()
        except sqlite3.Error:
            self._connection = None

    def _damaged(self, what: str) -> HistoryCorrupt:
        """Set the file aside, if it is still the one that was opened, and say so."""
        self._disconnect_quietly()
        first = aside = f"{self.location}.corrupt-{time.strftime('%Y%m%dT%H%M%S')}"
        number = 1
        while os.path.lexists(aside):
            number += 1
            aside = f"{first}-{number}"
        try:
            status = os.stat(self.location)
            if (status.st_dev, status.st_ino) != self._inode:
                return HistoryCorrupt(
                    f"{self.location} was damaged ({what}) and has been replaced", None
                )
            os.rename(self.location, aside)
            for suffix in ("-wal", "-shm"):
                if os.path.lexists(self.location + suffix):
                    os.rename(self.location + suffix, aside + suffix)
        except OSError as error:
            return HistoryCorrupt(
                f"{self.location} is damaged ({what}) and stays: {error.strerror}", None
            )
        return HistoryCorrupt(f"{self.location} was damaged ({what}); it is kept as {aside}", aside)

    def __del__(self) -> None:
        if getattr(self, "_connection", None) is not None:
            self._disconnect_quietly()


def migrate(connection: sqlite3.Connection) -> None:
    """Bring an older file up to SCHEMA, whole or not at all: first what its versions need, then the
    layout of its rows."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        schema = connection.execute("PRAGMA user_version").fetchone()[0]
        for version in range(schema, SCHEMA):
            MIGRATIONS.get(version, _nothing)(connection)
        _lay_out(connection)
        connection.execute(f"PRAGMA user_version = {SCHEMA}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _nothing(connection: sqlite3.Connection) -> None:
    """A version that only changed the fields of a row."""


def _lay_out(connection: sqlite3.Connection) -> None:
    """Rewrite all rows in today's order of fields; new ones get their defaults, old ones go."""
    stored = (
        connection.execute("SELECT value FROM meta WHERE name = 'numbers'").fetchone()[0].split()
    )
    held = {row[1] for row in connection.execute("PRAGMA table_info(observations)")}
    for name, column in zip(TEXTS, COLUMNS, strict=True):
        if column not in held:
            connection.execute(
                f"ALTER TABLE observations ADD COLUMN {column} "
                f"TEXT NOT NULL DEFAULT '{default_text(name)}'"
            )
    connection.create_function("rewritten", 1, relayout(stored, NUMBERS), deterministic=True)
    connection.execute("UPDATE observations SET numbers = rewritten(numbers)")
    connection.execute("UPDATE meta SET value = ? WHERE name = 'numbers'", (" ".join(NUMBERS),))


def _read_key(connection: sqlite3.Connection) -> bytes:
    return bytes(connection.execute("SELECT value FROM meta WHERE name = 'key'").fetchone()[0])


def _count(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT value FROM meta WHERE name = 'rows'").fetchone()[0])


def _shrink(connection: sqlite3.Connection, pages: int | None) -> None:
    """Give free pages back to the file system, at most so many; None is all, and the log's."""
    try:
        if pages is None:
            # as a script, for execute() would take one step of it: one page
            connection.executescript("PRAGMA incremental_vacuum")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        elif connection.execute("PRAGMA freelist_count").fetchone()[0] >= VACUUM_PAGES:
            connection.executescript(f"PRAGMA incremental_vacuum({pages})")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF not in _WAITING:
            raise
        # the change itself is done; a later call shrinks the file


def _unpacked(row: tuple[Any, ...]) -> Observation:
    return unpack(row[0], row[1:])


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


_inherited: list[sqlite3.Connection] = []
"""Connections of a parent that forked past `os.fork`: to close them here would hurt the parent."""
