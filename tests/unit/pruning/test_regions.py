"""Regions of feature space, and the age of rows."""

from __future__ import annotations

import numpy as np
import pytest
from support.pruning import Workloads, rmse, zipf

from amorsize.learning.regressor import KNNRegressor
from amorsize.ml_pruning import (
    DEFAULT_SIMILARITY_THRESHOLD,
    MIN_SAMPLES_PER_CLUSTER,
    PrototypeSelector,
)

pytestmark = pytest.mark.timeout(120)


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
    from amorsize.pruning.regions import find_regions

    rng = np.random.default_rng(13)
    group = rng.integers(0, 6, 1200)
    X = (
        rng.normal(0, 0.01, (1200, 3))
        + rng.permutation(np.eye(6)[:, :3] + np.arange(6)[:, None])[group]
    )
    found = find_regions(
        X, DEFAULT_SIMILARITY_THRESHOLD, adaptive=True, smallest=MIN_SAMPLES_PER_CLUSTER
    )
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
