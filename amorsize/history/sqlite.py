"""The default history: one SQLite file in write-ahead mode, shared by threads, processes and forks."""

from __future__ import annotations

from amorsize.core.observation import unpack
from amorsize.history import sqlite_tables as tables
from amorsize.history.base import MAX_ROWS, History, Table, checked
from amorsize.history.rows import NAMES, problems_of, table_of
from amorsize.history.sqlite_file import PATIENCE_SECONDS, HistoryFile
from amorsize.history.summary import Stats
from amorsize.storage.sqlite_file import Transaction

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

    from amorsize.core.observation import Observation
    from amorsize.history.base import Observations


class SqliteHistory(History):
    """Observations in a file.

    Parameters
    ----------
    path : the file; it and its folder are made, for this user only, when first needed
    max_rows : bound on observations
    patience_seconds : longest wait for other processes in one call
    """

    def __init__(
        self, path: str, *, max_rows: int = MAX_ROWS, patience_seconds: float = PATIENCE_SECONDS
    ) -> None:
        self._file = HistoryFile(path, max_rows, patience_seconds)
        super().__init__(self._file.path, max_rows)
        self._key: bytes | None = None

    @property
    def key(self) -> bytes:
        if self._key is None:
            self._key = self._file.run(tables.read_key)
        return self._key

    def adopt_key(self, key: bytes) -> bool:
        def act(connection: sqlite3.Connection) -> bytes:
            with Transaction(connection):
                if not tables.noted_rows(connection):
                    tables.set_meta(connection, "key", key)
                return tables.read_key(connection)

        self._key = self._file.run(act)
        if self._file.cache.key != self._key:
            self._file.establish(self._key)
        return self._key == key

    def replace(
        self, remove: Iterable[str], observations: Observations, *, strict: bool = False
    ) -> tuple[int, int]:
        fresh, ids = checked(observations), list(dict.fromkeys(remove))
        if not fresh and not ids:
            return 0, 0
        file = self._file
        changed = file.run(lambda connection: file.exchange(connection, ids, fresh, strict))
        if len(fresh) == 1 and not ids:
            file.cache.remember(fresh[0])
        return changed

    def recent(self, fingerprint: str, limit: int = 32) -> list[Observation]:
        query = f"{tables.SELECT} WHERE fingerprint = ? ORDER BY seq DESC LIMIT ?"
        rows = self._file.run(
            lambda connection: connection.execute(query, (fingerprint, limit)).fetchall()
        )
        return [unpack(row[0], row[1:]) for row in rows]

    def table(self, limit: int | None = None) -> Table:
        query = f"{tables.SELECT} ORDER BY seq DESC LIMIT ?"
        bound = -1 if limit is None else limit
        rows = self._file.run(lambda connection: connection.execute(query, (bound,)).fetchall())
        rows.reverse()
        table = table_of(rows)
        if table is None:
            raise self._file.damaged("a row of numbers has the wrong length")
        return table

    def arrivals(self) -> int:
        query = "SELECT coalesce(max(seq), 0) FROM observations"
        return int(self._file.run(lambda connection: connection.execute(query).fetchone()[0]))

    def clear(self, fingerprint: str | None = None) -> int:
        def act(connection: sqlite3.Connection) -> int:
            with Transaction(connection):
                before = tables.noted_rows(connection)
                if fingerprint is None:
                    connection.execute("DELETE FROM observations")
                else:
                    connection.execute(
                        "DELETE FROM observations WHERE fingerprint = ?", (fingerprint,)
                    )
                held = tables.count_rows(connection)
                tables.set_meta(connection, "rows", held)
            tables.shrink(connection, None)
            return before - held

        gone = self._file.run(act)
        self._file.establish(self.key)  # what was cleared is not recalled
        return gone

    def note(self, name: str) -> str | None:
        value = self._file.run(lambda connection: tables.meta(connection, f"note:{name}"))
        return None if value is None else str(value)

    def set_note(self, name: str, text: str) -> None:
        def act(connection: sqlite3.Connection) -> None:
            with Transaction(connection):
                tables.set_meta(connection, f"note:{name}", text)

        self._file.run(act)

    def check(self) -> list[str]:
        def act(connection: sqlite3.Connection) -> list[str]:
            problems = [
                str(row[0])
                for row in connection.execute("PRAGMA integrity_check")
                if row[0] != "ok"
            ]
            connection.execute("BEGIN")
            try:
                return problems + problems_of(
                    connection.execute(f"SELECT time, numbers, {NAMES} FROM observations"),
                    counted=tables.count_rows(connection),
                    noted=tables.noted_rows(connection),
                    max_rows=self.max_rows,
                    key=tables.read_key(connection),
                )
            finally:
                connection.execute("ROLLBACK")

        return self._file.run(act)

    def stats(self) -> Stats:
        query = (
            "SELECT count(*), count(DISTINCT fingerprint), min(time), max(time) FROM observations"
        )
        rows, functions, oldest, newest = self._file.run(
            lambda connection: connection.execute(query).fetchone()
        )
        size = tables.size_bytes(self.location)
        return Stats(self.location, rows, functions, self.max_rows, size, oldest, newest)

    def open(self) -> None:
        """Open the file now, to see what is wrong with it."""
        self._file.run(lambda connection: None)

    def close(self) -> None:
        self._file.close()
