"""Digests of items by their content: so a journal finds an item again, wherever it stands in the data.

The whole content counts, so that no item is taken for another one. What is equal gives the same bytes in
every process: sets are sorted, and what two items share inside does not matter, as it would in a pickle.
An object counts by its class and by what pickling asks it for.
"""

from __future__ import annotations

from _blake2 import blake2b
from types import BuiltinFunctionType, FunctionType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

DIGEST_BYTES = 16
"""Two of a billion items are equal by chance with a probability of 1e-21."""
REDUCE_PROTOCOL = 4
"""Of pickle: what objects are asked for their state by; later ones hand buffers out apart."""

_SCALARS = (bool, float, complex, type(None), type(...), type(NotImplemented), range)
_NAMED = (type, FunctionType, BuiltinFunctionType)


class Unknowable(Exception):
    """Nothing tells an item from others that are not equal to it; its argument says why."""


class Digests:
    """Digests under one secret of at most 64 bytes; ``kind`` keeps those of other purposes apart."""

    __slots__ = ("_begun",)

    def __init__(self, secret: bytes, kind: str = "") -> None:
        self._begun = blake2b(f"{kind} ".encode(), key=secret, digest_size=DIGEST_BYTES)
        """To be copied: a digest begun anew takes twice as long for a short item."""

    def of(self, value: Any) -> bytes:
        """The digest of a value.

        Raises
        ------
        Unknowable
            The value holds what has no content: a lock, a generator, a file, a lambda.
        """
        kind = type(value)
        if kind is str:
            content = value.encode("utf-8", "surrogatepass")
            return self.of_bytes(b"str %d %b" % (len(content), content))
        if kind is int:
            return self.of_bytes(b"int %x " % value)
        walk = _Walk(self)
        try:
            walk.put(value)
        except RecursionError:
            raise Unknowable("it is nested too deeply") from None
        return walk.digest()

    def of_bytes(self, data: bytes) -> bytes:
        """The digest of bytes as they are."""
        made = self._begun.copy()
        made.update(data)
        return made.digest()


class _Walk:
    """Writes a value down in pieces of kind, length and content: none passes for another."""

    __slots__ = ("digests", "path", "pieces")

    def __init__(self, digests: Digests, path: dict[int, int] | None = None) -> None:
        self.digests = digests
        self.pieces: list[Any] = []
        self.path: dict[int, int] = {} if path is None else path
        """Containers around the value at hand by id, with their depth: a circle becomes a number."""

    def digest(self) -> bytes:
        return self.digests.of_bytes(b"".join(self.pieces))

    def put(self, value: Any) -> None:
        kind = type(value)
        if kind is str:
            content = value.encode("utf-8", "surrogatepass")
            self.pieces.append(b"str %d " % len(content))
            self.pieces.append(content)
        elif kind is int:
            self.pieces.append(b"int %x " % value)
        elif kind in _SCALARS:
            text = repr(value).encode()
            self.pieces.append(b"%s %d %s" % (kind.__name__.encode(), len(text), text))
        elif kind is bytes or kind is bytearray:
            self.pieces.append(b"%s %d " % (kind.__name__.encode(), len(value)))
            self.pieces.append(bytes(value))
        elif isinstance(value, _NAMED):
            self._name(value)
        else:
            self._container(value, kind)

    def _container(self, value: Any, kind: type) -> None:
        depth = self.path.get(id(value))
        if depth is not None:
            self.pieces.append(b"around %d " % (len(self.path) - depth))
            return
        self.path[id(value)] = len(self.path)
        try:
            if kind is tuple or kind is list:
                self._several(kind.__name__, value)
            elif kind is dict:
                self._pairs("dict", value.items())
            elif kind is set or kind is frozenset:
                self._several(kind.__name__, sorted(map(self._apart, value)))
            elif kind.__module__ == "numpy" and hasattr(kind, "tobytes"):
                self._array(value, kind)
            elif kind is memoryview:
                self._several("memoryview", (value.format, value.shape, value.tobytes()))
            else:
                self._object(value, kind)
        finally:
            del self.path[id(value)]

    def _several(self, kind: str, values: Any) -> None:
        self.pieces.append(b"%s %d " % (kind.encode(), len(values)))
        for value in values:
            self.put(value)

    def _pairs(self, kind: str, pairs: Iterable[tuple[Any, Any]]) -> None:
        """In their order: a function may depend on it."""
        several = list(pairs)
        self.pieces.append(b"%s %d " % (kind.encode(), len(several)))
        for key, value in several:
            self.put(key)
            self.put(value)

    def _apart(self, value: Any) -> bytes:
        """The digest of an element of a set, whose order is one of its process."""
        inner = _Walk(self.digests, self.path)
        inner.put(value)
        return inner.digest()

    def _array(self, value: Any, kind: type) -> None:
        about = repr((kind.__qualname__, value.dtype.descr, value.dtype.str, value.shape))
        self.put(about)
        if value.dtype.hasobject:
            self._several("objects", value.ravel().tolist())
        else:
            self.put(value.tobytes())

    def _name(self, value: Any) -> None:
        """A class or a function stands for itself by its name."""
        name = f"{value.__module__}.{value.__qualname__}"
        if "<" in name:
            raise Unknowable(f"{name} has no name by which it is found")
        self.pieces.append(b"named ")
        self.put(name)
        owner = getattr(
            value, "__self__", None
        )  # a method of a builtin: what it is bound to counts
        if owner is not None and not hasattr(owner, "__loader__"):
            self.put(owner)

    def _object(self, value: Any, kind: type) -> None:
        import copyreg

        try:
            reduce = copyreg.dispatch_table.get(kind)
            made = value.__reduce_ex__(REDUCE_PROTOCOL) if reduce is None else reduce(value)
            if isinstance(made, tuple):
                parts = list(made) + [None] * (6 - len(made))
                parts[3] = None if parts[3] is None else list(parts[3])
                parts[4] = None if parts[4] is None else list(parts[4])
        except RecursionError:
            raise
        except Exception as error:
            raise Unknowable(f"{type(error).__name__}: {error}") from None
        self.pieces.append(b"object ")
        self._name(kind)
        if not isinstance(made, tuple):
            self.put(made)
            return
        state = parts[2]
        if type(state) is dict and all(type(name) is str for name in state):
            parts[2] = sorted(
                state.items(), key=lambda pair: pair[0]
            )  # in the order of no assignment
        for part in parts:
            self.put(part)
