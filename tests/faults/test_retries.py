"""Items that fail and are tried again: so often, so late, and beside everything else."""

from __future__ import annotations

import asyncio
import json
import math
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from support.work import children

import amorsize
from amorsize.core.model import ItemTries
from amorsize.items.retry import pause_seconds

pytestmark = [
    pytest.mark.timeout(60),
    pytest.mark.skipif(sys.platform != "linux", reason="signals and /proc of Linux"),
]
EVERYWHERE = ["auto", "serial", "threads", "fork", "spawn"]
SQUARES = [x * x for x in range(100)]
FIRST_PAUSE = 0.05
"""The shortest that the pause before a second try can be."""


class Flaky:
    """Fails ``times`` times at each of its ``items``, counted in a file by whichever process."""

    def __init__(
        self,
        path: Path | str,
        items: tuple[int, ...] = (10, 60),
        times: int = 2,
        kind: str = "OSError",
    ) -> None:
        self.path, self.items, self.times, self.kind = str(path), items, times, kind

    def __call__(self, item: int) -> int:
        self.note(item)
        if item in self.items and self.calls()[item] <= self.times:
            if self.kind == "hang":
                time.sleep(50)
            if self.kind == "dies":
                os.kill(os.getpid(), signal.SIGKILL)
            if self.kind == "local":

                class Own(Exception):
                    pass

                raise Own(str(item))
            if self.kind == "refused":
                raise amorsize.RetryAfter(0.04)
            raise {"OSError": OSError, "KeyError": KeyError}[self.kind](f"item {item}")
        sum(range(3000))
        return item * item

    def note(self, item: int) -> None:
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(descriptor, f"{item} {time.monotonic()}\n".encode())
        os.close(descriptor)

    def calls(self) -> Counter[int]:
        return Counter(int(line.split()[0]) for line in Path(self.path).read_text().splitlines())

    def times_of(self, item: int) -> list[float]:
        rows = [line.split() for line in Path(self.path).read_text().splitlines()]
        return [float(at) for number, at in rows if int(number) == item]


def once_but(items: dict[int, int]) -> Counter[int]:
    return Counter({item: items.get(item, 1) for item in range(100)})


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("backend", EVERYWHERE)
def test_it_succeeds_in_the_end(backend: str, lazy: bool, tmp_path: Path) -> None:
    func = Flaky(tmp_path / "calls")
    data = iter(range(100)) if lazy else range(100)
    assert amorsize.execute(func, data, backend=backend, n_jobs=2, retries=2) == SQUARES
    assert func.calls() == once_but({10: 3, 60: 3})
    for item in (10, 60):
        first, second, third = func.times_of(item)
        assert second - first >= FIRST_PAUSE and third - second >= 2 * FIRST_PAUSE


@pytest.mark.parametrize("backend", EVERYWHERE)
@pytest.mark.parametrize("on_error", ["raise", "collect", "skip"])
def test_what_the_last_try_raises_counts(backend: str, on_error: str, tmp_path: Path) -> None:
    func = Flaky(tmp_path / "calls", (40,), times=9)
    options = {"backend": backend, "n_jobs": 2, "retries": 1, "on_error": on_error}
    if on_error == "raise":
        with pytest.raises(OSError, match="item 40") as caught:
            amorsize.execute(func, range(100), **options)
        assert caught.value.__notes__ == ["amorsize: raised by item 40 of the data"]
    else:
        found = amorsize.execute(func, range(100), **options)
        if on_error == "collect":
            error = found.pop(40)
            assert error.index == 40 and str(error.exception) == "item 40"
            assert "in __call__" in error.traceback and "retrying" not in error.traceback
        assert found == SQUARES[:40] + SQUARES[41:]
    assert func.calls()[40] == 2
    assert not children()


@pytest.mark.parametrize("backend", EVERYWHERE)
def test_only_what_is_named(backend: str, tmp_path: Path) -> None:
    func = Flaky(tmp_path / "calls", (40,), kind="KeyError")
    with pytest.raises(KeyError):
        amorsize.execute(func, range(100), backend=backend, n_jobs=2, retries=5, retry_on=OSError)
    assert func.calls()[40] == 1
    func = Flaky(tmp_path / "others", (40,), kind="KeyError")
    kinds = (OSError, LookupError)
    found = amorsize.execute(func, range(100), backend=backend, n_jobs=2, retries=5, retry_on=kinds)
    assert found == SQUARES and func.calls()[40] == 3


@pytest.mark.parametrize("backend", EVERYWHERE)
@pytest.mark.parametrize("ordered", [True, False])
def test_a_stream(backend: str, ordered: bool, tmp_path: Path) -> None:
    func = Flaky(tmp_path / "calls")
    found = amorsize.stream(
        func, iter(range(100)), backend=backend, n_jobs=2, retries=2, ordered=ordered
    )
    assert (list(found) if ordered else sorted(found)) == SQUARES
    assert func.calls() == once_but({10: 3, 60: 3})


@pytest.mark.parametrize("backend", EVERYWHERE)
def test_with_a_checkpoint(backend: str, tmp_path: Path) -> None:
    func = Flaky(tmp_path / "calls", (10, 60), times=3)
    options = {"backend": backend, "n_jobs": 2, "checkpoint": tmp_path / "journal"}
    found = amorsize.execute(func, range(100), retries=1, on_error="collect", **options)
    assert [i for i, x in enumerate(found) if x != i * i] == [10, 60]
    assert amorsize.execute(func, range(100), retries=1, **options) == SQUARES
    assert func.calls() == once_but({10: 4, 60: 4})


@pytest.mark.parametrize("backend", ["auto", "fork", "spawn", "threads"])
def test_tries_that_take_too_long(backend: str, tmp_path: Path) -> None:
    """Each try has the whole time limit; its worker is ended, its thread left."""
    func = Flaky(tmp_path / "calls", (40,), times=1, kind="hang")
    program = f"""
import sys; sys.path[:0] = {sys.path!r}
import amorsize, os
from faults.test_retries import Flaky
func = Flaky({func.path!r}, (40,), times=1, kind="hang")
options = dict(backend={backend!r}, n_jobs=2, timeout=0.5)
found = amorsize.execute(func, range(100), retries=1, **options)
assert found == [x * x for x in range(100)]
print("done", flush=True)
os._exit(0)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=150, check=False
    )
    assert done.stdout == "done\n", done.stderr
    assert func.calls()[40] == 2


@pytest.mark.parametrize("backend", ["fork", "spawn"])
def test_no_try_is_left_after_the_time_limit(backend: str, tmp_path: Path) -> None:
    func = Flaky(tmp_path / "calls", (40,), times=9, kind="hang")
    options = {"backend": backend, "n_jobs": 2, "timeout": 0.3, "on_error": "collect"}
    found = amorsize.execute(func, range(100), retries=1, **options)
    assert type(found[40].exception) is TimeoutError and func.calls()[40] == 2
    assert found[:40] + found[41:] == SQUARES[:40] + SQUARES[41:]
    func = Flaky(tmp_path / "others", (40,), times=9, kind="hang")
    amorsize.execute(func, range(100), retries=1, retry_on=KeyError, **options)
    assert func.calls()[40] == 1, "TimeoutError is not named"


@pytest.mark.parametrize("backend", ["fork", "spawn"])
def test_deaths_have_their_own_rule(backend: str, tmp_path: Path) -> None:
    func = Flaky(tmp_path / "calls", (40,), times=9, kind="dies")
    options = {"backend": backend, "n_jobs": 2, "on_error": "skip", "retries": 3}
    assert len(amorsize.execute(func, range(100), **options)) == 99
    assert func.calls()[40] == 2
    func = Flaky(tmp_path / "others", (40,), times=9, kind="dies")
    amorsize.execute(func, range(100), rerun_after_death=False, **options)
    assert func.calls()[40] == 1


@pytest.mark.parametrize("backend", ["fork", "spawn", "threads"])
def test_exceptions_that_cannot_be_sent_are_tried_again_too(backend: str, tmp_path: Path) -> None:
    func = Flaky(tmp_path / "calls", (40,), kind="local")
    assert amorsize.execute(func, range(100), backend=backend, n_jobs=2, retries=2) == SQUARES


@pytest.mark.parametrize("backend", ["fork", "spawn", "threads"])
def test_other_items_go_on_meanwhile(backend: str, tmp_path: Path) -> None:
    """A pause holds nobody: with all but two items failing once, the pauses lie side by side."""
    func = Flaky(tmp_path / "calls", tuple(range(98)), times=1)
    began = time.monotonic()
    assert amorsize.execute(func, range(100), backend=backend, n_jobs=2, retries=1) == SQUARES
    assert time.monotonic() - began < 0.5 * 98 * FIRST_PAUSE


@pytest.mark.parametrize("backend", EVERYWHERE)
def test_ctrl_c_in_a_pause(backend: str, tmp_path: Path) -> None:
    program = f"""
import sys; sys.path[:0] = {sys.path!r}
import amorsize
from faults.test_retries import Flaky
func = Flaky({str(tmp_path / "calls")!r}, (40,), times=10**9)
print("ready", flush=True)
try:
    amorsize.execute(func, range(100), backend={backend!r}, n_jobs=2, retries=10**9)
except KeyboardInterrupt:
    print("interrupted")
"""
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    time.sleep(1.5)  # in a pause of 0.4 s at least, most probably
    os.killpg(process.pid, signal.SIGINT)
    began = time.monotonic()
    rest, _ = process.communicate(timeout=20)
    assert rest == "interrupted\n"
    assert time.monotonic() - began < 10, "a pause would go on for as long"


def test_pauses_are_doubled_up_to_a_limit_and_never_equal() -> None:
    for number in range(12):
        longest = min(10.0, 0.1 * 2**number)
        assert pause_seconds(number, 0.0) == pytest.approx(longest)
        assert pause_seconds(number, 1.0) == pytest.approx(longest / 2)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"retries": -1}, "retries=-1: must be at least 0"),
        ({"retries": 1.5}, "must be a whole number"),
        ({"retries": True}, "must be a whole number"),
        ({"retry_on": "OSError"}, "must be an exception type"),
        ({"retry_on": KeyboardInterrupt}, "must be an exception type"),
        ({"retry_on": ()}, "names no exception"),
    ],
)
def test_what_makes_no_sense_is_refused(options: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        amorsize.execute(abs, [1], **options)


@pytest.mark.parametrize("backend", EVERYWHERE)
@pytest.mark.parametrize("way", ["list", "iterator", "stream", "checkpoint", "seed"])
def test_a_run_tells_the_tries_of_each_item(backend: Any, way: str, tmp_path: Path) -> None:
    func = Flaky(tmp_path / "calls", times=2)
    more: dict[str, Any] = {}
    if way == "checkpoint":
        more = {"checkpoint": tmp_path / "journal"}
        amorsize.execute(func, [item for item in range(100) if item not in func.items], **more)
    if way == "seed":
        more["seed"] = 3
    data = iter(range(100)) if way == "iterator" else range(100)
    options = {"backend": backend, "n_jobs": 2, "retries": 2, "on_error": "collect", **more}
    tuner = amorsize.Tuner(trace=tmp_path / "trace.json")
    if way == "stream":
        assert list(tuner.stream(func, data, **options)) == SQUARES
    else:
        plan = tuner.optimize(func, data, **options)
        assert plan.execute() == SQUARES
        assert plan.run is not None
    (run,) = json.loads((tmp_path / "trace.json").read_text())["otherData"]["runs"]
    retried = [ItemTries(**one) for one in run["retried"]]
    assert way == "stream" or tuple(retried) == plan.run.retried
    calls = {item: count for item, count in func.calls().items() if count > 1}
    assert {one.position: one.tries for one in retried} == calls
    assert run["retried_items"] == len(calls) == 2
    for one in retried:
        first, _, third = func.times_of(one.position)
        assert one.served and not one.refused
        assert 3 * FIRST_PAUSE <= one.waited_seconds <= one.seconds <= third - first + 1
        assert one.waited_seconds <= third - first


@pytest.mark.parametrize("backend", [*EVERYWHERE, "coroutine"])
def test_refusals_of_each_item_are_told(backend: Any, tmp_path: Path) -> None:
    func = Flaky(tmp_path / "calls", (10,), times=2, kind="refused")
    tuner = amorsize.Tuner(trace=tmp_path / "trace.json", history=None)

    async def ask(item: int) -> int:
        return func(item)

    if backend == "coroutine":
        assert asyncio.run(tuner.aexecute(ask, range(100), retries=1)) == SQUARES
    else:
        assert tuner.execute(func, range(100), backend=backend, n_jobs=2, retries=1) == SQUARES
    (run,) = json.loads((tmp_path / "trace.json").read_text())["otherData"]["runs"]
    (one,) = (ItemTries(**one) for one in run["retried"])
    assert (one.position, one.tries, one.refused, one.served) == (10, 3, 2, True)
    assert 0.08 <= one.waited_seconds <= one.seconds
    assert run["retried_items"] == 1 and run["refused_calls"] == 2


def test_what_fails_for_good_is_told_too(tmp_path: Path) -> None:
    for backend in EVERYWHERE:
        func = Flaky(tmp_path / backend, (40,), times=9)
        options: Any = {"backend": backend, "n_jobs": 2, "retries": 1, "on_error": "skip"}
        plan = amorsize.optimize(func, range(100), **options)
        assert plan.execute() == SQUARES[:40] + SQUARES[41:]
        assert plan.run is not None
        (one,) = plan.run.retried
        assert (one.position, one.tries, one.served) == (40, 2, False)


@pytest.mark.parametrize("backend", ["threads", "fork"])
def test_nothing_is_kept_of_items_that_are_done(
    backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An endless stream must not grow by every item that ever failed."""
    from amorsize.items.retry import RetryingCollector

    made: list[RetryingCollector] = []
    begin = RetryingCollector.__init__

    def remembered(self: RetryingCollector, *args: object) -> None:
        begin(self, *args)  # type: ignore[arg-type]
        made.append(self)

    monkeypatch.setattr(RetryingCollector, "__init__", remembered)
    func = Flaky(tmp_path / "calls", (10, 60), times=1)
    data = iter(range(100))
    found = amorsize.stream(func, data, backend=backend, n_jobs=2, retries=1, history=None)
    assert list(found) == SQUARES
    assert func.calls() == once_but({10: 2, 60: 2})
    assert made and not made[0]._failures and not made[0]._source._kept


@pytest.mark.parametrize("backend", ["serial", "auto"])
@pytest.mark.parametrize("func", [math.sqrt, abs], ids=["raises", "never raises"])
def test_a_function_of_c_is_tried_again_at_its_own_item(backend: Any, func: Any) -> None:
    """It runs without anything around it until an item fails, however short its items are."""
    data = [*map(float, range(50_000))]
    data[31_000] = -1.0
    options: dict[str, Any] = {"backend": backend, "retries": 1, "retry_on": ArithmeticError}
    if func is abs:
        assert amorsize.execute(func, data, **options) == [*map(func, data)]
        return
    with pytest.raises(ValueError, match="domain") as caught:
        amorsize.execute(func, data, **options)
    assert "31000" in "".join(caught.value.__notes__)
    found = amorsize.execute(func, data, on_error="collect", **options)
    assert [place for place, one in enumerate(found) if isinstance(one, amorsize.ItemError)] == [
        31_000
    ]
