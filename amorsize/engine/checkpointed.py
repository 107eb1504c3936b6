"""Runs with a checkpoint: what is done already is taken out of the data, and put back into the results.

::

    data --- what the journal holds --> Engine (positions of its own) --> merged, in order --> results
                      ^                             |  after each slice, each arrival
                      +---- CheckpointWriter <------+

Within the engine an item has the position it has among those that are left; :class:`PositionMap` knows
which position of the data that is. Errors are given the latter where they pass the writer, or the
caller's loop.
"""

from __future__ import annotations

from bisect import bisect_left

from amorsize.checkpoint.digests import digest, sample
from amorsize.checkpoint.journal import SEED, Journal
from amorsize.core.frozen import replace
from amorsize.engine.driver import Engine, spec_and_loop
from amorsize.errors import ItemError, WorkerDied
from amorsize.inspection.fingerprint import fingerprint
from amorsize.items.collector import Middleware
from amorsize.items.failures import ItemFailure
from amorsize.items.kinds import is_indexed, is_snapshot, length_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
    from typing import Any

    from amorsize.core.events import Observers
    from amorsize.core.model import Machine
    from amorsize.core.options import Options
    from amorsize.items.collector import ResultCollector

LISTED_ITEMS = 1_000_000
"""A stream lists what is left of its data up to so many items (8 MB), and reads on otherwise."""


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
    elif error.args and isinstance(error.args[0], ItemFailure) and error.args[0].item == position:
        error.args = (error.args[0].at(index), *error.args[1:])
    return error


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
        assert options.checkpoint is not None
        self._skip = options.on_error == "skip"
        self.journal = journal = Journal(options.checkpoint, options.checkpoint_format)
        try:
            function = fingerprint(func, journal.key)
            if options.seed is not None:
                function += f"{SEED}{options.seed}"
            if is_snapshot(data):
                data = list(data)
            journal.bind(function, length_of(data))
            if is_indexed(data):
                _verify(journal, data)  # type: ignore[arg-type]
            self.places = places = PositionMap(journal.done)
            rest: Remaining | Listed
            left: Any
            self._remaining: Remaining | None = None
            if not is_indexed(data) or (streaming and len(data) > LISTED_ITEMS):  # type: ignore[arg-type]
                left = rest = self._remaining = Remaining(data, journal)
            else:
                listed: Any = data
                if places.count:
                    total = len(listed)
                    listed = [listed[places(i)] for i in range(total - places.count)]
                left, rest = listed, Listed(listed, journal.key)
            if places.count and callable(options.progress):
                observers = observers.counting_from(places.count)
            if self._skip:
                options = replace(options, on_error="collect")
            self._writer = CheckpointWriter(
                journal, places, rest, errors=options.on_error != "raise"
            )
            spec, loop = spec_and_loop(func, left, options)
            super().__init__(spec, loop, machine, observers, self._writer)
            journal.settle()
        except BaseException:
            journal.close()
            raise

    def measure(self) -> None:
        try:
            super().measure()
            self._caught_up()
            self.journal.pause()
        except BaseException:
            self._leave()
            raise

    def execute(self) -> list[Any]:
        try:
            self.journal.go_on()
            held = dict(self.journal.results())
            self.journal.settle()
            if len(held) != len(self.journal.done):
                raise self.journal.damaged("results are missing")
            results = super().execute()
            self.journal.flush()
            self.journal.close()
        except BaseException:
            self._leave()
            raise
        if held:
            results = self._merged(held, results)
        if self._skip:
            results = [value for value in results if type(value) is not ItemError]
        return results

    def stream(  # type: ignore[override]
        self, *, ordered: bool, buffersize: int | None
    ) -> Generator[Any, None, None]:
        results = self._results(ordered=ordered, buffersize=buffersize)
        next(results)  # it has begun: whatever ends it, it gives the journal free
        return results

    def _results(self, *, ordered: bool, buffersize: int | None) -> Generator[Any, None, None]:
        inner = super().stream(ordered=ordered, buffersize=buffersize)
        remaining = self._remaining
        try:
            yield None
            held = self.journal.results()
            ahead = next(held, None)
            position = -1
            for position, value in enumerate(inner):
                # What is given out from the journal was compared with the data before.
                if ordered:
                    before = self.places(position)
                else:
                    before = remaining.read if remaining is not None else self.places.end
                while ahead is not None and ahead[0] < before:
                    yield ahead[1]
                    ahead = next(held, None)
                if not (self._skip and type(value) is ItemError):
                    yield value
            while ahead is not None:
                yield ahead[1]
                ahead = next(held, None)
            self.journal.flush()
        finally:
            inner.close()
            self._leave()

    def _caught_up(self) -> None:
        self._writer.catch_up(self._loop.results)

    def _leave(self) -> None:
        """Journal what there is, and give the journal free; the run has its own error by now."""
        try:
            self._caught_up()
            self.journal.flush()
        except Exception:
            pass
        finally:
            self.journal.close()

    def _merged(self, held: dict[int, Any], results: list[Any]) -> list[Any]:
        merged: list[Any] = []
        taken = 0
        for index, value in held.items():
            upto = self.places.left_before(index)
            merged += results[taken:upto]
            taken = upto
            merged.append(value)
        return merged + results[taken:]


def _verify(journal: Journal, data: Sequence[Any]) -> None:
    """Are these the data that the journal was begun with? What can be seen of it at once."""
    key = journal.key
    if journal.new:
        journal.keep_samples(sample(data, key))
        return
    for known in (journal.samples(), journal.done):
        for index, before in known.items():
            if index >= len(data):
                raise journal.changed(index, f"the data have only {len(data)} items")
            if before and digest(data[index], key, deep=True) != before:
                raise journal.changed(index)
