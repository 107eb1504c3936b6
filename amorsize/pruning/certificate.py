"""What rows left out prove about the error of fewer rows, over all rows and in each region.

The test is paired and one-sided. The excess of a row is ``pruned - (1 + tolerance) * base``, its loss by
the prototypes less what its loss by all training rows may become. The mean excess over its standard
error is Student's t, with Johnson's correction for skewness (Journal of the American Statistical
Association 1978) and the cubic term that keeps it monotone (Hall, Journal of the Royal Statistical
Society B 1992): without it much evidence turned into none where a few losses are large. Losses have no
bound, so the excess is cut below at the negative of its largest value: ``max(d, -c) >= d`` makes the mean
larger and the test more careful, and the tail that is left is at most the difference of the two
predictions, for ``|a - y| - |b - y| <= |a - b|``. Assumed: rows left out are like rows to come, and the
law of large numbers for errors of cross-validation (Bayle et al., "Cross-validation confidence intervals
for test error", NeurIPS 2020).
"""

from __future__ import annotations

from math import copysign, inf, log, log1p, sqrt
from statistics import NormalDist

import numpy as np

from amorsize.core.frozen import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dataclasses import dataclass

    from amorsize.learning.neighbors import Floats, Ints
else:
    from amorsize.core.frozen import dataclass

CERTIFIABLE_ROWS = 500
"""Rows from which a strategy must prove its bound. Below, its cap limits what may go, and the result is
called not certified."""
FORGIVEN = NormalDist().cdf(1.0)
"""Level of the test below CERTIFIABLE_ROWS: one standard error is forgiven (rule of one standard error:
Breiman et al., "Classification and regression trees", 1984)."""
REGION_FACTOR = 2.0
"""Error that a region may gain, in times the tolerance: a part of the promise."""
NEGLIGIBLE = 1e-6
"""Errors below this share of the targets' standard deviation count as zero."""

CERTIFIED, ESTIMATED, WHOLE = "certified", "estimated", "whole"
"""Verdicts on a region."""


@dataclass(frozen=True)
class Losses:
    """Losses of two predictors at rows that neither has seen, in units of each target's deviation."""

    base: Floats
    """Absolute errors of the predictor on all training rows, means over the outputs."""
    pruned: Floats
    """The same of the predictor on prototypes."""
    base_squares: Floats
    pruned_squares: Floats
    """Squared errors, means over the outputs."""
    mass: Floats
    regions: Ints

    def error_before(self) -> float:
        """Mean absolute error of the predictor on all training rows."""
        return float(self.mass @ self.base / self.mass.sum())

    def error_after(self) -> float:
        """Mean absolute error of the predictor on prototypes."""
        return float(self.mass @ self.pruned / self.mass.sum())

    def change(self) -> float:
        """Relative change of the mean absolute error: 0.01 is 1 % more."""
        return relative_change(self.error_after(), self.error_before())

    def rmse_change(self) -> float:
        """Relative change of the root mean squared error."""
        before, after = self.mass @ self.base_squares, self.mass @ self.pruned_squares
        return relative_change(float(after) ** 0.5, float(before) ** 0.5)

    def interval(self) -> tuple[float, float]:
        """95 % limits of `change`, by the standard error of the paired differences."""
        change, before = self.change(), self.error_before()
        if not 0.0 < before < inf or change == inf:
            return change, change
        share = self.mass / self.mass.sum()
        off = self.pruned - (1.0 + change) * self.base
        reach = 1.96 * sqrt(share**2 @ off**2) / before
        return change - reach, change + reach

    def whole(self, regions: np.ndarray) -> Losses:
        """The same with all rows kept in these regions (a mask): losses are those of the base there."""
        return self.taking(regions, self.base, self.base_squares)

    def taking(self, regions: np.ndarray, pruned: Floats, squares: Floats) -> Losses:
        """The same with other losses by prototypes in these regions (a mask)."""
        here = regions[self.regions]
        return replace(
            self,
            pruned=np.where(here, pruned, self.pruned),
            pruned_squares=np.where(here, squares, self.pruned_squares),
        )

    def score(self, tolerance: float, level: float) -> float:
        """Evidence that the mean absolute error grows by less than the tolerance, in standard deviations
        of a normal variable; none where the root mean squared error grows by more, as far as these rows
        tell: squares of errors have too long tails to prove more of."""
        factor = (1.0 + tolerance) ** 2
        squares = evidence(self.base_squares, self.pruned_squares, self.mass, factor)
        if squares < min(0.0, needed(level)):
            return -inf
        return evidence(self.base, self.pruned, self.mass, 1.0 + tolerance)

    def region_scores(self, tolerance: float, regions: int) -> Floats:
        """Evidence that the absolute error of each region grows by less than its own tolerance."""
        order = np.argsort(self.regions, kind="stable")
        ends = np.bincount(self.regions, minlength=regions).cumsum()[:-1]
        factor = 1.0 + REGION_FACTOR * tolerance
        return np.array(
            [
                evidence(self.base[rows], self.pruned[rows], self.mass[rows], factor)
                for rows in np.split(order, ends)
            ]
        )


def joined(parts: list[Losses]) -> Losses:
    """Losses at the rows of all parts."""
    names = ("base", "pruned", "base_squares", "pruned_squares", "mass", "regions")
    return Losses(*(np.concatenate([getattr(one, name) for one in parts]) for name in names))


def relative_change(after: float, before: float) -> float:
    """``after / before - 1``; 0 where both are zero."""
    return after / before - 1.0 if before > 0 else (0.0 if after <= 0 else inf)


def evidence(base: Floats, pruned: Floats, mass: Floats, factor: float) -> float:
    """Evidence that the mean of ``pruned`` lies below ``factor`` times that of ``base``: a score that is
    standard normal, or smaller, where the two are equal. Minus infinity for fewer than two rows."""
    if len(base) < 2:
        return -inf
    share = mass / mass.sum()
    excess = pruned - factor * base
    excess = np.maximum(excess, -max(excess.max(), (factor - 1.0) * float(share @ base)))
    mean = float(share @ excess) - NEGLIGIBLE
    rows = 1.0 / float(share @ share)  # effective ones (Kish, "Survey sampling", 1965)
    off = excess - share @ excess
    variance = float(share @ off**2) * rows / max(rows - 1.0, 1e-9)
    if variance <= NEGLIGIBLE**2:
        return copysign(inf, -mean)
    third = float(share @ off**3)
    bend = third / (3.0 * variance**2)
    corrected = mean + third / (6.0 * variance * rows) + bend * mean**2 + bend**2 / 3.0 * mean**3
    return -normal_score(corrected / sqrt(variance / rows), rows - 1.0)


def normal_score(t: float, freedom: float) -> float:
    """The normal score that is as rare as Student's ``t`` (Wallace, Annals of Mathematical Statistics
    1959)."""
    factor = (8.0 * freedom + 1.0) / (8.0 * freedom + 3.0)
    return copysign(factor * sqrt(freedom * log1p(t * t / freedom)), t)


def needed(level: float) -> float:
    """Score that proves at this level."""
    return NormalDist().inv_cdf(1.0 - level)


def spent(level: float, number: int, carried: float = 0.0) -> float:
    """Level of the ``number``-th pruning, 1.., of a history: all of them together have ``level``.

    The sum of ``1 / ((n + 1) log(n + 1)^2)`` over all n is 2.11 (alpha spending by a series that falls as
    slowly as one can that converges: Robbins, "Statistical methods related to the law of the iterated
    logarithm", Annals of Mathematical Statistics 1970). ``carried``: level of the pruning before, if its
    test passed; a test that passes spends nothing, however the tests depend on each other (the fallback
    procedure: Tian and Ramdas, "Online control of the familywise error rate", Statistical Methods in
    Medical Research 2021)."""
    return level / (2.11 * (number + 1) * log(number + 1) ** 2) + min(carried, level)


def proven(scores: Floats, level: float) -> np.ndarray:
    """Which of many scores prove, false ones at most a share ``level`` of them in the mean (Benjamini and
    Hochberg, Journal of the Royal Statistical Society B 1995)."""
    rare = np.array([NormalDist().cdf(-score) for score in scores])
    order = np.sort(rare)
    held = np.flatnonzero(order <= level * np.arange(1, len(order) + 1) / len(order))
    return rare <= (order[held[-1]] if len(held) else -1.0)


def breach(losses: Losses, regions: int, tolerance: float) -> Floats:
    """Probability that the error of each region grows by more than its tolerance, by all of them.

    The changes of regions are drawn from one distribution, of whatever shape: the most likely one, on a
    grid (Kiefer and Wolfowitz, Annals of Mathematical Statistics 1956; found by expectation and
    maximisation). What a region's own rows say is normal around its change, with the variance of a row
    that all regions have in common, relative to the region's error. A region without rows is like any."""
    where, mass, limit = losses.regions, losses.mass, REGION_FACTOR * tolerance
    weight = np.maximum(np.bincount(where, mass, regions), 1e-300)
    rows = weight**2 / np.maximum(np.bincount(where, mass**2, regions), 1e-300)
    seen = np.bincount(where, minlength=regions) > 0
    typical = np.bincount(where, mass * losses.base, regions) / weight + NEGLIGIBLE
    change = np.bincount(where, mass * losses.pruned, regions) / weight / typical - 1.0
    off = (losses.pruned - (1.0 + change[where]) * losses.base) / typical[where]
    freedom = max(1, len(where) - int(seen.sum()))
    doubt = np.sqrt(
        float(mass @ off**2 / mass.sum()) * len(where) / freedom / np.maximum(rows, 1e-300)
    )
    # steps grow with the distance from no change; one of the points is the limit itself
    grid = limit * np.sinh(np.linspace(-5.0, 5.0, 201)) / np.sinh(1.0)
    change = np.clip(change, grid[0], grid[-1])
    away = (change[:, None] - grid) / np.maximum(doubt, 0.1 * limit)[:, None]
    likely = np.where(seen[:, None], np.exp(-0.5 * np.minimum(away**2, 500.0)), 1.0)
    prior = np.full(len(grid), 1.0 / len(grid))
    for _ in range(100):
        posterior = likely * prior
        posterior /= posterior.sum(1, keepdims=True)
        prior = posterior[seen].mean(0)
    return np.asarray(posterior[:, grid > limit].sum(1))


def verdicts(
    losses: Losses, searched: Losses, fractions: Floats, tolerance: float, level: float
) -> np.ndarray:
    """Of each region: certified by its own rows; estimated, if all that are not certified keep the bound
    of a region together, and the region itself does more likely than not, by all regions; else whole.

    ``fractions``: of 1 for regions that are whole already. What is tested together includes what is then
    kept whole as unlikely, so that it is not chosen by its own test."""
    regions = len(fractions)
    told = np.where(proven(losses.region_scores(tolerance, regions), level), CERTIFIED, WHOLE)
    told[fractions >= 1.0] = WHOLE
    open_ = (told == WHOLE) & (fractions < 1.0)
    pool = open_[losses.regions]
    together = evidence(
        losses.base[pool],
        losses.pruned[pool],
        losses.mass[pool],
        1.0 + REGION_FACTOR * tolerance,
    ) >= needed(level)
    if together:
        told[open_ & (breach(joined([losses, searched]), regions, tolerance) <= 0.5)] = ESTIMATED
    return told
