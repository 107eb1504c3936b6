"""``amorsize compare``: one function, measured in every way worth a look."""

from __future__ import annotations

import argparse
import os
import sys
import time

from amorsize.cli.exit_codes import ITEM_FAILED, NO_FUNCTION, NO_FUNCTION_TEXT, OK, USAGE, Stop
from amorsize.cli.function import load
from amorsize.cli.items import read_items
from amorsize.cli.progress_bar import ProgressBar
from amorsize.cli.report_files import add_reports, compared, reading, write
from amorsize.validation.compare import compare
from amorsize.validation.report import ValidationReport
from amorsize.version import __version__

TEXT = """\
Measure a function over items: the plain loop, amorsize, the configurations that an exhaustive search
would try, and the peers that are installed; in turns, each run in a process of its own.

Every item runs some dozen times: for functions without side effects only. The exit code is 1 if amorsize
chose clearly worse than the search or was slower than the loop, if that could not be decided, or if it
became worse (--compare). Needs fork: Linux or macOS.
"""
EPILOG = ""
ENDINGS = {
    OK: "amorsize chose well, and was not slower than the loop",
    ITEM_FAILED: "it chose clearly worse, this is not decidable, it became worse, or an item failed",
    NO_FUNCTION: NO_FUNCTION_TEXT,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the words that this command takes."""
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="(default: 5)")
    parser.add_argument("--no-peers", action="store_true", help="without other libraries")
    add_reports(parser)


def run(options: argparse.Namespace) -> int:
    """``amorsize compare``."""
    if options.rounds < 1:
        raise Stop(USAGE, f"--rounds {options.rounds}: at least 1")
    before = reading(options.compare)
    function = load(options.target)
    items = list(read_items(options))
    if not items:
        raise Stop(USAGE, "no items: name some, or pass them on standard input")
    began = time.perf_counter()
    try:
        with ProgressBar("run") as bar:
            decision = compare(
                function,
                items,
                name=options.target,
                rounds=options.rounds,
                with_peers=not options.no_peers,
                progress=bar,
            )
    except RuntimeError as error:
        raise Stop(ITEM_FAILED, str(error)) from None
    report = ValidationReport(
        version=__version__,
        python=sys.version.split()[0],
        platform=sys.platform,
        cores=os.cpu_count() or 1,
        seed=0,
        seconds=time.perf_counter() - began,
        complete=True,
        outcomes=(),
        decisions=(decision,),
    )
    write(report, options)
    worse = compared(before, report, options)
    return OK if report.passed and not worse else ITEM_FAILED
