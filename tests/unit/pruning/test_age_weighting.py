"""A half-life where labels drift, none where they do not."""

from __future__ import annotations

import numpy as np
import pytest
from support.pruning import Workloads, rmse

from amorsize.learning.regressor import KNNRegressor
from amorsize.ml_pruning import (
    PrototypeSelector,
)

pytestmark = pytest.mark.timeout(120)


def test_drift_is_followed() -> None:
    """As well as if only what came after the change were there: on average over histories, whose single
    ones lie 5 % to both sides of it."""
    ratios = []
    for seed in range(15, 19):
        rng = np.random.default_rng(seed)
        old, new = Workloads(10, seed), Workloads(10, seed + 1)
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
        kept = KNNRegressor().fit(X_kept, y_kept, selector.sample_weight_)
        ratios.append(rmse(kept, X_new, y_new) / alone)
    assert np.mean(ratios) < 1.02 and max(ratios) < 1.1


def test_age_alone_removes_nothing() -> None:
    for seed in range(4):
        rng = np.random.default_rng(seed)
        X, y = Workloads(10, seed).draw(rng, rng.integers(0, 10, 3000))
        selector = PrototypeSelector(keep_fraction=0.1)
        selector.fit_resample(X, y, timestamps=np.arange(3000.0))
        assert selector.report_.half_life == np.inf and selector.report_.expired == 0
