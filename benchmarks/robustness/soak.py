"""Mixed work with random faults for a while, in one process: is every result right, does anything grow?

    python -m benchmarks.robustness.soak [--minutes 20] [--seed 0]

Calls of all kinds follow each other by a seeded lot: lists, iterators and streams, every backend, items
that raise, die, hang or return what cannot be sent, workers that are killed from outside, streams that
are left, checkpoints that are begun and gone on with. Each call's results are compared with the loop's.
Descriptors, processes, threads and memory are counted after the first tenth and at the end. A call that
takes more than a minute is a hang, and ends the soak with the tracebacks of all threads.
"""

from __future__ import annotations

import argparse
import faulthandler
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import amorsize
from benchmarks.robustness.kills import killed_run
from benchmarks.robustness.thousand_calls import count

CALL_SECONDS = 60
"""The longest sound call takes some seconds on a busy machine."""
MEMORY_BYTES = 30_000_000
"""May be had more at the end: kinds of calls that come late bring modules and caches with them."""
BACKENDS = ("fork", "spawn", "threads", "serial", "auto")
PROCESSES = ("fork", "spawn")


class Work:
    """Squares an item after some computing or waiting; ``bad`` items do what ``fault`` says."""

    def __init__(
        self, steps: int, wait: float, fault: str = "", bad: Iterable[int] = (), path: str = ""
    ) -> None:
        self.steps, self.wait, self.fault = steps, wait, fault
        self.bad, self.path = frozenset(bad), path

    def __call__(self, item: int) -> Any:
        total = 0
        for i in range(self.steps):
            total += i * i
        if self.wait:
            time.sleep(self.wait)
        if item in self.bad:
            return self._go_wrong(item)
        return item * item

    def _go_wrong(self, item: int) -> Any:
        if self.fault == "raises":
            raise LookupError(item)
        if self.fault == "dies":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.fault == "dies once" and not os.path.exists(f"{self.path}.{item}"):
            Path(f"{self.path}.{item}").touch()
            os._exit(item % 200)
        if self.fault == "hangs":
            time.sleep(100)
        if self.fault == "returns a lock":
            return __import__("threading").Lock()
        return item * item


class Soak:
    """The calls and what they found."""

    def __init__(self, seed: int, folder: str) -> None:
        self.lot, self.folder = random.Random(seed), folder
        self.calls: Counter[str] = Counter()
        self.items = self.faults = 0
        self.kinds: tuple[Callable[[], None], ...] = (
            self.good,
            self.good,
            self.collected,
            self.raised,
            self.died_once,
            self.killed,
            self.hung,
            self.left,
            self.checked,
            self.planned,
        )

    def run(self) -> None:
        """One call, by lot."""
        kind = self.lot.choice(self.kinds)
        self.calls[kind.__name__] += 1
        signal.alarm(CALL_SECONDS)
        kind()
        # Threads of a stream that is left end with their item, on a crowded machine some time later.
        while count()[2] > 1:
            time.sleep(0.01)
        signal.alarm(0)

    # -- parts of the lot -----------------------------------------------------------------------

    def _size(self) -> int:
        size = self.lot.choice((0, 1, 7, 60, 200, 500))
        self.items += size
        return size

    def _work(self, fault: str = "", bad: Iterable[int] = ()) -> Work:
        steps, wait = self.lot.choice(
            ((0, 0.0), (200, 0.0), (3000, 0.0), (0, 0.0005), (500, 0.001))
        )
        return Work(steps, wait, fault, bad, os.path.join(self.folder, f"{self.lot.random()}"))

    def _bad(self, size: int) -> list[int]:
        bad = sorted(self.lot.sample(range(size), min(size, self.lot.choice((1, 1, 2, 5)))))
        self.faults += len(bad)
        return bad

    def _map(self, func: Any, size: int, **options: Any) -> list[Any]:
        """By one of the ways through the library."""
        data: Any = self.lot.choice((range(size), list(range(size)), iter(range(size))))
        way = self.lot.choice(("execute", "execute", "stream"))
        if way == "execute":
            return amorsize.execute(func, data, **options)
        return list(amorsize.stream(func, data, **options))

    def _workers(self, backends: tuple[str, ...] = BACKENDS) -> dict[str, Any]:
        backend = self.lot.choice(backends)
        return {} if backend == "auto" else {"backend": backend, "n_jobs": self.lot.choice((2, 3))}

    # -- calls ----------------------------------------------------------------------------------

    def good(self) -> None:
        size = self._size()
        same(self._map(self._work(), size, **self._workers()), size)

    def collected(self) -> None:
        """Items raise, die, or return what cannot be sent."""
        size = self._size()
        fault = self.lot.choice(("raises", "raises", "dies", "returns a lock"))
        bad = self._bad(size)
        found = self._map(
            self._work(fault, bad), size, on_error="collect", **self._workers(PROCESSES)
        )
        same(found, size, bad)

    def raised(self) -> None:
        """The first bad item ends the run."""
        size = 1 + self._size()
        bad = self._bad(size)
        try:
            self._map(self._work("raises", bad), size, **self._workers())
        except LookupError as error:
            raised = error
        else:
            raise AssertionError("nothing was raised")
        assert raised.args[0] in bad
        assert f"item {raised.args[0]}" in raised.__notes__[0], raised.__notes__

    def died_once(self) -> None:
        """Workers die in items that are sound the next time."""
        size = self._size()
        work = self._work("dies once", self._bad(size))
        same(self._map(work, size, **self._workers(PROCESSES)), size)

    def killed(self) -> None:
        """Workers are killed from outside."""
        size = 100
        self.items += size
        found, kills = killed_run(
            Work(3000, 0.0), size, self.lot.choice(PROCESSES), self.lot.choice((2, 3)), self.lot
        )
        self.faults += kills
        same(found, size)

    def hung(self) -> None:
        """An item never ends."""
        size = 1 + self.lot.choice((7, 60))
        bad = self._bad(size)[:1]
        found = self._map(
            Work(200, 0.0, "hangs", bad), size, timeout=0.5, on_error="collect",
            **self._workers(PROCESSES),
        )  # fmt: skip
        same(found, size, bad)

    def left(self) -> None:
        """A stream is left in the middle."""
        stream = amorsize.stream(self._work(), iter(range(10_000)), **self._workers())
        for item in range(self.lot.choice((1, 20, 200))):
            assert next(stream) == item * item
        stream.close()

    def checked(self) -> None:
        """A checkpoint is begun, left in an error, and gone on with."""
        size = 60
        self.items += size
        path = os.path.join(self.folder, "journal")
        options = self._workers()
        trap = os.path.join(self.folder, "trap")
        Path(trap).touch()

        def func(item: int) -> int:
            if item == 50 and os.path.exists(trap):
                raise LookupError(item)
            return item * item

        try:
            amorsize.execute(func, range(size), checkpoint=path, **options)
        except LookupError:
            self.faults += 1
        os.unlink(trap)
        same(amorsize.execute(func, range(size), checkpoint=path, **options), size)
        os.unlink(path)

    def planned(self) -> None:
        size = self._size()
        plan = amorsize.optimize(self._work(), range(size), **self._workers())
        same(plan.execute(), size)


def same(found: list[Any], size: int, bad: Iterable[int] = ()) -> None:
    """The loop's results, but for ``bad`` items, which are errors of their index."""
    wrong = set(bad)
    assert len(found) == size, (len(found), size)
    for item, value in enumerate(found):
        if item in wrong:
            assert isinstance(value, amorsize.ItemError), (item, value)
            assert value.index == item
        else:
            assert value == item * item, (item, value)


def main() -> int:
    """Soak, and say what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    os.environ["AMORSIZE_HISTORY"] = "off"
    # A timer with a signal: the thread of dump_traceback_later would forbid every fork.
    faulthandler.register(signal.SIGALRM, chain=True)
    began = time.monotonic()
    seconds = 60 * options.minutes
    settled = None
    with tempfile.TemporaryDirectory() as folder:
        soak = Soak(options.seed, folder)
        while (age := time.monotonic() - began) < seconds:
            if settled is None and age > seconds / 10 and soak.calls.total() >= 20:
                settled = count()
            soak.run()
    after = count()
    names = ("descriptors", "processes", "threads", "bytes")
    then = settled or after
    grown = {name: b - a for name, a, b in zip(names, then, after, strict=True)}
    told = ", ".join(f"{number} {name}" for name, number in sorted(soak.calls.items()))
    print(
        f"{soak.calls.total()} calls ({told}) with {soak.items} items and {soak.faults} faults in "
        f"{time.monotonic() - began:.0f} s, all results right; growth since the first tenth: "
        f"{grown['descriptors']} descriptors, {grown['processes']} processes, {grown['threads']} "
        f"threads, {grown['bytes'] / 1e6:.1f} MB"
    )
    # A warm spawned worker more or less is no growth: its socket, its lifeline, itself.
    warm = 3
    grew = grown["threads"] > 0 or grown["processes"] > warm or grown["descriptors"] > 2 * warm
    return 1 if grew or grown["bytes"] > MEMORY_BYTES else 0


if __name__ == "__main__":
    sys.exit(main())
