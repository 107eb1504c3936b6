"""A function and its data: nothing is consumed twice, and positions are never lost.

``ItemSource`` is the one place that knows which items are still to be done. The caller takes from its
front while it works alone; afterwards whoever works takes runs of positions from it, and gives back
what could not be done.
"""

from __future__ import annotations

import time
from _thread import allocate_lock
from itertools import chain, islice, pairwise

from amorsize.core.signals import released
from amorsize.items import kinds
from amorsize.items.kinds import Shifted, deque, is_indexed, is_snapshot, length_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Any

    from amorsize.core.refusal import Limiter
    from amorsize.items.reuse import KeptItems


ATOMIC_ITEMS = 1_000_000
"""Up to so many items an interruption takes them all at once (8 ms), and so knows how many there were."""


NOTHING = object()
"""Stands for the first item of data that have none."""


class ItemSource:
    """The items that no worker has begun, as runs of positions; thread-safe.

    Three kinds of data: *indexed* (positions are enough: a forked worker reads the item itself),
    *snapshots* (listed at hand-over, indexed from then on) and *fed* (an iterator that only one
    thread at a time may advance; items wait in a buffer of at most ``limit - position`` items).
    """

    def __init__(self, data: Iterable[Any]) -> None:
        self.total = length_of(data)
        self.data: Sequence[Any] | None = data if is_indexed(data) else None  # type: ignore[assignment]
        self._snapshot = self.data is None and is_snapshot(data)
        self.iterator: Iterator[Any] = iter(data)
        self.read_in = getattr(data, "read_in", None) or type(self.iterator).__module__
        """Module of the source's iterator: some are bound to a thread."""
        self.interruptible = self.data is not None and kinds.can_be_interrupted(self.iterator)
        self._first: tuple[Any, ...] = ()
        """The first item, where it was taken from the iterator to be looked at."""
        self.position = 0
        """First position that has not left the source (fed: not read from the source)."""
        self.exhausted = False
        self._failure: Exception | None = None
        self._handed_over = False
        self._limit: int | None = None
        """Positions at and beyond this one may not be taken yet (a stream's window)."""
        self._both_ends = True
        self.caller_reads_source = True
        """Whether the caller's own thread reads the source (else a thread of its own does)."""
        self._lock = allocate_lock()
        self.limiter: Limiter | None = None
        """What is asked before an item is handed out, if anything is."""
        self.is_stopped = False
        """Whether so many items have failed that nothing more is handed out."""
        self._runs: deque[tuple[int, int]] = deque()
        self._buffer: deque[Any] = deque()
        self._buffer_start = 0
        self._returned: deque[tuple[int, Sequence[Any]]] = deque()
        self._from_back = False
        self._ahead = 0
        """Runs in front that are to go before those at the back."""
        self._returns_items = False
        """Whether items may come back, by :meth:`give_back_later`: processes stay until all is done,
        threads come again."""
        self._later: list[tuple[float, int]] = []
        self._kept_items: KeptItems | None = None
        self._kept: dict[int, Any] = {}
        """Items that may come back, where a position is not enough to find them."""

    # -- while the caller works alone -----------------------------------------------------------

    def peek(self) -> Any:
        """The first item before anything was taken, ``NOTHING`` if there is none.

        Where only an iterator can tell, the item waits for :meth:`begin` or :meth:`hand_over`. Errors of
        the source pass."""
        if self.data is not None:
            return self.data[0] if len(self.data) else NOTHING
        if self._first:
            return self._first[0]
        for first in self.iterator:
            self._first = (first,)
            return first
        self.exhausted = True
        return NOTHING

    @property
    def peeked(self) -> bool:
        """Whether an item was taken from the iterator to be looked at; :meth:`begin` gives it out."""
        return bool(self._first)

    def begin(self) -> Iterator[Any]:
        """Iterator of everything that is left, the item first that was looked at."""
        first, self._first = self._first, ()
        return chain(first, self.iterator) if first else self.iterator

    def sample(self, count: int, done: int) -> Sequence[Any]:
        """Some items that have not run after ``done`` were, without taking them: up to ``count``, or one
        where the source must be read for it. Errors of the source pass. Only the thread that reads the
        source may call this before the hand-over."""
        if self.data is not None:
            return self.data[done : done + count]
        if self._handed_over:
            with self._lock:
                return list(islice(self._buffer, count))
        first = self.peek()
        return () if first is NOTHING else (first,)

    def has_ended(self, done: int, *, certain: bool, mapped: bool) -> bool:
        """A slice came out short after ``done`` items: is that the end of the data?

        ``map`` takes a StopIteration that the function raises for an end, which the plain loop lets
        through: it is raised here where that is seen. ``certain``: the function did not raise it;
        ``mapped``: there may be items left behind it."""
        if self.data is None:
            frame = getattr(self.iterator, "gi_frame", None)
            if frame is not None:  # a generator that is still alive did not end
                raise StopIteration
            self.exhausted = True
            if mapped and next(self.iterator, self) is not self:  # it had not ended
                raise StopIteration
            return True
        if done >= len(self.data):
            return True
        if certain:
            return False
        raise StopIteration

    def raised(self, error: BaseException, rest: Any) -> bool:
        """Whether an error is not an item's, ``rest`` being the islice that was run, if any: the source
        raised, or the user interrupted."""
        if not isinstance(error, Exception):
            return True
        if hasattr(self.iterator, "gi_frame"):
            return self.iterator.gi_frame is None
        return kinds.ISLICE_TELLS and rest is not None and not kinds.gave(rest)

    def note_end(self) -> None:
        """Whoever reads the source has come to its end, or gives it up: nothing more is read."""
        self.exhausted = True

    def rewind(self, position: int) -> Iterator[Any]:
        """Iterator over indexed data that goes on at ``position``, after an interrupted slice."""
        assert self.data is not None
        self.iterator = iter(self.data)
        self.iterator.__setstate__(position)  # type: ignore[attr-defined]
        return self.iterator

    def taken(self) -> int:
        """Position of the first item of indexed data that the caller's iterator has not taken."""
        assert self.total is not None
        return self.total - self.iterator.__length_hint__()  # type: ignore[attr-defined, no-any-return]

    def interrupt(self) -> int:
        """Make the caller's slice over indexed data end after the item it is in (another thread).

        Returns the position after that item. Taking position and items is one step under the GIL
        where few items are left; otherwise the position may, in principle, be one too low."""
        if self.iterator.__length_hint__() <= ATOMIC_ITEMS:  # type: ignore[attr-defined]
            assert self.total is not None
            return self.total - len(list(self.iterator))
        position = self.taken()
        self.iterator.__setstate__(self.total)  # type: ignore[attr-defined]
        return position

    # -- hand-over ------------------------------------------------------------------------------

    def hand_over(self, position: int) -> None:
        """From now on the rest, beginning at ``position``, is taken by :meth:`take`."""
        self.position = position
        self._handed_over = True
        first, self._first = self._first, ()
        if self._snapshot:
            rest = [*first, *self.iterator]
            self.data = Shifted(rest, position) if position else rest  # type: ignore[assignment]
            self.total = position + len(rest)
            self._snapshot = False
        if self.data is not None:
            assert self.total is not None
            self._runs.append((position, self.total))
            self.position = self.total
            self.exhausted = True
        elif first:  # it was looked at, and not begun
            self._buffer_start = position
            self._buffer.extend(first)
            self.position = position + 1

    def leave_out(self, done: Sequence[int], stop: int | None) -> None:
        """Of the indexed data just handed over, hand out neither the positions ``done`` (ascending, below
        ``stop``) nor those from ``stop`` on."""
        runs = [*self._runs]
        self._runs.clear()
        for lo, hi in runs:
            inside = [one for one in done if lo <= one < hi]
            edges = [lo - 1, *inside, hi if stop is None else min(hi, stop)]
            self._runs.extend((a + 1, b) for a, b in pairwise(edges) if a + 1 < b)

    def hand_out_first(self, positions: Sequence[int]) -> None:
        """Of the indexed data just handed over, hand these out before all others, one by one."""
        left = {place for lo, hi in self._runs for place in positions if lo <= place < hi}
        self.leave_out(sorted(left), None)
        first = [place for place in positions if place in left]
        self._runs.extendleft((place, place + 1) for place in reversed(first))
        self._ahead = len(first)

    def read_through(self, wrap: Callable[[Iterator[Any]], KeptItems]) -> None:
        """From now on the source is read through what keeps its items as they were."""
        self.iterator = self._kept_items = wrap(self.iterator)

    def hand_out_in_order(self, in_order: bool = True) -> None:
        """From now on items are taken from the front only, one after the other; or from both ends."""
        self._both_ends = not in_order

    @property
    def limit(self) -> int | None:
        """First position that may not be taken yet; None where there is no window."""
        return self._limit

    def open_to(self, limit: int) -> None:
        """Positions below ``limit`` may be taken: the consumer of a stream has come so far."""
        self._limit = limit

    def is_read_by_caller(self, by_caller: bool) -> None:
        """Whether the caller's own thread reads the source, or a thread of its own does."""
        self.caller_reads_source = by_caller

    @property
    def found_by_position(self) -> bool:
        """Whether a forked worker finds each item by its position, at the latest after the hand-over."""
        return self.data is not None or self._snapshot

    @property
    def has_ended_for_good(self) -> bool:
        """Nothing is left, and no item that was taken may come back."""
        return self.finished and not self._returns_items

    @property
    def indexed(self) -> bool:
        return self.data is not None

    @property
    def waiting(self) -> int:
        """Items that can be taken now or later without reading the source."""
        with self._lock:
            runs = sum(hi - lo for lo, hi in self._runs)
            returned = sum(len(items) for _, items in self._returned)
            return runs + returned + len(self._buffer) + len(self._later)

    @property
    def finished(self) -> bool:
        """Nothing is left and nothing will come (unless something is given back)."""
        if not self.exhausted:
            return False
        with self._lock:  # a taker has the rest of a run in hand for a moment
            return not (self._runs or self._returned or self._buffer or self._later)

    def left(self) -> int | None:
        """Items not yet taken, None when it is not known."""
        if self.exhausted:
            return self.waiting
        return None if self.total is None else max(0, self.total - self.position) + self.waiting

    def pull(self, count: int) -> int:
        """Read up to ``count`` items from the source into the buffer; only one thread may call it.

        Returns how many were read. An error of the source is its end (``raise_failure``)."""
        if self.exhausted:
            return 0
        if self._limit is not None:
            count = min(count, self._limit - self.position)
        kept = self._kept_items
        if kept is not None and kept.reads_one:
            count = 0 if kept.waits else min(count, 1)
        if count <= 0:
            return 0
        before = self.position
        buffer, lock = self._buffer, self._lock
        try:
            with released():
                for item in islice(self.iterator, count):
                    # A taker empties the buffer and then moves its start: not to be seen half done.
                    with lock:
                        if not buffer:
                            self._buffer_start = self.position
                        buffer.append(item)
                        self.position += 1
        except Exception as error:
            self._failure, self.exhausted = error, True
        except BaseException:
            self.exhausted = True
            raise
        if self.position - before < count:
            self.exhausted = True
        return self.position - before

    def take(self, count: int) -> tuple[int, Sequence[Any]] | None:
        """Up to ``count`` items of one run as (first position, items), None when there is none now."""
        with self._lock:
            if self._later:
                self._bring_back()
            if self._runs:
                run = self._take_run(count)
                if run is not None:
                    assert self.data is not None
                    return run[0], self.data[run[0] : run[1]]
            if self._returned:
                start, items = self._returned.popleft()
                if len(items) > count:
                    self._returned.appendleft((start + count, items[count:]))
                return start, items[:count]
            buffer = self._buffer
            if not buffer:
                return None
            start = self._buffer_start
            taken = [buffer.popleft() for _ in range(min(count, len(buffer)))]
            self._buffer_start += len(taken)
            if self._returns_items:
                self._kept.update(enumerate(taken, start))
            return start, taken

    def most_ahead(self, workers: int) -> int | None:
        """Most stretches that may lie ready for so many workers; None for as many as pay."""

    def next_of(self, iterator: Iterator[Any]) -> Any:
        """The next item; ``StopIteration`` where there is none, or none is handed out any more."""
        return next(iterator)

    def slept(self) -> float:
        """Seconds that the caller has slept inside of items since this was asked last."""
        return 0.0

    def told(self) -> dict[str, Any]:
        """What a run says of its calls: fields of :class:`amorsize.core.model.Run`."""
        return {} if self.limiter is None else self.limiter.told()

    def count_failed(self, count: int) -> None:
        """So many items more have failed for good; from any thread."""

    def take_or_pull(self, count: int) -> tuple[int, Sequence[Any]] | None:
        """As :meth:`take`, but where nothing waits and the caller reads the source, it is read first. For
        the caller's thread only."""
        run = self.take(count)
        ahead = self._buffer or self._returned  # it may not begin yet
        if run is None and not self.indexed and self.caller_reads_source and not ahead:
            self.pull(count)
            run = self.take(count)
        return run

    def take_run(self, count: int) -> tuple[int, int] | None:
        """As :meth:`take` for indexed data, as positions (first, one past the last)."""
        with self._lock:
            if self._later:
                self._bring_back()
            return self._take_run(count)

    def _take_run(self, count: int) -> tuple[int, int] | None:
        if not self._runs:
            return None
        if self._ahead:
            self._ahead -= 1
        elif self._both_ends and self._from_back:
            self._from_back = False
            lo, hi = self._runs.pop()
            cut = max(lo, hi - count)
            if cut > lo:
                self._runs.append((lo, cut))
            return cut, hi
        self._from_back = True
        lo, hi = self._runs[0]
        stop = hi if self._limit is None else min(hi, self._limit)
        cut = min(stop, lo + count)
        if cut <= lo:
            return None
        self._runs.popleft()
        if cut < hi:
            self._runs.appendleft((cut, hi))
        return lo, cut

    def give_back(self, start: int, items: Sequence[Any] | int) -> None:
        """Put a run back in front: its items (fed) or the number of its positions (indexed)."""
        with self._lock:
            if isinstance(items, int):
                self._runs.appendleft((start, start + items))
            else:
                self._returned.appendleft((start, items))

    def raise_failure(self) -> None:
        """All items before are done: raise what reading the source has raised, if anything."""
        if self._failure is not None and not self.is_stopped:
            raise self._failure

    def end_before(self, position: int) -> None:
        """Nothing from ``position`` on is handed out or read any more."""
        with self._lock:
            self.exhausted = True
            self._buffer.clear()  # read in order, so all of it lies behind what has been taken
            self._runs = deque((lo, min(hi, position)) for lo, hi in self._runs if lo < position)

    # -- items that come back later -------------------------------------------------------------

    def keep_items(self) -> None:
        """From now on items that were taken may come back, until they are forgotten."""
        self._returns_items = True

    def forget_items(self, start: int, count: int) -> None:
        """So many items from ``start`` on are done."""
        if self._kept:
            for position in range(start, start + count):
                self._kept.pop(position, None)

    def give_back_later(self, position: int, due: float) -> None:
        """Put one item back; it can be taken when the monotonic clock says ``due``."""
        with self._lock:
            self._later.append((due, position))
            self._later.sort()

    def _bring_back(self) -> None:
        now = time.monotonic()
        while self._later and self._later[0][0] <= now:
            _, position = self._later.pop(0)
            if self.indexed:
                self._runs.appendleft((position, position + 1))
            else:
                self._returned.appendleft((position, [self._kept[position]]))

    def read_elsewhere(self) -> None:
        """From now on another thread than the caller's reads the source, by :meth:`pull`."""
        self.caller_reads_source = False

    def close(self) -> None:
        """Close the source if it can be closed (a generator that was abandoned)."""
        if self.data is None and not self.exhausted:
            close = getattr(self.iterator, "close", None)
            if close is not None:
                close()
