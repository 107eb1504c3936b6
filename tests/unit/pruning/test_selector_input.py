"""Whatever is given to the selector: random tables, sizes, bad input; and as scikit-learn's estimator."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.pruning import Workloads, rmse, zipf

from amorsize.learning.regressor import KNNRegressor
from amorsize.ml_pruning import (
    MIN_SAMPLES_FOR_PRUNING,
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
