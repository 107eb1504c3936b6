"""Handing over: the items that are left go to workers, their results to a collector.

What the run loop, the reviews and the threads behind a long item share of a run stands here: which
choice holds, who is at work, where results go.
"""

from __future__ import annotations

import time

from amorsize.backends.base import BackendSpec
from amorsize.backends.caller import CallerBackend
from amorsize.backends.processes.fork import ForkLauncher
from amorsize.backends.processes.memory import MemoryBudget, can_look
from amorsize.backends.processes.pool import ProcessPool
from amorsize.backends.threads.pool import ThreadPool
from amorsize.core.backends import TRAITS
from amorsize.core.frozen import replace
from amorsize.core.model import Config
from amorsize.items.collector import ListCollector, WindowCollector
from amorsize.items.usage import UsageLog
from amorsize.planning import cost_model
from amorsize.profiling.sampler import clock
from amorsize.reporting.trace import choice_fields, tell_choice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from amorsize.core.model import Profile
    from amorsize.core.options import Options
    from amorsize.engine.checkpointed import Keeper
    from amorsize.engine.lookups import Decider
    from amorsize.items.source import ItemSource
    from amorsize.planning.values import Choice
    from amorsize.profiling.meter import Meter

WAIT_SEEN_THREADS = 8
"""Threads to begin with behind an item of which only a first wait was seen, or where nobody knows how
many items there are; they are ramped up."""
THREAD_BOUND_SOURCES = frozenset({"sqlite3"})
"""Modules whose iterators may be read only by the thread that made them."""
STREAM_WINDOW_SECONDS = 0.5
"""Work that a stream keeps between its source and its consumer when no ``buffersize`` is given."""
STREAM_WINDOW_ITEMS = 4096
"""...and the most items of it."""


class Handover:
    """From the caller to workers, and from one kind of workers to another."""

    def __init__(
        self,
        func: Callable[[Any], Any],
        source: ItemSource,
        meter: Meter,
        options: Options,
        decider: Decider,
        keeper: Keeper | None,
    ) -> None:
        self.func, self.source, self.meter, self.options = func, source, meter, options
        self.decider = decider
        self.keeper = keeper
        self.choice: Choice | None = None
        self.corrections = 0
        self.deaths = 0
        """Of workers that have gone."""
        self.longest_seconds = 0.0
        """Of the last processes: their longest item, if there was a long one."""
        self.backend: Any = None
        self.collector: ListCollector | WindowCollector | None = None
        """Where results go once workers have taken over."""
        self.on_threads: Callable[[], None] = lambda: None
        """Called before threads begin: their gain is to be judged from then on."""
        self.stream_window: tuple[bool, int | None] | None = None
        """Of a stream: ordered, and the user's buffersize."""
        self.window = 0
        self.consumed = 0.0
        """Seconds that the consumer of a stream has taken."""
        self.believed: Profile | None = None
        """What was known of the items when it was first decided to stay in the caller."""
        self.usage = UsageLog(None if options.trace is None else options.trace.lines)
        self.handed_over: tuple[float, int] | None = None
        """When workers took over first, and from which position."""
        self.phase = 0.0, 0, 0.0
        """Since when, from which position, and after how many CPU seconds the choice holds."""
        self.forked_cpu_seconds = 0.0
        """What forked workers computed; the system tells when they have ended."""

    def choose(self, choice: Choice) -> None:
        """From now on this choice holds."""
        known = self.choice
        if choice.config.backend == "serial" and self.believed is None:
            self.believed = self.decider.to_remember()
        if known is not None and known.config.backend not in ("serial", choice.config.backend):
            self.corrections += 1
        if known is None or known.config != choice.config:
            tell_choice(choice)
            if self.usage.lines is not None:
                self.usage.mark("decision", clock(), **choice_fields(choice))
        self.choice = choice

    def open_phase(self, position: int) -> None:
        """From ``position`` on, items run in the configuration that is chosen now."""
        self.phase = clock(), position, time.process_time()

    def to_workers(self, position: int) -> None:
        """Hand what is left from ``position`` on to the backend that was chosen (a stream opens its
        window first)."""
        self.open_collector(position)
        self.start_backend()

    def open_collector(self, position: int) -> None:
        """From ``position`` on, items come from the source and results go to the collector."""
        self.open_phase(position)
        if self.handed_over is None:
            self.handed_over = self.phase[0], position
        self.usage.mark("hand-over", self.phase[0], position=position)
        self.source.hand_over(position)
        if self.stream_window is None:
            self.collector = ListCollector(position, self.options.on_error)
            self._watch_collector()
            return
        ordered, buffersize = self.stream_window
        self.window = buffersize or self._default_window()
        self.collector = WindowCollector(position, self.options.on_error, ordered=ordered)
        self._watch_collector()
        self.source.limit = position + self.window
        bound = self.source.read_in in THREAD_BOUND_SOURCES
        self.source.caller_reads_source = self.source.indexed or bound

    def _watch_collector(self) -> None:
        options, self.to.usage = self.options, self.usage
        if self.keeper is not None:
            self.keeper.watch(self.to)
        if options.retries:
            from amorsize.items.retry import Retrier

            Retrier(self.to, self.source, options.retries, options.retry_on)

    def _default_window(self) -> int:
        per = self.meter.item_seconds
        workers = self.choice.config.workers if self.choice is not None else 1
        wanted = int(STREAM_WINDOW_SECONDS * workers / per) if per > 0 else STREAM_WINDOW_ITEMS
        return max(4 * workers, min(STREAM_WINDOW_ITEMS, wanted))

    def start_backend(self) -> None:
        """Set the workers of the choice to work."""
        assert self.choice is not None
        config = self.choice.config
        item_seconds = self.meter.item_seconds
        if config.backend == "threads":
            share = self.meter.profile().cpu_share
            waits = self.options.forced is not None or share < cost_model.WAITING_CPU_SHARE
            first = WAIT_SEEN_THREADS if waits and self.source.total is None else None
            self.start_threads(config, waits, item_seconds, first)
        elif config.backend == "serial":
            self.stay_alone()
        elif TRAITS[config.backend].remote:
            self._start_remote(config, item_seconds)
        else:
            self._start_processes(config, self.choice.caller_computes, item_seconds)

    def stay_alone(self) -> None:
        """Whatever is left is done by the caller."""
        self.backend = CallerBackend(self._spec(Config("serial"), self.meter.item_seconds))

    def nudge(self) -> None:
        """There is something new to take, for whoever is at work now (nobody between two backends: the
        next one looks when it begins)."""
        backend = self.backend
        if backend is not None:
            backend.wake()

    @property
    def to(self) -> ListCollector | WindowCollector:
        """The collector, which there is by now."""
        assert self.collector is not None
        return self.collector

    def start_threads(
        self, config: Config, waits: bool, item_seconds: float, first: int | None = None
    ) -> None:
        """Set threads to work, ``first`` of them to begin with; the others are ramped up."""
        spec = self._spec(config, item_seconds)
        self.backend = backend = ThreadPool(replace(spec, waits=waits, first_workers=first))
        self.on_threads()
        backend.start()

    def _spec(self, config: Config, item_seconds: float) -> BackendSpec:
        """What every backend of this run is told."""
        options = self.options
        return BackendSpec(
            self.func,
            self.source,
            self.to,
            config,
            item_seconds,
            most_workers=options.max_jobs,
            initializer=options.initializer,
            initargs=options.initargs,
            timeout_seconds=options.timeout,
            rerun_after_death=options.rerun_after_death,
        )

    def _start_remote(self, config: Config, item_seconds: float) -> None:
        from amorsize.backends.executors.pool import ExecutorPool

        assert self.decider.away is not None
        self.backend = ExecutorPool(*self.decider.away.open(), self._spec(config, item_seconds))
        self.backend.start()

    def _start_processes(self, config: Config, caller_computes: bool, item_seconds: float) -> None:
        launcher: Any
        if config.backend == "fork":
            launcher = ForkLauncher()
        else:
            from amorsize.backends.processes.spawn import SpawnLauncher

            launcher = SpawnLauncher()
        machine, limit = self.decider.machine, self.options.memory_limit
        memory = MemoryBudget(limit, machine.memory_available_bytes, config.n_jobs)
        spec = replace(
            self._spec(config, item_seconds),
            caller_computes=caller_computes
            and self.stream_window is None
            and self.keeper is None  # who journals does not compute
            and not self.options.supervised,
            inner_threads=max(1, machine.cores // config.n_jobs),
            memory=memory if limit is not None or can_look() else None,
        )
        self.backend = ProcessPool(launcher, spec)
        self.backend.start()
