"""The values of a report, from which text, Markdown, JSON and HTML are rendered."""

from __future__ import annotations

from statistics import median

from amorsize.core.model import html_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dataclasses import dataclass
    from typing import Any

    from amorsize.validation.statistics import Estimate
else:
    from amorsize.core.frozen import dataclass

SCHEMA = 1
"""Version of the JSON form."""
INFINITE = float("inf")
"""What a ratio is whose divisor is zero."""
PASSED, FAILED, UNDECIDED = "passed", "failed", "not decidable"
"""Verdicts."""
CONFIG = "config: "
"""Begins the name of a contender that is a configuration."""


def contender(name: str) -> str:
    """The name of a contender as reports show it: "2 threads", "loop", "joblib"."""
    return name.removeprefix(CONFIG)


def ratio(part: float, whole: float) -> float:
    """``part / whole``; infinite where only the whole is zero, 1 where both are."""
    if whole:
        return part / whole
    return INFINITE if part else 1.0


@dataclass(frozen=True)
class Seed:
    """One repetition of a scenario."""

    seed: int
    rows: int
    kept: int
    memory_before: int
    memory_after: int
    """Bytes that a predictor built from the store holds (tracemalloc)."""
    memory_empty: int
    """Bytes that a predictor over a single row holds: pruning cannot free them."""
    disk_before: int
    disk_after: int
    """Bytes of the store."""
    error_before: float
    error_after: float
    """Root mean squared error at fresh rows."""
    chance_error: float
    """Root mean squared error after deleting as many rows at random."""
    regret_before: float
    regret_after: float
    """Mean factor of the chosen configuration's true seconds over the best one's."""
    changed: float
    """Share of decisions that changed."""
    latency_before: float
    latency_after: float
    slow_latency_before: float
    slow_latency_after: float
    """Seconds of one prediction: median and 95th percentile."""
    seconds: float
    """Seconds that pruning took."""
    skill: float
    """Share of the labels' variance that the predictor explains at fresh rows, unpruned or pruned."""
    certified: bool

    @property
    def error_change(self) -> float:
        """Relative change of the error by pruning: 0.01 is 1 % more."""
        return ratio(self.error_after, self.error_before) - 1.0

    @property
    def chance_change(self) -> float:
        """Relative change of the error by deleting as many rows at random."""
        return ratio(self.chance_error, self.error_before) - 1.0

    @property
    def memory_reduction(self) -> float:
        """Share of what the rows take, beyond an empty predictor, that is free now."""
        whole = self.memory_before - self.memory_empty
        if whole <= 0:
            return 0.0
        return (self.memory_before - self.memory_after) / whole * (self.rows - 1) / self.rows

    @property
    def speed_up(self) -> float:
        """How many times as fast one prediction is."""
        return ratio(self.latency_before, self.latency_after)


@dataclass(frozen=True)
class Check:
    """One threshold and what was measured against it."""

    name: str
    bound: str
    measured: str
    verdict: str


@dataclass(frozen=True)
class Outcome:
    """A scenario, measured."""

    name: str
    kind: str
    """classic, further, or own: the user's history."""
    told: str
    """What its data are, in words."""
    strategy: str
    noise: float | None
    """Standard deviation of the labels' noise, where it is known."""
    seeds: tuple[Seed, ...]
    error: Estimate
    against_chance: Estimate
    """Logarithm of the error over that after random deletion, paired: below 0 is better."""
    memory: Estimate
    checks: tuple[Check, ...]

    @property
    def verdict(self) -> str:
        """Failed if anything failed, else not decidable if anything is, else passed."""
        found = {check.verdict for check in self.checks}
        return FAILED if FAILED in found else UNDECIDED if UNDECIDED in found else PASSED


@dataclass(frozen=True)
class Decision:
    """One function, measured in every way that was tried."""

    name: str
    items: int
    chosen: str
    reasons: tuple[str, ...]
    predicted_seconds: float
    spread: float
    """Standard deviation of the logarithm of the predicted seconds."""
    seconds: dict[str, tuple[float, ...]]
    """Seconds of each contender, a value for each round: "loop", "amorsize", configurations, peers."""
    problems: dict[str, str]
    """What went wrong with a contender that has no seconds."""
    verdict: str
    sentence: str
    """What to do, for a person."""

    def median(self, name: str) -> float:
        """Median of a contender's seconds."""
        return median(self.seconds[name])

    @property
    def best(self) -> str:
        """The configuration that an exhaustive search would have chosen (the loop is one)."""
        tried = [name for name in self.seconds if name == "loop" or name.startswith(CONFIG)]
        return min(tried, key=self.median)

    @property
    def regret(self) -> float:
        """Seconds of amorsize over those of the best configuration."""
        return ratio(self.median("amorsize"), self.median(self.best))


@dataclass(frozen=True)
class ValidationReport:
    """Everything that was measured, and the verdicts."""

    version: str
    python: str
    platform: str
    cores: int
    seed: int
    seconds: float
    complete: bool
    """False if Ctrl-C ended it: the report then holds what was finished."""
    outcomes: tuple[Outcome, ...]
    decisions: tuple[Decision, ...] = ()
    front: tuple[tuple[float, float, float], ...] = ()
    """Kept fraction, change of the error by pruning, and by chance (one world, several sizes)."""
    ladder: tuple[tuple[int, float, bool | None], ...] = ()
    """Sizes that one pruning tried: rows kept, change of the mean absolute error at rows left out, and
    whether it passed its test; None: looked at, not tested (one world)."""
    ladder_tolerance: float = 0.0
    """By how much the error could grow there."""
    learning: tuple[tuple[int, float], ...] = ()
    """Rows learned from, and the error at fresh rows (one world)."""
    calibration: tuple[tuple[float, float], ...] = ()
    """Labels predicted, and true ones, at fresh rows (one world)."""

    @property
    def passed(self) -> bool:
        """Whether everything was measured and passed."""
        verdicts = [one.verdict for one in self.outcomes]
        verdicts += [one.verdict for one in self.decisions]
        return self.complete and bool(verdicts) and all(one == PASSED for one in verdicts)

    def _repr_html_(self) -> str:
        return html_of(self)

    def counted(self, kind: str) -> tuple[int, int]:
        """How many scenarios of a kind passed, and how many there are."""
        some = [one for one in self.outcomes if one.kind == kind]
        return sum(one.verdict == PASSED for one in some), len(some)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; `docs/reference/validation-schema.md` describes them."""
        from dataclasses import asdict

        found: dict[str, Any] = asdict(self)  # type: ignore[call-overload,unused-ignore]
        found["schema"], found["passed"] = SCHEMA, self.passed
        for entry, outcome in zip(found["outcomes"], self.outcomes, strict=True):
            entry["verdict"] = outcome.verdict
        for entry, decision in zip(found["decisions"], self.decisions, strict=True):
            entry["best"], entry["regret"] = decision.best, decision.regret
        return found
