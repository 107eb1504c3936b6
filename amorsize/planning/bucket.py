"""The bucket of calls that explains what a server refused. Pure; time is an argument.

::

    two refusals, starts accepted between --> rates of a bucket as empty as at both: least, most
    before the first refusal it was full --> what it holds, for each rate
    all refusals since the rate changed --> their mean, and how far chance moves it

At a refusal the server's bucket is empty, and where the server tells when it is not, its level is known
to a part of a call. Calls accepted between two refusals came back meanwhile, but for what ran over while
nothing was asked for; and that is known, because the first refusal told what the bucket holds. Where the
newest pairs of refusals differ from those before by more than chance explains, the rate has changed, and
they alone count.
"""

from __future__ import annotations

from math import sqrt

MOST_STARTS = 4096
"""Starts of calls that are looked at."""
COARSE = 0.5
"""Calls that the bucket held at a refusal, and by which that may be wrong, where the server does not
tell."""
WHOLE = 1e-3
"""Seconds by which a hint of whole seconds may differ from them; one that is shorter tells nothing."""
SURE_RISES = 5
"""Calls refused one after the other, each to be asked again later than the one before: by chance in one
of 120 times; else the server counts what it refuses."""
SAME_SHARE = 0.1
"""Of a hint: another that ends no later than so much is the same."""
NARROW, WIDE = 1.25, 3.0
"""Rates that differ by no more than the first are known; those that differ by more than the second tell
nothing of the mean."""
SURE_ERRORS = 2.0
"""Standard errors that are no chance."""
MOST_PARTS = 32
"""Pairs of refusals that are compared with those before."""
HIGHER, HALVINGS, MOST_RATE = 1.1, 5, 1e6
"""Step of the search for a rate that explains two refusals, halvings of the last one (they leave 0.3 %),
and its end."""


class Mark:
    """A moment at which the server's bucket was empty: a call began that was refused."""

    __slots__ = ("began", "call", "seconds")

    def __init__(self, call: int, began: float, hint: float | None) -> None:
        self.call, self.began = call, began
        fine = hint is not None and abs(hint - round(hint)) > WHOLE
        self.seconds = hint if fine else None
        """Until a call may begin, where the server tells it and not in whole seconds."""

    def level(self, rate: float, sign: float = 0.0, *, counted: bool = False) -> float:
        """Calls in a bucket of that rate: the most for 1.0, the least for -1.0. ``counted``: the server
        takes refused calls from its bucket, too."""
        if self.seconds is not None:
            told = 1.0 - rate * self.seconds
            # Else all callers wait for the same time, or the bucket has to fill after refused calls.
            if told >= 0.0 or counted or sign < 0.0:
                return told
        return COARSE + sign * COARSE

    @property
    def due(self) -> float:
        """When a call may begin."""
        return self.began + (self.seconds or 0.0)


class MeanRate:
    """Pairs of refusals since the rate changed last: their mean, and what chance does to it."""

    def __init__(self) -> None:
        self._parts: list[tuple[float, float]] = []
        """Calls, and seconds, between two refusals."""
        self._squares, self._count = COARSE**2, 1
        """Squares of the calls by which a part was off, over their number; and how many parts."""
        self._lost = 0.0
        """Calls refused at a rate that was taken to be accepted."""

    def __bool__(self) -> bool:
        return bool(self._parts)

    @property
    def noise(self) -> float:
        """Square of the calls by which the server counts otherwise, over their number."""
        return self._squares / self._count

    @property
    def rate(self) -> float:
        """Of all parts."""
        return self._rate_of(self._parts)

    @staticmethod
    def _rate_of(parts: list[tuple[float, float]]) -> float:
        return sum(calls for calls, _ in parts) / sum(seconds for _, seconds in parts)

    def add(self, rate: float, seconds: float) -> bool:
        """One more part. Whether the newest ones tell that the rate has changed; then only they are
        kept."""
        self._parts.append((rate * seconds, seconds))
        parts, newest = self._parts, None
        for first in range(len(parts) - 1, 0, -1):
            known = self._rate_of(parts[:first])
            elapsed = sum(part[1] for part in parts[first:])
            apart = abs(self._rate_of(parts[first:]) - known) * elapsed
            off = apart * apart / (known * elapsed)
            newest = off if newest is None else newest
            if off > SURE_ERRORS**2 * self.noise and apart > 1.0:
                self._parts, self._lost = parts[first:], 0.0
                return True
        if newest is not None:
            self._squares += newest
            self._count += 1
        if len(parts) > MOST_PARTS:
            parts[:2] = [(parts[0][0] + parts[1][0], parts[0][1] + parts[1][1])]
        return False

    def allows(self, least: float, most: float, seconds: float) -> bool:
        """Whether one of these rates differs from the mean by no more than chance."""
        rate = self.rate
        off = (min(most, max(least, rate)) - rate) ** 2 * seconds / rate
        return off <= SURE_ERRORS**2 * self.noise

    def lose(self, calls: float) -> None:
        """Calls were refused at a rate that was taken to be accepted."""
        self._lost += calls

    def forget(self) -> None:
        """The rate has changed."""
        self._parts, self._lost = [], 0.0

    def known(self) -> tuple[float, float, float]:
        """The rate to ask for, less the share of calls that were refused at it; the most that it may be;
        the error of the mean as a share of it."""
        calls = max(1.0, sum(calls for calls, _ in self._parts))
        error = min(COARSE, sqrt(self.noise / calls))
        rate = self.rate * (1.0 - min(COARSE, self._lost / calls))
        return rate, rate * (1.0 + SURE_ERRORS * error), error


class Bucket:
    """What is known of the server's bucket; it hears of every call."""

    def __init__(self) -> None:
        self.least = self.most = 0.0
        """Rates between which the server's is; 0 where nothing is known."""
        self.best = 0.0
        """The highest rate that was accepted before it became less."""
        self.error = 0.0
        """Of the rate, as a share of it."""
        self.counts_refused = False
        """Whether the server takes refused calls from its bucket, too."""
        self.paused_seconds = 0.0
        """All waited for so long since calls are counted."""
        self.first_accepted = 0
        """Calls accepted before the first refusal."""
        self._mean = MeanRate()
        self._starts: dict[int, float] = {}
        """When the calls that were accepted since began, the newest ones, by number."""
        self._first: Mark | None = None
        self._first_times: list[tuple[float, float]] = []
        """Seconds before the first refusal, and calls accepted in them."""
        self._held = 0.0
        """What the bucket holds, where that was found at another rate."""
        self._from: Mark | None = None
        """The refusal from which on calls are counted."""
        self._mark: Mark | None = None
        """The last refusal."""
        self._extra = self._debt = 0
        """Calls refused since then, and since this one."""
        self._rises = 0

    @property
    def was_empty(self) -> bool:
        """Whether a refusal is known since which calls are counted."""
        return self._mark is not None

    def go_on(self, rate: float, held: float) -> None:
        """Begin with what an earlier run has found."""
        self.least = self.most = rate
        self._held = held

    def start(self, call: int, now: float) -> None:
        """A call begins."""
        self._starts[call] = now
        if len(self._starts) > MOST_STARTS:
            del self._starts[next(iter(self._starts))]

    def pause(self, seconds: float) -> None:
        """All starts wait for so long, once more."""
        self.paused_seconds += seconds

    def counted_from(self, default: float) -> float:
        """When the refusal began from which on calls are counted."""
        return default if self._from is None else self._from.began

    def newest(self, default: float) -> float:
        """When the newest call began that is counted."""
        return next(reversed(self._starts.values()), default)

    def count(self, mark: Mark) -> int:
        """Calls accepted before this refusal, since they are counted."""
        return sum(1 for call in self._starts if call < mark.call)

    def accepted_before(self, call: int) -> bool:
        """Whether a call was accepted since the last refusal, of those that began before this one."""
        mark = 0 if self._mark is None else self._mark.call
        return any(mark < one < call for one in self._starts)

    def refuse(self, mark: Mark, *, again: bool) -> None:
        """A call was refused; ``again``: it is not the first one of an episode."""
        self._starts.pop(mark.call, None)
        if self._from is not None and mark.call > self._from.call:
            self._extra += 1
        if self._mark is not None and mark.call > self._mark.call:
            self._debt += 1
            if again:
                self._hear_again(self._mark, mark)

    def _hear_again(self, mark: Mark, later: Mark) -> None:
        """Where a call may begin the later, the more were refused, they count; else the later time is of
        calls that were accepted since, or of an item that costs more."""
        if later.seconds is None or mark.seconds is None:
            return
        rise, same = later.due - mark.due, SAME_SHARE * mark.seconds
        self._note_rises(rise > same and not self.accepted_before(later.call))
        if rise > (0.0 if self.counts_refused else same):
            paused_seconds = self.paused_seconds
            self.remark(later, count_on=self._from is not self._mark)
            self.paused_seconds = paused_seconds

    def _note_rises(self, rises: bool) -> None:
        self._rises = self._rises + 1 if rises else 0
        self.counts_refused |= self._rises >= SURE_RISES

    def wait_again(self, mark: Mark) -> None:
        """It was waited as long as the server told, and it refused again."""
        self._note_rises(True)
        self.remark(mark, count_on=self._from is not self._mark)

    def remark(self, mark: Mark, *, count_on: bool = False) -> None:
        """The bucket was empty there. ``count_on``: calls are counted from where they were counted
        before."""
        if not count_on:
            for call in list(self._starts):
                if call > mark.call:
                    break
                del self._starts[call]
            self._from, self._extra, self.paused_seconds = mark, 0, 0.0
        self._mark, self._debt = mark, 0

    def interrupt(self) -> None:
        """Nothing was served for a time: what the bucket holds is not known."""
        self._mark = self._from = None
        self._starts.clear()

    def level(self, now: float, rate: float) -> float:
        """As full as the server's: empty at the last refusal, less what was accepted since."""
        mark, counted = self._mark, self.counts_refused
        if mark is None:
            return 0.0
        level = mark.level(rate, counted=counted)
        level = (0.0 if level == COARSE else level) + rate * (now - mark.began)
        level -= sum(1 for call in self._starts if call > mark.call)
        return level - self._debt - 1.0 if counted else max(0.0, level)

    def proved(self, sure: float, few: int) -> float:
        """A rate that is surely accepted: of what began after the refusal, and before ``sure``."""
        mark, last, count = self._from, 0.0, 0
        for start in self._starts.values():
            if start <= sure:
                last, count = start, count + 1
        if mark is None or count < few or last <= mark.began:
            return 0.0
        return (count - 1) / (last - mark.began)

    def note_first(self, until: Mark) -> bool:
        """Before the first refusal the bucket was full: it held what was accepted in any of the times
        before it, less what came back meanwhile. Only those are kept that may be the most. Whether it was
        the first."""
        if self._first is not None:
            return False
        self._first, self.first_accepted = until, self.count(until)
        hull, self._held = self._first_times, 0.0
        count = 0
        for call in reversed(self._starts):
            if call >= until.call:
                continue
            count += 1
            seconds = until.began - self._starts[call]
            while hull and (hull[-1][0] >= seconds or _is_below(hull, seconds, count)):
                hull.pop()
            hull.append((seconds, float(count)))
        return True

    def held(self, rate: float, error: float = 0.0) -> float:
        """What the bucket holds if it has this rate; less so many times what that may be wrong by."""
        first, most = self._first, self._held
        if first is None:
            return max(1.0, most)
        if not most:
            times = self._first_times
            most = max((count - rate * seconds for seconds, count in times), default=0.0)
            most += first.level(rate)
        return max(1.0, most - (error * COARSE if first.seconds is None else 0.0))

    def _left(self, rate: float, mark: Mark, until: Mark, sign: float) -> float:
        """Calls too many in a bucket of this rate at a refusal, after the starts since the one before."""
        most, counted = self.held(rate, sign), self.counts_refused
        level, at = mark.level(rate, -sign, counted=counted), mark.began
        if counted or (sign > 0.0 and mark.seconds is None):
            level -= self._extra + (1.0 if counted and sign > 0.0 else 0.0)
        for call, start in self._starts.items():
            if call >= until.call:
                break
            level = min(most, level + rate * (start - at)) - 1.0
            at = start
        level = min(most, level + rate * (until.began - at))
        return level - until.level(rate, sign, counted=counted)

    def _explained(self, mark: Mark, until: Mark, low: float, sign: float) -> float:
        """The rate that explains both; ``sign``: 1.0 for the most, -1.0 for the least. With the rate
        falls what the bucket holds: where no rate explains it, the one is nearest up to which more is
        left."""
        rate, left = low, self._left(low, mark, until, sign)
        for step in (HIGHER, sqrt(sqrt(HIGHER))):
            while left < 0.0:
                higher = step * rate
                more = self._left(higher, mark, until, sign)
                if more < left or higher > MOST_RATE:
                    break
                low, rate, left = rate, higher, more
            if left >= 0.0:
                break
            rate = max(low, rate / step)
            left = self._left(rate, mark, until, sign)
        if left < 0.0:
            return rate
        for _ in range(HALVINGS):
            middle = sqrt(low * rate)
            if self._left(middle, mark, until, sign) < 0.0:
                low = middle
            else:
                rate = middle
        return rate

    def estimate(self, until: Mark, *, lost: float) -> bool | None:
        """What the calls tell that were accepted between the refusal from which they are counted and this
        one; ``lost``: calls refused that were taken to be accepted. Whether that is narrow; None for
        nothing."""
        mark, self.error = self._from, 0.0
        if mark is None:
            return None
        self._note_rises(False)
        seconds = max(until.began - mark.began, 1e-6)
        low = max(0.1, self.count(until) - 2.0) / seconds
        least = self._explained(mark, until, low, -1.0)
        most = max(least, self._explained(mark, until, least, 1.0))
        self._combine(least, most, seconds, lost)
        return most <= NARROW * least

    def _combine(self, least: float, most: float, seconds: float, lost: float) -> None:
        """What two refusals tell, with what others have told before."""
        mean = self._mean
        if not mean:
            if self.least and most >= self.least and least <= self.most:
                least, most = max(least, self.least), min(most, self.most)
            if most > NARROW * least:
                self.least, self.most = least, most
                return
            mean.add(0.5 * (least + most), seconds)
        elif most <= WIDE * least:
            if mean.add(0.5 * (least + most), seconds):
                self._change()
        elif not mean.allows(least, most, seconds):
            self._change()
            mean.forget()
            self.least, self.most = least, most
            return
        self.least, self.most, self.error = mean.known()
        mean.lose(lost)

    def _change(self) -> None:
        self._held = self.held(self.least)
        self.best = max(self.best, self.least)


def _is_below(hull: list[tuple[float, float]], seconds: float, count: int) -> bool:
    """Whether the last point of an upper hull lies below the line to a new one."""
    if len(hull) < 2:
        return False
    (before, low), (last, high) = hull[-2:]
    return (count - low) * (last - before) >= (high - low) * (seconds - before)
