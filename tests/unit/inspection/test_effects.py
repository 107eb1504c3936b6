"""What must not run in threads or leave the process is seen, and ordinary code is let through."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import functools
import hashlib
import io
import json
import logging
import math
import os
import queue
import random
import re
import socket
import sqlite3
import statistics
import string
import sys
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import amorsize
from amorsize.core.model import Safety
from amorsize.inspection.effects import inspect_function

numpy = pytest.importorskip("numpy")

pytestmark = pytest.mark.timeout(60)

TOTAL = 0
SEEN: list[int] = []
CACHE: dict[int, int] = {}
COUNTS: collections.Counter[int] = collections.Counter()
TABLE = numpy.zeros(100)
NAMES = ("a", "b", "c")
PATTERN = re.compile(r"\w+")
LOGGER = logging.getLogger("somewhere")
LOCK = threading.Lock()
LOCAL = threading.local()
EVENT = threading.Event()
QUEUE: queue.Queue[int] = queue.Queue()
DATABASE = sqlite3.connect(":memory:", check_same_thread=False)
FILE = open(os.devnull, "w")  # noqa: SIM115
PLUG = socket.socket()
NUMBERS = (i for i in range(10))


class Holder:
    """Has something in it, to be changed or not."""

    limit = 3

    def __init__(self) -> None:
        self.count = 0
        self.rows: list[int] = []
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

    def reads(self, x: int) -> int:
        return x + self.limit + len(self.rows)

    def __call__(self, x: int) -> int:
        self.count = x
        return x

    @property
    def doubled(self) -> int:
        return 2 * self.limit

    @staticmethod
    def static(x: int) -> int:
        return x + 1

    @classmethod
    def of_the_class(cls, x: int) -> int:
        return x + cls.limit


HOLDER = Holder()


@dataclasses.dataclass
class Point:
    """Made anew in each call."""

    x: int
    y: int = 0


class Stack:
    """Changes itself, but each call has its own."""

    def __init__(self) -> None:
        self.items: list[int] = []

    def push(self, x: int) -> None:
        self.items.append(x)


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


def name_of(value: Any) -> str:
    return getattr(value, "__qualname__", None) or type(value).__name__


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
        changes_directory, by_an_alias, masks, silences, redirects, seeds, seeds_numpy, sets_locale,
        sets_alarm, sets_time_zone, sets_recursion_limit, plots, sets_timeout,
    ],
    ids=name_of,
)  # fmt: skip
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


# -- ordinary code ---------------------------------------------------------------------------------


def builds_a_list(x: int) -> list[int]:
    found = []
    for i in range(x):
        found.append(i * i)
    found.sort()
    return found


def builds_a_dict(x: int) -> dict[int, int]:
    found: dict[int, int] = {}
    for i in range(x):
        found[i] = found.get(i, 0) + 1
    found.update({1: 2})
    return found


def makes_objects(x: int) -> int:
    point = Point(x)
    point.y = 3
    stack = Stack()
    stack.push(x)
    return point.x + point.y + len(stack.items)


def reads_globals(x: int) -> int:
    return CACHE.get(x, 0) + len(SEEN) + len(NAMES)


def reads_json(x: int) -> Any:
    return json.loads(json.dumps({"x": [x] * 3}))


def hashes(x: int) -> str:
    digest = hashlib.sha256()
    digest.update(str(x).encode())
    return digest.hexdigest()


def finds_words(x: int) -> list[str]:
    return PATTERN.findall(f"word {x}")


def logs(x: int) -> int:
    LOGGER.info("seen %s", x)
    return x


def computes_with_numpy(x: int) -> float:
    a = numpy.arange(10.0)
    a[2] = x
    a += 1
    return float(a.sum())


def draws(x: int) -> float:
    return random.random() + numpy.random.default_rng(x).random()


def has_its_own_random(x: int) -> float:
    rng = random.Random(x)
    rng.seed(x)
    return rng.random()


def opens_its_own_file(x: int) -> int:
    with open(os.devnull) as file:
        return len(file.read()) + x


def has_its_own_connection(x: int) -> int:
    connection = sqlite3.connect(":memory:")
    try:
        return int(connection.execute("SELECT ?", (x,)).fetchone()[0])
    finally:
        connection.close()


def closes_over_its_own(x: int) -> int:
    found: list[int] = []

    def put(i: int) -> None:
        found.append(i)

    for i in range(x):
        put(i)
    return len(found)


def counts_inside(x: int) -> int:
    total = 0

    def add(i: int) -> None:
        nonlocal total
        total += i

    add(x)
    return total


def changes_and_returns_its_item(item: dict[str, int]) -> dict[str, int]:
    item["done"] = 1
    return item


def catches(x: int) -> int:
    try:
        return 10 // x
    except ZeroDivisionError as error:
        error.add_note("seen")
        return 0


def generates(x: int) -> int:
    return sum(i for i in range(x) if i % 2)


def formats(x: int) -> str:
    return string.Template("$x").substitute(x=x) + f"{x:>5}"


def walks_a_path(x: int) -> str:
    return str(Path("/tmp") / str(x))


def matches(x: object) -> int:
    match x:
        case {"a": [first, *rest]}:
            rest.append(first)
            return len(rest)
        case int(value):
            return value
        case _:
            return 0


def prints(x: int) -> int:
    print(x, end="", file=sys.stderr)
    return x


def reads_the_environment(x: int) -> str:
    return os.environ.get("HOME", "") + os.getcwd() + str(x)


def splits(text: str) -> list[str]:
    words = text.split()
    words.remove(words[0])
    return words


def recurses(x: int) -> int:
    return x if x < 2 else recurses(x - 1) + recurses(x - 2)


def sleeps(x: int) -> int:
    time.sleep(0)
    return x


@functools.cache
def cached(x: int) -> int:
    return x * x


@contextlib.contextmanager
def managed(x: int) -> Any:
    yield x


def uses_a_context(x: int) -> int:
    with managed(x) as value:
        return int(value)


def decorated() -> Any:
    def decorator(func: Any) -> Any:
        @functools.wraps(func)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            return func(*args, **kwargs)

        return wrapper

    return decorator(builds_a_list)


SAFE: list[tuple[Any, Any]] = [
    (builds_a_list, 3), (builds_a_dict, 3), (makes_objects, 3), (reads_globals, 3), (reads_json, 3),
    (hashes, 3), (finds_words, 3), (logs, 3), (computes_with_numpy, 3), (draws, 3),
    (has_its_own_random, 3), (opens_its_own_file, 3), (has_its_own_connection, 3),
    (closes_over_its_own, 3), (counts_inside, 3), (changes_and_returns_its_item, {}), (catches, 3),
    (generates, 3), (formats, 3), (walks_a_path, 3), (matches, {"a": [1, 2]}), (prints, 3),
    (reads_the_environment, 3), (splits, "a b"), (recurses, 5), (sleeps, 3), (cached, 3),
    (uses_a_context, 3), (decorated(), 3), (HOLDER.reads, 3), (Holder.static, 3),
    (Holder.of_the_class, 3), (lambda x: x + 1, 3), (len, "abc"), (math.sqrt, 4), (str.upper, "a"),
    (int, "3"), (Point, 3), (functools.partial(pow, 2), 3), (functools.partial(builds_a_list), 3),
    (statistics.fmean, [1.0]), (json.dumps, {}), (numpy.sum, [1]), ("abc".count, "a"),
    ({1: 2}.get, 1), (CACHE.__contains__, 1), (sorted, [2, 1]), (time.sleep, 0),
    (hashlib.sha256, b"a"), (re.compile("a").search, "a"), (amorsize.star(max), (1, 2)),
]  # fmt: skip


@pytest.mark.parametrize(("func", "item"), SAFE, ids=lambda value: name_of(value))
def test_ordinary_code_may_go_anywhere(func: Any, item: Any) -> None:
    assert inspect_function(func, [item]) == Safety()


# -- whatever it is given --------------------------------------------------------------------------


class Hostile:
    """Raises whenever it is looked at."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)

    def __call__(self, x: int) -> int:
        return x

    def __eq__(self, other: object) -> bool:
        raise RuntimeError

    def __hash__(self) -> int:
        raise RuntimeError

    def __len__(self) -> int:
        raise RuntimeError


HOSTILE = Hostile()


def uses_a_hostile(x: int) -> int:
    return HOSTILE.attribute.another(x)[0]  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    "func",
    [HOSTILE, uses_a_hostile, 3, None, object(), [].append, type, eval(f"lambda x: {'x+' * 900}1")],
    ids=lambda value: type(value).__name__,
)
def test_it_never_raises(func: Any) -> None:
    for items in ([], [1], [HOSTILE], [None], [{}]):
        assert isinstance(inspect_function(func, items), Safety)


def test_the_whole_standard_library_is_readable_and_quick() -> None:
    """Each function of some modules: no exception, and bounded work."""
    import ast
    import inspect
    import shutil
    import tarfile
    import textwrap

    slowest = 0.0
    for module in (ast, inspect, json, shutil, tarfile, textwrap, statistics, random, logging):
        for value in vars(module).values():
            if inspect.isfunction(value) or inspect.isclass(value):
                began = time.perf_counter()
                inspect_function(value, [1])
                slowest = max(slowest, time.perf_counter() - began)
    assert slowest < 1.0


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
