"""The state of objects of unknown C types: their own bytes, read as they lie in memory.

::

    id(o) + header ... id(o) + basicsize --/proc/self/mem--> bytes, pointers to the dict and to weak
                                                             references left out

A compressor, a parser or an iterator made in C keeps counters and positions in its own struct. To read
it runs nothing: neither the user's code nor the library's. What the struct only points to is not seen,
so the object still counts as one that does not show its state. Where the system gives no such file, or
refuses to open it, nothing is compared.
"""

from __future__ import annotations

import os
from gc import get_referents

from amorsize.inspection.state import Limit, State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Reader = Callable[[Any, Limit], State]

MEMORY = "/proc/self/mem"
"""The memory of this process as a file (proc(5)). It is opened for each object, some 8 microseconds: a
descriptor that is kept would show the parent's memory after a fork."""

POINTER_BYTES = 8
MOST_BYTES = 4096
"""Structs longer than this are compared in their first bytes only."""

UNSAFE_PARTS = frozenset(map(id, (list, tuple, type)))


def struct_bytes(o: Any, start: int, end: int) -> bytes | None:
    """The bytes of an object from ``start`` to ``end``; None where the system does not show them."""
    try:
        memory = os.open(MEMORY, os.O_RDONLY)
    except OSError:
        return None
    try:
        return os.pread(memory, end - start, id(o) + start)
    except (OSError, AttributeError, OverflowError):
        return None
    finally:
        os.close(memory)


def own_spans(kind: type) -> tuple[tuple[int, int], ...]:
    """From where to where the struct of a C type keeps what is its own, in bytes."""
    get = type.__dict__
    size: int = get["__basicsize__"].__get__(kind)
    spans = []
    start = object.__basicsize__
    left_out = (get["__dictoffset__"].__get__(kind), get["__weakrefoffset__"].__get__(kind))
    for place in sorted(place for place in left_out if place >= start):
        spans.append((start, place))
        start = place + POINTER_BYTES
    spans.append((start, size))
    return tuple((a, min(b, MOST_BYTES)) for a, b in spans if a < min(b, MOST_BYTES))


def unknown(kind: type) -> Reader:
    """What an object of an unknown C type keeps in its own bytes, and refers to.

    Its lists and tuples are left out: those are inner parts that may not be filled yet
    (``XMLPullParser`` keeps a list of 20 null pointers), and to list them would end the process.
    """
    spans = own_spans(kind)

    def read_unknown(o: Any, limit: Limit) -> State:
        kept = [r for r in get_referents(o) if id(type(r)) not in UNSAFE_PARTS]
        return tuple([struct_bytes(o, *span) for span in spans]), None, tuple(kept)

    return read_unknown


def shown_by_memory(kind: type) -> Reader:
    """The same of a known type that keeps a position which it does not tell."""
    read = unknown(kind)

    def read_struct(o: Any, limit: Limit) -> State:
        plain, _, refs = read(o, limit)
        limit.hide()
        return plain, None, refs

    return read_struct
