"""Objects and registries of the standard library that change while items run."""

from __future__ import annotations

import abc
import argparse
import codecs
import configparser
import contextlib
import copyreg
import cProfile
import csv
import difflib
import functools
import graphlib
import hashlib
import io
import json
import logging
import mimetypes
import pickle
import re
import sched
import sqlite3
import string
import struct
import threading
import xml.etree.ElementTree as ElementTree
import zipfile
import zlib
from html.parser import HTMLParser
from typing import Any
from unittest import mock
from xml.parsers import expat

from case import Case, case, compute, nap, release


@case("library")
def stream_compressor() -> Case:
    """The results are blocks of one compressed stream, which must come in order."""
    compressor = zlib.compressobj()

    def work(item: int) -> int:
        release(item)
        block = compressor.compress(f"line {item} ".encode() * 50)
        return zlib.crc32(block + compressor.flush(zlib.Z_SYNC_FLUSH))

    return Case(work, range(150), left=lambda: zlib.crc32(compressor.flush()))


@case("library")
def incremental_decoder() -> Case:
    """The results are texts by a decoder that keeps halves of letters between items."""
    data = ("añb€" * 150).encode()
    pieces = [data[at : at + 8] for at in range(0, len(data), 8)][:150]
    decoder = codecs.getincrementaldecoder("utf-8")()

    def work(piece: bytes) -> str:
        compute()
        return decoder.decode(piece)

    return Case(work, pieces, left=lambda: decoder.getstate()[0])


@case("library")
def running_hash() -> Case:
    """The results are digests of all items so far."""
    digest = hashlib.sha256()

    def work(item: int) -> str:
        compute()
        digest.update(f"{item};".encode())
        return digest.hexdigest()[:8]

    return Case(work, range(150), left=digest.hexdigest)


@case("library")
def pull_parser() -> Case:
    """The results are elements that one parser completes, fed with a piece by each item."""
    parser = ElementTree.XMLPullParser(["end"])
    parser.feed("<all>")

    def work(item: int) -> list[str]:
        compute()
        parser.feed(f"<row n='{item}'>" if item % 2 == 0 else "</row>")
        return [element.get("n", "") for _, element in parser.read_events()]

    return Case(work, range(150))


@case("library")
def parser_with_callbacks() -> Case:
    """The loop leaves names of elements, noted by a callback of a parser made in the function."""
    names: list[str] = []

    def start(name: str, attributes: dict[str, str]) -> None:
        names.append(name)

    def work(item: int) -> int:
        parser = expat.ParserCreate()
        parser.StartElementHandler = start
        compute()
        return parser.Parse(f"<a><b{item}/></a>", True)

    return Case(work, range(150), left=lambda: names)


@case("library")
def rows_of_a_csv_writer() -> Case:
    """The loop leaves a row for each item in the text behind a CSV writer."""
    text = io.StringIO()
    writer = csv.writer(text)

    def work(item: int) -> int:
        value = compute(item)
        return writer.writerow([item, value])

    return Case(work, range(150), left=text.getvalue)


@case("library")
def rows_of_a_csv_reader() -> Case:
    """The results are the next rows of a CSV reader."""
    reader = csv.reader(io.StringIO("".join(f"{n},name {n}\n" for n in range(200))))

    def work(item: int) -> list[str]:
        compute()
        return [str(item), *next(reader)]

    return Case(work, range(150), left=lambda: reader.line_num)


@case("library")
def cursor_of_a_query() -> Case:
    """The results are the next rows of a query that the caller has begun."""
    connection = sqlite3.connect(":memory:", check_same_thread=False)
    connection.execute("create table t (n integer)")
    connection.executemany("insert into t values (?)", [(n * n,) for n in range(200)])
    cursor = connection.execute("select n from t order by n")

    def work(item: int) -> int:
        compute()
        return cursor.fetchone()[0] - item

    return Case(work, range(150), left=cursor.fetchone)


@case("library")
def calls_of_a_mock() -> Case:
    """The loop leaves the calls of a mock in the place of a client."""
    client = mock.Mock()
    client.send.side_effect = lambda item: f"sent {item}"

    def work(item: int) -> str:
        compute()
        return client.send(item)

    return Case(
        work,
        range(150),
        left=lambda: (client.send.call_count, [call.args for call in client.send.call_args_list]),
    )


@case("library")
def answers_of_a_mock_in_turn() -> Case:
    """The results are answers that a mock gives in turn."""
    fetch = mock.MagicMock(side_effect=[f"answer {number}" for number in range(200)])

    def work(item: int) -> str:
        nap()
        return fetch(item)

    return Case(work, range(150), left=lambda: fetch.call_count)


@case("library")
def events_for_later() -> Case:
    """The loop leaves events in a scheduler that the caller runs later."""
    plan = sched.scheduler(lambda: 0.0, lambda delay: None)

    def work(item: int) -> int:
        value = compute(item)
        plan.enterabs(item % 10, 1, print, (item,))
        return value

    return Case(
        work, range(150), left=lambda: [(event.time, event.argument) for event in plan.queue]
    )


@case("library")
def callback_of_a_substitution() -> Case:
    """The results number every match over all items, by the callback of a substitution."""
    state = {"number": 0}

    def number(match: re.Match[str]) -> str:
        state["number"] += 1
        return f"[{state['number']}]"

    pattern = re.compile(r"\d")

    def work(item: int) -> str:
        compute()
        return pattern.sub(number, f"a{item % 10} b{item % 7}")

    return Case(work, range(150), left=lambda: state)


@case("library")
def hook_of_a_json_decoder() -> Case:
    """The loop leaves the keys that the hook of a decoder has seen."""
    keys: set[str] = set()

    def hook(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys.update(key for key, _ in pairs)
        return dict(pairs)

    decoder = json.JSONDecoder(object_pairs_hook=hook)

    def work(item: int) -> dict[str, Any]:
        compute()
        return decoder.decode(f'{{"k{item}": {{"inner": {item}}}}}')

    return Case(work, range(150), left=lambda: sorted(keys))


@case("library")
def type_of_files_added() -> Case:
    """The loop leaves types of files in the table of the process."""
    mimetypes.init()

    def work(item: int) -> str | None:
        compute()
        mimetypes.add_type(f"user/kind{item}", f".user{item}")
        return mimetypes.guess_type(f"file.user{item}")[0]

    return Case(
        work,
        range(150),
        left=lambda: [mimetypes.guess_type(f"x.user{number}")[0] for number in range(150)],
    )


class _Opaque:
    def __init__(self, number: int) -> None:
        self.number = number


def _reduced(opaque: _Opaque) -> tuple[type, tuple[int]]:
    return _Opaque, (opaque.number + 1000,)


@case("library")
def reducer_registered() -> Case:
    """The loop leaves a reducer for a class, which an item in the middle has registered."""
    copyreg.dispatch_table.pop(_Opaque, None)

    def work(item: int) -> int:
        compute()
        if item == 100:
            copyreg.pickle(_Opaque, _reduced)
        return pickle.loads(pickle.dumps(_Opaque(item))).number

    return Case(work, range(150), left=lambda: _Opaque in copyreg.dispatch_table)


@case("library")
def handler_of_decoding_errors() -> Case:
    """The loop leaves the places of bad bytes, noted by an error handler of the codecs."""
    bad: list[int] = []

    def replace(error: UnicodeError) -> tuple[str, int]:
        assert isinstance(error, UnicodeDecodeError)
        bad.append(error.object[error.start])
        return "?", error.end

    codecs.register_error("user-replace", replace)

    def work(item: int) -> str:
        compute()
        return bytes([65, 128 + item % 100]).decode("ascii", "user-replace")

    return Case(work, range(150), left=lambda: bad)


@case("library")
def filter_that_counts_records() -> Case:
    """The loop leaves a count in a filter of a logger that lets nothing through."""

    class Count(logging.Filter):
        passed = 0

        def filter(self, record: logging.LogRecord) -> bool:
            self.passed += 1
            return False

    count = Count()
    logger = logging.getLogger("user.counted")
    logger.setLevel(logging.INFO)
    logger.addFilter(count)

    def work(item: int) -> int:
        value = compute(item)
        logger.info("item %d", item)
        return value

    return Case(work, range(150), left=lambda: count.passed)


@case("library")
def level_of_a_logger_set() -> Case:
    """The loop leaves the level of a logger as an item has set it."""
    logger = logging.getLogger("user.level")
    logger.setLevel(logging.ERROR)

    def work(item: int) -> bool:
        compute()
        if item == 80:
            logger.setLevel(logging.DEBUG)
        return logger.isEnabledFor(logging.DEBUG)

    return Case(work, range(150), left=lambda: logger.level)


@case("library")
def matcher_with_two_texts() -> Case:
    """The results are ratios by one matcher, whose texts each item sets while others wait."""
    matcher = difflib.SequenceMatcher()
    matcher.set_seq2("the text that stays")

    def work(item: int) -> float:
        matcher.set_seq1(f"the text {item * 977} stays")
        nap()
        return round(matcher.ratio(), 6)

    return Case(work, range(120), left=lambda: matcher.a)


@case("library")
def packed_into_a_buffer() -> Case:
    """The loop leaves numbers that `struct` has packed into a buffer of the caller."""
    buffer = bytearray(4 * 150)
    form = struct.Struct("<i")

    def work(item: int) -> int:
        value = compute(item)
        form.pack_into(buffer, 4 * item, value)
        return value

    return Case(work, range(150), left=lambda: zlib.crc32(buffer))


class _Links(HTMLParser):
    """Gathers the targets of links."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str | None] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.links.append(dict(attrs).get("href"))


@case("library")
def parser_of_pages() -> Case:
    """The loop leaves the links of all pages in one parser, which calls a method of its subclass."""
    parser = _Links()

    def work(item: int) -> int:
        compute()
        parser.feed(f"<p><a href='/{item}'>x</a></p>")
        return item

    return Case(work, range(150), left=lambda: parser.links)


@case("library")
def options_of_a_configuration() -> Case:
    """The loop leaves options in sections of a configuration."""
    configuration = configparser.ConfigParser()

    def work(item: int) -> str:
        compute()
        name = f"part {item % 5}"
        if not configuration.has_section(name):
            configuration.add_section(name)
        configuration.set(name, f"item{item}", str(item * item))
        return name

    def left() -> dict[str, list[tuple[str, str]]]:
        return {name: configuration.items(name) for name in configuration.sections()}

    return Case(work, range(150), left=left)


@case("library")
def words_of_a_command_line() -> Case:
    """The loop leaves all values in one namespace, which a parser of commands appends to."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--add", action="append", type=int)
    space = argparse.Namespace(add=[])

    def work(item: int) -> int:
        compute()
        return parser.parse_args(["--add", str(item)], space).add[-1]

    return Case(work, range(150), left=lambda: space.add)


@case("library")
def members_of_an_archive() -> Case:
    """The loop leaves a member for each item in an archive."""
    buffer = io.BytesIO()
    archive = zipfile.ZipFile(buffer, "w")

    def work(item: int) -> str:
        text = release(item)
        archive.writestr(f"{item}.txt", text)
        return text

    return Case(work, range(150), left=lambda: archive.namelist())


@case("library")
def position_in_a_text() -> Case:
    """The results are the next four letters of a text in memory."""
    text = io.StringIO("abcdefghij" * 100)

    def work(item: int) -> str:
        compute()
        return f"{item} {text.read(4)}"

    return Case(work, range(150), left=text.tell)


@case("library")
def pickler_with_a_memory() -> Case:
    """The results are lengths by a pickler that remembers what it has written before."""
    buffer = io.BytesIO()
    pickler = pickle.Pickler(buffer)
    shared = [f"long text number {number}" for number in range(20)]

    def work(item: int) -> int:
        compute()
        before = buffer.tell()
        pickler.dump(shared[: item % 20])
        return buffer.tell() - before

    return Case(work, range(150), left=buffer.tell)


@case("library")
def profile_of_the_items() -> Case:
    """The loop leaves the number of calls in a profile."""
    profile = cProfile.Profile()

    def inner(item: int) -> int:
        return item + 1

    def work(item: int) -> int:
        compute()
        return profile.runcall(inner, item)

    def left() -> list[int]:
        profile.create_stats()
        return [
            counts[0] for (_, _, name), counts in sorted(profile.stats.items()) if name == "inner"
        ]

    return Case(work, range(150), left=left)


@case("library")
def tickets_of_a_semaphore() -> Case:
    """The results say yes for a hundred items: a semaphore has no more tickets."""
    tickets = threading.Semaphore(100)

    def work(item: int) -> bool:
        compute()
        return tickets.acquire(blocking=False)

    return Case(work, range(150), left=lambda: tickets.acquire(blocking=False))


@case("library")
def event_set_by_an_item() -> Case:
    """The loop leaves an event set, which items before the middle have not seen set."""
    late = threading.Event()

    def work(item: int) -> bool:
        nap()
        if item == 75:
            late.set()
        return late.is_set()

    return Case(work, range(150), left=late.is_set)


@case("library")
def stack_of_open_blocks() -> Case:
    """The loop leaves blocks on a shared exit stack, which end in reverse order."""
    closed: list[int] = []
    stack = contextlib.ExitStack()

    @contextlib.contextmanager
    def block(item: int) -> Any:
        yield item
        closed.append(item)

    def work(item: int) -> int:
        compute()
        return stack.enter_context(block(item))

    def left() -> list[int]:
        stack.close()
        return closed

    return Case(work, range(150), left=left)


@case("library")
def implementation_registered_late() -> Case:
    """The loop leaves implementations in a single-dispatch function."""

    @functools.singledispatch
    def show(value: object) -> str:
        return "object"

    kinds = [type(f"Kind{number}", (), {}) for number in range(15)]

    def work(item: int) -> str:
        compute()
        kind = kinds[item % 15]
        if item < 15:
            show.register(kind, lambda value: f"kind {item}")
        return show(kind())

    return Case(work, range(150), left=lambda: len(show.registry))


@case("library")
def virtual_subclasses() -> Case:
    """The loop leaves classes registered with an abstract one."""

    class Shape(abc.ABC):  # noqa: B024
        """What can be drawn."""

    kinds = [type(f"Kind{number}", (), {}) for number in range(150)]

    def work(item: int) -> bool:
        compute()
        if item % 3 == 0:
            Shape.register(kinds[item])
        return issubclass(kinds[item - item % 3], Shape)

    return Case(work, range(150), left=lambda: [issubclass(kind, Shape) for kind in kinds])


@case("library")
def children_of_a_tree() -> Case:
    """The loop leaves a tree with a child for each item."""
    root = ElementTree.Element("all")

    def work(item: int) -> str:
        compute()
        ElementTree.SubElement(root, "row", n=str(item)).text = "x"
        return root.tag

    return Case(work, range(150), left=lambda: ElementTree.tostring(root))


@case("library")
def order_of_dependencies() -> Case:
    """The loop leaves a sorter of dependencies at its end: each item takes and finishes what is ready."""
    sorter = graphlib.TopologicalSorter({number: [number - 1] for number in range(1, 150)})
    sorter.prepare()

    def work(item: int) -> tuple[int, ...]:
        compute()
        ready = sorter.get_ready()
        sorter.done(*ready)
        return ready

    return Case(work, range(150), left=sorter.is_active)


@case("library")
def formatter_that_counts_its_fields() -> Case:
    """The loop leaves the fields that a subclass of a formatter was asked for."""

    class Fields(string.Formatter):
        def __init__(self) -> None:
            self.asked: list[str] = []

        def get_value(self, key: int | str, args: Any, kwargs: Any) -> Any:
            self.asked.append(str(key))
            return kwargs.get(key, "?")

    formatter = Fields()

    def work(item: int) -> str:
        compute()
        return formatter.format("{name}-{n" + str(item % 4) + "}", name=item)

    return Case(work, range(150), left=lambda: formatter.asked)


@case("library")
def function_of_a_database() -> Case:
    """The loop leaves what a function of the caller was asked by a database made for each item."""
    asked: list[int] = []

    def rate(value: int) -> int:
        asked.append(value)
        return value * 2

    def work(item: int) -> int:
        compute()
        with contextlib.closing(sqlite3.connect(":memory:")) as connection:
            connection.create_function("rate", 1, rate)
            return connection.execute("select rate(?)", (item,)).fetchone()[0]

    return Case(work, range(150), left=lambda: asked)
