"""``amorsize.Executor``: a ``concurrent.futures.Executor`` whose ``map`` chooses workers and chunks.

``submit`` goes to a pool of threads (the standard library's) or of worker processes
(`backends.processes.service`). ``map`` is a stream of the engine: a consumer that iterates at once drives
it; else a thread of its own does, for a map begins without being iterated over.

::

    map --> claimed by the first next()  --> the engine runs in the consumer's thread
       \\--> nobody came within 2 ms      --> it runs in a thread; results wait for the consumer
"""

from __future__ import annotations

import threading
import time
import weakref
from collections import deque
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from concurrent.futures import Executor as _Executor
from concurrent.futures import TimeoutError as _TimeoutError
from contextvars import copy_context
from itertools import islice

from amorsize import planning
from amorsize.api import stream
from amorsize.api.checks import check_buffersize
from amorsize.backends.processes.service import Pool, item_of
from amorsize.errors import OptionError, OptionTypeError
from amorsize.items.kinds import star
from amorsize.machine.detect import usable_cores

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator
    from typing import Any, Literal, ParamSpec, TypeVar

    from amorsize.planning.rate import Rate

    P = ParamSpec("P")
    T = TypeVar("T")

GRACE_SECONDS = 0.002
"""A map that nobody has begun to iterate over by then runs in a thread of its own. ``list(map(...))``
comes within 0.1 ms; what the wait costs others is their first 2 ms."""

BACKENDS = ("auto", "threads", "processes")


class Executor(_Executor):
    """An executor in the place of ``ThreadPoolExecutor`` or ``ProcessPoolExecutor``, whose ``map``
    chooses workers and chunks.

    Worker processes are fresh interpreters. They need no ``if __name__ == "__main__"``, and they accept
    lambdas. If a worker process dies, the call that it was running runs once more. If the second worker
    dies, too, the call raises :class:`amorsize.WorkerDied`, which for ``submit`` is also a
    ``BrokenProcessPool``. All other calls are done.

    Parameters
    ----------
    max_workers : int or None, default None
        The largest number of workers. None: for threads as many as the standard library has, for
        processes the usable cores.
    backend : "auto", "threads" or "processes", default "auto"
        "auto": ``submit`` uses threads, and each ``map`` uses what is fastest. "threads" and "processes":
        both use only these.
    initializer, initargs
        Called once in each worker. With "auto", ``map`` then uses threads, too.
    thread_name_prefix : text
        As in ``ThreadPoolExecutor``.
    rerun_after_death : bool, default True
        Whether a call runs once more if its worker process died. If not, it raises ``WorkerDied`` at
        once.
    rate : text, number, Rate or None, default None
        The largest number of calls in a time, of ``submit`` and ``map`` together: "500/min", 50 (a
        second), or an :class:`amorsize.Rate`, which other calls may share. The ``cost=`` of a rate is
        called with the argument of a call, or with the tuple of its arguments.

    Raises
    ------
    OptionError
        A parameter has a wrong value or type.
    """

    def __init__(
        self,
        max_workers: int | None = None,
        *,
        backend: Literal["auto", "threads", "processes"] = "auto",
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
        thread_name_prefix: str = "",
        rerun_after_death: bool = True,
        rate: Rate | str | float | None = None,
    ) -> None:
        _check(max_workers, backend, initializer)
        self._backend = backend
        self._asked = max_workers
        self._rate = None if rate is None else planning.rate_of(rate)
        self._options: dict[str, Any] = {
            "rerun_after_death": rerun_after_death,
            "rate": self._rate,
        }
        if initializer is not None:
            self._options |= {"initializer": initializer, "initargs": initargs}
            if backend == "auto":
                self._backend = backend = "threads"
        self._closed = False
        self._maps: weakref.WeakSet[_Run] = weakref.WeakSet()
        self._pool: Any
        if backend == "processes":
            cores = usable_cores()
            self._max_workers = max_workers or cores
            self._pool = Pool(
                self._max_workers,
                initializer=initializer,
                initargs=initargs,
                inner_threads=max(1, cores // self._max_workers),
                rerun_after_death=rerun_after_death,
                rate=self._rate,
            )
            weakref.finalize(self, self._pool.end)
        else:
            self._pool = ThreadPoolExecutor(max_workers, thread_name_prefix, initializer, initargs)
            self._max_workers = self._pool._max_workers

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run ``fn(*args, **kwargs)`` in a worker, and return its future at once."""
        if isinstance(self._pool, ThreadPoolExecutor):
            if self._rate is not None:
                return self._pool.submit(_in_time, self._rate, fn, args, kwargs)
            return self._pool.submit(fn, *args, **kwargs)
        return self._pool.submit(fn, args, kwargs)  # type: ignore[no-any-return]

    def map(
        self,
        fn: Callable[..., T],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int = 1,
        buffersize: int | None = None,
    ) -> Iterator[T]:
        """Return an iterator over the results of ``map(fn, *iterables)``; amorsize chooses how they run.

        Without ``buffersize``, all iterables are read at once, and the work begins at once, as in the
        standard library. With ``buffersize``, the work begins when you ask for the first result; at most
        ``buffersize`` items are read ahead, and the iterables may be endless. ``timeout``: if a result is
        not there so many seconds from now, ``TimeoutError`` is raised. ``chunksize``: with 1, the default
        of the standard library, amorsize chooses; a larger number is used as it is. Closing the iterator
        ends the run.
        """
        if chunksize < 1:
            raise OptionError("chunksize", chunksize, "must be at least 1", "leave it out")
        check_buffersize(buffersize)
        if self._closed:
            raise RuntimeError("cannot schedule new futures after shutdown")
        deadline = None if timeout is None else timeout + time.monotonic()
        if self._asked == 1 and self._backend != "processes":
            return self._in_turn(fn, zip(*iterables), deadline, buffersize)  # noqa: B905
        data: Iterable[Any] = iterables[0] if len(iterables) == 1 else zip(*iterables)  # noqa: B905
        if buffersize is None:
            data = list(data)
        options = {"n_jobs": self._asked, "backend": self._backend, **self._options}
        if chunksize > 1:
            options["chunksize"] = chunksize
        func = fn if len(iterables) == 1 else star(fn)

        def begin() -> Any:  # a stream, which is typed by what it gives
            return stream(func, data, buffersize=buffersize, **options)

        run = _Run(begin, deadline)
        if buffersize is None:
            self._maps.add(run)
            run.start()
        return run.results()

    def _in_turn(
        self,
        fn: Callable[..., T],
        calls: Iterator[tuple[Any, ...]],
        deadline: float | None,
        buffersize: int | None,
    ) -> Generator[T, None, None]:
        """A map on the pool's one thread: who asks for one worker may rely on calls never meeting."""
        futures = deque(self.submit(fn, *args) for args in islice(calls, buffersize))

        def results() -> Generator[T, None, None]:
            try:
                while futures:
                    left = None if deadline is None else deadline - time.monotonic()
                    value = futures[0].result(left)
                    del futures[0]
                    futures.extend(self.submit(fn, *args) for args in islice(calls, 1))
                    yield value
                    del value
            finally:
                for future in futures:
                    future.cancel()

        return results()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Accept no more calls, as in the standard library.

        ``cancel_futures``: drop the calls that have not begun. ``wait``: return when all calls are done.
        A map with a ``buffersize`` goes on; with ``max_workers=1`` it ends with a ``RuntimeError``, as in
        the standard library."""
        self._closed = True
        for run in list(self._maps):
            if cancel_futures:
                run.cancel()
            if wait:
                run.finish()
        if isinstance(self._pool, ThreadPoolExecutor):
            self._pool.shutdown(wait, cancel_futures=cancel_futures)
            return
        self._pool.end(cancel=cancel_futures)
        if wait:
            self._pool.join()


def _in_time(rate: Rate, fn: Callable[..., T], args: tuple[Any, ...], named: dict[str, Any]) -> T:
    """Call when the rate allows it; the thread waits for that."""
    costs = rate.costs(item_of(args, named))
    while (wait := rate.take(time.monotonic(), costs)) > 0.0:
        time.sleep(wait)
    return fn(*args, **named)


class _Run:
    """One ``map``: a stream, and who drives it."""

    def __init__(self, begin: Callable[[], Generator[Any, None, None]], deadline: float | None):
        self._begin = begin
        self._deadline = deadline
        """On the monotonic clock."""
        self._stream: Generator[Any, None, None] | None = None
        self._turn = threading.Lock()
        """Held by who drives the stream, or decides who will."""
        self._ready: deque[Any] = deque()
        self._changed = threading.Condition()
        self._ended = False
        self._error: BaseException | None = None
        self._stop = False
        self._come = threading.Event()
        """There is no need to wait whether somebody iterates."""
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """See to it that the work begins soon."""
        if self._deadline is not None:
            self._come.set()
        thread = threading.Thread(
            target=copy_context().run, args=(self._drive,), name="amorsize-map", daemon=True
        )
        try:
            thread.start()
        except RuntimeError:  # no thread can be had: it begins with the iteration
            return
        self._thread = thread

    def results(self) -> Generator[Any, None, None]:
        """What ``map`` returns."""
        try:
            if self._claim():
                yield from self._driven_here()
                return
            while self._wait():
                yield self._ready.popleft()
            if self._error is not None:
                error, self._error = self._error, None
                try:
                    raise error
                finally:
                    del error
        finally:
            self._stop = True

    def _claim(self) -> bool:
        """Whether the consumer is the first, and so drives."""
        if self._deadline is not None or not self._turn.acquire(blocking=False):
            return False
        if self._stream is not None or self._ended:
            self._turn.release()
            return False
        try:
            self._stream = self._begin()
            self._come.set()
        finally:
            self._turn.release()
        if self._thread is not None:
            self._thread.join()  # one thread less: the process may fork
        return True

    def _driven_here(self) -> Generator[Any, None, None]:
        """The consumer's own thread runs the engine; ``shutdown`` may take it over in between."""
        stream = self._stream
        assert stream is not None
        try:
            while True:
                with self._turn:
                    if self._ready or self._ended:
                        break
                    try:
                        value = next(stream)
                    except StopIteration:
                        self._ended = True
                        return
                yield value
                del value
            while self._ready:
                yield self._ready.popleft()
            if self._error is not None:
                raise self._error
        finally:
            stream.close()

    def _wait(self) -> bool:
        """Wait for a result of the thread; False at the end."""
        with self._changed:
            while not self._ready and not self._ended:
                left = None if self._deadline is None else self._deadline - time.monotonic()
                if left is not None and left <= 0:
                    raise _TimeoutError()
                self._changed.wait(left)
            return bool(self._ready)

    def _drive(self) -> None:
        """The thread: drive the stream if nobody has come, or end."""
        self._come.wait(GRACE_SECONDS)
        with self._turn:
            if self._stream is None:  # else the consumer drives
                self._drain()

    def _drain(self) -> None:
        """Begin unless that is done, and run to the end, results into the queue; the turn is ours."""
        error: BaseException | None = None
        try:
            if not self._ended:
                self._stream = self._stream or self._begin()
                for value in self._stream:
                    with self._changed:
                        self._ready.append(value)
                        self._changed.notify()
                    del value
                    if self._stop:
                        error = CancelledError()
                        break
        except BaseException as raised:
            error = raised
        finally:
            if self._stream is not None:
                self._stream.close()
            with self._changed:
                self._ended = True
                self._error = self._error or error
                self._changed.notify_all()

    def cancel(self) -> None:
        """Drop what has not begun."""
        self._stop = True
        if self._turn.acquire(blocking=False):
            try:
                if self._stream is None:
                    self._ended, self._error = True, CancelledError()
            finally:
                self._turn.release()
        self._come.set()

    def finish(self) -> None:
        """Come back when the work is done."""
        self._come.set()
        if self._thread is not None:
            self._thread.join()
        with self._turn:
            if not self._ended:
                self._drain()


def _check(max_workers: Any, backend: Any, initializer: Any) -> None:
    if max_workers is not None and max_workers <= 0:
        raise OptionError(
            "max_workers",
            max_workers,
            "max_workers must be greater than 0",
            "leave it out to have it chosen",
        )
    if backend not in BACKENDS:
        raise OptionError(
            "backend",
            backend,
            "must be one of " + ", ".join(map(repr, BACKENDS)),
            "choose one of them",
        )
    if initializer is not None and not callable(initializer):
        raise OptionTypeError(
            "initializer", initializer, "initializer must be a callable", "pass a function or None"
        )
