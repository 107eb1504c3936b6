"""The journal of a run of coroutines: looked into as items are read, written beside the loop.

::

    item --Book--> held: placed at once, not begun
    result --add--> pending --a thread, every 0.05 s--> file
"""

from __future__ import annotations

import asyncio
import time

from amorsize.checkpoint.book import Book, Held
from amorsize.checkpoint.journal import FLUSH_SECONDS
from amorsize.errors import ItemError
from amorsize.items.collector import PENDING, SKIPPED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from amorsize.checkpoint.names import Named
    from amorsize.core.options import Options

TURN_SECONDS = 0.005
"""Held items are looked up for so long before other tasks of the loop have their turn."""


class LoopJournal:
    """The journal of one run in a loop. All is called in the loop's thread."""

    def __init__(self, func: Callable[[Any], Any], options: Options) -> None:
        self._book = Book(func, options)
        self._journal = self._book.journal
        self._skip = options.on_error == "skip"
        self._names: dict[int, Named] = {}
        self._turn = time.perf_counter()

    def held(self, index: int, item: Any) -> Any:
        """What is held of the item at ``index``; ``PENDING`` where it is to be run."""
        found = self._book.look_up(index, item)
        if not isinstance(found, Held):
            self._names[index] = found
            return PENDING
        ((_, value),) = self._book.results((found,))
        return SKIPPED if self._skip and type(value) is ItemError else value

    async def give_turn(self) -> None:
        """Let others have the loop, if they have waited for long."""
        now = time.perf_counter()
        if now - self._turn > TURN_SECONDS:
            await asyncio.sleep(0)
            self._turn = time.perf_counter()

    def add(self, index: int, value: Any) -> None:
        """The item at ``index`` has its result."""
        named = self._names.pop(index, None)
        if named is not None:
            self._journal.add(named, value)

    def add_failed(self, index: int, error: Exception, traceback: str) -> None:
        """It has failed for good."""
        named = self._names.pop(index, None)
        if named is not None:
            self._journal.add_failed(named, error, traceback)

    async def keep_writing(self, failed: Callable[[BaseException], None]) -> None:
        """Write what waits, again and again: in a thread, for a disk may take its time. An error ends
        it, and is told to ``failed``."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                await asyncio.sleep(FLUSH_SECONDS)
                await loop.run_in_executor(None, self._journal.tick, 0.0)
        except Exception as error:
            failed(error)

    def close(self) -> None:
        """Write what there is, and give the file free."""
        try:
            self._journal.flush()
        finally:
            self._journal.close()
