"""Hears which files are asked for: no audit event of the interpreter tells of ``os.stat``.

::

    begin --> os.stat, os.lstat, os.access hand the path on, then ask --> end: they are as before

``os.path.exists`` and the methods of paths ask by these names of ``os``. Heard only while items of a run
are in workers, and only of code that both asks for files and writes: whether a file is there that another
item makes. What has fetched ``os.stat`` by ``from os import stat`` before is not heard.
"""

from __future__ import annotations

import os
from functools import wraps
from types import BuiltinFunctionType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

ASKING = frozenset(
    {"exists", "lexists", "is_file", "isfile", "stat", "lstat", "access", "getsize", "getmtime"}
)  # fmt: skip
"""Names by which code asks whether a file is there, or what it is."""

NAMES = ("stat", "lstat", "access")
TABLES = (
    os.supports_dir_fd,
    os.supports_effective_ids,
    os.supports_fd,
    os.supports_follow_symlinks,
)
"""Sets in which ``shutil`` looks up what a function of ``os`` can do."""

_before: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {}
"""Name to the function of the system, and to what stands in its place."""


def begin(hear: Callable[[Any], None]) -> None:
    """Hand each path that is asked for to ``hear``, which raises nothing. What somebody else has put in
    the place of a function stays there."""
    if _before:
        return
    for name in NAMES:
        ask = vars(os)[name]
        if type(ask) is not BuiltinFunctionType:
            continue
        heard = _heard(ask, hear)
        for table in TABLES:
            if ask in table:
                table.add(heard)
        _before[name] = ask, heard
        _put(name, heard)


def end() -> None:
    """The functions are what they were; what somebody has put in their place meanwhile stays there."""
    for name, (ask, heard) in _before.items():
        for table in TABLES:
            table.discard(heard)
        if vars(os)[name] is heard:
            _put(name, ask)
    _before.clear()


def _put(name: str, func: Callable[..., Any]) -> None:
    setattr(os, name, func)


def _heard(ask: Callable[..., Any], hear: Callable[[Any], None]) -> Callable[..., Any]:
    @wraps(ask)
    def asked(path: Any, *args: Any, **named: Any) -> Any:
        hear(path)
        return ask(path, *args, **named)

    return asked
