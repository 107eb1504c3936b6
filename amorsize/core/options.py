"""What the user asked for, checked, in the form that a run reads; and what of it limits a plan."""

from __future__ import annotations

from amorsize.core.backends import LOCAL
from amorsize.core.frozen import dataclass
from amorsize.core.model import Config

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Residual = Callable[[Config], tuple[float, float, float] | None]


@dataclass(frozen=True)
class Limits:
    """What the user allows."""

    max_jobs: int | None = None
    """Most workers, None when the choice is free."""
    backends: frozenset[str] = LOCAL
    """Names out of ``TRAITS``."""
    chunksize: int | None = None
    """Items of a chunk, None where chunks are sized by time."""
    serial_only: str | None = None
    """Why the run must stay in the caller (a nested call), None when it need not."""


@dataclass(frozen=True)
class Options:
    """What the user asked for, in the form the run loop reads."""

    max_jobs: int | None = None
    """Most workers, None for free choice."""
    backends: frozenset[str] = LOCAL
    forced: str | None = None
    """Name of the one backend that the user named, None for free choice."""
    target: Any = None
    """The executor or cluster that the user gave."""
    chunksize: int | None = None
    on_error: str = "raise"
    progress: Any = False
    initializer: Callable[..., object] | None = None
    initargs: tuple[Any, ...] = ()
    history: Any = "default"
    """"default", a path or URL, a History, or None."""
    checkpoint: str | None = None
    """Path of the journal of finished items."""
    checkpoint_format: str = "pickle"
    key: Callable[[Any], Any] | None = None
    """Tells items of a checkpoint apart, None for their content."""
    retry_failed: bool = False
    """Whether a run with a checkpoint runs what failed before, and nothing else."""
    timeout: float | None = None
    """Seconds that an item may take."""
    memory_limit: int | None = None
    """Bytes that all workers may hold together."""
    rerun_after_death: bool = True
    """Whether an item in which a worker died runs once more."""
    retries: int = 0
    """Further tries of an item that fails."""
    rate: Any = None
    """Budget of calls (:class:`amorsize.planning.rate.Rate`), None for none."""
    max_errors: int | None = None
    """So many items that fail for good end the run, None for any number."""
    retry_on: tuple[type[BaseException], ...] = (Exception,)
    seed: int | tuple[int, ...] | None = None
    """Of the items' own random generators."""
    effects: str = "watch"
    """"watch": the function's effects decide where it may run; "ignore": only what it holds does."""
    trace: Any = None
    """Where the run is drawn (see Tuner)."""
    explore: float = 0.02
    """Share of the time that trying what a known function never ran in may cost (see Settings)."""
    explore_seed: int | None = None
    """Of the lots that decide when."""
    names: bool = True
    """Whether a history that only its owner can read keeps the function's name (see Settings)."""
    pruning: str | None = "auto"
    """Strategy of the history's upkeep beside long runs, None for none."""

    @property
    def is_plain(self) -> bool:
        """Nothing asks to be done with the first items but to run them."""
        return (
            self.forced is None
            and self.on_error == "raise"
            and not self.supervised
            and self.checkpoint is None
            and not self.limits_calls
            and self.trace is None
            and not self.progress
        )

    @property
    def limits_calls(self) -> bool:
        """Whether single calls are asked for, counted, tried again or numbered."""
        return (
            self.seed is not None
            or self.retries > 0
            or self.rate is not None
            or self.max_errors is not None
        )

    @property
    def supervised(self) -> bool:
        """Whether nothing may run in the caller: an item there can be neither stopped nor limited."""
        return self.timeout is not None or self.memory_limit is not None

    def limits(self, nested: bool) -> Limits:
        """What planning needs to know."""
        return Limits(
            max_jobs=self.max_jobs,
            backends=self.backends,
            chunksize=self.chunksize,
            serial_only="it is called from inside another run" if nested else None,
        )


_HELD = "is about what a checkpoint holds, and there is none"

NEEDS = {
    "key": ("checkpoint", _HELD, "add checkpoint=PATH"),
    "retry_failed": ("checkpoint", _HELD, "add checkpoint=PATH"),
    "checkpoint_format": ("checkpoint", _HELD, "add checkpoint=PATH"),
    "initargs": ("initializer", "is for an initializer, and there is none", "add initializer="),
    "retry_on": ("retries", "says which errors are tried again, and none is", "add retries=3"),
}
"""Options that say nothing without another one: that one, the rule and the way out."""
