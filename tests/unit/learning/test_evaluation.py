"""Plans and histories tell afterwards how right predictions were."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
from support.learning import a_run, wait

import amorsize
from amorsize.core.frozen import replace
from amorsize.core.model import Config
from amorsize.history.memory import MemoryHistory
from amorsize.learning.evaluation import judge, spans
from amorsize.reporting.accuracy_plot import as_svg, as_text

pytestmark = pytest.mark.timeout(60)


def test_a_plan_tells_how_right_it_was() -> None:
    history = MemoryHistory()
    tuner = amorsize.Tuner(amorsize.Settings(explore=0), history=history)
    tuner.execute(wait, [0.006] * 60)
    plan = tuner.optimize(wait, [0.006] * 60)
    assert plan.neighbours == 1
    assert plan.estimated_spread > 0
    assert plan.error is None and plan.real_seconds is None
    plan.execute()
    assert plan.real_seconds is not None and plan.error is not None
    assert plan.error == pytest.approx(math.log(plan.real_seconds / plan.estimated_seconds))
    text = str(plan)
    assert "it took" in text and "1 earlier run" in text
    assert plan.to_dict()["real_seconds"] == plan.real_seconds


def test_errors_are_seen_to_fall() -> None:
    """Twenty functions, each three times slower than modelled: known from their second run on."""
    history = MemoryHistory()
    rows = [
        replace(
            a_run(Config("threads", 4), 3.0, 1.0, fingerprint=f"{number % 20:032x}", items=10),
            time=float(number),
            id=f"{number:032x}",
        )  # type: ignore[type-var]
        for number in range(200)
    ]
    history.add(rows)
    judged = judge(history.table())
    assert len(judged) == 200
    assert judged[0].source == "nothing" and judged[0].error == pytest.approx(math.log(3))
    assert all(one.source == "own" for one in judged[20:])
    assert judged[199].error < 0.2 * judged[199].model_error
    found = spans(judged, 4)
    assert [one.first for one in found] == [1, 51, 101, 151]
    assert found[-1].error < found[0].model_error
    assert found[-1].regret is None, "only one configuration ever ran"
    assert len(as_text(found).splitlines()) == 6
    assert as_svg(found).startswith("<svg")


@pytest.mark.parametrize(
    ("error", "text", "axis"),
    [(0.1, "11%", "error of seconds (%)"), (5.0, "148.4x", "error of seconds (factor), log scale")],
)
def test_a_large_error_is_a_factor(error: float, text: str, axis: str) -> None:
    one = SimpleNamespace(
        first=1, last=9, error=error / 2, model_error=error, known=1.0, regret=None, regret95=None
    )
    assert text in as_text([one])
    assert axis in as_svg([one])


def test_the_regret_is_named() -> None:
    history = MemoryHistory()
    rows = [
        replace(
            a_run(Config("threads", 2 + 2 * (number % 2)), 2.0 - number % 2, 1.0, items=100),
            id=f"{number:032x}",
        )  # type: ignore[type-var]
        for number in range(10)
    ]
    history.add(rows)
    assert [one.regret for one in judge(history.table())] == [2.0, 1.0] * 5
