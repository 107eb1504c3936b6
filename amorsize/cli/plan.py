"""``amorsize plan``: the decision and its reasons."""

from __future__ import annotations

import argparse

from amorsize import optimize
from amorsize.cli.exit_codes import ITEM_FAILED, NO_FUNCTION, NO_FUNCTION_TEXT, OK, Stop
from amorsize.cli.function import load
from amorsize.cli.items import read_items
from amorsize.cli.messages import describe, index_of, stop_for
from amorsize.cli.output import answer
from amorsize.cli.run_options import add_engine, engine_options

TEXT = """\
Measure the first items, decide how to run the rest, and print the decision with its reasons.

The items used for measuring really run (a few, for some milliseconds), with all their side effects.
`amorsize run --dry-run` runs nothing, and knows less.
"""
EPILOG = ""
ENDINGS = {
    OK: "there is a plan",
    ITEM_FAILED: "an item failed while the first ones were measured",
    NO_FUNCTION: NO_FUNCTION_TEXT,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the words that this command takes."""
    add_engine(parser)
    parser.add_argument("--json", action="store_true", help="print the plan as JSON")


def run(options: argparse.Namespace) -> int:
    """``amorsize plan``."""
    function = load(options.target)
    items = read_items(options)
    try:
        plan = optimize(function, items, **engine_options(options))
    except (Stop, KeyboardInterrupt):
        raise
    except BaseException as error:
        index = index_of(error)
        if index is not None:
            raise Stop(ITEM_FAILED, f"item {index}: {describe(error)}") from None
        raise stop_for(error) from None
    answer(options, plan.to_dict(), plan)
    return OK
