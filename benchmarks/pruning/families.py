"""Data for the evidence on pruning: each family can give fresh rows of any of its workloads.

``draw(rows, rng)`` -> X, y, group; ``fresh(group, rng)`` -> X, y of those groups. Families marked as held
out are looked at only to check, never while the algorithm is worked on.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.learning.rows import RUNS

Rows = tuple[Any, Any, Any]
Made = Callable[[int], tuple[Any, Any]]
"""Takes a seed, gives X and y."""


@dataclass(frozen=True)
class Family:
    name: str
    rows: int
    draw: Callable[[int, np.random.Generator], Rows]
    fresh: Callable[[Any, np.random.Generator], tuple[Any, Any]] | None = None
    """None: a table; what is not drawn is the test."""
    held_out: bool = False


class Clusters:
    """Workloads at places of feature space: a level, a slope, and noise on the label.

    The label's deviation within a workload: noise 0.1, and by the slope ``slope * spread * sqrt(width)``:
    0.025 unless told otherwise, for the features of a job that runs again vary little."""

    def __init__(
        self,
        share: Any,
        seed: int,
        *,
        noise: float = 0.1,
        slope: float = 0.5,
        width: int = 6,
        spread: float = 0.02,
        heavy: bool = False,
        uneven: bool = False,
    ) -> None:
        rng = np.random.default_rng(seed)
        self.share = np.asarray(share, float) / np.sum(share)
        count = len(self.share)
        self.center = rng.uniform(0, 1, (count, width))
        self.level = rng.normal(0, 1, count)
        self.slope = rng.normal(0, slope, (count, width))
        self.noise = noise * (np.exp(rng.normal(0, 0.7, count)) if uneven else np.ones(count))
        self.spread, self.heavy = spread, heavy

    def fresh(self, group: Any, rng: np.random.Generator) -> tuple[Any, Any]:
        off = rng.normal(0, self.spread, (len(group), self.center.shape[1]))
        noise = (
            rng.standard_t(3, len(group)) / 3**0.5 if self.heavy else rng.normal(0, 1, len(group))
        )
        y = self.level[group] + (off * self.slope[group]).sum(1) + self.noise[group] * noise
        return self.center[group] + off, y

    def draw(self, rows: int, rng: np.random.Generator) -> Rows:
        group = rng.choice(len(self.share), rows, p=self.share)
        return (*self.fresh(group, rng), group)


class Surface:
    """A function over the unit cube with a step; quarters of it are the workloads."""

    def __init__(self, seed: int, *, width: int = 5, noise: float = 0.1) -> None:
        rng = np.random.default_rng(seed)
        self.waves, self.phase = rng.normal(0, 2, (3, width)), rng.uniform(0, 6, 3)
        self.step, self.width, self.noise = rng.uniform(0.3, 0.7), width, noise

    def _label(self, X: Any, rng: np.random.Generator) -> Any:
        y = np.sin(X @ self.waves.T + self.phase).sum(1) + 0.8 * (X[:, 0] > self.step)
        return y + rng.normal(0, self.noise, len(X))

    def draw(self, rows: int, rng: np.random.Generator) -> Rows:
        X = rng.uniform(0, 1, (rows, self.width))
        return X, self._label(X, rng), (X[:, 0] > 0.5) * 2 + (X[:, 1] > 0.5) * 1

    def fresh(self, group: Any, rng: np.random.Generator) -> tuple[Any, Any]:
        X = rng.uniform(0, 1, (len(group), self.width))
        X[:, 0] = (X[:, 0] + (np.asarray(group) > 1)) / 2
        X[:, 1] = (X[:, 1] + (np.asarray(group) % 2)) / 2
        return X, self._label(X, rng)


class Configured:
    """Workloads that run in configurations: log seconds by Amdahl's law, start-up and a backend's own
    cost; features are those of the workload and of the configuration."""

    def __init__(self, seed: int, count: int = 20, noise: float = 0.05) -> None:
        self.features = np.random.default_rng(seed).uniform(0, 1, (count, 3))
        self.noise = noise

    def fresh(self, group: Any, rng: np.random.Generator) -> tuple[Any, Any]:
        jobs, backend = rng.integers(0, 6, len(group)), rng.integers(0, 3, len(group))
        one = self.features[group] + rng.normal(0, 0.01, (len(group), 3))
        parallel = one[:, 2]
        seconds = 1 - parallel + parallel / 2.0 ** np.minimum(jobs, 3)
        seconds += 0.02 * 2.0**jobs * (1 + 3 * one[:, 1]) * (1 + backend)
        y = np.log(np.maximum(seconds, 0.01)) + 0.3 * np.sin(6 * one[:, 0]) * (backend == 1)
        return np.column_stack([one, jobs / 5, backend / 2]), y + rng.normal(
            0, self.noise, len(group)
        )

    def draw(self, rows: int, rng: np.random.Generator) -> Rows:
        group = rng.integers(0, len(self.features), rows)
        return (*self.fresh(group, rng), group)


def zipf(count: int) -> Any:
    return 1.0 / np.arange(1, count + 1)


def recorded(rows: int, rng: np.random.Generator) -> Rows:
    """The runs that `benchmarks.learning.rows` recorded, repeated as users repeat: workloads by Zipf,
    configurations at random, one of the repetitions each time; residuals of all backends."""
    from amorsize.core.observation import from_line
    from amorsize.history.memory import MemoryHistory
    from amorsize.learning.features import Arrays

    history = MemoryHistory()
    history.add(
        [from_line(line) for line in gzip.decompress(RUNS.read_bytes()).decode().splitlines()]
    )
    arrays = Arrays(history.table())
    kinds = np.unique(arrays.backend, return_inverse=True)[1]
    X = np.column_stack([arrays.X, kinds])
    group = np.unique(arrays.group, return_inverse=True)[1]
    order = np.random.default_rng(0).permutation(int(group.max()) + 1)
    share = (1.0 / (1 + order))[group] / np.bincount(group)[group]
    some = rng.choice(len(X), rows, p=share / share.sum())
    jitter = np.zeros_like(X)
    return X[some] + jitter[some], arrays.y[some], group[some]


def factorial(rows: int, rng: np.random.Generator) -> Rows:
    """Every combination of six settings once, each with effects of its own: nothing is redundant."""
    grid = np.stack(np.meshgrid(*[np.arange(4)] * 6), -1).reshape(-1, 6)
    effect = np.random.default_rng(1).normal(0, 1, (6, 4))
    pairs = np.random.default_rng(2).normal(0, 1, (15, 4, 4))
    y = sum(effect[i][grid[:, i]] for i in range(6))
    number = 0
    for i in range(6):
        for j in range(i):
            y = y + pairs[number][grid[:, i], grid[:, j]]
            number += 1
    some = rng.permutation(len(grid))[:rows]
    return grid[some] / 3.0, np.asarray(y)[some], grid[some, 0]


def bundled(name: str) -> Callable[[int, np.random.Generator], Rows]:
    """A regression set of scikit-learn's."""

    def draw(rows: int, rng: np.random.Generator) -> Rows:
        from sklearn import datasets  # type: ignore[import-untyped,unused-ignore]

        found = getattr(datasets, f"load_{name}")()
        X, y = np.asarray(found.data, float), np.asarray(found.target, float)
        y = y if y.ndim == 1 else y[:, 0]
        X = (X - X.min(0)) / np.maximum(np.ptp(X, 0), 1e-9)
        some = rng.permutation(len(X))[:rows]
        return X[some], (y[some] - y.mean()) / y.std(), np.zeros(len(some), np.intp)

    return draw


def drifting(rows: int, rng: np.random.Generator) -> Rows:
    """Labels change at 70 % of the rows, which are in order of time."""
    old, new = Clusters(np.ones(20), 3), Clusters(np.ones(20), 4)
    new.center = old.center
    X, y, group = old.draw(rows, rng)
    late = int(0.7 * rows)
    X[late:], y[late:] = new.fresh(group[late:], rng)
    return X, y, group


def families(seed: int) -> list[Family]:
    """All of them, their truth drawn by the seed."""
    homogeneous = Clusters([1], seed, noise=0.2, spread=0.1, slope=0.3)
    dominated = Clusters([0.99, *[0.01 / 9] * 9], seed)
    many = Clusters(zipf(200), seed)
    various = Clusters(np.ones(100), seed, uneven=True)
    crowd = Clusters(np.ones(500), seed, uneven=True)
    surface = Surface(seed)
    configured = Configured(seed)
    heavy = Clusters(zipf(60), seed + 1000, heavy=True, width=10, spread=0.04)
    wide = Surface(seed + 1000, width=9, noise=0.3)
    two = Clusters([0.5, 0.5], seed + 1000, noise=0.3, slope=4.0, spread=0.08)
    return [
        Family("homogeneous", 10_000, homogeneous.draw, homogeneous.fresh),
        Family("99 % one of ten", 10_000, dominated.draw, dominated.fresh),
        Family("Zipf over 200", 40_000, many.draw, many.fresh),
        Family("Zipf, few rows", 10_000, many.draw, many.fresh),
        Family("heterogeneous", 100_000, various.draw, various.fresh),
        Family("surface", 20_000, surface.draw, surface.fresh),
        Family("configurations", 8_000, configured.draw, configured.fresh),
        Family("recorded history", 4_000, recorded),
        Family("full factorial", 3_000, factorial),
        Family("diabetes", 350, bundled("diabetes")),
        Family("five hundred", 100_000, crowd.draw, crowd.fresh, held_out=True),
        Family("heavy tails", 8_000, heavy.draw, heavy.fresh, held_out=True),
        Family("nine features", 20_000, wide.draw, wide.fresh, held_out=True),
        Family("two steep jobs", 6_000, two.draw, two.fresh, held_out=True),
        Family("linnerud", 16, bundled("linnerud"), held_out=True),
    ]


# -- functions, by the kind of their difficulty --------------------------------------------------------


def smooth(width: int, noise: float, relevant: int | None = None, heavy: bool = False) -> Made:
    """Sines along random directions of the first ``relevant`` features."""

    def draw(seed: int) -> tuple[Any, Any]:
        rng = np.random.default_rng(seed + 5)
        waves = rng.normal(0, 1.5, (3, relevant or width)) / np.sqrt((relevant or width) / 5)
        X = rng.uniform(0, 1, (8_000, width))
        y = np.sin(X[:, : relevant or width] @ waves.T + rng.uniform(0, 6, 3)).sum(1)
        error = rng.standard_t(3, len(X)) / 3**0.5 if heavy else rng.normal(0, 1, len(X))
        return X, _standard(y / y.std() + noise * error)

    return draw


def stepwise(width: int, depth: int, noise: float) -> Made:
    """A random tree of cuts with a level in each leaf."""

    def draw(seed: int) -> tuple[Any, Any]:
        rng = np.random.default_rng(seed + 6)
        X = rng.uniform(0, 1, (8_000, width))
        leaf = np.zeros(len(X), np.intp)
        for _ in range(depth):
            feature = rng.integers(0, width, 2**depth)
            edge = rng.uniform(0.2, 0.8, 2**depth)
            leaf = 2 * leaf + (X[np.arange(len(X)), feature[leaf]] > edge[leaf])
            leaf = leaf % 2**depth
        y = rng.normal(0, 1, 2**depth)[leaf]
        return X, _standard(y + noise * rng.normal(0, 1, len(X)))

    return draw


def categorical(options: int, settings: int, noise: float, numbers: int = 2) -> Made:
    """Binary switches with effects of their own and in pairs, and settings of a few levels."""

    def draw(seed: int) -> tuple[Any, Any]:
        rng = np.random.default_rng(seed + 7)
        on = rng.integers(0, 2, (8_000, options))
        level = rng.integers(0, 5, (8_000, settings))
        number = rng.uniform(0, 1, (8_000, numbers))
        y = on @ rng.normal(0, 1, options) * 0.6 ** rng.integers(0, 4)
        for _ in range(options):
            a, b = rng.integers(0, options, 2)
            y = y + rng.normal(0, 0.7) * on[:, a] * on[:, b]
        for column in level.T:
            y = y + rng.normal(0, 1.5, 5)[column]
        y = y + np.sin(4 * number).sum(1)
        X = np.column_stack([on, level / 4.0, number])
        return X, _standard(y / y.std() + noise * rng.normal(0, 1, len(X)))

    return draw


def repeated(width: int, configurations: int, noise: float) -> Made:
    """Configurations of a kernel that ran again and again, by Zipf's law, with noise of each run."""

    def draw(seed: int) -> tuple[Any, Any]:
        rng = np.random.default_rng(seed + 8)
        grid = rng.integers(0, 4, (configurations, width)) / 3.0
        level = np.sin(3 * grid @ rng.normal(0, 1, (width, 3))).sum(1)
        share = zipf(configurations)
        which = rng.choice(configurations, 8_000, p=share / share.sum())
        return grid[which], _standard(level[which] + noise * rng.normal(0, 1, 8_000))

    return draw


def _of(family: Callable[[int], Any], rows: int = 8_000) -> Made:
    def draw(seed: int) -> tuple[Any, Any]:
        X, y, _ = family(seed).draw(rows, np.random.default_rng(seed + 9))
        return (X - X.min(0)) / np.ptp(X, 0), _standard(y)

    return draw


def _standard(y: Any) -> Any:
    return (y - y.mean()) / y.std()


def made() -> dict[str, tuple[Made, bool]]:
    """Name -> function of a seed that gives X and y; and whether it is held aside."""
    return {
        "smooth, 3 features": (smooth(3, 0.1), False),
        "smooth, noisy, 10 features": (smooth(10, 0.5), False),
        "smooth, 30 features of which 4 count": (smooth(30, 0.2, 4), False),
        "steps": (stepwise(5, 5, 0.2), False),
        "switches and levels": (categorical(10, 3, 0.2), False),
        "workloads": (_of(lambda seed: Clusters(zipf(60), seed, uneven=True)), False),
        "repeated configurations": (repeated(6, 1500, 0.3), False),
        "mostly noise": (smooth(6, 2.0), False),
        "smooth, exact, 5 features": (smooth(5, 0.0), True),
        "smooth, heavy tails": (smooth(7, 0.5, heavy=True), True),
        "steps, 12 features": (stepwise(12, 6, 0.1), True),
        "many switches": (categorical(25, 0, 0.1, 1), True),
        "surface with a step": (_of(lambda seed: Surface(seed + 1000, width=7, noise=0.2)), True),
    }
