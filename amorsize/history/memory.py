"""A history that ends with its process."""

from __future__ import annotations

import os
from _thread import allocate_lock
from itertools import islice

from amorsize.core.observation import ROW_BYTES, TEXTS, MalformedObservation, pack, texts, validate
from amorsize.core.places import KEY_BYTES, MEMORY
from amorsize.history.base import MAX_ROWS, History, Table, check_replaced, checked
from amorsize.history.summary import Stats

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from amorsize.core.observation import Observation
    from amorsize.history.base import Observations


class MemoryHistory(History):
    """Observations in a dictionary by id, in the order of arrival: ``:memory:``."""

    def __init__(self, max_rows: int = MAX_ROWS) -> None:
        super().__init__(MEMORY, max_rows)
        self._key = os.urandom(KEY_BYTES)
        self._rows: dict[str, Observation] = {}
        self._arrivals = 0
        self._notes: dict[str, str] = {}
        self._lock = allocate_lock()

    @property
    def key(self) -> bytes:
        return self._key

    def adopt_key(self, key: bytes) -> bool:
        with self._lock:
            if not self._rows:
                self._key = key
            return self._key == key

    def recent(self, fingerprint: str, limit: int = 32) -> list[Observation]:
        with self._lock:
            found = [one for one in self._rows.values() if one.fingerprint == fingerprint]
        return found[::-1][:limit]

    def table(self, limit: int | None = None) -> Table:
        with self._lock:
            rows = list(self._rows.values())
        rows = rows[max(0, len(rows) - limit) :] if limit is not None else rows
        words = [texts(row) for row in rows]
        columns = {name: [word[i] for word in words] for i, name in enumerate(TEXTS)}
        return Table(b"".join([pack(row) for row in rows]), columns)

    def arrivals(self) -> int:
        return self._arrivals

    def replace(
        self, remove: Iterable[str], observations: Observations, *, strict: bool = False
    ) -> tuple[int, int]:
        fresh, ids = checked(observations), set(remove)
        with self._lock:
            gone = len(ids & self._rows.keys())
            if strict:
                check_replaced(gone, len(ids), self.location)
            renewed = {one.id: one for one in fresh if one.id in ids and one.id in self._rows}
            self._rows.update(renewed)  # in the place of the old ones
            for id in ids - renewed.keys():
                self._rows.pop(id, None)
            before = len(self._rows)
            for one in fresh:
                self._rows.setdefault(one.id, one)
            new = len(self._rows) - before
            self._arrivals += new
            for id in list(islice(self._rows, max(0, len(self._rows) - self.max_rows))):
                del self._rows[id]
        return gone, new + len(renewed)

    def clear(self, fingerprint: str | None = None) -> int:
        with self._lock:
            before = len(self._rows)
            keep = (
                {}
                if fingerprint is None
                else {id: one for id, one in self._rows.items() if one.fingerprint != fingerprint}
            )
            self._rows = keep
            return before - len(keep)

    def note(self, name: str) -> str | None:
        return self._notes.get(name)

    def set_note(self, name: str, text: str) -> None:
        self._notes[name] = text

    def check(self) -> list[str]:
        problems = []
        with self._lock:
            rows = dict(self._rows)
        if len(rows) > self.max_rows:
            problems.append(f"{len(rows)} rows, the bound is {self.max_rows}")
        for id, one in rows.items():
            try:
                validate(one)
            except MalformedObservation as error:
                problems.append(f"observation {id}: {error}")
        return problems

    def stats(self) -> Stats:
        with self._lock:
            rows = list(self._rows.values())
        times = [one.time for one in rows]
        return Stats(
            self.location,
            len(rows),
            len({one.fingerprint for one in rows}),
            self.max_rows,
            ROW_BYTES * len(rows),
            min(times, default=None),
            max(times, default=None),
        )

    def close(self) -> None:
        """Does nothing: no file or connection is open."""
