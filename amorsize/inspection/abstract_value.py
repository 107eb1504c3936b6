"""What is known of a value while code is read: where it comes from, and what it may hold."""

from __future__ import annotations

import _thread
from functools import partial
from types import BuiltinFunctionType, FunctionType, MethodType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import CodeType
    from typing import Any

    Origins = tuple[Any, ...]


NEW, GIVEN, SHARED = 0, 1, 2
"""Origins: made by this call (or unchangeable); reached from an item; living outside the call."""


PART, VIEW = "part", "view"
"""Kinds of what a library's method or property gave of an object that lives outside of the call: what is
stored there may be stored to that object."""


MISSING: Any = type("Missing", (), {"__repr__": lambda self: "MISSING"})()
"""The object behind a value is not known."""


class Value:
    """What is known of one value."""

    __slots__ = ("attr", "base", "func", "inner", "kind", "made_by", "obj", "origin", "path")

    def __init__(
        self,
        origin: int = NEW,
        kind: str = "",
        path: str = "",
        obj: Any = MISSING,
        *,
        inner: Value | None = None,
        base: Value | None = None,
        attr: str = "",
        func: Closure | tuple[Any, ...] | None = None,
        made_by: type | None = None,
    ) -> None:
        self.origin = origin
        self.kind, self.path = kind, path
        """For sentences: "global", "table.rows"."""
        self.obj = obj
        """The object itself (SHARED), or one like it (GIVEN)."""
        self.inner = inner
        """What the elements of a new container are."""
        self.base, self.attr = base, attr
        """Where it was read from, so that a method knows its object."""
        self.func = func
        """Functions that a call of the value may run."""
        self.made_by = made_by
        """The class of a new object."""

    def take_element(self, value: Value) -> None:
        """A first element goes into a new container."""
        if self is not FRESH:
            self.inner = value

    @property
    def phrase(self) -> str:
        """The value named for people: "the captured list 'results'"."""
        if not self.kind:
            return f"'{self.path}'"
        sort = type(self.obj).__name__ + " "
        if sort not in ("list ", "dict ", "set ", "deque ", "bytearray ", "ndarray ", "DataFrame "):
            sort = ""
        return f"the {self.kind} {sort}'{self.path}'"


class Closure:
    """A function made while another runs."""

    __slots__ = ("code", "default", "frame", "walked")

    def __init__(self, code: CodeType, frame: Any) -> None:
        self.code, self.frame = code, frame
        self.default: Value | None = None
        """What its default arguments may be."""
        self.walked: dict[Origins, Value] = {}
        """What a call returns, by where its arguments and captured variables come from."""

    def take_default(self, value: Value) -> None:
        """One of its default arguments."""
        self.default = join(self.default or FRESH, value)


FRESH = Value()


NULL = Value()
"""The empty slot beside a callable."""


def join(a: Value, b: Value) -> Value:
    """What may be either."""
    if a is b or b is NULL:
        return a
    if a is NULL:
        return b
    if b.origin > a.origin:
        a, b = b, a
    inner = a.inner
    if b.inner is not None and (inner is None or b.inner.origin > inner.origin):
        inner = b.inner
    same = a.obj is b.obj or b.origin < a.origin
    func = a.func or b.func
    if inner is a.inner and same and func is a.func:
        return a
    obj = a.obj if same else MISSING
    return Value(
        a.origin, a.kind, a.path, obj, inner=inner, base=a.base, attr=a.attr, func=func,
        made_by=a.made_by or b.made_by,
    )  # fmt: skip


def join_all(values: Iterable[Value]) -> Value:
    """What may be any of them."""
    result = FRESH
    for value in values:
        if value is not FRESH:
            result = join(result, value)
    return result


def is_part(value: Value) -> bool:
    """Was a value read from a ``threading.local``, or computed of what was?"""
    return value.base is not None and is_local(value.base.obj)


def is_local(obj: Any) -> bool:
    """Is it an object whose attributes are each thread's own?"""
    return obj is not MISSING and _thread._local in type.__dict__["__mro__"].__get__(type(obj))


CALLABLE = (FunctionType, BuiltinFunctionType, MethodType, partial, type)
"""Objects that a walk may follow into when an argument is called."""
NESTED = 3
"""Containers in containers that are told apart; a list may hold itself."""


def origins_of(value: Value, nested: int = NESTED) -> Origins:
    """All of an argument that decides what a walk with it finds: values alike in this are walked once."""
    inner = None if value.inner is None or not nested else origins_of(value.inner, nested - 1)
    called: Any = None
    if isinstance(value.func, Closure):
        called = value.func.code
    elif issubclass(type(value.obj), CALLABLE):
        called = id(value.obj)
    return value.origin, inner, called, value.made_by


def _grew(old: Value | None, new: Value | None) -> bool:
    """Whether a join brought something that matters for the walk."""
    if old is new or new is None:
        return False
    if old is None:
        return new.origin > NEW or new.inner is not None or new.func is not None
    if new.origin > old.origin or (old.func is None and new.func is not None):
        return True
    if new.inner is None:
        return False
    return old.inner is None or new.inner.origin > old.inner.origin
