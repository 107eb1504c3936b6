"""Items at spread positions, run in the caller before workers start, so that sorted data do not deceive.

::

    policy --RunSpread--> asked --run--> an item here, an item there: SpreadSeen --> policy chooses again
                                  | at the hand-over
                                  +--> results in their places; these positions are not handed out

An exception does not end the run at once: it is the run's only if no item before it raises, so that the
lowest failing index is the one raised, as in the loop. Then items beyond it never run.
"""

from __future__ import annotations

import time

from amorsize.engine.events import SpreadSeen
from amorsize.items.call import with_origin
from amorsize.profiling.spread import spread_positions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from amorsize.engine.commands import RunSpread
    from amorsize.engine.local_loop import LocalLoop
    from amorsize.items.collector import ResultCollector, UsageLog
    from amorsize.profiling.meter import Meter

clock = time.perf_counter

SPREAD_SHARE = 0.05
"""Of the seconds ahead that the caller may spend on items at spread positions; half of it is lost, as
they are items that are to be done."""
MOST_SPREAD = 64
"""Their mean is then known to an eighth of their spread."""


class SpreadItems:
    """What ran at spread positions in one run. Used by the caller's thread only."""

    def __init__(self, loop: LocalLoop, meter: Meter, asked: RunSpread) -> None:
        self._loop, self._meter = loop, meter
        self.asked: RunSpread | None = asked
        """What is to be run as soon as the caller is free."""
        self.results: dict[int, Any] = {}
        self.failure: tuple[int, Exception] | None = None
        """The item that raised, and what."""

    def run(self, usage: UsageLog) -> SpreadSeen:
        """Run them, as long as they take less than their share of what is ahead."""
        command, self.asked = self.asked, None
        source, meter, done = self._loop.source, self._meter, self._loop.done
        assert command is not None and source.data is not None and source.total is not None
        data, func, ahead = source.data, self._loop.func, (done, source.total)
        spent = 0.0
        meter.resume()
        for position in spread_positions(*ahead):
            item_seconds = meter.item_seconds
            expected = (source.total - done) * item_seconds / command.speedup
            if spent + item_seconds > SPREAD_SHARE * expected or len(self.results) >= MOST_SPREAD:
                break
            item, began = data[position], clock()
            try:
                self.results[position] = func(item)
            except Exception as error:
                self.failure = position, error
                break
            seconds = clock() - began
            spent += seconds
            usage.slice(position, 1, began, seconds)
            meter.add_spread(position, seconds, ahead)
        meter.pause()
        return SpreadSeen(clock(), clock() - self._loop.began, done, len(self.results))

    def hand_over(self, collector: ResultCollector) -> None:
        """What is handed out from now on leaves these positions out; their results are there."""
        if not self.results and self.failure is None:
            return
        stop = None if self.failure is None else self.failure[0]
        done = sorted(one for one in self.results if stop is None or one < stop)
        self._loop.source.leave_out(done, stop)
        for position in done:
            collector.place(position, (self.results[position],))
        self.results = {}

    def raise_failure(self) -> None:
        """All items before it are done: raise what the item has raised."""
        if self.failure is not None:
            position, error = self.failure
            raise with_origin(error, position)
