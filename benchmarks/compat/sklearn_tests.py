"""scikit-learn's own tests of model_selection and ensemble, every call of joblib under one backend.

    python -m benchmarks.compat.sklearn_tests loky --out loky.json [--only PATTERN] [--n-jobs 2]
    python -m benchmarks.compat.sklearn_tests amorsize --out amorsize.json
    python -m benchmarks.compat.sklearn_tests compare loky.json[,more.json] amorsize.json[,more.json]

Each test runs inside ``joblib.parallel_config(backend=..., n_jobs=2)``: calls with ``n_jobs=None`` are
parallel, too. A test counts as dispatched when joblib handed a batch of it to the backend with more than
one job. ``compare`` tells the tests whose outcome is not the same, and how many were dispatched.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import joblib
import pytest

PACKAGES = ("model_selection", "ensemble")


class Watched:
    """Runs each test under the backend; notes its outcome and what was dispatched."""

    def __init__(self, backend: str, n_jobs: int) -> None:
        self.backend, self.n_jobs = backend, n_jobs
        self.outcomes: dict[str, str] = {}
        self.dispatched: Counter[str] = Counter()
        """Batches by test."""
        self.others: Counter[str] = Counter()
        """Batches that others than the caller ran, by test (amorsize only)."""
        self._test = ""

    def watch(self) -> None:
        """Count what joblib hands to the backend's class."""
        kind = joblib.parallel.BACKENDS[self.backend]
        submit = kind.submit

        def counted(backend: Any, func: Any, callback: Any = None) -> Any:
            parallel = backend.parallel
            if backend.effective_n_jobs(parallel.n_jobs) > 1:
                self.dispatched[self._test] += 1
            return submit(backend, func, callback)

        kind.submit = counted
        if hasattr(kind, "_hand_over"):
            hand_over = kind._hand_over

            def noted(backend: Any, call: Any, mode: str) -> None:
                self.others[self._test] += 1
                hand_over(backend, call, mode)

            kind._hand_over = noted

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: Any) -> Iterator[None]:
        """Inside the backend."""
        self._test = item.nodeid
        with joblib.parallel_config(backend=self.backend, n_jobs=self.n_jobs):
            return (yield)

    def pytest_runtest_logreport(self, report: Any) -> None:
        """The worst of a test's phases."""
        if report.when == "call" or report.outcome != "passed":
            self.outcomes[report.nodeid] = report.outcome


def run(backend: str, out: str, only: str, n_jobs: int, others: list[str]) -> int:
    """Run the tests; write what came of them."""
    import sklearn

    import amorsize

    amorsize.register_joblib_backend()
    os.environ["AMORSIZE_HISTORY"] = "off"
    watched = Watched(backend, n_jobs)
    watched.watch()
    top = Path(sklearn.__file__).parent
    files = [
        str(path)
        for package in PACKAGES
        for path in sorted((top / package).rglob("test_*.py"))
        if only in str(path)
    ]
    # Neither our configuration nor its time limits.
    arguments = ["-q", "-c", os.devnull, "-p", "no:cacheprovider", "--rootdir", str(top)]
    pytest.main([*arguments, *others, *files], plugins=[watched])
    found = {"outcomes": watched.outcomes, "dispatched": watched.dispatched}
    Path(out).write_text(json.dumps(found))
    counts = Counter(watched.outcomes.values())
    print(
        f"{backend}: {dict(counts)}; {len(watched.dispatched)} tests dispatched "
        f"{sum(watched.dispatched.values())} batches with more than one job; "
        f"in {len(watched.others)} others than the caller worked"
    )
    return 0


def compare(files: list[str]) -> int:
    """0 if the outcomes are the same."""
    first, second = (
        [json.loads(Path(one).read_text()) for one in half.split(",")] for half in files
    )
    left, right = (
        {name: outcome for part in parts for name, outcome in part["outcomes"].items()}
        for parts in (first, second)
    )
    differ = [name for name in left.keys() | right.keys() if left.get(name) != right.get(name)]
    for name in sorted(differ):
        print(f"{name}: {left.get(name)} and {right.get(name)}")
    dispatched = [sum(len(part["dispatched"]) for part in parts) for parts in (first, second)]
    print(f"{len(left)} tests, {len(differ)} with another outcome; dispatched in {dispatched}")
    return 1 if differ else 0


def main() -> int:
    """See the module."""
    if sys.argv[1:2] == ["compare"]:
        return compare(sys.argv[2:])
    parser = argparse.ArgumentParser(description="sklearn's tests under a joblib backend")
    parser.add_argument("backend")
    parser.add_argument("--out", required=True, help="file for the outcomes")
    parser.add_argument("--only", default="", help="files whose path has it")
    parser.add_argument("--n-jobs", type=int, default=2)
    given, others = parser.parse_known_args()
    return run(given.backend, given.out, given.only, given.n_jobs, others)


if __name__ == "__main__":
    sys.exit(main())
