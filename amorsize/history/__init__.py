"""The store of observations: one contract, and what implements it.

::

    run --Observation--> History.add        one transaction, then the bound is kept
    History.recent(fingerprint)             the same function again, newest first
    History.table() --> features --> predictor

The names below are imported from their modules when they are first asked for.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
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
    from amorsize.history.location import default_path as default_path
    from amorsize.history.location import shown as shown
    from amorsize.history.resilient import SafeHistory as SafeHistory
    from amorsize.history.resilient import open_safely as open_safely
    from amorsize.history.summary import Imported as Imported
    from amorsize.history.summary import Stats as Stats

_MODULES = {
    "History": "base",
    "Table": "base",
    "HistoryChanged": "errors",
    "HistoryCorrupt": "errors",
    "HistoryError": "errors",
    "HistoryNewer": "errors",
    "HistoryRefused": "errors",
    "HistoryUnavailable": "errors",
    "open_history": "factory",
    "Location": "location",
    "default_path": "location",
    "shown": "location",
    "SafeHistory": "resilient",
    "open_safely": "resilient",
    "Imported": "summary",
    "Stats": "summary",
}
"""Each public name and the module of this package that defines it."""

__all__ = list(_MODULES)


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = globals()[name] = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    return value
