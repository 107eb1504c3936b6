"""Workers die in every way there is: nothing that was finished is lost, the culprit is named."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from support import causes
from support.causes import CULPRIT, DEATHS, Dies
from support.work import Recorder, children

import amorsize

pytestmark = [
    pytest.mark.timeout(60),
    pytest.mark.skipif(sys.platform != "linux", reason="signals and /proc of Linux"),
]
PROCESSES = ["fork", "spawn"]
SQUARES = [x * x for x in range(200)]


def but_for(values: list[object], index: int = CULPRIT) -> list[object]:
    return values[:index] + values[index + 1 :]


@pytest.mark.parametrize("backend", PROCESSES)
@pytest.mark.parametrize("cause", DEATHS)
def test_the_culprit_is_named_and_all_else_is_done(
    cause: str, backend: str, tmp_path: Path
) -> None:
    func = Dies(cause, tmp_path / "calls")
    found = amorsize.execute(func, range(200), backend=backend, n_jobs=2, on_error="collect")
    assert but_for(found) == but_for(SQUARES)
    error = found[CULPRIT].exception
    assert isinstance(error, amorsize.WorkerDied)
    assert (error.index, error.exitcode) == (CULPRIT, DEATHS[cause][1])
    assert f"item {CULPRIT}" in str(error) and error.hint in str(error) and error.hint
    assert Counter(causes.calls(func.path))[CULPRIT] == 2, "it had one more try, no third"


@pytest.mark.parametrize("backend", PROCESSES)
@pytest.mark.parametrize("cause", DEATHS)
def test_a_death_that_does_not_come_again_costs_nothing_but_time(
    cause: str, backend: str, tmp_path: Path
) -> None:
    func = Dies(cause, tmp_path / "calls", once=True)
    assert amorsize.execute(func, iter(range(200)), backend=backend, n_jobs=2) == SQUARES


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("backend", PROCESSES)
def test_nothing_runs_twice_against_the_users_word(
    backend: str, lazy: bool, tmp_path: Path
) -> None:
    func = Dies("sigkill", tmp_path / "calls")
    data = iter(range(200)) if lazy else range(200)
    found = amorsize.execute(
        func, data, backend=backend, n_jobs=2, on_error="collect", rerun_after_death=False
    )
    assert but_for(found) == but_for(SQUARES)
    assert isinstance(found[CULPRIT].exception, amorsize.WorkerDied)
    assert Counter(causes.calls(func.path)) == Counter(range(200))


@pytest.mark.parametrize("backend", PROCESSES)
def test_a_death_ends_the_run_where_errors_do(backend: str, tmp_path: Path) -> None:
    with pytest.raises(amorsize.WorkerDied, match="SIGKILL while it ran item 40") as caught:
        amorsize.execute(Dies("sigkill", tmp_path / "calls"), range(200), backend=backend)
    assert caught.value.__notes__ == ["amorsize: raised by item 40 of the data"]
    assert not children()


@pytest.mark.parametrize("backend", PROCESSES)
def test_skipped_with_the_others(backend: str, tmp_path: Path) -> None:
    func = Dies("exit code", tmp_path / "calls")
    assert amorsize.execute(func, range(200), backend=backend, on_error="skip") == but_for(SQUARES)


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("backend", PROCESSES)
def test_streams_go_on(backend: str, ordered: bool, tmp_path: Path) -> None:
    """Beside the thread that feeds a stream no fork is allowed: fresh interpreters replace the dead."""
    func = Dies("sigkill", tmp_path / "calls")
    source = (x for x in range(200))
    found = list(
        amorsize.stream(
            func, source, backend=backend, n_jobs=2, ordered=ordered, on_error="collect"
        )
    )
    died = [one for one in found if not isinstance(one, int)]
    assert len(died) == 1 and isinstance(died[0].exception, amorsize.WorkerDied)
    values = [one for one in found if isinstance(one, int)]
    assert (values if ordered else sorted(values)) == but_for(SQUARES)


@pytest.mark.parametrize("backend", PROCESSES)
def test_every_item_kills(backend: str) -> None:
    found = amorsize.execute(
        causes.dies_always, range(12), backend=backend, n_jobs=2, on_error="collect"
    )
    assert [one.exception.index for one in found] == list(range(12))


@pytest.mark.parametrize("backend", PROCESSES)
def test_many_culprits(backend: str) -> None:
    found = amorsize.execute(
        causes.dies_in_every_tenth, range(100), backend=backend, n_jobs=2, on_error="collect"
    )
    bad = [i for i, one in enumerate(found) if not isinstance(one, int)]
    assert bad == list(range(5, 100, 10))
    assert [one for one in found if isinstance(one, int)] == [x for x in range(100) if x % 10 != 5]


@pytest.mark.parametrize("backend", PROCESSES)
def test_a_result_that_kills_when_it_is_sent(backend: str) -> None:
    found = amorsize.execute(
        causes.result_is_fatal, range(200), backend=backend, n_jobs=2, on_error="collect"
    )
    assert but_for(found) == but_for(list(range(200)))
    assert found[CULPRIT].exception.index == CULPRIT


def test_an_item_that_kills_when_it_is_received() -> None:
    """It reaches no worker; the caller has it already, and what the workers did not begin is safe."""
    data = [causes.FatalToReceive(number) for number in range(60)]
    found = amorsize.execute(causes.number_of, data, backend="spawn", n_jobs=2)
    assert found == list(range(60))


@pytest.mark.parametrize("backend", PROCESSES)
def test_a_function_that_closes_all_descriptors(backend: str) -> None:
    found = amorsize.execute(
        causes.closes_everything, range(200), backend=backend, n_jobs=2, on_error="collect"
    )
    assert but_for(found) == but_for(list(range(200)))
    assert isinstance(found[CULPRIT].exception, amorsize.WorkerDied)


@pytest.mark.parametrize("backend", PROCESSES)
def test_a_time_bomb_in_the_worker(backend: str) -> None:
    found = amorsize.execute(
        causes.dies_a_moment_later, range(200), backend=backend, n_jobs=2, on_error="collect"
    )
    wrong = [i for i, one in enumerate(found) if one != i]
    assert len(wrong) <= 1, "the bomb goes off twice at most; only what ran then both times is lost"


@pytest.mark.parametrize("backend", PROCESSES)
def test_an_initializer_that_kills_is_told_soon(backend: str) -> None:
    with pytest.raises(amorsize.WorkerDied, match="outside of any item") as caught:
        amorsize.execute(
            causes.heavy,
            range(100),
            backend=backend,
            n_jobs=2,
            initializer=causes.fatal_initializer,
        )
    assert caught.value.exitcode == 9
    assert not children()


FORKED_AND_LOST = """
import os, amorsize
caller = os.getpid()
os.register_at_fork(after_in_child=lambda: os._exit(4))
assert amorsize.execute(lambda x: (x, os.getpid()), range(50), backend="fork", n_jobs=2) == [
    (x, caller) for x in range(50)
]
print("done")
"""
NO_INTERPRETER = """
import os, sys, warnings, amorsize
caller = os.getpid()
sys.executable = {executable!r}
with warnings.catch_warnings(record=True) as seen:
    warnings.simplefilter("always")
    found = amorsize.execute(lambda x: (x, os.getpid()), range(50), backend="spawn", n_jobs=2)
assert found == [(x, caller) for x in range(50)]
assert len(seen) <= 1, seen
print("done")
"""


@pytest.mark.parametrize(
    "program",
    [
        FORKED_AND_LOST,
        NO_INTERPRETER.format(executable="/bin/false"),
        NO_INTERPRETER.format(executable="/nowhere/python"),
    ],
    ids=["fork", "dies at once", "cannot start"],
)
def test_where_no_worker_lives_the_caller_goes_on(program: str) -> None:
    """No item was begun by those that died: nothing speaks against it."""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=150, check=False
    )
    assert done.stdout == "done\n", done.stderr


@pytest.mark.parametrize("backend", PROCESSES)
def test_noticed_at_once_and_replaced(backend: str, tmp_path: Path) -> None:
    """Killed in a long item while the other worker is in one, too: its item begins again before the
    other's is over."""
    program = f"""
import os, time, amorsize
def item(x):
    began = time.time()
    if x == 0 and not os.path.exists({str(tmp_path / "died")!r}):
        open({str(tmp_path / "died")!r}, "w").write(str(time.time()))
        os.kill(os.getpid(), 9)
    time.sleep(1.5)
    return began
found = amorsize.execute(item, range(2), backend={backend!r}, n_jobs=2)
print(found[0] - float(open({str(tmp_path / "died")!r}).read()))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=150, check=False
    )
    assert 0 < float(done.stdout) < 1.2, (
        done.stderr
    )  # a spawned one takes 0.1 s to start, 5x loaded


@pytest.mark.parametrize("backend", PROCESSES)
def test_results_in_the_socket_of_the_dead_are_kept(backend: str, tmp_path: Path) -> None:
    """The caller looks away (a consumer that does not come back) while a worker sends and dies."""
    func = Dies("sigkill", tmp_path / "calls", once=True)
    with_pause = amorsize.stream(func, range(200), backend=backend, n_jobs=2, buffersize=100)
    found = [next(with_pause)]
    time.sleep(0.3)
    assert found + list(with_pause) == SQUARES
    again = [i for i, n in Counter(causes.calls(func.path)).items() if n > 1]
    assert len(again) <= 30, "the culprit, and what its worker had not sent (2.5 ms of work)"


@pytest.mark.parametrize("backend", PROCESSES)
def test_killed_while_it_sends_a_large_result(backend: str) -> None:
    stream = amorsize.stream(causes.large, iter(range(6)), backend=backend, n_jobs=2, buffersize=6)
    found = [next(stream)]
    time.sleep(0.2)  # both are stuck in a result that no socket holds
    for pid in children():
        os.kill(pid, signal.SIGKILL)
    found += list(stream)
    assert [one == causes.large(i) for i, one in enumerate(found)] == [True] * 6


@pytest.mark.parametrize("n_jobs", [2, 3])
@pytest.mark.parametrize("backend", PROCESSES)
@pytest.mark.parametrize("seed", range(4))
def test_killed_at_random_moments(seed: int, backend: str, n_jobs: int, tmp_path: Path) -> None:
    from benchmarks.robustness.kills import killed_run

    rng = random.Random(f"{seed} {backend} {n_jobs}")
    recorder = Recorder(tmp_path / "calls", 0.001)
    found, kills = killed_run(recorder, 150, backend, n_jobs, rng)
    assert found == [x * x for x in range(150)]
    assert set(recorder.calls()) == set(range(150))
    assert max(recorder.calls().values()) <= 1 + kills


# -- two runs at a time --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [list, iter])
def test_streams_side_by_side_do_not_keep_each_other_alive(kind: type) -> None:
    """The workers of the later stream must not hold open the pipes of the earlier one."""
    first = amorsize.stream(causes.heavy, kind(range(300)), backend="fork", n_jobs=2)
    head = [next(first)]
    second = amorsize.stream(causes.heavy, list(range(300)), backend="fork", n_jobs=2)
    next(second)
    assert head + list(first) == list(range(300))
    second.close()
    assert not children()


def test_out_of_memory_is_named(tmp_path: Path) -> None:
    """A kill by the kernel, in a group with little memory, made for this test."""
    group = memory_group(96 << 20)
    program = f"""
import amorsize
open({str(group / "cgroup.procs")!r}, "w").write("0")
def grow(x):
    if x == 40:
        kept = [bytearray(1 << 20) for _ in range(400)]
        for one in kept: one[::4096] = b"x" * 256
    return x
for backend in ("fork", "spawn"):
    found = amorsize.execute(grow, range(60), backend=backend, n_jobs=2, on_error="collect")
    error = found[40].exception
    assert isinstance(error, amorsize.WorkerDied) and error.exitcode == -9, error
    assert [x for x in found if isinstance(x, int)] == [x for x in range(60) if x != 40]
    print(error)
"""
    try:
        done = subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            timeout=150,
            check=False,
        )
        assert done.stdout.count("item 40") == 2, (done.returncode, done.stderr)
    finally:
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            try:
                group.rmdir()
                break
            except OSError:
                time.sleep(0.05)


def memory_group(limit: int) -> Path:
    """A new control group with so much memory; skips where none can be made."""
    name = f"amorsize_faults_{os.getpid()}"
    for parent, file in (
        (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"),
        (Path("/sys/fs/cgroup"), "memory.max"),
    ):
        group = parent / name
        if not (parent / "cgroup.procs").exists() or not os.access(parent, os.W_OK):
            continue
        try:
            group.mkdir()
        except OSError:
            continue
        try:
            (group / file).write_text(str(limit))
            swap = group / file.replace("memory.limit", "memory.memsw.limit")
            swap = group / "memory.swap.max" if file == "memory.max" else swap
            if swap.exists():
                swap.write_text(str(limit) if file != "memory.max" else "0")
        except OSError:
            group.rmdir()
            continue
        return group
    pytest.skip("making a memory cgroup is not permitted")
