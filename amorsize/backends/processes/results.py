"""Taking in what workers send: results into their places, errors, log records, and their end.

::

    socket --frames--> ResultReader --place, fail--> collector
                            |---- pace, usage log (what an item takes, which worker worked when)
                            +---- recovery: a result came, a worker leaves, a worker has ended
"""

from __future__ import annotations

import _socket
import os
import time

from amorsize.backends.processes import exit_status, output_relay, protocol
from amorsize.backends.processes.sockets import DONTWAIT, POLLOUT
from amorsize.core.signals import released
from amorsize.items.call import run_chunk, unreadable, unsendable_result
from amorsize.items.errors import place_salvaged, told_by

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from amorsize.backends.base import BackendSpec
    from amorsize.backends.processes.recovery import Recovery
    from amorsize.backends.processes.workers import WorkerHandle, WorkerTable
    from amorsize.items.call import Pace

clock = time.perf_counter

FAREWELL_SECONDS = 0.5
"""Workers that have sent everything may take so long for their last look before they are left alone."""
LOOK_SECONDS = 0.05
"""Between two questions to the system whether a worker has died behind a socket that is still open."""


class ResultReader:
    """Reads what the workers of one run send."""

    def __init__(
        self, spec: BackendSpec, table: WorkerTable, recovery: Recovery, pace: Pace
    ) -> None:
        self.spec, self.table, self.recovery, self.pace = spec, table, recovery, pace
        self.longest_seconds = 0.0
        """What the longest stretch between two results took, some milliseconds or one long item."""
        self.changed: dict[str, None] = {}
        """Names of what workers changed that outlives an item."""
        self.heard = False
        """Whether a worker has told what its first items changed, if anything."""
        self._looked = clock()

    def hear_out(self, workers: Iterable[WorkerHandle]) -> None:
        """Read what workers say that have nothing left to do, until they have left."""
        until = clock() + FAREWELL_SECONDS
        for worker in workers:
            try:
                worker.sock.shutdown(
                    _socket.SHUT_WR
                )  # the end of file for those that wait for a frame
                worker.sock.settimeout(max(until - clock(), 0.001))
                while True:
                    for kind, value in worker.receiver.receive():
                        if kind == protocol.CHANGED:
                            self.changed.update(dict.fromkeys(value))
                        elif kind == protocol.TOLD:
                            output_relay.heard(value)
            except (protocol.Closed, OSError):
                continue

    def learn(self, items: int, seconds: float) -> None:
        """A stretch of items took so long."""
        self.longest_seconds = max(self.longest_seconds, seconds)
        self.pace.add(items, seconds)

    def take_in(self, patience: float) -> None:
        """Place what has come; waits up to ``patience`` seconds for the first. Workers that never stop
        sending do not keep the caller: it looks after the run in between."""
        if not self.table.workers:
            return
        with released():
            found = self.table.poll(patience)
        until = clock() + LOOK_SECONDS
        while found and clock() < until:
            woken = False
            for worker, event in found:
                if worker is None:
                    woken = True
                elif self.table.has(worker):  # else it has gone in this very round
                    if event & POLLOUT:
                        self.table.pump(worker)
                    if event & ~POLLOUT:
                        self._receive(worker)
            if woken or self.spec.collector.failure is not None:
                return
            found = self.table.poll(0)
            if found and not self.table.group.shared and self._any_idle():
                return  # dispatch first

    def _any_idle(self) -> bool:
        return any(worker.ready and not worker.held for worker in self.table.workers.values())

    def look_for_the_dead(self) -> None:
        """Workers that have ended behind a socket which something else holds open."""
        for worker in list(self.table.workers.values()):
            if exit_status.has_ended(worker.pid):
                while self.table.has(worker) and self._receive(worker):
                    pass
                if self.table.has(worker):
                    self.recovery.ended(worker)

    def _receive(self, worker: WorkerHandle) -> bool:
        """Read once from a worker. True when there may be more."""
        try:
            frames = worker.receiver.receive(DONTWAIT)
        except BlockingIOError:
            return False
        except (protocol.Closed, OSError):
            self.recovery.ended(worker)
            return False
        for kind, value in frames:
            if kind == protocol.RESULT:
                self._results(worker, value)
            elif kind == -protocol.RESULT:  # not all of them could be unpickled
                start, values = value[:2]
                worker.answered_run(start, len(values))
                place_salvaged(self.spec.collector, start, values)
            elif kind == protocol.READY:
                worker.now_ready()
            elif kind == protocol.TOLD:
                output_relay.heard(value)
            elif kind == protocol.CHANGED:
                self.heard = True
                self.changed.update(dict.fromkeys(value))
            elif kind == protocol.LEAVING:
                self.recovery.leaves(worker, value)
            else:
                self._failure(worker, kind, value)
        return True

    def _results(self, worker: WorkerHandle, value: Any) -> None:
        start, values, began, (seconds, *cpu), moved, thread = value
        collector = self.spec.collector
        self.recovery.result_came()
        worker.now_answering()
        worker.answered_run(start, len(values))
        span = start, len(values)
        collector.usage.chunk((worker.pid, thread), span, began, seconds, tuple(cpu), moved)
        collector.place(start, values)
        self.learn(len(values), seconds)

    def _computed_here(self, worker: WorkerHandle, index: int) -> bool:
        """An item that does not travel, or its result, is the caller's; False where it is not to be."""
        spec = self.spec
        if spec.travels is None:
            return False
        data = spec.source.data if worker.group.shared else None
        item = worker.item_at(index) if data is None else data[index : index + 1]
        if not len(item):
            return False
        worker.answered_run(index, 1)
        with released():
            outcome = run_chunk(spec.func, index, item, spec.collector.on_error)
        outcome.deliver(spec.collector, (os.getpid(), 0))
        return True

    def _failure(self, worker: WorkerHandle, kind: int, value: Any) -> None:
        if abs(kind) not in (protocol.FAILURE, protocol.UNSENDABLE, protocol.UNREADABLE):
            raise AssertionError(f"unknown frame {kind} from a worker")
        index, error, text = value
        if kind < 0:  # the exception could not be unpickled
            error = told_by(text)
        if index is None and abs(kind) == protocol.UNREADABLE:
            self._not_made(worker, error, text)
            return
        if abs(kind) != protocol.FAILURE and self._computed_here(worker, index):
            return
        if abs(kind) == protocol.UNSENDABLE:
            worker.answered_run(index, 1)
            error = unsendable_result(error, index)
        elif abs(kind) == protocol.UNREADABLE:
            worker.answered_run(index, 1)
            error = unreadable("item", error, index)
        self.spec.collector.fail(index, error, text)

    def _not_made(self, worker: WorkerHandle, error: BaseException, text: str) -> None:
        """The function, or what goes with it, cannot be made again in a fresh interpreter: the caller
        goes on without, or the run fails where another backend is not to be taken."""
        spec = self.spec
        if spec.travels is None or spec.initializer is not None:
            spec.collector.fail(None, error, text)
            return
        worker.now_leaving()
        self.recovery.give_up()
