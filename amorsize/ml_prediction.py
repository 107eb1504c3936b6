"""Nearest-neighbour regression under its public address; the code is in
:mod:`amorsize.learning.regressor`."""

from __future__ import annotations

from amorsize.learning.estimator import NotFittedError
from amorsize.learning.regressor import KNNRegressor

__all__ = ["KNNRegressor", "NotFittedError"]
