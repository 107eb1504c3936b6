"""Cost by size: laws against SciPy's slopes, runs against sums."""

from __future__ import annotations

import math
import random
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.engine_values import earlier_run

from amorsize.core.frozen import replace
from amorsize.items.collector import UsageLog
from amorsize.learning.item_sizes import (
    LIKE_SECONDS,
    LONG_SHARE,
    LOOKS,
    MOST_POINTS,
    law_in_run,
    long_items,
    points_of,
    size_of,
    sizes_of,
)
from amorsize.learning.size_law import Law, Sizes, for_sizes, law_in, law_of

SIZES = [float(n) for n in range(10, 200, 7)]


def still() -> float:
    """A clock on which looking takes no time."""
    return 0.0


def chunks(
    power: float, unit: float = 1e-5, noise: float = 0.0, seed: int = 3
) -> list[tuple[float, int, float]]:
    drawn = random.Random(seed)
    return [(size, 4, 4 * unit * size**power * math.exp(drawn.gauss(0.0, noise))) for size in SIZES]


@given(st.floats(0.2, 3.0), st.floats(1e-8, 1e-2))
def test_an_exact_law_is_found_again(power: float, unit: float) -> None:
    law = law_of(chunks(power, unit))
    assert law is not None
    assert law.power == pytest.approx(power) and law.unit == pytest.approx(unit)
    assert law.seconds(50.0) == pytest.approx(unit * 50.0**power)


@pytest.mark.parametrize("seed", range(20))
def test_the_power_is_scipys_theil_sen_slope(seed: int) -> None:
    stats = pytest.importorskip("scipy.stats")
    points = chunks(1.3, noise=0.2, seed=seed)
    law = law_of(points)
    x = [math.log(size) for size, _, _ in points]
    y = [math.log(seconds / items) for _, items, seconds in points]
    assert law is not None and law.power == pytest.approx(float(stats.theilslopes(y, x)[0]))
    # and the whole is what was seen
    said = sum(items * law.seconds(size) for size, items, _ in points)
    assert said == pytest.approx(sum(seconds for _, _, seconds in points))


def test_chunks_that_lost_their_core_do_not_bend_it() -> None:
    """A fifth of them took 10 to 300 times as long."""
    drawn = random.Random(1)
    points = [
        (size, items, seconds * (drawn.uniform(10, 300) if drawn.random() < 0.2 else 1))
        for size, items, seconds in chunks(1.0, noise=0.05)
    ]
    law = law_of(points)
    assert law is not None and law.power == pytest.approx(1.0, abs=0.15)


def test_what_only_seems_to_follow_is_not_followed() -> None:
    """Sizes of all kinds, seconds of all kinds, and nothing between the two: of 300 such runs few are
    taken in."""
    fooled = 0
    for seed in range(300):
        drawn = random.Random(seed)
        points = [(drawn.lognormvariate(0, 1), 1, drawn.lognormvariate(-8, 0.5)) for _ in range(24)]
        fooled += law_of(points) is not None
    assert fooled <= 3


@pytest.mark.parametrize(
    "points",
    [
        [],
        chunks(1.0)[:7],
        [(5.0, 1, 0.1 * n) for n in range(1, 20)],
        [(float(n), 1, 1.0 / n) for n in range(1, 20)],
        [(0.0, 1, 0.1)] * 20,
        [(float(n), 1, 0.0) for n in range(1, 20)],
    ],
    ids=["none", "few", "one size", "falling", "no size", "no time"],
)
def test_no_law_where_there_is_none(points: list[tuple[float, int, float]]) -> None:
    assert law_of(points) is None


def test_earlier_runs_are_told_for_todays_items() -> None:
    run = earlier_run()
    run = replace(
        run,
        profile=replace(run.profile, item_seconds=0.02),
        work=replace(run.work, item_seconds=0.01, size_power=2.0, size_seconds=1e-4),
    )
    (today,) = for_sizes([run], Sizes((1.0, 2.0), (4.0, 6.0)))
    # the profile has what an item takes in a loop: here twice what it took beside others
    assert today.profile.item_seconds == pytest.approx(2 * 1e-4 * (16 + 36) / 2)
    assert today.profile.longest_seconds == pytest.approx(2 * 1e-4 * 36)
    assert today.work.sample_seconds == pytest.approx(1e-4 * (1 + 4) / 2)
    assert today.work.item_seconds == pytest.approx(1e-4 * (16 + 36) / 2)
    assert for_sizes([run], Sizes()) == (run,)
    plain = replace(run, work=replace(run.work, size_power=0.0))
    assert for_sizes([plain], Sizes((), (4.0,))) == (plain,) and law_in(plain) is None


def test_sizes_of_what_is_known(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(70))
    assert [size_of(one, numbers=True) for one in (-7, 2.5, "abc", [1, 2], path, 10**40)] == [
        7.0, 2.5, 3.0, 2.0, 70.0, 2.0**53,
    ]  # fmt: skip
    assert size_of(7) == size_of(True, numbers=True) == size_of(None, numbers=True) == -1.0
    assert sizes_of([1, None], still) == () == sizes_of(iter([1, 2]), still) == sizes_of([], still)
    assert sizes_of(range(3), still) == ((0, 0.0), (1, 1.0), (2, 2.0))
    places = [place for place, _ in sizes_of(range(10_000), still)]
    assert len(places) <= 300 and places == sorted(set(places)) and places[-1] > 9_900


def test_points_are_chunks_of_known_size() -> None:
    data = list(range(100))
    assert points_of(data, [(10, 2, 0.5), (20, 1, 0.1)], still) == [(10.5, 2, 0.5), (20.0, 1, 0.1)]
    assert points_of(data, [(99, 2, 0.5)], still) == [], "they have changed since"
    assert points_of([5] * 100, [(10, 2, 0.5)], still) == [], "all of one size"
    assert points_of(["a"] * 2 * LOOKS, [(0, 1, 0.1)]) == []
    assert len(points_of(data, [(n % 100, 1, 0.1) for n in range(256)])) <= MOST_POINTS


@given(st.lists(st.integers(1, 300), min_size=1, max_size=60), st.integers(0, 5), st.integers(2, 4))
def test_long_items_are_those_that_would_be_a_tail(
    sizes: list[int], done: int, workers: int
) -> None:
    law = Law(1.5, 1e-4)
    data = ["x" * size for size in sizes]
    found = long_items(data, done, law, workers, now=still)
    seconds = {place: law.seconds(sizes[place]) for place in range(done, len(data))}
    if not seconds or max(seconds.values()) < LIKE_SECONDS * min(seconds.values()):
        assert found == []
        return
    least = LONG_SHARE * sum(seconds.values()) / workers
    assert sorted(found) == [place for place, taken in seconds.items() if taken > least]
    assert [seconds[a] >= seconds[b] for a, b in pairwise(found)] == [True] * max(0, len(found) - 1)
    assert long_items([*data, None], done, law, workers, now=still) == []


def test_where_looking_takes_long_the_order_stays() -> None:
    ticks = iter(range(10_000))
    assert long_items(["a", "bbb"] * 20, 0, Law(1.0, 1e-3), 2, now=lambda: float(next(ticks))) == []


def spans_of(
    lengths: list[int], power: float, share: float, lost: float, seed: int
) -> list[tuple[int, int, float, float]]:
    """Spans of single items that compute for ``share`` of their seconds; of seven in ten the core was
    taken for up to ``lost`` times as long as they took themselves."""
    drawn = random.Random(seed)
    spans = []
    for place, length in enumerate(lengths):
        own = 1e-6 * length**power
        away = own + 1e-3  # a turn of another program does not ask how long the item is
        others = (drawn.random() < 0.7 and lost * away * drawn.random()) or 0.0
        spans.append((place, 1, own + others, share * own))
    return spans


@pytest.mark.parametrize("seed", range(10))
def test_a_crowded_machine_hides_no_law_of_items_that_compute(seed: int) -> None:
    drawn = random.Random(seed)
    lengths = [drawn.randrange(100, 3000) for _ in range(120)]
    data = [[0] * length for length in lengths]
    spans = spans_of(lengths, 1.0, 1.0, 8.0, seed)
    law = law_in_run(data, spans, still)
    assert law is not None and law.power == pytest.approx(1.0, abs=0.02)
    said = sum(law.seconds(length) for length in lengths)
    assert said == pytest.approx(sum(seconds for _, _, seconds, _ in spans), rel=0.3)


def test_what_waits_is_judged_by_all_of_its_seconds() -> None:
    """Items wait as long whatever their size, and compute a little by it; a run's log tells them apart
    from those that wanted a core."""
    drawn = random.Random(1)
    lengths = [drawn.randrange(100, 3000) for _ in range(60)]
    data = [[0] * length for length in lengths]
    usage = UsageLog(total=60)
    for place, length in enumerate(lengths):
        seconds, own = 0.01 * drawn.uniform(0.9, 1.1), 1e-7 * length
        usage.chunk((1, 0), (place, 1), 0.0, seconds, (own, own))
    assert len(usage.spans) == 59 and law_in_run(data, usage.spans, still) is None
    wanted = UsageLog(total=60)
    for place, length in enumerate(lengths):
        seconds, own = 0.01 * drawn.uniform(0.9, 1.1), 1e-7 * length
        wanted.chunk((1, 0), (place, 1), 0.0, seconds, (seconds, own))
    law = law_in_run(data, wanted.spans, still)
    assert law is not None and law.power == pytest.approx(1.0)
    assert law_in_run(data, [], still) is None


def test_the_callers_slices_count_where_they_are_the_most() -> None:
    """Their CPU seconds are not known."""
    lengths = list(range(100, 200))
    data = [[0] * length for length in lengths]
    spans = [(place, 1, 1e-6 * length, 0.0) for place, length in enumerate(lengths)]
    law = law_in_run(data, spans, still)
    assert law is not None and law.power == pytest.approx(1.0)
    assert law.unit == pytest.approx(1e-6)
