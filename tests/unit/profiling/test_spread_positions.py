"""Items at spread positions: how evenly they lie, and what they tell, against closed forms."""

from __future__ import annotations

import random
from itertools import islice, pairwise
from statistics import fmean, pstdev

import pytest

from amorsize.profiling.spread import mean_and_spread, spread_positions


@pytest.mark.parametrize("count", [1, 2, 5, 20, 60])
def test_positions_fill_what_is_left_evenly(count: int) -> None:
    found = list(islice(spread_positions(100, 10_100), count))
    assert len(set(found)) == count and all(100 <= one < 10_100 for one in found)
    edges = [100, *sorted(found), 10_100]
    assert max(b - a for a, b in pairwise(edges)) <= 10_000 * 2.2 / count + 1


@pytest.mark.parametrize("left", [0, 1, 2, 3, 10])
def test_positions_end_with_half_of_what_is_left(left: int) -> None:
    found = list(spread_positions(5, 5 + left))
    assert len(found) == len(set(found)) == left // 2
    assert all(5 <= one < 5 + left for one in found)


def test_sorted_items_are_summed_up_as_by_the_middle_rule() -> None:
    """Seconds that rise evenly: the mean is that of the middle, and neighbours tell of one another."""
    places = list(islice(spread_positions(0, 1000), 16))
    mean, spread = mean_and_spread([(one, one / 1000) for one in places], 0, 1000, 0.001)
    assert mean == pytest.approx(0.5, rel=0.03)
    assert spread < 0.1 < pstdev([one / 1000 for one in places])


def test_items_without_order_have_the_spread_of_all() -> None:
    chance = random.Random(1)
    means, spreads = [], []
    for _ in range(300):
        places = islice(spread_positions(0, 1000), 30)
        points = [(one, chance.expovariate(1.0)) for one in places]
        mean, spread = mean_and_spread(points, 0, 1000, 1.0)
        means.append(mean)
        spreads.append(spread)
    assert fmean(means) == pytest.approx(1.0, rel=0.03)
    assert fmean(spreads) == pytest.approx(1.0, rel=0.1)


def test_what_was_seen_before_stands_for_its_surroundings_only() -> None:
    """Light items up to 300 of 1000, and one heavy one seen at 650: each for what is nearer to it."""
    mean, _ = mean_and_spread([(650, 1.0)], 100, 1000, 0.1)
    near = (650.5 - 100) / 2
    assert mean == pytest.approx((near * 0.1 + (900 - near) * 1.0) / 900)
    assert mean_and_spread([(650, 1.0)], 100, 1000, 0.0)[0] == pytest.approx(1.0)
