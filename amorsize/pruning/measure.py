"""Measuring predictors before and after pruning: memory, latency, and what they decide."""

from __future__ import annotations

import time
import tracemalloc

import numpy as np

from amorsize.core.model import Config
from amorsize.history.memory import MemoryHistory
from amorsize.learning.predictor import Predictor
from amorsize.learning.regressor import KNNRegressor
from amorsize.pruning.result import Measured

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from amorsize.core.observation import Observation
    from amorsize.learning.neighbors import Floats

QUERIES = 200
"""Predictions of which a latency is the median."""

Decisions = dict[str, tuple[Config, float]]
"""For each function that ran in several configurations: the one chosen, and its regret."""


def measure_arrays(
    model: Any, X: Floats, y: Floats, weight: Floats | None, error: float | None
) -> Measured:
    """A copy of an estimator over some rows, whose ``error`` at rows not seen is known already."""

    def fit() -> Any:
        fresh = type(model)(**model.get_params(deep=False))
        if isinstance(fresh, KNNRegressor):
            return fresh.fit(X, y, weight)
        return fresh.fit(X, y)

    fitted, memory = _with_memory(fit)
    queries = [X[i : i + 1] for i in range(0, len(X), max(1, len(X) // QUERIES))]
    latency = _latency(fitted.predict, queries)
    return Measured(len(X), memory, X.nbytes + y.nbytes, *latency, error, None)


def measure_history(
    rows: list[Observation],
    runs: list[Observation],
    parameters: dict[str, dict[str, object]],
) -> tuple[Measured, Decisions]:
    """A predictor over the rows, and what it decides about the functions of all the runs.

    The bytes of the store and the error are left open."""
    history = MemoryHistory(max_rows=max(1, len(rows)))
    history.add(rows)
    table = history.table()
    predictor, memory = _with_memory(lambda: Predictor(table, parameters))
    some = runs[:: max(1, len(runs) // QUERIES)]
    asked = [predictor.residual(one.profile, one.machine, one.items) for one in some]
    latency = _latency(
        lambda pair: pair[0](pair[1]), list(zip(asked, [one.config for one in some], strict=True))
    )
    decided = decisions(runs, predictor)
    regrets = [regret for _, regret in decided.values()]
    regret = float(np.mean(regrets)) if regrets else None
    return Measured(len(rows), memory, 0, *latency, None, regret), decided


def decisions(rows: Sequence[Observation], predictor: Predictor) -> Decisions:
    """What the predictor would choose among the configurations that each function has run in."""
    by_function: dict[str, dict[Config, list[Observation]]] = {}
    for one in rows:
        if one.outcome == "done" and one.model_seconds > 0 and one.wall_seconds > 0:
            by_function.setdefault(one.fingerprint, {}).setdefault(one.config, []).append(one)
    found: Decisions = {}
    for name, configs in by_function.items():
        if len(configs) < 2:
            continue
        real, expected = {}, {}
        for config, runs in configs.items():
            weight = sum([run.weight for run in runs])
            each = [max(run.items, 1) for run in runs]
            real[config] = (
                sum(
                    [
                        run.weight * np.log(run.wall_seconds / n)
                        for run, n in zip(runs, each, strict=True)
                    ]
                )
                / weight
            )
            last = runs[-1]
            known = predictor.residual(last.profile, last.machine, last.items)(config)
            expected[config] = np.log(last.model_seconds / each[-1]) + (known[0] if known else 0.0)
        chosen = min(expected, key=expected.__getitem__)
        found[name] = chosen, float(np.exp(real[chosen] - min(real.values())))
    return found


def changed_share(before: Decisions, after: Decisions) -> float | None:
    """Share of the functions for which another configuration is chosen; None without functions."""
    both = before.keys() & after.keys()
    if not both:
        return None
    return sum(before[name][0] != after[name][0] for name in both) / len(both)


def _with_memory(build: Callable[[], Any]) -> tuple[Any, int]:
    """What was built, and the bytes that it holds."""
    was_on = tracemalloc.is_tracing()
    if not was_on:
        tracemalloc.start()
    try:
        start = tracemalloc.get_traced_memory()[0]
        built = build()
        return built, max(0, tracemalloc.get_traced_memory()[0] - start)
    finally:
        if not was_on:
            tracemalloc.stop()


def _latency(ask: Callable[[Any], Any], queries: Sequence[Any]) -> tuple[float, float]:
    """Median and 95th percentile of the seconds of one question."""
    took = []
    for query in queries:
        began = time.perf_counter()
        ask(query)
        took.append(time.perf_counter() - began)
    if not took:
        return 0.0, 0.0
    return float(np.median(took)), float(np.percentile(took, 95))
