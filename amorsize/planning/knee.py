"""At how many calls side by side latency begins to rise: each answer is weighed for each. Pure.

::

    load, latency of each answer --sums by load--> how likely is each knee, and each slope beyond it
                                                   --> throughput to be expected of each limit

A rule of rounds compares means, and has to allow for their errors: a limit beyond the knee stays there.
Here all answers so far count, those of few calls at the start, too; and no limit is left for a lower one
that is not expected to serve more.
"""

from __future__ import annotations

from math import exp, log

PER_DOUBLING, DOUBLINGS = 8, 12
"""Loads that are told apart, each so many times in a doubling."""
LOGS = tuple(place * log(2.0) / PER_DOUBLING for place in range(PER_DOUBLING * DOUBLINGS + 1))
"""Logarithms of these loads."""
SLOPES = (1.0, 1.5, 2.0)
"""Of latency over load beyond the knee, both as logarithms: callers wait, or the more of them the less is
served. Each as likely, as is each knee."""
LEAST_DEVIATION = 0.1
"""Of a logarithm of latency: what differs by less is the same (as ``TOLERANCE`` of the limit)."""
PAYS = 0.02
"""A lower limit must be expected to serve so much more."""
FADE = 0.97
"""What an answer counts for a round later: of 100 calls after 23 rounds half."""


def place_of(load: float) -> int:
    """Of the nearest one of :data:`LOGS`."""
    place = round(PER_DOUBLING * log(max(load, 1.0)) / log(2.0))
    return min(place, len(LOGS) - 1)


class Knee:
    """What answers tell."""

    def __init__(self) -> None:
        self._counts = [0.0] * len(LOGS)
        self._sums = [0.0] * len(LOGS)
        """Of logarithms of latency, by load."""
        self._squares = 0.0
        self._highest = 0
        """The highest load so far."""
        self._base: float | None = None

    def add(self, load: float, latency: float) -> None:
        """An answer that took so long, with so many in flight when its call began, itself among them."""
        place, value = place_of(load), log(max(latency, 1e-6))
        if self._base is None:
            self._base = value
        value -= self._base
        self._counts[place] += 1.0
        self._sums[place] += value
        self._squares += value * value
        self._highest = max(self._highest, place)

    def fade(self) -> None:
        """A round has ended: what was seen before counts for less."""
        for place in range(self._highest + 1):
            self._counts[place] *= FADE
            self._sums[place] *= FADE
        self._squares *= FADE

    def _rests(self) -> list[tuple[float, float, float]]:
        """Knee and slope, and the squares that they leave unexplained; the first one is no knee."""
        total, all_sums = sum(self._counts), sum(self._sums)
        least = total * LEAST_DEVIATION**2
        found = [(0.0, 0.0, self._squares - all_sums * all_sums / total + least)]
        count = loads = squares = sums = products = 0.0
        for place in range(self._highest, -1, -1):
            knee = LOGS[
                place
            ]  # of what has more load: how far beyond the knee, and how that goes along
            beyond = loads - knee * count
            beyond_squares = squares - 2.0 * knee * loads + knee * knee * count
            together = products - knee * sums
            for slope in SLOPES if count else ():
                off = all_sums - slope * beyond
                rest = self._squares - 2.0 * slope * together + slope * slope * beyond_squares
                found.append((knee, slope, max(0.0, rest - off * off / total) + least))
            here = self._counts[place]
            count += here
            loads += here * knee
            squares += here * knee * knee
            sums += self._sums[place]
            products += self._sums[place] * knee
        return found

    def best(self, most: int) -> int:
        """The limit up to ``most`` that is expected to serve the most: ``most`` itself, unless a lower
        one surely pays. Complexity O(loads)."""
        total = sum(self._counts)
        if total < 2.0:
            return most
        rests = self._rests()
        least = min(rest for _, _, rest in rests)
        likely = [exp(-0.5 * (total - 1.0) * log(rest / least)) for _, _, rest in rests]
        likely[0] *= len(SLOPES) * (len(LOGS) - self._highest)  # each knee that no answer speaks of
        whole = sum(likely)
        last = place_of(most)
        slopes = [0.0] * (last + 1)
        for (knee, slope, _), one in zip(rests, likely, strict=True):
            place = round(knee / LOGS[1])
            if place <= last:
                slopes[place] += slope * one / whole
        steep = at = 0.0
        values = []
        for place, slope in enumerate(slopes):
            values.append(LOGS[place] - (steep * LOGS[place] - at))
            steep += slope
            at += slope * LOGS[place]
        chosen = max(range(last + 1), key=values.__getitem__)
        return min(most, round(exp(LOGS[chosen]))) if values[chosen] - values[last] > PAYS else most
