"""What can be told of an object without running code of its class."""

from __future__ import annotations

import sys
from itertools import islice
from types import BuiltinFunctionType, FunctionType, ModuleType

from amorsize.inspection import instructions as _instructions  # noqa: F401 # fills ACTIONS
from amorsize.inspection.abstract_value import MISSING
from amorsize.inspection.known_names import (
    HARMLESS,
    NOT_SHARED_BY_FORK,
    PLAIN,
)
from amorsize.inspection.origins import is_a, own_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any


def instance_attributes(value: Any) -> dict[str, Any]:
    """The instance's own attributes, without running any of its code."""
    try:
        found = object.__getattribute__(value, "__dict__")
    except Exception:
        return {}
    return found if type(found) is dict else {}


def class_attribute(kind: type, name: str) -> Any:
    for base in type.__dict__["__mro__"].__get__(kind):
        found = type.__dict__["__dict__"].__get__(base).get(name, MISSING)
        if found is not MISSING:
            return found
    return MISSING


def dir_of(kind: type) -> list[str]:
    """Names of all attributes of a class and its bases, ``object`` left out."""
    bases = type.__dict__["__mro__"].__get__(kind)[:-1]
    found = dict.fromkeys(
        name for base in bases for name in type.__dict__["__dict__"].__get__(base)
    )
    return list(found)


def full_name(value: Any) -> str:
    return type(value).__name__


def not_shared_by_fork(value: Any) -> str | None:
    """What a value is that must not be shared by a fork, None if it may."""
    kind = type(value)
    module = kind.__module__
    if type(module) is not str:
        return None
    if module == "builtins":
        if kind.__name__ in ("generator", "coroutine", "async_generator"):
            return f"a {kind.__name__.replace('_', ' ')}"
        return None
    if f"{module}.{kind.__qualname__}" in HARMLESS:
        return None
    while module:
        found = NOT_SHARED_BY_FORK.get(module)
        if found is not None:
            return found
        module = module.rpartition(".")[0]
    if kind.__module__.startswith("torch") and getattr(value, "is_cuda", False) is True:
        return "a tensor of a GPU"
    return None


DEPTH = 3
"""Containers in containers that are looked into."""
MOST_PARTS = 300
"""Parts of one item that are looked at: some 50 microseconds."""
FIRST_ELEMENTS = 50
"""Elements of one container that are looked at."""
FIXED = (*PLAIN, FunctionType, BuiltinFunctionType, ModuleType, type)
"""What nobody changes through an item."""


def shared_parts(items: Sequence[Any]) -> frozenset[int]:
    """Ids of the objects that more than one of the items is, or holds; views of the same memory count."""
    if len(items) < 2:
        return frozenset()
    each = [parts_of(item) for item in items]
    if all(len(parts) == 0 for parts in each):
        return frozenset()
    found: set[int] = set()
    seen: set[int] = set()
    for parts in each:
        found |= seen & parts.keys()
        seen |= parts.keys()
    views = [view for parts in each for view in parts.values() if _is_view(view)]
    found.update(_overlapping(views))
    return frozenset(found)


def sample_of(container: Any) -> Any:
    """An element of a list, tuple or dict: the first with a state, if one of the first has one."""
    if type(container) in (list, tuple):
        first = container[:FIRST_ELEMENTS]
    elif is_a(container, dict):
        first = tuple(islice(dict.values(container), FIRST_ELEMENTS))
    else:
        return MISSING
    plain = (one for one in first if not is_a(one, PLAIN) or (is_a(one, tuple) and one))
    return next(plain, first[0] if first else MISSING)


def parts_of(item: Any) -> dict[int, Any]:
    """All changeable objects that a value is or holds, by id; at most 300, three containers deep."""
    found: dict[int, Any] = {}
    level = [item]
    for _ in range(DEPTH + 1):
        following: list[Any] = []
        for one in level:
            kind = type(one)
            if kind is tuple or kind is frozenset:
                following += list(one)[:FIRST_ELEMENTS]
                continue
            if issubclass(kind, FIXED) or id(one) in found:
                continue
            if len(found) >= MOST_PARTS:
                return found
            found[id(one)] = one
            following += _inside(one, kind)
        level = following
    return found


def _inside(value: Any, kind: type) -> Iterable[Any]:
    if kind is list or kind is set:
        return list(value)[:FIRST_ELEMENTS]
    if kind is dict:
        return list(value.values())[:FIRST_ELEMENTS]
    return list(instance_attributes(value).values())[:FIRST_ELEMENTS]


def _is_view(value: Any) -> bool:
    return type(value) is memoryview or type(value).__module__ == "numpy"


def _overlapping(views: list[Any]) -> set[int]:
    """Ids of views whose memory may be that of another one."""
    found: set[int] = set()
    numpy = sys.modules.get("numpy")
    for at, one in enumerate(views[:FIRST_ELEMENTS]):
        for other in views[:at]:
            if type(one) is not type(other):
                continue
            try:
                if type(one) is memoryview:
                    same = one.obj is other.obj and not one.readonly
                else:
                    same = (
                        numpy is not None
                        and type(one) is numpy.ndarray
                        and one.base is not None
                        and bool(numpy.may_share_memory(one, other))
                    )
            except ValueError:  # a view that was released
                continue
            if same:
                found |= {id(one), id(other)}
    return found


PICKLING = (
    "__getstate__",
    "__setstate__",
    "__reduce__",
    "__reduce_ex__",
    "__getnewargs__",
    "__getnewargs_ex__",
)
"""Special methods by which a class says itself how its objects are pickled."""


def pickles_itself(value: Any) -> bool:
    """Does an object, or one that it holds, say in code of the user's how it is pickled?

    What arrives elsewhere may be another then, and to pickle it may change it."""
    for part in parts_of(value).values():
        for name in PICKLING:
            method = class_attribute(type(part), name)
            if is_a(method, FunctionType) and own_file(method.__code__.co_filename):
                return True
    return False
