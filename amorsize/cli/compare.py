"""``amorsize compare``: one function, measured in every way worth a look."""

from __future__ import annotations

import os
import sys
import time

from amorsize.cli.exit_codes import ITEM_FAILED, OK, USAGE, Stop
from amorsize.cli.function import load
from amorsize.cli.items import add_items, read_items
from amorsize.cli.report_files import add_reports, compared, reading, write

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

TEXT = """\
Measure a function over items: the plain loop, amorsize, the configurations that an exhaustive search
would try, and the peers that are installed; in turns, each run in a process of its own.

Every item runs some dozen times: for functions without side effects only. The exit code is 1 if amorsize
chose clearly worse than the search or was slower than the loop, if that could not be decided, or if it
became worse (--compare). Needs fork: Linux or macOS.
"""
EPILOG = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the words that this command takes."""
    add_items(parser)
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="(default: 5)")
    parser.add_argument("--no-peers", action="store_true", help="without other libraries")
    add_reports(parser)


def run(options: argparse.Namespace) -> int:
    """``amorsize compare``."""
    from amorsize.validation.compare import compare
    from amorsize.validation.report import ValidationReport
    from amorsize.version import __version__

    if options.rounds < 1:
        raise Stop(USAGE, f"--rounds {options.rounds}: at least 1")
    before = reading(options.compare)
    function = load(options.target)
    items = list(read_items(options))
    if not items:
        raise Stop(USAGE, "no items: name some, or pass them on standard input")
    bar = None
    if sys.stderr.isatty():
        from tqdm import tqdm

        bar = tqdm(total=1, unit="run", leave=False, file=sys.stderr)

    def tell(done: int, total: int, what: str) -> None:
        if bar is not None:
            bar.total, bar.n = total, done
            bar.set_description(what)

    began = time.perf_counter()
    try:
        decision = compare(
            function,
            items,
            name=options.target,
            rounds=options.rounds,
            with_peers=not options.no_peers,
            progress=tell,
        )
    except RuntimeError as error:
        raise Stop(ITEM_FAILED, str(error)) from None
    finally:
        if bar is not None:
            bar.close()
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
    return OK if report.passed and not worse else 1
