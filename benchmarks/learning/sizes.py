"""Is the cost of an item foretold better by its size than by the mean?

    python -m benchmarks.learning.sizes [--runs 3]
    python -m benchmarks.learning.sizes --tail [--pairs 8]

Five jobs, the last of which only seems to follow size. Each runs so often with a history of its own; then
other items of the same kind are timed one by one in a plain loop, and foretold by the law that the newest
run found, and by the mean of the run. The error is the root mean square of log(foretold/real), the common
factor of all items taken out: machines have moods, and the run's total is judged by ``forecasts``.

``--tail``: what longest first gains where the one long item lies in the middle, which is handed out last
otherwise. Runs that know the law and runs that do not take turns; beside them what a simulation says: two
workers, each taking the next item when it is free, with the seconds that items took in a plain loop.
"""

from __future__ import annotations

import argparse
import hashlib
import heapq
import random
import tempfile
import time
from collections.abc import Callable
from math import log
from pathlib import Path
from statistics import median
from typing import Any

import amorsize
from amorsize.core.frozen import replace
from amorsize.history.factory import open_history
from amorsize.learning.item_sizes import long_items, size_of
from amorsize.learning.size_law import Law, law_in

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
    """What the item takes in a plain loop: CPU seconds, for all of the jobs compute, and other programs
    are not to count."""
    taken = []
    for _ in range(TRIES):
        began = time.thread_time()
        func(item)
        taken.append(time.thread_time() - began)
    return median(taken)


def error_of(foretold: list[float], real: list[float]) -> float:
    """Root mean square of log(foretold/real), the common factor taken out."""
    ratios = [log(a / b) for a, b in zip(foretold, real, strict=True)]
    mean = sum(ratios) / len(ratios)
    return float((sum((ratio - mean) ** 2 for ratio in ratios) / len(ratios)) ** 0.5)


def simulated(order: list[int], seconds: list[float], workers: int) -> float:
    """Seconds of a run in which each worker takes the next item when it is free."""
    free = [0.0] * workers
    for place in order:
        heapq.heapreplace(free, free[0] + seconds[place])
    return max(free)


def from_both_ends(count: int) -> list[int]:
    """The order without a law: from the front and the back by turns."""
    ends = [(place, count - 1 - place) for place in range((count + 1) // 2)]
    return list(dict.fromkeys(place for pair in ends for place in pair))


def known(path: Path, law: Law | None) -> None:
    """Add the newest run once more, with this law or without one."""
    with open_history(path) as history:
        last = list(history.read())[-1]
        power, unit = (0.0, 0.0) if law is None else (law.power, law.unit)
        work = replace(last.work, size_power=power, size_seconds=unit)
        history.add([replace(last, id="", time=last.time + 1, work=work)])


def tail(pairs: int) -> None:
    """Print what longest first gains, and what it should."""
    lengths = [20_000] * 60
    lengths[30] = 600_000
    real = [seconds_of(of_integer, length) for length in lengths]
    law = Law(1.0, sum(real) / sum(lengths))
    first = long_items(lengths, 0, law, 2)
    rest = [place for place in from_both_ends(len(lengths)) if place not in first]
    said = simulated(from_both_ends(len(lengths)), real, 2), simulated([*first, *rest], real, 2)
    taken: dict[str, list[float]] = {"without": [], "with": []}
    with tempfile.TemporaryDirectory() as place:
        for pair in range(pairs):
            for name in sorted(taken, reverse=pair % 2 == 0):
                path = Path(place) / f"{name}-{pair}.sqlite"
                for _ in range(2):
                    amorsize.execute(of_integer, lengths, history=str(path))
                known(path, law if name == "with" else None)
                began = time.perf_counter()
                amorsize.execute(of_integer, lengths, history=str(path))
                taken[name].append(time.perf_counter() - began)
    ratios = sorted(b / a for a, b in zip(taken["without"], taken["with"], strict=True))
    print(f"simulated {said[0]:.3f} -> {said[1]:.3f} s, ratio {said[1] / said[0]:.2f}")
    print(
        f"real      {median(taken['without']):.3f} -> {median(taken['with']):.3f} s,"
        f" ratio {median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f}), {pairs} pairs"
    )


def main() -> None:
    """Print a line for each job."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--tail", action="store_true")
    parser.add_argument("--pairs", type=int, default=8)
    asked = parser.parse_args()
    if asked.tail:
        tail(asked.pairs)
        return
    runs = asked.runs
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
