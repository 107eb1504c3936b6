"""Validation on the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from support import ROOT

from amorsize.cli import main

pytestmark = pytest.mark.timeout(180)


@pytest.mark.long
def test_validate_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old = tmp_path / "old.json"
    words = ["validate", "--only", "^(small|medium)", "--seeds", "8"]
    assert main([*words, "--json", str(old), "--html", str(tmp_path / "r.html")]) == 0
    assert "classic 2 of 2" in capsys.readouterr().out
    assert (tmp_path / "r.html").read_text().startswith("<!doctype html>")
    assert main([*words, "--compare", str(old), "--markdown", str(tmp_path / "r.md")]) == 0
    assert "since the older report" in capsys.readouterr().out
    assert (tmp_path / "r.md").read_text().startswith("# Validation")
    strict = tmp_path / "strict.json"
    strict.write_text('{"small, CPU-bound": {"memory_least": 0.9}}')
    assert main([*words, "--thresholds", str(strict)]) == 1


def test_ctrl_c_ends_with_the_report_of_what_was_finished(tmp_path: Path) -> None:
    """Nothing ends the program while it writes that; its exit code says how it ended."""
    program = """
import os, signal, sys, time
from amorsize.cli import main, validate
from amorsize.validation import runner

def measured(*_):
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(60)  # a thread of BLAS may get the signal: then it is heard a moment later

def write(report, options):
    print(report.complete, signal.getitimer(signal.ITIMER_REAL))
    told(report, options)

runner.measured, told, validate.write = measured, validate.write, write
sys.exit(main(["validate", "--only", "^small", "--seeds", "1", "--json", "report.json"]))
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert done.returncode == 130, done.stderr
    assert done.stdout.startswith("False (0.0, 0.0)\n")
    assert done.stderr == "amorsize: interrupted\n"
    assert json.loads((tmp_path / "report.json").read_text())["complete"] is False


@pytest.mark.parametrize(
    "words",
    [
        ["validate", "--only", "no such"],
        ["validate", "--only", "("],
        ["validate", "--thresholds", "/no/such"],
        ["validate", "--compare", "/no/such"],
        ["validate", "--seeds", "0"],
        ["compare", "math:sqrt", "--rounds", "0", "--json-items", "4"],
    ],
)
def test_wrong_words_are_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    assert capsys.readouterr().err


def test_compare_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "found.json"
    words = ["compare", "time:sleep", "--json", str(target), "--rounds", "3", "--no-peers"]
    code = main([*words, "--json-items", *["0.005"] * 40])
    told = capsys.readouterr().out
    assert code in (0, 1) and "time:sleep, 40 items" in told
    assert json.loads(target.read_text())["decisions"][0]["name"] == "time:sleep"


def test_the_example_runs() -> None:
    script = ROOT / "examples" / "ml_pruning_validation.py"
    done = subprocess.run(
        [sys.executable, str(script), "--only", "^small", "--seeds", "12"],
        capture_output=True, text=True, timeout=150, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "classic 1 of 1" in done.stdout
