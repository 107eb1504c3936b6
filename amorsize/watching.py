"""Watching the workers of a run with a time limit: where they wait, threads take over."""

from __future__ import annotations

from amorsize import planning
from amorsize.backends.processes import Processes
from amorsize.deciding import choice_unseen
from amorsize.handover import WAIT_SEEN_THREADS
from amorsize.measurement import clock
from amorsize.records import Config

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize.handover import Handover

WATCHED_SECONDS, WATCHED_WAITS_SHARE = 0.05, 0.5
"""With a time limit: after so long, workers that computed for less than this share of it wait."""


class Watch:
    """Sees whether worker processes of which nothing was known compute or wait."""

    def __init__(self, handover: Handover) -> None:
        self.handover = handover
        self._watched: tuple[float, float, set[int]] = (0.0, 0.0, set())
        """Since when the workers are watched, their CPU seconds then, who they are."""
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
        decider, left = handover.decider, handover.supply.left()
        if (
            not isinstance(backend, Processes)
            or handover.options.forced is not None
            or "threads" not in handover.options.backends
            or decider.safety.no_threads
            or left == 0
        ):
            return
        now, cpu = clock(), backend.cpu_seconds()
        at, cpu_then, pids = self._watched
        workers = {peer.pid for peer in backend.peers.values() if peer.ready}
        if cpu is None or not workers or pids != workers:
            self._watched = now, cpu or 0.0, workers
            return
        if now - at < WATCHED_SECONDS:
            return
        self._watched = now, cpu, workers
        if cpu - cpu_then > WATCHED_WAITS_SHARE * (now - at) * len(workers):
            return
        count = handover.options.max_jobs or planning.FIRST_THREADS
        config = Config("threads", count if left is None else min(count, left))
        if config.n_jobs <= len(workers):
            return
        self._leaving, handover.backend = backend, None
        backend.dismiss()
        handover.choose(
            choice_unseen(config, backend.item_seconds, left or 0, "the workers waited")
        )
        handover.open_phase(handover.to.done)
        handover.start_threads(config, True, backend.item_seconds, WAIT_SEEN_THREADS)
