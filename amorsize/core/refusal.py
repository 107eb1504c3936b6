"""What a server has told by refusing a call."""

from __future__ import annotations

from amorsize.core.frozen import dataclass


@dataclass(frozen=True)
class Refusal:
    """A server has said no."""

    status: int
    """HTTP status, or the one that is meant: 429 for a throttling code, 503 for a refused connection."""
    after_seconds: float | None = None
    """How long it asks to wait, more than 0; None where it does not say."""
    unreached: bool = False
    """The connection was refused: nothing may be there at all."""
