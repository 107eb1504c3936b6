"""The process in which one particular measurement runs: prints JSON.

python -m benchmarks.speed._special comprehension | execute | generator | stream
python -m benchmarks.speed._special endless | error WORK
python -m benchmarks.speed._special loop | amorsize | pinned WORK
"""

from __future__ import annotations

import gc
import itertools
import json
import os
import sys
import time
import traceback
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from benchmarks.harness.host import usable_cores
from benchmarks.workloads import functions as f
from benchmarks.workloads.catalog import buffers, one_giant

ITEMS = 10_000_000
BUFFERSIZE = 50
ENDLESS_RESULTS = 400
CLOCK = time.CLOCK_MONOTONIC
"""The same for all processes of the machine."""


# -- line 5 ------------------------------------------------------------------------------------------


def _resident_bytes(field: str) -> int:
    with open("/proc/self/status", encoding="ascii") as file:
        kilobytes = next(line for line in file if line.startswith(field)).split()[1]
    return int(kilobytes) * 1024


def _source() -> Iterator[int]:
    yield from range(ITEMS)


def _plain_stream(data: Iterable[int]) -> Iterator[int]:
    for item in data:
        yield f.same(item)


def trivial(which: str) -> dict[str, Any]:
    import amorsize

    data = range(ITEMS)
    start_bytes = _resident_bytes("VmRSS")
    began = time.perf_counter()
    if which == "comprehension":
        count = len([f.same(item) for item in data])
    elif which == "execute":
        count = len(amorsize.execute(f.same, data))
    else:
        source = _source()
        results = _plain_stream(source) if which == "generator" else amorsize.stream(f.same, source)
        count = 0
        for _ in results:
            count += 1
    seconds = time.perf_counter() - began
    if count != ITEMS:
        raise RuntimeError(f"{count} results of {ITEMS}")
    return {"seconds": seconds, "growth_bytes": _resident_bytes("VmHWM") - start_bytes}


def endless(work: str) -> dict[str, Any]:
    """The most items that were read from the source and not yet handed to the consumer."""
    import amorsize

    functions = {
        "trivial": f.same,
        "waiting": lambda item: f.nap(0.002) and item,
        "computing": lambda item: f.steps(30_000) and item,
    }
    consumed = ahead = 0

    def source() -> Iterator[int]:
        nonlocal ahead
        for item in itertools.count(1):
            ahead = max(ahead, item - consumed)
            yield item

    results = amorsize.stream(functions[work], source(), buffersize=BUFFERSIZE)
    for _ in itertools.islice(results, ENDLESS_RESULTS):
        consumed += 1
        if consumed % 50 == 0:
            time.sleep(0.02)  # a slow consumer: whoever reads ahead has time for it
    results.close()
    return {"ahead": ahead, "buffersize": BUFFERSIZE}


# -- line 6 ------------------------------------------------------------------------------------------


def speed_job(work: str) -> tuple[Any, list[Any], list[float]]:
    """Function, data, and what each item costs in units of its own."""
    if work == "sleep":
        return f.nap, [0.02] * 200, []
    if work == "sha256":
        return f.sha256, buffers(800, 1 << 20), [1.0] * 800
    if work == "fft":
        from benchmarks.workloads import arrays

        return arrays.spectrum, list(range(240)), [1.0] * 240
    if work == "light-heavy":
        counts = [400] * 500 + [20_000] * 500
    elif work == "giant":
        counts = one_giant(-1)
    else:
        raise ValueError(f"no work is called {work!r}")
    return f.steps, counts, [float(count) for count in counts]


def divide(costs: Sequence[float], parts: int) -> list[list[int]]:
    """Indices of the items for each part, as even as possible: the longest first to the emptiest."""
    shares: list[list[int]] = [[] for _ in range(parts)]
    loads = [0.0] * parts
    for i in sorted(range(len(costs)), key=costs.__getitem__, reverse=True):
        least = min(range(parts), key=loads.__getitem__)
        shares[least].append(i)
        loads[least] += costs[i]
    return shares


def pinned(work: str) -> float:
    """Seconds until the last of one process for each core, pinned there, has done its even share.

    Their start is not counted, nor is bringing the results home: a bound, not a contender.
    """
    func, data, costs = speed_job(work)
    cores = usable_cores()
    go_reader, go_writer = os.pipe()
    end_reader, end_writer = os.pipe()
    ready_reader, ready_writer = os.pipe()
    gc.freeze()
    children = []
    for core, share in zip(cores, divide(costs, len(cores)), strict=True):
        pid = os.fork()
        if pid == 0:
            os.sched_setaffinity(0, {core})
            os.close(go_writer)
            items = [data[i] for i in share]
            os.write(ready_writer, b"r")
            os.read(go_reader, 1)
            results = [func(item) for item in items]
            os.write(end_writer, f"{time.clock_gettime(CLOCK)!r}\n".encode())
            os._exit(len(results) != len(items))
        children.append(pid)
    for _ in cores:
        os.read(ready_reader, 1)
    began = time.clock_gettime(CLOCK)
    os.write(go_writer, b"g" * len(cores))
    for pid in children:
        if os.waitpid(pid, 0)[1] != 0:
            raise RuntimeError(f"a pinned process failed on {work}")
    os.close(end_writer)
    with open(end_reader, encoding="ascii") as ends:
        return max(float(line) for line in ends) - began


def speed(who: str, work: str) -> dict[str, Any]:
    import amorsize

    if who == "pinned":
        return {"seconds": pinned(work)}
    func, data, _ = speed_job(work)
    began = time.perf_counter()
    results = amorsize.execute(func, data) if who == "amorsize" else [func(item) for item in data]
    seconds = time.perf_counter() - began
    if len(results) != len(data):
        raise RuntimeError(f"{len(results)} results of {len(data)}")
    return {"seconds": seconds}


# -- line 7 ------------------------------------------------------------------------------------------


class Refused(Exception):
    """Raised by the work, with the time of the raise."""


def _refuse_computing(item: int) -> int:
    f.steps(200_000)  # about 10 ms
    if item == 3:
        raise Refused(time.clock_gettime(CLOCK))
    return item


def _refuse_waiting(item: int) -> int:
    time.sleep(0.01)
    if item == 3:
        raise Refused(time.clock_gettime(CLOCK))
    return item


def error(work: str) -> dict[str, Any]:
    import amorsize

    func = _refuse_waiting if work == "waiting" else _refuse_computing
    try:
        amorsize.execute(func, range(1_000))
    except Exception as caught:
        seconds = time.clock_gettime(CLOCK) - caught.args[0]
        notes = " ".join(getattr(caught, "__notes__", []))
        wrong = []
        if type(caught) is not Refused:
            wrong.append(f"type {type(caught).__name__}")
        if "3" not in notes:
            wrong.append("no index in the notes")
        if func.__name__ not in "".join(traceback.format_exception(caught)):
            wrong.append("the function is not in the traceback")
        return {"seconds": seconds, "wrong": ", ".join(wrong)}
    raise RuntimeError("no exception reached the caller")


def main(arguments: list[str]) -> dict[str, Any]:
    match arguments:
        case ["comprehension" | "execute" | "generator" | "stream" as which]:
            return trivial(which)
        case ["endless", work]:
            return endless(work)
        case ["error", work]:
            return error(work)
        case ["loop" | "amorsize" | "pinned" as who, work]:
            return speed(who, work)
        case _:
            raise SystemExit(__doc__)


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1:])), flush=True)
