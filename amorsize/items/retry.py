"""Items that fail are tried again: ``retries`` and ``retry_on``.

::

    worker: Trying -> Failed in the result's place -> RetryingCollector -> ItemSource, after a pause
                                                        |  no try left
                                                        +-> the collector's fail (on_error applies)

Nobody sleeps in a worker between two tries: the item goes back to the source, and whoever is free when
its pause is over takes it. Only the caller alone, which has nobody to give it to, waits in place.
"""

from __future__ import annotations

import time

from amorsize.items.call import format_traceback
from amorsize.items.collector import Middleware
from amorsize.items.errors import portable
from amorsize.items.seeding import Seeded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from amorsize.core.options import Options
    from amorsize.items.collector import ResultCollector
    from amorsize.items.source import ItemSource

    Kinds = tuple[type[BaseException], ...]

FIRST_PAUSE_SECONDS = 0.1
"""Before the second try; doubled with each further one. What fails for a moment (a busy server, a lock)
is often free again after so long; clients of web services begin between 0.05 and 1 s."""
LONGEST_PAUSE_SECONDS = 10.0
JITTER_SHARE = 0.5
"""Pauses are drawn from the upper half: many items that failed together do not come back together."""

clock = time.monotonic


def pause_seconds(number: int, chance: float) -> float:
    """The pause after try ``number`` (from 0); ``chance`` is drawn from 0 to 1.

    >>> pause_seconds(0, 0.0), pause_seconds(3, 0.0), pause_seconds(3, 1.0), pause_seconds(90, 0.0)
    (0.1, 0.8, 0.4, 10.0)
    """
    longest: float = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0 ** min(number, 64))
    return longest * (1.0 - JITTER_SHARE * chance)


def drawn_pause_seconds(number: int) -> float:
    """The pause after try ``number`` (from 0), by chance."""
    from random import SystemRandom  # the user's own random state stays as it is

    return pause_seconds(number, SystemRandom().random())


class Failed:
    """Stands in the place of the result of an item that may be tried again."""

    __slots__ = ("exception", "traceback")

    def __init__(self, exception: BaseException, traceback: str = "") -> None:
        self.exception, self.traceback = exception, traceback

    def __reduce__(self) -> tuple[Any, ...]:
        return Failed, portable(self.exception)


class Trying:
    """Calls ``func``; gives a :class:`Failed` for what it raises of the kinds ``retry_on``."""

    __slots__ = ("func", "retry_on")

    def __init__(self, func: Callable[[Any], Any], retry_on: Kinds) -> None:
        self.func, self.retry_on = func, retry_on

    def __call__(self, item: Any) -> Any:
        try:
            return self.func(item)
        except self.retry_on as error:
            return Failed(error)


class Patient:
    """Calls ``func`` again in place, with pauses between; for who has no other item to go on with."""

    __slots__ = ("func", "retries", "retry_on")

    def __init__(self, func: Callable[[Any], Any], retries: int, retry_on: Kinds) -> None:
        self.func, self.retries, self.retry_on = func, retries, retry_on

    def __call__(self, item: Any) -> Any:
        for number in range(self.retries):
            try:
                return self.func(item)
            except self.retry_on:
                pass
            time.sleep(drawn_pause_seconds(number))
        return self.func(item)


def helped(
    func: Callable[[Any], Any], options: Options
) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    """What the caller alone calls, and what workers call, to honour ``seed`` and ``retries``."""
    seeded = func if options.seed is None else Seeded(func, options.seed)
    if not options.retries:
        return seeded, seeded
    retry_on = options.retry_on
    return Patient(seeded, options.retries, retry_on), Trying(seeded, retry_on)


class RetryingCollector(Middleware):
    """Stands in front of a collector: what failed and has a try left goes back to the source."""

    def __init__(
        self, inner: ResultCollector, source: ItemSource, retries: int, retry_on: Kinds
    ) -> None:
        super().__init__(inner)
        self._source, self._retries = source, retries
        self._overdue_too = issubclass(TimeoutError, retry_on)
        """Whether an item that took longer than ``timeout`` is tried again."""
        self._failures: dict[int, int] = {}
        """Position of an item that is not done -> how often it has failed."""
        source.keep_items()

    def place(self, start: int, values: Sequence[Any]) -> None:
        """Results from position ``start`` on, some of them failures."""
        if Failed not in map(type, values):
            self._done(start, values)
            return
        done = 0
        for offset, value in enumerate(values):
            if type(value) is Failed:
                self._done(start + done, values[done:offset])
                done = offset + 1
                if not self._again(start + offset):
                    text = value.traceback
                    if self.on_error == "collect" and not text:
                        text = format_traceback(value.exception)
                    super().fail(start + offset, value.exception, text)
        self._done(start + done, values[done:])

    def _done(self, start: int, values: Sequence[Any]) -> None:
        if values:
            self._source.forget_items(start, len(values))
            if self._failures:
                for position in range(start, start + len(values)):
                    self._failures.pop(position, None)
            self._inner.place(start, values)

    def fail(self, index: int | None, exception: BaseException, traceback: str = "") -> bool:
        """As the collector's: what is not raised by the function. A try that took too long was one."""
        overdue = self._overdue_too and type(exception) is TimeoutError and index is not None
        if overdue and self._again(index):  # type: ignore[arg-type]
            return False
        return super().fail(index, exception, traceback)

    def _again(self, position: int) -> bool:
        """Have an item tried again, if it has a try left."""
        failures = self._failures.get(position, 0)
        if failures >= self._retries:
            return False
        self._failures[position] = failures + 1
        self._source.give_back_later(position, clock() + drawn_pause_seconds(failures))
        return True
