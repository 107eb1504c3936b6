"""Pruning a history, observations or arrays: `prune_training_data`.

    History --table()--> rows of each backend as arrays --PrototypeSelector--> prototypes as observations
            <--replace(remove, fresh), one transaction--

A prototype is written as the newest of the runs that it stands for, with their mean residual and their
number as its weight: integers stay integers, and it can be pruned, exported and merged again.
"""

from __future__ import annotations

import json
import time
from math import exp, inf

import numpy as np

from amorsize.core.frozen import replace
from amorsize.core.observation import Observation, work_ratio
from amorsize.history.base import History, Table
from amorsize.history.errors import HistoryChanged
from amorsize.history.memory import MemoryHistory
from amorsize.learning.features import Arrays
from amorsize.learning.parameters import parameters_of, tune
from amorsize.learning.predictor import DEFAULT_PARAMETERS
from amorsize.learning.regressor import KNNRegressor
from amorsize.pruning.archive import append, refuse_other
from amorsize.pruning.certificate import REGION_FACTOR, spent
from amorsize.pruning.measure import changed_share, measure_arrays, measure_history
from amorsize.pruning.result import PruningResult
from amorsize.pruning.select import STRATEGIES
from amorsize.pruning.selector import PrototypeSelector

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from dataclasses import dataclass
    from typing import Any

    from numpy.typing import ArrayLike

    from amorsize.pruning.result import Report

    Progress = Callable[[int, int, str], None]
    """Takes the parts done, their number, and what is being done."""
else:
    from amorsize.core.frozen import dataclass

FAILED_RUNS_KEPT = 5
"""Runs of a function that did not end well and are kept, the newest: no predictor reads them."""
ATTEMPTS = 3
"""Times that pruning is begun anew because another process removed rows in the meantime."""
GROWN = 1.5
"""A history is pruned when it has so many times the rows that the last pruning left."""
FULL_SHARE = 0.9
"""A history is pruned, too, when it has this share of the rows that it may have: beyond them the oldest
rows would be dropped without being merged."""
LEAST_ROWS = 200
"""Rows of the smallest history that is pruned."""
NOTE = "upkeep"
"""Name of the history's note on its prunings."""


@dataclass(frozen=True)
class Life:
    """What a history's note says of the prunings that it has had."""

    rows: int = 0
    """Rows that the last one left."""
    prunings: int = 0
    """How many of them tested a size: each spends a part of the level."""
    carried: float = 0.0
    """Level of tests that passed in the last of those: it is not spent."""
    seen: float = -inf
    """Time of the newest run that one of them has merged with others, or kept after a look."""


def prune_training_data(
    data: Any,
    strategy: str = "auto",
    *,
    tolerance: float | None = None,
    keep_fraction: float | None = None,
    merge: bool = True,
    similarity_threshold: float | None = None,
    estimator: Any = None,
    level: float = 0.05,
    random_state: int | None = None,
    sample_weight: ArrayLike | None = None,
    timestamps: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    dry_run: bool = False,
    archive: Any = None,
    progress: Progress | None = None,
) -> PruningResult:
    """Prune a history in place, or arrays, and measure the effect.

    Parameters
    ----------
    data : History, sequence of Observation, or tuple (X, y)
        A history is pruned in one transaction: readers see it as it was before, or as it is after. Rows
        that arrive meanwhile stay. Similar runs of a function become one row: the newest of them, with
        their mean residual and their weight. Observations and arrays are not changed; the result has what
        is kept.
    strategy, tolerance, keep_fraction, merge, similarity_threshold, estimator, level, random_state :
        As in `PrototypeSelector`. ``estimator`` is only for a tuple of arrays: a history is tested with
        its own predictor. The probability of a false certificate is at most ``level`` for all prunings of
        a history together: each whose test fails uses up a part of it. All are tested on the runs that
        came since the last one.
    sample_weight, timestamps, groups :
        As in `PrototypeSelector.fit_resample`, only for a tuple of arrays: a history has its own.
    dry_run : bool, default=False
        Measure, and change nothing in the history.
    archive : path, default=None
        A file to which the rows of a history that go are appended before they go, as they were: those in
        whose place a merged row stays, too. `History.import_lines` reads it. It holds the history's key.
    progress : callable, default=None
        Called with (done, total, what) when a part is finished.

    Returns
    -------
    PruningResult
        What was removed and kept, with the report; ``print(result)`` shows it.

    Raises
    ------
    ValueError
        As in `PrototypeSelector.fit_resample`, for a parameter that does not suit this kind of data, and
        for an ``archive`` that holds something else.
    TypeError
        The data are of another kind.
    RuntimeError
        Other processes removed rows of the history again and again meanwhile.
    HistoryError, OSError
        The history cannot be used, or the archive cannot be written.
    """
    selector = PrototypeSelector(
        strategy,
        tolerance=tolerance,
        keep_fraction=keep_fraction,
        merge=merge,
        similarity_threshold=similarity_threshold,
        estimator=estimator,
        level=level,
        lighter=False,  # one weight for each row, by which it is merged again and again
        random_state=random_state,
    )
    columns = {"sample_weight": sample_weight, "timestamps": timestamps, "groups": groups}
    tell = progress or (lambda done, total, what: None)
    if isinstance(data, tuple) and len(data) == 2:
        _refuse_archive(archive, "arrays")
        return _prune_arrays(data[0], data[1], selector, columns, tell)
    for name, value in {"estimator": estimator, **columns}.items():
        if value is not None:
            raise ValueError(f"{name}= is for a tuple of arrays: a history has its own")
    if isinstance(data, History):
        if archive is not None:
            refuse_other(archive, data)
        for _ in range(ATTEMPTS):
            result = _prune_history(data, selector, dry_run, archive, tell)
            if result is not None:
                return result
        raise RuntimeError(
            f"{data.location} is being pruned by another process; try again when it has finished"
        )
    _refuse_archive(archive, "observations")
    rows = list(data)
    if not all(isinstance(one, Observation) for one in rows):
        raise TypeError(
            "data must be a History, a tuple (X, y) or a sequence of Observation, "
            f"not {type(data).__name__}"
        )
    history = MemoryHistory(max_rows=max(1, len(rows)))
    history.add(rows)
    result = _prune_history(history, selector, False, archive, tell)
    assert result is not None
    return replace(result, observations=list(history.read()), dry_run=dry_run)


def life(history: History) -> Life:
    """The prunings that a history has had."""
    try:
        found = json.loads(history.note(NOTE) or "{}")
        return Life(
            int(found.get("rows", 0)),
            int(found.get("prunings", 0)),
            float(found.get("carried", 0.0)),
            float(found.get("seen", -inf)),
        )
    except (ValueError, TypeError, AttributeError):
        return Life()


def is_due(history: History) -> bool:
    """Whether the history should be pruned now."""
    stats = history.stats()
    return stats.rows >= LEAST_ROWS and (
        stats.rows >= GROWN * life(history).rows or stats.rows >= FULL_SHARE * stats.max_rows
    )


def maintain(history: History, strategy: str) -> bool:
    """Prune and tune if it is due; whether it was."""
    if not is_due(history):
        return False
    prune_training_data(history, strategy)
    tune(history)
    return True


# -- arrays --------------------------------------------------------------------------------------------


def _prune_arrays(
    X: Any,
    y: Any,
    selector: PrototypeSelector,
    columns: dict[str, Any],
    tell: Progress,
) -> PruningResult:
    began = time.perf_counter()
    tell(0, 2, "pruning")
    X_kept, y_kept = selector.fit_resample(X, y, **columns)
    seconds = time.perf_counter() - began
    tell(1, 2, "measuring")
    X, y = np.asarray(X, float), np.asarray(y, float)
    weight = columns["sample_weight"]
    weight = None if weight is None else np.asarray(weight, float)
    model = KNNRegressor() if selector.estimator is None else selector.estimator
    report = selector.report_
    before = measure_arrays(model, X, y, weight, report.error_before)
    after = measure_arrays(model, X_kept, y_kept, selector.sample_weight_, report.error_after)
    tell(2, 2, "done")
    return PruningResult(
        strategy=selector.strategy,
        promise=_promise(selector),
        held=_is_held([report], selector),
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
    history: History, selector: PrototypeSelector, dry_run: bool, archive: Any, tell: Progress
) -> PruningResult | None:
    """None if rows that were to go had gone already: begin anew."""
    began = time.perf_counter()
    table = history.table()
    parameters = parameters_of(history)
    total = len(set(table.texts["config.backend"])) + 3
    tell(0, total, "reading")
    rows = list(table.observations())
    past = life(history)
    remove, fresh, reports = _condensed(
        table, rows, parameters, selector, past, lambda done, what: tell(done, total, what)
    )
    seconds = time.perf_counter() - began
    tell(total - 2, total, "measuring")
    gone = set(remove)
    renewed = {one.id: one for one in fresh}
    kept = [renewed.get(one.id, one) for one in rows if one.id in renewed or one.id not in gone]
    store_before = history.stats().size_bytes
    before, decided_before = measure_history(rows, rows, parameters)
    after, decided_after = measure_history(kept, rows, parameters)
    if not dry_run and archive is not None:
        append(archive, history, [one for one in rows if one.id in gone])
    if not dry_run and (remove or fresh):
        try:
            history.replace(remove, fresh, strict=True)
        except HistoryChanged:
            return None
    if not dry_run and rows:
        merged = any(report.error_change is not None for report in reports.values())
        seen = max(past.seen, max(one.time for one in rows)) if merged else past.seen
        note = {"rows": len(kept), **_spending(past, list(reports.values()))}
        history.set_note(NOTE, json.dumps(note if seen == -inf else {**note, "seen": seen}))
    tell(total, total, "done")
    store_after = store_before if dry_run else history.stats().size_bytes
    errors = _combined(reports)
    return PruningResult(
        strategy=selector.strategy,
        promise=_promise(selector),
        held=_is_held(list(reports.values()), selector),
        certified=bool(reports) and all(report.certified for report in reports.values()),
        before=replace(before, store_bytes=store_before, error=errors["error_before"]),
        after=replace(after, store_bytes=store_after, error=errors["error_after"]),
        reports=tuple(reports.items()),
        error_change=errors["error_change"],
        error_interval=errors["error_interval"],
        changed_decisions=changed_share(decided_before, decided_after),
        seconds=seconds,
        reasons=() if rows else ("the history is empty",),
        dry_run=dry_run,
        archive=None if archive is None or dry_run else str(archive),
    )


def _refuse_archive(archive: Any, what: str) -> None:
    if archive is not None:
        raise ValueError(f"archive= is for a history: {what} stay where they are")


def _spending(past: Life, reports: list[Report]) -> dict[str, float]:
    """How many prunings have tested a size, and the level that the last of them did not spend: that of
    tests that passed, and of parts where none was made."""
    tested = [any(rung.passed is not None for rung in one.ladder) for one in reports]
    if not any(tested):
        return {"prunings": past.prunings, "carried": past.carried}
    left = [one.level for one, was in zip(reports, tested, strict=True) if one.certified or not was]
    return {"prunings": past.prunings + 1, "carried": sum(left)}


def _combined(reports: dict[str, Report]) -> dict[str, Any]:
    """Errors over all backends: means weighted by rows; None where nothing was checked."""
    names = ("error_change", "error_before", "error_after")
    checked = [one for one in reports.values() if one.error_change is not None]
    weight = sum(one.rows for one in checked)
    if not weight:
        return dict.fromkeys((*names, "error_interval"))
    found: dict[str, Any] = {
        name: sum([(getattr(one, name) or 0.0) * one.rows for one in checked]) / weight
        for name in names
    }
    low, high = (
        sum([(one.error_interval or (0.0, 0.0))[side] * one.rows for one in checked]) / weight
        for side in (0, 1)
    )
    return {**found, "error_interval": (low, high)}


def _condensed(
    table: Table,
    rows: list[Observation],
    parameters: dict[str, dict[str, object]],
    selector: PrototypeSelector,
    past: Life,
    tell: Callable[[int, str], None],
) -> tuple[list[str], list[Observation], dict[str, Report]]:
    """Ids to remove, observations to write in the place of some of them, and reports by backend."""
    arrays = Arrays(table)
    remove: list[str] = []
    fresh: list[Observation] = []
    reports: dict[str, Report] = {}
    times = np.array([one.time for one in rows])
    backends = sorted(set(arrays.backend))
    level = spent(selector.level, past.prunings + 1, past.carried) / max(1, len(backends))
    for done, backend in enumerate(backends, 1):
        tell(done, backend)
        places = arrays.of_backend(backend)
        chosen = parameters.get(backend) or DEFAULT_PARAMETERS
        own = {"estimator": KNNRegressor(**chosen), "level": level}  # type: ignore[arg-type]
        given = {**selector.get_params(deep=False), **own}
        one_backend = PrototypeSelector(**given)
        mine = arrays.rows[places]
        _, y = one_backend.fit_resample(
            arrays.X[places],
            arrays.y[places],
            arrays.weight[places],
            times[mine],
            [rows[row].fingerprint for row in mine],
            (times[mine] > past.seen) & (arrays.weight[places] <= 1.0),
        )
        reports[backend] = one_backend.report_
        members: dict[int, list[Observation]] = {}
        mass = one_backend.sample_mass_
        for row, owner in zip(mine, one_backend.owner_, strict=True):
            if owner < 0:
                remove.append(rows[row].id)
            else:
                members.setdefault(int(owner), []).append(rows[row])
        for owner, some in members.items():
            if len(some) == 1:
                continue
            remove += [one.id for one in some]
            fresh.append(prototype(some, float(y[owner]), float(mass[owner])))
    remove += _stale(rows, set(arrays.rows.tolist()))
    return remove, fresh, reports


def prototype(members: Sequence[Observation], residual: float, mass: float) -> Observation:
    """One observation for several runs of a function: the newest, with their residual and mass."""
    newest = max(members, key=lambda one: one.time)
    wall = newest.model_seconds * exp(residual + work_ratio(newest))
    return replace(newest, wall_seconds=wall, weight=mass)


def _stale(rows: list[Observation], learned: set[int]) -> list[str]:
    """Ids of runs that no predictor reads, but for the newest FAILED_RUNS_KEPT of each function."""
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


def _promise(selector: PrototypeSelector) -> str:
    """What the selector's parameters promise, in words."""
    if selector.keep_fraction is not None:
        return f"keep {selector.keep_fraction:.0%}"
    tolerance = selector.tolerance or STRATEGIES[selector.strategy][0]
    return f"error at most {tolerance:.0%} higher, {REGION_FACTOR * tolerance:.0%} in any region"


def _is_held(reports: Sequence[Report], selector: PrototypeSelector) -> bool:
    """Whether the error of each part stayed within its tolerance, as far as it was checked."""
    if selector.keep_fraction is not None:
        return True
    return all(
        report.error_change is None or report.error_change <= (report.tolerance or 0.0)
        for report in reports
    )
