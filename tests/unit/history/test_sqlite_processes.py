"""Many processes share a history: they record at once, are killed, and fork."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import pytest
from support.histories import exit_code, forked

from amorsize.history.sqlite import SqliteHistory
from amorsize.testing.history_contract import observation

pytestmark = [pytest.mark.timeout(120), pytest.mark.skipif(os.name != "posix", reason="posix only")]


# ---------------------------------------------------------------------- many processes


def test_sixteen_processes_record_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # On a busy machine the one that holds the file may wait for a core longer than runs are patient.
    monkeypatch.setattr("amorsize.history.sqlite_file.QUEUE_SECONDS", 40.0)
    path = str(tmp_path / "state" / "history.sqlite")

    def work(process: int) -> None:
        history = SqliteHistory(path, patience_seconds=20.0)
        for n in range(150):
            assert history.add([observation(1000 * process + n)]) == 1

    codes = [exit_code(pid) for pid in [forked(work, process) for process in range(16)]]
    assert codes == [0] * 16
    with SqliteHistory(path) as history:
        found = [one.items - 1000 for one in history.read()]
        assert sorted(found) == [1000 * process + n for process in range(16) for n in range(150)]
        for process in range(16):  # each process's own rows in its order
            own = [n for n in found if n // 1000 == process]
            assert own == sorted(own)
        assert history.check() == []


def test_two_hundred_kills_lose_only_unfinished_runs(tmp_path: Path) -> None:
    path = str(tmp_path / "history.sqlite")
    luck = random.Random(1)
    kept = killed_while_writing = 0

    def work(pipe: int) -> None:
        history = SqliteHistory(path, max_rows=150)
        n = kept
        while True:
            n += 1
            history.add([observation(n)])
            os.write(pipe, n.to_bytes(8, "little"))

    for attempt in range(200):
        read, write = os.pipe()
        pid = forked(work, write)
        os.close(write)
        # every other one is killed within its start, the rest among its writes, however slow it is
        told = os.read(read, 8) if attempt % 2 else b""
        time.sleep(luck.uniform(0.0, 0.008))
        os.kill(pid, signal.SIGKILL)
        assert exit_code(pid) == -signal.SIGKILL
        while piece := os.read(read, 65536):
            told += piece
        os.close(read)
        finished = int.from_bytes(told[-8:], "little") if told else kept
        with SqliteHistory(path, max_rows=150) as history:
            assert history.check() == []
            items = [one.items - 1000 for one in history.read()]
        # all that were reported finished, and at most the one being written when the kill came
        last = items[-1] if items else 0
        assert finished <= last <= finished + 1
        assert items == list(range(max(1, last - 149), last + 1))
        killed_while_writing += last > kept
        kept = last
    assert killed_while_writing >= 100
    names = {p.name for p in tmp_path.iterdir()}
    assert {name for name in names if ".recall" not in name} == {"history.sqlite"}


def test_a_fork_shares_no_connection(tmp_path: Path) -> None:
    history = SqliteHistory(str(tmp_path / "history.sqlite"))
    history.add([observation(1)])

    def work() -> None:
        assert not [name for name in open_files() if "history.sqlite" in name]
        history.add([observation(2)])

    def open_files() -> list[str]:
        return [
            os.readlink(entry.path)
            for entry in os.scandir("/proc/self/fd")
            if os.path.lexists(entry.path)
        ]

    assert any("history.sqlite" in name for name in open_files())
    assert exit_code(forked(work)) == 0
    history.add([observation(3)])
    assert [one.items for one in history.read()] == [1001, 1002, 1003]
    assert history.check() == []
    history.close()
    assert not any("history.sqlite" in name for name in open_files())
