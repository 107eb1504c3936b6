"""What the items that are left will cost: the function's earlier runs and the present sample, combined by
how sure each of them is. Pure, in plain Python.

With x the logarithm of the mean seconds of an item,

* history:  A = mean of x over runs, newest first with weights; variance v + DATA_VARIANCE, where v is how
            far the runs lie apart
* sample:   B = log(seconds seen now) + mean over runs of log(what the items took / what the sample of
            that run had said); variance cv**2/n + how far those ratios lie apart + a share of them
* combined: x = (A/vA + B/vB) / (1/vA + 1/vB), variance 1/(1/vA + 1/vB)

so the beginning of sorted data is corrected by what it was worth before, and a single item moves little.
Where A and B contradict each other by more than two standard deviations the data have changed: what is
beyond that adds to vA, so that a sample which is sure of itself prevails; not where it is but a first
item, of which nothing tells whether it is the data or a warm-up. A first item that may have
paid for a warm-up is no more than a hint; what the warm-up cost before is taken off, never multiplied.
"""

from __future__ import annotations

from math import exp, log

from amorsize.core.frozen import dataclass, replace
from amorsize.learning.residuals import CHANGED_WEIGHT, HALVED_BY_RUNS, LIKE_ITEMS, has_changed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from amorsize.core.model import Machine, Profile
    from amorsize.core.observation import Observation

RUN_VARIANCE, RUN_VARIANCE_RUNS = 0.01, 2.0
"""Variance of log seconds of an item from run to run before a function has shown its own, and the runs
that this counts for (benchmarks/learning/forecasts.py: two identical runs differ by 5 to 15 %)."""
DATA_VARIANCE = 0.04
"""What other data may add: 20 % between two calls of one function, before a sample says more."""
FIRST_ITEM_VARIANCE = 0.25
"""Of what a first item says, which may have paid for something: a factor of 1.6."""
ITEM_VARIANCE = 0.25
"""Of one item around the mean where no spread was seen yet: lengths that differ by half."""
RATIO_DOUBT = 0.15
"""Share of its own correction by which a sample is doubted: one that is known to be 50 times too low says
little of what other data will cost."""
CONTRADICTION = 2.0
"""Standard deviations by which history and sample may differ by chance."""
LEAST_SECONDS = 1e-9
"""Keeps logarithms finite."""


@dataclass(frozen=True)
class Sample:
    """What this run has seen of its items."""

    items: int
    seconds: float
    """Mean of an item; of the first one where there is no other."""
    spread_seconds: float = 0.0
    first_only: bool = False
    """Whether there is but the first item."""
    spread: bool = False
    """Whether its items lie among all that are left: then it needs no correction."""


def measured(runs: Sequence[Observation]) -> tuple[Observation, ...]:
    """The runs that tell what items cost: they ended well and summed what their items took."""
    return tuple(
        run
        for run in runs
        if run.outcome == "done" and run.is_measured and run.profile.item_seconds > 0
    )


def unknown_doubt(sample: Sample) -> float:
    """How unsure a sample is, as the spread of log seconds, of a function without earlier runs."""
    return float(_sample_variance(sample, 0.0) ** 0.5)


def known_costs(
    profile: Profile, sample: Sample, runs: Sequence[Observation], machine: Machine
) -> Profile:
    """The profile with what earlier runs say of the items (``runs``: measured ones, newest first)."""
    weights = list(_weights(runs, machine))
    total = sum(weights)
    costs = [log(max(run.profile.item_seconds, LEAST_SECONDS)) for run in runs]
    before = _mean(costs, weights, total)
    scatter = _variance(costs, weights, before)
    spread = _mean(
        [run.profile.item_spread / run.profile.item_seconds for run in runs], weights, total
    )
    history = scatter + DATA_VARIANCE
    seen, doubt = _seen(sample, runs, weights, spread)
    gap = abs(seen - before) - CONTRADICTION * (history + doubt) ** 0.5
    if gap > 0 and not sample.first_only:
        history += gap * gap
    now = doubt / (history + doubt)
    """Weight of the history; the rest is the sample's."""
    value = now * before + (1.0 - now) * seen
    variance = history * doubt / (history + doubt)
    share = _mean([run.profile.cpu_share for run in runs], weights, total)
    inner = _mean([run.profile.inner_threads for run in runs], weights, total)
    if not sample.first_only:
        share = now * share + (1.0 - now) * profile.cpu_share
        inner = now * inner + (1.0 - now) * profile.inner_threads
    scale = exp(value - before)
    return replace(
        profile,
        item_seconds=exp(value),
        item_spread=spread * exp(value),
        cpu_share=min(1.0, share),
        inner_threads=max(1.0, inner),
        longest_seconds=scale * _median([run.profile.longest_seconds for run in runs]),
        warmup_seconds=_worker_warmup(runs, weights),
        item_doubt=variance**0.5,
    )


def _median(values: Sequence[float]) -> float:
    """The lower middle one: a single item that lost its core does not bind all later runs."""
    return sorted(values)[(len(values) - 1) // 2]


def caller_warmup(runs: Sequence[Observation]) -> float:
    """Seconds that the first item of the caller may cost beyond the others: the most of the runs."""
    return max((run.work.caller_warmup_seconds for run in runs), default=0.0)


def worker_bytes(runs: Sequence[Observation]) -> int:
    """Memory that a worker process is expected to hold: the median of the runs that saw one."""
    seen = [run.work.worker_bytes for run in runs if run.work.worker_bytes]
    return int(_median(seen)) if seen else 0


def inherits_warmth(runs: Sequence[Observation]) -> bool:
    """Whether workers that are forked after the caller's first item need not warm up any more, though
    they must if they are forked before it.

    A long first item alone does not tell a warm-up from an item that is long by itself, nor whether it
    would be inherited. Workers that start before it and warm up side by side take no longer; so that is
    tried, and what the runs then show side by side decides."""
    forked = [run.work for run in runs if run.config.backend == "fork"]
    after = any(work.caller_warmup_seconds and not work.worker_warmup_seconds for work in forked)
    before = any(work.worker_warmup_seconds and not work.caller_warmup_seconds for work in forked)
    return after and before


def _seen(
    sample: Sample, runs: Sequence[Observation], weights: list[float], spread: float
) -> tuple[float, float]:
    """Log seconds of an item as the sample has it, put right by what samples were worth; variance."""
    seconds, doubt = sample.seconds, _sample_variance(sample, spread)
    if sample.first_only:
        warm = min(caller_warmup(runs), 0.9 * seconds)
        seconds -= warm
        doubt += (warm / max(seconds, LEAST_SECONDS)) ** 2
    pairs = [
        (log(run.profile.item_seconds / run.work.sample_seconds), weight)
        for run, weight in zip(runs, weights, strict=True)
        if run.work.sample_items > 1
        and run.work.sample_seconds > 0
        and 1 / LIKE_ITEMS < run.work.sample_seconds / max(seconds, LEAST_SECONDS) < LIKE_ITEMS
    ]
    value = log(max(seconds, LEAST_SECONDS))
    if sample.spread:
        return value, doubt
    if not pairs or sample.first_only:
        return value, doubt + DATA_VARIANCE
    ratios, of_pairs = [ratio for ratio, _ in pairs], [weight for _, weight in pairs]
    ratio = _mean(ratios, of_pairs, sum(of_pairs))
    doubt += _variance(ratios, of_pairs, ratio) + (RATIO_DOUBT * ratio) ** 2
    return value + ratio, doubt


def _sample_variance(sample: Sample, spread: float) -> float:
    """Variance of the log of the sample's mean. ``spread``: of one item over the mean, as runs before had
    it; 0 where there were none."""
    if sample.seconds <= 0:
        return 1e6
    if sample.first_only or sample.items < 2:
        return FIRST_ITEM_VARIANCE + max(ITEM_VARIANCE, spread * spread)
    relative = max(spread, sample.spread_seconds / sample.seconds)
    # The variance that was seen of few items is itself unsure: one item more, of the usual variance.
    one = (relative * relative * (sample.items - 1) + ITEM_VARIANCE) / sample.items
    return one / (sample.items - 1)


def _worker_warmup(runs: Sequence[Observation], weights: list[float]) -> float:
    pairs = [
        (run.work.worker_warmup_seconds, weight)
        for run, weight in zip(runs, weights, strict=True)
        if run.config.backend in ("fork", "spawn")
    ]
    return sum(a * b for a, b in pairs) / sum(b for _, b in pairs) if pairs else 0.0


def _weights(runs: Sequence[Observation], machine: Machine) -> Iterator[float]:
    """What each run counts: the newest most, those of another machine little."""
    for place, run in enumerate(runs):
        changed = CHANGED_WEIGHT if has_changed(run.machine, machine) else 1.0
        yield changed * 0.5 ** (place / HALVED_BY_RUNS)


def _mean(values: Sequence[float], weights: Sequence[float], total: float) -> float:
    return sum(a * b for a, b in zip(values, weights, strict=True)) / total


def _variance(values: Sequence[float], weights: Sequence[float], mean: float) -> float:
    """Weighted variance, some runs of the usual variance added."""
    scatter = sum(b * (a - mean) ** 2 for a, b in zip(values, weights, strict=True))
    lost = sum(weights) * (1.0 - 1.0 / len(weights))
    return (scatter + RUN_VARIANCE_RUNS * RUN_VARIANCE) / (lost + RUN_VARIANCE_RUNS)
