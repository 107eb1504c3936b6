"""Runs scenarios: each seed prunes a history of known truth and measures what became of it.

    run_validation: scenarios --measured, a seed each--> Seed --judged, a scenario each--> Outcome with
checks
"""

from __future__ import annotations

import gc
import io
import os
import re
import sys
import time
import tracemalloc
from statistics import median, quantiles

import numpy as np

from amorsize.core.frozen import replace
from amorsize.history.memory import MemoryHistory
from amorsize.learning.regressor import KNNRegressor
from amorsize.pruning.certificate import CERTIFIABLE_ROWS
from amorsize.pruning.history import prune_training_data
from amorsize.pruning.select import STRATEGIES
from amorsize.pruning.selector import PrototypeSelector
from amorsize.validation import forecasts as forecasting
from amorsize.validation.report import UNDECIDED, Check, Outcome, Seed, ValidationReport
from amorsize.validation.scenarios import Scenario, World, classic, further, world
from amorsize.validation.statistics import estimate
from amorsize.validation.verdicts import judged, verdict_of
from amorsize.version import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from amorsize.history.base import History
    from amorsize.validation.scenarios import Floats, Ints

    Selected = tuple[Floats, Floats, Floats | None]
    Selector = Callable[[Floats, Floats, Scenario, int, Ints, Floats], Selected]
    Progress = Callable[[int, int, str], None]
    """Takes the repetitions done, their number, and what is being measured."""

FRESH_ROWS = 10_000
"""Rows at which errors are measured."""
FRESH_DISTANCES = 2e9
"""Distances to compute at most for these errors: brute force answers 10,000 queries of 1e6 rows in
minutes."""
WARM_UPS, SMALL_ROWS = 3, 10_000
"""Times that a predictor of fewer than SMALL_ROWS rows is built: the first time fills caches of Python's
own. The least memory counts."""
TASKS = 200
"""Functions that are decided about."""
QUERIES = 100
"""Predictions of which a latency is the median, before and after in turns."""
SIZES = (0.65, 0.35, 0.2, 0.1, 0.05, 0.02)
"""Kept fractions of the Pareto front."""
LADDER_TOLERANCE = STRATEGIES["auto"][0]
"""Tolerance of the pruning whose sizes are drawn: that of the default strategy."""
QUICK_SEEDS, QUICK_FURTHER_SEEDS, QUICK_ROWS = 15, 6, 3_000
"""With ``quick``: seeds of a classic and of a further scenario at most, and rows of the largest
scenario."""
QUICK_LEAST_SEEDS = 10
"""With ``quick``, further scenarios that need more seeds than this to show anything are left out."""


class AmorsizeSelector:
    """What is validated unless another selector is given."""

    certified = False
    """Whether the bound of the last selection was certified."""

    def __call__(
        self, X: Floats, y: Floats, scenario: Scenario, seed: int, groups: Ints, times: Floats
    ) -> Selected:
        """Prune with the strategy and the tolerance of the scenario."""
        selector = PrototypeSelector(
            scenario.strategy, tolerance=scenario.tolerance, random_state=seed
        )
        dated = times if scenario.drift else None
        kept = selector.fit_resample(X, y, timestamps=dated, groups=groups)
        self.certified = selector.report_.certified
        return (*kept, selector.sample_weight_)


def run_validation(
    scenarios: Iterable[Scenario] | None = None,
    *,
    seed: int = 0,
    quick: bool = False,
    only: str = "",
    seeds: int | None = None,
    selector: Selector | None = None,
    history: History | None = None,
    progress: Progress | None = None,
    plots: bool = True,
    forecasts: bool = False,
) -> ValidationReport:
    """Validate pruning, and forecasts.

    Parameters
    ----------
    scenarios : iterable of Scenario, default=None
        None: the seven classic ones and the further ones.
    seed : int, default=0
        Same seed, same errors and verdicts (latencies and seconds are measured, and vary).
    quick : bool, default=False
        Fewer seeds and no large histories: about a minute.
    only : str, default=""
        Regular expression that names of scenarios must match.
    seeds : int, default=None
        Repetitions, in place of each scenario's own.
    selector : callable, default=None
        What is validated: ``selector(X, y, scenario, seed, groups, times)`` returns X, y and masses (or
        None). amorsize's by default.
    history : History, default=None
        Validate on this history of real runs too; it is not changed.
    progress : callable, default=None
        Called with (done, total, what).
    plots : bool, default=True
        Measure what the plots of the report show, too.
    forecasts : bool, default=False
        Validate forecasts of seeded runs, and those of ``history``, too.

    Returns
    -------
    ValidationReport
        ``complete`` is False if Ctrl-C ended it: the report then holds what was finished.

    Raises
    ------
    ValueError
        If no scenario matches ``only`` and there is no history.
    """
    began = time.perf_counter()
    chosen = [*classic(), *further()] if scenarios is None else list(scenarios)
    chosen = [one for one in chosen if re.search(only, one.name)]
    if quick:
        chosen = _quick(chosen)
    if seeds is not None:
        chosen = [replace(one, seeds=seeds) for one in chosen]
    foretold = forecasts and re.search(only, forecasting.SEEDED) is not None
    if not chosen and history is None and not foretold:
        raise ValueError(f"only={only!r} matches no scenario; leave it out to see their names")
    choose = selector or AmorsizeSelector()
    tell = progress or (lambda done, total, what: None)
    total, done = sum(one.seeds for one in chosen) + plots, 0
    outcomes, complete = list[Outcome](), False
    drawn: dict[str, Any] = {}
    try:
        for scenario in chosen:
            found = []
            for number in range(scenario.seeds):
                tell(done, total, scenario.name)
                found.append(measured(scenario, seed * 1_000_003 + number, choose))
                done += 1
            outcomes.append(judged(scenario, found))
        if foretold:
            outcomes.append(forecasting.of_seeded_runs(seed))
        if history is not None:
            tell(done, total, "your history")
            outcomes += _of_own_runs(history, forecasts=forecasts)
        if plots:
            tell(done, total, "plots")
            drawn = pictures(seed)
            done += 1
        complete = True
    except KeyboardInterrupt:
        pass
    tell(done, total, "done")
    return ValidationReport(
        version=__version__,
        python=sys.version.split()[0],
        platform=sys.platform,
        cores=os.cpu_count() or 1,
        seed=seed,
        seconds=time.perf_counter() - began,
        complete=complete,
        outcomes=tuple(outcomes),
        **drawn,
    )


def _quick(scenarios: list[Scenario]) -> list[Scenario]:
    """Those that take seconds, with fewer seeds."""
    most = {"classic": QUICK_SEEDS}
    return [
        replace(one, seeds=min(one.seeds, most.get(one.kind, QUICK_FURTHER_SEEDS)))
        for one in scenarios
        if one.rows <= QUICK_ROWS and (one.kind == "classic" or one.seeds <= QUICK_LEAST_SEEDS)
    ]


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
    was_on, collecting = tracemalloc.is_tracing(), gc.isenabled()
    tracemalloc.start()
    gc.disable()  # garbage of earlier code must not be counted as freed here
    held: list[int] = []
    try:
        for _ in range(WARM_UPS if len(X) < SMALL_ROWS else 1):
            model = None
            store.seek(0)
            start = tracemalloc.get_traced_memory()[0]
            with np.load(store) as rows:
                model = KNNRegressor().fit(rows["X"], rows["y"], rows["mass"])
            del rows
            held.append(tracemalloc.get_traced_memory()[0] - start)
    finally:
        if collecting:
            gc.enable()
        if not was_on:
            tracemalloc.stop()
    assert model is not None
    return model, min(held), size


def rmse(model: Any, X: Floats, y: Floats) -> float:
    """Root mean squared error of a predictor."""
    return float(np.sqrt(np.mean((model.predict(X) - y) ** 2)))


def decided(model: Any, truth: World, seed: int) -> tuple[Ints, float]:
    """Configurations that the model chooses for some functions, and its regret: their true seconds over
    those of the best ones, the mean."""
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
        for model, seconds in zip(models, took, strict=True):
            began = time.perf_counter()
            model.predict(query)
            seconds.append(time.perf_counter() - began)
    return [(median(seconds), quantiles(seconds, n=20)[-1]) for seconds in took]


# -- the user's own runs -------------------------------------------------------------------------------


def _of_own_runs(history: Any, *, forecasts: bool) -> list[Outcome]:
    """What pruning, and forecasts, promise of the user's own runs."""
    found = [of_history(history)]
    if forecasts:
        found.append(forecasting.of_own_history(list(history.read())))
    return found


def of_history(history: History) -> Outcome:
    """The user's own runs: pruned in memory, judged by rows that pruning did not see."""
    copy = MemoryHistory(max_rows=max(1, history.stats().rows))
    copy.add(history.read())
    result = prune_training_data(copy)
    change = result.error_change
    checks = [
        Check("rows", "some", f"{result.before.rows:,}", verdict_of(result.before.rows > 0)),
        Check(
            "error",
            result.promise,
            "nothing was removed" if change is None else f"{change:+.1%}",
            verdict_of(result.held),
        ),
    ]
    if result.before.rows < CERTIFIABLE_ROWS:
        checks.append(
            Check("certainty", f"{CERTIFIABLE_ROWS} rows", f"{result.before.rows} rows", UNDECIDED)
        )
    none = estimate([change or 0.0])
    return Outcome(
        "your history", "own", history.location, "auto", None, (), none, estimate([0.0]),
        estimate([result.memory_reduction]), tuple(checks),
    )  # fmt: skip


# -- what is drawn -------------------------------------------------------------------------------------


def pictures(seed: int) -> dict[str, Any]:
    """Pareto front, sizes tried, learning curve, and labels predicted and true, of one world: fields of
    the report."""
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
    bound = PrototypeSelector(tolerance=LADDER_TOLERANCE)
    bound.fit_resample(X, y)
    learning = [
        (count, rmse(KNNRegressor().fit(X[:count], y[:count]), X_new, y_new))
        for count in (20, 50, 100, 200, 500, 1_000, 2_000)
    ]
    guess = KNNRegressor().fit(X, y).predict(X_new[:300])
    calibration = zip(guess.tolist(), y_new[:300].tolist(), strict=True)
    return {
        "front": tuple(front),
        "ladder": tuple((one.kept, one.change, one.passed) for one in bound.report_.ladder),
        "ladder_tolerance": LADDER_TOLERANCE,
        "learning": tuple(learning),
        "calibration": tuple(calibration),
    }
