"""How many waiting items run side by side: a limit that finds its own level. Pure; time is an argument.

::

    items end --latency, how many beside--> round --mean against the least mean--> limit

A round is as many items as the limit lets run, all begun under it. As long as a round takes no longer on
average than the quickest before it, and more of them side by side give more throughput, the limit grows
by factors. Where latency rises, whoever answers has a queue (or worse, slows down): from then on the
limit follows the gradient of latency, as TCP Vegas does, and keeps room for a small queue by which more
capacity is noticed. Where it was too high from the start, it is halved as long as that costs nothing.
"""

from __future__ import annotations

from math import sqrt

FIRST = 20
"""Items to begin with. More find a knee at 200 sooner, fewer spare a server whose knee is at 20: as
simulated in tests/unit/planning/test_concurrency.py, 16, 20, 24 and 32 cost 1.24, 1.18, 1.14 and
1.14 of the best fixed
limit at the one, and 1.26, 1.31, 1.39 and 1.60 at the other if it collapses."""
FIRST_GROWTH, GROWTH = 4, 2
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
        self._least = self._least_variance = 0.0
        """Least mean latency of a round, and the square of its standard error."""
        self._before = (0, 0.0, 0.0)
        """Of the round before: limit, mean latency, throughput."""
        self._opened: float | None = None
        self._full = False
        self._count, self._sum, self._squares = 0, 0.0, 0.0
        self._late = 0.0

    @property
    def has_measured(self) -> bool:
        """Whether a round has ended."""
        return self._rounds > 0

    def ended(self, began: float, now: float, in_flight: int, late: float = 0.0) -> None:
        """An item that began then has ended; ``in_flight`` others run. It may have waited for the last
        ``late`` seconds to be heard of: the least latency is one with them, and only what is longer
        without them speaks of a queue. Complexity O(1)."""
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
        slow = self._rounds and self._sum > SURELY_SLOW * self._count * self._usual(0.0)
        if self._count >= max(LEAST_ROUND, self.value) or (slow and self._count >= LEAST_ROUND):
            self._close()
            if in_flight <= self.value:
                self._opened = now - EARLY * self._before[1]

    def _usual(self, variance: float) -> float:
        """Mean latency up to which nothing says that there is a queue."""
        return self._least * TOLERANCE + SURE_ERRORS * sqrt(variance + self._least_variance)

    def _close(self) -> None:
        count, limit = self._count, self.value
        assert self._opened is not None
        mean = self._sum / count
        variance = max(0.0, self._squares / count - mean * mean) / count
        late = self._late / count
        rate = limit / max(mean + late, 1e-9)  # Little's law
        before, mean_before, rate_before = self._before
        stale = limit < DROP * before and mean > SAME * mean_before
        if not self._rounds or mean + late < self._least or stale:
            self._least, self._least_variance = mean + late, variance
        gradient = min(1.0, max(LEAST_GRADIENT, self._usual(variance) / max(mean, 1e-9)))
        if self._full:
            self._move(gradient, rate, rate_before, before)
        self._before = limit, mean, rate
        self._rounds += 1
        self._opened, self._full = None, False
        self._count, self._sum, self._squares, self._late = 0, 0.0, 0.0, 0.0

    def _move(self, gradient: float, rate: float, rate_before: float, before: int) -> None:
        limit = self.value
        if self.phase == GROWING:
            if not self._rounds:
                limit *= self._first_growth
            elif gradient > GROW_GRADIENT and rate > GROW_GAIN * rate_before:
                limit *= GROWTH
            else:
                self.phase = SINKING if self._rounds == 1 else HOLDING
                limit = round(limit * gradient)
        elif self.phase == SINKING:
            if rate >= HOLD_GAIN * rate_before and limit > 1:
                limit = max(1, limit // GROWTH)
            else:
                self.phase = HOLDING
                limit = before
        else:
            limit = round(limit * gradient + sqrt(limit))
        self.value = max(1, min(limit, self.most))
