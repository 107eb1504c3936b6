"""What knowing a function is worth: a known run against a first call, and against the best of a grid.

    python -m benchmarks.learning.known [--only WORDS] [--rounds 6] [--json FILE]

Jobs in which knowing ought to pay: few long items, a giant first one, warm-ups, waits, limits on time.
Every run is in a fresh interpreter, timed from its call on (``import amorsize`` and the making of the
data left out; of the grid the import of ``multiprocessing``, too). A known run has a history of three
runs, a copy of it each time; a first call an empty one. The grid: the loop, ThreadPool with 2, 16, 64 and
128 threads, fork Pool with the cores and twice as many processes, chunks of one item and one for each
worker. A quick pass picks the three best; then all contenders take turns. The oracle is the best by the
odd rounds, timed in the even ones.
"""

from __future__ import annotations

import argparse
import compileall
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import median
from typing import Any

import amorsize
from benchmarks.harness.host import usable_cores
from benchmarks.workloads.forecasting import (
    Job,
    burn,
    burn_and_nap,
    model,
    nap,
    parse_mail,
    warm_here,
)

KNOWN_RUNS = 3
FINALISTS = 3
TIMEOUT_SECONDS = 120.0
_STATE: list[int] = []


def load_and_burn(steps: int) -> int:
    """The first item of a process that has not inherited it makes a table of 0.3 s."""
    if not _STATE:
        _STATE.append(burn(9_000_000))
    return burn(steps)


def _data(*items: Any) -> Callable[[int], Iterable[Any]]:
    return lambda run: list(items)


JOBS: dict[str, Job] = {
    "16 items of 70 ms": Job(burn, _data(*[2_200_000] * 16)),
    "6 items of 150 ms": Job(burn, _data(*[4_700_000] * 6)),
    "giant first": Job(burn, _data(6_000_000, *[20_000] * 300)),
    "0.3 s of warm-up": Job(load_and_burn, _data(*[300_000] * 40)),
    "warm-up, few items": Job(load_and_burn, _data(*[3_000_000] * 8)),
    "a model for all": Job(model, _data(*[30_000] * 200)),
    "a table in each process": Job(warm_here, _data(*[40_000] * 200)),
    "imports, then computes": Job(parse_mail, _data(*[1_000_000] * 16)),
    "50 waits of 20 ms": Job(nap, _data(*[0.02] * 50)),
    "6 waits of 200 ms": Job(nap, _data(*[0.2] * 6)),
    "computes, then waits": Job(burn_and_nap, _data(*[0.05] * 40)),
    "limit, 150 waits of 10 ms": Job(nap, _data(*[0.01] * 150), options={"timeout": 30}),
    "limit, 16 items of 50 ms": Job(burn, _data(*[1_600_000] * 16), options={"timeout": 30}),
}


def grid() -> list[str]:
    """Names of the contenders of the grid."""
    cores = len(usable_cores())
    pools = [("threads", count) for count in (2, 16, 64, 128)]
    pools += [("fork", count) for count in (cores, 2 * cores)]
    return ["loop", *(f"{kind} {count} {chunk}" for kind, count in pools for chunk in ("1", "all"))]


def child(name: str, contender: str, history: str) -> None:
    """One run in this interpreter; prints its seconds."""
    job = JOBS[name]
    data = list(job.make(0))
    words = contender.split()
    import multiprocessing.pool

    clock = time.perf_counter
    if contender in ("first", "known"):
        began = clock()
        amorsize.execute(job.func, data, history=history, **job.options)
    elif contender == "loop":
        began = clock()
        _ = [job.func(item) for item in data]
    else:
        count = int(words[1])
        chunk = 1 if words[2] == "1" else math.ceil(len(data) / count)
        began = clock()
        if words[0] == "threads":
            with multiprocessing.pool.ThreadPool(min(count, len(data))) as pool:
                pool.map(job.func, data, chunk)
        else:
            with multiprocessing.get_context("fork").Pool(count) as workers:
                workers.map(job.func, data, chunk)
    print(clock() - began, flush=True)


def call(name: str, contender: str, history: Path) -> float:
    """Seconds of one run in a fresh interpreter."""
    words = [sys.executable, "-m", "benchmarks.learning.known", "--child", name]
    words += ["--contender", contender, "--history", str(history)]
    done = subprocess.run(
        words, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{name}, {contender}: {done.stderr[-2000:]}")
    return float(done.stdout.split()[-1])


def race(name: str, rounds: int) -> dict[str, list[float]]:
    """Seconds of each contender in each round."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        origin = folder / "origin"
        origin.mkdir()
        for _ in range(KNOWN_RUNS):
            call(name, "first", origin / "history.sqlite")
        quick = {contender: call(name, contender, folder / "none") for contender in grid()}
        best = sorted(quick, key=quick.__getitem__)[:FINALISTS]
        taken: dict[str, list[float]] = {one: [] for one in ("first", "known", *best)}
        for number in range(rounds):
            order = list(taken) if number % 2 else list(taken)[::-1]
            for contender in order:
                used = folder / f"{number}-{contender.replace(' ', '-')}"
                used.mkdir()
                if contender == "known":
                    for file in origin.iterdir():
                        shutil.copy2(file, used)
                    _adopt(used / "history.sqlite")
                taken[contender].append(call(name, contender, used / "history.sqlite"))
    return taken


def _adopt(path: Path) -> None:
    """A copied database is another file: its cache belongs to it once it was opened."""
    from amorsize.history import open_history

    if path.exists():
        with open_history(path) as history:
            history.stats()


def told(name: str, taken: dict[str, list[float]]) -> tuple[float, float]:
    """Known over oracle and known over first call, medians of ratios of a round."""
    first, known = taken["first"], taken["known"]
    rivals = [one for one in taken if one not in ("first", "known")]
    odd = {one: median(taken[one][1::2]) for one in rivals}
    oracle = min(odd, key=odd.__getitem__)
    against = median(a / b for a, b in zip(known[::2], taken[oracle][::2], strict=True))
    over = median(a / b for a, b in zip(known, first, strict=True))
    print(
        f"{name:28} first {median(first):.3f}  known {median(known):.3f}  best of the grid"
        f" {median(taken[oracle]):.3f} ({oracle})  known/best {against:.3f}  known/first {over:.3f}",
        flush=True,
    )
    return against, over


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.learning.known")
    parser.add_argument("--only", default="", metavar="WORDS")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--contender", help=argparse.SUPPRESS)
    parser.add_argument("--history", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child is not None:
        os.environ["AMORSIZE_HISTORY"] = "off"
        child(options.child, options.contender, options.history)
        return 0
    for folder in (Path(amorsize.__file__).parent, Path(__file__).parents[1]):
        compileall.compile_dir(folder, quiet=2)
    rows, found = {}, []
    for name in JOBS:
        if options.only in name:
            rows[name] = race(name, options.rounds)
            found.append(told(name, rows[name]))
    for what, ratios in (
        ("best of the grid", [a for a, _ in found]),
        ("first", [b for _, b in found]),
    ):
        mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
        print(f"known over {what}: geometric mean {mean:.3f}, worst {max(ratios):.3f}")
    if options.json:
        Path(options.json).write_text(json.dumps(rows, indent=1), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
