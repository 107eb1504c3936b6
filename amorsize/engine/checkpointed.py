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

from amorsize.checkpoint.digests import digest, sample
from amorsize.checkpoint.journal import SEED, Journal
from amorsize.core.frozen import replace
from amorsize.engine.checkpoint_writer import CheckpointWriter, Listed, PositionMap, Remaining
from amorsize.engine.driver import Engine, spec_and_loop
from amorsize.errors import ItemError
from amorsize.inspection.fingerprint import fingerprint
from amorsize.items.kinds import is_indexed, is_snapshot, length_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Sequence
    from typing import Any

    from amorsize.core.events import Observers
    from amorsize.core.model import Machine
    from amorsize.core.options import Options

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
