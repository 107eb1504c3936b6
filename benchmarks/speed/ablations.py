"""Is each of these mechanisms worth its lines? The same work with and without it, in turns.

    python -m benchmarks.speed.ablations --pairs 15 [--only REGEX]

Each measurement is a fresh interpreter without a history. Of each mechanism: the median of the paired
ratios without / with, and Hodges-Lehmann's estimate of the log ratio with 95 % limits by Wilcoxon's
signed ranks. A ratio above 1 is what the mechanism saves.
"""

from __future__ import annotations

import argparse
import math
import os
import re
import subprocess
import sys
from pathlib import Path
from statistics import median

from benchmarks.harness.analysis import signed_rank_limits

ROOT = Path(__file__).resolve().parents[2]
LIMIT_SECONDS = 120.0

TRIVIAL_STREAM = """
def work():
    for _ in amorsize.stream(abs, range(2_000_000)):
        pass
"""
GENERATOR = """
from amorsize.engine import driver, outcome
def stream_of(runs):
    for run in outcome._marked(runs):
        yield from run
driver.stream_of = stream_of
"""
AFTER_BLAS = """
import numpy
square = numpy.ones((400, 400))
def count(item):
    total = 0
    for number in range(40_000):
        total += number * item
    return total
def work():
    square @ square  # OpenBLAS's threads spin for some time after it
    amorsize.execute(count, range(20))
"""
NO_CONTENTION = """
from amorsize.engine import gates
gates.CROWDED_SECONDS, gates.CROWD_ENDS_SECONDS = 0.0, 0.0
"""
ABLATIONS = {
    "stream by itertools.chain, trivial items": (TRIVIAL_STREAM, GENERATOR),
    "contention, after a product of matrices": (AFTER_BLAS, NO_CONTENTION),
}
"""Mechanism and work: the work, and what takes the mechanism away."""

RUN = """
import time
began = time.perf_counter()
work()
print(time.perf_counter() - began)
"""


def seconds_of(code: str) -> float:
    """One measurement in a fresh interpreter."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "AMORSIZE_HISTORY": "off", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
        check=False,
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    return float(done.stdout.split()[-1])


def main() -> None:
    """Print a line for each mechanism."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.speed.ablations", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--pairs", type=int, default=15)
    parser.add_argument("--only", default="", metavar="REGEX")
    options = parser.parse_args()
    for name, (work, without) in ABLATIONS.items():
        if not re.search(options.only, name):
            continue
        codes = [f"import amorsize\n{patch}{work}{RUN}" for patch in ("", without)]
        found = []
        for number in range(options.pairs):
            order = (0, 1) if number % 2 == 0 else (1, 0)
            times = {which: seconds_of(codes[which]) for which in order}
            found.append((times[0], times[1]))
        limits = signed_rank_limits([math.log(other / kept) for kept, other in found])
        low, middle, high = (math.exp(one) for one in (limits.lower, limits.estimate, limits.upper))
        kept, other = (median(times) for times in zip(*found, strict=True))
        print(
            f"{name:42} with {1e3 * kept:8.1f} ms  without {1e3 * other:8.1f} ms  "
            f"without / with {middle:.3f} [{low:.3f}, {high:.3f}]",
            flush=True,
        )


if __name__ == "__main__":
    main()
