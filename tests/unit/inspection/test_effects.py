"""What must not run in threads or leave the process is seen, and ordinary code is let through."""

from __future__ import annotations

import collections
import contextlib
import functools
import io
import os
import queue
import random
import socket
import sqlite3
import sys
import threading
import time
import warnings
from collections.abc import Callable
from typing import Any
from unittest.mock import Mock

import hypothesis
import numpy as np
import pytest
from support.effects import CACHE, SEEN, Reader, name_of

import amorsize
from amorsize.inspection.effects import inspect_function

numpy = pytest.importorskip("numpy")
pytestmark = pytest.mark.timeout(60)


TOTAL = 0
COUNTS: collections.Counter[int] = collections.Counter()
TABLE = numpy.zeros(100)
LOCK = threading.Lock()
LOCAL = threading.local()
EVENT = threading.Event()
QUEUE: queue.Queue[int] = queue.Queue()
DATABASE = sqlite3.connect(":memory:", check_same_thread=False)
PLUG = socket.socket()
NUMBERS = (i for i in range(10))
FILE = open(os.devnull, "w")  # noqa: SIM115


class Holder(Reader):
    """Has something in it, to be changed or not."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0
        self.file = FILE

    def counts(self, x: int) -> int:
        self.count += 1
        return x

    def collects(self, x: int) -> int:
        self.rows.append(x)
        return x

    def collects_through_a_helper(self, x: int) -> int:
        self._put(x)
        return x

    def _put(self, x: int) -> None:
        self.rows.append(x)

    def writes(self, x: int) -> int:
        self.file.write(str(x))
        return x

    def __call__(self, x: int) -> int:
        self.count = x
        return x


HOLDER = Holder()


# -- functions that change what lives outside of them ----------------------------------------------


def counts_globally(x: int) -> int:
    global TOTAL
    TOTAL += x
    return x


def deletes_globally(x: int) -> int:
    global TOTAL
    del TOTAL
    return x


def appends(x: int) -> int:
    SEEN.append(x)
    return x


def appends_by_another_name(x: int) -> int:
    where = SEEN
    for _ in range(2):
        where.append(x)
    return x


def remembers(x: int) -> int:
    CACHE[x] = x
    return x


def forgets(x: int) -> int:
    del CACHE[x]
    return x


def updates(x: int) -> int:
    CACHE.update({x: x})
    return x


def tallies(x: int) -> int:
    COUNTS[x] += 1
    return x


def extends_in_place(x: int) -> int:
    rows = SEEN
    rows += [x]
    return x


def writes_to_an_array(x: int) -> int:
    TABLE[x % 100] = x
    return x


def sets_an_attribute(x: int) -> int:
    HOLDER.count = x
    return x


def through_a_callee(x: int) -> int:
    return appends(x) + 1


def through_an_alias_of_a_method(x: int) -> int:
    put = SEEN.append
    put(x)
    return x


def through_a_comprehension(x: int) -> int:
    return len([SEEN.append(i) for i in range(x)])  # type: ignore[func-returns-value]


def through_map(x: int) -> int:
    return len(list(map(lambda i: SEEN.append(i), range(x))))  # noqa: C417


def sets_the_environment(x: int) -> int:
    os.environ["AMORSIZE_TEST"] = str(x)
    return x


def with_a_default(x: int, seen: list[int] = []) -> int:  # noqa: B006
    seen.append(x)
    return x


def captured_list() -> Callable[[int], int]:
    found: list[int] = []

    def inner(x: int) -> int:
        found.append(x)
        return x

    return inner


def captured_number() -> Callable[[int], int]:
    total = 0

    def inner(x: int) -> int:
        nonlocal total
        total += x
        return total

    return inner


def replaces_stdout(x: int) -> int:
    sys.stdout = io.StringIO()
    return x


CALLER_ONLY: list[Any] = [
    counts_globally, deletes_globally, appends, appends_by_another_name, remembers, forgets, updates,
    tallies, extends_in_place, writes_to_an_array, sets_an_attribute, through_a_callee,
    through_an_alias_of_a_method, through_a_comprehension, through_map, sets_the_environment,
    with_a_default, captured_list(), captured_number(), replaces_stdout, HOLDER.counts,
    HOLDER.collects, HOLDER.collects_through_a_helper, HOLDER, SEEN.append, CACHE.setdefault,
    functools.partial(lambda where, x: where.append(x), SEEN), functools.wraps(appends)(appends),
]  # fmt: skip


@pytest.mark.parametrize("func", CALLER_ONLY, ids=name_of)
def test_stays_in_the_caller(func: Any) -> None:
    safety = inspect_function(func, [3])
    assert safety.caller_only, safety
    assert len(safety.caller_only) > 10


# -- functions that touch what all threads share ---------------------------------------------------


def changes_directory(x: int) -> int:
    os.chdir("/")
    return x


def by_an_alias(x: int) -> int:
    from os import chdir as go

    go("/")
    return x


def masks(x: int) -> int:
    return os.umask(0) + x


def silences(x: int) -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return x


def redirects(x: int) -> int:
    with contextlib.redirect_stdout(io.StringIO()):
        print(x)
    return x


def seeds(x: int) -> float:
    random.seed(x)
    return random.random()


def seeds_numpy(x: int) -> float:
    numpy.random.seed(x)
    return float(numpy.random.rand())


def sets_locale(x: int) -> int:
    import locale

    locale.setlocale(locale.LC_ALL, "C")
    return x


def sets_alarm(x: int) -> int:
    import signal

    signal.alarm(0)
    return x


def sets_time_zone(x: int) -> int:
    time.tzset()
    return x


def sets_recursion_limit(x: int) -> int:
    sys.setrecursionlimit(1000)
    return x


def plots(x: int) -> int:
    import matplotlib.pyplot as plt

    plt.plot([x])
    return x


def sets_timeout(x: int) -> int:
    socket.setdefaulttimeout(None)
    return x


@pytest.mark.parametrize(
    "func",
    [
        changes_directory, by_an_alias, masks, seeds, seeds_numpy, sets_locale,
        sets_alarm, sets_time_zone, sets_recursion_limit, sets_timeout,
    ],
    ids=name_of,
)  # fmt: skip
def test_what_it_changes_of_the_process_is_left_there(func: Any) -> None:
    assert "is one for all threads" in (inspect_function(func, [3]).caller_only or "")


@pytest.mark.parametrize("func", [silences, redirects, plots], ids=name_of)
def test_is_kept_from_threads(func: Any) -> None:
    safety = inspect_function(func, [3])
    assert safety.no_threads, safety
    assert safety.caller_only is None


# -- functions that use what must not be shared by a fork ------------------------------------------


def takes_a_lock(x: int) -> int:
    with LOCK:
        return x


def asks_the_database(x: int) -> int:
    return int(DATABASE.execute("SELECT ?", (x,)).fetchone()[0])


def writes_to_a_file(x: int) -> int:
    FILE.write(str(x))
    return x


def uses_a_socket(x: int) -> int:
    return PLUG.fileno() + x


def takes_from_a_generator(x: int) -> int:
    return next(NUMBERS) + x


def waits_for_an_event(x: int) -> int:
    EVENT.is_set()
    return x


def puts_into_a_queue(x: int) -> int:
    QUEUE.put(x)
    return x


def keeps_in_thread_local(x: int) -> int:
    LOCAL.value = x
    return x


def makes_in_thread_local(x: int) -> int:
    if not hasattr(LOCAL, "value"):
        LOCAL.value = object()
    return x


def counts_in_thread_local(x: int) -> int:
    if x % 7 == 6:
        LOCAL.value = getattr(LOCAL, "value", 0) + 1
    return x


@pytest.mark.parametrize(
    ("func", "held", "stays"),
    [
        (makes_in_thread_local, {}, False),  # each thread makes its own
        (makes_in_thread_local, {"value": object()}, False),
        (makes_in_thread_local, {"value": 0}, True),  # a number goes from item to item
        (makes_in_thread_local, {"value": "last"}, True),
        (makes_in_thread_local, {"value": None}, False),
        (keeps_in_thread_local, {}, True),  # the caller is to find the last item there
        (counts_in_thread_local, {}, True),
    ],
)
def test_what_goes_from_item_to_item_in_a_thread_stays_in_the_caller(
    func: Callable[[int], int], held: dict[str, Any], stays: bool
) -> None:
    vars(LOCAL).clear()
    vars(LOCAL).update(held)
    try:
        safety = inspect_function(func, [1])
        assert (safety.caller_only is not None) == stays, safety
    finally:
        vars(LOCAL).clear()


def captured_file() -> Callable[[int], int]:
    file = FILE
    return lambda x: file.write(str(x))


def through_a_lock_of_a_callee(x: int) -> int:
    return takes_a_lock(x)


def marks_its_item(item: dict[str, int]) -> None:
    item["done"] = 1


@pytest.mark.parametrize(
    ("func", "item"),
    [
        (takes_a_lock, 1), (asks_the_database, 1), (writes_to_a_file, 1), (uses_a_socket, 1),
        (takes_from_a_generator, 1), (waits_for_an_event, 1), (puts_into_a_queue, 1),
        (keeps_in_thread_local, 1), (captured_file(), 1), (through_a_lock_of_a_callee, 1),
        (marks_its_item, {}), (HOLDER.writes, 1), (FILE.write, "x"), (len, FILE), (str, NUMBERS),
        (functools.partial(print, file=FILE), 1), (next, (i for i in range(3))),
        (lambda pair: pair[0], (PLUG, 1)),
    ],
    ids=lambda value: name_of(value),
)  # fmt: skip
def test_is_kept_from_processes(func: Any, item: Any) -> None:
    safety = inspect_function(func, [item])
    assert safety.no_processes or safety.caller_only, safety


# -- in a run --------------------------------------------------------------------------------------


def slowly_marks(item: dict[str, int]) -> None:
    total = 0
    for i in range(20_000):
        total += i
    item["done"] = 1


def slowly(func: Callable[[int], Any]) -> Callable[[int], Any]:
    def slow(x: int) -> Any:
        total = 0
        for i in range(20_000):
            total += i
        return func(x)

    return slow


def test_side_effects_are_those_of_the_loop() -> None:
    for make in (captured_list, captured_number):
        first, second = slowly(make()), slowly(make())
        assert amorsize.execute(first, range(100)) == [second(x) for x in range(100)]
    seen: list[int] = []
    assert amorsize.execute(seen.append, range(1000)) == [None] * 1000
    assert seen == list(range(1000))
    items: list[dict[str, int]] = [{} for _ in range(100)]
    amorsize.execute(slowly_marks, items)
    assert items == [{"done": 1}] * 100
    holder = Holder()
    amorsize.execute(slowly(holder.collects), range(100))
    assert holder.rows == list(range(100))


@pytest.mark.parametrize("func", [takes_a_lock, asks_the_database, writes_to_a_file])
def test_shared_things_are_not_forked(func: Any) -> None:
    def uses_it(x: int) -> int:
        func(x)
        return os.getpid()

    assert set(amorsize.execute(slowly(uses_it), range(100, 200))) == {os.getpid()}


FOREIGN = hypothesis.settings()
"""An object of another library, whose code is not walked."""


class Mine:
    def get(self, number: int) -> int:
        return number


MINE = Mine()
ROWS = np.arange(5)


def calls_a_librarys_object(number: int) -> object:
    return FOREIGN.show_changed(), number


def calls_its_own(number: int) -> int:
    return MINE.get(number)


def calls_an_array(number: int) -> object:
    return ROWS.sum() + number


def makes_it(number: int) -> object:
    return hypothesis.settings(max_examples=number).show_changed()


CALLED = Mock(return_value=1)


def calls_a_callable(number: int) -> object:
    return CALLED(number)


@pytest.mark.parametrize(
    ("func", "unproven"),
    [
        (calls_a_librarys_object, "show_changed"),
        (FOREIGN.show_changed, "show_changed"),
        (calls_a_callable, "a call"),
        (CALLED, "a call"),
        (amorsize.star(calls_its_own), None),
        (calls_its_own, None),
        (calls_an_array, None),
        (makes_it, None),
    ],
)
def test_what_a_librarys_object_does_is_proven_by_a_watched_item_only(
    func: Any, unproven: str | None
) -> None:
    """A shared pool of connections went to 99 threads behind a first long item, unwatched."""
    found = inspect_function(func, [1])
    assert (found.unproven or "").partition(" of ")[0] == (unproven or "")
