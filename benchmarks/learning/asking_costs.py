"""What it costs to ask the history, to choose by it, and to record a run: the part ``cost`` of
:mod:`benchmarks.learning.evaluate`."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from statistics import median

from amorsize.core.frozen import replace
from amorsize.core.model import Safety
from amorsize.core.observation import Observation
from amorsize.core.options import Limits
from amorsize.learning.predictor import Predictor
from amorsize.planning import choose as planning
from amorsize.planning.cost_model import Costs
from amorsize.planning.values import PlanningInput
from benchmarks.harness.measure import ROOT

COST_ROWS = 10_000
"""Runs in the history that is asked."""

_COLD = """
import time, sys
import amorsize, amorsize.engine.driver, amorsize.engine.lookups
clock = time.perf_counter
from benchmarks.workloads.functions import steps
began = clock()
from amorsize.learning.learner import learner_for
from amorsize.core.model import Run
from amorsize.core.events import Study
learner = learner_for(sys.argv[1])
runs = learner.recall(steps, 1.0)
asked = clock() - began
one = runs[0]
began = clock()
learner.record(steps, Run(one.config, one.items, one.wall_seconds, one.cpu_seconds), Study(
    one.profile, one.machine, one.items, one.wall_seconds, one.cpu_seconds, one.model_seconds))
print(asked * 1e3, (clock() - began) * 1e3, len(runs), "sqlite3" in sys.modules, "numpy" in sys.modules)
"""


def cost(rows: Sequence[Observation]) -> None:
    """Medians over runs in new interpreters, and in a warm one. ``rows``: recorded runs."""
    from amorsize.history import open_history
    from amorsize.inspection.fingerprint import fingerprint
    from amorsize.learning.parameters import parameters_of, tune
    from benchmarks.workloads.functions import steps

    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "history.sqlite")
        with open_history(path) as history:
            name = fingerprint(steps, history.key)
            many = [
                replace(rows[i % len(rows)], id=f"{i:032x}", fingerprint=f"{i % 500:032x}")
                for i in range(COST_ROWS)
            ]
            history.add(many)
            history.add([replace(rows[0], id=f"{1 << 40:032x}", fingerprint=name)])
            tune(history)
        cold = []
        for _ in range(15):
            done = subprocess.run(
                [sys.executable, "-c", _COLD, path],
                cwd=ROOT,
                capture_output=True,
                text=True,
                check=True,
                env={k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"},
            )
            cold.append(done.stdout.split())
        asked, recorded = (median(float(one[i]) for one in cold) for i in (0, 1))
        print(
            f"recall in a new process: {asked:.2f} ms; recording after it: {recorded:.2f} ms; "
            f"sqlite3 and NumPy loaded: {cold[0][3]}, {cold[0][4]}"
        )
        with open_history(path) as history:
            began = time.perf_counter()
            table = history.table()
            read = time.perf_counter() - began
            began = time.perf_counter()
            predictor = Predictor(table, parameters_of(history))
            built = time.perf_counter() - began
        profile, machine = rows[0].profile, rows[0].machine
        took = []
        for turn in range(200):
            profile = replace(profile, item_seconds=0.001 * (1 + turn % 17))
            residual = predictor.residual(profile, machine, 1000 + turn)
            began = time.perf_counter()
            planning.choose(
                PlanningInput(
                    profile, machine, 1000, Limits(), Safety(), Costs(), residual=residual
                )
            )
            took.append(time.perf_counter() - began)
        print(
            f"{len(table)} runs: read in {read * 1e3:.0f} ms, predictor in {built * 1e3:.0f} ms; "
            f"a choice by it {median(took) * 1e6:.0f} µs"
        )
