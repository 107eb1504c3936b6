"""A thousand calls of ``execute`` in one process: what grows?

    python -m benchmarks.robustness.thousand_calls [--calls 1000]

The calls differ: every backend, lists and iterators, errors, deaths of workers, time limits, streams
left in the middle. Counted are open descriptors, child processes, threads and resident memory, after
the first hundred and at the end.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import amorsize


@dataclass(frozen=True)
class Growth:
    """What there is more of at the end than after the settling calls."""

    descriptors: int
    processes: int
    threads: int
    memory_bytes: int


FAREWELL_SECONDS = 2.0
"""How long what was left in an item may take to end, before it counts as left over."""


def _work(item: int) -> int:
    total = 0
    for i in range(2000):
        total += i * i
    return item


def _raises(item: int) -> int:
    if item == 30:
        raise LookupError
    return _work(item)


def _dies(item: int) -> int:
    if item == 30:
        os.kill(os.getpid(), signal.SIGKILL)
    return _work(item)


def _hangs(item: int) -> int:
    if item == 30:
        time.sleep(20)
    return _work(item)


def _left_stream(backend: str) -> None:
    stream = amorsize.stream(_work, iter(range(1000)), backend=backend, n_jobs=2)
    next(stream)
    stream.close()


CALLS: tuple[Callable[[], object], ...] = (
    lambda: amorsize.execute(_work, range(60), backend="fork", n_jobs=2),
    lambda: amorsize.execute(_work, range(60)),
    lambda: amorsize.execute(_work, iter(range(60)), backend="spawn", n_jobs=2),
    lambda: amorsize.execute(_work, range(60), backend="threads", n_jobs=4),
    lambda: amorsize.execute(_raises, range(60), backend="fork", n_jobs=2, on_error="collect"),
    lambda: amorsize.execute(_dies, range(60), backend="fork", n_jobs=2, on_error="skip"),
    lambda: _left_stream("fork"),
    lambda: amorsize.execute(_raises, range(60), backend="spawn", n_jobs=2, on_error="skip"),
    lambda: amorsize.execute(_hangs, range(60), backend="fork", timeout=0.1, on_error="skip"),
    lambda: _left_stream("threads"),
)


def grown(calls: int, settle: int = 100) -> Growth:
    """What ``calls`` calls leave behind, those after the first ``settle`` counted."""
    before = None
    for number in range(calls):
        if number == settle:
            before = count()
        CALLS[number % len(CALLS)]()
    assert before is not None
    end = time.monotonic() + FAREWELL_SECONDS
    after = count()
    while any(now > then for now, then in zip(after[:3], before[:3], strict=True)):
        if time.monotonic() > end:
            break
        time.sleep(0.02)  # a thread that was left in an item is on its way out
        after = count()
    return Growth(*(now - then for now, then in zip(after, before, strict=True)))


def count() -> tuple[int, int, int, int]:
    """Descriptors, children, threads and resident bytes of this process."""
    me = Path("/proc/self")
    children: list[str] = []
    for task in (me / "task").iterdir():
        with contextlib.suppress(OSError):  # a thread that has just ended
            children += (task / "children").read_text().split()
    status = (me / "status").read_text()
    resident = int(status.split("VmRSS:")[1].split()[0]) * 1024
    return (
        len(os.listdir("/proc/self/fd")),
        len(children),
        len(os.listdir("/proc/self/task")),
        resident,
    )


def main() -> int:
    """Call, count, and say what has grown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--calls", type=int, default=1000)
    options = parser.parse_args()
    began = time.monotonic()
    found = grown(options.calls)
    print(
        f"{options.calls} calls, growth after the first 100: {found.descriptors} descriptors, "
        f"{found.processes} processes, {found.threads} threads, {found.memory_bytes / 1e6:.1f} MB; "
        f"{time.monotonic() - began:.0f} s"
    )
    grew = found.descriptors > 0 or found.processes > 0 or found.threads > 0
    return 1 if grew or found.memory_bytes > 5e6 else 0


if __name__ == "__main__":
    sys.exit(main())
