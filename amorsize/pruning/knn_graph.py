"""Graph of near neighbours among many rows in NumPy: approximate, which is enough to propose merges.

Rows are cut into small blocks by balanced splits along random directions, a few times, and compared
within their blocks. SciPy's k-d tree is no gain: its import costs more than the graph of 10,000
rows, and with 11 features it is ten times slower.
"""

from __future__ import annotations

import numpy as np

from amorsize.learning.neighbors import smallest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize.learning.neighbors import Floats, Ints

EXACT_ROWS = 1_500
"""Rows up to which all pairs are compared: 20 ms."""
BLOCK_ROWS = 48
"""Rows compared with each other in one block."""
CUTS = 3
"""Independent ways to cut into blocks: neighbours that one separates are together in another."""
HELD_DISTANCES = 2_000_000
"""Distances held in memory at once: 16 MB."""


def squares(a: Floats, b: Floats) -> Floats:
    """Squared distances of all pairs; the last two axes are rows and features."""
    d2 = np.matmul(-2.0 * a, np.swapaxes(b, -1, -2))
    d2 += np.einsum("...ij,...ij->...i", a, a)[..., :, None]
    d2 += np.einsum("...ij,...ij->...i", b, b)[..., None, :]
    return np.asarray(np.maximum(d2, 0.0, out=d2))


def pair_squares(Z: Floats, pairs: Ints) -> Floats:
    """Squared distance of each pair."""
    away = Z[pairs[:, 0]] - Z[pairs[:, 1]]
    return np.asarray(np.einsum("ij,ij->i", away, away))


def nearest(Z: Floats, points: Floats, k: int) -> Ints:
    """The k points nearest to each row, in no order: (rows, k). All pairs are compared, in single
    precision."""
    center = points.mean(0)
    extent = float(np.abs(points - center).max()) or 1.0
    near = ((points - center) / extent).astype(np.float32)
    norms = np.einsum("ij,ij->i", near, near)
    result = np.empty((len(Z), k), np.intp)
    step = max(1, HELD_DISTANCES // len(points))
    for start in range(0, len(Z), step):
        rows = ((Z[start : start + step] - center) / extent).astype(np.float32)
        d2 = norms - 2.0 * (rows @ near.T)
        result[start : start + step] = smallest(d2, k) if k < len(points) else np.arange(k)
    return result


def neighbor_pairs(Z: Floats, k: int, rng: np.random.Generator) -> Ints:
    """Unordered pairs of rows, one among about the k nearest of the other: (pairs, 2), sorted."""
    rows = len(Z)
    k = min(k, rows - 1)
    if k < 1:
        return np.empty((0, 2), np.intp)
    if rows <= EXACT_ROWS:
        return unique_pairs(np.repeat(np.arange(rows), k), _nearest(Z, k).ravel(), rows)
    pairs, rank = _candidates(Z, k, rng)
    return pairs[np.minimum(rank[: len(pairs)], rank[len(pairs) :]) < k]


def neighbor_table(Z: Floats, k: int, rng: np.random.Generator) -> Ints:
    """About the k nearest of each row, nearest first: (rows, k); the row itself where there are fewer."""
    rows = len(Z)
    result = np.repeat(np.arange(rows)[:, None], k, 1)
    found = min(k, rows - 1)
    if found < 1:
        return result
    if rows <= EXACT_ROWS:
        result[:, :found] = _nearest(Z, found)
    else:
        _fill(result, *_candidates(Z, found, rng))
    return result


def _nearest(Z: Floats, k: int) -> Ints:
    d2 = squares(Z, Z)
    np.fill_diagonal(d2, np.inf)
    near = np.argpartition(d2, k - 1, 1)[:, :k]
    return np.take_along_axis(near, np.argsort(np.take_along_axis(d2, near, 1), 1), 1)


def _candidates(Z: Floats, k: int, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """Pairs that are near in one of the cuts, and their `ranks`."""
    rows = len(Z)
    sources, targets = [], []
    for _ in range(CUTS):
        blocks = cut_blocks(Z, rng)
        width = blocks.shape[1]
        take = min(k, width - 1)
        step = max(1, HELD_DISTANCES // (width * width))
        for start in range(0, len(blocks), step):
            part = blocks[start : start + step]
            near_rows = Z[part]
            near_rows = near_rows - near_rows.mean(1, keepdims=True)
            d2 = squares(near_rows, near_rows)
            d2[part[:, :, None] == part[:, None, :]] = np.inf
            near = np.argpartition(d2, take - 1, 2)[:, :, :take]
            sources.append(np.repeat(part.ravel(), take))
            targets.append(np.take_along_axis(part, near.reshape(len(part), -1), 1).ravel())
    pairs = unique_pairs(np.concatenate(sources), np.concatenate(targets), rows)
    return pairs, ranks(pairs, pair_squares(Z, pairs))


def cut_blocks(Z: Floats, rng: np.random.Generator) -> Ints:
    """Rows in blocks of equal size, near ones together: (blocks, size); some rows appear twice."""
    rows = len(Z)
    depth = max(0, int(np.ceil(np.log2(rows / BLOCK_ROWS))))
    size = -(-rows // 2**depth) * 2**depth
    order = np.concatenate([np.arange(rows), rng.integers(0, rows, size - rows)])[None, :]
    for _ in range(depth):
        # the longest of a few distances between random rows points along the block's extent
        ends = rng.integers(0, order.shape[1], (2, len(order), 4))
        spread = Z[np.take_along_axis(order, ends[0], 1)] - Z[np.take_along_axis(order, ends[1], 1)]
        longest = np.einsum("bed,bed->be", spread, spread).argmax(1)
        direction = spread[np.arange(len(order)), longest]
        along = np.einsum("brd,bd->br", Z[order], direction)
        half = order.shape[1] // 2
        order = np.take_along_axis(order, np.argpartition(along, half, 1), 1).reshape(-1, half)
    return order


def unique_pairs(a: Ints, b: Ints, rows: int) -> Ints:
    """Unordered pairs once each, in order, none with itself."""
    # On Windows NumPy 1 counts in 32 bits, in which rows * rows has no room from 46,341 rows on.
    keys = np.minimum(a, b).astype(np.int64) * rows + np.maximum(a, b)
    keys = keys[a != b]
    keys.sort()
    keys = keys[np.diff(keys, prepend=-1) > 0]
    return np.stack(np.divmod(keys, rows), 1)


def ranks(pairs: Ints, d2: Floats) -> Ints:
    """Place of each pair among those of its first row, then of its second, nearest first."""
    # the bits of floats >= 0 are in their order: one sort for rows and distances together
    largest = float(d2.max(initial=0.0))
    bits = (d2 / (largest or 1.0)).astype(np.float32).view(np.uint32).astype(np.uint64)
    rows = pairs.T.ravel()
    order = np.argsort((rows.astype(np.uint64) << np.uint64(32)) | np.concatenate([bits, bits]))
    starts = np.flatnonzero(np.diff(rows[order], prepend=-1))
    rank = np.empty(len(order), np.intp)
    rank[order] = np.arange(len(order)) - np.repeat(starts, np.diff(np.append(starts, len(order))))
    return rank


def table(Z: Floats, pairs: Ints, k: int) -> Ints:
    """The k nearest of each row among its pairs, nearest first: (rows, k); missing ones itself."""
    result = np.repeat(np.arange(len(Z))[:, None], k, 1)
    _fill(result, pairs, ranks(pairs, pair_squares(Z, pairs)))
    return result


def _fill(result: Ints, pairs: Ints, rank: Ints) -> None:
    inside = rank < result.shape[1]
    result[pairs.T.ravel()[inside], rank[inside]] = pairs[:, ::-1].T.ravel()[inside]


def separate(Z: Floats, regions: Ints, rng: np.random.Generator) -> Floats:
    """Z with columns that keep regions apart, so that neighbours are found within them."""
    regions_count = int(regions.max()) + 1
    if regions_count == 1:
        return Z
    extent = float(np.ptp(Z, 0).max()) or 1.0
    spots = rng.normal(size=(regions_count, 4)) * 3.0 * extent * np.sqrt(Z.shape[1])
    return np.concatenate([Z, spots[regions]], 1)
