"""What passes between caller and worker: frames (socket), tickets (pipe), marks (shared memory).

::

    caller --frames: (start, items), settings ------ stream socket -----> one worker
           <--frames: results, failures, leaving ----
           --tickets: spans of positions ----------- pipe of the group --> any worker of it
           <--marks: item it is in, first unsent --- shared page --------- one worker

*Frames* are a header (kind, length of the pickle, number and lengths of the out-of-band buffers) followed
by the pickle and the buffers. Large buffers (NumPy arrays, bytes in protocol 5) are neither copied into
the pickle nor out of it: 10 MB over a socket pair with 1 MB of room takes 2 ms here, a pipe 7.7.

*Tickets* are 16 bytes that stand for a span of positions. A worker that has inherited the data needs
positions only. A read takes whole tickets in one system call (writes are of whole tickets, at most
PIPE_BUF bytes), so there is no lock that a dying worker could keep, and whichever worker is free takes
next.

The *shared page* holds 64-bit words that outlive the worker::

    | item of each thread | first unsent position of each | end of each stretch | allowed | base |
      written by the worker's threads, read by the caller    written by the caller | by the worker

Each word has one writer, and is written in one step, so that no lock is needed. After a death the marks
tell what was lost: ``[first, current)`` is done but unsent, ``current`` is the item that the worker died
in, the rest was never begun.
"""

from __future__ import annotations

import _socket
import mmap
import os
import struct
import sys
from array import array

from amorsize.backends.processes import sockets
from amorsize.items.errors import salvaged
from amorsize.items.pickling import dumps, loads
from amorsize.planning.chunking import TICKET_SECONDS, stretch_seconds

fcntl: Any
try:
    import fcntl
    import termios
except ImportError:  # Windows, which forks no workers; only those take tickets
    fcntl = None

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    Pickled = Callable[..., bytes]


RESULT, FAILURE, UNSENDABLE, READY, UNREADABLE, LEAVING, TOLD, CHANGED = range(1, 9)
"""Frames of a worker: (start, values, when it began them, (wall, CPU seconds), seconds spent on sending
before, number of its thread); (index, exception, traceback); the same for a result that cannot be
pickled; None when a spawned worker has been set up; (index, exception, traceback) of an item that cannot
be unpickled, index None for the function; spans that a worker which leaves for its memory has taken and
not begun; what was said beside the results (`output_relay`); names of what its items changed that
outlives them."""
WORK, SETUP, END = 1, 2, 3
"""Frames to a worker: (start, items), the run's settings, None at the end of a run."""
HEADER = struct.Struct("<BxxxIQ")
"""Kind of frame, number of buffers, bytes of the pickle."""
LENGTH = struct.Struct("<Q")
ELSEWHERE = 1 << 63
"""Added to the length of a buffer that does not follow: it is to be mapped."""
SOCKET_BYTES = 1 << 20
"""Room asked for in each direction: a worker goes on while the caller computes for 5 ms."""
READ_BYTES = 1 << 18
"""Bytes asked for at once while frames are small."""
MAX_PARTS = 512
"""Buffers in one system call; the kernel takes at most 1,024 (IOV_MAX)."""


class above_stdio:  # noqa: N801 # reads as words of the language
    """``with above_stdio(): ...``: descriptors that are opened there get numbers above 2. A daemon has
    closed the standard streams; a socket in the place of one would be taken for it by a worker."""

    def __enter__(self) -> None:
        self._filled: list[int] = []
        try:
            while (found := os.open(os.devnull, os.O_RDWR)) <= 2:
                self._filled.append(found)
            os.close(found)
        except OSError:  # no more to be had: whoever opens next is told
            pass

    def __exit__(self, *_: object) -> None:
        for descriptor in self._filled:
            os.close(descriptor)


def pair() -> tuple[_socket.socket, _socket.socket]:
    """Two connected sockets with room for a megabyte."""
    near, far = sockets.connected()
    for end in (near, far):
        for option in (_socket.SO_SNDBUF, _socket.SO_RCVBUF):
            try:
                end.setsockopt(_socket.SOL_SOCKET, option, SOCKET_BYTES)
            except OSError:  # a smaller room is slower, nothing else
                break
    return near, far


def encode(
    kind: int,
    value: object,
    pickled: Pickled = dumps,
    elsewhere: Callable[[memoryview], bool] | None = None,
) -> list[Any]:
    """The parts of a frame, ready for :func:`send`. Raises whatever pickling raises. A buffer that is
    ``elsewhere`` is only named (`shared_buffers`)."""
    buffers: list[Any] = []
    body = pickled(value, buffers)
    views = [view.raw() for view in buffers]
    head = HEADER.pack(kind, len(views), len(body))
    if len(body) < 4096 and not views:
        return [head + body]
    lengths, sent = [], []
    for view in views:
        if elsewhere is not None and elsewhere(view):
            lengths.append(LENGTH.pack(view.nbytes | ELSEWHERE))
        else:
            lengths.append(LENGTH.pack(view.nbytes))
            sent.append(view)
    return [head + b"".join(lengths), body, *sent]


def send(sock: _socket.socket, parts: list[Any]) -> None:
    """Write all parts; blocks while the other side is behind."""
    views = [memoryview(part).cast("B") for part in parts if len(part)]
    while views:
        sent = sockets.write(sock, views[:MAX_PARTS])
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


LARGE_BYTES = 1 << 22
"""From here on what comes is put into large pages: to touch a page of 4 KiB first costs 2.5 µs here, and
there are 256 in a MiB. A result of 32 MB or more was 4 times as dear to receive, one of 8 MB 1.4 times
(bytes received into either, beside other load; no script is kept). NumPy asks for large pages from the
same size on."""


def room(size: int) -> bytearray | mmap.mmap:
    """Memory for so many bytes that come, in large pages where the system has them."""
    if size < LARGE_BYTES or not hasattr(mmap, "MADV_HUGEPAGE"):
        return bytearray(size)
    made = mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    try:
        made.madvise(mmap.MADV_HUGEPAGE)
    except OSError:  # a kernel without large pages
        pass
    return made


class Closed(Exception):
    """The other side is gone."""


class Receiver:
    """Takes frames from a socket, whatever pieces they come in.

    :meth:`receive` reads once and returns the frames that are complete by then. A frame of which a part
    raised when it was unpickled comes as ``-kind``, with :class:`amorsize.items.errors.Unreadable` in its
    place."""

    def __init__(self, sock: _socket.socket) -> None:
        self.sock = sock
        self._small = bytearray()
        self._targets: list[memoryview] = []
        self._frame: tuple[int, list[bytearray | mmap.mmap]] | None = None

    def receive(self, flags: int = 0) -> list[tuple[int, Any]]:
        """Read what is there (once) and return complete frames as (kind, value).

        Raises :class:`Closed` at the end of the stream, BlockingIOError with MSG_DONTWAIT."""
        frames: list[tuple[int, Any]] = []
        if self._frame is not None:
            got = self._read_into(self._targets[0], flags)
            if not got:
                raise Closed
            self._advance(got)
            if not self._targets:
                frames.append(self._complete())
            return frames
        data = self._read(READ_BYTES, flags)
        if not data:
            raise Closed
        self._small += data
        while self._frame is None and self._begin():
            if not self._targets:
                frames.append(self._complete())
        return frames

    def _read(self, size: int, flags: int) -> bytes:
        return self.sock.recv(size, flags)

    def _read_into(self, target: memoryview, flags: int) -> int:
        return self.sock.recv_into(target, 0, flags)

    def _mapped(self, size: int) -> mmap.mmap:
        raise NotImplementedError

    def _begin(self) -> bool:
        """Start the next frame from the bytes at hand; False when there are too few."""
        small = self._small
        if len(small) < HEADER.size:
            return False
        kind, count, length = HEADER.unpack_from(small)
        start = HEADER.size + LENGTH.size * count
        if len(small) < start:
            return False
        parts: list[bytearray | mmap.mmap] = [room(length)]
        self._targets = [memoryview(parts[0])] if length else []
        for i in range(count):
            (size,) = LENGTH.unpack_from(small, HEADER.size + LENGTH.size * i)
            if size & ELSEWHERE:
                parts.append(self._mapped(size & ~ELSEWHERE))
                continue
            parts.append(room(size))
            if size:
                self._targets.append(memoryview(parts[-1]))
        self._frame = (kind, parts)
        have = small[start : start + sum(map(len, self._targets))]
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
            return kind, loads(parts[0], parts[1:])
        except Exception:
            return -kind, salvaged(parts)


TICKET = 16
"""Bytes of a ticket: first position and one past the last, signed 64-bit integers. The second is negative
where the item is to be by itself, since a worker died in it or near it."""


class TicketReader:
    """The reading end of the pipe of tickets, for one worker (or the caller as one)."""

    def __init__(self, pipe: int, workers: int) -> None:
        self.pipe, self.workers = pipe, workers
        self._stretch_seconds = stretch_seconds(workers)
        self._size = 1
        """Items behind one of the tickets taken last."""

    def take(self, per: float) -> list[tuple[int, int]]:
        """Stretches of about 5 ms of work (more for many workers: ``stretch_seconds``) with ``per``
        seconds an item, less when little is left; [] at the end.

        Tickets that follow one another are one stretch: as a message each, tickets of 0.1 ms cost 8 to
        17 %."""
        fair = waiting_tickets(self.pipe) // (2 * self.workers)
        least = max(per * self._size, TICKET_SECONDS)
        quick = int(self._stretch_seconds / least) if per > 0 else 1
        try:
            body = os.read(self.pipe, TICKET * max(1, min(fair, quick)))
        except BlockingIOError:  # the caller is emptying it after the death of another worker
            return []
        spans = sorted(_pairs(body))
        if spans:
            self._size = sum(abs(hi) - lo for lo, hi in spans) // len(spans)
        return joined(spans)


def waiting_tickets(pipe: int) -> int:
    """Tickets that wait in the pipe; one, if there are any, where the system does not count them."""
    if fcntl is None:
        import select

        return len(select.select([pipe], [], [], 0)[0])
    left = array("i", [0])
    fcntl.ioctl(pipe, termios.FIONREAD, left)
    return left[0] // TICKET


def new_tickets() -> array[int]:
    """An empty list of tickets: first position, one past the last, and so on."""
    return array("q")


def parse_tickets(body: bytes) -> list[tuple[int, int]]:
    """First position of each, and one past the last."""
    return [(lo, abs(hi)) for lo, hi in _pairs(body)]


def _pairs(body: bytes) -> list[tuple[int, int]]:
    numbers = new_tickets()
    numbers.frombytes(body)
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def joined(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The same positions, neighbours in one but for those that are to be by themselves."""
    found: list[tuple[int, int]] = []
    open_end = -1
    for lo, hi in spans:
        if open_end == lo and hi > 0:
            lo = found.pop()[0]
        found.append((lo, abs(hi)))
        open_end = hi
    return found


MARKS = 3
"""Marks of a thread: the item it is in; first position that is not sent; where its stretch ends."""
UNLIMITED = -1
ALLOWED, BASE = 0, 1
ROOM_WORDS = 2
"""Words about memory: bytes that the worker may grow by (0: leave); bytes that it held at first."""


class SharedPage:
    """The words of one worker, for so many threads."""

    def __init__(self, words: memoryview[int], slots: int) -> None:
        self.slots = slots
        """Threads that there is room for."""
        end = MARKS * slots
        self.marks = words[:end]
        self.room = words[end : end + ROOM_WORDS]

    @staticmethod
    def size(slots: int) -> int:
        """Bytes for so many threads."""
        return 8 * (MARKS * slots + ROOM_WORDS)

    def clear(self) -> None:
        """No thread is in any item; nothing is known of the worker's memory, and nothing asked of it."""
        for number in range(len(self.marks)):
            self.marks[number] = -1
        self.room[ALLOWED] = self.room[BASE] = UNLIMITED

    def running(self, threads: int) -> list[int]:
        """Positions of the items that the worker's threads are in."""
        return [position for position in self.marks[:threads] if position >= 0]

    def unsent(self, threads: int) -> Iterator[tuple[int, int, int]]:
        """For each stretch whose results have not been sent: its first position, the item its thread is
        in (-1: before its first item or, more often, after its last), its end."""
        marks, slots = self.marks, self.slots
        for slot in range(threads):
            if marks[slots + slot] >= 0:
                yield marks[slots + slot], marks[slot], marks[2 * slots + slot]
