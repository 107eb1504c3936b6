"""How many waiting items run side by side: a limit that finds its own level. Pure; time is an argument.

::

    items end --latency, how many beside--> round --mean against the least mean--> limit

A round is as many items as the limit lets run, all begun under it. As long as a round takes no longer on
average than the quickest before it, and more of them side by side give more throughput, the limit grows
by factors. Where latency rises, whoever answers has a queue (or worse, slows down): from then on the
limit follows the gradient of latency, as TCP Vegas does, and keeps room for a small queue by which more
capacity is noticed. Where it was too high from the start, it is halved as long as that costs nothing.
Where all answers together tell of a knee below the limit (:mod:`amorsize.planning.knee`), it goes there.
"""

from __future__ import annotations

from math import inf, sqrt

from amorsize.planning.knee import Knee

FIRST = 20
"""Items to begin with. More find a knee at 200 sooner, fewer spare a server whose knee is at 20: as
simulated in tests/unit/planning/test_concurrency.py, 16, 20, 24 and 32 cost 1.24, 1.18, 1.14 and
1.14 of the best fixed
limit at the one, and 1.26, 1.31, 1.39 and 1.60 at the other if it collapses."""
FIRST_GROWTH, GROWTH = 2, 2
"""Growth after the first round and after later ones, while nothing speaks against it."""
MOST = 4096
"""Items at most, unless the user says so: each is a task of 2 KB, and often a socket."""
LEAST_ROUND = 8
"""Items that a round has at least."""
GROW_GAIN = 1.25
"""Throughput that a doubling must give, or it is the last."""
GROW_GRADIENT = 0.9
"""Gradient of latency that a doubling must leave, or it is the last."""
HOLD_GAIN = 0.9
"""Throughput that a halving must leave, or it is taken back."""
TOLERANCE = 1.1
"""Latency over the least one that is no queue yet, where latencies hardly differ."""
SURE_ERRORS = 2.0
"""Standard errors of latency that are no queue yet, where it differs from item to item."""
LEAST_GRADIENT = 0.5
"""A round brings the limit down by no more than that."""
EARLY = 0.3
"""Items that began so many latencies before the limit rose ran beside as many as those after it."""
SURELY_SLOW = 2.0
"""A round ends early when its first items took so many times what is usual: those that end first are the
quickest."""
NO_QUEUE = 0.95
"""Gradient of latency from which on a level has no queue."""
MOST_PATIENCE = 8
"""Rounds at a level between two that try more."""
DROP = 0.7
"""A limit that fell below this share of the one before must have brought latency down; where it did not,
the items have become slower by themselves, and the measure is taken anew."""
SAME = 0.95
"""Share of a latency above which it is no lower one."""

GROWING, SINKING, HOLDING = "growing", "sinking", "holding"


class Limit:
    """The limit of one run; :meth:`ended` is told of every item."""

    def __init__(
        self, most: int | None = None, first: int = FIRST, phase: str | None = None
    ) -> None:
        self.most = MOST if most is None else most
        self.value = max(1, min(first, self.most))
        """Items that may run side by side."""
        self.phase = phase or GROWING
        self._first_growth = FIRST_GROWTH if phase is None else 1
        """Where an earlier run has found ``first`` and ended in this phase, a first round measures."""
        self._rounds = 0
        self._least = 0.0
        """Least mean latency of a round, as far as a chance of its items may have made it less."""
        self._least_limit = 0
        """Limit at which it was measured: with fewer, no queue of our own takes longer."""
        self._fell_from = (0, 0.0)
        """Limit, and mean latency, from which it has fallen since it was last as high."""
        self._before = (0, 0.0, 0.0)
        """Of the round before: limit, mean latency, throughput."""
        self._opened: float | None = None
        self._full = False
        self._tried_from = 0
        """Limit before the round that tries a few more, 0 where this one does not."""
        self._patience, self._rounds_held = 1, 1
        """Rounds at a level before more are tried, and those so far."""
        self._count, self._sum, self._squares = 0, 0.0, 0.0
        self._late = 0.0
        self._knee = Knee()

    @property
    def has_measured(self) -> bool:
        """Whether a round has ended."""
        return self._rounds > 0

    def ended(
        self, began: float, now: float, in_flight: int, late: float = 0.0, beside: int | None = None
    ) -> None:
        """An item that began then, ``beside`` others, has ended; ``in_flight`` others run. It may have
        waited for the last ``late`` seconds to be heard of: the least latency is one with them, and only
        what is longer without them speaks of a queue. Complexity O(1), at the end of a round O(loads)."""
        if beside is not None:
            self._knee.add(beside + 1.0, max(0.0, now - began - late))
        if self._opened is None:
            if in_flight > self.value:
                return  # more than the limit are still to end
            self._opened = now if self._rounds else began
        self._full |= in_flight + 1 >= self.value
        if began < self._opened:
            return
        latency = max(0.0, now - began - late)
        self._late += now - began - latency
        self._count += 1
        self._sum += latency
        self._squares += latency * latency
        usual = SURELY_SLOW * self._usual(0.0)
        few = self.phase == GROWING and 2 * self._count < self.value
        slow = self._rounds and (
            self._sum > self._count * usual or (few and now - self._opened > usual)
        )
        whole = self._count >= max(LEAST_ROUND, self.value)
        if whole or (slow and self._count >= LEAST_ROUND):
            self._close(whole=whole)
            if in_flight <= self.value:
                self._opened = now - EARLY * self._before[1]

    def _held(self, limit: int, gradient: float) -> int:
        """The level is found: now and then a few more are tried, ever more rarely in vain."""
        base, self._tried_from = self._tried_from, 0
        if base and self._knee.best(limit) < limit:
            self._rounds_held = 0
            self._patience = min(MOST_PATIENCE, 2 * self._patience)
            return self._knee.best(base)
        if gradient > NO_QUEUE:
            if base:
                self._patience = self._rounds_held = 1
            self._rounds_held += 1
            if self._rounds_held > self._patience:
                self._tried_from = limit
                return limit + round(sqrt(limit))
            return limit
        self._rounds_held = 0
        if base:
            self._patience = min(MOST_PATIENCE, 2 * self._patience)
            return base
        self._patience = 1
        return round(limit * gradient)

    def _usual(self, error: float) -> float:
        """Mean latency up to which nothing says that there is a queue; ``error``: standard error of the
        mean, as a share of it."""
        return self._least * TOLERANCE * (1.0 + SURE_ERRORS * error)

    def _close(self, *, whole: bool) -> None:
        count, limit = self._count, self.value
        assert self._opened is not None
        mean = self._sum / count
        variance = max(0.0, self._squares / count - mean * mean) / count
        error = sqrt(variance) / max(mean, 1e-9)
        late = self._late / count
        rate = limit / max(mean + late, 1e-9)  # Little's law
        before, _, rate_before = self._before
        high, mean_high = self._fell_from
        fewer = limit <= max(1.0, DROP * self._least_limit) and mean > self._usual(error)
        stale = whole and (fewer or (limit < DROP * high and mean > SAME * mean_high))
        surely = (mean + late) * (1.0 + SURE_ERRORS * error)
        if not self._rounds or (whole and surely < self._least) or stale:
            self._least, self._least_limit = surely, limit
        least = 0.0 if self.phase == GROWING else LEAST_GRADIENT
        gradient = min(1.0, max(least, self._usual(error) / max(mean, 1e-9)))
        if self._full:
            self._move(gradient, rate, rate_before, before, whole=whole)
        if self.value >= limit:
            self._fell_from = (0, 0.0)
        elif not self._fell_from[0]:
            self._fell_from = limit, mean if whole else inf
        # Those that end first are the quickest: a round that ended early is no measure for the next.
        self._before = (limit, mean, rate) if whole else (limit, inf, 0.0)
        self._rounds += 1
        self._opened, self._full = None, False
        self._count, self._sum, self._squares, self._late = 0, 0.0, 0.0, 0.0

    def _move(
        self, gradient: float, rate: float, rate_before: float, before: int, *, whole: bool
    ) -> None:
        limit = self.value
        if self.phase == GROWING:
            if not self._rounds:
                limit *= self._first_growth
            elif whole and gradient > GROW_GRADIENT and rate > GROW_GAIN * rate_before:
                limit *= GROWTH
            else:
                self.phase = SINKING if self._rounds == 1 else HOLDING
                limit = max(before, round(limit * gradient)) if whole else before
        elif self.phase == SINKING:
            if not whole:
                pass
            elif rate >= HOLD_GAIN * rate_before and limit > 1:
                limit = max(1, limit // GROWTH)
            else:
                self.phase = HOLDING
                limit = before
        else:
            limit = self._held(limit, gradient)
        self._knee.fade()
        if not self._tried_from:
            best = self._knee.best(limit)
            if best < limit:
                limit = best
                self.phase = HOLDING
        self.value = max(1, min(limit, self.most))
