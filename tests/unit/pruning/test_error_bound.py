"""The bound's statistics against plain sums, and on errors whose change is known."""

from __future__ import annotations

import numpy as np
import pytest

from amorsize.pruning.error_bound import (
    HeldOutErrors,
    breaches,
    failing,
    holds,
    region_changes,
    shrunk,
)


def errors(base, pruned, regions=None, mass=None) -> HeldOutErrors:
    base, pruned = np.asarray(base, float), np.asarray(pruned, float)
    mass = np.ones(len(base)) if mass is None else np.asarray(mass, float)
    regions = np.zeros(len(base), int) if regions is None else regions
    return HeldOutErrors(base, pruned, base**2, pruned**2, mass, regions)


def test_changes_are_those_of_weighted_means() -> None:
    found = errors([1.0, 2.0, 3.0], [1.5, 2.0, 4.0], mass=[1.0, 2.0, 4.0])
    before, after = (1 + 2 * 2 + 4 * 3) / 7, (1.5 + 2 * 2 + 4 * 4) / 7
    assert found.error_before() == pytest.approx(before)
    assert found.error_after() == pytest.approx(after)
    assert found.change() == pytest.approx(after / before - 1)
    squares = [(1 + 2 * 4 + 4 * 9) / 7, (2.25 + 2 * 4 + 4 * 16) / 7]
    assert found.rmse_change() == pytest.approx((squares[1] / squares[0]) ** 0.5 - 1)
    low, high = found.interval()
    assert low < found.change() < high


def test_a_bound_holds_with_caution_only_where_it_is_proved() -> None:
    rng = np.random.default_rng(0)
    base = np.abs(rng.normal(0, 1, 4000))
    few, many = (errors(base[:n], 1.03 * base[:n] + rng.normal(0, 0.5, n)) for n in (40, 4000))
    assert holds(many, 0.3, 1.645)
    assert not holds(errors(base, 1.2 * base), 0.05, 0.0)
    assert not holds(few, 0.03, 1.645)  # 40 rows cannot prove it
    assert holds(errors(base, base), 0.01, 0.0)


def test_a_region_that_breaks_its_bound_is_found() -> None:
    rng = np.random.default_rng(1)
    regions = np.repeat(np.arange(6), 400)
    base = np.abs(rng.normal(0, 1, 2400))
    pruned = np.where(regions == 3, 1.5, 1.0) * base + rng.normal(0, 0.01, 2400)
    found = errors(base, pruned, regions)
    change, standard_error = region_changes(found, 6)
    assert change[3] == pytest.approx(0.5, abs=0.01) and (standard_error > 0).all()
    assert breaches(found, 0.05, 6).tolist() == [False, False, False, True, False, False]
    assert failing(found, 0.05, 6, 1.0).tolist() == [False, False, False, True, False, False]


def test_estimates_shrink_the_less_the_more_they_differ() -> None:
    values, doubt = np.array([0.0, 0.1, -0.1, 0.05]), np.full(4, 0.1)
    mean, alike = shrunk(values, doubt)
    assert mean == pytest.approx(values.mean()) and (alike == 0).all()
    _, unlike = shrunk(10 * values, doubt)
    assert (unlike > 0.8).all()
    _, assumed = shrunk(values, doubt, least=0.1)
    assert assumed == pytest.approx(np.full(4, 0.5))
