"""What a history tells about itself; loaded only when asked for."""

from __future__ import annotations

from amorsize.core.observation import SCHEMA

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dataclasses import dataclass
else:
    from amorsize.core.frozen import dataclass

MAX_REJECTED = 100
"""Most rejected lines that an import names; further ones are counted."""


@dataclass(frozen=True)
class Stats:
    """What a history holds."""

    location: str
    rows: int
    functions: int
    max_rows: int
    size_bytes: int
    oldest: float | None
    newest: float | None
    """Seconds since 1970."""
    schema: int = SCHEMA


@dataclass(frozen=True)
class Imported:
    """What came of an import."""

    added: int
    known: int
    """Observations that were there already."""
    rejected: int
    reasons: tuple[tuple[int, str], ...]
    """Line number, from 1, and what was wrong with it: the first MAX_REJECTED."""
    key_adopted: bool
    """Whether this history, empty before, now makes fingerprints as the other one does."""
