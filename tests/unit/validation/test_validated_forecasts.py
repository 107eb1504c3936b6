"""The part "forecasts": it passes for what is there, and fails where forecasts are broken."""

from __future__ import annotations

import math

import pytest

from amorsize.core.frozen import replace
from amorsize.core.model import Forecast
from amorsize.validation import forecasts
from amorsize.validation.report import FAILED, PASSED, UNDECIDED

pytest.importorskip("numpy")


def test_seeded_runs_pass_and_are_the_same_again() -> None:
    found = forecasts.of_seeded_runs(3)
    assert found.verdict == PASSED
    assert found == forecasts.of_seeded_runs(3)


@pytest.mark.parametrize("width", [0.2, 50.0])
def test_ranges_that_do_not_hold_or_always_hold_fail(
    monkeypatch: pytest.MonkeyPatch, width: float
) -> None:
    real = forecasts.learning.forecast_of

    def broken(*told: object) -> Forecast:
        found = real(*told)
        low = found.seconds * (found.low_seconds / found.seconds) ** width
        high = found.seconds * (found.high_seconds / found.seconds) ** width
        return replace(found, low_seconds=low, high_seconds=high)

    monkeypatch.setattr(forecasts.learning, "forecast_of", broken, raising=False)
    failed = {one.name for one in forecasts.of_seeded_runs(3).checks if one.verdict == FAILED}
    assert "ranges of known functions" in failed


def test_forecasts_that_are_far_off_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    real = forecasts.learning.known_costs

    def broken(*told: object) -> object:
        found = real(*told)
        return replace(found, item_seconds=3 * found.item_seconds)

    monkeypatch.setattr(forecasts.learning, "known_costs", broken, raising=False)
    assert forecasts.of_seeded_runs(3).verdict == FAILED


def test_a_small_history_decides_nothing() -> None:
    assert forecasts.of_own_history([]).verdict == UNDECIDED


def test_the_chance_of_so_few_is_the_binomial_one() -> None:
    assert forecasts._at_most(0, 10, 0.5) == pytest.approx(0.5**10)
    assert forecasts._at_most(10, 10, 0.5) == pytest.approx(1.0)
    assert forecasts._at_most(1, 3, 0.2) == pytest.approx(0.8**3 + 3 * 0.2 * 0.64)
    assert math.isclose(forecasts._at_most(5, 9, 0.5), 1 - forecasts._at_most(3, 9, 0.5))
