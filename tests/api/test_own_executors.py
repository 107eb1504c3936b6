"""Any executor of the user's: the contract of every backend, errors, cancelling, windows, refusals."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from support.backend_checks import (
    Sealed,
    check_a_stream_reads_no_further_than_its_window,
    check_an_error_has_the_index_of_its_item,
    check_arguments_of_all_sizes,
    check_arrays,
    check_nested_values,
    check_once_whatever_the_data_are,
    check_progress_and_checkpoint,
    check_results_of_all_sizes,
    check_streams,
    seal_three,
)
from support.work import Recorder, square

import amorsize
from amorsize.core.model import LinkCost
from amorsize.planning import chunking as sizing

WORKERS = 2
pytestmark = pytest.mark.timeout(120)


def spawn_pool() -> Executor:
    return ProcessPoolExecutor(WORKERS, multiprocessing.get_context("spawn"))


def loky_pool() -> Executor:
    from loky import ProcessPoolExecutor as LokyExecutor

    return LokyExecutor(WORKERS)  # type: ignore[no-any-return]


class Plain(Executor):
    """An executor that tells nothing of itself: a thread for each call."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()

        def run() -> None:
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(fn(*args, **kwargs))
                except BaseException as error:
                    future.set_exception(error)

        threading.Thread(target=run, daemon=True).start()
        return future


MAKERS: dict[str, Callable[[], Executor]] = {
    "threads": lambda: ThreadPoolExecutor(WORKERS),
    "processes": spawn_pool,
    "loky": loky_pool,
    "plain": Plain,
}


@pytest.fixture(scope="module", params=MAKERS)
def executor(request: pytest.FixtureRequest) -> Iterator[Executor]:
    made = MAKERS[request.param]()
    yield made
    made.shutdown(wait=True)


@pytest.fixture
def threads() -> Iterator[Executor]:
    with ThreadPoolExecutor(WORKERS) as made:
        yield made


# -- the contract --------------------------------------------------------------------------------------


def test_results_of_all_sizes(executor: Executor) -> None:
    check_results_of_all_sizes(executor)


@pytest.mark.parametrize("lazy", [False, True], ids=["list", "generator"])
def test_arguments_of_all_sizes(executor: Executor, lazy: bool) -> None:
    check_arguments_of_all_sizes(executor, lazy)


def test_nested_values(executor: Executor) -> None:
    check_nested_values(executor)


def test_arrays(executor: Executor) -> None:
    check_arrays(executor)


@pytest.mark.parametrize("kind", ["list", "generator", "dict", "set", "string"])
def test_once_whatever_the_data_are(executor: Executor, kind: str, tmp_path: Path) -> None:
    check_once_whatever_the_data_are(executor, kind, tmp_path)


@pytest.mark.parametrize("chunksize", [1, 7, 1000])
def test_the_chunksize_that_the_user_wants(executor: Executor, chunksize: int) -> None:
    found = amorsize.execute(square, range(100), backend=executor, chunksize=chunksize)
    assert found == [n * n for n in range(100)]


def test_a_large_function_goes_to_each_worker(executor: Executor) -> None:
    table = list(range(100_000))
    found = amorsize.execute(lambda n: table[n] + 1, range(2000), backend=executor)
    assert found == list(range(1, 2001))


def test_streams(executor: Executor) -> None:
    check_streams(executor)


def test_a_stream_reads_no_further_than_its_window(executor: Executor) -> None:
    check_a_stream_reads_no_further_than_its_window(executor)


# -- errors --------------------------------------------------------------------------------------------


def test_an_error_has_the_index_of_its_item(executor: Executor) -> None:
    check_an_error_has_the_index_of_its_item(executor)


@pytest.mark.parametrize("name", ["processes", "loky"])
def test_what_cannot_be_pickled_is_named(name: str) -> None:
    with MAKERS[name]() as executor:
        found = amorsize.execute(seal_three, range(9), backend=executor, on_error="collect")
        assert "the result of item 3" in str(found[3].exception)
        assert found[:3] + found[4:] == [n for n in range(9) if n != 3]
        items = [0, 1, Sealed(), 3]
        found = amorsize.execute(type, items, backend=executor, on_error="collect")
        assert "item 2" in str(found[2].exception)
        assert found[:2] + found[3:] == [int, int, int]


class Refused:
    """Can be pickled, and not unpickled."""

    def __reduce__(self) -> Any:
        return int, ("no number",)


def refuse_three(item: int) -> Any:
    if item == 4:
        raise ValueError("four")
    return Refused() if item == 3 else item


@pytest.mark.parametrize("name", ["processes", "loky"])
def test_a_result_that_cannot_be_unpickled_costs_no_other(name: str) -> None:
    with MAKERS[name]() as executor:
        options: dict[str, Any] = {"backend": executor, "chunksize": 6}
        found = amorsize.execute(refuse_three, range(12), on_error="collect", **options)
        assert "the result of item 3 cannot be unpickled" in str(found[3].exception)
        assert repr(found[4].exception) == "ValueError('four')"
        assert found[:3] + found[5:] == [0, 1, 2, *range(5, 12)]
        with pytest.raises(pickle.UnpicklingError, match="item 3"):
            amorsize.execute(refuse_three, [0, 1, 2, 3], **options)


def test_a_pool_that_breaks_is_told_of() -> None:
    with spawn_pool() as executor, pytest.raises(amorsize.WorkerDied, match="make a new one"):
        amorsize.execute(os._exit, [1] * 4, backend=executor)


def test_a_pool_that_is_shut_down_is_told_of() -> None:
    executor = ThreadPoolExecutor(1)
    executor.shutdown()
    with pytest.raises(ValueError, match="takes no calls"):
        amorsize.execute(square, range(4), backend=executor)


@pytest.mark.parametrize("option", [{"timeout": 1.0}, {"rerun_after_death": False}], ids=str)
def test_what_cannot_be_promised_is_refused(threads: Executor, option: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="cannot be honoured by backend executor"):
        amorsize.execute(square, range(4), backend=threads, **option)


@pytest.mark.parametrize("wrong", [("nothing",), (), 3, ("threads", 4), object()], ids=repr)
def test_what_is_no_backend_is_refused(wrong: Any) -> None:
    with pytest.raises(ValueError, match="known: auto"):
        amorsize.execute(square, range(4), backend=wrong)


def test_one_executor_at_a_time(threads: Executor) -> None:
    with Plain() as other, pytest.raises(ValueError, match="two executors"):
        amorsize.execute(square, range(4), backend=(threads, other))


# -- an order, and a limit -----------------------------------------------------------------------------


def who(_: object) -> str:
    return threading.current_thread().name


def test_one_executor_is_an_order() -> None:
    with ThreadPoolExecutor(WORKERS, thread_name_prefix="theirs") as executor:
        names = set(amorsize.execute(who, range(50), backend=executor))
    assert all(name.startswith("theirs") for name in names)


class Untouched(Executor):
    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        raise AssertionError("nothing here was worth a call")


def test_trivial_work_stays_local() -> None:
    for allowed in (("auto", Untouched()), ("serial", Untouched())):
        found = amorsize.execute(square, range(1000), backend=allowed)
        assert found == [n * n for n in range(1000)]


def nap(_: object) -> str:
    time.sleep(0.01)
    return threading.current_thread().name


def test_worthwhile_work_goes_where_it_is_quicker() -> None:
    with ThreadPoolExecutor(64, thread_name_prefix="theirs") as executor:
        names = amorsize.execute(nap, range(300), backend=("serial", executor))
        plan = amorsize.optimize(nap, range(300), backend=("serial", executor))
    assert sum(name.startswith("theirs") for name in names) > 200
    assert plan.backend == "executor", plan


def test_an_executor_that_fails_as_a_candidate_costs_a_warning() -> None:
    with pytest.warns(amorsize.AmorsizeWarning, match="goes on without it"):
        found = amorsize.execute(nap, range(60), backend=("serial", Untouched()))
    assert len(found) == 60


def test_no_more_side_by_side_than_asked_for() -> None:
    lock, inside, most = threading.Lock(), 0, 0

    def watched(item: int) -> int:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        time.sleep(0.002)
        with lock:
            inside -= 1
        return item

    with ThreadPoolExecutor(8) as executor:
        assert amorsize.execute(watched, range(60), backend=executor, n_jobs=2) == list(range(60))
    assert most <= 2


def test_a_call_from_within_stays_serial(threads: Executor) -> None:
    def outer(item: int) -> list[int]:
        return amorsize.execute(square, range(item), backend=threads)

    expected = [[n * n for n in range(item)] for item in range(20)]
    assert amorsize.execute(outer, range(20), backend=threads) == expected


# -- beginnings and ends -------------------------------------------------------------------------------


def test_initializer_once_in_each_thread(threads: Executor) -> None:
    ready: list[int] = []

    def prepared(item: int) -> int:
        assert threading.get_ident() in ready
        return item

    found = amorsize.execute(
        prepared,
        range(100),
        backend=threads,
        initializer=lambda: ready.append(threading.get_ident()),
    )
    assert found == list(range(100))
    assert len(ready) == len(set(ready)) <= WORKERS


def test_progress_and_checkpoint(executor: Executor, tmp_path: Path) -> None:
    check_progress_and_checkpoint(executor, tmp_path)


def test_a_closed_stream_begins_nothing_more(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "calls", 0.002, sleep=True)
    with ThreadPoolExecutor(WORKERS) as executor:
        results = amorsize.stream(recorder, iter(range(10_000)), backend=executor, buffersize=400)
        assert next(results) == 0
        results.close()
        began = len(recorder.calls())
        time.sleep(0.1)
        assert len(recorder.calls()) <= began + WORKERS


def test_interrupt(tmp_path: Path) -> None:
    """Ctrl-C comes through at once, although the pool's items are not done."""
    script = tmp_path / "job.py"
    script.write_text(
        textwrap.dedent(
            """
            import time
            from concurrent.futures import ThreadPoolExecutor
            import amorsize

            def item(n):
                if n == 0:
                    print("begun", flush=True)
                time.sleep(0.05)

            with ThreadPoolExecutor(2) as executor:
                try:
                    amorsize.execute(item, range(2000), backend=executor)
                except KeyboardInterrupt:
                    print("interrupted", flush=True)
            """
        )
    )
    job = subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "AMORSIZE_HISTORY": "off"},
    )
    with job:
        assert job.stdout is not None
        assert job.stdout.readline() == "begun\n"
        job.send_signal(signal.SIGINT)
        assert job.stdout.readline() == "interrupted\n"
        assert job.wait(20) == 0


# -- sizes of chunks: pure -----------------------------------------------------------------------------


@pytest.mark.parametrize("task", [1e-5, 1e-3, 0.02])
@pytest.mark.parametrize("item", [1e-6, 1e-4, 1e-2, 1.0])
@pytest.mark.parametrize("slots", [1, 2, 64])
def test_a_simulated_cluster_loses_little(task: float, item: float, slots: int) -> None:
    """Chunks dealt to workers that each pay ``task`` for a call: within 10 % of the best fixed size."""
    link = LinkCost(0.0, 5 * task, task, 0.0)
    total = int(min(200_000, max(slots, 200 * task / item * slots)))

    def makespan(next_chunk: Callable[[int], int]) -> float:
        free = [0.0] * slots
        left = total
        while left:
            items = min(left, next_chunk(left))
            left -= items
            who = free.index(min(free))
            free[who] += task + items * item
        return max(free)

    largest = total

    def ours(left: int) -> int:
        return sizing.chunk_items(link, item, 0.0, slots, left, largest)

    fixed = [makespan(lambda left, size=size: size) for size in {1, *(2**n for n in range(18))}]  # type: ignore[misc]
    assert makespan(ours) <= 1.1 * min(fixed) + 2 * task


def test_chunks_grow_step_by_step() -> None:
    link = LinkCost(0.0, 0.01, 0.001, 0.0)
    assert sizing.chunk_items(link, 0.0, 0.0, 2, 1000, 1) == 1  # nothing is known yet
    assert sizing.chunk_items(link, 1e-6, 0.0, 2, 10**6, 1) == sizing.GROWTH
    assert sizing.chunk_items(link, 1e-6, 2.0**20, 2, 10**6, 10**6) == sizing.CHUNK_BYTES // 2**20
    assert sizing.on_the_way(link, 0.001, 2) > sizing.on_the_way(link, 1.0, 2) >= 4
