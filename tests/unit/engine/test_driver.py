"""Whole runs, seen through the transitions they made and the observers they told."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.engine_values import validate_state
from support.work import square

import amorsize
from amorsize.api.checks import make_options
from amorsize.core.events import Decided, HandedOver, Observers, RunEnded
from amorsize.core.model import Forecast
from amorsize.engine.driver import Engine, engine_for
from amorsize.engine.policy import transition
from amorsize.engine.state import INITIAL, NeedFact, Phase

pytestmark = pytest.mark.timeout(60)


def nap(item: int) -> int:
    time.sleep(0.002)
    return item


def engine_of(func: Any, data: Any, told: list[Any] | None = None, **options: Any) -> Engine:
    observers = Observers(() if told is None else (told.append,))
    return engine_for(func, data, make_options(history=None, **options), None, observers)


@pytest.mark.parametrize(
    ("func", "options"),
    [
        (nap, {}),
        (square, {}),
        (nap, {"backend": "threads", "n_jobs": 3}),
        (nap, {"backend": "processes", "n_jobs": 2}),
        (nap, {"timeout": 20}),
    ],
)
def test_a_recorded_log_replays_to_the_same_states(func: Any, options: Any) -> None:
    engine = engine_of(func, range(300), **options)
    engine.log = log = []
    assert engine.execute() == [func(item) for item in range(300)]
    state = INITIAL
    for event, facts, after in log:
        step = transition(engine.spec, state, event, facts)  # type: ignore[arg-type]
        assert not isinstance(step, NeedFact)
        state = step[0]
        assert state == after
        validate_state(state, engine.spec)
    assert state == engine.state and state.phase == Phase.DONE


def test_a_measured_run_goes_on_where_it_stopped() -> None:
    engine = engine_of(nap, range(200))
    engine.log = log = []
    engine.measure()
    seen = engine.so_far()
    assert engine.run is None and not seen.ended and 0 < seen.done < 200
    phases = {state.phase for _, _, state in log}
    assert phases == {Phase.LOCAL}
    assert engine.execute() == list(range(200))
    assert engine.run is not None and engine.run.items == 200


def test_observers_hear_of_decisions_hand_overs_and_the_end() -> None:
    told: list[Any] = []
    engine_of(nap, range(100), told, backend="threads", n_jobs=4).execute()
    assert [type(event) for event in told] == [Decided, HandedOver, RunEnded]
    assert told[-1].run.outcome == "done" and told[-1].run.items == 100
    study = told[-1].study()
    assert (
        study.work.items == 100 and study.forecast == Forecast()
    )  # it ran at once: nothing was said
    assert study.profile.item_seconds > 0.001 and study.profile.cpu_share < 0.5


def test_a_failed_run_is_told_of_too() -> None:
    told: list[Any] = []
    with pytest.raises(ZeroDivisionError):
        engine_of(lambda item: 1 // item, [1, 1, 0], told).execute()
    assert [type(event) for event in told] == [RunEnded]
    assert told[0].run.outcome == "failed"


@pytest.mark.parametrize("way", ["execute", "optimize"])
def test_an_order_is_logged_and_traced_once(
    way: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """B3: a plan's decision was neither."""
    caplog.set_level(logging.DEBUG, "amorsize")
    path = tmp_path / "trace.json"
    tuner = amorsize.Tuner(trace=path, history=None)
    if way == "execute":
        tuner.execute(nap, range(20), backend="threads", n_jobs=2)
    else:
        tuner.optimize(nap, range(20), backend="threads", n_jobs=2).execute()
    flags = [one["name"] for one in json.loads(path.read_text())["traceEvents"] if one["ph"] == "i"]
    assert flags == ["decision", "hand-over"]
    assert sum(record.message.startswith("chose") for record in caplog.records) == 1


# -- B2: who is nested ------------------------------------------------------------------------------


def is_nested() -> bool:
    plan = amorsize.optimize(nap, range(3), history=None)
    return any("inside another run" in warning for warning in plan.warnings)


@pytest.mark.parametrize(
    "options",
    [{}, {"backend": "threads", "n_jobs": 2}, {"backend": "serial"}, {"on_error": "collect"}],
)
@pytest.mark.parametrize("func", [square, nap])
def test_the_consumer_of_a_stream_is_not_nested(func: Any, options: Any) -> None:
    found = amorsize.stream(func, range(40), history=None, **options)
    for number, result in enumerate(found):
        assert result == func(number)
        if number in (0, 1, 2, 20):
            assert not is_nested()


@pytest.mark.parametrize(
    "options", [{}, {"backend": "threads", "n_jobs": 2}, {"backend": "serial"}]
)
@pytest.mark.parametrize("way", ["stream", "execute"])
def test_the_function_is_nested_in_every_item(way: str, options: Any) -> None:
    def func(item: int) -> bool:
        return is_nested() if item % 7 == 0 else True

    assert all(getattr(amorsize, way)(func, range(30), history=None, **options))


def test_two_streams_in_turns_are_not_nested() -> None:
    one = amorsize.stream(square, range(100), history=None)
    two = amorsize.stream(square, range(100), history=None)
    for first, second in zip(one, two, strict=True):
        assert first == second
    assert not is_nested()


def test_a_stream_that_is_left_leaves_no_mark() -> None:
    found = amorsize.stream(nap, range(100), history=None)
    next(found)
    found.close()
    assert not is_nested()
    assert list(found) == []


# -- streams ----------------------------------------------------------------------------------------


def test_a_stream_closed_within_a_run_of_results_gives_nothing_more() -> None:
    found = amorsize.stream(square, range(100_000), history=None)
    for _ in range(50):
        next(found)
    found.close()
    assert list(found) == []


def test_a_stream_that_failed_has_ended() -> None:
    told: list[Any] = []
    engine = engine_of(lambda item: 1 // (30 - item), range(100), told)
    found = engine.stream(ordered=True, buffersize=None)
    with pytest.raises(ZeroDivisionError) as caught:
        list(found)
    assert caught.value.__notes__ == ["amorsize: raised by item 30 of the data"]
    assert [event.run.outcome for event in told if isinstance(event, RunEnded)] == ["failed"]
    assert list(found) == []


def test_an_error_thrown_into_a_stream_ends_it() -> None:
    closed = threading.Event()

    def source() -> Iterator[int]:
        try:
            yield from range(1000)
        finally:
            closed.set()

    engine = engine_of(square, source())
    found = engine.stream(ordered=True, buffersize=None)
    assert next(found) == 0
    with pytest.raises(LookupError):
        found.throw(LookupError("the consumer's"))
    assert closed.wait(10) and engine.state.phase == Phase.FAILED


def test_an_item_that_was_looked_at_is_not_lost() -> None:
    """Planning measures what sending an item costs on the next one of the source."""
    for count in (1, 2, 50, 400):
        assert amorsize.execute(nap, iter(range(count)), history=None) == list(range(count))
        assert list(amorsize.stream(nap, iter(range(count)), history=None)) == list(range(count))


def test_large_items_of_a_source_are_measured_before_they_are_sent() -> None:
    """B4."""
    engine = engine_of(
        lambda item: time.sleep(0.02) or len(item), (b"x" * 10**6 for _ in range(40))
    )
    engine.execute()
    sending = engine._lookups.lasting.known.get("sending")
    assert sending is not None and sending.bytes == pytest.approx(10**6, rel=0.01)
    assert sending.seconds > 0
