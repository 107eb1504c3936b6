"""Dask and Ray, for real, on loopback with two workers each: contract, errors, deaths, newcomers."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.backend_checks import (
    check_a_stream_reads_no_further_than_its_window,
    check_an_error_has_the_index_of_its_item,
    check_arguments_of_all_sizes,
    check_once_whatever_the_data_are,
    check_progress_and_checkpoint,
    check_results_of_all_sizes,
    check_streams,
    seal_three,
)
from support.work import Recorder, square

import amorsize

pytestmark = [
    pytest.mark.timeout(180),
    pytest.mark.leaves_threads,
    # the libraries' own, of connections that their killed workers had
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
WORKERS = 2


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    distributed = pytest.importorskip("distributed")
    dask = pytest.importorskip("dask")
    # Dask would give four workers to what ends them; one is enough, for the items are looked at here.
    dask.config.set({"distributed.scheduler.allowed-failures": 0})
    with (
        distributed.LocalCluster(
            n_workers=WORKERS, threads_per_worker=1, dashboard_address=":0", silence_logs=50
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def ray() -> Iterator[str]:
    module = pytest.importorskip("ray")
    for left in (2, 1, 0):  # on a crowded machine its processes may miss their own deadlines
        try:
            module.init(
                num_cpus=WORKERS,
                include_dashboard=False,
                log_to_driver=False,
                logging_level="ERROR",
            )
            break
        except Exception:
            module.shutdown()
            if not left:
                raise
    yield "ray"
    module.shutdown()


@pytest.fixture(scope="module", params=["dask", "ray"])
def cluster(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue("client" if request.param == "dask" else "ray")


# -- what every backend keeps --------------------------------------------------------------------------


def test_results_of_all_sizes(cluster: Any) -> None:
    check_results_of_all_sizes(cluster)


@pytest.mark.parametrize("lazy", [False, True], ids=["list", "generator"])
def test_arguments_of_all_sizes(cluster: Any, lazy: bool) -> None:
    check_arguments_of_all_sizes(cluster, lazy)


@pytest.mark.parametrize("kind", ["list", "generator"])
def test_once_whatever_the_data_are(cluster: Any, kind: str, tmp_path: Path) -> None:
    check_once_whatever_the_data_are(cluster, kind, tmp_path)


def test_streams(cluster: Any) -> None:
    check_streams(cluster)


def test_a_stream_reads_no_further_than_its_window(cluster: Any) -> None:
    check_a_stream_reads_no_further_than_its_window(cluster)


def test_an_error_has_the_index_of_its_item(cluster: Any) -> None:
    check_an_error_has_the_index_of_its_item(cluster)


def test_progress_and_checkpoint(cluster: Any, tmp_path: Path) -> None:
    check_progress_and_checkpoint(cluster, tmp_path)


def test_what_cannot_be_promised_is_refused(cluster: Any) -> None:
    for option in ({"timeout": 1.0}, {"rerun_after_death": False}):
        with pytest.raises(ValueError, match="cannot be honoured by backend"):
            amorsize.execute(square, range(4), backend=cluster, **option)


def test_what_cannot_be_pickled_is_named(cluster: Any) -> None:
    found = amorsize.execute(seal_three, range(9), backend=cluster, on_error="collect")
    assert "the result of item 3" in str(found[3].exception)


# -- an order, and a limit -----------------------------------------------------------------------------


def pid(_: object) -> int:
    return os.getpid()


def test_one_cluster_is_an_order(cluster: Any) -> None:
    assert os.getpid() not in amorsize.execute(pid, range(50), backend=cluster)


def test_trivial_work_stays_local(cluster: Any) -> None:
    assert set(amorsize.execute(pid, range(50), backend=("serial", cluster))) == {os.getpid()}
    plan = amorsize.optimize(square, range(1000), backend=("auto", cluster))
    assert plan.backend == "serial"


def nap(_: object) -> int:
    time.sleep(0.02)
    return os.getpid()


def test_worthwhile_work_goes_there(cluster: Any) -> None:
    pids = amorsize.execute(nap, range(200), backend=("serial", cluster))
    assert len(set(pids) - {os.getpid()}) == WORKERS
    assert sum(one != os.getpid() for one in pids) > 100


def test_what_does_not_answer_costs_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("amorsize.backends.executors.dask.CONNECT_SECONDS", 1.0)
    monkeypatch.setattr("amorsize.backends.executors.connect.CONNECT_SECONDS", 0.4)
    with pytest.warns(amorsize.AmorsizeWarning, match="goes on without it"):
        found = amorsize.execute(nap, range(100), backend=("serial", "dask://127.0.0.1:9"))
    assert set(found) == {os.getpid()}


def test_an_order_for_what_does_not_answer_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("amorsize.backends.executors.dask.CONNECT_SECONDS", 1.0)
    with pytest.raises(ValueError, match="does not answer"):
        amorsize.execute(square, range(4), backend="dask://127.0.0.1:9")


def test_an_address_is_enough(client: Any) -> None:
    address = client.scheduler.address.replace("tcp://", "dask://")
    assert amorsize.execute(square, range(100), backend=address) == [n * n for n in range(100)]
    plan = amorsize.optimize(square, range(100), backend=address)
    assert plan.backend == "dask" and plan.execute() == [n * n for n in range(100)]


# -- deaths --------------------------------------------------------------------------------------------


class DiesOnce:
    """Ends its worker in one item, the first time."""

    def __init__(self, mark: Path, item: int) -> None:
        self.mark, self.item = str(mark), item

    def __call__(self, item: int) -> int:
        if item == self.item and not os.path.exists(self.mark):
            with open(self.mark, "w"):
                pass
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.001)
        return item * item


def test_a_worker_that_dies_costs_nothing(cluster: Any, tmp_path: Path) -> None:
    func = DiesOnce(tmp_path / "died", 300)
    found = amorsize.execute(func, range(1000), backend=cluster)
    assert found == [n * n for n in range(1000)]
    assert (tmp_path / "died").exists()


def deadly(item: int) -> int:
    if item == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    return item


def test_an_item_that_kills_its_workers_is_found(cluster: Any) -> None:
    found = amorsize.execute(deadly, range(12), backend=cluster, on_error="collect")
    assert isinstance(found[5].exception, amorsize.WorkerDied) and found[5].index == 5
    assert found[:5] + found[6:] == [n for n in range(12) if n != 5]


# -- workers that come and go --------------------------------------------------------------------------


def test_workers_are_added_and_lost_in_the_middle(tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")
    recorder = Recorder(tmp_path / "calls", 0.004, sleep=True)
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, dashboard_address=":0", silence_logs=50
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        first = next(iter(client.nthreads()))
        stream = amorsize.stream(recorder, iter(range(2500)), backend=client, buffersize=600)
        found = [next(stream)]
        cluster.scale(2)
        for value in stream:
            found.append(value)
            if len(recorder.pids()) == 2:
                break
        client.retire_workers([first], close_workers=True)
        found += stream
    assert found == [n * n for n in range(2500)]
    assert len(recorder.pids()) >= 2


# -- beginnings and ends -------------------------------------------------------------------------------


def test_a_failure_ends_what_is_on_its_way(cluster: Any, tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "calls", 0.01, sleep=True)
    stream = amorsize.stream(recorder, iter(range(10_000)), backend=cluster, buffersize=300)
    assert next(stream) == 0
    stream.close()
    time.sleep(1.0)  # what a worker was in is over by now
    begun = sum(recorder.calls().values())
    time.sleep(0.5)
    assert sum(recorder.calls().values()) == begun < 400


def test_interrupt(cluster: Any) -> None:
    began = time.monotonic()
    main = threading.main_thread().ident
    assert main is not None
    timer = threading.Timer(1.0, signal.pthread_kill, [main, signal.SIGINT])
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            amorsize.execute(nap, range(20_000), backend=cluster)
    finally:
        timer.join()
    assert time.monotonic() - began < 30  # the whole of it takes 200 s
    assert amorsize.execute(square, range(9), backend=cluster) == [n * n for n in range(9)]


def test_nothing_is_imported_before_it_is_used() -> None:
    import subprocess

    code = (
        "import sys, amorsize, concurrent.futures as f\n"
        "amorsize.execute(abs, [1], backend=('auto', 'ray'))\n"
        "amorsize.execute(abs, [1], backend=('auto', 'dask://127.0.0.1:9'))\n"
        "print(sorted({'ray', 'distributed', 'dask'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
