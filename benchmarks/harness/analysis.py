"""From recorded seconds to ratios and limits. Pure: numbers in, numbers out.

Ratios are taken within a round and their median over the rounds is reported, for only measurements
close in time can be compared on a shared host.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median

from benchmarks.harness.contenders import GRID_NAME, KNOWN, PEERS
from benchmarks.harness.measure import Record

TINY_SECONDS = 0.020
"""A workload whose loop is shorter is tiny: no pool can win, only the overhead counts."""
BREACHES = {"amorsize": (0.03, 0.0005), KNOWN: (0.02, 0.00005)}
"""G2: a first call and a known plan may exceed the loop by the larger of this share and these seconds."""
ERROR_RATE = 0.05
"""Of the one-sided limits."""
SLOWER_FACTOR = 1.05
"""Beyond this a contender is counted as slower than the loop."""


def geometric_mean(values: Iterable[float]) -> float:
    logs = [math.log(value) for value in values]
    return math.exp(sum(logs) / len(logs)) if logs else math.nan


@dataclass(frozen=True)
class Limits:
    """One-sided limits of a paired difference, each at 95 %; infinite if there are too few pairs."""

    estimate: float
    lower: float
    upper: float


def signed_rank_limits(differences: Sequence[float]) -> Limits:
    """Hodges-Lehmann estimate and the limits that invert Wilcoxon's exact signed-rank test.

    Distribution-free but for symmetry, and deaf to a single outlier. Five pairs are the fewest for 95 %.
    """
    count = len(differences)
    walsh = sorted(
        (differences[i] + differences[j]) / 2 for i in range(count) for j in range(i, count)
    )
    ways = [1]  # in how many of the 2**count sign patterns the positive ranks sum to the index
    for rank in range(1, count + 1):
        longer = ways + [0] * rank
        for total, number in enumerate(ways):
            longer[total + rank] += number
        ways = longer
    below, cut = 0, -1
    while below + ways[cut + 1] <= ERROR_RATE * 2**count:
        cut += 1
        below += ways[cut]
    if cut < 0:
        return Limits(median(walsh), -math.inf, math.inf)
    return Limits(median(walsh), walsh[cut], walsh[-1 - cut])


@dataclass(frozen=True)
class Excess:
    """By how many seconds amorsize is slower than the loop, and how sure that is."""

    name: str
    kind: str
    held_out: bool
    pairs: int
    loop_seconds: float
    bound_seconds: float
    limits: Limits

    @property
    def verdict(self) -> str:
        """``breach``: proven beyond the bound; ``holds``: proven within; ``open``: neither."""
        if self.limits.lower > self.bound_seconds:
            return "breach"
        return "holds" if self.limits.upper <= self.bound_seconds else "open"


def excess(record: Record, contender: str = "amorsize") -> Excess | None:
    """The paired comparison with the loop over the rounds during which the host kept its speed."""
    runs = record.seconds.get(contender)
    if runs is None:
        return None
    pairs = [
        (loop, own)
        for i in record.like_rounds()
        if (loop := record.seconds["loop"][i]) is not None and (own := runs[i]) is not None
    ]
    if not pairs:
        return None
    loop_seconds = median(loop for loop, _ in pairs)
    share, seconds = BREACHES[contender]
    return Excess(
        record.name,
        record.kind,
        record.held_out,
        len(pairs),
        loop_seconds,
        max(share * loop_seconds, seconds),
        signed_rank_limits([own - loop for loop, own in pairs]),
    )


def chosen_oracle(record: Record) -> list[tuple[int, str]]:
    """For each like round the configuration that was best in the other half of the rounds.

    The halves interleave; with a single round that round decides for itself.
    """
    rounds = record.like_rounds()
    grid = [name for name in record.seconds if name == "loop" or GRID_NAME.fullmatch(name)]
    chosen: list[tuple[int, str]] = []
    for half, other in ((rounds[0::2], rounds[1::2] or rounds), (rounds[1::2], rounds[0::2])):
        medians = {name: _median_seconds(record, name, other) for name in grid}
        best = min(medians, key=medians.__getitem__)
        chosen += [(i, best) for i in half]
    return sorted(chosen)


def _median_seconds(record: Record, name: str, rounds: Sequence[int]) -> float:
    found = [value for i in rounds if (value := record.seconds[name][i]) is not None]
    return median(found) if len(found) == len(rounds) else math.inf


@dataclass(frozen=True)
class Row:
    """One workload's medians (seconds) and medians of paired ratios."""

    name: str
    kind: str
    held_out: bool
    loop_seconds: float
    amorsize_seconds: float
    oracle_seconds: float
    oracle: str
    to_oracle: float
    to_loop: float
    known_seconds: float = math.nan
    known_to_oracle: float = math.nan
    """Of a plan that amorsize knew."""
    peers: dict[str, float] = field(default_factory=dict)
    """Peer's time over that of amorsize; a peer that failed is missing."""
    peers_to_loop: dict[str, float] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)

    @property
    def tiny(self) -> bool:
        return self.loop_seconds < TINY_SECONDS


def _paired(record: Record, above: str, below: str) -> float | None:
    ratios = [
        one / two
        for i in record.like_rounds()
        if (one := record.seconds[above][i]) is not None
        and (two := record.seconds[below][i]) is not None
    ]
    return median(ratios) if ratios else None


def row(record: Record) -> Row | None:
    """None if amorsize itself failed; the record's problems say why."""
    to_loop = _paired(record, "amorsize", "loop")
    if to_loop is None:
        return None
    oracle = chosen_oracle(record)
    oracle_runs = [
        (i, value) for i, name in oracle if (value := record.seconds[name][i]) is not None
    ]
    own = record.seconds["amorsize"]
    names = [name for _, name in oracle]
    peers = [name for name in PEERS if name in record.seconds]
    ratios = {name: _paired(record, name, "amorsize") for name in peers}
    loop_ratios = {name: _paired(record, name, "loop") for name in peers}
    rounds = record.like_rounds()
    known = record.seconds.get(KNOWN, [None] * len(own))
    known_ratios = [mine / value for i, value in oracle_runs if (mine := known[i]) is not None]
    return Row(
        record.name,
        record.kind,
        record.held_out,
        _median_seconds(record, "loop", rounds),
        _median_seconds(record, "amorsize", rounds),
        median(value for _, value in oracle_runs),
        max(set(names), key=names.count),
        median(mine / value for i, value in oracle_runs if (mine := own[i]) is not None),
        to_loop,
        _median_seconds(record, KNOWN, rounds) if known_ratios else math.nan,
        median(known_ratios) if known_ratios else math.nan,
        {name: ratio for name, ratio in ratios.items() if ratio is not None},
        {name: ratio for name, ratio in loop_ratios.items() if ratio is not None},
        record.problems,
    )


@dataclass(frozen=True)
class Summary:
    """Ratios of a set of rows; below 1 amorsize is faster."""

    count: int
    to_oracle: float
    worst_to_oracle: float
    to_loop: float
    known_to_oracle: float
    worst_known: float
    slower_than_loop: int
    peers: dict[str, float]
    peers_slower_than_loop: dict[str, int]
    peers_counted: dict[str, int]


def summarise(rows: Sequence[Row]) -> Summary:
    peers = [name for name in PEERS if any(name in row.peers for row in rows)]
    known = [row.known_to_oracle for row in rows if math.isfinite(row.known_to_oracle)]
    return Summary(
        len(rows),
        geometric_mean(row.to_oracle for row in rows),
        max((row.to_oracle for row in rows), default=math.nan),
        geometric_mean(row.to_loop for row in rows),
        geometric_mean(known),
        max(known, default=math.nan),
        sum(row.to_loop > SLOWER_FACTOR for row in rows),
        {
            name: geometric_mean(row.peers[name] for row in rows if name in row.peers)
            for name in peers
        },
        {
            name: sum(row.peers_to_loop.get(name, 0) > SLOWER_FACTOR for row in rows)
            for name in peers
        },
        {name: sum(name in row.peers for row in rows) for name in peers},
    )
