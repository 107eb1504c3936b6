"""The run loop: work alone in growing slices, hand over when it pays, look after the workers.

::

    begin -> [slice, measure, consider] ... -> hand over -> [step, review] ... -> end
                  |  nothing to gain               ^            |  prediction was wrong
                  +------------ stays here         +------------+

``Engine.execute`` and ``Engine.stream`` are the two ways through it; ``Engine.measure`` walks it until
a choice has been made and stops there, with all results kept.
"""

from __future__ import annotations

import math
import time
from _thread import get_ident

from amorsize import planning
from amorsize.alone import SLICE_SECONDS, Alone
from amorsize.backends import helper, processes
from amorsize.backends.fork import ForkLauncher
from amorsize.backends.items import with_origin
from amorsize.backends.serial import Serial
from amorsize.backends.threads import Threads
from amorsize.deciding import Decider, choice_unseen, most_cores
from amorsize.feeding import Feeder
from amorsize.measurement import Meter, clock, foreign_threads_running, vanish
from amorsize.records import Config, Machine, Run
from amorsize.sinks import SKIPPED, ListSink, WindowSink
from amorsize.system import fork_refusal
from amorsize.values import replace
from amorsize.workload import ATOMIC_ITEMS, Supply

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator
    from typing import Any

    from amorsize.maintenance import Upkeep
    from amorsize.options import Options
    from amorsize.planning import Choice
    from amorsize.resuming import Keeper

RECONSIDER_FACTOR = 1.3
"""A choice to stay is looked at again when the run is so many times as old."""
FIRST_DECISION_SECONDS = 0.0015
"""Nothing is considered before: what is done by then is not worth a worker."""
TRUSTED_FIRST_SECONDS = 0.1
"""A first item that took longer decides alone (unless it imported something): a second one in the
caller would cost up to half of it, a worker started in vain costs 0.003."""
UPKEEP_SECONDS = 10.0
"""Runs that have lasted so long may have the history looked after beside them (`maintenance`)."""
RECORD_LEAST_SECONDS = 0.05
"""Runs with less work teach nothing that would pay: a record costs up to 1 ms, 2 % of this."""
CONSUMER_SHARE = 0.1
"""Streams whose consumer took more than this share of the time say little about the work."""
REVIEW_SECONDS = 0.015
"""After so long with threads their gain is judged."""
THREADS_MUST_GAIN = 1.15
"""Throughput of threads over that of the caller alone, below which computing work leaves them."""
EARLY_REVIEW_SECONDS, EARLY_REVIEW_ITEMS, EARLY_MUST_GAIN = 0.002, 30, 1.1
"""Short items that let the GIL go for moments make threads up to three times slower than the caller
(reading small files): so soon, with so many items a thread, it is seen that nothing is won."""
PATIENCE_SECONDS = 0.05
"""Longest sleep of the supervising caller."""
REVIEW_LOOK_SECONDS = 0.001
"""Longest sleep of the caller until then."""
LONG_ITEM_SECONDS = 0.001
"""Items for which threads that kept the cores busy in vain speak against processes too; with shorter
ones it was the hand-over of the GIL that kept them busy."""
CROWDED_SECONDS = 0.1
"""What is left of a run that waits until others let go of the cores: as long as OpenBLAS spins."""
CROWD_ENDS_SECONDS = 0.12
"""Age of a run from which such threads are taken for the function's own."""
CROWD_LOOK_SECONDS, CROWD_LOOK_SHARE = 0.01, 1.3
"""Pause between looks at the other threads of the process; a look reads a file of 10 µs for each."""
CROWD = 8
"""Busy threads that are taken for a crowd, however many cores there are."""
WAIT_SEEN_THREADS = 8
"""Threads to begin with behind an item of which only a first wait was seen, or where nobody knows how
many items there are; they are ramped up."""
LIKE_BEFORE = 2.0
"""An item that has taken less than so many times those before is taken to be like them."""
ONLY_WAITS_CPU_SHARE = 0.1
"""Below it an item that is done is taken to be nothing but a wait."""
CORES_BUSY = 1.3
"""CPU seconds a second of the process above which threads did run side by side."""
GIL_FULL_SHARE = 0.85
"""CPU seconds a second of the process at which threads that wait are held up by the GIL."""
GIL_STALLED_SHARE = 0.6
"""The same just after a ramp was stopped: the clock of the process lags by up to 4 ms."""
GIL_SURE_SHARE = 0.75
"""Behind a single long item threads need this share of free looks: three out of three at least."""
MEASURE_SECONDS = 0.05
"""``optimize`` stops looking after so long where nothing beats the loop."""
WATCHED_SECONDS, WATCHED_WAITS_SHARE = 0.05, 0.5
"""With a time limit: after so long, workers that computed for less than this share of it wait."""
THREAD_BOUND_SOURCES = frozenset({"sqlite3"})
"""Modules whose iterators may be read only by the thread that made them."""
STREAM_WINDOW_SECONDS = 0.5
"""Work that a stream keeps between its source and its consumer when no ``buffersize`` is given."""
STREAM_WINDOW_ITEMS = 4096
"""...and the most items of it."""


class Engine:
    """One run of a function over its data."""

    def __init__(
        self,
        func: Callable[[Any], Any],
        data: Iterable[Any],
        options: Options,
        machine: Machine | None,
        keeper: Keeper | None = None,
    ) -> None:
        self.func, self.options = func, options
        self.keeper = keeper
        """Journals what is done, if there is a checkpoint."""
        self.meter = Meter()
        self.supply = Supply(data)
        self.sink: ListSink | WindowSink | None = None
        """Where results go once workers have taken over."""
        self.backend: Any = None
        self.choice: Choice | None = None
        self.corrections = 0
        self.deaths = 0
        self.finished = False
        self.run: Run | None = None
        self._owner = get_ident()
        self.nested = helper.in_worker or self._owner in helper.busy_threads
        self._progress = options.make_progress(self.supply.total)
        self.decider = Decider(func, self.supply, self.meter, options, machine, nested=self.nested)
        alone = self.called = func
        """What the caller and its workers call: the function, with help where an option needs it."""
        if options.seed is not None or options.retries:
            from amorsize.retrying import helped

            alone, self.called = helped(func, options)
        self.alone = Alone(
            alone,
            self.supply,
            self.meter,
            options,
            self._progress,
            self._is_decided,
            self._start_behind,
            self._grow_behind,
            lambda: self.backend is not None,
        )
        self.alone.journaled = keeper is not None
        self._measuring = False
        self._consumed = 0.0
        """Seconds that the consumer of a stream has taken."""
        self._crowded, self._crowd_look = False, 0.0
        self._spent = 0.0
        self._spent_cpu = 0.0
        self._stream_window: tuple[bool, int | None] | None = None
        """Of a stream: ordered, and the user's buffersize."""
        self._window = 0
        self._entered = False
        self._early_review = self._doubted = False
        self._watched: tuple[float, float, set[int]] = (0.0, 0.0, set())
        """With a time limit: since when the workers are watched, their CPU seconds then, who they are."""
        self._leaving: processes.Processes | None = None
        """Workers that finish what they are in, beside the threads that have taken over."""
        self._upkeep: Upkeep | None = None
        self._upkeep_at = 0.0

    # -- the three ways through -----------------------------------------------------------------

    def execute(self) -> list[Any]:
        """Everything, in order."""
        try:
            if not self.finished:
                self._begin()
                if not self._resume() and self.alone.run():
                    self.finished = True
                self._free_the_caller()
                while not self.finished:
                    self._supervise()
        except BaseException as error:
            self._end("failed", hurry=not isinstance(error, Exception))
            raise
        self._end("done")
        results = self.alone.results
        if self.sink is not None:
            assert isinstance(self.sink, ListSink)
            results += self.sink.results
        if self.options.on_error == "skip":
            return [result for result in results if result is not SKIPPED]
        return results

    def measure(self) -> None:
        """Work alone until it is clear how to go on; :meth:`execute` goes on from there."""
        self._measuring = True
        try:
            self._begin()
            if self.options.timeout is not None and self.supply.total != 0:
                self.choice = self.decider.supervised()
            elif self.options.forced is None:
                self.finished = self.alone.run()
        except BaseException:
            self._end("failed")
            raise
        self._measuring = False
        self._pause()
        if self.finished:
            self._end("done")

    def stream(self, *, ordered: bool, buffersize: int | None) -> Generator[Any, None, None]:
        """The results one after the other; closing the iterator ends the run."""
        skip = self.options.on_error == "skip"
        outcome, hurry = "abandoned", True
        feeder: Feeder | None = None
        try:
            self._begin()
            self.supply.outside_in = False
            self._stream_window = (ordered, buffersize)
            self.alone.streaming = True
            if not self._resume():
                alone = self.alone.stream()
                yield from alone if self.keeper is None else self.keeper.passing(alone)
                self._free_the_caller()
            if self.backend is not None:
                sink, supply = self._sink, self.supply
                assert isinstance(sink, WindowSink)
                if not supply.pull_here:
                    try:
                        feeder = Feeder(supply, sink, self.backend.nudge)
                    except RuntimeError:  # no thread to be had: the source is read here
                        supply.pull_here = True
                given = sink.start
                while True:
                    values = sink.pop()
                    if values is not None:
                        offered = clock()
                        yield from _without_skipped(values) if skip else values
                        self._consumed += clock() - offered
                        given += len(values)
                        supply.limit = given + self._window
                        if feeder is not None:
                            feeder.wake()
                        self.backend.step(0.0)
                        if self.keeper is not None:
                            self.keeper.tick()
                        self._review()
                        continue
                    if sink.failure is not None:
                        self._raise_failure()
                    if self._is_complete():
                        break
                    self.backend.step(self._patience())
                    if self.keeper is not None:
                        self.keeper.tick()
                    if self._progress.active:
                        self._progress.update(sink.done)
                    self._review()
            outcome, hurry = "done", False
        except GeneratorExit:
            raise
        except BaseException as error:
            outcome, hurry = "failed", not isinstance(error, Exception)
            raise
        finally:
            try:
                if feeder is not None:
                    feeder.stop()
            finally:
                self._end(outcome, hurry=hurry)

    # -- begin and end --------------------------------------------------------------------------

    def _begin(self) -> None:
        alone, forced = self.alone, self.options.forced
        alone.started = clock() - self._spent
        self._open_phase(0)
        self._upkeep_at = clock() + UPKEEP_SECONDS
        self._cpu0 = time.process_time() - self._spent_cpu
        if not self.nested and self._owner not in helper.busy_threads:
            self._entered = True
            helper.busy_threads.add(self._owner)
        alone.unattended = self.nested or self.supply.total == 1 or forced is not None
        alone.not_before = max(alone.not_before, FIRST_DECISION_SECONDS)
        if not alone.unattended and not self.decider.only_computes:
            alone.observer.start()

    def _open_phase(self, position: int) -> None:
        """From ``position`` on, items run in the configuration that is chosen now."""
        self._phase = clock(), position, time.process_time()

    def _resume(self) -> bool:
        """Go on after :meth:`measure`, or begin with the backend that the user named. True when
        workers are at work."""
        options = self.options
        if self.choice is None and options.timeout is not None and self.supply.total != 0:
            self.choice = self.decider.supervised()
        elif self.choice is None and options.forced not in (None, "serial") and not self.nested:
            self.choice = self.decider.forced()
        if self.choice is None or self.choice.config.backend == "serial":
            return False
        if self.choice.config.workers == 1:
            self.supply.outside_in = False  # one after the other: in the order of the loop
        self._to_workers()
        return True

    def _pause(self) -> None:
        self.alone.observer.stop()
        self._spent = clock() - self.alone.started
        self._spent_cpu = time.process_time() - self._cpu0
        if self._entered:
            self._entered = False
            helper.busy_threads.discard(self._owner)

    def _end(self, outcome: str, *, hurry: bool = False) -> None:
        """The end of a run, however it comes; ``hurry``: somebody waits for the prompt."""
        if self.run is not None:
            return
        try:
            try:
                self.alone.observer.stop()
            finally:  # a Ctrl-C that comes now leaves no worker behind either
                if self._leaving is not None:
                    self._leaving.close(abort=outcome != "done")
                if self.backend is not None:
                    self.backend.close(abort=outcome != "done", hurry=hurry)
                    backend, self.backend = self.backend, None
                    self.deaths += getattr(backend, "deaths", 0)
        finally:
            self._pause()
            if self._upkeep is not None:
                self._upkeep.stop()
            done = self.alone.done if self.sink is None else self.sink.done
            self._progress.update(done)
            self._progress.close()
            if outcome != "done":
                self.supply.close()
            self.run = Run(
                self.choice.config if self.choice is not None else Config("serial"),
                done,
                self._spent,
                self._spent_cpu,
                outcome,
                self.corrections,
                self.deaths,
            )
            work = max(self._spent, done * self.meter.item_seconds)
            if work > RECORD_LEAST_SECONDS and outcome != "abandoned":
                self._record(self.run)

    def _keep_up(self) -> None:
        """In a long run: have the history looked after, once."""
        if self._upkeep is not None or clock() < self._upkeep_at:
            return
        self._upkeep_at = math.inf
        learner, strategy = self.decider.learner, self.options.pruning
        if learner is None or learner.place is None or strategy is None or self.nested:
            return
        from amorsize.maintenance import Upkeep

        self._upkeep = Upkeep(learner.place, strategy)
        self._upkeep.start()

    def _record(self, run: Run) -> None:
        """Leave to the history what the last configuration of this run really cost."""
        decider, (began, position, cpu) = self.decider, self._phase
        learner, items = decider.learner, run.items - position
        seconds = clock() - began - self._consumed
        if learner is None or items < 1 or self._consumed > CONSUMER_SHARE * seconds:
            return
        profile = decider.to_remember()
        if profile.item_seconds <= 0:
            return  # the user named the backend: nothing was seen of an item by itself
        from amorsize.learning import observe

        cpu = time.process_time() - cpu
        if run.config.backend == "threads" and profile.cpu_share < 1.0:
            # All of the work was in this process: it tells more than the first waits.
            computed = min(1.0, cpu / items / profile.item_seconds)
            profile = replace(profile, cpu_share=max(profile.cpu_share, computed))
        model = decider.model_seconds(run.config, profile, items)
        learner.record(
            self.func,
            lambda name, number: observe(
                name, number, profile, decider.machine, run, items,
                seconds, cpu, model,
            ),
            run.wall_seconds,
        )  # fmt: skip

    # -- alone ----------------------------------------------------------------------------------

    def _is_decided(self, first: bool, seconds: float) -> bool:
        """After a slice: have workers been started (or, measuring, is the choice clear)?"""
        alone, decider = self.alone, self.decider
        self._keep_up()
        if self.keeper is not None:
            self.keeper.catch_up(alone.results)
        if first and SLICE_SECONDS < seconds < TRUSTED_FIRST_SECONDS:
            # It may have paid for imports and caches: the shares begin with the next item.
            self.meter.open_window()
            ahead = ((self.supply.total or 0) - 1) * seconds
            if not decider.ask(ahead * (1 - 1 / most_cores()), ahead):
                return False
        elapsed = alone.elapsed()
        if elapsed < alone.not_before or alone.unattended or self._is_crowded(elapsed):
            return False
        samples = alone.results or alone.sample
        choice = decider.consider(alone.done, elapsed, samples, alone.observer)
        if choice is None:
            return False
        alone.not_before = elapsed * RECONSIDER_FACTOR
        self._choose(choice)
        if choice.config.backend == "serial":
            if decider.profile().inner_threads > planning.INNER_THREADS:
                alone.observer.stop()  # its looks would take cores from the function's own threads
            elif not alone.observer.running and not decider.only_computes:
                alone.observer.start()
            return self._measuring and elapsed > MEASURE_SECONDS
        if not self._measuring:
            self._to_workers()
        return True

    def _is_crowded(self, elapsed: float) -> bool:
        """Do threads that are not ours keep the other cores busy, in a run that is young or too short to
        outlast them?

        OpenBLAS leaves its threads spinning for 0.1 s after its import and after each product: until
        then nothing can be won, and an observer would only take a core from them or from the caller."""
        if elapsed < self._crowd_look:
            return self._crowded
        supply, meter, observer = self.supply, self.meter, self.alone.observer
        left = (supply.total or 0) - self.alone.done
        others = min(most_cores() - 1, CROWD)
        seconds = left * meter.item_seconds
        self._crowded = (
            0 < seconds < max(CROWDED_SECONDS, (elapsed < CROWD_ENDS_SECONDS) * seconds + 1e-9)
            and others > 0
            and foreign_threads_running(others) >= others
        )
        self._crowd_look = max(elapsed + CROWD_LOOK_SECONDS, CROWD_LOOK_SHARE * elapsed)
        if self._crowded:
            observer.stop()
        elif not observer.running and not self.decider.only_computes:
            observer.start()
            return True  # it needs a moment to look
        return self._crowded

    # -- what the observer asks for -------------------------------------------------------------

    def _start_behind(self, position: int, cpu_share: float) -> bool:
        """The caller is in one long item: start threads on the items after it if they can help."""
        supply, options, decider = self.supply, self.options, self.decider
        assert supply.total is not None
        left = supply.total - position
        waits = cpu_share < 0.5
        free = (self.meter.gil_free_share() or 0.0) >= GIL_SURE_SHARE
        if self._measuring or decider.threads_failed or "threads" not in options.backends:
            return False
        if left < 1 or left > ATOMIC_ITEMS or not (waits or free):
            return False
        elapsed = clock() - self.alone.observer.slice_began
        if waits and elapsed < LIKE_BEFORE * self.meter.item_seconds and self._has_computed():
            return False  # an item like those before, which computed after their wait
        most = planning.FIRST_THREADS if waits else decider.machine.cores - 1
        count = min(left, options.max_jobs or left, most)
        first = WAIT_SEEN_THREADS if waits else None  # it may compute yet
        if count < 1:
            return False
        if decider.safety.caller_only or decider.safety.no_threads:
            return False
        observer = self.alone.observer
        asked, computed = clock(), observer.caller_seconds()
        _ = decider.costs  # looked up now: beside threads at work each step costs a turn of the GIL
        if waits and observer.caller_seconds() - computed > 0.5 * (clock() - asked):
            return False  # meanwhile it has begun to compute
        position = self.alone.interrupted_at = supply.interrupt()
        elapsed = clock() - self.alone.observer.slice_began
        why = "waits" if waits else "leaves the GIL alone"
        config = Config("threads", count, 1, options.chunksize)
        reason = f"an item has taken {planning.format_seconds(elapsed)} so far and {why}"
        self._choose(choice_unseen(config, elapsed, left, reason))
        decider.shares = decider.seen = (elapsed, cpu_share, 1.0)
        self._open_sink(position)
        self._start_threads(config, waits, elapsed, first)
        return True

    def _has_computed(self) -> bool:
        """Has the caller computed for a good part of the run? (Asked beside it.)"""
        alone = self.alone
        return alone.observer.caller_seconds() > ONLY_WAITS_CPU_SHARE * (clock() - alone.started)

    def _grow_behind(self, late: float) -> bool:
        """While the caller is in its long item: more threads beside it? True to be asked again soon."""
        backend = self.backend
        return isinstance(backend, Threads) and backend.ramp(late)

    def _free_the_caller(self) -> None:
        """The caller's own item is done: threads that compute beside it become one more; if it did
        nothing but wait, so will the others."""
        backend = self.backend
        if self.keeper is not None:
            self.keeper.catch_up(self.alone.results)
        if not isinstance(backend, Threads):
            return
        if not backend.waits:
            backend.grow_to(min(self.decider.machine.cores, self.options.max_jobs or 1 << 30))
        elif backend.ramping and self.meter.shares()[1] < ONLY_WAITS_CPU_SHARE:
            backend.grow_to(backend.config.n_jobs)

    def _choose(self, choice: Choice) -> None:
        known = self.choice
        if known is not None and known.config.backend not in ("serial", choice.config.backend):
            self.corrections += 1
        self.choice = choice

    # -- handing over ---------------------------------------------------------------------------

    def _to_workers(self) -> None:
        """Hand the rest to the backend that was chosen (a stream opens its window first)."""
        self.alone.observer.stop()
        self._open_sink(self.alone.done)
        self._start_backend()

    def _open_sink(self, position: int) -> None:
        """From ``position`` on, items come from the supply and results go to the sink."""
        self._open_phase(position)
        self.supply.hand_over(position)
        if self._stream_window is None:
            self.sink = ListSink(position, self.options.on_error)
            self._watch_sink()
            return
        ordered, buffersize = self._stream_window
        self._window = buffersize or self._default_window()
        self.sink = WindowSink(position, self.options.on_error, ordered=ordered)
        self._watch_sink()
        self.supply.limit = position + self._window
        bound = self.supply.read_in in THREAD_BOUND_SOURCES
        self.supply.pull_here = self.supply.indexed or bound

    def _watch_sink(self) -> None:
        options = self.options
        if self.keeper is not None:
            self.keeper.watch(self._sink)
        if options.retries:
            from amorsize.retrying import Retrier

            Retrier(self._sink, self.supply, options.retries, options.retry_on)

    def _default_window(self) -> int:
        per = self.meter.item_seconds
        workers = self.choice.config.workers if self.choice is not None else 1
        wanted = int(STREAM_WINDOW_SECONDS * workers / per) if per > 0 else STREAM_WINDOW_ITEMS
        return max(4 * workers, min(STREAM_WINDOW_ITEMS, wanted))

    def _start_backend(self) -> None:
        assert self.choice is not None
        config = self.choice.config
        item_seconds = self.meter.item_seconds
        if config.backend == "threads":
            share = self.meter.profile().cpu_share
            waits = self.options.forced is not None or share < planning.WAITING_CPU_SHARE
            first = WAIT_SEEN_THREADS if waits and self.supply.total is None else None
            self._start_threads(config, waits, item_seconds, first)
        elif config.backend == "serial":
            self.backend = Serial(self.called, self.supply, self._sink, item_seconds)
        else:
            self._start_processes(config, self.choice.caller_computes, item_seconds)

    @property
    def _sink(self) -> ListSink | WindowSink:
        assert self.sink is not None
        return self.sink

    def _start_threads(
        self, config: Config, waits: bool, item_seconds: float, first: int | None = None
    ) -> None:
        self.backend = backend = Threads(
            self.called,
            self.supply,
            self._sink,
            config,
            item_seconds,
            waits=waits,
            first=first,
            initializer=self.options.initializer,
            initargs=self.options.initargs,
            most=self.options.max_jobs,
            timeout=self.options.timeout,
        )
        self._early_review, self._doubted = True, False
        self._open_review()
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
            self.called,
            self.supply,
            self._sink,
            config,
            item_seconds,
            caller_computes=caller_computes
            and self._stream_window is None
            and self.keeper is None  # who journals does not compute
            and self.options.timeout is None,
            initializer=self.options.initializer,
            initargs=self.options.initargs,
            inner_threads=max(1, self.decider.machine.cores // config.n_jobs),
            timeout=self.options.timeout,
            rerun_after_death=self.options.rerun_after_death,
        )
        self.backend.start()

    # -- supervising ----------------------------------------------------------------------------

    def _supervise(self) -> None:
        """Look after the workers until everything is done."""
        sink = self._sink
        assert isinstance(sink, ListSink)
        if isinstance(self.backend, Threads) and self.backend.waits:
            self.decider.prepare(max(self.meter.item_seconds, clock() - self._phase[0]))
        while not self._is_complete():
            self.backend.step(self._patience())
            if sink.failure is not None:
                self._raise_failure()
            if self.keeper is not None:
                self.keeper.tick()
            if self._progress.active:
                self._progress.update(sink.done)
            self._review()
        self.finished = True

    def _is_complete(self) -> bool:
        """Everything is done."""
        supply, sink = self.supply, self._sink
        if not supply.exhausted:
            return False
        total = supply.total if supply.indexed else supply.position
        assert total is not None
        if isinstance(sink, ListSink):
            sink.awaited = total
        return sink.done >= total

    def _patience(self) -> float:
        """How long the caller may sleep now."""
        backend = self.backend
        if not isinstance(backend, Threads) or self.options.forced is not None:
            return PATIENCE_SECONDS
        age = clock() - self._reviewed_at
        if backend.waits or not self._early_review:
            return max(REVIEW_LOOK_SECONDS, REVIEW_SECONDS - age)
        return REVIEW_LOOK_SECONDS if age < REVIEW_SECONDS else PATIENCE_SECONDS

    def _open_review(self) -> None:
        self._reviewed_at, self._reviewed_done = clock(), self._sink.done
        self._reviewed_cpu, self._reviewed_consumed = time.process_time(), self._consumed

    def _review(self) -> None:
        """Judge threads by what they reach; where that is too little, choose again."""
        backend = self.backend
        self._keep_up()
        if self.options.timeout is not None:
            self._review_watched()
        if not isinstance(backend, Threads) or self.options.forced is not None:
            return
        seconds = clock() - self._reviewed_at
        done = self._sink.done - self._reviewed_done
        stalled = backend.stalled and done
        early = seconds < REVIEW_SECONDS
        if early and (
            backend.waits
            or not self._early_review
            or seconds < EARLY_REVIEW_SECONDS
            or done < EARLY_REVIEW_ITEMS * backend.count
        ):
            return
        if done < 2 * backend.count and not stalled:
            return
        consumed = self._consumed - self._reviewed_consumed
        seconds = max(seconds - consumed, 1e-9)
        cpu = max(time.process_time() - self._reviewed_cpu - consumed, 0.0)
        computed, rate = cpu / done, done / seconds
        if early:
            self._early_review = backend.tentative = False
        else:
            backend.tentative = False
            self._open_review()
        known = self.supply.left()
        left = self._sink.done if known is None else known
        if backend.waits:
            saves = left * computed * (1 - 1 / self.decider.machine.cores)
            start = planning.START_FACTOR * self.decider.costs.fork * self.decider.machine.cores
            full = GIL_STALLED_SHARE if stalled else GIL_FULL_SHARE
            slower = rate * self.meter.item_seconds < 1.0
            wrong = computed * rate > full and (saves > 2 * start or slower)
        else:
            least = EARLY_MUST_GAIN if early else THREADS_MUST_GAIN
            wrong = self.meter.items > 1 and rate * self.meter.item_seconds < least
        if not wrong or left <= backend.count:
            self._doubted = False
            return
        if not (backend.waits or early or self._doubted):
            self._doubted = True  # the first items of threads pay for caches and pages: look again
            return
        if backend.waits:
            share = min(1.0, computed / max(self.meter.item_seconds, 1e-9))
            self.decider.shares = self.decider.seen = (seconds, share, 1.0)
        # Cores that were busy and yet no gain: the work is held up by memory or by its own threads,
        # and processes would not change that.
        long = not backend.waits and self.meter.item_seconds > LONG_ITEM_SECONDS
        self._leave_threads(backend, alone=long and cpu > CORES_BUSY * seconds)

    def _review_watched(self) -> None:
        """With a time limit nothing is seen of the items before they are handed over: see whether the
        workers wait. Then threads take over; the workers finish the items that they are in."""
        leaving, backend = self._leaving, self.backend
        if leaving is not None:
            leaving.step(0.0)
            if not leaving.peers and not leaving.alone:
                self._leaving = None
                leaving.close()
                self.deaths += leaving.deaths
            return
        decider, left = self.decider, self.supply.left()
        if (
            not isinstance(backend, processes.Processes)
            or self.options.forced is not None
            or "threads" not in self.options.backends
            or decider.safety.no_threads
            or left == 0
        ):
            return
        now, cpu = clock(), backend.cpu_seconds()
        at, cpu_then, pids = self._watched
        workers = {peer.pid for peer in backend.peers.values() if peer.ready}
        if cpu is None or not workers or pids != workers:
            self._watched = now, cpu or 0.0, workers
            return
        if now - at < WATCHED_SECONDS:
            return
        self._watched = now, cpu, workers
        if cpu - cpu_then > WATCHED_WAITS_SHARE * (now - at) * len(workers):
            return
        count = self.options.max_jobs or planning.FIRST_THREADS
        config = Config("threads", count if left is None else min(count, left))
        if config.n_jobs <= len(workers):
            return
        self._leaving, self.backend = backend, None
        backend.dismiss()
        self._choose(choice_unseen(config, backend.item_seconds, left or 0, "the workers waited"))
        self._open_phase(self._sink.done)
        self._start_threads(config, True, backend.item_seconds, WAIT_SEEN_THREADS)

    def _leave_threads(self, backend: Threads, *, alone: bool) -> None:
        """Threads do not help: join them and choose among the rest."""
        backend.close()
        self.backend = None
        self.decider.threads_failed = True
        vanish()
        known = self.supply.left()
        left = self._sink.done if known is None else known
        if not left:
            return
        if alone:
            config = Config("serial")
            reason = "threads kept the cores busy and were no faster than the caller alone"
            choice = choice_unseen(config, self.meter.item_seconds, left, reason)
        else:
            choice = self.decider.plan(left, None)
            if choice.config.backend == "fork" and (refusal := fork_refusal()) is not None:
                choice = self.decider.plan(left, refusal)
        if choice.config.backend == "threads":  # still the best there is
            self._reviewed_at = float("inf")
        self._choose(choice)
        self._open_phase(self._sink.done)
        self._start_backend()

    def _raise_failure(self) -> None:
        failure = self._sink.failure
        assert failure is not None
        raise with_origin(failure.exception, failure.index, failure.traceback)


def _without_skipped(values: Any) -> Iterator[Any]:
    return (value for value in values if value is not SKIPPED)
