"""What a function's own earlier runs add to the cost model, in plain Python.

A residual is the logarithm of real seconds over the model's. Each answer is a residual, its spread and
the weight of the runs behind it, for one configuration; without an answer the model decides alone.
"""

from __future__ import annotations

from math import log

from amorsize.core.observation import LARGEST_RESIDUAL, WORKS_INSIDE, WORKS_SHARE, work_ratio

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from amorsize.core.model import Config, Machine, Profile
    from amorsize.core.observation import Observation

    Residual = Callable[[Config], tuple[float, float, float] | None]

HALVED_BY_RUNS = 4.0
"""Of a function's own runs each one further back counts so much less that the fourth counts half."""
RUN_VARIANCE, RUN_VARIANCE_RUNS = 0.01, 2.0
"""Variance of log seconds from run to run before a function has shown its own, and the runs that this
counts for (benchmarks/learning/evaluate.py: 5 to 15 % on a shared host)."""
PROFILE_VARIANCE, BACKEND_VARIANCE, CONFIG_VARIANCE = 0.03, 0.03, 0.02
"""Variance of residuals that all configurations of a workload share, that those of one backend share, and
of one configuration by itself, the work of its items known (benchmarks/learning/evaluate.py judge)."""
LIKE_ITEMS = 8.0
"""Runs whose items took more than so many times longer or shorter than now say nothing of now."""
GIL_FREE_SHARE = 0.6
"""Share of looks that found the GIL free from which threads compute side by side (as planning has it)."""
GUESSED_WEIGHT = 0.5
"""What a record of schema 1 counts, whose profile was guessed from the first items."""
CHANGED_WEIGHT = 0.25
"""What a run counts that was made with other cores, another Python or other numeric libraries."""


def known_residual(
    runs: Sequence[Observation], profile: Profile, machine: Machine | None = None
) -> Residual:
    """Residuals from a function's own runs, newest first.

    What items cost is told elsewhere (:mod:`amorsize.learning.item_costs`): a residual is what a
    configuration made of them, the profile's seconds being what they took (in a record of schema 1 as far
    as :func:`work_ratio` can tell). It is taken for the sum of what all configurations share, what those
    of its backend share, its own and noise; the best linear prediction of each (kriging) answers for
    configurations that ran and for those that did not. What other programs took from a run
    (:func:`crowding`) is no configuration's fault: its mean belongs to all of them. How far the runs of a
    configuration lie apart, which is how wrong a prediction from the earlier ones was, makes the spread.
    O(runs + configurations cubed)."""
    by_shape: dict[tuple[str, int, int], list[tuple[float, float]]] = {}
    crowded: list[tuple[float, float]] = []
    evidence, used = 0.0, 0
    for run in runs:
        if (
            run.outcome == "done"
            and run.wall_seconds > 0
            and run.model_seconds > 0
            and _is_like(run.profile.item_seconds, profile.item_seconds)
        ):
            found = log(run.wall_seconds / run.model_seconds) - work_ratio(run)
            taken = min(crowding(run), max(0.0, found))
            weight = run.weight * 0.5 ** (used / HALVED_BY_RUNS)
            if machine is not None and has_changed(run.machine, machine):
                weight *= CHANGED_WEIGHT
            if not run.is_measured:
                weight *= GUESSED_WEIGHT
            crowded.append((taken, weight))
            by_shape.setdefault(shape(run.config), []).append(
                (min(max(found - taken, -LARGEST_RESIDUAL), LARGEST_RESIDUAL), weight)
            )
            evidence, used = evidence + run.weight, used + 1
    if not by_shape:
        return _nothing
    means, masses, noise = _of_shapes(by_shape.values())
    crowd, unsteady = _mean_and_variance(crowded)
    shapes = list(by_shape)
    inverse = _inverse(
        [
            [
                _covariance(a, b) + (noise / masses[i] if i == j else 0.0)
                for j, b in enumerate(shapes)
            ]
            for i, a in enumerate(shapes)
        ]
    )
    pull = [sum([x * m for x, m in zip(row, means, strict=True)]) for row in inverse]
    whole = PROFILE_VARIANCE + BACKEND_VARIANCE + CONFIG_VARIANCE

    def residual(config: Config) -> tuple[float, float, float]:
        like = [_covariance(shape(config), one) for one in shapes]
        value = sum([a * b for a, b in zip(like, pull, strict=True)])
        known = sum(
            [
                a * sum([x * b for x, b in zip(row, like, strict=True)])
                for a, row in zip(like, inverse, strict=True)
            ]
        )
        spread = (max(whole - known, 0.0) + noise + unsteady) ** 0.5
        return crowd + value, spread, evidence

    return residual


def _of_shapes(
    groups: Iterable[list[tuple[float, float]]],
) -> tuple[list[float], list[float], float]:
    """Mean and mass of each configuration's residuals, and the variance of their noise."""
    means, masses, scatter, mass = [], [], RUN_VARIANCE_RUNS * RUN_VARIANCE, RUN_VARIANCE_RUNS
    for pairs in groups:
        total = sum([weight for _, weight in pairs])
        mean = sum([value * weight for value, weight in pairs]) / total
        scatter += sum([weight * (value - mean) ** 2 for value, weight in pairs])
        mass += total * (1 - 1 / len(pairs))
        means.append(mean)
        masses.append(total)
    return means, masses, scatter / mass


def crowding(run: Observation) -> float:
    """Log of how much longer a run took because other programs had the cores: the cores that its workers
    could have kept busy over those that they got. 0 where items wait, or nothing tells."""
    profile, config = run.profile, run.config
    if (
        not run.is_measured
        or run.cpu_seconds <= 0
        or profile.cpu_share < WORKS_SHARE
        or profile.inner_threads > WORKS_INSIDE
    ):
        return 0.0
    wanted = 1
    if config.backend in ("fork", "spawn") or (profile.gil_free_share or 0.0) >= GIL_FREE_SHARE:
        wanted = max(1, min(config.workers, run.machine.cores))
    return max(0.0, log(wanted * run.wall_seconds / run.cpu_seconds))


def _mean_and_variance(pairs: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Of values and their weights."""
    total = sum([weight for _, weight in pairs])
    mean = sum([value * weight for value, weight in pairs]) / total
    return mean, sum([weight * (value - mean) ** 2 for value, weight in pairs]) / total


def _nothing(config: Config) -> None:
    """No run says anything."""


def shape(config: Config) -> tuple[str, int, int]:
    """What makes runs runs of the same configuration."""
    return config.backend, config.n_jobs, config.threads_per_job


def has_changed(before: Machine, now: Machine) -> bool:
    """Whether the same code may run otherwise now: other cores, Python, or numeric libraries (of those
    that were loaded both times)."""
    if before.cores != now.cores or before.platform != now.platform:
        return True
    if before.python == now.python:
        return False
    was, *old = before.python.split("+")
    here, *new = now.python.split("+")
    versions = dict(one.partition("-")[::2] for one in old)
    return was != here or any(
        versions.get(name, version) != version
        for name, version in (one.partition("-")[::2] for one in new)
    )


def _covariance(one: tuple[str, int, int], other: tuple[str, int, int]) -> float:
    """Of two configurations' residuals."""
    if one == other:
        return PROFILE_VARIANCE + BACKEND_VARIANCE + CONFIG_VARIANCE
    return PROFILE_VARIANCE + (BACKEND_VARIANCE if one[0] == other[0] else 0.0)


def _inverse(matrix: list[list[float]]) -> list[list[float]]:
    """Of a small symmetric positive matrix, by elimination."""
    size = len(matrix)
    rows = [[*row, *(float(i == j) for j in range(size))] for i, row in enumerate(matrix)]
    for i in range(size):
        pivot = rows[i][i]
        rows[i] = [value / pivot for value in rows[i]]
        for j in range(size):
            if j != i:
                factor = rows[j][i]
                rows[j] = [a - factor * b for a, b in zip(rows[j], rows[i], strict=True)]
    return [row[size:] for row in rows]


def _is_like(before: float, now: float) -> bool:
    return now <= 0 or before <= 0 or 1 / LIKE_ITEMS < before / now < LIKE_ITEMS
