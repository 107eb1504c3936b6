"""Frames between caller and worker over a stream socket.

A frame is a header (kind, length of the pickle, number and lengths of the out-of-band buffers)
followed by the pickle and the buffers. Large buffers (NumPy arrays, bytes in protocol 5) are neither
copied into the pickle nor out of it: 10 MB over a socket pair with 1 MB of room takes 2 ms here, a
pipe 7.7.
"""

from __future__ import annotations

import pickle
import socket
import struct
import sys

from amorsize.items.partial_unpickle import salvaged
from amorsize.items.pickling import dumps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

RESULT, FAILURE, UNSENDABLE, READY, UNREADABLE, LEAVING, TOLD = 1, 2, 3, 4, 5, 6, 7
"""Frames of a worker: (start, values, when it began them, seconds, seconds spent on sending before,
number of its thread); (index, exception, traceback); the same for a result that cannot be pickled;
None when a spawned worker has been set up; (index, exception, traceback) of an item that cannot be
unpickled; spans that a worker which leaves for its memory has taken and not begun; what was said beside
the results (`output_relay`)."""
WORK, SETUP, END = 1, 2, 3
"""Frames to a worker: (start, items), the run's settings, None at the end of a run."""
HEADER = struct.Struct("<BxxxIQ")
"""Kind of frame, number of buffers, bytes of the pickle."""
LENGTH = struct.Struct("<Q")
SOCKET_BYTES = 1 << 20
"""Room asked for in each direction: a worker goes on while the caller computes for 5 ms."""
READ_BYTES = 1 << 18
"""Bytes asked for at once while frames are small."""
MAX_PARTS = 512
"""Buffers in one system call; the kernel takes at most 1,024 (IOV_MAX)."""


def pair() -> tuple[socket.socket, socket.socket]:
    """Two connected sockets with room for a megabyte."""
    near, far = socket.socketpair()
    for end in (near, far):
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            try:
                end.setsockopt(socket.SOL_SOCKET, option, SOCKET_BYTES)
            except OSError:  # a smaller room is slower, nothing else
                break
    return near, far


def encode(kind: int, value: object, pickled: Callable[..., bytes] = dumps) -> list[Any]:
    """The parts of a frame, ready for :func:`send`. Raises whatever pickling raises."""
    buffers: list[Any] = []
    body = pickled(value, buffers)
    views = [view.raw() for view in buffers]
    head = HEADER.pack(kind, len(views), len(body))
    lengths = b"".join(LENGTH.pack(view.nbytes) for view in views)
    if len(body) < 4096 and not views:
        return [head + body]
    return [head + lengths, body, *views]


def send(sock: socket.socket, parts: list[Any]) -> None:
    """Write all parts; blocks while the other side is behind."""
    views = [memoryview(part).cast("B") for part in parts if len(part)]
    while views:
        sent = sock.sendmsg(views[:MAX_PARTS])
        while views and sent >= len(views[0]):
            sent -= len(views.pop(0))
        if sent:
            views[0] = views[0][sent:]


def flush_output() -> None:
    """Send out what has been printed: before a fork, or a frame, takes it over."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:  # closed or odd streams are the user's affair
            pass


class Closed(Exception):
    """The other side is gone."""


class Receiver:
    """Takes frames from a socket, whatever pieces they come in.

    :meth:`receive` reads once and returns the frames that are complete by then. A frame of which a part
    raised when it was unpickled comes as ``-kind``, with :class:`partial_unpickle.Unreadable` in its
    place."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._small = bytearray()
        self._targets: list[memoryview] = []
        self._frame: tuple[int, list[bytearray]] | None = None

    def receive(self, flags: int = 0) -> list[tuple[int, Any]]:
        """Read what is there (once) and return complete frames as (kind, value).

        Raises :class:`Closed` at the end of the stream, BlockingIOError with MSG_DONTWAIT."""
        frames: list[tuple[int, Any]] = []
        if self._frame is not None:
            got = self.sock.recv_into(self._targets[0], 0, flags)
            if not got:
                raise Closed
            self._advance(got)
            if not self._targets:
                frames.append(self._complete())
            return frames
        data = self.sock.recv(READ_BYTES, flags)
        if not data:
            raise Closed
        self._small += data
        while self._frame is None and self._begin():
            if not self._targets:
                frames.append(self._complete())
        return frames

    def _begin(self) -> bool:
        """Start the next frame from the bytes at hand; False when there are too few."""
        small = self._small
        if len(small) < HEADER.size:
            return False
        kind, count, length = HEADER.unpack_from(small)
        start = HEADER.size + LENGTH.size * count
        if len(small) < start:
            return False
        sizes = [length]
        sizes += [LENGTH.unpack_from(small, HEADER.size + LENGTH.size * i)[0] for i in range(count)]
        parts = [bytearray(size) for size in sizes]
        self._frame = (kind, parts)
        self._targets = [memoryview(part) for part in parts if part]
        have = small[start : start + sum(sizes)]
        del small[: start + len(have)]
        view = memoryview(have)
        while len(view):
            piece = view[: len(self._targets[0])]
            self._targets[0][: len(piece)] = piece
            view = view[len(piece) :]
            self._advance(len(piece))
        return True

    def _advance(self, count: int) -> None:
        if count == len(self._targets[0]):
            del self._targets[0]
        else:
            self._targets[0] = self._targets[0][count:]

    def _complete(self) -> tuple[int, Any]:
        assert self._frame is not None
        kind, parts = self._frame
        self._frame = None
        try:
            return kind, pickle.loads(parts[0], buffers=parts[1:])  # nosec B301 # of our own worker
        except Exception:
            return -kind, salvaged(parts)
