"""Threads are judged by what they reach. An item took 10 ms in the caller: a rate of 100 is that of the
loop."""

from __future__ import annotations

from typing import Any

import pytest
from support.engine_values import COMPUTES, facts, measured, reported, spec, working

from amorsize.backends.base import BackendReport
from amorsize.core.frozen import replace
from amorsize.engine import commands as do
from amorsize.engine.events import Drained
from amorsize.engine.policy import transition
from amorsize.engine.reviews import PATIENCE_SECONDS, REVIEW_LOOK_SECONDS, REVIEW_SECONDS, patience
from amorsize.engine.state import NeedFact, Phase, RunState, evolve

SLOW, QUICK = 104, 200
"""Items a second: 1.04 times the loop, and twice."""


def after(state: RunState, event: Any, known: Any = None, **options: Any) -> Any:
    step = transition(spec(**options), state, event, known or facts())
    assert not isinstance(step, NeedFact)
    return step


def test_threads_that_reach_1_05_of_the_loop_twice_are_left() -> None:
    state, commands = after(working(), reported(1.0, SLOW, cpu=1.0))
    assert state.phase == Phase.DELEGATED and state.review.doubted
    assert commands == (do.SetProbing(False),)
    second = replace(reported(2.0, 2 * SLOW, cpu=2.0))
    state, commands = after(state, second)
    assert commands[-2:] == (do.StopSampler(), do.Drain(wait=True))
    assert state.phase == Phase.DRAINING and state.threads_ruled_out and not state.held_up


def test_threads_that_gain_stay() -> None:
    state = working()
    for round_ in (1, 2, 3):
        state, _ = after(state, reported(float(round_), round_ * QUICK))
        assert state.phase == Phase.DELEGATED and not state.review.doubted


def test_a_doubt_is_forgotten() -> None:
    state, _ = after(working(), reported(1.0, SLOW))
    state, _ = after(state, reported(2.0, SLOW + QUICK))
    state, _ = after(state, reported(3.0, 2 * SLOW + QUICK))
    assert state.phase == Phase.DELEGATED and state.review.doubted


@pytest.mark.parametrize(
    "event",
    [
        reported(REVIEW_SECONDS / 2, 3),  # too early, and few items
        reported(REVIEW_SECONDS / 2, 10_000),  # too early even for many
        reported(1.0, 7),  # fewer than two for each thread
    ],
)
def test_too_little_seen_is_no_judgement(event: Any) -> None:
    state = working()
    assert after(state, event) == (state, ())


def test_workers_size_their_chunks_for_long_after_the_first_review() -> None:
    state, commands = after(working(), reported(1.0, QUICK))
    assert commands == (do.SetProbing(False),)
    assert after(state, reported(2.0, 2 * QUICK))[1] == ()


def test_what_the_consumer_takes_is_no_fault_of_threads() -> None:
    event = reported(2.0, SLOW, consumed=1.5)
    state, _ = after(working(), event)
    assert not state.review.doubted and state.consumed == 1.5


def test_cores_that_were_busy_for_nothing_send_the_rest_to_the_caller() -> None:
    state = working()
    for round_ in (1, 2):
        state, _ = after(state, reported(float(round_), round_ * SLOW, cpu=2.0 * round_))
    assert state.held_up
    state, commands = after(state, Drained(102.0, BackendReport(), 300, 0.01))
    assert state.decision.config.backend == "serial" and state.phase == Phase.DELEGATED
    assert commands[-1].config.backend == "serial" and state.corrections == 1


def test_after_threads_the_run_plans_without_them() -> None:
    state = working(phase=Phase.DRAINING, threads_ruled_out=True, review=None, shares=COMPUTES)
    report = BackendReport(deaths=0, longest_seconds=0.3)
    state, commands = after(state, Drained(102.0, report, 300, 0.01), facts(left=700))
    assert state.decision.config.backend == "fork" and state.decision.origin == "threads-failed"
    assert [type(one) for one in commands] == [do.Emit, do.StartBackend]
    assert state.ended.longest_seconds == 0.3


@pytest.mark.parametrize(("left", "failed"), [(0, False), (700, True)])
def test_what_came_meanwhile_needs_no_new_choice(left: int, failed: bool) -> None:
    before = working(phase=Phase.DRAINING, review=None)
    event = Drained(102.0, BackendReport(), 300, 0.01, failed)
    state, commands = after(before, event, facts(left=left))
    assert state.decisions == before.decisions
    assert commands == (do.StartBackend(state.workers.config, 0.01),)
    assert state.workers.config.backend == "serial"


def test_waiting_threads_are_left_when_the_gil_is_full_and_processes_save_much() -> None:
    state = working(waits=True, review=working().review)
    event = reported(1.0, 95, cpu=0.95, item_seconds=0.01)
    state, _ = after(state, event, facts(left=100_000))
    assert state.phase == Phase.DRAINING and state.seen == pytest.approx((1.0, 1.0, 1.0))


def test_waiting_threads_that_keep_more_than_one_core_are_not_held_up_by_the_gil() -> None:
    """They began before the first item: nothing is known of an item in the caller."""
    event = replace(reported(1.0, 95, cpu=1.9), item_seconds=0.0, items=0)
    state, commands = after(working(waits=True), event, facts(left=100_000))
    assert state.phase == Phase.DELEGATED and do.Drain(wait=True) not in commands
    assert not state.review.doubted


def test_waiting_threads_with_room_in_the_gil_stay() -> None:
    state, _ = after(working(waits=True), reported(1.0, 95, cpu=0.5), facts(left=100_000))
    assert state.phase == Phase.DELEGATED


def test_a_stalled_ramp_is_judged_by_few_items() -> None:
    report = BackendReport(done=3, workers=8, stalled=True)
    event = reported(0.1, 3, cpu=0.07, report=report)
    state, _ = after(working(waits=True), event, facts(left=100_000))
    assert state.phase == Phase.DRAINING


def test_the_last_items_are_not_moved() -> None:
    state, _ = after(working(), reported(1.0, SLOW))
    state, commands = after(state, reported(2.0, 2 * SLOW), facts(left=4))
    assert state.phase == Phase.DELEGATED and do.Drain(wait=True) not in commands


def test_threads_that_are_the_best_there_is_are_left_alone() -> None:
    state = working()
    state = evolve(state, review=replace(state.review, final=True))
    assert after(state, reported(9.0, 100)) == (state, ())
    assert patience(spec(), state, 109.0) == PATIENCE_SECONDS


def test_patience_ends_with_the_next_review() -> None:
    state = working()
    assert patience(spec(), state, 100.001) == pytest.approx(REVIEW_SECONDS - 0.001)
    assert patience(spec(), state, 100.0145) == REVIEW_LOOK_SECONDS
    assert patience(spec(), state, 100.1) == PATIENCE_SECONDS
    assert patience(spec(), working(waits=True), 100.005) == pytest.approx(REVIEW_SECONDS - 0.005)
    assert patience(spec(), working("fork"), 100.0) == PATIENCE_SECONDS


def test_nothing_seen_of_items_is_no_measure() -> None:
    state, _ = after(working(), reported(1.0, 20, items=1))
    assert not state.review.doubted
    assert measured().items == 10
