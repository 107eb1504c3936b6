"""Open the history that a location names; only what it needs is imported."""

from __future__ import annotations

import os

from amorsize.core.places import MEMORY, default_path, is_on_server, sqlite_path
from amorsize.history.base import History
from amorsize.history.errors import HistoryRefused, HistoryUnavailable
from amorsize.history.location import shown
from amorsize.history.memory import MemoryHistory


def open_history(
    location: str | os.PathLike[str] | History = "default", *, for_run: bool = False
) -> History:
    """Open the history that a location names, making it if it does not exist.

    Parameters
    ----------
    location : "default", a path, "sqlite:///path", "postgresql://user@host/database", ":memory:", or a
        History (returned as it is)
    for_run : a run is waiting: give a shared server 0.1 s for each call, not 30 s

    Raises
    ------
    HistoryError
        If it cannot be used; which of its kinds says why.
    """
    if isinstance(location, History):
        return location
    if not isinstance(location, (str, os.PathLike)):
        raise TypeError(
            f"history={location!r} must be a path, a URL or a History; None is for none"
        )
    text = os.fspath(location)
    if text == MEMORY:
        return MemoryHistory()
    if is_on_server(text):
        return _open_on_server(text, for_run)
    path = sqlite_path(text)
    if path is None:
        raise HistoryRefused(
            f"history={shown(text)!r}: no history of kind {text.partition('://')[0]!r}; use a path, "
            "sqlite:///path or postgresql://user@host/database"
        )
    if not path:
        raise HistoryRefused("history='': a path or a URL is needed; None is for none")
    from amorsize.history.sqlite import SqliteHistory

    history = SqliteHistory(default_path() if path == "default" else path)
    history.open()
    return history


def _open_on_server(url: str, for_run: bool) -> History:
    from time import perf_counter

    start = perf_counter()
    try:
        import psycopg
    except ImportError as error:
        raise HistoryUnavailable(
            f"{shown(url)} needs psycopg 3 ({error}): pip install 'amorsize[postgres]'"
        ) from None
    if int(psycopg.__version__.partition(".")[0]) < 3:
        raise HistoryUnavailable(f"{shown(url)} needs psycopg 3, this is {psycopg.__version__}")
    from amorsize.history.postgresql import PostgresHistory

    history = PostgresHistory(url, for_run=for_run)
    history.open(perf_counter() - start)
    return history
