"""What an object that a function uses forbids: other processes, other threads too, or both.

A socket or a lock must not be copied into a process. A position that is shared (of a file, a generator,
an iterator) gives other results in another order, and a copy of it gives the same results twice: the run
stays in the caller. So does what belongs to its thread (a connection of sqlite3, an event loop), and a
generator of random numbers that the user made.
"""

from __future__ import annotations

import _thread
import sys
from types import ModuleType

from amorsize.inspection.abstract_value import MISSING
from amorsize.inspection.objects import class_attribute, not_shared_by_fork

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from amorsize.inspection.holding import Holding

CONVERSATIONS = frozenset({"socket", "connection", "database connection", "database cursor"})
"""Kinds that two threads may use at the same time only with a lock, such as a pool of connections has."""

STREAMING = frozenset(
    {"Compress", "Decompress", "BZ2Compressor", "BZ2Decompressor", "LZMACompressor",
     "LZMADecompressor", "IncrementalDecoder", "IncrementalEncoder", "BufferedIncrementalDecoder",
     "MultibyteIncrementalDecoder", "MultibyteIncrementalEncoder", "BZ2File", "GzipFile", "LZMAFile",
     "Profiler", "Profile", "XMLParser", "XMLPullParser", "ZstdCompressor", "ZstdDecompressor"}
)  # fmt: skip
STREAMING_MODULES = frozenset(
    {"zlib", "bz2", "_bz2", "lzma", "_lzma", "gzip", "codecs", "encodings", "_multibytecodec",
     "_codecs", "_lsprof", "cProfile", "xml", "pyexpat", "compression", "_zstd"}
)  # fmt: skip
"""Classes, and the packages that they are of, whose objects do not show where they are."""

BARE = {
    **dict.fromkeys(("http.client", "ftplib", "smtplib", "imaplib", "poplib"), "a connection"),
    **dict.fromkeys(("socket", "_socket", "ssl"), "a socket"),
}
"""Modules whose objects are such conversations: one question at a time."""

CALLBACKS = (
    "the standard",
    "the hook",
    "the profile",
    "the trace",
    "a signal",
    "the function",
    "NumPy",
)
"""Names of what the process calls, not the function."""

LOCK, RLOCK = type(_thread.allocate_lock()), _thread.RLock

HELD_LOCK = "a lock that is held"
CALLER, PROCESSES = "caller", "processes"
"""The run stays in the caller; or processes only are excluded."""

THREAD_BOUND = {
    "sqlite3": "a database connection that belongs to its thread",
    "_sqlite3": "a database connection that belongs to its thread",
    "asyncio": "an object of an event loop",
    "_asyncio": "an object of an event loop",
    "uvloop": "an object of an event loop",
    "playwright": "a browser that is steered",
    "selenium": "a browser that is steered",
    "appium": "a device that is steered",
}
"""Modules whose objects may be used in the thread that made them only, or by one item after the other."""

THREAD_SAFE_PARTS = frozenset({"Lock", "Event", "Condition", "Semaphore", "BoundedSemaphore"})
"""Classes of asyncio that look up the loop when they wait: not before."""

OWN_GENERATORS = (
    ("random", "Random"),
    ("numpy.random._generator", "Generator"),
    ("numpy.random.mtrand", "RandomState"),
    ("numpy.random.bit_generator", "BitGenerator"),
    ("numpy.random.bit_generator", "SeedSequence"),
    ("torch._C", "Generator"),
)
"""Generators of random numbers: module and class."""

POSITIONS = {
    "open file": "an open file",
    "generator": "a generator",
    "coroutine": "a coroutine",
    "memory map": "a mapped file",
}
"""Kinds of :mod:`amorsize.inspection.holding` that have a position, which all share."""


def kinds_of(value: Any) -> tuple[type, ...]:
    """The classes of an object, asked of the interpreter."""
    return type.__dict__["__mro__"].__get__(type(value))  # type: ignore[no-any-return]


def is_iterator(value: Any) -> bool:
    """Whether ``next`` takes something from the object: reading it moves it on."""
    return (
        class_attribute(type(value), "__next__") is not MISSING
        and class_attribute(type(value), "__iter__") is not MISSING
    )


def own_generator(value: Any) -> bool:
    """Is it a generator of random numbers that the user made?"""
    if not any((k.__module__, k.__name__) in OWN_GENERATORS for k in kinds_of(value)):
        return False
    if (type(value).__module__, type(value).__name__) == ("random", "SystemRandom"):
        return False
    return not is_global_generator(value)


def is_global_generator(value: Any) -> bool:
    """Is it the generator behind the functions of ``random``, or of ``numpy.random``?"""
    for module, name in (("random", "_inst"), ("numpy.random.mtrand", "_rand")):
        found = sys.modules.get(module)
        if type(found) is ModuleType and vars(found).get(name) is value and value is not None:
            return True
    return False


def binding(value: Any, *, given: bool = False) -> tuple[str, str] | None:
    """What a value forbids, and what it is; None where it forbids nothing.

    ``given``: an item, or a part of one. It is used once, so that its position is not shared."""
    kind = type(value)
    module = kind.__module__
    if type(module) is not str:
        return None
    root = module.partition(".")[0]
    if kind is LOCK and value.locked():
        return CALLER, HELD_LOCK
    if kind is RLOCK and RLOCK.__repr__(value).startswith("<locked"):  # by whatever thread asks
        return CALLER, HELD_LOCK
    if root in THREAD_BOUND and kind.__name__ not in THREAD_SAFE_PARTS and kind.__name__ != "Row":
        return CALLER, THREAD_BOUND[root]
    if own_generator(value):
        return (PROCESSES if given else CALLER), "a generator of random numbers"
    if kind.__name__ in STREAMING and root in STREAMING_MODULES and not given:
        return CALLER, "an object that takes its input in pieces"
    if module in BARE and not given:
        return CALLER, BARE[module]
    what = not_shared_by_fork(value)
    moves = is_iterator(value)
    if moves and not given:
        return CALLER, what or "an iterator, whose position is shared"
    if what is not None:
        if what in ("a mapped file", "an open file", "a coroutine") and not given:
            return CALLER, what
        return PROCESSES, what
    if root == "_io" and not given:
        return CALLER, "a file in memory"
    return (PROCESSES, "an iterator") if moves else None


def deep_bindings(func: Any, items: Any) -> tuple[str | None, str | None]:
    """Why the run stays in the caller, and why it leaves processes out: by all that is reached.

    Searches attributes and containers of objects of any module."""
    from amorsize.inspection.holding import held

    shared = _Found(held(func), given=False)
    given = _Found(held(len, items), given=True)
    return shared.caller or given.caller, shared.processes or given.processes


class _Found:
    """What one search says: why the run stays in the caller, or leaves processes out."""

    def __init__(self, found: Holding, *, given: bool) -> None:
        self.caller: str | None = None
        self.processes: str | None = None
        self._guarded = any(kind == "lock" for _, kind in found.found)
        for (name, kind), obj in zip(found.found, found.objects, strict=True):
            if kind == "thread-local data" or name.startswith(CALLBACKS):
                continue
            self._add(name, kind, obj, given)

    def _add(self, name: str, kind: str, obj: Any, given: bool) -> None:
        bound = binding(obj, given=given)
        what = POSITIONS.get(kind)
        if bound is None:
            where = CALLER if what is not None and not given else PROCESSES
            bound = where, what or f"a {kind}"
        if kind in CONVERSATIONS and not given and not self._guarded:
            bound = CALLER, f"{bound[1]} without a lock"
        elif bound[1] in BARE.values():
            bound = PROCESSES, bound[1]
        if bound[0] == CALLER:
            self.caller = self.caller or f"{name} is {bound[1]}"
        else:
            self.processes = self.processes or f"{name} is {bound[1]}"
