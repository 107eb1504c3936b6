"""The tables of a journal, without a run around them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from amorsize.checkpoint import rows


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    made = sqlite3.connect(tmp_path / "file", isolation_level=None)
    rows.create(made, {"key": b"k" * 16, "format": "pickle", "keyed": 0})
    yield made
    made.close()


def row(number: int, value: bytes, state: int = rows.DONE) -> rows.Row:
    """What is written of an item."""
    return b"name %d" % number, state, number, None, None, value


def held(connection: sqlite3.Connection) -> list[tuple[bytes, int, str | None, bytes, bool]]:
    """All results, read as a stream reads them."""
    wanted = [number for _, number, _ in rows.names(connection)]
    found: list[tuple[bytes, int, str | None, bytes, bool]] = []
    while some := rows.read_results(connection, wanted[len(found) :]):
        found += some
    return found


def test_results_come_back_as_they_are_asked_for(
    connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "READ_ITEMS", 7)
    given = [row(number, b"value %d" % number) for number in range(30)]
    rows.write_results(connection, given)
    assert held(connection) == [(one[0], rows.DONE, None, one[5], True) for one in given]


@pytest.mark.parametrize("size", [0, 9, 10, 11, 20, 25])
def test_large_results_are_cut_and_joined(
    connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(rows, "PART_BYTES", 10)
    value = bytes(range(size))
    rows.write_results(connection, [row(3, value)])
    assert [one[3:] for one in held(connection)] == [(value, True)]
    parts = connection.execute("SELECT count(*) FROM parts").fetchone()[0]
    assert parts == max(0, -(-size // 10) - 1)
    rows.remove(connection, [number for _, number, _ in rows.names(connection)])
    assert connection.execute("SELECT count(*) FROM parts").fetchone()[0] == 0


def test_a_changed_result_is_told(connection: sqlite3.Connection) -> None:
    rows.write_results(connection, [row(1, b"one"), row(2, b"two")])
    connection.execute("UPDATE results SET value = ? WHERE position = 1", (b"two",))
    assert [one[3:] for one in held(connection)] == [(b"two", False), (b"two", True)]
    connection.execute("UPDATE results SET state = 2 WHERE position = 2")
    assert [one[4] for one in held(connection)] == [False, False]


def test_a_batch_that_fails_leaves_none_of_it(connection: sqlite3.Connection) -> None:
    rows.write_results(connection, [row(1, b"one")])
    with pytest.raises(TypeError):
        rows.write_results(connection, [row(2, b"two"), row(3, "not bytes")])  # type: ignore[arg-type]
    assert [name for name, *_ in held(connection)] == [b"name 1"]


def test_a_result_takes_the_place_of_a_failure(connection: sqlite3.Connection) -> None:
    rows.write_results(connection, [row(1, b"", rows.FAILED), row(2, b"two")])
    ((_, failed, _), _) = rows.names(connection)
    rows.write_results(connection, [row(1, b"one")], [failed])
    found = {name: (state, value) for name, state, _, value, _ in held(connection)}
    assert found == {b"name 1": (rows.DONE, b"one"), b"name 2": (rows.DONE, b"two")}


def test_many_are_written_at_once(connection: sqlite3.Connection) -> None:
    given = [row(number, b"%d" % number) for number in range(2 * rows.WRITE_ITEMS + 1)]
    rows.write_results(connection, given)
    assert [value for _, _, _, value, _ in held(connection)] == [one[5] for one in given]
