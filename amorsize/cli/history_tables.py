"""What a history holds, in tables: ``amorsize history show``, ``functions`` and ``learned``."""

from __future__ import annotations

from amorsize.cli.exit_codes import OK, USAGE, Stop

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from typing import Any

    from amorsize.core.observation import Observation
    from amorsize.history.base import History

SHORT = 12
"""Signs of a fingerprint that are shown; as many or fewer name a function again."""
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
        from amorsize.core.observation import to_line

        for run in runs:
            print(to_line(run))
        return OK
    rows = [
        (
            _when(run.time),
            run.fingerprint[:SHORT],
            _config(run),
            f"{run.items:,}",
            _seconds(run.profile.item_seconds),
            _seconds(run.wall_seconds),
            _seconds(run.model_seconds) if run.model_seconds else "-",
            _times(run),
            run.outcome if run.weight == 1 else f"{run.outcome}, stands for {run.weight:.0f}",
        )
        for run in runs
    ]
    heads = (
        "when",
        "function",
        "ran in",
        "items",
        "an item",
        "took",
        "model",
        "speedup",
        "outcome",
    )
    print(_table(heads, rows) if rows else "no such runs")
    return OK


def functions(history: History, options: argparse.Namespace) -> int:
    """Each function: its runs, and where it ran best."""
    groups: dict[str, list[Observation]] = {}
    for run in history.read():
        groups.setdefault(run.fingerprint, []).append(run)
    ordered = sorted(groups.values(), key=lambda runs: -runs[-1].time)
    shown = ordered[: options.limit or LIMIT]
    found = [_summed(runs) for runs in shown]
    if options.json:
        from json import dumps

        print(dumps(found, indent=2))
        return OK
    rows = [
        (
            one["fingerprint"][:SHORT],
            f"{one['runs']:.0f}",
            _when(one["newest"]),
            _seconds(one["item_seconds"]),
            str(one["configurations"]),
            one["best"] or "-",
            f"{one['speedup']:.1f}x" if one["speedup"] else "-",
        )
        for one in found
    ]
    heads = ("function", "runs", "last run", "an item", "tried", "best", "speedup")
    print(_table(heads, rows) if rows else "no runs yet")
    if len(ordered) > len(shown):
        print(f"and {len(ordered) - len(shown)} more: --limit {len(ordered)}")
    return OK


def learned(history: History, options: argparse.Namespace) -> int:
    """How good predictions have become."""
    from amorsize.learning.evaluation import judge, spans
    from amorsize.learning.parameters import parameters_of
    from amorsize.reporting.accuracy_plot import as_svg, as_text

    found = spans(judge(history.table(), parameters_of(history)))
    if options.plot:
        try:
            with open(options.plot, "w", encoding="utf-8") as file:
                file.write(as_svg(found))
        except OSError as error:
            raise Stop(USAGE, f"{options.plot}: {error.strerror}") from None
    if options.json:
        from json import dumps

        print(dumps([vars(one) for one in found], indent=2))
    else:
        print(as_text(found))
        if options.plot:
            print(f"drawn in {options.plot}")
    return OK


def _fingerprint(history: History, word: str) -> str:
    """What the word means: the beginning of a fingerprint, or MODULE:FUNCTION."""
    if ":" not in word:
        return word.lower()
    from amorsize.cli.function import load
    from amorsize.inspection.fingerprint import fingerprint

    return fingerprint(load(word), history.key)


def _summed(runs: Sequence[Observation]) -> dict[str, Any]:
    from statistics import median

    shares: dict[str, list[float]] = {}
    for run in runs:
        loop = run.items * run.profile.item_seconds
        if run.outcome == "done" and run.wall_seconds > 0 and loop > 0:
            shares.setdefault(_config(run), []).append(run.wall_seconds / loop)
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


def _config(run: Observation) -> str:
    from amorsize.planning.explain import describe

    return describe(run.config)


def _times(run: Observation) -> str:
    loop = run.items * run.profile.item_seconds
    return f"{loop / run.wall_seconds:.1f}x" if run.wall_seconds > 0 and loop > 0 else "-"


def _seconds(seconds: float) -> str:
    from amorsize.planning.explain import format_seconds

    return format_seconds(seconds) if seconds > 0 else "-"


def _when(time: float) -> str:
    from time import localtime, strftime

    return strftime("%Y-%m-%d %H:%M", localtime(time))


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[i]) for row in (heads, *rows)) for i in range(len(heads))]
    return "\n".join(
        "  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip()
        for row in (heads, *rows)
    )
