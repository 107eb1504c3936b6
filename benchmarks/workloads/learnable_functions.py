"""Functions of the workloads that are learned from: computing, waiting, files, programs."""

from __future__ import annotations

import base64
import bz2
import collections
import csv
import datetime
import decimal
import difflib
import fractions
import hashlib
import heapq
import io
import itertools
import lzma
import os
import pickle
import random
import sqlite3
import struct
import subprocess
import threading
import zlib
from typing import Any

from benchmarks.workloads import functions as f


def sort_words(words: list[str]) -> str:
    return sorted(words, key=lambda word: word[::-1])[0]


def add_fractions(count: int) -> int:
    return sum((fractions.Fraction(1, n) for n in range(1, count)), fractions.Fraction(0)).numerator


def decimal_root(digits: int) -> str:
    with decimal.localcontext() as context:
        context.prec = digits
        return str(decimal.Decimal(2).sqrt())[-5:]


def read_table(text: str) -> float:
    return sum(float(row[2]) for row in csv.reader(io.StringIO(text)))


def likeness(pair: tuple[str, str]) -> float:
    return difflib.SequenceMatcher(None, *pair).ratio()


def queens(size: int) -> int:
    def place(row: int, columns: int, left: int, right: int) -> int:
        if row == size:
            return 1
        free = ~(columns | left | right) & ((1 << size) - 1)
        found = 0
        while free:
            bit = free & -free
            free ^= bit
            found += place(row + 1, columns | bit, (left | bit) << 1, (right | bit) >> 1)
        return found

    return place(0, 0, 0, 0)


def escape_row(row: int) -> int:
    total = 0
    for column in range(60):
        z, c = 0j, complex(-2 + column / 20, -1 + (row % 40) / 20)
        while abs(z) < 2 and total % 997 != 996:
            z = z * z + c
            total += 1
            if total % 50 == 0:
                break
    return total


def edit_distance(pair: tuple[str, str]) -> int:
    one, other = pair
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        last, row[0] = row[0], i
        for j, b in enumerate(other, 1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (a != b))
    return row[-1]


def pack_numbers(count: int) -> int:
    pieces = [struct.pack("<idq", i, i / 3, i * i) for i in range(count)]
    return sum(struct.unpack("<idq", piece)[2] for piece in pieces)


def read_dates(count: int) -> float:
    day = datetime.datetime.strptime
    return sum(day(f"2026-0{1 + i % 9}-1{i % 9}", "%Y-%m-%d").timestamp() for i in range(count))


def pickled(record: Any) -> int:
    return len(pickle.dumps(pickle.loads(pickle.dumps(record))))


def shuffled(count: int) -> int:
    values = list(range(count))
    random.Random(count).shuffle(values)
    return values[0]


def sieve(limit: int) -> int:
    flags = bytearray([1]) * limit
    for i in range(2, int(limit**0.5) + 1):
        if flags[i]:
            flags[i * i :: i] = bytes(len(range(i * i, limit, i)))
    return sum(flags)


def count_of_words(text: str) -> int:
    return collections.Counter(text.split()).most_common(1)[0][1]


def encoded(buffer: bytes) -> int:
    return len(base64.b64decode(base64.b64encode(buffer)))


def large_power(exponent: int) -> int:
    return int(3**exponent).bit_length()


def by_heap(count: int) -> int:
    heap: list[int] = []
    for i in range(count):
        heapq.heappush(heap, (i * 7919) % 10007)
    return sum(heapq.heappop(heap) for _ in range(count))


# -- waiting, files, programs --------------------------------------------------------------------------


def wait_on_condition(seconds: float) -> bool:
    condition = threading.Condition()
    with condition:
        return condition.wait(seconds)


def sleeping_program(argument: str) -> int:
    return subprocess.run(["sleep", argument], check=True).returncode


def write_safely(path: str) -> int:
    with open(path, "wb") as file:
        file.write(b"0123456789" * 500)
        file.flush()
        os.fsync(file.fileno())
    return 5000


def look_around(path: str) -> int:
    folder = os.path.dirname(path)
    return sum(entry.stat().st_size for entry in itertools.islice(os.scandir(folder), 60))


def query(count: int) -> int:
    base = sqlite3.connect(":memory:")
    try:
        base.execute("create table t (a integer primary key, b text)")
        base.executemany("insert into t values (?, ?)", ((i, str(i * 7)) for i in range(count)))
        return int(base.execute("select count(*) from t where b like '%77%'").fetchone()[0])
    finally:
        base.close()


# -- letting the GIL go --------------------------------------------------------------------------------


def derived(rounds: int) -> str:
    return hashlib.pbkdf2_hmac("sha256", b"secret", b"salt", rounds).hex()


def inflate(buffer: bytes) -> int:
    return len(zlib.decompress(buffer))


def blake(buffer: bytes) -> str:
    return hashlib.blake2b(buffer).hexdigest()


def digest_and_steps(buffer: bytes) -> int:
    """Half of it leaves the GIL alone."""
    hashlib.sha256(buffer).digest()
    return f.steps(len(buffer) // 100)


def squeeze(buffer: bytes) -> int:
    return len(bz2.compress(buffer, 9))


def lzma_of(buffer: bytes) -> int:
    return len(lzma.compress(buffer, preset=0))
