"""What cannot be sent to fresh interpreters stays in the caller, where they are not the user's choice."""

from __future__ import annotations

import contextvars
import os
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import amorsize
from amorsize.planning.cost_model import Costs

HOME = os.getpid()


@pytest.fixture(autouse=True)
def fresh_interpreters_pay(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Another thread forbids a fork, and starting costs nothing."""
    over = threading.Event()
    thread = threading.Thread(target=over.wait)
    thread.start()
    monkeypatch.setattr(Costs, "start", lambda *_: 0.0)
    monkeypatch.setattr(Costs, "before", lambda *_: 0.0)
    yield
    over.set()
    thread.join()


def toil(item: int) -> int:
    total = item
    for turn in range(60_000):
        total += turn * turn % 7
    return total


class AtHome:
    """Is pickled everywhere, and made again in this process only."""

    def __reduce__(self) -> Any:
        return at_home, (HOME,)


def at_home(pid: int) -> AtHome:
    if os.getpid() != pid:
        raise RuntimeError("another process")
    return AtHome()


class Refuses:
    def __reduce__(self) -> Any:
        raise TypeError("not to be sent")


def closing_over(value: object) -> Callable[[int], int]:
    def func(item: int) -> int:
        return toil(item) + (value is None)

    return func


VALUES: dict[str, Callable[[], object]] = {
    "context variable": lambda: contextvars.ContextVar("unsent"),
    "refuses": Refuses,
    "made at home only": AtHome,
    "frame": sys._getframe,
}


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_a_function(value: Callable[[], object]) -> None:
    func = closing_over(value())
    assert amorsize.execute(func, range(60), history=None) == [func(item) for item in range(60)]


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_an_item(value: Callable[[], object]) -> None:
    items: list[Any] = [[number, None] for number in range(60)]
    items[50][1] = value()

    def func(item: Any) -> int:
        return toil(item[0]) + (item[1] is None)

    plan = amorsize.optimize(func, items, history=None)
    assert plan.execute() == [func(item) for item in items]


@pytest.mark.parametrize("options", [{"backend": "spawn"}, {"rerun_after_death": False}], ids=str)
def test_where_the_user_has_decided_it_is_an_error(options: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="not to be sent"):
        amorsize.execute(closing_over(Refuses()), range(60), history=None, **options)
