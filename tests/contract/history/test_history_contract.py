"""Both histories keep the contract, and the row and line formats are what SCHEMA says they are."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from amorsize.core.observation import (
    NUMBERS,
    SCHEMA,
    TEXTS,
    from_line,
    pack,
    texts,
    to_line,
    unpack,
)
from amorsize.history.base import History
from amorsize.history.memory import MemoryHistory
from amorsize.history.sqlite import SqliteHistory
from amorsize.testing.history_contract import HistoryContract, observation

pytestmark = pytest.mark.timeout(60)


class TestMemory(HistoryContract):
    def make(self, tmp_path: Path, max_rows: int = 20_000) -> History:
        return MemoryHistory(max_rows)


class TestSqlite(HistoryContract):
    shared = True

    def make(self, tmp_path: Path, max_rows: int = 20_000) -> History:
        return SqliteHistory(str(tmp_path / "history.sqlite"), max_rows=max_rows)


def test_a_change_of_the_fields_needs_a_new_schema() -> None:
    """Whoever changes a record must raise SCHEMA; then put the new digest here."""
    layout = hashlib.sha256(" ".join((*NUMBERS, "|", *TEXTS)).encode()).hexdigest()[:16]
    assert {1: "e558d2bf4eb71efc", 2: "2418308769bddeba", 3: "3a884348327701ee"}[SCHEMA] == layout


@pytest.mark.parametrize("number", range(4))
def test_rows_and_lines_lose_nothing(number: int) -> None:
    one = observation(number)
    assert unpack(pack(one), texts(one)) == one
    named = unpack(
        pack(one),
        tuple(
            "ab" * 16 if name == "id" else word
            for name, word in zip(TEXTS, texts(one), strict=True)
        ),
    )
    assert from_line(to_line(named)) == named
