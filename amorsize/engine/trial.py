"""A plan where nothing may run in the caller: the first items run as all others are to run, and tell of
them.

::

    optimize --tried_out--> Engine.measure: is anything said? where not:
        an engine of its own over the first items --results, Profile--> another for all

An option names the workers, or sets a limit on time or memory, so that the caller runs no item; without
earlier runs nothing would be said of how long the items take.
"""

from __future__ import annotations

import time

from amorsize.core.events import Observers, RunEnded
from amorsize.core.frozen import replace
from amorsize.engine.local_loop import LocalLoop
from amorsize.items.kinds import is_indexed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from amorsize.core.model import Machine, Profile

clock = time.perf_counter

TRIED_SHARE = 0.05
"""Of the items, those that are tried, where they are more than one for each worker."""
MOST_ROUNDS, LEAST_LEFT = 4, 4
"""At most so many items for each worker, and one out of so many of all."""


def tried_out(engine: Any, data: Any, machine: Machine | None, observers: Observers) -> Any:
    """An :class:`amorsize.engine.driver.Engine` that goes on after the first items; None where none can
    be tried, or need be. ``engine``: one that has not begun.

    Raises what an item raises, as the run would."""
    spec, make = engine.spec, type(engine)
    # The places of items that are left out would not be known.
    unknown = spec.options.limits_calls or spec.options.on_error == "skip"
    if unknown or not is_indexed(data) or not len(data):
        return None
    silent = make(spec, LocalLoop(spec.func, data), machine)
    silent.measure()
    count = _items_to_try(silent)
    if count < 1:
        return None
    seen: list[Profile] = []

    def listen(event: object) -> None:
        study = event.study() if isinstance(event, RunEnded) else None
        if study is not None and study.work.items:
            seen.append(study.profile)

    trial = make(spec, LocalLoop(spec.func, data[:count]), machine, Observers((listen,)))
    began, results = clock(), trial.execute()
    loop = TriedLoop(spec.func, data, results, seen)
    loop.goes_on_from(began)
    found = trial.so_far()
    judged = found.safety
    if judged is not None and judged.watched is None:
        judged = None  # it is judged anew, and an item watched
    tried = replace(spec, told=found.told, tried_items=len(results))
    if seen:
        tried = replace(tried, tried=seen[0], judged=judged)
    return make(tried, loop, machine, observers)


def _items_to_try(engine: Any) -> int:
    """How many of the first items; 0 where something was said, or none may be taken from the data."""
    choice, spec = engine.choice, engine.spec
    if choice is None or choice.prediction.seconds > 0 or not spec.total:
        return 0
    workers: int = choice.config.workers
    count = min(max(workers, int(TRIED_SHARE * spec.total)), MOST_ROUNDS * workers)
    return min(count, int(spec.total) // LEAST_LEFT)


class TriedLoop(LocalLoop):
    """The caller's loop of a run whose first items are done."""

    def __init__(
        self,
        func: Callable[[Any], Any],
        data: Sequence[Any],
        results: list[Any],
        seen: list[Profile],
    ) -> None:
        super().__init__(func, data)
        self.results, self.done = results, len(results)
        self.opened = [(len(results), len(results) * (seen[0].item_seconds if seen else 0.0))]
        self.source.rewind(len(results))

    def goes_on_from(self, began: float) -> None:
        """The first items began at this time of ``time.perf_counter``."""
        self.began = began
