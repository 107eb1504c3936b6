"""What experience adds to the cost model: the logarithm of real seconds over the model's.

``known_residual`` answers for a function that ran before, from its own runs, in plain Python;
:class:`Predictor` answers for one that is like others, by nearest neighbours, with NumPy. Both give,
for each configuration in question, a residual and its spread; with no experience the residual is 0
and the model decides alone. Kinds are never averaged: each backend has neighbours of its own.
"""

from __future__ import annotations

from math import exp, log

from amorsize.observations import LARGEST_RESIDUAL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from amorsize.features import Arrays
    from amorsize.history.contract import Table
    from amorsize.ml_prediction import KNNRegressor
    from amorsize.observations import Observation
    from amorsize.records import Config, Machine, Profile

    Residual = Callable[[Config], tuple[float, float] | None]

HALVED_BY_RUNS = 4.0
"""Of a function's own runs each one further back counts so much less that the fourth counts half."""
RUN_SPREAD = 0.1
"""Spread of a single run's log seconds (benchmarks/learning.py: 5 to 15 % on a shared host)."""
SAME_BACKEND_SHARE = 0.5
"""What of a residual is taken over to other worker counts of the same backend."""
UNSEEN_SPREAD = 0.4
"""Spread of the cost model alone (benchmarks/learning.py)."""
LEAST_ROWS = 20
"""Fewer rows of a backend teach nothing."""
LIKE_ITEMS = 8.0
"""Runs whose items took more than so many times longer or shorter than now say nothing of now."""


def known_residual(runs: Sequence[Observation], profile: Profile) -> Residual:
    """Residuals from a function's own runs, newest first. Complexity O(runs) for each question."""
    usable = [
        run
        for run in runs
        if run.outcome == "done"
        and run.wall_seconds > 0
        and run.model_seconds > 0
        and _is_like(run.profile.item_seconds, profile.item_seconds)
    ]

    def residual(config: Config) -> tuple[float, float] | None:
        same = _mean([run for run in usable if _shape(run.config) == _shape(config)])
        if same is not None:
            value, weight = same
            return value, RUN_SPREAD / weight**0.5
        kind = _mean([run for run in usable if run.config.backend == config.backend])
        return None if kind is None else (SAME_BACKEND_SHARE * kind[0], UNSEEN_SPREAD / 2)

    return residual


def _shape(config: Config) -> tuple[str, int, int]:
    return config.backend, config.n_jobs, config.threads_per_job


def _is_like(before: float, now: float) -> bool:
    return now <= 0 or before <= 0 or 1 / LIKE_ITEMS < before / now < LIKE_ITEMS


def _mean(runs: Sequence[Observation]) -> tuple[float, float] | None:
    total = value = 0.0
    for age, run in enumerate(runs):
        weight = run.weight * 0.5 ** (age / HALVED_BY_RUNS)
        found = log(run.wall_seconds / run.model_seconds)
        value += weight * min(max(found, -LARGEST_RESIDUAL), LARGEST_RESIDUAL)
        total += weight
    return (value / total, total) if total > 0 else None


class Predictor:
    """Nearest neighbours over a history, one set for each backend.

    ``parameters``: for each backend those of :class:`amorsize.ml_prediction.KNNRegressor`, as
    :meth:`tune` found them. Building takes some milliseconds for 10,000 rows; an answer 50 µs.
    """

    def __init__(
        self, table: Table, parameters: dict[str, dict[str, object]] | None = None
    ) -> None:
        from amorsize.features import Arrays

        arrays = Arrays(table)
        self.rows = len(table)
        self.parameters = dict(parameters or {})
        self._models: dict[str, KNNRegressor] = {}
        for backend in sorted(set(arrays.backend)):
            places = arrays.of_backend(backend)
            if len(places) < LEAST_ROWS:
                continue
            chosen = self.parameters.get(backend) or DEFAULT_PARAMETERS
            self._models[backend] = _fitted(arrays, places, chosen)

    @classmethod
    def tune(cls, table: Table) -> dict[str, dict[str, object]]:
        """Parameters for each backend, chosen by cross-validation over workloads: seconds of work."""
        from amorsize.features import Arrays
        from amorsize.ml_prediction import KNNRegressor

        arrays = Arrays(table)
        found: dict[str, dict[str, object]] = {}
        for backend in sorted(set(arrays.backend)):
            places = arrays.of_backend(backend)
            groups = [arrays.group[place] for place in places]
            if len(places) < LEAST_ROWS or len(set(groups)) < 3:
                continue
            model = KNNRegressor()
            model.tune(arrays.X[places], arrays.y[places], arrays.weight[places], groups)
            found[backend] = model.get_params()
        return found

    def residual(self, profile: Profile, machine: Machine, items: int) -> Residual:
        """Residuals for ``items`` more items like those of ``profile``.

        A residual v of spread s is drawn towards 0, the model's word, to v**3 / (v**2 + s**2): the
        share of it that is expected to be there."""

        from amorsize.features import encode

        def answer(config: Config) -> tuple[float, float] | None:
            model = self._models.get(config.backend)
            if model is None:
                return None
            row = [encode(profile, machine, config, items)]
            value, spread = model.predict(row, return_spread=True)
            v, s = float(value[0]), float(spread[0])
            return (v**3 / (v * v + s * s) if v else 0.0), s

        return answer


DEFAULT_PARAMETERS: dict[str, object] = {"n_neighbors": 5, "weights": "distance"}
"""Until the parameters have been tuned."""


def _fitted(arrays: Arrays, places: Sequence[int], parameters: dict[str, object]) -> KNNRegressor:
    from amorsize.ml_prediction import KNNRegressor

    model = KNNRegressor(**parameters)  # type: ignore[arg-type]
    groups = [arrays.group[place] for place in places]
    return model.fit(arrays.X[places], arrays.y[places], arrays.weight[places], groups)


def corrected(seconds: float, residual: float) -> float:
    """The model's seconds, corrected."""
    return seconds * exp(residual)
