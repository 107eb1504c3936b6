"""Readers of what keeps bytes: arrays and files. Each checksum ends its export before it returns."""

from __future__ import annotations

import sys
from gc import get_referents
from zlib import crc32

from amorsize.inspection.memory import shown_by_memory
from amorsize.inspection.state import Limit, State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Reader = Callable[[Any, Limit], State]

POSITION_ENCODINGS = frozenset({"utf-8", "utf8", "ascii", "us-ascii", "latin-1", "iso-8859-1"})
"""Encodings of text files whose position is told by C code only."""


def _spend(limit: Limit, size: int) -> int:
    """Take ``size`` bytes of the look's allowance; how many of them may be read."""
    allowed = limit.take_bytes(size)
    if allowed < size:
        limit.tell(f"keeps {size} bytes, of which {allowed} were looked at")
    return allowed


def _sliced(kind: Any) -> Reader:
    """``bytearray``, ``array``, ``mmap``: a copy of a part by the method of the base."""
    size, get = kind.__len__, kind.__getitem__
    tell = kind.tell if kind.__name__ == "mmap" else size

    def read_sliced(o: Any, limit: Limit) -> State:
        length = size(o)
        if not limit.checksums:
            return None, None, ()
        width = o.itemsize if type(o) is kind and kind.__name__ == "array" else 1
        allowed = _spend(limit, length * width) // width
        if allowed == length:
            return (length, tell(o), crc32(get(o, slice(0, length)))), None, ()
        half = allowed // 2
        ends = crc32(get(o, slice(0, half))), crc32(get(o, slice(length - half, length)))
        return (length, tell(o), ends), None, ()

    return read_sliced


def _memory(kind: Any) -> Reader:
    def read_memory(o: Any, limit: Limit) -> State:
        if not o.contiguous:
            limit.hide()
            return o.nbytes, None, (o.obj,)
        if not limit.checksums or _spend(limit, o.nbytes) < o.nbytes:
            return o.nbytes, None, (o.obj,)
        return (o.nbytes, crc32(o)), None, (o.obj,)

    return read_memory


def _exported(kind: Any) -> Reader:
    """Objects of ctypes: their memory, where no class of the user's stands before it."""

    def read_exported(o: Any, limit: Limit) -> State:
        with memoryview(o) as view:
            if not limit.checksums or _spend(limit, view.nbytes) < view.nbytes:
                return view.nbytes, None, ()
            return view.tobytes(), None, ()

    return read_exported


def _owned(kind: Any) -> Reader:
    """Objects of cffi: the memory that is theirs. A pointer's may be gone."""
    buffer = sys.modules[kind.__module__].buffer

    def read_owned(o: Any, limit: Limit) -> State:
        if "Own" not in type(o).__name__ and "FromBuf" not in type(o).__name__:
            limit.hide()
            return None, None, ()
        try:
            view = buffer(o)
        except TypeError:  # of a size that is not known
            limit.hide()
            return None, None, ()
        size = len(view)
        if not limit.checksums or _spend(limit, size) < size:
            return size, None, ()
        return bytes(view), None, ()

    return read_owned


def _array(kind: Any) -> Reader:
    """``numpy.ndarray`` and its subclasses, which are first seen as the base class."""

    def read_array(o: Any, limit: Limit) -> State:
        array = o if type(o) is kind else kind.view(o, kind)
        dtype, shape = array.dtype, array.shape
        if dtype.hasobject:
            if dtype.names or array.size > limit.elements:
                limit.tell("keeps more objects than were looked at")
                return shape, None, ()
            return shape, None, tuple(array.ravel("K").tolist())
        if not limit.checksums:
            return shape, None, ()
        size, flags = array.nbytes, array.flags.num
        allowed = _spend(limit, size)
        if allowed < size:  # in steps, each of one element: strided, so nothing is copied whole
            step = size // max(allowed // 8, 1) + 1
            return (shape, flags, crc32(array.flat[::step].tobytes())), None, ()
        whole = size > 0 and array.flags.forc
        return (
            (shape, flags, crc32(array.ravel("K").view("u1") if whole else array.tobytes())),
            None,
            (),
        )

    return read_array


def _bytes_io(kind: Any) -> Reader:
    tell, value, closed = kind.tell, kind.getvalue, kind.__dict__["closed"].__get__

    def read_bytes_io(o: Any, limit: Limit) -> State:
        if closed(o):
            return "closed", None, ()
        if not limit.checksums:
            return tell(o), None, ()
        content = value(o)
        size = _spend(limit, len(content))
        if size == len(content):
            return (tell(o), len(content), crc32(content)), None, ()
        half = size // 2
        part = crc32(content[:half]), crc32(content[len(content) - half :])
        return (tell(o), len(content), part), None, ()

    return read_bytes_io


def _string_io(kind: Any) -> Reader:
    tell, value, closed = kind.tell, kind.getvalue, kind.__dict__["closed"].__get__

    def read_string_io(o: Any, limit: Limit) -> State:
        if closed(o):
            return "closed", None, ()
        if not limit.checksums:
            return tell(o), None, ()
        content = value(o)
        _spend(limit, len(content))
        return (tell(o), len(content), hash(content)), None, ()

    return read_string_io


def _raw_file(kind: Any) -> Reader:
    tell, closed = kind.tell, kind.__dict__["closed"].__get__

    def read_raw_file(o: Any, limit: Limit) -> State:
        if closed(o):
            return "closed", None, ()
        try:
            return tell(o), None, ()
        except OSError:  # a pipe or terminal has no position
            limit.hide()
            return None, None, ()

    return read_raw_file


def _buffered(kind: Any) -> Reader:
    raw_of, tell = kind.__dict__["raw"].__get__, kind.tell

    def read_buffered(o: Any, limit: Limit) -> State:
        raw = raw_of(o)
        raw_kind = type(raw)
        # Only of a raw file of the C type: another's tell() would be the user's code.
        if raw_kind.__flags__ & (1 << 9) or raw_kind.__name__ != "FileIO":
            limit.hide()
            return None, None, (raw,)
        if raw.closed:
            return "closed", None, ()
        try:
            return tell(o), None, (raw,)
        except OSError:
            limit.hide()
            return None, None, (raw,)

    return read_buffered


def _text(kind: Any) -> Reader:
    """A text file: what it has read ahead and not yet written, and where it stands, if it only reads.

    ``tell`` flushes. Of a file that only reads there is nothing to flush; of another it is not asked.
    """
    buffer_of, tell = kind.__dict__["buffer"].__get__, kind.tell
    in_memory = shown_by_memory(kind)

    def read_text(o: Any, limit: Limit) -> State:
        parts = tuple([part for part in get_referents(o) if type(part) is not type])
        buffer = buffer_of(o)
        io = sys.modules["_io"]
        if (
            type(o) is kind
            and type(buffer) is io.BufferedReader
            and type(buffer.raw) is io.FileIO
            and not buffer.raw.closed
            and o.encoding.lower() in POSITION_ENCODINGS
        ):
            try:
                return tell(o), None, (buffer,)
            except OSError:  # while it is iterated it does not tell
                return in_memory(o, limit)
        if type(buffer) is io.BufferedReader:
            limit.hide()
        return None, None, parts

    return read_text


BUFFER_READERS: dict[str, Callable[[Any], Reader]] = {
    "builtins.bytearray": _sliced,
    "array.array": _sliced,
    "mmap.mmap": _sliced,
    "builtins.memoryview": _memory,
    "_ctypes._SimpleCData": _exported,
    "_ctypes.Structure": _exported,
    "_ctypes.Union": _exported,
    "_ctypes.Array": _exported,
    "_cffi_backend._CDataBase": _owned,
    "numpy.ndarray": _array,
    "_io.BytesIO": _bytes_io,
    "_io.StringIO": _string_io,
    "_io.FileIO": _raw_file,
    "_io.BufferedReader": _buffered,
    "_io.BufferedWriter": _buffered,
    "_io.BufferedRandom": _buffered,
    "_io.TextIOWrapper": _text,
}
