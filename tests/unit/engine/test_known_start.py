"""Workers before the first item: of functions that earlier runs have shown, and that rules clear now."""

from __future__ import annotations

import time
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest
from support.engine_values import MACHINE, earlier_run, facts, measured, spec
from support.work import calm

from amorsize import learning
from amorsize.api.checks import make_options
from amorsize.api.observers import observers_for
from amorsize.core.frozen import replace
from amorsize.core.model import Config, Crowd, Safety
from amorsize.engine import commands as do
from amorsize.engine.driver import Engine, engine_for
from amorsize.engine.events import Begun
from amorsize.engine.policy import transition
from amorsize.engine.state import INITIAL, Facts, NeedFact, Phase, RunState
from amorsize.history.factory import open_history
from amorsize.planning.cost_model import GIL_FREE_SHARE, Costs, Preparation

BEGUN = Begun(100.0, 1.0)
UNREAD = Costs(preparation=Preparation(judging=0.06))
UNSEEN = measured((0.0, 1.0, 1.0), items=0, item_seconds=0.0, window_is_empty=True)


def forked(**changes: Any) -> Any:
    """A run of the function on two worker processes: items of 70 ms, which compute."""
    run = earlier_run()
    work = replace(run.work, item_seconds=0.07, level=2, **changes)
    profile = replace(run.profile, item_seconds=0.07)
    return replace(run, config=Config("fork", 4), work=work, profile=profile)


def waited() -> Any:
    """A run of the function on threads: items that wait for 20 ms."""
    run = earlier_run(cpu_share=0.02)
    profile = replace(run.profile, item_seconds=0.02)
    return replace(run, config=Config("threads", 50), profile=profile)


def begin(known: Facts, event: Begun = BEGUN, **options: Any) -> tuple[RunState, Any]:
    """The run's first moment."""
    asked = spec(**{"total": 16, "known_long": True, **options})
    step = transition(asked, INITIAL, event, known)
    assert not isinstance(step, NeedFact)
    return step


def test_known_heavy_items_start_workers_before_the_first() -> None:
    state, commands = begin(facts(runs=(forked(),), measured=UNSEEN))
    assert state.phase == Phase.DELEGATED and state.decision is not None
    assert state.decision.origin == "known" and state.position == 0
    given, started = commands[-2:]
    assert isinstance(given, do.HandOver) and given.position == 0
    assert isinstance(started, do.StartBackend) and started.config == Config("fork", 4)
    assert started.item_seconds == pytest.approx(0.07)
    assert (
        state.said is not None and "known from 1 earlier run, so" in state.said.choice.reasons[-1]
    )


def test_what_is_still_to_be_read_may_pay() -> None:
    assert begin(facts(runs=(forked(),), measured=UNSEEN, costs=UNREAD))[0].decisions


def test_known_waits_start_all_their_threads() -> None:
    _, commands = begin(facts(runs=(waited(),), measured=UNSEEN), total=50)
    started = commands[-1]
    assert isinstance(started, do.StartBackend) and started.waits
    assert started.config == Config("threads", 50) and started.first_workers is None


@pytest.mark.parametrize(
    ("changed", "options"),
    [
        ({"runs": ()}, {}),  # another function had the same tag
        ({"safety": Safety(caller_only="stores to a global")}, {}),  # the rules are asked each time
        ({"safety": Safety(no_processes="holds a socket")}, {}),
        ({"fork_refusal": "a thread of another library runs", "fresh_refusal": "no"}, {}),
        ({"runs": (replace(forked(), config=Config("serial")),)}, {}),  # it was kept in the caller
        ({"runs": (replace(forked(), outcome="failed"), forked())}, {}),
        ({"runs": (replace(forked(), outcome="changed"), forked())}, {}),
        ({"runs": (replace(forked(), config=Config("threads", 1)), forked())}, {}),
        ({"runs": (earlier_run(), forked())}, {}),
        ({"holds_the_same": False}, {}),  # an item of another object was watched
        ({"costs": Costs(preparation=Preparation(judging=1.0))}, {}),  # more than it gives
        ({"costs": UNREAD, "crowd": Crowd(12, 4, 0.2)}, {}),  # and many times that beside others
        ({}, {"total": 1}),
        ({}, {"total": None}),
        ({}, {"streaming": True}),
        ({}, {"journaled": True}),
        ({}, {"indexed": False}),
        ({}, {"known_long": False}),
        ({}, {"nested": True}),
        ({}, {"backend": "serial"}),
    ],
)
def test_else_the_caller_begins(changed: dict[str, Any], options: dict[str, Any]) -> None:
    state, commands = begin(
        facts(**{"runs": (forked(),), "measured": UNSEEN, **changed}), **options
    )
    assert state.phase == Phase.LOCAL and not state.decisions
    assert not any(isinstance(one, do.StartBackend) for one in commands)


def test_a_plan_sees_items_first() -> None:
    state, _ = begin(facts(runs=(forked(),), measured=UNSEEN), replace(BEGUN, measuring=True))
    assert state.phase == Phase.LOCAL and not state.decisions


def test_a_warm_up_that_workers_inherit_is_left_to_the_caller() -> None:
    """The first run forked after the caller's long first item, the next one before it."""
    after = forked(caller_warmup_seconds=0.3)
    before = forked(worker_warmup_seconds=0.3)
    assert begin(facts(runs=(after,), measured=UNSEEN))[0].decisions  # is it an item by itself?
    assert begin(facts(runs=(before,), measured=UNSEEN))[0].decisions
    each = forked(caller_warmup_seconds=0.3, worker_warmup_seconds=0.3)
    assert begin(facts(runs=(each, before), measured=UNSEEN))[0].decisions  # nothing is inherited
    assert not begin(facts(runs=(before, after), measured=UNSEEN))[0].decisions


def burn(seconds: float) -> int:
    """Compute for so many seconds of a core: more workers than there are cores share them."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass
    return 1


def nap(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


def fails(number: int) -> int:
    burn(0.02)
    if number in (7, 11):
        raise ValueError(number)
    return number


def made(func: Any, items: Any, folder: Path) -> Engine:
    """A run that is recorded."""
    options = make_options(history=str(folder / "history.sqlite"))
    observers = observers_for(func, options)
    long = learning.is_known_long(func, options.history)
    return engine_for(func, items, options, MACHINE, observers, long)


@pytest.mark.parametrize(("func", "items"), [(burn, [0.03] * 12), (nap, [0.02] * 30)])
def test_the_second_run_begins_with_workers(tmp_path: Path, func: Any, items: list[float]) -> None:
    def check() -> None:
        folder, origins, alone = Path(mkdtemp(dir=tmp_path)), [], []
        for _ in range(3):
            engine = made(func, items, folder)
            assert engine.execute() == [func(item) for item in items]
            assert engine.run is not None
            origins.append(engine.state.decisions[0].origin)
            alone.append(engine.run.alone_items)
        assert origins[0] != "known" and alone[0] > 0
        assert origins[1:] == ["known", "known"] and alone[1:] == [0, 0]
        with open_history(folder / "history.sqlite") as history:
            shares = [run.profile.gil_free_share or 0.0 for run in history.read()]
        # Workers that ended were taken for programs of the items, which need no GIL.
        assert func is nap or max(shares) < GIL_FREE_SHARE

    calm(check, tries=5)


def test_an_error_is_the_item_s_own(tmp_path: Path) -> None:
    good = [*range(7), 8, 9, 10, *range(12, 20)]

    def check() -> None:
        folder = Path(mkdtemp(dir=tmp_path))
        for _ in range(2):
            assert made(fails, good, folder).execute() == good
        engine = made(fails, range(20), folder)
        with pytest.raises(ValueError, match=r"^(7|11)\b"):
            engine.execute()
        assert engine.state.decisions[0].origin == "known"
        assert made(fails, good, folder).execute() == good

    calm(check, tries=5)


FILLED: list[int] = []


def fills(number: float) -> int:
    if not FILLED:
        FILLED.append(1)
    return burn(number) + len(FILLED)


def keeps(number: float) -> int:
    FILLED.append(1)
    return burn(number)


def test_a_first_item_that_fills_a_table_runs_in_the_caller(tmp_path: Path) -> None:
    for _ in range(3):
        FILLED.clear()
        engine = made(fills, [0.02] * 20, tmp_path)
        assert engine.execute() == [2] * 20 and FILLED == [1]
        assert engine.run is not None and engine.run.alone_items > 0


def test_a_function_that_keeps_things_never_leaves_the_caller(tmp_path: Path) -> None:
    for _ in range(3):
        FILLED.clear()
        assert made(keeps, [0.01] * 20, tmp_path).execute() == [1] * 20
        assert len(FILLED) == 20
