"""The bound, searched: rows that tell something stay, and few rows lose no more than they prove."""

from __future__ import annotations

import numpy as np
import pytest
from support.pruning import Workloads

from amorsize.learning.regressor import KNNRegressor
from amorsize.ml_pruning import (
    PrototypeSelector,
)

pytestmark = pytest.mark.timeout(120)


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
