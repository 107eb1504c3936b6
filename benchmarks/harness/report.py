"""Results as Markdown tables."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from statistics import median

from benchmarks.harness.analysis import (
    SLOWER_FACTOR,
    TINY_SECONDS,
    Excess,
    Row,
    Summary,
    excess,
    geometric_mean,
    row,
    summarise,
)
from benchmarks.harness.contenders import KNOWN, PEERS
from benchmarks.harness.results import Fact, Results
from benchmarks.workloads.catalog import KINDS

G3_MEAN, G3_WORST, PEERS_LEAST = 1.00, 1.20, 1.7
"""What the project promises of a first call: geometric mean and worst ratio to the oracle over the
non-tiny workloads, and the least geometric mean of each peer's time over that of amorsize."""
KNOWN_MEAN, KNOWN_WORST = 0.95, 1.10
"""What the project promises of a known plan: geometric mean and worst ratio to the oracle."""
CALLS = {"amorsize": "first call", KNOWN: "known plan"}


def table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A Markdown table; every column but the first is aligned to the right."""
    rows = ["| " + " | ".join(cells) + " |" for cells in (head, *lines)]
    rows.insert(1, "| --- |" + " ---: |" * (len(head) - 1))
    return "\n".join(rows) + "\n"


def milliseconds(seconds: float) -> str:
    value = seconds * 1e3
    if not math.isfinite(value):
        return "-"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def ratio(value: float | None) -> str:
    if value is None or not math.isfinite(value):
        return "-"
    return f"{value:.2f}" if value < 100 else f"{value:.0f}"


def promises(rows: Sequence[Row], pairs: dict[str, list[Excess]]) -> str:
    """The promises of G2 and G3 with what was measured."""
    large = [row for row in rows if not row.tiny]
    lines: list[tuple[str, str, str, str]] = []
    for contender, compared in pairs.items():
        if not compared:
            continue
        counts = [
            sum(one.verdict == verdict for one in compared)
            for verdict in ("breach", "open", "holds")
        ]
        found = "{} proven breaches, {} undecided, {} proven within".format(*counts)
        what = f"G2 never slower than the loop, {CALLS[contender]}"
        lines.append((what, "0 breaches", found, _met(counts[0] == 0)))
    if large:
        whole = summarise(large)
        lines += _to_oracle(
            "first call", [one.to_oracle for one in large], whole.to_oracle, G3_MEAN, G3_WORST
        )
        if math.isfinite(whole.known_to_oracle):
            known = [one.known_to_oracle for one in large]
            lines += _to_oracle("known plan", known, whole.known_to_oracle, KNOWN_MEAN, KNOWN_WORST)
        lines += [
            (
                f"{name} / amorsize",
                f"at least {PEERS_LEAST}",
                ratio(value),
                _met(value >= PEERS_LEAST),
            )
            for name, value in whole.peers.items()
        ]
    return table(("Promise", "Bound", "Measured", "Met"), lines)


def _to_oracle(
    what: str, ratios: Sequence[float], mean: float, most_mean: float, most: float
) -> list[tuple[str, str, str, str]]:
    worst, beyond = max(ratios), sum(one > most for one in ratios)
    return [
        (
            f"G3 geometric mean to the oracle, {what}",
            f"at most {most_mean:.2f}",
            ratio(mean),
            _met(mean <= most_mean),
        ),
        (
            f"G3 worst to the oracle, {what}",
            f"at most {most:.2f}",
            f"{ratio(worst)} ({beyond} beyond)",
            _met(worst <= most),
        ),
    ]


def _met(holds: bool) -> str:
    return "yes" if holds else "**no**"


def by_kind(rows: Sequence[Row]) -> str:
    """Geometric means for each kind; the last lines are the non-tiny and the tiny ones together."""
    groups = [(kind, [row for row in rows if row.kind == kind]) for kind in KINDS]
    groups.append(("**not tiny**", [row for row in rows if not row.tiny]))
    groups.append(("**tiny**", [row for row in rows if row.tiny]))
    groups.append(
        ("**held out**, not tiny", [row for row in rows if row.held_out and not row.tiny])
    )
    return table(
        ("Kind", "n", "/ oracle", "worst", "known / oracle", "worst", "/ loop", *PEERS),
        [_kind_line(name, summarise(group)) for name, group in groups if group],
    )


def _kind_line(name: str, found: Summary) -> tuple[str, ...]:
    return (
        name,
        str(found.count),
        ratio(found.to_oracle),
        ratio(found.worst_to_oracle),
        ratio(found.known_to_oracle),
        ratio(found.worst_known),
        ratio(found.to_loop),
        *(ratio(found.peers.get(peer)) for peer in PEERS),
    )


def by_workload(rows: Sequence[Row]) -> str:
    return table(
        (
            "Workload",
            "loop ms",
            "oracle ms",
            "oracle",
            "amorsize ms",
            "/ oracle",
            "known ms",
            "known / oracle",
            "/ loop",
            *PEERS,
        ),
        [
            (
                one.name + (" °" if one.held_out else "") + (" (tiny)" if one.tiny else ""),
                milliseconds(one.loop_seconds),
                milliseconds(one.oracle_seconds),
                one.oracle,
                milliseconds(one.amorsize_seconds),
                ratio(one.to_oracle),
                milliseconds(one.known_seconds),
                ratio(one.known_to_oracle),
                ratio(one.to_loop),
                *(_peer_cell(one, peer) for peer in PEERS),
            )
            for one in rows
        ],
    )


def _peer_cell(one: Row, peer: str) -> str:
    problem = one.problems.get(peer, "")
    if peer not in one.peers:
        return "fails" if problem else "-"
    return (">" if problem.startswith("over") else "") + ratio(one.peers[peer])


def slower(rows: Sequence[Row]) -> str:
    """Who is slower than the plain loop, how often."""
    whole = summarise(rows)
    lines = [("amorsize", str(whole.slower_than_loop), str(whole.count))]
    lines += [
        (name, str(whole.peers_slower_than_loop[name]), str(whole.peers_counted[name]))
        for name in whole.peers
    ]
    return table(
        (f"Slower than the loop by over {SLOWER_FACTOR - 1:.0%}", "workloads", "of"), lines
    )


def excess_table(pairs: Sequence[Excess]) -> str:
    return table(
        ("Workload", "pairs", "loop ms", "bound ms", "excess ms", "lower", "upper", "verdict"),
        [
            (
                one.name + (" °" if one.held_out else ""),
                str(one.pairs),
                *(milliseconds(value) for value in (one.loop_seconds, one.bound_seconds)),
                *(
                    milliseconds(value)
                    for value in (one.limits.estimate, one.limits.lower, one.limits.upper)
                ),
                "**breach**" if one.verdict == "breach" else one.verdict,
            )
            for one in pairs
        ],
    )


def special_table(facts: Sequence[Fact]) -> str:
    return table(
        ("Figure", "line", "measured", "bound", "met", "note"),
        [
            (
                fact.what,
                str(fact.line),
                f"{fact.value:.4g} {fact.unit}".strip(),
                f"{'at most' if fact.at_most else 'at least'} {fact.bound:g} {fact.unit}".strip(),
                _met(fact.holds),
                fact.note,
            )
            for fact in facts
        ],
    )


def conditions(results: Results) -> str:
    """Under which the figures hold: versions, and how the host's speed moved meanwhile."""
    versions = ", ".join(f"{name} {value}" for name, value in results.environment.items())
    text = f"Measured with {versions}. Mode: {results.mode or 'parts only'}.\n"
    speeds = [speed for record in (*results.rounds, *results.pairs) for speed in record.speeds]
    if speeds:
        seconds = [speed.one_core_seconds for speed in speeds]
        scaling = [speed.scaling for speed in speeds]
        records = (*results.rounds, *results.pairs)
        rounds = sum(len(record.speeds) - 1 for record in records)
        like = sum(len(record.like_rounds()) for record in records)
        text += (
            f"\nThe host: a fixed piece of Python took {milliseconds(min(seconds))} to "
            f"{milliseconds(max(seconds))} ms (median {milliseconds(median(seconds))}); two pinned "
            f"cores gave {min(scaling):.2f} to {max(scaling):.2f} times one (median "
            f"{median(scaling):.2f}). {rounds - like} of {rounds} rounds were set aside because it "
            f"changed meanwhile.\n"
        )
    return text


def problems(results: Results) -> str:
    lines = [
        (f"{record.name}: {contender}", what.replace("|", "/"))
        for record in (*results.rounds, *results.pairs)
        for contender, what in record.problems.items()
    ]
    return table(("Workload: contender", "What happened"), lines) if lines else "None.\n"


def markdown(results: Results) -> str:
    rows = [found for record in results.rounds if (found := row(record)) is not None]
    pairs = {
        contender: [
            more for record in results.pairs if (more := excess(record, contender)) is not None
        ]
        for contender in CALLS
    }
    large = [one for one in rows if not one.tiny]
    parts = ["# Benchmark results\n", conditions(results), "## Promises\n", promises(rows, pairs)]
    if rows:
        middle = geometric_mean(one.to_loop for one in large) if large else math.nan
        parts += [
            f"Not tiny: a loop of at least {TINY_SECONDS * 1e3:.0f} ms. `/ oracle` and `/ loop`: "
            f"time of amorsize over theirs, lower is better (over the loop {ratio(middle)}). "
            "Under a peer's name: its time over that of amorsize, higher is better for amorsize; "
            "`>`: stopped at its time limit, counted with it. °: held out during development. Known: "
            "amorsize has run the workload before, in processes that have ended.\n",
            "## By kind\n",
            by_kind(rows),
            slower(large),
            "## By workload\n",
            by_workload(rows),
            "![Times over the oracle's](times.png)\n",
        ]
    for contender, compared in pairs.items():
        if compared:
            parts += [
                f"## Against the loop, pair by pair: {CALLS[contender]}\n",
                excess_table(compared),
            ]
    if results.special:
        parts += ["## Particular lines\n", special_table(results.special)]
    parts += ["## Failures and limits\n", problems(results)]
    return "\n".join(parts)
