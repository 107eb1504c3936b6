"""How right forecasts are: seconds that a plan states against those that it takes, in fresh interpreters.

    python -m benchmarks.learning.forecasts [--set tuned|held-out|all] [--only WORDS] [--json FILE]
    python -m benchmarks.learning.forecasts --harm [--runs 8] [--by execute|plan] ...
    ... --busy: another process computes beside every second run
    ... --apart: each job has a history of its own

The jobs are those of ``benchmarks.workloads.forecasting``; every third one is held out: no constant was
chosen by it. Each job runs four times: a first call, two known runs (the third with three times the items
or other ones where the job grows), and the third once more, whose factor to the third is the floor: no
forecast can be nearer than two identical runs are to each other. The history is one for all jobs, as a
user has it, and each job has a function of its own; all first calls come first, then all second runs. A
plan that states nothing of items that are left is a miss: factor 100, no range.

``--harm``: so many runs one after the other, each against the median of the first two.
"""

from __future__ import annotations

import argparse
import compileall
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median, quantiles
from types import FunctionType
from typing import Any

import amorsize
from benchmarks.workloads.forecasting import JOBS

MISS = 100.0
"""Factor of a plan that states nothing."""
RUNS = 4
HELD_OUT = 3
"""Every third job is held out."""
TIMEOUT_SECONDS = 120.0


def names(which: str) -> list[str]:
    """The jobs of a set."""
    return [
        name
        for place, name in enumerate(JOBS)
        if which == "all" or (place % HELD_OUT == HELD_OUT - 1) == (which == "held-out")
    ]


def of_its_own(func: Callable[[Any], Any], name: str) -> Callable[[Any], Any]:
    """The function as one of this job only: jobs that share a history are not to share functions."""
    if not isinstance(func, FunctionType):
        return func
    code = func.__code__.replace(co_consts=(*func.__code__.co_consts, name))
    return FunctionType(code, func.__globals__, func.__name__, func.__defaults__, func.__closure__)


def child(name: str, run: int, history: str, by: str) -> None:
    """One run in this interpreter; prints what it stated and took."""
    job = JOBS[name]
    job = replace(job, func=of_its_own(job.func, name))
    data = job.make(run)
    began = time.perf_counter()
    told: dict[str, Any] = {}
    if by == "execute":
        amorsize.execute(job.func, data, history=history, **job.options)
    else:
        plan = amorsize.optimize(job.func, data, history=history, **job.options)
        plan.execute()
        told = {
            "left": plan.items_left,
            "stated": plan.estimated_seconds,
            "range": plan.estimated_interval,
            "real": plan.real_seconds,
            "workers": f"{plan.n_jobs}x{plan.threads_per_job} {plan.backend}",
        }
    print(json.dumps({"seconds": time.perf_counter() - began, **told}))


def call(name: str, run: int, history: Path, by: str) -> dict[str, Any]:
    """The same in a fresh interpreter."""
    words = [sys.executable, "-m", "benchmarks.learning.forecasts", "--child", name]
    words += ["--run", str(run), "--history", str(history), "--by", by]
    done = subprocess.run(
        words, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{name}, run {run}: {done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@contextmanager
def beside(busy: bool) -> Iterator[None]:
    """Another process that computes meanwhile."""
    if not busy:
        yield
        return
    other = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        other.kill()
        other.wait()


def factor(told: dict[str, Any]) -> float | None:
    """How wrong the stated seconds were; None where nothing was left to state."""
    if not told["real"] or told["left"] == 0:
        return None
    if not told["stated"]:
        return MISS
    return float(math.exp(abs(math.log(told["real"] / told["stated"]))))


def held(told: dict[str, Any]) -> bool:
    """Whether the range held what it took."""
    return bool(told["range"]) and told["range"][0] <= told["real"] <= told["range"][1]


def percentile(values: Sequence[float], share: float) -> float:
    """Of some values."""
    if len(values) < 2:
        return values[0] if values else math.nan
    return quantiles(values, n=100, method="inclusive")[round(100 * share) - 1]


def summary(what: str, runs: Sequence[dict[str, Any]]) -> str:
    """One line about runs of one kind."""
    pairs = [(factor(told), told) for told in runs]
    found = [(one, told) for one, told in pairs if one is not None]
    factors = [one for one, _ in found]
    widths = [told["range"][1] / told["range"][0] for _, told in found if told["range"]]
    inside = sum(held(told) for _, told in found) / len(found)
    middle, far, wide = median(factors), percentile(factors, 0.9), median(widths)
    return (
        f"{what:14} {len(found):3} jobs  factor median {middle:5.2f}  90th {far:6.2f}"
        f"  range holds {inside:4.0%}  width median {wide:5.2f}"
    )


def forecasts(options: argparse.Namespace) -> int:
    """State against take."""
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in _chosen(options)}
    with tempfile.TemporaryDirectory() as place:
        for run in range(RUNS):
            for number, name in enumerate(rows):
                history = Path(place) / f"{number if options.apart else 'history'}.sqlite"
                with beside(options.busy and (run + number) % 2 == 1):
                    rows[name].append(call(name, min(run, 2), history, "plan"))
    for name, told in rows.items():
        shown = "  ".join(
            f"{one['stated'] or 0:.3f}/{one['real'] or 0:.3f}{' ' if held(one) else '!'}{one['workers']}"
            for one in told
        )
        print(f"{name:30} {shown}", flush=True)
    print(summary("first call", [runs[0] for runs in rows.values()]))
    print(summary("second run", [runs[1] for runs in rows.values()]))
    print(summary("third run", [runs[2] for runs in rows.values()]))
    print(summary("fourth run", [runs[3] for runs in rows.values()]))
    floor = [
        math.exp(abs(math.log(runs[2]["real"] / runs[3]["real"])))
        for runs in rows.values()
        if runs[2]["real"] and runs[3]["real"]
    ]
    print(
        f"two identical runs: factor median {median(floor):.2f}, 90th {percentile(floor, 0.9):.2f}"
    )
    if options.json:
        Path(options.json).write_text(json.dumps(rows, indent=1), encoding="utf-8")
    return 0


def harm(options: argparse.Namespace) -> int:
    """Runs one after the other: does learning ever make one slower?"""
    late: list[float] = []
    for name in _chosen(options):
        with tempfile.TemporaryDirectory() as folder:
            history = Path(folder) / "history.sqlite"
            took = [call(name, 0, history, options.by)["seconds"] for _ in range(options.runs)]
        first = median(took[:2])
        ratios = [seconds / first for seconds in took[2:]]
        late.append(median(ratios))
        print(
            f"{name:30} {first:.3f} s, then {' '.join(f'{one:.2f}' for one in ratios)}", flush=True
        )
    middle, worst = math.exp(sum(math.log(one) for one in late) / len(late)), max(late)
    print(f"later runs over the first two: geometric mean {middle:.3f}, worst {worst:.2f}")
    return 0


def _chosen(options: argparse.Namespace) -> list[str]:
    return [name for name in names(options.set) if options.only in name]


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.learning.forecasts")
    parser.add_argument("--set", choices=("tuned", "held-out", "all"), default="all")
    parser.add_argument("--only", default="", metavar="WORDS")
    parser.add_argument("--busy", action="store_true")
    parser.add_argument("--apart", action="store_true")
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--harm", action="store_true")
    parser.add_argument("--runs", type=int, default=8)
    parser.add_argument("--by", choices=("execute", "plan"), default="execute")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--run", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--history", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child is None:  # no interpreter is to compile what it measures
        for folder in (Path(amorsize.__file__).parent, Path(__file__).parents[1]):
            compileall.compile_dir(folder, quiet=2)
    if options.child is not None:
        os.environ["AMORSIZE_HISTORY"] = "off"
        child(options.child, options.run, options.history, options.by)
        return 0
    return harm(options) if options.harm else forecasts(options)


if __name__ == "__main__":
    sys.exit(main())
