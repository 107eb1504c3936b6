"""Worker processes: the caller's side of the protocol in ``worker.py``.

::

    source --dispatch--> tickets (pipe) or frames (socket) --> workers --> frames --results--> collector
       ^                                                          |
       +--recovery--- what a dead worker had not sent ------------+

    ProcessPool  starts, drains and ends the workers; its `step` is one turn of all below
      WorkerTable  the workers that live, what the caller sleeps on      Dispatcher  items to workers
      ResultReader what they send                                       Recovery    what they leave undone

The caller is worker 0 while its items are short: it computes for about 5 ms, then looks after the
workers. Every position that was dispatched and whose result has not come is accounted for, so that
nothing is lost and nothing runs twice without need when a worker dies. A dead worker is replaced at once;
from then on the caller computes nothing. All of it runs in one thread, the caller's; only ``wake`` may
come from another."""

from __future__ import annotations

import os
import time

from amorsize.backends.base import Backend, BackendReport
from amorsize.backends.caller import CallerBackend
from amorsize.backends.processes import exit_status, protocol
from amorsize.backends.processes.dispatch import Dispatcher
from amorsize.backends.processes.fork import ForkLauncher
from amorsize.backends.processes.memory import MemoryBudget
from amorsize.backends.processes.recovery import ProcessDeadlines, Recovery
from amorsize.backends.processes.results import LOOK_SECONDS, ResultReader
from amorsize.backends.processes.workers import LaunchSpec, WorkerTable
from amorsize.backends.threads.pool import ThreadPool
from amorsize.core.backends import CALLER_ITEM_SECONDS, real_changes
from amorsize.core.frozen import replace
from amorsize.core.signals import held, released
from amorsize.errors import AmorsizeWarning, OptionError
from amorsize.items.call import Pace, run_chunk
from amorsize.machine.fork_safety import fork_refusal
from amorsize.machine.procfs import tells_memory
from amorsize.machine.threads import vanish
from amorsize.planning.chunking import frame_seconds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize.backends.base import BackendSpec
    from amorsize.backends.processes.workers import Launcher
    from amorsize.core.model import Machine


clock = time.perf_counter

PATIENCE_SECONDS = 0.05
"""Longest wait for a result before the caller looks around."""

live: list[ProcessPool] = []
"""Runs of this process that have workers: a forked worker closes what belongs to other runs."""


class ProcessPool(Backend):
    """Runs what is in the source on worker processes; one object for one hand-over.

    How the workers come to life is the launcher's affair (``fork.py``, ``spawn.py``).
    """

    dispatcher = Dispatcher
    """The class that hands items out."""
    starts_at_once = True
    """Whether :meth:`start` starts all workers; else :meth:`scale_to` does."""

    def __init__(self, launcher: Launcher, spec: BackendSpec) -> None:
        self.spec = spec
        self._launcher = launcher
        self._pace = Pace(spec.item_seconds)
        self._done_before = spec.collector.done
        self._table = WorkerTable()
        self._recovery = Recovery(spec, self._table)
        self._dispatcher = self.dispatcher(spec, self._table, self._recovery, self._pace)
        self._reader = ResultReader(spec, self._table, self._recovery, self._pace)
        limit = spec.timeout_seconds
        self._deadlines = (
            None if limit is None else ProcessDeadlines(limit, self._table, self._recovery)
        )
        self._alone = spec.one_first and spec.late_maker is not None
        """Whether a single worker is to be there."""
        self._fallback: Backend | None = None
        """What goes on when no worker can be had."""
        self._looked = clock()
        self._warned = False
        self._worker = os.getpid(), 0

    @property
    def _caller_computes(self) -> bool:
        return self.spec.caller_computes and not self._recovery.deaths

    def _failed(self) -> bool:
        return self.spec.collector.failure is not None

    # -- life -----------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the workers and give them their first work."""
        live.append(self)
        self._recovery.want(self._fitting())
        try:
            if not self.spec.source.caller_reads_source:
                with protocol.above_stdio():
                    self._table.open_wake()
            self._open_group(self._launcher)
        except OSError as error:
            self._go_on_without(error)
            return
        if self.starts_at_once:
            self._start_workers(self._recovery.wanted)
        if self._fallback is None and not self._table.group.shared:
            self._dispatcher.frames()

    def _open_group(self, launcher: Launcher) -> None:
        self._launcher = launcher
        with protocol.above_stdio():
            self._table.open_group(launcher, shared=launcher.inherits and self.spec.source.indexed)
        self._dispatcher.open_group()

    def _start_workers(self, count: int) -> None:
        """Start so many workers more, or as many as can be had."""
        workers = self.spec.config.workers
        for _ in range(count):
            given = LaunchSpec(
                self.spec,
                self._table.group,
                self._pace.item_seconds,
                frame_seconds(workers) if self.spec.rerun_after_death else 0.0,
                self._let_go,
            )
            try:
                # Held: one between the fork and its note would leave the worker behind.
                with held(), protocol.above_stdio():
                    worker = self._launcher.launch(given)
                    self._table.add(worker)
                if self.spec.memory is not None:
                    self.spec.memory.admit(worker)
            except OSError as error:
                self._go_on_without(error)
                return
            except Exception as error:
                if self._recovery.deaths or self._table.workers:
                    self._go_on_without(error)  # it need not be where a fork is allowed
                    return
                if self.spec.travels is None or self.spec.initializer is not None:
                    raise  # the function cannot be sent
                self._take_over()
                return

    def _let_go(self) -> None:
        """In a worker that has just been forked: of all runs of this process, it keeps its own pipe of
        tickets only. Another worker's socket held open here would hide that worker's death."""
        for run in live:
            if run is self:
                run._table.keep_group_only()
            else:
                run._table.close_all()

    def _fitting(self) -> int:
        """Workers to be had, as far as memory goes."""
        wanted = self.spec.config.n_jobs - (1 if self._caller_computes else 0)
        if self._alone:
            wanted = min(wanted, 1)
        if self.spec.memory is not None:
            wanted = min(wanted, self.spec.memory.fit(self._table.workers.values()))
        return wanted

    def scale_to(self, workers: int) -> None:
        """Have so many workers, if they can be had."""
        recovery = self._recovery
        recovery.want(min(workers, self.spec.config.n_jobs))
        missing = recovery.wanted - len(self._table.workers)
        if not recovery.deaths and missing > 0 and self._fallback is None:
            self._start_workers(missing)

    def worker_pids(self) -> list[int]:
        """Process ids of the living workers."""
        return [worker.pid for worker in list(self._table.workers.values())]

    def close(self, *, abort: bool = False, hurry: bool = False) -> None:
        """End all workers and wait until they are gone. ``abort`` ends them in their items."""
        with held():
            if self in live:
                live.remove(self)
            self._table.close()  # the end of file in the ticket pipe ends those that wait there
            workers = list(self._table.workers.values())
            self._table.workers.clear()
            unfinished = {one.pid for one in workers if abort or one.held or one.group.open_runs}
            for pid in unfinished:
                exit_status.kill(pid)
            looks = self.spec.late_look or self.spec.late_maker
            if looks is not None and not (abort or hurry):
                inherited = [one for one in workers if one.group.launcher.inherits]
                self._reader.hear_out(one for one in inherited if one.pid not in unfinished)
            for worker in workers:
                launcher = worker.group.launcher
                self._recovery.count_cpu(launcher.release(worker, abort=worker.pid in unfinished))
                self._reader.changed.update(launcher.changed)
        if self._fallback is not None:
            self._fallback.close(abort=abort, hurry=hurry)

    def wake(self) -> None:
        """End the caller's wait for results: there is something new to dispatch."""
        if self._fallback is not None:
            self._fallback.wake()
        self._table.wake()

    def drain(self) -> None:
        """Dispatch no more: what no worker has begun goes back to the source."""
        self._dispatcher.drain()

    def report(self) -> BackendReport:
        table, deadlines, recovery = self._table, self._deadlines, self._recovery
        memory = self.spec.memory
        return BackendReport(
            done=self.spec.collector.done - self._done_before,
            workers=len(table.workers),
            deaths=recovery.deaths,
            longest_seconds=self._reader.longest_seconds,
            cpu_seconds=recovery.cpu_seconds,
            item_seconds=self._pace.item_seconds,
            busy=None if deadlines is None else deadlines.busy_seconds(),
            inside=frozenset() if deadlines is None else deadlines.inside(),
            ended=(0, 0.0, 0.0) if deadlines is None else self.spec.collector.usage.later(),
            changed=tuple(self._reader.changed),
            alone=self._alone,
            worker_bytes=0 if memory is None else memory.most_bytes,
            drained=self._dispatcher.draining and not (recovery.alone or table.has_open_items()),
        )

    # -- one turn -------------------------------------------------------------------------------

    def step(self, patience: float = PATIENCE_SECONDS) -> BackendReport:
        """Dispatch, compute a little, place what has come; waits so long when there is nothing to do."""
        with held():
            self._turn(patience)
            return self.report()

    def _turn(self, patience: float) -> None:
        memory, recovery = self.spec.memory, self._recovery
        if self._failed():
            return
        if memory is not None and memory.awaits_first:
            self._fitting()
            if not memory.awaits_first:
                recovery.look_again()
        if self._alone and self._reader.heard and not real_changes(self._reader.changed):
            self._alone = False
            self.scale_to(self._fitting())
        if recovery.unsettled:
            self._restart_workers()
        if self._fallback is not None:
            self._fallback.step(patience)
            return
        shared = self._table.group.shared
        if shared:
            self._dispatcher.tickets()
        if not shared or recovery.unsettled:
            self._dispatcher.frames()
        busy = self._caller_computes and self._pace.item_seconds < CALLER_ITEM_SECONDS
        worked = busy and self._compute()
        if self._failed():
            return
        if self._deadlines is not None:
            self._deadlines.end_overdue()
            patience = min(patience, self._deadlines.look_seconds)
        self._reader.take_in(0 if worked else patience)
        if clock() - self._looked > LOOK_SECONDS:
            self._looked = clock()
            self._reader.look_for_the_dead()
            self._look_at_memory()
        if not self._table.workers and not self._failed():
            self._restart_workers()

    def _compute(self) -> bool:
        """The caller's own share: one take. False when there was nothing to take."""
        spec, group = self.spec, self._table.group
        runs = self._dispatcher.own_share()
        for start, items in runs:
            with released():
                outcome = run_chunk(spec.func, start, items, spec.collector.on_error)
            if not outcome.deliver(spec.collector, self._worker):
                return True
            if group.shared:
                group.shorten(start, len(outcome.values))
            self._reader.learn(len(outcome.values), outcome.seconds)
        return bool(runs)

    def _look_at_memory(self) -> None:
        if self.spec.memory is None:
            return
        warning = self.spec.memory.look(clock(), self._table.workers.values())
        if warning is not None:
            import warnings

            warnings.warn(warning, AmorsizeWarning, stacklevel=2)

    # -- after a death --------------------------------------------------------------------------

    def _restart_workers(self) -> None:
        """Take back what is open of groups that have left, and replace the workers that are missing."""
        recovery, table, source = self._recovery, self._table, self.spec.source
        if self._fallback is not None or self._failed():
            return
        recovery.settle()
        draining, alone = self._dispatcher.draining, recovery.alone
        if self._failed():
            return
        if (source.finished or draining) and not alone:
            return
        if recovery.gave_up:
            if not table.workers:
                self._take_over()
            return
        if not recovery.idle_deaths:
            recovery.want(self._fitting())
        left = 0 if draining else source.left()
        missing = recovery.wanted - len(table.workers)
        if left is not None:
            missing = min(missing, left + len(alone))
        self._replace(missing)

    def _replace(self, missing: int) -> None:
        """Start so many workers, in a new group where the present one takes no more work."""
        table, group = self._table, self._table.group
        is_open = group in table.groups and group.is_open
        if is_open and missing <= 0:
            return
        launcher = self._next_launcher()
        if not is_open or launcher is not self._launcher:
            group.end_dispatch()
            if missing <= 0 and table.workers:
                return  # the workers that are there hold what they need
            try:
                self._open_group(launcher)
            except OSError as error:
                self._go_on_without(error)
                return
            missing = max(missing, 1)
        self._start_workers(missing)

    def _next_launcher(self) -> Launcher:
        """How replacements are started: as before, or fresh where the process must not fork now."""
        if not self._launcher.inherits:
            return self._launcher
        vanish()
        if fork_refusal() is None:
            return self._launcher
        return _spawn_launcher()

    def _go_on_without(self, error: BaseException) -> None:
        """No more workers can be had: fewer do, or the caller alone."""
        workers = len(self._table.workers)
        self._recovery.want(workers)
        if not self._warned:
            self._warned = True
            import warnings

            warnings.warn(
                f"a worker process could not be started ({error}); the run goes on with "
                f"{workers} of {self.spec.config.n_jobs}: raise the limit on processes, memory or "
                "open files",
                AmorsizeWarning,
                stacklevel=2,
            )
        if not workers:
            self._take_over()

    def _take_over(self) -> None:
        """No worker is left: the rest is done in this process if that is safe."""
        recovery, spec = self._recovery, self.spec
        recovery.want(0)
        recovery.dissolve_all()
        if self._failed():
            return
        if recovery.suspects or (spec.initializer is not None and recovery.deaths):
            spec.collector.fail(None, recovery.unreplaceable())
            return
        if spec.memory is not None and spec.memory.limit is not None:
            spec.collector.fail(
                None,
                OptionError(
                    "memory_limit",
                    spec.memory.limit,
                    "no worker process can be had, and nothing limits the caller",
                    "raise the limit on processes, or leave the option out",
                ),
            )
            return
        recovery.give_back_alone()
        self._fallback = self._last_resort()
        self._fallback.start()

    def _last_resort(self) -> Backend:
        config = replace(self.spec.config, backend="threads", n_jobs=1, threads_per_job=1)
        seen = self._pace.item_seconds
        spec = replace(self.spec, item_seconds=seen, config=config, most_workers=1, waits=False)
        if spec.timeout_seconds is not None:
            return ThreadPool(spec)
        if spec.initializer is not None:
            spec.initializer(*spec.initargs)
        return CallerBackend(spec)


def process_pool(told: BackendSpec, machine: Machine, memory_limit: int | None) -> ProcessPool:
    """The pool, not started yet; ``memory_limit`` is the bytes that all workers together may hold."""
    launcher = ForkLauncher() if told.config.backend == "fork" else _spawn_launcher()
    jobs = told.config.n_jobs
    memory = MemoryBudget(memory_limit, machine.memory_available_bytes, jobs)
    told = replace(
        told,
        inner_threads=max(1, machine.cores // jobs),
        memory=memory if memory_limit is not None or tells_memory() else None,
    )
    return ProcessPool(launcher, told)


def _spawn_launcher() -> Launcher:
    from amorsize.backends.processes.spawn import SpawnLauncher

    return SpawnLauncher()
