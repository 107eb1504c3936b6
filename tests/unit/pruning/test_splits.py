"""Splits: each row is left out once, and no row is in two parts."""

from __future__ import annotations

import numpy as np
import pytest

from amorsize.pruning.splits import folds, hold_out


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_folds_leave_each_row_out_once_and_strata_evenly(seed: int) -> None:
    rng = np.random.default_rng(seed)
    strata = rng.choice(4, 203, p=[0.7, 0.2, 0.08, 0.02])
    found = folds(strata, 5, rng)
    assert sorted(np.concatenate([test for _, test in found])) == list(range(203))
    for train, test in found:
        assert sorted([*train, *test]) == list(range(203))
    for stratum in range(4):
        counts = [int((strata[test] == stratum).sum()) for _, test in found]
        assert max(counts) - min(counts) <= 1


def test_parts_held_out_are_apart() -> None:
    train, one, other = hold_out(1000, 301, np.random.default_rng(0))
    assert sorted([*train, *one, *other]) == list(range(1000))
    assert len(one) + len(other) == 301 and abs(len(one) - len(other)) <= 1
