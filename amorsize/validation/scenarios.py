"""What pruning is validated on: seeded histories whose truth is known, and what must come out of them.

A world is a set of functions with profiles, each run in configurations: the features of a row are those
of the profile and of the configuration (scaled to about 0 to 1, a little different each time), its label
is the logarithm of real seconds over the model's: a level of the function, an effect of the configuration
on this function, and noise of a stated deviation.
"""

from __future__ import annotations

import json

import numpy as np

from amorsize.core.frozen import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from dataclasses import dataclass
    from typing import Any

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.intp]
else:
    from amorsize.core.frozen import dataclass

WIDTH = 12
"""Features of a row: as many as amorsize's own predictor has."""
CONFIGS = 6
"""Configurations that a function may run in."""
SEEDS = 30
"""Repetitions of a scenario that names no number of its own."""


@dataclass(frozen=True)
class World:
    """Functions and configurations with their true labels."""

    places: Floats
    """Features of each function's profile: (functions, WIDTH - 2)."""
    truth: Floats
    """Labels without noise: (functions, configurations)."""
    share: Floats
    """How often each function runs: the shares sum to 1."""
    noise: float
    """Standard deviation of a label's noise."""
    jitter: float
    """Standard deviation of a profile's features from run to run."""

    def rows(self, function: Ints, config: Ints, rng: np.random.Generator) -> tuple[Floats, Floats]:
        """Features and labels of runs."""
        count = len(function)
        X = np.empty((count, WIDTH))
        X[:, :-2] = self.places[function] + rng.normal(0.0, self.jitter, (count, WIDTH - 2))
        X[:, -2], X[:, -1] = (config % 3) / 2, (config // 3).astype(float)
        return X, self.truth[function, config] + rng.normal(0.0, self.noise, count)

    def draw(self, count: int, rng: np.random.Generator) -> tuple[Floats, Floats, Ints, Ints]:
        """Features, labels, functions and configurations of ``count`` runs."""
        function = rng.choice(len(self.share), count, p=self.share)
        config = rng.integers(0, self.truth.shape[1], count)
        return (*self.rows(function, config, rng), function, config)


@dataclass(frozen=True)
class Traits:
    """What the functions of a world are like."""

    configs: int = CONFIGS
    """Configurations that each runs in."""
    noise: float = 0.1
    jitter: float = 0.01
    """See `World`."""
    effect: float = 0.5
    """Standard deviation of the effect of a configuration on a function's label."""
    share: Any = None
    """How often each function runs, in any unit; None: all alike."""
    signal: float = 1.0
    """Factor of the truth: 0 makes labels pure noise."""


_PLAIN = Traits()


def world(seed: int, functions: int, traits: Traits = _PLAIN) -> World:
    """A world of so many functions, drawn by a seed."""
    configs = traits.configs
    rng = np.random.default_rng([seed, functions, configs])
    level = rng.normal(0.0, 0.7, (functions, 1))
    truth = traits.signal * (level + rng.normal(0.0, traits.effect, (functions, configs)))
    often = np.ones(functions) if traits.share is None else np.asarray(traits.share, float)
    places = rng.uniform(0.0, 1.0, (functions, WIDTH - 2))
    return World(places, truth, often / often.sum(), traits.noise, traits.jitter)


@dataclass(frozen=True)
class Thresholds:
    """What counts as passed."""

    memory_least: float = 0.30
    memory_most: float = 0.50
    """Share of the predictor's memory that is freed: the mean over the seeds lies between."""
    error_most: float = 0.05
    """Upper 95 % limit of the mean change of the RMSE at fresh rows."""
    beats_chance: bool = True
    """Whether pruning must be better than deleting as many rows at random (paired over the seeds)."""
    slowest: float = 1.10
    """Median of one prediction after over before."""


@dataclass(frozen=True)
class Scenario:
    """Seeded data, a way to prune them, and what must come out."""

    name: str
    kind: str
    """classic or further"""
    rows: int
    make: Callable[[int], World]
    strategy: str = "auto"
    tolerance: float | None = None
    thresholds: Thresholds = Thresholds()
    seeds: int = SEEDS
    drift: bool = False
    """Labels change at 70 % of the rows."""
    told: str = ""
    """What its data are, in words."""


def zipf(count: int) -> Floats:
    """Shares of a Zipf distribution."""
    return 1.0 / np.arange(1, count + 1, dtype=float)


_CONSERVATIVE = Thresholds(0.10, 0.40, 0.02)
_AGGRESSIVE = Thresholds(0.40, 0.60, 0.10)
_FREE = Thresholds(0.30, 1.0, 0.05)


def classic() -> list[Scenario]:
    """The seven scenarios that the project began with."""
    return [
        Scenario(
            "small, CPU-bound", "classic", 50, lambda seed: world(seed, 3, Traits(configs=3)),
            told="3 functions in 3 configurations",
        ),
        Scenario(
            "medium, CPU-bound", "classic", 100, lambda seed: world(seed, 4, Traits(configs=4)),
            told="4 functions in 4 configurations",
        ),
        Scenario(
            "large, CPU-bound", "classic", 200, lambda seed: world(seed, 6),
            told="6 functions in 6 configurations",
        ),
        Scenario(
            "I/O-bound", "classic", 100,
            lambda seed: world(seed + 1000, 4, Traits(configs=4, noise=0.2, jitter=0.02)),
            told="4 functions in 4 configurations, twice the noise",
        ),
        Scenario(
            "mixed", "classic", 100, lambda seed: world(seed + 2000, 6, Traits(configs=3, effect=0.8)),
            told="6 functions in 3 configurations with strong effects",
        ),
        Scenario(
            "conservative", "classic", 100, lambda seed: world(seed + 3000, 4, Traits(configs=4)),
            strategy="conservative", thresholds=_CONSERVATIVE, told="as medium",
        ),
        Scenario(
            "aggressive", "classic", 100, lambda seed: world(seed + 4000, 4, Traits(configs=4)),
            strategy="aggressive", thresholds=_AGGRESSIVE, told="as medium",
        ),
    ]  # fmt: skip


def further() -> list[Scenario]:
    """Scenarios of what users' histories look like beyond the classic ones."""
    return [
        Scenario(
            "homogeneous", "further", 1_000, lambda seed: world(seed, 1, Traits(configs=2)),
            thresholds=_FREE, seeds=30, told="one function in two configurations",
        ),
        Scenario(
            "one dominant workload", "further", 2_000,
            lambda seed: world(seed, 10, Traits(share=[0.99, *[0.01 / 9] * 9])),
            thresholds=_FREE, seeds=10, told="99 % of the runs are one of ten functions",
        ),
        Scenario(
            "Zipf", "further", 4_000, lambda seed: world(seed, 100, Traits(share=zipf(100))),
            thresholds=_FREE, seeds=5, told="100 functions by Zipf's law, 6 configurations",
        ),
        Scenario(
            "drift", "further", 3_000, lambda seed: world(seed, 20), thresholds=_FREE, seeds=10,
            drift=True, told="all labels change at 70 % of the history",
        ),
        Scenario(
            "10,000 rows", "further", 10_000, lambda seed: world(seed, 50), thresholds=_FREE,
            seeds=3, told="50 functions in 6 configurations",
        ),
        Scenario(
            "100,000 rows", "further", 100_000, lambda seed: world(seed, 100), thresholds=_FREE,
            seeds=1, told="100 functions in 6 configurations",
        ),
        Scenario(
            "1,000,000 rows", "further", 1_000_000, lambda seed: world(seed, 100),
            tolerance=None, thresholds=_FREE, seeds=1, told="100 functions in 6 configurations",
        ),
    ]  # fmt: skip


def pure_noise(rows: int = 200) -> Scenario:
    """Labels that nothing predicts: no verdict is possible."""
    return Scenario(
        "pure noise",
        "further",
        rows,
        lambda seed: world(seed, 5, Traits(signal=0.0)),
        told="no signal",
    )


def with_thresholds(scenarios: list[Scenario], source: str) -> list[Scenario]:
    """The scenarios with thresholds from JSON: ``{"medium, CPU-bound": {"error_most": 0.03}}``.

    Raises
    ------
    ValueError
        For what is not JSON, and for scenarios or thresholds that do not exist; the text names them.
    """
    given = json.loads(source)
    if not isinstance(given, dict):
        raise ValueError("thresholds must be an object: {scenario: {threshold: number}}")
    names = {one.name for one in scenarios}
    fields = Thresholds.__annotations__
    for name, changes in given.items():
        if name not in names:
            raise ValueError(f"no scenario is named {name!r}: {', '.join(sorted(names))}")
        if not isinstance(changes, dict) or not changes.keys() <= fields.keys():
            raise ValueError(f"{name!r}: thresholds are {', '.join(fields)}")
        for field, value in changes.items():
            if not isinstance(value, (int, float)):
                raise ValueError(f"{name!r}: {field} must be a number, not {value!r}")
    return [
        replace(one, thresholds=replace(one.thresholds, **given[one.name]))
        if one.name in given
        else one
        for one in scenarios
    ]
