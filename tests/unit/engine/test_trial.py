"""Plans where nothing may run in the caller try the first items as all others are to run."""

from __future__ import annotations

import os
import time
from typing import Any

import pytest

import amorsize
from amorsize.machine.procfs import tells_memory


def square(number: int) -> int:
    return sum(range(5000)) + number * number


def doze(number: int) -> int:
    time.sleep(0.01)
    return number


def where(number: int) -> tuple[int, int]:
    sum(range(20_000))
    return number, os.getpid()


@pytest.mark.parametrize(
    "options", [{"backend": "threads"}, {"backend": "processes"}, {"timeout": 30}], ids=str
)
@pytest.mark.parametrize("kind", [list, tuple, lambda data: data])
def test_something_is_said_and_no_item_runs_twice(options: dict[str, Any], kind: Any) -> None:
    plan = amorsize.optimize(square, kind(range(400)), history=None, **options)
    assert 0 < plan.items_done <= 100 and plan.items_done + plan.items_left == 400
    assert plan.estimated_seconds > 0 and plan.estimated_interval is not None
    assert plan.execute() == [square(number) for number in range(400)]
    assert plan.run is not None and plan.run.items == 400


def test_no_item_runs_in_the_caller() -> None:
    plan = amorsize.optimize(where, range(100), history=None, backend="processes", n_jobs=2)
    results = plan.execute()
    assert [number for number, _ in results] == list(range(100))
    assert os.getpid() not in {process for _, process in results}


def test_items_that_wait_get_threads_where_a_time_limit_is_given() -> None:
    plan = amorsize.optimize(doze, range(120), history=None, timeout=30)
    assert plan.backend == "threads" and plan.n_jobs > 16
    assert plan.execute() == list(range(120))


@pytest.mark.parametrize("on_error", ["raise", "collect"])
def test_what_an_item_raises_is_raised_or_kept(on_error: str) -> None:
    def bad(number: int) -> int:
        if number == 3:
            raise ValueError(number)
        return number

    options: dict[str, Any] = {"history": None, "backend": "threads", "on_error": on_error}
    if on_error == "raise":
        with pytest.raises(ValueError, match="3") as caught:
            amorsize.optimize(bad, range(200), **options)
        assert "item 3" in caught.value.__notes__[0]
        return
    results = amorsize.optimize(bad, range(200), **options).execute()
    assert isinstance(results[3], amorsize.ItemError) and results[3].index == 3
    assert results[:3] + results[4:] == [*range(3), *range(4, 200)]


@pytest.mark.parametrize(
    ("data", "options"),
    [
        (range(200), {"on_error": "skip"}), (range(200), {"seed": 1}), (range(200), {"retries": 1}),
        (range(3), {}), (range(0), {}), (iter(range(50)), {}),
    ],
)  # fmt: skip
def test_where_nothing_can_be_tried_the_plan_says_nothing(
    data: Any, options: dict[str, Any]
) -> None:
    plan = amorsize.optimize(abs, data, history=None, backend="threads", **options)
    assert plan.items_done == 0 and plan.estimated_interval is None
    plan.execute()


@pytest.mark.filterwarnings("always::amorsize.DifferenceWarning")
def test_a_difference_is_told_once_by_the_trial_and_the_run() -> None:
    if not tells_memory():
        pytest.skip("this system does not tell what a process holds")
    with pytest.warns(amorsize.DifferenceWarning) as found:
        amorsize.optimize(where, range(200), n_jobs=2, history=None, memory_limit="1GiB").execute()
    assert len(found) == 1, [str(one.message) for one in found]
