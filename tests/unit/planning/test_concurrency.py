"""The limit of coroutine functions against a simulated server, on a clock of its own."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amorsize.planning.concurrency import FIRST, FIRST_GROWTH, Limit

Latency = Callable[[random.Random], float]
Speed = Callable[[int], float]

LATENCIES: dict[str, Latency] = {
    "constant": lambda rng: 0.25,
    "uniform": lambda rng: rng.uniform(0.05, 0.45),
    "exponential": lambda rng: rng.expovariate(4.0),
    "lognormal": lambda rng: 0.15 * rng.lognormvariate(0.0, 1.0),
}


def queue(knee: int) -> Speed:
    """Beyond the knee requests share what there is."""
    return lambda n: min(1.0, knee / n)


def collapse(knee: int) -> Speed:
    """Beyond the knee there is less and less to share."""
    return lambda n: min(1.0, (knee / n) ** 2)


def simulate(
    total: int, latency: Latency, speed: Speed, limit: Limit | int, seed: int = 0
) -> tuple[float, int]:
    """Seconds for ``total`` items on a server where n of them advance at ``speed(n)``, and the most
    that were in flight."""
    rng = random.Random(seed)
    now = virtual = 0.0
    heap: list[tuple[float, int]] = []
    began: list[float] = []
    ended = most = 0
    while ended < total:
        allowed = limit if isinstance(limit, int) else limit.value
        while len(began) < total and len(heap) < allowed:
            heapq.heappush(heap, (virtual + latency(rng), len(began)))
            began.append(now)
        most = max(most, len(heap))
        pace = speed(len(heap))
        due, item = heapq.heappop(heap)
        now += (due - virtual) / pace
        virtual, ended = due, ended + 1
        if isinstance(limit, Limit):
            limit.ended(began[item], now, len(heap))
    return now, most


def best_fixed(total: int, latency: Latency, speed: Speed) -> float:
    sizes = (5, 8, 16, 20, 32, 50, 64, 128, 200, 400)
    return min(simulate(total, latency, speed, size)[0] for size in sizes)


@pytest.mark.parametrize("name", LATENCIES)
@pytest.mark.parametrize("knee", [5, 20, 50, 200])
def test_near_the_best_fixed_limit(name: str, knee: int) -> None:
    """The whole run with its beginning, on 2,000 items; what is not constant is met with caution."""
    latency, speed = LATENCIES[name], queue(knee)
    found, _ = simulate(2000, latency, speed, Limit())
    bound = 1.3 if name == "constant" else 1.5
    assert found <= bound * best_fixed(2000, latency, speed)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_loop_that_comes_late_is_no_queue(share: float) -> None:
    """Of a share of the items the end is heard of late, by any part of what the loop was held up."""
    rng = random.Random(share)
    limit, now, ended = Limit(most=128), 0.0, 0
    running: list[tuple[float, float, float]] = []
    while ended < 6000:
        while len(running) < limit.value:
            held_up = rng.uniform(0.0, 0.2) if rng.random() < share else 0.0
            waited = rng.uniform(0.0, held_up)
            heapq.heappush(running, (now + 0.1 + waited, now, held_up))
        now, began, held_up = heapq.heappop(running)
        limit.ended(began, now, len(running), held_up)
        ended += 1
    assert limit.value == 128


@pytest.mark.parametrize("name", LATENCIES)
@pytest.mark.parametrize("knee", [20, 50, 200])
def test_no_collapse(name: str, knee: int) -> None:
    """A server that slows down under load is left at a level where it works."""
    latency, speed = LATENCIES[name], collapse(knee)
    limit = Limit()
    found, most = simulate(3000, latency, speed, limit)
    assert most <= max(FIRST_GROWTH * FIRST, 2.6 * knee)
    assert limit.value <= 2 * knee
    assert found <= 2.0 * best_fixed(3000, latency, speed)


def test_a_server_that_becomes_slower_by_itself_is_not_abandoned() -> None:
    """Three times as slow for everybody, from the middle on: fewer side by side would not help."""
    asked = 0

    def latency(rng: random.Random) -> float:
        nonlocal asked
        asked += 1
        return 0.1 if asked < 4000 else 0.3

    limit = Limit()
    simulate(12_000, latency, queue(10_000), limit)
    assert limit.value >= 100


def test_the_users_limit_holds() -> None:
    for most in (1, 3, 100):
        _, inside = simulate(3000, LATENCIES["constant"], queue(50), Limit(most))
        assert inside <= most


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0.0, 10.0), st.floats(0.0, 10.0), st.integers(0, 5000))),
    st.one_of(st.none(), st.integers(1, 5000)),
)
def test_whatever_it_is_told_it_stays_in_its_bounds(
    ends: list[tuple[float, float, int]], most: int | None
) -> None:
    limit = Limit(most)
    now = 0.0
    for wait, latency, beside in ends:
        now += wait
        limit.ended(now - latency, now, beside)
        assert 1 <= limit.value <= limit.most
