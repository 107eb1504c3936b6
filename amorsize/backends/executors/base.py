"""The way to workers that are not ours: an executor or a cluster, what it costs, measured.

``ExecutorAdapter`` is what each of them is used through (``futures.py``, ``dask.py``, ``ray.py``);
``measure`` finds out what an adapter costs, with calls that do nothing.
"""

from __future__ import annotations

import threading
import time
import warnings

from amorsize.backends.executors import chunk_worker
from amorsize.core.model import LinkCost
from amorsize.errors import AmorsizeWarning

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

clock = time.perf_counter

ROUND_TRIPS = 3
"""Empty calls one after the other; the quickest counts: something else held the slower ones up."""
BURST_FOR_SLOT, LARGEST_BURST = 8, 64
"""Empty calls at once for each worker, and in all: what a call costs where calls follow each other."""
PAYLOAD_BYTES = 1 << 18
"""Bytes sent there and back to see the bandwidth: a hundredth of a second at 50 MB/s."""
SILENCE_SECONDS = 5.0
"""A first answer that takes longer is told of: a cluster without workers, a call from within itself."""


class WorkersLost(Exception):
    """A call did not come back because its worker ended; the cause is what the adapter raised.

    ``final``: no other call will come back either."""

    def __init__(self, cause: BaseException, *, final: bool = False) -> None:
        super().__init__(str(cause))
        self.cause, self.final = cause, final


class ExecutorAdapter:
    """A way to workers; the methods may be called by the thread that owns the run only."""

    name = ""
    """Its name in ``backends.TRAITS``."""
    in_process = False
    """Calls reach the caller's own objects: nothing is pickled."""
    sends_once = True
    """What :meth:`send_once` was given travels by itself, not with each call."""

    tells_at_work = False
    """A call that is lost was at work when its worker ended, not waiting there for its turn."""

    def look_inside(self, patience: float | None = None) -> None:
        """See whether calls reach the caller's own objects."""
        found = _answers(self, [(chunk_worker.is_original, chunk_worker.Mark())], patience)
        self.in_process = bool(found[0])

    def slots(self) -> int:
        """Calls that can be at work at the same time, now."""
        raise NotImplementedError

    def send_once(self, payload: chunk_worker.FunctionPayload) -> Any:
        """What stands for the payload among the arguments of calls."""
        return payload

    def submit(self, function: Callable[..., Any], *args: Any) -> Any:
        """Have it called; returns a future. Raises :class:`WorkersLost` when no calls are taken any
        more."""
        raise NotImplementedError

    def notify(self, future: Any, done: Callable[[], object]) -> None:
        """Call ``done``, in any thread, when the future is done."""
        future.add_done_callback(lambda _: done())

    def fetch(self, futures: Sequence[Any]) -> list[Any]:
        """Of futures that are done: results, or exceptions in their places; :class:`WorkersLost`
        for calls whose worker has ended."""
        raise NotImplementedError

    def cancel(self, futures: Sequence[Any]) -> bool:
        """Stop calls as far as that is possible. True when none of them can be at work any more."""
        raise NotImplementedError

    def close(self) -> None:
        """Let go of what this adapter has opened; what the user has made stays."""


def measure(adapter: ExecutorAdapter, patience: float | None = None) -> LinkCost:
    """Measure a adapter with calls that do nothing. TimeoutError when it does not answer for so long."""
    began = clock()
    adapter.look_inside(patience)
    start = clock() - began
    round_trip = min(_timed(adapter, 1, b"") for _ in range(ROUND_TRIPS))
    count = max(1, min(LARGEST_BURST, BURST_FOR_SLOT * max(1, adapter.slots())))
    task = min(_timed(adapter, count, b"") / count, round_trip)
    byte = 0.0
    if not adapter.in_process:
        payload = _timed(adapter, 1, bytes(PAYLOAD_BYTES))
        byte = max(0.0, payload - round_trip) / (2 * PAYLOAD_BYTES)
    return LinkCost(start, round_trip, task, byte)


def _timed(adapter: ExecutorAdapter, count: int, body: bytes) -> float:
    began = clock()
    _answers(adapter, [(chunk_worker.echo, body)] * count)
    return clock() - began


def _answers(
    adapter: ExecutorAdapter, calls: Sequence[tuple[Any, ...]], patience: float | None = None
) -> list[Any]:
    """The results of calls made at once; raises what any of them raised."""
    arrived = threading.Semaphore(0)
    futures = [adapter.submit(*call) for call in calls]
    for future in futures:
        adapter.notify(future, arrived.release)
    silent = True
    for _ in futures:
        while not arrived.acquire(timeout=patience or SILENCE_SECONDS):
            if patience is not None:
                adapter.cancel(futures)
                raise TimeoutError(f"no answer within {patience:g} s")
            if silent:
                silent = False
                warnings.warn(
                    f"backend {adapter.name} has not answered for {SILENCE_SECONDS:g} s: it has no free "
                    "worker, or this call is made from within one of its own; waiting",
                    AmorsizeWarning,
                    stacklevel=2,
                )
    results = adapter.fetch(futures)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results
