"""Times that a slow or busy machine does not change: ratios, and a clock that leaves waiting out.

No test asserts an absolute time of computing. It asks instead for the ratio to a plain reference that
is measured in turns with it (:func:`ratio`), or for seconds without those that the thread waited for a
core (:func:`awake_seconds`), where a real time limit is what is tested.
"""

from __future__ import annotations

import time
from collections.abc import Callable


def ratio(subject: Callable[[], object], reference: Callable[[], object], turns: int = 50) -> float:
    """How many times as long as ``reference`` one call of ``subject`` takes.

    The quickest of ``turns`` calls of each counts: load makes calls slower, never quicker. They take
    turns, so that both see the same machine.
    """
    subject(), reference()
    quickest = [float("inf"), float("inf")]
    for _ in range(turns):
        for which, action in enumerate((subject, reference)):
            start = time.perf_counter()
            action()
            quickest[which] = min(quickest[which], time.perf_counter() - start)
    return quickest[0] / quickest[1]


def awake_seconds() -> float:
    """A clock that stands still while this thread is ready to run but waits for a core. Linux; elsewhere
    the usual one."""
    try:
        with open("/proc/thread-self/schedstat") as file:
            waited = int(file.read().split()[1]) * 1e-9
    except OSError:
        waited = 0.0
    return time.perf_counter() - waited
