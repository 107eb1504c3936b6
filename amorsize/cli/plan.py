"""``amorsize plan``: the decision and its reasons."""

from __future__ import annotations

from amorsize.cli.exit_codes import ITEM_FAILED, OK, USAGE, Stop
from amorsize.cli.function import load
from amorsize.cli.items import add_items, read_items
from amorsize.cli.messages import describe, index_of, origin
from amorsize.cli.run_options import add_engine, engine_options

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

TEXT = """\
Measure the first items, decide how to run the rest, and print the decision with its reasons.

The items used for measuring really run (a few, for some milliseconds), with all their side effects.
`amorsize run --dry-run` runs nothing, and knows less.
"""
EPILOG = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the words that this command takes."""
    add_items(parser)
    add_engine(parser)
    parser.add_argument("--json", action="store_true", help="print the plan as JSON")


def run(options: argparse.Namespace) -> int:
    """``amorsize plan``."""
    from amorsize import optimize
    from amorsize.errors import OptionError

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
        if isinstance(error, OptionError) and not origin(error):
            raise Stop(USAGE, str(error)) from None
        raise Stop(ITEM_FAILED, describe(error) + origin(error)) from None
    if options.json:
        from json import dumps

        print(dumps(plan.to_dict(), indent=2))
    else:
        print(plan)
    return OK
