"""One SQLite file: its connection, its transactions, and what its errors mean."""

from __future__ import annotations

import os
import sqlite3
import threading
from pathlib import Path

import pytest
from support.histories import exit_code, forked

from amorsize.storage.sqlite_file import (
    BUSY,
    DAMAGED,
    OTHER,
    UNEXPECTED,
    SqliteFile,
    Transaction,
    meaning,
)


class Numbers(SqliteFile):
    """A table of numbers; notes what is left to the parent of a fork."""

    def __init__(self, path: Path) -> None:
        self.opened = 0
        self.left = False
        super().__init__(str(path))

    def _check_files(self) -> None:
        self.opened += 1

    def _set_up(self, connection: sqlite3.Connection) -> None:
        connection.execute("CREATE TABLE IF NOT EXISTS numbers(value INTEGER)")

    def _leave_to_parent(self) -> None:
        self.left = True

    def add(self, *values: int) -> None:
        with self._lock, Transaction(self._connected()) as _:
            self._connected().executemany(
                "INSERT INTO numbers VALUES(?)", [(value,) for value in values]
            )

    def read(self) -> list[int]:
        with self._lock:
            return [row[0] for row in self._connected().execute("SELECT value FROM numbers")]


def test_it_connects_once_and_again_after_a_disconnect(tmp_path: Path) -> None:
    file = Numbers(tmp_path / "file")
    assert file.opened == 0
    file.add(1)
    file.add(2)
    assert file.read() == [1, 2] and file.opened == 1
    file._disconnect()
    file._disconnect()
    assert file.read() == [1, 2] and file.opened == 2


def test_a_set_up_that_fails_leaves_no_connection(tmp_path: Path) -> None:
    class Broken(Numbers):
        def _set_up(self, connection: sqlite3.Connection) -> None:
            raise ValueError("no")

    file = Broken(tmp_path / "file")
    with pytest.raises(ValueError, match="no"):
        file.read()
    assert file._connection is None


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, sqlite3.OperationalError])
def test_a_transaction_is_all_or_nothing(tmp_path: Path, error: type[BaseException]) -> None:
    file = Numbers(tmp_path / "file")
    file.add(1)
    connection = file._connected()

    def fail() -> None:
        with Transaction(connection):
            connection.execute("DELETE FROM numbers")
            connection.execute("INSERT INTO numbers VALUES(9)")
            raise error

    with pytest.raises(error):
        fail()
    assert file.read() == [1] and not connection.in_transaction


def test_a_transaction_keeps_other_writers_out(tmp_path: Path) -> None:
    one, other = Numbers(tmp_path / "file"), Numbers(tmp_path / "file")
    one.read()
    other.read()
    with Transaction(one._connected()), pytest.raises(sqlite3.OperationalError) as caught:
        other.add(1)
    assert meaning(caught.value) == BUSY
    other.add(1)


def test_errors_have_a_meaning(tmp_path: Path) -> None:
    garbage = tmp_path / "garbage"
    garbage.write_bytes(b"not a database" * 100)
    with pytest.raises(sqlite3.DatabaseError) as damaged:
        Numbers(garbage).read()
    assert meaning(damaged.value) == DAMAGED
    with pytest.raises(sqlite3.OperationalError) as unexpected:
        Numbers(tmp_path / "file")._connected().execute("SELECT value FROM letters")
    assert meaning(unexpected.value) == UNEXPECTED
    assert meaning(ValueError("none of SQLite's")) == OTHER


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no forks here")
def test_no_connection_is_open_across_a_fork(tmp_path: Path) -> None:
    file = Numbers(tmp_path / "file")
    file.add(1)
    parents = file._connection

    def in_child() -> None:
        assert file._connection is None and file.left
        file.add(2)
        assert file._connection is not parents

    assert exit_code(forked(in_child)) == 0
    assert file._connection is None and not file.left
    assert file.read() == [1, 2]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no forks here")
def test_a_fork_waits_for_the_call_of_another_thread(tmp_path: Path) -> None:
    """Else the child would inherit a lock that no thread of its own could release."""
    file = Numbers(tmp_path / "file")
    file.add(1)
    inside, done = threading.Event(), threading.Event()

    def call() -> None:
        with file._lock, Transaction(file._connected()):
            inside.set()
            assert not done.wait(0.2), "the fork came before the end of the call"
            file._connected().execute("INSERT INTO numbers VALUES(2)")

    thread = threading.Thread(target=call)
    thread.start()
    inside.wait()

    def in_child() -> None:
        assert file.read() == [1, 2]

    pid = forked(in_child)
    done.set()
    thread.join()
    assert exit_code(pid) == 0
