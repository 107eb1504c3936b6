"""Means with honest limits."""

from __future__ import annotations

from math import inf, sqrt
from statistics import NormalDist, fmean, stdev

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from dataclasses import dataclass
else:
    from amorsize.core.frozen import dataclass


@dataclass(frozen=True)
class Estimate:
    """A mean and its two-sided 95 % limits."""

    mean: float
    low: float
    high: float
    count: int

    def __str__(self) -> str:
        return f"{self.mean:+.1%} ({self.low:+.1%} to {self.high:+.1%})"


def estimate(values: Sequence[float]) -> Estimate:
    """Student's limits of the mean of independent values; infinite for a single one."""
    count, mean = len(values), fmean(values)
    if count < 2:
        return Estimate(mean, -inf, inf, count)
    reach = quantile(count - 1) * stdev(values) / sqrt(count)
    return Estimate(mean, mean - reach, mean + reach, count)


def quantile(freedom: int, probability: float = 0.975) -> float:
    """Quantile of Student's t, to three digits from 2 degrees of freedom on.

    Cornish-Fisher expansion: Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.5; exact
    forms for 1 and 2."""
    if freedom == 1:
        from math import pi, tan

        return tan(pi * (probability - 0.5))
    if freedom == 2:
        spread = 2 * probability - 1
        return spread * sqrt(2 / (1 - spread**2))
    x = NormalDist().inv_cdf(probability)
    terms = (
        (x**3 + x) / 4,
        (5 * x**5 + 16 * x**3 + 3 * x) / 96,
        (3 * x**7 + 19 * x**5 + 17 * x**3 - 15 * x) / 384,
        (79 * x**9 + 776 * x**7 + 1482 * x**5 - 1920 * x**3 - 945 * x) / 92160,
    )
    found: float = x + sum(term / freedom ** (power + 1) for power, term in enumerate(terms))
    return found
