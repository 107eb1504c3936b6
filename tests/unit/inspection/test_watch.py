"""The watch: each kind of change is seen and named, what does not matter is not, and no code runs.

The expectation is a plain one: what the function of the test does to its data is written beside it.
"""

from __future__ import annotations

import array
import collections
import copy
import decimal
import functools
import io
import itertools
import logging
import random
import re
import sys
import threading
import types
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amorsize.inspection.watch import Verdict, Watch

SECONDS = 10.0  # a budget that no look of these tests uses up, however busy the machine

TOTAL = 0
ROWS: list[Any] = []
LAZY: Any = None


def watched(func: Callable[[Any], Any], item: Any = 1, **options: Any) -> Verdict:
    """Watch one item."""
    watch = Watch(func, item, **{"budget_seconds": SECONDS, **options})
    func(item)
    return watch.verdict()


class Model:
    """An object of the user's own, with a slot in a base class and a class attribute."""

    made: int = 0
    shared: list[int] = []  # noqa: RUF012  # the case is a mutable class attribute

    def __init__(self) -> None:
        self.total = 0
        self.rows: list[list[int]] = [[], []]
        self.inner = types.SimpleNamespace(count=0)

    def add(self, item: int) -> int:
        self.total += item
        return self.total

    def store(self, item: int) -> None:
        self.rows[1].append(item)

    def nested(self, item: int) -> None:
        self.inner.count += 1

    def on_class(self, item: int) -> None:
        type(self).made += 1

    def on_shared(self, item: int) -> None:
        self.shared.append(item)

    def helps(self, item: int) -> None:
        self._help(item)

    def _help(self, item: int) -> None:
        ROWS.append(item)


class Slotted:
    __slots__ = ("__weakref__", "count")

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, item: int) -> None:
        self.count += 1


def closing() -> tuple[Callable[[int], None], dict[str, Any]]:
    """A function that changes one thing for each of its items' names, and that thing."""
    found: list[int] = []
    tallies: dict[str, int] = {"a": 0}
    names: set[int] = set()
    recent: collections.deque[int] = collections.deque(maxlen=3)
    ordered = collections.OrderedDict(a=1, b=2)
    buffer, numbers = bytearray(4), array.array("i", [1, 2])
    matrix, fortran = np.zeros((3, 3)), np.zeros((4, 4), order="F")[::2]
    objects = np.array([[], []], dtype=object)[:, None]
    objects = np.empty(2, dtype=object)
    objects[:] = [[1], [2]]
    view = memoryview(bytearray(3))
    stream, text = io.BytesIO(), io.StringIO()
    own, generator, legacy = random.Random(1), np.random.default_rng(1), np.random.RandomState(1)
    squares, counter = (n * n for n in range(9)), itertools.count()
    letters, numbered = iter(["a", "b"]), enumerate(range(9))
    cut = itertools.islice(iter(range(9)), 5)
    zipped = zip(range(9), range(9), strict=True)
    mapped = map(str, range(9))
    frozen = types.MappingProxyType(tallies)
    count = 0
    lock = threading.Lock()

    def bump() -> None:
        nonlocal count
        count += 1

    actions: dict[str, Any] = {
        "found": lambda: found.append(1),
        "tallies": lambda: tallies.__setitem__("a", tallies["a"] + 1),
        "names": lambda: names.add(1),
        "recent": lambda: recent.append(1),
        "ordered": lambda: ordered.move_to_end("a"),
        "buffer": lambda: buffer.__setitem__(0, 7),
        "numbers": lambda: numbers.__setitem__(0, 7),
        "matrix": lambda: matrix.__setitem__((1, 1), 5.0),
        "fortran": lambda: fortran.__setitem__((1, 1), 5.0),
        "objects[0]": lambda: objects[0].append(1),
        "view": lambda: view.__setitem__(0, 7),
        "stream": lambda: stream.write(b"x"),
        "text": lambda: text.write("x"),
        "own": lambda: own.random(),
        "generator": lambda: generator.random(),
        "legacy": lambda: legacy.rand(),
        "squares": lambda: next(squares),
        "counter": lambda: next(counter),
        "letters": lambda: next(letters),
        "numbered": lambda: next(numbered),
        "cut": lambda: next(cut),
        "zipped": lambda: next(zipped),
        "mapped": lambda: next(mapped),
        "frozen": lambda: tallies.__setitem__("a", tallies["a"] + 1) or frozen,
        "lock": lambda: lock.acquire(),
        "count": bump,
    }
    return actions


@pytest.mark.parametrize("name", sorted(closing()))
def test_a_change_of_a_closure_variable_is_seen_and_named(name: str) -> None:
    action = closing()[name]
    verdict = watched(lambda item: action() and None)
    named = {"frozen": ("`tallies`", "`frozen`")}.get(name, (f"`{name}`",))
    assert len(verdict.changed) == 1 and verdict.changed[0] in named
    assert verdict.cut_short is None and not verdict.item_changed
    assert verdict.sentence() == f"{verdict.changed[0]} changed while item 1 ran"


@pytest.mark.parametrize("name", sorted(closing()))
def test_what_is_only_reached_has_not_changed(name: str) -> None:
    action = closing()[name]
    assert watched(lambda item: action if item < 0 else None).changed == ()


def add_to_global(item: int) -> None:
    global TOTAL
    TOTAL += item


def append_to_global(item: int) -> None:
    ROWS.append(item)


def calls_another(item: int) -> None:
    append_to_global(item)


def by_name(item: int) -> None:
    globals()["MADE_UP"] = item


def with_attribute(item: int) -> None:
    with_attribute.calls = getattr(with_attribute, "calls", 0) + 1  # type: ignore[attr-defined]


def with_default(item: int, acc: list[int] = []) -> None:  # noqa: B006  # the case is a mutable default
    acc.append(item)


@functools.wraps(append_to_global)
def wrapped(item: int) -> None:
    return append_to_global(item)


model = Model()


@pytest.mark.parametrize(
    ("func", "names"),
    [
        (add_to_global, ("global `TOTAL`",)),
        (append_to_global, ("global `ROWS`",)),
        (calls_another, ("global `ROWS`",)),
        (wrapped, ("global `ROWS`",)),
        (functools.partial(wrapped), ("global `ROWS`",)),
        (ROWS.append, ("the object of `append`",)),
        (with_attribute, ("`with_attribute.calls`",)),
        (with_default, ("the default of `acc`",)),
        (model.add, ("`self.total`",)),
        (model.store, ("`self.rows[1]`",)),
        (model.nested, ("`self.inner.count`",)),
        (model.on_class, ("`Model.made`",)),
        (model.on_shared, ("`Model.shared`",)),
        (model.helps, ("global `ROWS`",)),
        (lambda item: model.add(item), ("global `model.total`",)),
        (Slotted(), ("`self.count`",)),
    ],
)
def test_changes_by_functions_methods_and_classes(
    func: Callable[[Any], Any], names: tuple[str, ...]
) -> None:
    assert watched(func).changed == names


def test_a_global_that_code_makes_up_is_seen() -> None:
    globals().pop("MADE_UP", None)
    assert watched(by_name).changed == ("global `MADE_UP`",)


def test_a_module_of_the_users_elsewhere_is_followed(tmp_path: Any) -> None:
    (tmp_path / "stats_of_mine.py").write_text(
        "CACHE = {}\nTOTAL = 0\n\n"
        "def note(item):\n    global TOTAL\n    TOTAL += 1\n    CACHE[item] = 1\n"
    )
    sys.path.insert(0, str(tmp_path))
    try:
        import stats_of_mine  # type: ignore[import-not-found]

        def within(item: int) -> None:
            import stats_of_mine

            stats_of_mine.TOTAL += item

        assert watched(lambda item: stats_of_mine.note(item)).changed == (
            "global `TOTAL` of module stats_of_mine",
            "global `CACHE` of module stats_of_mine",
        )
        assert watched(within).changed == ("global `TOTAL` of module stats_of_mine",)
    finally:
        sys.path.remove(str(tmp_path))
        sys.modules.pop("stats_of_mine", None)


@pytest.mark.parametrize(
    ("func", "item"),
    [
        (lambda item: item.append(1), [1]),
        (lambda item: item["rows"].append(1), {"rows": []}),
        (lambda item: setattr(item, "total", 5), Model()),
        (lambda item: item[0].sort(), (np.arange(5)[::-1].copy(),)),
        (next, iter([1, 2])),
    ],
)
def test_a_changed_item_is_named_so(func: Callable[[Any], Any], item: Any) -> None:
    verdict = watched(func, item)
    assert verdict.item_changed and verdict.changed == ("the item",)
    assert verdict.sentence(3) == "item 3 was changed by the function"


@functools.lru_cache
def remembered(item: int) -> int:
    return item


@functools.singledispatch
def dispatched(item: Any) -> str:
    return "any"


LOG = logging.getLogger(__name__)


def import_something(item: int) -> None:
    global colorsys
    import colorsys


BENIGN: list[Callable[[Any], Any]] = [
    lambda item: remembered(item),
    lambda item: dispatched(item),
    lambda item: re.compile(f"a{item}+b").search("aab"),
    lambda item: LOG.warning("item %d", item),
    lambda item: decimal.Decimal(1) / decimal.Decimal(3 + item),
    lambda item: warnings.warn("a test", stacklevel=1),
    lambda item: np.linspace(0, 1, 10).sum() + np.float64(item),
    lambda item: sorted([3, 2, item]),
    lambda item: copy.deepcopy(ROWS),
    import_something,
    str,
]


@pytest.mark.parametrize("index", range(len(BENIGN)))
@pytest.mark.filterwarnings("ignore:a test")
def test_what_does_not_matter_is_not_told(index: int) -> None:
    verdict = watched(BENIGN[index])
    assert verdict.changed == () and verdict.sentence() == ""
    assert verdict.cut_short is None and not verdict.drew_random


def test_a_value_set_anew_to_the_same_is_no_change() -> None:
    box = types.SimpleNamespace(number=10**20, pair=(1, "a" * 40), nan=float("nan"))

    def again(item: int) -> None:
        box.number = 10**19 * 10 * item
        box.pair = (item, "".join(["a"] * 40))
        box.nan = float("nan")

    assert watched(again).changed == ()


# -- a change that repeats


def test_a_global_that_is_set_once_does_not_repeat() -> None:
    def load(item: int) -> Any:
        global LAZY
        if LAZY is None:
            LAZY = object()
        return LAZY

    first, second = watched(load), watched(load)
    assert first.changed == ("global `LAZY`",) and second.changed == ()


def test_changes_of_other_elements_repeat() -> None:
    rows: list[list[int]] = [[], []]
    first, second = (watched(lambda item: rows[item].append(1), item) for item in (0, 1))
    assert (first.changed, second.changed) == (("`rows[0]`",), ("`rows[1]`",))


# -- any change in any nest

LEAVES = st.one_of(st.none(), st.integers(-5, 5), st.text(max_size=3), st.floats(allow_nan=False))
NESTS = st.recursive(
    st.one_of(
        st.lists(LEAVES, max_size=4), st.dictionaries(st.text(max_size=3), LEAVES, max_size=4)
    ),
    lambda inner: st.one_of(
        st.lists(st.one_of(LEAVES, inner), max_size=4),
        st.dictionaries(st.text(max_size=3), st.one_of(LEAVES, inner), max_size=4),
        st.tuples(inner, LEAVES),
        st.builds(lambda part: types.SimpleNamespace(part=part), inner),
    ),
    max_leaves=20,
)


def changeable(nest: Any) -> list[Any]:
    """All lists, dicts and namespaces within."""
    parts: list[Any] = []
    if type(nest) is types.SimpleNamespace:
        return [nest, *changeable(nest.part)]
    if type(nest) in (list, tuple):
        parts = list(nest)
    elif type(nest) is dict:
        parts = list(nest.values())
    else:
        return []
    own = [] if type(nest) is tuple else [nest]
    return own + [part for inner in parts for part in changeable(inner)]


@settings(max_examples=150, deadline=None)
@given(NESTS, st.data())
def test_any_change_in_any_nest_is_seen(nest: Any, data: st.DataObject) -> None:
    target = data.draw(st.sampled_from(changeable(nest) or [[]]))
    if not changeable(nest):
        return
    marker = data.draw(st.sampled_from([object(), 77, "new", [1]]))

    def change(item: int) -> None:
        if type(target) is list:
            target.append(marker)
        elif type(target) is dict:
            target["a new key"] = marker
        else:
            target.part = marker

    def stay(item: int) -> Any:
        return nest if item < 0 else None

    watch = Watch(stay, 1, budget_seconds=SECONDS)
    assert watch.verdict().changed == ()
    change(1)
    verdict = watch.verdict()
    assert len(verdict.changed) == 1 and verdict.changed[0].startswith("`nest")
