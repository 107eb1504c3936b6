"""What to prune, and the rows of it in the units of the deployed predictor's metric."""

from __future__ import annotations

from inspect import signature

import numpy as np

from amorsize.core.frozen import replace
from amorsize.pruning.arrays import Kernel, Prototypes, Rows, group_means, renumbered, subset
from amorsize.pruning.certificate import CERTIFIABLE_ROWS
from amorsize.pruning.prototypes import Reducer
from amorsize.pruning.regions import find_regions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dataclasses import dataclass
    from typing import Any

    from amorsize.learning.neighbors import Floats, Ints
else:
    from amorsize.core.frozen import dataclass

MIN_SAMPLES_FOR_PRUNING = 50
"""Rows from which pruning merges more than exact duplicates."""
MIN_SAMPLES_PER_CLUSTER = 5
"""Rows that a region keeps at least of a pure subset (or all, where it has fewer)."""
DEFAULT_SIMILARITY_THRESHOLD = 0.5
"""Similarity from which rows share a region, 1 minus distance over the diagonal: where adapting
starts."""
SHARING = (2, 4, 8)
"""Prototypes that may share a neighbourhood which one alone would fill by its mass; each still counts
more than a row that was never merged."""
DEFAULT_NEIGHBORS = 5.0
"""Neighbours assumed of an estimator that has no number of neighbours."""


@dataclass(frozen=True)
class Task:
    """What to prune, checked; see `amorsize.ml_pruning.PrototypeSelector`."""

    X: Floats
    y: Floats
    """(rows, outputs)"""
    flat: bool
    """Whether y came as one column without a second dimension."""
    mass: Floats
    times: Floats | None
    groups: Ints | None
    estimator: Any
    tolerance: float | None
    keep_fraction: float | None
    most_removed: float
    """Share of the rows."""
    merge: bool
    threshold: float | None
    seed: int
    fresh: np.ndarray
    """Mask of the rows that no earlier pruning has seen: only these can prove anything."""
    level: float
    """Probability of a false certificate."""
    names: tuple[str, ...] | None = None
    """Names of the groups, by code."""
    lighter: bool = True
    """Whether a prototype may count less with the predictor than its mass."""
    any_predictor: bool = False
    """Whether prototypes are for any nearest-neighbour predictor: none was named, nothing is checked."""


@dataclass(frozen=True)
class Problem:
    """The rows that are not too old, in an order that does not depend on the order given."""

    task: Task
    order: Ints
    """Positions of the rows in those of the task."""
    X: Floats
    y: Floats
    mass: Floats
    regions: Ints
    kernel: Kernel
    factors: Floats
    """Factor of each feature in the predictor's metric."""
    unit: Floats
    """Standard deviation of each output."""
    rows: Rows
    """The same rows in the units of the metric and of the outputs' deviations."""

    @property
    def count(self) -> int:
        """Number of regions."""
        return int(self.regions.max()) + 1

    @property
    def fresh(self) -> np.ndarray:
        """Which of the rows no earlier pruning has seen."""
        return np.asarray(self.task.fresh[self.order])

    def in_one_region(self) -> Problem:
        """The same rows, not divided into regions."""
        regions = np.zeros(len(self.mass), np.intp)
        rows = Rows(self.rows.Z, self.rows.y, self.mass, regions)
        return replace(self, regions=regions, rows=rows)

    def ways(self, total: int) -> list[tuple[Kernel, ...]]:
        """The predictors that ``total`` prototypes are made for: the deployed one, with so many
        prototypes in a neighbourhood as their masses make, or more.

        Where none is named and nothing is checked: those that count rows, those whose neighbourhood
        grows with the mean mass, and the default one; or the first and the last with the lightest."""
        k, mean = self.kernel.k, float(self.mass.sum()) / max(total, 1)
        lighter = [k / share for share in SHARING if 1.0 < k / share < mean]
        if not (self.task.lighter and self.kernel.by_mass):
            lighter = []
        if not self.task.any_predictor:
            return [(self.kernel,), *((replace(self.kernel, most=most),) for most in lighter)]
        rows = Kernel(k, "distance", False)
        mixed = [(rows, Kernel(k * mean, "distance", True), self.kernel)]
        return mixed + [(rows, replace(self.kernel, most=most)) for most in lighter[-1:]]

    def reducer(self, which: Ints | None = None, stop: int = 1) -> Reducer:
        """A reducer over all rows or some of them; ``stop``: the fewest prototypes to ask it for."""
        rows = self.rows if which is None else subset(self.rows, which)
        least = 0 if self.task.merge else MIN_SAMPLES_PER_CLUSTER
        even = self.task.keep_fraction is None and len(self.mass) >= CERTIFIABLE_ROWS
        return Reducer(rows, self.task.seed, stop, least, self.count, even)

    def original_units(self, found: Prototypes, which: Ints) -> tuple[Floats, Floats]:
        """Features and labels of prototypes of the rows ``which``, in the units they came in.

        A feature that the metric ignores is the mean over the rows of each prototype."""
        used = self.factors > 0
        X = found.Z / np.where(used, self.factors, 1.0)
        if not used.all():
            rows = self.X[which][:, ~used]
            X[:, ~used] = group_means(rows, self.mass[which], found.own, len(found.mass))
        return X, found.y * self.unit

    def predicted(self, found: Prototypes, which: Ints, test: Ints) -> Floats:
        """What the deployed predictor, fitted to prototypes of the rows ``which``, says at the rows
        ``test``: (rows, outputs)."""
        X, y = self.original_units(found, which)
        model = fitted(self.task, X, y, found.weight)
        return np.asarray(model.predict(self.X[test])).reshape(len(test), -1)


def problem_of(task: Task, order: Ints, mass: Floats) -> Problem:
    """The rows ``order`` of a task, with these masses."""
    X, y = task.X[order], task.y[order]
    scale = task.estimator.get_params(deep=False).get("scale")
    if scale is not None:
        factors = np.asarray(scale, float)
    elif hasattr(task.estimator, "n_neighbors"):
        factors = np.ones(X.shape[1])
    else:
        deviation = X.std(0)
        factors = 1.0 / np.where(deviation > 0, deviation, 1.0)
    deviation = y.std(0)
    unit = np.where(deviation > 0, deviation, 1.0)
    regions = _regions(task, order, X, factors)
    rows = Rows(X * factors, y / unit, mass, regions)
    return Problem(task, order, X, y, mass, regions, kernel_of(task.estimator), factors, unit, rows)


def _regions(task: Task, order: Ints, X: Floats, factors: Floats) -> Ints:
    """Region of each row: its group, or found by clustering; one region where no bound is checked."""
    if task.groups is not None:
        return renumbered(task.groups[order])
    if len(X) < MIN_SAMPLES_FOR_PRUNING or (task.keep_fraction is not None and task.merge):
        return np.zeros(len(X), np.intp)
    adaptive = task.threshold is None
    threshold = DEFAULT_SIMILARITY_THRESHOLD if task.threshold is None else task.threshold
    used = X[:, factors > 0] if (factors > 0).any() else X
    return find_regions(used, threshold, adaptive=adaptive, smallest=MIN_SAMPLES_PER_CLUSTER)


def fitted(task: Task, X: Floats, y: Floats, mass: Floats) -> Any:
    """A copy of the deployed predictor, fitted."""
    model = type(task.estimator)(**task.estimator.get_params(deep=False))
    target = y[:, 0] if task.flat else y
    if takes_weights(model):
        return model.fit(X, target, sample_weight=mass)
    return model.fit(X, target)


def takes_weights(estimator: Any) -> bool:
    """Whether its ``fit`` has a parameter ``sample_weight``."""
    return "sample_weight" in signature(estimator.fit).parameters


def number_of_neighbors(estimator: Any) -> float | None:
    """How many neighbours a prediction of the estimator uses; None for one that is not such."""
    k = estimator.get_params(deep=False).get("n_neighbors")
    return k if isinstance(k, (int, float)) else None


def kernel_of(estimator: Any) -> Kernel:
    """How the estimator weighs neighbours, as far as its parameters say."""
    k, weights = number_of_neighbors(estimator), estimator.get_params(deep=False).get("weights")
    if k is None:
        return Kernel(DEFAULT_NEIGHBORS, "distance", takes_weights(estimator))
    named = weights if weights in ("uniform", "distance", "gaussian") else "distance"
    return Kernel(float(k), named, takes_weights(estimator))
