"""Exact nearest neighbours by brute force, with weights that count as mass; arrays only.

Candidates come from squared distances by norms and one matrix product, fast but rounded. The
distances of the candidates are then computed again from differences, and the answer is accepted
only if no other row can be as near, by a bound on the rounding. A k-d tree (SciPy) did not pay: at
10,000 rows it took 15 instead of 48 µs a query on two real tables, 101 on 12 normal features, and
its import is worth thousands of queries.
"""

from __future__ import annotations

import numpy as np

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.intp]
    Neighbors = tuple[Floats, Ints, Floats]

KERNELS = ("uniform", "distance", "gaussian")
TIE = 1e-12
"""Squared distances that differ by less than this share are equal: the rounding of 20 features."""
BLOCK_FLOATS = 1_000_000
"""Distances held at once, 8 MB: larger blocks were not faster."""
MINIMA, SLICES = 4, 64
"""Minima for each value that `smallest` looks for, at least, and slices of the columns that these are
taken over, at most: 4 and 8, and 32 to 128, took alike."""
SPARE = 8
"""Candidates fetched beyond those needed, so that the tie check seldom has to look again."""
LARGEST_SQUARE = 1e300
"""Squared distances beyond this are refused: they would soon overflow."""


class Neighborhoods:
    """Rows to search: features, the metric's factors and masses.

    Ties at the edge of a neighbourhood share what is left of k in proportion to their masses, so
    the order of the rows never matters and merging equal rows changes nothing.
    """

    def __init__(self, X: Floats, factors: Floats, mass: Floats) -> None:
        self.X, self.factors, self.mass = X, factors, mass
        self.center = X.mean(0)
        scaled = (X - self.center) * factors
        self.norms: Floats = np.einsum("ij,ij->i", scaled, scaled)
        self.minus2 = -2.0 * scaled
        self.largest = float(self.norms.max())
        if not self.largest < LARGEST_SQUARE:
            raise ValueError("X has values too large to square: scale the features to about 1")
        self.rounding = 8.0 * (X.shape[1] + 4) * float(np.finfo(float).eps)
        """Times the sum of two squared norms: what a rounded squared distance can be off."""
        self.lightest, self.mean_mass = float(mass.min()), float(mass.mean())

    def rows_for(self, k: float) -> int:
        """Rows that probably weigh k together (surely, when none weighs less than 1)."""
        typical = k if self.lightest >= 1.0 else 2.0 * k / self.mean_mass
        return int(min(len(self.mass), max(1.0, np.ceil(typical))))

    def one(self, query: Floats, k: float) -> tuple[Ints, list[float], list[float], list[int]]:
        """Neighbours of one query: positions, squared distances, counted masses, their order."""
        near = (query - self.center) * self.factors
        reach = float(near.dot(near))
        if not reach < LARGEST_SQUARE:
            raise ValueError("X has values too large to square: scale the features to about 1")
        slack = self.rounding * (self.largest + reach)
        need = self.rows_for(k)
        rough = self.minus2.dot(near)
        rough += self.norms
        while True:
            edge = max(smallest_one(rough, need) + reach, 0.0)
            index = (rough <= (edge + slack) * (1.0 + 4 * TIE) + slack - reach).nonzero()[0]
            counted: list[float] = self.mass.take(index).tolist()
            if need == len(self.mass) or sum(counted) >= k * (1.0 - TIE):
                break
            need = min(len(self.mass), 2 * need)
        away = self.X.take(index, 0)
        away -= query
        away *= self.factors
        d2: list[float] = np.einsum("ij,ij->i", away, away).tolist()
        order = sorted(range(len(d2)), key=d2.__getitem__)
        count_one(d2, counted, order, k)
        return index, d2, counted, order

    def blocks(self, queries: Floats, k: float) -> Iterator[tuple[slice, Floats, Ints, Floats]]:
        """Blocks of queries: squared distances in ascending order, positions, counted masses.

        Rows of a block with fewer neighbours than its widest are filled with masses of 0."""
        width = min(len(self.mass), self.rows_for(k) + SPARE)
        for part in parts(len(queries), len(self.mass)):
            block = queries[part]
            near = (block - self.center) * self.factors
            reach = np.einsum("ij,ij->i", near, near)
            if not reach.max(initial=0.0) < LARGEST_SQUARE:
                raise ValueError("X has values too large to square: scale the features to about 1")
            rough = near @ self.minus2.T
            rough += self.norms
            index = smallest(rough, width)
            limit = np.take_along_axis(rough, index[:, -1:], 1)[:, 0] + reach
            index.sort(1)
            d2 = (((self.X[index] - block[:, None, :]) * self.factors) ** 2).sum(2)
            inside = np.argsort(d2, 1, kind="stable")
            d2, index = np.take_along_axis(d2, inside, 1), np.take_along_axis(index, inside, 1)
            mass = self.mass[index]
            counted = count(d2, mass, k)
            edge = np.where(counted > 0, d2, 0.0).max(1)
            unsure = edge * (1.0 + 4 * TIE) + self.rounding * (self.largest + reach) >= limit
            unsure |= mass.sum(1) < k * (1.0 - TIE)
            for row in unsure.nonzero()[0] if width < len(self.mass) else ():
                positions, squares, masses, order = self.one(block[row], k)
                wide = max(d2.shape[1], len(order))
                d2, index, counted = (
                    pad(d2, wide, np.inf),
                    pad(index, wide, 0),
                    pad(counted, wide, 0),
                )
                d2[row], counted[row] = np.inf, 0.0
                d2[row, : len(order)] = np.array(squares)[order]
                counted[row, : len(order)] = np.array(masses)[order]
                index[row, : len(order)] = positions[order]
            yield part, d2, index, counted


def parts(queries: int, rows: int) -> Iterator[slice]:
    """Slices of the queries such that a block of distances stays within BLOCK_FLOATS."""
    size = max(1, BLOCK_FLOATS // rows)
    return (slice(start, min(start + size, queries)) for start in range(0, queries, size))


def smallest(values: Any, k: int) -> Ints:
    """Positions of the k smallest values of each row, in no order: (rows, k).

    Where rows are long, the k-th smallest of some minima bounds the k-th smallest value, and only values
    within that bound are looked at: at 2,000 columns a fourth of the time of `numpy.argpartition`."""
    rows, columns = values.shape
    step = max(MINIMA * k, columns // SLICES)
    if columns >= 4 * step:
        least = values[:, :step].copy()
        for start in range(step, columns - step + 1, step):
            np.minimum(least, values[:, start : start + step], out=least)
        within = values <= np.partition(least, k - 1, 1)[:, k - 1 : k]
        found = np.count_nonzero(within, axis=1)
        if found.max() < columns // 4:  # else many are equal
            row, column = np.divmod(within.ravel().nonzero()[0], columns)
            place = np.arange(len(row)) - np.repeat(np.cumsum(found) - found, found)
            near = np.full((rows, int(found.max())), np.inf, values.dtype)
            index = np.zeros(near.shape, np.intp)
            near[row, place], index[row, place] = values[row, column], column
            return np.take_along_axis(index, np.argpartition(near, k - 1, 1)[:, :k], 1)
    return np.asarray(np.argpartition(values, k - 1, 1)[:, :k])


def smallest_one(values: Floats, k: int) -> float:
    """The k-th smallest of some values: of 5,000 a fourth of the time of a partition of all, by the same
    bound as in :func:`smallest`."""
    columns = len(values) // SLICES
    if columns >= MINIMA * k:
        least = values[: SLICES * columns].reshape(SLICES, columns).min(0)
        least.partition(k - 1)
        values = values[values <= least[k - 1]]
    else:
        values = values.copy()
    values.partition(k - 1)
    return float(values[k - 1])


def pad(array: Any, width: int, fill: float) -> Any:
    """The array with columns of ``fill`` up to this width."""
    missing = width - array.shape[1]
    return array if missing <= 0 else np.pad(array, ((0, 0), (0, missing)), constant_values=fill)


def count(d2: Floats, mass: Floats, k: float) -> Floats:
    """How much of each neighbour counts towards k; rows ascend by distance, fillers weigh 0."""
    last = (mass.cumsum(1) < k * (1.0 - TIE)).sum(1)
    last = np.minimum(last, np.maximum((mass > 0).sum(1) - 1, 0))
    edge = d2[np.arange(len(d2)), last][:, None]
    below = mass * (d2 < edge * (1.0 - TIE))
    tied = mass * (d2 <= edge * (1.0 + TIE)) - below
    room = k - below.sum(1, keepdims=True)
    share = np.minimum(1.0, room / np.maximum(tied.sum(1, keepdims=True), 1e-300))
    return np.asarray(below + tied * share)


def count_one(d2: list[float], mass: list[float], order: list[int], k: float) -> None:
    """`count` for one query, in place: ten times faster than arrays on a handful of neighbours."""
    total = 0.0
    for position in order:
        total += mass[position]
        if total >= k * (1.0 - TIE):
            break
    edge = d2[position]
    low, high = edge * (1.0 - TIE), edge * (1.0 + TIE)
    below = tied = 0.0
    for position in order:
        if d2[position] < low:
            below += mass[position]
        elif d2[position] <= high:
            tied += mass[position]
    share = min(1.0, (k - below) / tied)
    for position in order:
        if d2[position] > high:
            mass[position] = 0.0
        elif d2[position] >= low:
            mass[position] *= share


def shares(d2: Floats, mass: Floats, kernel: str) -> Floats:
    """Share of each neighbour in the mean; the first column is the nearest."""
    if kernel == "uniform":
        weight = mass
    elif kernel == "distance":
        exact = d2[:, :1] == 0.0
        weight = mass * np.where(exact, d2 == 0.0, 1.0 / np.sqrt(np.where(d2 > 0, d2, 1.0)))
    elif kernel == "gaussian":
        near = np.where(mass > 0, d2, 0.0)
        edge = near.max(1, keepdims=True)
        weight = mass * np.exp(-2.0 * near / np.where(edge > 0, edge, 1.0))
    else:
        raise ValueError(f"weights={kernel!r} must be one of {', '.join(KERNELS)}")
    return np.asarray(weight / np.maximum(weight.sum(1, keepdims=True), 1e-300))


def shares_one(d2: list[float], mass: list[float], order: list[int], kernel: str) -> list[float]:
    """`shares` for one query."""
    if kernel == "uniform":
        weight = mass
    elif kernel == "distance":
        if d2[order[0]] == 0.0:
            weight = [m if d == 0.0 else 0.0 for d, m in zip(d2, mass, strict=True)]
        else:
            weight = [m / d**0.5 for d, m in zip(d2, mass, strict=True)]
    else:
        return list(shares(np.array([d2]), np.array([mass]), kernel)[0])
    total = sum(weight)
    return [w / total for w in weight]


def floats(values: Any, name: str) -> Floats:
    """The values as finite float64 numbers, or an error that names them."""
    if type(values) is not np.ndarray or values.dtype != np.float64:
        if hasattr(values, "toarray"):
            raise TypeError(
                f"{name} is a sparse matrix: a dense array is needed, see its toarray()"
            )
        values = np.asarray(values)
        if values.dtype.kind == "c":
            raise ValueError(f"Complex data not supported: {name} must be real")
        values = values.astype(np.float64, copy=False)
    # a finite sum has finite terms; a sum that is not finite may only have overflowed
    if not abs(float(values.sum())) < np.inf and not np.isfinite(values).all():
        raise ValueError(f"{name} contains NaN or inf: remove those rows or fill them in")
    return np.asarray(values)
