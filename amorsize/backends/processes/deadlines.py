"""Items of worker processes that take longer than their time limit: the worker is ended for them.

The caller reads no clock for each item: it sees a position stand still in the worker's marks. The result
of an item that ends at the last moment is found in the socket and kept."""

from __future__ import annotations

import time

from amorsize.backends.processes import exit_status
from amorsize.items.call import overdue_error, overdue_look

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize.backends.processes.recovery import Recovery
    from amorsize.backends.processes.workers import WorkerTable

clock = time.perf_counter


class ProcessDeadlines:
    """The time limit of one run."""

    def __init__(self, timeout_seconds: float, table: WorkerTable, recovery: Recovery) -> None:
        self.timeout_seconds = timeout_seconds
        self.look_seconds = overdue_look(timeout_seconds)
        """Pause between two looks for overdue items."""
        self._table, self._recovery = table, recovery

    def end_overdue(self) -> None:
        """End the workers whose item takes too long."""
        now = clock()
        for worker in self._table.workers.values():
            position = worker.overdue_item(now, self.timeout_seconds)
            if position is not None:
                self._recovery.overdue(position, overdue_error(position, self.timeout_seconds))
                exit_status.kill(worker.pid)

    def busy_seconds(self) -> dict[int, float] | None:
        """Process id -> seconds that a worker has computed so far, or wanted to while others had the
        cores; None where the system does not tell."""
        try:
            return {
                worker.pid: exit_status.busy_seconds(worker.pid)
                for worker in self._table.workers.values()
                if worker.ready
            }
        except (AttributeError, OSError, OverflowError, ValueError):
            return None

    def inside(self) -> frozenset[int]:
        """Process ids of the workers that are in an item."""
        workers = self._table.workers.values()
        return frozenset(one.pid for one in workers if one.ready and one.running())
