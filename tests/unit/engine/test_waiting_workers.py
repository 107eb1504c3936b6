"""Worker processes of a run with a time limit, seen to wait: threads take over."""

from __future__ import annotations

from typing import Any

import pytest
from support.engine_values import facts, reported, spec, working

from amorsize.backends.base import BackendReport
from amorsize.core.model import Safety
from amorsize.engine import commands as do
from amorsize.engine.events import Drained
from amorsize.engine.policy import transition
from amorsize.engine.state import NeedFact, Phase, RunState


def after(state: RunState, event: Any, known: Any = None, **options: Any) -> Any:
    step = transition(spec(timeout=5, **options), state, event, known or facts())
    assert not isinstance(step, NeedFact)
    return step


def look(
    seconds: float, busy: float | None, inside: tuple[int, ...] = (7, 8), done: int = 0
) -> Any:
    told = None if busy is None else {7: busy, 8: busy}
    report = BackendReport(workers=2, item_seconds=0.2, busy=told, inside=frozenset(inside))
    return reported(seconds, done, report=report)


def watched(state: RunState, *events: Any, known: Any = None, **options: Any) -> Any:
    commands: Any = ()
    for event in events:
        state, commands = after(state, event, known, **options)
    return state, commands


WAITING = [look(0.03 * number, 0.001 * number) for number in range(1, 5)]


def test_three_looks_at_workers_that_wait() -> None:
    state, commands = watched(working("fork"), *WAITING[:3])
    assert state.phase == Phase.DELEGATED and commands == () and state.watch.looks == 2
    state, commands = after(state, WAITING[3])
    assert [type(one) for one in commands] == [do.Drain, do.Emit, do.StartBackend]
    assert commands[0] == do.Drain(wait=False)
    assert commands[2].waits and commands[2].first_workers == 8 and commands[2].item_seconds == 0.2
    assert state.phase == Phase.DRAINING and state.leaving and state.corrections == 1


def test_when_they_have_ended_the_threads_are_alone() -> None:
    state, _ = watched(working("fork"), *WAITING)
    state, commands = after(state, Drained(101.0, BackendReport(deaths=1), 50, 0.2))
    assert state.phase == Phase.DELEGATED and not state.leaving and commands == ()
    assert state.ended.deaths == 1 and state.workers.config.backend == "threads"


@pytest.mark.parametrize(
    ("events", "known", "options"),
    [
        ([look(0.03 * n, 0.02 * n) for n in range(1, 9)], {}, {}),  # they compute
        ([look(0.003 * n, 0.0) for n in range(1, 7)], {}, {}),  # too soon
        ([look(0.03 * n, 0.001, inside=()) for n in range(1, 9)], {}, {}),  # they have no item
        ([look(0.03 * n, None) for n in range(1, 9)], {}, {}),  # the system does not tell
        (WAITING, {"safety": Safety(no_threads="it sets a global")}, {}),
        ([look(0.03 * n, 0.001 * n, done=989) for n in range(1, 5)], {"left": 0}, {}),
        # no more threads than there are workers
        ([look(0.03 * n, 0.001 * n, done=986) for n in range(1, 5)], {"left": 1}, {}),
        (WAITING, {}, {"backend": "processes"}),
        (WAITING, {}, {"backend": ("processes", "serial")}),
    ],
)
def test_otherwise_the_workers_stay(events: Any, known: Any, options: Any) -> None:
    state, commands = watched(working("fork"), *events, known=facts(**known), **options)
    assert state.phase == Phase.DELEGATED and commands == ()


def test_one_look_that_saw_them_compute_begins_anew() -> None:
    events = [*WAITING[:3], look(0.12, 0.04), look(0.15, 0.041), look(0.18, 0.042)]
    assert watched(working("fork"), *events)[0].watch.looks == 2


def test_threads_and_the_caller_are_not_watched() -> None:
    for backend in ("threads", "serial"):
        state = working(backend, review=None)
        assert after(state, WAITING[0]) == (state, ())


def ended(items: int, wall: float, computed: float, done: int = 0) -> Any:
    report = BackendReport(workers=2, item_seconds=0.002, ended=(items, wall, computed))
    return reported(0.01, done, report=report)


def test_what_the_workers_were_dealt_counts_as_left() -> None:
    state, commands = watched(working("fork"), *WAITING, known=facts(left=0))
    assert state.leaving and commands[0] == do.Drain(wait=False)


def test_items_that_have_ended_and_waited_are_enough() -> None:
    state, commands = after(working("fork"), ended(6, 0.012, 0.001))
    assert state.leaving and [type(one) for one in commands] == [do.Drain, do.Emit, do.StartBackend]


@pytest.mark.parametrize(
    "event",
    [
        ended(5, 0.010, 0.001),  # too few for two workers
        ended(6, 0.012, 0.007),  # they compute for more than half of their time
        ended(60, 0.005, 0.001),  # a wait of 67 µs is no longer than what threads cost
        ended(0, 0.0, 0.0),
        ended(6, 0.012, 0.001, done=988),  # nothing is left that no worker has begun
    ],
)
def test_others_are_not(event: Any) -> None:
    state, commands = after(working("fork"), event, facts(left=0))
    assert state.phase == Phase.DELEGATED and commands == ()
