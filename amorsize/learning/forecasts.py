"""Ranges that hold: how far forecasts have been wrong says how wide the next one is. Pure.

A forecast of s seconds with spread t (standard deviation of log seconds) that took r seconds has the
score log(r/s)/t. Of the earlier scores, and those of a prior, the range between the 10th and the 90th
percentile holds the next one in 80 % (split conformal prediction: Papadopoulos et al., "Inductive
confidence machines for regression", ECML 2002; Lei et al., JASA 113, 2018), whatever their distribution,
as long as the next is like the earlier ones.

Three kinds of scores count, each with its weight: those of the prior, which is the normal distribution
that a spread stands for; those of the newest forecasts of all functions of the history, known functions
and first calls apart; and those of the function itself, which are most like the next.
"""

from __future__ import annotations

from math import exp, hypot, log

from amorsize.core.frozen import dataclass, replace
from amorsize.core.model import Forecast
from amorsize.learning.item_sizes import SIZE_DOUBT, SIZE_POWER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from amorsize.core.observation import Observation

COVERAGE = 0.8
"""Share of runs whose seconds the range is to hold."""
PRIOR = (-1.69, -1.1, -0.75, -0.47, -0.23, 0.0, 0.23, 0.47, 0.75, 1.1, 1.69)
"""Scores that are taken to have been seen before any were: the middles of eleven equal parts of the
normal distribution. Not fitted to anything."""
OWN_WEIGHT = 4.0
"""What a score of the function itself counts; one of another function, or of the prior, counts 1. Three
runs then outweigh the prior, and sixteen half of what a history keeps of others."""
NORMAL_TENTH = 1.28
"""Standard deviations from the middle of a normal distribution to its 10th percentile."""
FIRST_CALL_PRIOR = (-1.3, -0.8, -0.5, -0.2, 0.0, 0.3, 0.6, 1.0, 1.6, 2.5, 4.0)
"""The same for first calls, which rather take longer than was said: data that begin with their light end,
cores that others use (benchmarks/learning/forecasts.py)."""
FIRST_CALL_SPREAD = 0.35
"""Standard deviation of log seconds beyond that of the items, of what the cost model says of a
configuration that never ran here (benchmarks/learning/forecasts.py)."""
LEAST_SPREAD, MOST_SPREAD = 0.05, 2.3
"""Two identical runs differ by as much on an idle machine; of what is not known at all, most is within a
factor of 10."""


@dataclass(frozen=True)
class Range:
    """An 80 % range in seconds."""

    low: float
    high: float


def scores_of(runs: Sequence[Observation]) -> list[float]:
    """How wrong the forecasts of earlier runs were, in their own spreads; first calls do not count."""
    return [
        score
        for run in runs
        if run.outcome == "done" and run.forecast.runs > 0
        for score in (score_of(run.forecast),)
        if score is not None
    ]


def score_of(said: Forecast) -> float | None:
    """How wrong a forecast was, in its own spreads; None where nothing was said or nothing came of it."""
    if min(said.spread, said.seconds, said.real_seconds) <= 0:
        return None
    return log(said.real_seconds / said.seconds) / said.spread


def spread_of(configuration: float, items: float, runs: int) -> float:
    """Spread of a forecast: that of the configuration's efficiency and that of what items cost. Without
    earlier ``runs`` nothing but the cost model speaks for the configuration."""
    own = configuration if runs and configuration > 0 else FIRST_CALL_SPREAD
    return min(MOST_SPREAD, max(LEAST_SPREAD, float((own * own + items * items) ** 0.5)))


def range_of(
    seconds: float,
    spread: float,
    scores: Sequence[float],
    prior: Sequence[float] = PRIOR,
    others: Sequence[float] = (),
) -> Range:
    """The 80 % range of a forecast, by the scores of the function's earlier ones, those of ``others`` in
    the history, and those of the prior."""
    known = [(score, OWN_WEIGHT) for score in scores]
    known += [(score, 1.0) for score in (*others, *prior)]
    known.sort()
    low, high = _quantile(known, (1 - COVERAGE) / 2), _quantile(known, (1 + COVERAGE) / 2)
    return Range(seconds * exp(min(low, 0.0) * spread), seconds * exp(max(high, 0.0) * spread))


def by_size(forecast: Forecast, ratio: float) -> Forecast:
    """A first call's forecast where the items left are larger than those seen, ``ratio`` being the
    logarithm of how much: how far cost follows size is not known, so the range is wider by that."""
    if not ratio or forecast.seconds <= 0:
        return forecast
    seconds = forecast.seconds * exp(SIZE_POWER * ratio)
    doubt = SIZE_DOUBT * ratio
    down = hypot(log(forecast.seconds / forecast.low_seconds), NORMAL_TENTH * doubt)
    up = hypot(log(forecast.high_seconds / forecast.seconds), NORMAL_TENTH * doubt)
    return replace(
        forecast,
        seconds=seconds,
        spread=hypot(forecast.spread, doubt),
        low_seconds=seconds * exp(-down),
        high_seconds=seconds * exp(up),
    )


def forecast_of(
    seconds: float,
    configuration: float,
    items: float,
    runs: Sequence[Observation],
    errors: tuple[Sequence[float], Sequence[float]] = ((), ()),
) -> Forecast:
    """What is said of the items that are left: ``seconds`` by the plan, spreads of the configuration's
    efficiency and of the items, and the function's measured ``runs``. ``errors``: scores of other
    functions of the history, of known ones and of first calls."""
    spread = spread_of(configuration, items, len(runs))
    if runs:
        held = range_of(seconds, spread, scores_of(runs), PRIOR, errors[0])
    else:
        held = range_of(seconds, spread, (), FIRST_CALL_PRIOR, errors[1])
    return Forecast(seconds, spread, held.low, held.high, 0.0, len(runs))


def _quantile(ordered: Sequence[tuple[float, float]], share: float) -> float:
    """Of ordered values with weights, each standing in the middle of its weight; straight lines between
    them."""
    wanted = share * sum([weight for _, weight in ordered])
    below, place, passed = ordered[0][0], 0.0, 0.0
    for value, weight in ordered:
        middle = passed + 0.5 * weight
        if middle >= wanted:
            part = (wanted - place) / (middle - place) if passed else 1.0
            return below + part * (value - below)
        below, place, passed = value, middle, passed + weight
    return below
