"""Memory: functions that leak, items that are too large, a control group with little of it."""

from __future__ import annotations

import mmap
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.work import Recorder, children

import amorsize
from amorsize.api.checks import make_options
from amorsize.history.factory import open_history
from benchmarks.robustness.leaks import Outcome, leaking, memory_group

pytestmark = [
    pytest.mark.timeout(60),
    pytest.mark.skipif(sys.platform != "linux", reason="/proc of Linux"),
]
PROCESSES = ["fork", "spawn"]
MB = 1_000_000
WORKER_BYTES = 20 * MB
"""What a worker holds besides what the function keeps, as an observer from outside counts it: a fork
has pages of its parent, an interpreter its own."""


@pytest.fixture(autouse=True)
def fresh_workers() -> None:
    """A warm worker has memory of earlier runs at hand, and what it takes of that is no growth."""
    spawn = sys.modules.get("amorsize.backends.processes.spawn")
    while spawn is not None and (warm := spawn._take_idle()) is not None:
        spawn._end(warm)


def check_all_right(found: Outcome, items: int) -> None:
    assert (found.items, found.wrong, found.errors) == (items, 0, ()), found


@pytest.mark.parametrize("backend", PROCESSES)
def test_a_leak_under_a_limit(backend: str) -> None:
    """Three times as much is kept as may be held, and an observer sees that it is not."""
    found = leaking(60, 8 * MB, backend=backend, limit="150MB", timeout=50)
    check_all_right(found, 60)
    assert found.peak_bytes <= 150 * MB + 2 * WORKER_BYTES


@pytest.mark.parametrize("backend", PROCESSES)
def test_a_leak_in_a_control_group(backend: str) -> None:
    """Nobody asked for a limit; the workers see that of the group, and the run completes."""
    with memory_group(200 * MB) as group:
        if group is None:
            pytest.skip("making a memory cgroup is not permitted")
        check_all_right(leaking(60, 8 * MB, backend=backend, group=group, timeout=50), 60)


@pytest.mark.parametrize("backend", PROCESSES)
def test_a_kill_by_the_kernel_names_the_item(backend: str) -> None:
    with memory_group(160 * MB) as group:
        if group is None:
            pytest.skip("making a memory cgroup is not permitted")
        found = leaking(
            60, MB // 4, backend=backend, group=group, heavy=40, heavy_bytes=400 * MB, timeout=40
        )
    assert (found.items, found.wrong) == (60, 0), found
    (error,) = found.errors
    assert error.startswith("item 40: WorkerDied") and "SIGKILL" in error, error


class Keeps(Recorder):
    """Keeps memory for each item, or for the first in each process."""

    def __init__(self, path: Path, size: int, *, once: bool = False, seconds: float = 0.0) -> None:
        super().__init__(path, seconds, sleep=True)
        self.size, self.once = size, once

    def __call__(self, item: int) -> int:
        if not self.once or not _kept:
            # Pages of its own: a forked worker's heap may have room that the caller has freed.
            _kept.append(mmap.mmap(-1, self.size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))
            _kept[-1].write(b"x" * self.size)
        return super().__call__(item)


_kept: list[mmap.mmap] = []


def kept_for_a_moment(item: int) -> int:
    """The first are light: they do not show what the others need."""
    data = b"x" * (120 * MB if item >= LIGHT else 1)
    time.sleep(0.4 if item >= LIGHT else 0.02)
    return item + len(data) * 0


LIGHT = 16


WAYS = [("fork", how) for how in ("list", "iterator", "stream", "checkpoint", "timeout", "retries")]
WAYS += [("spawn", "list"), ("spawn", "stream")]


@pytest.mark.parametrize(("backend", "how"), WAYS)
def test_each_item_runs_once_whoever_leaves(backend: str, how: str, tmp_path: Path) -> None:
    func = Keeps(tmp_path / "calls", 4 * MB)
    options: dict[str, object] = {"backend": backend, "n_jobs": 2, "memory_limit": 150 * MB}
    options |= {
        "checkpoint": {"checkpoint": tmp_path / "journal"},
        "timeout": {"timeout": 40},
        "retries": {"retries": 2},
    }.get(how, {})
    data = iter(range(60)) if how in ("iterator", "stream") else range(60)
    call = amorsize.stream if how == "stream" else amorsize.execute
    assert list(call(func, data, **options)) == [x * x for x in range(60)]
    assert func.calls() == Counter(range(60))
    assert len(func.pids()) > 2, "some have left, and others have come"
    assert os.getpid() not in func.pids()
    assert not children()


@pytest.mark.parametrize("backend", PROCESSES)
def test_threads_in_workers_that_leak(backend: str, tmp_path: Path) -> None:
    """Several take items side by side in one process: all of them stop, none loses an item."""
    from amorsize.backends.base import BackendSpec
    from amorsize.backends.processes.fork import ForkLauncher
    from amorsize.backends.processes.memory import MemoryBudget
    from amorsize.backends.processes.pool import ProcessPool
    from amorsize.backends.processes.spawn import SpawnLauncher
    from amorsize.core.model import Config
    from amorsize.items.collector import ListCollector
    from amorsize.items.source import ItemSource

    func = Keeps(tmp_path / "calls", 4 * MB, seconds=0.002)
    source, collector = ItemSource(range(60)), ListCollector(0, "raise")
    source.hand_over(0)
    launcher = ForkLauncher() if backend == "fork" else SpawnLauncher()
    config, memory = Config(backend, 2, 3), MemoryBudget(150 * MB, 0, 2)
    run = ProcessPool(launcher, BackendSpec(func, source, collector, config, 0.001, memory=memory))
    run.start()
    while collector.done < 60:
        assert collector.failure is None
        run.step()
    run.close()
    assert collector.results == [x * x for x in range(60)]
    assert func.calls() == Counter(range(60))
    assert len(func.pids()) > 2 and not run.report().deaths


@pytest.mark.parametrize("backend", PROCESSES)
def test_no_more_workers_than_fit(backend: str, tmp_path: Path) -> None:
    """Each keeps 60 MB from its first item on: one of four fits into 100."""
    func = Keeps(tmp_path / "calls", 60 * MB, once=True, seconds=0.01)
    options = {"backend": backend, "n_jobs": 4, "memory_limit": "100MB"}
    assert amorsize.execute(func, range(60), **options) == [x * x for x in range(60)]
    assert len(func.pids()) == 1


@pytest.mark.parametrize("backend", PROCESSES)
def test_a_limit_that_is_far_away_keeps_nobody_from_work(backend: str, tmp_path: Path) -> None:
    """The first worker shows what it needs with one item: the rest is for all."""
    func = Recorder(tmp_path / "calls", 0.02, sleep=True)
    found = amorsize.execute(func, range(40), backend=backend, n_jobs=2, memory_limit=2000 * MB)
    assert found == [x * x for x in range(40)]
    calls = Counter(line.split()[1] for line in (tmp_path / "calls").read_text().splitlines())
    assert len(calls) == 2
    assert min(calls.values()) > 5


@pytest.mark.parametrize("backend", PROCESSES)
def test_a_worker_that_holds_much_and_does_not_grow_stays(backend: str, tmp_path: Path) -> None:
    """Whoever came in its place would need as much."""
    func = Keeps(tmp_path / "calls", 60 * MB, once=True)
    with pytest.warns(amorsize.AmorsizeWarning, match="more than the 50 MB of memory_limit"):
        amorsize.execute(Slowly(func), range(60), backend=backend, n_jobs=1, memory_limit="50MB")
    assert len(func.pids()) == 1


class Slowly:
    """Takes long enough at each item to be looked at."""

    def __init__(self, func: Recorder) -> None:
        self.func = func

    def __call__(self, item: int) -> int:
        time.sleep(0.005)
        return self.func(item)


@pytest.mark.parametrize("backend", PROCESSES)
def test_two_that_do_not_fit_become_one(backend: str) -> None:
    with pytest.warns(amorsize.AmorsizeWarning, match="2 workers hold .* goes on with 1"):
        found = amorsize.execute(
            kept_for_a_moment,
            iter(range(LIGHT + 6)),
            backend=backend,
            n_jobs=2,
            memory_limit="200MB",
        )
    assert found == list(range(LIGHT + 6))


@pytest.mark.parametrize("backend", PROCESSES)
def test_an_item_that_does_not_fit_is_told_of_before_anything_dies(backend: str) -> None:
    with pytest.warns(amorsize.AmorsizeWarning, match=r"a worker holds .*in item \d.*memory_limit"):
        found = amorsize.execute(
            kept_for_a_moment,
            iter(range(LIGHT + 2)),
            backend=backend,
            n_jobs=1,
            memory_limit="100MB",
        )
    assert found == list(range(LIGHT + 2))


def test_nothing_runs_in_the_caller(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "calls", 0.005)  # all items write one file
    limited: Any = {"memory_limit": "1GB", "effects": "ignore"}
    plan = amorsize.optimize(recorder, range(50), **limited)
    assert plan.backend == "processes" and plan.items_done <= 2  # tried, in workers as well
    assert os.getpid() not in recorder.pids()
    plan.execute()
    amorsize.execute(recorder, range(50), **limited, n_jobs=1)
    assert os.getpid() not in recorder.pids() and recorder.calls() == Counter([*range(50)] * 2)


def test_workers_go_before_the_caller_when_memory_runs_out() -> None:
    def score(_: int) -> int:
        return int(Path("/proc/self/oom_score_adj").read_text())

    for backend in PROCESSES:
        assert min(amorsize.execute(score, range(4), backend=backend)) >= min(500, score(0) + 1)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"backend": "threads"}, "cannot be honoured by backend threads"),
        ({"backend": ("serial", "threads")}, "cannot be honoured by backend serial, threads"),
        ({"memory_limit": 0}, "must be at least one byte"),
        ({"memory_limit": "much"}, "is no amount of memory"),
        ({"memory_limit": "nan"}, "is no amount of memory"),
        ({"memory_limit": "-1GB"}, "is no amount of memory"),
        ({"memory_limit": True}, "must be bytes or a text"),
        ({"memory_limit": 1.5}, "must be bytes or a text"),
    ],
)
def test_what_cannot_be_honoured_is_refused(options: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=f"memory_limit=.*{words}"):
        amorsize.execute(abs, [1], **{"memory_limit": "1GB", **options})


def test_a_function_that_must_stay_in_the_caller_cannot_be_limited() -> None:
    kept: list[int] = []
    with pytest.raises(ValueError, match=r"memory_limit=.*stays in the caller"):
        amorsize.execute(kept.append, [1], memory_limit="1GB")


def amounts() -> Iterator[tuple[int | str, int]]:
    yield 4096, 4096
    yield "4096", 4096
    yield "4096B", 4096
    for power, unit in enumerate("KMGT", 1):
        for decimal in (unit, unit + "B", unit.lower() + "b", f" {unit}B"):
            yield f"3{decimal}", 3 * 1000**power
        for binary in (unit + "iB", unit + "i", unit.lower() + "ib"):
            yield f"1.5{binary}", 3 * 1024**power // 2


@pytest.mark.parametrize(("given", "size"), list(amounts()))
def test_amounts(given: int | str, size: int) -> None:
    assert make_options(memory_limit=given).memory_limit == size


def hold_for_a_while(count: int) -> int:
    """Holds 60 MB for a tenth of a second."""
    held = bytearray(60 * MB)
    held[::4096] = b"x" * len(held[::4096])
    time.sleep(0.1)
    return count + len(held)


@pytest.mark.parametrize("backend", ["fork", "spawn"])
def test_what_a_worker_held_is_remembered(backend: str, tmp_path: Path) -> None:
    path = str(tmp_path / "history.sqlite")
    data = list(range(12))
    found = amorsize.execute(hold_for_a_while, data, backend=backend, n_jobs=2, history=path)
    assert found == [hold_for_a_while(one) for one in data]
    with open_history(path) as history:
        (run,) = history.read()
    assert 55 * MB < run.work.worker_bytes < 200 * MB
