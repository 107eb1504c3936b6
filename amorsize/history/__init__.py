"""The store of observations: one contract, and what implements it.

::

    run --Observation--> History.add        one transaction, then the bound is kept
    History.recent(fingerprint)             the same function again, newest first
    History.table() --> features --> predictor

The names below are imported from their modules when they are first asked for.
"""

from __future__ import annotations

from amorsize.core.lazy import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize.core.places import default_path as default_path
    from amorsize.history.base import History as History
    from amorsize.history.base import Table as Table
    from amorsize.history.errors import HistoryChanged as HistoryChanged
    from amorsize.history.errors import HistoryCorrupt as HistoryCorrupt
    from amorsize.history.errors import HistoryError as HistoryError
    from amorsize.history.errors import HistoryNewer as HistoryNewer
    from amorsize.history.errors import HistoryRefused as HistoryRefused
    from amorsize.history.errors import HistoryUnavailable as HistoryUnavailable
    from amorsize.history.factory import open_history as open_history
    from amorsize.history.location import Location as Location
    from amorsize.history.location import shown as shown
    from amorsize.history.resilient import SafeHistory as SafeHistory
    from amorsize.history.resilient import open_safely as open_safely
    from amorsize.history.summary import Imported as Imported
    from amorsize.history.summary import Stats as Stats

_MODULES = {
    "amorsize.core.places": ["default_path"],
    "amorsize.history.base": ["History", "Table"],
    "amorsize.history.errors": [
        "HistoryChanged",
        "HistoryCorrupt",
        "HistoryError",
        "HistoryNewer",
        "HistoryRefused",
        "HistoryUnavailable",
    ],
    "amorsize.history.factory": ["open_history"],
    "amorsize.history.location": ["Location", "shown"],
    "amorsize.history.resilient": ["SafeHistory", "open_safely"],
    "amorsize.history.summary": ["Imported", "Stats"],
}
"""The public names that each module defines."""

__all__ = [name for names in _MODULES.values() for name in names]

__getattr__ = lazy_names(__name__, _MODULES)
