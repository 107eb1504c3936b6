"""Causes, contexts, groups and notes of an exception are in the caller what they were in the worker."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import amorsize


class Http(Exception):
    """Its ``__init__`` takes other arguments than ``args`` holds."""

    def __init__(self, *, status: int) -> None:
        super().__init__(f"status {status}")
        self.status = status


def caused(item: int) -> None:
    try:
        raise Http(status=item)
    except Http as error:
        raise RuntimeError("could not") from error


def while_handling(item: int) -> None:
    try:
        raise Http(status=item)
    except Http:
        raise RuntimeError("meanwhile")  # noqa: B904 # its context is what is tested


def alone(item: int) -> None:
    try:
        raise Http(status=item)
    except Http:
        raise RuntimeError("alone") from None


def three_deep(item: int) -> None:
    try:
        caused(item)
    except RuntimeError as error:
        raise KeyError(item) from error


def in_a_group(item: int) -> None:
    parts: list[Exception] = [ValueError(item)]
    try:
        caused(item)
    except RuntimeError as error:
        parts.append(error)
    raise ExceptionGroup("many", parts)


def noted(item: int) -> None:
    error = ValueError(item)
    error.add_note("see the wiki")
    raise error


def shown(error: BaseException | None) -> Any:
    """An exception as plain values; the worker's traceback at the end of a chain is left out."""
    if error is None or type(error).__name__ == "RemoteTraceback":
        return None
    parts = [shown(part) for part in getattr(error, "exceptions", ())]
    notes = [note for note in getattr(error, "__notes__", ()) if not note.startswith("amorsize")]
    chain = shown(error.__cause__), shown(error.__context__), error.__suppress_context__
    return type(error), str(error), vars(error).get("status"), parts, notes, chain


def raised_by(call: Callable[[], object]) -> BaseException:
    try:
        call()
    except BaseException as error:
        return error
    raise AssertionError("nothing was raised")


KINDS = [caused, while_handling, alone, three_deep, in_a_group, noted]


BACKENDS = ["auto", "serial", "threads", "fork", "spawn", "pool", "coroutines"]


def ways(func: Any, backend: str) -> Iterator[tuple[BaseException, str]]:
    """The exception of the first item and how it is printed: raised and collected, of all at once and of
    a stream."""

    async def beside(item: int) -> None:
        func(item)

    with contextlib.ExitStack() as stack:
        options: dict[str, Any] = {"history": None}
        if backend == "pool":  # an executor that the user gives
            options["backend"] = stack.enter_context(ThreadPoolExecutor(1))
        elif backend != "coroutines":
            options["backend"] = backend
        called = beside if backend == "coroutines" else func
        for error in (
            raised_by(lambda: amorsize.execute(called, [0], **options)),
            raised_by(lambda: list(amorsize.stream(called, iter([0]), **options))),
        ):
            yield error, "".join(traceback.format_exception(error))
        options["on_error"] = "collect"
        for one in (
            *amorsize.execute(called, [0], **options),
            *amorsize.stream(called, iter([0]), **options),
        ):
            yield one.exception, one.traceback


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("func", KINDS, ids=lambda func: func.__name__)
def test_the_loops_exception_arrives(func: Any, backend: str) -> None:
    expected = shown(raised_by(lambda: func(0)))
    found = list(ways(func, backend))
    assert [shown(error) for error, _ in found] == [expected] * 4
    # The frame of the function, wherever it ran.
    assert all(f"in {func.__name__}\n" in text for _, text in found)


def test_a_chain_that_is_a_circle_ends() -> None:
    def circle(item: int) -> None:
        one, two = ValueError(1), ValueError(2)
        one.__cause__, two.__cause__ = two, one
        raise one

    error = raised_by(lambda: amorsize.execute(circle, [0], backend="fork", history=None))
    assert isinstance(error.__cause__, ValueError)
