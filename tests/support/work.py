"""Functions and helpers shared by the tests. Importable, so that every backend can run them."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path


def square(x: int) -> int:
    return x * x


def burn(seconds: float) -> float:
    """Compute, holding the GIL, for so long."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        sum(range(200))
    return seconds


def steps(count: int) -> int:
    """A fixed amount of pure Python work: about 0.05 µs a step."""
    total = 0
    for i in range(count):
        total += i * i
    return total


class Recorder:
    """A function that appends its item to a file at each call: proof of who ran what, how often."""

    def __init__(self, path: Path | str, seconds: float = 0.0, *, sleep: bool = False) -> None:
        self.path, self.seconds, self.sleep = str(path), seconds, sleep

    def __call__(self, item: int) -> int:
        # Only Linux and its like add a line to a file of several writers in one step.
        own = f".{os.getpid()}-{threading.get_ident()}" if sys.platform == "win32" else ""
        fd = os.open(self.path + own, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        try:
            os.write(fd, f"{item} {os.getpid()}\n".encode())
        finally:
            os.close(fd)
        if self.seconds:
            time.sleep(self.seconds) if self.sleep else burn(self.seconds)
        return item * item

    def calls(self) -> Counter[int]:
        """How often each item ran."""
        return Counter(int(line.split()[0]) for line in self._lines())

    def pids(self) -> set[int]:
        return {int(line.split()[1]) for line in self._lines()}

    def _lines(self) -> list[str]:
        place = Path(self.path)
        files = place.parent.glob(place.name + "*") if place.parent.is_dir() else ()
        return [line for file in files for line in file.read_text().splitlines()]


def calm(check: Callable[[], None], tries: int = 3) -> None:
    """Run a check of what was decided by measuring: on a machine that is busy with something else
    another decision can be right, so one try of a few has to pass."""
    for left in reversed(range(tries)):
        try:
            check()
            return
        except AssertionError:
            if not left:
                raise


TRACKERS = ("multiprocessing.resource_tracker", "loky.backend.resource")
"""Helpers of the standard library and of loky: one for each process that used them, until its end."""


def children() -> list[int]:
    """Process ids of the living children of this process (zombies too), but for warm workers and for
    trackers of resources."""
    found: list[int] = []
    if sys.platform == "win32":
        found = list(children_by_psutil())
    spawn = sys.modules.get("amorsize.backends.processes.spawn")
    warm = {worker.process.pid for worker in spawn._idle} if spawn is not None else set()
    for task in os.listdir("/proc/self/task") if sys.platform == "linux" else ():
        try:
            text = Path(f"/proc/self/task/{task}/children").read_text()
        except OSError:
            continue
        found += [int(pid) for pid in text.split() if int(pid) not in warm]
    return [
        pid
        for pid in found
        if pid not in warm and not any(name in command(pid) for name in TRACKERS)
    ]


def children_by_psutil() -> dict[int, str]:
    """Living children of this process where there is no /proc: process id and command line."""
    import psutil

    found: dict[int, str] = {}
    for child in psutil.Process().children():
        try:
            found[child.pid] = " ".join(child.cmdline())
        except psutil.Error:  # it has just ended
            continue
    return found


def command(pid: int) -> str:
    """The command line of a process; empty if it has ended."""
    if sys.platform == "win32":
        return children_by_psutil().get(pid, "")
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return ""
    return b" ".join(words).decode(errors="replace").strip()
