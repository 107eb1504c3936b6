"""The predictor's parameters, which cross-validation chooses, kept as a note of the history."""

from __future__ import annotations

import json

from amorsize.learning.features import FEATURES_VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize.history.base import History
    from amorsize.history.resilient import SafeHistory

    Parameters = dict[str, dict[str, object]]

NOTE = "predictor"
"""Name of the note."""


def parameters_of(history: History | SafeHistory) -> Parameters:
    """What `tune` found for the present features, by backend; empty before."""
    try:
        kept = json.loads(history.note(NOTE) or "{}")
        return dict(kept["parameters"]) if kept.get("features") == FEATURES_VERSION else {}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}  # another program's note; the next tuning replaces it


def tune(history: History) -> Parameters:
    """Choose the predictor's parameters by cross-validation over workloads, and keep them.

    Needs NumPy and takes seconds: for maintenance, not for runs."""
    from amorsize.learning.predictor import Predictor

    found = Predictor.tune(history.table())
    history.set_note(NOTE, json.dumps({"features": FEATURES_VERSION, "parameters": found}))
    return found
