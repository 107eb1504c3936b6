"""Time to go: the forecast at first, the pace at last."""

from __future__ import annotations

import pytest

from amorsize.reporting.progress import PACE_SHARE, Bar, Forecast


class Clock:
    """A clock that is set by hand."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def forecast(total: int | None = 1000, said: float = 10.0) -> tuple[Forecast, Clock]:
    clock = Clock()
    made = Forecast(total, clock)
    made.expect(said)
    return made, clock


def test_a_forecast_that_is_right_is_told_to_the_end() -> None:
    made, clock = forecast()
    for seconds in range(10):
        clock.now = 100.0 + seconds
        made.update(100 * seconds)
        assert made.seconds_to_go() == pytest.approx(10.0 - seconds)
    made.update(1000)
    assert made.seconds_to_go() == 0.0


def test_a_forecast_that_is_wrong_gives_way_to_the_pace() -> None:
    """Ten times too short: at a tenth of the items the mean of both, later ever nearer to the truth."""
    made, clock = forecast(said=1.0)
    errors = []
    for share in (0.05, 0.1, 0.3, 0.6, 0.9):
        clock.now = 100.0 + 10 * share
        made.update(int(1000 * share))
        told = made.seconds_to_go()
        assert told is not None
        if share == PACE_SHARE:
            assert told == pytest.approx((1.0 + 10.0) / 2 - 1.0)
        errors.append(abs(told - 10 * (1 - share)))
    assert errors == sorted(errors, reverse=True) and errors[-1] < 0.1


def test_between_two_items_time_goes_on_and_never_below_nothing() -> None:
    made, clock = forecast(said=1.0)
    clock.now = 100.5
    assert made.seconds_to_go() == pytest.approx(0.5)
    clock.now = 109.0
    assert made.seconds_to_go() == 0.0


def test_items_before_the_forecast_do_not_count() -> None:
    clock = Clock()
    made = Forecast(1000, clock)
    made.update(500)
    made.expect(10.0)
    clock.now += 5.0
    made.update(750)
    assert made.seconds_to_go() == pytest.approx(5.0)


def test_nothing_is_told_where_nothing_was_said() -> None:
    assert Forecast(1000).seconds_to_go() is None
    assert forecast(total=None)[0].seconds_to_go() is None


def test_the_bar_shows_it(capsys: pytest.CaptureFixture[str]) -> None:
    bar = Bar(1000)
    bar.expect(3700.0)
    bar.update(1)
    bar.close()
    assert "<1:01:" in capsys.readouterr().err  # by its pace it would be no second
