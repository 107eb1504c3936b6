"""``rate="50/s"`` on every backend: calls in the fullest second after the burst, and share of the rate.

``python -m benchmarks.api.rates [--seconds 10] [--only threads ...]``. Each call writes when it begins
(a monotonic clock that all processes of the machine share). After the burst no second may hold more than
1.02 times the rate, and from the call on to the last start at least 0.97 of it is to be used.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
import time
from contextlib import ExitStack
from typing import Any

import amorsize

RATE = 50
ITEM_SECONDS = 0.02
LOG = "AMORSIZE_RATE_LOG"
"""Variable that names the file of starts."""
WAYS = ("threads", "fork", "spawn", "coroutine", "dask", "ThreadPoolExecutor")


def _tell() -> None:
    log = os.open(os.environ[LOG], os.O_WRONLY | os.O_APPEND)
    os.write(log, f"{time.monotonic():.6f}\n".encode())
    os.close(log)


def call(item: int) -> int:
    """One call in a thread or a process."""
    _tell()
    time.sleep(ITEM_SECONDS)
    return item


async def ask(item: int) -> int:
    """One call of a coroutine."""
    _tell()
    await asyncio.sleep(ITEM_SECONDS)
    return item


def starts(way: str, items: int) -> tuple[float, list[float]]:
    """When the run was called, and when each call began, in order."""
    with ExitStack() as stack:
        options: dict[str, Any] = {"backend": way}
        if way in ("fork", "spawn"):
            options["n_jobs"] = 2
        elif way == "coroutine":
            options = {}
        elif way == "dask":
            import distributed

            cluster: Any = distributed.LocalCluster(  # type: ignore[no-untyped-call]
                n_workers=2, threads_per_worker=4, processes=False, dashboard_address=None
            )
            options["backend"] = stack.enter_context(
                distributed.Client(stack.enter_context(cluster))  # type: ignore[no-untyped-call]
            )
        elif way == "ThreadPoolExecutor":
            from concurrent.futures import ThreadPoolExecutor

            options["backend"] = stack.enter_context(ThreadPoolExecutor(8))
        log = stack.enter_context(tempfile.NamedTemporaryFile("r"))
        os.environ[LOG] = log.name
        began = time.monotonic()
        func: Any = ask if way == "coroutine" else call
        found = amorsize.execute(func, range(items), rate=f"{RATE}/s", history=None, **options)
        assert list(found) == list(range(items))
        return began, sorted(map(float, log))


def measured(way: str, seconds: float) -> tuple[int, float]:
    """Calls in the fullest second after the burst, and share of the rate from the call on."""
    began, found = starts(way, round(RATE * seconds) + RATE)
    first = found[0]
    used_up = (at for n, at in enumerate(found, 1) if n >= RATE * (1.0 + at - first) - 1.0)
    burst_ended = next(used_up, first + 1.0)
    after = [at for at in found if at > burst_ended]
    fullest = end = 0
    for begin, at in enumerate(after):
        while end < len(after) and after[end] < at + 1.0:
            end += 1
        fullest = max(fullest, end - begin)
    return fullest, (len(found) - RATE) / RATE / (found[-1] - began)


def main() -> None:
    """Print a line for each backend."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--only", nargs="+", choices=WAYS, default=WAYS)
    asked = parser.parse_args()
    for way in asked.only:
        fullest, share = measured(way, asked.seconds)
        print(f"{way}: {fullest} calls in the fullest second, {share:.3f} of the rate", flush=True)


if __name__ == "__main__":
    main()
