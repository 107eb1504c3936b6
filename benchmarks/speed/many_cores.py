"""Worker processes on 1 to 1,024 cores, of which this machine has a few: what does the one caller cost?

    python -m benchmarks.speed.many_cores              efficiency by cores, where each part of it goes
    python -m benchmarks.speed.many_cores --check      the same for 1 and 2 cores beside real runs

The caller is real: ``ProcessPool`` with its dispatcher, its pipe of tickets, its sockets and its reader
of results, on real data. Its turns are run, and what they cost in CPU time goes by on a clock of this
simulation. The workers are not: each takes real tickets by the real rule and sends real frames, at the
price that taking and packing them has here, but its items only let the clock go on. So an efficiency is
work / (cores x time) with the overheads of this machine's core, and items that do not disturb each
other.

Starting and ending a worker are the medians of real ones, measured first.
"""

from __future__ import annotations

import argparse
import heapq
import os
import resource
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from amorsize.backends.base import BackendSpec
from amorsize.backends.processes import (
    fork,
    pool,
    protocol,
    recovery,
    results,
    workers,
)
from amorsize.backends.processes.pool import ProcessPool
from amorsize.backends.processes.protocol import RESULT, SharedPage, TicketReader, waiting_tickets
from amorsize.backends.processes.workers import Launcher, LaunchSpec, WorkerHandle
from amorsize.core.model import Config
from amorsize.items import call
from amorsize.items.call import Pace
from amorsize.items.collector import ListCollector
from amorsize.items.source import ItemSource
from amorsize.planning.chunking import items_in

cpu_clock = time.process_time

CLOCKED = (pool, results, recovery, workers, call)
"""Modules of the caller's side that look at a clock."""
ENGINE_TURN_SECONDS = 4e-5
"""What the engine does around each turn of the pool: estimated from a profile, not measured apart. There
are few turns, so that it matters little; ``--check`` runs without the engine."""


@dataclass(frozen=True)
class Prices:
    """Seconds that workers cost the caller."""

    launch: float
    """Starting one."""
    ready: float
    """From then on until it takes its first items."""
    end: float
    """Until the first has ended, which is waited for: its seconds."""
    release: float
    """Each other one, which ends on a core of its own meanwhile: CPU seconds of the caller."""


def measure_prices(runs: int = 15, many: int = 9) -> Prices:
    """Medians over real workers of a process like this one."""
    launched: list[float] = []
    ready: list[float] = []
    ends: list[float] = []
    spent: dict[int, list[float]] = {1: [], many: []}
    launch = fork.ForkLauncher.launch

    def timed(self: Any, given: LaunchSpec) -> WorkerHandle:
        began = time.perf_counter()
        try:
            return launch(self, given)
        finally:
            launched.append(time.perf_counter() - began)

    fork.ForkLauncher.launch = timed  # type: ignore[method-assign]
    try:
        for _ in range(runs):
            for jobs, seconds in spent.items():
                seen, end, cpu = pool_run(jobs)
                seconds.append(cpu)
                if jobs == 1:
                    ready.append(seen)
                    ends.append(end)
    finally:
        fork.ForkLauncher.launch = launch  # type: ignore[method-assign]
    middle = statistics.median
    each = max(0.0, middle(spent[many]) - middle(spent[1])) / (many - 1)
    return Prices(middle(launched), middle(ready) - middle(launched), middle(ends), each)


def pool_run(jobs: int) -> tuple[float, float, float]:
    """So many real processes, without the engine: seconds from before the start of the workers until an
    item began; wall and CPU seconds that ending them took the caller."""
    data = range(4 * jobs)
    source, collector = ItemSource(data), ListCollector(0, "raise")
    spec = BackendSpec(lambda _: time.perf_counter(), source, collector, config(jobs))
    made = ProcessPool(fork.ForkLauncher(), spec)
    source.hand_over(0)
    began = time.perf_counter()
    made.start()
    while not collector.holds(len(data)):
        made.step(0.05)
    first = min(collector.results)
    ended, cpu = time.perf_counter(), time.process_time()
    made.close()
    return first - began, time.perf_counter() - ended, time.process_time() - cpu


def config(jobs: int) -> Config:
    return Config("fork", jobs)


class _Worker:
    """A worker of the simulation: real tickets in, real frames out, items that are only time."""

    def __init__(self, number: int, far: Any, given: LaunchSpec) -> None:
        self.number, self.far = number, far
        self.reader = TicketReader(given.group.own_fd, given.spec.config.workers)
        self.pace = Pace(given.item_seconds)
        self.flush_seconds = given.flush_seconds
        self.left: list[tuple[int, int]] = []
        """Spans that were taken and not begun."""


class _Launcher(Launcher):
    """Starts workers of the simulation."""

    inherits = True

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world

    def launch(self, given: LaunchSpec) -> WorkerHandle:
        near, far = protocol.pair()
        page = SharedPage(memoryview(bytearray(SharedPage.size(1))).cast("q"), 1)
        page.clear()
        self._world.started(far, given)
        return WorkerHandle(os.getpid(), near, page, given.group)


class World:
    """One run of ``count`` items of ``item_seconds`` each on ``cores`` cores."""

    def __init__(self, cores: int, count: int, item_seconds: float, prices: Prices) -> None:
        self.cores, self.count, self.item_seconds, self.prices = cores, count, item_seconds, prices
        self._base = 0.0
        self._mark: float | None = None
        """CPU time of this process when the caller's turn began; None outside of it."""
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = 0
        self._idle: list[_Worker] = []
        self._far: list[Any] = []
        """The workers' ends of their sockets."""
        self.turns = self.frames = self.takes = 0
        self.computed = 0
        """Items that the caller ran."""
        self.busy = 0.0
        """Seconds that the caller spent on anything but items."""

    # -- the clock ------------------------------------------------------------------------------

    def clock(self) -> float:
        """Seconds since the start."""
        return self._base if self._mark is None else self._base + cpu_clock() - self._mark

    def _spend(self, seconds: float) -> None:
        self._base += seconds

    def _at(self, when: float, what: Callable[[], None]) -> None:
        self._order += 1
        heapq.heappush(self._events, (when, self._order, what))

    def _beside(self, what: Callable[[], None]) -> float:
        """Do what another process does; the CPU time that it takes, which is not the caller's."""
        began = cpu_clock()
        what()
        spent = cpu_clock() - began
        if self._mark is not None:
            self._mark += spent
        return spent

    def _come_to_pass(self) -> None:
        """Everything that happens until now."""
        while self._events and self._events[0][0] <= self.clock():
            when, _, what = heapq.heappop(self._events)
            self._now = when
            self._beside(what)

    # -- workers --------------------------------------------------------------------------------

    def started(self, far: Any, given: LaunchSpec) -> None:
        """The caller has started one."""
        self._spend(self.prices.launch)
        self._far.append(far)
        worker = _Worker(self._order, far, given)
        self._at(self.clock() + self.prices.ready, lambda: self._take(worker))

    def _take(self, worker: _Worker) -> None:
        now, began = self._now, cpu_clock()
        if not waiting_tickets(worker.reader.pipe):
            self._idle.append(worker)
            return
        self.takes += 1
        worker.left = worker.reader.take(worker.pace.item_seconds)
        if worker.left:  # else the pipe has been closed: the worker ends
            self._begin(worker, now + cpu_clock() - began)

    def _begin(self, worker: _Worker, now: float) -> None:
        """The next piece of what was taken."""
        if not worker.left:
            self._at(now, lambda: self._take(worker))
            return
        start, stop = worker.left[0]
        count = min(stop - start, items_in(worker.flush_seconds, worker.pace.item_seconds))
        worker.left[0] = start + count, stop
        if start + count == stop:
            del worker.left[0]
        seconds = count * self.item_seconds
        self._at(now + seconds, lambda: self._send(worker, start, count, now))

    def _send(self, worker: _Worker, start: int, count: int, began: float) -> None:
        now, cpu = self._now, cpu_clock()
        seconds = count * self.item_seconds
        worker.pace.add(count, seconds)
        values = list(range(start, start + count))
        frame = start, values, began, (seconds, seconds, seconds), 0.0, 0
        protocol.send(worker.far, protocol.encode(RESULT, frame))
        self.frames += 1
        self._begin(worker, now + cpu_clock() - cpu)

    # -- the caller -----------------------------------------------------------------------------

    def item(self, item: int) -> int:
        """What the function is in the caller."""
        self.computed += 1
        self._spend(self.item_seconds)
        self._come_to_pass()
        return item

    def run(self) -> float:
        """Seconds that the run takes."""
        source, collector = ItemSource(range(self.count)), ListCollector(0, "raise")
        spec = BackendSpec(
            self.item,
            source,
            collector,
            config(self.cores),
            item_seconds=self.item_seconds,
            caller_computes=self.cores > 1,
        )
        clocks = [(module, module.clock) for module in CLOCKED]
        for module in CLOCKED:
            module.clock = self.clock  # type: ignore[attr-defined]
        made = ProcessPool(_Launcher(self), spec)
        source.hand_over(0)
        try:
            self._mark = cpu_clock()
            made.start()
            while not collector.holds(self.count):
                self._turn(made)
            assert collector.results == list(range(self.count))
            return self.clock() + self.prices.end + self.prices.release * max(0, self.cores - 2)
        finally:
            for module, clock in clocks:
                module.clock = clock  # type: ignore[attr-defined]
            pool.live.remove(made)
            made._table.close_all()
            for end in self._far:
                end.close()

    def _turn(self, made: ProcessPool) -> None:
        collector, computed = made.spec.collector, self.computed
        done, began = collector.done, self.clock()
        self._come_to_pass()
        made.step(0.0)
        assert self._mark is not None
        self._base, self._mark = self.clock() + ENGINE_TURN_SECONDS, cpu_clock()
        self.turns += 1
        self.busy += self.clock() - began - (self.computed - computed) * self.item_seconds
        idle, self._idle = self._idle, []
        for worker in idle:
            self._at(self.clock(), lambda worker=worker: self._take(worker))  # type: ignore[misc]
        if collector.done == done and self._events:  # it sleeps until a worker has something
            self._base = max(self._base, self._events[0][0])
            self._mark = cpu_clock()


def efficiency(cores: int, count: int, item_seconds: float, prices: Prices) -> tuple[float, World]:
    """Work over cores times seconds."""
    world = World(cores, count, item_seconds, prices)
    return count * item_seconds / (cores * world.run()), world


# -- beside the truth --------------------------------------------------------------------------------


def spin(steps: int) -> int:
    """Computes."""
    total = 0
    for number in range(steps):
        total += number * number
    return total


def steps_for(seconds: float) -> int:
    """Steps of :func:`spin` that take about so long."""
    began = time.perf_counter()
    spin(200_000)
    return max(1, int(200_000 * seconds / (time.perf_counter() - began)))


def loops_at_once(cores: int, count: int, steps: int) -> float:
    """Seconds of an item while so many processes compute: what the cores give when all of them work."""
    reading, writing = os.pipe()
    for _ in range(cores):
        if os.fork() == 0:
            began = time.perf_counter()
            for _ in range(count):
                spin(steps)
            os.write(writing, f"{(time.perf_counter() - began) / count}\n".encode())
            os._exit(0)
    for _ in range(cores):
        os.wait()
    os.close(writing)
    with os.fdopen(reading) as file:
        return statistics.mean(map(float, file.read().split()))


def real_seconds(cores: int, count: int, steps: int) -> float:
    """The same run on real workers; one core: a worker, and a caller that only looks after it."""
    source, collector = ItemSource([steps] * count), ListCollector(0, "raise")
    spec = BackendSpec(spin, source, collector, config(cores), caller_computes=cores > 1)
    made = ProcessPool(fork.ForkLauncher(), spec)
    source.hand_over(0)
    began = time.perf_counter()
    made.start()
    while not collector.holds(count):
        made.step(0.05)
    made.close()
    return time.perf_counter() - began


def check(item_seconds: float, rounds: int = 9, seconds: float = 0.5) -> None:
    """Real runs and simulated ones in turns, on 1 and 2 cores."""
    steps = steps_for(item_seconds)
    print("cores  items  real s  simulated s  simulated / real, median of rounds")
    for cores in (1, 2):
        count = int(seconds * cores / item_seconds)
        pairs = []
        for _ in range(rounds):
            prices = measure_prices(5)
            item = loops_at_once(cores, 100, steps)
            pairs.append(
                (real_seconds(cores, count, steps), World(cores, count, item, prices).run())
            )
        real, said = (statistics.median(column) for column in zip(*pairs, strict=True))
        ratio = statistics.median(said / real for real, said in pairs)
        print(f"{cores:5d}  {count:5d}  {real:6.3f}  {said:11.3f}  {ratio:.3f}")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument(
        "--cores", type=int, nargs="*", default=[2, 4, 8, 16, 32, 64, 128, 256, 512, 1024]
    )
    options.add_argument("--item", type=float, default=0.001, help="seconds of an item")
    options.add_argument(
        "--seconds", type=float, default=2.0, help="seconds that cores without overhead take"
    )
    options.add_argument("--check", action="store_true", help="1 and 2 cores beside real runs")
    given = options.parse_args()
    if given.check:
        for item in (0.0001, 0.001, 0.01):
            check(item)
        return
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    prices = measure_prices()
    print(
        f"ms: start of a worker {prices.launch * 1e3:.2f}, until it works {prices.ready * 1e3:.2f}; "
        f"end of the first {prices.end * 1e3:.2f}, of each other {prices.release * 1e3:.3f}"
    )
    print("cores  efficiency  seconds  caller busy  turns  frames  takes")
    for cores in given.cores:
        count = int(given.seconds * cores / given.item)
        found, world = efficiency(cores, count, given.item, prices)
        seconds = count * given.item / cores / found
        print(
            f"{cores:5d}  {found:10.3f}  {seconds:7.3f}  {world.busy / seconds:10.0%}  "
            f"{world.turns:6d} {world.frames:7d} {world.takes:6d}",
            flush=True,
        )


if __name__ == "__main__":
    main()
