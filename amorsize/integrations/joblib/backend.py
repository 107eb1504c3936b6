"""The joblib backend "amorsize": each ``Parallel`` call runs serially, on threads or in processes.

::

    joblib --submit--> Call.queue --+--> the caller itself (the first tasks, and later ones beside others)
      ^                             +--> threads of this process
      |                             +--> worker processes: joblib's own loky, with its memmaps
      +--------- callback <---------+

The first tasks run in the caller, measured, and count. While more is left than workers would cost, the
caller goes on as one of them: with two jobs one worker process is enough. What a function was best run
in is remembered (`memory`), under the function inside joblib's wrappers.

Who asks for a generator or a timeout wants to be answered while tasks run: then the caller takes none.
"""

from __future__ import annotations

import contextlib
import functools
import sys
import time
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool

from joblib.executor import get_memmapping_executor
from joblib.parallel import (
    FallbackToBackend,
    LokyBackend,
    SequentialBackend,
    ThreadingBackend,
    register_parallel_backend,
)

from amorsize.core import nesting
from amorsize.core.frozen import replace
from amorsize.inspection.effects import inspect_function
from amorsize.integrations.joblib.call import (
    LOOK_SECONDS,
    Call,
    Job,
    Outcome,
    failed,
    function_of,
)
from amorsize.integrations.joblib.decide import Situation, mode_for, ordered
from amorsize.integrations.joblib.inner_threads import thread_pools
from amorsize.integrations.joblib.memory import Memory, Seen, tell_end, tell_mode
from amorsize.machine.detect import usable_cores
from amorsize.machine.threads import queued_seconds
from amorsize.planning.cost_model import WAITING_CPU_SHARE
from amorsize.planning.policy import THREADS_MUST_GAIN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

clock = time.perf_counter

BATCH_SECONDS, PROCESS_BATCH_SECONDS = 0.005, 0.02
"""Aim of a batch: 100 times what joblib's own bookkeeping of one costs (0.05 ms), or what sending one to
another process costs with it (0.2 ms). benchmarks/compat/joblib_backend.py."""
EARLY_BATCHES = 4
"""Batches for each job, twice what joblib hands out by default, before one is run to see its size."""
BATCHES_LEFT = 4
"""So many batches for each worker are made of what is left, that they may end together (factoring
takes 2; not searched for)."""
LEAST_BATCH_SECONDS = 0.002
"""Least seconds of such a batch: ten times what sending one costs."""
BATCH_GROWTH = 8
"""Largest step of a batch's size: the first tasks may be unlike the others."""
REVIEW_SECONDS = 0.02
"""Threads are judged after so long by what they reach."""
SECOND_TASK_SECONDS = 0.02
"""Worker processes are sent a second task while they are in one if tasks are shorter, or while there are
enough for everybody: pickling large arguments takes milliseconds."""
SWITCH_SECONDS = 0.0005
"""Turn of a thread of Python while the caller computes beside worker processes. With the usual 5 ms those
waited up to 15 ms for the next task: the caller holds the GIL when their answer comes."""
LOOK_UP_SECONDS = 0.02
"""Age of a call from which the history is asked: that takes 1.5 ms the first time."""
IDLE_SECONDS = 300
"""Worker processes that nobody used for so long leave: joblib's own default."""

_memory = Memory()


class AmorsizeBackend(LokyBackend):  # type: ignore[misc]
    """See the module. It is a ``LokyBackend`` whose worker processes come late, or never."""

    supports_sharedmem = True
    default_n_jobs = -1

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._workers: Any = None
        self._call: Call | None = None
        self._n_jobs = self._cores = 1
        self._prefer: str | None = None
        self._require: str | None = None
        self._executor_options: dict[str, Any] = {}

    # -- what joblib asks -----------------------------------------------------------------------

    def effective_n_jobs(self, n_jobs: int | None) -> int:
        """All usable cores by default; 1 inside of another run."""
        if n_jobs is None:
            n_jobs = -1
        if n_jobs == 0:
            raise ValueError("n_jobs == 0 in Parallel has no meaning")
        if nesting.is_nested():
            return 1
        if n_jobs < 0:
            n_jobs = max(usable_cores() + 1 + n_jobs, 1)
        return int(super().effective_n_jobs(n_jobs))  # 1 where there can be no workers

    def configure(
        self,
        n_jobs: int = 1,
        parallel: Any = None,
        prefer: str | None = None,
        require: str | None = None,
        **options: Any,
    ) -> int:
        """Get ready for calls; nothing is started."""
        n_jobs = self.effective_n_jobs(n_jobs)
        if n_jobs == 1:
            raise FallbackToBackend(SequentialBackend(nesting_level=self.nesting_level))
        self.parallel, self._n_jobs, self._cores = parallel, n_jobs, usable_cores()
        self._prefer, self._require = prefer, require
        self._executor_options = {**self.backend_kwargs, **options}
        if "timeout" in self._executor_options:
            raise ValueError(
                "timeout is no parameter of this backend: use idle_worker_timeout for its workers, "
                "or give timeout to Parallel"
            )
        return n_jobs

    def start_call(self) -> None:
        """Joblib begins to hand out tasks."""
        parallel = self.parallel
        options = self._executor_options
        self._call = Call(
            answering=parallel.return_generator or parallel.timeout is not None,
            isolated=self.inner_max_num_threads is not None
            or options.get("initializer") is not None,
        )

    def stop_call(self) -> None:
        """All is done, or given up."""
        call = self._call
        if call is None:
            return
        self._call = None
        call.end(wait=True)
        tell_end(call, self._n_jobs, failed=bool(self.parallel._exception))
        if call.func is not None and call.tasks.items and not self.parallel._exception:
            self._remember(call)

    def terminate(self) -> None:
        """Let go of what the call had; worker processes stay warm."""
        self.stop_call()
        super().terminate()

    def abort_everything(self, ensure_ready: bool = True) -> None:
        """End what is running: threads after their task, processes at once."""
        call = self._call
        if call is not None:
            call.end(wait=False)
            tell_end(call, self._n_jobs, failed=True)
            answering, isolated = call.kind
            self._call = Call(answering=answering, isolated=isolated)
        if self._workers is not None:
            self._workers.terminate(kill_workers=True)
            self._workers = None

    def get_nested_backend(self) -> tuple[Any, int | None]:
        """Threads inside of tasks only where cores are left for them."""
        level = (self.nesting_level or 0) + 1
        if level > 1 or self._cores // self._n_jobs < 2:
            return SequentialBackend(nesting_level=level), None
        return ThreadingBackend(nesting_level=level), None

    def compute_batch_size(self) -> int:
        """Tasks in the next batch: some milliseconds of work, as this call has seen it."""
        call = self._call
        if call is None or not call.tasks.items:
            return 1
        aim = PROCESS_BATCH_SECONDS if call.mode == "processes" else BATCH_SECONDS
        item = max(call.item_seconds, call.tasks.last_item_seconds, 1e-9)
        even = self._left(call) // (BATCHES_LEFT * self._n_jobs)
        wanted = min(int(aim / item), max(even, int(LEAST_BATCH_SECONDS / item)))
        return call.next_batch(wanted, BATCH_GROWTH)

    def batch_completed(self, batch_size: int, duration: float) -> None:
        """``duration`` is that of the way through the queue: nothing is learned from it."""
        call = self._call
        if call is not None:
            call.count_done(batch_size)

    def submit(self, func: Any, callback: Callable[[Any], None]) -> Job:
        """Take a batch; who runs it is decided later."""
        call, job = self._call, Job(func, callback)
        assert call is not None
        if call.func is None:
            called = function_of(func)
            call.begin(called, _memory.recall(called))
            if not call.caller_works:
                self._hand_over(call, self._mode_without_caller(call))
        call.put(job)
        if call.mode == "processes":
            self._send(call)
        elif (
            len(call.queue) > EARLY_BATCHES * self._n_jobs
            and not call.tasks.items
            and call.caller_works
        ):
            self._run_here(call)  # so many batches before anything is known of a task
        return job

    def retrieve_result_callback(self, out: Any) -> Any:
        """The results of a batch, or what it raised."""
        if isinstance(out, Outcome):
            if out.error is not None:
                raise out.error
            return out.values
        return super().retrieve_result_callback(out)

    @contextlib.contextmanager
    def retrieval_context(self) -> Iterator[None]:
        """Joblib waits for results in here: instead of sleeping, the caller works."""
        call = self._call
        if call is not None and not call.answering:
            self._work(call)
        yield

    # -- the caller as a worker -----------------------------------------------------------------

    def _work(self, call: Call) -> None:
        """Until everything is done, or something has failed."""
        parallel = self.parallel
        with contextlib.ExitStack() as limits:
            alone = True
            if call.known is not None and call.mode == "alone":
                self._consider(call)
            while not parallel._aborting and not call.ended:
                beside = call.caller_works and call.mode in ("threads", "processes")
                if beside == alone:
                    alone = not beside
                    if beside:
                        limits.enter_context(self._as_one_of_many(call))
                    else:
                        limits.close()  # the others were sent home
                if call.caller_works and self._run_here(call):
                    if call.mode == "alone":
                        self._consider(call)
                    elif call.mode == "threads":
                        self._review(call)
                    continue
                with call.changed:
                    if call.queue and call.caller_works:
                        continue
                    if not call.running and not call.suspects:
                        return
                    if call.running:
                        call.changed.wait(LOOK_SECONDS)
                        continue
                self._try_again(call)

    def _run_here(self, call: Call) -> bool:
        """One batch in the caller. False when there is none."""
        job = call.take()
        if job is None:
            return False
        queued, began, cpu = queued_seconds(), clock(), time.process_time()
        outcome = Outcome(job.batch, everything=False)
        cpu, seconds = time.process_time() - cpu, clock() - began
        seconds = max(0.0, seconds - (queued_seconds() - queued))
        call.tasks.saw(len(job.batch), seconds, cpu, alone=call.mode == "alone")
        job.callback(outcome)
        return True

    @contextlib.contextmanager
    def _as_one_of_many(self, call: Call) -> Iterator[None]:
        """While others work beside it, the caller uses as many inner threads as they do, and lets the
        threads that talk to worker processes have their turn."""
        interval = sys.getswitchinterval()
        controller = thread_pools()
        inner = self.inner_max_num_threads or max(1, self._cores // self._n_jobs)
        nesting.enter()
        try:
            if call.mode == "processes":
                sys.setswitchinterval(min(interval, SWITCH_SECONDS))
            with contextlib.nullcontext() if controller is None else controller.limit(limits=inner):
                yield
        finally:
            sys.setswitchinterval(interval)
            nesting.leave()

    # -- deciding -------------------------------------------------------------------------------

    def _left(self, call: Call) -> int:
        """Tasks that are not done, as far as anybody knows: as many again as were done, at least."""
        parallel = self.parallel
        queued = int(parallel.n_dispatched_tasks) - call.done
        if parallel.n_tasks is not None:
            return max(queued, int(parallel.n_tasks) - call.done)
        if parallel._original_iterator is None:
            return queued
        expected = call.done
        if call.known is not None:
            expected = max(expected, call.known.items - call.done)
        return max(queued, expected)

    def _order(self, call: Call) -> str | None:
        """Where Parallel's options, or what was tried, send the tasks."""
        return ordered(self._require, self._prefer, only_processes=call.only_processes)

    def _mode_for(self, call: Call, *, warm: bool) -> str | None:
        """Where others are to work, as ``planning`` says; None while that does not pay."""
        order = self._order(call)
        seen = Situation(
            items=call.tasks.items,
            left=self._left(call),
            item_seconds=call.item_seconds,
            cpu_share=call.cpu_share,
            n_jobs=self._n_jobs,
            warm=warm,
            heavy="numpy" in sys.modules,
            no_threads=lambda: inspect_function(call.func).no_threads,
        )
        return mode_for(seen, order)

    def _mode_without_caller(self, call: Call) -> str:
        """Where tasks run that the caller must not run, before one of them was seen."""
        if call.known is not None and call.known.mode != "alone" and self._order(call) is None:
            return call.known.mode
        return self._order(call) or self._mode_for(call, warm=True) or "processes"

    def _consider(self, call: Call) -> None:
        """Is so much left that others should work, too?"""
        call.look_up(_memory.look_up, LOOK_UP_SECONDS)
        mode = self._mode_for(call, warm=self._has_warm_workers())
        if mode is not None:
            self._hand_over(call, mode)

    def _review(self, call: Call) -> None:
        """Threads that compute and are no faster than the caller alone only take turns."""
        since = call.review_once(REVIEW_SECONDS, 2 * self._n_jobs)
        if since is None or call.cpu_share < WAITING_CPU_SHARE:
            return
        seconds, done = since
        # What others are in is half done, on average.
        rate = (done + 0.5 * (self._n_jobs - 1)) / seconds
        if 0 < rate * call.tasks.alone_item_seconds < THREADS_MUST_GAIN:
            call.leave_threads("serial" if self._require == "sharedmem" else "alone")

    def _remember(self, call: Call) -> None:
        """What the next call of this function may know."""
        mode = "alone" if call.mode == "serial" else call.mode
        seen = Seen(call.item_seconds, call.cpu_share, mode, call.done)
        _memory.keep(call.func, seen)
        since, before = call.last_mode
        cpu = time.process_time() - call.began[1]
        last = replace(seen, items=call.done - before)
        _memory.record(call.func, last, self._n_jobs, clock() - since, cpu)

    # -- the others -----------------------------------------------------------------------------

    def _hand_over(self, call: Call, mode: str) -> None:
        """From now on others work, too."""
        others = self._n_jobs - call.caller_works
        tell_mode(call.func, mode, self._n_jobs, call.item_seconds)
        call.switch(mode, threads=others if mode == "threads" else 0)
        if mode == "processes":
            self._start_workers(others)
            self._send(call)

    def _start_workers(self, count: int) -> None:
        warm = _executor()
        if warm is not None:  # others than asked for would be ended, or started
            count = max(count, min(warm._max_workers, self._n_jobs))
        options = dict(self._executor_options)
        idle = options.pop("idle_worker_timeout", None) or IDLE_SECONDS
        self._workers = get_memmapping_executor(
            count,
            timeout=idle,
            env=self._prepare_worker_env(n_jobs=self._n_jobs),
            context_id=self.parallel._id,
            **options,
        )

    def _has_warm_workers(self) -> bool:
        executor = _executor() if self._workers is None else self._workers
        return executor is not None and bool(executor._processes)

    def _send(self, call: Call) -> None:
        """Give the worker processes what they need; the rest of the queue is anybody's."""
        others = self._n_jobs - call.caller_works
        short = call.item_seconds < SECOND_TASK_SECONDS

        def most(queued: int) -> int:
            if not call.caller_works:
                return 1 << 30  # joblib bounds what is open itself
            return 2 * others if short or queued >= self._n_jobs else others

        while (job := call.take_to_send(most)) is not None:
            try:
                future = self._workers.submit(job.batch)
            except BaseException as error:
                call.take_back(job)
                if not call.caller_works:
                    job.callback(failed(error))
                return
            future.add_done_callback(functools.partial(self._came, call, job))

    def _came(self, call: Call, job: Job, future: Future[Any]) -> None:
        """A worker process has answered, or died (called in a thread of loky)."""
        try:
            died = isinstance(future.exception(), BrokenProcessPool)
            if died and not (call.answering or call.ended) and job.dies():
                call.suspects.append(job)
                return
            job.callback(future)
        finally:
            call.answered()
        if self._workers is not None and not call.ended and not call.suspects:
            self._send(call)

    def _try_again(self, call: Call) -> None:
        """A worker process died, and with it all of its kind: each batch they had goes again, alone."""
        job = call.take_suspect()
        self._start_workers(max(1, self._n_jobs - 1))
        self._workers.submit(job.batch).add_done_callback(functools.partial(self._came, call, job))


def _executor() -> Any:
    """The one that loky keeps, if it has one."""
    return sys.modules["joblib.externals.loky.reusable_executor"]._executor


def register() -> None:
    """Make the backend known to joblib."""
    register_parallel_backend("amorsize", AmorsizeBackend)
