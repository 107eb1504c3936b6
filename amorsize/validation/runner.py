"""Runs scenarios: each seed prunes a history of known truth and measures what became of it."""

from __future__ import annotations

import gc
import io
import os
import sys
import time
import tracemalloc
from math import log
from statistics import fmean, median, quantiles

import numpy as np

from amorsize.core.frozen import replace
from amorsize.learning.regressor import KNNRegressor
from amorsize.pruning.select import MIN_TOTAL_SAMPLES_TO_KEEP
from amorsize.pruning.selector import PrototypeSelector
from amorsize.validation.report import (
    FAILED,
    PASSED,
    UNDECIDED,
    Check,
    Outcome,
    Seed,
    ValidationReport,
)
from amorsize.validation.scenarios import Scenario, World, classic, further, world
from amorsize.validation.statistics import estimate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from amorsize.validation.scenarios import Floats, Ints, Thresholds

    Selected = tuple[Floats, Floats, Floats | None]
    Selector = Callable[[Floats, Floats, Scenario, int, Ints, Floats], Selected]
    Progress = Callable[[int, int, str], None]

FRESH_ROWS = 10_000
"""Rows at which errors are taken."""
FRESH_DISTANCES = 2e9
"""Fewer of them where the history is large: brute force answers 10,000 queries of 1e6 rows in minutes."""
WARM_UPS, SMALL_ROWS = 3, 10_000
"""A small predictor is built so often: the first time fills caches of Python's own. The least counts."""
TASKS = 200
"""Functions that are decided about."""
QUERIES = 100
"""Predictions that a latency is the median of, before and after in turns."""
LEAST_SKILL = 0.05
"""An unpruned predictor that explains less of the labels' variance has nothing to lose: not decidable."""
SIZES = (0.65, 0.35, 0.2, 0.1, 0.05, 0.02)
QUICK_SEEDS, QUICK_FURTHER_SEEDS, QUICK_ROWS = 15, 6, 3_000
"""``quick``: so many seeds of a classic and of a further scenario, and none of more rows; further ones
that need more than 10 seeds to show anything are left out."""


def amorsize_selector(
    X: Floats, y: Floats, scenario: Scenario, seed: int, groups: Ints, times: Floats
) -> Selected:
    """What is validated unless another selector is given."""
    selector = PrototypeSelector(scenario.strategy, tolerance=scenario.tolerance, random_state=seed)
    kept = selector.fit_resample(X, y, timestamps=times if scenario.drift else None, groups=groups)
    amorsize_selector.certified = selector.report_.certified  # type: ignore[attr-defined]
    return (*kept, selector.sample_weight_)


def run_validation(
    scenarios: Iterable[Scenario] | None = None,
    *,
    seed: int = 0,
    quick: bool = False,
    only: str = "",
    seeds: int | None = None,
    selector: Selector | None = None,
    history: Any = None,
    progress: Progress | None = None,
    plots: bool = True,
) -> ValidationReport:
    """Validate pruning.

    Parameters
    ----------
    scenarios : iterable of Scenario, default=None
        None is the seven classic ones and the further ones.
    seed : int, default=0
        Same seed, same errors and verdicts (latencies and seconds are measured, and vary).
    quick : bool, default=False
        Fewer seeds and no large histories: under a minute.
    only : str, default=""
        Regular expression that names of scenarios must match.
    seeds : int, default=None
        Repetitions, in place of the scenario's own number.
    selector : callable, default=None
        What is validated: ``selector(X, y, scenario, seed, groups, times)`` returns X, y and masses (or
        None). amorsize's by default.
    history : History, default=None
        Validate on this history of real runs too; it is not changed.
    progress : callable, default=None
        Called with (done, total, what).
    plots : bool, default=True
        Measure what the plots of the report show, too.

    Returns
    -------
    ValidationReport
        ``complete`` is False if it was ended by Ctrl-C: with what was finished until then.

    Raises
    ------
    ValueError
        If no scenario matches ``only`` and there is no history.
    """
    import re

    began = time.perf_counter()
    chosen = [*classic(), *further()] if scenarios is None else list(scenarios)
    chosen = [one for one in chosen if re.search(only, one.name)]
    if quick:
        chosen = [
            replace(
                one,
                seeds=min(one.seeds, QUICK_SEEDS if one.kind == "classic" else QUICK_FURTHER_SEEDS),
            )
            for one in chosen
            if one.rows <= QUICK_ROWS and (one.kind == "classic" or one.seeds <= 10)
        ]
    if seeds is not None:
        chosen = [replace(one, seeds=seeds) for one in chosen]
    if not chosen and history is None:
        raise ValueError(f"only={only!r} matches no scenario; leave it out to see their names")
    choose = selector or amorsize_selector
    tell = progress or (lambda done, total, what: None)
    total, done = sum(one.seeds for one in chosen) + plots, 0
    outcomes: list[Outcome] = []
    complete = False
    front: list[tuple[float, float, float]] = []
    learning: list[tuple[int, float]] = []
    calibration: list[tuple[float, float]] = []
    try:
        for scenario in chosen:
            found = []
            for number in range(scenario.seeds):
                tell(done, total, scenario.name)
                found.append(measured(scenario, seed * 1_000_003 + number, choose))
                done += 1
            outcomes.append(judged(scenario, found))
        if history is not None:
            tell(done, total, "your history")
            outcomes.append(of_history(history))
        if plots:
            tell(done, total, "plots")
            front, learning, calibration = pictures(seed)
            done += 1
        complete = True
    except KeyboardInterrupt:
        pass
    tell(done, total, "done")
    return ValidationReport(
        version=_version(),
        python=sys.version.split()[0],
        platform=sys.platform,
        cores=os.cpu_count() or 1,
        seed=seed,
        seconds=time.perf_counter() - began,
        complete=complete,
        outcomes=tuple(outcomes),
        front=tuple(front),
        learning=tuple(learning),
        calibration=tuple(calibration),
    )


def _version() -> str:
    from amorsize.version import __version__

    return __version__


# -- one seed ------------------------------------------------------------------------------------------


def measured(scenario: Scenario, seed: int, choose: Selector) -> Seed:
    """One repetition."""
    rng = np.random.default_rng([seed, 1])
    truth = scenario.make(seed)
    X, y, function, _ = truth.draw(scenario.rows, rng)
    times = np.arange(float(scenario.rows))
    now = truth
    if scenario.drift:
        other = scenario.make(seed + 500_000)
        now = replace(truth, truth=other.truth)
        late = int(0.7 * scenario.rows)
        X[late:], y[late:], function[late:], _ = now.draw(scenario.rows - late, rng)
    began = time.perf_counter()
    X_kept, y_kept, mass = choose(X, y, scenario, seed, function, times)
    seconds = time.perf_counter() - began
    whole, memory_before, disk_before = built(X, y, None)
    pruned, memory_after, disk_after = built(X_kept, y_kept, mass)
    _, empty, _ = built(X[:1], y[:1], None)
    fresh = int(min(FRESH_ROWS, max(1_000, FRESH_DISTANCES / scenario.rows)))
    X_new, y_new, _, _ = now.draw(fresh, rng)
    some = rng.choice(scenario.rows, min(len(X_kept), scenario.rows), replace=False)
    chance = KNNRegressor().fit(X[some], y[some])
    before, after, by_chance = (rmse(model, X_new, y_new) for model in (whole, pruned, chance))
    regrets = [decided(model, now, seed) for model in (whole, pruned)]
    latencies = timed([whole, pruned], X_new[:QUERIES])
    spread = float(y_new.var())
    return Seed(
        seed=seed,
        rows=scenario.rows,
        kept=len(X_kept),
        memory_before=memory_before,
        memory_after=memory_after,
        memory_empty=empty,
        disk_before=disk_before,
        disk_after=disk_after,
        error_before=before,
        error_after=after,
        chance_error=by_chance,
        regret_before=regrets[0][1],
        regret_after=regrets[1][1],
        changed=float(np.mean(regrets[0][0] != regrets[1][0])),
        latency_before=latencies[0][0],
        latency_after=latencies[1][0],
        slow_latency_before=latencies[0][1],
        slow_latency_after=latencies[1][1],
        seconds=seconds,
        skill=1.0 - min(before, after) ** 2 / spread if spread > 0 else 0.0,
        certified=bool(getattr(choose, "certified", False)),
    )


def built(X: Floats, y: Floats, mass: Floats | None) -> tuple[KNNRegressor, int, int]:
    """A predictor read from a store, the bytes that it holds, and those of the store."""
    store = io.BytesIO()
    np.savez(store, X=X, y=y, mass=np.ones(len(X)) if mass is None else mass)
    size = store.tell()
    store.seek(0)
    was_on = tracemalloc.is_tracing()
    if not was_on:
        tracemalloc.start()
    held: list[int] = []
    for _ in range(WARM_UPS if len(X) < SMALL_ROWS else 1):
        model = None
        store.seek(0)
        gc.collect()  # what others left must not be counted as freed here
        start = tracemalloc.get_traced_memory()[0]
        with np.load(store) as rows:
            model = KNNRegressor().fit(rows["X"], rows["y"], rows["mass"])
        del rows
        held.append(tracemalloc.get_traced_memory()[0] - start)
    assert model is not None
    if not was_on:
        tracemalloc.stop()
    return model, min(held), size


def rmse(model: Any, X: Floats, y: Floats) -> float:
    return float(np.sqrt(np.mean((model.predict(X) - y) ** 2)))


def decided(model: Any, truth: World, seed: int) -> tuple[Ints, float]:
    """The configuration that the model would choose for some functions, and the mean factor of its true
    seconds over those of the best one."""
    rng = np.random.default_rng([seed, 2])
    function = rng.choice(len(truth.share), TASKS, p=truth.share)
    count = truth.truth.shape[1]
    still = replace(truth, noise=0.0)
    X, _ = still.rows(np.repeat(function, count), np.tile(np.arange(count), TASKS), rng)
    chosen = model.predict(X).reshape(TASKS, count).argmin(1)
    real = truth.truth[function]
    return chosen, float(np.exp(real[np.arange(TASKS), chosen] - real.min(1)).mean())


def timed(models: list[Any], queries: Floats) -> list[tuple[float, float]]:
    """Median and 95th percentile of one prediction of each model, asked in turns."""
    took: list[list[float]] = [[] for _ in models]
    for query in queries[:, None]:
        for model, mine in zip(models, took, strict=True):
            began = time.perf_counter()
            model.predict(query)
            mine.append(time.perf_counter() - began)
    return [(median(mine), quantiles(mine, n=20)[-1]) for mine in took]


# -- verdicts ------------------------------------------------------------------------------------------


def judged(scenario: Scenario, seeds: list[Seed]) -> Outcome:
    """Verdicts on what was measured."""
    limits = scenario.thresholds
    error = estimate([one.error_change for one in seeds])
    against = estimate([log(one.error_after / one.chance_error) for one in seeds])
    memory = estimate([one.memory_reduction for one in seeds])
    checks = tuple(_checks(scenario, limits, seeds))
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


def _checks(scenario: Scenario, limits: Thresholds, seeds: list[Seed]) -> Iterable[Check]:
    error = estimate([one.error_change for one in seeds])
    against = estimate([log(one.error_after / one.chance_error) for one in seeds])
    memory = fmean([one.memory_reduction for one in seeds])
    least = min(one.kept - min(one.rows, MIN_TOTAL_SAMPLES_TO_KEEP) for one in seeds)
    yield Check(
        "floor", "at least 20 rows kept", f"{min(one.kept for one in seeds)}", _told(least >= 0)
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
        _told(limits.memory_least - ROUNDING <= memory <= limits.memory_most + ROUNDING),
    )
    single = len(seeds) < 2
    upper = error.mean if single else error.high
    verdict = _told(upper < limits.error_most)
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
    regret = fmean([one.regret_after - one.regret_before for one in seeds])
    yield Check(
        "decisions", "regret at most 0.05 more", f"{regret:+.3f}", _told(regret <= MOST_REGRET)
    )
    slower = median([1.0 / one.speed_up for one in seeds])
    yield Check(
        "latency",
        f"at most {limits.slowest:.2f} times as long",
        f"{slower:.2f} times; {median([one.speed_up for one in seeds]):.1f} times as fast",
        _told(slower <= limits.slowest),
    )


MOST_REGRET = 0.05
ROUNDING = 0.005
"""Half of a rounded percent: objects come in sizes of 16 bytes."""


def _told(holds: bool) -> str:
    return PASSED if holds else FAILED


def of_history(history: Any) -> Outcome:
    """The user's own runs: pruned in memory, judged by rows that pruning did not see."""
    from amorsize.history.memory import MemoryHistory
    from amorsize.pruning.history import prune_training_data

    copy = MemoryHistory(max_rows=max(1, history.stats().rows))
    copy.add(history.read())
    result = prune_training_data(copy)
    change = result.error_change
    checks = [
        Check("rows", "some", f"{result.before.rows:,}", _told(result.before.rows > 0)),
        Check(
            "error",
            result.promise,
            "nothing was removed" if change is None else f"{change:+.1%}",
            _told(result.held),
        ),
    ]
    if result.before.rows < 500:
        checks.append(Check("certainty", "500 rows", f"{result.before.rows} rows", UNDECIDED))
    none = estimate([change or 0.0])
    return Outcome(
        "your history", "own", history.location, "auto", None, (), none, estimate([0.0]),
        estimate([result.memory_reduction]), tuple(checks),
    )  # fmt: skip


# -- what is drawn -------------------------------------------------------------------------------------


def pictures(
    seed: int,
) -> tuple[list[tuple[float, float, float]], list[tuple[int, float]], list[tuple[float, float]]]:
    """Pareto front, learning curve, predicted against true, of one world."""
    truth = world(seed, 20)
    rng = np.random.default_rng([seed, 3])
    X, y, _, _ = truth.draw(2_000, rng)
    X_new, y_new, _, _ = truth.draw(4_000, rng)
    whole = rmse(KNNRegressor().fit(X, y), X_new, y_new)
    front = []
    for size in SIZES:
        selector = PrototypeSelector(keep_fraction=size)
        kept = selector.fit_resample(X, y)
        ours = rmse(KNNRegressor().fit(*kept, selector.sample_weight_), X_new, y_new)
        some = rng.choice(len(X), len(kept[0]), replace=False)
        chance = rmse(KNNRegressor().fit(X[some], y[some]), X_new, y_new)
        front.append((size, ours / whole - 1.0, chance / whole - 1.0))
    learning = [
        (count, rmse(KNNRegressor().fit(X[:count], y[:count]), X_new, y_new))
        for count in (20, 50, 100, 200, 500, 1_000, 2_000)
    ]
    guess = KNNRegressor().fit(X, y).predict(X_new[:300])
    return front, learning, list(zip(guess.tolist(), y_new[:300].tolist(), strict=True))
