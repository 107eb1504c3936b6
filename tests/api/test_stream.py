"""Streams: bounded memory, prompt results, a source that is read by one thread and closed."""

from __future__ import annotations

import gc
import itertools
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support.work import burn, children, square, steps

import amorsize
from amorsize.engine.delivery import Delivery

pytestmark = pytest.mark.timeout(60)


class Source:
    """Counts from 0, for ever; remembers how far it was read, by whom, and whether it was closed."""

    def __init__(self, silent_at: int | None = None) -> None:
        self.read = 0
        self.threads: set[int] = set()
        self.closed = threading.Event()
        self.go_on = threading.Event()
        self.silent_at = silent_at

    def __iter__(self) -> Iterator[int]:
        try:
            for i in itertools.count():
                if i == self.silent_at:
                    self.go_on.wait(20)
                self.threads.add(threading.get_ident())
                self.read = i + 1
                yield i
        finally:
            self.closed.set()


def short(x: int) -> int:
    burn(0.001)
    return x


def nap(x: int) -> int:
    time.sleep(0.002)
    return x


@pytest.mark.parametrize("backend", ["auto", "serial", "threads", "fork", "spawn"])
@pytest.mark.parametrize("func", [square, short, nap])
def test_an_endless_source_is_pulled_at_most_buffersize_ahead(backend: str, func: Any) -> None:
    source = Source()
    stream = amorsize.stream(func, iter(source), buffersize=16, backend=backend)
    for given, value in enumerate(itertools.islice(stream, 400), 1):
        assert value == (square(given - 1) if func is square else given - 1)
        assert source.read <= given + 16
    stream.close()  # type: ignore[attr-defined]
    assert source.closed.wait(2)
    assert (
        len(source.threads) <= 2
    )  # the caller's until workers take over, the feeder's from then on
    assert children() == []


@pytest.mark.parametrize("backend", ["auto", "threads", "fork"])
def test_results_come_while_the_source_is_silent(backend: str) -> None:
    source = Source(silent_at=100)
    stream = amorsize.stream(short, iter(source), backend=backend)
    got = list(itertools.islice(stream, 100))
    assert got == list(range(100))
    assert not source.go_on.is_set()
    assert source.read == 100
    source.go_on.set()
    assert next(stream) == 100
    stream.close()  # type: ignore[attr-defined]
    assert source.closed.wait(2)


def test_a_stream_abandoned_while_its_source_is_silent_returns_at_once() -> None:
    source = Source(silent_at=100)
    stream = amorsize.stream(short, iter(source), backend="fork")
    assert list(itertools.islice(stream, 100)) == list(range(100))
    began = time.perf_counter()
    stream.close()  # type: ignore[attr-defined]
    assert time.perf_counter() - began < 5  # and not the 20 s that the source would take
    assert children() == []
    source.go_on.set()
    assert source.closed.wait(5)  # by the thread that was reading it


@pytest.mark.parametrize("backend", ["auto", "threads", "fork", "spawn"])
def test_a_stream_that_is_dropped_leaves_nothing(backend: str) -> None:
    # A library that was loaded keeps threads of its own; what has logged in a thread is listed for good.
    before, listed = len(os.listdir("/proc/self/task")), threading.active_count()
    stream = amorsize.stream(short, itertools.count(), backend=backend)
    assert list(itertools.islice(stream, 50)) == list(range(50))
    del stream
    assert children() == []
    deadline = time.monotonic() + 2
    while threading.active_count() > listed or len(os.listdir("/proc/self/task")) > before:
        assert time.monotonic() < deadline


def test_unordered_results_do_not_wait_for_a_slow_one() -> None:
    def first_is_slow(x: int) -> int:
        time.sleep(0.5 if x == 0 else 0.001)
        return x

    found = list(
        amorsize.stream(first_is_slow, range(60), ordered=False, backend="threads", n_jobs=4)
    )
    assert sorted(found) == list(range(60))
    assert found.index(0) > 30


def test_memory_of_a_long_stream_is_bounded() -> None:
    def blob(i: int) -> bytes:
        burn(0.0002)
        return bytes(100_000)

    resource = pytest.importorskip("resource")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    total = sum(len(b) for b in amorsize.stream(blob, range(3000), buffersize=64))
    assert total == 3000 * 100_000  # 300 MB went through
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # KiB


def consume_until(limit: int) -> None:
    for value in amorsize.stream(short, itertools.count(), backend="fork"):
        if value == limit:
            raise KeyError(value)


def test_a_consumer_that_raises_ends_the_workers() -> None:
    with pytest.raises(KeyError):
        consume_until(20)
    gc.collect()
    assert children() == []


def test_a_cursor_is_read_by_the_thread_that_made_it() -> None:
    connection = sqlite3.connect(":memory:")
    cursor = connection.execute(
        "with recursive n(i) as (select 0 union all select i + 1 from n where i < 499) select i from n"
    )
    found = list(amorsize.stream(lambda row: steps(4000) + row[0], cursor))
    assert found == [steps(4000) + i for i in range(500)]
    connection.close()


def test_light_then_heavy_items_of_a_generator() -> None:
    data = (5 if i < 3000 else 50_000 for i in range(3060))
    assert list(amorsize.stream(steps, data)) == [steps(5)] * 3000 + [steps(50_000)] * 60


def test_the_index_of_an_error_in_the_middle_of_a_quick_stream() -> None:
    def fails(x: int) -> int:
        if x == 12_345:
            raise ValueError(x)
        return x

    for data in (range(20_000), iter(range(20_000)), (i for i in range(20_000))):
        with pytest.raises(ValueError) as caught:
            list(amorsize.stream(fails, data))
        assert any("item 12345 " in note for note in caught.value.__notes__)


def test_a_stream_does_nothing_before_it_is_asked() -> None:
    ran: list[int] = []
    stream = amorsize.stream(ran.append, range(10))
    assert ran == []
    next(stream)
    assert ran[0] == 0


@pytest.mark.parametrize("buffersize", [1, 3])
def test_threads_are_woken_when_the_window_of_a_list_opens(
    buffersize: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits for his next look around, which is a minute away."""
    from amorsize.backends.threads import pool as threads

    monkeypatch.setattr(threads, "PATIENCE_SECONDS", 60)
    data = list(range(40))
    options: dict[str, Any] = {"backend": "threads", "n_jobs": 4, "buffersize": buffersize}
    assert list(amorsize.stream(nap, data, **options)) == data


def _without_threads(monkeypatch: pytest.MonkeyPatch, when: Any) -> list[bool]:
    """Have the threads of a run judged useless as soon as ``when(facts)``."""
    from amorsize.engine import reviews
    from amorsize.engine.commands import Drain, StopSampler
    from amorsize.engine.state import Phase, evolve

    left: list[bool] = []

    def on_report(spec: Any, state: Any, event: Any, facts: Any) -> Any:
        if state.workers.config.backend != "threads" or not when(facts):
            return state, ()
        left.append(True)
        state = evolve(state, phase=Phase.DRAINING, review=None, threads_ruled_out=True)
        return state, (StopSampler(), Drain(wait=True))

    monkeypatch.setattr(reviews, "on_report", on_report)
    return left


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("way", ["stream", "execute"])
def test_the_last_items_come_while_threads_are_left(
    way: str, fails: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The threads have taken all there is when they are judged; then they finish it, or fail."""
    go_on = threading.Event()

    def func(item: int) -> int:
        if item >= 50:
            go_on.wait(20)
        if item == 51 and fails:
            raise KeyError(item)
        return item

    def when(facts: Any) -> bool:
        if facts.left != 0:
            return False
        go_on.set()
        return True

    left = _without_threads(monkeypatch, when)
    run: Any = getattr(amorsize, way)
    options: dict[str, Any] = {"backend": "threads", "n_jobs": 4, "history": None}
    if fails:
        with pytest.raises(KeyError, match="51"):
            list(run(func, iter(range(53)), **options))
    else:
        assert list(run(func, iter(range(53)), **options)) == list(range(53))
    assert left


def test_no_backend_is_started_for_a_run_that_has_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    from amorsize.engine import effects

    started: list[str] = []
    make = effects.make_backend

    def counted(command: Any, *others: Any) -> Any:
        if command.config.backend != "serial":  # which only takes what is left: nothing
            started.append(command.config.backend)
        return make(command, *others)

    monkeypatch.setattr(effects, "make_backend", counted)
    entered, go_on = threading.Event(), threading.Event()

    def func(item: int) -> int:
        if item == 0:
            entered.set()
            go_on.wait(20)
            raise KeyError(item)
        entered.wait(20)
        time.sleep(0.001)
        return item

    def when(facts: Any) -> bool:
        if not entered.is_set():
            return False
        go_on.set()
        return True

    left = _without_threads(monkeypatch, when)
    with pytest.raises(KeyError):
        amorsize.execute(func, range(10_000), backend="threads", n_jobs=2, history=None)
    assert left and len(started) == 1


def test_a_new_backend_hears_of_new_items_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each item is there when the result before it was consumed; nobody waits for a look around."""
    from amorsize.core.model import Config
    from amorsize.engine import reviews
    from amorsize.engine.decisions import choice_unseen, decide, start_chosen

    monkeypatch.setattr(reviews, "PATIENCE_SECONDS", 50)
    ask = threading.Semaphore(3)
    done = []
    left = _without_threads(monkeypatch, lambda facts: len(done) >= 2)

    def on_drained(spec: Any, state: Any, event: Any, facts: Any) -> Any:
        choice = choice_unseen(Config("spawn", 2), 0.001, 10, "a test")
        state, told = decide(state, facts, choice, "planned", event.now, event.done)
        state, started = start_chosen(spec, state, facts, 0.001)
        kinds.append(state.workers.config.backend)
        return state, told + started

    monkeypatch.setattr(reviews, "on_drained", on_drained)

    def source() -> Iterator[int]:
        for item in range(12):
            ask.acquire(timeout=20)
            yield item

    kinds: list[str] = []
    began = time.monotonic()
    found = []
    for result in amorsize.stream(square, source(), backend="threads", n_jobs=2, history=None):
        found.append(result)
        done.append(result)
        ask.release()
    assert left and found == [item * item for item in range(12)] and kinds == ["spawn"]
    assert time.monotonic() - began < 30


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("source", [list, iter])
def test_results_that_come_after_the_last_look_are_given_out(
    source: Callable[[Any], Any], ordered: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Threads placed the last results between "there are none" and "all is done", and they were lost."""
    look = Delivery.pop

    def slow_look(delivery: Delivery) -> Any:
        found = look(delivery)
        if found is None:
            time.sleep(0.05)
        return found

    monkeypatch.setattr(Delivery, "pop", slow_look)
    for _ in range(3):
        found = list(amorsize.stream(square, source(range(60)), backend="threads", ordered=ordered))
        assert (found if ordered else sorted(found)) == [n * n for n in range(60)]
