"""What every history promises."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod

from amorsize.core.frozen import replace
from amorsize.core.observation import (
    LINE_BYTES,
    NUMBERS,
    SCHEMA,
    MalformedObservation,
    from_line,
    parse_line,
    to_line,
    unpack,
    validate,
)
from amorsize.core.places import KEY_BYTES
from amorsize.history.errors import HistoryChanged
from amorsize.history.summary import MAX_REJECTED, Imported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import TextIO

    from amorsize.core.observation import Observation
    from amorsize.history.summary import Stats

    Observations = Iterable[Observation]

FORMAT = "amorsize-history"
HEX_DIGITS = frozenset("0123456789abcdef")
BATCH = 500
"""Lines that an import adds in one transaction: it holds a lock for about 10 ms."""
MAX_ROWS = 20_000
"""Default bound: 12 MB of file, twice what a predictor reads."""


class Table:
    """Rows in the order of their arrival, ready to become arrays.

    ``numpy.frombuffer(table.numbers, "<f8").reshape(-1, len(NUMBERS))`` has a column for each name
    in NUMBERS, NaN where a number is absent; ``table.texts`` has a list for each name in TEXTS.
    """

    numbers: bytes
    texts: dict[str, list[str]]

    def __init__(self, numbers: bytes, texts: dict[str, list[str]]) -> None:
        self.numbers, self.texts = numbers, texts

    def __len__(self) -> int:
        return len(self.texts["id"])

    def observations(self) -> Iterator[Observation]:
        """The rows one by one."""
        width = 8 * len(NUMBERS)
        for row, words in enumerate(zip(*self.texts.values(), strict=True)):
            yield unpack(self.numbers[row * width : (row + 1) * width], words)


class History(ABC):
    """A store of observations.

    The contract, held by `amorsize.testing.history_contract`:

    * **Whole or not at all.** `add` and `replace` are transactions: after a kill, a full disk or an
      exception, all of a call's observations are there or none, and those of earlier calls are.
      When `add` returns, other processes see its observations.
    * **Once.** An observation has an id, unique among all histories; one whose id is known is not
      added again. So imports can be repeated and histories merged in any order.
    * **In order.** Observations stay in the order of their arrival; `recent` gives the newest
      first.
    * **Bounded.** Beyond ``max_rows`` the oldest go, in the call that went beyond, at a cost that
      does not grow with the history.
    * **Shared.** Threads and processes may use it at the same time; after a fork the child may use
      it at once. Nothing is held open across a fork.
    * **Short.** A call waits for a short time for processes that hold the store and get nothing done,
      then raises HistoryUnavailable with nothing changed.
    * **Secret.** ``key`` is made at random with the history and never changes while it holds rows;
      it travels with `export`. What is stored are the fields of Observation, nothing else.
    * **Careful.** What comes from outside is checked: `import_lines` takes good lines and names bad
      ones.
    * **Plain errors.** Every failure is a HistoryError. A damaged history is set aside, never
      deleted; a file that is no history stays as it is.
    """

    location: str
    max_rows: int

    def __init__(self, location: str, max_rows: int = MAX_ROWS) -> None:
        if max_rows < 1:
            raise ValueError(f"max_rows={max_rows}: at least 1")
        self.location, self.max_rows = location, max_rows

    # ------------------------------------------------------------ what an implementation writes

    @property
    @abstractmethod
    def key(self) -> bytes:
        """The secret under which fingerprints are made."""

    @abstractmethod
    def recent(self, fingerprint: str, limit: int = 32) -> list[Observation]:
        """The newest observations of a function, newest first."""

    @abstractmethod
    def table(self, limit: int | None = None) -> Table:
        """All rows, or the newest ``limit``, oldest first."""

    @abstractmethod
    def arrivals(self) -> int:
        """A number that grows by one or more with each new observation, also where the bound lets an old
        one go; it falls only when rows are removed. Cheap: no row is read."""

    @abstractmethod
    def replace(
        self, remove: Iterable[str], observations: Observations, *, strict: bool = False
    ) -> tuple[int, int]:
        """Remove by id and add, in one transaction; how many went and came.

        An observation whose id is removed in the same call takes the place of the old one. With
        ``strict`` nothing is changed and HistoryChanged is raised if one of the ids is not there."""

    @abstractmethod
    def clear(self, fingerprint: str | None = None) -> int:
        """Forget everything, or one function; how many observations went. The key stays."""

    @abstractmethod
    def note(self, name: str) -> str | None:
        """A text kept with the history under a name; None if there is none."""

    @abstractmethod
    def set_note(self, name: str, text: str) -> None:
        """Keep a text; `export` leaves notes behind."""

    @abstractmethod
    def check(self) -> list[str]:
        """What is wrong, a sentence each: an empty list for a sound history."""

    @abstractmethod
    def stats(self) -> Stats:
        """What it holds."""

    @abstractmethod
    def close(self) -> None:
        """Let go of files and connections; the next use opens them again."""

    @abstractmethod
    def adopt_key(self, key: bytes) -> bool:
        """Take another history's key if this one holds no rows; whether it has that key now."""

    # ------------------------------------------------------------------ what follows from it

    def add(self, observations: Observations) -> int:
        """Store observations; how many were new. Those without an id are given one."""
        return self.replace((), observations)[1]

    def begin_upkeep(self) -> bool:
        """Whether this process may prune now, as no process of another machine does."""
        return True

    def end_upkeep(self) -> None:  # noqa: B027  (a file has nothing to let go of)
        """Let other machines prune."""

    def read(self, limit: int | None = None) -> Iterator[Observation]:
        """Observations one by one, oldest first."""
        return self.table(limit).observations()

    def export_lines(self, stream: TextIO, *, names: bool = False) -> int:
        """Write a header with the key, then one observation a line, as JSON; how many. Names of functions
        only with ``names``."""
        stream.write(header_line(self.key))
        count = 0
        for observation in self.read():
            stream.write(to_line(observation, names=names) + "\n")
            count += 1
        return count

    def import_lines(self, lines: Iterable[str]) -> Imported:
        """Add what `export_lines` wrote, here or elsewhere.

        A line that is not a valid observation is left out and named in the result; a header of
        another format or a newer schema stops the import before anything is added. Of a run that is
        known already, the row that is there stays."""
        added = known = rejected = 0
        adopted = False
        reasons: list[tuple[int, str]] = []
        batch: list[Observation] = []
        for number, line in enumerate(_lines(lines), 1):
            if not line.strip():
                continue
            try:
                if number == 1:
                    adopted = self._header(line)
                else:
                    batch.append(from_line(line))
            except MalformedObservation as error:
                if number == 1:
                    raise
                rejected += 1
                if len(reasons) < MAX_REJECTED:
                    reasons.append((number, str(error)))
            if len(batch) >= BATCH:
                new = self.add(batch)
                added, known, batch = added + new, known + len(batch) - new, []
        new = self.add(batch)
        return Imported(added + new, known + len(batch) - new, rejected, tuple(reasons), adopted)

    def _header(self, line: str) -> bool:
        header = parse_line(line)
        if "format" not in header and "fingerprint" in header:
            raise MalformedObservation(
                "line 1: a run; the line before it, with the format and the key of an exported history, "
                "is missing"
            )
        if header.get("format") != FORMAT:
            raise MalformedObservation(
                "line 1: not an exported history; its first line names the format"
            )
        schema, key = header.get("schema"), header.get("key")
        if not isinstance(schema, int) or isinstance(schema, bool) or not 1 <= schema <= SCHEMA:
            raise MalformedObservation(
                f"line 1: schema {str(schema)[:20]!a} is not one of 1 to {SCHEMA}: upgrade amorsize"
            )
        if not isinstance(key, str) or len(key) != 2 * KEY_BYTES or not HEX_DIGITS.issuperset(key):
            raise MalformedObservation(
                f"line 1: the key must be {2 * KEY_BYTES} hexadecimal digits"
            )
        return self.adopt_key(bytes.fromhex(key))

    def __enter__(self) -> History:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def header_line(key: bytes) -> str:
    """The first line of an exported history with this key."""
    import json

    return json.dumps({"format": FORMAT, "schema": SCHEMA, "key": key.hex()}) + "\n"


def _lines(lines: Iterable[str]) -> Iterator[str]:
    """The lines, none much longer than what is taken in, however long a file's are."""
    if not hasattr(lines, "readline"):
        yield from lines
        return
    while line := lines.readline(LINE_BYTES + 2):
        yield line
        while line and not line.endswith("\n") and len(line) >= LINE_BYTES + 2:
            line = lines.readline(LINE_BYTES + 2)


def new_id() -> str:
    """An id that no other observation has."""
    return os.urandom(16).hex()


def checked(observations: Observations) -> list[Observation]:
    """Observations that are valid and have an id."""
    return [validate(one if one.id else replace(one, id=new_id())) for one in observations]


def check_replaced(gone: int, wanted: int, location: str) -> None:
    """Refuse a strict replacement of ``wanted`` rows of which only ``gone`` were there."""
    if gone < wanted:
        raise HistoryChanged(f"{location}: {wanted - gone} of the rows to be removed are gone")
