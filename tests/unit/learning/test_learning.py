"""Runs learn from runs: recall, residuals, records; and nothing about it can hurt a run."""

from __future__ import annotations

import functools
import math
import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import ROOT
from support.work import calm

import amorsize
from amorsize.core.frozen import replace
from amorsize.core.limits import Limits
from amorsize.core.model import Config, Machine, Profile, Safety
from amorsize.core.observation import CROWDED, work_ratio
from amorsize.history import HistoryUnavailable, open_history
from amorsize.history.memory import MemoryHistory
from amorsize.history.sqlite import SqliteHistory
from amorsize.history.sqlite_cache import MOST_SPOOL_BYTES, SLOT_BYTES, SLOTS, SPOOL_BYTES, Quick
from amorsize.inspection.fingerprint import fingerprint
from amorsize.learning import evaluation as hindsight
from amorsize.learning.features import FEATURES, Arrays, decode, encode
from amorsize.learning.learner import resolve
from amorsize.learning.parameters import parameters_of, tune
from amorsize.learning.predictor import Predictor, has_changed, known_residual
from amorsize.planning import choose as planning
from amorsize.planning.cost_model import Costs
from amorsize.profiling.meter import Meter
from amorsize.profiling.sampler import Observer
from amorsize.testing.history_contract import observation

pytestmark = pytest.mark.timeout(60)


def wait(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


def burn(count: int) -> int:
    total = 0
    for number in range(count):
        total += number * number
    return total


def run_python(program: str, history: object, **more: str) -> str:
    environment = {**os.environ, "AMORSIZE_HISTORY": str(history), **more}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout.strip()


# -- runs ----------------------------------------------------------------------------------------------


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
    assert 0.004 <= one.profile.item_seconds < took  # a busy machine sleeps longer
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


def test_turns_of_the_gil_in_a_pause_are_no_computing() -> None:
    meter = Meter()
    meter.begin(only_computes=False)
    meter.pause()
    meter.turns += 1_000  # 0.3 s of turns, while the history was asked
    meter.resume()
    time.sleep(0.005)
    meter.add(1, 0.005)
    meter.pause()
    assert meter.shares()[1] < 0.5


def test_a_gil_let_go_of_while_deciding_tells_nothing() -> None:
    """The caller reads files then. Two such looks sent computing work to threads in one run of four."""

    class Scripted(Observer):
        pausing = False

        def _sleep(self, seconds: float) -> bool:
            self._slept = self._computed = seconds
            if self.pausing:
                self.meter.pause()
                self.meter.resume()
            return True

    meter = Meter()
    meter.begin(only_computes=False)
    observer = Scripted(meter, lambda: True, lambda *_: False)
    observer._cpu_clock = None
    meter.pause()
    assert observer._sample_gil() and meter.gil_free_share() is None
    meter.resume()
    observer.pausing = True
    assert observer._sample_gil() and meter.gil_free_share() is None
    observer.pausing = False
    assert observer._sample_gil() and meter.gil_free_share() == pytest.approx(2 / 3)


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
amorsize.execute(lambda x: x + 1, range(100_000))
print([str(path) for path in opened if "/proc" not in str(path)])
print("numpy" in sys.modules, "sqlite3" in sys.modules)
"""
    assert run_python(program, tmp_path / "h.sqlite") == "[]\nFalse False"
    assert list(tmp_path.iterdir()) == []


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
        Quick(str(path)).forget()
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


# -- the short way -------------------------------------------------------------------------------------


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


# -- features and residuals ----------------------------------------------------------------------------

MACHINE = Machine(cores=4, logical_cores=4, resident_bytes=50_000_000)
PROFILE = Profile(items=10, item_seconds=0.01, gil_free_share=1.0, result_bytes=100)


def test_rows_of_a_table_equal_rows_of_records() -> None:
    history = MemoryHistory()
    ones = [replace(observation(i), outcome="done") for i in range(6)]
    history.add([*ones, observation(7)])  # a failed run is not learned from
    arrays = Arrays(history.table())
    assert arrays.X.shape == (6, len(FEATURES))
    for row, one in zip(arrays.X, ones, strict=True):
        expected = encode(one.profile, one.machine, one.config, one.items)
        assert row.tolist() == pytest.approx(expected, abs=1e-12)
        assert all(0 <= value <= 1 for value in row)
    assert arrays.y.tolist() == pytest.approx(
        [math.log(one.wall_seconds / one.model_seconds) for one in ones]
    )


def test_decode_is_the_way_back() -> None:
    numbers = decode(encode(PROFILE, MACHINE, Config("threads", 8), 1000))
    assert numbers["profile.item_seconds"] == pytest.approx(0.01)
    assert numbers["config.n_jobs"] == pytest.approx(8)
    assert numbers["items"] == pytest.approx(1000)
    assert set(numbers) == {feature.name for feature in FEATURES}


def a_run(config: Config, wall: float, model: float, **changes: object) -> object:
    return replace(
        observation(),
        outcome="done",
        profile=PROFILE,
        machine=MACHINE,
        config=config,
        wall_seconds=wall,
        model_seconds=model,
        **{"weight": 1.0, "cpu_seconds": 0.0, **changes},  # type: ignore[arg-type]
    )


def test_own_runs_correct_the_model() -> None:
    slow = Config("threads", 4)
    residual = known_residual([a_run(slow, 3.0, 1.0), a_run(slow, 3.0, 1.0)], PROFILE)
    found = residual(slow)
    assert found is not None
    assert 0.8 * math.log(3.0) < found[0] < math.log(3.0)
    other = residual(Config("threads", 2))
    assert other is not None
    assert 0 < other[0] < found[0]


def test_runs_with_quite_other_items_do_not_count() -> None:
    run = a_run(Config("threads", 4), 3.0, 1.0)
    assert known_residual([run], replace(PROFILE, item_seconds=1.0))(Config("threads", 4)) is None


def test_newer_runs_count_more() -> None:
    config = Config("threads", 4)
    runs = [a_run(config, 2.0, 1.0), *[a_run(config, 1.0, 1.0)] * 3]
    found = known_residual(runs, PROFILE)(config)
    assert found is not None
    even = known_residual(runs[::-1], PROFILE)(config)
    assert even is not None
    assert even[0] < found[0] < math.log(2)


def choose(residual: object) -> planning.Choice:
    return planning.choose(
        PROFILE,
        MACHINE,
        400,
        Limits(),
        Safety(),
        Costs(),
        residual=residual,  # type: ignore[arg-type]
    )


def test_experience_overrules_the_model() -> None:
    model = choose(None).config
    assert model.backend in ("threads", "fork")

    def worse(config: Config) -> tuple[float, float, float] | None:
        return (1.5, 0.1, 3.0) if config.backend == model.backend else None

    learned = choose(worse)
    assert learned.config.backend != model.backend
    by_backend = {one.config.backend: one.source for one in learned.candidates}
    assert by_backend[model.backend] == "history"


def test_no_experience_changes_nothing() -> None:
    assert choose(lambda config: None) == choose(None)


def test_an_untried_configuration_is_explored_only_where_it_promises_enough() -> None:
    choice = choose(None)
    known = [one.config for one in choice.candidates]
    assert planning.explore(choice, known, 1.0, 0.0) is choice
    near = planning.explore(choice, [choice.config], 1.0, 0.0)
    assert near.config != choice.config
    assert near.prediction.seconds < choice.serial_seconds


def test_a_tuner_has_a_history_of_its_own() -> None:
    history = MemoryHistory()
    tuner = amorsize.Tuner(amorsize.Settings(explore=0), history=history)
    tuner.execute(wait, [0.006] * 60)
    assert tuner.optimize(wait, [0.006] * 60).source == "history"


def test_a_tuner_without_a_history_and_one_with_that_of_its_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "history.sqlite"
    monkeypatch.setenv("AMORSIZE_HISTORY", str(place))
    amorsize.Tuner(history=None).execute(wait, [0.006] * 30)
    assert not place.exists()
    kept = MemoryHistory()
    settings = amorsize.Settings({"history": kept})
    amorsize.Tuner(settings, history=None).execute(wait, [0.006] * 30)
    assert not list(kept.read())
    amorsize.Tuner(settings).execute(wait, [0.006] * 30)
    assert list(kept.read()) and not place.exists()


def synthetic(count: int = 200) -> MemoryHistory:
    """Threads are exp(0.7) slower than modelled for long items, right for short ones."""
    history = MemoryHistory()
    rows = []
    for number in range(count):
        item_seconds = 10 ** -(1 + number % 4)
        long = item_seconds > 5e-3
        profile = replace(PROFILE, item_seconds=item_seconds)
        one = a_run(
            Config("threads", 1 + number % 4),
            math.exp(0.7 if long else 0.0),
            1.0,
            fingerprint=f"{number % 20:032x}",
            workload="",
        )
        rows.append(replace(one, profile=profile, id=f"{number:032x}"))  # type: ignore[type-var]
    history.add(rows)  # type: ignore[arg-type]
    return history


def test_neighbours_are_asked_where_no_own_run_is() -> None:
    predictor = Predictor(synthetic().table())
    long = predictor.residual(replace(PROFILE, item_seconds=0.05), MACHINE, 1000)
    short = predictor.residual(replace(PROFILE, item_seconds=3e-4), MACHINE, 1000)
    config = Config("threads", 2)
    assert 0.5 < long(config)[0] < 0.75  # type: ignore[index]
    assert abs(short(config)[0]) < 0.1  # type: ignore[index]
    assert long(Config("fork", 2)) is None


def test_parameters_are_tuned_and_kept() -> None:
    history = synthetic()
    found = tune(history)
    assert set(found) == {"threads"}
    assert parameters_of(history) == found
    history.set_note("predictor", "{broken")
    assert parameters_of(history) == {}


# -- trust and exploration -----------------------------------------------------------------------------


def rented(start: float, real: float, foretold: float, doubted: float, step: float) -> float:
    """Seconds lost by who follows `is_due` where ``real`` seconds could be saved in all."""
    forgone = 0.0
    while forgone < real:
        if planning.is_due(forgone, start, foretold, doubted):
            return forgone + start
        forgone += step
    return real


@settings(max_examples=200, deadline=None)
@given(
    start=st.floats(0.001, 1.0),
    real=st.floats(0.0, 50.0),
    foretold=st.floats(0.0, 1e6),
    doubted=st.floats(planning.LEAST_DOUBT, 1.0),
)
def test_wrong_predictions_cost_no_more_than_the_bound(
    start: float, real: float, foretold: float, doubted: float
) -> None:
    step = start / 500
    best = min(real * start, start)
    lost = rented(start, real * start, foretold * start, doubted, step)
    assert lost <= (1 + 1 / doubted) * best + 2 * step
    right = rented(start, real * start, real * start, doubted, step)
    assert right <= (1 + doubted) * best + 2 * step


def test_the_bound_is_reached_by_the_worst_prediction() -> None:
    """The rule is that of the paper, not a more careful one: its worst case exists."""
    for doubted in (0.1, 0.5, 1.0):
        lost = rented(1.0, doubted + 2e-4, 1e9, doubted, 1e-4)
        assert lost / doubted == pytest.approx(1 + 1 / doubted, rel=1e-2)


def test_trust_grows_with_runs_and_with_how_right_they_were() -> None:
    config = Config("threads", 4)
    spreads = []
    for walls in ([1.0], [1.0, 1.01], [1.0, 1.01, 0.99, 1.0], [1.0, 2.0, 0.5, 3.0]):
        found = known_residual([a_run(config, wall, 1.0) for wall in walls], PROFILE)(config)
        assert found is not None
        spreads.append(found[1])
    assert spreads[0] > spreads[1] > spreads[2]
    assert spreads[3] > spreads[0], "runs that contradict each other are worth less than one"
    doubts = [planning.doubt(spread) for spread in spreads]
    assert doubts[2] < doubts[0] < doubts[3] <= 1.0


def test_a_changed_machine_counts_less() -> None:
    config = Config("threads", 4)
    before = replace(MACHINE, python="3.11.7+numpy-1.26.0")
    now = replace(MACHINE, python="3.11.7+numpy-2.4.6")
    assert has_changed(before, now)
    assert not has_changed(replace(MACHINE, python="3.11.7"), replace(now, load=3.0))
    assert has_changed(replace(MACHINE, python="3.11.7"), replace(MACHINE, python="3.12.0"))
    assert has_changed(MACHINE, replace(MACHINE, cores=MACHINE.cores + 1))
    runs = [replace(a_run(config, 3.0, 1.0), machine=before)]  # type: ignore[type-var]
    same = known_residual(runs, PROFILE, before)(config)
    other = known_residual(runs, PROFILE, now)(config)
    assert same is not None and other is not None
    assert abs(other[0]) < abs(same[0])
    assert other[1] > same[1]


def test_what_a_run_told_of_its_items_holds_for_all_configurations() -> None:
    """The first items were three times shorter than the rest: everything takes three times as long."""
    runs = [
        a_run(Config("serial"), 3.0, 1.0, items=100),
        a_run(Config("fork", 2), 1.5, 0.5, items=100, cpu_seconds=3.0),
    ]
    for run in runs:
        residual = known_residual([run], PROFILE)
        for config in (Config("serial"), Config("fork", 2), Config("threads", 8)):
            found = residual(config)
            assert found is not None
            crowded = 0.0 if run.config.backend == "serial" else CROWDED
            assert math.log(3) - crowded - 1e-9 <= found[0] <= math.log(3) + 1e-9


def test_items_seen_to_be_long_already_are_not_taken_for_longer() -> None:
    run = a_run(Config("serial"), 3.0, 1.0, items=100)  # items of 10 ms were 30 ms in the mean
    expected = {0.01: 3.0, 0.03: 1.0, 0.02: 1.5, 0.06: 1.0}
    for now, factor in expected.items():
        found = known_residual([run], replace(PROFILE, item_seconds=now))(Config("serial"))
        assert found is not None
        assert math.exp(found[0]) == pytest.approx(factor, rel=0.3)


def test_arrays_know_how_long_items_really_were() -> None:
    rows = [
        a_run(Config("serial"), 3.0, 1.0, items=100),
        a_run(Config("fork", 2), 1.5, 0.5, items=100, cpu_seconds=3.0),
        a_run(Config("threads", 2), 1.5, 0.5, items=100, cpu_seconds=0.5),
        a_run(Config("threads", 8), 1.5, 0.5, items=100),
    ]
    rows = [replace(row, id=f"{i:032x}") for i, row in enumerate(rows)]  # type: ignore[type-var]
    history = MemoryHistory()
    history.add(rows)
    expected = [math.log(row.wall_seconds / row.model_seconds) - work_ratio(row) for row in rows]
    assert Arrays(history.table()).y == pytest.approx(expected)


def test_exploring_costs_by_expectation_no_more_than_the_share() -> None:
    choice = choose(None)
    lots = [i / 1000 for i in range(1000)]
    tried = [choice.config]
    for share in (0.0, 0.001, 0.02):
        paid = 0.0
        for lot in lots:
            found = planning.explore(choice, tried, share, lot)
            if found is not choice:
                one = found.prediction
                assert one.seconds * math.exp(planning.DOUBTED_SPREAD) < choice.serial_seconds
                expected = one.seconds * math.exp(planning.DOUBTED_SPREAD**2 / 2)
                paid += expected / choice.prediction.seconds - 1
        assert paid / len(lots) <= share + 1e-3
    assert planning.explore(choice, tried, 0.02, 0.0) is not choice
    assert planning.explore(choice, tried, 0.02, 0.9) is choice


# -- told afterwards -----------------------------------------------------------------------------------


def test_a_plan_tells_how_right_it_was() -> None:
    history = MemoryHistory()
    tuner = amorsize.Tuner(amorsize.Settings(explore=0), history=history)
    tuner.execute(wait, [0.006] * 60)
    plan = tuner.optimize(wait, [0.006] * 60)
    assert plan.neighbours == 1
    assert plan.estimated_spread > 0
    assert plan.error is None and plan.real_seconds is None
    plan.execute()
    assert plan.real_seconds is not None and plan.error is not None
    assert plan.error == pytest.approx(math.log(plan.real_seconds / plan.estimated_seconds))
    text = str(plan)
    assert "it took" in text and "1 earlier run" in text
    assert plan.to_dict()["real_seconds"] == plan.real_seconds


def test_hindsight_sees_errors_fall() -> None:
    """Twenty functions, each three times slower than modelled: known from their second run on."""
    history = MemoryHistory()
    rows = [
        replace(
            a_run(Config("threads", 4), 3.0, 1.0, fingerprint=f"{number % 20:032x}", items=10),
            time=float(number),
            id=f"{number:032x}",
        )  # type: ignore[type-var]
        for number in range(200)
    ]
    history.add(rows)
    judged = hindsight.judge(history.table())
    assert len(judged) == 200
    assert judged[0].source == "nothing" and judged[0].error == pytest.approx(math.log(3))
    assert all(one.source == "own" for one in judged[20:])
    assert judged[199].error < 0.2 * judged[199].model_error
    found = hindsight.spans(judged, 4)
    assert [one.first for one in found] == [1, 51, 101, 151]
    assert found[-1].error < found[0].model_error
    assert found[-1].regret is None, "only one configuration ever ran"
    assert len(hindsight.text(found).splitlines()) == 6
    assert hindsight.svg(found).startswith("<svg")


def test_hindsight_names_the_regret() -> None:
    history = MemoryHistory()
    rows = [
        replace(
            a_run(Config("threads", 2 + 2 * (number % 2)), 2.0 - number % 2, 1.0, items=100),
            id=f"{number:032x}",
        )  # type: ignore[type-var]
        for number in range(10)
    ]
    history.add(rows)
    assert [one.regret for one in hindsight.judge(history.table())] == [2.0, 1.0] * 5
