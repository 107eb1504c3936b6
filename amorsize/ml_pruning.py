"""Pruning of training data under its public address; the code is in :mod:`amorsize.pruning`."""

from __future__ import annotations

from importlib import import_module

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


def __getattr__(name: str) -> object:
    """`prune_training_data`, when first asked for: selectors do not need the import of histories."""
    if name == "prune_training_data":
        return import_module("amorsize.pruning.history").prune_training_data
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
