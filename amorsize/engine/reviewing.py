"""Reviews: threads are judged by what they reach; where that is too little, the run chooses again."""

from __future__ import annotations

import time

from amorsize.backends.threads.pool import Threads
from amorsize.core.model import Config
from amorsize.engine.lookups import choice_unseen
from amorsize.machine.fork_safety import fork_refusal
from amorsize.machine.threads import vanish
from amorsize.planning import policy
from amorsize.profiling.sampler import clock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize.engine.handover import Handover
    from amorsize.profiling.sampler import Observer

REVIEW_SECONDS = 0.015
"""After so long with threads their gain is judged."""
EARLY_REVIEW_SECONDS, EARLY_REVIEW_ITEMS, EARLY_MUST_GAIN = 0.002, 30, 1.1
"""Short items that let the GIL go for moments make threads up to three times slower than the caller
(reading small files): so soon, with so many items a thread, it is seen that nothing is won."""
PATIENCE_SECONDS = 0.05
"""Longest sleep of the supervising caller."""
REVIEW_LOOK_SECONDS = 0.001
"""Longest sleep of the caller until then."""
LONG_ITEM_SECONDS = 0.001
"""Items for which threads that kept the cores busy in vain speak against processes too; with shorter
ones it was the hand-over of the GIL that kept them busy."""
CORES_BUSY = 1.3
"""CPU seconds a second of the process above which threads did run side by side."""
GIL_FULL_SHARE = 0.85
"""CPU seconds a second of the process at which threads that wait are held up by the GIL."""
GIL_STALLED_SHARE = 0.6
"""The same just after a ramp was stopped: the clock of the process lags by up to 4 ms."""


class Reviews:
    """Judges the threads of one run while they work."""

    def __init__(self, handover: Handover, observer: Observer) -> None:
        self.handover, self.observer = handover, observer
        self.meter, self.decider, self.source = handover.meter, handover.decider, handover.source
        # With a time limit nothing may go back to the caller, and `watching` says where it runs.
        self._settled = handover.options.forced is not None or handover.options.supervised
        self._early_review = self._doubted = False
        self._reviewed_at, self._reviewed_done = 0.0, 0
        self._reviewed_cpu = self._reviewed_consumed = 0.0
        handover.on_threads = self._begin

    def _begin(self) -> None:
        self._early_review, self._doubted = True, False
        self._open_review()

    def patience(self) -> float:
        """How long the caller may sleep now."""
        backend = self.handover.backend
        if not isinstance(backend, Threads) or self._settled:
            return PATIENCE_SECONDS
        age = clock() - self._reviewed_at
        if backend.waits or not self._early_review:
            return max(REVIEW_LOOK_SECONDS, REVIEW_SECONDS - age)
        return REVIEW_LOOK_SECONDS if age < REVIEW_SECONDS else PATIENCE_SECONDS

    def _open_review(self) -> None:
        self._reviewed_at, self._reviewed_done = clock(), self.handover.to.done
        self._reviewed_cpu, self._reviewed_consumed = time.process_time(), self.handover.consumed

    def review(self) -> None:
        """Judge threads by what they reach; where that is too little, choose again."""
        backend = self.handover.backend
        if not isinstance(backend, Threads) or self._settled:
            return
        seconds = clock() - self._reviewed_at
        done = self.handover.to.done - self._reviewed_done
        stalled = backend.stalled and done
        early = seconds < REVIEW_SECONDS
        if early and (
            backend.waits
            or not self._early_review
            or seconds < EARLY_REVIEW_SECONDS
            or done < EARLY_REVIEW_ITEMS * backend.count
        ):
            return
        if done < 2 * backend.count and not stalled:
            return
        consumed = self.handover.consumed - self._reviewed_consumed
        seconds = max(seconds - consumed, 1e-9)
        cpu = max(time.process_time() - self._reviewed_cpu - consumed, 0.0)
        computed, rate = cpu / done, done / seconds
        if early:
            self._early_review = backend.tentative = False
        else:
            backend.tentative = False
            self._open_review()
        known = self.source.left()
        left = self.handover.to.done if known is None else known
        if backend.waits:
            saves = left * computed * (1 - 1 / self.decider.machine.cores)
            start = policy.START_FACTOR * self.decider.costs.fork * self.decider.machine.cores
            full = GIL_STALLED_SHARE if stalled else GIL_FULL_SHARE
            slower = rate * self.meter.item_seconds < 1.0
            wrong = computed * rate > full and (saves > 2 * start or slower)
        else:
            least = EARLY_MUST_GAIN if early else policy.THREADS_MUST_GAIN
            wrong = self.meter.items > 1 and rate * self.meter.item_seconds < least
        if not wrong or left <= backend.count:
            self._doubted = False
            return
        if not (backend.waits or early or self._doubted):
            self._doubted = True  # the first items of threads pay for caches and pages: look again
            return
        if backend.waits:
            share = min(1.0, computed / max(self.meter.item_seconds, 1e-9))
            self.decider.shares = self.decider.seen = (seconds, share, 1.0)
        # Cores that were busy and yet no gain: the work is held up by memory or by its own threads,
        # and processes would not change that.
        long = not backend.waits and self.meter.item_seconds > LONG_ITEM_SECONDS
        self._leave_threads(backend, alone=long and cpu > CORES_BUSY * seconds)

    def _leave_threads(self, backend: Threads, *, alone: bool) -> None:
        """Threads do not help: join them and choose among the rest."""
        backend.close()
        self.handover.backend = None
        self.decider.threads_failed = True
        self.observer.stop()  # it had asked for these threads, perhaps; a fork is to find nobody
        vanish()
        known = self.source.left()
        left = self.handover.to.done if known is None else known
        if not left or self.handover.to.failure is not None:
            self.handover.stay_alone()  # the last items, or an error, came meanwhile
            return
        if alone:
            config = Config("serial")
            reason = "threads kept the cores busy and were no faster than the caller alone"
            choice = choice_unseen(config, self.meter.item_seconds, left, reason)
        else:
            choice = self.decider.plan(left, None)
            if choice.config.backend == "fork" and (refusal := fork_refusal()) is not None:
                choice = self.decider.plan(left, refusal)
        if choice.config.backend == "threads":  # still the best there is
            self._reviewed_at = float("inf")
        self.handover.choose(choice)
        self.handover.open_phase(self.handover.to.done)
        self.handover.start_backend()
