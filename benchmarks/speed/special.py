"""The particular lines: trivial work and streams, speed-ups against their bounds, errors, import.

Each function of ``CASES`` runs in fresh interpreters through ``python -m
benchmarks.speed._special``, loop
and amorsize interleaved; the numbers of the lines are those of the project's list of what it must show.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from statistics import median
from typing import Any

from benchmarks.harness.measure import NOT_PASSED_ON, ROOT
from benchmarks.harness.results import Fact

TRIVIAL_ROUNDS, SPEED_ROUNDS, ERROR_ROUNDS, IMPORT_ROUNDS = 7, 7, 5, 30
"""Medians over so many interleaved rounds."""
LIMIT_SECONDS = 300.0


def _child(*arguments: str) -> Any:
    """One run in a fresh interpreter, whose history is empty: nobody learns from the run before."""
    outside = {name: value for name, value in os.environ.items() if name not in NOT_PASSED_ON}
    with tempfile.TemporaryDirectory(prefix="benchmark-") as state:
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.speed._special", *arguments],
            cwd=ROOT,
            env={**outside, "XDG_STATE_HOME": state},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LIMIT_SECONDS,
            check=False,
        )
    if done.returncode != 0:
        raise RuntimeError(f"{arguments}: {done.stderr.strip().splitlines()[-1:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def _ratios(rounds: int, above: tuple[str, ...], below: tuple[str, ...]) -> list[float]:
    """``above``'s time over ``below``'s in each round, the order turning."""
    found = []
    for turn in range(rounds):
        seconds = {}
        for which in (above, below) if turn % 2 else (below, above):
            seconds[which] = _child(*which)["seconds"]
        found.append(seconds[above] / seconds[below])
    return found


def _spread(values: list[float]) -> str:
    return f"{len(values)} pairs: {min(values):.3g} to {max(values):.3g}"


def trivial() -> list[Fact]:
    """Line 5: 10,000,000 trivial items through ``execute`` and through ``stream``; endless input."""
    lists = _ratios(TRIVIAL_ROUNDS, ("execute",), ("comprehension",))
    streams = _ratios(TRIVIAL_ROUNDS, ("stream",), ("generator",))
    growth = [_child("stream")["growth_bytes"] / 1e6 for _ in range(2)]
    facts = [
        Fact(5, "10,000,000 trivial items, / loop", median(lists), "", 1.03, True, _spread(lists)),
        Fact(5, "stream of 10,000,000, / loop", median(streams), "", 1.10, True, _spread(streams)),
        Fact(5, "stream of 10,000,000, memory", max(growth), "MB", 50, True, "peak over start"),
    ]
    for work in ("trivial", "waiting", "computing"):
        ahead, asked = (_child("endless", work)[key] for key in ("ahead", "buffersize"))
        facts.append(Fact(5, f"endless input, {work}: read ahead", ahead, "items", asked, True))
    return facts


def speed_ups() -> list[Fact]:
    """Line 6: how near the speed-ups come to what the data and the cores allow."""
    sleeps = [1 / value for value in _ratios(3, ("amorsize", "sleep"), ("loop", "sleep"))]
    facts = [Fact(6, "sleep 20 ms × 200: speed-up", median(sleeps), "", 25, False, _spread(sleeps))]
    for work in ("sha256", "fft", "light-heavy", "giant"):
        shares, bounds = [], []
        for turn in range(SPEED_ROUNDS):
            seconds = {}
            for who in ("pinned", "amorsize", "loop")[:: 1 if turn % 2 else -1]:
                seconds[who] = _child(who, work)["seconds"]
            shares.append(seconds["pinned"] / seconds["amorsize"])
            bounds.append(seconds["loop"] / seconds["pinned"])
        note = f"{_spread(shares)}; pinned speed-up {median(bounds):.2f}"
        what = f"{work}: share of the pinned speed-up"
        facts.append(Fact(6, what, median(shares), "", 0.9, False, note))
    return facts


def errors() -> list[Fact]:
    """Line 7: from the raise at item 3 of 1,000 to the caller."""
    facts = []
    for work in ("computing", "waiting"):
        found = [_child("error", work) for _ in range(ERROR_ROUNDS)]
        wrong = [one["wrong"] for one in found if one["wrong"]]
        delay = max(one["seconds"] for one in found) * 1e3
        note = wrong[0] if wrong else "the longest; type, index and traceback right"
        facts.append(Fact(7, f"error at item 3, {work}", delay, "ms", 100, True, note))
        facts.append(Fact(7, f"error at item 3, {work}: wrong ones", len(wrong), "", 0, True))
    return facts


def imports() -> list[Fact]:
    """Line 8: the cost of ``import amorsize`` over an empty program, and what it drags in."""

    def run(program: str) -> tuple[float, str]:
        began = time.perf_counter()
        command = [sys.executable, "-c", program]
        outside = {name: value for name, value in os.environ.items() if name not in NOT_PASSED_ON}
        done = subprocess.run(
            command, cwd=ROOT, env=outside, capture_output=True, text=True, check=True
        )
        return time.perf_counter() - began, done.stdout

    extra = []
    for turn in range(IMPORT_ROUNDS + 1):
        programs = ("pass", "import amorsize")
        seconds = {one: run(one)[0] for one in (programs if turn % 2 else reversed(programs))}
        extra.append((seconds["import amorsize"] - seconds["pass"]) * 1e3)
    extra = extra[1:]  # the first one may compile
    loaded = run("import amorsize, sys; print('numpy' in sys.modules)")[1].strip() == "True"
    return [
        Fact(8, "import amorsize", median(extra), "ms", 30, True, _spread(extra)),
        Fact(8, "NumPy loaded by it", int(loaded), "", 0, True),
    ]


CASES = (imports, errors, speed_ups, trivial)


def measure_all() -> list[Fact]:
    facts: list[Fact] = []
    for case in CASES:
        for fact in case():
            sign = "<=" if fact.at_most else ">="
            verdict = "" if fact.holds else "  NOT MET"
            print(
                f"{fact.what}: {fact.value:.4g} {sign} {fact.bound:g} {fact.unit}{verdict}",
                flush=True,
            )
            facts.append(fact)
    return facts
