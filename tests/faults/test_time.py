"""Items that take too long, in every way: they end, everything else is done."""

from __future__ import annotations

import logging
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from support import causes
from support.causes import CULPRIT, HANGS, ON_THREADS, Hangs
from support.work import Recorder, children

import amorsize

pytestmark = [
    pytest.mark.timeout(60),
    pytest.mark.skipif(sys.platform != "linux", reason="signals and /proc of Linux"),
]
LIMIT_SECONDS = 0.4
"""Of a good item: a thousand times what it takes; a loaded machine may hold it up."""
SQUARES = [x * x for x in range(100)]
EVERYWHERE = [
    (cause, backend)
    for cause in HANGS
    for backend in ("auto", "fork", "spawn", "threads")
    if backend != "threads" or cause in ON_THREADS
]


def but_for(values: list[object], index: int = CULPRIT) -> list[object]:
    return values[:index] + values[index + 1 :]


@pytest.mark.parametrize(("cause", "backend"), EVERYWHERE)
def test_the_item_ends_and_all_else_is_done(cause: str, backend: str, tmp_path: Path) -> None:
    func = Hangs(cause, tmp_path / "calls")
    began = time.monotonic()
    # In a process of its own: what threads are left with must not meet the next test.
    program = f"""
import sys; sys.path[:0] = {sys.path!r}
import amorsize
from support.causes import Hangs
found = amorsize.execute(
    Hangs({cause!r}, {func.path!r}), range(100), backend={backend!r}, n_jobs=2, on_error="collect",
    timeout={LIMIT_SECONDS}, effects="ignore",  # each call is noted in a file
)
error = found[{CULPRIT}].exception
assert type(error) is TimeoutError and "item {CULPRIT}" in str(error), error
assert found[:{CULPRIT}] + found[{CULPRIT + 1}:] == [x * x for x in range(100) if x != {CULPRIT}]
print("done")
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=150, check=False
    )
    assert done.stdout == "done\n", done.stderr
    assert Counter(causes.calls(func.path))[CULPRIT] == 1, "it is not tried again"
    assert LIMIT_SECONDS < time.monotonic() - began < 30, "the hang itself is of 60 s"


@pytest.mark.parametrize("backend", ["auto", "fork", "spawn"])
def test_an_error_as_all_others(backend: str, tmp_path: Path) -> None:
    with pytest.raises(TimeoutError, match=r"item 40 took longer than timeout=0\.4") as caught:
        amorsize.execute(
            Hangs("loop", tmp_path / "calls"),
            range(100),
            backend=backend,
            n_jobs=2,
            timeout=0.4,
            effects="ignore",
        )
    assert caught.value.__notes__ == ["amorsize: raised by item 40 of the data"]
    assert not children()


@pytest.mark.parametrize("backend", ["fork", "spawn"])
def test_left_out_with_the_others(backend: str, tmp_path: Path) -> None:
    func = Hangs("wait", tmp_path / "calls")
    found = amorsize.execute(
        func, iter(range(100)), backend=backend, n_jobs=2, timeout=0.4, on_error="skip"
    )
    assert found == but_for(SQUARES)


@pytest.mark.parametrize("backend", ["auto", "fork", "spawn", "threads"])
def test_a_stream_goes_on(backend: str) -> None:
    program = f"""
import amorsize, time
def item(x):
    if x in (20, 70):
        time.sleep(50)
    return x
stream = amorsize.stream(
    item, (x for x in range(100)), backend={backend!r}, n_jobs=2, timeout=0.4, on_error="collect"
)
found = list(stream)
print([i for i, x in enumerate(found) if x != i])
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=150, check=False
    )
    assert done.stdout == "[20, 70]\n", done.stderr


@pytest.mark.parametrize("backend", ["fork", "spawn"])
def test_what_the_overdue_worker_had_not_begun_runs_once(backend: str, tmp_path: Path) -> None:
    func = Hangs("wait", tmp_path / "calls")
    amorsize.execute(
        func,
        range(100),
        backend=backend,
        n_jobs=2,
        timeout=0.4,
        on_error="skip",
        rerun_after_death=False,
    )
    assert Counter(causes.calls(func.path)) == Counter(range(100))


@pytest.mark.parametrize("backend", ["auto", "fork", "spawn"])
def test_every_item_takes_too_long(backend: str) -> None:
    program = f"""
import amorsize, time
found = amorsize.execute(
    time.sleep, [30] * 6, backend={backend!r}, n_jobs=2, timeout=0.2, on_error="collect"
)
print([type(one.exception).__name__ for one in found])
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=150, check=False
    )
    expected = "['TimeoutError', 'TimeoutError', 'TimeoutError', 'TimeoutError', 'TimeoutError', "
    assert done.stdout == expected + "'TimeoutError']\n", done.stderr


def test_threads_are_not_left_behind_without_end() -> None:
    """More than twice as many as work: the run ends, whatever on_error says, and says what to do."""
    program = """
import amorsize, threading, time
try:
    amorsize.execute(
        time.sleep, [30] * 50, backend="threads", n_jobs=2, timeout=0.1, on_error="collect"
    )
except TimeoutError as error:
    print("processes" in str(error))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=150, check=False
    )
    assert done.stdout == "True\n", done.stderr


def test_threads_that_come_back_late_change_nothing() -> None:
    program = """
import amorsize, time
def item(x):
    time.sleep(0.8 if x == 3 else 0.01)
    return x
found = amorsize.execute(item, range(200), backend="threads", n_jobs=4, timeout=0.3, on_error="collect")
time.sleep(0.7)
print([i for i, x in enumerate(found) if x != i], amorsize.execute(item, [5], backend="fork"))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=150, check=False
    )
    assert done.stdout == "[3] [5]\n", done.stderr


@pytest.mark.parametrize("backend", ["auto", "fork", "spawn", "threads"])
def test_a_limit_that_nobody_meets_changes_nothing(backend: str, tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "calls")
    found = amorsize.execute(
        recorder, range(300), backend=backend, n_jobs=2, timeout=50, effects="ignore"
    )
    assert found == [x * x for x in range(300)]
    assert recorder.calls() == Counter(range(300))


def test_nothing_runs_in_the_caller(tmp_path: Path) -> None:
    import os

    recorder = Recorder(tmp_path / "calls", 0.005)  # it computes: waiting items get threads
    amorsize.execute(recorder, range(50), timeout=30, effects="ignore")
    plan = amorsize.optimize(recorder, range(50), timeout=30, effects="ignore")
    assert plan.backend == "processes" and plan.items_done <= 2  # tried, in workers as well
    assert os.getpid() not in recorder.pids()
    plan.execute()
    assert os.getpid() not in recorder.pids()


def test_workers_of_a_run_with_a_limit_are_forked(caplog: pytest.LogCaptureFixture) -> None:
    """An observer beside the caller, which has no items, would forbid it."""
    with caplog.at_level(logging.INFO, logger="amorsize"):
        assert amorsize.execute(wait_or_compute, range(40), timeout=30) == list(range(40))
    (*_, end) = caplog.records
    assert "(fork)" in end.getMessage()


def wait_or_compute(item: int) -> int:
    """Its code does not tell that it only computes."""
    if item < 0:
        time.sleep(1)
    return item + sum(range(20_000)) * 0


def test_side_effects_stay_in_this_process_and_in_order() -> None:
    kept: list[int] = []
    assert amorsize.execute(kept.append, range(20), timeout=30) == [None] * 20
    assert kept == list(range(20))


def test_work_that_waits_is_given_to_threads() -> None:
    """Found out while it runs in workers, which finish what they are in."""
    program = """
import amorsize, time
began = time.monotonic()
plan = amorsize.optimize(time.sleep, [0.1] * 300, timeout=5)
assert plan.execute() == [None] * 300
print(plan.run.config.backend, time.monotonic() - began < 8)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=150, check=False
    )
    assert done.stdout == "threads True\n", done.stderr


@pytest.mark.parametrize(
    ("backend", "lazy", "retries"),
    [("fork", False, 0), ("fork", True, 1), ("spawn", False, 1), ("spawn", True, 0)],
)
def test_what_comes_back_after_the_threads_have_left_is_done(
    backend: str, lazy: bool, retries: int, tmp_path: Path
) -> None:
    """The workers waited, threads took over and are done; only then does a worker give items back."""
    program = f"""
import amorsize, os, threading, time
if {backend!r} == "spawn":
    threading.Thread(target=threading.Event().wait, daemon=True).start()
def item(x, flag={str(tmp_path / "flag")!r}):
    if x == 0 and not os.path.exists(flag):
        open(flag, "w").close()
        time.sleep(0.8 if {retries} else 50)
        raise OSError("the first try")
    time.sleep(0.02)
    return x
plan = amorsize.optimize(
    item, {"iter(range(60))" if lazy else "range(60)"}, timeout=1.2, chunksize=4,
    retries={retries}, on_error="collect", history=None
)
found = plan.execute()
print(plan.run.config.backend, [i for i, x in enumerate(found) if x != i])
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=150, check=False
    )
    bad = [] if retries else [0]
    assert done.stdout == f"threads {bad}\n", done.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"timeout": 0}, "timeout=0: must be more than 0"),
        ({"timeout": -1.5}, "timeout=-1.5"),
        ({"timeout": float("nan")}, "timeout=nan"),
        ({"timeout": float("inf")}, "timeout=inf"),
        ({"timeout": "2"}, "must be None or seconds"),
        ({"timeout": True}, "must be None or seconds"),
        ({"timeout": 1, "backend": "serial"}, "timeout=1: cannot be honoured by backend serial"),
        ({"rerun_after_death": 0}, "rerun_after_death=0: must be True or False"),
    ],
)
def test_what_cannot_be_honoured_is_refused(options: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        amorsize.execute(abs, [1], **options)


def test_where_no_backend_that_can_is_allowed() -> None:
    kept: list[int] = []
    with pytest.raises(ValueError, match="needs threads for this function"):
        amorsize.execute(kept.append, [1], timeout=1, backend=("serial", "fork"))
    assert amorsize.execute(abs, [-1], timeout=1, backend=("serial", "threads")) == [1]
