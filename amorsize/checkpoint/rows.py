"""The tables of a journal: what of a run each row holds, written and read in one place."""

from __future__ import annotations

from amorsize.checkpoint.codec import checksum
from amorsize.checkpoint.file_guard import APPLICATION_ID
from amorsize.storage.sqlite_file import Transaction

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable
    from typing import Any

SCHEMA = 1
PART_BYTES = 256 << 20
"""SQLite holds values of up to 1e9 bytes; larger results are cut."""
READ_ITEMS, READ_BYTES = 1_000, 8 << 20
"""A stream reads at most so many results, or bytes of them, ahead from the journal."""

_TABLES = (
    "CREATE TABLE about(name TEXT PRIMARY KEY, value) WITHOUT ROWID",
    "CREATE TABLE results(item INTEGER PRIMARY KEY, digest BLOB, checksum INTEGER, value BLOB)",
    "CREATE TABLE parts(item INTEGER, part INTEGER, value BLOB, PRIMARY KEY(item, part))",
    "CREATE TABLE samples(item INTEGER PRIMARY KEY, digest BLOB)",
)


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


def keep_samples(connection: sqlite3.Connection, samples: dict[int, bytes]) -> None:
    """Write digests of items, in the place of earlier ones."""
    with Transaction(connection):
        connection.execute("DELETE FROM samples")
        connection.executemany("INSERT INTO samples VALUES(?, ?)", list(samples.items()))


def write_results(
    connection: sqlite3.Connection, results: Iterable[tuple[int, bytes, bytes]]
) -> None:
    """Write position, digest and bytes of results, all or none."""
    with Transaction(connection):
        connection.executemany(
            "INSERT OR REPLACE INTO results VALUES(?, ?, ?, ?)",
            [
                (item, digest, checksum(item, value), memoryview(value)[:PART_BYTES])
                for item, digest, value in results
            ],
        )
        for item, _, value in results:
            for part, start in enumerate(range(PART_BYTES, len(value), PART_BYTES), 1):
                connection.execute(
                    "INSERT OR REPLACE INTO parts VALUES(?, ?, ?)",
                    (item, part, memoryview(value)[start : start + PART_BYTES]),
                )


def read_results(connection: sqlite3.Connection, after: int) -> list[tuple[int, bytes, bool]]:
    """The next results behind position ``after``: position, bytes, and whether these are whole."""
    found: list[tuple[int, bytes, bool]] = []
    size = 0
    for item, written, value in connection.execute(
        "SELECT item, checksum, value FROM results WHERE item > ? ORDER BY item", (after,)
    ):
        if len(value) == PART_BYTES:
            rest = connection.execute("SELECT value FROM parts WHERE item=? ORDER BY part", (item,))
            value = b"".join([value, *(part for (part,) in rest)])
        found.append((item, value, checksum(item, value) == written))
        size += len(value)
        if len(found) >= READ_ITEMS or size >= READ_BYTES:
            break
    return found
