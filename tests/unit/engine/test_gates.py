"""After a slice: what is cheap is asked first, and what is decided follows from what was seen."""

from __future__ import annotations

from typing import Any

import pytest
from support.engine_values import COMPUTES, WAITS, earlier_run, facts, measured, slice_ended, spec

from amorsize.core.frozen import replace
from amorsize.core.model import Crowd, Machine, Safety
from amorsize.engine import commands as do
from amorsize.engine.gates import LEAST_START_SECONDS
from amorsize.engine.policy import transition
from amorsize.engine.state import Facts, NeedFact, Phase, RunState, evolve
from amorsize.planning.cost_model import Preparation
from amorsize.profiling.meter import Transfer


def asked(state: RunState, event: Any, known: Facts, **options: Any) -> list[str]:
    """The facts that are looked up, in their order."""
    names: list[str] = []
    held: dict[str, Any] = {}
    while isinstance(step := transition(spec(**options), state, event, Facts(held)), NeedFact):
        names.append(step.name)
        held = {**held, step.name: known.known[step.name]}
    return names


def after(state: RunState, event: Any, known: Facts | None = None, **options: Any) -> Any:
    step = transition(spec(**options), state, event, known or facts())
    assert not isinstance(step, NeedFact)
    return step


@pytest.mark.parametrize(
    ("event", "options"),
    [
        (slice_ended(elapsed=0.001), {}),  # too young
        (slice_ended(), {"total": 1}),
        (slice_ended(), {"nested": True}),
        (slice_ended(), {"backend": "serial"}),
        (slice_ended(seconds=1e-7), {"streaming": True}),
    ],
)
def test_no_fact_is_looked_up_where_nothing_is_to_be_won(event: Any, options: Any) -> None:
    assert asked(RunState(), event, facts(), **options) == []


def test_little_work_asks_for_nothing_but_the_cores() -> None:
    assert asked(RunState(), slice_ended(done=1000), facts(), total=1000) == ["cores"]


def test_much_work_looks_everything_up_in_the_order_of_its_price() -> None:
    found = asked(RunState(), slice_ended(), facts())
    assert found == [
        "cores", "foreign_threads", "measured", "preparation", "runs", "machine", "costs", "crowd",
        "can_judge", "transfer", "safety", "fork_refusal",
    ]  # fmt: skip
    known = facts(runs=(earlier_run(),))
    assert "residual" in asked(RunState(), slice_ended(), known)
    assert "residual" in asked(RunState(measuring=True), slice_ended(), facts())  # a plan says more


def test_what_must_be_read_first_is_paid_for_or_forgone() -> None:
    unread = facts(preparation=Preparation(judging=0.008, spreading=0.004))
    small = slice_ended(done=1, items=1, seconds=0.001, item_seconds=0.001)
    state, commands = after(RunState(), small, unread, total=16)
    assert not state.decisions and commands == ()
    assert state.forgone == pytest.approx(0.75 * 0.015 - LEAST_START_SECONDS)
    assert after(RunState(), small, total=16)[1] == (do.WatchItem(),)  # all is read: it pays
    assert after(RunState(), small, unread, total=101)[1] == (do.WatchItem(),)  # so does more work
    tiny = slice_ended(done=1, items=1, seconds=2e-5, item_seconds=2e-5)
    assert not after(RunState(), tiny, unread, total=101)[0].forgone  # it would not pay anyhow
    grown = slice_ended(done=30, items=30, seconds=0.001, item_seconds=0.001)
    unseen = facts(preparation=Preparation(judging=0.010, spreading=0.006))
    assert after(RunState(), grown, unseen, total=None)[1] == (do.WatchItem(),)
    assert after(RunState(), grown, unseen, total=60)[1] == ()  # it is known that no more will come


def test_reading_what_asks_the_history_costs_a_small_share_of_what_is_left() -> None:
    """At most 3 % of the loop: a run that stays in the caller has nothing from it."""
    unread = facts(preparation=Preparation(asking=0.003))
    little = slice_ended(done=10, items=10, seconds=0.001, item_seconds=0.001)  # 0.09 s are left
    assert "runs" not in asked(RunState(), little, unread, total=100)
    assert "runs" in asked(RunState(), little, unread, total=111)
    assert "runs" in asked(RunState(), little, facts(), total=100)  # all is read
    assert "runs" in asked(RunState(measuring=True), little, unread, total=100)  # a plan says more


def test_nothing_is_read_to_judge_a_function_that_would_stay_at_best() -> None:
    """Threads of its own keep the cores busy: no verdict would send it anywhere."""
    inside = facts(measured=measured((0.01, 1.0, 1.9)), can_judge=False)
    found = asked(RunState(inner_looked=True), slice_ended(), inside)
    assert not {"safety", "transfer", "fork_refusal"} & set(found)
    state, _ = after(RunState(inner_looked=True), slice_ended(), inside)
    assert state.decision is not None and state.decision.config.backend == "serial"
    read = facts(measured=measured((0.01, 1.0, 1.9)))
    again = after(RunState(inner_looked=True), slice_ended(), read)[0]
    assert again.decision is not None
    assert again.decision.config == state.decision.config  # the same choice, by more facts


def test_a_crowd_that_was_felt_makes_workers_dearer() -> None:
    event = slice_ended(done=10, items=10, seconds=0.001, item_seconds=0.001)
    alone = Crowd(9, 4, 0.4)  # one of ten on four cores: starting takes 2.5 times as long
    assert after(SEEN, event, facts(), total=30)[0].decision.config.backend == "fork"
    assert not after(SEEN, event, facts(crowd=alone), total=30)[0].decisions
    assert after(SEEN, event, facts(crowd=Crowd(9, 4)), total=30)[0].decisions  # nothing was felt
    assert after(SEEN, event, facts(crowd=alone), total=300)[0].decision.config.backend == "fork"


def test_a_plan_is_made_whatever_must_be_read_for_it() -> None:
    unread = facts(preparation=Preparation(judging=100.0))
    event = slice_ended(elapsed=0.06)
    measuring = RunState(measuring=True, watched=True)
    assert after(measuring, event, unread)[0].paused
    assert not after(measuring, replace(event, elapsed=0.04), unread)[0].paused
    assert not after(evolve(measuring, measuring=False), event, unread)[0].decisions


def test_waiting_work_needs_nothing_of_processes() -> None:
    unread = facts(
        measured=measured(WAITS), preparation=Preparation(judging=0.008, spreading=100.0)
    )
    event = slice_ended(done=1, items=1, seconds=0.001, item_seconds=0.001)
    assert after(SEEN, event, unread, total=31)[0].decision.config.backend == "threads"
    assert not after(SEEN, event, unread, total=8)[0].decisions


def test_a_crowd_makes_what_must_be_read_dearer_for_waiting_work_too() -> None:
    """30 waits of 1 ms in a first call beside a load of 14 took 0.09 to 0.2 s, a loop 0.04."""
    known = {"measured": measured(WAITS), "preparation": Preparation(judging=0.012)}
    event = slice_ended(done=1, items=1, seconds=0.001, item_seconds=0.001)
    assert after(SEEN, event, facts(**known), total=31)[0].decisions
    felt = facts(crowd=Crowd(9, 4, 0.4), **known)
    assert not after(SEEN, event, felt, total=31)[0].decisions
    choice = after(SEEN, event, felt, total=310)[0].decision
    assert choice.config.backend == "threads" and choice.config.n_jobs > 4  # a wait needs no core


def test_the_second_item_is_watched_where_the_first_says_that_workers_pay() -> None:
    first = slice_ended(done=1, items=1, seconds=0.04, item_seconds=0.04, elapsed=0.04, first=True)
    assert after(RunState(), first, total=16)[1] == (do.WatchItem(),)
    assert after(RunState(), first, total=2)[1] == ()  # there would be nothing left
    assert after(RunState(), replace(first, imported=True), total=16)[1] == ()
    assert after(RunState(), first, total=16, effects="ignore")[1] == ()
    for known in ({"preparation": Preparation(0.2)}, {"safety": Safety(caller_only="it prints")}):
        assert after(RunState(), first, facts(**known), total=16)[1] == ()


SEEN = RunState(watched=True)
"""An item was watched already."""


def test_an_item_is_watched_before_workers_start() -> None:
    state, commands = after(RunState(), slice_ended())
    assert commands == (do.WatchItem(),)
    assert state.watched and not state.decisions and state.phase == Phase.LOCAL
    state, commands = after(state, slice_ended(done=11))
    assert state.phase == Phase.DELEGATED


@pytest.mark.parametrize(
    ("event", "options"),
    [
        (slice_ended(), {"effects": "ignore"}),
        (slice_ended(seconds=0.2, item_seconds=0.2), {"total": 25}),  # half an item of 15 is much
    ],
)
def test_no_item_is_watched_where_it_is_not_wanted_or_costs_much(event: Any, options: Any) -> None:
    assert not after(RunState(), event, **options)[0].watched


def test_a_doubtful_function_is_watched_however_long_its_items_are() -> None:
    """One more item in the caller is the price where a call's name says that it may change something."""
    doubtful = facts(safety=Safety(unless_watched="some items call writerow of the global 'w'"))
    few = slice_ended(done=1, items=1, seconds=0.5, item_seconds=0.5, elapsed=0.5)
    assert do.WatchItem() not in after(RunState(), few, total=10)[1]
    assert after(RunState(), few, doubtful, total=10)[1] == (do.WatchItem(),)
    assert do.WatchItem() not in after(evolve(RunState(), watched=True), few, doubtful, total=10)[1]


def test_work_that_computes_goes_to_processes() -> None:
    state, commands = after(SEEN, slice_ended())
    assert state.decision.config.backend == "fork" and state.phase == Phase.DELEGATED
    assert [type(one) for one in commands] == [
        do.Emit,
        do.StopSampler,
        do.HandOver,
        do.StartBackend,
    ]
    assert commands[2] == do.HandOver(10, keeps_items=True, copies=True) and state.position == 10
    assert commands[3].item_seconds == 0.01 and commands[3].caller_computes


def test_the_caller_of_a_stream_or_a_journal_does_not_compute() -> None:
    for options in ({"streaming": True}, {"journaled": True}):
        start = after(SEEN, slice_ended(), **options)[1][-1]
        assert start.config.backend == "fork" and not start.caller_computes


def test_work_that_waits_goes_to_threads() -> None:
    state, commands = after(SEEN, slice_ended(), facts(measured=measured(WAITS)))
    assert state.decision.config.backend == "threads" and commands[-1].waits
    assert commands[-1].first_workers is None


def test_items_of_unknown_number_begin_with_few_threads() -> None:
    event = slice_ended(done=40, items=40)
    known, allowed = facts(measured=measured(WAITS)), ("serial", "threads")
    _, commands = after(SEEN, event, known, total=None, backend=allowed)
    assert commands[-1].config.backend == "threads" and commands[-1].first_workers == 8


def test_what_may_not_leave_the_caller_stays_and_is_looked_at_again_later() -> None:
    known = facts(safety=Safety(caller_only="it prints"))
    state, _commands = after(SEEN, slice_ended(), known)
    assert state.phase == Phase.LOCAL and state.decision.config.backend == "serial"
    assert "it prints" in state.decision.choice.reasons[0]
    assert state.not_before == pytest.approx(0.13)
    assert state.profile_when_serial is not None
    assert asked(state, slice_ended(elapsed=0.12), known) == []


def test_a_fork_that_is_refused_gives_way_to_a_spawn() -> None:
    known = facts(fork_refusal="another thread runs")
    state, _ = after(SEEN, slice_ended(seconds=1.0, item_seconds=1.0), known)
    assert state.decision.config.backend == "spawn"


def test_one_core_starts_no_process() -> None:
    known = facts(cores=1, machine=Machine(cores=1))
    state, _ = after(SEEN, slice_ended(), known)
    assert not state.decisions or state.decision.config.backend == "serial"


def test_computing_work_waits_for_a_look_at_the_gil() -> None:
    known = facts(measured=measured(gil_free_share=None))
    state, commands = after(SEEN, slice_ended(elapsed=0.007), known)
    assert not state.decisions and commands == ()
    state, _ = after(evolve(SEEN, only_computes=True), slice_ended(elapsed=0.007), known)
    assert state.decisions


def test_a_clock_that_comes_in_steps_is_given_time() -> None:
    """As the CPU time of threads on Windows: a wait of two steps may look like one of computing."""
    for seconds, is_enough in ((0.1, False), (0.13, True)):
        known = facts(measured=measured((seconds, 0.15, 1.0), step_seconds=1 / 64))
        state, commands = after(SEEN, slice_ended(), known)
        assert bool(state.decisions) == is_enough == bool(commands)


def test_a_function_that_is_parallel_inside_is_measured_twice() -> None:
    known = facts(measured=measured((0.02, 1.0, 3.0)))
    state, commands = after(SEEN, slice_ended(), known)
    assert commands == (do.OpenWindow(),) and state.inner_looked and not state.decisions
    state, commands = after(state, slice_ended(), known)
    assert state.decision.config.backend == "serial" and do.StopSampler() in commands


def test_a_costly_first_item_opens_a_new_window() -> None:
    event = slice_ended(first=True, done=1, items=1, seconds=0.01)
    known = facts(without=("window_opened",))
    need = transition(spec(), SEEN, event, known)
    assert isinstance(need, NeedFact) and need.name == "window_opened"
    assert after(SEEN, event) == (SEEN, ())  # and waits for the second item


def test_a_long_first_item_that_imported_something_is_not_multiplied() -> None:
    known = facts(measured=measured((0.3, 0.9, 1.0)))
    event = slice_ended(first=True, done=1, items=1, seconds=0.3, item_seconds=0.3)
    state, _ = after(SEEN, replace(event, imported=True), known)
    assert state == SEEN  # and waits for the second item
    state, _ = after(SEEN, event, known)
    assert state != SEEN


def test_a_first_item_is_never_multiplied_in_a_plan_that_stays_in_the_caller() -> None:
    """It made a table that the others use: the plan waits for the second item before it says anything."""
    known = facts(
        measured=measured((0.3, 1.0, 1.0), item_seconds=0.3), safety=Safety(caller_only="a test")
    )
    event = slice_ended(first=True, done=1, items=1, seconds=0.3, item_seconds=0.3, elapsed=0.3)
    state, commands = after(evolve(SEEN, measuring=True), event, known)
    assert state.said is None and not state.paused and do.Pause() not in commands
    known = facts(measured=measured(item_seconds=0.002), safety=Safety(caller_only="a test"))
    event = slice_ended(done=2, items=2, seconds=0.002, item_seconds=0.002, elapsed=0.5)
    state, commands = after(state, event, known)
    assert state.paused and state.said is not None
    assert state.said.choice.prediction.seconds < 5.0


def test_shares_never_mix_a_long_first_item_with_those_after_it() -> None:
    event = slice_ended(first=True, done=1, items=1, seconds=0.3, item_seconds=0.3)
    known = facts(without=("window_opened",), measured=measured((0.3, 0.9, 1.0)))
    need = transition(spec(), SEEN, event, known)
    assert isinstance(need, NeedFact) and need.name == "window_opened"


def test_a_long_first_item_alone_is_judged_by_what_it_did() -> None:
    event = slice_ended(first=True, done=1, items=1, seconds=0.3, item_seconds=0.3)
    known = facts(
        measured=measured((0.3, 0.9, 1.0), window_is_empty=True, item_seconds=0.3),
        overall=(0.3, 0.5, 1.0),
    )
    state, _ = after(SEEN, event, known)
    assert state.shares == (0.3, 0.5, 1.0)


def test_a_known_function_is_decided_after_its_first_item() -> None:
    event = slice_ended(first=True, done=1, items=1, seconds=0.01)
    known = facts(runs=(earlier_run(),), measured=measured((0.0, 1.0, 1.0), window_is_empty=True))
    state, _ = after(SEEN, event, known)
    assert state.decision is not None and state.decision.config.backend == "fork"


def test_a_first_item_that_only_waited_waits_for_all() -> None:
    known = facts(measured=measured((0.01, 0.05, 1.0)))
    event = slice_ended(first=True, done=1, items=1, seconds=0.01)
    state, _ = after(SEEN, event, known)
    assert state.shares == (0.01, 0.0, 1.0) and state.decision.config.backend == "threads"


def test_a_wait_too_short_to_be_hidden_is_none() -> None:
    event = slice_ended(item_seconds=4e-6, done=10, items=10)
    known = facts(measured=measured((1.0, 0.2, 1.0), item_seconds=4e-6))
    state, _ = after(SEEN, event, known, total=1_000_000)
    assert state.shares == COMPUTES


def test_measuring_stops_before_the_first_backend() -> None:
    state, commands = after(evolve(SEEN, measuring=True), slice_ended())
    assert state.paused and state.phase == Phase.LOCAL and commands[-1] == do.Pause()
    assert do.StartBackend not in map(type, commands)


@pytest.mark.parametrize(("elapsed", "paused"), [(0.04, False), (0.06, True)])
def test_measuring_ends_where_nothing_beats_the_loop(elapsed: float, paused: bool) -> None:
    known = facts(safety=Safety(caller_only="it prints"))
    state, _ = after(evolve(SEEN, measuring=True), slice_ended(elapsed=elapsed), known)
    assert state.paused is paused


def test_items_that_would_be_sent_count() -> None:
    """B4: a source of large items is no longer taken to be free."""
    dear = facts(sending=Transfer(10_000_000, 0.05))
    cheap = facts(sending=Transfer(10, 1e-6))
    for known, backend in ((cheap, "fork"), (dear, "serial")):
        state, _ = after(SEEN, slice_ended(), known, indexed=False)
        assert state.decision.config.backend == backend
    state, _ = after(SEEN, slice_ended(), dear)  # a forked worker finds the items of a list
    assert state.decision.config.backend == "fork"
    assert "sending" not in asked(RunState(), slice_ended(), dear)
