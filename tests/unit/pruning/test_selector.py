"""The promises: error and size on seven scenarios, wrong input named, and what prototypes mix with."""

from __future__ import annotations

import time

import numpy as np
import pytest
from support.pruning import Workloads, compared, rmse, zipf

from amorsize.learning.regressor import KNNRegressor
from amorsize.ml_pruning import (
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
