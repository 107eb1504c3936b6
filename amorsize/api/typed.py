"""What goes into a call and what comes out of it, for type checkers and for programs that name the types.

Nothing of amorsize imports this module at run time: ``typing`` costs 3 ms. ``amorsize.RunOptions`` and
``amorsize.Results`` import it when a program asks for them.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Collection, Iterator
from concurrent.futures import Executor as AnyExecutor
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypedDict, TypeVar

if TYPE_CHECKING:
    from typing import TypeAlias

    from amorsize.history.base import History
    from amorsize.planning.rate import Rate

F = TypeVar("F")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
T = TypeVar("T")

KeepsType: TypeAlias = Literal["raise", "skip"]
"""``on_error=`` under which every result is one that the function returned."""
Collects: TypeAlias = Literal["collect"]
"""``on_error=`` under which an ItemError stands in the place of an item that failed."""
Strategy: TypeAlias = Literal["conservative", "auto", "aggressive"]
"""How far pruning may let the error of predictions grow: by 2 %, 5 % or 10 %."""


class DaskClient(Protocol):
    """A ``distributed.Client``, by what amorsize asks of it."""

    def scheduler_info(self) -> object:
        """What the scheduler says of its workers."""

    def scatter(self, data: object) -> object:
        """Send a value to the workers."""


Backend: TypeAlias = "str | AnyExecutor | DaskClient"
"""A name ("threads"), an address ("dask://host:port", "ray"), an executor or a client."""


class RunOptions(TypedDict, total=False):
    """The options of a call, for type checkers; :func:`amorsize.execute` says what each means.

    ``on_error`` is not among them, because the type of the results depends on it.

    >>> import amorsize
    >>> options: amorsize.RunOptions = {"n_jobs": 2, "retries": 1}
    >>> amorsize.execute(abs, [-1, 2], on_error="skip", **options)
    [1, 2]
    """

    n_jobs: int | Literal["auto"] | None
    max_workers: int | Literal["auto"] | None
    backend: Backend | Collection[Backend] | None
    chunksize: int | Literal["auto"] | None
    progress: bool | Callable[[int, int | None], object] | None
    checkpoint: str | PathLike[str] | None
    checkpoint_format: Literal["pickle", "json"]
    key: Callable[[Any], object] | None
    retry_failed: bool
    history: str | PathLike[str] | History | None
    timeout: float | None
    memory_limit: int | str | None
    retries: int | None
    retry_on: type[Exception] | tuple[type[Exception], ...] | list[type[Exception]]
    rate: str | float | Rate | None
    max_errors: int | None
    seed: int | tuple[int, ...] | list[int] | None
    rerun_after_death: bool
    effects: Literal["watch", "ignore"]
    initializer: Callable[..., object] | None
    initargs: tuple[object, ...] | list[object]


class SettingsOptions(RunOptions, total=False):
    """Options that hold for all calls of a Tuner.

    Type checkers refuse ``on_error="collect"`` here, since it changes the type of the results: give it to
    the call."""

    on_error: KeepsType


class AsyncResults(AsyncGenerator[R_co, None]):
    """The asynchronous iterator that :func:`amorsize.astream` returns. ``aclose()``, and the end of an
    ``async with``, end the run."""

    async def __aenter__(self) -> AsyncResults[R_co]:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.aclose()


class Results(Protocol[R_co]):
    """The iterator that :func:`amorsize.stream` returns. ``close()``, and the end of a ``with``, end the
    run."""

    def __iter__(self) -> Iterator[R_co]: ...
    def __next__(self) -> R_co: ...
    def close(self) -> None:
        """End the run with its workers, and close the data. ``next()`` then raises ``StopIteration``."""

    def __enter__(self) -> Results[R_co]: ...
    def __exit__(self, *exception: object) -> None: ...
