"""Runs learn from runs, and nothing about it can hurt a run."""

from __future__ import annotations

import functools
import sys
import textwrap
import time
import warnings
from pathlib import Path
from tempfile import mkdtemp

import pytest
from support.learning import burn, run_python, wait
from support.machines import small_process as small_process
from support.work import calm

import amorsize
from amorsize.history import open_history
from amorsize.history.memory import MemoryHistory
from amorsize.inspection.fingerprint import fingerprint
from amorsize.learning.learner import learner_for, resolve

pytestmark = pytest.mark.timeout(60)


def test_a_run_is_recorded_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    began = time.time()
    assert amorsize.execute(wait, [0.004] * 50, history=path) == [0.004] * 50
    took = time.time() - began
    with open_history(path) as history:
        (one,) = history.read()
        assert history.check() == []
        assert one.fingerprint == fingerprint(wait, history.key)
    assert one.outcome == "done"
    assert one.config.backend == "threads"
    assert 0 < one.items <= 50
    assert 0.0039 < one.profile.item_seconds < took  # a busy machine sleeps longer
    assert one.profile.cpu_share < 0.5
    assert 0 < one.wall_seconds < took
    assert one.model_seconds > 0
    assert began <= one.time <= time.time()
    assert one.library_version == amorsize.__version__


def test_the_second_run_knows_the_first(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    amorsize.execute(wait, [0.006] * 60, history=path)
    plan = amorsize.optimize(wait, [0.006] * 60, history=path)
    assert plan.source == "history"
    assert plan.items_done <= 2
    assert plan.execute() == [0.006] * 60


def test_a_history_in_memory_serves_as_well() -> None:
    history = MemoryHistory()
    amorsize.execute(wait, [0.006] * 60, history=history)
    assert history.stats().rows == 1
    assert amorsize.optimize(wait, [0.006] * 60, history=history).source == "history"


def test_another_function_is_not_taken_for_it(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    amorsize.execute(lambda x: wait(x) + 1, [0.006] * 60, history=path)
    assert amorsize.optimize(lambda x: wait(x) + 2, [0.006] * 60, history=path).source == "model"
    partial = functools.partial(wait)
    assert amorsize.optimize(partial, [0.006] * 60, history=path).source == "model"


CLIENTS = """
    import functools, os, threading, time
    import amorsize
    from amorsize.learning import learner_for, recall_level

    lock = threading.Lock()

    class Client:
        def __init__(self):
            self.born, self.links, self.most, self.calls, self.busy = time.time(), [object()], 10, 0, 0
        def get(self, row, extra=0):
            with lock:
                self.busy += 1
                self.calls += 1
            try:
                if self.busy > self.most:
                    raise amorsize.RetryAfter
                time.sleep(0.02)
            finally:
                with lock:
                    self.busy -= 1
            return row
        __call__ = get

    made = {
        "method": lambda client: client.get,
        "partial": lambda client: functools.partial(client.get, extra=1),
        "argument": lambda client: functools.partial(Client.get, client),
        "callable": lambda client: client,
        "closure": lambda client: lambda row: client.get(row),
    }
    client = Client()
    job = made[os.environ["KIND"]](client)
    if os.environ["STEP"] == "first":
        assert amorsize.execute(job, range(300), backend="threads", retries=1) == [*range(300)]
        client.most = 1000  # a run that was refused tells nothing of what items cost
        assert amorsize.execute(job, range(200), backend="threads") == [*range(200)]
    else:
        (run,) = learner_for("default").recall(job, 60.0)
        print(run.items, recall_level(job, "default") is not None)
"""


@pytest.mark.parametrize("kind", ["method", "partial", "argument", "callable", "closure"])
def test_what_belongs_to_a_client_is_known_in_the_next_process(kind: str, tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    path = tmp_path / "history.sqlite"
    for step in ("first", "second"):
        told = run_python(textwrap.dedent(CLIENTS), path, KIND=kind, STEP=step)
    assert told.split() == ["200", "True"]


class Scaled:
    """An object whose method is run."""

    def __init__(self, factor: int) -> None:
        self.factor = factor

    def run(self, item: float) -> float:
        return wait(item) * self.factor


def test_it_is_kept_what_the_objects_of_a_function_held(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    learner = learner_for(tmp_path / "history.sqlite")
    assert learner is not None
    model = Scaled(2)
    amorsize.execute(model.run, [0.006] * 60, history=tmp_path / "history.sqlite")
    (run,) = learner.recall(Scaled(3).run, 60.0)
    assert learner.holds_the_same(model.run, run) and learner.holds_the_same(Scaled(2).run, run)
    assert not learner.holds_the_same(Scaled(3).run, run)
    assert learner.holds_the_same(wait, run)  # it has no object


@pytest.mark.usefixtures("small_process")
def test_one_giant_item_does_not_speak_against_the_workers_that_met_it() -> None:
    giant = 3_000_000
    began = time.thread_time()
    burn(giant)
    seconds = time.thread_time() - began

    def check() -> None:
        history = MemoryHistory()
        amorsize.execute(burn, [20_000] * 150 + [giant], history=history)
        (run,) = history.read()
        assert run.config.backend == "fork"
        assert run.model_seconds > 0.5 * seconds

    calm(check)


def test_what_forked_workers_computed_is_recorded() -> None:
    """They had mostly ended before they were asked: a history then believed that items were short."""
    count = 1_500_000  # beyond 50 ms, so that the caller computes none of them

    def check() -> None:
        history = MemoryHistory()
        began = time.process_time()
        for _ in range(3):
            burn(count)
        seconds = (time.process_time() - began) / 3
        amorsize.execute(burn, [count] * 10, history=history)
        (run,) = history.read()
        assert run.config.backend == "fork"
        assert run.cpu_seconds > 0.7 * run.items * seconds

    calm(check)


def test_no_history_when_told_so(tmp_path: Path) -> None:
    program = (
        "import amorsize, time\n"
        "amorsize.execute(time.sleep, [0.004] * 40, history={!r})\n"
        "import sys; print('sqlite3' in sys.modules)"
    )
    assert run_python(program.format(None), tmp_path / "a") == "False"
    assert run_python(program.format("default"), "off") == "False"
    assert list(tmp_path.iterdir()) == []


def test_a_trivial_run_opens_and_imports_nothing(tmp_path: Path) -> None:
    program = """
import sys
import amorsize
opened = []
sys.addaudithook(lambda event, args: opened.append(args[0]) if event == "open" else None)
amorsize.execute(len, ["a", "bb"] * 2000)
amorsize.execute(lambda x: x + 1, range(10_000))
print([str(path) for path in opened if "/proc" not in str(path)])
print("numpy" in sys.modules, "sqlite3" in sys.modules)
"""

    def check() -> None:
        place = Path(mkdtemp(dir=tmp_path))
        assert run_python(program, place / "h.sqlite") == "[]\nFalse False"
        assert list(place.iterdir()) == []

    calm(check, tries=8)  # a run that has to wait for a core is no trivial one


def test_neither_recall_nor_record_of_a_known_function_opens_the_database(tmp_path: Path) -> None:
    program = """
import amorsize, sys, time
amorsize.execute(time.sleep, [0.004] * 40)
print("_sqlite3" in sys.modules, "numpy" in sys.modules)
"""
    for _ in range(3):
        assert run_python(program, tmp_path / "h.sqlite") == "False False"
    with open_history(tmp_path / "h.sqlite") as history:
        assert history.stats().rows == 3
        assert history.check() == []


def test_failures_are_recorded_and_not_learned_from(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"

    def fails_late(number: int) -> int:
        time.sleep(0.003)
        if number == 45:  # items go from both ends to the middle
            raise ValueError(number)
        return number

    with pytest.raises(ValueError, match="45"):
        amorsize.execute(fails_late, range(90), n_jobs=2, history=path)
    with open_history(path) as history:
        assert [one.outcome for one in history.read()] == ["failed"]
    assert amorsize.optimize(fails_late, range(40), n_jobs=2, history=path).source == "model"


@pytest.mark.parametrize("harm", ["garbage", "directory", "newer", "read-only", "foreign"])
def test_a_harmed_history_costs_a_warning_not_a_run(tmp_path: Path, harm: str) -> None:
    path = tmp_path / "history.sqlite"
    if harm == "garbage":
        path.write_bytes(b"not a database" * 1000)
    elif harm == "directory":
        path.mkdir()
    elif harm == "newer":
        import sqlite3

        open_history(path).close()
        with sqlite3.connect(path) as connection:
            connection.execute("PRAGMA user_version = 999")
        connection.close()
        Path(f"{path}.recall").unlink(missing_ok=True)
    elif harm == "read-only":
        path = Path("/proc/history.sqlite")
    else:
        import sqlite3

        with sqlite3.connect(path) as connection:
            connection.execute("CREATE TABLE mine (x)")
        connection.close()
    data = [0.003] * 40
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(2):
            assert amorsize.execute(wait, data, history=str(path)) == data
    ours = [one for one in caught if issubclass(one.category, amorsize.AmorsizeWarning)]
    assert len(ours) == 1, [str(one.message) for one in caught]
    assert "without a history" in str(ours[0].message)


def test_bad_options() -> None:
    with pytest.raises(TypeError, match=r"history=3\.5"):
        amorsize.execute(abs, [1], history=3.5)


def test_resolve(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMORSIZE_HISTORY", "/somewhere/h.sqlite")
    assert resolve("default") == "/somewhere/h.sqlite"
    assert resolve(None) is None
    assert resolve("other") == "other"
    monkeypatch.setenv("AMORSIZE_HISTORY", "off")
    assert resolve("default") is None
    monkeypatch.delenv("AMORSIZE_HISTORY")
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    if sys.platform == "linux":
        assert resolve("default") == "/state/amorsize/history.sqlite"
