"""The calls that users make, wired on one page: check the options, run the engine, show the plan."""

from __future__ import annotations

import os
from types import MappingProxyType

from amorsize import engine as engines
from amorsize import items, learning
from amorsize.api.checks import check_buffersize, check_call, check_settings, located, make_options
from amorsize.api.observers import observers_for
from amorsize.api.plan import Plan, plan_of
from amorsize.core.frozen import dataclass, replace
from amorsize.core.nesting import is_nested
from amorsize.core.options import Options
from amorsize.engine.driver import Engine, engine_for
from amorsize.engine.local_loop import LocalLoop
from amorsize.engine.slices import may_take_long
from amorsize.engine.state import RunSpec
from amorsize.errors import OptionTypeError
from amorsize.items.kinds import is_coroutine_function
from amorsize.reporting.log import is_heard

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Callable, Coroutine, Iterable
    from typing import Any, Never, Unpack, overload

    from amorsize.api.typed import (
        AsyncResults,
        Collects,
        KeepsType,
        R,
        Results,
        RunOptions,
        SettingsOptions,
        Strategy,
        T,
    )
    from amorsize.core.model import Machine
    from amorsize.engine.coroutine_engine import CoroutineEngine
    from amorsize.engine.coroutine_spec import CoroutineSpec
    from amorsize.errors import ItemError
    from amorsize.history.base import History
    from amorsize.reporting.trace import Trace


NO_OPTIONS: SettingsOptions = MappingProxyType({})  # type: ignore[assignment]  # not to be changed


@dataclass(frozen=True)
class Settings:
    """What all calls of a :class:`Tuner` have in common.

    ``options``: defaults of options, by name, as :func:`amorsize.execute` takes them."""

    options: SettingsOptions = NO_OPTIONS
    explore: float = 0.02
    """Share of the time that trying something new may cost, in the mean. In at most one run of 16, a
    known function runs in a configuration in which it never ran, if that is faster than the loop even at
    the upper end of its prediction. 0 turns this off."""
    explore_seed: int | None = None
    """Which runs try something new follows from this number and the id of the newest run: equal histories
    and seeds give equal choices."""
    pruning: Strategy | None = "auto"
    """How the history is pruned, beside runs of more than 10 s, when it has grown by half or is nearly
    full: "conservative", "auto" or "aggressive". None: it is not pruned."""
    names: bool = True
    """Whether a history in a file that only its owner can read has ``module:qualname`` of each function,
    for ``amorsize history show``. A server never gets names; an export has them only with ``--names``."""


class Tuner:
    """Has the calls of amorsize as methods, with settings and a history of its own.

    ``settings``: defaults for the options. ``history``: the history that the runs read and add to; None
    is no history, "default" what the settings say. ``machine``: decide for this
    :class:`amorsize.core.model.Machine`, and not for the one that is detected. ``trace``: a file that
    shows all runs, in the Trace Event Format (https://ui.perfetto.dev); an existing file is replaced.

    Raises ``OptionError`` if a setting has a wrong value, and ``OSError`` if the trace cannot be written.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        history: str | os.PathLike[str] | History | None = "default",
        machine: Machine | None = None,
        trace: str | os.PathLike[str] | None = None,
    ) -> None:
        self.trace: Trace | None = None
        if trace is not None:
            from amorsize.reporting.trace import Trace

            self.trace = Trace(trace)
        self.settings: Settings = settings or Settings()
        check_settings(self.settings.explore, self.settings.pruning)
        if not (isinstance(history, str) and history == "default"):
            self.settings = replace(
                self.settings, options={**self.settings.options, "history": located(history)}
            )
        self._machine = machine

    if TYPE_CHECKING:

        @overload
        def execute(
            self,
            func: Callable[[T], Coroutine[object, Never, R]],
            data: Iterable[T],
            *,
            on_error: KeepsType = ...,
            **options: Unpack[RunOptions],
        ) -> list[R]: ...
        @overload
        def execute(
            self,
            func: Callable[[T], Coroutine[object, Never, R]],
            data: Iterable[T],
            *,
            on_error: Collects,
            **options: Unpack[RunOptions],
        ) -> list[R | ItemError]: ...
        @overload
        def execute(
            self,
            func: Callable[[T], R],
            data: Iterable[T],
            *,
            on_error: KeepsType = ...,
            **options: Unpack[RunOptions],
        ) -> list[R]: ...
        @overload
        def execute(
            self,
            func: Callable[[T], R],
            data: Iterable[T],
            *,
            on_error: Collects,
            **options: Unpack[RunOptions],
        ) -> list[R | ItemError]: ...

    def execute(self, func: Callable[[Any], Any], data: Iterable[Any], **options: Any) -> list[Any]:
        """As :func:`amorsize.execute`."""
        checked = self._checked(func, data, options)
        if not checked.is_plain or is_heard() or is_coroutine_function(func):
            return self._engine(func, data, checked).execute()
        loop, long = LocalLoop(func, data), _is_known_long(func, checked)
        if not long and loop.open():
            return loop.results
        spec = RunSpec(func, func, checked, nested=is_nested(), known_long=long)
        return Engine(spec, loop, self._machine, observers_for(func, checked)).execute()

    if TYPE_CHECKING:

        @overload
        def stream(
            self,
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
            self,
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
            self,
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
            self,
            func: Callable[[T], R],
            data: Iterable[T],
            *,
            ordered: bool = ...,
            buffersize: int | None = ...,
            on_error: Collects,
            **options: Unpack[RunOptions],
        ) -> Results[R | ItemError]: ...

    def stream(
        self,
        func: Callable[[Any], Any],
        data: Iterable[Any],
        *,
        ordered: bool = True,
        buffersize: int | None = None,
        **options: Any,
    ) -> Results[Any]:
        """As :func:`amorsize.stream`."""
        check_buffersize(buffersize, ordered)
        checked = self._checked(func, data, options)
        engine = self._engine(func, data, checked, streaming=True)
        return engine.stream(ordered=ordered, buffersize=buffersize)

    if TYPE_CHECKING:

        @overload
        def optimize(
            self,
            func: Callable[[T], R],
            data: Iterable[T],
            *,
            on_error: KeepsType = ...,
            **options: Unpack[RunOptions],
        ) -> Plan[R]: ...
        @overload
        def optimize(
            self,
            func: Callable[[T], R],
            data: Iterable[T],
            *,
            on_error: Collects,
            **options: Unpack[RunOptions],
        ) -> Plan[R | ItemError]: ...

    def optimize(
        self, func: Callable[[Any], Any], data: Iterable[Any], **options: Any
    ) -> Plan[Any]:
        """As :func:`amorsize.optimize`."""
        if is_coroutine_function(func):
            raise OptionTypeError(
                "func",
                func,
                "is a coroutine function, whose limit finds its own level as it runs",
                "call execute, stream, aexecute or astream",
            )
        checked = self._checked(func, data, options)
        engine = self._engine(func, data, checked)
        assert isinstance(engine, Engine)
        if engine.spec.settled and checked.checkpoint is None:
            observers = observers_for(func, checked)
            engine = engines.tried_out(engine, data, self._machine, observers) or engine
        engine.measure()
        return plan_of(engine)

    if TYPE_CHECKING:

        @overload
        async def aexecute(
            self,
            func: Callable[[T], Coroutine[object, Never, R]],
            data: Iterable[T] | AsyncIterable[T],
            *,
            on_error: KeepsType = ...,
            **options: Unpack[RunOptions],
        ) -> list[R]: ...
        @overload
        async def aexecute(
            self,
            func: Callable[[T], Coroutine[object, Never, R]],
            data: Iterable[T] | AsyncIterable[T],
            *,
            on_error: Collects,
            **options: Unpack[RunOptions],
        ) -> list[R | ItemError]: ...
        @overload
        async def aexecute(
            self,
            func: Callable[[T], R],
            data: Iterable[T] | AsyncIterable[T],
            *,
            on_error: KeepsType = ...,
            **options: Unpack[RunOptions],
        ) -> list[R]: ...
        @overload
        async def aexecute(
            self,
            func: Callable[[T], R],
            data: Iterable[T] | AsyncIterable[T],
            *,
            on_error: Collects,
            **options: Unpack[RunOptions],
        ) -> list[R | ItemError]: ...

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

    if TYPE_CHECKING:

        @overload
        def astream(
            self,
            func: Callable[[T], Coroutine[object, Never, R]],
            data: Iterable[T] | AsyncIterable[T],
            *,
            ordered: bool = ...,
            buffersize: int | None = ...,
            on_error: KeepsType = ...,
            **options: Unpack[RunOptions],
        ) -> AsyncResults[R]: ...
        @overload
        def astream(
            self,
            func: Callable[[T], Coroutine[object, Never, R]],
            data: Iterable[T] | AsyncIterable[T],
            *,
            ordered: bool = ...,
            buffersize: int | None = ...,
            on_error: Collects,
            **options: Unpack[RunOptions],
        ) -> AsyncResults[R | ItemError]: ...
        @overload
        def astream(
            self,
            func: Callable[[T], R],
            data: Iterable[T] | AsyncIterable[T],
            *,
            ordered: bool = ...,
            buffersize: int | None = ...,
            on_error: KeepsType = ...,
            **options: Unpack[RunOptions],
        ) -> AsyncResults[R]: ...
        @overload
        def astream(
            self,
            func: Callable[[T], R],
            data: Iterable[T] | AsyncIterable[T],
            *,
            ordered: bool = ...,
            buffersize: int | None = ...,
            on_error: Collects,
            **options: Unpack[RunOptions],
        ) -> AsyncResults[R | ItemError]: ...

    def astream(
        self,
        func: Callable[[Any], Any],
        data: Iterable[Any] | AsyncIterable[Any],
        *,
        ordered: bool = True,
        buffersize: int | None = None,
        **options: Any,
    ) -> AsyncResults[Any]:
        """As :func:`amorsize.astream`."""
        check_buffersize(buffersize, ordered)
        door = _asynchronous()
        if is_coroutine_function(func):
            checked = self._checked(func, data, options)
            asked = self._coroutines(func, data, checked)
            made: AsyncResults[Any] = door.stream_coroutines(asked, ordered, buffersize)
            return made

        def make(source: Any) -> Any:
            checked = self._checked(func, source, options)
            return self._engine(func, source, checked, streaming=True)

        beside: AsyncResults[Any] = door.stream_beside(make, data, ordered, buffersize)
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
        long = _is_known_long(func, checked)
        return engine_for(func, data, checked, self._machine, observers, long)


def _is_known_long(func: Any, checked: Options) -> bool:
    """Whether earlier runs may tell, before the first item, that workers are to start at once."""
    if checked.history is None or checked.seed is not None or not may_take_long(func):
        return False
    found: bool = learning.is_known_long(func, checked.history)
    return found


def _asynchronous() -> Any:
    """What coroutines and event loops need; imported when one is met, for it imports asyncio."""
    from amorsize.api import asynchronous

    return asynchronous
