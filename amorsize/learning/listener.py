"""What a run leaves to the history: a record of what its last configuration cost. An observer of runs."""

from __future__ import annotations

from amorsize.core.backends import TRAITS
from amorsize.core.events import RunEnded
from amorsize.learning.learner import learner_for

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

RECORD_LEAST_SECONDS = 0.05
"""Runs with less work teach nothing that would pay: a record costs up to 1 ms, 2 % of this."""


class HistoryListener:
    """Records one run of ``func`` in the history that the option ``history`` names."""

    def __init__(self, func: Callable[[Any], Any], history: Any) -> None:
        self._func, self._history = func, history

    def __call__(self, event: object) -> None:
        """An event of the run."""
        if not isinstance(event, RunEnded) or event.work_seconds <= RECORD_LEAST_SECONDS:
            return
        run = event.run
        if run.outcome == "abandoned" or TRAITS[run.config.backend].remote:
            return  # what a cluster did says nothing of this machine
        learner = learner_for(self._history)
        study = None if learner is None else event.study()
        if learner is None or study is None:
            return
        learner.record(self._func, run, study)
