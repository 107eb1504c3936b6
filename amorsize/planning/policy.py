"""When a prediction is acted on: ski rental for the start of workers, and now and then a try. Pure."""

from __future__ import annotations

from math import exp

from amorsize.core.backends import TRAITS
from amorsize.core.frozen import replace
from amorsize.planning.explain import describe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

    from amorsize.core.model import Config, Prediction
    from amorsize.planning.values import Choice

START_FACTOR = 2.5
"""Parallel work must save this many times its start cost. What is left is an estimate; ski rental
(benchmarks/, kind "light then heavy" and "costly first call") says 2 to 3."""
THREADS_MUST_GAIN = 1.15
"""Throughput of threads over that of the caller alone, below which computing work leaves them."""
DOUBTED_SPREAD = 0.4
"""Spread of log seconds at which experience is worth no more than the cost model alone
(benchmarks/learning/evaluate.py)."""
LEAST_DOUBT = 0.1
"""Doubt is never less: a run that was foretold wrongly costs at most 1 + 1/0.1 times the best."""
EXPLORE_CHANCE = 0.0625
"""Of the runs of a known function so many may try something new, if that promises to cost nothing."""


def is_due(forgone: float, start: float, saving: float, doubt: float) -> bool:
    """Whether workers are to be started, by a prediction that may be wrong; pure.

    Ski rental with a prediction (Purohit, Svitkina and Kumar, "Improving Online Algorithms via ML
    Predictions", NeurIPS 2018): working on alone is to rent, at the seconds that workers would have
    saved so far (``forgone``); starting workers is to buy, for ``start`` seconds. A predicted ``saving``
    of more than that is acted on once ``doubt`` times the start has been forgone; without it workers
    are started all the same once 1/``doubt`` times the start has been forgone. With 0 < doubt <= 1 the
    loss is at most 1 + doubt times that of a choice that knows what comes, if the prediction was right,
    and at most 1 + 1/doubt times it, however wrong the prediction was. Doubt 1 is the rule without
    predictions: at most twice."""
    if saving > start:
        return forgone >= doubt * start
    return forgone >= start / doubt


def doubt(spread: float) -> float:
    """How far not to trust a prediction of this spread, from LEAST_DOUBT to 1. The spread holds both how
    far its neighbours lie apart and how right the predictions before it were (``learning``)."""
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
        if is_remote(one):
            continue  # its costs are measured, not modelled
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


def is_remote(prediction: Prediction) -> bool:
    """Whether the workers of a candidate are not of this process's own making."""
    return TRAITS[prediction.config.backend].remote
