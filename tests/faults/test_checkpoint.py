"""Checkpoints: whatever is killed when, the results are complete; whatever is wrong, nothing is lost."""

from __future__ import annotations

import itertools
import os
import random
import re
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from pickle import PicklingError
from typing import Any

import pytest
from support.work import Recorder, burn

import amorsize
from amorsize import CheckpointError, execute, stream
from amorsize.checkpoint import journal as checkpoint
from amorsize.errors import OptionError
from benchmarks.robustness.checkpoints import WAYS, killed_until_done

pytestmark = pytest.mark.timeout(60)
ROOT = Path(__file__).resolve().parent.parent.parent
BACKENDS = ("serial", "threads", "fork", "spawn", "auto")


@pytest.fixture
def path(tmp_path: Path) -> str:
    tmp_path.chmod(0o700)
    return str(tmp_path / "journal")


class Failing(Recorder):
    """Raises for some items as long as a file does not exist."""

    def __init__(self, log: Path, mended: Path, *bad: int) -> None:
        super().__init__(log)
        self.mended, self.bad = str(mended), bad

    def __call__(self, item: int) -> int:
        result = super().__call__(item)
        if item in self.bad and not os.path.exists(self.mended):
            raise ValueError(f"no {item}")
        return result


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
        "import amorsize, work, pathlib\n"
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
        held = set(checkpoint.Journal(path).done)
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
    with pytest.raises(CheckpointError, match="items"):
        execute(abs, [-1, 2, 3], checkpoint=path)


def test_progress_counts_what_was_done_before(path: str) -> None:
    execute(abs, range(10), checkpoint=path, n_jobs=1)
    with sqlite3.connect(path) as connection:
        connection.execute("DELETE FROM results WHERE item >= 4")
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
            connection.executemany("DELETE FROM results WHERE item = ?", lost)
        connection.close()
        source: Any = data if trial % 2 else iter(data)
        if trial % 3:
            results = execute(str, source, checkpoint=path, n_jobs=1)
        else:
            results = list(stream(str, source, checkpoint=path, n_jobs=1))
        assert results == list(map(str, data))
        os.unlink(path)


# -- another function, other data ----------------------------------------------------------------------


def test_changed_code_is_refused(path: str) -> None:
    execute(lambda item: item + 1, range(10), checkpoint=path)
    before = Path(path).read_bytes()
    with pytest.raises(CheckpointError, match=r"another function.*remove the file"):
        execute(lambda item: item + 2, range(10), checkpoint=path)
    assert Path(path).read_bytes() == before
    assert execute(lambda item: item + 1, range(10), checkpoint=path) == list(range(1, 11))


class Mutable:
    """Nothing is known of it."""


CHANGES: dict[str, tuple[Any, Any]] = {
    "longer": ([1, 2, 3], [1, 2, 3, 4]),
    "shorter": ([1, 2, 3], [1, 2]),
    "order": (["a", "b"], ["b", "a"]),
    "type": ([1, 2], [1, 2.0]),
    "bool": ([1, 2], [True, 2]),
    "tuples": ([(1, "a"), (2, "b")], [(1, "a"), (2, "c")]),
    "dicts": ([{"a": 1}, {"a": 2}], [{"a": 1}, {"a": 3}]),
    "text": ("abc", "abd"),
    "paths": ([Path("a")], [Path("b")]),
}


@pytest.mark.parametrize("as_source", [list, iter], ids=["list", "iterator"])
@pytest.mark.parametrize("change", CHANGES)
def test_changed_data_are_refused(change: str, as_source: Any, path: str) -> None:
    before, after = CHANGES[change]
    results = execute(repr, as_source(before), checkpoint=path)
    with pytest.raises(CheckpointError, match=r"(other data|items).*remove the file"):
        execute(repr, as_source(after), checkpoint=path)
    assert execute(repr, as_source(before), checkpoint=path) == results


def test_arrays_are_known_again(path: str) -> None:
    numpy = pytest.importorskip("numpy")
    rows = numpy.arange(300.0).reshape(100, 3)
    expected = [float(row.sum()) for row in rows]
    assert execute(_total, rows, checkpoint=path) == expected
    assert execute(_total, rows.copy(), checkpoint=path) == expected
    rows[99, 2] = 0
    with pytest.raises(CheckpointError, match="other data"):
        execute(_total, rows, checkpoint=path)


def _total(row: Any) -> float:
    return float(row.sum())


def test_items_that_change_in_place_are_not_taken_for_others(path: str) -> None:
    def consume(item: list[int]) -> int:
        item.append(0)
        return len(item)

    for kind in (list, iter):
        for _ in range(2):
            data = [[number] for number in range(20)]
            assert execute(consume, kind(data), n_jobs=1, checkpoint=path) == [2] * 20
        os.unlink(path)


def test_items_of_which_nothing_is_known_are_taken_as_they_are(path: str) -> None:
    for _ in range(2):
        assert execute(_name, [Mutable(), Mutable()], checkpoint=path) == ["Mutable"] * 2


def _name(item: object) -> str:
    return type(item).__name__


# -- files that are not as they should be ----------------------------------------------------------------


def test_damage_is_an_error_or_harmless(path: str) -> None:
    """Bytes overwritten anywhere: the right results, or a CheckpointError; never others."""
    data = [f"item {number}" for number in range(300)]
    expected = execute(str.upper, data, checkpoint=path, n_jobs=1)
    sound = Path(path).read_bytes()
    chance = random.Random(11)
    refused = 0
    for _ in range(150):
        broken = bytearray(sound)
        for _ in range(chance.choice((1, 8, 64))):
            broken[chance.randrange(len(broken))] = chance.randrange(256)
        if chance.random() < 0.2:
            del broken[chance.randrange(1, len(broken)) :]
        Path(path).write_bytes(broken)
        os.chmod(path, 0o600)
        try:
            assert execute(str.upper, data, checkpoint=path, n_jobs=1) == expected
        except CheckpointError:
            refused += 1
    assert refused > 50


@pytest.mark.parametrize("content", [b"some text\n", b"SQLite format 3\0", b"\0" * 200])
def test_a_foreign_file_is_left_alone(content: bytes, path: str) -> None:
    Path(path).write_bytes(content)
    os.chmod(path, 0o600)
    with pytest.raises(CheckpointError, match="no checkpoint of amorsize"):
        execute(abs, [1, 2], checkpoint=path)
    assert Path(path).read_bytes() == content


def test_another_database_is_left_alone(path: str) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE mine(x)")
    connection.close()
    os.chmod(path, 0o600)
    before = Path(path).read_bytes()
    with pytest.raises(CheckpointError, match="no checkpoint"):
        execute(abs, [1, 2], checkpoint=path)
    assert Path(path).read_bytes() == before


def test_a_newer_journal_is_refused(path: str) -> None:
    execute(abs, [1], checkpoint=path)
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version=99")
    connection.close()
    with pytest.raises(CheckpointError, match="newer"):
        execute(abs, [1], checkpoint=path)


def test_what_others_could_have_written_is_refused(path: str, tmp_path: Path) -> None:
    execute(abs, [1], checkpoint=path)
    os.chmod(path, 0o666)
    with pytest.raises(CheckpointError, match="written by others"):
        execute(abs, [1], checkpoint=path)
    os.chmod(path, 0o600)
    link = tmp_path / "link"
    link.symlink_to(path)
    with pytest.raises(CheckpointError, match="symbolic link"):
        execute(abs, [1], checkpoint=link)
    for suffix in ("-wal", "-journal"):
        planted = Path(path + suffix)
        planted.symlink_to(tmp_path / "elsewhere")
        with pytest.raises(CheckpointError, match=suffix):
            execute(abs, [1], checkpoint=path)
        planted.unlink()
        planted.write_bytes(b"x")
        planted.chmod(0o666)
        with pytest.raises(CheckpointError, match="written by others"):
            execute(abs, [1], checkpoint=path)
        planted.unlink()
    assert not (tmp_path / "elsewhere").exists()
    os.chmod(tmp_path, 0o777)
    with pytest.raises(CheckpointError, match="everybody"):
        execute(abs, [1], checkpoint=path)
    os.chmod(tmp_path, 0o1777)
    assert execute(abs, [1], checkpoint=path) == [1]


def test_a_file_of_another_user_is_refused(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    execute(abs, [1], checkpoint=path)
    if os.geteuid() == 0:
        os.chown(path, 65534, -1)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: 65534)
    with pytest.raises(CheckpointError, match="another user"):
        execute(abs, [1], checkpoint=path)


def test_places_that_cannot_hold_a_file(path: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="directory"):
        execute(abs, [1], checkpoint=tmp_path)
    with pytest.raises(CheckpointError, match="make the directory"):
        execute(abs, [1], checkpoint=tmp_path / "none" / "file")
    os.mkfifo(path)
    with pytest.raises(CheckpointError, match="regular"):
        execute(abs, [1], checkpoint=path)
    for wrong in (3, b"x", "", "a\0b"):
        with pytest.raises(OptionError, match="checkpoint"):
            execute(abs, [1], checkpoint=wrong)
    with pytest.raises(OptionError, match="checkpoint_format"):
        execute(abs, [1], checkpoint_format="xml")


def _limited(bytes_: int) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_, bytes_))


def test_a_file_that_can_grow_no_more(path: str) -> None:
    """A limit on file sizes stands for the quota: the error is clear, and a later run goes on."""
    code = (
        "import amorsize, sys\n"
        f"print(len(amorsize.execute(str.upper, ['x' * 3000 + str(i) for i in range(400)],"
        f" checkpoint={path!r}, n_jobs=1)))\n"
    )
    command = [sys.executable, "-c", code]
    first = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, preexec_fn=lambda: _limited(300_000)
    )
    assert first.returncode == 1
    assert "CheckpointError" in first.stderr
    assert "what it holds is safe" in first.stderr
    second = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert second.stdout == "400\n", second.stderr


def test_a_full_disk(tmp_path: Path) -> None:
    """A real file system of 300 KB, where the user may mount one."""
    code = (
        "import amorsize, os\n"
        "data = ['x' * 3000 + str(i) for i in range(400)]\n"
        "try:\n"
        "    amorsize.execute(str.upper, data, checkpoint='disk/journal', n_jobs=1)\n"
        "except amorsize.CheckpointError as error:\n"
        "    print(error)\n"
        "os.system('mount -o remount,size=4m disk')\n"
        "assert amorsize.execute(str.upper, data, checkpoint='disk/journal', n_jobs=1)"
        " == [d.upper() for d in data]\n"
        "print('complete')\n"
    )
    (tmp_path / "disk").mkdir()
    script = 'mount -t tmpfs -o size=300k,mode=700 tmpfs disk || { echo unmountable; exit; }\n"$@"'
    if shutil.which("unshare") is None:
        pytest.skip("unshare is not there")
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script, "sh", sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    if "unmountable" in done.stdout or "unshare" in done.stderr:
        pytest.skip("this user may not mount a file system")
    assert "the disk is full; what it holds is safe" in done.stdout, done.stderr
    assert done.stdout.endswith("complete\n"), done.stderr


# -- two at once, forks ----------------------------------------------------------------------------------


def test_two_runs_at_once(path: str, tmp_path: Path) -> None:
    function = Recorder(tmp_path / "log", 0.02, sleep=True)
    running = stream(function, range(100), checkpoint=path, n_jobs=1)
    next(running)
    with pytest.raises(CheckpointError, match="in use by another run"):
        execute(function, range(100), checkpoint=path)
    code = (
        "import sys; sys.path.insert(0, 'tests')\n"
        "import amorsize, work\n"
        f"f = work.Recorder({str(tmp_path / 'log')!r}, 0.02, sleep=True)\n"
        f"amorsize.execute(f, range(100), checkpoint={path!r}, n_jobs=2, backend='fork')\n"
    )
    other = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert "in use by another run" in other.stderr
    running.close()
    # The lock of a process that is killed goes with it, helpers and all.
    before = len(function.calls())
    holder = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, start_new_session=True)
    while len(function.calls()) < before + 10:
        time.sleep(0.01)
    with pytest.raises(CheckpointError, match="in use"):
        execute(function, range(100), checkpoint=path)
    holder.kill()
    holder.wait()
    end = time.monotonic() + 10
    while True:
        try:
            assert execute(function, range(100), checkpoint=path) == [i * i for i in range(100)]
            break
        except CheckpointError:  # its helpers take a moment to see that it is gone
            assert time.monotonic() < end
            time.sleep(0.01)


def _open_files(_: object) -> list[str]:
    found = []
    for name in os.listdir("/proc/self/fd"):
        try:
            found.append(os.readlink(f"/proc/self/fd/{name}"))
        except OSError:
            continue
    return found


def _open_files_of_a_child(item: int) -> list[str]:
    """In a fork of the process that runs the item."""
    near, far = os.pipe()
    child = os.fork()
    if not child:
        os.write(far, "\n".join(_open_files(item)).encode())
        os._exit(0)
    os.close(far)
    with open(near, "rb") as file:
        text = file.read().decode()
    os.waitpid(child, 0)
    time.sleep(0.03)  # so that commits lie between two forks
    return text.split("\n")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize("backend", ["fork", "serial", "threads", "spawn"])
def test_nothing_of_the_journal_is_open_across_a_fork(backend: str, path: str) -> None:
    function = _open_files if backend in ("fork", "spawn") else _open_files_of_a_child
    execute(function, range(5), n_jobs=1, checkpoint=path)
    os.unlink(path)
    for files in execute(function, range(20), n_jobs=2, backend=backend, checkpoint=path):
        assert not [name for name in files if name.startswith(path)]


def test_forks_do_not_disturb_the_journal(path: str) -> None:
    first = execute(_open_files_of_a_child, range(10), n_jobs=1, checkpoint=path)
    assert execute(_open_files_of_a_child, range(10), n_jobs=1, checkpoint=path) == first


def test_calls_within_calls(path: str) -> None:
    def inner(item: int) -> list[int]:
        return execute(abs, [-item, item], checkpoint=f"{path}.{item}")

    for _ in range(2):
        assert execute(inner, range(6), checkpoint=path) == [[i, i] for i in range(6)]


# -- results -----------------------------------------------------------------------------------------


def test_json_holds_what_it_gives_back(path: str) -> None:
    data: list[Any] = [1, 1.5, "a\ud800", None, True, [1, [2]], {"a": {"b": []}}, float("nan")]
    options: dict[str, Any] = {"checkpoint": path, "checkpoint_format": "json"}
    first = execute(_same, data, **options)
    assert list(map(repr, execute(_same, data, **options))) == list(map(repr, first))
    with pytest.raises(CheckpointError, match="checkpoint_format='json'"):
        execute(_same, data, checkpoint=path)
    os.unlink(path)
    for value in ((1, 2), {1: 2}, {1, 2}, b"x"):
        with pytest.raises(CheckpointError, match=r"item 0.*checkpoint_format='pickle'"):
            execute(_same, [value], **options)


def _same(item: Any) -> Any:
    return item


def test_results_that_cannot_be_pickled_say_so(path: str) -> None:
    with pytest.raises(CheckpointError, match="item 0, of type generator"):
        execute(_generator, [1], n_jobs=1, checkpoint=path)


def _generator(item: int) -> Iterator[int]:
    yield item


def test_results_larger_than_a_value_may_be(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "PART_BYTES", 1000)
    data = [0, 1, 900, 1000, 4000, 100_000]
    expected = [bytes(size) for size in data]
    for _ in range(2):
        assert execute(bytes, data, checkpoint=path) == expected


def test_a_result_is_held_as_it_was_given(path: str) -> None:
    """The consumer of a stream may change what it gets."""
    for _ in range(2):
        results = stream(_boxed, range(20), checkpoint=path, n_jobs=1)
        for number, result in enumerate(results):
            assert result == [number]
            result.append("changed")


def _boxed(item: int) -> list[Any]:
    return [item]


def test_without_a_checkpoint_nothing_is_loaded() -> None:
    code = (
        "import sys, amorsize\n"
        "amorsize.execute(abs, range(1000), history=None)\n"
        "print([m for m in ('sqlite3', 'amorsize.checkpoint.journal', 'amorsize.engine.checkpointed')"
        " if m in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr


def test_threads_behind_a_long_item_are_journaled_meanwhile(path: str) -> None:
    """The caller is in one long item; what threads do beside it is in the journal before it ends."""
    results = stream(_waits_first, range(40), checkpoint=path)
    assert next(results) == 0
    results.close()
    assert burn(0.0) == 0.0
    assert execute(_waits_first, range(40), checkpoint=path) == list(range(40))


def _waits_first(item: int) -> int:
    time.sleep(0.2 if item == 0 else 0.01)
    return item
