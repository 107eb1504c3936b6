"""Where users are: notebooks, one core, quotas, Ctrl-C, killed parents, unguarded scripts."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from amorsize.machine.detect import usable_cores

pytestmark = [
    pytest.mark.timeout(60),
    pytest.mark.skipif(sys.platform != "linux", reason="/proc is needed to look on"),
]

GONE_SECONDS = 1.0
"""No helper may be older than its parent's end by more."""
BURN = """
def burn(x):
    total = 0
    for i in range(20_000):
        total += i * i
    return x
"""
WHO = """
import os
def who(x):
    total = 0
    for i in range(20_000):
        total += i * i
    return os.getpid()
"""


def python(program: str, *prefix: str, code: int = 0) -> str:
    done = subprocess.run(
        [*prefix, sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert done.returncode == code, done.stderr
    return done.stdout.strip()


def descendants(parent: int) -> set[int]:
    """Living processes below a process (zombies do not count)."""
    found: set[int] = set()
    for task in Path(f"/proc/{parent}/task").glob("*/children"):
        try:
            pids = task.read_text().split()
        except OSError:
            continue
        for pid in map(int, pids):
            if is_alive(pid):
                found |= {pid, *descendants(pid)}
    return found


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def await_end(pids: set[int], seconds: float = GONE_SECONDS) -> set[int]:
    """Those that are still alive after so long."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and any(map(is_alive, pids)):
        time.sleep(0.01)
    return {pid for pid in pids if is_alive(pid)}


# -- how many cores ------------------------------------------------------------------------------------


@pytest.mark.skipif(shutil.which("taskset") is None, reason="taskset is not installed")
def test_one_core_of_the_affinity_gets_no_helper() -> None:
    program = WHO + "import amorsize; print(len(set(amorsize.execute(who, range(200)))))"
    core = str(min(os.sched_getaffinity(0)))
    assert python(program, "taskset", "-c", core) == "1"


def quota_group() -> Path:
    """A new control group of one CPU; skips where none can be made."""
    name = f"amorsize_environment_{os.getpid()}"
    for folder in ("cpu", "cpu,cpuacct"):
        group = Path("/sys/fs/cgroup") / folder / name
        if not os.access(group.parent, os.W_OK) or not (group.parent / "cgroup.procs").exists():
            continue
        try:
            group.mkdir()
            (group / "cpu.cfs_period_us").write_text("100000")
            (group / "cpu.cfs_quota_us").write_text("100000")
        except OSError as error:
            if group.exists():
                group.rmdir()
            pytest.skip(f"making a cgroup is not permitted: {error.strerror}")
        return group
    pytest.skip("no cgroup v1 cpu controller that may be written to")


def test_a_real_quota_of_one_cpu_gets_no_helper() -> None:
    group = quota_group()
    try:
        program = WHO + (
            f"open({str(group / 'cgroup.procs')!r}, 'w').write(str(os.getpid()))\n"
            "import amorsize; print(len(set(amorsize.execute(who, range(200)))))"
        )
        assert python(program) == "1"
    finally:
        group.rmdir()


def test_two_cores_get_a_helper_in_each_call() -> None:
    if usable_cores() < 2:
        pytest.skip("one core")
    program = (
        WHO
        + """
import amorsize
workers = []
for call in range(100):
    if call == 50:
        import numpy
    if call not in (0, 1, 50, 99):
        amorsize.execute(who, range(10), history=None)
        continue
    # Other work on the machine can make one core the right choice, and OpenBLAS keeps the other
    # core for 0.1 s after its import: one of a few tries gets a helper.
    for attempt in range(15):
        found = set(amorsize.execute(who, range(500), history=None))
        if len(found) == 2:
            break
    workers.append(len(found))
print(workers, "numpy" in __import__("sys").modules)
"""
    )
    assert python(program) == "[2, 2, 2, 2] True"


# -- hosts ---------------------------------------------------------------------------------------------


def test_in_a_notebook_kernel(tmp_path: Path) -> None:
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    cells = [
        "import amorsize, time, os\ndef heavy(x):\n    s = 0\n    for i in range(20_000): s += i * i\n"
        "    return x",
        "assert amorsize.execute(heavy, range(400)) == list(range(400))",
        "assert amorsize.execute(lambda x: x + 1, range(1000)) == list(range(1, 1001))",
        "assert amorsize.execute(lambda s: time.sleep(s) or s, [0.01] * 60) == [0.01] * 60",
        "factor = 3\nassert amorsize.execute(lambda x: factor * heavy(x), range(200))[-1] == 597",
        "factor = 4\nassert amorsize.execute(lambda x: factor * heavy(x), range(200))[-1] == 796",
        "assert list(amorsize.stream(heavy, (i for i in range(200)))) == list(range(200))",
        "amorsize.optimize(heavy, range(400))",
        "print(os.getpid())",
    ]
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    client = nbclient.NotebookClient(book, timeout=150, kernel_name="python3")
    client.execute(cwd=str(tmp_path))
    assert "amorsize" not in str(book.cells[-1].outputs[0].text).lower()
    plan = book.cells[-2].outputs[0].data
    assert "text/html" in plan
    kernel = int(book.cells[-1].outputs[0].text)
    assert await_end({kernel}, 10) == set()


def test_an_unguarded_script_may_start_fresh_interpreters(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        BURN
        + "import amorsize, sys\n"
        + "print('top')\n"
        + "print(sum(amorsize.execute(burn, range(100), backend='spawn', n_jobs=2)))\n"
        + "print(sum(amorsize.execute(lambda x: burn(x) + 1, range(100), backend='spawn')))\n"
    )
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=150, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["top", "4950", "5050"], "the script ran once"


# -- endings -------------------------------------------------------------------------------------------

LONG = """
import time, sys, amorsize
def nap(x):
    time.sleep({nap})
    return x
def heavy(x):
    total = 0
    for i in range({steps}):
        total += i
    return x
print("ready", flush=True)
try:
    amorsize.execute({func}, range(100_000), backend={backend!r}, n_jobs=2, history=None)
except KeyboardInterrupt:
    print("interrupted", flush=True)
    sys.exit(7)
"""
KINDS = [
    ("heavy", "fork"),
    ("heavy", "spawn"),
    ("nap", "threads"),
    ("nap", "fork"),
    ("heavy", "auto"),
]


def started(func: str, backend: str, steps: int = 200_000) -> subprocess.Popen[str]:
    """A program in the middle of a long run."""
    program = LONG.format(func=func, backend=backend, nap=0.05, steps=steps)
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.6)  # into the run; a helper that starts later is found by its parent's end
    return process


@pytest.mark.parametrize(("func", "backend"), KINDS)
@pytest.mark.parametrize("to", ["parent", "group"])
def test_ctrl_c_ends_everything(func: str, backend: str, to: str) -> None:
    process = started(func, backend)
    helpers = descendants(process.pid)
    if backend in ("fork", "spawn"):
        assert helpers
    if to == "parent":
        os.kill(process.pid, signal.SIGINT)
    else:
        os.killpg(process.pid, signal.SIGINT)
    output, errors = process.communicate(timeout=10)
    assert output == "interrupted\n", errors
    assert process.returncode == 7
    assert "Traceback" not in errors
    assert await_end(helpers) == set()


@pytest.mark.parametrize(("func", "backend"), KINDS)
def test_helpers_do_not_outlive_a_killed_parent(func: str, backend: str) -> None:
    process = started(func, backend, steps=200_000_000 if func == "heavy" else 1)
    helpers = descendants(process.pid)
    process.kill()
    process.communicate(timeout=10)
    assert await_end(helpers) == set()


@pytest.mark.parametrize("backend", ["auto", "fork", "spawn", "threads"])
def test_a_stream_left_alone_does_not_hold_up_the_exit(backend: str) -> None:
    program = BURN + (
        "import amorsize\n"
        f"results = amorsize.stream(burn, iter(range(10**9)), backend={backend!r}, history=None)\n"
        "print([next(results) for _ in range(300)][-1])\n"
    )
    began = time.monotonic()
    assert python(program) == "299"
    assert time.monotonic() - began < 20


@pytest.mark.parametrize("backend", ["auto", "serial", "threads", "fork", "spawn"])
def test_an_early_error_comes_soon_with_all_that_is_known(backend: str) -> None:
    program = f"""
import time, traceback, amorsize
def third(x):
    time.sleep(0.05)
    if x == 3:
        raise LookupError(time.time())
    return x
try:
    amorsize.execute(third, range(1000), backend={backend!r}, history=None)
except LookupError as error:
    late = time.time() - error.args[0]
    text = "".join(traceback.format_exception(error))
    print(late < 3, error.__notes__, "in third" in text)
"""
    assert python(program) == "True ['amorsize: raised by item 3 of the data'] True"


def test_import_is_light() -> None:
    program = (
        "import sys, amorsize\n"
        "heavy = ('numpy', 'dataclasses', 'typing', 'asyncio', 'logging', 'subprocess', 'sqlite3',\n"
        "         'multiprocessing', 'concurrent.futures', 'tempfile', 'psutil', 'cloudpickle', 'tqdm',\n"
        "         'threadpoolctl', 'inspect', 'amorsize.cli')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    assert python(program) == "[]"
