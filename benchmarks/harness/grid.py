"""The grid that the oracle is chosen from, and the pre-pass that picks its promising part.

The grid: the loop; ThreadPool with 1, 2, 4 ... 128 threads; fork Pool with 1, 2, 4 ... processes, up to
twice the cores; each with chunks of 1, 4, 16 ... items up to one chunk for each worker.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
from typing import Any

from benchmarks.harness.host import usable_cores
from benchmarks.harness.measure import ROOT, Bench
from benchmarks.workloads.catalog import Workload

MOST_THREADS = 128
LIMIT_FACTOR, LIMIT_SECONDS = 2.0, 0.05
"""A pre-pass run is ended at so many times the best so far plus so much: it cannot win any more."""
FIRST_LIMIT_SECONDS = 60.0


def chunksizes(items: int, workers: int) -> list[int]:
    """1, 4, 16 ... and one chunk for each worker.

    >>> chunksizes(100, 2)
    [1, 4, 16, 50]
    """
    one_each = max(1, math.ceil(items / workers))
    powers = [4**i for i in range(12) if 4**i < one_each]
    return [*powers, one_each]


def worker_counts(most: int) -> list[int]:
    return [2**i for i in range(most.bit_length()) if 2**i <= most]


def pools() -> list[tuple[str, int]]:
    """The pools of the grid, those first that win most often: their times shorten the others' limits."""
    found = [("threads", n) for n in worker_counts(MOST_THREADS)]
    found += [("fork", n) for n in worker_counts(2 * len(usable_cores()))]
    likely = {
        ("fork", len(usable_cores())): 0,
        ("threads", len(usable_cores())): 1,
        ("threads", 32): 2,
    }
    return sorted(found, key=lambda pool: likely.get(pool, 3))


class Nursery:
    """One interpreter that runs many configurations, each in a forked child of its own: only good
    for a first look, for the imports are already done."""

    def __init__(self, bench: Bench, workload: Workload) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.harness._child", "nursery", workload.name],
            cwd=ROOT,
            env=bench.environment(workload),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def run(self, contender: str, limit_seconds: float) -> dict[str, Any]:
        order = json.dumps({"contender": contender, "limit_seconds": limit_seconds})
        print(order, file=self.process.stdin, flush=True)
        assert self.process.stdout is not None
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer

    def close(self) -> None:
        self.process.communicate()


def promising(bench: Bench, workload: Workload, keep: int, *, thorough: bool = True) -> list[str]:
    """Names of the configurations within twice the best of one quick run each, at most ``keep``.

    First both ends of each pool's chunk sizes; then, if ``thorough``, the sizes between for those
    pools of which one end was kept so far.
    """
    nursery = Nursery(bench, workload)
    try:
        loop = nursery.run("loop", FIRST_LIMIT_SECONDS)
        if "error" in loop:
            raise RuntimeError(f"the loop of {workload.name} failed: {loop['error']}")
        items, best, seconds = loop["count"], loop["seconds"], dict[str, float]()

        def look(kind: str, workers: int, sizes: list[int]) -> None:
            nonlocal best
            for size in sizes:
                name = f"{kind}-{workers}x{size}"
                answer = nursery.run(name, LIMIT_FACTOR * best + LIMIT_SECONDS)
                if "seconds" in answer:
                    seconds[name] = answer["seconds"]
                    best = min(best, answer["seconds"])

        for kind, workers in pools():
            sizes = chunksizes(items, workers)
            look(kind, workers, sorted({sizes[0], sizes[-1]}))
        if thorough:
            for kind, workers in pools():
                sizes = chunksizes(items, workers)
                ends = [seconds.get(f"{kind}-{workers}x{size}") for size in (sizes[0], sizes[-1])]
                if any(end is not None and end < LIMIT_FACTOR * best for end in ends):
                    look(kind, workers, sizes[1:-1])
        ranked = sorted(seconds, key=seconds.__getitem__)
        return [name for name in ranked if seconds[name] <= LIMIT_FACTOR * best][:keep]
    finally:
        nursery.close()
