"""The evidence on pruning.

python -m benchmarks.pruning.evaluate bound         tolerance mode: what was removed, and the error
on fresh rows
python -m benchmarks.pruning.evaluate table         its records as a table
python -m benchmarks.pruning.evaluate sizes         fixed fractions against other ways to choose rows
python -m benchmarks.pruning.evaluate front         its records as tables and a plot
python -m benchmarks.pruning.evaluate drift         a change at 70 % of the history
python -m benchmarks.pruning.evaluate cost          seconds and memory of pruning, 1e3 to 1e6 rows
python -m benchmarks.pruning.evaluate latency       one prediction before and after

``--held-out`` adds the families that are looked at only to check; ``--seeds N``; ``--only REGEX``.
Records are appended to ``results/pruning-*.jsonl`` (``--records`` names another place), so that a part of
it can be measured at a time: ``--first-seed``, ``--only``, ``--predictor``, ``--rows``.
"""

from __future__ import annotations

import argparse
import json
import re
import time
from pathlib import Path
from typing import Any

import numpy as np

from amorsize.learning.neighbors import shares
from amorsize.learning.regressor import KNNRegressor
from amorsize.pruning.selector import PrototypeSelector
from benchmarks.harness.measure import ROOT
from benchmarks.pruning.costs import cost, latency, rounded
from benchmarks.pruning.families import Clusters, Family, drifting, families
from benchmarks.pruning.rivals import by_chance, centroids, drop, earlier, k_centre

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
                        "proved": selector.report_.certified,
                        **judged(whole, pruned, codes, one.fresh is None, tolerance),
                        **by_verdict(selector.report_, whole, pruned, codes, one.fresh is None),
                    }
                    with path.open("a") as file:
                        file.write(json.dumps(rounded(record)) + "\n")
                    print(json.dumps(rounded(record)), flush=True)


PREDICTORS = ("plain", "tuned", "mass")


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


def as_table(options: argparse.Namespace) -> None:
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


def by_verdict(report: Any, whole: Any, pruned: Any, codes: Any, table: bool) -> dict[str, Any]:
    """Regions by what was said of each, and how many gained more error at fresh rows than that allows;
    those of a table have too few fresh rows to tell."""
    found: dict[str, Any] = {"regions_in_all": len(report.regions)}
    for verdict in ("certified", "estimated", "whole"):
        some = [one for one in report.regions if one.verdict == verdict and one.name is not None]
        found[verdict] = len(some)
        changes = []
        for one in some if not table else []:
            inside = codes == -1 - int(one.name)
            before = np.abs(whole[inside]).mean() + TINY
            changes.append((np.abs(pruned[inside]).mean() + TINY) / before - 1.0)
        found[f"{verdict}_false"] = sum(bool(change > 2 * report.tolerance) for change in changes)
    return found


# -- against others ------------------------------------------------------------------------------------


def ours(X: Any, y: Any, size: int, seed: int) -> tuple[Any, Any, Any]:
    selector = PrototypeSelector(keep_fraction=size / len(X), random_state=seed)
    return (*selector.fit_resample(X, y), selector.sample_weight_)


OTHERS = {"amorsize": ours, "random": by_chance, "k-means": centroids, "k-centre": k_centre}
MOST_ROWS, DROP_ROWS = 6_000, 3_000
"""Rows of a family in this part: k-means takes minutes for more, DROP is plain Python."""


def sizes(options: argparse.Namespace) -> None:
    """Change of the RMSE at fixed fractions, for the predictor that counts mass; records are appended."""
    path = options.records.with_name("pruning-sizes.jsonl")
    known = {(one["family"], one["seed"]) for one in read(path)}
    for family in chosen(options):
        for seed in range(options.first_seed, options.first_seed + options.seeds):
            if (family.name, seed) in known:
                continue
            one = next(f for f in families(seed) if f.name == family.name)
            X, y, _, X_new, y_new, codes = data_of(one, seed)
            X, y = X[:MOST_ROWS], y[:MOST_ROWS]
            use = slice(None) if one.fresh is None else codes >= 0
            X_new, y_new = X_new[use][:8000], y_new[use][:8000]
            found: list[dict[str, Any]] = []

            def record(
                method: str, kept: Any, rows: slice, X: Any = X, y: Any = y,
                X_new: Any = X_new, y_new: Any = y_new, seed: int = seed, found: Any = found,
                family: Family = family,
            ) -> None:  # fmt: skip
                whole = error(KNNRegressor().fit(X[rows], y[rows]), X_new, y_new)
                change = error(KNNRegressor().fit(*kept), X_new, y_new) / whole - 1
                found.append(
                    {"family": family.name, "held_out": family.held_out, "seed": seed,
                     "fraction": len(kept[0]) / len(X[rows]), "method": method, "change": change}
                )  # fmt: skip

            everything = slice(None)
            for fraction in FRACTIONS:
                size = max(20, round(fraction * len(X)))
                if size < len(X):
                    for name, choose in OTHERS.items():
                        record(f"{name} {fraction:.0%}", choose(X, y, size, seed), everything)
            few = slice(DROP_ROWS)
            for rival, other, part in (
                ("earlier", earlier(X, y), everything),
                ("DROP2-RE", drop(X[few], y[few], seed), few),
            ):
                size = max(20, len(other[0]))
                if size < len(X[part]):
                    record(rival, other, part)
                    record(f"amorsize as {rival}", ours(X[part], y[part], size, seed), part)
            with path.open("a") as file:
                file.writelines(json.dumps(rounded(one)) + "\n" for one in found)
            print(family.name, seed, flush=True)


def front(options: argparse.Namespace) -> None:
    """The records of `sizes` as tables, and as a picture of error against the kept fraction."""
    found = read(options.records.with_name("pruning-sizes.jsonl"))

    def middle(method: str, family: str = "", what: str = "change") -> float | None:
        some = [o[what] for o in found if o["method"] == method and family in ("", o["family"])]
        return float(np.median(some)) if some else None

    def shown(value: float | None) -> str:
        return "" if value is None else f"{value:+.1%}"

    for fraction in FRACTIONS:
        print(f"\nkept {fraction:.0%}\n\n| family | {' | '.join(OTHERS)} |")
        print("|" + " --- |" * (len(OTHERS) + 1))
        for family in [*dict.fromkeys(o["family"] for o in found), ""]:
            values = [shown(middle(f"{name} {fraction:.0%}", family)) for name in OTHERS]
            print(f"| {family or 'median of all'} | {' | '.join(values)} |")
    print("\n| family | earlier keeps | its change | amorsize at that size | DROP2-RE keeps "
          "| its change | amorsize at that size |")  # fmt: skip
    print("|" + " --- |" * 7)
    for family in [*dict.fromkeys(o["family"] for o in found), ""]:
        cells = []
        for rival in ("earlier", "DROP2-RE"):
            kept = middle(rival, family, "fraction")
            cells.append("" if kept is None else f"{kept:.1%}")
            cells += [shown(middle(name, family)) for name in (rival, f"amorsize as {rival}")]
        print(f"| {family or 'median of all'} | {' | '.join(cells)} |")

    import matplotlib  # type: ignore[import-untyped,import-not-found,unused-ignore]

    matplotlib.use("Agg")
    from matplotlib import pyplot  # type: ignore[import-untyped,import-not-found,unused-ignore]

    figure, axes = pyplot.subplots(figsize=(6, 4), layout="constrained")
    for name in OTHERS:
        changes = [100 * (middle(f"{name} {f:.0%}") or 0.0) for f in FRACTIONS]
        axes.plot([100 * f for f in FRACTIONS], changes, marker="o", label=name)
    axes.set_xscale("log")
    axes.set_xlabel("rows kept (%)")
    axes.set_ylabel("RMSE at fresh rows (% change, median of families)")
    axes.legend(frameon=False)
    figure.savefig(options.records.with_name("pruning-front.svg"))


def error(model: Any, X: Any, y: Any) -> float:
    return float(np.sqrt(((model.predict(X) - y) ** 2).mean()))


# -- drift ------------------------------------------------------------------------------


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


# -- the rest ------------------------------------------------------------------------------------------


def chosen(options: argparse.Namespace) -> list[Family]:
    return [
        family
        for family in families(0)
        if re.search(options.only, family.name) and (options.held_out or not family.held_out)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=tuple(PARTS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--records", type=Path, default=OUT / "pruning-bound.jsonl")
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000, 10_000, 100_000, 1_000_000])
    parser.add_argument("--tolerance", type=float, nargs="+", default=[0.02, 0.05])
    parser.add_argument("--only", default="", metavar="REGEX")
    parser.add_argument("--held-out", action="store_true")
    parser.add_argument("--predictor", choices=("all", "plain", "tuned", "mass"), default="all")
    options = parser.parse_args()
    PARTS[options.what](options)


PARTS = {
    "bound": bound,
    "table": as_table,
    "sizes": sizes,
    "front": front,
    "drift": drift,
    "cost": cost,
    "latency": latency,
}


if __name__ == "__main__":
    main()
