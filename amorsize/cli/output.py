"""Where answers, results and the job log go."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from json import dumps

from amorsize.cli.exit_codes import USAGE, Stop, usage_errors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from typing import Any, TextIO


def answer(options: Namespace, fields: Any, text: object, indent: int | None = 2) -> None:
    """Print an answer: its fields with ``--json``, else its text."""
    print(dumps(fields, indent=indent) if options.json else text)


@contextmanager
def open_lines(path: str | None, default: TextIO | None, head: str = "") -> Iterator[Any]:
    """A file of lines that begins with ``head``, or the ``default`` without a path.

    Each line is out at once, for a reader that follows. An error of closing the file counts only
    where nothing else went wrong."""
    if path is None:
        yield default
        return
    problem = f"{path} cannot be written"
    with usage_errors(OSError, name=problem):
        file = open(path, "w", encoding="utf-8", newline="\n", buffering=1)  # noqa: SIM115
        file.write(head)
    try:
        yield file
    except BaseException:
        with suppress(OSError):
            file.close()
        raise
    with usage_errors(OSError, name=problem):
        file.close()


def put(file: TextIO, line: str) -> None:
    """Write one line."""
    try:
        file.write(line + "\n")
    except BrokenPipeError:
        raise
    except OSError as error:
        raise Stop(USAGE, f"{file.name} cannot be written: {error.strerror}") from None
