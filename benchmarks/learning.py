"""What learning is worth, on real runs.

python -m benchmarks.learning collect     run every workload in every configuration (some minutes)
python -m benchmarks.learning judge       leave one workload out: errors, regret, learning curve
python -m benchmarks.learning moved       what a history of a simulated machine is worth on another
python -m benchmarks.learning cost        what asking, predicting and recording cost

``collect`` writes ``results/runs.jsonl.gz`` (one is committed); the others read it. The workload that is
judged is never among those that the predictor has seen.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import math
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from statistics import fmean, median, quantiles
from typing import TYPE_CHECKING, Any

from amorsize import cost_model, planning
from amorsize.backends import CALLER_ITEM_SECONDS
from amorsize.cost_model import Costs, starting_costs
from amorsize.history.memory import MemoryHistory
from amorsize.observations import Observation, from_line, to_line
from amorsize.planning import Limits
from amorsize.predictors import Predictor
from amorsize.records import Config, Machine, Profile, Safety
from amorsize.values import replace
from benchmarks.measure import ROOT, bench
from benchmarks.workloads import BY_NAME, WORKLOADS

if TYPE_CHECKING:
    from amorsize.predictors import Residual

RUNS = ROOT / "benchmarks" / "results" / "runs.jsonl.gz"
THREADS = (2, 4, 8, 16, 32, 64)
REPETITIONS = 3
"""Runs of a configuration; each is an observation."""
LIMIT_SECONDS = 20.0
ORDERS = 20
"""Random orders in which workloads are learned, for the learning curve."""
COST_ROWS = 10_000


# -- collecting ----------------------------------------------------------------------------------------


def configs(cores: int) -> list[Config]:
    """The configurations that are tried on each workload."""
    return [
        Config("serial"),
        *(Config("threads", count) for count in THREADS),
        *(Config("fork", 2**i) for i in range(1, cores.bit_length())),
    ]


def profile_of(name: str) -> None:
    """In an interpreter of its own: run the workload as amorsize would, print its profile."""
    from amorsize.execution import Engine
    from amorsize.options import make_options
    from amorsize.system import detect_machine

    func, data = BY_NAME[name].make()
    engine = Engine(func, data, make_options(history=None), None)
    results = engine.execute()
    profile = engine.decider.to_remember()
    print(json.dumps([vars_of(profile), vars_of(detect_machine()), len(results)]))


def vars_of(record: Any) -> dict[str, Any]:
    return {name: getattr(record, name) for name in type(record).__annotations__}


def time_one(name: str, backend: str, jobs: int) -> None:
    """In an interpreter of its own: seconds of a configuration, start-up included."""
    import amorsize

    func, data = BY_NAME[name].make()
    began = time.perf_counter()
    if backend == "serial":
        results = [func(item) for item in data]
    else:
        results = amorsize.execute(func, data, backend=backend, n_jobs=jobs, history=None)
    print(json.dumps([time.perf_counter() - began, len(results)]))


def collect() -> None:
    """Every workload in every configuration."""
    RUNS.parent.mkdir(exist_ok=True)
    with bench() as tools, gzip.open(RUNS, "wt", encoding="utf-8") as file:
        for number, workload in enumerate(WORKLOADS, 1):
            environment = tools.environment(workload)
            seen = _child(environment, "profile", workload.name)
            if seen is None or not seen[0]["item_seconds"]:
                print(f"{workload.name}: no profile")
                continue
            profile, machine, items = Profile(**seen[0]), Machine(**seen[1]), seen[2]
            group = hashlib.blake2b(workload.name.encode(), digest_size=16).hexdigest()
            count = 0
            for config in configs(machine.cores):
                for _ in range(REPETITIONS):
                    found = _child(
                        environment, "time", workload.name, config.backend, str(config.n_jobs)
                    )
                    if found is None:
                        break
                    count += 1
                    one = Observation(
                        fingerprint=group,
                        profile=profile,
                        machine=machine,
                        config=config,
                        items=items,
                        wall_seconds=found[0],
                        cpu_seconds=0.0,
                        time=time.time(),
                        workload=group,
                        model_seconds=model_seconds(profile, machine, config, items),
                        id=os.urandom(16).hex(),
                    )
                    file.write(to_line(one) + "\n")
            print(f"[{number}/{len(WORKLOADS)}] {workload.name}: {count} runs", flush=True)


def _child(environment: dict[str, str], *words: str) -> Any:
    command = [sys.executable, "-m", "benchmarks.learning", "child", *words]
    try:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LIMIT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return None
    lines = done.stdout.strip().splitlines()
    return json.loads(lines[-1]) if done.returncode == 0 and lines else None


def model_seconds(profile: Profile, machine: Machine, config: Config, items: int) -> float:
    """What the cost model alone says."""
    costs = starting_costs(machine, 0)
    caller = config.backend == "fork" and profile.item_seconds < CALLER_ITEM_SECONDS
    return cost_model.seconds(
        config, profile, machine, items, costs, caller_computes=caller
    ).seconds


# -- judging -------------------------------------------------------------------------------------------


class Case:
    """One workload: its profile, and the median seconds of each configuration that was run."""

    def __init__(self, rows: Sequence[Observation]) -> None:
        self.rows = list(rows)
        first = rows[0]
        self.group, self.profile, self.machine = first.fingerprint, first.profile, first.machine
        self.items = first.items
        by_config: dict[Config, list[float]] = {}
        for row in rows:
            by_config.setdefault(row.config, []).append(row.wall_seconds)
        self.seconds = {config: median(values) for config, values in by_config.items()}
        self.model = {
            config: model_seconds(self.profile, self.machine, config, self.items)
            for config in self.seconds
        }

    def predictions(self, residual: Residual | None) -> dict[Config, float]:
        found = {}
        for config, seconds in self.model.items():
            known = residual(config) if residual is not None else None
            found[config] = seconds * math.exp(known[0]) if known else seconds
        return found

    def errors(self, predictions: dict[Config, float]) -> list[float]:
        return [
            abs(math.log(predictions[config] / seconds)) for config, seconds in self.seconds.items()
        ]

    def regret(self, predictions: dict[Config, float]) -> float:
        chosen = min(predictions, key=predictions.__getitem__)
        return self.seconds[chosen] / min(self.seconds.values())


def cases() -> list[Case]:
    if not RUNS.exists():
        raise SystemExit("nothing was collected yet: python -m benchmarks.learning collect")
    groups: dict[str, list[Observation]] = {}
    for line in gzip.decompress(RUNS.read_bytes()).decode().splitlines():
        one = from_line(line)
        groups.setdefault(one.fingerprint, []).append(one)
    return [Case(rows) for rows in groups.values()]


def history_of(some: Iterable[Case]) -> MemoryHistory:
    history = MemoryHistory()
    history.add([row for case in some for row in case.rows])
    return history


def judge() -> None:
    """Leave one workload out."""
    everything = cases()
    print(f"{len(everything)} workloads, {sum(len(case.rows) for case in everything)} runs")
    print("parameters tuned on each set of training workloads, without the one that is judged")
    error_model, error_learned, regret_model, regret_learned = [], [], [], []
    by_kind: list[tuple[list[float], list[float], list[str]]] = []
    for case in everything:
        others = [other for other in everything if other is not case]
        table = history_of(others).table()
        predictor = Predictor(table, Predictor.tune(table))
        residual = predictor.residual(case.profile, case.machine, case.items)
        before, after = case.predictions(None), case.predictions(residual)
        by_kind.append((case.errors(before), case.errors(after), [c.backend for c in case.seconds]))
        error_model += case.errors(before)
        error_learned += case.errors(after)
        regret_model.append(case.regret(before))
        regret_learned.append(case.regret(after))
    for backend in ("serial", "threads", "fork"):
        pairs = [
            (before[i], after[i])
            for before, after, kinds in by_kind
            for i, kind in enumerate(kinds)
            if kind == backend
        ]
        print(
            f"  {backend}: {median(p[0] for p in pairs):.3f} -> {median(p[1] for p in pairs):.3f}"
        )
    below = 1 - median(error_learned) / median(error_model)
    print(
        f"median |log error|: model {median(error_model):.3f}, learned {median(error_learned):.3f}"
        f" ({below:.0%} lower)"
    )
    for name, values in (("model", regret_model), ("learned", regret_learned)):
        print(f"regret, {name}: {_regret(values)}")
    gap = (fmean(regret_model) - fmean(regret_learned)) / max(fmean(regret_model) - 1, 1e-9)
    print(f"closed gap (means): {gap:.2f}")
    curve(everything)


def _regret(values: Sequence[float]) -> str:
    return (
        f"median {median(values):.3f}, 95th percentile {quantiles(values, n=20)[-1]:.2f}, "
        f"mean {fmean(values):.3f}"
    )


def curve(everything: list[Case]) -> None:
    """Mean regret on the workloads not yet learned, by how many were learned; default parameters."""
    steps = [0, 2, 5, 10, 20, 40]
    found: dict[int, list[float]] = {step: [] for step in steps if step < len(everything)}
    for seed in range(ORDERS):
        order = random.Random(seed).sample(everything, len(everything))
        for step in found:
            predictor = Predictor(history_of(order[:step]).table()) if step else None
            for case in order[-10:]:
                residual = (
                    predictor.residual(case.profile, case.machine, case.items)
                    if predictor
                    else None
                )
                found[step].append(case.regret(case.predictions(residual)))
    print("learning curve, ten workloads judged after so many learned, over 20 orders:")
    for step, values in found.items():
        print(f"  {step:3d} workloads: {_regret(values)}")


# -- another machine -----------------------------------------------------------------------------------


def moved() -> None:
    """A history from a simulated 64-core machine, used on one of 16 cores; both have costs that the
    model does not know (a fork three times dearer, threads that scale to 12)."""
    rng = random.Random(1)

    def truth(config: Config, profile: Profile, machine: Machine, items: int) -> float:
        seconds = model_seconds(profile, machine, config, items)
        if config.backend == "fork":
            seconds = 1.6 * seconds + 0.01 * config.n_jobs
        elif config.backend == "threads" and profile.cpu_share > 0.5:
            seconds *= max(1.0, min(config.n_jobs, machine.cores) / 12)
        return seconds * math.exp(rng.gauss(0, 0.05))

    def tried(machine: Machine) -> list[Config]:
        return [
            Config("serial"),
            *(
                Config(kind, 2**i)
                for kind in ("threads", "fork")
                for i in range(1, 8)
                if 2**i <= machine.cores
            ),
        ]

    def a_profile() -> Profile:
        return Profile(
            items=10,
            item_seconds=10 ** rng.uniform(-5, -1.5),
            gil_free_share=rng.choice([0.0, 0.9]),
            result_bytes=int(10 ** rng.uniform(1, 6)),
            result_seconds=1e-6,
        )

    big = Machine(cores=64, logical_cores=64, resident_bytes=10**8)
    small = Machine(cores=16, logical_cores=16, resident_bytes=10**8)
    history = MemoryHistory()
    rows = []
    for number in range(120):
        profile, items = a_profile(), int(10 ** rng.uniform(2, 5))
        for config in tried(big):
            rows.append(
                Observation(
                    fingerprint=f"{number:032x}",
                    profile=profile,
                    machine=big,
                    config=config,
                    items=items,
                    wall_seconds=truth(config, profile, big, items),
                    cpu_seconds=0.0,
                    time=0.0,
                    model_seconds=model_seconds(profile, big, config, items),
                )
            )
    history.add(rows)
    from io import StringIO

    lines = StringIO()
    history.export_lines(lines)
    lines.seek(0)
    here = MemoryHistory()
    imported = here.import_lines(lines)
    predictor = Predictor(here.table(), here.tune())
    without: list[float] = []
    with_it: list[float] = []
    for _ in range(300):
        profile, items = a_profile(), int(10 ** rng.uniform(2, 5))
        real = {config: truth(config, profile, small, items) for config in tried(small)}
        best = min(real.values())
        residual = predictor.residual(profile, small, items)
        for regrets, known in ((without, None), (with_it, residual)):
            choice = planning.choose(
                profile, small, items, Limits(), Safety(), Costs(), residual=known
            )
            config = changed_to(choice.config, real)
            regrets.append(real[config] / best)
    print(f"{imported.added} runs of a simulated 64-core machine imported on one of 16 cores")
    print(f"regret of first calls without it: {_regret(without)}")
    print(f"regret of first calls with it:    {_regret(with_it)}")


def changed_to(config: Config, real: dict[Config, float]) -> Config:
    plain = Config(config.backend, config.n_jobs)
    return (
        plain
        if plain in real
        else min(
            (one for one in real if one.backend == plain.backend),
            key=lambda one: abs(one.n_jobs - plain.n_jobs),
        )
    )


# -- costs ---------------------------------------------------------------------------------------------

_COLD = """
import time, sys
import amorsize, amorsize.execution, amorsize.deciding
clock = time.perf_counter
from benchmarks.functions import steps
began = clock()
from amorsize.learning import learner_for
learner = learner_for(sys.argv[1])
runs = learner.recall(steps, 1.0)
asked = clock() - began
one = runs[0]
began = clock()
learner.record(steps, lambda name, number: one.__class__(
    **{{**{{k: getattr(one, k) for k in type(one).__annotations__}}, "id": number}}))
print(asked * 1e3, (clock() - began) * 1e3, len(runs), "sqlite3" in sys.modules, "numpy" in sys.modules)
"""


def cost() -> None:
    """Medians over runs in new interpreters, and in a warm one."""
    from amorsize.history import open_history
    from benchmarks.functions import steps

    rows = [row for case in cases() for row in case.rows]
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "history.sqlite")
        with open_history(path) as history:
            name = history.fingerprint(steps)
            many = [
                replace(rows[i % len(rows)], id=f"{i:032x}", fingerprint=f"{i % 500:032x}")
                for i in range(COST_ROWS)
            ]
            history.add(many)
            history.add([replace(rows[0], id=f"{1 << 40:032x}", fingerprint=name)])
            history.tune()
        cold = []
        for _ in range(15):
            done = subprocess.run(
                [sys.executable, "-c", _COLD.replace("{{", "{").replace("}}", "}"), path],
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
            predictor = Predictor(table, history.parameters())
            built = time.perf_counter() - began
        profile, machine = rows[0].profile, rows[0].machine
        took = []
        for turn in range(200):
            profile = replace(profile, item_seconds=0.001 * (1 + turn % 17))
            residual = predictor.residual(profile, machine, 1000 + turn)
            began = time.perf_counter()
            planning.choose(profile, machine, 1000, Limits(), Safety(), Costs(), residual=residual)
            took.append(time.perf_counter() - began)
        print(
            f"{len(table)} runs: read in {read * 1e3:.0f} ms, predictor in {built * 1e3:.0f} ms; "
            f"a choice by it {median(took) * 1e6:.0f} µs"
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("collect", "judge", "moved", "cost", "child"))
    parser.add_argument("words", nargs="*", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.what == "child":
        if options.words[0] == "profile":
            profile_of(options.words[1])
        else:
            time_one(options.words[1], options.words[2], int(options.words[3]))
    else:
        {"collect": collect, "judge": judge, "moved": moved, "cost": cost}[options.what]()


if __name__ == "__main__":
    main()
