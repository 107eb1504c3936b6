"""The results of a stream, on their way from the workers to the consumer."""

from __future__ import annotations

from amorsize.items.collector import Failure, ResultCollector
from amorsize.items.kinds import deque

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from amorsize.items.collector import UsageLog


class WindowCollector(ResultCollector):
    """Results of a stream: given out as soon as they and (if ordered) their predecessors are there.

    Where ``end_before`` is given, an item that raises ends the stream when all items before it are done,
    as it ends a loop; it is called with the position, from which on no more need be begun."""

    def __init__(
        self,
        position: int,
        on_error: str,
        usage: UsageLog | None = None,
        *,
        ordered: bool,
        end_before: Callable[[int], None] | None = None,
    ) -> None:
        super().__init__(on_error, usage)
        self.ordered, self._end_before = ordered, end_before
        self._due: tuple[int, Failure] | None = None
        """Position of the first item that raised, and what it did."""
        self.start = position
        self.next = position
        """First position whose result is not there yet."""
        self.done = position
        self._early: dict[int, Sequence[Any]] = {}
        self._ready: deque[Sequence[Any]] = deque()

    def place(self, start: int, values: Sequence[Any]) -> None:
        with self.lock:
            self.done += len(values)
            ordered, ready = self.ordered, start == self.next or not self.ordered
            if not ordered:
                self._ready.append(values)
            self._early[start] = values if ordered else range(len(values))
            while (run := self._early.pop(self.next, None)) is not None:
                if ordered:
                    self._ready.append(run)
                self.next += len(run)
            self._fail_if_due()
        if ready:
            self.notify()

    def fail(self, index: int | None, exception: BaseException, traceback: str = "") -> bool:
        ended = super().fail(index, exception, traceback)
        self._end()
        return ended

    def end_at(self, position: int | None, failure: Failure) -> None:
        super().end_at(position, failure)
        self._end()

    def _end(self) -> None:
        due = self._due
        if due is not None and self._end_before is not None:
            self._end_before(due[0])

    def _note(self, failure: Failure, position: int | None) -> None:
        waits = self._end_before is not None and isinstance(failure.exception, Exception)
        if position is None or not waits:
            super()._note(failure, position)
        elif self._due is None or position < self._due[0]:
            self._due = position, failure
            self._fail_if_due()

    def _fail_if_due(self) -> None:
        if self._due is not None and self.next >= self._due[0]:
            position, failure = self._due
            super()._note(failure, position)

    def holds(self, total: int) -> bool:
        """Whether the results of so many items are there, and all were given out: since the caller has
        looked for some, a thread may have placed the last. A stream never ends short without a word."""
        if self.done < total:
            return False
        with self.lock:
            if self._ready:
                return False
            missing = self.ordered and self.next < total
        if missing:
            raise RuntimeError(
                f"the result of item {self.next} was lost, an error of amorsize: please report it"
            )
        return True

    def pop(self) -> Sequence[Any] | None:
        """The next run of results, None when there is none now."""
        return self._ready.popleft() if self._ready else None
