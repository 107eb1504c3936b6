"""What a history holds, in tables: ``amorsize history show``, ``functions`` and ``learned``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from statistics import median
from time import localtime, strftime
from typing import Any

from amorsize import learning
from amorsize.cli.exit_codes import OK, USAGE, Stop, usage_errors
from amorsize.cli.function import load
from amorsize.cli.output import answer
from amorsize.core.observation import Observation, to_line
from amorsize.history.base import History
from amorsize.inspection.fingerprint import fingerprint
from amorsize.planning.explain import describe, format_seconds
from amorsize.reporting.accuracy_plot import as_svg, as_text

SHORT = 12
"""Characters of a fingerprint that are shown; as many or fewer name a function again."""
LIMIT = 20
"""Rows shown unless asked for more."""


def show(history: History, options: argparse.Namespace) -> int:
    """The newest runs, of one function if one is named."""
    if len(options.files) > 1:
        raise Stop(USAGE, "history show takes one FUNCTION")
    runs = list(history.read())
    if options.files:
        wanted = _fingerprint(history, options.files[0])
        runs = [run for run in runs if run.fingerprint.startswith(wanted)]
    runs = runs[::-1][: options.limit or LIMIT]
    if options.json:
        for run in runs:
            print(to_line(run))
        return OK
    rows = [
        {
            "when": when(run.time),
            "function": run.fingerprint[:SHORT],
            "ran in": describe(run.config),
            "items": f"{run.items:,}",
            "an item": _seconds(run.profile.item_seconds),
            "took": _seconds(run.wall_seconds),
            "model": _seconds(run.model_seconds or 0.0),
            "speedup": _times(run),
            "outcome": run.outcome + f", stands for {run.weight:.0f}" * (run.weight != 1),
        }
        for run in runs
    ]
    print(_table(rows) if rows else "no such runs")
    return OK


def functions(history: History, options: argparse.Namespace) -> int:
    """Each function: its runs, and where it ran best."""
    groups: dict[str, list[Observation]] = {}
    for run in history.read():
        groups.setdefault(run.fingerprint, []).append(run)
    ordered = sorted(groups.values(), key=lambda runs: -runs[-1].time)
    shown = ordered[: options.limit or LIMIT]
    found = [_summed(runs) for runs in shown]
    rows = [
        {
            "function": one["fingerprint"][:SHORT],
            "runs": f"{one['runs']:.0f}",
            "last run": when(one["newest"]),
            "an item": _seconds(one["item_seconds"]),
            "tried": str(one["configurations"]),
            "best": one["best"] or "-",
            "speedup": f"{one['speedup']:.1f}x" if one["speedup"] else "-",
        }
        for one in found
    ]
    left = len(ordered) - len(shown)
    more = f"\nand {left} more: --limit {len(ordered)}" if left else ""
    answer(options, found, (_table(rows) if rows else "no runs yet") + more)
    return OK


def learned(history: History, options: argparse.Namespace) -> int:
    """How good predictions have become."""
    from amorsize.learning.evaluation import judge, spans  # needs NumPy

    found = spans(judge(history.table(), learning.parameters_of(history)))
    if options.plot:
        with (
            usage_errors(OSError, name=options.plot),
            open(options.plot, "w", encoding="utf-8") as file,
        ):
            file.write(as_svg(found))
    drawn = f"\ndrawn in {options.plot}" if options.plot else ""
    answer(options, [vars(one) for one in found], as_text(found) + drawn)
    return OK


def _fingerprint(history: History, word: str) -> str:
    """What the word means: the beginning of a fingerprint, or MODULE:FUNCTION."""
    return fingerprint(load(word), history.key) if ":" in word else word.lower()


def _summed(runs: Sequence[Observation]) -> dict[str, Any]:
    shares: dict[str, list[float]] = {}
    for run in runs:
        loop = run.items * run.profile.item_seconds
        if run.outcome == "done" and run.wall_seconds > 0 and loop > 0:
            shares.setdefault(describe(run.config), []).append(run.wall_seconds / loop)
    best = min(shares, key=lambda name: median(shares[name]), default=None)
    return {
        "fingerprint": runs[0].fingerprint,
        "runs": sum(run.weight for run in runs),
        "newest": runs[-1].time,
        "item_seconds": runs[-1].profile.item_seconds,
        "configurations": len(shares),
        "best": best,
        "speedup": 1 / median(shares[best]) if best is not None else None,
    }


def _times(run: Observation) -> str:
    loop = run.items * run.profile.item_seconds
    return f"{loop / run.wall_seconds:.1f}x" if run.wall_seconds > 0 and loop > 0 else "-"


def _seconds(seconds: float) -> str:
    return format_seconds(seconds) if seconds > 0 else "-"


def when(time: float) -> str:
    """Seconds since 1970 as a local date and time."""
    return strftime("%Y-%m-%d %H:%M", localtime(time))


def _table(rows: Sequence[dict[str, str]]) -> str:
    """Rows under the names of their columns."""
    lines = [list(rows[0]), *(list(row.values()) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(word.ljust(width) for word, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )
