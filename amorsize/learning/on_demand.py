"""What the learner needs only where there is an earlier run, or one to record.

The names are imported from their modules when they are first asked for.
"""

from __future__ import annotations

from amorsize.core.lazy import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize.learning.forecasts import score_of as score_of
    from amorsize.learning.recorder import has_long_items as has_long_items
    from amorsize.learning.recorder import name_of as name_of
    from amorsize.learning.recorder import observe as observe
    from amorsize.learning.residuals import known_residual as known_residual

__getattr__ = lazy_names(
    __name__,
    {
        "has_long_items": "amorsize.learning.recorder",
        "known_residual": "amorsize.learning.residuals",
        "name_of": "amorsize.learning.recorder",
        "observe": "amorsize.learning.recorder",
        "score_of": "amorsize.learning.forecasts",
    },
)
