"""Threads of this process: those that amorsize started, those of other libraries, time without a core."""

from __future__ import annotations

import _thread
import os
import sys
import time
from _thread import get_ident, get_native_id
from types import BuiltinFunctionType

from amorsize.core.signals import is_of_handler

clock = time.perf_counter

_info = time.get_clock_info
CPU_STEP_SECONDS = (
    _info("monotonic").resolution
    if _info("thread_time").implementation == "GetThreadTimes()"
    else 0.0
)
"""Seconds between two values of a thread's CPU clock: on Windows the pause between two interrupts of its
timer (15.6 ms), 0 where the clock is as fine as others. Shorter work seems to compute nothing there."""

SCHEDSTAT, READ_ONLY = ("/proc/thread-self/schedstat",), (os.O_RDONLY,)
"""Where the scheduler tells of the calling thread, and how that is opened."""

STAT_BYTES = 400
"""Of a thread's status: it has 300. A buffer of over 512 bytes would come from the C heap and change its
layout: NumPy's arrays then paid 80 % more page faults, 15 % of a run of small matrices."""


def queued_seconds() -> float:
    """How long the calling thread has been ready to run without a core; 0 where nobody counts."""
    # Opened and noted by one call: an alarm's exception between two would leave the descriptor open.
    opened: list[int] = []
    try:
        opened.extend(map(os.open, SCHEDSTAT, READ_ONLY))
        return int(os.read(opened[0], 100).split()[1]) * 1e-9
    except (OSError, IndexError, ValueError) as error:
        if is_of_handler(error):
            raise
        return 0.0
    finally:
        for descriptor in opened:
            os.close(descriptor)


def _is_asleep(thread: int) -> bool:
    """Whether a thread of this process waits for something (not for a core)."""
    try:
        with open(f"/proc/self/task/{thread}/stat", "rb", 0) as file:
            return file.read(STAT_BYTES).rpartition(b")")[2].split()[0] in (b"S", b"D")
    except (OSError, IndexError):
        return True


def foreign_threads_running(most: int) -> int:
    """How many threads of this process that are not ours are on a core or ready; counts to ``most``."""
    found, own = 0, get_native_id()
    try:
        tasks = [int(name) for name in os.listdir("/proc/self/task")]
    except OSError:  # another system
        return 0
    for task in tasks:
        if task == own or task in our_threads or found >= most:
            continue
        try:
            with open(f"/proc/self/task/{task}/stat", "rb", 0) as file:
                found += file.read(STAT_BYTES).rpartition(b")")[2].split()[0] == b"R"
        except (OSError, IndexError):  # it has just ended
            pass
    return found


our_threads: list[int] = []
"""System ids of threads that amorsize has started and that may still be among the tasks."""


def leave_no_trace() -> None:
    """The calling thread, which no ``threading.Thread`` has started, is about to end.

    Whatever asks it for ``threading.current_thread()``, as each record of ``logging`` does, has it
    listed; before Python 3.13 ``threading.enumerate()`` names it for ever, and the program has more
    threads after a run than after a loop."""
    threading = sys.modules.get("threading")
    listed = getattr(threading, "_active", {})
    dummy = getattr(threading, "_DummyThread", None)
    if dummy is not None and isinstance(listed.get(get_ident()), dummy):
        listed.pop(get_ident(), None)


def threads_are_greenlets() -> bool:
    """Whether the program has put cooperative threads in the place of the system's (gevent and eventlet
    do, as their ``monkey`` patches): all run in one thread, and switch only where they wait."""
    return type(_thread.start_new_thread) is not BuiltinFunctionType


def vanish(seconds: float = 0.02) -> None:
    """Wait until threads of ours that have ended are gone for the system too.

    A thread is still among the tasks of the process for some microseconds after its last
    instruction; a fork asks who is there."""
    deadline = clock() + seconds
    while clock() < deadline:
        try:
            last = our_threads[-1]
        except IndexError:  # none is left; another run may just have taken the last one out
            return
        if last != get_native_id() and os.path.exists(f"/proc/self/task/{last}"):
            time.sleep(0.00005)
            continue
        try:  # a greenlet is in the thread that asks
            our_threads.remove(last)
        except ValueError:
            pass
    our_threads.clear()


def most_cores() -> int:
    """Cores that this process could use at the most, without asking for any quota."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1
