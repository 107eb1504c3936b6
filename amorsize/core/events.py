"""What a run tells its observers while it goes: frozen events, and the list of listeners.

::

    engine --tell--> Observers --> history (learning), log, trace, upkeep (each a callable of one event)
                         +-------> progress, lines of a trace: used by the engine as they are

The engine imports none of the listeners; :mod:`amorsize.api` makes the list for each call.
"""

from __future__ import annotations

from amorsize.core.frozen import dataclass
from amorsize.core.model import Forecast, Work

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol

    from amorsize.core.model import Machine, Profile, Run

    WorkShares = Callable[[int], float]

    class Progress(Protocol):
        """Shows how many items are done."""

        active: bool

        def update(self, done: int) -> None:
            """So many items are done."""

        def expect(self, seconds: float, shares: WorkShares | None = None) -> None:
            """The items that are left are said to take so many seconds from now on. ``shares``: what
            share of their work the next items make up, by their number; None where all are alike."""

        def beside(self, told: Callable[[], str]) -> None:
            """What is to be shown beside the number of items."""

        def close(self) -> None:
            """No more will come."""


@dataclass(frozen=True)
class Decided:
    """The run has chosen a configuration, another one than before."""

    at: float
    """Time of ``time.perf_counter``."""
    choice: Any
    """The :class:`amorsize.planning.values.Choice`."""


@dataclass(frozen=True)
class HandedOver:
    """Workers take what is left from ``position`` on."""

    at: float
    position: int


@dataclass(frozen=True)
class LongRun:
    """The run has lasted for so long that work beside it is worth its start. Told once."""

    at: float


@dataclass(frozen=True)
class Study:
    """What there is to learn from the last configuration of a run: the ``items`` that ran in it."""

    profile: Profile
    machine: Machine
    items: int
    wall_seconds: float
    cpu_seconds: float
    model_seconds: float
    """What the cost model alone says of them."""
    work: Work = Work()
    """What the items of the whole run took, summed where they ran."""
    forecast: Forecast = Forecast()
    """What the run had said of itself."""
    changed: bool = False
    """Whether workers changed what outlives an item: the function is to be watched again."""


@dataclass(frozen=True)
class RunEnded:
    """The run is over, however it ended."""

    run: Run
    began: float
    """Time of ``time.perf_counter``."""
    dropped_lines: int = 0
    """Lines that the trace had no room for."""
    work_seconds: float = 0.0
    """What the items would have taken in the caller, or the run took, the longer of the two."""
    study: Callable[[], Study | None] = lambda: None
    """Looks up what can be learned; None where that is nothing."""


class _NoProgress:
    active = False

    def update(self, done: int) -> None:
        """Nothing to show."""

    def expect(self, seconds: float, shares: WorkShares | None = None) -> None:
        """Nothing to show."""

    def beside(self, told: Callable[[], str]) -> None:
        """Nothing to show."""

    def close(self) -> None:
        """Nothing to close."""


NO_PROGRESS: Progress = _NoProgress()


class Observers:
    """The listeners of one run, in the order in which they are told."""

    __slots__ = ("_make_progress", "lines", "listeners")

    def __init__(
        self,
        listeners: tuple[Callable[[Any], None], ...] = (),
        lines: list[tuple[Any, ...]] | None = None,
        make_progress: Callable[[int | None], Progress] | None = None,
    ) -> None:
        self.listeners, self._make_progress = listeners, make_progress
        self.lines = lines
        """Where each chunk and slice is to be kept for a trace; None where no trace is drawn."""

    def progress(self, total: int | None) -> Progress:
        """The display for a run of so many items, None where their number is unknown."""
        return NO_PROGRESS if self._make_progress is None else self._make_progress(total)

    def tell(self, event: object) -> None:
        """Tell every listener."""
        for listener in self.listeners:
            listener(event)

    def counting_from(self, before: Callable[[], int], total: int | None) -> Observers:
        """The same for a run that goes on where ``before()`` of the ``total`` items are done: progress
        counts them, too."""

        def make(_: int | None) -> Progress:
            return _Ahead(self.progress(total), before)

        return Observers(self.listeners, self.lines, make)


class _Ahead:
    """Progress of a run of which some items were done before."""

    def __init__(self, inner: Progress, before: Callable[[], int]) -> None:
        self._inner, self._before, self.active = inner, before, inner.active

    def update(self, done: int) -> None:
        """So many items are done, beside those before."""
        self._inner.update(done + self._before())

    def expect(self, seconds: float, shares: WorkShares | None = None) -> None:
        """What is left is said to take so long."""
        self._inner.expect(seconds, shares)

    def beside(self, told: Callable[[], str]) -> None:
        """What is to be shown beside the number of items."""
        self._inner.beside(told)

    def close(self) -> None:
        """No more will come."""
        self._inner.close()


NO_OBSERVERS = Observers()
