"""``amorsize validate``: what pruning promises, measured."""

from __future__ import annotations

import sys

from amorsize.cli.exit_codes import INTERRUPTED, ITEM_FAILED, OK, USAGE, Stop, say
from amorsize.cli.messages import describe
from amorsize.cli.report_files import add_reports, compared, reading, write
from amorsize.cli.sigint import take_time

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

TEXT = """\
Measure what pruning promises, on seeded histories of known truth: memory, error, decisions, latency.

Ctrl-C ends it with the report of what was finished, and exit code 130. The exit code is 1 if anything
failed or could not be decided, or if it became worse (--compare).
"""
EPILOG = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the words that this command takes."""
    parser.add_argument("--quick", action="store_true", help="fewer seeds, no large histories")
    parser.add_argument("--only", default="", metavar="REGEX", help="scenarios whose name matches")
    parser.add_argument("--seed", type=int, default=0, help="of all data (default: 0)")
    parser.add_argument("--seeds", type=int, metavar="N", help="repetitions of each scenario")
    parser.add_argument(
        "--thresholds", metavar="FILE", help="JSON: {scenario: {error_most: 0.03, ...}}"
    )
    parser.add_argument(
        "--history", metavar="PLACE", help='your own history too: a path, a URL or "default"'
    )
    add_reports(parser)


def run(options: argparse.Namespace) -> int:
    """``amorsize validate``."""
    import re

    from amorsize.validation.runner import run_validation
    from amorsize.validation.scenarios import classic, further, with_thresholds

    before = reading(options.compare)
    scenarios = [*classic(), *further()]
    try:
        re.compile(options.only)
        if options.thresholds:
            with open(options.thresholds, encoding="utf-8") as file:
                scenarios = with_thresholds(scenarios, file.read())
    except (OSError, ValueError, re.error) as error:
        raise Stop(USAGE, describe(error)) from None
    if options.seeds is not None and options.seeds < 1:
        raise Stop(USAGE, f"--seeds {options.seeds}: at least 1")
    history = None
    if options.history is not None:
        from amorsize.history import HistoryError, open_history
        from amorsize.learning.learner import resolve

        place = resolve(options.history)
        if place is None:
            raise Stop(USAGE, "AMORSIZE_HISTORY=off: there is no history")
        try:
            history = open_history(place)
        except HistoryError as error:
            raise Stop(USAGE, str(error)) from None
    bar = None
    if sys.stderr.isatty():
        from tqdm import tqdm

        bar = tqdm(total=1, unit="run", leave=False, file=sys.stderr)

    def tell(done: int, total: int, what: str) -> None:
        if bar is not None:
            bar.total, bar.n = total, done
            bar.set_description(what)

    try:
        report = run_validation(
            scenarios,
            seed=options.seed,
            quick=options.quick,
            only=options.only,
            seeds=options.seeds,
            history=history,
            progress=tell,
        )
    except ValueError as error:
        raise Stop(USAGE, str(error)) from None
    finally:
        if bar is not None:
            bar.close()
        if history is not None:
            history.close()
    if not report.complete:
        take_time()
    write(report, options)
    worse = compared(before, report, options)
    if not report.complete:
        return say("interrupted", INTERRUPTED)
    return OK if report.passed and not worse else ITEM_FAILED
