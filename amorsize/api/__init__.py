"""The calls that users make, over the default :class:`amorsize.api.tuner.Tuner`, with the types of each.

What type checkers see are the overloads, which cost nothing at run time. A :class:`Tuner` has the same.
"""

from __future__ import annotations

from amorsize.api.tuner import Tuner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable, Callable, Coroutine, Iterable
    from typing import Any, Never, Unpack, overload

    from amorsize.api.plan import Plan
    from amorsize.api.typed import Collects, KeepsType, R, Results, RunOptions, T
    from amorsize.errors import ItemError

_DEFAULT = Tuner()


if TYPE_CHECKING:

    @overload
    def execute(
        func: Callable[[T], Coroutine[object, Never, R]],
        data: Iterable[T],
        *,
        on_error: KeepsType = ...,
        **options: Unpack[RunOptions],
    ) -> list[R]: ...
    @overload
    def execute(
        func: Callable[[T], Coroutine[object, Never, R]],
        data: Iterable[T],
        *,
        on_error: Collects,
        **options: Unpack[RunOptions],
    ) -> list[R | ItemError]: ...
    @overload
    def execute(
        func: Callable[[T], R],
        data: Iterable[T],
        *,
        on_error: KeepsType = ...,
        **options: Unpack[RunOptions],
    ) -> list[R]: ...
    @overload
    def execute(
        func: Callable[[T], R],
        data: Iterable[T],
        *,
        on_error: Collects,
        **options: Unpack[RunOptions],
    ) -> list[R | ItemError]: ...


def execute(func: Callable[[Any], Any], data: Iterable[Any], **options: Any) -> list[Any]:
    """Return ``[func(item) for item in data]``, computed as fast as this machine can.

    The first items run in the caller, and count; then the rest goes to threads or processes if
    that pays, in the numbers and chunks that pay most.

    Parameters
    ----------
    func : callable of one argument (see :func:`amorsize.star` for more)
    data : any iterable
    n_jobs : "auto" or int, default "auto"
        Most workers; -1 all cores, -2 all but one; 1 a plain loop. ``max_workers`` is an alias.
    backend : "auto", a name, an executor, a client, or a tuple of these, default "auto"
        "serial", "threads", "processes" ("fork" where safe, else "spawn"), "fork", "spawn", any
        ``concurrent.futures.Executor``, a Dask client, "dask://host:port", "ray" or a Ray's address.
        One is an order: every item goes there. A tuple is a limit on the choice.
    chunksize : "auto" or int, default "auto"
        Items handed over at once; sized by time as the run goes when left alone.
    progress : bool or callable, default False
        One bar on standard error that counts items, or a function of (done, total); total is None
        where the data do not know their length.
    on_error : "raise", "collect" or "skip", default "raise"
        The function's own exception with the item's index as a note and a worker's traceback as its
        cause; an :class:`amorsize.ItemError` in the item's place; or leave the item out.
    checkpoint : path, default None
        Keep finished items in this file; the same call with the same file goes on where it ended,
        whatever ended it. Items are found by their content, wherever they stand: only new, changed and
        failed ones run. ``checkpoint_format``: "pickle", or "json" for results that JSON holds.
    key : callable or None, default None
        Tells items of a checkpoint apart instead of their content, and whether they have changed:
        ``key=lambda row: (row["id"], PROMPT)``. Other code of the function is no reason to refuse then.
    retry_failed : bool, default False
        With ``checkpoint``: run only items that failed before, also those whose request was bad (status
        400, 404, 422 ...), which are not tried again otherwise. New items are :class:`amorsize.NotRun`.
    history : "default", a path, a URL, a History or None, default "default"
        Where the run is learned from, and recorded: see :func:`amorsize.history.open_history`. "default"
        is what ``AMORSIZE_HISTORY`` names, else a file in the user's state folder; None is for none.
    timeout : seconds or None, default None
        How long an item may take, from its start. One that takes longer becomes a ``TimeoutError``
        (``on_error`` applies); its worker process is ended and replaced, a thread is left behind. Nothing
        runs in the caller then: nobody could stop it.
    memory_limit : bytes or text, default None
        What all worker processes may hold together: ``"500MB"``, ``"2GiB"``, a number of bytes. A worker
        that grows too large is replaced between two items, and no more are started than fit. Nothing
        runs in the caller then. Without it the limit is what the machine and the control group have left.
    retries : int, default 0
        Further tries of an item that raises one of ``retry_on`` (an exception type or a tuple of them,
        default ``Exception``) or, where ``TimeoutError`` is one of them, takes longer than ``timeout``.
        Between two tries lies a pause of 0.05 to 0.1 s, doubled with each try up to 10 s; other items
        go on meanwhile. What the last try raises counts (``on_error`` applies).
        A server that refuses (429, 503, 529, throttling codes) is no failure: the item waits as it asks,
        and spends no try.
    rate : text, number, Rate or None, default None
        Upper bound of calls: "500/min", "50/s", a number a second, or an :class:`amorsize.Rate`.
    max_errors : int or None, default None
        With ``on_error="collect"`` or ``"skip"``: so many items that failed for good end the run; what
        never ran is an ``ItemError`` with an :class:`amorsize.NotRun`.
    seed : int or several, default None
        Gives each item a random generator of its own, :func:`amorsize.item_rng`, by its position: the
        same numbers for every backend, number of workers and chunk size.
    rerun_after_death : bool, default True
        Whether an item in which a worker process died runs once more. If not, or if its worker dies
        again, it is a :class:`amorsize.WorkerDied` (``on_error`` applies). All other items are done.
    initializer, initargs : callable or None and its arguments, default None and ()
        Called once in each worker before its first item; not in the caller's own loop.

    Returns
    -------
    list of the results, in the order of the data

    Raises
    ------
    The function's own exceptions; :class:`amorsize.WorkerDied`; :class:`amorsize.CheckpointError`;
    ``OptionError`` (a ValueError) for an option out of its range, naming the value, the rule and the
    way out, of a wrong type ``OptionTypeError`` (a TypeError, too); ``TypeError`` for one that does not
    exist.
    """
    return _DEFAULT.execute(func, data, **options)


if TYPE_CHECKING:

    @overload
    def stream(
        func: Callable[[T], Coroutine[object, Never, R]],
        data: Iterable[T],
        *,
        ordered: bool = ...,
        buffersize: int | None = ...,
        on_error: KeepsType = ...,
        **options: Unpack[RunOptions],
    ) -> Results[R]: ...
    @overload
    def stream(
        func: Callable[[T], Coroutine[object, Never, R]],
        data: Iterable[T],
        *,
        ordered: bool = ...,
        buffersize: int | None = ...,
        on_error: Collects,
        **options: Unpack[RunOptions],
    ) -> Results[R | ItemError]: ...
    @overload
    def stream(
        func: Callable[[T], R],
        data: Iterable[T],
        *,
        ordered: bool = ...,
        buffersize: int | None = ...,
        on_error: KeepsType = ...,
        **options: Unpack[RunOptions],
    ) -> Results[R]: ...
    @overload
    def stream(
        func: Callable[[T], R],
        data: Iterable[T],
        *,
        ordered: bool = ...,
        buffersize: int | None = ...,
        on_error: Collects,
        **options: Unpack[RunOptions],
    ) -> Results[R | ItemError]: ...


def stream(
    func: Callable[[Any], Any],
    data: Iterable[Any],
    *,
    ordered: bool = True,
    buffersize: int | None = None,
    **options: Any,
) -> Results[Any]:
    """Yield ``func(item) for item in data`` with bounded memory, for huge or endless data.

    A result is given out as soon as it and (if ``ordered``) its predecessors are there. At most
    ``buffersize`` items are ahead of the consumer (default: half a second of work, at most 4,096).
    Closing the iterator ends the workers and closes the source. Options as in :func:`execute`.
    """
    return _DEFAULT.stream(func, data, ordered=ordered, buffersize=buffersize, **options)


if TYPE_CHECKING:

    @overload
    def optimize(
        func: Callable[[T], R],
        data: Iterable[T],
        *,
        on_error: KeepsType = ...,
        **options: Unpack[RunOptions],
    ) -> Plan[R]: ...
    @overload
    def optimize(
        func: Callable[[T], R],
        data: Iterable[T],
        *,
        on_error: Collects,
        **options: Unpack[RunOptions],
    ) -> Plan[R | ItemError]: ...


def optimize(func: Callable[[Any], Any], data: Iterable[Any], **options: Any) -> Plan[Any]:
    """Decide how to run ``func`` over ``data`` and say why; ``plan.execute()`` finishes the job.

    The items run while deciding (a few, for some milliseconds) are real and kept. Options as in
    :func:`execute`.
    """
    return _DEFAULT.optimize(func, data, **options)


if TYPE_CHECKING:

    @overload
    async def aexecute(
        func: Callable[[T], Coroutine[object, Never, R]],
        data: Iterable[T] | AsyncIterable[T],
        *,
        on_error: KeepsType = ...,
        **options: Unpack[RunOptions],
    ) -> list[R]: ...
    @overload
    async def aexecute(
        func: Callable[[T], Coroutine[object, Never, R]],
        data: Iterable[T] | AsyncIterable[T],
        *,
        on_error: Collects,
        **options: Unpack[RunOptions],
    ) -> list[R | ItemError]: ...
    @overload
    async def aexecute(
        func: Callable[[T], R],
        data: Iterable[T] | AsyncIterable[T],
        *,
        on_error: KeepsType = ...,
        **options: Unpack[RunOptions],
    ) -> list[R]: ...
    @overload
    async def aexecute(
        func: Callable[[T], R],
        data: Iterable[T] | AsyncIterable[T],
        *,
        on_error: Collects,
        **options: Unpack[RunOptions],
    ) -> list[R | ItemError]: ...


async def aexecute(
    func: Callable[[Any], Any], data: Iterable[Any] | AsyncIterable[Any], **options: Any
) -> list[Any]:
    """As :func:`execute`, from inside an event loop, which goes on meanwhile.

    A coroutine function runs in that loop, with as many items side by side as latency and throughput say
    (at most ``n_jobs``); any other function runs as in :func:`execute`, beside the loop. ``data`` may be
    an asynchronous iterable. Cancelling the task ends the run.
    """
    results: list[Any] = await _DEFAULT.aexecute(func, data, **options)
    return results


if TYPE_CHECKING:

    @overload
    def astream(
        func: Callable[[T], Coroutine[object, Never, R]],
        data: Iterable[T] | AsyncIterable[T],
        *,
        ordered: bool = ...,
        buffersize: int | None = ...,
        on_error: KeepsType = ...,
        **options: Unpack[RunOptions],
    ) -> AsyncGenerator[R, None]: ...
    @overload
    def astream(
        func: Callable[[T], Coroutine[object, Never, R]],
        data: Iterable[T] | AsyncIterable[T],
        *,
        ordered: bool = ...,
        buffersize: int | None = ...,
        on_error: Collects,
        **options: Unpack[RunOptions],
    ) -> AsyncGenerator[R | ItemError, None]: ...
    @overload
    def astream(
        func: Callable[[T], R],
        data: Iterable[T] | AsyncIterable[T],
        *,
        ordered: bool = ...,
        buffersize: int | None = ...,
        on_error: KeepsType = ...,
        **options: Unpack[RunOptions],
    ) -> AsyncGenerator[R, None]: ...
    @overload
    def astream(
        func: Callable[[T], R],
        data: Iterable[T] | AsyncIterable[T],
        *,
        ordered: bool = ...,
        buffersize: int | None = ...,
        on_error: Collects,
        **options: Unpack[RunOptions],
    ) -> AsyncGenerator[R | ItemError, None]: ...


def astream(
    func: Callable[[Any], Any],
    data: Iterable[Any] | AsyncIterable[Any],
    *,
    ordered: bool = True,
    buffersize: int | None = None,
    **options: Any,
) -> AsyncGenerator[Any, None]:
    """As :func:`stream`, for ``async for`` inside an event loop; see :func:`aexecute`.

    ``aclose()``, or the end of the task, ends the run."""
    return _DEFAULT.astream(func, data, ordered=ordered, buffersize=buffersize, **options)


__all__ = ["aexecute", "astream", "execute", "optimize", "stream"]
