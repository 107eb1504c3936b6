"""When the time of a look is spent, by a clock that comes in steps."""

from __future__ import annotations

import pytest

from amorsize.inspection import state
from amorsize.inspection.state import Limit


class Clock:
    """Seconds that a test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_one_step_of_a_coarse_clock_does_not_end_a_look(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu, wall = Clock(), Clock()
    monkeypatch.setattr(state, "STEPS", True)
    monkeypatch.setattr(state, "thread_time", cpu)
    monkeypatch.setattr(state, "perf_counter", wall)
    limit = Limit(0.005, 100, cpu)
    cpu.now, wall.now = 0.0156, 0.0002
    assert not limit.over()
    wall.now = 0.0051
    assert limit.over()
    cpu.now = 0.0  # others had the core
    assert not Limit(0.005, 100, cpu).over()


def test_a_fine_clock_decides_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(state, "STEPS", False)
    limit = Limit(0.005, 100, clock)
    clock.now = 0.0051
    assert limit.over()
