"""Memory as the validation states it, against what the system sees of a fresh process.

    python -m benchmarks.pruning.validation_memory [--rows 100000 1000000]

Stated: bytes held by a predictor built from its store, by tracemalloc, and the store's size on disk.
Seen: growth of the resident size of a process that loads that store into a predictor; median of five.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from amorsize.validation.runner import built
from amorsize.validation.scenarios import world

LOADED = """
import resource, sys
import numpy as np
from amorsize.ml_prediction import KNNRegressor
KNNRegressor().fit(np.zeros((30, 12)), np.zeros(30))
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()
before = resident()
with np.load(sys.argv[1]) as rows:
    model = KNNRegressor().fit(rows["X"], rows["y"], rows["mass"])
del rows
print(resident() - before)
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 300_000, 1_000_000])
    options = parser.parse_args()
    for rows in options.rows:
        features, y, _, _ = world(0, 50).draw(rows, np.random.default_rng(0))
        _, held, disk = built(features, y, None)
        with tempfile.TemporaryDirectory() as folder:
            store = Path(folder) / "store.npz"
            np.savez(store, X=features, y=y, mass=np.ones(rows))
            on_disk = store.stat().st_size
            seen = [
                int(subprocess.check_output([sys.executable, "-c", LOADED, str(store)], text=True))
                for _ in range(5)
            ]
        middle = statistics.median(seen)
        print(
            f"{rows:9,} rows: stated {held / 1e6:7.2f} MB, seen {middle / 1e6:7.2f} MB "
            f"({held / middle - 1:+.1%}); store stated {disk / 1e6:.2f} MB, "
            f"on disk {on_disk / 1e6:.2f} MB",
            flush=True,
        )


if __name__ == "__main__":
    main()
