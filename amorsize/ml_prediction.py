"""Regression by nearest neighbours whose rows have weights: :class:`KNNRegressor`.

It has the methods of a regressor of scikit-learn, and predicts what amorsize learns. It needs NumPy, and
not scikit-learn. The code is in :mod:`amorsize.learning.regressor`.
"""

from __future__ import annotations

from amorsize.learning.estimator import NotFittedError
from amorsize.learning.regressor import KNNRegressor

__all__ = ["KNNRegressor", "NotFittedError"]
