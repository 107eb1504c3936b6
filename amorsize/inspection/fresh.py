"""Would a fresh interpreter compute the same? Not if it lacks what this process was told at run time.

A worker that is started afresh imports the user's modules as they are on disk. Values that were set
since, functions that were replaced, modules that cannot be imported there, settings of the process: the
first that the function reads is named, and no such worker is chosen.
"""

from __future__ import annotations

import ast
import builtins
import os
import sys
from contextvars import copy_context
from functools import lru_cache, partial
from importlib.machinery import PathFinder
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType

from amorsize.inspection.imported import as_imported
from amorsize.inspection.origins import is_a, own_file, own_module
from amorsize.inspection.reach import names_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MOST_FUNCTIONS = 300
"""Functions that are looked at."""
CSV_LIMIT = 131_072
"""Characters of a field where nobody set another limit (``csv.field_size_limit``)."""
THREAD_NAMES = frozenset({"get_ident", "get_native_id"})
"""Names by which code tells its thread: another process has others."""
ASKING_NAMES = frozenset({"hasattr", "getattr", "vars", "dir"})
"""Names by which code asks a module for a name that it does not spell as an attribute."""
PLAIN = (int, float, str, bytes, bool, tuple, list, dict, set)
HARMLESS = ("Pattern", "Logger", "local", "lock", "RLock", "TypeVar", "_Feature", "Struct")
"""Classes of values that every import makes alike."""


def fresh_refusal(func: Any) -> str | None:
    """Why a fresh interpreter would compute something else; None where nothing tells so."""
    return _process_differs() or _Search().run(func)


def _process_differs() -> str | None:
    """A setting of this process that a new one has not."""
    settings = {
        "recursion limit": sys.getrecursionlimit() != 1000,
        "limit of digits of int": sys.get_int_max_str_digits() != 4300,
    }
    calendar = sys.modules.get("calendar")
    if calendar is not None:
        settings["first day of the week"] = calendar.firstweekday() != 0
    decimal = sys.modules.get("decimal")
    if decimal is not None:
        here, usual = decimal.getcontext(), decimal.DefaultContext
        settings["decimal context"] = (here.prec, here.rounding, here.traps) != (
            usual.prec, usual.rounding, usual.traps,
        )  # fmt: skip
    sockets = sys.modules.get("_socket")
    if sockets is not None:
        settings["time limit of sockets"] = sockets.getdefaulttimeout() is not None
    tables = sys.modules.get("_csv")
    if tables is not None:
        settings["limit of csv"] = tables.field_size_limit() != CSV_LIMIT
    numpy = sys.modules.get("numpy")
    if numpy is not None and hasattr(numpy, "geterr"):
        usual_state = {"divide": "warn", "over": "warn", "under": "ignore", "invalid": "warn"}
        settings["NumPy's error state"] = numpy.geterr() != usual_state
    for name, differs in settings.items():
        if differs:
            return f"the {name} was changed in this process"
    return None


class _Search:
    """What the function names, and what that names."""

    def __init__(self) -> None:
        self._todo: list[Any] = []
        self._seen: set[int] = set()

    def run(self, func: Any) -> str | None:
        """The first reason that is found."""
        self._todo.append(func)
        while self._todo and len(self._seen) < MOST_FUNCTIONS:
            one = self._todo.pop()
            if is_a(one, partial):
                self._todo += [one.func, *one.args]
            elif is_a(one, MethodType):
                self._todo += [one.__func__]
            elif is_a(one, FunctionType) and id(one) not in self._seen:
                self._seen.add(id(one))
                reason = self._function(one)
                if reason is not None:
                    return reason
        return None

    def _function(self, func: FunctionType) -> str | None:
        code = names_of(func.__code__)
        scope, names, imports = func.__globals__, code.names, code.imports
        if code.own and not THREAD_NAMES.isdisjoint(names):
            return "it asks which thread runs it"
        for cell in func.__closure__ or ():
            try:
                value = cell.cell_contents
            except ValueError:
                continue
            self._todo.append(value)
            reason = self._class(type(value))
            if is_a(value, ModuleType):
                reason = self._module(value, names)
            if reason is not None:
                return reason
        if not own_file(func.__code__.co_filename):
            return None
        module = str(scope.get("__name__"))
        if module != "__main__":
            reason = _not_importable(module)
            if reason is not None:
                return reason
        for name in names:
            reason = None
            if name in scope:
                reason = self._value(module, name, scope[name], names)
            elif name in BUILTINS:
                reason = _put_in(name)
            elif imports and type(sys.modules.get(name)) is ModuleType:
                reason = self._module(sys.modules[name], names)
            if reason is not None:
                return reason
        return None

    def _value(self, module: str, name: str, value: Any, names: tuple[str, ...]) -> str | None:
        """A global of a module that some code names."""
        if module != "__main__" and as_imported(module, (name,), value) is False:
            return f"{module}.{name} was replaced in this process"
        if is_a(value, ModuleType):
            return self._module(value, names)
        if is_a(value, FunctionType):
            self._todo.append(value)
            there = value.__module__
            if there == module and module != "__main__" and _edited(value, module):
                return f"the file of {module} changed since it was imported"
            if module == "__main__" or not own_file(value.__code__.co_filename):
                return None
            local = there == "__main__" or "<" in value.__qualname__
            replaced = value.__name__ != name if there == module else local
            return f"{module}.{name} was replaced in this process" if replaced else None
        if is_a(value, type):
            return self._class(value)
        if type(value).__name__ == "ContextVar":
            is_set = value in copy_context()
            return f"the context variable {value.name!r} is set here" if is_set else None
        if module == "__main__" or is_a(value, BuiltinFunctionType):
            return None
        if type(value).__name__ in HARMLESS or name[:2] == "__":
            return None
        literals = _literals(module)
        if name in literals and type(value) is type(literals[name]) and value == literals[name]:
            return None
        return f"{module}.{name} may have been set in this process"

    def _module(self, module: ModuleType, names: tuple[str, ...]) -> str | None:
        """A module that some code names: of the user's own, what it names there."""
        name = module.__name__
        if not own_module(name):
            return _patched(module, names)
        reason = _not_importable(name)
        scope, written = vars(module), _written(name)
        for part in names:
            if reason is None and part in scope:
                reason = self._value(name, part, scope[part], names)
        asked = written.names if not ASKING_NAMES.isdisjoint(names) else written.names & set(names)
        for part in () if reason else sorted(asked - scope.keys()):
            return f"{name}.{part} was deleted in this process"
        return reason

    def _class(self, kind: type) -> str | None:
        """A class of the user's: its methods may have been replaced, its attributes set."""
        module = kind.__module__
        if module == "__main__" or not own_module(module) or id(kind) in self._seen:
            return None
        self._seen.add(id(kind))
        written = _written(module)
        literals = written.classes.get(kind.__qualname__)
        for name, value in list(vars(kind).items()):
            if is_a(value, FunctionType):
                self._todo.append(value)
                if own_file(value.__code__.co_filename) and (
                    value.__module__ != module or "<lambda>" in value.__qualname__
                ):
                    return f"{kind.__qualname__}.{name} was replaced in this process"
            elif literals is not None and name in literals and type(value) in PLAIN:
                same = type(literals[name]) is type(value) and literals[name] == value
                if not same:
                    return f"{kind.__qualname__}.{name} was set in this process"
        return None


def _not_importable(module: str) -> str | None:
    """Why a new process cannot import a module as it is here."""
    path: Any = None
    name, spec = "", None
    for part in module.split("."):
        name = f"{name}.{part}" if name else part
        # Not importlib.util.find_spec: that is content with what sys.modules holds.
        spec = PathFinder.find_spec(name, path)
        if spec is None:
            return f"a fresh interpreter cannot import {module}"
        path = spec.submodule_search_locations
    here = getattr(sys.modules.get(module), "__file__", None)
    if spec is None or (here is not None and spec.origin != here):
        return f"a fresh interpreter imports another {module}"
    return None


BUILTINS = vars(builtins)


def _put_in(name: str) -> str | None:
    """Was a name put into the builtins by the program?"""
    value = BUILTINS[name]
    if not is_a(value, FunctionType | type) or not own_file(
        getattr(getattr(value, "__code__", None), "co_filename", "<frozen builtins>")
    ):
        return None
    return f"the builtin name {name} was put in, in this process"


def _patched(module: ModuleType, names: tuple[str, ...]) -> str | None:
    """Was a function or method of a library replaced by the user's?"""
    for name, value in tuple(vars(module).items()):
        if is_a(value, FunctionType) and name in names:
            functions: tuple[Any, ...] = (value,)
        elif type(value) is type and value.__module__.startswith(module.__name__):
            functions = tuple(type.__dict__["__dict__"].__get__(value).values())
        else:
            continue
        for one in functions:
            path = one.__code__.co_filename if is_a(one, FunctionType) else "<"
            if path[:1] != "<" and own_file(path):
                return f"{module.__name__}.{name} was replaced in this process"
    return None


class Written:
    """What the source of a module sets: names, literals, those of its classes, and code by its name."""

    __slots__ = ("classes", "codes", "literals", "names")

    def __init__(self, text: str, path: str) -> None:
        self.names: set[str] = set()
        self.literals: dict[str, Any] = {}
        self.classes: dict[str, dict[str, Any]] = {}
        self.codes: dict[str, CodeType] = {}
        try:
            tree = ast.parse(text)
            self._gather(compile(text, path, "exec", dont_inherit=True), "")
        except (SyntaxError, ValueError):
            return
        self.literals = _literals_of(tree.body)
        for node in tree.body:
            if isinstance(node, ast.ClassDef):
                self.classes[node.name] = _literals_of(node.body)
            if isinstance(node, ast.Assign):
                self.names |= {one.id for one in node.targets if isinstance(one, ast.Name)}
            elif isinstance(node, ast.FunctionDef | ast.ClassDef):
                self.names.add(node.name)

    def _gather(self, code: CodeType, prefix: str) -> None:
        for constant in code.co_consts:
            if is_a(constant, CodeType):
                name = prefix + constant.co_name
                self.codes[name] = constant
                self._gather(constant, f"{name}.")


def _edited(func: FunctionType, module: str) -> bool:
    """Does the file of a function's module have other code under the function's name now?"""
    there = _written(module).codes.get(func.__qualname__)
    return there is not None and there.co_code != func.__code__.co_code


@lru_cache(256)
def _read(path: str, stamp: float) -> Written:
    try:
        with open(path, encoding="utf-8") as file:
            return Written(file.read(), path)
    except (OSError, ValueError):
        return Written("", path)


def _written(module: str) -> Written:
    """What the file of a module says now."""
    path = getattr(sys.modules.get(module), "__file__", None) or ""
    try:
        return _read(path, os.stat(path).st_mtime)
    except OSError:
        return Written("", path)


def _literals(module: str) -> dict[str, Any]:
    """Names that the module's source sets once, to a literal."""
    return _written(module).literals


def _literals_of(body: list[ast.stmt]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for node in body:
        if isinstance(node, ast.AnnAssign):
            targets: list[Any] = [node.target]
            value = node.value
        elif isinstance(node, ast.Assign):
            targets, value = node.targets, node.value
        else:
            continue
        for target in targets:
            if isinstance(target, ast.Name) and value is not None:
                try:
                    found[target.id] = ast.literal_eval(value)
                except (ValueError, TypeError):
                    found.pop(target.id, None)
    return found
