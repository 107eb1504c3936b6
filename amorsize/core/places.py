"""Where the history of a call is, and which functions it knows to have long items: what a run may ask
before its first item.

::

    execute --resolve--> path --is_known_long: 4 bytes of <history>.recall--> the run looks its history up
                                                                              before it begins an item
    end of a run --tag_of--> SqliteCache.mark_long

A run of trivial items asks, too: one file is opened, and nothing imported.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ENVIRONMENT = "AMORSIZE_HISTORY"
"""Path, URL or "off"; the only environment variable of amorsize's own."""
MEMORY = ":memory:"
"""The location of a history that ends with its process."""
SERVER_SCHEMES = ("postgresql", "postgres")
"""Schemes of the URLs of a PostgreSQL server."""
KEY_BYTES = 32
"""Bytes of the key of a history, under which functions are hashed."""
TAGS_AT, TAGS, TAG_BYTES = 64, 1_500, 4
"""Where in the first block of ``<history>.recall`` the tags begin, their number, and bytes of one."""
_PRIME = (1 << 61) - 1
_MOST_LAYERS = 4
"""Partials and bound methods around a function that are looked through."""


class _Kind:
    def method(self) -> None:
        """Of the kind of all bound methods."""


_FUNCTION, _METHOD = type(_Kind.method), type(_Kind().method)


def default_path() -> str:
    """File of the default history in the user's state folder, by the rules of platformdirs."""
    home = os.path.expanduser("~")
    if sys.platform == "win32":
        folder = os.environ.get("LOCALAPPDATA") or os.path.join(home, "AppData", "Local")
    elif sys.platform == "darwin":
        folder = os.path.join(home, "Library", "Application Support")
    else:
        folder = os.environ.get("XDG_STATE_HOME", "")
        if not os.path.isabs(folder):
            folder = os.path.join(home, ".local", "state")
    return os.path.join(folder, "amorsize", "history.sqlite")


def resolve(choice: Any) -> Any:
    """What the option ``history`` means: a path or URL, a History, or None. The environment is read here
    only."""
    if choice is None:
        return None
    if isinstance(choice, os.PathLike):
        choice = os.fspath(choice)
    if choice != "default":
        return choice
    named = os.environ.get(ENVIRONMENT, "")
    if named.lower() == "off":
        return None
    return named or default_path()


def scheme_of(location: str) -> str:
    """The scheme of a URL; "" for a path."""
    scheme, separator, _ = location.partition("://")
    return scheme if separator else ""


def is_on_server(location: Any) -> bool:
    """Whether a location names a history on a server; a History names none."""
    return isinstance(location, str) and scheme_of(location) in SERVER_SCHEMES


def sqlite_path(location: Any) -> str | None:
    """The file of a location that names a SQLite history by a path or a URL; None for any other."""
    if not isinstance(location, str) or location == MEMORY:
        return None
    if not (scheme := scheme_of(location)):
        return location
    rest = location.partition("://")[2]
    return rest.removeprefix("/") or rest if scheme == "sqlite" else None


def is_known_long(func: Any, choice: Any) -> bool:
    """Whether the history that the option ``history`` names has a run of this function whose items, or
    whose first item, took long. A hint: another function may have the same tag.

    False for histories in memory and on servers."""
    place = resolve(choice)
    if not isinstance(place, str) or place == ":memory:" or not hasattr(os, "pread"):
        return False
    found = tag_of(func)
    if found is None:
        return False
    slot, tag = found
    place = place.removeprefix("sqlite:///")
    if "://" in place:
        return False
    try:
        file = os.open(place + ".recall", os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except (OSError, ValueError):
        return False
    try:
        return os.pread(file, TAG_BYTES, slot) == tag
    except OSError:
        return False
    finally:
        os.close(file)


def tag_of(func: Any) -> tuple[int, bytes] | None:
    """Place and bytes of a function's tag in ``<history>.recall``; None for what has no code of Python.

    Runs no code of the user's."""
    partial = getattr(sys.modules.get("functools"), "partial", None)
    for _ in range(_MOST_LAYERS):
        kind = type(func)
        if kind is _FUNCTION:
            break
        if kind is _METHOD:
            func = func.__func__
        elif kind is partial:
            func = func.func
    if type(func) is not _FUNCTION:
        return None
    code = func.__code__
    signs = code.co_name.encode("utf-8", "replace") + code.co_code
    number = int.from_bytes(signs, "little") % _PRIME
    slot, rest = number % TAGS, number // TAGS
    return TAGS_AT + slot * TAG_BYTES, (rest % 0xFFFFFFFF + 1).to_bytes(TAG_BYTES, "little")
