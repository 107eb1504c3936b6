"""The process in which one contender runs one workload.

python -m benchmarks.harness._child run WORKLOAD CONTENDER     one measurement, printed as JSON
python -m benchmarks.harness._child nursery WORKLOAD           many quick ones, each in a forked child;
                                                       orders through standard input
"""

from __future__ import annotations

import hashlib
import json
import os
import select
import signal
import sys
import time
from typing import Any

from benchmarks.harness.contenders import NEEDS_NO_PICKLE, load
from benchmarks.workloads.catalog import BY_NAME, Job

SCALARS = frozenset({int, float, str, bool, type(None)})


def digest(results: list[Any]) -> str:
    """The same for equal results, whether or not they came through a pipe."""
    found = hashlib.sha256()
    _feed(found, results)
    return found.hexdigest()[:16]


def _feed(found: Any, value: Any) -> None:
    if isinstance(value, list | tuple):
        found.update(f"{type(value).__name__} {len(value)} ".encode())
        if {type(item) for item in value} <= SCALARS:
            found.update(repr(value).encode())
        else:
            for item in value:
                _feed(found, item)
    elif isinstance(value, bytes):
        found.update(value)
    elif hasattr(value, "dtype") and hasattr(value, "tobytes"):
        found.update(f"{value.dtype} {getattr(value, 'shape', ())} ".encode() + value.tobytes())
    else:
        found.update(repr(value).encode())


def job(workload_name: str, contender: str) -> Job:
    workload = BY_NAME[workload_name]
    if workload.portable is not None and contender not in NEEDS_NO_PICKLE:
        return workload.portable()
    return workload.make()


def measure(workload_name: str, contender: str) -> dict[str, Any]:
    """One run: seconds, digest and number of results; or the error."""
    func, data = job(workload_name, contender)
    run = load(contender)
    try:
        began = time.perf_counter()
        results = run(func, data)
        seconds = time.perf_counter() - began
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"[:200]}
    return {"seconds": seconds, "digest": digest(results), "count": len(results)}


def _measure_in_fork(workload_name: str, contender: str, limit_seconds: float) -> dict[str, Any]:
    """``measure`` in a forked child, which is ended with all its workers at the limit."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.setpgid(0, 0)
        os.close(reader)
        answer = json.dumps(measure(workload_name, contender)).encode()
        os.write(writer, answer)
        os._exit(0)
    try:
        os.setpgid(pid, pid)  # here too: whoever comes first
    except OSError:
        pass
    os.close(writer)
    ready = select.select([reader], [], [], limit_seconds)[0]
    answer = os.read(reader, 65_536) if ready else b'{"error": "over the limit"}'
    os.close(reader)
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    os.waitpid(pid, 0)
    found: dict[str, Any] = json.loads(answer or b'{"error": "died"}')
    return found


def nursery(workload_name: str) -> None:
    for line in sys.stdin:
        order = json.loads(line)
        answer = _measure_in_fork(workload_name, order["contender"], order["limit_seconds"])
        print(json.dumps(answer), flush=True)


def main(arguments: list[str]) -> None:
    match arguments:
        case ["run", workload_name, contender]:
            print(json.dumps(measure(workload_name, contender)), flush=True)
            os._exit(0)  # warm workers of peers are ended by the parent, with this process group
        case ["nursery", workload_name]:
            nursery(workload_name)
        case _:
            raise SystemExit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
