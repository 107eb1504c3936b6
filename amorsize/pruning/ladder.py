"""How few prototypes keep the bound: a ladder of sizes, searched on some rows and proved on others.

rows --parts--> search: all sizes at one part left out; each region on the lowest rung that its errors
allow --candidates, the safest first, then ever fewer prototypes--> proof: a test of each in turn at the
other parts, until one fails --> the fewest that passed, with a verdict on each region

That is a fixed sequence ("learn then test": Angelopoulos et al., Annals of Applied Statistics 2025) whose
order was found on rows of its own ("Pareto testing": Laufer-Goldshtein et al., ICLR 2023): each test has
the full level, and the chance that any size passes falsely is at most that level. Of the regions
certified a share of at most the level is so falsely.
"""

from __future__ import annotations

from math import inf
from statistics import NormalDist

import numpy as np

from amorsize.pruning.arrays import ranks_within
from amorsize.pruning.certificate import (
    CERTIFIABLE_ROWS,
    CERTIFIED,
    ESTIMATED,
    FORGIVEN,
    WHOLE,
    Losses,
    breach,
    joined,
    needed,
    verdicts,
)
from amorsize.pruning.problem import fitted
from amorsize.pruning.result import Rung

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dataclasses import dataclass

    from amorsize.learning.neighbors import Floats, Ints
    from amorsize.pruning.problem import Problem
    from amorsize.pruning.prototypes import Reducer

    Tried = tuple[Losses, np.ndarray]
    """Losses of one size in all regions, and the regions (a mask) that keep their bound at it."""
else:
    from amorsize.core.frozen import dataclass

PARTS = 5
"""Parts that rows are cut into (Breiman and Spector, International Statistical Review 1992: five or ten);
one searches, the others prove."""
PROVING_ROWS = 8_000
"""Rows to leave out for the proof, and at most for the search: ``(1.645 * 0.5 / 0.01)^2 = 6,800`` show a
change of 1 % at the level of 5 %, where paired differences spread by half of the mean error."""
DISTANCES = 7.5e8
"""Distances that the unpruned predictor may compute for the search, and for the proof: 10 s by brute
force."""
MOST_FRACTION = 0.9
"""Keeping more than this share is not worth a change."""


@dataclass(frozen=True)
class Part:
    """Rows left out, and a reducer over the others."""

    reducer: Reducer
    train: Ints
    test: Ints
    base: Floats
    """What the predictor on all training rows says at the test rows: (rows, outputs)."""


@dataclass(frozen=True)
class Candidate:
    """Kept fraction of each region (1: whole), and what the search says of it."""

    fractions: Floats
    share: float
    """Prototypes as a share of all rows."""
    whole: float
    """Rows of whole regions as a share of all rows."""
    losses: Losses
    score: float


@dataclass(frozen=True)
class Proved:
    """A candidate that passed."""

    fractions: Floats
    sizes: Ints
    """Prototypes that each region had in the proof, at most."""
    losses: Losses
    """At the rows of the proof; as before in regions that are to be whole."""
    verdicts: np.ndarray


class Ladder:
    """The sizes, from ``floor`` (a share of the rows) up.

    ``level``: probability of a false certificate; above 0.5 nothing is certified."""

    def __init__(self, problem: Problem, tolerance: float, floor: float, level: float) -> None:
        self.problem, self.tolerance, self.level = problem, tolerance, level
        self.enough = min(0.0, needed(level))  # score that the search asks for
        kernel, self.count = problem.kernel, problem.count
        # a predictor that counts prototypes, not rows, would otherwise ask those of other regions
        self.least = 1 if kernel.by_mass or self.count == 1 else int(np.ceil(kernel.k))
        self.floor = max(floor, self.least * self.count / len(problem.mass))
        share = problem.mass / problem.mass.sum()
        deviation = np.sqrt(share @ (problem.y - share @ problem.y) ** 2)
        self._unit = np.where(deviation > 0, deviation, 1.0)
        self._parts = left_out(problem)
        self._reducer: tuple[Ints, Reducer] | None = None
        self.rungs: list[Rung] = []
        """What was tried, fewest prototypes first."""

    def prove(self) -> Proved | None:
        """The fewest prototypes that pass; None if no size does."""
        proved, rungs = None, []
        certain = self.level < 0.5  # otherwise nothing is certified, and all rows may do both
        searching = [self._part(*rows) for rows in self._parts[: 1 if certain else None]]
        at_stake = [] if certain else searching
        for one in self.sequence(searching):
            if not (proved or self._promising(one)):
                break
            at_stake = at_stake or [self._part(*rows) for rows in self._parts[1:]]
            losses = self.losses(at_stake, one.fractions)
            holds = losses.score(self.tolerance, self.level) >= needed(self.level)
            rungs.append(self._rung(one.share, losses, holds))
            if not holds:
                break
            told = self._told(losses, one)
            sizes = [self.sizes(part.reducer, one.fractions) for part in at_stake]
            result = Proved(one.fractions, np.max(sizes, 0), losses.whole(told == WHOLE), told)
            if proved is None or self._kept(result) < self._kept(proved):
                proved = result
        tested = {rung.kept for rung in rungs}
        self.rungs = sorted(
            [*rungs, *(rung for rung in self.rungs if rung.kept not in tested)],
            key=lambda rung: rung.kept,
        )
        return proved

    def _promising(self, one: Candidate) -> bool:
        """Whether a test is to be made: always, but that all prunings of a history share one level, and a
        test that fails has spent its part. Then only one that passes by the search less one standard
        error."""
        return not self._sharing or self._chance(one) >= FORGIVEN

    @property
    def _sharing(self) -> bool:
        """Whether earlier prunings had a part of the level."""
        return self.level < 0.5 and not self.problem.fresh.all()

    def _chance(self, one: Candidate) -> float:
        """Probability that a test passes, by the evidence of the search; both are normal."""
        rows = sum(len(test) for _, test in self._parts[1:]) / len(self._parts[0][1])
        ahead = one.score * rows**0.5 - needed(self.level)
        return NormalDist().cdf(max(ahead, -1e9) / (1.0 + rows) ** 0.5)

    def _told(self, losses: Losses, one: Candidate) -> np.ndarray:
        """Verdict on each region; the overall test is that on a single one."""
        if self.count == 1:
            told = np.array([CERTIFIED])
        else:
            told = verdicts(losses, one.losses, one.fractions, self.tolerance, self.level)
        if self.level > 0.5:  # such a test proves nothing
            told[told == CERTIFIED] = ESTIMATED
        return told

    def _kept(self, proved: Proved) -> float:
        rows = np.bincount(self.problem.regions, minlength=self.count)
        return float(rows @ np.where(proved.verdicts == WHOLE, 1.0, proved.fractions))

    # ------------------------------------------------------------------ searching

    def sequence(self, parts: list[Part]) -> list[Candidate]:
        """Candidates in the order of their tests: the safest (where prunings share a level: of which most
        rows are expected to go), then those with ever fewer prototypes."""
        tried: dict[float, Tried] = {}
        # two steps at least, none more than a doubling
        step = min(2.0, (MOST_FRACTION / self.floor) ** 0.5)
        found: dict[float, Candidate] = {}

        def look(fraction: float) -> None:
            losses = self.losses(parts, np.full(self.count, fraction))
            tried[fraction] = losses, breach(losses, self.count, self.tolerance) <= 0.5
            self.rungs.append(self._rung(fraction, losses, None))
            for rung in tried:
                found[rung] = self._composed(parts, tried, rung)

        fraction, best = self.floor, -inf
        while fraction < MOST_FRACTION:
            look(fraction)
            # another rung halves the candidates at most where regions are whole for want of one
            score = max(
                (one.score for one in found.values() if one.whole <= 0.5 * one.share), default=-inf
            )
            if max(score, needed(self.level)) <= best:
                break  # a proof is likely, and becomes no likelier
            best, fraction = max(best, score), fraction * step
        holding = [rung for rung in found if found[rung].score > self.enough]
        if not holding:
            return []
        failing = [rung for rung in found if rung < min(holding)]
        if failing:
            look((max(failing) * min(holding)) ** 0.5)
        candidates = [
            one for one in found.values() if one.score > self.enough and one.share < MOST_FRACTION
        ]
        if not candidates:
            return []
        # a pass uses up the rows of the proof: where they come slowly it has to be worth it
        first = max(
            candidates,
            key=lambda one: self._chance(one) * (1.0 - one.share) if self._sharing else one.score,
        )
        fewer = [one for one in candidates if one.share < first.share]
        return [first, *sorted(fewer, key=lambda one: -one.share)]

    def _composed(self, parts: list[Part], tried: dict[float, Tried], rung: float) -> Candidate:
        """Each region on the lowest rung from ``rung`` up by which its error does not grow by more than
        its tolerance, as far as these parts tell; whole, where there is none."""
        fractions, open_ = np.ones(self.count), np.ones(self.count, bool)
        losses = tried[rung][0].whole(open_)
        for one in sorted(fraction for fraction in tried if fraction >= rung):
            found, within = tried[one]
            here = open_ & within
            losses = losses.taking(here, found.pruned, found.pruned_squares)
            fractions[here] = one
            open_ &= ~here
        given = np.mean(
            [self.sizes(part.reducer, fractions) / len(part.train) for part in parts], axis=0
        )
        share, whole = float(given.sum()), float(given[fractions >= 1.0].sum())
        return Candidate(fractions, share, whole, losses, losses.score(self.tolerance, self.level))

    # ------------------------------------------------------------------ judging

    def sizes(self, reducer: Reducer, fractions: Floats) -> Ints:
        """Prototypes of each region of this reducer."""
        rows = len(reducer.rows.mass)
        due: Ints = reducer.counts.copy()
        for fraction in np.unique(fractions[fractions < 1.0]):
            some = np.minimum(np.maximum(reducer.sizes(round(fraction * rows)), self.least), due)
            due = np.where(fractions == fraction, some, due)
        return due

    def losses(self, parts: list[Part], fractions: Floats) -> Losses:
        """Losses at the rows left out."""
        return joined([self._losses(part, fractions) for part in parts])

    def _losses(self, part: Part, fractions: Floats) -> Losses:
        problem, test = self.problem, part.test
        sizes = self.sizes(part.reducer, fractions)
        found, _ = part.reducer.prototypes(sizes, problem.ways(int(sizes.sum())))
        guess, truth = problem.predicted(found, part.train, test), problem.y[test]
        before, after = (part.base - truth) / self._unit, (guess - truth) / self._unit
        return Losses(
            np.abs(before).mean(1),
            np.abs(after).mean(1),
            (before**2).mean(1),
            (after**2).mean(1),
            problem.mass[test],
            problem.regions[test],
        )

    def _rung(self, share: float, losses: Losses, passed: bool | None) -> Rung:
        kept = max(1, round(share * len(self.problem.mass)))
        return Rung(kept, losses.change(), losses.rmse_change(), passed)

    def _part(self, train: Ints, test: Ints) -> Part:
        problem = self.problem
        if self._reducer is None or self._reducer[0] is not train:
            self._reducer = train, problem.reducer(train, stop=int(self.floor * len(train)))
        reducer = self._reducer[1]
        model = fitted(problem.task, problem.X[train], problem.y[train], problem.mass[train])
        guess = np.asarray(model.predict(problem.X[test])).reshape(len(test), -1)
        return Part(reducer, train, test, guess)


def left_out(problem: Problem) -> list[tuple[Ints, Ints]]:
    """Training rows and rows left out: of the search first, then of the proof.

    Only rows that no earlier pruning has seen are left out; the regions are in every part as evenly as
    possible. Many rows are left out once: search and proof have the training rows in common."""
    rng = np.random.default_rng(problem.task.seed)
    fresh = np.flatnonzero(problem.fresh)
    shuffled = rng.permutation(fresh)
    strata = problem.regions[shuffled]
    turn = ranks_within(strata) + rng.integers(0, PARTS, problem.count)[strata]
    size = min(PROVING_ROWS, max(CERTIFIABLE_ROWS, int(DISTANCES / len(problem.mass))))
    rows = len(fresh) // PARTS
    if rows < size:
        parts = [np.sort(shuffled[turn % PARTS == i]) for i in range(PARTS)]
        parts = parts[: 1 + min(PARTS - 1, -(-PROVING_ROWS // max(rows, 1)))]
        everything = np.arange(len(problem.mass))
        return [(np.setdiff1d(everything, part), part) for part in parts]
    shuffled = shuffled[np.argsort(turn, kind="stable")]
    parts = [np.sort(shuffled[:size]), np.sort(shuffled[size : 2 * size])]
    train = np.setdiff1d(np.arange(len(problem.mass)), np.concatenate(parts))
    return [(train, part) for part in parts]
