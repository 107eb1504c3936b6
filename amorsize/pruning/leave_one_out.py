"""What pruning does to each region, seen from inside: training rows predicted without themselves.

A region may have a handful of rows among those left out, and hundreds among those that prototypes
are made of. Errors at the latter are biased, all alike, and precise; errors at the former are
unbiased and noisy. `bound.failing` corrects the one by the other.
"""

from __future__ import annotations

import numpy as np

from amorsize.pruning import refine as polish
from amorsize.pruning.arrays import in_order, taken
from amorsize.pruning.knn_graph import squares

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dataclasses import dataclass

    from amorsize.learning.neighbors import Floats, Ints
    from amorsize.pruning.arrays import Kernel, Prototypes, Rows
else:
    from amorsize.core.frozen import dataclass

PROBES = 800
"""Rows of each region: the mean error is known to 3 % or so; 300 did not show regions that lost 6 %."""
LEAST_ROWS = 20
"""Regions of fewer rows say too little about themselves."""
ASKED = 100
"""Queries that a prototype's usual label is the mean of."""
WIDTH = 32
"""Neighbours looked at for each row."""
HELD_DISTANCES = 2_000_000
"""Distances held at once, 16 MB."""


@dataclass(frozen=True)
class Probes:
    """Some rows of each region."""

    which: Ints
    """Positions in the rows that prototypes are made of."""
    base: Floats
    """Absolute error of each, predicted from the other rows of its region."""


def probes(rows: Rows, kernel: Kernel) -> Probes | None:
    """Probes of all regions that are large enough; None for a single region.

    Complexity: O(PROBES * rows) distances."""
    regions = rows.regions
    if not regions.any():
        return None
    order = in_order(regions)
    starts = np.flatnonzero(np.diff(regions[order], prepend=-1))
    which, base = [], []
    for inside in np.split(order, starts[1:]):
        if len(inside) < LEAST_ROWS:
            continue
        some = inside[:: -(-len(inside) // PROBES)]
        which.append(some)
        for part in np.array_split(some, -(-len(some) * len(inside) // HELD_DISTANCES)):
            guess = left_out(rows, inside, part, kernel)
            base.append(np.abs(guess - rows.y[part]).mean(1))
    return Probes(np.concatenate(which), np.concatenate(base)) if which else None


def left_out(rows: Rows, inside: Ints, some: Ints, kernel: Kernel) -> Floats:
    """What the rows ``inside`` a region say at some of them, without these: (some, outputs)"""
    center = rows.Z[inside].mean(0)
    d2 = squares(rows.Z[some] - center, rows.Z[inside] - center)
    d2[some[:, None] == inside[None, :]] = np.inf
    near = np.argpartition(d2, min(WIDTH, len(inside) - 1) - 1, 1)[:, :WIDTH]
    d2 = np.take_along_axis(d2, near, 1)
    order = np.argsort(d2, 1)
    near, d2 = inside[np.take_along_axis(near, order, 1)], np.take_along_axis(d2, order, 1)
    mass = np.where(np.isfinite(d2), rows.mass[near], 0.0)
    guess = np.einsum("nk,nko->no", kernel.share(d2, mass), rows.y[near])
    return np.asarray(guess)


def usual_labels(
    rows: Rows, inside: Ints, own: Ints, kernel: Kernel, rng: np.random.Generator
) -> Floats:
    """What all rows of a region say, on average, where each of its few prototypes will answer.

    With such a label a prototype is no worse than its rows were: the mean of what they said is nearer to
    the truth than they were one by one (Jensen). The mean of the rows' own labels is so only by chance
    where they are a dozen: one odd row counts in it as much as any other, however seldom it was asked.
    Of 12 rows in six dimensions, one in twenty lost over 4 % by their mean, one in a hundred by this.

    Asked is at pairs of rows, mixed so that their spread stays."""
    Z, mass = rows.Z[inside], rows.mass[inside]
    queries = []
    for prototype in range(int(own.max()) + 1):
        members = np.flatnonzero(own == prototype)
        share = mass[members] / mass[members].sum()
        center = share @ Z[members]
        pairs = Z[rng.choice(members, (2, ASKED), p=share)] - center
        angle = rng.uniform(0.0, 2.0 * np.pi, (ASKED, 1))
        queries.append(center + np.cos(angle) * pairs[0] + np.sin(angle) * pairs[1])
    d2 = squares(np.concatenate(queries) - Z.mean(0), Z - Z.mean(0))
    width = min(WIDTH, len(inside))
    if mass.min() >= 1.0:
        width = min(width, int(np.ceil(kernel.k)) + 1)
    near = np.argpartition(d2, width - 1, 1)[:, :width]
    d2 = np.take_along_axis(d2, near, 1)
    order = np.argsort(d2, 1)
    near, d2 = np.take_along_axis(near, order, 1), np.take_along_axis(d2, order, 1)
    guess = np.einsum("nk,nko->no", kernel.share(d2, mass[near]), rows.y[inside][near])
    return np.asarray(guess.reshape(-1, ASKED, guess.shape[1]).mean(1))


def errors(found: Prototypes, rows: Rows, at: Probes, kernel: Kernel, seed: int) -> Floats:
    """Absolute error of each probe, predicted from prototypes that had been made without it."""
    rng = np.random.default_rng(seed)
    some = taken(rows, at.which)
    guess = polish.left_out_guesses(found, some, found.own[at.which], kernel, rng)
    return np.asarray(np.abs(guess - some.y).mean(1))
