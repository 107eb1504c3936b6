"""The journal of a run: what became of which items; one SQLite file.

::

    results --bytes, name--> pending --every 0.05 s, one transaction--> write-ahead log --> disk

A commit outlives the death of every process; a failing power supply may take what was committed in the
last second, until the next commit that waits for the disk. The file belongs to one run at a time:
its lock goes with the process, however that ends. No connection is open across a fork, and the
journal stays with the parent.

Threads: any worker thread may `add` and `tick`. The list of pending results only grows at its end, and
the thread that holds the lock cuts off the front that it has written.
"""

from __future__ import annotations

import os
import sys
import time
from functools import partial

from amorsize.checkpoint import rows
from amorsize.checkpoint.codec import codec
from amorsize.checkpoint.file_guard import claim, claim_companions, in_use, version_of
from amorsize.checkpoint.names import readable
from amorsize.errors import CheckpointError, text_of
from amorsize.items.errors import portable, told_by
from amorsize.items.pickling import dumps, loads
from amorsize.items.refusals import is_bad_request
from amorsize.storage.sqlite_file import BUSY, DAMAGED, FULL, UNEXPECTED, SqliteFile, meaning
from amorsize.version import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

    from amorsize.checkpoint.names import Named

FLUSH_SECONDS = 0.05
"""Results wait this long for more results to share their transaction (0.03 to 0.1 ms)."""
FLUSH_ITEMS, FLUSH_BYTES = 10_000, 8 << 20
"""So many pending results, or bytes of them, are written at once: memory stays bounded."""
SYNC_SECONDS = 0.8
"""A commit waits for the disk (4 ms) if the last one that did is older: a second is promised."""
CHECKED_BYTES = 64 << 20
"""Journals up to this size are checked whole when they are opened (0.1 s); larger ones page by page, as
they are read."""
SEED = " seed "
"""Between the hash of a function and the seed of its items: another seed gives other results."""
MOST_ERROR = 1_000
"""Characters kept of what an item raised."""
PYTHON = ".".join(map(str, sys.version_info[:3]))

_ANEW = "or remove the file (or name another) to begin anew"


class Journal(SqliteFile):
    """One checkpoint file. Raises :class:`CheckpointError` for all that is wrong with it."""

    def __init__(self, path: str, format: str = "pickle") -> None:
        self._file = -1
        """The locked file; -1 while another run may have it."""
        super().__init__(path)
        self.format = format
        self.done: dict[bytes, int] = {}
        """Names of the items whose results are held, with their rows."""
        self.failed: dict[bytes, tuple[int, int]] = {}
        """Names of items that failed, with their rows and states."""
        self.new = False
        self.failure: CheckpointError | None = None
        self._pending: list[rows.Row] = []
        self._pending_bytes = 0
        self._flushed = self._synced = time.monotonic()
        self._unsynced = False
        """The file is new, and the disk may not have its beginning yet."""
        self._left: tuple[int, ...] = ()
        """Version of the file when this run gave it free."""
        self._dump, self._load = codec(format)
        self._file = claim(self.path)
        try:
            with self._lock:
                self._guarded(self._begin)
        except BaseException:
            self.close()
            raise

    # -- what the journal is of ------------------------------------------------------------------

    def bind(self, function: str, *, keyed: bool) -> bool:
        """Refuse another function than the journal was begun with, unless a ``key`` tells items apart:
        then whether it is another one. A journal that holds nothing takes it as its own."""
        if self.new:
            self._describe_as(function, keyed)
            return False
        about = self._about
        if about["format"] != self.format:
            raise self.refused(
                f"holds results as {about['format']}, not {self.format}",
                f"say checkpoint_format={about['format']!r}, {_ANEW}",
            )
        if bool(about["keyed"]) != keyed:
            raise self.refused(
                "knows items by their key, and no key= is given"
                if about["keyed"]
                else "knows items by their content, and key= is given",
                f"{'give the same key' if about['keyed'] else 'leave key out'}, {_ANEW}",
            )
        code, _, seed = str(about["function"]).partition(SEED)
        if seed != function.partition(SEED)[2]:
            raise self.refused(
                "holds results drawn with another seed",
                f"give the seed it was begun with, {_ANEW}",
            )
        if code == function.partition(SEED)[0]:
            return False
        if keyed:
            self._describe_as(function, keyed)
            return True
        made = f"amorsize {about['library']} on Python {about['python']}"
        now = f"amorsize {__version__} on Python {PYTHON}"
        raise self.refused(
            "holds the results of another function: its code, or a value it refers to, is not "
            "what it was" + ("" if made == now else f" (written by {made}; this is {now})"),
            f"undo the change, give key= to have a key of your own decide, {_ANEW}",
        )

    @property
    def secret(self) -> bytes:
        """The key under which the function and the items are digested."""
        value = self._about["key"]
        assert isinstance(value, bytes)
        return value

    @property
    def about(self) -> dict[str, Any]:
        """What the journal says of itself: format, library, python, and whether a key names items."""
        return {
            name: value for name, value in self._about.items() if name not in ("key", "function")
        }

    def settle(self) -> None:
        """Close the connection until there is a result to write; everything is checked."""
        with self._lock:
            self._disconnect()

    def pause(self) -> None:
        """Give the file free, to go on later."""
        self.flush()
        self.close()
        self._left = version_of(self.path)

    def go_on(self) -> None:
        """Take the file again, after :meth:`pause`; no other run may have changed it."""
        if self._file >= 0:
            return
        self._file = claim(self.path)
        if version_of(self.path) != self._left:
            self.close()
            raise self.refused(
                "was used by another run since the plan was made", "make the plan again"
            )

    # -- results in ------------------------------------------------------------------------------

    def add(self, named: Named, result: Any) -> None:
        """A result, to be written soon; it is pickled now."""
        try:
            value = self._dump(result)
        except Exception as error:
            way_out = "return what can be pickled, or leave the checkpoint out"
            if self.format == "json":
                way_out = "use checkpoint_format='pickle'"
            raise self.refused(
                f"cannot hold the result of item {named.index}, of type "
                f"{type(result).__qualname__}, as {self.format} ({type(error).__name__}: {error})",
                way_out,
            ) from error
        # Without the lock: a thread need not wait for another's commit.
        self._pending.append((named.name, rows.DONE, named.index, named.label, None, value))
        self._pending_bytes += len(value)

    def add_failed(self, named: Named, exception: BaseException, traceback: str) -> None:
        """An item failed for good, to be written soon."""
        error = f"{type(exception).__qualname__}: {text_of(exception)}"
        state, value = rows.FAILED, b""
        if is_bad_request(exception):
            state = rows.REJECTED
            value = b"" if self.format == "json" else dumps((portable(exception)[0], traceback))
        text = readable(error[:MOST_ERROR])
        self._pending.append((named.name, state, named.index, named.label, text, value))

    def tick(self, seconds: float = FLUSH_SECONDS) -> None:
        """Write what waits if the last time was so long ago, or if there is much of it."""
        if not self._pending:
            return
        age = time.monotonic() - self._flushed
        full = len(self._pending) >= FLUSH_ITEMS or self._pending_bytes >= FLUSH_BYTES
        if (full or age >= seconds) and self._lock.acquire(blocking=False):
            try:
                if self.failure is not None:
                    raise self.failure
                self._guarded(self._write)
            finally:
                self._lock.release()

    def flush(self) -> None:
        """Write what waits; :meth:`close`, which follows, waits for the disk."""
        with self._lock:
            if self.failure is None and self._pending:
                self._guarded(self._write)

    def _write(self, connection: sqlite3.Connection) -> None:
        pending = self._pending[:]
        now = time.monotonic()
        sync = now - self._synced >= SYNC_SECONDS
        if sync:
            if self._unsynced:
                os.fsync(self._file)
                self._unsynced = False
            connection.execute("PRAGMA synchronous=FULL")
        try:
            failed = self.failed
            replaced = [failed[row[0]][0] for row in pending if row[0] in failed] if failed else ()
            rows.write_results(connection, pending, replaced)
        finally:
            if sync:
                connection.execute("PRAGMA synchronous=NORMAL")
        del self._pending[: len(pending)]
        self._pending_bytes = 0
        self._flushed = time.monotonic()
        if sync:
            self._synced = self._flushed

    # -- results out -----------------------------------------------------------------------------

    def values(self, wanted: Sequence[int]) -> Iterator[tuple[bytes, Any]]:
        """Name and result of each of these rows, in their order; a few are read ahead. The result of an
        item that was rejected is its exception and traceback."""
        taken = 0
        while taken < len(wanted):
            ahead = wanted[taken : taken + rows.READ_ITEMS]
            with self._lock:
                found = self._guarded(partial(rows.read_results, wanted=ahead))
            if not found:
                raise self.damaged("results are missing")
            for name, state, error, value, is_whole in found:
                taken += 1
                if not is_whole:
                    raise self.damaged("a result is not what was written")
                yield name, self._read_back(state, error, value)

    def _read_back(self, state: int, error: str | None, value: bytes) -> Any:
        try:
            if state == rows.DONE:
                return self._load(value)
            if self.format == "json" or not value:
                return told_by(error or ""), ""
            return loads(value)
        except Exception as problem:
            raise self.refused(
                "holds a result that cannot be read back "
                f"({type(problem).__name__}: {text_of(problem)})",
                f"make what it needs importable, {_ANEW}",
            ) from problem

    def rows_of(
        self, label: str | None = None
    ) -> list[tuple[int, int, int, str | None, str | None]]:
        """Row, state, position, label and error of all items, or of those with this label."""
        query = "SELECT row, state, position, label, error FROM results"
        order = " ORDER BY position, row"
        with self._lock:
            if label is None:
                return self._guarded(lambda c: c.execute(query + order).fetchall())  # type: ignore[no-any-return]
            chosen = query + " WHERE label=?" + order
            return self._guarded(lambda c: c.execute(chosen, (label,)).fetchall())  # type: ignore[no-any-return]

    def forget(self, which: Sequence[int]) -> None:
        """Remove these rows, all or none."""
        with self._lock:
            self._guarded(partial(rows.remove, which=which))

    # -- errors ----------------------------------------------------------------------------------

    def refused(self, problem: str, way_out: str) -> CheckpointError:
        """An error that names the file."""
        return CheckpointError(self.path, problem, way_out)

    def damaged(self, detail: str) -> CheckpointError:
        """The file is ours and broken."""
        return self.refused(
            f"is damaged ({detail}); nothing was changed in it",
            "restore it from a copy, or name another file to begin anew",
        )

    # -- the file --------------------------------------------------------------------------------

    def close(self) -> None:
        """Give the file free. What waits must have been flushed."""
        file, self._file = self._file, -1
        if file < 0:
            return
        with self._lock:
            self._disconnect()
        if self._pid == os.getpid():
            empty = self.path + "-journal"
            try:
                if os.lstat(empty).st_size == 0:
                    os.unlink(empty)
            except OSError:
                pass
        os.close(file)  # last: closing a file drops the locks that SQLite has on it

    def __del__(self) -> None:
        try:
            self.close()
        except Exception:  # the interpreter is ending
            pass

    def _check_files(self) -> None:
        if self._file < 0:
            raise self.refused("is closed", "start the run again")
        claim_companions(self.path)

    def _set_up(self, connection: sqlite3.Connection) -> None:
        # Alone with the file: no shared memory file, and no other run between two transactions.
        connection.execute("PRAGMA locking_mode=EXCLUSIVE")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("PRAGMA trusted_schema=OFF")

    def _leave_to_parent(self) -> None:
        file, self._file = self._file, -1
        if file >= 0:
            os.close(file)  # the lock is of the open file, which the parent still has

    def _guarded(self, action: Callable[[sqlite3.Connection], Any]) -> Any:
        """Do something with the connection, under the lock; say in our words what goes wrong."""
        try:
            return action(self._connected())
        except CheckpointError as error:
            self.failure = error
            raise
        except Exception as error:  # SQLite's own, or text in the file that is none
            self.failure = self._said(error)
            self._disconnect()
            raise self.failure from error

    def _said(self, error: Exception) -> CheckpointError:
        kind = meaning(error)
        if isinstance(error, (ValueError, TypeError)) or kind in (DAMAGED, UNEXPECTED):
            return self.damaged(ascii(str(error))[1:-1])  # it may quote what is in the file
        if kind == BUSY:
            return in_use(self.path)
        if kind == FULL:
            return self.refused(
                "cannot be written: the disk is full; what it holds is safe",
                "make room and start the run again: it goes on from there",
            )
        return self.refused(
            f"cannot be read or written ({ascii(str(error))[1:-1]}); what it holds is safe",
            "see to the disk and start the run again: it goes on from there",
        )

    def _begin(self, connection: sqlite3.Connection) -> None:
        tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
        if tables:
            self._read(connection)
            connection.execute("PRAGMA journal_mode=WAL")
            return
        self.new = self._unsynced = True
        connection.execute("PRAGMA synchronous=OFF")  # until the first results are there
        self._about: dict[str, Any] = {"key": os.urandom(16), "format": self.format, "keyed": 0}
        rows.create(connection, self._about)
        connection.execute("PRAGMA journal_mode=WAL")

    def _read(self, connection: sqlite3.Connection) -> None:
        schema = connection.execute("PRAGMA user_version").fetchone()[0]
        if schema > rows.SCHEMA:
            raise self.refused(
                "was written by a newer amorsize", "upgrade amorsize, or name another path"
            )
        if schema < rows.SCHEMA:
            raise self.refused(
                "was written by an earlier amorsize, which knew items by their positions",
                f"let that version finish it, {_ANEW}",
            )
        if os.fstat(self._file).st_size <= CHECKED_BYTES:
            found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            if found != "ok":
                raise self.damaged(ascii(str(found))[1:-1])
        self._about = dict(connection.execute("SELECT name, value FROM about"))
        shape = {"key": bytes, "format": str, "keyed": int}
        for word, kind in shape.items():
            if not isinstance(self._about.get(word), kind):
                raise self.damaged(f"{word!r} is missing")
        for name, row, state in rows.names(connection):
            if type(name) is not bytes or not name or state not in rows.STATES:
                raise self.damaged("a name or a state is of the wrong type")
            if state == rows.DONE:
                self.done[name] = row
            else:
                self.failed[name] = row, state
        if not self.done and not self.failed:  # nothing is held: it can be begun anew
            self.new = True
        elif not {"function", "library", "python"} <= self._about.keys():
            raise self.damaged("it does not say whose results it holds")

    def _describe_as(self, function: str, keyed: bool) -> None:
        self._about.update(
            function=function,
            keyed=int(keyed),
            library=__version__,
            python=PYTHON,
            format=self.format,
        )
        with self._lock:
            self._guarded(partial(rows.describe, about=self._about))
