"""Gives the instructions of a function their meaning: what is loaded, stored and called changes what?"""

from __future__ import annotations

import builtins
import sys
from collections import defaultdict
from functools import cached_property, singledispatchmethod
from types import BuiltinFunctionType, FunctionType, ModuleType

from amorsize.inspection import call_rules as rules
from amorsize.inspection.abstract_value import (
    FRESH,
    GIVEN,
    MISSING,
    NEW,
    PART,
    SHARED,
    VIEW,
    Closure,
    Value,
    is_local,
    is_part,
)
from amorsize.inspection.bindings import is_iterator
from amorsize.inspection.known_names import CHANGEABLE, PLAIN, PROCESS_WIDE
from amorsize.inspection.methods import ANY_NAME, LOCKS, Methods
from amorsize.inspection.objects import class_attribute, instance_attributes, sample_of
from amorsize.inspection.origins import is_a, own_module
from amorsize.inspection.verbs import gives_parts
from amorsize.inspection.walker import own

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from amorsize.inspection.interpret import Frame

STREAMS = ("sys.stdout", "sys.stderr", "sys.stdin")


class Judge(Methods):
    """What :class:`amorsize.inspection.interpret.Frame` asks."""

    def load_global(self, frame: Frame, name: str) -> Value:
        value = frame.function.scope.get(name, MISSING)
        if value is MISSING:
            value = getattr(builtins, name, MISSING)
            return Value(SHARED, "", name, value) if value is not MISSING else FRESH
        return self.found("global", name, value, frame)

    def load_free(self, frame: Frame, name: str) -> Value:
        value = (frame.function.cells or {}).get(name, MISSING)
        return FRESH if value is MISSING else self.found("captured", name, value, frame)

    def found(self, kind: str, name: str, value: Any, frame: Frame) -> Value:
        """A value that lives outside the call."""
        if is_a(value, ModuleType):
            self.use_module(value.__name__)
            return Value(SHARED, "", value.__name__, value)
        if is_a(value, PLAIN) and not is_a(value, tuple):
            return Value(obj=value)
        self.held(value, f"the {kind} '{name}'")
        if is_a(value, FunctionType | BuiltinFunctionType | type):
            named = Value(SHARED, "", name, value)
            if type(type(value)) is type and type(value) not in (type, FunctionType):
                self.implicit(named, frame.depth)  # of a metaclass
            return named
        shared = Value(SHARED, kind, name, value)
        self.implicit(shared, frame.depth)
        self.functions_of(value, frame.depth, frame.code.co_names)
        return shared

    def store_global(self, frame: Frame, name: str, verb: str) -> None:
        self.keep(f"{verb} the global '{name}'")

    def store_free(self, frame: Frame, name: str) -> None:
        self.keep(f"stores to the captured variable '{name}'")

    def store_part(self, frame: Frame, base: Value, name: str | None, verb: str) -> None:
        part = f"attribute '{name}' of " if name else "an element of "
        if base.kind in (PART, VIEW) and not self.unsure:
            self.change_part(base, f"{verb} {part.rstrip()}")
            return
        if base.origin == SHARED:
            wide = PROCESS_WIDE.get(base.path)
            if wide is not None or is_a(base.obj, ModuleType):
                self.keep(f"{verb} {part}{base.path}")
            if is_local(base.obj):
                self.store_local(base.obj, name, f"{verb} {part}{base.phrase}")
                return
            self.keep(f"{verb} {part}{base.phrase}")
        elif base.origin == GIVEN:
            self.change_item(f"it {verb} {part}its item")
        elif name is None:
            self.special(base, "__setitem__", [FRESH, FRESH], frame.depth)

    def attribute(self, frame: Frame, base: Value, name: str) -> Value:
        if base is FRESH:
            return Value(base=base, attr=name)
        obj = base.obj
        if is_a(obj, ModuleType):
            return self.module_attribute(frame, base, obj, name)
        if base.made_by is not None:
            return self.new_attribute(frame, base, name)
        found: Any = MISSING
        if name == "__class__" and obj is not MISSING:
            return Value(SHARED, "class", type(obj).__name__, type(obj), base=base, attr=name)
        if obj is not MISSING:
            found = instance_attributes(obj).get(name, MISSING)
            if found is MISSING:
                found = class_attribute(obj if is_a(obj, type) else type(obj), name)
                if found is MISSING and is_a(obj, type):
                    found = class_attribute(type(obj), name)
                reached = self.computed_attribute(frame, base, found, name)
                if reached is None and found is MISSING:
                    reached = self.missing_attribute(frame, base, name)
                if reached is not None:
                    return reached
            elif base.origin == SHARED:
                if base.path.endswith("[...]"):  # other elements may not have worked it out yet
                    self.computed_attribute(frame, base, class_attribute(type(obj), name), name)
                self.held(found, f"the attribute '{name}' of {base.phrase}")
            if base.origin == SHARED and type(found) in (list, tuple, dict):
                self.functions_of(found, frame.depth, frame.code.co_names)
            elif base.origin == SHARED and found is not MISSING:
                self.implicit(Value(SHARED, base.kind, f"{base.path}.{name}", found), frame.depth)
        if is_a(found, PLAIN) and not is_a(found, tuple):
            return Value(obj=found, base=base, attr=name)
        path = f"{base.path}.{name}" if base.path else name
        origin = SHARED if id(found) in self.shared else base.origin
        made = self.made_for(obj, name) if found is MISSING else None
        return Value(origin, base.kind, path, found, base=base, attr=name, made_by=made)

    def module_attribute(self, frame: Frame, base: Value, module: ModuleType, name: str) -> Value:
        """A name of a module."""
        if name == "__dict__":
            return Value(SHARED, "", f"{module.__name__}.__dict__", vars(module))
        found = vars(module).get(name, MISSING)
        path = f"{module.__name__}.{name}"
        self.use_module(module.__name__)
        if is_a(found, ModuleType):
            return Value(SHARED, "", found.__name__, found)
        if found is not MISSING and not is_a(found, PLAIN):
            if path not in PROCESS_WIDE and path not in STREAMS and not rules.draws(found, path):
                self.held(found, path)
            kind = "" if path in PROCESS_WIDE or callable(found) else "global"
            shared = Value(SHARED, kind, path, found, base=base, attr=name)
            if own_module(module.__name__) and not is_a(found, FunctionType | type):
                self.implicit(shared, frame.depth)
                self.functions_of(found, frame.depth, frame.code.co_names)
            return shared
        return Value(base=base, attr=name, obj=found, path=path)

    def new_attribute(self, frame: Frame, base: Value, name: str) -> Value:
        """An attribute of an object that the call made."""
        kind = base.made_by
        assert kind is not None
        if name == "__class__":
            return Value(SHARED, "class", kind.__name__, kind)
        found = class_attribute(kind, name)
        reached = self.computed_attribute(frame, base, found, name)
        if reached is not None:
            return reached
        part = self.made_parts.get((kind, name))
        if part is not None and found is MISSING:
            return Value(SHARED, part.kind, part.path, part.obj, base=base, attr=name)
        if is_a(found, CHANGEABLE) or self.is_object(found):  # shared by all objects of the class
            return Value(SHARED, "class attribute", name, found, base=base, attr=name)
        return Value(NEW, obj=found, base=base, attr=name)

    @staticmethod
    def is_object(found: Any) -> bool:
        """Is what a class has under a name an object with a state, rather than a value or a method?"""
        if found is MISSING or is_a(found, PLAIN) or is_a(found, type | ModuleType):
            return False
        return class_attribute(type(found), "__get__") is MISSING

    def computed_attribute(self, frame: Frame, base: Value, found: Any, name: str) -> Value | None:
        """A property or another descriptor of the user's; None where there is none."""
        if is_a(found, property):
            func: Any = found.fget
        elif is_a(found, cached_property):
            func = found.func
        elif type(found) is singledispatchmethod:
            self.dispatched(found, base, frame.depth)
            return FRESH
        else:
            func = class_attribute(type(found), "__get__") if found is not MISSING else None
            if is_a(found, FunctionType) or not is_a(func, FunctionType):
                return None
            if own(func):
                shared = Value(SHARED, "descriptor", type(found).__name__, found)
                return self.enter_function(func, [shared, base, FRESH], {}, frame.depth + 1)
            return None
        if is_a(func, FunctionType) and own(func):
            return self.enter_function(func, [base], {}, frame.depth + 1)
        if not is_a(found, property):
            return None
        return Value(SHARED, VIEW, f"{base.path}.{name}") if base.origin == SHARED else FRESH

    def missing_attribute(self, frame: Frame, base: Value, name: str) -> Value | None:
        """What the user's ``__getattr__`` gives for a name; None where there is none."""
        func = class_attribute(type(base.obj), "__getattr__")
        if not is_a(func, FunctionType) or not own(func):
            return None
        return self.enter_anew(func, [base, Value(obj=name)], frame.depth + 1)

    def super_attribute(self, frame: Frame, base: Value, name: str) -> Value:
        found = MISSING
        kind = base.made_by or (type(base.obj) if base.obj is not MISSING else None)
        for parent in type.__dict__["__mro__"].__get__(kind)[1:] if kind is not None else ():
            found = type.__dict__["__dict__"].__get__(parent).get(name, MISSING)
            if found is not MISSING:
                break
        return Value(base.origin, base.kind, base.path, found, base=base, attr=name)

    def subscript(self, frame: Frame, base: Value, key: Value) -> Value:
        if base.obj is not MISSING or base.made_by is not None:
            reached = self.special(base, "__getitem__", [key], frame.depth)
            if reached is not None:
                return reached
        if is_a(base.obj, type):
            func = class_attribute(base.obj, "__class_getitem__")
            func = func.__func__ if is_a(func, classmethod) else func
            if is_a(func, FunctionType) and own(func):
                return self.enter_function(func, [base, key], {}, frame.depth + 1)
        parts = base.obj
        if base.origin == SHARED and type(parts) is defaultdict and parts.default_factory:
            self.change(base, "reading a missing key of a defaultdict changes")
        counted = type(parts) in (list, tuple) and type(key.obj) is int and base.origin
        if counted and -len(parts) <= key.obj < len(parts):
            return self.part(base, parts[key.obj])
        named = type(parts) is dict and base.origin and type(key.obj) in (str, int)
        if named and key.obj in parts:
            return self.part(base, parts[key.obj])
        return self.element(base)

    def part(self, base: Value, value: Any) -> Value:
        """An element of a container that lives outside the call."""
        if is_a(value, PLAIN) and not is_a(value, tuple):
            return Value(obj=value) if base.origin == SHARED else FRESH  # others have another
        path = f"{base.path}[...]"
        if base.origin == GIVEN:
            self.held(value, f"an element of {base.phrase}", given=id(value) not in self.shared)
            return self.given(value, path)
        self.held(value, f"an element of {base.phrase}")
        return Value(base.origin, base.kind, path, value)

    def element(self, base: Value) -> Value:
        if base.inner is not None:
            return base.inner
        if base.origin == NEW:
            return FRESH
        sample = sample_of(base.obj)
        if is_a(sample, PLAIN) and not is_a(sample, tuple):
            return FRESH
        if is_a(base.obj, str | bytes | range):
            return FRESH
        if type(base.obj).__module__ == "numpy":
            return Value(base.origin, base.kind, base.path)
        if sample is not MISSING and base.origin == SHARED:
            self.held(sample, f"an element of {base.phrase}")
        origin = SHARED if id(sample) in self.shared else base.origin
        return Value(origin, base.kind, f"{base.path}[...]", sample)

    def iterate(self, frame: Frame, base: Value) -> Value:
        """``for``, ``*`` and unpacking ask for an iterator of the value: its elements."""
        if base.origin == GIVEN and is_iterator(base.obj):
            self.change_item("it takes from its item")
        self.special(base, "__iter__", [], frame.depth)
        self.special(base, "__next__", [], frame.depth)
        return self.element(base)

    def in_place(self, frame: Frame, left: Value, operator: str) -> Value:
        changeable = is_a(left.obj, CHANGEABLE) or (
            left.obj is not MISSING and class_attribute(type(left.obj), operator) is not MISSING
        )
        if changeable or (left.obj is MISSING and left.origin == SHARED and is_part(left)):
            self.change(left, "changes")
        return left if changeable else self.computed(left)

    def import_module(self, frame: Frame, name: str, level: Any, names: Any) -> Value:
        if level:
            package = frame.function.scope.get("__package__") or ""
            for _ in range(level - 1):
                package = package.rpartition(".")[0]
            name = f"{package}.{name}" if name else package
            names = names or ("",)
        self.use_module(name)
        whole = sys.modules.get(name if names else name.partition(".")[0])
        return (
            FRESH if whole is None else Value(SHARED, "", name if names else whole.__name__, whole)
        )

    def enter(self, frame: Frame, manager: Value) -> Value:
        if manager.origin == SHARED and type(manager.obj).__name__ in LOCKS:
            self.locked.add(frame.code)
            self._waits = self._waits or type(manager.obj).__name__ not in ("lock", "RLock")
        entered = self.special(manager, "__enter__", [], frame.depth)
        self.special(manager, "__exit__", [FRESH] * 3, frame.depth)
        if entered is not None:
            return entered
        return manager if manager.origin == SHARED or manager.inner is not None else FRESH

    def call(
        self,
        frame: Frame,
        callee: Value,
        args: list[Value],
        named: dict[str, Value],
        spread: Value | None,
    ) -> Value:
        place, base = self._at, callee.base
        given = self.called(frame, callee, args, named, spread)
        if given is FRESH and is_a(callee.obj, BuiltinFunctionType):
            given = self.computed(*args)
        given = self.after_call(callee, args, given, frame, place)
        if given is not FRESH or base is None or base.origin != SHARED:
            return given
        parts = gives_parts(base.obj, callee.attr, callee.obj)
        return Value(SHARED, PART, f"{base.path}.{callee.attr}()", base=base) if parts else FRESH

    def called(
        self,
        frame: Frame,
        callee: Value,
        args: list[Value],
        named: dict[str, Value],
        spread: Value | None,
    ) -> Value:
        """What a call gives; FRESH where that is not known."""
        if spread is not None and spread.origin and not args:
            args = [spread] * 3
        if isinstance(callee.func, Closure):
            self.hand_on(frame, (*args, *named.values()))
            return self.walk_closure(frame, callee.func, args, named)
        base = callee.base
        if base is None:
            self.method_under_a_name(frame, callee, args)
        elif not is_a(base.obj, ModuleType):
            self.method(frame, callee, base, args)
            if callee.attr == "mkdir" and "exist_ok" not in named:
                self.make_folder(base)
            if "inplace" in named and named["inplace"].obj is True:
                self.change(base, f"{callee.attr} changes")
        self.hand_on(frame, tuple(named.values()))
        known = self.known_result(frame, callee, args)
        if known is not None:
            return known
        obj, args = self.bound(callee, args)
        if not rules.ASKS_CLASSES.isdisjoint((rules.name_of_callable(obj), callee.path)):
            return FRESH
        plain = base is None or is_a(base.obj, ModuleType)
        if rules.opens_to_write(obj, callee.attr, args, named, None if plain else base):
            self.keep("writes to a file that its items share")
        in_module = base is None or base.obj is MISSING or is_a(base.obj, ModuleType)
        path = callee.path if in_module else ""
        if obj is MISSING or obj is None:
            self.hand_on(frame, (*args, *named.values()))
            self.known_call(None, path, args, named)
            return FRESH
        if is_a(obj, FunctionType):
            self.known_call(obj, path, args, named)
            if own(obj):
                return self.enter_function(obj, args, named, frame.depth + 1)
        elif is_a(obj, type):
            self.known_call(obj, path, args, named)
            self.hand_on(frame, (*args, *named.values()))
            return self.construct(obj, args, named, frame.depth)
        self.hand_on(frame, (*args, *named.values()))
        if not is_a(obj, FunctionType):
            self.known_call(obj, path, args, named)
        return self.callable(obj, args, named, frame.depth + 1)

    @staticmethod
    def bound(callee: Value, args: list[Value]) -> tuple[Any, list[Value]]:
        """The function behind a method, with the object before the arguments."""
        obj: Any = callee.obj
        base = callee.base
        if is_a(obj, FunctionType) and base is not None:
            if base.made_by is not None or not is_a(base.obj, ModuleType | type):
                args = [base, *args]
        elif is_a(obj, staticmethod):
            obj = obj.__func__
        elif is_a(obj, classmethod):
            kind = None if base is None else base.made_by or base.obj
            if kind is not None and not is_a(kind, type):
                kind = type(kind) if kind is not MISSING else None
            first = FRESH if kind is None else Value(SHARED, "class", kind.__name__, kind)
            obj, args = obj.__func__, [first, *args]
        elif type(obj) in rules.UNBOUND and base is not None and not is_a(base.obj, type):
            obj = None  # a method of an object: what it changes was seen
        return obj, args

    def known_result(self, frame: Frame, callee: Value, args: list[Value]) -> Value | None:
        """What some builtins and methods give is known: a part of what they are given."""
        name = rules.name_of_callable(callee.obj)
        base = callee.base
        if "decimal.getcontext" in (name.removeprefix("_"), callee.path):
            return Value(SHARED, "", "the decimal context")
        if name == "builtins.globals":
            return Value(SHARED, "global", "globals()", frame.function.scope)
        if name == "builtins.type" and len(args) == 1:
            return self.attribute(frame, args[0], "__class__") if args[0] is not FRESH else FRESH
        if not rules.IMPORTS.isdisjoint((name, callee.path)) and len(args) == 1:
            module = sys.modules.get(args[0].obj) if type(args[0].obj) is str else None
            if module is not None and is_a(module, ModuleType) and "." not in module.__name__:
                return self.found("global", module.__name__, module, frame)
        if name == "builtins.vars" and args and is_a(args[0].obj, ModuleType):
            return self.attribute(frame, args[0], "__dict__")
        if name == "builtins.vars" and args:
            return Value(args[0].origin, args[0].kind, f"{args[0].path}.__dict__")
        if name == "builtins.getattr" and len(args) > 1:
            if type(args[1].obj) is str:
                return self.attribute(frame, args[0], args[1].obj)
            return Value(
                args[0].origin, args[0].kind, f"{args[0].path}.?", base=args[0], attr=ANY_NAME
            )
        if name == "builtins.setattr" and len(args) > 1:
            self.store_part(frame, args[0], str(args[1].obj), "stores to")
            return FRESH
        if name == "builtins.exec" and len(args) == 1:
            self.keep("runs code that is not read")
        if name in ("builtins.exec", "builtins.eval") and any(
            one.origin == SHARED for one in args[1:]
        ):
            self.keep("runs code that is not read, in a namespace that items share")
        if (name == "builtins.type" and len(args) == 3) or (name == "types.new_class" and args[1:]):
            self.derive(args[1], frame.depth)
        if name in ("builtins.list", "builtins.tuple", "builtins.sorted", "builtins.zip",
                    "builtins.enumerate", "builtins.iter", "builtins.reversed") and args:  # fmt: skip
            inner = self.iterate(frame, args[0])
            return Value(inner=inner if inner.origin else None)
        if base is None or (base.origin == NEW and base.inner is None):
            return base if base is not None and callee.attr in rules.VIEWS and base.origin else None
        if is_a(callee.obj, FunctionType) and own(callee.obj):
            return None
        if callee.attr in rules.ELEMENTS:
            return FRESH if self.takes_connection(base, callee.attr) else self.element(base)
        if callee.attr in rules.PARTS:
            return Value(inner=self.element(base))
        if callee.attr in rules.VIEWS:
            first = args[0] if is_a(base.obj, ModuleType) and args else base
            return first if first.origin else None
        return None
