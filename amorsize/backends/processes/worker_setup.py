"""What a process does once to become a worker: signals, the tie to its caller, seeds, inner threads."""

from __future__ import annotations

import fcntl
import os
import sys

from amorsize.core.nesting import become_worker
from amorsize.machine.thread_limits import limit_inner_threads

OOM_SCORE = 500
"""Thousandths of the machine's memory that a worker seems to have more when the kernel looks for a
process to end; what a user's own process has is kept if it is more."""
F_SETSIG = 10
"""Linux: which signal tells of input on a descriptor (fcntl.h; not in the fcntl module)."""


def die_with(lifeline: int) -> None:
    """Have the kernel end this process when the caller's end of the lifeline pipe closes.

    A worker deep in an item cannot read an end of file. SIGIO on the pipe, turned into SIGKILL, needs
    no thread and no ctypes and, unlike PDEATHSIG, does not fire when the thread that forked ends.
    Owner and signal belong to the open pipe, so each worker has one of its own.
    """
    if not sys.platform.startswith("linux"):
        return
    import select
    import signal

    fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(lifeline, F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)
    poll = select.poll()
    poll.register(lifeline, 0)
    if poll.poll(0):  # the caller has gone before the signal was asked for
        os._exit(1)


def set_up(inner_threads: int) -> None:
    """Make this process a worker: signals, seeds, inner threads. Called once at its start."""
    become_worker()
    import signal

    # A function, not SIG_IGN: a program that the user's function starts must not inherit it.
    signal.signal(signal.SIGINT, ignore)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        signal.set_wakeup_fd(-1)
    except ValueError:
        pass
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None:  # the standard library's random reseeds itself after a fork
        numpy_random.seed()
    limit_inner_threads(inner_threads)
    _offer_to_the_kernel()


def _offer_to_the_kernel() -> None:
    """Where memory runs out the kernel is to end a worker, not the caller, which knows what to do
    then."""
    try:
        with open("/proc/self/oom_score_adj", "r+b", 0) as file:
            if int(file.read()) < OOM_SCORE:
                file.write(b"%d" % OOM_SCORE)
    except (OSError, ValueError):
        pass


def ignore(signum: int, frame: object) -> None:
    """Ctrl-C is the caller's to answer."""
