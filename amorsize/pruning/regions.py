"""Parts of the data for which the error bound must hold one by one, where no groups are given.

Single linkage joins what is similar, up to the widest gap between the lengths of its links; what is
still large is cut further. So homogeneous data never end as one cluster.
"""

from __future__ import annotations

import numpy as np

from amorsize.pruning.graph import squares
from amorsize.pruning.partition import cells
from amorsize.pruning.samples import numbered

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize.ml_neighbors import Floats, Ints

LINKED_ROWS = 1_000
"""Cells between which links are looked for: all pairs in 10 ms."""
GAP = 2.0
"""A link so many times longer than the next shorter one separates clusters; normal data give 1.5."""
BLUR = 0.01
"""Distances below this share of the diagonal do not count as gaps."""
LARGE_SHARE, LARGE_ROWS = 0.25, 400
"""Clusters beyond both are cut further, into pieces not much smaller than that."""


def find(X: Floats, threshold: float, *, adaptive: bool, smallest: int) -> Ints:
    """Region of each row, 0.. in no order.

    ``threshold``: similarity from which rows are linked: 1 minus their distance as a share of the
    diagonal, each feature scaled to its range. Regions below ``smallest`` rows join the nearest."""
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
        reach = min(reach, gap(np.sqrt(d2)))
    part = absorbed(linked(d2 <= reach * reach), count, d2, smallest)
    found = part[cell]
    return cut_large(Z, found) if adaptive else found


def gap(distance: Floats) -> float:
    """Where single linkage should stop: within the widest gap between the lengths of its links, if
    there is one; else at the longest of them."""
    lengths = np.sort(links(distance))
    if not len(lengths):
        return 1.0
    upper = lengths[len(lengths) // 2 :]
    ratio = (upper[1:] + BLUR) / (upper[:-1] + BLUR)
    if not len(ratio) or ratio.max() < GAP:
        return float(lengths[-1])
    widest = int(ratio.argmax())
    return float((upper[widest] * upper[widest + 1]) ** 0.5 + BLUR / 10)


def links(distance: Floats) -> Floats:
    """Lengths of the links of the minimum spanning tree (Prim, O(n^2))."""
    rows = len(distance)
    left = np.ones(rows, bool)
    left[0] = False
    nearest = distance[0].copy()
    lengths = np.empty(rows - 1)
    for i in range(rows - 1):
        open_rows = np.where(left, nearest, np.inf)
        taken = int(open_rows.argmin())
        lengths[i] = open_rows[taken]
        left[taken] = False
        np.minimum(nearest, distance[taken], out=nearest)
    return lengths


def linked(near: np.ndarray) -> Ints:
    """Connected components of a symmetric matrix of links: number of each row."""
    label = np.arange(len(near))
    while True:
        # the least label of all neighbours, then of what that label has become
        lowest = np.where(near, label, len(near)).min(1)
        lowest = np.minimum(lowest, lowest[lowest])
        if np.array_equal(lowest, label):
            return numbered(label)
        label = lowest


def absorbed(part: Ints, count: Ints, d2: Floats, smallest: int) -> Ints:
    """Small parts joined to the nearest other one, the smallest first."""
    part = part.copy()
    while True:
        size = np.bincount(part, count)
        least = int(np.argmin(size))
        if len(size) == 1 or size[least] >= smallest:
            return part
        mine = part == least
        away = d2[mine][:, ~mine].min(0)
        part[mine] = part[~mine][int(np.argmin(away))]
        part = numbered(part)


def cut_large(Z: Floats, part: Ints) -> Ints:
    """Large regions cut by their features."""
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
    return numbered(result)
