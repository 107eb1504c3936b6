"""The short way to the history: its runs are not lost, whatever is killed or damaged."""

from __future__ import annotations

import os
import signal
from functools import partial
from pathlib import Path

import pytest
from support.histories import exit_code, forked

from amorsize.core.frozen import replace
from amorsize.core.model import Config
from amorsize.core.places import is_known_long
from amorsize.history import HistoryUnavailable, open_history
from amorsize.history.sqlite import SqliteHistory
from amorsize.history.sqlite_cache import (
    ERRORS,
    MOST_SPOOL_BYTES,
    SLOT_BYTES,
    SLOTS,
    SPOOL_BYTES,
    SqliteCache,
)
from amorsize.testing.history_contract import observation

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def cache(tmp_path: Path) -> SqliteCache:
    open_history(tmp_path / "h.sqlite").close()
    return SqliteCache(str(tmp_path / "h.sqlite"))


def numbered(number: int, **changes: object) -> object:
    return replace(observation(number), **{"id": f"{number:032x}", **changes})  # type: ignore[arg-type]


def test_what_was_recorded_is_recalled_and_in_the_database(cache: SqliteCache) -> None:
    ones = [numbered(i, config=Config("threads", 2 + i)) for i in range(3)]
    for one in ones:
        assert cache.record(one)
    assert cache.recall(ones[0].fingerprint) == ones[::-1]
    assert cache.recall("ff" * 16) == []
    with SqliteHistory(cache.path) as history:
        assert list(history.read()) == ones
        assert not cache.waits()
        history.clear()
    assert SqliteCache(cache.path).recall(ones[0].fingerprint) == []


def test_two_of_a_configuration_are_kept_and_all_fit(cache: SqliteCache) -> None:
    for number in range(40):
        assert cache.record(numbered(number, config=Config("threads", 1 + number % 12)))
    kept = cache.recall(observation().fingerprint)
    assert kept[0] == numbered(39, config=Config("threads", 4))
    assert 3 <= len(kept) <= 16
    assert os.stat(cache.recall_path).st_size <= (SLOTS + 1) * SLOT_BYTES


def test_functions_with_long_items_are_known_before_anything_is_read(cache: SqliteCache) -> None:
    def long(number: int) -> int:
        return number + 1

    def short(number: int) -> int:
        return number + 2

    cache.mark_long(len)  # has no code: nothing to know it by
    cache.mark_long(partial(long, 1))
    for history in (cache.path, f"sqlite:///{cache.path}", Path(cache.path)):
        assert is_known_long(long, history) and is_known_long(partial(long), history)
        assert not is_known_long(short, history) and not is_known_long(len, history)
    for none in (None, ":memory:", "postgresql://host/database", cache.path + ".not", "a\0b"):
        assert not is_known_long(long, none)
    one = numbered(1)
    assert cache.record(one) and cache.recall(one.fingerprint) == [one]  # no slot was touched
    with SqliteHistory(cache.path) as history:
        history.clear()
    assert not is_known_long(long, cache.path)


def test_errors_of_forecasts_are_kept_beside_the_slots(cache: SqliteCache) -> None:
    assert cache.errors() == ((), ())
    one = numbered(1)
    assert cache.record(one)
    for number in range(1, 1_000):
        cache.note_error(number / 8, first=False)
    for bad in (0.0, float("nan"), float("inf"), -1e9):
        cache.note_error(bad, first=True)
    cache.note_error(-0.5, first=True)
    known, first = SqliteCache(cache.path).errors()
    assert first == (-0.5,)
    assert 100 < len(known) <= ERRORS and set(known) <= {n / 8 for n in range(1, 1_000)}
    assert sum(known) / len(known) > 90  # newer ones have taken the places of older ones
    assert cache.recall(one.fingerprint) == [one] and cache.key is not None
    with SqliteHistory(cache.path) as history:
        history.clear()
    assert SqliteCache(cache.path).errors() == ((), ())


def test_another_database_is_not_answered_for(cache: SqliteCache) -> None:
    cache.record(numbered(1))
    os.unlink(cache.path)
    open_history(cache.path).close()
    fresh = SqliteCache(cache.path)
    assert fresh.recall(observation().fingerprint) == []
    os.unlink(cache.path)
    assert SqliteCache(cache.path).key is None
    assert not SqliteCache(cache.path).record(numbered(2))


def test_runs_before_the_database_are_not_lost(tmp_path: Path) -> None:
    path = str(tmp_path / "new" / "h.sqlite")
    first, second = SqliteCache(path), SqliteCache(path)
    key = first.begin()
    assert key is not None
    assert second.begin() == key
    assert first.record(numbered(1))
    assert second.record(numbered(2))
    with SqliteHistory(path) as history:
        assert history.key == key
        assert [one.items for one in history.read()] == [1001, 1002]
    assert [one.items for one in SqliteCache(path).recall(observation().fingerprint)] == [
        1002,
        1001,
    ]
    assert SqliteCache(path).begin() is None
    assert sorted(os.listdir(tmp_path / "new")) == ["h.sqlite", "h.sqlite.recall"]


def test_damage_costs_no_more_than_what_it_hit(cache: SqliteCache) -> None:
    for number in range(4):
        cache.record(numbered(number))
    with open(cache.spool_path, "r+b") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(size // 4 - 40)
        file.write(b"\xff" * 8)  # in the first
        file.seek(size - 7)
        file.truncate()  # the last one half-written
    cache.record(numbered(9))
    with open(cache.recall_path, "r+b") as file:
        file.seek(SLOT_BYTES + int(observation().fingerprint[:8], 16) % SLOTS * SLOT_BYTES + 30)
        file.write(b"\0" * 16)
    assert len(cache.recall(observation().fingerprint)) == 4  # the newest was hit
    with SqliteHistory(cache.path) as history:
        assert [one.items for one in history.read()] == [1001, 1002, 1009]
        assert history.check() == []


def test_a_system_without_pwrite_leaves_the_slots_alone(
    cache: SqliteCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows has none, and may find the files of a history that was begun on Linux."""
    run = numbered(1, config=Config("threads", 2))
    assert cache.record(run)
    monkeypatch.delattr(os, "pwrite")
    cache.remember(numbered(2, config=Config("threads", 3)))
    cache.note_error(0.5, first=True)
    monkeypatch.undo()
    assert cache.recall(run.fingerprint) == [run]


def test_files_that_others_could_write_are_not_trusted(cache: SqliteCache) -> None:
    cache.record(numbered(1))
    os.chmod(cache.recall_path, 0o666)
    assert SqliteCache(cache.path).key is None
    if os.geteuid() == 0:
        os.chmod(cache.recall_path, 0o600)
        os.chown(cache.recall_path, 12345, -1)
        assert SqliteCache(cache.path).key is None


def test_a_full_spool_is_told_and_a_huge_one_refused(cache: SqliteCache) -> None:
    for size in (SPOOL_BYTES + 1, MOST_SPOOL_BYTES + 1):
        with open(cache.spool_path, "wb") as file:
            file.truncate(size)
        os.chmod(cache.spool_path, 0o600)
        if size > MOST_SPOOL_BYTES:
            with pytest.raises(HistoryUnavailable, match="full"):
                cache.record(numbered(1))
        else:
            assert cache.record(numbered(1))
            assert cache.is_full


def write(path: str, who: int, count: int, pipe: int | None = None) -> None:
    """Record runs in a forked process; each one's number goes into the pipe afterwards."""
    cache = SqliteCache(path)
    for number in range(count):
        assert cache.record(numbered(number, id=f"{who:016x}{number:016x}"))
        if cache.is_full:
            try:
                open_history(path).close()
            except HistoryUnavailable:
                pass
        if pipe is not None:
            os.write(pipe, number.to_bytes(8, "little"))


def test_sixteen_processes_leave_every_run(cache: SqliteCache) -> None:
    """Together they fill the spool several times."""
    runs = 200
    writers = [forked(write, cache.path, who, runs) for who in range(16)]
    with SqliteHistory(cache.path) as history:
        assert [exit_code(writer) for writer in writers] == [0] * 16
        assert history.stats().rows == 16 * runs
        assert history.check() == []


def test_kills_lose_only_what_was_being_written(cache: SqliteCache) -> None:
    expected = 0
    for who in range(25):
        read, end = os.pipe()
        writer = forked(write, cache.path, who, 100_000, end)
        os.close(end)
        told = b""
        for _ in range(1 + 3 * who):
            told = os.read(read, 8)
        os.kill(writer, signal.SIGKILL)
        assert exit_code(writer) == -signal.SIGKILL
        while piece := os.read(read, 65_536):
            told = piece[-8:]
        os.close(read)
        expected += int.from_bytes(told, "little") + 1
        with SqliteHistory(cache.path) as history:
            assert history.check() == []
            rows = history.stats().rows
        assert expected <= rows <= expected + 1
        expected = rows
