"""What becomes of items when workers die or overstay: nothing is lost, nothing runs twice without need.

::

    a worker's end --> what it had sent is read first (results) --> then, of what it held:
        items it was in    -> suspects: each runs once more, by itself (or never, as the user says);
                              at the second death its place gets a WorkerDied
        done but unsent    -> run again (suspects where they must not run twice)
        not begun          -> back to the source

What a dead worker had taken from a shared pipe is known for certain only when its whole group has left:
until then its group dispatches no more, and a new group goes on. Workers that die outside of any item are
replaced by fewer and fewer.

With a time limit a worker is ended for an item that takes longer. The caller reads no clock for each
item: it sees a position stand still in the worker's marks. The result of an item that ends at the last
moment is found in the socket and kept.
"""

from __future__ import annotations

import time

from amorsize.backends.processes import exit_status
from amorsize.backends.processes.protocol import BASE
from amorsize.core.frozen import replace
from amorsize.errors import WorkerDied
from amorsize.items.call import overdue_error, overdue_look

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from amorsize.backends.base import BackendSpec
    from amorsize.backends.processes.workers import WorkerGroup, WorkerHandle, WorkerTable


MAX_IDLE_DEATHS = 6
"""So many workers may die outside of any item with no result between them; then no more are started."""


class Recovery:
    """Accounts for the items of workers that have ended."""

    def __init__(self, spec: BackendSpec, table: WorkerTable) -> None:
        self.spec, self.table = spec, table
        self.suspects: dict[int, int] = {}
        """Position -> how often a worker died in it."""
        self.alone: list[tuple[int, Sequence[object] | None]] = []
        """Items in which a worker died once, each by itself (None: read by position)."""
        self.deaths = 0
        self.idle_deaths = 0
        """Deaths outside of any item since the last result."""
        self.unsettled = False
        """Workers have died, left or are to come: from now on the pool counts each time how many are
        missing."""
        self.wanted = 0
        """Workers to be had."""
        self.cpu_seconds = 0.0
        """What forked workers computed that have ended: the system tells of them when they are reaped."""
        self._verdicts: dict[int, TimeoutError] = {}
        """Position -> the verdict on an item for which its worker was ended."""
        self._last_end = exit_status.End(None)

    # -- what it is told ------------------------------------------------------------------------

    def result_came(self) -> None:
        """Workers can work: earlier deaths outside of items were by chance."""
        self.idle_deaths = 0

    def want(self, workers: int) -> None:
        """Have so many workers, as far as they can be had."""
        self.wanted = workers

    def give_up(self) -> None:
        """Start no more workers."""
        self.wanted, self.idle_deaths, self.unsettled = 0, MAX_IDLE_DEATHS, True

    def look_again(self) -> None:
        """More workers are to come."""
        self.unsettled = True

    def count_cpu(self, seconds: float) -> None:
        """A worker that was let go has used so much."""
        self.cpu_seconds += seconds

    def overdue(self, position: int, verdict: TimeoutError) -> None:
        """The worker of this item is ended for it."""
        self._verdicts[position] = verdict

    def leaves(self, worker: WorkerHandle, spans: list[tuple[int, int]]) -> None:
        """A worker has grown too large and leaves between two items; ``spans`` it has not begun."""
        self.unsettled = True
        worker.now_leaving()
        if worker.group.shared:
            for first, stop in spans:
                self.spec.source.give_back(first, worker.group.settle(first, stop) - first)

    def ended(self, worker: WorkerHandle) -> None:
        """A worker has finished, or it died; everything it had sent has been read."""
        source, group = self.spec.source, worker.group
        self.table.remove(worker)
        end = group.launcher.reap(worker)
        if group.launcher.inherits:
            self.cpu_seconds += end.cpu_seconds
        # The system forgets what it takes from a dying process.
        self._last_end = end = replace(end, peak_bytes=max(end.peak_bytes, worker.peak_bytes))
        running, unsent = worker.running(), list(worker.unsent())
        if worker.leaving and not running and not unsent:
            for start, items in worker.held.items():
                source.give_back(start, len(items) if source.indexed else items)
            return
        if not end.exitcode and not running and not worker.held:
            return
        self._died(worker, end, running, unsent)

    def _died(
        self,
        worker: WorkerHandle,
        end: exit_status.End,
        running: list[int],
        unsent: list[tuple[int, int, int]],
    ) -> None:
        self.deaths += 1
        self.unsettled = True
        memory = self.spec.memory
        if memory is not None and exit_status.short_of_memory(end, worker.page.room[BASE]):
            memory.fewer(len(self.table.workers))
        if not running and not unsent:
            self._died_idle()
        for position in self._suspected(running, unsent):
            if position not in self._verdicts:
                self.suspects[position] = self.suspects.get(position, 0) + 1
        for start, items in worker.held.items():
            self._put_back(start, start + len(items), items)
        group = worker.group
        if not group.shared:
            return
        for first, _, stop in unsent:
            last = group.settle(first, stop)
            if last > first:
                self._put_back(first, last, None)
        group.reclaim(self.spec.source)
        group.close()

    def _died_idle(self) -> None:
        """A worker died outside of any item: if that goes on, have fewer; then none."""
        self.idle_deaths += 1
        if self.idle_deaths > 1:
            self.wanted = max(1, min(self.wanted, self.spec.config.n_jobs) - 1)
        if self.gave_up:
            self.wanted = 0

    @property
    def gave_up(self) -> bool:
        """Whether so many have died outside of any item that no more are started."""
        return self.idle_deaths >= MAX_IDLE_DEATHS

    def _suspected(self, running: list[int], unsent: list[tuple[int, int, int]]) -> set[int]:
        """Positions that may be why their worker died, or must not run again."""
        found = set(running)
        for first, current, stop in unsent:
            if current < 0:  # all are done: it died of a result, or by chance
                found.update(range(first, stop))
            elif not self.spec.rerun_after_death:
                found.update(range(first, current))
        return found

    # -- what is open of those that have left ---------------------------------------------------

    def settle(self) -> None:
        """Take back what is open of groups that have left."""
        for group in self.table.groups[:]:
            if not self.table.any_left_of(group):
                self.table.groups.remove(group)
                self._dissolve(group)

    def dissolve_all(self) -> None:
        """No worker is left, and none will come."""
        for group in self.table.groups:
            self._dissolve(group)
        self.table.groups.clear()

    def _dissolve(self, group: WorkerGroup) -> None:
        group.reclaim(self.spec.source)
        group.close()
        for lo, hi in sorted(group.open_runs.items()):
            self._put_back(lo, hi, None)
        group.open_runs.clear()

    def _put_back(self, lo: int, hi: int, items: Sequence[object] | None) -> None:
        """Positions lo..hi-1 have no result and no worker: they go to the source, suspects by
        themselves."""
        source, collector = self.spec.source, self.spec.collector
        by_position = items is None or source.indexed
        free = lo
        special = {p for p in (*self.suspects, *self._verdicts) if lo <= p < hi}
        for position in (*sorted(special), hi):
            if free < position:
                if by_position:
                    source.give_back(free, position - free)
                else:
                    assert items is not None
                    source.give_back(free, items[free - lo : position - lo])
            free = position + 1
            if position == hi:
                return
            if position in self._verdicts:
                collector.fail(position, self._verdicts.pop(position))
            elif self.suspects[position] > self.spec.rerun_after_death:
                end = self._last_end
                hint = exit_status.hint(end)
                collector.fail(position, WorkerDied(position, end.exitcode, hint))
            else:
                one = None
                if not by_position:
                    assert items is not None
                    one = items[position - lo : position - lo + 1]
                self.alone.append((position, one))

    def next_alone(self) -> tuple[int, Sequence[object]]:
        """One of the items that run by themselves, taken out."""
        start, items = self.alone.pop()
        if items is None:
            assert self.spec.source.data is not None
            items = self.spec.source.data[start : start + 1]
        return start, items

    def give_back_alone(self) -> None:
        """The caller does the rest: what was to run by itself goes back to the source."""
        for position, items in self.alone:
            self.spec.source.give_back(position, 1 if items is None else items)
        self.alone.clear()

    def unreplaceable(self) -> WorkerDied:
        """Why the caller must not do the rest where no other worker can be started."""
        return WorkerDied(
            min(self.suspects, default=-1),
            self._last_end.exitcode,
            f"{exit_status.hint(self._last_end)}; no other worker could be started, and what ends "
            "a worker could end this process",
        )


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
