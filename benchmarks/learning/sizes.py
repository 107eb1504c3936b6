"""Is the cost of an item foretold better by its size than by the mean?

    python -m benchmarks.learning.sizes [--runs 3]

Five jobs, the last of which only seems to follow size. Each runs so often with a history of its own; then
other items of the same kind are timed one by one in a plain loop, and foretold by the law that the newest
run found, and by the mean of the run. The error is the root mean square of log(foretold/real), the common
factor of all items taken out: machines have moods, and the run's total is judged by ``forecasts``.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import tempfile
import time
from collections.abc import Callable
from math import log
from pathlib import Path
from statistics import median
from typing import Any

import amorsize
from amorsize.history.factory import open_history
from amorsize.learning.item_sizes import size_of
from amorsize.learning.size_law import law_in

TIMED = 40
"""Other items that are timed."""
TRIES = 3
"""Each of them so often; the median counts."""


def of_file(path: Path) -> str:
    """Reads a file and searches it."""
    text = path.read_bytes()
    return hashlib.sha256(text).hexdigest() + str(text.count(b"\0a"))


def of_list(numbers: list[int]) -> int:
    """Counts in pure Python."""
    total = 0
    for number in numbers:
        total = (total * 31 + number) % 1_000_003
    return total


def of_integer(count: int) -> int:
    """A loop of so many rounds."""
    value = 1
    for number in range(count):
        value = (value * 48_271 + number) % 2_147_483_647
    return value


def of_array(array: Any) -> float:
    """Sorts it, and sums it up in parts."""
    import numpy as np

    return float(np.sort(array)[::7].sum())


def only_seems(text: str) -> int:
    """Texts of all lengths, each of which takes as long as its digest says."""
    value = 1
    for number in range(int(hashlib.sha256(text.encode()).hexdigest()[:4], 16)):
        value = (value * 48_271 + number) % 2_147_483_647
    return value


def jobs(folder: Path, seed: int) -> dict[str, tuple[Callable[[Any], Any], list[Any]]]:
    """Function and items by name; other items for another seed."""
    import numpy as np

    drawn = random.Random(seed)
    lengths = [int(drawn.lognormvariate(9.5, 1.0)) + 100 for _ in range(200)]
    paths = []
    for number, length in enumerate(lengths):
        path = folder / f"{seed}-{number}"
        path.write_bytes(drawn.randbytes(20 * length))
        paths.append(path)
    return {
        "files": (of_file, paths),
        "lists": (of_list, [[drawn.randrange(1000)] * length for length in lengths]),
        "integers": (of_integer, lengths),
        "arrays": (of_array, [np.random.default_rng(seed).random(10 * n) for n in lengths]),
        "only seems": (only_seems, ["x" * drawn.randrange(10, 1000) + str(n) for n in lengths]),
    }


def seconds_of(func: Callable[[Any], Any], item: Any) -> float:
    """What the item takes in a plain loop."""
    taken = []
    for _ in range(TRIES):
        began = time.perf_counter()
        func(item)
        taken.append(time.perf_counter() - began)
    return median(taken)


def error_of(foretold: list[float], real: list[float]) -> float:
    """Root mean square of log(foretold/real), the common factor taken out."""
    ratios = [log(a / b) for a, b in zip(foretold, real, strict=True)]
    mean = sum(ratios) / len(ratios)
    return float((sum((ratio - mean) ** 2 for ratio in ratios) / len(ratios)) ** 0.5)


def main() -> None:
    """Print a line for each job."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--runs", type=int, default=3)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for name in jobs(folder, 0):
            path = str(folder / f"{name}.sqlite")
            for run in range(runs):
                func, data = jobs(folder, run)[name]
                amorsize.execute(func, data, history=path)
            with open_history(path) as history:
                found = [law_in(one) for one in history.read()]
            func, data = jobs(folder, runs)[name]
            items = data[:TIMED]
            real = [seconds_of(func, item) for item in items]
            by_mean = error_of([1.0] * len(items), real)
            law = found[-1] if found else None
            if law is None:
                print(f"{name:12} no law in the newest of {len(found)} runs  mean {by_mean:.3f}")
                continue
            by_law = error_of([law.seconds(size_of(one, numbers=True)) for one in items], real)
            print(
                f"{name:12} seconds = {law.unit:.2g} * size ** {law.power:.2f}"
                f"  error {by_law:.3f}  mean {by_mean:.3f}  ratio {by_law / by_mean:.2f}"
            )


if __name__ == "__main__":
    main()
