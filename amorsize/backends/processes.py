"""Worker processes: the caller's side of the protocol in ``helper.py``.

::

    Supply --deal--> tickets (pipe) or frames (socket) --> workers --> frames --place--> Sink
       ^                                                      |
       +------------- what a dead worker had not sent --------+

The caller is worker 0 while its items are short: it computes for about 5 ms, then looks after the
others. ``open_runs`` holds every position that was dealt and whose result has not come, so that
nothing is lost and nothing runs twice when a worker dies: the pipe is emptied and closed, the other
workers finish what they hold and leave, and what is then still open is dealt again to new ones - the
item in which the worker died alone, and once only.
"""

from __future__ import annotations

import os
import select
import socket
import time

from amorsize.backends import CALLER_ITEM_SECONDS, helper, wire
from amorsize.backends.items import ItemFailed, run_items
from amorsize.errors import AmorsizeWarning, WorkerDied

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from amorsize.records import Config
    from amorsize.sinks import Sink
    from amorsize.workload import Supply

clock = time.perf_counter
_DONTWAIT = getattr(socket, "MSG_DONTWAIT", 0)

AHEAD_SECONDS = 0.2
"""Work kept in the ticket pipe for each worker: beyond the longest the caller is away (50 ms)."""
PIPE_TICKETS = 4000
"""Tickets in the pipe at most: 64 KiB, the room a pipe has without asking."""
FRAME_DEPTH = 2
"""Frames that a worker thread has beside the one it is in when it is sent its items."""
PATIENCE_SECONDS = 0.05
"""Longest wait for a result before the caller looks around."""
MAX_DEATHS_WITHOUT_RESULT = 6
"""So many workers may die one after the other with no result between them; then the run gives up."""


class Peer:
    """One worker process as the caller sees it."""

    def __init__(
        self,
        pid: int,
        sock: socket.socket,
        marks: memoryview[int],
        lifeline: int = -1,
        *,
        ready: bool = True,
    ) -> None:
        self.pid, self.sock = pid, sock
        self.lifeline = lifeline
        """Our end of a pipe whose closing kills a forked worker."""
        self.marks = marks
        """Shared with the worker: the position each of its threads is in, -1 for none."""
        self.receiver = wire.Receiver(sock)
        self.outbox: list[memoryview] = []
        self.held: dict[int, Sequence[Any]] = {}
        """Runs sent to this worker and not answered: first open position -> items from there on."""
        self.ready = ready
        """A spawned worker is not, until it has loaded its function."""


class Processes:
    """Runs what is in ``supply`` on worker processes; one object for one hand-over.

    The owner calls :meth:`start`, then :meth:`step` until the sink is full, then :meth:`close`.
    How the workers come to life is the launcher's affair (``fork.py``, ``spawn.py``).
    """

    def __init__(
        self,
        launcher: Any,
        func: Callable[[Any], Any],
        supply: Supply,
        sink: Sink,
        config: Config,
        item_seconds: float,
        *,
        caller_computes: bool,
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
        inner_threads: int = 1,
    ) -> None:
        self.launcher, self.func, self.supply, self.sink = launcher, func, supply, sink
        self.config = config
        self.item_seconds = item_seconds
        self.caller_computes = caller_computes
        self.initializer, self.initargs = initializer, initargs
        self.inner_threads = inner_threads
        self.shared = launcher.inherits and supply.indexed
        """Whether workers read their items themselves, by tickets."""
        self.peers: dict[int, Peer] = {}
        self.open_runs: dict[int, int] = {}
        """Dealt and unanswered: first open position -> one past the last (tickets only)."""
        self.suspects: dict[int, int] = {}
        """Position -> how often a worker died in it."""
        self.alone: list[tuple[int, Sequence[Any] | int]] = []
        """Items in which a worker died once: each is given to a worker by itself."""
        self.deaths = 0
        self.barren_deaths = 0
        self._exitcode: int | None = None
        self.read_fd = self.write_fd = -1
        self._poll: Any = None
        self._nudge: tuple[socket.socket, socket.socket] | None = None

    # -- life -----------------------------------------------------------------------------------

    @property
    def helpers(self) -> int:
        return self.config.n_jobs - (1 if self.caller_computes else 0)

    def start(self) -> None:
        """Start the workers and give them their first work."""
        self._poll = select.poll()
        if not self.supply.pull_here:
            self._nudge = socket.socketpair()
            for end in self._nudge:
                end.setblocking(False)
            self._poll.register(self._nudge[0].fileno(), select.POLLIN)
        self._open_crew(self.helpers)

    def _open_crew(self, count: int) -> None:
        if self.shared:
            self.read_fd, self.write_fd = os.pipe()
            os.set_blocking(self.write_fd, False)
            self._deal_tickets()
        for _ in range(count):
            try:
                peer = self.launcher.launch(self)
            except OSError as error:
                if not self.peers and not self.caller_computes:
                    self.caller_computes = True
                import warnings

                warnings.warn(
                    f"no worker process could be started ({error}); the run goes on with "
                    f"{len(self.peers)} of {count}: raise the limit on processes or memory",
                    AmorsizeWarning,
                    stacklevel=2,
                )
                break
            self.peers[peer.sock.fileno()] = peer
            self._poll.register(peer.sock.fileno(), select.POLLIN)
        if not self.shared:
            self._deal_frames()

    def close(self, *, abort: bool = False) -> None:
        """End all workers and wait until they are gone. ``abort`` ends them in their items."""
        self._close_pipe()
        for peer in list(self.peers.values()):
            self.launcher.release(peer, abort=abort or bool(peer.held) or bool(self.open_runs))
        self.peers.clear()
        if self._nudge is not None:
            for end in self._nudge:
                end.close()

    def nudge(self) -> None:
        """Wake the caller from its wait for results: there is something new to deal."""
        if self._nudge is not None:
            try:
                self._nudge[1].send(b"!")
            except OSError:  # full: it is awake already; closed: the run is over
                pass

    def dismiss(self) -> None:
        """Stop dealing: what nobody has begun goes back to the supply; the rest is waited for."""
        self._reclaim_tickets()
        self._close_pipe()

    def _close_pipe(self) -> None:
        for name in ("write_fd", "read_fd"):
            fd = getattr(self, name)
            if fd >= 0:
                setattr(self, name, -1)
                os.close(fd)

    # -- one turn -------------------------------------------------------------------------------

    def step(self, patience: float = PATIENCE_SECONDS) -> None:
        """Deal, compute a little, place what has come; waits so long when there is nothing to do."""
        if self.shared:
            self._deal_tickets()
        else:
            self._deal_frames()
        busy = self.caller_computes and self.item_seconds < CALLER_ITEM_SECONDS
        worked = busy and self._compute()
        if self.sink.failure is not None:
            return
        self._drain(0 if worked else patience)
        if not self.peers and self.sink.failure is None:
            self._restart()

    def _compute(self) -> bool:
        """The caller's own share: one take. False when there was nothing to take."""
        if self.shared:
            if self.read_fd < 0:
                return False
            poll = select.poll()
            poll.register(self.read_fd, select.POLLIN)
            if not poll.poll(0):
                return False
            spans = helper.take_tickets(self.read_fd, self.item_seconds, self.config.workers)
            assert self.supply.data is not None
            runs: list[tuple[int, Sequence[Any]]] = [
                (lo, self.supply.data[lo:hi]) for lo, hi in spans
            ]
        else:
            if any(len(peer.held) < self._depth() for peer in self.peers.values() if peer.ready):
                return False
            run = self._next_run(self._chunk())
            runs = [run] if run is not None else []
        for start, items in runs:
            began = clock()
            try:
                values = run_items(self.func, start, items, self.sink.on_error)
            except ItemFailed as failed:
                self.sink.place(start, failed.done)
                self.sink.fail(failed.index, failed.exception, "")
                return True
            self._answered(start, len(values))
            self.sink.place(start, values)
            self._learn(len(values), clock() - began)
        return bool(runs)

    def _learn(self, items: int, seconds: float) -> None:
        per = seconds / items
        self.item_seconds = per if self.item_seconds <= 0 else 0.7 * self.item_seconds + 0.3 * per

    # -- dealing --------------------------------------------------------------------------------

    def _chunk(self) -> int:
        """Items for one frame: about 5 ms of work, tapering to the end."""
        if self.config.chunksize is not None:
            return self.config.chunksize
        quick = int(helper.CHUNK_SECONDS / self.item_seconds) if self.item_seconds > 0 else 1
        left = self.supply.left()
        if left is not None:
            quick = min(quick, left // (2 * self.config.workers))
        return max(1, quick)

    def _depth(self) -> int:
        return self.config.threads_per_job + FRAME_DEPTH

    def _unit(self) -> int:
        """Items behind one ticket."""
        if self.config.chunksize is not None:
            return self.config.chunksize
        quick = int(helper.TICKET_SECONDS / self.item_seconds) if self.item_seconds > 0 else 1
        return max(1, min(quick, self.supply.waiting // (8 * self.config.workers)))

    def _deal_tickets(self) -> None:
        """Keep the pipe filled; close it when nothing more will come."""
        if self.write_fd < 0:
            return
        if self.alone:
            self._deal_alone()
        unit = self._unit()
        held = helper.tickets_in(self.read_fd)
        per = max(unit * self.item_seconds, 1e-6)
        workers = self.config.workers
        want = min(PIPE_TICKETS, max(4 * workers, int(AHEAD_SECONDS * workers / per)))
        numbers = helper.new_tickets()
        while held < want:
            run = self.supply.take_run(unit)
            if run is None:
                break
            self.open_runs[run[0]] = run[1]
            numbers.extend(run)
            held += 1
        if numbers:
            self._write_tickets(numbers)
        if self.supply.finished and self.write_fd >= 0 and not self.alone:
            os.close(self.write_fd)  # the end of file tells the workers that this was all
            self.write_fd = -1

    def _write_tickets(self, numbers: Any) -> None:
        body = memoryview(numbers.tobytes())
        while body:
            # Not more than PIPE_BUF at once: such a write is whole or not at all.
            piece = body[:4096]
            try:
                os.write(self.write_fd, piece)
            except BlockingIOError:
                for lo, hi in helper.parse_tickets(body.tobytes()):
                    del self.open_runs[lo]
                    self.supply.give_back(lo, hi - lo)
                return
            body = body[len(piece) :]

    def _deal_alone(self) -> None:
        while self.alone:
            start, _ = self.alone.pop()
            self.open_runs[start] = start + 1
            numbers = helper.new_tickets()
            numbers.extend((start, start + 1))
            self._write_tickets(numbers)

    def _deal_frames(self) -> None:
        """Send items to the workers that have too few; read the source as far as that needs."""
        if not self.peers:
            return
        chunk = self._chunk()
        for peer in self.peers.values():
            if not peer.ready:
                continue
            while len(peer.held) < self._depth():
                run = self.alone.pop() if self.alone else self._next_run(chunk)
                if run is None:
                    break
                start, items = run
                assert not isinstance(items, int)
                try:
                    parts = wire.encode(helper.WORK, (start, items), self.launcher.pickled)
                except Exception as error:
                    if self.sink.fail(start, _unsendable_argument(error, start), ""):
                        return
                    continue
                peer.held[start] = items
                peer.outbox += [memoryview(part).cast("B") for part in parts if len(part)]
            self._pump(peer)

    def _next_run(self, chunk: int) -> tuple[int, Sequence[Any]] | None:
        run = self.supply.take(chunk)
        if run is None and not self.supply.indexed and self.supply.pull_here:
            self.supply.pull(chunk)
            run = self.supply.take(chunk)
        return run

    def _pump(self, peer: Peer) -> None:
        """Write what the worker's socket takes now."""
        try:
            while peer.outbox:
                sent = peer.sock.sendmsg(peer.outbox[: wire.MAX_PARTS], [], _DONTWAIT)
                while peer.outbox and sent >= len(peer.outbox[0]):
                    sent -= len(peer.outbox.pop(0))
                if sent:
                    peer.outbox[0] = peer.outbox[0][sent:]
        except BlockingIOError:
            pass
        except OSError:  # the worker is gone: its end of file will be read in time
            peer.outbox.clear()
        events = select.POLLIN | (select.POLLOUT if peer.outbox else 0)
        self._poll.modify(peer.sock.fileno(), events)

    # -- results --------------------------------------------------------------------------------

    def _drain(self, patience: float) -> None:
        """Place everything that has come; waits up to ``patience`` seconds for the first."""
        if not self.peers:
            return
        events = self._poll.poll(patience * 1000)
        while events:
            for fd, event in events:
                peer = self.peers.get(fd)
                if peer is None:
                    if self._nudge is not None and fd == self._nudge[0].fileno():
                        self._nudge[0].recv(4096)
                        return
                    continue
                if event & select.POLLOUT:
                    self._pump(peer)
                if event & ~select.POLLOUT:
                    self._receive(peer)
            if self.sink.failure is not None:
                return
            events = self._poll.poll(0)
            if (
                events
                and not self.shared
                and any(p.ready and not p.held for p in self.peers.values())
            ):
                return  # somebody is idle: deal first

    def _receive(self, peer: Peer) -> None:
        try:
            frames = peer.receiver.receive(_DONTWAIT)
        except BlockingIOError:
            return
        except (wire.Closed, OSError):
            self._gone(peer)
            return
        for kind, value in frames:
            if kind == helper.RESULT:
                start, values, seconds = value
                self.barren_deaths = 0
                self._answered(start, len(values), peer)
                self.sink.place(start, values)
                self._learn(len(values), seconds)
            elif kind == helper.READY:
                peer.ready = True
            elif kind in (helper.FAILURE, helper.UNSENDABLE):
                index, error, text = value
                if kind == helper.UNSENDABLE:
                    self._answered(index, 1, peer)
                    error = _unsendable_result(error, index)
                self.sink.fail(index, error, text)
            else:
                raise AssertionError(f"unknown frame {kind} from a worker")

    def _answered(self, start: int, count: int, peer: Peer | None = None) -> None:
        if self.shared:
            stop = self.open_runs.pop(start)
            if start + count < stop:
                self.open_runs[start + count] = stop
        elif peer is not None:
            items = peer.held.pop(start)
            if count < len(items):
                peer.held[start + count] = items[count:]

    # -- death ----------------------------------------------------------------------------------

    def _gone(self, peer: Peer) -> None:
        """A worker's socket closed: it has finished, or it died."""
        fd = peer.sock.fileno()
        self._poll.unregister(fd)
        del self.peers[fd]
        exitcode = self.launcher.reap(peer)
        running = [position for position in peer.marks if position >= 0]
        if exitcode == 0 and not running and not peer.held:
            return
        self.deaths += 1
        self.barren_deaths += 1
        self.caller_computes = False
        for position in running:
            self.suspects[position] = self.suspects.get(position, 0) + 1
        for start, items in peer.held.items():
            self._put_back(start, start + len(items), items, exitcode)
        if self.shared:
            self._reclaim_tickets()
            self._close_pipe()
        self._exitcode = exitcode
        if self.barren_deaths >= MAX_DEATHS_WITHOUT_RESULT and self.sink.failure is None:
            index = running[0] if running else -1
            self.sink.fail(
                None,
                WorkerDied(
                    index,
                    exitcode,
                    "workers keep dying before they send anything; try backend='serial' to see why",
                ),
                "",
            )

    def _reclaim_tickets(self) -> None:
        """Take back what nobody has taken from the pipe."""
        if self.read_fd < 0:
            return
        os.set_blocking(self.read_fd, False)
        while True:
            try:
                body = os.read(self.read_fd, 65536)
            except BlockingIOError:
                return
            if not body:
                return
            for lo, hi in helper.parse_tickets(body):
                del self.open_runs[lo]
                self.supply.give_back(lo, hi - lo)

    def _restart(self) -> None:
        """All workers have left: deal what is open again, to new ones."""
        if self.shared:
            self._close_pipe()
            for lo, hi in sorted(self.open_runs.items()):
                self._put_back(lo, hi, None, self._exitcode)
            self.open_runs.clear()
        if self.sink.failure is not None:
            return
        todo = self.alone or not self.supply.finished
        if not todo:
            return
        left = self.supply.left()
        count = (
            self.config.n_jobs if left is None else min(self.config.n_jobs, left + len(self.alone))
        )
        self._open_crew(max(1, count))

    def _put_back(
        self, lo: int, hi: int, items: Sequence[Any] | None, exitcode: int | None
    ) -> None:
        """Positions lo..hi-1 have no result and nobody works on them: suspects go alone."""
        free = lo
        for position in sorted(p for p in self.suspects if lo <= p < hi):
            part: Sequence[Any] | int = (
                1 if items is None else items[position - lo : position - lo + 1]
            )
            if self.suspects[position] >= 2:
                self.sink.fail(position, WorkerDied(position, exitcode, _hint(exitcode)), "")
            else:
                self.alone.append((position, part))
            if free < position:
                rest = items if items is None else items[free - lo : position - lo]
                self.supply.give_back(free, position - free if rest is None else rest)
            free = position + 1
        if free < hi:
            self.supply.give_back(free, hi - free if items is None else items[free - lo :])


def _hint(exitcode: int | None) -> str:
    if exitcode == -9:
        return "probably killed for lack of memory: lower n_jobs, or see what the item needs"
    if exitcode == -11:
        return "a segmentation fault in compiled code: run that item alone under faulthandler"
    return ""


def _unsendable_result(error: BaseException, index: int) -> BaseException:
    import pickle

    return pickle.PicklingError(
        f"the result of item {index} cannot be sent to the caller ({error}); return something that "
        "can be pickled, or use backend='threads' or 'serial'"
    )


def _unsendable_argument(error: BaseException, index: int) -> BaseException:
    import pickle

    return pickle.PicklingError(
        f"item {index} cannot be sent to a worker ({error}); pass a list instead of an iterator (a "
        "forked worker needs no copy of it), or use backend='threads' or 'serial'"
    )
