"""Under a time limit no item runs in the caller: the first runs on one thread, which is watched. Pure.

::

    Begun -> HandOver (in order), StartBackend(one thread, watched)
    Reported(watched) -> something changed -> Scale(1): it goes on alone
                      -> nothing changed, or the item took too long -> Drain
    Drained           -> orders: threads if the item waited, else processes

Not watched so: a function whose names tell that it only computes (a thread that computes cannot be ended;
its processes look at themselves), one that must not run on a thread, and a run with an ``initializer``,
which belongs into workers.

Imported only where there is a time limit.
"""

from __future__ import annotations

from amorsize.core.frozen import replace
from amorsize.core.model import Config
from amorsize.engine import commands as do
from amorsize.engine import orders
from amorsize.engine.decisions import (
    WAIT_SEEN_THREADS,
    choice_unseen,
    decide,
    handing_out,
    long_items,
    start,
    start_chosen,
)
from amorsize.engine.reviews import add_ended, left_to_do
from amorsize.engine.state import Phase, Workers, evolve

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize.engine.events import Begun, Drained, Reported
    from amorsize.engine.state import Facts, RunSpec, RunState

    Step = tuple[RunState, tuple[object, ...]]


def begin_watched(spec: RunSpec, state: RunState, event: Begun, facts: Facts) -> Step | None:
    """Begin with one thread whose first items are watched; None where others are to begin at once."""
    options, decision = spec.options, state.decision
    if options.timeout is None or options.forced is not None or options.effects != "watch":
        return None
    if spec.nested or state.watched or state.only_computes or options.initializer is not None:
        return None
    safety = facts.safety
    if safety.caller_only or safety.no_threads or safety.watched or decision is None:
        return None
    if "threads" not in options.backends:
        return None
    given = handing_out(spec, decision.config, event.done, event.item_seconds)
    given = replace(given, in_order=True, keeps_items=True, copies=False)
    state = evolve(state, watched=True, position=event.done)
    one = do.StartBackend(_one_thread(spec), event.item_seconds, watched=True)
    state, started = start(state, one)
    return state, (do.StopSampler(), given, *started)


def _one_thread(spec: RunSpec) -> Config:
    return Config("threads", 1, 1, spec.options.chunksize)


def on_watched(spec: RunSpec, state: RunState, event: Reported, facts: Facts) -> Step:
    """The first items have run between two looks: does their worker go on alone?"""
    assert event.report.watched is not None
    items, wall, computed = event.report.watched
    safety, left = facts.safety, left_to_do(event.done, facts)
    refused = safety.caller_only or (items and safety.unless_watched)
    if items:
        shares = wall, computed / max(wall, 1e-9), 1.0
        state = evolve(state, shares=shares, seen=shares)
    if left and not refused:
        return evolve(state, phase=Phase.DRAINING), (do.Drain(wait=True),)
    alone = _one_thread(spec)
    state = evolve(state, workers=Workers(alone))
    if not refused:
        return state, (do.Scale(1),)  # there is nothing more to do
    choice = choice_unseen(alone, wall, left, f"timeout is given; {refused}")
    state, told = decide(state, facts, choice, "watched", event.now, event.done)
    return state, (*told, do.Scale(1))


def on_watched_end(spec: RunSpec, state: RunState, event: Drained, facts: Facts) -> Step:
    """The thread that was watched has gone: the workers of the plan begin."""
    assert event.report.watched is not None
    state = add_ended(state, event)
    left, (_, wall, _) = left_to_do(event.done, facts), event.report.watched
    if not left or event.failed:
        return start(state, do.StartBackend(_one_thread(spec), wall))
    choice = orders.limited(spec, facts, seen=event.report.watched)
    state, told = decide(state, facts, choice, "watched", event.now, event.done)
    config, free = choice.config, ()
    if config.workers > 1 and not spec.streaming:
        first = long_items(spec, config, facts, event.done)
        free = (do.HandOutFreely(first),)  # type: ignore[assignment]
    if config.backend == "threads":
        waits = orders.has_waited(event.report.watched)
        first_workers = WAIT_SEEN_THREADS if waits else None
        threads = do.StartBackend(config, wall, waits, first_workers)
        state, started = start(state, threads)
    else:
        state, started = start_chosen(spec, state, facts, wall)
    return state, (*told, *free, *started)
