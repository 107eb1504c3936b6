"""How the cost of an item follows its size: found in a run, used in the next ones. Pure.

::

    sizes and seconds of chunks --law_of--> Law --> Work (for the history)
    sizes of today's items, earlier runs --for_sizes--> those runs as if they had had today's items

A law is seconds = unit * size ** power. In logarithms that is a straight line, whose slope is the median
of those through all pairs of chunks (Theil and Sen: JASA 63, 1968): a chunk that lost its core for a
while, and took 20 times as long, does not bend it. A law is kept only where it foretells chunks that it
was not made from: drawn through every second one, it leaves at most ``FOLLOWED`` of the error that the
median has for the others.
"""

from __future__ import annotations

from itertools import combinations
from math import log

from amorsize.core.frozen import dataclass, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from amorsize.core.observation import Observation

LEAST_POINTS = 8
"""Chunks from which a law is drawn: a line through fewer says little of the next one."""
FOLLOWED = 0.5
"""Share of the median's error, of chunks that were left out, that a law may leave."""
LEAST_RANGE = log(1.5)
"""Logarithm of the ratio of the largest to the smallest size below which there is nothing to see."""
STEEPEST = 4.0
"""Greatest power: what is beyond is not a law of size but a jump."""


@dataclass(frozen=True)
class Law:
    """Seconds of an item: ``unit * size ** power``."""

    power: float
    unit: float

    def seconds(self, size: float) -> float:
        """What an item of this size takes."""
        return float(self.unit * size**self.power)


@dataclass(frozen=True)
class Sizes:
    """Sizes of today's items: ``seen`` of those that have run, ``left`` of those that are to."""

    seen: tuple[float, ...] = ()
    left: tuple[float, ...] = ()


def law_of(points: Sequence[tuple[float, int, float]]) -> Law | None:
    """The law that these chunks follow (mean size of their items, how many, seconds of all of them); None
    where they follow none. O(points**2)."""
    used = [one for one in points if min(one) > 0]
    if len(used) < LEAST_POINTS:
        return None
    logs = [(log(size), log(seconds / items)) for size, items, seconds in used]
    if max(logs)[0] - min(logs)[0] < LEAST_RANGE:
        return None
    power = _slope(logs)
    if not 0 < power <= STEEPEST:
        return None
    by_law, by_median = list[float](), list[float]()
    for known, others in ((logs[::2], logs[1::2]), (logs[1::2], logs[::2])):
        slope = _slope(known)
        level, alone = median([y - slope * x for x, y in known]), median([y for _, y in known])
        by_law += [abs(y - slope * x - level) for x, y in others]
        by_median += [abs(y - alone) for _, y in others]
    if median(by_law) > FOLLOWED * median(by_median):
        return None
    scaled = sum([items * size**power for size, items, _ in used])
    return Law(power, sum([seconds for _, _, seconds in used]) / scaled)


def _slope(points: Sequence[tuple[float, float]]) -> float:
    """Median slope of the lines through all pairs; 0 where no two differ."""
    slopes = [(d - b) / (c - a) for (a, b), (c, d) in combinations(points, 2) if a != c]
    return median(slopes) if slopes else 0.0


def median(values: list[float]) -> float:
    """The middle one, or the mean of the two (``statistics`` costs 10 ms to import)."""
    ordered, half = sorted(values), len(values) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def law_in(run: Observation) -> Law | None:
    """The law that a run found."""
    work = run.work
    return Law(work.size_power, work.size_seconds) if work.size_power > 0 else None


def for_sizes(runs: Sequence[Observation], sizes: Sizes) -> tuple[Observation, ...]:
    """Earlier runs as if they had had today's items: those that found a law say what the items left take
    by it, and what the first ones should have seemed to take. The others stay as they are."""
    if not sizes.left:
        return tuple(runs)
    return tuple(_for_sizes(run, sizes) for run in runs)


def _for_sizes(run: Observation, sizes: Sizes) -> Observation:
    law, work, profile = law_in(run), run.work, run.profile
    if law is None or work.item_seconds <= 0:
        return run
    slower = profile.item_seconds / work.item_seconds
    """Where threads were in one another's way the profile has what an item takes in a loop."""
    left = [law.seconds(size) for size in sizes.left]
    mean = sum(left) / len(left)
    seen = sum([law.seconds(size) for size in sizes.seen]) / max(1, len(sizes.seen))
    spread = (sum([(one - mean) ** 2 for one in left]) / len(left)) ** 0.5
    return replace(
        run,
        profile=replace(
            profile,
            item_seconds=slower * mean,
            item_spread=slower * spread,
            longest_seconds=slower * max(left),
        ),
        work=replace(
            work,
            item_seconds=mean,
            sample_items=max(2, len(sizes.seen)) if sizes.seen else 0,
            sample_seconds=seen,
        ),
    )
