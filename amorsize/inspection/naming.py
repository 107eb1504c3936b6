"""What people call an object that is reached: `found`, `self.total`, global `CACHE`, the item."""

from __future__ import annotations

from amorsize.inspection.reach import ATTRIBUTE, INDEX, INSIDE, KEY, NAME

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Entry = tuple[Any, int, int, Any, int]

LONGEST_KEY = 20
"""Characters of a dict key that a name shows."""


def name_of(queue: list[Entry], index: int, key: Any, style: int) -> str:
    """Name of an entry of the queue, or of what it refers to under ``key``."""
    parts: list[str] = []
    _add(parts, style, key)
    label = ("", "?", "")
    while index >= 0:
        _, parent, style, key, _ = queue[index]
        if style == NAME:
            label = key if type(key) is tuple else ("", str(key), "")
            break
        _add(parts, style, key)
        index = parent
    prefix, name, suffix = label
    if not name:
        return prefix
    return f"{prefix}`{name}{''.join(reversed(parts))}`{suffix}"


def _add(parts: list[str], style: int, key: Any) -> None:
    if style == ATTRIBUTE:
        if type(key) is not str:
            parts.append("[...]")
        elif key not in ("__self__", "__func__", "__wrapped__"):
            parts.append(f".{key}")
    elif style == INDEX:
        parts.append(f"[{key}]")
    elif style == KEY:
        if type(key) is str or type(key) is int:
            parts.append(f"[{key!r:.{LONGEST_KEY}}]")
        else:
            parts.append("[...]")
    elif style == INSIDE:
        return
    else:
        raise ValueError(f"a reference is not called in the way {style!r}")


def without_subscripts(name: str) -> str:
    """A name up to its first subscript: `rows[3].done` and `rows[4].done` are both of `rows`."""
    head, bracket, _ = name.partition("[")
    return f"{head}`" if bracket else name
