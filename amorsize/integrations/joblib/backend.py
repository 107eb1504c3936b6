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
import threading
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
from amorsize.integrations.joblib.call import (
    LOOK_SECONDS,
    Call,
    Job,
    Outcome,
    end_call,
    failed,
    function_of,
    help_with,
    send_home,
)
from amorsize.integrations.joblib.memory import Memory, Seen
from amorsize.machine.detect import usable_cores
from amorsize.machine.threads import queued_seconds

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
"""...as long as they are so long: ten times what sending one costs."""
BATCH_GROWTH = 8
"""Largest step of a batch's size: the first tasks may be unlike the others."""
WARM_SECONDS = 0.003
"""What handing over to warm worker processes costs the caller."""
COLD_SECONDS = 0.02
"""What starting a worker process costs the caller, who goes on working meanwhile."""
LEAST_ITEM_SECONDS = 2e-5
"""Shorter tasks are not worth sending: pickling one, in and out, costs 5 µs and joblib's part 10."""
BOOT_SECONDS, IMPORTED_BOOT_SECONDS = 0.2, 0.7
"""Until a worker process is at work: by itself, and where it has NumPy and more to import."""
GAIN_FACTOR = 2.5
"""Hand over when it saves so many times what it costs (ski rental: see ``planning.START_FACTOR``)."""
THREADS_SECONDS = 0.0005
"""What starting threads costs, and what must have run before it is considered."""
WAITING_CPU_SHARE = 0.5
"""A task that computes for less than this share of its time waits: threads, where they are safe."""
REVIEW_SECONDS, REVIEW_MUST_GAIN = 0.02, 1.1
"""After so long threads must be so much faster than the caller alone was, or it goes on alone."""
SECOND_TASK_SECONDS = 0.02
"""Worker processes are sent a second task while they are in one if tasks are shorter, or while there are
enough for everybody: pickling large arguments takes milliseconds."""
SWITCH_SECONDS = 0.0005
"""Turn of a thread of Python while the caller computes beside worker processes. With the usual 5 ms those
waited up to 15 ms for the next task: the caller holds the GIL when their answer comes."""
POOL_MODULES = (
    "numpy",
    "scipy.linalg",
    "sklearn",
    "numexpr",
    "torch",
    "lightgbm",
    "xgboost",
    "mkl",
)
"""Those who bring libraries with threads of their own."""
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
        if nesting.in_worker or threading.get_ident() in nesting.busy_threads:
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
        end_call(call, wait=True)
        if call.func is not None and call.items and not self.parallel._exception:
            self._remember(call)

    def terminate(self) -> None:
        """Let go of what the call had; worker processes stay warm."""
        self.stop_call()
        super().terminate()

    def abort_everything(self, ensure_ready: bool = True) -> None:
        """End what is running: threads after their task, processes at once."""
        call = self._call
        if call is not None:
            end_call(call, wait=False)
            self._call = Call(answering=call.answering, isolated=call.isolated)
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
        if call is None or not call.items:
            return 1
        aim = PROCESS_BATCH_SECONDS if call.mode == "processes" else BATCH_SECONDS
        item = max(call.item_seconds, call.last_item_seconds, 1e-9)
        even = self._left(call) // (BATCHES_LEFT * self._n_jobs)
        wanted = min(int(aim / item), max(even, int(LEAST_BATCH_SECONDS / item)))
        call.batch_size = max(1, min(wanted, BATCH_GROWTH * call.batch_size))
        return call.batch_size

    def batch_completed(self, batch_size: int, duration: float) -> None:
        """``duration`` is that of the way through the queue: nothing is learned from it."""
        call = self._call
        if call is not None:
            call.done += batch_size

    def submit(self, func: Any, callback: Callable[[Any], None]) -> Job:
        """Take a batch; who runs it is decided later."""
        call, job = self._call, Job(func, callback)
        assert call is not None
        if call.func is None:
            call.func = function_of(func)
            call.known = _memory.recall(call.func)
            if not call.caller_works:
                self._hand_over(call, self._wanted(call))
        with call.changed:
            call.queue.append(job)
            call.changed.notify()
        if call.mode == "processes":
            self._send(call)
        elif (
            len(call.queue) > EARLY_BATCHES * self._n_jobs and not call.items and call.caller_works
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
        call.saw(len(job.batch), seconds, cpu)
        job.callback(outcome)
        return True

    @contextlib.contextmanager
    def _as_one_of_many(self, call: Call) -> Iterator[None]:
        """While others work beside it, the caller uses as many inner threads as they do, and lets the
        threads that talk to worker processes have their turn."""
        me, interval = threading.get_ident(), sys.getswitchinterval()
        controller = _thread_pools()
        inner = self.inner_max_num_threads or max(1, self._cores // self._n_jobs)
        nesting.busy_threads.add(me)
        try:
            if call.mode == "processes":
                sys.setswitchinterval(min(interval, SWITCH_SECONDS))
            with contextlib.nullcontext() if controller is None else controller.limit(limits=inner):
                yield
        finally:
            sys.setswitchinterval(interval)
            nesting.busy_threads.discard(me)

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

    def _wanted(self, call: Call) -> str:
        """Where others would work: on threads or in processes."""
        if self._require == "sharedmem":
            return "threads"
        if call.threads_failed or call.isolated or self._prefer == "processes":
            return "processes"
        if self._prefer == "threads":
            return "threads"
        if call.known is not None and call.known.mode != "alone":
            return call.known.mode
        if call.cpu_share < WAITING_CPU_SHARE and self._threads_are_safe(call):
            return "threads"
        return "processes"

    def _threads_are_safe(self, call: Call) -> bool:
        from amorsize.inspection.effects import inspect_function

        return inspect_function(call.func).no_threads is None

    def _consider(self, call: Call) -> None:
        """Is so much left that others should work, too?"""
        if call.known is None and not call.looked_up and clock() - call.began > LOOK_UP_SECONDS:
            call.looked_up = True
            call.known = _memory.look_up(call.func, clock() - call.began)
        seconds = self._left(call) * call.item_seconds
        helped = 1 - 1 / self._n_jobs
        mode = self._wanted(call)
        if mode == "threads":
            cost = THREADS_SECONDS * self._n_jobs
        elif call.item_seconds < LEAST_ITEM_SECONDS:
            return
        elif self._has_warm_workers():
            cost = WARM_SECONDS
        else:
            seconds -= IMPORTED_BOOT_SECONDS if "numpy" in sys.modules else BOOT_SECONDS
            cost = COLD_SECONDS
        if seconds * helped > GAIN_FACTOR * cost:
            self._hand_over(call, mode)

    def _review(self, call: Call) -> None:
        """Threads that compute and are no faster than the caller alone only take turns."""
        seconds, done = clock() - call.switched, call.done - call.switched_done
        if call.reviewed or seconds < REVIEW_SECONDS or done < 2 * self._n_jobs:
            return
        call.reviewed = True
        if call.cpu_share < WAITING_CPU_SHARE:
            return
        # What others are in is half done, on average.
        gained = (done + 0.5 * (self._n_jobs - 1)) / seconds * call.alone_item_seconds
        if 0 < gained < REVIEW_MUST_GAIN:
            call.threads_failed = True
            call.mode = "serial" if self._require == "sharedmem" else "alone"
            send_home(call)

    def _remember(self, call: Call) -> None:
        """What the next call of this function may know."""
        mode = "alone" if call.mode == "serial" else call.mode
        seen = Seen(call.seconds / call.items, call.cpu_share, mode, call.done)
        _memory.keep(call.func, seen)
        since, before, cpu = call.began, 0, time.process_time() - call.cpu_began
        if call.mode in ("threads", "processes"):
            since, before = call.switched, call.switched_done
        _memory.record(
            call.func, replace(seen, items=call.done - before), self._n_jobs, clock() - since, cpu
        )

    # -- the others -----------------------------------------------------------------------------

    def _hand_over(self, call: Call, mode: str) -> None:
        """From now on others work, too."""
        others = self._n_jobs - call.caller_works
        call.mode = mode
        call.switched, call.switched_done = clock(), call.done
        if mode == "threads":
            call.stay = others
            for _ in range(others):
                thread = threading.Thread(
                    target=help_with, args=(call,), name="amorsize-joblib", daemon=True
                )
                thread.start()
                call.threads.append(thread)
            return
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
        while True:
            with call.changed:
                ahead = short or len(call.queue) >= self._n_jobs
                most = 2 * others if ahead else others
                if not call.caller_works:
                    most = 1 << 30  # joblib bounds what is open itself
                if not call.queue or call.running >= most or call.ended:
                    return
                job = call.queue.popleft()
                call.running += 1
            try:
                future = self._workers.submit(job.batch)
            except BaseException as error:
                self._could_not_send(call, job, error)
                return
            future.add_done_callback(functools.partial(self._came, call, job))

    def _could_not_send(self, call: Call, job: Job, error: BaseException) -> None:
        """The workers are gone: the caller goes on alone, if it can."""
        with call.changed:
            call.running -= 1
            if call.caller_works:
                call.mode = "serial"
                call.queue.appendleft(job)
        if not call.caller_works:
            job.callback(failed(error))

    def _came(self, call: Call, job: Job, future: Future[Any]) -> None:
        """A worker process has answered, or died (called in a thread of loky)."""
        try:
            died = isinstance(future.exception(), BrokenProcessPool)
            if died and not (job.deaths or call.answering or call.ended):
                job.deaths += 1
                call.suspects.append(job)
                return
            job.callback(future)
        finally:
            with call.changed:
                call.running -= 1
                call.changed.notify()
        if self._workers is not None and not call.ended and not call.suspects:
            self._send(call)

    def _try_again(self, call: Call) -> None:
        """A worker process died, and with it all of its kind: each batch they had goes again, alone."""
        job = call.suspects.pop()
        call.running += 1
        self._start_workers(max(1, self._n_jobs - 1))
        self._workers.submit(job.batch).add_done_callback(functools.partial(self._came, call, job))


def _executor() -> Any:
    """The one that loky keeps, if it has one."""
    return sys.modules["joblib.externals.loky.reusable_executor"]._executor


@functools.cache
def _pools_of(modules: tuple[str, ...]) -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController() if modules else None


def _thread_pools() -> Any:
    """What limits BLAS and OpenMP; looked up (15 ms) when one more of those who bring them is there."""
    return _pools_of(tuple(name for name in POOL_MODULES if name in sys.modules))


def register() -> None:
    """Make the backend known to joblib."""
    register_parallel_backend("amorsize", AmorsizeBackend)
