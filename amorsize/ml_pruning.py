"""Pruning of training data under its public address; the code is in :mod:`amorsize.pruning`."""

from __future__ import annotations

from amorsize.pruning.history import prune_training_data
from amorsize.pruning.problem import (
    DEFAULT_SIMILARITY_THRESHOLD,
    MIN_SAMPLES_FOR_PRUNING,
    MIN_SAMPLES_PER_CLUSTER,
)
from amorsize.pruning.pruned_regressor import PrunedKNNRegressor
from amorsize.pruning.result import PruningResult, Region, Report
from amorsize.pruning.select import MIN_TOTAL_SAMPLES_TO_KEEP, STRATEGIES
from amorsize.pruning.selector import PrototypeSelector

__all__ = [
    "DEFAULT_SIMILARITY_THRESHOLD",
    "MIN_SAMPLES_FOR_PRUNING",
    "MIN_SAMPLES_PER_CLUSTER",
    "MIN_TOTAL_SAMPLES_TO_KEEP",
    "STRATEGIES",
    "PrototypeSelector",
    "PrunedKNNRegressor",
    "PruningResult",
    "Region",
    "Report",
    "prune_training_data",
]
