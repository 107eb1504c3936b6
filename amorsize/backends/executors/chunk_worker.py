"""What runs in the workers of somebody else's executor or cluster: a chunk of items, and how it went.

::

    caller                                        worker
    Parcel (the function, pickled once) --------> unpickled once in each process, kept
    run_chunk(parcel, start, items) ------------> run_items -> Report --------> caller

Nothing is kept here but functions: whoever carries the calls may repeat, move or drop them.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import OrderedDict

from amorsize.core import nesting
from amorsize.items.call import unsendable_result
from amorsize.items.chunk import run_chunk as items_chunk
from amorsize.items.errors import portable
from amorsize.items.pickling import dumps, loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

KEPT_FUNCTIONS = 8
"""Functions that a worker keeps unpickled: those of runs side by side, and a few before them."""

_kept: OrderedDict[str, Call] = OrderedDict()
_lock = threading.Lock()
_prepared = threading.local()


class Call:
    """A function ready to be called, as the caller's process or a worker has it."""

    def __init__(
        self,
        func: Callable[[Any], Any],
        on_error: str,
        initializer: Callable[..., object] | None,
        initargs: tuple[Any, ...],
    ) -> None:
        self.func, self.on_error = func, on_error
        self.initializer, self.initargs = initializer, initargs


class Parcel:
    """A call on its way. ``body`` is its pickle, None where only those who know it are asked; ``call``
    is itself, where nothing is pickled on the way (threads of the caller's process). ``path``: where the
    caller finds modules, for workers on its machine that do not know."""

    def __init__(
        self,
        key: str,
        body: bytes | None = None,
        call: Call | None = None,
        path: Sequence[str] = (),
    ) -> None:
        self.key, self.body, self.call, self.path = key, body, call, path
        self.stopped = False
        """The run is over: threads of this process leave the rest of their chunks."""


class Report:
    """What became of a chunk.

    ``pieces``: (position, number of values, the values or their pickle); ``failures``: (position or
    None, exception, traceback) of items whose result is not among them; ``seconds`` of work; ``gap``:
    seconds since this worker ended its last chunk of the run, 0 for its first."""

    def __init__(
        self,
        pieces: Sequence[tuple[int, int, Any]],
        failures: Sequence[tuple[int | None, BaseException, str]],
        seconds: float,
        gap: float = 0.0,
    ) -> None:
        self.pieces, self.failures, self.seconds, self.gap = pieces, failures, seconds, gap

    def __reduce__(self) -> tuple[Any, ...]:
        return Report, (self.pieces, self.failures, self.seconds, self.gap)


class Unread:
    """Instead of a report: the items could not be unpickled, and nothing has run."""

    def __init__(self, error: BaseException, traceback: str) -> None:
        self.error, self.traceback = error, traceback

    def __reduce__(self) -> tuple[Any, ...]:
        return Unread, (self.error, self.traceback)


UNKNOWN = "unknown"
"""Instead of a report: this worker does not have the function, and nothing has run."""


def run_chunk(parcel: Parcel, start: int, items: Any) -> Report | Unread | str:
    """Run the items from position ``start`` on (a pickle of them, or themselves)."""
    here = parcel.call is not None
    entered = nesting.enter()  # a call of amorsize by the function stays serial
    try:
        try:
            call = _prepared_here(parcel) if here else _unpacked(parcel)
            if call is None:
                return UNKNOWN
        except BaseException as error:
            return Report((), ((None, *_portable(error, here)),), 0.0)
        try:
            items = _until_stopped(parcel, items) if here else _loads(parcel, items)
        except BaseException as error:
            return Unread(*portable(error))
        began = time.perf_counter()
        key, ended = getattr(_prepared, "last", ("", 0.0))
        report = _run(call, start, items, here)
        report.gap = began - ended if key == parcel.key else 0.0
        _prepared.last = parcel.key, time.perf_counter()
        return report
    finally:
        if entered:
            nesting.leave()


def _run(call: Call, start: int, items: Any, here: bool) -> Report:
    failures: list[tuple[int | None, BaseException, str]] = []
    done = items_chunk(call.func, start, items, call.on_error, told=None if here else portable)
    values, seconds = done.values, done.seconds
    if done.failed is not None:
        failures.append((done.failed.index, *_portable(done.failed.exception, here)))
    if here:
        return Report(((start, len(values), values),), failures, seconds)
    try:
        pieces = [(start, len(values), dumps(values))] if values else []
    except Exception:
        pieces = []
        for position, value in enumerate(values, start):  # send what can be sent
            try:
                pieces.append((position, 1, dumps([value])))
            except Exception as error:
                refusal = unsendable_result(error, position)
                failures.append((position, refusal, portable(error)[1]))
    return Report(pieces, failures, seconds)


def _portable(error: BaseException, here: bool) -> tuple[BaseException, str]:
    return (error, "") if here else portable(error)


def _until_stopped(parcel: Parcel, items: Sequence[Any]) -> Iterator[Any]:
    for item in items:
        if parcel.stopped:
            return
        yield item


def _prepared_here(parcel: Parcel) -> Call | None:
    """The call itself, with the initializer run once in each thread."""
    call = parcel.call
    assert call is not None
    if call.initializer is not None and getattr(_prepared, "key", None) != parcel.key:
        call.initializer(*call.initargs)
        _prepared.key = parcel.key
    return call


def _loads(parcel: Parcel, body: bytes) -> Any:
    """Unpickle; a module that is not found here is looked for where the caller would find it."""
    try:
        return loads(body)
    except ImportError:
        more = [entry for entry in parcel.path if entry not in sys.path and os.path.isdir(entry)]
        if not more:
            raise
        sys.path.extend(more)
        return loads(body)


def _unpacked(parcel: Parcel) -> Call | None:
    """The call, unpickled and initialized once in this process; None if it is not known."""
    with _lock:
        call = _kept.get(parcel.key)
        if call is None:
            if parcel.body is None:
                return None
            call = _loads(parcel, parcel.body)
            assert isinstance(call, Call)
            if call.initializer is not None:
                call.initializer(*call.initargs)
            _kept[parcel.key] = call
            while len(_kept) > KEPT_FUNCTIONS:
                _kept.popitem(last=False)
        else:
            _kept.move_to_end(parcel.key)
        return call


# -- what a link is measured with ----------------------------------------------------------------------


class Mark:
    """Tells on its arrival whether it was pickled on the way."""

    def __init__(self, original: bool = True) -> None:
        self.original = original

    def __reduce__(self) -> tuple[Any, ...]:
        return Mark, (False,)


def is_original(mark: Mark) -> bool:
    """Whether the caller's own object has arrived: then no process lies between."""
    return mark.original


def echo(body: Any) -> Any:
    """The way there and back."""
    return body
