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
from amorsize.reporting.figures import FiguresMissing

SHORT = 12
"""Characters of a fingerprint that are shown; as many or fewer name a function again."""
LIMIT = 20
"""Rows shown unless asked for more."""


NO_RUNS = "short runs of new processes leave none"
"""Why there may be none: reading the modules of a record must not cost a run more than 3 %."""
RATIO = (
    "speedup: seconds of all items, as a rule without waits for a core, by seconds of the run.\n"
    "Beside other work it may be below 1x although a loop would have been slower still."
)
"""What the column is a ratio of."""


def show(history: History, options: argparse.Namespace) -> int:
    """The newest runs, of one function if one is named."""
    if len(options.files) > 1:
        raise Stop(USAGE, "history show takes one FUNCTION")
    runs = list(history.read())
    if options.files:
        word = options.files[0]
        named = [run for run in runs if run.name == word]
        wanted = "" if named else _fingerprint(history, word)
        runs = named or [run for run in runs if run.fingerprint.startswith(wanted)]
    runs = runs[::-1][: options.limit or LIMIT]
    if options.json:
        for run in runs:
            print(to_line(run, names=True))
        return OK
    rows = [
        {
            "when": when(run.time),
            "function": _called(run),
            "ran in": describe(run.config),
            "items": f"{run.work.items or run.items:,}",
            "an item": _seconds(run.profile.item_seconds),
            "took": _seconds(run.work.run_seconds or run.wall_seconds),
            "speedup": _times(speedup(run)),
            "forecast": _seconds(run.forecast.seconds),
            "was off by": _off(run),
            "outcome": run.outcome + f", stands for {run.weight:.0f}" * (run.weight != 1),
        }
        for run in runs
    ]
    print(f"{_table(rows)}\n{RATIO}" if rows else "no such runs")
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
            "function": one["name"] or one["fingerprint"][:SHORT],
            "runs": f"{one['runs']:.0f}",
            "last run": when(one["newest"]),
            "an item": _seconds(one["item_seconds"]),
            "tried": str(one["configurations"]),
            "best": one["best"] or "-",
            "speedup": _times(one["speedup"]),
            "ranges held": f"{one['held']} of {one['forecasts']}" if one["forecasts"] else "-",
        }
        for one in found
    ]
    left = len(ordered) - len(shown)
    more = f"\nand {left} more: --limit {len(ordered)}" if left else ""
    text = f"{_table(rows)}{more}\n{RATIO}" if rows else f"no runs yet; {NO_RUNS}"
    answer(options, found, text)
    return OK


def learned(history: History, options: argparse.Namespace) -> int:
    """How good predictions have become."""
    from amorsize.learning.evaluation import judge, spans  # needs NumPy

    found = spans(judge(history.table(), learning.parameters_of(history)))
    if options.plot:
        with usage_errors(FiguresMissing, name="--plot"):
            picture = as_svg(found)
        with (
            usage_errors(OSError, name=options.plot),
            open(options.plot, "w", encoding="utf-8") as file,
        ):
            file.write(picture)
    drawn = f"\ndrawn in {options.plot}" if options.plot else ""
    ranges = ranges_text(list(history.read()))
    text = "\n".join(part for part in (ranges, as_text(found)) if part)
    answer(options, [vars(one) for one in found], text + drawn)
    return OK


def _fingerprint(history: History, word: str) -> str:
    """What the word means: the beginning of a fingerprint, or MODULE:FUNCTION."""
    return fingerprint(load(word), history.key, held=False) if ":" in word else word.lower()


def _summed(runs: Sequence[Observation]) -> dict[str, Any]:
    gains: dict[str, list[float]] = {}
    for run in runs:
        gain = speedup(run)
        if run.outcome == "done" and gain is not None:
            gains.setdefault(describe(run.config), []).append(gain)
    best = max(gains, key=lambda name: median(gains[name]), default=None)
    said = [run for run in runs if run.forecast.real_seconds > 0]
    return {
        "fingerprint": runs[0].fingerprint,
        "name": runs[-1].name,
        "runs": sum(run.weight for run in runs),
        "newest": runs[-1].time,
        "item_seconds": runs[-1].profile.item_seconds,
        "configurations": len(gains),
        "best": best,
        "speedup": median(gains[best]) if best is not None else None,
        "forecasts": len(said),
        "held": sum(map(has_held, said)),
    }


def speedup(run: Observation) -> float | None:
    """What a loop over the items would have taken, by what they did take, over the seconds of the run.
    None for a record of schema 1: nothing in it says what the items took."""
    if not run.is_measured or run.work.run_seconds <= 0:
        return None
    loop = run.work.items * run.profile.item_seconds + run.work.caller_warmup_seconds
    return loop / run.work.run_seconds


def has_held(run: Observation) -> bool:
    """Whether the seconds of a run fell into the range that it had stated."""
    said = run.forecast
    return said.low_seconds <= said.real_seconds <= said.high_seconds


def _called(run: Observation) -> str:
    return run.name or run.fingerprint[:SHORT]


def _times(gain: float | None) -> str:
    return "-" if gain is None else f"{gain:.1f}x"


def _off(run: Observation) -> str:
    """By how much the forecast was wrong, and whether its range held."""
    said = run.forecast
    if said.seconds <= 0 or said.real_seconds <= 0:
        return "-"
    off = said.real_seconds / said.seconds - 1
    return f"{off:+.0%}" + ("" if has_held(run) else ", beyond its range")


def ranges_text(runs: Sequence[Observation]) -> str:
    """How often the stated 80 % ranges held, a line for each kind of evidence."""
    lines = []
    for what, known in (("first calls", False), ("known functions", True)):
        said = [
            run
            for run in runs
            if run.outcome == "done"
            and run.forecast.real_seconds > 0
            and (run.forecast.runs > 0) == known
        ]
        if said:
            held = sum(map(has_held, said))
            lines.append(
                f"ranges of {what} that held: {held} of {len(said)} ({held / len(said):.0%}, meant: 80%)"
            )
    return "\n".join(lines)


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
