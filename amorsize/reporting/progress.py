"""Progress of a run: one bar in the caller, or a callable of the user's, or nothing.

::

    engine --update(done)--> Progress   (does nothing)
                             Bar        -> tqdm on standard error
                             Reports    -> callable(done, total), at most 20 times a second

No display starts a thread or a process: the calling process must stay able to fork.
"""

from __future__ import annotations

import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from amorsize.core.events import WorkShares

PACE_SHARE = 0.1
"""When so much of what was left is done, the pace since then says as much as the forecast did: forecasts
of known functions are wrong by some 10 % (benchmarks/learning/forecasts.py), and so is the pace of a
tenth of skewed items."""
REPORT_SECONDS = 0.05
"""Least time between two calls of a user's callable, and between two drawings of the bar: an eye
sees no more than 20 changes a second, and a bar costs about 50 µs to draw."""

USUAL_COLUMNS, USUAL_ROWS = 80, 24
"""Characters in a line, and lines, where the terminal does not say: what terminals began with."""


class Progress:
    """Shows nothing: the null object, and the contract of the others.

    ``update`` takes the absolute number of finished items and may be called as often as the caller
    likes; a number that is not higher than the last one changes nothing. ``close`` shows the final
    state; calling it again, or ``update`` after it, does nothing.
    """

    active = False
    """Whether calling :meth:`update` is of any use."""

    def update(self, done: int) -> None:
        """So many items are finished."""

    def expect(self, seconds: float, shares: WorkShares | None = None) -> None:
        """The items that are left are said to take so many seconds from now on. ``shares``: what share of
        their work the next items make up, by the number of these; None where all are alike."""

    def beside(self, told: Callable[[], str]) -> None:
        """What is to be shown beside the number of items; "" for nothing."""

    def close(self) -> None:
        """No more will come."""


class Forecast:
    """Seconds that are left: what was said of them, renewed by the pace since then; and what a bar is to
    show beside them."""

    def __init__(self, total: int | None, clock: Callable[[], float] = time.perf_counter) -> None:
        self._total, self._clock = total, clock
        self._said = (0.0, 0.0, 0)
        """Seconds that what is left was said to take, when, and the items done by then."""
        self._shares: WorkShares | None = None
        self.seen = (0.0, 0)
        """When items were last seen to be finished, and how many."""
        self.told: Callable[[], str] = str
        """What is shown beside them; "" for nothing."""

    def expect(self, seconds: float, shares: WorkShares | None = None) -> None:
        """What is left takes so many seconds from now on, by these shares."""
        now, done = self._clock(), self.seen[1]
        self._said, self._shares = (seconds, now, done), shares
        self.seen = now, done

    def beside(self, told: Callable[[], str]) -> None:
        """What is to be shown beside the number of items."""
        self.told = told

    def update(self, done: int) -> None:
        """So many items are finished."""
        self.seen = self._clock(), done

    def seconds_to_go(self) -> float | None:
        """The mean of the forecast and of what the pace says, e / x for a share x done in e seconds, with
        weights of 1 and x / PACE_SHARE. The share is that of the work where it is known to follow the
        items' sizes, else that of the items. None where nothing was said, or the number is not known."""
        said, at, before = self._said
        when, done = self.seen
        if said <= 0 or self._total is None or self._total <= before:
            return None
        share, spent = (done - before) / (self._total - before), when - at
        if share < 1.0 and self._shares is not None:
            share = self._shares(done - before)
        whole = (max(said, spent) + spent / PACE_SHARE) / (1.0 + share / PACE_SHARE)
        return max(0.0, whole - (self._clock() - at)) if share < 1.0 else 0.0


class Reports(Progress):
    """Calls the user's function with (items done, total or None), and once more at the end."""

    active = True

    def __init__(
        self,
        report: Callable[[int, int | None], object],
        total: int | None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._report, self._total, self._clock = report, total, clock
        self._done = 0
        self._reported: int | None = None
        self._next = 0.0
        self._open = True

    def update(self, done: int) -> None:
        if done <= self._done or not self._open:
            return
        self._done = done
        now = self._clock()
        if now >= self._next:
            self._next = now + REPORT_SECONDS
            self._reported = done
            self._report(done, self._total)

    def close(self) -> None:
        if not self._open:
            return
        self._open = False
        if self._reported != self._done:
            self._report(self._done, self._total)


class Bar(Progress):
    """One tqdm bar on standard error; a widget in a notebook that can show one."""

    active = True

    def __init__(self, total: int | None) -> None:
        self._forecast = Forecast(total)
        self._bar: Any = _bar_class(self._forecast)(
            total=total,
            unit=" items",
            file=sys.stderr,
            mininterval=REPORT_SECONDS,
            # Fixed: tqdm's own estimate of a step relies on its monitor thread to be corrected.
            miniters=1,
            **({} if total is None else {"bar_format": WITH_FORECAST}),
            **_width(),
        )
        self._open = True

    def expect(self, seconds: float, shares: WorkShares | None = None) -> None:
        self._forecast.expect(seconds, shares)
        if self._open:
            self._bar.refresh()

    def beside(self, told: Callable[[], str]) -> None:
        self._forecast.beside(told)

    def update(self, done: int) -> None:
        step = done - self._bar.n
        self._forecast.update(done)
        if step > 0 and self._open:
            self._bar.update(step)

    def close(self) -> None:
        if self._open:
            self._open = False
            self._bar.close()


def make_progress(
    progress: bool | Callable[[int, int | None], object], total: int | None
) -> Progress:
    """The display for ``progress``: a bar for True, nothing for False, else reports to a callable.

    ``total`` is the number of items, None where the data do not know it.
    """
    if progress is False:
        return Progress()
    if progress is True:
        return Progress() if sys.stderr is None else Bar(total)
    return Reports(progress, total)


def _width() -> dict[str, Any]:
    """The terminal's width, asked for again as it changes; one that says 0 (a terminal that nobody
    has set up, as in containers) gets a usual one, for tqdm would draw nothing."""
    import os

    try:
        unset = os.get_terminal_size(sys.stderr.fileno()).columns == 0
    except (OSError, ValueError, AttributeError):
        unset = False  # not a terminal
    return {"ncols": USUAL_COLUMNS, "nrows": USUAL_ROWS} if unset else {"dynamic_ncols": True}


def _bar_class(forecast: Forecast) -> Any:
    """tqdm without its monitor thread and without its lock between processes.

    Both would outlive the bar: the thread makes a later fork unsafe, the lock starts a resource
    tracker process where spawn is the default. ``tqdm.auto`` is loaded only in a notebook kernel:
    it imports asyncio (60 ms more).
    """
    base: Any
    if "ipykernel" in sys.modules:
        import warnings

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "IProgress not found": a text bar is good enough
            import tqdm.auto

            base = tqdm.auto.tqdm
    else:
        import tqdm.std

        base = tqdm.std.tqdm
    members: dict[str, Any] = {"monitor_interval": 0, "forecast": forecast}
    if not hasattr(base, "_lock"):
        from threading import RLock

        members["_lock"] = RLock()
    return type("bar", (_WithForecast, base), members)


WITH_FORECAST = "{l_bar}{bar}| {n_fmt}/{total_fmt} [{elapsed}<{to_go}, {rate_fmt}{postfix}]"
"""The usual line of tqdm, with our time to go in the place of its own."""


class _WithForecast:
    """Adds the time to go, and what a server refused, to what a bar of tqdm can show."""

    forecast: Forecast | None = None

    @property
    def format_dict(self) -> dict[str, Any]:
        """What the line is made from."""
        found: dict[str, Any] = {**super().format_dict}  # type: ignore[misc]
        seconds = None if self.forecast is None else self.forecast.seconds_to_go()
        if seconds is None:  # by its pace, as tqdm does
            rate = found.get("rate") or (
                (found["n"] - found.get("initial", 0)) / found["elapsed"] if found["elapsed"] else 0
            )
            seconds = (found["total"] - found["n"]) / rate if rate and found["total"] else None
        if self.forecast is not None:
            found["postfix"] = self.forecast.told()
        found["to_go"] = "?" if seconds is None else type(self).format_interval(seconds)  # type: ignore[attr-defined]
        return found
