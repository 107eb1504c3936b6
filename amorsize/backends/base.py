"""What every backend is: the contract between the engine and those that run items.

::

    engine --BackendSpec--> Backend.start
    engine --step(patience)--> Backend: takes chunks from the item source, places results in the collector
    engine <--BackendReport-- step: what the workers reached so far, as a value

One thread, the caller of the run, calls these methods; ``wake`` and ``ramp`` alone may be called from any
thread. ``amorsize.testing.backend_contract`` checks an implementation against this contract.
"""

from __future__ import annotations

from amorsize.core.frozen import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextvars import Context
    from typing import Any

    from amorsize.core.model import Config
    from amorsize.items.collector import ResultCollector
    from amorsize.items.source import ItemSource


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
    """Threads: how many to begin with where the rest is ramped up, None for all at once."""
    caller_computes: bool = False
    """Processes: whether the caller is one of the workers."""
    inner_threads: int = 1
    """Processes: threads that a numeric library may use inside of one item."""
    context: Context | None = None
    """Threads: the caller's context variables, of which each thread runs in a copy."""
    memory: Any = None
    """Processes: the memory budget of the workers, None where memory cannot be seen."""
    caller_state: Callable[[], Any] | None = None
    """Fresh interpreters: what they lack of the caller's modules, when one is started; an object with
    ``values``, ``by_value`` and ``replaced`` (see :mod:`amorsize.inspection.sent_state`)."""
    thread_data: Any = None
    """A single thread with a time limit, which stands for the caller: ``begin()`` in that thread lends it
    what the caller has in ``threading.local`` data, ``end()`` in the caller takes it back."""
    watch: Any = None
    """A single thread with a time limit: looks, in the caller's thread, around its first items.
    ``begin(items, position, thread)`` before one runs in that thread; ``end(values, seconds)`` after it
    tells whether another is to be watched; ``drop()`` where it took too long. None to look at nothing."""
    one_first: bool = False
    """Processes: whether one begins alone, until it has looked at what its first items changed; if they
    changed something, it stays alone."""
    travels: frozenset[type] | None = None
    """Processes: results that pickling changes, or that cannot be sent, are computed again in the caller,
    and what cannot be sent there stays in it; results of these classes are known to come back as they
    went. None: what cannot be sent is an error."""
    late_look: Callable[..., tuple[str, ...]] | None = None
    """Forked workers: names what changed of all that the function reaches since this spec was made, with
    True also of the process (see :mod:`amorsize.inspection.late`). None to look at nothing."""
    late_maker: Callable[[Any], Callable[..., tuple[str, ...]]] | None = None
    """Processes in which the first item of all may run: makes such a look at a function, in the worker,
    when its first item is done. Can be pickled; None to look at nothing."""


@dataclass(frozen=True)
class BackendReport:
    """What the workers of one backend reached since its start. Times in seconds."""

    done: int = 0
    """Results that the collector got since the start."""
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
    item_seconds: float = 0.0
    """Seconds that an item takes as seen by the workers; 0 where none has ended."""
    busy: Mapping[int, float] | None = None
    """Process id of a worker to the seconds that it computed or wanted a core. Only worker processes of a
    run with a time limit are asked; None where the system does not tell."""
    inside: frozenset[int] = frozenset()
    """The workers of ``busy`` that are inside an item."""
    ended: tuple[int, float, float] = (0, 0.0, 0.0)
    """Items that have ended after each worker's first chunk, their wall seconds, and those of them in
    which they computed or wanted a core. As ``busy``, of worker processes of a run with a time limit."""
    changed: tuple[str, ...] = ()
    """Names of what workers changed that outlives an item, where they were told to look."""
    watched: tuple[int, float, float] | None = None
    """Of a thread whose first items were watched, and which waits until it is known how the run goes on:
    how many, wall seconds of the last one, and those in which it computed. No items where one took too
    long; None where no worker waits."""
    alone: bool = False
    """Whether a single process is there for what its first items change, or may change."""
    worker_bytes: int = 0
    """Most memory that a worker process was seen to hold beyond what the caller gave it; 0 where nobody
    looked."""
    drained: bool = False
    """After ``drain``: every item that was taken has its result, or is back in the source."""


class Backend:
    """Runs the items of a source. ``start``, then ``step`` until all is done, then ``close``.

    The methods below ``close`` are abilities that only some backends have; elsewhere they do nothing."""

    waits = False
    """Whether the workers are there for items that wait: more of them than cores."""

    def start(self) -> None:
        """Set workers to work."""
        raise NotImplementedError

    def step(self, patience: float = 0.05) -> BackendReport:
        """Look after the workers, at most ``patience`` seconds; may compute items in the caller."""
        raise NotImplementedError

    def report(self) -> BackendReport:
        """What was reached so far; after ``close`` the last word."""
        raise NotImplementedError

    def wake(self) -> None:
        """Something new can be taken from the source; from any thread."""
        raise NotImplementedError

    def drain(self) -> None:
        """Take nothing more; the workers finish the items that they are in."""
        raise NotImplementedError

    def close(self, *, abort: bool = False, hurry: bool = False) -> None:
        """End the workers. ``abort``: at once; ``hurry``: a person waits for the prompt."""
        raise NotImplementedError

    # -- abilities that only some backends have ---------------------------------------------------

    def scale_to(self, workers: int) -> None:
        """Have at least so many workers now, and end a ramp (threads)."""

    def ramp(self, late_seconds: float) -> bool:
        """Start more workers if nothing computes (threads; from any thread). ``late_seconds``: by how
        much the caller of this woke too late. True while there are more to be started."""
        return False

    def set_probing(self, probing: bool) -> None:
        """Whether it is still open if these workers help: chunks stay short until then (threads)."""
