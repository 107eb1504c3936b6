"""Records as arrays, and back: the one table of what the predictor sees.

Each feature is a number of an observation (its name is that of ``observations.NUMBERS``), in a unit,
through a transform, scaled so that its range becomes 0 to 1; what lies outside is cut. Machine
features are among them, so that what was learned on one machine serves on another.
"""

from __future__ import annotations

from math import log

from amorsize.core.frozen import dataclass
from amorsize.core.observation import (
    CROWDED,
    LARGEST_RESIDUAL,
    NUMBERS,
    TEXTS,
    WORKS_INSIDE,
    WORKS_SHARE,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from amorsize.core.model import Config, Machine, Profile
    from amorsize.history.base import Table

TINY_SECONDS = 1e-12
"""Keeps logarithms finite."""
LEAST_ROWS = 20
"""Fewer rows of a backend teach nothing."""
FEATURES_VERSION = 2
"""Parameters that were tuned for another version are not used."""


@dataclass(frozen=True)
class Feature:
    """One column of X."""

    name: str
    unit: str
    transform: str
    """"log": by its logarithm; "linear": as it is."""
    low: float
    high: float
    absent: float
    """What stands for a number that was not measured."""


FEATURES: tuple[Feature, ...] = (
    Feature("profile.item_seconds", "s", "log", 1e-7, 1e3, 1e-7),
    Feature("profile.cpu_share", "1", "linear", 0.0, 1.0, 1.0),
    Feature("profile.inner_threads", "1", "log", 1.0, 64.0, 1.0),
    Feature("profile.gil_free_share", "1", "linear", 0.0, 1.0, 0.0),
    Feature("profile.result_bytes", "B", "log", 1.0, 1e9, 1.0),
    Feature("profile.result_seconds", "s", "log", 1e-7, 10.0, 1e-7),
    Feature("profile.argument_bytes", "B", "log", 1.0, 1e9, 1.0),
    Feature("machine.cores", "1", "log", 1.0, 256.0, 1.0),
    Feature("machine.resident_bytes", "B", "log", 1e6, 1e12, 1e6),
    Feature("items", "1", "log", 1.0, 1e9, 1.0),
    Feature("config.n_jobs", "1", "log", 1.0, 512.0, 1.0),
    Feature("config.threads_per_job", "1", "log", 1.0, 128.0, 1.0),
)
"""The columns of X, in this order."""


def encode(profile: Profile, machine: Machine, config: Config, items: int) -> list[float]:
    """One row of X."""
    records = {"profile": profile, "machine": machine, "config": config}
    row = []
    for feature in FEATURES:
        record, _, name = feature.name.rpartition(".")
        value = items if not record else getattr(records[record], name)
        row.append(_scaled(feature, feature.absent if value is None else float(value)))
    return row


def encoder(profile: Profile, machine: Machine, items: int) -> Callable[[Config], list[float]]:
    """:func:`encode` for any configuration: what all of them have in common is encoded once."""
    common: list[float] = []

    def encoded(config: Config) -> list[float]:
        if not common:
            common.extend(encode(profile, machine, config, items))
        row = common.copy()
        for place, name in _OF_CONFIG:
            row[place] = _scaled(FEATURES[place], float(getattr(config, name)))
        return row

    return encoded


_OF_CONFIG = [
    (place, feature.name.partition(".")[2])
    for place, feature in enumerate(FEATURES)
    if feature.name.startswith("config.")
]


def _scaled(feature: Feature, value: float) -> float:
    value = min(max(value, feature.low), feature.high)
    if feature.transform == "log":
        return log(value / feature.low) / log(feature.high / feature.low)
    return (value - feature.low) / (feature.high - feature.low)


def _work_ratios(column: dict[str, Any], rows: Any, backend: list[str]) -> Any:
    """:func:`amorsize.core.observation.work_ratio` of each row."""
    import numpy as np

    item, share, inner = (
        column[f"profile.{name}"][rows] for name in ("item_seconds", "cpu_share", "inner_threads")
    )
    wall, cpu = column["wall_seconds"][rows], column["cpu_seconds"][rows]
    expected = np.maximum(column["items"][rows] * item, TINY_SECONDS)
    kinds = np.array(backend, dtype=object)
    computes = np.isin(kinds, ("threads", "fork")) & (cpu > 0) & (share >= WORKS_SHARE)
    computes &= inner <= WORKS_INSIDE
    found = np.log(np.maximum(cpu, TINY_SECONDS) / (expected * np.maximum(share, WORKS_SHARE)))
    found = np.where(found > CROWDED, found - CROWDED, np.minimum(found, 0.0))
    found = np.where(computes, found, 0.0)
    found = np.where(kinds == "serial", np.log(wall / expected), found)
    found = np.where(column["work.items"][rows] > 0, 0.0, found)  # the profile is what they took
    return np.where(item > 0, np.clip(found, -LARGEST_RESIDUAL, LARGEST_RESIDUAL), 0.0)


class Arrays:
    """A history as arrays: what the predictor is fitted on.

    ``X`` (rows, features); ``y`` (rows,): log of seconds over the model's seconds, for items as long as
    they really were (``observations.work_ratio``), so that what a profile missed is not taken for a
    configuration's fault; ``weight``;
    ``backend``: a list of names; ``group``: a list of the workloads' hashes; ``rows``: their places in
    the table, for runs that did not end well teach no seconds."""

    def __init__(self, table: Table) -> None:
        import numpy as np

        numbers = np.frombuffer(table.numbers, "<f8").reshape(-1, len(NUMBERS))
        column = {name: numbers[:, place] for place, name in enumerate(NUMBERS)}
        done = np.array([outcome == "done" for outcome in table.texts["outcome"]], dtype=bool)
        wall, model = column["wall_seconds"], column["model_seconds"]
        self.rows = rows = np.flatnonzero(done & (wall > 0) & (model > 0))
        self.X = np.empty((len(rows), len(FEATURES)))
        for place, feature in enumerate(FEATURES):
            value = column[feature.name][rows]
            value = np.clip(
                np.where(np.isnan(value), feature.absent, value), feature.low, feature.high
            )
            if feature.transform == "log":
                self.X[:, place] = np.log(value / feature.low) / log(feature.high / feature.low)
            else:
                self.X[:, place] = (value - feature.low) / (feature.high - feature.low)
        self.weight = column["weight"][rows]
        self.backend = [table.texts["config.backend"][row] for row in rows]
        seconds = np.log(wall[rows] / model[rows]) - _work_ratios(column, rows, self.backend)
        self.y = np.clip(seconds, -LARGEST_RESIDUAL, LARGEST_RESIDUAL)
        workloads, functions = table.texts["workload"], table.texts["fingerprint"]
        self.group = [workloads[row] or functions[row] for row in rows]
        assert TEXTS  # the names used above are of that table

    def of_backend(self, name: str) -> Any:
        """Positions of the rows of one backend."""
        import numpy as np

        return np.flatnonzero(np.array([one == name for one in self.backend], dtype=bool))
