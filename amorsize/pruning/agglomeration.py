"""Label-aware agglomeration: one dendrogram whose cuts are prototypes at every size.

Ward's cost on smoothed labels and features, over the neighbour graph. All pairs that are each
other's cheapest merge at once; as Ward's cost is reducible, that gives the greedy dendrogram of the
graph in few vectorised rounds. No merge crosses the border of a region.
"""

from __future__ import annotations

import numpy as np

from amorsize.pruning.arrays import ranks_within, renumbered, stable_order
from amorsize.pruning.knn_graph import neighbor_pairs, separate, table, unique_pairs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dataclasses import dataclass

    from amorsize.learning.neighbors import Floats, Ints
    from amorsize.pruning.arrays import Prototypes
else:
    from amorsize.core.frozen import dataclass

NEIGHBORS = 8
"""Neighbours of a cluster that it may merge with."""
SMOOTHING = (1, 2, 3, 5, 8, 12)
"""Numbers of neighbours that labels may be averaged with before merging: the one of least leave-one-out
error is taken."""
FEATURE_SHARE = 0.3
"""Weight of features against labels in Ward's cost, both in units of their mean square over
neighbours."""


@dataclass(frozen=True)
class Dendrogram:
    """Merges of the pool, cheapest first: the cluster of ``child[i]`` joins that of ``parent[i]``."""

    regions: Ints
    """Region of each row of the pool."""
    child: Ints
    parent: Ints

    def sizes(self, total: int) -> Ints:
        """Clusters of each region when ``total`` are left in all."""
        merges = max(0, min(len(self.child), len(self.regions) - total))
        count = int(self.regions.max()) + 1
        gone = np.bincount(self.regions[self.child[:merges]], minlength=count)
        return np.bincount(self.regions, minlength=count) - gone

    def cut(self, sizes: Ints) -> Ints:
        """Cluster of each row of the pool, 0.., with ``sizes`` clusters in each region."""
        region = self.regions[self.child]
        budget = np.bincount(self.regions, minlength=len(sizes)) - sizes
        done = ranks_within(region) < budget[region]
        root = np.arange(len(self.regions))
        root[self.child[done]] = self.parent[done]
        while True:
            further = root[root]
            if np.array_equal(further, root):
                return renumbered(root)
            root = further


def agglomerate(pool: Prototypes, rng: np.random.Generator, stop: int = 1) -> Dendrogram:
    """Merge within regions until ``stop`` clusters, or one in each region, are left."""
    rows, regions = len(pool.mass), pool.regions
    apart = separate(pool.Z, regions, rng).copy()
    pairs = neighbor_pairs(apart, max(SMOOTHING), rng)
    pairs = pairs[regions[pairs[:, 0]] == regions[pairs[:, 1]]]
    labels = smoothed(pool, pairs)
    joint = np.concatenate([labels, pool.Z * feature_factor(pool.Z, labels, pairs)], 1)
    weight, root = pool.mass.copy(), np.arange(rows)
    reached = np.zeros(rows)
    children, parents, heights = [], [], []
    left, goal = rows, max(stop, int(regions.max()) + 1)
    while left > goal:
        while len(pairs) and left > goal:
            a, b = pairs.T
            away = joint[a] - joint[b]
            cost = (
                np.einsum("ij,ij->i", away, away) * weight[a] * weight[b] / (weight[a] + weight[b])
            )
            mutual = mutual_cheapest(a, b, cost, rows)
            into, gone = a[mutual], b[mutual]
            total = weight[into] + weight[gone]
            for values in (joint, apart):
                values[into] += (weight[gone] / total)[:, None] * (values[gone] - values[into])
            weight[into] = total
            # a merge comes after those that it builds on, even where the graph makes it cost less
            highest = np.maximum(np.maximum(reached[into], reached[gone]), cost[mutual])
            reached[into] = highest
            children.append(gone)
            parents.append(into)
            heights.append(highest)
            root[gone] = into
            left -= len(gone)
            pairs = unique_pairs(root[a], root[b], rows)
        if left > goal:
            live = np.flatnonzero(root == np.arange(rows))
            pairs = live[neighbor_pairs(apart[live], NEIGHBORS, rng)]
            pairs = pairs[regions[pairs[:, 0]] == regions[pairs[:, 1]]]
            if not len(pairs):  # the few left of each region see only other regions
                pairs = chained(live, regions)
    if not children:
        none = np.empty(0, np.intp)
        return Dendrogram(regions, none, none)
    order = np.argsort(np.concatenate(heights), kind="stable")
    return Dendrogram(regions, np.concatenate(children)[order], np.concatenate(parents)[order])


def mutual_cheapest(a: Ints, b: Ints, cost: Floats, rows: int) -> Ints:
    """Positions of the pairs that are the cheapest pair of both their rows."""
    order = np.argsort(cost)
    rank = np.empty(len(order), np.intp)
    rank[order] = np.arange(len(order))
    first = np.full(rows, len(order))
    np.minimum.at(first, a, rank)
    np.minimum.at(first, b, rank)
    return np.flatnonzero((first[a] == rank) & (first[b] == rank))


def feature_factor(Z: Floats, labels: Floats, pairs: Ints) -> float:
    """Factor of the features that gives them the weight FEATURE_SHARE against the labels."""
    dy = ((labels[pairs[:, 0]] - labels[pairs[:, 1]]) ** 2).sum()
    dx = ((Z[pairs[:, 0]] - Z[pairs[:, 1]]) ** 2).sum()
    return float(np.sqrt(FEATURE_SHARE * dy / dx)) if dx > 0 and dy > 0 else 1.0


def chained(live: Ints, regions: Ints) -> Ints:
    """Each row paired with the next one of its region."""
    order = live[stable_order(regions[live])]
    same = regions[order[1:]] == regions[order[:-1]]
    return np.sort(np.stack([order[:-1][same], order[1:][same]], 1), 1)


def smoothed(pool: Prototypes, pairs: Ints) -> Floats:
    """Labels averaged with as many neighbours as predict them best, by leave-one-out error."""
    y, mass = pool.y, pool.mass
    near = table(pool.Z, pairs, max(SMOOTHING))
    away = pool.Z[near] - pool.Z[:, None, :]
    share = 1.0 / (np.sqrt(np.einsum("nkd,nkd->nk", away, away)) + 1e-9)
    share *= (near != np.arange(len(y))[:, None]) * mass[near]
    least, result = np.inf, y
    for k in SMOOTHING:
        part = share[:, :k]
        total = part.sum(1, keepdims=True)
        guess = np.einsum("nk,nko->no", part, y[near[:, :k]]) / np.maximum(total, 1e-300)
        guess = np.where(total > 0, guess, y)
        error = float(mass @ ((guess - y) ** 2).sum(1))
        if error < least:
            # a row of large mass is a mean already and is averaged less
            pull = k / mass[:, None]
            least, result = error, (pull * guess + y) / (pull + 1.0)
    return result
