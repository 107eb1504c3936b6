"""``amorsize.Executor`` against the standard library's executors and the plain ``map``."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import (
    BrokenExecutor,
    CancelledError,
    Executor,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    as_completed,
)
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pytest
from tqdm.contrib.concurrent import _executor_map

import amorsize
from amorsize.backends.processes import spawn
from amorsize.errors import WorkerDied

FORMS = ("auto", "threads", "processes")
DEADLY = signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL
"""What ends a process there and then."""


@pytest.fixture(params=FORMS)
def form(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def doubled(number: int) -> int:
    return 2 * number


def power(base: int, exponent: int = 2) -> int:
    return base**exponent


def fails(number: int) -> int:
    if number == 3:
        raise ValueError(f"no {number}")
    return number


def ends(code: int) -> None:
    os._exit(code)


def refuse(*_: object) -> None:
    raise RuntimeError("not ready")


_value = "unset"


def settle_value(value: str) -> None:
    global _value
    _value = value


def read_value(_: object = None) -> str:
    return _value


def test_it_is_an_executor_with_the_signatures_of_the_standard_library(form: str) -> None:
    with amorsize.Executor(2, backend=form) as executor:
        assert isinstance(executor, Executor)
        assert executor.submit(power, 3, exponent=4).result() == 81
        assert list(executor.map(power, range(9), range(9))) == list(map(power, range(9), range(9)))
        assert list(executor.map(doubled, range(100), chunksize=7)) == [2 * n for n in range(100)]
        assert list(executor.map(doubled, [])) == []


@pytest.mark.parametrize("peer", [ThreadPoolExecutor, ProcessPoolExecutor])
def test_the_same_errors_as_the_standard_library(form: str, peer: type[Executor]) -> None:
    def outcome(make: type[Executor] | object) -> list[object]:
        found: list[object] = []
        for action in (
            lambda ex: list(ex.map(fails, range(6))),
            lambda ex: ex.submit(fails, 3).result(),
            lambda ex: ex.submit(),
            lambda ex: (ex.shutdown(), ex.submit(doubled, 1)),
            lambda ex: (ex.shutdown(), ex.map(doubled, [1])),
        ):
            with make(max_workers=2) as executor:  # type: ignore[operator]
                try:
                    found.append(action(executor))
                except Exception as error:
                    found.append((type(error), str(error) if "no 3" in str(error) else ""))
        return found

    assert outcome(lambda max_workers: amorsize.Executor(max_workers, backend=form)) == outcome(
        peer
    )


def test_lambdas_and_local_state_go_to_worker_processes() -> None:
    here = os.getpid()
    with amorsize.Executor(1, backend="processes") as executor:
        assert executor.submit(lambda: os.getpid() != here).result()
    with amorsize.Executor(1) as executor:
        assert executor.submit(lambda: os.getpid() == here).result()


@pytest.mark.parametrize("form", ["auto", "threads"])
def test_a_map_begins_without_being_iterated_over(form: str) -> None:
    seen: list[int] = []
    with amorsize.Executor(2, backend=form) as executor:
        results = executor.map(lambda n: seen.append(n) or n, range(20))
        end = time.monotonic() + 30
        while len(seen) < 20 and time.monotonic() < end:
            time.sleep(0.001)
        assert sorted(seen) == list(range(20))
    assert list(results) == list(range(20))


def test_shutdown_finishes_a_map_that_was_begun_by_its_consumer(form: str) -> None:
    with amorsize.Executor(2, backend=form) as executor:
        results = executor.map(doubled, range(50))
        first = next(results)
    assert [first, *results] == [2 * n for n in range(50)]


def test_the_iterables_are_read_when_map_is_called(form: str) -> None:
    data = [1, 2, 3]
    with amorsize.Executor(2, backend=form) as executor:
        results = executor.map(doubled, data)
        data.clear()
        assert list(results) == [2, 4, 6]


@pytest.mark.parametrize("buffersize", [1, 4, 50])
def test_with_a_buffersize_the_source_is_not_read_far_ahead(form: str, buffersize: int) -> None:
    read: list[int] = []

    def source() -> object:
        for number in itertools.count():
            read.append(number)
            yield number

    with amorsize.Executor(2, backend=form) as executor:
        results = executor.map(doubled, source(), buffersize=buffersize)  # type: ignore[arg-type]
        for number in range(20):
            assert next(results) == 2 * number
            assert len(read) <= number + 1 + buffersize
        results.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize(("bad", "error"), [(0, ValueError), (-1, ValueError), ("3", TypeError)])
def test_wrong_arguments(bad: object, error: type[Exception]) -> None:
    with amorsize.Executor(2) as executor, pytest.raises(error, match="buffersize"):
        executor.map(doubled, [1], buffersize=bad)  # type: ignore[arg-type]
    with amorsize.Executor(2) as executor, pytest.raises(ValueError, match="chunksize"):
        executor.map(doubled, [1], chunksize=0)
    with pytest.raises(ValueError, match="backend"):
        amorsize.Executor(backend="fibres")
    with pytest.raises(ValueError, match="max_workers must be greater than 0"):
        amorsize.Executor(0)
    with pytest.raises(TypeError, match="callable"):
        amorsize.Executor(initializer=3)  # type: ignore[arg-type]


def test_timeout_of_a_map(form: str) -> None:
    with amorsize.Executor(2, backend=form) as executor:
        results = executor.map(time.sleep, [0, 0.6], timeout=0.3)
        found = []
        with pytest.raises(TimeoutError):
            found.extend(results)
        assert found in ([], [None])  # a worker process may need the time to start


def test_shutdown_cancels_what_has_not_begun(form: str) -> None:
    executor = amorsize.Executor(1, backend=form)
    gate = executor.submit(time.sleep, 0.2)
    while not gate.running():
        time.sleep(0.001)
    later = [executor.submit(doubled, n) for n in range(9)]
    executor.shutdown(wait=True, cancel_futures=True)
    assert gate.result() is None
    assert sum(future.cancelled() for future in later) >= 8
    results = None
    with amorsize.Executor(2, backend=form) as executor:
        results = executor.map(time.sleep, [0.02] * 200)
        executor.shutdown(cancel_futures=True)
    with pytest.raises(CancelledError):
        list(results)


def test_initializer_runs_in_each_worker(form: str) -> None:
    with amorsize.Executor(
        2, backend=form, initializer=settle_value, initargs=("set",)
    ) as executor:
        assert {executor.submit(read_value).result() for _ in range(8)} == {"set"}
        assert set(executor.map(read_value, range(8))) == {"set"}
    settle_value("unset")


def test_an_initializer_that_fails_breaks_the_executor(form: str) -> None:
    executor = amorsize.Executor(1, backend=form, initializer=refuse)
    with pytest.raises(BrokenExecutor):
        executor.submit(doubled, 1).result()
    with pytest.raises(BrokenExecutor):
        executor.submit(doubled, 1)
    executor.shutdown()


def test_a_dead_worker_costs_one_call_and_says_which() -> None:
    with amorsize.Executor(2, backend="processes") as executor:
        others = [executor.submit(doubled, n) for n in range(20)]
        lost = executor.submit(ends, 3)
        later = [executor.submit(doubled, n) for n in range(20)]
        error = lost.exception()
        assert isinstance(error, WorkerDied) and isinstance(error, BrokenProcessPool)
        assert error.exitcode == 3
        assert [f.result() for f in others + later] == [2 * n for n in range(20)] * 2
        assert executor.submit(doubled, 4).result() == 8


@pytest.mark.parametrize(("rerun", "runs"), [(True, 2), (False, 1)])
def test_a_call_whose_worker_dies_runs_once_more_or_never(
    rerun: bool, runs: int, tmp_path: object
) -> None:
    log = f"{tmp_path}/log"

    def noted() -> None:
        with open(log, "a") as file:
            file.write(f"{os.getpid()}\n")
        os.kill(os.getpid(), DEADLY)

    with amorsize.Executor(1, backend="processes", rerun_after_death=rerun) as executor:
        with pytest.raises(WorkerDied):
            executor.submit(noted).result()
        assert len(Path(log).read_text().split()) == runs
        assert executor.submit(doubled, 1).result() == 2


def test_a_worker_keeps_a_large_array_whole() -> None:
    numpy = pytest.importorskip("numpy")
    array = numpy.arange(300_000.0)
    with amorsize.Executor(1, backend="processes") as executor:
        result = executor.submit(numpy.negative, array).result()
    assert numpy.array_equal(result, -array)


def test_workers_are_reused_and_go_back_to_the_warm_ones() -> None:
    while (warm := spawn._take_idle()) is not None:
        spawn._end(warm)
    with amorsize.Executor(4, backend="processes") as executor:
        pids = {executor.submit(os.getpid).result() for _ in range(20)}
        assert len(pids) == 1  # calls one after the other need one worker
    if spawn.idle_workers():  # it was given back in time
        with amorsize.Executor(4, backend="processes") as executor:
            assert executor.submit(os.getpid).result() in pids


def test_asyncio_runs_in_it(form: str) -> None:
    async def main() -> list[int]:
        loop = asyncio.get_running_loop()
        with amorsize.Executor(2, backend=form) as executor:
            calls = [loop.run_in_executor(executor, doubled, n) for n in range(30)]
            return await asyncio.gather(*calls)

    assert asyncio.run(main()) == [2 * n for n in range(30)]


def test_as_completed_and_tqdm_helpers_work(form: str) -> None:
    with amorsize.Executor(2, backend=form) as executor:
        futures = {executor.submit(doubled, n): n for n in range(20)}
        assert {futures[f]: f.result() for f in as_completed(futures)} == {
            n: 2 * n for n in range(20)
        }

    def make(max_workers: int, **options: object) -> amorsize.Executor:
        if form == "processes":  # the lock of tqdm's bars belongs to this process
            options = {}
        return amorsize.Executor(max_workers, backend=form, **options)  # type: ignore[arg-type]

    assert _executor_map(make, doubled, range(50), max_workers=2, disable=True) == [
        2 * n for n in range(50)
    ]


def test_one_worker_is_a_queue_in_which_calls_never_meet() -> None:
    inside, met = threading.Lock(), []

    def alone(number: int) -> int:
        if not inside.acquire(blocking=False):
            met.append(number)
        time.sleep(0.002)
        inside.release()
        return number

    for form in ("auto", "threads"):
        with amorsize.Executor(1, backend=form) as executor:
            futures = [executor.submit(alone, n) for n in range(10)]
            assert list(executor.map(alone, range(10), buffersize=3)) == list(range(10))
            assert [f.result() for f in futures] == list(range(10))
    assert not met


def test_what_was_submitted_is_done_before_the_interpreter_ends(form: str) -> None:
    code = (
        "import amorsize, os, time\n"
        f"ex = amorsize.Executor(2, backend={form!r})\n"
        "def late(n):\n    time.sleep(0.1)\n    os.write(1, b'done %d\\n' % n)\n"
        "ex.submit(late, 1)\n"
        "keep = ex.submit(late, 2)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=150, check=False
    )
    assert sorted(done.stdout.split("\n")) == ["", "done 1", "done 2"] and not done.stderr


def test_an_executor_that_is_dropped_leaves_no_thread() -> None:
    before = threading.active_count()
    for form in FORMS:
        executor = amorsize.Executor(2, backend=form)
        executor.submit(doubled, 2).result()
        del executor
    end = time.monotonic() + 20
    while threading.active_count() > before and time.monotonic() < end:
        time.sleep(0.01)
    assert threading.active_count() == before


@pytest.mark.timeout(20)
@pytest.mark.parametrize("limit", [None, 10])
def test_a_map_that_cannot_begin_says_so_at_once(form: str, limit: float | None) -> None:
    def refused() -> list[object]:
        with amorsize.Executor(2, backend=form) as executor:
            return list(executor.map(5, [1], timeout=limit))  # type: ignore[arg-type]

    began = time.monotonic()
    with pytest.raises(TypeError, match="must be callable"):
        refused()
    assert time.monotonic() - began < 5


@pytest.mark.timeout(20)
def test_a_map_that_cannot_begin_does_not_keep_shutdown_from_its_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as patched:  # no thread can be had for the map
        patched.setattr(threading.Thread, "start", refuse)
        executor = amorsize.Executor(2)
        results = executor.map(5, [1])  # type: ignore[arg-type]
    executor.shutdown()
    assert executor._pool._shutdown
    with pytest.raises(TypeError, match="must be callable"):
        next(results)


def test_a_single_thread_ends_a_map_with_a_buffersize_at_shutdown() -> None:
    """As its docstring says, and as the standard library's executors do."""
    with amorsize.Executor(1) as executor:
        results = executor.map(doubled, itertools.count(), buffersize=2)
        assert next(results) == 0
    with pytest.raises(RuntimeError):
        list(results)
    with amorsize.Executor(2) as executor:
        endless = executor.map(doubled, itertools.count(), buffersize=2)
        assert next(endless) == 0
    assert list(itertools.islice(endless, 3)) == [2, 4, 6]
    endless.close()  # type: ignore[attr-defined]


def began(_: int) -> float:
    return time.monotonic()


def test_a_rate_bounds_submitted_calls_and_maps_together(form: str) -> None:
    rate = amorsize.Rate("50/s", burst=5)
    with amorsize.Executor(2, backend=form, rate=rate) as executor:  # type: ignore[arg-type]
        futures = [executor.submit(began, number) for number in range(20)]
        found = [future.result() for future in futures]
        found += executor.map(began, range(20))
    found.sort()
    gaps = [last - first for first, last in zip(found, found[10:], strict=False)]
    assert min(gaps[5:]) >= 10 / 50 - 5 / 50, "ten calls take two tenths, but for what came late"
    assert found[-1] - found[0] >= (40 - 5 - 2) / 50


def test_what_a_call_costs_is_asked_of_its_arguments(form: str) -> None:
    asked: list[object] = []

    def cost(item: object) -> float:
        asked.append(item)
        if item == 3:
            raise KeyError("no price")
        return 1.0

    with amorsize.Executor(2, backend=form, rate=amorsize.Rate(1e6, cost=cost)) as executor:  # type: ignore[arg-type]
        assert executor.submit(doubled, 2).result() == 4
        assert executor.submit(power, 2, exponent=3).result() == 8
        with pytest.raises(KeyError, match="no price"):
            executor.submit(doubled, 3).result()
        cancelled = executor.submit(doubled, 4)
        cancelled.cancel()
    assert asked[:3] == [2, (2,), 3]
    with pytest.raises(ValueError, match="rate"):
        amorsize.Executor(rate="often")
