"""scikit-learn's jobs under the joblib backend "amorsize" against "loky", in pairs.

    python -m benchmarks.compat.joblib_backend [--rounds 5] [--cold 3] [--only PATTERN] [--seconds 140]

Warm: two interpreters, one for each backend, that have run the job before; for each pair both run it, in
changing order. Cold: a fresh interpreter for each run, with everything imported and no worker yet. What
each job returns is compared, number by number. Told are the median of the pairs' ratios (amorsize /
loky), seconds, and the geometric mean over the jobs.
"""

from __future__ import annotations

import argparse
import hashlib
import math
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from typing import Any

JOBS_OF_A_CALL = 2
BACKENDS = ("loky", "amorsize")


def jobs() -> dict[str, Callable[[], Any]]:
    """Name -> what runs; from some milliseconds to some seconds. All numbers are seeded."""
    import numpy as np
    from sklearn.datasets import load_digits, load_iris, make_classification, make_regression
    from sklearn.decomposition import PCA
    from sklearn.ensemble import (
        BaggingClassifier,
        ExtraTreesRegressor,
        HistGradientBoostingClassifier,
        RandomForestClassifier,
        RandomForestRegressor,
        VotingClassifier,
    )
    from sklearn.inspection import permutation_importance
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.model_selection import (
        GridSearchCV,
        RandomizedSearchCV,
        cross_val_predict,
        cross_val_score,
        learning_curve,
    )
    from sklearn.naive_bayes import GaussianNB
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC
    from sklearn.tree import DecisionTreeClassifier

    iris, digits = load_iris(return_X_y=True), load_digits(return_X_y=True)
    small = make_classification(500, 10, random_state=0)
    medium = make_classification(4000, 20, random_state=0)
    wide = make_classification(30_000, 20, random_state=0)
    line = make_regression(6000, 30, random_state=0)
    memory = tempfile.mkdtemp()
    forest = RandomForestClassifier(100, random_state=0).fit(*medium)
    grown = RandomForestRegressor(60, random_state=0, max_depth=12).fit(*line)

    def search(estimator: Any, grid: dict[str, Any], data: Any, **options: Any) -> Any:
        found = GridSearchCV(estimator, grid, **options).fit(*data)
        return found.cv_results_["mean_test_score"], found.best_score_

    def cached() -> Any:
        pipe = make_pipeline(StandardScaler(), PCA(20), LogisticRegression(), memory=memory)
        return search(pipe, {"logisticregression__C": [0.1, 1, 10]}, digits, cv=3)

    depths = {"max_depth": [2, 4, 6, 8], "min_samples_leaf": [1, 5, 20]}
    return {
        "cross_val_score/naive-bayes": lambda: cross_val_score(GaussianNB(), *iris, cv=5),
        "cross_val_score/ridge": lambda: cross_val_score(Ridge(), *line, cv=10),
        "GridSearchCV/svc-iris": lambda: search(SVC(), {"C": [0.1, 1, 10, 100]}, iris),
        "RandomForest/predict": lambda: forest.predict_proba(medium[0][:500]),
        # Threads add the trees' predictions in the order in which they end, under loky's call, too.
        "RandomForest/predict-wide": lambda: grown.predict(np.repeat(line[0], 4, axis=0)).round(9),
        "RandomForest/fit-small": lambda: (
            RandomForestClassifier(50, random_state=0).fit(*small).predict_proba(small[0])
        ),
        "Pipeline/memory": cached,
        "permutation_importance": lambda: (
            permutation_importance(forest, *medium, n_repeats=2, random_state=0).importances
        ),
        "RandomForest/fit": lambda: (
            RandomForestClassifier(100, random_state=0).fit(*medium).predict_proba(medium[0])
        ),
        "GridSearchCV/tree": lambda: search(DecisionTreeClassifier(random_state=0), depths, medium),
        "learning_curve/svc": lambda: learning_curve(SVC(), *medium, cv=3)[1:],
        "ExtraTrees/fit": lambda: (
            ExtraTreesRegressor(100, random_state=0).fit(*line).predict(line[0])
        ),
        "Bagging+Voting/fit": lambda: (
            BaggingClassifier(DecisionTreeClassifier(), 30, random_state=0)
            .fit(*medium)
            .predict(medium[0]),
            VotingClassifier([("a", GaussianNB()), ("b", DecisionTreeClassifier(random_state=0))])
            .fit(*medium)
            .predict(medium[0]),
        ),
        "RandomizedSearchCV/forest": lambda: (
            RandomizedSearchCV(
                RandomForestClassifier(20, random_state=0), depths, n_iter=6, random_state=0
            )
            .fit(*medium)
            .cv_results_["mean_test_score"]
        ),
        "GridSearchCV/boosting": lambda: search(
            HistGradientBoostingClassifier(max_iter=20, random_state=0),
            {"learning_rate": [0.05, 0.1, 0.2]},
            medium,
            cv=3,
        ),
        "cross_val_predict/logistic": lambda: cross_val_predict(
            make_pipeline(StandardScaler(), LogisticRegression()), *wide, cv=8
        ),
        "GridSearchCV/svc-digits": lambda: search(
            SVC(), {"C": [1, 10], "gamma": [0.001, 0.01, 0.1]}, digits
        ),
    }


def digest(value: Any) -> str:
    """The numbers, exactly."""
    import numpy as np

    found = hashlib.sha256()

    def take(part: Any) -> None:
        if isinstance(part, (tuple, list)):
            for one in part:
                take(one)
        else:
            found.update(np.ascontiguousarray(part).tobytes())

    take(value)
    return found.hexdigest()[:16]


def serve(backend: str) -> None:
    """In a child: run the jobs that standard input names; print seconds and digest of each."""
    import joblib

    import amorsize

    amorsize.register_joblib_backend()
    warnings.simplefilter("ignore")
    table = jobs()
    print("ready", flush=True)
    for line in sys.stdin:
        with joblib.parallel_config(backend=backend, n_jobs=JOBS_OF_A_CALL):
            began = time.perf_counter()
            value = table[line.strip()]()
            seconds = time.perf_counter() - began
        print(seconds, digest(value), flush=True)


class Child:
    """An interpreter that runs jobs under one backend."""

    def __init__(self, backend: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.compat.joblib_backend", "--serve", backend],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "AMORSIZE_HISTORY": "off"},
        )
        self._read()

    def _read(self) -> list[str]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("the child has ended")
        return line.split()

    def run(self, name: str) -> tuple[float, str]:
        """Seconds and digest."""
        assert self.process.stdin is not None
        print(name, file=self.process.stdin, flush=True)
        seconds, found = self._read()
        return float(seconds), found

    def close(self) -> None:
        """End it."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def compare(name: str, pairs: list[dict[str, tuple[float, str]]], what: str) -> float:
    """Print one job; returns the median ratio."""
    ratio = statistics.median(pair["amorsize"][0] / pair["loky"][0] for pair in pairs)
    same = len({found for pair in pairs for _, found in pair.values()}) == 1
    ours, theirs = (
        1e3 * statistics.median(pair[backend][0] for pair in pairs)
        for backend in ("amorsize", "loky")
    )
    print(
        f"{what:5} {name:30} {ratio:6.2f}  amorsize {ours:8.1f} ms  loky {theirs:8.1f} ms  "
        f"{'same' if same else 'DIFFERENT'} numbers, {len(pairs)} pairs",
        flush=True,
    )
    return ratio


def order(turn: int) -> tuple[str, ...]:
    """Who goes first changes."""
    return BACKENDS if turn % 2 else BACKENDS[::-1]


def main() -> int:
    """Measure; 0 if the bounds hold."""
    parser = argparse.ArgumentParser(description="sklearn jobs: amorsize against loky")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    parser.add_argument("--rounds", type=int, default=5, help="warm pairs of each job")
    parser.add_argument("--cold", type=int, default=3, help="cold pairs of each job")
    parser.add_argument("--only", default="", help="jobs whose name matches")
    parser.add_argument("--seconds", type=float, default=1e9, help="begin no job after so long")
    given = parser.parse_args()
    if given.serve:
        serve(given.serve)
        return 0
    began = time.perf_counter()
    names = [name for name in jobs() if re.search(given.only, name)]
    worst = []
    if given.rounds:
        children = {backend: Child(backend) for backend in BACKENDS}
        ratios = []
        for name in names:
            if time.perf_counter() - began > given.seconds:
                print(f"no time left for {name} and what follows it")
                break
            for child in children.values():
                child.run(name)
                child.run(name)
            pairs = [
                {backend: children[backend].run(name) for backend in order(turn)}
                for turn in range(given.rounds)
            ]
            ratios.append(compare(name, pairs, "warm"))
        for child in children.values():
            child.close()
        worst.append(told("warm", ratios))
    if given.cold:
        ratios = []
        for name in names:
            if time.perf_counter() - began > given.seconds:
                print(f"no time left for {name} and what follows it")
                break
            pairs = []
            for turn in range(given.cold):
                pair = {}
                for backend in order(turn):
                    child = Child(backend)
                    pair[backend] = child.run(name)
                    child.close()
                pairs.append(pair)
            ratios.append(compare(name, pairs, "cold"))
        worst.append(told("cold", ratios))
    return 0 if all(worst) else 1


def told(what: str, ratios: list[float]) -> bool:
    """Print the geometric mean; whether the bounds (0.95, none above 1.10) hold."""
    if not ratios:
        return True
    mean = math.exp(statistics.fmean(map(math.log, ratios)))
    print(f"{what}: geometric mean {mean:.3f}, worst {max(ratios):.2f}, {len(ratios)} jobs")
    return mean <= 0.95 and max(ratios) <= 1.10


if __name__ == "__main__":
    sys.exit(main())
