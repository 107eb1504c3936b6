"""Digests of items: whether the data of a run are those of an earlier one, as far as that is cheap."""

from __future__ import annotations

import os
import time
from _blake2 import blake2b

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

SAMPLED_ITEMS, SAMPLED_SECONDS = 1_000, 0.01
"""Items of a list, or seconds, that go into the digest of items which could change in place."""
DIGEST_BYTES = 8
"""A change of an item goes unseen once in 1.8e19."""
CHEAP_BYTES = 4_096
"""Texts and bytes up to this length are digested whole, longer ones by their length and both ends."""
LONG = 64
"""Sequences of up to so many items are digested whole, longer ones by their length and both ends."""
DEPTH = 4
"""Levels of nesting that are looked at."""

_SCALARS = (int, str, bytes, float, bool, type(None), complex)


def digest(item: Any, key: bytes, *, deep: bool = False) -> bytes:
    """Digest of an item that cannot change in place: a number, a text, bytes, a path, a tuple of those;
    ``deep``: of lists, dicts and arrays, too, as they are now. b"" for any other: nothing is known of it.

    No code of the item runs, and what is equal gives the same bytes in every process (a pickle or a
    ``repr`` would not: sets have an order of their process)."""
    pieces: list[bytes] = []
    if not _pieces(item, pieces, DEPTH, deep):
        return b""
    return blake2b(b"".join(pieces), key=key, digest_size=DIGEST_BYTES).digest()


def _pieces(item: Any, pieces: list[bytes], depth: int, deep: bool) -> bool:
    """Write an item down in pieces of kind, length and content. False if it cannot be."""
    kind = type(item)
    if kind is str or kind is bytes:
        content = item.encode("utf-8", "surrogatepass") if kind is str else item
        size = len(content)
        if size > CHEAP_BYTES:
            content = content[: CHEAP_BYTES // 2] + content[-CHEAP_BYTES // 2 :]
        pieces.append(b"%s %d %s" % (kind.__name__.encode(), size, content))
        return True
    if kind in _SCALARS:
        if kind is int:
            text = b"%x" % item if item.bit_length() <= 8 * CHEAP_BYTES else b""
        else:
            text = repr(item).encode()
        pieces.append(b"%s %d %s" % (kind.__name__.encode(), len(text), text))
        return True
    if not depth:
        return False
    if kind is tuple or (deep and kind is list):
        pieces.append(b"%s %d " % (kind.__name__.encode(), len(item)))
        if len(item) > LONG:
            item = [*item[: LONG // 2], *item[-LONG // 2 :]]
        return all(_pieces(inner, pieces, depth - 1, deep) for inner in item)
    if deep and kind is dict:
        pieces.append(b"dict %d " % len(item))
        pairs = list(item.items())[:LONG]
        return all(_pieces(pair, pieces, depth - 1, deep) for pair in pairs)
    module = kind.__module__
    if module == "numpy" and hasattr(kind, "tobytes") and not item.dtype.hasobject:
        if kind.__qualname__ == "ndarray":
            if not deep:
                return False
            pieces.append(f"array {item.dtype.str} {item.shape} ".encode())
            if item.nbytes > CHEAP_BYTES:
                item = item.flat[:LONG]
        pieces.append(item.dtype.str.encode() + item.tobytes())
        return True
    if module.startswith("pathlib"):
        return _pieces(os.fspath(item), pieces, depth - 1, deep)
    return False


def sample(data: Sequence[Any], key: bytes) -> dict[int, bytes]:
    """Digests of items of a list, spread evenly over it, for 10 ms."""
    count = len(data)
    if not count:
        return {}
    end = time.perf_counter() + SAMPLED_SECONDS
    found: dict[int, bytes] = {}
    step = max(1, count // SAMPLED_ITEMS)
    # The ends first, then coarse to fine: what the time allows is spread over all.
    stride = step
    while stride * 2 < count:
        stride *= 2
    while stride >= step:
        for index in (count - 1, *range(0, count, stride)):
            if index not in found:
                found[index] = digest(data[index], key, deep=True)
                if time.perf_counter() > end:
                    return found
        stride //= 2
    return found
