"""Readers of iterators, generators and coroutines: where they stand, without running them.

An iterator over a builtin tells how much is left, or an index by ``__reduce__`` of its exact type.
One that wraps another iterator has moved when that one has: what it refers to is looked at. Of one that
keeps an index which it does not show, the bytes of its struct are read.
"""

from __future__ import annotations

from gc import get_referents

from amorsize.inspection.memory import shown_by_memory
from amorsize.inspection.state import Limit, State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Reader = Callable[[Any, Limit], State]


def read_referents(o: Any, limit: Limit) -> State:
    """All that a C object refers to, types and modules left out."""
    return None, None, tuple([r for r in get_referents(o) if type(r) is not type])


def _unpacked(kind: Any) -> Reader:
    """``zip`` and ``map``: the iterators in the tuple that they keep."""

    def read_unpacked(o: Any, limit: Limit) -> State:
        kept: list[Any] = []
        for part in get_referents(o):
            if type(part) is tuple:
                kept.extend(part)
            else:
                kept.append(part)
        return None, None, tuple(kept)

    return read_unpacked


def referents(kind: Any) -> Reader:
    return read_referents


def _positioned(kind: Any) -> Reader:
    """Iterators over builtins: how many elements are left, and over what."""
    hint = kind.__length_hint__

    def read_position(o: Any, limit: Limit) -> State:
        return hint(o), None, tuple(get_referents(o))

    return read_position


def _reduced(kind: Any) -> Reader:
    """Iterators whose ``__reduce__`` tells an index, and asks nothing of what they walk."""
    reduce = kind.__reduce__

    def read_index(o: Any, limit: Limit) -> State:
        index = tuple([part for part in reduce(o)[1:] if type(part) is int])
        inner = reduce(o)[1]
        index += tuple([part for part in inner if type(part) is int])
        return index, None, tuple(get_referents(o))

    return read_index


def _counting(kind: Any) -> Reader:
    show = kind.__repr__

    def read_count(o: Any, limit: Limit) -> State:
        parts = get_referents(o)
        if any(type(part) not in (int, float, type) for part in parts):
            limit.hide()
            return None, None, tuple(parts)
        return show(o), None, ()

    return read_count


def _running(prefix: str) -> Callable[[Any], Reader]:
    """Generators and coroutines: the instruction they stopped at, their variables and stack."""

    def make(kind: Any) -> Reader:
        frame_of = kind.__dict__[f"{prefix}_frame"].__get__
        running = kind.__dict__[f"{prefix}_running"].__get__

        def read_running(o: Any, limit: Limit) -> State:
            frame = frame_of(o)
            if frame is None:
                return None, None, ()
            return (frame.f_lasti, bool(running(o))), None, _variables(o)

        return read_running

    return make


def _variables(o: Any) -> tuple[Any, ...]:
    return tuple([r for r in get_referents(o) if type(r) is not str])


ITERATOR_READERS: dict[str, Callable[[Any], Reader] | None] = {
    "builtins.generator": _running("gi"),
    "builtins.coroutine": _running("cr"),
    "builtins.async_generator": _running("ag"),
    **dict.fromkeys(
        (f"builtins.{name}" for name in (
            "list_iterator", "list_reverseiterator", "tuple_iterator", "range_iterator",
            "longrange_iterator", "set_iterator", "dict_keyiterator", "dict_valueiterator",
            "dict_itemiterator", "dict_reversekeyiterator", "dict_reversevalueiterator",
            "dict_reverseitemiterator", "bytes_iterator", "bytearray_iterator", "str_iterator",
            "str_ascii_iterator",
        )),
        _positioned,
    ),
    **dict.fromkeys(
        (f"builtins.{name}" for name in ("iterator", "reversed", "enumerate")), _reduced
    ),
    **dict.fromkeys(
        (f"collections.{name}" for name in ("_deque_iterator", "_deque_reverse_iterator")),
        _positioned,
    ),
    **dict.fromkeys(
        ("_collections._deque_iterator", "_collections._deque_reverse_iterator"), _positioned
    ),
    **dict.fromkeys(("builtins.zip", "builtins.map", "builtins.filter"), _unpacked),
    "builtins.callable_iterator": referents,
    "itertools.count": _counting,
    "itertools.repeat": shown_by_memory,
    "itertools.cycle": shown_by_memory,
    "itertools._tee": shown_by_memory,
    **dict.fromkeys(("posix.ScandirIterator", "nt.ScandirIterator"), shown_by_memory),
    **dict.fromkeys(
        (f"itertools.{name}" for name in (
            "chain", "islice", "accumulate", "zip_longest", "starmap", "takewhile", "dropwhile",
            "filterfalse", "compress", "groupby", "_grouper", "pairwise", "batched", "product",
            "combinations", "permutations", "combinations_with_replacement",
        )),
        referents,
    ),
}  # fmt: skip
"""Readers of iterators by the name of their type."""
