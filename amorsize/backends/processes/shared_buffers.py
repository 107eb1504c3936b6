"""Large buffers that items hold again and again: written to memory once, which each worker maps.

::

    caller: item -> pickle, large buffers --first time--> the socket, as all buffers
                                          --again-------> a file in memory, kept for the run
                                                              |
    worker: item <- pickle, buffers <----- a private mapping of it (its descriptor comes by the socket)

An array that is in many items (``[(table, i) for i in range(100)]``) is copied twice, not a hundred
times. What is in one item only goes through the socket: a copy in and one out by two processes side by
side took 0.26 ms a MiB, a copy into new memory 0.5 (benchmarks/speed/large_data.py has the whole). A
mapping is private: what a function writes into its argument is its own, as with a copy.

A buffer is known again by its owner (the array), which is held by a weak reference, so that another in
its place is not taken for it. Only for items of a sequence: an iterator may fill one array anew for each
item.
"""

from __future__ import annotations

import _socket
import mmap
import os
from _weakref import ref
from array import array
from collections import OrderedDict, deque

from amorsize.backends.processes.protocol import SOCKET_BYTES, Receiver, above_stdio, encode, fcntl

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from amorsize.backends.processes.protocol import Pickled

LEAST_BYTES = SOCKET_BYTES
"""Smaller buffers fit into the socket: a worker need not wait for them."""
MOST_DESCRIPTORS = 253
"""Linux lets so many pass in one message (SCM_MAX_FD)."""
CLOSE_ON_EXEC = getattr(_socket, "MSG_CMSG_CLOEXEC", 0)
AVAILABLE = hasattr(os, "memfd_create") and hasattr(_socket, "SCM_RIGHTS")


class MemoryFile:
    """A file in memory; closed with the last reference to it."""

    def __init__(self, content: memoryview) -> None:
        with above_stdio():
            self.descriptor = os.memfd_create("amorsize")
        while content:
            content = content[os.write(self.descriptor, content) :]

    def __del__(self, close: Any = os.close) -> None:
        descriptor = getattr(self, "descriptor", -1)
        if descriptor >= 0:
            close(descriptor)


class SharedBuffers:
    """Those of one run, of the caller's side. ``most``: files kept; the run's workers can hold as many
    items at once, so that no more memory is taken than by copies on their way."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._seen: dict[int, tuple[Any, int]] = {}
        """Address of an owner -> a weak reference to it, bytes of its buffer."""
        self._files: OrderedDict[int, MemoryFile] = OrderedDict()
        """The same of those that came again, the one used last at the end."""

    def find(self, view: memoryview) -> MemoryFile | None:
        """The file that holds a buffer; None where it is to be sent. Seconds grow with its size."""
        owner = view.obj
        if view.nbytes < LEAST_BYTES:
            return None
        known = self._seen.get(id(owner))
        if known is None or known[0]() is not owner or known[1] != view.nbytes:
            self._note(owner, view.nbytes)
            return None
        file = self._files.pop(id(owner), None)
        if file is None:
            try:
                file = MemoryFile(view)
            except OSError:  # no room, no descriptor
                return None
        self._files[id(owner)] = file
        if len(self._files) > self._most:
            self._files.popitem(last=False)
        return file

    def _note(self, owner: object, size: int) -> None:
        self._files.pop(id(owner), None)
        try:
            self._seen[id(owner)] = ref(owner), size
        except TypeError:  # no weak references: it cannot be known again
            self._seen.pop(id(owner), None)

    def encode(
        self, kind: int, value: object, pickled: Pickled
    ) -> tuple[list[Any], list[MemoryFile]]:
        """As :func:`protocol.encode`, with the files whose descriptors are to go with the first byte."""
        files: list[MemoryFile] = []

        def held(view: memoryview) -> bool:
            file = self.find(view) if len(files) < MOST_DESCRIPTORS else None
            if file is not None:
                files.append(file)
            return file is not None

        return encode(kind, value, pickled, held), files


def message(files: Sequence[MemoryFile]) -> list[tuple[int, int, array[int]]]:
    """What ``sendmsg`` takes beside the bytes."""
    numbers = array("i", [file.descriptor for file in files])
    return [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, numbers)]


class MappingReceiver(Receiver):
    """Takes frames with descriptors, in a worker."""

    def __init__(self, sock: _socket.socket) -> None:
        super().__init__(sock)
        self._descriptors: deque[int] = deque()
        self._space = _socket.CMSG_SPACE(MOST_DESCRIPTORS * array("i").itemsize)

    def _read(self, size: int, flags: int) -> bytes:
        data, beside, _, _ = self.sock.recvmsg(size, self._space, flags | CLOSE_ON_EXEC)
        self._keep(beside)
        return data

    def _read_into(self, target: memoryview, flags: int) -> int:
        got, beside, _, _ = self.sock.recvmsg_into([target], self._space, flags | CLOSE_ON_EXEC)
        self._keep(beside)
        return got

    def _keep(self, beside: list[tuple[int, int, bytes]]) -> None:
        for level, kind, body in beside:
            if level == _socket.SOL_SOCKET and kind == _socket.SCM_RIGHTS:
                numbers = array("i")
                numbers.frombytes(body[: len(body) - len(body) % numbers.itemsize])
                self._descriptors.extend(map(_above_stdio, numbers))

    def _mapped(self, size: int) -> mmap.mmap:
        descriptor = self._descriptors.popleft()
        try:
            with above_stdio():  # the mapping keeps a descriptor of its own
                return mmap.mmap(
                    descriptor, size, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_WRITE
                )
        finally:
            os.close(descriptor)


def _above_stdio(descriptor: int) -> int:
    """The same file under a number that is not that of a standard stream which a daemon has closed."""
    if descriptor > 2:
        return descriptor
    moved: int = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 3)
    os.close(descriptor)
    return moved
