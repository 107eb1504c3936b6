"""How a decision is made and carried out. Pure.

::

    measured now + the function's last run -> Profile -> plan -> Choice --+
    the user's order (one backend, a limit on time or memory) -> Choice --+--> decide: booked, told
                                                                          +--> hand_over: workers start
"""

from __future__ import annotations

from math import hypot, inf, log

from amorsize import learning
from amorsize.core.backends import TRAITS
from amorsize.core.events import Decided
from amorsize.core.frozen import replace
from amorsize.core.model import Config, Crowd, Forecast, Prediction, Profile, Safety
from amorsize.engine.commands import Emit, HandOver, StartBackend, StopSampler
from amorsize.engine.state import Decision, Facts, Phase, RunSpec, RunState, Said, Workers, evolve
from amorsize.planning import choose as planning
from amorsize.planning import cost_model, policy
from amorsize.planning.cost_model import WAITING_CPU_SHARE
from amorsize.planning.explain import describe
from amorsize.planning.values import Choice, PlanningInput
from amorsize.profiling.meter import UNMEASURED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from amorsize.core.events import WorkShares
    from amorsize.core.observation import Observation
    from amorsize.engine.state import Shares
    from amorsize.learning import Sample
    from amorsize.profiling.meter import Measured

    Step = tuple[RunState, tuple[object, ...]]

PREPARED_FACTOR = 1.25
"""So many times what must be done once before any worker starts must be gained: that is spent in vain
where the function turns out to stay in the caller, which one of five is taken to do."""
ASK_GAIN_SECONDS = 0.02
"""The history is asked when at least this could be gained: asking costs 0.3 ms
(benchmarks/learning/evaluate.py)."""
ASK_SHARE = 0.03
"""Share of what is left, as a loop, that reading the modules which ask may cost, the first time: what
considering may cost a run that stays in the caller (G2: 3 % of the loop)."""
ONLY_WAITS_CPU_SHARE = 0.1
"""Below it an item that is done is taken to be nothing but a wait."""


def recalled(facts: Facts, gain_seconds: float, seconds_ahead: float) -> bool:
    """Whether earlier runs tell what the items cost. The history is asked once, if what could be gained
    pays; always, if that is infinite."""
    asks = not facts.has("runs") and gain_seconds > ASK_GAIN_SECONDS
    if asks and (gain_seconds == inf or facts.preparation.asking <= ASK_SHARE * seconds_ahead):
        facts.recall(seconds_ahead)
    return bool(facts.measured_runs)


def profile_of(state: RunState, facts: Facts) -> Profile:
    """What is known of the work: what was seen now, and what the function's earlier runs took."""
    runs, known = facts.runs, facts.measured_runs
    profile = _measured(facts, state.shares if runs else state.seen or state.shares)
    if state.threads_ruled_out:
        profile = replace(profile, gil_free_share=0.0)
    if not runs:
        return profile
    before = runs[0].profile
    changes: dict[str, Any] = {}
    if profile.gil_free_share is None:
        changes["gil_free_share"] = before.gil_free_share
    if profile.result_bytes is None and before.result_bytes is not None:
        changes["result_bytes"] = before.result_bytes
        changes["result_seconds"] = before.result_seconds
    if changes:
        profile = replace(profile, **changes)
    if not known:
        return profile
    seen = facts.measured
    known = for_todays_sizes(known, facts, seen.items - seen.spread_items)
    return learning.known_costs(profile, sample_of(seen), known, facts.machine)


def for_todays_sizes(
    known: tuple[Observation, ...], facts: Facts, done: int
) -> tuple[Observation, ...]:
    """The function's earlier runs; where they found that cost follows size, as if they had had the items
    that are left after ``done``."""
    if not any(run.work.size_power for run in known):
        return known
    seen = tuple(size for place, size in facts.sizes if place < done)
    left = tuple(size for place, size in facts.sizes if place >= done)
    return learning.for_sizes(known, learning.Sizes(seen, left))


def sample_of(seen: Measured) -> Sample:
    """What this run has seen of its items. The first counts only while there is no other."""
    if seen.spread_items:
        count = seen.spread_items + (seen.front_seconds > 0)
        return learning.Sample(count, seen.item_seconds, seen.item_spread, spread=True)
    later = max(1, seen.items - 1)
    return learning.Sample(later, seen.item_seconds, seen.item_spread, seen.items < 2)


def profile_to_remember(state: RunState, facts: Facts) -> Profile:
    """The profile for the history: nothing of it is hearsay where it was seen in this run."""
    profile = profile_of(state, facts)
    seen = _measured(facts, state.seen or state.shares)
    return replace(
        seen,
        gil_free_share=profile.gil_free_share,
        result_bytes=profile.result_bytes,
        result_seconds=profile.result_seconds,
    )


def _measured(facts: Facts, shares: Shares | None) -> Profile:
    measured, transfer = facts.measured, facts.known.get("transfer", UNMEASURED)
    sending = facts.known.get("sending", UNMEASURED)
    _, cpu, inner = shares or measured.window
    return Profile(
        items=measured.items,
        item_seconds=measured.item_seconds,
        item_spread=measured.item_spread,
        cpu_share=cpu,
        inner_threads=inner,
        gil_free_share=measured.gil_free_share,
        result_bytes=transfer.bytes,
        result_seconds=transfer.seconds,
        argument_bytes=sending.bytes,
        argument_seconds=sending.seconds,
        picklable=transfer.picklable,
    )


def plan(
    spec: RunSpec, state: RunState, facts: Facts, left: int, spent_seconds: float | None = None
) -> Choice:
    """Choose for ``left`` items. ``spent_seconds``: how long the caller has worked alone.

    Whether the process may be forked is looked up only if a fork would be chosen: the look ends the
    sampler's thread."""
    if not facts.has("fork_refusal"):
        choice = _choose(spec, state, facts, left, None, spent_seconds)
        if choice.config.backend != "fork":
            return choice
    return _choose(spec, state, facts, left, facts.fork_refusal, spent_seconds)


def stays_at_best(
    spec: RunSpec, state: RunState, facts: Facts, left: int, spent_seconds: float
) -> Choice | None:
    """The choice of the caller where even a function that may go anywhere, with results that cost nothing
    to carry, would stay there; None where it might not. Whoever asks first need not read what judges."""
    at_best = {"safety": Safety(), "transfer": UNMEASURED, "sending": UNMEASURED}
    choice = _choose(spec, state, Facts({**at_best, **facts.known}), left, None, spent_seconds)
    return choice if choice.config.backend == "serial" else None


def _choose(
    spec: RunSpec,
    state: RunState,
    facts: Facts,
    left: int,
    refusal: str | None,
    spent_seconds: float | None,
) -> Choice:
    if sends_items(spec, facts, refusal):
        _ = facts.sending
    profile = profile_of(state, facts)
    fresh = refusal is not None and "spawn" in spec.options.backends
    residual = hearsay = None
    known = facts.measured_runs
    if left * profile.item_seconds > ASK_GAIN_SECONDS:
        if facts.runs:
            residual = facts.residual(profile, left)
        elif state.measuring:
            hearsay = facts.residual(profile, left)
    choice = planning.choose(
        PlanningInput(
            profile,
            facts.machine,
            left,
            spec.options.limits(spec.nested),
            facts.safety,
            costs_now(facts),
            fork_refused=refusal,
            spawn_refused=facts.fresh_refusal if fresh else None,
            indexed=spec.indexed,
            residual=residual,
            hearsay=hearsay,
            remote=facts.remote,
            worker_bytes=learning.worker_bytes(known) if known else 0,
            spent_seconds=spent_seconds,
            left_known=spec.total is not None,
        )
    )
    runs, options = facts.runs, spec.options
    if runs and options.explore > 0:
        tried = [run.config for run in runs]
        lot = _lot(options.explore_seed, runs[0].id)
        choice = policy.explore(choice, tried, options.explore, lot)
    return choice


def costs_now(facts: Facts) -> cost_model.Costs:
    """What starting workers costs beside others that want the cores now. Items that wait need none, but
    whoever starts workers for them does."""
    return replace(facts.costs, crowd=cost_model.felt(facts.crowd))


def sends_items(spec: RunSpec, facts: Facts, refusal: str | None) -> bool:
    """Whether the processes that could be chosen would be sent their items."""
    allowed = spec.options.backends
    if spec.nested or not allowed & {"fork", "spawn"}:
        return False
    forks = "fork" in allowed and refusal is None and facts.machine.can_fork
    return not (forks and spec.indexed)


def items_are_sent(spec: RunSpec, config: Config) -> bool:
    """Whether the workers of a configuration are sent their items."""
    return TRAITS[config.backend].sends_items or not spec.indexed


def _lot(seed: int | None, run: str) -> float:
    """From 0 to 1, the same all through a run, and for equal histories and seeds."""
    from binascii import crc32

    return crc32(f"{seed} {run}".encode()) / 2.0**32


def choice_unseen(config: Config, item_seconds: float, left: int, reason: str) -> Choice:
    """A choice that was made without comparing."""
    rounds = -(-left // config.workers)
    return Choice(
        Prediction(config, item_seconds * rounds),
        (),
        (f"{describe(config)}: {reason}",),
        False,
        item_seconds * left,
    )


WAIT_SEEN_THREADS = 8
"""Threads to begin with behind an item of which only a first wait was seen, or where the number of items
is unknown; they are ramped up."""
STREAM_WINDOW_SECONDS = 0.5
"""Work that a stream keeps between its source and its consumer when no ``buffersize`` is given."""
STREAM_WINDOW_ITEMS = 4096
"""Most items that a stream keeps so."""


def as_chosen(choice: Choice, config: Config) -> Choice:
    """The choice, but for the kind of workers that was chosen before: the best of that kind."""
    same = [one for one in choice.candidates if one.config.backend == config.backend]
    if not same:
        return choice
    best = min(same, key=lambda one: one.seconds)
    return replace(choice, prediction=best, caller_computes=best.caller_computes)


def decide(
    state: RunState, facts: Facts, choice: Choice, origin: str, now: float, done: int
) -> Step:
    """From now on this choice holds."""
    known = state.decision
    if choice.config.backend == "serial" and state.profile_when_serial is None:
        remembered = profile_to_remember(state, facts)
        state = evolve(state, profile_when_serial=remembered)
    corrections = state.corrections
    changed = known is not None and known.config.backend not in ("serial", choice.config.backend)
    if changed and origin != "watched":  # the plan that was made before had begun nothing
        corrections += 1
    made = Decision(choice, origin, now, done)
    # A run that stays where it is takes no new line in the log: only the last look counts.
    same = known is not None and known.config == choice.config
    before = state.decisions[:-1] if same else state.decisions
    state = evolve(state, decisions=(*before, made), corrections=corrections)
    return state, () if same else (Emit(Decided(now, choice)),)


def say(spec: RunSpec, state: RunState, facts: Facts, choice: Choice, now: float) -> RunState:
    """The state with what is said of the items that are left, once, where their number is known. A plan
    that is still being made says it again."""
    if spec.total is None or (state.said is not None and not state.measuring):
        return state
    waits = (state.shares or facts.measured.window)[1] < WAITING_CPU_SHARE
    # What workers took already, they took beside others, too; who waits needs no core.
    crowd = Crowd() if waits or spec.tried or facts.measured_runs else facts.crowd
    seen, tried = facts.measured, spec.tried
    if tried is not None and not seen.items:
        seconds = tried.item_seconds
        seen = replace(
            seen,
            items=tried.items,
            item_seconds=seconds,
            item_spread=tried.item_spread,
            front_seconds=seconds,
        )
    choice = at_that_rate(spec, choice, spec.total - seen.items)
    return evolve(state, said=Said(now, choice, seen, crowd))


def at_that_rate(spec: RunSpec, choice: Choice, left: int) -> Choice:
    """The choice, with the seconds that the user's rate allows at the least."""
    rate, predicted = spec.options.rate, choice.prediction
    least = 0.0 if rate is None else rate.least_seconds(left)
    if predicted.seconds >= least:
        return choice
    return replace(choice, prediction=replace(predicted, seconds=least))


def forecast_of(said: Said, facts: Facts) -> Forecast:
    """How long the items that are left are said to take; zeros where nothing was seen of any."""
    choice, seen = said.choice, said.seen
    predicted = choice.prediction
    if predicted.seconds <= 0:
        return Forecast()
    configuration = predicted.spread if predicted.source == "history" else 0.0
    doubt = choice.item_doubt or learning.unknown_doubt(sample_of(seen))
    runs = facts.measured_runs
    seconds = predicted.seconds
    if not runs and not TRAITS[choice.config.backend].remote:
        slower = cost_model.slowdown(choice.config, facts.machine.cores, said.crowd)
        seconds, doubt = seconds * slower, hypot(doubt, CROWD_DOUBT * log(slower))
    told = learning.forecast_of(
        seconds, configuration, doubt, runs, facts.known.get("errors", ((), ()))
    )
    return told if runs else learning.by_size(told, facts.size_ratio)


CROWD_DOUBT = 0.5
"""Share of the logarithm of a slowdown by others by which it is doubted: they come and go."""


def hand_over(
    spec: RunSpec, state: RunState, facts: Facts, position: int, item_seconds: float
) -> Step:
    """Leave what is left from ``position`` on to the backend that was chosen."""
    assert state.decision is not None
    config = state.decision.config
    given = handing_out(spec, config, position, item_seconds)
    given = replace(given, first=long_items(spec, config, facts, position))
    state, started = start_chosen(spec, state, facts, item_seconds)
    return evolve(state, position=position), (StopSampler(), given, *started)


def handing_out(spec: RunSpec, config: Config, position: int, item_seconds: float) -> HandOver:
    """How items are handed out from ``position`` on."""
    kept = config.backend != "serial" and spec.options.effects == "watch"
    copies = TRAITS[config.backend].processes if kept else False
    if not spec.streaming:
        return HandOver(position, config.workers == 1, keeps_items=kept, copies=copies)
    workers = config.workers
    wanted = STREAM_WINDOW_ITEMS
    if item_seconds > 0:
        wanted = min(wanted, int(STREAM_WINDOW_SECONDS * workers / item_seconds))
    window = spec.buffersize or max(4 * workers, wanted)
    return HandOver(position, True, window, keeps_items=kept, copies=copies)


def long_items(spec: RunSpec, config: Config, facts: Facts, position: int) -> tuple[int, ...]:
    """Items that are to be begun first, where the last run found that cost follows size."""
    traits, known = TRAITS[config.backend], facts.measured_runs
    if not known or not known[0].work.size_power or not is_plain(spec):
        return ()
    if config.workers < 2 or traits.remote or spec.streaming or config.chunksize is not None:
        return ()
    return facts.long_items(position, config.workers)


def work_shares(spec: RunSpec, state: RunState, facts: Facts) -> WorkShares | None:
    """What share of the work that was handed over the next items make up, where it follows sizes."""
    known, over, decision = facts.measured_runs, state.handed_over, state.decision
    if not known or spec.total is None or over is None or decision is None:
        return None
    law = learning.law_in(known[0])
    if law is None:
        return None
    first = long_items(spec, decision.config, facts, over.position)
    return learning.work_shares(facts.sizes, law, over.position, spec.total, first)


def is_plain(spec: RunSpec) -> bool:
    """Whether the number of items is known, and nothing about the run goes by their order."""
    options = spec.options
    return (
        spec.total is not None
        and options.on_error == "raise"
        and not spec.journaled
        and not options.limits_calls
    )


def start_chosen(spec: RunSpec, state: RunState, facts: Facts, item_seconds: float) -> Step:
    """Set the workers of the choice that holds to work."""
    assert state.decision is not None
    choice = state.decision.choice
    config = choice.config
    if config.backend == "threads":
        seen = facts.measured
        known = facts.measured_runs if not seen.items else ()
        computed = known[0].profile.cpu_share if known else seen.window[1]
        waits = spec.options.forced is not None or computed < WAITING_CPU_SHARE
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
