"""Whether this process may be forked now: which threads of it would be lost in the child."""

from __future__ import annotations

import os
import sys
import time

from amorsize.machine.detect import can_fork
from amorsize.machine.native_libraries import (
    OPENMP_NAMES,
    MappedLibraries,
    cuda_active,
    find_openblas,
    openblas_libraries,
)
from amorsize.machine.procfs import read_text
from amorsize.machine.threads import threads_are_greenlets

SETTLE_ROUNDS = 4
"""A thread that was joined is still among the tasks for some microseconds. Looks before it is believed
to live."""


SETTLE_SECONDS = 0.0001
"""Pause between two such looks."""
SPIN_SECONDS = 0.06
"""CPU time that threads which run are given to fall asleep and show whose they are: OpenBLAS spins for a
while after its last work, by its own settings some 2**26 cycles of the processor's clock, 34 ms at 2 GHz
(not measured here). Once for each thread."""
CORELESS_FACTOR = 10
"""Beside other programs it takes them longer to get so much; more than so many times as long is not
waited (benchmarks/robustness/forks_beside_blas.py: by the wall's clock alone, beside a load of 12 on two
cores, 16 of 20 forks were refused)."""


def foreign_threads(mapped: MappedLibraries) -> list[str]:
    """Names of the threads that speak against a fork; see :func:`fork_refusal` for the rule."""
    looks, deadline = 0, 0.0
    began: dict[int, float] = {}
    while True:
        try:
            tasks = os.listdir("/proc/self/task")
        except OSError:
            return _other_python_threads()
        if len(tasks) == 1:
            return []
        mine = _native_id()
        others = sorted(int(task) for task in tasks if int(task) != mine)
        python = _python_threads()
        suspects, spinning = _not_of_openblas(
            [task for task in others if task not in python], mapped
        )
        looks += 1
        if not suspects or (looks >= SETTLE_ROUNDS and not spinning):
            break
        if looks >= SETTLE_ROUNDS and spinning:
            if not mapped.matching(OPENMP_NAMES):
                suspects = []  # known by their number
                break
            deadline = deadline or time.monotonic() + CORELESS_FACTOR * SPIN_SECONDS
            spent = {task: _computed(task) for task in suspects}
            began = {**spent, **began}
            spun = all(seconds - began[task] > SPIN_SECONDS for task, seconds in spent.items())
            if spun or time.monotonic() > deadline:
                break
        time.sleep(SETTLE_SECONDS if looks < SETTLE_ROUNDS else 10 * SETTLE_SECONDS)
    names = [python[task] for task in others if task in python]
    return names + [
        read_text(f"/proc/self/task/{task}/comm").strip() or f"task {task}" for task in suspects
    ]


def _not_of_openblas(threads: list[int], mapped: MappedLibraries) -> tuple[list[int], bool]:
    """Those of ``threads`` that are not known to be of an OpenBLAS that survives a fork.

    And whether they may be: none is foreign, they are as many as OpenBLAS may have, and they run, so
    that nothing is seen of them. OpenBLAS spins for some milliseconds before its threads sleep; so does
    OpenMP, and a thread that has just begun runs too.
    """
    known = sum(library.live_threads() for library in openblas_libraries.values())
    if len(threads) != known:
        find_openblas(mapped)
        known = sum(library.live_threads() for library in openblas_libraries.values())
    if len(threads) == known and all(library.exact for library in openblas_libraries.values()):
        return [], False
    if not threads or not openblas_libraries:
        return threads, False
    from amorsize.machine.thread_owner import CodePages, libraries_of

    safe = {path for path, library in openblas_libraries.items() if library.pthreads}
    pages = CodePages()
    owners = {thread: libraries_of(thread, pages) for thread in threads}
    foreign = [thread for thread, found in owners.items() if not found <= safe]
    unclear = [thread for thread, found in owners.items() if not found]
    return foreign or unclear, bool(unclear) and not foreign and len(threads) == known


def _computed(task: int) -> float:
    """CPU seconds of a thread of this process; those of the wall's clock where nobody counts."""
    words = read_text(f"/proc/self/task/{task}/schedstat").split()
    return int(words[0]) * 1e-9 if words else time.monotonic()


def _native_id() -> int:
    import _thread

    return _thread.get_native_id()


def _python_threads() -> dict[int, str]:
    """Living threads of :mod:`threading` other than this one: name by the system's number."""
    threading = sys.modules.get("threading")
    if threading is None:
        return {}
    return {
        thread.native_id: thread.name
        for thread in threading.enumerate()
        if thread.native_id not in (None, _native_id())
    }


def _other_python_threads() -> list[str]:
    """All that can be known where the kernel shows no tasks."""
    threading = sys.modules.get("threading")
    if threading is None or threading.active_count() <= 1:
        return []
    mine = threading.get_ident()
    return [thread.name for thread in threading.enumerate() if thread.ident != mine]


def fork_refusal() -> str | None:
    """Why this process must not be forked now, as a sentence; None if nothing is known against it.

    The rule: **fork only while every other thread of this process belongs to an OpenBLAS that runs
    on plain threads.** A forked child has the forking thread only; a lock that another thread held
    stays locked in it for ever, and work given to a thread that is not there is never done.

    * *OpenBLAS* (one in each wheel of NumPy and SciPy; importing them starts its threads) ends its
      threads just before a fork and starts them anew, in parent and child, when next needed. Its
      threads are therefore known by number: as many other tasks as the loaded OpenBLAS libraries
      say they have, no more and no fewer. Where a library does not say it, or the numbers differ,
      each thread is known by its stack (:mod:`amorsize.machine.thread_owner`).
    * *OpenMP* (libgomp; also an OpenBLAS built on it) is harmless while it is only loaded, after a
      parallel region of one thread, and after the thread that ran a region has ended: it has no
      thread then. After a region of several threads it keeps them, and the first region in a
      forked child waits for ever. These threads are tasks that OpenBLAS does not account for, so
      the count finds them. Intel's runtime survived a fork in our trials, and LLVM's may; they are
      held to the same rule.
    * *Threads of Python*, and those of gRPC, of a notebook kernel, of a database driver, are never
      accounted for.
    * *Greenlets* in the place of threads are all there in a child, and go on with the parent's work.
    * *CUDA* cannot be used in a child once it was set up, with threads or without: refused when the
      driver is loaded.
    """
    if not can_fork():
        return f"fork is not used on {sys.platform}"
    if threads_are_greenlets():
        return "its threads are greenlets (gevent, eventlet), all of which a child would have"
    mapped = MappedLibraries()
    if cuda_active(mapped):
        return "CUDA is loaded, which does not work in a forked process"
    names = foreign_threads(mapped)
    if not names:
        return None
    shown = ", ".join(dict.fromkeys(names[:3])) + (", ..." if len(names) > 3 else "")
    threads = "another thread is" if len(names) == 1 else f"{len(names)} other threads are"
    if "grpc._cython.cygrpc" in sys.modules:
        shown += "; gRPC is loaded"
    elif mapped.matching(OPENMP_NAMES):
        shown += "; OpenMP is loaded"
    return f"{threads} running in this process ({shown})"
