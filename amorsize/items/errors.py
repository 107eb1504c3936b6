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
from amorsize.items.pickling import dumps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def portable(error: BaseException) -> tuple[BaseException, str]:
    """The exception in a form that survives the way to the caller, and its traceback as text."""
    text = format_traceback(error)
    if _survives(error, type(error)):
        return error, text
    try:
        bare: Any = _Bare(error)
        if _survives(bare, type(error)):
            return bare, text
    except Exception:  # a type that cannot be made so
        pass
    return UnportableError(type(error).__qualname__, text_of(error)), text


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

    def __init__(self, error: BaseException) -> None:
        self.kind = type(error)
        self.args = tuple(arg if _travels(arg) else text_of(arg) for arg in error.args)
        self.state = {name: value for name, value in vars(error).items() if _travels(value)}

    def __reduce__(self) -> tuple[Any, ...]:
        return _made_anew, (self.kind, self.args, self.state)


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
