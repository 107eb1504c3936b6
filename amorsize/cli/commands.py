"""The commands and their parsers. A new command is a line of the table and a module of its name.

The module offers ``TEXT`` (what ``--help`` says first), ``EPILOG`` (and last, before the exit codes),
``ENDINGS`` (its own exit codes), ``add_arguments(parser)`` and ``run(options)``, which returns one.
Completion and help are made from the parsers, so that they cannot fall behind.
"""

from __future__ import annotations

import argparse
from importlib import import_module

from amorsize.cli.exit_codes import ITEMS, exit_codes
from amorsize.cli.items import ITEM_WORDS, add_items, parse_with_items
from amorsize.version import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Run = Callable[[argparse.Namespace], int]

COMMANDS = {
    "run": "run a function over items",
    "plan": "decide, and say why",
    "compare": "one function, measured against every configuration and peer",
    "history": "what has been learned",
    "checkpoint": "what a checkpoint holds",
    "validate": "measure what pruning promises",
    "doctor": "what this machine offers",
    "completion": "for your shell",
}
"""Each command with its line in ``amorsize --help``. Only the module of the one called is imported."""
TAKE_ITEMS = ("run", "plan", "compare")
"""Commands whose words are a function and its items."""


def load_command(name: str) -> tuple[argparse.ArgumentParser, Run]:
    """Import the module of a command; its parser, and what it does with the options."""
    module = import_module(f"amorsize.cli.{name}")
    parser = _parser(f"amorsize {name}", module.TEXT, module.EPILOG, module.ENDINGS)
    if name in TAKE_ITEMS:
        add_items(parser)
    module.add_arguments(parser)
    return parser, module.run


def run_command(name: str, words: list[str]) -> int:
    """Run a command with the words after its name; the exit code."""
    parser, run = load_command(name)
    # Options may stand before, between and after the other words.
    parse = (
        parse_with_items if name in TAKE_ITEMS else argparse.ArgumentParser.parse_intermixed_args
    )
    return run(parse(parser, words))


def make_program_parser() -> argparse.ArgumentParser:
    """The parser of the words before a command: help, version, and which commands there are."""
    parser = _parser(
        "amorsize",
        "Run a function over data in the fastest way that amorsize finds.",
        "amorsize COMMAND --help says more.\n\n",
        ITEMS,
    )
    version = f"amorsize {__version__}"
    parser.add_argument("--version", action="version", version=version, help="print the version")
    group = parser.add_subparsers(metavar="COMMAND", title="commands")
    for name, short in COMMANDS.items():
        group.add_parser(name, help=short)
    return parser


def _parser(
    name: str, text: str, epilog: str, endings: Mapping[int, str]
) -> argparse.ArgumentParser:
    return argparse.ArgumentParser(
        prog=name,
        usage=f"{name} {ITEM_WORDS}" if name.split()[-1] in TAKE_ITEMS else None,
        description=text,
        epilog=epilog + exit_codes(endings),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
