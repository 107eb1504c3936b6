"""Pruning of training data under its public address; the code is in :mod:`amorsize.pruning.selector`."""

from __future__ import annotations

from amorsize.pruning.selector import (
    DEFAULT_SIMILARITY_THRESHOLD,
    MIN_SAMPLES_FOR_PRUNING,
    MIN_SAMPLES_PER_CLUSTER,
    MIN_TOTAL_SAMPLES_TO_KEEP,
    STRATEGIES,
    PrototypeSelector,
    PrunedKNNRegressor,
    Region,
    Report,
    prune_training_data,
)

__all__ = [
    "DEFAULT_SIMILARITY_THRESHOLD",
    "MIN_SAMPLES_FOR_PRUNING",
    "MIN_SAMPLES_PER_CLUSTER",
    "MIN_TOTAL_SAMPLES_TO_KEEP",
    "STRATEGIES",
    "PrototypeSelector",
    "PrunedKNNRegressor",
    "Region",
    "Report",
    "prune_training_data",
]
