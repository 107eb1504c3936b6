"""Whether the error at rows left out stays within the bound, over all rows and in each region.

The values here are statistics alone: `size_search` produces the errors and asks for the verdicts.
"""

from __future__ import annotations

import numpy as np

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dataclasses import dataclass

    from amorsize.learning.neighbors import Floats, Ints
else:
    from amorsize.core.frozen import dataclass

CONFIDENT = 1.645
"""Standard errors to a one-sided 95 % limit."""
CERTIFIABLE_ROWS = 500
"""Rows from which a bound can be proved. Below, a strategy caps what may go, the point estimate decides,
and the result is called not certified."""
BENEFIT = 1.0
"""Standard errors that a sample below CERTIFIABLE_ROWS is given the benefit of: it could not prove a
bound that holds."""
FEW_ROWS_RMSE = 3.0
"""With the benefit of BENEFIT, the root mean squared error may grow by so many times the tolerance: a
single row may decide it."""
REGION_FACTOR, REGION_AIM = 2.0, 1.0
"""Error that a region may gain, in times the tolerance: the bound, and what the search aims at where the
region has rows enough."""
VARIANCE_ROWS = 10.0
"""Rows as which the variance common to all regions counts in the variance of each."""
LONGEST = 3.0
"""Standard errors at which one region's distance from the mean is cut off, when the spread of all
regions is estimated: ratios of a handful of rows have long tails."""
PROVEN = 3.0
"""Standard errors by which a breach in one of many regions is proved."""
REGIONS_DIFFER = 0.04
"""Standard deviation of the changes of regions that is assumed at least: one odd region among many like
ones does not show in the estimate of how much all of them differ. In `benchmarks.pruning.evaluate` it
was 0.03."""
NEGLIGIBLE = 1e-6
"""Errors below this share of the targets' standard deviation count as zero."""


@dataclass(frozen=True)
class Bound:
    """What is promised, and how much proof is asked for."""

    tolerance: float
    """Share that the error may grow by."""
    certain: bool
    """Whether the bound must hold with 95 % confidence; else BENEFIT is given."""

    @property
    def caution(self) -> float:
        """Standard errors that `holds` adds to the estimate: below 0, they are given as a benefit."""
        return CONFIDENT if self.certain else -BENEFIT


@dataclass(frozen=True)
class HeldOutErrors:
    """Errors of two predictors at rows that neither has seen, in units of each target's deviation."""

    base: Floats
    """Absolute errors of the predictor on all training rows, means over the outputs."""
    pruned: Floats
    """The same of the predictor on prototypes."""
    base_squares: Floats
    pruned_squares: Floats
    """Squared errors, means over the outputs."""
    mass: Floats
    regions: Ints
    inside: HeldOutErrors | None = None
    """Errors at training rows, each predicted without itself; None where regions are not judged by
    them."""
    widening: float = 1.0
    """Factor of intervals: rows that are tested in one split are training rows of the other splits."""

    def error_before(self) -> float:
        """Mean absolute error of the predictor on all training rows."""
        return float(self.mass @ self.base / self.mass.sum())

    def error_after(self) -> float:
        """Mean absolute error of the predictor on prototypes."""
        return float(self.mass @ self.pruned / self.mass.sum())

    def change(self) -> float:
        """Relative change of the mean absolute error: 0.01 is 1 % more."""
        return _relative_change(float(self.mass @ self.pruned), float(self.mass @ self.base))

    def rmse_change(self) -> float:
        """Relative change of the root mean squared error."""
        before, after = self.mass @ self.base_squares, self.mass @ self.pruned_squares
        return _relative_change(float(after) ** 0.5, float(before) ** 0.5)

    def interval(self) -> tuple[float, float]:
        """95 % limits of `change`, by the standard error of the paired differences, corrected for splits
        that share training rows (Nadeau and Bengio, Machine Learning 2003)."""
        whole = float(self.mass @ self.base)
        if whole <= 0:
            return self.change(), self.change()
        ratio = 1.0 + self.change()
        reach = 1.96 * _standard_error(self.pruned - ratio * self.base, self.mass)
        reach *= self.widening * float(self.mass.sum()) / whole
        return self.change() - reach, self.change() + reach


def _relative_change(after: float, before: float) -> float:
    return after / before - 1.0 if before > 0 else (0.0 if after <= 0 else np.inf)


def _standard_error(values: Floats, mass: Floats) -> float:
    """Standard error of the weighted mean."""
    share = mass / mass.sum()
    mean = float(share @ values)
    return float(np.sqrt((share**2) @ (values - mean) ** 2))


def exceeds(errors: HeldOutErrors, tolerance: float, caution: float) -> bool:
    """Whether the mean absolute error, ``caution`` standard errors added, lies above ``1 + tolerance``
    times that of the base."""
    mass = errors.mass
    excess = errors.pruned - (1.0 + tolerance) * errors.base
    mean = float(mass @ excess / mass.sum())
    return mean + caution * _standard_error(excess, mass) > NEGLIGIBLE


def holds(errors: HeldOutErrors, tolerance: float, caution: float) -> bool:
    """Whether the bound holds over all rows, ``caution`` standard errors added (below 0: subtracted)."""
    most = tolerance if caution >= 0 else FEW_ROWS_RMSE * tolerance
    if errors.rmse_change() > most and float(errors.pruned_squares.max()) > NEGLIGIBLE:
        return False
    return not exceeds(errors, tolerance, caution)


def region_changes(errors: HeldOutErrors, regions: int) -> tuple[Floats, Floats]:
    """Change of the mean absolute error of each region, and its standard error; NaN without rows.

    A region of few rows borrows its variance from the other regions, as if it had VARIANCE_ROWS more."""
    where, mass = errors.regions, errors.mass
    count = np.bincount(where, minlength=regions).astype(float)
    before = np.bincount(where, mass * errors.base, regions)
    after = np.bincount(where, mass * errors.pruned, regions)
    weight = np.bincount(where, mass, regions)
    with np.errstate(divide="ignore", invalid="ignore"):
        typical = np.maximum(before / weight, NEGLIGIBLE)
        change = (after / weight + NEGLIGIBLE) / (typical + NEGLIGIBLE) - 1.0
        excess = (errors.pruned - (1.0 + change[where]) * errors.base) / typical[where]
        variance = np.bincount(where, mass * excess**2, regions) / weight
        pooled = float(np.nansum(variance * count) / count.sum())
        variance = (count * variance + VARIANCE_ROWS * pooled) / (count + VARIANCE_ROWS)
        standard_error = np.sqrt(variance / count)
    return change, standard_error


def failing(
    errors: HeldOutErrors,
    tolerance: float,
    regions: int,
    caution: float = 0.0,
) -> np.ndarray:
    """For each region: whether its bound may fail, ``caution`` standard errors added (below 0:
    subtracted).

    An estimate from few rows is shrunk towards what the region's training rows predict plus their mean
    bias, the more so the less the regions differ beyond chance (random effects: DerSimonian and Laird,
    Controlled Clinical Trials 1986)."""
    change, standard_error = region_changes(errors, regions)
    with np.errstate(invalid="ignore"):
        alone = change - CONFIDENT * standard_error > REGION_FACTOR * tolerance
    prior, unsure, careful = np.zeros(regions), np.zeros(regions), np.ones(regions, bool)
    if errors.inside is not None:
        known, known_error = region_changes(errors.inside, regions)
        # a region without an estimate of its own has too few rows to show anything
        careful = np.isfinite(known) & (known_error > 0)
        if careful.any():
            mean, own = shrunk(known[careful], known_error[careful], REGIONS_DIFFER)
            prior[:] = mean
            prior[careful] += own * (known[careful] - mean)
            unsure[careful] = np.sqrt(own) * known_error[careful]
        change, standard_error = change - prior, np.hypot(standard_error, unsure)
    seen = np.isfinite(change) & (standard_error > 0)
    result = (
        np.isfinite(change) & (standard_error <= 0) & (change + prior > REGION_FACTOR * tolerance)
    )
    if not seen.any():
        return result
    mean, own = shrunk(change[seen], standard_error[seen])
    expected = prior[seen] + mean + own * (change[seen] - mean)
    left = np.hypot(unsure[seen], np.sqrt(own) * standard_error[seen]) * careful[seen]
    if caution <= 0:
        left = standard_error[seen]
    factor = np.where((caution > 0) & careful[seen], REGION_AIM, REGION_FACTOR)
    result[seen] = expected + caution * left > factor * tolerance
    # training rows say nothing where labels have no noise, for prototypes are fitted to them
    return result | alone if caution > 0 else result


def breaches(errors: HeldOutErrors, tolerance: float, regions: int) -> np.ndarray:
    """For each region: whether its breach of the bound is proved."""
    change, standard_error = region_changes(errors, regions)
    with np.errstate(invalid="ignore"):
        return np.asarray(change - PROVEN * standard_error > REGION_FACTOR * tolerance)


def shrunk(values: Floats, standard_error: Floats, least: float = 0.0) -> tuple[float, Floats]:
    """Mean of estimates, and the share of its distance from the mean that each estimate keeps.

    The share is larger, the more the estimates differ beyond chance; their true standard deviation is
    taken to be ``least`` at least."""
    weight = standard_error**-2.0
    mean = float(weight @ values / weight.sum())
    spare = weight.sum() - (weight**2).sum() / weight.sum()
    between = 0.0
    if spare > 0:
        distance = weight * np.minimum((values - mean) ** 2, (LONGEST * standard_error) ** 2)
        between = max(0.0, float((distance.sum() - (len(values) - 1)) / spare))
    between = max(between, least**2)
    return mean, between / (between + standard_error**2)
