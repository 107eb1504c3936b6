"""Rows of observations as bytes: as ``struct`` has them, on machines of either order of bytes."""

from __future__ import annotations

import math
import struct
import sys
from types import SimpleNamespace

import pytest

from amorsize.core import observation as rows
from amorsize.core.frozen import replace
from amorsize.core.observation import MalformedObservation, pack, texts, unpack
from amorsize.testing.history_contract import observation

NUMBERS = len(rows.NUMBERS)
FORM = struct.Struct(f"<{NUMBERS}d")


@pytest.mark.parametrize("order", ["little", "big"])
def test_numbers_are_little_endian_doubles(monkeypatch: pytest.MonkeyPatch, order: str) -> None:
    """A machine of the other order is played: what it has in memory are the bytes turned around."""
    one = replace(observation(), items=7, wall_seconds=0.1)
    row = pack(one)
    if order != sys.byteorder:
        monkeypatch.setattr(rows, "sys", SimpleNamespace(byteorder=order))
        values = FORM.unpack(row)
        turned = struct.pack(f"{'<' if sys.byteorder == 'big' else '>'}{NUMBERS}d", *values)
        assert rows._little(turned) == row == rows._little(rows._little(row))
        return
    values = dict(zip(rows.NUMBERS, FORM.unpack(row), strict=True))
    assert values["items"] == 7.0 and values["wall_seconds"] == 0.1
    assert math.isnan(values["profile.gil_free_share"]) == (one.profile.gil_free_share is None)
    assert unpack(row, texts(one)) == one


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("wall_seconds", math.nan, "wall_seconds is missing"),
        ("wall_seconds", -1.0, "wall_seconds must be from 0"),
        ("wall_seconds", math.inf, "wall_seconds must be from 0"),
        ("wall_seconds", -math.inf, "wall_seconds must be from 0"),
        ("profile.gil_free_share", -0.5, "profile.gil_free_share must be from 0"),
        ("items", 1.5, "items must be a whole number"),
        ("items", 2.0**54, "items must be from 0"),
    ],
)
def test_a_number_that_cannot_be_is_named(name: str, value: float, complaint: str) -> None:
    one = observation()
    values = list(FORM.unpack(pack(one)))
    values[rows.NUMBERS.index(name)] = value
    with pytest.raises(MalformedObservation, match=complaint):
        unpack(FORM.pack(*values), texts(one))
