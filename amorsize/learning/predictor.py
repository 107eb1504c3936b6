"""What the runs of similar functions add to the cost model: nearest neighbours among them, with NumPy.

Kinds are never averaged: each backend has neighbours of its own.
"""

from __future__ import annotations

from amorsize.learning.features import LEAST_ROWS, Arrays, encoder
from amorsize.learning.parameters import parameters_of
from amorsize.learning.regressor import KNNRegressor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from amorsize.core.model import Config, Machine, Profile
    from amorsize.history.base import History, Table
    from amorsize.history.resilient import SafeHistory
    from amorsize.learning.residuals import Residual

GROWTH_SHARE = 0.2
"""A predictor is outgrown by new observations of this share of its rows: its neighbourhoods of five rows
then have one new row each, on average."""
DEFAULT_PARAMETERS: dict[str, object] = {"n_neighbors": 5, "weights": "distance"}
"""Until the parameters have been tuned."""


class Predictor:
    """Nearest neighbours over a history, one set for each backend.

    ``parameters``: for each backend those of :class:`amorsize.ml_prediction.KNNRegressor`, as
    :func:`amorsize.learning.parameters.tune` found them. Building takes some milliseconds for 10,000
    rows; an answer 50 µs.
    """

    def __init__(
        self, table: Table, parameters: dict[str, dict[str, object]] | None = None
    ) -> None:
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
    def of(cls, history: History | SafeHistory, limit: int | None = None) -> Predictor | None:
        """A predictor of the newest ``limit`` rows with the parameters kept there; None without rows."""
        table = history.table(limit)
        return cls(table, parameters_of(history)) if table else None

    def residual(self, profile: Profile, machine: Machine, items: int) -> Residual:
        """Residuals for ``items`` more items like those of ``profile``.

        A residual v of spread s is drawn towards 0, the model's word, to v**3 / (v**2 + s**2): the
        share of it that is expected to be there."""
        encoded = encoder(profile, machine, items)

        def answer(config: Config) -> tuple[float, float, float] | None:
            model = self._models.get(config.backend)
            if model is None:
                return None
            value, spread = model.predict([encoded(config)], return_spread=True)
            v, s = float(value[0]), float(spread[0])
            return (v**3 / (v * v + s * s) if v else 0.0), s, float(model.n_neighbors)

        return answer

    def is_outgrown(self, new_rows: int) -> bool:
        """Whether so many observations have come since that another predictor would know more."""
        return new_rows >= max(LEAST_ROWS, GROWTH_SHARE * self.rows)


def _fitted(arrays: Arrays, places: Sequence[int], parameters: dict[str, object]) -> KNNRegressor:
    model = KNNRegressor(**parameters)  # type: ignore[arg-type]
    groups = [arrays.group[place] for place in places]
    return model.fit(arrays.X[places], arrays.y[places], arrays.weight[places], groups)
