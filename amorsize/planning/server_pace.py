"""How many calls a second a server accepts, found from what it refused. Pure; time is an argument.

::

    refused --S seconds, n accepted in between--> rate --a bucket of our own--> wait

From one refusal to the next, S seconds, the server's bucket went from empty to empty: n calls accepted
make a rate of at least n / S, and of at most (n + 1) / T, T being S without the time that all waited, in
which it may have run over. Once a rate is known, a refusal makes it a little less, and what is not
refused a little more.
"""

from __future__ import annotations

from math import inf

SURE_CALLS = 8
"""A rate is known by so many calls accepted between two refusals; by fewer only an upper bound is."""
LEAST_RATE = 1 / 600
"""Calls a second: a server that serves less is given up after as many seconds."""
STEP, MOST_STEP = 0.02, 0.25
"""First growth of the pace beyond what was refused, and the largest; each that is not refused doubles the
next."""
STEP_CALLS = 10
"""Calls started at a pace before it grows."""
BURST_LESS = 0.9
"""A bucket that was taken to be too full holds no more than this share of what it was taken to hold."""
PACE_PROBE_TIME = 0.04
"""Share of the time that a pace beyond what was refused may cost."""
MOST_LEFT, LEAST_LEFT = 0.98, 0.8
"""Of a pace that was refused, what is left of it at most and at least."""
FIRST_SHARE = 1 / 16
"""Of the highest rate that is possible, the lowest, where nothing else is known."""
BACK_CALLS = 2
"""Calls served before a pace that refusals in a row made less is doubled."""


class ServerPace:
    """Calls a second that were found to be accepted: a bucket as the server may have one."""

    def __init__(self) -> None:
        self.rate = inf
        """Calls a second."""
        self.burst = inf
        """Calls that the server's bucket holds."""
        self._level = self._at = 0.0
        """Calls that are left in ours, and when they were counted."""
        self._known = 0.0
        """A rate that may be allowed, and was made less by refusals in a row or by caution alone: reached
        by doubling."""
        self._first = 0.0
        """When the first call began."""
        self._mark: float | None = None
        """When the server's bucket was empty."""
        self._accepted = 0
        """Calls begun since the mark, and not refused."""
        self._held = self._hold_end = self._hold_seconds = 0.0
        """Seconds since the mark that all waited; until when, and for how long."""
        self._since = -inf
        """When the pace changed last."""
        self._bound = False
        """Whether it held a start back since."""
        self._confirmed = 0
        """Calls begun at this pace, and served."""
        self._step = STEP
        self._not_before = 0.0
        """Growing costs too much before this time."""
        self._number = 0
        """Calls begun since all waited last."""
        self._counted: tuple[float, float, float] | None = None
        """Of this episode, whose calls may turn out to be refused: when it was counted, over how many
        seconds, and the rate before."""
        self._count = 0

    def wait(self, now: float) -> float:
        """Seconds until the bucket holds a call."""
        if self.rate == inf:
            return 0.0
        self._level = min(self.burst, self._level + max(0.0, now - self._at) * self.rate)
        self._at = max(self._at, now)
        if self._level >= 1.0 - 1e-6:
            return 0.0
        self._bound = True
        return (1.0 - self._level) / self.rate

    def begin(self, now: float) -> int:
        """A call begins; how many have since all waited last."""
        if not self._accepted and self._mark is None:
            self._first = now
        self._accepted += 1
        self._number += 1
        if self.rate != inf:
            self._level -= 1.0
        return self._number

    def undo(self, began: float) -> None:
        """A call was refused that began then."""
        if self._counted is None or began > self._counted[0] or self._mark != self._counted[0]:
            self._accepted -= 1
        if self._counted is not None and began <= self._counted[0]:
            self._count -= 1
            _, seconds, before = self._counted
            if not self._hold_seconds:
                self._by_count(seconds, before)

    def go_on(self, rate: float, burst: float) -> None:
        """Begin with what an earlier run has found; the bucket is full."""
        self.rate, self.burst, self._level = max(LEAST_RATE, rate), max(1.0, burst), max(1.0, burst)

    def free(self) -> None:
        """It is not the pace that is limited."""
        self.rate, self._counted, self._known = inf, None, 0.0

    def empty(self, now: float, number: int, *, again: bool) -> None:
        """The server's bucket was empty just before ``now``, as the call with this number began.

        ``again``: nothing was accepted since it was found empty before."""
        if again and self.rate != inf:
            self._known = max(self._known, self.rate)
            self.rate = max(0.5 * self.rate, FIRST_SHARE * self._known)
        else:
            self._emptied(now, number)
        self.rate = max(LEAST_RATE, self.rate)
        self._level, self._at = 0.0, now
        self._changed(now)

    def _emptied(self, now: float, number: int) -> None:
        first = self._mark is None
        since = self._first if self._mark is None else self._mark
        seconds = max(now - since, 1e-6)
        active = max(seconds - self._held, 1e-6)
        if self.burst == inf:
            self.burst = max(1.0, number - 1.0)
        before, self._count, self._known = self.rate, self._accepted, 0.0
        self._counted = now, seconds, before
        if before == inf:
            most = (self._accepted + 1) / active
            least = FIRST_SHARE * most if first else max(self._accepted, 0.5) / seconds
            self.rate, self._known = (least * most) ** 0.5, most
        elif self._hold_seconds:
            self._after_hold(number - 1, max(now - self._hold_end, 1e-6))
        else:
            self._by_count(seconds, before)
        self._step = STEP
        if self._accepted >= SURE_CALLS or first:
            self._mark, self._held, self._accepted = now, 0.0, 0

    def _after_hold(self, accepted: int, seconds: float) -> None:
        """A bucket gave what it had saved while all waited, and then its rate."""
        full = min(self.burst, self._hold_seconds * self.rate)
        paced = max(0.0, accepted - full)
        if paced < SURE_CALLS and self.burst > 1.0:  # it was not as full as that
            self.burst = max(1.0, min(BURST_LESS * self.burst, float(accepted)))
            return
        self.rate = _between(paced / seconds if paced >= SURE_CALLS else 0.0, self.rate)

    def _by_count(self, seconds: float, before: float) -> None:
        if before == inf or self._count >= SURE_CALLS:
            found = max(0.5, self._count) / seconds
        else:
            found = (max(0, self._count) + 1) / seconds
        self.rate = max(LEAST_RATE, _between(found, before))

    def close_episode(self) -> None:
        """Refusals that come from now on are of another episode."""
        self._counted = None

    def hold(self, now: float, due: float, *, told: bool) -> None:
        """All starts wait until then; ``told``: the server asks for it."""
        self._number = 0
        self._held += due - max(now, self._hold_end)
        self._hold_end, self._hold_seconds = due, due - now if told else 0.0
        cost = (due - now) if self.rate == inf else max(0.0, due - now - self.burst / self.rate)
        self._not_before = due + cost / PACE_PROBE_TIME

    def served(self, began: float, now: float) -> None:
        """A call was served; the pace grows where it has held for long enough."""
        self._confirmed += began > self._since
        if self.rate == inf or not self._bound:
            return
        if self.rate < self._known:
            if self._confirmed < BACK_CALLS:
                return
            self.rate = min(2.0 * self.rate, self._known)
        elif self._confirmed >= STEP_CALLS and now >= self._not_before:
            self.rate *= 1.0 + self._step
            self._step = min(MOST_STEP, 2.0 * self._step)
        else:
            return
        self._changed(now)

    def _changed(self, now: float) -> None:
        self._confirmed, self._bound, self._since = 0, False, now


def _between(found: float, before: float) -> float:
    """The rate after a refusal: what was found, but a little less than before, and not much less."""
    if before == inf:
        return found
    return min(MOST_LEFT * before, max(LEAST_LEFT * before, found))
