"""Dask and Ray on loopback, two workers each: what cutting the work by measured costs gains.

    python -m benchmarks.speed.clusters dask
    python -m benchmarks.speed.clusters ray

For each: 50,000 items of 100 µs against one task an item (on ``--share`` of the items, for it is slow);
items of 1 ms against the best of fixed chunk sizes; a worker killed in the middle; trivial work with
the cluster as one choice of several. Median of ``--rounds``, everything in turns.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import amorsize

WORKERS = 2
SHORT_ITEMS, SHORT_SECONDS = 50_000, 1e-4
LONG_ITEMS, LONG_SECONDS = 3_000, 1e-3
SIZES = (1, 5, 10, 20, 40, 80, 160, 320, 750)


def compute(seconds: float) -> int:
    """Compute for so many CPU seconds: what else the machine does makes it longer, not less work."""
    end = time.thread_time() + seconds
    total = 0
    while time.thread_time() < end:
        total += sum(range(50))
    return 1


class KillsOnce:
    """Ends its worker in one item, once."""

    def __init__(self, mark: Path, item: int) -> None:
        self.mark, self.item = str(mark), item

    def __call__(self, item: int) -> int:
        if item == self.item and not os.path.exists(self.mark):
            with open(self.mark, "w"):
                pass
            os.kill(os.getpid(), signal.SIGKILL)
        compute(LONG_SECONDS)
        return item


@contextmanager
def dask() -> Iterator[tuple[Any, Callable[..., Any]]]:
    """A client, and a function that runs one task an item."""
    import distributed

    connect: Any = distributed.Client
    local: Any = distributed.LocalCluster
    with (
        local(WORKERS, threads_per_worker=1, dashboard_address=None, silence_logs=50) as cluster,
        connect(cluster, set_as_default=False) as client,
    ):

        def one_by_one(func: Callable[[Any], Any], items: list[Any]) -> Any:
            return client.gather(client.map(func, items, pure=False))

        yield client, one_by_one


@contextmanager
def ray() -> Iterator[tuple[Any, Callable[..., Any]]]:
    """The same for Ray."""
    import ray as module

    engine: Any = module
    engine.init(
        num_cpus=WORKERS, include_dashboard=False, log_to_driver=False, logging_level="ERROR"
    )

    def one_by_one(func: Callable[[Any], Any], items: list[Any]) -> Any:
        task = engine.remote(func)
        return engine.get([task.remote(item) for item in items])

    try:
        yield "ray", one_by_one
    finally:
        engine.shutdown()


def timed(function: Callable[..., Any], *args: Any, **options: Any) -> float:
    """Seconds of a call."""
    began = time.perf_counter()
    function(*args, **options)
    return time.perf_counter() - began


def short(backend: Any, one_by_one: Callable[..., Any], rounds: int, share: float) -> None:
    """50,000 items of 100 µs."""
    count = int(SHORT_ITEMS * share)
    ours, theirs = [], []
    for _ in range(rounds):
        ours.append(
            timed(amorsize.execute, compute, [SHORT_SECONDS] * SHORT_ITEMS, backend=backend)
        )
        theirs.append(timed(one_by_one, compute, [SHORT_SECONDS] * count) / share)
    mine, other = statistics.median(ours), statistics.median(theirs)
    print(f"{SHORT_ITEMS} items of 100 µs: {mine:.2f} s; one task an item {other:.2f} s "
          f"(from {count}): {other / mine:.1f} times")  # fmt: skip


def search(backend: Any, rounds: int) -> None:
    """Items of 1 ms with chunks of all sizes."""
    items = [LONG_SECONDS] * LONG_ITEMS
    found: dict[int | str, list[float]] = {size: [] for size in ("auto", *SIZES)}
    for _ in range(rounds):
        for size, seconds in found.items():
            seconds.append(timed(amorsize.execute, compute, items, backend=backend, chunksize=size))
    medians = {size: statistics.median(seconds) for size, seconds in found.items()}
    best = min(SIZES, key=lambda size: medians[size])
    print("chunk sizes: " + ", ".join(f"{size}: {s:.2f} s" for size, s in medians.items()))
    print(f"{LONG_ITEMS} items of 1 ms: {medians['auto']:.2f} s; best size {best}: "
          f"{medians[best]:.2f} s: {medians['auto'] / medians[best]:.2f} times")  # fmt: skip


def death(backend: Any) -> None:
    """A worker is killed in the middle."""
    with tempfile.TemporaryDirectory() as folder:
        func = KillsOnce(Path(folder) / "mark", LONG_ITEMS // 2)
        began = time.perf_counter()
        found = amorsize.execute(func, range(LONG_ITEMS), backend=backend)
        complete = found == list(range(LONG_ITEMS)) and os.path.exists(func.mark)
    print(
        f"a worker killed in the middle: complete {complete}, {time.perf_counter() - began:.2f} s"
    )


def trivial(backend: Any) -> None:
    """Work that is not worth a cluster."""
    seconds = statistics.median(
        timed(amorsize.execute, abs, range(10_000), backend=("auto", backend)) for _ in range(9)
    )
    plan = amorsize.optimize(abs, range(10_000), backend=("auto", backend))
    print(f"10,000 trivial items, not forced: {plan.backend}, {seconds * 1000:.2f} ms")


def main() -> None:
    """Measure one engine."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("engine", choices=["dask", "ray"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--share", type=float, default=0.2)
    parser.add_argument("--only", choices=["short", "search", "death", "trivial"])
    given = parser.parse_args()
    with (dask if given.engine == "dask" else ray)() as (backend, one_by_one):
        # measured, and every worker started: Ray starts them when there is work
        amorsize.execute(compute, [LONG_SECONDS] * 1000, backend=backend)
        if given.only in (None, "short"):
            short(backend, one_by_one, given.rounds, given.share)
        if given.only in (None, "search"):
            search(backend, given.rounds)
        if given.only in (None, "death"):
            death(backend)
        if given.only in (None, "trivial"):
            trivial(backend)


if __name__ == "__main__":
    main()
