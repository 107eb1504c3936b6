"""Results as bytes, and back: by pickle, or as JSON where that changes nothing."""

from __future__ import annotations

import pickle
from zlib import crc32

from amorsize.items.pickling import dumps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def codec(format: str) -> tuple[Callable[[Any], bytes], Callable[[bytes], Any]]:
    """What writes results in this format ("pickle" or "json"), and what reads them."""
    if format == "json":
        return _to_json, _from_json
    return dumps, pickle.loads


def checksum(name: bytes, state: int, value: bytes) -> int:
    """Of a result's bytes, its item's name and state: a result in another's place is noticed, too."""
    return crc32(value, crc32(name, state))


def _to_json(value: Any) -> bytes:
    import json

    text = json.dumps(value)
    if repr(json.loads(text)) != repr(value):
        raise ValueError("JSON would change it")
    return text.encode("utf-8", "surrogatepass")


def _from_json(data: bytes) -> Any:
    import json

    return json.loads(data.decode("utf-8", "surrogatepass"))
