"""What a handler of SIGALRM raises at a random moment arrives, and the run leaves nothing."""

from __future__ import annotations

import subprocess
import sys

import pytest
from support import ROOT

from benchmarks.robustness.alarms import KINDS

RUNS = 40
"""Of each kind; ``python -m benchmarks.robustness.alarms`` makes 300."""


def alarms(kind: str, runs: int) -> subprocess.CompletedProcess[str]:
    words = ["--here", "--kind", kind, "--runs", str(runs), "--seed", "11"]
    return subprocess.run(
        [sys.executable, "-m", "benchmarks.robustness.alarms", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=170,
    )


@pytest.mark.long
@pytest.mark.timeout(60)
@pytest.mark.parametrize("kind", list(KINDS))
def test_an_alarm_arrives(kind: str) -> None:
    done = alarms(kind, RUNS)
    assert done.returncode == 0, done.stdout + done.stderr
