"""How a run under a limit begins: its first items run in one worker that is watched, none in the caller.

Pure.

::

    Begun -> HandOver (in order), StartBackend(one thread, watched)
    Reported(watched) -> something changed -> Scale(1): it goes on alone
                      -> nothing changed, or the item took too long -> Drain
    Drained           -> orders: threads if the item waited, else processes

The worker is a process where there is a limit on memory, for a function whose names tell that it only
computes (a thread that computes cannot be ended), and for one that must not run on a thread. It begins
alone and looks at itself; where its items changed something, it stays alone, so that the results are the
loop's, and the run says what is lost. Of few items none waits for another.

Imported only where there is a limit.
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
from amorsize.engine.gates import WATCHED_ITEMS
from amorsize.engine.known_start import was_watched_before
from amorsize.engine.reviews import add_ended, left_to_do
from amorsize.engine.state import Phase, Workers, evolve

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize.engine.events import Begun, Drained, Reported
    from amorsize.engine.state import Facts, RunSpec, RunState

    Step = tuple[RunState, tuple[object, ...]]


def begin_watched(spec: RunSpec, state: RunState, event: Begun, facts: Facts) -> Step | None:
    """Begin with one worker whose first items are watched; None where others are to begin at once."""
    options, decision = spec.options, state.decision
    if options.forced is not None or options.effects != "watch" or decision is None:
        return None
    if spec.nested or state.watched or facts.safety.watched or facts.safety.caller_only:
        return None
    if was_watched_before(spec, facts):
        return None
    config, watched = decision.config, evolve(state, watched=True, position=event.done)
    given = replace(handing_out(spec, config, event.done, event.item_seconds), in_order=True)
    if _fits_a_thread(spec, state, facts):
        config, given = _one_thread(spec), replace(given, keeps_items=True, copies=False)
    elif config.backend == "threads" or config.n_jobs == 1 or (spec.total or 20) < WATCHED_ITEMS:
        return None
    one = do.StartBackend(config, event.item_seconds, watched=True)
    state, started = start(watched, one)
    return state, (do.StopSampler(), given, *started)


def _fits_a_thread(spec: RunSpec, state: RunState, facts: Facts) -> bool:
    """Whether the first items may run on a thread of this process, to be watched there."""
    options = spec.options
    if options.timeout is None or state.only_computes:
        return False
    return "threads" in options.backends and not facts.safety.no_threads


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
