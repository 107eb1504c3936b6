"""The tables of a journal: what of a run each row holds, written and read in one place."""

from __future__ import annotations

from amorsize.checkpoint.codec import checksum
from amorsize.checkpoint.file_guard import APPLICATION_ID
from amorsize.storage.sqlite_file import Transaction

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence
    from typing import Any

    Row = tuple[bytes, int, int, str | None, str | None, bytes]
    """Name, state, position, label, error as text, value."""

SCHEMA = 2
"""1 knew items by their positions."""
DONE, FAILED, REJECTED = 0, 1, 2
"""States of an item; a rejected one was a bad request, which another try does not mend."""
STATES = (DONE, FAILED, REJECTED)
PART_BYTES = 256 << 20
"""SQLite holds values of up to 1e9 bytes; larger results are cut."""
READ_ITEMS, READ_BYTES = 1_000, 8 << 20
"""A stream reads at most so many results, or bytes of them, ahead from the journal."""

_TABLES = (
    "CREATE TABLE about(name TEXT PRIMARY KEY, value) WITHOUT ROWID",
    "CREATE TABLE results(row INTEGER PRIMARY KEY, name BLOB NOT NULL UNIQUE, state INTEGER, "
    "position INTEGER, label TEXT, error TEXT, checksum INTEGER, value BLOB)",
    "CREATE TABLE parts(name BLOB, part INTEGER, value BLOB, PRIMARY KEY(name, part))",
)
_WRITE = (
    "INSERT INTO results(name, state, position, label, error, checksum, value) "
    "VALUES(?, ?, ?, ?, ?, ?, ?) ON CONFLICT(name) DO UPDATE SET state=excluded.state, "
    "position=excluded.position, label=excluded.label, error=excluded.error, "
    "checksum=excluded.checksum, value=excluded.value WHERE state <> 0"
)
"""A result that is there stays; one of a failed item takes the failure's place."""


def create(connection: sqlite3.Connection, about: dict[str, Any]) -> None:
    """Make the tables in an empty file."""
    with Transaction(connection):
        connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version={SCHEMA}")
        for statement in _TABLES:
            connection.execute(statement)
        connection.executemany("INSERT INTO about VALUES(?, ?)", list(about.items()))


def describe(connection: sqlite3.Connection, about: dict[str, Any]) -> None:
    """Write what the journal is of."""
    with Transaction(connection):
        connection.executemany("INSERT OR REPLACE INTO about VALUES(?, ?)", list(about.items()))


def names(connection: sqlite3.Connection) -> list[tuple[bytes, int, int]]:
    """Name, row and state of all that is held."""
    return connection.execute("SELECT name, row, state FROM results").fetchall()


def write_results(connection: sqlite3.Connection, results: Sequence[Row]) -> None:
    """Write what became of items, all or none."""
    with Transaction(connection):
        connection.executemany(_WRITE, [_row(*row) for row in results if not _is_large(row)])
        for row in results:
            if _is_large(row):
                _write_large(connection, row)


def _is_large(row: Row) -> bool:
    return len(row[5]) > PART_BYTES


def _row(
    name: bytes, state: int, position: int, label: str | None, error: str | None, value: bytes
) -> tuple[Any, ...]:
    first = memoryview(value)[:PART_BYTES]
    return name, state, position, label, error, checksum(name, state, value), first


def _write_large(connection: sqlite3.Connection, row: Row) -> None:
    if connection.execute(_WRITE, _row(*row)).rowcount < 1:
        return  # its result is there
    view = memoryview(row[5])
    parts = enumerate(range(PART_BYTES, len(view), PART_BYTES), 1)
    for part, start in parts:
        connection.execute(
            "INSERT OR REPLACE INTO parts VALUES(?, ?, ?)",
            (row[0], part, view[start : start + PART_BYTES]),
        )


def read_results(
    connection: sqlite3.Connection, wanted: Iterable[int]
) -> list[tuple[bytes, int, str | None, bytes, bool]]:
    """Name, state, error and bytes of the first of these rows, and whether the bytes are whole; as many
    as are read at once."""
    found: list[tuple[bytes, int, str | None, bytes, bool]] = []
    size = 0
    for row in wanted:
        held = connection.execute(
            "SELECT name, state, error, checksum, value FROM results WHERE row=?", (row,)
        ).fetchone()
        if held is None:
            break
        name, state, error, written, value = held
        if len(value) == PART_BYTES:
            rest = connection.execute("SELECT value FROM parts WHERE name=? ORDER BY part", (name,))
            value = b"".join([value, *(part for (part,) in rest)])
        found.append((name, state, error, value, checksum(name, state, value) == written))
        size += len(value)
        if len(found) >= READ_ITEMS or size >= READ_BYTES:
            break
    return found


def remove(connection: sqlite3.Connection, which: Sequence[int]) -> None:
    """Remove rows, all or none."""
    with Transaction(connection):
        for row in which:
            connection.execute(
                "DELETE FROM parts WHERE name=(SELECT name FROM results WHERE row=?)", (row,)
            )
            connection.execute("DELETE FROM results WHERE row=?", (row,))
