"""The calls that users make, wired on one page: check the options, run the engine, show the plan."""

from __future__ import annotations

import os
from types import MappingProxyType

from amorsize import items
from amorsize.api.checks import check_buffersize, check_call, check_settings, located, make_options
from amorsize.api.observers import observers_for
from amorsize.api.plan import Plan, plan_of
from amorsize.core.frozen import dataclass, replace
from amorsize.core.nesting import is_nested
from amorsize.core.options import Options
from amorsize.engine.driver import Engine, engine_for
from amorsize.engine.local_loop import LocalLoop
from amorsize.engine.state import RunSpec
from amorsize.errors import OptionTypeError
from amorsize.items.kinds import is_coroutine_function
from amorsize.reporting.log import is_heard

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import (
        AsyncGenerator,
        AsyncIterable,
        Callable,
        Generator,
        Iterable,
        Mapping,
    )
    from typing import Any

    from amorsize.core.model import Machine
    from amorsize.engine.coroutine_engine import CoroutineEngine
    from amorsize.engine.coroutine_spec import CoroutineSpec
    from amorsize.engine.outcome import Stream
    from amorsize.reporting.trace import Trace


@dataclass(frozen=True)
class Settings:
    """What holds for all calls of a :class:`Tuner`: defaults of the options of a call.

    ``options``: names and values as :func:`amorsize.execute` takes them."""

    options: Mapping[str, Any] = MappingProxyType({})
    explore: float = 0.02
    """Share of the time that trying may cost, by expectation: in at most one run of 16 a known
    function takes a configuration that it never ran in, and that beats the loop even at its upper bound.
    0: never."""
    explore_seed: int | None = None
    """The lots come from the newest run's id and this; equal histories and seeds give equal choices."""
    pruning: str | None = "auto"
    """Strategy by which the history is pruned beside runs of more than 10 s, when it has grown by half or
    is nearly full: "conservative", "auto", "aggressive"; None never does."""
    names: bool = True
    """Whether a history in a file that only its owner can read keeps ``module:qualname`` of each
    function, for ``amorsize history show``. A server never gets it, an export only by ``--names``."""


class Tuner:
    """Runs functions over data with settings of its own.

    ``settings``: defaults for the options; ``history``: where its runs are learned from, None for nowhere
    ("default": as the settings say); ``machine``: plan for this machine instead of the one detected (a
    value; see :class:`amorsize.core.model.Machine`); ``trace``: a file that all runs are drawn in, in the
    Trace Event Format (https://ui.perfetto.dev opens it). An existing file is replaced; ``OSError`` if it
    cannot be written. ``OptionError`` for settings out of their range.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        history: Any = "default",
        machine: Machine | None = None,
        trace: str | os.PathLike[str] | None = None,
    ) -> None:
        self.trace: Trace | None = None
        if trace is not None:
            from amorsize.reporting.trace import Trace

            self.trace = Trace(trace)
        self.settings = settings or Settings()
        check_settings(self.settings.explore, self.settings.pruning)
        if not (isinstance(history, str) and history == "default"):
            self.settings = replace(
                self.settings, options={**self.settings.options, "history": located(history)}
            )
        self._machine = machine

    def execute(self, func: Callable[[Any], Any], data: Iterable[Any], **options: Any) -> list[Any]:
        """As :func:`amorsize.execute`."""
        checked = self._checked(func, data, options)
        if not checked.is_plain or is_heard() or is_coroutine_function(func):
            return self._engine(func, data, checked).execute()
        loop = LocalLoop(func, data)
        if loop.open():
            return loop.results
        spec = RunSpec(func, func, checked, nested=is_nested())
        return Engine(spec, loop, self._machine, observers_for(func, checked)).execute()

    def stream(
        self,
        func: Callable[[Any], Any],
        data: Iterable[Any],
        *,
        ordered: bool = True,
        buffersize: int | None = None,
        **options: Any,
    ) -> Stream | Generator[Any, None, None]:
        """As :func:`amorsize.stream`."""
        check_buffersize(buffersize)
        checked = self._checked(func, data, options)
        engine = self._engine(func, data, checked, streaming=True)
        return engine.stream(ordered=ordered, buffersize=buffersize)

    def optimize(self, func: Callable[[Any], Any], data: Iterable[Any], **options: Any) -> Plan:
        """As :func:`amorsize.optimize`."""
        if is_coroutine_function(func):
            raise OptionTypeError(
                "func",
                func,
                "is a coroutine function, whose limit finds its own level as it runs",
                "call execute, stream, aexecute or astream",
            )
        engine = self._engine(func, data, self._checked(func, data, options))
        assert isinstance(engine, Engine)
        engine.measure()
        return plan_of(engine)

    async def aexecute(
        self,
        func: Callable[[Any], Any],
        data: Iterable[Any] | AsyncIterable[Any],
        **options: Any,
    ) -> list[Any]:
        """As :func:`amorsize.aexecute`."""
        if is_coroutine_function(func):
            checked = self._checked(func, data, options)
            asked = self._coroutines(func, data, checked)
            results: list[Any] = await _asynchronous().execute_coroutines(asked)
            return results

        def make(source: Any) -> Any:
            return self._engine(func, source, self._checked(func, source, options))

        found: list[Any] = await _asynchronous().execute_beside(make, data)
        return found

    def astream(
        self,
        func: Callable[[Any], Any],
        data: Iterable[Any] | AsyncIterable[Any],
        *,
        ordered: bool = True,
        buffersize: int | None = None,
        **options: Any,
    ) -> AsyncGenerator[Any, None]:
        """As :func:`amorsize.astream`."""
        check_buffersize(buffersize)
        door = _asynchronous()
        if is_coroutine_function(func):
            checked = self._checked(func, data, options)
            asked = self._coroutines(func, data, checked)
            made: AsyncGenerator[Any, None]
            made = door.stream_coroutines(asked, ordered=ordered, buffersize=buffersize)
            return made

        def make(source: Any) -> Any:
            checked = self._checked(func, source, options)
            return self._engine(func, source, checked, streaming=True)

        beside: AsyncGenerator[Any, None]
        beside = door.stream_beside(make, data, ordered=ordered, buffersize=buffersize)
        return beside

    def _checked(self, func: object, data: object, options: dict[str, Any]) -> Options:
        """The options of a call over those of the settings; errors for whatever is wrong with it."""
        if self.settings.options:
            options = {**self.settings.options, **options}
        if is_coroutine_function(func):
            _asynchronous().check(options)
        checked = make_options(**options)
        settings = self.settings
        kept = settings.explore, settings.explore_seed, settings.pruning, settings.names
        if kept != (checked.explore, checked.explore_seed, checked.pruning, checked.names):
            explore, seed, pruning, names = kept
            checked = replace(
                checked, explore=explore, explore_seed=seed, pruning=pruning, names=names
            )
        if self.trace is not None:
            checked = replace(checked, trace=self.trace)
        check_call(func, data)
        return checked

    def _coroutines(self, func: Callable[[Any], Any], data: Any, checked: Options) -> CoroutineSpec:
        spec: CoroutineSpec
        spec = _asynchronous().Spec(func, data, checked, observers_for(func, checked))
        return spec

    def _engine(
        self,
        func: Callable[[Any], Any],
        data: Iterable[Any],
        checked: Options,
        *,
        streaming: bool = False,
    ) -> Engine | CoroutineEngine:
        if is_coroutine_function(func):
            spec = self._coroutines(func, data, checked)
            engine: CoroutineEngine = _asynchronous().engine_for(spec)
            return engine
        observers = observers_for(func, checked)
        if checked.seed is not None:
            data = items.numbered(data)
        if checked.checkpoint is not None:
            from amorsize.engine.checkpointed import ResumableEngine

            return ResumableEngine(
                func, data, checked, self._machine, observers, streaming=streaming
            )
        return engine_for(func, data, checked, self._machine, observers)


def _asynchronous() -> Any:
    """What coroutines and event loops need; imported when one is met, for it imports asyncio."""
    from amorsize.api import asynchronous

    return asynchronous


_DEFAULT = Tuner()


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


def stream(
    func: Callable[[Any], Any],
    data: Iterable[Any],
    *,
    ordered: bool = True,
    buffersize: int | None = None,
    **options: Any,
) -> Stream | Generator[Any, None, None]:
    """Yield ``func(item) for item in data`` with bounded memory, for huge or endless data.

    A result is given out as soon as it and (if ``ordered``) its predecessors are there. At most
    ``buffersize`` items are ahead of the consumer (default: half a second of work, at most 4,096).
    Closing the iterator ends the workers and closes the source. Options as in :func:`execute`.
    """
    return _DEFAULT.stream(func, data, ordered=ordered, buffersize=buffersize, **options)


async def aexecute(
    func: Callable[[Any], Any], data: Iterable[Any] | AsyncIterable[Any], **options: Any
) -> list[Any]:
    """As :func:`execute`, from inside an event loop, which goes on meanwhile.

    A coroutine function runs in that loop, with as many items side by side as latency and throughput say
    (at most ``n_jobs``); any other function runs as in :func:`execute`, beside the loop. ``data`` may be
    an asynchronous iterable. Cancelling the task ends the run.
    """
    return await _DEFAULT.aexecute(func, data, **options)


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


def optimize(func: Callable[[Any], Any], data: Iterable[Any], **options: Any) -> Plan:
    """Decide how to run ``func`` over ``data`` and say why; ``plan.execute()`` finishes the job.

    The items run while deciding (a few, for some milliseconds) are real and kept. Options as in
    :func:`execute`.
    """
    return _DEFAULT.optimize(func, data, **options)


__all__ = [
    "Options",
    "Plan",
    "Settings",
    "Tuner",
    "aexecute",
    "astream",
    "execute",
    "optimize",
    "stream",
]
