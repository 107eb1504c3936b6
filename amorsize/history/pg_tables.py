"""The tables of a history on a PostgreSQL server: statements, and how the tables are made or changed.

::

    amorsize_meta           name, value      the key, the schema, how many rows, notes, layouts
    amorsize_observations   seq, id, layout, time, numbers, a column for each text

Several versions of amorsize may use one database at once: tables only ever gain columns, with
defaults, and each row says in which layout its numbers are. Writers take turns by a lock on one row
of ``amorsize_meta``, held for the time that the server needs for one transaction.
"""

from __future__ import annotations

import os
from contextlib import contextmanager

from amorsize.core.observation import NUMBERS, TEXTS, pack, texts
from amorsize.core.observation import SCHEMA as SCHEMA
from amorsize.core.places import KEY_BYTES
from amorsize.history.base import BATCH
from amorsize.history.errors import HistoryError
from amorsize.history.rows import COLUMNS, NAMES, default_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import TypeVar

    from amorsize.core.observation import Observation
    from amorsize.history.pg_connection import PgConnection, Rows, Value

    Kind = TypeVar("Kind")

MAKING, UPKEEP = 0x616D6F72, 0x616D6F73
"""First halves of the advisory locks: making or changing the tables; pruning. The second half names the
schema and the table: one database may hold several histories."""

UPKEEP_LOCK = f"{UPKEEP}, hashtext('amorsize_meta'::regclass::oid::text)"

_TEXT_COLUMNS = ", ".join(
    f"{column} text NOT NULL DEFAULT '{default_text(name)}'"
    for name, column in zip(TEXTS, COLUMNS, strict=True)
    if name != "id"
)
CREATE = (
    "CREATE TABLE IF NOT EXISTS amorsize_meta (name text PRIMARY KEY, value text NOT NULL)",
    "CREATE TABLE IF NOT EXISTS amorsize_observations ("
    "seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, id text NOT NULL UNIQUE, "
    f"layout integer NOT NULL, time double precision NOT NULL, numbers bytea NOT NULL, {_TEXT_COLUMNS})",
    "CREATE INDEX IF NOT EXISTS amorsize_by_function ON amorsize_observations (fingerprint, seq)",
)
_META = (
    "SELECT name, value FROM amorsize_meta WHERE name IN ('schema', 'key') OR name LIKE 'numbers:%'"
)
_KEEP = "INSERT INTO amorsize_meta VALUES ($1::text, $2::text) ON CONFLICT (name) DO NOTHING"
SET = (
    "INSERT INTO amorsize_meta VALUES ($1::text, $2::text) "
    "ON CONFLICT (name) DO UPDATE SET value = excluded.value"
)
LOCK = "SELECT value FROM amorsize_meta WHERE name = 'rows' FOR UPDATE"
COUNTED = "UPDATE amorsize_meta SET value = (value::bigint + {}(SELECT count(*) FROM {}))::text "
EXPIRE = (
    "WITH gone AS (DELETE FROM amorsize_observations WHERE seq IN (SELECT seq FROM "
    "amorsize_observations ORDER BY seq LIMIT greatest(0, (SELECT value::bigint FROM amorsize_meta "
    "WHERE name = 'rows') - $1::bigint)) RETURNING 1) "
    f"{COUNTED.format('-', 'gone')} WHERE name = 'rows' AND EXISTS (SELECT 1 FROM gone)"
)
REMOVE = (
    "WITH gone AS (DELETE FROM amorsize_observations WHERE id = ANY ($1::text[]) RETURNING 1) "
    f"{COUNTED.format('-', 'gone')} WHERE name = 'rows' RETURNING (SELECT count(*) FROM gone)::text"
)
SELECT = f"SELECT layout::text, numbers, {NAMES} FROM amorsize_observations"
_ROW_TYPES = ("integer", "bytea", "double precision", *["text"] * len(TEXTS))
_ROW_NAMES = f"layout, numbers, time, {NAMES}"


@contextmanager
def transaction(connection: PgConnection, begin: str = "BEGIN") -> Iterator[None]:
    """All or nothing; the connection outlives a HistoryError."""
    connection.run(begin)
    try:
        yield
    except HistoryError:
        connection.run("ROLLBACK")
        raise  # after any other error the connection is closed, and with it the transaction
    connection.run("COMMIT")


def make(connection: PgConnection) -> dict[str, str]:
    """Make what there is not, one process at a time; nothing is ever taken away or changed."""
    with transaction(connection):
        connection.run(f"SELECT pg_advisory_xact_lock({MAKING}, hashtext(current_schema()))")
        for statement in CREATE:
            connection.run(statement)
        for name, column in zip(TEXTS, COLUMNS, strict=True):
            if name != "id":
                connection.run(
                    f"ALTER TABLE amorsize_observations ADD COLUMN IF NOT EXISTS {column} "
                    f"text NOT NULL DEFAULT '{default_text(name)}'"
                )
        for name, value in (
            ("key", os.urandom(KEY_BYTES).hex()),
            ("rows", "0"),
            ("schema", str(SCHEMA)),
            (f"numbers:{SCHEMA}", " ".join(NUMBERS)),
        ):
            connection.run(_KEEP, (name, value))
        connection.run(
            "UPDATE amorsize_meta SET value = $1::text "
            "WHERE name = 'schema' AND value::integer < $1::text::integer",
            (str(SCHEMA),),
        )
        return meta(connection)


def batches(many: Sequence[Kind]) -> Iterator[Sequence[Kind]]:
    """What one statement takes at a time."""
    for start in range(0, len(many), BATCH):
        yield many[start : start + BATCH]


def _values(rows: Sequence[Observation]) -> tuple[str, list[Value]]:
    """Rows as a list of VALUES, and what they hold. A server gets no name of a function."""
    width, lines = len(_ROW_TYPES), []
    values: list[Value] = []
    for number, one in enumerate(rows):
        places = range(number * width + 1, (number + 1) * width + 1)
        casts = [f"${place}::{kind}" for place, kind in zip(places, _ROW_TYPES, strict=True)]
        lines.append(f"({', '.join(casts)})")
        words = [
            word if name != "name" else "" for name, word in zip(TEXTS, texts(one), strict=True)
        ]
        values += (SCHEMA, pack(one), repr(float(one.time)), *words)
    return ", ".join(lines), values


def insertions(fresh: Sequence[Observation]) -> list[tuple[str, Sequence[Value]]]:
    """Statements that store what is new, and answer how many were."""
    found: list[tuple[str, Sequence[Value]]] = []
    for part in batches(fresh):
        lines, values = _values(part)
        found.append(
            (
                f"WITH came AS (INSERT INTO amorsize_observations ({_ROW_NAMES}) VALUES {lines} "
                f"ON CONFLICT (id) DO NOTHING RETURNING 1) {COUNTED.format('', 'came')} "
                "WHERE name = 'rows' RETURNING (SELECT count(*) FROM came)::text",
                values,
            )
        )
    return found


def renewal(part: Sequence[Observation]) -> tuple[str, Sequence[Value]]:
    """A statement that puts observations in the place of those with their ids."""
    lines, values = _values(part)
    changes = ", ".join(f"{name} = new.{name}" for name in _ROW_NAMES.split(", ") if name != "id")
    return (
        f"UPDATE amorsize_observations AS old SET {changes} FROM (VALUES {lines}) "
        f"AS new ({_ROW_NAMES}) WHERE old.id = new.id RETURNING old.seq",
        values,
    )


def array(names: Iterable[str]) -> str:
    """Texts as PostgreSQL writes an array of them."""
    quoted = [name.replace("\\", "\\\\").replace('"', '\\"') for name in names]
    return "{" + ",".join([f'"{name}"' for name in quoted]) + "}"


def meta(connection: PgConnection) -> dict[str, str]:
    """The schema, the key and the layouts of numbers."""
    return {text(name): text(value) for name, value in connection.run(_META)}


def text(value: bytes | None) -> str:
    """A value of the server's as text."""
    return (value or b"").decode()


def number(rows: Rows) -> int:
    """The one number of an answer."""
    return int(text(rows[0][0]))
