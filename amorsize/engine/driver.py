"""The run loop: tells the policy what happens, and has its commands performed.

::

    LocalLoop.slices --SliceEnded-----------+                       +--> StartBackend, Drain ... (effects)
    Backend.step ------Reported, Drained----+--> apply --> policy --+--> Emit --> observers
    Sampler (own thread) LongItem-----------+    (one lock)         +--> Pause, Raise

``apply`` holds the only line that replaces the state. The sampler's thread applies its event while the
caller is inside one item, in C; it performs the commands itself, which start threads and never a fork.
The caller notices after its slice (``SliceWatch.taken_over``). An exception inside ``apply`` leaves the
old state.
"""

from __future__ import annotations

import time
from _thread import allocate_lock
from itertools import groupby

from amorsize import engine
from amorsize.core import nesting
from amorsize.core.events import NO_OBSERVERS
from amorsize.core.frozen import replace
from amorsize.core.lazy import forgo
from amorsize.core.signals import held, released
from amorsize.engine.commands import Stop
from amorsize.engine.decisions import work_shares
from amorsize.engine.effects import Effects
from amorsize.engine.events import Begun, CallerFreed, Closed, LongItem, Reported, SliceEnded
from amorsize.engine.local_loop import LocalLoop
from amorsize.engine.lookups import Lookups
from amorsize.engine.outcome import (
    RunSoFar,
    Stream,
    as_raised,
    ended_run,
    given,
    run_of,
    stream_of,
    with_not_run,
)
from amorsize.engine.policy import transition
from amorsize.engine.reviews import patience
from amorsize.engine.slice_watch import SliceWatch
from amorsize.engine.state import ENDED, INITIAL, NeedFact, Phase, RunSpec, RunState
from amorsize.items.collector import SKIPPED
from amorsize.profiling.meter import Meter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator
    from typing import Any

    from amorsize.core.events import Observers
    from amorsize.core.model import Machine, Run
    from amorsize.core.options import Options
    from amorsize.engine.checkpoint_writer import CheckpointWriter
    from amorsize.planning.values import Choice

clock = time.perf_counter
cpu_clock = time.process_time


def spec_and_loop(
    func: Callable[[Any], Any], data: Iterable[Any], options: Options
) -> tuple[RunSpec, LocalLoop]:
    """What a run is asked to do, and its loop; ``data`` carry their positions where there is a seed."""
    made: tuple[Any, Any, Any] = func, func, data
    if options.limits_calls:
        made = engine.limited(func, data, options)
    spec = RunSpec(func, made[1], options, nesting.is_nested(), type(data) is groupby)
    return spec, LocalLoop(made[0], made[2])


def engine_for(
    func: Callable[[Any], Any],
    data: Iterable[Any],
    options: Options,
    machine: Machine | None = None,
    observers: Observers = NO_OBSERVERS,
    known_long: bool = False,
) -> Engine:
    """The engine of a run that has not begun."""
    spec, loop = spec_and_loop(func, data, options)
    return Engine(replace(spec, known_long=known_long), loop, machine, observers)


class Engine:
    """One run of a function over its data."""

    def __init__(
        self,
        spec: RunSpec,
        loop: LocalLoop,
        machine: Machine | None = None,
        observers: Observers = NO_OBSERVERS,
        journal: CheckpointWriter | None = None,
    ) -> None:
        source = loop.source
        self.spec = replace(
            spec,
            total=source.total,
            indexed=source.found_by_position,
            journaled=journal is not None,
        )
        self.state: RunState = INITIAL
        self.run: Run | None = None
        """What happened, once it is over."""
        self.log: list[tuple[object, object, RunState]] | None = None
        """Event, facts and next state of every transition, where a list is set before the run."""
        self._loop, self._observers, self._journal = loop, observers, journal
        self._meter = meter = Meter()
        watch = SliceWatch(loop.source, meter, self._on_long_item, self._on_ramp)
        self._sampler = watch.sampler
        self._lookups = Lookups(loop, meter, watch.sampler, machine)
        self._effects = Effects(self._apply, watch, self._lookups, observers, journal)
        usage = self._effects.delivery.usage
        self._progress = progress = observers.progress(loop.source.total)
        if loop.source.limiter is not None:
            progress.beside(loop.source.limiter.said)
        index_of = None if journal is None else journal.index_of
        loop.attend(spec, meter, watch, usage, progress, index_of)
        self._lock = allocate_lock()
        self._interrupted: BaseException | None = None
        self._bounded = self._begun = self._ending = self._only_computes = False
        self._spent = self._spent_cpu = self._cpu0 = 0.0

    @property
    def choice(self) -> Choice | None:
        """What was chosen last."""
        return None if self.state.decision is None else self.state.decision.choice

    def so_far(self) -> RunSoFar:
        """What is known after :meth:`measure`."""
        loop, choice, spread = self._loop, self.choice, self._effects.spread
        return RunSoFar(
            choice,
            loop.ended,
            loop.done + (0 if spread is None else len(spread.results)),
            loop.source.total,
            self.spec.nested,
            self._meter.measured(),
            self._lookups.lasting.runs,
            self._lookups.safety,
            self._lookups.forecast(choice, self.state.said),
            None if spread is None or spread.failure is None else spread.failure[0],
            frozenset(self._lookups.told),
        )

    def bound(self) -> None:
        """Let every slice end soon: an event loop beside it needs its turns."""
        self._bounded = True

    # -- the three ways through -----------------------------------------------------------------

    def execute(self) -> list[Any]:
        """Everything, in order."""
        if self.run is None:
            self._go_through(self._drive())
        results = self._effects.delivery.results
        with_not_run(results, self._loop.source, self.spec.options, self._journal)
        if self.spec.options.on_error == "skip":
            return [result for result in results if result is not SKIPPED]
        return results

    def measure(self) -> None:
        """Work alone until it is clear how to go on; :meth:`execute` goes on from there."""
        self._go_through(self._measure())
        self._pause()
        if self._loop.ended:
            self._end("done")

    def _go_through(self, steps: Iterator[Iterable[Any]]) -> None:
        """Work to the end of ``steps``; calls of amorsize from inside are nested."""
        entered = not self.spec.nested and nesting.enter()
        stopped: BaseException | None = None
        try:
            for _ in steps:
                raise AssertionError("only a stream gives results before its end")
        except RuntimeError as error:
            stopped = as_raised(error)
        finally:
            if entered:
                nesting.leave()
        if stopped is not None:
            raise stopped

    def _measure(self) -> Iterator[Iterable[Any]]:
        """The run as far as the first decision."""
        try:
            self._begin(measuring=True)
            if self.state.phase == Phase.LOCAL and not self.state.paused:
                yield from self._work_locally()
        except BaseException:
            self._end("failed")
            raise

    def stream(self, *, ordered: bool, buffersize: int | None) -> Stream:
        """The results one after the other; closing the iterator ends the run."""
        self.spec = replace(self.spec, streaming=True, ordered=ordered, buffersize=buffersize)
        return stream_of(self._drive())

    def _drive(self) -> Generator[Iterable[Any], None, None]:
        """The whole run. A stream yields its results in runs; else they stay where they are collected."""
        outcome, hurry = "abandoned", True
        try:
            self._begin()
            if self.state.phase == Phase.LOCAL:
                yield from self._work_locally()
            else:
                self._meter.pause()  # what worker processes compute is not the caller's
            if self.state.phase in ENDED:
                return  # an item of a run raised, and the consumer asks for more
            if self._journal is not None and not self.spec.streaming:
                with held():
                    self._journal.catch_up(self._loop.results)
            if self._effects.backend is not None:
                yield from self._look_after_workers()
            outcome, hurry = "done", False
            # An alarm that comes before this is answered by the end below, none by neither.
            with held():
                self._effects.delivery.stop_reading()
                self._end(outcome)
        except GeneratorExit:
            raise
        except BaseException as error:
            outcome, hurry = "failed", not isinstance(error, Exception)
            raise
        finally:
            try:
                self._effects.delivery.stop_reading()
            finally:
                self._end(outcome, hurry=hurry)

    # -- the caller alone, and beside workers ---------------------------------------------------

    def _work_locally(self) -> Generator[Iterable[Any], None, None]:
        """The caller's own loop, asked about after each slice."""
        loop, streaming = self._loop, self.spec.streaming
        for made in loop.stream(self._failed) if streaming else loop.slices():
            if isinstance(made, SliceEnded):
                self._raise_interruption()
                with held():
                    if self._journal is not None and not streaming:
                        self._journal.catch_up(loop.results)
                    if made.watched:
                        self._lookups.note_watched()
                    self._tell(made)
                spread = self._effects.spread
                if spread is not None and spread.asked:
                    self._tell(spread.run(self._effects.delivery.usage))
                loop.wait_until(self.state.not_before)
                if self.state.phase != Phase.LOCAL or self.state.paused:
                    return
            else:
                yield made if self._journal is None else self._journaled(made)
                if self.state.phase in ENDED:
                    return

    def _look_after_workers(self) -> Generator[Iterable[Any], None, None]:
        """Until everything is done: look after the backend, and give out what a stream has."""
        delivery, spec, progress = self._effects.delivery, self.spec, self._progress
        self._lookups.warn_of_differences(self.state.workers)
        self._tell(CallerFreed(clock(), self._loop.done))
        delivery.start_reading(self._effects.wake_backend)
        workers = self.state.workers
        if not spec.streaming and workers is not None and workers.waits:
            age = clock() - self.state.since.at
            with held():
                self._lookups.prepare(max(self._meter.item_seconds, age))
        self._expect()
        while True:
            values = delivery.pop()
            if values is not None:
                offered = clock()
                yield given(values, skip=spec.options.on_error == "skip")
                self._effects.add_consumed(clock() - offered)
                delivery.taken(len(values))
                self._step(0.0)
                continue
            delivery.raise_failure()
            if delivery.is_complete():
                return
            self._step(patience(spec, self.state, clock()))
            if progress.active:
                progress.update(delivery.done)

    def _expect(self) -> None:
        """Show what is said of the items that are left."""
        if self._progress.active and self.state.said is not None:
            forecast = self._lookups.forecast(self.choice, self.state.said)
            left = forecast.seconds - (clock() - self.state.said.at)
            shares = self._lookups.answer(lambda facts: work_shares(self.spec, self.state, facts))
            self._progress.expect(max(left, 0.0), shares)

    def _step(self, seconds: float) -> None:
        """Look after the backend for at most so many seconds, and tell the policy what it reached."""
        report = self._effects.step(seconds)
        if not self.spec.streaming:
            self._effects.delivery.raise_failure()
        with held():
            if self._journal is not None:
                self._journal.tick()
            self._raise_interruption()
            self._effects.look_after_leaving(self.spec)
        meter, effects = self._meter, self._effects
        now = clock(), cpu_clock(), report, effects.delivery.done
        self._tell(Reported(*now, meter.item_seconds, meter.items, effects.consumed))
        if report.watched is not None:  # its thread goes on, or others have begun
            self._lookups.warn_of_differences(self.state.workers)

    def interrupt(self, error: BaseException) -> None:
        """End the run soon, with this error; from any thread."""
        self._interrupted = error
        collector = self._effects.delivery.collector
        if collector is not None:
            collector.fail(None, error)

    def _raise_interruption(self) -> None:
        if self._interrupted is not None:
            raise self._interrupted

    def _failed(self, error: BaseException) -> None:
        """An error is on its way to the consumer of a stream, past the generator of its runs."""
        self._end("failed", hurry=not isinstance(error, Exception))

    def _journaled(self, run: Iterable[Any]) -> Iterable[Any]:
        """The caller's results of a stream, journaled before they are given out."""
        assert self._journal is not None
        try:
            yield from self._journal.passing(run)
        except GeneratorExit:
            raise
        except BaseException as error:
            self._failed(error)
            raise

    # -- state, commands, effects ---------------------------------------------------------------

    def _apply(self, event: object) -> tuple[object, ...]:
        """Change the state as the policy says; the commands that follow."""
        with self._lock:
            facts = self._lookups.lasting
            while isinstance(step := transition(self.spec, self.state, event, facts), NeedFact):
                facts = self._lookups.find(step, facts)
            self.state, commands = step
            if self.log is not None:
                self.log.append((event, facts, self.state))
        return commands

    def _tell(self, event: object) -> None:
        """An event, and everything that follows from it."""
        with held():
            self._effects.perform(self._apply(event), self.spec)

    def _on_long_item(self, item: LongItem) -> bool:
        """In the sampler's thread: start threads behind the caller's long item, if they help."""
        self._tell(item)
        return self.state.phase != Phase.LOCAL

    def _on_ramp(self, late_seconds: float) -> bool:
        """In the sampler's thread: more threads beside the caller's long item?"""
        backend = self._effects.backend
        return backend is not None and backend.ramp(late_seconds)

    # -- begin and end --------------------------------------------------------------------------

    def _begin(self, *, measuring: bool = False) -> None:
        """The run begins, or goes on after it was measured, perhaps in another thread."""
        loop, meter, journal = self._loop, self._meter, self._journal
        spec = self.spec
        with held():
            self._lookups.begin(spec)
        first = not self._begun
        if first and loop.opened is not None:
            self._spent = self._spent_cpu = clock() - loop.began
        now, cpu = clock(), cpu_clock()
        loop.begin(
            now - self._spent,
            unattended=spec.unattended,
            asked=journal is not None or self._bounded,
        )
        loop.wait_until(self.state.not_before)
        self._cpu0 = cpu - self._spent_cpu
        if first:
            opened = loop.opened is not None
            with held():
                computes = spec.reads_names and not opened and self._lookups.only_computes()
            self._only_computes = loop.only_computes if opened else computes
        self._begun = True
        if not loop.ended:
            self._tell(
                Begun(now, cpu, loop.done, meter.item_seconds, measuring, self._only_computes)
            )
        # The window opens only now: what the run itself computed before is not the items' share.
        if not first:
            meter.begin_again()
            return
        meter.begin(only_computes=self._only_computes)
        done, at = 0, loop.began
        for count, seconds in loop.opened or ():
            meter.add(count, seconds)
            self._effects.delivery.usage.slice(done, count, at, seconds, now - at)
            done, at = done + count, min(at + seconds, now)
        if loop.opened:
            meter.open_window()

    def _pause(self) -> None:
        self._sampler.stop()
        self._spent = clock() - self._loop.began
        self._spent_cpu = cpu_clock() - self._cpu0
        if self._lookups.remote is not None:
            self._lookups.remote.close()

    def _end(self, outcome: str, *, hurry: bool = False) -> None:
        """The end of the run, however it comes; ``hurry``: a person waits for the prompt."""
        with held():
            if not self._ending:
                self._ending = True
                self._end_now(outcome, hurry)

    def _end_now(self, outcome: str, hurry: bool) -> None:
        delivery, progress = self._effects.delivery, self._progress
        stop = Stop(outcome != "done", hurry)
        try:
            self._apply(Closed(clock(), outcome, delivery.done, hurry))
        finally:
            try:
                self._effects.stop(stop)
            finally:
                self._pause()
                forgo(self.state.forgone)
                done, usage = delivery.done, delivery.usage
                progress.update(done)
                progress.close()
                if outcome != "done":
                    with released():
                        self._loop.source.close()
                spent = self._spent, self._spent_cpu
                self.run = run = run_of(self.state, usage, done, spent, clock(), self._lookups)
                item_seconds = self._meter.item_seconds
                work = max(run.wall_seconds, run.items * item_seconds)
                told = ended_run(self.spec, self.state, run, self._lookups, work, usage)
                self._observers.tell(told)
                if outcome == "done" and self._effects.changed:
                    with released():
                        engine.warn_of_changes(self.spec.func, tuple(self._effects.changed))
