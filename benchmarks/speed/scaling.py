"""How far more cores help: 1, 2, 4, 8, 16 ... of this machine's, against the pools that people use.

    python -m benchmarks.speed.scaling             at most 8 minutes; a table, with --json FILE a file
    python -m benchmarks.speed.scaling --quick     1 and 2 cores, one round

Each run has an interpreter of its own that may use so many cores (its affinity); the peers are told how
many; amorsize finds out. Items compute for about 1 ms, so many that a plain loop on each core would take
1 s. Contenders take turns within a round. An efficiency is the loop's seconds over cores x seconds, where
the loop's are those of the same round on one core: a machine that clocks lower when all its cores work
lowers it for all contenders alike.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from benchmarks.harness.contenders import load
from benchmarks.speed.many_cores import spin, steps_for

ITEM_SECONDS, CORE_SECONDS = 0.001, 1.0
LIMIT_SECONDS, RUN_SECONDS = 480.0, 60.0
"""No new round begins after four fifths of the first; no run lasts longer than the second."""


CHUNK = 16
"""Items in a chunk of those who are told one: what a careful user would choose."""


def contenders(cores: int) -> dict[str, str]:
    """Who takes part, and the name by which :func:`run_of` knows it."""
    return {
        "amorsize": "amorsize",
        "ProcessPoolExecutor": "executor",
        "Pool": f"fork-{cores}x{CHUNK}",
        "joblib": "joblib",
        "mpire": "mpire",
    }


def run_of(name: str, cores: int) -> Any:
    """``run(func, data)`` of a contender."""
    if name == "executor":
        from concurrent.futures import ProcessPoolExecutor

        def run(func: Any, data: Any) -> list[Any]:
            with ProcessPoolExecutor(cores) as executor:
                return list(executor.map(func, data, chunksize=CHUNK))

        return run
    if name == "joblib":
        from joblib import Parallel, delayed

        return lambda func, data: Parallel(cores)(delayed(func)(item) for item in data)
    if name == "mpire":
        from mpire.pool import WorkerPool

        def mpire(func: Any, data: Any) -> list[Any]:
            with WorkerPool(cores) as workers:
                return list(workers.map(func, data))

        return mpire
    return load(name)


def child(name: str, cores: int, steps: int, count: int) -> None:
    """One run in this interpreter: its seconds, as JSON."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
    run, data = run_of(name, cores), [steps] * count
    spin(steps)
    began = time.perf_counter()
    results = run(spin, data)
    seconds = time.perf_counter() - began
    assert results == [spin(steps)] * count
    print(json.dumps(seconds), flush=True)
    os._exit(0)  # warm workers of peers end with their process group


def measured(name: str, cores: int, steps: int, count: int) -> float | None:
    """Seconds of one run; None where it failed. What the run leaves behind, a peer's warm workers, ends
    with its session."""
    command = [sys.executable, "-m", __spec__.name, "--child", name]
    command += [str(number) for number in (cores, steps, count)]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    end = threading.Timer(RUN_SECONDS, os.killpg, (process.pid, signal.SIGKILL))
    end.start()
    try:
        return float(process.stdout.readline())
    except ValueError:
        print(f"{name} on {cores} cores gave no time", file=sys.stderr)
        return None
    finally:
        end.cancel()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--child", nargs=4)
    options.add_argument("--quick", action="store_true")
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--json", type=Path)
    given = options.parse_args()
    if given.child:
        name, *numbers = given.child
        child(name, *map(int, numbers))
    began, here = time.monotonic(), len(os.sched_getaffinity(0))
    sizes = [cores for cores in (1, 2, 4, 8, 16, 32, 64, 128) if cores <= here]
    if sizes[-1] < here:
        sizes.append(here)
    if given.quick:
        sizes = sizes[:2]
    steps = steps_for(ITEM_SECONDS)
    found: dict[tuple[int, str], list[float]] = {}
    share = 0.25 if given.quick else 1.0
    alone = int(share * CORE_SECONDS / ITEM_SECONDS)
    for _ in range(1 if given.quick else given.rounds):
        if time.monotonic() - began > 0.8 * LIMIT_SECONDS:
            break
        for cores in sizes:
            loop = measured("loop", 1, steps, alone)
            for shown, name in contenders(cores).items():
                seconds = measured(name, cores, steps, cores * alone)
                if seconds is not None and loop is not None:
                    found.setdefault((cores, shown), []).append(loop / seconds)
    print(f"{here} cores here; efficiency, medians of {max(map(len, found.values()))} rounds")
    table = {
        cores: {
            name: statistics.median(ratios) for (n, name), ratios in found.items() if n == cores
        }
        for cores in sizes
    }
    for cores, row in table.items():
        print(f"{cores:4d}  " + "  ".join(f"{name} {ratio:.3f}" for name, ratio in row.items()))
    if given.json:
        given.json.write_text(json.dumps({"cores": here, "efficiency": table}, indent=1) + "\n")


if __name__ == "__main__":
    main()
