"""Each row of the table of transitions, without a clock."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from support.engine_values import (
    choice,
    facts,
    long_item,
    reported,
    slice_ended,
    spec,
    working,
)

from amorsize.backends.base import BackendReport
from amorsize.core.events import Decided, LongRun
from amorsize.engine import commands as do
from amorsize.engine.events import (
    BackendStarted,
    Begun,
    CallerFreed,
    Closed,
    Drained,
    SliceInterrupted,
)
from amorsize.engine.policy import LONG_RUN_SECONDS, TRANSITIONS, transition
from amorsize.engine.state import (
    ENDED,
    PHASES,
    Decision,
    Facts,
    Mark,
    NeedFact,
    Phase,
    RunState,
    evolve,
)
from amorsize.errors import OptionError

BEGUN = Begun(100.0, 1.0)
DOCUMENT = Path(__file__).parents[3] / "docs" / "internals" / "state-machine.md"


def step(state: RunState, event: Any, known: Facts | None = None, **options: Any) -> Any:
    done = transition(spec(**options), state, event, known or facts())
    assert not isinstance(done, NeedFact)
    return done


def kinds(commands: Any) -> list[str]:
    return [type(command).__name__ for command in commands]


def test_the_document_shows_the_table() -> None:
    rows = re.findall(
        r"^\| `(\w+)` \| `(\w+)` \| `([\w.]+)` \|", DOCUMENT.read_text(), re.MULTILINE
    )
    written = {(phase, event): rule for phase, event, rule in rows}
    made = {
        (phase, event.__name__): f"{rule.__module__.rpartition('.')[2]}.{rule.__name__}"
        for (phase, event), rule in TRANSITIONS.items()
    }
    assert written == made


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize(
    "event",
    [
        BEGUN,
        slice_ended(),
        long_item(),
        SliceInterrupted(100.1, long_item(), 7, 0.2),
        CallerFreed(100.1, 10),
        BackendStarted(100.1, 1.0, 10),
        reported(0.1, 100),
        Drained(100.1, BackendReport(), 10, 0.01),
        Closed(100.1, "done", 10),
    ],
    ids=lambda event: type(event).__name__,
)
def test_an_event_that_no_row_names_changes_nothing(phase: str, event: Any) -> None:
    state = working(phase=phase)
    if (phase, type(event)) not in TRANSITIONS:
        assert transition(spec(), state, event, Facts()) == (state, ())


def test_a_fact_that_is_missing_is_asked_for() -> None:
    need = transition(spec(), RunState(), slice_ended(), Facts())
    assert isinstance(need, NeedFact) and need.name == "cores"


# -- begin --------------------------------------------------------------------------------------


def test_a_run_begins_in_the_caller_and_is_looked_at() -> None:
    state, commands = step(RunState(), BEGUN)
    assert state.phase == Phase.LOCAL and commands == (do.StartSampler(),)
    assert state.since == Mark(100.0, 0, 1.0)


@pytest.mark.parametrize(
    ("options", "event"),
    [
        ({"total": 1}, BEGUN),
        ({"nested": True}, BEGUN),
        ({"backend": "serial"}, BEGUN),
        ({}, Begun(100.0, 1.0, only_computes=True)),
    ],
)
def test_nothing_looks_where_nothing_is_to_be_decided(options: Any, event: Begun) -> None:
    assert step(RunState(), event, **options)[1] == ()


def test_an_order_is_obeyed_at_once() -> None:
    state, commands = step(RunState(), BEGUN, backend="threads", n_jobs=3)
    assert kinds(commands) == ["Emit", "StopSampler", "HandOver", "StartBackend"]
    assert isinstance(commands[0].event, Decided)
    start = commands[-1]
    assert (start.config.backend, start.config.n_jobs, start.waits) == ("threads", 3, True)
    assert state.phase == Phase.DELEGATED and state.decision.origin == "ordered"


def test_a_measured_order_waits_to_be_carried_out() -> None:
    measuring = Begun(100.0, 1.0, measuring=True)
    state, commands = step(RunState(), measuring, backend="threads")
    assert kinds(commands) == ["Emit", "Pause"] and state.paused and state.phase == Phase.LOCAL
    state, commands = step(state, BEGUN, backend="threads")
    assert kinds(commands) == ["StopSampler", "HandOver", "StartBackend"]  # told once
    assert not state.measuring and state.phase == Phase.DELEGATED


def test_one_worker_takes_items_in_order() -> None:
    _, commands = step(RunState(), BEGUN, backend="threads", n_jobs=1)
    assert commands[2] == do.HandOver(0, in_order=True, keeps_items=True)


def test_an_order_that_cannot_be_obeyed_is_an_error() -> None:
    known = facts(fork_refusal="another thread runs")
    state, (command,) = step(RunState(), BEGUN, known, backend="fork")
    assert isinstance(command, do.Raise) and isinstance(command.error, OptionError)
    assert not state.decisions


def test_a_nested_run_obeys_no_order() -> None:
    assert step(RunState(), BEGUN, backend="threads", nested=True)[1] == ()


def test_a_run_without_items_starts_nothing() -> None:
    assert step(RunState(), BEGUN, backend="threads", total=0)[1] == ()
    assert step(RunState(), BEGUN, timeout=5, total=0)[1] == ()


# -- a backend starts -----------------------------------------------------------------------------


def test_the_clock_of_a_configuration_runs_from_its_start() -> None:
    event = BackendStarted(105.0, 2.0, 300, 0.5)
    state, commands = step(working(), event)
    assert commands == () and state.since == Mark(105.0, 300, 2.0)
    assert state.handed_over == Mark(100.0, 10, 1.0)  # only the first one counts
    assert state.review.since == state.since and state.review.consumed == 0.5 and state.review.first


def test_only_threads_that_may_be_left_are_judged() -> None:
    event = BackendStarted(105.0, 2.0, 300)
    assert step(working("fork"), event)[0].review is None
    assert step(working(), event, backend="threads")[0].review is None
    assert step(working(), event, timeout=5)[0].review is None
    assert step(working(threads_ruled_out=True), event)[0].review.final


def test_the_caller_that_ends_what_others_began_is_no_new_configuration() -> None:
    state = working(threads_ruled_out=True)
    state = evolve(state, workers=evolve(state.workers, config=choice("serial", 1).config))
    after, _ = step(state, BackendStarted(105.0, 2.0, 300))
    assert after.since == state.since


# -- long runs, ends ------------------------------------------------------------------------------


def test_observers_are_told_once_of_a_long_run() -> None:
    state, _ = step(RunState(), BEGUN)
    young = slice_ended(now=100.0 + LONG_RUN_SECONDS - 0.1, elapsed=0.0)
    old = slice_ended(now=100.0 + LONG_RUN_SECONDS, elapsed=0.0)
    assert step(state, young)[1] == ()
    state, commands = step(state, old)
    assert commands == (do.Emit(LongRun(110.0)),)
    assert step(state, old)[1] == ()


def test_a_nested_run_has_no_upkeep() -> None:
    state, _ = step(RunState(), BEGUN, nested=True)
    assert step(state, slice_ended(now=1e9), nested=True)[1] == ()


@pytest.mark.parametrize("outcome", sorted(ENDED))
@pytest.mark.parametrize("state", [RunState(), working(), working(phase=Phase.DRAINING)])
def test_the_end(state: RunState, outcome: str) -> None:
    after, commands = step(state, Closed(110.0, outcome, 500, hurry=True))
    assert after.phase == outcome
    assert commands == (do.Stop(abort=outcome != "done", hurry=True),)


@pytest.mark.parametrize("outcome", sorted(ENDED))
def test_what_workers_leave_behind_is_added_up(outcome: str) -> None:
    report = BackendReport(deaths=2, cpu_seconds=3.0, longest_seconds=0.5)
    state = working(phase=outcome)
    for _ in range(2):
        state, commands = step(state, Drained(110.0, report, 1000, 0.01))
    assert commands == () and state.workers is None
    assert (state.ended.deaths, state.ended.cpu_seconds) == (4, 3.0)


def test_a_choice_that_stays_takes_no_new_line_in_the_log() -> None:
    from amorsize.engine.decisions import decide

    state, told = decide(RunState(), facts(), choice("serial", 1), "planned", 1.0, 5)
    again, silent = decide(state, facts(), choice("serial", 1), "planned", 2.0, 9)
    assert len(told) == 1 and silent == () and len(again.decisions) == 1
    assert again.decision == Decision(choice("serial", 1), "planned", 2.0, 9)
    assert again.profile_when_serial == state.profile_when_serial is not None


def test_a_change_of_workers_is_a_correction() -> None:
    from amorsize.engine.decisions import decide

    state, _ = decide(working(), facts(), choice("fork", 4), "threads-failed", 101.0, 50)
    assert state.corrections == 1
    state, _ = decide(state, facts(), choice("fork", 2), "planned", 102.0, 60)
    assert state.corrections == 1
