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
    "History": "amorsize.history.base",
    "Table": "amorsize.history.base",
    "HistoryChanged": "amorsize.history.errors",
    "HistoryCorrupt": "amorsize.history.errors",
    "HistoryError": "amorsize.history.errors",
    "HistoryNewer": "amorsize.history.errors",
    "HistoryRefused": "amorsize.history.errors",
    "HistoryUnavailable": "amorsize.history.errors",
    "open_history": "amorsize.history.factory",
    "Location": "amorsize.history.location",
    "default_path": "amorsize.core.places",
    "shown": "amorsize.history.location",
    "SafeHistory": "amorsize.history.resilient",
    "open_safely": "amorsize.history.resilient",
    "Imported": "amorsize.history.summary",
    "Stats": "amorsize.history.summary",
}
"""Each public name and the module that defines it."""

__all__ = list(_MODULES)

__getattr__ = lazy_names(__name__, _MODULES)
