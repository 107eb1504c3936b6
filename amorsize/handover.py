"""Handing over: the items that are left go to workers, their results to a sink.

What the run loop, the reviews and the threads behind a long item share of a run stands here: which
choice holds, who is at work, where results go.
"""

from __future__ import annotations

import time

from amorsize import planning
from amorsize.backends import processes
from amorsize.backends.fork import ForkLauncher
from amorsize.backends.serial import Serial
from amorsize.backends.threads import Threads
from amorsize.measurement import clock
from amorsize.sinks import ListSink, WindowSink

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from amorsize.deciding import Decider
    from amorsize.measurement import Meter
    from amorsize.options import Options
    from amorsize.planning import Choice
    from amorsize.records import Config
    from amorsize.resuming import Keeper
    from amorsize.workload import Supply

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
        supply: Supply,
        meter: Meter,
        options: Options,
        decider: Decider,
        keeper: Keeper | None,
    ) -> None:
        self.func, self.supply, self.meter, self.options = func, supply, meter, options
        self.decider = decider
        self.keeper = keeper
        self.choice: Choice | None = None
        self.corrections = 0
        self.deaths = 0
        """Of workers that have gone."""
        self.backend: Any = None
        self.sink: ListSink | WindowSink | None = None
        """Where results go once workers have taken over."""
        self.on_threads: Callable[[], None] = lambda: None
        """Called before threads begin: their gain is to be judged from then on."""
        self.stream_window: tuple[bool, int | None] | None = None
        """Of a stream: ordered, and the user's buffersize."""
        self.window = 0
        self.consumed = 0.0
        """Seconds that the consumer of a stream has taken."""
        self.phase = 0.0, 0, 0.0
        """Since when, from which position, and after how many CPU seconds the choice holds."""
        self.forked_cpu_seconds = 0.0
        """What forked workers have computed; told before they are ended."""

    def choose(self, choice: Choice) -> None:
        """From now on this choice holds."""
        known = self.choice
        if known is not None and known.config.backend not in ("serial", choice.config.backend):
            self.corrections += 1
        self.choice = choice

    def open_phase(self, position: int) -> None:
        """From ``position`` on, items run in the configuration that is chosen now."""
        self.phase = clock(), position, time.process_time()

    def count_cpu(self) -> None:
        """Ask forked workers for their CPU seconds while they are there."""
        if isinstance(self.backend, processes.Processes) and self.backend.config.backend == "fork":
            self.forked_cpu_seconds = self.backend.cpu_seconds() or 0.0

    def to_workers(self, position: int) -> None:
        """Hand what is left from ``position`` on to the backend that was chosen (a stream opens its
        window first)."""
        self.open_sink(position)
        self.start_backend()

    def open_sink(self, position: int) -> None:
        """From ``position`` on, items come from the supply and results go to the sink."""
        self.open_phase(position)
        self.supply.hand_over(position)
        if self.stream_window is None:
            self.sink = ListSink(position, self.options.on_error)
            self._journal_sink()
            return
        ordered, buffersize = self.stream_window
        self.window = buffersize or self._default_window()
        self.sink = WindowSink(position, self.options.on_error, ordered=ordered)
        self._journal_sink()
        self.supply.limit = position + self.window
        kind = type(self.supply.iterator)
        bound = kind.__module__ in THREAD_BOUND_SOURCES
        if self.keeper is not None:
            bound = self.keeper.source in THREAD_BOUND_SOURCES
        self.supply.pull_here = self.supply.indexed or bound

    def _journal_sink(self) -> None:
        if self.keeper is not None:
            self.keeper.watch(self.to)

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
            waits = self.options.forced is not None or share < planning.WAITING_CPU_SHARE
            first = WAIT_SEEN_THREADS if waits and self.supply.total is None else None
            self.start_threads(config, waits, item_seconds, first)
        elif config.backend == "serial":
            self.backend = Serial(self.func, self.supply, self.to, item_seconds)
        else:
            self._start_processes(config, self.choice.caller_computes, item_seconds)

    @property
    def to(self) -> ListSink | WindowSink:
        """The sink, which there is by now."""
        assert self.sink is not None
        return self.sink

    def start_threads(
        self, config: Config, waits: bool, item_seconds: float, first: int | None = None
    ) -> None:
        """Set threads to work, ``first`` of them to begin with; the others are ramped up."""
        self.backend = backend = Threads(
            self.func,
            self.supply,
            self.to,
            config,
            item_seconds,
            waits=waits,
            first=first,
            initializer=self.options.initializer,
            initargs=self.options.initargs,
            most=self.options.max_jobs,
            timeout=self.options.timeout,
        )
        self.on_threads()
        backend.start()

    def _start_processes(self, config: Config, caller_computes: bool, item_seconds: float) -> None:
        launcher: Any
        if config.backend == "fork":
            launcher = ForkLauncher()
        else:
            from amorsize.backends.spawn import SpawnLauncher

            launcher = SpawnLauncher()
        self.backend = processes.Processes(
            launcher,
            self.func,
            self.supply,
            self.to,
            config,
            item_seconds,
            caller_computes=caller_computes
            and self.stream_window is None
            and self.keeper is None  # who journals does not compute
            and self.options.timeout is None,
            initializer=self.options.initializer,
            initargs=self.options.initargs,
            inner_threads=max(1, self.decider.machine.cores // config.n_jobs),
            timeout=self.options.timeout,
            rerun_after_death=self.options.rerun_after_death,
        )
        self.backend.start()
