"""Where answers, results and the job log go."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from json import dumps

from amorsize.cli.exit_codes import USAGE, Stop, refuse_directory, usage_errors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from typing import Any, TextIO


def answer(options: Namespace, fields: Any, text: object, indent: int | None = 2) -> None:
    """Print an answer: its fields with ``--json``, else its text."""
    print(dumps(fields, indent=indent) if options.json else text)


@contextmanager
def open_lines(path: str | None, head: str = "") -> Iterator[Any]:
    """A file of lines that begins with ``head``; None without a path.

    Each line is out at once, for a reader that follows. An error of closing the file counts only
    where nothing else went wrong."""
    if path is None:
        yield None
        return
    problem = f"{path} cannot be written"
    refuse_directory(path, problem)
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


@contextmanager
def standard_output() -> Iterator[Any]:
    """The standard output for lines of results alone: what the function prints meanwhile, and programs
    that it starts, goes to standard error. Each line is out at once."""
    stream = sys.stdout
    if stream is None:
        raise Stop(USAGE, "standard output is closed; --output FILE takes the results")
    try:
        descriptor = stream.fileno()
        kept = os.dup(descriptor)
    except (OSError, ValueError):  # no file: the caller's own stream
        yield stream
        return
    stream.flush()
    with suppress(OSError):  # where standard error is closed, the lines stay among what is printed
        os.dup2(2, descriptor)
    file = open(kept, "w", encoding=stream.encoding, errors=stream.errors, buffering=1)  # noqa: SIM115
    try:
        yield file
    finally:
        with suppress(OSError):
            stream.flush()
        os.dup2(kept, descriptor)
        with suppress(OSError):
            file.close()


def put(file: TextIO, line: str) -> None:
    """Write one line."""
    try:
        file.write(line + "\n")
    except BrokenPipeError:
        raise
    except OSError as error:
        name = file.name if isinstance(file.name, str) else "<stdout>"
        raise Stop(USAGE, f"{name} cannot be written: {error.strerror}") from None
