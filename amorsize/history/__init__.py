"""The store of observations: one contract, and what implements it.

::

    run --Observation--> History.add        one transaction, then the bound is kept
    History.recent(fingerprint)             the same function again, newest first
    History.table() --> features --> predictor

``open_history`` opens what a location names and raises; ``open_safely`` is for runs: whatever is
wrong with a history costs one warning and the history, never the run.
"""

from __future__ import annotations

import os
import sys

from amorsize.errors import AmorsizeError, AmorsizeWarning

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, TypeVar

    from amorsize.core.observation import Observation
    from amorsize.history.base import History, Table

    Answer = TypeVar("Answer")

__all__ = [
    "History",
    "HistoryChanged",
    "HistoryCorrupt",
    "HistoryError",
    "HistoryNewer",
    "HistoryRefused",
    "HistoryUnavailable",
    "Location",
    "SafeHistory",
    "default_path",
    "open_history",
    "open_safely",
    "shown",
]

SHARED = ("postgresql", "postgres")
"""Schemes of the URLs of a PostgreSQL server."""


class HistoryError(AmorsizeError):
    """Family of the errors of a history; the text says what to do."""


class HistoryUnavailable(HistoryError):
    """The history cannot be used now: locked for long, read-only, disk full, no such folder."""


class HistoryChanged(HistoryError):
    """Somebody else has removed rows that were to be replaced; nothing was changed."""


class HistoryCorrupt(HistoryError):
    """The file was damaged and has been set aside.

    ``aside`` is where it is now, None if it could not be moved."""

    def __init__(self, message: str, aside: str | None) -> None:
        super().__init__(message)
        self.aside = aside

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (str(self), self.aside)


class HistoryNewer(HistoryError):
    """A newer version of amorsize wrote it."""


class HistoryRefused(HistoryError):
    """It is not ours to use: another user's, writable by everybody, or of another program."""


def default_path() -> str:
    """File of the default history in the user's state folder, by the rules of platformdirs."""
    home = os.path.expanduser("~")
    if sys.platform == "win32":
        folder = os.environ.get("LOCALAPPDATA") or os.path.join(home, "AppData", "Local")
    elif sys.platform == "darwin":
        folder = os.path.join(home, "Library", "Application Support")
    else:
        folder = os.environ.get("XDG_STATE_HOME", "")
        if not os.path.isabs(folder):
            folder = os.path.join(home, ".local", "state")
    return os.path.join(folder, "amorsize", "history.sqlite")


class Location(str):
    """A URL that shows no password when it is printed as part of something else."""

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(shown(self))


def shown(location: str) -> str:
    """A location as it may be printed: of a URL the kind, the host and the database, nothing secret."""
    scheme, separator, rest = location.partition("://")
    if not separator or scheme == "sqlite":
        return location
    before, _, place = rest.rpartition("@")
    if "?" in before:  # a sign of the parameters, or of a password: who knows
        return f"{scheme}://..."
    return f"{scheme}://{place.partition('?')[0]}"


def open_history(
    location: str | os.PathLike[str] | History = "default", *, for_run: bool = False
) -> History:
    """Open the history that a location names, making it if it does not exist.

    Parameters
    ----------
    location : "default", a path, "sqlite:///path", "postgresql://user@host/database", ":memory:", or a
        History (returned as it is)
    for_run : a run is waiting: give a server that others share 0.1 s for each call, not 30 s

    Raises
    ------
    HistoryError
        If it cannot be used; which of its kinds says why.
    """
    if not isinstance(location, (str, os.PathLike)):
        from amorsize.history.base import History

        if isinstance(location, History):
            return location
        raise TypeError(
            f"history={location!r} must be a path, a URL or a History; None is for none"
        )
    text = os.fspath(location)
    if text == ":memory:":
        from amorsize.history.memory import MemoryHistory

        return MemoryHistory()
    scheme, separator, rest = text.partition("://")
    if separator and scheme in SHARED:
        return _open_shared(text, for_run)
    if separator and scheme != "sqlite":
        raise HistoryRefused(
            f"history={shown(text)!r}: no history of kind {scheme!r}; use a path, sqlite:///path or "
            "postgresql://user@host/database"
        )
    if separator:
        text = rest.removeprefix("/") or rest
    if text == "default":
        text = default_path()
    if not text:
        raise HistoryRefused("history='': a path or a URL is needed; None is for none")
    from amorsize.history.sqlite import SqliteHistory

    history = SqliteHistory(text)
    history.open()
    return history


def _open_shared(url: str, for_run: bool) -> History:
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


def open_safely(
    location: str | os.PathLike[str] | History | None = "default",
) -> SafeHistory | None:
    """The history for a run: None, after one AmorsizeWarning, if there is none to be had."""
    if location is None:
        return None
    try:
        return SafeHistory(open_history(location, for_run=True))
    except Exception as error:  # learning must never harm a run
        warn_of(error)
        return None


class SafeHistory:
    """A history that a run can use without care: its first failure is one warning and its end.

    Attributes: ``history`` (the one behind it), ``failed`` (whether it is out of use).
    """

    def __init__(self, history: History) -> None:
        self.history = history
        self.failed = False

    def add(self, observations: Iterable[Observation]) -> int:
        """Record runs; how many were new."""
        return self._try(lambda: self.history.add(observations), 0)

    def recent(self, fingerprint: str, limit: int = 32) -> list[Observation]:
        """The newest observations of a function, none if there is no history."""
        return self._try(lambda: self.history.recent(fingerprint, limit), [])

    def table(self, limit: int | None = None) -> Table | None:
        """The newest rows, None if there is no history."""
        return self._try(lambda: self.history.table(limit), None)

    def parameters(self) -> dict[str, dict[str, object]]:
        """What was tuned for the predictor, empty if nothing was."""
        return self._try(self.history.parameters, {})

    def fingerprint(self, function: Callable[..., Any]) -> str | None:
        """The function's fingerprint under the key of this history, None if there is no history."""
        return self._try(lambda: self.history.fingerprint(function), None)

    def close(self) -> None:
        """Let go of files; the next use opens them again."""
        self._try(self.history.close, None)

    def _try(self, act: Callable[[], Answer], otherwise: Answer) -> Answer:
        if self.failed:
            return otherwise
        try:
            return act()
        except Exception as error:  # learning must never harm a run
            self.failed = True
            warn_of(error)
            return otherwise


def warn_of(error: Exception) -> None:
    """The one warning that a run goes on without its history."""
    import warnings

    text = (
        str(error)
        if isinstance(error, (AmorsizeError, TypeError))
        else f"{type(error).__name__}: {error}"
    )
    warnings.warn(f"going on without a history: {text}", AmorsizeWarning, stacklevel=3)


def __getattr__(name: str) -> Any:
    if name in ("History", "Table"):
        from amorsize.history import base as contract

        return getattr(contract, name)
    if name in ("Stats", "Imported"):
        from amorsize.history import summary as reports

        return getattr(reports, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
