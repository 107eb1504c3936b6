"""Fixed sizes: our selector against other ways to keep as many rows, on tables and on made families.

python -m benchmarks.pruning.race --tables FOLDER --rival FILE.py:FUNCTION [--seeds 5] [--held-out]

``FOLDER`` holds ``*.npz`` with ``X`` and ``y``. ``FUNCTION`` is a rival selector, loaded from its file:
``f(X, y, keep_fraction=, rng=)`` returns ``(X, y, mass)`` or positions; its y has two dimensions. Each
racer is judged at rows that it never saw, by three predictors: plain (k = 5, all rows alike), tuned (its
k, kernel and use of the masses chosen on other held-out rows), and mass-counting (tuned likewise, k
counted in mass). Records are appended as JSON lines; the summary divides our error by the rival's.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from amorsize.pruning.selector import PrototypeSelector
from benchmarks.harness.measure import ROOT
from benchmarks.pruning.costs import rounded
from benchmarks.pruning.evaluate import PlainKNN, read
from benchmarks.pruning.families import made
from benchmarks.pruning.rivals import by_chance, centroids, diskr, k_centre, kernel_thinned

Kept = tuple[Any, Any, Any]
FRACTIONS = (0.35, 0.10, 0.05, 0.01)
SOFT = 0.01
"""Added to each distance, features within 0 and 1: what keeps 1 / distance finite."""
WIDTHS = (None, 0.02, 0.05, 0.1, 0.2, 0.5)
"""Of a Cauchy kernel; None: 1 / distance."""
COUNTS, MASSES = (1, 2, 3, 5, 8, 13, 21, 34), (55, 89, 144)


# -- judges --------------------------------------------------------------------------------------------


class Judge:
    """Errors of predictors on what was kept; some held-out rows tune, others judge."""

    def __init__(self, kept: Kept, queries: Any) -> None:
        from scipy.spatial import cKDTree  # type: ignore[import-untyped,unused-ignore]

        X, self.y, mass = kept
        self.mass = np.ones(len(X)) if mass is None else mass
        k = min(COUNTS[-1], len(X))
        away, index = cKDTree(X).query(queries, np.arange(1, k + 1))
        self.away, self.index = away, index

    def by_rows(self, rows: slice, k: int, width: float | None, mass: Any) -> Any:
        away, index = self.away[rows, :k], self.index[rows, :k]
        share = (
            mass[index] / (away + SOFT)
            if width is None
            else 1.0 / (1.0 / mass[index] + (away / width) ** 2)
        )
        return (share * self.y[index]).sum(1) / share.sum(1)

    def by_mass(self, rows: slice, k: int, width: float | None) -> Any:
        away, index = self.away[rows], self.index[rows]
        mass = self.mass[index]
        counted = np.clip(k - (np.cumsum(mass, 1) - mass), 0, mass)
        share = counted / (away + SOFT) if width is None else counted / (1.0 + (away / width) ** 2)
        return (share * self.y[index]).sum(1) / share.sum(1)

    def errors(self, y: Any) -> dict[str, float]:
        """Root mean squared error of each predictor on the second half of the queries."""
        some, others = slice(0, len(y) // 2), slice(len(y) // 2, None)
        ones = np.ones(len(self.mass))

        def rmse(guess: Any, rows: slice) -> float:
            return float(np.sqrt(((guess - y[rows]) ** 2).mean()))

        def best(ask: list[Callable[[slice], Any]]) -> float:
            return rmse(min(ask, key=lambda one: rmse(one(some), some))(others), others)

        counts = [k for k in COUNTS if k <= len(self.mass)]
        return {
            "plain": rmse(self.by_rows(others, 5, None, ones), others),
            "tuned": best(
                [
                    lambda rows, k=k, w=w, m=m: self.by_rows(rows, k, w, m)  # type: ignore[misc]
                    for m in (self.mass, ones)
                    for w in WIDTHS
                    for k in counts
                ]
            ),
            "mass": best(
                [
                    lambda rows, k=k, w=w: self.by_mass(rows, k, w)  # type: ignore[misc]
                    for w in WIDTHS
                    for k in (*COUNTS, *MASSES)
                ]
            ),
        }


# -- racers --------------------------------------------------------------------------------------------


def ours(X: Any, y: Any, size: int, seed: int) -> Kept:
    selector = PrototypeSelector(keep_fraction=size / len(X), random_state=seed)
    return (*selector.fit_resample(X, y), selector.sample_weight_)


def ours_by_rows(X: Any, y: Any, size: int, seed: int) -> Kept:
    """Told that the predictor counts rows."""
    selector = PrototypeSelector(
        keep_fraction=size / len(X), random_state=seed, estimator=PlainKNN()
    )
    return (*selector.fit_resample(X, y), selector.sample_weight_)


def loaded(place: str) -> Callable[..., Kept]:
    """The rival selector of ``FILE.py:FUNCTION``."""
    file, _, name = place.rpartition(":")
    sys.path.insert(0, str(Path(file).resolve().parent))
    spec = importlib.util.spec_from_file_location(Path(file).stem, file)
    if spec is None or spec.loader is None:
        raise SystemExit(f"--rival {place}: {file} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[Path(file).stem] = module
    spec.loader.exec_module(module)
    choose = getattr(module, name)

    def rival(X: Any, y: Any, size: int, seed: int) -> Kept:
        found = choose(
            X, y[:, None], keep_fraction=size / len(X), rng=np.random.default_rng(seed + 1)
        )
        if isinstance(found, tuple):
            return found[0], found[1][:, 0], found[2]
        return X[found], y[found], None

    return rival


OTHERS: dict[str, Callable[..., Kept]] = {
    "random": by_chance,
    "k-means": centroids,
    "k-centre": k_centre,
    "kernel thinning": kernel_thinned,
}


# -- data ----------------------------------------------------------------------------------------------


def tables(folder: Path | None, only: str) -> dict[str, Callable[[int], tuple[Any, Any]]]:
    """Name -> function that gives all rows of a table, features within 0 and 1, y standardised."""

    def table(path: Path) -> Callable[[int], tuple[Any, Any]]:
        def draw(seed: int) -> tuple[Any, Any]:
            with np.load(path) as found:
                X, y = np.asarray(found["X"], float), np.asarray(found["y"], float).ravel()
            X = (X - X.min(0)) / np.where(np.ptp(X, 0) > 0, np.ptp(X, 0), 1.0)
            return X, (y - y.mean()) / y.std()

        return draw

    paths = [] if folder is None else sorted(folder.glob("*.npz"))
    return {path.stem: table(path) for path in paths if re.search(only, path.stem)}


def everything(options: argparse.Namespace) -> dict[str, Callable[[int], tuple[Any, Any]]]:
    found = tables(options.tables, options.only)
    for name, (draw, held_out) in made().items():
        if re.search(options.only, name) and held_out <= options.held_out:
            found[name] = draw
    return found


# -- the race ------------------------------------------------------------------------------------------


def race(options: argparse.Namespace) -> None:
    racers: dict[str, Callable[..., Kept]] = {"amorsize": ours, "amorsize, rows": ours_by_rows}
    racers |= OTHERS if options.others else {}
    if options.rival:
        racers["rival"] = loaded(options.rival)
    known = {(o["table"], o["seed"], o["fraction"], o["racer"]) for o in read(options.records)}
    for name, draw in everything(options).items():
        for seed in range(options.first_seed, options.first_seed + options.seeds):
            X, y = draw(seed)
            order = np.random.default_rng(seed).permutation(len(X))
            train = order[: min(options.rows, int(0.6 * len(X)))]
            test = order[len(train) : len(train) + options.test_rows]
            for fraction in options.fractions:
                size = max(20, round(fraction * len(train)))
                for racer, choose in racers.items():
                    if (name, seed, fraction, racer) in known:
                        continue
                    began = time.process_time()
                    kept = choose(X[train], y[train], size, seed)
                    seconds = time.process_time() - began
                    record = {
                        "table": name, "seed": seed, "fraction": fraction, "racer": racer,
                        "rows": len(train), "kept": len(kept[0]), "cpu_seconds": seconds,
                        **Judge(kept, X[test]).errors(y[test]),
                    }  # fmt: skip
                    with options.records.open("a") as file:
                        file.write(json.dumps(rounded(record)) + "\n")
            if options.diskr and (name, seed, 0.0, "DISKR") not in known:
                few = train[:3000]
                kept = diskr(X[few], y[few])
                size = max(20, len(kept[0]))
                some = {"DISKR": kept, "amorsize as DISKR": ours(X[few], y[few], size, seed)}
                for racer, one in some.items():
                    record = {
                        "table": name, "seed": seed, "fraction": 0.0, "racer": racer,
                        "rows": len(few), "kept": len(one[0]), "cpu_seconds": 0.0,
                        **Judge(one, X[test]).errors(y[test]),
                    }  # fmt: skip
                    with options.records.open("a") as file:
                        file.write(json.dumps(rounded(record)) + "\n")
            print(name, seed, file=sys.stderr, flush=True)


def summary(options: argparse.Namespace) -> None:
    """Our error over the rival's, the mean of the seeds: by table, as geometric mean, and the worst."""
    found = [o for o in read(options.records) if re.search(options.only, o["table"])]
    racers = [r for r in dict.fromkeys(o["racer"] for o in found) if r != options.against]
    names = list(dict.fromkeys(o["table"] for o in found))
    for predictor in ("plain", "tuned", "mass"):
        for fraction in sorted({o["fraction"] for o in found}, reverse=True):
            some = [o for o in found if o["fraction"] == fraction]

            def mean(name: str, racer: str, some: Any = some, what: str = predictor) -> float:
                mine = [o[what] for o in some if o["table"] == name and o["racer"] == racer]
                return float(np.mean(mine)) if mine else np.nan

            ratios = {
                racer: [mean(name, racer) / mean(name, options.against) for name in names]
                for racer in racers
            }
            ratios = {r: v for r, v in ratios.items() if np.isfinite(v).any()}
            if not ratios:
                continue
            print(f"\n{predictor}, kept {fraction:.0%}: error over that of {options.against}\n")
            print(f"| table | {' | '.join(ratios)} |\n|{' --- |' * (len(ratios) + 1)}")
            for number, name in enumerate(names):
                print(f"| {name} | {' | '.join(f'{v[number]:.3f}' for v in ratios.values())} |")
            middle = [f"{np.exp(np.nanmean(np.log(v))):.3f}" for v in ratios.values()]
            print(f"| geometric mean | {' | '.join(middle)} |")
            print(f"| worst | {' | '.join(f'{np.nanmax(v):.3f}' for v in ratios.values())} |")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tables", type=Path, metavar="FOLDER")
    parser.add_argument("--rival", metavar="FILE.py:FUNCTION")
    parser.add_argument("--against", default="rival", help="whose error the summary divides by")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--rows", type=int, default=4000)
    parser.add_argument("--test-rows", type=int, default=4000)
    parser.add_argument("--fractions", type=float, nargs="+", default=list(FRACTIONS))
    parser.add_argument("--only", default="", metavar="REGEX")
    parser.add_argument("--held-out", action="store_true", help="the made families held aside, too")
    parser.add_argument(
        "--others", action="store_true", help="random, k-means, k-centre and kernel thinning, too"
    )
    parser.add_argument("--diskr", action="store_true", help="DISKR at its own size, too")
    parser.add_argument("--summary", action="store_true", help="only the records that there are")
    parser.add_argument(
        "--records", type=Path, default=ROOT / "benchmarks" / "results" / "pruning-race.jsonl"
    )
    options = parser.parse_args()
    if not options.summary:
        race(options)
    summary(options)


if __name__ == "__main__":
    main()
