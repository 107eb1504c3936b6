"""Do the stated 95 % intervals hold the truth? Pruned again and again on data of known truth.

    python -m benchmarks.pruning.intervals [--repetitions 200] [--rows 800]

Each repetition draws its own workloads, prunes, and takes the change of the mean absolute error at
10,000 fresh rows: what ``report_.error_interval`` speaks of. Honest intervals hold it in 90 to 99 % of
the repetitions (of 200, chance alone gives 92 to 98).
"""

from __future__ import annotations

import argparse

import numpy as np

from amorsize.learning.regressor import KNNRegressor
from amorsize.pruning.selector import PrototypeSelector
from benchmarks.pruning.families import Clusters, zipf

FRESH_ROWS = 10_000


def repetition(rows: int, seed: int) -> tuple[float, float, float] | None:
    """Stated limits and the truth; None if nothing was checked."""
    rng = np.random.default_rng(seed)
    work = Clusters(zipf(12), seed, noise=0.15, spread=0.05, slope=1.0)
    X, y, group = work.draw(rows, rng)
    selector = PrototypeSelector(tolerance=0.1, random_state=seed)
    kept = selector.fit_resample(X, y, groups=group)
    interval = selector.report_.error_interval
    if interval is None:
        return None
    X_new, y_new, _ = work.draw(FRESH_ROWS, rng)
    before, after = (
        float(np.abs(model.predict(X_new) - y_new).mean())
        for model in (
            KNNRegressor().fit(X, y),
            KNNRegressor().fit(*kept, selector.sample_weight_),
        )
    )
    return (*interval, after / before - 1.0)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repetitions", type=int, default=200)
    parser.add_argument("--rows", type=int, default=800)
    options = parser.parse_args()
    found = [repetition(options.rows, seed) for seed in range(options.repetitions)]
    told = np.array([one for one in found if one is not None])
    low, high, truth = told.T
    inside = (low <= truth) & (truth <= high)
    print(
        f"{len(told)} of {len(found)} repetitions with an interval: {inside.mean():.1%} hold the truth "
        f"({(truth < low).mean():.1%} lie below, {(truth > high).mean():.1%} above); mean width "
        f"{(high - low).mean():.1%}, mean of the middle less the truth "
        f"{((low + high) / 2 - truth).mean():+.1%}"
    )


if __name__ == "__main__":
    main()
