"""A keyed hash of a function: the same function is known again, and nothing of it can be read.

What goes in: byte code, constants, names, defaults, values in closures and in bound instances (by
content up to 4 KB each, else by type and shape), the functions and classes of the same module that
are called, and that module's constants (names in capitals; of lists, dicts and sets only that they are
there, for a first item may fill them). What stays out: file, line, and the
function's own name. No code of the user runs here: objects are seen through their plain attributes
only. Equal in every interpreter of one Python version, whatever its hash seed.

A client opens connections, counts calls, draws an id: what it holds differs in the next process, and
yet ``client.get`` is the same function. Where a function is to be known again by what it does
(``held=False``), an object counts by its class, and by the functions that it holds itself: that of a
bound method or a callable always, any other unless its class compares or hashes by value, as dates,
paths and most dataclasses do.
"""

from __future__ import annotations

from _blake2 import blake2b
from functools import partial
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

DIGEST_BYTES = 16
"""Two of a billion functions are equal by chance with a probability of 1e-21."""
CONTENT_BYTES = 4_096
"""Values up to this size count by content: they are configuration, larger ones are data."""
PIECE_BYTES = 8
"""What a piece counts for beyond its content, so that a million empty ones are too many as well."""
CALLEES = 64
"""Functions, classes and module constants followed at most: it takes about a millisecond."""
DEPTH = 12
"""Levels of nesting followed in a value."""

_SCALARS = (type(None), bool, int, float, complex, str, bytes, type(...), type(NotImplemented))
_SEQUENCES = (tuple, list)
_SETS = (set, frozenset)
_SIZED = (str, bytes, bytearray, tuple, list, dict, set, frozenset)
_CALLEES = (FunctionType, MethodType, BuiltinFunctionType, partial)
_BY_CODE = (FunctionType, partial)
_WRAPPERS = (staticmethod, classmethod)
_FILLED = (list, dict, set, bytearray)
"""Global containers count by type: a table that the first item fills makes no other function of it."""
_ARRAY_PACKAGES = ("numpy", "pandas", "scipy", "polars", "torch", "cupy")


class _TooMuch(Exception):
    """A value is larger or deeper than what counts by content."""


def fingerprint(function: Callable[..., Any], key: bytes, *, held: bool = True) -> str:
    """Hash of the function under a key of at most 64 bytes: 32 hexadecimal digits.

    ``held``: whether what its objects hold counts, not their classes alone."""
    return _hash(_Walk(function, held), key)


def fingerprints(function: Callable[..., Any], key: bytes) -> tuple[str, str | None]:
    """The fingerprint by the classes of objects, and that by what they hold; None for the latter where
    the function has no object whose class stands for it."""
    walk = _Walk(function, held=False)
    known = _hash(walk, key)
    return known, fingerprint(function, key) if walk.has_objects else None


def _hash(walk: _Walk, key: bytes) -> str:
    return blake2b(b"".join(walk.pieces), key=key[:64], digest_size=DIGEST_BYTES).hexdigest()


class _Walk:
    """Writes down what it meets, in pieces of kind, length and content: none passes for another."""

    def __init__(self, function: Callable[..., Any], held: bool) -> None:
        self.held = held
        """Whether objects count by what they hold."""
        self.has_objects = False
        """Whether an object counted by its class alone."""
        self.pieces: list[bytes] = []
        self.room = 1 << 60
        """Bytes left before the value at hand is too much."""
        self.seen: dict[int, int] = {}
        """Functions, classes and instances met, by id: cycles and repetitions become numbers."""
        self.followed = 0
        self.callee(function, None)

    def put(self, kind: str, content: bytes = b"") -> None:
        self.room -= len(content) + PIECE_BYTES
        if self.room < 0:
            raise _TooMuch
        self.pieces.append(b"%s %d %s" % (kind.encode(), len(content), content))

    def again(self, value: object) -> bool:
        """Whether the value was met before; then its number stands for it."""
        number = self.seen.get(id(value))
        if number is None:
            self.seen[id(value)] = len(self.seen)
            return False
        self.put("again", b"%d" % number)
        return True

    def forget(self, count: int) -> None:
        """Drop all but the first ``count`` values met."""
        while len(self.seen) > count:
            self.seen.popitem()

    # ------------------------------------------------------------------ code

    def callee(self, value: Any, module: str | None) -> None:
        """What is called. Functions and classes of modules other than ``module`` count by name."""
        kind = type(value)
        if kind is FunctionType or issubclass(type(value), type):
            if module is not None and value.__module__ != module:
                self.put("named", f"{value.__module__}.{value.__qualname__}".encode())
            elif not self.again(value):
                self.function(value) if kind is FunctionType else self.class_(value)
        elif kind is MethodType:
            self.put("method")
            self.callee(value.__func__, module)
            owner = value.__self__
            self.callee(
                owner if issubclass(type(owner), type) else type(owner), value.__func__.__module__
            )
            self.owner(owner)
        elif kind is partial:
            self.put("partial")
            self.callee(value.func, module)
            self.content(value.args)
            self.content(value.keywords)
        elif kind is BuiltinFunctionType:
            self.put("builtin", f"{value.__module__}.{value.__qualname__}".encode())
            if value.__self__ is not None and type(value.__self__) is not ModuleType:
                self.owner(value.__self__)
        elif type(wrapped := _plain(value).get("__wrapped__")) is FunctionType:
            self.put("wrapper", kind.__qualname__.encode())
            self.callee(wrapped, module)
        else:
            self.put("callable")
            self.callee(kind, None)
            self.owner(value)

    def owner(self, value: Any) -> None:
        """The object whose method is called, or which is called itself."""
        if self.held or type(value) in _SCALARS or issubclass(type(value), type):
            self.content(value)
        else:
            self.by_class(value)

    def by_class(self, value: object) -> None:
        """An object whose class stands for it, and the functions that it holds: what wraps one function
        is not what wraps another."""
        kind, self.has_objects = type(value), True
        if self.again(value):
            return
        self.put("an object of", f"{kind.__module__}.{kind.__qualname__}".encode())
        state = _plain(value)
        for name in sorted(state) if len(state) <= CALLEES else ():
            if type(state[name]) in _CALLEES:
                self.put("holds", name.encode())
                self.callee(state[name], None if type(state[name]) in _BY_CODE else kind.__module__)

    def function(self, value: FunctionType) -> None:
        self.put("function")
        names: set[str] = set()
        self.code(value.__code__, names)
        for default in value.__defaults__ or ():
            self.content(default)
        if value.__kwdefaults__:
            self.content(value.__kwdefaults__)
        for cell in value.__closure__ or ():
            try:
                inner = cell.cell_contents
            except ValueError:
                self.put("empty cell")
                continue
            if type(inner) in _CALLEES or issubclass(type(inner), type):
                self.callee(inner, value.__module__)
            else:
                self.content(inner)
        around = value.__globals__
        for name in sorted(names.intersection(around)):
            inner = around[name]
            follow = type(inner) is FunctionType or issubclass(type(inner), type)
            if self.followed >= CALLEES or not (follow or name.isupper()):
                continue
            self.followed += 1
            self.put("global", name.encode())
            if follow:
                self.callee(inner, value.__module__)
            elif type(inner) in _FILLED:
                self.put("filled", type(inner).__name__.encode())
            else:
                self.content(inner)

    def code(self, code: CodeType, names: set[str]) -> None:
        """Byte code and what it refers to; ``names`` gathers what may be globals."""
        names.update(code.co_names)
        counts = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags)
        self.put("code", repr(counts).encode())
        self.put("bytes", code.co_code)
        for words in (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars):
            self.put("names", " ".join(words).encode())
        for constant in code.co_consts:
            if type(constant) is CodeType:
                self.code(constant, names)
            else:
                self.content(constant)

    def class_(self, value: type) -> None:
        """The names of a class and its bases, and the code that its own module gives them."""
        for base in value.__mro__:
            self.put("class", f"{base.__qualname__}".encode())
            if base.__module__ != value.__module__ or base.__module__ == "builtins":
                continue
            for name, member in sorted(base.__dict__.items()):
                if type(member) in _WRAPPERS:
                    member = member.__func__
                elif type(member) is property:
                    member = member.fget
                if type(member) is FunctionType:
                    self.put("member", name.encode())
                    self.callee(member, base.__module__)
                elif type(member) in _SCALARS and not name.startswith("__"):
                    self.put("member", name.encode())
                    self.content(member)

    # ------------------------------------------------------------------ values

    def content(self, value: Any, depth: int = 0) -> None:
        """A value by content if small, else by type and shape; an instance by its attributes."""
        kind, start, met = type(value), len(self.pieces), len(self.seen)
        if kind in _SCALARS and kind not in _SIZED:
            self.value(value, depth)
            return
        outer, self.room = self.room, min(self.room, CONTENT_BYTES)
        limit = self.room
        try:
            self.value(value, depth)
            self.room = outer - (limit - self.room)
            return
        except (_TooMuch, RuntimeError):  # a container may change while it is read
            if outer < CONTENT_BYTES:
                raise _TooMuch from None
            self.room = outer
        del self.pieces[start:]
        self.forget(met)
        state = _plain(value)
        package = kind.__module__.partition(".")[0]
        if (
            package in _ARRAY_PACKAGES
            or kind in _SIZED
            or not state
            or depth >= DEPTH
            or len(state) > CALLEES
        ):
            shape = getattr(value, "shape", None) if package in _ARRAY_PACKAGES else None
            size = len(value) if kind in _SIZED else None
            self.put("large", f"{kind.__module__}.{kind.__qualname__} {shape} {size}".encode())
        elif not self.again(value):
            self.put("large", f"{kind.__module__}.{kind.__qualname__} {len(state)}".encode())
            for name in sorted(state):
                self.put("attribute", name.encode())
                self.content(state[name], depth + 1)

    def value(self, value: Any, depth: int) -> None:
        """A value by content, or _TooMuch."""
        kind = type(value)
        if depth > DEPTH or (kind in _SIZED and len(value) > CONTENT_BYTES):
            raise _TooMuch
        if kind is str:
            self.put("str", value.encode("utf-8", "surrogatepass"))
        elif kind is bytes or kind is bytearray:
            self.put(kind.__name__, bytes(value))
        elif kind is int and value.bit_length() > 8 * CONTENT_BYTES:
            raise _TooMuch
        elif kind is int:
            self.put("int", b"%x" % value)
        elif kind in _SCALARS or kind is range or kind is slice:
            self.put(kind.__name__, repr(value).encode())
        elif kind in _SEQUENCES:
            self.put(kind.__name__, b"%d" % len(value))
            for inner in value:
                self.value(inner, depth + 1)
        elif kind is dict:
            self.unordered("dict", value.items(), depth)
        elif kind in _SETS:
            self.unordered(kind.__name__, value, depth)
        elif kind is ModuleType:
            self.put("module", value.__name__.encode())
        elif kind.__module__ == "numpy" and hasattr(kind, "tobytes"):
            if value.nbytes > self.room or value.dtype.hasobject:
                raise _TooMuch
            self.put("array", f"{value.dtype.str} {value.shape}".encode())
            self.put("data", value.tobytes())
        elif kind in _CALLEES or issubclass(type(value), type):
            self.callee(value, None if kind in _CALLEES else "")
        elif not self.held and not _is_value(kind):
            self.by_class(value)
        elif not self.again(value):
            self.put("object", f"{kind.__module__}.{kind.__qualname__}".encode())
            self.unordered("state", _plain(value).items(), depth)

    def unordered(self, kind: str, values: Iterable[Any], depth: int) -> None:
        """Values in the order of what is written of them: a set's differs between processes."""
        outer, written = self.pieces, []
        try:
            for value in values:
                met = len(self.seen)
                self.pieces = []
                self.value(value, depth + 1)
                written.append(b"".join(self.pieces))
                self.forget(met)
        finally:
            self.pieces = outer
        self.put(kind, b"%d" % len(written))
        self.pieces.extend(sorted(written))


def _plain(value: object) -> dict[str, Any]:
    """Attributes of an instance as they are stored: its ``__dict__`` and its slots."""
    state: dict[str, Any] = {}
    for base in type(value).__mro__:
        for name, member in base.__dict__.items() if "__slots__" in base.__dict__ else ():
            if type(member) is _SLOT:
                try:
                    state[name] = member.__get__(value)
                except AttributeError:
                    continue
    try:
        own = object.__getattribute__(value, "__dict__")
    except AttributeError:
        return state
    if type(own) is dict:
        state.update(own)
    return state


def _is_value(kind: type) -> bool:
    """Whether objects of this class are compared or hashed by what they hold."""
    return any("__eq__" in one.__dict__ or "__hash__" in one.__dict__ for one in kind.__mro__[:-1])


class _Slotted:
    __slots__ = ("slot",)


_SLOT: Any = type(_Slotted.__dict__["slot"])
