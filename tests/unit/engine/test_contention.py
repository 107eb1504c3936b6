"""Threads of other libraries that keep the cores busy."""

from __future__ import annotations

import pytest
from support.engine_values import facts, slice_ended, spec

from amorsize.engine import commands as do
from amorsize.engine.gates import crowded
from amorsize.engine.state import Contention, RunState, evolve


@pytest.mark.parametrize(
    ("running", "elapsed", "left", "found"),
    [
        (3, 0.05, 900, True),  # young
        (2, 0.05, 900, False),  # a core is free
        (3, 0.2, 900, False),  # they are the function's own
        (3, 0.2, 5, True),  # too short to outlast them
        (3, 0.2, 0, False),
    ],
)
def test_a_young_or_short_run_waits(running: int, elapsed: float, left: int, found: bool) -> None:
    event = slice_ended(elapsed=elapsed, done=1000 - left)
    state, commands, wait = crowded(spec(), RunState(), event, facts(foreign_threads=running))
    assert wait is found and state.contention.crowded is found
    assert commands == ((do.StopSampler(),) if found else ())


def test_one_core_is_never_crowded() -> None:
    event = slice_ended(elapsed=0.05)
    assert not crowded(spec(), RunState(), event, facts(cores=1, foreign_threads=9))[2]


def test_a_look_is_not_repeated_at_once() -> None:
    known = facts(without=("foreign_threads", "cores"))
    state = evolve(RunState(), contention=Contention(True, 0.3))
    assert crowded(spec(), state, slice_ended(elapsed=0.2), known) == (state, (), True)


@pytest.mark.parametrize(("elapsed", "look_at"), [(0.02, 0.03), (1.0, 1.3)])
def test_the_pause_between_looks_grows(elapsed: float, look_at: float) -> None:
    state, _, _ = crowded(spec(), RunState(), slice_ended(elapsed=elapsed), facts())
    assert state.contention.look_at == pytest.approx(look_at)


def test_the_sampler_is_given_a_moment() -> None:
    event = slice_ended(sampling=False)
    assert crowded(spec(), RunState(), event, facts())[1:] == ((do.StartSampler(),), True)
    known = evolve(RunState(), only_computes=True)
    assert crowded(spec(), known, event, facts())[1:] == ((), False)
