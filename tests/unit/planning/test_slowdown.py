"""Other processes on the cores: the closed forms of fair scheduling."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from amorsize.core.model import Config, Crowd
from amorsize.machine import detect
from amorsize.machine.detect import crowd_now
from amorsize.planning.cost_model import slowdown

TWO = Config("fork", 2)


@pytest.mark.parametrize(
    ("others", "share", "expected"),
    [
        (0, 1.0, 1.0),
        (1, 1.0, 1.5),  # two of ours and another: each gets two thirds of a core
        (8, 1.0, 5.0),  # ten threads on two cores
        (8, 2 / 9, 10 / 9),  # the caller was one of nine already
        (8, 0.1, 1.0),
    ],
)
def test_two_workers_on_two_cores(others: int, share: float, expected: float) -> None:
    assert slowdown(TWO, 2, Crowd(others, 2, share)) == pytest.approx(expected)


def test_a_core_that_is_free_is_there_for_the_loop() -> None:
    assert slowdown(Config("serial"), 2, Crowd(1, 2)) == 1.0
    assert slowdown(TWO, 2, Crowd(40, 64)) == 1.0


def test_the_kernel_tells_how_many_want_a_core(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc" / "loadavg").write_text("8.51 9.12 5.96 10/125 28658\n")
    found = crowd_now(0.5, str(tmp_path))
    assert found.others == 9 and found.share == 0.5
    (tmp_path / "proc" / "loadavg").write_text("garbage")
    assert crowd_now(1.0, str(tmp_path)).others == 0
    assert crowd_now(1.0, str(tmp_path / "nowhere")).others == 0


def test_who_goes_before_all_others_has_no_crowd(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detect, "read_text", lambda path: "9.0 9.0 9.0 31/200 1234")
    monkeypatch.setattr(os, "sched_getscheduler", lambda pid: os.SCHED_OTHER)
    assert crowd_now(1.0).others == 30
    monkeypatch.setattr(os, "sched_getscheduler", lambda pid: os.SCHED_RR)
    assert crowd_now(1.0).others == 0
