"""Splits of the rows into training rows, from which prototypes are made, and rows left out to test them.

up to HOLD_OUT_ROWS   FOLDS parts; the first of them are left out in turn
above                 one part left out for the search, one more for its confirmation
"""

from __future__ import annotations

import numpy as np

from amorsize.pruning.arrays import ranks_within
from amorsize.pruning.leave_one_out import sample_rows
from amorsize.pruning.problem import fitted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from dataclasses import dataclass

    from amorsize.learning.neighbors import Floats, Ints
    from amorsize.pruning.leave_one_out import Sample
    from amorsize.pruning.problem import Problem
    from amorsize.pruning.prototypes import Reducer
else:
    from amorsize.core.frozen import dataclass

HOLD_OUT_ROWS = 20_000
"""Rows above which one part is left out instead of each of FOLDS parts once."""
FOLDS = 5
"""Parts that up to HOLD_OUT_ROWS rows are cut into."""
JUDGED_ROWS, CONFIRMED_ROWS = 8_000, 4_000
"""Rows to leave out in turn, for the search and for its confirmation, rounded up to whole parts."""
LEAST_PARTS = 2
"""Parts that are left out in turn at least, however many rows one has."""
LEFT_OUT_SHARE, LEAST_LEFT_OUT, MOST_LEFT_OUT = 0.3, 3_000, 10_000
"""Rows left out above HOLD_OUT_ROWS: this share of all, within these limits."""
CHECKED_DISTANCES = 1.5e9
"""Distances that the unpruned predictor may compute for one check: 20 s by brute force."""
LEAST_CHECKED = 1_500
"""Rows left out at least, however many distances that takes."""


@dataclass(frozen=True)
class Split:
    """One split: a reducer over its training rows, and the rows left out."""

    reducer: Reducer
    train: Ints
    test: Ints
    base: Floats
    """What the predictor on all training rows says at the test rows: (rows, outputs)."""
    sample: Sample | None
    """Training rows of each region with leave-one-out errors; None for a single region."""


def splits(problem: Problem, floor: float) -> tuple[list[Split], Callable[[], list[Split]]]:
    """Splits to search with, and a function that makes those to confirm the result with.

    ``floor``: the least share of the rows that will be kept."""
    size = len(problem.mass)
    rng = np.random.default_rng(problem.task.seed)
    if size > HOLD_OUT_ROWS:
        most = min(MOST_LEFT_OUT, max(LEAST_CHECKED, int(CHECKED_DISTANCES / size)))
        left_out = min(most, max(LEAST_LEFT_OUT, int(LEFT_OUT_SHARE * size)))
        train, one, other = hold_out(size, left_out, rng)
        reducer = problem.reducer(train, stop=int(floor * size))
        return [split(problem, reducer, train, one)], lambda: [
            split(problem, reducer, train, other)
        ]

    def folded(rows: int) -> list[Split]:
        parts = max(LEAST_PARTS, min(FOLDS, -(-rows * FOLDS // size)))
        return [
            split(problem, problem.reducer(train), train, test)
            for train, test in folds(problem.regions, FOLDS, rng)[:parts]
        ]

    return folded(JUDGED_ROWS), lambda: folded(CONFIRMED_ROWS)


def split(problem: Problem, reducer: Reducer, train: Ints, test: Ints) -> Split:
    """One split, with the base's predictions and the errors at training rows."""
    model = fitted(problem.task, problem.X[train], problem.y[train], problem.mass[train])
    guess = np.asarray(model.predict(problem.X[test])).reshape(len(test), -1)
    return Split(reducer, train, test, guess, sample_rows(reducer.rows, problem.kernel))


def folds(strata: Ints, count: int, rng: np.random.Generator) -> list[tuple[Ints, Ints]]:
    """Training and test rows of ``count`` splits; each row is left out once, and every stratum is in
    every part as evenly as possible."""
    shuffled = rng.permutation(len(strata))
    turn = np.empty(len(strata), np.intp)
    turn[shuffled] = (
        ranks_within(strata[shuffled])
        + rng.integers(0, count, int(strata.max()) + 1)[strata[shuffled]]
    ) % count
    return [(np.flatnonzero(turn != i), np.flatnonzero(turn == i)) for i in range(count)]


def hold_out(rows: int, size: int, rng: np.random.Generator) -> tuple[Ints, Ints, Ints]:
    """Training rows, and two parts left out of ``size`` rows together."""
    order = rng.permutation(rows)
    half = size // 2
    return np.sort(order[size:]), order[:half], order[half:size]
