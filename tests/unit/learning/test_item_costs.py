"""What items will cost: closed forms of the combination, and what must never happen to it."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.learning import MACHINE, PROFILE, a_run

from amorsize.core.frozen import replace
from amorsize.core.model import Config, Work
from amorsize.core.observation import Observation
from amorsize.learning.item_costs import Sample, known_costs, measured, unknown_doubt


def a_measured_run(seconds: float, sample: float | None = None, warmup: float = 0.0) -> Observation:
    """A run whose items took ``seconds`` each, and seemed to take ``sample`` when it was decided."""
    profile = replace(PROFILE, item_seconds=seconds, item_spread=0.1 * seconds, cpu_share=0.3)
    work = Work(100, seconds, 0.3 * seconds, 0.1 * seconds, 2 * seconds, warmup)
    work = replace(work, sample_items=5, sample_seconds=seconds if sample is None else sample)
    return replace(a_run(Config("serial"), 1.0, 1.0), profile=profile, work=work)  # type: ignore[return-value, type-var]


def test_the_same_again_costs_the_same() -> None:
    for runs in (1, 3, 8):
        found = known_costs(PROFILE, Sample(9, 0.01, 0.001), [a_measured_run(0.01)] * runs, MACHINE)
        assert found.item_seconds == pytest.approx(0.01)
        assert 0 < found.item_doubt < 0.2


def test_the_light_beginning_of_sorted_data_is_put_right() -> None:
    """The sample said 1 ms of items that took 5 ms in the mean, in each run before."""
    runs = [a_measured_run(0.005, sample=0.001)] * 2
    found = known_costs(PROFILE, Sample(9, 0.001, 0.0001), runs, MACHINE)
    assert found.item_seconds == pytest.approx(0.005, rel=0.01)
    heavier = known_costs(PROFILE, Sample(9, 0.002, 0.0002), runs, MACHINE)
    assert 0.006 < heavier.item_seconds < 0.0101  # other data, twice as heavy


def test_a_first_item_that_paid_for_imports_is_not_multiplied() -> None:
    for warmup in (0.0, 0.3):
        runs = [a_measured_run(0.01, warmup=warmup)] * 2
        found = known_costs(PROFILE, Sample(1, 0.31, 0.0, True), runs, MACHINE)
        assert found.item_seconds < 0.025 if not warmup else found.item_seconds < 0.0125
        assert found.cpu_share == pytest.approx(0.3)


def test_the_combination_is_the_one_of_least_variance() -> None:
    """Weights as the inverse of variances, by hand: one run, ten items seen, no contradiction."""
    run = a_measured_run(0.010)
    found = known_costs(PROFILE, Sample(10, 0.012, 0.0012), [run], MACHINE)
    history = 0.01 + 0.04  # the usual variance, and other data
    sample = (0.1**2 * 9 + 0.25) / 10 / 9 + 0.01
    value = math.log(0.010) / history + math.log(0.012) / sample
    value /= 1 / history + 1 / sample
    assert found.item_seconds == pytest.approx(math.exp(value))
    assert found.item_doubt == pytest.approx((1 / history + 1 / sample) ** -0.5)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.floats(1e-6, 10.0), min_size=1, max_size=16),
    st.floats(1e-6, 10.0),
    st.integers(1, 1000),
    st.booleans(),
)
def test_the_answer_lies_between_history_and_sample(
    before: list[float], now: float, items: int, first: bool
) -> None:
    runs = [a_measured_run(seconds) for seconds in before]
    found = known_costs(PROFILE, Sample(items, now, 0.1 * now, first), runs, MACHINE)
    assert min(*before, now) * 0.999 <= found.item_seconds <= max(*before, now) * 1.001
    assert math.isfinite(found.item_doubt) and found.item_doubt > 0


def test_data_that_have_changed_are_believed_once_seen() -> None:
    runs = [a_measured_run(0.001)] * 5
    found = known_costs(PROFILE, Sample(50, 0.1, 0.01), runs, MACHINE)
    assert found.item_seconds == pytest.approx(0.1, rel=0.15)


def test_runs_of_schema_1_say_nothing_of_items() -> None:
    old = replace(a_measured_run(0.01), work=Work())
    assert measured([old, replace(a_measured_run(0.01), outcome="failed")]) == ()


def test_without_runs_few_items_leave_much_doubt() -> None:
    doubts = [
        unknown_doubt(sample)
        for sample in (
            Sample(1, 0.01, 0.0, True),
            Sample(2, 0.01, 0.001),
            Sample(30, 0.01, 0.001),
            Sample(30, 0.01, 0.02),
        )
    ]
    assert doubts[0] > doubts[1] > doubts[2] and doubts[3] > doubts[2]
    assert doubts[0] > 0.5
