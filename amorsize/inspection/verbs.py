"""What the name of a library's method or function tells: does it read, or may it change something?

Code of libraries is not walked. What it changes is seen by the watch, where the watched item calls it. Of
a call that only some items make, its name is all there is to go by: an object of the standard library
may be changed by each method that is not known to read; of other libraries, whose objects have
hundreds of methods that compute, by those whose names say that they change something.
"""

from __future__ import annotations

import sys
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType

from amorsize.inspection.abstract_value import MISSING
from amorsize.inspection.kinds import plan_of
from amorsize.inspection.known_names import PLAIN
from amorsize.inspection.origins import own_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

READING = (
    "get", "is", "has", "find", "search", "match", "fullmatch", "items", "keys", "values", "count",
    "index", "copy", "to", "as", "iter", "format", "encode", "decode", "dump", "compare", "check",
    "join", "split", "exists", "stat", "name", "total", "most_common", "elements", "cache",
    "dispatch", "ratio", "quick", "real", "substitute", "safe", "sections", "options", "unpack",
    "pack", "calcsize", "digest", "hexdigest", "acquire", "release", "locked", "wait", "tell",
    "fileno", "info", "debug", "warning", "log", "error", "exception", "critical", "qsize", "empty",
    "full", "wrap", "dedent", "pformat", "repr", "cdf", "pdf", "quantiles", "inv", "samples",
    "union", "intersection", "difference", "symmetric", "month", "week", "year", "date", "time",
    "utcoffset", "tzname", "dst", "fromutc", "lookup", "open_", "lower", "upper", "strip", "hex",
    "cast", "itertext", "canonic", "can", "parse_args", "parse_known", "print", "quote", "peek",
    "subgroup", "hosts", "subnets", "supernet", "overlaps", "prepare", "submit", "map", "result",
    "done", "cancelled", "new", "shutdown", "infolist", "child", "new_child", "limit", "kwargs",
    "args", "signature", "bind", "replace_",
)  # fmt: skip
"""First words of methods of the standard library that leave their object as it is, or are judged by what
they are of: locks and executors are found as held objects, loggers by their handlers."""

CHANGING = frozenset(
    {"set", "add", "append", "insert", "register", "unregister", "install", "uninstall", "put", "push",
     "pop", "write", "feed", "enter", "remove", "delete", "del", "discard", "clear", "reset",
     "update", "extend", "send", "emit", "advance", "jump", "seek", "truncate", "flush", "fit",
     "partial", "train", "step", "zero", "backward", "enable", "disable", "configure", "init",
     "initialize", "seed", "shuffle", "reverse", "open", "close", "connect", "disconnect",
     "start", "stop", "commit", "rollback", "execute", "increment", "inc", "dec", "observe",
     "record", "incr", "decr", "store", "save", "subscribe", "attach", "detach", "bind", "unbind",
     "mark", "assign", "swap", "move", "rename", "enqueue", "dequeue"}
)  # fmt: skip
"""First words of methods of other libraries that change their object."""

SETTING = ("set_", "install", "register", "unregister", "enable_", "disable_", "push_", "configure")
"""How names of a library's functions begin that change a state of the library."""

SETTING_NOTHING = ("asyncio", "typing", "dataclasses", "functools", "torch", "contextlib")
"""Libraries whose functions of such names set what belongs to the thread, or what they are given."""

CONTAINERS = (list, dict, set, bytearray, *PLAIN)
"""Builtins, whose methods are judged by tables."""


def may_change(owner: Any, name: str, defined: Any = MISSING) -> bool:
    """May a library's method of this name change the object that lives outside of the call?

    ``owner`` may be unknown; ``defined`` is the method as its class has it."""
    if owner is MISSING:
        return _first_word(name) in CHANGING
    kind = type(owner)
    module = kind.__module__
    if own_module(str(module)) and isinstance(defined, FunctionType):
        module = defined.__module__
    if kind in CONTAINERS or type(module) is not str or isinstance(owner, ModuleType | type):
        return False
    root = module.partition(".")[0]
    if name[:2] == "__" or root in ("numpy", "logging") or own_module(module):
        return False
    if isinstance(owner, FunctionType | BuiltinFunctionType | MethodType):
        return name.startswith(("register", "add", "set_"))
    if root in sys.stdlib_module_names:
        return not (name.startswith(READING) or _is_atom(kind))
    return _first_word(name) in CHANGING or (name[-1:] == "_" and name[-2:] != "__")


def sets_library_state(func: Any, name: str) -> bool:
    """Does a library's function set something that is one for all of the library's users?"""
    module = getattr(func, "__module__", None)
    if type(module) is not str or own_module(module):
        return False
    return name.startswith(SETTING) and module.partition(".")[0] not in SETTING_NOTHING


def _is_atom(kind: type) -> bool:
    """Objects that do not change, whatever is called on them."""
    return plan_of(kind).atom


def _first_word(name: str) -> str:
    word = name.lstrip("_").partition("_")[0]
    for at, letter in enumerate(word):
        if letter.isupper() and at:
            return word[:at]
    return word.lower()
