"""How many calls a second a server accepts, and when the next may begin. Pure; time is an argument.

::

    refusals --Bucket--> least, most --> least, a bucket of our own --> wait
             --Windows--> the next window -----------------------------> wait

What a server refused tells the rates that it may have (:mod:`amorsize.planning.bucket`). The pace is the
least of them, and our bucket is as full as the server's. Between the least and the most a higher pace is
tried when the gain to be expected pays for the pause that a refusal brings; beyond the most now and then
a little more. As many calls in each interval, whatever the pace: the server counts by windows, and none
is asked for before the next one begins (:mod:`amorsize.planning.windows`).
"""

from __future__ import annotations

from math import inf

from amorsize.planning.bucket import MOST_RATE, Bucket, Mark
from amorsize.planning.windows import Windows

SURE_CALLS = 8
"""So many calls that were accepted prove a rate."""
LEAST_RATE = 1 / 600
"""Calls a second: a server that serves less is given up after as many seconds."""
LEAST_WAIT_SECONDS = 1e-5
"""A pace that asks for shorter waits does not hold back."""
FIRST_SECONDS = 0.5
"""What was accepted before the first refusal is taken to come back in this time, until more is known."""
SEARCH_GROWTH, SEARCH_CALLS_SHARE = 2.0, 0.5
"""Growth of the pace while nothing is known, each after so many calls as a share of the burst: in a
bucket of that size they show."""
BRACKET_CALLS = 4
"""Calls at a pace between the least and the most before the next."""
STEP, MOST_STEP = 0.02, 0.25
"""Least first growth of the pace beyond the most, and the largest; each that is not refused doubles the
next."""
STEP_CALLS, STEP_CALLS_SHARE = 10, 0.25
"""Calls at such a pace before the next, and as a share of the burst."""
PROBE_TIME, PROBE_CALLS, FEW_CALLS = 0.04, 0.045, 19
"""Shares of the time and of the calls that a pace beyond the most may cost; and refused calls that no
share is taken of: they find the rate."""
FALLEN_PROBE_TIME, SPENT_SHARE = 0.1, 0.25
"""Of the time, while the rate is far below an earlier one: what was taken may be given back; and of that
time, where those calls are spent."""
FAR = 1.25
"""What is more than so many times as much is far from it."""
LEFT, NEAR = 0.98, 1.05
"""Of a rate that is known: what is asked for. And: rates that differ by no more are the same."""
LESS = 0.9
"""A bucket that was taken to be too full after a pause holds no more than this share of what it gave."""


class ServerPace:
    """Calls a second that were found to be accepted: a bucket as the server may have one."""

    def __init__(self) -> None:
        self.rate = inf
        """Calls a second."""
        self.burst = inf
        """Calls that the server's bucket holds."""
        self.binds = False
        """Whether it is the pace that is limited."""
        self._bucket = Bucket()
        self._windows = Windows()
        self._level = self._at = 0.0
        """Calls that are left in ours, and when they were counted."""
        self._most_saved = inf
        """More calls than these the server's bucket does not hold after a pause."""
        self._hold_end = 0.0
        """All wait until then."""
        self._held_back = False
        """Whether the pace held a start back since it changed last."""
        self._begun = 0
        """Calls begun at this pace."""
        self._enough_at = inf
        """When so many had begun that it may grow."""
        self._step = STEP
        self._most = 0.0
        """The highest pace that may be accepted; infinite where a higher one than was refused is
        tried."""
        self._cost = 0.0
        """Seconds that the last refusal has cost: so much is paid for trying more."""
        self._refused = 0
        """Calls refused in this episode."""
        self._all = self._all_refused = 0
        """Calls begun, and refused."""
        self._saved = 0.0
        """Calls in our bucket when the last pause ended."""
        self._first_began = 0.0
        self._paused_at = 0
        """Calls begun before all waited last."""

    @property
    def found(self) -> tuple[float, float, bool]:
        """Calls a second that are known to be accepted, whatever is tried just now; the burst; and
        whether the server counts by windows."""
        windows, least = self._windows, self._bucket.least
        if not self.binds:
            return inf, inf, False
        if windows.seconds:
            return windows.calls / windows.seconds, windows.calls, True
        return min(self.rate, LEFT * least) if least else self.rate, self.burst, False

    def wait(self, now: float) -> float:
        """Seconds until the bucket holds a call."""
        if not self.binds:
            return 0.0
        if self._windows.bind:
            call = self._windows.judge(now)
            if call:
                self._paused_at = call - 1
        if self._windows.bind:
            self._held_back = True
            seconds = self._windows.wait(now, self._all, self._bucket.newest(0.0))
            if seconds is None:
                self._paused_at = self._all
            return seconds or 0.0
        self._level = min(self.burst, self._level + max(0.0, now - self._at) * self.rate)
        self._at = max(self._at, now)
        seconds = (1.0 - self._level) / self.rate
        if seconds < LEAST_WAIT_SECONDS:
            return 0.0
        self._held_back = True
        return seconds

    def begin(self, now: float, sure_seconds: float) -> int:
        """A call begins; its number. What has begun for ``sure_seconds`` and was not refused is
        accepted."""
        if not self._all:
            self._first_began = now
        self._all += 1
        self._bucket.start(self._all, now)
        if self.is_first(self._all):
            self._windows.resume(now, sure_seconds)
            if not self._windows.seconds:
                proved = self._bucket.proved(now - sure_seconds, SURE_CALLS)
                self.rate = max(self.rate, LEFT * proved)
            self._saved = 0.0 if self.rate == inf else self._level
        else:
            self._windows.begin(self._all, now, sure_seconds)
        self._windows.spend()
        if self.rate != inf:
            self._level -= 1.0
            self._begun += 1
            if self._begun >= self._calls_to_grow() and self._enough_at == inf:
                self._enough_at = now + sure_seconds
            if self._held_back and now >= self._enough_at and not self._windows.seconds:
                self._grow(now)
        return self._all

    def _calls_to_grow(self) -> int:
        least = self._bucket.least
        if not least:
            return max(1, int(SEARCH_CALLS_SHARE * self.burst))
        if self._most > NEAR * max(self.rate, least):
            return BRACKET_CALLS
        return max(STEP_CALLS, int(STEP_CALLS_SHARE * self.burst))

    def _grow(self, now: float) -> None:
        least, best = self._bucket.least, self._bucket.best
        if not least:
            self.rate *= SEARCH_GROWTH
        else:
            most = self._most if self._most < inf else 2.0 * self.rate
            share = FALLEN_PROBE_TIME if FAR * self.rate < best else PROBE_TIME
            gain = most / max(self.rate, least)
            worth = max(share, 0.5 * (gain - 1.0) if gain > NEAR else 0.0)
            if self._all * PROBE_CALLS + FEW_CALLS < self._all_refused + self._refused:
                if most < FAR * self.rate:
                    return
                worth *= SPENT_SHARE
            if now < self._hold_end + self._cost / worth:
                return
            if self._most == inf or self._most <= NEAR * max(self.rate, least):
                self.rate *= 1.0 + self._step
                self._step = min(MOST_STEP, 2.0 * self._step)
            else:
                self.rate = (self.rate * min(self._most, MOST_RATE)) ** 0.5
            if self.rate > self._most:
                self._most = inf
        self._changed()

    def undo(self, now: float, call: int, began: float, hint: float | None) -> None:
        """A call was refused that began then."""
        self._refused += 1
        self._all_refused += 1
        self._bucket.refuse(Mark(call, began, hint), again=self._refused > 1)
        self._windows.undo(began)
        self._mirror(now)

    def go_on(self, rate: float, burst: float, *, in_windows: bool = False) -> None:
        """Begin with what an earlier run has found; the bucket is full."""
        self.binds = True
        self.rate, self.burst, self._level = max(LEAST_RATE, rate), max(1.0, burst), max(1.0, burst)
        self._most = self.rate
        self._bucket.go_on(self.rate, self.burst)
        if in_windows:
            self._windows.go_on(self.burst, self.burst / self.rate)

    def free(self) -> None:
        """It is not the pace that is limited."""
        self.binds = False
        self._windows.free()

    def empty(
        self, now: float, call: int, began: float, hint: float | None, *, binds: bool = True
    ) -> None:
        """The server's bucket was empty when the call began that was refused now, or, where the pace does
        not bind, it may have been."""
        self.binds |= binds
        if self.explains(call):
            if self._windows.is_trial(call):
                self._windows.end_trial()
            self._changed()
            return
        mark = Mark(call, began, hint)
        if self._bucket.accepted_before(call) or not self._bucket.was_empty:
            self._emptied(mark)
        elif hint is not None and self.is_first(call):
            self._bucket.wait_again(mark)
        self._mirror(now)
        self._changed()

    def _mirror(self, now: float) -> None:
        """Our bucket is as full as the server's."""
        if self.rate != inf:
            self._level, self._at = min(self.burst, self._bucket.level(now, self.rate)), now

    def _emptied(self, mark: Mark) -> None:
        bucket, number = self._bucket, mark.call - self._paused_at
        if self._windows.is_refuted(number):
            self._windows.leave()
        count, narrow = bucket.count(mark), None
        if bucket.note_first(mark):
            if bucket.least:  # found by an earlier run
                self.rate *= LEFT
            else:
                self.burst = max(1.0, float(count))
                self.rate = self.burst / max(FIRST_SECONDS, mark.began - self._first_began)
                if mark.seconds:
                    self.rate = max(self.rate, 1.0 / mark.seconds)
        elif not self._gave_saved(number):
            narrow = self._estimate(mark, count)
        self.rate = max(LEAST_RATE, self.rate)
        bucket.remark(mark, count_on=narrow is False and count < SURE_CALLS)

    def _gave_saved(self, number: int) -> bool:
        """Refused while what was saved in a pause was given: the server has not saved so much. Whether
        that is all that it tells."""
        if not BRACKET_CALLS < number <= self._saved + 2.0:
            return False
        least, given = self._bucket.least, number - 1.0
        self._most_saved = min(self._most_saved, LESS * given)
        if not least or given >= LESS * self._bucket.held(least):
            return False
        self.burst = min(self.burst, self._most_saved)
        return True

    def _estimate(self, mark: Mark, count: int) -> bool | None:
        bucket = self._bucket
        tried = self._begun > 0 and self.rate > NEAR * bucket.least
        seconds = mark.began - bucket.counted_from(mark.began)
        if self.binds:
            self._windows.look(count, bucket.first_accepted, seconds, bucket.paused_seconds)
        narrow = bucket.estimate(mark, lost=0.0 if tried else 1.0)
        if narrow is not None and bucket.least:
            self._most, self._step = bucket.most, max(STEP, bucket.error)
            self.rate = LEFT * bucket.least
            held = bucket.held(max(bucket.least, min(bucket.most, MOST_RATE)), 1.0)
            self.burst = max(1.0, min(self._most_saved, held))
        return narrow

    def explains(self, call: int) -> bool:
        """Whether this call was refused because a window is used up and the next has not begun."""
        windows = self._windows
        if not self.binds:
            return False
        return windows.is_trial(call) or (windows.seconds > 0.0 and self.is_first(call))

    def was_obeyed(self, call: int, hint: float) -> bool:
        """Whether a call was refused again after the time that the server had told to a part of a
        second."""
        return self.is_first(call) and Mark(call, 0.0, hint).seconds is not None

    def is_first(self, call: int) -> bool:
        """Whether it was the first one after all had waited."""
        return call == self._paused_at + 1

    def interrupt(self) -> None:
        """Nothing was served for a time: what the bucket holds is not known."""
        self._bucket.interrupt()

    def close_episode(self) -> None:
        """Refusals that come from now on are of another episode."""
        self._refused = 0

    def hold(self, now: float, due: float) -> None:
        """All starts wait until then."""
        self._paused_at = self._all
        self._bucket.pause(due - max(now, self._hold_end))
        self._hold_end = due
        saved = 0.0 if self.rate == inf else self.burst / self.rate
        self._cost = max(0.0, due - now - saved, self._refused / self.rate)

    def _changed(self) -> None:
        self._held_back = False
        self._begun, self._enough_at = 0, inf
