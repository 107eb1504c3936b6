"""Objects of C types that do not show their state: what their own bytes in memory say."""

from __future__ import annotations

import bz2
import codecs
import csv
import io
import itertools
import json
import lzma
import os
import weakref
import xml.parsers.expat
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from amorsize.inspection import memory
from amorsize.inspection.watch import Verdict, Watch

PACKED = bz2.compress(bytes(number * number % 251 for number in range(30_000)))


def watched(func: Callable[[Any], Any], first: Any = 0, second: Any = 1) -> Verdict:
    """The verdict on a second item, a first one having been run."""
    func(first)
    watch = Watch(func, second, budget_seconds=5.0)
    return watch.verdict([func(second)])


def feeds_a_compressor() -> Callable[[int], Any]:
    packer = zlib.compressobj()
    return lambda item: packer.compress(b"a few bytes")


def drains_a_decompressor() -> Callable[[int], Any]:
    unpacker = bz2.BZ2Decompressor()
    unpacker.decompress(PACKED, max_length=10)
    return lambda item: unpacker.decompress(b"", max_length=200)


def feeds_lzma() -> Callable[[int], Any]:
    packer = lzma.LZMACompressor()
    return lambda item: packer.compress(b"a few bytes")


def takes_of_a_cycle() -> Callable[[int], Any]:
    turns = itertools.cycle("abc")
    next(turns)
    return lambda item: next(turns)


def takes_of_a_repeat() -> Callable[[int], Any]:
    turns = itertools.repeat("a", 10)
    return lambda item: next(turns)


def takes_of_a_copy() -> Callable[[int], Any]:
    one, other = itertools.tee(iter("abcdefg"))
    next(other), next(other), next(other), next(other)
    return lambda item: next(one)


def reads_lines_on() -> Callable[[int], Any]:
    raw = io.FileIO(os.open(__file__, os.O_RDONLY), closefd=False)
    file = io.TextIOWrapper(io.BufferedReader(raw), encoding="utf-8")
    next(file)
    return lambda item: next(file)


def reads_csv_on() -> Callable[[int], Any]:
    rows = csv.reader(["a,b"] * 10)
    return lambda item: next(rows)


def feeds_a_parser() -> Callable[[int], Any]:
    parser = xml.parsers.expat.ParserCreate()
    parser.Parse(b"<a>")
    parser.CharacterDataHandler = print
    return lambda item: setattr(parser, "buffer_text", bool(item))


def feeds_a_decoder() -> Callable[[int], Any]:
    decoder = codecs.getincrementaldecoder("shift_jis")()
    return lambda item: decoder.decode(b"\x82" if item else b"")


class OwnCompressor:
    """Reaches a compressor two levels down."""

    def __init__(self) -> None:
        self.inner = {"packer": zlib.compressobj()}

    def put(self, item: int) -> None:
        self.inner["packer"].compress(b"more")


@pytest.mark.parametrize(
    "make",
    [
        feeds_a_compressor,
        drains_a_decompressor,
        feeds_lzma,
        takes_of_a_cycle,
        takes_of_a_repeat,
        takes_of_a_copy,
        reads_lines_on,
        reads_csv_on,
        feeds_a_parser,
        feeds_a_decoder,
        lambda: OwnCompressor().put,
    ],
)
def test_what_moves_on_is_seen(make: Callable[[], Callable[[int], Any]]) -> None:
    """A state that C code keeps in the object's struct is seen to change."""
    assert watched(make()).changed


def scans_json() -> Callable[[int], Any]:
    decoder = json.JSONDecoder()
    return lambda item: decoder.decode('{"a": [1, 2, {"b": null}]}')


def asks_a_tree() -> Callable[[int], Any]:
    spatial = pytest.importorskip("scipy.spatial")
    tree = spatial.cKDTree(np.random.default_rng(0).random((100, 2)))
    return lambda item: tree.query([0.5, 0.5])


def asks_a_forest() -> Callable[[int], Any]:
    trees = pytest.importorskip("sklearn.tree")
    rows = np.random.default_rng(0).random((50, 3))
    tree = trees.DecisionTreeClassifier(random_state=0).fit(rows, rows[:, 0] > 0.5)
    return lambda item: tree.predict(rows[item : item + 2])


def writes_with_a_dialect() -> Callable[[int], Any]:
    dialect = csv.get_dialect("excel")

    def write(item: int) -> str:
        out = io.StringIO()
        csv.writer(out, dialect).writerow([item, "a"])
        return out.getvalue()

    return write


def decompresses_at_once() -> Callable[[int], Any]:
    return lambda item: len(bz2.decompress(PACKED))


def refers_weakly() -> Callable[[int], Any]:
    packer = zlib.compressobj()
    kept = []

    def refer(item: int) -> int:
        kept[:] = []
        try:
            return weakref.getweakrefcount(packer)
        except TypeError:
            return 0

    return refer


@pytest.mark.parametrize(
    "make",
    [
        scans_json,
        asks_a_tree,
        asks_a_forest,
        writes_with_a_dialect,
        decompresses_at_once,
        refers_weakly,
    ],
)
def test_what_is_only_asked_is_not_seen_to_change(
    make: Callable[[], Callable[[int], Any]],
) -> None:
    """Objects made in C that are asked alone do not change, whatever they cache elsewhere."""
    assert watched(make()).changed == ()


def test_pointers_to_the_dict_and_to_weak_references_are_left_out() -> None:
    """The struct of an array of NumPy has a weak reference list: it is between two spans."""
    place = np.ndarray.__weakrefoffset__
    assert object.__basicsize__ < place < np.ndarray.__basicsize__
    spans = memory.own_spans(np.ndarray)
    assert all(place + memory.POINTER_BYTES <= start or end <= place for start, end in spans)
    size = sum(end - start for start, end in spans)
    expected = np.ndarray.__basicsize__ - object.__basicsize__ - memory.POINTER_BYTES
    assert size == min(expected, memory.MOST_BYTES)


def test_bytes_are_those_of_the_object() -> None:
    """The value of a float lies behind its header, eight bytes as C has them."""
    value = 1234.5678
    start = object.__basicsize__
    found = memory.struct_bytes(value, start, start + 8)
    assert found == np.float64(value).tobytes()


def test_where_memory_is_not_shown_nothing_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another system has no such file: the object counts as one that does not show its state."""
    monkeypatch.setattr(memory, "MEMORY", "/nowhere/mem")
    verdict = watched(feeds_a_compressor())
    assert verdict.changed == ()
    assert verdict.unwatched == ("`packer`",)


def test_memory_of_cffi_is_that_of_its_owner() -> None:
    """What an object of cffi points to is compared where it owns it; a mere pointer shows nothing."""
    cffi = pytest.importorskip("cffi")
    ffi = cffi.FFI()
    total = ffi.new("long *", 0)
    pointer = ffi.cast("long *", total)

    def counts(item: int) -> int:
        total[0] += item
        return item

    def reads(item: int) -> int:
        return item + int(total[0])

    def by_a_pointer(item: int) -> int:
        pointer[0] += item
        return item

    assert watched(counts).changed == ("`total`",)
    assert watched(reads).changed == ()
    assert watched(by_a_pointer).changed == () and watched(by_a_pointer).unwatched == ("`pointer`",)
