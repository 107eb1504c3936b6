"""What runs in a worker process: take work, run it, send results; never returns.

::

    caller                         worker (forked: has function and data; spawned: is sent them)
    tickets --pipe (16 bytes)----> take -> run_items -> send --socket--> results
    or frames --socket-----------> take

A forked worker on indexed data takes *tickets* (spans of positions) from a pipe that all
workers share: a read takes whole tickets at once, there is no lock that a dying worker could keep, and
whoever is free takes next. All others are sent their items in frames. End of file ends the worker.
"""

from __future__ import annotations

import fcntl
import os
import sys
import termios
import time
from _thread import allocate_lock, start_new_thread
from array import array
from collections import deque

from amorsize.backends.processes import protocol as wire
from amorsize.backends.processes.workers import MARKS
from amorsize.core.nesting import become_worker
from amorsize.items.chunk import run_chunk
from amorsize.items.pace import Pace
from amorsize.planning.chunking import CHUNK_SECONDS, items_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence
    from typing import Any

    from amorsize.backends.processes.memory import Gauge
    from amorsize.items.call import ItemFailed
    from amorsize.items.chunk import ChunkOutcome

clock = time.perf_counter

RESULT, FAILURE, UNSENDABLE, READY, UNREADABLE, LEAVING, TOLD = 1, 2, 3, 4, 5, 6, 7
"""Frames of a worker: (start, values, when it began them, seconds, seconds spent on sending before,
number of its thread); (index, exception, traceback); the same for a result that cannot be pickled;
None when a spawned worker has been set up; (index, exception, traceback) of an item that cannot be
unpickled; spans that a worker which leaves for its memory has taken and not begun; what was said beside
the results (`telling`)."""
WORK, SETUP, END = 1, 2, 3
"""Frames to a worker: (start, items), the run's settings, None at the end of a run."""

TICKET = 16
"""Bytes of a ticket: first position and one past the last, signed 64-bit integers. The second is negative
where the item is to be by itself, since a worker died in it or near it."""
FLUSH_SECONDS = 0.0025
"""Results are sent at least so often: what a dying worker can lose beside the item it is in."""
OOM_SCORE = 500
"""Thousandths of the machine's memory that a worker seems to have more when the kernel looks for whom to
end; what a user's own process has is kept if it is more."""
F_SETSIG = 10
"""Linux: which signal tells of input on a descriptor (fcntl.h; not in the fcntl module)."""
TICKET_SECONDS = 0.0001
"""Work behind one ticket when items are shorter: reading one costs about 0.001 ms."""


class Worker:
    """One worker process, with one thread or several taking work side by side."""

    def __init__(
        self,
        func: Callable[[Any], Any],
        sock: socket.socket,
        on_error: str,
        workers: int,
        item_seconds: float,
        *,
        data: Sequence[Any] | None = None,
        tickets: int | None = None,
        marks: memoryview[int] | None = None,
        gauge: Gauge | None = None,
        slot: int = 0,
        receiver: wire.Receiver | None = None,
        pickled: Callable[..., bytes] = wire.dumps,
        flush_seconds: float = FLUSH_SECONDS,
    ) -> None:
        self.func, self.sock, self.on_error = func, sock, on_error
        self.item_seconds = item_seconds
        self.data = data
        self.tickets = None if tickets is None else Tickets(tickets, workers)
        self.marks, self.slot = marks, slot
        self._slots = 0 if marks is None else len(marks) // MARKS
        self.flush_seconds = flush_seconds
        """Results are sent at least so often; 0 sends each by itself."""
        self.receiver = wire.Receiver(sock) if receiver is None else receiver
        self.pickled = pickled
        from amorsize.backends.processes import output_relay as telling
        from amorsize.items.errors import portable

        self._portable, self._flush = portable, telling.flush
        self.gauge = gauge
        self.pid = os.getpid()
        self._said: deque[list[Any]] = deque()
        """What the function has said and is not sent yet."""
        self.ended = False
        self.failed = False
        self.left = False
        """It leaves because of its memory."""
        self._salvaged = False
        """Some items came that could not be unpickled."""
        self._queue: list[tuple[int, Sequence[Any]]] = []
        self._moved: dict[int, float] = {}
        """Thread -> seconds that sending its last results took, until they are told."""
        self._taking = allocate_lock()
        self._sending = allocate_lock()

    def run(self, threads: int) -> None:
        """Work until the end of the run; the calling thread is the first of ``threads``."""
        gone = []
        for number in range(1, threads):
            lock = allocate_lock()
            lock.acquire()
            start_new_thread(self._body, (number, lock))
            gone.append(lock)
        self._body(0, None)
        for lock in gone:
            lock.acquire()

    def _body(self, number: int, gone: Any) -> None:
        try:
            take = self._take_tickets if self.data is not None else self._take_frame
            pace = Pace(self.item_seconds)
            undone: list[tuple[int, int]] = []
            while not self.ended:
                run = take(pace.item_seconds)
                if run is None:
                    break
                for start, items in run:
                    self._run(start, items, pace, self.slot + number, undone)
            if self.left:
                self._send(wire.encode(LEAVING, undone))
        finally:
            if gone is not None:
                gone.release()

    def _run(
        self,
        start: int,
        items: Sequence[Any],
        pace: Pace,
        slot: int,
        undone: list[tuple[int, int]],
    ) -> None:
        """Run one stretch in pieces. ``undone`` gets what is not begun because the worker leaves."""
        lo, count = 0, len(items)
        marks, first, stop = self.marks, self._slots + slot, 2 * self._slots + slot
        mark = None if marks is None else marks[slot : slot + 1]
        while lo < count and not self.ended:
            piece = items_in(self.flush_seconds, pace.item_seconds)
            part = items if not lo and piece >= count else items[lo : lo + piece]
            if self._salvaged:
                part = self._readable(start + lo, part)
                if not part:
                    lo += 1
                    continue
            if marks is not None:
                marks[stop] = start + lo + len(part)
                marks[first] = start + lo
            done = run_chunk(self.func, start + lo, part, self.on_error, mark, self._portable)
            if done.failed is not None:
                self._send_failed(done, done.failed, slot)
                return
            pace.add(len(done.values), done.seconds)
            self._send_results(start + lo, done.values, done.began, done.seconds, slot)
            if marks is not None:
                marks[first] = -1
            lo += len(done.values)
            if self.gauge is not None and self.gauge.is_full(clock()):
                self.ended = self.left = True
        if self.left and lo < count:
            undone.append((start + lo, start + count))

    # -- taking ---------------------------------------------------------------------------------

    def _take_tickets(self, per: float) -> list[tuple[int, Sequence[Any]]] | None:
        assert self.tickets is not None and self.data is not None
        spans = self.tickets.take(per)
        return [(lo, self.data[lo:hi]) for lo, hi in spans] if spans else None

    def _take_frame(self, per: float) -> list[tuple[int, Sequence[Any]]] | None:
        with self._taking:
            while not self._queue:
                if self.ended:
                    return None
                try:
                    frames = self.receiver.receive()
                except (wire.Closed, OSError):
                    self.ended = True
                    return None
                self.accept(frames)
            return [self._queue.pop(0)]

    def accept(self, frames: list[tuple[int, Any]]) -> None:
        """Frames from the caller: work, or the end of the run."""
        for kind, value in frames:
            if kind == WORK:
                self._queue.append(value)
            elif kind == -WORK:
                self._salvaged = True
                self._queue.append(value)
            else:
                self.ended = True

    def _readable(self, start: int, items: Sequence[Any]) -> Sequence[Any]:
        """The items before the first that could not be unpickled; none: that one was told of."""
        from amorsize.items.partial_unpickle import breakage

        for number, item in enumerate(items):
            error = breakage(item)
            if error is not None:
                if not number:
                    self._send(wire.encode(UNREADABLE, (start, *self._portable(error))))
                return items[:number]
        return items

    # -- sending --------------------------------------------------------------------------------

    def _send_results(
        self, start: int, values: list[Any], began: float, seconds: float, slot: int
    ) -> None:
        thread = slot - self.slot
        sending, moved = clock(), self._moved.pop(thread, 0.0)
        try:
            frame = start, values, began, seconds, moved, thread
            parts = wire.encode(RESULT, frame, self.pickled)
        except Exception as error:
            if len(values) > 1:  # send what can be sent
                seconds /= len(values)
                for offset, value in enumerate(values):
                    self._send_results(start + offset, [value], began, seconds, slot)
                    began += seconds
                return
            parts = wire.encode(UNSENDABLE, (start, *self._portable(error)))
        self._send(parts)
        self._moved[thread] = clock() - sending

    def _send_failed(self, done: ChunkOutcome, failed: ItemFailed, slot: int) -> None:
        """An item raised and the run is to end: what was done before it, then its error."""
        if os.getpid() != self.pid:
            _leave(failed.exception)
        if done.values:
            self._send_results(done.start, done.values, done.began, done.seconds, slot)
        self._send_failure(failed.index, failed.exception)
        self.ended = self.failed = True

    def _send_failure(self, index: int | None, error: BaseException) -> None:
        self._send(wire.encode(FAILURE, (index, *self._portable(error))))

    def _send(self, parts: list[Any]) -> None:
        if os.getpid() != self.pid:
            _leave(None)
        self._flush()
        self._say()
        with self._sending:
            try:
                wire.send(self.sock, parts)
            except OSError:  # nobody is there to read it
                self.ended = True
        self._say()

    def tell(self, value: tuple[Any, ...]) -> None:
        """Send what the function says beside its results (see `telling`)."""
        self._said.append(wire.encode(TOLD, value))
        self._say()

    def _say(self) -> None:
        """Send it unless something is being sent, by another thread or by this one, which a signal
        handler has interrupted: then it is sent behind that."""
        while self._said and self._sending.acquire(False):
            try:
                while self._said:
                    wire.send(self.sock, self._said.popleft())
            except OSError:
                self.ended = True
                self._said.clear()
            finally:
                self._sending.release()


class Tickets:
    """The reading end of the pipe of tickets, for one who takes from it."""

    def __init__(self, pipe: int, workers: int) -> None:
        self.pipe, self.workers = pipe, workers
        self._size = 1
        """Items behind one of the tickets taken last."""

    def take(self, per: float) -> list[tuple[int, int]]:
        """Stretches of about 5 ms of work with ``per`` seconds an item, less when little is left; [] at
        the end.

        Tickets that follow one another are one stretch: as a message each, tickets of 0.1 ms cost 8 to
        17 %."""
        fair = tickets_in(self.pipe) // (2 * self.workers)
        quick = int(CHUNK_SECONDS / max(per * self._size, TICKET_SECONDS)) if per > 0 else 1
        try:
            body = os.read(self.pipe, TICKET * max(1, min(fair, quick)))
        except BlockingIOError:  # the caller is emptying it after the death of another worker
            return []
        spans = sorted(_pairs(body))
        if spans:
            self._size = sum(abs(hi) - lo for lo, hi in spans) // len(spans)
        return joined(spans)


def tickets_in(pipe: int) -> int:
    """Tickets that wait in the pipe."""
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


def _leave(error: BaseException | None) -> None:
    """End a process that the user's function has forked and that came back from it, as its parent
    does: it must not answer in its parent's place."""
    from amorsize.backends.processes import output_relay as telling

    code: object = error.code if isinstance(error, SystemExit) else error and 1
    telling.finish()
    os._exit(code if isinstance(code, int) else int(code is not None))


def die_with(lifeline: int) -> None:
    """Have the kernel end this process when the caller's end of the lifeline pipe closes.

    A worker deep in an item cannot read an end of file. SIGIO on the pipe, turned into SIGKILL, needs
    no thread and no ctypes and, unlike PDEATHSIG, does not fire when the thread that forked ends.
    Owner and signal belong to the open pipe, so each worker has one of its own.
    """
    if not sys.platform.startswith("linux"):
        return
    import select
    import signal

    fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(lifeline, F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)
    poll = select.poll()
    poll.register(lifeline, 0)
    if poll.poll(0):  # the caller has gone before the signal was asked for
        os._exit(1)


def settle(inner_threads: int) -> None:
    """Make this process a worker: signals, seeds, inner threads. Called once at its start."""
    become_worker()
    import signal

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
    from amorsize.machine.thread_limits import limit_inner_threads

    limit_inner_threads(inner_threads)
    _offer_to_the_kernel()


def _offer_to_the_kernel() -> None:
    """Where memory runs out the kernel is to end a worker, not the caller, who knows what to do then."""
    try:
        with open("/proc/self/oom_score_adj", "r+b", 0) as file:
            if int(file.read()) < OOM_SCORE:
                file.write(b"%d" % OOM_SCORE)
    except (OSError, ValueError):
        pass


def ignore(signum: int, frame: object) -> None:
    """Ctrl-C is the caller's to answer."""
