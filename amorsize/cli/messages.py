"""Items and exceptions in words: short, on one line."""

from __future__ import annotations

from amorsize.cli.exit_codes import ITEM_FAILED, USAGE, Stop
from amorsize.errors import CheckpointError, OptionError
from amorsize.items.call import origin_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SHOWN_CHARACTERS = 80
"""Most characters of an item in a message: one line of a terminal."""


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
    note = origin_of(error)
    if note is not None:
        return None if note.at_least else note.item
    index = getattr(error, "index", None)
    ours = type(error).__module__ == "amorsize.errors"
    return index if ours and isinstance(index, int) else None


def stop_for(error: BaseException) -> Stop:
    """How the program ends for an exception that is not known to be the failure of one item."""
    if isinstance(error, (OptionError, CheckpointError)) and not origin(error):
        return Stop(USAGE, str(error))
    return Stop(ITEM_FAILED, describe(error) + origin(error))


def origin(error: BaseException) -> str:
    """What the engine says about where an exception came from, in parentheses."""
    note = origin_of(error)
    return "" if note is None else f" ({note.removeprefix('amorsize: ')})"
