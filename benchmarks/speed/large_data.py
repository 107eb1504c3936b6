"""Large arguments and results through worker processes, beside joblib, which maps arrays from files.

    python -m benchmarks.speed.large_data [--most 1024] [--rounds 5]

Arrays of 8 MB to 1 GB go to two workers in fresh interpreters (each sums one; there are up to four
arrays, for several items each) or come back from them (each makes one);
joblib does the same with loky, and both have warm workers. They take turns; the medians
of their seconds are told, and the median ratio of joblib to amorsize (above 1: amorsize is faster).
Forked workers come first, for joblib's threads forbid a fork: they inherit arguments, so nothing is
copied on the way in, and seconds do not grow with the size.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from joblib import Parallel, delayed

import amorsize

MB = 1 << 20


def total(array: Any) -> float:
    """Reads an argument once."""
    return float(array[:: MB // 64].sum())


def made(size: int) -> Any:
    """A result of so many bytes."""
    return np.full(size // 8, 1.5)


def by_joblib(func: Callable[[Any], Any], data: list[Any]) -> list[Any]:
    return list(Parallel(2)(delayed(func)(item) for item in data))


def by_spawn(func: Callable[[Any], Any], data: list[Any]) -> list[Any]:
    return amorsize.execute(func, data, backend="spawn", n_jobs=2)


def by_fork(func: Callable[[Any], Any], data: list[Any]) -> list[Any]:
    return amorsize.execute(func, data, backend="fork", n_jobs=2)


Runs = dict[str, Callable[[Callable[[Any], Any], list[Any]], list[Any]]]
ALONE: Runs = {"fork": by_fork}
"""Who cannot be beside joblib, whose threads forbid a fork."""
TOGETHER: Runs = {"joblib": by_joblib, "spawn": by_spawn}


def in_turns(
    runs: Runs, func: Callable[[Any], Any], data: list[Any], rounds: int
) -> dict[str, list[float]]:
    """Seconds of each contender in each round."""
    found: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(rounds + 1):
        for name, run in runs.items():
            began = time.perf_counter()
            results = run(func, data)
            seconds = time.perf_counter() - began
            assert len(results) == len(data)
            del results
            if turn:  # the first starts the workers
                found[name].append(seconds)
    return found


def jobs(most: int) -> Iterator[tuple[str, Callable[[Any], Any], list[Any]]]:
    """Name, function and data of each."""
    for size in (8, 64, 256, 1024):
        if size > most:
            return
        count = max(2, min(32, 1024 // size))
        arrays = [np.full(size * MB // 8, 1.5) for _ in range(min(count, 4))]
        yield f"{size:5d} MB arguments", total, [arrays[i % len(arrays)] for i in range(count)]
        del arrays
        yield f"{size:5d} MB results  ", made, [size * MB] * count


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--most", type=int, default=1024, help="largest array, in MB")
    options.add_argument("--rounds", type=int, default=5)
    given = options.parse_args()
    middle = statistics.median
    print("                     fork s")
    for name, func, data in jobs(given.most):
        (seconds,) = in_turns(ALONE, func, data, given.rounds).values()
        print(f"{name}{middle(seconds):10.3f}", flush=True)
    print("                   joblib s   spawn s   joblib / spawn")
    for name, func, data in jobs(given.most):
        joblib, spawn = in_turns(TOGETHER, func, data, given.rounds).values()
        ratio = middle(one / other for one, other in zip(joblib, spawn, strict=True))
        print(f"{name}{middle(joblib):10.3f}{middle(spawn):10.3f}{ratio:17.2f}", flush=True)


if __name__ == "__main__":
    main()
