"""From an empty history to a learned one: five jobs, run again and again, and what each run still loses.

python examples/online_learning.py [--rounds 6] [--items 1.0] [--plot FILE.svg]

First each job runs in a handful of configurations, without a history: the best of them is what regret is
counted from. Then amorsize runs the jobs round after round with a history that is empty at first. Printed
are, for each round, the regret (time over that of the best configuration, 1.00 is perfect), how wrong the
predictions were, and how many of the plans came from the history.
"""

from __future__ import annotations

import argparse
import json
import math
import sysconfig
import tempfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from statistics import fmean, median
from typing import Any

import amorsize
from amorsize.history import open_history
from amorsize.learning import parameters_of
from amorsize.learning.evaluation import judge, spans
from amorsize.reporting.accuracy_plot import as_svg, as_text

CONFIGURATIONS: tuple[dict[str, Any], ...] = (
    {"backend": "serial"},
    {"backend": "threads", "n_jobs": 2},
    {"backend": "threads", "n_jobs": 8},
    {"backend": "threads", "n_jobs": 64},
    {"backend": "processes", "n_jobs": 2},
)
SOURCES = [
    path.read_bytes()[:60_000]
    for path in sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py"))
][:150]


def count_names(source: bytes) -> int:
    """Computes and holds the GIL."""
    return len({word for word in source.decode(errors="replace").split() if word.isidentifier()})


def squeeze(source: bytes) -> int:
    """Computes and leaves the GIL alone."""
    return len(zlib.compress(source, 9))


def ask_server(number: int) -> int:
    """Waits, as for a server."""
    time.sleep(0.004)
    return number


def ask_and_parse(number: int) -> int:
    """Waits, then computes."""
    time.sleep(0.003)
    return len(json.loads(json.dumps(list(range(number % 7 * 1_000)))))


def orbit(steps: int) -> float:
    """Short or long: the first items tell too little of the rest."""
    x = 0.5
    for _ in range(steps):
        x = 3.9 * x * (1 - x)
    return x


def jobs(share: float) -> dict[str, tuple[Callable[[Any], Any], list[Any]]]:
    """The jobs: a function and its data each."""
    many = max(1, round(3 * share))
    return {
        "count names": (count_names, SOURCES * many),
        "squeeze": (squeeze, SOURCES * many),
        "ask server": (ask_server, list(range(round(200 * share)))),
        "ask and parse": (ask_and_parse, list(range(round(150 * share)))),
        "orbit": (orbit, [300] * round(400 * share) + [20_000] * round(300 * share)),
    }


def seconds(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def best_of(func: Callable[[Any], Any], data: list[Any]) -> tuple[str, float]:
    """The best configuration of the handful, and its seconds: the median of three runs each."""
    found = {}
    for options in CONFIGURATIONS:

        def run(options: dict[str, Any] = options) -> object:
            return amorsize.execute(func, data, history=None, **options)

        name = f"{options.get('n_jobs', '')} {options['backend']}".strip()
        found[name] = median(seconds(run) for _ in range(3))
    name = min(found, key=found.__getitem__)
    return name, found[name]


def main() -> None:
    parser = argparse.ArgumentParser(description="Watch regret fall while amorsize learns.")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--items", type=float, default=1.0, help="share of the items")
    parser.add_argument("--plot", metavar="FILE", help="draw error and regret into this SVG file")
    options = parser.parse_args()
    todo = jobs(options.items)
    best = {}
    for name, (func, data) in todo.items():
        configuration, least = best[name] = best_of(func, data)
        print(f"{name:14} {len(data):5} items, best in {configuration:11} {least * 1e3:7.1f} ms")
    with tempfile.TemporaryDirectory() as folder:
        place = str(Path(folder) / "history.sqlite")
        tuner = amorsize.Tuner(amorsize.Settings(explore=0.02, explore_seed=1), history=place)
        print("\nround   regret: mean  worst   error of predictions   known plans")
        for number in range(1, options.rounds + 1):
            regrets, errors, known = [], [], 0
            for name, (func, data) in todo.items():
                began = time.perf_counter()
                plan = tuner.optimize(func, data)
                known += plan.source == "history"
                results = plan.execute()
                regrets.append((time.perf_counter() - began) / best[name][1])
                assert len(results) == len(data)
                if plan.error is not None:
                    errors.append(abs(plan.error))
            off = f"{math.exp(median(errors)) - 1:.0%}" if errors else "-"
            print(
                f"{number:5}         {fmean(regrets):6.2f} {max(regrets):6.2f}   {off:>20}"
                f"   {known:6} of {len(todo)}"
            )
        with open_history(place) as history:
            found = spans(judge(history.table(), parameters_of(history)))
        print("\n`amorsize history learned` says of them:")
        print(as_text(found))
        if options.plot:
            Path(options.plot).write_text(as_svg(found), encoding="utf-8")


if __name__ == "__main__":
    main()
