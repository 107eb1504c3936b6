"""Functions without effects, as programs have them; written before the rules were looked at."""

from __future__ import annotations

import base64
import bisect
import collections
import contextlib
import dataclasses
import datetime
import functools
import hashlib
import heapq
import io
import itertools
import json
import logging
import math
import operator
import os
import pathlib
import random
import re
import statistics
import string
import tempfile
import textwrap
import types
import typing
import urllib.parse
import xml.etree.ElementTree as ElementTree
import zlib
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import user_far
from case import Case, case, release, toil

log = logging.getLogger(__name__)
WORDS = re.compile(r"[a-z]+")
LIMITS = types.MappingProxyType({"low": 10, "high": 90})
TABLE = pd.DataFrame({"a": range(50), "b": [i % 5 for i in range(50)]})
EDGES = {i: [(i * 3) % 40, (i * 7) % 40] for i in range(40)}


class Shape(typing.Protocol):
    """What has an area."""

    def area(self) -> float:
        """The area."""


@dataclasses.dataclass
class Square:
    """A square."""

    side: float

    def area(self) -> float:
        """The area."""
        return self.side**2


class Pair(NamedTuple):
    """Two numbers."""

    a: int
    b: int


@case("without effects", effect=False)
def unseen_shortest_path() -> Case:
    """A heap, a dict of distances and a set, all of the function's own."""

    def work(start: int) -> int:
        toil()
        seen: dict[int, int] = {}
        heap = [(0, start % 40)]
        while heap:
            length, node = heapq.heappop(heap)
            if node in seen:
                continue
            seen[node] = length
            for other in EDGES[node]:
                heapq.heappush(heap, (length + 1, other))
        return sum(seen.values())

    return Case(work, range(100))


@case("without effects", effect=False)
def unseen_words_counted() -> Case:
    """A counter of the function's own, its most common words."""
    text = "a few words that are said again and again " * 5

    def work(item: int) -> list[tuple[str, int]]:
        toil()
        counts = collections.Counter(WORDS.findall(text[item:]))
        counts.update({"extra": 1})
        return counts.most_common(3)

    return Case(work, range(100))


@case("without effects", effect=False)
def unseen_table_is_grouped() -> Case:
    """A table is read, filtered and grouped; nothing is written to it."""

    def work(item: int) -> int:
        toil()
        found = TABLE[TABLE["a"] > item % 40].groupby("b")["a"].sum()
        return int(found.sum())

    return Case(work, range(80))


@case("without effects", effect=False)
def unseen_table_copied_and_changed() -> Case:
    """A copy of a table is changed in place."""

    def work(item: int) -> int:
        toil()
        mine = TABLE.copy()
        mine["c"] = mine["a"] * item
        mine.drop(columns=["b"], inplace=True)
        mine.loc[0, "a"] = 7
        return int(mine["c"].sum())

    return Case(work, range(80))


@case("without effects", effect=False)
def unseen_network_address_put_together() -> Case:
    """Addresses are taken apart and put together."""

    def work(item: int) -> str:
        toil()
        parts = urllib.parse.urlsplit(f"http://h/{item}?a=1&b=2")
        query = dict(urllib.parse.parse_qsl(parts.query))
        query.update(c=str(item))
        return urllib.parse.urlunsplit(parts._replace(query=urllib.parse.urlencode(query)))

    return Case(work, range(100))


@case("without effects", effect=False)
def unseen_method_of_a_protocol() -> Case:
    """Objects made by the function answer a method."""

    def work(item: int) -> float:
        shapes: list[Shape] = [Square(item), Square(toil(item) % 5)]
        return sum(shape.area() for shape in shapes)

    return Case(work, range(100))


@case("without effects", effect=False)
def unseen_strings_encoded() -> Case:
    """Bytes and texts go through codecs and compressors."""

    def work(item: int) -> bytes:
        raw = json.dumps({"item": item, "value": toil(item)}).encode()
        return base64.b64encode(zlib.compress(raw))

    return Case(work, range(100))


@case("without effects", effect=False)
def unseen_simulation_of_a_walk() -> Case:
    """A random walk with a generator that is seeded by the item."""

    def work(item: int) -> int:
        rng = random.Random(item)
        steps = [rng.choice((-1, 1)) for _ in range(500)]
        rng.shuffle(steps)
        return max(itertools.accumulate(steps)) + toil() * 0

    return Case(work, range(100))


@case("without effects", effect=False)
def unseen_monte_carlo_of_numpy() -> Case:
    """Points of a generator of NumPy's that is seeded by the item."""

    def work(item: int) -> float:
        rng = np.random.default_rng(item)
        points = rng.random((2000, 2))
        toil()
        inside = np.hypot(points[:, 0], points[:, 1]) < 1
        return round(4 * float(inside.mean()), 6)

    return Case(work, range(100))


@case("without effects", effect=False)
def unseen_file_read_by_a_path() -> Case:
    """Files of a folder are read, each by one item."""
    folder = pathlib.Path(tempfile.mkdtemp())
    for number in range(60):
        (folder / f"{number}.txt").write_text(f"line {number}\n" * 50)

    def work(path: pathlib.Path) -> str:
        toil()
        with path.open() as file:
            lines = [line.strip().upper() for line in file if "1" in line]
        return hashlib.md5("".join(lines).encode()).hexdigest()

    return Case(work, sorted(folder.iterdir()))


@case("without effects", effect=False)
def unseen_file_written_for_each_item() -> Case:
    """Each item writes a file of its own name."""
    folder = tempfile.mkdtemp()

    def work(item: int) -> str:
        path = os.path.join(folder, f"out{item:03}.json")
        with open(path, "w") as file:
            json.dump({"value": toil(item)}, file)
        return os.path.basename(path)

    def left() -> list[tuple[str, int]]:
        names = sorted(os.listdir(folder))
        return [(name, os.path.getsize(os.path.join(folder, name))) for name in names]

    return Case(work, range(80), left=left)


@case("without effects", effect=False)
def unseen_warning_is_logged_for_rare_items() -> Case:
    """Rare items log a line that no handler takes."""
    log.addHandler(logging.NullHandler())
    log.propagate = False

    def work(item: int) -> int:
        value = toil(item)
        if item in (44, 61):
            log.warning("item %d is rare", item)
        return value

    return Case(work, range(100))


@case("without effects", effect=False)
def unseen_memo_with_a_limit() -> Case:
    """A function of a module is remembered by ``lru_cache`` with a limit."""

    @functools.lru_cache(maxsize=16)
    def factor(number: int) -> int:
        return sum(d for d in range(1, number + 1) if number % d == 0)

    def work(item: int) -> int:
        toil()
        return factor(item % 30 + 1)

    return Case(work, range(100))


@case("without effects", effect=False)
def unseen_parsed_text() -> Case:
    """A parser class with a position of its own is made for each item."""

    class Parser:
        def __init__(self, text: str) -> None:
            self.text, self.at = text, 0
            self.stack: list[int] = []

        def run(self) -> int:
            while self.at < len(self.text):
                sign = self.text[self.at]
                self.at += 1
                if sign.isdigit():
                    self.stack.append(int(sign))
                elif sign == "+":
                    self.stack.append(self.stack.pop() + self.stack.pop())
            return self.stack.pop()

    def work(item: int) -> int:
        toil()
        return Parser(f"{item % 10}{item % 7}+{item % 3}+").run()

    return Case(work, range(100))


@case("without effects", effect=False)
def unseen_tree_of_elements() -> Case:
    """A document is made, changed and written by the function."""

    def work(item: int) -> str:
        toil()
        root = ElementTree.Element("root")
        for part in range(3):
            child = ElementTree.SubElement(root, "child", {"n": str(part)})
            child.text = str(item)
        root.find("child").set("first", "yes")  # type: ignore[union-attr]
        root.remove(root[-1])
        return ElementTree.tostring(root, encoding="unicode")

    return Case(work, range(100))


@case("without effects", effect=False)
def unseen_dates_and_money() -> Case:
    """Dates are moved and written."""
    start = datetime.datetime(2024, 1, 31, tzinfo=datetime.UTC)

    def work(item: int) -> str:
        toil()
        day = start + datetime.timedelta(days=item)
        return f"{day:%Y-%m-%d} {day.isocalendar().week} {day.replace(hour=3).timestamp()}"

    return Case(work, range(100))


@case("without effects", effect=False)
def unseen_search_in_a_shared_list() -> Case:
    """A sorted list of the caller is searched."""
    limits = sorted(i * i for i in range(100))

    def work(item: int) -> int:
        toil()
        return bisect.bisect_left(limits, item * 37 % 5000)

    return Case(work, range(100))


@case("without effects", effect=False)
def unseen_composed_functions() -> Case:
    """Functions are put together by reduce, partial and itemgetter."""
    steps = (functools.partial(operator.mul, 3), functools.partial(operator.add, 1), math.isqrt)
    pick = operator.itemgetter("value")

    def work(row: dict[str, int]) -> int:
        toil()
        return functools.reduce(lambda value, step: step(value), steps, pick(row))

    return Case(work, [{"value": i} for i in range(100)])


@case("without effects", effect=False)
def unseen_template_filled() -> Case:
    """Templates and format strings are filled."""
    letter = string.Template("Dear $name, you owe $sum.")

    def work(item: int) -> str:
        text = letter.substitute(name=f"n{item}", sum=toil(item) % 100)
        return textwrap.fill(text, 20)

    return Case(work, range(100))


@case("without effects", effect=False)
def unseen_generator_pipeline_inside() -> Case:
    """Generators of the function's own feed each other, one closes early."""

    def numbers(start: int) -> typing.Iterator[int]:
        yield from range(start, start + 50)

    def squares(source: typing.Iterator[int]) -> typing.Iterator[int]:
        for number in source:
            yield number * number

    def work(item: int) -> list[int]:
        toil()
        source = squares(numbers(item))
        first = list(itertools.islice(source, 5))
        source.close()  # type: ignore[attr-defined]
        return first

    return Case(work, range(100))


@case("without effects", effect=False)
def unseen_output_captured_inside() -> Case:
    """A report is printed into a text of the function's own, by ``file=``."""

    def work(item: int) -> str:
        out = io.StringIO()
        print("item", item, toil(item) % 10, sep=",", file=out)
        out.write("end")
        return out.getvalue()

    return Case(work, range(100))


@case("without effects", effect=False)
def unseen_statistics_of_a_sample() -> Case:
    """Means, medians and named tuples."""

    def work(item: int) -> tuple[float, Pair]:
        values = [toil(item + part) % 11 for part in range(2)] + [item % 5]
        return statistics.median(values), Pair(item, min(values))._replace(b=max(values))

    return Case(work, range(80))


@case("without effects", effect=False)
def unseen_limits_of_a_read_only_view() -> Case:
    """A read-only view of a dict of the module is read, and a local dict is merged with it."""

    def work(item: int) -> int:
        toil()
        mine = {**LIMITS, "item": item}
        mine["low"] += 1
        mine.setdefault("mid", 50)
        return mine["low"] <= item < mine["high"]

    return Case(work, range(100))


@case("without effects", effect=False)
def unseen_blocks_of_the_function() -> Case:
    """A block made by a generator wraps the work and leaves nothing."""

    @contextlib.contextmanager
    def scaled(factor: int) -> typing.Iterator[Any]:
        box = {"factor": factor}
        try:
            yield box
        finally:
            box.clear()

    def work(item: int) -> int:
        with scaled(item) as box:
            return toil(item) * int(box["factor"])

    return Case(work, range(100))


@case("without effects", effect=False)
def unseen_digest_without_the_lock() -> Case:
    """Digests of large buffers, for which threads do."""

    def work(item: int) -> str:
        return "".join(release(item + part) for part in range(4))

    return Case(work, range(80))


@case("without effects", effect=False)
def unseen_matrix_work() -> Case:
    """Matrices are made, solved and changed in place by the function."""

    def work(item: int) -> float:
        matrix = np.eye(60) * (item + 2) + 0.1
        matrix[0] *= 2
        np.fill_diagonal(matrix, 7.0)
        matrix += 1
        toil()
        return round(float(np.linalg.solve(matrix, np.ones(60)).sum()), 9)

    return Case(work, range(80))


@case("without effects", effect=False)
def unseen_quote_of_a_package() -> Case:
    """A pure function is imported from a package and only its constant is read."""
    limit = len(user_far.__all__)

    def work(item: int) -> int:
        return toil(item) % 100 + limit

    return Case(work, range(100))
