"""A history that cannot harm a run: whatever is wrong with it costs one warning and the history."""

from __future__ import annotations

from amorsize.history.errors import warn_of
from amorsize.history.factory import open_history

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable
    from typing import TypeVar

    from amorsize.core.observation import Observation
    from amorsize.history.base import History, Table

    Answer = TypeVar("Answer")


def open_safely(
    location: str | os.PathLike[str] | History | None = "default",
) -> SafeHistory | None:
    """The history for a run: None, after one AmorsizeWarning, if it cannot be opened."""
    if location is None:
        return None
    try:
        return SafeHistory(open_history(location, for_run=True))
    except Exception as error:  # learning must never harm a run
        warn_of(error)
        return None


class SafeHistory:
    """A history whose first failure is one warning and its end; every call answers as if it were empty.

    Attributes: ``history`` (the one behind it), ``failed`` (whether it is out of use).
    """

    def __init__(self, history: History) -> None:
        self.history = history
        self.failed = False

    @property
    def key(self) -> bytes | None:
        """The secret under which fingerprints are made, None if the history is out of use."""
        return self._try(lambda: self.history.key, None)

    def add(self, observations: Iterable[Observation]) -> int:
        """Record runs; how many were new."""
        return self._try(lambda: self.history.add(observations), 0)

    def recent(self, fingerprint: str, limit: int = 32) -> list[Observation]:
        """The newest observations of a function."""
        return self._try(lambda: self.history.recent(fingerprint, limit), [])

    def table(self, limit: int | None = None) -> Table | None:
        """The newest rows, None if the history is out of use."""
        return self._try(lambda: self.history.table(limit), None)

    def note(self, name: str) -> str | None:
        """A text kept under a name, None if there is none."""
        return self._try(lambda: self.history.note(name), None)

    def set_note(self, name: str, text: str) -> None:
        """Keep a text under a name."""
        self._try(lambda: self.history.set_note(name, text), None)

    def arrivals(self) -> int:
        """A number that grows with each observation that comes; 0 if the history is out of use."""
        return self._try(self.history.arrivals, 0)

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
