"""Observations as bytes of the files beside a SQLite history: each a frame with a keyed digest. Pure."""

from __future__ import annotations

import struct
from _blake2 import blake2b

from amorsize.core.observation import (
    LEAST_ROW_BYTES,
    OLDER,
    ROW_BYTES,
    TEXTS,
    MalformedObservation,
    pack,
    texts,
    unpack,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from amorsize.core.observation import Observation

_FRAME = struct.Struct("<4sH8s")
"""Head of a frame: magic, bytes of the body, digest of the body."""
FRAME_MAGIC = b"\xa0run"


def frame_of(observation: Observation, key: bytes) -> bytes:
    """The frame of an observation, under the history's key."""
    body = pack(observation) + "\0".join(texts(observation)).encode()
    return _FRAME.pack(FRAME_MAGIC, len(body), _digest(body, key)) + body


def _digest(body: bytes, key: bytes) -> bytes:
    return blake2b(body, key=key, digest_size=8).digest()


def observations_in(data: bytes, key: bytes) -> Iterator[Observation]:
    """The whole frames of ``data``; after damage the next one is looked for."""
    place = data.find(FRAME_MAGIC)
    while place >= 0 and place + _FRAME.size <= len(data):
        _, length, digest = _FRAME.unpack_from(data, place)
        body = data[place + _FRAME.size : place + _FRAME.size + length]
        if len(body) == length and length > LEAST_ROW_BYTES and _digest(body, key) == digest:
            yield from _unpacked(body)
            place = data.find(FRAME_MAGIC, place + _FRAME.size + length)
        else:
            place = data.find(FRAME_MAGIC, place + 1)


def _unpacked(body: bytes) -> Iterator[Observation]:
    """The observation of a frame's body; none where its layout is neither today's nor an older one."""
    older = [(row_bytes, len(names)) for row_bytes, (_, _, names) in OLDER.items()]
    for row_bytes, count in ((ROW_BYTES, len(TEXTS)), *older):
        words = tuple(body[row_bytes:].decode("utf-8", "replace").split("\0"))
        if len(words) == count:
            try:
                yield unpack(body[:row_bytes], words)
                return
            except MalformedObservation:
                pass
