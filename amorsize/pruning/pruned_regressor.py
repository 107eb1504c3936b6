"""Nearest-neighbour regression on pruned data: `PrunedKNNRegressor`, selector and predictor in one."""

from __future__ import annotations

import sys

import numpy as np

from amorsize.learning.regressor import KNNRegressor, NotFittedError
from amorsize.pruning.parameters import SelectorParameters
from amorsize.pruning.selector import PrototypeSelector

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import ArrayLike

    from amorsize.learning.neighbors import Ints


class PrunedKNNRegressor(SelectorParameters):
    """Nearest-neighbour regression on pruned data: selector and predictor in one.

    A bare pipeline of selector and predictor drops the masses of the prototypes (imbalanced-learn's
    ``Pipeline`` hands over X and y alone), and a prototype of forty rows would count as one. This
    estimator keeps them.

    Parameters
    ----------
    strategy, tolerance, keep_fraction, merge, similarity_threshold, random_state :
        As in `PrototypeSelector`.
    n_neighbors, weights, scale :
        As in `KNNRegressor`, which also checks the bound.

    Attributes
    ----------
    selector_ : PrototypeSelector
    model_ : KNNRegressor
        Fitted on the prototypes.
    report_ : Report
    n_features_in_ : int
    """

    n_neighbors: float
    weights: str
    scale: ArrayLike | None

    def __init__(
        self,
        strategy: str = "auto",
        *,
        tolerance: float | None = None,
        keep_fraction: float | None = None,
        merge: bool = True,
        similarity_threshold: float | None = None,
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
            error: type[Exception] = NotFittedError
            if "sklearn.exceptions" in sys.modules:
                theirs = sys.modules["sklearn.exceptions"].NotFittedError
                error = type("NotFittedError", (NotFittedError, theirs), {})
            raise error("this PrunedKNNRegressor is not fitted yet: call fit first")

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "model_")

    def __sklearn_tags__(self) -> Any:
        return KNNRegressor().__sklearn_tags__()
