"""Where the items of a run of coroutines come from: an asynchronous source, or an ordinary one.

An ordinary source is read in the loop while it answers at once, and from its first slow item on in a
thread.
"""

from __future__ import annotations

import asyncio
import threading
import time
from contextvars import copy_context
from queue import SimpleQueue

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from typing import Any

clock = time.perf_counter

SLOW_SOURCE_SECONDS = 0.002
"""A source that takes longer for an item would hold up the loop: it is read in a thread from then on."""


async def items_of(data: Any) -> AsyncIterator[Any]:
    """The items of ``data``, which may be asynchronous; a slow source is read in a thread."""
    if hasattr(data, "__aiter__"):
        source = aiter(data)
        try:
            async for item in source:
                yield item
        finally:
            close = getattr(source, "aclose", None)
            if close is not None:
                await close()
        return
    iterator = iter(data)
    reader: SlowReader | None = None
    try:
        while True:
            began = clock()
            if reader is None:
                item = next(iterator, _END)
                if clock() - began > SLOW_SOURCE_SECONDS:
                    reader = SlowReader(iterator)
            else:
                item = await reader.next()
            if item is _END:
                return
            yield item
    finally:
        if reader is not None:
            reader.close()
        else:
            _close(iterator)


_END = object()


def _close(iterator: Iterator[Any]) -> None:
    close = getattr(iterator, "close", None)
    if close is not None:
        close()


class SlowReader:
    """Reads a slow source in a thread. Nobody waits for one that does not answer, neither the end of
    the run nor that of the interpreter: it closes the source when it comes back."""

    def __init__(self, iterator: Iterator[Any]) -> None:
        self._iterator, self._loop = iterator, asyncio.get_running_loop()
        self._asked: SimpleQueue[asyncio.Future[Any] | None] = SimpleQueue()
        threading.Thread(
            target=copy_context().run, args=(self._read,), name="amorsize-source", daemon=True
        ).start()

    def next(self) -> asyncio.Future[Any]:
        """The next item, ``_END`` behind the last."""
        item: asyncio.Future[Any] = self._loop.create_future()
        self._asked.put(item)
        return item

    def close(self) -> None:
        """Nothing more will be asked for."""
        self._asked.put(None)

    def _read(self) -> None:
        while (future := self._asked.get()) is not None:
            item, error = _END, None
            try:
                item = next(self._iterator, _END)
            except BaseException as raised:
                error = raised
            call_in(self._loop, _settle, future, item, error)
        _close(self._iterator)


def _settle(future: asyncio.Future[Any], item: Any, error: BaseException | None) -> None:
    if future.done():  # the run has ended meanwhile
        return
    if error is None:
        future.set_result(item)
    else:
        future.set_exception(error)


def call_in(loop: asyncio.AbstractEventLoop, function: Callable[..., object], *args: Any) -> None:
    try:
        loop.call_soon_threadsafe(function, *args)
    except RuntimeError:  # it has ended meanwhile
        pass
