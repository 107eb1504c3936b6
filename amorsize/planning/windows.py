"""Calls that a server counts by windows of time: so many in each. Pure; time is an argument.

::

    as many accepted as before the last pause --> so many in each window, from one resumption to the next
    used up --> wait for the next window; now and then one call before it

A window begins no later than the first call that is accepted behind a pause. Where a call is accepted
before the next window was expected, it had begun earlier, or there are none.
"""

from __future__ import annotations

from collections import deque

SURE_CALLS = 8
"""Equal numbers of calls that were accepted mean a window if they are so many."""
SAME_COUNT = 0.02
"""Share of them by which equal numbers may differ: calls do not arrive in the order in which they
began."""
PAUSED_SHARE = 0.2
"""All waited for this share of the time between two refusals: the server may count by windows."""
TRIAL_CALLS = 0.01
"""Share of the calls that may be tried in vain where windows are known (the design's table)."""
LEAST_SHARE = 0.8
"""Of the calls of a window: where fewer were accepted, there are none."""
LEAST_SURES = 2.0
"""A window is longer than so many times what a call must last to be sure that it was accepted."""


class Windows:
    """Whether a server counts by windows, and which is open."""

    def __init__(self) -> None:
        self.are_known = False
        """Whether the same number is accepted in each window of time, at once or not."""
        self.seconds = 0.0
        """Of a window, 0 where that is not known."""
        self.calls = 0.0
        """In a window."""
        self.left = 0.0
        """Calls that may still begin in this one."""
        self._begins: deque[float] = deque(maxlen=3)
        """When the first calls after the last pauses began."""
        self._last_count = 0
        self._are_refuted = False
        self._alone_until = 0.0
        self._trial = self._tried_at = 0
        """A call within a window that is used up: its number, and calls begun then."""
        self._trial_at = self._trial_sure = 0.0
        self._share = 0.5
        """Of what is left of a window when it is used up: a trial comes so long before the next."""

    def go_on(self, calls: float, seconds: float) -> None:
        """Begin with what an earlier run has found: a window is open."""
        self.are_known, self.calls, self.left, self.seconds = True, calls, calls, seconds

    @property
    def bind(self) -> bool:
        """Whether starts wait for the next one."""
        return self.seconds > 0.0 and len(self._begins) > 0

    def look(self, count: int, before: int, seconds: float, paused_seconds: float) -> None:
        """So many calls were accepted between two refusals; ``before``: before the first one."""
        apart = abs(count - (self._last_count or before))
        same = count >= SURE_CALLS and apart <= max(1.0, SAME_COUNT * count)
        self._last_count = count
        self.are_known |= (
            same and not self._are_refuted and paused_seconds >= PAUSED_SHARE * seconds
        )
        self.calls = float(count)

    def leave(self) -> None:
        """There are none."""
        self.are_known, self.seconds, self._trial, self._are_refuted = False, 0.0, 0, True

    def free(self) -> None:
        """It is not calls by time that are limited."""
        self.are_known, self.seconds = False, 0.0

    def resume(self, now: float, sure_seconds: float) -> None:
        """The first call after a pause begins."""
        self._begins.append(now)
        if self.are_known and len(self._begins) > 2:
            self.seconds, self.left = now - self._begins[-2], self.calls
        self._alone_until = now + sure_seconds

    def undo(self, began: float) -> None:
        """The call that began then was refused."""
        if self._begins and self._begins[-1] == began:
            self._begins.pop()

    def begin(self, call: int, now: float, sure_seconds: float) -> None:
        """A call begins that is not the first one after a pause."""
        if self.seconds and self.left < 1.0:
            self._trial = self._tried_at = call
            self._trial_at, self._trial_sure = now, now + sure_seconds

    def spend(self) -> None:
        """A call begins."""
        self.left -= 1.0

    def is_trial(self, call: int) -> bool:
        """Whether this call was to be refused."""
        return bool(self.seconds) and call == self._trial

    def end_trial(self) -> None:
        """It was refused: the next one comes nearer to the end."""
        self._trial = 0
        self._share *= 0.5

    def is_refuted(self, number: int) -> bool:
        """Whether so few calls in a window tell that there are none."""
        return bool(self.seconds) and number < LEAST_SHARE * self.calls

    def judge(self, now: float) -> int:
        """Of a trial that was accepted, its number: the next window has begun before it was expected."""
        if not self._trial or now < self._trial_sure:
            return 0
        call, self._trial, self._tried_at = self._trial, 0, 0
        self.seconds = self._trial_at - self._begins[-1]
        self._begins.append(self._trial_at)
        self.left = self.calls - 1.0
        if self.seconds < LEAST_SURES * (self._trial_sure - self._trial_at):
            self.leave()
        return call

    def wait(self, now: float, calls: int, newest: float) -> float | None:
        """Seconds until a call may begin; None: the next window begins. ``calls``: begun so far;
        ``newest``: when the newest one began."""
        if self._trial:
            return max(0.0, self._trial_sure - now)
        end = self._begins[-1] + self.seconds
        if now >= end:
            self.left = self.calls
            return None
        if self.left >= 1.0:
            return max(0.0, self._alone_until - now)
        if not self._tried_at or (calls - self._tried_at) * TRIAL_CALLS >= 1.0:
            used_up = max(newest, self._begins[-1])
            return max(0.0, end - self._share * (end - used_up) - now)
        return end - now
