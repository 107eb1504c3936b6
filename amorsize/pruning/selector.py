"""The estimators: arrays in, fewer rows with masses out, or predictions from such rows.

`PrototypeSelector` checks parameters and arrays; `amorsize.pruning.select` chooses. Its promises are in
``docs/guide/pruning.md``. `PrunedKNNRegressor` is selector and predictor in one.
"""

from __future__ import annotations

from math import inf

import numpy as np

from amorsize.learning.estimator import Parameters, not_fitted
from amorsize.learning.neighbors import floats
from amorsize.learning.regressor import KNNRegressor
from amorsize.pruning.problem import Task
from amorsize.pruning.select import STRATEGIES, cap, select

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import ArrayLike, NDArray

    from amorsize.learning.neighbors import Floats, Ints
    from amorsize.pruning.result import Report

LARGEST_VALUE = 1e100
"""Largest feature or target: squares of larger values, and their sums, come near the end of what a float
can hold."""


class SelectorParameters(Parameters):
    """The parameters that a selector and a predictor with a selector have in common."""

    strategy: str
    tolerance: float | None
    keep_fraction: float | None
    merge: bool
    similarity_threshold: float | None
    level: float
    lighter: bool | None
    random_state: int | None


class PrototypeSelector(SelectorParameters):
    """Select fewer rows from which a predictor predicts as well, within a bound that is checked.

    Exact duplicates are merged. The other rows are merged by labels and features, and also cut into cells
    by a tree. Of these prototypes, those are eliminated whose removal increases the error least. Labels
    are fitted with the kernel of the predictor, positions follow the gradient of its error, and held-out
    rows choose among the results. With a tolerance, sizes are searched on some rows and tested on others.
    The smallest size that passes is kept: the mean absolute error grows by at most the tolerance, and in
    each region by at most twice the tolerance. If no row is redundant, all rows are returned.

    Parameters
    ----------
    strategy : {"conservative", "auto", "aggressive"}, default="auto"
        A tolerance of 2, 5 or 10 %. Below 500 rows at most 40, 50 or 60 % of them are removed, because so
        few rows prove little. From 500 to 5,000 rows this limit rises to all rows.
    tolerance : float, default=None
        The share by which the error may grow: 0.03 is 3 %. It replaces the tolerance and the limit of the
        strategy.
    keep_fraction : float, default=None
        The share of the rows to keep, as good as possible at that size. The bound is not checked. Not
        together with ``tolerance``.
    merge : bool, default=True
        False: keep some of the rows unchanged, at least 5 of each region, and make no prototypes.
    similarity_threshold : float above 0 and at most 1, default=None
        If no ``groups`` are given: the similarity from which rows share a region. It is 1 minus the
        distance in normalised features, over the diagonal. None adapts it, starting at 0.5.
    estimator : regressor, default=None
        The predictor that you will use, by which the bound is checked: any object with ``fit``,
        ``predict`` and ``get_params``. None is ``KNNRegressor()``. With ``keep_fraction`` and None, the
        prototypes suit predictors that count rows as well as those that count weights.
    level : float above 0 and below 0.5, default=0.05
        The largest probability that the bound over all rows is certified falsely. Of the certified
        regions, at most this share is certified falsely.
    lighter : bool, default=None
        Whether the weight of a prototype may be less than the number of rows that it stands for. If k
        counts weight, one prototype of ten rows is a whole neighbourhood of five. With True, held-out
        rows choose whether several prototypes share a neighbourhood; each still weighs more than one
        row. With False, ``sample_weight_`` is equal to ``sample_mass_``. None: True with a
        ``tolerance`` or a ``keep_fraction``, False with a strategy.
    random_state : int, default=None
        Seed of the splits; None is 0. The order of the rows matters only for ties.

    Attributes
    ----------
    sample_weight_ : ndarray of shape (n_kept,)
        Weight of each prototype for the predictor: its mass, or less (see ``lighter``).
    sample_mass_ : ndarray of shape (n_kept,)
        Mass of each prototype: the sum of the weights of the rows that it stands for. If the data
        drift, old rows count less. A further pruning takes it as ``sample_weight``.
    sample_spread_ : ndarray of the shape of the returned y
        Standard deviation of y among those rows; ``KNNRegressor.fit`` takes it as ``y_spread``.
    sample_indices_ : ndarray of shape (n_kept,) or None
        Positions of the kept rows in X; None if they are prototypes.
    owner_ : ndarray of shape (n_samples,)
        Number of the prototype that stands for each row; -1 for rows that are too old.
    report_ : Report
        What was removed, and what was checked.
    n_features_in_ : int
        Number of features in ``fit_resample``.

    References
    ----------
    Condensing for regression: Kordos and Blachnik, "Instance selection with neural networks for
    regression problems", ICANN 2012; positions: Kusner et al., "Stochastic neighbor compression", ICML
    2014; agglomeration: Ward, "Hierarchical grouping to optimize an objective function", JASA 1963; the
    bound: Angelopoulos et al., "Learn then test", Annals of Applied Statistics 2025.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(0.0, 0.02, (2000, 2)) + rng.integers(0, 4, 2000)[:, None]
    >>> y = X[:, 0].round() + rng.normal(0.0, 0.1, 2000)
    >>> selector = PrototypeSelector(tolerance=0.05)
    >>> X_kept, y_kept = selector.fit_resample(X, y)
    >>> len(X_kept) < 200, round(float(selector.sample_mass_.sum()))
    (True, 2000)
    """

    estimator: Any
    sample_weight_: Floats
    sample_mass_: Floats
    sample_spread_: Floats
    sample_indices_: Ints | None
    owner_: Ints
    report_: Report
    n_features_in_: int

    def __init__(
        self,
        strategy: str = "auto",
        *,
        tolerance: float | None = None,
        keep_fraction: float | None = None,
        merge: bool = True,
        similarity_threshold: float | None = None,
        estimator: Any = None,
        level: float = 0.05,
        lighter: bool | None = None,
        random_state: int | None = None,
    ) -> None:
        self._store(locals())

    def fit_resample(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        timestamps: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        fresh: ArrayLike | None = None,
    ) -> tuple[Floats, Floats]:
        """Select the rows to keep, or make the prototypes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row, above 0: how many rows it stands for. None: each row stands for itself.
        timestamps : array-like of shape (n_samples,), default=None
            When each row was seen, in any unit. Old rows count less, or go, if the newest rows are then
            predicted better.
        groups : array-like of shape (n_samples,), default=None
            The region of each row: rows with the same value belong together. None: regions are found by
            clustering.
        fresh : array-like of bool of shape (n_samples,), default=None
            Which rows no earlier pruning has seen. Only these can prove the bound, because prototypes are
            not like rows to come. None: the rows with a weight of at most 1, if there are any; otherwise
            all.

        Returns
        -------
        X, y : ndarrays of n_kept rows
            Their weights are in ``sample_weight_``.

        Raises
        ------
        ValueError
            The input is empty, has NaN, infinity or a wrong shape, or a parameter is out of its range.
            The text names the value and the rule.
        """
        features, targets = _checked(X, y)
        rows, flat = len(features), targets.ndim == 1
        mass = _column(sample_weight, "sample_weight", rows)
        if mass is None:
            mass = np.ones(rows)
        elif not (mass > 0).all():
            raise ValueError("sample_weight must be above 0 in every row: leave such rows out")
        times = _column(timestamps, "timestamps", rows)
        seen = _column(fresh, "fresh", rows)
        new = mass <= 1.0 if seen is None else seen > 0
        if seen is None and not new.any():
            new[:] = True
        codes, names = (None, None) if groups is None else _coded(groups, rows)
        tolerance, most_removed = self._bound(rows)
        chosen = select(
            Task(
                X=features,
                y=targets.reshape(rows, -1),
                flat=flat,
                mass=mass,
                times=times,
                groups=codes,
                names=names,
                estimator=KNNRegressor() if self.estimator is None else self.estimator,
                tolerance=tolerance,
                keep_fraction=self.keep_fraction,
                most_removed=most_removed,
                merge=bool(self.merge),
                threshold=self.similarity_threshold,
                seed=_seed(self.random_state),
                fresh=new,
                level=float(self.level),
                lighter=self._is_lighter(),
                any_predictor=self.estimator is None and self.keep_fraction is not None,
            )
        )
        self.n_features_in_ = features.shape[1]
        self.sample_weight_, self.sample_indices_ = chosen.weight, chosen.indices
        self.sample_mass_ = chosen.mass
        self.owner_, self.report_ = chosen.owner, chosen.report
        self.sample_spread_ = chosen.spread[:, 0] if flat else chosen.spread
        return chosen.X, chosen.y[:, 0] if flat else chosen.y

    def _is_lighter(self) -> bool:
        """Whether a prototype may count less than its mass."""
        if self.lighter is None:
            return self.tolerance is not None or self.keep_fraction is not None
        return bool(self.lighter)

    def _bound(self, rows: int) -> tuple[float | None, float]:
        """The tolerance, and the share of the rows that may go; parameters are checked here."""
        if self.strategy not in STRATEGIES:
            raise ValueError(f"strategy={self.strategy!r} must be one of {', '.join(STRATEGIES)}")
        if not 0.0 < self.level < 0.5:
            raise ValueError(f"level={self.level!r} must be above 0 and below 0.5")
        for name, low in (
            ("tolerance", 0.0),
            ("keep_fraction", 0.0),
            ("similarity_threshold", 0.0),
        ):
            value = getattr(self, name)
            if value is not None and not (
                isinstance(value, (int, float, np.number))
                and low < value
                and (value <= 1.0 if name != "tolerance" else value < inf)
            ):
                most = "a number above 0" if name == "tolerance" else "above 0 and at most 1"
                raise ValueError(f"{name}={value!r} must be {most}")
        if self.tolerance is not None and self.keep_fraction is not None:
            raise ValueError(
                f"tolerance={self.tolerance!r} and keep_fraction={self.keep_fraction!r} exclude each "
                "other: a bound on the error, or a size"
            )
        if self.keep_fraction is not None:
            return None, 1.0
        if self.tolerance is not None:
            return float(self.tolerance), 1.0
        return STRATEGIES[self.strategy][0], cap(self.strategy, rows)


def _checked(X: ArrayLike, y: ArrayLike) -> tuple[Floats, Floats]:
    """Features and targets as arrays."""
    features = floats(X, "X")
    if features.ndim != 2 or 0 in features.shape:
        raise ValueError(
            f"X has shape {features.shape}: at least one row and one feature are needed, "
            "two-dimensional"
        )
    rows = len(features)
    targets = floats(y, "y")
    if targets.ndim not in (1, 2) or len(targets) != rows or targets.size == 0:
        raise ValueError(f"y has shape {targets.shape}, X has {rows} rows: one target for each row")
    if max(float(np.abs(features).max()), float(np.abs(targets).max())) > LARGEST_VALUE:
        raise ValueError(
            f"X or y has values above {LARGEST_VALUE:g}: scale them to about 1, "
            "their squares overflow"
        )
    return features, targets


def _coded(groups: ArrayLike, rows: int) -> tuple[Ints, tuple[str, ...]]:
    """Group of each row as a code, and the names of the groups by code."""
    found, codes = np.unique(np.asarray(groups), return_inverse=True)
    codes = codes.reshape(-1)
    if codes.shape != (rows,):
        raise ValueError(
            f"groups has {codes.size} values, X has {rows} rows: one group for each row"
        )
    return codes, tuple(str(name) for name in found)


def _column(values: ArrayLike | None, name: str, rows: int) -> Floats | None:
    """One value for each row as an array; None if none are given."""
    if values is None:
        return None
    found = floats(values, name)
    if found.shape != (rows,):
        raise ValueError(
            f"{name} has shape {found.shape}, X has {rows} rows: one value for each row"
        )
    return found


def _seed(random_state: Any) -> int:
    """A seed, drawn from ``random_state`` if that is a generator of NumPy's."""
    if random_state is None:
        return 0
    if isinstance(random_state, (int, np.integer)) and random_state >= 0:
        return int(random_state)
    if hasattr(random_state, "randint"):
        return int(random_state.randint(2**31))
    if hasattr(random_state, "integers"):
        return int(random_state.integers(2**31))
    raise ValueError(
        f"random_state={random_state!r} must be None, a whole number >= 0 or a generator"
    )


class PrunedKNNRegressor(SelectorParameters):
    """Regression by nearest neighbours on pruned data: selector and predictor in one.

    A pipeline of selector and predictor would drop the weights of the prototypes, because the
    ``Pipeline`` of imbalanced-learn hands over only X and y. A prototype of forty rows would then count
    as one row. This estimator keeps the weights.

    Parameters
    ----------
    strategy, tolerance, keep_fraction, merge, similarity_threshold, level, random_state :
        As in `PrototypeSelector`.
    lighter :
        As in `PrototypeSelector`.
    n_neighbors, weights, scale :
        As in `KNNRegressor`. The bound is checked with this predictor.

    Attributes
    ----------
    selector_ : PrototypeSelector
        The fitted selector.
    model_ : KNNRegressor
        The predictor, fitted on the prototypes.
    report_ : Report
        What was removed, and what was checked.
    n_features_in_ : int
        Number of features in ``fit``.
    """

    n_neighbors: float
    weights: str
    scale: ArrayLike | None
    selector_: PrototypeSelector
    model_: KNNRegressor
    report_: Report
    n_features_in_: int
    feature_names_in_: NDArray[np.object_]

    def __init__(
        self,
        strategy: str = "auto",
        *,
        tolerance: float | None = None,
        keep_fraction: float | None = None,
        merge: bool = True,
        similarity_threshold: float | None = None,
        level: float = 0.05,
        lighter: bool | None = None,
        random_state: int | None = None,
        n_neighbors: float = 5,
        weights: str = "distance",
        scale: ArrayLike | None = None,
    ) -> None:
        self._store(locals())

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        timestamps: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> PrunedKNNRegressor:
        """Prune and store what is left; parameters as in `PrototypeSelector.fit_resample`, but rows of
        weight 0 are left out."""
        model = KNNRegressor(self.n_neighbors, weights=self.weights, scale=self.scale)
        model.fit(X, y, sample_weight)  # checks everything, and leaves out rows without weight
        kept: Ints = model.rows_
        selector = PrototypeSelector(
            **{name: getattr(self, name) for name in SelectorParameters.__annotations__},
            estimator=model,
        )
        target = model.y_[:, 0] if np.asarray(y).ndim == 1 else model.y_
        X_kept, y_kept = selector.fit_resample(
            model.X_,
            target,
            model.mass_,
            None if timestamps is None else np.asarray(timestamps)[kept],
            None if groups is None else np.asarray(groups)[kept],
        )
        self.model_ = KNNRegressor(self.n_neighbors, weights=self.weights, scale=self.scale).fit(
            X_kept, y_kept, selector.sample_weight_, y_spread=selector.sample_spread_
        )
        self.selector_, self.report_ = selector, selector.report_
        self.n_features_in_ = model.n_features_in_
        self.__dict__.pop("feature_names_in_", None)
        if hasattr(model, "feature_names_in_"):
            self.feature_names_in_ = model.feature_names_in_
        return self

    def predict(self, X: ArrayLike, return_spread: bool = False) -> Any:
        """As `KNNRegressor.predict`."""
        self._check_fitted()
        try:
            return self.model_.predict(X, return_spread)
        except ValueError as error:
            text = str(error).replace("KNNRegressor", type(self).__name__)
            raise ValueError(text) from None

    def score(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Coefficient of determination R^2, the mean over the outputs."""
        self._check_fitted()
        return self.model_.score(X, y, sample_weight)

    def _check_fitted(self) -> None:
        if not hasattr(self, "model_"):
            raise not_fitted(self, "call fit first")

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "model_")

    def __sklearn_tags__(self) -> Any:
        return KNNRegressor().__sklearn_tags__()
