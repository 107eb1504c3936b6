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


def test_a_look_gets_its_time_from_a_coarse_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whenever the look begins between two steps, and however long others have the core."""
    step, budget = 0.0156, 0.005
    cpu = Clock()
    monkeypatch.setattr(state, "STEP_SECONDS", step)
    monkeypatch.setattr(state, "thread_time", cpu)
    for begun in (0.0, 0.3 * step, 0.999 * step):
        cpu.now = 0.0
        limit = Limit(budget, 100, cpu)
        for used in range(1, 60):  # in thousandths of a second
            cpu.now = (begun + used / 1e3) // step * step  # what the clock says
            assert used / 1e3 > budget or not limit.over()
        assert limit.over()


def test_a_fine_clock_decides_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(state, "STEP_SECONDS", 0.0)
    monkeypatch.setattr(state, "thread_time", clock)
    limit = Limit(0.005, 100, clock)
    clock.now = 0.0049
    assert not limit.over()
    clock.now = 0.0051
    assert limit.over()
