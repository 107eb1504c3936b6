"""What a function can reach through code: closures, defaults, and the globals that its code names.

::

    function --> closure cells, defaults, attributes (also __wrapped__)
             --> names of its code and of nested code --> globals of its module
                      --> own modules by those names, functions and classes of the user's, ...
    object   --> its class, if the user's own --> class attributes, methods that some code names

Code of the standard library and of installed packages is not followed to its globals; what such a
function closes over is (a decorator's wrapper holds the user's function).
"""

from __future__ import annotations

import sys
from opcode import opmap
from types import CodeType, FunctionType, ModuleType

from amorsize.inspection.kinds import (
    ATOM_IDS,
    INTERPRETER_NAMES,
    module_dict,
    plan_of,
    type_dict,
    type_mro,
    type_name,
)
from amorsize.inspection.library_state import reach_origin, reach_parts, reach_tables
from amorsize.inspection.origins import own_file, own_module
from amorsize.inspection.state import ABSENT, ATTRIBUTE, BINDING, INSIDE, NAME, Limit, State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol

    Reader = Callable[[Any, Limit], State]

    class Seen(Protocol):
        """The look that follows code."""

        queue: list[Any]
        trail: Trail

        def read(self, obj: Any, reader: Reader, index: int, style: int, follow: bool) -> None: ...


DYNAMIC_NAMES = frozenset(
    {"globals", "vars", "exec", "eval", "__dict__", "modules", "import_module", "__globals__"}
)
"""Names through which code reaches any global of its module."""

GETTING_NAMES = frozenset({"getattr", "methodcaller", "attrgetter", "__getattribute__", "dir"})
"""Names through which code reaches any attribute of what it has."""

STORING_NAMES = frozenset({"setattr", "delattr", "patch", "__setattr__", "setitem", "update"})
"""Names through which code stores attributes, beside the statement."""

BENIGN_VARIABLES = frozenset({"dispatch_cache", "cache_token"})
"""Variables that ``functools.singledispatch`` closes over: its cache of types."""

STORING_CODES = frozenset({opmap["STORE_ATTR"], opmap["DELETE_ATTR"]})
CODES_KEPT = 8192
"""Code objects whose names are kept, and modules whose tables are."""


class Trail:
    """What a look has come by: ``seen`` ids, ``names`` that code uses, methods that may be named
    ``later``, and the module of the function that it began with, its ``home``."""

    __slots__ = ("home", "later", "names", "seen")

    def __init__(self, seen: set[int]) -> None:
        self.seen = seen
        self.names: set[str] = set()
        self.later: list[Any] = []
        self.home = ""

    def begin(self, module: str) -> None:
        """The look begins with a function of this module."""
        self.home = module


class CodeNames:
    """What the byte code of a function names, its nested functions included."""

    __slots__ = ("code", "dynamic", "getting", "imports", "names", "own", "stores")

    def __init__(self, code: CodeType) -> None:
        found: dict[str, None] = {}
        self.code = code  # held, so that its id is not another's
        self.own = own_file(code.co_filename)
        self.imports = self.stores = False
        self._gather(code, found)
        self.names = tuple(found)
        self.dynamic = not DYNAMIC_NAMES.isdisjoint(found)
        self.getting = not GETTING_NAMES.isdisjoint(found)
        self.stores = self.stores or not STORING_NAMES.isdisjoint(found)

    def _gather(self, code: CodeType, found: dict[str, None]) -> None:
        found.update(dict.fromkeys(code.co_names))
        operations = set(code.co_code[::2])
        self.imports = self.imports or opmap["IMPORT_NAME"] in operations
        self.stores = self.stores or not STORING_CODES.isdisjoint(operations)
        for constant in code.co_consts:
            if type(constant) is CodeType:
                self._gather(constant, found)


_codes: dict[int, CodeNames] = {}


def names_of(code: CodeType) -> CodeNames:
    """What a code object names; kept for the next look."""
    known = _codes.get(id(code))
    if known is None:
        if len(_codes) >= CODES_KEPT:
            _codes.clear()
        known = _codes[id(code)] = CodeNames(code)
    return known


def reach_function(look: Seen, func: FunctionType, index: int, depth: int) -> None:
    """Follow a function: its closure, defaults and attributes, and the globals that it names."""
    code = names_of(func.__code__)
    if func.__closure__:
        if not code.own:
            _leave_out_caches(look, func)
        look.read(func, read_closure, index, NAME, True)
    if func.__defaults__ or func.__kwdefaults__:
        look.read(func, read_defaults, index, NAME, True)
    look.read(func, read_attributes, index, ATTRIBUTE, True)
    if not code.own:
        reach_origin(look, func, index)
        return
    scope = func.__globals__
    module = scope.get("__name__")
    if type(module) is not str:
        module = "?"
    if not look.trail.home:
        look.trail.begin(module)
    look.trail.names.update(code.names)
    if code.getting:
        look.trail.names.add("getattr")
    where = reach_scope(look, scope, module, index, depth)
    _reach_names(look, scope, scope if code.dynamic else code.names, code, where, depth)
    if code.imports:
        _reach_imports(look, code, scope, where, depth)


def _leave_out_caches(look: Seen, func: Any) -> None:
    for name, cell in zip(func.__code__.co_freevars, func.__closure__, strict=False):
        if name in BENIGN_VARIABLES:
            look.trail.seen.add(id(cell.cell_contents))


def reach_scope(look: Seen, scope: dict[str, Any], module: str, index: int, depth: int) -> int:
    """Watch which objects the names of a module of the user's stand for; the index of its entry."""
    if id(scope) in look.trail.seen:
        for position, entry in enumerate(look.queue):
            if entry[0] is scope:
                return position
    look.trail.seen.add(id(scope))
    suffix = "" if module == look.trail.home else f" of module {module}"
    position = len(look.queue)
    look.queue.append((scope, index, NAME, ("global ", "", suffix), depth))
    look.read(scope, read_bindings, position, BINDING, False)
    return position


def _reach_names(
    look: Seen, scope: dict[str, Any], names: Any, code: CodeNames, where: int, depth: int
) -> None:
    """Reach what names stand for in a module: values, and in modules the same names again."""
    prefix, _, suffix = look.queue[where][3]
    seen, queue = look.trail.seen, look.queue
    for name in tuple(names):
        value = scope.get(name, ABSENT)
        kind = type(value)
        if id(kind) in ATOM_IDS or id(value) in seen or value is ABSENT:
            continue
        if kind is ModuleType or issubclass(kind, ModuleType):
            _reach_module(look, value, code, where, depth)
        elif names is not scope or name[:2] != "__":
            queue.append((value, where, NAME, (prefix, name, suffix), depth))


def _reach_module(look: Seen, module: Any, code: CodeNames, index: int, depth: int) -> None:
    """Follow the names of a code object into a module: all of it into the user's own."""
    scope = module_dict(module)
    name = scope.get("__name__")
    mark = id(scope) ^ id(code) << 1  # once for each code object
    if type(name) is not str or -mark in look.trail.seen:
        return
    look.trail.seen.add(-mark)
    if own_module(name):
        where = reach_scope(look, scope, name, index, depth)
        _reach_names(look, scope, (*code.names, "__getattr__"), code, where, depth)
        return
    reach_tables(look, scope, name, index)
    reach_parts(look, scope, code.names, index)
    if code.stores:
        position = len(look.queue)
        look.queue.append((ABSENT, index, NAME, ("", name, ""), depth))
        look.read(scope, _named_reader(code.names), position, ATTRIBUTE, False)
        for part in code.names:
            value = scope.get(part, ABSENT)
            if issubclass(type(value), type) and not plan_of(value).own:
                place = len(look.queue)
                look.queue.append((ABSENT, position, ATTRIBUTE, part, depth))
                look.read(type_dict(value), _named_reader(code.names), place, ATTRIBUTE, False)


def reach_loose_module(look: Seen, module: Any, index: int, depth: int) -> None:
    """Follow a module that some object refers to: what any code names in it."""
    scope = module_dict(module)
    name = scope.get("__name__")
    if type(name) is not str:
        return
    if not own_module(name):
        reach_tables(look, scope, name, index)
        reach_parts(look, scope, look.trail.names, index)
        return
    where = reach_scope(look, scope, name, index, depth)
    prefix, _, suffix = look.queue[where][3]
    look.trail.later.extend(
        (value, where, NAME, (prefix, part, suffix), depth)
        for part, value in tuple(scope.items())
        if id(type(value)) not in ATOM_IDS
    )


def _reach_imports(
    look: Seen, code: CodeNames, scope: dict[str, Any], index: int, depth: int
) -> None:
    """Reach modules of the user's that code imports while it runs, if they are loaded already."""
    package = scope.get("__package__")
    for name in code.names:
        targets = [name]
        if type(package) is str and package:
            targets += [f"{package}.{name}"] if name else [package]
        for target in targets:
            module = sys.modules.get(target)
            if module is not None and issubclass(type(module), ModuleType) and own_module(target):
                _reach_module(look, module, code, index, depth)


def reach_class(look: Seen, kind: type, index: int, depth: int) -> None:
    """Follow a class of the user's: its attributes, its bases, and the methods that are named.

    What derives from a class of a library has its methods called by that library: all are followed.
    """
    if not plan_of(kind).own:
        reach_origin(look, kind, index)
        return
    name = type_name(kind)
    position = len(look.queue)
    look.queue.append((ABSENT, index, NAME, ("", name, ""), depth))
    look.read(kind, read_class, position, ATTRIBUTE, False)
    if "_abc_impl" in type_dict(kind):
        look.read(kind, read_registry, position, INSIDE, False)
    called = any(plan_of(base).foreign for base in type_mro(kind)[1:-1])
    for attribute, value in type_dict(kind).items():
        of = type(value)
        if id(of) in ATOM_IDS or attribute in INTERPRETER_NAMES or id(value) in look.trail.seen:
            continue
        entry = (value, position, ATTRIBUTE, attribute, depth)
        if not called and id(of) in METHOD_TYPES:
            look.trail.later.append(entry)
        else:
            look.queue.append(entry)
    for base in (*type_mro(kind)[1:], type(kind)):
        if id(base) not in look.trail.seen and plan_of(base).own:
            look.queue.append((base, position, INSIDE, None, depth))


def reach_later(look: Seen) -> bool:
    """Queue the methods of classes that code names by now; False when there are no more."""
    everything = "getattr" in look.trail.names
    kept: list[Any] = []
    before = len(look.queue)
    for entry in look.trail.later:
        name = entry[3] if type(entry[3]) is str else entry[3][1]
        if everything or name in look.trail.names or name[:2] == "__":
            look.queue.append(entry)
        else:
            kept.append(entry)
    look.trail.later[:] = kept
    return len(look.queue) > before


def read_closure(func: Any, limit: Limit) -> State:
    """Variables of enclosing functions; one that is not set yet is left out."""
    names: list[Any] = []
    values: list[Any] = []
    for name, cell in zip(func.__code__.co_freevars, func.__closure__, strict=False):
        try:
            values.append(cell.cell_contents)
        except ValueError:
            continue
        names.append(("", name, ""))
    return None, tuple(names), tuple(values)


def read_defaults(func: Any, limit: Limit) -> State:
    """Default values of parameters."""
    code, defaults, others = func.__code__, func.__defaults__ or (), func.__kwdefaults__ or {}
    count = code.co_argcount
    names = (*code.co_varnames[count - len(defaults) : count], *others)
    keys = tuple([("the default of ", name, "") for name in names])
    return None, keys, (*defaults, *others.values())


def read_attributes(func: Any, limit: Limit) -> State:
    """Attributes of a function."""
    held = func.__dict__
    return None, tuple(held), tuple(held.values())


def read_bindings(scope: Any, limit: Limit) -> State:
    """What each name of a module stands for."""
    return None, tuple(scope), tuple(scope.values())


def read_class(kind: Any, limit: Limit) -> State:
    """Attributes of a class, those left out that the interpreter fills in."""
    names: list[Any] = []
    values: list[Any] = []
    for name, value in type_dict(kind).items():
        if name not in INTERPRETER_NAMES:
            names.append(name)
            values.append(value)
    return None, tuple(names), tuple(values)


def read_registry(kind: Any, limit: Limit) -> State:
    """Classes registered as virtual subclasses of an abstract class."""
    return None, None, tuple(sys.modules["_abc"]._get_dump(kind)[0])


def _named_reader(names: tuple[str, ...]) -> Reader:
    def read_named(scope: Any, limit: Limit) -> State:
        return None, names, tuple([scope.get(name, ABSENT) for name in names])

    return read_named


METHOD_TYPES = frozenset(map(id, (FunctionType, staticmethod, classmethod, property)))
"""Ids of the exact types of what a class keeps as a method; followed only if some code names it."""
