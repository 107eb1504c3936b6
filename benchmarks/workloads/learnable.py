"""The workloads whose runs are collected to learn from: apart from those of the benchmark.

Each is a function and a maker of data of any length; ``learning/rows.py`` finds the lengths at which
the loop takes the seconds wanted. Everything is deterministic.
"""

from __future__ import annotations

import os
import random
import time
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from benchmarks.workloads import functions as f
from benchmarks.workloads.catalog import SCRATCH, buffers, heavy_tailed, texts
from benchmarks.workloads.learnable_functions import (
    add_fractions,
    blake,
    by_heap,
    count_of_words,
    decimal_root,
    derived,
    digest_and_steps,
    edit_distance,
    encoded,
    escape_row,
    inflate,
    large_power,
    likeness,
    look_around,
    lzma_of,
    pack_numbers,
    pickled,
    queens,
    query,
    read_dates,
    read_table,
    shuffled,
    sieve,
    sleeping_program,
    sort_words,
    squeeze,
    wait_on_condition,
    write_safely,
)

Data = Callable[[int], Iterable[Any]]
Row = tuple[str, Callable[[], Callable[[Any], Any]], Data]


def _words(count: int, seed: int) -> list[str]:
    chance = random.Random(seed)
    return ["".join(chance.choices("abcdefghijklmnop", k=6)) for _ in range(count)]


def _text(count: int, seed: int) -> str:
    return " ".join(_words(count, seed))


def _cycled(few: list[Any]) -> Data:
    return lambda count: [few[i % len(few)] for i in range(count)]


def _same(item: Any) -> Data:
    return lambda count: [item] * count


def _files(size: int) -> Data:
    def make(count: int) -> list[str]:
        folder = Path(os.environ[SCRATCH]) / str(size)
        folder.mkdir(exist_ok=True)
        paths = [folder / f"{i:04}.txt" for i in range(min(count, 400))]
        for path in paths:
            if not path.exists():
                line = f"{path.name} 0123456789 the quick brown fox\n"
                path.write_text(line * (size // len(line)), encoding="ascii")
        return [str(paths[i % len(paths)]) for i in range(count)]

    return make


def _new_files(count: int) -> list[str]:
    return [os.path.join(os.environ[SCRATCH], f"new-{i:05}.txt") for i in range(count)]


def _lognormal(sigma: float, scale: int, seed: int) -> Data:
    chance = random.Random(seed)
    few = [int(scale * chance.lognormvariate(0.0, sigma)) for _ in range(2_000)]
    return lambda count: [few[i % len(few)] for i in range(count)]


def _waits(mean: float, seed: int) -> Data:
    chance = random.Random(seed)
    few = [min(8 * mean, chance.expovariate(1 / mean)) for _ in range(500)]
    return lambda count: [few[i % len(few)] for i in range(count)]


def _paths(milliseconds: int) -> Data:
    return lambda count: [f"/{milliseconds}/{i}" for i in range(count)]


def _table(rows: int) -> str:
    return "".join(f"{i},name{i},{i / 7:.4f}\n" for i in range(rows))


def _generated(make: Data) -> Data:
    return lambda count: (item for item in make(count))


def _numpy(name: str) -> Callable[[], Callable[[Any], Any]]:
    def load() -> Callable[[Any], Any]:
        from benchmarks.workloads import arrays

        found: Callable[[Any], Any] = getattr(arrays, name)
        return found

    return load


def _matrices(size: int) -> Data:
    def make(count: int) -> list[Any]:
        from benchmarks.workloads import arrays

        few = arrays.matrices(8, size)
        return [few[i % 8] for i in range(count)]

    return make


def _vectors(size: int) -> Data:
    def make(count: int) -> list[Any]:
        import numpy

        chance = numpy.random.default_rng(5)
        few = [chance.standard_normal(size) for _ in range(4)]
        return [few[i % 4] for i in range(count)]

    return make


def _is(function: Callable[[Any], Any]) -> Callable[[], Callable[[Any], Any]]:
    return lambda: function


_NUMBERS = [list(range(size)) for size in (20_000, 30_000)]
_PAIRS = [(_text(8, i), _text(8, i + 50)) for i in range(9)]

TABLE: dict[str, list[Row]] = {
    "cpu": [
        ("steps-8us", _is(f.steps), _same(140)),
        ("steps-300us", _is(f.steps), _same(5_000)),
        ("steps-6ms", _is(f.steps), _same(100_000)),
        ("steps-40ms", _is(f.steps), _same(700_000)),
        ("collatz", _is(f.collatz), lambda n: range(10_000, 10_000 + n)),
        ("json", _is(f.json_round_trip), _same({f"k{i}": [i, str(i)] for i in range(60)})),
        ("regex", _is(f.count_words), _cycled([_text(300, i) for i in range(9)])),
        ("ast", _is(f.count_nodes), _same("def f(a, b=1):\n    return a + b\n" * 12)),
        ("sort", _is(sort_words), _cycled([_words(2_000, i) for i in range(4)])),
        ("fractions", _is(add_fractions), _same(90)),
        ("decimal", _is(decimal_root), _same(2_500)),
        ("csv", _is(read_table), _same(_table(800))),
        ("difflib", _is(likeness), _cycled(_PAIRS)),
        ("queens", _is(queens), _same(6)),
        ("fractal", _is(escape_row), lambda n: range(n)),
        ("distance", _is(edit_distance), _cycled(_PAIRS)),
        ("struct", _is(pack_numbers), _same(600)),
        ("dates", _is(read_dates), _same(12)),
        ("pickle", _is(pickled), _same([{f"k{i}": i} for i in range(3_000)])),
        ("shuffle", _is(shuffled), _same(4_000)),
        ("sieve", _is(sieve), _same(300_000)),
        ("counter", _is(count_of_words), _cycled([_text(5_000, i) for i in range(4)])),
        ("base64", _is(encoded), _cycled(buffers(4, 100_000))),
        ("power", _is(large_power), _same(60_000)),
        ("heap", _is(by_heap), _same(700)),
        ("closure", lambda: lambda count: 3 + f.steps(count), _same(2_000)),
    ],
    "skewed": [
        ("pareto", _is(f.steps), lambda n: heavy_tailed(n)),
        ("lognormal", _is(f.steps), _lognormal(1.0, 6_000, 3)),
        ("lognormal-mild", _is(f.steps), _lognormal(0.4, 20_000, 4)),
        ("growing", _is(f.steps), lambda n: [40_000 * i // n for i in range(n)]),
        ("shrinking", _is(f.steps), lambda n: [40_000 * (n - i) // n for i in range(n)]),
        ("halves", _is(f.steps), lambda n: [1_500] * (n // 2) + [15_000] * (n - n // 2)),
        (
            "every-tenth",
            _is(f.steps),
            lambda n: [30_000 if i % 10 == 9 else 1_500 for i in range(n)],
        ),
    ],
    "waiting": [
        ("nap-1ms", _is(f.nap), _same(0.001)),
        ("nap-4ms", _is(f.nap), _same(0.004)),
        ("nap-20ms", _is(f.nap), _same(0.02)),
        ("nap-60ms", _is(f.nap), _same(0.06)),
        ("nap-spread", _is(f.nap), _waits(0.005, 1)),
        ("pipe", _is(f.wait_for_pipe), _same(0.003)),
        ("event", _is(f.wait_for_event), _waits(0.008, 2)),
        ("condition", _is(wait_on_condition), _same(0.002)),
    ],
    "http": [
        ("1ms", _is(f.fetch), _paths(1)),
        ("5ms", _is(f.fetch), _paths(5)),
        ("20ms", _is(f.fetch), _paths(20)),
        ("8ms-parse", _is(f.fetch_and_parse), _paths(8)),
        ("30ms-parse", _is(f.fetch_and_parse), _paths(30)),
    ],
    "mixed": [
        ("half", _is(f.nap_and_steps), _same((0.003, 60_000))),
        ("mostly-wait", _is(f.nap_and_steps), _same((0.008, 12_000))),
        ("mostly-work", _is(f.nap_and_steps), _same((0.001, 60_000))),
        ("turns", _is(f.steps_and_naps), _same((0.004, 30_000))),
        ("program", _is(f.run_program), lambda n: [str(i) for i in range(n)]),
        ("program-sleeps", _is(sleeping_program), _same("0.006")),
    ],
    "files": [
        ("hash-12k", _is(f.hash_file), _files(12_000)),
        ("hash-400k", _is(f.hash_file), _files(400_000)),
        ("lines", _is(f.count_lines), _files(20_000)),
        ("write", _is(f.write_file), _new_files),
        ("write-safely", _is(write_safely), _new_files),
        ("scan", _is(look_around), _files(12_000)),
        ("sqlite", _is(query), _same(400)),
    ],
    "gil-free": [
        ("sha256-40k", _is(f.sha256), _cycled(buffers(8, 40_000))),
        ("sha256-2M", _is(f.sha256), _cycled(buffers(4, 2_000_000))),
        ("zlib", _is(f.deflate), _cycled(texts(8, 60_000))),
        ("bz2", _is(squeeze), _cycled(texts(8, 60_000))),
        ("lzma", _is(lzma_of), _cycled(texts(8, 80_000))),
        ("pbkdf2", _is(derived), _same(4_000)),
        ("inflate", _is(inflate), _cycled([zlib.compress(t) for t in texts(4, 400_000)])),
        ("blake2b", _is(blake), _cycled(buffers(4, 500_000))),
        ("half-free", _is(digest_and_steps), _cycled(buffers(4, 800_000))),
        ("fft", _numpy("spectrum"), lambda n: range(n)),
    ],
    "blas": [
        ("matmul-48", _numpy("product"), _matrices(48)),
        ("matmul-200", _numpy("product"), _matrices(200)),
        ("matmul-400", _numpy("product"), _matrices(400)),
        ("svd-60", _numpy("singular_values"), _matrices(60)),
        ("solve-120", _numpy("solve"), _matrices(120)),
        ("elementwise", _numpy("elementwise"), lambda n: range(n)),
        ("bandwidth", _numpy("streaming_sum"), _vectors(400_000)),
    ],
    "large-arguments": [
        ("lists", _is(f.square_items), _cycled(_NUMBERS)),
        ("dicts", _is(f.total_of_values), _same({str(i): i for i in range(12_000)})),
        ("bytes", _is(f.census), _cycled(buffers(4, 300_000))),
        ("arrays", _numpy("sort_largest"), _vectors(120_000)),
    ],
    "large-results": [
        ("lists", _is(f.squares), _same(25_000)),
        ("bytes", _is(f.random_bytes), lambda n: range(n)),
        ("dicts", _is(f.index), lambda n: range(n)),
        ("arrays", _numpy("noise"), lambda n: range(n)),
    ],
    "generators": [
        ("cpu", _is(f.steps), _generated(_same(15_000))),
        ("short", _is(f.steps), _generated(_same(500))),
        ("waiting", _is(f.nap), _generated(_same(0.004))),
        ("bytes", _is(f.census), _generated(_cycled(buffers(4, 200_000)))),
    ],
}
WAITS = frozenset({"waiting", "http", "mixed", "files"})
"""Kinds that are tried with more threads than cores."""
NAMES = {f"{kind}/{row[0]}": (kind, row[1], row[2]) for kind, rows in TABLE.items() for row in rows}


def portion(seconds: float = 0.02) -> Callable[[str], float]:
    """Seconds of an item of a workload, found by running it; for counts."""

    def find(name: str) -> float:
        _, load, make = NAMES[name]
        func, count = load(), 8
        while True:
            items = list(make(count))
            for item in items[:2]:
                func(item)
            began = time.perf_counter()
            for item in items:
                func(item)
            passed = time.perf_counter() - began
            if passed > seconds:
                return passed / count
            count *= 3

    return find
