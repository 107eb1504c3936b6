"""What runs a workload: the plain loop, amorsize, the pools of the grid, and the peers.

``load(name)`` imports what the contender needs and returns ``run(func, data) -> list``; only ``run``
is timed. Peers are called as their own first example shows, with default settings, and their imports
are free of charge. Starting and stopping the pool is part of the time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

Func = Callable[[Any], Any]
Run = Callable[[Func, Iterable[Any]], list[Any]]

GRID_NAME = re.compile(r"(threads|fork)-(\d+)x(\d+)")
"""For example ``fork-2x16``: two processes, chunks of sixteen items."""
KNOWN = "amorsize-known"
"""amorsize with a plan that it knows: it has run the workload before, in processes that have ended."""
PRECAUTIONS: dict[str, dict[str, Any]] = {
    "amorsize on_error": {"on_error": "collect"},
    "amorsize retries": {"retries": 2, "retry_on": OSError},
    "amorsize rerun": {"rerun_after_death": False},
    "amorsize timeout": {"timeout": 100.0},
}
"""amorsize with options that are there for bad runs."""
NEEDS_NO_PICKLE = ("loop", "amorsize", KNOWN, *PRECAUTIONS)
"""Everyone else gets a workload's portable twin where there is one."""


def _loop() -> Run:
    def run(func: Func, data: Iterable[Any]) -> list[Any]:
        return [func(item) for item in data]

    return run


def _amorsize(options: dict[str, Any]) -> Run:
    import amorsize

    def run(func: Func, data: Iterable[Any]) -> list[Any]:
        return amorsize.execute(func, data, **options)

    return run


def _grid(kind: str, workers: int, chunksize: int) -> Run:
    from multiprocessing import get_context, pool

    def run(func: Func, data: Iterable[Any]) -> list[Any]:
        if kind == "threads":
            with pool.ThreadPool(workers) as threads:
                return threads.map(func, data, chunksize)
        with get_context("fork").Pool(workers) as processes:
            return processes.map(func, data, chunksize)

    return run


def _thread_pool_executor() -> Run:
    from concurrent.futures import ThreadPoolExecutor

    def run(func: Func, data: Iterable[Any]) -> list[Any]:
        with ThreadPoolExecutor() as executor:
            return list(executor.map(func, data))

    return run


def _process_pool_executor() -> Run:
    from concurrent.futures import ProcessPoolExecutor

    def run(func: Func, data: Iterable[Any]) -> list[Any]:
        with ProcessPoolExecutor() as executor:
            return list(executor.map(func, data))

    return run


def _multiprocessing_pool() -> Run:
    from multiprocessing import Pool

    def run(func: Func, data: Iterable[Any]) -> list[Any]:
        with Pool() as pool:
            return pool.map(func, data)

    return run


def _joblib() -> Run:
    from joblib import Parallel, delayed

    def run(func: Func, data: Iterable[Any]) -> list[Any]:
        return list(Parallel(n_jobs=-1)(delayed(func)(item) for item in data))

    return run


def _mpire() -> Run:
    from mpire.pool import WorkerPool

    def run(func: Func, data: Iterable[Any]) -> list[Any]:
        # Wrapped, for mpire unpacks tuples and dicts into several arguments.
        items = [(item,) for item in data]
        with WorkerPool() as pool:
            return list(pool.map(func, items, concatenate_numpy_output=False))

    return run


def _loky() -> Run:
    from loky import get_reusable_executor

    def run(func: Func, data: Iterable[Any]) -> list[Any]:
        return list(get_reusable_executor().map(func, data))

    return run


PEERS: dict[str, Callable[[], Run]] = {
    "ThreadPoolExecutor": _thread_pool_executor,
    "ProcessPoolExecutor": _process_pool_executor,
    "multiprocessing.Pool": _multiprocessing_pool,
    "joblib": _joblib,
    "mpire": _mpire,
    "loky": _loky,
}


def load(name: str) -> Run:
    if name == "loop":
        return _loop()
    if name in ("amorsize", KNOWN, *PRECAUTIONS):
        return _amorsize(PRECAUTIONS.get(name, {}))
    if name in PEERS:
        return PEERS[name]()
    if match := GRID_NAME.fullmatch(name):
        return _grid(match[1], int(match[2]), int(match[3]))
    known = ["loop", "amorsize", KNOWN, *PRECAUTIONS, *PEERS, "threads-2x1", "fork-2x1", "..."]
    raise ValueError(f"no contender is called {name!r}; there are {', '.join(known)}")
