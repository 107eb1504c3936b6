"""Deaths, hangs and ends of workers on Windows, where no signal tells of them; run under Wine."""

from __future__ import annotations

import _thread
import faulthandler
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest
from support.machines import run
from support.work import children_by_psutil, square

import amorsize

pytestmark = [
    pytest.mark.timeout(60),
    pytest.mark.skipif(sys.platform != "win32", reason="how processes end on Windows"),
]
CULPRIT = 40
PATIENCE_SECONDS = 40.0
"""How long processes may take to end on a machine that does other work."""


def exits_with_three() -> None:
    os._exit(3)


def reads_nowhere() -> None:
    faulthandler._read_null()  # type: ignore[attr-defined]  # ctypes makes an exception of it there


def is_terminated() -> None:
    os.kill(os.getpid(), signal.SIGTERM)  # TerminateProcess there


DEATHS = {"exit": exits_with_three, "crash": reads_nowhere, "terminated": is_terminated}


class Dies:
    """Squares, but for one item, at which its process dies."""

    def __init__(self, how: str) -> None:
        self.how = how

    def __call__(self, item: int) -> int:
        if item == CULPRIT:
            DEATHS[self.how]()
        return item * item


def sleeps_long(item: int) -> int:
    if item == CULPRIT:
        time.sleep(600)
    return item


@pytest.mark.parametrize("how", DEATHS)
def test_a_death_costs_its_item_only(how: str) -> None:
    found = amorsize.execute(Dies(how), range(80), backend="spawn", n_jobs=2, on_error="collect")
    assert [one for one in found if isinstance(one, int)] == [
        item * item for item in range(80) if item != CULPRIT
    ]
    died = found[CULPRIT].exception
    assert isinstance(died, amorsize.WorkerDied) and died.index == CULPRIT
    assert "SIG" not in str(died) or how == "terminated", died


def test_a_crash_is_told_by_its_code() -> None:
    with pytest.raises(amorsize.WorkerDied, match=f"item {CULPRIT}") as caught:
        amorsize.execute(Dies("crash"), range(80), backend="spawn", n_jobs=2)
    assert "0xC0000005" in str(caught.value), caught.value


def test_an_item_that_hangs_is_ended() -> None:
    found = amorsize.execute(
        sleeps_long, range(80), backend="spawn", n_jobs=2, timeout=2, on_error="collect"
    )
    assert isinstance(found[CULPRIT].exception, TimeoutError)
    assert found[:CULPRIT] == list(range(CULPRIT))


def test_an_interrupt_ends_the_run_and_its_workers() -> None:
    def interrupt() -> None:
        time.sleep(2.0)
        _thread.interrupt_main()

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        amorsize.execute(sleeps_long, range(CULPRIT, 42), backend="spawn", n_jobs=2)
    assert amorsize.execute(square, range(60), backend="spawn", n_jobs=2) == [
        item * item for item in range(60)
    ]


CALLER = """
import sys, time
sys.path.insert(0, "tests")
import amorsize
from unit.backends.test_windows import Tells
amorsize.execute(Tells({path!r}), range(2), backend="spawn", n_jobs=2)
"""


class Tells:
    """Writes the number of its process to a file of its own, and sleeps."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def __call__(self, item: int) -> int:
        Path(self.folder, str(os.getpid())).touch()
        time.sleep(600)
        return item


def test_workers_end_with_a_caller_that_is_killed(tmp_path: Path) -> None:
    import psutil

    code = textwrap.dedent(CALLER.format(path=str(tmp_path)))
    with subprocess.Popen([sys.executable, "-c", code]) as caller:
        end = time.monotonic() + PATIENCE_SECONDS
        workers: list[int] = []
        while not workers and time.monotonic() < end and caller.poll() is None:
            workers = [int(file.name) for file in tmp_path.iterdir()]
            time.sleep(0.05)
        caller.kill()
    assert workers
    end = time.monotonic() + PATIENCE_SECONDS
    while any(map(psutil.pid_exists, workers)):
        assert time.monotonic() < end, workers
        time.sleep(0.05)


def test_workers_end_with_the_program() -> None:
    code = """
    import sys
    sys.path.insert(0, "tests")
    import amorsize, psutil
    from support.work import square
    if __name__ == "__main__":
        assert amorsize.execute(square, range(60), backend="spawn", n_jobs=2)[7] == 49
        print(*(child.pid for child in psutil.Process().children()))
    """
    import psutil

    workers = list(map(int, run(code).split()))
    assert workers
    end = time.monotonic() + PATIENCE_SECONDS
    while any(map(psutil.pid_exists, workers)):
        assert time.monotonic() < end, workers
        time.sleep(0.05)


def test_idle_workers_serve_the_next_run() -> None:
    """Workers that are idle stay, as children of this process, and are the same ones in the next run."""
    amorsize.execute(square, range(60), backend="spawn", n_jobs=2)
    before = children_by_psutil().keys()
    amorsize.execute(square, range(60), backend="spawn", n_jobs=2)
    assert before and before == children_by_psutil().keys()
