"""What a look may do with an object: decided from its type alone, once for each type.

::

    type(o) --plan_of--> Plan: readers (how its state is read), atom, own, opaque, held

No code of the user's or of a library's runs here. A type is never asked (``isinstance``, attribute
access and dict lookup by type may all run code of a metaclass); its MRO, flags and namespace are
read by the descriptors of ``type`` itself, and types are told apart by ``is`` and by ``id``.

A class that a ``class`` statement made shows its state in its instance dict and slots. A class made
in C shows only what a reader of the table knows; without one it is *opaque*.
"""

from __future__ import annotations

from _weakref import ref
from types import (
    BuiltinFunctionType,
    ClassMethodDescriptorType,
    GetSetDescriptorType,
    MemberDescriptorType,
    MethodDescriptorType,
    ModuleType,
    WrapperDescriptorType,
)

from amorsize.inspection.memory import unknown
from amorsize.inspection.origins import own_module
from amorsize.inspection.readers import ATOM_NAMES, READER_NAMES, reference
from amorsize.inspection.state import EMPTY, Limit, State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Reader = Callable[[Any, Limit], State]

type_dict: Callable[[type], Any] = type.__dict__["__dict__"].__get__
type_mro: Callable[[type], tuple[type, ...]] = type.__dict__["__mro__"].__get__
type_module: Callable[[type], Any] = type.__dict__["__module__"].__get__
type_name: Callable[[type], str] = type.__dict__["__qualname__"].__get__
type_flags: Callable[[type], int] = type.__dict__["__flags__"].__get__
type_size: Callable[[type], int] = type.__dict__["__basicsize__"].__get__
type_base: Callable[[type], type] = type.__dict__["__base__"].__get__
module_dict: Callable[[Any], dict[str, Any]] = vars(ModuleType)["__dict__"].__get__

HEAP_TYPE = 1 << 9
"""Flag of a type that is not static (``Py_TPFLAGS_HEAPTYPE``)."""

PLANS_KEPT = 4096
"""Types whose plans are kept; a program has some hundreds, one that makes classes in a loop more."""

C_DESCRIPTORS = frozenset(
    map(id, (MethodDescriptorType, WrapperDescriptorType, ClassMethodDescriptorType,
             GetSetDescriptorType))
)  # fmt: skip
"""Ids of the types of attributes that only a class made in C has of its own."""

DICT_NAMES = frozenset(
    {"builtins.BaseException", "functools.partial", "collections.OrderedDict", "builtins.function",
     "types.SimpleNamespace", "functools._lru_cache_wrapper", "_io._IOBase", "_io.FileIO",
     "_io.BufferedReader", "_io.BufferedWriter", "_io.BufferedRandom", "_io.TextIOWrapper",
     "_io.BytesIO", "_io.StringIO", "builtins.staticmethod", "builtins.classmethod"}
)  # fmt: skip
"""Types made in C whose ``__dict__`` gives the instance dict and does nothing else; that of other
types (a proxy's) may load or forward."""

PYTHON_ATOMS = frozenset(
    {
        "pathlib.PurePath",
        "pathlib._local.PurePath",
        "uuid.UUID",
        "fractions.Fraction",
        "typing._Final",
    }
)
"""Classes written in Python whose objects do not change, but fill slots of theirs lazily."""

HELD_NAMES = {
    "_socket.socket": "socket",
    "_ssl._SSLSocket": "socket",
    "_io._IOBase": "open file",
    "tempfile._TemporaryFileWrapper": "open file",
    "sqlite3.Connection": "database connection",
    "sqlite3.Cursor": "database cursor",
    "dbm.dumb._Database": "database connection",
    "_gdbm.gdbm": "database connection",
    "_dbm.dbm": "database connection",
    "_thread.lock": "lock",
    "_thread.RLock": "lock",
    "_multiprocessing.SemLock": "lock",
    "builtins.generator": "generator",
    "builtins.coroutine": "coroutine",
    "builtins.async_generator": "generator",
    "asyncio.events.AbstractEventLoop": "event loop",
    "asyncio.transports.BaseTransport": "connection",
    "_asyncio.Future": "future of an event loop",
    "threading.Thread": "thread",
    "_thread._local": "thread-local data",
    "concurrent.futures._base.Executor": "executor",
    "concurrent.futures._base.Future": "future",
    "subprocess.Popen": "child process",
    "multiprocessing.process.BaseProcess": "child process",
    "multiprocessing.pool.Pool": "pool of processes",
    "multiprocessing.connection._ConnectionBase": "connection",
    "multiprocessing.queues.Queue": "queue between processes",
    "multiprocessing.queues.SimpleQueue": "queue between processes",
    "multiprocessing.managers.BaseProxy": "connection",
    "selectors.BaseSelector": "selector",
    "select.epoll": "selector",
    "select.poll": "selector",
    "select.kqueue": "selector",
    "mmap.mmap": "memory map",
    "psycopg2.extensions.connection": "database connection",
    "psycopg2.extensions.cursor": "database cursor",
    "psycopg_binary.pq.PGconn": "database connection",
    "psycopg_c.pq.PGconn": "database connection",
    "_mysql.connection": "database connection",
    "MySQLdb._mysql.connection": "database connection",
    "pycurl.Curl": "connection",
    "grpc._cython.cygrpc.Channel": "connection",
    "zmq.backend.cython._zmq.Socket": "socket",
    "zmq.backend.cython._zmq.Context": "socket",
    "h5py.h5f.FileID": "open file",
}
"""What must not be copied into another process, by the name of a class in the MRO."""


class Plan:
    """What is known of a type.

    ``readers``: how the state of an object is read. ``atom``: it has none that changes.
    ``own``: the user's module made it. ``foreign``: a class statement of a library's did.
    ``opaque``: it has state that it does not show.
    ``held``: what it is, where it must not be copied into another process.
    """

    __slots__ = ("atom", "foreign", "held", "is_class", "is_module", "mro", "opaque", "own",
                 "readers", "where")  # fmt: skip

    def __init__(self, mro: tuple[type, ...], where: ref[type]) -> None:
        self.mro = mro
        self.readers: tuple[Reader, ...] = ()
        self.atom = self.own = self.foreign = self.opaque = False
        self.is_class = self.is_module = False
        self.held: str | None = None
        self.where = where  # weak reference to the type, so that its id is not another's


ATOM_IDS: set[int] = set()
"""Ids of the static types whose objects say nothing: left out before anything else is asked."""

_plans: dict[int, Plan] = {}


def plan_of(kind: type) -> Plan:
    """What is known of a type; kept for the next look."""
    plan = _plans.get(id(kind))
    if plan is not None and plan.where() is kind and type_mro(kind) is plan.mro:
        return plan
    if len(_plans) >= PLANS_KEPT:
        _plans.clear()
        ATOM_IDS.clear()
    plan = _make_plan(kind)
    _plans[id(kind)] = plan
    if plan.atom and not type_flags(kind) & HEAP_TYPE:
        ATOM_IDS.add(id(kind))
    return plan


def class_name(kind: type) -> str:
    """Name of a class with its module, or "" where it has none."""
    module = type_module(kind)
    return f"{module}.{type_name(kind)}" if type(module) is str else ""


def made_in_c(kind: type, body: Any) -> bool:
    """Was the class made by C code, rather than by a ``class`` statement?"""
    if not type_flags(kind) & HEAP_TYPE:
        return True
    for name, value in body.items():
        of = id(type(value))
        if of in C_DESCRIPTORS:
            if value.__objclass__ is kind and name not in ("__dict__", "__weakref__"):
                return True
        elif name == "__new__" and type(value) is BuiltinFunctionType and value.__self__ is kind:
            return True
    return False


def _make_plan(kind: type) -> Plan:
    plan = Plan(type_mro(kind), ref(kind))
    module = type_module(kind)
    plan.own = type(module) is str and own_module(module)
    plan.foreign = not plan.own and not made_in_c(kind, type_dict(kind))
    shape = _Shape()
    for base in plan.mro:
        if base is object:
            continue
        if base is type or base is ModuleType:
            plan.is_class, plan.is_module = base is type, base is ModuleType
            return plan
        name = class_name(base)
        if plan.held is None:
            plan.held = HELD_NAMES.get(name)
        body = type_dict(base)
        if name in PYTHON_ATOMS:
            plan.atom = True
        elif made_in_c(base, body):
            shape.add_c(base, name, body)
        else:
            shape.add_python(base, name, body)
    plan.atom = plan.atom or (shape.atom and not shape.parts)
    if class_name(kind) == "functools.cached_property" and shape.getter is not None:
        getter = shape.getter
        func = reference(lambda o: dict.get(getter(o), "func"))
        plan.readers = (func,)  # not its lock, which guards nothing now
        return plan
    if shape.logs and not plan.own and shape.getter is not None:
        plan.readers = (_log_reader(shape.getter),)
        return plan
    plan.opaque = shape.opaque and not plan.atom
    if not plan.atom:
        plan.readers = tuple(shape.readers())
        if not plan.readers and not plan.opaque:
            plan.atom = True  # an instance of object, or of a class with no attributes at all
    return plan


class _Shape:
    """The parts of an object's state, gathered along the MRO."""

    __slots__ = ("atom", "base", "getter", "known", "logs", "opaque", "slots")

    def __init__(self) -> None:
        self.base: Reader | None = None
        self.getter: Callable[[Any], Any] | None = None
        self.slots: dict[str, Any] = {}
        self.atom = self.known = self.opaque = self.logs = False

    @property
    def parts(self) -> bool:
        """Has it attributes of its own?"""
        return self.getter is not None or bool(self.slots)

    def add_c(self, kind: type, name: str, body: Any) -> None:
        """Take in a class made in C; the most derived one that the table knows reads the rest."""
        if name in DICT_NAMES and self.getter is None and "__dict__" in body:
            self.getter = body["__dict__"].__get__
        if self.known:
            return
        self.known = True
        if name in ATOM_NAMES:
            self.atom = True
        elif name in READER_NAMES:
            make = READER_NAMES[name]
            self.base = None if make is None else make(kind)
        elif type_size(kind) > type_size(type_base(kind)):
            self.opaque, self.base = True, unknown(kind)
        else:
            self.known = False  # it adds methods only: its base tells

    def add_python(self, kind: type, name: str, body: Any) -> None:
        """Take in a class made by a ``class`` statement: its slots, and the dict if it brings it."""
        self.logs = self.logs or name == "logging.Filterer"
        for attribute, value in body.items():
            of = type(value)
            if of is MemberDescriptorType and value.__objclass__ is kind:
                self.slots.setdefault(attribute, value.__get__)
            elif (
                of is GetSetDescriptorType
                and attribute == "__dict__"
                and self.getter is None
                and (
                    value.__objclass__ is kind or value.__objclass__ is object
                )  # 3.15: one for all
            ):
                self.getter = value.__get__

    def readers(self) -> list[Reader]:
        """How each part is read. Attributes first: to read them may make the instance dict, which is then
        among what the object refers to, in this look and the next."""
        found: list[Reader] = []
        if self.parts:
            found.append(_attribute_reader(self.getter, tuple(self.slots.items())))
        if self.base is not None:
            found.append(self.base)
        return found


def _attribute_reader(
    getter: Callable[[Any], Any] | None, slots: tuple[tuple[str, Any], ...]
) -> Reader:
    """Read an instance dict and slots by their descriptors."""
    if not slots and getter is not None:
        get = getter

        def read_dict_attributes(o: Any, limit: Limit) -> State:
            held = get(o)
            if not held:
                return EMPTY
            if type(held) is dict:
                return None, tuple(held), tuple(held.values())
            return None, tuple(dict.keys(held)), tuple(dict.values(held))

        return read_dict_attributes

    def read_slots(o: Any, limit: Limit) -> State:
        names: list[Any] = []
        values: list[Any] = []
        for name, get in slots:
            try:
                values.append(get(o))
            except AttributeError:  # not set; of a member descriptor of C's, no user's code
                continue
            names.append(name)
        if getter is not None:
            held = getter(o)
            names.extend(dict.keys(held))
            values.extend(dict.values(held))
        return None, tuple(names), tuple(values)

    return read_slots


def _log_reader(getter: Callable[[Any], Any]) -> Reader:
    """Read of a logger or handler its settings only: what is logged changes the rest."""

    def read_log(o: Any, limit: Limit) -> State:
        held = getter(o)
        flags = tuple(dict.get(held, name) for name in ("level", "propagate", "disabled"))
        handlers = dict.get(held, "handlers")
        filters = dict.get(held, "filters")
        refs = tuple(handlers) if type(handlers) is list else ()
        refs += tuple(filters) if type(filters) is list else ()
        flags = tuple([flag for flag in flags if type(flag) in (int, bool)])
        return flags, None, (*refs, dict.get(held, "parent"))

    return read_log


INTERPRETER_NAMES = frozenset(
    {"__dict__", "__weakref__", "__doc__", "__module__", "__qualname__", "__abstractmethods__",
     "_abc_impl", "__annotations__", "__annotate__", "__annotate_func__", "__annotations_cache__",
     "__static_attributes__", "__firstlineno__", "__parameters__", "__orig_bases__",
     "__match_args__", "__slotnames__", "__dataclass_fields__", "__dataclass_params__", "__type_params__"}
)  # fmt: skip
"""Class attributes that tell how the class was written; some are filled in when first asked for."""
