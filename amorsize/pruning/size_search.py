"""How few prototypes keep the bound: kept fractions are tried upwards, each judged at rows left out.

splits --> a reducer for each training part --> kept fractions in rising order, each judged by the
deployed predictor on the rows left out, overall and in each region --> the least that holds, judged
once more on rows that the search never saw
"""

from __future__ import annotations

import numpy as np

from amorsize.pruning.error_bound import (
    BENEFIT,
    PROVEN,
    HeldOutErrors,
    breaches,
    exceeds,
    failing,
    holds,
)
from amorsize.pruning.leave_one_out import errors_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dataclasses import dataclass

    from amorsize.learning.neighbors import Floats, Ints
    from amorsize.pruning.arrays import Prototypes
    from amorsize.pruning.error_bound import Bound
    from amorsize.pruning.leave_one_out import Sample
    from amorsize.pruning.problem import Problem
    from amorsize.pruning.prototypes import Reducer
    from amorsize.pruning.splits import Split
else:
    from amorsize.core.frozen import dataclass

STEP = 2.0
"""Factor from one kept fraction that is tried to the next."""
FINE_STEPS, BEYOND = 2, 3
"""Fractions tried between the last that failed and the first that held; and larger ones that are tried
where regions had to be kept whole, which may cost more than the fraction saves."""
MOST_FRACTION = 0.9
"""Keeping more than this share is not worth a change."""
HOPELESS = 3.0
"""A fraction whose error has grown by so many times the tolerance is not repaired region by region."""
WHOLE_SHARE, WHOLE_ROWS = 0.06, 0.016
"""Rows of small regions that stay whatever else goes, as a share of all; and how small those regions
are, in rows times the tolerance squared, for that is how many rows show a change of it. See
`kept_whole`."""
SMALL_REGION = 40
"""Rows of the largest region that `kept_whole` spares, however small the tolerance."""
SMALL_SHARE = 0.05
"""A region of no more than this share of all rows that fails is kept whole at once, which costs little:
prototypes of a few rows each average less noise than either rows or large prototypes do, and the region
has too few rows to show which of them would do."""
MOST_OF_SMALL = 0.25
"""A small region that needs more than this share of its rows is kept whole: choosing among them gains
little."""
BOOST, BOOSTS = 3.0, 7
"""A large region that fails gets BOOST times the prototypes, up to BOOSTS times, and is kept whole the
last two times."""
MANY, MANY_ROWS = 0.25, 0.3
"""A fraction is not repaired region by region where more than MANY of the regions are large and fail, or
small ones with more than MANY_ROWS of all rows fail."""
CONFIRMATIONS = 3
"""Times that sizes are confirmed anew after a region's breach was proved."""
CAUTION = (2.0, 1.5, 1.0, 0.5)
"""Standard errors that a certain result keeps between a region's estimate and its limit: the first of
these by which not too many rows are kept in regions that are whole."""
CAUTIOUS_ROWS, MOST_CAUTIOUS = 0.0016, 0.1
"""How many rows are not too many, as a share of all: CAUTIOUS_ROWS over the tolerance, MOST_CAUTIOUS at
most."""


@dataclass(frozen=True)
class Sizes:
    """How many prototypes: a share of the rows, and a factor for each region."""

    fraction: float
    boost: Floats

    def of(self, reducer: Reducer, whole: np.ndarray, least: int) -> Ints:
        """Prototypes of each region of this reducer.

        ``whole``: regions that are kept whole; ``least``: what the other regions keep at least."""
        rows = len(reducer.rows.mass)
        due = reducer.sizes(round(self.fraction * rows))
        due = np.ceil(np.minimum(np.maximum(due, least) * self.boost, reducer.counts)).astype(
            np.intp
        )
        few = (reducer.counts <= SMALL_SHARE * rows) & (due > MOST_OF_SMALL * reducer.counts)
        return np.where(whole | few, reducer.counts, due)


def kept_whole(counts: Ints, tolerance: float) -> np.ndarray:
    """For each region: whether it is too small to be touched.

    What a dozen rows say differs by luck from what their mean says, in a way that no check on such rows
    can see: of regions of 10 to 13 rows one in twelve lost over 4 % when merged, of larger ones few
    (Zipf over 200 workloads in `benchmarks.pruning.evaluate`). The smallest regions come first, as long
    as they have no more than WHOLE_SHARE of all rows."""
    order = np.argsort(counts, kind="stable")
    small = counts[order] <= min(WHOLE_ROWS / max(tolerance, 1e-9) ** 2, SMALL_REGION)
    result = np.zeros(len(counts), bool)
    result[order] = small & (counts[order].cumsum() <= WHOLE_SHARE * counts.sum())
    return result


class SizeSearch:
    """Finds sizes whose prototypes keep the bound on some splits.

    ``whole``: regions that are kept whole."""

    def __init__(
        self, splits: list[Split], problem: Problem, bound: Bound, whole: np.ndarray
    ) -> None:
        self.splits, self.problem, self.bound, self.whole = splits, problem, bound, whole
        kernel, mass, y = problem.kernel, problem.mass, problem.y
        # a predictor that counts prototypes, not rows, would otherwise ask those of other regions
        one_region = not problem.regions.any()
        self.least = 1 if kernel.by_mass or one_region else int(np.ceil(kernel.k))
        self.count = problem.count
        share = mass / mass.sum()
        deviation = np.sqrt(share @ (y - share @ y) ** 2)
        self._unit = np.where(deviation > 0, deviation, 1.0)

    # ------------------------------------------------------------------ judging

    def judge(self, sizes: Sizes) -> HeldOutErrors:
        """Errors with so many prototypes, on every split."""
        errors = self.judge_up_to(sizes, np.inf)
        assert errors is not None
        return errors

    def judge_up_to(self, sizes: Sizes, most: float) -> HeldOutErrors | None:
        """Errors on every split; None as soon as the first split proves that the error grows by more than
        ``most``."""
        problem = self.problem
        columns, inside = [], []
        for number, split in enumerate(self.splits):
            found, _ = split.reducer.prototypes(
                sizes.of(split.reducer, self.whole, self.least), (problem.kernel,)
            )
            guess = problem.predicted(found, split.train, split.test)
            columns.append(self._errors(split, guess))
            if number == 0 and len(self.splits) > 1 and most < np.inf:
                early = HeldOutErrors(
                    *columns[0], problem.mass[split.test], problem.regions[split.test]
                )
                if exceeds(early, most, -PROVEN):
                    return None
            if split.sample is not None:
                inside.append(self._inside(split, split.sample, found))
        one, two, three, four = (np.concatenate(column) for column in zip(*columns, strict=True))
        tested = np.concatenate([split.test for split in self.splits])
        of_training = None
        if inside:
            base, pruned, mass, regions = (np.concatenate(c) for c in zip(*inside, strict=True))
            of_training = HeldOutErrors(base, pruned, base**2, pruned**2, mass, regions)
        training = sum(len(split.train) for split in self.splits) / len(self.splits)
        widening = (1.0 + len(tested) / training) ** 0.5
        mass, where = problem.mass[tested], problem.regions[tested]
        return HeldOutErrors(one, two, three, four, mass, where, of_training, widening)

    def _inside(
        self, split: Split, sample: Sample, found: Prototypes
    ) -> tuple[Floats, Floats, Floats, Ints]:
        """Errors at training rows, with their masses and regions."""
        rows, which = split.reducer.rows, sample.which
        pruned = errors_of(found, rows, sample, self.problem.kernel, split.reducer.seed)
        return sample.base, pruned, rows.mass[which], rows.regions[which]

    def _errors(self, split: Split, guess: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """Absolute and squared errors at the rows left out, of the base and of this prediction."""
        truth = self.problem.y[split.test]
        before, after = (split.base - truth) / self._unit, (guess - truth) / self._unit
        return (
            np.abs(before).mean(1),
            np.abs(after).mean(1),
            (before**2).mean(1),
            (after**2).mean(1),
        )

    def _weak(self, errors: HeldOutErrors, full: np.ndarray, rows: Ints) -> np.ndarray:
        """Regions that may fail, with as much caution as does not cost too many rows.

        ``full``: regions that are whole already."""
        tolerance = self.bound.tolerance
        if not self.bound.certain:
            return failing(errors, tolerance, self.count, -BENEFIT)
        budget = min(MOST_CAUTIOUS, CAUTIOUS_ROWS / max(tolerance, 1e-9)) * rows.sum()
        weak = np.zeros(self.count, bool)
        for caution in CAUTION:
            weak = failing(errors, tolerance, self.count, caution)
            small = weak & (rows <= SMALL_SHARE * rows.sum())
            if rows[small | full].sum() <= budget:
                break
        return weak

    def _given(self, sizes: Sizes) -> tuple[Ints, Ints]:
        """Prototypes and rows of each region, over all splits."""
        given = sum(sizes.of(split.reducer, self.whole, self.least) for split in self.splits)
        rows = sum(split.reducer.counts for split in self.splits)
        return np.asarray(given), np.asarray(rows)

    def _share(self, sizes: Sizes) -> float:
        """Prototypes as a share of the rows."""
        given, rows = self._given(sizes)
        return float(given.sum() / rows.sum())

    # ------------------------------------------------------------------ searching

    def try_fraction(
        self, fraction: float, boost: Floats, most: float
    ) -> tuple[Sizes, HeldOutErrors] | None:
        """Sizes near this fraction that hold, regions that fail strengthened; None if that takes more
        than ``most`` of the rows."""
        boost, tolerance = boost.copy(), self.bound.tolerance
        hopeless = (HOPELESS if self.count > 1 else 1.0) * tolerance
        given, rows = self._given(Sizes(fraction, boost))
        if given.sum() >= most * rows.sum():
            return None
        for turn in range(BOOSTS + 1):
            sizes = Sizes(fraction, boost)
            errors = self.judge_up_to(sizes, hopeless)
            if errors is None:
                return None
            given, rows = self._given(sizes)
            weak = self._weak(errors, given >= rows, rows)
            overall = holds(errors, tolerance, self.bound.caution)
            if overall and not weak.any():
                return sizes, errors
            if not overall and (not weak.any() or errors.change() > hopeless):
                return None
            large = rows > SMALL_SHARE * rows.sum()
            if turn == 0 and (
                (weak & large).sum() > max(2, MANY * self.count)
                or rows[weak & ~large].sum() > MANY_ROWS * rows.sum()
            ):
                return None  # the fraction is too low
            can = weak & (given < rows)
            if not can.any():
                return (sizes, errors) if overall else None  # those regions are whole already
            stronger = large & (turn < BOOSTS - 2)
            boost = np.where(can, np.where(stronger, boost * BOOST, np.inf), boost)
            if self._given(Sizes(fraction, boost))[0].sum() >= most * rows.sum():
                return None
        return None

    def search(self, floor: float) -> list[tuple[Sizes, HeldOutErrors]]:
        """Sizes that hold, the least last; empty if none does.

        Fractions are tried from ``floor`` up, for the error does not fall with every row that is kept:
        prototypes of two or three rows average less noise than either rows or prototypes of many do."""
        held: list[tuple[Sizes, HeldOutErrors]] = []
        flat, most = np.ones(self.count), 1.0
        fraction, failed = floor, 0.0
        step = min(STEP, (MOST_FRACTION / floor) ** 0.5)
        while fraction < MOST_FRACTION:
            found = self.try_fraction(fraction, flat, most)
            if found is not None:
                held.append(found)
                break
            failed, fraction = fraction, fraction * step
        for _ in range(BEYOND if held and np.isinf(held[-1][0].boost).any() else 0):
            fraction *= step
            found = self.try_fraction(fraction, flat, self._share(held[-1][0]))
            if found is not None:
                held.append(found)
                failed = 0.0
        if not held or not failed:
            return held
        for _ in range(FINE_STEPS):
            last = held[-1][0].fraction
            fraction = (failed * last) ** 0.5
            found = self.try_fraction(fraction, flat, self._share(held[-1][0]))
            if found is not None:
                held.append(found)
            else:
                failed = fraction
        return held

    def confirm(self, sizes: Sizes) -> tuple[Sizes, HeldOutErrors] | None:
        """The sizes, if these splits, which the search has not seen, agree overall; else None.

        Regions whose breach they prove are kept whole."""
        tolerance = self.bound.tolerance
        for _ in range(CONFIRMATIONS):
            errors = self.judge(sizes)
            if not holds(errors, tolerance, 0.0 if self.bound.certain else -BENEFIT):
                return None
            given, rows = self._given(sizes)
            breach = breaches(errors, tolerance, self.count) & (given < rows)
            if not breach.any():
                return sizes, errors
            sizes = Sizes(sizes.fraction, np.where(breach, np.inf, sizes.boost))
        return None

    def larger(self, sizes: Sizes) -> tuple[Sizes, HeldOutErrors] | None:
        """The next larger sizes that hold; None if none does."""
        fraction = sizes.fraction * STEP
        while fraction < MOST_FRACTION:
            found = self.try_fraction(fraction, sizes.boost, 1.0)
            if found is not None:
                return found
            fraction *= STEP
        return None
