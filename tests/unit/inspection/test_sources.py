"""A source that changes what the function reads is read one by one; another is not held back."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from amorsize.inspection.sources import source_refusal

table = {"scale": 0}
tenant = "nobody"
constants = [1, 2, 3]
seen: list[int] = []


def sets_a_table() -> Iterator[int]:
    for number in range(100):
        table["scale"] = number // 10
        yield number


def sets_a_global() -> Iterator[int]:
    global tenant
    for number in range(100):
        tenant = f"tenant {number}"
        yield number


def only_reads() -> Iterator[int]:
    for number in range(100):
        yield number * constants[number % 3] + len(table)


def notes_elsewhere() -> Iterator[int]:
    for number in range(100):
        seen.append(number)
        yield number


def uses_the_table(item: int) -> int:
    return item * table["scale"]


def uses_the_global(item: int) -> str:
    return f"{tenant} {item}"


def uses_constants(item: int) -> int:
    return constants[item % 3]


class Cursor:
    """An iterator of the user's own, which the function may ask, too."""

    def __init__(self) -> None:
        self.position = 0

    def __iter__(self) -> Cursor:
        return self

    def __next__(self) -> int:
        self.position += 1
        return self.position


cursor = Cursor()


def uses_the_cursor(item: int) -> int:
    return item * cursor.position


def closing_over() -> tuple[Callable[[int], int], Iterator[int]]:
    current = 0

    def numbers() -> Iterator[int]:
        nonlocal current
        for number in range(100):
            current = number // 10
            yield number

    def work(item: int) -> int:
        return item * current

    return work, numbers()


def put(number: int) -> int:
    table["scale"] = number
    return number


@pytest.mark.parametrize(
    ("func", "source"),
    [
        (uses_the_table, sets_a_table),
        (uses_the_table, lambda: itertools.islice(sets_a_table(), 50)),
        (uses_the_table, lambda: enumerate(sets_a_table())),
        (uses_the_table, lambda: map(put, range(100))),
        (uses_the_global, sets_a_global),
        (uses_the_cursor, lambda: cursor),
    ],
)
def test_what_source_and_function_share_keeps_items_one_by_one(
    func: Callable[[Any], Any], source: Callable[[], Iterator[Any]]
) -> None:
    """Whether the source has begun or not."""
    items = source()
    assert source_refusal(func, items)
    next(items)
    assert source_refusal(func, items)


def test_a_variable_that_both_close_over_counts() -> None:
    work, numbers = closing_over()
    next(numbers)
    assert source_refusal(work, numbers) == (
        "its data set a variable that the function closes over"
    )


@pytest.mark.parametrize(
    ("func", "source"),
    [
        (uses_the_table, only_reads),
        (uses_constants, only_reads),
        (uses_constants, sets_a_table),
        (uses_the_table, notes_elsewhere),
        (uses_the_table, lambda: iter(range(100))),
        (uses_the_table, lambda: map(uses_constants, range(100))),
        (uses_constants, Cursor),
        (uses_constants, lambda: zip(range(10), "abcdefghij", strict=True)),
    ],
)
def test_other_sources_are_read_ahead(
    func: Callable[[Any], Any], source: Callable[[], Iterator[Any]]
) -> None:
    """What the source changes is not the function's, or the source changes nothing."""
    items = source()
    next(items)
    assert source_refusal(func, items) is None


def test_it_runs_no_code_of_the_source() -> None:
    """Neither the next item is read, nor anything asked of the iterator."""
    calls: list[str] = []

    class Counting:
        def __iter__(self) -> Counting:
            calls.append("iter")
            return self

        def __next__(self) -> int:
            calls.append("next")
            return 1

        def __getattr__(self, name: str) -> Any:
            calls.append(name)
            raise AttributeError(name)

        def __len__(self) -> int:
            calls.append("len")
            return 3

        def __length_hint__(self) -> int:
            calls.append("hint")
            return 3

    source_refusal(uses_the_table, Counting())
    assert calls == []
