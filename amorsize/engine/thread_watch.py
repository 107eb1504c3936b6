"""The looks at what the first items of a worker thread change, where no item runs in the caller.

Two items are watched, and the second decides, as the one that is watched in the caller does. What only
the first changes (a model that is loaded, a cache) does not bind, and a first item is often one that
changes nothing: a number 0 that is added, a file that is not there yet. Nor does its time say much of the
others: it may have imported modules. Of a few long items, one that changes nothing is enough: another
would cost more than what is left gains.
"""

from __future__ import annotations

from amorsize.backends.threads.watched import WatchedThread
from amorsize.core.frozen import replace
from amorsize.engine.gates import TRUSTED_FIRST_SECONDS, WATCHED_ITEMS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from amorsize.backends.base import Backend, BackendSpec
    from amorsize.engine.local_loop import LocalLoop

MOST_WATCHED = 2
"""Items that are watched; workers begin behind them."""


class ThreadWatch:
    """What a :class:`WatchedThread` is told to look with; its methods run in the caller's thread."""

    def __init__(self, loop: LocalLoop, note: Callable[[], None]) -> None:
        self._loop, self._watch, self._note = loop, loop.item_watch, note
        self._watched = 0

    def begin(self, items: Sequence[Any], position: int, thread: int) -> None:
        """An item is about to run in that thread."""
        self._watch.begin(items, position, thread)

    def end(self, values: Sequence[Any], seconds: float) -> bool:
        """It has ended after so long, with its result or none: whether the next is to be watched, too."""
        loop = self._loop
        self._watch.end(values)
        if not loop.results:
            loop.samples.extend(values)  # what a result costs to carry is measured on them
        self._watched += 1
        verdict, left = self._watch.verdict, loop.source.left()
        few = seconds > TRUSTED_FIRST_SECONDS and left is not None and left < WATCHED_ITEMS
        clean = verdict is not None and not verdict.changed
        if self._watched < MOST_WATCHED and not (few and clean):
            return True
        self._note()
        return False

    def drop(self) -> None:
        """It took too long: what it has changed by now says nothing."""
        self._watch.end()


def watched_thread(told: BackendSpec, loop: LocalLoop, note: Callable[[], None]) -> Backend:
    """The thread whose first items are watched, not started yet. ``note`` is called when it is known what
    they change."""
    return WatchedThread(replace(told, watch=ThreadWatch(loop, note)))
