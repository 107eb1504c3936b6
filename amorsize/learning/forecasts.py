"""Ranges that hold: how far forecasts have been wrong says how wide the next one is. Pure.

A forecast of s seconds with spread t (standard deviation of log seconds) that took r seconds has the
score log(r/s)/t. Of the earlier scores, and those of ``PRIOR``, the range between the 10th and the 90th
percentile holds the next one in 80 % (split conformal prediction: Papadopoulos et al., "Inductive
confidence machines for regression", ECML 2002; Lei et al., JASA 113, 2018), whatever their distribution,
as long as the next is like the earlier ones.
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
PRIOR = (-1.5, -0.96, -0.6, -0.38, -0.19, 0.0, 0.19, 0.38, 0.6, 0.96, 1.5)
"""Scores that are taken to have been seen before any were. Spreads are rather too wide: 80 % of known
runs lie within 0.96 of them, not 1.28 as in a normal distribution (``amorsize validate``, seeded: with
1.28 ranges held in 92 %, and in 94 % of third runs by benchmarks/learning/forecasts.py, machine idle)."""
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
        log(run.forecast.real_seconds / run.forecast.seconds) / run.forecast.spread
        for run in runs
        if run.outcome == "done"
        and run.forecast.runs > 0
        and run.forecast.spread > 0
        and run.forecast.seconds > 0
        and run.forecast.real_seconds > 0
    ]


def spread_of(configuration: float, items: float, runs: int) -> float:
    """Spread of a forecast: that of the configuration's efficiency and that of what items cost. Without
    earlier ``runs`` nothing but the cost model speaks for the configuration."""
    own = configuration if runs and configuration > 0 else FIRST_CALL_SPREAD
    return min(MOST_SPREAD, max(LEAST_SPREAD, float((own * own + items * items) ** 0.5)))


def range_of(
    seconds: float, spread: float, scores: Sequence[float], prior: Sequence[float] = PRIOR
) -> Range:
    """The 80 % range of a forecast, by the scores of earlier ones and those of the prior."""
    known = sorted((*prior, *scores))
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
    seconds: float, configuration: float, items: float, runs: Sequence[Observation]
) -> Forecast:
    """What is said of the items that are left: ``seconds`` by the plan, spreads of the configuration's
    efficiency and of the items, and the function's measured ``runs``."""
    spread = spread_of(configuration, items, len(runs))
    held = range_of(seconds, spread, scores_of(runs), PRIOR if runs else FIRST_CALL_PRIOR)
    return Forecast(seconds, spread, held.low, held.high, 0.0, len(runs))


def _quantile(ordered: Sequence[float], share: float) -> float:
    """Between the two nearest of the ordered values."""
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])
