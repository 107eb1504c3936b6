"""Where results and the job log go."""

from __future__ import annotations

import sys

from amorsize.cli.exit_codes import USAGE, Stop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TextIO


class Opened:
    """A file for the length of a ``with``; closing it says what went wrong."""

    def __init__(self, file: Any, name: str = "") -> None:
        self.file, self.name = file, name

    def __enter__(self) -> Any:
        return self.file

    def __exit__(self, kind: object, *_: object) -> None:
        if not self.name:
            return
        try:
            self.file.close()
        except OSError as error:
            if kind is None:
                raise Stop(USAGE, f"{self.name} cannot be written: {error.strerror}") from None


def open_output(path: str | None) -> Opened:
    """Where results go. Each line is out at once, for whoever reads along."""
    if path is None:
        sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
        return Opened(sys.stdout)
    return _open_file(path)


def open_log(path: str | None) -> Opened:
    """The job log with its first line; a file that is None when none is wanted."""
    if path is None:
        return Opened(None)
    log = _open_file(path)
    log.file.write("Seq\tStart\tRuntime\tExitval\tItem\n")
    return log


def _open_file(path: str) -> Opened:
    try:
        return Opened(open(path, "w", encoding="utf-8", newline="\n", buffering=1), path)
    except OSError as error:
        raise Stop(USAGE, f"{path} cannot be written: {error.strerror}") from None


def put(file: TextIO, line: str) -> None:
    """Write one line."""
    try:
        file.write(line + "\n")
    except BrokenPipeError:
        raise
    except OSError as error:
        raise Stop(USAGE, f"{file.name} cannot be written: {error.strerror}") from None


def as_json(item: Any) -> str:
    """An item as JSON; items come from words and files, so that JSON can hold them."""
    from json import dumps

    return dumps(item)
