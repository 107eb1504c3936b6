"""Functions that go wrong, each in a way of its own; importable, so that every backend can run them."""

from __future__ import annotations

import ctypes
import mmap
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

CULPRIT = 40
"""The item that goes wrong."""


def work(steps: int = 3000) -> None:
    """About 0.2 ms of computing."""
    total = 0
    for i in range(steps):
        total += i * i


# -- ways to die ---------------------------------------------------------------------------------------


def by_sigkill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def by_exit_code() -> None:
    os._exit(3)


def by_exit_zero() -> None:
    """As if all was well."""
    os._exit(0)


def by_segmentation_fault() -> None:
    ctypes.string_at(0)


def by_abort() -> None:
    os.abort()


def by_bus_error() -> None:
    """A mapped file that was made shorter."""
    with tempfile.TemporaryFile() as file:
        file.truncate(mmap.PAGESIZE)
        page = mmap.mmap(file.fileno(), mmap.PAGESIZE)
        os.truncate(file.fileno(), 0)
        page[0]


def by_sigterm() -> None:
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(5)


def by_alarm() -> None:
    """A timer that nobody handles."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # a forked worker has the test's own handler
    signal.setitimer(signal.ITIMER_REAL, 0.01)
    time.sleep(5)


def by_cpu_limit() -> None:
    """The system's limit of CPU seconds."""
    used = int(time.process_time()) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (used, used + 5))
    while True:
        work()


def by_file_size_limit() -> None:
    """A limit on the size of files, with its signal as the system has it by default."""
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))
    with tempfile.TemporaryFile(buffering=0) as file:
        for _ in range(3):
            file.write(b"x" * 100)


def by_broken_pipe() -> None:
    """As programs die that write to a pipe nobody reads."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    reader, writer = os.pipe()
    os.close(reader)
    os.write(writer, b"x")


def by_becoming_another_program() -> None:
    os.execv("/bin/true", ["true"])


def by_a_thread_of_its_own() -> None:
    """The item waits; something beside it ends the process."""
    threading.Thread(target=os._exit, args=(5,)).start()
    time.sleep(5)


def by_fatal_error() -> None:
    """The interpreter itself gives up."""
    import faulthandler

    faulthandler.disable()
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    ctypes.pythonapi.Py_FatalError(b"on purpose")


def by_exhausted_stack() -> None:
    """Recursion in C without end."""
    resource.setrlimit(resource.RLIMIT_STACK, (1 << 20, 1 << 20))
    kind = ctypes.CFUNCTYPE(None)
    calls: list[Any] = []

    def again() -> None:
        calls[0]()

    sys.setrecursionlimit(10**8)
    calls.append(kind(again))
    again()


def leaving_a_child_with_the_socket() -> None:
    """A process that the function has forked lives on and holds everything open."""
    if os.fork() == 0:
        time.sleep(4)
        os._exit(0)
    os.kill(os.getpid(), signal.SIGKILL)


DEATHS: dict[str, tuple[Callable[[], None], int]] = {
    "sigkill": (by_sigkill, -signal.SIGKILL),
    "exit code": (by_exit_code, 3),
    "exit zero": (by_exit_zero, 0),
    "segmentation fault": (by_segmentation_fault, -signal.SIGSEGV),
    "abort": (by_abort, -signal.SIGABRT),
    "bus error": (by_bus_error, -signal.SIGBUS),
    "sigterm": (by_sigterm, -signal.SIGTERM),
    "alarm": (by_alarm, -signal.SIGALRM),
    "cpu limit": (by_cpu_limit, -signal.SIGXCPU),
    "file size limit": (by_file_size_limit, -signal.SIGXFSZ),
    "broken pipe": (by_broken_pipe, -signal.SIGPIPE),
    "another program": (by_becoming_another_program, 0),
    "own thread": (by_a_thread_of_its_own, 5),
    "fatal error": (by_fatal_error, -signal.SIGABRT),
    "exhausted stack": (by_exhausted_stack, -signal.SIGSEGV),
    "child holds the socket": (leaving_a_child_with_the_socket, -signal.SIGKILL),
}
"""Name -> what ends the process, and its exit code then."""


class Dies:
    """Dies of ``cause`` at the culprit; each call leaves a line in ``path``."""

    def __init__(self, cause: str, path: Path | str, *, once: bool = False) -> None:
        self.cause, self.path, self.once = cause, str(path), once

    def __call__(self, item: int) -> int:
        first = note(self.path, item) == 0
        if item == CULPRIT and (first or not self.once):
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            DEATHS[self.cause][0]()
        work()
        return item * item


def note(path: str, item: int) -> int:
    """Leave a line; returns how many lines there were of this item."""
    before = calls(path).count(item) if item == CULPRIT else 0
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(fd, f"{item}\n".encode())
    finally:
        os.close(fd)
    return before


def calls(path: Path | str) -> list[int]:
    """The items that were begun, in the order of their beginning."""
    return [int(line) for line in Path(path).read_text().split()] if os.path.exists(path) else []


# -- ways to take too long -----------------------------------------------------------------------------


def in_a_wait() -> None:
    time.sleep(60)


def in_a_loop() -> None:
    while True:
        work()


def in_compiled_code() -> None:
    """Holds the GIL all the time."""
    re.match(r"(a+)+$", "a" * 40 + "b")


def in_a_deadlock() -> None:
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()


def in_a_read() -> None:
    here, _there = socket.socketpair()
    here.recv(1)


def stopped() -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


def catching_everything() -> None:
    while True:
        try:
            while True:
                work()
        except BaseException:
            pass


def deaf_to_signals() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, set(signal.Signals))
    time.sleep(60)


def in_a_program() -> None:
    """The program ends when its standard input does."""
    subprocess.Popen(["cat"], stdin=subprocess.PIPE).wait(60)


def in_a_cleanup() -> None:
    """A ``finally`` that never ends."""
    try:
        raise ValueError
    finally:
        time.sleep(60)


def in_an_import() -> None:
    """A module whose import hangs, with its lock held."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "hangs_on_import.py").write_text("import time\ntime.sleep(60)\n")
        sys.path.insert(0, folder)
        import hangs_on_import  # type: ignore[import-not-found]  # noqa: F401


HANGS: dict[str, Callable[[], None]] = {
    "wait": in_a_wait,
    "loop": in_a_loop,
    "compiled code": in_compiled_code,
    "deadlock": in_a_deadlock,
    "read": in_a_read,
    "stopped": stopped,
    "catches everything": catching_everything,
    "deaf to signals": deaf_to_signals,
    "program": in_a_program,
    "cleanup": in_a_cleanup,
    "import": in_an_import,
}
ON_THREADS = ("wait", "deadlock", "read", "cleanup")
"""Those that threads can be left alone with: they let go of the GIL, the process and the modules."""


class Hangs:
    """Hangs by ``cause`` at the culprit."""

    def __init__(self, cause: str, path: Path | str) -> None:
        self.cause, self.path = cause, str(path)

    def __call__(self, item: int) -> int:
        note(self.path, item)
        if item == CULPRIT:
            HANGS[self.cause]()
        work()
        return item * item


# -- odd values ----------------------------------------------------------------------------------------


class FatalToSend:
    """A result whose pickling ends the process."""

    def __reduce__(self) -> Any:
        os.kill(os.getpid(), signal.SIGKILL)


def result_is_fatal(item: int) -> object:
    work()
    return FatalToSend() if item == CULPRIT else item


class FatalToReceive:
    """An item whose unpickling ends any process but that of its maker."""

    def __init__(self, number: int) -> None:
        self.number, self.maker = number, os.getpid()

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if self.number == CULPRIT and os.getpid() != self.maker:
            os.kill(os.getpid(), signal.SIGKILL)


def number_of(item: FatalToReceive) -> int:
    work()
    return item.number


def closes_everything(item: int) -> int:
    if item == CULPRIT:
        os.closerange(3, 200)
        time.sleep(0.3)
    work()
    return item


def dies_always(item: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return item


def dies_in_every_tenth(item: int) -> int:
    work()
    if item % 10 == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    return item


def dies_a_moment_later(item: int) -> int:
    """Something that the function has left behind ends the process between two items, or in one."""
    if item == CULPRIT and not getattr(dies_a_moment_later, "lit", False):
        threading.Timer(0.005, os._exit, (7,)).start()
    work()
    return item


def large(item: int) -> bytes:
    return bytes([item % 256]) * 20_000_000


def fatal_initializer() -> None:
    os._exit(9)


def heavy(item: int) -> int:
    work(20_000)
    return item


def slow(item: int) -> int:
    time.sleep(0.2)
    return item


def very_slow(item: int) -> int:
    end = time.monotonic() + 10
    while time.monotonic() < end:
        work()
    return item


def nap(item: int) -> int:
    time.sleep(10)
    return item


def leaves(item: int) -> int:
    work()
    if item == CULPRIT:
        sys.exit(11)
    return item
