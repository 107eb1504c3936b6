"""Cutting many rows into cells alike in label and features: the pool from which pruning selects.

A regression tree is grown best first, in rounds: each round splits the better half of the leaves at the
mean of the feature that lowers the variance of labels and features most. Splits of large leaves are
judged on a sample.
"""

from __future__ import annotations

import numpy as np

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dataclasses import dataclass

    from amorsize.learning.neighbors import Floats, Ints
else:
    from amorsize.core.frozen import dataclass

JUDGED_ROWS = 256
"""Rows of a leaf on which its splits are judged."""
FEATURE_SHARE = 1.0
"""Weight of the variance of the features against that of the labels."""


@dataclass(frozen=True)
class Table:
    """What a tree is grown on."""

    Z: Floats
    alike: Floats
    """Columns whose variance is lowered: the labels, then the features, scaled."""
    mass: Floats
    outputs: int
    """Number of labels."""


def cells(Z: Floats, labels: Floats, mass: Floats, regions: Ints, limit: int) -> Ints:
    """Cell of each row, at most about ``limit`` of them; no cell crosses a region."""
    rows = len(Z)
    outputs = labels.shape[1]
    whole = np.average((Z - np.average(Z, axis=0, weights=mass)) ** 2, axis=0, weights=mass).sum()
    alike = np.concatenate(
        [labels / np.sqrt(outputs), Z * np.sqrt(FEATURE_SHARE / (whole or 1.0))], 1
    )
    table = Table(Z, alike, mass, outputs)
    order = np.argsort(regions, kind="stable")
    starts = np.flatnonzero(np.concatenate([[True], np.diff(regions[order]) != 0]))
    ends = np.append(starts[1:], rows)
    fresh = np.arange(len(starts))
    gain = np.full(len(starts), -1.0)
    feature = np.zeros(len(starts), np.intp)
    value = np.zeros(len(starts))
    while True:
        gain[fresh], feature[fresh], value[fresh] = best_splits(
            table, order, starts[fresh], ends[fresh]
        )
        able = np.flatnonzero(gain > 0)
        room = limit - len(starts)
        if room < 1 or not len(able):
            break
        able = able[np.argsort(-gain[able], kind="stable")]
        able = able[: max(1, min(room, -(-len(able) // 2)))]
        # each chosen leaf becomes two: its lower part stays in place, its upper part is new
        lengths = ends[able] - starts[able]
        place = spans(starts[able], lengths)
        which = np.repeat(np.arange(len(able)), lengths)
        members = order[place]
        upper = Z[members, feature[able][which]] > value[able][which]
        above = np.bincount(which[upper], minlength=len(able))
        middle = ends[able] - above
        order[spans(starts[able], lengths - above)] = members[~upper]
        order[spans(middle, above)] = members[upper]
        fresh = np.concatenate([able, np.arange(len(starts), len(starts) + len(able))])
        starts = np.concatenate([starts, middle])
        ends = np.concatenate([ends, ends[able]])
        ends[able] = middle
        gain = np.concatenate([gain, np.zeros(len(able))])
        feature = np.concatenate([feature, np.zeros(len(able), np.intp)])
        value = np.concatenate([value, np.zeros(len(able))])
    cell = np.empty(rows, np.intp)
    cell[order[spans(starts, ends - starts)]] = np.repeat(np.arange(len(starts)), ends - starts)
    return cell


def spans(starts: Ints, lengths: Ints) -> Ints:
    """The positions in spans of these starts and lengths, one span after the other."""
    offset = np.cumsum(lengths) - lengths
    return np.asarray(np.arange(int(lengths.sum())) + np.repeat(starts - offset, lengths))


def best_splits(table: Table, order: Ints, starts: Ints, ends: Ints) -> tuple[Floats, Ints, Floats]:
    """For each leaf: fall of the squared deviation by its best split, and that feature and value."""
    Z = table.Z
    leaves = len(starts)
    lengths = ends - starts
    step = np.maximum(1, lengths // JUDGED_ROWS)
    taken = -(-lengths // step)
    which = np.repeat(np.arange(leaves), taken)
    offset = np.arange(len(which)) - np.repeat(np.cumsum(taken) - taken, taken)
    rows = order[np.repeat(starts, taken) + offset * step[which]]
    weight = table.mass[rows]
    total = np.bincount(which, weight, leaves)
    points = Z[rows]
    weighted = table.alike[rows] * weight[:, None]
    sums = np.stack([np.bincount(which, column, leaves) for column in weighted.T], 1)
    gain, feature, value = np.zeros(leaves), np.zeros(leaves, np.intp), np.zeros(leaves)
    for f in range(Z.shape[1]):
        column = points[:, f]
        middle = np.bincount(which, column * weight, leaves) / total
        lower = column <= middle[which]
        inside, light = which[lower], weight[lower]
        left = np.bincount(inside, light, leaves)
        right = total - left
        with np.errstate(divide="ignore", invalid="ignore"):
            fall = np.zeros(leaves)
            for j in (*range(table.outputs), table.outputs + f):
                part = np.bincount(inside, weighted[lower, j], leaves)
                fall += (part / left - (sums[:, j] - part) / right) ** 2
            fall *= left * right / total * step
        fall[(left <= 0) | (right <= total * 1e-12) | ~np.isfinite(fall)] = 0.0
        better = fall > gain
        gain[better], feature[better], value[better] = fall[better], f, middle[better]
    return gain, feature, value
