"""A history's life: pruned again and again while it grows and drifts; how many certificates are false.

python -m benchmarks.pruning.life [--lives 20] [--prunings 300] [--tolerance 0.05] [--records FILE]

Before each pruning new rows come, and now and then the labels of one workload change. A certificate is
false where the error of the rows that it left, at fresh rows of the same moment, is larger than the
tolerance allows over that of the rows that it was given. A life is false that has one such certificate.
Beside it, after each certified pruning: rows kept over what a single pruning of the newest rows as they
came keeps, and the error over that of a predictor on those rows.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from amorsize.learning.regressor import KNNRegressor
from amorsize.pruning.certificate import spent
from amorsize.pruning.selector import PrototypeSelector
from benchmarks.harness.measure import ROOT
from benchmarks.pruning.costs import rounded
from benchmarks.pruning.families import Clusters, zipf

FIRST, FRESH, MOST = 300, 20_000, 2_000
"""Rows at the start; fresh rows that judge a certificate; rows above which a history drops the oldest."""
DRIFT = 0.02
"""Probability that the labels of one workload change before a pruning."""


def life(seed: int, options: argparse.Namespace) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    made = Clusters(zipf(12), seed, uneven=True, heavy=seed % 2 == 1)
    X, y, group = made.draw(FIRST, rng)
    mass, new = np.ones(FIRST), np.ones(FIRST, bool)
    raw = [(X, y, group)]
    false = certificates = tried = 0
    worst, carried, shares, errors = -1.0, 0.0, [], []
    for number in range(options.prunings):
        more = int(rng.integers(20, 120))
        if rng.random() < DRIFT:
            made.level[rng.integers(len(made.level))] += rng.normal(0, 0.3)
        some = made.draw(more, rng)
        raw.append(some)
        X, y, group = (np.concatenate([a, b]) for a, b in zip((X, y, group), some, strict=True))
        mass, new = np.append(mass, np.ones(more)), np.append(new, np.ones(more, bool))
        if len(X) > MOST:
            X, y, group, mass, new = (column[-MOST:] for column in (X, y, group, mass, new))
        selector = PrototypeSelector(
            tolerance=options.tolerance, level=spent(options.level, tried + 1, carried),
            lighter=False, random_state=number,
        )  # fmt: skip
        kept = selector.fit_resample(X, y, mass, groups=group, fresh=new)
        report = selector.report_
        if any(rung.passed is not None for rung in report.ladder):
            tried += 1
            carried = report.level if report.certified else 0.0
        if report.certified:
            certificates += 1
            X_new, y_new, _ = made.draw(FRESH, rng)
            before = np.abs(KNNRegressor().fit(X, y, mass).predict(X_new) - y_new).mean()
            less = KNNRegressor().fit(*kept, selector.sample_weight_)
            change = float(np.abs(less.predict(X_new) - y_new).mean() / before - 1.0)
            worst = max(worst, change)
            false += change > options.tolerance
            past = [np.concatenate(columns)[-MOST:] for columns in zip(*raw[-60:], strict=True)]
            single = PrototypeSelector(
                tolerance=options.tolerance, lighter=False, random_state=number
            )
            single.fit_resample(past[0], past[1], groups=past[2])
            shares.append(report.kept / single.report_.kept)
            whole = KNNRegressor().fit(past[0], past[1]).predict(X_new) - y_new
            now = np.abs(less.predict(X_new) - y_new).mean()
            errors.append(float(now / np.abs(whole).mean() - 1.0))
        if report.certified or report.removed:
            first = np.full(report.kept, -1)
            first[selector.owner_[::-1]] = np.arange(len(X))[::-1]
            group, X, y, mass = group[first], *kept, selector.sample_mass_
            new = new[first] & (mass <= 1.0) & (not report.certified)
    return {
        "seed": seed, "prunings": options.prunings, "tolerance": options.tolerance,
        "tests": tried, "certificates": certificates, "false": int(false), "worst": worst,
        "rows": len(X), "kept_over_single": float(np.median(shares)) if shares else None,
        "error_over_unpruned": float(np.median(errors)) if errors else None,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lives", type=int, default=20)
    parser.add_argument("--first", type=int, default=0, help="seed of the first life")
    parser.add_argument("--prunings", type=int, default=300)
    parser.add_argument("--tolerance", type=float, default=0.05)
    parser.add_argument("--level", type=float, default=0.05)
    parser.add_argument(
        "--records", type=Path, default=ROOT / "benchmarks" / "results" / "pruning-life.jsonl"
    )
    options = parser.parse_args()
    found = []
    for seed in range(options.first, options.first + options.lives):
        began = time.process_time()
        one = {**life(seed, options), "cpu_seconds": time.process_time() - began}
        found.append(one)
        with options.records.open("a") as file:
            file.write(json.dumps(rounded(one)) + "\n")
        print(json.dumps(rounded(one)), flush=True)
    bad = sum(one["false"] > 0 for one in found)
    print(
        f"{bad} of {len(found)} lives have a false certificate; "
        f"{sum(one['false'] for one in found)} of {sum(one['certificates'] for one in found)} "
        f"certificates are false"
    )


if __name__ == "__main__":
    main()
