"""What the sampler's thread does beside a slice of the caller: see a long item, end a slice that grew
heavy.

::

    caller:   begin_slice -------- items in C, which nothing but the data's iterator can end --------
    end_slice sampler:        on_begin .. on_sample -> LongItem -> (threads start) or interrupt -> the
    slice ends early

The sampler's thread writes ``late``, ``taken_over`` and ``interrupted_at`` only under the sampler's
claim while the slice is open; the caller reads them after ``end_slice``, which waits for the claim.
"""

from __future__ import annotations

import sys

from amorsize.engine.events import LongItem
from amorsize.engine.slices import FIRST_DECISION_SECONDS, TRIVIAL_ITEM_SECONDS
from amorsize.profiling.sampler import LATE_SECONDS, Sampler, clock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from amorsize.items.source import ItemSource
    from amorsize.profiling.meter import Meter

INNER_BUSY = 1.3
"""CPU seconds a second of the process above which the item is taken to be parallel inside."""
WORTH_SECONDS = 0.0015
"""The sampler ends a slice only when more than this is left."""


class SliceWatch:
    """Looks at the caller's slices from the sampler's thread.

    ``on_long_item(event)`` is asked to start threads behind a long item, and tells whether it did;
    ``on_ramp(late_seconds)`` then to start more, and whether to be asked again soon."""

    def __init__(
        self,
        source: ItemSource,
        meter: Meter,
        on_long_item: Callable[[LongItem], bool],
        on_ramp: Callable[[float], bool],
    ) -> None:
        self._source, self._meter = source, meter
        self._on_long_item, self._on_ramp = on_long_item, on_ramp
        self.sampler = Sampler(meter, self._begin, self._sample)
        self.late = False
        """Whether the slice was made to end."""
        self.taken_over = False
        """Whether threads run what is behind the caller's item."""
        self.interrupted_at: int | None = None
        """First item that the interrupted slice did not run."""
        self._began = clock()
        self._not_before = FIRST_DECISION_SECONDS
        self._open_ended = False
        self._done = self._modules = 0
        self._seen = (0, 0.0)
        """Position and time at which the present sample began."""

    # -- in the caller ----------------------------------------------------------------------------

    def begin_run(self, began: float, not_before: float) -> None:
        """The run began at this time; it decides nothing before it has this age."""
        self._began, self._not_before = began, not_before
        self._modules = len(sys.modules)

    @property
    def imported(self) -> bool:
        """Whether modules have been imported since the last word of when the run may decide."""
        return len(sys.modules) > self._modules

    def begin_slice(self, done: int, *, open_ended: bool) -> float:
        """A slice begins after ``done`` items; ``open_ended``: its only end is that of the data."""
        self._done, self._open_ended = done, open_ended
        return self.sampler.begin_slice()

    def go_on(self) -> None:
        """The interrupted slice is over; the next ones are looked at as ever."""
        self.late = False
        self.sampler.look_closely()

    def watch_pace(self, done: int) -> None:
        """Look at nothing but the pace of trivial items from now on, if nothing looks yet."""
        if not self.sampler.running:
            self._seen = (done, clock())
            self.sampler.start(self._look_at_pace)

    # -- in the sampler's thread ------------------------------------------------------------------

    def _begin(self) -> bool:
        """A sample begins: where is the caller now? False when there is nothing to see."""
        if _is_importing(self.sampler.caller):
            return False
        if self._source.interruptible:
            self._seen = (self._source.taken(), clock())
        return True

    def _sample(self, cpu_share: float, busy: float, late: float) -> bool:
        """A sample ends, under the sampler's claim: is the slice to end? True for another one soon."""
        if self.taken_over:
            return self._on_ramp(1.0 if cpu_share > 0.5 else late)
        if not self._source.interruptible or self.late:
            return False
        position, now = self._source.taken(), clock()
        slice_began = self.sampler.slice_began
        if now - slice_began < LATE_SECONDS:
            return False
        last_position, last_time = self._seen
        if last_time < slice_began:
            last_position, last_time = self._done, slice_began
        inside = busy > INNER_BUSY  # it has threads of its own at work already
        if position <= last_position + 1 and not inside and self._is_helped(position, cpu_share):
            return True
        if self._open_ended:  # a slice of counted items ends by itself
            self._end_heavy(position, (now - last_time) / max(1, position - last_position))
        return False

    def _is_helped(self, position: int, cpu_share: float) -> bool:
        """Whether threads were started behind the long item that the caller is in."""
        now, meter = clock(), self._meter
        item = LongItem(
            now,
            position,
            cpu_share,
            now - self.sampler.slice_began,
            meter.item_seconds,
            self.sampler.caller_seconds() / max(now - self._began, 1e-9),
            meter.gil_free_share(),
        )
        if not self._on_long_item(item):
            return False
        self.taken_over = self.late = True
        return True

    def interrupt(self) -> int:
        """Make the caller's slice end after the item it is in: the first position that it will not
        run."""
        self.interrupted_at = position = self._source.interrupt()
        return position

    def _look_at_pace(self) -> None:
        """Beside an open-ended slice: are the items still trivial?"""
        last_position, last_time = self._seen
        position, now = self._source.taken(), clock()
        self._seen = (position, now)
        if position <= last_position + 1:
            self.sampler.look_closely()  # one long item: see what it does
        elif self._open_ended and not self.late:
            self._end_heavy(position, (now - last_time) / max(1, position - last_position))

    def _end_heavy(self, position: int, item_seconds: float) -> None:
        """End the open-ended slice if its items now take so long that something is to be won."""
        assert self._source.total is not None
        left_seconds = (self._source.total - position) * item_seconds
        if item_seconds < TRIVIAL_ITEM_SECONDS or left_seconds < WORTH_SECONDS:
            return
        if clock() - self._began >= self._not_before:
            self.interrupt()
            self.late = True


def _is_importing(thread: int) -> bool:
    """Whether a thread is in the middle of an import: what it does is not what its items do, and
    other threads would wait for its half-made modules."""
    frame = sys._current_frames().get(thread)
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False
