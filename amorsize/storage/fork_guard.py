"""No connection is open across a fork: the child would share the parent's.

::

    os.fork()   before:  take the lock of every holder, so that no thread is in a call; disconnect
                parent:  release the locks; the next call connects again
                child:   release the locks; leave to the parent what belongs to its process

The locks are released by the thread that took them: in the child it is the only thread.
"""

from __future__ import annotations

import os
import weakref

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _thread import LockType


class ForkGuarded:
    """Base of what holds a connection that threads use in turns under ``_lock``."""

    _lock: LockType

    def _disconnect(self) -> None:
        """Close the connection; never raises. Called under the lock."""
        raise NotImplementedError

    def _leave_to_parent(self) -> None:
        """In the child of a fork: let go of what stays the parent's."""


_watched: weakref.WeakSet[ForkGuarded] = weakref.WeakSet()
_held: list[ForkGuarded] = []
"""Holders whose lock is held across the fork that is going on."""


def watch(holder: ForkGuarded) -> None:
    """Close the holder's connection before every fork."""
    _watched.add(holder)


def _before_fork() -> None:
    for holder in list(_watched):
        holder._lock.acquire()
        _held.append(holder)
        holder._disconnect()


def _after_in_parent() -> None:
    while _held:
        _held.pop()._lock.release()


def _after_in_child() -> None:
    while _held:
        holder = _held.pop()
        holder._lock.release()
        holder._leave_to_parent()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork, after_in_parent=_after_in_parent, after_in_child=_after_in_child
    )
