"""Worker processes of a run with a time limit: where their items wait, threads take over. Pure.

With a time limit nothing runs in the caller, so nothing is seen of the items before they are handed over.
"""

from __future__ import annotations

from amorsize.core.backends import TRAITS
from amorsize.core.model import Config
from amorsize.engine.commands import Drain, StartBackend
from amorsize.engine.decisions import WAIT_SEEN_THREADS, decide, start
from amorsize.engine.events import Drained, Reported
from amorsize.engine.facts import Facts
from amorsize.engine.profiles import choice_unseen
from amorsize.engine.reviews import add_ended
from amorsize.engine.state import Phase, RunSpec, RunState, WaitWatch, evolve
from amorsize.planning import choose as planning

TYPE_CHECKING = False
if TYPE_CHECKING:
    Step = tuple[RunState, tuple[object, ...]]

WATCHED_SECONDS, WATCHED_WAITS_SHARE = 0.02, 0.5
"""After so long, workers that are in an item and computed, or wanted a core, for less than this share of
it wait."""
WATCHED_LOOKS = 3
"""So many such looks one after the other: a single one may have met a slow disk, and a thread that
computes without end cannot be ended."""


def on_report(spec: RunSpec, state: RunState, event: Reported, facts: Facts) -> Step:
    """See whether the workers wait. Then threads take over; the workers finish the items they are in."""
    workers, options = state.workers, spec.options
    if (
        workers is None
        or not TRAITS[workers.config.backend].survives_death
        or not TRAITS[workers.config.backend].processes
        or options.forced is not None
        or "threads" not in options.backends
        or facts.safety.no_threads
    ):
        return state, ()
    left = facts.left
    if left == 0:
        return state, ()
    now, busy, watch = event.now, event.report.busy or {}, state.watch
    before = dict(watch.busy)
    looked = tuple(busy.items())
    if not busy or busy.keys() != before.keys():
        return evolve(state, watch=WaitWatch(now, looked, watch.looks)), ()
    seconds = now - watch.at
    if seconds < WATCHED_SECONDS:
        return state, ()
    # A worker without an item waits for the caller, which says nothing of the items.
    inside = event.report.inside
    computed = sum(busy[worker] - before[worker] for worker in inside)
    waits = bool(inside) and computed <= WATCHED_WAITS_SHARE * seconds * len(inside)
    looks = watch.looks + 1 if waits else 0
    state = evolve(state, watch=WaitWatch(now, looked, looks))
    count = options.max_jobs or planning.FIRST_THREADS
    config = Config("threads", count if left is None else min(count, left))
    if looks < WATCHED_LOOKS or config.n_jobs <= len(busy):
        return state, ()
    item_seconds = event.report.item_seconds
    choice = choice_unseen(config, item_seconds, left or 0, "the workers waited")
    state, told = decide(state, facts, choice, "workers-wait", now, event.done)
    state = evolve(state, leaving=True)
    threads = StartBackend(config, item_seconds, waits=True, first_workers=WAIT_SEEN_THREADS)
    state, started = start(state, threads)
    return state, (Drain(wait=False), *told, *started)


def on_drained(spec: RunSpec, state: RunState, event: Drained, facts: Facts) -> Step:
    """The workers that were left have ended beside the threads."""
    state = add_ended(state, event)
    return evolve(state, leaving=False, phase=Phase.DELEGATED), ()
