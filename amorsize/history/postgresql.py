"""A history that machines share: two tables in a PostgreSQL database.

::

    amorsize_meta           name, value      the key, the schema, how many rows, notes, layouts
    amorsize_observations   seq, id, layout, time, numbers, a column for each text

Several versions of amorsize may use one database at once: tables only ever gain columns, with
defaults, and each row says in which layout its numbers are. A process that finds a newer schema does
not use the history. Writers take turns by a lock on one row of ``amorsize_meta``, held for the time
that the server needs for one transaction; readers wait for nobody.

A process has one connection, used in turns under a lock, closed before every fork. Every wait has a
limit (`pglink`); a connection that has been lost is made again, which is safe since an observation has
an id and is stored once. A commit does not wait for the server's disk (``synchronous_commit=off``):
when the server's machine dies, the runs of its last half second are forgotten, no others.
"""

from __future__ import annotations

import os
import struct
import time
from _thread import allocate_lock
from contextlib import contextmanager

from amorsize.core.frozen import replace
from amorsize.core.observation import NUMBERS, SCHEMA, TEXTS, pack, texts, unpack, validate
from amorsize.history.base import BATCH, KEY_BYTES, MAX_ROWS, History, Table, new_id
from amorsize.history.errors import (
    HistoryChanged,
    HistoryCorrupt,
    HistoryError,
    HistoryNewer,
    HistoryRefused,
    HistoryUnavailable,
)
from amorsize.history.fork_guard import watch
from amorsize.history.location import shown
from amorsize.history.pg_connection import Link, ServerError, TooSlow
from amorsize.history.rows import COLUMNS, NAMES, default_text, problems_of, relayout, table_of
from amorsize.history.summary import Stats

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Any, TypeVar

    from amorsize.core.observation import Observation
    from amorsize.history.pg_connection import Rows, Value

    Answer = TypeVar("Answer")

RUN_SECONDS = 0.1
"""What a run waits for one call, connecting included. A run makes two (three where it asks for
neighbours), and after the first that fails no more: a server that hangs costs it this once."""
OPENING_SECONDS, LEAST_SECONDS = 0.2, 0.04
"""Import of psycopg (0.06 to 0.2 s) and first connection together, and the least that is left for the
connection, which takes 8 ms on a busy machine."""
PATIENCE_SECONDS = 30.0
"""What others, such as ``amorsize history``, wait for one call."""
RETRY_SECONDS, PAUSE_SECONDS = 5.0, 0.05
"""For so long they try again while the server starts or fails over, and the pause between tries."""
STATEMENT_SHARE = 0.8
"""Of the patience, after which the server itself gives a statement up: it says so in time, and does
not work on for somebody who has gone."""
IDLE_SECONDS = 60
"""A run's idle connection is given up by the server: of a large fleet few hold one. The next call
connects again."""
MAKING, UPKEEP = 0x616D6F72, 0x616D6F73
"""First halves of the advisory locks: making or changing the tables; pruning. The second half names the
schema and the table, for others in the database use amorsize too."""

_UPKEEP_LOCK = f"{UPKEEP}, hashtext('amorsize_meta'::regclass::oid::text)"

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
_SET = (
    "INSERT INTO amorsize_meta VALUES ($1::text, $2::text) "
    "ON CONFLICT (name) DO UPDATE SET value = excluded.value"
)
_LOCK = "SELECT value FROM amorsize_meta WHERE name = 'rows' FOR UPDATE"
_COUNTED = "UPDATE amorsize_meta SET value = (value::bigint + {}(SELECT count(*) FROM {}))::text "
_BOUND = (
    "WITH gone AS (DELETE FROM amorsize_observations WHERE seq IN (SELECT seq FROM "
    "amorsize_observations ORDER BY seq LIMIT greatest(0, (SELECT value::bigint FROM amorsize_meta "
    "WHERE name = 'rows') - $1::bigint)) RETURNING 1) "
    f"{_COUNTED.format('-', 'gone')} WHERE name = 'rows' AND EXISTS (SELECT 1 FROM gone)"
)
_REMOVE = (
    "WITH gone AS (DELETE FROM amorsize_observations WHERE id = ANY ($1::text[]) RETURNING 1) "
    f"{_COUNTED.format('-', 'gone')} WHERE name = 'rows' RETURNING (SELECT count(*) FROM gone)::text"
)
_SELECT = f"SELECT layout::text, numbers, {NAMES} FROM amorsize_observations"
_ROW_TYPES = ("integer", "bytea", "double precision", *["text"] * len(TEXTS))
_ROW_NAMES = f"layout, numbers, time, {NAMES}"


class PostgresHistory(History):
    """Observations in a PostgreSQL database (version 14 or newer), by psycopg 3.

    Parameters
    ----------
    url : ``postgresql://user@host:port/database?...`` as libpq reads it: several hosts, ``sslmode`` and
        so on; what it does not say comes from libpq's environment, password file and defaults
    max_rows : bound on observations
    patience_seconds : longest wait in one call
    for_run : a run asks: fail at once rather than try again, and let idle connections go

    ``location`` is the URL without user, password and parameters.
    """

    def __init__(
        self,
        url: str,
        *,
        max_rows: int = MAX_ROWS,
        patience_seconds: float | None = None,
        for_run: bool = False,
    ) -> None:
        if max_rows < 1:
            raise ValueError(f"max_rows={max_rows}: at least 1")
        if patience_seconds is None:
            patience_seconds = RUN_SECONDS if for_run else PATIENCE_SECONDS
        self.location, self.max_rows, self.patience_seconds = shown(url), max_rows, patience_seconds
        self._for_run = for_run
        self._parts = _parts(url, self.location)
        self._lock = allocate_lock()
        self._link: Link | None = None
        self._key: bytes | None = None
        self._layouts: dict[int, Callable[[bytes], bytes]] = {}
        self._has_upkeep = False
        watch(self)

    def __repr__(self) -> str:
        return f"PostgresHistory({self.location!r})"

    # ------------------------------------------------------------------ the contract

    @property
    def key(self) -> bytes:
        if self._key is None:
            self._run(lambda link: None)
        assert self._key is not None  # read with every connection
        return self._key

    def adopt_key(self, key: bytes) -> bool:
        def act(link: Link) -> bytes:
            with _transaction(link):
                if _number(link.run(_LOCK)) == 0:
                    link.run(_SET, ("key", key.hex()))
                return bytes.fromhex(
                    _text(link.run("SELECT value FROM amorsize_meta WHERE name = 'key'")[0][0])
                )

        self._key = self._run(act)
        return self._key == key

    def add(self, observations: Iterable[Observation]) -> int:
        fresh = _checked(observations)
        if not fresh:
            return 0
        statements = [(_LOCK, ()), *_insertions(fresh), (_BOUND, (self.max_rows,))]
        answers = self._run(lambda link: link.run_all(statements))
        return sum([_number(rows) for rows in answers[1:-1]])

    def replace(
        self,
        remove: Iterable[str],
        observations: Iterable[Observation],
        *,
        strict: bool = False,
    ) -> tuple[int, int]:
        fresh = _checked(observations)
        ids = list(dict.fromkeys(remove))
        if not ids:
            return 0, self.add(fresh)
        return self._run(lambda link: self._exchange(link, ids, fresh, strict))

    def _exchange(
        self, link: Link, remove: list[str], fresh: list[Observation], strict: bool
    ) -> tuple[int, int]:
        """Remove and add in one transaction, and keep the bound."""
        ids = set(remove)
        renewed = {one.id: one for one in fresh if one.id in ids}
        leaving = [id for id in remove if id not in renewed]
        with _transaction(link):
            link.run(_LOCK)
            in_place = gone = came = 0
            for part in _batches(list(renewed.values())):
                in_place += len(link.run(*_renewal(part)))
            for names in _batches(leaving):
                gone += _number(link.run(_REMOVE, (_array(names),)))
            gone += in_place
            if strict and gone < len(ids):
                raise HistoryChanged(
                    f"{self.location}: {len(ids) - gone} of the rows to be removed are gone"
                )
            for statement, values in _insertions(fresh):
                came += _number(link.run(statement, values))
            link.run(_BOUND, (self.max_rows,))
        return gone, came + in_place

    def recent(self, fingerprint: str, limit: int = 32) -> list[Observation]:
        query = f"{_SELECT} WHERE fingerprint = $1::text ORDER BY seq DESC LIMIT $2::bigint"
        rows = self._run(lambda link: self._read(link.run(query, (fingerprint, limit))))
        return [unpack(row[0], tuple(row[1:])) for row in rows]

    def table(self, limit: int | None = None) -> Table:
        query = f"{_SELECT} ORDER BY seq DESC LIMIT $1::bigint"
        rows = self._run(lambda link: self._read(link.run(query, (limit,))))
        rows.reverse()
        table = table_of(rows)
        if table is None:
            raise HistoryCorrupt(
                f"{self.location}: a row of numbers has the wrong length; "
                "`amorsize history check` names it",
                None,
            )
        return table

    def clear(self, fingerprint: str | None = None) -> int:
        def act(link: Link) -> int:
            where, values = (
                ("", ())
                if fingerprint is None
                else ("WHERE fingerprint = $1::text", (fingerprint,))
            )
            with _transaction(link):
                link.run(_LOCK)
                gone = link.run(
                    f"WITH gone AS (DELETE FROM amorsize_observations {where} RETURNING 1) "
                    f"{_COUNTED.format('-', 'gone')} WHERE name = 'rows' "
                    "RETURNING (SELECT count(*) FROM gone)::text",
                    values,
                )
            return _number(gone)

        return self._run(act)

    def note(self, name: str) -> str | None:
        query = "SELECT value FROM amorsize_meta WHERE name = $1::text"
        rows = self._run(lambda link: link.run(query, (f"note:{name}",)))
        return _text(rows[0][0]) if rows else None

    def set_note(self, name: str, text: str) -> None:
        self._run(lambda link: link.run(_SET, (f"note:{name}", text)))

    def check(self) -> list[str]:
        def act(link: Link) -> list[str]:
            with _transaction(link, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"):
                noted = _number(link.run("SELECT value FROM amorsize_meta WHERE name = 'rows'"))
                found = link.run(
                    f"SELECT time::text, layout::text, numbers, {NAMES} FROM amorsize_observations"
                )
            rows, problems = [], []
            for time_text, *row in found:
                try:
                    rows.append((float(_text(time_text)), *self._read([tuple(row)])[0]))
                except (struct.error, HistoryCorrupt):
                    name = _text(row[2 + TEXTS.index("id")])[:32]
                    problems.append(f"observation {name}: its numbers are not of its layout")
            return problems + problems_of(
                rows, counted=len(found), noted=noted, max_rows=self.max_rows, key=self._key or b""
            )

        return self._run(act)

    def stats(self) -> Stats:
        query = (
            "SELECT count(*)::text, count(DISTINCT fingerprint)::text, min(time)::text, "
            "max(time)::text, (pg_total_relation_size('amorsize_observations') + "
            "pg_total_relation_size('amorsize_meta'))::text FROM amorsize_observations"
        )
        row = self._run(lambda link: link.run(query))[0]
        rows, functions, size = [int(_text(row[place])) for place in (0, 1, 4)]
        oldest, newest = [None if one is None else float(one) for one in row[2:4]]
        return Stats(self.location, rows, functions, self.max_rows, size, oldest, newest)

    def begin_upkeep(self) -> bool:
        query = f"SELECT pg_try_advisory_lock({_UPKEEP_LOCK})::int::text"
        self._has_upkeep = bool(self._run(lambda link: _number(link.run(query))))
        return self._has_upkeep

    def end_upkeep(self) -> None:
        if self._has_upkeep:  # else the connection was lost, and the lock with it
            query = f"SELECT pg_advisory_unlock({_UPKEEP_LOCK})"
            self._run(lambda link: link.run(query))
            self._has_upkeep = False

    def open(self, spent_seconds: float = 0.0) -> None:
        """Connect now, to see what is wrong with it; a run that has spent some time on imports already
        waits the less."""
        patience_seconds = self.patience_seconds
        if self._for_run:
            left = max(LEAST_SECONDS, OPENING_SECONDS - spent_seconds)
            patience_seconds = min(patience_seconds, left)
        self._run(lambda link: None, patience_seconds)

    def close(self) -> None:
        with self._lock:
            self._disconnect_quietly()

    # ------------------------------------------------------------------ one connection, in turns

    def _run(self, act: Callable[[Link], Answer], patience_seconds: float | None = None) -> Answer:
        """What ``act`` answers, within the patience. A lost connection is made again: once if it was an
        old one, and by those who are not in a run for some seconds."""
        start = time.monotonic()
        if patience_seconds is None:
            patience_seconds = self.patience_seconds
        deadline = start + patience_seconds
        again_until = 0.0 if self._for_run else start + min(RETRY_SECONDS, self.patience_seconds)
        if not self._lock.acquire(timeout=patience_seconds):
            raise HistoryUnavailable(
                f"{self.location} is in use by another thread; try again later"
            )
        try:
            while True:
                was_old = self._link is not None
                held_upkeep = self._has_upkeep
                try:
                    link = self._connected(deadline)
                    link.deadline = deadline
                    return act(link)
                except ServerError as error:
                    self._disconnect_quietly()
                    late = time.monotonic() >= deadline
                    if not error.is_lost or isinstance(error, TooSlow) or late or held_upkeep:
                        raise self._explained(error) from None
                    if not was_old:
                        if time.monotonic() >= again_until:
                            raise self._explained(error) from None
                        time.sleep(PAUSE_SECONDS)
                except HistoryError:
                    raise  # the transaction has been rolled back
                except BaseException:
                    self._disconnect_quietly()
                    raise
        finally:
            self._lock.release()

    def _connected(self, deadline: float) -> Link:
        if self._link is not None and self._link.pid == os.getpid():
            return self._link
        self._disconnect_quietly()
        if not self._for_run:
            deadline = min(deadline, time.monotonic() + RETRY_SECONDS)
        link = Link(self._parts, deadline, self._settings())
        try:
            self._prepare(link)
        except BaseException:
            link.close()
            raise
        self._link = link
        return link

    def _settings(self) -> str:
        milliseconds = max(1, int(1000 * STATEMENT_SHARE * self.patience_seconds))
        idle = f"{IDLE_SECONDS}s" if self._for_run else "0"
        return (
            f"-c statement_timeout={milliseconds} -c lock_timeout={milliseconds} "
            f"-c idle_session_timeout={idle} -c synchronous_commit=off "
            f"-c idle_in_transaction_session_timeout={IDLE_SECONDS}s"
        )

    def _disconnect_quietly(self) -> None:
        link, self._link, self._has_upkeep = self._link, None, False
        if link is not None and link.pid == os.getpid():
            link.close()
        elif link is not None:
            _inherited.append(link)

    # ------------------------------------------------------------------ the tables

    def _prepare(self, link: Link) -> None:
        """Make or change the tables if need be; read the key."""
        try:
            meta = _meta(link)
        except ServerError as error:
            if error.code != "42P01":  # no such table
                raise
            meta = self._make(link)
        schema = int(meta.get("schema", "0"))
        if schema < SCHEMA:
            meta = self._make(link)
            schema = int(meta["schema"])
        if schema > SCHEMA:
            raise HistoryNewer(
                f"{self.location} has schema {schema}, this version of amorsize knows {SCHEMA}: "
                "upgrade amorsize, or name another history"
            )
        self._key = bytes.fromhex(meta["key"])
        self._layouts = {
            int(name.partition(":")[2]): relayout(names.split(), NUMBERS)
            for name, names in meta.items()
            if name.startswith("numbers:") and name != f"numbers:{SCHEMA}"
        }

    def _make(self, link: Link) -> dict[str, str]:
        """Make what there is not, one process at a time; nothing is ever taken away or changed."""
        with _transaction(link):
            link.run(f"SELECT pg_advisory_xact_lock({MAKING}, hashtext(current_schema()))")
            for statement in CREATE:
                link.run(statement)
            for name, column in zip(TEXTS, COLUMNS, strict=True):
                if name != "id":
                    link.run(
                        f"ALTER TABLE amorsize_observations ADD COLUMN IF NOT EXISTS {column} "
                        f"text NOT NULL DEFAULT '{default_text(name)}'"
                    )
            for name, value in (
                ("key", os.urandom(KEY_BYTES).hex()),
                ("rows", "0"),
                ("schema", str(SCHEMA)),
                (f"numbers:{SCHEMA}", " ".join(NUMBERS)),
            ):
                link.run(_KEEP, (name, value))
            link.run(
                "UPDATE amorsize_meta SET value = $1::text "
                "WHERE name = 'schema' AND value::integer < $1::text::integer",
                (str(SCHEMA),),
            )
            return _meta(link)

    def _read(self, rows: Rows) -> list[tuple[Any, ...]]:
        """(numbers, \\*texts) of each row, the numbers in today's layout."""
        found: list[tuple[Any, ...]] = []
        today = str(SCHEMA).encode()
        for layout, numbers, *words in rows:
            if layout != today:
                numbers = self._converted(int(layout or b"0"), numbers or b"")
            found.append((numbers, *[(word or b"").decode() for word in words]))
        return found

    def _converted(self, layout: int, numbers: bytes) -> bytes:
        if layout > SCHEMA:
            raise HistoryNewer(
                f"{self.location} is now written by a newer version of amorsize: upgrade amorsize"
            )
        try:
            return self._layouts[layout](numbers)
        except KeyError:
            raise HistoryCorrupt(f"{self.location}: layout {layout} is not known", None) from None

    # ------------------------------------------------------------------ what can go wrong

    def _explained(self, error: ServerError) -> HistoryError:
        """The error to raise for one of the server's, without anything secret."""
        text = str(error)
        for name in ("password", "sslpassword", "passfile", "sslkey"):
            secret = self._parts.get(name)
            if secret:
                text = text.replace(secret, "***")
        code = error.code
        if code in ("57014", "55P03"):
            return HistoryUnavailable(f"{self.location}: too slow, or locked by others for long")
        if code in ("53100", "53200", "53300"):
            return HistoryUnavailable(
                f"{self.location}: the server has no room or memory left ({text})"
            )
        if code in ("42703", "42804", "42P10"):
            return HistoryRefused(
                f"{self.location} has tables of these names by another program ({text}); "
                "name another database or schema"
            )
        if code in ("42501", "28000", "28P01", "3D000", "3F000"):
            return HistoryRefused(f"{self.location} refuses ({text})")
        return HistoryUnavailable(f"{self.location}: {text}")

    def __del__(self) -> None:
        if getattr(self, "_link", None) is not None:
            self._disconnect_quietly()


@contextmanager
def _transaction(link: Link, begin: str = "BEGIN") -> Iterator[None]:
    link.run(begin)
    try:
        yield
    except HistoryError:
        link.run("ROLLBACK")
        raise  # after any other error the connection is closed, and with it the transaction
    link.run("COMMIT")


def _parts(url: str, location: str) -> dict[str, str]:
    """libpq's words for a URL; its own complaints would show the password."""
    from psycopg import Error
    from psycopg.conninfo import conninfo_to_dict

    try:
        found = conninfo_to_dict(url)
    except Error:
        raise HistoryRefused(
            f"{location} is not a URL of PostgreSQL: postgresql://user@host:port/database, "
            "other signs written as %40 and so on"
        ) from None
    return {name: str(value) for name, value in found.items() if value is not None}


def _checked(observations: Iterable[Observation]) -> list[Observation]:
    return [validate(one if one.id else replace(one, id=new_id())) for one in observations]


def _batches(many: Sequence[Answer]) -> Iterator[Sequence[Answer]]:
    for start in range(0, len(many), BATCH):
        yield many[start : start + BATCH]


def _values(rows: Sequence[Observation]) -> tuple[str, list[Value]]:
    """Rows as a list of VALUES, and what they hold."""
    width, lines = len(_ROW_TYPES), []
    values: list[Value] = []
    for number, one in enumerate(rows):
        places = range(number * width + 1, (number + 1) * width + 1)
        casts = [f"${place}::{kind}" for place, kind in zip(places, _ROW_TYPES, strict=True)]
        lines.append(f"({', '.join(casts)})")
        values += (SCHEMA, pack(one), repr(float(one.time)), *texts(one))
    return ", ".join(lines), values


def _insertions(fresh: Sequence[Observation]) -> list[tuple[str, Sequence[Value]]]:
    """Statements that store what is new, and answer how many were."""
    found: list[tuple[str, Sequence[Value]]] = []
    for part in _batches(fresh):
        lines, values = _values(part)
        found.append(
            (
                f"WITH came AS (INSERT INTO amorsize_observations ({_ROW_NAMES}) VALUES {lines} "
                f"ON CONFLICT (id) DO NOTHING RETURNING 1) {_COUNTED.format('', 'came')} "
                "WHERE name = 'rows' RETURNING (SELECT count(*) FROM came)::text",
                values,
            )
        )
    return found


def _renewal(part: Sequence[Observation]) -> tuple[str, Sequence[Value]]:
    """A statement that puts observations in the place of those with their ids."""
    lines, values = _values(part)
    changes = ", ".join(f"{name} = new.{name}" for name in _ROW_NAMES.split(", ") if name != "id")
    return (
        f"UPDATE amorsize_observations AS old SET {changes} FROM (VALUES {lines}) "
        f"AS new ({_ROW_NAMES}) WHERE old.id = new.id RETURNING old.seq",
        values,
    )


def _array(names: Iterable[str]) -> str:
    quoted = [name.replace("\\", "\\\\").replace('"', '\\"') for name in names]
    return "{" + ",".join([f'"{name}"' for name in quoted]) + "}"


def _meta(link: Link) -> dict[str, str]:
    return {_text(name): _text(value) for name, value in link.run(_META)}


def _text(value: bytes | None) -> str:
    return (value or b"").decode()


def _number(rows: Rows) -> int:
    return int(_text(rows[0][0]))


_inherited: list[Link] = []
"""Connections of a parent that forked past `os.fork`: to end them here would hurt the parent."""
