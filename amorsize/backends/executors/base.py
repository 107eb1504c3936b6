"""The way to workers that are not ours: an executor or a cluster, what it costs, measured.

``Port`` is what each of them is used through (``executors.py``, ``dask.py``, ``ray.py``); ``measure``
finds out what a port costs, with calls that do nothing.
"""

from __future__ import annotations

import threading
import time
import warnings

from amorsize.backends.executors import chunk_worker as errands
from amorsize.core.model import Link
from amorsize.errors import AmorsizeWarning

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

clock = time.perf_counter

ROUND_TRIPS = 3
"""Empty calls one after the other; the quickest counts, for the others met with something else."""
BURST_FOR_SLOT, LARGEST_BURST = 8, 64
"""Empty calls at once for each worker, and in all: what a call costs where calls follow each other."""
PAYLOAD_BYTES = 1 << 18
"""Bytes sent there and back to see the bandwidth: a hundredth of a second at 50 MB/s."""
SILENCE_SECONDS = 5.0
"""A first answer that takes longer is told of: a cluster without workers, a call from within itself."""


class WorkersLost(Exception):
    """A call did not come back because its worker ended; the cause is what the port raised.

    ``final``: no other call will come back either."""

    def __init__(self, cause: BaseException, *, final: bool = False) -> None:
        super().__init__(str(cause))
        self.cause, self.final = cause, final


class Port:
    """A way to workers; the methods may be called by the thread that owns the run only."""

    name = ""
    """Its name in ``backends.TRAITS``."""
    in_process = False
    """Calls reach the caller's own objects: nothing is pickled."""
    sends_once = True
    """What :meth:`send_once` was given travels by itself, not with each call."""

    tells_who = False
    """A call that is lost was at work when its worker ended, not waiting there for its turn."""

    def slots(self) -> int:
        """Calls that can be at work at the same time, now."""
        raise NotImplementedError

    def send_once(self, parcel: errands.Parcel) -> Any:
        """What stands for the parcel among the arguments of calls."""
        return parcel

    def submit(self, function: Callable[..., Any], *args: Any) -> Any:
        """Have it called; returns a future. Raises :class:`WorkersLost` when nobody takes calls."""
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
        """Let go of what this port has opened; what the user has made stays."""


def measure(port: Port, patience: float | None = None) -> Link:
    """Measure a port with calls that do nothing. TimeoutError when it does not answer for so long."""
    began = clock()
    port.in_process = is_in_process(port, patience)
    start = clock() - began
    round_trip = min(_timed(port, 1, b"") for _ in range(ROUND_TRIPS))
    count = max(1, min(LARGEST_BURST, BURST_FOR_SLOT * max(1, port.slots())))
    task = min(_timed(port, count, b"") / count, round_trip)
    byte = 0.0
    if not port.in_process:
        payload = _timed(port, 1, bytes(PAYLOAD_BYTES))
        byte = max(0.0, payload - round_trip) / (2 * PAYLOAD_BYTES)
    return Link(start, round_trip, task, byte)


def is_in_process(port: Port, patience: float | None = None) -> bool:
    """Whether calls reach the caller's own objects."""
    return bool(_answers(port, [(errands.is_original, errands.Mark())], patience)[0])


def _timed(port: Port, count: int, body: bytes) -> float:
    began = clock()
    _answers(port, [(errands.echo, body)] * count)
    return clock() - began


def _answers(
    port: Port, calls: Sequence[tuple[Any, ...]], patience: float | None = None
) -> list[Any]:
    """The results of calls made at once; raises what any of them raised."""
    arrived = threading.Semaphore(0)
    futures = [port.submit(*call) for call in calls]
    for future in futures:
        port.notify(future, arrived.release)
    silent = True
    for _ in futures:
        while not arrived.acquire(timeout=patience or SILENCE_SECONDS):
            if patience is not None:
                port.cancel(futures)
                raise TimeoutError(f"no answer within {patience:g} s")
            if silent:
                silent = False
                warnings.warn(
                    f"backend {port.name} has not answered for {SILENCE_SECONDS:g} s: it has no free "
                    "worker, or this call is made from within one of its own; waiting",
                    AmorsizeWarning,
                    stacklevel=2,
                )
    results = port.fetch(futures)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results
