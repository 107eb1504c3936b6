"""What a library keeps for all who use it: in its modules, and in its classes.

::

    module that code names --> its functions' and classes' modules --> tables, numbers and texts, lists,
                                                                         objects of its own
    class of a library     --> containers that it keeps for all of its objects

A library's caches change with every call, and do not matter. So of what a module keeps under private
names its dicts are left out, and what is called a cache; a number or text that changes from item to
item, a list that grows and an object that is told something are no caches.
"""

from __future__ import annotations

import sys
from collections import deque
from itertools import count
from types import FunctionType, ModuleType

from amorsize.inspection.kinds import (
    ATOM_IDS,
    module_dict,
    plan_of,
    type_dict,
    type_module,
    type_mro,
    type_name,
)
from amorsize.inspection.origins import own_module
from amorsize.inspection.state import ABSENT, ATTRIBUTE, LIBRARY_DEPTH, NAME, Limit, State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    Reader = Callable[[Any, Limit], State]

MODULES_KEPT = 8192
"""Modules whose tables are kept."""

BENIGN_MODULES = frozenset(
    {"abc", "asyncio", "builtins", "codecs", "collections", "concurrent", "contextlib", "encodings",
     "enum", "functools", "gc", "importlib", "inspect", "io", "itertools", "linecache", "logging",
     "math", "multiprocessing", "numpy", "operator", "os", "random", "re", "string", "subprocess",
     "sys", "tempfile", "threading", "time", "traceback", "types", "typing", "unittest", "warnings",
     "weakref"}
)  # fmt: skip
"""Modules whose public tables do not matter or are watched as a part of the process."""

CACHES = ("cache", "memo", "lazy")
"""What the name of a variable or class has in it that keeps what was computed before."""

VALUES = (int, float, str, bytes)
"""Exact types of values that are states: a flag or None is set once, when the module is first used."""

_tables: dict[str, tuple[int, _Parts]] = {}


class _Parts:
    """Names of what a module keeps."""

    __slots__ = ("objects", "sized", "values")

    def __init__(self, scope: dict[str, Any], module: str) -> None:
        root = module.partition(".")[0]
        stdlib = root in sys.stdlib_module_names
        objects, sized, values = [], [], []
        for name, value in scope.items():
            kind = type(value)
            if kind in VALUES:
                if name[:2] != "__":
                    values.append(name)
                continue
            private = name[:1] == "_"
            if (
                id(kind) in ATOM_IDS
                or type(kind) is not type
                or (private and _is_cache(name, kind))
            ):
                continue
            if private and stdlib:
                continue
            if kind is list or kind is set or kind is deque or kind is dict:
                if not private:
                    objects.append(name)
                elif kind is not dict:
                    sized.append(name)
            elif kind is count or (
                plan_of(kind).foreign and str(kind.__module__).partition(".")[0] == root
            ):
                objects.append(name)
        self.objects, self.sized, self.values = tuple(objects), tuple(sized), tuple(values)


def _is_cache(name: str, kind: type) -> bool:
    text = f"{name} {kind.__name__}".lower()
    return any(word in text for word in CACHES)


def reach_tables(look: Any, scope: dict[str, Any], name: str, index: int) -> None:
    """Watch what a library's module keeps: types, defaults, registries, counters."""
    if id(scope) in look.trail.seen or name.partition(".")[0] in BENIGN_MODULES:
        return
    look.trail.seen.add(id(scope))
    known = _tables.get(name)
    if known is None or known[0] != len(scope):
        if len(_tables) >= MODULES_KEPT:
            _tables.clear()
        known = _tables[name] = (len(scope), _Parts(scope, name))
    parts = known[1]
    position = len(look.queue)
    look.queue.append((ABSENT, index, NAME, ("", name, ""), LIBRARY_DEPTH - 1))
    for part in parts.objects:
        value = scope.get(part, ABSENT)
        look.queue.append((value, position, ATTRIBUTE, part, LIBRARY_DEPTH - 1))
    if parts.values:
        look.read(scope, _value_reader(parts.values), position, ATTRIBUTE, False)
    if parts.sized:
        look.read(scope, _size_reader(parts.sized), position, ATTRIBUTE, False)


def reach_parts(look: Any, scope: dict[str, Any], names: Iterable[str], index: int) -> None:
    """Follow the names of code into a library's module: to modules of it, and to those that its functions
    and classes come from."""
    for part in names:
        value = scope.get(part, ABSENT)
        if value is not ABSENT and id(type(value)) not in ATOM_IDS:
            reach_origin(look, value, index)


def reach_origin(look: Any, value: Any, index: int) -> None:
    """Watch what the module keeps that a library's function or class comes from, or that this is."""
    kind = type(value)
    if kind is FunctionType:
        scope = value.__globals__
    elif kind is ModuleType:
        scope = module_dict(value)
    elif issubclass(kind, type):
        module = sys.modules.get(str(type_module(value)))
        if type(module) is not ModuleType:
            return
        scope = module_dict(module)
    else:
        return
    name = scope.get("__name__")
    if type(name) is str and not own_module(name):
        reach_tables(look, scope, name, index)


def reach_library_class(look: Any, kind: type, index: int, depth: int) -> None:
    """Watch the containers that a class of an installed library keeps for all of its objects: a store
    that they share, as that of a file system in memory. How many elements, not which."""
    for base in type_mro(kind)[:-1]:
        mark = id(base)
        if mark in look.trail.seen:
            return
        look.trail.seen.add(mark)
        module = type_module(base)
        if type(module) is not str or module.partition(".")[0] in sys.stdlib_module_names:
            continue
        held = [name for name, value in type_dict(base).items() if type(value) in SIZED]
        names = tuple([name for name in held if name[:2] != "__"])
        if names:
            position = len(look.queue)
            look.queue.append((ABSENT, index, NAME, ("", type_name(base), ""), depth))
            look.read(type_dict(base), _size_reader(names), position, ATTRIBUTE, False)


def _value_reader(names: tuple[str, ...]) -> Reader:
    def read_values(scope: Any, limit: Limit) -> State:
        held = [scope.get(name) for name in names]
        return None, names, tuple([one if type(one) in VALUES else None for one in held])

    return read_values


def _size_reader(names: tuple[str, ...]) -> Reader:
    def read_sizes(body: Any, limit: Limit) -> State:
        held = [body.get(name) for name in names]
        return tuple([len(one) if type(one) in SIZED else -1 for one in held]), None, ()

    return read_sizes


SIZED = (dict, list, set, deque)
"""Exact types of containers that are counted."""
