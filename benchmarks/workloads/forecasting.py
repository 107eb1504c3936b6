"""Jobs whose duration is to be foretold: even, sorted and skewed items, warm-ups, waits, NumPy, files.

``JOBS`` has for each name a function and a maker of its data: ``make(run)`` gives those of run 0, 1 ...
Jobs marked ``grows`` have three times the items, or other ones, from the third run on. Each takes 0.3 to
1.5 s in a loop on an idle core of 2020.
"""

from __future__ import annotations

import bz2
import hashlib
import json
import math
import os
import random
import re
import sqlite3
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal, localcontext
from pathlib import Path
from tempfile import gettempdir
from typing import Any

FOLDER = Path(gettempdir()) / f"amorsize-forecasting-{os.getuid()}"


@dataclass(frozen=True)
class Job:
    """One job."""

    func: Callable[[Any], Any]
    make: Callable[[int], Iterable[Any]]
    grows: bool = False
    options: dict[str, Any] = field(default_factory=dict)


def burn(steps: int) -> int:
    """Compute: 1,000 steps take 40 to 60 µs."""
    total = 0
    for step in range(int(steps)):
        total += step * step
    return total


def nap(seconds: float) -> float:
    """Wait."""
    time.sleep(seconds)
    return seconds


def nap_and_burn(steps: int) -> int:
    """Wait for 4 ms, then compute."""
    time.sleep(0.004)
    return burn(steps)


def burn_and_nap(seconds: float) -> int:
    """Compute for a moment, then wait."""
    total = burn(8_000)
    time.sleep(seconds)
    return total


def ask(seconds: float) -> float:
    """A request: the first one imports its client."""
    import email.mime.multipart
    import http.client
    import urllib.request

    time.sleep(seconds)
    return seconds + len((email.__name__, http.__name__, urllib.__name__)) * 0


def parse_mail(steps: int) -> int:
    """Compute with a module that the first item imports."""
    import email.parser
    import xml.etree.ElementTree

    return burn(steps) + len((email.__name__, xml.__name__)) * 0


_MODEL: list[int] = []


def model(steps: int) -> int:
    """The first item of each process that has not inherited it makes a table of 0.2 s."""
    if not _MODEL:
        _MODEL.append(burn(4_000_000))
    return burn(steps)


_OWN: dict[int, int] = {}


def warm_here(steps: int) -> int:
    """The first item of each process makes a table, whatever it has inherited."""
    if os.getpid() not in _OWN:
        _OWN[os.getpid()] = burn(3_000_000)
    return burn(steps)


def multiply(size: int) -> float:
    """NumPy: a product of matrices."""
    import numpy as np

    one = np.full((size, size), 0.5)
    return float((one @ one).sum())


def waves(size: int) -> float:
    """NumPy: functions of many numbers, which let the GIL go."""
    import numpy as np

    return float(np.sin(np.arange(size) * 0.001).sum())


def order(size: int) -> float:
    """NumPy: sorting."""
    import numpy as np

    return float(np.sort(np.random.default_rng(int(size)).random(int(size)))[0])


def digest(size: int) -> str:
    """Lets the GIL go."""
    return hashlib.sha256(b"x" * size).hexdigest()


def squeeze(size: int) -> int:
    """Lets the GIL go."""
    return len(zlib.compress(random.Random(size).randbytes(size), 6))


def squeeze_hard(size: int) -> int:
    """Lets the GIL go."""
    return len(bz2.compress(random.Random(size).randbytes(size)))


def files(sizes: list[int]) -> list[Path]:
    """Files of these sizes, made when they are first asked for."""
    FOLDER.mkdir(exist_ok=True, mode=0o700)
    found = []
    for number, size in enumerate(sizes):
        path = FOLDER / f"{number}-{size}"
        if not path.exists():
            path.write_bytes(random.Random(size).randbytes(size))
        found.append(path)
    return found


def count_bytes(path: Path) -> int:
    """Read a file and look at each byte."""
    return len(set(path.read_bytes())) + burn(path.stat().st_size // 4)


def hash_file(path: Path) -> str:
    """Read a file."""
    return hashlib.sha512(path.read_bytes() * 20).hexdigest()


def dump(count: int) -> int:
    """JSON there and back."""
    rows = [{"number": number, "square": number * number} for number in range(count)]
    return len(json.loads(json.dumps(rows)))


def search(text: str) -> int:
    """Regular expressions."""
    return len(re.findall(r"(a|b)+c?[0-9]*", text))


def words(text: str) -> int:
    """Compute as long as the text is long."""
    return burn(10 * len(text))


def total(numbers: list[int]) -> float:
    """Compute as long as the list is long."""
    return sum(math.sqrt(number) for number in numbers)


def large(size: int) -> bytes:
    """A large result."""
    return burn(20_000).to_bytes(32, "little") + bytes(size)


def root(number: float) -> float:
    """Next to nothing."""
    return math.sqrt(number)


def query(rows: int) -> int:
    """A database of its own in memory."""
    with sqlite3.connect(":memory:") as connection:
        connection.execute("CREATE TABLE t (a INTEGER)")
        connection.executemany("INSERT INTO t VALUES (?)", [(n,) for n in range(rows)])
        return int(connection.execute("SELECT sum(a) FROM t").fetchone()[0])


def shell(number: int) -> int:
    """Another program."""
    done = subprocess.run(["/bin/sh", "-c", f"sleep 0.01; exit {number % 3}"], check=False)
    return done.returncode


def digits(count: int) -> str:
    """Decimal numbers."""
    with localcontext() as context:
        context.prec = count
        return str(Decimal(2).sqrt())[:8]


def _even(count: int, item: Any) -> Callable[[int], list[Any]]:
    """The same item again and again; three times as many from the third run on, where the job grows."""
    return lambda run: [item] * (count if run < 2 else 3 * count)


def _same(count: int, item: Any) -> Callable[[int], list[Any]]:
    return lambda run: [item] * count


def _skewed(count: int, scale: float, sigma: float, *, ordered: int = 0) -> Callable[[int], Any]:
    """Log-normal items, other ones from the third run on; ``ordered``: 1 ascending, -1 descending."""

    def make(run: int) -> list[float]:
        generator = random.Random(0 if run < 2 else 1)
        found = [scale * generator.lognormvariate(0.0, sigma) for _ in range(count)]
        return sorted(found, reverse=ordered < 0) if ordered else found

    return make


def _with_giant(count: int, item: int, giant: int, place: int) -> Callable[[int], list[int]]:
    def make(run: int) -> list[int]:
        found = [item] * count
        found[place] = giant
        return found

    return make


def _unsized(run: int) -> Iterator[int]:
    yield from [20_000] * 500


JOBS: dict[str, Job] = {
    "even computing": Job(burn, _same(500, 20_000)),
    "even computing, more": Job(burn, _even(300, 20_000), True),
    "long items": Job(burn, _same(12, 1_200_000)),
    "short items": Job(burn, _same(30_000, 200)),
    "short items, more": Job(burn, _even(12_000, 400), True),
    "trivial items": Job(root, lambda run: range(4_000_000)),
    "skewed computing": Job(burn, _skewed(400, 15_000, 1.0), True),
    "very skewed computing": Job(burn, _skewed(300, 8_000, 1.6), True),
    "ascending computing": Job(burn, _skewed(400, 12_000, 1.0, ordered=1), True),
    "descending computing": Job(burn, _skewed(400, 12_000, 1.0, ordered=-1), True),
    "rising steps": Job(burn, lambda run: range(0, 60_000, 100 if run < 2 else 50), True),
    "light then heavy": Job(burn, lambda run: [2_000] * 200 + [40_000] * 200),
    "heavy then light": Job(burn, lambda run: [40_000] * 200 + [2_000] * 200),
    "light and heavy by turns": Job(burn, lambda run: [2_000, 40_000] * 200),
    "rarely heavy": Job(burn, lambda run: [200_000 if n % 40 == 17 else 8_000 for n in range(600)]),
    "giant first": Job(burn, _with_giant(200, 20_000, 6_000_000, 0)),
    "giant last": Job(burn, _with_giant(200, 20_000, 6_000_000, -1)),
    "giant in the middle": Job(burn, _with_giant(200, 20_000, 6_000_000, 100)),
    "even waits": Job(nap, _same(150, 0.01)),
    "even waits, more": Job(nap, _even(80, 0.02), True),
    "skewed waits": Job(nap, _skewed(200, 0.01, 0.8), True),
    "ascending waits": Job(
        nap, lambda run: [0.0005 * n for n in range(80 if run < 2 else 120)], True
    ),
    "short waits": Job(nap, _same(1_000, 0.0005)),
    "wait and compute": Job(nap_and_burn, _same(100, 60_000)),
    "compute and wait": Job(burn_and_nap, _even(100, 0.008), True),
    "imports, then waits": Job(ask, _same(120, 0.01)),
    "imports, then waits, more": Job(ask, _even(60, 0.01), True),
    "imports, then computes": Job(parse_mail, _same(300, 20_000)),
    "a model for all": Job(model, _same(200, 30_000)),
    "a model for all, more": Job(model, _even(100, 30_000), True),
    "a table in each process": Job(warm_here, _same(200, 40_000)),
    "products": Job(multiply, _same(200, 200)),
    "waves": Job(waves, _same(150, 100_000)),
    "waves, more": Job(waves, _even(80, 100_000), True),
    "sorting": Job(order, _skewed(200, 20_000, 0.7), True),
    "digests": Job(digest, _same(300, 1_500_000)),
    "squeezing": Job(squeeze, _even(100, 60_000), True),
    "squeezing hard": Job(squeeze_hard, _same(60, 60_000)),
    "files": Job(count_bytes, lambda run: files([20_000] * 80)),
    "files by size": Job(count_bytes, lambda run: files([1_000 * n for n in range(60)])),
    "files, hashed": Job(hash_file, lambda run: files([50_000] * (120 if run < 2 else 360)), True),
    "json": Job(dump, _even(150, 800), True),
    "expressions": Job(search, _same(200, "abc123xyz" * 1_500)),
    "texts by length": Job(words, lambda run: ["x" * (10 * n) for n in range(300)]),
    "lists": Job(total, lambda run: [list(range(200 * n)) for n in range(120)]),
    "large results": Job(large, _same(150, 1_000_000)),
    "queries": Job(query, _even(100, 6_000), True),
    "other programs": Job(shell, _same(60, 1)),
    "decimals": Job(digits, _same(150, 2_500)),
    "with a time limit, computing": Job(burn, _same(200, 40_000), options={"timeout": 30}),
    "with a time limit, waiting": Job(nap, _same(150, 0.01), options={"timeout": 30}),
    "threads by order": Job(nap, _same(100, 0.01), options={"backend": "threads"}),
    "processes by order": Job(burn, _same(200, 30_000), options={"backend": "processes"}),
}
"""Jobs by name."""
assert len(JOBS) >= 40 and sys.version_info >= (3, 11)
