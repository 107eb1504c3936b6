"""Public reports of parallel maps, in own words: what differed from the plain loop is equal now."""

from __future__ import annotations

import contextvars
import decimal
import itertools
import random
import time
import types
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import amorsize

ITEMS = 150


def burn(count: int = 20_000) -> int:
    total = 0
    for i in range(count):
        total += i * i
    return total


def run(func: Callable[[Any], Any], data: Any = None, **options: Any) -> list[Any]:
    return amorsize.execute(func, range(ITEMS) if data is None else data, history=None, **options)


def test_append_under_another_name() -> None:
    found: list[int] = []
    push = found.append

    def work(item: int) -> int:
        push(item)
        return burn()

    run(work)
    assert found == list(range(ITEMS))


def test_a_counter_that_all_items_share() -> None:
    numbers = itertools.count()

    def tag(item: int) -> tuple[int, int]:
        burn()
        return next(numbers), item

    assert run(tag) == [(i, i) for i in range(ITEMS)]


@pytest.mark.parametrize("make", [lambda: random.Random(7), lambda: np.random.default_rng(7)])
def test_a_generator_of_the_users_own(make: Callable[[], Any]) -> None:
    numbers, again = make(), make()

    def draw(item: int) -> float:
        burn()
        return float(numbers.random())

    assert run(draw) == [float(again.random()) for _ in range(ITEMS)]


def test_items_that_are_changed_while_a_value_is_returned() -> None:
    records = [{"id": i} for i in range(ITEMS)]

    def score(record: dict[str, int]) -> bool:
        record["score"] = burn(20_000 + record["id"])
        return record["score"] > 0

    assert all(run(score, records))
    assert all("score" in record for record in records)


def test_what_no_rule_knows_is_seen_by_the_watch() -> None:
    box = types.SimpleNamespace(rows=[])
    name = "".join(["app", "end"])

    def work(item: int) -> int:
        getattr(box.rows, name)(item)
        return burn()

    run(work)
    assert box.rows == list(range(ITEMS))
    plan = amorsize.optimize(work, range(ITEMS), history=None)
    assert plan.backend == "serial" and "safety" in str(plan)
    plan = amorsize.optimize(work, range(ITEMS), history=None, effects="ignore")
    assert "changed" not in plan.safety


NAME = contextvars.ContextVar("NAME", default="nobody")


def waits(item: int) -> Any:
    time.sleep(0.002)
    return NAME.get(), str(decimal.Decimal(1) / 3), np.geterr()["divide"]


@pytest.mark.parametrize("backend", ["auto", "threads", "fork", "pool"])
def test_the_callers_context(backend: str) -> None:
    token = NAME.set("acme")
    try:
        with decimal.localcontext() as context, np.errstate(divide="raise"):
            context.prec = 5
            with ThreadPoolExecutor(2) as pool:
                chosen = pool if backend == "pool" else backend
                assert set(run(waits, backend=chosen)) == {("acme", "0.33333", "raise")}
    finally:
        NAME.reset(token)


class Series(np.ndarray):  # type: ignore[type-arg]
    """An array whose unit is lost by pickling."""

    unit: str

    def __array_finalize__(self, made_from: Any) -> None:
        self.unit = getattr(made_from, "unit", "")


def measured(item: int) -> Any:
    burn()
    made = np.asarray([item, item + 1.0]).view(Series)
    made.unit = "kPa"
    return made


def test_results_that_pickling_changes() -> None:
    assert {one.unit for one in run(measured)} == {"kPa"}


def frames() -> Iterator[Any]:
    buffer = np.empty(100)
    for i in range(ITEMS):
        buffer[:] = i
        yield buffer


def sums(frame: Any) -> float:
    burn()
    return float(frame.sum())


def sums_slowly(frame: Any) -> float:
    time.sleep(0.002)
    return float(frame.sum())


def sums_group(pair: Any) -> Any:
    burn()
    return pair[0], sum(value for _, value in pair[1])


@pytest.mark.parametrize("func", [sums, sums_slowly])
def test_a_buffer_that_is_filled_again(func: Callable[[Any], float]) -> None:
    expected = [100.0 * i for i in range(ITEMS)]
    assert run(func, frames()) == expected
    assert list(amorsize.stream(func, frames(), history=None)) == expected


@pytest.mark.parametrize("backend", ["auto", "threads", "fork", "spawn"])
def test_groups_of_groupby(backend: str) -> None:
    rows = [(key, value) for key in range(ITEMS) for value in range(5)]

    def groups() -> Any:
        return itertools.groupby(rows, key=lambda row: row[0])

    expected = [(key, 10) for key in range(ITEMS)]
    assert run(sums_group, groups(), backend=backend) == expected
    found = amorsize.stream(sums_group, groups(), backend=backend, history=None)
    assert list(found) == expected


def draws(item: int) -> float:
    burn()
    return random.random()


def test_draws_from_the_global_state_are_told_of() -> None:
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        plan = amorsize.optimize(draws, range(2 * ITEMS), history=None)
        assert len(set(plan.execute())) == 2 * ITEMS
    told = [one for one in seen if issubclass(one.category, amorsize.DifferenceWarning)]
    assert len(told) == (plan.backend != "serial")
    assert "random" in plan.safety


def test_an_option_for_effects_is_checked() -> None:
    with pytest.raises(amorsize.OptionError, match="effects"):
        run(abs, effects="no")


def test_a_plan_says_why_a_function_was_not_judged() -> None:
    """Beside six threads it said that nothing but the loop would pay."""
    for backend, why in (
        ("threads", "the backend was asked for"),
        ("serial", "nothing but the loop"),
    ):
        plan = amorsize.optimize(abs, range(50), backend=backend, history=None)
        assert plan.execute() == list(range(50)) and why in plan.safety
