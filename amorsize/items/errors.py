"""Exceptions on their way from a worker: of their own type wherever that is possible.

Many cannot be pickled as they are (they hold a lock, a frame, a response), or can, but not be unpickled
(their ``__init__`` takes other arguments than ``args`` holds). They are made anew without calling
``__init__``: type, ``args`` and those attributes that travel. Only where that fails, too, does an
:class:`UnportableError` stand for them.
"""

from __future__ import annotations

import pickle

from amorsize.errors import UnportableError, text_of
from amorsize.items.call import format_traceback
from amorsize.items.failures import linked
from amorsize.items.pickling import dumps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


CHAIN = 8
"""Causes and contexts of one another that travel: a chain may be a circle."""


def portable(error: BaseException) -> tuple[BaseException, str]:
    """The exception in a form that survives the way to the caller, and its traceback as text."""
    return _with_chain(error, CHAIN), format_traceback(error)


def _with_chain(error: BaseException, links: int) -> Any:
    """The exception, with its cause and context: pickling alone would lose them."""
    alone = _alone(error, links)
    cause, context = error.__cause__, error.__context__
    if links <= 0 or (cause is None and context is None and not error.__suppress_context__):
        return alone
    one = None if cause is None else _with_chain(cause, links - 1)
    other = (
        one if context is cause else None if context is None else _with_chain(context, links - 1)
    )
    return _Chained(alone, one, other, error.__suppress_context__)


def _alone(error: BaseException, links: int) -> Any:
    if _survives(error, type(error)) and not _has_chained_parts(error):
        return error
    try:
        bare = _Bare(error, links)
        if _survives(bare, type(error)):
            return bare
    except Exception:  # a type that cannot be made so
        pass
    return UnportableError(type(error).__qualname__, text_of(error))


def _has_chained_parts(error: BaseException) -> bool:
    """Is it a group, whose parts may have causes that pickling loses?"""
    return isinstance(error, BaseExceptionGroup)


def told_by(text: str) -> UnportableError:
    """The stand-in for an exception of which only the traceback has come."""
    last = text.strip().rpartition("\n")[2]
    name, _, message = last.partition(": ")
    return UnportableError(name.rpartition(".")[2] or "exception", message)


def _survives(error: Any, kind: type) -> bool:
    """Whether it can be pickled, and is itself again afterwards."""
    try:
        return type(pickle.loads(dumps(error))) is kind  # nosec B301 # pickled just now
    except Exception:
        return False


class _Bare:
    """What is pickled in place of an exception: becomes one of its type, ``__init__`` not called."""

    def __init__(self, error: BaseException, links: int = 0) -> None:
        self.kind = type(error)
        if isinstance(error, BaseExceptionGroup):
            parts = [_with_chain(part, links - 1) for part in error.exceptions]
            self.args: tuple[Any, ...] = (error.message, parts)
        else:
            self.args = tuple(arg if _travels(arg) else text_of(arg) for arg in error.args)
        self.state = {name: value for name, value in vars(error).items() if _travels(value)}

    def __reduce__(self) -> tuple[Any, ...]:
        return _made_anew, (self.kind, self.args, self.state)


class _Chained:
    """What is pickled in place of an exception with a cause or a context: becomes the exception."""

    def __init__(self, error: Any, cause: Any, context: Any, suppress: bool) -> None:
        self.parts = error, cause, context, suppress

    def __reduce__(self) -> tuple[Any, ...]:
        return _chained, self.parts


def _chained(error: Any, cause: Any, context: Any, suppress: bool) -> Any:
    return linked(error, cause, suppress, context)


def _made_anew(kind: type[BaseException], args: tuple[Any, ...], state: dict[str, Any]) -> Any:
    error = kind.__new__(kind, *args)
    BaseException.__setstate__(error, state)
    error.args = args
    return error


def _travels(value: object) -> bool:
    try:
        pickle.loads(dumps(value))  # nosec B301 # pickled just now
        return True
    except Exception:
        return False
