"""No connection of a history is open across a fork: the child would share the parent's.

Histories that hold connections are watched. Before a fork each is asked to end the call that another
thread is in, and to disconnect; parent and child connect again when they next need to.
"""

from __future__ import annotations

import os
import weakref

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _thread import LockType
    from typing import Protocol

    class Connected(Protocol):
        """A history with a connection that is used under a lock."""

        _lock: LockType

        def _disconnect_quietly(self) -> None: ...


_watched: weakref.WeakSet[Connected] = weakref.WeakSet()
_held: list[Connected] = []
"""Histories whose lock is held across the fork that is going on."""


def watch(history: Connected) -> None:
    """Close the history's connection before every fork."""
    _watched.add(history)


def _before_fork() -> None:
    for history in list(_watched):
        history._lock.acquire()
        _held.append(history)
        history._disconnect_quietly()


def _after_fork() -> None:
    while _held:
        _held.pop()._lock.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork
    )
