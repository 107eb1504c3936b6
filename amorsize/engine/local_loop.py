"""Working alone: the caller's own loop, in slices that are measured, until somebody takes over.

::

    one item, 1, 2, 4 ... items, then slices of pieces --trivial?--> everything left in one piece
        after each slice: is it decided?                                 ended by the observer
"""

from __future__ import annotations

import sys
from itertools import islice

from amorsize.engine.opening import (
    PIECE_SECONDS,
    PIECE_SHARE,
    SLICE_SECONDS,
    TRIVIAL_ITEM_SECONDS,
    TRIVIAL_ITEMS,
    TRIVIAL_UNSEEN_ITEMS,
    UNSEEN_PIECE,
    all_of,
    doubled,
    is_inlined,
)
from amorsize.errors import ItemError
from amorsize.items.call import format_traceback, with_origin
from amorsize.items.collector import SKIPPED
from amorsize.items.source import ISLICE_TELLS, gave
from amorsize.profiling import sampler as measurement
from amorsize.profiling.meter import Meter
from amorsize.profiling.sampler import Observer, clock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    from amorsize.core.options import Options
    from amorsize.items.source import ItemSource
    from amorsize.items.usage import UsageLog

SLICE_SHARE = 0.15
"""...later this share of the time since the start, so that considering (10-100 µs) stays below 1 %."""
LONGEST_SLICE_SECONDS = 0.05
"""...and not more, for progress to be seen."""
STREAM_RUN = 32_768
"""Items from one timed one to the next of a stream that works alone: 30 µs of timing on 50 ns each."""
STREAM_RUN_SECONDS = 0.002
"""...and seconds: timing stays near 2 %."""
CLOCK_ERROR_SECONDS = 2e-6
"""An item timed by itself seems to take up to so much, however short it is."""
INNER_BUSY = 1.3
"""CPU seconds a second of the process above which the item is taken to be parallel inside."""
OBSERVED_SECONDS = 0.001
"""Less than this is left to pieces: an observer's start and end cost 0.25 ms, pieces some 2 %."""
WORTH_SECONDS = 0.0015
"""The observer ends a slice only when more than this is left."""


class Alone:
    """The caller's loop of one run.

    ``is_decided(first, seconds)`` is asked after each slice whether the loop is to stop (its choice is
    made; workers may have been started); ``start_behind(position, cpu_share)`` is asked, in the
    observer's thread, to start workers on the items from ``position`` on while the caller is in a long
    item, ``grow_behind(late)`` then to start more of them; ``taken_over()``
    tells whether workers are at work.
    """

    def __init__(
        self,
        func: Callable[[Any], Any],
        source: ItemSource,
        meter: Meter,
        options: Options,
        progress: Any,
        is_decided: Callable[[bool, float], bool],
        start_behind: Callable[[int, float], bool],
        grow_behind: Callable[[float], bool],
        taken_over: Callable[[], bool],
    ) -> None:
        self.func, self.source, self.meter, self.options = func, source, meter, options
        self.progress = progress
        self.is_decided, self.start_behind = is_decided, start_behind
        self.grow_behind = grow_behind
        self.taken_over = taken_over
        self.observer = Observer(meter, self._glance, self._look)
        self.results: list[Any] = []
        self.done = 0
        """Items done, also where a stream has given the results away."""
        self.opened_seconds = 0.0
        """What the last slice of an opening took."""
        self.sample: list[Any] = []
        """Some result, where they are not kept."""
        self.unattended = True
        """Nothing is to be decided: one item, one backend, or a nested call."""
        self.not_before = 0.0
        """Seconds from the start before which the observer lets a slice go on."""
        self.started = 0.0
        self.streaming = False
        self.failed: Callable[[BaseException], None] = _pass
        """Told of an error in a run of results, which goes straight to the consumer."""
        self.usage: UsageLog | None = None
        """Who wants to know of each slice."""
        self.journaled = False
        """Somebody looks at the results after each slice: none is open-ended."""
        self.bounded = False
        """None is open-ended, and each is asked about: an event loop beside it needs its turns (a loop in
        C never lets go of the GIL), and may end the run."""
        self.interrupted_at: int | None = None
        self._late = False
        """The observer has made the slice end."""
        self._open_ended = False
        """The slice has no end of its own but that of the data."""
        self._rest: Any = None
        """The present piece of items, an islice."""
        self._index_is_least = False
        """Items too short to be counted one by one: an error's index is only a lower bound."""
        self._seen = (0, 0.0)
        """Position and time at which the observer's present look began."""

    def elapsed(self) -> float:
        """Seconds since the start; of a stream, those that went into items."""
        if self.streaming:
            return self.done * self.meter.item_seconds
        return clock() - self.started

    def run(self) -> bool:
        """Compute in the caller. True when everything is done, False when workers take over (while
        measuring: when it is clear how to go on)."""
        results, source, observer = self.results, self.source, self.observer
        if results and self.is_decided(len(results) == 1, self.opened_seconds):
            return False  # an opening went before
        iterator = source.begin()
        piece, seconds = 1, 0.0
        while True:
            before = len(results)
            self._open_ended = not piece
            began = observer.begin_slice()
            try:
                ended = self._slice(iterator, piece, seconds)
            except BaseException as error:
                results.append(self._stood_in(error, self._index_alone(piece)))
                ended = False
            took = clock() - began
            observer.end_slice()
            results = self.results
            done = self.done = len(results)
            self.meter.add(done - before, took)
            if self.usage is not None:
                self.usage.slice(before, done - before, began, took)
            if self.taken_over():  # the observer started threads behind a long item
                return False
            if ended and self._is_end(done - before):
                return True
            if not before:
                iterator = source.iterator
            if self._late:
                iterator = source.rewind(done)
                self._late = False
                self.meter.forget()
                observer.on_brief = None
            if self.progress.active:
                self.progress.update(done)
            young = began + took - self.started < self.not_before  # nothing is decided yet
            if not (young and before) or self.journaled or self.bounded:
                self.meter.pause()
                if self.is_decided(before == 0, took):
                    return False
                self.meter.resume()
            if ended or not piece or not before:
                piece, seconds = 1, 0.0  # the first item may be unlike all others
            elif not seconds and took < 0.5 * PIECE_SECONDS:
                piece = doubled(piece, done, source.total)
            else:
                seconds = max(
                    SLICE_SECONDS, min(SLICE_SHARE * self.elapsed(), LONGEST_SLICE_SECONDS)
                )
                piece = self._piece()
            if self.meter.item_seconds and self._is_trivial():
                piece = 0

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
            if data is not None and not self._late and len(self.results) < len(data):
                raise StopIteration
        return True

    def _piece(self) -> int:
        """Items to run without a look at the clock.

        Nothing can end a piece, so where items suddenly become heavy a whole one of them is paid in
        the caller: at most 50 µs of items as they are now, and 3 % of those that are left."""
        per, total = self.meter.item_seconds, self.source.total
        most = self.done if total is None else total - self.done
        wanted = int(PIECE_SECONDS / per) if per > 0 else UNSEEN_PIECE
        return max(1, min(wanted, int(PIECE_SHARE * most), UNSEEN_PIECE))

    def _is_trivial(self) -> bool:
        """Items so short that a look at the clock is too dear: all that is left goes in one piece.

        Where the data are indexed an observer ends it should the items become heavy."""
        meter = self.meter
        if meter.item_seconds > TRIVIAL_ITEM_SECONDS or self.options.on_error != "raise":
            return False
        if self.journaled or self.bounded:
            return False
        if self.unattended:
            return meter.items > TRIVIAL_ITEMS
        if not self.source.interruptible:
            return meter.items > TRIVIAL_UNSEEN_ITEMS
        source = self.source
        assert source.total is not None
        left = (source.total - self.done) * meter.item_seconds
        if meter.items <= TRIVIAL_ITEMS or left < OBSERVED_SECONDS:
            return False
        if not self.observer.running:
            self._seen = (self.done, clock())
            self.observer.start(self._look_at_pace)
        return True

    def _index_alone(self, piece: int) -> int:
        """Position of the item that has just raised in a slice."""
        if piece or not is_inlined(self.func):
            return len(self.results)  # the results before it were kept
        if self._late and self.interrupted_at is not None:
            return self.interrupted_at - 1
        if self.source.interruptible:
            return self.source.taken() - 1
        self._index_is_least = True
        return len(self.results)

    def stream(self) -> Iterator[Iterable[Any]]:
        """As :meth:`run`, giving each result out at once, as runs of results to be iterated.

        The first item of a slice is timed by itself. What the consumer does between two results is
        nobody's measurement: the meter pauses, the observer looks away."""
        func, meter, source, observer = self.func, self.meter, self.source, self.observer
        counted = self.options.on_error != "raise" or self.progress.active or self.journaled
        iterator = source.begin()
        size, spent = 1, 0.0
        while True:
            try:
                item = next(iterator)
            except StopIteration:
                source.exhausted = True
                return
            began = observer.begin_slice()
            try:
                value = func(item)
            except BaseException as error:
                value = self._stood_in(error, self.done)
            seconds = clock() - began
            observer.end_slice()
            if size > 1 and seconds < CLOCK_ERROR_SECONDS:
                seconds = min(seconds, spent / (size - 1))
            self.done += 1
            if self.done == 1:
                iterator = source.iterator
            self.sample = [value]
            meter.add(1, seconds)
            if self.usage is not None:
                self.usage.slice(self.done - 1, 1, began, seconds)
            meter.pause()
            if value is not SKIPPED:
                yield (value,)
            if self.taken_over():
                return
            if self._late:
                iterator = source.rewind(self.done)
                self._late = False
                meter.forget()
            if self.progress.active:
                self.progress.update(self.done)
            if self.is_decided(self.done == 1, seconds):
                return
            meter.resume()
            size = 1 if counted else self._next_run(size, seconds)
            if size < 2:
                continue
            meter.pause()
            offered = clock()
            yield self._serve(islice(iterator, size - 1), size - 1)
            spent = clock() - offered  # by source, function and consumer: more than by the items
            meter.resume()

    def _serve(self, rest: Iterator[Any], size: int) -> Iterator[Any]:
        """A run of results that nobody times, at the price of a loop."""
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
                with_origin(error, self.done + done - 1)
            self.failed(error)
            raise
        # The last run may be shorter than was asked for, and an islice at its end tells no more. (To
        # count items would cost trivial ones 28 %: where the length is unknown, too many are told.)
        if ISLICE_TELLS:
            self.done = self.done + size if total is None else min(self.done + size, total)
        else:
            self.done += given // 2

    def _next_run(self, size: int, seconds: float) -> int:
        """Items of a stream from one that is timed to the next."""
        total = self.source.total
        left = self.done if total is None else total - self.done
        quick = int(STREAM_RUN_SECONDS / seconds) if seconds > 0 else STREAM_RUN
        least = 4 * quick * PIECE_SECONDS / STREAM_RUN_SECONDS
        return min(2 * size, quick, STREAM_RUN, 1 + int(max(least, 2 * PIECE_SHARE * left)))

    def _is_end(self, got: int) -> bool:
        """A slice came out short: is that the end of the data?"""
        done = len(self.results)
        certain, mapped = bool(got) or self._late, self._open_ended and not is_inlined(self.func)
        try:
            return self.source.has_ended(done, certain=certain, mapped=mapped)
        except StopIteration as error:
            raise with_origin(error, done) from None

    def _stood_in(self, error: BaseException, index: int) -> Any:
        """What stands in the place of an item that raised; raises where the run is to end."""
        if self.source.raised(error, self._rest):
            raise error
        if self.options.on_error == "raise":
            raise with_origin(error, index, at_least=self._index_is_least)
        if self.options.on_error == "skip":
            return SKIPPED
        assert isinstance(error, Exception)
        return ItemError(index, error, format_traceback(error))

    # -- beside a slice, in the observer's thread ------------------------------------------------

    def _glance(self) -> bool:
        """Called when a look begins: where is the caller now? False when there is nothing to see."""
        if _is_importing(self.observer.caller):
            return False
        if self.source.interruptible:
            self._seen = (self.source.taken(), clock())
        return True

    def _look(self, cpu_share: float, busy: float, late: float) -> bool:
        """Called beside the caller's slice, under the observer's claim: is it to end? True to look
        again soon."""
        if self.taken_over():
            return self.grow_behind(1.0 if cpu_share > 0.5 else late)
        if not self.source.interruptible or self._late:
            return False
        return self._is_stuck(cpu_share, busy)

    def _is_stuck(self, cpu_share: float, busy: float) -> bool:
        """End the slice, and start threads behind it where they help. True if they were started."""
        source, now = self.source, clock()
        position, age = source.taken(), now - self.observer.slice_began
        if age < measurement.LATE_SECONDS:
            return False
        last_position, last_time = self._seen
        if last_time < self.observer.slice_began:
            last_position, last_time = self.done, self.observer.slice_began
        inside = busy > INNER_BUSY  # it has threads of its own at work already
        if position <= last_position + 1 and not inside and self.start_behind(position, cpu_share):
            self._late = True
            return True
        if self._open_ended:  # a slice of counted items ends by itself
            self._end_heavy(position, (now - last_time) / max(1, position - last_position))
        return False

    def _look_at_pace(self) -> None:
        """Called beside an open-ended slice: are the items still trivial?"""
        last_position, last_time = self._seen
        position, now = self.source.taken(), clock()
        self._seen = (position, now)
        if position <= last_position + 1:
            self.observer.on_brief = None  # one long item: see what it does
        elif self._open_ended and not self._late:
            self._end_heavy(position, (now - last_time) / max(1, position - last_position))

    def _end_heavy(self, position: int, per: float) -> None:
        """End the open-ended slice if its items now take so long that something is to be won."""
        source = self.source
        assert source.total is not None
        if per < TRIVIAL_ITEM_SECONDS or (source.total - position) * per < WORTH_SECONDS:
            return
        if clock() - self.started >= self.not_before:
            self.interrupted_at = source.interrupt()
            self._late = True


def _pass(error: BaseException) -> None:
    """Nobody is told."""


def _is_importing(thread: int) -> bool:
    """Whether a thread is in the middle of an import: what it does is not what its items do, and
    others would wait for its half-made modules."""
    frame = sys._current_frames().get(thread)
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False
