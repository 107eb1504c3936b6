"""Threads of this process: for work that waits, and for code that leaves the GIL alone.

The caller supervises; the threads take from the source. For work that waits their number grows while
throughput grows, far beyond the number of cores; a server that answers more slowly the more it is
asked ends the growth.
"""

from __future__ import annotations

import os
import time
from _thread import allocate_lock, get_ident, get_native_id, start_new_thread

from amorsize.backends.processes.worker import CHUNK_SECONDS
from amorsize.core.nesting import busy_threads
from amorsize.errors import AmorsizeWarning, OptionError
from amorsize.items.call import ItemFailed, format_traceback, overdue_error, run_items
from amorsize.machine.threads import our_threads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from amorsize.core.model import Config
    from amorsize.items.collector import ResultCollector
    from amorsize.items.source import ItemSource

clock = time.perf_counter

MAX_THREADS = 512
"""Most threads of one run: each has 8 MB of address space and 0.07 ms of start."""
GROW_FACTOR = 2
"""Growth of one step."""
GROW_GAIN = 1.15
"""Doubling the threads must give at least this throughput, or it is the last growth."""
WINDOW_ITEMS = 2
"""A window for measuring throughput lasts until each thread has had so many items on average."""
WINDOW_SECONDS = 0.02
"""...and at least so long."""
GROW_LOOK_SECONDS = 0.002
"""Pause between two looks at the throughput while the number of threads may grow."""
PATIENCE_SECONDS = 0.05
"""Longest sleep of the supervising caller."""
HURRY_SECONDS = 0.25
"""How long threads may take to end their items after Ctrl-C: the prompt is to be back in 0.5 s."""
LEFT_BEHIND_FACTOR = 2
"""So many threads for each of the run may be left alone with overdue items at the same time."""
OVERDUE_LOOK_SHARE, OVERDUE_LOOK_SECONDS = 0.1, 0.001
"""Share of a time limit after which it is looked again who exceeds it, and the least pause."""
TENTATIVE_SECONDS = 0.0005
"""Work in a chunk while it is not known whether threads help."""
RAMP_SECONDS = 0.0008
"""Between two doublings of threads whose items are known by a first wait only: a wait of 20 ms is used
for all but 4 ms of it by 64 threads, and an item that begins to compute stops the growth."""
RAMP_LONGEST_SECONDS = 0.004
"""Longest pause between two looks whether threads that compute have come to wait."""
RAMP_STALLED_LOOKS = 4
"""So many busy looks one after the other, 8 ms, are more than the beginnings of items."""
RAMP_LATE_SECONDS = 0.002
"""A wake-up later than this found the GIL held: somebody computes."""
RAMP_BUSY_SHARE = 0.5
"""CPU seconds a second of the process that say the same..."""
RAMP_START_SECONDS = 1e-4
"""...beside those of the start of a thread."""


class Threads:
    """Runs what is in ``source`` on threads; :meth:`start`, :meth:`step` ..., :meth:`close`."""

    def __init__(
        self,
        func: Callable[[Any], Any],
        source: ItemSource,
        collector: ResultCollector,
        config: Config,
        item_seconds: float,
        *,
        waits: bool,
        first: int | None = None,
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
        most: int | None = None,
        launch: Callable[..., Any] = start_new_thread,
        timeout: float | None = None,
    ) -> None:
        self.func, self.source, self.collector, self.config = func, source, collector, config
        self.item_seconds = item_seconds
        self.waits = waits
        self.first = first or config.n_jobs
        """Threads to begin with; :meth:`ramp` starts the others."""
        self.ramping = self.first < config.n_jobs
        self.tentative = not waits
        """Chunks stay short until it is known that threads help."""
        self.stalled = False
        """The ramp has been held up because items compute."""
        self._pause, self._busy_looks = RAMP_SECONDS, 0
        self.initializer, self.initargs = initializer, initargs
        self.most = max(most or MAX_THREADS, config.n_jobs)
        self.stopping = False
        self._rest: Any = None
        """Who works where no thread can be started."""
        self.idle = 0
        self.count = 0
        self._launch = launch
        self.timeout = timeout
        self._inside: dict[object, tuple[int, float]] = {}
        """With a time limit: thread -> the item it is in, and since when. Who takes the entry out, the
        thread or the caller, decides what becomes of the item."""
        self.left_behind: list[Any] = []
        """Threads that were left alone with an overdue item."""
        self._gone: list[Any] = []
        self._lock = allocate_lock()
        self._more = allocate_lock()
        self._more.acquire()
        self._ramp_lock = allocate_lock()
        self._growing = waits
        self._window_began = 0.0
        self._window_done = 0
        self._rate = 0.0

    def start(self) -> None:
        self._grow(min(self.first, self.config.n_jobs))
        self._added = self.count
        self._ramped, self._ramped_cpu = clock(), time.process_time()
        self._open_window()

    def step(self, patience: float = PATIENCE_SECONDS) -> None:
        """Look after the threads for a moment, at most ``patience`` seconds."""
        if self._rest is not None:
            self._rest.step(patience)
            return
        if not self.source.indexed and self.source.caller_reads_source:
            self._pull()
        if self.collector.failure is not None:
            return
        if self.timeout is not None:
            patience = min(patience, self._leave_overdue(self.timeout))
        if self.idle:  # a window may have opened, an item may have come back
            self._wake_one()
        if not self.source.finished and not any(gone.locked() for gone in self._gone):
            self._come_back()
        if self.ramping:
            began, patience = clock(), min(patience, self._pause)
            self.collector.wait(patience)
            self.ramp(clock() - began - patience)
        else:
            self.collector.wait(min(patience, GROW_LOOK_SECONDS) if self._growing else patience)
            if self._growing:
                self._consider_growth()

    def close(self, *, abort: bool = False, hurry: bool = False) -> None:
        """Let every thread finish the item it is in, and wait until all are gone.

        ``hurry``: wait a moment only (Ctrl-C, an abandoned stream). Nothing can end a thread; those that
        are still in an item then take no other."""
        self.stopping = True
        deadline = clock() + HURRY_SECONDS if hurry else float("inf")
        for _ in range(self.count):
            self._wake_one()
        while self._gone:
            if self._gone[-1].acquire(timeout=0.01):
                self._gone.pop()
                continue
            self._wake_one()
            if self.timeout is not None:
                self._leave_overdue(self.timeout)
            if clock() > deadline:
                return

    def grow_to(self, count: int) -> None:
        """Have at least so many threads, now."""
        self.ramping = False
        self._grow(max(0, count - self.count))

    def ramp(self, late: float) -> bool:
        """Double the threads if nothing computes; ``late``: by how much the caller of this (any thread)
        woke too late. True while there are more to be started."""
        if self.ramping and self._ramp_lock.acquire(blocking=False):
            try:
                now, cpu = clock(), time.process_time()
                if now - self._ramped < self._pause:
                    return True
                usual = RAMP_BUSY_SHARE * (now - self._ramped) + RAMP_START_SECONDS * self._added
                busy = cpu - self._ramped_cpu > usual or late > RAMP_LATE_SECONDS
                self._busy_looks = self._busy_looks + 1 if busy else 0
                self.stalled |= self._busy_looks >= RAMP_STALLED_LOOKS
                if self.stopping or (self.source.exhausted and not self.source.indexed):
                    self.ramping = False
                    return False
                if busy:  # no more for now; they may only begin or end with a computation
                    self._added = 0
                    self._pause = min(2 * self._pause, RAMP_LONGEST_SECONDS)
                else:
                    self._added = min(self.count, self.config.n_jobs - self.count)
                    self._pause = RAMP_SECONDS
                    self._grow(self._added)
                    self.ramping = self.count < self.config.n_jobs
                self._ramped, self._ramped_cpu = clock(), time.process_time()
            finally:
                self._ramp_lock.release()
        return self.ramping

    def nudge(self) -> None:
        """There is something new to take."""
        if self._rest is not None:
            self._rest.nudge()
        self._wake_one()

    def dismiss(self) -> None:
        """Stop taking new items; what nobody has begun stays in the source."""
        self.close()

    # -- threads --------------------------------------------------------------------------------

    def _grow(self, count: int) -> None:
        for _ in range(count):
            lock = allocate_lock()
            lock.acquire()
            try:
                self._launch(self._body, (lock,))
            except RuntimeError as error:  # the limit on threads: go on with those there are
                self.most = max(1, self.count)
                self._growing = self.ramping = False
                if not self.count:
                    self._go_on_without(error)
                return
            self._gone.append(lock)
            self.count += 1

    def _come_back(self) -> None:
        """All have left, and now the workers that they took over from give something back."""
        if self.source.waiting:
            self._gone.clear()
            self.count = 0
            self._grow(min(self.source.waiting, self.config.n_jobs))

    def _go_on_without(self, error: RuntimeError) -> None:
        """Not a single thread can be had: the caller does the rest."""
        if self.timeout is not None:
            raise OptionError(
                "timeout",
                self.timeout,
                f"no thread can be started that could be left behind ({error})",
                "raise the limit on processes and threads, or leave the option out",
            ) from error
        import warnings

        from amorsize.backends.caller import Serial

        warnings.warn(
            f"no thread could be started ({error}); the run goes on in the caller: raise the limit on "
            "processes and threads",
            AmorsizeWarning,
            stacklevel=2,
        )
        if self.initializer is not None:
            self.initializer(*self.initargs)
        self._rest = Serial(self.func, self.source, self.collector, self.item_seconds)

    def _body(self, gone: Any) -> None:
        our_threads.append(get_native_id())
        busy_threads.add(get_ident())
        try:
            if self.initializer is not None:
                self.initializer(*self.initargs)
            if self.timeout is None:
                self._work()
            else:
                self._work_watched(gone)
        except BaseException as error:
            self.collector.fail(None, error, format_traceback(error))
        finally:
            busy_threads.discard(get_ident())
            gone.release()

    def _work(self) -> None:
        source, collector = self.source, self.collector
        me = os.getpid(), get_native_id()
        per = self.item_seconds
        while not self.stopping and collector.failure is None:
            run = source.take(self._chunk(per))
            if run is None:
                if source.finished:
                    return
                self.idle += 1
                self._more.acquire(timeout=PATIENCE_SECONDS)
                self.idle -= 1
                continue
            if self.idle:
                self._wake_one()
            start, items = run
            began = clock()
            try:
                values = run_items(self.func, start, items, collector.on_error)
            except ItemFailed as failed:
                collector.place(start, failed.done)
                collector.fail(failed.index, failed.exception)
                return
            seconds = clock() - began
            per = 0.5 * (per + seconds / len(values))
            self.item_seconds = per  # how much the caller reads ahead of a source depends on it
            collector.usage.chunk(me, start, len(values), began, seconds)
            collector.place(start, values)

    def _work_watched(self, me: Any) -> None:
        """As :meth:`_work` with a time limit: one item at a time; ``me`` is in it since when."""
        source, collector, inside, own = self.source, self.collector, self._inside, os.getpid()
        while not self.stopping and collector.failure is None:
            run = source.take(1)
            if run is None:
                if source.finished:
                    return
                self.idle += 1
                self._more.acquire(timeout=PATIENCE_SECONDS)
                self.idle -= 1
                continue
            if self.idle:
                self._wake_one()
            start, items = run
            began = clock()
            inside[me] = start, began
            failed: ItemFailed | None = None
            try:
                values = run_items(self.func, start, items, collector.on_error)
            except ItemFailed as error:
                failed = error
            if inside.pop(me, None) is None:
                return  # it took too long: its verdict is given, another thread has this one's place
            if failed is not None:
                collector.fail(failed.index, failed.exception)
                return
            collector.usage.chunk((own, get_native_id()), start, 1, began, clock() - began)
            collector.place(start, values)

    def _leave_overdue(self, timeout: float) -> float:
        """Leave threads alone whose item takes too long; returns when to look again."""
        now = clock()
        overdue = [who for who, (_, began) in list(self._inside.items()) if now - began > timeout]
        for who in overdue:
            found = self._inside.pop(who, None)
            if found is None:
                continue  # done at the last moment
            self._gone.remove(who)
            self.left_behind = [other for other in self.left_behind if other.locked()]
            self.left_behind.append(who)
            self.count -= 1
            self.collector.fail(found[0], overdue_error(found[0], timeout))
            if len(self.left_behind) > LEFT_BEHIND_FACTOR * max(self.config.n_jobs, self.count + 1):
                self.collector.fail(
                    None,
                    TimeoutError(
                        f"{len(self.left_behind)} threads hang in items that took longer than "
                        f"timeout={timeout:g} seconds, and threads cannot be ended; use "
                        "backend='processes', whose workers can"
                    ),
                )
            elif not self.stopping and not self.source.finished:
                self._grow(1)
        return max(OVERDUE_LOOK_SECONDS, OVERDUE_LOOK_SHARE * timeout)

    def _chunk(self, per: float) -> int:
        if self.config.chunksize is not None:
            return self.config.chunksize
        seconds = TENTATIVE_SECONDS if self.tentative else CHUNK_SECONDS
        quick = int(seconds / per) if per > 0 else 1
        if quick <= 1:
            return 1
        left = self.source.left()
        return max(1, quick if left is None else min(quick, left // (2 * self.count)))

    def _wake_one(self) -> None:
        try:
            self._more.release()
        except RuntimeError:
            pass

    def _pull(self) -> None:
        """Read the source (in the caller's thread) so that each thread finds an item."""
        source = self.source
        chunk = self._chunk(self.item_seconds)
        while not source.exhausted and source.waiting < self.count * (chunk + 1):
            if not source.pull(1 if self.waits else chunk):
                break
            if self.idle:
                self._wake_one()

    # -- growth ---------------------------------------------------------------------------------

    def _open_window(self) -> None:
        self._window_began, self._window_done = clock(), self.collector.done

    def _consider_growth(self) -> None:
        seconds = clock() - self._window_began
        done = self.collector.done - self._window_done
        if seconds < WINDOW_SECONDS or done < WINDOW_ITEMS * self.count:
            return
        rate = done / seconds
        left = self.source.left()
        if (
            self.count >= self.most
            or (left is not None and left < 2 * self.count)
            or rate < GROW_GAIN * self._rate
        ):
            self._growing = False
            return
        self._rate = rate
        self._grow(min(self.most - self.count, self.count * (GROW_FACTOR - 1)))
        self._open_window()
