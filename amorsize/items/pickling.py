"""Pickling by protocol 5, or cloudpickle for what pickle refuses; does a value come back as it went?

The latter is seen on samples, without the user's ``==``: compared are types, exact builtins, attributes
of instances, the flags of arrays, causes of exceptions. What a value is by its identity (a marker made
by ``object()``) cannot come back.
"""

from __future__ import annotations

import sys
from _pickle import dumps as _dumps  # pickle adds its own Python self: 1 ms
from _pickle import loads as _loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any


def dumps(value: object, buffers: list[Any] | None = None) -> bytes:
    """The pickle of a value; lambdas and local classes go by cloudpickle. Large buffers (NumPy arrays)
    are put into ``buffers`` instead of being copied, if a list is given."""
    callback = None if buffers is None else buffers.append
    try:
        return _dumps(value, 5, buffer_callback=callback)
    except Exception:
        if buffers is not None:
            buffers.clear()
        return dumps_by_value(value, buffers)


def dumps_by_value(
    value: object, buffers: list[Any] | None = None, modules: Sequence[str] = ()
) -> bytes:
    """As :func:`dumps`, but what ``__main__`` and the ``modules`` of these names define always goes by
    value: for another interpreter."""
    import cloudpickle

    callback = None if buffers is None else buffers.append
    known = cloudpickle.list_registry_pickle_by_value() if modules else ()
    ours = [sys.modules[name] for name in modules if name not in known and name in sys.modules]
    for module in ours:
        cloudpickle.register_pickle_by_value(module)
    try:
        return cloudpickle.dumps(value, 5, buffer_callback=callback)  # type: ignore[no-any-return]
    finally:
        for module in ours:
            cloudpickle.unregister_pickle_by_value(module)


def parts(value: object) -> list[Any]:
    """The pickle of a value and the large buffers beside it, as they travel between processes."""
    buffers: list[Any] = []
    body = dumps(value, buffers)
    return [body, *(view.raw() for view in buffers)]


def loads(body: Any, buffers: Sequence[Any] = ()) -> Any:
    """The value of a pickle and its buffers. Only for pickles of this library's own processes."""
    return _loads(body, buffers=buffers)


SAMPLES = 3
"""Values looked at."""
MOST_BYTES = 65536
"""Size of a pickle above which a value is not compared."""
MOST_PARTS = 300
"""Parts of a value that are compared, so that a large one costs less than a millisecond."""
DEPTH = 5
REBUILDING = ("__setstate__", "__reduce__", "__reduce_ex__", "__new__")
LIBRARIES = (
    "site-packages",
    "dist-packages",
    f"python{sys.version_info[0]}.",
    "<frozen",
    "<string>",
)
"""Parts of the file names of code that is not the user's."""

PLAIN = (int, float, complex, str, bytes, bool, type(None), range)


def compared(values: Sequence[Any]) -> Sequence[Any]:
    """Those of some values that :func:`changes` looks at: the last."""
    return values[-SAMPLES:]


def changes(values: Any, dumps: Callable[[Any], bytes], loads: Callable[[bytes], Any]) -> bool:
    """Whether one of the last values is another one when it comes back. Errors of pickling count."""
    for value in compared(values):
        if type(value) in PLAIN:
            continue
        if _rebuilds_itself(type(value)):
            return True  # to load one would run the user's code for the sake of a look
        try:
            body = dumps(value)
            if len(body) <= MOST_BYTES and not _Pair().same(value, loads(body), DEPTH):
                return True
        except Exception:
            return True
    return False


def _rebuilds_itself(kind: type) -> bool:
    """Does unpickling run code of a class of the user's?"""
    for base in type.__dict__["__mro__"].__get__(kind):
        body = type.__dict__["__dict__"].__get__(base)
        for name in REBUILDING:
            func = getattr(body.get(name), "__func__", body.get(name))
            code = getattr(func, "__code__", None)
            if code is not None and not any(part in code.co_filename for part in LIBRARIES):
                return True
    return False


class _Pair:
    """One comparison."""

    def __init__(self) -> None:
        self._left = MOST_PARTS

    def same(self, a: Any, b: Any, depth: int) -> bool:
        self._left -= 1
        kind = type(a)
        if a is b or self._left < 0 or depth < 0:
            return True
        if type(b) is not kind or kind is object:
            return False
        if kind in PLAIN:
            return bool(a == b or repr(a) == repr(b))
        return self._contents(a, b, depth - 1) and self._attributes(a, b, depth - 1)

    def _contents(self, a: Any, b: Any, depth: int) -> bool:
        base: Any
        for base in (list, tuple):
            if isinstance(a, base):
                if base.__len__(a) != base.__len__(b):
                    return False
                pairs = zip(base.__iter__(a), base.__iter__(b), strict=True)
                return all(self.same(x, y, depth) for x, y in pairs)
        if isinstance(a, dict):
            if dict.__len__(a) != dict.__len__(b):
                return False
            pairs = zip(dict.items(a), dict.items(b), strict=True)
            return all(self.same(x, y, depth) for x, y in pairs)
        if isinstance(a, set | frozenset):
            return len(a) == len(b)
        if isinstance(a, BaseException):
            return self._same_exception(a, b, depth)
        numpy = sys.modules.get("numpy")
        if numpy is not None and isinstance(a, numpy.ndarray):
            return bool(
                a.dtype == b.dtype
                and a.shape == b.shape
                and a.flags.writeable == b.flags.writeable
                and _axes(a) == _axes(b)
            )
        return True

    def _same_exception(self, a: BaseException, b: BaseException, depth: int) -> bool:
        return (
            self.same(a.args, b.args, depth)
            and (a.__cause__ is None) == (b.__cause__ is None)
            and (a.__context__ is None) == (b.__context__ is None)
            and a.__suppress_context__ == b.__suppress_context__
        )

    def _attributes(self, a: Any, b: Any, depth: int) -> bool:
        one, other = _state(a), _state(b)
        return one.keys() == other.keys() and all(
            self.same(value, other[name], depth) for name, value in one.items()
        )


def _axes(array: Any) -> list[int]:
    """Axes of an array from the slowest to the fastest in memory: in that order NumPy adds, and the last
    bits of a sum depend on it."""
    steps = [
        (-abs(step), axis)
        for axis, (step, length) in enumerate(zip(array.strides, array.shape, strict=True))
        if length > 1
    ]
    return [axis for _, axis in sorted(steps)]


def _state(value: Any) -> dict[str, Any]:
    """Attributes in the instance dict and in slots, read without running code of the class."""
    found: dict[str, Any] = {}
    for kind in type.__dict__["__mro__"].__get__(type(value)):
        for name, descriptor in type.__dict__["__dict__"].__get__(kind).items():
            if type(descriptor).__name__ == "member_descriptor" and kind.__flags__ & (1 << 9):
                try:
                    found[name] = descriptor.__get__(value)
                except AttributeError:
                    continue
    try:
        held = object.__getattribute__(value, "__dict__")
    except AttributeError:
        return found
    return {**found, **held} if type(held) is dict else found
