"""Writes what a run finishes into its journal, and knows which item of the data a position stands for."""

from __future__ import annotations

from bisect import bisect_left

from amorsize.checkpoint.digests import digest
from amorsize.checkpoint.journal import Journal
from amorsize.errors import ItemError, WorkerDied
from amorsize.items.call import renumbered
from amorsize.items.collector import Middleware
from amorsize.items.kinds import length_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any

    from amorsize.items.collector import ResultCollector


class PositionMap:
    """Positions in the data of the items that are not done; ``places(0)`` is the first of them."""

    def __init__(self, done: Iterable[int]) -> None:
        held = sorted(done)
        self.count = len(held)
        self.end = held[-1] + 1 if held else 0
        """From here on nothing is done."""
        known = set(held)
        self.gaps = [index for index in range(self.end) if index not in known]

    def __call__(self, position: int) -> int:
        if position < len(self.gaps):
            return self.gaps[position]
        return position - len(self.gaps) + self.end

    def left_before(self, index: int) -> int:
        """How many items before ``index`` are not done."""
        return (
            bisect_left(self.gaps, index)
            if index < self.end
            else (len(self.gaps) + index - self.end)
        )


class CheckpointWriter:
    """Journals results as the engine gets them, and names errors by the item's position in the data."""

    def __init__(
        self,
        journal: Journal,
        places: PositionMap,
        rest: Remaining | Listed,
        *,
        errors: bool,
    ) -> None:
        self._journal, self._places, self._rest = journal, places, rest
        self._errors = errors
        """Whether errors may stand in the place of results; they are not done."""
        self._seen = 0
        """Results of the caller's own that were journaled."""

    def index_of(self, position: int) -> int:
        """The position in the data of an item, by its position in this run."""
        return self._places(position)

    def _add(self, start: int, values: Sequence[Any]) -> None:
        """Results from position ``start`` on; errors that stand for one carry its index."""
        for position, value in enumerate(values, start):
            index = self._places(position)
            known = self._rest.digest(position, index)
            if not (self._errors and type(value) is ItemError and value.index == index):
                self._journal.add(index, known, value)

    def add(self, start: int, values: Sequence[Any]) -> Sequence[Any]:
        """Results of workers from position ``start`` on. Gives them back, errors renumbered."""
        if self._errors and ItemError in map(type, values):
            values = [self._renumbered(*pair) for pair in enumerate(values, start)]
        self._add(start, values)
        return values

    def _renumbered(self, position: int, value: Any) -> Any:
        if type(value) is not ItemError or value.index != position:
            return value
        index = self._places(position)
        return ItemError(index, at_index(value.exception, position, index), value.traceback)

    def tick(self) -> None:
        """Write if it is time."""
        self._journal.tick()

    def catch_up(self, results: Sequence[Any]) -> None:
        """The caller has got so far alone."""
        if len(results) > self._seen:
            new = results[self._seen :]
            self._seen, start = len(results), self._seen
            self._add(start, new)
            self.tick()

    def passing(self, results: Iterable[Any]) -> Iterator[Any]:
        """The caller's results of a stream, journaled before they are given out."""
        for value in results:
            self._add(self._seen, (value,))
            self._seen += 1
            self.tick()
            yield value

    def in_front_of(self, inner: ResultCollector) -> ResultCollector:
        """A collector that journals what arrives."""
        return _JournalingCollector(inner, self)


class _JournalingCollector(Middleware):
    """Journals what arrives, in whichever thread it does, and passes it on."""

    def __init__(self, inner: ResultCollector, writer: CheckpointWriter) -> None:
        super().__init__(inner)
        self._writer = writer

    def place(self, start: int, values: Sequence[Any]) -> None:
        self._inner.place(start, self._writer.add(start, values))
        self._writer.tick()

    def fail(self, index: int | None, exception: BaseException, traceback: str = "") -> bool:
        if self._inner.stand_in(index, exception, traceback) is not None:
            return super().fail(index, exception, traceback)  # renumbered as it is placed
        if index is None:
            index_in_data = None
            if isinstance(exception, WorkerDied) and exception.index >= 0:
                exception = at_index(
                    exception, exception.index, self._writer.index_of(exception.index)
                )
        else:
            index_in_data = self._writer.index_of(index)
            exception = at_index(exception, index, index_in_data)
        return self._inner.fail(index_in_data, exception, traceback)


def at_index(error: BaseException, position: int, index: int) -> BaseException:
    """An error of our own about the item at ``position`` of this run names its position in the data."""
    if isinstance(error, WorkerDied):
        if error.index == position:
            return WorkerDied(index, error.exitcode, error.hint).with_traceback(error.__traceback__)
        return error
    return renumbered(error, position, index)


class Remaining:
    """What is left of a source that must be read; reads it once, and digests each item before it runs."""

    def __init__(self, source: Iterable[Any], journal: Journal) -> None:
        self.source, self.journal = source, journal
        self.read = 0
        """Items read from the source, done or not."""
        self.digests: dict[int, bytes] = {}
        """Of the items that are on their way."""
        self._key = journal.key
        self.read_in = getattr(source, "read_in", None) or type(iter(source)).__module__
        self._total = length_of(source)

    def __len__(self) -> int:
        if self._total is None:
            raise TypeError("the length of the source is not known")
        return self._total - len(self.journal.done)

    def __iter__(self) -> Iterator[Any]:
        journal, key, digests = self.journal, self._key, self.digests
        done, iterator = journal.done, iter(self.source)
        index = -1
        known = journal.items
        try:
            for index, item in enumerate(iterator):
                if index == known:
                    raise journal.changed(index, f"there were but {known}")
                now = digest(item, key, deep=True)
                self.read = index + 1
                if index in done:
                    if done[index] and done[index] != now:
                        raise journal.changed(index)
                    continue
                digests[index] = now
                yield item
        finally:
            close = getattr(iterator, "close", None)
            if close is not None:
                close()
        if done and max(done) > index:
            raise journal.changed(max(done), f"the data have only {index + 1} items")
        journal.ended(index + 1)

    def digest(self, position: int, index: int) -> bytes:
        """Of the item as it was when it was read."""
        return self.digests.pop(index, b"")


class Listed:
    """What is left of data that are indexed: a list, or the data themselves when nothing is done."""

    def __init__(self, items: Sequence[Any], key: bytes) -> None:
        self.items, self._key = items, key

    def digest(self, position: int, index: int) -> bytes:
        """Of an item that cannot have changed since."""
        return digest(self.items[position], self._key)
