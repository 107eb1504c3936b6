"""A look at what workers change: what the watched item left alone, a later one may change.

::

    caller: LateLook, then workers start --fork--> worker: changed(), after its first stretch, at its end
                                         --threads, which have ended--> changed()
    fresh interpreter: its first item, LateLook, the others, changed()
    names --> DifferenceWarning; the next run of the function stays in the caller (remember)

Items that only some branch sends elsewhere are not seen by the watch of one item. Here nothing is kept
from happening any more: it is said that it happened.
"""

from __future__ import annotations

import os
import sys
from functools import partial
from time import thread_time
from types import CodeType, FunctionType, MethodType, ModuleType

from amorsize.core.backends import COPIES
from amorsize.inspection import file_questions
from amorsize.inspection.file_use import FILE_NAMES, OUTPUT_NAMES, RunFiles, is_installed, now
from amorsize.inspection.look import Look
from amorsize.inspection.objects import class_attribute, parts_of
from amorsize.inspection.process_state import ProcessState
from amorsize.inspection.state import Limit
from amorsize.inspection.watch import ITEM, MOST_NODES, look_again

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from amorsize.inspection.file_use import Moment

MOST_REMEMBERED = 1000
"""Functions of which it is remembered what their items changed."""

MOST_RESULTS = 8
"""Results of a worker's first stretch of which it is told whose objects they are."""

OF_WORKERS = frozenset(
    {
        "the signal handlers",
        "the signal mask",
        "the interval timer",
        "the standard streams",
        "the environment",
        "the function that shows warnings",
    }
)
"""What a process becomes another in when it is made a worker; its warnings are shown by the caller."""

OF_IMPORTS = frozenset({"the warnings filters"})
"""What a module changes when it is imported (NumPy adds filters): a function that imports where it runs
leaves that behind in the loop as well, once."""

_remembered: dict[CodeType, str] = {}


class LateLook:
    """The state of what a function and items reach, before workers run them.

    ``budget_seconds`` bounds each look. ``here``: items run in this very thread, of a worker; the
    moment at which the run began says so, too. ``beside``: the user's program goes on in this process (a
    loop over a stream). Nothing is raised: what cannot be read is not compared."""

    __slots__ = ("_beside", "_files", "_flags", "_here", "_limit", "_look", "_pid", "_process")

    def __init__(
        self,
        func: Any,
        items: Sequence[Any],
        budget_seconds: float,
        clock: Callable[[], float] = thread_time,
        *,
        here: bool | Moment = False,
        beside: bool = False,
    ) -> None:
        self._beside, self._here, self._pid = beside, here, os.getpid()
        self._limit = Limit(budget_seconds, MOST_NODES, clock)
        self._look = Look(self._limit)
        try:
            self._look.walk(func, items)
        except Exception as error:
            self._look.fail("the look", error)
        # What is open counts not: a place in a file may have been moved by the process that shares it.
        self._process = ProcessState(self._look.trail.names, settings=True)
        self._flags = _decimal_flags()
        hears = is_installed() or not FILE_NAMES.isdisjoint(self._look.trail.names)
        named = self._look.trail.names
        since = None if type(here) is bool else here
        asks = not (file_questions.ASKING.isdisjoint(named) or OUTPUT_NAMES.isdisjoint(named))
        self._files = None
        if hears:
            self._files = RunFiles(since, here=bool(here), questions=_questions(asks))

    def changed(
        self, process: bool = True, results: Sequence[Any] = (), items: Sequence[Any] = ()
    ) -> tuple[str, ...]:
        """Names of what differs now, such as "`found`"; with ``process`` also "the locale" and its like.
        In another process results that are objects of the caller's are other objects: of ``results``, and
        ``items`` that gave them, that is told as :data:`amorsize.core.backends.COPIES`.

        Of a usual function 10 microseconds, and 30 for the process; in a worker that was just forked,
        whose pages are the caller's still, some five times as much."""
        names: dict[str, None] = {}
        if process:
            now = ProcessState(self._look.trail.names, settings=True)
            found = self._process.changed_to(now)
            known = OF_WORKERS
            if now.modules != self._process.modules:
                known = OF_WORKERS | OF_IMPORTS
            names = {name: None for name in found if name not in known}
            if _decimal_flags() != self._flags:
                names["the flags of the decimal context"] = None
        self._limit.start()  # what the process has is read beside the budget
        try:
            names.update(look_again(self._look, {}, beside=self._beside))
        except Exception as error:
            self._look.fail("the second look", error)
        if os.getpid() == self._pid:  # the caller has its items as they are now
            names.pop(ITEM, None)
        if results and (given := self._returned(results[:MOST_RESULTS], items[:MOST_RESULTS])):
            names[f"{COPIES} (of {given})"] = None
        if self._files is not None:
            names.update(self._files.reasons)
        return tuple(names)

    def _returned(self, results: Sequence[Any], items: Sequence[Any]) -> str | None:
        """What of the caller's a result is or holds; None in the caller itself."""
        if not self._here and os.getpid() == self._pid:
            return None
        parts = set().union(*map(parts_of, items)) if self._here else set()
        if parts and not parts.isdisjoint(set().union(*map(parts_of, results))):
            return ITEM
        return self._look.returned(results)


def _questions(asks: bool) -> ModuleType | None:
    return file_questions if asks else None


def late_look(
    func: Any, budget_seconds: float, items: Sequence[Any] = (), *, beside: bool = False
) -> Callable[..., tuple[str, ...]]:
    """Look at a function, and at items that it gets; what is returned tells what changed since."""
    return LateLook(func, items, budget_seconds, beside=beside).changed


def late_files(asks: bool) -> Callable[..., tuple[str, ...]]:
    """The same of files alone, which is to be had for little; ``asks``: also of those asked for."""
    return RunFiles(questions=_questions(asks)).changed


def files_maker(asks: bool) -> Callable[[Any], Any]:
    """What does that in another process: it can be pickled."""
    return partial(_late_files_here, asks=asks, since=now())


def _late_files_here(func: Any, asks: bool, since: Moment) -> Callable[..., tuple[str, ...]]:
    return RunFiles(since, here=True, questions=_questions(asks)).changed


def late_maker(budget_seconds: float) -> Callable[[Any], Callable[..., tuple[str, ...]]]:
    """What looks at a function in another interpreter: it can be pickled."""
    return partial(_late_look_here, budget_seconds=budget_seconds, since=now())


def _late_look_here(
    func: Any, budget_seconds: float, since: Moment
) -> Callable[..., tuple[str, ...]]:
    return LateLook(func, (), budget_seconds, here=since).changed


def remember(func: Any, names: Sequence[str]) -> None:
    """Items of a run of this function changed what outlives them."""
    code = _code_of(func)
    if code is not None and len(_remembered) < MOST_REMEMBERED:
        _remembered[code] = names[0]


def remembered(func: Any) -> str | None:
    """Why a function stays in the caller after such a run of this process; None where there was none."""
    code = _code_of(func) if _remembered else None
    name = None if code is None else _remembered.get(code)
    return None if name is None else f"{name} changed in an earlier run"


def _code_of(func: Any) -> CodeType | None:
    """The code that a callable stands for; None of what has none."""
    for _ in range(4):
        kind = type(func)
        if kind is FunctionType:
            code: CodeType = func.__code__
            return code
        if kind is MethodType:
            func = func.__func__
        elif kind is partial:
            func = func.func
        else:
            func = class_attribute(kind, "__call__")
    return None


def _decimal_flags() -> tuple[bool, ...]:
    """Flags of the decimal context of this thread, where the module is loaded."""
    module = sys.modules.get("_decimal")
    return () if module is None else tuple(map(bool, module.getcontext().flags.values()))
