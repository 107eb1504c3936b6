"""Items that fail are tried again: ``retries`` and ``retry_on``.

::

    worker: Trying -> Failed in the result's place -> RetryingCollector -> ItemSource, after a pause
                                                        |  no try left           (refused: to the front)
                                                        +-> the collector's fail (on_error applies)

Nobody sleeps in a worker between two tries: the item goes back to the source, and whoever is free when
its pause is over takes it. Only the caller alone, which has nobody to give it to, waits in place.
"""

from __future__ import annotations

import time

from amorsize.items.call import format_traceback
from amorsize.items.collector import Middleware

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from amorsize.core.options import Options
    from amorsize.core.refusal import Limiter, Refusal
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
    """Stands in the place of the result of an item that raised; what a worker knows of it."""

    __slots__ = ("again", "exception", "refusal", "traceback")

    def __init__(
        self,
        exception: BaseException,
        traceback: str = "",
        again: bool = True,
        refusal: Refusal | None = None,
    ) -> None:
        self.exception, self.traceback = exception, traceback
        self.again, self.refusal = again, refusal
        """Whether it may be tried again; what a server said that refused."""

    def __reduce__(self) -> tuple[Any, ...]:
        from amorsize.items.errors import portable

        return Failed, (*portable(self.exception), self.again, self.refusal)


class Trying:
    """Calls ``func``; gives a :class:`Failed` for an exception that it raises."""

    __slots__ = ("func", "retry_on")

    def __init__(self, func: Callable[[Any], Any], retry_on: Kinds) -> None:
        self.func, self.retry_on = func, retry_on

    def __call__(self, item: Any) -> Any:
        try:
            return self.func(item)
        except Exception as error:
            again = isinstance(error, self.retry_on)
            return Failed(error, "", again, _refusal_in(error))


class Patient:
    """Calls ``func`` again in place, with pauses between; for who has no other item to go on with."""

    __slots__ = ("func", "limiter", "position", "retries", "retry_on")

    def __init__(
        self, func: Callable[[Any], Any], retries: int, retry_on: Kinds, limiter: Limiter
    ) -> None:
        self.func, self.retries, self.retry_on = func, retries, retry_on
        self.limiter = limiter
        self.position = -1
        """Of the item that runs: they come one after the other."""

    def begin_at(self, position: int) -> None:
        """The next item is that at ``position``."""
        self.position = position - 1

    def __call__(self, item: Any, failed: Exception | None = None, position: int = -1) -> Any:
        """Its result. ``failed``: what a first try, made elsewhere, of the item at ``position`` has
        raised."""
        if failed is not None:
            self.position = position
            return self._again(item, failed)
        self.position += 1
        if self.limiter.is_active:
            return self._again(item, None)
        try:
            return self.func(item)
        except Exception as error:
            failed = error
        return self._again(item, failed)

    def _again(self, item: Any, failed: Exception | None) -> Any:
        """The result of an item that must ask before it begins, or has failed once."""
        number, limiter, here = 0, self.limiter, self.position
        while True:
            if failed is None and limiter.is_active:
                limiter.begin_alone(here, item)
            elif number:
                limiter.handed_out(here, 1)
            try:
                if failed is not None:
                    raise failed
                value = self.func(item)
            except Exception as error:
                failed = None
                refusal = _refusal_in(error)
                if refusal is not None and limiter.refused_call(here, refusal) and self.retries:
                    continue
                if refusal is None:
                    limiter.failed_call(here)
                elif self.retries and not refusal.unreached:
                    give_up_note(error)
                    limiter.gave_up(here)
                    raise
                if number >= self.retries or not isinstance(error, self.retry_on):
                    limiter.gave_up(here)
                    raise
                limiter.sleep(drawn_pause_seconds(number))
                number += 1
                continue
            if limiter.is_active or number:
                limiter.served(here)
            return value


def give_up_note(error: BaseException) -> None:
    """Say of a refused item's error why it is not tried again."""
    error.add_note(
        "amorsize: the server refused it, and asks to wait for more than 600 s or has served nothing for "
        "so long"
    )


def helped(
    func: Callable[[Any], Any], options: Options, limiter: Limiter | None
) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    """What the caller alone calls, and what workers call, to honour ``seed``, ``retries``, ``rate``."""
    seeded = func if options.seed is None else _seeded(func, options.seed)
    if limiter is None:
        return seeded, seeded
    retry_on = options.retry_on
    return Patient(seeded, options.retries, retry_on, limiter), Trying(seeded, retry_on)


def _seeded(func: Callable[[Any], Any], seed: int | tuple[int, ...]) -> Callable[[Any], Any]:
    from amorsize.items.seeding import Seeded

    return Seeded(func, seed)


def _refusal_in(error: BaseException) -> Refusal | None:
    """What an exception says of a server that refused."""
    from amorsize.items.refusals import refusal_of

    return refusal_of(error, time.time())


class RetryingCollector(Middleware):
    """Stands in front of a collector: what failed and has a try left goes back to the source."""

    def __init__(
        self,
        inner: ResultCollector,
        source: ItemSource,
        retries: int,
        retry_on: Kinds,
        limiter: Limiter,
    ) -> None:
        super().__init__(inner)
        self._source, self._retries, self._limiter = source, retries, limiter
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
                if not self._waits(start + offset, value):
                    self._limiter.gave_up(start + offset)
                    text = value.traceback
                    if self.on_error == "collect" and not text:
                        text = format_traceback(value.exception)
                    super().fail(start + offset, value.exception, text)
        self._done(start + done, values[done:])

    def _waits(self, position: int, value: Failed) -> bool:
        """Whether an item that raised comes back: as the server asks, or for another try."""
        refusal, limiter = value.refusal, self._limiter
        if refusal is None:
            limiter.failed_call(position)
        else:
            waits = limiter.refused_call(position, refusal)
            if self._retries and waits:
                self._source.give_back_later(position, 0.0)
                return True
            if self._retries and not refusal.unreached:
                give_up_note(value.exception)
                return False
        return value.again and self._again(position)

    def _done(self, start: int, values: Sequence[Any]) -> None:
        if values:
            self._source.forget_items(start, len(values))
            if self._failures or self._limiter.is_active:
                active = self._limiter.is_active
                for position in range(start, start + len(values)):
                    if self._failures.pop(position, None) or active:
                        self._limiter.served(position)
            self._inner.place(start, values)

    def fail(self, index: int | None, exception: BaseException, traceback: str = "") -> bool:
        """As the collector's: what is not raised by the function. A try that took too long was one."""
        if index is not None:
            overdue = type(exception) is TimeoutError
            self._limiter.failed_call(index, overdue=overdue)
            if overdue and self._overdue_too and self._again(index):
                return False
            self._limiter.gave_up(index)
        return super().fail(index, exception, traceback)

    def _again(self, position: int) -> bool:
        """Have an item tried again, if it has a try left."""
        failures = self._failures.get(position, 0)
        if failures >= self._retries or self._source.is_stopped:
            return False
        self._failures[position] = failures + 1
        self._source.give_back_later(position, clock() + drawn_pause_seconds(failures))
        return True
