"""While the caller is in one long item, threads may run those behind it. Pure.

::

    sampler's thread: LongItem -> may threads help? -> InterruptSlice
                      SliceInterrupted -> HandOver, StartBackend (threads only: a fork never starts there)
    caller:           its item ends -> CallerFreed -> more threads, now that it waits itself
"""

from __future__ import annotations

from amorsize.core.model import Config
from amorsize.engine.commands import InterruptSlice, Scale, StartBackend
from amorsize.engine.decisions import WAIT_SEEN_THREADS, decide, handing_out, start
from amorsize.engine.events import CallerFreed, LongItem, SliceInterrupted
from amorsize.engine.facts import Facts
from amorsize.engine.profiles import ONLY_WAITS_CPU_SHARE, choice_unseen
from amorsize.engine.state import RunSpec, RunState, evolve
from amorsize.items.source import ATOMIC_ITEMS
from amorsize.planning import choose as planning
from amorsize.planning.explain import format_seconds

TYPE_CHECKING = False
if TYPE_CHECKING:
    Step = tuple[RunState, tuple[object, ...]]

LIKE_BEFORE = 2.0
"""An item that has taken less than so many times those before is taken to be like them."""
GIL_SURE_SHARE = 0.75
"""Behind a single long item threads need this share of free looks: three out of three at least."""
COMPUTES_SHARE = 0.5
"""An item that computed for more of a moment than this does not wait."""


def on_long_item(spec: RunSpec, state: RunState, event: LongItem, facts: Facts) -> Step:
    """The caller is in one long item: can threads help with those behind it?"""
    if state.measuring or state.threads_ruled_out or "threads" not in spec.options.backends:
        return state, ()
    waits = event.cpu_share < COMPUTES_SHARE
    free = (event.gil_free_share or 0.0) >= GIL_SURE_SHARE
    left = _left(spec, event)
    if left < 1 or left > ATOMIC_ITEMS or not (waits or free):
        return state, ()
    like_before = event.seconds < LIKE_BEFORE * event.item_seconds
    if waits and like_before and event.computed_share > ONLY_WAITS_CPU_SHARE:
        return state, ()  # an item like those before, which computed after their wait
    if _count(spec, event, facts) < 1:
        return state, ()
    if facts.safety.caller_only or facts.safety.no_threads:
        return state, ()
    # The costs are looked up now: beside threads at work each step costs a turn of the GIL.
    if facts.computed_meanwhile > COMPUTES_SHARE and waits:
        return state, ()  # meanwhile it has begun to compute
    return state, (InterruptSlice(event),)


def on_interrupted(spec: RunSpec, state: RunState, event: SliceInterrupted, facts: Facts) -> Step:
    """The caller will not run the items from this position on: start threads on them."""
    item = event.item
    waits = item.cpu_share < COMPUTES_SHARE
    config = Config("threads", _count(spec, item, facts), 1, spec.options.chunksize)
    why = "waits" if waits else "leaves the GIL alone"
    reason = f"an item has taken {format_seconds(event.seconds)} so far and {why}"
    choice = choice_unseen(config, event.seconds, _left(spec, item), reason)
    state, told = decide(state, facts, choice, "long-item", item.now, event.position)
    shares = event.seconds, item.cpu_share, 1.0
    state = evolve(state, shares=shares, seen=shares, position=event.position)
    first = WAIT_SEEN_THREADS if waits else None  # it may compute yet
    state, started = start(state, StartBackend(config, event.seconds, waits, first))
    given = handing_out(spec, config, event.position, item.item_seconds)
    return state, (*told, given, *started)


def on_freed(spec: RunSpec, state: RunState, event: CallerFreed, facts: Facts) -> Step:
    """The caller's own items are done: threads that compute beside it become one more; if it did
    nothing but wait, so will the others."""
    workers = state.workers
    if workers is None or workers.config.backend != "threads":
        return state, ()
    if not workers.waits:
        return state, (Scale(min(facts.machine.cores, spec.options.max_jobs or 1 << 30)),)
    if facts.measured.window[1] < ONLY_WAITS_CPU_SHARE:
        return state, (Scale(workers.config.n_jobs),)
    return state, ()


def _left(spec: RunSpec, event: LongItem) -> int:
    assert spec.total is not None
    return spec.total - event.position


def _count(spec: RunSpec, event: LongItem, facts: Facts) -> int:
    """Threads that are worth having behind the item."""
    waits = event.cpu_share < COMPUTES_SHARE
    left = _left(spec, event)
    most = planning.FIRST_THREADS if waits else facts.machine.cores - 1
    return min(left, spec.options.max_jobs or left, most)
