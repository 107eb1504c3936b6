"""Worker processes: the caller's side of the protocol in ``helper.py``.

::

    ItemSource --deal--> tickets (pipe) or frames (socket) --> workers --> frames --place--> collector
       ^                                                      |
       +------------- what a dead worker had not sent --------+

The caller is worker 0 while its items are short: it computes for about 5 ms, then looks after the
others. Every position that was dealt and whose result has not come is accounted for, so that nothing is
lost and nothing runs twice without need when a worker dies. What has reached the caller, or waits in
the dead worker's socket, is kept. The item it died in runs once more (or never, with
``rerun_after_death=False``), each such item by itself; what it had not begun moves freely. It is
replaced at once; from then on the caller computes nothing. Workers that die outside of any item are
replaced by fewer and fewer, and in the end by the caller itself where that is safe.
"""

from __future__ import annotations

import os
import select
import socket
import time

from amorsize.backends.base import Backend, BackendReport
from amorsize.backends.caller import CallerBackend
from amorsize.backends.processes import exit_status as reaping
from amorsize.backends.processes import protocol as wire
from amorsize.backends.processes import worker as helper
from amorsize.backends.processes.memory import BASE
from amorsize.backends.processes.sigint import held
from amorsize.backends.processes.workers import Crew, Peer
from amorsize.backends.threads.pool import ThreadPool
from amorsize.core.backends import CALLER_ITEM_SECONDS
from amorsize.core.frozen import replace
from amorsize.errors import AmorsizeWarning, OptionError, WorkerDied
from amorsize.items.call import (
    overdue_error,
    overdue_look,
    unreadable,
    unsendable_argument,
    unsendable_result,
)
from amorsize.items.chunk import run_chunk
from amorsize.items.pace import Pace
from amorsize.planning.chunking import CHUNK_SECONDS, fair_items, items_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from amorsize.backends.base import BackendSpec
    from amorsize.backends.processes.memory import Allowance

clock = time.perf_counter
_DONTWAIT = getattr(socket, "MSG_DONTWAIT", 0)

AHEAD_SECONDS = 0.2
"""Work kept in the ticket pipe for each worker: beyond the longest the caller is away (50 ms)."""
PIPE_TICKETS = 4000
"""Tickets in the pipe at most: 64 KiB, the room a pipe has without asking."""
FIRST_TICKETS = 16
"""Tickets for each worker that are dealt before there are any workers: 1.6 ms of work at least, which is
what a fork takes. To deal costs 1.3 µs a ticket, and a worker had to wait for all of them, 4 ms of
``cpu/10us`` (benchmarks/workloads/catalog.py)."""
MOST_TICKET, TICKETS_LEFT = 10, 512
"""A ticket of short items grows to so many times its size, as long as so many are left for each worker:
should items become heavy, one that is taken is still a small part of them. Reasoned, not searched for."""
FRAME_DEPTH = 2
"""Frames that a worker thread has beside the one it is in when it is sent its items."""
PATIENCE_SECONDS = 0.05
"""Longest wait for a result before the caller looks around."""
LOOK_SECONDS = 0.05
"""Between two questions to the system whether a worker has died behind a socket that is still open."""
MAX_BARREN_DEATHS = 6
"""So many workers may die outside of any item with no result between them; then no more are started."""

live: list[ProcessPool] = []
"""Runs of this process that have workers: a forked worker closes what belongs to the others."""


class ProcessPool(Backend):
    """Runs what is in ``source`` on worker processes; one object for one hand-over.

    The owner calls :meth:`start`, then :meth:`step` until the collector is full, then :meth:`close`.
    How the workers come to life is the launcher's affair (``fork.py``, ``spawn.py``).
    """

    def __init__(self, launcher: Any, spec: BackendSpec) -> None:
        self.launcher, self.spec = launcher, spec
        self.func, self.source, self.collector = spec.func, spec.source, spec.collector
        self.config = spec.config
        self._pace = Pace(spec.item_seconds)
        self._done_before = spec.collector.done
        self.caller_computes = spec.caller_computes
        self.initializer, self.initargs = spec.initializer, spec.initargs
        self.inner_threads = spec.inner_threads
        self.timeout, self.rerun_after_death = spec.timeout_seconds, spec.rerun_after_death
        self.memory: Allowance | None = spec.memory
        """What the workers may take of it together."""
        self.peers: dict[int, Peer] = {}
        """All living workers by the descriptor of their socket."""
        self.crew: Crew
        """The crew that gets new work."""
        self.crews: list[Crew] = []
        """That one, and those before it that have not all left."""
        self.wanted = 0
        """Workers to be had."""
        self.suspects: dict[int, int] = {}
        """Position -> how often a worker died in it."""
        self.overdue: dict[int, TimeoutError] = {}
        """Position -> the verdict on an item for which its worker was ended."""
        self.alone: list[tuple[int, Sequence[Any] | None]] = []
        """Items in which a worker died once, each by itself (None: read by position)."""
        self.deaths = 0
        self.forked_cpu_seconds = 0.0
        """What forked workers computed that have ended: the system tells of them when they are reaped."""
        self.longest_seconds = 0.0
        """What the longest stretch between two results took, some milliseconds or one long item."""
        self.barren_deaths = 0
        self.unsettled = False
        """Workers have died, left or are to come: who is there is looked at each time."""
        self.leaving = False
        """Others have taken over: nothing new is dealt, but for items in which a worker died."""
        self._rest: Any = None
        """Who goes on when no worker can be had."""
        self._last_end = reaping.End(None)
        self._looked = clock()
        self._warned = False
        self._poll: Any = None
        self._nudge: tuple[socket.socket, socket.socket] | None = None

    # -- life -----------------------------------------------------------------------------------

    @property
    def helpers(self) -> int:
        return self.config.n_jobs - (1 if self.caller_computes else 0)

    def start(self) -> None:
        """Start the workers and give them their first work."""
        self._poll = select.poll()
        live.append(self)
        self.wanted = self._fitting()
        try:
            if not self.source.caller_reads_source:
                self._nudge = socket.socketpair()
                for end in self._nudge:
                    end.setblocking(False)
                self._poll.register(self._nudge[0].fileno(), select.POLLIN)
            self._open_crew(self.launcher)
        except OSError as error:
            self._go_on_without(error)
            return
        self._staff(self.wanted)
        if self._rest is None and not self.crew.shared:
            self._deal_frames()

    def _open_crew(self, launcher: Any) -> None:
        self.launcher = launcher
        self.crew = Crew(launcher, shared=launcher.inherits and self.source.indexed)
        self.crews.append(self.crew)
        if self.crew.shared:
            self._tickets = helper.Tickets(self.crew.own_fd, self.config.workers)
            self._deal_tickets(FIRST_TICKETS * self.config.workers)

    def _staff(self, count: int) -> None:
        """Start so many workers more, or as many as can be had."""
        for _ in range(count):
            try:
                with held():
                    peer = self.launcher.launch(self)
                    peer.crew = self.crew
                    self.peers[peer.sock.fileno()] = peer
                    self._poll.register(peer.sock.fileno(), select.POLLIN)
                if self.memory is not None:
                    self.memory.admit(peer)
            except OSError as error:
                self._go_on_without(error)
                return
            except Exception as error:
                if not self.deaths and not self.peers:
                    raise  # the function cannot be sent
                self._go_on_without(error)  # it need not be where a fork is allowed
                return

    def _fitting(self) -> int:
        """Workers to be had, as far as memory goes."""
        if self.memory is None:
            return self.helpers
        return min(self.helpers, self.memory.fit(self.peers.values()))

    def _go_on_without(self, error: BaseException) -> None:
        """No more workers can be had: fewer do, or nobody but the caller."""
        self.wanted = len(self.peers)
        if not self._warned:
            self._warned = True
            import warnings

            warnings.warn(
                f"a worker process could not be started ({error}); the run goes on with "
                f"{len(self.peers)} of {self.config.n_jobs}: raise the limit on processes, memory or "
                "open files",
                AmorsizeWarning,
                stacklevel=2,
            )
        if not self.peers:
            self._take_over()

    def _take_over(self) -> None:
        """Nobody is left: the rest is done in this process if that is safe."""
        self.wanted = 0
        for crew in self.crews:
            self._dissolve(crew)
        self.crews.clear()
        if self.collector.failure is not None:
            return
        if self.suspects or (self.initializer is not None and self.deaths):
            self.collector.fail(
                None,
                WorkerDied(
                    min(self.suspects, default=-1),
                    self._last_end.exitcode,
                    f"{reaping.hint(self._last_end)}; no other worker could be started, and what ends "
                    "a worker could end this process",
                ),
            )
            return
        if self.memory is not None and self.memory.limit is not None:
            self.collector.fail(
                None,
                OptionError(
                    "memory_limit",
                    self.memory.limit,
                    "no worker process can be had, and nothing limits the caller",
                    "raise the limit on processes, or leave the option out",
                ),
            )
            return
        for position, items in self.alone:
            self.source.give_back(position, 1 if items is None else items)
        self.alone.clear()
        self._rest = self._last_resort()
        self._rest.start()

    def _last_resort(self) -> Any:
        config = replace(self.config, backend="threads", n_jobs=1, threads_per_job=1)
        spec = replace(
            self.spec, item_seconds=self.item_seconds, config=config, most_workers=1, waits=False
        )
        if self.timeout is not None:
            return ThreadPool(spec)
        if self.initializer is not None:
            self.initializer(*self.initargs)
        return CallerBackend(spec)

    def close(self, *, abort: bool = False, hurry: bool = False) -> None:
        """End all workers and wait until they are gone. ``abort`` ends them in their items."""
        with held():
            if self in live:
                live.remove(self)
            for crew in self.crews:
                crew.close()
            peers, self.peers = list(self.peers.values()), {}
            unfinished = {peer.pid for peer in peers if abort or peer.held or peer.crew.open_runs}
            for pid in unfinished:
                reaping.kill(pid)
            for peer in peers:
                self.forked_cpu_seconds += peer.crew.launcher.release(
                    peer, abort=peer.pid in unfinished
                )
            if self._nudge is not None:
                for end in self._nudge:
                    end.close()
        if self._rest is not None:
            self._rest.close(abort=abort, hurry=hurry)

    def forget(self) -> None:
        """In a worker that another run has forked: nothing of this run is held open there."""
        for peer in self.peers.values():
            peer.forget()
        for crew in self.crews:
            crew.close()
        if self._nudge is not None:
            for end in self._nudge:
                end.close()

    def wake(self) -> None:
        """Wake the caller from its wait for results: there is something new to deal."""
        if self._rest is not None:
            self._rest.wake()
        if self._nudge is not None:
            try:
                self._nudge[1].send(b"!")
            except OSError:  # full: it is awake already; closed: the run is over
                pass

    def drain(self) -> None:
        """Deal no more: what nobody has begun goes back to the source, the rest is waited for."""
        self.leaving = True
        for crew in self.crews:
            crew.reclaim(self.source, helper.parse_tickets)

    # -- one turn -------------------------------------------------------------------------------

    def step(self, patience: float = PATIENCE_SECONDS) -> BackendReport:
        """Deal, compute a little, place what has come; waits so long when there is nothing to do."""
        self._turn(patience)
        return self.report()

    def report(self) -> BackendReport:
        busy = None if self.timeout is None else self.busy_seconds()
        asked = self.peers.values() if busy else ()
        return BackendReport(
            done=self.collector.done - self._done_before,
            workers=len(self.peers),
            deaths=self.deaths,
            longest_seconds=self.longest_seconds,
            cpu_seconds=self.forked_cpu_seconds,
            item_seconds=self.item_seconds,
            busy=busy,
            inside=frozenset(peer.pid for peer in asked if peer.ready and peer.running()),
            drained=self.leaving and not self.peers and not self.alone,
        )

    @property
    def item_seconds(self) -> float:
        return self._pace.item_seconds

    def _turn(self, patience: float) -> None:
        if self.memory is not None and self.memory.first:
            self._fitting()
            self.unsettled |= not self.memory.first
        if self.unsettled:
            self._tend()
        if self._rest is not None:
            self._rest.step(patience)
            return
        if self.crew.shared:
            self._deal_tickets()
        if not self.crew.shared or self.unsettled:
            self._deal_frames()
        busy = self.caller_computes and self.item_seconds < CALLER_ITEM_SECONDS
        worked = busy and self._compute()
        if self.collector.failure is not None:
            return
        if self.timeout is not None:
            patience = min(patience, self._end_overdue(self.timeout))
        self._drain(0 if worked else patience)
        if clock() - self._looked > LOOK_SECONDS:
            self._look_for_the_dead()
            if self.memory is not None:
                self._look_at_memory(self.memory)
        if not self.peers and self.collector.failure is None:
            self._tend()

    def _compute(self) -> bool:
        """The caller's own share: one take. False when there was nothing to take."""
        if self.crew.shared:
            own_fd = self.crew.own_fd
            if own_fd < 0 or not helper.tickets_in(own_fd):
                return False
            spans = self._tickets.take(self.item_seconds)
            assert self.source.data is not None
            runs: list[tuple[int, Sequence[Any]]] = [
                (lo, self.source.data[lo:hi]) for lo, hi in spans
            ]
        else:
            if any(len(peer.held) < self._depth() for peer in self.peers.values() if peer.ready):
                return False
            run = self._next_run(self._chunk())
            runs = [run] if run is not None else []
        for start, items in runs:
            outcome = run_chunk(self.func, start, items, self.collector.on_error)
            if not outcome.deliver(self.collector, (os.getpid(), 0)):
                return True
            if self.crew.shared:
                _shorten(self.crew, start, len(outcome.values))
            self._learn(len(outcome.values), outcome.seconds)
        return bool(runs)

    def _learn(self, items: int, seconds: float) -> None:
        self.longest_seconds = max(self.longest_seconds, seconds)
        self._pace.add(items, seconds)

    # -- dealing --------------------------------------------------------------------------------

    def _chunk(self) -> int:
        """Items for one frame: about 5 ms of work, tapering to the end."""
        if self.config.chunksize is not None:
            return self.config.chunksize
        items = items_in(CHUNK_SECONDS, self.item_seconds)
        return fair_items(items, self.source.left(), self.config.workers)

    def _depth(self) -> int:
        return self.config.threads_per_job + FRAME_DEPTH

    def _unit(self) -> int:
        """Items behind one ticket."""
        if self.config.chunksize is not None:
            return self.config.chunksize
        waiting, workers = self.source.waiting, self.config.workers
        quick = items_in(helper.TICKET_SECONDS, self.item_seconds)
        quick = max(quick, min(MOST_TICKET * quick, waiting // (TICKETS_LEFT * workers)))
        return max(1, min(quick, waiting // (8 * workers)))

    def _deal_tickets(self, most: int = PIPE_TICKETS) -> None:
        """Keep the pipe filled; close it when nothing more will come."""
        crew = self.crew
        if crew.write_fd < 0:
            return
        if self.alone:
            self._deal_alone()
        unit = self._unit()
        held = helper.tickets_in(crew.read_fd)
        workers = self.config.workers
        want = 4 * workers  # until one item has told how long they take: others may take over
        if self.item_seconds > 0:
            per = max(unit * self.item_seconds, 1e-6)
            want = min(most, max(want, int(AHEAD_SECONDS * workers / per)))
        if self.memory is not None and self.memory.first:
            want = 1  # the others, which come when the first has shown what it needs, find the rest
        numbers = helper.new_tickets()
        while held < want and not self.leaving:
            run = self.source.take_run(unit)
            if run is None:
                break
            crew.open_runs[run[0]] = run[1]
            numbers.extend(run)
            held += 1
        if numbers:
            self._write_tickets(numbers)
        ended = self.source.finished and not self.source.returns
        if (ended or self.leaving) and not self.alone:
            crew.end_dealing()

    def _write_tickets(self, numbers: Any) -> None:
        crew = self.crew
        body = memoryview(numbers.tobytes())
        while body:
            # Not more than PIPE_BUF at once: such a write is whole or not at all.
            piece = body[:4096]
            try:
                os.write(crew.write_fd, piece)
            except BlockingIOError:
                for lo, hi in helper.parse_tickets(body.tobytes()):
                    del crew.open_runs[lo]
                    self.source.give_back(lo, hi - lo)
                return
            body = body[len(piece) :]

    def _deal_alone(self) -> None:
        while self.alone:
            start, _ = self.alone.pop()
            self.crew.open_runs[start] = start + 1
            numbers = helper.new_tickets()
            numbers.extend((start, -(start + 1)))
            self._write_tickets(numbers)

    def _deal_frames(self) -> None:
        """Send items to the workers that have too few; read the source as far as that needs."""
        if not self.peers:
            return
        chunk = self._chunk()
        depth = self._depth()
        for peer in self.peers.values():
            if not peer.ready or peer.crew.shared or peer.overdue or peer.leaving:
                continue
            while len(peer.held) < depth:
                run = self._next_alone() if self.alone else self._next_run(chunk)
                if run is None:
                    break
                start, items = run
                try:
                    parts = wire.encode(helper.WORK, (start, items), peer.crew.launcher.pickled)
                except Exception as error:
                    if len(items) > 1:  # send what can be sent
                        for position in reversed(range(start, start + len(items))):
                            one = 1 if self.source.indexed else [items[position - start]]
                            self.source.give_back(position, one)
                    elif self.collector.fail(start, unsendable_argument(error, start), ""):
                        return
                    continue
                peer.held[start] = items
                peer.outbox += [memoryview(part).cast("B") for part in parts if len(part)]
            self._pump(peer)

    def _next_alone(self) -> tuple[int, Sequence[Any]]:
        start, items = self.alone.pop()
        if items is None:
            assert self.source.data is not None
            items = self.source.data[start : start + 1]
        return start, items

    def _next_run(self, chunk: int) -> tuple[int, Sequence[Any]] | None:
        if self.leaving:
            return None
        return self.source.take_or_pull(chunk)

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
            if self.collector.failure is not None:
                return
            events = self._poll.poll(0)
            if (
                events
                and not self.crew.shared
                and any(p.ready and not p.held for p in self.peers.values())
            ):
                return  # somebody is idle: deal first

    def _receive(self, peer: Peer) -> bool:
        """Read once from a worker. True when there may be more."""
        try:
            frames = peer.receiver.receive(_DONTWAIT)
        except BlockingIOError:
            return False
        except (wire.Closed, OSError):
            self._gone(peer)
            return False
        for kind, value in frames:
            if kind == helper.RESULT:
                start, values, began, seconds, moved, thread = value
                self.barren_deaths = 0
                peer.answered = True
                self._answered(start, len(values), peer)
                worker = peer.pid, thread
                self.collector.usage.chunk(worker, start, len(values), began, seconds, moved)
                self.collector.place(start, values)
                self._learn(len(values), seconds)
            elif kind == helper.READY:
                peer.ready = True
            elif kind == helper.TOLD:
                from amorsize.backends.processes.output_relay import heard

                heard(value)
            elif kind == helper.LEAVING:
                self._leaves(peer, value)
            elif kind == -helper.RESULT:
                self._place_salvaged(value, peer)
            elif abs(kind) in (helper.FAILURE, helper.UNSENDABLE, helper.UNREADABLE):
                index, error, text = value
                if kind < 0:  # the exception could not be unpickled
                    from amorsize.items.errors import told_by

                    error = told_by(text)
                if abs(kind) == helper.UNSENDABLE:
                    self._answered(index, 1, peer)
                    error = unsendable_result(error, index)
                elif abs(kind) == helper.UNREADABLE:
                    self._answered(index, 1, peer)
                    error = unreadable("item", error, index)
                self.collector.fail(index, error, text)
            else:
                raise AssertionError(f"unknown frame {kind} from a worker")
        return True

    def _place_salvaged(self, frame: Any, peer: Peer) -> None:
        """Results of which not all could be unpickled."""
        from amorsize.items.partial_unpickle import place_salvaged

        start, values = frame[:2]
        self._answered(start, len(values), peer)
        place_salvaged(self.collector, start, values)

    def _answered(self, start: int, count: int, peer: Peer) -> None:
        if peer.crew.shared:
            _shorten(peer.crew, start, count)
        else:
            items = peer.held.pop(start)
            if count < len(items):
                peer.held[start + count] = items[count:]

    # -- memory ---------------------------------------------------------------------------------

    def _look_at_memory(self, memory: Allowance) -> None:
        warning = memory.look(clock(), self.peers.values())
        if warning is not None:
            import warnings

            warnings.warn(warning, AmorsizeWarning, stacklevel=2)

    def _leaves(self, peer: Peer, spans: list[tuple[int, int]]) -> None:
        """A worker has grown too large and leaves between two items; others do what it has not begun."""
        peer.leaving = self.unsettled = True
        if peer.crew.shared:
            for first, stop in spans:
                self.source.give_back(first, peer.crew.settle(first, stop) - first)
            return
        peer.outbox.clear()
        try:
            peer.sock.shutdown(socket.SHUT_WR)  # its other threads wait for no more
        except OSError:
            pass

    # -- death ----------------------------------------------------------------------------------

    def _look_for_the_dead(self) -> None:
        """Workers that have ended behind a socket which something else holds open."""
        self._looked = clock()
        for peer in list(self.peers.values()):
            if reaping.has_ended(peer.pid):
                while peer.sock.fileno() in self.peers and self._receive(peer):
                    pass
                if peer.sock.fileno() in self.peers:
                    self._gone(peer)

    def _gone(self, peer: Peer) -> None:
        """A worker has finished, or it died; everything it had sent has been read."""
        fd = peer.sock.fileno()
        self._poll.unregister(fd)
        del self.peers[fd]
        crew = peer.crew
        end = crew.launcher.reap(peer)
        if crew.launcher.inherits:
            self.forked_cpu_seconds += end.cpu_seconds
        if (
            peer.peak_bytes > end.peak_bytes
        ):  # the system forgets what it takes from a dying process
            end = replace(end, peak_bytes=peer.peak_bytes)
        self._last_end = end
        running, unsent = peer.running(), list(peer.unsent())
        if peer.leaving and not running and not unsent:
            for start, items in peer.held.items():
                self.source.give_back(start, len(items) if self.source.indexed else items)
            return
        if not end.exitcode and not running and not peer.held:
            return
        self.deaths += 1
        self.unsettled = True
        self.caller_computes = False
        if self.memory is not None and reaping.short_of_memory(end, peer.room[BASE]):
            self.memory.fewer(len(self.peers))
        if not running and not unsent:
            self._was_barren()
        for position in self._suspected(running, unsent):
            if position not in self.overdue:
                self.suspects[position] = self.suspects.get(position, 0) + 1
        for start, items in peer.held.items():
            self._put_back(start, start + len(items), items)
        if not crew.shared:
            return
        for first, _, stop in unsent:
            end = crew.settle(first, stop)
            if end > first:
                self._put_back(first, end, None)
        crew.reclaim(self.source, helper.parse_tickets)
        crew.close()

    def _suspected(self, running: list[int], unsent: list[tuple[int, int, int]]) -> set[int]:
        """Positions that may be why their worker died, or must not run again."""
        found = set(running)
        for first, current, stop in unsent:
            if current < 0:  # all are done: it died of a result, or by chance
                found.update(range(first, stop))
            elif not self.rerun_after_death:
                found.update(range(first, current))
        return found

    def _was_barren(self) -> None:
        """A worker died outside of any item: if that goes on, have fewer; then none."""
        self.barren_deaths += 1
        if self.barren_deaths > 1:
            self.wanted = max(1, min(self.wanted, self.config.n_jobs) - 1)
        if self.barren_deaths >= MAX_BARREN_DEATHS:
            self.wanted = 0

    def _failed(self) -> bool:
        return self.collector.failure is not None

    def _tend(self) -> None:
        """After a death: take back what is open of crews that have left, and replace the dead."""
        if self._rest is not None or self._failed():
            return
        for crew in self.crews[:]:
            if not any(peer.crew is crew for peer in self.peers.values()):
                self.crews.remove(crew)
                self._dissolve(crew)
        if self._failed():
            return
        if (self.source.finished or self.leaving) and not self.alone:
            return
        if self.barren_deaths >= MAX_BARREN_DEATHS:
            if not self.peers:
                self._take_over()
            return
        if not self.barren_deaths:
            self.wanted = self._fitting()
        left = 0 if self.leaving else self.source.left()
        missing = self.wanted - len(self.peers)
        if left is not None:
            missing = min(missing, left + len(self.alone))
        crew = self.crew
        is_open = crew in self.crews and (not crew.shared or crew.write_fd >= 0)
        if is_open and missing <= 0:
            return
        launcher = self._next_launcher()
        if not is_open or launcher is not self.launcher:
            crew.end_dealing()
            if missing <= 0 and self.peers:
                return  # those who are there hold what they need
            try:
                self._open_crew(launcher)
            except OSError as error:
                self._go_on_without(error)
                return
            missing = max(missing, 1)
        self._staff(missing)

    def _next_launcher(self) -> Any:
        """How replacements are started: as before, or fresh where the process must not fork now."""
        if not self.launcher.inherits:
            return self.launcher
        from amorsize.machine.fork_safety import fork_refusal
        from amorsize.machine.threads import vanish

        vanish()
        if fork_refusal() is None:
            return self.launcher
        from amorsize.backends.processes.spawn import SpawnLauncher

        return SpawnLauncher()

    def _dissolve(self, crew: Crew) -> None:
        """Nobody of a crew is left: what is open of it is dealt again."""
        crew.reclaim(self.source, helper.parse_tickets)
        crew.close()
        for lo, hi in sorted(crew.open_runs.items()):
            self._put_back(lo, hi, None)
        crew.open_runs.clear()

    def _put_back(self, lo: int, hi: int, items: Sequence[Any] | None) -> None:
        """Positions lo..hi-1 have no result and nobody works on them: suspects go alone."""
        indexed = self.source.indexed
        free = lo
        special = {p for p in (*self.suspects, *self.overdue) if lo <= p < hi}
        for position in (*sorted(special), hi):
            if free < position:
                part = (
                    position - free
                    if items is None or indexed
                    else items[free - lo : position - lo]
                )
                self.source.give_back(free, part)
            free = position + 1
            if position == hi:
                return
            if position in self.overdue:
                self.collector.fail(position, self.overdue.pop(position))
            elif self.suspects[position] > self.rerun_after_death:
                end = self._last_end
                error = WorkerDied(position, end.exitcode, reaping.hint(end))
                self.collector.fail(position, error)
            else:
                one = None if items is None or indexed else items[position - lo : position - lo + 1]
                self.alone.append((position, one))

    # -- time -----------------------------------------------------------------------------------

    def _end_overdue(self, timeout: float) -> float:
        """End the workers whose item takes too long; returns when to look again.

        Nobody's clock is read for each item: the caller sees a position stand still for so long. The
        result of an item that ends at the last moment is found in the socket and kept."""
        now = clock()
        for peer in list(self.peers.values()):
            seen = peer.seen
            for slot in range(peer.threads):
                position = peer.marks[slot]
                if position < 0:
                    seen.pop(slot, None)
                elif slot not in seen or seen[slot][0] != position:
                    seen[slot] = position, now
                elif now - seen[slot][1] > timeout and not peer.overdue:
                    peer.overdue = True
                    self.overdue[position] = overdue_error(position, timeout)
                    reaping.kill(peer.pid)
        return overdue_look(timeout)

    def busy_seconds(self) -> dict[int, float] | None:
        """Process id -> seconds that a worker has computed so far, or wanted to while others had the
        cores; None where the system does not tell."""
        try:
            return {
                peer.pid: reaping.busy_seconds(peer.pid)
                for peer in self.peers.values()
                if peer.ready
            }
        except (AttributeError, OSError, OverflowError, ValueError):
            return None

    nudge, dismiss = wake, drain  # until the engine has switched


def _shorten(crew: Crew, start: int, count: int) -> None:
    end = crew.settle(start, start + count)
    if end > start + count:
        crew.open_runs[start + count] = end


Processes = ProcessPool  # until the engine has switched
