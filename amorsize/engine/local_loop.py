"""The caller's own loop: items in slices that are measured, until workers take over.

::

    open():  1, 2, 4 ... items, no engine at all --little to do--> done
                  |  1.5 ms of work are over, or the function may wait
    slices():  slices of pieces --trivial?--> everything left in one piece, ended by the sampler's thread
                  after each slice: SliceEnded, to be answered before the next one
    stream():  one timed item, then a run of items that is computed as the consumer asks for them
"""

from __future__ import annotations

import time
from itertools import islice

from amorsize.core import nesting
from amorsize.engine import slices as limits
from amorsize.engine.events import SliceEnded
from amorsize.engine.slice_watch import ItemWatch
from amorsize.engine.slices import (
    FIRST_DECISION_SECONDS,
    PIECE_SECONDS,
    PIECE_SHARE,
    TRIVIAL_ITEM_SECONDS,
    TRIVIAL_ITEMS,
    all_of,
    doubled,
    is_inlined,
    piece_items,
)
from amorsize.inspection.purity import only_computes
from amorsize.items.call import stand_in, with_origin
from amorsize.items.collector import SKIPPED
from amorsize.items.kinds import ISLICE_TELLS, gave
from amorsize.items.source import NOTHING, ItemSource

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Any

    from amorsize.core.events import Progress
    from amorsize.engine.slice_watch import SliceWatch
    from amorsize.engine.state import RunSpec
    from amorsize.items.collector import UsageLog
    from amorsize.profiling.meter import Meter

    OnFailure = Callable[[BaseException], None]

clock = time.perf_counter


class LocalLoop:
    """The caller's loop of one run: what it has done, and what is left."""

    def __init__(self, func: Callable[[Any], Any], data: Iterable[Any] | ItemSource) -> None:
        self.began = clock()
        self.func = func
        self.source = data if isinstance(data, ItemSource) else ItemSource(data)
        self.results: list[Any] = []
        self.done = 0
        """Items done, also where a stream has given the results away."""
        self.opened: list[tuple[int, float]] | None = None
        """Items and seconds of each slice of :meth:`open`; None where it was not called."""
        self.only_computes = False
        """Whether :meth:`open` has found that the function only computes."""
        self.ended = False  # whether everything is done
        self._rest: Any = None  # the islice that runs
        self._index_is_least = False  # of an error, where items are too short to be counted

    # -- the first moments ------------------------------------------------------------------------

    def open(self) -> bool:
        """Run the first items of a function that surely only computes: nothing need watch them, and a run
        shorter than the first decision needs no engine. True when everything is done."""
        first = self.source.peek()
        if first is NOTHING:
            self.ended = True
            return True
        self.only_computes = only_computes(self.func, first)
        self.opened = []
        if not self.only_computes:
            return False
        try:
            self.ended = self._open(self.opened)
        except BaseException as error:
            if not self.source.raised(error, self._rest):
                with_origin(error, len(self.results), at_least=self._index_is_least)
            self.source.close()
            raise
        self.done = len(self.results)
        return self.ended

    def _open(self, slices: list[tuple[int, float]]) -> bool:
        func, source, results = self.func, self.source, self.results
        sized, iterator, piece, done = source.total, source.begin(), 1, 0
        began = now = self.began
        while True:
            before, last = done, now
            rest = self._rest = islice(iterator, piece)
            results += map(func, rest)
            now = clock()
            done = len(results)
            got, took = done - before, now - last
            if not done:
                raise StopIteration  # there was a first item: the function raised it
            if got < piece:
                if ISLICE_TELLS and gave(rest):
                    raise StopIteration
                if source.has_ended(done, certain=got > 0, mapped=False):
                    return True
            slices.append((got, took))
            if not before:
                iterator = source.iterator
                if took > limits.SLICE_SECONDS:
                    return False
            per = took / got
            trivial = per < TRIVIAL_ITEM_SECONDS
            if sized is not None:
                least = limits.LEAST_TRIVIAL_SECONDS if trivial else limits.LEAST_GAIN_SECONDS
                if (sized - done) * per > least and (
                    now - began > FIRST_DECISION_SECONDS or (trivial and done > TRIVIAL_ITEMS)
                ):
                    return False
            elif trivial and done > limits.TRIVIAL_UNSEEN_ITEMS:
                self._index_is_least = is_inlined(func)
                self._rest = None
                self.results = all_of(func, iterator, results)
                mapped = not is_inlined(func)
                return source.has_ended(len(self.results), certain=False, mapped=mapped)
            elif now - began > FIRST_DECISION_SECONDS:
                return False
            if took < 0.5 * PIECE_SECONDS:
                piece = doubled(piece, done, sized)
            else:
                left = done if sized is None else sized - done
                piece = max(
                    1, int(min(PIECE_SECONDS / per, PIECE_SHARE * left, limits.UNSEEN_PIECE))
                )

    # -- with an engine -----------------------------------------------------------------------------

    def attend(
        self,
        spec: RunSpec,
        meter: Meter,
        watch: SliceWatch,
        usage: UsageLog,
        progress: Progress,
        index_of: Callable[[int], int] | None,
    ) -> None:
        """An engine measures the slices from now on. ``index_of`` gives the position in the data of an
        item by its position in this run, where that is another one."""
        options = spec.options
        self._on_error, self._usage, self._progress = options.on_error, usage, progress
        self.item_watch = ItemWatch(spec.func, numbered=options.seed is not None)
        self._meter, self._watch, self._index_of = meter, watch, index_of
        self._sample: list[Any] = []
        self._unattended = self._asked = False
        # What tries again, in reserve until something is to be tried again.
        self._patient: Any = None
        if limiter := self.source.limiter:
            limiter.attend(self._index, usage)
        patient = self.func is not spec.func and self.source.indexed and options.seed is None
        if limiter and not limiter.is_active and patient:
            self._patient, self.func = self.func, spec.func
        self._not_before = FIRST_DECISION_SECONDS

    def begin(self, began: float, *, unattended: bool, asked: bool) -> None:
        """The run began then. ``unattended``: no thread looks at the slices; ``asked``: each has an end
        and is asked about (results are journaled, or an event loop needs its turns)."""
        self.began, self._unattended, self._asked = began, unattended, asked
        self.context = nesting.caller_context()

    def wait_until(self, age: float) -> None:
        """Ask about no slice before the run has this age in seconds, but for the first."""
        self._not_before = age
        self._watch.begin_run(self.began, age)

    @property
    def samples(self) -> list[Any]:
        """Some results, the last ones last."""
        return self.results or self._sample

    def items_ahead(self, count: int) -> Sequence[Any]:
        """Up to ``count`` items that have not run, without taking them."""
        return self.source.sample(count, self.done)

    def slices(self) -> Iterator[SliceEnded]:
        """Compute in the caller until everything is done (see ``ended``), or workers take over."""
        results, source, watch, meter = self.results, self.source, self._watch, self._meter
        if results:  # of the first moments, or from before the run was measured
            last = self.opened[-1][1] if self.opened else 0.0
            yield self._slice_ended(last, first=len(results) == 1)
            self.item_watch.begin_if_asked(self.items_ahead, self.done)
        iterator = source.begin()
        piece, seconds = 1, 0.0
        while True:
            before = len(results)
            began = watch.begin_slice(before, open_ended=not piece)
            try:
                ended = self._slice(iterator, piece, seconds)
            except BaseException as error:
                results.append(self._stood_in(error, self._index_alone(piece)))
                ended = source.is_stopped
            took = clock() - began - source.slept()
            watch.sampler.end_slice()
            results = self.results
            done = self.done = len(results)
            meter.add(done - before, took)
            self._usage.slice(before, done - before, began, took)
            if watch.taken_over:  # the sampler started threads behind a long item
                meter.pause()
                return
            if ended and self._is_end(done - before, open_ended=not piece):
                self.ended = True
                return
            if not before:
                iterator = source.iterator
            if watch.late:
                iterator = source.rewind(done)
                watch.go_on()
                meter.forget()
            if self._progress.active:
                self._progress.update(done)
            young = began + took - self.began < self._not_before  # nothing is decided yet
            watched = self.item_watch.is_open
            if not (young and before) or self._asked or watched:
                meter.pause()
                self.item_watch.end(results)
                if not self.item_watch.asked:
                    made = watched and source.data is None
                    self.item_watch.look_ahead(self.items_ahead, made=made)
                    yield self._slice_ended(took, first=before == 0, watched=watched)
                self.item_watch.begin_if_asked(self.items_ahead, self.done)
                meter.resume()
                if source.peeked:
                    iterator = source.begin()
            if ended or not piece or not before:
                piece, seconds = 1, 0.0  # the first item may be unlike all others
            elif not seconds and took < 0.5 * PIECE_SECONDS:
                piece = doubled(piece, done, source.total)
            else:
                seconds = limits.later_slice_seconds(clock() - self.began)
                piece = piece_items(meter.item_seconds, done, source.total)
            if self.item_watch.is_open:
                piece, seconds = 1, 0.0
            elif meter.item_seconds and self._is_trivial():
                piece = 0

    def _slice_ended(
        self, seconds: float, *, first: bool, elapsed: float | None = None, watched: bool = False
    ) -> SliceEnded:
        now, meter = clock(), self._meter
        age = now - self.began if elapsed is None else elapsed
        running = self._watch.sampler.running
        item_seconds, items = meter.item_seconds, meter.items
        imported = first and self._watch.imported
        return SliceEnded(
            now, self.done, seconds, age, item_seconds, items, first, running, watched, imported
        )

    def _slice(self, iterator: Iterator[Any], piece: int, seconds: float) -> bool:
        """Run pieces of ``piece`` items until ``seconds`` are over, at least one. True when the items
        came to an end. A ``piece`` of 0 runs everything that is left and costs what a loop costs."""
        results, func = self.results, self.func
        if piece:
            end, total = clock() + seconds, self.source.total
            while True:
                before = len(results)
                rest = self._rest = islice(iterator, piece)
                results += map(func, rest)
                if len(results) - before < piece:
                    if ISLICE_TELLS and gave(rest):
                        raise StopIteration  # the function did, and map takes that for an end
                    return True
                if clock() >= end:
                    return False
                if total is not None and piece > PIECE_SHARE * (total - len(results)):
                    piece = max(1, int(PIECE_SHARE * (total - len(results))))
        self._rest = None
        self.results = all_of(func, iterator, results)
        if not is_inlined(func):
            data = self.source.data
            if data is not None and not self._watch.late and len(self.results) < len(data):
                raise StopIteration
        return True

    def _is_trivial(self) -> bool:
        """Items too short for a look at the clock: all that is left goes in one piece, which, of indexed
        data, the sampler's thread ends should the items become heavy."""
        meter = self._meter
        known = self._on_error != "raise" or self._patient is not None  # which item has raised
        if meter.item_seconds > TRIVIAL_ITEM_SECONDS or self._asked or known:
            return False
        if self._unattended:
            return meter.items > TRIVIAL_ITEMS
        source = self.source
        if not source.interruptible:
            return meter.items > limits.TRIVIAL_UNSEEN_ITEMS
        assert source.total is not None
        left = (source.total - self.done) * meter.item_seconds
        if meter.items <= TRIVIAL_ITEMS or left < limits.OBSERVED_SECONDS:
            return False
        self._watch.watch_pace(self.done)
        return True

    def _index_alone(self, piece: int) -> int:
        """Position of the item that has just raised in a slice."""
        if piece or not is_inlined(self.func):
            return len(self.results)  # the results before it were kept
        if self._watch.late and self._watch.interrupted_at is not None:
            return self._watch.interrupted_at - 1
        if self.source.interruptible:
            return self.source.taken() - 1
        self._index_is_least = True
        return len(self.results)

    def stream(self, on_failure: OnFailure) -> Iterator[SliceEnded | Iterable[Any]]:
        """As :meth:`slices`, and between its events runs of results to be iterated.

        The first item of a run is timed by itself; the consumer's time is not. ``on_failure`` is told of
        an error in a run of results, which goes straight to the consumer."""
        meter, source, watch = self._meter, self.source, self._watch
        if self._patient is not None:
            self._patient.begin_at(self.done)
            self.func, self._patient = self._patient, None
        counted = self._on_error != "raise" or self._progress.active or self._asked
        iterator = source.begin()
        size, spent = 1, 0.0
        while True:
            try:
                item = source.next_of(iterator)
            except StopIteration:
                source.note_end()
                self.ended = True
                return
            watched = self.item_watch.asked
            value, began, seconds = self._timed(item, watched=watched)
            if size > 1 and seconds < limits.CLOCK_ERROR_SECONDS:
                seconds = min(seconds, spent / (size - 1))
            self.done += 1
            if self.done == 1:
                iterator = source.iterator
            self._sample = [value]
            meter.add(1, seconds)
            self._usage.slice(self.done - 1, 1, began, seconds)
            meter.pause()
            self.item_watch.end((value,))
            if value is not SKIPPED:
                yield (value,)
            if watch.taken_over:
                return
            if watch.late:
                iterator = source.rewind(self.done)
                watch.go_on()
                meter.forget()
            if self._progress.active:
                self._progress.update(self.done)
            age = self.done * meter.item_seconds  # the consumer's time does not count
            if not self.item_watch.asked and (  # a trivial item is not worth a thought
                seconds >= TRIVIAL_ITEM_SECONDS
                or self._asked
                or watched
                or began - self.began > limits.SELDOM_SECONDS  # unless the run goes on for long
            ):  # Only now that the consumer has the last result.
                self.item_watch.look_ahead(self.items_ahead, made=watched and source.data is None)
                yield self._slice_ended(seconds, first=self.done == 1, elapsed=age, watched=watched)
            meter.resume()
            if source.peeked:
                iterator = source.begin()
            size = 1 if counted else limits.stream_run(size, seconds, self.done, source.total)
            if size < 2:
                continue
            meter.pause()
            offered = clock()
            yield self._serve(islice(iterator, size - 1), size - 1, on_failure)
            spent = clock() - offered  # by source, function and consumer: more than by the items
            meter.resume()

    def _timed(self, item: Any, *, watched: bool) -> tuple[Any, float, float]:
        """The result of one item of a stream, when it began, and the seconds that it took."""
        if watched:
            self._meter.pause()
            self.item_watch.begin((item,), self.done)
            self._meter.resume()
        began = self._watch.begin_slice(self.done, open_ended=False)
        try:
            value = self.func(item)
        except BaseException as error:
            value = self._stood_in(error, self.done)
        seconds = clock() - began - self.source.slept()
        self._watch.sampler.end_slice()
        return value, began, seconds

    def _serve(self, rest: Iterator[Any], size: int, on_failure: OnFailure) -> Iterator[Any]:
        """A run of results that nothing times, at the price of a loop."""
        func, given, total = self.func, 0, self.source.total
        try:
            if ISLICE_TELLS:
                for item in rest:
                    yield func(item)
            else:
                for item in rest:
                    given += 1
                    yield func(item)
                    given += 1  # odd in an item, even in the source
        except GeneratorExit:
            raise
        except BaseException as error:
            done = gave(rest) if ISLICE_TELLS else (given + 1) // 2 * (given & 1)
            if done and isinstance(error, Exception):
                with_origin(error, self._index(self.done + done - 1))
            on_failure(error)
            raise
        # The last run may be shorter than was asked for, and an islice at its end tells no more.
        if ISLICE_TELLS:
            self.done = self.done + size if total is None else min(self.done + size, total)
        else:
            self.done += given // 2

    def _is_end(self, got: int, *, open_ended: bool) -> bool:
        """A slice came out short: is that the end of the data?"""
        done = len(self.results)
        mapped = open_ended and not is_inlined(self.func)
        try:
            return self.source.has_ended(done, certain=bool(got) or self._watch.late, mapped=mapped)
        except StopIteration as error:
            raise with_origin(error, self._index(done)) from None

    def _index(self, position: int) -> int:
        return position if self._index_of is None else self._index_of(position)

    def _stood_in(self, error: BaseException, index: int) -> Any:
        """What stands in the place of an item that raised; raises where the run is to end."""
        if self.source.raised(error, self._rest):
            raise error
        if self._patient is not None:  # all others are tried as this one is
            self.func, self._patient = self._patient, None
            try:
                return self.func(self.source.data[index], error, index)  # type: ignore[index,call-arg]
            except Exception as last:
                error = last
        index = self._index(index)
        self.source.count_failed(1)
        return stand_in(error, index, self._on_error, at_least=self._index_is_least)


nesting.calls_lazily(LocalLoop._serve)
