"""The one place that decides; pure."""

from __future__ import annotations

from amorsize.core.lazy import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize.planning.admission import Admission as Admission
    from amorsize.planning.rate import Start as Start
    from amorsize.planning.rate import rate_of as rate_of

__getattr__ = lazy_names(
    __name__,
    {
        "amorsize.planning.admission": ["Admission"],
        "amorsize.planning.rate": ["Start", "rate_of"],
    },
)
