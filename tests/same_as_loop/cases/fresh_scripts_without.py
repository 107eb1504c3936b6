"""Functions without effects, as scripts have them; written before the rules were read."""

from __future__ import annotations

import bisect
import collections
import contextlib
import csv
import dataclasses
import datetime
import difflib
import enum
import fnmatch
import functools
import hashlib
import heapq
import html
import io
import itertools
import json
import logging
import os
import random
import re
import statistics
import string
import tempfile
import time
import typing
import unicodedata
from pathlib import Path
from typing import Any

from case import Case, case, compute

N = 120

_WORD = re.compile(r"[A-Za-z]+")
_STOP = frozenset({"the", "a", "of"})
_SQUARES = {n: n * n for n in range(500)}
_LOG = logging.getLogger("script.quiet")
_model: Any = None


def _lazy_model() -> Any:
    global _model
    if _model is None:
        _model = {"weights": [compute(n) % 7 for n in range(5)]}
    return _model


@case("library", effect=False)
def script_words_by_a_compiled_expression() -> Case:
    """Words are counted by an expression of the module."""

    def work(item: int) -> Any:
        text = f"the item {string.ascii_lowercase[item % 26]} of words " * (compute(item) % 3 + 1)
        return collections.Counter(w for w in _WORD.findall(text) if w not in _STOP).most_common(2)

    return Case(work, range(N))


@case("objects", effect=False)
def script_model_that_is_loaded_once() -> Case:
    """A global is filled by the first call."""

    def work(item: int) -> int:
        return compute(item) + sum(_lazy_model()["weights"])

    return Case(work, range(N))


@case("objects", effect=False)
def script_table_of_squares() -> Case:
    """A table of the module is looked up."""

    def work(item: int) -> int:
        return compute(item) + _SQUARES[item] + _SQUARES.get(item + 1000, 0)

    return Case(work, range(N))


@functools.lru_cache(maxsize=64)
def _fibonacci(n: int) -> int:
    return n if n < 2 else _fibonacci(n - 1) + _fibonacci(n - 2)


@case("objects", effect=False)
def script_cached_recursion() -> Case:
    """A cached function of the module."""

    def work(item: int) -> int:
        return compute(item) + _fibonacci(item % 40)

    return Case(work, range(N))


class _Shape(enum.Enum):
    ROUND = "round"
    FLAT = "flat"


@dataclasses.dataclass(frozen=True)
class _Settings:
    rate: float = 0.5
    names: tuple[str, ...] = ("a", "b")
    LIMIT: typing.ClassVar[int] = 30


_SETTINGS = _Settings()


@case("objects", effect=False)
def script_constants_of_classes() -> Case:
    """Settings, members and constants are read."""

    def work(item: int) -> Any:
        shape = _Shape("round" if item % 2 else "flat")
        return shape.name, compute(item) * _SETTINGS.rate, min(item, _Settings.LIMIT)

    return Case(work, range(N))


@case("numpy", effect=False)
def script_normalized_by_constants() -> Case:
    """An array is normalized by those of the caller."""
    import numpy as np

    mean, scale = np.arange(6.0), np.ones(6) * 2

    def work(item: int) -> float:
        compute(item)
        row = (np.full(6, float(item)) - mean) / scale
        row[row < 0] = 0
        return round(float(row.sum()), 6)

    return Case(work, range(N))


@case("pandas", effect=False)
def script_frame_filtered_and_grouped() -> Case:
    """A frame of the caller is asked."""
    import pandas as pd

    frame = pd.DataFrame({"k": [n % 5 for n in range(100)], "v": range(100)})

    def work(item: int) -> int:
        compute(item)
        return int(frame[frame.v > item % 90].groupby("k")["v"].sum().max())

    return Case(work, range(N))


@case("pandas", effect=False)
def script_frame_copied_and_filled() -> Case:
    """A copy gets a column."""
    import pandas as pd

    frame = pd.DataFrame({"x": range(50)})

    def work(item: int) -> int:
        compute(item)
        own = frame.copy()
        own["y"] = own["x"] * item
        own.sort_values("y", inplace=True, ascending=False)
        return int(own["y"].iloc[0])

    return Case(work, range(N))


@case("scipy", effect=False)
def script_minimum_of_each() -> Case:
    """``minimize_scalar`` for each item."""
    from scipy.optimize import minimize_scalar

    def work(item: int) -> float:
        compute(item)
        return round(float(minimize_scalar(lambda x: (x - item) ** 2).x), 4)

    return Case(work, range(N))


@case("scipy", effect=False)
def script_bootstrap_with_its_own_seed() -> Case:
    """A sample of its own by a generator of the item."""
    import numpy as np

    data = np.arange(50.0)

    def work(item: int) -> float:
        compute(item)
        rng = np.random.default_rng([7, item])
        return round(float(rng.choice(data, 50).mean()), 6)

    return Case(work, range(N))


@case("random", effect=False)
def script_walk_by_its_own_generator() -> Case:
    """A generator made from the item."""

    def work(item: int) -> int:
        rng = random.Random(f"walk-{item}")
        return compute(item) + sum(rng.choice((-1, 1)) for _ in range(50))

    return Case(work, range(N))


@case("files", effect=False)
def script_output_named_by_the_item() -> Case:
    """Each item writes its file into a folder that exists or is made."""
    folder = Path(tempfile.mkdtemp()) / "out"

    def work(item: int) -> str:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{item:04}.json"
        path.write_text(json.dumps({"v": compute(item)}))
        return path.name

    return Case(work, range(N), left=lambda: sorted(p.read_text() for p in folder.iterdir()))


@case("files", effect=False)
def script_lines_of_a_file_counted() -> Case:
    """A file is opened and read by all."""
    path = Path(tempfile.mkdtemp()) / "in.csv"
    path.write_text("".join(f"{n},{n % 7}\n" for n in range(200)))

    def work(item: int) -> int:
        compute(item)
        with path.open(newline="") as file:
            return sum(int(row[1]) for row in csv.reader(file) if int(row[0]) > item)

    return Case(work, range(N))


@case("files", effect=False)
def script_scratch_file_of_its_own() -> Case:
    """A file without a name, used and gone."""

    def work(item: int) -> int:
        with tempfile.TemporaryFile("w+") as file:
            file.write(f"{compute(item)}\n" * 3)
            file.seek(0)
            return len(file.readlines())

    return Case(work, range(N))


@case("library", effect=False)
def script_similar_names() -> Case:
    """The nearest names of a list."""
    names = [f"name{n * 37 % 101}" for n in range(40)]

    def work(item: int) -> list[str]:
        compute(item)
        return difflib.get_close_matches(f"name{item}", names, 2)

    return Case(work, range(N))


@case("library", effect=False)
def script_intervals_by_bisection() -> Case:
    """Places in a sorted list, and a heap of its own."""
    edges = list(range(0, 1000, 13))

    def work(item: int) -> Any:
        heap = [compute(item) % 50, item, -item]
        heapq.heapify(heap)
        heapq.heappush(heap, 3)
        return bisect.bisect_right(edges, item * 5), heapq.nsmallest(2, heap)

    return Case(work, range(N))


@case("objects", effect=False)
def script_pipeline_of_functions() -> Case:
    """Steps are put together once and called."""
    steps = (functools.partial(int.__add__, 3), lambda n: n * 2, compute)
    pipeline = functools.reduce(lambda f, g: lambda n: g(f(n)), steps)

    def work(item: int) -> int:
        return int(pipeline(item))

    return Case(work, range(N))


class _Parser:
    pattern = re.compile(r"(\w+)=(\d+)")

    def __init__(self) -> None:
        self.kinds = {"a": int, "b": float}

    def parse(self, text: str) -> dict[str, Any]:
        return {key: self.kinds.get(key, str)(value) for key, value in self.pattern.findall(text)}


@case("objects", effect=False)
def script_method_of_a_parser() -> Case:
    """A parser object with tables and an expression of its class."""
    parser = _Parser()

    def work(item: int) -> Any:
        return parser.parse(f"a={item} b={compute(item)} c=1")

    return Case(work, range(N))


@case("objects", effect=False)
def script_visits_a_graph() -> Case:
    """A graph of the caller is walked with sets of its own."""
    graph = {n: [(n * 3 + 1) % 60, (n * 7 + 2) % 60] for n in range(60)}

    def work(item: int) -> int:
        compute(item)
        seen, todo = set(), collections.deque([item % 60])
        while todo:
            node = todo.popleft()
            if node not in seen:
                seen.add(node)
                todo.extend(graph[node])
        return len(seen)

    return Case(work, range(N))


@case("process", effect=False)
def script_time_and_environment_read() -> Case:
    """The environment and the clock are read."""

    def work(item: int) -> Any:
        began = time.perf_counter()
        value = compute(item)
        return value, os.environ.get("HOME", "") != "", time.perf_counter() >= began

    return Case(work, range(N))


@case("process", effect=False)
def script_debug_lines_not_shown() -> Case:
    """A logger that is off."""

    def work(item: int) -> int:
        _LOG.debug("item %d", item)
        return compute(item)

    return Case(work, range(N))


@case("library", effect=False)
def script_texts_made_clean() -> Case:
    """Texts are normalized and escaped."""

    def work(item: int) -> str:
        compute(item)
        text = unicodedata.normalize("NFKD", f"<Ünïcode {item}>")
        return html.escape(text.encode("ascii", "ignore").decode().title())

    return Case(work, range(N))


@case("library", effect=False)
def script_dates_by_the_item() -> Case:
    """Dates, and names matched."""
    start = datetime.date(2024, 1, 1)

    def work(item: int) -> Any:
        compute(item)
        day = start + datetime.timedelta(days=item)
        return day.isoformat(), fnmatch.fnmatch(day.strftime("%B"), "J*"), day.isocalendar().week

    return Case(work, range(N))


@case("library", effect=False)
def script_numbers_summed_up() -> Case:
    """Statistics of windows."""

    def work(item: int) -> float:
        sample = [(compute(item) + n * n) % 97 for n in range(5)]
        return round(statistics.pstdev(sample) + statistics.median(sample), 6)

    return Case(work, range(N))


@case("library", effect=False)
def script_nested_data_flattened() -> Case:
    """JSON is read, flattened and its keys are sorted."""
    text = json.dumps({"a": {"b": [1, 2, {"c": 3}]}, "d": "x"})

    def flat(value: Any, path: str = "") -> Any:
        if isinstance(value, dict):
            for key, part in value.items():
                yield from flat(part, f"{path}.{key}")
        elif isinstance(value, list):
            for number, part in enumerate(value):
                yield from flat(part, f"{path}[{number}]")
        else:
            yield path, value

    def work(item: int) -> Any:
        compute(item)
        return sorted(flat(json.loads(text)))

    return Case(work, range(N))


@case("library", effect=False)
def script_digests_in_groups() -> Case:
    """Digests, grouped."""

    def work(item: int) -> Any:
        compute(item)
        rows = sorted((hashlib.md5(f"{item}{n}".encode()).hexdigest()[:2], n) for n in range(6))
        return [(k, len(list(g))) for k, g in itertools.groupby(rows, key=lambda row: row[0][0])]

    return Case(work, range(N))


class _Matrix:
    def __init__(self, rows: list[list[int]]) -> None:
        self.rows = rows

    def __matmul__(self, other: _Matrix) -> _Matrix:
        columns = list(zip(*other.rows, strict=True))
        return _Matrix(
            [[sum(a * b for a, b in zip(r, c, strict=True)) for c in columns] for r in self.rows]
        )


@case("objects", effect=False)
def script_matrices_of_ones_own_class() -> Case:
    """Operators of a class that make new objects."""
    turn = _Matrix([[0, -1], [1, 0]])

    def work(item: int) -> Any:
        return (turn @ _Matrix([[item, compute(item) % 9], [1, 2]])).rows

    return Case(work, range(N))


@case("objects", effect=False)
def script_errors_become_results() -> Case:
    """A wrapper returns what went wrong."""

    def safe(func: Any) -> Any:
        @functools.wraps(func)
        def wrapper(item: int) -> Any:
            with contextlib.suppress(ZeroDivisionError):
                return func(item)
            return "failed"

        return wrapper

    @safe
    def work(item: int) -> float:
        return round(compute(item) / (item % 7), 4)

    return Case(work, range(N))


@case("models", effect=False)
def script_fresh_fit_for_each_item() -> Case:
    """A model of its own for each item, a clone of the caller's."""
    import numpy as np
    from sklearn.base import clone
    from sklearn.linear_model import Ridge

    base = Ridge(alpha=0.1)
    rows = np.arange(40.0).reshape(-1, 2)

    def work(item: int) -> float:
        compute(item)
        model = clone(base).set_params(alpha=1.0 + item)
        return round(float(model.fit(rows, rows[:, 0]).coef_[0]), 5)

    return Case(work, range(N))


@case("library", effect=False)
def script_picture_made_smaller() -> Case:
    """A picture of the caller is copied, made smaller and its bytes are hashed."""
    from PIL import Image

    picture = Image.linear_gradient("L")

    def work(item: int) -> str:
        compute(item)
        small = picture.resize((8 + item % 8, 8))
        return hashlib.sha1(small.tobytes()).hexdigest()[:8]

    return Case(work, range(N))


class _Cached:
    def __init__(self) -> None:
        self.text = "x" * 40

    @functools.cached_property
    def size(self) -> int:
        return len(self.text) + compute(0)


@case("objects", effect=False)
def script_cached_property_read_by_all() -> Case:
    """A value that is computed once by whoever reads it."""
    thing = _Cached()

    def work(item: int) -> int:
        return compute(item) + thing.size

    return Case(work, range(N))


@case("objects", effect=False)
def script_buffers_of_texts() -> Case:
    """A buffer of its own, and a writer."""

    def work(item: int) -> str:
        buffer = io.StringIO()
        writer = csv.DictWriter(buffer, ["a", "b"])
        writer.writeheader()
        writer.writerow({"a": item, "b": compute(item)})
        return buffer.getvalue()

    return Case(work, range(N))
