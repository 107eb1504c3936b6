"""What the user allows: the limits within which a run is planned."""

from __future__ import annotations

from amorsize.core.backends import LOCAL
from amorsize.core.frozen import dataclass
from amorsize.core.model import Config

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Residual = Callable[[Config], tuple[float, float, float] | None]


@dataclass(frozen=True)
class Limits:
    """What the user allows."""

    max_jobs: int | None = None
    """Most workers, None when the choice is free."""
    backends: frozenset[str] = LOCAL
    """Names out of ``TRAITS``."""
    chunksize: int | None = None
    serial_only: str | None = None
    """Why the run must stay in the caller (a nested call), None when it need not."""
