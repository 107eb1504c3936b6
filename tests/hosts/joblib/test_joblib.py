"""The joblib backend "amorsize" against the plain loop and against loky."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from joblib import Parallel, delayed
from joblib.externals.loky import get_reusable_executor
from support.work import calm

import amorsize
from amorsize.integrations.joblib import memory
from amorsize.integrations.joblib.backend import AmorsizeBackend, _memory
from amorsize.integrations.joblib.call import function_of
from amorsize.machine.detect import usable_cores

pytestmark = [
    pytest.mark.timeout(120),  # scikit-learn takes its time to be imported on a busy machine
    pytest.mark.leaves_threads,
]


@pytest.fixture(autouse=True)
def _under_the_backend() -> Iterator[None]:
    amorsize.register_joblib_backend()
    _memory._here.clear()
    with joblib.parallel_config(backend="amorsize", n_jobs=2):
        yield


@pytest.fixture(scope="module", autouse=True)
def _workers_end() -> Iterator[None]:
    yield
    end_workers()


def end_workers() -> None:
    get_reusable_executor().shutdown(wait=True, kill_workers=True)


def spin(count: int) -> int:
    total = 0
    for number in range(count):
        total += number * number
    return total


def shifted(number: int, by: int = 0) -> int:
    return number + by


def fails_at_three(number: int) -> int:
    if number == 3:
        raise KeyError("three")
    return number


def where(_: object) -> tuple[int, int]:
    time.sleep(0.001)
    return os.getpid(), threading.get_ident()


def here(_: object) -> tuple[int, int]:
    return os.getpid(), threading.get_ident()


def slow_where(_: object) -> int:
    spin(60_000)
    return os.getpid()


def set_mark(value: str) -> None:
    os.environ["A_MARK"] = value


def get_mark() -> str | None:
    return os.environ.get("A_MARK")


def start_workers() -> None:
    """Who asks for a generator has processes at once."""
    list(Parallel(return_as="generator")(delayed(here)(n) for n in range(2)))


def parent_of_tasks() -> str:
    return type(joblib.parallel.get_active_backend()[0]).__name__


class Seen:
    """What the backend did in the calls of a test."""

    def __init__(self) -> None:
        self.modes: list[str] = []


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Seen:
    found = Seen()
    hand_over = AmorsizeBackend._hand_over

    def noted(backend: AmorsizeBackend, call: Any, mode: str) -> None:
        found.modes.append(mode)
        hand_over(backend, call, mode)

    monkeypatch.setattr(AmorsizeBackend, "_hand_over", noted)
    return found


@pytest.mark.parametrize("pre_dispatch", ["2 * n_jobs", "all", 100])
@pytest.mark.parametrize("batch_size", ["auto", 1, 7])
@pytest.mark.parametrize("prefer", [None, "threads", "processes"])
def test_the_results_are_those_of_the_loop(prefer: Any, batch_size: Any, pre_dispatch: Any) -> None:
    run = Parallel(prefer=prefer, batch_size=batch_size, pre_dispatch=pre_dispatch)
    assert run(delayed(shifted)(n, by=n) for n in range(300)) == [2 * n for n in range(300)]
    assert run([]) == []


@pytest.mark.parametrize("return_as", ["generator", "generator_unordered"])
def test_generators(return_as: str) -> None:
    results = Parallel(return_as=return_as)(delayed(shifted)(n, by=1) for n in range(60))
    assert sorted(results) == list(range(1, 61))
    endless = Parallel(return_as=return_as)(delayed(shifted)(n) for n in itertools.count())
    assert len([next(endless) for _ in range(9)]) == 9
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        endless.close()


def busy_or_broken(item: int) -> int:
    end = time.perf_counter() + 0.005
    while time.perf_counter() < end:
        pass
    return 1 // item


def test_decisions_and_ends_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    import logging

    caplog.set_level(logging.DEBUG, logger="amorsize")
    Parallel(prefer="threads")(delayed(busy_or_broken)(1) for _ in range(40))
    with pytest.raises(ZeroDivisionError):
        Parallel()(delayed(busy_or_broken)(0) for _ in range(4))
    name = f"{__name__}:busy_or_broken"
    told = [one.amorsize for one in caplog.records if one.name == "amorsize"]  # type: ignore[attr-defined]
    assert {one["function"] for one in told} == {name}
    ends = [one for one in told if "outcome" in one]
    assert [one["outcome"] for one in ends] == ["done", "failed"] and ends[0]["items"] == 40
    assert any("thread" in one["chosen"] for one in told if "chosen" in one)


def test_trivial_work_stays_in_the_caller(seen: Seen) -> None:
    found = Parallel()(delayed(here)(n) for n in range(3))
    assert found == [(os.getpid(), threading.get_ident())] * 3
    Parallel()(delayed(shifted)(n) for n in range(5000))
    assert not seen.modes


def test_long_work_goes_to_processes_and_the_caller_works_on(seen: Seen) -> None:
    start_workers()
    pids = set(Parallel(prefer="processes")(delayed(slow_where)(n) for n in range(60)))
    assert set(seen.modes) == {"processes"}
    assert os.getpid() in pids and len(pids) >= 2


def test_workers_that_are_not_there_must_pay_their_start(seen: Seen) -> None:
    end_workers()
    Parallel(prefer="processes")(delayed(slow_where)(n) for n in range(6))
    assert not seen.modes


def test_prefer_and_require(seen: Seen) -> None:
    shared: list[int] = []
    Parallel(require="sharedmem")(
        delayed(lambda n: shared.append(n) or time.sleep(0.005))(n) for n in range(60)
    )
    assert sorted(shared) == list(range(60)) and set(seen.modes) == {"threads"}
    seen.modes.clear()
    Parallel(prefer="threads")(delayed(time.sleep)(0.005) for _ in range(60))
    assert seen.modes == ["threads"]


def process_after_a_wait(number: int) -> int:
    """It asks for no identity of its thread, which would keep it in the caller."""
    time.sleep(0.002)
    return os.getpid()


def test_waiting_work_goes_to_threads(seen: Seen) -> None:
    pids = set(Parallel()(delayed(process_after_a_wait)(n) for n in range(400)))
    assert pids == {os.getpid()} and seen.modes == ["threads"]


@pytest.mark.parametrize("prefer", ["threads", "processes"])
@pytest.mark.parametrize("count", [5, 3000])
def test_the_functions_own_exception(prefer: str, count: int) -> None:
    with pytest.raises(KeyError, match="three"):
        Parallel(prefer=prefer)(delayed(fails_at_three)(n % 4) for n in range(count))
    assert Parallel(prefer=prefer)(delayed(shifted)(n) for n in range(9)) == list(range(9))


def test_a_timeout() -> None:
    with pytest.raises(multiprocessing.TimeoutError):
        Parallel(timeout=0.2)(delayed(time.sleep)(30) for _ in range(2))


def test_a_large_array_is_mapped_not_copied() -> None:
    array = np.arange(400_000.0)  # 3.2 MB, over max_nbytes
    kinds = Parallel(return_as="generator")(
        delayed(lambda a: (type(a).__name__, float(a.sum())))(array) for _ in range(4)
    )
    assert list(kinds) == [("memmap", float(array.sum()))] * 4
    with joblib.parallel_config(backend="amorsize", n_jobs=2, max_nbytes=None):
        kinds = Parallel(return_as="generator")(
            delayed(lambda a: type(a).__name__)(array) for _ in range(2)
        )
        assert list(kinds) == ["ndarray"] * 2


def test_nested_calls_take_no_more_cores_than_there_are() -> None:
    def nested(_: int) -> list[str]:
        return Parallel(n_jobs=2)(delayed(parent_of_tasks)() for _ in range(2))

    for options in ({}, {"return_as": "generator"}, {"prefer": "threads"}):
        found = list(Parallel(**options)(delayed(nested)(n) for n in range(4)))
        cores = amorsize.integrations.joblib.backend.usable_cores()
        if cores < 4:
            assert found == [["SequentialBackend"] * 2] * 4


def test_an_initializer_runs_where_tasks_run() -> None:
    with joblib.parallel_config(
        backend="amorsize", n_jobs=2, initializer=set_mark, initargs=("1",)
    ):
        found = Parallel()(delayed(get_mark)() for _ in range(8))
    assert found == ["1"] * 8 and "A_MARK" not in os.environ


def test_a_worker_that_dies_costs_no_result(tmp_path: Path) -> None:
    caller, mark = os.getpid(), tmp_path / "died"

    def dies_once(number: int) -> int:
        spin(20_000)
        if os.getpid() != caller and not mark.exists():
            mark.touch()
            os._exit(9)
        return number

    start_workers()
    found = Parallel(pre_dispatch="all", prefer="processes")(
        delayed(dies_once)(n) for n in range(200)
    )
    assert found == list(range(200))
    assert mark.exists()


def test_what_is_seen_belongs_to_the_function_inside_the_wrappers(tmp_path: Path) -> None:
    from sklearn.utils.parallel import delayed as sklearn_delayed

    for wrap in (delayed, sklearn_delayed):
        batch = joblib.parallel.BatchedCalls([wrap(shifted)(1)], (None, None))
        assert function_of(batch) is shifted
    Parallel()(delayed(shifted)(n) for n in range(50))
    seen = _memory.recall(shifted)
    assert seen is not None and seen.items == 50 and seen.mode == "alone"


def test_the_history_learns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMORSIZE_HISTORY", str(tmp_path / "history.db"))
    Parallel()(delayed(time.sleep)(0.005) for _ in range(60))
    known = memory.Memory().look_up(time.sleep, 1.0)
    assert known is not None and known.mode == "threads"
    assert 0.004 < known.item_seconds < 0.5
    assert known.cpu_share < 0.5


def test_many_jobs_of_scikit_learn_give_the_same_numbers(tmp_path: Path) -> None:
    from sklearn.datasets import load_iris
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV, cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    data = load_iris(return_X_y=True)

    def numbers() -> list[Any]:
        pipe = make_pipeline(StandardScaler(), LogisticRegression(), memory=str(tmp_path))
        search = GridSearchCV(pipe, {"logisticregression__C": [0.1, 1.0, 10.0]}).fit(*data)
        forest = RandomForestClassifier(30, random_state=0).fit(*data)
        return [
            search.cv_results_["mean_test_score"],
            forest.predict_proba(data[0]),
            cross_val_score(LogisticRegression(), *data),
        ]

    ours = numbers()
    with joblib.parallel_config(backend="sequential"):
        loops = numbers()
    for mine, other in zip(ours, loops, strict=True):
        assert np.array_equal(mine, other)


def test_registering_is_all_that_imports_joblib() -> None:
    code = (
        "import sys, amorsize\nassert 'joblib' not in sys.modules\n"
        "assert 'concurrent.futures' not in sys.modules\n"
        "amorsize.register_joblib_backend()\nimport joblib\n"
        "assert 'amorsize' in joblib.parallel.BACKENDS"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=150)


@pytest.mark.skipif(usable_cores() < 2, reason="one core: no process would help")
def test_a_caller_whose_threads_were_sent_home_is_alone_again() -> None:
    """Threads that only take turns leave; later, processes help. The caller's limits follow.

    Beside other work on the machine a call may decide otherwise: one of a few tries shows all phases,
    and in each the caller's limits are those of its phase.
    """
    interval = sys.getswitchinterval()

    def check() -> None:
        Parallel(prefer="processes")(delayed(spin)(200_000) for _ in range(60))  # warm workers

        def looks(count: int) -> tuple[int, bool, bool, float]:
            from amorsize.core import nesting

            spin(count)
            here = threading.current_thread() is threading.main_thread()
            among = threading.get_ident() in nesting.busy_threads
            return os.getpid(), here, among, sys.getswitchinterval()

        found = Parallel(prefer="threads")(delayed(looks)(300_000) for _ in range(120))
        own = [
            (among, seconds < interval)
            for pid, here, among, seconds in found
            if here and pid == os.getpid()
        ]
        phases = [phase for phase, _ in itertools.groupby(own)]
        if (False, True) in phases or sys.getswitchinterval() != interval:
            pytest.fail(f"limits that are not those of the phase: {phases}")
        assert phases == [(False, False), (True, False), (False, False), (True, True)]

    calm(check, tries=8)


def test_batches_shrink_to_the_end() -> None:
    """Twenty tasks of 2.5 ms came as four and two times eight: one worker was in the last eight alone."""
    from types import SimpleNamespace

    from amorsize.integrations.joblib.call import Call

    backend = AmorsizeBackend()
    backend._n_jobs = 2
    call = backend._call = Call(answering=False, isolated=False)
    parallel = SimpleNamespace(n_tasks=None, n_dispatched_tasks=4, _original_iterator=iter(""))
    backend.parallel = parallel
    call.begin(abs, memory.Seen(0.0025, 1.0, "processes", 20))
    call.switch("processes")
    call.tasks.saw(4, 0.01, 0.01, alone=False)
    call.count_done(4)
    sizes = []
    while call.done < 20:
        sizes.append(min(backend.compute_batch_size(), 20 - call.done))
        parallel.n_dispatched_tasks += sizes[-1]
        call.count_done(sizes[-1])
    assert max(sizes) <= 2
    # a million short ones in batches of milliseconds all the same
    call = backend._call = Call(answering=False, isolated=False)
    call.begin(abs, memory.Seen(1e-5, 1.0, "processes", 1_000_000))
    call.switch("processes")
    call.tasks.saw(100, 0.001, 0.001, alone=False)
    for _ in range(6):
        size = backend.compute_batch_size()
    assert 1_000 < size <= 2_000
