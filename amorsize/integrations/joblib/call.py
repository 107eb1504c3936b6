"""One call of ``joblib.Parallel``: its open batches, what was seen of its tasks, and its threads."""

from __future__ import annotations

import threading
import time
from collections import deque

from amorsize.core import nesting
from amorsize.items.call import RemoteTraceback, explain, format_traceback

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from amorsize.integrations.joblib.memory import Seen

clock = time.perf_counter

LOOK_SECONDS = 0.05
"""Longest sleep of the waiting caller."""
MOST_WRAPPERS = 8
"""Wrappers around a function that are looked into."""


class Job:
    """One batch, and whom to tell."""

    __slots__ = ("batch", "callback", "deaths")

    def __init__(self, batch: Any, callback: Callable[[Any], None]) -> None:
        self.batch, self.callback = batch, callback
        self.deaths = 0
        """Workers that died in it."""

    def dies(self) -> bool:
        """A worker died in it; True where it may go again."""
        self.deaths += 1
        return self.deaths == 1


class Outcome:
    """What a batch came to in this process."""

    __slots__ = ("error", "values")

    def __init__(self, batch: Callable[[], Any], *, everything: bool) -> None:
        """Run it; ``everything``: SystemExit and the like are an outcome, too."""
        self.values: Any = None
        self.error: BaseException | None = None
        try:
            self.values = batch()
        except BaseException as error:
            if not everything and not isinstance(error, Exception):
                raise
            self.error = explain(error, RemoteTraceback(format_traceback(error)))


class TaskMeter:
    """What tasks cost, as seen where the caller ran some itself. Seconds."""

    def __init__(self) -> None:
        self.items, self.seconds = 0, 0.0
        """Of tasks that the caller ran, beside other workers or not."""
        self.alone_item_seconds = self.last_item_seconds = 0.0
        self._alone_seconds = self._cpu = 0.0

    def saw(self, items: int, seconds: float, cpu: float, *, alone: bool) -> None:
        """The caller has run a batch in so many seconds (less those in which it had no core), while the
        process computed for ``cpu`` seconds."""
        self.items += items
        self.seconds += seconds
        self.last_item_seconds = seconds / items
        if alone:
            self._alone_seconds += seconds
            self._cpu += cpu
            self.alone_item_seconds = self.seconds / self.items

    @property
    def item_seconds(self) -> float | None:
        """What a task takes; None before the first."""
        return self.seconds / self.items if self.items else None

    @property
    def cpu_share(self) -> float | None:
        """Share of its time for which a task computes; None before the first."""
        return min(1.0, self._cpu / self._alone_seconds) if self._alone_seconds > 0 else None


class Call:
    """One call of ``Parallel``: its open tasks, and who works on them.

    ``answering``: the caller gives out results, or watches the time; ``isolated``: tasks need
    the processes that were asked for, set up as asked. In both cases the caller runs none itself.
    What helper threads and loky's threads change too is changed under ``changed``.
    """

    def __init__(self, *, answering: bool, isolated: bool) -> None:
        self.kind = answering, isolated
        self.queue: deque[Job] = deque()
        self.changed = threading.Condition()
        self.running = 0
        """Batches that other workers are in, or were sent."""
        self.mode = "alone"
        """"alone", "threads" or "processes"; "serial" when there is nothing else to try."""
        self.ended = False
        self.suspects: list[Job] = []
        """Batches whose worker process died; each goes again, alone."""
        self.tasks = TaskMeter()
        self.done = 0
        """Tasks that are done, whoever ran them."""
        self.began = clock(), time.process_time()
        """Wall and CPU seconds at the start of the call."""
        self._func: Any = None
        self._known: Seen | None = None
        self._looked_up = self._reviewed = self._threads_failed = False
        self._threads: list[threading.Thread] = []
        self._staying = 0
        self._switched = 0.0, 0
        self._batch_size = 1

    @property
    def answering(self) -> bool:
        """Whether the caller gives out results, or watches the time, instead of waiting."""
        return self.kind[0]

    @property
    def caller_works(self) -> bool:
        """Whether the caller runs tasks itself."""
        return not any(self.kind)

    @property
    def only_processes(self) -> bool:
        """Whether threads are out of the question: they failed, or tasks are isolated."""
        return self._threads_failed or self.kind[1]

    # -- what is known of the tasks --------------------------------------------------------------

    @property
    def func(self) -> Any:
        """The user's function, None before the first batch."""
        return self._func

    @property
    def known(self) -> Seen | None:
        """What earlier calls have shown of the function."""
        return self._known

    def begin(self, func: Any, known: Seen | None) -> None:
        """The first batch tells the function."""
        self._func, self._known = func, known

    def look_up(self, ask: Callable[[Any, float], Seen | None], after_seconds: float) -> None:
        """Ask the history once, when the call is so old and nothing is known yet."""
        age = clock() - self.began[0]
        if self._known is None and not self._looked_up and age > after_seconds:
            self._looked_up = True
            self._known = ask(self._func, age)

    @property
    def item_seconds(self) -> float:
        """What a task takes: seen now, else known from before, else 0."""
        before = self._known.item_seconds if self._known is not None else 0.0
        return before if self.tasks.item_seconds is None else self.tasks.item_seconds

    @property
    def cpu_share(self) -> float:
        """Share of its time for which a task computes: seen now, else known from before, else 1."""
        before = self._known.cpu_share if self._known is not None else 1.0
        return before if self.tasks.cpu_share is None else self.tasks.cpu_share

    # -- who works --------------------------------------------------------------------------------

    def take(self) -> Job | None:
        """The next batch for the caller."""
        with self.changed:
            return self.queue.popleft() if self.queue else None

    def put(self, job: Job) -> None:
        """One more batch is there."""
        with self.changed:
            self.queue.append(job)
            self.changed.notify()

    def take_to_send(self, most: Callable[[int], int]) -> Job | None:
        """The next batch for a worker process, while fewer than ``most(queued)`` are on their way."""
        with self.changed:
            if not self.queue or self.ended or self.running >= most(len(self.queue)):
                return None
            self.running += 1
            return self.queue.popleft()

    def take_suspect(self) -> Job:
        """A batch whose worker died, to be sent again by itself."""
        with self.changed:
            self.running += 1
            return self.suspects.pop()

    def take_back(self, job: Job) -> None:
        """A batch could not be sent: the caller runs it, and all later ones, if it may."""
        with self.changed:
            self.running -= 1
            if self.caller_works:
                self.mode = "serial"
                self.queue.appendleft(job)

    def answered(self) -> None:
        """A worker has answered, or died."""
        with self.changed:
            self.running -= 1
            self.changed.notify_all()

    def count_done(self, tasks: int) -> None:
        """So many more tasks are done."""
        self.done += tasks

    def next_batch(self, wanted: int, growth: int) -> int:
        """Tasks of the next batch: ``wanted``, but at most ``growth`` times those of the last."""
        self._batch_size = max(1, min(wanted, growth * self._batch_size))
        return self._batch_size

    def switch(self, mode: str, threads: int = 0) -> None:
        """From now on other workers work, too; ``threads`` of this process are started."""
        self.mode, self._staying = mode, threads
        self._switched = clock(), self.done
        for _ in range(threads):
            thread = threading.Thread(
                target=help_with, args=(self,), name="amorsize-joblib", daemon=True
            )
            thread.start()
            self._threads.append(thread)

    @property
    def last_mode(self) -> tuple[float, int]:
        """When the last mode began, and how many tasks were done before it."""
        return self._switched if self.mode in ("threads", "processes") else (self.began[0], 0)

    def review_once(self, least_seconds: float, least_tasks: int) -> tuple[float, int] | None:
        """Seconds and tasks since other workers came in, once both are large enough; else None."""
        seconds, done = clock() - self._switched[0], self.done - self._switched[1]
        if self._reviewed or seconds < least_seconds or done < least_tasks:
            return None
        self._reviewed = True
        return seconds, done

    def leave_threads(self, mode: str) -> None:
        """Threads were no help: they take no other task."""
        self._threads_failed = True
        self.mode = mode
        with self.changed:
            self._staying = 0
            self.changed.notify_all()

    @property
    def needs_threads(self) -> bool:
        """Whether helper threads are to go on."""
        return not self.ended and self._staying > 0

    def end(self, *, wait: bool) -> None:
        """No worker takes another task; ``wait`` until the threads have ended theirs."""
        with self.changed:
            self.ended = True
            self.queue.clear()
            self.changed.notify_all()
        if wait:
            for thread in self._threads:
                if thread is not threading.current_thread():
                    thread.join()


def failed(error: BaseException) -> Outcome:
    """The outcome of a batch that could not be run."""

    def raise_it() -> None:
        raise error

    return Outcome(raise_it, everything=True)


def help_with(call: Call) -> None:
    """A thread beside the caller: takes what is there until it is not needed any more."""
    nesting.enter()
    try:
        while True:
            with call.changed:
                while not call.queue and call.needs_threads:
                    call.changed.wait(LOOK_SECONDS)
            if not call.needs_threads:
                return
            job = call.take_to_send(lambda queued: 1 << 30)
            if job is None:
                continue
            outcome = Outcome(job.batch, everything=True)
            try:
                job.callback(outcome)
            finally:
                call.answered()
            del job, outcome
    finally:
        nesting.leave()


def function_of(batch: Any) -> Any:
    """The user's function inside the wrappers of joblib and scikit-learn."""
    func = batch.items[0][0]
    for _ in range(MOST_WRAPPERS):
        inner = getattr(func, "function", None) or getattr(func, "func", None)
        if not callable(inner):
            break
        func = inner
    return func
