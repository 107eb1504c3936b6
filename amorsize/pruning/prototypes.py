"""From rows to prototypes at any size, built once and cut many times.

rows --duplicates--> unique rows --cells--> pool --agglomerate--> dendrogram
                                                                      | cut; and wider, eliminated;
                                                                      | and a tree of cuts, eliminated
        prototypes <--moved-- the best at rows held out <--labels fitted-- candidates
"""

from __future__ import annotations

import numpy as np

from amorsize.core.frozen import replace
from amorsize.pruning.agglomeration import agglomerate
from amorsize.pruning.arrays import Prototypes, grouped, subset
from amorsize.pruning.certificate import CERTIFIABLE_ROWS
from amorsize.pruning.descent import STEPS, Fitter
from amorsize.pruning.knn_graph import neighbor_pairs, separate
from amorsize.pruning.partition import cells
from amorsize.pruning.refine import (
    eliminated,
    medoids,
    split_evenly,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize.learning.neighbors import Floats, Ints
    from amorsize.pruning.arrays import Kernel, Rows

POOL_ROWS = 20_000
"""Unique rows above which rows are first cut into cells."""
WIDER = 3.0
"""Candidates for each prototype that elimination chooses from."""
JUDGES = 12_000
"""Rows that guide elimination."""
FIT_ROWS = 20_000
"""Rows that labels and positions are fitted to."""
MOST_SHARE = 0.7
"""Share of the rows above which prototypes stay the means of their rows."""
MOST_ELIMINATED = 8_000
"""Prototypes above which elimination is too slow for what it gains."""
NOISE_ROWS, NOISE_NEIGHBORS = 20_000, 3
"""Rows, and neighbours of each, from which the noise of regions is estimated."""
BORROWED_PAIRS = 5.0
"""Pairs as which the noise common to all regions counts in that of each."""
LEAST_NOISE = 0.05
"""Least noise of a region, as a share of the mean noise: a region known exactly would get all
prototypes."""


class Reducer:
    """Rows with their dendrogram.

    ``stop``: the fewest prototypes that will be asked for; ``subset_least``: above 0, prototypes are
    rows, and so many of each region stay at least; ``regions``: number of regions, if not all have rows
    here; ``even``: a loss in a region counts in units of its own noise, for each region has a bound of
    its own."""

    def __init__(
        self,
        rows: Rows,
        seed: int,
        stop: int = 1,
        subset_least: int = 0,
        regions: int = 0,
        even: bool = False,
    ) -> None:
        self.rows, self.seed, self.subset_least = rows, seed, subset_least
        self.regions = max(regions, int(rows.regions.max()) + 1)
        rng = np.random.default_rng(seed)
        own = duplicates(rows)
        self.unique = int(own.max()) + 1
        limit = max(POOL_ROWS, int(1.3 * stop))
        unit = np.ones(self.regions)
        if even and rows.regions.any():
            unit = noise(rows, self.regions, rng)
        if self.unique > limit:
            own = cells(rows.Z, rows.y / unit[rows.regions, None], rows.mass, rows.regions, limit)
        self._own = own
        self._pool = pool = grouped(rows, own)
        evened = Prototypes(
            pool.Z, pool.y / unit[pool.regions, None], pool.mass, pool.regions, pool.own
        )
        self._tree = agglomerate(evened, rng, stop)
        self.counts = np.bincount(rows.regions, minlength=self.regions)

    def sizes(self, total: int) -> Ints:
        """Prototypes of each region when ``total`` are kept in all."""
        sizes = self._tree.sizes(total)
        return np.pad(sizes, (0, self.regions - len(sizes)))

    def prototypes(
        self, sizes: Ints, ways: list[tuple[Kernel, ...]], *, cautious: bool = True
    ) -> tuple[Prototypes, Ints | None]:
        """``sizes`` prototypes in each region; their positions among the rows if they are rows.

        ``ways``: of the predictors to make them for, the first of which guides elimination; where there
        are several, the best is chosen. ``cautious``: see `Fitter`."""
        rng = np.random.default_rng(self.seed)
        rows = self.rows
        inside = np.bincount(self._pool.regions, minlength=len(sizes))
        wanted = np.minimum(np.maximum(sizes, 1), self.counts)
        found = grouped(rows, self._tree.cut(np.minimum(wanted, inside))[self._own])
        if (wanted > inside).any():
            found = grouped(rows, split_evenly(rows, found.own, wanted))
        if int(wanted.sum()) < MOST_SHARE * len(rows.mass):
            some = stride(len(rows.mass), FIT_ROWS)
            many = len(rows.mass) >= CERTIFIABLE_ROWS  # fewer cannot tell which is better
            fitters = [
                Fitter(subset(rows, some), aims, rng, found.own[some], cautious=cautious)
                for aims in (ways if many and not self.subset_least else ways[:1])
            ]
            found = self._best(found, wanted, fitters, some)
        if self.subset_least:
            least = np.minimum(np.maximum(self.subset_least, wanted), self.counts)
            return medoids(found, rows, least)
        return found, None

    def _best(self, cut: Prototypes, sizes: Ints, fitters: list[Fitter], some: Ints) -> Prototypes:
        """Of the cut and of what elimination leaves of wider pools, the best at rows held out; moved.

        ``some``: the rows that the fitters have."""
        rows = self.rows
        near = fitters[0].near(cut, cut.own[some])
        cuts = [one.labelled(cut, cut.own[some], near) for one in fitters]
        way = min(range(len(cuts)), key=lambda i: cuts[i].score())
        if fitters[way].cautious and not cuts[way].clearly_better(cuts[0]):
            way = 0
        fitter = fitters[way]
        aims, rng = fitter.aims, fitter.rng
        many = len(rows.mass) >= CERTIFIABLE_ROWS  # fewer cannot tell which candidate is better
        # where the nearest prototype alone predicts, its position has no slope
        mean_mass = float(rows.mass.sum()) / len(cut.mass)
        slope = any(kernel.prototypes(mean_mass) > 1 for kernel in aims)
        candidates = [cut]
        if many and len(cut.mass) <= MOST_ELIMINATED:
            guides = some[~fitter.held]
            guides = guides[stride(len(guides), JUDGES)]
            for own in self._wider(sizes)[: 2 if slope else 1]:
                wide = grouped(rows, split_evenly(rows, own, sizes))
                candidates.append(eliminated(wide, rows, guides, sizes, aims[0], rng))
        fits = [cuts[way], *(fitter.labelled(one, one.own[some]) for one in candidates[1:])]
        best = min(range(len(fits)), key=lambda i: fits[i].score())
        chosen = candidates[best]
        if self.subset_least:
            return chosen
        steps = STEPS if many and slope else 0
        moved = fitter.moved(fits[best], chosen, chosen.own[some], steps)
        return replace(moved, most=min(aim.most for aim in aims))

    def _wider(self, sizes: Ints) -> list[Ints]:
        """Owners of rows in pools of WIDER times as many prototypes: of the dendrogram, and of a tree of
        cuts. None where the whole pool is no larger: what elimination left of rows that nothing has
        averaged was never the best (14 tables of `benchmarks.pruning.race`, kept 35 %)."""
        rows = self.rows
        inside = np.bincount(self._pool.regions, minlength=len(sizes))
        wider = np.minimum(inside, np.ceil(WIDER * sizes).astype(np.intp))
        if int(wider.sum()) >= len(self._pool.mass):
            return []
        return [
            self._tree.cut(wider)[self._own],
            cells(rows.Z, rows.y, rows.mass, rows.regions, int(wider.sum())),
        ]


def stride(rows: int, most: int) -> Ints:
    """Positions of every n-th row, n the least by which no more than ``most`` are taken."""
    return np.arange(0, rows, -(-rows // most))


def noise(rows: Rows, regions: int, rng: np.random.Generator) -> Floats:
    """Standard deviation of the labels of each region from those of near neighbours, at least
    LEAST_NOISE of the mean; regions of few rows borrow from all."""
    some = subset(rows, stride(len(rows.mass), NOISE_ROWS))
    apart = separate(some.Z, some.regions, rng)
    pairs = neighbor_pairs(apart, NOISE_NEIGHBORS, rng)
    a, b = pairs[some.regions[pairs[:, 0]] == some.regions[pairs[:, 1]]].T
    if not len(a):
        return np.ones(regions)
    square = 0.5 * ((some.y[a] - some.y[b]) ** 2).mean(1)
    where = some.regions[a]
    usual = float(square.mean())
    count = np.bincount(where, minlength=regions)
    found = np.bincount(where, square, regions) + BORROWED_PAIRS * usual
    return np.sqrt(np.maximum(found / (count + BORROWED_PAIRS), LEAST_NOISE**2 * usual)) + (
        usual <= 0
    )


def duplicates(rows: Rows) -> Ints:
    """For each row: which of the distinct rows (features and region) it equals, 0..."""
    key = np.column_stack([rows.Z + 0.0, rows.regions.astype(float)])
    order = np.argsort(hashes(key), kind="stable")
    new = np.concatenate([[False], (key[order[1:]] != key[order[:-1]]).any(1)])
    own = np.empty(len(order), np.intp)
    own[order] = np.cumsum(new)
    return own


def hashes(values: np.ndarray) -> np.ndarray:
    """A pseudo-random number for each row of floats, equal for equal rows."""
    bits = np.ascontiguousarray(values + 0.0).view(np.uint64)
    code = np.zeros(len(bits), np.uint64)
    for column in bits.T:
        code = (code ^ column) * np.uint64(0x9E3779B97F4A7C15)
        code ^= code >> np.uint64(29)
        code *= np.uint64(0xBF58476D1CE4E5B9)
        code ^= code >> np.uint64(32)
    return code
