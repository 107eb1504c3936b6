"""Threads of this process: for work that waits, and for code that leaves the GIL alone.

::

    caller's thread                                   worker threads
    step: reads the source, judges overdue items,     take from the source (one lock, inside it)
          starts more threads -- waits -------------> run a chunk, place it in the collector (its lock)
            ^                                                   |
            +---- collector.notify (a lock that is released) ---+

The caller supervises; the threads take from the source by themselves. For work that waits their number
grows while throughput grows (``autoscale``), far beyond the number of cores; a server that answers more
slowly the more it is asked ends the growth.

Nothing can end a thread. With a time limit the item is judged and its thread left behind: each entry of
:class:`ThreadDeadlines` is taken out exactly once, by a ``dict.pop`` that is one step under the GIL.
Whichever of the two gets it, the thread that leaves its item or the caller that finds it overdue, decides
what becomes of the item, and the other does nothing.
"""

from __future__ import annotations

import os
import time
from _contextvars import copy_context
from _thread import allocate_lock, get_native_id, start_new_thread

from amorsize.backends.base import Backend, BackendReport
from amorsize.backends.caller import CallerBackend
from amorsize.backends.threads.autoscale import Growth, Ramp
from amorsize.core import nesting
from amorsize.core.frozen import replace
from amorsize.core.signals import held, released
from amorsize.errors import AmorsizeWarning, OptionError
from amorsize.items.call import Pace, format_traceback, overdue_error, overdue_look, run_chunk
from amorsize.machine.threads import leave_no_trace, our_threads
from amorsize.planning.chunking import CHUNK_SECONDS, fair_items, items_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextvars import Context
    from typing import Any

    from amorsize.backends.base import BackendSpec


clock = time.perf_counter

LEFT_BEHIND_FACTOR = 2
"""So many threads for each of the run may be left alone with overdue items at the same time."""


class ThreadDeadlines:
    """The time limit of one run, and the threads that hang in items beyond it.

    A thread is known by the lock that it holds until it ends."""

    def __init__(self, timeout_seconds: float) -> None:
        self.timeout_seconds = timeout_seconds
        self.look_seconds = overdue_look(timeout_seconds)
        """Pause between two looks for overdue items."""
        self._inside: dict[Any, tuple[int, float]] = {}
        """Thread -> position of its item, and when it began."""
        self._left_behind: list[Any] = []

    def enter(self, thread: Any, position: int) -> None:
        """A thread begins an item."""
        self._inside[thread] = position, clock()

    def leave(self, thread: Any) -> bool:
        """A thread has ended its item; False where the caller has judged it meanwhile."""
        return self._inside.pop(thread, None) is not None

    def take_overdue(self) -> list[tuple[Any, int]]:
        """Threads whose item takes too long, and its position; each is told once."""
        now, found = clock(), []
        for thread, (_, began) in list(self._inside.items()):
            if now - began > self.timeout_seconds:
                entry = self._inside.pop(thread, None)
                if entry is not None:  # else it has ended at the last moment
                    found.append((thread, entry[0]))
        return found

    def leave_behind(self, thread: Any) -> int:
        """A thread is left alone with its item; returns how many hang now."""
        self._left_behind = [other for other in self._left_behind if other.locked()]
        self._left_behind.append(thread)
        return len(self._left_behind)

    @property
    def hangs(self) -> bool:
        """Whether a thread was left behind."""
        return bool(self._left_behind)


MAX_THREADS = 512
"""Most threads of one run: each has 8 MB of address space and 0.07 ms of start."""
GROW_LOOK_SECONDS = 0.002
"""Pause between two looks at the throughput while the number of threads may grow."""
PATIENCE_SECONDS = 0.05
"""Longest sleep of the supervising caller, and of a thread that finds nothing to take."""
HURRY_SECONDS = 0.25
"""How long threads may take to end their items after Ctrl-C: the prompt is to be back in 0.5 s."""
_UNSET = object()
PROBING_SECONDS = 0.0005
"""Work in a chunk while it is not known whether threads help."""


def _adopt(context: Context) -> None:
    """Set the variables of a context in that of this thread."""
    for variable, value in context.items():
        if variable.get(_UNSET) is not value:
            variable.set(value)


class ThreadPool(Backend):
    """Runs what is in the source on threads: :meth:`start`, :meth:`step` ..., :meth:`close`."""

    def __init__(self, spec: BackendSpec) -> None:
        self.spec = spec
        self.waits = spec.waits
        jobs = spec.config.n_jobs
        self._first = min(spec.first_workers or jobs, jobs)
        self._ramp = Ramp(jobs, active=self._first < jobs)
        """Starts the threads after the first."""
        self._growth = Growth(max(spec.most_workers or MAX_THREADS, jobs), active=spec.waits)
        limit = spec.timeout_seconds
        self._deadlines = None if limit is None else ThreadDeadlines(limit)
        self._alone = jobs == 1 and limit is not None
        """Whether a single thread does what the loop would do, but for the limit on time."""
        self._probing = not spec.waits
        self._item_seconds = spec.item_seconds
        """As the thread saw it that ended a chunk last: how far the caller reads ahead depends on it."""
        self._done_before = spec.collector.done
        self._stopping = False
        self._fallback: CallerBackend | None = None
        """The caller alone, where not a single thread can be started."""
        self._count = 0
        """Threads that are not left behind."""
        self._context = spec.context or copy_context()
        self._own_context = self._context
        """In which the thread that was started last runs."""
        self._carried: Context | None = None
        """The caller's context after it has read the item that comes next."""
        self._gone: list[Any] = []
        """A lock for each of them, which it holds until it ends."""
        # Threads that find nothing to take sleep on `_more`. `_idle` is read without a lock: who misses a
        # thread that is about to sleep leaves it to wake by itself after PATIENCE_SECONDS.
        self._idle = 0
        self._idle_lock = allocate_lock()
        self._more = allocate_lock()
        self._more.acquire()

    # -- the caller's thread --------------------------------------------------------------------

    def start(self) -> None:
        self._ramp.begin(self._start_threads(self._first))
        self._growth.open_window(self.spec.collector.done)

    def step(self, patience: float = PATIENCE_SECONDS) -> BackendReport:
        """Look after the threads for a moment, at most ``patience`` seconds."""
        if self._fallback is not None:
            self._fallback.step(patience)
        elif not self._stopping:
            with held():
                self._look_after(patience)
                return self.report()
        return self.report()

    def _look_after(self, patience: float) -> None:
        source, collector = self.spec.source, self.spec.collector
        if not source.indexed and source.caller_reads_source:
            self._pull()
        if collector.failure is not None:
            return
        if self._deadlines is not None:
            self._judge_overdue(self._deadlines)
            patience = min(patience, self._deadlines.look_seconds)
        if self._idle:  # a window may have opened, an item may have come back
            self._wake_one()
        if not source.finished and not any(gone.locked() for gone in self._gone):
            self._come_back()
        if self._ramp.active:
            began, patience = clock(), min(patience, self._ramp.pause_seconds)
            collector.wait(patience)
            self.ramp(clock() - began - patience)
        else:
            growing = self._growth.active
            collector.wait(min(patience, GROW_LOOK_SECONDS) if growing else patience)
            if growing:
                self._consider_growth()

    def report(self) -> BackendReport:
        return BackendReport(
            done=self.spec.collector.done - self._done_before,
            workers=self._count,
            stalled=self._ramp.stalled,
            item_seconds=self._item_seconds,
            drained=self._stopping and not self._gone,
        )

    def drain(self) -> None:
        """Take nothing more; returns when the threads have ended the items that they are in."""
        if self._fallback is not None:
            self._fallback.drain()
        self.close()

    def close(self, *, abort: bool = False, hurry: bool = False) -> None:
        """Let every thread finish the item it is in, and wait until all are gone.

        ``hurry``: wait a moment only (Ctrl-C, an abandoned stream). Nothing can end a thread; those that
        are still in an item then take no other."""
        self._stopping = True
        deadline = clock() + HURRY_SECONDS if hurry else float("inf")
        for _ in range(self._count):
            self._wake_one()
        while self._gone:
            with released():
                is_gone = self._gone[-1].acquire(timeout=0.01)
            if is_gone:
                self._gone.pop()
                continue
            self._wake_one()
            if self._deadlines is not None:
                self._judge_overdue(self._deadlines)
            if clock() > deadline:
                return
        self._carry_back()

    def _carry_over(self) -> None:
        """In a single thread that stands for the caller: find what reading its item has set there."""
        context, self._carried = self._carried, None
        if context is not None:
            _adopt(context)
            if self.spec.thread_data is not None:
                self.spec.thread_data.begin()

    def _carry_back(self) -> None:
        """Set in the caller what the single thread that stands for it has set for itself: context
        variables, and data of its thread."""
        taken = self._carried is None  # else the caller has read on since
        if self._alone and taken and self._own_context is not self._context:
            if self.spec.thread_data is not None:
                self.spec.thread_data.end()
            _adopt(self._own_context)

    def scale_to(self, workers: int) -> None:
        self._ramp.end()
        self._start_threads(max(0, workers - self._count))

    def ramp(self, late_seconds: float) -> bool:
        source = self.spec.source
        over = self._stopping or (source.exhausted and not source.indexed)
        return self._ramp.look(late_seconds, self._count, self._start_threads, over)

    def set_probing(self, probing: bool) -> None:
        self._probing = probing

    def wake(self) -> None:
        """Something new can be taken."""
        if self._fallback is not None:
            self._fallback.wake()
        self._wake_one()

    def _wake_one(self) -> None:
        try:
            self._more.release()
        except RuntimeError:  # it is free already: the next thread that would sleep takes it
            pass

    def _pull(self) -> None:
        """Read the source (in the caller's thread) so that each thread finds an item."""
        source = self.spec.source
        if self._alone:  # as the loop: an item is read when the one before it is done
            if self._idle and not source.waiting:
                self._carry_back()
                pulled = source.pull(1)
                self._carried = copy_context()
                if pulled:
                    self._wake_one()
            return
        chunk = self._chunk(self._item_seconds)
        while not source.exhausted and source.waiting < self._count * (chunk + 1):
            if not source.pull(1 if self.waits else chunk):
                break
            if self._idle:
                self._wake_one()

    def _consider_growth(self) -> None:
        done = self.spec.collector.done
        limiter = self.spec.source.limiter
        if limiter is not None and limiter.limit is not None:
            # Each call that may be in flight needs a thread; the limit is what follows the server.
            self._start_threads(min(limiter.limit, self._growth.most) - self._count)
            return
        more = self._growth.due(done, self._count, self.spec.source.left())
        if more:
            self._start_threads(more)
            self._growth.open_window(self.spec.collector.done)

    # -- starting threads -----------------------------------------------------------------------

    def _start_threads(self, count: int) -> int:
        """Start so many threads, as far as there are any to be had; returns how many there are now."""
        for _ in range(count):
            gone = allocate_lock()
            gone.acquire()
            self._count += 1  # the thread may ask for it before it is back here
            try:
                self._own_context = self._context.copy()
                start_new_thread(self._own_context.run, (self._body, gone))
            except RuntimeError as error:  # the limit on threads: go on with those there are
                self._count -= 1
                self._growth.cap(self._count)
                self._ramp.end()
                if not self._count:
                    self._go_on_without(error)
                break
            self._gone.append(gone)
        return self._count

    def _come_back(self) -> None:
        """All have left, and now the workers that they took over from give something back."""
        waiting = self.spec.source.waiting
        if waiting:
            self._gone.clear()
            self._count = 0
            self._start_threads(min(waiting, self.spec.config.n_jobs))

    def _go_on_without(self, error: RuntimeError) -> None:
        """Not a single thread can be had: the caller does the rest."""
        spec = self.spec
        if spec.timeout_seconds is not None:
            raise OptionError(
                "timeout",
                spec.timeout_seconds,
                f"no thread can be started that could be left behind ({error})",
                "raise the limit on processes and threads, or leave the option out",
            ) from error
        import warnings

        warnings.warn(
            f"no thread could be started ({error}); the run goes on in the caller: raise the limit on "
            "processes and threads",
            AmorsizeWarning,
            stacklevel=2,
        )
        if spec.initializer is not None:
            with released():
                spec.initializer(*spec.initargs)
        self._fallback = CallerBackend(replace(spec, item_seconds=self._item_seconds))

    # -- time limit -----------------------------------------------------------------------------

    def _judge_overdue(self, deadlines: ThreadDeadlines) -> None:
        """Leave threads alone whose item takes too long; the item gets its error, a new thread comes."""
        spec, limit = self.spec, deadlines.timeout_seconds
        for thread, position in deadlines.take_overdue():
            self._gone.remove(thread)
            hanging = deadlines.leave_behind(thread)
            self._count -= 1
            spec.collector.fail(position, overdue_error(position, limit))
            if hanging > LEFT_BEHIND_FACTOR * max(spec.config.n_jobs, self._count + 1):
                spec.collector.fail(
                    None,
                    TimeoutError(
                        f"{hanging} threads hang in items that took longer than "
                        f"timeout={limit:g} seconds, and threads cannot be ended; use "
                        "backend='processes', whose workers can"
                    ),
                )
            elif not self._stopping and not spec.source.finished:
                self._start_threads(1)

    # -- in the worker threads ------------------------------------------------------------------

    def _body(self, gone: Any) -> None:
        our_threads.append(get_native_id())
        nesting.enter()
        try:
            if self.spec.thread_data is not None:
                self.spec.thread_data.begin()
            if self.spec.initializer is not None:
                self.spec.initializer(*self.spec.initargs)
            if self._deadlines is None:
                self._work()
            else:
                self._work_watched(gone, self._deadlines)
        except BaseException as error:
            self.spec.collector.fail(None, error, format_traceback(error))
        finally:
            nesting.leave()
            leave_no_trace()
            gone.release()

    def _work(self) -> None:
        func, collector = self.spec.func, self.spec.collector
        me, pace = (os.getpid(), get_native_id()), Pace(self._item_seconds)
        while True:
            taken = self._take(self._chunk(pace.item_seconds))
            if taken is None:
                return
            outcome = run_chunk(func, *taken, collector.on_error)
            if outcome.failed is None:
                self._item_seconds = pace.add(len(outcome.values), outcome.seconds)
            if not outcome.deliver(collector, me):
                return

    def _work_watched(self, gone: Any, deadlines: ThreadDeadlines) -> None:
        """As :meth:`_work` with a time limit: one item at a time, under the eyes of the caller."""
        func, collector = self.spec.func, self.spec.collector
        me = os.getpid(), get_native_id()
        while True:
            taken = self._take(1)
            if taken is None:
                return
            deadlines.enter(gone, taken[0])
            outcome = run_chunk(func, *taken, collector.on_error)
            if not deadlines.leave(gone):
                return  # its item has its verdict, and another thread has taken this one's place
            if not outcome.deliver(collector, me):
                return

    def _take(self, count: int) -> tuple[int, Sequence[Any]] | None:
        """The next items; sleeps while there are none now. None when this thread is to end."""
        source, collector = self.spec.source, self.spec.collector
        while not self._stopping and collector.failure is None:
            taken = source.take(count)
            if taken is not None:
                self._carry_over()
                if self._idle:  # the wake-up is passed on: there may be more to take
                    self._wake_one()
                return taken
            if source.finished:
                return None
            with self._idle_lock:
                self._idle += 1
            if self._alone:
                collector.notify()  # the caller is to read the source
            self._more.acquire(timeout=PATIENCE_SECONDS)
            with self._idle_lock:
                self._idle -= 1
        return None

    def _chunk(self, item_seconds: float) -> int:
        if self.spec.config.chunksize is not None:
            return self.spec.config.chunksize
        items = items_in(PROBING_SECONDS if self._probing else CHUNK_SECONDS, item_seconds)
        return 1 if items == 1 else fair_items(items, self.spec.source.left(), self._count)
