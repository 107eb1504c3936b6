"""May a function wait, or let go of the GIL? A quick no from its names, before it has run.

A function made of arithmetic, builtins and methods of builtin types does neither. For such a one
nobody needs to watch the first item, and that threads cannot help is known at once. The answer costs
some microseconds; "maybe" is always safe.
"""

from __future__ import annotations

import builtins

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CellType, CodeType
    from typing import Any

PURE_MODULES = frozenset(
    {"math", "cmath", "operator", "_operator", "itertools", "functools", "_functools", "string",
     "collections", "re", "statistics", "fractions", "decimal", "ast", "bisect", "heapq", "copy",
     "textwrap", "random", "_random", "_collections", "_bisect", "_heapq", "_ast"}
)  # fmt: skip
"""Modules of the standard library whose functions hold the GIL and never wait."""

IMPURE_BUILTINS = frozenset(
    {"open", "input", "print", "exec", "eval", "compile", "__import__", "breakpoint", "help", "exit",
     "quit", "memoryview"}
)  # fmt: skip
"""Builtins that may wait, or run what cannot be seen."""

PURE_METHODS: frozenset[str] = frozenset(
    name
    for kind in (str, bytes, bytearray, int, float, complex, list, tuple, dict, set, frozenset)
    for name in vars(kind)
    if not name.startswith("_")
)
"""Methods of builtin types, by name; a foreign object may have one of the same name that waits, but
then it came from a foreign function or as an item, and both are looked at."""

PURE_ITEMS = (int, float, complex, str, bytes, bool, type(None), tuple, list, dict, set, frozenset)
"""Types of items whose operators and methods hold the GIL and never wait."""

DEPTH = 4
"""Calls into functions of the same globals are followed so deep."""


def only_computes(func: Any, item: object) -> bool:
    """True when ``func(item)`` cannot wait nor let go of the GIL; False when it might."""
    if not _is_plain(item):
        return False
    return _is_pure(func, DEPTH)


def _is_plain(item: object) -> bool:
    kind = type(item)
    if kind in (tuple, list):
        return all(type(part) in PURE_ITEMS for part in item[:4])  # type: ignore[index]
    return kind in PURE_ITEMS


def _is_pure(func: Any, depth: int) -> bool:
    kind = type(func)
    if kind is _FUNCTION:
        if depth <= 0 or not all(_is_pure_cell(c, depth) for c in func.__closure__ or ()):
            return False  # a closure may hold the function itself
        return _is_pure_code(func.__code__, func.__globals__, depth)
    if kind is type:
        return func.__module__ == "builtins" and func.__name__ not in IMPURE_BUILTINS
    if kind is _BUILTIN:
        module = func.__module__
        if module == "builtins":
            return func.__name__ not in IMPURE_BUILTINS
        if module is None:  # a method of a builtin object
            return type(func.__self__) in PURE_ITEMS
        return module in PURE_MODULES
    if kind is _DESCRIPTOR:  # str.upper and its like
        return func.__objclass__ in PURE_ITEMS
    return False


def _is_pure_code(code: CodeType, scope: dict[str, Any], depth: int) -> bool:
    if depth <= 0:
        return False
    for name in code.co_names:
        if name in scope:
            if not _is_pure_value(scope[name], depth):
                return False
        elif name in _BUILTINS:
            if name in IMPURE_BUILTINS:
                return False
        elif name not in PURE_METHODS and name not in _MODULE_NAMES:
            return False
    return all(
        _is_pure_code(const, scope, depth) for const in code.co_consts if type(const) is _CODE
    )


def _is_pure_cell(cell: CellType, depth: int) -> bool:
    try:
        return _is_pure_value(cell.cell_contents, depth)
    except ValueError:  # it is empty
        return False


def _is_pure_value(value: object, depth: int) -> bool:
    kind = type(value)
    if kind is _MODULE:
        return value.__name__ in PURE_MODULES  # type: ignore[attr-defined]
    return kind in PURE_ITEMS or _is_pure(value, depth - 1)


_FUNCTION, _BUILTIN, _DESCRIPTOR = type(_is_plain), type(len), type(str.upper)
_MODULE, _CODE = type(builtins), type(_is_plain.__code__)
_BUILTINS = vars(builtins)
_MODULE_NAMES = frozenset(
    {"sqrt", "sin", "cos", "tan", "exp", "log", "log2", "log10", "floor", "ceil", "pi", "e", "gcd",
     "comb", "factorial", "hypot", "atan2", "atan", "asin", "acos", "prod", "fsum", "pow", "isqrt",
     "add", "mul", "sub", "itemgetter", "attrgetter", "reduce", "partial", "Counter", "defaultdict",
     "deque", "chain", "product", "combinations", "permutations", "islice", "accumulate", "parse",
     "walk", "match", "search", "findall", "compile", "group", "groups", "finditer", "random",
     "randint", "Random", "choice", "shuffle", "uniform", "gauss", "most_common", "appendleft",
     "popleft", "fullmatch", "mean", "median", "stdev"}
)  # fmt: skip
"""Attributes of the modules above (a name that stands for something else there is not reached: its
module is looked at too)."""
