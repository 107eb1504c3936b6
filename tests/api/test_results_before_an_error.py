"""What comes before an error: the results, and the effects, that a loop would have had by then."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

import amorsize

pytestmark = pytest.mark.timeout(60)
ITEMS = 60


class SourceBroke(Exception):
    pass


def broken(count: int = ITEMS) -> Iterator[int]:
    yield from range(count)
    raise SourceBroke(count)


def nap(item: int) -> int:
    time.sleep(0.003)
    return item


def late_then_fails(item: int) -> int:
    """The item before the one that fails ends long after it."""
    time.sleep(0.2 if item == 19 else 0.003)
    if item == 20:
        raise KeyError(item)
    return item


async def anap(item: int) -> int:
    await asyncio.sleep(0.003)
    return item


BACKENDS = ["auto", "threads", "processes"]


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_stream_gives_all_results_before_its_source_broke(backend: Any, ordered: bool) -> None:
    found: list[int] = []
    options: Any = {"ordered": ordered, "backend": backend, "history": None, "buffersize": 16}
    with pytest.raises(SourceBroke):
        found.extend(amorsize.stream(nap, broken(), **options))
    assert (found if ordered else sorted(found)) == list(range(ITEMS))


@pytest.mark.parametrize("data", [range(ITEMS), iter(range(ITEMS))], ids=["indexed", "read"])
@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_stream_gives_all_results_before_the_item_that_fails(
    backend: Any, ordered: bool, data: Any
) -> None:
    found: list[int] = []
    if not isinstance(data, range):
        data = iter(range(ITEMS))
    options: Any = {"ordered": ordered, "backend": backend, "history": None}
    with pytest.raises(KeyError) as caught:
        found.extend(amorsize.stream(late_then_fails, data, **options))
    assert set(range(20)) <= set(found)
    assert not ordered or found == list(range(20))
    assert caught.value.__notes__[0] == "amorsize: raised by item 20 of the data"


def test_of_two_items_that_fail_the_first_ends_a_stream() -> None:
    first = threading.Event()

    def fails(item: int) -> int:
        if item == 5:
            first.wait(5)  # the later one has failed by then
            raise ValueError(item)
        if item == 7:
            first.set()
            raise KeyError(item)
        time.sleep(0.002)
        return item

    found: list[int] = []
    with pytest.raises(ValueError, match="5"):
        found.extend(amorsize.stream(fails, range(30), backend="threads", n_jobs=4, history=None))
    assert found == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("backend", ["auto", "threads"])
def test_a_list_has_run_all_items_before_its_source_broke(backend: Any) -> None:
    ran: list[int] = []

    def noted(item: int) -> None:
        time.sleep(0.003)
        ran.append(item)

    with pytest.raises(SourceBroke):
        amorsize.execute(noted, broken(), backend=backend, n_jobs=4, history=None, effects="ignore")
    assert sorted(ran) == list(range(ITEMS))


@pytest.mark.parametrize("ordered", [True, False])
def test_coroutines_give_all_results_before_their_source_broke(ordered: bool) -> None:
    async def read() -> AsyncIterator[int]:
        for item in range(ITEMS):
            yield item
        raise SourceBroke(ITEMS)

    found: list[int] = []

    async def main() -> None:
        async for value in amorsize.astream(anap, read(), ordered=ordered, history=None):
            found.append(value)

    with pytest.raises(SourceBroke):
        asyncio.run(main())
    assert sorted(found) == list(range(ITEMS))
    found.clear()
    with pytest.raises(SourceBroke):
        found.extend(amorsize.stream(anap, broken(), ordered=ordered, history=None))
    assert sorted(found) == list(range(ITEMS))
