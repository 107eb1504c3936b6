"""Under a time limit the first items run on one watched thread: what follows from what was seen."""

from __future__ import annotations

from typing import Any

import pytest
from support.engine_values import earlier_run, facts, measured, reported, spec

from amorsize.backends.base import BackendReport
from amorsize.core.frozen import replace
from amorsize.core.model import Config, Safety
from amorsize.engine import commands as do
from amorsize.engine.events import BackendStarted, Begun, Drained
from amorsize.engine.policy import transition
from amorsize.engine.state import NeedFact, Phase, RunState

BEGUN = Begun(100.0, 1.0)
WAITED, COMPUTED, OVERDUE = (2, 0.02, 0.0001), (2, 0.02, 0.0199), (0, 0.0, 0.0)
ONE = Config("threads", 1)
UNSEEN = measured((0.0, 1.0, 1.0), items=0, item_seconds=0.0, window_is_empty=True)


def on_threads() -> Any:
    """An earlier run on threads: its items waited for 20 ms."""
    run = earlier_run(cpu_share=0.02)
    profile = replace(run.profile, item_seconds=0.02)
    return replace(run, config=Config("threads", 50), profile=profile)


def after(state: RunState, event: Any, known: Any = None, **options: Any) -> Any:
    step = transition(spec(**{"timeout": 5, **options}), state, event, known or facts())
    assert not isinstance(step, NeedFact)
    return step


def begun(known: Any = None, **options: Any) -> Any:
    return after(RunState(), BEGUN, known, **options)


def seen(watched: Any) -> BackendReport:
    return BackendReport(done=2, workers=1, watched=watched)


def started(commands: Any) -> do.StartBackend:
    return next(one for one in commands if type(one) is do.StartBackend)


def test_one_thread_begins_in_order() -> None:
    state, commands = begun()
    assert started(commands).watched and started(commands).config == ONE
    given = next(one for one in commands if type(one) is do.HandOver)
    assert given.in_order and not given.copies and state.watched
    state, _ = after(state, BackendStarted(100.0, 1.0, 0))
    assert state.handed_over is not None  # the times of the run count from here


@pytest.mark.parametrize(
    ("known", "options"),
    [
        ({"safety": Safety(caller_only="it sets a global")}, {}),
        ({"safety": Safety(watched="item 2 was watched: it changed nothing")}, {}),
        ({}, {"effects": "ignore"}),
        ({}, {"backend": "threads"}),
        ({}, {"nested": True}),
        ({}, {"timeout": None, "memory_limit": "1GiB", "total": 19}),  # few, and maybe long
        ({}, {"timeout": None, "memory_limit": "1GiB", "n_jobs": 1}),
    ],
)
def test_others_begin_at_once(known: Any, options: Any) -> None:
    assert not started(begun(facts(**known), **options)[1]).watched


@pytest.mark.parametrize(
    ("known", "options", "event"),
    [
        ({"safety": Safety(no_threads="it sets a filter")}, {}, BEGUN),
        ({}, {"backend": ("serial", "fork")}, BEGUN),
        ({}, {"timeout": None, "memory_limit": "1GiB"}, BEGUN),
        ({}, {}, Begun(100.0, 1.0, only_computes=True)),
    ],
)
def test_where_no_thread_may_be_a_process_begins_alone(
    known: Any, options: Any, event: Any
) -> None:
    """The pool starts the others when the first has looked at what its items changed."""
    state, commands = after(RunState(), event, facts(**known), **options)
    begins = started(commands)
    assert begins.watched and begins.config.backend == "fork" and begins.config.n_jobs == 4
    assert next(one for one in commands if type(one) is do.HandOver).in_order and state.watched


@pytest.mark.parametrize(
    ("watched", "safety", "backend", "jobs"),
    [
        (WAITED, Safety(watched="nothing"), "threads", 128),
        (COMPUTED, Safety(watched="nothing"), "fork", 4),
        (COMPUTED, Safety(no_processes="it holds a socket"), "threads", 4),
        (OVERDUE, Safety(), "fork", 4),
        (OVERDUE, Safety(no_processes="it holds a socket"), "threads", 1),
    ],
)
def test_who_follows(watched: Any, safety: Safety, backend: str, jobs: int) -> None:
    state, _ = begun()
    known = facts(safety=safety, left=998)
    state, commands = after(state, reported(0.1, 2, report=seen(watched)), known)
    assert commands == (do.Drain(wait=True),) and state.phase == Phase.DRAINING
    state, commands = after(state, Drained(101.0, seen(watched), 2, 0.0), known)
    assert started(commands).config.backend == backend
    assert started(commands).config.n_jobs == jobs and state.corrections == 0
    free = [one for one in commands if type(one) is do.HandOutFreely]
    assert len(free) == (jobs > 1)


def test_what_changes_something_goes_on_alone() -> None:
    state, _ = begun()
    why = "`found` changed while item 2 ran"
    known = facts(safety=Safety(caller_only=why), left=998)
    state, commands = after(state, reported(0.1, 2, report=seen(WAITED)), known)
    assert commands[-1] == do.Scale(1) and state.phase == Phase.DELEGATED
    assert state.decision.config == ONE and why in state.decision.choice.reasons[0]


def test_nothing_is_left_to_do() -> None:
    state, _ = begun(total=2)
    known = facts(left=0)
    event = reported(0.1, 2, report=seen(WAITED))
    state, commands = after(state, event, known, total=2)
    assert commands == (do.Scale(1),)


def test_known_waits_begin_all_at_once_under_a_limit_on_time() -> None:
    known = facts(runs=(on_threads(),), measured=UNSEEN)
    state, commands = begun(known, total=50)
    begins = started(commands)
    assert begins.config == Config("threads", 50) and begins.waits and not begins.watched
    assert begins.first_workers is None and not state.watched


@pytest.mark.parametrize(
    ("changed", "options"),
    [
        ({"holds_the_same": False}, {}),  # an item of another object was watched
        ({"safety": Safety(unproven="calls `get` of a client")}, {}),
        (
            {"runs": (replace(on_threads(), config=Config("serial")),)},
            {},
        ),  # it stayed in the caller
        ({"runs": (replace(on_threads(), outcome="failed"),)}, {}),
        ({}, {"streaming": True}),
    ],
)
def test_what_is_not_known_well_enough_is_watched_again(changed: Any, options: Any) -> None:
    known = facts(**{"runs": (on_threads(),), "measured": UNSEEN, **changed})
    assert started(begun(known, total=50, **options)[1]).watched
