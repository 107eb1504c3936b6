"""Walks functions of the user's with what is known of their arguments; keeps what forbids workers."""

from __future__ import annotations

from _operator import methodcaller
from _weakref import ReferenceType  # the module weakref is 0.4 ms more to read
from functools import partial, partialmethod, singledispatchmethod
from gc import get_referents
from itertools import islice
from types import (
    BuiltinFunctionType,
    CodeType,
    FunctionType,
    MethodType,
    MethodWrapperType,
    ModuleType,
)

from amorsize.inspection import call_rules as rules
from amorsize.inspection import instructions as _instructions  # noqa: F401 # fills ACTIONS
from amorsize.inspection.abstract_value import (
    FRESH,
    GIVEN,
    MISSING,
    PART,
    SHARED,
    Closure,
    Value,
    origins_of,
)
from amorsize.inspection.arguments import fill
from amorsize.inspection.behind import walk_overrides
from amorsize.inspection.decode import Unreadable
from amorsize.inspection.interpret import Frame, Function
from amorsize.inspection.known_names import (
    CHANGES,
    PLAIN,
)
from amorsize.inspection.objects import (
    class_attribute,
    dir_of,
    full_name,
    instance_attributes,
    shared_parts,
)
from amorsize.inspection.origins import is_a, own_file, own_module
from amorsize.inspection.reasons import Tables
from amorsize.inspection.verbs import SCIENTIFIC, is_unread, may_change

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from amorsize.inspection.abstract_value import Origins

BUILTIN_CONTAINERS = (list, dict, set, bytearray, ModuleType)
"""What calls nothing that it holds."""
HEAP_TYPE = 1 << 9
"""Flag of a class that is not a static one of C (``Py_TPFLAGS_HEAPTYPE``)."""
STEPS = 20_000
"""Instructions looked at, about 10 ms; longer code is not read. Real code has some hundred."""
DEPTH = 24
"""Calls followed into one another; deeper ones are not read. The reader calls itself some six times for
each, far from the recursion limit."""
MOST_ENTRIES = 10_000
"""Entries of a container that are looked at for functions: 0.3 ms."""
GIVEN_BACK = (list, dict, set, bytearray)
"""Types of objects that the caller may change later: as results they are to be the same objects."""
CALLED = (FunctionType, MethodType, BuiltinFunctionType, partial)
"""Types of what a container may hold to be called."""
NAMED_BY_CODE = frozenset(
    {"__init__", "__new__", "__init_subclass__", "__class_getitem__", "__set_name__", "__del__",
     "__getstate__", "__setstate__", "__reduce__", "__reduce_ex__", "__getnewargs__", "__getnewargs_ex__",
     "__setattr__", "__delattr__", "__setitem__", "__delitem__", "__call__", "__enter__", "__exit__",
     "__aenter__", "__aexit__", "__iter__", "__next__", "__get__", "__set__", "__delete__", "__getitem__",
     "__repr__", "__post_init__", "__prepare__", "__setslice__"}
)  # fmt: skip
"""Special methods that instructions name, or that run for new objects only. All others of the user's may
be called by operators, builtins and libraries without being named."""


def own(func: Any) -> bool:
    """Is a function the user's own, wherever it lies? What attrs writes to show an object is not."""
    file = func.__code__.co_filename
    shows = func.__name__ == "__repr__" and file.startswith("<attrs generated")
    return own_file(file) and not shows


class Walker(Tables):
    """Walks functions and classes of the user's with what is known of their arguments."""

    def __init__(self) -> None:
        super().__init__()
        self.steps = STEPS
        self.walked: dict[tuple[CodeType, Origins], Value] = {}
        self.anew: set[CodeType] = set()
        """Code that is walked anew just now."""
        self.behind: set[int] = set()
        """Ids of the library's objects that were searched for the user's."""
        self.made_parts: dict[tuple[type, str], Value] = {}
        """What lives outside of the call and is an attribute of objects that the call makes."""
        self.shared: frozenset[int] = frozenset()
        self.of_items: frozenset[int] = frozenset()
        """Ids of the items that are known, and of their parts."""
        """Ids of the objects that several of the first items are or hold."""

    def given(self, value: Any, path: str) -> Value:
        """An item or a part of one: its own, or one that other items have, too."""
        if id(value) in self.shared:
            return Value(SHARED, "object of several items", path, value)
        return Value(GIVEN, "item", path, value)

    def know(self, *, unsure: bool) -> None:
        """Whether the next instruction runs for some calls only."""
        self.unsure = unsure

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
        parts = [part for item in items if type(item) in (list, tuple) for part in item[:32]]
        self.of_items = self.shared.union(map(id, (*items, *parts)))
        for item in items:
            self.held(item, "an item", given=id(item) not in self.shared)
            if type(item) in (list, tuple) and len(item) < 32:
                for part in item:
                    self.held(part, "a part of an item", given=id(part) not in self.shared)
        sample = self.given(items[0], "item") if len(items) else Value(GIVEN, "item", "item")
        if sample.obj is not MISSING:
            self.implicit(sample, 0)
        given = self.callable(func, [sample])
        if given.origin == SHARED and type(given.obj) in GIVEN_BACK:
            self.forbid_processes(f"it gives {given.phrase}, an object of the caller's")

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
            self.library_method(owner, func.__func__, this)
            return self.callable(func.__func__, [this, *args], named, depth + 1)
        if is_a(func, BuiltinFunctionType):
            return self.builtin(func, args, named)
        if is_a(func, FunctionType):
            if not own(func):
                self.known_call(func, f"{func.__module__}.{func.__qualname__}", args, named)
            return self.enter_function(func, args, named, depth)
        if type(func) is partialmethod:
            return self.callable(
                func.func, [*args[:1], *[FRESH] * len(func.args), *args[1:]], named, depth
            )
        if type(func) is MethodWrapperType:
            if func.__name__ in rules.STORING:
                self.keep(f"{func.__name__} changes '{full_name(func.__self__)}'")
            return FRESH
        if type(func) is methodcaller:
            return self.called_by_name(func, args, depth)
        if is_a(func, ReferenceType):
            target = type(func).__call__(func)
            return FRESH if target is None else Value(SHARED, "object", full_name(target), target)
        if is_a(func, type):
            return self.construct(func, args, named, depth)
        if is_a(func, staticmethod | classmethod):
            return self.callable(func.__func__, args, named, depth + 1)
        if type(func) in rules.UNBOUND or type(func).__module__ == "numpy":
            self.known_call(func, "", args, named)
            return FRESH
        wrapped = instance_attributes(func).get("__wrapped__", MISSING)
        if wrapped is not MISSING:
            given = self.callable(wrapped, args, named, depth + 1)
            if type(func).__name__ == "_lru_cache_wrapper":  # the next caller is given the same
                return Value(SHARED, "cached result of", full_name(wrapped))
            return given
        call = class_attribute(type(func), "__call__")
        self.held(func, "the function")
        if type(func).__qualname__ in rules.CALLED_ONCE:
            self.keep(f"calls a {type(func).__name__}, which is done then")
        self.object_called(func, call, depth)
        if is_a(call, FunctionType):
            this = Value(SHARED, "object", "self", func)
            return self.enter_function(call, [this, *args], named, depth)
        return FRESH

    def object_called(self, func: Any, call: Any, depth: int) -> None:
        """An object is called: what it may call in turn; of a library of which nothing is known, only a
        watched item tells more."""
        self.functions_behind(func, depth)
        root = str(type(func).__module__).partition(".")[0]
        if is_a(call, FunctionType) and not own(call) and root not in (*SCIENTIFIC, "amorsize"):
            self.unproven = self.unproven or f"a call of '{full_name(func)}', a library's object"

    def called_by_name(self, func: Any, args: list[Value], depth: int) -> Value:
        """A method of its argument, by the name that ``operator.methodcaller`` has."""
        maker, given = func.__reduce__()
        name = given[0] if maker is methodcaller else maker.args[0]  # a partial: it has keywords
        if not args or args[0].obj is MISSING or type(name) is not str:
            return FRESH
        method = class_attribute(type(args[0].obj), name)
        if is_a(method, FunctionType) and own(method):
            return self.enter_function(method, args[:1], {}, depth + 1)
        if name in CHANGES:
            self.change(args[0], f"{name} changes")
        return FRESH

    def library_method(self, owner: Any, func: Any, this: Value) -> None:
        """A bound method of a library's object, under whatever name."""
        if is_a(func, FunctionType) and not own(func):
            name = func.__name__
            if is_unread(owner):
                self.unproven = self.unproven or f"{name} of {this.phrase}, a library's object"
            if (
                name in CHANGES
                or name in rules.STORING
                or (self.unsure and may_change(owner, name))
            ):
                self.change(this, f"{name} changes")

    def functions_behind(self, value: Any, depth: int) -> None:
        """The user's functions that a library's object refers to: what it calls when it is called.

        In code that some items run: the methods of the user's objects that it has, too."""
        kind = type(value)
        if kind in BUILTIN_CONTAINERS or is_a(value, PLAIN):
            return
        if kind.__flags__ & HEAP_TYPE and own_module(str(kind.__module__)):
            return
        for one in (*get_referents(value), *instance_attributes(value).values()):
            if is_a(one, FunctionType | MethodType):
                if own(getattr(one, "__func__", one)):
                    self.callable(one, [], {}, depth + 1)
            elif self.unsure and not is_a(one, type) and own_module(str(type(one).__module__)):
                self.call_all_methods(Value(SHARED, "object", full_name(one), one), depth)

        walk_overrides(self, value, depth)

    def call_all_methods(self, value: Value, depth: int) -> None:
        """A library that has this object of the user's may call any of its methods."""
        kind = value.made_by or type(value.obj)
        for name in dir_of(kind):
            func = class_attribute(kind, name)
            if name[:2] != "__" and is_a(func, FunctionType) and own(func):
                self.enter_function(func, [value], {}, depth + 1)

    def builtin(self, func: Any, args: list[Value], named: dict[str, Value]) -> Value:
        """A function or method made in C."""
        owner = func.__self__
        if owner is not None and type(owner) is not ModuleType:
            draws = rules.draws(func, "")
            if not draws:
                self.held(owner, "the bound object")
            name = func.__name__
            if (
                name in CHANGES
                or name in rules.STORING
                or (self.unsure and not draws and may_change(owner, name))
            ):
                self.change(Value(SHARED, "bound", full_name(owner), owner), name)
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
            (self.unsure, *map(origins_of, args),
             *((name, origins_of(one)) for name, one in named.items())),
        )  # fmt: skip
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
        for value in cells.values():
            if type(value) is singledispatchmethod:
                self.dispatched(value, Value(SHARED, "object", "self", cells.get("obj")), depth)
        if depth and not own(func):
            return self.library_function(func, cells, args, depth)
        called = Function(code, func.__globals__, func.__qualname__, cells)
        frame = Frame(self, called, depth=depth)  # type: ignore[arg-type]
        defaults = func.__defaults__ or ()
        for default in (*defaults, *(func.__kwdefaults__ or {}).values()):
            self.held(default, "a default argument")
        fill(frame, args, named, defaults, func.__kwdefaults__ or {})
        self.walked[key] = result = frame.run()
        return result

    def dispatched(self, method: Any, this: Value, depth: int) -> None:
        """A method that chooses among functions by the class of its argument: all of them."""
        for func in method.dispatcher.registry.values():
            self.callable(func, [this, FRESH], {}, depth + 1)

    def enter_anew(self, func: Any, args: list[Value], depth: int) -> Value:
        """Walk a function whose way depends on what its arguments are, not only where they are from."""
        if func.__code__ in self.anew:
            return FRESH  # it asks itself
        kept, self.walked = self.walked, {}
        self.anew.add(func.__code__)
        try:
            return self.enter_function(func, args, {}, depth)
        finally:
            self.walked = kept
            self.anew.discard(func.__code__)

    def library_function(
        self, func: Any, cells: dict[str, Any], args: list[Value], depth: int
    ) -> Value:
        """A library's function is not walked; the user's functions that it closes over are."""
        held = [*cells.values(), instance_attributes(func).get("__wrapped__")]
        for value in held:
            self.functions_of(value, depth)
            if is_a(value, FunctionType | MethodType | partial):
                self.callable(value, args, {}, depth + 1)
        return FRESH

    def construct(
        self, kind: type, args: list[Value], named: dict[str, Value], depth: int = 0
    ) -> Value:
        """A call of a class: its ``__init__`` works on a new object."""
        made = Value(made_by=kind)
        shared = next(
            (one for one in args if one.origin == SHARED and not is_a(one.obj, (*PLAIN, type))),
            None,
        )
        if shared is not None and not own_module(str(kind.__module__)):
            made.take_element(Value(SHARED, PART, shared.path))
        for name, first in (
            ("__new__", Value(SHARED, "class", kind.__name__, kind)),
            ("__init__", made),
            ("__del__", made),
        ):
            func = class_attribute(kind, name)
            if is_a(func, staticmethod):
                func = func.__func__
            if is_a(func, FunctionType) and own(func):
                given, more = ([], {}) if name == "__del__" else (args, named)
                self.enter_function(func, [first, *given], more, depth + 1)
        missing = class_attribute(kind, "_missing_")  # of an enumeration
        if is_a(missing, classmethod) and own(missing.__func__):
            this = Value(SHARED, "class", kind.__name__, kind)
            self.enter_function(missing.__func__, [this, *args], {}, depth + 1)
        call = class_attribute(type(kind), "__call__")
        if is_a(call, FunctionType) and own(call):
            this = Value(SHARED, "class", kind.__name__, kind)
            self.enter_function(call, [this, *args], named, depth + 1)
        return made

    def special(self, base: Value, name: str, args: list[Value], depth: int) -> Value | None:
        """A special method of the user's class, called by an instruction; None where there is none."""
        kind = base.made_by or (type(base.obj) if base.obj is not MISSING else None)
        if kind is None or kind.__module__ == "builtins":
            return None
        func = class_attribute(kind, name)
        if is_a(func, FunctionType) and own(func):
            return self.enter_function(func, [base, *args], {}, depth + 1)
        return None

    def implicit(self, value: Value, depth: int) -> None:
        """The special methods of a shared object of the user's, which operators may call."""
        kind = type(value.obj)
        if not own_module(kind.__module__):
            return
        for name in dir_of(kind):
            if name[:2] == "__" and name not in NAMED_BY_CODE and name not in rules.STORING:
                func = class_attribute(kind, name)
                if is_a(func, FunctionType) and own(func):
                    self.enter_function(func, [value], {}, depth + 1)

    def functions_of(self, value: Any, depth: int, names: tuple[str, ...] = ()) -> None:
        """Functions in a container, which may be called by any of its keys; and of the objects of the
        user's in it the methods that the code names, where they are of several classes."""
        if type(value) is dict:
            value = value.values()
        elif type(value) not in (list, tuple):
            return
        kinds = dict(zip(map(type, islice(value, MOST_ENTRIES)), value, strict=False))
        callables = [kind for kind in kinds if issubclass(kind, CALLED)]
        classes = [kind for kind in kinds if own_module(str(kind.__module__))]
        for kind in classes:
            self.implicit(Value(SHARED, "object", kind.__name__, kinds[kind]), depth)
        if not callables and len(classes) < 2:
            return
        for one in islice(value, MOST_ENTRIES):
            kind = type(one)
            if kind in callables:
                self.callable(one, [], {}, depth + 1)
            elif kind in classes:
                classes.remove(kind)
                this = Value(SHARED, "object", full_name(one), one)
                for name in names:
                    func = class_attribute(kind, name)
                    if is_a(func, FunctionType) and own(func):
                        self.enter_function(func, [this], {}, depth + 1)

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
        key = (self.unsure, *map(origins_of, (*args, *named.values(), *captured)))
        if key in closure.walked:
            return closure.walked[key]
        closure.walked[key] = FRESH
        called = Function(code, frame.function.scope, code.co_name)
        inner = Frame(self, called, parent=closure.frame, depth=frame.depth + 1)  # type: ignore[arg-type]
        fill(inner, args, named)
        closure.walked[key] = result = inner.run()
        return result
