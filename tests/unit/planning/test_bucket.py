"""The bucket that explains refusals, against a bucket of tokens that is counted token by token."""

from __future__ import annotations

import pytest

from amorsize.core.refusal import Refusal
from amorsize.planning.admission import Admission
from amorsize.planning.bucket import Bucket, Mark, MeanRate
from benchmarks.api.virtual import Given, Server, simulate


class Tokens:
    """A bucket that is full at first; asked too early, it tells when to come back."""

    def __init__(self, rate: float, held: float, *, counts_refused: bool = False) -> None:
        self.rate, self.held, self.left, self.at = rate, held, held, 0.0
        self.counts_refused = counts_refused

    def ask(self, now: float) -> float | None:
        self.left = min(self.held, self.left + self.rate * (now - self.at))
        self.at = now
        if self.left >= 1.0:
            self.left -= 1.0
            return None
        wait = (1.0 - self.left) / self.rate
        if self.counts_refused:
            self.left -= 1.0
        return wait


def asked(tokens: Tokens, gaps: list[float], *, refusals: int) -> Bucket:
    """Ask in these gaps, over and over, and behind a refusal when it is due; up to the last refusal."""
    bucket, now, call, seen, due = Bucket(), 0.0, 0, 0, 0.0
    while seen < refusals:
        now = due if now < due else now + gaps[call % len(gaps)]
        call += 1
        bucket.start(call, now)
        wait = tokens.ask(now)
        if wait is None:
            continue
        mark = Mark(call, now, wait)
        bucket.refuse(mark, again=False)
        if not bucket.note_first(mark):
            bucket.estimate(mark, lost=0.0)
        bucket.remark(mark)
        seen, due = seen + 1, now + wait + 1e-9
    return bucket


@pytest.mark.parametrize("rate", [3.1, 14.3, 61.7])
@pytest.mark.parametrize("held", [4.0, 27.0, 150.0])
def test_refusals_that_tell_a_time_give_the_rate_and_what_the_bucket_holds(
    rate: float, held: float
) -> None:
    """Asked faster than the rate, the bucket never runs over."""
    bucket = asked(Tokens(rate, held), [0.57 / rate, 0.31 / rate], refusals=3)
    assert bucket.least == pytest.approx(rate, rel=0.02)
    assert bucket.held(rate) == pytest.approx(held, abs=0.02 * held + 1.0)


def test_calls_that_come_slowly_at_first_do_not_hide_what_the_bucket_holds() -> None:
    """While they do the bucket stays full, and what comes back runs over."""
    tokens, bucket = Tokens(50.0, 40.0), Bucket()
    now, call = 0.0, 0
    for gap in [0.1] * 30 + [0.001] * 100:
        now, call = now + gap, call + 1
        bucket.start(call, now)
        wait = tokens.ask(now)
        if wait is not None:
            mark = Mark(call, now, wait)
            bucket.refuse(mark, again=False)
            assert bucket.note_first(mark)
            break
    assert bucket.held(50.0) == pytest.approx(40.0, abs=0.5)


def test_a_server_that_counts_refused_calls_is_known_by_the_times_that_it_tells() -> None:
    tokens, bucket = Tokens(20.0, 5.0, counts_refused=True), Bucket()
    first = True
    for call in range(1, 16):
        now = 0.001 * call
        bucket.start(call, now)
        wait = tokens.ask(now)
        if wait is not None:
            mark = Mark(call, now, wait)
            bucket.refuse(mark, again=not first)
            if first:
                bucket.note_first(mark)
                bucket.remark(mark)
            first = False
    assert bucket.counts_refused


def test_a_rate_that_has_changed_is_told_apart_from_chance() -> None:
    mean = MeanRate()
    for off in (0.97, 1.03, 1.0, 0.98, 1.02):
        assert not mean.add(100.0 * off, 1.0)
    assert mean.rate == pytest.approx(100.0, rel=0.02)
    changed = [mean.add(50.0, 0.2) for _ in range(3)]
    assert any(changed)
    assert mean.rate == pytest.approx(50.0, rel=0.05)


class RefusesFirst(Server):
    """Refuses so many calls, and serves all others."""

    first = 4

    def admit(self, now: float, item: int) -> Refusal | None:
        self.calls += 1
        return Refusal(429) if self.calls <= self.first else None


@pytest.mark.parametrize("first", [1, 2, 4, 8])
@pytest.mark.parametrize("median", [0.02, 0.1, 0.5])
def test_a_few_refusals_at_the_start_are_soon_forgotten(
    first: int, median: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was accepted behind them proves that more is."""
    monkeypatch.setattr(RefusesFirst, "first", first)
    monkeypatch.setattr("benchmarks.api.virtual.Server", RefusesFirst)
    found = simulate(Given(median=median, items=100), Admission())
    assert found.calls == 100 + first
    assert found.seconds <= 2.5 + 5.0 * median
