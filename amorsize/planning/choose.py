"""The one place that decides: candidates, limits, choice. Pure functions on values."""

from __future__ import annotations

from math import exp

from amorsize.core.backends import CALLER_ITEM_SECONDS, PUBLIC_NAMES, TRAITS
from amorsize.core.frozen import dataclass, replace
from amorsize.core.limits import Limits
from amorsize.core.model import Config, Far, Machine, Prediction, Profile, Safety
from amorsize.planning import cost_model
from amorsize.planning.cost_model import Costs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    Residual = Callable[[Config], tuple[float, float, float] | None]

START_FACTOR = 2.5
"""Parallel work must save this many times its start cost. What is left is an estimate; ski rental
(benchmarks/, kind "light then heavy" and "costly first call") says 2 to 3."""
FIRST_THREADS = 128
"""Most threads to begin with for work that waits; evidence may raise it later (backends/threads.py).
As many as the common listen backlog of a server."""
WAITING_CPU_SHARE = 0.9
"""Below this share of CPU time an item waits enough for more workers than cores to be worth a look."""
GIL_FREE_SHARE = cost_model.GIL_FREE_SHARE
"""Threads are tried for computing work when at least this share of the looks found the GIL free."""
INNER_THREADS = 1.3
"""CPU seconds of the process for one of the calling thread above which the function is taken to be
parallel inside (2 threads of BLAS on 2 cores give 1.6 to 2; noise stays below 1.1)."""
DOUBTED_SPREAD = 0.4
"""Spread of log seconds at which experience is worth no more than the cost model alone
(benchmarks/learning/evaluate.py)."""
LEAST_DOUBT = 0.1
"""Never quite sure: a run that was foretold wrongly costs at most 1 + 1/0.1 times the best."""
EXPLORE_CHANCE = 0.0625
"""Of the runs of a known function so many may try something new, if that promises to cost nothing."""
LARGE_RESULT_BYTES = 1 << 18
"""A quarter of the room in a worker's socket (backends/wire.py)."""
SAME_SHARE = 0.05
"""Candidates within this share of the best count as equal; the one with fewer workers is taken."""


@dataclass(frozen=True)
class Choice:
    """What was chosen, out of what, and why."""

    prediction: Prediction
    candidates: tuple[Prediction, ...]
    reasons: tuple[str, ...] = ()
    caller_computes: bool = False
    serial_seconds: float = 0.0

    @property
    def config(self) -> Config:
        return self.prediction.config


class _Field:
    """Candidates and reasons while they are collected."""

    def __init__(self) -> None:
        self.reasons: list[str] = []
        self.found: list[tuple[Prediction, float, bool]] = []
        """Prediction, start cost, whether the caller computes."""


def choose(
    profile: Profile,
    machine: Machine,
    left: int,
    limits: Limits,
    safety: Safety,
    costs: Costs,
    *,
    fork_refused: str | None = None,
    indexed: bool = True,
    residual: Residual | None = None,
    far: Far | None = None,
    spent: float | None = None,
) -> Choice:
    """Choose the configuration for ``left`` more items like those of ``profile``.

    Pure: equal arguments give equal choices. ``fork_refused`` says why the process must not fork now;
    ``residual`` gives, for a configuration, the logarithm of real over modelled seconds, its spread and
    the runs behind it, as far as experience goes; it is trusted as :func:`is_due` says, ``spent`` being
    the seconds that the caller has worked alone (None: act on it at once). ``far`` is an executor or
    a cluster that may be chosen. Complexity O(log of the most workers)."""
    serial = _experienced(
        cost_model.seconds(Config("serial"), profile, machine, left, costs), residual
    )
    at_hand = _Field()
    reason = limits.serial_only or safety.caller_only
    if reason:
        at_hand.reasons.append(f"stays in the caller: {reason}")
    else:
        jobs = limits.max_jobs
        _add_threads(at_hand, profile, machine, left, limits, safety, costs, jobs)
        _add_processes(
            at_hand, profile, machine, left, limits, safety, costs, jobs, fork_refused, indexed
        )
        _add_far(at_hand, profile, left, limits, safety, far)
    if residual is not None:  # what was learned of other workers says nothing of these
        at_hand.found = [
            (
                prediction if _is_far(prediction) else _experienced(prediction, residual),
                start,
                caller_computes,
            )
            for prediction, start, caller_computes in at_hand.found
        ]
    best, caller = serial, False
    for prediction, start, caller_computes in at_hand.found:
        waited = start if prediction.terms is None else prediction.terms["start"]
        saving = serial.seconds - (prediction.seconds - waited)
        if prediction.source == "history":
            doubted = doubt(prediction.spread)
            forgone = doubted * start
            if spent is not None:
                forgone = spent * saving / serial.seconds if serial.seconds > 0 else 0.0
            if not is_due(forgone, start, saving, doubted):
                continue
        elif saving <= START_FACTOR * start:
            continue
        if prediction.seconds < (1 - SAME_SHARE) * best.seconds:
            best, caller = prediction, caller_computes
    if best is serial and not reason:
        at_hand.reasons.append(_why_serial(serial, at_hand))
    elif best is not serial:
        at_hand.reasons.append(_why(best, serial, profile))
    others = tuple(prediction for prediction, _, _ in at_hand.found)
    return Choice(best, (serial, *others), tuple(at_hand.reasons), caller, serial.seconds)


def is_due(forgone: float, start: float, saving: float, doubt: float) -> bool:
    """Whether workers are to be started, by a prediction that may be wrong; pure.

    Ski rental with a prediction (Purohit, Svitkina and Kumar, "Improving Online Algorithms via ML
    Predictions", NeurIPS 2018): working on alone is to rent, at the seconds that workers would have
    saved so far (``forgone``); starting workers is to buy, for ``start`` seconds. A predicted ``saving``
    of more than that is acted on once ``doubt`` times the start has been forgone; without it workers
    are started all the same once 1/``doubt`` times the start has been forgone. With 0 < doubt <= 1 the
    loss is at most 1 + doubt times that of who knew what comes, if the prediction was right, and at most
    1 + 1/doubt times it, however wrong the prediction was. Doubt 1 is the rule without predictions: at
    most twice."""
    if saving > start:
        return forgone >= doubt * start
    return forgone >= start / doubt


def doubt(spread: float) -> float:
    """How far not to trust a prediction of this spread: by its neighbours and by how right the ones
    before it were, for both make the spread (``predictors``)."""
    return min(1.0, max(LEAST_DOUBT, spread / DOUBTED_SPREAD))


def explore(choice: Choice, tried: Collection[Config], share: float, lot: float) -> Choice:
    """Now and then the best candidate that no run has tried; else the choice. Pure.

    A model that is wrong about a configuration is never found out by runs that avoid it. Only what beats
    the loop even at its upper bound (one standard deviation), and the choice at its lower one, is tried,
    and so seldom that at the upper bound exploring costs ``share`` of the time: ``lot``, from 0 to 1,
    must fall below the share over that loss (benchmarks/learning/simulation.py: by expectation instead of
    the upper bound, 4 % were lost where 2 % were meant)."""
    if share <= 0 or lot >= EXPLORE_CHANCE:
        return choice
    known = {(one.backend, one.n_jobs, one.threads_per_job) for one in tried}
    found = []
    for one in choice.candidates:
        shape = one.config.backend, one.config.n_jobs, one.config.threads_per_job
        spread = one.spread if one.source == "history" else DOUBTED_SPREAD
        if shape in known or one.config.backend == "serial" or one.config == choice.config:
            continue
        if _is_far(one):
            continue  # whose costs are measured, not modelled
        if one.seconds * exp(spread) < choice.serial_seconds:
            loss = one.seconds * exp(spread) / choice.prediction.seconds - 1.0
            could_win = one.seconds * exp(-spread) < choice.prediction.seconds
            if could_win and lot * max(loss, 0.0) < share:
                found.append((loss, one))
    if not found:
        return choice
    best = min(found, key=lambda pair: pair[0])[1]
    reason = f"{describe(best.config)}: promises nearly as much and was never tried"
    return replace(
        choice,
        prediction=best,
        reasons=(*choice.reasons, reason),
        caller_computes=best.caller_computes,
    )


def _experienced(prediction: Prediction, residual: Residual | None) -> Prediction:
    """The prediction, corrected by what such runs really took."""
    found = None if residual is None else residual(prediction.config)
    if found is None:
        return prediction
    value, spread, evidence = found
    return replace(
        prediction,
        seconds=prediction.seconds * exp(value),
        spread=spread,
        source="history",
        evidence=evidence,
    )


def _add_threads(
    at_hand: _Field,
    profile: Profile,
    machine: Machine,
    left: int,
    limits: Limits,
    safety: Safety,
    costs: Costs,
    jobs: int | None,
) -> None:
    if "threads" not in limits.backends:
        return
    waits = profile.cpu_share < WAITING_CPU_SHARE
    free = not machine.gil or (profile.gil_free_share or 0.0) >= GIL_FREE_SHARE
    if not waits and not (free and machine.cores > 1):
        return
    if safety.no_threads:
        at_hand.reasons.append(f"no threads: {safety.no_threads}")
        return
    most = min(left, FIRST_THREADS if waits else machine.cores, jobs or left)
    for count in _counts(most):
        config = Config("threads", count, 1, limits.chunksize)
        prediction = cost_model.seconds(config, profile, machine, left, costs)
        at_hand.found.append((prediction, costs.start("threads", count), False))


def _add_processes(
    at_hand: _Field,
    profile: Profile,
    machine: Machine,
    left: int,
    limits: Limits,
    safety: Safety,
    costs: Costs,
    jobs: int | None,
    fork_refused: str | None,
    indexed: bool,
) -> None:
    allowed = limits.backends & {"fork", "spawn"}
    if not allowed or machine.cores < 2:
        return
    if safety.no_processes:
        at_hand.reasons.append(f"no processes: {safety.no_processes}")
        return
    if not profile.picklable:
        at_hand.reasons.append("no processes: the results cannot be pickled")
        return
    if profile.inner_threads > INNER_THREADS:
        at_hand.reasons.append(
            f"no processes: the function uses {profile.inner_threads:.1f} threads inside already"
        )
        return
    backend = "fork"
    if "fork" not in allowed or fork_refused is not None or not machine.can_fork:
        if fork_refused is not None:
            at_hand.reasons.append(f"no fork: {fork_refused}")
        backend = "spawn"
    if backend not in allowed:
        return
    # While the caller computes, a worker with a large result waits to be rid of it.
    large = (profile.result_bytes or 0) > LARGE_RESULT_BYTES
    caller = profile.item_seconds < CALLER_ITEM_SECONDS and not large
    sent = backend == "spawn" or not indexed
    for count in _counts(min(machine.cores, left, jobs or machine.cores)):
        for threads in _threads_inside(profile, safety, left, count, jobs):
            config = Config(backend, count, threads, limits.chunksize)
            computes = caller and threads == 1
            prediction = cost_model.seconds(
                config,
                profile,
                machine,
                left,
                costs,
                items_sent=sent,
                caller_computes=computes,
            )
            start = costs.start(backend, count - (1 if computes else 0))
            at_hand.found.append((prediction, start, computes))


def _add_far(
    at_hand: _Field,
    profile: Profile,
    left: int,
    limits: Limits,
    safety: Safety,
    far: Far | None,
) -> None:
    if far is None or far.backend not in limits.backends:
        return
    if safety.no_processes or not profile.picklable:
        why = safety.no_processes or "the results cannot be pickled"
        at_hand.reasons.append(f"not on {far.backend}: {why}")
        return
    count = min(far.slots, left, limits.max_jobs or far.slots)
    if count < 1:
        at_hand.reasons.append(f"not on {far.backend}: there is no worker now")
        return
    config = Config(far.backend, count, 1, limits.chunksize)
    at_hand.found.append(
        (cost_model.seconds_far(config, profile, left, far), far.link.round_trip, False)
    )


def _is_far(prediction: Prediction) -> bool:
    return TRAITS[prediction.config.backend].remote


def _threads_inside(
    profile: Profile, safety: Safety, left: int, processes: int, jobs: int | None
) -> tuple[int, ...]:
    """Threads for each process: more than one where items wait between computing."""
    if profile.cpu_share >= WAITING_CPU_SHARE or safety.no_threads:
        return (1,)
    # Enough that somebody computes while the others wait, and half as many again for the spread.
    wanted = int(1.5 / max(profile.cpu_share, 0.01)) + 1
    most = max(1, (jobs or left) // processes)
    return (1, max(1, min(wanted, most, FIRST_THREADS // processes)))


def _counts(most: int) -> list[int]:
    """2, 4, 8 ... and ``most`` itself."""
    counts = []
    count = 2
    while count < most:
        counts.append(count)
        count *= 2
    if most >= 2:
        counts.append(most)
    return counts


def _why(best: Prediction, serial: Prediction, profile: Profile) -> str:
    config = best.config
    each = format_seconds(profile.item_seconds)
    if _is_far(best):
        work = f"an item takes {each}, and the way there was measured"
    elif config.backend == "threads" and profile.cpu_share < WAITING_CPU_SHARE:
        work = f"an item takes {each} and waits for {1 - profile.cpu_share:.0%} of it"
    elif config.backend == "threads":
        work = f"an item takes {each} and leaves the GIL alone"
    elif config.threads_per_job > 1:
        work = (
            f"an item takes {each}, computes for {profile.cpu_share:.0%} of it and waits otherwise"
        )
    else:
        work = f"an item takes {each} and computes"
    return (
        f"{describe(config)}: {work}; about {format_seconds(best.seconds)} instead of "
        f"{format_seconds(serial.seconds)} for the rest"
    )


def _why_serial(serial: Prediction, at_hand: _Field) -> str:
    left = format_seconds(serial.seconds)
    if not at_hand.found:
        return f"serial: nothing else is open to this work ({left} left)"
    best = min(prediction.seconds for prediction, _, _ in at_hand.found)
    return (
        f"serial: about {left} left; the best alternative ({format_seconds(best)}) does not save "
        f"{START_FACTOR} times its start"
    )


def describe(config: Config) -> str:
    """A configuration in words."""
    name = TRAITS[config.backend].public if config.backend in TRAITS else config.backend
    if config.backend == "serial":
        return "serial"
    if config.backend in TRAITS and TRAITS[config.backend].remote:
        return f"{config.n_jobs} workers of {name}"
    if config.threads_per_job > 1:
        return (
            f"{config.n_jobs} {name} with {config.threads_per_job} threads each ({config.backend})"
        )
    kind = f" ({config.backend})" if name != config.backend else ""
    return f"{config.n_jobs} {name}{kind}"


def format_seconds(seconds: float) -> str:
    """Three digits with the unit that fits."""
    for factor, unit in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if seconds >= factor:
            return f"{seconds / factor:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


def known_backends() -> str:
    """The names for error messages."""
    given = "an Executor, a dask Client, 'dask://host:port', 'ray', 'ray://host:port'"
    return ", ".join(("auto", *PUBLIC_NAMES)) + f"; or {given}"
