"""Causes, contexts, groups and notes of an exception are in the caller what they were in the worker."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import amorsize
from amorsize.items.errors import MOST_FRAMES, _chained, _traceback_of


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
    """An exception as plain values, with the functions and lines of this file in its traceback."""
    if error is None:
        return None
    parts = [shown(part) for part in getattr(error, "exceptions", ())]
    notes = [note for note in getattr(error, "__notes__", ()) if not note.startswith("amorsize")]
    chain = shown(error.__cause__), shown(error.__context__), error.__suppress_context__
    frames = [
        (frame.name, frame.lineno)
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename == __file__ and frame.name in FUNCTIONS
    ]
    return type(error), str(error), vars(error).get("status"), parts, notes, chain, frames


def raised_by(call: Callable[[], object]) -> BaseException:
    try:
        call()
    except BaseException as error:
        return error
    raise AssertionError("nothing was raised")


KINDS = [caused, while_handling, alone, three_deep, in_a_group, noted]
FUNCTIONS = {func.__name__ for func in KINDS}


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


PRINTED = """
import sys
import amorsize

def inner(item):
    return 1 / (item - 3)

def outer(item):
    try:
        return inner(item)
    except ZeroDivisionError as error:
        raise RuntimeError("no") from error

if sys.argv[1] == "loop":
    for item in range(5):
        outer(item)
else:
    amorsize.execute(outer, range(5), backend=sys.argv[1], history=None)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no forks here")
def test_an_uncaught_error_is_printed_as_in_the_loop(tmp_path: Path) -> None:
    """Cause and error, each with its frames; only those of amorsize are more, and its note."""
    script = tmp_path / "script.py"
    script.write_text(PRINTED)

    def printed(backend: str) -> list[str]:
        done = subprocess.run(
            [sys.executable, "-X", "no_debug_ranges", str(script), backend],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        lines = done.stderr.splitlines()
        own = [place for place, line in enumerate(lines) if f'"{script}"' in line]
        return [*lines[own[0] : own[-1] + 3], *(line for line in lines if line.startswith("The "))]

    loop, fork = printed("loop"), printed("fork")
    assert loop[:4] == fork[:4] and loop[-1] == fork[-1]
    assert loop[-4:-1] == fork[-4:-1]
    assert loop[-3:-1] == ['    raise RuntimeError("no") from error', "RuntimeError: no"]


def recursive(item: int) -> int:
    return recursive(item + 1)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no forks here")
def test_a_recursion_without_end_has_its_frames() -> None:
    error = raised_by(lambda: amorsize.execute(recursive, [0], backend="fork", history=None))
    assert isinstance(error, RecursionError) and error.__cause__ is None
    names = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
    assert 500 < names.count("recursive") <= MOST_FRAMES
    assert "Previous line repeated" in "".join(traceback.format_exception(error))


def test_an_error_that_an_older_version_has_written_is_read() -> None:
    error = _chained(ValueError(1), KeyError(2), None, True)
    assert isinstance(error.__cause__, KeyError) and error.__traceback__ is None


@given(
    st.lists(
        st.tuples(
            st.text(max_size=20), st.text(max_size=9), st.text(max_size=9), st.integers(1, 10**6),
            st.text(max_size=9),
        ),
        min_size=1,
        max_size=30,
    )
)  # fmt: skip
def test_a_traceback_shows_the_frames_that_it_was_made_of(frames: list[Any]) -> None:
    made = _traceback_of(tuple(frames))
    shown = [
        (one.filename, one.name, one.lineno)
        for one in traceback.StackSummary.extract(traceback.walk_tb(made), lookup_lines=False)
    ]
    assert shown == [(file, name, line) for file, name, _, line, _ in frames]
