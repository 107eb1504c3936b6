"""What the name of a library's method or function tells: does it read, or may it change something?

Code of libraries is not walked. What it changes is seen by the watch, where the watched item calls it. Of
a call that only some items make, its name is all there is to go by: an object of the standard library
may be changed by each method that is not known to read; of other libraries, whose objects have
hundreds of methods that compute, by those whose names say that they change something.
"""

from __future__ import annotations

import sys
from types import (
    BuiltinFunctionType,
    ClassMethodDescriptorType,
    FunctionType,
    MethodType,
    ModuleType,
)

from amorsize.inspection.abstract_value import MISSING, NEW, SHARED
from amorsize.inspection.kinds import plan_of
from amorsize.inspection.known_names import PLAIN
from amorsize.inspection.origins import is_a, own_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from amorsize.inspection.abstract_value import Value

READING = frozenset(
    {"items", "keys", "values", "count", "copy", "format", "vformat", "encode", "decode", "raw", "dump",
     "dumps", "compare", "check", "join", "split", "exists", "stat", "name", "total", "most", "elements",
     "ratio", "quick", "real", "substitute", "safe", "sections", "options", "defaults", "unpack", "pack",
     "calcsize", "digest", "hexdigest", "acquire", "release", "locked", "wait", "tell", "fileno", "info",
     "debug", "warning", "log", "error", "exception", "critical", "qsize", "empty", "full", "wrap",
     "dedent", "fill", "pformat", "repr", "cdf", "pdf", "quantiles", "inv", "zscore", "overlap",
     "samples", "union", "intersection", "difference", "symmetric", "isoformat", "utcoffset", "tzname",
     "dst",
     "fromutc", "lookup", "lower", "upper", "strip", "hex", "cast", "canonic", "can", "print", "quote",
     "peek", "subgroup", "hosts", "subnets", "supernet", "overlaps", "submit", "map", "result",
     "cancelled", "shutdown", "infolist", "namelist", "child", "kwargs", "args", "signature",
     "bind", "search", "match", "fullmatch", "index", "as", "asdict", "limit", "sniff", "guess",
     "ngettext", "walk", "valuerefs", "keyrefs", "buffer", "glob", "rglob", "monthdayscalendar",
     "monthdatescalendar", "monthdays2calendar", "weekheader", "date", "time", "strftime"}
)  # fmt: skip
"""First words of methods of the standard library that leave their object as it is, or are judged by what
they are of: locks and executors are found as held objects, loggers by their handlers."""

READING_STEMS = ("get", "is", "has", "find", "iter", "to")
"""How other such words begin: "getvalue", "isupper", "findall", "itertext", "tobytes"."""

READING_NAMES = frozenset(
    {"parse_args", "parse_known_args", "parse_intermixed_args", "replace", "new_child"}
)
"""Whole names of such methods."""

CHANGING_NAMES = frozenset({"touch", "toggle", "isolate"})
"""Names that only look like those."""

PART_WORDS = (
    "get", "find", "iter", "child", "select", "node", "parent", "root", "section", "lookup", "walk",
    "item", "first", "last", "next", "query", "cursor", "xpath",
)  # fmt: skip
"""How names of methods begin that give a part of their object."""

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

SETTING_STATE = ("set", "add", "register", "unregister", "enable", "disable", "capture", "reset")
"""How names of the standard library's functions begin that change what is one for all; more follows."""

SETTING = ("set_", "install", "register", "unregister", "enable_", "disable_", "push_", "configure")
"""How names of a library's functions begin that change a state of the library."""

SETTING_NOTHING = ("asyncio", "typing", "dataclasses", "functools", "torch", "contextlib")
"""Libraries whose functions of such names set what belongs to the thread, or what they are given."""

COMPUTING = frozenset(
    {"numpy", "pandas", "operator", "_operator", "builtins", "math", "functools", "itertools"}
)
"""Libraries whose functions of such names compute, or are in tables of their own."""

FOR_ITSELF = frozenset(
    {"print", "pprint", "dump", "save", "write", "show", "plot", "display", "log", "warn", "assert",
     "check", "validate", "verify", "sleep", "wait", "synchronize", "collect", "empty"}
)  # fmt: skip
"""First words of functions that are called for what they show, store, try or wait for."""

SCIENTIFIC = COMPUTING | frozenset(
    {"scipy", "sklearn", "polars", "pyarrow", "xarray", "skimage", "statsmodels", "networkx", "sympy",
     "shapely", "PIL", "cv2", "numba"}
)  # fmt: skip
"""Libraries whose objects are taken to compute, but by methods whose names say that they change
something. A list by judgement: nobody has watched all of their methods."""

BUILT_UP = frozenset(
    {"matplotlib", "bs4", "lxml", "html5lib", "openpyxl", "xlsxwriter", "docx", "pptx", "odf",
     "reportlab", "fpdf", "pypdf", "fitz", "plotly", "bokeh", "graphviz",
     "pydot", "svgwrite", "ezdxf", "rich"}
)  # fmt: skip
"""Libraries whose objects are drawings and documents that are built up piece by piece: their methods are
judged as those of the standard library, each that is not known to read."""

READING_DOCUMENTS = (
    "get", "is", "has", "find", "iter", "to", "select", "xpath", "css", "text", "prettify", "decode",
    "encode", "items", "keys", "values", "contains", "copy",
)  # fmt: skip
"""How names of their methods begin that read."""

PICTURES = frozenset(
    {"putpixel", "putdata", "putalpha", "putpalette", "paste", "thumbnail", "alpha_composite", "seek",
     "draft", "frombytes", "apply_transparency", "remap_palette", "close"}
)  # fmt: skip
"""Methods of a picture of Pillow's that change it; all that its pens do not measure draws."""

MEASURING = ("text", "multiline_text", "get")
"""How names of a pen's methods begin that may only measure: with "bbox", "size", "length", "font"."""

OF_CLASSES = frozenset(
    {"set", "add", "register", "unregister", "clear", "reset", "update", "delete", "remove", "install",
     "uninstall", "enable", "disable", "configure", "push", "pop"}
)  # fmt: skip
"""First words of methods of a library's class that change what all users of the class share."""

CONTAINERS = (list, dict, set, bytearray, *PLAIN)
"""Builtins, whose methods are judged by tables."""


def may_change(owner: Any, name: str, defined: Any = MISSING) -> bool:
    """May a library's method of this name change the object that lives outside of the call?

    ``owner`` may be unknown; ``defined`` is the method as its class has it."""
    if owner is MISSING:
        return _first_word(name) in CHANGING
    kind = type(owner)
    module = kind.__module__
    if own_module(str(module)) and is_a(defined, FunctionType):
        module = defined.__module__
    if is_a(owner, type) and type(defined) in (classmethod, ClassMethodDescriptorType):
        return _first_word(name) in OF_CLASSES and not own_module(str(owner.__module__))
    if kind in CONTAINERS or type(module) is not str or is_a(owner, ModuleType | type):
        return False
    root = module.partition(".")[0]
    if name[:2] == "__" or root in ("numpy", "logging") or own_module(module):
        return False
    if is_a(owner, FunctionType | BuiltinFunctionType | MethodType):
        return name.startswith(("register", "add", "set_"))
    if root in sys.stdlib_module_names:
        return not (_reads(name) or _is_atom(kind)) or "Incremental" in kind.__name__
    if module.startswith("PIL."):
        return _draws(module, name)
    if root in BUILT_UP:
        return not name.startswith(READING_DOCUMENTS)
    return _first_word(name) in CHANGING or (name[-1:] == "_" and name[-2:] != "__")


def is_unread(owner: Any) -> bool:
    """Is it an object of a library of which nothing is known? What its methods do is not read."""
    kind = type(owner)
    module = kind.__module__
    if owner is MISSING or kind in CONTAINERS or type(module) is not str or own_module(module):
        return False
    root = module.partition(".")[0]
    if root in sys.stdlib_module_names or root in SCIENTIFIC or root == "amorsize":
        return False
    return not is_a(owner, ModuleType | type | FunctionType | BuiltinFunctionType | MethodType)


def gives_anew(owner: Any, name: str) -> bool:
    """Is it a method of a picture that gives a new one, where others of its name change their object?"""
    module = type(owner).__module__
    return type(module) is str and module.startswith("PIL.") and not _draws(module, name)


def is_document(owner: Any) -> bool:
    """Is it an object of a library whose objects are built up piece by piece?"""
    return owner is not MISSING and str(type(owner).__module__).partition(".")[0] in BUILT_UP


def sets_library_state(func: Any, name: str) -> bool:
    """Does a library's function set something that is one for all of the library's users?"""
    module = getattr(func, "__module__", None)
    if type(module) is not str or own_module(module):
        return False
    root = module.partition(".")[0]
    if root in SETTING_NOTHING:
        return False
    if name.startswith(SETTING):
        return True
    library = root not in sys.stdlib_module_names and root not in COMPUTING
    if library and name.startswith("set") and not _is_method(func):
        return True
    if root not in sys.stdlib_module_names or root in COMPUTING or _is_method(func):
        return False
    return name.startswith(SETTING_STATE) and name not in SETTING_STATE


def changes_by_name(func: Any, name: str) -> bool:
    """Does the name of a library's function say that it changes what it is given?"""
    module = getattr(func, "__module__", None)
    if type(module) is not str or own_module(module) or module.partition(".")[0] in COMPUTING:
        return False
    return not _is_method(func) and _first_word(name) in CHANGING


def is_made_to_change(func: Any, args: list[Value]) -> bool:
    """Does a call of a library's function, whose result nobody uses, change what outlives the call?

    It is given such an object first; or, outside of the standard library, nothing but constants: then
    it sets something of its library. What its name says to show, to store or to wait for is not that."""
    module = getattr(func, "__module__", None)
    if type(module) is not str or own_module(module) or is_a(func, MethodType):
        return False
    root = module.partition(".")[0]
    if root in COMPUTING or _is_method(func) or _first_word(func.__name__) in FOR_ITSELF:
        return False
    first = args[0] if args else None
    if first is not None and first.origin == SHARED and first.obj is not MISSING:
        obj = first.obj
        plain = is_a(obj, (*PLAIN, type, ModuleType, FunctionType, BuiltinFunctionType))
        return not plain and not _is_atom(type(obj))
    constant = all(one.origin == NEW and is_a(one.obj, PLAIN) for one in args)
    return constant and root not in sys.stdlib_module_names and root not in SCIENTIFIC


def gives_parts(owner: Any, name: str, defined: Any) -> bool:
    """Does the name of a library's method say that it gives a part of its object, not a new one?"""
    kind = type(owner)
    if owner is not MISSING and (
        kind in CONTAINERS or is_a(owner, ModuleType | type) or _is_atom(kind)
    ):
        return False
    if is_a(defined, FunctionType) and own_module(str(defined.__module__)):
        return False
    root = str(kind.__module__).partition(".")[0]
    return name.startswith(PART_WORDS) and root not in COMPUTING


def _is_method(func: Any) -> bool:
    return "." in str(getattr(func, "__qualname__", ""))


def _draws(module: str, name: str) -> bool:
    """Does a method of Pillow's change a picture?"""
    if module == "PIL.ImageDraw":
        return not (name.startswith(MEASURING) and name not in ("text", "multiline_text"))
    return name in PICTURES


def _reads(name: str) -> bool:
    word = _first_word(name)
    return (
        name[:1] != "_"
        and (word in READING or name in READING_NAMES or word.startswith(READING_STEMS))
        and name not in CHANGING_NAMES
    )


def _is_atom(kind: type) -> bool:
    """Objects that do not change, whatever is called on them."""
    return plan_of(kind).atom


def _first_word(name: str) -> str:
    word = name.lstrip("_").partition("_")[0]
    for at, letter in enumerate(word):
        if letter.isupper() and at:
            return word[:at]
    return word.lower()
