"""What starting workers costs on this machine, measured for amorsize doctor."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from threading import Thread

from amorsize.core.frozen import dataclass
from amorsize.machine.detect import _yes
from amorsize.machine.fork_safety import fork_refusal

COST_SAMPLES = 5
"""Starts measured; the median counts. More would make ``doctor`` wait with large processes."""
ROUND_TRIPS = 50
"""Round trips measured, each of some ten microseconds."""


@dataclass(frozen=True)
class StartCosts:
    """What starting and asking a worker costs here, measured; None where it was not or cannot be."""

    thread_seconds: float
    """A thread started and joined."""
    fork_seconds: float | None = None
    """A process forked that ends at once, until it is waited for; None where fork is refused."""
    spawn_seconds: float | None = None
    """A fresh interpreter that ends at once."""
    round_trip_seconds: float | None = None
    """One byte to a forked process and one back."""


def measure_costs(*, spawn: bool = False) -> StartCosts:
    """Measure by doing: about 10 ms, and more with ``spawn`` or much resident memory."""

    def run_thread() -> None:
        thread = Thread(target=_yes)
        thread.start()
        thread.join()

    thread_seconds = _median_seconds(run_thread, COST_SAMPLES)
    can_fork = fork_refusal() is None
    return StartCosts(
        thread_seconds=thread_seconds,
        fork_seconds=_median_seconds(_fork_and_wait, COST_SAMPLES) if can_fork else None,
        spawn_seconds=_median_seconds(_spawn_and_wait, COST_SAMPLES) if spawn else None,
        round_trip_seconds=_round_trip_seconds() if can_fork else None,
    )


def _median_seconds(action: Callable[[], object], times: int) -> float:
    seconds = []
    for _ in range(times):
        began = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - began)
    return sorted(seconds)[times // 2]


def _fork_and_wait() -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)


def _spawn_and_wait() -> None:
    subprocess.run([sys.executable, "-c", "pass"], check=False, stdin=subprocess.DEVNULL)


def _round_trip_seconds() -> float:
    ask, answer = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(ask[1])
            while os.read(ask[0], 1):
                os.write(answer[1], b".")
        finally:
            os._exit(0)
    os.close(ask[0])
    os.close(answer[1])

    def there_and_back() -> None:
        os.write(ask[1], b".")
        os.read(answer[0], 1)

    try:
        return _median_seconds(there_and_back, ROUND_TRIPS)
    finally:
        os.close(ask[1])
        os.close(answer[0])
        os.waitpid(pid, 0)
