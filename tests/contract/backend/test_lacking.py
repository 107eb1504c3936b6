"""Systems without what Linux has, simulated: the backends' suite on each, and what a spawn costs there.

Neither macOS nor a BSD can be run in the continuous integration. Each lacks some of this; a fault of one
(an attribute that only /proc set) once ended every spawned worker there. What is taken away, and how:
``support/lacking/sitecustomize.py``; ``/proc`` is unmounted in a mount namespace of the tests' own.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
SUITE = ["tests/contract/backend/test_own_workers.py", "tests/unit/backends"]
LACKS = ["affinity", "fcntl", "resource", "memfd", "waitid"]
WITHOUT_PROC = ["unshare", "--mount", "sh", "-c", 'umount -l /proc && exec "$@"', "sh"]
ALL = ("proc", *LACKS)

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.skipif(sys.platform != "linux", reason="it is Linux from which things are taken"),
]


def started(lacks: tuple[str, ...], *words: str | Path, **more: object) -> subprocess.Popen[str]:
    """An interpreter that lacks these, and its children."""
    python = [str(word) for word in (sys.executable, *words)]
    names = ",".join(name for name in lacks if name != "proc")
    place = ROOT / "tests" / "support" / "lacking"
    environment = {**os.environ, "AMORSIZE_TESTS_LACK": names, "PYTHONPATH": str(place)}
    environment |= {
        "AMORSIZE_HISTORY": "off",
        "CI": "",
    }  # what it lacks is skipped, as it should be
    if "proc" in lacks:
        if shutil.which("unshare") is None:
            pytest.skip("unshare is not there")
        if subprocess.run([*WITHOUT_PROC, "true"], capture_output=True).returncode:
            pytest.skip("this user may not mount a file system")
        python = [*WITHOUT_PROC, *python]
    return subprocess.Popen(
        python, cwd=ROOT, env=environment, text=True, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **more,
    )  # type: ignore[call-overload,no-any-return]  # fmt: skip


@pytest.mark.long
@pytest.mark.parametrize("lacks", [*((one,) for one in ALL), ALL], ids="-".join)
def test_the_suite_of_backends_passes(lacks: tuple[str, ...]) -> None:
    options = ["-q", "-m", "not long", "-p", "no:cacheprovider"]
    run = started(lacks, "-m", "pytest", *options, *SUITE)
    told, _ = run.communicate()
    assert run.returncode == 0, told[-3000:]


SIXTY_ITEMS = """
import sys, time
sys.path.insert(0, "tests")
import amorsize
from support.work import square
for _ in range(6):
    began = time.perf_counter()
    assert amorsize.execute(square, range(60), backend="spawn", n_jobs=2) == [i * i for i in range(60)]
    print(time.perf_counter() - began)
"""


def sixty_items(lacks: tuple[str, ...]) -> list[float]:
    """Seconds of 60 tiny items by spawned workers: of a first run, and the median of five later ones."""
    run = started(lacks, "-c", SIXTY_ITEMS)
    told, _ = run.communicate()
    assert run.returncode == 0, told
    first, *later = map(float, told.split())
    return [first, statistics.median(later)]


def test_sixty_tiny_items_take_no_longer_without_what_linux_has() -> None:
    pairs = [(sixty_items(()), sixty_items(ALL)) for _ in range(5)]
    ratios = [[lacking / usual for usual, lacking in zip(*pair, strict=True)] for pair in pairs]
    first, later = (statistics.median(ratio) for ratio in zip(*ratios, strict=True))
    print(f"first run {first:.2f}, later runs {later:.2f}")
    assert first <= 1.5 and later <= 1.5, pairs


@pytest.mark.parametrize("backend", ["fork", "spawn"])
def test_a_worker_deep_in_an_item_ends_with_a_killed_caller(backend: str, tmp_path: Path) -> None:
    """Linux sends a signal; elsewhere a thread of the worker waits for the caller's end."""
    note = tmp_path / "pids"
    code = f"""
import os, time
import amorsize
CALLER = os.getpid()
def deep(_):
    if os.getpid() == CALLER:
        time.sleep(0.01)
        return
    with open({str(note)!r}, "a") as file:
        file.write(f"{{os.getpid()}}\\n")
    while True:
        sum(range(1000))
amorsize.execute(deep, range(5000), backend={backend!r}, n_jobs=2, effects="ignore")
"""
    run = started(("fcntl",), "-c", code)
    try:
        deadline = time.monotonic() + 60
        while not note.exists() or not note.read_text().endswith("\n"):
            assert time.monotonic() < deadline and run.poll() is None
            time.sleep(0.01)
    finally:
        run.kill()
        run.communicate()
    pids = [int(word) for word in note.read_text().split()]
    deadline = time.monotonic() + 10
    while left := [pid for pid in pids if Path(f"/proc/{pid}").exists()]:
        assert time.monotonic() < deadline, left
        time.sleep(0.01)
