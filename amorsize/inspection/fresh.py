"""Would a fresh interpreter compute the same? Not if it lacks what this process was told at run time.

A worker that is started afresh imports the user's modules as they are on disk. Values that were set
since, functions that were replaced, modules that cannot be imported there, settings of the process: the
first that the function reads is named, and no such worker is chosen.
"""

from __future__ import annotations

import ast
import sys
from contextvars import copy_context
from functools import lru_cache, partial
from importlib.machinery import PathFinder
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType

from amorsize.inspection.origins import own_file, own_module
from amorsize.inspection.reach import names_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MOST_FUNCTIONS = 300
"""Functions that are looked at."""
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
            if isinstance(one, partial):
                self._todo += [one.func, *one.args]
            elif isinstance(one, MethodType):
                self._todo += [one.__func__]
            elif isinstance(one, FunctionType) and id(one) not in self._seen:
                self._seen.add(id(one))
                reason = self._function(one)
                if reason is not None:
                    return reason
        return None

    def _function(self, func: FunctionType) -> str | None:
        code = names_of(func.__code__)
        scope, names, imports = func.__globals__, code.names, code.imports
        for cell in func.__closure__ or ():
            try:
                value = cell.cell_contents
            except ValueError:
                continue
            self._todo.append(value)
            reason = self._module(value, names) if isinstance(value, ModuleType) else None
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
            elif imports and type(sys.modules.get(name)) is ModuleType:
                reason = self._module(sys.modules[name], names)
            if reason is not None:
                return reason
        return None

    def _value(self, module: str, name: str, value: Any, names: tuple[str, ...]) -> str | None:
        """A global of a module that some code names."""
        if isinstance(value, ModuleType):
            return self._module(value, names)
        if isinstance(value, FunctionType):
            self._todo.append(value)
            there = value.__module__
            if module == "__main__" or not own_file(value.__code__.co_filename):
                return None
            local = there == "__main__" or "<" in value.__qualname__
            replaced = value.__name__ != name if there == module else local
            return f"{module}.{name} was replaced in this process" if replaced else None
        if isinstance(value, type):
            return self._class(value)
        if type(value).__name__ == "ContextVar":
            is_set = value in copy_context()
            return f"the context variable {value.name!r} is set here" if is_set else None
        if module == "__main__" or isinstance(value, BuiltinFunctionType):
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
            return None
        reason = _not_importable(name)
        scope = vars(module)
        for part in names:
            if reason is None and part in scope:
                reason = self._value(name, part, scope[part], names)
        return reason

    def _class(self, kind: type) -> str | None:
        """A class of the user's: its methods may have been replaced, its attributes set."""
        module = kind.__module__
        if module == "__main__" or not own_module(module) or id(kind) in self._seen:
            return None
        self._seen.add(id(kind))
        for name, value in list(vars(kind).items()):
            if isinstance(value, FunctionType):
                self._todo.append(value)
                if value.__module__ != module and own_file(value.__code__.co_filename):
                    return f"{kind.__qualname__}.{name} was replaced in this process"
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


@lru_cache(256)
def _literals(module: str) -> dict[str, Any]:
    """Names that the module's source sets once, to a literal."""
    path = getattr(sys.modules.get(module), "__file__", None) or ""
    found: dict[str, Any] = {}
    try:
        with open(path, encoding="utf-8") as file:
            tree = ast.parse(file.read())
    except (OSError, SyntaxError, ValueError):
        return found
    for node in tree.body:
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
