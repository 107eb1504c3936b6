"""k-nearest-neighbour regression on arrays: one query in microseconds, weights that count as mass.

A row of weight 3 is three rows: neighbours are taken until their weights sum to k, the last ones
counted in part. So merging exact duplicates changes no prediction, and a prototype that stands for
forty runs is worth forty runs. Needs NumPy only; scikit-learn may use the estimator, which never
imports it unasked.
"""

from __future__ import annotations

import numpy as np

from amorsize.learning import tuning
from amorsize.learning.estimator import Parameters, not_fitted
from amorsize.learning.neighbors import KERNELS, Neighborhoods, floats, pad, shares, shares_one

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from numpy.typing import ArrayLike, NDArray

    from amorsize.learning.neighbors import Floats, Ints, Neighbors


class KNNRegressor(Parameters):
    """Regression by the weighted mean of the nearest neighbours, where k counts weight and not rows.

    The neighbours are exact. If several rows are equally far away at the edge of the neighbourhood, they
    share the rest of k in proportion to their weights. So the order of the rows does not matter.

    Parameters
    ----------
    n_neighbors : float, default=5
        Weight of the neighbourhood, which is the number of neighbours if all weights are 1. If all rows
        together weigh less, all are used.
    weights : {"uniform", "distance", "gaussian"}, default="distance"
        The kernel: equal shares; the inverse of the distance (if there are exact matches, only these
        count); or a Gaussian that falls to 0.14 at the edge of the neighbourhood.
    scale : array-like of shape (n_features,), default=None
        The diagonal of the metric: each feature is multiplied by its factor. None: all factors are 1.
    spread_coef : sequence of 5 floats, default=None
        Four coefficients of the spread, for a constant, the variance of the neighbours, their distance
        and its square, and the distance up to which they were found (`calibrate`). None: they are found
        when the spread is first asked for.

    Attributes
    ----------
    X_ : ndarray of shape (n_rows, n_features)
    y_ : ndarray of shape (n_rows, n_outputs)
    mass_ : ndarray of shape (n_rows,)
        The rows of positive weight, their targets and weights.
    rows_ : ndarray of shape (n_rows,)
        Their positions in the data given to `fit`.
    variance_ : ndarray of shape (n_outputs,)
        Weighted variance of the targets.
    n_features_in_ : int
    cv_error_ : float
        After `tune`: squared error on left-out groups over the variance of the targets.

    References
    ----------
    Metric search: K. Weinberger and G. Tesauro, "Metric Learning for Kernel Regression", AISTATS
    2007, here diagonal and with a bandwidth for each query.

    Examples
    --------
    >>> model = KNNRegressor(n_neighbors=2).fit([[0.0], [1.0], [3.0]], [0.0, 1.0, 3.0])
    >>> model.predict([[0.5], [1.0]]).tolist()
    [0.5, 1.0]
    """

    n_neighbors: float
    weights: str
    scale: ArrayLike | None
    spread_coef: Sequence[float] | None
    n_features_in_: int
    feature_names_in_: NDArray[np.object_]
    rows_: Ints
    X_: Floats
    y_: Floats
    mass_: Floats
    variance_: Floats
    cv_error_: float

    def __init__(
        self,
        n_neighbors: float = 5,
        *,
        weights: str = "distance",
        scale: ArrayLike | None = None,
        spread_coef: Sequence[float] | None = None,
    ) -> None:
        self.n_neighbors = n_neighbors
        self.weights = weights
        self.scale = scale
        self.spread_coef = spread_coef

    # ------------------------------------------------------------------ the estimator

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        y_spread: ArrayLike | None = None,
    ) -> KNNRegressor:
        """Store the rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row; 0 leaves the row out. None: all weights are 1.
        groups : array-like of shape (n_samples,), default=None
            Rows with the same value are of the same job: the spread is fitted on neighbours from other
            groups.
        y_spread : array-like of the shape of y, default=None
            Standard deviation of y among the samples that a row stands for.

        Returns
        -------
        self : KNNRegressor
        """
        self._check_parameters()
        if y is None:
            raise ValueError("KNNRegressor requires y to be passed, but the target y is None")
        features = self._features(X, fitting=True)
        count, width = features.shape
        targets = floats(y, "y")
        if targets.ndim not in (1, 2) or len(targets) != count:
            raise ValueError(
                f"y has shape {targets.shape}, X has {count} rows: one target for each row"
            )
        mass = np.ones(count) if sample_weight is None else floats(sample_weight, "sample_weight")
        if mass.shape != (count,) or not (mass >= 0).all() or not mass.any():
            raise ValueError("sample_weight must have one value a row, none negative, not all zero")
        factors = np.ones(width) if self.scale is None else floats(self.scale, "scale")
        if factors.shape != (width,):
            raise ValueError(f"scale has shape {factors.shape}, X has {width} features")
        coef = None if self.spread_coef is None else floats(self.spread_coef, "spread_coef")
        if coef is not None and (coef.shape != (5,) or not (coef >= 0).all() or not coef[4]):
            raise ValueError(
                f"spread_coef={self.spread_coef!r} must be 5 numbers >= 0, the last above 0"
            )
        noise = None if y_spread is None else floats(y_spread, "y_spread") ** 2
        if noise is not None and noise.shape != targets.shape:
            raise ValueError(f"y_spread has shape {noise.shape}, y has {targets.shape}")
        codes: Ints = np.arange(count)
        if groups is not None:
            codes = np.unique(np.asarray(groups), return_inverse=True)[1]
            if codes.shape != (count,):
                raise ValueError(
                    f"groups has shape {codes.shape}, X has {count} rows: one group for each row"
                )

        self.n_features_in_, self._flat, self._coef = width, targets.ndim == 1, coef
        self.rows_ = rows = np.flatnonzero(mass)
        self.X_, self.mass_ = features[rows], mass[rows]
        self.y_ = targets.reshape(count, -1)[rows]
        inner = None if noise is None else noise.reshape(count, -1)[rows]
        share = self.mass_ / self.mass_.sum()
        total = (self.y_ - share @ self.y_) ** 2
        self.variance_ = share @ (total if inner is None else total + inner)
        divisor = np.where(self.variance_ > 0, self.variance_, 1.0)
        self._samples = tuning.Samples(
            self.X_, self.y_, self.mass_, codes[rows], inner, divisor, self.variance_ == 0
        )
        self._factors = factors
        self._search = Neighborhoods(self.X_, factors, self.mass_)
        self._column = self.y_[:, 0].copy() if self.y_.shape[1] == 1 else None
        return self

    def predict(self, X: ArrayLike, return_spread: bool = False) -> Any:
        """Predict the targets.

        Parameters
        ----------
        X : array-like of shape (n_queries, n_features)
        return_spread : bool, default=False
            Whether to return the expected standard deviation of the error of each prediction, too.

        Returns
        -------
        y : ndarray of shape (n_queries,) or (n_queries, n_outputs)
        spread : ndarray of the same shape, if return_spread
        """
        queries = self._features(X)
        if return_spread and self._coef is None:
            self.calibrate()
        coef = np.ones(5) if self._coef is None else self._coef
        if len(queries) == 1 and self._column is not None:
            value, deviation = self._predict_one(queries[0], return_spread)
            y, spread = np.array([[value]]), np.array([[deviation]])
        else:
            y = np.empty((len(queries), self.y_.shape[1]))
            spread = np.empty_like(y)
            for part, d2, index, counted in self._search.blocks(queries, self.n_neighbors):
                share = shares(d2, counted, self.weights)
                y[part] = np.einsum("qk,qko->qo", share, self.y_[index])
                if return_spread:
                    terms = tuning.spread_terms(self._samples, d2, index, share, y[part])
                    spread[part] = tuning.spread(self._samples, coef, terms)
        if self._flat:
            y, spread = y[:, 0], spread[:, 0]
        return (y, spread) if return_spread else y

    def _predict_one(self, query: Floats, spread: bool) -> tuple[float, float]:
        """`predict` of one query and one output in plain numbers (see `tuning.spread`)."""
        index, d2, counted, order = self._search.one(query, self.n_neighbors)
        share = shares_one(d2, counted, order, self.weights)
        targets = self._column.take(index).tolist()  # type: ignore[union-attr]
        value = sum([s * t for s, t in zip(share, targets, strict=True)])
        if not spread:
            return value, 0.0
        within = sum([s * (t - value) ** 2 for s, t in zip(share, targets, strict=True)])
        if self._samples.noise is not None:
            within += float(np.dot(share, self._samples.noise[index, 0]))
        masses = self.mass_.take(index).tolist()
        solo = sum([s * s / max(m, 1.0) for s, m in zip(share, masses, strict=True)])
        within *= (1.0 + solo) / max(1.0 - solo, 0.25)
        far = sum([s * d for s, d in zip(share, d2, strict=True)])
        a, b, c, d, reach = self._coef.tolist()  # type: ignore[union-attr]
        beyond = min(max(far**0.5 / reach - 1.0, 0.0), 1.0)
        whole = float(self.variance_[0])
        variance = (a + c * far**0.5 + d * far + beyond**2) * whole + b * within
        return value, variance**0.5 if whole > 0 else 0.0

    def confidence(self, X: ArrayLike) -> Floats:
        """Return the share of the variance of the targets that the neighbours explain at each query, 0 to
        1.

        It is 0 far away from all rows, and among neighbours that contradict each other."""
        _, spread = self.predict(X, return_spread=True)
        left: Floats = (spread.reshape(len(spread), -1) ** 2 / self._samples.variance).mean(1)
        return np.clip(1.0 - left, 0.0, 1.0)

    def kneighbors(
        self, X: ArrayLike, n_neighbors: int | None = None, return_distance: bool = True
    ) -> Any:
        """Distances and positions of the nearest rows: that many rows, whatever they weigh.

        Returns
        -------
        distances : ndarray of shape (n_queries, n_neighbors), if return_distance
        indices : ndarray of shape (n_queries, n_neighbors)
            Positions in the data given to `fit`; rows equally far in their order there.
        """
        queries = self._features(X)
        count = int(np.ceil(self.n_neighbors)) if n_neighbors is None else n_neighbors
        if not 1 <= count <= len(self.rows_):
            raise ValueError(
                f"n_neighbors={count} must be from 1 to the number of rows, {len(self.rows_)}"
            )
        distances, indices = (
            np.empty((len(queries), count)),
            np.empty((len(queries), count), np.intp),
        )
        search = Neighborhoods(self.X_, self._factors, np.ones(len(self.rows_)))
        for part, d2, index, _ in search.blocks(queries, count):
            distances[part], indices[part] = np.sqrt(d2[:, :count]), self.rows_[index[:, :count]]
        return (distances, indices) if return_distance else indices

    def neighborhood(self, X: ArrayLike) -> Neighbors:
        """What each prediction is made of: ``(shares * y[indices]).sum(1)`` predicts.

        Returns
        -------
        distances, indices, shares : ndarrays of shape (n_queries, widest)
            Neighbours that do not count, and the filling of short rows, have shares of 0.
        """
        found = [
            (np.sqrt(d2), self.rows_[index], shares(d2, counted, self.weights))
            for _, d2, index, counted in self._search.blocks(self._features(X), self.n_neighbors)
        ]
        width = max(block[0].shape[1] for block in found)
        d, i, s = (np.concatenate([pad(block[j], width, 0) for block in found]) for j in range(3))
        return d, i, s

    def score(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Coefficient of determination R^2, the mean over the outputs."""
        truth = floats(y, "y")
        error = (truth - self.predict(X).reshape(truth.shape)) ** 2
        mass = (
            np.ones(len(truth)) if sample_weight is None else floats(sample_weight, "sample_weight")
        )
        total = mass @ (truth - np.average(truth, axis=0, weights=mass)) ** 2
        return float(np.mean(1.0 - (mass @ error) / np.where(total > 0, total, 1.0)))

    # ------------------------------------------------------------------ learning its own parameters

    def tune(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        y_spread: ArrayLike | None = None,
    ) -> KNNRegressor:
        """Choose metric, k and kernel on left-out groups, keep them as parameters, and fit.

        The metric starts at `scale`, or at one over each feature's standard deviation (0 where a
        feature never varied: nothing is known of it), and changes only if a learned one predicts
        unseen groups better. Seconds on thousands of rows.

        Returns
        -------
        self : KNNRegressor
            Fitted; `n_neighbors`, `weights`, `scale`, `spread_coef` are numbers, lists and names.
        """
        self.spread_coef = None
        self.fit(X, y, sample_weight, groups, y_spread)
        start = self._factors
        if self.scale is None:
            share = self.mass_ / self.mass_.sum()
            deviation = np.sqrt(share @ (self.X_ - share @ self.X_) ** 2)
            varies = np.ptp(self.X_, axis=0) > 0  # rounding gives constants a deviation, too
            start = np.where(varies, 1.0 / np.where(varies, deviation, 1.0), 0.0)
        factors, (error, self.n_neighbors, self.weights) = tuning.choose(self._samples, start)
        self.scale = factors.tolist()
        self.fit(X, y, sample_weight, groups, y_spread)
        self.spread_coef = self.calibrate()
        self.cv_error_ = error
        return self

    def calibrate(self) -> list[float]:
        """Fit the spread to the errors on left-out groups, and return its coefficients."""
        self._check_fitted()
        self._coef = tuning.calibrate(self._samples, self._factors, self.n_neighbors, self.weights)
        result: list[float] = self._coef.tolist()
        return result

    # ------------------------------------------------------------------ what scikit-learn asks for

    def _check_fitted(self) -> None:
        if not hasattr(self, "X_"):
            raise not_fitted(self, "call fit or tune first")

    def _check_parameters(self) -> None:
        if not (
            isinstance(self.n_neighbors, (int, float, np.number)) and 0 < self.n_neighbors < np.inf
        ):
            raise ValueError(f"n_neighbors={self.n_neighbors!r} must be a number above 0")
        if self.weights not in KERNELS:
            raise ValueError(f"weights={self.weights!r} must be one of {', '.join(KERNELS)}")

    def _features(self, X: Any, fitting: bool = False) -> Floats:
        if not fitting:
            self._check_fitted()
        values = floats(X, "X")
        if values.ndim != 2:
            raise ValueError(
                f"X must be 2-dimensional, it has shape {values.shape}. Reshape your data: "
                "X.reshape(1, -1) for one sample, X.reshape(-1, 1) for one feature"
            )
        if not values.shape[1]:
            raise ValueError(
                f"0 feature(s) (shape={values.shape}) while a minimum of 1 is required."
            )
        if not len(values):
            raise ValueError(
                f"0 sample(s) (shape={values.shape}) while a minimum of 1 is required."
            )
        if fitting:
            self.__dict__.pop("feature_names_in_", None)
            names = getattr(X, "columns", None)
            if names is not None and all(isinstance(name, str) for name in names):
                self.feature_names_in_ = np.asarray(names, dtype=object)
        elif values.shape[1] != self.n_features_in_:
            raise ValueError(
                f"X has {values.shape[1]} features, but KNNRegressor is expecting "
                f"{self.n_features_in_} features as input"
            )
        return values

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import (  # type: ignore[import-not-found,import-untyped,unused-ignore]
            InputTags,
            RegressorTags,
            Tags,
            TargetTags,
        )

        return Tags(
            estimator_type="regressor",
            target_tags=TargetTags(required=True, multi_output=True),
            regressor_tags=RegressorTags(),
            input_tags=InputTags(),
        )
