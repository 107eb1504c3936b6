"""One look: the state of all that a function and its item reach, and the same again afterwards.

::

    function, item --> queue of (object, whence, how it is called) --> nodes of (object, state)
                            ^-- references of each state --'
    again():  the same objects are read once more, and each state is compared with the first

What is near comes first (the queue is walked in order), so that a look that its budget cuts short
has seen the closure, ``self`` and the item before the depths of a library's object.
"""

from __future__ import annotations

import sys
from functools import partial
from io import StringIO
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType

from amorsize.inspection.kinds import ATOM_IDS, plan_of, type_name
from amorsize.inspection.library_state import reach_library_class
from amorsize.inspection.listeners import callbacks
from amorsize.inspection.objects import parts_of
from amorsize.inspection.reach import (
    Trail,
    names_of,
    reach_class,
    reach_function,
    reach_later,
    reach_loose_module,
)
from amorsize.inspection.readers import COMPARED, FOLLOWED, KEYED
from amorsize.inspection.state import (
    ATTRIBUTE,
    INDEX,
    INSIDE,
    KEY,
    LIBRARY_DEPTH,
    NAME,
    Limit,
    State,
    same,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    Reader = Callable[[Any, Limit], State]
    Node = tuple[Any, type, Reader, State, int, int]
    Entry = tuple[Any, int, int, Any, int]

GONE: State = (None, None, ())
"""State of what could be read at the first look and not at the second."""

CLOCK_EVERY = 32
"""Objects between two looks at the clock: 30 microseconds at most of small ones. So many are looked at
however small the budget is: what is nearest to the function."""


class Look:
    """The first look at all that is reached; :meth:`again` is the second."""

    __slots__ = ("_hooks", "_limit", "_nodes", "cut_short", "held", "hidden", "queue", "trail")

    def __init__(self, limit: Limit) -> None:
        self._limit = limit
        self.queue: list[tuple[Any, int, int, Any, int]] = []
        self._nodes: list[Node] = []
        self._hooks: dict[str, Entry] = {}
        self.hidden: list[int] = []
        self.held: list[tuple[int, str]] = []
        self.trail = Trail(_process_objects())
        self.cut_short: str | None = None

    def __len__(self) -> int:
        """How many parts of objects were read."""
        return len(self._nodes)

    def walk(self, func: Any, items: Iterable[Any]) -> None:
        """Look at a function and items."""
        self._root(func)
        for item in items:
            self.queue.append((item, -1, NAME, ("the item", "", ""), 0))
        self._callbacks()
        position, queue, limit = 0, self.queue, self._limit
        while position < len(queue) or reach_later(self) or self._reach_hooks():
            if position >= limit.nodes:
                self.cut_short = f"more than {limit.nodes} objects are reached"
                return
            if position and not position % CLOCK_EVERY and limit.over():
                self.cut_short = f"the look took longer than its budget of {limit.seconds:.3g} s"
                return
            self._visit(queue[position], position)
            position += 1

    def again(self) -> list[tuple[Node, State]]:
        """Read every object once more; those that changed, with their state now."""
        changed = []
        limit = self._limit
        for position, node in enumerate(self._nodes):
            if position and not position % CLOCK_EVERY and limit.over():
                self.cut_short = self.cut_short or (
                    f"the second look took longer than its budget of {limit.seconds:.3g} s"
                )
                break
            obj, kind, reader, before, index, _ = node
            try:
                after = reader(obj, limit)
                if type(obj) is not kind or not same(before, after):
                    changed.append((node, after))
            except Exception as error:  # it could be read before: released, closed, torn down
                self._failed(index, error)
                changed.append((node, GONE))
        return changed

    def read(self, obj: Any, reader: Reader, index: int, style: int, follow: bool) -> None:
        """Read one part of an object's state, and queue what it refers to."""
        limit = self._limit
        try:
            state = reader(obj, limit)
        except Exception as error:
            self._failed(index, error)
            return
        if type(obj) is not tuple and reader.__name__ not in FOLLOWED:
            self._nodes.append((obj, type(obj), reader, state, index, style))
        if limit.note:
            self.cut_short = self.cut_short or f"{self.name(index)} {limit.note}"
        if limit.hidden:
            self.hidden.append(index)
        if limit.note or limit.hidden:
            limit.forget()
        if follow and state[2]:
            self._follow(state, index, style)

    def returned(self, results: Iterable[Any]) -> str | None:
        """Name of a result that the function or its item reaches, or whose memory it shows.

        Values are left out, functions and classes, and members of enumerations: they travel as they are.
        Parts and attributes of a result are looked at, too."""
        parts = [part for one in results for part in parts_of(one).values()]
        if not parts:
            return None
        places: dict[int, int] = {}
        for index, entry in enumerate(self.queue):
            places.setdefault(id(entry[0]), index)
            memory = owner(entry[0])
            if memory is not None:
                places.setdefault(id(memory), index)
        for part in parts:
            place = places.get(id(part), places.get(id(owner(part)), -1))
            if place >= 0 and _may_be_changed(self.queue[place][0]):
                return self.name(place)
        return None

    def fail(self, what: str, error: Exception) -> None:
        """The look came to an early end."""
        self.cut_short = f"{what} failed ({type(error).__name__}: {error})"

    def name(self, index: int, key: Any = None, style: int = INSIDE) -> str:
        """What people call the object of an entry, or one of its attributes."""
        return name_of(self.queue, index, key, style)

    def _root(self, func: Any) -> None:
        kind = type(func)
        label = ("", "self", "")
        if kind is FunctionType:
            label = ("", func.__name__, "")
        elif kind is BuiltinFunctionType:
            label = ("the object of ", func.__name__, "")
        elif kind is partial:
            label = ("", "partial", "")
        self.queue.append((func, -1, NAME, label, 0))

    def _callbacks(self) -> None:
        """Queue what the process calls, where it is the user's: a hook, a buffer that is printed into."""
        for name, obj in callbacks():
            kind = type(obj)
            if id(kind) in ATOM_IDS:
                continue
            if kind is FunctionType:
                mine = names_of(obj.__code__).own
            elif kind is MethodType or kind is BuiltinFunctionType:
                mine = type(obj.__self__) is not ModuleType
            else:
                mine = plan_of(kind).own or issubclass(kind, StringIO)
            if not mine:
                continue
            entry = (obj, -1, NAME, (name, "", ""), 0)
            if name in HOOKS and kind is MethodType and plan_of(type(obj.__self__)).foreign:
                self._hooks[HOOKS[name]] = entry
                continue
            self.trail.seen.discard(id(obj))
            self.queue.append(entry)

    def _reach_hooks(self) -> bool:
        """Queue the hooks of a library's object that code names by now; False when there are no more.

        A notebook's hook of exceptions leads to all of the kernel: 3,000 objects, with its sockets."""
        named = self._hooks.keys() & self.trail.names
        for name in named:
            entry = self._hooks.pop(name)
            self.trail.seen.discard(id(entry[0]))
            self.queue.append(entry)
        return bool(named)

    def _visit(self, entry: tuple[Any, int, int, Any, int], index: int) -> None:
        obj, _, _, _, depth = entry
        if id(obj) in self.trail.seen:
            return
        self.trail.seen.add(id(obj))
        kind = type(obj)
        if kind is FunctionType:
            reach_function(self, obj, index, depth)
            return
        plan = plan_of(kind)
        if plan.is_module:
            reach_loose_module(self, obj, index, depth)
            return
        if plan.atom:
            return
        if plan.is_class:
            reach_class(self, obj, index, depth)
            return
        if plan.held is not None:
            self.held.append((index, plan.held))
        if plan.opaque:
            self.hidden.append(index)
        if plan.foreign:
            if depth >= LIBRARY_DEPTH:
                return
            self.queue[index] = (*entry[:4], depth + 1)
            reach_library_class(self, kind, index, depth)
        for reader in plan.readers:
            name = reader.__name__
            self.read(obj, reader, index, STYLES.get(name, INDEX), name not in COMPARED)
        if plan.own and id(kind) not in self.trail.seen:
            self.queue.append((kind, index, INSIDE, None, depth))

    def _follow(self, state: State, index: int, style: int) -> None:
        """Queue references, those left out that say nothing."""
        _, keys, refs = state
        room = self._limit.nodes + 1 - len(self.queue)
        if len(refs) > 16 and {*map(id, map(type, refs))} <= ATOM_IDS:
            return
        depth = self.queue[index][4]
        queue = self.queue
        for position, ref in enumerate(refs):
            if id(type(ref)) in ATOM_IDS:
                continue
            if room <= 0:
                return
            room -= 1
            queue.append((ref, index, style, keys[position] if keys else position, depth))

    def _failed(self, index: int, error: Exception) -> None:
        self._limit.forget()
        self.cut_short = self.cut_short or (
            f"{self.name(index)} could not be read ({type(error).__name__})"
        )


STYLES = {
    **dict.fromkeys(("read_dict_attributes", "read_slots"), ATTRIBUTE),
    **dict.fromkeys(KEYED, KEY),
    "read_members": ATTRIBUTE,
    **dict.fromkeys(
        ("read_referents", "read_unknown", "read_local", "read_unpacked", "read_cell",
         "read_position", "read_index",
         "read_struct", "read_running", "read_reference", "read_buffered",
         "read_text", "read_memory", "read_count", "read_log", "read_exception", "read_cached"),
        INSIDE,
    ),
}  # fmt: skip
"""How each reader's references are called; by position where it is not here."""


def _may_be_changed(obj: Any) -> bool:
    """Is it an object that travels as a copy, and may be changed?"""
    plan = plan_of(type(obj))
    plain = plan.atom or plan.is_class or plan.is_module or type(obj) in UNCHANGED
    return not plain and not any(type_name(base) == "Enum" for base in plan.mro)


def owner(view: Any) -> Any:
    """The object whose memory an array or memoryview shows; None of another object."""
    kind = type(view)
    if kind is memoryview:
        try:
            return view.obj
        except ValueError:  # released
            return None
    if kind.__module__ != "numpy" or kind.__name__ != "ndarray":
        return None
    while type(view.base) is kind:
        view = view.base
    return view


HOOKS = {"the hook of displays": "displayhook", "the hook of exceptions": "excepthook"}
"""What an item calls only where code names it: the interpreter calls it after statements."""

UNCHANGED = (tuple, FunctionType, BuiltinFunctionType, MethodType)


def _process_objects() -> set[int]:
    """Ids of what belongs to the process, and is looked at as a part of that."""
    found = {id(getattr(sys, name)) for name in STREAMS}
    generator = sys.modules.get("random")
    if type(generator) is ModuleType:
        found.add(id(generator.__dict__.get("_inst")))
    legacy = sys.modules.get("numpy.random.mtrand")
    if type(legacy) is ModuleType:
        found.add(id(legacy.__dict__.get("_rand")))
        found.add(id(getattr(legacy.__dict__.get("_rand"), "_bit_generator", None)))
    return found


STREAMS = ("stdin", "stdout", "stderr", "__stdin__", "__stdout__", "__stderr__")


LONGEST_KEY = 20
"""Characters of a dict key that a name shows."""


def name_of(queue: list[Entry], index: int, key: Any, style: int) -> str:
    """Name of an entry of the queue, or of what it refers to under ``key``."""
    parts: list[str] = []
    _add(parts, style, key)
    label = ("", "?", "")
    while index >= 0:
        _, parent, style, key, _ = queue[index]
        if style == NAME:
            label = key if type(key) is tuple else ("", str(key), "")
            break
        _add(parts, style, key)
        index = parent
    prefix, name, suffix = label
    if not name:
        return prefix
    return f"{prefix}`{name}{''.join(reversed(parts))}`{suffix}"


def _add(parts: list[str], style: int, key: Any) -> None:
    if style == ATTRIBUTE:
        if type(key) is not str:
            parts.append("[...]")
        elif key not in ("__self__", "__func__", "__wrapped__"):
            parts.append(f".{key}")
    elif style == INDEX:
        parts.append(f"[{key}]")
    elif style == KEY:
        if type(key) is str or type(key) is int:
            parts.append(f"[{key!r:.{LONGEST_KEY}}]")
        else:
            parts.append("[...]")
    elif style == INSIDE:
        return
    else:
        raise ValueError(f"a reference is not called in the way {style!r}")
