"""Whether the present thread or process works for a run already: a call of amorsize there stays serial.

A thread, the caller's or a worker's, is marked while it runs the user's function for a run; a process
that amorsize started is marked for its whole life. Sets of integers are changed by one
atomic operation, and each thread only adds and removes itself.

A stream may call the function while its consumer asks for the next result. A mark would cost such an
item as much as a trivial function does, so the generator that calls it is found on the stack instead:
it is there while the function runs, and not while the consumer works.
"""

from __future__ import annotations

import sys
from _thread import get_ident

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

busy_threads: set[int] = set()
"""Identities of the threads of this process that work for a run."""

in_worker = False
"""True in a process that amorsize started."""


def become_worker() -> None:
    """Mark this process as a worker, for its whole life."""
    global in_worker
    in_worker = True


_lazy: dict[int, Any] = {}
"""Generator functions that call the function as a consumer asks for results, by the identity of their
code (its hash would be computed anew for each frame)."""


def calls_lazily(generator: Any) -> None:
    """This generator function calls users' functions between two turns of a consumer."""
    _lazy[id(generator.__code__)] = generator


def is_nested() -> bool:
    """Whether a call of amorsize by the present thread comes from inside a run."""
    return in_worker or get_ident() in busy_threads or _is_called_lazily()


def _is_called_lazily() -> bool:
    frame: Any = sys._getframe(1)
    while frame is not None:
        if id(frame.f_code) in _lazy:
            return True
        frame = frame.f_back
    return False


def enter() -> bool:
    """Mark the present thread; True where it was not marked yet and :func:`leave` is due."""
    me = get_ident()
    if me in busy_threads:
        return False
    busy_threads.add(me)
    return True


def leave() -> None:
    """Take the mark of the present thread away."""
    busy_threads.discard(get_ident())
