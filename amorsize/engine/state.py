"""What policies read: what a run is (RunSpec), how far it has come (RunState), and facts of the world.

::

    LOCAL --StartBackend--> DELEGATED --Drain--> DRAINING --+
      |                        ^  |                         |
      |                        +--|-------------------------+
      +---------------------------+--> DONE | FAILED | ABANDONED

One line of the driver replaces the state; the rest of the engine reads a value that never changes.

A policy reads a fact as an attribute. A fact that was not looked up yet raises :class:`NeedFact`, which
:func:`amorsize.engine.policy.transition` returns; the driver has :mod:`amorsize.engine.lookups` find it,
each at most once an event, and asks again. So a policy pays only for what it reads, stays pure, and is
asked with equal facts in a test.
"""

from __future__ import annotations

from amorsize import learning
from amorsize.core.frozen import Generic, dataclass, replace
from amorsize.core.model import Config, Crowd
from amorsize.core.options import Options
from amorsize.engine.slices import FIRST_DECISION_SECONDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, TypeVar

    from amorsize.core.model import Machine, Profile, RemoteOption, Safety
    from amorsize.core.observation import Observation
    from amorsize.planning.cost_model import Costs, Preparation
    from amorsize.planning.values import Choice, Residual
    from amorsize.profiling.meter import Measured, Transfer

    Shares = tuple[float, float, float]
    V = TypeVar("V")
else:
    V = None  # what Generic is given at run time


class Phase:
    """Where a run is; plain texts, because ``enum`` costs 2 ms of ``import amorsize``."""

    LOCAL = "local"
    """The caller runs items; there is no backend."""
    DELEGATED = "delegated"
    """A backend runs items."""
    DRAINING = "draining"
    """A backend ends: alone, or beside the one that has taken over."""
    DONE = "done"
    FAILED = "failed"
    ABANDONED = "abandoned"


ENDED = frozenset((Phase.DONE, Phase.FAILED, Phase.ABANDONED))
PHASES = (Phase.LOCAL, Phase.DELEGATED, Phase.DRAINING, *sorted(ENDED))


@dataclass(frozen=True)
class RunSpec:
    """What a run is asked to do; the same from its first moment to its last."""

    func: Callable[[Any], Any]
    """The user's function."""
    worker_func: Callable[[Any], Any]
    """What workers call: the function, with its seed and its tries around it."""
    options: Options
    nested: bool = False
    """Whether the call comes from inside another run: it stays in the caller."""
    one_by_one: bool = False
    """Whether an item is good only until the next one is read, as groups of ``groupby`` are."""
    total: int | None = None
    """Number of items, None where the data do not know it."""
    indexed: bool = True
    """Whether a forked worker finds items by their positions, so that none is sent."""
    streaming: bool = False
    ordered: bool = True
    """Of a stream: whether results come in the order of the items."""
    buffersize: int | None = None
    """Of a stream: most items ahead of the consumer, None for as many as pay."""
    journaled: bool = False
    """Whether results go to a checkpoint, after each slice and as they arrive."""
    tried: Profile | None = None
    """What the first items took, where they ran as all others are to run before this run began."""
    judged: Safety | None = None
    """How the function was judged then."""
    told: frozenset[str] = frozenset()
    """What was warned of then."""
    tried_items: int = 0
    """How many these items were."""

    known_long: bool = False
    """Whether the history may know the function as one with long items."""

    @property
    def settled(self) -> bool:
        """Whether the user has decided: one backend, or a limit that keeps items out of the caller."""
        return self.options.forced is not None or self.options.supervised

    @property
    def reads_names(self) -> bool:
        """Whether the function's names are read before an item runs, which may tell that it computes."""
        return not self.unattended or (self.options.timeout is not None and self.indexed)

    @property
    def unattended(self) -> bool:
        """Whether there is nothing to decide while the caller works, and so nothing to look at."""
        return self.nested or self.total == 1 or self.settled


@dataclass(frozen=True)
class Decision:
    """One choice of a configuration, and when it was made."""

    choice: Choice
    origin: str
    """planned, known, ordered (by the user), watched, long-item, threads-failed or workers-wait"""
    at: float
    """Time of ``time.perf_counter``."""
    position: int
    """Items that were done."""

    @property
    def config(self) -> Config:
        """What was chosen."""
        return self.choice.config


@dataclass(frozen=True)
class Said:
    """What the run said of itself when it was first decided with a view to what is left."""

    at: float
    """Time of ``time.perf_counter``."""
    choice: Choice
    seen: Measured
    """What the meter said then."""
    crowd: Crowd = Crowd()
    """Who else wanted the cores then."""


@dataclass(frozen=True)
class Mark:
    """A moment of the run: times in seconds, ``position`` in items."""

    at: float = 0.0
    position: int = 0
    cpu_seconds: float = 0.0
    """CPU seconds of the process since its start."""


@dataclass(frozen=True)
class Review:
    """What threads had reached when they were judged last."""

    since: Mark
    consumed: float = 0.0
    """Seconds that the consumer of a stream had taken by then."""
    first: bool = True
    """Whether the first review is still to come."""
    doubted: bool = False
    """Whether the last review found too little, for the first time."""
    final: bool = False
    """Whether these threads are the best there is: they are not judged again."""


@dataclass(frozen=True)
class WaitWatch:
    """With a time limit: what the worker processes had computed at the last look."""

    at: float = 0.0
    busy: tuple[tuple[int, float], ...] = ()
    """Process id of each worker, and its busy seconds."""
    looks: int = 0
    """Looks one after the other that saw the workers wait."""


@dataclass(frozen=True)
class Contention:
    """Whether threads of other libraries keep the cores busy, as seen at the last look."""

    crowded: bool = False
    look_at: float = 0.0
    """Age of the run, in seconds, at which it is looked again."""


@dataclass(frozen=True)
class Workers:
    """The backend that runs items now."""

    config: Config
    waits: bool = False
    """Threads for items that wait, more of them than cores."""


@dataclass(frozen=True)
class EndedWorkers:
    """Sums over the backends that have ended; ``changed``: workers changed what outlives an item."""

    changed: bool = False
    deaths: int = 0
    cpu_seconds: float = 0.0
    """Of the last one: what its processes computed."""
    longest_seconds: float = 0.0
    """Of the last one: its longest item, where that was long enough to be seen."""
    worker_bytes: int = 0
    """Most memory that a worker held."""


@dataclass(frozen=True)
class RunState:
    """How far one run has come."""

    phase: str = Phase.LOCAL
    measuring: bool = False
    """Stop where the first backend would start (``optimize``)."""
    paused: bool = False
    """It has stopped there."""
    position: int = 0
    """Items that the caller ran by itself."""
    decisions: tuple[Decision, ...] = ()
    corrections: int = 0
    """How often one kind of workers gave way to another."""
    profile_when_serial: Profile | None = None
    """Profile when the run first chose to stay serial: one giant item is not to bias the history."""
    said: Said | None = None
    shares: Shares | None = None
    """Wall seconds, share computed, inner threads of the last window that a decision looked at."""
    seen: Shares | None = None
    """The same, with the first item where there was no other: what the history is told."""
    only_computes: bool = False
    """The function's names tell that it never waits and never lets go of the GIL."""
    threads_ruled_out: bool = False
    """Threads were tried and did not help."""
    forgone: float = 0.0
    """Seconds that workers would have saved, had what comes before them been done already."""
    inner_looked: bool = False
    """A fresh window was opened to see whether the function is parallel inside."""
    watched: bool = False
    """An item was watched, or is about to be: see :class:`amorsize.engine.commands.WatchItem`."""
    spread: bool = False
    """Items at spread positions ran, or are about to."""
    not_before: float = FIRST_DECISION_SECONDS
    """Age of the run, in seconds, before which it decides nothing."""
    long_run_at: float = float("inf")
    """Time at which the observers are told that the run is a long one."""
    contention: Contention = Contention()
    handed_over: Mark | None = None
    """When workers took over first."""
    since: Mark = Mark()
    """Since when the present configuration runs items."""
    consumed: float = 0.0
    """Seconds that the consumer of a stream has taken."""
    workers: Workers | None = None
    leaving: bool = False
    """Whether, in DRAINING, workers end beside those that have taken over."""
    held_up: bool = False
    """Whether threads were left that kept the cores busy for nothing: then the caller goes on alone."""
    review: Review | None = None
    watch: WaitWatch = WaitWatch()
    ended: EndedWorkers = EndedWorkers()

    @property
    def decision(self) -> Decision | None:
        """The choice that holds."""
        return self.decisions[-1] if self.decisions else None


INITIAL = RunState()
"""The state of a run that has not begun."""


def evolve(state: RunState, **changes: Any) -> RunState:
    """The state with other values for some fields."""
    return replace(state, **changes)


class NeedFact(Exception):
    """A policy cannot answer without this fact."""

    def __init__(self, name: str, argument: Any = None) -> None:
        super().__init__(name)
        self.name, self.argument = name, argument


class Fact(Generic[V]):
    """A fact under its name: NeedFact is raised where it is not known."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, facts: Facts, owner: type) -> V:
        return facts._get(self._name)  # type: ignore[no-any-return]


class Facts:
    """The facts known by now, by name."""

    def __init__(self, known: Mapping[str, Any] | None = None) -> None:
        self.known: Mapping[str, Any] = {} if known is None else known

    def has(self, name: str) -> bool:
        """Whether a fact was looked up."""
        return name in self.known

    def _get(self, name: str, argument: Any = None) -> Any:
        try:
            return self.known[name]
        except KeyError:
            raise NeedFact(name, argument) from None

    # -- the same all through a run ----------------------------------------------------------------

    cores: Fact[int] = Fact()
    """Cores that this process could use at the most, without asking for any quota."""
    machine: Fact[Machine] = Fact()
    """What this process may use of the machine."""
    safety: Fact[Safety] = Fact()
    """Why the function must not leave the caller."""
    fresh_refusal: Fact[str | None] = Fact()
    """Why a fresh interpreter would compute something else than this one."""
    can_judge: Fact[bool] = Fact()
    """Whether the modules that judge a function were read."""
    preparation: Fact[Preparation] = Fact()
    """What is to be done before a worker may start."""
    costs: Fact[Costs] = Fact()
    """What starting a worker costs."""
    transfer: Fact[Transfer] = Fact()
    """What carrying a result costs."""
    sending: Fact[Transfer] = Fact()
    """What carrying an item costs; looked up only where items would be sent."""

    @property
    def remote(self) -> RemoteOption | None:
        """The user's executor or cluster, once it was reached."""
        return self.known.get("remote")

    slots: Fact[int] = Fact()
    """Calls that the user's executor or cluster takes at the same time."""

    def recall(self, seconds_ahead: float) -> tuple[Observation, ...]:
        """The function's own earlier runs, newest first; asked for once."""
        return self._get("runs", seconds_ahead)  # type: ignore[no-any-return]

    @property
    def runs(self) -> tuple[Observation, ...]:
        """The same, none where they were not asked for."""
        return self.known.get("runs", ())  # type: ignore[no-any-return]

    @property
    def measured_runs(self) -> tuple[Observation, ...]:
        """Those of them that tell what items cost."""
        runs = self.runs
        return learning.measured(runs) if runs else ()

    holds_the_same: Fact[bool] = Fact()
    """Whether the function's objects hold what they held when the last run of it ended."""
    sizes: Fact[tuple[tuple[int, float], ...]] = Fact()
    """Positions and sizes of items; none where they cannot be seen."""

    def long_items(self, position: int, workers: int) -> tuple[int, ...]:
        """Items from this position on that are to be begun first, by what is known of their sizes."""
        return self._get("long_items", (position, workers))  # type: ignore[no-any-return]

    @property
    def size_ratio(self) -> float:
        """Logarithm of how much larger the items left are than those seen; 0 where nobody looked."""
        return self.known.get("size_ratio", 0.0)  # type: ignore[no-any-return]

    @property
    def recall_seconds(self) -> float:
        """How long asking for them took."""
        return self.known.get("recall_seconds", 0.0)  # type: ignore[no-any-return]

    # -- as it is now: looked up anew for each event -------------------------------------------------

    measured: Fact[Measured] = Fact()
    """What the meter says."""

    def open_window(self) -> None:
        """Measure shares of CPU time anew: ``measured`` is that of an empty window from here on."""
        self._get("window_opened")

    overall: Fact[tuple[float, float, float]] = Fact()
    """Shares of CPU time since the run began: the first item counts."""
    crowd: Fact[Crowd] = Fact()
    """Who else wants the cores."""
    order_is_free: Fact[bool] = Fact()
    """Whether items may run out of their order: one was watched, and changed and wrote nothing."""
    left: Fact[int | None] = Fact()
    """Items that no worker has taken; None where nothing tells."""

    def foreign_threads(self, most: int) -> int:
        """Threads of other libraries that keep a core busy, counted up to ``most``."""
        return self._get("foreign_threads", most)  # type: ignore[no-any-return]

    def is_remote_worth(self, serial_seconds: float) -> bool:
        """Whether so much work could gain from the user's executor or cluster; reaches it then."""
        return self._get("is_remote_worth", serial_seconds)  # type: ignore[no-any-return]

    def residual(self, profile: Profile, left: int) -> Residual | None:
        """What experience says of each configuration."""
        return self._get("residual", (profile, left))  # type: ignore[no-any-return]

    fork_refusal: Fact[str | None] = Fact()
    """Why the process must not be forked now. The look ends the sampler's thread: a fork needs
    this process to have one thread."""
    computed_meanwhile: Fact[float] = Fact()
    """Share of the time that looking up the costs took, beside the caller, in which the caller
    computed."""
