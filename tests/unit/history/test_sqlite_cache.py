"""The short way to the history: its runs are not lost, whatever is killed or damaged."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support import ROOT

from amorsize.core.frozen import replace
from amorsize.core.model import Config
from amorsize.history import HistoryUnavailable, open_history
from amorsize.history.sqlite import SqliteHistory
from amorsize.history.sqlite_cache import MOST_SPOOL_BYTES, SLOT_BYTES, SLOTS, SPOOL_BYTES, Quick
from amorsize.testing.history_contract import observation

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def quick(tmp_path: Path) -> Quick:
    open_history(tmp_path / "h.sqlite").close()
    return Quick(str(tmp_path / "h.sqlite"))


def numbered(number: int, **changes: object) -> object:
    return replace(observation(number), id=f"{number:032x}", **changes)  # type: ignore[arg-type]


def test_what_was_recorded_is_recalled_and_in_the_database(quick: Quick) -> None:
    ones = [numbered(i, config=Config("threads", 2 + i)) for i in range(3)]
    for one in ones:
        assert quick.record(one)
    assert quick.recall(ones[0].fingerprint) == ones[::-1]
    assert quick.recall("ff" * 16) == []
    with SqliteHistory(quick.path) as history:
        assert list(history.read()) == ones
        assert not quick.waits()
        history.clear()
    assert Quick(quick.path).recall(ones[0].fingerprint) == []


def test_two_of_a_configuration_are_kept_and_all_fit(quick: Quick) -> None:
    for number in range(40):
        assert quick.record(numbered(number, config=Config("threads", 1 + number % 12)))
    kept = quick.recall(observation().fingerprint)
    assert kept[0] == numbered(39, config=Config("threads", 4))
    assert 3 <= len(kept) <= 16
    assert os.stat(quick.recall_path).st_size <= (SLOTS + 1) * SLOT_BYTES


def test_another_database_is_not_answered_for(quick: Quick) -> None:
    quick.record(numbered(1))
    os.unlink(quick.path)
    open_history(quick.path).close()
    fresh = Quick(quick.path)
    assert fresh.recall(observation().fingerprint) == []
    os.unlink(quick.path)
    assert Quick(quick.path).key is None
    assert not Quick(quick.path).record(numbered(2))


def test_runs_before_the_database_are_not_lost(tmp_path: Path) -> None:
    path = str(tmp_path / "new" / "h.sqlite")
    first, second = Quick(path), Quick(path)
    key = first.begin()
    assert key is not None
    assert second.begin() == key
    assert first.record(numbered(1))
    assert second.record(numbered(2))
    with SqliteHistory(path) as history:
        assert history.key == key
        assert [one.items for one in history.read()] == [1001, 1002]
    assert [one.items for one in Quick(path).recall(observation().fingerprint)] == [1002, 1001]
    assert Quick(path).begin() is None
    assert sorted(os.listdir(tmp_path / "new")) == ["h.sqlite", "h.sqlite.recall"]


def test_damage_costs_no_more_than_what_it_hit(quick: Quick) -> None:
    for number in range(4):
        quick.record(numbered(number))
    with open(quick.spool_path, "r+b") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(size // 4 - 40)
        file.write(b"\xff" * 8)  # in the first
        file.seek(size - 7)
        file.truncate()  # the last one half-written
    quick.record(numbered(9))
    with open(quick.recall_path, "r+b") as file:
        file.seek(SLOT_BYTES + int(observation().fingerprint[:8], 16) % SLOTS * SLOT_BYTES + 30)
        file.write(b"\0" * 16)
    assert len(quick.recall(observation().fingerprint)) == 3  # the newest was hit
    with SqliteHistory(quick.path) as history:
        assert [one.items for one in history.read()] == [1001, 1002, 1009]
        assert history.check() == []


def test_files_that_others_could_write_are_not_trusted(quick: Quick) -> None:
    quick.record(numbered(1))
    os.chmod(quick.recall_path, 0o666)
    assert Quick(quick.path).key is None
    if os.geteuid() == 0:
        os.chmod(quick.recall_path, 0o600)
        os.chown(quick.recall_path, 12345, -1)
        assert Quick(quick.path).key is None


def test_a_full_spool_is_told_and_a_huge_one_refused(quick: Quick) -> None:
    for size in (SPOOL_BYTES + 1, MOST_SPOOL_BYTES + 1):
        with open(quick.spool_path, "wb") as file:
            file.truncate(size)
        os.chmod(quick.spool_path, 0o600)
        if size > MOST_SPOOL_BYTES:
            with pytest.raises(HistoryUnavailable, match="full"):
                quick.record(numbered(1))
        else:
            assert quick.record(numbered(1))
            assert quick.is_full


WRITER = """
import sys
from amorsize.history.sqlite_cache import Quick
from amorsize.testing.history_contract import observation
from amorsize.core.frozen import replace
quick, who, count = Quick(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
from amorsize.history import HistoryUnavailable, open_history
for number in range(count):
    one = replace(observation(number), id=f"{who:016x}{number:016x}")
    assert quick.record(one)
    if quick.is_full:
        try:
            open_history(sys.argv[1]).close()
        except HistoryUnavailable:
            pass
    print(number, flush=True)
"""


def test_sixteen_processes_leave_every_run(quick: Quick) -> None:
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, quick.path, str(who), "500"],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
        )
        for who in range(16)
    ]
    with SqliteHistory(quick.path) as history:
        for writer in writers:
            writer.wait()
        assert [writer.wait() for writer in writers] == [0] * 16
        assert history.stats().rows == 8_000
        assert history.check() == []


def test_kills_lose_only_what_was_being_written(quick: Quick) -> None:
    expected = 0
    for who in range(25):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, quick.path, str(who), "100000"],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        ) as writer:
            assert writer.stdout is not None
            for _ in range(1 + 3 * who):
                line = writer.stdout.readline()
            writer.send_signal(signal.SIGKILL)
            last = [int(line), *map(int, writer.stdout.read().split())][-1]
        expected += last + 1
        with SqliteHistory(quick.path) as history:
            assert history.check() == []
            rows = history.stats().rows
        assert expected <= rows <= expected + 1
        expected = rows
