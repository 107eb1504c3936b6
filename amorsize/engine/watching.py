"""Watching the workers of a run with a time limit: where they wait, threads take over."""

from __future__ import annotations

from amorsize.backends.processes.pool import Processes
from amorsize.core.model import Config
from amorsize.engine.handover import WAIT_SEEN_THREADS
from amorsize.engine.lookups import choice_unseen
from amorsize.planning import choose as planning
from amorsize.profiling.sampler import clock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize.engine.handover import Handover

WATCHED_SECONDS, WATCHED_WAITS_SHARE = 0.02, 0.5
"""With a time limit: after so long, workers that are in an item and computed, or wanted a core, for less
than this share of it wait."""
WATCHED_LOOKS = 3
"""So many such looks one after the other: a single one may have met a slow disk, and a thread that
computes without end cannot be ended."""


class Watch:
    """Sees whether worker processes of which nothing was known compute or wait."""

    def __init__(self, handover: Handover) -> None:
        self.handover = handover
        self._watched: tuple[float, dict[int, float]] = (0.0, {})
        """Since when the workers are watched, and how long each had been busy then."""
        self._waiting = 0
        """Looks one after the other that saw them wait."""
        self._leaving: Processes | None = None
        """Workers that finish what they are in, beside the threads that have taken over."""

    def close(self, *, abort: bool) -> None:
        """The run ends: so do workers that are about to leave."""
        if self._leaving is not None:
            self._leaving.close(abort=abort)

    def review(self) -> None:
        """With a time limit nothing is seen of the items before they are handed over: see whether the
        workers wait. Then threads take over; the workers finish the items that they are in."""
        handover = self.handover
        leaving, backend = self._leaving, handover.backend
        if leaving is not None:
            leaving.step(0.0)
            if not leaving.peers and not leaving.alone:
                self._leaving = None
                leaving.close()
                handover.deaths += leaving.deaths
            return
        decider, left = handover.decider, handover.source.left()
        if (
            not isinstance(backend, Processes)
            or handover.options.forced is not None
            or "threads" not in handover.options.backends
            or decider.safety.no_threads
            or left == 0
        ):
            return
        now, busy = clock(), backend.busy_seconds()
        at, before = self._watched
        if not busy or busy.keys() != before.keys():
            self._watched = now, busy or {}
            return
        if now - at < WATCHED_SECONDS:
            return
        self._watched = now, busy
        # One without an item waits for the caller, which says nothing of the items.
        inside = [
            peer.pid for peer in backend.peers.values() if peer.pid in busy and peer.running()
        ]
        computed = sum(busy[pid] - before[pid] for pid in inside)
        waits = bool(inside) and computed <= WATCHED_WAITS_SHARE * (now - at) * len(inside)
        self._waiting = self._waiting + 1 if waits else 0
        if self._waiting < WATCHED_LOOKS:
            return
        count = handover.options.max_jobs or planning.FIRST_THREADS
        config = Config("threads", count if left is None else min(count, left))
        if config.n_jobs <= len(busy):
            return
        self._leaving, handover.backend = backend, None
        backend.dismiss()
        handover.choose(
            choice_unseen(config, backend.item_seconds, left or 0, "the workers waited")
        )
        handover.open_phase(handover.to.done)
        handover.start_threads(config, True, backend.item_seconds, WAIT_SEEN_THREADS)
