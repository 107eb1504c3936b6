"""Frames that cannot be unpickled as a whole: everything in them that can is kept.

One value that raises when it is unpickled must not cost the others that came with it, and its
position must be known. So a frame at which :func:`pickle.loads` has failed is read again by the
unpickler in Python: what fails becomes an :class:`Unreadable`, and the rest goes on.
"""

from __future__ import annotations

import io
import pickle

from amorsize.errors import ItemError
from amorsize.items.call import unreadable
from amorsize.items.errors import told_by

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, ClassVar

    from amorsize.items.collector import ResultCollector


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
    return _Salvager(io.BytesIO(parts[0]), buffers=parts[1:]).load()


def breakage(value: object) -> BaseException | None:
    """Why a value that was salvaged is not whole; None if it is."""
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


class _Salvager(pickle._Unpickler):
    """Goes on behind an operation that raised."""

    dispatch: ClassVar[dict[int, Any]] = dict(pickle._Unpickler.dispatch)

    def find_class(self, module: str, name: str) -> Any:
        try:
            return super().find_class(module, name)
        except Exception as error:
            return _stand_in(error)


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


for _name, _pushes in (
    ("REDUCE", False), ("BUILD", False), ("APPEND", False), ("APPENDS", False), ("SETITEM", False),
    ("SETITEMS", False), ("ADDITEMS", False), ("NEWOBJ", True), ("NEWOBJ_EX", True),
):  # fmt: skip
    _opcode = getattr(pickle, _name)[0]
    _Salvager.dispatch[_opcode] = _going_on(_Salvager.dispatch[_opcode], pushes=_pushes)
