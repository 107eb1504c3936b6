"""Prototypes of more rows than the pool has."""

from __future__ import annotations

import numpy as np
import pytest
from support.pruning import Workloads, zipf

pytestmark = pytest.mark.timeout(120)


def test_a_region_kept_whole_is_whole_where_there_are_more_rows_than_the_pool_has() -> None:
    """Elimination chooses among what a pool has: it must not take rows from those regions."""
    from amorsize.pruning.arrays import Kernel, Rows, grouped
    from amorsize.pruning.prototypes import POOL_ROWS, Reducer, stride
    from amorsize.pruning.refine import eliminated, split_evenly

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
    kernel = Kernel(5.0, "distance", True)
    pools = reducer._wider(sizes)
    assert len(pools) == 2
    for own in pools:
        wide = grouped(rows, split_evenly(rows, own, sizes))
        assert len(wide.mass) > sizes.sum()
        found = eliminated(wide, rows, stride(len(X), 4_000), sizes, kernel, rng)
        assert (np.bincount(found.regions, minlength=60) == sizes).all()
