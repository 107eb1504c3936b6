"""What listens to a run: the history, its upkeep, the log, a trace, a display of progress."""

from __future__ import annotations

from amorsize import learning
from amorsize.core.backends import TRAITS
from amorsize.core.events import LongRun, Observers, RunEnded
from amorsize.core.lazy import reading_seconds
from amorsize.reporting.log import Log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from amorsize.core.events import Progress
    from amorsize.core.options import Options
    from amorsize.pruning.upkeep import Upkeep

RECORD_LEAST_SECONDS = 0.05
"""Runs with less work teach nothing that would pay: a record costs up to 1 ms, 2 % of this."""
RECORD_SHARE = 0.03
"""Most of the work so far that reading the modules of the record may take, where that was not done yet:
what considering may cost a run (G2 in DESIGN: 3 %)."""
RECORDING = {
    "amorsize.learning.learner": 8,
    "amorsize.history.frames": 2,
    "amorsize.learning.recorder": 2,
    "amorsize.learning.forecasts": 2,
    "amorsize.learning.work_done": 1,
    "fcntl": 1,
}
"""The modules that a record needs, and how many are read with each; a test counts."""


def observers_for(func: Callable[[Any], Any], options: Options) -> Observers:
    """The observers that the options of a call ask for."""
    listeners: list[Callable[[Any], None]] = []
    if options.history is not None:
        if options.pruning is not None:
            listeners.append(_UpkeepBesideRun(options.history, options.pruning))
        listeners.append(_Recorder(func, options.history, names=options.names))
    name: Callable[[], str] = lambda: learning.name_of(func)  # noqa: E731 # asked for by two
    listeners.append(Log(name))
    trace, progress = options.trace, options.progress
    if trace is not None:
        listeners.append(trace.of(name))
    lines = None if trace is None else trace.lines
    if progress is False or progress is None:
        return Observers(tuple(listeners), lines)

    def make(total: int | None) -> Progress:
        from amorsize.reporting.progress import make_progress

        return make_progress(progress, total)

    return Observers(tuple(listeners), lines, make)


class _Recorder:
    """Records one run of ``func`` in the history that the option ``history`` names; with ``names`` the
    function's name, too, where the history may keep it."""

    def __init__(self, func: Callable[[Any], Any], history: Any, *, names: bool) -> None:
        self._func, self._history, self._names = func, history, names

    def __call__(self, event: object) -> None:
        """An event of the run."""
        if not isinstance(event, RunEnded) or event.work_seconds <= RECORD_LEAST_SECONDS:
            return
        if not _budget.allows(event.work_seconds, self._history):
            return
        run = event.run
        if run.outcome == "abandoned" or TRAITS[run.config.backend].remote:
            return  # what a cluster did says nothing of this machine
        try:
            learner = learning.learner_for(self._history)
        except OSError:  # no descriptor is free to read modules of ours that are asked for now
            return
        if learner is None:
            return
        try:
            study = event.study()
        except OSError:
            return
        except Exception as error:  # learning must never harm a run
            learner.give_up(error)
            return
        if study is not None:
            learner.record(self._func, run, study, names=self._names)


class _Budget:
    """What the work of a user may spend on reading the modules of a process's first record."""

    def __init__(self) -> None:
        self._unrecorded = 0.0
        """Seconds of work of this process that left no record because of what that reading costs."""

    def allows(self, work_seconds: float, history: Any) -> bool:
        """Whether the record of a run may read them now, if they are not there: after much work, be it
        of many short runs, and where the history is a file, of many processes."""
        price = reading_seconds(RECORDING)
        if price <= RECORD_SHARE * (work_seconds + self._unrecorded):
            return True
        total = learning.add_unrecorded(history, work_seconds)
        if total is None:
            self._unrecorded += work_seconds
            return False
        if price > RECORD_SHARE * total:
            return False
        learning.clear_unrecorded(history)
        return True


_budget = _Budget()


class _UpkeepBesideRun:
    """Has the history looked after beside a long run, until that ends."""

    def __init__(self, history: Any, strategy: str) -> None:
        self._history, self._strategy = history, strategy
        self._upkeep: Upkeep | None = None

    def __call__(self, event: object) -> None:
        if isinstance(event, RunEnded):
            if self._upkeep is not None:
                self._upkeep.stop()
        elif isinstance(event, LongRun):
            from amorsize.pruning.upkeep import Upkeep

            learner = learning.learner_for(self._history)
            if learner is not None and learner.place is not None:
                self._upkeep = Upkeep(learner.place, self._strategy)
                self._upkeep.start()
