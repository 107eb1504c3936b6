"""One run: events in, pure policy, commands out."""

from __future__ import annotations

from amorsize.core.lazy import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize.engine.limiter import limited as limited

__getattr__ = lazy_names(__name__, {"limited": "amorsize.engine.limiter"})
