"""What a run needs of a history only where there is something to read, to write, or to complain of.

The names are imported from their modules when they are first asked for.
"""

from __future__ import annotations

from amorsize.core.lazy import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize.history.errors import HistoryRefused as HistoryRefused
    from amorsize.history.errors import HistoryUnavailable as HistoryUnavailable
    from amorsize.history.errors import warn_of as warn_of
    from amorsize.history.frames import frame_of as frame_of
    from amorsize.history.frames import observations_in as observations_in

__getattr__ = lazy_names(
    __name__,
    {
        "HistoryRefused": "amorsize.history.errors",
        "HistoryUnavailable": "amorsize.history.errors",
        "warn_of": "amorsize.history.errors",
        "frame_of": "amorsize.history.frames",
        "observations_in": "amorsize.history.frames",
    },
)
