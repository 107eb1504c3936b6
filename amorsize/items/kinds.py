"""Kinds of data: which can be reached by position, which can be listed, whose length is known."""

from __future__ import annotations

from collections import deque

TYPE_CHECKING = False
if TYPE_CHECKING:
    pass

INDEXED_TYPES: tuple[type, ...] = (list, tuple, range, str, bytes, bytearray)
"""Sequences whose items cost nothing to reach by position, in any process that inherited them."""


SNAPSHOT_TYPES: tuple[type, ...] = (
    set,
    frozenset,
    dict,
    deque,
    type({}.keys()),
    type({}.values()),
    type({}.items()),
)
"""Containers whose items exist already: the rest is listed once when work is handed over."""


def is_indexed(data: object) -> bool:
    """Whether ``data[i]`` for i in range(len(data)) gives exactly what iterating gives, at once."""
    kind = type(data)
    if kind in INDEXED_TYPES or getattr(kind, "indexed_by_amorsize", False):
        return True
    module, name = kind.__module__, kind.__qualname__
    if module == "numpy" and name == "ndarray":
        return bool(data.ndim)  # type: ignore[attr-defined]
    return module == "array" and name == "array"


def is_snapshot(data: object) -> bool:
    """Whether listing the items costs no more than copying references."""
    kind = type(data)
    return kind in SNAPSHOT_TYPES or (
        kind.__module__.startswith("pandas.")
        and kind.__qualname__ in {"Series", "Index", "RangeIndex"}
    )


def length_of(data: object) -> int | None:
    """Number of items if the data know it, else None. A hint (`__length_hint__`) is no knowledge."""
    if not hasattr(data, "__len__"):
        return None
    try:
        return len(data)
    except Exception:  # the loop would not ask
        return None
