"""Worker processes as the caller keeps account of them: what each holds, where it is, how it is started.

::

    Launcher --launch--> WorkerHandle (socket, page, lifeline) --in--> WorkerGroup (one ticket pipe)
                              | all of a run, by the descriptor of their socket
                              v
                         WorkerTable, with the poll object that the caller sleeps on

Only the caller's thread touches these. The other side of a handle, in the worker process, is
``worker.Worker``.
"""

from __future__ import annotations

import _socket
import os
import time
from collections import deque

from amorsize.backends.processes import protocol, shared_buffers, sockets
from amorsize.backends.processes.protocol import parse_tickets
from amorsize.core.frozen import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

    from amorsize.backends.base import BackendSpec
    from amorsize.backends.processes.exit_status import End
    from amorsize.backends.processes.protocol import SharedPage
    from amorsize.backends.processes.shared_buffers import MemoryFile
    from amorsize.items.source import ItemSource

clock = time.perf_counter


class WorkerHandle:
    """One worker process as the caller sees it."""

    def __init__(
        self,
        pid: int,
        sock: _socket.socket,
        page: SharedPage,
        group: WorkerGroup,
        lifeline: int = -1,
        threads: int | None = None,
    ) -> None:
        """``lifeline``: the caller's end of a pipe whose closing kills the worker. ``threads``: those of
        the worker, where the page has room for more; a worker that is told so is not ready at first."""
        self.pid, self.sock, self.page, self.group = pid, sock, page, group
        self.receiver = protocol.Receiver(sock)
        self.held: dict[int, Sequence[Any]] = {}
        """Runs sent to this worker and not answered: first open position -> items from there on."""
        self.ready = threads is None
        """A spawned worker is not, until it has loaded its function."""
        self.answered = False
        """It has sent a result."""
        self.leaving = False
        """It has said that it leaves: what it holds goes back."""
        self._threads = page.slots if threads is None else threads
        self._lifeline = lifeline
        self._outbox: list[memoryview] = []
        self._behind: deque[tuple[list[memoryview], Sequence[MemoryFile]]] = deque()
        """Frames behind it, from the first that has files on."""
        self._peak_bytes = 0
        self._overdue = False
        self._seen: dict[int, tuple[int, float]] = {}
        """With a time limit: slot -> the position it was last seen in, and since when."""

    def running(self) -> list[int]:
        """Positions of the items that it is in."""
        return self.page.running(self._threads)

    def unsent(self) -> Iterator[tuple[int, int, int]]:
        """Stretches whose results it has not sent: see :meth:`SharedPage.unsent`."""
        return self.page.unsent(self._threads)

    def takes_frames(self) -> bool:
        """Whether items may be sent to it now."""
        return self.ready and not (self.group.shared or self._overdue or self.leaving)

    # -- what happens to it ---------------------------------------------------------------------

    def now_ready(self) -> None:
        """It has loaded its function."""
        self.ready = True

    def now_answering(self) -> None:
        """It has sent a result."""
        self.answered = True

    def now_leaving(self) -> None:
        """It leaves between two items. One that is sent its items takes no more of them."""
        self.leaving = True
        if not self.group.shared:
            self._clear()
            try:
                self.sock.shutdown(_socket.SHUT_WR)  # its other threads wait for no more
            except OSError:
                pass

    def note_memory(self, held_bytes: int) -> None:
        """It was seen to hold so much."""
        self._peak_bytes = max(self._peak_bytes, held_bytes)

    @property
    def peak_bytes(self) -> int:
        """Most memory that it was seen to hold."""
        return self._peak_bytes

    def overdue_item(self, now: float, timeout: float) -> int | None:
        """Position of an item that it has stood in for too long; told once. O(threads)."""
        for slot in range(self._threads):
            position = self.page.marks[slot]
            if position < 0:
                self._seen.pop(slot, None)
            elif slot not in self._seen or self._seen[slot][0] != position:
                self._seen[slot] = position, now
            elif now - self._seen[slot][1] > timeout and not self._overdue:
                self._overdue = True
                return position
        return None

    # -- sending --------------------------------------------------------------------------------

    def send(
        self,
        start: int,
        items: Sequence[Any],
        parts: list[Any],
        files: Sequence[MemoryFile] = (),
    ) -> None:
        """Have items sent, which are ``parts`` of a frame; :meth:`pump` writes them. The descriptors of
        ``files`` go with its first byte."""
        self.held[start] = items
        views = [memoryview(part).cast("B") for part in parts if len(part)]
        if files or self._behind:
            self._behind.append((views, files))
        else:
            self._outbox += views

    def pump(self) -> None:
        """Write what the socket takes now."""
        outbox = self._outbox
        try:
            while outbox or self._behind:
                beside: list[Any] = []
                if not outbox:
                    outbox, files = self._behind[0]
                    beside = [shared_buffers.message(files)] if files else []
                views = outbox[: protocol.MAX_PARTS]
                sent = sockets.write(self.sock, views, sockets.DONTWAIT, *beside)
                if outbox is not self._outbox:  # its descriptors have gone with its first byte
                    self._behind.popleft()
                    self._outbox = outbox
                while outbox and sent >= len(outbox[0]):
                    sent -= len(outbox.pop(0))
                if sent:
                    outbox[0] = outbox[0][sent:]
        except BlockingIOError:
            pass
        except OSError:  # the worker is gone: its end of file will be read in time
            self._clear()

    def _clear(self) -> None:
        self._outbox.clear()
        self._behind.clear()

    @property
    def has_output(self) -> bool:
        """Whether something is still to be written to it."""
        return bool(self._outbox or self._behind)

    def item_at(self, position: int) -> Sequence[Any]:
        """The item of a position that this worker was sent and has not answered; empty for others."""
        for start, items in self.held.items():
            if start <= position < start + len(items):
                return items[position - start : position - start + 1]
        return ()

    def answered_run(self, start: int, count: int) -> None:
        """The results of ``count`` items from position ``start`` on have come."""
        if self.group.shared:
            self.group.shorten(start, count)
        else:
            items = self.held.pop(start)
            if count < len(items):
                self.held[start + count] = items[count:]

    def forget(self) -> None:
        """Close the caller's ends: it is over, or (in a forked process) it is another's worker."""
        self.sock.close()
        if self._lifeline >= 0:
            os.close(self._lifeline)
            self._lifeline = -1


class WorkerGroup:
    """Workers that were started the same way and share one pipe of tickets, if there is one.

    What a dead worker had taken from the pipe is known when the rest of its group has left: the pipe is
    emptied and closed at the first death, a new group goes on, the rest of the old one finishes what it
    holds."""

    def __init__(self, launcher: Launcher, *, shared: bool) -> None:
        self.launcher, self.shared = launcher, shared
        self.open_runs: dict[int, int] = {}
        """Dispatched and unanswered: first open position -> one past the last (tickets only)."""
        self.read_fd = self.write_fd = self.own_fd = -1
        if shared:
            self.read_fd, self.write_fd, self.own_fd = _ticket_pipe()
            os.set_blocking(self.write_fd, False)

    @property
    def is_open(self) -> bool:
        """Whether it takes new work."""
        return not self.shared or self.write_fd >= 0

    def settle(self, start: int, stop: int) -> int:
        """Nothing is open from ``start`` to ``stop`` any more; returns where the last ticket of it ends.
        A stretch may span several tickets."""
        end = start
        while end < stop and end in self.open_runs:
            end = self.open_runs.pop(end)
        return end

    def shorten(self, start: int, count: int) -> None:
        """So many items from ``start`` on are answered; the rest of the last ticket stays open."""
        end = self.settle(start, start + count)
        if end > start + count:
            self.open_runs[start + count] = end

    def reclaim(self, source: ItemSource) -> None:
        """Take back what no worker has taken from the pipe, and dispatch no more."""
        if self.read_fd < 0:
            return
        self.end_dispatch()  # a worker that reads meanwhile finds the end, and so does the caller
        os.set_blocking(self.read_fd, False)
        while True:
            try:
                body = os.read(self.read_fd, 65536)
            except BlockingIOError:
                return
            if not body:
                return
            for lo, hi in parse_tickets(body):
                del self.open_runs[lo]
                source.give_back(lo, hi - lo)

    def end_dispatch(self) -> None:
        """The end of file tells the workers that this was all."""
        if self.write_fd >= 0:
            os.close(self.write_fd)
            self.write_fd = -1

    def keep_reading_end(self) -> None:
        """In a forked worker: it reads its tickets as workers do, and writes none."""
        self.end_dispatch()
        if self.own_fd >= 0:
            os.close(self.own_fd)
            self.own_fd = -1

    def close(self) -> None:
        """Close both ends of the pipe."""
        self.keep_reading_end()
        if self.read_fd >= 0:
            os.close(self.read_fd)
            self.read_fd = -1


def _ticket_pipe() -> tuple[int, int, int]:
    """A pipe: the end that workers read, the end to write to, and the first as the caller reads it.

    The caller reads without waiting, for a worker may take the last ticket between the caller's look and
    its reading. That needs a second opening of the pipe, since a duplicate waits as the original does."""
    read_fd, write_fd = os.pipe()
    try:
        again = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
        return read_fd, write_fd, os.open(f"/proc/self/fd/{read_fd}", again)
    except OSError:  # no /proc: a pipe with a name can be opened twice
        os.close(read_fd)
        os.close(write_fd)
    import tempfile

    with tempfile.TemporaryDirectory(prefix="amorsize") as folder:
        path = os.path.join(folder, "tickets")
        os.mkfifo(path, 0o600)
        own_fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        write_fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC), write_fd, own_fd


@dataclass(frozen=True)
class LaunchSpec:
    """What a launcher is told of the worker that it starts."""

    spec: BackendSpec
    group: WorkerGroup
    item_seconds: float
    flush_seconds: float
    let_go: Callable[[], None]
    """To be called in a forked worker: it closes what belongs to the caller and to other workers."""


class Launcher:
    """Starts worker processes and ends them: ``fork.ForkLauncher``, ``spawn.SpawnLauncher``."""

    inherits = False
    """Whether workers have the data, so that tickets suffice."""

    def __init__(self) -> None:
        self.changed: dict[str, None] = {}
        """Names of what workers told of when they were released."""

    def pickled(self, value: object, buffers: list[Any] | None = None) -> bytes:
        """How items are pickled on their way to a worker."""
        raise NotImplementedError

    def launch(self, given: LaunchSpec) -> WorkerHandle:
        """Start one worker. Raises OSError where the system has no room for it."""
        raise NotImplementedError

    def release(self, worker: WorkerHandle, *, abort: bool) -> float:
        """End a worker, in the middle of its item if ``abort``; returns the CPU seconds that it used, 0
        where they are not known."""
        raise NotImplementedError

    def reap(self, worker: WorkerHandle) -> End:
        """How a worker ended whose socket has closed."""
        raise NotImplementedError


class WorkerTable:
    """The living workers of one run, and what the caller sleeps on until one of them answers."""

    def __init__(self) -> None:
        self.workers: dict[int, WorkerHandle] = {}
        """By the descriptor of their _socket."""
        self.group: WorkerGroup
        """The group that gets new work; it is no longer in ``groups`` when all of it have left."""
        self.groups: list[WorkerGroup] = []
        """That one, and those before it that have not all left."""
        self._poll = sockets.new_poll()
        self._wake: tuple[_socket.socket, _socket.socket] | None = None

    def open_group(self, launcher: Launcher, *, shared: bool) -> None:
        """From now on a new group gets the work."""
        self.group = WorkerGroup(launcher, shared=shared)
        self.groups.append(self.group)

    def open_wake(self) -> None:
        """Have :meth:`wake` end the caller's wait."""
        self._wake = sockets.connected()
        for end in self._wake:
            end.setblocking(False)
        self._poll.register(self._wake[0].fileno(), sockets.POLLIN)

    def wake(self) -> None:
        """End the caller's wait for results; from any thread."""
        if self._wake is not None:
            try:
                self._wake[1].send(b"!")
            except OSError:  # full: the caller is awake already; closed: the run is over
                pass

    def sleep(self, seconds: float) -> None:
        """Wait for :meth:`wake` where there is no worker to wait for."""
        assert self._wake is not None
        import select

        ready, _, _ = select.select([self._wake[0]], [], [], seconds)
        if ready:
            self._wake[0].recv(4096)

    def poll(self, seconds: float) -> list[tuple[WorkerHandle | None, int]]:
        """Workers with something to read or room to write, and which of both (poll's events); None stands
        for :meth:`wake`, which is taken note of."""
        found: list[tuple[WorkerHandle | None, int]] = []
        for fd, event in self._poll.poll(seconds * 1000):
            worker = self.workers.get(fd)
            if worker is not None:
                found.append((worker, event))
            elif self._wake is not None and fd == self._wake[0].fileno():
                self._wake[0].recv(4096)
                found.append((None, event))
        return found

    def add(self, worker: WorkerHandle) -> None:
        """A worker was started."""
        self.workers[worker.sock.fileno()] = worker
        sockets.wait_never(worker.sock)
        self._poll.register(worker.sock.fileno(), sockets.POLLIN)

    def has(self, worker: WorkerHandle) -> bool:
        """Whether a worker is still there."""
        return self.workers.get(worker.sock.fileno()) is worker

    def remove(self, worker: WorkerHandle) -> None:
        """A worker has gone."""
        fd = worker.sock.fileno()
        self._poll.unregister(fd)
        del self.workers[fd]

    def pump(self, worker: WorkerHandle) -> None:
        """Write what a worker takes now; poll tells when it takes more."""
        worker.pump()
        events = sockets.POLLIN | (sockets.POLLOUT if worker.has_output else 0)
        self._poll.modify(worker.sock.fileno(), events)

    def has_open_items(self) -> bool:
        """Whether items have been dispatched whose results have not come."""
        return any(group.open_runs for group in self.groups) or any(
            worker.held for worker in self.workers.values()
        )

    def any_left_of(self, group: WorkerGroup) -> bool:
        """Whether workers of a group are still there."""
        return any(worker.group is group for worker in self.workers.values())

    def keep_group_only(self) -> None:
        """In a new forked worker: of its run it keeps the pipe that it reads its tickets from."""
        for worker in self.workers.values():
            worker.forget()
        self.workers = {}
        for group in self.groups:
            if group is self.group:
                group.keep_reading_end()
            else:
                group.close()

    def close_all(self) -> None:
        """In a worker that another run has forked, or at the end: nothing is held open."""
        for worker in self.workers.values():
            worker.forget()
        self.workers = {}
        self.close()

    def close(self) -> None:
        """Close all but the sockets of workers."""
        for group in self.groups:
            group.close()
        if self._wake is not None:
            for end in self._wake:
                end.close()
