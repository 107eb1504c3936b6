"""What a run leaves behind: a record of what its last configuration cost, and in a long run the upkeep
of the history."""

from __future__ import annotations

import math
import time

from amorsize.core.backends import TRAITS
from amorsize.core.frozen import replace
from amorsize.profiling.sampler import clock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from amorsize.core.model import Run
    from amorsize.core.options import Options
    from amorsize.engine.handover import Handover
    from amorsize.engine.lookups import Decider
    from amorsize.pruning.upkeep import Upkeep

UPKEEP_SECONDS = 10.0
"""Runs that have lasted so long may have the history looked after beside them (`maintenance`)."""
RECORD_LEAST_SECONDS = 0.05
"""Runs with less work teach nothing that would pay: a record costs up to 1 ms, 2 % of this."""
CONSUMER_SHARE = 0.1
"""Streams whose consumer took more than this share of the time say little about the work."""


class Recorder:
    """Leaves to the history what there is to learn from one run."""

    def __init__(
        self,
        func: Callable[[Any], Any],
        options: Options,
        decider: Decider,
        handover: Handover,
        *,
        nested: bool,
    ) -> None:
        self.func, self.options, self.decider = func, options, decider
        self.handover, self.nested = handover, nested
        self._upkeep: Upkeep | None = None
        self._upkeep_at = 0.0

    def begin(self) -> None:
        """A run begins, or goes on."""
        self._upkeep_at = clock() + UPKEEP_SECONDS

    def stop(self) -> None:
        """No upkeep beyond the end of the run."""
        if self._upkeep is not None:
            self._upkeep.stop()

    def keep_up(self) -> None:
        """In a long run: have the history looked after, once."""
        if self._upkeep is not None or clock() < self._upkeep_at:
            return
        self._upkeep_at = math.inf
        learner, strategy = self.decider.learner, self.options.pruning
        if learner is None or learner.place is None or strategy is None or self.nested:
            return
        from amorsize.pruning.upkeep import Upkeep

        self._upkeep = Upkeep(learner.place, strategy)
        self._upkeep.start()

    def record(self, run: Run, work_seconds: float) -> None:
        """Leave to the history what the last configuration of this run really cost."""
        if work_seconds <= RECORD_LEAST_SECONDS or run.outcome == "abandoned":
            return
        if TRAITS[run.config.backend].remote:
            return  # what a cluster did says nothing of this machine
        decider, (began, position, cpu) = self.decider, self.handover.phase
        learner, items = decider.learner, run.items - position
        consumed = self.handover.consumed
        seconds = clock() - began - consumed
        if learner is None or items < 1 or consumed > CONSUMER_SHARE * seconds:
            return
        profile = decider.to_remember()
        if run.config.backend == "serial" and self.handover.believed is not None:
            # As for workers, what was known when it was decided: were the loop alone judged by all of
            # its items, one giant among them would speak against workers and for the loop.
            profile = self.handover.believed
        if profile.item_seconds <= 0:
            return  # the user named the backend: nothing was seen of an item by itself
        from amorsize.learning.recorder import Study

        cpu = time.process_time() - cpu + self.handover.forked_cpu_seconds
        if run.config.backend == "threads" and profile.cpu_share < 1.0:
            # All of the work was in this process: it tells more than the first waits.
            computed = min(1.0, cpu / items / profile.item_seconds)
            profile = replace(profile, cpu_share=max(profile.cpu_share, computed))
        choice = self.handover.choice
        computes = choice is not None and choice.caller_computes
        model = max(  # one giant item bounds every configuration: that is no fault of this one
            decider.model_seconds(run.config, profile, items, caller_computes=computes),
            self.handover.longest_seconds,
        )
        study = Study(profile, decider.machine, items, seconds, cpu, model)
        learner.record(self.func, run, study)
