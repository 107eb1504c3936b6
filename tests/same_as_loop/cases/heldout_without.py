"""Functions without effects that look as if they had some; written before the rules were looked at."""

from __future__ import annotations

import ast
import base64
import bisect
import collections
import contextlib
import contextvars
import csv
import dataclasses
import decimal
import difflib
import enum
import functools
import hashlib
import heapq
import io
import itertools
import json
import logging
import os
import pathlib
import pickle
import queue
import random
import re
import sqlite3
import statistics
import string
import struct
import tempfile
import threading
import types
import urllib.parse
import xml.etree.ElementTree
import zlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import user_pipeline
from case import Case, case, toil

N = 70
_LAZY = user_pipeline.Lazy(50)
logger = logging.getLogger("heldout.without")


@case("free library", effect=False)
def heldout_database_of_its_own() -> Case:
    """Each item has a database in memory."""

    def work(item: int) -> int:
        with contextlib.closing(sqlite3.connect(":memory:")) as base:
            base.execute("create table t (x)")
            base.executemany("insert into t values (?)", [(item,), (item + 1,)])
            (total,) = base.execute("select sum(x) from t").fetchone()
        return toil(total)

    return Case(work, range(N))


@case("free library", effect=False)
def heldout_report_in_csv() -> Case:
    """A report is written to a text of the item's own."""

    def work(item: int) -> str:
        out = io.StringIO()
        writer = csv.writer(out)
        writer.writerow(["item", "total"])
        writer.writerow([item, toil(item)])
        return out.getvalue()

    return Case(work, range(N))


@case("free library", effect=False)
def heldout_tree_of_its_own() -> Case:
    """A tree is built and written."""

    def work(item: int) -> bytes:
        root = xml.etree.ElementTree.Element("r")
        for part in range(3):
            xml.etree.ElementTree.SubElement(root, "p").set("n", str(toil(part) + item))
        return xml.etree.ElementTree.tostring(root)

    return Case(work, range(N))


@case("free library", effect=False)
def heldout_random_by_item() -> Case:
    """A generator of the item's own."""

    def work(item: int) -> int:
        rng = random.Random(item)
        deck = list(range(10))
        rng.shuffle(deck)
        return toil(deck[0])

    return Case(work, range(N))


@case("free library", effect=False)
def heldout_numpy_random_by_item() -> Case:
    """A generator of NumPy of the item's own."""

    def work(item: int) -> float:
        rng = np.random.default_rng([5, item])
        sample = rng.normal(size=50)
        sample.sort()
        toil()
        return float(sample[25])

    return Case(work, range(N))


@case("free library", effect=False)
def heldout_precision_for_a_while() -> Case:
    """A local context of decimals."""

    def work(item: int) -> str:
        with decimal.localcontext() as context:
            context.prec = 6
            toil()
            return str(decimal.Decimal(item) / 7)

    return Case(work, range(N))


@case("free library", effect=False)
def heldout_heap_of_its_own() -> Case:
    """A heap of the item's own."""

    def work(item: int) -> list[int]:
        heap: list[int] = []
        for number in range(9):
            heapq.heappush(heap, number * item % 11)
        toil()
        return [heapq.heappop(heap) for _ in range(3)]

    return Case(work, range(N))


@case("free library", effect=False)
def heldout_queue_of_its_own() -> Case:
    """A breadth-first search over a graph that is only read."""
    graph = {number: [number * 2 % 31, (number + 7) % 31] for number in range(31)}

    def work(start: int) -> int:
        todo: queue.Queue[int] = queue.Queue()
        todo.put(start % 31)
        seen = {start % 31}
        while not todo.empty():
            for other in graph[todo.get()]:
                if other not in seen:
                    seen.add(other)
                    todo.put(other)
        return toil(len(seen))

    return Case(work, range(N))


@case("free library", effect=False)
def heldout_words_counted() -> Case:
    """Words of a text are counted."""
    text = "the quick brown fox jumps over the lazy dog " * 3
    word = re.compile(r"\w+")

    def work(item: int) -> list[tuple[str, int]]:
        counts = collections.Counter(word.findall(text))
        counts.update(["item"] * item)
        toil()
        return counts.most_common(2)

    return Case(work, range(N))


@case("free library", effect=False)
def heldout_groups_of_rows() -> Case:
    """Rows are put into groups."""
    rows = [(number % 4, number) for number in range(40)]

    def work(item: int) -> list[int]:
        groups = collections.defaultdict(list)
        for key, value in rows:
            groups[key].append(value * item)
        toil()
        return [sum(groups[key]) for key in sorted(groups)]

    return Case(work, range(N))


@case("free library", effect=False)
def heldout_records_unpacked() -> Case:
    """Records are read from constant bytes."""
    data = bytes(range(240))
    record = struct.Struct("<HBB")

    def work(item: int) -> int:
        toil()
        return sum(first + item for first, *_ in record.iter_unpack(data))

    return Case(work, range(N))


@case("free library", effect=False)
def heldout_digest_of_its_own() -> Case:
    """A digest of the item's own is updated in steps."""

    def work(item: int) -> str:
        digest = hashlib.sha1(usedforsecurity=False)
        for part in range(4):
            digest.update(f"{item}/{part}".encode())
        toil()
        return digest.hexdigest()

    return Case(work, range(N))


@case("free library", effect=False)
def heldout_packed_and_unpacked() -> Case:
    """Bytes are packed in pieces and unpacked."""

    def work(item: int) -> int:
        packer = zlib.compressobj(9)
        packed = packer.compress(b"abc" * item) + packer.flush()
        return toil(len(zlib.decompress(packed)))

    return Case(work, range(N))


@case("free library", effect=False)
def heldout_temporary_folder() -> Case:
    """A folder of the item's own is made and removed."""

    def work(item: int) -> int:
        with tempfile.TemporaryDirectory() as folder:
            place = pathlib.Path(folder) / "x.txt"
            place.write_text("y" * item)
            return toil(place.stat().st_size)

    return Case(work, range(N))


@case("free library", effect=False)
def heldout_file_that_is_read() -> Case:
    """A file is read by each item."""
    path = os.path.join(tempfile.mkdtemp(), "lines")
    with open(path, "w") as out:
        out.writelines(f"{number}\n" for number in range(N))

    def work(item: int) -> int:
        with open(path) as file:
            line = next(itertools.islice(file, item, None))
        return toil(int(line))

    return Case(work, range(N))


@case("free library", effect=False)
def heldout_debug_messages() -> Case:
    """Messages that are below the level go nowhere."""

    def work(item: int) -> int:
        logger.debug("begin %d", item)
        total = toil(item)
        logger.debug("end %d", total)
        return total

    return Case(work, range(N))


@case("free library", effect=False)
def heldout_json_there_and_back() -> Case:
    """A nested value goes through JSON."""
    plan = {"a": [1, 2, {"b": None}], "c": "text"}

    def work(item: int) -> dict[str, Any]:
        copy = json.loads(json.dumps(plan))
        copy["a"][2]["b"] = toil(item)
        return dict(copy)

    return Case(work, range(N))


@case("free library", effect=False)
def heldout_addresses_taken_apart() -> Case:
    """Addresses are parsed and put together."""

    def work(item: int) -> str:
        parts = urllib.parse.urlsplit(f"http://host/{item}?q={item}&z=1")
        query = urllib.parse.parse_qs(parts.query)
        query["z"].append("2")
        toil()
        return urllib.parse.urlencode(query, doseq=True)

    return Case(work, range(N))


@case("free library", effect=False)
def heldout_code_read() -> Case:
    """Code is parsed, changed and written."""

    class Rename(ast.NodeTransformer):
        def visit_Name(self, node: ast.Name) -> ast.Name:
            return ast.Name(node.id.upper(), node.ctx)

    def work(item: int) -> str:
        tree = Rename().visit(ast.parse(f"x = y + {item}"))
        toil()
        return ast.unparse(tree)

    return Case(work, range(N))


@case("free library", effect=False)
def heldout_likeness_of_texts() -> Case:
    """Texts are compared."""
    base = "a plain line of text"

    def work(item: int) -> float:
        toil()
        return round(difflib.SequenceMatcher(None, base, base[item % 20 :]).ratio(), 3)

    return Case(work, range(N))


@case("free library", effect=False)
def heldout_template_filled() -> Case:
    """A template that is a global is filled."""
    template = string.Template("$item of $total")

    def work(item: int) -> str:
        return template.substitute(item=item, total=toil(item))

    return Case(work, range(N))


@case("free library", effect=False)
def heldout_pickled_and_loaded() -> Case:
    """A value is pickled and loaded again."""

    def work(item: int) -> int:
        buffer = io.BytesIO()
        pickle.dump({"item": item}, buffer)
        buffer.seek(0)
        return toil(pickle.load(buffer)["item"])

    return Case(work, range(N))


@case("free library", effect=False)
def heldout_statistics_of_a_sample() -> Case:
    """Statistics over constants and the item."""
    sample = [3.0, 1.0, 4.0, 1.0, 5.0]

    def work(item: int) -> float:
        toil()
        return round(statistics.median([*sample, item]) + statistics.pstdev(sample), 4)

    return Case(work, range(N))


@case("free library", effect=False)
def heldout_place_in_a_table() -> Case:
    """A place is found in a sorted table."""
    table = [number**2 for number in range(50)]

    def work(item: int) -> int:
        return toil(bisect.bisect_right(table, item * 30))

    return Case(work, range(N))


@case("free library", effect=False)
def heldout_encoded_text() -> Case:
    """Text is encoded."""

    def work(item: int) -> str:
        toil()
        return base64.b85encode(f"item {item}".encode()).decode()

    return Case(work, range(N))


@case("free library", effect=False)
def heldout_part_of_a_frame() -> Case:
    """A part of a frame is taken, changed and summed up."""
    frame = pd.DataFrame({"k": [number % 5 for number in range(100)], "v": range(100)})

    def work(item: int) -> int:
        part = frame[frame["k"] == item % 5].copy()
        part["v"] *= item
        toil()
        return int(part["v"].sum())

    return Case(work, range(N))


@case("free library", effect=False)
def heldout_matrix_of_its_own() -> Case:
    """An array of the item's own is changed in place."""
    base = np.arange(12.0).reshape(3, 4)

    def work(item: int) -> float:
        own = base + item
        own[0] = 0
        own *= 2
        np.add(own, base, out=own)
        toil()
        return float(own.sum())

    return Case(work, range(N))


@case("free objects", effect=False)
def heldout_object_of_its_own() -> Case:
    """An object is made, changed, and read."""

    class Builder:
        def __init__(self) -> None:
            self.parts: list[str] = []

        def add(self, part: str) -> Builder:
            self.parts.append(part)
            return self

    def work(item: int) -> str:
        toil()
        return "-".join(Builder().add(str(item)).add("x").parts)

    return Case(work, range(N))


@case("free objects", effect=False)
def heldout_table_made_on_demand() -> Case:
    """An object of another module makes its table when it is first asked."""

    def work(item: int) -> int:
        return toil(_LAZY.table[item % 50])

    return Case(work, range(N))


@case("free objects", effect=False)
def heldout_points_of_another_module() -> Case:
    """Values of another module are added in place, all of the item's own."""

    def work(item: int) -> int:
        total = user_pipeline.Point(0, 0)
        for part in range(4):
            total += user_pipeline.Point(part, item)
        return toil(total.norm())

    return Case(work, range(N))


@case("free objects", effect=False)
def heldout_settings_that_are_read() -> Case:
    """Settings of another module are only read."""

    def work(item: int) -> int:
        return toil(user_pipeline.scaled(item))

    return Case(work, range(N))


@case("free objects", effect=False)
def heldout_pure_cache() -> Case:
    """A pure function has a cache."""

    @functools.lru_cache(maxsize=16)
    def square(number: int) -> int:
        return number * number

    def work(item: int) -> int:
        return toil(square(item % 6))

    return Case(work, range(N))


@case("free objects", effect=False)
def heldout_frozen_records() -> Case:
    """Records are replaced, not changed."""

    @dataclasses.dataclass(frozen=True)
    class Rule:
        low: int
        high: int
        tags: tuple[str, ...] = ()

    rule = Rule(1, 9)

    def work(item: int) -> dict[str, Any]:
        own = dataclasses.replace(rule, high=toil(item), tags=("x",))
        return dataclasses.asdict(own)

    return Case(work, range(N))


@case("free objects", effect=False)
def heldout_members_and_matching() -> Case:
    """An enumeration and a match."""

    class Kind(enum.Enum):
        EVEN = 0
        ODD = 1

    class Pair(NamedTuple):
        kind: Kind
        value: int

    def work(item: int) -> str:
        match Pair(Kind(item % 2), toil(item)):
            case Pair(Kind.EVEN, value):
                return f"even {value}"
            case Pair(_, value):
                return f"odd {value}"
        return "none"

    return Case(work, range(N))


@case("free objects", effect=False)
def heldout_context_manager_of_its_own() -> Case:
    """A context manager works on a list of the item's own."""

    @contextlib.contextmanager
    def marks(into: list[str]) -> Iterator[None]:
        into.append("begin")
        yield
        into.append("end")

    def work(item: int) -> list[str]:
        own: list[str] = []
        with marks(own):
            own.append(str(toil(item)))
        return own

    return Case(work, range(N))


@case("free objects", effect=False)
def heldout_dispatch_by_type() -> Case:
    """A generic function with two implementations."""

    @functools.singledispatch
    def show(value: Any) -> str:
        return "any"

    @show.register
    def _(value: int) -> str:
        return f"int {value}"

    def work(item: int) -> str:
        return show(toil(item)) + show("x")

    return Case(work, range(N))


@case("free objects", effect=False)
def heldout_generator_of_its_own() -> Case:
    """A generator of the item's own is sent to."""

    def running() -> Any:
        total = 0
        while True:
            total += yield total

    def work(item: int) -> int:
        steps = running()
        next(steps)
        for part in range(5):
            total = steps.send(part * item)
        return toil(total)

    return Case(work, range(N))


@case("free objects", effect=False)
def heldout_variable_put_back() -> Case:
    """A context variable is set for a while and put back."""
    level: contextvars.ContextVar[int] = contextvars.ContextVar("heldout_level", default=0)

    def inner() -> int:
        return level.get() * 2

    def work(item: int) -> int:
        token = level.set(item)
        try:
            return toil(inner())
        finally:
            level.reset(token)

    return Case(work, range(N))


@case("free objects", effect=False)
def heldout_buffer_of_a_thread() -> Case:
    """Each thread has a buffer, which is emptied before it is used."""
    local = threading.local()

    def work(item: int) -> bytes:
        buffer = getattr(local, "buffer", None)
        if buffer is None:
            buffer = local.buffer = bytearray()
        buffer.clear()
        buffer += b"%d" % toil(item)
        return bytes(buffer)

    return Case(work, range(N))


@case("free objects", effect=False)
def heldout_namespace_of_options() -> Case:
    """Options in a namespace are read, and a copy is changed."""
    options = types.SimpleNamespace(low=1, high=5, names=["a", "b"])

    def work(item: int) -> tuple[int, list[str]]:
        own = types.SimpleNamespace(**{**vars(options), "names": [*options.names]})
        own.high = item
        own.names.append("c")
        return toil(own.high - own.low), own.names

    return Case(work, range(N))


@case("free objects", effect=False)
def heldout_errors_that_are_caught() -> Case:
    """Errors are raised and caught inside."""

    class Bad(ValueError):
        pass

    def check(number: int) -> int:
        if number % 3 == 0:
            raise Bad(number)
        return number

    def work(item: int) -> str:
        toil()
        try:
            return f"good {check(item)}"
        except Bad as error:
            return f"bad {error.args[0]}"

    return Case(work, range(N))


@case("free objects", effect=False)
def heldout_program_of_steps() -> Case:
    """Pure steps in a list are applied one after the other."""
    steps = [toil, lambda value: value * 2, functools.partial(pow, exp=2), str]

    def work(item: int) -> Any:
        value: Any = item
        for step in steps:
            value = step(value)
        return value

    return Case(work, range(N))
