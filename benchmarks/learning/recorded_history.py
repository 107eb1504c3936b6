"""A history of real runs for `amorsize validate --history`: recorded ones, repeated as users repeat.

    python -m benchmarks.learning.recorded_history recorded.sqlite [--rows 4000] [--seed 0]
    amorsize validate --history recorded.sqlite --only history

The 5,046 runs of `results/runs.jsonl.gz` (81 workloads in their configurations), drawn with workloads by
Zipf's law, configurations and repetitions at random.
"""

from __future__ import annotations

import argparse
import gzip

import numpy as np

from amorsize.core.frozen import replace
from amorsize.core.observation import Observation, from_line
from amorsize.history import open_history
from benchmarks.learning.rows import RUNS


def repeated(rows: int, seed: int) -> list[Observation]:
    """So many runs, each with an id of its own."""
    rng = np.random.default_rng(seed)
    lines = gzip.decompress(RUNS.read_bytes()).decode().splitlines()
    runs = [from_line(line) for line in lines]
    group = np.unique([run.fingerprint for run in runs], return_inverse=True)[1]
    order = rng.permutation(int(group.max()) + 1)
    share = (1.0 / (1 + order))[group] / np.bincount(group)[group]
    some = rng.choice(len(runs), rows, p=share / share.sum())
    return [replace(runs[i], id=rng.bytes(16).hex()) for i in some]


def main() -> None:
    """The command line of this script."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.learning.recorded_history")
    parser.add_argument("path")
    parser.add_argument("--rows", type=int, default=4_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with open_history(options.path) as history:
        history.add(repeated(options.rows, options.seed))
        print(f"{history.stats().rows} runs in {options.path}")


if __name__ == "__main__":
    main()
