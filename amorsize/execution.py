"""The run loop: work alone in growing slices, hand over when it pays, look after the workers.

::

    begin -> [slice, measure, consider] ... -> hand over -> [step, review] ... -> end
                  |  nothing to gain               ^            |  prediction was wrong
                  +------------ stays here         +------------+

``Engine.execute`` and ``Engine.stream`` are the two ways through it; ``Engine.measure`` walks it until
a choice has been made and stops there, with all results kept.
"""

from __future__ import annotations

import os
import sys
import time
from _thread import allocate_lock, get_ident, start_new_thread
from itertools import islice

from amorsize import measurement, planning
from amorsize.backends import helper, processes
from amorsize.backends.items import format_traceback, with_origin
from amorsize.backends.serial import Serial
from amorsize.backends.threads import Threads
from amorsize.cost_model import FORK_SECONDS, Costs, starting_costs
from amorsize.errors import ItemError, OptionError
from amorsize.measurement import Meter, Observer, clock, vanish
from amorsize.purity import only_computes
from amorsize.records import Config, Machine, Prediction, Run, Safety
from amorsize.sinks import SKIPPED, ListSink, WindowSink
from amorsize.system import detect_machine, fork_refusal
from amorsize.values import replace
from amorsize.workload import ATOMIC_ITEMS, Supply

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    from amorsize.options import Options
    from amorsize.planning import Choice

SLICE_SECONDS = 0.0005
"""Slices grow until they last so long: the 3 µs that bracket one are then below 1 %."""
SLICE_SHARE = 0.15
"""...later this share of the time since the start, so that considering (10-100 µs) stays below 1 %."""
LONGEST_SLICE_SECONDS = 0.05
"""...and not more, for progress to be seen."""
PIECE_SECONDS = 0.00005
"""Items between two looks at the clock last so long; a look costs 0.35 µs."""
PIECE_SHARE = 0.03
"""...and are not more than this share of those left."""
UNSEEN_PIECE = 1024
"""...nor more than this."""
LEAST_START_SECONDS = 0.0014
"""No way to use a second core for computing work starts in less (two threads and a fork, measured on
several machines at 1.5 to 3 ms); below, nothing is looked up."""
TRIVIAL_ITEM_SECONDS = 2.5e-7
"""Items below this are not worth carrying anywhere (pickling a result costs as much), and dear to
count: bracketing them in slices costs 5 ns each (benchmarks/special.py, 10,000,000 items)."""
TRIVIAL_ITEMS = 255
"""So many trivial items are evidence enough where the observer can end what follows (slices of 1, 2,
4 ... 128 items)..."""
TRIVIAL_UNSEEN_ITEMS = 4096
"""...and so many where nothing can: the data are an iterator."""
RECONSIDER_FACTOR = 1.3
"""A choice to stay is looked at again when the run is so many times as old."""
FIRST_DECISION_SECONDS = 0.0015
"""Nothing is considered before: what is done by then is not worth a worker."""
LEAST_GAIN_SECONDS = 0.0015
"""Nor when less than this is left."""
GIL_ANSWER_SECONDS = 0.008
"""Computing work waits so long for the observer's first look at the GIL (it comes after 5 ms)."""
INNER_WINDOW_SECONDS = 0.01
"""A second look at inner threads, in a fresh window: OpenBLAS is busy just after its import."""
TRUSTED_FIRST_SECONDS = 0.1
"""A first item that took longer decides alone (unless it imported something): a second one in the
caller would cost up to half of it, a worker started in vain costs 0.003."""
REVIEW_SECONDS = 0.015
"""After so long with threads their gain is judged."""
THREADS_MUST_GAIN = 1.15
"""Throughput of threads over that of the caller alone, below which computing work leaves them."""
GIL_FULL_SHARE = 0.85
"""CPU seconds a second of the process at which threads that wait are held up by the GIL."""
GIL_SURE_SHARE = 0.75
"""Behind a single long item threads need this share of free looks: three out of three at least."""
MEASURE_SECONDS = 0.05
"""``optimize`` stops looking after so long where nothing beats the loop."""
TRANSFER_SAMPLE = 16
"""Results pickled together to see what carrying one costs (a single small one costs 50 times more)."""
SMALL_RESULT_BYTES = 4096
"""Above, one result says enough, and pickling many would take time."""
KERNEL_BYTE_SECONDS = 2e-10
"""Seconds a byte of a result takes through a socket (10 MB in 2 ms; benchmarks/costs.py)."""
STREAM_RUN = 2048
"""Items from one timed one to the next of a stream that works alone: 5 µs of timing on 50 ns each."""
STREAM_RUN_SECONDS = 0.00025
"""...and seconds: timing stays near 2 %."""
ISLICE_TELLS = sys.version_info < (3, 12)
"""Whether an islice can be asked how many items it has given (later Pythons: count, 10 ns an item)."""
THREAD_BOUND_SOURCES = frozenset({"sqlite3"})
"""Modules whose iterators may be read only by the thread that made them."""
FEEDER_FAREWELL_SECONDS = 0.05
"""How long an abandoned stream waits for a source that does not answer."""
STREAM_WINDOW_SECONDS = 0.5
"""Work that a stream keeps between its source and its consumer when no ``buffersize`` is given."""
STREAM_WINDOW_ITEMS = 4096
"""...and the most items of it."""


_INLINED = (type(lambda: None), type)
"""Functions that a comprehension calls faster than map does."""


class Engine:
    """One run of a function over its data."""

    def __init__(
        self,
        func: Callable[[Any], Any],
        data: Iterable[Any],
        options: Options,
        machine: Machine | None,
    ) -> None:
        self.func, self.data, self.options = func, data, options
        self.meter = Meter()
        self.supply = Supply(data)
        self.results: list[Any] = []
        """What the caller computed while it worked alone."""
        self.sink: ListSink | WindowSink | None = None
        """Where everything after that goes."""
        self.backend: Any = None
        self.choice: Choice | None = None
        self.corrections = 0
        self.finished = False
        self.run: Run | None = None
        self.observer = Observer(self.meter, self._glance, self._look)
        self.deaths = 0
        self._machine = machine
        self._safety: Safety | None = None
        self._costs: Costs | None = None
        self._late = False
        """The observer has made the caller's slice end."""
        self._interrupted_at: int | None = None
        self.unattended = True
        """Nothing is to be decided: one item, one backend, or a nested call."""
        self._only_computes = False
        self._index_is_least = False
        """Items too short to be counted one by one: an error's index is only a lower bound."""
        self._seen = (0, 0.0)
        """Position and time at which the observer's present look began."""
        self._looked_inside = False
        self._not_before = FIRST_DECISION_SECONDS
        self._threads_failed = False
        self._measuring = False
        self._done_alone = 0
        """Items done by the caller alone, also where a stream has given the results away."""
        self._spent = 0.0
        self._spent_cpu = 0.0
        self._stream_window: tuple[bool, int | None] | None = None
        """Of a stream: ordered, and the user's buffersize."""
        self._window = 0
        self._owner = get_ident()
        self._entered = False
        self.nested = helper.in_worker or self._owner in processes.RUNS_IN_PROGRESS
        self._progress = options.make_progress(self.supply.total)

    # -- the three ways through -----------------------------------------------------------------

    def execute(self) -> list[Any]:
        """Everything, in order."""
        try:
            if not self.finished:
                self._begin()
                if not self._resume() and self._work_alone():
                    self.finished = True
                while not self.finished:
                    self._supervise()
        except BaseException:
            self._end("failed")
            raise
        self._end("done")
        results = self.results
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
            if self.options.forced is None:
                self.finished = self._work_alone()
        except BaseException:
            self._end("failed")
            raise
        self._measuring = False
        self._pause()
        if self.finished:
            self._end("done")

    def stream(self, *, ordered: bool, buffersize: int | None) -> Iterator[Any]:
        """The results one after the other; closing the iterator ends the run."""
        skip = self.options.on_error == "skip"
        outcome = "abandoned"
        feeder: Feeder | None = None
        try:
            self._begin()
            self.supply.outside_in = False
            self._stream_window = (ordered, buffersize)
            if not self._resume():
                yield from self._stream_alone()
            if not self.finished:
                sink, supply = self._sink, self.supply
                assert isinstance(sink, WindowSink)
                if not supply.pull_here:
                    feeder = Feeder(supply, sink, self.backend.nudge)
                given = sink.start
                while True:
                    values = sink.pop()
                    if values is not None:
                        yield from _without_skipped(values) if skip else values
                        given += len(values)
                        supply.limit = given + self._window
                        if feeder is not None:
                            feeder.wake()
                        self.backend.step(0.0)
                        continue
                    if sink.failure is not None:
                        self._raise_failure()
                    if self._is_complete():
                        break
                    self.backend.step()
                    if self._progress.active:
                        self._progress.update(sink.done)
            outcome = "done"
        except GeneratorExit:
            raise
        except BaseException:
            outcome = "failed"
            raise
        finally:
            if feeder is not None:
                feeder.stop()
            self._end(outcome)

    # -- begin and end --------------------------------------------------------------------------

    def _begin(self) -> None:
        self._started = clock() - self._spent
        self._cpu0 = time.process_time() - self._spent_cpu
        if not self.nested and self._owner not in processes.RUNS_IN_PROGRESS:
            self._entered = True
            processes.RUNS_IN_PROGRESS.add(self._owner)
        self.unattended = self.nested or self.supply.total == 1 or self.options.forced is not None
        self._only_computes = self.supply.indexed and self._cannot_wait()
        if not self.unattended and not self._only_computes:
            self.observer.start()

    def _resume(self, *, ordered: bool = True) -> bool:
        """Go on after :meth:`measure`, or begin with the backend that the user named. True when
        workers are at work."""
        if self.choice is None and self.options.forced not in (None, "serial") and not self.nested:
            self.choice = self._forced_choice()
        if self.choice is None or self.choice.config.backend == "serial":
            return False
        self._to_workers()
        return True

    def _pause(self) -> None:
        self.observer.stop()
        self._spent = clock() - self._started
        self._spent_cpu = time.process_time() - self._cpu0
        if self._entered:
            self._entered = False
            processes.RUNS_IN_PROGRESS.discard(self._owner)

    def _end(self, outcome: str) -> None:
        if self.run is not None:
            return
        try:
            self.observer.stop()
            if self.backend is not None:
                backend, self.backend = self.backend, None
                backend.close(abort=outcome != "done")
                self.deaths += getattr(backend, "deaths", 0)
        finally:
            self._pause()
            done = self._done_alone if self.sink is None else self.sink.done
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

    # -- alone ----------------------------------------------------------------------------------

    def _work_alone(self) -> bool:
        """Compute in the caller. True when everything is done, False when workers take over (while
        measuring: when it is clear how to go on)."""
        results, supply, observer = self.results, self.supply, self.observer
        iterator = supply.iterator
        piece, seconds = 1, 0.0
        while True:
            before = len(results)
            began = observer.begin_slice()
            try:
                ended = self._slice(iterator, piece, seconds)
            except BaseException as error:
                results.append(self._stood_in(error, self._index_alone(piece)))
                ended = False
            took = clock() - began
            observer.end_slice()
            results = self.results
            done = self._done_alone = len(results)
            self.meter.add(done - before, took)
            if self.backend is not None:  # the observer started threads behind a long item
                return False
            if ended and self._is_end(done - before):
                return True
            if self._late:
                iterator = supply.rewind(done)
                self._late = False
                self.meter.forget()
            if self._progress.active:
                self._progress.update(done)
            if self._is_decided(before, took):
                return False
            if ended or not piece:
                piece, seconds = 1, 0.0
            elif not seconds and took < 0.5 * PIECE_SECONDS:
                piece *= 2  # a slice of one piece, so short that its time says little
            else:
                seconds = max(
                    SLICE_SECONDS, min(SLICE_SHARE * self._elapsed(), LONGEST_SLICE_SECONDS)
                )
                piece = self._piece()
            if self.meter.item_seconds and self._is_trivial():
                piece = 0

    def _slice(self, iterator: Iterator[Any], piece: int, seconds: float) -> bool:
        """Run pieces of ``piece`` items until ``seconds`` are over, at least one. True when the items
        came to an end. A ``piece`` of 0 runs everything that is left and costs what a loop costs.

        The two forms of the latter are the two fastest of Python: a comprehension inlines calls of
        Python functions and of types, map is quicker for all others."""
        results, func = self.results, self.func
        if piece:
            end = clock() + seconds
            while True:
                before = len(results)
                results += map(func, islice(iterator, piece))
                if len(results) - before < piece:
                    return True
                if clock() >= end:
                    return False
        if type(func) not in _INLINED:
            results += map(func, iterator)
            return True
        part = [func(item) for item in iterator]
        if len(part) > len(results):
            part[:0] = results
            self.results = part
        else:
            results += part
        return True

    def _piece(self) -> int:
        """Items to run without a look at the clock.

        Nothing can end a piece, so where items suddenly become heavy a whole one of them is paid in
        the caller: at most 50 µs of items as they are now, and 3 % of those that are left."""
        per, total = self.meter.item_seconds, self.supply.total
        most = self._done_alone if total is None else total - self._done_alone
        wanted = int(PIECE_SECONDS / per) if per > 0 else UNSEEN_PIECE
        return max(1, min(wanted, int(PIECE_SHARE * most), UNSEEN_PIECE))

    def _is_trivial(self) -> bool:
        """Items so short that a look at the clock is too dear: all that is left goes in one piece.

        Where the data are indexed an observer ends it should the items become heavy."""
        meter = self.meter
        if meter.item_seconds > TRIVIAL_ITEM_SECONDS or self.options.on_error != "raise":
            return False
        if self.unattended:
            return meter.items > TRIVIAL_ITEMS
        if not self.supply.interruptible:
            return meter.items > TRIVIAL_UNSEEN_ITEMS
        if meter.items <= TRIVIAL_ITEMS:
            return False
        if not self.observer.running:
            self.observer.start()
        return True

    def _elapsed(self) -> float:
        """Seconds since the start; of a stream, those that went into items."""
        if self._stream_window is None:
            return clock() - self._started
        return self._done_alone * self.meter.item_seconds

    def _index_alone(self, piece: int) -> int:
        """Position of the item that has just raised in a slice."""
        if piece or type(self.func) not in _INLINED:
            return len(self.results)  # the results before it were kept
        if self._late and self._interrupted_at is not None:
            return self._interrupted_at - 1
        if self.supply.interruptible:
            return self.supply.taken() - 1
        self._index_is_least = True
        return len(self.results)

    def _is_decided(self, before: int, seconds: float) -> bool:
        """After a slice: have workers been started (or, measuring, is the choice clear)?"""
        observer, meter = self.observer, self.meter
        if before == 0 and SLICE_SECONDS < seconds < TRUSTED_FIRST_SECONDS:
            # It may have paid for imports and caches: the shares begin with the next item.
            meter.open_window()
            return False
        elapsed = self._elapsed()
        if elapsed < self._not_before or self.unattended:
            return False
        choice = self._consider(elapsed)
        if choice is None:
            return False
        self._not_before = elapsed * RECONSIDER_FACTOR
        self._choose(choice)
        if choice.config.backend == "serial":
            if not observer.running and not self._only_computes:
                self.observer.start()
            return self._measuring and elapsed > MEASURE_SECONDS
        if not self._measuring:
            self._to_workers()
        return True

    def _stream_alone(self) -> Iterator[Any]:
        """As :meth:`_work_alone`, giving each result out at once.

        The first item of a slice is timed by itself. What the consumer does between two results is
        nobody's measurement: the meter pauses, the observer looks away."""
        func, meter, supply, observer = self.func, self.meter, self.supply, self.observer
        counted = self.options.on_error != "raise" or self._progress.active
        iterator = supply.iterator
        size = 1
        while True:
            try:
                item = next(iterator)
            except StopIteration:
                supply.exhausted = self.finished = True
                return
            began = observer.begin_slice()
            try:
                value = func(item)
            except BaseException as error:
                value = self._stood_in(error, self._done_alone)
            seconds = clock() - began
            observer.end_slice()
            self._done_alone += 1
            meter.add(1, seconds)
            meter.pause()
            if value is not SKIPPED:
                yield value
            meter.resume()
            if self.backend is not None:
                return
            if self._late:
                iterator = supply.rewind(self._done_alone)
                self._late = False
                meter.forget()
            if self._progress.active:
                self._progress.update(self._done_alone)
            if self._is_decided(self._done_alone - 1, seconds):
                return
            size = 1 if counted else self._next_run(size, seconds)
            if size < 2:
                continue
            rest = islice(iterator, size - 1)
            meter.pause()
            try:
                if ISLICE_TELLS:
                    for item in rest:
                        yield func(item)
                    self._done_alone += size - 1
                else:
                    for item in rest:
                        yield func(item)
                        self._done_alone += 1
            except GeneratorExit:
                raise
            except BaseException as error:
                if self._from_source(error):
                    raise
                index = self._done_alone
                if ISLICE_TELLS:
                    index += rest.__reduce__()[2] - 1  # type: ignore[operator, index]
                raise with_origin(error, index) from None
            meter.resume()

    def _next_run(self, size: int, seconds: float) -> int:
        """Items of a stream from one that is timed to the next."""
        total = self.supply.total
        left = self._done_alone if total is None else total - self._done_alone
        quick = int(STREAM_RUN_SECONDS / seconds) if seconds > 0 else STREAM_RUN
        return min(2 * size, quick, STREAM_RUN, 1 + int(2 * PIECE_SHARE * left))

    def _is_end(self, got: int) -> bool:
        """A slice came out short: is that the end of the data?"""
        supply, done = self.supply, len(self.results)
        if supply.data is None:
            frame = getattr(supply.iterator, "gi_frame", None)
            if frame is not None:  # a generator that is still alive did not end
                raise with_origin(StopIteration(), done)
            supply.exhausted = True
            return True
        if done >= len(supply.data):
            return True
        if got or self._late:
            return False
        # Nothing came although items are left and nobody interrupted: the function raised
        # StopIteration, which ``map`` takes for an end and the plain loop would let through.
        raise with_origin(StopIteration(), done)

    def _from_source(self, error: BaseException) -> bool:
        """Whether the error is not an item's: the source raised, or the user interrupted."""
        source = self.supply.iterator
        dead = hasattr(source, "gi_frame") and source.gi_frame is None
        return dead or not isinstance(error, Exception)

    def _raised_alone(self, error: BaseException) -> None:
        """An item of a slice raised; the results before it are kept."""
        self.results.append(self._stood_in(error, len(self.results)))

    def _stood_in(self, error: BaseException, index: int) -> Any:
        """What stands in the place of an item that raised; raises where the run is to end."""
        if self._from_source(error):
            raise error
        if self.options.on_error == "raise":
            raise with_origin(error, index, at_least=self._index_is_least)
        if self.options.on_error == "skip":
            return SKIPPED
        assert isinstance(error, Exception)
        return ItemError(index, error, format_traceback(error))

    # -- what the observer asks for -------------------------------------------------------------

    def _cannot_wait(self) -> bool:
        """The function's names tell that it holds the GIL and never waits: nobody need watch."""
        data = self.supply.data
        return bool(data) if data is None or not len(data) else only_computes(self.func, data[0])

    def _glance(self) -> bool:
        """Called when a look begins: where is the caller now? False when there is nothing to see."""
        if _is_importing(self._owner):
            return False
        if self.supply.interruptible:
            self._seen = (self.supply.taken(), clock())
        return True

    def _look(self, cpu_share: float) -> None:
        """Called beside the caller's slice, under the observer's claim: is it to end?"""
        supply = self.supply
        if not supply.interruptible or self.backend is not None or self._late:
            return
        now = clock()
        position, age = supply.taken(), now - self.observer.slice_began
        if age < measurement.LATE_SECONDS:
            return
        last_position, last_time = self._seen
        if last_time < self.observer.slice_began:
            last_position, last_time = self._done_alone, self.observer.slice_began
        if position <= last_position + 1 and self._start_behind(position, cpu_share):
            return
        per = (now - last_time) / max(1, position - last_position)
        assert supply.total is not None
        if per < TRIVIAL_ITEM_SECONDS or (supply.total - position) * per < LEAST_GAIN_SECONDS:
            return
        if now - self._started >= self._not_before:
            self._interrupted_at = supply.interrupt()
            self._late = True

    def _start_behind(self, position: int, cpu_share: float) -> bool:
        """The caller is in one long item: start threads on the items after it if they can help."""
        supply, options = self.supply, self.options
        assert supply.total is not None
        left = supply.total - position
        waits = cpu_share < 0.5
        free = (self.meter.gil_free_share() or 0.0) >= GIL_SURE_SHARE
        if self._measuring or self._threads_failed or "threads" not in options.backends:
            return False
        if left < 1 or left > ATOMIC_ITEMS or not (waits or free):
            return False
        most = planning.FIRST_THREADS if waits else self.machine.cores - 1
        count = min(left, options.max_jobs or left, most)
        if count < 1:
            return False
        if self.safety.caller_only or self.safety.no_threads:
            return False
        position = self._interrupted_at = supply.interrupt()
        self._late = True
        elapsed = clock() - self.observer.slice_began
        why = "waits" if waits else "leaves the GIL alone"
        config = Config("threads", count, 1, options.chunksize)
        reason = f"an item has taken {planning.format_seconds(elapsed)} so far and {why}"
        self._choose(_choice_unseen(config, elapsed, left, reason))
        self._open_sink(position)
        self._start_threads(config, waits, elapsed)
        return True

    # -- considering ----------------------------------------------------------------------------

    def _left(self) -> int:
        """Items that are left; for a source of unknown length as many again as were done."""
        total = self.supply.total
        return self._done_alone if total is None else total - self._done_alone

    def _consider(self, elapsed: float) -> Choice | None:
        """A choice if it is time for one, None to go on for now. Cheap checks first."""
        meter = self.meter
        left = self._left()
        serial_seconds = left * meter.item_seconds
        if serial_seconds < LEAST_GAIN_SECONDS:
            return None
        wall, cpu, inner = meter.shares()
        if cpu >= planning.WAITING_CPU_SHARE:
            if inner > planning.INNER_THREADS and not self._looked_inside:
                if wall > INNER_WINDOW_SECONDS:
                    self._looked_inside = True
                    meter.open_window()
                return None
            if (
                not self._only_computes
                and meter.gil_free_share() is None
                and elapsed < GIL_ANSWER_SECONDS
            ):
                return None
            least = FORK_SECONDS if self._only_computes else LEAST_START_SECONDS
            if serial_seconds * (1 - 1 / most_cores()) < planning.START_FACTOR * least:
                return None
            gain = serial_seconds * (1 - 1 / self.machine.cores)
            free = (meter.gil_free_share() or 0.0) >= planning.GIL_FREE_SHARE
            start = self.costs.thread if free else min(self.costs.fork, self.costs.spawn)
            if gain < planning.START_FACTOR * start:
                return None
        if meter.result_bytes is None and meter.picklable:
            self._measure_transfer()
        choice = self._plan(left, None)
        if choice.config.backend != "fork":
            return choice
        self.observer.stop()  # a fork needs this process to have one thread
        vanish()
        refusal = fork_refusal()
        return choice if refusal is None else self._plan(left, refusal)

    def _plan(self, left: int, refusal: str | None) -> Choice:
        profile = self.meter.profile()
        if self._threads_failed:
            profile = replace(profile, gil_free_share=0.0)
        return planning.choose(
            profile,
            self.machine,
            left,
            self.options.limits(self.nested),
            self.safety,
            self.costs,
            fork_refused=refusal,
            indexed=self.supply.indexed or self.supply.snapshot,
        )

    def _measure_transfer(self) -> None:
        """What carrying a result costs, on the last ones together, as they would travel; once."""
        from amorsize.backends import wire

        meter = self.meter
        if not self.results:
            return
        try:
            parts = wire.encode(helper.RESULT, self.results[-1])
            small = sum(memoryview(part).nbytes for part in parts) < SMALL_RESULT_BYTES
            sample = self.results[-TRANSFER_SAMPLE if small else -1 :]
            began = clock()
            parts = wire.encode(helper.RESULT, sample)
            size = sum(memoryview(part).nbytes for part in parts)
            meter.result_bytes = size // len(sample)
            # Reading takes about as long as writing, and each byte crosses the kernel twice.
            seconds = 2 * (clock() - began) + size * KERNEL_BYTE_SECONDS
            meter.result_seconds = seconds / len(sample)
        except Exception:
            meter.picklable = False

    def _choose(self, choice: Choice) -> None:
        known = self.choice
        if known is not None and known.config.backend not in ("serial", choice.config.backend):
            self.corrections += 1
        self.choice = choice

    def _forced_choice(self) -> Choice:
        """The user named one backend: every item goes there."""
        options, name = self.options, self.options.forced
        assert name is not None
        if name in ("processes", "fork"):
            vanish()
            refusal = fork_refusal() if self.machine.can_fork else "this system cannot fork"
            if name == "fork" and refusal is not None:
                raise OptionError(
                    "backend",
                    name,
                    f"the process must not be forked now: {refusal}",
                    "use backend='processes', which then starts fresh interpreters",
                )
            name = "spawn" if refusal is not None else "fork"
        jobs = options.max_jobs
        if jobs is None:
            jobs = self.machine.cores + (4 if name == "threads" else 0)
        total = self.supply.total
        if total is not None:
            jobs = min(jobs, total)
        config = Config(name, max(1, jobs), 1, options.chunksize)
        reason = f"asked for by backend={options.forced!r}"
        return _choice_unseen(config, 0.0, total or 0, reason)

    # -- handing over ---------------------------------------------------------------------------

    def _to_workers(self) -> None:
        """Hand the rest to the backend that was chosen (a stream opens its window first)."""
        self.observer.stop()
        self._open_sink(self._done_alone)
        self._start_backend()

    def _open_sink(self, position: int) -> None:
        """From ``position`` on, items come from the supply and results go to the sink."""
        self.supply.hand_over(position)
        if self._stream_window is None:
            self.sink = ListSink(position, self.options.on_error)
            return
        ordered, buffersize = self._stream_window
        self._window = buffersize or self._default_window()
        self.sink = WindowSink(position, self.options.on_error, ordered=ordered)
        self.supply.limit = position + self._window
        kind = type(self.supply.iterator)
        self.supply.pull_here = self.supply.indexed or kind.__module__ in THREAD_BOUND_SOURCES

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
            self._start_threads(config, waits, item_seconds)
        elif config.backend == "serial":
            self.backend = Serial(self.func, self.supply, self._sink, item_seconds)
        else:
            self._start_processes(config, self.choice.caller_computes, item_seconds)

    @property
    def _sink(self) -> ListSink | WindowSink:
        assert self.sink is not None
        return self.sink

    def _start_threads(self, config: Config, waits: bool, item_seconds: float) -> None:
        self.backend = backend = Threads(
            self.func,
            self.supply,
            self._sink,
            config,
            item_seconds,
            waits=waits,
            initializer=self.options.initializer,
            initargs=self.options.initargs,
            most=self.options.max_jobs,
        )
        self._open_review()
        backend.start()

    def _start_processes(self, config: Config, caller_computes: bool, item_seconds: float) -> None:
        launcher: Any
        if config.backend == "fork":
            from amorsize.backends.fork import ForkLauncher

            launcher = ForkLauncher()
        else:
            from amorsize.backends.spawn import SpawnLauncher

            launcher = SpawnLauncher()
        self.backend = processes.Processes(
            launcher,
            self.func,
            self.supply,
            self._sink,
            config,
            item_seconds,
            caller_computes=caller_computes and self._stream_window is None,
            initializer=self.options.initializer,
            initargs=self.options.initargs,
            inner_threads=max(1, self.machine.cores // config.n_jobs),
        )
        self.backend.start()

    # -- supervising ----------------------------------------------------------------------------

    def _supervise(self) -> None:
        """Look after the workers until everything is done."""
        sink = self._sink
        assert isinstance(sink, ListSink)
        while not self._is_complete():
            self.backend.step()
            if sink.failure is not None:
                self._raise_failure()
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

    def _open_review(self) -> None:
        self._reviewed_at, self._reviewed_done = clock(), self._sink.done
        self._reviewed_cpu = time.process_time()

    def _review(self) -> None:
        """Judge threads by what they reach; where that is too little, choose again."""
        backend = self.backend
        if not isinstance(backend, Threads) or self.options.forced is not None:
            return
        seconds = clock() - self._reviewed_at
        done = self._sink.done - self._reviewed_done
        if seconds < REVIEW_SECONDS or done < 2 * backend.count:
            return
        computed = (time.process_time() - self._reviewed_cpu) / done
        rate = done / seconds
        self._open_review()
        left = self.supply.left() or 0
        if backend.waits:
            saves = left * computed * (1 - 1 / self.machine.cores)
            start = planning.START_FACTOR * self.costs.fork * self.machine.cores
            wrong = computed * rate > GIL_FULL_SHARE and saves > 2 * start
        else:
            wrong = self.meter.items > 1 and rate * self.meter.item_seconds < THREADS_MUST_GAIN
        if not wrong or left <= backend.count:
            return
        self._leave_threads(backend, computed)

    def _leave_threads(self, backend: Threads, computed: float) -> None:
        """Threads do not help: join them and choose among the rest."""
        backend.close()
        self.backend = None
        self._threads_failed = True
        vanish()
        left = self.supply.left() or 0
        if not left:
            return
        choice = self._plan(left, fork_refusal())
        if choice.config.backend == "threads":  # still the best there is
            self._reviewed_at = float("inf")
        self._choose(choice)
        self._start_backend()

    def _raise_failure(self) -> None:
        failure = self._sink.failure
        assert failure is not None
        raise with_origin(failure.exception, failure.index, failure.traceback)

    # -- values looked up when first needed -----------------------------------------------------

    @property
    def machine(self) -> Machine:
        if self._machine is None:
            self._machine = detect_machine()
        return self._machine

    @property
    def safety(self) -> Safety:
        if self._safety is None:
            from amorsize.safety import inspect_function

            data = self.supply.data
            self._safety = inspect_function(self.func, () if data is None else data[:3])
        return self._safety

    @property
    def costs(self) -> Costs:
        if self._costs is None:
            spawn = sys.modules.get("amorsize.backends.spawn")
            warm = spawn.idle_workers() if spawn is not None else 0
            self._costs = starting_costs(self.machine, warm)
        return self._costs


class Feeder:
    """The thread that reads the source of a stream while its consumer waits for results."""

    def __init__(self, supply: Supply, sink: WindowSink, nudge: Callable[[], None]) -> None:
        self.supply, self.sink, self.nudge = supply, sink, nudge
        self._stopped = False
        self._room = allocate_lock()
        self._room.acquire()
        self._gone = allocate_lock()
        self._gone.acquire()
        start_new_thread(self._feed, ())

    def wake(self) -> None:
        """There is room in the window again."""
        try:
            self._room.release()
        except RuntimeError:
            pass

    def stop(self) -> None:
        """End the thread. One that is stuck in a silent source closes it when it comes back."""
        self._stopped = True
        self.wake()
        if self._gone.acquire(timeout=FEEDER_FAREWELL_SECONDS):
            return
        self.supply.exhausted = True

    def _feed(self) -> None:
        supply = self.supply
        try:
            while not self._stopped and not supply.exhausted:
                if supply.pull(1):
                    self.nudge()
                elif not supply.exhausted:
                    self._room.acquire(timeout=1.0)
            self.nudge()
            self.sink.notify()
            if self._stopped:
                close = getattr(supply.iterator, "close", None)
                if close is not None:
                    close()
        except BaseException as error:
            self.sink.fail(None, error, "")
            self.nudge()
        finally:
            self._gone.release()


def _choice_unseen(config: Config, item_seconds: float, left: int, reason: str) -> Choice:
    """A choice that was made without comparing."""
    rounds = -(-left // config.workers)
    return planning.Choice(
        Prediction(config, item_seconds * rounds),
        (),
        (f"{planning.describe(config)}: {reason}",),
        False,
        item_seconds * left,
    )


def _is_importing(thread: int) -> bool:
    """Whether a thread is in the middle of an import: what it does is not what its items do, and
    others would wait for its half-made modules."""
    frame = sys._current_frames().get(thread)
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


def most_cores() -> int:
    """Cores that this process could use at the most, without asking for any quota."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


def _without_skipped(values: Any) -> Iterator[Any]:
    return (value for value in values if value is not SKIPPED)
