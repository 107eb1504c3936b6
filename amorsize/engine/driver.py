"""The run loop: work alone in growing slices, hand over when it pays, look after the workers.

::

    begin -> [slice, measure, consider] ... -> hand over -> [step, review] ... -> end
                  |  nothing to gain               ^            |  prediction was wrong
                  +------------ stays here         +------------+

``Engine.execute`` and ``Engine.stream`` are the two ways through it; ``Engine.measure`` walks it until
a choice has been made and stops there, with all results kept.
"""

from __future__ import annotations

import time
from _thread import get_ident
from itertools import chain

from amorsize.backends.threads.pool import Threads
from amorsize.core import nesting
from amorsize.core.model import Config, Machine, Run
from amorsize.engine.behind import Behind
from amorsize.engine.handover import Handover
from amorsize.engine.local_loop import Alone
from amorsize.engine.lookups import ONLY_WAITS_CPU_SHARE, Decider
from amorsize.engine.opening import (
    FIRST_DECISION_SECONDS,
    SLICE_SECONDS,
    TRIVIAL_ITEM_SECONDS,
    Opening,
)
from amorsize.engine.recording import Recorder
from amorsize.engine.reviewing import Reviews
from amorsize.engine.source_reader import Feeder
from amorsize.engine.stream import Stream, stream_of
from amorsize.engine.watching import Watch
from amorsize.items.call import with_origin
from amorsize.items.collector import SKIPPED, ListCollector, WindowCollector
from amorsize.items.source import ItemSource
from amorsize.machine.threads import most_cores
from amorsize.planning import choose as planning
from amorsize.profiling.contention import Crowd
from amorsize.profiling.meter import Meter
from amorsize.profiling.sampler import clock
from amorsize.reporting.trace import tell_run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator
    from typing import Any

    from amorsize.core.options import Options
    from amorsize.engine.checkpointed import Keeper
    from amorsize.planning.values import Choice

RECONSIDER_FACTOR = 1.3
"""A choice to stay is looked at again when the run is so many times as old."""
TRUSTED_FIRST_SECONDS = 0.1
"""A first item that took longer decides alone (unless it imported something): a second one in the
caller would cost up to half of it, a worker started in vain costs 0.003."""
MEASURE_SECONDS = 0.05
"""``optimize`` stops looking after so long where nothing beats the loop."""


class Engine:
    """One run of a function over its data."""

    def __init__(
        self,
        func: Callable[[Any], Any],
        data: Iterable[Any],
        options: Options,
        machine: Machine | None,
        keeper: Keeper | None = None,
        opening: Opening | None = None,
    ) -> None:
        self.func, self.options = func, options
        self.keeper = keeper
        """Journals what is done, if there is a checkpoint."""
        self.meter = Meter()
        self.source = ItemSource(data) if opening is None else opening.source
        self.finished = False
        self.run: Run | None = None
        self._owner = get_ident()
        self.nested = nesting.in_worker or self._owner in nesting.busy_threads
        self._progress = options.make_progress(self.source.total)
        self.decider = Decider(func, self.source, self.meter, options, machine, nested=self.nested)
        alone = called = func
        if options.seed is not None or options.retries:
            from amorsize.items.retry import helped

            alone, called = helped(func, options)
        self.handover = Handover(called, self.source, self.meter, options, self.decider, keeper)
        self._behind = Behind(self.handover)
        self.alone = self._behind.alone = Alone(
            alone,
            self.source,
            self.meter,
            options,
            self._progress,
            self._is_decided,
            self._behind.start,
            self._behind.grow,
            lambda: self.handover.backend is not None,
        )
        self.alone.failed = self._failed
        self.present: Any = ()
        """Of a stream: the run of results that its consumer is in."""
        self.alone.journaled = keeper is not None
        if options.trace is not None:
            self.alone.usage = self.handover.usage
        self._crowd = Crowd(self.alone, self.decider)
        self._reviews = Reviews(self.handover, self.alone.observer)
        self._watch = Watch(self.handover) if options.timeout is not None else None
        self._recorder = Recorder(func, options, self.decider, self.handover, nested=self.nested)
        self._spent = 0.0
        self._spent_cpu = 0.0
        self._interrupted: BaseException | None = None
        self._entered = self._begun = self._measured = False
        if opening is not None:
            self._go_on_from(opening)

    @property
    def choice(self) -> Choice | None:
        """What was chosen last."""
        return self.handover.choice

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
        if self.handover.collector is not None:
            assert isinstance(self.handover.collector, ListCollector)
            results += self.handover.collector.results
        if self.options.on_error == "skip":
            return [result for result in results if result is not SKIPPED]
        return results

    def measure(self) -> None:
        """Work alone until it is clear how to go on; :meth:`execute` goes on from there."""
        self._behind.measuring = True
        try:
            self._begin()
            if self.options.supervised and self.source.total != 0:
                self.handover.choice = self.decider.supervised()
            elif self.options.forced in (None, "serial") or self.nested:
                self.finished = self.alone.run()
            else:
                self.handover.choice = self.decider.forced()
        except BaseException:
            self._end("failed")
            raise
        self._behind.measuring = False
        self._pause()
        self._measured = True
        if self.finished:
            self._end("done")

    def stream(
        self, *, ordered: bool, buffersize: int | None
    ) -> Stream | Generator[Any, None, None]:
        """The results one after the other; closing the iterator ends the run."""
        return stream_of(self, self._runs(ordered=ordered, buffersize=buffersize))

    def _runs(
        self, *, ordered: bool, buffersize: int | None
    ) -> Generator[Iterable[Any], None, None]:
        skip = self.options.on_error == "skip"
        outcome, hurry = "abandoned", True
        feeder: Feeder | None = None
        try:
            self._begin()
            self.source.take_from_both_ends = False
            self.handover.stream_window = (ordered, buffersize)
            self.alone.streaming = True
            if not self._resume():
                runs = self.alone.stream()
                if self.keeper is not None:
                    runs = iter([self.keeper.passing(chain.from_iterable(runs))])
                for run in runs:
                    self.present = self._guarded(run) if self.keeper is not None else run
                    yield self.present
                    if self.run is not None:
                        return  # an item of it raised, and the consumer asks for more
                self._free_the_caller()
            if self.handover.backend is not None:
                collector, source = self.handover.to, self.source
                assert isinstance(collector, WindowCollector)
                if not source.caller_reads_source:
                    try:
                        feeder = Feeder(source, collector, self.handover.nudge)
                    except RuntimeError:  # no thread to be had: the source is read here
                        source.caller_reads_source = True
                given = collector.start
                while True:
                    values = collector.pop()
                    if values is not None:
                        offered = clock()
                        self.present = _given(values, skip=skip)
                        yield self.present
                        self.handover.consumed += clock() - offered
                        given += len(values)
                        source.limit = given + self.handover.window
                        if feeder is not None:
                            feeder.wake()
                        self.handover.backend.step(0.0)
                        if self.keeper is not None:
                            self.keeper.tick()
                        self._review()
                        continue
                    if collector.failure is not None:
                        self._raise_failure()
                    if self._is_complete():
                        break
                    self.handover.backend.step(self._reviews.patience())
                    if self.keeper is not None:
                        self.keeper.tick()
                    if self._progress.active:
                        self._progress.update(collector.done)
                    self._review()
            outcome, hurry = "done", False
        except GeneratorExit:
            raise
        except BaseException as error:
            outcome, hurry = "failed", not isinstance(error, Exception)
            raise
        finally:
            self.present = ()
            try:
                if feeder is not None:
                    feeder.stop()
            finally:
                self._end(outcome, hurry=hurry)

    def _guarded(self, run: Iterable[Any]) -> Iterator[Any]:
        try:
            yield from run
        except GeneratorExit:
            raise
        except BaseException as error:
            self._failed(error)
            raise

    def _failed(self, error: BaseException) -> None:
        """An error is on its way to the consumer of a stream, past the generator of its runs."""
        self._end("failed", hurry=not isinstance(error, Exception))

    def interrupt(self, error: BaseException) -> None:
        """End the run soon, with this error; from any thread."""
        self._interrupted = error
        if self.handover.collector is not None:
            self.handover.collector.fail(None, error)

    # -- begin and end --------------------------------------------------------------------------

    def _begin(self) -> None:
        alone, forced = self.alone, self.options.forced
        alone.started = clock() - self._spent
        self._owner = get_ident()  # a plan may be executed in another thread than it was made in
        if self._measured:
            self.meter.begin_again()
        self.handover.open_phase(0)
        self._recorder.begin()
        self._cpu0 = time.process_time() - self._spent_cpu
        if not self.nested and self._owner not in nesting.busy_threads:
            self._entered = True
            nesting.busy_threads.add(self._owner)
        # Nothing runs here with a time limit, and an observer would forbid the fork.
        settled = forced is not None or self.options.supervised
        alone.unattended = self.nested or self.source.total == 1 or settled
        alone.not_before = max(alone.not_before, FIRST_DECISION_SECONDS)
        if not self._begun:
            self._begun = True
            self.meter.begin(only_computes=not alone.unattended and self.decider.meet())
        if not alone.unattended and not self.decider.only_computes:
            alone.observer.start()

    def _go_on_from(self, opening: Opening) -> None:
        """Take over what an opening has done."""
        self._begun, self.decider.only_computes = True, opening.only_computes
        self.meter.begin(only_computes=opening.only_computes)
        self._spent = self._spent_cpu = clock() - opening.began
        for items, seconds in opening.slices:
            self.meter.add(items, seconds)
            self.alone.opened_seconds = seconds
        self.meter.open_window()
        self.alone.results = opening.results
        self.alone.done = len(opening.results)

    def _resume(self) -> bool:
        """Go on after :meth:`measure`, or begin with the backend that the user named. True when
        workers are at work."""
        options, choice = self.options, self.handover.choice
        if choice is None and options.supervised and self.source.total != 0:
            choice = self.decider.supervised()
        elif (
            choice is None
            and options.forced not in (None, "serial")
            and not self.nested
            and self.source.total != 0
        ):
            choice = self.decider.forced()
        if choice is not None:
            self.handover.choose(choice)
        if choice is None or choice.config.backend == "serial":
            return False
        if choice.config.workers == 1:
            self.source.take_from_both_ends = False  # one after the other: in the order of the loop
        self._to_workers()
        return True

    def _pause(self) -> None:
        self.alone.observer.stop()
        self._spent = clock() - self.alone.started
        self._spent_cpu = time.process_time() - self._cpu0
        if self._entered:
            self._entered = False
            nesting.busy_threads.discard(self._owner)
        if self.decider.away is not None:
            self.decider.away.close()

    def _end(self, outcome: str, *, hurry: bool = False) -> None:
        """The end of a run, however it comes; ``hurry``: somebody waits for the prompt."""
        if self.run is not None:
            return
        try:
            try:
                self.alone.observer.stop()
            finally:  # a Ctrl-C that comes now leaves no worker behind either
                if self._watch is not None:
                    self._watch.close(abort=outcome != "done")
                if self.handover.backend is not None:
                    self.handover.backend.close(abort=outcome != "done", hurry=hurry)
                    backend, self.handover.backend = self.handover.backend, None
                    self.handover.deaths += getattr(backend, "deaths", 0)
                    self.handover.forked_cpu_seconds = getattr(backend, "forked_cpu_seconds", 0.0)
                    self.handover.longest_seconds = getattr(backend, "longest_seconds", 0.0)
        finally:
            self._pause()
            self._recorder.stop()
            done = (
                self.alone.done if self.handover.collector is None else self.handover.collector.done
            )
            self._progress.update(done)
            self._progress.close()
            if outcome != "done":
                self.source.close()
            ended = clock()
            over = self.handover.handed_over
            since, position = over if over is not None else (ended, done)
            self.run = Run(
                self.choice.config if self.choice is not None else Config("serial"),
                done,
                self._spent,
                self._spent_cpu,
                outcome,
                self.handover.corrections,
                self.handover.deaths,
                position,
                self._spent - (ended - since),
                self.handover.usage.uses(since, ended),
            )
            work = max(self._spent, done * self.meter.item_seconds)
            self._recorder.record(self.run, work)
            tell_run(self.run)
            if self.options.trace is not None:
                self.options.trace.add(self.run, ended - self._spent, self.handover.usage)

    # -- alone, and beyond ----------------------------------------------------------------------

    def _is_decided(self, first: bool, seconds: float) -> bool:
        """After a slice: have workers been started (or, measuring, is the choice clear)?"""
        alone, decider = self.alone, self.decider
        if self._interrupted is not None:
            raise self._interrupted
        self._recorder.keep_up()
        if self.keeper is not None:
            self.keeper.catch_up(alone.results)
        if alone.streaming and seconds < TRIVIAL_ITEM_SECONDS:
            return False  # not worth carrying anywhere, nor a thought
        if (
            first
            and SLICE_SECONDS < seconds < TRUSTED_FIRST_SECONDS
            and self.meter.shares()[1] > ONLY_WAITS_CPU_SHARE
        ):
            # It may have paid for imports and caches: the shares begin with the next item. (One that
            # did nothing but wait has paid for nothing.)
            self.meter.open_window()
            ahead = ((self.source.total or 0) - 1) * seconds
            if not decider.ask(ahead * (1 - 1 / most_cores()), ahead):
                return False
        elapsed = alone.elapsed()
        if elapsed < alone.not_before or alone.unattended or self._crowd.is_crowded(elapsed):
            return False
        samples = alone.results or alone.sample
        choice = decider.consider(alone.done, elapsed, samples, alone.observer)
        if choice is None:
            return False
        alone.not_before = elapsed * RECONSIDER_FACTOR
        self.handover.choose(choice)
        if choice.config.backend == "serial":
            if decider.profile().inner_threads > planning.INNER_THREADS:
                alone.observer.stop()  # its looks would take cores from the function's own threads
            elif not alone.observer.running and not decider.only_computes:
                alone.observer.start()
            return self._behind.measuring and elapsed > MEASURE_SECONDS
        if not self._behind.measuring:
            self._to_workers()
        return True

    def _free_the_caller(self) -> None:
        """The caller's own items are done; workers may have been started meanwhile."""
        if self.keeper is not None:
            self.keeper.catch_up(self.alone.results)
        self._behind.free_the_caller()

    def _to_workers(self) -> None:
        self.alone.observer.stop()
        self.handover.to_workers(self.alone.done)

    def _supervise(self) -> None:
        """Look after the workers until everything is done."""
        collector = self.handover.to
        assert isinstance(collector, ListCollector)
        if isinstance(self.handover.backend, Threads) and self.handover.backend.waits:
            self.decider.prepare(max(self.meter.item_seconds, clock() - self.handover.phase[0]))
        while not self._is_complete():
            self.handover.backend.step(self._reviews.patience())
            if collector.failure is not None:
                self._raise_failure()
            if self.keeper is not None:
                self.keeper.tick()
            if self._progress.active:
                self._progress.update(collector.done)
            self._review()
        self.finished = True

    def _is_complete(self) -> bool:
        """Everything is done."""
        source, collector = self.source, self.handover.to
        if not source.exhausted:
            return False
        total = source.total if source.indexed else source.position
        assert total is not None
        if isinstance(collector, ListCollector):
            collector.awaited = total
        return collector.done >= total

    def _review(self) -> None:
        """Look after the history, and at what the workers reach."""
        if self._interrupted is not None:
            raise self._interrupted
        self._recorder.keep_up()
        if self._watch is not None:
            self._watch.review()
        self._reviews.review()

    def _raise_failure(self) -> None:
        failure = self.handover.to.failure
        assert failure is not None
        raise with_origin(failure.exception, failure.index, failure.traceback)


def _given(values: Any, *, skip: bool) -> Iterator[Any]:
    if skip:
        return (value for value in values if value is not SKIPPED)
    return (value for value in values)
