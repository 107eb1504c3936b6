"""Runs with a worker killed at a random moment: are the results complete and right?

    python -m benchmarks.robustness.kills [--runs 500] [--seed 0]

Each run has a killer beside it, a process of its own (a thread would forbid the fork): it waits for a
random part of the time that the run takes, then kills a random worker with SIGKILL; in one run of
three it does so again. An item that both kills met is taken for their cause, as it is to be: then all
others must be there.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import amorsize

ITEMS, ITEM_SECONDS = 150, 0.001
LONGEST_WAIT_SECONDS = 0.13
"""About as long as a run takes with two workers; a spawned one needs a moment to start."""


class Noting:
    """Squares its item after a millisecond; each call leaves a line."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __call__(self, item: int) -> int:
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(descriptor, f"{item}\n".encode())
        os.close(descriptor)
        end = time.perf_counter() + ITEM_SECONDS
        while time.perf_counter() < end:
            sum(range(100))
        return item * item


def workers_of(parent: int, besides: int) -> list[int]:
    """Children of a process."""
    try:
        text = Path(f"/proc/{parent}/task/{parent}/children").read_text()
    except OSError:
        return []
    return [pid for pid in map(int, text.split()) if pid != besides]


def start_killer(rng: random.Random) -> tuple[int, int]:
    """Fork who kills; returns its number and a pipe that tells, in one byte each, whom it killed."""
    parent = os.getpid()
    waits = [rng.uniform(0, LONGEST_WAIT_SECONDS) for _ in range(rng.choice((1, 1, 2)))]
    lot = rng.random()
    reader, writer = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writer)
        return pid, reader
    try:
        for wait in waits:
            time.sleep(wait)
            found = workers_of(parent, os.getpid())
            if found:
                os.kill(found[int(lot * len(found))], signal.SIGKILL)
                os.write(writer, b"!")
    finally:
        os._exit(0)


def killed_run(
    func: Callable[[int], Any], items: int, backend: str, n_jobs: int, rng: random.Random
) -> tuple[list[Any], int]:
    """One run with its killer; the results, and how many workers were killed."""
    killer, reader = start_killer(rng)
    try:
        data: Any = range(items) if rng.random() < 0.7 else iter(range(items))
        found = amorsize.execute(func, data, backend=backend, n_jobs=n_jobs, on_error="collect")
    finally:
        os.waitpid(killer, 0)
        kills = len(os.read(reader, 10))
        os.close(reader)
    return found, kills


def main() -> int:
    """Run, and say what came out."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    right = hit = kills = again = twice = 0
    expected = [item * item for item in range(ITEMS)]
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        for number in range(options.runs):
            backend = ("fork", "spawn")[number % 2]
            path = os.path.join(folder, str(number))
            found, killed = killed_run(Noting(path), ITEMS, backend, rng.choice((2, 3)), rng)
            met = [
                index
                for index, value in enumerate(found)
                if isinstance(value, amorsize.ItemError)
                and isinstance(value.exception, amorsize.WorkerDied)
            ]
            for index in met[: killed // 2]:
                found[index] = expected[index]
                twice += 1
            right += found == expected
            hit += killed > 0
            kills += killed
            with open(path) as file:
                counts = Counter(file.read().split())
            again += sum(count - 1 for count in counts.values())
            os.unlink(path)
    print(
        f"{right} of {options.runs} runs complete and right; a worker was killed in {hit} of them, "
        f"{kills} in all; {again} items ran again; {twice} were met by two kills and named; "
        f"{time.monotonic() - began:.0f} s"
    )
    return 0 if right == options.runs else 1


if __name__ == "__main__":
    sys.exit(main())
