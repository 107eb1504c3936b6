"""How many calls a second the user allows: ``rate=``. Time is an argument, but where a run takes calls.

::

    "500/min" --Rate--> a bucket of tokens --take(now, item)--> 0.0: taken, or seconds to wait
                                  ^
                                  +-- Start.begun: when the call began, in its worker

One object is one budget: calls, threads and worker processes that are given the same one share it, for
tokens are taken where items are handed out, in the caller. The call begins a little later, where it runs,
one sooner than another: so calls come closer together than their tokens did. Therefore a token waits
as well until so many calls have begun a second ago as would be too many with it. Then no second holds
more, by the clock that is read right before each call.
"""

from __future__ import annotations

import re
from _thread import allocate_lock
from collections import deque
from math import inf, isfinite

from amorsize.errors import OptionError, OptionTypeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

UNIT_SECONDS = {
    "s": 1.0, "sec": 1.0, "second": 1.0, "m": 60.0, "min": 60.0, "minute": 60.0,
    "h": 3600.0, "hour": 3600.0, "d": 86400.0, "day": 86400.0,
}  # fmt: skip
BURST_SECONDS = 1.0
"""Tokens of so long, at least one, may be taken at once after a pause: default burst."""
LATE_SHARE = 0.02
"""Of a second's tokens, at least one: what a start that comes late may make up for while items wait. So
no second after the burst has more than 1.02 times the rate."""
LATE_CALL = 0.98
"""The start that is due itself, which must not lose a token when it comes late; less than 1, so that it
makes no whole call more."""
WINDOW_SECONDS = 1.002
"""In so long no more calls begin than a second may have: between the clock that is read before a call and
what the server counts lies up to 2 ms that nobody sees (benchmarks/api/rates.py)."""
MOST_FOLLOWED = 10_000
"""Calls a second whose starts are followed: of more, 2 % are more than workers are late."""
IDLE_SECONDS = 1.0
"""After so long without a demand the whole burst is there again."""
ROUNDING = 1e-6
"""Of a token: less is missing only because numbers are rounded."""
WAY_OUT = 'write "500/min", "50/s", 50 (a second), or Rate("200_000/min", cost=tokens)'

_TEXT = re.compile(r"\s*([0-9][0-9_]*(?:\.[0-9]+)?)\s*/\s*([a-z]+)\s*", re.ASCII | re.IGNORECASE)


class Start:
    """When a call began: when its tokens were taken, until more is known."""

    __slots__ = ("at",)

    def __init__(self, at: float) -> None:
        self.at: float = at

    def begun(self, at: float) -> None:
        """It began then, by the clock of the tokens, or at the latest then."""
        self.at = max(self.at, at)


class _Bucket:
    """Tokens that come back at a rate."""

    def __init__(
        self, text: str, rate: float, cost: Callable[[Any], float] | None, burst: float | None
    ) -> None:
        self.text, self.rate, self.cost = text, rate, cost
        self.burst = max(1.0, BURST_SECONDS * rate) if burst is None else burst
        late = max(1.0, LATE_SHARE * rate) + LATE_CALL
        self._late = self.burst if burst is not None else min(self.burst, late)
        """Tokens that are saved while items wait."""
        self._level, self._at, self._asked = self.burst, -inf, -inf
        self._recent: deque[tuple[float, Start]] = deque()
        """What calls cost that may have begun in the last second, but for those of a burst, which left
        more than is saved without one."""
        self._recent_cost: float = 0.0
        self._bursting = True
        """The burst that began after a pause is not used up: what comes back meanwhile is kept, for
        workers may be slow to start."""

    def missing_seconds(self, now: float, cost: float) -> float:
        """Seconds until ``cost`` tokens are there; what costs more than the burst waits for that."""
        need = min(cost, self.burst)
        self._late = max(self._late, need)
        if now - self._asked > IDLE_SECONDS:
            self._bursting = True
        most = self.burst if self._bursting else max(self._level, self._late)
        if self._at > -inf:
            self._level = min(most, self._level + max(0.0, now - self._at) * self.rate)
        self._at, self._asked = max(now, self._at), now
        missing = need - self._level
        if missing <= ROUNDING:
            return self._crowded_seconds(now, need)
        self._bursting = False
        return missing / self.rate

    def _crowded_seconds(self, now: float, need: float) -> float:
        """Seconds until fewer calls have begun within a second."""
        recent = self._recent
        while recent and recent[0][1].at + WINDOW_SECONDS <= now:
            self._recent_cost -= recent.popleft()[0]
        if not recent:
            self._recent_cost = 0.0
            return 0.0
        if self._recent_cost + need <= self.rate + self._late + ROUNDING:
            return 0.0
        return recent[0][1].at + WINDOW_SECONDS - now

    def spend(self, cost: float, start: Start) -> None:
        """Take tokens for a call; what costs more than there are leaves a debt."""
        self._level -= cost
        if self._level < self._late and self.rate <= MOST_FOLLOWED:
            need = min(cost, self.burst)
            self._recent.append((need, start))
            self._recent_cost += need


class Rate:
    """A budget of calls, or of what they cost. No more is used than it allows; there may be less.

    Parameters
    ----------
    text : "500/min", "50/s", "1000/hour", "5000/day", or a number of calls a second
    cost : callable or None, default None
        A function that says how much an item takes of this budget, for example its tokens. It is called
        once for each try, in the caller. An exception of it ends the run. None: each try takes 1.
    burst : float or None, default None
        How much may be taken at once after a pause. None: what the rate allows in one second, at least 1.

    Raises
    ------
    OptionError
        The text is no rate, or a number is out of its range.

    Notes
    -----
    ``&`` combines budgets: an item begins when all of them allow it. One object is one budget, for all
    calls that get it, also from several threads. Several processes or machines do not share it.

    >>> budget = Rate("500/min") & Rate("200_000/min", cost=len)
    >>> budget
    Rate('500/min') & Rate('200_000/min', cost=...)
    """

    def __init__(
        self,
        text: str | float,
        *,
        cost: Callable[[Any], float] | None = None,
        burst: float | None = None,
    ) -> None:
        if cost is not None and not callable(cost):
            raise OptionTypeError("cost", cost, "must be a function of an item", "pass a function")
        if burst is not None and not (_is_number(burst) and 1 <= float(burst) < inf):
            raise OptionError("burst", burst, "must be at least 1 and finite", "leave it out")
        rate = per_second(text)
        name = repr(text) if isinstance(text, str) else repr(f"{text:g}/s")
        name += "" if cost is None else ", cost=..."
        name += "" if burst is None else f", burst={burst:g}"
        self._buckets: tuple[_Bucket, ...] = (_Bucket(name, rate, cost, burst),)
        self._lock = allocate_lock()

    def __and__(self, other: object) -> Rate:
        if not isinstance(other, Rate):
            return NotImplemented
        return _Both(self, other)

    def __repr__(self) -> str:
        return " & ".join(f"Rate({one.text})" for one in self.buckets)

    @property
    def buckets(self) -> tuple[_Bucket, ...]:
        """Every budget that must allow an item."""
        return self._buckets

    def least_seconds(self, calls: int) -> float:
        """Seconds from the first of so many calls to the last, at the least; budgets whose costs differ
        from item to item are left out."""
        plain = [one for one in self.buckets if one.cost is None]
        return max((max(0.0, calls - one.burst) / one.rate for one in plain), default=0.0)

    def costs(self, item: object) -> tuple[float, ...]:
        """What an item takes of each budget. Errors of the user's function pass."""
        return tuple(1.0 if one.cost is None else _cost(one.cost(item)) for one in self.buckets)

    def take(self, now: float, costs: tuple[float, ...], start: Start | None = None) -> float:
        """0.0: an item of these costs was taken; else seconds until it may be. ``now``: seconds of a
        clock that never goes back, the same for all that share the budget; ``start``: of the call, to be
        told when it has begun."""
        locks = self._locks()
        for lock in locks:
            lock.acquire()
        try:
            wait = 0.0
            for bucket, cost in zip(self.buckets, costs, strict=True):
                wait = max(wait, bucket.missing_seconds(now, cost))
            if wait <= 0.0:
                start = Start(now) if start is None else start
                for bucket, cost in zip(self.buckets, costs, strict=True):
                    bucket.spend(cost, start)
            return wait
        finally:
            for lock in locks:
                lock.release()

    def _locks(self) -> list[Any]:
        return [self._lock]

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError("a Rate is a budget of this process and cannot be sent to another one")


class _Both(Rate):
    """Two budgets, both of which must allow an item."""

    def __init__(self, one: Rate, other: Rate) -> None:
        found = {id(bucket): (bucket, rate) for rate in (one, other) for bucket in rate.buckets}
        self._buckets = tuple(bucket for bucket, _ in found.values())
        locks = {id(lock): lock for lock in (*one._locks(), *other._locks())}
        self._all_locks = [locks[key] for key in sorted(locks)]  # one order: none waits for another

    def _locks(self) -> list[Any]:
        return self._all_locks


def per_second(value: Any) -> float:
    """Calls a second of a number, or of a text like "500/min"."""
    if isinstance(value, str):
        found = _TEXT.fullmatch(value)
        unit = found[2].lower() if found else ""
        seconds = UNIT_SECONDS.get(unit) or UNIT_SECONDS.get(unit.removesuffix("s"))
        if found is None or seconds is None:
            raise OptionError("rate", value, "is no rate", WAY_OUT)
        rate = float(found[1]) / seconds
    elif _is_number(value):
        rate = float(value)
    else:
        raise OptionTypeError("rate", value, "must be a text, a number or a Rate", WAY_OUT)
    if not (isfinite(rate) and rate > 0):
        raise OptionError("rate", value, "must be more than 0 and finite", WAY_OUT)
    return rate


def rate_of(value: Any) -> Rate:
    """A rate as an option of a call gives it: a Rate, a text, or a number of calls a second."""
    return value if isinstance(value, Rate) else Rate(value)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _cost(value: Any) -> float:
    if not _is_number(value) or not 0 <= value < inf:
        raise OptionError(
            "cost", value, "must be a number of at least 0", "return what the item takes"
        )
    return float(value)
