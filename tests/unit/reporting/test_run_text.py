"""What a plan and a run say: a server that refused, plurals, estimates, alternatives."""

from __future__ import annotations

import json

import pytest

import amorsize
from amorsize.core.model import Config, ItemTries, Prediction, Run, WorkerUse
from amorsize.planning.explain import why_serial
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
