"""How the state of an object made in C is read, by the name of its type.

A reader takes an object and a :class:`~amorsize.inspection.state.Limit` and gives a state. It reads
through the methods of the *base* type, never through those that a subclass of the user's may have
put before them, and it hashes, compares and shows no element. A factory makes it of the class
that was found in the MRO, so that nothing is imported for a type that no object has.

What is in no table says nothing of its state: it is reported as unwatched, and what it refers to
(``gc.get_referents``: the garbage collector's own view, which runs C code only) is still looked at.
"""

from __future__ import annotations

from collections import OrderedDict
from gc import get_referents
from itertools import islice

from amorsize.inspection.buffers import BUFFER_READERS
from amorsize.inspection.iterators import ITERATOR_READERS, referents
from amorsize.inspection.state import ABSENT, Limit, State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Reader = Callable[[Any, Limit], State]

ATOM_NAMES = frozenset(
    {
        *(f"builtins.{name}" for name in (
            "NoneType", "bool", "int", "float", "complex", "str", "bytes", "range", "ellipsis",
            "NotImplementedType", "code", "method_descriptor", "wrapper_descriptor",
            "getset_descriptor", "member_descriptor", "classmethod_descriptor", "traceback",
            "frame",
        )),
        *(f"datetime.{name}" for name in (
            "date", "datetime", "time", "timedelta", "timezone", "tzinfo")),
        "decimal.Decimal", "decimal.SignalDictMixin", "zoneinfo.ZoneInfo", "re.Pattern", "re.Match",
        "_sre.SRE_Scanner", "types.GenericAlias", "types.UnionType", "typing.TypeVar",
        "typing.ParamSpec", "_struct.Struct", "Struct", "operator.itemgetter",
        "operator.attrgetter", "_abc._abc_data", "weakproxy", "weakcallableproxy",
        "weakref.ProxyType", "weakref.CallableProxyType", "builtins.weakproxy",
        "builtins.weakcallableproxy", "posix.DirEntry", "posix.stat_result", "time.struct_time",
        "builtins.PyCapsule", "collections._tuplegetter", "_collections._tuplegetter",
        # of NumPy, pandas and Arrow: values, types, and functions made in C
        "numpy.generic", "numpy.dtype", "numpy._ArrayFunctionDispatcher",
        "numpy._core._multiarray_umath._ArrayFunctionDispatcher",
        "pandas._libs.tslibs.timestamps._Timestamp", "pandas._libs.tslibs.timedeltas._Timedelta",
        "pandas._libs.tslibs.nattype._NaT", "pandas._libs.tslibs.period._Period",
        "pandas._libs.tslibs.offsets.BaseOffset", "pandas._libs.internals.BlockPlacement",
        "pandas._libs.index.IndexEngine", "pandas._libs.properties.CachedProperty",
        "pyarrow.lib._PandasConvertible", "pyarrow.lib._Weakrefable",
        # counts the connections that are made with it
        "_ssl._SSLContext",
    }
)  # fmt: skip
"""Types whose objects do not change, or whose change does not matter (engines of indexes)."""


def _many(limit: Limit, length: int) -> bool:
    """Is a container too long for this look? Then it is noted."""
    if length <= limit.elements:
        return False
    limit.tell(f"has {length} elements, of which {limit.elements} were looked at")
    return True


def _sequence(kind: Any) -> Reader:
    size, get, walk = kind.__len__, kind.__getitem__, kind.__iter__

    def read_sequence(o: Any, limit: Limit) -> State:
        length = size(o)
        if _many(limit, length):
            half = limit.elements // 2
            ends = get(o, slice(0, half)), get(o, slice(length - half, length))
            return length, None, (*ends[0], *ends[1])
        return length, None, tuple(o) if type(o) is kind else tuple(walk(o))

    return read_sequence


def _bag(kind: Any) -> Reader:
    size, walk = kind.__len__, kind.__iter__

    def read_bag(o: Any, limit: Limit) -> State:
        length = size(o)
        if _many(limit, length):
            return length, None, tuple(islice(walk(o), limit.elements))
        return length, None, tuple(walk(o))

    return read_bag


def read_dict(o: Any, limit: Limit) -> State:
    """Keys and values in order of insertion."""
    length = dict.__len__(o)
    if _many(limit, length):
        some = limit.elements
        return (
            length,
            tuple(islice(dict.keys(o), some)),
            tuple(islice(dict.values(o), some)),
        )
    return length, tuple(dict.keys(o)), tuple(dict.values(o))


def _dict(kind: Any) -> Reader:
    return read_dict


def _ordered(kind: Any) -> Reader:
    def read_ordered(o: Any, limit: Limit) -> State:
        length, keys, values = read_dict(o, limit)
        # Walking it hashes the keys: only where that is known to run no code of the user's.
        if all(type(key) in (str, int, bytes) for key in keys or ()):
            return tuple(islice(OrderedDict.__iter__(o), limit.elements)), keys, values
        limit.hide()
        return length, keys, values

    return read_ordered


def _defaulting(kind: Any) -> Reader:
    factory = kind.__dict__["default_factory"].__get__

    def read_defaulting(o: Any, limit: Limit) -> State:
        length, keys, values = read_dict(o, limit)
        return length, (*(keys or ()), ABSENT), (*values, factory(o))

    return read_defaulting


def _cell(kind: Any) -> Reader:
    get = kind.__dict__["cell_contents"].__get__

    def read_cell(o: Any, limit: Limit) -> State:
        try:
            return None, None, (get(o),)
        except ValueError:  # empty
            return None, None, ()

    return read_cell


def reference(get: Callable[[Any], Any]) -> Reader:
    """Read one object that is held."""

    def read_reference(o: Any, limit: Limit) -> State:
        return None, None, (get(o),)

    return read_reference


def _value(get: Callable[[Any], Any]) -> Reader:
    """Read what is held as one plain value."""

    def read_value(o: Any, limit: Limit) -> State:
        return get(o), None, ()

    return read_value


def _members(*names: str) -> Callable[[Any], Reader]:
    """Read attributes of a C type that are plain references."""

    def make(kind: Any) -> Reader:
        getters = tuple((name, kind.__dict__[name].__get__) for name in names)

        def read_members(o: Any, limit: Limit) -> State:
            return None, names, tuple([get(o) for _, get in getters])

        return read_members

    return make


def _plain(*names: str) -> Callable[[Any], Reader]:
    """Read methods or attributes of a C type that give a plain value."""

    def make(kind: Any) -> Reader:
        methods = tuple(
            getattr(kind, name) if callable(getattr(kind, name)) else getattr(kind, name).__get__
            for name in names
        )

        def read_plain(o: Any, limit: Limit) -> State:
            return tuple([method(o) for method in methods]), None, ()

        return read_plain

    return make


def flattened(state: Any) -> tuple[Any, ...]:
    """State of a NumPy generator, of dicts and arrays, as values that ``==`` compares."""
    parts: list[Any] = []
    for name, value in state.items():
        kind = type(value)
        if kind is dict:
            parts.append((name, flattened(value)))
        elif kind in (int, float, str, bool):
            parts.append((name, value))
        elif hasattr(kind, "tobytes"):  # an array or scalar of NumPy's own
            parts.append((name, value.tobytes()))
    return tuple(parts)


def _thread_local(kind: Any) -> Reader:
    read = kind.__getattribute__

    def read_local(o: Any, limit: Limit) -> State:
        if type(o) is not kind:  # reading it may run the __init__ of a subclass
            limit.hide()
            return None, None, ()
        held = read(o, "__dict__")
        return None, tuple(held), tuple(held.values())

    return read_local


def _cached(kind: Any) -> Reader:
    """``lru_cache``: that it keeps more is benign; what it keeps may be changed by those who get it."""

    def read_cached(o: Any, limit: Limit) -> State:
        kept: list[Any] = []
        for part in get_referents(o):
            if type(part) is dict:
                kept.extend(islice(part.values(), limit.elements))
            else:
                kept.append(part)
        return None, None, tuple(kept)

    return read_cached


def _exception(kind: Any) -> Reader:
    arguments = kind.__dict__["args"].__get__

    def read_exception(o: Any, limit: Limit) -> State:
        return None, None, arguments(o)

    return read_exception


READER_NAMES: dict[str, Callable[[Any], Reader] | None] = {
    "builtins.list": _sequence,
    "builtins.tuple": _sequence,
    "builtins.dict": _dict,
    "builtins.set": _bag,
    "builtins.frozenset": _bag,
    "collections.deque": _bag,
    "collections.OrderedDict": _ordered,
    "collections.defaultdict": _defaulting,
    "builtins.cell": _cell,
    "builtins.slice": _members("start", "stop", "step"),
    "builtins.method": _members("__self__", "__func__"),
    "builtins.builtin_function_or_method": lambda kind: reference(lambda o: o.__self__),
    "builtins.method-wrapper": lambda kind: reference(lambda o: o.__self__),
    "builtins.property": _members("fget", "fset", "fdel"),
    "builtins.staticmethod": _members("__func__"),
    "builtins.classmethod": _members("__func__"),
    "builtins.mappingproxy": referents,
    "builtins.super": _members("__self__"),
    "builtins.BaseException": _exception,
    "functools.partial": _members("func", "args", "keywords"),
    "functools._lru_cache_wrapper": _cached,
    "operator.methodcaller": referents,
    "types.SimpleNamespace": None,
    "_io._IOBase": None,
    "builtins.function": None,
    **dict.fromkeys(
        ("weakref.ReferenceType", "weakref.KeyedRef", "builtins.weakref", "weakref"),
        lambda kind: reference(kind.__call__),
    ),
    **dict.fromkeys(
        ("_contextvars.ContextVar", "builtins.ContextVar"),
        lambda kind: reference(lambda o: kind.get(o, ABSENT)),
    ),
    **dict.fromkeys(("_contextvars.Token", "builtins.Token"), referents),
    "_random.Random": lambda kind: _value(kind.getstate),
    "decimal.Context": lambda kind: _value(kind.__repr__),
    "numpy.ufunc": referents,
    "numpy.void": _plain("tobytes"),
    "numpy.random.bit_generator.SeedSequence": _plain("n_children_spawned"),
    "numpy.random._generator.Generator": lambda kind: reference(
        kind.__dict__["bit_generator"].__get__
    ),
    "numpy.random.mtrand.RandomState": lambda kind: _value(
        lambda o: flattened(kind.get_state(o, legacy=False))
    ),
    **dict.fromkeys(
        (f"numpy.random.{name}" for name in (
            "_mt19937.MT19937", "_pcg64.PCG64", "_pcg64.PCG64DXSM", "_philox.Philox",
            "_sfc64.SFC64",
        )),
        lambda kind: _value(lambda o: flattened(kind.__dict__["state"].__get__(o))),
    ),
    "_thread.lock": _plain("locked"),
    "_thread.RLock": _plain("_is_owned"),
    "_queue.SimpleQueue": _plain("qsize"),
    "_thread._local": _thread_local,
    "sqlite3.Connection": _plain("total_changes", "in_transaction"),
    **dict.fromkeys(
        ("_hashlib.HASH", "_hashlib.HMAC", "_md5.md5", "_sha1.sha1", "_sha256.sha256",
         "_sha256.sha224", "_sha512.sha512", "_sha512.sha384", "_sha2.SHA256Type",
         "_sha2.SHA224Type", "_sha2.SHA512Type", "_sha2.SHA384Type", "_blake2.blake2b",
         "_blake2.blake2s", "_sha3.sha3_224", "_sha3.sha3_256", "_sha3.sha3_384",
         "_sha3.sha3_512"),
        _plain("digest"),
    ),
    "xml.etree.ElementTree.Element": referents,
    "pandas._libs.internals.BlockManager": referents,
    "pandas._libs.internals.Block": referents,
    **BUFFER_READERS,
    **ITERATOR_READERS,
}  # fmt: skip
"""Readers of types made in C: what makes one, of the class that was found. None: an object has no
state beside its attributes."""

FOLLOWED = frozenset({"read_cached"})
"""Readers whose references are followed but not compared."""

COMPARED = frozenset({"read_local"})
"""Readers whose references are compared but not followed: what a thread keeps for itself is its scratch
space, what it binds anew with each item is not."""

KEYED = frozenset({"read_dict", "read_ordered", "read_defaulting"})
"""Readers whose keys are those of a dict, rather than names of attributes."""
