"""Which item a result belongs to: results come in order, so it is enough to count."""

from __future__ import annotations

from collections import deque

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any


class Remembered:
    """Hands items on and keeps those whose results are not out yet, to name them.

    One thread takes items, another asks: both ends of a deque are safe for that."""

    def __init__(self, items: Iterable[Any]) -> None:
        self._items = iter(items)
        self._kept: deque[Any] = deque()
        self._first = 0

    def __iter__(self) -> Remembered:
        return self

    def __next__(self) -> Any:
        item = next(self._items)
        self._kept.append(item)
        return item

    def close(self) -> None:
        close = getattr(self._items, "close", None)
        if close is not None:
            close()

    def pop(self) -> Any:
        """The item of the next result."""
        self._first += 1
        return self._kept.popleft()

    def get(self, index: int) -> Any:
        """The item at ``index``; one that is out already cannot be asked for."""
        return self._kept[index - self._first]


class Listed:
    """As :class:`Remembered`, for items that can be indexed: nothing need be kept."""

    def __init__(self, items: Sequence[Any]) -> None:
        self._items = items
        self._next = 0

    def pop(self) -> Any:
        self._next += 1
        return self._items[self._next - 1]

    def get(self, index: int) -> Any:
        return self._items[index]
