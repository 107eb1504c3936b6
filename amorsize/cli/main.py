"""The program: words in, exit code out."""

from __future__ import annotations

import os
import sys

from amorsize.cli.commands import COMMANDS, make_program_parser, run_command
from amorsize.cli.exit_codes import BROKEN_PIPE, INTERRUPTED, Stop, say
from amorsize.cli.sigint import unwatch_interrupts, watch_interrupts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line with the words ``argv``; the exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    before = watch_interrupts()
    try:
        try:
            code = _dispatch(words)
            if sys.stdout is not None:
                sys.stdout.flush()
            return code
        except BrokenPipeError:
            _close_stdout()
            return BROKEN_PIPE
    except Stop as stop:
        return say(stop.message, stop.code)
    except KeyboardInterrupt:
        return say("interrupted", INTERRUPTED)
    finally:
        unwatch_interrupts(before)


def _dispatch(words: list[str]) -> int:
    if not words or words[0] not in COMMANDS:
        parser = make_program_parser()
        parser.parse_args(words)  # --help, --version, or an error that lists the commands
        parser.error("a command is missing: " + ", ".join(COMMANDS))
    return run_command(words[0], words[1:])


def _close_stdout() -> None:
    """Let the interpreter flush its buffers into nothing when it ends."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.close(nothing)
