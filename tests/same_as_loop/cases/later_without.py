"""Functions without effects, near to those with: what they change is their own; before any rule."""

from __future__ import annotations

import array
import asyncio
import bisect
import collections
import contextlib
import copy
import csv
import ctypes
import dataclasses
import decimal
import enum
import functools
import heapq
import io
import itertools
import json
import logging
import math
import operator
import os
import pickle
import queue
import random
import re
import sqlite3
import statistics
import string
import struct
import subprocess
import tempfile
import types
import weakref
import xml.etree.ElementTree as ElementTree
import zipfile
import zlib
from collections.abc import Generator
from typing import Any

import numpy as np
import pandas as pd
from case import Case, case, toil

N = 90


class Tokenizer:
    """Its vocabulary is whole before the run."""

    def __init__(self) -> None:
        self.vocabulary = {f"w{number}": number for number in range(50)}

    def encode(self, text: str) -> list[int]:
        toil()
        return [self.vocabulary.get(word, -1) for word in text.split()]


@case("without", effect=False)
def later_tokenizer_with_a_whole_vocabulary() -> Case:
    return Case(Tokenizer().encode, [f"w{k} w{k * 3} x" for k in range(N)])


class Welford:
    def __init__(self) -> None:
        self.count, self.mean = 0, 0.0

    def push(self, value: float) -> Welford:
        self.count += 1
        self.mean += (value - self.mean) / self.count
        return self


@case("without", effect=False)
def later_statistics_of_each_item_alone() -> Case:
    def work(item: int) -> float:
        stats = Welford()
        for value in range(item, item + 20):
            stats.push(value + toil(0) % 2)
        return round(stats.mean, 9)

    return Case(work, range(N))


@case("without", effect=False)
def later_model_that_only_predicts() -> Case:
    class Model:
        def __init__(self) -> None:
            self.weights = np.arange(12.0).reshape(3, 4)
            self.training = False

        def __call__(self, x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
            hidden = np.maximum(self.weights @ x, 0)
            hidden /= hidden.sum() or 1
            return hidden

    model = Model()
    return Case(lambda item: model(np.full(4, toil(item) % 9.0)).round(6).tolist(), range(N))


@case("without", effect=False)
def later_fit_of_each_item_alone() -> Case:
    def work(item: int) -> list[float]:
        toil(item)
        coefficients = np.polyfit(np.arange(6), np.arange(6) * item + 1.0, 1)
        return [round(float(one), 6) for one in coefficients]

    return Case(work, range(N))


@case("without", effect=False)
def later_frame_made_and_changed_within() -> Case:
    def work(item: int) -> int:
        frame = pd.DataFrame({"a": range(item, item + 5)})
        frame["b"] = frame["a"] * 2
        frame.loc[0, "a"] = toil(item)
        frame.drop(index=1, inplace=True)
        return int(frame["a"].sum() + frame["b"].sum())

    return Case(work, range(N))


@case("without", effect=False)
def later_rows_of_a_frame_only_read() -> Case:
    frame = pd.DataFrame({"a": range(N), "b": 2})
    return Case(
        lambda item: toil(item) + int(frame.loc[item, "a"] * frame.loc[item, "b"]), range(N)
    )


@case("without", effect=False)
def later_copy_of_an_item_sorted() -> Case:
    items = [np.arange(30)[::-1] + number for number in range(N)]

    def work(values: np.ndarray[Any, Any]) -> int:
        mine = values.copy()
        mine.sort()
        mine[mine % 2 == 0] = 0
        return int(mine.sum()) + toil(int(values[0]))

    return Case(work, items, left=lambda: int(sum(one.sum() for one in items)))


@case("without", effect=False)
def later_deep_copy_of_a_configuration() -> Case:
    config = {"a": {"b": [1, 2, 3]}, "steps": []}

    def work(item: int) -> str:
        mine: Any = copy.deepcopy(config)
        mine["steps"].append(item)
        mine["a"]["b"].reverse()
        toil(item)
        return json.dumps(mine)

    return Case(work, range(N), left=lambda: config)


@case("without", effect=False)
def later_generator_primed_within() -> Case:
    def averages() -> Generator[float, float, None]:
        total, count = 0.0, 0
        value = yield 0.0
        while True:
            total, count = total + value, count + 1
            value = yield total / count

    def work(item: int) -> float:
        average = averages()
        next(average)
        for value in (item, toil(item), 3.0):
            found = average.send(value)
        return found

    return Case(work, range(N))


@case("without", effect=False)
def later_own_generator_of_numbers_by_item() -> Case:
    def work(item: int) -> float:
        source, rng = random.Random(item), np.random.default_rng(item)
        toil(item)
        return round(source.random() + float(rng.random()), 9)

    return Case(work, range(N))


@case("without", effect=False)
def later_context_of_decimals_within() -> Case:
    def work(item: int) -> str:
        with decimal.localcontext() as context:
            context.prec = 30
            toil(item)
            return str(decimal.Decimal(item) / 7)

    return Case(work, range(N))


@case("without", effect=False)
def later_errors_of_numpy_within() -> Case:
    def work(item: int) -> float:
        with np.errstate(divide="ignore"):
            return float(np.float64(1) / np.float64(item % 3)) + toil(item)

    return Case(work, range(N))


@case("without", effect=False)
def later_table_in_memory_within() -> Case:
    def work(item: int) -> int:
        with contextlib.closing(sqlite3.connect(":memory:")) as base:
            base.execute("create table t (a integer)")
            base.executemany("insert into t values (?)", ((k,) for k in range(item)))
            toil(item)
            return int(base.execute("select count(*) from t").fetchone()[0])

    return Case(work, range(N))


@case("without", effect=False)
def later_temporary_folder_of_each_item() -> Case:
    def work(item: int) -> str:
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "a.csv")
            with open(path, "w", newline="") as file:
                csv.writer(file).writerow([item, toil(item)])
            with open(path) as file:
                return file.read()

    return Case(work, range(N))


@case("without", effect=False)
def later_archive_in_memory_within() -> Case:
    def work(item: int) -> int:
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as archive:
            archive.writestr(zipfile.ZipInfo("a"), str(toil(item)))
        return len(out.getvalue())

    return Case(work, range(N))


@case("without", effect=False)
def later_queue_and_heap_within() -> Case:
    def work(item: int) -> int:
        waiting: queue.PriorityQueue[int] = queue.PriorityQueue()
        heap: list[int] = []
        for value in (toil(item), item, 7, -item):
            waiting.put(value)
            heapq.heappush(heap, value)
        return waiting.get() + heap[0]

    return Case(work, range(N))


@case("without", effect=False)
def later_tree_of_each_document() -> Case:
    def work(text: str) -> str:
        root = ElementTree.fromstring(text)
        for row in root:
            row.set("seen", str(toil(len(row))))
        return ElementTree.tostring(root, encoding="unicode")

    return Case(work, [f"<a><b n='{k}'/></a>" for k in range(N)])


@case("without", effect=False)
def later_logger_of_the_module() -> Case:
    log = logging.getLogger("later.without")
    log.setLevel("ERROR")

    def work(item: int) -> int:
        log.info("starting %s", item)
        value = toil(item)
        log.debug("done %s", value)
        return value

    return Case(work, range(N))


@functools.cache
def _factorial(number: int) -> int:
    return 1 if number < 2 else number * _factorial(number - 1)


@case("without", effect=False)
def later_cache_of_a_pure_function() -> Case:
    return Case(lambda item: toil(item) + _factorial(item % 12), range(N))


@case("without", effect=False)
def later_compiled_pattern_of_the_module() -> Case:
    pattern = re.compile(r"(\w+)@(\w+)")

    def work(text: str) -> str:
        toil(len(text))
        return pattern.sub(lambda match: match[2] + match[1], text)

    return Case(work, [f"a{k}@b{k * k}" for k in range(N)])


@dataclasses.dataclass(frozen=True)
class Price:
    value: int
    tax: float = 0.19

    def with_tax(self) -> float:
        return round(self.value * (1 + self.tax), 2)


@case("without", effect=False)
def later_frozen_objects_replaced() -> Case:
    def work(price: Price) -> float:
        more = dataclasses.replace(price, value=price.value + toil(price.value) % 10)
        return more.with_tax()

    return Case(work, [Price(number) for number in range(N)])


class Level(enum.IntEnum):
    LOW = 0
    MIDDLE = 1
    HIGH = 2


@case("without", effect=False)
def later_level_of_each_value() -> Case:
    return Case(lambda item: Level(toil(item) % 3).name, range(N))


@case("without", effect=False)
def later_coroutines_of_each_item_alone() -> Case:
    async def part(number: int) -> int:
        await asyncio.sleep(0)
        return number * 2

    async def whole(item: int) -> int:
        return sum(await asyncio.gather(*(part(item + k) for k in range(4))))

    return Case(lambda item: toil(item) + asyncio.run(whole(item)), range(N))


@case("without", effect=False)
def later_stack_of_contexts_within() -> Case:
    def work(item: int) -> list[int]:
        closed: list[int] = []
        with contextlib.ExitStack() as stack:
            for number in range(3):
                stack.callback(closed.append, number + toil(item) % 2)
        return closed

    return Case(work, range(N))


@case("without", effect=False)
def later_weak_values_within() -> Case:
    class Node:
        pass

    def work(item: int) -> int:
        table: weakref.WeakValueDictionary[int, Node] = weakref.WeakValueDictionary()
        nodes = [Node() for _ in range(item % 5)]
        for place, node in enumerate(nodes):
            table[place] = node
        return len(table) + toil(item)

    return Case(work, range(N))


@case("without", effect=False)
def later_structure_of_c_within() -> Case:
    class State(ctypes.Structure):
        _fields_ = [("a", ctypes.c_int), ("b", ctypes.c_double)]

    def work(item: int) -> bytes:
        state = State(item, 0.5)
        state.a += toil(item) % 7
        return struct.pack("<id", state.a, state.b)

    return Case(work, range(N))


@case("without", effect=False)
def later_buffers_within() -> Case:
    def work(item: int) -> int:
        buffer = bytearray(100)
        view = memoryview(buffer)
        view[10:14] = struct.pack("<I", toil(item))
        numbers = array.array("B", view)
        numbers.append(1)
        return zlib.crc32(numbers.tobytes())

    return Case(work, range(N))


@case("without", effect=False)
def later_table_looked_up_by_bisect() -> Case:
    table = sorted(number * number % 997 for number in range(300))
    names = dict(enumerate(string.ascii_letters))

    def work(item: int) -> str:
        return names[bisect.bisect(table, toil(item) % 997) % 52]

    return Case(work, range(N))


@case("without", effect=False)
def later_counts_of_each_text() -> Case:
    def work(text: str) -> list[tuple[str, int]]:
        counts = collections.Counter(text)
        groups: dict[str, list[int]] = collections.defaultdict(list)
        for place, letter in enumerate(text):
            groups[letter].append(place)
        toil(len(groups))
        return counts.most_common(2)

    return Case(work, [f"{'ab' * (k % 7)}c{k}" for k in range(N)])


@case("without", effect=False)
def later_partial_of_operators() -> Case:
    power = functools.partial(pow, mod=9973)
    pick = operator.itemgetter("a", "b")

    def work(row: dict[str, int]) -> int:
        first, second = pick(row)
        return power(first + 2, second + toil(first) % 3)

    return Case(work, [{"a": k, "b": k * 3} for k in range(N)])


@case("without", effect=False)
def later_numbers_round_a_pickle() -> Case:
    def work(item: dict[str, Any]) -> int:
        again = pickle.loads(pickle.dumps(item))
        again["x"].append(toil(item["n"]))
        return len(again["x"])

    return Case(work, [{"n": k, "x": [k]} for k in range(N)])


@case("without", effect=False)
def later_median_of_simulated_walks() -> Case:
    def walk(source: random.Random, steps: int) -> int:
        return sum(
            itertools.islice(itertools.starmap(source.choice, itertools.repeat(((-1, 1),))), steps)
        )

    def work(seed: int) -> float:
        source = random.Random(seed)
        toil(seed)
        return statistics.median(walk(source, 30) for _ in range(9))

    return Case(work, range(N))


@case("without", effect=False)
def later_program_asked_for_each_item() -> Case:
    def work(item: int) -> str:
        toil(item)
        return subprocess.run(["echo", str(item)], capture_output=True, text=True).stdout.strip()

    return Case(work, range(N))


@case("without", effect=False)
def later_namespace_of_each_item() -> Case:
    settings = types.MappingProxyType({"rate": 3})

    def work(item: int) -> float:
        space = types.SimpleNamespace(item=item, seen=[])
        space.seen.append(toil(item))
        space.item += settings["rate"]
        return math.sqrt(space.item + len(space.seen))

    return Case(work, range(N))
