"""Libraries used without an effect: they have to run in parallel."""

from __future__ import annotations

import csv
import datetime
import difflib
import hashlib
import html
import io
import json
import logging
import pathlib
import pickle
import random
import re
import sqlite3
import statistics
import string
import struct
import subprocess
import tempfile
import textwrap
import unicodedata
import urllib.parse
import xml.etree.ElementTree as ElementTree
import zlib
from contextlib import closing
from html.parser import HTMLParser

import numpy as np
import user_client
from case import BUFFER, Case, case, compute, nap, release

LOGGER = logging.getLogger("user.quiet")
TABLE = np.arange(3000.0).reshape(30, 100)
WEIGHTS = np.linspace(0.0, 1.0, 100)
TEMPLATE = string.Template("Dear $name, $amount")


@case("without effects", effect=False)
def json_there_and_back() -> Case:
    """Nothing is left behind: JSON is written and read."""

    def work(item: int) -> object:
        compute()
        return json.loads(json.dumps({"n": item, "l": [1, None, True]}, sort_keys=True))

    return Case(work, range(180))


@case("without effects", effect=False)
def json_with_a_hook() -> Case:
    """Nothing is left behind: the hook of a decoder makes values of values."""

    def work(item: int) -> object:
        compute()
        return json.loads(f'{{"a": [{item}.5]}}', object_hook=lambda d: sorted(d.items()))

    return Case(work, range(180))


@case("without effects", effect=False)
def log_records() -> Case:
    """Nothing is left behind but log records that nobody takes."""

    def work(item: int) -> int:
        LOGGER.debug("item %d begins", item)
        value = compute(item)
        LOGGER.debug("item %d ends", item)
        return value

    return Case(work, range(180))


@case("without effects", effect=False)
def csv_in_memory() -> Case:
    """Nothing is left behind: a table is written to and read from a text of the function."""

    def work(item: int) -> list[list[str]]:
        compute()
        text = io.StringIO()
        csv.writer(text).writerows([[item, "a,b"], [item + 1, 'q"']])
        text.seek(0)
        return list(csv.reader(text))

    return Case(work, range(180))


@case("without effects", effect=False)
def compression() -> Case:
    """Nothing is left behind: a compressor lives in the function."""
    block = BUFFER[:60_000]

    def work(item: int) -> int:
        compressor = zlib.compressobj(1)
        packed = compressor.compress(str(item).encode() + block) + compressor.flush()
        return zlib.crc32(zlib.decompress(packed) + release(item).encode())

    return Case(work, range(150))


@case("without effects", effect=False)
def digests() -> Case:
    """Nothing is left behind: a digest is updated in the function."""

    def work(item: int) -> str:
        digest = hashlib.blake2b(digest_size=8)
        digest.update(BUFFER)
        digest.update(str(item).encode())
        return digest.hexdigest()

    return Case(work, range(120))


@case("without effects", effect=False)
def xml_of_the_function() -> Case:
    """Nothing is left behind: a tree is read, changed and written in the function."""

    def work(item: int) -> bytes:
        compute()
        root = ElementTree.fromstring(f"<r><e n='{item}'/></r>")
        ElementTree.SubElement(root, "more").text = "x"
        root[0].set("seen", "yes")
        return ElementTree.tostring(root)

    return Case(work, range(180))


class _Text(HTMLParser):
    """Gathers the text of one page."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []

    def handle_data(self, data: str) -> None:
        self.parts.append(data)


@case("without effects", effect=False)
def parser_for_each_page() -> Case:
    """Nothing is left behind: each page has a parser of its own."""

    def work(item: int) -> str:
        compute()
        parser = _Text()
        parser.feed(f"<p>one <b>{item}</b></p>")
        parser.close()
        return "".join(parser.parts)

    return Case(work, range(180))


@case("without effects", effect=False)
def database_of_the_function() -> Case:
    """Nothing is left behind: a database in memory lives in the function."""

    def work(item: int) -> int:
        compute()
        with closing(sqlite3.connect(":memory:")) as connection:
            connection.execute("create table t (n integer)")
            connection.executemany("insert into t values (?)", [(item,), (item + 1,)])
            return connection.execute("select sum(n) from t").fetchone()[0]

    return Case(work, range(150))


@case("without effects", effect=False)
def files_that_are_read() -> Case:
    """Nothing is left behind: each item reads its file."""
    folder = pathlib.Path(tempfile.mkdtemp())
    for number in range(150):
        (folder / f"{number}.txt").write_text(f"line {number}\n" * 20)

    def work(path: pathlib.Path) -> int:
        compute()
        with open(path, encoding="utf-8") as file:
            return sum(len(line.split()[1]) for line in file)

    return Case(work, sorted(folder.iterdir()))


@case("without effects", effect=False)
def file_for_each_item() -> Case:
    """The loop leaves a file for each item, whoever wrote it: names and contents are the same."""
    folder = pathlib.Path(tempfile.mkdtemp())

    def work(item: int) -> str:
        value = compute(item)
        path = folder / f"{item}.txt"
        path.write_text(str(value))
        return path.name

    return Case(
        work,
        range(150),
        left=lambda: sorted((path.name, path.read_text()) for path in folder.iterdir()),
    )


@case("without effects", effect=False)
def temporary_folder() -> Case:
    """Nothing is left behind: a temporary folder ends with the block."""

    def work(item: int) -> int:
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "x.bin")
            path.write_bytes(struct.pack("<ii", item, compute(item)))
            return path.stat().st_size + item

    return Case(work, range(150))


@case("without effects", effect=False)
def connection_for_each_item() -> Case:
    """Nothing is left behind: each item opens and closes a connection to a server of its own."""
    port = user_client.start_server()

    def work(item: int) -> str:
        nap()
        with closing(user_client.Connection(port)) as connection:
            return connection.ask(f"item {item}")

    return Case(work, range(150))


@case("without effects", effect=False)
def generator_seeded_by_the_item() -> Case:
    """Nothing is left behind: each item has a random generator of its own."""

    def work(item: int) -> list[float]:
        compute()
        rng = random.Random(item)
        values = [rng.random() for _ in range(3)]
        rng.shuffle(values)
        return values

    return Case(work, range(180))


@case("without effects", effect=False)
def numpy_generator_seeded_by_the_item() -> Case:
    """Nothing is left behind: each item has a NumPy generator of its own."""

    def work(item: int) -> float:
        compute()
        return round(float(np.random.default_rng(item).normal(size=50).mean()), 9)

    return Case(work, range(180))


@case("without effects", effect=False)
def numpy_maths() -> Case:
    """Nothing is left behind: arrays of the module are read, new ones are made."""

    def work(item: int) -> float:
        row = TABLE[item % 30] * WEIGHTS
        for _ in range(60):
            row = np.sqrt(row * row + item)
        return round(float(row.sum()), 6)

    return Case(lambda item: (compute(), work(item))[1], range(180))


@case("without effects", effect=False)
def numpy_in_place_on_a_copy() -> Case:
    """Nothing is left behind: an array of the caller is copied, and the copy is changed in place."""
    base = np.arange(50.0)

    def work(item: int) -> list[float]:
        compute()
        values = base.copy()
        values *= item
        values[0] = -1
        np.add.at(values, [1, 1], 1.0)
        np.sqrt(np.abs(values), out=values)
        return values[:4].round(6).tolist()

    return Case(work, range(180), left=base.tolist)


@case("without effects", effect=False)
def numpy_error_state_of_the_function() -> Case:
    """Nothing is left behind: division by zero is allowed in a block of the function."""

    def work(item: int) -> str:
        compute()
        with np.errstate(divide="ignore", invalid="ignore"), np.printoptions(precision=3):
            return str(np.array([1.0, 0.0]) / (item % 3))

    return Case(work, range(180))


@case("without effects", effect=False)
def linear_algebra() -> Case:
    """Nothing is left behind: systems of equations are solved."""
    eye = np.eye(30)

    def work(item: int) -> float:
        compute()
        matrix = eye * (item + 1) + np.outer(np.arange(30), np.ones(30)) / 100
        return round(float(np.linalg.solve(matrix, np.ones(30)).sum()), 9)

    return Case(work, range(180))


@case("without effects", effect=False)
def text_work() -> Case:
    """Nothing is left behind: texts are wrapped, escaped, normalized and filled in."""

    def work(item: int) -> str:
        compute()
        text = TEMPLATE.substitute(name=f"é{item}", amount=f"{item:,}")
        wrapped = textwrap.fill(unicodedata.normalize("NFD", text), 12)
        return html.escape(wrapped.translate({ord("D"): "d"})).casefold()

    return Case(work, range(180))


@case("without effects", effect=False)
def addresses() -> Case:
    """Nothing is left behind: addresses are taken apart and put together."""

    def work(item: int) -> str:
        compute()
        parts = urllib.parse.urlsplit(f"http://host/{item}?q=a b&n={item}")
        query = urllib.parse.parse_qs(parts.query)
        return parts._replace(query=urllib.parse.urlencode(query, doseq=True)).geturl()

    return Case(work, range(180))


@case("without effects", effect=False)
def dates() -> Case:
    """Nothing is left behind: dates are added and written."""
    start = datetime.date(2020, 1, 31)

    def work(item: int) -> str:
        nap()
        day = start + datetime.timedelta(days=item * 17)
        return f"{day:%d.%m.%Y} {day.isocalendar().week}"

    return Case(work, range(150))


@case("without effects", effect=False)
def pickled_and_back() -> Case:
    """Nothing is left behind: values are pickled and unpickled in the function."""

    def work(item: int) -> object:
        compute()
        return pickle.loads(pickle.dumps({"n": item, "when": datetime.date(2020, 1, 2)}))

    return Case(work, range(180))


@case("without effects", effect=False)
def statistics_of_numbers() -> Case:
    """Nothing is left behind: means and deviations."""

    def work(item: int) -> tuple[float, float]:
        numbers = [(item * step) % 97 for step in range(1, 200)]
        return round(statistics.fmean(numbers), 6), round(statistics.stdev(numbers), 6)

    return Case(lambda item: (work(item), compute())[0], range(180))


@case("without effects", effect=False)
def closest_texts() -> Case:
    """Nothing is left behind: texts are compared with those of the caller."""
    known = ["apple", "banana", "cherry", "orange"]

    def work(item: int) -> list[str]:
        compute()
        return difflib.get_close_matches(["aple", "bananna", "chery"][item % 3], known, n=1)

    return Case(work, range(180))


@case("without effects", effect=False)
def child_process_for_each_item() -> Case:
    """Nothing is left behind: each item runs a command and reads its output."""

    def work(item: int) -> str:
        done = subprocess.run(["echo", str(item)], capture_output=True, text=True, check=True)
        return done.stdout.strip()

    return Case(work, range(120))


@case("without effects", effect=False)
def patterns_made_inside() -> Case:
    """Nothing is left behind but patterns that the library has compiled and kept."""

    def work(item: int) -> list[str]:
        compute()
        return re.findall(rf"{item % 7}\d", "0123456789" * 3)

    return Case(work, range(180))


@case("without effects", effect=False)
def buffers_of_the_function() -> Case:
    """Nothing is left behind: numbers are packed into a buffer of the function."""

    def work(item: int) -> bytes:
        compute()
        buffer = bytearray(16)
        struct.pack_into("<ii", buffer, 4, item, -item)
        view = memoryview(buffer)
        view[0] = 7
        view.release()
        return bytes(buffer)

    return Case(work, range(180))


@case("without effects", effect=False)
def formatting() -> Case:
    """Nothing is left behind: numbers and texts are formatted in many ways."""

    def work(item: int) -> str:
        compute()
        text = "{:>8}|{:<6.2f}|{!r}".format(item, item / 3, "x")
        return text + f"{item:#x}|{item:b}|" + f"{item:05d}" + string.capwords("a b")

    return Case(work, range(180))


@case("without effects", effect=False)
def printing_into_a_text_of_the_function() -> Case:
    """Nothing is left behind: `print` writes to a text that the function made."""

    def work(item: int) -> str:
        compute()
        text = io.StringIO()
        print("item", item, file=text)
        return text.getvalue()

    return Case(work, range(180))
