"""Other processes on the cores: the closed forms of fair scheduling."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from amorsize.core.frozen import replace
from amorsize.core.model import Config, Crowd, Machine, Profile
from amorsize.machine import detect
from amorsize.machine.detect import crowd_now
from amorsize.planning.cost_model import Costs, crowding, felt, seconds, slowdown

TWO = Config("fork", 2)


@pytest.mark.parametrize(
    ("others", "share", "expected"),
    [
        (0, 1.0, 1.0),
        (1, 1.0, 1.5),  # two of ours and another: each gets two thirds of a core
        (8, 1.0, 5.0),  # ten threads on two cores
        (8, 2 / 9, 10 / 9),  # the caller was one of nine already
        (8, 0.1, 10 / 9),
    ],
)
def test_two_workers_on_two_cores(others: int, share: float, expected: float) -> None:
    crowd = Crowd(others, 2, share)
    model = crowding(TWO, 2, felt(crowd))  # what the model knows of already
    assert slowdown(TWO, 2, crowd) * model == pytest.approx(expected)


def test_a_core_that_is_free_is_there_for_the_loop() -> None:
    assert slowdown(Config("serial"), 2, Crowd(1, 2)) == 1.0
    assert slowdown(TWO, 2, Crowd(40, 64)) == 1.0


def test_the_kernel_tells_how_many_want_a_core(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc" / "loadavg").write_text("8.51 9.12 5.96 10/125 28658\n")
    found = crowd_now(0.5, str(tmp_path))
    assert found.others == 9 and found.share == 0.5 and found.load == 8.51
    (tmp_path / "proc" / "loadavg").write_text("garbage")
    assert crowd_now(1.0, str(tmp_path)).others == 0
    assert crowd_now(1.0, str(tmp_path / "nowhere")).others == 0


def test_who_goes_before_all_others_has_no_crowd(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detect, "read_text", lambda path: "9.0 9.0 9.0 31/200 1234")
    monkeypatch.setattr(os, "sched_getscheduler", lambda pid: os.SCHED_OTHER)
    assert crowd_now(1.0).others == 30
    monkeypatch.setattr(os, "sched_getscheduler", lambda pid: os.SCHED_RR)
    assert crowd_now(1.0).others == 0


@pytest.mark.parametrize(
    ("others", "share", "load", "expected"),
    [
        (5, 1.0, 0.0, 0),  # they run now, and have taken nothing
        (5, 0.95, 1.9, 0),
        (5, 2 / 3, 0.0, 2),  # one of three on two cores
        (1, 2 / 3, 0.0, 1),  # two were felt, and one is left
        (40, 0.1, 0.0, 19),
        (5, 1.0, 4.5, 3),  # three and this program, all through the last minute
        (0, 1.0, 4.5, 0),  # they have gone
    ],
)
def test_only_those_count_that_last(others: int, share: float, load: float, expected: int) -> None:
    assert felt(Crowd(others, 2, share, load)).others == expected


def test_beside_others_starting_takes_longer_and_a_second_worker_gains_less() -> None:
    machine, profile = Machine(2), Profile(10, item_seconds=0.01)
    idle = seconds(TWO, profile, machine, 100, Costs()).seconds
    for others, alone, both in ((2, 2 / 3, 1 / 2), (8, 2 / 9, 2 / 10)):
        crowd = Crowd(others, 2, alone)
        costs = Costs(crowd=crowd)
        assert costs.start("fork", 2) == pytest.approx(Costs().start("fork", 2) / alone)
        assert crowding(TWO, 2, crowd) == pytest.approx(alone / both)
        start, busy = costs.start("fork", 2), idle - Costs().start("fork", 2)
        found = seconds(TWO, profile, machine, 100, costs).seconds
        assert found == pytest.approx(start + busy * alone / both)
        waiting = replace(profile, cpu_share=0.0)
        one, two = (seconds(TWO, waiting, machine, 100, each) for each in (Costs(), costs))
        assert two.seconds - one.seconds == pytest.approx(start - Costs().start("fork", 2))
