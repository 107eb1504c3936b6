"""Hostile input, for a few seconds: the long run is `python -m benchmarks.robustness.fuzz`."""

from __future__ import annotations

import pytest

from benchmarks.robustness.fuzz import TARGETS, fuzz

pytestmark = pytest.mark.timeout(60)


@pytest.mark.parametrize("target", TARGETS)
def test_nothing_crashes_hangs_or_lies(target: str) -> None:
    counts, failures = fuzz(3.0, seed=20_000, names=(target,))
    assert not failures, failures[0]
    assert counts[target] >= 5
