"""Runs with a checkpoint: what is done already is taken out of the data, and put back into the results.

::

    data --- what the journal holds --> Engine (positions of its own) --> merged, in order --> results
                      ^                         |  after each slice, each arrival
                      +---------- Keeper <------+

Within the engine an item has the position it has among those that are left; :class:`Places` knows
which position of the data that is.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from pickle import PickleError

from amorsize.checkpoint.digests import digest, sample
from amorsize.checkpoint.journal import SEED, Journal
from amorsize.core.frozen import replace
from amorsize.engine.driver import Engine
from amorsize.errors import ItemError, WorkerDied
from amorsize.inspection.fingerprint import fingerprint
from amorsize.items.kinds import is_indexed, is_snapshot, length_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
    from typing import Any

    from amorsize.core.model import Machine
    from amorsize.core.options import Options
    from amorsize.items.collector import ListCollector, WindowCollector

LISTED_ITEMS = 1_000_000
"""A stream lists what is left of its data up to so many items (8 MB), and reads on otherwise."""

_NOTE = re.compile(r"(amorsize: raised by (?:item|an item after the first) )(\d+)( of the data)")
_TEXT = re.compile(
    r"((?:the result of )?item )(\d+)"
    r"(?= took longer than timeout=| cannot be sent to | cannot be unpickled on )"
)
"""How our own errors that no class tells from others begin (``backends/items.py``)."""


class Places:
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


class Keeper:
    """Journals results as the engine gets them."""

    def __init__(
        self,
        journal: Journal,
        places: Places,
        rest: Remaining | Listed,
        *,
        errors: bool,
    ) -> None:
        self.journal, self.places, self.rest = journal, places, rest
        self.errors = errors
        """Whether errors may stand in the place of results; they are not done."""
        self.seen = 0
        """Results of the caller's own that were journaled."""

    def add(self, start: int, values: Sequence[Any]) -> None:
        """Results from position ``start`` on."""
        journal, places, rest = self.journal, self.places, self.rest
        for position, value in enumerate(values, start):
            index = places(position)
            known = rest.digest(position, index)
            if not (self.errors and type(value) is ItemError and value.index == position):
                journal.add(index, known, value)

    def tick(self) -> None:
        """Write if it is time."""
        self.journal.tick()

    def catch_up(self, results: Sequence[Any]) -> None:
        """The caller has got so far alone."""
        if len(results) > self.seen:
            new = results[self.seen :]
            self.seen, start = len(results), self.seen
            self.add(start, new)
            self.tick()

    def passing(self, results: Iterator[Any]) -> Iterator[Any]:
        """The caller's results of a stream, journaled before they are given out."""
        for value in results:
            self.add(self.seen, (value,))
            self.seen += 1
            self.tick()
            yield value

    def watch(self, collector: ListCollector | WindowCollector) -> None:
        """Journal what arrives in a collector, in whichever thread it does."""
        place = collector.place

        def place_and_keep(start: int, values: Sequence[Any]) -> None:
            self.add(start, values)
            place(start, values)
            self.tick()

        collector.place = place_and_keep  # type: ignore[method-assign]


class ResumableEngine(Engine):
    """An :class:`Engine` that goes on where the journal ends."""

    def __init__(
        self,
        func: Callable[[Any], Any],
        data: Iterable[Any],
        options: Options,
        machine: Machine | None,
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
            self.places = places = Places(journal.done)
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
                options = replace(options, progress=_ahead(options.progress, places.count))
            if self._skip:
                options = replace(options, on_error="collect")
            keeper = Keeper(journal, places, rest, errors=options.on_error != "raise")
            super().__init__(func, left, options, machine, keeper)
            journal.settle()
        except BaseException:
            journal.close()
            raise

    def measure(self) -> None:
        try:
            super().measure()
            self._caught_up()
            self.journal.pause()
        except BaseException as error:
            raise self._left(error) from error.__cause__

    def execute(self) -> list[Any]:
        try:
            self.journal.go_on()
            held = dict(self.journal.results())
            self.journal.settle()
            if len(held) != len(self.journal.done):
                raise self.journal.damaged("results are missing")
            results = super().execute()
            if not self._skip:
                results = self._renumbered(results)
            self.journal.flush()
            self.journal.close()
        except BaseException as error:
            raise self._left(error) from error.__cause__
        if held:
            results = self._merged(held, results)
        if self._skip:
            results = [value for value in results if type(value) is not ItemError]
        return results

    def stream(self, *, ordered: bool, buffersize: int | None) -> Generator[Any, None, None]:
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
                yield from self._renumbered([value])
            while ahead is not None:
                yield ahead[1]
                ahead = next(held, None)
            self.journal.flush()
        except GeneratorExit:
            raise
        except BaseException as error:
            raise self._left(error) from error.__cause__
        finally:
            inner.close()
            self._leave()

    def _caught_up(self) -> None:
        if self.keeper is not None:
            self.keeper.catch_up(self.alone.results)

    def _leave(self) -> None:
        """Journal what there is, and give the journal free; the run has its own error by now."""
        try:
            self._caught_up()
            self.journal.flush()
        except Exception:
            pass
        finally:
            self.journal.close()

    def _left(self, error: BaseException) -> BaseException:
        """Leave because of an error; it names the item by its position in the data."""
        self._leave()
        if not self.places.count:
            return error
        position = None
        notes: list[str] = getattr(error, "__notes__", [])
        for number in reversed(range(len(notes))):  # the last one is ours, others of a run within
            found = _NOTE.fullmatch(notes[number])
            if found is not None:
                position = int(found[2])
                notes[number] = f"{found[1]}{self.places(position)}{found[3]}"
                break
        self._rename(error, position)
        return error

    def _rename(self, error: BaseException, position: int | None) -> None:
        """Have an error of our own about the item at ``position`` name its position in the data."""
        if isinstance(error, WorkerDied):
            if error.index >= 0 and position in (None, error.index):
                error.index = self.places(error.index)
                error.args = WorkerDied(error.index, error.exitcode, error.hint).args
        elif position is not None and isinstance(error, (TimeoutError, PickleError)) and error.args:
            found = _TEXT.match(str(error.args[0]))
            if found is not None and int(found[2]) == position:
                text = f"{found[1]}{self.places(position)}{found.string[found.end() :]}"
                error.args = (text, *error.args[1:])

    def _renumbered(self, results: list[Any]) -> list[Any]:
        """Errors that stand for results name positions in the data, or are left out."""
        if self.options.on_error == "raise":
            return results
        if self._skip:
            return [value for value in results if type(value) is not ItemError]
        if not self.places.count:
            return results
        return [self._found(value) if type(value) is ItemError else value for value in results]

    def _found(self, value: ItemError) -> ItemError:
        self._rename(value.exception, value.index)
        return ItemError(self.places(value.index), value.exception, value.traceback)

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


def _ahead(progress: Any, count: int) -> Callable[[int, int | None], object]:
    """A progress function that counts what was done before, too."""

    def shown(done: int, total: int | None) -> object:
        return progress(done + count, None if total is None else total + count)

    return shown
