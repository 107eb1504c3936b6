"""What is chosen: sizes, floors, duplicates and pure subsets, against a plain count or brute force."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.pruning import RowKNN, Workloads, compared, zipf

from amorsize.learning.regressor import KNNRegressor
from amorsize.ml_pruning import (
    MIN_SAMPLES_FOR_PRUNING,
    MIN_SAMPLES_PER_CLUSTER,
    MIN_TOTAL_SAMPLES_TO_KEEP,
    PrototypeSelector,
    PrunedKNNRegressor,
)

pytestmark = pytest.mark.timeout(120)


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


@pytest.mark.parametrize(
    "fraction", [0.1, 0.01, *(pytest.param(one, marks=pytest.mark.long) for one in (0.35, 0.05))]
)
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
        assert "nothing could go within the tolerance" in " ".join(selector.report_.reasons)
        assert selector.report_.ladder
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


def test_a_pure_subset_leaves_five_of_each_group() -> None:
    rng = np.random.default_rng(14)
    group = rng.choice(10, 2000, p=zipf(10))
    X, y = Workloads(10, 14).draw(rng, group)
    selector = PrototypeSelector(keep_fraction=0.03, merge=False)
    selector.fit_resample(X, y, groups=group)
    kept = np.bincount(group[selector.sample_indices_], minlength=10)
    assert (kept >= np.minimum(np.bincount(group), MIN_SAMPLES_PER_CLUSTER)).all()


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
