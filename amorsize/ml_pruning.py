"""Fewer rows of training data that predict as well, within a bound that is checked.

:func:`prune_training_data` prunes a history of amorsize, or arrays. :class:`PrototypeSelector` and
:class:`PrunedKNNRegressor` do the same with the methods of scikit-learn. They need NumPy, and not
scikit-learn. The code is in :mod:`amorsize.pruning`.

MIN_SAMPLES_FOR_PRUNING
    With fewer rows, only exact repetitions are removed.
MIN_TOTAL_SAMPLES_TO_KEEP
    The smallest number of rows that stay.
MIN_SAMPLES_PER_CLUSTER
    With ``merge=False``, the smallest number of rows of a region that stay, if the region has so many.
DEFAULT_SIMILARITY_THRESHOLD
    The similarity, from 0 to 1, from which rows share a region, before it adapts.
STRATEGIES
    The tolerance of each strategy: the share by which the error may grow.
"""

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

__getattr__ = lazy_names(__name__, {"amorsize.pruning.history": ["prune_training_data"]})
"""Selectors do not need the import of histories."""
