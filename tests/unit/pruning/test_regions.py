"""Regions found without groups, against the workloads that made the rows."""

from __future__ import annotations

import numpy as np
import pytest
from support.pruning import Workloads, zipf

from amorsize.ml_pruning import (
    DEFAULT_SIMILARITY_THRESHOLD,
    MIN_SAMPLES_PER_CLUSTER,
    PrototypeSelector,
)

pytestmark = pytest.mark.timeout(120)


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


def test_one_cluster_is_not_all_there_is() -> None:
    """Homogeneous data are judged region by region all the same."""
    rng = np.random.default_rng(12)
    X = rng.normal(0, 1, (1500, 4))
    y = X[:, 0] + rng.normal(0, 0.3, 1500)
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
