"""What learning is worth, on the real runs of ``results/runs.jsonl.gz`` (see ``rows.py``).

python -m benchmarks.learning.evaluate judge       workloads left out: errors, regret, closed gap (some
minutes; a line after each fold)
python -m benchmarks.learning.evaluate curve       regret by how many runs of others were learned (longer)
python -m benchmarks.learning.evaluate raw         neighbours on raw seconds instead of residuals
python -m benchmarks.learning.evaluate known       second runs: what the workload's own runs tell
python -m benchmarks.learning.evaluate cost        what asking, predicting and recording cost

``judge`` predicts each workload by runs of others, in ten folds of workloads; parameters are tuned on the
runs that predict, too. A workload that is judged is never among those that the predictor has seen.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import math
import random
import time
from collections.abc import Callable, Iterable, Sequence
from statistics import fmean, median, quantiles
from typing import TYPE_CHECKING

from amorsize.core.frozen import replace
from amorsize.core.model import Config, Profile
from amorsize.core.observation import Observation, from_line
from amorsize.history.memory import MemoryHistory
from amorsize.learning.parameters import choose_parameters
from amorsize.learning.predictor import Predictor
from amorsize.learning.residuals import known_residual
from amorsize.planning import cost_model
from amorsize.planning.cost_model import Roles, starting_costs
from benchmarks.learning.asking_costs import cost
from benchmarks.learning.rows import RUNS, caller_computes
from benchmarks.workloads.learnable import NAMES

if TYPE_CHECKING:
    from amorsize.learning.residuals import Residual

    Predictions = dict[Config, float]

FOLDS = 10
ORDERS = 10
"""Random orders in which runs are learned, for the learning curve."""
CURVE = (0, 10, 30, 100, 300, 1_000, 3_000)
NAME_OF = {hashlib.blake2b(name.encode(), digest_size=16).hexdigest(): name for name in NAMES}


# -- the runs ------------------------------------------------------------------------------------------


def modelled(run: Observation, profile: Profile | None = None) -> float:
    """What the cost model alone says of a run, by its profile or another one of the same work."""
    profile = profile or run.profile
    return cost_model.seconds(
        run.config,
        profile,
        run.machine,
        run.items,
        starting_costs(run.machine, 0),
        Roles(
            items_sent=NAME_OF[run.fingerprint].startswith("generators/"),
            caller_computes=caller_computes(run.config, profile),
        ),
    ).seconds


class Case:
    """One workload in one length: seconds of each configuration, and the profiles that were seen."""

    def __init__(self, runs: Sequence[Observation]) -> None:
        self.runs = list(runs)
        first = runs[0]
        self.group, self.items, self.machine = first.fingerprint, first.items, first.machine
        self.kind = NAME_OF[self.group].split("/")[0]
        by_config: dict[Config, list[Observation]] = {}
        for run in runs:
            by_config.setdefault(run.config, []).append(run)
        self.seconds = {
            config: median(run.wall_seconds for run in some) for config, some in by_config.items()
        }
        """Medians over the repetitions."""
        seen = {repr(run.profile): run.profile for run in runs}.values()
        self.profiles = [profile for profile in seen if profile.result_bytes is not None]
        """Those at which a run would decide: before, it looks at what carrying a result costs."""
        self.model = [
            {config: modelled(some[0], profile) for config, some in by_config.items()}
            for profile in self.profiles
        ]

    def by_model(self) -> list[Predictions]:
        return self.model

    def by(self, residual: Callable[[Profile], Residual]) -> list[Predictions]:
        """The model corrected by residuals, for each profile."""
        found = []
        for profile, seconds in zip(self.profiles, self.model, strict=True):
            asked = residual(profile)
            answers = {config: asked(config) for config in seconds}
            found.append(
                {c: s * math.exp(a[0]) if (a := answers[c]) else s for c, s in seconds.items()}
            )
        return found

    def errors(self, predictions: Iterable[Predictions]) -> list[tuple[str, float]]:
        """Backend and absolute log error of each prediction."""
        return [
            (config.backend, abs(math.log(some[config] / seconds)))
            for some in predictions
            for config, seconds in self.seconds.items()
        ]

    def regrets(self, predictions: Iterable[Predictions]) -> list[float]:
        """Of the configuration chosen, for each profile. Spawned workers are no choice where forked ones
        are: planning never compares the two."""
        open_to = [config for config in self.seconds if config.backend != "spawn"]
        best = min(self.seconds[config] for config in open_to)
        return [self.seconds[min(open_to, key=some.__getitem__)] / best for some in predictions]


def cases() -> list[Case]:
    if not RUNS.exists():
        raise SystemExit("nothing was collected yet: python -m benchmarks.learning.rows collect")
    groups: dict[tuple[str, int], list[Observation]] = {}
    for line in gzip.decompress(RUNS.read_bytes()).decode().splitlines():
        run = from_line(line)
        run = replace(run, model_seconds=modelled(run))
        groups.setdefault((run.fingerprint, run.items), []).append(run)
    found = [Case(runs) for runs in groups.values()]
    return [case for case in found if case.profiles]


def history_of(runs: Iterable[Observation]) -> MemoryHistory:
    history = MemoryHistory(max_rows=1 << 20)
    history.add(runs)
    return history


# -- judging -------------------------------------------------------------------------------------------


class Score:
    """Errors and regrets of one way to predict."""

    def __init__(self) -> None:
        self.errors: list[tuple[str, float]] = []
        self.regrets: list[float] = []
        self.by_kind: dict[str, list[float]] = {}

    def add(self, case: Case, predictions: Sequence[Predictions], *, errors: bool = True) -> None:
        if errors:
            self.errors += case.errors(predictions)
        found = case.regrets(predictions)
        self.regrets += found
        self.by_kind.setdefault(case.kind, []).extend(found)

    def error(self, backend: str = "") -> float:
        return median(error for name, error in self.errors if backend in ("", name))


def folds(everything: Sequence[Case]) -> list[tuple[list[Case], list[Case]]]:
    """Pairs of cases to learn from and cases to judge; all lengths of a workload on one side."""
    groups = sorted({case.group for case in everything})
    random.Random(0).shuffle(groups)
    place = {group: i % FOLDS for i, group in enumerate(groups)}
    return [
        (
            [case for case in everything if place[case.group] != fold],
            [case for case in everything if place[case.group] == fold],
        )
        for fold in range(FOLDS)
    ]


def judge() -> None:
    """Leave workloads out."""
    everything = cases()
    runs = [run for case in everything for run in case.runs]
    print(f"{len({case.group for case in everything})} workloads, {len(runs)} runs")
    scores = {name: Score() for name in ("model alone", "learned", "guarded", "one for all")}
    began = time.perf_counter()
    for number, (learn, asked) in enumerate(folds(everything), 1):
        table = history_of(run for case in learn for run in case.runs).table()
        predictor = Predictor(table, choose_parameters(table))
        single = best_single(learn)
        for case in asked:

            def residual(
                profile: Profile, case: Case = case, predictor: Predictor = predictor
            ) -> Residual:
                return predictor.residual(profile, case.machine, case.items)

            scores["model alone"].add(case, case.by_model())
            scores["learned"].add(case, case.by(residual))
            scores["guarded"].add(case, guarded(case, residual))
            scores["one for all"].add(case, single(case), errors=False)
        below = 1 - scores["learned"].error() / scores["model alone"].error()
        spent = time.perf_counter() - began
        print(f"fold {number} of {FOLDS}, {spent:.0f} s: learned {below:.0%} below", flush=True)
    tell(scores)


GUARD_SPREADS = 1.0
"""Standard deviations by which neighbours must be sure that another configuration than the model's is
quicker."""


def guarded(case: Case, residual: Callable[[Profile], Residual]) -> list[Predictions]:
    """Neighbours correct what is said, and change the choice only where they are sure: elsewhere the
    model's choice is made the quickest."""
    found = []
    for profile, model, some in zip(case.profiles, case.model, case.by(residual), strict=True):
        asked, alone = residual(profile), min(model, key=model.__getitem__)
        best = min(some, key=some.__getitem__)
        doubt = math.hypot(*((asked(one) or (0.0, 0.0))[1] for one in (alone, best)))
        sure = math.log(some[alone] / some[best]) > GUARD_SPREADS * doubt
        found.append(some if sure else {**some, alone: min(some.values())})
    return found


def raw() -> None:
    """Neighbours on seconds, in the same folds."""
    score = Score()
    for learn, asked in folds(cases()):
        predict = raw_seconds(learn)
        for case in asked:
            score.add(case, predict(case))
    print(
        f"raw seconds: median |log error| {score.error():.3f}; regret {regret_line(score.regrets)}"
    )


def tell(scores: dict[str, Score]) -> None:
    single = fmean(scores["one for all"].regrets)
    print("                median |log error|: all  serial threads  fork   spawn")
    for name, score in scores.items():
        if score.errors:
            parts = [score.error(b) for b in ("", "serial", "threads", "fork", "spawn")]
            print(f"{name:>15}                    " + "  ".join(f"{part:.3f}" for part in parts))
    below = 1 - scores["learned"].error() / scores["model alone"].error()
    print(f"learned is {below:.0%} below the model alone")
    for name, score in scores.items():
        gap = (single - fmean(score.regrets)) / max(single - 1, 1e-9)
        print(f"{name:>15} regret: {regret_line(score.regrets)}; closed gap {gap:.2f}")
    for kind in scores["learned"].by_kind:
        model, learned = (scores[n].by_kind[kind] for n in ("model alone", "learned"))
        print(f"{kind:>18}: mean regret {fmean(model):.2f} -> {fmean(learned):.2f}")


def raw_seconds(learn: Sequence[Case]) -> Callable[[Case], list[Predictions]]:
    """The same neighbours on seconds instead of residuals, tuned as well."""
    from amorsize.learning.features import Arrays, encode
    from amorsize.learning.regressor import KNNRegressor

    runs = [run for case in learn for run in case.runs]
    arrays = Arrays(history_of(runs).table())
    import numpy as np

    wall = np.log([runs[row].wall_seconds for row in arrays.rows])
    models = {}
    for backend in sorted(set(arrays.backend)):
        places = arrays.of_backend(backend)
        groups = [arrays.group[place] for place in places]
        models[backend] = KNNRegressor().tune(arrays.X[places], wall[places], None, groups)

    def predict(case: Case) -> list[Predictions]:
        return [
            {
                config: math.exp(
                    float(
                        models[config.backend].predict(
                            [encode(profile, case.machine, config, case.items)]
                        )[0]
                    )
                )
                for config in case.seconds
            }
            for profile in case.profiles
        ]

    return predict


def best_single(learn: Sequence[Case]) -> Callable[[Case], list[Predictions]]:
    """The configuration that is best on the average of log seconds over the best, for every workload."""
    totals: dict[Config, list[float]] = {}
    for case in learn:
        best = min(s for c, s in case.seconds.items() if c.backend != "spawn")
        for config, seconds in case.seconds.items():
            totals.setdefault(config, []).append(math.log(seconds / best))
    most = max(len(values) for values in totals.values())
    chosen = min(
        (c for c, values in totals.items() if len(values) > 0.9 * most and c.backend != "spawn"),
        key=lambda config: fmean(totals[config]),
    )

    def predict(case: Case) -> list[Predictions]:
        return [{config: float(config != chosen) for config in case.seconds}]

    return predict


def curve(everything: list[Case]) -> None:
    """Regret on workloads not learned, by how many runs of others were learned at random."""
    found: dict[int, list[float]] = {}
    for seed in range(ORDERS):
        learn, asked = folds(everything)[seed % FOLDS]
        runs = [run for case in learn for run in case.runs]
        order = random.Random(seed).sample(runs, len(runs))
        for step in CURVE:
            if step > len(order):
                continue
            predictor = None
            if step:
                table = history_of(order[:step]).table()
                predictor = Predictor(table, choose_parameters(table) if step >= 300 else None)
            for case in asked:
                predictions = case.by_model()
                if predictor is not None:
                    predictions = case.by(
                        lambda profile, case=case, p=predictor: p.residual(  # type: ignore[misc]
                            profile, case.machine, case.items
                        )
                    )
                found.setdefault(step, []).extend(case.regrets(predictions))
    print(f"learning curve, workloads left out, over {ORDERS} orders (tuned from 300 runs on):")
    for step, values in found.items():
        print(f"  {step:5d} runs: {regret_line(values)}")


def regret_line(values: Sequence[float]) -> str:
    """The median, the tail and the mean of regrets."""
    return (
        f"median {median(values):.3f}, 95th percentile {quantiles(values, n=20)[-1]:.2f}, "
        f"mean {fmean(values):.3f}"
    )


# -- second runs ---------------------------------------------------------------------------------------


def known() -> None:
    """A workload ran once (or thrice) as the model chose; what is chosen for the next run?"""
    for count in (0, 1, 3):
        score = Score()
        for case in cases():
            chance = random.Random(case.group)
            seen: list[Observation] = []
            for _ in range(count):
                profile = chance.randrange(len(case.profiles))
                some = case.model[profile]
                if seen:
                    residual = known_residual(seen, case.profiles[profile], case.machine)
                    some = {c: s * math.exp((residual(c) or (0.0,))[0]) for c, s in some.items()}
                chosen = min(
                    (c for c in case.seconds if c.backend != "spawn"), key=some.__getitem__
                )
                run = chance.choice([run for run in case.runs if run.config == chosen])
                seen.insert(0, run)

            score.add(
                case,
                case.by(
                    lambda profile, seen=seen, case=case: known_residual(  # type: ignore[misc]
                        seen, profile, case.machine
                    )
                ),
            )
        print(
            f"{count} own runs: |log error| {score.error():.3f}; regret {regret_line(score.regrets)}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parts: dict[str, Callable[[], None]] = {
        "judge": judge,
        "curve": lambda: curve(cases()),
        "raw": raw,
        "known": known,
        "cost": lambda: cost([row for case in cases() for row in case.runs]),
    }
    parser.add_argument("what", choices=tuple(parts))
    parts[parser.parse_args().what]()


if __name__ == "__main__":
    main()
