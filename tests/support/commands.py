"""The command line, run as a user runs it: in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

JOBS = """
import math, os, sys, time

def upper(text): return text.upper()
def double(x): return 2 * x
def inverse(x): return 1 / x
def wait(x): time.sleep(0.02); return x
def nap(x): time.sleep(30); return x
def big(x): return str(x) * 2000
def as_set(x): return {x}
def not_a_number(x): return math.nan
def keyed(x): return {"got": x}
def die(x): os._exit(7)
def work(x): return sum(range(20_000)) + x
def unplugged(x): raise BrokenPipeError(32, "a socket was closed")
def misused(x):
    import amorsize
    return amorsize.execute(abs, [x], n_jobs=0)
def nested(x):
    import amorsize
    return amorsize.execute(inverse, [1, 2, 3, 4, 5, 0] if x == 2 else [1])
def touch(x):
    with open("ran", "a") as file: file.write(f"{x}\\n")
    return x
class Math:
    @staticmethod
    def triple(x): return 3 * x
number = 3
"""


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "amorsize", *words]


def call(place: Path, *words: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run ``amorsize WORDS`` in ``place``; ``given`` is its standard input."""
    return subprocess.run(
        command(*words), cwd=place, input=given, capture_output=True, text=True, timeout=150
    )


def results(done: subprocess.CompletedProcess[str]) -> list[Any]:
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return [json.loads(line) for line in done.stdout.splitlines()]


def one_line(done: subprocess.CompletedProcess[str], code: int) -> str:
    """The only line on standard error, with the right exit code."""
    assert done.returncode == code, (done.returncode, done.stderr)
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("amorsize: ")
    return lines[0]
