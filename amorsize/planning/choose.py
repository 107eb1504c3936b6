"""The one place that decides: candidates within the limits, then the choice. Pure functions on values.

::

    PlanningInput -> threads? processes? remote workers? -> candidates, predicted by the cost model,
        corrected by experience -> those that pay for their start (policy) -> the quickest -> Choice
"""

from __future__ import annotations

from math import exp

from amorsize.core.backends import CALLER_ITEM_SECONDS
from amorsize.core.frozen import replace
from amorsize.core.model import Config, Prediction
from amorsize.planning import cost_model
from amorsize.planning.cost_model import GIL_FREE_SHARE, WAITING_CPU_SHARE
from amorsize.planning.explain import format_bytes, why_parallel, why_serial
from amorsize.planning.policy import START_FACTOR, doubt, is_due, is_remote
from amorsize.planning.values import ROOM_SHARE, Choice, PlanningInput

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize.planning.values import Residual

FIRST_THREADS = 128
"""Most threads to begin with for work that waits; evidence may raise it later (backends/threads).
As many as the common listen backlog of a server."""
INNER_THREADS = 1.3
"""Threads that compute, counted while the function runs, above which it is taken to be parallel inside
(2 threads of BLAS on 2 cores give 1.6 to 2; noise stays below 1.1)."""
LARGE_RESULT_BYTES = 1 << 18
"""A quarter of the room in a worker's socket (backends/processes/protocol.py)."""
SAME_SHARE = 0.05
"""Candidates within this share of the best count as equal; the one with fewer workers is taken."""


class _Candidates:
    """Candidates and reasons while they are collected."""

    def __init__(self) -> None:
        self.reasons: list[str] = []
        self.found: list[tuple[Prediction, float, bool]] = []
        """Prediction, start cost, whether the caller computes."""

    def correct(self, residual: Residual) -> None:
        """Correct the predictions of this machine's own workers by experience."""
        self.found = [
            (one if is_remote(one) else experienced(one, residual), start, caller_computes)
            for one, start, caller_computes in self.found
        ]


def choose(given: PlanningInput) -> Choice:
    """Choose the configuration for the items that are left.

    Pure: equal arguments give equal choices. Complexity O(log of the most workers)."""
    profile, residual = given.profile, given.residual
    serial = experienced(
        cost_model.seconds(Config("serial"), profile, given.machine, given.left, given.costs),
        residual,
    )
    at_hand = _Candidates()
    reason = given.limits.serial_only or given.safety.caller_only
    if reason:
        at_hand.reasons.append(f"stays in the caller: {reason}")
    else:
        _add_threads(at_hand, given)
        _add_processes(at_hand, given)
        _add_remote(at_hand, given)
    if residual is not None:  # what was learned of other workers says nothing of these
        at_hand.correct(residual)
    best, caller = serial, False
    for prediction, start, caller_computes in at_hand.found:
        if _pays(prediction, start, serial, given.spent_seconds) and (
            prediction.seconds < (1 - SAME_SHARE) * best.seconds
        ):
            best, caller = prediction, caller_computes
    others = tuple(prediction for prediction, _, _ in at_hand.found)
    if best is serial and not reason:
        at_hand.reasons.append(why_serial(serial, others, START_FACTOR, known=given.left_known))
    elif best is not serial:
        at_hand.reasons.append(why_parallel(best, serial, profile, known=given.left_known))
    if given.hearsay is not None:
        alone, serial = best is serial, experienced(serial, given.hearsay)
        at_hand.correct(given.hearsay)
        others = tuple(prediction for prediction, _, _ in at_hand.found)
        best = serial if alone else next(one for one in others if one.config == best.config)
    reasons = tuple(at_hand.reasons)
    return Choice(best, (serial, *others), reasons, caller, serial.seconds, profile.item_doubt)


def _pays(
    prediction: Prediction, start: float, serial: Prediction, spent_seconds: float | None
) -> bool:
    """Whether what a candidate saves over the loop pays for starting its workers."""
    waited = start if prediction.terms is None else prediction.terms["start"]
    saving = serial.seconds - (prediction.seconds - waited)
    if prediction.source != "history":
        return saving > START_FACTOR * start
    doubted = doubt(prediction.spread)
    forgone = doubted * start
    if spent_seconds is not None:
        forgone = spent_seconds * saving / serial.seconds if serial.seconds > 0 else 0.0
    return is_due(forgone, start, saving, doubted)


def experienced(prediction: Prediction, residual: Residual | None) -> Prediction:
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


def _add_threads(at_hand: _Candidates, given: PlanningInput) -> None:
    profile, machine, limits, left = given.profile, given.machine, given.limits, given.left
    if "threads" not in limits.backends:
        return
    waits = profile.cpu_share < WAITING_CPU_SHARE
    free = not machine.gil or (profile.gil_free_share or 0.0) >= GIL_FREE_SHARE
    if not waits and not (free and machine.cores > 1):
        return
    if given.safety.no_threads:
        at_hand.reasons.append(f"no threads: {given.safety.no_threads}")
        return
    most = min(left, FIRST_THREADS if waits else machine.cores, limits.max_jobs or left)
    kept = given.safety.most_threads
    if kept is not None and kept < most:
        connections = "one connection" if kept == 1 else f"{kept} connections"
        at_hand.reasons.append(f"no more threads: its client keeps {connections}")
        most = kept
    for count in _counts(most):
        config = Config("threads", count, 1, limits.chunksize)
        prediction = cost_model.seconds(config, profile, machine, left, given.costs)
        at_hand.found.append((prediction, given.costs.start("threads", count), False))


def _add_processes(at_hand: _Candidates, given: PlanningInput) -> None:
    profile, machine, limits, left = given.profile, given.machine, given.limits, given.left
    allowed = limits.backends & {"fork", "spawn"}
    if not allowed or machine.cores < 2:
        return
    refusal = _no_processes(given)
    if refusal:
        at_hand.reasons.append(f"no processes: {refusal}")
        return
    backend = "fork"
    if "fork" not in allowed or given.fork_refused is not None or not machine.can_fork:
        if given.fork_refused is not None:
            at_hand.reasons.append(f"no fork: {given.fork_refused}")
        backend = "spawn"
    if backend not in allowed:
        return
    if backend == "spawn" and given.spawn_refused is not None:
        at_hand.reasons.append(f"no fresh interpreters: {given.spawn_refused}")
        return
    # While the caller computes, a worker with a large result waits to be rid of it.
    large = (profile.result_bytes or 0) > LARGE_RESULT_BYTES
    caller = profile.item_seconds < CALLER_ITEM_SECONDS and not large
    sent = backend == "spawn" or not given.indexed
    most = min(machine.cores, left, limits.max_jobs or machine.cores)
    fit = _fit(given)
    if fit < most:
        need, room = format_bytes(given.worker_bytes), format_bytes(machine.memory_available_bytes)
        at_hand.reasons.append(f"at most {fit} processes: one held {need} before, {room} are free")
    for count in _counts(min(most, fit)):
        for threads in _threads_inside(given, count):
            config = Config(backend, count, threads, limits.chunksize)
            computes = caller and threads == 1
            roles = cost_model.Roles(sent, computes)
            prediction = cost_model.seconds(config, profile, machine, left, given.costs, roles)
            start = given.costs.start(backend, count - (1 if computes else 0))
            at_hand.found.append((prediction, start, computes))


def _fit(given: PlanningInput) -> int:
    """Processes that the free memory holds, by what one needed in earlier runs."""
    room = given.machine.memory_available_bytes
    if not given.worker_bytes or not room:
        return given.machine.cores
    return max(1, int(ROOM_SHARE * room) // given.worker_bytes)


def _no_processes(given: PlanningInput) -> str | None:
    """Why no item may leave this process, if so."""
    if given.safety.no_processes:
        return given.safety.no_processes
    if not given.profile.picklable:
        return "the results cannot be pickled, or come back as others"
    inner = given.profile.inner_threads
    if inner > INNER_THREADS:
        return f"other threads of this process computed beside it, {inner - 1.0:.1f} on average"
    return None


def _add_remote(at_hand: _Candidates, given: PlanningInput) -> None:
    remote, limits, left = given.remote, given.limits, given.left
    if remote is None or remote.backend not in limits.backends:
        return
    if given.safety.no_processes or not given.profile.picklable:
        why = given.safety.no_processes or "the results cannot be pickled"
        at_hand.reasons.append(f"not on {remote.backend}: {why}")
        return
    count = min(remote.slots, left, limits.max_jobs or remote.slots)
    if count < 1:
        at_hand.reasons.append(f"not on {remote.backend}: there is no worker now")
        return
    config = Config(remote.backend, count, 1, limits.chunksize)
    prediction = cost_model.seconds_remote(config, given.profile, left, remote)
    at_hand.found.append((prediction, remote.link.round_trip, False))


def _threads_inside(given: PlanningInput, processes: int) -> tuple[int, ...]:
    """Threads for each process: more than one where items wait between computing."""
    cpu_share = given.profile.cpu_share
    if cpu_share >= WAITING_CPU_SHARE or given.safety.no_threads:
        return (1,)
    # Enough that one computes while the others wait, and half as many again for the spread.
    wanted = int(1.5 / max(cpu_share, 0.01)) + 1
    most = max(1, (given.limits.max_jobs or given.left) // processes)
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
