"""Functions that are odd, each in a way of its own: they fork, leave threads, close descriptors."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from support.causes import CULPRIT, work


def forks(item: int) -> int:
    pid = os.fork()
    if pid == 0:
        os._exit(item % 100)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def forks_and_leaves_by_exit(item: int) -> int:
    """The child ends as most programs do."""
    pid = os.fork()
    if pid == 0:
        sys.exit(item % 100)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def forks_and_comes_back(item: int) -> int:
    """The child returns, too: it must not answer in its parent's place."""
    pid = os.fork()
    if pid:
        os.waitpid(pid, 0)
        return item
    return -1


def forks_by_multiprocessing(item: int) -> int:
    import multiprocessing

    child = multiprocessing.get_context("fork").Process(target=work)
    child.start()
    child.join()
    return child.exitcode if child.exitcode else item


def runs_a_program(item: int) -> int:
    return int(subprocess.run(["echo", str(item)], capture_output=True, check=True).stdout)


def threads_and_joins(item: int) -> int:
    found: list[int] = []
    threads = [threading.Thread(target=found.append, args=(item,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(found)


def leaves_a_thread(item: int) -> int:
    work()
    if item % 50 == 0:
        threading.Thread(target=time.sleep, args=(0.3,), daemon=True).start()
    return item


def dies_in_a_thread(item: int) -> int:
    """An exception in a thread of its own is nobody's."""
    threading.excepthook = lambda _: None
    thread = threading.Thread(target=sys.exit, args=(3,))
    thread.start()
    thread.join()
    work()
    return item


def changes_directory(item: int) -> str:
    os.chdir(("/", "/tmp", "/usr")[item % 3])
    work()
    return os.getcwd()


def closes_its_output(item: int) -> int:
    work()
    if item == CULPRIT:
        sys.stdout.close()
    return item


def replaces_its_output(item: int) -> int:
    sys.stdout = sys.stderr = None  # type: ignore[assignment]
    work()
    return item


def closes_low_descriptors(item: int) -> int:
    for number in range(3):
        try:
            os.close(number)
        except OSError:
            pass
    work()
    return item


def seeds(item: int) -> float:
    random.seed(item)
    work()
    return random.random()


def handles_signals(item: int) -> int:
    """Sets an alarm and waits for it."""
    rung: list[int] = []
    before = signal.signal(signal.SIGALRM, lambda *_: rung.append(item))
    signal.setitimer(signal.ITIMER_REAL, 0.001)
    while not rung:
        work()
    signal.signal(signal.SIGALRM, before)
    return rung[0]


def ignores_interrupts(item: int) -> int:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    work()
    return item


def lowers_recursion(item: int) -> int:
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(120)
    work()
    sys.setrecursionlimit(before)
    return item


def traces(item: int) -> int:
    sys.setprofile(lambda *_: None)
    work()
    return item


def collects_nothing(item: int) -> int:
    import gc

    gc.disable()
    gc.set_threshold(0)
    work()
    return item


def leads_a_session(item: int) -> int:
    try:
        os.setsid()
    except OSError:
        pass
    work()
    return item


def leaks_descriptors(item: int) -> int:
    """Uses all it may have, and keeps them."""
    import resource

    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (40, hard))
    kept = handles_of(leaks_descriptors)
    try:
        while True:
            kept.append(os.open(os.devnull, os.O_RDONLY))
    except OSError:
        pass
    work()
    return item


def handles_of(func: Callable[..., Any]) -> list[int]:
    return func.__dict__.setdefault("kept", [])


def floods_memory_of_a_list(item: int) -> int:
    """Changes its item's place in nothing, but its own attributes."""
    floods_memory_of_a_list.__dict__[str(item)] = item
    work()
    return item


def stops_collecting_children(item: int) -> int:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    work()
    return item


FUNCTIONS: dict[str, Callable[[int], object]] = {
    "forks": forks,
    "its child leaves by exit": forks_and_leaves_by_exit,
    "its child comes back": forks_and_comes_back,
    "multiprocessing": forks_by_multiprocessing,
    "runs a program": runs_a_program,
    "threads": threads_and_joins,
    "leaves a thread": leaves_a_thread,
    "a thread of it fails": dies_in_a_thread,
    "changes directory": changes_directory,
    "closes its output": closes_its_output,
    "replaces its output": replaces_its_output,
    "closes descriptors 0 to 2": closes_low_descriptors,
    "seeds": seeds,
    "handles signals": handles_signals,
    "ignores interrupts": ignores_interrupts,
    "lowers the recursion limit": lowers_recursion,
    "profiles": traces,
    "collects no garbage": collects_nothing,
    "leads a session": leads_a_session,
    "leaks descriptors": leaks_descriptors,
    "keeps state": floods_memory_of_a_list,
    "ignores its children": stops_collecting_children,
}
"""What they do to the process is the worker's affair: results are the loop's."""
