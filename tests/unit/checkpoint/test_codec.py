"""Results as bytes: what goes in comes out, or is refused."""

from __future__ import annotations

import math

import pytest

from amorsize.checkpoint.codec import checksum, codec

VALUES = [None, True, 0, -(10**30), 1.5, math.inf, "", "a\ud800b", [1, [2.0, "x"]], {"a": None}]


@pytest.mark.parametrize("format", ["pickle", "json"])
@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_plain_values_travel_in_both_formats(format: str, value: object) -> None:
    dump, load = codec(format)
    data = dump(value)
    assert isinstance(data, bytes)
    assert repr(load(data)) == repr(value)


@pytest.mark.parametrize("value", [(1, 2), {1: 2}, {"a": (1,)}, {1, 2}, 1j])
def test_json_refuses_what_it_would_change(value: object) -> None:
    dump, _ = codec("json")
    with pytest.raises((ValueError, TypeError)):
        dump(value)


def test_pickle_takes_what_pickle_alone_refuses() -> None:
    dump, load = codec("pickle")
    assert load(dump(lambda x: x + 1))(2) == 3


def test_a_checksum_knows_its_item_and_state() -> None:
    assert checksum(b"1", 0, b"abc") == checksum(b"1", 0, b"abc")
    assert len({checksum(b"%d" % item, 0, b"abc") for item in range(1000)}) == 1000
    assert checksum(b"1", 0, b"abc") != checksum(b"1", 0, b"abd")
    assert checksum(b"1", 0, b"abc") != checksum(b"1", 2, b"abc")
