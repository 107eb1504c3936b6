"""How the program ends: exit codes, and the one line on standard error that says why."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

OK, ITEM_FAILED, USAGE, NO_FUNCTION = 0, 1, 2, 3
INTERRUPTED = 130
"""128 + SIGINT, as shells report it."""
BROKEN_PIPE = 141
"""128 + SIGPIPE: the reader of the results went away; nothing is said."""

NO_FUNCTION_TEXT = "the module or the function cannot be loaded"
ITEMS = {
    ITEM_FAILED: "an item failed: its function raised, its worker died, or JSON cannot hold its result",
    NO_FUNCTION: NO_FUNCTION_TEXT,
}
"""What further codes mean where items run."""
OF_ALL = {
    OK: "everything was done",
    USAGE: "wrong usage, or a file that cannot be read or written",
    INTERRUPTED: "interrupted (Ctrl-C)",
    BROKEN_PIPE: "the reader of the output went away (as in `| head`)",
}
"""What the codes mean that every command has."""


def exit_codes(own: Mapping[int, str]) -> str:
    """The exit codes as the end of a help text; ``own`` is what a command adds or says otherwise."""
    lines = [f"  {code:<5}{text}\n" for code, text in sorted({**OF_ALL, **own}.items())]
    return "exit codes:\n" + "".join(lines)


EXIT_CODES = exit_codes(ITEMS)


class Stop(Exception):
    """The end of the program: one line for standard error and an exit code."""

    def __init__(self, code: int, message: str = "") -> None:
        super().__init__(message)
        self.code, self.message = code, message


@contextmanager
def usage_errors(*kinds: type[Exception], name: str = "") -> Iterator[None]:
    """These exceptions end the program as wrong usage; ``name`` is the file or option at fault."""
    try:
        yield
    except kinds as error:
        text = getattr(error, "strerror", None) or str(error)
        raise Stop(USAGE, f"{name}: {text}" if name else text) from None


def refuse_directory(path: str, problem: str) -> None:
    """End the program where a directory is named for a file: Linux would open one that is to be read, and
    Windows says but that permission is denied."""
    if os.path.isdir(path):
        raise Stop(USAGE, f"{problem}: it is a directory")


def say(message: str, code: int) -> int:
    """Write the line of an ending; return its exit code."""
    if message and sys.stderr is not None:
        with suppress(OSError):  # standard error is closed: no line can be read
            print(f"amorsize: {message}", file=sys.stderr, flush=True)
    return code
