"""Walks functions of the user's with what is known of their arguments; keeps what forbids workers."""

from __future__ import annotations

from functools import partial
from types import (
    BuiltinFunctionType,
    CodeType,
    FunctionType,
    MethodType,
    ModuleType,
)

from amorsize.inspection import call_rules as rules
from amorsize.inspection import instructions as _instructions  # noqa: F401 # fills ACTIONS
from amorsize.inspection.abstract_value import (
    FRESH,
    GIVEN,
    MISSING,
    SHARED,
    Closure,
    Value,
    origins_of,
)
from amorsize.inspection.decode import Unreadable
from amorsize.inspection.interpret import Frame, Function
from amorsize.inspection.known_names import (
    CHANGES,
    OF_THE_THREAD,
    ONE_FOR_ALL_THREADS,
    PLAIN,
    UNSAFE_MODULES,
)
from amorsize.inspection.objects import (
    class_attribute,
    full_name,
    instance_attributes,
    shared_parts,
)
from amorsize.inspection.origins import own_file, own_module
from amorsize.inspection.process_state import warnings_are_heard
from amorsize.inspection.reasons import Verdicts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from amorsize.inspection.abstract_value import Origins

STEPS = 20_000
"""Instructions looked at, about 10 ms; longer code is not read. Real code has some hundred."""
DEPTH = 24
"""Calls followed into one another; deeper ones are not read. The reader calls itself some six times for
each, far from the recursion limit."""
FIRST_ENTRIES = 50
"""A container whose first entries are no functions is taken for data."""
IMPLICIT = (
    "__len__", "__contains__", "__eq__", "__lt__", "__le__", "__gt__", "__ge__", "__hash__", "__bool__",
    "__str__", "__format__", "__add__", "__radd__", "__sub__", "__mul__", "__rmul__", "__truediv__",
    "__or__", "__and__", "__getattr__", "__getattribute__", "__index__", "__int__", "__float__",
)  # fmt: skip
"""Special methods that operators and builtins call, which instructions do not name."""


def own(func: Any) -> bool:
    """Is a function the user's own, wherever it lies?"""
    return own_file(func.__code__.co_filename)


class Walker(Verdicts):
    """Walks functions and classes of the user's with what is known of their arguments."""

    def __init__(self) -> None:
        super().__init__()
        self.steps = STEPS
        self.walked: dict[tuple[CodeType, Origins], Value] = {}
        self.shared: frozenset[int] = frozenset()
        """Ids of the objects that several of the first items are or hold."""

    def given(self, value: Any, path: str) -> Value:
        """An item or a part of one: its own, or one that other items have, too."""
        if id(value) in self.shared:
            return Value(SHARED, "object of several items", path, value)
        return Value(GIVEN, "item", path, value)

    def spend(self, steps: int) -> None:
        """Count instructions that are looked at."""
        self.steps -= steps
        if self.steps < 0:
            raise Unreadable(f"it is longer than {STEPS:,} instructions")

    @staticmethod
    def deeper(depth: int) -> None:
        """A call at this depth is followed."""
        if depth > DEPTH:
            raise Unreadable(f"its calls go deeper than {DEPTH}")

    def function(self, func: Any, items: Sequence[Any]) -> None:
        """The function that the user gave."""
        self.shared = shared_parts(items)
        for item in items:
            self.held(item, "an item", given=id(item) not in self.shared)
            if type(item) in (list, tuple) and len(item) < 32:
                for part in item:
                    self.held(part, "a part of an item", given=id(part) not in self.shared)
        sample = self.given(items[0], "item") if len(items) else Value(GIVEN, "item", "item")
        self.callable(func, [sample])

    def callable(
        self, func: Any, args: list[Value], named: dict[str, Value] | None = None, depth: int = 0
    ) -> Value:
        """A call of an object from outside of the call."""
        named = named or {}
        self.deeper(depth)
        if type(func) is partial:
            parts = []
            for one in (*func.args, *func.keywords.values()):
                self.held(one, "an argument of the partial")
                parts.append(Value(SHARED, "argument", full_name(one), one))
            count = len(func.args)
            more = dict(zip(func.keywords, parts[count:], strict=True))
            return self.callable(func.func, [*parts[:count], *args], {**more, **named}, depth + 1)
        if type(func) is MethodType:
            owner = func.__self__
            self.held(owner, "the bound object")
            this = Value(SHARED, "object", "self", owner)
            return self.callable(func.__func__, [this, *args], named, depth + 1)
        if isinstance(func, BuiltinFunctionType):
            return self.builtin(func, args, named)
        if isinstance(func, FunctionType):
            return self.enter_function(func, args, named, depth)
        if isinstance(func, type):
            return self.construct(func, args, named, depth)
        if isinstance(func, staticmethod | classmethod):
            return self.callable(func.__func__, args, named, depth + 1)
        if type(func) in rules.UNBOUND or type(func).__module__ == "numpy":
            self.known_call(func, "", args, named)
            return FRESH
        wrapped = instance_attributes(func).get("__wrapped__", MISSING)
        if wrapped is not MISSING:
            return self.callable(wrapped, args, named, depth + 1)
        call = class_attribute(type(func), "__call__")
        self.held(func, "the function")
        if isinstance(call, FunctionType):
            this = Value(SHARED, "object", "self", func)
            return self.enter_function(call, [this, *args], named, depth)
        return FRESH

    def builtin(self, func: Any, args: list[Value], named: dict[str, Value]) -> Value:
        """A function or method made in C."""
        owner = func.__self__
        if owner is not None and type(owner) is not ModuleType:
            if not rules.draws(func, ""):
                self.held(owner, "the bound object")
            if func.__name__ in CHANGES or func.__name__ in rules.STORING:
                self.change(Value(SHARED, "bound", full_name(owner), owner), func.__name__)
        self.known_call(func, "", args, named)
        return FRESH

    def enter_function(
        self, func: Any, args: list[Value], named: dict[str, Value], depth: int = 0
    ) -> Value:
        """Walk a function with these arguments."""
        code = func.__code__
        self.deeper(depth)
        key = (
            code,
            (*map(origins_of, args), *((name, origins_of(one)) for name, one in named.items())),
        )
        if key in self.walked:
            return self.walked[key]
        self.walked[key] = FRESH
        texts = (text.lstrip().upper() for text in code.co_consts if type(text) is str)
        self.note("rows are written", any(text.startswith(rules.ROW_WRITERS) for text in texts))
        cells = {}
        for name, cell in zip(code.co_freevars, func.__closure__ or (), strict=True):
            try:
                cells[name] = cell.cell_contents
            except ValueError:
                cells[name] = MISSING
        if depth and not own(func):
            return self.library_function(func, cells, args, depth)
        called = Function(code, func.__globals__, func.__qualname__, cells)
        frame = Frame(self, called, depth=depth)  # type: ignore[arg-type]
        defaults = func.__defaults__ or ()
        for default in (*defaults, *(func.__kwdefaults__ or {}).values()):
            self.held(default, "a default argument")
        self.fill(frame, code, args, named, defaults)
        self.walked[key] = result = frame.run()
        return result

    def library_function(
        self, func: Any, cells: dict[str, Any], args: list[Value], depth: int
    ) -> Value:
        """A library's function is not walked; the user's functions that it closes over are."""
        held = [*cells.values(), instance_attributes(func).get("__wrapped__")]
        for value in held:
            self.functions_of(value, depth)
            if isinstance(value, FunctionType | MethodType | partial):
                self.callable(value, args, {}, depth + 1)
        return FRESH

    def fill(
        self,
        frame: Frame,
        code: CodeType,
        args: list[Value],
        named: dict[str, Value],
        defaults: tuple[Any, ...],
    ) -> None:
        """Put arguments into the locals of a frame."""
        count = code.co_argcount
        names = code.co_varnames
        for at in range(min(count, len(args))):
            frame.locals[at] = args[at]
        for at, value in enumerate(reversed(defaults)):
            place = count - 1 - at
            if place >= 0 and frame.locals[place] is None and not isinstance(value, PLAIN):
                frame.locals[place] = Value(SHARED, "default", names[place], value)
        for name, value in named.items():
            if name in names[: count + code.co_kwonlyargcount]:
                frame.locals[names.index(name)] = value
        if code.co_flags & 4 and len(args) > count:  # *args
            inner = FRESH
            for value in args[count:]:
                inner = value if value.origin > inner.origin else inner
            frame.locals[count + code.co_kwonlyargcount] = Value(
                inner=inner if inner.origin else None
            )
        for at, value in enumerate(frame.locals):
            if value is None and at < count:
                frame.locals[at] = FRESH

    def construct(
        self, kind: type, args: list[Value], named: dict[str, Value], depth: int = 0
    ) -> Value:
        """A call of a class: its ``__init__`` works on a new object."""
        made = Value(made_by=kind)
        for name, first in (
            ("__new__", Value(SHARED, "class", kind.__name__, kind)),
            ("__init__", made),
        ):
            func = class_attribute(kind, name)
            if isinstance(func, staticmethod):
                func = func.__func__
            if isinstance(func, FunctionType) and own(func):
                self.enter_function(func, [first, *args], named, depth + 1)
        call = class_attribute(type(kind), "__call__")
        if isinstance(call, FunctionType) and own(call):
            this = Value(SHARED, "class", kind.__name__, kind)
            self.enter_function(call, [this, *args], named, depth + 1)
        return made

    def special(self, base: Value, name: str, args: list[Value], depth: int) -> Value | None:
        """A special method of the user's class, called by an instruction; None where there is none."""
        kind = base.made_by or (type(base.obj) if base.obj is not MISSING else None)
        if kind is None or kind.__module__ == "builtins":
            return None
        func = class_attribute(kind, name)
        if isinstance(func, FunctionType) and own(func):
            return self.enter_function(func, [base, *args], {}, depth + 1)
        return None

    def implicit(self, value: Value, depth: int) -> None:
        """The special methods of a shared object of the user's, which operators may call."""
        kind = type(value.obj)
        if not own_module(kind.__module__):
            return
        for name in IMPLICIT:
            func = class_attribute(kind, name)
            if isinstance(func, FunctionType) and own(func):
                self.enter_function(func, [value], {}, depth + 1)

    def functions_of(self, value: Any, depth: int) -> None:
        """Functions in a container, which may be called by any of its keys."""
        if type(value) is dict:
            value = list(value.values())
        if type(value) not in (list, tuple):
            return
        kinds = (FunctionType, MethodType, BuiltinFunctionType, partial)
        if any(isinstance(one, kinds) for one in value[:FIRST_ENTRIES]):
            for one in value:
                if isinstance(one, kinds):
                    self.callable(one, [], {}, depth + 1)

    def known_call(self, func: Any, path: str, args: list[Value], named: dict[str, Value]) -> None:
        """What the tables say of a call."""
        name = rules.name_of_callable(func)
        for known in (path, name):
            wide = ONE_FOR_ALL_THREADS.get(known)
            if wide is not None and not self.of_new_object(func, args):
                self.change_process(known, wide)
        if not OF_THE_THREAD.isdisjoint((path, name)):
            self.forbid_threads(f"{path or name} tells which thread runs the item")
        if rules.draws(func, path):
            self.draws = self.draws or path or name
        if not rules.WARNS.isdisjoint((path, name)) and warnings_are_heard():
            self.keep("it warns, and the caller keeps what is warned of, in its order")
        if not rules.IMPORTS.isdisjoint((path, name)) and args and type(args[0].obj) is not str:
            self.keep("it imports a module whose name it computes")
        self.note_descriptors(name, path, args)
        self.note_files(func, name, path, args)
        for value in rules.changed_arguments(func, path, args, named):
            self.change(value, f"{name or path} changes")

    def note_files(self, func: Any, name: str, path: str, args: list[Value]) -> None:
        """Does it list a folder, write files, or ask a database?"""
        names = {name, path}
        whole = name or path
        last = whole.rpartition(".")[2]
        if whole.startswith(rules.FILE_MODULES):
            self.note("folders are listed", last in rules.LISTS)
            self.note("files are written", last in rules.WRITES)
        self.note("a folder of its own", last in ("TemporaryDirectory", "mkdtemp"))
        if not names.isdisjoint(("sqlite3.connect", "_sqlite3.connect", "sqlite3.dbapi2.connect")):
            self.note("a database is opened", not (args and args[0].obj == ":memory:"))

    def note_descriptors(self, name: str, path: str, args: list[Value]) -> None:
        """Does it move the place in a descriptor that items share, or open one and leave it open?"""
        names = {name.replace("posix.", "os."), path}
        self.note("a descriptor is opened", not names.isdisjoint(rules.OPENS_DESCRIPTORS))
        self.note("a descriptor is closed", not names.isdisjoint(rules.CLOSES_DESCRIPTORS))
        if not args or names.isdisjoint(rules.DESCRIPTORS):
            return
        if args[0].origin == GIVEN:
            self.change_item(f"{path or name} changes what its item stands for")
        elif type(args[0].obj) is int or args[0].origin == SHARED:
            self.keep(f"{path or name} uses a descriptor that items share")

    @staticmethod
    def of_new_object(func: Any, args: list[Value]) -> bool:
        """Is it a method of an object that the call itself made?"""
        method = type(func) in rules.UNBOUND or (
            isinstance(func, FunctionType) and "." in func.__qualname__
        )
        return method and bool(args) and args[0].made_by is not None

    def use_module(self, name: str) -> None:
        """Something of a module is used."""
        reason = UNSAFE_MODULES.get(name)
        if reason is not None:
            self.forbid_threads(reason)

    def walk_closure(
        self, frame: Frame, closure: Closure, args: list[Value], named: dict[str, Value]
    ) -> Value:
        """A function made inside, called or handed on."""
        self.deeper(frame.depth)
        code, outer = closure.code, closure.frame
        captured = [
            (outer.lookup(name) if name in outer.code.co_cellvars else outer.free(name)) or FRESH
            for name in code.co_freevars
        ]
        key = tuple(map(origins_of, (*args, *named.values(), *captured)))
        if key in closure.walked:
            return closure.walked[key]
        closure.walked[key] = FRESH
        called = Function(code, frame.function.scope, code.co_name)
        inner = Frame(self, called, parent=closure.frame, depth=frame.depth + 1)  # type: ignore[arg-type]
        self.fill(inner, code, args, named, ())
        closure.walked[key] = result = inner.run()
        return result
