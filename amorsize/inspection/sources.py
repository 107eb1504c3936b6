"""Does the source of the items change what the function reads? Then no item may be read ahead.

::

    generator --gi_code, gi_frame--> a function of the same code --inspect--> does it change anything?
        |                                    |
        +--- what it reaches ----------------+--- and what the function reaches: is any of it the same?

A loop reads an item, runs it, and reads the next: what a generator sets before it gives an item is
what the function finds. Workers that read ahead would find what it set for a later one. A look at one
item and the next sees that only where it happens between those two; here the code is read.
"""

from __future__ import annotations

from gc import get_referents
from opcode import opmap
from time import thread_time
from types import CellType, CodeType, FunctionType, GeneratorType

from amorsize.inspection.effects import read_doubtfully
from amorsize.inspection.kinds import plan_of
from amorsize.inspection.look import Look
from amorsize.inspection.origins import own_file
from amorsize.inspection.state import ABSENT, Limit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

SEARCH_SECONDS = 0.005
"""CPU seconds of each search; one takes some 0.2 ms."""

MOST_NODES = 5000
"""Objects that each search visits at most."""

STORING = frozenset({opmap["STORE_GLOBAL"], opmap["DELETE_GLOBAL"]})
PASSING = frozenset({"map", "filter", "zip", "enumerate", "iterator", "callable_iterator"})
"""Types of builtins, beside those of itertools, that call functions or read iterators of others."""


def source_refusal(func: Any, iterator: Any) -> str | None:
    """Why items must be read one by one, each when the one before has run; None where nothing says so.

    Never raises, and runs no code of the source's."""
    if not _may_run_code(iterator):
        return None
    try:
        return _shared(func, iterator)
    except Exception:  # an object that lies about itself; the look at the next item remains
        return None


def reached_data(func: Any, data: Any, iterator: Any = None) -> str | None:
    """What a function calls its own data, where it reaches them: it may add to them, or ask how far they
    were read. ``iterator``: of data that are not at hand themselves. Never raises."""
    try:
        theirs = {id(data)} if data is not None else set(map(id, get_referents(iterator)))
        look = _search(func)
        found = (
            look.name(at) for at, one in _reached(look) if id(one) in theirs and _may_change(one)
        )
        return next(found, None)
    except Exception:  # an object that lies about itself
        return None


def _may_run_code(iterator: Any) -> bool:
    """Is the source more than a walk over a builtin container?"""
    kind = type(iterator)
    if kind is GeneratorType or plan_of(kind).own:
        return True
    return kind.__module__ == "itertools" or (
        kind.__module__ == "builtins" and kind.__name__ in PASSING
    )


def _shared(func: Any, iterator: Any) -> str | None:
    source = _search(iterator)
    changing = [one for one in _functions_of(source) if _changes(one)]
    own = any(plan_of(type(obj)).own and _is_iterator(obj) for _, obj in _reached(source))
    if not changing and not own:
        return None
    reached = _search(func)
    theirs = {id(obj) for _, obj in _reached(reached)}
    cells = _cells(reached)
    for one in changing:
        of_one = _search(one)
        for index, obj in _reached(of_one):
            if id(obj) in theirs and _may_change(obj):
                return f"its data may change {of_one.name(index)}, which the function reaches"
        sets = not STORING.isdisjoint(one.__code__.co_code[::2])
        if sets and id(one.__globals__) in _scopes(reached):
            return "its data set a global of the module that the function is of"
    if _source_cells(source) & cells:
        return "its data set a variable that the function closes over"
    if own:
        for index, obj in _reached(source):
            if id(obj) in theirs and _may_change(obj):
                return f"its data come from {source.name(index)}, which the function reaches"
    return None


def _reached(look: Look) -> Iterator[tuple[int, Any]]:
    """Position and object of what a search came by, modules left out, and what the process calls."""
    roots: list[int] = []
    for index, (obj, parent, _, key, _) in enumerate(look.queue):
        roots.append(index if parent < 0 else roots[parent])
        if roots[index] == 0 and obj is not ABSENT and not _is_scope(key):
            yield index, obj


def _is_scope(key: Any) -> bool:
    return type(key) is tuple and len(key) == 3 and key[:2] == ("global ", "")


def _scopes(look: Look) -> set[int]:
    """Ids of the namespaces of modules that a search came by."""
    return {id(entry[0]) for entry in look.queue if _is_scope(entry[3])}


def _search(obj: Any) -> Look:
    look = Look(Limit(SEARCH_SECONDS, MOST_NODES, thread_time, checksums=False))
    look.walk(obj, ())
    return look


def _functions_of(source: Look) -> Iterator[FunctionType]:
    """The functions of the user's that run when an item is read."""
    for obj, parent, *_ in source.queue:
        if type(obj) is GeneratorType:
            func = _as_function(obj)
            if func is not None:
                yield func
        elif type(obj) is FunctionType and own_file(obj.__code__.co_filename):
            kind = type(source.queue[parent][0]) if parent >= 0 else None
            if kind is not None and _passes(kind):
                yield obj


def _passes(kind: type) -> bool:
    return kind.__module__ == "itertools" or (
        kind.__module__ == "builtins" and kind.__name__ in PASSING
    )


def _as_function(generator: Any) -> FunctionType | None:
    """A function of the generator's code, with the globals and the captured objects that it has now."""
    code: CodeType = generator.gi_code
    frame = generator.gi_frame
    if frame is None or not own_file(code.co_filename):
        return None
    held = frame.f_locals
    cells = tuple([CellType(held[n]) if n in held else CellType() for n in code.co_freevars])
    return FunctionType(code, frame.f_globals, code.co_name, None, cells)


def _changes(func: FunctionType) -> bool:
    """Does a function of the source change what outlives it, or what it was given?"""
    said = read_doubtfully(func)
    return bool(said.caller_only or said.no_processes)


def _may_change(obj: Any) -> bool:
    plan = plan_of(type(obj))
    fixed = plan.atom or plan.is_class or plan.is_module
    return not fixed and type(obj) not in (tuple, frozenset, FunctionType, type(len))


def _is_iterator(obj: Any) -> bool:
    return any("__next__" in vars(base) for base in plan_of(type(obj)).mro[:-1])


def _cells(look: Look) -> set[int]:
    """Ids of the variables that the functions of a search close over."""
    functions = [entry[0] for entry in look.queue if type(entry[0]) is FunctionType]
    return {id(cell) for func in functions for cell in func.__closure__ or ()}


def _source_cells(source: Look) -> set[int]:
    """Ids of the variables that the generators of a source close over and set."""
    found: set[int] = set()
    for obj, *_ in source.queue:
        if type(obj) is GeneratorType and opmap["STORE_DEREF"] in obj.gi_code.co_code[::2]:
            found.update(id(part) for part in get_referents(obj) if type(part) is CellType)
    return found
