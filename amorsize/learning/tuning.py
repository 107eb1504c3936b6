"""How the predictor learns its own parameters from left-out groups; arrays only, off the hot path.

Every figure here is a leave-one-group-out error: the neighbours of a row come from other groups,
for otherwise the nearest neighbour is the same job.
"""

from __future__ import annotations

import numpy as np

from amorsize.learning.neighbors import KERNELS, count, parts, shares

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dataclasses import dataclass

    from numpy.typing import NDArray

    from amorsize.learning.neighbors import Floats, Ints, Neighbors
else:
    from amorsize.core.frozen import dataclass

TUNE_ROWS = 1_500
"""Rows judged when tuning and calibrating: a step of the metric search then takes about 60 ms."""
NEIGHBORS = (1, 2, 3, 4, 5, 7, 10, 15, 22, 32)
STEPS, RATE = 40, 0.15
"""Steps of the metric search and the change of a log scale in one: a factor of 400 at most."""
FIRST_DECAY, SECOND_DECAY = 0.8, 0.95
"""Memory of the gradient and of its square in the metric search (Adam)."""
REACH = 10
"""Neighbours within the bandwidth of the metric search."""
GAIN = 0.02
"""Share of squared error that a learned metric must save on unseen groups to be used."""
CALIBRATION_STEPS = 200
TINY = 1e-12


@dataclass(frozen=True)
class Samples:
    """The rows of a fitted predictor."""

    X: Floats
    y: Floats
    """(rows, outputs)"""
    mass: Floats
    groups: Ints
    """What must not be its own neighbour: one code for each row."""
    noise: Floats | None
    """Variance of y among the samples that a row stands for."""
    variance: Floats
    """Weighted variance of each output, 1 where it is 0."""
    constant: NDArray[np.bool_]
    """Where it is 0."""


def sample(rows: int) -> Ints:
    """At most TUNE_ROWS positions, the same each time."""
    if rows <= TUNE_ROWS:
        return np.arange(rows)
    return np.sort(np.random.default_rng(0).choice(rows, TUNE_ROWS, replace=False))


def left_out(data: Samples, factors: Floats, rows: Ints, k: float) -> Neighbors:
    """Nearest rows of other groups, weighing about k: squared distances, positions, masses."""
    width = int(min(len(data.X), max(1.0, np.ceil(1.5 * k / min(1.0, float(data.mass.mean()))))))
    base = (data.X - data.X.mean(0)) * factors
    norms = np.einsum("ij,ij->i", base, base)
    squares, positions = [], []
    for part in parts(len(rows), len(base)):
        near = base[rows[part]]
        d2 = norms - 2.0 * near @ base.T + norms[rows[part]][:, None]
        d2[data.groups[rows[part]][:, None] == data.groups] = np.inf
        order = np.argpartition(d2, width - 1)[:, :width]
        d2 = np.maximum(np.take_along_axis(d2, order, 1), 0.0)
        inside = np.argsort(d2, 1, kind="stable")
        squares.append(np.take_along_axis(d2, inside, 1))
        positions.append(np.take_along_axis(order, inside, 1))
    d2, order = np.concatenate(squares), np.concatenate(positions)
    return d2, order, np.where(np.isfinite(d2), data.mass[order], 0.0)


def best(data: Samples, factors: Floats, rows: Ints) -> tuple[float, float, str]:
    """Least squared error over variance on left-out groups, and the k and kernel that reach it."""
    d2, index, mass = left_out(data, factors, rows, max(NEIGHBORS))
    seen = mass.sum(1) > 0
    if not seen.any():
        return 1.0, 5, "distance"
    rows, d2, index, mass = rows[seen], d2[seen], index[seen], mass[seen]
    tried = []
    for k in NEIGHBORS:
        counted = count(d2, mass, k)
        for kernel in KERNELS:
            guess = np.einsum("qk,qko->qo", shares(d2, counted, kernel), data.y[index])
            error = ((guess - data.y[rows]) ** 2 / data.variance).mean(1)
            tried.append((float(np.average(error, weights=data.mass[rows])), float(k), kernel))
    return min(tried)


def choose(data: Samples, start: Floats) -> tuple[Floats, tuple[float, float, str]]:
    """The metric's factors, and `best` with them.

    A metric learned on one half of the groups must beat ``start`` on the other half, else ``start``
    stays."""
    rows = sample(len(data.X))
    half = (np.unique(data.groups[rows], return_inverse=True)[1] % 2).astype(bool)
    before = after = 0.0
    for one, other in ((rows[half], rows[~half]), (rows[~half], rows[half])):
        if len(np.unique(data.groups[one])) >= 2 and len(np.unique(data.groups[other])) >= 2:
            before += best(data, start, other)[0]
            after += best(data, learn_scale(data, start, one), other)[0]
    factors = learn_scale(data, start, rows) if after < (1.0 - GAIN) * before else start
    return factors, best(data, factors, rows)


def learn_scale(data: Samples, start: Floats, rows: Ints) -> Floats:
    """Descend the leave-one-group-out error of a Gaussian kernel along the gradient in log scale.

    After Weinberger and Tesauro, "Metric learning for kernel regression" (AISTATS 2007), with a
    diagonal metric and, at each row, a bandwidth that reaches its REACH-th neighbour."""
    mass, x = data.mass[rows], (data.X[rows] - data.X.mean(0)) * start
    y = data.y[rows] / np.sqrt(data.variance)
    same = data.groups[rows][:, None] == data.groups[rows]
    if same.all(1).any():
        return start
    log_scale = mean = square = np.zeros(x.shape[1])
    least, winner = np.inf, log_scale
    for step in range(1, STEPS + 1):
        z = x * np.exp(log_scale)
        norms = np.einsum("ij,ij->i", z, z)
        d2 = np.maximum(norms[:, None] + norms - 2.0 * z @ z.T, 0.0)
        d2[same] = np.inf
        reach = min(len(rows) - 1, REACH)
        edge = np.partition(d2, reach, 1)[:, reach]
        narrow = 2.0 / np.maximum(np.where(np.isfinite(edge), edge, 1.0), TINY)[:, None]
        kernel = np.exp(-narrow * (d2 - d2.min(1, keepdims=True))) * mass
        kernel /= kernel.sum(1, keepdims=True)
        guess = kernel @ y
        miss = guess - y
        loss = float(np.average((miss**2).mean(1), weights=mass))
        if loss < least:
            least, winner = loss, log_scale
        # d loss / d d2[a, b]; the sum over pairs of it times (x_a - x_b)**2 by matrix products
        pull = -narrow * kernel * (miss @ y.T - np.einsum("ij,ij->i", miss, guess)[:, None])
        pull *= mass[:, None] / mass.sum()
        slope = (pull.sum(0) + pull.sum(1)) @ z**2 - 2.0 * np.einsum("ij,ij->j", z, pull @ z)
        mean = FIRST_DECAY * mean + (1.0 - FIRST_DECAY) * slope
        square = SECOND_DECAY * square + (1.0 - SECOND_DECAY) * slope**2
        size = np.sqrt(square / (1.0 - SECOND_DECAY**step)) + TINY
        log_scale = log_scale - RATE * mean / (1.0 - FIRST_DECAY**step) / size
        log_scale = log_scale - log_scale.max()
    return np.asarray(start * np.exp(winner))


def spread_terms(data: Samples, d2: Floats, index: Ints, share: Floats, guess: Floats) -> Floats:
    """What the variance of an error, over the targets' variance, is made of: (4, queries, outputs).

    A constant; the variance among the neighbours, corrected for their number; their mean distance
    and its square."""
    noise = 0.0 if data.noise is None else data.noise[index]
    within = np.einsum("qk,qko->qo", share, (data.y[index] - guess[:, None, :]) ** 2 + noise)
    # a row of mass m is m samples, each with its part of the share
    solo = np.einsum("qk,qk->q", share, share / np.maximum(data.mass[index], 1.0))
    within = within * ((1.0 + solo) / np.maximum(1.0 - solo, 0.25))[:, None] / data.variance
    far = np.einsum("qk,qk->q", share, np.where(share > 0, d2, 0.0))[:, None] * np.ones_like(within)
    return np.stack([np.ones_like(within), within, np.sqrt(far), far])


def spread(data: Samples, coef: Floats, terms: Floats) -> Floats:
    """Standard deviations from terms: (queries, outputs).

    Beyond the distance ``coef[4]`` at which errors were last seen, ignorance grows to the whole
    variance of the targets at twice that distance."""
    beyond = np.clip(terms[2] / coef[4] - 1.0, 0.0, 1.0) ** 2
    fraction = np.einsum("t,tqo->qo", coef[:4], terms) + beyond
    return np.asarray(np.sqrt(fraction * np.where(data.constant, 0.0, data.variance)))


def calibrate(data: Samples, factors: Floats, k: float, kernel: str) -> Floats:
    """Coefficients of `spread_terms`, and the reach of `spread`, by which stated spreads match the
    errors on left-out groups.

    Maximum likelihood of normal errors; the multiplicative updates of Itakura-Saito factorisation
    keep the coefficients at 0 or above."""
    rows = sample(len(data.X))
    d2, index, mass = left_out(data, factors, rows, k)
    seen = mass.sum(1) > 0
    result = np.array([1.0, 0.0, 0.0, 0.0, TINY])
    if not seen.any():
        return result
    rows, d2, index, mass = rows[seen], d2[seen], index[seen], mass[seen]
    share = shares(d2, count(d2, mass, k), kernel)
    guess = np.einsum("qk,qko->qo", share, data.y[index])
    terms = spread_terms(data, d2, index, share, guess)
    noise = 0.0 if data.noise is None else data.noise[rows]
    error = ((guess - data.y[rows]) ** 2 + noise) / data.variance + TINY
    unit = terms.mean((1, 2))
    used = np.flatnonzero(unit > 0)
    result[:] = (0.0, 0.0, 0.0, 0.0, max(float(terms[2].max()), TINY))
    terms = terms[used] / unit[used, None, None]
    weight = data.mass[rows][:, None] * np.ones_like(error)
    coef = np.full(len(used), float(np.average(error, weights=weight)) / len(used))
    for _ in range(CALIBRATION_STEPS):
        variance = np.einsum("t,tqo->qo", coef, terms) + TINY
        up = np.einsum("tqo,qo->t", terms, weight * error / variance**2)
        coef = coef * np.sqrt(up / np.einsum("tqo,qo->t", terms, weight / variance))
    result[used] = coef / unit[used]
    return result
