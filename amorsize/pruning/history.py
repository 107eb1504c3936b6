"""Pruning a history: rows of each backend as arrays, prototypes as observations again.

A prototype is written as the newest of the runs that it stands for, with their mean residual and their
number as its weight: integers stay integers, and it can be pruned, exported and merged again.
"""

from __future__ import annotations

import time
import tracemalloc
from math import exp

import numpy as np

from amorsize.core.frozen import replace
from amorsize.core.observation import Observation, to_line, work_ratio
from amorsize.history.base import History, Table
from amorsize.history.memory import MemoryHistory
from amorsize.learning.features import Arrays
from amorsize.learning.parameters import parameters_of
from amorsize.learning.predictor import DEFAULT_PARAMETERS, Predictor
from amorsize.learning.regressor import KNNRegressor
from amorsize.pruning.result import Measured, PruningResult

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from amorsize.core.model import Config
    from amorsize.learning.neighbors import Floats
    from amorsize.pruning.select import Report

    Progress = Callable[[int, int, str], None]

FAILED_RUNS_KEPT = 5
"""Runs of a function that did not end well are kept up to so many: no predictor reads them."""
QUERIES = 200
"""Predictions that a latency is the median of."""
ATTEMPTS = 3
"""How often pruning is begun anew because somebody else removed rows in the meantime."""


def prune(
    data: Any,
    options: dict[str, Any],
    estimator: Any,
    columns: dict[str, Any],
    dry_run: bool,
    archive: Any,
    progress: Progress | None,
) -> PruningResult:
    """See `amorsize.ml_pruning.prune_training_data`."""
    tell = progress or (lambda done, total, what: None)
    if isinstance(data, tuple) and len(data) == 2:
        if archive is not None:
            raise ValueError("archive= is for a history: arrays stay where they are")
        return _prune_arrays(data[0], data[1], options, estimator, columns, tell)
    given = {"estimator": estimator, **columns}
    for name, value in given.items():
        if value is not None:
            raise ValueError(f"{name}= is for a tuple of arrays: a history has its own")
    if isinstance(data, History):
        for _ in range(ATTEMPTS):
            result = _prune_history(data, options, dry_run, archive, tell)
            if result is not None:
                return result
        raise RuntimeError(
            f"{data.location} is being pruned by another process; try again when it has finished"
        )
    rows = list(data)
    if not all(isinstance(one, Observation) for one in rows):
        raise TypeError(
            "data must be a History, a tuple (X, y) or a sequence of Observation, "
            f"not {type(data).__name__}"
        )
    history = MemoryHistory(max_rows=max(1, len(rows)))
    history.add(rows)
    result = _prune_history(history, options, False, archive, tell)
    assert result is not None
    return replace(result, observations=list(history.read()), dry_run=dry_run)


# -- arrays --------------------------------------------------------------------------------------------


def _prune_arrays(
    X: Any,
    y: Any,
    options: dict[str, Any],
    estimator: Any,
    columns: dict[str, Any],
    tell: Progress,
) -> PruningResult:
    from amorsize.pruning.selector import PrototypeSelector

    began = time.perf_counter()
    selector = PrototypeSelector(**options, estimator=estimator)
    tell(0, 2, "pruning")
    X_kept, y_kept = selector.fit_resample(X, y, **columns)
    seconds = time.perf_counter() - began
    tell(1, 2, "measuring")
    X, y = np.asarray(X, float), np.asarray(y, float)
    model = KNNRegressor() if estimator is None else estimator
    report = selector.report_

    def measured(X: Floats, y: Floats, weight: Floats | None, error: float | None) -> Measured:
        def fit() -> Any:
            fresh = type(model)(**model.get_params(deep=False))
            if isinstance(fresh, KNNRegressor):
                return fresh.fit(X, y, weight)
            return fresh.fit(X, y)

        fitted, held = _held(fit)
        queries = [X[i : i + 1] for i in range(0, len(X), max(1, len(X) // QUERIES))]
        return Measured(
            len(X), held, X.nbytes + y.nbytes, *_latency(fitted.predict, queries), error, None
        )

    weight = columns["sample_weight"]
    before = measured(
        X, y, None if weight is None else np.asarray(weight, float), report.error_before
    )
    after = measured(X_kept, y_kept, selector.sample_weight_, report.error_after)
    tell(2, 2, "done")
    return PruningResult(
        strategy=options["strategy"],
        promise=_promise(options),
        held=_held_promise([report], options),
        certified=report.certified,
        before=before,
        after=after,
        reports=(("samples", report),),
        error_change=report.error_change,
        error_interval=report.error_interval,
        changed_decisions=None,
        seconds=seconds,
        reasons=(),
        dry_run=True,
        X=X_kept,
        y=y_kept,
        sample_weight=selector.sample_weight_,
    )


# -- a history -----------------------------------------------------------------------------------------


def _prune_history(
    history: History, options: dict[str, Any], dry_run: bool, archive: Any, tell: Progress
) -> PruningResult | None:
    """None if rows that were to go had gone already: begin anew."""
    from amorsize.history.errors import HistoryChanged

    began = time.perf_counter()
    table = history.table()
    parameters = parameters_of(history)
    backends = sorted(set(table.texts["config.backend"]))
    total = len(backends) + 3
    tell(0, total, "reading")
    rows = list(table.observations())
    remove, fresh, reports = _condensed(table, rows, parameters, options, tell, total)
    seconds = time.perf_counter() - began
    tell(total - 2, total, "measuring")
    gone = set(remove)
    renewed = {one.id: one for one in fresh}
    kept = [renewed.get(one.id, one) for one in rows if one.id in renewed or one.id not in gone]
    store_before = history.stats().size_bytes
    before = _measured(rows, rows, parameters, store_before)
    after = _measured(kept, rows, parameters, 0)
    if not dry_run and (remove or fresh):
        if archive is not None:
            with open(archive, "a", encoding="utf-8") as file:
                file.writelines(to_line(one) + "\n" for one in rows if one.id in gone)
        try:
            history.replace(remove, fresh, strict=True)
        except HistoryChanged:
            return None
        from amorsize.pruning.upkeep import note_pruned

        note_pruned(history, len(kept))
    tell(total, total, "done")
    changed = _changed(before[1], after[1])
    shares = [(report, report.rows) for _, report in reports if report.error_change is not None]
    weight = sum(count for _, count in shares)
    error = error_before = error_after = interval = None
    if weight:
        error, error_before, error_after = (
            sum([(getattr(report, name) or 0.0) * count for report, count in shares]) / weight
            for name in ("error_change", "error_before", "error_after")
        )
        low, high = (
            sum([(report.error_interval or (0.0, 0.0))[side] * count for report, count in shares])
            / weight
            for side in (0, 1)
        )
        interval = (low, high)
    store_after = before[0].store_bytes if dry_run else history.stats().size_bytes
    all_reports = [report for _, report in reports]
    return PruningResult(
        strategy=options["strategy"],
        promise=_promise(options),
        held=_held_promise(all_reports, options),
        certified=bool(all_reports) and all(report.certified for report in all_reports),
        before=replace(before[0], error=error_before),
        after=replace(after[0], store_bytes=store_after, error=error_after),
        reports=tuple(reports),
        error_change=error,
        error_interval=interval,
        changed_decisions=changed,
        seconds=seconds,
        reasons=() if rows else ("the history is empty",),
        dry_run=dry_run,
        archive=None if archive is None or dry_run else str(archive),
    )


def _condensed(
    table: Table,
    rows: list[Observation],
    parameters: dict[str, dict[str, object]],
    options: dict[str, Any],
    tell: Progress,
    total: int,
) -> tuple[list[str], list[Observation], list[tuple[str, Report]]]:
    """Ids to remove, observations to write in the place of some of them, and reports by backend."""
    from amorsize.pruning.selector import PrototypeSelector

    arrays = Arrays(table)
    remove: list[str] = []
    fresh: list[Observation] = []
    reports: list[tuple[str, Report]] = []
    times = np.array([one.time for one in rows])
    for done, backend in enumerate(sorted(set(arrays.backend)), 1):
        tell(done, total, backend)
        places = arrays.of_backend(backend)
        chosen = parameters.get(backend) or DEFAULT_PARAMETERS
        selector = PrototypeSelector(**options, estimator=KNNRegressor(**chosen))  # type: ignore[arg-type]
        mine = arrays.rows[places]
        _, y = selector.fit_resample(
            arrays.X[places],
            arrays.y[places],
            arrays.weight[places],
            times[mine],
            [rows[row].fingerprint for row in mine],
        )
        reports.append((backend, selector.report_))
        members: dict[int, list[Observation]] = {}
        for row, owner in zip(mine, selector.owner_, strict=True):
            if owner < 0:
                remove.append(rows[row].id)
            else:
                members.setdefault(int(owner), []).append(rows[row])
        for owner, some in members.items():
            if len(some) == 1:
                continue
            remove += [one.id for one in some]
            fresh.append(prototype(some, float(y[owner]), float(selector.sample_weight_[owner])))
    remove += _stale(rows, set(arrays.rows.tolist()))
    return remove, fresh, reports


def prototype(members: Sequence[Observation], residual: float, mass: float) -> Observation:
    """One observation for several runs of a function: the newest, with their residual and mass."""
    newest = max(members, key=lambda one: one.time)
    wall = newest.model_seconds * exp(residual + work_ratio(newest))
    return replace(newest, wall_seconds=wall, weight=mass)


def _stale(rows: list[Observation], learned: set[int]) -> list[str]:
    """Ids of runs that no predictor reads, but for the newest of each function."""
    seen: dict[str, int] = {}
    stale = []
    for place in range(len(rows) - 1, -1, -1):
        if place in learned:
            continue
        name = rows[place].fingerprint
        seen[name] = seen.get(name, 0) + 1
        if seen[name] > FAILED_RUNS_KEPT:
            stale.append(rows[place].id)
    return stale


# -- measuring -----------------------------------------------------------------------------------------

Decisions = dict[str, tuple["Config", float]]
"""For each function that ran in several configurations: the one chosen, and its regret."""


def _measured(
    rows: list[Observation],
    runs: list[Observation],
    parameters: dict[str, dict[str, object]],
    store_bytes: int,
) -> tuple[Measured, Decisions]:
    """A predictor over the rows, and what it decides about the functions of all the runs."""
    history = MemoryHistory(max_rows=max(1, len(rows)))
    history.add(rows)
    table = history.table()
    predictor, held = _held(lambda: Predictor(table, parameters))
    some = runs[:: max(1, len(runs) // QUERIES)]
    asked = [predictor.residual(one.profile, one.machine, one.items) for one in some]
    latency = _latency(
        lambda pair: pair[0](pair[1]), list(zip(asked, [one.config for one in some], strict=True))
    )
    decided = decisions(runs, predictor)
    regrets = [regret for _, regret in decided.values()]
    regret = float(np.mean(regrets)) if regrets else None
    return Measured(len(rows), held, store_bytes, *latency, None, regret), decided


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


def _changed(before: Decisions, after: Decisions) -> float | None:
    both = before.keys() & after.keys()
    if not both:
        return None
    return sum(before[name][0] != after[name][0] for name in both) / len(both)


def _held(build: Callable[[], Any]) -> tuple[Any, int]:
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


def _promise(options: dict[str, Any]) -> str:
    from amorsize.pruning.select import STRATEGIES

    if options["keep_fraction"] is not None:
        return f"keep {options['keep_fraction']:.0%}"
    tolerance = options["tolerance"] or STRATEGIES[options["strategy"]][0]
    return f"error at most {tolerance:.0%} higher, {2 * tolerance:.0%} in any region"


def _held_promise(reports: Sequence[Report], options: dict[str, Any]) -> bool:
    if options["keep_fraction"] is not None:
        return True
    return all(
        report.error_change is None or report.error_change <= (report.tolerance or 0.0)
        for report in reports
    )
