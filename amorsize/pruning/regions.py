"""Regions, for each of which the error bound must hold, found by clustering where no groups are given.

Single linkage joins what is similar, up to the widest gap between the lengths of its links; large
clusters are cut further, so that homogeneous data never end as one region.
"""

from __future__ import annotations

import numpy as np

from amorsize.pruning.arrays import renumbered
from amorsize.pruning.knn_graph import squares
from amorsize.pruning.partition import cells

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize.learning.neighbors import Floats, Ints

LINKED_ROWS = 1_000
"""Cells of rows between which links are looked for: all pairs take 10 ms."""
GAP = 2.0
"""A link so many times longer than the next shorter one separates clusters; normal data give 1.5
times."""
BLUR = 0.01
"""Differences of distance below this share of the diagonal do not count as gaps."""
LEAST_LINKS = 50
"""Links from which two kinds of them can be distinguished."""
EXPLAINED, LONGER, MOST_CLUSTERS = 0.85, 3.0, 0.4
"""There are two kinds of links where at least EXPLAINED of the variance of their logarithms lies between
the kinds, one kind is LONGER times longer than the other, and no more than MOST_CLUSTERS of the links
are long. Workloads of `benchmarks.pruning.families` gave 0.89 to 0.97 and 6 to 10; data without clusters
0.57 to 0.74 and 1.1 to 1.4."""
LARGE_SHARE, LARGE_ROWS = 0.25, 400
"""Clusters beyond both this share of all rows and this number of rows are cut further, into regions not
much smaller than that."""


def find_regions(X: Floats, threshold: float, *, adaptive: bool, smallest: int) -> Ints:
    """Region of each row, 0.. in no order.

    ``threshold``: similarity from which rows are linked, 1 minus their distance as a share of the
    diagonal, each feature scaled to its range. Regions below ``smallest`` rows join the nearest one."""
    rows, width = X.shape
    extent = np.ptp(X, axis=0)
    Z = (X - X.min(0)) / np.where(extent > 0, extent, 1.0) / np.sqrt(width)
    ones, nothing = np.ones(rows), np.zeros((rows, 1))
    cell = cells(Z, nothing, ones, np.zeros(rows, np.intp), LINKED_ROWS)
    count = np.bincount(cell)
    center = np.stack([np.bincount(cell, column) for column in Z.T], 1) / count[:, None]
    d2 = squares(center, center)
    reach = 1.0 - threshold
    if adaptive:
        reach = min(reach, linkage_distance(np.sqrt(d2)))
    part = without_small(linked(d2 <= reach * reach), count, d2, smallest)
    found = part[cell]
    return cut_large(Z, found) if adaptive else found


def linkage_distance(distance: Floats) -> float:
    """Distance at which single linkage should stop.

    It lies within the widest gap between the lengths of the links, if there is one; else between two
    kinds of links, if there are two; else it is the longest link."""
    lengths = np.sort(spanning_links(distance))
    if not len(lengths):
        return 1.0
    upper = lengths[len(lengths) // 2 :]
    ratio = (upper[1:] + BLUR) / (upper[:-1] + BLUR)
    if not len(ratio) or ratio.max() < GAP:
        edge = between_two_kinds(lengths)
        return float(lengths[-1]) if edge is None else edge
    widest = int(ratio.argmax())
    return float((upper[widest] * upper[widest + 1]) ** 0.5 + BLUR / 10)


def between_two_kinds(lengths: Floats) -> float | None:
    """Length between the links within clusters and those among them; None where there is one kind only.

    Where some clusters of many lie near each other, there are two kinds of links but no gap. The split
    that leaves the least variance of the logarithms (Otsu, IEEE Transactions on Systems, Man and
    Cybernetics 1979)."""
    values = np.log(lengths + BLUR / 100)
    if len(values) < LEAST_LINKS or not values.var() > 0:
        return None
    below = np.arange(1, len(values))
    sums = values.cumsum()[:-1]
    apart = (values.sum() - sums) / (len(values) - below) - sums / below
    explained = below * (len(values) - below) * apart**2 / len(values) ** 2 / values.var()
    split = int(explained.argmax()) + 1
    times = np.exp(np.median(values[split:]) - np.median(values[:split]))
    if (
        explained[split - 1] < EXPLAINED
        or times < LONGER
        or len(values) - split > MOST_CLUSTERS * len(values)
    ):
        return None
    return float((lengths[split - 1] * lengths[split]) ** 0.5)


def spanning_links(distance: Floats) -> Floats:
    """Lengths of the links of the minimum spanning tree (Prim, O(n^2))."""
    rows = len(distance)
    left = np.ones(rows, bool)
    left[0] = False
    nearest = distance[0].copy()
    lengths = np.empty(rows - 1)
    for i in range(rows - 1):
        open_rows = np.where(left, nearest, np.inf)
        added = int(open_rows.argmin())
        lengths[i] = open_rows[added]
        left[added] = False
        np.minimum(nearest, distance[added], out=nearest)
    return lengths


def linked(near: np.ndarray) -> Ints:
    """Connected component of each row, 0.., of a symmetric matrix of links."""
    label = np.arange(len(near))
    while True:
        # the least label of all neighbours, then of what that label has become
        lowest = np.where(near, label, len(near)).min(1)
        lowest = np.minimum(lowest, lowest[lowest])
        if np.array_equal(lowest, label):
            return renumbered(label)
        label = lowest


def without_small(part: Ints, count: Ints, d2: Floats, smallest: int) -> Ints:
    """Regions of cells, those below ``smallest`` rows joined to the nearest other one, the smallest
    first."""
    part = part.copy()
    while True:
        size = np.bincount(part, count)
        least = int(np.argmin(size))
        if len(size) == 1 or size[least] >= smallest:
            return part
        small = part == least
        away = d2[small][:, ~small].min(0)
        part[small] = part[~small][int(np.argmin(away))]
        part = renumbered(part)


def cut_large(Z: Floats, part: Ints) -> Ints:
    """Regions, the large ones cut by their features."""
    rows = len(part)
    limit = max(LARGE_ROWS, int(LARGE_SHARE * rows))
    result, next_free = part.copy(), int(part.max()) + 1
    for region, size in enumerate(np.bincount(part)):
        if size <= limit:
            continue
        inside = np.flatnonzero(part == region)
        pieces = max(2, round(size / limit))
        ones = np.ones(size)
        cut = cells(Z[inside], np.zeros((size, 1)), ones, np.zeros(size, np.intp), pieces)
        result[inside] = next_free + cut
        next_free += int(cut.max()) + 1
    return renumbered(result)
