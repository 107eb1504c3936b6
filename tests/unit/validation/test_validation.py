"""The validator: it passes what keeps its promise, fails what does not, and tells what it cannot know."""

from __future__ import annotations

import gc
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from support import ROOT

import amorsize
from amorsize.api import tuner
from amorsize.core.frozen import replace
from amorsize.history.memory import MemoryHistory
from amorsize.validation import render as rendering
from amorsize.validation import run_validation
from amorsize.validation.compare import compare, in_child
from amorsize.validation.page import page
from amorsize.validation.report import FAILED, PASSED, UNDECIDED, Decision, ValidationReport
from amorsize.validation.scenarios import classic, further, pure_noise, with_thresholds, world
from amorsize.validation.statistics import estimate, quantile

pytestmark = pytest.mark.timeout(180)


MEDIUM = [one for one in classic() if one.name == "medium, CPU-bound"]


@pytest.fixture(autouse=True, scope="module")
def quick_collections() -> Iterator[None]:
    """Each memory that is measured collects garbage nine times: 0.2 s each in a process that has run
    all the other tests."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(scope="module")
def report() -> ValidationReport:
    return run_validation(classic()[:2], seeds=8)


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


# -- figures -------------------------------------------------------------------------------------------


def test_students_t_against_scipy() -> None:
    stats = pytest.importorskip("scipy.stats")
    for freedom in (1, 2, 3, 4, 5, 9, 29, 200):
        assert quantile(freedom) == pytest.approx(stats.t.ppf(0.975, freedom), rel=0.01)


@pytest.mark.parametrize("kind", ["normal", "skewed"])
def test_intervals_cover_the_truth(kind: str) -> None:
    """Of 200 repetitions with 30 seeds each, 90 to 99 % of the stated 95 % limits hold the true mean."""
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(200):
        values = rng.normal(0.02, 0.05, 30) if kind == "normal" else rng.gamma(4.0, 0.005, 30)
        some = estimate(values.tolist())
        covered += some.low <= 0.02 <= some.high
    assert 0.90 <= covered / 200 <= 0.99, covered


RESIDENT = """
import io, resource, sys
import numpy as np
from amorsize.ml_prediction import KNNRegressor
KNNRegressor().fit(np.zeros((30, 12)), np.zeros(30))
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()
before = resident()
with np.load(sys.argv[1]) as rows:
    model = KNNRegressor().fit(rows["X"], rows["y"], rows["mass"])
del rows
print(resident() - before)
"""


def test_memory_is_what_the_system_sees(tmp_path: Path) -> None:
    from amorsize.validation.runner import built

    X, y, _, _ = world(0, 50).draw(100_000, np.random.default_rng(0))
    _, held, disk = built(X, y, None)
    np.savez(tmp_path / "store.npz", X=X, y=y, mass=np.ones(len(X)))
    assert (tmp_path / "store.npz").stat().st_size == disk
    seen = []
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, "-c", RESIDENT, str(tmp_path / "store.npz")],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        seen.append(int(done.stdout))
    assert held == pytest.approx(np.median(seen), rel=0.10)


# -- thresholds and comparisons ------------------------------------------------------------------------


def test_thresholds_can_be_configured() -> None:
    strict = with_thresholds(MEDIUM, '{"medium, CPU-bound": {"error_most": -0.5}}')
    found = run_validation(strict, seeds=3, plots=False)
    assert found.outcomes[0].verdict == FAILED
    for source, told in (
        ('{"no such": {}}', "no scenario"),
        ('{"medium, CPU-bound": {"x": 1}}', "thresholds are"),
        ('{"medium, CPU-bound": {"error_most": "a"}}', "number"),
        ("[]", "object"),
        ("{", "Expecting"),
    ):
        with pytest.raises(ValueError, match=told):
            with_thresholds(MEDIUM, source)


def test_regressions_are_seen(report: ValidationReport) -> None:
    before = rendering.read(rendering.as_json(report))
    lines, worse = rendering.differences(before, report)
    assert not worse and len(lines) == 2
    first = report.outcomes[0]
    worsened = replace(first, error=replace(first.error, mean=first.error.mean + 0.1))
    lines, worse = rendering.differences(before, replace(report, outcomes=(worsened,)))
    assert worse and "(worse)" in lines[0] and "not measured" in lines[-1]


@pytest.mark.parametrize(
    "source",
    ["", "[]", "{}", '{"outcomes": 3}', '{"outcomes": [], "schema": 999}', "\x00", '{"schema": 1}'],
)
def test_hostile_reports_are_refused(source: str) -> None:
    with pytest.raises(rendering.UnknownReport):
        rendering.read(source)


def test_json_is_strict(report: ValidationReport) -> None:
    found = json.loads(rendering.as_json(report), parse_constant=pytest.fail)
    assert found["schema"] == 1 and found["passed"] is True
    assert found["outcomes"][0]["seeds"][0]["rows"] == 50
    described = (ROOT / "docs" / "validation-schema.md").read_text()
    for field in [*found, *found["outcomes"][0], *found["outcomes"][0]["seeds"][0]]:
        assert f"`{field}`" in described, field


# -- decisions -----------------------------------------------------------------------------------------


def _trivial(item: int) -> int:
    return item + 1


def _nap(item: int) -> int:
    time.sleep(0.005)
    return item


def _fails(item: int) -> int:
    raise ValueError(item)


def test_waiting_is_found() -> None:
    found = compare(_nap, range(60), rounds=3, with_peers=False)
    assert found.best.endswith("threads") or found.best.endswith("processes")
    assert "times as fast as the loop" in found.sentence
    assert found.median("amorsize") < found.median("loop") / 4


def test_trivial_work_stays_a_loop() -> None:
    found = compare(_trivial, range(5000), rounds=3)
    assert found.best == "loop" and "Nothing is to be won" in found.sentence
    assert {"ThreadPoolExecutor", "ProcessPoolExecutor"} <= found.seconds.keys()


def test_what_is_timed_is_the_call_of_a_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not an engine made by hand, which lacks what `execute` does before and after it."""
    calls, execute = tmp_path / "calls", tuner.execute
    assert amorsize.execute is execute

    def counted(func, items, **options):
        with calls.open("a") as file:  # the contenders run in children
            file.write(" ".join(sorted(options)) + "\n")
        return execute(func, items, **options)

    monkeypatch.setattr(tuner, "execute", counted)
    compare(_trivial, range(50), rounds=3, with_peers=False)
    assert calls.read_text().splitlines().count("history") == 3


def test_a_function_that_fails_is_told() -> None:
    with pytest.raises(RuntimeError, match="plain loop failed: ValueError: 0"):
        compare(_fails, range(3))


def test_a_child_that_hangs_or_dies() -> None:
    began = time.monotonic()
    assert "over" in in_child(lambda: time.sleep(60) or {}, 0.3)["error"]
    assert time.monotonic() - began < 5
    assert in_child(lambda: os._exit(3), 5.0) == {"error": "its process died"}


def _report(*decisions: Decision) -> ValidationReport:
    return ValidationReport("0", "3", "linux", 2, 0, 1.0, True, (), tuple(decisions))


def hostile() -> Decision:
    return Decision(
        name="<script>alert(1)</script>|`x`",
        items=3,
        chosen="serial",
        reasons=(),
        predicted_seconds=1.0,
        spread=0.1,
        seconds={"loop": (1.0, 1.1), "amorsize": (1.0, 1.2), "config: <b>": (2.0,)},
        problems={},
        verdict=PASSED,
        sentence="Keep <i>it</i>.",
    )


def test_names_are_escaped() -> None:
    found = _report(hostile())
    assert "<script" not in page(found).split("</style>")[1]
    assert "<script" not in rendering.markdown(found)
    assert "\\|" in rendering.markdown(found)


# -- the page ------------------------------------------------------------------------------------------


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag, attrs) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in ("meta", "link"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag) -> None:
        assert self.open.pop() == tag


def test_the_page_is_well_formed_and_alone(report: ValidationReport) -> None:
    text = page(replace(report, decisions=(hostile(),)))
    tags = Tags()
    tags.feed(text)
    assert not tags.open
    names = [name for name, _ in tags.seen]
    assert names.count("svg") == 7 and "script" not in names and "img" not in names
    for name, given in tags.seen:
        if name == "svg":
            assert given["role"] == "img" and given["aria-label"]
        for attribute, value in given.items():
            if attribute in ("src", "href"):
                assert value == "data:,"
    assert "url(" not in text and "@import" not in text


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")
@pytest.mark.parametrize("size", ["1200,900", "375,800"])
def test_the_page_in_a_browser(report: ValidationReport, tmp_path: Path, size: str) -> None:
    place = tmp_path / "report.html"
    place.write_text(page(replace(report, decisions=(hostile(),))), encoding="utf-8")
    log, shot = tmp_path / "net.json", tmp_path / "shot.png"
    done = subprocess.run(
        [
            str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
            "--no-first-run", "--disable-background-networking", "--disable-component-update",
            "--disable-sync", f"--user-data-dir={tmp_path / 'profile'}", f"--window-size={size}",
            "--enable-logging=stderr", "--v=0", f"--log-net-log={log}", f"--screenshot={shot}",
            "--virtual-time-budget=2000", place.as_uri(),
        ],
        capture_output=True, text=True, timeout=90, check=False,
    )  # fmt: skip
    assert shot.exists(), done.stderr[-2000:]
    assert shot.stat().st_size > 10_000
    assert "CONSOLE" not in done.stderr, done.stderr[-2000:]
    asked = set(re.findall(r'"url":"(https?://[^"]+)"', log.read_text(errors="replace")))
    own = {url for url in asked if "google" not in url and "gstatic" not in url}
    assert not own, own
