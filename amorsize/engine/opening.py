"""The opening of a run: its first moments, before anything else is worth a thought.

A function that surely only computes needs nobody to watch its first items, and a run shorter than the
first decision needs nothing else: no meter, no observer, no engine. What is left goes on from there.
"""

from __future__ import annotations

import time
from itertools import islice

from amorsize.inspection.purity import only_computes
from amorsize.items.call import with_origin
from amorsize.items.source import ISLICE_TELLS, NOTHING, ItemSource, gave

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

clock = time.perf_counter

SLICE_SECONDS = 0.0005
"""Slices grow until they last so long: the 3 µs that bracket one are then below 1 %."""
PIECE_SECONDS = 0.00005
"""Items between two looks at the clock last so long; a look costs 0.35 µs."""
PIECE_SHARE = 0.03
"""...and are not more than this share of those left."""
DOUBLED_SHARE, DOUBLED_ITEMS = 0.125, 16
"""Slices too short to say what an item costs double up to this share of what is left, or so many items:
they could be the heavy end of the data, all in one slice that nothing ends. Without the bound one run in
60 did 60 heavy items after 5,000 light ones alone; 1,500 trivial items pay 27 µs for it."""
UNSEEN_PIECE = 1024
"""...nor more than this."""
TRIVIAL_ITEM_SECONDS = 2.5e-7
"""Items below this are not worth carrying anywhere (pickling a result costs as much), and dear to
count: bracketing them in slices costs 5 ns each (benchmarks/speed/special.py, 10,000,000 items)."""
TRIVIAL_ITEMS = 255
"""So many trivial items are evidence enough where the observer can end what follows (slices of 1, 2,
4 ... 128 items)..."""
TRIVIAL_UNSEEN_ITEMS = 4096
"""...and so many where nothing can: the data are an iterator."""
FIRST_DECISION_SECONDS = 0.0015
"""Nothing is considered before: what is done by then is not worth a worker."""
LEAST_GAIN_SECONDS = 0.0015
"""Nothing is considered when less than this is left."""
LEAST_TRIVIAL_SECONDS = 0.004
"""...or less than this of trivial items: slices cost them 6 %, and an engine with an observer 0.3 ms."""

_INLINED = (type(lambda: None), type)
"""Functions that a comprehension calls faster than map does."""


def is_inlined(func: object) -> bool:
    """Whether a comprehension calls the function faster than ``map`` does: functions of Python, types."""
    return type(func) in _INLINED


def all_of(func: Callable[[Any], Any], iterator: Iterator[Any], results: list[Any]) -> list[Any]:
    """``results`` and those of all items that the iterator has left, at the price of a loop.

    The two forms are the two fastest of Python. In the comprehension the function is a local variable,
    which the loop's own often is not: that pays for what was measured before."""
    if not is_inlined(func):
        results += map(func, iterator)
        return results
    part = [call(item) for call, items in ((func, iterator),) for item in items]
    if len(part) > len(results):
        part[:0] = results
        return part
    results += part
    return results


def doubled(piece: int, done: int, sized: int | None) -> int:
    """The piece after one that was so short that its time says little."""
    if sized is None:
        return 2 * piece
    return min(2 * piece, max(DOUBLED_ITEMS, int(DOUBLED_SHARE * (sized - done))))


class Opening:
    """The first items of one run, with default options, in slices that grow."""

    def __init__(self, func: Callable[[Any], Any], data: Iterable[Any]) -> None:
        self.began = clock()
        self.func, self.source = func, ItemSource(data)
        self.results: list[Any] = []
        self.slices: list[tuple[int, float]] = []
        """Items and seconds of each slice."""
        self.only_computes = False
        self._rest: Any = None
        self._index_is_least = False

    def run(self) -> bool:
        """True when everything is done: the results are there. False when an engine is to go on."""
        first = self.source.peek()
        if first is NOTHING:
            return True
        self.only_computes = only_computes(self.func, first)
        if not self.only_computes:
            return False
        try:
            return self._run()
        except BaseException as error:
            if not self.source.raised(error, self._rest):
                with_origin(error, len(self.results), at_least=self._index_is_least)
            self.source.close()
            raise

    def _run(self) -> bool:
        func, source, results, slices = self.func, self.source, self.results, self.slices
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
                if took > SLICE_SECONDS:
                    return False
            per = took / got
            trivial = per < TRIVIAL_ITEM_SECONDS
            if sized is not None:
                least = LEAST_TRIVIAL_SECONDS if trivial else LEAST_GAIN_SECONDS
                if (sized - done) * per > least and (
                    now - began > FIRST_DECISION_SECONDS or (trivial and done > TRIVIAL_ITEMS)
                ):
                    return False
            elif trivial and done > TRIVIAL_UNSEEN_ITEMS:
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
                piece = max(1, int(min(PIECE_SECONDS / per, PIECE_SHARE * left, UNSEEN_PIECE)))
