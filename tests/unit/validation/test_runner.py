"""The validator passes what keeps its promise, fails what does not, and says what it cannot know."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from amorsize.history.memory import MemoryHistory
from amorsize.validation import render as rendering
from amorsize.validation import run_validation
from amorsize.validation.report import FAILED, PASSED, UNDECIDED, ValidationReport
from amorsize.validation.scenarios import classic, further, pure_noise, world
from benchmarks.pruning.validation_memory import LOADED

pytestmark = pytest.mark.timeout(180)


MEDIUM = [one for one in classic() if one.name == "medium, CPU-bound"]


def keep(X, y, some):
    return X[some], y[some], None


def earlier(X, y, scenario, seed, groups, times):
    """One cluster, five kept, the best outcomes."""
    return keep(X, y, np.argsort(y)[:5])


def by_chance(X, y, scenario, seed, groups, times):
    return keep(X, y, np.random.default_rng(seed).permutation(len(X))[: len(X) // 2])


def five_of_each(X, y, scenario, seed, groups, times):
    some = np.concatenate([np.flatnonzero(groups == group)[:5] for group in np.unique(groups)])
    return keep(X, y, some)


def largest(X, y, scenario, seed, groups, times):
    return keep(X, y, np.argsort(-y)[: len(X) // 2])


@pytest.mark.parametrize(
    ("selector", "why"),
    [
        (earlier, {"floor", "error"}),
        (by_chance, {"error"}),
        (five_of_each, {"memory freed"}),
        (largest, {"error", "against chance"}),
    ],
)
def test_bad_pruning_fails_and_is_told_why(selector, why: set[str]) -> None:
    found = run_validation(MEDIUM, selector=selector, seeds=12, plots=False)
    (outcome,) = found.outcomes
    assert outcome.verdict == FAILED and not found.passed
    failed = {check.name for check in outcome.checks if check.verdict == FAILED}
    assert why <= failed, [(check.name, check.measured) for check in outcome.checks]
    assert "wanted" in rendering.text(found)


def test_pure_noise_is_not_decidable() -> None:
    found = run_validation([pure_noise()], seeds=5, plots=False)
    assert found.outcomes[0].verdict == UNDECIDED and not found.passed
    assert "nothing to lose" in rendering.text(found)


def test_good_pruning_passes(report: ValidationReport) -> None:
    assert [one.verdict for one in report.outcomes] == [PASSED] * 2, rendering.text(report)
    assert report.passed and report.counted("classic") == (2, 2)


def test_the_same_seed_gives_the_same_figures() -> None:
    one, other = (run_validation(MEDIUM, seeds=3, plots=False, seed=7) for _ in range(2))
    for a, b in zip(one.outcomes, other.outcomes, strict=True):
        assert a.error == b.error and a.verdict == b.verdict
        assert [seed.kept for seed in a.seeds] == [seed.kept for seed in b.seeds]
    different = run_validation(MEDIUM, seeds=3, plots=False, seed=8)
    assert different.outcomes[0].error != one.outcomes[0].error


def test_the_further_scenarios_that_are_quick() -> None:
    some = [one for one in further() if one.rows <= 3_000]
    found = run_validation(some, seeds=2, plots=False)
    assert [one.name for one in found.outcomes if one.verdict == FAILED] == [], rendering.text(
        found
    )


def test_the_own_history() -> None:
    from support.pruning import runs

    history = MemoryHistory()
    history.add(runs(800))
    found = run_validation([], history=history, plots=False)
    assert found.outcomes[0].name == "your history" and found.outcomes[0].verdict == PASSED
    assert history.stats().rows == 800


def test_ctrl_c_leaves_the_partial_report() -> None:
    def stop(done: int, total: int, what: str) -> None:
        if what == "large, CPU-bound":
            raise KeyboardInterrupt

    found = run_validation(classic(), seeds=2, progress=stop)
    assert [one.name for one in found.outcomes] == ["small, CPU-bound", "medium, CPU-bound"]
    assert not found.complete and not found.passed
    assert "incomplete" in rendering.text(found)


def test_memory_is_what_the_system_sees(tmp_path: Path) -> None:
    from amorsize.validation.runner import built

    X, y, _, _ = world(0, 50).draw(100_000, np.random.default_rng(0))
    _, held, disk = built(X, y, None)
    np.savez(tmp_path / "store.npz", X=X, y=y, mass=np.ones(len(X)))
    assert (tmp_path / "store.npz").stat().st_size == disk
    seen = []
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, "-c", LOADED, str(tmp_path / "store.npz")],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        seen.append(int(done.stdout))
    assert held == pytest.approx(np.median(seen), rel=0.10)


def test_a_homogeneous_history_does_not_come_back_whole() -> None:
    """One function in two configurations, 1,000 runs, no tolerance given. Where labels were not averaged
    before the fit, the median of 30 seeds kept 561 rows, and twelve kept all; 349 and one with them."""
    report = run_validation(only="^homogeneous$", seeds=5, plots=False)
    (outcome,) = report.outcomes
    kept = sorted(seed.kept for seed in outcome.seeds)
    assert kept[2] <= 400 and kept[3] < 1000
