"""Labels by the mean prediction against labels by the mean, at fresh rows."""

from __future__ import annotations

import numpy as np
import pytest

from amorsize.learning.regressor import KNNRegressor

pytestmark = pytest.mark.timeout(120)


def test_a_dozen_rows_lose_little_by_one_label() -> None:
    """The label is what the rows used to say together, not the mean of what each says of itself."""
    from amorsize.pruning.arrays import Kernel, Rows
    from amorsize.pruning.leave_one_out import mean_predictions

    rng, lost = np.random.default_rng(22), []
    kernel, zeros = Kernel(5, "distance", True), np.zeros(12, int)
    for _ in range(150):
        X, y = rng.normal(0, 1, (12, 6)), rng.normal(0, 1, 12)
        X_new, y_new = rng.normal(0, 1, (2000, 6)), rng.normal(0, 1, 2000)
        before = np.abs(KNNRegressor().fit(X, y).predict(X_new) - y_new).mean()
        rows = Rows(X, y[:, None], np.ones(12), zeros)
        usual = mean_predictions(rows, np.arange(12), zeros, kernel, rng)[0, 0]
        lost.append([np.abs(label - y_new).mean() / before - 1 for label in (usual, y.mean())])
    usual_loss, mean_loss = np.array(lost).T
    assert usual_loss.mean() < -0.01
    assert (usual_loss > 0.04).mean() < 0.03 < (mean_loss > 0.02).mean()
    assert usual_loss.max() < mean_loss.max()
