"""How good predictions were: each run of a history judged by what was known before it.

A walk through the history in the order of its runs. Each run's seconds are predicted by the cost model
alone, and by experience: the function's own runs before it, else its neighbours among all runs before
it. Its regret is what it cost against the configuration that, by all that is known now, was best for
its function; loops of other lengths and items are compared by their share of the loop's time.
"""

from __future__ import annotations

from math import log
from statistics import median

from amorsize.core.frozen import dataclass
from amorsize.core.observation import NUMBERS
from amorsize.learning.learner import RECALLED_RUNS
from amorsize.learning.predictor import Predictor
from amorsize.learning.residuals import LIKE_ITEMS, known_residual, shape

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from amorsize.core.observation import Observation
    from amorsize.history.base import Table

GROWTH = 1.25
"""The predictor of functions not seen before is built anew when the runs before have grown so much."""
SPANS = 8
"""Spans of equal length over which the figures are shown."""


@dataclass(frozen=True)
class JudgedRun:
    """One run, afterwards."""

    time: float
    source: str
    """What could have been known before it: "own" runs, "neighbours", "nothing"."""
    model_error: float
    """Absolute error of log seconds of the cost model alone."""
    error: float
    """The same with experience; the model's where there was none."""
    regret: float | None
    """Share of the loop's time over that of the best configuration known; None if no other was run."""


@dataclass(frozen=True)
class Span:
    """Runs that followed each other, summed up."""

    first: int
    """Number of its first run, from 1."""
    last: int
    model_error: float
    """Medians."""
    error: float
    known: float
    """Share of the runs of which something was known before."""
    regret: float | None
    """Median over the runs that have one."""
    regret95: float | None


def judge(table: Table, parameters: dict[str, dict[str, object]] | None = None) -> list[JudgedRun]:
    """Every run that ended well, oldest first. Seconds of work on 10,000 rows; needs NumPy."""
    before: dict[str, list[Observation]] = {}
    found: list[JudgedRun] = []
    runs = list(table.observations())
    regrets = _regrets(runs)
    predictor, built = None, 0
    for place, run in enumerate(runs):
        if run.outcome != "done" or run.wall_seconds <= 0 or run.model_seconds <= 0:
            continue
        own = before.setdefault(run.fingerprint, [])
        answer, source = None, "nothing"
        if own:
            answer = known_residual(own[:RECALLED_RUNS], run.profile, run.machine)(run.config)
            source = "own"
        if answer is None:
            if place > GROWTH * built + 20:
                predictor, built = Predictor(_first(table, place), parameters), place
            if predictor is not None:
                residual = predictor.residual(run.profile, run.machine, run.items)
                answer, source = residual(run.config), "neighbours"
        error = log(run.wall_seconds / run.model_seconds)
        learned = error if answer is None else error - answer[0]
        kind = source if answer is not None else "nothing"
        found.append(JudgedRun(run.time, kind, abs(error), abs(learned), regrets[place]))
        own.insert(0, run)
    return found


def _first(table: Table, rows: int) -> Table:
    """The table of its first rows."""
    texts = {name: values[:rows] for name, values in table.texts.items()}
    return type(table)(table.numbers[: rows * 8 * len(NUMBERS)], texts)


def _regrets(runs: Sequence[Observation]) -> list[float | None]:
    """For each run its share of the loop's time over the best of its function."""
    shares: dict[tuple[Any, ...], dict[Any, list[float]]] = {}
    keys: list[tuple[Any, ...] | None] = []
    for run in runs:
        loop = run.items * run.profile.item_seconds
        if run.outcome != "done" or run.wall_seconds <= 0 or loop <= 0:
            keys.append(None)
            continue
        like = round(log(run.profile.item_seconds) / log(LIKE_ITEMS))
        key = run.fingerprint, run.machine.cores, like
        keys.append(key)
        shares.setdefault(key, {}).setdefault(shape(run.config), []).append(run.wall_seconds / loop)
    best = {
        key: min(median(values) for values in by_config.values())
        for key, by_config in shares.items()
        if len(by_config) > 1
    }
    return [
        None
        if key is None or key not in best
        else max(1.0, median(shares[key][shape(run.config)]) / best[key])
        for run, key in zip(runs, keys, strict=True)
    ]


def spans(judged: Sequence[JudgedRun], count: int = SPANS) -> list[Span]:
    """The runs in ``count`` spans of equal length."""
    found = []
    count = min(count, len(judged))
    for number in range(count):
        first, last = len(judged) * number // count, len(judged) * (number + 1) // count
        part = judged[first:last]
        regrets = sorted(one.regret for one in part if one.regret is not None)
        found.append(
            Span(
                first=first + 1,
                last=last,
                model_error=median(one.model_error for one in part),
                error=median(one.error for one in part),
                known=sum(one.source != "nothing" for one in part) / len(part),
                regret=median(regrets) if regrets else None,
                regret95=regrets[min(len(regrets) - 1, int(0.95 * len(regrets)))]
                if regrets
                else None,
            )
        )
    return found
