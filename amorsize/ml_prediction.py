"""Nearest-neighbour regression under its public address; the code is in
:mod:`amorsize.learning.regressor`."""

from __future__ import annotations

from amorsize.learning.regressor import KNNRegressor, NotFittedError

__all__ = ["KNNRegressor", "NotFittedError"]
