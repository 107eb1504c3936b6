"""Many processes write to one shared history, and what a run waits for it.

    python -m benchmarks.learning.shared_history postgresql://user@host/database

The database must hold no history yet (``amorsize history clear`` empties one). Sixteen processes record
500 runs each, one at a time; then everything is counted and checked. Exit code 1 if a run was lost or
recorded twice.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from statistics import median

from amorsize.core.frozen import replace
from amorsize.history import open_history, shown
from amorsize.testing.history_contract import FIRST, observation

PROCESSES, WRITES = 16, 500
READS = 200
"""Of each kind, for a median."""


def write(url: str, start: int, count: int) -> None:
    """Record ``count`` runs, one at a time."""
    with open_history(url) as history:
        for number in range(start, start + count):
            one = replace(observation(number), id=f"{number:032x}")
            if history.add([one]) != 1:
                raise SystemExit(f"{number} was not new")


def median_milliseconds(url: str, what: str) -> float:
    """Of one call in an open connection, or with a new connection each time."""
    taken = []
    with open_history(url) as history:
        for number in range(READS):
            if what == "connect":
                history.close()
            start = time.perf_counter()
            if what == "record":
                history.add([observation(number)])
            else:
                history.recent(FIRST, 16)
            taken.append(time.perf_counter() - start)
    return 1e3 * median(taken)


def main() -> int:
    """Measure, print, and say whether all is as it should be."""
    parser = argparse.ArgumentParser(description="writers of a shared history")
    parser.add_argument("url")
    parser.add_argument(
        "--write", nargs=2, type=int, metavar=("START", "COUNT"), help="be a writer"
    )
    options = parser.parse_args()
    if options.write:
        write(options.url, *options.write)
        return 0
    with open_history(options.url) as history:
        if history.stats().rows:
            raise SystemExit(f"{shown(options.url)} is not empty")
    words = [sys.executable, "-m", "benchmarks.learning.shared_history", options.url, "--write"]
    start = time.perf_counter()
    writers = [
        subprocess.Popen([*words, str(number * WRITES), str(WRITES)]) for number in range(PROCESSES)
    ]
    codes = [writer.wait() for writer in writers]
    seconds = time.perf_counter() - start
    with open_history(options.url) as history:
        ids = [one.id for one in history.read()]
        problems = history.check()
    expected = PROCESSES * WRITES
    print(
        f"{PROCESSES} processes x {WRITES} writes: {seconds:.1f} s, {expected / seconds:.0f} a second"
    )
    print(f"stored {len(ids)} of {expected}, different {len(set(ids))}, problems {problems}")
    for what in ("recall", "connect", "record"):
        print(f"{what:8}{median_milliseconds(options.url, what):6.2f} ms")
    return int(any(codes) or len(ids) != expected or len(set(ids)) != expected or bool(problems))


if __name__ == "__main__":
    raise SystemExit(main())
