"""Verdicts: what was measured of a scenario, held against its thresholds."""

from __future__ import annotations

from math import log
from statistics import fmean, median

from amorsize.pruning.select import MIN_TOTAL_SAMPLES_TO_KEEP
from amorsize.validation.report import FAILED, PASSED, UNDECIDED, Check, Outcome
from amorsize.validation.statistics import estimate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from amorsize.validation.report import Seed
    from amorsize.validation.scenarios import Scenario, Thresholds
    from amorsize.validation.statistics import Estimate

LEAST_SKILL = 0.05
"""Share of the labels' variance below which the predictor has nothing to lose: the verdict is not
decidable."""
MOST_REGRET = 0.05
"""Rise of the regret of decisions that still passes."""
ROUNDING = 0.005
"""Half of a rounded percent, by which memory may miss its range: objects come in sizes of 16 bytes."""


def judged(scenario: Scenario, seeds: list[Seed]) -> Outcome:
    """A scenario's figures over its seeds, with verdicts."""
    error = estimate([one.error_change for one in seeds])
    against = estimate([log(one.error_after / one.chance_error) for one in seeds])
    memory = estimate([one.memory_reduction for one in seeds])
    checks = tuple(_checks(scenario.thresholds, seeds, error, against))
    return Outcome(
        scenario.name,
        scenario.kind,
        scenario.told,
        scenario.strategy,
        scenario.make(seeds[0].seed).noise,
        tuple(seeds),
        error,
        against,
        memory,
        checks,
    )


def _checks(
    limits: Thresholds, seeds: list[Seed], error: Estimate, against: Estimate
) -> Iterable[Check]:
    """All checks of a scenario, in the order in which reports show them."""
    memory = fmean([one.memory_reduction for one in seeds])
    least = min(one.kept - min(one.rows, MIN_TOTAL_SAMPLES_TO_KEEP) for one in seeds)
    yield Check(
        "floor",
        f"at least {MIN_TOTAL_SAMPLES_TO_KEEP} rows kept",
        f"{min(one.kept for one in seeds)}",
        verdict_of(least >= 0),
    )
    skill = fmean([one.skill for one in seeds])
    if skill < LEAST_SKILL:
        yield Check(
            "signal",
            f"the predictor, unpruned or pruned, explains at least {LEAST_SKILL:.0%}",
            f"{skill:.1%}: there is nothing to lose, so nothing can be shown",
            UNDECIDED,
        )
        return
    yield Check(
        "memory freed",
        f"{limits.memory_least:.0%} to {limits.memory_most:.0%}",
        f"{memory:.1%}",
        verdict_of(limits.memory_least - ROUNDING <= memory <= limits.memory_most + ROUNDING),
    )
    yield from _error_checks(limits, len(seeds) < 2, error, against)
    regret = fmean([one.regret_after - one.regret_before for one in seeds])
    yield Check(
        "decisions",
        f"regret at most {MOST_REGRET} more",
        f"{regret:+.3f}",
        verdict_of(regret <= MOST_REGRET),
    )
    slower = median([1.0 / one.speed_up for one in seeds])
    yield Check(
        "latency",
        f"at most {limits.slowest:.2f} times as long",
        f"{slower:.2f} times; {median([one.speed_up for one in seeds]):.1f} times as fast",
        verdict_of(slower <= limits.slowest),
    )


def _error_checks(
    limits: Thresholds, single: bool, error: Estimate, against: Estimate
) -> Iterable[Check]:
    """Checks of the error; ``single``: there is one seed, and so no limits of the mean."""
    upper = error.mean if single else error.high
    verdict = verdict_of(upper < limits.error_most)
    if verdict == FAILED and error.mean < limits.error_most:
        verdict = UNDECIDED  # too few seeds to tell, not too large a change
    yield Check(
        "error",
        f"upper limit of the change below {limits.error_most:.0%}",
        f"{error.mean:+.1%}" if single else str(error),
        verdict,
    )
    if limits.beats_chance:
        verdict = PASSED if (against.mean if single else against.high) < 0 else FAILED
        if verdict == FAILED and not single and against.low < 0 < against.high:
            verdict = UNDECIDED
        yield Check(
            "against chance",
            "better than deleting as many at random (log of the errors' ratio)",
            f"{against.mean:+.2f}"
            if single
            else f"{against.mean:+.2f}, at most {against.high:+.2f}",
            verdict,
        )


def verdict_of(holds: bool) -> str:
    """Passed or failed."""
    return PASSED if holds else FAILED
