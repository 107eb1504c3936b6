"""When a history is pruned by itself, and what is done to it then."""

from __future__ import annotations

from amorsize.learning.parameters import tune
from amorsize.pruning.history import prune_training_data, pruned_rows

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize.history.base import History

GROWN = 1.5
"""A history is pruned when it has so many times the rows that the last pruning left."""
FULL_SHARE = 0.9
"""A history is pruned, too, when it has this share of the rows that it may have: beyond them the oldest
rows would be dropped without being merged."""
LEAST_ROWS = 200
"""Rows of the smallest history that is pruned."""


def is_due(history: History) -> bool:
    """Whether the history should be pruned now."""
    stats = history.stats()
    return stats.rows >= LEAST_ROWS and (
        stats.rows >= GROWN * pruned_rows(history) or stats.rows >= FULL_SHARE * stats.max_rows
    )


def maintain(history: History, strategy: str) -> bool:
    """Prune and tune if it is due; whether it was."""
    if not is_due(history):
        return False
    prune_training_data(history, strategy)
    tune(history)
    return True
