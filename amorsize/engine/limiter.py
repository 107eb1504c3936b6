"""When a call may begin: the user's rate, and what the server was found to allow. Thread-safe.

::

    ItemSource --begin(position, item)?--> Rate (tokens) and Admission (in flight, pace, hold)
    collector --served, refused, failed--> Admission, counts

One a run. Where nothing waits for a server it does nothing until a first call is refused.
"""

from __future__ import annotations

import time
from _thread import allocate_lock

from amorsize import items, learning, planning
from amorsize.items.limited_source import LimitedSource
from amorsize.items.retry import helped

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from amorsize.core.options import Options
    from amorsize.core.refusal import Level, Refusal
    from amorsize.items import TryLog
    from amorsize.items.collector import UsageLog
    from amorsize.items.source import ItemSource
    from amorsize.planning.admission import Admission, Call
    from amorsize.planning.rate import Rate, Start

TOLD_SECONDS = 0.5
"""A run that lasted for so long keeps what it has found of the server with the history."""
LEAST_SLEEP_SECONDS = 0.0005
"""Of the caller until a start is due: a timer of the system is no finer."""


class CallLimiter:
    """Lets calls begin, and hears of their end."""

    def __init__(
        self,
        rate: Rate | None,
        most: int | None = None,
        *,
        adaptive: bool = False,
        numbered: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rate, self._most, self._clock = rate, most, clock
        self._admission = planning.Admission(most) if adaptive else None
        self._numbered = numbered
        """Whether items come as pairs with their position (``seed``)."""
        self._workers: int | None = None
        self._calls: dict[int, Call | None] = {}
        """Position of an item that runs -> its call; None where only its rate counts."""
        self._costs: tuple[int, tuple[float, ...]] | None = None
        self._starts: dict[int, Start] = {}
        """Of calls with a rate that run: when each began, to be told."""
        self._due = 0.0
        """Earliest next start by the rate, on the monotonic clock."""
        self._lock = allocate_lock()
        self.calls = self.refused = self.failed = 0
        """Tries that have begun; of these, refused, and failed otherwise."""
        self._limits: tuple[int, int] | None = None
        """Fewest and most calls that were allowed in flight since the first refusal."""
        self._slept = 0.0
        """Seconds that the caller, alone, has waited since they were asked for."""
        self._known: tuple[Callable[..., Any], Any] | None = None
        """The function and the history that keep its level, where threads wait for a server."""
        self._asked = False
        self._tries: TryLog | None = None
        """Items that do not succeed at once; None before the first one."""
        self._index_of: Callable[[int], int] = int

    @property
    def is_active(self) -> bool:
        """Whether every single start must be asked for."""
        return self._rate is not None or self._admission is not None

    @property
    def limit(self) -> int | None:
        """Calls that may be in flight, None for no limit of this kind."""
        return None if self._admission is None else self._admission.limit

    @property
    def level(self) -> Level | None:
        """What was found of the server, where that is looked for."""
        return None if self._admission is None else self._admission.level

    def go_on(self, level: Level) -> None:
        """Go on where an earlier run of the function has ended."""
        with self._lock:
            if self._admission is not None:
                self._admission.go_on(level)

    def remember(self, func: Callable[..., Any], history: Any) -> None:
        """Threads wait for a server: the level of ``func`` is kept with ``history``, None for none."""
        self._known = None if history is None else (func, history)

    def recall(self) -> None:
        """Go on where the last run of the function ended. Once, in the caller: it opens the history."""
        if self._known is not None and not self._asked and self._admission is not None:
            self._asked = True
            level = learning.recall_level(*self._known)
            if level is not None:
                self.go_on(level)

    def keep(self, wall_seconds: float) -> None:
        """The run is done: keep what it has found."""
        level = self.level
        if self._known is not None and level is not None and wall_seconds >= TOLD_SECONDS:
            learning.keep_level(*self._known, level)

    @property
    def waited_seconds(self) -> float:
        """All starts waited for the server."""
        return 0.0 if self._admission is None else self._admission.waited_seconds

    @property
    def in_flight(self) -> int:
        """Calls that have begun and not ended."""
        return len(self._calls)

    def told(self) -> dict[str, Any]:
        """What a run says of it: fields of :class:`amorsize.core.model.Run`."""
        return {
            "calls": self.calls,
            "refused_calls": self.refused,
            "refusal_wait_seconds": self.waited_seconds,
            "refusal_limits": self._limits,
            **self._told_tries(),
        }

    def _told_tries(self) -> dict[str, Any]:
        if self._tries is None:
            return {}
        count, items = self._tries.told(self._index_of)
        return {"retried_items": count, "retried": items}

    def attend(self, index_of: Callable[[int], int], usage: UsageLog) -> None:
        """Hear of what runs. ``index_of`` gives the position in the data of an item by its position in
        the run."""
        self._index_of = index_of
        if self._rate is not None:
            usage.tell(self.ran)

    def ran(self, start: int, count: int, seconds: float, began: float | None = None) -> None:
        """Items from position ``start`` on have run, one after the other, in ``seconds`` all together.
        ``began``: of the first one, by ``time.perf_counter`` where that is this machine's."""
        if not self._starts:
            return
        latest = time.monotonic() - seconds
        told = latest if began is None else latest + seconds - (time.perf_counter() - began)
        with self._lock:
            for number in range(count):
                call = self._starts.pop(start + number, None)
                if call is not None:
                    later = number * seconds / count
                    sound = (
                        call.at <= told + later <= latest + later
                    )  # else another machine's clock
                    call.begun((told if sound else latest) + later)

    def said(self) -> str:
        """What a bar shows of it; "" where nothing was refused."""
        return f"refused {self.refused:,}, limit {self.limit}" if self.refused else ""

    def _note_limit(self, admission: Admission) -> None:
        limit = admission.limit
        low, high = self._limits or (limit, limit)
        self._limits = min(low, limit), max(high, limit)

    def adapt(self) -> None:
        """Items wait: find how many of them the server serves."""
        with self._lock:
            if self._admission is None:
                self._admission = planning.Admission(self._most)

    def have_workers(self, count: int | None) -> None:
        """So many items can run at the same time: no more are handed out, None for any number."""
        self._workers = count

    def begin(self, position: int, item: Any) -> bool:
        """Whether this item may begin now; then it has."""
        with self._lock:
            if self.pause() != 0.0:
                return False
            if self._rate is not None:
                if self._costs is None or self._costs[0] != position:
                    self._costs = position, self._rate.costs(item[1] if self._numbered else item)
                now = time.monotonic()
                start = planning.Start(now)
                wait = self._rate.take(now, self._costs[1], start)
                if wait > 0.0:
                    self._due = time.monotonic() + wait
                    return False
                self._costs, self._starts[position] = None, start
            self.calls += 1
            if self._tries is not None:
                self._tries.began(position, 1, self._clock())
            admission = self._admission
            self._calls[position] = None if admission is None else admission.begin(self._clock())
            return True

    def handed_out(self, start: int, count: int) -> None:
        """Items begin without having been asked for, while this is not active."""
        if self._tries is not None:
            with self._lock:
                self._tries.began(start, count, self._clock())

    def begin_alone(self, position: int, item: Any) -> None:
        """Sleep until the caller's own item may begin."""
        while not self.begin(position, item):
            self.sleep(self.pause() or 0.0)

    def sleep(self, seconds: float) -> None:
        """Sleep in the caller, which is no time of an item."""
        seconds = max(seconds, LEAST_SLEEP_SECONDS)
        self._slept += seconds
        time.sleep(seconds)

    def take_slept(self) -> float:
        """Seconds that the caller has slept since this was asked last."""
        slept, self._slept = self._slept, 0.0
        return slept

    def pause(self) -> float | None:
        """Seconds until a start may be tried; None: not before a call ends."""
        if self._workers is not None and len(self._calls) >= self._workers:
            return None
        due = self._due - time.monotonic() if self._rate is not None else 0.0
        wait = 0.0 if self._admission is None else self._admission.wait(self._clock())
        return None if wait is None else max(0.0, due, wait)

    def patience(self, longest: float) -> float:
        """How long the caller may sleep before a start is due."""
        if not self.is_active:
            return longest
        pause = self.pause()
        return longest if pause is None else min(longest, max(pause, LEAST_SLEEP_SECONDS))

    def _ended(self, position: int) -> Call | None:
        """The call of an item that runs no more."""
        self._starts.pop(position, None)
        return self._calls.pop(position, None)

    def undo(self, position: int) -> None:
        """An item was handed out, and comes back without having run."""
        with self._lock:
            call = self._ended(position)
            if call is not None and self._admission is not None:
                self._admission.failed(call, self._clock())
            if self._tries is not None:
                self._tries.undone(position)

    def served(self, position: int, late: float = 0.0) -> None:
        """The item has its result, which may have waited ``late`` seconds to be heard of."""
        with self._lock:
            call = self._ended(position)
            if call is not None and self._admission is not None:
                self._admission.served(call, self._clock(), late)
                if self.refused:
                    self._note_limit(self._admission)
            if self._tries is not None:
                self._tries.ended(position, self._clock(), served=True)

    def gave_up(self, position: int) -> None:
        """The item has failed for good."""
        if self._tries is not None:
            with self._lock:
                self._tries.ended(position, self._clock(), served=False)

    def _note_try(self, position: int, now: float, *, refused: bool) -> None:
        if self._tries is None:
            self._tries = items.TryLog()
        self._tries.failed(position, now, refused=refused)

    def failed_call(self, position: int, *, overdue: bool = False) -> None:
        """It ended without a result, and was not refused."""
        with self._lock:
            self.failed += 1
            self._note_try(position, self._clock(), refused=False)
            call = self._ended(position)
            if call is not None and self._admission is not None:
                self._admission.failed(call, self._clock(), overdue=overdue)

    def refused_call(self, position: int, refusal: Refusal) -> bool:
        """The server said no. Whether the item is to wait; else it fails."""
        with self._lock:
            self.refused += 1
            now, call = self._clock(), self._ended(position)
            self._note_try(position, now, refused=True)
            if self._admission is None:
                self._admission = planning.Admission(self._most)
            if call is None:
                call = self._admission.begin(now)
            if refusal.unreached and not self._admission.served_calls:
                self._admission.failed(call, now)
                return False
            self._admission.refused(call, now, refusal)
            self._note_limit(self._admission)
            return not self._admission.gives_up(now, refusal)


def limited(
    func: Callable[[Any], Any], data: Any, options: Options
) -> tuple[Callable[[Any], Any], Callable[[Any], Any], Iterable[Any] | ItemSource]:
    """What the caller calls, what workers call, and the data or their source, to honour ``seed``,
    ``retries``, ``rate`` and ``max_errors``."""
    limiter = None
    # Who bounds errors calls a server, too: no 128 threads at once, of which all may fail.
    if options.retries or options.rate is not None or options.max_errors is not None:
        limiter = CallLimiter(options.rate, options.max_jobs, numbered=options.seed is not None)
    caller_func, worker_func = helped(func, options, limiter)
    if limiter is None:
        return caller_func, worker_func, data
    if not options.retries and options.rate is None:
        caller_func, _ = helped(func, options, None)  # alone it has nothing to wait for
    return caller_func, worker_func, LimitedSource(data, limiter, options.max_errors)


def refusal_in(error: BaseException) -> Refusal | None:
    """What an exception says of a server that refused; None for any other."""
    return items.refusal_of(error, time.time()) if isinstance(error, Exception) else None
