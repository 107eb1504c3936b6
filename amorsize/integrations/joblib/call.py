"""One call of ``joblib.Parallel``: its open batches, what was seen of its tasks, and its threads."""

from __future__ import annotations

import threading
import time
from collections import deque

from amorsize.core import nesting
from amorsize.items.call import RemoteTraceback, format_traceback

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
            try:
                error.__cause__ = error.__cause__ or RemoteTraceback(format_traceback(error))
            except Exception:  # an odd exception keeps its own shape
                pass
            self.error = error


class Call:
    """One call of ``Parallel``: its open tasks, and who works on them."""

    def __init__(self, *, answering: bool, isolated: bool) -> None:
        self.answering = answering
        """The caller has better to do than wait: it gives out results, or watches the time."""
        self.isolated = isolated
        """Tasks need the processes that were asked for, set up as asked."""
        self.caller_works = not (answering or isolated)
        self.queue: deque[Job] = deque()
        self.changed = threading.Condition()
        self.running = 0
        """Batches that others are in, or were sent."""
        self.mode = "alone"
        """"alone", "threads" or "processes"; "serial" when there is nothing else to try."""
        self.threads_failed = False
        self.ended = False
        self.threads: list[threading.Thread] = []
        self.stay = 0
        """Threads that are to work."""
        self.suspects: list[Job] = []
        """Batches whose worker process died; each goes again, alone."""
        self.func: Any = None
        self.known: Seen | None = None
        self.looked_up = False
        self.began, self.cpu_began = clock(), time.process_time()
        self.items, self.seconds = 0, 0.0
        """Seen in the caller, beside others or not."""
        self.alone_seconds = self.cpu = 0.0
        self.alone_item_seconds = self.last_item_seconds = 0.0
        self.done = 0
        """Tasks done by anybody."""
        self.switched, self.switched_done, self.reviewed = 0.0, 0, False
        """When others came in, and how many were done then."""
        self.batch_size = 1

    def take(self) -> Job | None:
        """The next batch for the caller."""
        with self.changed:
            return self.queue.popleft() if self.queue else None

    def saw(self, items: int, seconds: float, cpu: float) -> None:
        """The caller has run a batch in so many seconds (less those in which it had no core), while the
        process computed for ``cpu`` seconds."""
        self.items += items
        self.seconds += seconds
        self.last_item_seconds = seconds / items
        if self.mode == "alone":
            self.alone_seconds += seconds
            self.cpu += cpu
            self.alone_item_seconds = self.seconds / self.items

    @property
    def item_seconds(self) -> float:
        """What a task takes: seen now, else known from before, else 0."""
        if self.items:
            return self.seconds / self.items
        return self.known.item_seconds if self.known is not None else 0.0

    @property
    def cpu_share(self) -> float:
        """Share of its time for which a task computes."""
        if self.alone_seconds > 0:
            return min(1.0, self.cpu / self.alone_seconds)
        return self.known.cpu_share if self.known is not None else 1.0


def failed(error: BaseException) -> Outcome:
    """The outcome of a batch that could not be run."""

    def raise_it() -> None:
        raise error

    return Outcome(raise_it, everything=True)


def help_with(call: Call) -> None:
    """A thread beside the caller: takes what is there until it is not needed any more."""
    me = threading.get_ident()
    nesting.busy_threads.add(me)
    try:
        while True:
            with call.changed:
                while not call.queue:
                    if call.ended or call.stay <= 0:
                        return
                    call.changed.wait(LOOK_SECONDS)
                if call.ended or call.stay <= 0:
                    return
                job = call.queue.popleft()
                call.running += 1
            outcome = Outcome(job.batch, everything=True)
            try:
                job.callback(outcome)
            finally:
                with call.changed:
                    call.running -= 1
                    call.changed.notify_all()
            del job, outcome
    finally:
        nesting.busy_threads.discard(me)


def send_home(call: Call) -> None:
    """Threads take no other task."""
    with call.changed:
        call.stay = 0
        call.changed.notify_all()


def end_call(call: Call, *, wait: bool) -> None:
    """Nobody takes another task; ``wait`` until the threads have ended theirs."""
    with call.changed:
        call.ended = True
        call.queue.clear()
        call.changed.notify_all()
    if wait:
        for thread in call.threads:
            if thread is not threading.current_thread():
                thread.join()


def function_of(batch: Any) -> Any:
    """The user's function inside the wrappers of joblib and scikit-learn."""
    func = batch.items[0][0]
    for _ in range(MOST_WRAPPERS):
        inner = getattr(func, "function", None) or getattr(func, "func", None)
        if not callable(inner):
            break
        func = inner
    return func
