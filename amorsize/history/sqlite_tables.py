"""The tables of a SQLite history: their statements, how they are made, and how older ones are brought up.

::

    meta           name, value      the key, how many rows there are, the order of numbers, notes
    observations   seq, id, time, numbers, a column for each text
"""

from __future__ import annotations

import os
import sqlite3

from amorsize.core.observation import NUMBERS, TEXTS
from amorsize.core.observation import SCHEMA as SCHEMA
from amorsize.history.rows import COLUMNS, NAMES, default_text, relayout
from amorsize.storage.sqlite_file import BUSY, Transaction, meaning

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

APPLICATION_ID = 0x616D6F72
"""Number in the file's header that says whose it is: "amor"."""
MAGIC = b"SQLite format 3\0"
"""The first bytes of every SQLite file."""
APPLICATION_ID_AT = 68
"""Where in the header of a SQLite file that number is: four bytes, big-endian."""
VACUUM_PAGES, VACUUM_STEP = 64, 256
"""Free pages (4 KB) from which a call gives some back to the file system, and how many: 1 ms."""

_COLUMNS = ", ".join(f"{column} TEXT NOT NULL" for column in COLUMNS if column != "id")
_CREATE = (
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID",
    f"CREATE TABLE observations (seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, {_COLUMNS}, "
    "time REAL NOT NULL, numbers BLOB NOT NULL)",
    "CREATE INDEX by_function ON observations (fingerprint, seq)",
)
SELECT = f"SELECT numbers, {NAMES} FROM observations"
INSERT = (
    f"INSERT OR IGNORE INTO observations (numbers, time, {NAMES}) "
    f"VALUES (?, ?, {', '.join('?' * len(TEXTS))})"
)
UPDATE = (
    "UPDATE OR IGNORE observations SET numbers = ?, time = ?, "
    f"{', '.join(f'{column} = ?' for column in COLUMNS)} WHERE id = ?"
)
EXPIRE = "DELETE FROM observations WHERE seq IN (SELECT seq FROM observations ORDER BY seq LIMIT ?)"

MIGRATIONS: dict[int, Callable[[sqlite3.Connection], None]] = {}
"""What a version needs beyond `_lay_out` to become the next."""


def application_id(connection: sqlite3.Connection) -> int:
    """Which program's file it is, by its header."""
    return int(connection.execute("PRAGMA application_id").fetchone()[0])


def header_of(path: str) -> bytes:
    """The first bytes of a file, up to the number that says whose it is; b"" if there is no such file."""
    try:
        with open(path, "rb") as file:
            return file.read(APPLICATION_ID_AT + 4)
    except FileNotFoundError:
        return b""


def is_history(header: bytes) -> bool:
    """Whether the first bytes of a file say that it is, or was, a history."""
    return header == MAGIC + header[len(MAGIC) : APPLICATION_ID_AT] + APPLICATION_ID.to_bytes(4)


def schema(connection: sqlite3.Connection) -> int:
    """The version of the tables, by the file's header."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def meta(connection: sqlite3.Connection, name: str) -> bytes | str | int | None:
    """A value of the table meta, None if there is none."""
    row = connection.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
    return None if row is None else row[0]


def set_meta(connection: sqlite3.Connection, name: str, value: bytes | str | int) -> None:
    """Write a value of the table meta."""
    connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))


def read_key(connection: sqlite3.Connection) -> bytes:
    """The history's key."""
    return bytes(meta(connection, "key"))  # type: ignore[arg-type]


def noted_rows(connection: sqlite3.Connection) -> int:
    """How many observations there are, as noted when they came and went."""
    return int(meta(connection, "rows"))  # type: ignore[arg-type]


def count_rows(connection: sqlite3.Connection) -> int:
    """How many observations there are, counted."""
    return int(connection.execute("SELECT count(*) FROM observations").fetchone()[0])


def create(connection: sqlite3.Connection, key: bytes) -> None:
    """Make the tables in an empty file, unless another process is first."""
    # both act only while the file is empty, and are kept in it
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    connection.execute("PRAGMA journal_mode = WAL")
    with Transaction(connection):
        if application_id(connection) == APPLICATION_ID:
            return
        for statement in _CREATE:
            connection.execute(statement)
        for name, value in (("key", key), ("rows", 0), ("numbers", " ".join(NUMBERS))):
            set_meta(connection, name, value)
        connection.execute(f"PRAGMA user_version = {SCHEMA}")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")


def migrate(connection: sqlite3.Connection) -> None:
    """Bring an older file up to SCHEMA, whole or not at all: first what its versions need, then the
    layout of its rows."""
    with Transaction(connection):
        for version in range(schema(connection), SCHEMA):
            if version in MIGRATIONS:
                MIGRATIONS[version](connection)
        _lay_out(connection)
        connection.execute(f"PRAGMA user_version = {SCHEMA}")


def _lay_out(connection: sqlite3.Connection) -> None:
    """Rewrite all rows in today's order of fields; new ones get their defaults, old ones go."""
    stored = str(meta(connection, "numbers")).split()
    held = {row[1] for row in connection.execute("PRAGMA table_info(observations)")}
    for name, column in zip(TEXTS, COLUMNS, strict=True):
        if column not in held:
            connection.execute(
                f"ALTER TABLE observations ADD COLUMN {column} "
                f"TEXT NOT NULL DEFAULT '{default_text(name)}'"
            )
    connection.create_function("rewritten", 1, relayout(stored, NUMBERS), deterministic=True)
    connection.execute("UPDATE observations SET numbers = rewritten(numbers)")
    set_meta(connection, "numbers", " ".join(NUMBERS))


def shrink(connection: sqlite3.Connection, pages: int | None) -> None:
    """Give free pages back to the file system, at most so many; None is all, and the log's."""
    try:
        if pages is None:
            # as a script, for execute() would take one step of it: one page
            connection.executescript("PRAGMA incremental_vacuum")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        elif connection.execute("PRAGMA freelist_count").fetchone()[0] >= VACUUM_PAGES:
            connection.executescript(f"PRAGMA incremental_vacuum({pages})")
    except sqlite3.OperationalError as error:
        if meaning(error) != BUSY:
            raise
        # the change itself is done; a later call shrinks the file


def size_bytes(path: str) -> int:
    """Bytes of the database and of its write-ahead log."""
    total = 0
    for name in (path, path + "-wal"):
        try:
            total += os.stat(name).st_size
        except OSError:
            pass
    return total
