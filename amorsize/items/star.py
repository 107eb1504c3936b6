"""Functions of several arguments, and coroutine functions."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


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


def star(func: Callable[..., Any]) -> Star:
    """Make a one-argument function of ``func`` for data whose items are its arguments.

    A tuple (or any other iterable) becomes ``func(*item)``, a mapping ``func(**item)``:

    >>> list(map(star(pow), [(2, 3), (3, 2)]))
    [8, 9]
    """
    if not callable(func):
        raise TypeError(
            f"star() needs a function, got {func!r}; pass the function itself, not its result"
        )
    return Star(func)
