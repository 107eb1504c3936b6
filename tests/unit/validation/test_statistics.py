"""Means and their limits, against SciPy and against data of known mean."""

from __future__ import annotations

import numpy as np
import pytest

from amorsize.validation.statistics import estimate, quantile

pytestmark = pytest.mark.timeout(180)


def test_students_t_against_scipy() -> None:
    stats = pytest.importorskip("scipy.stats")
    for freedom in (1, 2, 3, 4, 5, 9, 29, 200):
        assert quantile(freedom) == pytest.approx(stats.t.ppf(0.975, freedom), rel=0.01)


@pytest.mark.parametrize("kind", ["normal", "skewed"])
def test_intervals_cover_the_truth(kind: str) -> None:
    """Of 200 repetitions with 30 seeds each, 90 to 99 % of the stated 95 % limits hold the true mean."""
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(200):
        values = rng.normal(0.02, 0.05, 30) if kind == "normal" else rng.gamma(4.0, 0.005, 30)
        some = estimate(values.tolist())
        covered += some.low <= 0.02 <= some.high
    assert 0.90 <= covered / 200 <= 0.99, covered
