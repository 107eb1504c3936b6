"""What it costs to watch an item before workers start: the same workloads with and without, in turns.

    python -m benchmarks.speed.watch_pairs --pairs 7 [--only REGEX] [--out FILE]

Each measurement is a fresh interpreter with an empty history that runs one workload of
``benchmarks/workloads/catalog.py`` with default options. Without: the engine takes no item for worth
watching; all else is the same, what the code says included. Of each workload: Hodges-Lehmann's
estimate of the log ratio with / without, with 95 % limits by Wilcoxon's signed ranks. Trivial work is
never watched: its rows say what chance does.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import tempfile
from pathlib import Path
from statistics import median

from benchmarks.harness.analysis import geometric_mean, signed_rank_limits
from benchmarks.harness.measure import bench
from benchmarks.speed.commits import ROOT, WORKLOAD, environment, seconds_of
from benchmarks.workloads.catalog import BY_NAME, SCRATCH, WORKLOADS

READ = "from amorsize.engine import gates\n"
"""Both read it, so that it costs both the same."""

UNWATCHED = "gates._is_worth_watching = lambda *given: False\n"


def main() -> None:
    """Compare, and print a line for each workload."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.speed.watch_pairs", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--only", default="", metavar="REGEX")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    names = [
        one.name for one in WORKLOADS if not one.held_out and re.search(options.only, one.name)
    ]
    codes = READ + UNWATCHED + WORKLOAD, READ + WORKLOAD
    ratios, records = [], {}
    with bench() as tools, tempfile.TemporaryDirectory() as folder:
        tree = environment(ROOT, Path(folder) / "tree")
        for number, name in enumerate(names, 1):
            served = tools.environment(BY_NAME[name])
            told = {**tree, **{key: served[key] for key in (SCRATCH, "BENCHMARK_SERVER")}}
            seconds_of(codes[1], [name], told)  # warms the disk
            found = []
            for pair in range(options.pairs):
                order = (0, 1) if pair % 2 == 0 else (1, 0)
                times = {which: seconds_of(codes[which], [name], told) for which in order}
                found.append((times[0], times[1]))
            limits = signed_rank_limits([math.log(new / old) for old, new in found])
            low, middle, high = (
                math.exp(value) for value in (limits.lower, limits.estimate, limits.upper)
            )
            without, watched = (median(times) for times in zip(*found, strict=True))
            print(
                f"[{number}/{len(names)}] {name:28} without {1e3 * without:9.3f} ms  "
                f"with {1e3 * watched:9.3f} ms  {middle:.3f} [{low:.3f}, {high:.3f}]",
                flush=True,
            )
            records[name] = found
            ratios.append(middle)
    print(f"{len(ratios)} workloads: geometric mean {geometric_mean(ratios):.3f}")
    if options.out is not None:
        options.out.write_text(json.dumps(records), encoding="utf-8")


if __name__ == "__main__":
    main()
