"""Observations as bytes of the files beside a SQLite history: each a frame with a keyed digest. Pure."""

from __future__ import annotations

from _blake2 import blake2b

from amorsize.core.observation import (
    ROW_BYTES,
    TEXTS,
    MalformedObservation,
    older,
    pack,
    texts,
    unpack,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from amorsize.core.observation import Observation

FRAME_MAGIC = b"\xa0run"
LENGTH_BYTES, DIGEST_BYTES = 2, 8
_DIGEST_AT = len(FRAME_MAGIC) + LENGTH_BYTES
_BODY_AT = _DIGEST_AT + DIGEST_BYTES
"""A frame: magic, bytes of the body (little-endian), digest of the body, the body."""


def frame_of(observation: Observation, key: bytes) -> bytes:
    """The frame of an observation, under the history's key."""
    body = pack(observation) + "\0".join(texts(observation)).encode()
    return FRAME_MAGIC + len(body).to_bytes(LENGTH_BYTES, "little") + _digest(body, key) + body


def _digest(body: bytes, key: bytes) -> bytes:
    return blake2b(body, key=key, digest_size=DIGEST_BYTES).digest()


def observations_in(data: bytes, key: bytes) -> Iterator[Observation]:
    """The observations of the whole frames of ``data``."""
    return (one for _, one in frames_in(data, key))


def frames_in(data: bytes, key: bytes) -> Iterator[tuple[bytes, Observation]]:
    """The whole frames of ``data`` and their observations; after damage the next one is looked for."""
    place = data.find(FRAME_MAGIC)
    while place >= 0 and place + _BODY_AT <= len(data):
        digest_at, body_at = place + _DIGEST_AT, place + _BODY_AT
        length = int.from_bytes(data[digest_at - LENGTH_BYTES : digest_at], "little")
        body = data[body_at : body_at + length]
        if len(body) == length and _digest(body, key) == data[digest_at:body_at]:
            one = _unpacked(body)
            if one is not None:
                yield data[place : body_at + length], one
            place = data.find(FRAME_MAGIC, body_at + length)
        else:
            place = data.find(FRAME_MAGIC, place + 1)


def _unpacked(body: bytes) -> Observation | None:
    """The observation of a frame's body; none where its layout is neither today's nor an older one."""
    for row_bytes, count in _layouts():
        words = tuple(body[row_bytes:].decode("utf-8", "replace").split("\0"))
        if len(words) == count:
            try:
                return unpack(body[:row_bytes], words)
            except MalformedObservation:
                pass
    return None


def _layouts() -> Iterator[tuple[int, int]]:
    """Bytes of the numbers and number of texts of a row, of today and before."""
    yield ROW_BYTES, len(TEXTS)
    for row_bytes, (_, words) in older().items():
        yield row_bytes, len(words)
