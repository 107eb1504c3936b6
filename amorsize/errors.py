"""Every exception and warning of amorsize, each with the user's next step in its text."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class AmorsizeError(Exception):
    """Family of the errors that amorsize itself raises."""


class AmorsizeWarning(UserWarning):
    """Something that costs speed or information, but not the run."""


class DifferenceWarning(AmorsizeWarning):
    """Results or effects may differ from the plain loop's, and the text names in what."""


class OptionError(AmorsizeError, ValueError):
    """An argument has a value that its rule excludes.

    Attributes: ``name`` of the argument, its ``value``, the ``rule``, and the ``way_out``: what to write
    instead.
    """

    name: str
    value: object
    rule: str
    way_out: str

    def __init__(self, name: str, value: object, rule: str, way_out: str) -> None:
        super().__init__(f"{name}={value!r}: {rule}; {way_out}")
        self.name, self.value, self.rule, self.way_out = name, value, rule, way_out

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.name, self.value, self.rule, self.way_out)


class OptionTypeError(OptionError, TypeError):
    """An argument has a type that its rule excludes."""


class CheckpointError(AmorsizeError, RuntimeError):
    """A checkpoint cannot be used: it is not ours, in use, damaged, full, or of another run.

    Attributes: ``path``, ``problem``, ``way_out``.
    """

    path: str
    problem: str
    way_out: str

    def __init__(self, path: str, problem: str, way_out: str) -> None:
        super().__init__(f"checkpoint {path} {problem}; {way_out}")
        self.path, self.problem, self.way_out = path, problem, way_out

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.path, self.problem, self.way_out)


class RetryAfter(AmorsizeError):
    """Raised by the user's function: the server has refused, and the item is to be tried again later.

    For clients that return a status instead of raising. ``seconds``: how long the server asks to wait,
    None where it does not say. The item spends none of its ``retries``, which must be at least 1 for an
    item to be tried again at all.

    >>> raise RetryAfter(12.5)
    Traceback (most recent call last):
    amorsize.errors.RetryAfter: the server asks to wait for 12.5 seconds
    """

    seconds: float

    def __init__(self, seconds: float | None = None) -> None:
        told = "" if seconds is None else f" for {seconds:g} seconds"
        super().__init__(f"the server asks to wait{told}")
        self.seconds = float("nan") if seconds is None else float(seconds)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (None if self.seconds != self.seconds else self.seconds,)


class NotRun(AmorsizeError):
    """The run ended before this item began: ``max_errors`` items had failed for good."""


class WorkerDied(AmorsizeError, RuntimeError):
    """A worker process ended while it ran an item, again after that item was given another try (or the
    first time, with ``rerun_after_death=False``).

    Attributes: ``index`` (position of the item in the data, -1 if workers ended outside of any item),
    ``exitcode`` (as in :class:`multiprocessing.Process`: negative is the number of a signal), ``hint``
    (what probably happened, and what to do).
    """

    index: int
    exitcode: int | None
    hint: str

    def __init__(self, index: int, exitcode: int | None, hint: str = "") -> None:
        how = "ended"
        if exitcode is not None:
            how = (
                f"was killed by {_signal(-exitcode)}"
                if exitcode < 0
                else f"left with exit code {exitcode}"
            )
        where = f"while it ran item {index}" if index >= 0 else "outside of any item"
        super().__init__(f"a worker process {how} {where}" + (f": {hint}" if hint else ""))
        self.index, self.exitcode, self.hint = index, exitcode, hint

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.index, self.exitcode, self.hint)


def _signal(number: int) -> str:
    import signal

    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


class ItemError(AmorsizeError):
    """Stands in an item's place with ``on_error="collect"``.

    Attributes: ``index``, ``exception`` (the function's own), ``traceback`` (text, as printed where
    the item ran).
    """

    index: int
    exception: BaseException
    traceback: str

    def __init__(self, index: int, exception: BaseException, traceback: str = "") -> None:
        super().__init__(f"item {index}: {type(exception).__name__}: {text_of(exception)}")
        self.index, self.exception, self.traceback = index, exception, traceback

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.index, self.exception, self.traceback)


def text_of(value: object) -> str:
    """``str(value)``, whatever its class makes of that."""
    try:
        return str(value)
    except Exception:
        return "(cannot be printed)"


class UnportableError(AmorsizeError):
    """Stands for an exception that could not be pickled, or that a checkpoint keeps as JSON: its type's
    name and text.

    The cause of one from a worker holds the worker's traceback. ``backend="threads"`` or ``"serial"``
    deliver the exception itself."""

    def __init__(self, type_name: str, message: str) -> None:
        super().__init__(f"{type_name}: {message} (in place of the exception itself)")
        self.type_name, self.message = type_name, message

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.type_name, self.message)
