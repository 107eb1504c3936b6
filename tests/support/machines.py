"""Recorded machines, and interpreters of their own in which a test may fork."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from amorsize.core.frozen import replace
from amorsize.machine import detect

MEMINFO = "MemTotal:       16777216 kB\nMemFree: 1 kB\nMemAvailable:    8388608 kB\nCached: 7 kB\n"


def tree(place: Path, files: dict[str, str], *, cgroup: str, mounts: str) -> str:
    """A recorded machine: what the kernel would show below ``place``."""
    files = {
        "proc/self/cgroup": cgroup,
        "proc/self/mountinfo": "22 1 254:0 / / rw - ext4 /dev/root rw\n" + mounts,
        "proc/meminfo": MEMINFO,
        **files,
    }
    for name, text in files.items():
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return str(place)


def run(code: str, *, prefix: tuple[str, ...] = (), **environment: str) -> str:
    """What a fresh interpreter prints; it must end well within 30 seconds."""
    done = subprocess.run(
        [*prefix, sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=150,
        env={**os.environ, **environment},
        cwd=Path(detect.__file__).parents[2],
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


# -- forks and threads ---------------------------------------------------------------------------

PRELUDE = """
import os, select, signal, sys, time
from amorsize.machine import fork_safety, native_libraries
from amorsize.machine.fork_safety import fork_refusal
from amorsize.machine.native_libraries import MappedLibraries, OPENMP_NAMES, limit_inner_threads

def foreign_threads():
    return fork_safety.foreign_threads(MappedLibraries())

def cuda_active():
    return native_libraries.cuda_active(MappedLibraries())

def openmp_active():
    return bool(MappedLibraries().matching(OPENMP_NAMES))

def tasks():
    return len(os.listdir("/proc/self/task"))

def in_child(action, seconds=60.0):
    '''What a forked child says, or "hangs".'''
    near, far = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(far, repr(action()).encode())
        finally:
            os._exit(0)
    os.close(far)
    ready, _, _ = select.select([near], [], [], seconds)
    said = os.read(near, 4096).decode() if ready else "hangs"
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    os.close(near)
    return said
"""


def run_forking(code: str, **environment: str) -> str:
    return run(PRELUDE + textwrap.dedent(code), **environment)


@pytest.fixture
def small_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a fork costs grows with the process: plans are made as in a small one, however many tests and
    libraries this one holds by now."""
    machine = replace(detect.detect_machine(), resident_bytes=50_000_000)
    monkeypatch.setattr("amorsize.engine.lookups.detect_machine", lambda: machine)
