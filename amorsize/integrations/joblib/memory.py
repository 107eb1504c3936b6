"""What joblib calls have shown of a function: in this process at once, in the history for later ones."""

from __future__ import annotations

import time

from amorsize.core.events import RunEnded, Study
from amorsize.core.frozen import dataclass
from amorsize.core.model import Config, Profile, Run
from amorsize.learning.learner import learner_for
from amorsize.learning.recorder import name_of
from amorsize.machine.detect import detect_machine
from amorsize.planning import cost_model
from amorsize.planning.explain import describe, format_seconds
from amorsize.reporting.log import Log, tell_config

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


RECORD_LEAST_SECONDS = 0.05
"""Shorter calls teach nothing that would pay (see `recording`)."""
MOST = 1000
"""Functions remembered in the process; the oldest goes first."""

BACKENDS = {"alone": "serial", "threads": "threads", "processes": "spawn"}
"""How a history calls where a joblib call ran."""
MODES = {"serial": "alone", "threads": "threads", "fork": "processes", "spawn": "processes"}


@dataclass(frozen=True)
class Seen:
    """What a call has shown of its function."""

    item_seconds: float
    cpu_share: float
    mode: str
    """"alone", "threads" or "processes"."""
    items: int


class Memory:
    """By function: what was seen last. Holds the code of functions, not what they refer to."""

    def __init__(self) -> None:
        self._here: dict[Any, Seen] = {}

    def recall(self, func: Any) -> Seen | None:
        """What this process has seen."""
        return self._here.get(_key(func))

    def look_up(self, func: Any, seconds: float) -> Seen | None:
        """What earlier processes have left in the history, worth a look for so many seconds."""
        learner = learner_for("default")
        runs = [] if learner is None else learner.recall(func, seconds)
        for run in runs:
            if run.outcome == "done" and run.config.backend in MODES:
                profile = run.profile
                return Seen(
                    profile.item_seconds, profile.cpu_share, MODES[run.config.backend], run.items
                )
        return None

    def keep(self, func: Any, seen: Seen) -> None:
        """Remember in this process."""
        key = _key(func)
        self._here.pop(key, None)
        self._here[key] = seen
        if len(self._here) > MOST:
            del self._here[next(iter(self._here))]

    def record(self, func: Any, seen: Seen, jobs: int, seconds: float, cpu_seconds: float) -> None:
        """Leave it to the history, if it took long enough; ``seconds`` in the last mode."""
        if seconds < RECORD_LEAST_SECONDS or not seen.items or seen.item_seconds <= 0:
            return
        learner = learner_for("default")
        if learner is None:
            return
        config = _config(seen.mode, jobs)
        machine = detect_machine()
        profile = Profile(seen.items, seen.item_seconds, cpu_share=seen.cpu_share)
        run = Run(config, seen.items, seconds, cpu_seconds)
        costs = cost_model.Costs(warm_workers=jobs)
        model = cost_model.seconds(config, profile, machine, seen.items, costs).seconds
        study = Study(profile, machine, seen.items, seconds, cpu_seconds, model)
        learner.record(func, run, study)


def tell_mode(func: Any, mode: str, jobs: int, item_seconds: float) -> None:
    """Log where the tasks of a call run from now on."""
    config = _config(mode, jobs)
    seen = f": an item takes {format_seconds(item_seconds)}" if item_seconds else ""
    tell_config(config, describe(config) + seen, lambda: name_of(func))


def tell_end(call: Any, jobs: int, *, failed: bool) -> None:
    """Log that a call has ended, as the end of a run."""
    if call.func is None:
        return
    began, cpu = call.began
    seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - cpu
    outcome = "failed" if failed else "done"
    run = Run(_config(call.mode, jobs), call.done, seconds, cpu_seconds, outcome=outcome)
    Log(lambda: name_of(call.func))(RunEnded(run, began))


def _config(mode: str, jobs: int) -> Config:
    backend = BACKENDS.get(mode, "serial")
    return Config(backend, 1 if backend == "serial" else jobs)


def _key(func: Any) -> Any:
    return getattr(func, "__code__", None) or getattr(func, "__qualname__", None) or type(func)
