"""Threads of other libraries that keep the cores busy: a young run waits until they let go. Pure."""

from __future__ import annotations

from amorsize.engine.commands import StartSampler, StopSampler
from amorsize.engine.events import SliceEnded
from amorsize.engine.facts import Facts
from amorsize.engine.state import Contention, RunSpec, RunState, evolve

CROWDED_SECONDS = 0.1
"""A run with less than this left waits until other threads let go of the cores: OpenBLAS spins for so
long."""
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
        return state, (StopSampler(),), True
    if not event.sampling and not state.only_computes:
        return state, (StartSampler(),), True  # it needs a moment to look
    return state, (), False
