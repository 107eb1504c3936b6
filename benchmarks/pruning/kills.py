"""A history pruned among 8 concurrent writers and readers, its pruner killed again and again.

    python -m benchmarks.pruning.kills [--kills 50] [--seed 0]

Four processes add runs and note each one as soon as it is stored; four read and sum the weights, which
may never fall; a fifth prunes in a loop and is killed at a random moment. In the end the weights are
those of every run that was noted (a writer killed between storing and noting would be one more: none
is killed), and `check()` finds nothing.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from amorsize.core.model import Config, Machine, Profile
from amorsize.core.observation import Observation
from amorsize.history import open_history
from amorsize.history.base import History
from amorsize.history.sqlite import SqliteHistory
from amorsize.pruning.history import prune_training_data

FIRST_ROWS = 600
PATIENCE_SECONDS = 300.0
PAUSE_SECONDS = 0.3
"""Of a writer or reader after each time: a history that reaches its bound would drop its oldest rows."""
WAIT_SHARE = 1.5
"""A pruner is killed within so many times what a whole pruning takes: two of three may end one."""


def run(rng: random.Random) -> Observation:
    """A run of one of twelve functions in one of three configurations."""
    function, config = (
        rng.randrange(12),
        rng.choice([Config("serial"), Config("fork", 2), Config("fork", 8)]),
    )
    seconds = 1e-4 * 2.0**function * rng.lognormvariate(0, 0.05)
    model = 1000 * seconds / config.n_jobs
    return Observation(
        fingerprint=f"{function:032x}",
        profile=Profile(items=10, item_seconds=seconds, gil_free_share=0.0, result_seconds=1e-6),
        machine=Machine(cores=8, logical_cores=8, resident_bytes=10**8),
        config=config,
        items=1000,
        wall_seconds=model * rng.lognormvariate(0.1 * function, 0.05),
        cpu_seconds=1.0,
        time=1e9,  # of one age: the rule for drift must take no weight away
        model_seconds=model,
        id=f"{rng.getrandbits(128):032x}",
    )


def weight(history: History) -> float:
    return sum(one.weight for one in history.read())


def write(path: str, seed: int) -> None:
    """Add runs until the end of standard input; print how many."""
    rng, count = random.Random(seed), 0
    os.set_blocking(0, False)
    with SqliteHistory(path, patience_seconds=PATIENCE_SECONDS) as history:
        while os.read(0, 1) != b"" if _readable() else True:
            history.add([run(rng)])
            count += 1
            time.sleep(PAUSE_SECONDS)
    print(count)


def read(path: str) -> None:
    """Sum the weights until the end of standard input; print how often, and every fall."""
    most, count, falls = 0.0, 0, 0
    os.set_blocking(0, False)
    with SqliteHistory(path, patience_seconds=PATIENCE_SECONDS) as history:
        while os.read(0, 1) != b"" if _readable() else True:
            found = weight(history)
            falls += found < most - 1e-6 * most
            most, count = max(most, found), count + 1
            time.sleep(PAUSE_SECONDS)
    print(count, falls)


def _readable() -> bool:
    import select

    return bool(select.select([0], [], [], 0)[0])


def prune(path: str) -> None:
    """Prune for ever, each time something else."""
    print("ready", flush=True)
    with SqliteHistory(path, patience_seconds=PATIENCE_SECONDS) as history:
        for number in range(10**6):
            try:
                prune_training_data(history, tolerance=(0.02, 0.05, 0.2, 0.5)[number % 4])
            except RuntimeError:
                continue  # rows were removed meanwhile, each time that it began
            print("pruned", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--role", choices=("write", "read", "prune"), help=argparse.SUPPRESS)
    parser.add_argument("--path", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.role is not None:
        roles = {"write": lambda: write(options.path, options.seed)}
        roles |= {"read": lambda: read(options.path), "prune": lambda: prune(options.path)}
        roles[options.role]()
        return
    sys.exit(whole(options.kills, options.seed))


def child(role: str, path: str, seed: int = 0) -> subprocess.Popen[str]:
    words = [sys.executable, "-m", "benchmarks.pruning.kills", "--role", role, "--path", path]
    return subprocess.Popen(
        [*words, "--seed", str(seed)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def whole(kills: int, seed: int) -> int:
    """Everything; 0 if nothing was lost."""
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "history.sqlite")
        with open_history(path) as history:
            history.add([run(rng) for _ in range(FIRST_ROWS)])
        writers = [child("write", path, seed * 1000 + 1 + number) for number in range(4)]
        readers = [child("read", path) for _ in range(4)]
        problems: list[str] = []
        ended, pruning_seconds = 0, 0.0
        for number in range(kills):
            pruner = child("prune", path)
            assert pruner.stdout is not None
            pruner.stdout.readline()
            if number == 0:
                began = time.perf_counter()
                pruner.stdout.readline()
                pruning_seconds = time.perf_counter() - began
            time.sleep(rng.uniform(0.0, WAIT_SHARE * pruning_seconds))
            pruner.kill()
            ended += pruner.communicate()[0].count("pruned") + (number == 0)
            with SqliteHistory(path, patience_seconds=PATIENCE_SECONDS) as history:
                problems += history.check()
        told = [one.communicate()[0].split() for one in (*writers, *readers)]
        written = sum(int(words[0]) for words in told[:4])
        looks, falls = (sum(int(words[i]) for words in told[4:]) for i in (0, 1))
        with open_history(path) as history:
            problems += history.check()
            kept, stood = weight(history), history.stats().rows
    lost = FIRST_ROWS + written - kept
    print(
        f"{kills} kills, {ended} prunings carried out before one, {written} runs written "
        f"meanwhile, {looks} looks by readers: {stood} rows are "
        f"left with a weight of {kept:.3f}, {lost:.3f} lost; {falls} readers saw the weight fall; "
        f"problems found by check(): {problems or 'none'}"
    )
    return int(abs(lost) > 1e-3 or falls > 0 or bool(problems))


if __name__ == "__main__":
    main()
