"""How many calls a second a server accepts, found from what it refused. Pure; time is an argument.

::

    from one refusal to the next: T seconds, n calls accepted --> rate >= (n - 1) / T, surely
    rate --a bucket of our own--> wait

At a refusal the server's bucket is empty, so n calls accepted in the T seconds up to the next refusal
prove a rate of (n - 1) / T. It may be more: while all waited, or calls came slowly, the bucket may have
run over. So the pace is what is proved, and after a time what lies between that and what was refused: the
time in which the gain to be expected pays for the pause that a refusal brings. As many calls in each
interval, whatever the pace: the server counts them by windows of time.
"""

from __future__ import annotations

from collections import deque
from math import inf

SURE_CALLS = 8
"""A rate is known by so many calls accepted between two refusals; by fewer only a lower bound is."""
LEAST_RATE = 1 / 600
"""Calls a second: a server that serves less is given up after as many seconds."""
LEAST_WAIT_SECONDS = 1e-5
"""A pace that asks for shorter waits does not hold back."""
FIRST_SECONDS = 0.5
"""What was accepted before the first refusal is taken to come back in this time, until more is known:
on servers 0 to 299 of benchmarks/api/servers.py a second found small buckets too late."""
SEARCH_GROWTH, SEARCH_CALLS_SHARE = 2.0, 0.5
"""Growth of the pace while nothing is proved, each after so many calls as a share of the burst: in a
bucket of that size they show."""
BRACKET_CALLS_SHARE, BRACKET_LEAST_CALLS = 0.25, 4
"""The same between what is proved and what was refused."""
TRIED = 1.25
"""What was refused is more than so many times the pace: few calls are enough to try more."""
MOST_TRIED = 1.5
"""Of what is proved: the pace that is tried next."""
STEP, MOST_STEP = 0.02, 0.25
"""First growth of the pace beyond what was refused, and the largest; each that is not refused doubles the
next."""
STEP_CALLS = 10
"""Calls started at a pace before it grows."""
PACE_PROBE_TIME, PACE_PROBE_CALLS = 0.04, 0.035
"""Shares of the time and of the calls that a pace beyond what was refused may cost."""
FALLEN_PROBE_TIME = 0.1
"""Of the time, while the rate is far below an earlier one: what was taken may be given back."""
SPENT_SHARE = 0.25
"""Of that time, where those calls are spent."""
FEW_CALLS = 15
"""Refused calls that no share is taken of: they find the rate."""
LEFT, LEAST_LEFT = 0.98, 0.8
"""Of a known rate that was refused, and of one that was refused after a few calls."""
NEAR = 1.05
"""What was refused is no more than so many times what is accepted: the rate is known."""
MOST_STARTS = 4096
"""Starts of calls that are looked at."""
BURST_LESS = 0.9
"""A bucket that was taken to be too full holds no more than this share of what it gave."""
PAUSED_SHARE, SAME_COUNT = 0.2, 0.02
"""Where all waited for this share of the time between two refusals, and as many calls were accepted as
before the first refusal, but for this share, the server counts by windows."""


class ServerPace:
    """Calls a second that were found to be accepted: a bucket as the server may have one."""

    def __init__(self) -> None:
        self.rate = inf
        """Calls a second."""
        self.burst = inf
        """Calls that the server's bucket holds."""
        self._level = self._at = 0.0
        """Calls that are left in ours, and when they were counted."""
        self._least = self._most = 0.0
        """Rates that are proved, and that were refused; 0 where nothing is known."""
        self._first_accepted, self._first_seconds = 0, 0.0
        """Calls accepted before the first refusal, and in how many seconds."""
        self._best = 0.0
        """The highest rate that was accepted before it became less."""
        self._lowered = 0
        """Refusals in a row at a pace that was taken to be accepted: each takes twice as much of it."""
        self.in_windows = False
        """Whether the same number is accepted in each window of time, at once or not."""
        self._first = 0.0
        """When the first call began."""
        self._mark: float | None = None
        """When the server's bucket was empty."""
        self._accepted = 0
        """Calls begun since the mark, and not refused."""
        self._held = self._hold_end = 0.0
        """Seconds since the mark that all waited; until when."""
        self._since = -inf
        """When the pace changed last."""
        self._bound = False
        """Whether it held a start back since."""
        self._begun = 0
        """Calls begun at this pace."""
        self._enough_at = inf
        """When so many had begun that it may grow."""
        self._step = STEP
        self._cost = 0.0
        """Seconds that the last refusal has cost: so much is paid for trying more."""
        self._refused = 0
        """Calls refused in this episode."""
        self._all = self._all_refused = 0
        """Calls begun, and refused."""
        self._saved = 0.0
        """Calls in our bucket when the last pause ended."""
        self._number = 0
        """Calls begun since all waited last."""
        self._starts: deque[float] = deque(maxlen=MOST_STARTS)
        """When the calls accepted since the mark began, the newest ones."""
        self._most_saved = 1.0
        """Calls that were accepted before the first refusal: more the bucket does not hold."""

    def wait(self, now: float) -> float:
        """Seconds until the bucket holds a call."""
        if self.rate == inf:
            return 0.0
        self._level = min(self.burst, self._level + max(0.0, now - self._at) * self.rate)
        self._at = max(self._at, now)
        seconds = (1.0 - self._level) / self.rate
        if seconds < LEAST_WAIT_SECONDS:
            return 0.0
        self._bound = True
        return seconds

    def begin(self, now: float, sure_seconds: float) -> int:
        """A call begins; how many have since all waited last. What has begun for ``sure_seconds`` and was
        not refused is accepted."""
        if not self._accepted and self._mark is None:
            self._first = now
        self._accepted += 1
        self._number += 1
        self._all += 1
        self._starts.append(now)
        if self._number == 1:
            self._saved = 0.0 if self.rate == inf else self._level
        if self.rate != inf:
            self._level -= 1.0
            self._begun += 1
            if self._begun >= self._calls_to_grow() and self._enough_at == inf:
                self._enough_at = now + sure_seconds
            if self._bound and now >= self._enough_at:
                self._grow(now)
        return self._number

    def _calls_to_grow(self) -> int:
        if self._least:
            few = BRACKET_LEAST_CALLS if self._most > TRIED * self.rate else STEP_CALLS
            return max(few, int(BRACKET_CALLS_SHARE * self.burst))
        return max(1, int(SEARCH_CALLS_SHARE * self._most_saved))

    def _grow(self, now: float) -> None:
        if not self._least:
            self.rate *= SEARCH_GROWTH
        else:
            most = self._most if self._most < inf else 2.0 * self.rate
            fallen = self.rate < LEAST_LEFT * self._best
            share = FALLEN_PROBE_TIME if fallen else PACE_PROBE_TIME
            worth = max(share, 0.5 * (most / self.rate - 1.0))
            enough = self._all * PACE_PROBE_CALLS + FEW_CALLS >= self._all_refused + self._refused
            if not enough:
                if most < TRIED * self.rate:
                    return
                worth *= SPENT_SHARE
            if now < self._hold_end + self._cost / worth:
                return
            if self._most > NEAR * self.rate:
                self.rate = min(MOST_TRIED * self.rate, (self.rate * self._most) ** 0.5)
            else:
                self.rate *= 1.0 + self._step
                self._step = min(MOST_STEP, 2.0 * self._step)
            self._lowered = 0
            if self.rate > self._most:
                self._most = inf
        self._changed(now)

    def undo(self, began: float) -> None:
        """A call was refused that began then."""
        self._refused += 1
        self._all_refused += 1
        if self._mark is None or began > self._mark:
            self._accepted -= 1
            if began in self._starts:
                self._starts.remove(began)

    def go_on(self, rate: float, burst: float, *, in_windows: bool = False) -> None:
        """Begin with what an earlier run has found; the bucket is full."""
        self.in_windows = in_windows
        self.rate, self.burst, self._level = max(LEAST_RATE, rate), max(1.0, burst), max(1.0, burst)
        self._least = self._most = self.rate

    def free(self) -> None:
        """It is not the pace that is limited."""
        self.rate = inf
        self._least = self._most = 0.0

    def empty(self, now: float, began: float, number: int, *, again: bool) -> None:
        """The server's bucket was empty just before ``now``.

        ``again``: nothing was accepted since it was found empty before."""
        if not again or self.rate == inf:
            self._emptied(began, number)
        self._level, self._at = 0.0, now
        self._changed(now)

    def _emptied(self, began: float, number: int) -> None:
        if self.rate != inf and 2.0 <= self._saved <= self.burst and number <= self._saved + 2.0:
            held = max(1.0, BURST_LESS * (number - 1))
            if held < self.burst:
                # Refused while what was saved in a pause was given: the server had not saved so much.
                self.burst = held
                return
        since = self._first if self._mark is None else self._mark
        seconds = max(began - since, 1e-6)
        count = max(0, sum(1 for start in self._starts if start < began))
        if len(self._starts) == MOST_STARTS:
            count = max(count, self._accepted)
        if self._mark is None:
            self._first_accepted, self._first_seconds = count, seconds
            if self._least:  # found by an earlier run
                self._most_saved, self.rate = self.burst, LEFT * self.rate
            else:
                self._save_less(0.0)
                self.rate = self._most_saved / max(FIRST_SECONDS, seconds)
        else:
            self._estimate(count, seconds, self._proved(count, seconds, began))
        self.rate = max(LEAST_RATE, self.rate)
        self._step = STEP
        if count >= SURE_CALLS or self._mark is None:
            while self._starts and self._starts[0] < began:
                self._starts.popleft()
            self._mark, self._held = began, 0.0
            self._accepted = len(self._starts)

    def _proved(self, count: int, seconds: float, began: float) -> float:
        """The highest rate that the calls accepted since the mark prove."""
        found = max(0.5, count - 1.0) / seconds
        most = self._most_saved + 0.5
        starts, last = self._starts, len(self._starts) - 1
        while last >= 0 and starts[last] >= began:
            last -= 1
        number = BRACKET_LEAST_CALLS
        while number <= last + 1:
            found = max(
                found, (number - most) / max(starts[last] - starts[last + 1 - number], 1e-6)
            )
            number = max(number + 1, int(1.3 * number))
        return found

    def _estimate(self, count: int, seconds: float, proved: float) -> None:
        pace = self.rate if self._bound else inf
        proved = min(proved, pace)
        active = max(seconds - self._held, 1e-6)
        if self._most and proved > self._most:
            self._most = 0.0  # it has become more
        if pace <= NEAR * self._least:  # what was taken to be accepted was refused
            self._best = max(self._best, self._least)
            left = max(LEAST_LEFT, 1.0 - (1.0 - LEFT) * 2.0 ** min(self._lowered, 9)) * pace
            most = LEAST_LEFT * pace if count < SURE_CALLS else (count + 1.0) / active
            self._least, self._most = max(min(most, left), min(proved, left)), pace
            self._lowered += 1
        else:
            self._least = max(self._least, proved)
            even = (count - 1.0) / seconds
            other = abs(count - self._first_accepted)
            if self._held > PAUSED_SHARE * seconds and other <= max(1.0, SAME_COUNT * count):
                pace, self.in_windows = NEAR * even, True  # so many in each window
            self._most = max(min(self._most or inf, pace), NEAR * self._least)
        self._save_less((count - 1.0) / seconds)
        self.rate = LEFT * self._least

    def _save_less(self, rate: float) -> None:
        """The bucket held what was accepted before the first refusal, less what came back meanwhile."""
        if self.in_windows:
            self.burst = self._most_saved = max(1.0, float(self._first_accepted))
            return
        self._most_saved = max(1.0, self._first_accepted - rate * self._first_seconds)
        self.burst = max(1.0, min(self.burst, BURST_LESS * self._most_saved))

    def close_episode(self) -> None:
        """Refusals that come from now on are of another episode."""
        self._refused = 0

    def hold(self, now: float, due: float) -> None:
        """All starts wait until then."""
        self._number = 0
        self._held += due - max(now, self._hold_end)
        if self.in_windows:
            self._level, self._at = self.burst, due
        self._hold_end = due
        saved = 0.0 if self.rate == inf else self.burst / self.rate
        self._cost = max(0.0, due - now - saved, self._refused / self.rate)

    def _changed(self, now: float) -> None:
        self._bound, self._since = False, now
        self._begun, self._enough_at = 0, inf
