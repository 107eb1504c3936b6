"""A history is pruned in place: beside writers, beside other prunings, and after a kill."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from support.pruning import MACHINE, Workloads, runs

from amorsize.core.frozen import replace
from amorsize.history import open_history
from amorsize.history.memory import MemoryHistory
from amorsize.history.sqlite import SqliteHistory
from amorsize.learning.parameters import parameters_of
from amorsize.ml_pruning import PrototypeSelector, prune_training_data
from amorsize.pruning.result import Report, Rung

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(params=["memory", "sqlite"])
def history(request, tmp_path: Path):
    if request.param == "memory":
        yield MemoryHistory()
    else:
        with open_history(tmp_path / "h.sqlite") as opened:
            yield opened


@pytest.mark.parametrize(
    "history", [pytest.param("memory", marks=pytest.mark.long), "sqlite"], indirect=True
)
def test_a_history_is_pruned_in_place(history) -> None:
    history.add(runs(3000))
    result = prune_training_data(history)
    assert result.ratio > 0.6 and result.held, str(result)
    assert history.stats().rows == result.kept == 3000 - result.removed
    assert history.check() == []
    kept = list(history.read())
    assert sum(one.weight for one in kept) == pytest.approx(3000)
    assert {one.fingerprint for one in kept} == {f"{i:032x}" for i in range(12)}
    assert all(isinstance(one.config.n_jobs, int) for one in kept)
    assert [one.time for one in kept] == sorted(one.time for one in kept)
    assert result.after.memory_bytes < 0.7 * result.before.memory_bytes
    assert result.after.regret is not None and result.before.regret is not None
    assert result.after.regret < result.before.regret + 0.05
    assert result.error_change is not None and result.error_change <= 0.05
    assert "certified" in str(result)
    assert result.before.error is not None and result.after.error is not None
    assert result.after.error == pytest.approx(
        result.before.error * (1 + result.error_change), rel=0.2
    )
    told = json.loads(json.dumps(result.to_dict()))
    regions = [one for part in told["parts"].values() for one in part["regions"]]
    assert {one["name"] for one in regions} == {f"{i:032x}" for i in range(12)}
    assert sum(one["kept"] for one in regions) == result.kept
    assert "000000000000: " in str(result)


def test_a_dry_run_changes_nothing(history) -> None:
    history.add(runs(400))
    before = list(history.read())
    result = prune_training_data(history, dry_run=True)
    assert result.dry_run and result.removed > 0
    assert list(history.read()) == before


def test_what_goes_is_archived(history, tmp_path: Path) -> None:
    history.add(runs(400))
    before = {one.id for one in history.read()}
    archive = tmp_path / "gone.jsonl"
    prune_training_data(history, archive=archive)
    _, *lines = archive.read_text().splitlines()
    gone = {json.loads(line)["id"] for line in lines}
    untouched = {one.id for one in history.read() if one.weight == 1.0}
    assert gone | untouched == before


def test_an_archive_and_what_stayed_are_the_history_again(history, tmp_path: Path) -> None:
    history.add(runs(400))
    before = {one.id: one for one in history.read()}
    archive, stayed = tmp_path / "gone.jsonl", tmp_path / "stayed.jsonl"
    for seed in (1, 2):  # the second one is appended
        result = prune_training_data(history, keep_fraction=0.3, archive=archive)
        assert result.removed > 0
        more = [replace(one, id=f"{seed:024x}{one.id[24:]}") for one in runs(300, seed=seed)]
        before |= {one.id: one for one in more}
        history.add(more)
    if os.name == "posix":
        assert archive.stat().st_mode & 0o777 == 0o600
    with open(stayed, "w", encoding="utf-8") as file:
        history.export_lines(file)
    with open_history(tmp_path / "again.sqlite") as again:
        for path in (archive, stayed):
            with open(path, encoding="utf-8") as file:
                told = again.import_lines(file)
            assert told.rejected == 0, told.reasons
        assert again.key == history.key
        found = {one.id: one for one in again.read()}
    assert found == before


@pytest.mark.parametrize("rows", [0, 10])
def test_an_archive_of_nothing_is_there_and_empty(history, tmp_path: Path, rows: int) -> None:
    history.add(runs(rows))
    archive = tmp_path / "gone.jsonl"
    result = prune_training_data(history, archive=archive)
    assert result.removed == 0 and len(archive.read_text().splitlines()) == 1
    with open_history(tmp_path / "other.sqlite") as other, archive.open() as lines:
        found = other.import_lines(lines)
        assert (found.added, found.rejected, other.key) == (0, 0, history.key)
    prune_training_data(history, archive=archive)  # nothing is added
    prune_training_data(history, archive=tmp_path / "dry.jsonl", dry_run=True)
    assert len(archive.read_text().splitlines()) == 1 and not (tmp_path / "dry.jsonl").exists()


def test_an_archive_of_something_else_is_left_as_it_is(history, tmp_path: Path) -> None:
    history.add(runs(400))
    other = tmp_path / "other.jsonl"
    with open_history(tmp_path / "other.sqlite") as another, open(other, "w") as file:
        another.export_lines(file)
    for text in (other.read_text(), "notes of mine\n"):
        other.write_text(text)
        with pytest.raises(ValueError, match=r"other\.jsonl: holds something else"):
            prune_training_data(history, archive=other)
        assert other.read_text() == text and history.stats().rows == 400
    for data in (runs(60), (np.ones((60, 2)), np.ones(60))):
        with pytest.raises(ValueError, match="archive= is for a history"):
            prune_training_data(data, archive=tmp_path / "none")


def test_rows_that_come_in_the_meantime_stay(history) -> None:
    history.add(runs(400))
    late = runs(1, seed=9)

    def meanwhile(done: int, total: int, what: str) -> None:
        if what == "measuring":
            history.add(late)

    prune_training_data(history, progress=meanwhile)
    assert late[0].id in {one.id for one in history.read()}


def test_rows_that_go_in_the_meantime_begin_it_anew(history) -> None:
    history.add(runs(400))
    victims = [one.id for one in runs(200)]
    seen = []

    def meanwhile(done: int, total: int, what: str) -> None:
        seen.append(what)
        if what == "measuring" and seen.count("measuring") == 1:
            history.replace(victims, [])

    result = prune_training_data(history, progress=meanwhile)
    assert seen.count("reading") == 2
    assert not {one.id for one in history.read()} & set(victims)
    assert sum(one.weight for one in history.read()) == pytest.approx(200)
    assert history.check() == [] and result.kept == history.stats().rows


def test_failed_runs_are_not_hoarded(history) -> None:
    bad = [replace(one, outcome="failed", fingerprint="0" * 31 + "1") for one in runs(50, seed=3)]
    history.add([*runs(300), *bad])
    prune_training_data(history)
    failed = [one for one in history.read() if one.outcome == "failed"]
    assert len(failed) == 5 and max(one.time for one in bad) in [one.time for one in failed]


def test_observations_and_arrays() -> None:
    rows = runs(600)
    result = prune_training_data(rows)
    assert 20 <= len(result.observations) < 600
    rng = np.random.default_rng(0)
    X, y = Workloads(4, 0).draw(rng, rng.integers(0, 4, 1500))
    found = prune_training_data((X, y), tolerance=0.05)
    assert found.X.shape == (found.kept, 5) and found.sample_weight.sum() == pytest.approx(1500)
    assert found.after.memory_bytes < found.before.memory_bytes
    assert found.before.error is not None and found.after.error is not None
    assert found.after.error / found.before.error - 1 == pytest.approx(found.error_change)
    group = rng.integers(0, 4, 1500)
    weighed = prune_training_data(
        (X, y), tolerance=0.05, groups=group, sample_weight=np.full(1500, 2)
    )
    assert weighed.sample_weight.sum() == pytest.approx(3000)
    assert [one.name for one in weighed.reports[0][1].regions] == ["0", "1", "2", "3"]
    with pytest.raises(ValueError, match="groups= is for a tuple"):
        prune_training_data(rows, groups=group)
    with pytest.raises(TypeError, match="History"):
        prune_training_data([1, 2, 3])


def test_histories_of_several_machines_combine() -> None:
    one, other = MemoryHistory(), MemoryHistory()
    one.add(runs(800, seed=1))
    other.add([replace(run, machine=replace(MACHINE, cores=4)) for run in runs(800, seed=2)])
    for history in (one, other):
        prune_training_data(history)
    both = MemoryHistory()
    both.add([*one.read(), *other.read()])
    result = prune_training_data(both)
    assert sum(run.weight for run in both.read()) == pytest.approx(1600)
    assert result.held


KILLED = """
import sys
from amorsize.history import open_history
from amorsize.ml_pruning import prune_training_data
with open_history(sys.argv[1]) as history:
    print("ready", flush=True)
    while True:
        rows = list(history.read())
        prune_training_data(history, tolerance=0.05)
        history.clear()
        history.add(rows)
"""


@pytest.mark.timeout(300)
def test_killed_in_the_middle_nothing_is_lost(tmp_path: Path) -> None:
    """Before or after, never between. (`clear` and `add` of the loop above are two transactions: an
    empty history is right, too.)"""
    rng = np.random.default_rng(0)
    path = tmp_path / "h.sqlite"
    with open_history(path) as history:
        history.add(runs(600))
    before = {one.id for one in runs(600)}
    whole = 0
    for _ in range(12):
        child = subprocess.Popen([sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE)
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(float(rng.uniform(0.0, 0.5)))
        child.kill()
        child.wait()
        child.stdout.close()
        with open_history(path) as history:
            assert history.check() == []
            kept = list(history.read())
            if kept:
                assert sum(one.weight for one in kept) == pytest.approx(600)
                assert {one.id for one in kept} <= before
                whole += 1
            else:
                history.add(runs(600))
    assert whole


@pytest.mark.long
def test_pruned_among_writers_and_readers(tmp_path: Path) -> None:
    path = tmp_path / "h.sqlite"
    with open_history(path) as history:
        history.add(runs(500))
    stop = threading.Event()
    problems: list[BaseException] = []
    written = [0] * 4

    def write(number: int) -> None:
        try:
            with SqliteHistory(str(path), patience_seconds=10) as mine:
                while not stop.is_set():
                    mine.add([replace(runs(1, seed=50 + number)[0], id=os.urandom(16).hex())])
                    written[number] += 1
                    time.sleep(0.01)
        except BaseException as error:
            problems.append(error)

    def read() -> None:
        try:
            with SqliteHistory(str(path), patience_seconds=10) as mine:
                while not stop.is_set():
                    assert sum(one.weight for one in mine.read()) >= 499.9
                    time.sleep(0.02)
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=write, args=(i,)) for i in range(4)]
    threads += [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        with SqliteHistory(str(path), patience_seconds=10) as history:
            for _ in range(2):
                prune_training_data(history)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not problems
    with open_history(path) as history:
        assert sum(one.weight for one in history.read()) == pytest.approx(500 + sum(written))
        assert history.check() == []


def test_upkeep_prunes_when_due(tmp_path: Path) -> None:
    from amorsize.pruning.history import is_due, life, maintain

    with open_history(tmp_path / "h.sqlite") as history:
        history.add(runs(150))
        assert not is_due(history)
        history.add(runs(900, seed=4))
        assert is_due(history)
        assert maintain(history, "auto")
        rows = history.stats().rows
        assert life(history).rows == rows < 1050
        assert not is_due(history) and not maintain(history, "auto")
        assert parameters_of(history)


def test_prunings_of_a_history_share_one_level() -> None:
    """Each spends a part of it, and rests on runs that came since the last one."""
    from amorsize.pruning.certificate import spent
    from amorsize.pruning.history import life

    history = MemoryHistory()
    history.add(runs(1500))
    first = prune_training_data(history, tolerance=0.05)
    past = life(history)
    assert first.certified and past.prunings == 1 and past.rows == first.kept
    assert past.seen == 1e9 + 1499
    again = prune_training_data(history, tolerance=0.05)
    assert again.removed == 0 and not again.certified  # nothing new to prove anything with
    levels = [{report.level for _, report in one.reports} for one in (first, again)]
    backends = len(first.reports)
    assert past.carried == pytest.approx(spent(0.05, 1))  # a test that passed spends nothing
    parts = [spent(0.05, 1) / backends, spent(0.05, 2, past.carried) / backends]
    assert levels == [{part} for part in parts]
    assert life(history) == replace(past, rows=again.kept)


def test_a_test_that_fails_has_spent_its_level() -> None:
    from amorsize.pruning.history import Life, _spending

    def report(certified: bool, passed: bool | None) -> Report:
        rungs = () if passed is None else (Rung(20, 0.0, 0.0, passed),)
        return replace(some, certified=certified, ladder=rungs, level=0.01)

    selector = PrototypeSelector(keep_fraction=0.5)
    selector.fit_resample(np.arange(120.0).reshape(60, 2), np.arange(60.0))
    some = selector.report_
    past = Life(prunings=4, carried=0.02)
    assert _spending(past, [report(False, None)]) == {"prunings": 4, "carried": 0.02}
    reports = [report(True, True), report(False, False), report(False, None)]
    assert _spending(past, reports) == {"prunings": 5, "carried": pytest.approx(0.02)}
    assert _spending(past, [report(False, False)]) == {"prunings": 5, "carried": 0}


def test_rows_equal_in_every_feature_are_told_as_merged() -> None:
    """592 of 612 rows went; it said that nothing but exact duplicates could go, and not what passed."""
    rng = np.random.default_rng(3)
    base = rng.uniform(0, 1, (12, 3))
    which = np.arange(612) % 12
    y = np.arange(12.0)[which] + rng.normal(0, 0.1, 612)
    result = prune_training_data((base[which], y))
    (_, report), text = result.reports[0], str(result)
    assert (report.rows, report.kept) == (612, 20)
    assert any(rung.passed for rung in report.ladder)
    assert "592 rows were merged with rows that equal them in every feature" in text
    assert "no size that passed the test keeps fewer rows" in text
    assert "do not prove it" not in text and "nothing but" not in text


def test_a_part_that_is_not_certified_has_no_certified_region() -> None:
    rng = np.random.default_rng(4)
    group = np.arange(240) % 2
    X = group[:, None] + rng.normal(0, 0.01, (240, 3))
    result = prune_training_data((X, group + rng.normal(0, 0.1, 240)), groups=group)
    ((_, report),) = result.reports
    assert not report.certified and report.kept < 240
    assert {one.verdict for one in report.regions} <= {"estimated", "whole"}
    assert "not certified: fewer than 500 rows prove little" in str(result)
