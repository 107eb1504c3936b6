"""The workloads: a function with its data, in fourteen kinds, a third of them held out.

Each takes 0.02 to 1.5 s as a plain loop on a machine of 2026, the trivial ones microseconds to
milliseconds. Everything is deterministic: seeds are fixed, data are made anew in each interpreter.
"""

from __future__ import annotations

import functools
import itertools
import math
import os
import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.workloads import functions as f

Job = tuple[Callable[[Any], Any], Iterable[Any]]
Maker = Callable[[], Job]

SCRATCH = "BENCHMARK_SCRATCH"
"""Environment variable: the directory for the files of the workload that runs."""


@dataclass(frozen=True)
class Workload:
    """A named piece of work; ``make()`` builds function and data anew."""

    name: str
    kind: str
    make: Maker
    portable: Maker | None = None
    """The same work with a function that can be pickled, where ``make`` gives one that cannot:
    the pools and peers that need it get this one."""
    held_out: bool = False
    """Looked at only to check, never to develop."""
    quick: bool = False
    """Part of the quick mode: one of each kind."""


# -- makers that take more than a line ---------------------------------------------------------------


def _text(words: int, seed: int) -> str:
    letters = random.Random(seed)
    return " ".join("".join(letters.choices("abcdefghijklmnop", k=6)) for _ in range(words))


def _source(functions: int) -> str:
    lines = (
        "def f{0}(a, b=1):\n    x = [a * b + {0} for b in range(9) if b % 2]\n    return sum(x)\n"
    )
    return "".join(lines.format(i) for i in range(functions))


def _records(count: int) -> list[dict[str, object]]:
    return [{f"field{i}": [i, str(i + n), i / 3] for i in range(30)} for n in range(count)]


def heavy_tailed(count: int, seed: int = 3) -> list[int]:
    """Pareto distributed numbers of steps: most items short, a few a hundred times longer."""
    chance = random.Random(seed)
    return [min(300_000, int(3_000 * chance.paretovariate(1.2))) for _ in range(count)]


def one_giant(
    position: int, count: int = 300, light: int = 20_000, giant: int = 6_000_000
) -> list[int]:
    """Numbers of steps: all ``light`` but for one, which is as long as all others together."""
    counts = [light] * count
    counts[position] = giant
    return counts


def buffers(count: int, size: int) -> list[bytes]:
    """Buffers that repeat after eight, so that the data stay small."""
    few = [random.Random(seed).randbytes(size) for seed in range(8)]
    return [few[i % 8] for i in range(count)]


def texts(count: int, size: int) -> list[bytes]:
    few = [_text(size // 7 + 1, seed).encode()[:size] for seed in range(8)]
    return [few[i % 8] for i in range(count)]


def _files(count: int, size: int) -> list[str]:
    """Paths of small files, written the first time."""
    folder = Path(os.environ[SCRATCH])
    paths = [folder / f"{i:04}.txt" for i in range(count)]
    if not paths[-1].exists():
        for path in paths:
            line = f"{path.name} 0123456789 the quick brown fox\n"
            path.write_text(line * (size // len(line)), encoding="ascii")
    return [str(path) for path in paths]


def _new_files(count: int) -> list[str]:
    return [os.path.join(os.environ[SCRATCH], f"new-{i:04}.txt") for i in range(count)]


def _closure(offset: int, counts: list[int]) -> Job:
    return lambda count: offset + f.steps(count), counts


def _paths(count: int, milliseconds: int) -> list[str]:
    return [f"/{milliseconds}/{i}" for i in range(count)]


def _numpy(function: str, data: Callable[[Any], Iterable[Any]]) -> Job:
    from benchmarks.workloads import arrays

    return getattr(arrays, function), data(arrays)


def _large_arrays(arrays: Any) -> list[Any]:
    random = arrays.np.random.default_rng(11)
    few = [random.standard_normal(500_000) for _ in range(4)]
    return [few[i % 4] for i in range(80)]


def _generator(items: Iterable[Any]) -> Iterator[Any]:
    yield from items


def _growing(count: int) -> list[int]:
    return [100 * i for i in range(count)]


# -- the table ---------------------------------------------------------------------------------------

_HELD, _QUICK = {"held_out": True}, {"quick": True}
_TABLE: dict[str, list[tuple[Any, ...]]] = {
    # (name, make, portable or None, marks)
    "trivial": [
        ("sqrt", lambda: (math.sqrt, range(20_000)), None, _QUICK),
        (
            "lambda",
            lambda: (lambda x: x + 1, range(500_000)),
            lambda: ((1).__add__, range(500_000)),
        ),
        ("len-names", lambda: (len, [str(i) for i in range(500)]), None),
        ("abs-tuple", lambda: (abs, tuple(range(-500_000, 500_000))), None, _HELD),
        ("upper", lambda: (str.upper, {f"name{i}": i for i in range(3_000)}.keys()), None, _HELD),
    ],
    "cpu": [
        ("10us", lambda: (f.steps, [200] * 20_000), None),
        ("1ms-few", lambda: (f.square_sum, [28_000] * 40), None, _QUICK),
        ("50ms", lambda: (f.steps, [1_000_000 + i for i in range(16)]), None),
        ("json", lambda: (f.json_round_trip, _records(5_000)), None),
        (
            "closure",
            lambda: _closure(3, [4_000] * 2_000),
            lambda: (functools.partial(f.plus_steps, 3), [4_000] * 2_000),
        ),
        ("ast", lambda: (f.count_nodes, [_source(20 + i % 20) for i in range(200)]), None, _HELD),
        ("re", lambda: (f.count_words, [_text(400, i % 9) for i in range(1_500)]), None, _HELD),
        ("30us-small", lambda: (f.collatz, [837_799] * 1_500), None, _HELD),
    ],
    "skewed": [
        ("light-heavy", lambda: (f.steps, [400] * 500 + [20_000] * 500), None, _QUICK),
        ("heavy-light", lambda: (f.steps, [20_000] * 500 + [400] * 500), None),
        ("growing", lambda: (f.steps, _growing(400)), None),
        ("heavy-tail", lambda: (f.steps, heavy_tailed(600)), None, _HELD),
        ("light-heavy-small", lambda: (f.steps, [100] * 2_000 + [60_000] * 25), None, _HELD),
    ],
    "giant": [
        ("last", lambda: (f.steps, one_giant(-1)), None, _QUICK),
        ("first", lambda: (f.steps, one_giant(0)), None),
        ("middle", lambda: (f.steps, one_giant(150)), None, _HELD),
    ],
    "waiting": [
        ("sleep-20ms", lambda: (f.nap, [0.02] * 50), None),
        ("sleep-1ms", lambda: (f.nap, [0.001] * 200), None, _QUICK),
        ("sleep-200ms-few", lambda: (f.nap, [0.2] * 6), None),
        ("pipe-5ms", lambda: (f.wait_for_pipe, [0.005] * 100), None, _HELD),
        ("event-mixed", lambda: (f.wait_for_event, [0.0005, 0.02, 0.003] * 25), None, _HELD),
    ],
    "http": [
        ("10ms", lambda: (f.fetch, _paths(80, 10)), None),
        ("2ms", lambda: (f.fetch, _paths(150, 2)), None, _QUICK),
        ("50ms-parse", lambda: (f.fetch_and_parse, _paths(20, 50)), None),
        ("0ms", lambda: (f.fetch, _paths(300, 0)), None, _HELD),
        ("25ms", lambda: (f.fetch, _paths(40, 25)), None, _HELD),
    ],
    "files": [
        ("hash", lambda: (f.hash_file, _files(2_000, 16_000)), None),
        ("write", lambda: (f.write_file, _new_files(1_500)), None, _QUICK),
        ("lines", lambda: (f.count_lines, _files(600, 30_000)), None, _HELD),
    ],
    "mixed": [
        ("half-half", lambda: (f.nap_and_steps, [(0.004, 80_000)] * 60), None, _QUICK),
        ("mostly-wait", lambda: (f.nap_and_steps, [(0.01, 10_000)] * 80), None),
        ("turns", lambda: (f.steps_and_naps, [(0.004, 40_000)] * 60), None, _HELD),
        ("program", lambda: (f.run_program, [str(i) for i in range(100)]), None, _HELD),
    ],
    "gil-free": [
        ("sha256", lambda: (f.sha256, buffers(300, 1 << 20)), None, _QUICK),
        ("bz2", lambda: (f.bzip, texts(12, 200_000)), None),
        ("zlib", lambda: (f.deflate, texts(200, 150_000)), None, _HELD),
        ("xz", lambda: (f.xz, texts(150, 100_000)), None, _HELD),
        ("fft", lambda: _numpy("spectrum", lambda _: range(120)), None),
    ],
    "blas": [
        ("matmul-64", lambda: _numpy("product", lambda a: a.matrices(3_000, 64)), None),
        ("matmul-500", lambda: _numpy("product", lambda a: a.matrices(20, 500)), None, _QUICK),
        ("svd", lambda: _numpy("singular_values", lambda a: a.matrices(200, 100)), None),
        ("elementwise", lambda: _numpy("elementwise", lambda _: range(30)), None),
        ("solve", lambda: _numpy("solve", lambda a: a.matrices(150, 200)), None, _HELD),
        ("bandwidth", lambda: _numpy("streaming_sum", _large_arrays), None, _HELD),
    ],
    "large-arguments": [
        ("lists", lambda: (f.square_items, [list(range(50_000))] * 120), None, _QUICK),
        ("dicts", lambda: (f.total_of_values, [{str(i): i for i in range(20_000)}] * 150), None),
        ("bytes", lambda: (f.census, buffers(20, 1 << 20)), None, _HELD),
        ("arrays", lambda: _numpy("sort_largest", _large_arrays), None, _HELD),
    ],
    "large-results": [
        ("lists", lambda: (f.squares, [30_000] * 150), None, _QUICK),
        ("bytes", lambda: (f.random_bytes, range(100)), None),
        ("dicts", lambda: (f.index, range(80)), None, _HELD),
        ("arrays", lambda: _numpy("noise", lambda _: range(60)), None),
    ],
    "first-call": [
        ("import", lambda: (f.with_lazy_import, [20_000] * 60), None, _QUICK),
        ("pattern", lambda: (f.with_lazy_pattern, [_text(15, i % 9) for i in range(600)]), None),
        ("table", lambda: (f.with_lazy_table, range(10_000, 12_000)), None, _HELD),
        ("numpy", lambda: (f.with_lazy_numpy, [100_000] * 80), None),
    ],
    "generators": [
        ("cpu", lambda: (f.steps, _generator([20_000] * 300)), None, _QUICK),
        ("trivial", lambda: (f.same, _generator(range(100_000))), None),
        ("waiting", lambda: (f.nap, _generator([0.005] * 100)), None),
        ("slow-source", lambda: (f.steps, f.slow_source(100, 0.002, 50_000)), None, _HELD),
        ("islice", lambda: (f.steps, itertools.islice(itertools.count(9_000), 500)), None, _HELD),
    ],
}

WORKLOADS: tuple[Workload, ...] = tuple(
    Workload(f"{kind}/{name}", kind, make, portable, **(marks[0] if marks else {}))
    for kind, rows in _TABLE.items()
    for name, make, portable, *marks in rows
)
BY_NAME: dict[str, Workload] = {workload.name: workload for workload in WORKLOADS}
KINDS: tuple[str, ...] = tuple(_TABLE)
