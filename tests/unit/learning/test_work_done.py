"""What items took, from the sums of those who ran them: against a list of all item times."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amorsize.core.model import Work
from amorsize.items.collector import PARTS, UsageLog
from amorsize.learning.work_done import loop_item, work_of

NO_PARTS = (0.0,) * PARTS
times = st.lists(st.floats(0.001, 0.01), min_size=1, max_size=30)


def logged(caller: list[float], workers: list[list[float]], cpu: float = 1.0) -> UsageLog:
    """A run of chunks of one item each."""
    usage, position = UsageLog(None, len(caller) + sum(map(len, workers))), 0
    for seconds in caller:
        usage.slice(position, 1, 0.0, seconds)
        position += 1
    for number, worker in enumerate(workers):
        for seconds in worker:
            usage.chunk(
                (number + 1, 0), (position, 1), 0.0, seconds, (cpu * seconds, cpu * seconds)
            )
            position += 1
    return usage


@settings(max_examples=200, deadline=None)
@given(times, st.lists(times, max_size=4))
def test_sums_are_those_of_all_items(caller: list[float], workers: list[list[float]]) -> None:
    usage = logged(caller, workers, cpu=0.5)
    work = work_of(usage.alone, usage.sums(), 0.5, usage.parts())
    every = caller + [seconds for worker in workers for seconds in worker]
    assert work.items == len(every)
    warm = work.caller_warmup_seconds, work.worker_warmup_seconds
    if warm == (0.0, 0.0):
        assert work.item_seconds == pytest.approx(sum(every) / len(every))
        assert work.cpu_seconds == pytest.approx(0.5 * work.item_seconds)
        assert work.longest_seconds == pytest.approx(max(every))
    parts = [[] for _ in range(PARTS)]  # type: ignore[var-annotated]
    for place, seconds in enumerate(every):
        parts[min(PARTS - 1, int(PARTS * (place + 0.5) / len(every)))].append(seconds)
    found = [getattr(work, f"part_{number}") for number in range(1, PARTS + 1)]
    assert found == pytest.approx([sum(one) / len(one) if one else 0.0 for one in parts])


def test_what_first_items_cost_beyond_the_others_is_no_item() -> None:
    usage = logged([0.31, 0.01, 0.01], [[0.21, 0.01, 0.01, 0.01], [0.19, 0.01, 0.01]])
    work = work_of(usage.alone, usage.sums(), 1.0, NO_PARTS)
    assert work.item_seconds == pytest.approx(0.01)
    assert work.caller_warmup_seconds == pytest.approx(0.30)
    assert 0.17 < work.worker_warmup_seconds < 0.21
    assert work.longest_seconds == pytest.approx(0.01)
    assert work.items == 10 and work.level == 2


def test_items_of_random_length_are_no_warm_up() -> None:
    usage = logged([0.03, 0.01, 0.02, 0.01, 0.04, 0.02], [[0.04, 0.01, 0.02], [0.01, 0.05, 0.03]])
    work = work_of(usage.alone, usage.sums(), 1.0, NO_PARTS)
    assert work.caller_warmup_seconds == work.worker_warmup_seconds == 0.0
    assert work.item_seconds == pytest.approx(0.29 / 12)


def test_the_spread_is_that_of_one_item_whatever_the_chunks() -> None:
    usage = UsageLog()
    chunks = [1.0, 1.1, 0.9, 1.05, 0.95]  # of a hundred items each
    for number, seconds in enumerate(chunks):
        usage.chunk((1, 0), (100 * number, 100), 0.0, seconds)
    work = work_of(usage.alone, usage.sums(), 1.0, NO_PARTS)
    later = chunks[1:]
    variance = sum((one - 1.0) ** 2 for one in later) / 3  # of a sum of a hundred
    assert work.spread_seconds == pytest.approx((variance / 100) ** 0.5, rel=0.05)


def test_threads_that_wait_for_the_gil_do_not_make_items_longer() -> None:
    """Items that compute for 3 ms and wait for 5; eight threads saw 24 ms of each."""
    usage = UsageLog()
    for number in range(3):
        usage.slice(number, 1, 0.0, 0.008)
    for number in range(80):
        usage.chunk((7, number % 8), (number, 1), 0.0, 0.024, (0.003, 0.003))
    work = work_of(usage.alone, usage.sums(), 0.375, NO_PARTS)
    item = loop_item(work, usage.alone, usage.sums(), 0.375, seconds=0.25)
    assert item.seconds == pytest.approx(0.008, rel=0.1)
    assert item.cpu_share == pytest.approx(0.375, rel=0.1)
    apart = [(number, 0) for number in range(8)]
    usage = UsageLog()
    for number in range(80):
        usage.chunk(apart[number % 8], (number, 1), 0.0, 0.008, (0.003, 0.003))
    work = work_of(usage.alone, usage.sums(), 1.0, NO_PARTS)
    assert loop_item(work, usage.alone, usage.sums(), 1.0, 0.25).seconds == pytest.approx(0.008)


def test_the_run_before_tells_what_threads_cannot_of_waits() -> None:
    """Pure Python of 8 ms that began on four threads: each item waited for the GIL."""
    usage = UsageLog()
    for number in range(80):
        usage.chunk((7, number % 4), (number, 1), 0.0, 0.032, (0.008, 0.008))
    work = work_of(usage.alone, usage.sums(), 1.0, NO_PARTS)
    unknown = loop_item(work, usage.alone, usage.sums(), None, 0.64)
    assert unknown.seconds == pytest.approx(0.032) and unknown.cpu_share == pytest.approx(0.25)
    known = loop_item(work, usage.alone, usage.sums(), None, 0.64, share_before=0.98)
    assert known.seconds == pytest.approx(0.008, rel=0.05) and known.cpu_share > 0.95


def test_a_run_of_which_nothing_was_timed_tells_nothing() -> None:
    usage = UsageLog()
    assert work_of(usage.alone, usage.sums(), 1.0, NO_PARTS) == Work()
