"""Rows, prototypes and the predictor's kernel: the values that pruning hands from step to step."""

from __future__ import annotations

from math import inf

import numpy as np

from amorsize.learning.neighbors import count, shares

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dataclasses import dataclass

    from amorsize.learning.neighbors import Floats, Ints
else:
    from amorsize.core.frozen import dataclass


@dataclass(frozen=True)
class Rows:
    """What is pruned, in the units of the predictor's metric."""

    Z: Floats
    y: Floats
    """(rows, outputs)"""
    mass: Floats
    regions: Ints
    """Region of each row, 0..: a prototype stands for rows of one region only."""


@dataclass(frozen=True)
class Prototypes:
    """What is kept."""

    Z: Floats
    y: Floats
    mass: Floats
    regions: Ints
    own: Ints
    """For each row: the prototype that stands for it."""
    most: float = inf
    """What a prototype counts with the predictor at most, see `Kernel`."""

    @property
    def weight(self) -> Floats:
        """What each counts with the predictor."""
        return np.minimum(self.mass, self.most)


@dataclass(frozen=True)
class Kernel:
    """How the deployed predictor weighs neighbours.

    It guides the choice of prototypes; the bound is checked by the predictor itself."""

    k: float
    """Size of the neighbourhood."""
    weights: str
    """uniform, distance or gaussian."""
    by_mass: bool
    """Whether k counts mass, or prototypes whatever they weigh."""
    most: float = inf
    """Mass that a prototype counts as at most: less than k lets several share a neighbourhood."""

    def prototypes(self, mean_mass: float) -> int:
        """Prototypes of this mass that a prediction uses."""
        used = self.k / min(mean_mass, self.most) if self.by_mass else self.k
        return int(max(1, min(np.ceil(used - 1e-9), 8)))

    def share(self, d2: Floats, mass: Floats) -> Floats:
        """Share of each neighbour in a prediction: (queries, neighbours).

        Neighbours are in ascending order of distance; those of mass 0 have no share."""
        return shares(d2, self.counted(d2, mass), self.weights)

    def counted(self, d2: Floats, mass: Floats) -> Floats:
        """How much of each neighbour counts towards k; arguments as of `share`."""
        return count(d2, self.heft(mass), self.k)

    def heft(self, mass: Floats) -> Floats:
        """What prototypes of these masses add to k; those of mass 0 do not count."""
        return np.minimum(mass, self.most) if self.by_mass else (mass > 0).astype(float)


def group_sums(mass: Floats, own: Ints, size: int) -> Floats:
    """Sum of the masses of the rows of each prototype."""
    return np.bincount(own, mass, size).astype(float)


def group_means(values: Floats, mass: Floats, own: Ints, size: int) -> Floats:
    """Weighted mean of the values of the rows of each prototype; 0 where there are no rows."""
    total = np.maximum(np.bincount(own, mass, size), 1e-300)
    return np.stack([np.bincount(own, column * mass, size) / total for column in values.T], 1)


def grouped(rows: Rows, own: Ints) -> Prototypes:
    """Prototypes at the means of their rows."""
    size = int(own.max()) + 1
    regions = np.zeros(size, np.intp)
    regions[own] = rows.regions
    return Prototypes(
        group_means(rows.Z, rows.mass, own, size),
        group_means(rows.y, rows.mass, own, size),
        group_sums(rows.mass, own, size),
        regions,
        own,
    )


def subset(rows: Rows, which: Ints) -> Rows:
    """Some of the rows."""
    return Rows(rows.Z[which], rows.y[which], rows.mass[which], rows.regions[which])


def renumbered(codes: Ints) -> Ints:
    """The codes, renumbered as 0.. without gaps."""
    return np.unique(codes, return_inverse=True)[1].reshape(-1)


def stable_order(codes: Ints) -> Ints:
    """Stable order of the codes; keys are distinct, so NumPy may use its fastest sort."""
    return np.argsort(codes * len(codes) + np.arange(len(codes)))


def ranks_within(codes: Ints) -> Ints:
    """Rank of each row among the rows of the same code: how many of them come before it."""
    order = stable_order(codes)
    ordered = codes[order]
    new = np.flatnonzero(np.diff(ordered, prepend=-1))
    rank = np.empty(len(codes), np.intp)
    rank[order] = np.arange(len(codes)) - np.repeat(new, np.diff(np.append(new, len(codes))))
    return rank
