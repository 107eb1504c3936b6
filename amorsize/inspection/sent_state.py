"""What a fresh interpreter lacks of the modules that a function names: it is sent to it.

A worker that is started afresh imports the user's modules as they are on disk. Of those that the
function reaches, plain values of globals and classes, functions of C, context variables that are set, and
what was put in the place of a function, class or module (test doubles, too) are collected here, to be put
in place there; so is what the user's code has put into other modules, and so are modules that cannot be
imported there, of which functions and classes have to be sent by value. Any other object that is no plain
value stays as the import makes it: another module may hold the very same, and would be parted from it.
"""

from __future__ import annotations

import builtins
import sys
from _contextvars import copy_context
from functools import partial
from itertools import islice
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType

from amorsize.inspection.fresh import _not_importable
from amorsize.inspection.imported import as_imported
from amorsize.inspection.origins import is_a, own_file, own_module
from amorsize.inspection.reach import names_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MOST_FUNCTIONS = 300
"""Functions that are looked at."""
MOST_OBJECTS = 2_000
"""Objects that functions and other objects hold, looked at for their classes."""
MOST_HELD = 100
"""Elements of a container looked at."""
MOST_PARTS = 10_000
"""Parts of a value, within which it counts as plain: a millisecond to look at, and as much to send."""
BUILTINS = vars(builtins)
MADE_BY_CLASSES = ("__dict__", "__weakref__", "__doc__", "__module__")
"""Attributes that every class has."""
PLAIN = (int, float, complex, str, bytes, bool, type(None), range)


class CallerState:
    """``values``: (module, path of names, value) each; ``by_value``: names of modules of which functions
    and classes are sent by value; ``replaced``: whether a worker must serve no other run; ``doubles``:
    classes of the test doubles that the function holds."""

    __slots__ = ("by_value", "doubles", "replaced", "values")

    def __init__(self) -> None:
        self.values: list[tuple[str, tuple[str, ...], Any]] = []
        self.by_value: list[str] = []
        self.doubles: list[str] = []
        self.replaced = False

    def put(
        self, module: str, path: tuple[str, ...], value: Any, *, replaces: bool = False
    ) -> None:
        """Have a value sent; ``replaces``: the next run may not find it in the same worker."""
        if (
            is_a(value, FunctionType)
            and value.__module__ == module
            and value.__qualname__ == ".".join(path)
        ):
            value = _nameless(value)
        self.values.append((module, path, value))
        self.replaced = self.replaced or replaces


def caller_state(func: Any) -> CallerState:
    """What fresh workers lack for this function."""
    search = _Search()
    search.run(func)
    return search.found


class _Search:
    """What the function names, and what that names."""

    def __init__(self) -> None:
        self.found = CallerState()
        self._todo: list[Any] = []
        self._seen: set[int] = set()
        self._named: set[tuple[str, str]] = set()
        self._of_libraries: set[type] = set()
        """Classes of which objects in libraries are nothing of the user's."""
        self._met: dict[int, Any] = {}
        """Objects looked at, held so that no other gets their ids."""

    def run(self, func: Any) -> None:
        self._todo.append(func)
        if is_a(func, FunctionType):
            module, name = str(func.__module__), func.__qualname__
            home = sys.modules.get(module)
            if type(home) is ModuleType and vars(home).get(name) is func:
                self._value(module, name, func, ())
        while self._todo and len(self._seen) < MOST_FUNCTIONS:
            one = self._todo.pop()
            if is_a(one, partial):
                self._todo += [one.func, *one.args, *one.keywords.values()]
            elif is_a(one, MethodType):
                self._todo += [one.__func__, one.__self__]
            elif is_a(one, ModuleType):
                self._module(one, ())
            elif is_a(one, type):
                self._class(one)
            elif is_a(one, FunctionType):
                if id(one) not in self._seen:
                    self._seen.add(id(one))
                    self._function(one)
            else:
                self._object(one)

    def _object(self, one: Any) -> None:
        """What an object is of, and holds."""
        kind = type(one)
        if kind in PLAIN or id(one) in self._met or len(self._met) >= MOST_OBJECTS:
            return
        self._met[id(one)] = one
        if _is_double(one):
            self.found.doubles.append(kind.__name__)
            return
        if kind in (list, tuple, set, frozenset):
            self._todo += islice(one, MOST_HELD)
        elif kind is dict:
            self._todo += islice(one.values(), MOST_HELD)
        else:
            self._todo.append(kind)
            if own_module(str(kind.__module__)):
                self._todo += attributes_of(one).values()

    def _function(self, func: FunctionType) -> None:
        if not own_file(func.__code__.co_filename):
            self._library(sys.modules.get(str(func.__globals__.get("__name__"))), ())
            return
        module = str(func.__globals__.get("__name__"))
        named = names_of(func.__code__)
        self._importable(module)
        held = [*(func.__defaults__ or ()), *(func.__kwdefaults__ or {}).values()]
        for cell in func.__closure__ or ():
            try:
                held.append(cell.cell_contents)
            except ValueError:  # not bound yet
                continue
        for value in held:
            if is_a(value, ModuleType):
                self._module(value, named.names)
            else:
                self._todo.append(value)
        attributes = vars(func)
        if "__wrapped__" in attributes:
            self._todo.append(attributes["__wrapped__"])
        if "mock" in attributes and _is_double(func):
            self.found.doubles.append("function with a Mock")
        for name in named.names:
            if name in func.__globals__:
                self._value(module, name, func.__globals__[name], named.names)
            elif name in BUILTINS:
                self._put_in(builtins, name, BUILTINS[name])
            elif named.imports and type(sys.modules.get(name)) is ModuleType:
                self._module(sys.modules[name], named.names)

    def _importable(self, module: str) -> None:
        if module in ("__main__", "None") or module in self.found.by_value:
            return
        if own_module(module) and _not_importable(module) is not None:
            self.found.by_value.append(module)

    def _value(self, module: str, name: str, value: Any, names: tuple[str, ...]) -> None:
        """A global of a module that some code names. Those of ``__main__`` go with the functions."""
        if is_a(value, ModuleType):
            self._module(value, names)
        if (module, name) in self._named:
            return
        self._named.add((module, name))
        elsewhere = module in ("__main__", "None") or module in self.found.by_value
        sent = own_module(module) and not elsewhere and name[:2] != "__"
        if sent and _is_double(value):
            self.found.put(module, (name,), value, replaces=True)
            return
        if not is_a(value, ModuleType):
            self._todo.append(value)
        if not sent:
            return
        if type(value).__name__ == "ContextVar":
            if value in copy_context() and is_plain(value.get()):
                self.found.put(module, (name,), value.get(), replaces=True)
        elif is_plain(value) or _is_known_builtin(value):
            self.found.put(module, (name,), value)
        elif _is_replaced(module, (name,), value):
            self.found.put(module, (name,), value, replaces=True)
        elif own_module(str(type(value).__module__)):
            self._made_there(module, name, value)

    def _made_there(self, module: str, name: str, one: Any) -> None:
        """An object that a module of the user's makes: what stands in the place of its methods, and its
        attributes, if all are plain. (Beside a connection, say, they tell of the caller's.)"""
        held = attributes_of(one)
        instead = {
            part: value
            for part, value in held.items()
            if _is_double(value) or (is_a(value, FunctionType) and _has(type(one), part))
        }
        for part, value in instead.items():
            self.found.put(module, (name, part), value, replaces=True)
        others = {part: value for part, value in held.items() if part not in instead}
        if all(map(is_plain, others.values())):
            for part, value in others.items():
                self.found.put(module, (name, part), value)

    def _module(self, module: ModuleType, names: tuple[str, ...]) -> None:
        name = module.__name__
        if not own_module(name):
            self._library(module, names)
        elif sys.modules.get(name) is module:
            self._importable(name)
            for part in names:
                if part in vars(module):
                    self._value(name, part, vars(module)[part], names)

    def _library(self, module: Any, names: tuple[str, ...]) -> None:
        """What the user's code has put into a module that is not its own: at these names, and in its
        classes."""
        if type(module) is not ModuleType or sys.modules.get(module.__name__) is not module:
            return
        scope = vars(module)
        if own_module(module.__name__):
            return
        for name in names:
            if name in scope and (module.__name__, name) not in self._named:
                self._named.add((module.__name__, name))
                self._put_in(module, name, scope[name])
        if id(module) in self._met:
            return
        self._met[id(module)] = module
        for kind in [one for one in tuple(scope.values()) if type(one) is type]:
            home = sys.modules.get(kind.__module__)
            if kind.__module__.startswith(module.__name__) and home is not None:
                for name, value in tuple(vars(kind).items()):
                    self._put_in(home, f"{kind.__qualname__}.{name}", value)

    def _put_in(self, module: ModuleType, name: str, value: Any) -> None:
        """Send a value of a library's module if it is the user's code, or a test double."""
        kind = type(value)
        if kind is not FunctionType and kind in self._of_libraries:
            return
        if _is_users(value) or ((kind is not FunctionType or vars(value)) and _is_double(value)):
            self.found.put(module.__name__, tuple(name.split(".")), value, replaces=True)
        elif kind not in (staticmethod, classmethod) and not is_a(value, type):
            self._of_libraries.add(kind)

    def _class(self, kind: type) -> None:
        module = kind.__module__
        if not own_module(module):
            self._library(sys.modules.get(module), ())
            return
        if id(kind) in self._seen:
            return
        self._seen.add(id(kind))
        self._importable(module)
        self._todo += [base for base in kind.__mro__[1:] if own_module(base.__module__)]
        sent = module != "__main__" and module not in self.found.by_value
        sent = sent and "<" not in kind.__qualname__
        for name, value in list(vars(kind).items()):
            path = *kind.__qualname__.split("."), name
            if is_a(value, FunctionType):
                self._todo.append(value)
            if not sent or name in MADE_BY_CLASSES:
                continue
            if name[:2] != "__" and is_plain(value):
                self.found.put(module, path, value)
            elif _is_replaced(module, path, value):
                self.found.put(module, path, value, replaces=True)


def _is_replaced(module: str, path: tuple[str, ...], value: Any) -> bool:
    """Was it put there since the import? What the source does not tell, names do: what an import has put
    there has its own, nearly always."""
    if _is_double(value):
        return True
    known = as_imported(module, path, value)
    if known is not None or not is_a(value, FunctionType):
        return known is False
    there, local = value.__module__, "<" in value.__qualname__
    other = there != module if len(path) > 1 else local or there == "__main__"
    if len(path) == 1:
        other = value.__name__ != path[0] or (there != module and other)
    return other and own_file(value.__code__.co_filename)


def _nameless(func: FunctionType) -> FunctionType:
    """A copy of a function that has the name of what it stands for: the name would be sent, and found to
    be the other one there. A copy goes by value."""
    copy = FunctionType(
        func.__code__, func.__globals__, func.__name__, func.__defaults__, func.__closure__
    )
    copy.__kwdefaults__, copy.__qualname__ = func.__kwdefaults__, func.__qualname__
    copy.__module__, copy.__doc__ = func.__module__, func.__doc__
    copy.__annotations__ = func.__annotations__
    vars(copy).update(vars(func))
    return copy


def _is_users(value: Any) -> bool:
    """Is it a function or class of the user's, or an object of such a class?"""
    if type(value) in (staticmethod, classmethod):
        value = value.__func__
    if is_a(value, FunctionType):
        path = value.__code__.co_filename
        return path[:1] != "<" and own_file(path)
    name = str(value.__module__ if is_a(value, type) else type(value).__module__)
    has_file = (
        type(vars(sys.modules[name]).get("__file__")) is str if name in sys.modules else False
    )
    return name == "__main__" or (has_file and own_module(name))


def attributes_of(value: Any) -> dict[str, Any]:
    """The instance dict of an object."""
    try:
        held = object.__getattribute__(value, "__dict__")
    except AttributeError:
        return {}
    return held if type(held) is dict else {}


def _has(kind: type, name: str) -> bool:
    """Whether a class has an attribute of that name."""
    return any(name in vars(base) for base in kind.__mro__)


def _is_double(value: Any) -> bool:
    """Is it a test double (`unittest.mock`)? What it stands for must not run in its place."""
    if is_a(value, FunctionType):  # create_autospec makes one
        value = vars(value).get("mock")
    return any(base.__module__ == "unittest.mock" for base in type(value).__mro__)


def _is_known_builtin(value: Any) -> bool:
    """Is it a function of C that its module has under its name?"""
    if not is_a(value, BuiltinFunctionType) or type(value.__module__) is not str:
        return False
    home = sys.modules.get(value.__module__)
    return type(home) is ModuleType and vars(home).get(value.__name__) is value


def is_plain(value: Any) -> bool:
    """Is it a value of exact builtin types all through, and not too large?"""
    todo, left = [value], MOST_PARTS
    while todo and left:
        left -= 1
        one = todo.pop()
        kind = type(one)
        if kind in (list, tuple, set, frozenset):
            todo += one
        elif kind is dict:
            todo += one.keys()
            todo += one.values()
        elif kind not in PLAIN:
            return False
        if len(todo) > left:
            return False
    return not todo
