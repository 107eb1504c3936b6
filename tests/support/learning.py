"""Items, runs and histories that the tests of learning share."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import time

from amorsize.core.events import Study
from amorsize.core.frozen import replace
from amorsize.core.model import Config, Machine, Profile, Run, Safety
from amorsize.core.options import Limits
from amorsize.history.memory import MemoryHistory
from amorsize.planning import choose as planning
from amorsize.planning.cost_model import Costs
from amorsize.planning.values import Choice, PlanningInput
from amorsize.testing.history_contract import observation
from support import ROOT


def wait(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


def burn(count: int) -> int:
    total = 0
    for number in range(count):
        total += number * number
    return total


def run_python(program: str, history: object, **more: str) -> str:
    environment = {**os.environ, "AMORSIZE_HISTORY": str(history), **more}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout.strip()


MACHINE = Machine(cores=4, logical_cores=4, resident_bytes=50_000_000)
PROFILE = Profile(items=10, item_seconds=0.01, gil_free_share=1.0, result_bytes=100)


def a_run(config: Config, wall: float, model: float, **changes: object) -> object:
    return replace(
        observation(),
        outcome="done",
        profile=PROFILE,
        machine=MACHINE,
        config=config,
        wall_seconds=wall,
        model_seconds=model,
        **{"weight": 1.0, "cpu_seconds": 0.0, **changes},  # type: ignore[arg-type]
    )


def ended(seconds: float = 1e6) -> tuple[Run, Study]:
    """A run that lasted so long and what there is to learn from it, as told when it ends."""
    config, items = Config("threads", 4), 1_000
    study = Study(PROFILE, MACHINE, items, seconds, cpu_seconds=1.0, model_seconds=seconds)
    return Run(config, items, seconds, cpu_seconds=1.0), study


def synthetic(count: int = 200) -> MemoryHistory:
    """Threads are exp(0.7) slower than modelled for long items, right for short ones."""
    history = MemoryHistory()
    rows = []
    for number in range(count):
        item_seconds = 10 ** -(1 + number % 4)
        long = item_seconds > 5e-3
        profile = replace(PROFILE, item_seconds=item_seconds)
        one = a_run(
            Config("threads", 1 + number % 4),
            math.exp(0.7 if long else 0.0),
            1.0,
            fingerprint=f"{number % 20:032x}",
            workload="",
        )
        rows.append(replace(one, profile=profile, id=f"{number:032x}"))  # type: ignore[type-var]
    history.add(rows)  # type: ignore[arg-type]
    return history


def choose(residual: object) -> Choice:
    return planning.choose(
        PlanningInput(
            PROFILE,
            MACHINE,
            400,
            Limits(),
            Safety(),
            Costs(),
            residual=residual,  # type: ignore[arg-type]
        )
    )
