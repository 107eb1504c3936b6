"""The checked bound: how few prototypes predict rows that nobody has seen as well as all rows do.

splits --> a reducer for each training part --> up a ladder of kept fractions, each judged by the
deployed predictor on the rows left out, overall and in each region --> the least that holds, judged
once more on rows that the ladder never saw
"""

from __future__ import annotations

import numpy as np

from amorsize.pruning.arrays import places
from amorsize.pruning.leave_one_out import errors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from dataclasses import dataclass
    from typing import Any

    from amorsize.learning.neighbors import Floats, Ints
    from amorsize.pruning.arrays import Kernel, Prototypes
    from amorsize.pruning.leave_one_out import Probes
    from amorsize.pruning.prototypes import Reducer

    Predict = Callable[[Any], Floats]
else:
    from amorsize.core.frozen import dataclass

CONFIDENT = 1.645
"""Standard errors to a one-sided 95 % limit."""
CERTIFIABLE_ROWS = 500
"""Fewer rows are judged by the point estimate where a strategy caps what may go, and the result is called
not certified."""
STEP = 2.0
FINE_STEPS, BEYOND = 2, 3
"""Each rung keeps so many times what the one below keeps; the last step is refined FINE_STEPS times, and
as many as BEYOND further ones are tried where regions had to be kept whole."""
MOST_FRACTION = 0.9
"""Keeping more than this is not worth a change."""
BENEFIT = 1.0
"""Standard errors that fewer than CERTIFIABLE_ROWS rows are given the benefit of: they could not prove
a bound that holds."""
FEW_ROWS_RMSE = 3.0
"""Times the tolerance that their root mean squared error, which a single row may decide, may grow by."""
HOPELESS = 3.0
"""A rung whose error has grown by so many times the tolerance is not repaired region by region."""
REGION_FACTOR, REGION_AIM = 2.0, 1.0
"""A region may lose so many times the tolerance; where there are rows enough, less is aimed at."""
SPARED_SHARE, SPARED_ROWS = 0.06, 0.016
"""Rows of small regions that stay whatever else goes, as a share of all; and how small they are, in rows
times the tolerance squared, for that is how many rows show a change of it. See `spared`."""
SMALL_SHARE, SMALL_BOOSTS = 0.05, 0
"""A region of no more than this share of all rows that fails more often than that is kept whole, which
costs little: prototypes of a few rows each average less noise than either rows or large prototypes do,
and it has too few rows to show which of them would do."""
MOST_OF_SMALL = 0.25
"""Nor is more than this share of its rows worth choosing."""
SMALL_REGION = 40
VARIANCE_ROWS = 10.0
"""Rows that the variance common to all regions counts as in each."""
LONGEST = 3.0
"""Standard errors that one region's estimate may add to how much regions differ."""
PROVEN = 3.0
"""Standard errors by which a breach in one of many regions is proved."""
BOOST, BOOSTS = 3.0, 7
"""A region that fails gets so many times more prototypes, so often, and is kept whole the last two
times."""
MANY, MANY_ROWS = 0.25, 0.3
"""A rung where a larger share of the regions fails, or small ones with a larger share of the rows, is
not repaired region by region."""
CONFIRMATIONS = 3
"""Times that sizes are confirmed anew after a region's breach was proved."""
REGIONS_DIFFER = 0.04
"""Standard deviation of the changes of regions that is taken for granted, for one odd region among many
like ones does not show in how much they all differ. In `benchmarks.pruning.evaluate` it was 0.03."""
CAUTION = (2.0, 1.5, 1.0, 0.5)
"""Standard errors of what is known of a region that a certain result keeps from its limit: the most by
which not too many rows are kept in regions that are whole."""
CAUTIOUS_ROWS, MOST_CAUTIOUS = 0.0016, 0.1
"""So many are not too many, as a share of all: times the tolerance, and at most."""
NEGLIGIBLE = 1e-6
"""Errors below this share of the targets' deviation are none."""


@dataclass(frozen=True)
class Judged:
    """Errors at rows that neither predictor has seen, in units of each target's deviation."""

    base: Floats
    pruned: Floats
    """Absolute errors, means over the outputs."""
    base_squares: Floats
    pruned_squares: Floats
    mass: Floats
    regions: Ints
    inside: Judged | None = None
    """The same at training rows predicted without themselves, where regions are judged by that too."""
    widening: float = 1.0
    """Of intervals, for rows that are tested in one part are training rows of the others."""

    def error_before(self) -> float:
        return float(self.mass @ self.base / self.mass.sum())

    def error_after(self) -> float:
        return float(self.mass @ self.pruned / self.mass.sum())

    def change(self) -> float:
        """Of the mean absolute error: 0.01 is 1 % more."""
        return _over(float(self.mass @ self.pruned), float(self.mass @ self.base))

    def squared_change(self) -> float:
        """Of the root mean squared error."""
        before, after = self.mass @ self.base_squares, self.mass @ self.pruned_squares
        return _over(float(after) ** 0.5, float(before) ** 0.5)

    def interval(self) -> tuple[float, float]:
        """95 % limits of `change`, by the standard error of the paired differences, corrected for parts
        that share training rows (Nadeau and Bengio, Machine Learning 2003)."""
        whole = float(self.mass @ self.base)
        if whole <= 0:
            return self.change(), self.change()
        ratio = 1.0 + self.change()
        doubt = 1.96 * _error_of_mean(self.pruned - ratio * self.base, self.mass)
        doubt *= self.widening * float(self.mass.sum()) / whole
        return self.change() - doubt, self.change() + doubt


def _over(after: float, before: float) -> float:
    return after / before - 1.0 if before > 0 else (0.0 if after <= 0 else np.inf)


def _error_of_mean(values: Floats, mass: Floats) -> float:
    share = mass / mass.sum()
    mean = float(share @ values)
    return float(np.sqrt((share**2) @ (values - mean) ** 2))


def exceeds(judged: Judged, tolerance: float, doubt: float) -> bool:
    """Whether the mean absolute error lies above ``1 + tolerance`` times the base's, or cannot be shown
    to lie below it, ``doubt`` standard errors considered."""
    mass = judged.mass
    excess = judged.pruned - (1.0 + tolerance) * judged.base
    mean = float(mass @ excess / mass.sum())
    return mean + doubt * _error_of_mean(excess, mass) > NEGLIGIBLE


def holds(judged: Judged, tolerance: float, doubt: float) -> bool:
    """Whether the bound holds over all rows, ``doubt`` standard errors considered; below 0 it is given
    the benefit of them."""
    most = tolerance if doubt >= 0 else FEW_ROWS_RMSE * tolerance
    if judged.squared_change() > most and float(judged.pruned_squares.max()) > NEGLIGIBLE:
        return False
    return not exceeds(judged, tolerance, doubt)


def region_changes(judged: Judged, regions: int) -> tuple[Floats, Floats]:
    """Of each region: change of the mean absolute error, and its standard error; NaN without rows.

    A region of few rows borrows its variance from the others, as if it had VARIANCE_ROWS more."""
    where, mass = judged.regions, judged.mass
    count = np.bincount(where, minlength=regions).astype(float)
    before = np.bincount(where, mass * judged.base, regions)
    after = np.bincount(where, mass * judged.pruned, regions)
    weight = np.bincount(where, mass, regions)
    with np.errstate(divide="ignore", invalid="ignore"):
        typical = np.maximum(before / weight, NEGLIGIBLE)
        change = (after / weight + NEGLIGIBLE) / (typical + NEGLIGIBLE) - 1.0
        excess = (judged.pruned - (1.0 + change[where]) * judged.base) / typical[where]
        variance = np.bincount(where, mass * excess**2, regions) / weight
        pooled = float(np.nansum(variance * count) / count.sum())
        variance = (count * variance + VARIANCE_ROWS * pooled) / (count + VARIANCE_ROWS)
        doubt = np.sqrt(variance / count)
    return change, doubt


def failing(
    judged: Judged,
    tolerance: float,
    regions: int,
    caution: float = 0.0,
) -> np.ndarray:
    """Of each region: whether its bound may fail, ``caution`` standard errors considered (below 0:
    forgiven).

    Estimates of few rows are drawn to what the region's training rows tell of it and the mean by which
    that is off, the more so the less the regions differ beyond chance (random effects: DerSimonian and
    Laird, Controlled Clinical Trials 1986)."""
    change, doubt = region_changes(judged, regions)
    with np.errstate(invalid="ignore"):
        alone = change - CONFIDENT * doubt > REGION_FACTOR * tolerance
    prior, unsure, careful = np.zeros(regions), np.zeros(regions), np.ones(regions, bool)
    if judged.inside is not None:
        told, off = region_changes(judged.inside, regions)
        careful = np.isfinite(told) & (off > 0)  # the others have too few rows to show anything
        if careful.any():
            mean, own = drawn(told[careful], off[careful], REGIONS_DIFFER)
            prior[:] = mean
            prior[careful] += own * (told[careful] - mean)
            unsure[careful] = np.sqrt(own) * off[careful]
        change, doubt = change - prior, np.hypot(doubt, unsure)
    seen = np.isfinite(change) & (doubt > 0)
    result = np.isfinite(change) & (doubt <= 0) & (change + prior > REGION_FACTOR * tolerance)
    if not seen.any():
        return result
    mean, own = drawn(change[seen], doubt[seen])
    expected = prior[seen] + mean + own * (change[seen] - mean)
    left = np.hypot(unsure[seen], np.sqrt(own) * doubt[seen]) * careful[seen]
    if caution <= 0:
        left = doubt[seen]
    factor = np.where((caution > 0) & careful[seen], REGION_AIM, REGION_FACTOR)
    result[seen] = expected + caution * left > factor * tolerance
    # training rows may be of no use to judge by where labels have no noise: they were fitted
    return result | alone if caution > 0 else result


def drawn(values: Floats, doubt: Floats, least: float = 0.0) -> tuple[float, Floats]:
    """Mean of estimates with these standard errors, and the share of its distance from the mean that
    each should keep: more, the more they differ beyond chance, taken to be ``least`` at least."""
    weight = doubt**-2.0
    mean = float(weight @ values / weight.sum())
    spare = weight.sum() - (weight**2).sum() / weight.sum()
    between = 0.0
    if spare > 0:
        # ratios of a handful of rows have long tails
        off = weight * np.minimum((values - mean) ** 2, (LONGEST * doubt) ** 2)
        between = max(0.0, float((off.sum() - (len(values) - 1)) / spare))
    between = max(between, least**2)
    return mean, between / (between + doubt**2)


@dataclass(frozen=True)
class Part:
    """One split: a reducer over its training rows, and the rows left out with the base's guesses."""

    reducer: Reducer
    train: Ints
    test: Ints
    base: Floats
    """What the predictor on all training rows says at the test rows: (rows, outputs)"""
    probes: Probes | None


@dataclass(frozen=True)
class Sizes:
    """How many prototypes: a share of the rows, and what each region gets on top of its due."""

    fraction: float
    boost: Floats

    def of(self, reducer: Reducer, spare: np.ndarray, least: int) -> Ints:
        """For each region of this reducer; ``spare``: those that are kept whole; ``least``: what
        the others keep at least."""
        rows = len(reducer.rows.mass)
        due = reducer.sizes(round(self.fraction * rows))
        due = np.ceil(np.minimum(np.maximum(due, least) * self.boost, reducer.counts)).astype(
            np.intp
        )
        few = (reducer.counts <= SMALL_SHARE * rows) & (due > MOST_OF_SMALL * reducer.counts)
        return np.where(spare | few, reducer.counts, due)


def spared(counts: Ints, tolerance: float) -> np.ndarray:
    """Of each region: whether it is too small to be touched.

    What a dozen rows say differs by luck from what their mean says, in a way that no check on such
    rows can see: of regions of 10 to 13 rows one in twelve lost over 4 % when merged, of larger ones
    few (Zipf over 200 workloads in `benchmarks.pruning.evaluate`). The smallest ones first, as long as
    they are no more than SPARED_SHARE of all rows."""
    order = np.argsort(counts, kind="stable")
    small = counts[order] <= min(SPARED_ROWS / max(tolerance, 1e-9) ** 2, SMALL_REGION)
    result = np.zeros(len(counts), bool)
    result[order] = small & (counts[order].cumsum() <= SPARED_SHARE * counts.sum())
    return result


class Checker:
    """Judges sizes on splits. ``fit(prototypes)`` gives a predictor: queries by position -> guesses;
    ``spare``: regions that are kept whole."""

    def __init__(
        self,
        parts: list[Part],
        y: Floats,
        mass: Floats,
        regions: Ints,
        kernel: Kernel,
        fit: Callable[[Part, Prototypes, Ints | None], Predict],
        spare: np.ndarray,
    ) -> None:
        self.parts, self.y, self.mass, self.regions = parts, y, mass, regions
        self.spare = spare
        # a predictor that counts prototypes, not rows, would else ask those of other regions
        self.least = 1 if kernel.by_mass or not regions.any() else int(np.ceil(kernel.k))
        self.kernel, self.fit = kernel, fit
        self.count = int(regions.max()) + 1
        share = mass / mass.sum()
        deviation = np.sqrt(share @ (y - share @ y) ** 2)
        self.unit = np.where(deviation > 0, deviation, 1.0)

    def judge(self, sizes: Sizes) -> Judged:
        """Errors with so many prototypes, on every part."""
        judged = self.judge_up_to(sizes, np.inf)
        assert judged is not None
        return judged

    def judge_up_to(self, sizes: Sizes, most: float) -> Judged | None:
        """The same; None as soon as the first part proves that the error grows by more than ``most``."""
        columns, inside = [], []
        for number, part in enumerate(self.parts):
            found, which = part.reducer.prototypes(
                sizes.of(part.reducer, self.spare, self.least), self.kernel
            )
            columns.append(self._errors(part, self.fit(part, found, which)(part.test)))
            if number == 0 and len(self.parts) > 1 and most < np.inf:
                early = Judged(*columns[0], self.mass[part.test], self.regions[part.test])
                if exceeds(early, most, -PROVEN):
                    return None
            if part.probes is not None:
                inside.append(self._inside(part, part.probes, found))
        one, two, three, four = (np.concatenate(column) for column in zip(*columns, strict=True))
        tested = np.concatenate([part.test for part in self.parts])
        told = None
        if inside:
            base, pruned, mass, regions = (np.concatenate(c) for c in zip(*inside, strict=True))
            told = Judged(base, pruned, base**2, pruned**2, mass, regions)
        training = sum(len(part.train) for part in self.parts) / len(self.parts)
        widening = (1.0 + len(tested) / training) ** 0.5
        mass, where = self.mass[tested], self.regions[tested]
        return Judged(one, two, three, four, mass, where, told, widening)

    def _inside(
        self, part: Part, at: Probes, found: Prototypes
    ) -> tuple[Floats, Floats, Floats, Ints]:
        rows = part.reducer.rows
        pruned = errors(found, rows, at, self.kernel, part.reducer.seed)
        return at.base, pruned, rows.mass[at.which], rows.regions[at.which]

    def _errors(self, part: Part, guess: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        truth = self.y[part.test]
        before, after = (part.base - truth) / self.unit, (guess - truth) / self.unit
        return (
            np.abs(before).mean(1),
            np.abs(after).mean(1),
            (before**2).mean(1),
            (after**2).mean(1),
        )

    def try_rung(
        self, fraction: float, boost: Floats, tolerance: float, certain: bool, most: float
    ) -> tuple[Sizes, Judged] | None:
        """Sizes near this fraction that hold, regions that fail strengthened; None if that takes more
        than ``most`` of the rows."""
        boost = boost.copy()
        hopeless = (HOPELESS if self.count > 1 else 1.0) * tolerance
        given, rows = self._given(Sizes(fraction, boost))
        if given.sum() >= most * rows.sum():
            return None
        for turn in range(BOOSTS + 1):
            sizes = Sizes(fraction, boost)
            judged = self.judge_up_to(sizes, hopeless)
            if judged is None:
                return None
            given, rows = self._given(sizes)
            weak = self._weak(judged, tolerance, certain, given >= rows, rows)
            whole = holds(judged, tolerance, CONFIDENT if certain else -BENEFIT)
            if whole and not weak.any():
                return sizes, judged
            if not whole and (not weak.any() or judged.change() > hopeless):
                return None
            large = rows > SMALL_SHARE * rows.sum()
            if turn == 0 and (
                (weak & large).sum() > max(2, MANY * self.count)
                or rows[weak & ~large].sum() > MANY_ROWS * rows.sum()
            ):
                return None  # the rung is too low
            can = weak & (given < rows)
            if not can.any():
                return (sizes, judged) if whole else None  # those regions are whole already
            stronger = turn < np.where(large, BOOSTS - 2, SMALL_BOOSTS)
            boost = np.where(can, np.where(stronger, boost * BOOST, np.inf), boost)
            if self._given(Sizes(fraction, boost))[0].sum() >= most * rows.sum():
                return None
        return None

    def _weak(
        self, judged: Judged, tolerance: float, certain: bool, full: np.ndarray, rows: Ints
    ) -> np.ndarray:
        """Regions that may fail, with as much caution as does not cost too many rows."""
        if not certain:
            return failing(judged, tolerance, self.count, -BENEFIT)
        budget = min(MOST_CAUTIOUS, CAUTIOUS_ROWS / max(tolerance, 1e-9)) * rows.sum()
        weak = np.zeros(self.count, bool)
        for caution in CAUTION:
            weak = failing(judged, tolerance, self.count, caution)
            small = weak & (rows <= SMALL_SHARE * rows.sum())
            if rows[small | full].sum() <= budget:
                break
        return weak

    def _given(self, sizes: Sizes) -> tuple[Ints, Ints]:
        """Prototypes and rows of each region, over all parts."""
        given = sum(sizes.of(part.reducer, self.spare, self.least) for part in self.parts)
        rows = sum(part.reducer.counts for part in self.parts)
        return np.asarray(given), np.asarray(rows)

    def climb(self, tolerance: float, certain: bool, floor: float) -> list[tuple[Sizes, Judged]]:
        """Sizes that hold, the least last; empty if none does.

        From ``floor`` up, for the error does not fall with every row that is kept: prototypes of two
        or three rows average less noise than either rows or prototypes of many do."""
        held: list[tuple[Sizes, Judged]] = []
        flat, most = np.ones(self.count), 1.0
        fraction, failed = floor, 0.0
        step = min(STEP, (MOST_FRACTION / floor) ** 0.5)
        while fraction < MOST_FRACTION:
            found = self.try_rung(fraction, flat, tolerance, certain, most)
            if found is not None:
                held.append(found)
                break
            failed, fraction = fraction, fraction * step
        # regions that are kept whole may cost more than what the rung saves
        for _ in range(BEYOND if held and np.isinf(held[-1][0].boost).any() else 0):
            fraction *= step
            found = self.try_rung(fraction, flat, tolerance, certain, self._share(held[-1][0]))
            if found is not None:
                held.append(found)
                failed = 0.0
        if not held or not failed:
            return held
        for _ in range(FINE_STEPS):
            last = held[-1][0].fraction
            fraction = (failed * last) ** 0.5
            found = self.try_rung(fraction, flat, tolerance, certain, self._share(held[-1][0]))
            if found is not None:
                held.append(found)
            else:
                failed = fraction
        return held

    def confirmed(
        self, sizes: Sizes, tolerance: float, certain: bool
    ) -> tuple[Sizes, Judged] | None:
        """The sizes, if these rows, which the ladder has not seen, agree overall; regions whose breach
        they prove are kept whole. None if they do not agree."""
        for _ in range(CONFIRMATIONS):
            judged = self.judge(sizes)
            if not holds(judged, tolerance, 0.0 if certain else -BENEFIT):
                return None
            given, rows = self._given(sizes)
            breach = breaches(judged, tolerance, self.count) & (given < rows)
            if not breach.any():
                return sizes, judged
            sizes = Sizes(sizes.fraction, np.where(breach, np.inf, sizes.boost))
        return None

    def wider(self, sizes: Sizes, tolerance: float, certain: bool) -> tuple[Sizes, Judged] | None:
        """The next larger sizes that hold."""
        fraction = sizes.fraction * STEP
        while fraction < MOST_FRACTION:
            found = self.try_rung(fraction, sizes.boost, tolerance, certain, 1.0)
            if found is not None:
                return found
            fraction *= STEP
        return None

    def _share(self, sizes: Sizes) -> float:
        given, rows = self._given(sizes)
        return float(given.sum() / rows.sum())


def breaches(judged: Judged, tolerance: float, regions: int) -> np.ndarray:
    """Of each region: whether its breach can be proved."""
    change, doubt = region_changes(judged, regions)
    with np.errstate(invalid="ignore"):
        return np.asarray(change - PROVEN * doubt > REGION_FACTOR * tolerance)


def folds(strata: Ints, count: int, rng: np.random.Generator) -> list[tuple[Ints, Ints]]:
    """Rows in ``count`` parts of which each is left out once; every stratum is in every part as
    evenly as it can be."""
    shuffled = rng.permutation(len(strata))
    turn = np.empty(len(strata), np.intp)
    turn[shuffled] = (
        places(strata[shuffled]) + rng.integers(0, count, int(strata.max()) + 1)[strata[shuffled]]
    ) % count
    return [(np.flatnonzero(turn != i), np.flatnonzero(turn == i)) for i in range(count)]


def hold_out(rows: int, size: int, rng: np.random.Generator) -> tuple[Ints, Ints, Ints]:
    """Training rows, and two parts left out of ``size`` rows together."""
    order = rng.permutation(rows)
    half = size // 2
    return np.sort(order[size:]), order[:half], order[half:size]
