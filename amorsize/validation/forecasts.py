"""Do forecasts hold? On seeded runs of known truth, and on those of the user's own history.

::

    a function drawn by the seed --runs, one after the other--> forecast by what is known, then the truth
    own history --forecasts that its runs recorded-----------> the same checks

A seeded function has a cost of its items, a spread, and what its configuration makes of them; each run
differs from the one before as two identical runs differ on a machine. What is known goes through the very
code that a run uses.
"""

from __future__ import annotations

from itertools import pairwise
from math import comb, exp, log
from random import Random
from statistics import median

from amorsize import learning
from amorsize.core.frozen import replace
from amorsize.core.model import Config, Forecast, Machine, Profile, Work
from amorsize.core.observation import Observation
from amorsize.history.sqlite_cache import ERRORS
from amorsize.learning.forecasts import score_of
from amorsize.learning.residuals import known_residual
from amorsize.planning import choose, cost_model
from amorsize.planning.cost_model import Costs
from amorsize.validation.report import FAILED, PASSED, UNDECIDED, Check, Outcome
from amorsize.validation.statistics import estimate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    Errors = tuple[list[float], list[float]]

SEEDED = "forecasts: seeded"
FUNCTIONS, RUNS = 200, 6
"""Seeded functions, and runs of each."""
LEAST_HELD, MOST_HELD = 0.70, 0.90
"""Share of the known runs that an 80 % range is to hold: less is a promise broken, more says nothing."""
LEAST_FIRST_HELD = 0.60
"""The same for first calls."""
MOST_FACTOR, FLOOR_FACTOR = 1.12, 1.1
"""Median factor between stated and real seconds of known runs; or so many times that between two
identical runs, where that is more."""
LEAST_FORECASTS = 20
"""Fewer forecasts of a history decide nothing."""
DOUBT = 0.05
"""A share is too low, or too high, if chance would make it so in less than this part of all cases."""
CONFIG, MACHINE = Config("fork", 2), Machine(cores=2)


def of_seeded_runs(seed: int) -> Outcome:
    """Forecasts of functions that are drawn by ``seed``; the same seed gives the same verdict."""
    chance = Random(f"forecasts {seed}")
    known: list[Forecast] = []
    first: list[Forecast] = []
    floor: list[float] = []
    errors: Errors = ([], [])
    for _ in range(FUNCTIONS):
        runs = _runs_of(chance, errors)
        first.append(runs[0].forecast)
        known += [run.forecast for run in runs[1:]]
        paces = [run.wall_seconds / run.items for run in runs]
        floor += [abs(log(a / b)) for a, b in pairwise(paces)]
    told = f"{FUNCTIONS} functions of known cost, {RUNS} runs of each"
    return _outcome(SEEDED, told, first, known, exp(median(floor)))


def of_own_history(runs: Sequence[Observation]) -> Outcome:
    """Forecasts that the runs of a history recorded, and what came of them."""
    said = [run.forecast for run in runs if run.outcome == "done" and run.forecast.real_seconds > 0]
    first = [one for one in said if not one.runs]
    known = [one for one in said if one.runs]
    return _outcome("forecasts: own", f"{len(runs):,} runs", first, known, 1.0)


def _outcome(
    name: str, told: str, first: Sequence[Forecast], known: Sequence[Forecast], floor: float
) -> Outcome:
    checks = [
        _held("ranges of known functions", known, LEAST_HELD, MOST_HELD),
        _held("ranges of first calls", first, LEAST_FIRST_HELD, 1.0),
        _factor(known, max(MOST_FACTOR, FLOOR_FACTOR * floor)),
    ]
    none = estimate([0.0])
    return Outcome(name, "forecasts", told, "", None, (), none, none, none, tuple(checks))


def _held(name: str, said: Sequence[Forecast], least: float, most: float) -> Check:
    """How often the ranges held."""
    bound = f"{least:.0%} to {most:.0%}" if most < 1 else f"at least {least:.0%}"
    if len(said) < LEAST_FORECASTS:
        return Check(name, bound, f"{len(said)} forecasts", UNDECIDED)
    held = sum(one.low_seconds <= one.real_seconds <= one.high_seconds for one in said)
    missed = len(said) - held
    bad = min(_at_most(held, len(said), least), _at_most(missed, len(said), 1 - most)) < DOUBT
    measured = f"{held} of {len(said)}: {held / len(said):.0%}"
    return Check(name, bound, measured, FAILED if bad else PASSED)


def _at_most(count: int, number: int, share: float) -> float:
    """Chance of at most so many out of ``number``, each with the chance ``share`` (binomial)."""
    if share <= 0.0:
        return 1.0
    return sum(comb(number, k) * share**k * (1 - share) ** (number - k) for k in range(count + 1))


def _factor(said: Sequence[Forecast], most: float) -> Check:
    """How far stated and real seconds lie apart."""
    name, bound = "factor of known functions", f"at most {most:.2f} in the median"
    if len(said) < LEAST_FORECASTS:
        return Check(name, bound, f"{len(said)} forecasts", UNDECIDED)
    found = exp(median([abs(log(one.real_seconds / one.seconds)) for one in said]))
    return Check(name, bound, f"{found:.2f}", PASSED if found <= most else FAILED)


def _runs_of(chance: Random, errors: Errors) -> list[Observation]:
    """The runs of one function, oldest first. ``errors`` of forecasts before; theirs are added."""
    item = exp(chance.uniform(log(1e-4), log(0.1)))
    spread, unsteady = chance.uniform(0.02, 1.0), chance.uniform(0.02, 0.12)
    efficiency = chance.gauss(0.0, 0.15)
    runs: list[Observation] = []
    for number in range(RUNS):
        left, seen = chance.randrange(200, 2_000), chance.randrange(4, 16)
        truth = item * exp(chance.gauss(0.0, unsteady / 2))
        sample = truth * max(0.2, chance.gauss(1.0, spread / seen**0.5))
        profile = Profile(seen, sample, spread * sample)
        said = _forecast(profile, runs[::-1], left, errors)
        true = replace(profile, items=left, item_seconds=truth, item_spread=spread * truth)
        model = cost_model.seconds(CONFIG, true, MACHINE, left, Costs()).seconds
        real = model * exp(efficiency + chance.gauss(0.0, unsteady))
        said = replace(said, real_seconds=real)
        _note(errors[0 if said.runs else 1], said, chance)
        runs.append(
            Observation(
                fingerprint="f" * 32,
                profile=true,
                machine=MACHINE,
                config=CONFIG,
                items=left,
                wall_seconds=real,
                cpu_seconds=0.0,
                time=float(number),
                outcome="done",
                model_seconds=model,
                work=Work(
                    left,
                    truth,
                    truth,
                    spread * truth,
                    2 * truth,
                    sample_items=seen,
                    sample_seconds=sample,
                ),
                forecast=said,
            )
        )
    return runs


def _note(kept: list[float], said: Forecast, chance: Random) -> None:
    """Keep the error of a forecast as a history does: in the place of one of any age."""
    score = score_of(said)
    if score is not None:
        place = chance.randrange(ERRORS)
        kept[place:] = [score] if place >= len(kept) else [score, *kept[place + 1 :]]


def _forecast(profile: Profile, runs: Sequence[Observation], left: int, errors: Errors) -> Forecast:
    """What a run would say, by the runs before it, newest first."""
    sample = learning.Sample(profile.items, profile.item_seconds, profile.item_spread)
    residual, doubt = None, learning.unknown_doubt(sample)
    if runs:
        profile = learning.known_costs(profile, sample, runs, MACHINE)
        residual, doubt = known_residual(runs, profile, MACHINE), profile.item_doubt
    found = cost_model.seconds(CONFIG, profile, MACHINE, left, Costs())
    found = choose.experienced(found, residual)
    spread = found.spread if runs else 0.0
    return learning.forecast_of(found.seconds, spread, doubt, runs, errors)
