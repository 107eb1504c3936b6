"""The predictor against scikit-learn, against plain Python, and against what it says of itself."""

from __future__ import annotations

import math
import pickle
import subprocess
import sys
import warnings
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

np = pytest.importorskip("numpy")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from support.timing import ratio  # noqa: E402

import amorsize  # noqa: E402
from amorsize.learning import neighbors as ml_neighbors  # noqa: E402
from amorsize.learning.estimator import NotFittedError  # noqa: E402
from amorsize.learning.regressor import KNNRegressor  # noqa: E402

pytestmark = pytest.mark.timeout(120)
ROOT = Path(amorsize.__file__).parents[1]
KERNELS = ("uniform", "distance", "gaussian")


def by_hand(X: Any, y: Any, mass: Any, query: Any, k: float, kernel: str) -> float:
    """The definition, in exact order and plain numbers: ties at the edge share what is left."""
    found = sorted(
        (math.dist(row, query), float(t), float(m))
        for row, t, m in zip(X, y, mass, strict=True)
        if m
    )
    levels: list[list[tuple[float, float, float]]] = []
    for one in found:
        if levels and math.isclose(levels[-1][0][0], one[0], rel_tol=1e-12, abs_tol=1e-300):
            levels[-1].append(one)
        else:
            levels.append([one])
    counted: list[tuple[float, float, float]] = []
    left = k
    for level in levels:
        total = math.fsum(m for _, _, m in level)
        share = min(1.0, left / total)
        counted += [(d, t, m * share) for d, t, m in level]
        left -= total
        if left <= 1e-12:
            break
    edge = counted[-1][0]
    if kernel == "uniform":
        weights = [m for _, _, m in counted]
    elif kernel == "distance":
        exact = counted[0][0] == 0
        weights = [(m if d == 0 else 0.0) if exact else m / d for d, _, m in counted]
    else:
        weights = [m * math.exp(-2 * (d / edge) ** 2) if edge else m for d, _, m in counted]
    return math.fsum(w * t for w, (_, t, _) in zip(weights, counted, strict=True)) / math.fsum(
        weights
    )


@pytest.mark.parametrize("kernel", ["uniform", "distance"])
@pytest.mark.parametrize("outputs", [0, 3])
def test_equals_scikit_learn_on_expanded_duplicates(kernel: str, outputs: int) -> None:
    neighbors = pytest.importorskip("sklearn.neighbors")
    rng = np.random.default_rng(0)
    for _ in range(20):
        n, d, k = int(rng.integers(20, 400)), int(rng.integers(1, 12)), int(rng.integers(1, 15))
        X = rng.normal(size=(n, d)) * 10.0 ** rng.integers(-3, 4, size=d)
        y = rng.normal(size=(n, outputs) if outputs else n)
        counts = rng.integers(0, 5, size=n)
        counts[:15] += 1
        queries = np.concatenate([X[:5], X[5:10] + 1e-6, rng.normal(size=(40, d)) * X.std(0)])
        # its brute force rounds distances by norms and products; its tree does not
        theirs = neighbors.KNeighborsRegressor(k, weights=kernel, algorithm="kd_tree")
        expected = theirs.fit(np.repeat(X, counts, 0), np.repeat(y, counts, 0)).predict(queries)
        model = KNNRegressor(k, weights=kernel).fit(X, y, sample_weight=counts)
        np.testing.assert_allclose(model.predict(queries), expected, rtol=0, atol=1e-9)
        one_by_one = np.concatenate(
            [model.predict(queries[i : i + 1]) for i in range(len(queries))]
        )
        np.testing.assert_allclose(one_by_one, model.predict(queries), rtol=1e-12, atol=1e-12)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_equals_the_definition_with_ties_and_any_masses(data: st.DataObject) -> None:
    """Points on a small grid, so that ties and duplicates abound; masses from 0 to 3."""
    n = data.draw(st.integers(1, 40))
    cell = st.integers(0, 3)
    X = data.draw(st.lists(st.tuples(cell, cell), min_size=n, max_size=n))
    y = data.draw(st.lists(st.floats(-5, 5, width=16), min_size=n, max_size=n))
    mass = data.draw(
        st.lists(st.sampled_from([0.0, 0.1, 0.25, 1.0, 1.5, 3.0]), min_size=n, max_size=n)
    )
    mass[0] = 1.0
    k = data.draw(st.sampled_from([0.5, 1, 2, 3.7, 5, 20]))
    kernel = data.draw(st.sampled_from(KERNELS))
    queries = data.draw(
        st.lists(st.tuples(cell, st.floats(0, 3, width=16)), min_size=1, max_size=4)
    )
    model = KNNRegressor(k, weights=kernel).fit(X, y, sample_weight=mass)
    expected = [by_hand(X, y, mass, query, k, kernel) for query in queries]
    np.testing.assert_allclose(model.predict(queries), expected, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(
        [model.predict([q])[0] for q in queries], expected, rtol=1e-9, atol=1e-9
    )
    order = data.draw(st.permutations(range(n)))
    shuffled = KNNRegressor(k, weights=kernel).fit(
        [X[i] for i in order], [y[i] for i in order], sample_weight=[mass[i] for i in order]
    )
    np.testing.assert_allclose(shuffled.predict(queries), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("kernel", KERNELS)
def test_merging_duplicates_is_lossless_even_if_their_targets_differ(kernel: str) -> None:
    rng = np.random.default_rng(1)
    X, copies = rng.normal(size=(60, 3)), rng.integers(1, 9, size=60)
    Xs, ys = np.repeat(X, copies, 0), rng.normal(size=copies.sum())
    starts = np.concatenate([[0], np.cumsum(copies)])
    merged = np.array([ys[a:b].mean() for a, b in pairwise(starts)])
    inner = np.array([ys[a:b].std() for a, b in pairwise(starts)])
    coef = (0.1, 0.5, 0.2, 0.1, 0.5)
    whole = KNNRegressor(7, weights=kernel, spread_coef=coef).fit(Xs, ys)
    small = KNNRegressor(7, weights=kernel, spread_coef=coef).fit(X, merged, copies, y_spread=inner)
    queries = rng.normal(size=(50, 3))
    for one, other in zip(whole.predict(queries, True), small.predict(queries, True), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12)


def test_the_edge_is_exact_where_norms_and_products_round() -> None:
    """Far from the origin, distances by norms and products lose all digits; the answer does not."""
    rng = np.random.default_rng(2)
    X = 1e6 + rng.normal(size=(500, 4)) * 1e-3
    X = np.concatenate([X, rng.normal(size=(10, 4))])
    y = rng.normal(size=len(X))
    queries = X[:50] + 1e-5
    model = KNNRegressor(4, weights="uniform").fit(X, y)
    nearest = np.argsort(((queries[:, None] - X) ** 2).sum(2), axis=1)[:, :4]
    np.testing.assert_allclose(model.predict(queries), y[nearest].mean(1), rtol=1e-12)
    assert (model.kneighbors(queries, 4, return_distance=False) == nearest).all()


def test_memory_is_bounded_and_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    X, y, queries = rng.normal(size=(300, 5)), rng.normal(size=(300, 2)), rng.normal(size=(700, 5))
    model = KNNRegressor().fit(X, y)
    whole = model.predict(queries)
    largest = max(part.stop - part.start for part in ml_neighbors.parts(10**6, 5_000))
    assert largest * 5_000 <= ml_neighbors.BLOCK_FLOATS
    monkeypatch.setattr(ml_neighbors, "BLOCK_FLOATS", 2_000)
    np.testing.assert_allclose(model.predict(queries), whole, rtol=1e-12)


@pytest.mark.parametrize("columns", [1, 13, 500, 1300, 5000])
@pytest.mark.parametrize("kinds", [2, 1000])
def test_the_smallest_of_one_row(columns: int, kinds: int) -> None:
    """Against a sort; with many equal values, and in either order."""
    values = np.random.default_rng(columns).integers(-kinds, kinds, columns) / kinds
    for row in (values, np.sort(values), np.sort(values)[::-1].copy()):
        before = row.copy()
        for k in {1, min(13, columns), columns}:
            assert ml_neighbors.smallest_one(row, k) == np.sort(values)[k - 1]
        assert (row == before).all()


@pytest.mark.parametrize("columns", [13, 60, 250, 1_000, 5_000])
@pytest.mark.parametrize("kinds", [3, 40, 10**9])
def test_the_smallest_of_each_row(columns: int, kinds: int) -> None:
    rng = np.random.default_rng(columns)
    values = rng.integers(0, kinds, (30, columns)).astype(np.float32)
    values[3, 5:] = np.inf
    found = ml_neighbors.smallest(values, 13)
    assert all(len(set(row)) == 13 for row in found.tolist())
    ordered = np.sort(np.take_along_axis(values, found, 1), 1)
    np.testing.assert_array_equal(ordered, np.sort(values, 1)[:, :13])


def test_kneighbors_and_neighborhood() -> None:
    neighbors = pytest.importorskip("sklearn.neighbors")
    rng = np.random.default_rng(4)
    X, y, queries = rng.normal(size=(200, 3)), rng.normal(size=200), rng.normal(size=(30, 3))
    scale, mass = np.array([1.0, 3.0, 0.5]), rng.integers(0, 3, size=200).astype(float)
    model = KNNRegressor(4.5, scale=scale).fit(X, y, mass)
    rows = np.flatnonzero(mass)
    theirs = neighbors.NearestNeighbors().fit(X[rows] * scale)
    for found, expected in zip(
        model.kneighbors(queries, 6), theirs.kneighbors(queries * scale, 6), strict=True
    ):
        expected = rows[expected] if expected.dtype.kind == "i" else expected
        np.testing.assert_allclose(found, expected, rtol=1e-9)
    distances, indices, shares = model.neighborhood(queries)
    np.testing.assert_allclose((shares * y[indices]).sum(1), model.predict(queries), rtol=1e-12)
    np.testing.assert_allclose(shares.sum(1), 1.0)
    used = shares > 0
    away = np.sqrt((((X[indices] - queries[:, None]) * scale) ** 2).sum(2))
    np.testing.assert_allclose(distances[used], away[used], rtol=1e-9)
    with pytest.raises(ValueError, match="number of rows"):
        model.kneighbors(queries, len(rows) + 1)


# ---------------------------------------------------------------------- learning its own parameters


def wavy(rng: Any, n: int) -> tuple[Any, Any]:
    """Two features of eight matter; noise of 0.1."""
    X = rng.normal(size=(n, 8))
    return X, np.sin(2 * X[:, 0]) + X[:, 1] + 0.1 * rng.normal(size=n)


def test_tuning_finds_the_features_that_matter() -> None:
    X, y = wavy(np.random.default_rng(5), 700)
    plain = KNNRegressor(5).fit(X[:525], y[:525])
    tuned = KNNRegressor().tune(X[:525], y[:525])
    before, after = (
        math.sqrt(np.mean((m.predict(X[525:]) - y[525:]) ** 2)) for m in (plain, tuned)
    )
    assert after < 0.5 * before
    scale = np.array(tuned.scale) * X[:525].std(0)
    assert scale[:2].min() > 5 * scale[2:].max()
    assert tuned.cv_error_ == pytest.approx(after**2 / y.var(), rel=0.5)


def test_tuning_keeps_the_metric_when_there_is_nothing_to_learn() -> None:
    rng = np.random.default_rng(6)
    X, y = rng.normal(size=(600, 6)), rng.normal(size=600)
    model = KNNRegressor().tune(X, y)
    np.testing.assert_allclose(model.scale, 1.0 / X.std(0))
    assert model.n_neighbors >= 15 and model.cv_error_ == pytest.approx(1.0, abs=0.15)


def test_tuning_judges_on_other_groups() -> None:
    """Within a group the answer is constant, between groups it is noise: only leaving the group out
    shows that near neighbours are worth nothing."""
    rng = np.random.default_rng(7)
    groups = np.repeat(np.arange(60), 12)
    X = rng.normal(size=(60, 3))[groups] + 0.01 * rng.normal(size=(720, 3))
    y = rng.normal(size=60)[groups]
    fooled = KNNRegressor().tune(X, y)
    honest = KNNRegressor().tune(X, y, groups=groups)
    assert fooled.cv_error_ < 0.01 and honest.cv_error_ > 0.7
    assert honest.n_neighbors > fooled.n_neighbors


def test_tuned_parameters_are_plain_and_rebuild_the_model() -> None:
    import json

    X, y = wavy(np.random.default_rng(8), 300)
    tuned = KNNRegressor().tune(X, y)
    again = KNNRegressor(**json.loads(json.dumps(tuned.get_params()))).fit(X, y)
    for one, other in zip(
        tuned.predict(X[:20] + 0.1, True), again.predict(X[:20] + 0.1, True), strict=True
    ):
        assert (one == other).all()


@pytest.mark.parametrize("seed", [0, *(pytest.param(n, marks=pytest.mark.long) for n in (1, 2))])
def test_stated_spreads_are_honest(seed: int) -> None:
    """On groups never seen: errors over stated spreads have a root mean square of about 1 and the
    coverage of a bell curve, overall and, to a wider margin, in calm and noisy regions."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(2_000, 4))
    noise = np.where(X[:, 0] > 0, 0.8, 0.05)
    y = 0.3 * X[:, 1] + noise * rng.normal(size=2_000)
    groups = rng.integers(0, 200, size=2_000)
    seen = groups < 150
    model = KNNRegressor().tune(X[seen], y[seen], groups=groups[seen])
    guess, spread = model.predict(X[~seen], return_spread=True)
    z = (y[~seen] - guess) / spread
    assert 0.85 < math.sqrt(np.mean(z**2)) < 1.2
    assert 0.6 < np.mean(np.abs(z) < 1) < 0.85
    assert 0.9 < np.mean(np.abs(z) < 2) < 0.99
    calm = X[~seen][:, 0] < -0.7
    noisy = X[~seen][:, 0] > 0.7
    assert np.median(spread[noisy]) > 1.5 * np.median(spread[calm])
    for region in (calm, noisy):
        assert 0.55 < math.sqrt(np.mean(z[region] ** 2)) < 1.6


def test_confidence_falls_with_distance_and_contradiction() -> None:
    rng = np.random.default_rng(9)
    X = rng.uniform(-1, 1, size=(800, 2))
    y = np.where(X[:, 0] < 0, 3 * X[:, 1], rng.normal(size=800) * 2)
    model = KNNRegressor(8, weights="gaussian").fit(X, y)
    near, contradicted, far = model.confidence([[-0.5, 0.0], [0.5, 0.0], [-80.0, 90.0]])
    assert near > 0.8 > 0.5 > contradicted and far == 0
    assert model.confidence(rng.normal(size=(100, 2)) * 5).min() >= 0


def test_several_outputs_are_several_models() -> None:
    rng = np.random.default_rng(10)
    X, Y = rng.normal(size=(150, 3)), rng.normal(size=(150, 2)) * [1, 100]
    coef = (0.1, 0.2, 0.3, 0.4, 0.5)
    both = KNNRegressor(spread_coef=coef).fit(X, Y)
    guess, spread = both.predict(X[:10] + 0.1, return_spread=True)
    for i in range(2):
        for row in range(10):
            one = KNNRegressor(spread_coef=coef).fit(X, Y[:, i])
            value, deviation = one.predict(X[row : row + 1] + 0.1, return_spread=True)
            assert guess[row, i] == pytest.approx(value[0], rel=1e-12)
            assert spread[row, i] == pytest.approx(deviation[0], rel=1e-12)


# ---------------------------------------------------------------------- scikit-learn and costs


def test_check_estimator() -> None:
    checks = pytest.importorskip("sklearn.utils.estimator_checks")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says that the base class is not scikit-learn's
        results = checks.check_estimator(KNNRegressor(), on_fail=None, on_skip=None)
    assert {r["check_name"]: r["exception"] for r in results if r["status"] == "failed"} == {}
    assert sum(r["status"] == "passed" for r in results) > 40


def test_in_pipelines_and_searches() -> None:
    base = pytest.importorskip("sklearn.base")
    from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    X, y = wavy(np.random.default_rng(11), 300)
    search = GridSearchCV(
        make_pipeline(StandardScaler(), KNNRegressor()),
        {"knnregressor__n_neighbors": [1, 5, 9], "knnregressor__weights": list(KERNELS)},
        cv=GroupKFold(3),
    ).fit(X, y, groups=np.arange(300) // 10)
    assert search.best_score_ == pytest.approx(
        cross_val_score(
            search.best_estimator_, X, y, groups=np.arange(300) // 10, cv=GroupKFold(3)
        ).mean()
    )
    from sklearn.metrics import r2_score

    model = KNNRegressor(3).fit(X, y)
    twin = base.clone(model)
    assert base.is_regressor(twin) and twin.get_params() == model.get_params()
    queries = X + 0.3
    assert model.score(queries, y) == pytest.approx(r2_score(y, model.predict(queries)), rel=1e-12)
    assert (pickle.loads(pickle.dumps(model)).predict(queries) == model.predict(queries)).all()


def test_scikit_learn_is_not_imported() -> None:
    code = (
        "import sys, numpy as np; from amorsize.ml_prediction import KNNRegressor as K\n"
        "r = np.random.default_rng(0); X = r.normal(size=(50, 3)); m = K().tune(X, X[:, 0])\n"
        "m.predict(X, True)\n"
        "m.confidence(X); m.kneighbors(X); m.get_params(); repr(m)\n"
        "print([name for name in ('sklearn', 'scipy', 'pandas') if name in sys.modules])"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("parameters", "arguments", "says"),
    [
        ({"n_neighbors": 0}, {}, "n_neighbors=0"),
        ({"n_neighbors": "all"}, {}, "n_neighbors='all'"),
        ({"weights": "triangle"}, {}, "uniform, distance, gaussian"),
        ({"scale": [1.0, 2.0]}, {}, "scale has shape"),
        ({"spread_coef": [1, -1, 0, 0, 1]}, {}, "5 numbers"),
        ({}, {"sample_weight": [1, -1, 1]}, "none negative"),
        ({}, {"sample_weight": [0, 0, 0]}, "not all zero"),
        ({}, {"y": [1, 2]}, "one target for each row"),
        ({}, {"y": [1, np.nan, 2]}, "y contains NaN"),
        ({}, {"groups": [1, 2]}, "one group for each row"),
        ({}, {"X": [[1e200], [0], [1]]}, "too large"),
    ],
)
def test_errors_name_the_value_and_the_rule(parameters: Any, arguments: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        KNNRegressor(**parameters).fit(
            **{"X": [[0.0], [1.0], [2.0]], "y": [0.0, 1.0, 2.0], **arguments}
        )
    with pytest.raises(NotFittedError, match="fit"):
        KNNRegressor().predict([[0.0]])


def test_one_query_costs_little_more_than_a_plain_search() -> None:
    """The plain search knows no weights, no kernel and no spread: it takes about as long."""
    rng = np.random.default_rng(12)
    X, y = rng.normal(size=(1_000, 12)), rng.normal(size=1_000)
    model = KNNRegressor(spread_coef=(0.1, 1, 0, 0, 9)).fit(X, y)
    query = rng.normal(size=(1, 12))

    def plain() -> float:
        nearest = np.argpartition(((X - query) ** 2).sum(1), 5)[:5]
        return float(y[nearest].mean())

    assert ratio(lambda: model.predict(query, return_spread=True), plain, turns=500) < 2
