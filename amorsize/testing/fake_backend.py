"""A backend whose workers are simulated under a fake clock: no thread, no process, no sleep.

::

    step(patience) -> the clock moves to the next end of an item, at most by ``patience`` -> results are
    placed

The function is called for real, in the caller; how long its items seem to take, and in which of them a
worker dies, is given. Equal arguments give equal runs, so that the engine's policies can be tried in
milliseconds."""

from __future__ import annotations

from amorsize.backends.base import Backend, BackendReport
from amorsize.errors import WorkerDied
from amorsize.items.call import overdue_error, run_chunk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from amorsize.backends.base import BackendSpec

NEVER = float("inf")


class FakeClock:
    """Seconds that pass only when they are told to."""

    def __init__(self, now: float = 0.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        """Let so much time pass."""
        self.now += seconds

    def advance_to(self, now: float) -> None:
        """Let time pass until then."""
        self.now = max(self.now, now)


class _SimulatedWorker:
    """The item that one worker is in, when that ends, and what it computed before."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.item: tuple[int, Any] | None = None
        self.began = 0.0
        self.ends = NEVER
        self._busy = 0.0

    def begin(self, position: int, items: Any, now: float, seconds: float) -> None:
        """Enter an item."""
        self.item, self.began, self.ends = (position, items), now, now + seconds

    def end(self, cpu_share: float) -> None:
        """Leave it."""
        self._busy += (self.ends - self.began) * cpu_share
        self.item, self.ends = None, NEVER

    def busy(self, now: float, cpu_share: float) -> float:
        """Seconds that it has computed so far."""
        inside = 0.0 if self.item is None else min(now, self.ends) - self.began
        return self._busy + inside * cpu_share


class FakeBackend(Backend):
    """Simulated workers, one item at a time each.

    ``item_seconds`` of a position is how long that item seems to take (a number: all alike),
    ``cpu_share`` how much of that is computed; ``deaths`` says how many workers die in the item at a
    position."""

    def __init__(
        self,
        spec: BackendSpec,
        clock: FakeClock | None = None,
        item_seconds: Callable[[int], float] | float = 0.001,
        cpu_share: float = 1.0,
        deaths: Mapping[int, int] | None = None,
    ) -> None:
        self.spec = spec
        self.waits = spec.waits
        self.clock = FakeClock() if clock is None else clock
        self.probing = not spec.waits
        """As :meth:`set_probing` left it."""
        self._item_seconds = item_seconds
        self._cpu_share = cpu_share
        self._deaths_left = dict(deaths or {})
        self._died_in: dict[int, int] = {}
        self._workers: list[_SimulatedWorker] = []
        self._done_before = spec.collector.done
        self._deaths, self._longest = 0, 0.0
        self._draining = self._ramping = False

    # -- the contract ---------------------------------------------------------------------------

    def start(self) -> None:
        jobs = self.spec.config.n_jobs
        first = min(self.spec.first_workers or jobs, jobs)
        self._ramping = first < jobs
        self._add(first)

    def step(self, patience: float = 0.05) -> BackendReport:
        self._begin_items()
        if self.spec.collector.failure is None:
            until = self.clock.now + patience
            due = min((worker.ends for worker in self._workers), default=NEVER)
            self.clock.advance_to(min(due, until))
            for worker in self._workers:
                if worker.ends <= self.clock.now and self.spec.collector.failure is None:
                    self._end_item(worker)
        return self.report()

    def report(self) -> BackendReport:
        now, share = self.clock.now, self._cpu_share
        inside = [worker for worker in self._workers if worker.item is not None]
        timed = self.spec.timeout_seconds is not None
        return BackendReport(
            done=self.spec.collector.done - self._done_before,
            workers=len(self._workers),
            deaths=self._deaths,
            longest_seconds=self._longest,
            cpu_seconds=sum(worker.busy(now, share) for worker in self._workers),
            item_seconds=self._longest and self._seconds_of(0),
            busy={one.number: one.busy(now, share) for one in self._workers} if timed else None,
            inside=frozenset(worker.number for worker in inside) if timed else frozenset(),
            drained=self._draining and not inside,
        )

    def wake(self) -> None:
        self.spec.collector.notify()

    def drain(self) -> None:
        self._draining = True

    def close(self, *, abort: bool = False, hurry: bool = False) -> None:
        self._workers.clear()

    def scale_to(self, workers: int) -> None:
        self._ramping = False
        self._add(max(0, workers - len(self._workers)))

    def ramp(self, late_seconds: float) -> bool:
        if self._ramping:
            count = len(self._workers)
            self._add(min(count, self.spec.config.n_jobs - count))
            self._ramping = len(self._workers) < self.spec.config.n_jobs
        return self._ramping

    def set_probing(self, probing: bool) -> None:
        self.probing = probing

    # -- simulated workers ----------------------------------------------------------------------

    def _add(self, count: int) -> None:
        first = len(self._workers) + self._deaths
        self._workers += [_SimulatedWorker(first + number) for number in range(count)]

    def _seconds_of(self, position: int) -> float:
        seconds = self._item_seconds
        return seconds(position) if callable(seconds) else seconds

    def _begin_items(self) -> None:
        limit = self.spec.timeout_seconds
        for worker in self._workers:
            if worker.item is None and not self._draining:
                taken = self.spec.source.take_or_pull(1)
                if taken is None:
                    return
                seconds = self._seconds_of(taken[0])
                worker.begin(*taken, self.clock.now, min(seconds, limit or NEVER))

    def _end_item(self, worker: _SimulatedWorker) -> None:
        assert worker.item is not None
        spec, (position, items) = self.spec, worker.item
        began, seconds = worker.began, worker.ends - worker.began
        worker.end(self._cpu_share)
        limit = spec.timeout_seconds
        if limit is not None and self._seconds_of(position) > limit:
            spec.collector.fail(position, overdue_error(position, limit))
        elif self._deaths_left.get(position, 0):
            self._deaths_left[position] -= 1
            self._die(position, items)
        else:
            self._longest = max(self._longest, seconds)
            outcome = run_chunk(spec.func, position, items, spec.collector.on_error)
            outcome.retime(began, seconds)
            outcome.deliver(spec.collector, (0, worker.number))

    def _die(self, position: int, items: Any) -> None:
        """A worker dies in an item, which runs once more unless it must not; another worker takes
        over."""
        self._deaths += 1
        self._died_in[position] = self._died_in.get(position, 0) + 1
        source = self.spec.source
        if self._died_in[position] > self.spec.rerun_after_death:
            self.spec.collector.fail(position, WorkerDied(position, None, "simulated"))
        else:
            source.give_back(position, 1 if source.indexed else items)
