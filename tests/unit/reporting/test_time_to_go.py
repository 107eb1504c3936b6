"""Time to go: the forecast at first, the pace at last."""

from __future__ import annotations

import pytest

from amorsize.learning.item_sizes import work_shares
from amorsize.learning.size_law import Law
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


def test_where_cost_follows_size_the_work_that_is_done_tells_not_the_items() -> None:
    """900 small items take a tenth of the seconds, 100 large ones behind them the rest: by items the
    bar would say 1.1 s to go where 9 are."""
    clock = Clock()
    made = Forecast(1000, clock)
    law = Law(power=1.0, unit=1.0)
    sizes = [(place, 1.0) for place in range(0, 900, 9)]
    sizes += [(place, 81.0) for place in range(900, 1000)]
    shares = work_shares(sizes, law, 0, 1000)
    assert shares is not None
    made.expect(10.0, shares)
    for items, share in [(450, 0.05), (900, 0.1), (950, 0.55), (1000, 1.0)]:
        assert shares(items) == pytest.approx(share)
        clock.now = 100.0 + 10.0 * share
        made.update(items)
        assert made.seconds_to_go() == pytest.approx(10.0 * (1.0 - share))


def test_items_that_are_begun_first_count_first() -> None:
    """Against a count item by item, in the order in which they are handed out."""
    seconds = [1.0, 7.0, 2.0, 9.0, 1.0]
    shares = work_shares(list(enumerate(seconds)), Law(1.0, 1.0), 1, 5, first=(3, 1))
    assert shares is not None
    order = [9.0, 7.0, 2.0, 1.0]
    assert [shares(n) for n in range(5)] == pytest.approx([sum(order[:n]) / 19 for n in range(5)])
    assert work_shares([], Law(1.0, 1.0), 0, 5) is None
    assert work_shares([(0, 3.0)], Law(1.0, 1.0), 1, 5) is None
