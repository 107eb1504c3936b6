"""Coroutine functions, and each way to run them over items."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

import amorsize

SQUARES = [n * n for n in range(500)]


async def asquare(item: int) -> int:
    await asyncio.sleep(0.001)
    return item * item


async def numbers(total: int) -> AsyncIterator[int]:
    for number in range(total):
        if number % 7 == 0:
            await asyncio.sleep(0)
        yield number


class Method:
    async def square(self, item: int) -> int:
        return item * item

    async def __call__(self, item: int) -> int:
        return item * item


async def added(first: int, second: int) -> int:
    return first + second


COROUTINES: dict[str, Callable[[int], Any]] = {
    "function": asquare,
    "method": Method().square,
    "object": Method(),
    "partial": functools.partial(asquare),
}


def drained(func: Any, data: Any, **options: Any) -> list[Any]:
    """What ``astream`` gives."""

    async def all_of_it() -> list[Any]:
        return [value async for value in amorsize.astream(func, data, **options)]

    return asyncio.run(all_of_it())


WAYS: dict[str, Callable[..., list[Any]]] = {
    "execute": amorsize.execute,
    "stream": lambda *args, **options: list(amorsize.stream(*args, **options)),
    "aexecute": lambda *args, **options: asyncio.run(amorsize.aexecute(*args, **options)),
    "astream": drained,
}
ways = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
