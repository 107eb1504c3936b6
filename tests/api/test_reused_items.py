"""Items that are good only until the next is read give the loop's results, whoever runs them."""

from __future__ import annotations

import io
import itertools
import threading
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import amorsize

pytestmark = pytest.mark.timeout(60)

ITEMS = 60
BACKENDS = ["auto", "serial", "threads", "fork", "spawn"]


def groups() -> Iterator[Any]:
    rows = [(key, value) for key in range(ITEMS) for value in range(5)]
    return itertools.groupby(rows, key=lambda row: row[0])


def frames() -> Iterator[Any]:
    buffer = np.empty(64)
    for number in range(ITEMS):
        buffer[:] = number
        yield buffer


def blocks() -> Iterator[Any]:
    buffer = bytearray(8)
    for number in range(ITEMS):
        buffer[:] = number.to_bytes(8, "big")
        yield buffer


def views() -> Iterator[Any]:
    return (memoryview(block) for block in blocks())


def rows() -> Iterator[Any]:
    row: list[int] = []
    for number in range(ITEMS):
        row[:] = [number] * 3
        yield row


def elements() -> Iterator[Any]:
    text = "".join(f"<entry><value>{number}</value></entry>" for number in range(ITEMS))
    for _, element in ElementTree.iterparse(io.BytesIO(f"<all>{text}</all>".encode())):
        if element.tag == "entry":
            yield element
            element.clear()


def group_sum(pair: Any) -> Any:
    return pair[0], sum(value for _, value in pair[1])


def frame_sum(frame: Any) -> float:
    return float(frame.sum())


def number_of(block: Any) -> int:
    return int.from_bytes(block, "big")


def text_of(element: Any) -> Any:
    return element.findtext("value")


KINDS: dict[str, tuple[Callable[[], Iterator[Any]], Callable[[Any], Any]]] = {
    "groups": (groups, group_sum),
    "frames": (frames, frame_sum),
    "blocks": (blocks, number_of),
    "views": (views, number_of),
    "rows": (rows, sum),
    "elements": (elements, text_of),
}


def waiting(func: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def called(item: Any) -> Any:
        time.sleep(0.002)
        return func(item)

    return called


def computing(func: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def called(item: Any) -> Any:
        sum(range(10_000))
        return func(item)

    return called


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize("busy", [waiting, computing])
def test_the_loops_results(kind: str, backend: str, busy: Any) -> None:
    source, func = KINDS[kind]
    work, options = busy(func), {"backend": backend, "history": None}
    expected = [func(item) for item in source()]
    assert amorsize.execute(work, source(), **options) == expected
    assert list(amorsize.stream(work, source(), **options)) == expected
    assert list(amorsize.stream(work, source(), buffersize=1, **options)) == expected


def test_fresh_items_that_can_change_run_side_by_side() -> None:
    """Only the first of them is alone: the rest meets in pairs."""
    met = threading.Barrier(2, timeout=20)

    def meet(item: list[int]) -> int:
        if item[0]:
            met.wait()
        return item[0]

    source = ([number] for number in range(9))
    options: dict[str, Any] = {"backend": "threads", "n_jobs": 2, "chunksize": 1}
    assert amorsize.execute(meet, source, history=None, **options) == [*range(9)]


def test_the_callers_own_object_is_changed_by_threads() -> None:
    given = [[number] for number in range(9)]
    amorsize.execute(lambda item: item.append(0), iter(given), backend="threads", history=None)
    assert given == [[number, 0] for number in range(9)]


def test_what_cannot_be_copied_is_an_error_and_not_another_result() -> None:
    class Holder:
        """Cannot be pickled: it holds a lock."""

        def __init__(self) -> None:
            self.lock = threading.Lock()
            self.number = 0

    def held() -> Iterator[Holder]:
        holder = Holder()
        for number in range(9):
            holder.number = number
            yield holder

    def look(holder: Holder) -> int:
        return holder.number

    with pytest.raises(amorsize.OptionError, match="cannot be copied"):
        amorsize.execute(look, held(), backend="threads", history=None)
    assert amorsize.execute(look, held(), history=None) == [*range(9)]
