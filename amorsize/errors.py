"""Every exception and warning of amorsize, each with the user's next step in its text."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import Any


class AmorsizeError(Exception):
    """The base class of all errors that amorsize itself raises."""


class AmorsizeWarning(UserWarning):
    """Something costs speed or information; the run goes on."""


class DifferenceWarning(AmorsizeWarning):
    """Results or effects may differ from those of the plain loop; the text says in what."""


class OptionError(AmorsizeError, ValueError):
    """An option has a wrong value.

    Attributes: ``name`` of the option, its ``value``, the ``rule`` that the value breaks, and the
    ``way_out``: what to write instead.
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
    """An option has a value of a wrong type. It is an :class:`OptionError` and a ``TypeError``."""


class CheckpointError(AmorsizeError, RuntimeError):
    """A checkpoint cannot be used: it belongs to another user or another job, is in use, or is damaged.

    Attributes: ``path`` of the file, the ``problem``, and the ``way_out``: what to do.
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
    """Your function raises it if a server has refused the call, so that the item is tried again later.

    It is for clients that return a status and do not raise. ``seconds``: how long the server asks to
    wait, or None if it does not say. The call needs ``retries`` of at least 1; the wait costs none of
    these tries.

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
    """The item did not run: ``max_errors`` ended the run before, or it is new and ``retry_failed`` is
    set."""


class WorkerDied(AmorsizeError, RuntimeError):
    """A worker process died while it ran an item, and a second worker did the same.

    With ``rerun_after_death=False`` the item is not given to a second worker.

    Attributes: ``index`` (position of the item in the data, from 0; -1 if the workers died outside of any
    item), ``exitcode`` (as in :class:`multiprocessing.Process`: a negative one is the number of a
    signal), ``hint`` (what probably happened, and what to do).
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
    """It takes the place of the result of an item that failed, with ``on_error="collect"``.

    Attributes: ``index`` (position of the item in the data, from 0), ``exception`` (what the function
    raised), ``traceback`` (a text, as printed in the worker).
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
    """It takes the place of an exception that cannot be pickled, or that a checkpoint keeps as JSON.

    Attributes: ``type_name`` and ``message`` of that exception. If it comes from a worker, its cause has
    the traceback of the worker. With ``backend="threads"`` or ``"serial"`` you get the exception
    itself."""

    type_name: str
    message: str

    def __init__(self, type_name: str, message: str) -> None:
        super().__init__(f"{type_name}: {message} (in place of the exception itself)")
        self.type_name, self.message = type_name, message

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.type_name, self.message)


_ELSEWHERE = {
    **{one: f"write amorsize.Tuner({one}=...).execute(...)" for one in ("trace", "machine")},
    **{
        one: f"write amorsize.Tuner(amorsize.Settings({one}=...)).execute(...)"
        for one in ("explore", "explore_seed", "pruning", "names")
    },
    **dict.fromkeys(("ordered", "buffersize"), "stream and astream have it"),
}
"""Names that are no option of every call: where they are one."""


def no_option(name: str, known: Collection[str]) -> str:
    """What is wrong with the name of an option that there is not, and what may be meant."""
    from difflib import get_close_matches  # for this error only

    meant = _ELSEWHERE.get(name) or "".join(get_close_matches(name, known, 1))
    if meant:
        meant = f" ({meant})" if name in _ELSEWHERE else f" (do you mean {meant!r}?)"
    return f"there is no option {name!r}{meant}; known: {', '.join(sorted(known))}"
