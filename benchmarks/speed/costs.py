"""What starting, dealing and carrying cost here: the constants of ``amorsize/cost_model.py``.

    python -m benchmarks.speed.costs

Each figure is the median over several runs. Nothing is asserted; compare the lines with the constants
that name this script.
"""

from __future__ import annotations

import gc
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

from amorsize.api.checks import make_options
from amorsize.backends.processes import protocol as wire
from amorsize.engine.driver import engine_for

clock = time.perf_counter


def median(measure: Callable[[], float], runs: int = 9) -> float:
    return statistics.median(measure() for _ in range(runs))


def thread_seconds() -> float:
    """Start and end of one thread."""
    from _thread import allocate_lock, start_new_thread

    lock = allocate_lock()
    lock.acquire()
    began = clock()
    start_new_thread(lock.release, ())
    lock.acquire()
    return clock() - began


def fork_seconds() -> float:
    """Fork, first byte from the child, its end."""
    began = clock()
    read, write = os.pipe()
    gc.freeze()
    pid = os.fork()
    if pid == 0:
        os.write(write, b"!")
        os._exit(0)
    gc.unfreeze()
    os.read(read, 1)
    os.waitpid(pid, 0)
    os.close(read)
    os.close(write)
    return clock() - began


def spin(seconds: float) -> Callable[[int], int]:
    """A function that computes for so long, by a count fixed in advance (so that waiting shows)."""

    def count(n: int) -> int:
        total = 0
        for i in range(n):
            total += i * i
        return total

    began = clock()
    count(100_000)
    steps = int(100_000 * seconds / (clock() - began))
    return lambda _: count(steps)


def overhead_seconds(backend: str, jobs: int, item_seconds: float, items: int) -> float:
    """Time of a forced run beyond the loop's time divided by what the cores really give."""
    func = spin(item_seconds)
    began = clock()
    for item in range(items):
        func(item)
    loop = clock() - began
    engine = engine_for(func, range(items), make_options(backend=backend, n_jobs=jobs))
    began = clock()
    engine.execute()
    return clock() - began - loop / jobs


def send_seconds(size: int) -> tuple[float, float]:
    """Seconds that sender and receiver spend on one frame with a fresh buffer of ``size`` bytes."""
    near, far = wire.pair()
    count = max(4, min(200, 200_000_000 // size))
    pid = os.fork()
    if pid == 0:
        cpu = time.process_time()
        for _ in range(count):
            wire.send(far, wire.encode(1, bytearray(os.urandom(64)) * (size // 64)))
        wire.send(far, wire.encode(2, time.process_time() - cpu))
        os._exit(0)
    far.close()
    receiver = wire.Receiver(near)
    cpu = time.process_time()
    sender = 0.0
    seen: list[Any] = []
    while not seen or seen[-1][0] != 2:
        seen = receiver.receive() or seen
    sender = seen[-1][1]
    receiving = time.process_time() - cpu
    os.waitpid(pid, 0)
    near.close()
    return sender / count, receiving / count


def main() -> None:
    print(f"thread start and end        {median(thread_seconds, 50) * 1e6:8.1f} µs")
    small = median(fork_seconds, 21)
    print(f"fork, small process         {small * 1e3:8.2f} ms")
    ballast = bytearray(os.urandom(1 << 20)) * 1000
    large = median(fork_seconds, 9)
    print(f"fork, each resident GB more {(large - small) / (len(ballast) / 1e9) * 1e3:8.2f} ms")
    del ballast
    for backend in ("fork", "spawn"):
        cold = overhead_seconds(backend, 2, 0.001, 100)
        warm = median(lambda b=backend: overhead_seconds(b, 2, 0.001, 100), 7)  # type: ignore[misc]
        print(
            f"{backend}: first {cold * 1e3:7.2f} ms, later {warm * 1e3:7.2f} ms beyond half the loop"
        )
    for size in (64, 4096, 65_536, 1 << 20, 1 << 23):
        sender, receiver = send_seconds(size)
        print(
            f"frame of {size:>9,} bytes: {sender * 1e6:8.1f} µs in the sender, "
            f"{receiver * 1e6:8.1f} µs in the receiver, "
            f"{(sender + receiver) / size * 1e9:6.2f} ns a byte together"
        )


if __name__ == "__main__":
    main()
