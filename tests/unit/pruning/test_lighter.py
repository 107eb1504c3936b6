"""Prototypes that count less with the predictor than their mass: several share a neighbourhood."""

from __future__ import annotations

import numpy as np
import pytest
from support.pruning import RowKNN, rmse

from amorsize.learning.regressor import KNNRegressor
from amorsize.ml_pruning import PrototypeSelector

pytestmark = pytest.mark.timeout(120)


def noisy(rows: int, noise: float, width: int, seed: int):
    """Sines along random directions, with noise on the label."""
    rng = np.random.default_rng(seed)
    waves = rng.normal(0, 1.5, (3, width)) / np.sqrt(width / 5)
    X = rng.uniform(0, 1, (rows, width))
    y = np.sin(X @ waves.T + rng.uniform(0, 6, 3)).sum(1)
    return X, y / y.std() + noise * rng.normal(0, 1, rows)


@pytest.mark.parametrize("model", [KNNRegressor(), KNNRegressor(15, weights="gaussian")])
def test_a_smaller_set_that_averages_noise_is_found(model: KNNRegressor) -> None:
    """One prototype of a hundred rows was all of the neighbours, and everything came back."""
    X, y = noisy(6000, 0.5, 10, 0)
    selector = PrototypeSelector(tolerance=0.02, estimator=model)
    kept = selector.fit_resample(X[:4000], y[:4000])
    assert selector.report_.certified and selector.report_.ratio >= 0.9
    assert (selector.sample_weight_ <= selector.sample_mass_).all()
    assert selector.sample_mass_.sum() == pytest.approx(4000)
    before = rmse(model.fit(X[:4000], y[:4000]), X[4000:], y[4000:])
    after = rmse(model.fit(*kept, selector.sample_weight_), X[4000:], y[4000:])
    assert after < before


def test_a_size_is_as_good_for_neighbours_of_mass_as_for_neighbours_of_rows() -> None:
    """On a smooth function interpolation needs more than the nearest prototype (twice the error)."""
    X, y = noisy(6000, 0.1, 3, 3)
    errors = {}
    for lighter in (True, False):
        selector = PrototypeSelector(keep_fraction=0.01, lighter=lighter)
        kept = selector.fit_resample(X[:4000], y[:4000])
        errors[lighter] = rmse(
            KNNRegressor().fit(*kept, selector.sample_weight_), X[4000:], y[4000:]
        )
        assert (selector.sample_weight_ == selector.sample_mass_).all() != lighter
        assert (selector.sample_weight_ >= 1.0).all()
    told = PrototypeSelector(keep_fraction=0.01, estimator=RowKNN())
    by_rows = rmse(RowKNN().fit(*told.fit_resample(X[:4000], y[:4000])), X[4000:], y[4000:])
    assert errors[True] < 0.7 * errors[False]
    assert errors[True] < 1.15 * by_rows


def test_masses_stay_where_rows_repeat() -> None:
    """Exact repetitions lose nothing by their masses: there is nothing to gain by less."""
    rng = np.random.default_rng(4)
    base, level = rng.uniform(0, 1, (200, 4)), rng.normal(0, 1, 200)
    which = rng.integers(0, 200, 4000)
    y = level[which] + rng.normal(0, 0.3, 4000)
    selector = PrototypeSelector(tolerance=0.02)
    selector.fit_resample(base[which], y)
    assert (selector.sample_weight_ == selector.sample_mass_).all()
    assert selector.report_.kept <= 200
