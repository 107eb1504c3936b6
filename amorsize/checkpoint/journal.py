"""The journal of a run: which items are done, and what they gave; one SQLite file.

::

    results --pickle, digest--> pending --every 0.05 s, one transaction--> write-ahead log --> disk

A commit outlives the death of every process; a failing power supply may take what was committed in the
last second, until the next commit that waits for the disk. The file belongs to one run at a time:
its lock goes with the process, however that ends. No connection is open across a fork.

Results are read back by ``pickle``, which runs what it reads: only a file is opened that this user
alone could have written, and the same holds for the two files that SQLite keeps beside it.
"""

from __future__ import annotations

import os
import stat
import time
import weakref
from _thread import allocate_lock

from amorsize.errors import CheckpointError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator
    from typing import Any

APPLICATION_ID = 0x616D636A
"""Marks the file as ours ("amcj"), in bytes 68 to 71 of its header."""
SCHEMA = 1
FLUSH_SECONDS = 0.05
"""Results wait so long for others to share a transaction (0.03 to 0.1 ms)."""
FLUSH_ITEMS, FLUSH_BYTES = 10_000, 8 << 20
"""...or until so many, or so much, wait: memory stays bounded."""
SYNC_SECONDS = 0.8
"""A commit waits for the disk (4 ms) when the last that did is so old: a second is promised."""
PART_BYTES = 256 << 20
"""SQLite holds values of up to 1e9 bytes; larger results are cut."""
CHECKED_BYTES = 64 << 20
"""Journals up to this size are checked whole when they are opened (0.1 s); larger ones page by page, as
they are read."""
READ_ITEMS, READ_BYTES = 1_000, 8 << 20
"""Most of what a stream reads ahead from the journal."""
LOCKED_BYTE = 1 << 40
"""What Windows locks: far beyond what SQLite uses."""

_HEADER = b"SQLite format 3\0"

_TABLES = """
CREATE TABLE about(name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE results(item INTEGER PRIMARY KEY, digest BLOB, checksum INTEGER, value BLOB);
CREATE TABLE parts(item INTEGER, part INTEGER, value BLOB, PRIMARY KEY(item, part));
CREATE TABLE samples(item INTEGER PRIMARY KEY, digest BLOB);
"""


class Journal:
    """The file. Raises :class:`CheckpointError` for all that is wrong with it."""

    def __init__(self, path: str, format: str = "pickle") -> None:
        self.path, self.format = os.path.abspath(path), format
        self.done: dict[int, bytes] = {}
        """Positions whose results are held, with the digests of their items."""
        self.new = False
        self._connection: sqlite3.Connection | None = None
        self._lock = allocate_lock()
        self._pid = os.getpid()
        self._pending: list[tuple[int, bytes, bytes]] = []
        self._pending_bytes = 0
        self._flushed = self._synced = time.monotonic()
        self._unsynced = False
        """The file is new, and the disk may not have its beginning yet."""
        self._left: tuple[int, ...] = ()
        self.failure: CheckpointError | None = None
        self._file = -1
        self._dump, self._load = _codec(format)
        self._file = self._claim()
        try:
            with self._lock:
                self._guarded(self._begin)
        except BaseException:
            self.close()
            raise
        _open.add(self)

    # -- what the journal is of ------------------------------------------------------------------

    def bind(self, function: str, items: int | None) -> None:
        """Hold it to one function and length of data; refuse others. Where nothing is held, there is
        nothing to refuse."""
        from amorsize.version import __version__

        if self.new:
            with self._lock:
                self._guarded(lambda c: self._describe(c, function, items, __version__))
            return
        about = self._about
        if about["format"] != self.format:
            raise self.refused(
                f"holds results as {about['format']}, not {self.format}",
                f"say checkpoint_format={about['format']!r}, {_ANEW}",
            )
        if about["function"] != function:
            if about["function"].partition(SEED)[0] == function.partition(SEED)[0]:
                raise self.refused(
                    "holds results drawn with another seed",
                    f"give the seed it was begun with, {_ANEW}",
                )
            made = f"amorsize {about['library']} on Python {about['python']}"
            now = f"amorsize {__version__} on Python {_python()}"
            raise self.refused(
                "holds the results of another function: its code, or a value it refers to, is not "
                "what it was" + ("" if made == now else f" (written by {made}; this is {now})"),
                f"undo the change, {_ANEW}",
            )
        if items is not None and about["items"] is not None and about["items"] != items:
            raise self.refused(
                f"is for {about['items']} items, and there are {items} now",
                f"give it the data it was begun with, {_ANEW}",
            )
        if items is not None and self.done and max(self.done) >= items:
            raise self.changed(max(self.done), f"the data have only {items} items")

    @property
    def key(self) -> bytes:
        """Under which the function is hashed."""
        value = self._about["key"]
        assert isinstance(value, bytes)
        return value

    @property
    def items(self) -> int | None:
        """Number of items, once it is known."""
        value = self._about["items"]
        return value if isinstance(value, int) else None

    def ended(self, items: int) -> None:
        """The source has ended after so many items."""
        known = self.items
        if known is not None and known != items:
            raise self.refused(
                f"is for {known} items, and there were {items} now",
                f"give it the data it was begun with, {_ANEW}",
            )
        if known is None:
            self._about["items"] = items
            with self._lock:
                self._guarded(
                    lambda c: c.execute("UPDATE about SET value=? WHERE name='items'", (items,))
                )

    def samples(self) -> dict[int, bytes]:
        """Digests of some items as they were at the beginning."""
        with self._lock:
            rows = self._guarded(lambda c: c.execute("SELECT item, digest FROM samples").fetchall())
        return {int(item): bytes(digest) for item, digest in rows}

    def keep_samples(self, samples: dict[int, bytes]) -> None:
        """Remember them."""

        def write(connection: sqlite3.Connection) -> None:
            with _Transaction(connection):
                connection.execute("DELETE FROM samples")
                connection.executemany("INSERT INTO samples VALUES(?, ?)", list(samples.items()))

        with self._lock:
            self._guarded(write)

    def settle(self) -> None:
        """Everything is checked: no connection is open until there is something to write."""
        with self._lock:
            self._disconnect()

    def pause(self) -> None:
        """Give the file free, to go on later."""
        self.flush()
        self.close()
        try:
            self._left = _state(self.path)
        except OSError:
            self._left = ()

    def go_on(self) -> None:
        """Take the file again, after :meth:`pause`; nobody else may have changed it."""
        if self._file >= 0:
            return
        self._file = self._claim()
        _open.add(self)
        if _state(self.path) != self._left:
            self.close()
            raise self.refused(
                "was used by another run since the plan was made", "make the plan again"
            )

    # -- results in ------------------------------------------------------------------------------

    def add(self, item: int, digest: bytes, result: Any) -> None:
        """A result, to be written soon; it is pickled now."""
        try:
            value = self._dump(result)
        except Exception as error:
            way_out = "return what can be pickled, or leave the checkpoint out"
            if self.format == "json":
                way_out = "use checkpoint_format='pickle'"
            raise self.refused(
                f"cannot hold the result of item {item}, of type {type(result).__qualname__}, as "
                f"{self.format} ({type(error).__name__}: {error})",
                way_out,
            ) from error
        # Without the lock: a thread need not wait for another's commit.
        self._pending.append((item, digest, value))
        self._pending_bytes += len(value)

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
            with _Transaction(connection):
                connection.executemany(
                    "INSERT OR REPLACE INTO results VALUES(?, ?, ?, ?)",
                    [
                        (item, digest, _checksum(item, value), memoryview(value)[:PART_BYTES])
                        for item, digest, value in pending
                    ],
                )
                for item, _, value in pending:
                    for part, start in enumerate(range(PART_BYTES, len(value), PART_BYTES), 1):
                        connection.execute(
                            "INSERT OR REPLACE INTO parts VALUES(?, ?, ?)",
                            (item, part, memoryview(value)[start : start + PART_BYTES]),
                        )
        finally:
            if sync:
                connection.execute("PRAGMA synchronous=NORMAL")
        del self._pending[: len(pending)]
        self._pending_bytes = 0
        self._flushed = time.monotonic()
        if sync:
            self._synced = self._flushed

    # -- results out -----------------------------------------------------------------------------

    def results(self) -> Iterator[tuple[int, Any]]:
        """All that is held, by position; a few are read ahead."""
        position = -1
        while True:
            after = position

            def read(connection: sqlite3.Connection, after: int = after) -> list[Any]:
                rows: list[Any] = []
                size = 0
                for item, checksum, value in connection.execute(
                    "SELECT item, checksum, value FROM results WHERE item > ? ORDER BY item",
                    (after,),
                ):
                    if len(value) == PART_BYTES:
                        rest = connection.execute(
                            "SELECT value FROM parts WHERE item=? ORDER BY part", (item,)
                        )
                        value = b"".join([value, *(part for (part,) in rest)])
                    rows.append((item, checksum, value))
                    size += len(value)
                    if len(rows) >= READ_ITEMS or size >= READ_BYTES:
                        break
                return rows

            with self._lock:
                rows = self._guarded(read)
            if not rows:
                return
            for item, checksum, value in rows:
                position = item
                if item not in self.done:
                    continue  # written by this run
                if _checksum(item, value) != checksum:
                    raise self.damaged(f"the result of item {item} is not what was written")
                try:
                    result = self._load(value)
                except Exception as error:
                    raise self.refused(
                        f"holds a result of item {item} that cannot be read back "
                        f"({type(error).__name__}: {error})",
                        f"make what it needs importable, {_ANEW}",
                    ) from error
                yield item, result

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

    def changed(self, item: int, how: str = "it is not the item it was") -> CheckpointError:
        """The data are not those that the journal was begun with."""
        return self.refused(
            f"was begun with other data: item {item}: {how}",
            f"give it the same data in the same order, {_ANEW}",
        )

    # -- the file --------------------------------------------------------------------------------

    def close(self) -> None:
        """Give the file free. What waits must have been flushed."""
        file, self._file = self._file, -1
        if file < 0:
            return
        _open.discard(self)
        if self._pid == os.getpid():
            with self._lock:
                self._disconnect()
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

    def _claim(self) -> int:
        """Open the file and lock it; it is this user's own, and a journal or empty."""
        path = self.path
        _check_directory(self, os.path.dirname(path))
        flags = os.O_RDWR | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)
        try:
            file = os.open(path, flags | getattr(os, "O_NONBLOCK", 0) | os.O_CREAT, 0o600)
        except OSError as error:
            raise self._unopened(error) from error
        try:
            status = os.fstat(file)
            if not stat.S_ISREG(status.st_mode):
                raise self.refused("is not a regular file", "name another path")
            if hasattr(os, "geteuid") and status.st_uid != os.geteuid():
                raise self.refused("belongs to another user", "use a file of your own")
            if os.name == "posix" and status.st_mode & 0o022:
                raise self.refused(
                    "can be written by others, and results are unpickled from it",
                    "chmod go-w it if you trust what it holds, or name another path",
                )
            _lock_file(self, file)
            # Only now nobody else is writing it.
            header = os.pread(file, 100, 0) if hasattr(os, "pread") else _head(path)
            ours = header[68:72] == APPLICATION_ID.to_bytes(4, "big")
            if header and not (header.startswith(_HEADER) and ours):
                raise self.refused(
                    "is no checkpoint of amorsize, and is left as it is", "name another path"
                )
            here = os.stat(path, follow_symlinks=False)
            if (here.st_dev, here.st_ino) != (os.fstat(file).st_dev, os.fstat(file).st_ino):
                raise self.refused("was replaced while it was opened", "try again")
        except BaseException:
            os.close(file)
            raise
        return file

    def _unopened(self, error: OSError) -> CheckpointError:
        import errno

        if os.path.islink(self.path):
            return self.refused("is a symbolic link", "name the file itself")
        if error.errno == errno.EISDIR:
            return self.refused("is a directory", "name a file in it")
        return self.refused(
            f"cannot be opened for writing: {error.strerror}", "name another path, or make room"
        )

    def _companions(self) -> None:
        """The write-ahead log and the rollback journal, which SQLite takes as its own whoever made
        them: ours, before it looks, so that nobody else can put one there."""
        for suffix in ("-wal", "-journal"):
            path = self.path + suffix
            flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)
            flags |= getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
            try:
                file = os.open(path, flags, 0o600)
            except OSError as error:
                raise self.refused(
                    f"cannot be used: {path} cannot be opened ({error.strerror})",
                    "name another path",
                ) from error
            try:
                status = os.fstat(file)
                mine = not hasattr(os, "geteuid") or status.st_uid == os.geteuid()
                closed = os.name != "posix" or not status.st_mode & 0o022
                if not (mine and closed and stat.S_ISREG(status.st_mode)):
                    raise self.refused(
                        f"cannot be used: {path} could be written by others", "name another path"
                    )
            finally:
                os.close(file)

    def _connected(self) -> sqlite3.Connection:
        if self._connection is None:
            import sqlite3

            if self._file < 0:
                raise self.refused("is closed", "start the run again")
            self._companions()
            self._connection = connection = sqlite3.connect(
                self.path, timeout=0.0, isolation_level=None, check_same_thread=False
            )
            # Alone with the file: no shared memory file, and nobody between two transactions.
            connection.execute("PRAGMA locking_mode=EXCLUSIVE")
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.execute("PRAGMA trusted_schema=OFF")
        return self._connection

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.close()
            except Exception:  # a full disk: the write-ahead log stays, and holds everything
                pass

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
        name = getattr(error, "sqlite_errorname", "") or ""
        if isinstance(error, (ValueError, TypeError)) or name.startswith(_BROKEN):
            return self.damaged(ascii(str(error))[1:-1])  # it may quote what is in the file
        if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            return _in_use(self)
        if name.startswith("SQLITE_FULL"):
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
        self._about: dict[str, Any] = {"key": os.urandom(16), "format": self.format, "items": None}
        with _Transaction(connection):
            connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version={SCHEMA}")
            for statement in _TABLES.strip().split("\n"):
                connection.execute(statement)
            connection.executemany("INSERT INTO about VALUES(?, ?)", list(self._about.items()))
        connection.execute("PRAGMA journal_mode=WAL")

    def _read(self, connection: sqlite3.Connection) -> None:
        schema = connection.execute("PRAGMA user_version").fetchone()[0]
        if schema > SCHEMA:
            raise self.refused(
                "was written by a newer amorsize", "upgrade amorsize, or name another path"
            )
        if os.fstat(self._file).st_size <= CHECKED_BYTES:
            found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            if found != "ok":
                raise self.damaged(ascii(str(found))[1:-1])
        self._about = dict(connection.execute("SELECT name, value FROM about"))
        shape = {"key": bytes, "format": str, "items": (int, type(None))}
        for name, kinds in shape.items():
            if name not in self._about or not isinstance(self._about[name], kinds):  # type: ignore[arg-type]
                raise self.damaged(f"{name!r} is missing")
        rows = connection.execute("SELECT item, digest FROM results").fetchall()
        for item, digest in rows:
            if type(item) is not int or item < 0 or type(digest) is not bytes:
                raise self.damaged("a position or a digest is of the wrong type")
        self.done = dict(rows)
        if not rows:  # nothing is held: it can be begun anew
            self.new = True
        elif not {"function", "library", "python"} <= self._about.keys():
            raise self.damaged("it does not say whose results it holds")

    def _describe(
        self, connection: sqlite3.Connection, function: str, items: int | None, library: str
    ) -> None:
        self._about.update(
            function=function, items=items, library=library, python=_python(), format=self.format
        )
        with _Transaction(connection):
            connection.executemany(
                "INSERT OR REPLACE INTO about VALUES(?, ?)", list(self._about.items())
            )


_BROKEN = ("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_ERROR", "SQLITE_MISMATCH")
SEED = " seed "
"""Between the hash of a function and the seed of its items: another seed gives other results."""
_ANEW = "or remove the file (or name another) to begin anew"


class _Transaction:
    """All or nothing, whatever raises in between."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection

    def __enter__(self) -> None:
        self.connection.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            if kind is None:
                self.connection.execute("COMMIT")
        finally:
            if self.connection.in_transaction:
                try:
                    self.connection.execute("ROLLBACK")
                except Exception:  # SQLite has done it already
                    pass


def _codec(format: str) -> tuple[Callable[[Any], bytes], Callable[[bytes], Any]]:
    """What turns results into bytes, and back."""
    if format == "json":
        from json import dumps, loads

        def to_json(value: Any) -> bytes:
            text = dumps(value)
            if repr(loads(text)) != repr(value):
                raise ValueError("JSON would change it")
            return text.encode("utf-8", "surrogatepass")

        return to_json, lambda data: loads(data.decode("utf-8", "surrogatepass"))
    import pickle

    from amorsize.backends.processes import protocol as wire

    return lambda value: wire.dumps(value, None), pickle.loads


def _checksum(item: int, value: Any) -> int:
    from zlib import crc32

    return crc32(value, item & 0xFFFFFFFF)


def _state(path: str) -> tuple[int, ...]:
    """Differs when somebody has written the file."""
    status = os.stat(path)
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _python() -> str:
    import sys

    return ".".join(map(str, sys.version_info[:3]))


def _head(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read(100)


# -- who may write where -----------------------------------------------------------------------------


def _check_directory(journal: Journal, directory: str) -> None:
    """Others must not be able to replace a file in it."""
    try:
        status = os.stat(directory)
    except OSError as error:
        raise journal.refused(
            f"cannot be opened: {directory}: {error.strerror}", "make the directory first"
        ) from error
    if os.name != "posix":
        return
    owner = status.st_uid
    if os.geteuid() and owner not in (0, os.geteuid()):
        raise journal.refused(
            "is in a directory of another user, and results are unpickled from it",
            "use a directory of your own",
        )
    if status.st_mode & 0o002 and not status.st_mode & stat.S_ISVTX:
        raise journal.refused(
            "is in a directory that everybody can write, and results are unpickled from it",
            "use a directory of your own",
        )


def _lock_file(journal: Journal, file: int) -> None:
    """One run at a time. The lock is of the open file: it ends with the last process that has it."""
    try:
        import fcntl
    except ImportError:  # Windows, untested
        from importlib import import_module

        locks: Any = import_module("msvcrt")
        os.lseek(file, LOCKED_BYTE, os.SEEK_SET)
        try:
            locks.locking(file, locks.LK_NBLCK, 1)
        except OSError:
            raise _in_use(journal) from None
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise _in_use(journal) from None
    except OSError:  # a file system without locks: SQLite's own will say
        return


def _in_use(journal: Journal) -> CheckpointError:
    return journal.refused(
        "is in use by another run",
        "wait for that run or end it, or name another path",
    )


# -- forks -------------------------------------------------------------------------------------------

_open: weakref.WeakSet[Journal] = weakref.WeakSet()
_held: list[Journal] = []
"""Journals whose lock is held across the fork that is going on."""


def _before_fork() -> None:
    for journal in list(_open):
        journal._lock.acquire()
        _held.append(journal)
        journal._disconnect()


def _after_in_parent() -> None:
    while _held:
        _held.pop()._lock.release()


def _after_in_child() -> None:
    """The journal stays the parent's: the child lets go of the lock's file."""
    while _held:
        journal = _held.pop()
        journal._lock.release()
        file, journal._file = journal._file, -1
        _open.discard(journal)
        if file >= 0:
            os.close(file)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork, after_in_parent=_after_in_parent, after_in_child=_after_in_child
    )
