"""Items that are good only until the next one is read: a buffer that its source fills again, an element
that it clears.

The first item that can change is read alone: by a thread, it is done before the second is read; for
another process, a copy of it is sent. When the second has been read it is seen whether it is the same
object, or has changed the first. From then on each item is a copy, made before the next is read.
"""

from __future__ import annotations

from amorsize.errors import OptionError
from amorsize.items.pickling import dumps, loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

UNCHANGING = (int, float, complex, str, bytes, bool, type(None), range)
MOST_BYTES = 1 << 26
"""A first item of more pickled bytes (64 MB, 20 ms to compare) is known again by its identity only."""


class KeptItems:
    """The items of an iterator, each as it was when it was read.

    ``copies``: whether items go to another process; else ``first_done()`` tells when the first is
    done."""

    def __init__(
        self, iterator: Iterator[Any], *, copies: bool, first_done: Callable[[], bool]
    ) -> None:
        self._iterator, self._copies, self._first_done = iterator, copies, first_done
        self._first: tuple[Any, bytes | None] | None = None
        self._settled = self._reused = False

    def __iter__(self) -> KeptItems:
        return self

    def __next__(self) -> Any:
        if self._settled:
            item = next(self._iterator)
            return _copied(item) if self._reused else item
        if self._first is None:
            return self._begin(next(self._iterator))
        first, body = self._first
        if not self._copies:  # it is done: what the function has changed of it is no sign
            body = _pickled(first)
        item = next(self._iterator)
        self._first, self._settled = None, True
        self._reused = item is first or (body is not None and _pickled(first) != body)
        return _copied(item) if self._reused else item

    def _begin(self, item: Any) -> Any:
        if type(item) in UNCHANGING:
            self._settled = True
            return item
        body = _pickled(item) if self._copies else None
        self._first = item, body
        return item if body is None else loads(body)

    @property
    def reads_one(self) -> bool:
        """Whether at most one item is to be read now."""
        return not self._settled

    @property
    def waits(self) -> bool:
        """Whether the first item has to be done before another is read."""
        return self._first is not None and not self._copies and not self._first_done()

    def close(self) -> None:
        """Close the source, if it can be closed."""
        close = getattr(self._iterator, "close", None)
        if close is not None:
            close()


def _pickled(item: Any) -> bytes | None:
    """The pickle of an item; None where it has none, or a large one."""
    try:
        body = dumps(item)
    except Exception:  # whatever its own code raises
        return None
    return body if len(body) <= MOST_BYTES else None


def _copied(item: Any) -> Any:
    """A copy of an item that the source uses again."""
    if type(item) in UNCHANGING:
        return item
    if type(item) is memoryview:
        return memoryview(bytes(item)).cast("B")
    try:
        return loads(dumps(item))
    except Exception as error:
        raise OptionError(
            "data",
            type(item).__name__,
            f"an item is good only until the next one is read, and cannot be copied ({error})",
            "leave backend out: then the run stays in the caller",
        ) from error
