"""Plans run items at spread positions: the same results, and the lowest failing index is raised."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.engine_values import facts, slice_ended, spec
from support.machines import small_process as small_process

import amorsize
from amorsize.engine import commands as do
from amorsize.engine.events import SpreadSeen
from amorsize.engine.policy import transition
from amorsize.engine.slice_watch import ItemWatch
from amorsize.engine.state import NeedFact, Phase, RunState
from amorsize.items.source import ItemSource

MEASURING = RunState(watched=True, measuring=True)


def after(state: RunState, event: Any, known: Any, **options: Any) -> Any:
    step = transition(spec(**options), state, event, known)
    assert not isinstance(step, NeedFact)
    return step


def test_a_plan_asks_for_items_at_spread_positions_before_it_pauses() -> None:
    known = facts(order_is_free=True)
    state, commands = after(MEASURING, slice_ended(), known)
    assert isinstance(commands[-1], do.RunSpread) and commands[-1].speedup > 1
    assert state.phase == Phase.LOCAL and not state.paused
    state, commands = after(state, SpreadSeen(101.0, 1.0, 10, 5), known)
    assert state.paused and isinstance(commands[-1], do.Pause)
    assert state.decision.config.backend == "fork"
    assert state.said.choice is state.decision.choice


@pytest.mark.parametrize(
    "options",
    [
        {"on_error": "collect"}, {"seed": 1}, {"retries": 1}, {"max_errors": 2, "on_error": "skip"},
        {"journaled": True},
    ],
)  # fmt: skip
def test_where_the_order_counts_no_item_leaves_it(options: dict[str, Any]) -> None:
    state, commands = after(MEASURING, slice_ended(), facts(order_is_free=True), **options)
    assert state.paused and not any(isinstance(one, do.RunSpread) for one in commands)


def test_a_function_that_is_not_free_keeps_its_order() -> None:
    state, _ = after(MEASURING, slice_ended(), facts(order_is_free=False))
    assert state.paused


def test_a_run_without_a_plan_runs_no_item_apart() -> None:
    state, _ = after(RunState(watched=True), slice_ended(), facts())  # the fact is not asked for
    assert state.phase == Phase.DELEGATED


@pytest.mark.parametrize("done", [[], [4], [4, 5, 9], [3, 12], [3, 4, 5, 6, 7, 8, 9, 10, 11, 12]])
@pytest.mark.parametrize("stop", [None, 11])
def test_positions_that_are_done_are_not_handed_out(done: list[int], stop: int | None) -> None:
    source = ItemSource(list(range(13)))
    source.hand_over(3)
    left_out = [one for one in done if stop is None or one < stop]
    source.leave_out(left_out, stop)
    found: list[int] = []
    while (run := source.take(2)) is not None:
        found += run[1]
    assert sorted(found) == [n for n in range(3, stop or 13) if n not in left_out]
    assert source.finished


def rising(number: int) -> int:
    return sum(
        range(20_000 + 20 * number)
    )  # a fork pays from the first item on, in a large process too


def ran_apart(func: Any, data: Any, **options: Any) -> tuple[Any, Any]:
    """A plan, and how many items of it ran apart."""
    plan = amorsize.optimize(func, data, history=None, backend=("serial", "fork"), **options)
    assert plan._engine is not None
    return plan, plan._engine._effects.spread


@pytest.fixture
def order_is_free(monkeypatch: pytest.MonkeyPatch, small_process: None) -> None:
    """On a busy machine a look at what an item changes may be cut short; and tests before this one may
    have loaded a library that keeps threads, beside which nothing is forked."""
    monkeypatch.setattr("amorsize.engine.slice_watch.ItemWatch.order_is_free", True)
    monkeypatch.setattr("amorsize.engine.lookups.fork_refusal", lambda: None)


def test_an_item_that_changes_nothing_sets_the_order_free() -> None:
    watch = ItemWatch(rising, numbered=False)
    assert not watch.order_is_free
    watch.begin([3], 0)
    watch.end([rising(3)])
    verdict = watch.verdict
    assert verdict is not None and (watch.order_is_free or verdict.cut_short)


@pytest.mark.usefixtures("order_is_free")
@pytest.mark.parametrize("kind", [list, tuple, lambda data: data])
def test_results_keep_their_places(kind: Any) -> None:
    data = kind(range(1500))
    plan, spread = ran_apart(rising, data)
    assert spread.results and plan.items_done + plan.items_left == 1500
    assert plan.execute() == [rising(number) for number in data]
    assert plan.run.items == 1500


BAD: set[int] = set()


def sometimes_bad(number: int) -> int:
    if number in BAD:
        raise ValueError(number)
    return sum(range(20_000))


@pytest.mark.usefixtures("order_is_free")
@pytest.mark.parametrize(
    ("bad", "raised"),
    [({900}, 900), ({900, 800}, 800), ({900, 1500}, 900), ({1500, 1400}, 1400)],
)
def test_the_lowest_failing_index_is_raised(
    monkeypatch: pytest.MonkeyPatch, bad: set[int], raised: int
) -> None:
    monkeypatch.setattr("amorsize.engine.spread.spread_positions", lambda *_: iter((1500, 900)))
    BAD.clear()
    BAD.update(bad)
    plan, spread = ran_apart(sometimes_bad, range(2000))
    assert spread.failure is not None and spread.failure[0] in bad
    assert any("execute() raises it" in warning for warning in plan.warnings)
    with pytest.raises(ValueError, match=str(raised)) as caught:
        plan.execute()
    assert f"item {raised}" in caught.value.__notes__[0]


def prints(number: int) -> int:
    print(end="")
    return sum(range(20_000))


def test_a_function_that_prints_runs_in_order() -> None:
    _, spread = ran_apart(prints, range(2000))
    assert spread is None


def writes(path: Path) -> int:
    path.with_suffix(".out").write_text("done")
    return sum(range(20_000))


def test_a_function_that_writes_files_runs_in_order(tmp_path: Path) -> None:
    _, spread = ran_apart(writes, [tmp_path / str(n) for n in range(2000)])
    assert spread is None


def test_sources_of_unknown_order_are_left_alone() -> None:
    plan, spread = ran_apart(rising, iter(range(1500)))
    assert spread is None
    assert plan.execute() == [rising(number) for number in range(1500)]
