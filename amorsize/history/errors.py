"""What can be wrong with a history, and the warning of a run that goes on without one."""

from __future__ import annotations

from amorsize.errors import AmorsizeError, AmorsizeWarning

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class HistoryError(AmorsizeError):
    """Family of the errors of a history; the text says what to do."""


class HistoryUnavailable(HistoryError):
    """The history cannot be used now: locked for long, read-only, disk full, no such folder."""


class HistoryChanged(HistoryError):
    """Another process has removed rows that were to be replaced; nothing was changed."""


class HistoryCorrupt(HistoryError):
    """The file was damaged and has been set aside.

    ``aside`` is where it is now, None if it could not be moved."""

    def __init__(self, message: str, aside: str | None) -> None:
        super().__init__(message)
        self.aside = aside

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (str(self), self.aside)


class HistoryNewer(HistoryError):
    """A newer version of amorsize wrote the history."""


class HistoryRefused(HistoryError):
    """The history is not ours to use: another user's, writable by everybody, or no history."""


def warn_of(error: Exception) -> None:
    """The one warning that a run goes on without its history."""
    import warnings

    text = (
        str(error)
        if isinstance(error, (AmorsizeError, TypeError))
        else f"{type(error).__name__}: {error}"
    )
    warnings.warn(f"going on without a history: {text}", AmorsizeWarning, stacklevel=3)
