"""Parameters as scikit-learn clones, reads and sets them."""

from __future__ import annotations

import pytest

from amorsize.learning.regressor import KNNRegressor
from amorsize.ml_pruning import (
    PrototypeSelector,
)

pytestmark = pytest.mark.timeout(120)


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
