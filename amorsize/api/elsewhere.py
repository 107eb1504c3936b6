"""Names that are no option of a call: where they are one, or which option may be meant."""

from __future__ import annotations

from difflib import get_close_matches

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

TUNER = ("trace", "machine", "settings")
"""What :class:`amorsize.Tuner` takes."""
SETTINGS = ("explore", "explore_seed", "pruning", "names")
"""What :class:`amorsize.Settings` takes."""
STREAM = ("ordered", "buffersize")
"""What only ``stream`` and ``astream`` take."""


def meant(name: str, known: Iterable[str]) -> str:
    """What a user may have meant, in brackets; "" where nothing is like it."""
    if name in TUNER:
        return f" (write amorsize.Tuner({name}=...).execute(...))"
    if name in SETTINGS:
        return f" (write amorsize.Tuner(amorsize.Settings({name}=...)).execute(...))"
    if name in STREAM:
        return " (stream and astream have it)"
    near = get_close_matches(name, known, 1)
    return f" (do you mean {near[0]!r}?)" if near else ""
