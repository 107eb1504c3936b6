"""What policies ask for: frozen commands, performed by the driver in their order.

In the phase LOCAL an empty list of commands means: run the next slice. Its size is the loop's own affair
(:mod:`amorsize.engine.local_loop`), because most slices are too short to be asked about.
"""

from __future__ import annotations

from amorsize.core.frozen import dataclass
from amorsize.core.model import Config
from amorsize.engine.events import LongItem


@dataclass(frozen=True)
class OpenWindow:
    """Measure shares of CPU time anew from now on."""


@dataclass(frozen=True)
class StartSampler:
    """Have the sampler's thread look at the caller, if it does not yet."""


@dataclass(frozen=True)
class StopSampler:
    """End the sampler's thread, if it runs."""


@dataclass(frozen=True)
class ReadAhead:
    """Have the sampler's thread read what judges a function, while the caller waits in its long item."""


@dataclass(frozen=True)
class InterruptSlice:
    """Make the caller's slice end after the item it is in; :class:`SliceInterrupted` follows."""

    item: LongItem
    """The event that asks for it."""


@dataclass(frozen=True)
class WatchItem:
    """Run one item in the caller between two looks at all that the function reaches."""


@dataclass(frozen=True)
class RunSpread:
    """Run items at spread positions in the caller; :class:`amorsize.engine.events.SpreadSeen` follows."""

    speedup: float
    """What the workers to come are expected to do in the time in which the caller does one item."""


@dataclass(frozen=True)
class Pause:
    """Measuring is over: it is clear how to go on."""


@dataclass(frozen=True)
class HandOver:
    """From ``position`` on, items come from the source and results go to the collector."""

    position: int
    in_order: bool = False
    """Whether items are to be taken strictly one after the other."""
    window: int = 0
    """Of a stream: most items ahead of the consumer."""
    keeps_items: bool = False
    """Whether items may be good only until the next is read, and none was seen in the caller."""
    copies: bool = False
    """Whether workers get copies of the items: they are other processes."""
    first: tuple[int, ...] = ()
    """Positions that are to be handed out before all others: long items, longest first."""


@dataclass(frozen=True)
class HandOutFreely:
    """Items need be taken no longer one after the other; ``first`` before all others."""

    first: tuple[int, ...] = ()


@dataclass(frozen=True)
class StartBackend:
    """Set workers to work; :class:`BackendStarted` comes just before."""

    config: Config
    item_seconds: float
    waits: bool = False
    first_workers: int | None = None
    """Threads to begin with where the others are ramped up."""
    caller_computes: bool = False
    watched: bool = False
    """A single thread: whether its first items run between two looks. Processes: whether one begins
    alone, until it has looked at what its first items changed."""


@dataclass(frozen=True)
class Scale:
    """Have at least so many workers."""

    workers: int


@dataclass(frozen=True)
class SetProbing:
    """Whether it is still open if the workers help."""

    probing: bool


@dataclass(frozen=True)
class Drain:
    """The backend takes nothing more; :class:`Drained` follows when it has ended."""

    wait: bool
    """Whether the caller waits for it (threads are joined); else it ends beside the next one."""


@dataclass(frozen=True)
class Stop:
    """End all workers: the run is over."""

    abort: bool
    hurry: bool


@dataclass(frozen=True)
class Raise:
    """The run cannot go on."""

    error: Exception


@dataclass(frozen=True)
class Emit:
    """Tell the observers (:mod:`amorsize.core.events`)."""

    event: object
