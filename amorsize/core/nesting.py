"""Whether the present thread or process works for a run already: a call of amorsize there stays serial.

A thread is marked while it is inside the user's function for a run (its own or a worker thread's); a
process is marked for its whole life when amorsize started it. Sets of integers are changed by one
atomic operation, and each thread only adds and removes itself.
"""

from __future__ import annotations

from _thread import get_ident

busy_threads: set[int] = set()
"""Identities of the threads of this process that work for a run."""

in_worker = False
"""True in a process that amorsize started."""


def become_worker() -> None:
    """Mark this process as a worker, for its whole life."""
    global in_worker
    in_worker = True


def is_nested() -> bool:
    """Whether a call of amorsize by the present thread comes from inside a run."""
    return in_worker or get_ident() in busy_threads


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
