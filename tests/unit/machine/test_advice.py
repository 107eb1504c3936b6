"""What starting workers costs here, and what is told about this machine."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

import pytest
from support.machines import run
from support.work import calm

from amorsize.cli.advice import advice, is_musl
from amorsize.cli.start_costs import StartCosts, measure_costs
from amorsize.core.model import Machine
from amorsize.inspection import decode
from amorsize.machine import detect

pytestmark = pytest.mark.timeout(60)
linux = pytest.mark.skipif(sys.platform != "linux", reason="Linux only")
GB = 1 << 30


@linux
def test_costs_are_measured_in_a_process_that_may_fork() -> None:
    def check() -> None:
        told = run(
            """
            import os, time
            from amorsize.cli.start_costs import measure_costs
            from amorsize.cli.start_costs import StartCosts
            began = time.perf_counter()
            costs = measure_costs(spawn=True)
            took = time.perf_counter() - began
            try:
                os.waitpid(-1, os.WNOHANG)
                print("a child is left")
            except ChildProcessError:
                print(costs.thread_seconds, costs.fork_seconds, costs.spawn_seconds,
                      costs.round_trip_seconds, took, len(os.listdir("/proc/self/fd")))
            """
        )
        thread, fork, spawn, trip, took, _ = map(float, told.split())
        assert 0 < thread < fork < spawn < took
        assert 0 < trip < fork
        # The medians of five make up at least three fifths of their share of the whole.
        assert 3 * (thread + fork + spawn) < took

    calm(check)


def test_costs_of_forking_are_unknown_where_it_is_refused() -> None:
    end = threading.Event()
    thread = threading.Thread(target=end.wait)
    thread.start()
    try:
        costs = measure_costs()
    finally:
        end.set()
        thread.join()
    assert costs.thread_seconds > 0
    assert costs.fork_seconds is costs.round_trip_seconds is costs.spawn_seconds is None


def machine(**changes: object) -> Machine:
    """A machine about which there is nothing to say."""
    visible = detect._affinity()
    calm: dict[str, object] = {
        "cores": visible,
        "logical_cores": visible,
        "memory_bytes": 16 * GB,
        "memory_available_bytes": 8 * GB,
    }
    return Machine(**{**calm, **changes})  # type: ignore[arg-type]


ADVICE = {
    "the cgroup grants 0.5 CPUs": ({"cpu_quota": 0.5, "cores": 1}, None),
    "bound to 1 of 512": ({"cores": 1, "logical_cores": 512}, None),
    "9999.0 threads want to run": ({"load": 9999.0}, None),
    "only 1,024 MiB of 16,384 MiB": ({"memory_available_bytes": GB}, None),
    "only 102 MiB of 4,096 MiB": (
        {"memory_limit_bytes": 4 * GB, "memory_available_bytes": GB // 10},
        None,
    ),
    "holds 2,048 MiB": ({"resident_bytes": 2 * GB}, None),
    "a forked worker took 50 ms": ({}, StartCosts(0.0001, fork_seconds=0.05)),
    "forking is not used there": ({"can_fork": False, "platform": "darwin"}, None),
    "no GIL": ({"gil": False}, None),
}


@pytest.mark.parametrize("words", ADVICE)
def test_advice_says_what_is_special_and_no_more(
    words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("amorsize.cli.advice.fork_refusal", lambda: None)
    monkeypatch.setattr("amorsize.cli.advice.is_musl", lambda: False)
    changes, costs = ADVICE[words]
    assert advice(machine()) == []
    assert advice(machine(), StartCosts(0.0001, 0.001)) == []
    told = advice(machine(**changes), costs)
    assert len(told) == 1 and words in told[0]


def test_advice_tells_why_a_fork_is_refused() -> None:
    end = threading.Event()
    thread = threading.Thread(target=end.wait, name="heartbeat")
    thread.start()
    try:
        told = "\n".join(advice(machine()))
    finally:
        end.set()
        thread.join()
    assert "heartbeat" in told or "forking is not used" in told


def test_musl_is_told_by_its_missing_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "confstr", lambda name: None, raising=False)
    assert any("musl" in line for line in advice(machine(platform="linux")))
    linker = Path("/lib/ld-musl-x86_64.so.1")
    monkeypatch.undo()
    if sys.platform == "linux" and not linker.exists():
        assert not is_musl()


def test_a_python_that_is_newer_than_the_known_ones_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    machine = detect.detect_machine()
    assert not any("newer" in hint for hint in advice(machine))
    monkeypatch.setattr(decode, "running_version", lambda: (3, 99))
    assert any("Python 3.99 is newer" in hint for hint in advice(machine))
