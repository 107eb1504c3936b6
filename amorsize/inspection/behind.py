"""Objects of the user's deep within a library's object: which of their methods may the library call?

::

    requests.Session --adapters--> HTTPAdapter --max_retries--> Counting(Retry).increment
                                                                 ^ overrides a method of the library's

What the user's class writes anew of a library's class is there for the library to call, for whatever item
it comes to that: a retry is counted only where a request fails. Nothing of them runs here.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from itertools import islice
from types import FunctionType

from amorsize.inspection.abstract_value import SHARED, Value
from amorsize.inspection.known_names import PLAIN
from amorsize.inspection.objects import class_attribute, instance_attributes
from amorsize.inspection.origins import is_a, own_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any, Protocol

    class Walks(Protocol):
        """What walks functions."""

        behind: set[int]
        unsure: bool

        def know(self, *, unsure: bool) -> None: ...
        def enter_function(
            self, func: Any, args: list[Value], named: dict[str, Value], depth: int = 0
        ) -> Value: ...


MOST_OBJECTS, MOST_ELEMENTS = 256, 64
"""Objects that are looked at, and elements of one container: 0.2 ms."""
DEEPEST = 5
"""Steps down: a session, its adapters, an adapter, its retries; a client, its transport, a pool of it."""
NO_CALLBACKS = frozenset({"builtins", "abc", "typing", "enum", "collections", "collections.abc"})
"""Modules of base classes whose methods a library does not call back."""


NOT_CALLED = frozenset(
    {"__init__", "__new__", "__init_subclass__", "__class_getitem__", "__set_name__", "__del__",
     "__getstate__", "__setstate__", "__reduce__", "__reduce_ex__", "__setattr__", "__delattr__",
     "__post_init__", "__copy__", "__deepcopy__", "__repr__"}
)  # fmt: skip
"""Special methods that make, show or carry an object."""
SET_UP = (
    "fit",
    "partial_fit",
    "train",
    "set",
    "reset",
    "load",
    "save",
    "open",
    "close",
    "configure",
)
"""How names of methods begin that a program calls itself, before or after all items."""


def walk_overrides(walker: Walks, value: Any, depth: int) -> None:
    """Walk what the user's objects within a library's object write anew: each may be called for some
    items only, and is judged as that."""
    if id(value) in walker.behind:
        return
    walker.behind.add(id(value))
    unsure = walker.unsure
    walker.know(unsure=True)
    for owner, func in overriding(value):
        this = Value(SHARED, "object", type(owner).__name__, owner)
        walker.enter_function(func, [this], {}, depth + 1)
    walker.know(unsure=unsure)


def overriding(value: Any) -> Iterator[tuple[Any, Any]]:
    """Objects of the user's that a library's object holds, each with a function by which its class
    overrides a method of a library's class."""
    queue, seen = [(value, 0)], {id(value)}
    for obj, depth in queue:
        if own_module(str(type(obj).__module__)):
            yield from ((obj, func) for func in _own_overrides(type(obj)))
            continue
        for part in _parts(obj) if depth < DEEPEST else ():
            plain = is_a(part, PLAIN) and not is_a(part, tuple)
            if plain or is_a(part, type | FunctionType) or id(part) in seen:
                continue
            if len(queue) >= MOST_OBJECTS:
                return
            seen.add(id(part))
            queue.append((part, depth + 1))


def _own_overrides(kind: type) -> list[Any]:
    bases = type.__dict__["__mro__"].__get__(kind)
    theirs = [
        base
        for base in bases
        if not own_module(str(base.__module__)) and base.__module__ not in NO_CALLBACKS
    ]
    names = {name for base in theirs for name in vars(base)}
    names = {one for one in names if one not in NOT_CALLED and not one.startswith(SET_UP)}
    found = [class_attribute(kind, name) for name in sorted(names)]
    return [func for func in found if type(func) is FunctionType and own_module(func.__module__)]


def _parts(obj: Any) -> Iterable[Any]:
    kind = type(obj)
    if kind is dict:
        return islice(tuple(dict.values(obj)), MOST_ELEMENTS)
    if kind is OrderedDict:
        return islice(tuple(OrderedDict.values(obj)), MOST_ELEMENTS)
    if kind in (list, tuple, deque):
        return islice(tuple(obj), MOST_ELEMENTS)
    return islice(tuple(instance_attributes(obj).values()), MOST_ELEMENTS)
