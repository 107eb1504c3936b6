"""CPU time that no clock of this process shows: that of the programs which it starts and waits for.

An item that runs another program (``subprocess.run``) seems to wait, and yet keeps a core of this machine
busy. Its CPU time becomes known when the program has ended.
"""

from __future__ import annotations

import os
from sys import modules

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_usage: list[Any] = []
"""``resource.getrusage`` and its argument, once a program has used a step of the clock (0.3 ms of
import)."""


def children_seconds() -> float:
    """CPU seconds of all processes that this one has started and that have ended, waited for; 0 where the
    system does not tell. Below 1 µs."""
    if _usage:
        getrusage, children = _usage
        used = getrusage(children)
        return float(used.ru_utime + used.ru_stime)
    told = os.times()  # in steps of 10 ms
    seconds = told.children_user + told.children_system
    if seconds:
        _begin_to_ask()
    return seconds


def look_closely() -> float:
    """CPU seconds of short programs that :func:`children_seconds` could not tell so far: it does from now
    on. 0.3 ms, once."""
    if _usage or "subprocess" not in modules:
        return 0.0
    before = children_seconds()
    _begin_to_ask()
    return children_seconds() - before


def _begin_to_ask() -> None:
    try:
        import resource
    except ImportError:  # Windows
        return
    _usage[:] = resource.getrusage, resource.RUSAGE_CHILDREN
