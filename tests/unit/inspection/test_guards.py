"""Branches that present values decide: what is filled once keeps nobody in the caller, all else does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

import amorsize
from amorsize.inspection.effects import inspect_function

TABLE: list[int] | None = None
MODEL: list[int] = []
PARTS: dict[str, list[int]] = {}
MEMO: dict[int, int] = {}
LOG: list[int] = []
READY = False
DEBUG = False
SEEN = 0


@pytest.fixture(autouse=True)
def as_at_first() -> Iterator[None]:
    global TABLE, READY, DEBUG, SEEN
    yield
    TABLE, READY, DEBUG, SEEN = None, False, False, 0
    for one in (MODEL, PARTS, MEMO, LOG):
        one.clear()


def load() -> list[int]:
    return list(range(1000))


def table_if_none(item: int) -> int:
    global TABLE
    if TABLE is None:
        TABLE = load()
    return TABLE[item]


def table_if_false(item: int) -> int:
    global TABLE
    if not TABLE:
        TABLE = load()
    return TABLE[item]


def list_if_empty(item: int) -> int:
    if not MODEL:
        MODEL.extend(load())
    return MODEL[item]


def key_if_missing(item: int) -> int:
    if "table" not in PARTS:
        PARTS["table"] = load()
    return PARTS["table"][item]


def flag(item: int) -> int:
    global READY
    if not READY:
        MODEL.extend(load())
        READY = True
    return MODEL[item]


def by_a_helper(item: int) -> int:
    return table_if_none(item) + item


FILLED_ONCE = [table_if_none, table_if_false, list_if_empty, key_if_missing, flag, by_a_helper]


@pytest.mark.parametrize("func", FILLED_ONCE)
def test_what_is_filled_once_is_no_effect_when_it_is_filled(func: Callable[[int], int]) -> None:
    assert inspect_function(func, [1]).caller_only is not None
    func(1)
    assert inspect_function(func, [1]).caller_only is None


def or_at_times(item: int) -> int:
    global TABLE
    if TABLE is None or item % 10 == 9:
        TABLE = load()
    return TABLE[item]


def memo(item: int) -> int:
    if item not in MEMO:
        MEMO[item] = item * item
    return MEMO[item]


def logs_when_debugging(item: int) -> int:
    if DEBUG:
        LOG.append(item)
    return item


def toggles(item: int) -> int:
    global READY
    READY = not READY
    if READY:
        LOG.append(item)
    return item


def resets(item: int) -> int:
    global TABLE
    if TABLE is None:
        TABLE = load()
    if item == 7:
        TABLE = None
    return item


def counts(item: int) -> int:
    global SEEN
    if not SEEN:
        SEEN = 1
    else:
        SEEN += 1
    return SEEN


@pytest.mark.parametrize("func", [or_at_times, memo, toggles, resets, counts])
def test_what_goes_on_changing_is_an_effect(func: Callable[[int], int]) -> None:
    func(1)
    assert inspect_function(func, [1]).caller_only is not None


def test_a_flag_that_is_off_is_off_for_all_items() -> None:
    global DEBUG
    assert inspect_function(logs_when_debugging, [1]).caller_only is None
    DEBUG = True
    assert "LOG" in (inspect_function(logs_when_debugging, [1]).caller_only or "")


def test_a_captured_variable() -> None:
    table: list[int] | None = None

    def func(item: int) -> int:
        nonlocal table
        if table is None:
            table = load()
        return table[item]

    assert inspect_function(func, [1]).caller_only is not None
    func(1)
    assert inspect_function(func, [1]).caller_only is None


def grows_the_item(item: list[int]) -> int:
    if MODEL:
        LOG.append(1)
    item.append(1)
    return len(item)


def test_an_item_that_is_the_variable_decides_nothing() -> None:
    assert inspect_function(grows_the_item, [[1]]).caller_only is None
    assert "LOG" in (inspect_function(grows_the_item, [MODEL]).caller_only or "")


class Asked:
    """Says how often it was asked whether it is true."""

    times = 0

    def __bool__(self) -> bool:
        Asked.times += 1
        return False


ASKED = Asked()


def asks(item: int) -> int:
    if ASKED:
        LOG.append(item)
    return item


def test_no_code_of_the_users_runs() -> None:
    assert inspect_function(asks, [1]).caller_only is not None
    assert Asked.times == 0


def heavy(item: int) -> int:
    global TABLE
    if TABLE is None:
        TABLE = load()
    return TABLE[item % 1000] + sum(range(20_000))


def test_a_table_that_the_first_item_loads_leaves_the_work_to_workers() -> None:
    global TABLE
    expected = [item % 1000 + sum(range(20_000)) for item in range(300)]
    plan = amorsize.optimize(heavy, range(300), history=None)
    assert "stays in the caller" not in plan.safety
    assert plan.execute() == expected
    assert load() == TABLE
    TABLE = None
    for backend in ("fork", "spawn", "threads"):
        found: Any = amorsize.execute(heavy, range(300), backend=backend, history=None)
        assert found == expected
