"""Ctrl-C at random moments, to the process alone and to its group: how soon is the prompt back?

    python -m benchmarks.robustness.interrupts [--shots 100] [--seed 0]

One program stands for an interactive session: it starts a run, is interrupted, prints that it is at its
prompt again, and starts the next one. A second after each interruption its children are counted; warm
spawned workers are not, they wait for the next run by design.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass

SESSION = """
import os, sys, time
import amorsize
def heavy(item):
    total = 0
    for i in range(20_000):
        total += i * i
    return item
def slow(item):
    time.sleep(0.2)
    return item
def left():
    spawn = sys.modules.get("amorsize.backends.processes.spawn")
    warm = {one.process.pid for one in spawn._idle} if spawn else set()
    found = open(f"/proc/self/task/{os.getpid()}/children").read().split()
    return len([pid for pid in found if int(pid) not in warm])
number = 0
print("prompt", 0.0, flush=True)
while True:
    try:
        line = sys.stdin.readline()
        if not line:
            break
        if line == "left\\n":
            print("left", left(), flush=True)
            continue
        number += 1
        func = (heavy, slow)[number % 2]
        items = range(100_000) if number % 3 else iter(range(100_000))
        print("go", flush=True)
        if number % 4:
            amorsize.execute(func, items, backend=BACKEND, n_jobs=2)
        else:
            for _ in amorsize.stream(func, items, backend=BACKEND, n_jobs=2):
                pass
        print("done", time.monotonic(), flush=True)
    except KeyboardInterrupt:
        print("interrupted", time.monotonic(), flush=True)
"""


@dataclass(frozen=True)
class Shot:
    """One Ctrl-C and what came of it."""

    seconds: float
    """From the signal to the prompt."""
    outcome: str
    left: int
    """Children a second later."""


class Prompt:
    """An interactive session of its own, in a group of its own."""

    def __init__(self, backend: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", SESSION.replace("BACKEND", repr(backend))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env={**os.environ, "AMORSIZE_HISTORY": "off"},
        )
        self._line("prompt")

    def __enter__(self) -> Prompt:
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait(10)
        self.process.stdout.close()

    def interrupt(self, wait_seconds: float, *, group: bool) -> Shot:
        """Start a run, wait, press Ctrl-C."""
        self._say("run")
        self._line("go")
        time.sleep(wait_seconds)
        pressed = time.monotonic()
        (os.killpg if group else os.kill)(self.process.pid, signal.SIGINT)
        outcome, back = self._line("interrupted", "done")
        while time.monotonic() < pressed + 1.0:
            time.sleep(0.01)
        self._say("left")
        _, left = self._line("left")
        return Shot(back - pressed, outcome, int(left))

    def _say(self, word: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()

    def _line(self, *expected: str) -> tuple[str, float]:
        assert self.process.stdout is not None
        words = self.process.stdout.readline().split()
        if not words or words[0] not in expected:
            raise AssertionError(f"expected {expected}, got {words}")
        return words[0], float(words[1]) if len(words) > 1 else 0.0


def main() -> int:
    """Press Ctrl-C again and again, and say what came of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--shots", type=int, default=100, help="of each kind")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    bad = 0
    backends = ("fork", "spawn", "threads", "auto")
    for group in (False, True):
        shots: list[Shot] = []
        for backend in backends:
            with Prompt(backend) as prompt:
                for _ in range(-(-options.shots // len(backends))):
                    shots.append(prompt.interrupt(rng.uniform(0, 0.5), group=group))
        seconds = sorted(shot.seconds for shot in shots)
        left = sum(shot.left > 0 for shot in shots)
        slow = sum(one > 0.5 for one in seconds)
        bad += left + slow
        print(
            f"{'group' if group else 'parent'}: {len(shots)} times, prompt after "
            f"{1000 * statistics.median(seconds):.0f} ms (median), {1000 * seconds[-1]:.0f} ms at most; "
            f"{slow} over 500 ms; something left after 1 s: {left}"
        )
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
