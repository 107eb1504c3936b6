"""What a checkpoint promises, and what it costs: runs killed at random moments, and paired timing.

``python -m benchmarks.robustness.checkpoints kills --runs 100 --seed 1`` starts a job in a process
group of its
own, kills the whole group with SIGKILL at a random moment, starts it again until it is done, and
compares the results with the plain loop's. The function logs each call, so that it is known which
items ran again: only those whose results were not yet in the journal when the group died.

``python -m benchmarks.robustness.checkpoints cost`` times items of 10 ms with and without a
checkpoint, in turns; ``write`` times the writing alone, by rows of a statement.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

WAYS = (
    "auto",
    "serial",
    "threads",
    "fork",
    "spawn",
    "stream",
    "unordered",
    "generator",
    "optimize",
)
"""Backends by name, and ways through the library on the backend of its choice."""
JOB_SECONDS = 60.0
"""No single start of a job takes longer, or the benchmark says so and fails."""


class Logged:
    """A pure function that writes its item to a log at each call."""

    def __init__(self, log: str, seconds: float) -> None:
        self.log, self.seconds = log, seconds

    def __call__(self, item: int) -> tuple[int, str]:
        file = os.open(self.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(file, b"%d\n" % item)
        os.close(file)
        end = time.perf_counter() + self.seconds
        while time.perf_counter() < end:
            pass
        return value(item)


def value(item: int) -> tuple[int, str]:
    """What :class:`Logged` returns."""
    return item * item, f"{item:x}"


def job(way: str, directory: str, items: int, seconds: float) -> None:
    """The process that is killed: does all, and leaves its results in a file."""
    import amorsize

    function = Logged(f"{directory}/log", seconds)
    options: dict[str, Any] = {"checkpoint": f"{directory}/journal", "history": None}
    data = range(items)
    results: Iterable[Any]
    if way in ("stream", "unordered"):
        results = list(amorsize.stream(function, data, ordered=way == "stream", **options))
    elif way == "generator":
        results = amorsize.execute(function, (item for item in data), **options)
    elif way == "optimize":
        results = amorsize.optimize(function, data, **options).execute()
    else:
        results = amorsize.execute(function, data, backend=way, **options)
    temporary = Path(directory, "results.new")
    temporary.write_text(json.dumps(list(results)))
    temporary.rename(Path(directory, "results"))


def killed_until_done(
    way: str, directory: str, chance: random.Random, *, items: int = 150, seconds: float = 0.004
) -> dict[str, int]:
    """One run: killed at random moments until it is done; what came of it. Asserts that it is right."""
    command = [sys.executable, "-m", "benchmarks.robustness.checkpoints", "job", way, directory]
    command += [str(items), str(seconds)]
    root = str(Path(__file__).resolve().parents[2])
    kills = 0
    log = Path(directory, "log")
    while True:
        process = subprocess.Popen(
            command, start_new_session=True, cwd=root, stderr=subprocess.PIPE, text=True
        )
        # The first kill comes at any moment from the first item on, later ones at any moment at all.
        if kills == 0:
            while not log.exists() and process.poll() is None:
                time.sleep(0.001)
        patience = chance.uniform(0.0, items * seconds * 0.9) if kills < 5 else JOB_SECONDS
        try:
            _, errors = process.communicate(timeout=patience)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            assert kills < 5, "the job did not end"
            kills += 1
            continue
        assert process.returncode == 0, errors
        break
    results = [tuple(result) for result in json.loads(Path(directory, "results").read_text())]
    expected = [value(item) for item in range(items)]
    if way == "unordered":
        results.sort()
    assert results == expected, (way, len(results))
    calls = Counter(int(line) for line in log.read_text().split())
    assert set(calls) == set(range(items))
    assert max(calls.values()) <= 1 + kills
    return {"kills": kills, "again": sum(calls.values()) - items}


def kills(runs: int, seed: int) -> None:
    """Many such runs; prints a line for each way."""
    chance = random.Random(seed)
    found: dict[str, list[dict[str, int]]] = {}
    for number in range(runs):
        way = WAYS[number % len(WAYS)]
        with tempfile.TemporaryDirectory() as directory:
            found.setdefault(way, []).append(killed_until_done(way, directory, chance))
    total = [outcome for outcomes in found.values() for outcome in outcomes]
    killed = sum(outcome["kills"] > 0 for outcome in total)
    for way, outcomes in (*found.items(), ("all", total)):
        count = sum(outcome["kills"] for outcome in outcomes)
        again = sum(outcome["again"] for outcome in outcomes)
        print(f"{way:10} {len(outcomes):4} runs {count:4} kills {again:5} items ran again")
    print(f"{killed} of {runs} runs were killed at least once; all results complete and equal")


def burn(seconds: float) -> float:
    """Compute for so many seconds of this thread's own time."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass
    return seconds


def rest(seconds: float) -> float:
    """Wait for so long."""
    time.sleep(seconds)
    return seconds


def pairs(way: str, count: int, items: int) -> Iterator[float]:
    """Seconds with a checkpoint over seconds without, one after the other, in changing order."""
    import amorsize

    backend = way.removesuffix(" (waits)")
    function = rest if way.endswith("(waits)") else burn
    data = [0.01] * items
    with tempfile.TemporaryDirectory() as directory:
        for number in range(count):
            seconds = {}
            for checked in (number % 2 == 0, number % 2 == 1):
                path = f"{directory}/{number}" if checked else None
                began = time.perf_counter()
                amorsize.execute(function, data, backend=backend, history=None, checkpoint=path)
                seconds[checked] = time.perf_counter() - began
            yield seconds[True] / seconds[False]


def cost(count: int, items: int) -> None:
    """Paired timing of items of 10 ms; prints the median ratio of each way and its quartiles."""
    for way in ("serial", "auto", "fork", "spawn", "threads (waits)", "serial (waits)"):
        ratios = list(pairs(way, count, items))
        low, middle, high = statistics.quantiles(ratios, n=4)
        print(f"{way:16} {middle:.4f}  ({low:.4f} to {high:.4f}, {count} pairs)", flush=True)


def write(count: int = 20_000) -> None:
    """Microseconds to write a result, by rows of a statement; the least of five times."""
    import sqlite3

    from amorsize.checkpoint import rows

    given = [
        (b"%016d" % number, rows.DONE, number, number, None, b"0" * 10) for number in range(count)
    ]
    for size in (1, 10, 100, 1000):
        rows.WRITE_ITEMS = size
        seconds = []
        for _ in range(5):
            with tempfile.TemporaryDirectory() as directory:
                connection = sqlite3.connect(f"{directory}/file", isolation_level=None)
                rows.create(connection, {})
                connection.execute("PRAGMA journal_mode=WAL")
                connection.execute("PRAGMA synchronous=NORMAL")
                began = time.perf_counter()
                for start in range(0, count, 600):  # what 12,000 a second are in 0.05 s
                    rows.write_results(connection, given[start : start + 600])
                seconds.append(time.perf_counter() - began)
                connection.close()
        print(f"{size:5} rows of a statement: {min(seconds) / count * 1e6:.1f} µs a result")


def main() -> None:
    """The command line of this benchmark."""
    parser = argparse.ArgumentParser(prog="benchmarks.robustness.checkpoints", description=__doc__)
    what = parser.add_subparsers(dest="what", required=True)
    one = what.add_parser("job")
    one.add_argument("way", choices=WAYS)
    one.add_argument("directory")
    one.add_argument("items", type=int)
    one.add_argument("seconds", type=float)
    many = what.add_parser("kills")
    many.add_argument("--runs", type=int, default=100)
    many.add_argument("--seed", type=int, default=1)
    timed = what.add_parser("cost")
    timed.add_argument("--pairs", type=int, default=11)
    timed.add_argument("--items", type=int, default=100)
    what.add_parser("write")
    options = parser.parse_args()
    if options.what == "job":
        job(options.way, options.directory, options.items, options.seconds)
    elif options.what == "kills":
        kills(options.runs, options.seed)
    elif options.what == "write":
        write()
    else:
        cost(options.pairs, options.items)


if __name__ == "__main__":
    main()
