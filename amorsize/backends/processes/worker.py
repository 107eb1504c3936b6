"""What runs in a worker process: become one, take work, run it, send results; never returns.

::

    caller                         worker (forked: has function and data; spawned: is sent them)
    tickets --pipe (16 bytes)----> take -> run_chunk -> send --socket--> results
    or frames --socket-----------> take

A forked worker on indexed data takes *tickets* (spans of positions) from a pipe that all workers share;
every other worker is sent its items in frames. End of file ends the worker. With several threads, a lock
for taking and one for sending let one thread at a time touch the socket. What a process does once to
become a worker (signals, the tie to its caller, seeds, inner threads) is :func:`set_up`.
"""

from __future__ import annotations

import _pickle
import _signal as signal  # type: ignore[import-not-found]  # as in exit_status
import os
import sys
import time
from _contextvars import copy_context
from _thread import allocate_lock, start_new_thread
from collections import deque

from amorsize.backends.processes import output_relay, protocol
from amorsize.backends.processes.protocol import TicketReader
from amorsize.core.frozen import dataclass
from amorsize.core.nesting import become_worker
from amorsize.items.call import Pace, run_chunk
from amorsize.items.errors import breakage, portable
from amorsize.items.pickling import PLAIN, changes, dumps, loads
from amorsize.machine.native_libraries import limit_inner_threads
from amorsize.planning.chunking import FRAME_SECONDS, items_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket
    from collections.abc import Callable, Sequence
    from typing import Any

    from amorsize.backends.processes.memory import MemoryGuard
    from amorsize.backends.processes.protocol import SharedPage
    from amorsize.items.call import ChunkOutcome, ItemFailed


OOM_SCORE = 500
"""Thousandths of the machine's memory that a worker seems to have more when the kernel looks for a
process to end; what a user's own process has is kept if it is more."""
F_SETSIG = 10
"""Linux: which signal tells of input on a descriptor (fcntl.h; not in the fcntl module)."""


def die_with(lifeline: int) -> None:
    """Have this process end when the caller's end of the lifeline pipe closes.

    A worker deep in an item cannot read an end of file. On Linux SIGIO on the pipe, turned into SIGKILL,
    needs no thread and no ctypes and, unlike PDEATHSIG, does not fire when the thread that forked ends.
    Owner and signal belong to the open pipe, so each worker has one of its own. On other systems a
    thread reads the pipe; an item that never gives up the GIL keeps it from ending the process.
    """
    fcntl = protocol.fcntl
    if fcntl is None or not sys.platform.startswith("linux"):
        start_new_thread(_end_with, (lifeline,))
        return
    import select

    fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(lifeline, F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)
    poll = select.poll()
    poll.register(lifeline, 0)
    if poll.poll(0):  # the caller has gone before the signal was asked for
        os._exit(1)


def _end_with(lifeline: int) -> None:
    """In a thread: wait for the end of the caller, which writes nothing, and end this process."""
    try:
        os.read(lifeline, 1)
    finally:
        os._exit(1)


def set_up(inner_threads: int) -> None:
    """Make this process a worker: signals, seeds, inner threads. Called once at its start."""
    become_worker()

    # A function, not SIG_IGN: a program that the user's function starts must not inherit it.
    signal.signal(signal.SIGINT, ignore)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        signal.set_wakeup_fd(-1)
    except ValueError:
        pass
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None:  # the standard library's random reseeds itself after a fork
        numpy_random.seed()
    limit_inner_threads(inner_threads)
    _offer_to_the_kernel()


def _offer_to_the_kernel() -> None:
    """Where memory runs out the kernel is to end a worker, not the caller, which knows what to do
    then."""
    try:
        with open("/proc/self/oom_score_adj", "r+b", 0) as file:
            if int(file.read()) < OOM_SCORE:
                file.write(b"%d" % OOM_SCORE)
    except (OSError, ValueError):
        pass


def ignore(signum: int, frame: object) -> None:
    """Ctrl-C is the caller's to answer."""


clock = time.perf_counter


@dataclass(frozen=True)
class WorkerJob:
    """What a worker is to do in one run."""

    func: Callable[[Any], Any]
    on_error: str
    workers: int
    """Threads of all workers together, for a fair share of the tickets."""
    item_seconds: float
    """Seconds that an item is expected to take."""
    page: SharedPage
    """Where its threads mark the items that they are in."""
    flush_seconds: float = FRAME_SECONDS
    """Results are sent at least so often; 0 sends each by itself."""
    data: Sequence[Any] | None = None
    """The items, where they were inherited and tickets name them; None where they come in frames."""
    ticket_pipe: int = -1
    pickled: Callable[..., bytes] = dumps
    """How results are pickled."""
    late_look: Callable[..., tuple[str, ...]] | None = None
    """As in the backend's spec."""
    late_maker: Callable[[Any], Callable[..., tuple[str, ...]]] | None = None
    """As in the backend's spec."""
    travels: frozenset[type] | None = None
    """As in the backend's spec."""


class Worker:
    """One worker process in one run, with one thread or several that take work side by side."""

    def __init__(
        self, job: WorkerJob, sock: _socket.socket, receiver: protocol.Receiver | None = None
    ) -> None:
        self.job = job
        self.reusable = True
        """Whether it may serve another run: no error has ended this one, nor does it leave for its
        memory."""
        self._sock = sock
        self._receiver = protocol.Receiver(sock) if receiver is None else receiver
        self._tickets = TicketReader(job.ticket_pipe, job.workers)
        self._guard: MemoryGuard | None = None
        self._pid = os.getpid()
        self._said: deque[list[Any]] = deque()
        """What the function has said and is not sent yet."""
        self._ended = self._left = False
        """No more work is taken; since it grew too large."""
        self._salvaged = False
        """Some items came that could not be unpickled."""
        self._queue: deque[tuple[int, Sequence[Any]]] = deque()
        self._moved: dict[int, float] = {}
        """Thread -> seconds that sending its last results took, until they are told."""
        self._late_look = job.late_look
        self._looked = job.late_look is None
        """It has looked at what its first stretch changed."""
        self._first = job.late_maker is not None
        """Its first item is to be run by itself: what only that changes (a model that is loaded, a cache)
        the caller has, too."""
        self._travel = None if job.travels is None else {*job.travels, *PLAIN}
        """Classes whose results come back as they went, as far as it was tried."""
        self._changed: set[str] = set()
        """What the caller was told of already."""
        self._taking = allocate_lock()
        self._sending = allocate_lock()

    def run(self, threads: int, guard: MemoryGuard) -> None:
        """Work until the end of the run; the calling thread is the first of ``threads``."""
        self._guard = guard
        gone = []
        for number in range(1, threads):
            lock = allocate_lock()
            lock.acquire()
            start_new_thread(copy_context().run, (self._body, number, lock))
            gone.append(lock)
        self._body(0, None)
        for lock in gone:
            lock.acquire()
        self._look(process=True)

    def _begin_to_look(self) -> None:
        """The first item of a fresh interpreter is done: what changes from now on is told."""
        self._first = False
        assert self.job.late_maker is not None
        self._late_look, self._looked = self.job.late_maker(self.job.func), False

    def _look(self, *given: Sequence[Any], process: bool) -> None:
        """Tell the caller what changed and outlives the items."""
        self._looked = True
        if self._late_look is None:
            return
        changed = [name for name in self._late_look(process, *given) if name not in self._changed]
        if changed or not process:  # the caller may wait for the first word
            self._changed.update(changed)
            self._send(protocol.encode(protocol.CHANGED, tuple(changed)))

    def _body(self, thread: int, gone: Any) -> None:
        try:
            take = self._take_tickets if self.job.data is not None else self._take_frame
            pace = Pace(self.job.item_seconds)
            undone: list[tuple[int, int]] = []
            while not self._ended:
                run = take(pace.item_seconds)
                if run is None:
                    break
                for start, items in run:
                    self._run(start, items, pace, thread, undone)
            if self._left:
                self._send(protocol.encode(protocol.LEAVING, undone))
        finally:
            if gone is not None:
                gone.release()

    def _run(
        self,
        start: int,
        items: Sequence[Any],
        pace: Pace,
        thread: int,
        undone: list[tuple[int, int]],
    ) -> None:
        """Run one stretch in pieces. ``undone`` gets what is not begun because the worker leaves."""
        job, marks, slots = self.job, self.job.page.marks, self.job.page.slots
        lo, count, first, stop = 0, len(items), slots + thread, 2 * slots + thread
        mark = marks[thread : thread + 1]
        while lo < count and not self._ended:
            piece = 1 if self._first else items_in(job.flush_seconds, pace.item_seconds)
            part = items if not lo and piece >= count else items[lo : lo + piece]
            if self._salvaged:
                part = self._readable(start + lo, part)
                if not part:
                    lo += 1
                    continue
            marks[stop] = start + lo + len(part)  # before `first`, which tells that both hold
            marks[first] = start + lo
            done = run_chunk(job.func, start + lo, part, job.on_error, mark, portable)
            if done.failed is not None:
                self._send_failed(done, done.failed, thread)
                return
            pace.add(len(done.values), done.seconds)
            self._send_results(
                start + lo, done.values, done.began, (done.seconds, done.cpu, done.own_cpu), thread
            )
            marks[first] = -1
            lo += len(done.values)
            if self._first:
                self._begin_to_look()
            elif not self._looked:
                self._look(done.values, part, process=False)
            if self._guard is not None and self._guard.is_full(clock()):
                self._ended = self._left = True
                self.reusable = False
        if self._left and lo < count:
            undone.append((start + lo, start + count))

    # -- taking ---------------------------------------------------------------------------------

    def _take_tickets(self, item_seconds: float) -> list[tuple[int, Sequence[Any]]] | None:
        data = self.job.data
        assert data is not None
        spans = self._tickets.take(item_seconds)
        return [(lo, data[lo:hi]) for lo, hi in spans] if spans else None

    def _take_frame(self, item_seconds: float) -> list[tuple[int, Sequence[Any]]] | None:
        with self._taking:
            while not self._queue:
                if self._ended:
                    return None
                try:
                    frames = self._receiver.receive()
                except (protocol.Closed, OSError):
                    self._ended = True
                    return None
                self.accept(frames)
            return [self._queue.popleft()]

    def accept(self, frames: list[tuple[int, Any]]) -> None:
        """Frames from the caller: work, or the end of the run."""
        for kind, value in frames:
            if kind == protocol.WORK:
                self._queue.append(value)
            elif kind == -protocol.WORK:
                self._salvaged = True
                self._queue.append(value)
            else:
                self._ended = True

    def _readable(self, start: int, items: Sequence[Any]) -> Sequence[Any]:
        """The items before the first that could not be unpickled; none where that is the first, of which
        the caller is told."""
        for number, item in enumerate(items):
            error = breakage(item)
            if error is not None:
                if not number:
                    self._send(protocol.encode(protocol.UNREADABLE, (start, *portable(error))))
                return items[:number]
        return items

    # -- sending --------------------------------------------------------------------------------

    def _send_results(
        self,
        start: int,
        values: list[Any],
        began: float,
        spent: tuple[float, float, float],
        thread: int,
    ) -> None:
        sending, moved = clock(), self._moved.pop(thread, 0.0)
        try:
            if self._travel is not None and not self._travel.issuperset(map(type, values)):
                self._try_out(values)
            frame = start, values, began, spent, moved, thread
            parts = protocol.encode(protocol.RESULT, frame, self.job.pickled)
        except Exception as error:
            if len(values) > 1:  # send what can be sent
                wall, wanted, computed = (seconds / len(values) for seconds in spent)
                each = wall, wanted, computed
                for offset, value in enumerate(values):
                    self._send_results(start + offset, [value], began, each, thread)
                    began += each[0]
                return
            parts = protocol.encode(protocol.UNSENDABLE, (start, *portable(error)))
        self._send(parts)
        self._moved[thread] = clock() - sending

    def _try_out(self, values: list[Any]) -> None:
        """Raise ``PicklingError`` where one of the values is another one when it comes back.

        One of a class that was tried comes back as the first did; an exception has its own causes."""
        assert self._travel is not None
        for value in values:
            kind = type(value)
            if kind in self._travel:
                continue
            if changes((value,), dumps, loads):
                raise _pickle.PicklingError("it is another one when it comes back")
            if not issubclass(kind, BaseException):
                self._travel.add(kind)

    def _send_failed(self, done: ChunkOutcome, failed: ItemFailed, thread: int) -> None:
        """An item raised and the run is to end: what was done before it, then its error."""
        if os.getpid() != self._pid:
            _leave(failed.exception)
        if done.values:
            self._send_results(
                done.start, done.values, done.began, (done.seconds, done.cpu, done.own_cpu), thread
            )
        error = failed.index, *portable(failed.exception)
        self._send(protocol.encode(protocol.FAILURE, error))
        self._ended, self.reusable = True, False

    def _send(self, parts: list[Any]) -> None:
        if os.getpid() != self._pid:
            _leave(None)
        output_relay.flush()
        self._say()
        with self._sending:
            try:
                protocol.send(self._sock, parts)
            except OSError:  # the caller is gone
                self._ended = True
        self._say()

    def tell(self, value: tuple[Any, ...]) -> None:
        """Send what the function says beside its results (see `output_relay`)."""
        self._said.append(protocol.encode(protocol.TOLD, value))
        self._say()

    def _say(self) -> None:
        """Send it unless something is being sent, by another thread or by this one, which a signal
        handler has interrupted: then it is sent behind that. (`_send` asks again after it has let the
        lock go, so nothing stays behind.)"""
        while self._said and self._sending.acquire(False):
            try:
                while self._said:
                    protocol.send(self._sock, self._said.popleft())
            except OSError:
                self._ended = True
                self._said.clear()
            finally:
                self._sending.release()


def _leave(error: BaseException | None) -> None:
    """End a process that the user's function has forked and that came back from it, as its parent
    does: it must not answer in its parent's place."""
    code: object = error.code if isinstance(error, SystemExit) else error and 1
    output_relay.finish()
    os._exit(code if isinstance(code, int) else int(code is not None))
