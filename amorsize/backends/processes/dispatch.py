"""Handing items out: tickets for workers that have the data, frames with the items for the rest.

::

    source --take_run--> tickets --pipe of the group--> whichever worker reads next
    source --take------> items in a frame ------------> the one worker that has too few
                                                        (FRAME_DEPTH ahead: it never waits for the caller)
"""

from __future__ import annotations

import os

from amorsize.backends.processes import protocol
from amorsize.backends.processes.protocol import (
    TicketReader,
    new_tickets,
    parse_tickets,
    waiting_tickets,
)
from amorsize.backends.processes.shared_buffers import AVAILABLE, SharedBuffers
from amorsize.core.signals import released
from amorsize.items.call import run_chunk, unsendable_argument
from amorsize.planning.chunking import fair_items, items_in, stretch_seconds, ticket_seconds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from array import array
    from collections.abc import Sequence
    from typing import Any

    from amorsize.backends.base import BackendSpec
    from amorsize.backends.processes.recovery import Recovery
    from amorsize.backends.processes.shared_buffers import MemoryFile
    from amorsize.backends.processes.workers import WorkerHandle, WorkerTable
    from amorsize.items.call import Pace

AHEAD_SECONDS = 0.2
"""Work kept in the ticket pipe for each worker: beyond the longest the caller is away (50 ms)."""
PIPE_TICKETS = 4000
"""Tickets in the pipe at most: 64 KiB, the room a pipe has without asking."""
FIRST_TICKETS = 16
"""Tickets for each worker that are dispatched before there are any workers: 1.6 ms of work at least,
which is what a fork takes. To dispatch costs 1.3 µs a ticket, and a worker had to wait for all of them, 4
ms of ``cpu/10us`` (benchmarks/workloads/catalog.py)."""
MOST_TICKET, TICKETS_LEFT = 10, 512
"""A ticket of short items grows to so many times its size, as long as so many are left for each worker:
should items become heavy, one that is taken is still a small part of them. Reasoned, not searched for."""
FRAME_DEPTH = 2
"""Frames that a worker thread has beside the one it is in when it is sent its items."""
WRITE_BYTES = 4096
"""Bytes of tickets written at once (PIPE_BUF): such a write is whole or not at all."""


class Dispatcher:
    """Hands the items of one run out to its workers."""

    def __init__(
        self, spec: BackendSpec, table: WorkerTable, recovery: Recovery, pace: Pace
    ) -> None:
        self.spec, self.table, self.recovery, self.pace = spec, table, recovery, pace
        self.draining = False
        """Other workers have taken over: nothing new is dispatched, but for items in which a worker
        died."""
        self._reader: TicketReader | None = None
        """The caller's own, for the tickets of the group that gets new work."""
        self._shared: SharedBuffers | None = None

    @property
    def depth(self) -> int:
        """Frames that a worker has, the one it is in included."""
        return self.spec.config.threads_per_job + FRAME_DEPTH

    def drain(self) -> None:
        """Dispatch no more; what no worker has begun goes back to the source."""
        self.draining = True
        for group in self.table.groups:
            group.reclaim(self.spec.source)

    def open_group(self) -> None:
        """A new group gets the work; it finds its first tickets."""
        group = self.table.group
        if group.shared:
            workers = self.spec.config.workers
            self._reader = TicketReader(group.own_fd, workers)
            self.tickets(min(PIPE_TICKETS, FIRST_TICKETS * workers))

    # -- sizes ----------------------------------------------------------------------------------

    def _chunk(self) -> int:
        """Items for one frame: about 5 ms of work (more for many workers), fewer near the end."""
        config = self.spec.config
        if config.chunksize is not None:
            return config.chunksize
        items = items_in(stretch_seconds(config.workers), self.pace.item_seconds)
        return fair_items(items, self.spec.source.left(), config.workers)

    def _ticket(self) -> int:
        """Items behind one ticket."""
        config = self.spec.config
        if config.chunksize is not None:
            return config.chunksize
        waiting, workers = self.spec.source.waiting, config.workers
        quick = items_in(ticket_seconds(workers), self.pace.item_seconds)
        quick = max(quick, min(MOST_TICKET * quick, waiting // (TICKETS_LEFT * workers)))
        return max(1, min(quick, waiting // (8 * workers)))

    # -- tickets --------------------------------------------------------------------------------

    def tickets(self, most: int = PIPE_TICKETS) -> None:
        """Keep the pipe filled; close it when nothing more will come."""
        source, group, alone = self.spec.source, self.table.group, self.recovery.alone
        if group.write_fd < 0:
            return
        while alone:
            start, _ = alone.pop()
            group.open_runs[start] = start + 1
            numbers = new_tickets()
            numbers.extend((start, -(start + 1)))
            self._write(numbers)
        unit = self._ticket()
        held, want = waiting_tickets(group.read_fd), self._wanted(unit, most)
        numbers = new_tickets()
        while held < want and not self.draining:
            run = source.take_run(unit)
            if run is None:
                break
            group.open_runs[run[0]] = run[1]
            numbers.extend(run)
            held += 1
        if numbers:
            self._write(numbers)
        ended = source.has_ended_for_good
        if (ended or self.draining) and not alone:
            group.end_dispatch()

    def _wanted(self, unit: int, most: int) -> int:
        """Tickets of ``unit`` items that the pipe is to hold."""
        workers = self.spec.config.workers
        ahead = self.spec.source.most_ahead(workers)
        if ahead is not None:
            return ahead
        if self.spec.memory is not None and self.spec.memory.awaits_first:
            return 1  # those that come when the first has shown what it needs find the rest
        if self.pace.item_seconds <= 0:
            return 4 * workers  # until one item has told how long they take: threads may take over
        per = max(unit * self.pace.item_seconds, 1e-6)
        return min(most, max(4 * workers, int(AHEAD_SECONDS * workers / per)))

    def _write(self, numbers: array[int]) -> None:
        group = self.table.group
        body = memoryview(numbers.tobytes())
        while body:
            piece = body[:WRITE_BYTES]
            try:
                os.write(group.write_fd, piece)
            except BlockingIOError:  # full: the rest goes back
                for lo, hi in parse_tickets(body.tobytes()):
                    del group.open_runs[lo]
                    self.spec.source.give_back(lo, hi - lo)
                return
            body = body[len(piece) :]

    # -- frames ---------------------------------------------------------------------------------

    def frames(self) -> None:
        """Send items to the workers that have too few; read the source as far as that needs."""
        if not self.table.workers:
            return
        chunk = self._chunk()
        able = [worker for worker in self.table.workers.values() if worker.takes_frames()]
        if self._send_in_turns(able, chunk):
            for worker in able:
                self.table.pump(worker)

    def _send_in_turns(self, able: list[WorkerHandle], chunk: int) -> bool:
        """None has a second chunk while another has none: there may be few to send (``rate``). False
        where the run is to end."""
        for held in range(self.depth):
            for worker in able:
                if len(worker.held) <= held:
                    if not self._send_one(worker, chunk):
                        return True
                    if self.spec.collector.failure is not None:
                        return False
        return True

    def _send_one(self, worker: WorkerHandle, chunk: int) -> bool:
        """Have one chunk sent. False where there is none to send now."""
        alone = self.recovery.alone
        run = self.recovery.next_alone() if alone else self._next_run(chunk)
        if run is None:
            return False
        start, items = run
        try:
            parts, files = self._frame(start, items, worker.group.launcher.pickled)
        except Exception as error:
            self._unsendable(start, items, error)
        else:
            worker.send(start, items, parts, files)
        return True

    def _frame(
        self, start: int, items: Sequence[Any], pickled: protocol.Pickled
    ) -> tuple[list[Any], Sequence[MemoryFile]]:
        """The parts of a frame, and the files in memory that it needs."""
        if self.spec.source.data is None or not AVAILABLE:
            return protocol.encode(protocol.WORK, (start, items), pickled), ()
        if self._shared is None:
            self._shared = SharedBuffers(self.spec.config.n_jobs * self.depth)
        return self._shared.encode(protocol.WORK, (start, items), pickled)

    def _unsendable(self, start: int, items: Sequence[Any], error: Exception) -> None:
        """One of the items cannot be pickled: each goes by itself, and that one runs in the caller. It
        fails where it must not (``BackendSpec.travels``)."""
        source, spec = self.spec.source, self.spec
        if len(items) == 1 and spec.travels is None:
            spec.collector.fail(start, unsendable_argument(error, start), "")
            return
        if len(items) == 1:
            with released():
                outcome = run_chunk(spec.func, start, items, spec.collector.on_error)
            outcome.deliver(spec.collector, (os.getpid(), 0))
            return
        for position in reversed(range(start, start + len(items))):
            source.give_back(position, 1 if source.indexed else [items[position - start]])

    def _next_run(self, chunk: int) -> tuple[int, Sequence[Any]] | None:
        return None if self.draining else self.spec.source.take_or_pull(chunk)

    # -- the caller as a worker -----------------------------------------------------------------

    def own_share(self) -> list[tuple[int, Sequence[Any]]]:
        """What the caller itself is to run now; nothing where a worker has too little."""
        group, source = self.table.group, self.spec.source
        if group.shared:
            if group.own_fd < 0 or not waiting_tickets(group.own_fd):
                return []
            assert self._reader is not None and source.data is not None
            spans = self._reader.take(self.pace.item_seconds)
            return [(lo, source.data[lo:hi]) for lo, hi in spans]
        if any(len(one.held) < self.depth for one in self.table.workers.values() if one.ready):
            return []
        run = self._next_run(self._chunk())
        return [run] if run is not None else []
