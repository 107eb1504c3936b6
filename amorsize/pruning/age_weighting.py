"""Weighting by age: a half-life of the rows, if one predicts the newest rows better than none."""

from __future__ import annotations

from math import inf

import numpy as np

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from amorsize.learning.neighbors import Floats, Ints

    Predict = Callable[[Floats], Floats]
    Fit = Callable[[Floats, Floats, Floats], Predict]
    """Takes features, labels and masses."""

HALF_LIVES = (0.5, 0.2, 0.1, 0.05)
"""Half-lives that are tried, as shares of the time that the rows span."""
NEWEST = 0.05
"""Share of the rows, the newest, that are predicted from the older ones to choose a half-life."""
LEAST_ROWS = 200
"""Rows from which a half-life is looked for: fewer leave less than ten to predict."""
MOST_PREDICTED, MOST_LEARNED = 1_000, 50_000
"""Rows predicted, and rows learned from, at most: thinned evenly over all ages, to bound the seconds."""
EXPIRED = 0.1
"""Weight by age below which a row goes."""
SURE = 3.0
"""Standard errors by which a half-life must beat none (one of four does by chance once in 200)."""


def half_life(X: Floats, y: Floats, mass: Floats, times: Floats, fit: Fit) -> float:
    """The half-life in the units of ``times``; infinite where no half-life predicts better."""
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
        standard_error = float(saved.std()) / len(saved) ** 0.5
        gain = float(saved.mean())
        if gain > SURE * standard_error and gain > best:
            best, chosen = gain, share * span
    return chosen


def thinned(known: Ints) -> Ints:
    """At most MOST_LEARNED of the rows, evenly over all ages."""
    return known[:: -(-len(known) // MOST_LEARNED)]


def decay(times: Floats, now: float, length: float) -> Floats:
    """Weight of each row by its age: halved in each half-life ``length``."""
    return np.asarray(0.5 ** (np.maximum(now - times, 0.0) / length))
