"""Runs with a checkpoint: what is done already is taken out of the data, and put back into the results.

::

    data --Book: held?--> Engine (positions of its own) --> merged, in order --> results
             |                ^  after each slice, each arrival
             +---- CheckpointWriter

Within the engine an item has the position it has among those that are left; :class:`Left` knows
which position of the data that is. Errors are given the latter where they pass the writer, or the
caller's loop.
"""

from __future__ import annotations

from amorsize.checkpoint.book import Book, Held
from amorsize.checkpoint.rows import READ_ITEMS
from amorsize.core.frozen import replace
from amorsize.engine.checkpoint_writer import CheckpointWriter, Left, Remaining
from amorsize.engine.driver import Engine, spec_and_loop
from amorsize.engine.outcome import stream_from
from amorsize.errors import ItemError
from amorsize.items.call import origin_of
from amorsize.items.kinds import is_indexed, is_snapshot, length_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator
    from typing import Any

    from amorsize.core.events import Observers
    from amorsize.core.model import Machine
    from amorsize.core.options import Options
    from amorsize.engine.outcome import Stream

LISTED_ITEMS = 1_000_000
"""A stream lists what is left of its data up to so many items (8 MB), and reads on otherwise."""


class ResumableEngine(Engine):
    """An :class:`Engine` that goes on where the journal ends."""

    def __init__(
        self,
        func: Callable[[Any], Any],
        data: Iterable[Any],
        options: Options,
        machine: Machine | None,
        observers: Observers,
        *,
        streaming: bool,
    ) -> None:
        self._skip = options.on_error == "skip"
        self._book = book = Book(func, options)
        self.journal = book.journal
        self._left = left = Left()
        try:
            if is_snapshot(data):
                data = list(data)
            total = length_of(data)
            self._is_listed = is_indexed(data) and not (streaming and (total or 0) > LISTED_ITEMS)
            listed = self._is_listed
            rest = _left_of(data, book, left) if listed else Remaining(data, book, left)
            if callable(options.progress) and not book.knows_length:
                observers = observers.counting_from(self._count_held, total)
            if self._skip:
                options = replace(options, on_error="collect")
            self._writer = CheckpointWriter(book, left, errors=options.on_error != "raise")
            spec, loop = spec_and_loop(func, rest, options)
            super().__init__(spec, loop, machine, observers, self._writer)
            self.journal.settle()
        except BaseException:
            self.journal.close()
            raise

    def _count_held(self) -> int:
        return self._left.held_count

    def measure(self) -> None:
        try:
            super().measure()
            self._caught_up()
            self.journal.pause()
        except BaseException as error:
            self._leave(error)
            raise

    def execute(self) -> list[Any]:
        try:
            self.journal.go_on()
            held = self._held() if self._is_listed else []
            self.journal.settle()
            results = super().execute()
            if not self._is_listed:
                held = self._held()
            self.journal.flush()
            self.journal.close()
        except BaseException as error:
            self._leave(error)
            raise
        if held:
            results = self._merged(held, results)
        if self._skip:
            results = [value for value in results if type(value) is not ItemError]
        return results

    def stream(self, *, ordered: bool, buffersize: int | None) -> Stream:
        results = self._results(ordered=ordered, buffersize=buffersize)
        next(results)  # it has begun: whatever ends it, it gives the journal free
        return stream_from(results)

    def _results(self, *, ordered: bool, buffersize: int | None) -> Generator[Any, None, None]:
        inner = super().stream(ordered=ordered, buffersize=buffersize)
        try:
            yield None
            for position, value in enumerate(inner):
                yield from self._given_before(self._left.indexes[position] if ordered else None)
                if not (self._skip and type(value) is ItemError):
                    yield value
            yield from self._given_before(None)
            self.journal.flush()
        except Exception as error:
            inner.close()
            self._leave(error)
            raise
        finally:
            inner.close()
            self._leave()

    def _held(self) -> list[tuple[int, Any]]:
        """Positions and results of all items that are held."""
        return list(self._book.results(self._left.held))

    def _given_before(self, index: int | None) -> Iterator[Any]:
        """Results that are held of items before ``index`` of the data; None: of all that were read."""
        held = self._left.held
        while held and (index is None or held[0].index < index):
            batch: list[Held] = []
            while held and len(batch) < READ_ITEMS and (index is None or held[0].index < index):
                batch.append(held.popleft())
            for _, value in self._book.results(batch):
                if not (self._skip and type(value) is ItemError):
                    yield value

    def _caught_up(self) -> None:
        self._writer.catch_up(self._loop.results)

    def _leave(self, error: BaseException | None = None) -> None:
        """Journal what there is, and give the journal free; the run has its own error by now."""
        try:
            self._caught_up()
            origin = origin_of(error) if isinstance(error, Exception) else None
            if origin is not None and not origin.at_least:
                assert isinstance(error, Exception)
                self._writer.add_failed(origin.item, error)
            self.journal.flush()
        except Exception:
            pass
        finally:
            self.journal.close()

    def _merged(self, held: list[tuple[int, Any]], results: list[Any]) -> list[Any]:
        merged: list[Any] = []
        taken = 0
        for index, value in held:
            upto = self._left.before(index)
            merged += results[taken:upto]
            taken = upto
            merged.append(value)
        return merged + results[taken:]


def _left_of(data: Any, book: Book, left: Left) -> Any:
    """The items of indexed data that are to be run; the data themselves where that is all of them."""
    to_run = [
        item for index, item in enumerate(data) if left.sort(index, book.look_up_pair(index, item))
    ]
    return to_run if left.held_count else data
