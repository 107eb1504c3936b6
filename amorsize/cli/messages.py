"""Items and exceptions in words: short, on one line."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SHOWN_CHARACTERS = 80
"""Of an item in a message: one line of a terminal."""
RAISED_BY = "amorsize: raised by "
"""How the note begins by which the engine tells the item that raised."""


def describe(error: BaseException) -> str:
    """Type and text of an exception."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def short(item: Any) -> str:
    """An item as Python writes it, or its beginning."""
    text = repr(item)
    return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 3] + "..."


def index_of(error: BaseException) -> int | None:
    """The index of the item that raised, None when no item did or it is not known exactly."""
    note = _origin_note(error)
    if note is not None:
        words = note.removeprefix(RAISED_BY).split()
        return int(words[1]) if words[0] == "item" else None
    index = getattr(error, "index", None)
    ours = type(error).__module__ == "amorsize.errors"
    return index if ours and isinstance(index, int) else None


def origin(error: BaseException) -> str:
    """What the engine says about where an exception came from, in parentheses."""
    note = _origin_note(error)
    return "" if note is None else f" ({note.removeprefix('amorsize: ')})"


def _origin_note(error: BaseException) -> str | None:
    """The last such note: a call of amorsize inside of the function has left one before it."""
    for note in reversed(getattr(error, "__notes__", ())):
        if str(note).startswith(RAISED_BY):
            return str(note)
    return None
