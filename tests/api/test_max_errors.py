"""``max_errors``: after so many items that failed for good the run ends, and what never ran is told."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import amorsize

BACKENDS = ["serial", "threads", "fork", "spawn"]


def odd_fails(item: int) -> int:
    time.sleep(0.001)
    if item % 2:
        raise ValueError(item)
    return item


async def odd_fails_async(item: int) -> int:
    await asyncio.sleep(0.001)
    if item % 2:
        raise ValueError(item)
    return item


def check(found: list[Any], total: int, most: int) -> None:
    assert len(found) == total
    failed = [one for one in found if isinstance(one, amorsize.ItemError)]
    ran = [one for one in failed if not isinstance(one.exception, amorsize.NotRun)]
    left = [one for one in failed if isinstance(one.exception, amorsize.NotRun)]
    assert len(ran) >= most
    assert left
    for index, value in enumerate(found):
        assert value.index == index if isinstance(value, amorsize.ItemError) else value == index


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_run_ends_and_the_rest_is_told(backend: str) -> None:
    found = amorsize.execute(
        odd_fails, range(4000), on_error="collect", max_errors=5, backend=backend, history=None
    )
    check(found, 4000, 5)


def test_chosen_by_amorsize() -> None:
    found = amorsize.execute(
        odd_fails, list(range(4000)), on_error="collect", max_errors=3, history=None
    )
    check(found, 4000, 3)


def test_another_executor() -> None:
    with ThreadPoolExecutor(2) as pool:
        found = amorsize.execute(
            odd_fails, range(4000), on_error="collect", max_errors=3, backend=pool, history=None
        )
    check(found, 4000, 3)


def test_coroutines() -> None:
    found = amorsize.execute(
        odd_fails_async, range(4000), on_error="collect", max_errors=3, history=None
    )
    check(found, 4000, 3)


@pytest.mark.parametrize("func", [odd_fails, odd_fails_async])
def test_a_stream_ends_with_a_warning(func: Any) -> None:
    with pytest.warns(amorsize.AmorsizeWarning, match="max_errors=3"):
        found = list(
            amorsize.stream(func, iter(range(4000)), on_error="collect", max_errors=3, history=None)
        )
    assert sum(isinstance(one, amorsize.ItemError) for one in found) >= 3
    assert len(found) < 4000


def test_skipped_items_count_too() -> None:
    with pytest.warns(amorsize.AmorsizeWarning, match="did not run"):
        found = amorsize.execute(
            odd_fails, range(4000), on_error="skip", max_errors=3, history=None
        )
    assert not any(item % 2 for item in found)
    assert found == sorted(found)
    assert len(found) < 1000  # all 2,000 in one run of ten, when workers had the tickets of all


def test_enough_room_changes_nothing() -> None:
    found = amorsize.execute(odd_fails, range(20), on_error="collect", max_errors=11, history=None)
    assert [one for one in found if not isinstance(one, amorsize.ItemError)] == list(
        range(0, 20, 2)
    )
    assert not any(isinstance(getattr(one, "exception", None), amorsize.NotRun) for one in found)


def test_it_goes_with_errors_that_are_collected() -> None:
    with pytest.raises(amorsize.OptionError, match="on_error"):
        amorsize.execute(odd_fails, range(3), max_errors=3)
    with pytest.raises(amorsize.OptionError, match="at least 1"):
        amorsize.execute(odd_fails, range(3), max_errors=0, on_error="collect")
