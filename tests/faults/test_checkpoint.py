"""Checkpoints: whatever is killed when, the results are complete; whatever is wrong, nothing is lost."""

from __future__ import annotations

import itertools
import os
import random
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from pickle import PicklingError
from typing import Any

import pytest
from support.checkpoints import BACKENDS, Failing
from support.work import Recorder

import amorsize
from amorsize import CheckpointError, execute, stream
from amorsize.checkpoint import journal as checkpoint
from benchmarks.robustness.checkpoints import WAYS, killed_until_done

pytestmark = pytest.mark.timeout(60)
ROOT = Path(__file__).resolve().parent.parent.parent


# -- killed ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
def test_killed_at_random_moments_until_done(way: str, tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    seed = WAYS.index(way)
    killed_until_done(way, str(tmp_path), random.Random(seed), items=100, seconds=0.003)


def test_the_command_line_goes_on_after_a_kill(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    (tmp_path / "slow.py").write_text(
        "import time\n"
        "def f(x):\n"
        "    open('log', 'a').write(x + '\\n')\n"
        "    time.sleep(0.01)\n"
        "    return x.upper()\n"
    )
    items = [f"item{i}" for i in range(200)]
    (tmp_path / "in").write_text("\n".join(items))
    command = [sys.executable, "-m", "amorsize", "run", "slow:f", "--input", "in"]
    command += ["--checkpoint", "ck", "--backend", "serial", "--output"]
    first = subprocess.Popen([*command, "out1"], cwd=tmp_path, start_new_session=True)
    log = tmp_path / "log"
    while not log.exists() or log.read_text().count("\n") < 40:
        time.sleep(0.01)
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    again = subprocess.run([*command, "out2"], cwd=tmp_path, capture_output=True, text=True)
    assert again.returncode == 2
    assert "--resume" in again.stderr
    resumed = [*command, "out3", "--resume"]
    assert subprocess.run(resumed, cwd=tmp_path, check=False).returncode == 0
    assert (tmp_path / "out3").read_text() == "".join(f'"{item.upper()}"\n' for item in items)
    calls = log.read_text().split()
    assert set(calls) == set(items)
    assert len(calls) < len(items) + 40, "the journal held nothing"
    alone = subprocess.run(
        [sys.executable, "-m", "amorsize", "run", "math:sqrt", "4", "--resume"],
        capture_output=True,
        text=True,
    )
    assert alone.returncode == 2
    assert "--checkpoint" in alone.stderr


def test_a_commit_comes_within_a_second(path: str, tmp_path: Path) -> None:
    """Items of 30 ms; the group is killed more than a second after item 20: it need not run again."""
    code = (
        "import sys; sys.path.insert(0, 'tests')\n"
        "import amorsize, pathlib\n"
        "from support import work\n"
        f"f = work.Recorder({str(tmp_path / 'log')!r}, 0.03, sleep=True)\n"
        f"amorsize.execute(f, range(10_000), checkpoint={path!r}, backend=BACKEND, n_jobs=2)\n"
    )
    for backend in ("serial", "threads", "fork"):
        for file in tmp_path.iterdir():
            file.unlink()
        recorder = Recorder(tmp_path / "log", 0.03, sleep=True)
        run = subprocess.Popen(
            [sys.executable, "-c", code.replace("BACKEND", repr(backend))],
            cwd=ROOT,
            start_new_session=True,
        )
        while len(recorder.calls()) < 20:
            time.sleep(0.01)
        early = set(recorder.calls())
        time.sleep(1.2)
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()
        held = {row[2] for row in checkpoint.Journal(path).rows_of()}
        assert early <= held, (backend, early - held)


# -- each item once ----------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_finished_run_runs_nothing_again(backend: str, path: str, tmp_path: Path) -> None:
    function = Recorder(tmp_path / "log", 0.002)
    first = execute(function, range(100), backend=backend, checkpoint=path)
    second = execute(function, range(100), backend=backend, checkpoint=Path(path))
    assert first == second == [item * item for item in range(100)]
    assert set(function.calls().values()) == {1}
    assert os.stat(path).st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == sorted(["journal", "log"], key=os.listdir(tmp_path).index)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("on_error", ["raise", "collect", "skip"])
def test_errors_are_not_done_and_name_their_items(
    backend: str, on_error: str, path: str, tmp_path: Path
) -> None:
    function = Failing(tmp_path / "log", tmp_path / "mended", 30, 70)
    options: dict[str, Any] = {"backend": backend, "on_error": on_error, "checkpoint": path}
    expected: list[Any] = [item * item for item in range(100)]
    for _ in range(2):  # the second time most is held by the journal already
        if on_error == "raise":
            with pytest.raises(ValueError) as caught:
                execute(function, range(100), **options)
            index = str(caught.value).split()[-1]
            assert index in ("30", "70")
            assert f"amorsize: raised by item {index} of the data" in caught.value.__notes__
        else:
            results = execute(function, range(100), **options)
            if on_error == "collect":
                for index in (30, 70):
                    assert results[index].index == index
                    assert isinstance(results[index].exception, ValueError)
                    results[index] = index * index
                assert results == expected
            else:
                assert results == [v for i, v in enumerate(expected) if i not in (30, 70)]
    (tmp_path / "mended").touch()
    assert execute(function, range(100), **options) == expected
    calls = function.calls()
    assert {calls[30], calls[70]} == {3} if on_error != "raise" else calls[30] >= 1
    if on_error != "raise":
        assert {calls[item] for item in range(100) if item not in (30, 70)} == {1}


class Odd:
    """Cannot be sent to the caller, or takes too long, or ends its worker; the first items are fine."""

    def __init__(self, kind: str, mended: Path) -> None:
        self.kind, self.mended = kind, str(mended)

    def __call__(self, item: int) -> object:
        if item >= 3 and not os.path.exists(self.mended):
            raise ValueError(item)  # only what is before it is done
        if item == 5:
            if self.kind == "late":
                time.sleep(50)
            if self.kind == "dies":
                os.kill(os.getpid(), signal.SIGKILL)
            if self.kind == "sealed":
                return threading.Lock()  # cannot be pickled
        return item


@pytest.mark.parametrize("on_error", ["raise", "collect"])
@pytest.mark.parametrize("way", ["execute", "stream"])
@pytest.mark.parametrize("kind", ["late", "dies", "sealed"])
def test_our_own_errors_name_positions_in_the_data(
    kind: str, way: str, on_error: str, path: str, tmp_path: Path
) -> None:
    mended = tmp_path / "mended"
    func = Odd(kind, mended)
    with pytest.raises(ValueError):
        execute(func, range(8), backend="serial", checkpoint=path)
    mended.touch()
    options: dict[str, Any] = {"backend": "fork", "n_jobs": 2, "chunksize": 1, "checkpoint": path}
    options |= {"on_error": on_error, "history": None}
    if kind == "late":
        options["timeout"] = 0.3
    run: Any = getattr(amorsize, way)
    if on_error == "raise":
        with pytest.raises((TimeoutError, PicklingError, amorsize.WorkerDied)) as caught:
            list(run(func, range(8), **options))
        error: BaseException = caught.value
        assert error.__notes__ == ["amorsize: raised by item 5 of the data"]
    else:
        found = list(run(func, range(8), **options))
        assert found[:5] + found[6:] == [0, 1, 2, 3, 4, 6, 7]
        assert found[5].index == 5
        error = found[5].exception
        assert str(found[5]) == f"item 5: {type(error).__name__}: {error}"
    assert re.findall("item ([0-9]+)", str(error)) == ["5"]
    assert getattr(error, "index", 5) == 5


def test_notes_of_a_run_within_stay_as_they_are(path: str, tmp_path: Path) -> None:
    mended = str(tmp_path / "mended")

    def fails(item: int) -> int:
        return 1 // (item < 1)

    def func(item: int) -> int:
        if item < 3:
            return item
        if not os.path.exists(mended):
            raise KeyError
        return execute(fails, [0, 0, 1], backend="serial")[0]  # type: ignore[no-any-return]

    with pytest.raises(KeyError):
        execute(func, range(5), backend="serial", checkpoint=path)
    Path(mended).touch()
    with pytest.raises(ZeroDivisionError) as caught:
        execute(func, range(5), backend="serial", checkpoint=path)
    assert caught.value.__notes__ == [
        "amorsize: raised by item 2 of the data",
        "amorsize: raised by item 3 of the data",
    ]


def test_workers_that_die_outside_of_any_item_say_so_after_a_resume(
    path: str, tmp_path: Path
) -> None:
    mended = tmp_path / "mended"
    func = Odd("none", mended)
    with pytest.raises(ValueError):
        execute(func, range(8), backend="serial", checkpoint=path)
    mended.touch()
    options: dict[str, Any] = {"initializer": os._exit, "initargs": (3,), "checkpoint": path}
    with pytest.raises(amorsize.WorkerDied, match="outside of any item") as caught:
        execute(func, range(8), backend="processes", **options)
    assert caught.value.index == -1
    assert execute(func, range(8), checkpoint=path) == list(range(8))


@pytest.mark.parametrize("closed", [True, False])
@pytest.mark.parametrize("as_source", [list, iter])
def test_a_stream_that_was_never_asked_gives_its_file_free(
    closed: bool, as_source: Any, path: str
) -> None:
    results = stream(abs, as_source([-1, 2]), checkpoint=path)
    if closed:
        results.close()
        assert list(results) == []
    else:
        del results
    assert execute(abs, [-1, 2], checkpoint=path) == [1, 2]


def test_what_was_done_before_ctrl_c_is_held(path: str, tmp_path: Path) -> None:
    function = Recorder(tmp_path / "log")

    def interrupted(item: int) -> int:
        if item == 37 and not (tmp_path / "again").exists():
            raise KeyboardInterrupt
        return function(item)

    with pytest.raises(KeyboardInterrupt):
        execute(interrupted, range(50), n_jobs=1, checkpoint=path)
    (tmp_path / "again").touch()
    assert execute(interrupted, range(50), n_jobs=1, checkpoint=path) == [i * i for i in range(50)]
    assert set(function.calls().values()) == {1}


SOURCES: dict[str, Callable[[], Any]] = {
    "range": lambda: range(300),
    "list": lambda: list(range(300)),
    "generator": lambda: (item for item in range(300)),
    "dict": lambda: dict.fromkeys(range(300)),
}


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("ordered", [True, False])
def test_an_abandoned_stream_goes_on(source: str, ordered: bool, path: str, tmp_path: Path) -> None:
    function = Recorder(tmp_path / "log", 0.001, sleep=True)
    options: dict[str, Any] = {"checkpoint": path, "ordered": ordered, "backend": "threads"}
    first = stream(function, SOURCES[source](), **options)
    begun = list(itertools.islice(first, 120))
    first.close()
    results = list(stream(function, SOURCES[source](), **options))
    expected = [item * item for item in range(300)]
    assert (results if ordered else sorted(results)) == expected
    assert set(begun) <= set(expected)
    assert set(function.calls().values()) == {1}  # threads end the items they are in


def test_an_endless_source_is_read_again_and_skipped(path: str, tmp_path: Path) -> None:
    function = Recorder(tmp_path / "log")
    first = stream(function, itertools.count(), checkpoint=path, n_jobs=1)
    assert list(itertools.islice(first, 50)) == [item * item for item in range(50)]
    first.close()
    second = stream(function, itertools.count(), checkpoint=path, n_jobs=1)
    assert list(itertools.islice(second, 80)) == [item * item for item in range(80)]
    second.close()
    calls = function.calls()
    assert {calls[item] for item in range(80)} == {1}


def test_a_plan_keeps_what_it_ran(path: str, tmp_path: Path) -> None:
    function = Recorder(tmp_path / "log", 0.001)
    expected = [item * item for item in range(200)]
    plan = amorsize.optimize(function, range(200), checkpoint=path)
    assert plan.items_done > 0
    plan = amorsize.optimize(function, range(200), checkpoint=path)  # the other is abandoned
    assert plan.execute() == expected
    assert set(function.calls().values()) == {1}
    os.unlink(path)
    plan = amorsize.optimize(function, range(200), checkpoint=path)
    assert execute(function, range(200), checkpoint=path) == expected
    with pytest.raises(CheckpointError, match="since the plan was made"):
        plan.execute()
    assert set(function.calls().values()) == {2}


def test_where_nothing_is_held_all_may_change(path: str, tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        execute(abs, ["a"], checkpoint=path)
    assert execute(abs, [-1, 2], checkpoint=path) == [1, 2]
    with pytest.raises(CheckpointError, match="another function"):
        execute(str, [-1, 2, 3], checkpoint=path)


def test_progress_counts_what_was_done_before(path: str) -> None:
    execute(abs, range(10), checkpoint=path, n_jobs=1)
    with sqlite3.connect(path) as connection:
        connection.execute("DELETE FROM results WHERE position >= 4")
    connection.close()
    seen: list[tuple[int, int | None]] = []
    execute(abs, range(10), checkpoint=path, n_jobs=1, progress=lambda *what: seen.append(what))
    assert seen[-1] == (10, 10)
    assert min(done for done, _ in seen) >= 4


def test_any_pattern_of_holes_is_filled(path: str) -> None:
    """Against brute force: random subsets held, lists and generators."""
    chance = random.Random(5)
    for trial in range(30):
        items = chance.randrange(1, 40)
        data = [chance.randrange(1000) for _ in range(items)]
        execute(str, data, checkpoint=path, n_jobs=1)
        lost = [(i,) for i in range(items) if chance.random() < 0.5]
        connection = sqlite3.connect(path)
        with connection:
            connection.executemany("DELETE FROM results WHERE position = ?", lost)
        connection.close()
        source: Any = data if trial % 2 else iter(data)
        if trial % 3:
            results = execute(str, source, checkpoint=path, n_jobs=1)
        else:
            results = list(stream(str, source, checkpoint=path, n_jobs=1))
        assert results == list(map(str, data))
        os.unlink(path)
