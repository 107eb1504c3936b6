"""Pruning: the claims, each against fresh rows, brute force or a plain count."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from amorsize.core.frozen import replace
from amorsize.core.model import Config, Machine, Profile
from amorsize.core.observation import Observation
from amorsize.history import open_history
from amorsize.history.memory import MemoryHistory
from amorsize.history.sqlite import SqliteHistory
from amorsize.learning.parameters import parameters_of
from amorsize.learning.regressor import KNNRegressor
from amorsize.pruning.selector import (
    DEFAULT_SIMILARITY_THRESHOLD,
    MIN_SAMPLES_FOR_PRUNING,
    MIN_SAMPLES_PER_CLUSTER,
    MIN_TOTAL_SAMPLES_TO_KEEP,
    PrototypeSelector,
    PrunedKNNRegressor,
    prune_training_data,
)

pytestmark = pytest.mark.timeout(120)


class Workloads:
    """Jobs at random places of feature space, each with a level and a slope; noise on the label."""

    def __init__(
        self, count: int, seed: int, *, noise: float = 0.1, width: int = 5, spread: float = 0.02
    ) -> None:
        rng = np.random.default_rng(seed)
        self.center = rng.uniform(0, 1, (count, width))
        self.level = rng.normal(0, 1, count)
        self.slope = rng.normal(0, 0.5, (count, width))
        self.noise, self.spread = noise, spread

    def draw(self, rng, group):
        off = rng.normal(0, self.spread, (len(group), self.center.shape[1]))
        y = self.level[group] + (off * self.slope[group]).sum(1)
        return self.center[group] + off, y + rng.normal(0, self.noise, len(group))


def zipf(count: int) -> np.ndarray:
    share = 1.0 / np.arange(1, count + 1)
    return share / share.sum()


def rmse(model, X, y) -> float:
    return float(np.sqrt(np.mean((model.predict(X) - y) ** 2)))


def compared(work: Workloads, group, fresh_group, seed: int = 0, **options):
    """Selector, and the errors at fresh rows of the predictor on all rows, on the kept ones, and on as
    many at random (mean of five)."""
    rng = np.random.default_rng(seed)
    X, y = work.draw(rng, group)
    X_new, y_new = work.draw(rng, fresh_group)
    selector = PrototypeSelector(**options)
    X_kept, y_kept = selector.fit_resample(X, y)
    whole = rmse(KNNRegressor().fit(X, y), X_new, y_new)
    pruned = rmse(KNNRegressor().fit(X_kept, y_kept, selector.sample_weight_), X_new, y_new)
    by_chance = []
    for _ in range(5):
        some = rng.choice(len(X), len(X_kept), replace=False)
        by_chance.append(rmse(KNNRegressor().fit(X[some], y[some]), X_new, y_new))
    return selector, whole, pruned, float(np.mean(by_chance))


# -- the seven scenarios of old, with predictions in them ----------------------------------------------

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
    from amorsize.pruning import regions

    rng = np.random.default_rng(23)
    work = Workloads(40, 23, width=6)
    group = rng.choice(40, 4000, p=zipf(40))
    X, _ = work.draw(rng, group)
    found = regions.find(X, DEFAULT_SIMILARITY_THRESHOLD, adaptive=True, smallest=5)
    table = np.zeros((found.max() + 1, 40))
    np.add.at(table, (found, group), 1)
    assert 35 <= len(table) <= 60
    assert table.max(1).sum() > 0.99 * len(X)  # hardly a region mixes workloads
    even = regions.find(rng.uniform(0, 1, (4000, 6)), 0.5, adaptive=True, smallest=5)
    assert even.max() < 8


def test_a_dozen_rows_lose_little_by_one_label() -> None:
    """The label is what the rows used to say together, not the mean of what each says of itself."""
    from amorsize.pruning.arrays import Kernel, Rows
    from amorsize.pruning.leave_one_out import usual_labels

    rng, lost = np.random.default_rng(22), []
    kernel, zeros = Kernel(5, "distance", True), np.zeros(12, int)
    for _ in range(150):
        X, y = rng.normal(0, 1, (12, 6)), rng.normal(0, 1, 12)
        X_new, y_new = rng.normal(0, 1, (2000, 6)), rng.normal(0, 1, 2000)
        before = np.abs(KNNRegressor().fit(X, y).predict(X_new) - y_new).mean()
        rows = Rows(X, y[:, None], np.ones(12), zeros)
        usual = usual_labels(rows, np.arange(12), zeros, kernel, rng)[0, 0]
        lost.append([np.abs(label - y_new).mean() / before - 1 for label in (usual, y.mean())])
    usual_loss, mean_loss = np.array(lost).T
    assert usual_loss.mean() < -0.01
    assert (usual_loss > 0.04).mean() < 0.03 < (mean_loss > 0.02).mean()
    assert usual_loss.max() < mean_loss.max()


# -- whatever comes in ---------------------------------------------------------------------------------


@st.composite
def tables(draw):
    rows = draw(st.integers(1, 400))
    width = draw(st.sampled_from([1, 2, 5, 40]))
    seed = draw(st.integers(0, 2**16))
    rng = np.random.default_rng(seed)
    kind = draw(
        st.sampled_from(["same", "constant label", "cluster", "different", "huge", "grid", "tiny"])
    )
    X = rng.normal(0, 1, (rows, width))
    y = X[:, 0] + rng.normal(0, 0.1, rows)
    if kind == "same":
        X[:] = 1.0
    elif kind == "constant label":
        y[:] = 3.0
    elif kind == "cluster":
        X *= 1e-6
    elif kind == "huge":
        X, y = X * 1e50, y * 1e50
    elif kind == "grid":
        X = np.round(X)
    elif kind == "tiny":
        X, y = X * 1e-50, y * 1e-50
    return X, y


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(tables(), st.sampled_from(["conservative", "auto", "aggressive"]), st.booleans())
def test_never_too_little_never_too_much(table, strategy: str, merge: bool) -> None:
    X, y = table
    selector = PrototypeSelector(strategy, merge=merge)
    X_kept, y_kept = selector.fit_resample(X, y)
    kept, rows = len(X_kept), len(X)
    assert min(rows, MIN_TOTAL_SAMPLES_TO_KEEP) <= kept <= rows
    assert X_kept.shape[1] == X.shape[1] and y_kept.shape == (kept,)
    assert np.isfinite(X_kept).all() and np.isfinite(y_kept).all()
    assert selector.sample_weight_.sum() == pytest.approx(rows)
    assert (selector.sample_weight_ > 0).all()
    assert np.bincount(selector.owner_, minlength=kept).min() >= 1
    if merge:
        assert selector.sample_indices_ is None
    else:
        assert (X[selector.sample_indices_] == X_kept).all()
        assert (y[selector.sample_indices_] == y_kept).all()
        assert len(np.unique(selector.sample_indices_)) == kept


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 5000), st.integers(0, 1000))
def test_every_size_keeps_the_floor(rows: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    if rows == 0:
        with pytest.raises(ValueError, match="at least one row"):
            PrototypeSelector().fit_resample(np.empty((0, 2)), np.empty(0))
        return
    X = rng.uniform(0, 1, (rows, 2))
    fraction = float(rng.uniform(0.001, 1.0))
    selector = PrototypeSelector(keep_fraction=fraction)
    X_kept, _ = selector.fit_resample(X, X.sum(1))
    least = min(rows, MIN_TOTAL_SAMPLES_TO_KEEP)
    if rows >= MIN_SAMPLES_FOR_PRUNING:
        assert len(X_kept) == max(least, round(fraction * rows))
    else:
        assert len(X_kept) == rows


def test_the_order_of_rows_changes_nothing() -> None:
    rng = np.random.default_rng(8)
    work = Workloads(8, 8)
    X, y = work.draw(rng, rng.integers(0, 8, 3000))
    queries, _ = work.draw(rng, rng.integers(0, 8, 300))
    turned = rng.permutation(len(X))
    one = PrunedKNNRegressor(keep_fraction=0.1).fit(X, y)
    other = PrunedKNNRegressor(keep_fraction=0.1).fit(X[turned], y[turned])
    assert one.predict(queries) == pytest.approx(other.predict(queries), abs=1e-9)


def test_pruning_twice_removes_little_more() -> None:
    rng = np.random.default_rng(9)
    work = Workloads(20, 9)
    X, y = work.draw(rng, rng.choice(20, 5000, p=zipf(20)))
    first = PrototypeSelector(tolerance=0.05)
    X1, y1 = first.fit_resample(X, y)
    second = PrototypeSelector(tolerance=0.05)
    X2, y2 = second.fit_resample(X1, y1, first.sample_weight_)
    assert len(X2) > 0.4 * len(X1)
    assert second.sample_weight_.sum() == pytest.approx(5000)
    X_new, y_new = work.draw(rng, rng.choice(20, 4000, p=zipf(20)))
    whole = rmse(KNNRegressor().fit(X, y), X_new, y_new)
    twice = rmse(KNNRegressor().fit(X2, y2, second.sample_weight_), X_new, y_new)
    assert twice < 1.10 * whole


def test_prototypes_of_several_prunings_combine() -> None:
    rng = np.random.default_rng(10)
    work = Workloads(6, 10)
    parts = []
    for _ in range(3):
        X, y = work.draw(rng, rng.integers(0, 6, 2000))
        selector = PrototypeSelector(tolerance=0.05)
        parts.append((*selector.fit_resample(X, y), selector.sample_weight_))
    X, y, mass = (np.concatenate(column) for column in zip(*parts, strict=True))
    merged = PrototypeSelector(tolerance=0.05)
    X_kept, y_kept = merged.fit_resample(X, y, mass)
    assert merged.sample_weight_.sum() == pytest.approx(6000)
    X_new, y_new = work.draw(rng, rng.integers(0, 6, 4000))
    assert rmse(KNNRegressor().fit(X_kept, y_kept, merged.sample_weight_), X_new, y_new) < 0.13


def test_several_outputs() -> None:
    rng = np.random.default_rng(11)
    work = Workloads(5, 11)
    X, first = work.draw(rng, rng.integers(0, 5, 2000))
    y = np.stack([first, -100.0 * first + rng.normal(0, 1, 2000)], 1)
    selector = PrototypeSelector(tolerance=0.05)
    X_kept, y_kept = selector.fit_resample(X, y)
    assert y_kept.shape == (len(X_kept), 2) and len(X_kept) < 400
    model = KNNRegressor().fit(X_kept, y_kept, selector.sample_weight_)
    error = np.sqrt(((model.predict(X) - y) ** 2).mean(0))
    base = np.sqrt(((KNNRegressor().fit(X, y).predict(X + 1e-9) - y) ** 2).mean(0))
    assert (error < 0.25 * y.std(0)).all() and base.shape == (2,)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (([[np.nan]], [1.0]), "NaN"),
        (([[np.inf]], [1.0]), "NaN or inf"),
        (([[1.0]], [np.nan]), "NaN"),
        (([1.0, 2.0], [1.0, 2.0]), "two-dimensional"),
        ((np.empty((0, 3)), []), "at least one row"),
        (([[1.0], [2.0]], [1.0]), "one target for each row"),
        (([[1e200], [2.0]], [1.0, 2.0]), "scale"),
        (([[1.0], [2.0]], [1.0, 2.0], [1.0, 0.0]), "above 0"),
        (([[1.0], [2.0]], [1.0, 2.0], [1.0]), "one value for each row"),
        (([[1.0], [2.0]], [1.0, 2.0], None, [1.0]), "timestamps"),
        (([[1.0], [2.0]], [1.0, 2.0], None, None, [1]), "groups"),
    ],
)
def test_bad_input_is_named(arguments, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        PrototypeSelector().fit_resample(*arguments)


@pytest.mark.parametrize(
    "options",
    [
        {"strategy": "bold"},
        {"tolerance": 0.0},
        {"tolerance": -1.0},
        {"keep_fraction": 0.0},
        {"keep_fraction": 1.5},
        {"similarity_threshold": 2.0},
        {"tolerance": 0.1, "keep_fraction": 0.1},
        {"random_state": "x"},
    ],
)
def test_bad_parameters_are_named(options) -> None:
    with pytest.raises(ValueError, match=next(iter(options)) + "="):
        PrototypeSelector(**options).fit_resample([[1.0], [2.0]], [1.0, 2.0])


# -- regions -------------------------------------------------------------------------------------------


def test_one_cluster_is_not_all_there_is() -> None:
    """Homogeneous data are judged region by region all the same."""
    rng = np.random.default_rng(12)
    X = rng.normal(0, 1, (4000, 4))
    y = X[:, 0] + rng.normal(0, 0.3, 4000)
    selector = PrototypeSelector(tolerance=0.05)
    selector.fit_resample(X, y)
    assert len(selector.report_.regions) > 1
    assert all(region.kept >= 1 for region in selector.report_.regions)


def test_separate_clusters_are_found() -> None:
    from amorsize.pruning.regions import find

    rng = np.random.default_rng(13)
    group = rng.integers(0, 6, 1200)
    X = (
        rng.normal(0, 0.01, (1200, 3))
        + rng.permutation(np.eye(6)[:, :3] + np.arange(6)[:, None])[group]
    )
    found = find(X, DEFAULT_SIMILARITY_THRESHOLD, adaptive=True, smallest=MIN_SAMPLES_PER_CLUSTER)
    for one in range(6):
        assert len(set(found[group == one])) == 1
    assert len(set(found)) == 6


def test_a_pure_subset_leaves_five_of_each_group() -> None:
    rng = np.random.default_rng(14)
    group = rng.choice(10, 2000, p=zipf(10))
    X, y = Workloads(10, 14).draw(rng, group)
    selector = PrototypeSelector(keep_fraction=0.03, merge=False)
    selector.fit_resample(X, y, groups=group)
    kept = np.bincount(group[selector.sample_indices_], minlength=10)
    assert (kept >= np.minimum(np.bincount(group), MIN_SAMPLES_PER_CLUSTER)).all()


# -- age -----------------------------------------------------------------------------------------------


def test_drift_is_followed() -> None:
    rng = np.random.default_rng(15)
    old, new = Workloads(10, 15), Workloads(10, 16)
    new.center = old.center
    group = rng.integers(0, 10, 4000)
    X, y = old.draw(rng, group)
    X_late, y_late = new.draw(rng, group[2800:])
    X[2800:], y[2800:] = X_late, y_late
    selector = PrototypeSelector(keep_fraction=0.1)
    X_kept, y_kept = selector.fit_resample(X, y, timestamps=np.arange(4000.0))
    assert np.isfinite(selector.report_.half_life) and selector.report_.expired > 1000
    X_new, y_new = new.draw(rng, rng.integers(0, 10, 4000))
    alone = rmse(KNNRegressor().fit(X_late, y_late), X_new, y_new)
    assert (
        rmse(KNNRegressor().fit(X_kept, y_kept, selector.sample_weight_), X_new, y_new)
        < 1.05 * alone
    )


def test_age_alone_removes_nothing() -> None:
    for seed in range(4):
        rng = np.random.default_rng(seed)
        X, y = Workloads(10, seed).draw(rng, rng.integers(0, 10, 3000))
        selector = PrototypeSelector(keep_fraction=0.1)
        selector.fit_resample(X, y, timestamps=np.arange(3000.0))
        assert selector.report_.half_life == np.inf and selector.report_.expired == 0


# -- the deployed predictor ----------------------------------------------------------------------------


def test_the_bound_is_checked_by_the_given_estimator() -> None:
    sklearn = pytest.importorskip("sklearn.neighbors")
    rng = np.random.default_rng(17)
    work = Workloads(8, 17)
    X, y = work.draw(rng, rng.integers(0, 8, 3000))
    X_new, y_new = work.draw(rng, rng.integers(0, 8, 4000))
    estimator = sklearn.KNeighborsRegressor(3)
    selector = PrototypeSelector(tolerance=0.05, estimator=estimator)
    X_kept, y_kept = selector.fit_resample(X, y)
    whole = rmse(sklearn.KNeighborsRegressor(3).fit(X, y), X_new, y_new)
    pruned = rmse(sklearn.KNeighborsRegressor(3).fit(X_kept, y_kept), X_new, y_new)
    assert len(X_kept) < 1000
    assert pruned < 1.05 * whole


def test_parameters_as_scikit_learn_wants_them() -> None:
    base = pytest.importorskip("sklearn.base")
    selector = PrototypeSelector(tolerance=0.1, estimator=KNNRegressor(3))
    copy = base.clone(selector)
    assert copy.get_params()["estimator__n_neighbors"] == 3
    copy.set_params(estimator__n_neighbors=7, strategy="auto")
    assert selector.estimator.n_neighbors == 3 and copy.estimator.n_neighbors == 7
    with pytest.raises(ValueError, match="no_such"):
        copy.set_params(no_such=1)
    assert "tolerance=0.1" in repr(selector)


def test_pruned_regressor_in_a_search() -> None:
    selection = pytest.importorskip("sklearn.model_selection")
    rng = np.random.default_rng(18)
    X, y = Workloads(5, 18).draw(rng, rng.integers(0, 5, 600))
    search = selection.GridSearchCV(
        PrunedKNNRegressor(keep_fraction=0.2), {"n_neighbors": [1, 5]}, cv=3
    )
    assert search.fit(X, y).score(X, y) > 0.9


def test_pruned_regressor_passes_the_estimator_checks() -> None:
    checks = pytest.importorskip("sklearn.utils.estimator_checks")
    checks.check_estimator(PrunedKNNRegressor())


def test_predictions_get_faster() -> None:
    rng = np.random.default_rng(19)
    X, y = Workloads(20, 19).draw(rng, rng.integers(0, 20, 20_000))
    whole = KNNRegressor().fit(X, y)
    pruned = PrunedKNNRegressor(tolerance=0.05).fit(X, y)
    ratios = []
    for query in X[:60, None]:
        began = time.perf_counter()
        whole.predict(query)
        middle = time.perf_counter()
        pruned.predict(query)
        ratios.append((middle - began) / (time.perf_counter() - middle))
    assert np.median(ratios) > 2.0


# -- a history -----------------------------------------------------------------------------------------

PROFILE = Profile(items=10, item_seconds=1e-3, gil_free_share=0.0, result_seconds=1e-6)
MACHINE = Machine(cores=8, logical_cores=8, resident_bytes=10**8)


def runs(count: int, functions: int = 12, seed: int = 0) -> list[Observation]:
    """Repeated runs of some functions in some configurations, with a truth of their own each."""
    rng = np.random.default_rng(seed)
    bias = rng.normal(0, 0.5, (functions, 3))
    configs = [Config("serial"), Config("fork", 2), Config("fork", 8)]
    made = []
    for number in range(count):
        function, which = int(rng.choice(functions, p=zipf(functions))), int(rng.integers(0, 3))
        profile = replace(
            PROFILE, item_seconds=1e-4 * 2.0**function * float(np.exp(rng.normal(0, 0.05)))
        )
        model = 1000 * profile.item_seconds / configs[which].n_jobs
        made.append(
            Observation(
                fingerprint=f"{function:032x}",
                profile=profile,
                machine=MACHINE,
                config=configs[which],
                items=1000,
                wall_seconds=model * float(np.exp(bias[function, which] + rng.normal(0, 0.05))),
                cpu_seconds=1.0,
                time=1e9 + number,
                model_seconds=model,
                id=f"{seed:016x}{number:016x}",
            )
        )
    return made


@pytest.fixture(params=["memory", "sqlite"])
def history(request, tmp_path: Path):
    if request.param == "memory":
        yield MemoryHistory()
    else:
        with open_history(tmp_path / "h.sqlite") as opened:
            yield opened


def test_a_history_is_pruned_in_place(history) -> None:
    history.add(runs(3000))
    result = prune_training_data(history)
    assert result.ratio > 0.6 and result.held, str(result)
    assert history.stats().rows == result.kept == 3000 - result.removed
    assert history.check() == []
    kept = list(history.read())
    assert sum(one.weight for one in kept) == pytest.approx(3000)
    assert {one.fingerprint for one in kept} == {f"{i:032x}" for i in range(12)}
    assert all(isinstance(one.config.n_jobs, int) for one in kept)
    assert [one.time for one in kept] == sorted(one.time for one in kept)
    assert result.after.memory_bytes < 0.7 * result.before.memory_bytes
    assert result.after.regret is not None and result.before.regret is not None
    assert result.after.regret < result.before.regret + 0.05
    assert result.error_change is not None and result.error_change <= 0.05
    assert "certified" in str(result)
    assert result.before.error is not None and result.after.error is not None
    assert result.after.error == pytest.approx(
        result.before.error * (1 + result.error_change), rel=0.2
    )
    told = json.loads(json.dumps(result.to_dict()))
    regions = [one for part in told["parts"].values() for one in part["regions"]]
    assert {one["name"] for one in regions} == {f"{i:032x}" for i in range(12)}
    assert sum(one["kept"] for one in regions) == result.kept
    assert "000000000000: " in str(result)


def test_a_dry_run_changes_nothing(history) -> None:
    history.add(runs(400))
    before = list(history.read())
    result = prune_training_data(history, dry_run=True)
    assert result.dry_run and result.removed > 0
    assert list(history.read()) == before


def test_what_goes_is_archived(history, tmp_path: Path) -> None:
    history.add(runs(400))
    before = {one.id for one in history.read()}
    archive = tmp_path / "gone.jsonl"
    prune_training_data(history, archive=archive)
    gone = {json.loads(line)["id"] for line in archive.read_text().splitlines()}
    untouched = {one.id for one in history.read() if one.weight == 1.0}
    assert gone | untouched == before


def test_rows_that_come_in_the_meantime_stay(history) -> None:
    history.add(runs(400))
    late = runs(1, seed=9)

    def meanwhile(done: int, total: int, what: str) -> None:
        if what == "measuring":
            history.add(late)

    prune_training_data(history, progress=meanwhile)
    assert late[0].id in {one.id for one in history.read()}


def test_rows_that_go_in_the_meantime_begin_it_anew(history) -> None:
    history.add(runs(400))
    victims = [one.id for one in runs(200)]
    seen = []

    def meanwhile(done: int, total: int, what: str) -> None:
        seen.append(what)
        if what == "measuring" and seen.count("measuring") == 1:
            history.replace(victims, [])

    result = prune_training_data(history, progress=meanwhile)
    assert seen.count("reading") == 2
    assert not {one.id for one in history.read()} & set(victims)
    assert sum(one.weight for one in history.read()) == pytest.approx(200)
    assert history.check() == [] and result.kept == history.stats().rows


def test_failed_runs_are_not_hoarded(history) -> None:
    bad = [replace(one, outcome="failed", fingerprint="0" * 31 + "1") for one in runs(50, seed=3)]
    history.add([*runs(300), *bad])
    prune_training_data(history)
    failed = [one for one in history.read() if one.outcome == "failed"]
    assert len(failed) == 5 and max(one.time for one in bad) in [one.time for one in failed]


def test_observations_and_arrays() -> None:
    rows = runs(600)
    result = prune_training_data(rows)
    assert 20 <= len(result.observations) < 600
    rng = np.random.default_rng(0)
    X, y = Workloads(4, 0).draw(rng, rng.integers(0, 4, 1500))
    found = prune_training_data((X, y), tolerance=0.05)
    assert found.X.shape == (found.kept, 5) and found.sample_weight.sum() == pytest.approx(1500)
    assert found.after.memory_bytes < found.before.memory_bytes
    assert found.before.error is not None and found.after.error is not None
    assert found.after.error / found.before.error - 1 == pytest.approx(found.error_change)
    group = rng.integers(0, 4, 1500)
    weighed = prune_training_data(
        (X, y), tolerance=0.05, groups=group, sample_weight=np.full(1500, 2)
    )
    assert weighed.sample_weight.sum() == pytest.approx(3000)
    assert [one.name for one in weighed.reports[0][1].regions] == ["0", "1", "2", "3"]
    with pytest.raises(ValueError, match="groups= is for a tuple"):
        prune_training_data(rows, groups=group)
    with pytest.raises(TypeError, match="History"):
        prune_training_data([1, 2, 3])


def test_histories_of_several_machines_combine() -> None:
    one, other = MemoryHistory(), MemoryHistory()
    one.add(runs(800, seed=1))
    other.add([replace(run, machine=replace(MACHINE, cores=4)) for run in runs(800, seed=2)])
    for history in (one, other):
        prune_training_data(history)
    both = MemoryHistory()
    both.add([*one.read(), *other.read()])
    result = prune_training_data(both)
    assert sum(run.weight for run in both.read()) == pytest.approx(1600)
    assert result.held


KILLED = """
import sys
from amorsize.history import open_history
from amorsize.ml_pruning import prune_training_data
with open_history(sys.argv[1]) as history:
    print("ready", flush=True)
    while True:
        rows = list(history.read())
        prune_training_data(history, tolerance=0.05)
        history.clear()
        history.add(rows)
"""


@pytest.mark.timeout(300)
def test_killed_in_the_middle_nothing_is_lost(tmp_path: Path) -> None:
    """Before or after, never between. (`clear` and `add` of the loop above are two transactions: an
    empty history is right, too.)"""
    rng = np.random.default_rng(0)
    path = tmp_path / "h.sqlite"
    with open_history(path) as history:
        history.add(runs(600))
    before = {one.id for one in runs(600)}
    whole = 0
    for _ in range(12):
        child = subprocess.Popen([sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE)
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(float(rng.uniform(0.0, 0.5)))
        child.kill()
        child.wait()
        child.stdout.close()
        with open_history(path) as history:
            assert history.check() == []
            kept = list(history.read())
            if kept:
                assert sum(one.weight for one in kept) == pytest.approx(600)
                assert {one.id for one in kept} <= before
                whole += 1
            else:
                history.add(runs(600))
    assert whole


@pytest.mark.long
def test_pruned_among_writers_and_readers(tmp_path: Path) -> None:
    path = tmp_path / "h.sqlite"
    with open_history(path) as history:
        history.add(runs(500))
    stop = threading.Event()
    problems: list[BaseException] = []
    written = [0] * 4

    def write(number: int) -> None:
        try:
            with SqliteHistory(str(path), patience_seconds=10) as mine:
                while not stop.is_set():
                    mine.add([replace(runs(1, seed=50 + number)[0], id=os.urandom(16).hex())])
                    written[number] += 1
                    time.sleep(0.01)
        except BaseException as error:
            problems.append(error)

    def read() -> None:
        try:
            with SqliteHistory(str(path), patience_seconds=10) as mine:
                while not stop.is_set():
                    assert sum(one.weight for one in mine.read()) >= 499.9
                    time.sleep(0.02)
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=write, args=(i,)) for i in range(4)]
    threads += [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        with SqliteHistory(str(path), patience_seconds=10) as history:
            for _ in range(2):
                prune_training_data(history)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not problems
    with open_history(path) as history:
        assert sum(one.weight for one in history.read()) == pytest.approx(500 + sum(written))
        assert history.check() == []


# -- upkeep beside long runs ---------------------------------------------------------------------------


def test_upkeep_prunes_when_due(tmp_path: Path) -> None:
    from amorsize.pruning.upkeep import is_due, maintain, pruned_rows

    with open_history(tmp_path / "h.sqlite") as history:
        history.add(runs(150))
        assert not is_due(history)
        history.add(runs(900, seed=4))
        assert is_due(history)
        assert maintain(history, "auto")
        rows = history.stats().rows
        assert pruned_rows(history) == rows < 1050
        assert not is_due(history) and not maintain(history, "auto")
        assert parameters_of(history)


def test_the_child_works_and_ends_with_its_parent(tmp_path: Path) -> None:
    from amorsize.pruning.upkeep import Upkeep

    path = str(tmp_path / "h.sqlite")
    with open_history(path) as history:
        history.add(runs(600))
    upkeep = Upkeep(path, "auto")
    upkeep.start()
    assert upkeep._child is not None
    assert upkeep._child.wait(60) == 0
    upkeep.stop()
    with open_history(path) as history:
        assert history.stats().rows < 600 and history.check() == []
        history.add([replace(one, id=os.urandom(16).hex()) for one in runs(2000, seed=5)])
    other = Upkeep(path, "auto")
    other.start()
    child = other._child
    other.stop()
    assert child is not None and child.poll() is not None
    with open_history(path) as history:
        assert history.check() == []


def test_a_long_run_has_upkeep_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import amorsize
    from amorsize.engine import recording
    from amorsize.pruning import upkeep as maintenance

    started = []
    monkeypatch.setattr(recording, "UPKEEP_SECONDS", 0.05)
    monkeypatch.setattr(maintenance.Upkeep, "start", lambda self: started.append(self.strategy))
    path = str(tmp_path / "h.sqlite")
    tuner = amorsize.Tuner(history=path)
    assert tuner.execute(_nap, range(40), n_jobs=2) == list(range(40))
    assert started == ["auto"]
    off = amorsize.Tuner(amorsize.Settings(pruning=None), history=path)
    off.execute(_nap, range(40))
    assert started == ["auto"]
    with pytest.raises(ValueError, match="pruning"):
        amorsize.Tuner(amorsize.Settings(pruning="bold"))


def _nap(item: int) -> int:
    time.sleep(0.01)
    return item
