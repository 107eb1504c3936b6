"""Workers before the first item: what earlier runs of a function tell of it is acted on at once. Pure.

::

    Begun, the history's hint --> own runs --> did the last one leave the caller? rules clear it now?
        --> plan with what runs have shown, no item seen --> HandOver from position 0, StartBackend

Nothing is taken on trust but the seconds. Whether items may leave the caller is judged in this process,
from the function's code and what it holds; the last run, in which an item was watched, must have left
the caller too, and have ended with what the function's objects hold now; and workers look at what their
first items change (``inspection.late``). Imported only by runs that have such a history.
"""

from __future__ import annotations

from amorsize import learning
from amorsize.core.backends import TRAITS
from amorsize.core.frozen import replace
from amorsize.engine.commands import StartBackend, StopSampler
from amorsize.engine.decisions import (
    costs_now,
    decide,
    handing_out,
    long_items,
    plan,
    say,
    start,
)
from amorsize.engine.state import evolve
from amorsize.planning.cost_model import WAITING_CPU_SHARE
from amorsize.planning.policy import START_FACTOR

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize.core.observation import Observation
    from amorsize.engine.events import Begun
    from amorsize.engine.state import Facts, RunSpec, RunState

    Step = tuple[RunState, tuple[object, ...]]


def begin_known(spec: RunSpec, state: RunState, event: Begun, facts: Facts) -> Step | None:
    """Workers for all items, or None where the run is to begin in the caller."""
    total = spec.total
    if total is None or not was_watched_before(spec, facts):
        return None
    known = facts.measured_runs
    if learning.inherits_warmth(known):
        return None
    choice = plan(spec, state, facts, total)
    config, alone = choice.config, choice.serial_seconds
    if config.backend not in ("threads", "fork"):
        return None
    costs = costs_now(facts)
    before = costs.start(config.backend, config.n_jobs) + costs.before(config.backend)
    if alone - choice.prediction.seconds < START_FACTOR * before:
        return None
    runs = f"{len(known)} earlier run{'s' * (len(known) != 1)}"
    reason = f"{choice.reasons[-1]}; known from {runs}, so from the first item on"
    choice = replace(choice, reasons=(*choice.reasons[:-1], reason))
    state = say(spec, state, facts, choice, event.now)
    state, told = decide(state, facts, choice, "known", event.now, 0)
    item_seconds = alone / total
    waits = config.backend == "threads" and known[0].profile.cpu_share < WAITING_CPU_SHARE
    computes = TRAITS[config.backend].processes and choice.caller_computes
    command = StartBackend(config, item_seconds, waits, caller_computes=computes)
    state, started = start(state, command)
    return evolve(state, position=0), (
        *told,
        StopSampler(),
        replace(
            handing_out(spec, config, 0, item_seconds),
            first=long_items(spec, config, facts, 0),
        ),
        *started,
    )


def was_watched_before(spec: RunSpec, facts: Facts) -> bool:
    """Whether workers may run all items with none of them watched first: one was in an earlier run, which
    left the caller, and what is known in this process speaks for it."""
    if (spec.total or 0) < 2 or spec.streaming or spec.journaled or not spec.indexed:
        return False  # whether an item outlives the reading of the next one is seen in the caller
    facts.recall(0.0)
    if not facts.measured_runs or not _left_the_caller(facts.runs[0]):
        return False
    if not facts.holds_the_same:  # an item of another object was watched
        return False
    safety = facts.safety
    return not (safety.caller_only or safety.unless_watched or safety.unproven)


def _left_the_caller(run: Observation) -> bool:
    """Whether several workers ran a function's items, and all went well. A single thread does what the
    caller would do, where there is a limit on time: it says nothing."""
    several = run.config.backend in ("threads", "fork", "spawn") and run.config.workers > 1
    return run.outcome == "done" and several
