"""The rules of one run: for each phase and event, the next state and what is to be done. Pure and total.

::

    driver --(spec, state, event, facts)--> transition --> (next state, commands), or NeedFact
                                                            the driver looks the fact up and asks again

Each row of ``TRANSITIONS`` is one function of a policy module; docs/internals/state-machine.md shows the
table. An event that no row names changes nothing: it comes from a thread that has not heard of the
phase yet.
"""

from __future__ import annotations

from amorsize import engine
from amorsize.core.events import LongRun
from amorsize.core.frozen import replace
from amorsize.engine import events, gates, reviews
from amorsize.engine.commands import Emit, Pause, Raise, StartSampler, Stop
from amorsize.engine.decisions import decide, hand_over, say
from amorsize.engine.state import Facts, Mark, NeedFact, Phase, RunSpec, RunState, evolve
from amorsize.errors import OptionError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Step = tuple[RunState, tuple[object, ...]]
    Rule = Callable[[RunSpec, RunState, Any, Facts], Step]

LONG_RUN_SECONDS = 10.0
"""Runs that have lasted so long may have the history looked after beside them."""


def on_begun(spec: RunSpec, state: RunState, event: events.Begun, facts: Facts) -> Step:
    """The run begins, or goes on after it was measured: with the user's order, or alone."""
    state = evolve(
        state,
        measuring=event.measuring,
        paused=False,
        only_computes=event.only_computes,
        since=Mark(event.now, event.done, event.cpu_seconds),
        long_run_at=float("inf") if spec.nested else event.now + LONG_RUN_SECONDS,
    )
    commands: tuple[object, ...] = ()
    if spec.known_long and not (
        event.measuring or event.done or state.decisions or spec.unattended
    ):
        known = engine.begin_known(spec, state, event, facts)
        if known is not None:
            return known
    if spec.unattended:  # there is nothing to say before
        state = evolve(state, not_before=max(state.not_before, LONG_RUN_SECONDS))
    if state.decision is None and spec.settled:
        try:
            choice = engine.ordered(spec, facts, measuring=event.measuring)
        except OptionError as error:
            return state, (Raise(error),)
        if choice is not None:
            state, commands = decide(state, facts, choice, "ordered", event.now, event.done)
            if spec.tried is not None:
                state = say(spec, state, facts, choice, event.now)
    elif (
        state.said and state.decision
    ):  # nothing ran since the last decision: that time does not count
        at = state.said.at + event.now - state.decision.at
        state = evolve(state, said=replace(state.said, at=at))
    decision = state.decision
    if decision is None or decision.config.backend == "serial":
        alone = spec.unattended or state.only_computes
        return state, commands if alone else (*commands, StartSampler())
    if state.measuring:
        return evolve(state, paused=True), (*commands, Pause())
    watched = None
    if spec.options.supervised:
        watched = engine.begin_watched(spec, state, event, facts)
    state, started = watched or hand_over(spec, state, facts, event.done, event.item_seconds)
    return state, commands + started


def on_report(spec: RunSpec, state: RunState, event: events.Reported, facts: Facts) -> Step:
    """A backend was looked after: do its workers reach what was expected?"""
    if state.consumed != event.consumed:
        state = evolve(state, consumed=event.consumed)
    if event.report.watched is not None:
        return engine.on_watched(spec, state, event, facts)
    if spec.options.timeout is not None:
        return reviews.on_limited_report(spec, state, event, facts)
    return reviews.on_report(spec, state, event, facts)


def on_drained(spec: RunSpec, state: RunState, event: events.Drained, facts: Facts) -> Step:
    """A backend has ended: beside the next one, or before it."""
    if state.leaving:
        return reviews.on_left(spec, state, event, facts)
    if event.report.watched is not None:
        return engine.on_watched_end(spec, state, event, facts)
    return reviews.on_drained(spec, state, event, facts)


def on_closed(spec: RunSpec, state: RunState, event: events.Closed, facts: Facts) -> Step:
    """The run is over, however it came to that."""
    stop = Stop(event.outcome != "done", event.hurry)
    over = evolve(state, phase=event.outcome, review=None, paused=False, long_run_at=float("inf"))
    return over, (stop,)


def on_ended(spec: RunSpec, state: RunState, event: events.Drained, facts: Facts) -> Step:
    """A backend has ended with the run."""
    return evolve(reviews.add_ended(state, event), workers=None), ()


TRANSITIONS: dict[tuple[str, type], Rule] = {
    (Phase.LOCAL, events.Begun): on_begun,
    (Phase.LOCAL, events.SliceEnded): gates.on_slice,
    (Phase.LOCAL, events.SpreadSeen): gates.on_spread,
    (Phase.LOCAL, events.LongItem): gates.on_long_item,
    (Phase.LOCAL, events.SliceInterrupted): gates.on_interrupted,
    (Phase.LOCAL, events.Closed): on_closed,
    (Phase.DELEGATED, events.BackendStarted): reviews.on_started,
    (Phase.DELEGATED, events.CallerFreed): gates.on_freed,
    (Phase.DELEGATED, events.Reported): on_report,
    (Phase.DELEGATED, events.Closed): on_closed,
    (Phase.DRAINING, events.BackendStarted): reviews.on_started,
    (Phase.DRAINING, events.Drained): on_drained,
    (Phase.DRAINING, events.Closed): on_closed,
    (Phase.DONE, events.Drained): on_ended,
    (Phase.FAILED, events.Drained): on_ended,
    (Phase.ABANDONED, events.Drained): on_ended,
}
"""What follows from an event in a phase."""


def transition(spec: RunSpec, state: RunState, event: Any, facts: Facts) -> Step | NeedFact:
    """The next state and the commands that follow from an event; or the fact that is missing."""
    rule = TRANSITIONS.get((state.phase, type(event)))
    if rule is None:
        return state, ()
    try:
        after, commands = rule(spec, state, event, facts)
    except NeedFact as need:
        return need
    if event.now >= after.long_run_at:
        after = evolve(after, long_run_at=float("inf"))
        commands = (*commands, Emit(LongRun(event.now)))
    return after, commands
