"""Digests of items: equal items have equal ones in every process, unequal items have others."""

from __future__ import annotations

import datetime
import decimal
import enum
import subprocess
import sys
import threading
from collections import OrderedDict, defaultdict, namedtuple
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amorsize.checkpoint.identity import Digests, Unknowable

ROOT = Path(__file__).resolve().parents[3]
SECRET = b"s" * 16
Point = namedtuple("Point", "x y")


def digest(value: Any, secret: bytes) -> bytes:
    return Digests(secret).of(value)


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


@dataclass
class Row:
    name: str
    values: Any


class Slotted:
    __slots__ = ("a", "b")

    def __init__(self, a: Any, b: Any) -> None:
        self.a, self.b = a, b


class Text(str):
    """A text of another class."""


def several() -> list[Any]:
    """Values that all differ."""
    long = "x" * 5000
    return [
        None, True, False, 0, 1, -1, 10**50, 1.0, -0.0, 0.0, float("nan"), 1j, "", "1", b"1", "a\ud800",
        bytearray(b"1"), (), [], {}, set(), frozenset(), (1,), [1], {1}, frozenset({1}), {1: 1}, {1: 2},
        {"a": 1, "b": 2}, {"b": 2, "a": 1}, (1, (2,)), ((1,), 2), (1, 2), ("ab", "c"), ("a", "bc"),
        long + "a" + long, long + "b" + long, [*range(100), 7, *range(100)],
        [*range(100), 8, *range(100)],
        Path("a"), Path("b"), Point(1, 2), Point(2, 1), Colour.RED, Colour.BLUE, Row("a", [1]),
        Row("a", [2]), Slotted(1, 2), Slotted(2, 1), Text("1"), range(3), range(4), slice(1, 2),
        datetime.date(2020, 1, 1), datetime.datetime(2020, 1, 1), decimal.Decimal("1.0"),
        decimal.Decimal("1.00"), OrderedDict(a=1), defaultdict(int, a=1), defaultdict(list, a=1),
        int, str, len, several, memoryview(b"1"), {"a", "b", "c"}, {("a", 1), ("b", 2)}, ..., [...],
        Exception("a"), ValueError("a"),
    ]  # fmt: skip


def test_unequal_values_have_other_digests() -> None:
    digests = [digest(value, SECRET) for value in several()]
    assert len(set(digests)) == len(digests)
    assert digest(1, SECRET) != digest(1, b"another")
    assert Digests(SECRET, "key").of(1) != Digests(SECRET, "item").of(1)


def test_equal_values_have_the_same_digest_in_every_process() -> None:
    code = (
        "import sys; sys.path[:0] = ['tests', 'tests/unit/checkpoint']\n"
        "from test_identity import SECRET, digest, several\n"
        "print([digest(value, SECRET).hex() for value in several()])\n"
    )
    command = [sys.executable, "-c", code]
    found = set()
    for seed in "12":
        done = subprocess.run(
            command,
            cwd=ROOT,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
        )
        found.add(done.stdout)
        assert done.stdout, done.stderr
    assert len(found) == 1


def test_what_is_shared_inside_does_not_matter() -> None:
    word = "".join(["a", "b"])
    one, other = [word, word], ["".join(["a", "b"]), "".join(["a", "b"])]
    assert digest(one, SECRET) == digest(other, SECRET)
    inner = [1]
    assert digest(Row("a", [inner, inner]), SECRET) == digest(Row("a", [[1], [1]]), SECRET)
    first, second = Slotted(1, 2), Slotted(1, 2)
    assert digest(first, SECRET) == digest(second, SECRET)


def test_the_order_in_which_attributes_were_set_does_not_matter() -> None:
    one, other = Row("a", 1), Row("a", 1)
    del other.name
    other.name = "a"
    assert digest(one, SECRET) == digest(other, SECRET)


def test_circles_end() -> None:
    def circle(label: int) -> list[Any]:
        made: list[Any] = [label]
        made.append(made)
        return made

    assert digest(circle(1), SECRET) == digest(circle(1), SECRET)
    assert digest(circle(1), SECRET) != digest(circle(2), SECRET)


def test_what_has_no_content_is_told() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    for value in (threading.Lock(), (i for i in ()), lambda: 0, open(__file__), deep):  # noqa: SIM115
        with pytest.raises(Unknowable):
            digest([value], SECRET)
        if hasattr(value, "read"):
            value.close()


def test_arrays() -> None:
    numpy = pytest.importorskip("numpy")
    long = numpy.arange(10_000)
    changed = long.copy()
    changed[5_000] = 0
    values = [
        numpy.arange(3), numpy.arange(3.0), numpy.arange(4).reshape(2, 2), numpy.arange(4), long, changed,
        numpy.float32(1), numpy.float64(1), numpy.array(["a"]), numpy.array(["a"], object),
        numpy.array([("a", 1)], [("x", "U1"), ("y", int)]), numpy.zeros(2).view(numpy.matrix),
    ]  # fmt: skip
    assert len({digest(value, SECRET) for value in values}) == len(values)
    assert digest(long, SECRET) == digest(numpy.arange(20_000)[:10_000], SECRET)


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.binary(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=3), inner, max_size=3)
        | st.tuples(inner, inner)
    ),
    max_leaves=8,
)


@given(PLAIN, PLAIN)
def test_plain_values_differ_as_their_repr_does(one: Any, other: Any) -> None:
    assert (digest(one, SECRET) == digest(other, SECRET)) == (repr(one) == repr(other))
