"""Where latency begins to rise, found from answers alone; compared with how they were made."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amorsize.planning.admission import Admission
from amorsize.planning.concurrency import HOLDING, Limit
from amorsize.planning.knee import Knee
from benchmarks.api.virtual import Given, ideal_seconds, simulate


def answered(knee: int, power: float, sigma: float, loads: range, times: int = 1) -> Knee:
    rng, found = random.Random(0), Knee()
    for load in times * list(loads):
        rise = max(1.0, load / knee) ** power
        found.add(float(load), 0.2 * rise * rng.lognormvariate(0.0, sigma))
    return found


@pytest.mark.parametrize("sigma", [0.0, 0.1, 0.3])
@pytest.mark.parametrize("knee", [5, 18, 60, 200])
def test_the_knee_of_a_server_that_does_less_the_more_it_is_asked(knee: int, sigma: float) -> None:
    found = answered(knee, 2.0, sigma, range(1, 4 * knee))
    assert 0.7 * knee <= found.best(4 * knee) <= 1.3 * knee


@pytest.mark.parametrize("knee", [5, 18, 60, 200])
def test_a_queue_costs_nothing_so_the_limit_stays(knee: int) -> None:
    found = answered(knee, 1.0, 0.1, range(1, 3 * knee), times=10)
    assert found.best(3 * knee) == 3 * knee


@pytest.mark.parametrize("sigma", [0.0, 0.3, 1.0])
def test_no_knee_no_lower_limit(sigma: float) -> None:
    assert answered(10_000, 1.0, sigma, range(1, 200)).best(200) == 200


def test_nothing_seen_nothing_told() -> None:
    assert Knee().best(50) == 50
    one = Knee()
    one.add(20.0, 0.1)
    assert one.best(50) == 50


def test_what_was_long_ago_is_forgotten() -> None:
    """A server with a knee at 10 has none any more."""
    found = answered(10, 2.0, 0.1, range(1, 40))
    assert found.best(40) < 20
    for _ in range(200):
        found.fade()
    rng = random.Random(1)
    for load in range(1, 41):
        found.add(float(load), 0.2 * rng.lognormvariate(0.0, 0.1))
    assert found.best(40) == 40


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0.0, 1e9), st.floats(0.0, 1e9)), max_size=60),
    st.integers(1, 5000),
)
def test_whatever_it_is_told_a_limit_comes_of_it(
    answers: list[tuple[float, float]], most: int
) -> None:
    found = Knee()
    for load, latency in answers:
        found.add(load, latency)
        found.fade()
    assert 1 <= found.best(most) <= most


@settings(max_examples=40, deadline=None)
@given(st.floats(0.01, 100.0), st.integers(5, 60))
def test_another_unit_of_time_changes_nothing(unit: float, knee: int) -> None:
    one, other = Knee(), Knee()
    rng = random.Random(knee)
    for load in range(1, 3 * knee):
        latency = max(1.0, load / knee) ** 2 * rng.uniform(0.1, 0.2)
        one.add(float(load), latency)
        other.add(float(load), unit * latency)
    assert one.best(3 * knee) == other.best(3 * knee)


@pytest.mark.parametrize("sigma", [0.0, 0.3, 0.6])
def test_a_knee_below_the_first_limit_is_found_from_the_first_calls(sigma: float) -> None:
    server = Given(median=1.0, sigma=sigma, knee=9, power=1.9, items=400)
    controller = Admission()
    found = simulate(server, controller)
    assert ideal_seconds(server) >= 0.7 * found.seconds
    assert controller.level.limit <= 18


def test_a_limit_that_answers_speak_against_is_left() -> None:
    limit, now = Limit(), 0.0
    for _ in range(40):
        load = limit.value
        latency = 0.1 * max(1.0, load / 8) ** 2
        now += latency
        for beside in range(load):
            limit.ended(now - latency, now, load - 1 - beside, 0.0, load - 1)
    assert limit.phase == HOLDING
    assert limit.value <= 13
