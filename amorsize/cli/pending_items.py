"""Which item a result belongs to: results come in order, so it is enough to count."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class PendingItems:
    """Names the item of the next result, from items that can be indexed."""

    def __init__(self, items: Sequence[Any]) -> None:
        self.data: Iterable[Any] = items
        """What the run is given."""
        self._items = items
        self._first = 0

    def pop(self) -> Any:
        """The item of the next result."""
        self._first += 1
        return self._items[self._first - 1]

    def get(self, index: int) -> Any:
        """The item at ``index``; one whose result is out already need not be there."""
        return self._items[index]


class PassingItems(PendingItems):
    """The same for items that pass once: those whose results are not out yet are kept.

    The thread that reads the source appends, the one that takes results pops: both ends of a deque
    are safe for that."""

    def __init__(self, items: Iterable[Any]) -> None:
        self.data = self
        self._source = iter(items)
        self._kept: deque[Any] = deque()
        self._first = 0

    def __iter__(self) -> PassingItems:
        return self

    def __next__(self) -> Any:
        item = next(self._source)
        self._kept.append(item)
        return item

    def close(self) -> None:
        close = getattr(self._source, "close", None)
        if close is not None:
            close()

    def pop(self) -> Any:
        self._first += 1
        return self._kept.popleft()

    def get(self, index: int) -> Any:
        return self._kept[index - self._first]
