"""What happens to a run: frozen events, from the caller's loop, the sampler's thread and the backends.

No event asks for anything: :mod:`amorsize.engine.policy` says what follows from each. Times are those of
``time.perf_counter`` in seconds, taken by the sender, so that policies need no clock.
"""

from __future__ import annotations

from amorsize.backends.base import BackendReport
from amorsize.core.frozen import dataclass


@dataclass(frozen=True)
class Begun:
    """The run begins, or goes on after it was measured."""

    now: float
    cpu_seconds: float
    """CPU seconds of the process since its start."""
    done: int = 0
    item_seconds: float = 0.0
    measuring: bool = False
    only_computes: bool = False


@dataclass(frozen=True)
class SliceEnded:
    """The caller has run a slice of items, and nothing runs now."""

    now: float
    done: int
    """Items done since the start of the run."""
    seconds: float
    """Length of the slice."""
    elapsed: float
    """Age of the run; of a stream, the seconds that went into items."""
    item_seconds: float
    """What an item is expected to take."""
    items: int
    """Items measured."""
    first: bool = False
    """Whether the slice was the very first item."""
    sampling: bool = False
    """Whether the sampler's thread runs."""
    watched: bool = False
    """Whether it was one item between two looks at what the function reaches."""
    imported: bool = False
    """Whether modules were imported meanwhile: what the slice took says little of the items that
    follow."""


@dataclass(frozen=True)
class SpreadSeen:
    """The caller has run items at spread positions."""

    now: float
    elapsed: float
    """Age of the run."""
    done: int
    """Items done before the first position that is left."""
    apart: int
    """Items done beyond it."""


@dataclass(frozen=True)
class LongItem:
    """The sampler's thread sees the caller in one long item."""

    now: float
    position: int
    """First item that the caller has not taken."""
    cpu_share: float
    """Share of the sample that the caller's thread computed."""
    seconds: float
    """Since the slice began."""
    item_seconds: float
    computed_share: float
    """Share of the run, up to now, that the caller computed."""
    gil_free_share: float | None = None


@dataclass(frozen=True)
class SliceInterrupted:
    """The caller's slice ends after the item it is in; asked for because of ``item``."""

    now: float
    item: LongItem
    position: int
    """First item that the caller will not run."""
    seconds: float
    """Since the slice began."""


@dataclass(frozen=True)
class CallerFreed:
    """The caller's own items are done while a backend is at work."""

    now: float
    done: int
    """Items that the caller has run."""


@dataclass(frozen=True)
class BackendStarted:
    """A backend is about to run its first item."""

    now: float
    cpu_seconds: float
    position: int
    """Items done so far: those from here on run in the new configuration."""
    consumed: float = 0.0


@dataclass(frozen=True)
class Reported:
    """A backend was looked after."""

    now: float
    cpu_seconds: float
    report: BackendReport
    done: int
    """Items done since the start of the run."""
    item_seconds: float
    """What an item took in the caller."""
    items: int
    """Items measured in the caller."""
    consumed: float = 0.0
    """Seconds that the consumer of a stream has taken so far."""


@dataclass(frozen=True)
class Drained:
    """A backend that was to end has ended."""

    now: float
    report: BackendReport
    done: int
    item_seconds: float
    failed: bool = False
    """Whether the run has failed meanwhile."""


@dataclass(frozen=True)
class Closed:
    """The run is over."""

    now: float
    outcome: str
    """done, failed or abandoned: the phase that follows"""
    done: int
    hurry: bool = False
    """Whether a person waits for the prompt."""
