"""A call that says when it began and how long it took, for the job log of the command line.

A checkpoint keeps these times with the results. So results with times have a type of their own: a run
with a job log and one without go on with the same file.
"""

from __future__ import annotations

from contextlib import suppress
from time import perf_counter, time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

TIMES = "__amorsize_times__"
"""Attribute that carries (start, seconds) of a call that raised."""


class TimedResult(tuple[float, float, "Any"]):
    """Seconds since 1970 when the call began, its seconds, and what it returned."""

    __slots__ = ()


class Timed:
    """Calls a function and says when and how long."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.__wrapped__ = function

    def __call__(self, item: Any) -> TimedResult:
        start, began = time(), perf_counter()
        try:
            result = self.__wrapped__(item)
        except Exception as error:
            _keep_times(error, start, perf_counter() - began)
            raise
        return TimedResult((start, perf_counter() - began, result))


class TimedLater:
    """The same of a coroutine function."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.__wrapped__ = function

    async def __call__(self, item: Any) -> TimedResult:
        start, began = time(), perf_counter()
        try:
            result = await self.__wrapped__(item)
        except Exception as error:
            _keep_times(error, start, perf_counter() - began)
            raise
        return TimedResult((start, perf_counter() - began, result))


def _keep_times(error: Exception, start: float, seconds: float) -> None:
    """Carry an item's times on the exception that it raised."""
    with suppress(Exception):  # one without room for it: the log says "-"
        setattr(error, TIMES, (start, seconds))


def untimed(func: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The function that is called: what a checkpoint holds the results of."""
    return func.__wrapped__ if isinstance(func, (Timed, TimedLater)) else func
