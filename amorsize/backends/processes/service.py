"""Worker processes that stay while tasks come one by one: the process form of ``amorsize.Executor``.

::

    submit --> Tasks --take (pickled)--> TaskPool (the protocol of `processes`) --> workers
                 ^                            |
                 +------- Answers <-----------+          a thread of its own turns the wheel

A task is an item whose function travels with it. All that `processes` promises holds: the death of a
worker costs no task but the one it was in, which runs once more unless it must not.
"""

from __future__ import annotations

import itertools
import pickle
import threading
import time
import weakref
from collections import deque
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool, _RemoteTraceback

from amorsize.backends.base import BackendSpec
from amorsize.backends.processes.dispatch import Dispatcher
from amorsize.backends.processes.pool import PATIENCE_SECONDS, ProcessPool
from amorsize.backends.processes.spawn import SpawnLauncher
from amorsize.core.model import Config
from amorsize.errors import WorkerDied
from amorsize.items.call import format_traceback, linked
from amorsize.items.collector import ResultCollector
from amorsize.items.errors import portable
from amorsize.items.pickling import dumps, dumps_by_value
from amorsize.items.source import ItemSource

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from amorsize.planning.rate import Rate

AHEAD_SECONDS = 0.01
"""A worker is sent a second task while it is in one if tasks are shorter: sending costs 0.1 ms."""
LEAST_SLEEP_SECONDS = 0.0005
"""Until the rate allows a task: a timer of the system is no finer."""
IDLE_LOOK_SECONDS = 10.0
"""How long the thread sleeps at most while no task is open; a new one wakes it."""


class TaskDied(WorkerDied, BrokenProcessPool):
    """The worker of a submitted task died. Unlike what ``BrokenProcessPool`` says of the standard
    library's pools, this task alone is lost: open and later ones are done."""


class Tasks(ItemSource):
    """Open tasks in the place of a run's data: pickled as they are taken."""

    def __init__(self, collector: Answers, rate: Rate | None = None) -> None:
        super().__init__(iter(()))
        self._rate = rate
        self._due = 0.0
        """When the rate allows the next task, on the monotonic clock."""
        self.caller_reads_source = False
        self.collector = collector
        self.numbers = itertools.count()
        self.waiting_tasks: deque[tuple[Future[Any], Any]] = deque()

    @property
    def waiting(self) -> int:
        """Tasks that no worker has."""
        return len(self.waiting_tasks) + len(self._returned)

    @property
    def finished(self) -> bool:
        """Nothing is to be done now."""
        return not self.waiting

    def left(self) -> int:
        """Tasks that no worker has."""
        return self.waiting

    def take(self, count: int) -> tuple[int, Sequence[Any]] | None:
        """The next task that was not cancelled, as a run of one item."""
        if self._returned:
            return self._returned.popleft()
        while self.waiting_tasks:
            if self._rate is not None and not self._may_begin(self._rate):
                return None
            future, call = self.waiting_tasks.popleft()
            if not future.set_running_or_notify_cancel():
                continue
            buffers: list[Any] = []
            try:
                body = dumps_by_value(call, buffers)
            except BaseException as error:
                _settle(future, error=error)
                continue
            number = next(self.numbers)
            self.collector.open[number] = future
            return number, [(body, buffers)]
        return None

    def _may_begin(self, rate: Rate) -> bool:
        """Whether the rate allows the next task now. One whose cost cannot be told goes, and says so."""
        future, (_, args, named) = self.waiting_tasks[0]
        if future.cancelled():
            return True
        now = time.monotonic()
        try:
            wait = rate.take(now, rate.costs(item_of(args, named)))
        except Exception as error:
            self.waiting_tasks[0] = future, (_raise, (error,), {})
            return True
        self._due = now + wait
        return wait <= 0.0

    def patience(self, longest: float) -> float:
        """How long to sleep at most: until the rate allows the next task."""
        if self._rate is None or not self.waiting_tasks:
            return longest
        return min(longest, max(LEAST_SLEEP_SECONDS, self._due - time.monotonic()))

    def give_back(self, start: int, items: Sequence[Any] | int) -> None:
        """A task whose worker died before it began."""
        assert not isinstance(items, int)
        self._returned.append((start, items))


class Answers(ResultCollector):
    """Futures in the place of a run's results; its failure says why no worker can work any more."""

    def __init__(self) -> None:
        super().__init__("collect")
        self.open: dict[int, Future[Any]] = {}
        """Tasks that were begun, by number."""

    def place(self, start: int, values: Sequence[Any]) -> None:
        """Answers of workers: see :func:`call`."""
        for number, answer in enumerate(values, start):
            future = self.open.pop(number)
            try:
                kind, body, buffers = answer
                value = pickle.loads(body, buffers=buffers)  # nosec B301 # of our own worker
            except BaseException as error:
                _settle(future, error=_unreadable("the result", error))
                continue
            if kind == "value":
                _settle(future, value)
            else:
                raised, text = value
                if text:
                    linked(raised, _RemoteTraceback(f'\n"""\n{text}"""'), suppress=True)  # type: ignore[arg-type]
                _settle(future, error=raised)

    def fail(self, index: int | None, exception: BaseException, traceback: str = "") -> bool:
        """A task was lost; or, without a number, all are."""
        if index is None:
            return super().fail(None, exception, traceback)
        if isinstance(exception, WorkerDied):
            exception = TaskDied(exception.index, exception.exitcode, exception.hint)
        _settle(self.open.pop(index), error=exception)
        return False


class TaskDispatcher(Dispatcher):
    """Sends each worker one task, and a second one while tasks are short."""

    _second = False

    @property
    def depth(self) -> int:
        return 2 if self._second and self.pace.item_seconds < AHEAD_SECONDS else 1

    def frames(self) -> None:
        """Every worker has a task before any has two."""
        for self._second in (False, True):
            super().frames()


class TaskPool(ProcessPool):
    """Workers started as tasks need them, not all at the start."""

    dispatcher = TaskDispatcher
    starts_at_once = False

    def idle(self, seconds: float) -> None:
        """Wait for :meth:`wake` where there is no worker to wait for."""
        self._table.sleep(seconds)


class Pool:
    """Takes tasks from any thread; a thread of its own looks after the workers."""

    def __init__(
        self,
        max_workers: int,
        *,
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
        inner_threads: int = 1,
        rerun_after_death: bool = True,
        rate: Rate | None = None,
    ) -> None:
        self.max_workers = max_workers
        self.answers = Answers()
        self.tasks = Tasks(self.answers, rate)
        self.broken: BaseException | None = None
        self._initialized = (initializer, initargs)
        self._inner_threads, self._rerun = inner_threads, rerun_after_death
        self._ending = self._cancel = False
        self._lock = threading.Lock()
        self.thread: threading.Thread | None = None
        self.workers: TaskPool | None = None
        _pools.add(self)

    def submit(self, fn: Callable[..., Any], args: tuple[Any, ...], named: Any) -> Future[Any]:
        """A future of ``fn(*args, **named)``."""
        future: Future[Any] = Future()
        with self._lock:
            if self.broken is not None:
                raise BrokenProcessPool(str(self.broken)) from self.broken
            if self._ending or _at_end:
                when = "interpreter shutdown" if _at_end else "shutdown"
                raise RuntimeError(f"cannot schedule new futures after {when}")
            self.tasks.waiting_tasks.append((future, (fn, args, named)))
            if self.thread is None:
                self._begin()
        assert self.workers is not None
        self.workers.wake()
        return future

    def _begin(self) -> None:
        initializer, initargs = self._initialized
        self.workers = TaskPool(
            SpawnLauncher(),
            BackendSpec(
                call,
                self.tasks,
                self.answers,
                Config("spawn", self.max_workers, 1, 1),
                initializer=initializer,
                initargs=initargs,
                inner_threads=self._inner_threads,
                rerun_after_death=self._rerun,
            ),
        )
        self.workers.start()
        self.thread = threading.Thread(target=self._look_after, name="amorsize-Executor")
        self.thread.start()

    def end(self, *, cancel: bool = False) -> None:
        """Take no more tasks; the thread ends when the open ones are done."""
        self._ending = True
        self._cancel |= cancel
        if self.workers is not None:
            self.workers.wake()

    def join(self) -> None:
        """Wait until everything is done and the workers have been let go."""
        if self.thread is not None:
            self.thread.join()

    def _look_after(self) -> None:
        workers, tasks, answers = self.workers, self.tasks, self.answers
        assert workers is not None
        try:
            while True:
                if self._cancel:
                    _cancel_all(tasks)
                with self._lock:
                    unfinished = tasks.waiting + len(answers.open)
                    if not unfinished and self._ending:
                        break
                try:
                    workers.scale_to(unfinished)
                    if workers.report().workers or not tasks.finished:
                        looks = PATIENCE_SECONDS if unfinished else IDLE_LOOK_SECONDS
                        workers.step(tasks.patience(looks))
                    else:
                        workers.idle(IDLE_LOOK_SECONDS)
                except Exception as error:  # a function that cannot be sent is its own answer
                    answers.fail(None, error)
                if answers.failure is not None:
                    self._break(answers.failure.exception)
                    break
        finally:
            workers.close(abort=answers.failure is not None)

    def _break(self, error: BaseException) -> None:
        """No worker can be had or be set up: nothing that is open can be done."""
        with self._lock:
            self.broken = error
        open_futures = [*self.answers.open.values()]
        open_futures += [future for future, _ in self.tasks.waiting_tasks]
        for future in open_futures:
            broken = BrokenProcessPool(f"no worker can work: {error!r}")
            broken.__cause__ = error
            if future.running() or future.set_running_or_notify_cancel():
                _settle(future, error=broken)


def item_of(args: tuple[Any, ...], named: dict[str, Any]) -> Any:
    """What ``cost=`` of a rate is asked about: the one argument of a call, or all of them."""
    return args[0] if len(args) == 1 and not named else args


def _raise(error: BaseException) -> None:
    raise error


def call(item: tuple[bytes, list[Any]]) -> tuple[str, bytes, list[Any]]:
    """In a worker: run a task. Returns ("value" or "error", pickle, its buffers)."""
    body, sent = item
    try:
        fn, args, named = pickle.loads(body, buffers=sent)  # nosec B301 # of our caller
    except BaseException as error:
        return _answer("error", (_unreadable("the task", error), ""))
    del item, body, sent
    try:
        value = fn(*args, **named)
        del fn, args, named
        return _answer("value", value)
    except BaseException as error:
        return _answer("error", portable(error))


def _answer(kind: str, value: Any) -> tuple[str, bytes, list[Any]]:
    buffers: list[Any] = []
    return kind, dumps(value, buffers), buffers


def _unreadable(what: str, error: BaseException) -> BaseException:
    broken = BrokenProcessPool(
        f"{what} could not be unpickled: {type(error).__name__}: {error}\n{format_traceback(error)}"
    )
    broken.__cause__ = error if isinstance(error, Exception) else None
    return broken


def _settle(future: Future[Any], value: Any = None, error: BaseException | None = None) -> None:
    if error is None:
        future.set_result(value)
    else:
        future.set_exception(error)


def _cancel_all(tasks: Tasks) -> None:
    while tasks.waiting_tasks:
        future, _ = tasks.waiting_tasks.popleft()
        if future.cancel():
            future.set_running_or_notify_cancel()


_pools: weakref.WeakSet[Pool] = weakref.WeakSet()
_at_end = False


def _finish_all() -> None:
    """Before the interpreter ends: what was submitted is done, as the standard library does it."""
    global _at_end
    _at_end = True
    pools = list(_pools)
    for pool in pools:
        pool.end()
    for pool in pools:
        pool.join()


# Called before the threads are waited for; `atexit` would be called after, too late for ours.
threading._register_atexit(_finish_all)  # type: ignore[attr-defined]
