"""Threads behind a long item: only where they can help, and never while measuring."""

from __future__ import annotations

from typing import Any

import pytest
from support.engine_values import facts, long_item, measured, spec, working

from amorsize.core.model import Safety
from amorsize.engine import commands as do
from amorsize.engine.events import CallerFreed, SliceInterrupted
from amorsize.engine.policy import transition
from amorsize.engine.state import NeedFact, Phase, RunState, evolve


def after(state: RunState, event: Any, known: Any = None, **options: Any) -> Any:
    step = transition(spec(**options), state, event, known or facts())
    assert not isinstance(step, NeedFact)
    return step


def test_a_long_wait_is_interrupted() -> None:
    event = long_item()
    assert after(RunState(), event) == (RunState(), (do.InterruptSlice(event),))


@pytest.mark.parametrize(
    ("event", "state", "known", "options"),
    [
        (long_item(), evolve(RunState(), measuring=True), {}, {}),
        (long_item(), evolve(RunState(), threads_ruled_out=True), {}, {}),
        (long_item(), RunState(), {}, {"backend": ("serial", "processes")}),
        (long_item(position=1000), RunState(), {}, {}),  # the last one
        (long_item(position=0), RunState(), {}, {"total": 2_000_000}),
        (long_item(cpu_share=1.0), RunState(), {}, {}),  # it computes, and holds the GIL
        (long_item(cpu_share=1.0, gil_free_share=0.6), RunState(), {}, {}),
        (long_item(item_seconds=0.06), RunState(), {}, {}),  # like those before, which computed
        (long_item(), RunState(), {"safety": Safety(no_threads="it sets a global")}, {}),
        (long_item(), RunState(), {"safety": Safety(caller_only="it prints")}, {}),
        (long_item(), RunState(), {"safety": Safety(unproven="get of the global 'pool'")}, {}),
        (long_item(), RunState(), {"computed_meanwhile": 0.9}, {}),
    ],
)
def test_where_threads_cannot_help_the_caller_goes_on(
    event: Any, state: RunState, known: Any, options: Any
) -> None:
    assert after(state, event, facts(**known), **options) == (state, ())


def test_an_item_like_those_before_that_only_waited_is_helped() -> None:
    event = long_item(item_seconds=0.06, computed_share=0.01)
    assert after(RunState(), event)[1] == (do.InterruptSlice(event),)


def test_what_no_code_tells_is_known_once_an_item_was_watched() -> None:
    event, safety = (
        long_item(),
        Safety(unproven="get of the global 'pool'", watched="nothing changed"),
    )
    assert after(RunState(), event, facts(safety=safety))[1] == (do.InterruptSlice(event),)


def test_code_that_leaves_the_gil_alone_gets_a_thread_for_each_other_core() -> None:
    event = long_item(cpu_share=1.0, gil_free_share=0.8)
    state, commands = after(RunState(), SliceInterrupted(100.2, event, 7, 0.2))
    start = commands[-1]
    assert (start.config.n_jobs, start.waits, start.first_workers) == (3, False, None)
    assert state.decision.origin == "long-item"


def test_the_hand_over_begins_behind_the_item() -> None:
    state, commands = after(RunState(), SliceInterrupted(100.2, long_item(), 7, 0.2))
    assert state.phase == Phase.DELEGATED and state.position == 7
    assert [type(one) for one in commands] == [do.Emit, do.HandOver, do.StartBackend]
    assert commands[1] == do.HandOver(7, keeps_items=True) and commands[2].first_workers == 8
    assert state.shares == state.seen == (0.2, 0.0, 1.0)
    assert "has taken 200 ms so far and waits" in state.decision.choice.reasons[0]


def test_the_user_s_limit_holds() -> None:
    _, commands = after(RunState(), SliceInterrupted(100.2, long_item(), 7, 0.2), n_jobs=2)
    assert commands[-1].config.n_jobs == 2


@pytest.mark.parametrize(
    ("state", "known", "workers"),
    [
        (working(), {}, 4),  # the caller's core is free now
        (working(waits=True), {"measured": measured((0.1, 0.05, 1.0))}, 4),
        (working(waits=True), {"measured": measured((0.1, 0.5, 1.0))}, None),
        (working("fork"), {}, None),
    ],
)
def test_the_caller_is_free(state: RunState, known: Any, workers: int | None) -> None:
    after_it, commands = after(state, CallerFreed(101.0, 7), facts(**known))
    assert after_it == state
    assert commands == (() if workers is None else (do.Scale(workers),))


@pytest.mark.parametrize("options", [{"timeout": 1.0}, {"backend": "threads"}], ids=str)
def test_a_single_thread_that_is_meant_stays_single(options: dict[str, Any]) -> None:
    """With a time limit it is the loop of a function with effects; the caller had no item of its own."""
    _, commands = after(working(), CallerFreed(101.0, 0), **options)
    assert commands == ()


def test_what_judges_a_function_is_read_before_the_item_is_looked_at_again() -> None:
    """It takes milliseconds, in which the item may begin to compute: threads would come too late."""
    step = transition(spec(), RunState(), long_item(), facts(can_judge=False))
    assert step == (RunState(), (do.ReadAhead(),))
