"""Items that were tried more than once: how often, and how long they waited in between. Pure.

::

    failed or refused --TryLog--> the item is open --began, failed, refused--> ... --ended--> ItemTries

Items that succeed at their first try are never seen here. Imported by runs in which a call has failed.
"""

from __future__ import annotations

from operator import attrgetter

from amorsize.core.model import ItemTries

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

MOST_KEPT = 1_000
"""Items that a run tells of one by one, those with the most tries: 0.2 MB. All others are counted."""


class _Open:
    """An item that has failed or was refused, and has not ended."""

    __slots__ = ("begun", "ended", "first_ended", "refused", "tries", "waited")

    def __init__(self, now: float, refused: bool) -> None:
        self.first_ended = self.ended = now
        """When its first and its last try ended."""
        self.begun: float | None = None
        """When the try that runs began; None between two."""
        self.tries, self.refused, self.waited = 1, int(refused), 0.0

    def begin(self, now: float | None) -> None:
        """The next try begins; None: it did not."""
        self.begun = now

    def end_try(self, now: float, *, refused: bool = False) -> None:
        """The try that runs has ended."""
        self.tries += 1
        self.refused += refused
        self.waited += max(0.0, (now if self.begun is None else self.begun) - self.ended)
        self.begun, self.ended = None, now


class TryLog:
    """Hears of each try of items that do not succeed at once; ``now``: seconds of a monotonic clock."""

    def __init__(self) -> None:
        self._open: dict[int, _Open] = {}
        self._ended: list[ItemTries] = []
        self._count = 0
        """Items that have ended, and were tried more than once."""

    def failed(self, position: int, now: float, *, refused: bool) -> None:
        """A try has ended without a result."""
        item = self._open.get(position)
        if item is None:
            self._open[position] = _Open(now, refused)
        else:
            item.end_try(now, refused=refused)

    def began(self, start: int, count: int, now: float) -> None:
        """Items from position ``start`` on begin."""
        if len(self._open) < count:
            found = [one for position, one in self._open.items() if 0 <= position - start < count]
        else:
            found = [one for one in map(self._open.get, range(start, start + count)) if one]
        for item in found:
            item.begin(now)

    def undone(self, position: int) -> None:
        """It comes back without having run."""
        item = self._open.get(position)
        if item is not None:
            item.begin(None)

    def ended(self, position: int, now: float, *, served: bool) -> None:
        """The item has its result, or has failed for good."""
        item = self._open.pop(position, None)
        if item is None:
            return
        if served:
            item.end_try(now)
        if item.tries > 1:
            self._count += 1
            self._ended.append(_told(position, item, served))
            if len(self._ended) >= 2 * MOST_KEPT:
                self._ended = _most_tried(self._ended)

    def told(self, index_of: Callable[[int], int]) -> tuple[int, tuple[ItemTries, ...]]:
        """How many items were tried more than once, and those of them with the most tries, in the order
        of the data. ``index_of``: the position in the data of an item by its position in the run."""
        left = [_told(at, item, served=False) for at, item in self._open.items() if item.tries > 1]
        kept = sorted(_most_tried(self._ended + left), key=attrgetter("position"))
        return self._count + len(left), tuple(
            ItemTries(index_of(one.position), *_figures(one)) for one in kept
        )


_figures = attrgetter("tries", "refused", "waited_seconds", "seconds", "served")


def _told(position: int, item: _Open, served: bool) -> ItemTries:
    seconds = item.ended - item.first_ended
    return ItemTries(position, item.tries, item.refused, item.waited, seconds, served)


def _most_tried(found: list[ItemTries]) -> list[ItemTries]:
    return sorted(found, key=attrgetter("tries", "waited_seconds"), reverse=True)[:MOST_KEPT]
