"""A source that asks before it hands an item out: for runs with ``rate``, ``retries`` or ``max_errors``.

::

    backend --take--> may it begin? --Limiter--> the item, or none now
    collector --count_failed--> too many: nothing more is handed out
"""

from __future__ import annotations

from _thread import allocate_lock

from amorsize.items.source import ItemSource

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any

    from amorsize.core.refusal import Limiter


class LimitedSource(ItemSource):
    """As :class:`ItemSource`; ``limiter`` is asked for each start once it is active."""

    def __init__(self, data: Iterable[Any], limiter: Limiter | None, most: int | None) -> None:
        super().__init__(data)
        self.limiter = limiter
        self._errors_left = most
        """Items that may still fail for good before nothing more is handed out; None for any number."""
        self.handed_out = 0
        """Items that were taken since the hand-over and did not come back."""
        self._asking = allocate_lock()
        """Held while a start is asked for: what an item costs is the user's code."""

    def count_failed(self, count: int) -> None:
        with self._lock:
            if self._errors_left is None:
                return
            self._errors_left -= count
            if self._errors_left <= 0 and not self.is_stopped:
                self.is_stopped = self.exhausted = True
                for held in (self._runs, self._returned, self._buffer, self._later):
                    held.clear()

    def most_ahead(self, workers: int) -> int | None:
        """What lies ready is begun before the caller hears of an error."""
        return None if self._errors_left is None else 2 * workers

    def next_of(self, iterator: Iterator[Any]) -> Any:
        if self.is_stopped:
            raise StopIteration
        return next(iterator)

    def slept(self) -> float:
        return 0.0 if self.limiter is None else self.limiter.take_slept()

    def has_ended(self, done: int, *, certain: bool, mapped: bool) -> bool:
        return self.is_stopped or super().has_ended(done, certain=certain, mapped=mapped)

    def take(self, count: int) -> tuple[int, Sequence[Any]] | None:
        limiter = self.limiter
        if limiter is None or not limiter.is_active:
            taken = super().take(self._at_most(count))
            if limiter is not None and taken is not None:
                limiter.handed_out(taken[0], len(taken[1]))
        else:
            with self._asking:
                taken = self._asked_for(limiter)
        if taken is not None and not self.indexed:
            self.handed_out += len(taken[1])
        return taken

    def _at_most(self, count: int) -> int:
        """No more items at once than may fail: nobody hears of an error inside of a stretch."""
        return count if self._errors_left is None else max(1, min(count, self._errors_left))

    def _asked_for(self, limiter: Limiter) -> tuple[int, Sequence[Any]] | None:
        self.hand_out_in_order()
        taken = None if limiter.pause() != 0.0 else super().take(1)
        if taken is None or limiter.begin(taken[0], taken[1][0]):
            return taken
        with self._lock:
            if self.is_stopped:
                pass
            elif self.indexed:
                self.handed_out -= 1
                self._runs.appendleft((taken[0], taken[0] + 1))
            else:
                self._returned.appendleft(taken)
        return None

    def take_run(self, count: int) -> tuple[int, int] | None:
        if self.limiter is None or not self.limiter.is_active:
            run = super().take_run(self._at_most(count))
            if self.limiter is not None and run is not None:
                self.limiter.handed_out(run[0], run[1] - run[0])
            return run
        taken = self.take(1)
        return None if taken is None else (taken[0], taken[0] + 1)

    def _take_run(self, count: int) -> tuple[int, int] | None:
        run = super()._take_run(count)
        if run is not None:
            self.handed_out += run[1] - run[0]
        return run

    def give_back(self, start: int, items: Sequence[Any] | int) -> None:
        count = items if isinstance(items, int) else len(items)
        if self.limiter is not None:
            for position in range(start, start + count):
                self.limiter.undo(position)
        self.handed_out -= count
        if not self.is_stopped:
            super().give_back(start, items)

    def give_back_later(self, position: int, due: float) -> None:
        self.handed_out -= 1
        if not self.is_stopped:
            super().give_back_later(position, due)
