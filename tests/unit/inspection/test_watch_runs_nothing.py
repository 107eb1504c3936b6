"""A look runs no code of the objects that it looks at: every special method counts its calls."""

from __future__ import annotations

import collections
import functools
import io
import random
import sqlite3
import threading
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from amorsize.inspection.holding import held
from amorsize.inspection.watch import Watch

SECONDS = 10.0  # a budget that no look of these tests uses up, however busy the machine

# -- no code of the user's runs

CALLS: list[str] = []
SPECIAL = sorted(
    ({name for kind in (list, dict, set, bytearray, float, int, object, types.FunctionType)
     for name in vars(kind) if name.startswith("__")}
    | {"__getattr__", "__instancecheck__", "__subclasscheck__", "__del__", "__enter__", "__exit__",
       "__array__", "__array_interface__", "__buffer__", "__index__", "__length_hint__",
       "__fspath__", "__await__", "__anext__", "__missing__", "__get__", "__set__", "__delete__",
       "__wrapped__", "__prepare__", "__copy__", "__deepcopy__", "__getstate__", "__bool__"})
    - {"__new__", "__init__", "__class__", "__dict__", "__doc__", "__init_subclass__", "__slots__",
       "__module__", "__name__", "__qualname__", "__weakref__", "__type_params__", "__prepare__",
       "__code__", "__closure__", "__defaults__", "__kwdefaults__", "__globals__", "__builtins__",
       "__annotations__", "__class_getitem__", "__text_signature__", "__call__", "__alloc__",
       "__del__", "__set_name__", "__slotnames__", "__basicsize__", "__flags__", "__mro__",
       "__delete__", "__set__", "__get__", "__annotate__"}
)  # fmt: skip
RECORDING = False


def _spy(name: str, base: type) -> Any:
    original = getattr(base, name, None)

    def method(self: Any, *args: Any, **options: Any) -> Any:
        if RECORDING:
            CALLS.append(name)
        if original is None:
            raise AttributeError(name)
        return original(self, *args, **options)

    return method


def spying(base: type, metaclass: type = type, extra: tuple[str, ...] = ()) -> Any:
    """A class whose every special method and property counts its calls."""
    body: dict[str, Any] = {name: _spy(name, base) for name in SPECIAL}
    for name in (*extra, "keys", "values", "items", "get", "tell", "getvalue", "read", "copy"):
        body[name] = _spy(name, base)
    for name in ("__class__", "shape", "value", "closed", "state"):
        body[name] = property(_spy(name, object))
    if metaclass is type and issubclass(base, np.ndarray):
        for name in ("__array_interface__", "__array__", "shape"):
            body.pop(name, None)
    return metaclass("Spy", (base,), body)


METACLASS_NAMES = {"__len__", "__iter__", "__contains__", "__getitem__", "__bool__"}


class SpyMeta(type):
    pass


for _name in SPECIAL:
    if _name in vars(object) or _name in vars(type) or _name in METACLASS_NAMES:
        setattr(SpyMeta, _name, _spy(_name, type))
SpyMeta.__getattribute__ = _spy("__getattribute__", type)  # type: ignore[method-assign]

BASES: dict[str, Callable[[], Any]] = {
    "object": lambda: spying(object)(),
    "metaclass": lambda: spying(object, SpyMeta)(),
    "class": lambda: spying(object, SpyMeta),
    "list": lambda: spying(list)([[1], {}]),
    "tuple": lambda: spying(tuple)(([1], {})),
    "dict": lambda: spying(dict)(a=[1]),
    "set": lambda: spying(set)([1, 2]),
    "frozenset": lambda: spying(frozenset)([1, 2]),
    "deque": lambda: spying(collections.deque)([[1]]),
    "ordered": lambda: spying(collections.OrderedDict)(a=[1]),
    "default": lambda: spying(collections.defaultdict)(list),
    "counter": lambda: spying(collections.Counter)("abc"),
    "bytearray": lambda: spying(bytearray)(b"abc"),
    "str": lambda: spying(str)("abc"),
    "int": lambda: spying(int)(5),
    "random": lambda: spying(random.Random, extra=("getstate",))(5),
    "bytesio": lambda: spying(io.BytesIO)(b"abc"),
    "stringio": lambda: spying(io.StringIO)("abc"),
    "ndarray": lambda: np.zeros(4).view(spying(np.ndarray)),
    "exception": lambda: spying(ValueError)("abc"),
    "partial": lambda: spying(functools.partial)(print),
    "thread_local": lambda: spying(threading.local)(),
    "socketless": lambda: spying(io.RawIOBase)(),
    "module": lambda: spying(types.ModuleType)("made_up"),
    "connection": lambda: sqlite3.connect(":memory:", factory=spying(sqlite3.Connection)),
}


@pytest.mark.parametrize("base", BASES)
def test_a_look_runs_no_code_of_the_objects(base: str) -> None:
    global RECORDING
    spy = BASES[base]()
    key = BASES["object"]()
    keyed, members = collections.OrderedDict([(key, spy)]), {key}
    box = types.SimpleNamespace(spy=spy, deep=[{"spy": (spy,)}])

    def func(item: Any) -> Any:
        return (spy, keyed, members, box) if item is None else None

    CALLS.clear()
    RECORDING = True
    try:
        watch = Watch(func, spy, budget_seconds=SECONDS)
        verdict = watch.verdict()
        own = Watch(spy, box, budget_seconds=SECONDS).verdict()
        found = held(func, (spy,), budget_seconds=SECONDS)
        made = list(CALLS)
    finally:
        RECORDING = False
    if base == "connection":
        sqlite3.Connection.close(spy)
    assert made == []
    assert verdict.changed == own.changed == ()
    assert verdict.cut_short is None and found.cut_short is None
    assert verdict.nodes > 3


def test_the_spies_do_count() -> None:
    global RECORDING
    spy = BASES["list"]()
    RECORDING = True
    try:
        CALLS.clear()
        len(spy), isinstance(spy, int), list(spy), repr(spy), spy == 3
    finally:
        RECORDING = False
    assert {"__len__", "__class__", "__iter__", "__repr__", "__eq__"} <= set(CALLS)


def test_changes_in_subclasses_are_read_by_the_methods_of_the_base() -> None:
    spies = {
        name: BASES[name]() for name in ("list", "dict", "set", "deque", "bytearray", "ndarray")
    }
    changes: dict[str, Callable[[Any], Any]] = {
        "list": lambda spy: list.append(spy, 1),
        "dict": lambda spy: dict.__setitem__(spy, "b", 1),
        "set": lambda spy: set.add(spy, 9),
        "deque": lambda spy: collections.deque.append(spy, 9),
        "bytearray": lambda spy: bytearray.append(spy, 9),
        "ndarray": lambda spy: np.ndarray.fill(spy, 9),
    }
    for name, change in changes.items():
        spy = spies[name]
        watch = Watch(lambda item, spy=spy: None, 1, budget_seconds=SECONDS)
        change(spy)
        assert watch.verdict().changed == ("the default of `spy`",), name


def test_naming_what_changed_hashes_and_compares_no_key() -> None:
    global RECORDING
    key, box = BASES["object"](), types.SimpleNamespace()
    box.__dict__[key] = []
    table = {key: [1]}

    def func(item: Any) -> Any:
        return (box, table) if item is None else None

    CALLS.clear()
    RECORDING = True
    try:
        watch = Watch(func, 1, budget_seconds=SECONDS)
        box.total = 1
        next(iter(dict.values(table))).append(2)
        verdict = watch.verdict()
    finally:
        RECORDING = False
    assert CALLS == []
    assert verdict.changed == ("`box`", "`table[...]`")
