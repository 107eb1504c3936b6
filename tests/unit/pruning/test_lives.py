"""Whole lives of histories that grow and drift, pruned again and again (`benchmarks.pruning.life`)."""

from __future__ import annotations

from argparse import Namespace

import numpy as np
import pytest

from benchmarks.pruning.life import life

pytestmark = [pytest.mark.long, pytest.mark.timeout(240)]

LIVES = 4


def test_lives_keep_their_promise_and_stay_small() -> None:
    """A false certificate in one life of twenty: two of four happen by chance once in 70."""
    options = Namespace(prunings=40, tolerance=0.05, level=0.05)
    lives = [life(seed, options) for seed in range(LIVES)]
    assert sum(one["certificates"] for one in lives) >= LIVES
    assert sum(one["false"] > 0 for one in lives) <= 1, lives
    kept = [one["kept_over_single"] for one in lives if one["kept_over_single"] is not None]
    assert np.median(kept) <= 1.2, lives
    assert all(one["rows"] <= 2_000 for one in lives)
