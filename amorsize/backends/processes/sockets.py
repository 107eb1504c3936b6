"""Sockets, and waiting for them, also where the system lacks a part of it.

Windows has no poll, no write of several buffers in one call, and no single read or write that does not
wait: there the caller's sockets do not wait at all while a run has them (:func:`wait_never`).
"""

from __future__ import annotations

import _socket  # socket adds selectors and enum: 3 ms, and nothing that is used here
import select
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

POLLIN, POLLOUT = getattr(select, "POLLIN", 1), getattr(select, "POLLOUT", 4)
DONTWAIT = getattr(_socket, "MSG_DONTWAIT", 0)
"""Flag of a read or write that does not wait; 0 where there is none."""
GATHERED_BYTES = 1 << 18
"""Without a gathered write, buffers are copied into one of at most so many bytes: more would be copied
again and again, since a socket of SOCKET_BYTES takes but a part."""


class SelectPoll:
    """What ``select.poll()`` gives, by ``select.select``; up to 512 sockets on Windows."""

    def __init__(self) -> None:
        self._events: dict[int, int] = {}

    def register(self, descriptor: int, events: int) -> None:
        """Wait for these events of a socket, too."""
        self._events[descriptor] = events

    modify = register

    def unregister(self, descriptor: int) -> None:
        """Wait for this socket no more."""
        del self._events[descriptor]

    def poll(self, milliseconds: float) -> list[tuple[int, int]]:
        """The sockets that something has happened to, and what."""
        seconds = milliseconds / 1000
        if not self._events:  # Windows refuses three empty lists
            time.sleep(seconds)
            return []
        reading = [one for one, events in self._events.items() if events & POLLIN]
        writing = [one for one, events in self._events.items() if events & POLLOUT]
        readable, writable, broken = select.select(reading, writing, list(self._events), seconds)
        found = dict.fromkeys((*readable, *broken), POLLIN)
        for descriptor in writable:
            found[descriptor] = found.get(descriptor, 0) | POLLOUT
        return list(found.items())


new_poll = getattr(select, "poll", SelectPoll)
"""Makes an object that waits for many sockets."""


def connected() -> tuple[_socket.socket, _socket.socket]:
    """Two sockets that are connected."""
    if hasattr(_socket, "socketpair"):
        return _socket.socketpair()
    import socket

    return socket.socketpair()


def write(
    sock: _socket.socket,
    views: Sequence[memoryview],
    flags: int = 0,
    beside: Sequence[tuple[int, int, Any]] = (),
) -> int:
    """Write what the socket takes of these buffers now; how many bytes that was. ``beside``: descriptors
    that go with the first byte, where there are any."""
    if hasattr(sock, "sendmsg"):
        return sock.sendmsg(views, beside, flags)
    if len(views) == 1 or len(views[0]) >= GATHERED_BYTES:
        return sock.send(views[0], flags)
    together, size = [], 0
    for view in views:
        together.append(view[: GATHERED_BYTES - size])
        size += len(together[-1])
        if size >= GATHERED_BYTES:
            break
    return sock.send(b"".join(together), flags)


def wait_never(sock: _socket.socket) -> None:
    """Have reads and writes with :data:`DONTWAIT` not wait, where that needs more than the flag."""
    if not DONTWAIT:
        sock.setblocking(False)
