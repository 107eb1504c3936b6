"""Results that no sample showed and that pickling changes, or cannot send: the caller computes them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

import amorsize

ITEMS = 160


def burn(item: int) -> int:
    total = item
    for turn in range(30_000):
        total += turn * turn % 7
    return total


class Named(list[int]):
    """Pickling keeps its elements and its name, but not what it leaves out."""

    def __init__(self, values: list[int], origin: object = None) -> None:
        super().__init__(values)
        self.origin = origin

    def __getstate__(self) -> dict[str, Any]:
        return {}


def sends_a_lock(item: int) -> Any:
    burn(item)
    return threading.Lock() if item > 100 and item % 20 == 11 else item


def returns_an_error_with_its_cause(item: int) -> Any:
    burn(item)
    try:
        return 1 // (item % 40 - 37 if item > 90 else 1)
    except ZeroDivisionError as error:
        found = ValueError(item)
        found.__cause__ = error
        return found


def loses_an_attribute(item: int) -> Any:
    burn(item)
    return Named([item], origin="here") if item % 50 == 47 else item


def shown(result: Any) -> Any:
    """A result as a plain value."""
    if isinstance(result, BaseException):
        return repr(result), repr(result.__cause__)
    if isinstance(result, Named):
        return list(result), getattr(result, "origin", None)
    return result if isinstance(result, int) else type(result).__name__


@pytest.mark.parametrize(
    "func", [sends_a_lock, returns_an_error_with_its_cause, loses_an_attribute]
)
@pytest.mark.parametrize("source", [list, iter])
def test_the_caller_computes_what_does_not_travel(
    func: Callable[[int], Any], source: Callable[[Any], Any]
) -> None:
    """Whatever was chosen, the results are the loop's, from a list and from an iterator."""
    expected = [shown(func(item)) for item in range(ITEMS)]
    allowed = ("serial", "fork")
    results = amorsize.execute(func, source(range(ITEMS)), backend=allowed, history=None)
    assert [shown(result) for result in results] == expected


@pytest.mark.parametrize("options", [{"backend": "fork"}, {"rerun_after_death": False}])
def test_where_no_item_may_run_twice_it_is_an_error_of_that_item(options: dict[str, Any]) -> None:
    """A backend that is named is the user's word, and so is ``rerun_after_death=False``."""
    given = {"backend": ("serial", "fork"), **options}
    outcome = amorsize.execute(
        sends_a_lock, range(ITEMS), on_error="collect", history=None, n_jobs=2, **given
    )
    for item, result in enumerate(outcome):
        assert type(result).__name__ in ("ItemError", "int", "lock")
        if type(result).__name__ == "ItemError":
            assert item > 100 and item % 20 == 11
