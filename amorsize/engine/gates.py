"""From the caller alone to workers: what is asked after each slice, and behind one long item. Pure.

::

    SliceEnded -> trivial? young? cores busy with foreign threads? little left? -> nothing, next slice
        -> shares of CPU time -> earlier runs -> GIL seen? worth a start? -> plan -> stay, or hand over

    sampler's thread: LongItem -> may threads help? -> InterruptSlice
                      SliceInterrupted -> HandOver, StartBackend (threads only: a fork never starts there)
    caller:           its item ends -> CallerFreed -> more threads, now that it waits itself

A run with nothing to gain passes the first checks only: no look at the machine, the function or the
history.
"""

from __future__ import annotations

from amorsize.core.model import Config
from amorsize.engine import commands as do
from amorsize.engine.decisions import (
    ONLY_WAITS_CPU_SHARE,
    PREPARED_FACTOR,
    WAIT_SEEN_THREADS,
    as_chosen,
    choice_unseen,
    costs_now,
    decide,
    hand_over,
    handing_out,
    is_plain,
    plan,
    profile_of,
    recalled,
    say,
    start,
    stays_at_best,
)
from amorsize.engine.events import (
    CallerFreed,
    LongItem,
    SliceEnded,
    SliceInterrupted,
    SpreadSeen,
)
from amorsize.engine.slices import LEAST_GAIN_SECONDS, SLICE_SECONDS, TRIVIAL_ITEM_SECONDS
from amorsize.engine.state import Contention, Facts, RunSpec, RunState, evolve
from amorsize.items.source import ATOMIC_ITEMS
from amorsize.planning import choose as planning
from amorsize.planning.cost_model import FORK_SECONDS, GIL_FREE_SHARE, WAITING_CPU_SHARE, core_share
from amorsize.planning.explain import format_seconds
from amorsize.planning.policy import START_FACTOR

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize.planning.values import Choice

    Step = tuple[RunState, tuple[object, ...]]

CROWDED_SECONDS = 0.1
"""A run with less than this left waits until other threads let go of the cores: OpenBLAS spins for so
long. Without it 20 items of some milliseconds after a product of matrices take 1.12 times as long (1.04
to 1.22 on two cores, benchmarks/speed/ablations.py)."""
CROWD_ENDS_SECONDS = 0.12
"""Age of a run from which such threads are taken for the function's own."""
CROWD_LOOK_SECONDS, CROWD_LOOK_SHARE = 0.01, 1.3
"""Pause between looks at the other threads of the process; a look reads a file of 10 µs for each."""
CROWD = 8
"""Busy threads that are taken for a crowd, however many cores there are."""


def crowded(
    spec: RunSpec, state: RunState, event: SliceEnded, facts: Facts
) -> tuple[RunState, tuple[object, ...], bool]:
    """The state, commands, and whether the run is to wait: threads of other libraries keep the other
    cores busy, and the run is young, or too short to outlast them.

    OpenBLAS leaves its threads spinning for 0.1 s after its import and after each product: until
    then nothing can be won, and a sampler would only take a core from them or from the caller."""
    elapsed = event.elapsed
    if elapsed < state.contention.look_at:
        return state, (), state.contention.crowded
    others = min(facts.cores - 1, CROWD)
    seconds = ((spec.total or 0) - event.done) * event.item_seconds
    found = (
        0 < seconds < max(CROWDED_SECONDS, (elapsed < CROWD_ENDS_SECONDS) * seconds + 1e-9)
        and others > 0
        and facts.foreign_threads(others) >= others
    )
    look_at = max(elapsed + CROWD_LOOK_SECONDS, CROWD_LOOK_SHARE * elapsed)
    state = evolve(state, contention=Contention(found, look_at))
    if found:
        return state, (do.StopSampler(),), True
    if not event.sampling and not state.only_computes:
        return state, (do.StartSampler(),), True  # it needs a moment to look
    return state, (), False


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
LEAST_STEPS = 8
"""Where the CPU clock comes in steps, so many must have passed before work is sent anywhere: it may have
missed one, so of a wait an eighth at most then looks like computing."""
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
            return _watch_soon(spec, state, event, facts, ahead)
    if event.elapsed < state.not_before or spec.unattended:
        return state, ()
    state, commands, wait = crowded(spec, state, event, facts)
    if wait:
        return state, commands
    state, choice, more = _consider(spec, state, event, facts)
    if choice is None:
        return state, commands + more
    if choice.config.backend != "serial" and _is_worth_watching(spec, state, event, facts):
        return evolve(state, watched=True), (*commands, *more, do.WatchItem())
    return _follow(spec, state, event, facts, choice, commands + more)


def _watch_soon(
    spec: RunSpec, state: RunState, event: SliceEnded, facts: Facts, ahead: float
) -> Step:
    """Watch the second item, whose time is to be known anyway, where the first says that workers pay by
    far: else a third one would run in the caller."""
    if event.imported or event.elapsed < state.not_before or facts.cores < 2:
        return state, ()
    gain = ahead * (1 - 1 / facts.cores)
    before = START_FACTOR * (facts.preparation.seconds("fork") + FORK_SECONDS)  # by far
    if (
        gain < before
        or not _is_worth_watching(spec, state, event, facts)
        or facts.safety.caller_only
    ):
        return state, ()
    return evolve(state, watched=True), (do.WatchItem(),)


def _only_waited(facts: Facts) -> bool:
    """Whether what the window holds, the first item, did nothing but wait."""
    return facts.measured.window[1] <= ONLY_WAITS_CPU_SHARE


def _is_worth_watching(spec: RunSpec, state: RunState, event: SliceEnded, facts: Facts) -> bool:
    """Whether one more item runs in the caller, to see what it changes: it is half lost to workers."""
    if state.watched or spec.options.effects != "watch":
        return False
    if facts.safety.unless_watched:
        return True
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
    alone = choice.config.backend == "serial"
    if not (
        alone and event.first
    ):  # the first item may be unlike the others, and the next one is near
        state = say(spec, state, facts, choice, event.now)
    state, told = decide(state, facts, choice, "planned", event.now, event.done)
    commands += told
    if not alone:
        if state.measuring:
            return _spread_or_pause(spec, state, facts, choice, commands)
        state, started = hand_over(spec, state, facts, event.done, event.item_seconds)
        return state, commands + started
    if profile_of(state, facts).inner_threads > planning.INNER_THREADS:
        # Its looks would take cores from the function's own threads.
        commands += (do.StopSampler(),)
    elif not state.only_computes:
        commands += (do.StartSampler(),)
    if state.measuring and event.elapsed > MEASURE_SECONDS and not event.first:
        return evolve(state, paused=True), (*commands, do.Pause())
    return state, commands


def _spread_or_pause(
    spec: RunSpec, state: RunState, facts: Facts, choice: Choice, commands: tuple[object, ...]
) -> Step:
    """A plan is made: the caller's next items are to tell of all others, if their order is free."""
    seconds = choice.prediction.seconds
    if state.spread or seconds <= 0 or not is_plain(spec) or not facts.order_is_free:
        return evolve(state, paused=True), (*commands, do.Pause())
    return evolve(state, spread=True), (*commands, do.RunSpread(choice.serial_seconds / seconds))


def on_spread(spec: RunSpec, state: RunState, event: SpreadSeen, facts: Facts) -> Step:
    """Items at spread positions ran: what they tell is said; the kind of workers stays."""
    before = state.decision
    assert before is not None and spec.total is not None
    paused = evolve(state, paused=True)
    if not event.apart:
        return paused, (do.Pause(),)
    left = spec.total - event.done - event.apart
    choice = plan(spec, state, facts, left, event.elapsed)
    if choice.config.backend != before.config.backend:
        choice = as_chosen(choice, before.config)
    state, told = decide(paused, facts, choice, "planned", event.now, event.done)
    return say(spec, state, facts, choice, event.now), (*told, do.Pause())


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
    if wall < LEAST_STEPS * facts.measured.step_seconds:
        return state, None, ()
    shared = 1 - 1 / facts.cores
    if state.measuring:  # a plan is to say how long it will take, even of data that begin lightly
        recalled(facts, float("inf"), serial_seconds)
    recalled(facts, serial_seconds * shared if cpu > 0.5 else serial_seconds, serial_seconds)
    remote = (
        spec.options.target is not None
        and not spec.nested
        and facts.is_remote_worth(serial_seconds)
    )
    if cpu >= WAITING_CPU_SHARE and not _knows_the_gil(state, facts) and not remote:
        if inner > planning.INNER_THREADS and not state.inner_looked:
            if wall > INNER_WINDOW_SECONDS:
                return evolve(state, inner_looked=True), None, (do.OpenWindow(),)
            return state, None, ()
        if not _is_gil_looked_at(state, event, facts):
            return state, None, ()
    if not remote:
        state, pays = _pays_for_workers(spec, state, facts, serial_seconds)
        # Whoever asks for a plan is told what is best, and soon.
        if not pays and not (state.measuring and event.elapsed > MEASURE_SECONDS):
            return evolve(state, not_before=event.elapsed * RECONSIDER_FACTOR), None, ()
    if not state.measuring and not facts.can_judge:
        alone = stays_at_best(spec, state, facts, left, event.elapsed)
        if alone is not None:
            return state, alone, ()
    _ = facts.transfer
    return state, plan(spec, state, facts, left, event.elapsed), ()


def _shares(state: RunState, event: SliceEnded, facts: Facts) -> RunState:
    """The state with the shares of CPU time of this moment."""
    shares = seen = facts.measured.window
    if facts.measured.window_is_empty:  # there is but the first item
        shares = seen = facts.overall
        known = facts.measured_runs
        if known:
            shares = shares[0], known[0].profile.cpu_share, known[0].profile.inner_threads
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


def _is_gil_looked_at(state: RunState, event: SliceEnded, facts: Facts) -> bool:
    """Whether it is known by now if computing work leaves the GIL alone, or that it will not be."""
    if state.only_computes or facts.measured.gil_free_share is not None:
        return True
    return event.elapsed - facts.recall_seconds >= GIL_ANSWER_SECONDS


def _pays_for_workers(
    spec: RunSpec, state: RunState, facts: Facts, serial_seconds: float
) -> tuple[RunState, bool]:
    """Whether work could pay for workers, and for what must be done before they start; and the state.

    The first call of an interpreter that gains from workers reads the modules that they need: some 6 to
    12 ms, more where they have to be compiled first. What a shorter one loses for it is remembered, and
    counts towards the price in the next one (``forgone``)."""
    _, cpu, _ = state.shares or (0.0, 1.0, 1.0)
    free = (facts.measured.gil_free_share or 0.0) >= GIL_FREE_SHARE
    threads = cpu < WAITING_CPU_SHARE or free
    before = facts.preparation.seconds("threads" if threads else "fork")
    if spec.total is not None:
        before *= (
            PREPARED_FACTOR  # else as much as was done is taken to be left: ski rental by itself
        )
    factor = 1.0 if facts.runs else START_FACTOR
    computes = cpu >= COMPUTES_SHARE
    start = 0.0 if threads else FORK_SECONDS if state.only_computes else LEAST_START_SECONDS
    gain = serial_seconds * (1 - 1 / facts.cores if computes else 1.0)
    if gain >= max(factor * start, start + before):
        cores, costs = facts.machine.cores, costs_now(facts)
        alone = core_share(1, costs.crowd)
        if computes:
            gain = serial_seconds * (1 - alone / core_share(cores, costs.crowd) / cores)
        start = costs.thread if threads else min(costs.fork, costs.spawn)
        start, before = start / alone, before / alone
        if gain >= max(factor * start, start + before):
            return state, True
    if gain > factor * start:
        state = evolve(state, forgone=max(state.forgone, gain - start))
    return state, False


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
    if not facts.can_judge:
        return state, (
            do.ReadAhead(),
        )  # some milliseconds: it is looked again what the item does then
    safety = facts.safety
    if safety.caller_only or safety.no_threads or safety.unless_watched:
        return state, ()
    if safety.most_threads == 1:
        return state, ()  # the caller's item has the one connection that its client keeps
    if (state.watched or safety.unproven) and safety.watched is None:
        return state, ()  # what an item changes is known at the end of one that is watched
    # The costs are looked up now: beside threads at work each step costs a turn of the GIL.
    if facts.computed_meanwhile > COMPUTES_SHARE and waits:
        return state, ()  # meanwhile it has begun to compute
    return state, (do.InterruptSlice(event),)


def on_interrupted(spec: RunSpec, state: RunState, event: SliceInterrupted, facts: Facts) -> Step:
    """The caller will not run the items from this position on: start threads on them."""
    item = event.item
    waits = item.cpu_share < COMPUTES_SHARE
    count, kept = _count(spec, item, facts), facts.safety.most_threads
    if kept is not None:  # the caller's item has one of its client's connections
        count = max(1, min(count, kept - 1))
    config = Config("threads", count, 1, spec.options.chunksize)
    why = "waits" if waits else "leaves the GIL alone"
    reason = f"an item has taken {format_seconds(event.seconds)} so far and {why}"
    choice = choice_unseen(config, event.seconds, _left(spec, item), reason)
    state, told = decide(state, facts, choice, "long-item", item.now, event.position)
    shares = event.seconds, item.cpu_share, 1.0
    state = evolve(state, shares=shares, seen=shares, position=event.position)
    first = WAIT_SEEN_THREADS if waits else None  # it may compute yet
    state, started = start(state, do.StartBackend(config, event.seconds, waits, first))
    given = handing_out(spec, config, event.position, item.item_seconds)
    return state, (*told, given, *started)


def on_freed(spec: RunSpec, state: RunState, event: CallerFreed, facts: Facts) -> Step:
    """The caller's own items are done: threads that compute beside it become one more; if it did
    nothing but wait, so will the others."""
    workers = state.workers
    if workers is None or workers.config.backend != "threads" or spec.settled:
        return state, ()  # of a settled run the caller had none, and a single thread is meant
    if not workers.waits:
        return state, (do.Scale(min(facts.machine.cores, spec.options.max_jobs or 1 << 30)),)
    if facts.measured.window[1] < ONLY_WAITS_CPU_SHARE:
        return state, (do.Scale(workers.config.n_jobs),)
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
