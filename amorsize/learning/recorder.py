"""The observation that a finished run leaves to the history."""

from __future__ import annotations

import time
from functools import partial
from types import BuiltinFunctionType, FunctionType, MethodType

from amorsize.core.observation import CHANGED, NAME_SIGNS, Observation
from amorsize.version import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from amorsize.core.events import Study
    from amorsize.core.model import Run, Work


def observe(fingerprint: str, id: str, run: Run, study: Study, name: str = "") -> Observation:
    """The observation of a run that ends now; ``name``: of the function, where it may be kept."""
    return Observation(
        fingerprint=fingerprint,
        profile=study.profile,
        machine=study.machine,
        config=run.config,
        items=study.items,
        wall_seconds=study.wall_seconds,
        cpu_seconds=max(0.0, study.cpu_seconds),
        time=time.time(),
        outcome=CHANGED if study.changed and run.outcome == "done" else run.outcome,
        model_seconds=study.model_seconds,
        corrections=run.corrections,
        library_version=__version__,
        id=id,
        work=study.work,
        forecast=study.forecast,
        name=name,
    )


LONG_SECONDS = 0.005
"""Items from here on are long: workers that start before the first of them gain more than it costs to ask
the history in a new process (2 ms, benchmarks/learning/evaluate.py cost)."""
LONG_ALONE_SECONDS = 0.07
"""A run that stays in the caller gains nothing by asking; of less work than this, 2 ms are more than 3 %,
which is what considering may cost (G2 in DESIGN)."""


def asks_first(work: Work, backend: str) -> bool:
    """Whether the next run is to look the history up before its first item: this run's items, or the
    caller's first one, took long, and there were workers, or enough work to ask all the same."""
    if backend == "serial" and work.items * work.item_seconds < LONG_ALONE_SECONDS:
        return False
    return max(work.item_seconds, work.caller_warmup_seconds) >= LONG_SECONDS


LONGEST_NAME = 200
"""Characters of a name that are kept."""


def _is_star(kind: type) -> bool:
    """Whether it is the class of what ``amorsize.star`` returns."""
    home, name = (type.__dict__[one].__get__(kind) for one in ("__module__", "__qualname__"))
    return bool(home == "amorsize.items.kinds" and name == "Star")


def name_of(func: Callable[..., Any]) -> str:
    """``module:qualname`` of a function, of what a partial or a star calls, of an object's type: for
    people, in printable ASCII. Runs no code of the user's."""
    named: Any = func
    while type(named) in (partial, MethodType) or _is_star(type(named)):
        named = named.__func__ if type(named) is MethodType else named.func
    if type(named) in (FunctionType, BuiltinFunctionType):
        module, name = named.__module__, named.__qualname__
    else:
        kind = named if issubclass(type(named), type) else type(named)
        module, name = (type.__dict__[one].__get__(kind) for one in ("__module__", "__qualname__"))
    if type(module) is not str:  # a method of an object of C, or set by hand
        module = ""
    text = f"{module}:{name}"[:LONGEST_NAME]
    return "".join([sign if sign in NAME_SIGNS else "?" for sign in text])
