"""The predictor's parameters, which cross-validation chooses, kept as a note of the history."""

from __future__ import annotations

import json

from amorsize.learning.features import FEATURES_VERSION, LEAST_ROWS, Arrays
from amorsize.learning.regressor import KNNRegressor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize.history.base import History, Table
    from amorsize.history.resilient import SafeHistory

    Parameters = dict[str, dict[str, object]]

NOTE = "predictor"
"""Name of the note."""
LEAST_WORKLOADS = 3
"""Fewer workloads of a backend leave nothing to validate on."""


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
    found = choose_parameters(history.table())
    history.set_note(NOTE, json.dumps({"features": FEATURES_VERSION, "parameters": found}))
    return found


def choose_parameters(table: Table) -> Parameters:
    """Parameters for each backend, chosen by cross-validation over workloads."""
    arrays = Arrays(table)
    found: Parameters = {}
    for backend in sorted(set(arrays.backend)):
        places = arrays.of_backend(backend)
        groups = [arrays.group[place] for place in places]
        if len(places) < LEAST_ROWS or len(set(groups)) < LEAST_WORKLOADS:
            continue
        model = KNNRegressor()
        model.tune(arrays.X[places], arrays.y[places], arrays.weight[places], groups)
        found[backend] = model.get_params()
    return found
