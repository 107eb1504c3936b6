"""Where the system gives little: few files, few processes, no /dev/shm, no room, no home.

Each program runs as an unprivileged user in a session of its own: root ignores most of these limits.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.timeout(60),
    pytest.mark.skipif(sys.platform != "linux", reason="limits and mounts of Linux"),
]
NOBODY = 65534
BACKENDS = ["auto", "fork", "spawn", "threads"]
ROOT = Path(__file__).resolve().parent.parent.parent

PROGRAM = """
import sys, warnings; sys.path[:0] = {path!r}
import amorsize
def heavy(x):
    total = 0
    for i in range(4000):
        total += i * i
    return x
warnings.simplefilter("ignore", amorsize.AmorsizeWarning)
{before}
def both(**options):
    found = amorsize.execute(heavy, range(300), **options)
    assert found == list(range(300))
    assert list(amorsize.stream(heavy, iter(range(300)), **options)) == list(range(300))
both(backend={backend!r}, n_jobs={n_jobs})
try:
    both(backend={backend!r}, n_jobs={n_jobs}, timeout=30)
except amorsize.errors.OptionError as error:  # where there is no thread for it either
    assert {alone} and "no thread can be started" in str(error)
print("done")
"""


def lower(kind: int, limit: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(kind, (limit, limit))


def as_nobody(
    program: str,
    *,
    limit: Callable[[], None] = lambda: None,
    user: int = NOBODY,
    **environment: str,
) -> subprocess.CompletedProcess[str]:
    """Run it as an unprivileged user that may read everything, as the interpreter may be in a folder
    that is root's alone; as oneself where one is unprivileged already."""
    prefix: list[str] = []
    if os.getuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("setpriv is not there")
        only = "-all,+dac_read_search"
        prefix = ["setpriv", f"--reuid={user}", f"--regid={NOBODY}", "--clear-groups"]
        prefix += [f"--inh-caps={only}", f"--ambient-caps={only}", f"--bounding-set={only}"]
    keep = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    return subprocess.run(
        [*prefix, sys.executable, "-B", "-c", program],
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
        cwd="/",
        env={**keep, "AMORSIZE_HISTORY": "off", "OPENBLAS_NUM_THREADS": "1", **environment},
        preexec_fn=limit,
        start_new_session=True,
    )


def check(done: subprocess.CompletedProcess[str]) -> None:
    assert done.stdout == "done\n", (done.returncode, done.stderr)


def program(backend: str, before: str = "", n_jobs: int = 2, *, alone: bool = False) -> str:
    path = [str(ROOT), *(p for p in sys.path if "site-packages" in p)]
    return PROGRAM.format(path=path, backend=backend, before=before, n_jobs=n_jobs, alone=alone)


def test_the_user_is_unprivileged() -> None:
    """Else the tests below would show nothing."""
    text = "import os; print(os.getuid() != 0 and not os.access('/etc/shadow', os.W_OK))"
    assert as_nobody(text).stdout == "True\n"


@pytest.mark.parametrize("backend", BACKENDS)
def test_few_descriptors(backend: str) -> None:
    """64, as some services give; then so few that hardly a worker can be started, or none."""
    check(as_nobody(program(backend), limit=lower(resource.RLIMIT_NOFILE, 64)))


@pytest.mark.parametrize("free", [0, 1, 2, 3, 5, 8, 12])
@pytest.mark.parametrize("backend", ["fork", "spawn", "threads"])
def test_descriptors_nearly_used_up(backend: str, free: int) -> None:
    before = f"""
# What is imported on the way needs files, too.
amorsize.execute(heavy, range(300), backend={backend!r}, n_jobs=2)
list(amorsize.stream(heavy, iter(range(300)), backend={backend!r}, n_jobs=2))
amorsize.execute(heavy, range(300), backend={backend!r}, n_jobs=2, timeout=30)
list(amorsize.stream(heavy, iter(range(300)), backend={backend!r}, n_jobs=2, timeout=30))
import os, resource
highest = max(map(int, os.listdir("/proc/self/fd")))
kept = [os.open("/dev/null", os.O_RDONLY) for _ in range(64)]
limit = max(kept) + 1 + {free}
resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
"""
    check(as_nobody(program(backend, before, 8)))


@pytest.mark.parametrize("allowed", [1, 2, 3, 6])
@pytest.mark.parametrize("backend", BACKENDS)
def test_few_processes(backend: str, allowed: int) -> None:
    """The limit counts all of a user's processes and threads: a user of its own is used."""
    if os.getuid() != 0:
        pytest.skip("only root may become a user without processes")
    check(
        as_nobody(
            program(backend, n_jobs=4, alone=allowed < 4),
            limit=lower(resource.RLIMIT_NPROC, allowed),
            user=unused_user(),
        )
    )


def unused_user() -> int:
    """A number that nobody has and that no process runs as."""
    used = {entry.pw_uid for entry in pwd.getpwall()}
    for one in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            used.add(os.stat(one).st_uid)
    return next(
        number for number in range(61_000 + os.getpid() % 1000, 64_000) if number not in used
    )


@pytest.mark.parametrize("backend", BACKENDS)
def test_no_home(backend: str) -> None:
    done = as_nobody(program(backend), HOME="/nonexistent", AMORSIZE_HISTORY="")
    check(done)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_read_only_home(backend: str, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    home.chmod(0o555)
    check(as_nobody(program(backend), HOME=str(home), AMORSIZE_HISTORY=""))


MOUNTED = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
if libc.unshare(0x00020000) or libc.mount(b"none", b"/", None, 0x44000, None):
    print("not permitted"); sys.exit()
{mounts}
"""


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("what", ["no /dev/shm", "a full /tmp"])
def test_without_room(what: str, backend: str, tmp_path: Path) -> None:
    """In a view of the file system of its own."""
    if what == "no /dev/shm":
        mounts = 'assert libc.mount(b"none", b"/dev/shm", b"tmpfs", 1, b"size=4k,mode=000") == 0'
    else:
        # What is read may be below /tmp: it goes where it stays visible.
        mounts = (
            'assert libc.mount(b"none", b"/mnt", b"tmpfs", 0, b"") == 0\n'
            f"import shutil\n"
            f'shutil.copytree({str(ROOT / "amorsize")!r}, "/mnt/amorsize")\n'
            "import cloudpickle\n"
            'shutil.copytree(os.path.dirname(cloudpickle.__file__), "/mnt/cloudpickle")\n'
            'assert libc.mount(b"none", b"/tmp", b"tmpfs", 0, b"size=4k,nr_inodes=2") == 0\n'
            'open("/tmp/full", "wb").write(b"x" * 4096)\n'
        )
    text = program(backend)
    if what == "a full /tmp":
        interpreter = os.path.realpath(
            sys.executable
        )  # one of a virtual environment may be there, too
        text = f"import sys; sys.executable = {interpreter!r}\n" + text
        text = text.replace(f"[{str(ROOT)!r}", f"['/mnt', {str(ROOT)!r}")
    done = subprocess.run(
        [sys.executable, "-B", "-c", MOUNTED.format(mounts=mounts) + text],
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
        cwd="/",
        env={"PATH": os.environ["PATH"], "AMORSIZE_HISTORY": "off"},
    )
    if done.stdout == "not permitted\n":
        pytest.skip("this user may not mount a file system")
    check(done)


def test_little_memory_for_addresses() -> None:
    """A limit on the address space that leaves room for the program and not for many workers."""
    before = """
import resource
size = int(open("/proc/self/statm").read().split()[0]) * 4096 + (48 << 20)
resource.setrlimit(resource.RLIMIT_AS, (size, size))
"""
    for backend in ("fork", "threads"):
        check(as_nobody(program(backend, before, 16)))


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_clock_that_jumps(backend: str) -> None:
    """Nobody reads the time of day: hours forward and back change nothing."""
    before = """
import time
real = time.time
jumps = iter([0, 7200, -7200, 1e9] * 10**6)
time.time = lambda: real() + next(jumps)
"""
    check(as_nobody(program(backend, before)))


def test_sigchld_ignored() -> None:
    """The system waits for the children then, and nobody learns how they ended."""
    before = "import signal; signal.signal(signal.SIGCHLD, signal.SIG_IGN)"
    for backend in ("fork", "spawn"):
        check(as_nobody(program(backend, before)))


def test_standard_streams_closed() -> None:
    """As services are started: the first descriptors that are opened are 0, 1 and 2."""
    before = """
import os
out = os.dup(1)
for number in (0, 1, 2): os.close(number)
sys.stdin = sys.stdout = sys.stderr = None
def print(text): os.write(out, text.encode() + b"\\n")
"""
    for backend in ("fork", "spawn", "threads", "auto"):
        check(as_nobody(program(backend, before)))
