"""The evidence on pruning.

python -m benchmarks.pruning bound         tolerance mode: what was removed, and the error on fresh rows
python -m benchmarks.pruning told          its records as a table
python -m benchmarks.pruning sizes         fixed fractions against other ways to choose rows
python -m benchmarks.pruning drift         a change at 70 % of the history
python -m benchmarks.pruning cost          seconds and memory of pruning, 1e3 to 1e6 rows
python -m benchmarks.pruning latency       one prediction before and after

``--held-out`` adds the families that are looked at only to check; ``--seeds N``; ``--only REGEX``.
Results go to ``results/pruning-*.json`` and, for the sizes, a plot beside it.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import time
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from amorsize.ml_neighbors import shares
from amorsize.ml_prediction import KNNRegressor
from amorsize.ml_pruning import PrototypeSelector
from benchmarks.measure import ROOT
from benchmarks.pruning_families import Clusters, Family, drifting, families, zipf

OUT = ROOT / "benchmarks" / "results"
FRESH, FRESH_REGION, MOST_REGIONS = 20_000, 200, 120_000
FRACTIONS = (0.35, 0.10, 0.05, 0.01)
TINY = 1e-6
"""Errors below this are none: regions that are known exactly."""


class PlainKNN(KNNRegressor):
    """k = 5 counted in rows: what most libraries deploy."""

    def __init__(self, n_neighbors: float = 5) -> None:
        super().__init__(n_neighbors)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        return {"n_neighbors": self.n_neighbors}

    def fit(self, X: Any, y: Any) -> Any:  # type: ignore[override]
        return super().fit(X, y)


def estimators(X: Any, y: Any, seed: int) -> dict[str, Any]:
    """The three deployed predictors."""
    some = np.random.default_rng(seed).permutation(len(X))[:2000]
    tuned = KNNRegressor().tune(X[some], y[some])
    params = {**tuned.get_params(), "spread_coef": None}
    return {"plain": PlainKNN(), "tuned": KNNRegressor(**params), "mass": KNNRegressor()}


def trained(estimator: Any, X: Any, y: Any, mass: Any = None) -> Any:
    model = type(estimator)(**estimator.get_params())
    return model.fit(X, y) if isinstance(model, PlainKNN) else model.fit(X, y, mass)


class ByTree:
    """What a fitted predictor on distinct rows of mass 1 says, by SciPy's k-d tree: the same, sooner."""

    def __init__(self, model: KNNRegressor) -> None:
        from scipy.spatial import cKDTree  # type: ignore[import-untyped,unused-ignore]

        self.model = model
        self.factors = (
            np.ones(model.X_.shape[1]) if model.scale is None else np.asarray(model.scale)
        )
        self.tree = cKDTree(model.X_ * self.factors)

    def predict(self, X: Any) -> Any:
        away, index = self.tree.query(X * self.factors, int(self.model.n_neighbors))
        away = away.reshape(len(X), -1)
        share = shares(away**2, np.ones_like(away), self.model.weights)
        return np.einsum("qk,qk->q", share, self.model.y_[:, 0][index.reshape(len(X), -1)])


MANY_DISTANCES = 3e8
"""More than these are left to `ByTree`, where rows are distinct."""


def data_of(family: Family, seed: int) -> tuple[Any, Any, Any, Any, Any, Any]:
    """Rows to prune, and fresh rows of all regions: enough of each."""
    rng = np.random.default_rng(seed + 77)
    if family.fresh is None:
        X, y, group = family.draw(2 * family.rows, rng)
        half = len(X) // 2
        return X[:half], y[:half], group[:half], X[half:], y[half:], group[half:]
    X, y, group = family.draw(family.rows, rng)
    _, _, often = family.draw(FRESH, rng)
    regions = np.unique(group)
    X_new, y_new = family.fresh(often, rng)
    each = np.repeat(regions, max(FRESH_REGION, MOST_REGIONS // max(len(regions), 60)))
    X_each, y_each = family.fresh(each, rng)
    return (
        X,
        y,
        group,
        np.concatenate([X_new, X_each]),
        np.concatenate([y_new, y_each]),
        np.concatenate([often, -1 - each]),
    )


def bound(options: argparse.Namespace) -> None:
    """Tolerance mode. Rows of code < 0 are those drawn evenly for the regions.

    Records are appended to a file of JSON lines as they come; what it has already is not done again."""
    path = options.records
    known = {(one["family"], one["tolerance"], one["seed"], one["predictor"]) for one in read(path)}
    for tolerance in options.tolerance:
        for family in chosen(options):
            for seed in range(options.first_seed, options.first_seed + options.seeds):
                if all((family.name, tolerance, seed, name) in known for name in PREDICTORS):
                    continue
                one = next(f for f in families(seed) if f.name == family.name)
                X, y, group, X_new, y_new, codes = data_of(one, seed)
                for name, estimator in estimators(X, y, seed).items():
                    if options.predictor not in ("all", name):
                        continue
                    key = (family.name, tolerance, seed, name)
                    if key in known:
                        continue
                    began = time.perf_counter()
                    selector = PrototypeSelector(
                        tolerance=tolerance, estimator=estimator, random_state=seed
                    )
                    X_kept, y_kept = selector.fit_resample(X, y, groups=group)
                    seconds = time.perf_counter() - began
                    base = trained(estimator, X, y)
                    if one.fresh is not None and len(X) * len(X_new) > MANY_DISTANCES:
                        base = ByTree(base)
                    whole = base.predict(X_new) - y_new
                    less = trained(estimator, X_kept, y_kept, selector.sample_weight_)
                    pruned = less.predict(X_new) - y_new
                    record = {
                        "family": family.name,
                        "held_out": family.held_out,
                        "tolerance": tolerance,
                        "seed": seed,
                        "predictor": name,
                        "removed": selector.report_.ratio,
                        "seconds": seconds,
                        **judged(whole, pruned, codes, one.fresh is None, tolerance),
                    }
                    with path.open("a") as file:
                        file.write(json.dumps(rounded(record)) + "\n")
                    print(json.dumps(rounded(record)), flush=True)


PREDICTORS = ("plain", "tuned", "mass")


def rounded(record: dict[str, Any]) -> dict[str, Any]:
    return {k: round(v, 5) if isinstance(v, float) else v for k, v in record.items()}


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


LEAST_REMOVED = {
    "homogeneous": (0.995, 0.997),
    "99 % one of ten": (0.98, 0.99),
    "Zipf over 200": (0.90, 0.95),
    "Zipf, few rows": (0.90, 0.95),
    "heterogeneous": (0.90, 0.95),
    "recorded history": (0.60, 0.65),
}
"""Share that is to go at 2 and at 5 %."""


def told(options: argparse.Namespace) -> None:
    """The records of `bound` as a table."""
    found = read(options.records)
    for tolerance in sorted({one["tolerance"] for one in found}):
        for held_out in (False, True):
            some = [o for o in found if o["tolerance"] == tolerance and o["held_out"] == held_out]
            if not some:
                continue
            good = [one["overall"] and one["regions"] and not one["provable"] for one in some]
            print(
                f"\ntolerance {tolerance:.0%}{', families held aside' if held_out else ''}: of "
                f"{len(some)} runs {np.mean([o['overall'] for o in some]):.1%} within it overall, "
                f"{np.mean([o['regions'] for o in some]):.1%} with each region's point within twice of "
                f"it, {np.mean([not o['provable'] for o in some]):.1%} without a region's provable "
                f"breach; all three {np.mean(good):.1%}\n"
            )
            heads = "family runs removed,_median least asked RMSE MAE worst_region all_kept seconds"
            print(f"| {' | '.join(heads.split())} |".replace("_", " "))
            print("|" + " --- |" * len(heads.split()))
            for family in dict.fromkeys(one["family"] for one in some):
                mine = [one for one in some if one["family"] == family]
                mid = {
                    k: float(np.median([o[k] for o in mine]))
                    for k in ("removed", "rmse", "mae", "seconds")
                }
                kept = sum(o["overall"] and o["regions"] and not o["provable"] for o in mine)
                asked = LEAST_REMOVED.get(family)
                print(
                    f"| {family} | {len(mine)} | {mid['removed']:.1%} "
                    f"| {min(o['removed'] for o in mine):.1%} "
                    f"| {'' if asked is None else f'{asked[tolerance > 0.02]:.1%}'} "
                    f"| {mid['rmse']:+.1%} | {mid['mae']:+.1%} "
                    f"| {max(o['worst'] for o in mine):+.1%} | {kept} | {mid['seconds']:.1f} |"
                )


def judged(whole: Any, pruned: Any, codes: Any, table: bool, tolerance: float) -> dict[str, Any]:
    """Changes over all rows and in each region, and whether they keep the bound."""
    overall = slice(None) if table else codes >= 0
    rmse = float(np.sqrt((pruned[overall] ** 2).mean() / (whole[overall] ** 2).mean()) - 1)
    mae = float(np.abs(pruned[overall]).mean() / np.abs(whole[overall]).mean() - 1)
    points, breaches = [], []
    even = codes if table else codes[codes < 0]
    before = np.abs(whole if table else whole[codes < 0])
    after = np.abs(pruned if table else pruned[codes < 0])
    for code in np.unique(even):
        inside = even == code
        if inside.sum() < 2:
            continue
        points.append((after[inside].mean() + TINY) / (before[inside].mean() + TINY) - 1)
        excess = after[inside] - (1 + 2 * tolerance) * before[inside] - TINY
        doubt = excess.std(ddof=1) / np.sqrt(inside.sum())
        breaches.append(excess.mean() / max(doubt, TINY))
    from scipy.stats import norm  # type: ignore[import-untyped,unused-ignore]

    levels = np.sort(
        norm.sf(breaches)
    )  # Holm: the smallest against 5 % over their number, and so on
    steps = 0.05 / (len(levels) - np.arange(len(levels)))
    return {
        "rmse": rmse,
        "mae": mae,
        "overall": bool(rmse <= tolerance and mae <= tolerance),
        "worst": float(max(points)),
        "regions": bool(max(points) <= 2 * tolerance),
        "provable": bool(levels[0] < steps[0]),
    }


# -- against others ------------------------------------------------------------------------------------


def by_chance(X: Any, y: Any, size: int, seed: int) -> tuple[Any, Any, Any]:
    some = np.random.default_rng(seed).choice(len(X), size, replace=False)
    return X[some], y[some], None


def centroids(X: Any, y: Any, size: int, seed: int) -> tuple[Any, Any, Any]:
    """k-means over the features, labels by their means."""
    from sklearn.cluster import MiniBatchKMeans  # type: ignore[import-untyped,unused-ignore]

    own = MiniBatchKMeans(size, random_state=seed, n_init=1, batch_size=4096).fit_predict(X)
    own = np.unique(own, return_inverse=True)[1]
    count = np.bincount(own)
    centers = np.stack([np.bincount(own, column) for column in X.T], 1) / count[:, None]
    return centers, np.bincount(own, y) / count, count.astype(float)


def k_centre(X: Any, y: Any, size: int, seed: int) -> tuple[Any, Any, Any]:
    """Greedy: always the row that is farthest from those taken."""
    taken = [int(np.random.default_rng(seed).integers(len(X)))]
    away = ((X - X[taken[0]]) ** 2).sum(1)
    while len(taken) < size:
        taken.append(int(away.argmax()))
        away = np.minimum(away, ((X - X[taken[-1]]) ** 2).sum(1))
    return X[taken], y[taken], None


def earlier(X: Any, y: Any) -> tuple[Any, Any, Any]:
    """The algorithm of old: clusters by a fixed threshold, five of each, those of the best outcome."""
    Z = (X - X.min(0)) / np.where(np.ptp(X, 0) > 0, np.ptp(X, 0), 1.0) / np.sqrt(X.shape[1])
    leaders: list[int] = []
    own = np.empty(len(Z), np.intp)
    for i, row in enumerate(Z):
        away = ((Z[leaders] - row) ** 2).sum(1) if leaders else np.array([np.inf])
        if away.min() > 0.25:
            leaders.append(i)
            own[i] = len(leaders) - 1
        else:
            own[i] = int(away.argmin())
    kept = []
    for cluster in range(len(leaders)):
        inside = np.flatnonzero(own == cluster)
        kept += inside[np.argsort(y[inside])][:5].tolist()
    return X[kept], y[kept], None


def drop(X: Any, y: Any, seed: int) -> tuple[Any, Any, Any]:
    """DROP2 for regression: a row goes if the rows that have it among their neighbours are predicted no
    worse without it (Arnaiz-Gonzalez et al., Neurocomputing 2016); its size is its own."""
    from scipy.spatial import cKDTree  # type: ignore[import-untyped,unused-ignore]

    k, reach = 5, min(60, len(X))
    near = cKDTree(X).query(X, reach)[1].tolist()
    label = y.tolist()
    lists, further = [], []
    users: list[set[int]] = [set() for _ in near]
    for row, some in enumerate(near):
        others = [other for other in some if other != row]
        lists.append(others[:k])
        further.append(iter(others[k:]))
        for other in others[:k]:
            users[other].add(row)
    alive = np.ones(len(X), bool)
    for row in np.random.default_rng(seed).permutation(len(X)).tolist():
        if alive.sum() <= 20:
            break
        change, fresh = 0.0, {}
        for user in users[row]:
            mine = lists[user]
            other = next((o for o in further[user] if alive[o]), -1)
            fresh[user] = other
            now = sum(label[o] for o in mine) / len(mine)
            left = [o for o in mine if o != row] + ([other] if other >= 0 else [])
            then = sum(label[o] for o in left) / len(left) if left else np.inf
            change += abs(then - label[user]) - abs(now - label[user])
        gone = change <= 0
        alive[row] = not gone
        for user, other in fresh.items():
            if gone:
                lists[user] = [o for o in lists[user] if o != row]
                if other >= 0:
                    lists[user].append(other)
                    users[other].add(user)
            elif other >= 0:  # not needed yet: first in turn again
                further[user] = chain([other], further[user])
    return X[alive], y[alive], None


def ours(X: Any, y: Any, size: int, seed: int) -> tuple[Any, Any, Any]:
    selector = PrototypeSelector(keep_fraction=size / len(X), random_state=seed)
    return (*selector.fit_resample(X, y), selector.sample_weight_)


OTHERS = {"amorsize": ours, "random": by_chance, "k-means": centroids, "k-centre": k_centre}
MOST_ROWS, DROP_ROWS = 6_000, 3_000
"""Rows of a family in this part: k-means takes minutes for more, DROP is plain Python."""


def sizes(options: argparse.Namespace) -> None:
    """Change of the RMSE at fixed fractions, for the predictor that counts mass."""
    found: list[dict[str, Any]] = []
    for family in chosen(options):
        for seed in range(options.first_seed, options.first_seed + options.seeds):
            one = next(f for f in families(seed) if f.name == family.name)
            X, y, _, X_new, y_new, codes = data_of(one, seed)
            X, y = X[:MOST_ROWS], y[:MOST_ROWS]
            use = slice(None) if one.fresh is None else codes >= 0
            X_new, y_new = X_new[use][:8000], y_new[use][:8000]
            base = error(KNNRegressor().fit(X, y), X_new, y_new)
            for fraction in FRACTIONS:
                size = max(20, round(fraction * len(X)))
                if size >= len(X):
                    continue
                for name, choose in OTHERS.items():
                    kept = choose(X, y, size, seed)
                    change = error(KNNRegressor().fit(*kept), X_new, y_new) / base - 1
                    found.append(
                        {"family": family.name, "held_out": family.held_out, "seed": seed,
                         "fraction": fraction, "method": name, "change": change}
                    )  # fmt: skip
            few = slice(DROP_ROWS)
            for rival, other, part in (
                ("earlier", earlier(X, y), slice(None)),
                ("DROP2-RE", drop(X[few], y[few], seed), few),
            ):
                size = max(20, len(other[0]))
                if size >= len(X[part]):
                    continue
                mine_kept = ours(X[part], y[part], size, seed)
                full = error(KNNRegressor().fit(X[part], y[part]), X_new, y_new)
                for name, some in ((rival, other), (f"amorsize as {rival}", mine_kept)):
                    change = error(KNNRegressor().fit(*some), X_new, y_new) / full - 1
                    found.append(
                        {"family": family.name, "held_out": family.held_out, "seed": seed,
                         "fraction": len(some[0]) / len(X[part]), "method": name, "change": change}
                    )  # fmt: skip
        mine: list[dict[str, Any]] = [one for one in found if one["family"] == family.name]
        print(family.name)
        for fraction in FRACTIONS:
            told = {
                name: [
                    o["change"] for o in mine if (o["method"], o["fraction"]) == (name, fraction)
                ]
                for name in OTHERS
            }
            line = [f"{name} {np.median(each):+.1%}" for name, each in told.items() if each]
            print(f"  {fraction:4.0%}: {', '.join(line)}")
        for name in ("earlier", "amorsize as earlier", "DROP2-RE", "amorsize as DROP2-RE"):
            his = [o for o in mine if o["method"] == name]
            if his:
                print(
                    f"  {name}: {np.median([o['change'] for o in his]):+.1%} with "
                    f"{np.median([o['fraction'] for o in his]):.2%} kept"
                )
    write("sizes", found)
    print("medians over families and seeds:")
    for fraction in FRACTIONS:
        told = {
            name: np.median(
                [o["change"] for o in found if (o["method"], o["fraction"]) == (name, fraction)]
            )
            for name in OTHERS
        }
        print(
            f"  {fraction:4.0%}: "
            + ", ".join(f"{name} {value:+.1%}" for name, value in told.items())
        )
    front(found)


def error(model: Any, X: Any, y: Any) -> float:
    return float(np.sqrt(((model.predict(X) - y) ** 2).mean()))


def front(found: list[dict[str, Any]]) -> None:
    """Error against the kept fraction, medians over families and seeds, as a picture."""
    import matplotlib  # type: ignore[import-untyped,import-not-found,unused-ignore]

    matplotlib.use("Agg")
    from matplotlib import pyplot  # type: ignore[import-untyped,import-not-found,unused-ignore]

    figure, axes = pyplot.subplots(figsize=(6, 4), layout="constrained")
    for name in OTHERS:
        values = [
            np.median([o["change"] for o in found if (o["method"], o["fraction"]) == (name, f)])
            * 100
            for f in FRACTIONS
        ]
        axes.plot([100 * f for f in FRACTIONS], values, marker="o", label=name)
    axes.set_xscale("log")
    axes.set_xlabel("rows kept (%)")
    axes.set_ylabel("RMSE at fresh rows (% change)")
    axes.legend(frameon=False)
    figure.savefig(OUT / "pruning-front.svg")


# -- drift, cost, latency ------------------------------------------------------------------------------


def drift(options: argparse.Namespace) -> None:
    """Error after pruning to 10 % against training on the new part alone; and without drift."""
    for seed in range(options.seeds):
        rng = np.random.default_rng(seed)
        X, y, group = drifting(10_000, rng)
        X_new, y_new, _ = drifting(30_000, rng)
        X_new, y_new = X_new[21_000:], y_new[21_000:]
        alone = error(KNNRegressor().fit(X[7000:], y[7000:]), X_new, y_new)
        told = []
        for times in (np.arange(10_000.0), None):
            selector = PrototypeSelector(keep_fraction=0.1)
            kept = selector.fit_resample(X, y, timestamps=times)
            found = error(KNNRegressor().fit(*kept, selector.sample_weight_), X_new, y_new)
            told.append(found / alone - 1)
        still = Clusters(np.ones(20), seed)
        X, y, group = still.draw(10_000, rng)
        X_new, y_new = still.fresh(group, rng)
        same = []
        for times in (np.arange(10_000.0), None):
            selector = PrototypeSelector(keep_fraction=0.1)
            kept = selector.fit_resample(X, y, timestamps=times)
            same.append(error(KNNRegressor().fit(*kept, selector.sample_weight_), X_new, y_new))
        print(
            f"seed {seed}: against the new part alone {told[0]:+.1%} (blind to age {told[1]:+.1%}); "
            f"without drift {same[0] / same[1] - 1:+.2%}"
        )


_COST = """
import resource, sys, time, numpy as np
from benchmarks.pruning_families import Surface, Clusters, zipf
from amorsize.ml_pruning import PrototypeSelector
rows, mode, kind = int(sys.argv[1]), sys.argv[2], sys.argv[3]
family = Surface(0) if kind == "heterogeneous" else Clusters(zipf(200), 0)
X, y, group = family.draw(rows, np.random.default_rng(0))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
began = time.perf_counter()
options = {"keep_fraction": 0.05} if mode == "fixed" else {"tolerance": 0.05}
selector = PrototypeSelector(**options)
selector.fit_resample(X, y)
seconds = time.perf_counter() - began
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(seconds, (after - before) / 1024, selector.report_.ratio)
"""


def cost(options: argparse.Namespace) -> None:
    """Each in an interpreter of its own, on one core."""
    for rows in (1_000, 10_000, 100_000, 1_000_000):
        for mode in ("fixed", "tolerance"):
            for kind in ("heterogeneous", "Zipf"):
                done = subprocess.run(
                    ["taskset", "-c", "0", sys.executable, "-c", _COST, str(rows), mode, kind],
                    cwd=ROOT, capture_output=True, text=True, check=False,
                )  # fmt: skip
                if done.returncode:
                    print(done.stderr)
                    continue
                seconds, memory, ratio = map(float, done.stdout.split())
                print(
                    f"{rows:9,} rows, {kind:13} {mode:9}: {seconds:6.2f} s, {memory:4.0f} MB more, "
                    f"{ratio:.1%} removed",
                    flush=True,
                )


def latency(options: argparse.Namespace) -> None:
    """One query, brute force before and after, and the best engine on all rows (SciPy's k-d tree)."""
    from scipy.spatial import cKDTree  # type: ignore[import-untyped,unused-ignore]

    for rows in (1_000, 10_000, 100_000):
        family = Clusters(zipf(200), 0)
        rng = np.random.default_rng(0)
        X, y, group = family.draw(rows, rng)
        queries, _, _ = family.draw(200, rng)
        whole = KNNRegressor().fit(X, y)
        selector = PrototypeSelector(tolerance=0.05)
        pruned = KNNRegressor().fit(
            *selector.fit_resample(X, y, groups=group), selector.sample_weight_
        )
        tree = cKDTree(X)

        def by_tree(query: Any, tree: Any = tree, y: Any = y) -> Any:
            away, index = tree.query(query, 5)
            weight = 1.0 / np.maximum(away, 1e-12)
            return (weight * y[index]).sum(1) / weight.sum(1)

        took: dict[str, list[float]] = {"before": [], "after": [], "tree": []}
        for query in queries[:, None]:
            for name, ask in (
                ("before", whole.predict),
                ("after", pruned.predict),
                ("tree", by_tree),
            ):
                began = time.perf_counter()
                ask(query)
                took[name].append(time.perf_counter() - began)
        middle = {name: float(np.median(values)) * 1e6 for name, values in took.items()}
        print(
            f"{rows:7,} rows -> {selector.report_.kept:5,}: {middle['before']:.0f} -> "
            f"{middle['after']:.0f} µs ({middle['before'] / middle['after']:.1f} times); "
            f"k-d tree on all rows {middle['tree']:.0f} µs"
        )


# -- the rest ------------------------------------------------------------------------------------------


def chosen(options: argparse.Namespace) -> list[Family]:
    return [
        family
        for family in families(0)
        if re.search(options.only, family.name) and (options.held_out or not family.held_out)
    ]


def write(name: str, found: list[dict[str, Any]]) -> None:
    OUT.mkdir(exist_ok=True)
    (OUT / f"pruning-{name}.json").write_text(json.dumps(found, indent=0))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=tuple(PARTS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--records", type=Path, default=OUT / "pruning-bound.jsonl")
    parser.add_argument("--tolerance", type=float, nargs="+", default=[0.02, 0.05])
    parser.add_argument("--only", default="", metavar="REGEX")
    parser.add_argument("--held-out", action="store_true")
    parser.add_argument("--predictor", choices=("all", "plain", "tuned", "mass"), default="all")
    options = parser.parse_args()
    PARTS[options.what](options)


PARTS = {
    "bound": bound,
    "told": told,
    "sizes": sizes,
    "drift": drift,
    "cost": cost,
    "latency": latency,
}


if __name__ == "__main__":
    main()
