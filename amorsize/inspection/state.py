"""A state of one object, whether two are the same, and how much a look may read.

A state is three parts::

    plain   what is compared with ``==``: values of exact builtin types only
    keys    what the references are called (attribute names, dict keys), or None: by position
    refs    the objects that are referred to: compared by identity, values by ``==``

Both looks hold the references, so an id is one object's from the first look to the second. Neither
holds an export of a buffer: a ``bytearray`` that is looked at can still be resized.
"""

from __future__ import annotations

from operator import is_
from time import get_clock_info, thread_time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeAlias

    State: TypeAlias = tuple[Any, tuple[Any, ...] | None, tuple[Any, ...]]
else:
    State = tuple

INDEX, KEY, ATTRIBUTE, NAME, INSIDE, BINDING = range(6)
"""How a reference is called: ``[3]``, ``['a']``, ``.total``, a name of its own, not at all, a
global of a module."""

LIBRARY_DEPTH = 6
"""Objects of libraries within objects of libraries are looked at so deep: a client's session, its
adapters, their pools, a pool's queue, its deque, a connection."""

EMPTY: State = (None, (), ())
"""State of an object without attributes."""

BYTES_A_SECOND = 4e8
"""Bytes of buffers that a look may checksum for each second of its budget: two thirds of the rate
of ``crc32`` on a busy machine (0.6 GB/s; benchmarks/speed/watch_cost.py)."""

ELEMENTS_A_SECOND = 1e7
"""Elements of one container that a look may list for each second of its budget: a third of the rate
on a busy machine (36 million; benchmarks/speed/watch_cost.py)."""

FEWEST_BYTES, FEWEST_ELEMENTS = 1 << 16, 4096
"""Read of any buffer and container, however small the budget: about 0.1 ms each."""

STEP_SECONDS = (
    get_clock_info("monotonic").resolution
    if get_clock_info("thread_time").implementation == "GetThreadTimes()"
    else 0.0
)
"""Steps in which the CPU time of a thread comes (15.6 ms on Windows), longer than whole budgets; 0 where
it is fine."""

VALUE_NAMES = frozenset(
    {"builtins.int", "builtins.float", "builtins.complex", "builtins.str", "builtins.bytes",
     "builtins.bool", "builtins.range", "datetime.date", "datetime.datetime", "datetime.time",
     "datetime.timedelta", "decimal.Decimal"}
)  # fmt: skip
"""Exact types whose ``==`` is C code that asks no other object."""

_VALUES: dict[int, bool] = {id(kind): True for kind in (int, float, complex, str, bytes, bool)}


class Absent:
    """Stands for a name that is not bound."""

    __slots__ = ()


ABSENT = Absent()


class Limit:
    """How much a look may read, and what stopped it.

    ``seconds`` is the budget of one look and ``nodes`` the most objects. Where the clock comes in steps,
    one more step has to pass: the first may come as soon as a look has begun. A reader that reads less
    than all says so in ``note``; one whose object does not show its state sets ``hidden``.
    """

    __slots__ = ("_allowed", "_clock", "_deadline", "bytes_left", "checksums", "elements", "hidden",
                 "nodes", "note", "seconds")  # fmt: skip

    def __init__(
        self, seconds: float, nodes: int, clock: Callable[[], float], checksums: bool = True
    ) -> None:
        self.seconds, self.nodes, self.checksums = seconds, nodes, checksums
        self._clock = clock
        self._allowed = seconds + (STEP_SECONDS if clock is thread_time else 0.0)
        self.elements = max(FEWEST_ELEMENTS, int(min(seconds, 1e3) * ELEMENTS_A_SECOND))
        self.note = ""
        self.hidden = False
        self._deadline = 0.0
        self.bytes_left = 0
        self.start()

    def start(self) -> float:
        """Begin a look: set its deadline, and give its start on the clock."""
        now = self._clock()
        self._deadline = now + self._allowed
        self.bytes_left = max(FEWEST_BYTES, int(min(self.seconds, 1e3) * BYTES_A_SECOND))
        return now

    def take_bytes(self, size: int) -> int:
        """How many of so many bytes the look may still read; they count as read."""
        allowed = min(size, max(self.bytes_left, 0))
        self.bytes_left -= allowed
        return allowed

    def tell(self, note: str) -> None:
        """A reader read less than all, and says why."""
        self.note = note

    def hide(self) -> None:
        """The object does not show its state."""
        self.hidden = True

    def forget(self) -> None:
        """What the last reader said is booked."""
        self.note, self.hidden = "", False

    def over(self) -> bool:
        """Is the time of this look spent?"""
        return self._clock() > self._deadline


def same(a: State, b: State) -> bool:
    """Do two states of one object say the same? Runs no code of the user's."""
    return (
        (a[2] is b[2] or same_refs(a[2], b[2]))
        and a[0] == b[0]
        and (a[1] is b[1] or (a[1] is not None and b[1] is not None and same_refs(a[1], b[1])))
    )


def same_refs(a: tuple[Any, ...], b: tuple[Any, ...]) -> bool:
    """Are two tuples of references the same, one by one?"""
    if len(a) != len(b):
        return False
    return all(map(is_, a, b)) or all(map(same_value, a, b))


def same_value(a: Any, b: Any, depth: int = 3) -> bool:
    """Is it the same object, or an equal value of a type that never changes?"""
    if a is b:
        return True
    kind = type(a)
    if kind is not type(b):
        return False
    if kind is tuple or kind is frozenset:
        return (
            depth > 0
            and len(a) == len(b)
            and all(same_value(x, y, depth - 1) for x, y in zip(a, b, strict=True))
        )
    return _is_value(kind) and bool(a == b or (a != a and b != b))


def _is_value(kind: type) -> bool:
    known = _VALUES.get(id(kind))
    if known is not None:
        return known
    if type(kind) is not type:  # a metaclass of the user's
        return False
    module, name = kind.__module__, kind.__qualname__
    static = not kind.__flags__ & (1 << 9) or kind.__flags__ & (1 << 8)  # static or immutable
    return bool(static and type(module) is str and f"{module}.{name}" in VALUE_NAMES)
