"""Whether a function may run in threads, or leave the process, judged by its code and what it uses.

:mod:`amorsize.inspection.decode` walks the code without running it and tells where each value comes
from; here is what that means. Three verdicts, each a sentence for people:

* ``caller_only``: it changes what lives outside the call (globals, captured variables, ``self``, shared
  containers), or uses a position that is shared (files, iterators, generators): another process would
  change a copy, two threads would race;
* ``no_threads``: it touches something that is one for the whole process (the warning filters, pyplot's
  current figure ...) and puts it back;
* ``no_processes``: it uses what must not be shared by a fork or sent away (sockets, connections, locks),
  or changes its item.

::

    code --decode--> Frame.run --asks--> Judge (judge) --calls--> Walker: tables of names (call_rules)
    objects that are reached ---------------------------------> bindings: held, bound to a thread

What is not read is not safe: code of an unknown Python, code that is too long or whose calls go too
deep, and an error of the inspection itself all keep the function in the caller, and say so. What cannot
be seen (C code, libraries beyond the tables) counts as safe here: the watch sees what it changes.
"""

from __future__ import annotations

from amorsize.core.frozen import replace
from amorsize.core.model import Safety
from amorsize.inspection.bindings import deep_bindings
from amorsize.inspection.judge import Judge
from amorsize.inspection.listeners import hearing
from amorsize.inspection.reasons import Decided

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any


def inspect_function(
    func: Callable[[Any], Any],
    items: Sequence[Any] = (),
    *,
    effects: bool = True,
    callers_thread: bool = True,
) -> Safety:
    """What speaks against threads or processes for ``func`` over data that begin with ``items``.

    Without ``effects`` only what the function holds is judged: connections, files, locks, what belongs
    to a thread. ``unless_watched`` of the result speaks against workers where no item is watched: a call
    that each item makes is seen by the watch, and judged by its name only where there is none.
    ``callers_thread``: whether this is the thread whose run it is; what belongs to a thread is seen in no
    other, and keeps the function in the caller there. Never raises; some hundred microseconds for an
    ordinary function, twice that if something speaks against it."""
    doubting = _inspected(func, items, effects, True, callers_thread)
    if not effects or doubting == Safety(unproven=doubting.unproven):
        return doubting
    sure = _inspected(func, items, effects, False, callers_thread)
    return replace(sure, unless_watched=None if sure.caller_only else doubting.caller_only)


def read_doubtfully(func: Callable[[Any], Any]) -> Safety:
    """What the code of a function says, each call judged as if nothing watched it."""
    return _inspected(func, (), True, True, True)


def _inspected(
    func: Callable[[Any], Any],
    items: Sequence[Any],
    effects: bool,
    unsure: bool,
    callers_thread: bool,
) -> Safety:
    """The verdict of one reading; ``unsure``: as if only some items made each call."""
    judge = Judge()
    judge.know(unsure=unsure)
    try:
        if effects:
            judge.function(func, items)
            judge.finish(callers_thread=callers_thread)
    except Decided:
        pass
    except Exception as error:  # also of objects that lie about themselves
        judge.cannot_read(error)
    caller, processes = judge.caller_only, judge.no_processes
    if effects and caller is None:
        caller = hearing()
    if caller is None and (judge.reaches_objects or not effects):
        deep, sent = deep_bindings(func, items)
        caller, processes = deep, processes or sent
    said = judge.no_threads, processes, judge.draws, judge.elsewhere
    pool = next((value.phrase for value, _ in judge.pools.values()), None)
    return Safety(caller, *said, unproven=judge.unproven, pool=pool)
