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
    rows.create(made, {"key": b"k" * 16, "format": "pickle", "items": None})
    yield made
    made.close()


def held(connection: sqlite3.Connection) -> list[tuple[int, bytes, bool]]:
    """All results, read as a stream reads them."""
    found: list[tuple[int, bytes, bool]] = []
    while some := rows.read_results(connection, found[-1][0] if found else -1):
        found += some
    return found


def test_results_come_back_by_position(
    connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "READ_ITEMS", 7)
    given = [(item, b"digest", b"value %d" % item) for item in range(0, 60, 2)]
    rows.write_results(connection, given[::-1])
    assert held(connection) == [(item, value, True) for item, _, value in given]


@pytest.mark.parametrize("size", [0, 9, 10, 11, 20, 25])
def test_large_results_are_cut_and_joined(
    connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(rows, "PART_BYTES", 10)
    value = bytes(range(size))
    rows.write_results(connection, [(3, b"d", value)])
    assert held(connection) == [(3, value, True)]
    parts = connection.execute("SELECT count(*) FROM parts").fetchone()[0]
    assert parts == max(0, -(-size // 10) - 1)


def test_a_changed_result_is_told(connection: sqlite3.Connection) -> None:
    rows.write_results(connection, [(1, b"d", b"one"), (2, b"d", b"two")])
    connection.execute("UPDATE results SET value = ? WHERE item = 1", (b"two",))
    assert held(connection) == [(1, b"two", False), (2, b"two", True)]


def test_a_batch_that_fails_leaves_none_of_it(connection: sqlite3.Connection) -> None:
    rows.write_results(connection, [(1, b"d", b"one")])
    with pytest.raises(TypeError):
        rows.write_results(connection, [(2, b"d", b"two"), (3, b"d", "not bytes")])  # type: ignore[list-item]
    assert [item for item, _, _ in held(connection)] == [1]


def test_samples_are_replaced_whole(connection: sqlite3.Connection) -> None:
    rows.keep_samples(connection, {0: b"a", 5: b"b"})
    rows.keep_samples(connection, {1: b"c"})
    assert connection.execute("SELECT item, digest FROM samples").fetchall() == [(1, b"c")]
