"""After a slice of the caller: is it time to decide? Cheap checks first. Pure.

::

    SliceEnded -> trivial? young? cores busy with foreign threads? little left? -> nothing, next slice
        -> shares of CPU time -> earlier runs -> GIL seen? worth a start? -> plan -> stay, or hand over

A run with nothing to gain passes the first checks only: no look at the machine, the function or the
history.
"""

from __future__ import annotations

from amorsize.engine.commands import (
    OpenWindow,
    Pause,
    StartSampler,
    StopSampler,
    WatchItem,
)
from amorsize.engine.contention import crowded
from amorsize.engine.decisions import decide, hand_over
from amorsize.engine.events import SliceEnded
from amorsize.engine.facts import Facts
from amorsize.engine.profiles import (
    ONLY_WAITS_CPU_SHARE,
    plan,
    profile_of,
    recalled,
)
from amorsize.engine.slices import LEAST_GAIN_SECONDS, SLICE_SECONDS, TRIVIAL_ITEM_SECONDS
from amorsize.engine.state import RunSpec, RunState, evolve
from amorsize.planning import choose as planning
from amorsize.planning.cost_model import FORK_SECONDS, GIL_FREE_SHARE, WAITING_CPU_SHARE
from amorsize.planning.policy import START_FACTOR

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize.planning.values import Choice

    Step = tuple[RunState, tuple[object, ...]]

RECONSIDER_FACTOR = 1.3
"""A choice to stay is looked at again when the run is so many times as old."""
TRUSTED_FIRST_SECONDS = 0.1
"""A first item that took longer decides alone, unless modules were imported meanwhile: a second one in
the caller would cost up to half of it, a worker started in vain costs 0.003."""
MEASURE_SECONDS = 0.05
"""``optimize`` stops looking after so long where nothing beats the loop."""
LEAST_START_SECONDS = 0.0014
"""No way to use a second core for computing work starts in less (two threads and a fork, measured on
several machines at 1.5 to 3 ms); below, nothing is looked up."""
GIL_ANSWER_SECONDS = 0.008
"""Computing work waits so long for the sampler's first look at the GIL (it comes after 5 ms)."""
INNER_WINDOW_SECONDS = 0.01
"""A second look at inner threads, in a fresh window: OpenBLAS is busy just after its import."""
LEAST_WAIT_SECONDS = 5e-6
"""Waiting of an item that threads could hide: handing an item to one takes 3 to 5 µs of the GIL
(10 s for 3 million items that took 0.3 s; a preempted slice of 17 µs had looked like waiting)."""
WATCHED_ITEMS = 20
"""Of long items so many must be left for one to be watched: it is at most 5 % of what workers gain."""
UNSEEN_WAITS = planning.FIRST_THREADS
"""Items of unknown number that wait: a thread for each."""


def on_slice(spec: RunSpec, state: RunState, event: SliceEnded, facts: Facts) -> Step:
    """The caller has run a slice: go on alone, or decide."""
    if spec.streaming and event.seconds < TRIVIAL_ITEM_SECONDS:
        return state, ()  # not worth carrying anywhere, nor a thought
    if (
        event.first
        and event.seconds > SLICE_SECONDS
        and not spec.unattended
        and not _only_waited(facts)
    ):
        # It may have paid for imports and caches: the shares begin with the next item. (One that
        # did nothing but wait has paid for nothing.)
        facts.open_window()
        ahead = ((spec.total or 0) - 1) * event.seconds
        known = recalled(facts, ahead * (1 - 1 / facts.cores), ahead)
        trusted = event.seconds >= TRUSTED_FIRST_SECONDS and not event.imported
        if not known and not trusted:
            return state, ()
    if event.elapsed < state.not_before or spec.unattended:
        return state, ()
    state, commands, wait = crowded(spec, state, event, facts)
    if wait:
        return state, commands
    state, choice, more = _consider(spec, state, event, facts)
    if choice is None:
        return state, commands + more
    if choice.config.backend != "serial" and _is_worth_watching(spec, state, event):
        return evolve(state, watched=True), (*commands, *more, WatchItem())
    return _follow(spec, state, event, facts, choice, commands + more)


def _only_waited(facts: Facts) -> bool:
    """Whether what the window holds, the first item, did nothing but wait."""
    return facts.measured.window[1] <= ONLY_WAITS_CPU_SHARE


def _is_worth_watching(spec: RunSpec, state: RunState, event: SliceEnded) -> bool:
    """Whether one more item runs in the caller, to see what it changes: it is half lost to workers."""
    if state.watched or spec.options.effects != "watch":
        return False
    left = WATCHED_ITEMS if spec.total is None else spec.total - event.done
    return left >= WATCHED_ITEMS if event.item_seconds > TRUSTED_FIRST_SECONDS else left > 1


def _follow(
    spec: RunSpec,
    state: RunState,
    event: SliceEnded,
    facts: Facts,
    choice: Choice,
    commands: tuple[object, ...],
) -> Step:
    """Do what was chosen."""
    state = evolve(state, not_before=event.elapsed * RECONSIDER_FACTOR)
    state, told = decide(state, facts, choice, "planned", event.now, event.done)
    commands += told
    if choice.config.backend != "serial":
        if state.measuring:
            return evolve(state, paused=True), (*commands, Pause())
        state, started = hand_over(spec, state, facts, event.done, event.item_seconds)
        return state, commands + started
    if profile_of(state, facts).inner_threads > planning.INNER_THREADS:
        commands += (StopSampler(),)  # its looks would take cores from the function's own threads
    elif not state.only_computes:
        commands += (StartSampler(),)
    if state.measuring and event.elapsed > MEASURE_SECONDS:
        return evolve(state, paused=True), (*commands, Pause())
    return state, commands


def _consider(
    spec: RunSpec, state: RunState, event: SliceEnded, facts: Facts
) -> tuple[RunState, Choice | None, tuple[object, ...]]:
    """A choice if it is time for one, None to go on for now.

    Of a source of unknown length as many items again as are done are taken to be left; more where they
    wait, for threads are started a few at a time then, as long as there is something to take."""
    left = event.done if spec.total is None else spec.total - event.done
    serial_seconds = left * event.item_seconds
    if serial_seconds < LEAST_GAIN_SECONDS:
        return state, None, ()
    state = _shares(state, event, facts)
    assert state.shares is not None
    wall, cpu, inner = state.shares
    if spec.total is None and cpu < WAITING_CPU_SHARE:
        left = max(left, UNSEEN_WAITS)
        serial_seconds = left * event.item_seconds
    shared = 1 - 1 / facts.cores
    recalled(facts, serial_seconds * shared if cpu > 0.5 else serial_seconds, serial_seconds)
    remote = (
        spec.options.target is not None
        and not spec.nested
        and facts.is_remote_worth(serial_seconds)
    )
    if cpu >= WAITING_CPU_SHARE and not _knows_the_gil(state, facts) and not remote:
        if inner > planning.INNER_THREADS and not state.inner_looked:
            if wall > INNER_WINDOW_SECONDS:
                return evolve(state, inner_looked=True), None, (OpenWindow(),)
            return state, None, ()
        if not _pays_for_a_start(state, event, facts, serial_seconds):
            return state, None, ()
    _ = facts.transfer
    return state, plan(spec, state, facts, left, event.elapsed), ()


def _shares(state: RunState, event: SliceEnded, facts: Facts) -> RunState:
    """The state with the shares of CPU time of this moment."""
    shares = seen = facts.measured.window
    if facts.measured.window_is_empty:  # there is but the first item
        seen = facts.overall
        if not facts.runs:  # nor does an earlier run say more
            shares = seen
    wall, cpu, inner = shares
    if cpu < 1.0 and event.item_seconds * (1.0 - cpu) < LEAST_WAIT_SECONDS:
        cpu = 1.0  # no wait that a hand-over would be shorter than
        shares = seen = wall, cpu, inner
    if event.items == 1 and cpu < ONLY_WAITS_CPU_SHARE:
        cpu = 0.0  # what little it computed may have been done for all items
        shares = seen = wall, cpu, inner
    return evolve(state, shares=shares, seen=seen)


def _knows_the_gil(state: RunState, facts: Facts) -> bool:
    """Whether an earlier run tells if the function leaves the GIL alone."""
    runs = facts.runs
    return bool(runs) and (state.only_computes or runs[0].profile.gil_free_share is not None)


def _pays_for_a_start(
    state: RunState, event: SliceEnded, facts: Facts, serial_seconds: float
) -> bool:
    """Whether computing work of which nothing is known from before could pay for workers."""
    free = facts.measured.gil_free_share
    waited = event.elapsed - facts.recall_seconds
    if not state.only_computes and free is None and waited < GIL_ANSWER_SECONDS:
        return False
    least = FORK_SECONDS if state.only_computes else LEAST_START_SECONDS
    if serial_seconds * (1 - 1 / facts.cores) < START_FACTOR * least:
        return False
    gain = serial_seconds * (1 - 1 / facts.machine.cores)
    costs = facts.costs
    start = costs.thread if (free or 0.0) >= GIL_FREE_SHARE else min(costs.fork, costs.spawn)
    return gain >= START_FACTOR * start
