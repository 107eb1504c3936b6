"""Budgets of calls: what is a rate, and never more than it allows."""

from __future__ import annotations

import bisect
import heapq
import itertools
import pickle
import random
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import amorsize
from amorsize.errors import OptionError
from amorsize.planning.rate import Rate, Start, per_second


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("50/s", 50.0),
        ("500/min", 500 / 60),
        ("200_000/min", 200_000 / 60),
        ("3600 / hour", 1.0),
        ("1000/hours", 1000 / 3600),
        ("86400/day", 1.0),
        ("2.5/sec", 2.5),
        (7, 7.0),
        (0.5, 0.5),
    ],
)
def test_what_is_a_rate(text: Any, rate: float) -> None:
    assert per_second(text) == pytest.approx(rate)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "5",
        "5/",
        "/s",
        "-5/s",
        "0/s",
        "5/fortnight",
        "inf/s",
        0,
        -1,
        float("nan"),
        True,
        None,
        [5],
    ],
)
def test_what_is_none(text: Any) -> None:
    with pytest.raises(OptionError, match=r"rate="):
        Rate(text)


def starts(rate: Rate, count: int, late: float = 0.0, seed: int = 0) -> list[float]:
    """When items begin for a caller who takes as soon as may be, or a little later."""
    rng, now, found = random.Random(seed), 1000.0, []
    for item in range(count):
        while (wait := rate.take(now, rate.costs(item))) > 0.0:
            now += wait + rng.uniform(0.0, late)
        found.append(now)
    return found


@settings(max_examples=40, deadline=None)
@given(st.floats(2.0, 500.0), st.floats(0.0, 0.02), st.integers(0, 99))
def test_never_more_in_any_second_after_the_burst(rate: float, late: float, seed: int) -> None:
    found = starts(Rate(rate), int(6 * rate) + 10, late, seed)
    burst = int(max(1.0, rate))
    after = found[burst:]
    first = 0
    for last, at in enumerate(after):
        while at - after[first] >= 1.0:
            first += 1
        assert last - first + 1 <= max(1.02 * rate, rate + 1.0) + 1.0


def begins(
    rate: float, count: int, delay: float, seconds: float, seed: int
) -> tuple[list[float], float]:
    """When calls begin that are late by up to ``delay`` after their tokens were taken, each for itself,
    last ``seconds`` and are heard of at their end; and when the last token was taken."""
    rng, now, budget = random.Random(seed), 0.0, Rate(rate)
    found: list[float] = []
    running: list[tuple[float, float, int, Start]] = []
    for _ in range(count):
        start = Start(now)
        while (wait := budget.take(now, (1.0,), start)) > 0.0:
            now += wait
            while running and running[0][0] <= now:
                _, began, _, one = heapq.heappop(running)
                one.begun(began)
            start = Start(now)
        began = now + rng.uniform(0.0, delay)
        found.append(began)
        heapq.heappush(running, (began + seconds, began, len(found), start))
    return found, now


def fullest(found: list[float], burst: int) -> int:
    """Calls in the fullest second, without those of the burst, however they were late."""
    after = sorted(found[burst:])
    return max(bisect.bisect_left(after, at + 1.0) - place for place, at in enumerate(after))


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from([3.0, 20.0, 50.0, 200.0]), st.floats(0.0, 0.2), st.floats(0.0, 0.6),
    st.integers(0, 99),
)  # fmt: skip
def test_no_second_has_more_calls_that_begin_however_late_each_is(
    rate: float, delay: float, seconds: float, seed: int
) -> None:
    found, _ = begins(rate, int(8 * rate) + 10, delay, seconds, seed)
    assert fullest(found, int(rate)) <= rate + max(1.0, 0.02 * rate)


@pytest.mark.parametrize("delay", [0.0, 0.005, 0.015])
def test_starts_that_are_a_little_late_cost_nothing(delay: float) -> None:
    _, ended = begins(50.0, 1050, delay, 0.3, 1)
    assert ended <= 1000 / 50 / 0.98


@pytest.mark.parametrize("late", [0.0, 0.005])
def test_what_is_allowed_is_used(late: float) -> None:
    found = starts(Rate("50/s"), 1050, late)
    assert found[-1] - found[0] <= 1000 / 50 / 0.97


@pytest.mark.parametrize("slow", [0.011, 0.015, 0.019])
def test_workers_that_are_slow_to_start_lose_nothing_of_the_burst(slow: float) -> None:
    """As long as the burst is not used up, at most the burst and what has come back since have begun."""
    rate, now, found = Rate("50/s"), 0.0, []
    for _ in range(600):
        while (wait := rate.take(now, (1.0,))) > 0.0:
            now += wait
        found.append(now)
        now += slow if now < 2.0 else 0.0  # later there are more workers than the rate needs
    assert all(count <= 50 + 50 * at + 1 + 1e-6 for count, at in enumerate(found, 1))
    assert found[-1] <= (600 - 50) / 50 / 0.97
    used_up = next(at for count, at in enumerate(found, 1) if count >= 50 + 50 * at - 1e-6)
    later = [at for at in found if at > used_up + 1e-6]
    assert max(sum(at <= one < at + 1.0 for one in later) for at in later) <= 51


def test_a_pause_brings_the_burst_back() -> None:
    rate = Rate("10/s")
    found = starts(rate, 30)
    assert found[9] == found[0]
    now = found[-1] + 5.0
    assert all(rate.take(now, (1.0,)) == 0.0 for _ in range(10))
    assert rate.take(now, (1.0,)) > 0.0


def test_both_budgets_must_allow_it() -> None:
    calls, tokens = Rate("100/s"), Rate("1000/s", cost=lambda item: 100)
    both = calls & tokens
    found = starts(both, 60)
    assert found[-1] - found[0] == pytest.approx(5.0, rel=0.02)  # 60 * 100 tokens, 1,000 at once
    assert calls.take(found[-1], (1.0,)) == 0.0


def test_what_costs_more_than_the_burst_waits_for_a_full_one_and_leaves_a_debt() -> None:
    rate = Rate("10/s", cost=lambda item: 50)
    found = starts(rate, 4)
    assert [round(b - a, 6) for a, b in itertools.pairwise(found)] == [5.0] * 3


def test_what_a_budget_cannot_be() -> None:
    with pytest.raises(OptionError, match="burst"):
        Rate("5/s", burst=0)
    with pytest.raises(OptionError, match="cost"):
        Rate("5/s", cost=5)  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="cost"):
        Rate("5/s", cost=lambda item: -1).costs(1)
    with pytest.raises(TypeError, match="this process"):
        pickle.dumps(Rate("5/s"))


@pytest.mark.parametrize("backend", ["auto", "serial", "threads", "fork", "spawn"])
def test_every_backend_keeps_it(backend: str) -> None:
    """40 calls of which 20 may begin at once: no less than a second for the others."""
    import time

    began = time.monotonic()
    found = amorsize.execute(abs, range(40), rate="20/s", backend=backend, history=None)
    assert found == list(range(40))
    assert time.monotonic() - began >= 0.9


def test_two_calls_share_a_budget() -> None:
    import time

    budget, began = Rate("20/s"), time.monotonic()
    for _ in range(2):
        amorsize.execute(abs, range(20), rate=budget, history=None)
    assert time.monotonic() - began >= 0.9


@pytest.mark.parametrize(
    "text",
    ["Rate('20/s', burst=1)", "Rate('2.5/s', burst=7.5) & Rate('9/min', cost=..., burst=2)"],
)
def test_a_rate_is_shown_as_it_was_written(text: str) -> None:
    made = eval(text.replace("...", "len"), {"Rate": Rate})
    assert repr(made) == text


def test_the_least_time_of_many_calls() -> None:
    assert Rate("20/s", burst=1).least_seconds(101) == 5.0
    assert Rate("20/s").least_seconds(20) == 0.0
    both = Rate("20/s", burst=1) & Rate("60/min", burst=1) & Rate("1/hour", cost=len)
    assert both.least_seconds(31) == 30.0


def test_a_plan_counts_the_rate() -> None:
    """It said 57 ms of 5 s."""

    def ask(number: int) -> int:
        time.sleep(0.02)
        return number

    rate = Rate("50/s", burst=1)
    plan = amorsize.optimize(ask, range(40), rate=rate, history=None)
    began = time.perf_counter()
    plan.execute()
    assert plan.estimated_speedup < 2  # the rate binds a loop, too
    assert 0.6 < plan.estimated_seconds < 2.0 and time.perf_counter() - began > 0.6
