"""What the watch costs: microseconds a look, for twenty usual functions, cold and warm.

    python -m benchmarks.speed.watch_cost [--rounds 200]

*Cold* is the first watch of the function (names are read off its code, types are planned), *warm* the
median of later ones. Both looks and the comparison are counted; a look is half of it. The last lines
give the rates on which BYTES_A_SECOND and ELEMENTS_A_SECOND of ``inspection/state.py`` rest.
"""

from __future__ import annotations

import argparse
import collections
import functools
import hashlib
import io
import json
import logging
import math
import random
import re
import statistics
import time
import types
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from amorsize.inspection.watch import Watch

LOG = logging.getLogger(__name__)
WORDS = re.compile(r"\w+")
RATES = {f"C{number}": number * 1.5 for number in range(200)}
RECORDS = [{"id": number, "tags": ["a", "b"]} for number in range(200)]
MATRIX = np.random.default_rng(0).random((100, 100))
FOUND: list[int] = []


def arithmetic(item: int) -> float:
    return math.sqrt(item) + item * 3


def uses_a_table(item: int) -> float:
    return RATES[f"C{item % 200}"]


def uses_records(item: int) -> int:
    return len(RECORDS[item % 200]["tags"])  # type: ignore[arg-type]


def counts_words(item: Any) -> int:
    return len(collections.Counter(WORDS.findall(str(item))))


def hashes(item: Any) -> str:
    return hashlib.sha256(str(item).encode()).hexdigest()


def parses(item: int) -> Any:
    return json.loads(json.dumps({"item": item}))


def logs(item: int) -> int:
    LOG.debug("item %d", item)
    return item


def multiplies(item: int) -> float:
    return float((MATRIX @ MATRIX[item % 100]).sum())


def of_an_array(item: Any) -> float:
    return float(np.sum(item))


def helper(item: int) -> int:
    return arithmetic(item) > 3 and uses_records(item)


def calls_helpers(item: int) -> int:
    return helper(item) + int(uses_a_table(item))


def appends(item: int) -> None:
    FOUND.append(item)


def draws(item: int) -> float:
    return random.gauss(item, 1)


def reads_a_file(item: Any) -> int:
    return len(Path(item).read_bytes())


@functools.lru_cache
def remembers(item: int) -> int:
    return item * 2


class Model:
    """A model with weights and settings, as users write them."""

    def __init__(self) -> None:
        self.weights = [np.full((20, 20), 0.5) for _ in range(4)]
        self.settings = types.SimpleNamespace(rate=0.1, names=["a", "b"])
        self.history: list[float] = []

    def predict(self, item: int) -> float:
        return float(sum(self._apply(weight, item) for weight in self.weights))

    def _apply(self, weight: Any, item: int) -> float:
        return float(weight.sum() * item)

    def fit(self, item: int) -> None:
        self.history.append(self.predict(item))


def closing() -> Any:
    scale, table, buffer = 3, {"a": [1, 2]}, io.StringIO()

    def scaled(item: int) -> int:
        return item * scale + len(table["a"]) + buffer.tell()

    return scaled


FUNCTIONS: list[tuple[str, Any, Any]] = [
    ("arithmetic", arithmetic, 3),
    ("a table of 200", uses_a_table, 3),
    ("200 dicts with lists", uses_records, 3),
    ("words by a pattern", counts_words, "a b c"),
    ("a digest", hashes, 3),
    ("JSON", parses, 3),
    ("a logger", logs, 3),
    ("a matrix of 80 KB", multiplies, 3),
    ("an array as item", of_an_array, np.arange(1000.0)),
    ("helpers", calls_helpers, 3),
    ("appends", appends, 3),
    ("draws at random", draws, 3),
    ("reads a file", reads_a_file, __file__),
    ("lru_cache", remembers, 3),
    ("a method", Model().predict, 3),
    ("a method that stores", Model().fit, 3),
    ("a closure", closing(), 3),
    ("a partial", functools.partial(pow, 3), 3),
    ("a lambda", lambda item: item + 1, 3),
    ("a dict as item", lambda item: item["id"], {"id": 1, "tags": ["a"], "at": (1, 2)}),
]


def watch_seconds(func: Any, item: Any) -> tuple[float, Any]:
    """Time of both looks."""
    watch = Watch(func, item, budget_seconds=1.0)
    func(item)
    verdict = watch.verdict()
    return verdict.seconds, verdict


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=200)
    rounds = parser.parse_args().rounds
    print(f"{'function':<26}{'cold us':>9}{'warm us':>9}{'objects':>9}  changed")
    warm = []
    for name, func, item in FUNCTIONS:
        cold, _ = watch_seconds(func, item)
        looks = [watch_seconds(func, item) for _ in range(rounds)]
        median = statistics.median(seconds for seconds, _ in looks) / 2 * 1e6
        verdict = looks[-1][1]
        warm.append(median)
        changed = ", ".join(verdict.changed)
        print(f"{name:<26}{cold / 2 * 1e6:>9.0f}{median:>9.0f}{verdict.nodes:>9}  {changed}")
    print(f"median of {len(warm)} functions: {statistics.median(warm):.0f} us a look")
    buffer, long = bytes(1 << 24), [object()] * 1_000_000
    start = time.perf_counter()
    zlib.crc32(buffer)
    print(f"crc32: {len(buffer) / (time.perf_counter() - start) / 1e9:.1f} GB/s")
    start = time.perf_counter()
    tuple(long)
    print(
        f"listing: {len(long) / (time.perf_counter() - start) / 1e6:.0f} million elements a second"
    )


if __name__ == "__main__":
    main()
