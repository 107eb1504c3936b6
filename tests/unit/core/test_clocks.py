"""Programs that an item starts and waits for compute on this machine: it is seen, and nothing else is."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

import amorsize
from amorsize.core.clocks import children_seconds
from amorsize.items.call import run_chunk
from amorsize.machine.procfs import programs_compute
from amorsize.profiling.meter import Meter

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows counts no ended processes"),
]
BUSY = "import time\nwhile time.process_time() < {}: pass"


def busy(seconds: float) -> None:
    subprocess.run([sys.executable, "-S", "-c", BUSY.format(seconds)], check=True)


def asleep(seconds: float) -> None:
    subprocess.run(["sleep", str(seconds)], check=True)


def test_what_an_ended_program_computed_counts() -> None:
    before = children_seconds()
    busy(0.2)
    assert 0.17 < children_seconds() - before < 2.0  # user and system time in steps of 10 ms
    before = children_seconds()
    asleep(0.2)
    assert children_seconds() - before < 0.1


def test_a_chunk_computes_what_its_programs_compute() -> None:
    outcome = run_chunk(busy, 0, [0.15, 0.15], "raise")
    assert 0.29 < outcome.cpu <= outcome.seconds
    outcome = run_chunk(asleep, 0, [0.15, 0.15], "raise")
    assert outcome.cpu < 0.1 < outcome.seconds


def test_each_chunk_of_many_threads_has_its_part() -> None:
    """Together they have what the programs computed, and none of it twice."""
    outcomes: list[Any] = []
    before = children_seconds()

    def run(seconds: float) -> None:
        outcomes.append(run_chunk(busy, 0, [seconds], "raise"))

    threads = [threading.Thread(target=run, args=(0.1,)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    spent = children_seconds() - before
    assert 0.5 * spent < sum(outcome.cpu for outcome in outcomes) < 1.7 * spent


@pytest.mark.parametrize("item", [busy, asleep])
def test_the_meter_counts_what_programs_compute(item: Callable[[float], None]) -> None:
    meter = Meter()
    meter.begin(only_computes=False)
    before = children_seconds()
    item(0.2)
    computed = children_seconds() - before
    wall, share, inner = meter.shares()
    assert share >= 0.9 * computed / wall and inner < 1.5
    if item is asleep:
        assert share < 0.5


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="needs /proc")
def test_a_program_at_work_is_seen_while_it_computes() -> None:
    waits = subprocess.Popen(["sleep", "30"])
    until = time.monotonic() + 30
    while programs_compute(60.0) and time.monotonic() < until:  # it is being loaded
        pass
    assert programs_compute(60.0) is False
    loop = subprocess.Popen(["sh", "-c", "sh -c 'while :; do :; done' & wait"])
    try:
        until = time.monotonic() + 30
        while not (seen := programs_compute(60.0)) and time.monotonic() < until:
            pass
        assert seen
        time.sleep(0.1)
        assert programs_compute(0.05) is None  # they are of before
    finally:
        subprocess.run(["pkill", "-P", str(loop.pid)], check=False)
        for process in (loop, waits):
            process.kill()
            process.wait()


def test_items_that_run_programs_get_workers_for_the_cores_only() -> None:
    """Thirty programs that compute at once on two cores gain nothing, and may fill the memory."""
    at_once, most, lock = 0, 0, threading.Lock()

    def runs(number: int) -> int:
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        busy(0.05)
        with lock:
            at_once -= 1
        return number

    options: Any = {"history": None, "effects": "ignore", "backend": ["serial", "threads"]}
    assert amorsize.execute(runs, range(16), **options) == list(range(16))
    assert most <= 2 * (os.cpu_count() or 1)


def test_short_programs_are_told_from_waits_once_they_are_looked_at() -> None:
    """Programs of 1 ms are lost between the steps of the clock that is asked first."""
    code = (
        "import subprocess\n"
        "from amorsize.core import clocks\n"
        "subprocess.run(['true'])\n"
        "coarse = clocks.children_seconds()\n"
        "print(coarse, clocks.look_closely() > 0 or coarse > 0, clocks.look_closely())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split()[1:] == ["True", "0.0"]


def test_programs_that_compute_leave_the_gil_alone() -> None:
    meter = Meter()
    meter.begin(only_computes=False)
    busy(0.1)
    meter.add(1, 0.1)
    assert meter.gil_free_share() == 1.0
    idle = Meter()
    idle.begin(only_computes=False)
    sum(range(3_000_000))
    idle.add(1, 0.1)
    assert idle.gil_free_share() is None


@pytest.mark.parametrize("only_computes", [False, True])
def test_programs_of_before_say_nothing_of_this_run(only_computes: bool) -> None:
    """The workers of an earlier run are such programs, too."""
    busy(0.2)
    meter = Meter()
    meter.begin(only_computes=only_computes)
    sum(range(1_000_000))
    assert meter.gil_free_share() is None


def test_waiting_beside_a_busy_program_of_before_gets_its_threads() -> None:
    """A server that the script started, a pool of its own: no program of the items."""
    code = (
        "import subprocess, sys, time, amorsize\n"
        "busy = subprocess.Popen([sys.executable, '-c', 'while True: pass'])\n"
        "time.sleep(0.2)\n"
        "def wait(n):\n"
        "    time.sleep(0.03)\n"
        "    return n\n"
        "plan = amorsize.optimize(wait, range(60), history=None)\n"
        "busy.kill()\n"
        "busy.wait()\n"
        "print(plan.n_jobs * plan.threads_per_job)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) > 10
