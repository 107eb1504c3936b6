"""From rows to what is kept of them: the whole way, arrays in and a `Selection` out.

rows --those too old go--> rows --regions--> `Reducer` --sizes by fraction, or by the checked bound-->
prototypes, with their masses, spreads and a report
"""

from __future__ import annotations

from math import inf, log

import numpy as np

from amorsize.core.frozen import replace
from amorsize.pruning import age_weighting
from amorsize.pruning.arrays import (
    Prototypes,
    group_means,
    group_sums,
    grouped,
    ranks_within,
    renumbered,
)
from amorsize.pruning.certificate import CERTIFIABLE_ROWS, FORGIVEN, WHOLE, relative_change
from amorsize.pruning.ladder import Ladder
from amorsize.pruning.problem import (
    MIN_SAMPLES_FOR_PRUNING,
    fitted,
    number_of_neighbors,
    problem_of,
)
from amorsize.pruning.prototypes import duplicates, hashes
from amorsize.pruning.refine import split_evenly
from amorsize.pruning.result import Region, Report

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dataclasses import dataclass

    from amorsize.learning.neighbors import Floats, Ints
    from amorsize.pruning.age_weighting import Predict
    from amorsize.pruning.certificate import Losses
    from amorsize.pruning.problem import Problem, Task
    from amorsize.pruning.result import Rung
else:
    from amorsize.core.frozen import dataclass

MIN_TOTAL_SAMPLES_TO_KEEP = 20
"""Rows that are kept at least (or all, where there are fewer)."""
STRATEGIES = {"conservative": (0.02, 0.40), "auto": (0.05, 0.50), "aggressive": (0.10, 0.60)}
"""Of each strategy: the tolerance, and the share that a history below CERTIFIABLE_ROWS may lose."""
UNCAPPED_ROWS = 5_000
"""Rows from which a strategy may remove any share; between CERTIFIABLE_ROWS and these the share grows."""
LEAST_FRACTION = 0.0005
"""Kept fraction that the search begins with: below it there is nothing to gain."""


@dataclass(frozen=True)
class Selection:
    """What is kept."""

    X: Floats
    y: Floats
    mass: Floats
    weight: Floats
    """What each counts with the predictor: its mass, or less where several share a neighbourhood."""
    spread: Floats
    """Standard deviation of y among the rows that each prototype stands for: (kept, outputs)."""
    indices: Ints | None
    """Positions of a pure subset in the rows given."""
    owner: Ints
    """For each row given: the prototype that stands for it, -1 for rows that are too old."""
    regions: Ints
    """Region of each prototype."""
    report: Report


@dataclass(frozen=True)
class Chosen:
    """Prototypes, and what was checked of them."""

    found: Prototypes
    which: Ints | None
    """Positions of a pure subset in the rows of the problem."""
    errors: Losses | None = None
    certified: bool = False
    verdicts: tuple[str, ...] | None = None
    """Of each region."""
    ladder: tuple[Rung, ...] = ()


def select(task: Task) -> Selection:
    """Prune.

    Complexity: O(n log n) at a fixed fraction, times the number of fractions tried otherwise."""
    order = np.argsort(
        hashes(np.column_stack([task.X, task.y, task.mass, _or_zero(task.times, task.mass)])),
        kind="stable",
    )
    half_life, order, mass = _aged(task, order)
    problem = problem_of(task, order, mass)
    least = min(MIN_TOTAL_SAMPLES_TO_KEEP, len(order))
    reasons: list[str] = []
    if len(order) < len(task.X):
        reasons.append(
            f"{len(task.X) - len(order)} old rows no longer help to predict the newest ones"
        )
    if len(order) < MIN_SAMPLES_FOR_PRUNING:
        chosen = without_loss(problem, least)
        reasons.append(
            f"fewer than {MIN_SAMPLES_FOR_PRUNING} rows: only those equal in every feature were merged"
        )
    elif task.keep_fraction is not None:
        total = max(least, round(task.keep_fraction * len(order)))
        if problem.count > total / 2:  # more groups than can be kept apart
            problem = problem.in_one_region()
        chosen = of_size(problem, total, least)
    else:
        assert task.tolerance is not None
        chosen = within_bound(problem, task.tolerance, least)
        if chosen.errors is None:
            reasons.append(_why_whole(problem, chosen))
        elif not chosen.certified:
            reasons.append(
                f"not certified: fewer than {CERTIFIABLE_ROWS} rows prove little, so their test is milder"
            )
    return selection_of(problem, chosen, half_life, reasons)


def _why_whole(problem: Problem, chosen: Chosen) -> str:
    """Why nothing went but rows that equal others in every feature."""
    merged, fresh = len(problem.mass) - len(chosen.found.mass), int(problem.fresh.sum())
    equal = f"{merged:,} rows were merged with rows that equal them in every feature"
    if fresh < MIN_SAMPLES_FOR_PRUNING:
        told = f"only {fresh} rows are new since the last pruning: too few to prove anything"
        return f"{told}; {equal}" if merged else told
    if any(rung.passed for rung in chosen.ladder):
        return (
            f"{equal if merged else 'nothing went'}: no size that passed the test keeps fewer rows"
        )
    told = f"{equal}; nothing else" if merged else "nothing"
    told += " could go within the tolerance"
    if not chosen.ladder:
        return told
    nearest = min(chosen.ladder, key=lambda rung: max(rung.change, rung.rmse_change))
    change = max(nearest.change, nearest.rmse_change)
    told += f": {nearest.kept:,} rows, the best of {len(chosen.ladder)} sizes, cost {change:+.1%}"
    if change <= (problem.task.tolerance or 0.0):
        told += ", but so few rows left out do not prove it"
    return told


def _or_zero(values: Floats | None, like: Floats) -> Floats:
    return np.zeros(len(like)) if values is None else values


def _aged(task: Task, order: Ints) -> tuple[float, Ints, Floats]:
    """The half-life, the rows that are not too old, and their masses weighted by age."""
    if task.times is None:
        return inf, order, task.mass[order]

    def fit(X: Floats, y: Floats, mass: Floats) -> Predict:
        predict: Predict = fitted(task, X, y, mass).predict
        return predict

    half_life = age_weighting.half_life(task.X, task.y, task.mass, task.times, fit)
    if half_life == inf:
        return inf, order, task.mass[order]
    weight = age_weighting.decay(task.times, float(task.times.max()), half_life)
    alive = weight[order] > age_weighting.EXPIRED
    if alive.sum() < MIN_TOTAL_SAMPLES_TO_KEEP:
        newest = np.argsort(-task.times[order], kind="stable")[:MIN_TOTAL_SAMPLES_TO_KEEP]
        alive[newest] = True
    order = order[alive]
    return half_life, order, task.mass[order] * np.maximum(weight[order], age_weighting.EXPIRED)


def cap(strategy: str, rows: int) -> float:
    """Share of so many rows that a strategy may remove: 1 from UNCAPPED_ROWS on."""
    least = STRATEGIES[strategy][1]
    if rows <= CERTIFIABLE_ROWS:
        return least
    freed = min(1.0, log(rows / CERTIFIABLE_ROWS) / log(UNCAPPED_ROWS / CERTIFIABLE_ROWS))
    return least + (1.0 - least) * freed


# -- three ways to choose ------------------------------------------------------------------------------


def without_loss(problem: Problem, least: int) -> Chosen:
    """Exact duplicates merged, never below ``least`` rows; a pure subset is everything."""
    size, rows = len(problem.mass), problem.rows
    if not problem.task.merge:
        return Chosen(grouped(rows, np.arange(size)), np.arange(size))
    whole = duplicates(rows)
    own = whole if problem.kernel.by_mass else _repeated(problem, whole)
    unique = np.zeros(int(own.max()) + 1, np.intp)
    unique[own] = rows.regions
    wanted = apportion(
        np.bincount(unique, minlength=problem.count), np.bincount(problem.regions), least
    )
    if len(unique) < least:
        own = split_evenly(rows, own, wanted)
    found = grouped(rows, own)
    if not problem.kernel.by_mass:
        found.y[own] = grouped(rows, whole).y[whole]
    return Chosen(found, None)


def _repeated(problem: Problem, own: Ints) -> Ints:
    """Prototype of each row for a predictor that counts rows, whatever they weigh.

    Equal rows stay as often as the predictor may ask for them; all of them for one that asks for no
    number of neighbours."""
    rank = ranks_within(own)
    k = number_of_neighbors(problem.task.estimator)
    copies = len(own) if k is None else int(np.ceil(problem.kernel.k))
    return renumbered(
        own * len(own) + np.where(np.bincount(own)[own] > copies, rank % copies, rank)
    )


def of_size(problem: Problem, total: int, least: int) -> Chosen:
    """So many prototypes, as good as possible; nothing is checked."""
    if total >= len(problem.mass):
        return without_loss(problem, least)
    reducer = problem.reducer(stop=total)
    if problem.task.merge and problem.kernel.by_mass and total >= reducer.unique:
        return without_loss(problem, least)
    sizes = np.minimum(np.maximum(reducer.sizes(total), 1), reducer.counts)
    wanted = apportion(sizes, reducer.counts, total)
    return Chosen(*reducer.prototypes(wanted, problem.ways(total), cautious=False))


def within_bound(problem: Problem, tolerance: float, least: int) -> Chosen:
    """The fewest prototypes that keep the bound; all rows, duplicates merged, where nothing does."""
    size, most_removed = len(problem.mass), problem.task.most_removed
    everything = without_loss(problem, least)
    floor = max(least / size, 1.0 - most_removed, LEAST_FRACTION)
    if floor >= 1.0 or int(problem.fresh.sum()) < MIN_SAMPLES_FOR_PRUNING:
        return everything
    # with a cap, so few rows need not prove anything; without one, only proof limits
    certain = size >= CERTIFIABLE_ROWS or most_removed >= 1.0
    ladder = Ladder(problem, tolerance, floor, problem.task.level if certain else FORGIVEN)
    proved = ladder.prove()
    rungs = tuple(ladder.rungs)
    if proved is None:
        return replace(everything, ladder=rungs)
    reducer = problem.reducer(stop=max(least, int(floor * size)))
    whole = proved.verdicts == WHOLE
    # no region gets fewer than it had in the proof: the merges of all rows come in another order
    sizes = np.maximum(ladder.sizes(reducer, proved.fractions), proved.sizes)
    wanted = apportion(np.where(whole, reducer.counts, sizes), reducer.counts, least)
    if int(wanted.sum()) >= len(everything.found.mass):
        return replace(everything, ladder=rungs)
    found, which = reducer.prototypes(wanted, problem.ways(int(wanted.sum())))
    return Chosen(found, which, proved.losses, certain, tuple(map(str, proved.verdicts)), rungs)


def apportion(wanted: Ints, most: Ints, total: int) -> Ints:
    """Sizes raised in proportion to a total, by largest remainder, none above its most."""
    sizes = np.minimum(wanted, most)
    while (missing := min(total, int(most.sum())) - int(sizes.sum())) > 0:
        room = most - sizes
        part = np.where(room > 0, np.maximum(sizes, 1), 0).astype(float)
        part *= missing / part.sum()
        whole = np.minimum(np.floor(part).astype(np.intp), room)
        sizes = sizes + whole
        left = missing - int(whole.sum())
        first = np.argsort(-np.where(room - whole > 0, part - np.floor(part), -1.0), kind="stable")
        for region in first[: min(left, int((room - whole > 0).sum()))]:
            sizes[region] += 1
    return sizes


# -- the answer ----------------------------------------------------------------------------------------


def selection_of(
    problem: Problem, chosen: Chosen, half_life: float, reasons: list[str]
) -> Selection:
    """Prototypes in the order and in the units of the rows given, with a report."""
    task, found, which = problem.task, chosen.found, chosen.which
    size = len(found.mass)
    X, y = problem.original_units(found, np.arange(len(problem.mass)))
    if which is not None:
        X, y = problem.X[which], problem.y[which]
    mass = group_sums(problem.mass, found.own, size)
    offset = problem.y - group_means(problem.y, problem.mass, found.own, size)[found.own]
    spread = np.sqrt(group_means(offset**2, problem.mass, found.own, size))
    owner = np.full(len(task.X), -1)
    owner[problem.order] = found.own
    # in the order of the first row that each stands for: the given order, as far as there is one
    first = np.full(size, len(task.X))
    np.minimum.at(first, owner[owner >= 0], np.flatnonzero(owner >= 0))
    indices = None if which is None else problem.order[which]
    place = np.argsort(first if indices is None else indices, kind="stable")
    rank = np.empty(size, np.intp)
    rank[place] = np.arange(size)
    owner[owner >= 0] = rank[owner[owner >= 0]]
    return Selection(
        X[place],
        y[place],
        mass[place],
        np.minimum(mass, found.most)[place],
        spread[place],
        None if indices is None else indices[place],
        owner,
        found.regions[place],
        _report(problem, chosen, half_life, reasons),
    )


def _report(problem: Problem, chosen: Chosen, half_life: float, reasons: list[str]) -> Report:
    task, found, errors = problem.task, chosen.found, chosen.errors
    unit = float(problem.unit[0]) if len(problem.unit) == 1 else 1.0
    return Report(
        rows=len(task.X),
        kept=len(found.mass),
        duplicates=len(problem.mass) - int(duplicates(problem.rows).max()) - 1,
        expired=len(task.X) - len(problem.order),
        half_life=half_life,
        tolerance=task.tolerance,
        certified=chosen.certified,
        level=task.level,
        error_before=None if errors is None else unit * errors.error_before(),
        error_after=None if errors is None else unit * errors.error_after(),
        error_change=None if errors is None else errors.change(),
        error_interval=None if errors is None else errors.interval(),
        rmse_change=None if errors is None else errors.rmse_change(),
        regions=_region_reports(problem, chosen),
        ladder=chosen.ladder,
        reasons=tuple(reasons),
    )


def _region_reports(problem: Problem, chosen: Chosen) -> tuple[Region, ...]:
    count, found, errors = problem.count, chosen.found, chosen.errors
    rows = np.bincount(problem.regions, minlength=count)
    kept = np.bincount(found.regions, minlength=count)
    change: list[float | None] = [None] * count
    if errors is not None:
        before = np.bincount(errors.regions, errors.mass * errors.base, count)
        after = np.bincount(errors.regions, errors.mass * errors.pruned, count)
        change = [relative_change(a, b) for a, b in zip(after, before, strict=True)]
    names: list[str | None] = [None] * count
    if problem.task.groups is not None and problem.task.names is not None and count > 1:
        codes = np.unique(problem.task.groups[problem.order])
        names = [problem.task.names[code] for code in codes]
    told = chosen.verdicts or (None,) * count
    return tuple(
        Region(int(r), int(k), c, n, v)
        for r, k, c, n, v in zip(rows, kept, change, names, told, strict=True)
    )
