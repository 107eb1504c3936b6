"""Fitting prototypes to the predictors that will use them: labels by least squares, then positions too.

prototypes --labels through the kernels--> refitted --gradient of the squared error--> moved

Each step is judged at rows held out and taken only where these agree. Several predictors count alike:
each by its error relative to its own at the start.
"""

from __future__ import annotations

import numpy as np

from amorsize.core.frozen import replace
from amorsize.pruning.arrays import group_means
from amorsize.pruning.certificate import CERTIFIABLE_ROWS
from amorsize.pruning.refine import WIDTH, at_distances, near_prototypes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dataclasses import dataclass

    from amorsize.learning.neighbors import Floats, Ints
    from amorsize.pruning.arrays import Kernel, Prototypes, Rows

    Near = tuple[tuple[Floats, Ints], tuple[Floats, Ints]]
    """Squared distances and positions of prototypes near each row, and near each prototype."""
else:
    from amorsize.core.frozen import dataclass

HELD_OUT = 5
"""One row in so many is held out to judge a fit before it is accepted."""
RIDGES = (0.3, 3.0)
"""Strengths of the ridge that are tried: pull of a label towards the mean of its own rows, in rows."""
SMOOTHED = (3, 8, 20)
"""Near prototypes whose labels are averaged, on trial, before the fit: where a prototype stands for a few
rows only, its label has most of their noise, which the fit alone keeps."""
CONJUGATE_STEPS = 12
"""Iterations of conjugate gradients at most: longer fits followed the noise."""
STEPS, RATE = 40, 0.05
"""Steps of the descent, and the length of one as a share of the usual distance of prototypes (for
labels: of their deviation)."""
LOOK_EVERY = 8
"""Steps between two looks at the held-out rows, and between two searches of neighbours."""
WIDER = 20
"""Prototypes near a row that its neighbours are found among between two searches."""
FIRST_DECAY, SECOND_DECAY = 0.9, 0.99
"""Memory of the gradient and of its square (Kingma and Ba, "Adam", ICLR 2015)."""
SOFT = 0.03
"""Least distance in the gradient, as a share of the usual distance of prototypes: that of 1 / distance
has no bound."""
TINY = 1e-12


@dataclass(frozen=True)
class Fit:
    """Prototypes whose labels are fitted to some rows, and what the held-out rows say of them."""

    found: Prototypes
    ridge: float
    """Strength of the ridge; infinite where the labels stay."""
    losses: Floats
    """Squared error of each kernel at each held-out row."""
    weight: Floats
    """Weight of each held-out row, 1 in all."""

    def errors(self) -> Floats:
        """Mean squared error of each kernel."""
        return np.asarray(self.losses @ self.weight + TINY)

    def score(self) -> float:
        """Logarithm of the geometric mean of the errors."""
        return float(np.log(self.errors()).mean())

    def clearly_better(self, other: Fit) -> bool:
        """Whether the paired difference exceeds its standard error: a fit that gains less follows noise
        (rule of one standard error: Breiman et al., "Classification and regression trees", 1984)."""
        gain = ((other.losses - self.losses) / other.errors()[:, None]).mean(0)
        mean = float(self.weight @ gain)
        return mean > float(np.sqrt(self.weight**2 @ (gain - mean) ** 2))


class Fitter:
    """Fits prototypes of some rows to predictors with these kernels.

    ``own``: prototype of each row at the start. ``cautious``: prototypes move only where that is clearly
    better. What is to be certified must not follow noise: half of 1,000 rows of one workload came out 6 %
    worse. At a fixed size the better of two near ones is taken, which on tables with structure is 1 to
    5 % better (`benchmarks.pruning.race`)."""

    def __init__(
        self,
        rows: Rows,
        aims: tuple[Kernel, ...],
        rng: np.random.Generator,
        own: Ints,
        *,
        cautious: bool = False,
    ) -> None:
        self.rows, self.aims, self.rng, self.cautious = rows, aims, rng, cautious
        held = np.arange(len(rows.mass)) % HELD_OUT == 0
        # a prototype all of whose rows were held out would be missing, and the others look worse
        seen = np.bincount(own[~held], minlength=int(own.max()) + 1) > 0
        self.held = held & seen[own] if (held & seen[own]).any() else held

    def judged(self, found: Prototypes, ridge: float, near: tuple[Floats, Ints]) -> Fit:
        """The prototypes with their losses; ``near``: neighbours of the held-out rows."""
        weight = self.rows.mass[self.held] / self.rows.mass[self.held].sum()
        losses = []
        for kernel in self.aims:
            share = _share(kernel, *near, found)
            guess = np.einsum("nk,nko->no", share, found.y[near[1]])
            losses.append(((guess - self.rows.y[self.held]) ** 2).sum(1))
        return Fit(found, ridge, np.array(losses), weight)

    # ------------------------------------------------------------------ labels

    def near(self, found: Prototypes, own: Ints) -> Near:
        """What is near each row, and near each prototype."""
        each = np.arange(len(found.mass))
        around = near_prototypes(found.Z, found, each, self.rng, SMOOTHED[-1])
        return near_prototypes(self.rows.Z, found, own, self.rng), around

    def labelled(self, found: Prototypes, own: Ints, known: Near | None = None) -> Fit:
        """Labels by ridge least squares through the kernels, from the rows that are not held out.

        ``known``: by `near`, which is the same for all kernels."""
        near, around = known or self.near(found, own)
        rows, fit, size = self.rows, ~self.held, len(found.mass)
        seen = np.bincount(own[fit], rows.mass[fit], size) > 0
        means = group_means(rows.y[fit], rows.mass[fit], own[fit], size)
        prior = np.where(seen[:, None], means, found.y)
        # a prototype of held-out rows alone would tell them their own labels
        found = replace(found, mass=np.where(seen, found.mass, 0.0))
        held = near[0][self.held], near[1][self.held]
        start = self.judged(replace(found, y=prior), np.inf, held)
        for labels in self._smoothed(found, prior, around):
            one = self.judged(replace(found, y=labels), np.inf, held)
            if one.score() < start.score() and one.clearly_better(start):
                start, prior = one, labels
        if self.cautious and len(rows.mass) < CERTIFIABLE_ROWS:
            return start  # some rows of each region cannot tell what its labels should be
        tried = []
        for ridge in RIDGES:
            labels = self._solved(found, near, fit, (prior, ridge, start.errors()))
            tried.append(self.judged(replace(found, y=labels), ridge, held))
        best = min(tried, key=Fit.score)
        return best if best.clearly_better(start) else start

    def _smoothed(
        self, found: Prototypes, labels: Floats, around: tuple[Floats, Ints]
    ) -> list[Floats]:
        """Labels averaged over near prototypes of the same region, by mass."""
        if len(found.mass) <= SMOOTHED[0]:
            return []
        d2, index = around
        same = np.isfinite(d2) & (found.regions[index] == found.regions[:, None])
        weight = np.where(same, np.maximum(found.mass[index], 1e-9), 0.0)
        sums = (weight[..., None] * labels[index]).cumsum(1)
        total = np.maximum(weight.cumsum(1), 1e-300)
        few = [min(count, index.shape[1]) - 1 for count in SMOOTHED]
        return [sums[:, last] / total[:, last, None] for last in few]

    def _solved(
        self,
        found: Prototypes,
        near: tuple[Floats, Ints],
        where: np.ndarray,
        aim: tuple[Floats, float, Floats],
    ) -> Floats:
        """Labels of least squared error, each kernel in its unit, plus ``ridge`` times the squared change
        from the prior; ``aim``: prior, ridge, units."""
        prior, ridge, unit = aim
        d2, index = near[0][where], near[1][where]
        share = np.concatenate([_share(kernel, d2, index, found) for kernel in self.aims])
        relative = 1.0 / unit / (1.0 / unit).sum()
        weight = (relative[:, None] * self.rows.mass[where]).ravel()
        many = len(self.aims)
        return solved(
            share, np.tile(index, (many, 1)), np.tile(self.rows.y[where], (many, 1)),
            weight, prior, ridge * float(self.rows.mass.mean()),
        )  # fmt: skip

    # ------------------------------------------------------------------ positions

    def moved(self, start: Fit, original: Prototypes, own: Ints, steps: int = STEPS) -> Prototypes:
        """Positions and labels after a descent of the squared error, as far as the held-out rows agree;
        then labels once more from all rows. The original prototypes, where nothing is better."""
        rows, fit = self.rows, ~self.held
        found, best = start.found, start
        unit = start.errors()
        apart = near_prototypes(found.Z, found, np.arange(len(found.mass)), self.rng)[0][:, 1:2]
        apart = np.sqrt(apart[np.isfinite(apart)])
        usual = float(np.median(apart)) if len(apart) and np.median(apart) > 0 else 1.0
        pace = (RATE * usual, RATE * 0.4)
        means = [np.zeros_like(found.Z), np.zeros_like(found.y)]
        squares = [np.zeros_like(found.Z), np.zeros_like(found.y)]
        training, mine = rows.Z[fit], own[fit]
        d2, index = near_prototypes(training, found, mine, self.rng, WIDER)
        for step in range(1, steps + 1):
            slopes = self._slopes(found, (d2[:, :WIDTH], index[:, :WIDTH]), fit, SOFT * usual, unit)
            values = [found.Z, found.y]
            for i, slope in enumerate(slopes):
                means[i] = FIRST_DECAY * means[i] + (1.0 - FIRST_DECAY) * slope
                squares[i] = SECOND_DECAY * squares[i] + (1.0 - SECOND_DECAY) * slope**2
                size = np.sqrt(squares[i] / (1.0 - SECOND_DECAY**step)) + TINY
                length = pace[i] * (1.0 - 0.8 * step / steps) / (1.0 - FIRST_DECAY**step)
                values[i] = values[i] - length * means[i] / size
            found = replace(found, Z=values[0], y=values[1])
            if step % LOOK_EVERY:
                d2, index = at_distances(training, found, index)
                continue
            d2, index = near_prototypes(training, found, index[:, 0], self.rng, WIDER)
            near = near_prototypes(rows.Z[self.held], found, own[self.held], self.rng)
            tried = self.judged(found, start.ridge, near)
            better = tried.score() < best.score()
            if better and (not self.cautious or tried.clearly_better(start)):
                best = tried
        if best is start and start.ridge == np.inf:
            return original
        found = replace(best.found, mass=original.mass)
        near = near_prototypes(rows.Z, found, own, self.rng)
        ridge = start.ridge if start.ridge < np.inf else RIDGES[-1]
        everywhere = np.ones(len(rows.mass), bool)
        labels = self._solved(found, near, everywhere, (found.y, ridge, unit))
        return replace(found, y=labels)

    def _slopes(
        self,
        found: Prototypes,
        near: tuple[Floats, Ints],
        fit: np.ndarray,
        soft: float,
        unit: Floats,
    ) -> tuple[Floats, Floats]:
        """Gradients by positions and by labels, each in units of its own prototype's rows."""
        d2, index = near
        Z, y, weight = self.rows.Z[fit], self.rows.y[fit], self.rows.mass[fit]
        distance = np.sqrt(np.where(np.isfinite(d2), d2, 1.0))
        pull = np.zeros_like(distance)
        by_label = np.zeros_like(found.y)
        size = len(found.mass)
        for kernel, scale in zip(self.aims, unit, strict=True):
            share, steep = _soft_share(kernel, d2, index, found, distance, soft)
            guess = np.einsum("nk,nko->no", share, found.y[index])
            miss = (guess - y) * (weight / scale)[:, None]
            for j in range(y.shape[1]):
                by_label[:, j] += np.bincount(
                    index.ravel(), (share * miss[:, j, None]).ravel(), size
                )
            toward = np.einsum("no,nko->nk", miss, found.y[index] - guess[:, None, :])
            pull += toward * share * steep
        pull /= distance + 0.1 * soft
        total = np.bincount(index.ravel(), pull.ravel(), size)
        by_place = np.empty_like(found.Z)
        for f in range(Z.shape[1]):
            drawn = np.bincount(index.ravel(), (pull * Z[:, f, None]).ravel(), size)
            by_place[:, f] = total * found.Z[:, f] - drawn
        return by_place, by_label


def _share(kernel: Kernel, d2: Floats, index: Ints, found: Prototypes) -> Floats:
    return kernel.share(d2, np.where(np.isfinite(d2), found.mass[index], 0.0))


def _soft_share(
    kernel: Kernel, d2: Floats, index: Ints, found: Prototypes, distance: Floats, soft: float
) -> tuple[Floats, Floats]:
    """Shares with distances kept off 0, and the slope of the logarithm of each weight by distance."""
    counted = kernel.counted(d2, np.where(np.isfinite(d2), found.mass[index], 0.0))
    if kernel.weights == "distance":
        weight, steep = counted / (distance + soft), -1.0 / (distance + soft)
    elif kernel.weights == "gaussian":
        edge = np.where(counted > 0, distance, 0.0).max(1, keepdims=True) + soft
        weight, steep = counted * np.exp(-2.0 * (distance / edge) ** 2), -4.0 * distance / edge**2
    else:
        weight, steep = counted, np.zeros_like(distance)
    return weight / np.maximum(weight.sum(1, keepdims=True), 1e-300), steep


def solved(
    share: Floats, index: Ints, y: Floats, weight: Floats, prior: Floats, ridge: float
) -> Floats:
    """Labels of least squared error plus ``ridge`` times the squared change from ``prior``.

    By conjugate gradients."""
    size, flat = len(prior), index.ravel()
    result = prior.copy()
    for j in range(prior.shape[1]):
        residual = y[:, j] - np.einsum("nk,nk->n", share, prior[index, j])
        left = np.bincount(flat, (share * (weight * residual)[:, None]).ravel(), size)
        step, size2 = left.copy(), float(left @ left)
        start = size2
        for _ in range(CONJUGATE_STEPS):
            if size2 <= 1e-12 * start:
                break
            forward = np.einsum("nk,nk->n", share, step[index])
            image = np.bincount(flat, (share * (weight * forward)[:, None]).ravel(), size)
            image = image + ridge * step
            length = size2 / float(step @ image)
            result[:, j] += length * step
            left = left - length * image
            size2, before = float(left @ left), size2
            step = left + (size2 / before) * step
    return result
