"""Objects of the standard library that look like tools and are stores."""

import argparse
import bz2
import codecs
import configparser
import contextlib
import csv
import ctypes
import decimal
import email.message
import graphlib
import hashlib
import html.parser
import io
import itertools
import json
import logging
import mimetypes
import mmap
import pickle
import queue
import random
import re
import sched
import sqlite3
import string
import xml.etree.ElementTree as ET
import zipfile
import zlib
from http.cookies import SimpleCookie

from case import Case, case, compute, nap, release

DRAWS = random.Random(11)


def drawn(number):
    compute()
    return DRAWS.randint(1, 6) + number


@case("library", effect=True)
def own_random_generator():
    """A Random of the module, seeded: each item takes the next numbers."""
    return Case(drawn, range(150), left=DRAWS.random)


@case("library", effect=True)
def shuffles_with_the_global_generator():
    """random.shuffle of a local list; seeded before, read on afterwards."""
    random.seed(5)

    def f(x):
        compute()
        cards = list(range(6))
        random.shuffle(cards)
        return cards, x

    return Case(f, range(150), left=lambda: random.getrandbits(32))


@case("library", effect=True)
def number_from_itertools_count():
    """next() of a count as a default argument."""
    ids = itertools.count(100)

    def f(x, fresh=ids.__next__):
        nap()
        return f"{x}#{fresh()}"

    return Case(f, range(130), left=lambda: next(ids))


@case("library", effect=True)
def row_inserted_in_a_memory_database():
    """sqlite3 in memory: rows live in this process, the connection in this thread."""
    base = sqlite3.connect(":memory:")
    base.execute("create table t (id integer primary key, x integer)")

    def f(x):
        compute()
        return base.execute("insert into t (x) values (?)", (x * x,)).lastrowid

    left = lambda: base.execute("select count(*), sum(x), max(id) from t").fetchone()  # noqa: E731
    return Case(f, range(150), left=left)


@case("library", effect=True)
def csv_writer():
    """A row is written by an object that says nothing of the buffer behind it."""
    page = io.StringIO(newline="")
    writer = csv.DictWriter(page, ["x", "square"])

    def f(x):
        compute()
        return writer.writerow({"x": x, "square": x * x})

    return Case(f, range(150), left=page.getvalue)


@case("library", effect=True)
def stream_is_compressed_in_pieces():
    """A compressor's pieces make sense in their order only."""
    packer = zlib.compressobj()
    block = bytes(range(256)) * 40

    def f(x):
        release()
        return packer.compress(block[x:]) + packer.flush(zlib.Z_SYNC_FLUSH)

    return Case(f, range(150), left=lambda: packer.flush().hex())


@case("library", effect=True)
def running_digest():
    """A hash over all so far; each item gets the digest up to it."""
    digest = hashlib.sha256()

    def f(x):
        compute()
        digest.update(b"%d," % x)
        return digest.copy().hexdigest()[:8]

    return Case(f, range(150), left=digest.hexdigest)


@case("library", effect=True)
def text_decoded_across_chunks():
    """An incremental decoder keeps half a character for the next chunk."""
    data = "häßlich — schön €5 ".encode() * 40
    chunks = [data[i : i + 7] for i in range(0, 7 * 150, 7)]
    decoder = codecs.getincrementaldecoder("utf-8")()

    def f(chunk):
        nap()
        return decoder.decode(chunk)

    return Case(f, chunks, left=decoder.getstate)


@case("library", effect=True)
def tree_gets_a_child():
    """SubElement is a function; the parent is its first argument."""
    root = ET.Element("orders")

    def f(x):
        compute()
        ET.SubElement(root, "order", id=str(x)).text = "ok" if x % 2 else "late"
        return len(root)

    return Case(f, range(150), left=lambda: ET.tostring(root))


@case("library", effect=True)
def options_set_in_a_parser():
    """configparser: a section appears when first needed."""
    config = configparser.ConfigParser()

    def f(x):
        compute()
        section = f"group {x % 5}"
        if not config.has_section(section):
            config.add_section(section)
        config.set(section, f"key{x}", str(x))
        return len(config[section])

    def left():
        text = io.StringIO()
        config.write(text)
        return text.getvalue()

    return Case(f, range(150), left=left)


@case("library", effect=True)
def log_records_kept_by_a_handler():
    """The user's own handler keeps the formatted lines, in the order in which they came."""
    lines = []

    class Keeper(logging.Handler):
        def emit(self, record):
            lines.append(self.format(record))

    log = logging.getLogger("reader.kept")
    log.propagate = False
    log.setLevel("INFO")
    log.addHandler(Keeper())

    def f(x):
        compute()
        log.info("item %d of %s", x, "many")
        return x

    return Case(f, range(150), left=lambda: lines)


@case("library", effect=True)
def level_of_a_logger_raised():
    """After the hundredth item it shall be quiet: a logger's level is global."""
    log = logging.getLogger("reader.level")
    log.setLevel(logging.DEBUG)

    def f(x):
        compute()
        if x == 100:
            log.setLevel(logging.ERROR)
        return log.isEnabledFor(logging.INFO)

    return Case(f, range(150), left=lambda: log.level)


@case("library", effect=True)
def inexact_is_flagged():
    """Decimal division raises a flag in the context, which the caller looks at later."""
    context = decimal.Context(prec=12)

    def f(x):
        compute()
        return context.divide(decimal.Decimal(x), decimal.Decimal(8 if x < 90 else 7))

    left = lambda: sorted(flag.__name__ for flag, up in context.flags.items() if up)  # noqa: E731
    return Case(f, range(150), left=left)


@case("library", effect=True)
def replacements_are_numbered():
    """re.sub with a callback that numbers what it finds, through all texts."""
    notes = []

    def mark(match):
        notes.append(match[0])
        return f"[{len(notes)}]"

    def f(text):
        compute()
        return re.sub(r"\d+", mark, text)

    texts = [f"a{i} b{i * 7}" if i % 3 else "none" for i in range(150)]
    return Case(f, texts, left=lambda: notes)


@case("library", effect=True)
def object_hook_collects():
    """json.loads of a local text; the hook of the decoder remembers every object."""
    seen = []

    def hook(value):
        seen.append(sorted(value))
        return value

    decode = json.JSONDecoder(object_hook=hook).decode

    def f(x):
        compute()
        return decode(f'{{"k{x % 4}": {{"v": {x}}}}}')

    return Case(f, range(150), left=lambda: seen)


@case("library", effect=True)
def callbacks_pushed_on_an_exit_stack():
    """What shall happen at the end of the caller's with block is laid up item by item."""
    stack, undone = contextlib.ExitStack(), []

    def f(x):
        compute()
        stack.callback(undone.append, x)
        return x + 1

    def left():
        stack.close()
        return undone

    return Case(f, range(150), left=left)


@case("library", effect=True)
def graph_nodes_marked_done():
    """graphlib: done() frees the nodes that wait."""
    sorter = graphlib.TopologicalSorter({i: {i // 2} for i in range(1, 150)})
    sorter.prepare()
    ready = list(sorter.get_ready())

    def f(x):
        nap()
        sorter.done(ready[x])
        ready.extend(sorter.get_ready())
        return ready[x]

    return Case(f, range(150), left=lambda: (ready, sorter.is_active()))


@case("library", effect=True)
def events_put_on_a_schedule():
    """sched: entered here, run by the caller afterwards."""
    ran = []
    clock = iter(range(10**6))
    plan = sched.scheduler(lambda: next(clock), lambda pause: None)

    def f(x):
        compute()
        plan.enterabs(x * 7 % 150, 1, ran.append, (x,))
        return x

    def left():
        plan.run()
        return ran

    return Case(f, range(150), left=left)


@case("library", effect=True)
def pickles_with_a_shared_memo():
    """One Pickler for all: what was said before is only referred to."""
    out = io.BytesIO()
    pickler = pickle.Pickler(out, protocol=4)
    shared = ["a long common thing"] * 3

    def f(x):
        compute()
        before = out.tell()
        pickler.dump((x, shared))
        return out.tell() - before

    return Case(f, range(150), left=lambda: len(out.getvalue()))


@case("library", effect=True)
def markup_fed_in_pieces():
    """A parser for HTML keeps an open tag until its end comes with another item."""

    class Links(html.parser.HTMLParser):
        def __init__(self):
            super().__init__()
            self.found = []

        def handle_starttag(self, tag, attributes):
            self.found.append((tag, dict(attributes).get("href")))

    parser = Links()
    page = "".join(f'<p><a href="/{i}">no. {i}</a></p>' for i in range(100))

    def f(piece):
        nap()
        parser.feed(piece)
        return len(parser.found)

    pieces = [page[i : i + 20] for i in range(0, 2700, 20)]
    return Case(f, pieces, left=lambda: parser.found)


@case("library", effect=True)
def ctypes_structure_filled():
    """A C structure is memory of this process."""

    class Cell(ctypes.Structure):
        _fields_ = [("value", ctypes.c_int32), ("seen", ctypes.c_uint8)]

    sheet = (Cell * 150)()

    def f(x):
        compute()
        sheet[x].value = -x * x
        sheet[x].seen = 1
        return sheet[x].value

    return Case(f, range(150), left=lambda: bytes(sheet).hex())


@case("library", effect=True)
def anonymous_memory_map_with_a_cursor():
    """An mmap is a file: it has a position, and forked workers write into the same memory."""
    memory = mmap.mmap(-1, 4096)

    def f(x):
        nap()
        memory.write(b"%03d " % x)
        return memory.tell()

    return Case(f, range(150), left=lambda: (memory.tell(), memory[: memory.tell()]))


@case("library", effect=True)
def archive_grows_in_memory():
    """A zip file gets one member for each item."""
    store = io.BytesIO()
    archive = zipfile.ZipFile(store, "w")

    def f(x):
        compute()
        archive.writestr(zipfile.ZipInfo(f"{x % 100}/{x}.txt"), str(x) * 5)
        return x

    return Case(f, range(150), left=lambda: archive.namelist())


@case("library", effect=True)
def header_added_to_a_message():
    """``message["X"] = ...`` does not replace, it adds."""
    message = email.message.EmailMessage()

    def f(x):
        compute()
        message[f"X-{x % 3}"] = str(x)
        return len(message.get_all(f"X-{x % 3}"))

    return Case(f, range(150), left=lambda: message.items())


@case("library", effect=True)
def types_added_to_a_table_of_the_library():
    """mimetypes.add_type: a table that everybody reads."""
    mimetypes.init([])

    def f(x):
        compute()
        guess = mimetypes.guess_type(f"file.rd{x % 9}")[0]
        if guess is None:
            mimetypes.add_type(f"application/x-reader-{x}", f".rd{x % 9}")
        return guess

    return Case(f, range(150), left=lambda: [mimetypes.guess_type(f"a.rd{i}")[0] for i in range(9)])


@case("library", effect=True)
def defaults_of_an_argument_parser():
    """Parsing is pure; here what was given becomes the default for the next."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--level", type=int, default=0)

    def f(x):
        compute()
        words = ["--level", str(x)] if x % 4 == 0 else []
        options = parser.parse_args(words)
        parser.set_defaults(level=options.level + 1)
        return options.level

    return Case(f, range(150), left=lambda: parser.get_default("level"))


@case("library", effect=True)
def work_put_on_a_priority_queue():
    """The queue is drained by the caller when all is done."""
    waiting = queue.PriorityQueue()

    def f(x):
        nap()
        waiting.put((x * 53 % 127, x))
        return waiting.qsize()

    def left():
        return [waiting.get() for _ in range(waiting.qsize())]

    return Case(f, range(127), left=left)


@case("library", effect=True)
def cookies_in_a_jar():
    """load() reads a header, into itself."""
    jar = SimpleCookie()

    def f(x):
        compute()
        jar.load(f"c{x % 17}={x}; Path=/{x}")
        return len(jar)

    return Case(f, range(150), left=lambda: jar.output(sep="|"))


@case("library", effect=True)
def bz2_read_on_demand():
    """A decompressor is fed and drained piece by piece."""
    packed = bz2.compress(bytes(i * i % 251 for i in range(30000)))
    unpacker = bz2.BZ2Decompressor()

    def f(i):
        nap()
        piece = unpacker.decompress(b"" if i else packed, max_length=200)
        return piece[-3:]

    return Case(f, range(130), left=lambda: (unpacker.eof, unpacker.needs_input))


class Counting(string.Formatter):
    """Auto-numbering of fields across calls."""

    def __init__(self):
        self.used = set()

    def get_value(self, key, arguments, named):
        self.used.add(key)
        return super().get_value(key, arguments, named)


FORMATTER = Counting()


def rendered(number):
    release()
    return FORMATTER.format(f"{{0}}{{n{number % 5}}}", number, **{f"n{number % 5}": "!"})


@case("library", effect=True)
def formatter_notes_the_fields_used():
    """string.Formatter is made to be subclassed; this one remembers names."""
    return Case(rendered, range(150), left=lambda: sorted(map(str, FORMATTER.used)))
