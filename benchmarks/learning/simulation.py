"""Learning in simulation: machines of 1 to 128 cores whose real costs are not those of the model.

python -m benchmarks.learning.simulation online    one run after the other, with exploring and without
python -m benchmarks.learning.simulation moved     a history of 64 cores, on a machine of 16

The truth: a fork costs three times what the model has, processes lose more and more to memory, threads
that compute scale to twelve cores at most, each function has habits of its own with each backend, and no
two runs take the same time. What is decided goes through ``planning.choose`` and ``planning.explore``;
only the seconds are made up.
"""

from __future__ import annotations

import argparse
import math
import random
from collections.abc import Callable
from io import StringIO
from statistics import fmean

from amorsize.core.model import Machine, Prediction, Profile, Safety
from amorsize.core.observation import Observation
from amorsize.core.options import Limits
from amorsize.history.memory import MemoryHistory
from amorsize.learning.parameters import tune
from amorsize.learning.predictor import Predictor
from amorsize.learning.residuals import known_residual
from amorsize.planning import choose as planning
from amorsize.planning import policy, values
from amorsize.planning.cost_model import Costs
from amorsize.planning.values import Choice, PlanningInput
from benchmarks.learning.evaluate import regret_line

CORES = (1, 2, 4, 8, 16, 32, 64, 128)
FUNCTIONS, RUNS, SEEDS = 60, 1_000, 3
WINDOWS = ((1, 10), (11, 30), (31, 100), (101, 300), (301, 1_000))
HABIT, NOISE = 0.25, 0.08
"""Standard deviations of log seconds: of a function with a backend, and from run to run."""


class Function:
    """What a simulated function is like, and how it really behaves."""

    def __init__(self, number: int, chance: random.Random) -> None:
        self.name = f"{number:032x}"
        waits = chance.random() < 0.25
        self.profile = Profile(
            items=10,
            item_seconds=10 ** chance.uniform(-5, -1.5),
            cpu_share=chance.uniform(0.02, 0.6) if waits else 1.0,
            gil_free_share=chance.choice([0.0, 0.9]),
            result_bytes=int(10 ** chance.uniform(1, 6)),
            result_seconds=10 ** chance.uniform(-6, -4),
        )
        self.items = int(10 ** chance.uniform(2, 5) / (1 + 300 * self.profile.item_seconds)) + 8
        self.habits = {kind: chance.gauss(0, HABIT) for kind in ("serial", "threads", "fork")}

    def seconds(self, prediction: Prediction, machine: Machine) -> float:
        """What a configuration takes on average."""
        config, seconds = prediction.config, prediction.seconds
        if config.backend == "fork":
            lost = 1 + 0.02 * min(config.n_jobs, machine.cores)
            seconds = lost * seconds + 2 * Costs().fork * config.n_jobs
        elif config.backend == "threads" and self.profile.cpu_share > 0.5:
            seconds *= max(1.0, min(config.n_jobs, machine.cores) / 12)
        return seconds * math.exp(self.habits[config.backend])


def options_of(function: Function, machine: Machine) -> Choice:
    """The choice of the model alone, with all its candidates."""
    return planning.choose(
        PlanningInput(
            function.profile, machine, function.items, Limits(), Safety(), Costs(), residual=None
        )
    )


class Life:
    """A machine that learns, run after run."""

    def __init__(self, cores: int, seed: int, explore: float, *, learns: bool = True) -> None:
        self.chance = random.Random(seed)
        self.machine = Machine(cores=cores, logical_cores=cores, resident_bytes=10**8)
        self.functions = [Function(number, self.chance) for number in range(FUNCTIONS)]
        self.explore, self.learns = explore, learns
        self.history = MemoryHistory()
        self.own: dict[str, list[Observation]] = {}
        self.predictor: Predictor | None = None
        self.built = 0

    def run(self, number: int) -> float:
        """One more run; its regret, before the noise."""
        function, machine = self.chance.choice(self.functions), self.machine
        alone = options_of(function, machine)
        by_model = {one.config: one for one in alone.candidates}
        real = {c: function.seconds(one, machine) for c, one in by_model.items()}
        choice, own = alone, self.own.setdefault(function.name, [])
        noise, lot = self.chance.gauss(0, NOISE), self.chance.random()
        if self.learns:
            if own:
                residual = known_residual(own[:16], function.profile, machine)
            else:
                residual = self.neighbours(function, number)
            choice = planning.choose(
                PlanningInput(
                    function.profile,
                    machine,
                    function.items,
                    Limits(),
                    Safety(),
                    Costs(),
                    residual=residual,
                )
            )
            if own:
                choice = policy.explore(choice, [r.config for r in own], self.explore, lot)
        config = choice.config
        run = Observation(
            fingerprint=function.name,
            profile=function.profile,
            machine=machine,
            config=config,
            items=function.items,
            wall_seconds=real[config] * math.exp(noise),
            cpu_seconds=0.0,
            time=float(number),
            model_seconds=by_model[config].seconds,
            id=f"{number:032x}",
        )
        own.insert(0, run)
        self.history.add([run])
        return real[config] / min(real.values())

    def neighbours(self, function: Function, number: int) -> values.Residual:
        if number > 1.25 * self.built + 20:
            self.predictor, self.built = Predictor(self.history.table()), number
        if self.predictor is None:
            return lambda config: None
        return self.predictor.residual(function.profile, self.machine, function.items)


def online() -> None:
    """Mean regret in windows of runs."""
    heads = "  ".join(f"{first}-{last}".rjust(8) for first, last in WINDOWS)
    print(f"cores                        {heads}   (mean regret, {SEEDS} seeds)")
    for cores in CORES:
        for name, explore, learns in (
            ("model alone", 0.0, False),
            ("no exploring", 0.0, True),
            ("explore 2 %", 0.02, True),
        ):
            found: list[list[float]] = [[] for _ in WINDOWS]
            for seed in range(SEEDS):
                life = Life(cores, seed, explore, learns=learns)
                for number in range(1, RUNS + 1):
                    regret = life.run(number)
                    for place, (first, last) in enumerate(WINDOWS):
                        if first <= number <= last:
                            found[place].append(regret)
            print(
                f"{cores:5}  {name:20}  " + "  ".join(f"{fmean(some):8.3f}" for some in found),
                flush=True,
            )


def moved() -> None:
    """What a history from 64 cores is worth to first calls on 16."""
    chance = random.Random(1)
    big = Machine(cores=64, logical_cores=64, resident_bytes=10**8)
    small = Machine(cores=16, logical_cores=16, resident_bytes=10**8)
    there = MemoryHistory()
    rows = []
    for number in range(120):
        function = Function(number, chance)
        for one in options_of(function, big).candidates:
            wall = function.seconds(one, big) * math.exp(chance.gauss(0, NOISE))
            rows.append(
                Observation(
                    fingerprint=function.name,
                    profile=function.profile,
                    machine=big,
                    config=one.config,
                    items=function.items,
                    wall_seconds=wall,
                    cpu_seconds=0.0,
                    time=0.0,
                    model_seconds=one.seconds,
                )
            )
    there.add(rows)
    lines = StringIO()
    there.export_lines(lines)
    lines.seek(0)
    here = MemoryHistory()
    imported = here.import_lines(lines)
    predictor = Predictor(here.table(), tune(here))
    regrets: tuple[list[float], list[float]] = [], []
    for number in range(300):
        function = Function(1_000 + number, chance)
        alone = options_of(function, small)
        real = {one.config: function.seconds(one, small) for one in alone.candidates}
        residual = predictor.residual(function.profile, small, function.items)
        for some, known in zip(regrets, (None, residual), strict=True):
            choice = planning.choose(
                PlanningInput(
                    function.profile,
                    small,
                    function.items,
                    Limits(),
                    Safety(),
                    Costs(),
                    residual=known,
                )
            )
            some.append(real[choice.config] / min(real.values()))
    print(f"{imported.added} runs of a simulated 64-core machine imported on one of 16 cores")
    for name, some in zip(("without", "with"), regrets, strict=True):
        print(f"regret of 300 first calls {name:>8} it: {regret_line(some)}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    acts: dict[str, Callable[[], None]] = {"online": online, "moved": moved}
    parser.add_argument("what", choices=tuple(acts))
    acts[parser.parse_args().what]()


if __name__ == "__main__":
    main()
