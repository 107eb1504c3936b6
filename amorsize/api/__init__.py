"""The calls that users make, over the default :class:`amorsize.api.tuner.Tuner`, with the types of each.

Type checkers see the overloads of the methods of :class:`Tuner`, which cost nothing at run time.
"""

from __future__ import annotations

from amorsize.api.tuner import Tuner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Callable, Iterable
    from typing import Any

    from amorsize.api.plan import Plan
    from amorsize.api.typed import AsyncResults, F, Results

_DEFAULT = Tuner()


def _typed_as(method: F) -> Callable[[Callable[..., object]], F]:
    """The decorator that gives a function the type of ``method``, for type checkers only."""

    def same(func: Any) -> Any:
        return func

    return same


@_typed_as(_DEFAULT.execute)
def execute(func: Callable[[Any], Any], data: Iterable[Any], **options: Any) -> list[Any]:
    """Return ``[func(item) for item in data]``, computed in the fastest way that amorsize finds.

    The first items run in the caller (the thread that makes this call), and their results are kept. If
    workers pay, threads or processes run the other items, as many and in such chunks as are fastest.

    Parameters
    ----------
    func : callable of one argument
        A function or a coroutine function; :func:`amorsize.star` is for several arguments.
    data : iterable
        One item for each call of ``func``. All items are read: :func:`amorsize.stream` is for endless
        data.
    n_jobs : "auto" or int, default "auto"
        The largest number of workers. -1 is all cores, -2 all but one; 1 is a plain loop. ``max_workers``
        is another name for it.
    backend : "auto", a name, an executor, a client, or a tuple of these, default "auto"
        "serial", "threads", "processes" ("fork" if that is safe, otherwise "spawn"), "fork", "spawn", any
        ``concurrent.futures.Executor``, a Dask client, "dask://host:port", "ray" or the address of a Ray.
        A single one is always used, for every item. Of a tuple, amorsize chooses one.
    chunksize : "auto" or int, default "auto"
        Items that a worker gets at a time. With "auto", chunks are sized by time while the run goes on.
    progress : bool or callable, default False
        True: a bar on standard error. A function: it is called with (done, total), both in items; total
        is None if the data have no length.
    on_error : "raise", "collect" or "skip", default "raise"
        What happens if an item fails. "raise": the call raises the exception of ``func``, with the index
        of the item as a note, and the traceback of a worker as its cause. "collect": an
        :class:`amorsize.ItemError` takes the place of the result. "skip": the item is left out.
    checkpoint : path, default None
        A file that keeps finished items. The same call with the same file runs only the items that are
        left, however the first run ended. Items are found by their content, at any position: new, changed
        and failed items run. ``checkpoint_format``: "pickle" (default), or "json" to store results as
        JSON.
    key : callable or None, default None
        For a checkpoint: what an item is known by, instead of its whole content, for example
        ``key=lambda row: (row["id"], PROMPT)``. With a key, the code of ``func`` may change.
    retry_failed : bool, default False
        For a checkpoint: run only the items that failed before, including those with a bad request
        (status 400, 404, 422 ...), which otherwise do not run again. A new item is an
        :class:`amorsize.NotRun`.
    history : "default", a path, a URL, a History or None, default "default"
        The history that the run reads and adds to: see :func:`amorsize.history.open_history`. "default"
        is what ``AMORSIZE_HISTORY`` names, otherwise a file in the user's state folder. None is no
        history.
    timeout : seconds or None, default None
        How long an item may take, from its start. An item that takes longer becomes a ``TimeoutError``,
        to which ``on_error`` applies. Its worker process is ended and replaced; its thread is left
        behind. No item runs in the caller, because it could not be ended there.
    memory_limit : bytes or text, default None
        The memory that all worker processes together may hold: ``"500MB"``, ``"2GiB"``, a number of
        bytes. A worker that grows too large is replaced between two items, and only as many workers start
        as fit. No item runs in the caller. Without this option, the limit is what the machine and the
        control group have left.
    retries : int, default 0
        How often an item is tried again if it raises one of ``retry_on`` (an exception type or a tuple of
        them, default ``Exception``), or if it takes longer than ``timeout`` and ``TimeoutError`` is one
        of them. Before the first of these tries there is a pause of 0.05 to 0.1 s, doubled with each try
        up to 10 s; other items go on. If the last try fails, ``on_error`` applies to its exception. If a
        server refuses a call (429, 503, 529, throttling codes), the item waits as long as the server
        asks, which costs none of the ``retries``.
    rate : text, number, Rate or None, default None
        The largest number of calls in a time: "500/min", "50/s", a number a second, or an
        :class:`amorsize.Rate`.
    max_errors : int or None, default None
        With ``on_error="collect"`` or ``"skip"``: the run ends when so many items have failed, after all
        their tries. An item that never ran is an ``ItemError`` with an :class:`amorsize.NotRun`.
    seed : int or several, default None
        Each item gets a random generator of its own, :func:`amorsize.item_rng`, by its position: its
        numbers are the same on every backend, with any number of workers and any size of chunks.
    rerun_after_death : bool, default True
        Whether an item runs once more if its worker process died while it ran. If not, or if the second
        worker dies, too, the item is a :class:`amorsize.WorkerDied`, to which ``on_error`` applies. All
        other items are done.
    effects : "watch" or "ignore", default "watch"
        "watch": if ``func`` changes something outside of itself, its items run in the caller, as in the
        loop. "ignore": such changes do not matter, and workers may run it.
    initializer, initargs : callable or None and its arguments, default None and ()
        Called once in each worker before its first item. It is not called in the caller: name a
        ``backend`` with it.

    Returns
    -------
    list
        The results, in the order of the data.

    Raises
    ------
    Exception
        What ``func`` or the data raise.
    OptionError
        An option has a wrong value (a ``ValueError``); the text says what to write instead. For a wrong
        type it is an ``OptionTypeError``, which is a ``TypeError``, too.
    TypeError
        There is no such option.
    WorkerDied
        Two workers died in the same item.
    CheckpointError
        The checkpoint cannot be used.
    """
    return _DEFAULT.execute(func, data, **options)


@_typed_as(_DEFAULT.stream)
def stream(
    func: Callable[[Any], Any],
    data: Iterable[Any],
    *,
    ordered: bool = True,
    buffersize: int | None = None,
    **options: Any,
) -> Results[Any]:
    """Yield the results of ``func`` one by one, with bounded memory, for data that are large or endless.

    Parameters
    ----------
    func, data, **options
        As in :func:`execute`.
    ordered : bool, default True
        Whether results come in the order of the data. If not, each comes as soon as it is ready.
    buffersize : int or None, default None
        The number of items that are read ahead of the result that is in use. None: half a second of work,
        at most 4,096 items.

    Returns
    -------
    Results
        An iterator. Its ``close()``, and the end of ``with amorsize.stream(...) as results:``, ends the
        workers and closes the data.

    Raises
    ------
    The same exceptions as :func:`execute`: ``OptionError`` and ``TypeError`` at once, the others from
    ``next()``.
    """
    return _DEFAULT.stream(func, data, ordered=ordered, buffersize=buffersize, **options)


@_typed_as(_DEFAULT.optimize)
def optimize(func: Callable[[Any], Any], data: Iterable[Any], **options: Any) -> Plan[Any]:
    """Decide how to run ``func`` over ``data``, and return the decision with its reasons.

    A few items run meanwhile, for some milliseconds. Their results are kept: ``plan.execute()`` runs only
    the items that are left, and returns all results. Parameters and errors as in :func:`execute`. If an
    item raises meanwhile, ``plan.execute()`` raises it.
    """
    return _DEFAULT.optimize(func, data, **options)


@_typed_as(_DEFAULT.aexecute)
async def aexecute(
    func: Callable[[Any], Any], data: Iterable[Any] | AsyncIterable[Any], **options: Any
) -> list[Any]:
    """The same as :func:`execute`, for a program with an event loop, which is not blocked.

    A coroutine function runs in that loop. The number of items at the same time follows their latency and
    throughput, and is at most ``n_jobs``. An ordinary function runs beside the loop, as in
    :func:`execute`. ``data`` may be an asynchronous iterable. If the task is cancelled, the run ends.
    """
    results: list[Any] = await _DEFAULT.aexecute(func, data, **options)
    return results


@_typed_as(_DEFAULT.astream)
def astream(
    func: Callable[[Any], Any],
    data: Iterable[Any] | AsyncIterable[Any],
    *,
    ordered: bool = True,
    buffersize: int | None = None,
    **options: Any,
) -> AsyncResults[Any]:
    """The same as :func:`stream`, for ``async for`` inside an event loop; see :func:`aexecute`.

    ``aclose()`` ends the run, and so does the end of the task."""
    return _DEFAULT.astream(func, data, ordered=ordered, buffersize=buffersize, **options)


__all__ = ["aexecute", "astream", "execute", "optimize", "stream"]
