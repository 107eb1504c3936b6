"""``amorsize validate``: what pruning and forecasts promise, measured."""

from __future__ import annotations

import argparse
import re
from contextlib import AbstractContextManager, nullcontext

from amorsize import validation
from amorsize.cli.exit_codes import INTERRUPTED, ITEM_FAILED, OK, USAGE, Stop, say, usage_errors
from amorsize.cli.messages import describe
from amorsize.cli.progress_bar import ProgressBar
from amorsize.cli.report_files import add_reports, compared, reading, write
from amorsize.cli.sigint import take_time
from amorsize.history import History, HistoryError, open_history
from amorsize.learning.learner import resolve

TEXT = """\
Measure what pruning promises, on seeded histories of known truth: memory, error, decisions, latency.
And what forecasts promise, on seeded runs and those of --history: how often ranges held, and by how
much the seconds were wrong.

Ctrl-C ends it with the report of what was finished, and exit code 130. The exit code is 1 if anything
failed or could not be decided, or if it became worse (--compare).
"""
EPILOG = ""
ENDINGS = {
    OK: "every promise was kept",
    ITEM_FAILED: "a promise was not kept, or that is not decidable, or it became worse (--compare)",
    INTERRUPTED: "interrupted (Ctrl-C); the report has what was finished",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the words that this command takes."""
    add = parser.add_argument
    add("--quick", action="store_true", help="fewer seeds, no large histories")
    add("--only", default="", metavar="REGEX", help="scenarios whose name matches")
    add("--seed", type=int, default=0, help="of all data (default: 0)")
    add("--seeds", type=int, metavar="N", help="repetitions of each scenario")
    add("--thresholds", metavar="FILE", help="JSON: {scenario: {error_most: 0.03, ...}}")
    add("--history", metavar="PLACE", help='your own history too: a path, a URL or "default"')
    add_reports(parser)


def run(options: argparse.Namespace) -> int:
    """``amorsize validate``."""
    before = reading(options.compare)
    if options.seeds is not None and options.seeds < 1:
        raise Stop(USAGE, f"--seeds {options.seeds}: at least 1")
    chosen = _scenarios(options)
    with _history(options.history) as history, ProgressBar("run") as bar, usage_errors(ValueError):
        report = validation.run_validation(
            chosen,
            seed=options.seed,
            quick=options.quick,
            only=options.only,
            seeds=options.seeds,
            history=history,
            progress=bar,
            forecasts=True,
        )
    if not report.complete:
        take_time()
    write(report, options)
    worse = compared(before, report, options)
    if not report.complete:
        return say("interrupted", INTERRUPTED)
    return OK if report.passed and not worse else ITEM_FAILED


def _scenarios(options: argparse.Namespace) -> list[validation.Scenario]:
    """All scenarios, with the bounds of ``--thresholds``; ``--only`` must be a regular expression."""
    from amorsize.validation import scenarios  # needs NumPy, which --help and completion do not

    found = [*scenarios.classic(), *scenarios.further()]
    try:
        re.compile(options.only)
        if options.thresholds:
            with open(options.thresholds, encoding="utf-8") as file:
                found = scenarios.with_thresholds(found, file.read())
    except (OSError, ValueError, re.error) as error:
        raise Stop(USAGE, describe(error)) from None
    return found


def _history(place: str | None) -> AbstractContextManager[History | None]:
    """The history that ``--history`` names, open; None without it."""
    if place is None:
        return nullcontext()
    location = resolve(place)
    if location is None:
        raise Stop(USAGE, "AMORSIZE_HISTORY=off: there is no history")
    with usage_errors(HistoryError):
        return open_history(location)
