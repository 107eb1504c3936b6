"""What programs do with files that a watched item starts: seen in the folders that commands name.

::

    command --words--> paths: is one a file that an earlier item has changed?
                   --> their folders, before and after: was a file changed, and by an earlier item, too?

Nothing tells which files a program opens. What it makes anew is taken for the item's own.
"""

from __future__ import annotations

import os
import stat
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SHELL = str.maketrans(dict.fromkeys("\"'`;|&<>(){}=,\n\t", " "))
"""What stands between the words of a command."""

OF_THE_SYSTEM = (
    "/usr/",
    "/bin/",
    "/sbin/",
    "/lib",
    "/etc/",
    "/proc/",
    "/sys/",
    "/dev/",
    sys.prefix,
)
"""Folders in which items keep no files."""

MOST_WORDS, MOST_FOLDERS, MOST_FILES = 64, 8, 256
"""Words of a command, folders and files in each that are looked at: some 0.5 ms a folder."""


def words_of(event: str, arguments: tuple[Any, ...]) -> tuple[list[str], str]:
    """The words of a command that is started, and its working directory."""
    folder, parts = None, arguments[:1]
    if event == "subprocess.Popen":
        command, folder = arguments[1], arguments[2]
        parts = tuple(command) if type(command) in (list, tuple) else (command,)
    elif event == "os.posix_spawn":
        parts = tuple(arguments[1])
    words: list[str] = []
    for part in parts:
        if type(part) is bytes:
            part = os.fsdecode(part)
        elif type(part).__module__.partition(".")[0] == "pathlib":
            part = os.fspath(part)
        if type(part) is str:
            words += part.translate(SHELL).split() if " " in part or "=" in part else [part]
    return words[:MOST_WORDS], os.getcwd() if folder is None else os.path.abspath(os.fspath(folder))


class ProgramUse:
    """The folders that the commands of one item name, as they were before the first of them."""

    __slots__ = ("_before",)

    def __init__(self) -> None:
        self._before: dict[str, dict[str, tuple[float, int]]] = {}

    def begin(self, event: str, arguments: tuple[Any, ...]) -> list[str]:
        """A program is about to start: the paths that its words may be."""
        words, folder = words_of(event, arguments)
        paths = [os.path.normpath(os.path.join(folder, word)) for word in words if len(word) < 4096]
        paths = [path for path in paths if not path.startswith(OF_THE_SYSTEM)]
        for path in (folder, *paths):
            for place in (path, os.path.dirname(path)):
                if len(self._before) >= MOST_FOLDERS:
                    break
                if place not in self._before and len(place) > 1 and os.path.isdir(place):
                    self._before[place] = _files_in(place)
        return paths

    def made(self, path: str) -> bool:
        """Was there no such file before the first program of the item?"""
        folder = self._before.get(os.path.dirname(path))
        return folder is not None and len(folder) < MOST_FILES and path not in folder

    def rewritten(self, since: float) -> list[str]:
        """Files that were changed both after this time, before the first program, and since."""
        found = []
        for folder, before in self._before.items():
            after = _files_in(folder)
            if len(after) < MOST_FILES:
                found += [
                    path
                    for path, status in before.items()
                    if status[0] >= since and after.get(path) != status
                ]
        return found


def _files_in(folder: str) -> dict[str, tuple[float, int]]:
    """Time and size of the regular files of a folder."""
    found: dict[str, tuple[float, int]] = {}
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                status = entry.stat(follow_symlinks=False)
                if stat.S_ISREG(status.st_mode):
                    found[entry.path] = status.st_mtime, status.st_size
                if len(found) >= MOST_FILES:
                    break
    except OSError:
        pass
    return found
