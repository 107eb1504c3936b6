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

    def close(self) -> None:
        """No more will come."""


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
        self._bar: Any = _bar_class()(
            total=total,
            unit=" items",
            file=sys.stderr,
            mininterval=REPORT_SECONDS,
            # Fixed: tqdm's own estimate of a step relies on its monitor thread to be corrected.
            miniters=1,
            **_width(),
        )
        self._open = True

    def update(self, done: int) -> None:
        step = done - self._bar.n
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


def _bar_class() -> Any:
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
    members: dict[str, Any] = {"monitor_interval": 0}
    if not hasattr(base, "_lock"):
        from threading import RLock

        members["_lock"] = RLock()
    return type("bar", (base,), members)
