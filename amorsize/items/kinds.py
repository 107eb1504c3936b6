"""Kinds of data and of functions: data that can be reached by position or listed, whose length is known;
functions of several arguments, and coroutine functions.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections import deque as deque
    from collections.abc import Callable, Iterable
    from typing import Any, TypeVar

    R = TypeVar("R")
else:
    from _collections import deque  # collections itself imports four more files


ISLICE_TELLS = sys.version_info < (3, 12)
"""Whether an islice can be asked how many items it has given (later Pythons: count, 10 ns an item)."""


def gave(rest: Any) -> int:
    """How many items an islice has given; 0 as well when its source has ended or raised."""
    return int(rest.__reduce__()[2])


def can_be_interrupted(iterator: object) -> bool:
    """Whether another thread can move an iterator to its end, in one step under the GIL (before Python
    3.13 there is always one)."""
    enabled = getattr(sys, "_is_gil_enabled", None)
    moves = hasattr(iterator, "__setstate__") and hasattr(iterator, "__length_hint__")
    return moves and (enabled is None or enabled())


INDEXED_TYPES: tuple[type, ...] = (list, tuple, range, str, bytes, bytearray)
"""Sequences whose items cost nothing to reach by position, in any process that inherited them."""


SNAPSHOT_TYPES: tuple[type, ...] = (
    set,
    frozenset,
    dict,
    deque,
    type({}.keys()),
    type({}.values()),
    type({}.items()),
)
"""Containers whose items exist already: the rest is listed once when work is handed over."""


def is_indexed(data: object) -> bool:
    """Whether ``data[i]`` for i in range(len(data)) gives exactly what iterating gives, at once."""
    kind = type(data)
    if kind in INDEXED_TYPES or getattr(kind, "indexed_by_amorsize", False):
        return True
    module, name = kind.__module__, kind.__qualname__
    if module == "numpy" and name == "ndarray":
        return bool(data.ndim)  # type: ignore[attr-defined]
    return module == "array" and name == "array"


def is_snapshot(data: object) -> bool:
    """Whether listing the items costs no more than copying references."""
    kind = type(data)
    return kind in SNAPSHOT_TYPES or (
        kind.__module__.startswith("pandas.")
        and kind.__qualname__ in {"Series", "Index", "RangeIndex"}
    )


def length_of(data: object) -> int | None:
    """Number of items if the data know it, else None. A hint (`__length_hint__`) is no knowledge."""
    if not hasattr(data, "__len__"):
        return None
    try:
        return len(data)
    except Exception:  # the loop would not ask
        return None


class Star:
    """Calls ``func(*item)`` for sequences and ``func(**item)`` for mappings."""

    __slots__ = ("func",)

    def __init__(self, func: Callable[..., Any]) -> None:
        self.func = func

    def __call__(self, item: Any) -> Any:
        if isinstance(item, dict) or (hasattr(item, "keys") and hasattr(item, "__getitem__")):
            return self.func(**item)
        return self.func(*item)

    def __repr__(self) -> str:
        return f"star({self.func!r})"


COROUTINE = 0x80
"""Flag of the code of ``async def`` functions (``inspect.CO_COROUTINE``, without its import)."""


def is_coroutine_function(func: Any) -> bool:
    """Whether calling ``func`` gives a coroutine, as far as can be seen without calling it."""
    while True:
        if isinstance(func, Star) or type(func).__name__ == "partial":
            func = func.func
            continue
        code = getattr(func, "__code__", None)  # a function, or a method of a class
        if code is None and not isinstance(func, type):
            code = getattr(vars(type(func)).get("__call__"), "__code__", None)
        return bool(getattr(code, "co_flags", 0) & COROUTINE)


def star(func: Callable[..., R]) -> Callable[[Iterable[object]], R]:
    """Return a function of one argument that calls ``func`` with several, for data that hold the
    arguments.

    It calls ``func(*item)`` for a tuple (or any other iterable), and ``func(**item)`` for a mapping:

    >>> list(map(star(pow), [(2, 3), (3, 2)]))
    [8, 9]
    """
    if not callable(func):
        raise TypeError(
            f"star() needs a function, got {func!r}; pass the function itself, not its result"
        )
    return Star(func)


class Shifted:
    """A list whose first element has position ``offset``."""

    def __init__(self, items: list[Any], offset: int) -> None:
        self.items, self.offset = items, offset

    def __len__(self) -> int:
        return len(self.items) + self.offset

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, slice):
            return self.items[key.start - self.offset : key.stop - self.offset]
        return self.items[key - self.offset]
