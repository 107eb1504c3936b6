"""What every backend is: the contract between the engine and those that run items.

::

    engine --BackendSpec--> Backend.start
    engine --step(patience)--> Backend: takes chunks from the item source, places results in the collector
    engine <--BackendReport-- step: what the workers reached so far, as a value

One thread, the caller of the run, calls these methods; ``wake`` alone may be called from any thread.
"""

from __future__ import annotations

from amorsize.core.frozen import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, Protocol

    from amorsize.core.model import Config
    from amorsize.items.collector import ResultCollector
    from amorsize.items.source import ItemSource
else:
    Protocol = object


@dataclass(frozen=True)
class BackendSpec:
    """Everything that a backend is told when it is made."""

    func: Callable[[Any], Any]
    source: ItemSource
    """Where items are taken from."""
    collector: ResultCollector
    """Where results and failures go."""
    config: Config
    item_seconds: float = 0.0
    """Seconds that an item is expected to take in the caller; 0 where nothing was seen."""
    most_workers: int | None = None
    """Most workers that the user allows, None for free choice."""
    initializer: Callable[..., object] | None = None
    """Called with ``initargs`` once in each worker before its first item."""
    initargs: tuple[Any, ...] = ()
    timeout_seconds: float | None = None
    """Seconds that an item may take from its start, None for no limit."""
    rerun_after_death: bool = True
    """Whether an item in which a worker died runs once more."""
    waits: bool = False
    """Threads: whether items wait, so that more threads than cores pay."""
    first_workers: int | None = None
    """Threads: how many to begin with where the others are ramped up, None for all at once."""
    caller_computes: bool = False
    """Processes: whether the caller is one of the workers."""
    inner_threads: int = 1
    """Processes: threads that a numeric library may use inside of one item."""
    memory: Any = None
    """Processes: the memory budget of the workers, None where memory cannot be seen."""


@dataclass(frozen=True)
class BackendReport:
    """What the workers of one backend reached since its start. Times in seconds."""

    done: int = 0
    """Items whose results are there."""
    workers: int = 0
    """Workers that are alive."""
    stalled: bool = False
    """Whether growth was held up because items compute."""
    deaths: int = 0
    """Workers that died."""
    longest_seconds: float = 0.0
    """The longest item, where one was long enough to be seen; else 0."""
    cpu_seconds: float = 0.0
    """What workers that have ended computed; 0 where the system does not tell."""
    busy: Mapping[int, float] | None = None
    """Worker to the seconds that it computed or wanted a core, for workers inside an item."""


class Backend(Protocol):
    """Runs the items of a source. ``start``, then ``step`` until all is done, then ``close``."""

    def start(self) -> None:
        """Set workers to work."""

    def step(self, patience: float = 0.05) -> BackendReport:
        """Look after the workers, at most ``patience`` seconds; may compute items in the caller."""
        raise NotImplementedError

    def wake(self) -> None:
        """Something new can be taken from the source; from any thread."""

    def drain(self) -> None:
        """Take nothing more; the workers finish the items that they are in."""

    def close(self, *, abort: bool = False, hurry: bool = False) -> None:
        """End the workers. ``abort``: at once; ``hurry``: a person waits for the prompt."""
