"""The speed of the host at this moment: shared hosts switch between speeds, and "two cores" of one
give between 1.2 and 2.0 times the work of one. Only measurements close in time can be compared.

    python -m benchmarks.harness.host CORE     one pinned prober, served through standard input and output
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass

from benchmarks.workloads.functions import steps

PROBE_STEPS = 120_000
"""Steps of one probe: 5 to 10 ms, so that the three of a probe cost less than most runs."""
LIKE_FACTOR = 1.15
"""Two probes that differ by more mean that the host changed: above the jitter of a quiet machine
(1.03 to 1.08 between probes), below the step between two speeds of a shared host (1.25 and more)."""


@dataclass(frozen=True)
class Speed:
    """Seconds of a fixed piece of Python on one core, and how many such cores there are in effect."""

    one_core_seconds: float
    scaling: float

    def like(self, other: Speed) -> bool:
        ratio = self.one_core_seconds / other.one_core_seconds
        return 1 / LIKE_FACTOR < ratio < LIKE_FACTOR


def usable_cores() -> list[int]:
    return sorted(os.sched_getaffinity(0))


class Prober:
    """Two helper processes, each pinned to a core, which wait for orders."""

    def __init__(self) -> None:
        self.helpers = [
            subprocess.Popen(
                [sys.executable, "-m", "benchmarks.harness.host", str(core)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for core in usable_cores()[:2]
        ]
        self.speed()  # the first one is spent on waking up

    def _run(self, *which: int) -> list[float]:
        for i in which:
            print("go", file=self.helpers[i].stdin, flush=True)
        answers = []
        for i in which:
            stdout = self.helpers[i].stdout
            assert stdout is not None
            answers.append(float(stdout.readline()))
        return answers

    def speed(self) -> Speed:
        alone = [self._run(i)[0] for i in range(len(self.helpers))]
        together = self._run(*range(len(self.helpers)))
        scaling = sum(one / both for one, both in zip(alone, together, strict=True))
        return Speed(min(alone), scaling)

    def close(self) -> None:
        for helper in self.helpers:
            helper.communicate()  # the end of its standard input ends it


def _serve(core: int) -> None:
    os.sched_setaffinity(0, {core})
    for _ in sys.stdin:
        began = time.perf_counter()
        steps(PROBE_STEPS)
        print(time.perf_counter() - began, flush=True)


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
