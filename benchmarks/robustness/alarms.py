"""A time limit by SIGALRM at random moments: does what the handler raises arrive, and is anything left?

    python -m benchmarks.robustness.alarms [--runs 300] [--seed 0] [--kind fork ...]

For each kind of run (a backend, or what else makes a run take another way) an interpreter of its own sets
an alarm at a random moment of each run. Its handler raises, in turn, an exception of the program's own,
one that a library expects (``TimeoutError`` is an ``OSError``), and one that is no ``Exception``. A run
has to raise it, or to be over before the alarm; afterwards no child, thread, descriptor or other handler
is there, and the next call gives the loop's results. Exit code 1 says that something was not so.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import itertools
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import amorsize

ITEMS = 80
LEAVE_SECONDS = 2.0
"""How long what ends by itself may take: threads that are inside an item, workers that were killed."""


class Late(Exception):
    """Raised by the program's handler."""


class Over(BaseException):
    """Raised by the program's handler, and no ``Exception``."""


RAISED = (Late, TimeoutError, KeyError, Over)


def compute(item: int) -> int:
    """About a millisecond of computing."""
    for _ in range(12_000):
        pass
    return item


def wait(item: int) -> int:
    """Two milliseconds of waiting."""
    time.sleep(0.002)
    return item


async def wait_beside(item: int) -> int:
    """The same in a coroutine."""
    await asyncio.sleep(0.002)
    return item


def execute(func: Callable[[int], Any], **options: Any) -> Callable[[], list[int]]:
    """A call of ``amorsize.execute``."""
    return lambda: amorsize.execute(func, range(ITEMS), history=None, **options)


def stream(func: Callable[[int], Any], **options: Any) -> Callable[[], list[int]]:
    """A call of ``amorsize.stream`` on a source that must be read."""
    return lambda: list(amorsize.stream(func, iter(range(ITEMS)), history=None, **options))


def planned() -> list[int]:
    """Plan first."""
    return amorsize.optimize(compute, range(ITEMS), history=None).execute()


KINDS: dict[str, Callable[[], list[int]]] = {
    "auto": execute(compute),
    "auto, waiting": execute(wait),
    "serial": execute(compute, backend="serial"),
    "threads": execute(wait, backend="threads"),
    "fork": execute(compute, backend="fork", n_jobs=2),
    "spawn": execute(compute, backend="spawn", n_jobs=2),
    "coroutines": execute(wait_beside),
    "stream": stream(compute),
    "stream, threads": stream(wait, backend="threads"),
    "stream, fork": stream(compute, backend="fork", n_jobs=2),
    "optimize": planned,
    "timeout": execute(compute, timeout=5.0),
    "timeout, waiting": execute(wait, timeout=5.0),
}


def left_over(descriptors: int, handler: Any) -> str:
    """What a run has left behind, after some time to leave."""
    until = time.monotonic() + LEAVE_SECONDS
    while True:
        spawn = sys.modules.get("amorsize.backends.processes.spawn")
        warm = {one.process.pid for one in spawn._idle} if spawn else set()
        with open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as file:
            children = {int(pid) for pid in file.read().split()} - warm
        threads = len(os.listdir("/proc/self/task")) - 1
        opened = len(os.listdir("/proc/self/fd")) - 3 * len(warm) - descriptors
        found = {"children": len(children), "threads": threads, "descriptors": max(0, opened)}
        found["handlers"] = signal.getsignal(signal.SIGALRM) is not handler
        if not any(found.values()):
            return ""
        if time.monotonic() > until:
            return " ".join(f"{name} {count}" for name, count in found.items() if count)
        gc.collect()  # the shared page of a worker that was killed is in a circle of a traceback
        time.sleep(0.005)


def session(kind: str, runs: int, seed: int) -> dict[str, int]:
    """So many runs of one kind, each with an alarm; prints what went wrong, returns the counts."""
    call, expected = KINDS[kind], list(range(ITEMS))
    fired, armed, raising = 0, False, itertools.cycle(RAISED)
    kind_raised: type[BaseException] = Late

    def handler(*_: object) -> None:
        nonlocal fired
        if armed:
            fired += 1
            raise kind_raised("late")

    signal.signal(signal.SIGALRM, handler)
    rng = random.Random(seed)
    call()
    began = time.perf_counter()
    call()
    longest = 1.2 * (time.perf_counter() - began)
    descriptors = len(os.listdir("/proc/self/fd")) - 3 * _warm()
    counts = dict.fromkeys(("arrived", "done before", "swallowed", "other", "wrong", "left"), 0)
    for number in range(runs):
        kind_raised, fired, got, outcome = next(raising), 0, None, ""
        after = rng.uniform(1e-5, longest)
        try:
            armed = True
            signal.setitimer(signal.ITIMER_REAL, after)
            got = call()
            armed = False
            outcome = "done before"
        except RAISED as error:
            arrived = type(error) is kind_raised and fired == 1
            outcome = "arrived" if arrived else f"other: {error!r}"
        except BaseException as error:
            outcome = f"other: {error!r}"
        armed = False
        signal.setitimer(signal.ITIMER_REAL, 0)
        if outcome == "done before" and fired:
            outcome = "swallowed"
        counts[outcome.partition(":")[0]] += 1
        left = left_over(descriptors, handler)
        wrong = (got is not None and got != expected) or (not number % 10 and call() != expected)
        if left:
            counts["left"] += 1
            descriptors = len(os.listdir("/proc/self/fd")) - 3 * _warm()  # told once
        counts["wrong"] += wrong
        if left or wrong or outcome not in ("arrived", "done before"):
            name = kind_raised.__name__
            print(f"{kind}: {name} after {after:.4f} s: {outcome}; left: {left or 'nothing'}")
    return counts


def _warm() -> int:
    spawn = sys.modules.get("amorsize.backends.processes.spawn")
    return len(spawn._idle) if spawn else 0


def is_right(counts: dict[str, int]) -> bool:
    """Whether every exception arrived or the run was over, and nothing was left."""
    return not any(counts[name] for name in ("swallowed", "other", "wrong", "left"))


def main() -> int:
    """Run the sessions, one after the other, and say what came of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--runs", type=int, default=300, help="of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kind", nargs="*", choices=list(KINDS), default=list(KINDS))
    parser.add_argument("--here", action="store_true", help="in this interpreter, one kind")
    options = parser.parse_args()
    if options.here:
        counts = session(options.kind[0], options.runs, options.seed)
        told = ", ".join(f"{name} {count}" for name, count in counts.items() if count)
        print(f"{options.kind[0]}: {told}; threads {threading.active_count()}")
        return 0 if is_right(counts) else 1
    bad = 0
    for kind in options.kind:
        words = ["--here", "--kind", kind, "--runs", options.runs, "--seed", options.seed]
        command = [sys.executable, "-m", "benchmarks.robustness.alarms", *map(str, words)]
        environment = {**os.environ, "AMORSIZE_HISTORY": "off"}
        bad += bool(subprocess.run(command, env=environment, check=False).returncode)
    print(f"{len(options.kind) - bad} of {len(options.kind)} kinds of runs right")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
