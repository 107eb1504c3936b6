"""Running items: one call, one chunk of calls, seconds an item, and what is said of an item that fails.

::

    items --run_chunk (in a thread or a worker process)--> ChunkOutcome --deliver--> collector, usage log
                                                                 |
                                                                 +--pickled, over a socket--> caller

A worker process sends what an outcome holds; where the worker is a thread of the caller's process,
:meth:`ChunkOutcome.deliver` hands it over at once.

An error of this library is made where it happens, with the position that the item has there. Who gives it
to the user and knows another position (a run with a checkpoint) renders it anew: ``failure.at(index)``.
Nothing has to be read out of a message.
"""

from __future__ import annotations

import time

from amorsize.core.clocks import children_seconds
from amorsize.errors import ItemError
from amorsize.items.collector import SKIPPED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from amorsize.items.collector import ResultCollector


OVERDUE, ITEM_UNSENDABLE, RESULT_UNSENDABLE = "overdue", "item unsendable", "result unsendable"
ITEM_UNREADABLE, RESULT_UNREADABLE = "item unreadable", "result unreadable"
TEXTS = {
    OVERDUE: "item {index} took longer than timeout={detail} seconds",
    ITEM_UNSENDABLE: "item {index} cannot be sent to a worker ({detail}); use backend='threads' or "
    "'serial', or where workers are forked pass a list instead of an iterator (they need no copy of it)",
    RESULT_UNSENDABLE: "the result of item {index} cannot be sent to the caller ({detail}); return "
    "something that can be pickled, or use backend='threads' or 'serial'",
    ITEM_UNREADABLE: "item {index} cannot be unpickled on the other side ({detail}); make its class "
    "importable there, or use backend='threads' or 'serial'",
    RESULT_UNREADABLE: "the result of item {index} cannot be unpickled on the other side ({detail}); "
    "make its class importable there, or use backend='threads' or 'serial'",
}
"""What became of an item, by kind."""


class ItemFailure(str):
    """The text of one of our errors about an item: its first argument."""

    item: int
    """Position of the item."""
    kind: str
    detail: str

    def __new__(cls, kind: str, index: int, detail: str) -> ItemFailure:
        written = TEXTS[kind].replace("{index}", str(index), 1).replace("{detail}", detail, 1)
        text = super().__new__(cls, written)
        text.kind, text.item, text.detail = kind, index, detail
        return text

    def __reduce__(self) -> tuple[Any, ...]:
        return ItemFailure, (self.kind, self.item, self.detail)

    def at(self, index: int) -> ItemFailure:
        """The same of an item at another position."""
        return ItemFailure(self.kind, index, self.detail)


class Origin(str):
    """The note that tells which item of the data raised an exception."""

    item: int
    """Position of the item."""
    at_least: bool
    """Whether the index is only a lower bound."""

    def __new__(cls, index: int, at_least: bool = False) -> Origin:
        where = f"an item after the first {index}" if at_least else f"item {index}"
        note = super().__new__(cls, f"amorsize: raised by {where} of the data")
        note.item, note.at_least = index, at_least
        return note

    def __reduce__(self) -> tuple[Any, ...]:
        return Origin, (self.item, self.at_least)


def origin_of(error: BaseException) -> Origin | None:
    """Where an exception came from. The last such note: a call of amorsize inside of the function has
    left one before it."""
    for note in reversed(getattr(error, "__notes__", ())):
        if isinstance(note, Origin):
            return note
    return None


def renumbered(error: BaseException, position: int, index: int) -> BaseException:
    """The error; one of this library's own about the item at ``position`` names ``index`` instead."""
    if error.args and isinstance(error.args[0], ItemFailure) and error.args[0].item == position:
        error.args = (error.args[0].at(index), *error.args[1:])
    return error


def linked(error: Any, cause: Any, suppress: bool, context: Any = ...) -> Any:
    """The exception with this cause; ``suppress``: its context is not shown; ``...`` keeps that."""
    error.__cause__ = cause
    if context is not ...:
        error.__context__ = context
    error.__suppress_context__ = suppress
    return error


def explain(error: BaseException, cause: BaseException) -> BaseException:
    """The exception with this cause where it has none; an odd exception keeps its own shape."""
    try:
        if error.__cause__ is None:
            linked(error, cause, error.__suppress_context__)
    except Exception:  # it refuses
        pass
    return error


NEWEST_SHARE = 0.5
"""Weight of the newest chunk: a lasting change is followed within three chunks of a few milliseconds, and
one heavy item has lost three quarters of its weight two chunks later. Reasoned, not searched for: chunk
sizes follow it, and a chunk that is twice too long or too short costs under 2 %."""


class Pace:
    """A running mean. The newest chunk counts ``NEWEST_SHARE``, the ones before it the rest."""

    __slots__ = ("item_seconds",)

    def __init__(self, item_seconds: float = 0.0) -> None:
        self.item_seconds = item_seconds
        """Seconds that an item takes; 0 while nothing is known."""

    def add(self, items: int, seconds: float) -> float:
        """A chunk of ``items`` took ``seconds``; returns the mean."""
        per, known = seconds / items, self.item_seconds
        self.item_seconds = per if known <= 0 else known + NEWEST_SHARE * (per - known)
        return self.item_seconds


class RemoteTraceback(Exception):
    """Cause of an exception that was raised in a worker, where its traceback came as text only."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    def __str__(self) -> str:
        return f'\n"""\n{self.text}"""'


class ItemFailed(Exception):
    """An item raised and the run is to end: what was done before it, and what it raised."""

    def __init__(self, done: list[Any], index: int, exception: BaseException) -> None:
        super().__init__(index)
        self.done, self.index, self.exception = done, index, exception


def run_items(
    func: Callable[[Any], Any],
    start: int,
    items: Iterable[Any],
    on_error: str,
    mark: memoryview[int] | None = None,
    told: Callable[[BaseException], tuple[BaseException, str]] | None = None,
) -> list[Any]:
    """Results of the items from position ``start`` on.

    ``told`` gives an exception that is collected the form it is kept in, and its traceback.
    ``mark`` is one word that another process can read: it holds the position of the item in progress, -1
    afterwards, so that the caller knows in which item a worker died. Raises :class:`ItemFailed` where the
    run must end."""
    out: list[Any] = []
    append = out.append
    rest = iter(items)
    try:
        while True:
            try:
                if mark is None:
                    for item in rest:
                        append(func(item))
                else:
                    for item in rest:
                        mark[0] = start + len(out)
                        append(func(item))
                return out
            except BaseException as error:
                index = start + len(out)
                if on_error == "raise" or not isinstance(error, Exception):
                    raise ItemFailed(out, index, error) from None
                if on_error == "skip":
                    append(SKIPPED)
                    continue
                kept, text = told(error) if told is not None else (error, format_traceback(error))
                append(ItemError(index, kept, text))
    finally:
        if mark is not None:
            mark[0] = -1


def overdue_error(position: int, timeout: float) -> TimeoutError:
    """What becomes of an item that took longer than ``timeout`` seconds."""
    return TimeoutError(ItemFailure(OVERDUE, position, f"{timeout:g}"))


OVERDUE_LOOK_SHARE, OVERDUE_LOOK_SECONDS = 0.1, 0.001
"""Share of a time limit between two looks for items that exceed it, and the least pause."""


def overdue_look(timeout: float) -> float:
    """Seconds between two looks for items that exceed a time limit."""
    return max(OVERDUE_LOOK_SECONDS, OVERDUE_LOOK_SHARE * timeout)


def unsendable_result(error: BaseException, index: int) -> BaseException:
    """What becomes of an item whose result cannot be pickled."""
    import pickle

    return pickle.PicklingError(ItemFailure(RESULT_UNSENDABLE, index, str(error)))


def unreadable(what: str, error: BaseException, index: int) -> BaseException:
    """What becomes of an item (``what``: "item"), or a result, that cannot be unpickled on the other
    side."""
    import pickle

    kind = ITEM_UNREADABLE if what == "item" else RESULT_UNREADABLE
    return pickle.UnpicklingError(ItemFailure(kind, index, f"{type(error).__name__}: {error}"))


def unsendable_argument(error: BaseException, index: int) -> BaseException:
    """What becomes of an item that cannot be pickled."""
    import pickle

    return pickle.PicklingError(ItemFailure(ITEM_UNSENDABLE, index, str(error)))


def format_traceback(error: BaseException) -> str:
    """The traceback as printed, without the frames of this package at its top."""
    import traceback

    try:
        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None and is_ours(trace.tb_frame):
            trace = trace.tb_next
        return "".join(traceback.format_exception(type(error), error, trace))
    except Exception:  # an exception that cannot be printed
        return f"{type(error).__name__} (its traceback cannot be printed)\n"


class Initializer:
    """Calls the initializer of a worker; the exception that it raises says where it comes from."""

    __slots__ = ("func",)

    def __init__(self, func: Callable[..., object]) -> None:
        self.func = func

    def __call__(self, *given: Any) -> None:
        """Call it with ``initargs``."""
        try:
            self.func(*given)
        except Exception as error:
            try:
                name = getattr(self.func, "__qualname__", type(self.func).__qualname__)
                error.add_note(f"initializer={name} raised it in a worker, before its first item")
            except Exception:  # frozen or odd exceptions keep their own shape
                pass
            raise


def is_ours(frame: Any) -> bool:
    """Whether a frame is of this package."""
    return str(frame.f_globals.get("__name__", "")).startswith("amorsize.")


def with_origin(
    error: BaseException, index: int | None, remote: str = "", *, at_least: bool = False
) -> BaseException:
    """The user's exception with the item's index as a note.

    A worker's traceback that came as text only becomes the cause of the last one of its chain of causes
    and contexts."""
    if index is not None:
        try:
            error.add_note(Origin(index, at_least))
        except Exception:  # frozen or odd exceptions keep their own shape
            pass
    if remote and error.__traceback__ is None:
        explain(_end_of_chain(error), RemoteTraceback(remote))
    return error


def _end_of_chain(error: BaseException) -> BaseException:
    """The last exception that is printed with this one: it has neither cause nor context, or hides it."""
    seen = {id(error)}
    while True:
        following = error.__cause__
        if following is None and not error.__suppress_context__:
            following = error.__context__
        if following is None or id(following) in seen:
            return error
        seen.add(id(following))
        error = following


def stand_in(error: BaseException, index: int, on_error: str, *, at_least: bool) -> Any:
    """What stands in the place of an item that raised in the caller; raises where the run is to end."""
    if on_error == "raise":
        raise with_origin(error, index, at_least=at_least)
    if on_error == "skip":
        return SKIPPED
    assert isinstance(error, Exception)
    return ItemError(index, error, format_traceback(error))


clock = time.perf_counter
cpu_clock = time.thread_time


class ChunkOutcome:
    """What became of the items of a chunk, from position ``start`` on."""

    __slots__ = ("began", "cpu", "failed", "own_cpu", "seconds", "start", "values")

    def __init__(
        self,
        start: int,
        values: list[Any],
        began: float,
        spent: tuple[float, float, float],
        failed: ItemFailed | None = None,
    ) -> None:
        self.start, self.values = start, values
        self.began = began
        self.seconds, self.cpu, self.own_cpu = spent
        """Wall seconds; those in which the thread computed or wanted a core; those on one."""
        self.failed = failed
        """The item after ``values`` raised, and the run is to end; else None."""

    def retime(self, began: float, seconds: float) -> None:
        """Have it that the items ran then and for so long (of a simulated worker)."""
        self.began, self.seconds = began, seconds

    def deliver(self, collector: ResultCollector, worker: tuple[int, int]) -> bool:
        """Place the results and book the time of ``worker`` (process, thread). False where the run is to
        end."""
        failed = self.failed
        if failed is not None:
            collector.place(self.start, self.values)
            collector.fail(failed.index, failed.exception)
            return False
        span = self.start, len(self.values)
        collector.usage.chunk(worker, span, self.began, self.seconds, (self.cpu, self.own_cpu))
        collector.place(self.start, self.values)
        return True


def run_chunk(
    func: Callable[[Any], Any],
    start: int,
    items: Iterable[Any],
    on_error: str,
    mark: memoryview[int] | None = None,
    told: Callable[[BaseException], tuple[BaseException, str]] | None = None,
) -> ChunkOutcome:
    """Run the items from position ``start`` on; the arguments are those of :func:`run_items`."""
    failed, ended = None, _ended[0]
    programs, switches = children_seconds(), _switches()
    began, cpu = clock(), cpu_clock()
    try:
        values = run_items(func, start, items, on_error, mark, told)
    except ItemFailed as error:
        values, failed = error.done, error
    _ended[0] += 1
    spent = _since(began, cpu, switches, programs, _ended[0] - ended)
    return ChunkOutcome(start, values, began, spent, failed)


LOST_SHARE = 0.05
"""Share of a chunk without a core from which it is asked why: less is the clocks' own noise."""
_ended = [0]
"""Chunks that have ended in this process; two threads that count at once may miss one."""
_usage: list[Any] = []
"""``resource.getrusage`` and its argument, once a chunk has lost its core (0.3 ms of import)."""
_looked_for: list[bool] = []
"""Not empty once it was looked for. A system without it would search for it after each chunk that waits,
and under the lock of imports its threads would wait for each other."""


def _since(
    began: float, cpu: float, switches: int | None, programs: float, ended: int
) -> tuple[float, float, float]:
    """Wall seconds; those in which the thread computed or wanted a core; those on one. One that was never
    switched away of its own will did not wait: what it lost was taken by other programs. Those that its
    items have started compute for it: the seconds of ``programs`` belong in equal parts to the chunks of
    all threads that have ``ended`` meanwhile."""
    wall, computed = clock() - began, cpu_clock() - cpu
    programs = children_seconds() - programs
    if programs > 0:
        computed += min(programs / max(1, ended), max(0.0, wall - computed))
    own = computed
    if wall - computed > LOST_SHARE * wall:
        if switches is None:
            if not _looked_for:
                _looked_for.append(True)
                _begin_to_ask()
        elif _switches() == switches:
            computed = wall
    return wall, computed, own


def _switches() -> int | None:
    """How often this thread gave its core away by itself, as each wait does; None where nobody asks."""
    if not _usage:
        return None
    getrusage, thread = _usage
    switches: int = getrusage(thread).ru_nvcsw
    return switches


def _begin_to_ask() -> None:
    try:
        import resource

        _usage[:] = resource.getrusage, resource.RUSAGE_THREAD
    except (ImportError, AttributeError):  # Windows, macOS
        pass
