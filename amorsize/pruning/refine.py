"""Refining a pool of prototypes for one predictor: near prototypes, backward elimination, medoids."""

from __future__ import annotations

import numpy as np

from amorsize.pruning.arrays import (
    Prototypes,
    group_means,
    group_sums,
    ranks_within,
    renumbered,
    subset,
)
from amorsize.pruning.knn_graph import nearest, neighbor_table, separate, squares

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dataclasses import dataclass

    from amorsize.learning.neighbors import Floats, Ints
    from amorsize.pruning.arrays import Kernel, Rows
else:
    from amorsize.core.frozen import dataclass

EXACT_PAIRS = 40_000_000
"""Pairs of a row and a prototype that are all compared: 0.4 s."""
AROUND, BLOCK = 31, 2_000
"""Where there are more: neighbours of a prototype that are looked at, and rows looked at together."""
WIDTH = 12
"""Nearest prototypes that are looked at: of a row, to predict it; of an eliminated prototype, to take
its rows."""
WORN_OUT = 0.02
"""Share of the rows that may have too few neighbours left before neighbours are searched anew."""
ROUND_SHARE = 0.2
"""Share of the prototypes that one round of elimination may remove."""


def near_prototypes(
    Z: Floats, found: Prototypes, own: Ints, rng: np.random.Generator, width: int = WIDTH
) -> tuple[Floats, Ints]:
    """Squared distances and positions of prototypes near each row, nearest first: (rows, width).

    All are compared up to EXACT_PAIRS pairs; above, those near the row's own prototype, then those near
    the nearest one found."""
    width = min(width, len(found.mass))
    if len(Z) * len(found.mass) <= EXACT_PAIRS:
        return at_distances(Z, found, nearest(Z, found.Z, width))
    around = np.arange(len(found.mass))[:, None]
    around = np.concatenate([around, neighbor_table(found.Z, AROUND, rng)], 1)
    result = np.empty((len(Z), width), np.intp)
    for start in range(0, len(Z), BLOCK):
        part = slice(start, start + BLOCK)
        mine = own[part]
        for _ in range(2):
            index = at_distances(Z[part], found, around[mine])[1]
            mine = index[:, 0]
        result[part] = index[:, :width]
    return at_distances(Z, found, result)


def at_distances(Z: Floats, found: Prototypes, index: Ints) -> tuple[Floats, Ints]:
    """Squared distances of each row to some prototypes, and these, nearest first; at infinity those that
    repeat the first, by which `neighbor_table` fills missing neighbours."""
    d2 = np.empty(index.shape)
    for start in range(0, len(Z), BLOCK):
        part = slice(start, start + BLOCK)
        away = found.Z[index[part]] - Z[part, None, :]
        d2[part] = np.einsum("nkd,nkd->nk", away, away)
    d2[:, 1:][index[:, 1:] == index[:, :1]] = np.inf
    order = np.argsort(d2, 1)
    return np.take_along_axis(d2, order, 1), np.take_along_axis(index, order, 1)


def without_self(
    d2: Floats, index: Ints, found: Prototypes, rows: Rows, own: Ints
) -> tuple[Floats, Ints, Floats, Floats]:
    """Neighbours of each row as if it had no part in its prototype: distances, positions, masses,
    labels."""
    mass, label = found.mass[index], found.y[index]
    is_own = (index == own[:, None]) & np.isfinite(d2)
    rest = np.where(is_own, mass - rows.mass[:, None], mass)
    gone = (rest <= 1e-9 * mass) | ~np.isfinite(d2)
    part = (rows.mass[:, None] / np.where(gone, 1.0, rest))[..., None]
    label = np.where(is_own[..., None], label + part * (label - rows.y[:, None, :]), label)
    d2, rest = np.where(gone, np.inf, d2), np.where(gone, 0.0, rest)
    order = np.argsort(d2, 1)
    return (
        np.take_along_axis(d2, order, 1),
        np.take_along_axis(index, order, 1),
        np.take_along_axis(rest, order, 1),
        np.take_along_axis(label, order[..., None], 1),
    )


def eliminated(
    found: Prototypes,
    rows: Rows,
    judged: Ints,
    sizes: Ints,
    kernel: Kernel,
    rng: np.random.Generator,
) -> Prototypes:
    """``sizes`` prototypes of each region: those stay whose removal would cost most at the rows
    ``judged``.

    Backward elimination by leave-one-out error, in rounds that remove the cheapest prototypes that do
    not rely on each other."""
    judges = subset(rows, judged)
    apart = separate(
        np.concatenate([found.Z, rows.Z]), np.concatenate([found.regions, rows.regions]), rng
    )
    spots, spots_of_rows = apart[: len(found.mass)], apart[len(found.mass) :]
    while True:
        count = len(found.mass)
        excess = np.bincount(found.regions, minlength=len(sizes)) - sizes
        if not (excess > 0).any():
            return found
        alive = elimination_phase(found, judges, found.own[judged], excess, kernel, rng)
        if alive.all():
            return found
        kept = np.flatnonzero(alive)
        new = np.full(count, -1)
        new[kept] = np.arange(len(kept))
        own = new[found.own]
        orphans = np.flatnonzero(own < 0)
        own[orphans] = reassigned(spots, kept, found.own[orphans], spots_of_rows[orphans], rng)
        spots = spots[kept]
        size = len(kept)
        found = Prototypes(
            found.Z[kept],
            group_means(rows.y, rows.mass, own, size),
            group_sums(rows.mass, own, size),
            found.regions[kept],
            own,
        )


def reassigned(spots: Floats, kept: Ints, lost: Ints, Z: Floats, rng: np.random.Generator) -> Ints:
    """Nearest kept prototype (its position in ``kept``) of rows ``Z`` whose own prototype is ``lost``."""
    near = neighbor_table(spots, min(WIDTH, len(spots) - 1), rng)[lost]
    place = np.full(len(spots), -1)
    place[kept] = np.arange(len(kept))
    away = spots[near] - Z[:, None, :]
    d2 = np.where(place[near] >= 0, np.einsum("nkd,nkd->nk", away, away), np.inf)
    nearest = d2.argmin(1)
    result: Ints = place[near[np.arange(len(lost)), nearest]]
    none = np.flatnonzero(result < 0)
    for start in range(0, len(none), 500):
        part = none[start : start + 500]
        result[part] = squares(Z[part], spots[kept]).argmin(1)
    return result


@dataclass(frozen=True)
class NearPrototypes:
    """Prototypes near each row, nearest first: (rows, WIDTH)."""

    weight: Floats
    """Weight of each in the row's prediction."""
    index: Ints
    label: Floats


def elimination_phase(
    found: Prototypes,
    judges: Rows,
    own: Ints,
    excess: Ints,
    kernel: Kernel,
    rng: np.random.Generator,
) -> np.ndarray:
    """Which prototypes stay, until half are gone or the table of neighbours is worn out."""
    count = len(found.mass)
    alive = np.ones(count, bool)
    excess = excess.copy()
    used = kernel.prototypes(float(found.mass.mean()))
    d2, index = near_prototypes(judges.Z, found, own, rng, 2 * WIDTH)
    d2, index, mass, label = without_self(d2, index, found, judges, own)
    weight = np.where(mass > 0, 1.0 / np.sqrt(d2 + 1e-6 * np.median(d2[:, 0]) + 1e-300), 0.0)
    weight *= np.minimum(kernel.heft(mass), kernel.k) if kernel.weights != "uniform" else 1.0
    near = NearPrototypes(weight, index, label)
    while (excess > 0).any():
        live = alive[index] & (weight > 0)
        short = live.sum(1) <= min(used, int(alive.sum()) - 2)
        if int(alive.sum()) < count / 2 or short.mean() > WORN_OUT:
            break
        gain, first, second = removal_costs(near, live, judges, used, count)
        candidates = np.flatnonzero(alive & (excess[found.regions] > 0))
        candidates = candidates[np.argsort(gain[candidates], kind="stable")]
        inside = ranks_within(found.regions[candidates]) < excess[found.regions[candidates]]
        candidates = candidates[inside][: max(1, int(ROUND_SHARE * len(candidates)))]
        # of two that rely on each other the dearer waits
        rank = np.full(count, count)
        rank[candidates] = np.arange(len(candidates))
        clash = (rank[first] < count) & (rank[second] < count) & (first != second)
        rank[np.where(rank[first] > rank[second], first, second)[clash]] = count
        gone = candidates[rank[candidates] < count]
        alive[gone] = False
        excess -= np.bincount(found.regions[gone], minlength=len(excess))
    if alive.all():  # no prototype could be judged: remove the lightest
        candidates = np.argsort(found.mass, kind="stable")
        candidates = candidates[excess[found.regions[candidates]] > 0]
        inside = ranks_within(found.regions[candidates]) < excess[found.regions[candidates]]
        alive[candidates[inside]] = False
    return alive


def removal_costs(
    near: NearPrototypes, live: np.ndarray, judges: Rows, used: int, count: int
) -> tuple[Floats, Ints, Ints]:
    """Rise of the judges' squared error if each of ``count`` prototypes were removed.

    ``used``: neighbours of a prediction; ``live``: which of those near are not removed yet. Returns the
    first and the last neighbour of each judge too: those two rely on each other."""
    order = np.argsort(~live, 1, kind="stable")[:, : used + 1]
    share = np.take_along_axis(near.weight * live, order, 1)
    which = np.take_along_axis(near.index, order, 1)
    target = np.take_along_axis(near.label, order[..., None], 1)
    if order.shape[1] <= used:
        share = np.pad(share, ((0, 0), (0, 1)))
        target = np.pad(target, ((0, 0), (0, 1), (0, 0)))
    pull = share[..., None] * target
    total, sums = share[:, :used].sum(1), pull[:, :used].sum(1)

    def error(total: Floats, sums: Floats) -> Floats:
        guess = sums / np.maximum(total, 1e-300)[:, None]
        return np.asarray(judges.mass * ((guess - judges.y) ** 2).sum(1))

    present = error(total, sums)
    gain = np.zeros(count)
    for t in range(min(used, which.shape[1])):
        without = error(total - share[:, t] + share[:, used], sums - pull[:, t] + pull[:, used])
        gain += np.bincount(which[:, t], (without - present) * (share[:, t] > 0), count)
    return gain, which[:, 0], which[:, min(used, which.shape[1] - 1)]


def medoids(found: Prototypes, rows: Rows, least: Ints) -> tuple[Prototypes, Ints]:
    """A real row for each prototype, the one nearest to its mean in label and features.

    Regions with fewer prototypes than ``least`` get further rows. Returns the positions of the rows
    too."""
    typical_y = max(float(((rows.y - found.y[found.own]) ** 2).sum(1).mean()), 1e-300)
    typical_z = max(float(((rows.Z - found.Z[found.own]) ** 2).sum(1).mean()), 1e-300)
    off = ((rows.y - found.y[found.own]) ** 2).sum(1) / typical_y
    off += ((rows.Z - found.Z[found.own]) ** 2).sum(1) / typical_z
    order = np.argsort(off, kind="stable")
    place = np.empty(len(order), np.intp)
    place[order] = ranks_within(found.own[order])
    chosen = place == 0
    missing = least - np.bincount(rows.regions[chosen], minlength=len(least))
    rest = order[~chosen[order]]
    rest = rest[np.argsort(place[rest], kind="stable")]
    extra = rest[ranks_within(rows.regions[rest]) < missing[rows.regions[rest]]]
    chosen[extra] = True
    which = np.flatnonzero(chosen)
    # rows go to the chosen row of their prototype that is nearest
    code = np.full(len(order), -1)
    code[which] = np.arange(len(which))
    first = np.empty(len(found.mass), np.intp)
    first[found.own[which[place[which] == 0]]] = code[which[place[which] == 0]]
    own = np.where(code >= 0, code, first[found.own])
    result = Prototypes(
        rows.Z[which],
        rows.y[which],
        group_sums(rows.mass, own, len(which)),
        rows.regions[which],
        own,
    )
    return result, which


def split_evenly(rows: Rows, own: Ints, sizes: Ints) -> Ints:
    """Clusters cut further, whatever their rows, until each region has ``sizes`` of them (or one a
    row)."""
    count = np.bincount(own)
    region = np.zeros(len(count), np.intp)
    region[own] = rows.regions
    parts = np.ones(len(count), np.intp)
    for r in np.flatnonzero(np.bincount(region, minlength=len(sizes)) < sizes):
        inside = np.flatnonzero(region == r)
        for _ in range(int(sizes[r]) - len(inside)):
            load = np.where(parts[inside] < count[inside], count[inside] / parts[inside], 0.0)
            if load.max() <= 0:
                break
            parts[inside[load.argmax()]] += 1
    return renumbered(own * (int(parts.max()) + 1) + ranks_within(own) * parts[own] // count[own])
