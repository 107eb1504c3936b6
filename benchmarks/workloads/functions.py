"""The functions that the workloads run: standard library only, importable by every worker."""

from __future__ import annotations

import ast
import bz2
import functools
import hashlib
import http.client
import json
import lzma
import os
import random
import re
import select
import subprocess
import threading
import time
import zlib
from collections.abc import Iterator

# -- computing while holding the GIL -----------------------------------------------------------------


def same(item: int) -> int:
    return item


def steps(count: int) -> int:
    """Pure Python work, about 0.06 µs a step."""
    total = 0
    for i in range(count):
        total = (total * 31 + i) & 0xFFFF
    return total


def plus_steps(offset: int, count: int) -> int:
    return offset + steps(count)


def square_sum(count: int) -> int:
    return sum(i * i for i in range(count))


def json_round_trip(record: dict[str, object]) -> int:
    return len(json.dumps(json.loads(json.dumps(record)), sort_keys=True))


def count_words(text: str) -> int:
    return len(re.findall(r"\b[a-m]+[aeiou]+\w*\b", text))


def count_nodes(source: str) -> int:
    return sum(1 for _ in ast.walk(ast.parse(source)))


def collatz(start: int) -> int:
    length = 0
    while start != 1:
        start = start // 2 if start % 2 == 0 else 3 * start + 1
        length += 1
    return length


# -- waiting -----------------------------------------------------------------------------------------


def nap(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


def wait_for_pipe(seconds: float) -> int:
    """Wait for a pipe into which nobody writes."""
    reader, writer = os.pipe()
    try:
        return len(select.select([reader], [], [], seconds)[0])
    finally:
        os.close(reader)
        os.close(writer)


def wait_for_event(seconds: float) -> bool:
    return threading.Event().wait(seconds)


def fetch(path: str) -> int:
    """One GET from the benchmark's own server; the number of bytes of the answer."""
    host, port = os.environ["BENCHMARK_SERVER"].split(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=30)
    try:
        connection.request("GET", path)
        return len(connection.getresponse().read())
    finally:
        connection.close()


def fetch_and_parse(path: str) -> int:
    return fetch(path) + steps(5_000)


# -- waiting and computing ---------------------------------------------------------------------------


def nap_and_steps(item: tuple[float, int]) -> int:
    seconds, count = item
    time.sleep(seconds)
    return steps(count)


def steps_and_naps(item: tuple[float, int]) -> int:
    """Turns between the two: four short waits, each after a quarter of the work."""
    seconds, count = item
    total = 0
    for _ in range(4):
        total += steps(count // 4)
        time.sleep(seconds / 4)
    return total


def run_program(argument: str) -> int:
    return subprocess.run(["true", argument], check=True).returncode


# -- files -------------------------------------------------------------------------------------------


def hash_file(path: str) -> str:
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def write_file(path: str) -> int:
    with open(path, "w", encoding="ascii") as file:
        return file.write(f"{os.path.basename(path)}\n" * 200)


def count_lines(path: str) -> int:
    with open(path, encoding="ascii") as file:
        return sum(1 for line in file if "7" in line)


# -- letting the GIL go ------------------------------------------------------------------------------


def sha256(buffer: bytes) -> str:
    return hashlib.sha256(buffer).hexdigest()


def deflate(buffer: bytes) -> int:
    return len(zlib.compress(buffer, 6))


def bzip(buffer: bytes) -> int:
    return len(bz2.compress(buffer, 9))


def xz(buffer: bytes) -> int:
    return len(lzma.compress(buffer, preset=1))


# -- large arguments, large results ------------------------------------------------------------------


def square_items(items: list[int]) -> int:
    return sum([item * item for item in items])


def total_of_values(table: dict[str, int]) -> int:
    return sum(len(key) * value for key, value in table.items())


def census(buffer: bytes) -> int:
    return sum(buffer.count(byte) * byte for byte in range(0, 256, 4))


def squares(count: int) -> list[int]:
    return [i * i for i in range(count)]


def random_bytes(seed: int) -> bytes:
    return random.Random(seed).randbytes(1_000_000)


def index(seed: int) -> dict[str, int]:
    return {f"key-{seed}-{i}": i for i in range(10_000)}


# -- a costly first call -----------------------------------------------------------------------------


def with_lazy_import(count: int) -> int:
    """The first call imports some 20 modules."""
    import asyncio  # noqa: F401
    import sqlite3  # noqa: F401
    import unittest  # noqa: F401
    import xml.dom.minidom  # noqa: F401

    return steps(count)


def with_lazy_numpy(count: int) -> float:
    """The first call imports NumPy."""
    import numpy

    values = numpy.sin(numpy.arange(count, dtype=numpy.float64))
    return round(float(numpy.sort(values)[: count // 2].sum()), 3)


@functools.cache
def _many_words() -> re.Pattern[str]:
    chance = random.Random(5)
    words = {"".join(chance.choices("abcdefghij", k=6)) for _ in range(2_500)}
    return re.compile("|".join(sorted(words)))


def with_lazy_pattern(text: str) -> int:
    """The first call compiles a large pattern."""
    return len(_many_words().findall(text))


@functools.cache
def _primes(limit: int) -> tuple[int, ...]:
    sieve = bytearray([1]) * limit
    sieve[:2] = b"\0\0"
    for i in range(2, int(limit**0.5) + 1):
        if sieve[i]:
            for multiple in range(i * i, limit, i):
                sieve[multiple] = 0
    return tuple(i for i in range(limit) if sieve[i])


def with_lazy_table(number: int) -> int:
    """The first call fills a table of primes; the others divide by them."""
    return sum(1 for prime in _primes(300_000)[:2_000] if number % prime == 0)


# -- sources of unknown length -----------------------------------------------------------------------


def slow_source(count: int, seconds: float, item: int) -> Iterator[int]:
    for _ in range(count):
        time.sleep(seconds)
        yield item
