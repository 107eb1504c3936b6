"""Workers are judged by what they reach; where that is too little, the run chooses again. Pure.

::

    BackendStarted -> Review(since) -- Reported -> too early? fast enough? -> next review
                        too slow (twice) -> Drain -- Drained -> plan without threads
    with a time limit: Reported -> do the worker processes wait? -> threads take over, Drain beside them

With a time limit nothing runs in the caller, so nothing is seen of the items before they are handed over.
"""

from __future__ import annotations

from amorsize.core.backends import TRAITS
from amorsize.core.model import Config
from amorsize.engine.commands import Drain, SetProbing, StartBackend, StopSampler
from amorsize.engine.decisions import (
    WAIT_SEEN_THREADS,
    choice_unseen,
    decide,
    finish_alone,
    plan,
    start,
    start_chosen,
)
from amorsize.engine.events import BackendStarted, Drained, Reported
from amorsize.engine.state import (
    EndedWorkers,
    Facts,
    Mark,
    Phase,
    Review,
    RunSpec,
    RunState,
    WaitWatch,
    evolve,
)
from amorsize.planning import choose as planning
from amorsize.planning import policy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize.backends.base import BackendReport

    Step = tuple[RunState, tuple[object, ...]]

REVIEW_SECONDS = 0.015
"""After so long with threads their gain is judged."""
PATIENCE_SECONDS = 0.05
"""Longest sleep of the supervising caller."""
REVIEW_LOOK_SECONDS = 0.001
"""Longest sleep of the caller until a review."""
LONG_ITEM_SECONDS = 0.001
"""Items for which threads that kept the cores busy in vain speak against processes too; with shorter
ones it was the hand-over of the GIL that kept them busy."""
CORES_BUSY = 1.3
"""CPU seconds a second of the process above which threads did run side by side."""
GIL_FULL_SHARE = 0.85
"""CPU seconds a second of the process at which threads that wait are held up by the GIL."""
GIL_STALLED_SHARE = 0.6
"""The same just after a ramp was stopped: the clock of the process lags by up to 4 ms."""


def patience(spec: RunSpec, state: RunState, now: float) -> float:
    """How many seconds the caller may sleep now."""
    workers, review = state.workers, state.review
    if workers is None or review is None or review.final:
        return PATIENCE_SECONDS
    age = now - review.since.at
    if workers.waits or age < REVIEW_SECONDS:
        return max(REVIEW_LOOK_SECONDS, REVIEW_SECONDS - age)
    return PATIENCE_SECONDS


def on_started(spec: RunSpec, state: RunState, event: BackendStarted, facts: Facts) -> Step:
    """Items run in the new configuration from now on: what follows is measured from here."""
    mark = Mark(event.now, event.position, event.cpu_seconds)
    review = None
    # With a time limit nothing may go back to the caller, and `on_limited_report` says where it runs.
    threads = state.workers is not None and state.workers.config.backend == "threads"
    if threads and not spec.settled:
        # They are the best there is, or wait for a server as they are told to: not judged again.
        options = spec.options
        final = state.threads_ruled_out or bool(options.retries) or options.rate is not None
        review = Review(mark, event.consumed, final=final)
    rest = state.decision is not None and state.workers is not None
    before = state.handed_over is not None  # else it is the thread whose first items are watched
    if rest and before and state.workers.config != state.decision.config:  # type: ignore[union-attr]
        return evolve(state, review=review), ()  # the caller ends what others began
    handed_over = state.handed_over or mark
    return evolve(state, since=mark, handed_over=handed_over, review=review), ()


def on_report(spec: RunSpec, state: RunState, event: Reported, facts: Facts) -> Step:
    """Judge threads by what they reach; where that is too little, leave them."""
    review, workers = state.review, state.workers
    if review is None or workers is None or review.final:
        return state, ()
    report = event.report
    seconds = event.now - review.since.at
    done = event.done - review.since.position
    stalled = report.stalled and done > 0
    if seconds < REVIEW_SECONDS or (done < 2 * report.workers and not stalled):
        return state, ()
    consumed = event.consumed - review.consumed
    seconds = max(seconds - consumed, 1e-9)
    cpu = max(event.cpu_seconds - review.since.cpu_seconds - consumed, 0.0)
    wrong = _is_wrong(state, event, facts, (done, seconds, cpu))
    left = left_to_do(event.done, facts)
    commands = (SetProbing(False),) if review.first else ()
    mark = Mark(event.now, event.done, event.cpu_seconds)
    # The first items of threads pay for caches and pages: where these compute, it is looked again.
    doubted = wrong and left > report.workers
    if not doubted or not (workers.waits or review.doubted):
        return evolve(state, review=Review(mark, event.consumed, False, doubted)), commands
    if workers.waits:
        share = min(1.0, cpu / done / max(event.item_seconds, 1e-9))
        state = evolve(state, shares=(seconds, share, 1.0), seen=(seconds, share, 1.0))
    # Cores that were busy and yet no gain: the work is held up by memory or by its own threads,
    # and processes would not change that.
    long = not workers.waits and event.item_seconds > LONG_ITEM_SECONDS
    state = evolve(
        state,
        phase=Phase.DRAINING,
        review=None,
        threads_ruled_out=True,
        held_up=long and cpu > CORES_BUSY * seconds,
    )
    # The sampler may have asked for these threads; a fork is to find no thread.
    return state, (StopSampler(), Drain(wait=True))


def _is_wrong(
    state: RunState, event: Reported, facts: Facts, reached: tuple[int, float, float]
) -> bool:
    """Whether threads reach too little. ``reached``: items, wall and CPU seconds since the last
    review."""
    assert state.workers is not None
    done, seconds, cpu = reached
    computed, rate = cpu / done, done / seconds
    if not state.workers.waits:
        return event.items > 1 and rate * event.item_seconds < policy.THREADS_MUST_GAIN
    left = left_to_do(event.done, facts)
    cores = facts.machine.cores
    saves = left * computed * (1 - 1 / cores)
    start = policy.START_FACTOR * facts.costs.fork * cores
    full = GIL_STALLED_SHARE if event.report.stalled else GIL_FULL_SHARE
    slower = rate * event.item_seconds < 1.0
    # More than one core: then they run side by side, and the GIL holds none of them up.
    held_up = full < computed * rate < CORES_BUSY
    return held_up and (saves > 2 * start or slower)


def left_to_do(done: int, facts: Facts) -> int:
    """Items that no worker has taken; where nothing tells, as many as are done."""
    return done if facts.left is None else facts.left


def on_drained(spec: RunSpec, state: RunState, event: Drained, facts: Facts) -> Step:
    """Threads that did not help are joined: choose among the rest."""
    state = add_ended(state, event)
    left = left_to_do(event.done, facts)
    if not left or event.failed:
        return finish_alone(
            state, event.item_seconds
        )  # the last items, or an error, came meanwhile
    if state.held_up:
        reason = "threads kept the cores busy and were no faster than the caller alone"
        choice = choice_unseen(Config("serial"), event.item_seconds, left, reason)
    else:
        choice = plan(spec, state, facts, left)
    state = evolve(state, held_up=False)
    state, told = decide(state, facts, choice, "threads-failed", event.now, event.done)
    state, started = start_chosen(spec, state, facts, event.item_seconds)
    return state, told + started


def add_ended(state: RunState, event: Drained) -> RunState:
    """The state with what the workers that have ended leave behind."""
    report = event.report
    deaths = state.ended.deaths + report.deaths
    held = max(state.ended.worker_bytes, report.worker_bytes)
    changed = state.ended.changed or bool(report.changed)
    ended = EndedWorkers(changed, deaths, report.cpu_seconds, report.longest_seconds, held)
    return evolve(state, ended=ended)


WATCHED_SECONDS, WATCHED_WAITS_SHARE = 0.02, 0.5
"""After so long, workers that are in an item and computed, or wanted a core, for less than this share of
it wait."""
WATCHED_LOOKS = 3
"""So many such looks one after the other: a single one may have met a slow disk, and a thread that
computes without end cannot be ended."""
ENDED_ITEMS, ENDED_WAIT_SECONDS = 3, 0.0001
"""So many items that have ended for each worker say the same, where each waited for so long: twenty times
what it costs to hand an item to a thread. How long an item waited is known to some microseconds, from the
clock of its thread and from its voluntary switches; a look from outside knows milliseconds. Reasoned, not
searched for."""


def on_limited_report(spec: RunSpec, state: RunState, event: Reported, facts: Facts) -> Step:
    """See whether the workers wait. Then threads take over; the workers finish the items they are in."""
    workers, options = state.workers, spec.options
    if (
        workers is None
        or not TRAITS[workers.config.backend].survives_death
        or not TRAITS[workers.config.backend].processes
        or options.forced is not None
        or "threads" not in options.backends
        or facts.safety.no_threads
        or event.report.alone  # what its items change would be changed by all threads at once
        or event.report.changed
    ):
        return state, ()
    if _left_to_threads(spec, event, facts) == 0:
        return state, ()
    now, busy, watch = event.now, event.report.busy or {}, state.watch
    before = dict(watch.busy)
    looked = tuple(busy.items())
    if _have_waited(event.report):
        return _to_threads(spec, state, event, facts)
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
    if looks < WATCHED_LOOKS:
        return state, ()
    return _to_threads(spec, state, event, facts)


def _left_to_threads(spec: RunSpec, event: Reported, facts: Facts) -> int | None:
    """Items that no worker has begun, None where the data do not know their number. What the workers were
    dealt beforehand comes back from them."""
    if spec.total is None or facts.left is None:
        return facts.left
    return max(facts.left, spec.total - event.done - event.report.workers, 0)


def did_wait(items: int, wall: float, computed: float) -> bool:
    """Whether items, which took so many seconds together, did little but wait."""
    long = wall - computed >= ENDED_WAIT_SECONDS * items
    return computed <= WATCHED_WAITS_SHARE * wall and long


def _have_waited(report: BackendReport) -> bool:
    """Whether items have ended, some for each worker, that did little but wait."""
    return report.ended[0] >= ENDED_ITEMS * report.workers > 0 and did_wait(*report.ended)


def _to_threads(spec: RunSpec, state: RunState, event: Reported, facts: Facts) -> Step:
    """Threads take over, where there may be more of them than there are workers."""
    left, now = _left_to_threads(spec, event, facts), event.now
    count = spec.options.max_jobs or planning.FIRST_THREADS
    config = Config("threads", count if left is None else min(count, left))
    if config.n_jobs <= event.report.workers:
        return state, ()
    item_seconds = event.report.item_seconds
    choice = choice_unseen(config, item_seconds, left or 0, "the workers waited")
    state, told = decide(state, facts, choice, "workers-wait", now, event.done)
    state = evolve(state, leaving=True)
    threads = StartBackend(config, item_seconds, waits=True, first_workers=WAIT_SEEN_THREADS)
    state, started = start(state, threads)
    return state, (Drain(wait=False), *told, *started)


def on_left(spec: RunSpec, state: RunState, event: Drained, facts: Facts) -> Step:
    """The workers that were left have ended beside the threads."""
    state = add_ended(state, event)
    return evolve(state, leaving=False, phase=Phase.DELEGATED), ()
