"""A long process goes on learning: its predictor follows the history, at a cost that a run can bear."""

from __future__ import annotations

import math
import os
import time
from pathlib import Path

import pytest
from support.learning import MACHINE, PROFILE, a_run, run_python, wait

import amorsize
from amorsize.core.model import Config
from amorsize.history import open_history
from amorsize.history.memory import MemoryHistory
from amorsize.inspection.fingerprint import fingerprint
from amorsize.learning.learner import DATABASE_SECONDS, PREDICT_FACTOR, PREDICT_GAIN_SHARE, Learner
from amorsize.storage.sqlite_file import SqliteFile

pytest.importorskip("numpy")
CONFIG = Config("threads", 4)
LONG, SHORT = 1_000, 10
"""Items of 10 ms ahead: a run for which asking pays, and one for which it does not."""


class CountedHistory(MemoryHistory):
    """Counts how often it is asked for its arrivals, and for its rows."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = self.read_tables = 0

    def arrivals(self) -> int:
        self.asked += 1
        return super().arrivals()

    def table(self, limit: int | None = None) -> object:  # type: ignore[override]
        self.read_tables += 1
        return super().table(limit)


def record(history: MemoryHistory, count: int, factor: float) -> None:
    """Runs of functions of their own that took ``factor`` times what the model says."""
    before = history.arrivals()
    history.add(
        [
            a_run(CONFIG, factor, 1.0, fingerprint=f"{number:032x}", workload=f"{number:032x}")
            for number in range(before, before + count)
        ]
    )


def told(learner: Learner, left: int = LONG) -> float:
    """Real over modelled seconds, as expected of a function never seen."""
    residual = learner.residual([], PROFILE, MACHINE, left)
    found = None if residual is None else residual(CONFIG)
    return 1.0 if found is None else math.exp(found[0])


def test_a_predictor_follows_what_other_processes_record() -> None:
    history = MemoryHistory()
    record(history, 40, factor=2.0)
    learner = Learner(history)
    assert told(learner) == pytest.approx(2.0, rel=0.05)
    record(history, 400, factor=0.5)
    assert told(learner) < 1.0


def test_a_history_that_was_too_small_at_first_is_asked_again() -> None:
    history = MemoryHistory()
    record(history, 3, factor=2.0)
    learner = Learner(history)
    assert told(learner) == 1.0  # three runs teach nothing
    record(history, 30, factor=2.0)
    assert told(learner) == pytest.approx(2.0, rel=0.05)


def test_a_cleared_history_is_forgotten() -> None:
    history = CountedHistory()
    record(history, 40, factor=2.0)
    learner = Learner(history)
    assert told(learner) > 1.5
    history._arrivals = 0  # as a database that counts anew
    history.clear()
    assert told(learner) == 1.0


def test_a_predictor_stays_while_little_has_come_and_in_runs_too_short_to_ask() -> None:
    history = CountedHistory()
    record(history, 200, factor=2.0)
    learner = Learner(history)
    told(learner)
    history.asked = 0
    record(history, 39, factor=0.5)  # 40 would be a fifth
    history.asked = 0
    told(learner)
    assert (history.asked, history.read_tables) == (1, 1)
    record(history, 100, factor=0.5)
    history.asked = 0
    assert SHORT * 0.01 * PREDICT_GAIN_SHARE / PREDICT_FACTOR < DATABASE_SECONDS
    told(learner, SHORT)
    assert (history.asked, history.read_tables) == (0, 1)
    told(learner)
    assert history.read_tables == 2


def test_a_run_that_could_read_but_a_part_keeps_the_larger_predictor() -> None:
    history = CountedHistory()
    record(history, 10_000, factor=2.0)
    learner = Learner(history)
    learner.path = "as if it were a file"  # of which more than SERVER_ROWS rows are read
    told(learner, 10_000)
    record(history, 5_000, factor=0.5)
    told(learner, 60)  # 0.6 s ahead pay for 6,000 rows
    assert history.read_tables == 1
    told(learner, 10_000)
    assert history.read_tables == 2


def test_two_processes_learn_from_each_other_in_one_file(tmp_path: Path) -> None:
    pytest.importorskip("sqlite3")
    program = """
import subprocess, sys
import numpy
from unit.learning.test_learner import told, record
from amorsize.history import open_history
from amorsize.learning.learner import Learner
with open_history(PATH) as history:
    record(history, 40, factor=2.0)
learner = Learner(PATH)
first = told(learner)
subprocess.run([sys.executable, "-c", OTHER], check=True)
print(first > 1.5, told(learner) < 1.0)
"""
    other = (
        "from unit.learning.test_learner import record\n"
        "from amorsize.history import open_history\n"
        f"with open_history({str(tmp_path / 'h.sqlite')!r}) as history:\n"
        "    record(history, 400, factor=0.5)\n"
    )
    paths = f"import sys; sys.path.insert(0, {str(Path(__file__).parents[2])!r})\n"
    code = program.replace("PATH", repr(str(tmp_path / "h.sqlite"))).replace(
        "OTHER", repr(paths + other)
    )
    assert run_python(paths + code, "off") == "True True"


def test_an_error_of_what_a_run_would_leave_harms_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise OverflowError("math range error")

    monkeypatch.setattr("amorsize.engine.outcome._study", broken)
    with pytest.warns(amorsize.AmorsizeWarning, match="math range error"):
        found = amorsize.execute(slow, range(40), history=tmp_path / "h.sqlite", backend="threads")
    assert found == list(range(40))


def test_a_history_that_breaks_while_it_is_asked_harms_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run asked on, and had an AttributeError, as seen in a server with several threads."""

    def broken(*_: object) -> None:
        raise OSError("gone")

    amorsize.execute(slow, range(40), history=tmp_path / "h.sqlite")
    monkeypatch.setattr("amorsize.history.sqlite_cache.SqliteCache.recall", broken)
    monkeypatch.setattr(
        "amorsize.history.sqlite.SqliteHistory.recent", broken
    )  # if there is no cache
    with pytest.warns(amorsize.AmorsizeWarning, match="gone"):
        found = amorsize.execute(slow, range(40), history=tmp_path / "h.sqlite")
    assert found == list(range(40))
    again = amorsize.execute(slow, range(40), history=tmp_path / "h.sqlite")  # without a warning
    assert again == found


def slow(number: int) -> int:
    time.sleep(0.01)
    return number


def test_earlier_runs_are_found_without_the_file_of_recent_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a system that cannot keep one (Windows): the first run of a process had none."""
    monkeypatch.setattr("amorsize.history.sqlite_cache.SqliteCache.key", None)
    path = tmp_path / "h.sqlite"
    assert Learner(str(path)).recall(math.sqrt, 3600.0) == []
    assert not path.exists()  # a question makes no history
    with open_history(path) as history:
        history.add([a_run(CONFIG, 1.0, 1.0, fingerprint=fingerprint(math.sqrt, history.key))])
        written = list(history.read())
    assert Learner(str(path)).recall(math.sqrt, DATABASE_SECONDS) == []  # shorter than the look
    assert Learner(str(path)).recall(math.sqrt, 3600.0) == written


def test_a_history_can_be_removed_after_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there is no file of recent runs, Windows removes no file that this process has open."""
    monkeypatch.setattr("amorsize.history.sqlite_cache.SqliteCache.record", lambda *_: False)
    connections: list[object] = []
    opened = SqliteFile._connected
    monkeypatch.setattr(
        SqliteFile, "_connected", lambda self: (connections.append(self), opened(self))[1]
    )
    path = tmp_path / "h.sqlite"
    assert amorsize.execute(wait, [0.002] * 50, history=path) == [0.002] * 50
    assert connections and not any(one._connection for one in connections)  # type: ignore[attr-defined]
    assert os.stat(path).st_size > 0
    path.unlink()
