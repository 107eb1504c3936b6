"""What a plan and a run say: a server that refused, plurals, estimates, alternatives."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

import amorsize
from amorsize.core.model import Config, ItemTries, Prediction, Run, WorkerUse
from amorsize.machine.procfs import tells_memory
from amorsize.planning.explain import describe, why_serial
from amorsize.reporting.log import run_fields
from amorsize.reporting.text import plan_text, run_text


@pytest.mark.parametrize(
    ("limits", "text"),
    [
        ((58, 60), "; at most 58 to 60 ran side by side from then on"),
        ((7, 7), "; at most 7 ran side by side from then on"),
        (None, "for it"),
    ],
)
def test_refusals_are_told(limits: tuple[int, int] | None, text: str) -> None:
    run = Run(
        Config("threads", 60), 1500, 9.0, 1.0, calls=1512, refused_calls=12,
        refusal_wait_seconds=4.2, refusal_limits=limits,
    )  # fmt: skip
    told = run_text(run).splitlines()[1]
    assert told.startswith("  a server refused 12 of 1,512 calls; all waited 4.2")
    assert told.endswith(text)
    json.dumps(run_fields(run))


def test_the_items_with_the_most_tries_are_told() -> None:
    retried = tuple(
        ItemTries(item, tries, tries - 2, 0.5, 0.75, served=True)
        for item, tries in ((3, 2), (8, 9), (11, 3), (40, 3))
    )
    run = Run(Config("threads", 60), 1500, 9.0, 1.0, retried_items=1204, retried=retried)
    assert run_text(run).splitlines()[1] == (
        "  1,204 items tried more than once: item 8 9 times (7 refused, waited 500 ms), "
        "item 11 3 times (1 refused, waited 500 ms), item 40 3 times (1 refused, waited 500 ms), ..."
    )
    fields = json.loads(json.dumps(run_fields(run)))
    assert [ItemTries(**one) for one in fields["retried"]] == list(retried)


def test_without_a_refusal_nothing_is_told() -> None:
    assert "refused" not in run_text(Run(Config("threads", 60), 1500, 9.0, 1.0, calls=1500))


def test_one_item_is_not_items() -> None:
    uses = tuple(WorkerUse(f"thread {n}", n, n, 0.5, 0.0, 0.0, 0.0, 0.0) for n in (1, 2))
    told = run_text(Run(Config("threads", 2), 3, 1.0, 1.0, workers=uses))
    assert "thread 1: 1 item in 1 chunk;" in told and "thread 2: 2 items in 2 chunks;" in told


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(3.0, "3.0 times the estimate"), (1.5, "50% more than"), (0.9, "10% less than estimated")],
)
def test_how_far_off_an_estimate_was(seconds: float, text: str) -> None:
    plan = amorsize.optimize(abs, [1, 2], n_jobs=1, history=None)
    plan.items_left, plan.estimated_seconds, plan.real_seconds = 2, 1.0, seconds
    assert text in plan_text(plan)


def test_an_alternative_that_is_slower_saves_nothing() -> None:
    serial, threads = Prediction(Config("serial"), 0.02), Prediction(Config("threads", 2), 0.03)
    assert why_serial(serial, [threads], 2.5).endswith("the best alternative would take 30 ms")
    assert "saves less than 2.5 times" in why_serial(threads, [serial], 2.5)


@pytest.mark.parametrize(
    ("config", "text"),
    [
        (Config("threads", 1), "1 thread"),
        (Config("fork", 1), "1 process (fork)"),
        (Config("spawn", 1, 4), "1 process with 4 threads each (spawn)"),
        (Config("dask", 1), "1 worker of dask"),
        (Config("asyncio", 40), "40 coroutines (asyncio)"),
        (Config("asyncio", 1), "1 coroutine (asyncio)"),
        (Config("threads", 2), "2 threads"),
    ],
)
def test_workers_are_counted_in_words(config: Config, text: str) -> None:
    assert describe(config) == text


def test_more_workers_than_at_the_end_are_said_to_be_all() -> None:
    """It said "on 2 threads", and "then 8 workers" in the next line."""
    uses = tuple(WorkerUse(f"thread {n}", 1, 1, 0.1, 0.0, 0.0, 0.0, 0.0) for n in range(8))
    told = run_text(Run(Config("threads", 2), 10, 1.0, 1.0, alone_items=2, workers=uses))
    assert "the caller alone: 2 items in 0 s; then 8 workers in all for 1 s" in told.replace(
        "0 ns", "0 s"
    )
    told = run_text(Run(Config("threads", 8), 8, 1.0, 1.0, workers=uses))
    assert "before workers: 0 items" in told and "then 8 workers for" in told


def compute(item: int) -> int:
    return sum(range(item % 7 + 5000))


@pytest.mark.parametrize("option", [{"memory_limit": "1GiB"}, {"timeout": 60}, {"backend": "fork"}])
def test_items_that_workers_run_for_the_plan_are_not_said_to_be_the_callers(
    option: dict[str, object],
) -> None:
    if option.keys() == {"memory_limit"} and not tells_memory():
        pytest.skip("this system does not tell what a process holds")
    plan = amorsize.optimize(compute, range(200), n_jobs=2, history=None, **option)  # type: ignore[arg-type]
    done = plan.items_done
    assert plan.execute() == [compute(item) for item in range(200)]
    run = plan.run
    assert run is not None and run.tried_items == done > 0
    assert run.alone_items == run.tried_items == 200 - sum(use.items for use in run.workers)
    assert f"to make the plan: {done} items in workers" in str(run)


@pytest.mark.parametrize("func", [compute, len])
def test_a_plan_of_an_unknown_number_of_items_tells_no_seconds(func: Callable[[Any], Any]) -> None:
    """It said "about 14.7 ms to go", and took 4.2 s."""
    data = range(3000) if func is compute else ["a"] * 3000
    plan = amorsize.optimize(func, iter(data), history=None)
    if plan.items_left == 0:
        return
    text = str(plan)
    assert "an unknown number left" in text and "to go" not in text and " ms left" not in text
    assert plan.estimated_seconds == 0.0 and plan.estimated_interval is None
    assert "for what is left" not in plan._repr_html_()
    plan.execute()
    assert plan.error is None and "  it took " in str(plan)
    assert "the estimate" not in str(plan) and "than estimated" not in str(plan)


def test_one_item_was_done() -> None:
    plan = amorsize.optimize(abs, [-1], history=None)
    assert "the only item was done" in str(plan)


def test_log_records_name_the_function() -> None:
    records: list[logging.LogRecord] = []
    logger, handler = logging.getLogger("amorsize"), logging.Handler(logging.DEBUG)
    handler.emit = records.append  # type: ignore[method-assign]
    level, logger.level = logger.level, logging.DEBUG
    logger.addHandler(handler)
    try:
        amorsize.execute(compute, range(300), history=None)
        amorsize.execute(partial(compute), [1], history=None)
        asyncio.run(amorsize.aexecute(later, [1], history=None))
    finally:
        logger.removeHandler(handler)
        logger.level = level
        logger.manager._clear_cache()  # type: ignore[attr-defined]
    name = f"{__name__}:compute"
    ends = [one for one in records if one.levelno == logging.INFO]
    assert all(one.amorsize["function"] == name for one in records[:-1])  # type: ignore[attr-defined]
    assert ends[0].getMessage().startswith(f"done: {name}, 300 items in ")
    assert ends[1].getMessage().startswith(f"done: {name}, 1 item in ")
    assert ends[-1].getMessage().startswith(f"done: {__name__}:later, 1 item in ")
    for one in records:
        if one.levelno == logging.DEBUG:
            assert one.getMessage().startswith(f"chose for {name}: ")


async def later(item: int) -> int:
    return item
