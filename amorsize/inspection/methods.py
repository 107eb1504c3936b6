"""What the call of a method means, and of functions that are handed to a call."""

from __future__ import annotations

import codecs
from abc import ABCMeta
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType

from amorsize.inspection import call_rules as rules
from amorsize.inspection.abstract_value import (
    FRESH,
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
from amorsize.inspection.decode import FLAG_SHIFT
from amorsize.inspection.known_names import CHANGES, OF_THE_THREAD
from amorsize.inspection.listeners import log_is_heard
from amorsize.inspection.objects import class_attribute, dir_of
from amorsize.inspection.origins import is_a, own_module
from amorsize.inspection.verbs import (
    gives_anew,
    is_document,
    is_made_to_change,
    is_unread,
    may_change,
)
from amorsize.inspection.walker import Walker, own

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from amorsize.inspection.interpret import Frame

QUEUES = ("queue", "_queue")
FLAGS = ("decimal", "Context")
"""The class whose methods raise flags of their object, by what they compute."""
ANY_NAME = "?"
"""The attribute that ``getattr`` gives where its name is not known."""
LOCKS = frozenset({"lock", "RLock", "Condition", "Semaphore", "BoundedSemaphore"})
"""Classes whose ``with`` lets one thread in at a time."""
SIGNALS_OF = {
    "Event": ("set", "clear"), "Semaphore": ("acquire", "release"),
    "BoundedSemaphore": ("acquire", "release"), "Condition": ("notify", "notify_all"),
    "Barrier": ("wait", "abort", "reset"), "lock": ("locked",),
}  # fmt: skip
"""Methods by which threads tell one another something, by class."""
MAKING = frozenset({"__new__", "__init__", "__del__", "__init_subclass__", "__class_getitem__"})
"""Methods that are walked where objects are made."""
CARRYING = ("__reduce__", "__reduce_ex__", "__getstate__", "__getnewargs__", "__getnewargs_ex__")
"""Methods by which an object is pickled and copied."""
NOT_CALLING = frozenset(
    {"builtins", "abc", "typing", "enum", "collections", "collections.abc", "types"}
)
"""Modules of base classes whose methods call no other method of an object that is handed to a call."""
POOL_METHODS = {"pop": "take", "popleft": "take", "append": "give", "appendleft": "give"}
"""A list from which things are taken and to which they are given back, with a lock held, is a pool."""
IN_PLACE_ONLY = frozenset({"setdefault", "update", "clear", "extend", "popitem", "move_to_end"})
"""Methods that change a container and have no other meaning: an `append` or `insert` of pandas'
gives something new."""
EMPTY_NAMES = frozenset(
    {"IndexError", "LookupError", "Empty", "Exception", "acquire", "wait", "wait_for"}
)
"""Names in code that is ready for an empty pool."""
NAME_SHIFT = {"LOAD_ATTR": FLAG_SHIFT, "LOAD_METHOD": 0, "LOAD_GLOBAL": 1, "LOAD_DEREF": 0}
"""Instructions that name a container or its method, with how far their argument is shifted."""
QUEUE_METHODS = {"get": "take", "get_nowait": "take", "put": "give", "put_nowait": "give"}
"""So is a queue of connections, which has its lock with it."""


class Methods(Walker):
    """Judges methods of objects."""

    def method(self, frame: Frame, callee: Value, base: Value, args: list[Value]) -> None:
        """``base.append(...)`` and the like."""
        defined, name = callee.obj, callee.attr
        if name == ANY_NAME:
            self.any_method(base, args, frame.depth)
            return
        if is_a(defined, FunctionType) and own(defined):
            return  # a method of the user's class: it is walked
        known = base.origin == SHARED and base.obj is not MISSING
        if (known or base.made_by is not None) and defined is not MISSING:
            self.inherited(base, frame.depth)
        if known and not is_a(base.obj, ModuleType | type):
            self.functions_behind(base.obj, frame.depth)
        if known and is_unread(base.obj):
            self.unproven = self.unproven or f"{name} of {base.phrase}, a library's object"
        rarely = self.unsure and name in IN_PLACE_ONLY
        if base.kind == VIEW and name not in rules.STORING and not rarely:
            return
        if name in ("decode", "encode"):
            self.handlers_of(args, frame.depth)
        place = rules.OUTPUT_AT.get(name, len(args))
        if place < len(args):
            self.change(args[place], f"{name} changes")
        use = self.pool_use(frame, base, name)
        if use is not None:
            self.pools.setdefault(id(base.obj), (base, set()))[1].add(use)
            if use == "take":
                self.take_from(frame, base, waits=name == "get")
        elif (name in CHANGES and not gives_anew(base.obj, name)) or name in rules.STORING:
            if is_a(base.obj, type) and args:  # list.append(out, x)
                return
            self.change(base, f"{name} changes")
        elif base.origin == SHARED and name in SIGNALS_OF.get(type(base.obj).__name__, ()):
            if type(base.obj).__module__ in ("threading", "_thread"):
                self.keep(f"{name} changes {base.phrase}")
        elif base.origin == SHARED and type(base.obj).__name__ == "ContextVar" and name == "set":
            # Within another function it may be set in a copy of the context.
            if "reset" not in frame.code.co_names and not frame.depth:
                self.keep(f"{name} changes {base.phrase}")
        elif base.origin == SHARED and type(base.obj).__module__ in QUEUES:
            if name in QUEUE_METHODS:
                self.keep(f"{name} changes {base.phrase}")
        elif base.origin == SHARED and self.unsure and may_change(document(base), name, defined):
            self.keep(f"some items call {name} of {base.phrase}, which may change it")
        elif base.origin == SHARED and log_is_heard(base.obj, name):
            self.keep("it logs, and the caller keeps what is logged, in its order")
        elif (
            base.origin == SHARED and (type(base.obj).__module__, type(base.obj).__name__) == FLAGS
        ):
            self.keep(f"{name} raises flags of {base.phrase}")
        elif (
            base.origin == SHARED
            and name in rules.FILE_WRITERS
            and type(base.obj).__module__.startswith("pathlib")
        ):
            self.keep(f"{name} changes a file that its items share")

    def after_call(
        self, callee: Value, args: list[Value], given: Value, frame: Frame, place: int
    ) -> Value:
        """What a call gives, of a thread the one that the process knows.

        A call whose result nobody uses is made for what it changes: of a library's function that only
        some items call no look tells what that is."""
        func = callee.obj
        if func is MISSING or callee.func is not None:
            return given
        name, base = rules.name_of_callable(func), callee.base
        lock = base is not None and base.origin == SHARED and type(base.obj).__name__ in LOCKS
        if lock and base is not None and callee.attr == "acquire" and not frame.drops(place):
            self.keep(f"acquire tells who was first to have {base.phrase}")
        if given is FRESH and not OF_THE_THREAD.isdisjoint((name, callee.path)):
            return given if "get_" in name else Value(SHARED, "", f"what {name} gives")
        if name == "gc.collect":
            for one in func.__self__.callbacks:
                self.callable(one, [], {}, frame.depth + 1)
        if self.unsure and name and frame.drops(place) and is_made_to_change(func, args):
            self.keep(f"some items call {name}, and do not use what it gives")
        return given

    def pool_use(self, frame: Frame, base: Value, name: str) -> str | None:
        """Does a method "take" something from a pool, or "give" it back? None of any other method."""
        if base.origin != SHARED:
            return None
        if type(base.obj).__module__ in QUEUES:
            use = QUEUE_METHODS.get(name)
            return use if use is not None and _pooled().holds_connections(base.obj) else None
        return POOL_METHODS.get(name) if frame.code in self.locked else None

    def take_from(self, frame: Frame, pool: Value, *, waits: bool) -> None:
        """A pool that may be empty where the loop's never is, or whose members have a memory, is for the
        loop alone."""
        if not (waits or self._waits or expects_empty(frame, pool)):
            self.keep(f"takes from {pool.phrase} without a look whether it is empty")
        other = _pooled().other_resource(pool.obj)
        if other is not None:
            self.keep(f"{pool.phrase} holds {other}: an answer may depend on what was said before")

    def takes_connection(self, pool: Value, name: str) -> bool:
        """Is a connection of HTTP taken from a pool, so that nobody else has it until it is back?"""
        known = self.pools.get(id(pool.obj))
        used = "take" in (POOL_METHODS.get(name), QUEUE_METHODS.get(name))
        return known is not None and used and _pooled().holds_connections(pool.obj)

    def method_under_a_name(self, frame: Frame, callee: Value, args: list[Value]) -> None:
        """A library's bound method that a variable stands for is a method of its object."""
        func = callee.obj
        if is_a(func, MethodType):
            library = not own(func.__func__) if is_a(func.__func__, FunctionType) else False
        else:
            library = is_a(func, BuiltinFunctionType)
        owner = func.__self__ if library else None
        if owner is None or is_a(owner, ModuleType | type) or rules.draws(func, ""):
            return
        base = Value(SHARED, "object", callee.path, owner)
        defined = class_attribute(type(owner), func.__name__)
        self.method(frame, Value(obj=defined, base=base, attr=func.__name__), base, args)

    def inherited(self, base: Value, depth: int) -> None:
        """A library's method of an object of the user's: it calls the user's own methods back."""
        kind = base.made_by or type(base.obj)
        if is_a(base.obj, ModuleType | type) or not own_module(kind.__module__):
            return
        self.call_all_methods(base, depth)

    def handlers_of(self, args: list[Value], depth: int) -> None:
        """Functions of the user's that handle what cannot be decoded, by the name they are known by."""
        for one in args:
            if type(one.obj) is str and one.origin == NEW:
                try:
                    handler = codecs.lookup_error(one.obj)
                except LookupError:
                    continue
                if is_a(handler, FunctionType | MethodType):
                    self.callable(handler, [FRESH], {}, depth + 1)

    def any_method(self, base: Value, args: list[Value], depth: int) -> None:
        """A method whose name is computed: each that the object has may be meant."""
        if base.obj is MISSING or is_a(base.obj, ModuleType | type):
            return
        kind = type(base.obj)
        if own_module(kind.__module__):
            for name in dir_of(kind):
                func = class_attribute(kind, name)
                if name[:2] != "__" and is_a(func, FunctionType) and own(func):
                    self.enter_function(func, [base, *args], {}, depth + 1)
        elif any(class_attribute(kind, name) is not MISSING for name in CHANGES):
            self.change(base, "a method of a computed name changes")

    def derive(self, bases: Value, depth: int) -> None:
        """A class is made of others: what the user's base does with it."""
        base = bases.inner.obj if bases.inner is not None else MISSING
        hook = class_attribute(base, "__init_subclass__") if is_a(base, type) else MISSING
        if is_a(hook, classmethod) and own(hook.__func__):
            self.enter_function(hook.__func__, [FRESH], {}, depth + 1)

    def keep_part(self, base: Value, name: str, value: Value) -> None:
        """An attribute of an object that the call made, or of a ``threading.local``, is set to this."""
        if base.made_by is not None and value.origin == SHARED:
            self.made_parts[base.made_by, name] = value
        elif base.origin == SHARED and is_local(base.obj):
            self.give_local(base, name, value)

    @staticmethod
    def computed(*parts: Value) -> Value:
        """The result of an operator: known only where it is computed of a thread's own value."""
        for one in parts:
            if one.base is not None and is_part(one):
                return Value(NEW, one.kind, one.path, base=one.base, attr=one.attr)
        return FRESH

    def hand_on(self, frame: Frame, values: tuple[Value, ...]) -> None:
        """Functions that are handed to a call may be called by it."""
        for value in values:
            if isinstance(value.func, Closure):
                self.call_unseen(frame, value.func)
                continue
            obj, base = value.obj, value.base
            self.carried(value, frame.depth)
            if is_a(obj, MethodType):
                self.callable(obj, [], {}, frame.depth + 1)
            elif is_a(obj, FunctionType):
                if own(obj):
                    first = [base] if base is not None and not is_a(base.obj, ModuleType) else []
                    self.enter_function(obj, first, {}, frame.depth + 1)
            elif is_a(obj, BuiltinFunctionType):
                self.callable(obj, [], {}, frame.depth + 1)
            elif base is not None and value.attr in CHANGES and type(obj) in rules.UNBOUND:
                self.change(base, f"{value.attr} changes")
            elif is_a(obj, type) or value.made_by is not None:
                self.used_unseen(value, frame.depth)
            elif value.origin == SHARED and self.is_for_a_library(type(obj)):
                self.call_all_methods(value, frame.depth)
            elif value.origin == SHARED and obj is not MISSING and not is_a(obj, type):
                self.functions_behind(obj, frame.depth)

    def carried(self, value: Value, depth: int) -> None:
        """An object of the user's is handed to a library, which may pickle or copy it."""
        kind = value.made_by or (type(value.obj) if value.obj is not MISSING else None)
        if kind is None or is_a(value.obj, type) or not own_module(str(kind.__module__)):
            return
        for name in CARRYING:
            func = class_attribute(kind, name)
            if is_a(func, FunctionType) and own(func):
                self.enter_function(func, [value], {}, depth + 1)

    def call_unseen(self, frame: Frame, closure: Closure) -> None:
        if not closure.walked:
            self.walk_closure(frame, closure, [], {})

    def used_unseen(self, value: Value, depth: int) -> None:
        """A class of the user's, or a new object of one, is handed to a call: a library may make objects
        of the class, and call what they can do."""
        kind = value.made_by or value.obj
        if type(kind) not in (type, ABCMeta) or not own_module(str(kind.__module__)):
            return
        made = value if value.made_by is not None else self.construct(kind, [], {}, depth + 1)
        for name in dir_of(kind):
            func = class_attribute(kind, name)
            if name not in MAKING and is_a(func, FunctionType) and own(func):
                self.enter_function(func, [made], {}, depth + 1)

    @staticmethod
    def is_for_a_library(kind: type) -> bool:
        """Is it a class of the user's that a library knows how to use: derived from one of its own?"""
        if not own_module(str(kind.__module__)):
            return False
        bases = type.__dict__["__mro__"].__get__(kind)
        return any(
            one.__module__ not in NOT_CALLING and not own_module(str(one.__module__))
            for one in bases
        )


def document(value: Value) -> Any:
    """The object behind a value; of a part whose own is not known, the document that gave it."""
    whole = value
    while whole.kind == PART and whole.obj is MISSING and whole.base is not None:
        whole = whole.base
    return whole.obj if is_document(whole.obj) else value.obj


def expects_empty(frame: Frame, container: Value) -> bool:
    """Does the code that takes from a container look at it before, or expect that it is empty?"""
    code, name = frame.code, container.path.rpartition(".")[2]
    if not EMPTY_NAMES.isdisjoint(code.co_names):
        return True
    loaded = [
        (
            frame.decoded.names[arg]
            if step == "LOAD_DEREF"
            else code.co_names[arg >> NAME_SHIFT[step]]
        )
        if step in NAME_SHIFT
        else ""
        for _, step, arg, _ in frame.decoded.steps
    ]
    return any(
        one == name and following not in POOL_METHODS and following not in QUEUE_METHODS
        for one, following in zip(loaded, [*loaded[1:], ""], strict=True)
    )


def _pooled() -> ModuleType:
    """What knows pools of connections, which few functions need."""
    from amorsize.inspection import pooled

    return pooled
