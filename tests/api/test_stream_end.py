"""The end of a stream's runs: an error, a close, or nobody who asks any more."""

from __future__ import annotations

import contextlib
import gc
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import amorsize

pytestmark = pytest.mark.timeout(60)


def inverse(item: int) -> float:
    return 1 / item


class Counter:
    """An endless source that tells when it was closed."""

    def __init__(self) -> None:
        self.closed = False

    def __iter__(self) -> Iterator[int]:
        try:
            yield from itertools.count(1)
        finally:
            self.closed = True


@pytest.mark.parametrize("taken", [1, 2, 500, 20_000])
def test_nothing_comes_out_of_a_closed_stream(taken: int) -> None:
    source = Counter()
    stream = amorsize.stream(inverse, iter(source))
    assert list(itertools.islice(stream, taken)) == [1 / i for i in range(1, taken + 1)]
    stream.close()
    assert next(stream, None) is None
    assert source.closed
    stream.close()


@pytest.mark.parametrize("position", [0, 1, 700, 20_000])
def test_after_an_error_a_stream_is_over(position: int) -> None:
    items = [1] * position + [0] + [1] * 500
    stream = amorsize.stream(inverse, (item for item in items))
    with pytest.raises(ZeroDivisionError) as caught:
        for _ in stream:
            pass
    assert caught.value.__notes__ == [f"amorsize: raised by item {position} of the data"]
    assert list(stream) == []


def test_a_forgotten_stream_closes_its_source() -> None:
    source = Counter()
    stream = amorsize.stream(inverse, iter(source))
    assert sum(1 for _ in itertools.islice(stream, 5_000)) == 5_000
    del stream
    gc.collect()
    assert source.closed


async def halved_later(number: int) -> float:
    return number / 2


@pytest.mark.parametrize("how", ["plain", "coroutines", "checkpoint"])
@pytest.mark.parametrize("fails", [False, True])
def test_the_end_of_a_with_closes_the_run_and_its_data(
    how: str, fails: bool, tmp_path: Path
) -> None:
    ended = []

    def numbers() -> Iterator[int]:
        try:
            yield from range(10_000)
        finally:
            ended.append(True)

    func: Any = halved_later if how == "coroutines" else halved
    options: Any = {"checkpoint": tmp_path / "file"} if how == "checkpoint" else {}
    tmp_path.chmod(0o700)
    caught = contextlib.suppress(KeyError) if fails else contextlib.nullcontext()
    with caught, amorsize.stream(func, numbers(), history=None, **options) as results:
        assert next(results) == 0.0 and next(results) == 0.5
        assert iter(results) is results
        if fails:
            raise KeyError("mine")
    assert ended == [True]
    assert list(results) == []
    with amorsize.stream(func, range(5), history=None) as results:
        assert list(results) == [0.0, 0.5, 1.0, 1.5, 2.0]


def halved(number: int) -> float:
    return number / 2
