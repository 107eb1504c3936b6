"""What a function and its items hold that must not be copied into another process.

A socket whose file offset or protocol state two processes share gives wrong answers without an
error. It is found through attributes, lists, dicts, tuples and sets of any object, whatever
module its class is from: the client object of an SDK keeps its connection some levels down.
"""

from __future__ import annotations

import sys
from time import thread_time

from amorsize.inspection.look import Look
from amorsize.inspection.state import Limit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

SEARCH_SECONDS = 0.01
"""CPU seconds of one search where the caller of it states none: on a busy machine as much is found."""

MOST_NODES = 10_000
"""Objects that one search visits at most."""


class Holding:
    """What was found: (name, kind) of each, the objects, and why the search ended early, or None."""

    __slots__ = ("cut_short", "found", "objects", "unwatched")

    def __init__(
        self,
        found: dict[tuple[str, str], Any],
        cut_short: str | None,
        unwatched: tuple[str, ...],
    ) -> None:
        self.found, self.objects = tuple(found), tuple(found.values())
        self.cut_short, self.unwatched = cut_short, unwatched


def held(
    func: Any,
    items: Iterable[Any] = (),
    *,
    budget_seconds: float = SEARCH_SECONDS,
    most_nodes: int = MOST_NODES,
    clock: Callable[[], float] = thread_time,
) -> Holding:
    """Search all that a function and its items reach; no buffer is read."""
    look = Look(Limit(budget_seconds, most_nodes, clock, checksums=False))
    try:
        look.walk(func, items)
    except Exception as error:
        look.fail("the search", error)
    found: dict[tuple[str, str], Any] = {}
    for index, kind in look.held:
        obj = look.queue[index][0]
        if not _closed(obj, kind):
            found.setdefault((look.name(index), kind), obj)
    hidden = tuple(dict.fromkeys(map(look.name, look.hidden)))
    return Holding(found, look.cut_short, hidden)


def _closed(obj: Any, kind: str) -> bool:
    """Is a socket or file closed? Asked of the base type only."""
    try:
        if kind == "socket":
            return bool(sys.modules["_socket"].socket.fileno(obj) == -1)
        if kind == "open file":
            return _file_closed(obj)
    except Exception:  # no file of the C types: counts as open
        return False
    return False


def _file_closed(obj: Any) -> bool:
    io: Any = sys.modules["_io"]
    mro = type.__dict__["__mro__"].__get__(type(obj))
    for base in mro:
        if base in (io.BytesIO, io.StringIO) if type(base) is type else False:
            return True  # only memory
        if base is io.FileIO:
            return bool(io.FileIO.__dict__["closed"].__get__(obj))
        if base is io.TextIOWrapper:
            return _file_closed(io.TextIOWrapper.__dict__["buffer"].__get__(obj))
        if base is io.BufferedReader or base is io.BufferedWriter or base is io.BufferedRandom:
            return _file_closed(base.__dict__["raw"].__get__(obj))
    return False
