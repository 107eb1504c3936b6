"""Ways by which a call that only some items make reaches what outlives them; and their harmless kin."""

from __future__ import annotations

import builtins
import functools
import json
import logging
import operator
import os
import random
import re
import shutil
import struct
import tempfile
import threading
import types
import weakref
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest

from amorsize.inspection.effects import inspect_function

found: list[Any] = []
buffer = bytearray(64)
deck = list(range(9))
table = pd.DataFrame({"a": [1, 2]})
values = np.array([1.0, np.nan])
tree = ElementTree.fromstring("<a><b/></a>")
folder = tempfile.gettempdir()
pack = struct.Struct("<i").pack_into
unpack = struct.Struct("<i").unpack_from
match = re.compile("a").match
noting = json.JSONDecoder(object_hook=lambda pairs: found.append(pairs) or pairs).decode
plain = json.JSONDecoder(object_hook=lambda pairs: len(pairs)).decode


class Key:
    """Its comparisons and sums are noted."""

    def __eq__(self, other: object) -> bool:
        found.append(other)
        return True

    __hash__ = None  # type: ignore[assignment]

    def __radd__(self, other: int) -> int:
        found.append(other)
        return other


class Quiet:
    """Its comparisons change nothing."""

    def __init__(self, value: int) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return self.value == other

    __hash__ = None  # type: ignore[assignment]


class Made:
    """Classes and objects are noted by the class itself."""

    kinds: ClassVar[dict[int, int]] = {}
    units: ClassVar[weakref.WeakKeyDictionary[Any, int]] = weakref.WeakKeyDictionary()

    def __class_getitem__(cls, size: int) -> int:
        return cls.kinds.setdefault(size, size)

    def __init_subclass__(cls) -> None:
        found.append(cls)

    def note(self) -> None:
        self.units[self] = 1

    def count(self) -> int:
        found.append(self)
        return 1


class Forwards:
    """Gives what another object has under a name."""

    def __getattr__(self, name: str) -> Any:
        return getattr(ledger, name)


class Ledger:
    """Is written to, or read."""

    def book(self, item: int) -> None:
        found.append(item)

    def size(self) -> int:
        return len(found)


class Sink:
    """One of the functions of a method notes."""

    @functools.singledispatchmethod
    def take(self, item: Any) -> int:
        return 1

    @take.register
    def _(self, item: str) -> int:
        found.append(item)
        return 2


class Numbers(dict[int, int]):
    """Keeps what is missing."""

    def __missing__(self, key: int) -> int:
        self[key] = key
        return key


ledger, forwards, sink, numbers = Ledger(), Forwards(), Sink(), Numbers()
noting_keys, quiet_keys = [Key(), Key()], [Quiet(1), Quiet(2)]


latest = os.path.join(folder, "latest")

CHANGING: list[Callable[[int], Any]] = [
    lambda item: item > 9 and pack(buffer, 0, item),
    lambda item: item > 9 and noting("{}"),
    lambda item: item > 9 and item in noting_keys,
    lambda item: item > 9 and sum(noting_keys, item),
    lambda item: item > 9 and Made[item],
    lambda item: item > 9 and Made().note(),
    lambda item: item > 9 and types.new_class("Other", (Made,)),
    lambda item: item > 9 and tree.find("b").set("a", "1"),  # type: ignore[union-attr]
    lambda item: item > 9 and table.loc.__setitem__(1, item),
    lambda item: item > 9 and random.Random(item).shuffle(deck),
    lambda item: item > 9 and np.nan_to_num(values, copy=False),
    lambda item: item > 9 and forwards.book(item),
    lambda item: item > 9 and sink.take(str(item)),
    lambda item: item > 9 and numbers[item],
    lambda item: item > 9 and logging.addLevelName(item, "level"),
    lambda item: item > 9 and threading.setprofile(None),  # type: ignore[arg-type]
    lambda item: item > 9 and builtins.__dict__.update(mark=item),
    lambda item: item > 9 and os.replace(str(item), latest),
]

READING: list[Callable[[int], Any]] = [
    lambda item: item > 9 and unpack(buffer, 0),
    lambda item: item > 9 and match("a"),
    lambda item: item > 9 and plain("{}"),
    lambda item: item > 9 and item in quiet_keys,
    lambda item: item > 9 and tree.find("b").get("a"),  # type: ignore[union-attr]
    lambda item: item > 9 and table.loc[1],
    lambda item: item > 9 and random.Random(item).shuffle(list(range(9))),
    lambda item: item > 9 and np.nan_to_num(values),
    lambda item: item > 9 and np.array(values, copy=False),
    lambda item: item > 9 and forwards.size(),
    lambda item: item > 9 and logging.getLevelName(item),
    lambda item: item > 9 and builtins.__dict__.get("mark"),
    lambda item: item > 9 and shutil.copy(str(item), folder),
    lambda item: item > 9 and shutil.copy(latest, str(item)),
]


@pytest.mark.parametrize("func", CHANGING, ids=range(len(CHANGING)))
def test_what_changes_for_some_items_keeps_the_run(func: Callable[[int], Any]) -> None:
    """Each by a way of its own: no name of a method tells it."""
    assert inspect_function(func, range(3)).caller_only


@pytest.mark.parametrize("func", READING, ids=range(len(READING)))
def test_what_reads_in_the_same_ways_does_not(func: Callable[[int], Any]) -> None:
    """The same ways, and nothing is changed."""
    assert inspect_function(func, range(3)).caller_only is None


def test_a_method_of_items_by_its_name() -> None:
    """``operator.methodcaller`` calls what the items' class has under the name."""
    assert inspect_function(operator.methodcaller("count"), [Made(), Made()]).caller_only
    assert inspect_function(operator.methodcaller("upper"), ["a", "b"]).caller_only is None


def test_the_function_of_a_single_dispatch_as_it_is() -> None:
    """The bound method itself is the function that is given."""
    assert inspect_function(sink.take, ["a", "b"]).caller_only
