"""However a run ends: no worker is older than a second, no file, socket or shared memory is left."""

from __future__ import annotations

import contextlib
import gc
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support import causes
from support.work import children

import amorsize

pytestmark = [
    pytest.mark.timeout(60),
    pytest.mark.skipif(sys.platform != "linux", reason="signals and /proc of Linux"),
]
BACKENDS = ["fork", "spawn", "threads", "auto"]
GONE_SECONDS = 1.0


def sessions_processes(session: int) -> set[int]:
    """Living processes of a session: whatever a program has started, children of children, too."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if fields[0] != "Z" and int(fields[3]) == session:
                found.add(int(entry.name))
    return found


def left_after(session: int, seconds: float = GONE_SECONDS) -> set[int]:
    deadline = time.monotonic() + seconds
    while (found := sessions_processes(session)) and time.monotonic() < deadline:
        time.sleep(0.01)
    return found


@pytest.fixture(autouse=True)
def no_files_left() -> Iterator[None]:
    def files() -> set[str]:
        folders = [Path("/tmp"), Path("/dev/shm"), Path("/var/tmp")]
        return {str(f) for one in folders if one.is_dir() for f in one.glob("*amorsize*")}

    before = files()
    yield
    assert {name for name in files() - before if "faults" not in name} == set()


PROGRAM = """
import signal, sys; sys.path[:0] = {path!r}
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup ignores it, and what it starts does so, too
import amorsize
from support import causes
print("ready", flush=True)
try:
    {call}
except KeyboardInterrupt:
    print("interrupted", flush=True)
    sys.exit(7)
"""
EXECUTE = "amorsize.execute(causes.{func}, range(100_000), backend={backend!r}, n_jobs=2)"
STREAM = (
    "for _ in amorsize.stream(causes.{func}, iter(range(10**6)), backend={backend!r}, n_jobs=2): 0"
)
WATCHED = (
    "amorsize.execute(causes.{func}, range(100_000), backend={backend!r}, n_jobs=2, timeout=60)"
)


Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts programs; none outlives its test, even if the test fails."""
    started: list[subprocess.Popen[str]] = []

    def one(call: str, func: str, backend: str, wait: float = 0.6) -> subprocess.Popen[str]:
        started.append(_start(call, func, backend))
        time.sleep(wait)
        return started[-1]

    yield one
    for process in started:
        for pid in {process.pid, *sessions_processes(process.pid)}:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.communicate(timeout=10)


def _start(call: str, func: str, backend: str) -> subprocess.Popen[str]:
    """A program in the middle of a long run, in a session of its own."""
    text = PROGRAM.format(path=sys.path, call=call.format(func=func, backend=backend))
    process = subprocess.Popen(
        [sys.executable, "-c", text],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    return process


@pytest.mark.long
@pytest.mark.parametrize("call", [EXECUTE, STREAM, WATCHED], ids=["execute", "stream", "timeout"])
@pytest.mark.parametrize("to", ["parent", "group"])
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("func", ["heavy", "slow", "very_slow", "nap"])
def test_ctrl_c(func: str, backend: str, to: str, call: str, start: Start) -> None:
    """In long items, too: Ctrl-C waits for none (but in the caller's own, which Python interrupts)."""
    process = start(call, func, backend)
    (os.kill if to == "parent" else os.killpg)(process.pid, signal.SIGINT)
    output, errors = process.communicate(timeout=10)
    assert output == "interrupted\n", errors
    assert process.returncode == 7
    assert "Traceback" not in errors
    assert left_after(process.pid) == set()


@pytest.mark.long
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL, signal.SIGHUP, signal.SIGABRT])
@pytest.mark.parametrize("backend", ["fork", "spawn", "auto"])
@pytest.mark.parametrize("func", ["heavy", "very_slow", "nap"])
def test_a_caller_that_is_killed(
    func: str, backend: str, how: signal.Signals, start: Start
) -> None:
    process = start(EXECUTE, func, backend)
    os.kill(process.pid, how)
    process.communicate(timeout=10)
    assert process.returncode == -how
    assert left_after(process.pid) == set()


@pytest.mark.parametrize("backend", ["fork", "spawn"])
def test_a_caller_that_is_killed_while_it_starts_workers(backend: str, start: Start) -> None:
    rng = random.Random(backend)
    for _ in range(12):
        process = start(EXECUTE, "very_slow", backend, wait=rng.uniform(0, 0.15))
        process.kill()
        process.communicate(timeout=10)
        assert left_after(process.pid) == set()


CRASHES = {
    "leaves at once": "import os; os._exit(3)",
    "leaves": "sys.exit(3)",
    "raises": "raise LookupError",
    "crashes": "import ctypes; ctypes.string_at(0)",
    "becomes another program": "import os; os.execv('/bin/true', ['true'])",
    "stops": "import os; os.kill(os.getpid(), 9)",
}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("crash", CRASHES)
def test_a_consumer_that(crash: str, backend: str, start: Start) -> None:
    """A consumer that goes away in the middle of a stream of long items leaves nothing behind."""
    call = (
        "stream = amorsize.stream(causes.{func}, iter([1, 2] * 10**6), backend={backend!r}, n_jobs=2)\n"
        "    next(stream)\n    " + CRASHES[crash]
    )
    process = start(call, "heavy", backend, wait=0)
    process.communicate(timeout=20)
    assert left_after(process.pid) == set()


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_progress_function_that_raises(backend: str) -> None:
    def broken(done: int, total: int | None) -> None:
        raise LookupError("progress")

    with pytest.raises(LookupError, match="progress"):
        amorsize.execute(causes.heavy, range(2000), backend=backend, n_jobs=2, progress=broken)
    assert not children()


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("how", ["close", "del", "cycle", "throw"])
def test_a_stream_that_is_left(how: str, backend: str) -> None:
    stream = amorsize.stream(causes.heavy, iter(range(10**6)), backend=backend, n_jobs=2)
    assert [next(stream) for _ in range(60)] == list(range(60))
    began = time.monotonic()
    if how == "close":
        stream.close()
    elif how == "throw":
        with pytest.raises(LookupError):
            stream.throw(LookupError())
    elif how == "cycle":
        ring: list[object] = [stream]
        ring.append(ring)
        del stream, ring
        gc.collect()
    else:
        del stream
    assert not children(), "gone when the call returns"
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_source_that_raises(backend: str) -> None:
    def source() -> Iterator[int]:
        yield from range(500)
        raise LookupError("the source")

    with pytest.raises(LookupError, match="the source"):
        amorsize.execute(causes.heavy, source(), backend=backend, n_jobs=2)
    assert not children()


@pytest.mark.parametrize("backend", BACKENDS)
def test_sys_exit_in_the_function_is_the_callers(backend: str) -> None:
    with pytest.raises(SystemExit) as caught:
        amorsize.execute(causes.leaves, range(10_000), backend=backend, n_jobs=2)
    assert caught.value.code == 11
    assert not children()


@pytest.mark.parametrize("backend", ["fork", "spawn"])
def test_an_error_does_not_wait_for_long_items(backend: str) -> None:
    program = f"""
import amorsize, time
def item(x):
    if x == 0:
        time.sleep(0.3)
        raise LookupError(time.time())
    time.sleep(30)
try:
    amorsize.execute(item, range(10), backend={backend!r}, n_jobs=2)
except LookupError as error:
    print(time.time() - error.args[0] < 1)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=150, check=False
    )
    assert done.stdout == "True\n", done.stderr


@pytest.mark.parametrize("to", ["parent", "group"])
@pytest.mark.parametrize("backend", ["fork", "spawn", "threads", "auto"])
def test_ctrl_c_at_random_moments(backend: str, to: str) -> None:
    """A few of what benchmarks/robustness/interrupts.py does in hundreds."""
    from benchmarks.robustness.interrupts import Prompt

    rng = random.Random(f"{backend} {to}")
    with Prompt(backend) as prompt:
        for _ in range(4):
            shot = prompt.interrupt(rng.uniform(0, 0.3), group=to == "group")
            assert shot.left == 0, "workers a second later"
            assert shot.outcome in ("interrupted", "done")


def test_call_after_call_leaves_nothing() -> None:
    """A few of what benchmarks/robustness/thousand_calls.py does in thousands."""
    from benchmarks.robustness.thousand_calls import grown

    found = grown(60, settle=20)
    assert max(found.descriptors, found.processes, found.threads) <= 0
    assert found.memory_bytes < 5_000_000
