"""The controller against servers that refuse, on a clock of their own."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amorsize.core.refusal import Level, Refusal
from amorsize.planning.admission import GIVE_UP_SECONDS, LONGEST_HOLD_SECONDS, Admission
from benchmarks.api.virtual import Given, ideal_seconds, random_server, simulate

SERVERS: dict[str, Given] = {
    "cap": Given(cap=30, items=3000),
    "cap, lognormal": Given(cap=60, sigma=0.5, items=4000),
    "cap that queues": Given(cap=50, queues=True, items=4000),
    "bucket": Given(rate=100.0, burst=100.0, hint="float", items=3000),
    "bucket, whole seconds": Given(rate=150.0, burst=150.0, hint="seconds", items=4000),
    "bucket without a hint": Given(rate=60.0, burst=30.0, items=2500),
    "quota": Given(quota=600, window=5.0, hint="seconds", items=5000),
    "quota of a minute": Given(quota=600, window=60.0, hint="seconds", items=3000),
    "token budget": Given(token_rate=50_000.0, token_burst=50_000.0, hint="seconds", items=3000),
    "outage": Given(cap=50, outages=((4.0, 3.0),), items=4000),
    "halved and restored": Given(cap=80, changes=((5.0, 0.5), (15.0, 1.0)), items=8000),
    "cap and bucket": Given(cap=40, rate=100.0, burst=50.0, hint="float", items=3000),
}


@pytest.mark.parametrize("name", SERVERS)
def test_a_known_server_is_used_from_the_start(name: str) -> None:
    """A second run of a third as many items goes on where the first has ended, and wastes no more."""
    given_, first = SERVERS[name], Admission()
    before = simulate(given_, first)
    short = replace(given_, items=given_.items // 3, changes=())
    second = Admission()
    second.go_on(first.level)
    found = simulate(short, second)
    assert found.items == short.items
    assert found.wasted <= before.wasted + 20
    if not given_.changes and not given_.outages:
        assert ideal_seconds(short) >= 0.9 * found.seconds


def test_what_a_run_has_found_by_itself_stays() -> None:
    controller = Admission()
    call = controller.begin(1.0)
    controller.refused(call, 1.1, Refusal(429))
    found = controller.level
    controller.go_on(Level(500, growing=False))
    assert controller.level == found


@pytest.mark.parametrize("name", SERVERS)
def test_a_server_is_used_for_what_it_allows(name: str) -> None:
    """Compared with a client that is told everything; each call that is refused is a wasted one."""
    given_, found = SERVERS[name], simulate(SERVERS[name], Admission())
    assert found.items == given_.items
    assert ideal_seconds(given_) >= 0.8 * found.seconds
    assert found.wasted <= 0.07 * given_.items + 20


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_every_random_server_serves_everything(seed: int) -> None:
    given_ = random_server(seed)
    given_ = replace(given_, items=min(given_.items, 600))
    found = simulate(given_, Admission(given_.most))
    assert math.isfinite(found.seconds)
    assert found.items == given_.items
    assert found.most <= given_.most


def started(controller: Admission, count: int, now: float = 0.0) -> list[object]:
    calls = []
    for _ in range(count):
        while (wait := controller.wait(now)) != 0.0:
            assert wait is not None
            now += wait
        calls.append(controller.begin(now))
    return calls


def test_a_quick_refusal_never_raises_the_limit() -> None:
    controller = Admission()
    now, before = 0.0, controller.limit
    for _ in range(200):
        wait = controller.wait(now)
        now += wait if wait else 0.0
        if wait is None:
            break
        call = controller.begin(now)
        now += 0.002
        controller.refused(call, now, Refusal(429))
        assert controller.limit <= before


def test_a_hint_holds_all_starts_and_the_latest_wins() -> None:
    controller = Admission()
    one, two, three = started(controller, 3)
    controller.refused(one, 0.1, Refusal(429, 5.0))  # type: ignore[arg-type]
    assert controller.wait(0.2) == pytest.approx(4.9)
    controller.refused(two, 0.3, Refusal(429, 9.0))  # type: ignore[arg-type]
    controller.refused(three, 0.3, Refusal(429, 1.0))  # type: ignore[arg-type]
    assert controller.wait(1.0) == pytest.approx(8.3)


def test_changing_hints_are_followed_without_freezing() -> None:
    controller, now = Admission(), 0.0
    for seconds in (1.0, 89.0, 3.0, 40.0, 1.0):
        (call,) = started(controller, 1, now)
        controller.refused(call, now, Refusal(429, seconds))  # type: ignore[arg-type]
        wait = controller.wait(now)
        assert wait is not None
        assert seconds - 1e-9 <= wait <= seconds + LONGEST_HOLD_SECONDS
        now += wait
        call = controller.begin(now)
        controller.served(call, now + 0.2)
        now += 0.3


def test_a_server_that_serves_nothing_is_asked_by_one_at_a_time() -> None:
    controller, now, asked = Admission(), 0.0, 0
    while now < 60.0:
        wait = controller.wait(now)
        if wait:
            now += wait
            continue
        call = controller.begin(now)
        assert wait == 0.0
        now += 0.01
        asked += 1
        controller.refused(call, now, Refusal(503))
    assert controller.is_outage
    assert asked < 70
    call = controller.begin(now)
    controller.served(call, now + 0.2)
    assert controller.limit >= 0.8 * 20 - 1


def test_when_it_gives_up() -> None:
    controller = Admission()
    assert controller.gives_up(0.0, Refusal(429, GIVE_UP_SECONDS + 1))
    assert not controller.gives_up(0.0, Refusal(429, 5.0))


@pytest.mark.parametrize("rate", [7.0, 40.0, 150.0])
@pytest.mark.parametrize("hint", ["float", "seconds"])
def test_the_rate_of_a_bucket_is_found(rate: float, hint: str) -> None:
    """What a run leaves behind for the next one is the rate that the server has."""
    controller = Admission()
    simulate(Given(rate=rate, burst=rate, hint=hint, items=round(60 * rate)), controller)
    assert 0.85 * rate <= controller.level.rate <= 1.15 * rate


@pytest.mark.parametrize("knee", [10, 18, 60])
def test_a_knee_is_not_overrun_for_long(knee: int) -> None:
    """Beyond the knee a call takes the 1.5th power of what is too many: less is served in all."""
    given_ = Given(knee=knee, power=1.5, items=80 * knee)
    found = simulate(given_, Admission())
    assert found.most <= max(40, 4 * knee)
    assert ideal_seconds(given_) >= 0.75 * found.seconds


def test_behind_a_refusal_one_call_goes_alone() -> None:
    """The next ones wait until it has lasted for longer than a refusal takes."""
    controller = Admission()
    (call,) = started(controller, 1)
    controller.refused(call, 0.01, Refusal(429, 1.0))  # type: ignore[arg-type]
    assert controller.wait(1.02) == 0.0
    controller.begin(1.02)
    wait = controller.wait(1.021)
    assert wait is not None
    assert wait > 0.02


@pytest.mark.parametrize("cap", [14, 28])
def test_what_was_taken_and_is_given_back_is_used_again(cap: int) -> None:
    """A cap is halved and later restored; from then on the run takes some ten latencies."""
    given_ = Given(median=1.1, cap=cap, changes=((7.0, 0.5), (15.0, 1.0)), items=20 * cap)
    found = simulate(given_, Admission())
    assert ideal_seconds(given_) >= 0.8 * found.seconds
    assert found.wasted <= 0.05 * given_.items + 20
