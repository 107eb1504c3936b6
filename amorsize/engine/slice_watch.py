"""What is watched while the caller runs items: what one item changes, and how long the others take.

::

    policy --WatchItem--> ask --> LocalLoop runs one item --begin (first look) ... end (second look)-->
    findings --> Lookups: the verdict joins what the function's code says (Facts.safety)

    caller:   begin_slice ------ items in C, which only the data's iterator can end ------ end_slice
    sampler:      on_begin .. on_sample -> LongItem -> (threads start), or interrupt: it ends early

The looks at what an item changes are :mod:`amorsize.inspection.watch`. The sampler's thread writes
``late``, ``taken_over`` and ``interrupted_at`` only under the sampler's claim while the slice is open;
the caller reads them after ``end_slice``, which waits for the claim.
"""

from __future__ import annotations

import sys

from amorsize import inspection
from amorsize.core.frozen import replace
from amorsize.core.signals import held
from amorsize.engine.events import LongItem
from amorsize.engine.slices import FIRST_DECISION_SECONDS, TRIVIAL_ITEM_SECONDS
from amorsize.inspection.file_use import now
from amorsize.profiling.sampler import LATE_SECONDS, Sampler, clock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextvars import Context
    from typing import Any

    from amorsize.core.model import Safety
    from amorsize.inspection.watch import Verdict, Watch
    from amorsize.items.source import ItemSource
    from amorsize.profiling.meter import Meter


UNCHANGING = (int, float, complex, str, bytes, bool, type(None), tuple, frozenset, range)
MOST_COMPARED = 1_000_000
"""Items whose identities are compared."""
ONE_BY_ONE = "an item of its data is good only until the next one is read"


class ItemWatch:
    """The watch of one run. Used by the caller's thread only, but for :meth:`judged`."""

    def __init__(self, func: Any, *, numbered: bool) -> None:
        self._func, self._numbered = func, numbered
        self._since = now()
        self.asked = False
        """Whether the next item is to be watched."""
        self.verdict: Verdict | None = None
        self.uses_files = False
        """Whether the watched item made or changed a file."""
        self.asks = False
        """Whether its code asks which files are there, and may make some."""
        self._writes = False
        self._number = 0
        self._item: Any = None
        self._reused = self._pickles_itself = self._hears = False
        self._watch: Watch | None = None
        self._heard = sys.gettrace() is not None or sys.getprofile() is not None

    def judged(self, items: Sequence[Any], watching: bool, context: Context | None) -> Safety:
        """What the function's code says. ``context``: that of the caller, where this is another thread,
        which has neither the caller's ``threading.local`` nor its profiler."""
        judge, func = inspection.inspect_function, self._func
        if context is None:
            return judge(func, items, effects=watching)
        safety = context.copy().run(judge, func, items, effects=watching, callers_thread=False)
        if self._heard and safety.caller_only is None:
            return replace(
                safety, caller_only="a trace or profile function hears the caller's thread"
            )
        return safety

    @property
    def is_open(self) -> bool:
        """Whether an item runs between the two looks."""
        return self._watch is not None

    def ask(self) -> None:
        """Watch the next item."""
        self.asked = True

    def begin_if_asked(self, ahead: Callable[[int], Sequence[Any]], done: int) -> None:
        """As :meth:`begin`, of the item that comes next: it is not yet given out."""
        if self.asked:
            self.begin(ahead(1), done)

    def begin(self, items: Sequence[Any], done: int, thread: int | None = None) -> None:
        """The first look, at the item that runs next; there may be none. ``thread``: the identifier of
        the thread that it runs in, where that is another one."""
        self.asked = False
        if not len(items):
            return
        item = items[0][1] if self._numbered else items[0]
        self._number = done + 1
        self._pickles_itself = inspection.pickles_itself(item)
        with held():  # a look takes what is raised in it for the object's
            self._watch, self._item = (
                inspection.Watch(self._func, item).hear_files(
                    self._since, thread, surely=self._hears
                ),
                item,
            )
            self._writes, self.asks = self._watch.may_write, self._watch.asks

    @property
    def order_is_free(self) -> bool:
        """Whether an item was watched that changed nothing, and nothing is printed, written or drawn."""
        seen = self.verdict
        return not (
            seen is None
            or seen.changed
            or seen.pooled
            or seen.cut_short
            or seen.unwatched
            or seen.left_open
            or seen.drew_random
            or self._writes
        )

    def end(self, results: Sequence[Any] = ()) -> None:
        """The second look, after the item; ``results`` end with what it gave. It may ask for another."""
        watch, self._watch = self._watch, None
        if watch is not None:
            with held():
                self.verdict = watch.verdict(results[-1:])
            self.uses_files = watch.uses_files
            # It wrote somewhere, by code that names no file: one more, with an ear on where to.
            self.asked = self.verdict.files is None and not self._hears and not self.verdict.changed
            self._hears = self._hears or self.asked
            if self.verdict.files:  # the first item of the next run finds none that is new
                inspection.remember(self._func, self.verdict.files)

    def look_ahead(self, ahead: Callable[[int], Sequence[Any]], *, made: bool) -> None:
        """Read the next item, and see what that changes: the last item (a buffer that the source fills
        again, an element that it clears), or something else that the function reaches. Nothing to be seen
        where the source has not ``made`` its items."""
        if not made:
            return
        item, self._item = self._item, None
        with held():
            watch = inspection.Watch(self._func, item)
        for following in ahead(1):
            if self._numbered:
                following = following[1]
            self._reused = following is item and type(item) not in UNCHANGING
        with held():
            self._reused = self._reused or bool(watch.verdict().changed)

    def joined(self, safety: Safety, items: Sequence[Any] = (), data: Any = None) -> Safety:
        """What the code says, and what was seen. ``items``: the first, which may share parts. ``data``:
        all of them, where they are there."""
        verdict = self.verdict
        if verdict is None:
            return safety
        caller, processes = safety.caller_only, safety.no_processes
        if self._reused:
            caller = caller or ONE_BY_ONE
        if verdict.changed and verdict.changed != ("the item",):
            caller = caller or verdict.sentence(self._number)
        if verdict.unwatched or verdict.cut_short:  # then names decide: it may be what was not seen
            caller = caller or safety.unless_watched
        most = safety.most_threads
        for name, (own, kept) in verdict.pooled.items():
            processes = processes or f"{name} is a pool of connections"
            if kept:
                most = min(most or kept, kept)
            if own and safety.pool is None:  # no code was read that takes them in turns
                caller = caller or f"connections of {name} changed while item {self._number} ran"
        if self._pickles_itself and not len(items):
            processes = processes or "its items say themselves how they are pickled"
        if verdict.item_changed and (inspection.shared_parts(items) or _has_twice(data)):
            caller = caller or f"{verdict.sentence(self._number)}, and items share parts"
        if verdict.item_changed:
            processes = processes or verdict.sentence(self._number)
        if verdict.left_open:
            processes = processes or f"item {self._number} left {verdict.left_open[0]} open"
        elsewhere = safety.elsewhere
        if verdict.returned == "the item":
            elsewhere = elsewhere or f"item {self._number}, or a part of it, is its own result"
        elif verdict.returned:
            given = f"item {self._number} gave {verdict.returned}, an object of the caller's"
            processes = processes or given
        draws = safety.draws or ("the global random state" if verdict.drew_random else None)
        watched = f"item {self._number} was watched"
        if verdict.changed:
            watched = verdict.sentence(self._number)
        elif verdict.cut_short:
            watched += f", in part: {verdict.cut_short}"
        elif verdict.pooled:
            watched += f": it changed nothing but connections of {[*verdict.pooled][-1]}"
        elif verdict.unwatched:
            watched += f", but for {verdict.unwatched[0]}, which does not show its state"
        else:
            watched += ": it changed nothing"
        return replace(
            safety,
            caller_only=caller,
            no_processes=processes,
            draws=draws,
            elsewhere=elsewhere,
            most_threads=most,
            watched=watched,
            unless_watched=None,
        )


def _has_twice(data: Any) -> bool:
    """Is one object several items of a list? Asked only of items that are changed."""
    if type(data) not in (list, tuple) or len(data) > MOST_COMPARED:
        return False
    return len(set(map(id, data))) < len(data)


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
        self._to_read: Callable[[], None] | None = None
        """What the sampler's thread reads before its next sample."""
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

    def _begin(self, known: bool) -> bool:
        """A sample begins: where is the caller now? False when there is nothing to see.

        With the GIL ``known``, a sample is for the sake of a long item. The caller has none where it has
        begun two since the last sample, and its slice of counted items ends by itself: a sample of short
        items that read files costs them 0.3 ms."""
        read, self._to_read = self._to_read, None
        if read is not None:
            read()
        if _is_importing(self.sampler.caller):
            return False
        if self._source.interruptible:
            before, _ = self._seen
            self._seen = (self._source.taken(), clock())
            moves = self._seen[0] > before + 1
            return not (known and moves and not self._open_ended and read is None)
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
        return self._to_read is not None

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

    def read_first(self, read: Callable[[], None]) -> None:
        """Have modules read, then look again at once. Not under the claim: the caller's item may end."""
        self._to_read = read

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
