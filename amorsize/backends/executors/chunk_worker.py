"""What runs in the workers of an executor or cluster of the user's: a chunk of items, and how it went.

::

    caller                                        worker
    FunctionPayload (pickled once) -------------> unpickled once in each process, kept
    run_chunk(payload, start, items) -----------> items -> ChunkResult --------> caller

Nothing is kept here but functions: what carries the tasks may repeat, move or drop them.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import OrderedDict

from amorsize.core import nesting
from amorsize.items.call import run_chunk as items_chunk
from amorsize.items.call import unsendable_result
from amorsize.items.errors import portable
from amorsize.items.pickling import dumps, loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

KEPT_FUNCTIONS = 8
"""Functions that a worker keeps unpickled: those of runs side by side, and a few before them."""

_kept: OrderedDict[str, Task] = OrderedDict()
_lock = threading.Lock()


class _ThreadState(threading.local):
    """What one thread of this process has done for runs."""

    key = ""
    """The run whose initializer it has run last."""
    last: tuple[str, float] = ("", 0.0)
    """Its last chunk: of which run, and when it ended."""

    def initialized(self, key: str) -> None:
        self.key = key

    def ended(self, key: str) -> None:
        self.last = key, time.perf_counter()


_state = _ThreadState()


class Task:
    """A function ready to be called on items, as the caller's process or a worker has it."""

    def __init__(
        self,
        func: Callable[[Any], Any],
        on_error: str,
        initializer: Callable[..., object] | None,
        initargs: tuple[Any, ...],
    ) -> None:
        self.func, self.on_error = func, on_error
        self.initializer, self.initargs = initializer, initargs


class FunctionPayload:
    """A task on its way. ``body`` is its pickle, None where only workers that know it are asked; ``task``
    is itself, where nothing is pickled on the way (threads of the caller's process). ``path``: where the
    caller finds modules, for workers on its machine that do not know."""

    def __init__(
        self,
        key: str,
        body: bytes | None = None,
        task: Task | None = None,
        path: Sequence[str] = (),
    ) -> None:
        self.key, self.body, self.task, self.path = key, body, task, path
        self.stopped = False

    def stop(self) -> None:
        """The run is over: threads of this process, which see this very object, leave the rest of their
        chunks."""
        self.stopped = True


class ChunkResult:
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
        return ChunkResult, (self.pieces, self.failures, self.seconds, self.gap)


class UnreadableItems:
    """Instead of a result: the items could not be unpickled, and nothing has run."""

    def __init__(self, error: BaseException, traceback: str) -> None:
        self.error, self.traceback = error, traceback

    def __reduce__(self) -> tuple[Any, ...]:
        return UnreadableItems, (self.error, self.traceback)


UNKNOWN = "unknown"
"""Instead of a result: this worker does not have the function, and nothing has run."""


def run_chunk(
    payload: FunctionPayload, start: int, items: Any
) -> ChunkResult | UnreadableItems | str:
    """Run the items from position ``start`` on (a pickle of them, or themselves)."""
    here = payload.task is not None
    entered = nesting.enter()  # a call of amorsize by the function stays serial
    try:
        try:
            task = _prepared_here(payload) if here else _unpacked(payload)
            if task is None:
                return UNKNOWN
        except BaseException as error:
            return ChunkResult((), ((None, *_portable(error, here)),), 0.0)
        try:
            items = _until_stopped(payload, items) if here else _loads(payload, items)
        except BaseException as error:
            return UnreadableItems(*portable(error))
        began = time.perf_counter()
        key, ended = _state.last
        gap = began - ended if key == payload.key else 0.0
        result = _run(task, start, items, here, gap)
        _state.ended(payload.key)
        return result
    finally:
        if entered:
            nesting.leave()


def _run(task: Task, start: int, items: Any, here: bool, gap: float) -> ChunkResult:
    failures: list[tuple[int | None, BaseException, str]] = []
    done = items_chunk(task.func, start, items, task.on_error, told=None if here else portable)
    values, seconds = done.values, done.seconds
    if done.failed is not None:
        failures.append((done.failed.index, *_portable(done.failed.exception, here)))
    if here:
        return ChunkResult(((start, len(values), values),), failures, seconds, gap)
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
    return ChunkResult(pieces, failures, seconds, gap)


def _portable(error: BaseException, here: bool) -> tuple[BaseException, str]:
    return (error, "") if here else portable(error)


def _until_stopped(payload: FunctionPayload, items: Sequence[Any]) -> Iterator[Any]:
    for item in items:
        if payload.stopped:
            return
        yield item


def _prepared_here(payload: FunctionPayload) -> Task | None:
    """The task itself, with the initializer run once in each thread."""
    task = payload.task
    assert task is not None
    if task.initializer is not None and _state.key != payload.key:
        task.initializer(*task.initargs)
        _state.initialized(payload.key)
    return task


def _loads(payload: FunctionPayload, body: bytes) -> Any:
    """Unpickle; a module that is not found here is looked for where the caller would find it."""
    try:
        return loads(body)
    except ImportError:
        more = [entry for entry in payload.path if entry not in sys.path and os.path.isdir(entry)]
        if not more:
            raise
        sys.path.extend(more)
        return loads(body)


def _unpacked(payload: FunctionPayload) -> Task | None:
    """The task, unpickled and initialized once in this process; None if it is not known."""
    with _lock:
        task = _kept.get(payload.key)
        if task is None:
            if payload.body is None:
                return None
            task = _loads(payload, payload.body)
            assert isinstance(task, Task)
            if task.initializer is not None:
                task.initializer(*task.initargs)
            _kept[payload.key] = task
            while len(_kept) > KEPT_FUNCTIONS:
                _kept.popitem(last=False)
        else:
            _kept.move_to_end(payload.key)
        return task


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
