"""The standard library as programs use it; written before the rules were looked at."""

from __future__ import annotations

import abc
import argparse
import array
import ast
import asyncio
import bisect
import calendar
import codecs
import collections
import configparser
import contextlib
import copyreg
import csv
import ctypes
import dbm.dumb
import email.message
import functools
import graphlib
import gzip
import hashlib
import heapq
import hmac
import http.cookies
import io
import itertools
import json
import logging
import logging.handlers
import mimetypes
import mmap
import operator
import os
import pickle
import queue
import random
import re
import sched
import shelve
import shlex
import sqlite3
import string
import struct
import tarfile
import tempfile
import types
import unittest.mock
import xml.etree.ElementTree
import zipfile
import zlib
from typing import Any

from case import Case, case, toil

N = 70


@case("library")
def heldout_dict_writer_by_partial() -> Case:
    """Rows go through a partial of a writer's method."""
    out = io.StringIO()
    writer = csv.DictWriter(out, ["item", "total"])
    write = functools.partial(writer.writerow)

    def work(item: int) -> int:
        total = toil(item)
        write({"item": item, "total": total})
        return total

    return Case(work, range(N), left=out.getvalue)


@case("library")
def heldout_reader_of_rows_is_shared() -> Case:
    """Each item takes the next row of one reader."""
    rows = csv.reader(io.StringIO("\n".join(f"{number},x" for number in range(N + 5))))

    def work(item: int) -> str:
        toil()
        return next(rows)[0]

    return Case(work, range(N), left=lambda: rows.line_num)


@case("library")
def heldout_rows_into_sqlite_memory() -> Case:
    """Rows go to a database in memory that other threads may use."""
    base = sqlite3.connect(":memory:", check_same_thread=False)
    base.execute("create table seen (number integer primary key, item integer)")

    def work(item: int) -> int | None:
        toil()
        with base:
            return base.execute("insert into seen (item) values (?)", (item,)).lastrowid

    return Case(work, range(N), left=lambda: base.execute("select * from seen").fetchall())


@case("library")
def heldout_rows_into_sqlite_file() -> Case:
    """A function opens its database anew each time, and numbers follow the order."""
    path = os.path.join(tempfile.mkdtemp(), "base.sqlite")
    with contextlib.closing(sqlite3.connect(path)) as first:
        first.execute("create table seen (number integer primary key, item integer)")

    def work(item: int) -> int | None:
        toil()
        with contextlib.closing(sqlite3.connect(path, timeout=20)) as base, base:
            return base.execute("insert into seen (item) values (?)", (item,)).lastrowid

    def left() -> Any:
        with contextlib.closing(sqlite3.connect(path)) as base:
            return base.execute("select * from seen").fetchall()

    return Case(work, range(N), left)


@case("library")
def heldout_shelf() -> Case:
    """A shelf counts by key."""
    shelf = shelve.open(os.path.join(tempfile.mkdtemp(), "shelf"))  # noqa: SIM115

    def work(item: int) -> int:
        key = str(item % 5)
        shelf[key] = [*shelf.get(key, []), item]
        return toil(item)

    return Case(work, range(N), left=lambda: sorted(shelf.items()))


@case("library")
def heldout_dumb_database() -> Case:
    """A database of bytes keeps the last item of each key."""
    base = dbm.dumb.open(os.path.join(tempfile.mkdtemp(), "base"), "c")  # noqa: SIM115

    def work(item: int) -> int:
        base[str(item % 7)] = str(item)
        return toil(item)

    return Case(work, range(N), left=lambda: sorted((key, base[key]) for key in base.keys()))  # noqa: SIM118


@case("library")
def heldout_configuration_is_set() -> Case:
    """A section of a configuration is written."""
    parser = configparser.ConfigParser()
    parser.add_section("run")

    def work(item: int) -> int:
        if item % 10 == 0:
            parser.set("run", "last", str(item))
        return toil(item)

    return Case(work, range(N), left=lambda: parser.items("run"))


@case("library")
def heldout_handler_of_the_users_own() -> Case:
    """A handler keeps what is logged."""

    class Keep(logging.Handler):
        def __init__(self) -> None:
            super().__init__()
            self.kept: list[str] = []

        def emit(self, record: logging.LogRecord) -> None:
            self.kept.append(record.getMessage())

    keep = Keep()
    logger = logging.Logger("heldout.own")
    logger.addHandler(keep)

    def work(item: int) -> int:
        if item % 9 == 4:
            logger.warning("item %d", item)
        return toil(item)

    return Case(work, range(N), left=lambda: keep.kept)


@case("library")
def heldout_memory_handler() -> Case:
    """A handler of the library keeps records until there are enough."""
    out = io.StringIO()
    handler = logging.handlers.MemoryHandler(16, target=logging.StreamHandler(out))
    logger = logging.getLogger("heldout.memory")
    logger.propagate = False
    logger.handlers[:] = [handler]

    def work(item: int) -> int:
        logger.error("%d", item)
        return toil(item)

    return Case(work, range(N), left=lambda: (out.getvalue(), len(handler.buffer)))


@case("library")
def heldout_filter_that_counts() -> Case:
    """A filter of a logger numbers the records."""
    numbers = itertools.count(1)
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(logging.Formatter("%(number)d %(message)s"))

    def number(record: logging.LogRecord) -> bool:
        record.number = next(numbers)
        return True

    logger = logging.Logger("heldout.filter")
    logger.addFilter(number)
    logger.addHandler(handler)

    def work(item: int) -> int:
        logger.warning("%d", item)
        return toil(item)

    return Case(work, range(N), left=out.getvalue)


@case("library")
def heldout_adapter_whose_extra_grows() -> Case:
    """An adapter carries what was seen last."""
    adapter = logging.LoggerAdapter(logging.getLogger("heldout.adapter"), {"last": None})

    def work(item: int) -> object:
        before = adapter.extra["last"]
        adapter.extra["last"] = item
        toil()
        return before

    return Case(work, range(N), left=lambda: adapter.extra)


@case("library")
def heldout_level_of_a_logger() -> Case:
    """One item turns on debugging for the rest."""
    logger = logging.getLogger("heldout.level")
    logger.setLevel(logging.WARNING)

    def work(item: int) -> bool:
        toil()
        if item == 33:
            logger.setLevel(logging.DEBUG)
        return logger.isEnabledFor(logging.DEBUG)

    return Case(work, range(N), left=lambda: logger.level)


@case("library")
def heldout_running_checksum() -> Case:
    """A checksum runs over all items."""
    state = types.SimpleNamespace(crc=0)

    def work(item: int) -> int:
        state.crc = zlib.crc32(str(toil(item)).encode(), state.crc)
        return state.crc

    return Case(work, range(N), left=lambda: state.crc)


@case("library")
def heldout_hash_over_all() -> Case:
    """A digest takes all items in, under a short name."""
    feed = hashlib.blake2b(digest_size=8)
    take = feed.update

    def work(item: int) -> int:
        total = toil(item)
        take(total.to_bytes(8, "little"))
        return total

    return Case(work, range(N), left=feed.hexdigest)


@case("library")
def heldout_hmac_in_an_object() -> Case:
    """A signature is updated through an attribute of an attribute."""

    class Signer:
        def __init__(self) -> None:
            self.inner = types.SimpleNamespace(mac=hmac.new(b"key", digestmod="sha256"))

        def sign(self, item: int) -> int:
            self.inner.mac.update(bytes([item % 251]))
            return toil(item)

    signer = Signer()
    return Case(signer.sign, range(N), left=lambda: signer.inner.mac.hexdigest())


@case("library")
def heldout_stream_of_zlib() -> Case:
    """A compressor keeps what came before."""
    packer = zlib.compressobj()
    parts: dict[int, bytes] = {}

    def work(item: int) -> int:
        toil()
        return len(packer.compress(str(item).encode() * 50) + packer.flush(zlib.Z_SYNC_FLUSH))

    return Case(work, range(N), left=lambda: (packer.flush().hex(), parts))


@case("library")
def heldout_queue_filled() -> Case:
    """Items go to a queue that is read later."""
    jobs: queue.SimpleQueue[int] = queue.SimpleQueue()

    def work(item: int) -> int:
        total = toil(item)
        if total % 3:
            jobs.put(item)
        return total

    return Case(work, range(N), left=lambda: [jobs.get() for _ in range(jobs.qsize())])


@case("library")
def heldout_stack_emptied() -> Case:
    """Each item takes a token from a stack."""
    tokens: queue.LifoQueue[int] = queue.LifoQueue()
    for number in range(N):
        tokens.put(number)

    def work(item: int) -> int:
        token = tokens.get_nowait()
        toil()
        return token

    return Case(work, range(N), left=tokens.qsize)


@case("library")
def heldout_best_ten() -> Case:
    """The ten best are kept in a heap, by a name of the user's."""
    best = [-1] * 10
    keep = heapq.heappushpop

    def work(item: int) -> int:
        return keep(best, toil(item) % 97)

    return Case(work, range(N), left=lambda: sorted(best))


@case("library")
def heldout_sorted_pairs() -> Case:
    """Pairs are put where they belong by key."""
    ranks: list[tuple[int, int]] = []

    def work(item: int) -> int:
        pair = (toil(item) % 89, item)
        bisect.insort_left(ranks, pair, key=operator.itemgetter(0))
        return len(ranks)

    return Case(work, range(N), left=lambda: ranks)


@case("library")
def heldout_groups_that_reading_makes() -> Case:
    """Reading a missing group makes it."""
    groups: collections.defaultdict[int, list[int]] = collections.defaultdict(list)

    def work(item: int) -> int:
        toil()
        return len(groups[item // 7]) + len(groups)

    return Case(work, range(N), left=lambda: list(groups))


@case("library")
def heldout_recent_by_ordered_dict() -> Case:
    """What was used last goes to the end."""
    recent = collections.OrderedDict((number, 0) for number in range(9))

    def work(item: int) -> int:
        recent.move_to_end(item % 9)
        toil()
        return next(iter(recent))

    return Case(work, range(N), left=lambda: list(recent))


@case("library")
def heldout_chain_of_maps() -> Case:
    """A chain of maps writes to its first."""
    defaults, own = {"a": 1}, {}
    merged = collections.ChainMap(own, defaults)

    def work(item: int) -> int:
        merged[f"k{item % 4}"] = item
        return toil(item) + len(merged)

    return Case(work, range(N), left=lambda: sorted(own.items()))


@case("library")
def heldout_window_by_map() -> Case:
    """A window of the last values is filled by a map."""
    window: collections.deque[int] = collections.deque(maxlen=6)

    def work(item: int) -> int:
        collections.deque(map(window.append, (item, -item)), maxlen=0)
        toil()
        return sum(window)

    return Case(work, range(N), left=lambda: list(window))


@case("library")
def heldout_cache_with_an_effect_inside() -> Case:
    """A cached function numbers what it sees for the first time."""
    order: list[int] = []

    @functools.cache
    def place(key: int) -> int:
        order.append(key)
        return len(order)

    def work(item: int) -> int:
        toil()
        return place(item * 7 % 31)

    return Case(work, range(N), left=lambda: order)


@case("library")
def heldout_dispatch_registered_late() -> Case:
    """An implementation is registered while the run is under way."""

    @functools.singledispatch
    def show(value: Any) -> str:
        return "any"

    def work(item: int) -> str:
        toil()
        if item == 25:
            show.register(int, lambda value: "number")
        return show(item)

    return Case(work, range(N), left=lambda: len(show.registry))


@case("library")
def heldout_scheduled_events() -> Case:
    """Events are entered into a scheduler, and run later."""
    ran: list[int] = []
    plan = sched.scheduler(lambda: 0.0, lambda seconds: None)

    def work(item: int) -> int:
        plan.enter(0, item % 3, ran.append, (item,))
        return toil(item)

    def left() -> list[int]:
        plan.run(blocking=False)
        return ran

    return Case(work, range(N), left)


@case("library")
def heldout_graph_of_tasks() -> Case:
    """Nodes are added to a sorter of dependences."""
    graph: graphlib.TopologicalSorter[int] = graphlib.TopologicalSorter()

    def work(item: int) -> int:
        graph.add(item, item // 2) if item else None
        return toil(item)

    return Case(work, range(N), left=lambda: list(graph.static_order()))


@case("library")
def heldout_tree_of_elements() -> Case:
    """Elements are put below one root."""
    root = xml.etree.ElementTree.Element("items")

    def work(item: int) -> int:
        xml.etree.ElementTree.SubElement(root, "item", number=str(item))
        return toil(item)

    return Case(work, range(N), left=lambda: xml.etree.ElementTree.tostring(root))


@case("library")
def heldout_headers_of_a_message() -> Case:
    """Headers are added to a message."""
    message = email.message.EmailMessage()

    def work(item: int) -> int:
        message.add_header("X-Item", str(item))
        return toil(item)

    return Case(work, range(N), left=message.as_string)


@case("library")
def heldout_cookies() -> Case:
    """Cookies are set in a jar."""
    jar = http.cookies.SimpleCookie()

    def work(item: int) -> int:
        jar[f"c{item % 6}"] = str(item)
        return toil(item)

    return Case(work, range(N), left=jar.output)


@case("library")
def heldout_types_of_files() -> Case:
    """A type of file becomes known at some item."""

    def work(item: int) -> str | None:
        toil()
        if item == 30:
            mimetypes.add_type("text/heldout", ".hld")
        return mimetypes.guess_type("x.hld")[0]

    return Case(work, range(N), left=lambda: mimetypes.guess_type("x.hld")[0])


@case("library")
def heldout_decoder_that_waits() -> Case:
    """Bytes come cut into halves, and one decoder joins them."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    pieces = ["é".encode()[number % 2 :][:1] for number in range(N)]

    def work(piece: bytes) -> str:
        toil()
        return decoder.decode(piece)

    return Case(work, pieces, left=decoder.getstate)


@case("library")
def heldout_pickles_with_a_memo() -> Case:
    """One pickler writes what it has not yet written."""
    out = io.BytesIO()
    pickler = pickle.Pickler(out)
    names = [f"name{number % 8}" for number in range(N)]

    def work(name: str) -> int:
        toil()
        pickler.dump(name)
        return out.tell()

    return Case(work, names, left=lambda: zlib.crc32(out.getvalue()))


@case("library")
def heldout_default_of_an_encoder() -> Case:
    """An encoder notes what it did not know."""
    unknown: list[str] = []

    class Encoder(json.JSONEncoder):
        def default(self, value: Any) -> str:
            unknown.append(type(value).__name__)
            return repr(value)

    def work(item: int) -> str:
        toil()
        return json.dumps({"item": item, "odd": 1j if item % 8 == 7 else 1}, cls=Encoder)

    return Case(work, range(N), left=lambda: unknown)


@case("library")
def heldout_numbers_in_a_text() -> Case:
    """Marks in texts are numbered through all texts."""
    numbers = {"next": 1}

    def number(match: re.Match[str]) -> str:
        numbers["next"] += 1
        return f"[{numbers['next']}]"

    pattern = re.compile(r"\*")

    def work(text: str) -> str:
        toil()
        return pattern.sub(number, text)

    return Case(work, [f"{item} * and *" for item in range(N)], left=lambda: numbers)


@case("library")
def heldout_formatter_of_the_users_own() -> Case:
    """A formatter of strings notes the fields it was asked for."""

    class Noting(string.Formatter):
        def __init__(self) -> None:
            self.fields: list[Any] = []

        def get_value(self, key: Any, args: Any, kwargs: Any) -> Any:
            self.fields.append(key)
            return super().get_value(key, args, kwargs)

    formatter = Noting()

    def work(item: int) -> str:
        toil()
        return formatter.format("{0} {name}", item, name="x" * (item % 4))

    return Case(work, range(N), left=lambda: len(formatter.fields))


@case("library")
def heldout_comparisons_counted() -> Case:
    """A comparison of a sort counts how often it is asked."""
    count = [0]

    def compare(one: int, other: int) -> int:
        count[0] += 1
        return one - other

    key = functools.cmp_to_key(compare)

    def work(item: int) -> list[int]:
        toil()
        return sorted([item % 7, item % 5, item % 3], key=key)

    return Case(work, range(N), left=lambda: count)


@case("library")
def heldout_method_called_by_name() -> Case:
    """An operator calls a method that is named in a text."""
    log: list[int] = []

    def work(item: int) -> int:
        operator.methodcaller("extend", [item, item])(log)
        return toil(item)

    return Case(work, range(N), left=lambda: log)


@case("library")
def heldout_operator_in_place() -> Case:
    """An operator adds in place."""
    totals = [0] * 4

    def work(item: int) -> int:
        operator.setitem(totals, item % 4, operator.getitem(totals, item % 4) + item)
        return toil(item)

    return Case(work, range(N), left=lambda: totals)


@case("library")
def heldout_archive_of_parts() -> Case:
    """Members are written to one archive."""
    out = io.BytesIO()
    archive = zipfile.ZipFile(out, "w")

    def work(item: int) -> int:
        archive.writestr(zipfile.ZipInfo(f"{item}.txt"), str(item))
        return toil(item)

    return Case(work, range(N), left=archive.namelist)


@case("library")
def heldout_tar_of_parts() -> Case:
    """Members are added to a tar file."""
    archive = tarfile.open(fileobj=io.BytesIO(), mode="w")  # noqa: SIM115

    def work(item: int) -> int:
        info = tarfile.TarInfo(f"{item}")
        info.size = 1
        archive.addfile(info, io.BytesIO(b"x"))
        return toil(item)

    return Case(work, range(N), left=archive.getnames)


@case("library")
def heldout_lines_into_gzip() -> Case:
    """Lines are written to a compressed file."""
    out = io.BytesIO()
    packed = gzip.GzipFile(fileobj=out, mode="wb", mtime=0)

    def work(item: int) -> int:
        packed.write(b"%d\n" % item)
        return toil(item)

    def left() -> bytes:
        packed.close()
        return gzip.decompress(out.getvalue())

    return Case(work, range(N), left)


@case("library")
def heldout_options_of_a_parser() -> Case:
    """A parser of arguments gets options."""
    parser = argparse.ArgumentParser(prog="x", add_help=False)

    def work(item: int) -> int:
        if item % 20 == 5:
            parser.add_argument(f"--o{item}")
        return toil(item)

    return Case(work, range(N), left=parser.format_usage)


@case("library")
def heldout_mock_that_is_called() -> Case:
    """A mock stands for a service."""
    service = unittest.mock.Mock(return_value=4)

    def work(item: int) -> int:
        toil()
        return int(service.send(item) is not None)

    return Case(work, range(N), left=lambda: [one.args for one in service.send.call_args_list])


@case("library")
def heldout_words_of_a_lexer() -> Case:
    """Each item takes the next word of a text."""
    words = shlex.shlex(" ".join(f"w{number}" for number in range(N + 3)))

    def work(item: int) -> str | None:
        toil()
        return words.get_token()

    return Case(work, range(N), left=words.get_token)


@case("library")
def heldout_tree_rewritten() -> Case:
    """A visitor changes a tree that all share."""
    tree = ast.parse("x = 1")

    class Add(ast.NodeTransformer):
        def visit_Constant(self, node: ast.Constant) -> ast.Constant:
            node.value += 1
            return node

    def work(item: int) -> str:
        toil()
        Add().visit(tree)
        return ast.unparse(tree)

    return Case(work, range(N), left=lambda: ast.unparse(tree))


@case("library")
def heldout_fields_packed_into_a_buffer() -> Case:
    """Fields are packed into a shared buffer."""
    buffer = bytearray(4 * N)
    pack = struct.Struct("<i").pack_into

    def work(item: int) -> int:
        pack(buffer, 4 * item, item * item)
        return toil(item)

    return Case(work, range(N), left=lambda: zlib.crc32(buffer))


@case("library")
def heldout_view_of_numbers() -> Case:
    """A view of an array is written through a cast."""
    numbers = array.array("i", [0] * N)
    view = memoryview(numbers).cast("B").cast("i")

    def work(item: int) -> int:
        view[item] = item + 1
        return toil(item)

    return Case(work, range(N), left=numbers.tolist)


@case("library")
def heldout_array_appended_by_default() -> Case:
    """A method is a default of the function."""
    numbers = array.array("q")

    def work(item: int, put: Any = numbers.append) -> int:
        put(item)
        return toil(item)

    return Case(work, range(N), left=numbers.tolist)


@case("library")
def heldout_structure_of_c() -> Case:
    """A structure of C holds the totals."""

    class Totals(ctypes.Structure):
        _fields_ = [("count", ctypes.c_int), ("last", ctypes.c_int)]

    totals = Totals()

    def work(item: int) -> int:
        totals.count += 1
        totals.last = item
        return toil(item)

    return Case(work, range(N), left=lambda: (totals.count, totals.last))


@case("library")
def heldout_memory_moved_by_c() -> Case:
    """C moves bytes into a buffer."""
    buffer = ctypes.create_string_buffer(N)

    def work(item: int) -> int:
        ctypes.memset(ctypes.addressof(buffer) + item, 1 + item % 100, 1)
        return toil(item)

    return Case(work, range(N), left=lambda: buffer.raw)


@case("library")
def heldout_map_of_memory() -> Case:
    """An anonymous private map of memory is written."""
    memory = mmap.mmap(-1, 4096, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)

    def work(item: int) -> int:
        memory[item] = item + 1
        return toil(item)

    return Case(work, range(N), left=lambda: memory[:N])


@case("library")
def heldout_stack_of_exits() -> Case:
    """What is to be closed at the end is put on a stack."""
    stack, closed = contextlib.ExitStack(), []

    def work(item: int) -> int:
        stack.callback(closed.append, item)
        return toil(item)

    def left() -> list[int]:
        stack.close()
        return closed

    return Case(work, range(N), left)


@case("library")
def heldout_print_into_a_buffer() -> Case:
    """Prints go to a buffer that is named."""
    out = io.StringIO()

    def work(item: int) -> int:
        print("item", item, file=out)
        return toil(item)

    return Case(work, range(N), left=out.getvalue)


@case("library")
def heldout_records_read_from_a_buffer() -> Case:
    """Each item reads the next record."""
    records = io.BytesIO(bytes(range(4 * N % 256)) * 4)

    def work(item: int) -> bytes:
        toil()
        return records.read(4)

    return Case(work, range(N), left=records.tell)


@case("library")
def heldout_loop_that_keeps_results() -> Case:
    """Each item runs an event loop whose tasks fill a shared list."""
    done: list[int] = []

    async def step(number: int) -> None:
        await asyncio.sleep(0)
        done.append(number)

    async def both(item: int) -> None:
        await asyncio.gather(step(item), step(-item))

    def work(item: int) -> int:
        asyncio.run(both(item))
        return toil(item)

    return Case(work, range(N), left=lambda: done)


@case("library")
def heldout_class_declared_virtual() -> Case:
    """A class becomes a virtual subclass at some item."""

    class Base(abc.ABC):  # noqa: B024
        pass

    class Late:
        pass

    def work(item: int) -> bool:
        toil()
        if item == 40:
            Base.register(Late)
        return isinstance(Late(), Base)

    return Case(work, range(N), left=lambda: issubclass(Late, Base))


@case("library")
def heldout_reducer_registered() -> Case:
    """A reducer for pickles is registered at some item."""

    class Own:
        pass

    def work(item: int) -> bool:
        toil()
        if item == 20:
            copyreg.pickle(Own, lambda own: (Own, ()))
        return Own in copyreg.dispatch_table

    return Case(work, range(N), left=lambda: Own in copyreg.dispatch_table)


@case("library")
def heldout_first_day_of_the_week() -> Case:
    """The first day of the week is set for all."""
    calendar.setfirstweekday(0)

    def work(item: int) -> int:
        toil()
        if item == 15:
            calendar.setfirstweekday(calendar.SUNDAY)
        return calendar.firstweekday()

    return Case(work, range(N), left=calendar.firstweekday)


@case("library")
def heldout_shuffle_by_a_generator() -> Case:
    """A generator in a dictionary of tools shuffles a copy."""
    tools = {"random": random.Random(4)}

    def work(item: int) -> list[int]:
        toil()
        return tools["random"].sample(range(9), 3)

    return Case(work, range(N), left=lambda: tools["random"].random())


@case("library")
def heldout_ids_by_count_and_cycle() -> Case:
    """Numbers and colours are dealt in turn."""
    numbers, colours = itertools.count(100), itertools.cycle("rgb")
    pairs = zip(numbers, colours, strict=False)

    def work(item: int) -> tuple[int, str]:
        toil()
        return next(pairs)

    return Case(work, range(N), left=lambda: next(numbers))
