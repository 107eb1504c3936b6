"""Prototypes of more rows than the pool has."""

from __future__ import annotations

import numpy as np
import pytest
from support.pruning import Workloads, zipf

pytestmark = pytest.mark.timeout(120)


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
