"""What a plan is made from, and what comes out of it: one frozen value each."""

from __future__ import annotations

from amorsize.core.frozen import dataclass
from amorsize.core.model import Config, Machine, Prediction, Profile, RemoteOption, Safety

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from amorsize.core.options import Limits
    from amorsize.planning.cost_model import Costs

    Residual = Callable[[Config], tuple[float, float, float] | None]


ROOM_SHARE = 0.9
"""What workers may have of the memory that is free where no limit is given."""


@dataclass(frozen=True)
class PlanningInput:
    """Everything that a choice depends on: equal inputs give equal choices."""

    profile: Profile
    machine: Machine
    left: int
    """Items that are not done yet."""
    limits: Limits
    safety: Safety
    costs: Costs
    fork_refused: str | None = None
    """Why the process must not fork now; None where it may."""
    spawn_refused: str | None = None
    """Why a fresh interpreter would compute something else; None where nothing tells so."""
    indexed: bool = True
    """Whether a forked worker finds the items by their positions, so that none is sent."""
    residual: Residual | None = None
    """Gives, for a configuration, the logarithm of real over modelled seconds, its spread, and the number
    of runs behind it, as far as experience goes."""
    hearsay: Residual | None = None
    """The same by runs of other functions, where this one has none: it corrects what is said of the
    configurations and chooses none (benchmarks/learning/evaluate.py judge: errors of workloads left out
    are 22 % smaller, the choice is no better: mean regret 1.131, by the model alone 1.127)."""
    remote: RemoteOption | None = None
    """An executor or a cluster that may be chosen."""
    worker_bytes: int = 0
    """Memory that a worker process held in earlier runs; 0 where that is not known."""
    spent_seconds: float | None = None
    """Seconds that the caller has worked alone, for :func:`amorsize.planning.policy.is_due`. None: a
    prediction from experience is acted on at once."""
    left_known: bool = True
    """Whether ``left`` is known, and no guess."""


@dataclass(frozen=True)
class Choice:
    """What was chosen, out of what, and why."""

    prediction: Prediction
    candidates: tuple[Prediction, ...]
    reasons: tuple[str, ...] = ()
    caller_computes: bool = False
    serial_seconds: float = 0.0
    item_doubt: float = 0.0
    """Spread of log seconds that comes from not knowing what the items left will cost."""

    @property
    def config(self) -> Config:
        return self.prediction.config
