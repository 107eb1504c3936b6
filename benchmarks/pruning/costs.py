"""What pruning costs, and what a prediction costs before and after it."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from typing import Any

import numpy as np

from amorsize.learning.regressor import KNNRegressor
from amorsize.pruning.selector import PrototypeSelector
from benchmarks.harness.measure import ROOT
from benchmarks.pruning.families import Clusters, zipf


def rounded(record: dict[str, Any]) -> dict[str, Any]:
    """Five digits are enough."""
    return {k: round(v, 5) if isinstance(v, float) else v for k, v in record.items()}


_COST = """
import sys, time
began, busy = time.perf_counter(), time.process_time()
import numpy as np
from amorsize.ml_pruning import PrototypeSelector
imports, imports_busy = time.perf_counter() - began, time.process_time() - busy
from benchmarks.pruning.families import Surface, Clusters, zipf

def memory(name):
    for line in open("/proc/self/status"):
        if line.startswith(name):
            return int(line.split()[1]) / 1024

rows, mode, kind = int(sys.argv[1]), sys.argv[2], sys.argv[3]
family = Surface(0) if kind == "surface" else Clusters(zipf(200), 0)
X, y, group = family.draw(rows, np.random.default_rng(0))
open("/proc/self/clear_refs", "w").write("5")  # the peak counts from here
before = memory("VmRSS")
began, busy = time.perf_counter(), time.process_time()
options = {"keep_fraction": float(mode)} if mode != "tolerance" else {"tolerance": 0.05}
selector = PrototypeSelector(**options)
selector.fit_resample(X, y, groups=group if kind == "Zipf" else None)
seconds, busy = time.perf_counter() - began, time.process_time() - busy
more = memory("VmHWM") - before
print(imports + seconds, imports_busy + busy, imports_busy, more, selector.report_.ratio)
"""


def cost(options: argparse.Namespace) -> None:
    """Each in an interpreter of its own, on one core; imports are part of the seconds. On a loaded
    machine the CPU time is the better figure."""
    path = options.records.with_name("pruning-cost.jsonl")
    for rows in options.rows:
        for mode in ("0.05", "0.35", "tolerance"):
            for kind in ("surface", "Zipf"):
                one_core = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"), "1")
                done = subprocess.run(
                    ["taskset", "-c", "0", sys.executable, "-c", _COST, str(rows), mode, kind],
                    cwd=ROOT, capture_output=True, text=True, check=False,
                    env={**os.environ, **one_core},
                )  # fmt: skip
                if done.returncode:
                    print(done.stderr)
                    continue
                seconds, cpu, imports, memory, ratio = map(float, done.stdout.split())
                record = {
                    "rows": rows, "mode": mode, "family": kind, "seconds": seconds, "cpu_seconds": cpu,
                    "imports_cpu_seconds": imports, "megabytes": memory, "removed": ratio,
                }  # fmt: skip
                with path.open("a") as file:
                    file.write(json.dumps(rounded(record)) + "\n")
                print(
                    f"{rows:9,} rows, {kind:7} {mode:9}: {seconds:6.2f} s, {cpu:6.2f} of CPU time "
                    f"({imports:.2f} of it imports), {memory:4.0f} MB more, {ratio:.1%} removed",
                    flush=True,
                )


def latency(options: argparse.Namespace) -> None:
    """One query, brute force before and after, and the best engine on all rows (SciPy's k-d tree)."""
    from scipy.spatial import cKDTree  # type: ignore[import-untyped,unused-ignore]

    for rows in (1_000, 10_000, 100_000):
        family = Clusters(zipf(200), 0)
        rng = np.random.default_rng(0)
        X, y, group = family.draw(rows, rng)
        queries, _, _ = family.draw(200, rng)
        whole = KNNRegressor().fit(X, y)
        selector = PrototypeSelector(tolerance=0.05)
        pruned = KNNRegressor().fit(
            *selector.fit_resample(X, y, groups=group), selector.sample_weight_
        )
        tree = cKDTree(X)

        def by_tree(query: Any, tree: Any = tree, y: Any = y) -> Any:
            away, index = tree.query(query, 5)
            weight = 1.0 / np.maximum(away, 1e-12)
            return (weight * y[index]).sum(1) / weight.sum(1)

        took: dict[str, list[float]] = {"before": [], "after": [], "tree": []}
        for query in queries[:, None]:
            for name, ask in (
                ("before", whole.predict),
                ("after", pruned.predict),
                ("tree", by_tree),
            ):
                began = time.perf_counter()
                ask(query)
                took[name].append(time.perf_counter() - began)
        where = options.records.with_name("pruning-latency.jsonl")
        middle = {name: float(np.median(values)) * 1e6 for name, values in took.items()}
        print(
            f"{rows:7,} rows -> {selector.report_.kept:5,}: {middle['before']:.0f} -> "
            f"{middle['after']:.0f} µs ({middle['before'] / middle['after']:.1f} times); "
            f"k-d tree on all rows {middle['tree']:.0f} µs"
        )
        with where.open("a") as file:
            record = {"rows": rows, "kept": selector.report_.kept, **middle}
            file.write(json.dumps(rounded(record)) + "\n")
