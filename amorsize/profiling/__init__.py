"""What items cost, measured while the caller works.

The names below are imported when they are first asked for: only a plan runs items at spread positions.
"""

from __future__ import annotations

from amorsize.core.lazy import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize.profiling.spread import mean_and_spread as mean_and_spread

__getattr__ = lazy_names(__name__, {"amorsize.profiling.spread": ["mean_and_spread"]})
