"""A history that machines share, in a PostgreSQL database.

A process has one connection, used in turns under a lock, closed before every fork. Every wait has a
limit (`pg_connection`); a connection that has been lost is made again, which is safe since an
observation has an id and is stored once. A process that finds a newer schema does not use the history.
Readers wait for no lock. A commit does not wait for the server's disk (``synchronous_commit=off``):
when the server's machine dies, only the runs of its last half second are forgotten.
"""

from __future__ import annotations

import os
import struct
import time
from _thread import allocate_lock

from amorsize.core.observation import NUMBERS, TEXTS, unpack
from amorsize.history import pg_tables as tables
from amorsize.history.base import (
    MAX_ROWS,
    History,
    Table,
    check_replaced,
    checked,
)
from amorsize.history.errors import (
    HistoryCorrupt,
    HistoryError,
    HistoryNewer,
    HistoryRefused,
    HistoryUnavailable,
)
from amorsize.history.location import shown
from amorsize.history.pg_connection import PgConnection, ServerError, TooSlow
from amorsize.history.rows import NAMES, problems_of, relayout, table_of
from amorsize.history.summary import Stats
from amorsize.storage.fork_guard import ForkGuarded, watch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, TypeVar

    from amorsize.core.observation import Observation
    from amorsize.history.base import Observations
    from amorsize.history.pg_connection import Rows

    Answer = TypeVar("Answer")

RUN_SECONDS = 0.1
"""What a run waits for one call, connecting included. A run makes two (three where it asks for
neighbours), and after the first that fails no more: a server that hangs costs it this once."""
OPENING_SECONDS, LEAST_SECONDS = 0.2, 0.04
"""Import of psycopg (0.06 to 0.2 s) and first connection together, and the least that is left for the
connection, which takes 8 ms on a busy machine."""
PATIENCE_SECONDS = 30.0
"""What a caller outside of a run, such as ``amorsize history``, waits for one call."""
RETRY_SECONDS, PAUSE_SECONDS = 5.0, 0.05
"""For so long they try again while the server starts or fails over, and the pause between tries."""
STATEMENT_SHARE = 0.8
"""Of the patience, after which the server itself gives a statement up: it says so in time, and does
not work on for a caller that has gone."""
IDLE_SECONDS = 60
"""A run's idle connection is given up by the server: of a large fleet few hold one. The next call
connects again."""


class PostgresHistory(History, ForkGuarded):
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
        super().__init__(shown(url), max_rows)
        if patience_seconds is None:
            patience_seconds = RUN_SECONDS if for_run else PATIENCE_SECONDS
        self.patience_seconds = patience_seconds
        self._for_run = for_run
        self._parts = _parts(url, self.location)
        self._lock = allocate_lock()
        self._connection: PgConnection | None = None
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
            self._run(lambda connection: None)
        assert self._key is not None  # read with every connection
        return self._key

    def adopt_key(self, key: bytes) -> bool:
        def act(connection: PgConnection) -> bytes:
            with tables.transaction(connection):
                if tables.number(connection.run(tables.LOCK)) == 0:
                    connection.run(tables.SET, ("key", key.hex()))
                return bytes.fromhex(
                    tables.text(
                        connection.run("SELECT value FROM amorsize_meta WHERE name = 'key'")[0][0]
                    )
                )

        self._key = self._run(act)
        return self._key == key

    def add(self, observations: Observations) -> int:
        fresh = checked(observations)
        if not fresh:
            return 0
        statements = [
            (tables.LOCK, ()),
            *tables.insertions(fresh),
            (tables.EXPIRE, (self.max_rows,)),
        ]
        answers = self._run(lambda connection: connection.run_all(statements))
        return sum([tables.number(rows) for rows in answers[1:-1]])

    def replace(
        self, remove: Iterable[str], observations: Observations, *, strict: bool = False
    ) -> tuple[int, int]:
        fresh = checked(observations)
        ids = list(dict.fromkeys(remove))
        if not ids:
            return 0, self.add(fresh)
        return self._run(lambda connection: self._exchange(connection, ids, fresh, strict))

    def _exchange(
        self, connection: PgConnection, remove: list[str], fresh: list[Observation], strict: bool
    ) -> tuple[int, int]:
        """Remove and add in one transaction, and keep the bound."""
        ids = set(remove)
        renewed = {one.id: one for one in fresh if one.id in ids}
        leaving = [id for id in remove if id not in renewed]
        with tables.transaction(connection):
            connection.run(tables.LOCK)
            in_place = gone = came = 0
            for part in tables.batches(list(renewed.values())):
                in_place += len(connection.run(*tables.renewal(part)))
            for names in tables.batches(leaving):
                gone += tables.number(connection.run(tables.REMOVE, (tables.array(names),)))
            gone += in_place
            if strict:
                check_replaced(gone, len(ids), self.location)
            for statement, values in tables.insertions(fresh):
                came += tables.number(connection.run(statement, values))
            connection.run(tables.EXPIRE, (self.max_rows,))
        return gone, came + in_place

    def recent(self, fingerprint: str, limit: int = 32) -> list[Observation]:
        query = f"{tables.SELECT} WHERE fingerprint = $1::text ORDER BY seq DESC LIMIT $2::bigint"
        rows = self._run(lambda connection: self._read(connection.run(query, (fingerprint, limit))))
        return [unpack(row[0], tuple(row[1:])) for row in rows]

    def table(self, limit: int | None = None) -> Table:
        query = f"{tables.SELECT} ORDER BY seq DESC LIMIT $1::bigint"
        rows = self._run(lambda connection: self._read(connection.run(query, (limit,))))
        rows.reverse()
        table = table_of(rows)
        if table is None:
            raise HistoryCorrupt(
                f"{self.location}: a row of numbers has the wrong length; "
                "`amorsize history check` names it",
                None,
            )
        return table

    def arrivals(self) -> int:
        query = "SELECT coalesce(max(seq), 0)::text FROM amorsize_observations"
        return tables.number(self._run(lambda connection: connection.run(query)))

    def clear(self, fingerprint: str | None = None) -> int:
        def act(connection: PgConnection) -> int:
            where, values = (
                ("", ())
                if fingerprint is None
                else ("WHERE fingerprint = $1::text", (fingerprint,))
            )
            with tables.transaction(connection):
                connection.run(tables.LOCK)
                gone = connection.run(
                    f"WITH gone AS (DELETE FROM amorsize_observations {where} RETURNING 1) "
                    f"{tables.COUNTED.format('-', 'gone')} WHERE name = 'rows' "
                    "RETURNING (SELECT count(*) FROM gone)::text",
                    values,
                )
            return tables.number(gone)

        return self._run(act)

    def note(self, name: str) -> str | None:
        query = "SELECT value FROM amorsize_meta WHERE name = $1::text"
        rows = self._run(lambda connection: connection.run(query, (f"note:{name}",)))
        return tables.text(rows[0][0]) if rows else None

    def set_note(self, name: str, text: str) -> None:
        self._run(lambda connection: connection.run(tables.SET, (f"note:{name}", text)))

    def check(self) -> list[str]:
        def act(connection: PgConnection) -> list[str]:
            with tables.transaction(connection, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"):
                noted = tables.number(
                    connection.run("SELECT value FROM amorsize_meta WHERE name = 'rows'")
                )
                found = connection.run(
                    f"SELECT time::text, layout::text, numbers, {NAMES} FROM amorsize_observations"
                )
            rows, problems = [], []
            for time_text, *row in found:
                try:
                    rows.append((float(tables.text(time_text)), *self._read([tuple(row)])[0]))
                except (struct.error, HistoryCorrupt):
                    name = tables.text(row[2 + TEXTS.index("id")])[:32]
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
        row = self._run(lambda connection: connection.run(query))[0]
        rows, functions, size = [int(tables.text(row[place])) for place in (0, 1, 4)]
        oldest, newest = [None if one is None else float(one) for one in row[2:4]]
        return Stats(self.location, rows, functions, self.max_rows, size, oldest, newest)

    def begin_upkeep(self) -> bool:
        query = f"SELECT pg_try_advisory_lock({tables.UPKEEP_LOCK})::int::text"
        self._has_upkeep = bool(self._run(lambda connection: tables.number(connection.run(query))))
        return self._has_upkeep

    def end_upkeep(self) -> None:
        if self._has_upkeep:  # else the connection was lost, and the lock with it
            query = f"SELECT pg_advisory_unlock({tables.UPKEEP_LOCK})"
            self._run(lambda connection: connection.run(query))
            self._has_upkeep = False

    def open(self, spent_seconds: float = 0.0) -> None:
        """Connect now, to see what is wrong with it; a run that has spent some time on imports already
        waits the less."""
        patience_seconds = self.patience_seconds
        if self._for_run:
            left = max(LEAST_SECONDS, OPENING_SECONDS - spent_seconds)
            patience_seconds = min(patience_seconds, left)
        self._run(lambda connection: None, patience_seconds)

    def close(self) -> None:
        with self._lock:
            self._disconnect()

    # ------------------------------------------------------------------ one connection, in turns

    def _run(
        self, act: Callable[[PgConnection], Answer], patience_seconds: float | None = None
    ) -> Answer:
        """What ``act`` answers, within the patience. A lost connection is made again: once if it was an
        old one, and outside of a run for RETRY_SECONDS."""
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
                was_old = self._connection is not None
                held_upkeep = self._has_upkeep
                try:
                    connection = self._connected(deadline)
                    connection.be_done_by(deadline)
                    return act(connection)
                except ServerError as error:
                    self._disconnect()
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
                    self._disconnect()
                    raise
        finally:
            self._lock.release()

    def _connected(self, deadline: float) -> PgConnection:
        if self._connection is not None and self._connection.pid == os.getpid():
            return self._connection
        self._disconnect()
        if not self._for_run:
            deadline = min(deadline, time.monotonic() + RETRY_SECONDS)
        connection = PgConnection(self._parts, deadline, self._settings())
        try:
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        return connection

    def _settings(self) -> str:
        milliseconds = max(1, int(1000 * STATEMENT_SHARE * self.patience_seconds))
        idle = f"{IDLE_SECONDS}s" if self._for_run else "0"
        return (
            f"-c statement_timeout={milliseconds} -c lock_timeout={milliseconds} "
            f"-c idle_session_timeout={idle} -c synchronous_commit=off "
            f"-c idle_in_transaction_session_timeout={IDLE_SECONDS}s"
        )

    def _disconnect(self) -> None:
        connection, self._connection, self._has_upkeep = self._connection, None, False
        if connection is not None and connection.pid == os.getpid():
            connection.close()
        elif connection is not None:
            _inherited.append(connection)

    # ------------------------------------------------------------------ the tables

    def _prepare(self, connection: PgConnection) -> None:
        """Make or change the tables if need be; read the key."""
        try:
            meta = tables.meta(connection)
        except ServerError as error:
            if error.code != "42P01":  # no such table
                raise
            meta = tables.make(connection)
        schema = int(meta.get("schema", "0"))
        if schema < tables.SCHEMA:
            meta = tables.make(connection)
            schema = int(meta["schema"])
        if schema > tables.SCHEMA:
            raise HistoryNewer(
                f"{self.location} has schema {schema}, this version of amorsize knows {tables.SCHEMA}: "
                "upgrade amorsize, or name another history"
            )
        self._key = bytes.fromhex(meta["key"])
        self._layouts = {
            int(name.partition(":")[2]): relayout(names.split(), NUMBERS)
            for name, names in meta.items()
            if name.startswith("numbers:") and name != f"numbers:{tables.SCHEMA}"
        }

    def _read(self, rows: Rows) -> list[tuple[Any, ...]]:
        """(numbers, \\*texts) of each row, the numbers in today's layout."""
        found: list[tuple[Any, ...]] = []
        today = str(tables.SCHEMA).encode()
        for layout, numbers, *words in rows:
            if layout != today:
                numbers = self._converted(int(layout or b"0"), numbers or b"")
            found.append((numbers, *[(word or b"").decode() for word in words]))
        return found

    def _converted(self, layout: int, numbers: bytes) -> bytes:
        if layout > tables.SCHEMA:
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
        if getattr(self, "_connection", None) is not None:
            self._disconnect()


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


_inherited: list[PgConnection] = []
"""Connections of a parent that forked past `os.fork`: to end them here would hurt the parent."""
