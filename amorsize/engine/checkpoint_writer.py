"""Writes what a run finishes into its journal, and knows which item of the data a position stands for."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque

from amorsize.checkpoint.book import Held
from amorsize.errors import ItemError, WorkerDied
from amorsize.items.call import renumbered
from amorsize.items.collector import Failure, Middleware
from amorsize.items.kinds import length_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any

    from amorsize.checkpoint.book import Book
    from amorsize.checkpoint.names import Named
    from amorsize.items.collector import ResultCollector


class Left:
    """The items of the data that are to be run, and those that are held: which is which."""

    def __init__(self) -> None:
        self.indexes: list[int] = []
        """Position in the data of each item that is to be run."""
        self.held: deque[Held] = deque()
        """Items that need not run, in the order of the data, until their results are given out."""
        self.held_count = 0
        """Items that need not run, given out or not."""
        self.names: dict[int, Named] = {}
        """Of the items that are to be run or are on their way, by position in the data."""

    def sort(self, index: int, found: Held | Named) -> bool:
        """Whether the item at ``index`` is to be run."""
        if isinstance(found, Held):
            self.held.append(found)
            self.held_count += 1
            return False
        self.names[index] = found
        self.indexes.append(index)
        return True

    def before(self, index: int) -> int:
        """How many items before ``index`` are to be run."""
        return bisect_left(self.indexes, index)


class CheckpointWriter:
    """Journals results as the engine gets them, and names errors by the item's position in the data."""

    def __init__(self, book: Book, left: Left, *, errors: bool) -> None:
        self._journal, self._left = book.journal, left
        self._errors = errors
        """Whether errors may stand in the place of results; they are not done."""
        self._seen = 0
        """Results of the caller's own that were journaled."""

    def index_of(self, position: int) -> int:
        """The position in the data of an item, by its position in this run."""
        indexes = self._left.indexes
        if position < len(indexes):
            return indexes[position]
        last = indexes[-1] + 1 if indexes else 0
        return last + position - len(indexes)

    def _add(self, start: int, values: Sequence[Any]) -> None:
        """Results from position ``start`` on; errors that stand for one carry its index."""
        indexes, names, journal = self._left.indexes, self._left.names, self._journal
        for position, value in enumerate(values, start):
            index = indexes[position]
            named = names.pop(index, None)
            if named is None:
                continue
            if self._errors and type(value) is ItemError and value.index == index:
                journal.add_failed(named, value.exception, value.traceback)
            else:
                journal.add(named, value)

    def add(self, start: int, values: Sequence[Any]) -> Sequence[Any]:
        """Results of workers from position ``start`` on. Gives them back, errors renumbered."""
        if self._errors and ItemError in map(type, values):
            values = [self._renumbered(*pair) for pair in enumerate(values, start)]
        self._add(start, values)
        return values

    def add_failed(self, index: int, error: Exception) -> None:
        """The item at ``index`` of the data has ended the run."""
        named = self._left.names.pop(index, None)
        if named is not None:
            self._journal.add_failed(named, error, "")

    def _renumbered(self, position: int, value: Any) -> Any:
        if type(value) is not ItemError or value.index != position:
            return value
        index = self.index_of(position)
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
        self._inner.end_at(index, Failure(index_in_data, exception, traceback))
        return True


def at_index(error: BaseException, position: int, index: int) -> BaseException:
    """An error of our own about the item at ``position`` of this run names its position in the data."""
    if isinstance(error, WorkerDied):
        if error.index == position:
            return WorkerDied(index, error.exitcode, error.hint).with_traceback(error.__traceback__)
        return error
    return renumbered(error, position, index)


class Remaining:
    """What is left of a source that must be read; reads it once, and names each item before it runs."""

    def __init__(self, source: Iterable[Any], book: Book, left: Left) -> None:
        self._source, self._book, self._left = source, book, left
        self.read_in = getattr(source, "read_in", None) or type(iter(source)).__module__
        self._total = length_of(source) if book.knows_length else None

    def __len__(self) -> int:
        if self._total is None:
            raise TypeError("how many items are left is not known before all are read")
        return self._total

    def __iter__(self) -> Iterator[Any]:
        book, left, iterator = self._book, self._left, iter(self._source)
        try:
            for index, item in enumerate(iterator):
                if left.sort(index, book.look_up_pair(index, item)):
                    yield item
        finally:
            close = getattr(iterator, "close", None)
            if close is not None:
                close()
