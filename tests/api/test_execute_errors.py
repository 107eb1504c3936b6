"""Errors of functions, of sources and of options are told as they are."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
from support.calls import BACKENDS, Refusal, refuse_three
from support.work import square

import amorsize

pytestmark = pytest.mark.timeout(60)


@pytest.mark.parametrize("backend", ["auto", *BACKENDS])
@pytest.mark.parametrize("lazy", [False, True])
def test_the_functions_own_exception(backend: str, lazy: bool) -> None:
    data: Iterable[int] = iter(range(300)) if lazy else range(300)
    with pytest.raises(Refusal) as caught:
        amorsize.execute(refuse_three, data, backend=backend)
    assert caught.value.item == 3
    assert any("item 3 " in note for note in caught.value.__notes__)
    text = "".join(__import__("traceback").format_exception(caught.value))
    assert "refuse_three" in text
    with pytest.raises(Refusal) as caught:
        list(amorsize.stream(refuse_three, range(300), backend=backend))
    assert any("item 3 " in note for note in caught.value.__notes__)


def odd_fails(item: int) -> int:
    if item % 2:
        raise KeyError(item)
    return item


@pytest.mark.parametrize("backend", ["auto", *BACKENDS])
def test_collect_and_skip(backend: str) -> None:
    found = amorsize.execute(odd_fails, range(100), on_error="collect", backend=backend)
    assert found[::2] == list(range(0, 100, 2))
    for i, error in enumerate(found):
        if i % 2:
            assert isinstance(error, amorsize.ItemError)
            assert error.index == i
            assert isinstance(error.exception, KeyError)
            assert "odd_fails" in error.traceback
    skipped = amorsize.execute(odd_fails, range(100), on_error="skip", backend=backend)
    assert skipped == list(range(0, 100, 2))
    streamed = amorsize.stream(odd_fails, iter(range(100)), on_error="skip", backend=backend)
    assert list(streamed) == list(range(0, 100, 2))
    collected = list(amorsize.stream(odd_fails, range(100), on_error="collect", backend=backend))
    assert [e.index for e in collected[1::2]] == list(range(1, 100, 2))


def test_an_error_of_the_source_is_not_an_items() -> None:
    def source() -> Iterable[int]:
        yield from range(5)
        raise RuntimeError("source")

    for call in (amorsize.execute, lambda f, d: list(amorsize.stream(f, d))):
        with pytest.raises(RuntimeError, match="source") as caught:
            call(square, source())
        assert not getattr(caught.value, "__notes__", [])
        with pytest.raises(RuntimeError, match="source"):
            amorsize.execute(square, source(), backend="fork", on_error="collect")


def stops(item: int) -> int:
    if item == 7:
        raise StopIteration
    return item


@pytest.mark.parametrize("data", [range(20), list(range(8)), [*range(8)]])
def test_stop_iteration_is_not_swallowed(data: Iterable[int]) -> None:
    for source in (data, (i for i in data)):
        with pytest.raises((StopIteration, RuntimeError)):
            amorsize.execute(stops, source)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"n_jobs": 0}, ["n_jobs=0", "positive", "leave it out"]),
        ({"n_jobs": 1.5}, ["n_jobs=1.5"]),
        ({"n_jobs": True}, ["n_jobs=True"]),
        ({"chunksize": -1}, ["chunksize=-1", "at least 1"]),
        ({"chunksize": "big"}, ["chunksize='big'"]),
        ({"backend": "gpu"}, ["backend='gpu'", "serial", "threads", "processes"]),
        ({"backend": ()}, ["backend=()"]),
        ({"on_error": "ignore"}, ["on_error='ignore'", "collect"]),
        ({"initializer": 3}, ["initializer=3"]),
        ({"initializer": print}, ["workers only", "name one backend"]),
        ({"initializer": print, "backend": "serial"}, ["workers only", "name one backend"]),
        ({"initargs": 3}, ["initargs=3"]),
        ({"initargs": (1,)}, ["initargs=(1,)", "no", "initializer"]),
        ({"retry_on": OSError}, ["retry_on=", "retries=3"]),
        ({"checkpoint_format": "json"}, ["checkpoint_format='json'", "checkpoint=PATH"]),
        ({"seed": np.array([1, 2])}, ["seed=array([1, 2])", "whole number"]),
        ({"history": "mysql://u:secret@h/d"}, ["mysql://h/d", "postgresql://"]),
        ({"progress": "bar"}, ["progress='bar'"]),
        ({"n_jobs": 2, "max_workers": 3}, ["max_workers=3", "n_jobs=2"]),
    ],
)
def test_bad_options_name_value_rule_and_way_out(options: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(ValueError) as caught:
        amorsize.execute(square, [1], **options)
    for word in words:
        assert word in str(caught.value)
    with pytest.raises(ValueError):
        amorsize.optimize(square, [1], **options)


def test_not_callable_and_not_iterable() -> None:
    with pytest.raises(TypeError, match="func=3"):
        amorsize.execute(3, [1])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="data=3"):
        amorsize.execute(square, 3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="buffersize=0"):
        amorsize.stream(square, [1], buffersize=0)
    with pytest.raises(TypeError, match="ordered='x'"):
        amorsize.stream(square, [1], ordered="x")  # type: ignore[call-overload]


def stops_at_five(number: int) -> int:
    end = time.perf_counter() + 0.0005
    while time.perf_counter() < end:
        pass
    if number == 5:
        raise StopIteration("mine")
    return number


@pytest.mark.parametrize("backend", ["auto", "serial", "threads", "fork"])
@pytest.mark.parametrize("lazy", [False, True], ids=["list", "generator"])
def test_a_stop_iteration_of_an_item_is_itself(backend: Any, lazy: bool) -> None:
    """As in a loop, and not the RuntimeError that generators make of it."""
    data = (number for number in range(60)) if lazy else range(60)
    with pytest.raises(StopIteration):
        amorsize.execute(stops_at_five, data, backend=backend, history=None)
    if not lazy:
        with pytest.raises(StopIteration):
            amorsize.optimize(stops_at_five, data, backend=backend, history=None).execute()


@pytest.mark.parametrize("on_error", ["collect", "skip"])
@pytest.mark.parametrize("failing", [0, 1, 2])
def test_an_item_that_fails_early_does_not_keep_the_others_from_processes(
    on_error: Any, failing: int
) -> None:
    def computes(number: int) -> int:
        if number == failing:
            raise ValueError("broken")
        return sum(i * i for i in range(30_000 * 100))

    plan = amorsize.optimize(computes, range(100), on_error=on_error, history=None)
    assert not [reason for reason in plan.reasons if "pickled" in reason]
