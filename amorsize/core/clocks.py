"""CPU time that no clock of this process shows: that of the programs which it starts and waits for.

An item that runs another program (``subprocess.run``) seems to wait, and yet keeps a core of this machine
busy. Its CPU time becomes known when the program has ended.
"""

from __future__ import annotations

import os

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
        try:
            import resource
        except ImportError:
            return seconds
        _usage[:] = resource.getrusage, resource.RUSAGE_CHILDREN
    return seconds
