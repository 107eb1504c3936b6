"""Made histories of workloads, and how well a predictor does on fresh rows of them."""

from __future__ import annotations

import numpy as np

from amorsize.core.frozen import replace
from amorsize.core.model import Config, Machine, Profile
from amorsize.core.observation import Observation
from amorsize.learning.regressor import KNNRegressor
from amorsize.ml_pruning import (
    PrototypeSelector,
)


class RowKNN(KNNRegressor):
    """Counts rows, whatever they weigh: what most libraries deploy."""

    def __init__(self, n_neighbors: float = 5) -> None:
        super().__init__(n_neighbors)

    def get_params(self, deep: bool = True):
        return {"n_neighbors": self.n_neighbors}

    def fit(self, X, y):
        return super().fit(X, y)


class Workloads:
    """Jobs at random places of feature space, each with a level and a slope; noise on the label."""

    def __init__(
        self, count: int, seed: int, *, noise: float = 0.1, width: int = 5, spread: float = 0.02
    ) -> None:
        rng = np.random.default_rng(seed)
        self.center = rng.uniform(0, 1, (count, width))
        self.level = rng.normal(0, 1, count)
        self.slope = rng.normal(0, 0.5, (count, width))
        self.noise, self.spread = noise, spread

    def draw(self, rng, group):
        off = rng.normal(0, self.spread, (len(group), self.center.shape[1]))
        y = self.level[group] + (off * self.slope[group]).sum(1)
        return self.center[group] + off, y + rng.normal(0, self.noise, len(group))


def zipf(count: int) -> np.ndarray:
    share = 1.0 / np.arange(1, count + 1)
    return share / share.sum()


def rmse(model, X, y) -> float:
    return float(np.sqrt(np.mean((model.predict(X) - y) ** 2)))


def compared(work: Workloads, group, fresh_group, seed: int = 0, **options):
    """Selector, and the errors at fresh rows of the predictor on all rows, on the kept ones, and on as
    many at random (mean of five)."""
    rng = np.random.default_rng(seed)
    X, y = work.draw(rng, group)
    X_new, y_new = work.draw(rng, fresh_group)
    selector = PrototypeSelector(**options)
    X_kept, y_kept = selector.fit_resample(X, y)
    whole = rmse(KNNRegressor().fit(X, y), X_new, y_new)
    pruned = rmse(KNNRegressor().fit(X_kept, y_kept, selector.sample_weight_), X_new, y_new)
    by_chance = []
    for _ in range(5):
        some = rng.choice(len(X), len(X_kept), replace=False)
        by_chance.append(rmse(KNNRegressor().fit(X[some], y[some]), X_new, y_new))
    return selector, whole, pruned, float(np.mean(by_chance))


# -- a history -----------------------------------------------------------------------------------------

PROFILE = Profile(items=10, item_seconds=1e-3, gil_free_share=0.0, result_seconds=1e-6)
MACHINE = Machine(cores=8, logical_cores=8, resident_bytes=10**8)


def runs(count: int, functions: int = 12, seed: int = 0) -> list[Observation]:
    """Repeated runs of some functions in some configurations, with a truth of their own each."""
    rng = np.random.default_rng(seed)
    bias = rng.normal(0, 0.5, (functions, 3))
    configs = [Config("serial"), Config("fork", 2), Config("fork", 8)]
    made = []
    for number in range(count):
        function, which = int(rng.choice(functions, p=zipf(functions))), int(rng.integers(0, 3))
        profile = replace(
            PROFILE, item_seconds=1e-4 * 2.0**function * float(np.exp(rng.normal(0, 0.05)))
        )
        model = 1000 * profile.item_seconds / configs[which].n_jobs
        made.append(
            Observation(
                fingerprint=f"{function:032x}",
                profile=profile,
                machine=MACHINE,
                config=configs[which],
                items=1000,
                wall_seconds=model * float(np.exp(bias[function, which] + rng.normal(0, 0.05))),
                cpu_seconds=1.0,
                time=1e9 + number,
                model_seconds=model,
                id=f"{seed:016x}{number:016x}",
            )
        )
    return made
