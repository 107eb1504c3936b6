"""Fits of prototypes against closed formulas, differences, and rows that no fit has seen."""

from __future__ import annotations

import numpy as np
import pytest

from amorsize.learning.regressor import KNNRegressor
from amorsize.pruning.arrays import Kernel, Rows, grouped
from amorsize.pruning.descent import Fitter, solved
from amorsize.pruning.refine import near_prototypes

pytestmark = pytest.mark.timeout(120)

KERNELS = (
    Kernel(3.0, "distance", False),
    Kernel(40.0, "distance", True),
    Kernel(30.0, "gaussian", True),
    Kernel(4.0, "uniform", False),
)


def made(rows: int, parts: int, seed: int, noise: float = 0.3) -> tuple[Rows, np.ndarray]:
    """A smooth surface over three features, and an owner among ``parts`` for each row."""
    rng = np.random.default_rng(seed)
    Z = rng.uniform(0, 1, (rows, 3))
    y = np.sin(4 * Z[:, 0]) + Z[:, 1] * Z[:, 2] + rng.normal(0, noise, rows)
    center = rng.uniform(0, 1, (parts, 3))
    own = ((Z[:, None] - center) ** 2).sum(2).argmin(1)
    own = np.unique(own, return_inverse=True)[1]
    return Rows(Z, y[:, None], rng.uniform(0.5, 2.0, rows), np.zeros(rows, np.intp)), own


def test_near_prototypes_are_the_nearest() -> None:
    rows, own = made(500, 60, 0)
    found = grouped(rows, own)
    d2, index = near_prototypes(rows.Z, found, own, np.random.default_rng(0))
    all_pairs = ((rows.Z[:, None] - found.Z) ** 2).sum(2)
    assert d2 == pytest.approx(np.sort(all_pairs, 1)[:, : d2.shape[1]], rel=1e-9)
    assert np.take_along_axis(all_pairs, index, 1) == pytest.approx(d2, rel=1e-9)


def test_near_prototypes_of_many_pairs_are_near(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not all pairs are compared any more: nearly all of the five nearest are found."""
    from amorsize.pruning import refine

    rows, own = made(2_000, 300, 1)
    found = grouped(rows, own)
    monkeypatch.setattr(refine, "EXACT_PAIRS", 0)
    index = near_prototypes(rows.Z, found, own, np.random.default_rng(0))[1][:, :5]
    nearest = np.argsort(((rows.Z[:, None] - found.Z) ** 2).sum(2), 1)[:, :5]
    hits = [len(set(a) & set(b)) for a, b in zip(index.tolist(), nearest.tolist(), strict=True)]
    assert np.mean(hits) > 4.9


def test_labels_are_those_of_least_squares() -> None:
    rng = np.random.default_rng(2)
    share = rng.dirichlet(np.ones(3), 200)
    index = np.array([rng.permutation(8)[:3] for _ in range(200)])
    y, weight, prior = (
        rng.normal(0, 1, (200, 2)),
        rng.uniform(0.5, 2, 200),
        rng.normal(0, 1, (8, 2)),
    )
    dense = np.zeros((200, 8))
    np.put_along_axis(dense, index, share, 1)
    A = dense.T @ (weight[:, None] * dense) + 1.5 * np.eye(8)
    expected = prior + np.linalg.solve(A, dense.T @ (weight[:, None] * (y - dense @ prior)))
    assert solved(share, index, y, weight, prior, 1.5) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda one: f"{one.weights}-{one.by_mass}")
def test_slopes_are_those_of_differences(kernel: Kernel) -> None:
    """Half the squared error, by central differences at some coordinates.

    The Gaussian's edge and what counts towards k are held, as in the descent itself."""
    rows, own = made(150, 12, 3)
    found = grouped(rows, own)
    fitter = Fitter(rows, (kernel,), np.random.default_rng(0), own)
    everywhere = np.ones(len(own), bool)
    d2, index = near_prototypes(rows.Z, found, own, np.random.default_rng(0))
    soft = 1e-3
    by_place, by_label = fitter._slopes(found, (d2, index), everywhere, soft, np.ones(1))
    counted = kernel.counted(d2, found.mass[index])
    edge = np.where(counted > 0, np.sqrt(d2), 0.0).max(1, keepdims=True) + soft

    def loss(Z: np.ndarray, y: np.ndarray) -> float:
        away = np.sqrt(((Z[index] - rows.Z[:, None]) ** 2).sum(2))
        weight = {
            "distance": 1.0 / (away + soft),
            "gaussian": np.exp(-2.0 * (away / edge) ** 2),
            "uniform": np.ones_like(away),
        }[kernel.weights]
        share = counted * weight
        guess = np.einsum("nk,nko->no", share / share.sum(1, keepdims=True), y[index])
        return float(0.5 * rows.mass @ ((guess - rows.y) ** 2).sum(1))

    step = 1e-6
    for which in (0, 5, 11):
        for feature in range(3):
            up, down = found.Z.copy(), found.Z.copy()
            up[which, feature] += step
            down[which, feature] -= step
            slope = (loss(up, found.y) - loss(down, found.y)) / (2 * step)
            assert by_place[which, feature] == pytest.approx(slope, rel=2e-2, abs=2e-3)
        up, down = found.y.copy(), found.y.copy()
        up[which] += step
        down[which] -= step
        slope = (loss(found.Z, up) - loss(found.Z, down)) / (2 * step)
        assert by_label[which, 0] == pytest.approx(slope, rel=1e-4, abs=1e-6)


def test_a_fit_predicts_fresh_rows_better() -> None:
    """Where prototypes are few on a smooth surface, and no worse where labels are noise."""
    for noise, most in ((0.1, 0.9), (30.0, 1.03)):
        ratios = []
        for seed in range(3):
            rows, own = made(2_000, 40, seed, noise)
            X_new, y_new = rows.Z[1_000:], rows.y[1_000:, 0]
            some = Rows(*(values[:1_000] for values in vars(rows).values()))
            own = np.unique(own[:1_000], return_inverse=True)[1]
            found = grouped(some, own)
            kernel = Kernel(5.0, "distance", False)
            fitter = Fitter(some, (kernel,), np.random.default_rng(0), own)
            fitted = fitter.moved(fitter.labelled(found, own), found, own)
            errors = [
                np.sqrt(
                    ((KNNRegressor().fit(one.Z, one.y[:, 0]).predict(X_new) - y_new) ** 2).mean()
                )
                for one in (found, fitted)
            ]
            ratios.append(errors[1] / errors[0])
        assert np.mean(ratios) < most, ratios


def test_a_prototype_of_held_out_rows_alone_does_not_judge_itself() -> None:
    """It would tell them their own labels: elimination that keeps single rows looked perfect."""
    rows, _ = made(300, 10, 4, noise=5.0)
    own = np.arange(300)  # each row is its own prototype
    found = grouped(rows, own)
    fitter = Fitter(rows, (Kernel(1.0, "distance", False),), np.random.default_rng(0), own)
    fit = fitter.labelled(found, own)
    assert fit.errors()[0] > 25.0  # the variance of the noise, at least
