"""Two checkouts of amorsize against each other, in turns: what a change costs, in ratios.

    git worktree add /tmp/old COMMIT
    python -m benchmarks.speed.commits /tmp/old . --pairs 15 [--only REGEX] [--out FILE]

Each measurement is a fresh interpreter that runs one workload of
``benchmarks/workloads/catalog.py`` by ``amorsize.execute`` with default options and an empty
history. Old and new take turns, and which of the two begins takes turns, too. Of each workload:
the median of the paired ratios new / old, and Hodges-Lehmann's estimate of the log ratio with 95
% limits by Wilcoxon's signed ranks; it is SLOWER where the lower limit is above 1.03. Beside the
workloads: a first call of one trivial item, and ``import amorsize``.

``--log`` adds what was found as a line to ``benchmarks/results/commits.jsonl``, a history of speed by
commit; ``python -m benchmarks.speed.commits --told`` prints it.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from benchmarks.harness.analysis import geometric_mean, signed_rank_limits
from benchmarks.harness.measure import bench
from benchmarks.workloads.catalog import BY_NAME, SCRATCH, WORKLOADS

ROOT = Path(__file__).resolve().parents[2]
LOG = ROOT / "benchmarks" / "results" / "commits.jsonl"
LIMIT_SECONDS = 120.0
MUST_NOT_EXCEED = 1.03
"""Ratio above which a workload counts as slower, where the lower limit is above it too."""

IMPORT = """
import time
began = time.perf_counter()
import amorsize
print(time.perf_counter() - began)
"""
TRIVIAL = """
import time
import amorsize
def double(item):
    return 2 * item
data = [1]
began = time.perf_counter()
amorsize.execute(double, data)
print(time.perf_counter() - began)
"""
SMALL = {"import amorsize": IMPORT, "first call, one trivial item": TRIVIAL}
WORKLOAD = """
import json, sys
sys.argv = ["_child", "run", sys.argv[1], "amorsize"]
from benchmarks.harness import _child
_child.main(sys.argv[1:])
"""


def environment(package: Path, place: Path) -> dict[str, str]:
    """Where ``amorsize`` is that of one checkout, and ``benchmarks`` those of this one."""
    place.mkdir()
    (place / "amorsize").symlink_to(package.resolve() / "amorsize")
    (place / "benchmarks").symlink_to(ROOT / "benchmarks")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return {
        **kept,
        "PYTHONPATH": str(place),
        "PYTHONSAFEPATH": "1",
        "XDG_STATE_HOME": str(place / "state"),
    }


def seconds_of(code: str, words: list[str], environment: dict[str, str]) -> float:
    """One measurement in a fresh interpreter with an empty history."""
    shutil.rmtree(environment["XDG_STATE_HOME"], ignore_errors=True)
    done = subprocess.run(
        [sys.executable, "-c", code, *words],
        env=environment,
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
        check=False,
        cwd=environment["PYTHONPATH"],
    )
    line = done.stdout.strip().splitlines()[-1] if done.stdout.strip() else ""
    if not line:
        raise SystemExit(f"{words}: {done.stderr}")
    told = json.loads(line)
    if isinstance(told, dict):
        if "error" in told:
            raise SystemExit(f"{words}: {told['error']}")
        told = told["seconds"]
    return float(told)


def compared(
    code: str, words: list[str], trees: tuple[dict[str, str], ...], pairs: int
) -> list[tuple[float, float]]:
    """Pairs of (old, new) seconds, measured in turns; one run of each before warms the disk."""
    for tree in trees:
        seconds_of(code, words, tree)
    found = []
    for number in range(pairs):
        order = (0, 1) if number % 2 == 0 else (1, 0)
        times = {which: seconds_of(code, words, trees[which]) for which in order}
        found.append((times[0], times[1]))
    return found


def commit_of(tree: Path) -> str:
    """Short name of the commit that is checked out there."""
    command = ["git", "-C", str(tree), "rev-parse", "--short=7", "HEAD"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "?"


def told() -> None:
    """Print the history of speed: each comparison, with its slowest and quickest workloads."""
    for line in LOG.read_text(encoding="utf-8").splitlines():
        one = json.loads(line)
        ranked = sorted(one["ratios"].items(), key=lambda item: item[1][0])
        ends = [f"{name} {ratio[0]:.2f}" for name, ratio in (*ranked[:2], *ranked[-2:])]
        print(
            f"{one['date']}  {one['old']} -> {one['new']}  {one['geometric_mean']:.3f} "
            f"({len(ranked)} workloads, {one['pairs']} pairs, load {one['load']:.1f})  "
            f"slower: {', '.join(one['slower']) or 'none'}; ends: {', '.join(ends)}"
        )


def main() -> None:
    """Compare two checkouts and print a line for each workload."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.speed.commits", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("old", type=Path, nargs="?")
    parser.add_argument("new", type=Path, nargs="?")
    parser.add_argument("--log", action="store_true", help="add a line to the history of speed")
    parser.add_argument("--told", action="store_true", help="print the history of speed")
    parser.add_argument("--pairs", type=int, default=15)
    parser.add_argument("--only", default="", metavar="REGEX")
    parser.add_argument("--held-out", action="store_true")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    if options.told:
        told()
        return
    if options.old is None or options.new is None:
        parser.error("name two checkouts, the older one first")
    load = os.getloadavg()[0]
    names = [one.name for one in WORKLOADS if options.held_out or not one.held_out]
    rows = [name for name in [*SMALL, *names] if re.search(options.only, name)]
    ratios: dict[str, tuple[float, float, float]] = {}
    slower, records = [], {}
    with bench() as tools, tempfile.TemporaryDirectory() as folder:
        places = Path(folder) / "old", Path(folder) / "new"
        trees = environment(options.old, places[0]), environment(options.new, places[1])
        for number, name in enumerate(rows, 1):
            code, words = (SMALL[name], []) if name in SMALL else (WORKLOAD, [name])
            served = tools.environment(BY_NAME.get(name, WORKLOADS[0]))
            given = {key: served[key] for key in (SCRATCH, "BENCHMARK_SERVER")}
            found = compared(code, words, tuple({**tree, **given} for tree in trees), options.pairs)
            logs = [math.log(new / old) for old, new in found]
            limits = signed_rank_limits(logs)
            low, middle, high = (
                math.exp(value) for value in (limits.lower, limits.estimate, limits.upper)
            )
            old, new = (median(times) for times in zip(*found, strict=True))
            verdict = "SLOWER" if low > MUST_NOT_EXCEED else ""
            print(
                f"[{number}/{len(rows)}] {name:34} old {1e3 * old:9.3f} ms  new {1e3 * new:9.3f} ms  "
                f"ratio {median(math.exp(one) for one in logs):.3f}  "
                f"estimate {middle:.3f} [{low:.3f}, {high:.3f}] {verdict}",
                flush=True,
            )
            records[name] = found
            if name not in SMALL:
                ratios[name] = middle, low, high
                slower += [name] if verdict else []
    mean = geometric_mean([ratio[0] for ratio in ratios.values()])
    print(f"{len(ratios)} workloads: geometric mean {mean:.3f}; slower: {slower}")
    if options.log:
        line = {
            "date": time.strftime("%Y-%m-%d"),
            "old": commit_of(options.old),
            "new": commit_of(options.new),
            "pairs": options.pairs,
            "cores": os.cpu_count(),
            "load": load,
            "geometric_mean": round(mean, 4),
            "slower": slower,
            "ratios": {name: [round(one, 4) for one in found] for name, found in ratios.items()},
        }
        with LOG.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
    if options.out is not None:
        options.out.write_text(json.dumps(records), encoding="utf-8")


if __name__ == "__main__":
    main()
