"""Forks beside BLAS and OpenMP in use: does a child hang, and are results the loop's?

    python -m benchmarks.robustness.forks_beside_blas [--forks 1000] [--openmp {none,gnu,sklearn}]

Before each call the caller multiplies matrices, so that OpenBLAS has threads that have just worked, and
with ``--openmp`` uses OpenMP too: by a small library that gcc builds, or by scikit-learn's. Then forked
workers, asked for by name, do the same with each item. A refusal with a reason counts as one; a call that
hangs ends the program after a minute, with the lines where it stood.
"""

from __future__ import annotations

import argparse
import ctypes
import faulthandler
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import amorsize

HANG_SECONDS = 60
"""A call of some milliseconds that takes so long hangs."""
SIZE = 160
"""Rows and columns: OpenBLAS computes products of this size on several threads."""
ITEMS = range(12)
LIBRARY = """
double work(int n) {
    double sum = 0;
    #pragma omp parallel for reduction(+:sum) num_threads(2)
    for (int i = 0; i < n; i++) sum += i;
    return sum;
}
"""
NUMBERS = np.random.default_rng(0).standard_normal((SIZE, SIZE))
_openmp: list[Callable[[], float]] = []


def product(item: int) -> float:
    """A product of matrices, and a sum by OpenMP where it is in use."""
    matrix = NUMBERS + item
    total = float((matrix @ matrix)[0, 0])
    return total + (_openmp[0]() if _openmp else 0.0)


def gnu_openmp(folder: str) -> Callable[[], float]:
    """A function that sums numbers on two threads of GNU OpenMP."""
    source, library = Path(folder, "work.c"), Path(folder, "work.so")
    source.write_text(LIBRARY)
    command = ["gcc", "-O1", "-fopenmp", "-shared", "-fPIC", "-o", str(library), str(source)]
    subprocess.run(command, check=True)
    work = ctypes.CDLL(str(library)).work
    work.restype = ctypes.c_double
    return lambda: float(work(10_000))


def sklearn_openmp() -> Callable[[], float]:
    """A function that uses scikit-learn's own OpenMP: distances of 300 points."""
    from sklearn.metrics import pairwise_distances_argmin

    points = NUMBERS[:, :8]
    return lambda: float(pairwise_distances_argmin(points, points[::-1]).sum())


def one_call() -> str:
    """What came of a call: right, wrong, or refused."""
    expected = [product(item) for item in ITEMS]  # the caller's threads have just worked
    options: dict[str, Any] = {"backend": "fork", "n_jobs": 2, "effects": "ignore"}
    try:
        found = amorsize.execute(product, ITEMS, **options)
    except amorsize.OptionError as error:
        return f"refused: {error.rule}"
    return "right" if np.allclose(found, expected, rtol=1e-12) else "wrong"


def main(words: list[str]) -> int:
    """Print what came of all calls; 1 if one was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--forks", type=int, default=1000)
    parser.add_argument("--openmp", choices=["none", "gnu", "sklearn"], default="none")
    options = parser.parse_args(words)
    faulthandler.register(signal.SIGALRM, all_threads=True, chain=True)
    forks: list[int] = []
    os.register_at_fork(after_in_parent=lambda: forks.append(1))
    came: Counter[str] = Counter()
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        if options.openmp != "none":
            _openmp.append(gnu_openmp(folder) if options.openmp == "gnu" else sklearn_openmp())
        while len(forks) < options.forks and sum(came.values()) < options.forks:
            signal.alarm(HANG_SECONDS)  # not by a thread, beside which nothing would be forked
            came[one_call()] += 1
            signal.alarm(0)
    seconds = time.perf_counter() - began
    print(
        f"NumPy {np.__version__}, OpenMP {options.openmp}: {len(forks):,} forks, {seconds:.0f} s; "
        + "; ".join(f"{count:,} calls {what}" for what, count in came.items())
    )
    return int(came["wrong"] > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
