"""The same functions, one history and one checkpoint on two systems: ``both_systems.py FOLDER``, on each.

Each call runs all functions over the same items, notes their results in ``FOLDER``, and records its runs
in ``FOLDER/history.sqlite``. The first call begins two checkpoints and fails in the middle of each; the
second one ends them, and compares: results, runs in the history, items that it ran of the checkpoints.
"""

from __future__ import annotations

import base64
import binascii
import bisect
import collections
import datetime
import decimal
import fractions
import functools
import hashlib
import heapq
import itertools
import json
import math
import operator
import os
import random
import re
import statistics
import string
import struct
import sys
import textwrap
import unicodedata
import uuid
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import amorsize
from amorsize.history import open_history

ITEMS = range(2, 42)
TURNS = 25
"""How often the items come, so that some runs take milliseconds and are recorded."""
FAILS = "AMORSIZE_TESTS_FAIL"
HALF = 20
"""Items of a checkpoint that are done when its first run fails."""


def rounded(func: Callable[[float], float]) -> Callable[[int], float]:
    """Libraries of C differ in the last digits."""
    return lambda item: round(func(item / 50), 9)


def primes(item: int) -> list[int]:
    return [one for one in range(2, item) if all(one % by for by in range(2, one))]


def collatz(item: int) -> int:
    steps = 0
    while item != 1:
        item, steps = item // 2 if item % 2 == 0 else 3 * item + 1, steps + 1
    return steps


def drawn(item: int) -> list[int]:
    own = random.Random(item)
    return [own.randrange(1000) for _ in range(5)]


def counted(item: int) -> dict[str, int]:
    return dict(sorted(collections.Counter(f"{item**7:d}").items()))


def raises(item: int) -> str:
    try:
        return str(1 // (item % 3))
    except ZeroDivisionError as error:
        return str(error)


FUNCTIONS: list[Callable[[int], Any]] = [
    *map(rounded, (math.sin, math.cos, math.tan, math.atan, math.exp, math.erf, math.cosh, math.log1p)),
    math.factorial, math.isqrt, math.sqrt, float, str, hex, oct, bin, bool, chr, hash, operator.neg,
    functools.partial(pow, 3), functools.partial(operator.mul, 7), functools.partial(divmod, 1000),
    functools.partial(math.comb, 50), functools.partial(math.gcd, 360), int.bit_count, int.bit_length,
    primes, collatz, drawn, counted, raises,
    lambda item: hashlib.sha256(str(item).encode()).hexdigest(),
    lambda item: zlib.crc32(bytes(item)), lambda item: zlib.decompress(zlib.compress(bytes(item))),
    lambda item: binascii.hexlify(bytes(range(item))), lambda item: base64.b64encode(bytes(item)),
    lambda item: json.dumps({"item": item, "all": list(range(item))}),
    lambda item: json.loads(f'{{"item": {item}.5}}'),
    lambda item: re.findall(r"\d+", f"a{item}b{item + 1}"), lambda item: re.sub("1", "x", str(item)),
    lambda item: statistics.mean(range(item)), lambda item: statistics.median(range(item)),
    lambda item: sorted(str(item * 7919)), lambda item: heapq.nsmallest(3, range(item, 0, -1)),
    lambda item: bisect.bisect(list(range(0, 100, 3)), item),
    lambda item: list(itertools.accumulate(range(item))),
    lambda item: list(itertools.islice(itertools.permutations(range(item)), 2)),
    lambda item: struct.pack("<id", item, item / 3), lambda item: fractions.Fraction(item, 12),
    lambda item: decimal.Decimal(item) / 7, lambda item: datetime.timedelta(days=item) / 7,
    lambda item: datetime.date(2026, 1, 1) + datetime.timedelta(item),
    lambda item: textwrap.wrap("many words " * item, 30), lambda item: unicodedata.name(chr(60 + item)),
    lambda item: str(uuid.uuid5(uuid.NAMESPACE_DNS, str(item))),
    lambda item: string.Template("$a and $b").substitute(a=item, b=-item),
    lambda item: f"{item / 7:.12f} {item:>8,d} {item!r:^10}", lambda item: set(range(item % 9)),
    lambda item: {key: key * key for key in range(item)},
]  # fmt: skip


class Notes:
    """Squares that it notes; fails at one item while the environment says so."""

    ran: list[int] = []  # noqa: RUF012

    def __call__(self, item: int) -> int:
        if item == ITEMS[HALF] and os.environ.get(FAILS):
            raise ValueError(item)
        self.ran.append(item)
        return item * item


def checkpointed(folder: Path, name: str, failing: bool) -> None:
    """Begin a checkpoint and fail, or end it and compare."""
    os.environ[FAILS] = "1" if failing else ""
    notes = Notes()
    notes.ran.clear()
    path = folder / f"{name}.checkpoint"
    try:
        found = amorsize.execute(notes, ITEMS, checkpoint=str(path), backend=name, history=None)
    except ValueError:
        assert failing and path.exists()
    else:
        assert not failing and found == [item * item for item in ITEMS]
        assert len(set(notes.ran)) < HALF + 5, f"{name}: run again: {notes.ran}"


def main(folder: Path) -> None:
    """One system's part."""
    assert len(FUNCTIONS) >= 60
    history = str(folder / "history.sqlite")
    data = list(ITEMS) * TURNS
    results = [amorsize.execute(func, data, history=history) for func in FUNCTIONS]
    assert results == [[func(item) for item in data] for func in FUNCTIONS]
    results = [found[: len(ITEMS)] for found in results]
    others = sorted(folder.glob("results-*.txt"))
    for other in others:
        theirs = other.read_text(encoding="utf-8").splitlines()
        assert theirs == list(map(repr, results)), other
    (folder / f"results-{sys.platform}.txt").write_text(
        "\n".join(map(repr, results)) + "\n", encoding="utf-8"
    )
    for name in ("serial", "threads"):
        checkpointed(folder, name, failing=not others)
    store = open_history(history)
    known = [one.fingerprint for one in store.read()]
    store.close()
    twice = sum(number > 1 for number in collections.Counter(known).values())
    print(
        f"{sys.platform}: {len(FUNCTIONS)} functions; history: {len(known)} runs of "
        f"{len(set(known))} functions, {twice} of them more than once",
        flush=True,
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
