"""Where the tasks of a ``Parallel`` call run: joblib's view of a call made a question to ``planning``.

::

    Call, options of Parallel --Situation--> PlanningInput --choose--> "threads", "processes", None

The costs are those of joblib's own workers: while a worker process boots the caller goes on, so that its
boot shortens what is left for it and costs the caller only the start. Pure.
"""

from __future__ import annotations

from amorsize.core.frozen import dataclass
from amorsize.core.model import Machine, Profile, Safety
from amorsize.core.options import Limits
from amorsize.planning.choose import choose
from amorsize.planning.cost_model import WAITING_CPU_SHARE, Costs
from amorsize.planning.values import PlanningInput

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

WARM_SECONDS = 0.003
"""Seconds that handing over to warm worker processes costs the caller."""
COLD_SECONDS = 0.02
"""Seconds that starting a worker process costs the caller, which goes on working meanwhile."""
BOOT_SECONDS, IMPORTED_BOOT_SECONDS = 0.2, 0.7
"""Seconds until a worker process is at work: by itself, and where it has NumPy and more to import."""
THREAD_SECONDS = 0.0005
"""Seconds that starting a thread costs, joblib's own bookkeeping included."""
LEAST_ITEM_SECONDS = 2e-5
"""Shorter tasks are not worth sending: pickling one, in and out, costs 5 us and joblib's part 10."""


def _nothing() -> str | None:
    """Nothing speaks against threads."""
    return None


@dataclass(frozen=True)
class Situation:
    """What is known of a call when it is decided."""

    items: int
    """Tasks that the caller has run."""
    left: int
    """Tasks that are not done."""
    item_seconds: float
    cpu_share: float
    """Share of its time for which a task computes."""
    n_jobs: int
    warm: bool
    """Whether worker processes are there already."""
    heavy: bool
    """Whether a new worker process has NumPy to import."""
    no_threads: Callable[[], str | None] = _nothing
    """Tells why the function is not safe on threads, asked only where they could pay."""


def ordered(require: str | None, prefer: str | None, *, only_processes: bool) -> str | None:
    """Where ``Parallel``'s own options send the tasks; None where the choice is free."""
    if require == "sharedmem":
        return "threads"
    if only_processes or prefer == "processes":
        return "processes"
    return "threads" if prefer == "threads" else None


def mode_for(seen: Situation, order: str | None) -> str | None:
    """Where others are to work beside the caller, "threads" or "processes"; None while none pays."""
    if seen.item_seconds <= 0 or seen.left < 1:
        return None
    found = []
    if order == "threads" or (order is None and seen.cpu_share < WAITING_CPU_SHARE):
        # Ordered threads are tried, and judged by what they reach.
        free = 1.0 if order == "threads" else None
        found.append((_seconds(seen, "threads", seen.left, free), "threads"))
    if order != "threads" and seen.item_seconds >= LEAST_ITEM_SECONDS:
        boot = 0.0 if seen.warm else IMPORTED_BOOT_SECONDS if seen.heavy else BOOT_SECONDS
        left = seen.left - int(boot / seen.item_seconds)
        seconds = _seconds(seen, "spawn", left, None)
        found.append((None if seconds is None else seconds + boot, "processes"))
    paying = [(seconds, mode) for seconds, mode in found if seconds is not None]
    return min(paying)[1] if paying else None


def _seconds(seen: Situation, backend: str, left: int, gil_free: float | None) -> float | None:
    """What the choice of this backend would take; None where the loop is chosen."""
    if left < 1:
        return None
    start = WARM_SECONDS if seen.warm else COLD_SECONDS
    given = PlanningInput(
        profile=Profile(
            seen.items, seen.item_seconds, cpu_share=seen.cpu_share, gil_free_share=gil_free
        ),
        machine=Machine(cores=seen.n_jobs),
        left=left,
        limits=Limits(max_jobs=seen.n_jobs, backends=frozenset({backend})),
        safety=Safety(no_threads=None if gil_free or backend == "spawn" else seen.no_threads()),
        costs=Costs(thread=THREAD_SECONDS, spawn=start, spawn_warm=0.0),
    )
    choice = choose(given)
    return None if choice.config.backend == "serial" else choice.prediction.seconds
