"""Pruning: the claims, each against fresh rows, brute force or a plain count."""

from __future__ import annotations

import numpy as np
import pytest
from support.pruning import Workloads, compared, rmse, zipf

from amorsize.learning.regressor import KNNRegressor
from amorsize.ml_pruning import (
    DEFAULT_SIMILARITY_THRESHOLD,
    MIN_SAMPLES_FOR_PRUNING,
    MIN_TOTAL_SAMPLES_TO_KEEP,
    PrototypeSelector,
    PrunedKNNRegressor,
)

pytestmark = pytest.mark.timeout(120)


SCENARIOS = {
    # rows, workloads, features' spread, strategy, least and most removed, most error
    "small, CPU-bound": (50, 5, 0.02, "auto", 0.30, 0.50, 0.05),
    "medium, CPU-bound": (100, 8, 0.02, "auto", 0.30, 0.50, 0.05),
    "large, CPU-bound": (200, 10, 0.02, "auto", 0.30, 0.50, 0.05),
    "I/O-bound": (100, 6, 0.02, "auto", 0.30, 0.50, 0.05),
    "mixed": (100, 12, 0.03, "auto", 0.25, 0.50, 0.05),
    "conservative": (100, 8, 0.02, "conservative", 0.10, 0.40, 0.02),
    "aggressive": (100, 8, 0.02, "aggressive", 0.40, 0.60, 0.10),
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_seven_scenarios(name: str) -> None:
    rows, count, spread, strategy, least, most, bound = SCENARIOS[name]
    change, removed, chance = [], [], []
    for seed in range(12):
        rng = np.random.default_rng(seed + 100)
        work = Workloads(count, seed, spread=spread)
        selector, whole, pruned, random = compared(
            work,
            rng.integers(0, count, rows),
            rng.integers(0, count, 2000),
            seed,
            strategy=strategy,
        )
        report = selector.report_
        assert report.kept >= MIN_TOTAL_SAMPLES_TO_KEEP
        assert selector.sample_weight_.sum() == pytest.approx(rows)
        assert report.ratio <= most + 1e-9
        change.append(pruned / whole - 1)
        removed.append(report.ratio)
        chance.append(random / whole - 1)
    assert least <= np.mean(removed) <= most + 1e-9, removed
    assert np.mean(change) < bound, change
    assert np.mean(change) < np.mean(chance)


# -- what the earlier algorithm did wrong --------------------------------------------------------------


def test_homogeneous_history_is_not_cut_to_five() -> None:
    errors = []
    for seed in range(8):
        work = Workloads(1, seed)
        selector, *found = compared(work, np.zeros(100, int), np.zeros(3000, int), seed)
        assert selector.report_.kept >= 50  # auto removes at most half of so few
        errors.append(found)
    whole, pruned, chance = np.mean(errors, axis=0)
    assert pruned < 1.02 * whole
    # half of rows that are all alike says as much as any other half
    assert pruned < 1.01 * chance


def test_homogeneous_ten_thousand() -> None:
    work = Workloads(1, 3, noise=0.2, spread=0.04)
    zeros = np.zeros(10_000, int)
    selector, whole, pruned, chance = compared(work, zeros, zeros[:8000], tolerance=0.02)
    assert selector.report_.ratio >= 0.99
    assert selector.report_.certified
    assert pruned < 1.02 * whole
    assert pruned < chance


def test_a_dominant_workload_does_not_hide_the_rare_ones() -> None:
    work = Workloads(10, 1)
    rng = np.random.default_rng(1)
    share = np.r_[0.99, np.full(9, 0.01 / 9)]
    group = rng.choice(10, 10_000, p=share)
    X, y = work.draw(rng, group)
    selector = PrototypeSelector(tolerance=0.05)
    X_kept, y_kept = selector.fit_resample(X, y, groups=group)
    assert selector.report_.ratio >= 0.97
    before = KNNRegressor().fit(X, y)
    after = KNNRegressor().fit(X_kept, y_kept, selector.sample_weight_)
    for one in range(10):
        X_new, y_new = work.draw(rng, np.full(400, one))
        assert rmse(after, X_new, y_new) < 1.12 * rmse(before, X_new, y_new), one


def test_labels_do_not_select() -> None:
    """The earlier algorithm kept the best outcomes: the mean of what it kept was wrong."""
    work = Workloads(6, 2)
    rng = np.random.default_rng(2)
    X, y = work.draw(rng, rng.integers(0, 6, 3000))
    selector = PrototypeSelector(keep_fraction=0.1)
    _, y_kept = selector.fit_resample(X, y)
    assert np.average(y_kept, weights=selector.sample_weight_) == pytest.approx(y.mean(), abs=0.02)


# -- sizes ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fraction", [0.35, 0.1, 0.05, 0.01])
def test_a_fixed_fraction_beats_chance(fraction: float) -> None:
    gains = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        work = Workloads(40, seed)
        selector, _, pruned, chance = compared(
            work,
            rng.choice(40, 4000, p=zipf(40)),
            rng.choice(40, 4000, p=zipf(40)),
            seed,
            keep_fraction=fraction,
        )
        assert selector.report_.kept == round(fraction * 4000)
        gains.append(pruned / chance)
    assert np.mean(gains) < (1.0 if fraction > 0.2 else 0.95), gains


def test_nothing_redundant_comes_back_whole() -> None:
    """A full-factorial table without noise whose label no neighbour tells."""
    grid = np.stack(np.meshgrid(*[np.arange(4.0)] * 5), -1).reshape(-1, 5)
    y = np.random.default_rng(0).normal(0, 1, len(grid))
    y = np.where(grid.sum(1) % 2 == 0, 5.0, -5.0) + 0.01 * y
    selector = PrototypeSelector(tolerance=0.02, estimator=KNNRegressor(1))
    X_kept, _ = selector.fit_resample(np.repeat(grid, 3, 0), np.repeat(y, 3))
    assert len(X_kept) >= 0.9 * len(grid)


def test_a_table_of_distinct_rows_is_returned_with_the_reason() -> None:
    rng = np.random.default_rng(5)
    X = rng.uniform(0, 1, (600, 6))
    y = np.sin(40 * X[:, 0]) * np.cos(35 * X[:, 1]) + 3 * X[:, 2]
    selector = PrototypeSelector(tolerance=0.001)
    X_kept, y_kept = selector.fit_resample(X, y)
    if len(X_kept) == 600:
        assert "every row tells something" in " ".join(selector.report_.reasons)
        order = np.lexsort(X.T)
        again = np.lexsort(X_kept.T)
        assert np.allclose(X[order], X_kept[again]) and np.allclose(y[order], y_kept[again])
    else:
        assert len(X_kept) > 300


def test_duplicates_are_merged_without_loss() -> None:
    rng = np.random.default_rng(6)
    base = rng.uniform(0, 1, (60, 3))
    which = rng.integers(0, 60, 400)
    X, y = base[which], rng.normal(0, 10, 60)[which] + rng.normal(0, 1, 400)
    model = PrunedKNNRegressor(tolerance=1e-9).fit(X, y)
    plain = KNNRegressor().fit(X, y)
    queries = rng.uniform(0, 1, (200, 3))
    assert model.report_.kept == len(np.unique(which))
    assert model.predict(queries) == pytest.approx(plain.predict(queries), rel=1e-9)


def test_small_samples_lose_nothing_but_duplicates() -> None:
    rng = np.random.default_rng(7)
    X = rng.uniform(0, 1, (MIN_SAMPLES_FOR_PRUNING - 1, 2))
    X[10] = X[11]
    selector = PrototypeSelector("aggressive")
    X_kept, _ = selector.fit_resample(X, X[:, 0])
    assert len(X_kept) == MIN_SAMPLES_FOR_PRUNING - 2


class RowKNN(KNNRegressor):
    """Counts rows, whatever they weigh: what most libraries deploy."""

    def __init__(self, n_neighbors: float = 5) -> None:
        super().__init__(n_neighbors)

    def get_params(self, deep: bool = True):
        return {"n_neighbors": self.n_neighbors}

    def fit(self, X, y):
        return super().fit(X, y)


def test_equal_rows_stay_as_often_as_a_predictor_of_rows_asks() -> None:
    """Merged, three equal rows would be one of its five neighbours instead of three."""
    rng = np.random.default_rng(20)
    base = rng.uniform(0, 1, (6, 3))
    which = np.repeat(np.arange(6), [12, 12, 12, 7, 3, 2])
    X, y = base[which], rng.normal(0, 10, 6)[which] + rng.normal(0, 1, 48)
    selector = PrototypeSelector(estimator=RowKNN())
    X_kept, y_kept = selector.fit_resample(X, y)
    assert len(X_kept) == 5 + 5 + 5 + 5 + 3 + 2
    assert selector.sample_weight_.sum() == 48
    queries = rng.uniform(0, 1, (300, 3))
    expected = RowKNN().fit(X, y).predict(queries)
    assert RowKNN().fit(X_kept, y_kept).predict(queries) == pytest.approx(expected, rel=1e-9)


def test_a_workload_whose_rows_all_tell_something_keeps_them() -> None:
    """Nineteen jobs of noise, and one that is known exactly: a mean over all hides it."""
    rng = np.random.default_rng(21)
    work = Workloads(20, 21)
    group = rng.integers(0, 20, 3000)
    X, y = work.draw(rng, group)
    slope = rng.normal(0, 1, 5)

    def exact(X):
        return (X - work.center[7]) @ slope

    y[group == 7] = exact(X[group == 7]) + rng.normal(0, 1e-4, (group == 7).sum())
    selector = PrototypeSelector(tolerance=0.05)
    kept = selector.fit_resample(X, y, groups=group)
    regions = {one.name: one for one in selector.report_.regions}
    assert regions["7"].kept > 0.4 * regions["7"].rows
    assert sum(one.kept for name, one in regions.items() if name != "7") < 0.4 * len(X)
    before = KNNRegressor().fit(X, y)
    after = KNNRegressor().fit(*kept, selector.sample_weight_)
    X_new = work.center[7] + rng.normal(0, work.spread, (2000, 5))
    errors = [np.abs(model.predict(X_new) - exact(X_new)).mean() for model in (before, after)]
    assert errors[1] < 1.15 * errors[0]  # the bound, and what 2,000 rows leave open


def test_a_region_kept_whole_is_whole_where_there_are_more_rows_than_the_pool_has() -> None:
    """Elimination chooses among what the pool has: it must not take rows from those regions."""
    from amorsize.pruning.arrays import Kernel, Rows, grouped
    from amorsize.pruning.prototypes import POOL_ROWS, Reducer

    rng = np.random.default_rng(31)
    work = Workloads(60, 31)
    group = np.sort(rng.choice(60, 2 * POOL_ROWS, p=zipf(60)))
    X, y = work.draw(rng, group)
    rows = Rows(X, y[:, None], np.ones(len(X)), group)
    reducer = Reducer(rows, 0, even=True)
    sizes = np.minimum(np.maximum(reducer.sizes(600), 1), reducer.counts)
    whole = reducer.counts.argsort()[:20]
    sizes[whole] = reducer.counts[whole]
    pooled = np.bincount(reducer._pool.regions, minlength=60)
    assert (pooled[whole] < sizes[whole]).any()
    poor = grouped(rows, group)
    poor.y[:] += 100.0
    wider = np.minimum(pooled, 2 * sizes)
    kernel = Kernel(5.0, "distance", True)
    found = reducer._better(poor, sizes, wider, kernel, np.random.default_rng(0))
    assert (np.bincount(found.regions, minlength=60) == sizes).all()


@pytest.mark.parametrize("tolerance", [0.02, 0.05])
def test_few_rows_lose_no_more_than_they_can_prove(tolerance: float) -> None:
    """With a tolerance of its own and no cap, 220 patients went down to 20, at up to 10 % more error."""
    from sklearn.datasets import load_diabetes

    X, y = load_diabetes(return_X_y=True)
    X, y = (X - X.min(0)) / np.ptp(X, 0), (y - y.mean()) / y.std()
    grown = []
    for seed in range(6):
        order = np.random.default_rng(seed).permutation(len(X))
        some, others = order[:220], order[220:]
        selector = PrototypeSelector(tolerance=tolerance, random_state=seed)
        kept = selector.fit_resample(X[some], y[some])
        before = KNNRegressor().fit(X[some], y[some])
        after = KNNRegressor().fit(*kept, selector.sample_weight_)
        errors = [np.abs(model.predict(X[others]) - y[others]).mean() for model in (before, after)]
        grown.append(errors[1] / errors[0] - 1.0)
        assert selector.report_.certified or selector.report_.removed == 0
    assert np.mean(grown) < tolerance


def test_workloads_are_found_where_no_groups_are_given() -> None:
    """Forty places of which some lie near each other: no gap, but two kinds of links."""
    from amorsize.pruning.regions import find_regions

    rng = np.random.default_rng(23)
    work = Workloads(40, 23, width=6)
    group = rng.choice(40, 4000, p=zipf(40))
    X, _ = work.draw(rng, group)
    found = find_regions(X, DEFAULT_SIMILARITY_THRESHOLD, adaptive=True, smallest=5)
    table = np.zeros((found.max() + 1, 40))
    np.add.at(table, (found, group), 1)
    assert 35 <= len(table) <= 60
    assert table.max(1).sum() > 0.99 * len(X)  # hardly a region mixes workloads
    even = find_regions(rng.uniform(0, 1, (4000, 6)), 0.5, adaptive=True, smallest=5)
    assert even.max() < 8


def test_a_dozen_rows_lose_little_by_one_label() -> None:
    """The label is what the rows used to say together, not the mean of what each says of itself."""
    from amorsize.pruning.arrays import Kernel, Rows
    from amorsize.pruning.leave_one_out import mean_predictions

    rng, lost = np.random.default_rng(22), []
    kernel, zeros = Kernel(5, "distance", True), np.zeros(12, int)
    for _ in range(150):
        X, y = rng.normal(0, 1, (12, 6)), rng.normal(0, 1, 12)
        X_new, y_new = rng.normal(0, 1, (2000, 6)), rng.normal(0, 1, 2000)
        before = np.abs(KNNRegressor().fit(X, y).predict(X_new) - y_new).mean()
        rows = Rows(X, y[:, None], np.ones(12), zeros)
        usual = mean_predictions(rows, np.arange(12), zeros, kernel, rng)[0, 0]
        lost.append([np.abs(label - y_new).mean() / before - 1 for label in (usual, y.mean())])
    usual_loss, mean_loss = np.array(lost).T
    assert usual_loss.mean() < -0.01
    assert (usual_loss > 0.04).mean() < 0.03 < (mean_loss > 0.02).mean()
    assert usual_loss.max() < mean_loss.max()
