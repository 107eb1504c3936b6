"""The commands and their parsers. A new command is a line of the table and a module of its name.

The module offers ``TEXT`` (what ``--help`` says first), ``EPILOG`` (and last, before the exit codes),
``add_arguments(parser)`` and ``run(options)``, which returns the exit code. Completion and help are
made from the parsers, so that they cannot fall behind.
"""

from __future__ import annotations

import argparse

from amorsize.cli.exit_codes import EXIT_CODES, OK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

COMMANDS = {
    "run": "run a function over items",
    "plan": "decide, and say why",
    "compare": "one function, measured against every configuration and peer",
    "history": "what has been learned",
    "validate": "measure what pruning promises",
    "doctor": "what this machine offers",
    "completion": "for your shell",
}
"""Each command with its line in ``amorsize --help``. Only the module of the one called is imported."""


class Command:
    """A command: its parser, and what it does."""

    def __init__(
        self, parser: argparse.ArgumentParser, run: Callable[[argparse.Namespace], int]
    ) -> None:
        self.parser, self.run = parser, run

    def parse(self, words: list[str]) -> argparse.Namespace:
        """The options that the words after the command's name give."""
        if self.parser.get_default("takes_items"):
            from amorsize.cli.items import parse_with_items

            return parse_with_items(self.parser, words)
        return self.parser.parse_args(words)


def load_command(name: str) -> Command:
    """Import the module of a command and make its parser."""
    from importlib import import_module

    module = import_module(f"amorsize.cli.{name}")
    parser = argparse.ArgumentParser(
        prog=f"amorsize {name}",
        description=module.TEXT,
        epilog=module.EPILOG + EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    module.add_arguments(parser)
    return Command(parser, module.run)


def make_program_parser() -> argparse.ArgumentParser:
    """The parser of the words before a command: help, version, and which commands there are."""
    parser = argparse.ArgumentParser(
        prog="amorsize",
        description="Run a function over data as fast as this machine can.",
        epilog="amorsize COMMAND --help says more.\n\n" + EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", nargs=0, action=_Version, help="print the version")
    group = parser.add_subparsers(metavar="COMMAND", title="commands")
    for name, short in COMMANDS.items():
        group.add_parser(name, help=short)
    return parser


class _Version(argparse.Action):
    """``--version``: looked up only when it is asked for."""

    def __call__(self, *_: object) -> NoReturn:
        from amorsize.version import __version__

        print(f"amorsize {__version__}")
        raise SystemExit(OK)
