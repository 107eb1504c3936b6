"""The tables of a journal: what of a run each row holds, written and read in one place."""

from __future__ import annotations

from amorsize.checkpoint.codec import checksum
from amorsize.checkpoint.file_guard import APPLICATION_ID
from amorsize.checkpoint.names import label_of
from amorsize.storage.sqlite_file import Transaction

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence
    from typing import Any

    Row = tuple[bytes, int, int, Any, str | None, bytes]
    """Name, state, position, key or short item, error as text, value."""

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
    "CREATE TABLE results(row INTEGER PRIMARY KEY, name BLOB NOT NULL, state INTEGER, "
    "position INTEGER, label TEXT, error TEXT, checksum INTEGER, value BLOB)",
    "CREATE TABLE parts(name BLOB, part INTEGER, value BLOB, PRIMARY KEY(name, part))",
)
_WRITE = "INSERT INTO results(name, state, position, label, error, checksum, value) VALUES"
_WRITTEN = "(?, ?, ?, ?, ?, ?, ?)"
WRITE_ITEMS = 100
"""Rows of a statement: each row of its own takes twice as long (benchmarks.robustness.checkpoints write).
Names have no index, which would be written anew in each transaction: those that are there are read once,
when the file is opened, and each is written once."""


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


def write_results(
    connection: sqlite3.Connection, results: Sequence[Row], replaced: Sequence[int] = ()
) -> None:
    """Write what became of items in the place of the rows ``replaced``, all or none."""
    with Transaction(connection):
        _delete(connection, replaced)
        for start in range(0, len(results), WRITE_ITEMS):
            values: list[Any] = []
            some = results[start : start + WRITE_ITEMS]
            for name, state, position, key, error, value in some:
                first = value
                if len(value) > PART_BYTES:
                    first = value[:PART_BYTES]
                    _write_rest(connection, name, value)
                label, proof = label_of(key), checksum(name, state, value)
                values += (name, state, position, label, error, proof, first)
            connection.execute(_WRITE + ",".join([_WRITTEN] * len(some)), values)


def _write_rest(connection: sqlite3.Connection, name: bytes, value: bytes) -> None:
    view = memoryview(value)
    for part, start in enumerate(range(PART_BYTES, len(view), PART_BYTES), 1):
        connection.execute(
            "INSERT OR REPLACE INTO parts VALUES(?, ?, ?)",
            (name, part, view[start : start + PART_BYTES]),
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
        _delete(connection, which)


def _delete(connection: sqlite3.Connection, which: Sequence[int]) -> None:
    for row in which:
        connection.execute(
            "DELETE FROM parts WHERE name=(SELECT name FROM results WHERE row=?)", (row,)
        )
        connection.execute("DELETE FROM results WHERE row=?", (row,))
