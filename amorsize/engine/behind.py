"""Threads behind a long item: while the caller is in it, the observer asks for them."""

from __future__ import annotations

from amorsize.backends.threads.pool import Threads
from amorsize.core.model import Config
from amorsize.engine.handover import WAIT_SEEN_THREADS
from amorsize.engine.lookups import ONLY_WAITS_CPU_SHARE, choice_unseen
from amorsize.items.source import ATOMIC_ITEMS
from amorsize.planning import choose as planning
from amorsize.planning import explain
from amorsize.profiling.sampler import clock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize.engine.handover import Handover
    from amorsize.engine.local_loop import Alone

LIKE_BEFORE = 2.0
"""An item that has taken less than so many times those before is taken to be like them."""
GIL_SURE_SHARE = 0.75
"""Behind a single long item threads need this share of free looks: three out of three at least."""


class Behind:
    """What the observer may ask for, in its own thread, while the caller is in one long item."""

    def __init__(self, handover: Handover) -> None:
        self.handover = handover
        self.alone: Alone
        """Whose long item it is; it is made after this."""
        self.measuring = False

    def start(self, position: int, cpu_share: float) -> bool:
        """The caller is in one long item: start threads on the items after it if they can help."""
        handover = self.handover
        source, options, decider = handover.source, handover.options, handover.decider
        assert source.total is not None
        left = source.total - position
        waits = cpu_share < 0.5
        free = (handover.meter.gil_free_share() or 0.0) >= GIL_SURE_SHARE
        if self.measuring or decider.threads_failed or "threads" not in options.backends:
            return False
        if left < 1 or left > ATOMIC_ITEMS or not (waits or free):
            return False
        elapsed = clock() - self.alone.observer.slice_began
        if waits and elapsed < LIKE_BEFORE * handover.meter.item_seconds and self._has_computed():
            return False  # an item like those before, which computed after their wait
        most = planning.FIRST_THREADS if waits else decider.machine.cores - 1
        count = min(left, options.max_jobs or left, most)
        first = WAIT_SEEN_THREADS if waits else None  # it may compute yet
        if count < 1:
            return False
        if decider.safety.caller_only or decider.safety.no_threads:
            return False
        observer = self.alone.observer
        asked, computed = clock(), observer.caller_seconds()
        _ = decider.costs  # looked up now: beside threads at work each step costs a turn of the GIL
        if waits and observer.caller_seconds() - computed > 0.5 * (clock() - asked):
            return False  # meanwhile it has begun to compute
        position = self.alone.interrupted_at = source.interrupt()
        elapsed = clock() - self.alone.observer.slice_began
        why = "waits" if waits else "leaves the GIL alone"
        config = Config("threads", count, 1, options.chunksize)
        reason = f"an item has taken {explain.format_seconds(elapsed)} so far and {why}"
        handover.choose(choice_unseen(config, elapsed, left, reason))
        decider.shares = decider.seen = (elapsed, cpu_share, 1.0)
        handover.open_collector(position)
        handover.start_threads(config, waits, elapsed, first)
        return True

    def _has_computed(self) -> bool:
        """Has the caller computed for a good part of the run? (Asked beside it.)"""
        alone = self.alone
        return alone.observer.caller_seconds() > ONLY_WAITS_CPU_SHARE * (clock() - alone.started)

    def grow(self, late: float) -> bool:
        """While the caller is in its long item: more threads beside it? True to be asked again soon."""
        backend = self.handover.backend
        return isinstance(backend, Threads) and backend.ramp(late)

    def free_the_caller(self) -> None:
        """The caller's own item is done: threads that compute beside it become one more; if it did
        nothing but wait, so will the others."""
        backend = self.handover.backend
        if not isinstance(backend, Threads):
            return
        if not backend.waits:
            backend.grow_to(
                min(self.handover.decider.machine.cores, self.handover.options.max_jobs or 1 << 30)
            )
        elif backend.ramping and self.handover.meter.shares()[1] < ONLY_WAITS_CPU_SHARE:
            backend.grow_to(backend.config.n_jobs)
