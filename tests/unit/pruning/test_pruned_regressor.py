"""Selector and predictor in one: in a search, by scikit-learn's checks, and faster."""

from __future__ import annotations

import time

import numpy as np
import pytest
from support.pruning import Workloads

from amorsize.learning.regressor import KNNRegressor
from amorsize.ml_pruning import (
    PrunedKNNRegressor,
)

pytestmark = pytest.mark.timeout(120)


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
