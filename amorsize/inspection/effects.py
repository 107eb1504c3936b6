"""Whether a function may run in threads, or leave the process, judged by its code and what it uses.

:mod:`amorsize.inspection.decode` walks the code without running it and tells where each value comes
from; here is what that means. Three verdicts, each a sentence for people:

* ``caller_only``: it changes what lives outside the call (globals, captured variables, ``self``, shared
  containers): another process would change a copy, two threads would race;
* ``no_threads``: it touches something that is one for the whole process (the working directory, the
  environment, the warning filters, pyplot's current figure ...);
* ``no_processes``: it uses what must not be shared by a fork or sent away (open files, sockets, database
  connections, locks, generators), or changes its item and returns nothing.

What cannot be seen (C code, callees in other modules beyond the tables) counts as safe: hidden state and
the global random state are documented as the user's affair.
"""

from __future__ import annotations

import builtins
import sys
from functools import partial
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType

from amorsize.core.model import Safety
from amorsize.inspection import instructions as _instructions  # noqa: F401 # fills ACTIONS
from amorsize.inspection.abstract_value import FRESH, GIVEN, MISSING, NEW, SHARED, Closure, Value
from amorsize.inspection.decode import Unreadable
from amorsize.inspection.interpret import Frame, Function
from amorsize.inspection.known_names import (
    CHANGEABLE,
    CHANGES,
    ONE_FOR_ALL_THREADS,
    OTHER_NAMES,
    PLAIN,
    PROCESS_WIDE,
    UNSAFE_MODULES,
)
from amorsize.inspection.objects import (
    class_attribute,
    full_name,
    instance_attributes,
    not_shared_by_fork,
    returns_nothing,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

STEPS = 20_000
"""Instructions looked at before what is left counts as safe: about 10 ms, in real code some hundred."""
DEPTH = 8
"""Calls followed into one another."""


def inspect_function(func: Callable[[Any], Any], items: Sequence[Any] = ()) -> Safety:
    """What speaks against threads or processes for ``func`` over data that begin with ``items``.

    Never raises; some hundred microseconds for an ordinary function."""
    judge = _Judge()
    try:
        judge.function(func, items)
    except _Decided:
        pass
    except (Unreadable, IndexError, RecursionError) as error:
        judge.cannot_read(error)
    except Exception:
        pass  # of objects that lie about themselves
    return Safety(judge.caller_only, judge.no_threads, judge.no_processes)


class _Decided(Exception):
    """Nothing more can be learned."""


class _Judge:
    """Gives the instructions their meaning (see ``bytecode.Judge``)."""

    def __init__(self) -> None:
        self.caller_only: str | None = None
        self.no_threads: str | None = None
        self.no_processes: str | None = None
        self.steps = STEPS
        self.changes_item: str | None = None
        self.walked: dict[tuple[CodeType, int], Value] = {}
        self.module = ""

    # ------------------------------------------------------------------ verdicts

    def keep(self, reason: str) -> None:
        """The function must not leave the caller."""
        if self.caller_only is None:
            self.caller_only = reason
        raise _Decided

    def forbid_threads(self, reason: str) -> None:
        self.no_threads = self.no_threads or reason

    def forbid_processes(self, reason: str) -> None:
        self.no_processes = self.no_processes or reason

    def held(self, value: Any, where: str) -> None:
        """A value that the function uses: may a fork share it?"""
        what = not_shared_by_fork(value)
        if what is not None:
            self.forbid_processes(f"{where} is {what}")

    # ------------------------------------------------------------------ functions

    def function(self, func: Any, items: Sequence[Any]) -> None:
        """The function that the user gave."""
        for item in items:
            self.held(item, "an item")
            if type(item) in (list, tuple) and len(item) < 32:
                for part in item:
                    self.held(part, "a part of an item")
        sample = Value(GIVEN, "item", "item", items[0] if len(items) else MISSING)
        self.callable(func, [sample])

    def callable(self, func: Any, args: list[Value]) -> Value:
        """A call of an object from outside of the call."""
        for _ in range(DEPTH):
            if type(func) is partial:
                for one in (*func.args, *func.keywords.values()):
                    self.held(one, "an argument of the partial")
                args = [
                    *(Value(SHARED, "argument", full_name(one), one) for one in func.args),
                    *args,
                ]
                func = func.func
            elif (
                wrapped := instance_attributes(func).get("__wrapped__")
            ) is not None and not isinstance(func, FunctionType | type):
                func = wrapped
            else:
                break
        if type(func) is MethodType:
            owner = func.__self__
            self.held(owner, "the bound object")
            return self.enter_function(
                func.__func__, [Value(SHARED, "object", "self", owner), *args], {}
            )
        if isinstance(func, BuiltinFunctionType):
            owner = func.__self__
            if owner is not None and type(owner) is not ModuleType:
                self.held(owner, "the bound object")
                if func.__name__ in CHANGES and not isinstance(owner, PLAIN):
                    self.keep(f"{func.__name__} changes a {type(owner).__name__} of the caller")
            self.named_call(func)
            return FRESH
        if isinstance(func, FunctionType):
            return self.enter_function(func, args, {})
        if isinstance(func, type):
            return self.construct(func, args, {})
        call = class_attribute(type(func), "__call__")
        self.held(func, "the function")
        if isinstance(call, FunctionType):
            return self.enter_function(call, [Value(SHARED, "object", "self", func), *args], {})
        return FRESH

    def enter_function(
        self, func: Any, args: list[Value], named: dict[str, Value], depth: int = 0
    ) -> Value:
        """Walk a function with these arguments."""
        code = func.__code__
        if depth > DEPTH:
            return FRESH
        # The names of arguments that live outside decide what a second walk could find.
        key = code, sum(1 << i for i, arg in enumerate(args[:30]) if arg.origin == SHARED)
        if key in self.walked:
            return self.walked[key]
        self.walked[key] = FRESH
        if not self.module:
            self.module = func.__module__ or ""
        wrapped = instance_attributes(func).get("__wrapped__")
        cells = {}
        for name, cell in zip(code.co_freevars, func.__closure__ or (), strict=True):
            try:
                cells[name] = cell.cell_contents
            except ValueError:
                cells[name] = MISSING
        called = Function(code, func.__globals__, func.__qualname__, cells)
        frame = Frame(self, called, depth=depth)
        defaults = func.__defaults__ or ()
        for default in (*defaults, *(func.__kwdefaults__ or {}).values()):
            self.held(default, "a default argument")
        self.fill(frame, code, args, named, defaults)
        self.walked[key] = result = frame.run()
        if depth == 0 and self.changes_item and returns_nothing(code) and not wrapped:
            self.forbid_processes(f"it returns nothing and {self.changes_item}")
        return result

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
            if place >= 0 and frame.locals[place] is None and isinstance(value, CHANGEABLE):
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
        init = class_attribute(kind, "__init__")
        if isinstance(init, FunctionType) and init.__module__ == self.module:
            self.enter_function(init, [made, *args], named, depth + 1)
        return made

    # ------------------------------------------------------------------ what bytecode.Judge asks

    def spend(self, steps: int) -> None:
        self.steps -= steps
        if self.steps < 0:
            raise _Decided

    def load_global(self, frame: Frame, name: str) -> Value:
        value = frame.function.scope.get(name, MISSING)
        if value is MISSING:
            value = getattr(builtins, name, MISSING)
            return Value(SHARED, "", name, value) if value is not MISSING else FRESH
        return self.found("global", name, value)

    def load_free(self, frame: Frame, name: str) -> Value:
        value = (frame.function.cells or {}).get(name, MISSING)
        return FRESH if value is MISSING else self.found("captured", name, value)

    def found(self, kind: str, name: str, value: Any) -> Value:
        """A value that lives outside the call."""
        if isinstance(value, ModuleType):
            self.use_module(value.__name__)
            return Value(SHARED, "", value.__name__, value)
        if isinstance(value, PLAIN) and not isinstance(value, tuple):
            return Value(obj=value)
        self.held(value, f"the {kind} '{name}'")
        if isinstance(value, FunctionType | BuiltinFunctionType | type):
            return Value(SHARED, "", name, value)
        return Value(SHARED, kind, name, value)

    def store_global(self, frame: Frame, name: str, verb: str) -> None:
        self.keep(f"{verb} the global '{name}'")

    def store_free(self, frame: Frame, name: str) -> None:
        self.keep(f"stores to the captured variable '{name}'")

    def store_part(self, frame: Frame, base: Value, name: str | None, verb: str) -> None:
        part = f"attribute '{name}' of " if name else "an element of "
        if base.origin == SHARED:
            wide = PROCESS_WIDE.get(base.path)
            if wide is not None or isinstance(base.obj, ModuleType):
                self.keep(f"{verb} {part}{base.path}")
            if type(base.obj).__name__ == "local":  # threading.local
                self.forbid_processes(f"{verb} {part}{base.phrase}")
                return
            self.keep(f"{verb} {part}{base.phrase}")
        elif base.origin == GIVEN:
            self.changes_item = self.changes_item or f"{verb} {part}its item"

    def attribute(self, frame: Frame, base: Value, name: str) -> Value:
        if base is FRESH:
            return Value(base=base, attr=name)
        obj = base.obj
        found: Any = MISSING
        if isinstance(obj, ModuleType):
            found = vars(obj).get(name, MISSING)
            path = f"{obj.__name__}.{name}"
            self.use_module(obj.__name__)
            if isinstance(found, ModuleType):
                return Value(SHARED, "", found.__name__, found)
            if found is not MISSING and not isinstance(found, PLAIN):
                if path not in PROCESS_WIDE and path not in (
                    "sys.stdout",
                    "sys.stderr",
                    "sys.stdin",
                ):
                    self.held(found, path)
                kind = "" if path in PROCESS_WIDE or callable(found) else "global"
                return Value(SHARED, kind, path, found, base=base, attr=name)
            return Value(base=base, attr=name, obj=found, path=path)
        if base.made_by is not None:
            found = class_attribute(base.made_by, name)
            return Value(NEW, obj=found, base=base, attr=name)
        if obj is not MISSING:
            found = instance_attributes(obj).get(name, MISSING)
            if found is MISSING:
                found = class_attribute(obj if isinstance(obj, type) else type(obj), name)
                if isinstance(found, property) and isinstance(found.fget, FunctionType):
                    if found.fget.__module__ == self.module:
                        return self.enter_function(found.fget, [base], {}, frame.depth + 1)
                    found = MISSING
            elif base.origin == SHARED:
                self.held(found, f"the attribute '{name}' of {base.phrase}")
        if isinstance(found, PLAIN) and not isinstance(found, tuple):
            return Value(obj=found, base=base, attr=name)
        path = f"{base.path}.{name}" if base.path else name
        return Value(base.origin, base.kind, path, found, base=base, attr=name)

    def super_attribute(self, frame: Frame, base: Value, name: str) -> Value:
        return Value(base.origin, base.kind, base.path, base=base, attr=name)

    def subscript(self, frame: Frame, base: Value, key: Value) -> Value:
        return self.element(base)

    def element(self, base: Value) -> Value:
        if base.inner is not None:
            return base.inner
        if base.origin == NEW:
            return FRESH
        sample = MISSING
        if type(base.obj) in (list, tuple) and base.obj:
            sample = base.obj[0]
        elif type(base.obj) is dict and base.obj:
            sample = next(iter(base.obj.values()))
        if isinstance(sample, PLAIN) and not isinstance(sample, tuple):
            return FRESH
        if type(base.obj).__module__ == "numpy" or isinstance(base.obj, str | bytes | range):
            return FRESH if base.origin == GIVEN else Value(base.origin, base.kind, base.path)
        return Value(base.origin, base.kind, f"{base.path}[...]", sample)

    def in_place(self, frame: Frame, left: Value, operator: str) -> Value:
        changeable = isinstance(left.obj, CHANGEABLE) or (
            left.obj is not MISSING and hasattr(type(left.obj), operator)
        )
        if changeable and left.origin == SHARED:
            self.keep(f"changes {left.phrase}")
        if changeable and left.origin == GIVEN:
            self.changes_item = self.changes_item or "changes its item"
        return left if changeable else FRESH

    def import_module(self, frame: Frame, name: str, level: Any, names: Any) -> Value:
        if level:
            return FRESH
        self.use_module(name)
        whole = sys.modules.get(name if names else name.partition(".")[0])
        return FRESH if whole is None else Value(SHARED, "", whole.__name__, whole)

    def enter(self, frame: Frame, manager: Value) -> Value:
        return manager if manager.origin == SHARED else FRESH

    def call(
        self,
        frame: Frame,
        callee: Value,
        args: list[Value],
        named: dict[str, Value],
        spread: Value | None,
    ) -> Value:
        for value in (*args, *named.values()):
            if isinstance(value.func, Closure):
                self.call_unseen(frame, value.func)
        if isinstance(callee.func, Closure):
            return self.walk_closure(frame, callee.func, args, named)
        obj: Any = callee.obj
        base = callee.base
        if base is not None and callee.attr in CHANGES and not isinstance(base.obj, ModuleType):
            self.change_by_method(callee, base)
        if isinstance(obj, MethodType):
            obj, args = obj.__func__, [Value(SHARED, "object", "self", obj.__self__), *args]
        elif isinstance(obj, FunctionType) and base is not None and base.made_by is None:
            if not isinstance(base.obj, ModuleType | type):
                args = [base, *args]
        elif isinstance(obj, FunctionType) and base is not None and base.made_by is not None:
            args = [base, *args]
        if isinstance(obj, staticmethod | classmethod):
            first = [] if isinstance(obj, staticmethod) else [FRESH]
            obj, args = obj.__func__, [*first, *args]
        self.named_call(obj, callee.path)
        if obj is MISSING or obj is None:
            return FRESH
        if isinstance(obj, FunctionType) and obj.__module__ == self.module:
            return self.enter_function(obj, args, named, frame.depth + 1)
        if isinstance(obj, type) and obj.__module__ == self.module:
            return self.construct(obj, args, named, frame.depth)
        return FRESH

    def change_by_method(self, callee: Value, base: Value) -> None:
        """``base.append(...)`` and the like."""
        defined = callee.obj
        if isinstance(defined, FunctionType):
            return  # a method of the user's class: it is walked
        if base.origin == SHARED and not isinstance(base.obj, PLAIN):
            if type(base.obj).__module__ in ("queue", "_queue"):
                return
            self.keep(f"{callee.attr} changes {base.phrase}")
        elif base.origin == GIVEN and not isinstance(base.obj, PLAIN):
            self.changes_item = self.changes_item or f"{callee.attr} changes its item"

    def call_unseen(self, frame: Frame, closure: Closure) -> None:
        if not closure.called:
            self.walk_closure(frame, closure, [], {})

    def walk_closure(
        self, frame: Frame, closure: Closure, args: list[Value], named: dict[str, Value]
    ) -> Value:
        """A function made inside, called or handed on."""
        if frame.depth > DEPTH:
            return FRESH
        again = closure.mark_called()
        if again and not any(arg.origin for arg in args):
            return FRESH
        code = closure.code
        called = Function(code, frame.function.scope, code.co_name)
        inner = Frame(self, called, parent=closure.frame, depth=frame.depth + 1)
        self.fill(inner, code, args, named, ())
        return inner.run()

    def cannot_read(self, error: Exception) -> None:
        """What is not read is not safe: the run stays in the caller."""
        if self.caller_only is None:
            self.caller_only = (
                f"its code cannot be read on this Python ({error or 'a stack differs'})"
            )

    # ------------------------------------------------------------------ tables

    def named_call(self, func: Any, path: str = "") -> None:
        """A function or class by the path it was read from, or by its own name."""
        name = f"{getattr(func, '__module__', '')}.{getattr(func, '__qualname__', '')}"
        for known in (path, OTHER_NAMES.get(name, name)):
            wide = ONE_FOR_ALL_THREADS.get(known)
            if wide is not None:
                self.forbid_threads(f"{known} changes {wide}, which is one for all threads")

    def use_module(self, name: str) -> None:
        """Something of a module is used."""
        reason = UNSAFE_MODULES.get(name)
        if reason is not None:
            self.forbid_threads(reason)
