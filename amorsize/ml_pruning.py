"""Pruning of training data under its public address; the code is in :mod:`amorsize.pruning`."""

from __future__ import annotations

from amorsize.core.lazy import lazy_names
from amorsize.pruning.problem import (
    DEFAULT_SIMILARITY_THRESHOLD,
    MIN_SAMPLES_FOR_PRUNING,
    MIN_SAMPLES_PER_CLUSTER,
)
from amorsize.pruning.result import PruningResult, Region, Report
from amorsize.pruning.select import MIN_TOTAL_SAMPLES_TO_KEEP, STRATEGIES
from amorsize.pruning.selector import PrototypeSelector, PrunedKNNRegressor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize.pruning.history import prune_training_data

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

__getattr__ = lazy_names(__name__, {"prune_training_data": "amorsize.pruning.history"})
"""Selectors do not need the import of histories."""
