"""Whether the past still speaks for the present: a half-life, if one predicts the newest rows better."""

from __future__ import annotations

from math import inf

import numpy as np

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from amorsize.learning.neighbors import Floats, Ints

    Fit = Callable[[Floats, Floats, Floats], Callable[[Floats], Floats]]

HALF_LIVES = (0.5, 0.2, 0.1, 0.05)
"""Candidates, as shares of the history."""
NEWEST = 0.05
"""Share of the rows that is predicted from the others to choose."""
LEAST_ROWS = 200
"""Fewer rows cannot tell: ten to predict."""
MOST_PREDICTED, MOST_LEARNED = 1_000, 50_000
EXPIRED = 0.1
"""Rows of less weight than this go."""
SURE = 3.0
"""Standard errors by which a half-life must beat none (one of four does by chance once in 200)."""


def half_life(X: Floats, y: Floats, mass: Floats, times: Floats, fit: Fit) -> float:
    """The half-life in the units of ``times``, or infinity."""
    rows = len(times)
    order = np.argsort(times, kind="stable")
    span = float(times[order[-1]] - times[order[0]])
    if rows < LEAST_ROWS or span <= 0:
        return inf
    newest = max(1, int(NEWEST * rows))
    asked, known = order[-newest:], order[:-newest]
    asked = asked[:: -(-len(asked) // MOST_PREDICTED)]
    known = thinned(known)

    def error(length: float) -> Floats:
        weight = mass[known] * decay(times[known], float(times[order[-1]]), length)
        alive = weight > EXPIRED * mass[known]
        use = known[alive]
        if len(use) < 10:
            return np.full(len(asked), inf)
        predict = fit(X[use], y[use], weight[alive])
        guess = predict(X[asked]).reshape(len(asked), -1)
        return np.asarray(np.abs(guess - y[asked]).mean(1))

    without = error(inf)
    best, chosen = 0.0, inf
    for share in HALF_LIVES:
        saved = without - error(share * span)
        if not np.isfinite(saved).all():
            continue
        doubt = float(saved.std()) / len(saved) ** 0.5
        gain = float(saved.mean())
        if gain > SURE * doubt and gain > best:
            best, chosen = gain, share * span
    return chosen


def thinned(known: Ints) -> Ints:
    """At most MOST_LEARNED of the rows, all ages alike."""
    return known[:: -(-len(known) // MOST_LEARNED)]


def decay(times: Floats, now: float, length: float) -> Floats:
    """Weight of rows by age: halved in each half-life."""
    return np.asarray(0.5 ** (np.maximum(now - times, 0.0) / length))
