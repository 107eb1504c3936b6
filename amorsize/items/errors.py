"""Exceptions and values on their way from a worker: of their own type, and kept, where that is possible.

Many exceptions cannot be pickled as they are (they hold a lock, a frame, a response), or can, but not be
unpickled (their ``__init__`` takes other arguments than ``args`` holds). They are made anew without
calling ``__init__``: type, ``args`` and those attributes that travel. Only where that fails, too, does an
:class:`UnportableError` stand for them.

A traceback cannot be pickled. What it shows, file, line and name of each frame, travels with each
exception of a chain, and in the caller a traceback is made of it: it is printed, logged and walked as
that of the loop, and no cause has to be added to carry it.

One value that raises when it is unpickled must not cost the others that came with it, and its position
must be known. So a frame at which :func:`pickle.loads` has failed is read again by the unpickler in
Python: what fails becomes an :class:`Unreadable`, and the rest goes on.
"""

from __future__ import annotations

import io
import sys

from amorsize.errors import ItemError, UnportableError, text_of
from amorsize.items.call import format_traceback, is_ours, linked, unreadable
from amorsize.items.pickling import dumps, loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType
    from typing import Any, ClassVar

    from amorsize.items.collector import ResultCollector


CHAIN = 8
"""Causes and contexts of one another that travel: a chain may be a circle."""


def portable(error: BaseException) -> tuple[BaseException, str]:
    """The exception in a form that survives the way to the caller, and its traceback as text."""
    return _with_chain(error, CHAIN), format_traceback(error)


def _with_chain(error: BaseException, links: int) -> Any:
    """The exception, with its cause and context: pickling alone would lose them."""
    alone, frames = _alone(error, links), _frames_of(error)
    cause, context = error.__cause__, error.__context__
    if links <= 0:
        cause = context = None
    if cause is None and context is None and not error.__suppress_context__ and not frames:
        return alone
    one = None if cause is None else _with_chain(cause, links - 1)
    other = (
        one if context is cause else None if context is None else _with_chain(context, links - 1)
    )
    return _Chained(alone, one, other, error.__suppress_context__, frames)


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
        return type(loads(dumps(error))) is kind
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
    """What is pickled in place of an exception with a cause, a context or a traceback: becomes the
    exception."""

    def __init__(
        self, error: Any, cause: Any, context: Any, suppress: bool, frames: tuple[Frame, ...]
    ) -> None:
        self.parts = error, cause, context, suppress, frames

    def __reduce__(self) -> tuple[Any, ...]:
        return _chained, self.parts


def _chained(
    error: Any, cause: Any, context: Any, suppress: bool, frames: tuple[Frame, ...] = ()
) -> Any:
    if cause is not None or context is not None or suppress:
        error = linked(error, cause, suppress, context)
    # No method of the exception's own class runs: one that is frozen has its traceback, too.
    return BaseException.with_traceback(error, _traceback_of(frames)) if frames else error


Frame = tuple[str, str, str, int, str]
"""File, name, qualified name, line, and module."""
MOST_FRAMES = 1_000
"""Frames of a traceback that travel; a recursion without end has as many."""


def _frames_of(error: BaseException) -> tuple[Frame, ...]:
    """What the traceback of an exception shows, without the frames of this package at its top."""
    found: list[Frame] = []
    trace = error.__traceback__
    while trace is not None and len(found) < MOST_FRAMES:
        frame, code = trace.tb_frame, trace.tb_frame.f_code
        if found or not is_ours(frame):
            module = str(frame.f_globals.get("__name__", ""))
            found.append(
                (code.co_filename, code.co_name, code.co_qualname, trace.tb_lineno or 0, module)
            )
        trace = trace.tb_next
    return tuple(found)


def _here() -> Any:
    return getframe()  # type: ignore[name-defined] # noqa: F821 # among the globals of each frame


_frames: dict[Frame, Any] = {}
"""Frames that were made before: items that fail fail at the same places."""


def _traceback_of(frames: tuple[Frame, ...]) -> TracebackType | None:
    """A traceback that shows these frames; their variables are not there."""
    from types import TracebackType

    made: TracebackType | None = None
    for one in reversed(frames):
        frame = _frames.get(one)
        if frame is None:
            if len(_frames) >= MOST_FRAMES:
                _frames.clear()
            frame = _frames[one] = _frame_of(one)
        made = TracebackType(made, frame, frame.f_lasti, one[3])
    return made


def _frame_of(one: Frame) -> Any:
    """A frame that has ended, of a function with this place in the source."""
    file, name, qualname, line, module = one
    code = _here.__code__
    # A table of places without columns (Objects/locations.md of CPython): eight instructions an entry.
    units = len(code.co_code) // 2
    table = b"".join(bytes((0b1_1101_000 | min(8, units - at) - 1, 0)) for at in range(0, units, 8))
    placed = code.replace(
        co_filename=file,
        co_name=name,
        co_qualname=qualname,
        co_firstlineno=line,
        co_linetable=table,
    )
    from types import FunctionType

    return FunctionType(placed, {"__name__": module, "getframe": sys._getframe})()


def _made_anew(kind: type[BaseException], args: tuple[Any, ...], state: dict[str, Any]) -> Any:
    error = kind.__new__(kind, *args)
    BaseException.__setstate__(error, state)
    error.args = args
    return error


def _travels(value: object) -> bool:
    try:
        loads(dumps(value))
        return True
    except Exception:
        return False


class _Holds(Exception):
    """Raised where an :class:`Unreadable` is met on the way through a value."""


class Unreadable:
    """Stands where an object could not be made; takes whatever is done to it afterwards."""

    error: BaseException

    def __new__(cls, *_: object, **__: object) -> Unreadable:
        return object.__new__(cls)

    def __init__(self, *_: object, **__: object) -> None:
        """Takes any arguments."""

    def __call__(self, *_: object, **__: object) -> Unreadable:
        return self

    def _take(self, *_: object, **__: object) -> None:
        """Nothing becomes of it."""

    append = extend = add = update = __setitem__ = __setstate__ = _take

    def __reduce_ex__(self, _: object) -> Any:
        raise _Holds(self)


def _stand_in(error: BaseException) -> type[Unreadable]:
    return type("Unreadable", (Unreadable,), {"error": error})


def salvaged(parts: Sequence[Any]) -> Any:
    """What can be read of a pickle and its buffers. Raises where its outermost layer is broken."""
    return _salvager()(io.BytesIO(parts[0]), buffers=parts[1:]).load()


def breakage(value: object) -> BaseException | None:
    """Why a value that was salvaged is not whole; None if it is."""
    import pickle

    try:
        pickle.dumps(value, 5, buffer_callback=lambda _: None)
    except _Holds as found:
        error: BaseException = found.args[0].error
        return error
    except Exception:  # it came by another pickler than this one: nothing was missing
        pass
    return None


def place_salvaged(collector: ResultCollector, start: int, values: Sequence[Any]) -> bool:
    """Put salvaged results from position ``start`` on into their places, an error for each that is not
    whole. True when the run is to end."""
    for index, value in enumerate(values, start):
        error = breakage(value)
        if error is None:
            collector.place(index, [value])
        elif isinstance(value, ItemError):
            collector.place(index, [ItemError(index, told_by(value.traceback), value.traceback)])
        elif collector.fail(index, unreadable("the result of item", error, index)):
            return True
    return False


def _going_on(load: Callable[[Any], None], *, pushes: bool) -> Callable[[Any], None]:
    """An operation of the unpickler that leaves an :class:`Unreadable` where it raises.

    ``pushes``: it has taken its operands off the stack by then; else its result takes the place of
    what lies on top."""

    def go_on(self: Any) -> None:
        try:
            load(self)
        except Exception as error:
            found = _stand_in(error)()
            if pushes:
                self.append(found)
            else:
                self.stack[-1] = found

    return go_on


def _salvager() -> Any:
    """The unpickler in Python that goes on behind an operation that raised. Made where it is needed: it
    rarely is, and it needs the half of ``pickle`` that is written in Python."""
    import pickle

    table: dict[int, Any] = dict(pickle._Unpickler.dispatch)
    for name, pushes in (
        ("REDUCE", False), ("BUILD", False), ("APPEND", False), ("APPENDS", False),
        ("SETITEM", False), ("SETITEMS", False), ("ADDITEMS", False), ("NEWOBJ", True),
        ("NEWOBJ_EX", True),
    ):  # fmt: skip
        code = getattr(pickle, name)[0]
        table[code] = _going_on(table[code], pushes=pushes)

    class Salvager(pickle._Unpickler):
        dispatch: ClassVar[dict[int, Any]] = table

        def find_class(self, module: str, name: str) -> Any:
            try:
                return super().find_class(module, name)
            except Exception as error:
                return _stand_in(error)

    return Salvager
