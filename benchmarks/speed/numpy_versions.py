"""Two interpreters with different NumPy in turns: is the same chosen, and is it as fast?

    python -m benchmarks.speed.numpy_versions PYTHON PYTHON [--rounds 5]

Five workloads of BLAS and LAPACK, each run in a process of its own that has SciPy and scikit-learn
loaded and has just computed a product, so that threads of OpenBLAS are there. Told are what was chosen by
each, the median seconds, and the median of the ratios of rounds (second over first). Both interpreters
need amorsize, SciPy and scikit-learn.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


def _matrix(item: int, size: int) -> Any:
    import numpy as np

    return np.random.default_rng(item).standard_normal((size, size))


def products(item: int) -> float:
    """Ten products of 150 rows."""
    matrix = _matrix(item, 150)
    return round(sum(float((matrix @ matrix.T)[0, 0]) for _ in range(10)), 6)


def solutions(item: int) -> float:
    """A system of 220 equations."""
    import numpy as np

    return round(float(np.linalg.solve(_matrix(item, 220), np.ones(220))[0]), 4)


def singular_values(item: int) -> float:
    """The singular values of 120 rows."""
    import numpy as np

    return round(float(np.linalg.svd(_matrix(item, 120), compute_uv=False)[0]), 6)


def factors(item: int) -> float:
    """SciPy's Cholesky factor of 250 rows."""
    import numpy as np
    from scipy.linalg import cholesky

    matrix = _matrix(item, 250)
    return round(float(cholesky(matrix @ matrix.T + 250 * np.eye(250))[0, 0]), 6)


def regressions(item: int) -> float:
    """scikit-learn's ridge regression on 150 columns."""
    from sklearn.linear_model import Ridge

    matrix = _matrix(item, 150)
    return round(float(Ridge().fit(matrix, matrix[0]).coef_[0]), 6)


WORK: dict[str, Callable[[int], float]] = {
    work.__name__: work for work in (products, solutions, singular_values, factors, regressions)
}
ITEMS = range(400)


def child(name: str) -> None:
    """One run: seconds, what was chosen, and whether results are right, as JSON."""
    import sklearn.linear_model  # noqa: F401 # it brings OpenMP

    import amorsize

    work = WORK[name]
    products(0)
    began = time.perf_counter()
    plan = amorsize.optimize(work, ITEMS, history=None)
    results = plan.execute()
    seconds = time.perf_counter() - began
    right = results[::40] == [work(item) for item in ITEMS[::40]]
    print(json.dumps({"seconds": seconds, "backend": _chosen(str(plan)), "right": right}))


def _chosen(plan: str) -> str:
    """The kind of worker that a plan's first reason names."""
    found = re.search(r"^  - .*?(fork|spawn|threads|serial)", plan, re.MULTILINE)
    return found[1] if found else "?"


def run(python: str, name: str) -> dict[str, Any]:
    """A run in a process of its own."""
    words = [python, "-m", "benchmarks.speed.numpy_versions", "--child", name]
    environment = {**os.environ, "AMORSIZE_HISTORY": "off"}
    done = subprocess.run(
        words, cwd=ROOT, env=environment, stdout=subprocess.PIPE, check=True, timeout=300
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def main(words: list[str]) -> int:
    """Print a line for each workload; 1 if results were wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pythons", nargs="*")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--child", choices=WORK)
    options = parser.parse_args(words)
    if options.child:
        child(options.child)
        return 0
    bad = 0
    for name in WORK:
        rounds = []
        for number in range(options.rounds):
            order = options.pythons[:: 1 if number % 2 else -1]
            found = {python: run(python, name) for python in order}
            rounds.append([found[python] for python in options.pythons])
        bad |= not all(one["right"] for pair in rounds for one in pair)
        told = [
            f"{statistics.median(pair[at]['seconds'] for pair in rounds):.2f} s by "
            + "/".join(sorted({pair[at]["backend"] for pair in rounds}))
            for at in range(2)
        ]
        ratio = statistics.median(pair[1]["seconds"] / pair[0]["seconds"] for pair in rounds)
        print(f"{name:16} {told[0]:24} {told[1]:24} {ratio:.2f}", flush=True)
    return bad


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
