"""One SQLite file with one connection for each process, used in turns under a lock.

The connection opens when it is first needed and is closed before every fork: SQLite's locks belong
to a process. Waiting for another process is left to the user of this class, as SQLite's own waits
grow to 100 ms.
"""

from __future__ import annotations

import os
import sqlite3
from _thread import allocate_lock

from amorsize.storage.fork_guard import ForkGuarded, watch

BUSY, DAMAGED, FULL, UNEXPECTED, OTHER = "busy", "damaged", "full", "unexpected", "other"
"""What an error means: another connection has the file; its bytes are no database; the disk is full;
its tables or values are not what was written; none of these."""
_MEANING = {
    sqlite3.SQLITE_BUSY: BUSY,
    sqlite3.SQLITE_LOCKED: BUSY,
    sqlite3.SQLITE_CORRUPT: DAMAGED,
    sqlite3.SQLITE_NOTADB: DAMAGED,
    sqlite3.SQLITE_FULL: FULL,
    sqlite3.SQLITE_ERROR: UNEXPECTED,
    sqlite3.SQLITE_MISMATCH: UNEXPECTED,
}


def meaning(error: Exception) -> str:
    """Which of the meanings above an error of SQLite's has."""
    return _MEANING.get(getattr(error, "sqlite_errorcode", -1) & 0xFF, OTHER)


class Transaction:
    """All or nothing, whatever raises in between; other writers wait from its beginning."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection

    def __enter__(self) -> None:
        self.connection.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            if kind is None:
                self.connection.execute("COMMIT")
        finally:
            if self.connection.in_transaction:
                try:
                    self.connection.execute("ROLLBACK")
                except sqlite3.Error:  # SQLite has rolled back already
                    pass


class SqliteFile(ForkGuarded):
    """The connection to the file at ``path``; subclasses say what is done with it."""

    def __init__(self, path: str) -> None:
        self.path = os.path.abspath(path)
        self._lock = allocate_lock()
        self._connection: sqlite3.Connection | None = None
        self._pid = os.getpid()
        watch(self)

    def _check_files(self) -> None:
        """Before each connection: make the files, or refuse what another user could have written."""
        raise NotImplementedError

    def _set_up(self, connection: sqlite3.Connection) -> None:
        """After each connection: its settings, and the tables if the file is new."""
        raise NotImplementedError

    def _connected(self) -> sqlite3.Connection:
        """The connection of this process. Called under the lock."""
        if self._connection is not None and self._pid == os.getpid():
            return self._connection
        self._disconnect()
        self._check_files()
        connection = sqlite3.connect(
            self.path,
            timeout=0.0,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=32,
        )
        try:
            self._set_up(connection)
        except BaseException:
            connection.close()
            raise
        self._connection, self._pid = connection, os.getpid()
        return connection

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None and self._pid != os.getpid():
            _inherited.append(connection)
        elif connection is not None:
            try:
                connection.close()
            except sqlite3.Error:  # a full disk: the write-ahead log stays, and holds everything
                pass


_inherited: list[sqlite3.Connection] = []
"""Connections of a parent that forked past `os.fork`: to close them here would hurt the parent."""
