"""Where a call is made from, and what it leaves behind: nested, threads, asyncio, daemons."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest
from support.calls import BACKENDS, Refusal, refuse_three, run
from support.work import burn, children, square, steps

import amorsize

pytestmark = pytest.mark.timeout(60)


def test_call_after_call_forks_and_leaves_nothing() -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(12):
        found, engine = run(steps, [20_000] * 150)
        assert found == [steps(20_000)] * 150
        assert engine.choice is not None
        assert engine.choice.config.backend == "fork"
        assert children() == []
        assert threading.active_count() == 1
        assert len(os.listdir("/proc/self/task")) == 1
    assert len(os.listdir("/proc/self/fd")) == before


STATE = 1


def scaled(x: int) -> int:
    burn(0.001)
    return x * STATE


def test_a_global_changed_between_two_calls_is_seen() -> None:
    global STATE
    for value in (2, 3):
        STATE = value
        # Work enough that a fork pays in a large process on a busy machine, too.
        found, engine = run(scaled, range(400))
        assert engine.choice is not None
        assert engine.choice.config.backend == "fork"
        assert found == [value * i for i in range(400)]


def test_failures_leave_no_process_and_no_descriptor() -> None:
    amorsize.execute(square, range(10), backend="spawn")  # warm workers keep their sockets
    before = len(os.listdir("/proc/self/fd"))
    for backend in ("fork", "threads", "processes"):
        with pytest.raises(Refusal):
            amorsize.execute(refuse_three, range(200), backend=backend)
    assert children() == []
    assert len(os.listdir("/proc/self/fd")) == before


# -- where it is called from -------------------------------------------------------------------------


def nested(x: int) -> int:
    return sum(amorsize.execute(steps, [2_000] * 10)) + x


@pytest.mark.parametrize("backend", ["auto", *BACKENDS])
def test_nested_calls(backend: str) -> None:
    one = sum([steps(2_000)] * 10)
    assert amorsize.execute(nested, range(40), backend=backend) == [one + i for i in range(40)]
    assert children() == []


def test_calls_from_eight_threads_at_once() -> None:
    results: dict[int, list[int]] = {}

    def call(number: int) -> None:
        results[number] = amorsize.execute(steps, [5_000 + number] * 100)

    threads = [threading.Thread(target=call, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {i: [steps(5_000 + i)] * 100 for i in range(8)}


def test_from_asyncio() -> None:
    import asyncio

    async def main() -> list[int]:
        return amorsize.execute(steps, [20_000] * 60)

    assert asyncio.run(main()) == [steps(20_000)] * 60


def _daemon(queue: Any) -> None:
    queue.put(amorsize.execute(steps, [20_000] * 60) == [steps(20_000)] * 60)


def test_from_a_daemon_process() -> None:
    import multiprocessing

    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    process = context.Process(target=_daemon, args=(queue,), daemon=True)
    process.start()
    assert queue.get(timeout=20)
    process.join()


def test_the_initializer_runs_once_in_each_worker(tmp_path: Path) -> None:
    def note() -> None:
        (tmp_path / f"{os.getpid()}-{threading.get_ident()}").touch()

    for backend, workers in (("fork", 2), ("threads", 3)):
        for old in tmp_path.iterdir():
            old.unlink()
        amorsize.execute(steps, [5_000] * 50, backend=backend, n_jobs=workers, initializer=note)
        assert len(list(tmp_path.iterdir())) == workers


def failing() -> None:
    raise LookupError("no model")


@pytest.mark.parametrize("backend", ["fork", "spawn", "threads"])
def test_an_initializer_that_fails_ends_the_run(backend: str) -> None:
    for on_error in ("raise", "collect"):
        with pytest.raises(LookupError, match="no model") as raised:
            amorsize.execute(
                square, range(50), backend=backend, initializer=failing, on_error=on_error
            )
        assert any("initializer=failing" in note for note in raised.value.__notes__)
