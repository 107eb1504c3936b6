"""Calls whose items are coroutines, or that come from inside an event loop; imported when first made."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from amorsize.engine import asyncio_bridge, coroutine_run, coroutine_spec
from amorsize.engine.coroutine_engine import CoroutineEngine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from amorsize.engine.coroutine_spec import CoroutineSpec
    from amorsize.engine.driver import Engine

    Generating = AsyncGenerator[Any, None]
else:
    Generating = AsyncGenerator

check = coroutine_spec.check
"""Errors for options that coroutine functions cannot take."""
Spec = coroutine_spec.CoroutineSpec
execute_coroutines, execute_beside = coroutine_run.execute, asyncio_bridge.execute


class AsyncStream(Generating):
    """The results of one run, one after the other; the end of an ``async with`` ends it."""

    def __init__(self, made: AsyncGenerator[Any, None]) -> None:
        self._made = made

    def __anext__(self) -> Coroutine[Any, Any, Any]:
        return self._made.__anext__()

    def asend(self, value: None) -> Coroutine[Any, Any, Any]:
        """The next result, as generators have it."""
        return self._made.asend(value)

    def athrow(self, *error: Any) -> Coroutine[Any, Any, Any]:
        """End the run as one that failed, and raise the error, as generators do."""
        return self._made.athrow(*error)

    def aclose(self) -> Coroutine[Any, Any, None]:
        """End the run: its workers, its threads and its source. Nothing comes out any more."""
        return self._made.aclose()

    async def __aenter__(self) -> AsyncStream:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._made.aclose()


def stream_coroutines(spec: CoroutineSpec, ordered: bool, buffersize: int | None) -> AsyncStream:
    """The results of a coroutine function, in the loop that runs."""
    return AsyncStream(coroutine_run.stream(spec, ordered=ordered, buffersize=buffersize))


def stream_beside(
    make: Callable[[Any], Engine], data: Any, ordered: bool, buffersize: int | None
) -> AsyncStream:
    """The results of a run in a thread beside the loop."""
    return AsyncStream(asyncio_bridge.stream(make, data, ordered=ordered, buffersize=buffersize))


def engine_for(asked: CoroutineSpec) -> CoroutineEngine:
    """The engine that runs coroutines for a caller without an event loop."""
    return CoroutineEngine(asked)
