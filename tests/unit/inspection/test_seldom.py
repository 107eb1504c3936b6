"""Calls that only some items make: the watched item may miss them, so that their names decide."""

from __future__ import annotations

import configparser
import contextlib
import decimal
import functools
import io
import logging
import re
import string
import struct
import warnings
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from amorsize.inspection.effects import inspect_function
from amorsize.inspection.verbs import may_change

OPTIONS = configparser.ConfigParser()
PATTERN = re.compile("a+")
TEMPLATE = string.Template("$a")
SHAPE = struct.Struct("<i")


def always(item: int) -> int:
    OPTIONS.add_section("a")
    return item


def under_a_condition(item: int) -> int:
    if item > 100:
        OPTIONS.add_section("a")
    return item


def after_an_early_return(item: int) -> int:
    if item < 100:
        return item
    OPTIONS.add_section("a")
    return item


def after_a_guard(item: int) -> int:
    if item < 0:
        raise ValueError(item)
    OPTIONS.add_section("a")
    return item


def in_a_loop(item: int) -> int:
    for name in "ab":
        OPTIONS.add_section(name)
    return item


def in_some_turns(item: int) -> int:
    for name in "ab":
        if name == "a":
            continue
        OPTIONS.add_section(name)
    return item


def in_a_handler(item: int) -> int:
    try:
        item = 1 // item
    except ZeroDivisionError:
        OPTIONS.add_section("a")
    return item


def by_and(item: int) -> Any:
    return item > 100 and OPTIONS.add_section("a")


def by_a_choice(item: int) -> Any:
    return OPTIONS.add_section("a") if item > 100 else item


def in_a_helper(item: int) -> Any:
    return always(item) if item > 100 else item


@pytest.mark.parametrize(
    ("func", "kept"),
    [
        (always, False), (under_a_condition, True), (after_an_early_return, True),
        (after_a_guard, False), (in_a_loop, False), (in_some_turns, True), (in_a_handler, True),
        (by_and, True), (by_a_choice, True), (in_a_helper, True),
    ],
)  # fmt: skip
def test_where_a_call_stands_decides(func: Callable[[int], Any], kept: bool) -> None:
    """What every item calls is seen by the watch; what some call is judged by its name."""
    assert bool(inspect_function(func, range(3)).caller_only) is kept


def reads(item: int) -> Any:
    if item > 100:
        return OPTIONS.get("a", "b", fallback=None), OPTIONS.sections(), OPTIONS.has_section("a")
    if item > 50:
        return PATTERN.search("a"), TEMPLATE.substitute(a=1), SHAPE.pack(item)
    return item


def test_names_that_read_change_nothing() -> None:
    """Ordinary methods of the standard library are let through."""
    assert inspect_function(reads, range(3)).caller_only is None


@pytest.mark.parametrize(
    ("owner", "name", "expected"),
    [
        (OPTIONS, "add_section", True), (OPTIONS, "getint", False), (PATTERN, "anything", False),
        ([], "anything", False), (decimal, "anything", False), (logging.getLogger("a"), "set", False),
        (io.StringIO(), "write", True), (functools.singledispatch(print), "register", True),
        (TEMPLATE, "__init__", False),
    ],
)  # fmt: skip
def test_what_a_name_tells(owner: Any, name: str, expected: bool) -> None:
    """Values and modules are never changed by a method; a library's objects by those that do not read."""
    assert may_change(owner, name) is expected


def test_special_methods_that_nothing_names() -> None:
    """round, ~ and os.fspath call methods of the user's that the code does not name."""

    class Counting:
        count = 0

        def __invert__(self) -> int:
            self.count += 1
            return self.count

    counting = Counting()
    assert inspect_function(lambda item: ~counting if item else 0, range(3)).caller_only


def test_what_weak_references_stand_for() -> None:
    """A weak method calls a method of the user's."""

    class Sink:
        def __init__(self) -> None:
            self.kept: list[int] = []

        def take(self, item: int) -> None:
            self.kept.append(item)

    sink = Sink()
    tell = weakref.WeakMethod(sink.take)

    def func(item: int) -> int:
        method = tell()
        if method is not None:
            method(item)
        return item

    assert inspect_function(func, range(3)).caller_only


@pytest.mark.parametrize("place", [0, 60, 9000])
def test_a_function_anywhere_in_a_table_is_found(place: int) -> None:
    """However late the first function of a table stands."""
    kept: list[int] = []
    table: list[Any] = [None] * 9001
    table[place] = kept.append

    def func(item: int) -> int:
        action = table[item]
        if action is not None:
            action(item)
        return item

    assert inspect_function(func, range(3)).caller_only


def test_logging_is_kept_where_the_caller_keeps_it() -> None:
    """A handler that writes to memory keeps the order of records; one of the console does not."""
    logger = logging.Logger("test")

    def func(item: int) -> int:
        logger.warning("item %d", item)
        return item

    assert inspect_function(func, range(3)).caller_only is None
    handler = logging.StreamHandler(io.StringIO())
    logger.addHandler(handler)
    assert inspect_function(func, range(3)).caller_only
    logger.setLevel(logging.ERROR)
    assert inspect_function(func, range(3)).caller_only is None


def test_warnings_are_kept_where_they_are_recorded() -> None:
    """A function that warns stays in the caller while warnings are recorded."""

    def func(item: int) -> int:
        warnings.warn("item", stacklevel=1)
        return item

    with contextlib.ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings(record=True))
        assert inspect_function(func, range(3)).caller_only


def test_objects_that_several_items_have() -> None:
    """A part that one item changes is another's, too."""
    basket: list[int] = []
    own = [(number, [number]) for number in range(3)]
    shared = [(number, basket) for number in range(3)]

    def func(pair: tuple[int, list[int]]) -> int:
        pair[1].append(1)
        return pair[0]

    assert inspect_function(func, own).caller_only is None
    assert inspect_function(func, own).no_processes
    assert inspect_function(func, shared).caller_only


def test_a_call_of_every_item_speaks_against_workers_where_none_is_watched() -> None:
    """The watch would see it; without one the name decides, as of a call that only some items make."""
    assert inspect_function(always).unless_watched
    assert (
        inspect_function(under_a_condition).unless_watched is None
    )  # it stays whatever is watched
    assert inspect_function(under_a_condition).caller_only
    assert inspect_function(PATTERN.findall).unless_watched is None
