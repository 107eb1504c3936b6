"""From rows to what is kept of them: the whole way, arrays in and a Selection out.

rows --expired by age--> rows --regions--> Reducer --sizes by fraction, or by the checked bound-->
prototypes, with their masses, spreads and a report
"""

from __future__ import annotations

from math import inf, log

import numpy as np

from amorsize.pruning import age_weighting as drift
from amorsize.pruning import error_bound as bound
from amorsize.pruning import refine as polish
from amorsize.pruning import regions as regions_of
from amorsize.pruning.arrays import (
    Kernel,
    Prototypes,
    Rows,
    grouped,
    means,
    numbered,
    places,
    sums,
    taken,
)
from amorsize.pruning.leave_one_out import probes
from amorsize.pruning.prototypes import Reducer, duplicates, hashes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from dataclasses import dataclass
    from typing import Any

    from amorsize.learning.neighbors import Floats, Ints
    from amorsize.pruning.error_bound import Judged, Part, Predict, Sizes
else:
    from amorsize.core.frozen import dataclass

MIN_TOTAL_SAMPLES_TO_KEEP = 20
"""Never fewer are kept (or all, where there are fewer)."""
MIN_SAMPLES_FOR_PRUNING = 50
"""Fewer are only freed of exact duplicates."""
MIN_SAMPLES_PER_CLUSTER = 5
"""What a region keeps at least of a pure subset (or all, where it has fewer)."""
DEFAULT_SIMILARITY_THRESHOLD = 0.5
"""Similarity from which rows share a region: 1 minus distance over the diagonal. It adapts from here."""
STRATEGIES = {"conservative": (0.02, 0.40), "auto": (0.05, 0.50), "aggressive": (0.10, 0.60)}
"""Tolerance, and the share that a small history may lose."""
SMALL_ROWS, LARGE_ROWS = 500, 5_000
"""The share that may go is capped below the first and free above the second."""
HOLD_OUT_ROWS = 20_000
"""Above, one part of the rows is left out instead of each of FOLDS parts once."""
FOLDS = 5
JUDGED_ROWS, CONFIRMED_ROWS = 8_000, 4_000
"""Rows that the ladder is judged on, and that its result is confirmed on, as far as parts go."""
LEAST_PARTS = 2
LEFT_OUT_SHARE, LEAST_LEFT_OUT, MOST_LEFT_OUT = 0.3, 3_000, 10_000
CHECKED_DISTANCES = 1.5e9
"""Distances that the unpruned predictor may compute for one check: 20 s by brute force."""
LEAST_CHECKED = 1_500
LEAST_FRACTION = 0.0005
"""Kept fraction that the ladder begins with: nothing to gain below."""
NEIGHBORS_OF_OTHERS = 5.0
"""Neighbours taken for granted in estimators that are not nearest neighbours."""


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
    names: tuple[str, ...] | None = None
    """Of the groups, by code."""


@dataclass(frozen=True)
class Region:
    """One part of the data."""

    rows: int
    kept: int
    change: float | None
    """Of the mean absolute error at rows not seen, 0.01 is 1 %; None where nothing was checked."""
    name: str | None = None
    """Of its group; None where regions were found by clustering."""


@dataclass(frozen=True)
class Report:
    """What pruning did and what was checked of it."""

    rows: int
    kept: int
    duplicates: int
    """Rows that equalled another in every feature."""
    expired: int
    """Rows too old to tell anything, by the half-life."""
    half_life: float
    """In the units of the timestamps; infinite where age does not matter."""
    tolerance: float | None
    certified: bool
    """Whether the bound held with 95 % confidence in the search, and rows that it never saw agreed."""
    error_before: float | None
    error_after: float | None
    """Mean absolute error on such rows, in the units of y (of several outputs: in their deviations);
    None where nothing was checked."""
    error_change: float | None
    """Of the mean absolute error on such rows: 0.01 is 1 % more; None where nothing was checked."""
    error_interval: tuple[float, float] | None
    """95 % limits of it."""
    rmse_change: float | None
    """The same for the root mean squared error."""
    regions: tuple[Region, ...]
    reasons: tuple[str, ...]

    @property
    def removed(self) -> int:
        return self.rows - self.kept

    @property
    def ratio(self) -> float:
        """Share of the rows that went."""
        return self.removed / self.rows if self.rows else 0.0


@dataclass(frozen=True)
class Selection:
    """What is kept."""

    X: Floats
    y: Floats
    mass: Floats
    spread: Floats
    """Standard deviation of y among the rows that each stands for: (kept, outputs)"""
    indices: Ints | None
    """Positions in the rows given, of a pure subset."""
    owner: Ints
    """For each row given: the prototype that stands for it, -1 for expired ones."""
    regions: Ints
    """Of each prototype."""
    report: Report


def select(task: Task) -> Selection:
    """Prune. Complexity: O(n log n) at a fixed fraction, times the rungs of the ladder otherwise."""
    order = np.argsort(
        hashes(np.column_stack([task.X, task.y, task.mass, _or_zero(task.times, task.mass)])),
        kind="stable",
    )
    length, order, weight = _aged(task, order)
    work = _Work(task, order, weight)
    least = min(MIN_TOTAL_SAMPLES_TO_KEEP, len(order))
    reasons: list[str] = []
    judged: Judged | None = None
    certified = False
    if len(order) < len(task.X):
        reasons.append(
            f"{len(task.X) - len(order)} old rows no longer help to predict the newest ones"
        )
    if len(order) < MIN_SAMPLES_FOR_PRUNING:
        found, which = work.lossless(least)
        reasons.append(
            f"fewer than {MIN_SAMPLES_FOR_PRUNING} rows: only exact duplicates were merged"
        )
    elif task.keep_fraction is not None:
        total = max(least, round(task.keep_fraction * len(order)))
        found, which = work.fixed(total, least)
    else:
        assert task.tolerance is not None
        found, which, judged, certified = work.bounded(task.tolerance, task.most_removed, least)
        if judged is None:
            reasons.append(
                "nothing but exact duplicates could go within the tolerance: every row tells something"
            )
        elif not certified:
            reasons.append(
                f"not certified: fewer than {bound.CERTIFIABLE_ROWS} rows can prove little"
            )
    return work.selection(found, which, length, judged, certified, reasons)


def _or_zero(values: Floats | None, like: Floats) -> Floats:
    return np.zeros(len(like)) if values is None else values


def _aged(task: Task, order: Ints) -> tuple[float, Ints, Floats]:
    """The half-life, the rows that are not expired, and their weights."""
    if task.times is None:
        return inf, order, task.mass[order]

    def fit(X: Floats, y: Floats, mass: Floats) -> Predict:
        predict: Predict = _fitted(task, X, y, mass).predict
        return predict

    length = drift.half_life(task.X, task.y, task.mass, task.times, fit)
    if length == inf:
        return inf, order, task.mass[order]
    weight = drift.decay(task.times, float(task.times.max()), length)
    alive = weight[order] > drift.EXPIRED
    if alive.sum() < MIN_TOTAL_SAMPLES_TO_KEEP:
        newest = np.argsort(-task.times[order], kind="stable")[:MIN_TOTAL_SAMPLES_TO_KEEP]
        alive[newest] = True
    order = order[alive]
    return length, order, task.mass[order] * np.maximum(weight[order], drift.EXPIRED)


def cap(strategy: str, rows: int) -> float:
    """Share of so many rows that a strategy may remove: 1 from LARGE_ROWS on."""
    least = STRATEGIES[strategy][1]
    if rows <= SMALL_ROWS:
        return least
    freed = min(1.0, log(rows / SMALL_ROWS) / log(LARGE_ROWS / SMALL_ROWS))
    return least + (1.0 - least) * freed


def _fitted(task: Task, X: Floats, y: Floats, mass: Floats) -> Any:
    """A copy of the deployed predictor, fitted."""
    model = type(task.estimator)(**task.estimator.get_params(deep=False))
    target = y[:, 0] if task.flat else y
    if takes_weights(model):
        return model.fit(X, target, sample_weight=mass)
    return model.fit(X, target)


def takes_weights(estimator: Any) -> bool:
    """Whether its ``fit`` has a parameter ``sample_weight``."""
    import inspect

    return "sample_weight" in inspect.signature(estimator.fit).parameters


def kernel_of(estimator: Any) -> Kernel:
    """How the estimator weighs neighbours, as far as it tells."""
    params = estimator.get_params(deep=False)
    k, weights = params.get("n_neighbors"), params.get("weights")
    if not isinstance(k, (int, float)):
        return Kernel(NEIGHBORS_OF_OTHERS, "distance", takes_weights(estimator))
    named = weights if weights in ("uniform", "distance", "gaussian") else "distance"
    return Kernel(float(k), named, takes_weights(estimator))


def apportion(wanted: Ints, most: Ints, total: int) -> Ints:
    """Sizes raised in proportion to a total, by largest remainder, none above its most."""
    sizes = np.minimum(wanted, most)
    while (missing := min(total, int(most.sum())) - int(sizes.sum())) > 0:
        room = most - sizes
        part = np.where(room > 0, np.maximum(sizes, 1), 0).astype(float)
        part *= missing / part.sum()
        whole = np.minimum(np.floor(part).astype(np.intp), room)
        sizes = sizes + whole
        left = missing - int(whole.sum())
        first = np.argsort(-np.where(room - whole > 0, part - np.floor(part), -1.0), kind="stable")
        for region in first[: min(left, int((room - whole > 0).sum()))]:
            sizes[region] += 1
    return sizes


class _Work:
    """The rows in an order of their own, in the units of the predictor's metric."""

    def __init__(self, task: Task, order: Ints, weight: Floats) -> None:
        self.task, self.order = task, order
        self.X, self.y, self.mass = task.X[order], task.y[order], weight
        self.kernel = kernel_of(task.estimator)
        params = task.estimator.get_params(deep=False)
        self.asks_neighbors = isinstance(params.get("n_neighbors"), (int, float))
        scale = params.get("scale")
        width = self.X.shape[1]
        if scale is not None:
            self.factors = np.asarray(scale, float)
        elif hasattr(task.estimator, "n_neighbors"):
            self.factors = np.ones(width)
        else:
            deviation = self.X.std(0)
            self.factors = 1.0 / np.where(deviation > 0, deviation, 1.0)
        deviation = self.y.std(0)
        self.unit = np.where(deviation > 0, deviation, 1.0)
        self.regions = self._regions()
        self.count = int(self.regions.max()) + 1
        self.rows = Rows(self.X * self.factors, self.y / self.unit, self.mass, self.regions)

    def _regions(self) -> Ints:
        task = self.task
        if task.groups is not None:
            return numbered(task.groups[self.order])
        if len(self.X) < MIN_SAMPLES_FOR_PRUNING or (task.keep_fraction is not None and task.merge):
            return np.zeros(len(self.X), np.intp)
        adaptive = task.threshold is None
        threshold = DEFAULT_SIMILARITY_THRESHOLD if task.threshold is None else task.threshold
        used = self.X[:, self.factors > 0] if (self.factors > 0).any() else self.X
        return regions_of.find(used, threshold, adaptive=adaptive, smallest=MIN_SAMPLES_PER_CLUSTER)

    def reducer(self, which: Ints | None = None, stop: int = 1) -> Reducer:
        rows = self.rows if which is None else taken(self.rows, which)
        least = 0 if self.task.merge else MIN_SAMPLES_PER_CLUSTER
        even = self.task.keep_fraction is None and len(self.mass) >= bound.CERTIFIABLE_ROWS
        return Reducer(rows, self.task.seed, stop, least, self.count, even)

    # ------------------------------------------------------------------ three ways to choose

    def lossless(self, least: int) -> tuple[Prototypes, Ints | None]:
        """Exact duplicates merged, never below the floor; a pure subset is everything."""
        size = len(self.mass)
        if not self.task.merge:
            return grouped(self.rows, np.arange(size)), np.arange(size)
        whole = duplicates(self.rows)
        own = whole if self.kernel.by_mass else self._repeated(whole)
        unique = np.zeros(int(own.max()) + 1, np.intp)
        unique[own] = self.rows.regions
        wanted = apportion(
            np.bincount(unique, minlength=self.count), np.bincount(self.regions), least
        )
        if len(unique) < least:
            own = polish.split_evenly(self.rows, own, wanted)
        found = grouped(self.rows, own)
        if not self.kernel.by_mass:
            found.y[own] = grouped(self.rows, whole).y[whole]
        return found, None

    def _repeated(self, own: Ints) -> Ints:
        """For a predictor that counts rows, whatever they weigh: equal rows as often as it may ask for
        them. All rows for one that asks for no number of neighbours."""
        place = places(own)
        copies = int(np.ceil(self.kernel.k)) if self.asks_neighbors else len(own)
        return numbered(
            own * len(own) + np.where(np.bincount(own)[own] > copies, place % copies, place)
        )

    def fixed(self, total: int, least: int) -> tuple[Prototypes, Ints | None]:
        """So many, as good as possible."""
        if self.count > total / 2:  # more groups than can be kept apart
            self.regions, self.count = np.zeros(len(self.mass), np.intp), 1
            self.rows = Rows(self.rows.Z, self.rows.y, self.mass, self.regions)
        if total >= len(self.mass):
            return self.lossless(least)
        reducer = self.reducer(stop=total)
        if self.task.merge and self.kernel.by_mass and total >= reducer.unique:
            return self.lossless(least)
        sizes = np.minimum(np.maximum(reducer.sizes(total), 1), reducer.counts)
        return reducer.prototypes(apportion(sizes, reducer.counts, total), self.kernel)

    def bounded(
        self, tolerance: float, most_removed: float, least: int
    ) -> tuple[Prototypes, Ints | None, Judged | None, bool]:
        """The fewest that keep the bound; all rows, duplicates merged, where nothing does."""
        size = len(self.mass)
        # with a cap, a few rows are given the benefit of the doubt; without one, only proof limits
        certain = size >= bound.CERTIFIABLE_ROWS or most_removed >= 1.0
        floor = max(least / size, 1.0 - most_removed, LEAST_FRACTION)
        everything = (*self.lossless(least), None, False)
        if floor >= 1.0:
            return everything
        first, confirming = self._checkers(floor, tolerance)
        held = first.climb(tolerance, certain, max(floor, first.least * self.count / size))
        if not held:
            return everything
        second = confirming()
        reducer = self.reducer(stop=max(least, int(floor * size)))
        tried: tuple[Sizes, Judged] | None = held[-1]
        while tried is not None:
            found_sizes = second.confirmed(tried[0], tolerance, certain)
            if found_sizes is not None:
                sizes, again = found_sizes
                wanted = apportion(
                    sizes.of(reducer, first.spare, first.least), reducer.counts, least
                )
                if int(wanted.sum()) >= len(everything[0].mass):
                    break
                found, which = reducer.prototypes(wanted, self.kernel)
                return found, which, again, certain
            tried = first.wider(tried[0], tolerance, certain)
        return everything

    def _checkers(
        self, floor: float, tolerance: float
    ) -> tuple[bound.Checker, Callable[[], bound.Checker]]:
        """One for the ladder, and a way to make one that confirms."""
        size = len(self.mass)
        rng = np.random.default_rng(self.task.seed)
        spare = bound.spared(np.bincount(self.regions, minlength=self.count), tolerance)

        def checker(parts: list[Part]) -> bound.Checker:
            return bound.Checker(
                parts, self.y, self.mass, self.regions, self.kernel, self._predictor, spare
            )

        if size > HOLD_OUT_ROWS:
            most = min(MOST_LEFT_OUT, max(LEAST_CHECKED, int(CHECKED_DISTANCES / size)))
            left_out = min(most, max(LEAST_LEFT_OUT, int(LEFT_OUT_SHARE * size)))
            train, one, other = bound.hold_out(size, left_out, rng)
            reducer = self.reducer(train, stop=int(floor * size))
            return (
                checker([self._part(reducer, train, one)]),
                lambda: checker([self._part(reducer, train, other)]),
            )

        def folded(rows: int) -> bound.Checker:
            parts = max(LEAST_PARTS, min(FOLDS, -(-rows * FOLDS // size)))
            return checker(
                [
                    self._part(self.reducer(train), train, test)
                    for train, test in bound.folds(self.regions, FOLDS, rng)[:parts]
                ]
            )

        return folded(JUDGED_ROWS), lambda: folded(CONFIRMED_ROWS)

    def _part(self, reducer: Reducer, train: Ints, test: Ints) -> Part:
        model = _fitted(self.task, self.X[train], self.y[train], self.mass[train])
        guess = np.asarray(model.predict(self.X[test])).reshape(len(test), -1)
        return bound.Part(reducer, train, test, guess, probes(reducer.rows, self.kernel))

    def _predictor(self, part: Part, found: Prototypes, which: Ints | None) -> Predict:
        X, y = self._plain(found, part.train)
        model = _fitted(self.task, X, y, found.mass)
        return lambda test: np.asarray(model.predict(self.X[test])).reshape(len(test), -1)

    def _plain(self, found: Prototypes, which: Ints) -> tuple[Floats, Floats]:
        """Prototypes in the units they came in; features that the metric ignores as their means."""
        used = self.factors > 0
        X = found.Z / np.where(used, self.factors, 1.0)
        if not used.all():
            rows = self.X[which][:, ~used]
            X[:, ~used] = means(rows, self.mass[which], found.own, len(found.mass))
        return X, found.y * self.unit

    # ------------------------------------------------------------------ the answer

    def selection(
        self,
        found: Prototypes,
        which: Ints | None,
        length: float,
        judged: Judged | None,
        certified: bool,
        reasons: list[str],
    ) -> Selection:
        task, size = self.task, len(found.mass)
        X, y = self._plain(found, np.arange(len(self.mass)))
        if which is not None:
            X, y = self.X[which], self.y[which]
        mass = sums(self.mass, found.own, size)
        offset = self.y - means(self.y, self.mass, found.own, size)[found.own]
        spread = np.sqrt(means(offset**2, self.mass, found.own, size))
        owner = np.full(len(task.X), -1)
        owner[self.order] = found.own
        # in the order of the first row that each stands for: the given order, as far as there is one
        first = np.full(size, len(task.X))
        np.minimum.at(first, owner[owner >= 0], np.flatnonzero(owner >= 0))
        indices = None if which is None else self.order[which]
        place = np.argsort(first if indices is None else indices, kind="stable")
        rank = np.empty(size, np.intp)
        rank[place] = np.arange(size)
        owner[owner >= 0] = rank[owner[owner >= 0]]
        unit = float(self.unit[0]) if len(self.unit) == 1 else 1.0
        report = Report(
            rows=len(task.X),
            kept=size,
            duplicates=len(self.mass) - int(duplicates(self.rows).max()) - 1,
            expired=len(task.X) - len(self.order),
            half_life=length,
            tolerance=task.tolerance,
            certified=certified,
            error_before=None if judged is None else unit * judged.error_before(),
            error_after=None if judged is None else unit * judged.error_after(),
            error_change=None if judged is None else judged.change(),
            error_interval=None if judged is None else judged.interval(),
            rmse_change=None if judged is None else judged.squared_change(),
            regions=self._told(found, judged),
            reasons=tuple(reasons),
        )
        return Selection(
            X[place],
            y[place],
            mass[place],
            spread[place],
            None if indices is None else indices[place],
            owner,
            found.regions[place],
            report,
        )

    def _told(self, found: Prototypes, judged: Judged | None) -> tuple[Region, ...]:
        rows = np.bincount(self.regions, minlength=self.count)
        kept = np.bincount(found.regions, minlength=self.count)
        change: list[float | None] = [None] * self.count
        if judged is not None:
            before = np.bincount(judged.regions, judged.mass * judged.base, self.count)
            after = np.bincount(judged.regions, judged.mass * judged.pruned, self.count)
            change = [
                float(a / b - 1.0) if b > 0 else (0.0 if a <= 0 else inf)
                for a, b in zip(after, before, strict=True)
            ]
        names: list[str | None] = [None] * self.count
        if self.task.groups is not None and self.task.names is not None and self.count > 1:
            codes = np.unique(self.task.groups[self.order])
            names = [self.task.names[code] for code in codes]
        return tuple(
            Region(int(r), int(k), c, n)
            for r, k, c, n in zip(rows, kept, change, names, strict=True)
        )
