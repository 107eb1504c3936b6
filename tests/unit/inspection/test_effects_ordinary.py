"""Ordinary code is let through; whatever is given, nothing is raised."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import logging
import math
import os
import random
import re
import sqlite3
import statistics
import string
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from support.effects import (
    CACHE,
    LOGGER,
    NAMES,
    PATTERN,
    SEEN,
    Point,
    Reader,
    Stack,
    name_of,
)

import amorsize
from amorsize.core.model import Safety
from amorsize.inspection.effects import inspect_function

numpy = pytest.importorskip("numpy")
pytestmark = pytest.mark.timeout(60)


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
    (hashes, 3), (finds_words, 3), (logs, 3), (computes_with_numpy, 3),
    (has_its_own_random, 3), (opens_its_own_file, 3), (has_its_own_connection, 3),
    (closes_over_its_own, 3), (counts_inside, 3), (catches, 3),
    (generates, 3), (formats, 3), (walks_a_path, 3), (matches, {"a": [1, 2]}), (prints, 3),
    (reads_the_environment, 3), (splits, "a b"), (recurses, 5), (sleeps, 3), (cached, 3),
    (uses_a_context, 3), (decorated(), 3), (Reader().reads, 3), (Reader.static, 3),
    (Reader.of_the_class, 3), (lambda x: x + 1, 3), (len, "abc"), (math.sqrt, 4), (str.upper, "a"),
    (int, "3"), (Point, 3), (functools.partial(pow, 2), 3), (functools.partial(builds_a_list), 3),
    (statistics.fmean, [1.0]), (json.dumps, {}), (numpy.sum, [1]), ("abc".count, "a"),
    ({1: 2}.get, 1), (CACHE.__contains__, 1), (sorted, [2, 1]), (time.sleep, 0),
    (hashlib.sha256, b"a"), (re.compile("a").search, "a"), (amorsize.star(max), (1, 2)),
]  # fmt: skip


@pytest.mark.parametrize(("func", "item"), SAFE, ids=lambda value: name_of(value))
def test_ordinary_code_may_go_anywhere(func: Any, item: Any) -> None:
    assert inspect_function(func, [item]) == Safety()


def test_draws_from_the_global_state_are_told() -> None:
    assert inspect_function(draws, [3]) == Safety(draws="random.random")


def test_an_item_that_is_changed_stays_in_this_process() -> None:
    safety = inspect_function(changes_and_returns_its_item, [{}])
    assert safety == Safety(no_processes="it stores to an element of its item")


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
                began = time.process_time()
                inspect_function(value, [1])
                slowest = max(slowest, time.process_time() - began)
    assert slowest < 1.0
