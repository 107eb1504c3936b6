"""Would a fresh import of a module bind a name to the very function, class or object that it has now?

::

    module's source --ast--> what binds the name: a definition, an import, another name, a call
                                  |
    value: whose globals, which code, of which module --compare--> True, False, or None: not known

A test or a program may have put something else there since. What it is called says nothing: a double may
have the name of what it stands for, and ``functools.wraps`` copies its module, too. What counts is the
code: whose globals it runs with, and its full name there. Nothing is imported, and no code runs.
"""

from __future__ import annotations

import ast
import builtins
import os
import sys
from functools import lru_cache
from types import CodeType, FunctionType, ModuleType

from amorsize.inspection.origins import is_a, own_module
from amorsize.inspection.reach import names_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

DEPTH = 5
"""Modules and names followed from one to the next."""
MOST_MAKERS = 50
"""Functions looked at for the modules in which a decorator makes what it returns."""
DYNAMIC = frozenset({"globals", "locals", "vars", "exec", "setattr"})
"""Names by which code binds others that it does not spell."""
DESCRIPTORS = frozenset({"staticmethod", "classmethod", "property"})
"""Decorators that hold the function itself."""

_module_dict = vars(ModuleType)["__dict__"].__get__


def as_imported(module: str, path: tuple[str, ...], value: Any, depth: int = DEPTH) -> bool | None:
    """Whether a fresh import gives ``path`` (a name, or a class and a name) of the module this value.

    None where the source does not tell."""
    home = sys.modules.get(module)
    if type(home) is not ModuleType or depth == 0:
        return None
    value = _held_by(value)
    if _is_defined_there(module, home, path, value):
        return True
    bindings = _bindings_of(home)
    if bindings is None:
        return None
    is_code = is_a(value, FunctionType | type)
    ways, stars = bindings.ways.get(path, []), []
    if len(path) == 1:
        stars = bindings.by_star(path[0])
    if not ways and not (stars and is_code):
        told = len(path) == 1 and is_code and not bindings.is_dynamic
        return _is_any(stars, value) or (False if told else None)
    case = _Case(module, home, path, value, depth)
    verdicts = [case.verdict(kind, detail) for kind, detail in ways]
    verdicts += [case.verdict("import", star) for star in stars if is_code]
    return (
        True
        if True in verdicts or _is_any(stars, value)
        else None
        if None in verdicts
        else case.by_class()
    )


def _is_any(stars: Sequence[tuple[str, str]], value: Any) -> bool:
    """Is it the value that one of these modules has under the name?"""
    return any(_module_dict(sys.modules[source])[name] is value for source, name in stars)


def _held_by(value: Any) -> Any:
    """The function of a static method, class method or property."""
    if type(value) in (staticmethod, classmethod):
        return value.__func__
    return value.fget if type(value) is property else value


def _is_defined_there(module: str, home: ModuleType, path: tuple[str, ...], value: Any) -> bool:
    """Is it what the module defines under this very name?"""
    if is_a(value, FunctionType):
        code = value.__code__
        ours = value.__globals__ is _module_dict(home) and code.co_qualname == ".".join(path)
        return ours and code.co_filename[:1] != "<"
    if is_a(value, type) and value.__qualname__ == ".".join(path):
        return value.__module__ == module or any(
            is_a(one, FunctionType)
            and one.__globals__ is _module_dict(home)
            and one.__code__.co_qualname == f"{value.__qualname__}.{name}"
            for name, one in vars(value).items()
        )
    return False


def _module_of(value: Any) -> Any:
    """The name of the module whose code a value is."""
    if is_a(value, FunctionType):
        return value.__globals__.get("__name__")
    return value.__module__ if is_a(value, type) else type(value).__module__


def _place(module: str) -> str:
    """A module of the user's, or the package of a library."""
    return module if own_module(module) else module.partition(".")[0]


class _Case:
    """One name, and what it stands for now."""

    def __init__(
        self, module: str, home: ModuleType, path: tuple[str, ...], value: Any, depth: int
    ) -> None:
        self._module, self._home, self._path = module, home, path
        self._value, self._depth = value, depth

    def by_class(self) -> bool | None:
        """What no statement has put there may be from a class that changes its subclasses: from its
        metaclass, its ``__init_subclass__``, or a decorator of the class."""
        kind: Any = self._home
        for name in self._path[:-1]:
            kind = vars(kind).get(name)
            if not is_a(kind, type):
                return None
        if kind is self._home:
            return False
        bindings = _bindings_of(self._home)
        decorators = [
            node
            for how, detail in (bindings.ways.get(self._path[:-1], ()) if bindings else ())
            for node in (detail if how == "definition" else ())
        ]
        plain = type(kind) is type and not any(
            "__init_subclass__" in vars(base) for base in kind.__mro__[1:-1]
        )
        if plain and not decorators:
            return False
        makers = [type(kind), *kind.__mro__[:-1], *map(self._resolved, decorators)]
        if not all(is_a(one, FunctionType | type) for one in makers):
            return None
        return self._is_from_elsewhere(_places_behind([*makers, self._home]))

    def verdict(self, kind: str, detail: Any) -> bool | None:
        """Whether this way of binding the name gives the value."""
        value = self._value
        if is_a(value, FunctionType) and value.__code__.co_filename[:1] == "<":
            ours = value.__globals__ is _module_dict(self._home)
            if ours or value.__globals__.get("__name__") is None:
                return None  # made from text
        if kind == "import":
            return self._import(*detail)
        if kind == "module":
            held = sys.modules.get(detail)
            return held is value or (is_a(value, ModuleType) and value.__name__ == detail)
        if kind == "alias":
            return self._alias(detail)
        if kind == "lambda":
            ours = is_a(value, FunctionType) and value.__globals__ is _module_dict(self._home)
            return ours and "<lambda>" in value.__code__.co_qualname
        if kind == "made":
            return self._made(detail)
        if kind == "definition":
            return self._is_not_renamed() and (self._made_by(detail) if detail else False)
        return None

    def _is_not_renamed(self) -> bool | None:
        """True, or None for a class that may have been given the name of another module."""
        kind = self._value
        if not is_a(kind, type) or kind.__qualname__ != ".".join(self._path):
            return True
        named = sys.modules.get(kind.__module__)
        bindings = _bindings_of(named) if type(named) is ModuleType else None
        there = () if bindings is None else bindings.ways.get(self._path, ())
        unknown = bindings is None or bindings.is_dynamic or bindings.stars
        return None if unknown or any(how != "definition" for how, _ in there) else True

    def _import(self, source: str, name: str) -> bool | None:
        there, where = sys.modules.get(source), _module_of(self._value)
        if there is not None and not is_a(there, ModuleType):
            return None
        scope = {} if there is None else _module_dict(there)
        if name in scope and scope[name] is self._value:
            return True
        if there is not None and own_module(source):
            return as_imported(source, (name,), self._value, self._depth - 1)
        if "__getattr__" in scope or type(where) is not str or _place(where) == _place(source):
            return None
        return False

    def _alias(self, node: ast.expr) -> bool | None:
        held = self._resolved(node)
        if held is self._value:
            return True
        if isinstance(node, ast.Name):
            return as_imported(self._module, (node.id,), self._value, self._depth - 1)
        return None

    def _made(self, call: ast.Call) -> bool | None:
        """By a call: of a plain class, then it is of that class; else of a function, which may return any
        object, and what it was given."""
        kind = self._resolved(call.func)
        if type(kind) is type:
            plain = all("__new__" not in vars(base) for base in kind.__mro__[:-1])
            return False if plain and type(self._value) is not kind else None
        if not is_a(self._value, FunctionType):
            return None
        given = [*call.args, *(word.value for word in call.keywords)]
        given = [one for one in given if not isinstance(one, ast.Constant)]
        if any(self._resolved(one) is self._value for one in given):
            return True
        return self._made_by([call.func, *given])

    def _made_by(self, nodes: Sequence[ast.expr]) -> bool | None:
        """Is it what these decorators, or functions that were called, return? It comes from one of them,
        or from what they name."""
        makers = [self._resolved(node) for node in nodes]
        if not all(is_a(one, FunctionType | type) for one in makers):
            return None
        if is_a(self._value, FunctionType) and any(
            self._value.__code__ is code
            for one in makers
            if is_a(one, FunctionType)
            for code in _codes_in(one.__code__)
        ):
            return True
        return self._is_from_elsewhere(_places_behind([*makers, self._home]))

    def _is_from_elsewhere(self, places: set[str] | None) -> bool | None:
        """False for code of the user's that is from none of these places: a library may return what is
        from any other."""
        where = _module_of(self._value)
        if places is None or type(where) is not str or not own_module(where):
            return None
        return None if where in places else False

    def _resolved(self, node: ast.expr) -> Any:
        """What an expression of names stands for; None where that would run code."""
        if isinstance(node, ast.Call):
            return self._resolved(node.func)
        if isinstance(node, ast.Name):
            return _module_dict(self._home).get(node.id, vars(builtins).get(node.id))
        if not isinstance(node, ast.Attribute):
            return None
        holder = self._resolved(node.value)
        if is_a(holder, ModuleType):
            return _module_dict(holder).get(node.attr)
        return vars(holder).get(node.attr) if type(holder) is type else None


def _codes_in(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if is_a(constant, CodeType):
            yield from _codes_in(constant)


def _places_behind(makers: Sequence[Any]) -> set[str] | None:
    """Where the code of these functions and classes, and of what they name, comes from; None where they
    import when they are called, or name too much."""
    todo, seen, found = list(makers), set[int](), set[str]()
    while todo:
        one = todo.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        if len(seen) > MOST_MAKERS:
            return None
        module = str(one.__name__ if is_a(one, ModuleType) else _module_of(one))
        found.add(_place(module))
        if not own_module(module):
            continue
        if is_a(one, type):
            todo += [member for member in vars(one).values() if is_a(member, FunctionType)]
            todo += one.__mro__
        elif is_a(one, FunctionType):
            code = names_of(one.__code__)
            if code.imports or "import_module" in code.names:
                return None
            for name in code.names:
                held = one.__globals__.get(name)
                if is_a(held, ModuleType):
                    todo += [held, *(_module_dict(held).get(inner) for inner in code.names)]
                else:
                    todo.append(held if is_a(held, FunctionType | type) else type(held))
    return found


class Bindings:
    """What the source of a module binds: for each path of names the ways, and modules behind a ``*``."""

    __slots__ = ("_package", "is_dynamic", "stars", "ways")

    def __init__(self, tree: ast.Module, package: str) -> None:
        self._package = package
        self.ways: dict[tuple[str, ...], list[tuple[str, Any]]] = {}
        self.stars: list[str] = []
        self.is_dynamic = False
        """Whether names are bound that the source does not spell."""
        for node in tree.body:
            self._statement(node, ())

    def by_star(self, name: str) -> list[tuple[str, str]]:
        """Modules that bind the name by ``from ... import *``."""
        modules = [(star, sys.modules.get(star)) for star in self.stars]
        return [
            (star, name)
            for star, there in modules
            if type(there) is ModuleType and name in _module_dict(there)
        ]

    def _bind(self, path: tuple[str, ...], kind: str, detail: Any = None) -> None:
        self.ways.setdefault(path, []).append((kind, detail))

    def _statement(self, node: ast.stmt, prefix: tuple[str, ...]) -> None:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            self._bind((*prefix, node.name), "definition", _decorators(node.decorator_list))
            self._function(node)
        elif isinstance(node, ast.ClassDef):
            path = *prefix, node.name
            self._bind(path, "definition", _decorators(node.decorator_list))
            for inner in node.body:
                self._statement(inner, path)
        elif isinstance(node, ast.Import):
            for name in node.names:
                whole = name.name if name.asname else name.name.partition(".")[0]
                self._bind((*prefix, name.asname or whole), "module", whole)
        elif isinstance(node, ast.ImportFrom):
            self._import(node, prefix)
        elif isinstance(node, ast.Assign):
            self._expression(node.value, prefix)
            for target in node.targets:
                self._assign(target, node.value, prefix)
        elif isinstance(node, ast.AnnAssign):
            if node.value is not None:
                self._expression(node.value, prefix)
                self._assign(node.target, node.value, prefix)
        else:
            self._other(node, prefix)

    def _other(self, node: ast.AST, prefix: tuple[str, ...]) -> None:
        """A statement that holds others, or an expression."""
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.stmt):
                self._statement(child, prefix)
            elif isinstance(child, ast.expr):
                self._expression(child, prefix)
            else:
                self._other(child, prefix)

    def _expression(self, node: ast.expr, prefix: tuple[str, ...]) -> None:
        for one in ast.walk(node):
            if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store):
                self._bind((*prefix, one.id), "other")
            elif isinstance(one, ast.Name) and one.id in DYNAMIC:
                self.is_dynamic = True

    def _function(self, node: ast.AST) -> None:
        """A function may bind names of the module when it is called."""
        for one in ast.walk(node):
            if isinstance(one, ast.Global):
                for name in one.names:
                    self._bind((name,), "other")
            elif isinstance(one, ast.Attribute) and isinstance(one.ctx, ast.Store):
                self._bind(_dotted(one), "other")
            elif isinstance(one, ast.Name) and one.id == "globals":
                self.is_dynamic = True

    def _assign(self, target: ast.expr, value: ast.expr, prefix: tuple[str, ...]) -> None:
        if isinstance(target, ast.Name):
            path = *prefix, target.id
        elif isinstance(target, ast.Attribute):
            path = _dotted(target)
        else:
            self._expression(target, prefix)
            return
        if isinstance(value, ast.Name | ast.Attribute) and not prefix:
            self._bind(path, "alias", value)
        elif isinstance(value, ast.Lambda):
            self._bind(path, "lambda")
        elif isinstance(value, ast.Call) and not prefix:
            self._bind(path, "made", value)
        else:
            self._bind(path, "other")

    def _import(self, node: ast.ImportFrom, prefix: tuple[str, ...]) -> None:
        source = node.module or ""
        if node.level:
            parts = self._package.split(".")
            source = ".".join([*parts[: len(parts) - node.level + 1], *filter(None, [source])])
        for name in node.names:
            if name.name == "*":
                self.stars.append(source)
            else:
                self._bind((*prefix, name.asname or name.name), "import", (source, name.name))


def _decorators(nodes: Sequence[ast.expr]) -> list[ast.expr]:
    """The decorators that may make another object of what they are given."""
    return [one for one in nodes if not (isinstance(one, ast.Name) and one.id in DESCRIPTORS)]


def _dotted(node: ast.expr) -> tuple[str, ...]:
    """The names of ``a.b.c``; none of them where it is not made of names alone."""
    if isinstance(node, ast.Name):
        return (node.id,)
    if isinstance(node, ast.Attribute):
        before = _dotted(node.value)
        return (*before, node.attr) if before else ()
    return ()


@lru_cache(256)
def _read(path: str, stamp: float, package: str) -> Bindings | None:
    try:
        with open(path, "rb") as file:
            return Bindings(ast.parse(file.read()), package)
    except (OSError, SyntaxError, ValueError, RecursionError):
        return None


def _bindings_of(home: ModuleType) -> Bindings | None:
    """What the file of a module binds, as it is now; None where there is none to be read."""
    scope = _module_dict(home)
    path = scope.get("__file__")
    if type(path) is not str or not path.endswith(".py"):
        return None
    try:
        return _read(path, os.stat(path).st_mtime, str(scope.get("__package__") or ""))
    except OSError:
        return None
