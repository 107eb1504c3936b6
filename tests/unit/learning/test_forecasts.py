"""Ranges hold as often as they say, whatever the errors are distributed like."""

from __future__ import annotations

import random
from math import log

import pytest

from amorsize.core.frozen import replace
from amorsize.learning.forecasts import COVERAGE, forecast_of, range_of, score_of, spread_of


def test_a_first_range_is_that_of_a_normal_error() -> None:
    held = range_of(10.0, 0.2, ())
    generator = random.Random(1)
    inside = [
        held.low <= 10.0 * generator.lognormvariate(0.0, 0.2) <= held.high for _ in range(20_000)
    ]
    assert 0.6 < sum(inside) / len(inside) < 0.9
    assert held.low < 10.0 < held.high


@pytest.mark.parametrize("bias", [-1.0, 0.0, 1.5])
@pytest.mark.parametrize("scale", [0.3, 1.0, 3.0])
def test_ranges_learn_from_their_own_errors(bias: float, scale: float) -> None:
    """Scores far from normal: skewed, and wider or narrower than the spread says."""
    generator = random.Random(2)

    def score() -> float:
        return bias + scale * (generator.expovariate(1.0) - 1.0)

    inside = []
    for _ in range(400):
        held = range_of(1.0, 0.1, [score() for _ in range(200)])
        for _ in range(20):
            seconds = 2.718281828 ** (0.1 * score())
            inside.append(held.low <= seconds <= held.high)
    assert sum(inside) / len(inside) > COVERAGE - 0.06


def test_a_forecast_tells_its_evidence() -> None:
    nothing_known = forecast_of(2.0, 0.0, 1e3, ())
    assert 0 < nothing_known.low_seconds < 0.5 and 20 < nothing_known.high_seconds < 1e6
    first = forecast_of(2.0, 0.0, 0.1, ())
    assert first.runs == 0 and first.low_seconds < 2.0 < first.high_seconds
    assert spread_of(0.1, 0.1, 3) == pytest.approx(0.02**0.5)
    assert spread_of(0.0, 0.0, 0) > spread_of(0.1, 0.0, 3)


def test_other_functions_count_until_the_function_speaks_for_itself() -> None:
    generator = random.Random(3)
    others = [generator.gauss(0.0, 0.5) for _ in range(128)]
    alone, beside = range_of(1.0, 0.1, ()), range_of(1.0, 0.1, (), others=others)
    assert alone.low < beside.low < 1.0 < beside.high < alone.high
    # Half a standard deviation, as the others had it: 80 % of a normal distribution are 1.28 of them.
    assert log(beside.high) / 0.1 == pytest.approx(0.5 * 1.28, rel=0.3)
    own = [generator.gauss(0.0, 3.0) for _ in range(64)]
    assert range_of(1.0, 0.1, own, others=others).high > alone.high


def test_first_calls_and_known_runs_have_errors_of_their_own() -> None:
    narrow, wide = [0.1, -0.1] * 64, [8.0, -8.0] * 64
    first = forecast_of(2.0, 0.0, 0.1, (), (narrow, wide))
    assert first.high_seconds > forecast_of(2.0, 0.0, 0.1, (), (wide, narrow)).high_seconds


def test_a_forecast_without_an_end_has_no_error() -> None:
    said = forecast_of(2.0, 0.0, 0.1, ())
    assert score_of(said) is None
    assert score_of(replace(said, real_seconds=2.0)) == 0.0
    found = score_of(replace(said, real_seconds=4.0))
    assert found is not None and found * said.spread == pytest.approx(log(2.0))
