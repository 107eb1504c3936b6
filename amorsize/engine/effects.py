"""Performs commands: makes, starts and ends backends, hands items out, ends the caller's slice, tells the
observers.

Who calls: the caller of the run, and the sampler's thread while the caller is inside one long item. The
two never perform commands at the same time: the end of a slice waits for the sampler's claim.
"""

from __future__ import annotations

import time
from _thread import get_ident

from amorsize import engine, inspection
from amorsize.backends import processes
from amorsize.backends.base import BackendSpec
from amorsize.backends.caller import CallerBackend
from amorsize.backends.threads.pool import ThreadPool
from amorsize.core.backends import TRAITS
from amorsize.core.events import HandedOver
from amorsize.core.frozen import replace
from amorsize.engine import commands as do
from amorsize.engine.delivery import Delivery
from amorsize.engine.events import BackendStarted, Drained, LongItem, SliceInterrupted
from amorsize.items.call import Initializer
from amorsize.machine.threads import vanish

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from amorsize.backends.base import Backend, BackendReport
    from amorsize.core.events import Observers
    from amorsize.core.model import Safety
    from amorsize.core.options import Options
    from amorsize.engine.checkpoint_writer import CheckpointWriter
    from amorsize.engine.commands import StartBackend
    from amorsize.engine.lookups import Lookups
    from amorsize.engine.slice_watch import SliceWatch
    from amorsize.engine.spread import SpreadItems
    from amorsize.engine.state import RunSpec
    from amorsize.items.collector import ResultCollector
    from amorsize.items.source import ItemSource


def make_backend(
    command: StartBackend,
    spec: RunSpec,
    source: ItemSource,
    collector: ResultCollector,
    lookups: Lookups,
) -> Backend:
    """The backend, not started yet."""
    options, config, limiter = spec.options, command.config, source.limiter
    if limiter is not None:
        workers = config.workers if config.backend not in ("serial", "threads") else None
        limiter.have_workers(workers)
        if command.waits:
            limiter.adapt()
        if config.backend == "threads":
            limiter.remember(spec.func, options.history)
    # The caller has run no item: what only the first changes was not changed before.
    fresh = config.backend == "spawn" or (config.backend == "fork" and options.supervised)
    told = BackendSpec(
        spec.worker_func,
        source,
        collector,
        config,
        command.item_seconds,
        most_workers=_most_workers(options, lookups.lasting.known.get("safety")),
        initializer=None if options.initializer is None else Initializer(options.initializer),
        initargs=options.initargs,
        timeout_seconds=options.timeout,
        rerun_after_death=options.rerun_after_death,
        waits=command.waits,
        first_workers=command.first_workers,
        # Where single starts are asked for, the caller must not be inside of an item meanwhile.
        caller_computes=command.caller_computes and (limiter is None or not limiter.is_active),
        context=lookups.loop.context,
        caller_state=lambda: inspection.caller_state(spec.func),
        one_first=command.watched,
        travels=lookups.travels(),
        late_look=lookups.late_look(command) if config.backend == "fork" and not fresh else None,
        late_maker=lookups.late_maker(command) if fresh else None,
    )
    if config.backend == "serial":
        return CallerBackend(told)
    if config.backend == "threads" and config.n_jobs == 1 and options.timeout is not None:
        data = inspection.ThreadData(spec.func, lookups.next_items())
        told = replace(told, thread_data=data)
    if command.watched and config.backend == "threads":
        return engine.watched_thread(told, lookups.loop, lookups.note_watched)
    if config.backend == "threads":
        return ThreadPool(told)
    if TRAITS[config.backend].remote:
        from amorsize.backends.executors.pool import ExecutorPool

        assert lookups.remote is not None
        return ExecutorPool(*lookups.remote.open(), told)
    machine = lookups.answer(lambda facts: facts.machine)
    return processes.process_pool(told, machine, options.memory_limit)


clock = time.perf_counter
cpu_clock = time.process_time


def _most_workers(options: Options, safety: Safety | None) -> int | None:
    """The user's bound, or that of a client that items share."""
    kept = None if safety is None else safety.most_threads
    return min(kept, options.max_jobs or kept) if kept else options.max_jobs


class Effects:
    """What one run holds of the world: its backends, its collectors, its sampler."""

    def __init__(
        self,
        apply: Callable[[object], tuple[object, ...]],
        watch: SliceWatch,
        lookups: Lookups,
        observers: Observers,
        journal: CheckpointWriter | None,
    ) -> None:
        self._apply, self._watch, self._sampler = apply, watch, watch.sampler
        self._lookups, self._observers = lookups, observers
        self._loop, self._meter = lookups.loop, lookups.meter
        self.delivery = Delivery(lookups.loop, observers.lines, journal)
        self.spread: SpreadItems | None = None
        """Items that run at spread positions, if a plan asks for them."""
        self.backend: Backend | None = None
        """Who runs items now; None while the caller is alone."""
        self._leaving: Backend | None = None
        """Workers that finish what they are in, beside those that have taken over."""
        self._taken_back = False
        self._look: Callable[..., tuple[str, ...]] | None = None
        """Tells what has changed since threads were started."""
        self.changed: dict[str, None] = {}
        """Names of what workers changed that outlives an item."""
        self.consumed = 0.0
        """Seconds that the consumer of a stream has taken."""

    def perform(self, commands: tuple[object, ...], spec: RunSpec) -> None:
        """Do what the policy asks for, and tell it what came of it."""
        for command in commands:
            if isinstance(command, do.StartBackend):
                self._start(command, spec)
            elif isinstance(command, do.HandOver):
                self.delivery.hand_over(command, spec)
                self._observers.tell(HandedOver(clock(), command.position))
            elif isinstance(command, do.InterruptSlice):
                self.perform(self._apply(self._interrupted(command.item)), spec)
            elif isinstance(command, do.Drain):
                self._drain(command, spec)
            elif isinstance(command, do.Raise):
                raise command.error
            else:
                self._perform_small(command)

    def _perform_small(self, command: object) -> None:
        """Commands of one line, which nothing follows from."""
        if isinstance(command, do.Emit):
            self._observers.tell(command.event)
        elif isinstance(command, do.StartSampler):
            if not self._sampler.running:
                self._sampler.start()
        elif isinstance(command, do.StopSampler):
            self._sampler.stop()
        elif isinstance(command, do.WatchItem):
            self._loop.item_watch.ask()
        elif isinstance(command, do.RunSpread):
            self.spread = engine.SpreadItems(self._loop, self._meter, command)
            self.delivery.expect(self.spread)
        elif isinstance(command, do.OpenWindow):
            self._meter.open_window()
        elif isinstance(command, do.ReadAhead):
            self._watch.read_first(self._lookups.read_ahead)
        elif isinstance(command, do.HandOutFreely):
            self._loop.source.hand_out_in_order(False)
            self._loop.source.hand_out_first(command.first)
        elif isinstance(command, do.Scale):
            assert self.backend is not None
            self.backend.scale_to(command.workers)
        elif isinstance(command, do.SetProbing):
            assert self.backend is not None
            self.backend.set_probing(command.probing)
        elif isinstance(command, do.Stop):
            self.stop(command)
        elif not isinstance(command, do.Pause):
            raise TypeError(f"no such command: {command!r}")

    def _interrupted(self, item: LongItem) -> SliceInterrupted:
        position, now = self._watch.interrupt(), clock()
        return SliceInterrupted(now, item, position, now - self._sampler.slice_began)

    def _start(self, command: do.StartBackend, spec: RunSpec) -> None:
        delivery = self.delivery
        assert delivery.collector is not None
        # A single thread does as the loop does, but for where it runs.
        threads = command.config.backend == "threads" and command.config.n_jobs > 1
        if threads and get_ident() == self._sampler.caller:
            self._look = self._lookups.late_look(command)
        # It is kept before it starts, so that an interruption in between closes it.
        self.backend = made = make_backend(
            command, spec, self._loop.source, delivery.collector, self._lookups
        )
        started = BackendStarted(clock(), cpu_clock(), delivery.done, self.consumed)
        self.perform(self._apply(started), spec)
        made.start()

    def _drain(self, command: do.Drain, spec: RunSpec) -> None:
        backend = self.backend
        assert backend is not None
        if not command.wait:
            self._leaving, self.backend = backend, None
            backend.drain()
            return
        backend.close()
        self.backend = None
        vanish()  # a fork asks who is there
        self.perform(self._apply(self._drained(backend)), spec)

    def _drained(self, backend: Backend) -> Drained:
        delivery = self.delivery
        report, item_seconds = backend.report(), self._meter.item_seconds
        look, self._look = self._look, None
        if look is not None:
            report = replace(report, changed=look(True))
        self.changed.update(dict.fromkeys(report.changed))
        return Drained(clock(), report, delivery.done, item_seconds, delivery.failed)

    # -- while a backend is at work -------------------------------------------------------------

    def step(self, seconds: float) -> BackendReport:
        """Look after the backend, for at most so many seconds."""
        assert self.backend is not None
        source = self._loop.source
        if source.limiter is not None:
            source.limiter.recall()
            seconds = source.limiter.patience(seconds)
        if source.is_stopped and not self._taken_back:
            self._taken_back = True
            self.backend.drain()  # what no worker has begun goes back to the source, which drops it
        return self.backend.step(seconds)

    def look_after_leaving(self, spec: RunSpec) -> None:
        """Look after workers that end beside the backend."""
        leaving = self._leaving
        if leaving is not None and leaving.step(0.0).drained:
            self._leaving = None
            leaving.close()
            self.perform(self._apply(self._drained(leaving)), spec)

    def wake_backend(self) -> None:
        """Something new can be taken; from any thread. A backend that starts now looks by itself."""
        backend = self.backend
        if backend is not None:
            backend.wake()

    def add_consumed(self, seconds: float) -> None:
        """The consumer of a stream has taken so many seconds more."""
        self.consumed += seconds

    def stop(self, command: do.Stop) -> None:
        """End all workers, and the sampler's thread."""
        try:
            self._sampler.stop()
        finally:  # a Ctrl-C that comes now leaves no worker behind either
            for backend in (self._leaving, self.backend):
                if backend is not None:
                    backend.close(abort=command.abort, hurry=command.hurry)
                    self._apply(self._drained(backend))
            self._leaving = self.backend = None
