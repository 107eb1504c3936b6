"""Decisions as they are made: booked in the state, told to the observers, carried out. Pure."""

from __future__ import annotations

from amorsize.core.backends import TRAITS
from amorsize.core.events import Decided
from amorsize.core.model import Config
from amorsize.engine.commands import Emit, HandOver, StartBackend, StopSampler
from amorsize.engine.facts import Facts
from amorsize.engine.profiles import profile_to_remember
from amorsize.engine.state import Decision, Phase, RunSpec, RunState, Workers, evolve
from amorsize.planning.cost_model import WAITING_CPU_SHARE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize.planning.values import Choice

    Step = tuple[RunState, tuple[object, ...]]

WAIT_SEEN_THREADS = 8
"""Threads to begin with behind an item of which only a first wait was seen, or where the number of items
is unknown; they are ramped up."""
STREAM_WINDOW_SECONDS = 0.5
"""Work that a stream keeps between its source and its consumer when no ``buffersize`` is given."""
STREAM_WINDOW_ITEMS = 4096
"""Most items that a stream keeps so."""


def decide(
    state: RunState, facts: Facts, choice: Choice, origin: str, now: float, done: int
) -> Step:
    """From now on this choice holds."""
    known = state.decision
    if choice.config.backend == "serial" and state.profile_when_serial is None:
        remembered = profile_to_remember(state, facts)
        state = evolve(state, profile_when_serial=remembered)
    corrections = state.corrections
    if known is not None and known.config.backend not in ("serial", choice.config.backend):
        corrections += 1
    made = Decision(choice, origin, now, done)
    # A run that stays where it is takes no new line in the log: only the last look counts.
    same = known is not None and known.config == choice.config
    before = state.decisions[:-1] if same else state.decisions
    state = evolve(state, decisions=(*before, made), corrections=corrections)
    return state, () if same else (Emit(Decided(now, choice)),)


def hand_over(
    spec: RunSpec, state: RunState, facts: Facts, position: int, item_seconds: float
) -> Step:
    """Leave what is left from ``position`` on to the backend that was chosen."""
    assert state.decision is not None
    given = handing_out(spec, state.decision.config, position, item_seconds)
    state, started = start_chosen(spec, state, facts, item_seconds)
    return evolve(state, position=position), (StopSampler(), given, *started)


def handing_out(spec: RunSpec, config: Config, position: int, item_seconds: float) -> HandOver:
    """How items are handed out from ``position`` on."""
    if not spec.streaming:
        return HandOver(position, in_order=config.workers == 1)
    workers = config.workers
    wanted = STREAM_WINDOW_ITEMS
    if item_seconds > 0:
        wanted = min(wanted, int(STREAM_WINDOW_SECONDS * workers / item_seconds))
    return HandOver(position, True, spec.buffersize or max(4 * workers, wanted))


def start_chosen(spec: RunSpec, state: RunState, facts: Facts, item_seconds: float) -> Step:
    """Set the workers of the choice that holds to work."""
    assert state.decision is not None
    choice = state.decision.choice
    config = choice.config
    if config.backend == "threads":
        ordered = spec.options.forced is not None
        waits = ordered or facts.measured.window[1] < WAITING_CPU_SHARE
        first = WAIT_SEEN_THREADS if waits and spec.total is None else None
        return start(state, StartBackend(config, item_seconds, waits, first))
    computes = (
        TRAITS[config.backend].processes
        and choice.caller_computes
        and not spec.streaming
        and not spec.journaled  # a caller that journals does not compute
        and not spec.options.supervised
    )
    return start(state, StartBackend(config, item_seconds, caller_computes=computes))


def start(state: RunState, command: StartBackend) -> Step:
    """Set these workers to work."""
    phase = Phase.DRAINING if state.leaving else Phase.DELEGATED
    workers = Workers(command.config, command.waits)
    return evolve(state, phase=phase, workers=workers, review=None), (command,)


def finish_alone(state: RunState, item_seconds: float) -> Step:
    """The caller does whatever is left; the choice that holds stays what the run is recorded under."""
    return start(state, StartBackend(Config("serial"), item_seconds))
