"""Stores of the standard library that no table names, written to by somebody who wants to break it."""

from __future__ import annotations

import array
import ast
import asyncio
import bisect
import calendar
import collections
import concurrent.futures
import configparser
import contextlib
import ctypes
import dbm.dumb
import decimal
import email.message
import functools
import gettext
import graphlib
import html.parser
import imaplib
import io
import itertools
import json
import linecache
import logging
import os
import pathlib
import pprint
import queue
import random
import re
import reprlib
import sched
import shelve
import shlex
import sqlite3
import statistics
import string
import struct
import tarfile
import tempfile
import textwrap
import types
import typing
import urllib.request
import uuid
import weakref
import xml.dom.minidom
import xml.etree.ElementTree as ElementTree
import zipfile
import zlib
from typing import Any

from case import Case, case, compute, nap

SELDOM = {41, 73, 107, 131}
"""Items of a branch that hardly any watched item takes."""


def folder() -> pathlib.Path:
    return pathlib.Path(tempfile.mkdtemp())


@case("library")
def seldom_attribute_of_an_element() -> Case:
    """Four of the items mark a node of a document."""
    tree = ElementTree.fromstring("<a>" + "<b/>" * 150 + "</a>")

    def work(item: int) -> int:
        compute()
        if item in SELDOM:
            tree[item].set("seen", str(item))
        return item

    return Case(work, range(150), left=lambda: ElementTree.tostring(tree))


@case("library")
def seldom_section_of_a_configuration() -> Case:
    """Four of the items add a section."""
    parser = configparser.ConfigParser()

    def work(item: int) -> int:
        compute()
        if item in SELDOM:
            parser.add_section(f"item {item}")
        return item

    return Case(work, range(150), left=parser.sections)


@case("library")
def seldom_header_of_a_message() -> Case:
    """Four of the items add a header."""
    message = email.message.Message()

    def work(item: int) -> int:
        compute()
        if item in SELDOM:
            message.add_header("X-Item", str(item))
        return item

    return Case(work, range(150), left=lambda: message.items())


@case("library")
def seldom_edge_of_a_graph() -> Case:
    """Four of the items make another one depend on them."""
    sorter: graphlib.TopologicalSorter[int] = graphlib.TopologicalSorter()

    def work(item: int) -> int:
        compute()
        if item in SELDOM:
            sorter.add(item, item + 1)
        return item

    return Case(work, range(150), left=lambda: list(sorter.static_order()))


@case("library")
def seldom_event_of_a_schedule() -> Case:
    """Four of the items put something on the schedule."""
    events = sched.scheduler()

    def work(item: int) -> int:
        compute()
        if item in SELDOM:
            events.enter(item, 1, print)
        return item

    return Case(work, range(150), left=lambda: len(events.queue))


@case("library")
def seldom_member_of_an_archive() -> Case:
    """Four of the items add a member to an archive in memory."""
    memory = io.BytesIO()
    archive = tarfile.open(fileobj=memory, mode="w")  # noqa: SIM115

    def work(item: int) -> int:
        compute()
        if item in SELDOM:
            archive.addfile(tarfile.TarInfo(f"item{item}"))
        return item

    return Case(work, range(150), left=archive.getnames)


@case("library")
def seldom_row_in_a_buffer() -> Case:
    """Four of the items pack themselves into the caller's buffer by a compiled struct."""
    shape, buffer = struct.Struct("<i"), bytearray(600)

    def work(item: int) -> int:
        compute()
        if item in SELDOM:
            shape.pack_into(buffer, 4 * item, item)
        return item

    return Case(work, range(150), left=lambda: zlib.crc32(buffer))


@case("library")
def seldom_cell_of_an_array() -> Case:
    """Four of the items write to an array of ctypes by a pointer."""
    cells = (ctypes.c_int * 150)()
    pointer = ctypes.cast(cells, ctypes.POINTER(ctypes.c_int))

    def work(item: int) -> int:
        compute()
        if item in SELDOM:
            pointer[item] = item
        return item

    return Case(work, range(150), left=lambda: sum(cells))


@case("library")
def seldom_memory_moved() -> Case:
    """Four of the items copy bytes into a buffer by its address."""
    target = ctypes.create_string_buffer(150)

    def work(item: int) -> int:
        compute()
        if item in SELDOM:
            ctypes.memset(ctypes.addressof(target) + item, 65, 1)
        return item

    return Case(work, range(150), left=lambda: target.raw)


@case("library")
def seldom_opener_installed() -> Case:
    """The loop leaves the opener of the last of four items installed for all of urllib."""
    urllib.request.install_opener(urllib.request.build_opener())

    def work(item: int) -> int:
        compute()
        if item in SELDOM:
            opener = urllib.request.build_opener()
            opener.addheaders = [("X-Item", str(item))]
            urllib.request.install_opener(opener)
        return item

    return Case(work, range(150), left=lambda: urllib.request._opener.addheaders)


@case("library")
def seldom_namespace_of_documents() -> Case:
    """Four of the items register a prefix, which all documents are written with."""

    def work(item: int) -> str:
        compute()
        if item in SELDOM:
            ElementTree.register_namespace(f"p{item}", "urn:item")
        return ElementTree.tostring(ElementTree.Element("{urn:item}a")).decode()

    return Case(work, range(150))


@case("library")
def seldom_type_of_annotations() -> Case:
    """Four of the items add a choice to an argument parser's list, through the action."""
    import argparse

    parser = argparse.ArgumentParser()
    action = parser.add_argument("--kind", choices=["a"])

    def work(item: int) -> int:
        compute()
        if item in SELDOM:
            action.choices += [f"kind {item}"]
        return item

    return Case(work, range(150), left=lambda: action.choices)


@case("library")
def queue_of_an_event_loop() -> Case:
    """The loop leaves results on an asynchronous queue that nobody waits at yet."""
    waiting: asyncio.Queue[int] = asyncio.Queue()

    def work(item: int) -> int:
        value = compute(item)
        waiting.put_nowait(value)
        return value

    return Case(work, range(150), left=lambda: [waiting.get_nowait() for _ in range(150)])


@case("library")
def future_is_given_callbacks() -> Case:
    """The loop leaves callbacks on a future, called in their order when it is done."""
    future: concurrent.futures.Future[int] = concurrent.futures.Future()
    heard: list[int] = []

    def work(item: int) -> int:
        compute()
        future.add_done_callback(lambda _, item=item: heard.append(item))
        return item

    def left() -> list[int]:
        future.set_result(1)
        return heard

    return Case(work, range(150), left=left)


@case("library")
def generic_function_learns() -> Case:
    """Some items register a type with a generic function, others use it."""

    @functools.singledispatch
    def name_of(value: Any) -> str:
        return "thing"

    kinds = [type(f"Kind{number}", (), {}) for number in range(150)]

    def work(item: int) -> str:
        compute()
        if item % 10 == 7:
            name_of.register(kinds[item - 3])(lambda value: f"kind {item}")
        return name_of(kinds[item // 10 * 10 + 4]())

    return Case(work, range(150))


@case("library")
def exit_stack_gets_blocks() -> Case:
    """The loop leaves open blocks on the caller's stack, by its bound method under another name."""
    notes: list[str] = []
    stack = contextlib.ExitStack()
    later = stack.push

    def work(item: int) -> int:
        compute()
        if item % 30 == 29:
            later(lambda *_: notes.append(f"closed {item}"))
        return item

    def left() -> list[str]:
        stack.close()
        return notes

    return Case(work, range(150), left=left)


@case("library")
def shelf_by_its_name() -> Case:
    """Each item opens the shelf, counts, and closes it."""
    path = str(folder() / "shelf")

    def work(item: int) -> int:
        compute()
        with shelve.Shelf(dbm.dumb.open(path, "c")) as shelf:
            shelf["count"] = shelf.get("count", 0) + 1
            return shelf["count"]

    return Case(work, range(150))


@case("library")
def database_file_by_its_name() -> Case:
    """Each item connects to the file, counts there, and closes the connection."""
    path = str(folder() / "rows.db")
    with contextlib.closing(sqlite3.connect(path)) as base:
        base.execute("create table rows (item)")
        base.commit()

    def work(item: int) -> int:
        compute()
        with contextlib.closing(sqlite3.connect(path)) as base:
            base.execute("insert into rows values (?)", (item,))
            base.commit()
            return base.execute("select count(*) from rows").fetchone()[0]

    return Case(work, range(150))


@case("library")
def records_of_a_list_handler() -> Case:
    """A handler of the user's keeps every record, in its order."""
    logger = logging.Logger("hunted")

    class Keeper(logging.Handler):
        def __init__(self) -> None:
            super().__init__()
            self.kept: list[str] = []

        def emit(self, record: logging.LogRecord) -> None:
            self.kept.append(record.getMessage())

    keeper = Keeper()
    logger.addHandler(keeper)

    def work(item: int) -> int:
        compute()
        if item in SELDOM:
            logger.warning("item %d", item)
        return item

    return Case(work, range(150), left=lambda: keeper.kept)


@case("library")
def records_in_a_memory_handler() -> Case:
    """A memory handler of the standard library holds records back until it is full."""
    import logging.handlers

    out = io.StringIO()
    handler = logging.handlers.MemoryHandler(40, logging.CRITICAL, logging.StreamHandler(out))
    logger = logging.Logger("hunted memory")
    logger.addHandler(handler)

    def work(item: int) -> int:
        compute()
        logger.info("item %d", item)
        return len(handler.buffer)

    return Case(work, range(150), left=lambda: zlib.crc32(out.getvalue().encode()))


@case("library")
def replacement_that_counts_on() -> Case:
    """The callback of a substitution takes the next number of an iterator that is shared."""
    pattern, numbers = re.compile("#"), itertools.count(1)

    def work(item: int) -> str:
        compute()
        return pattern.sub(lambda match: str(next(numbers)), "#-#") if item % 3 == 0 else "-"

    return Case(work, range(150), left=lambda: next(numbers))


@case("library")
def encoder_that_notes() -> Case:
    """The encoder of the caller notes what it could not encode by itself."""
    odd: list[str] = []

    class Encoder(json.JSONEncoder):
        def default(self, value: Any) -> str:
            odd.append(type(value).__name__)
            return "?"

    encoder = Encoder()

    def work(item: int) -> str:
        compute()
        return encoder.encode([item, {1} if item in SELDOM else 1])

    return Case(work, range(150), left=lambda: odd)


@case("library")
def visitor_that_collects() -> Case:
    """One visitor of syntax trees for all items."""

    class Names(ast.NodeVisitor):
        def __init__(self) -> None:
            self.found: list[str] = []

        def visit_Name(self, node: ast.Name) -> None:
            self.found.append(node.id)

    names = Names()

    def work(item: int) -> int:
        compute()
        names.visit(ast.parse(f"a{item}" if item in SELDOM else "1"))
        return item

    return Case(work, range(150), left=lambda: names.found)


@case("library")
def template_with_a_pattern_of_its_own() -> Case:
    """The mapping of a template makes up what is missing, and keeps it."""

    class Made(dict[str, int]):
        def __missing__(self, key: str) -> int:
            self[key] = len(self)
            return self[key]

    made = Made()
    template = string.Template("$name")

    def work(item: int) -> str:
        compute()
        return (
            template.substitute(made) if item % 2 else string.Template(f"$n{item}").substitute(made)
        )

    return Case(work, range(150))


@case("library")
def words_of_one_lexer() -> Case:
    """Each item takes the next word of a lexer."""
    words = shlex.shlex(" ".join(f"w{number}" for number in range(160)))

    def work(item: int) -> str | None:
        compute()
        return words.get_token()

    return Case(work, range(150), left=words.get_token)


@case("library")
def translations_put_in_place() -> Case:
    """Some items install another catalogue under a builtin name."""
    import builtins

    class Catalogue(gettext.NullTranslations):
        def __init__(self, number: int) -> None:
            super().__init__()
            self.number = number

        def gettext(self, message: str) -> str:
            return f"{message} {self.number}"

    Catalogue(0).install()

    def work(item: int) -> str:
        compute()
        if item in SELDOM:
            Catalogue(item).install()
        return builtins._("item")  # type: ignore[attr-defined]

    return Case(work, range(150))


@case("library")
def values_kept_weakly() -> Case:
    """Items put objects that the caller holds into a dictionary of weak values."""

    class Node:
        pass

    nodes = [Node() for _ in range(150)]
    known: weakref.WeakValueDictionary[int, Node] = weakref.WeakValueDictionary()

    def work(item: int) -> int:
        compute()
        if item % 3 == 0:
            known[item] = nodes[item]
        return len(known)

    return Case(work, range(150), left=lambda: sorted(known))


@case("library")
def finalizer_called_by_an_item() -> Case:
    """Four of the items call a finalizer of an object of the caller's: it is dead then."""

    class Thing:
        pass

    things = [Thing() for _ in range(150)]
    gone: list[int] = []
    ends = [weakref.finalize(thing, gone.append, at) for at, thing in enumerate(things)]

    def work(item: int) -> bool:
        compute()
        if item in SELDOM:
            ends[item]()
        return ends[item].alive

    def left() -> list[int]:
        for end in ends:
            end.detach()
        return gone

    return Case(work, range(150), left=left)


@case("library")
def namespace_of_the_caller() -> Case:
    """Four of the items set a name of a simple namespace, by its dict."""
    space = types.SimpleNamespace(last=0)
    names = vars(space)

    def work(item: int) -> int:
        compute()
        if item in SELDOM:
            names["last"] = item
        return item

    return Case(work, range(150), left=lambda: space.last)


@case("library")
def type_hints_resolved() -> Case:
    """Four of the items add a name that annotations are resolved by."""
    names: dict[str, Any] = {}

    def work(item: int) -> int:
        compute()
        if item in SELDOM:
            exec(f"K{item} = {item}", names)
        return len(names)

    def left() -> list[str]:
        return sorted(name for name in names if name[0] == "K")

    return Case(work, range(150), left=left, show=lambda count: 0)


@case("library")
def representation_with_a_limit() -> Case:
    """Four of the items shorten what all others show from then on."""
    shown = reprlib.Repr()

    def work(item: int) -> str:
        compute()
        if item in SELDOM:
            shown.maxlist -= 1
        return shown.repr([1, 2, 3, 4, 5, 6, 7, 8])

    return Case(work, range(150))


@case("library")
def wrapper_with_another_width() -> Case:
    """Four of the items set the width of the caller's text wrapper by a name that is computed."""
    wrapper = textwrap.TextWrapper(width=30)

    def work(item: int) -> list[str]:
        compute()
        if item in SELDOM:
            setattr(wrapper, "wid" + "th", wrapper.width - 3)
        return wrapper.wrap("some words that are wrapped in lines")

    return Case(work, range(150))


@case("library")
def document_grows() -> Case:
    """Four of the items append a node to the document of the caller."""
    document = xml.dom.minidom.parseString("<a/>")

    def work(item: int) -> int:
        compute()
        if item in SELDOM:
            document.documentElement.appendChild(document.createElement(f"b{item}"))
        return item

    return Case(work, range(150), left=document.toxml)


@case("library")
def lines_kept_of_a_source() -> Case:
    """Four of the items put lines into the cache of sources, as a notebook does."""

    def work(item: int) -> int:
        compute()
        if item in SELDOM:
            linecache.cache[f"<item {item}>"] = (1, None, [f"line {item}"], "")
        return item

    def left() -> list[str]:
        return [linecache.getline(f"<item {number}>", 1) for number in sorted(SELDOM)]

    return Case(work, range(150), left=left)


@case("library")
def flags_of_a_context_of_its_own() -> Case:
    """The context of the caller, used by its methods, gathers flags."""
    context = decimal.Context(prec=5, traps=[])

    def work(item: int) -> str:
        compute()
        return str(context.divide(item, 0 if item in SELDOM else 1))

    def left() -> list[str]:
        return sorted(flag.__name__ for flag, on in context.flags.items() if on)

    return Case(work, range(150), left=left)


@case("library")
def state_of_a_bag_of_random_numbers() -> Case:
    """Four of the items take numbers of a generator of the caller's, through a sample."""
    generator = random.Random(3)

    def work(item: int) -> list[int]:
        compute()
        return generator.sample(range(100), 2) if item in SELDOM else []

    return Case(work, range(150), left=generator.random)


@case("library")
def letters_of_a_cycle() -> Case:
    """Four of the items take the next letter of a cycle, by a partial of next."""
    take = functools.partial(next, itertools.cycle("abc"))

    def work(item: int) -> str:
        compute()
        return take() if item in SELDOM else "-"

    return Case(work, range(150), left=take)


@case("library")
def list_with_a_default_factory() -> Case:
    """Reading a missing key makes it: four of the items read one."""
    groups: collections.defaultdict[int, list[int]] = collections.defaultdict(list)

    def work(item: int) -> int:
        compute()
        return len(groups[item]) if item in SELDOM else 0

    return Case(work, range(150), left=lambda: sorted(groups))


@case("library")
def user_dict_of_the_library() -> Case:
    """Four of the items write to a UserDict under its data."""
    held: collections.UserDict[int, int] = collections.UserDict()
    data = held.data

    def work(item: int) -> int:
        compute()
        if item in SELDOM:
            dict.__ior__(data, {item: item})
        return item

    return Case(work, range(150), left=lambda: sorted(held))


@case("library")
def next_clock_of_identifiers() -> Case:
    """Identifiers by time are never the same twice: the module keeps the last."""
    seen: list[int] = []

    def work(item: int) -> int:
        nap()
        made = uuid.uuid1(node=1, clock_seq=1).time
        seen.append(made)
        return item

    return Case(work, range(150), left=lambda: (len(seen), seen == sorted(seen)))


@case("library")
def holidays_of_a_calendar() -> Case:
    """Four of the items set the first day of the week of one calendar of the caller's."""
    days = calendar.TextCalendar()

    def work(item: int) -> list[int]:
        compute()
        if item in SELDOM:
            days.setfirstweekday(item % 7)
        return list(days.iterweekdays())

    return Case(work, range(150))


@case("library")
def printer_with_a_stream() -> Case:
    """Four of the items print to a stream in memory through a pretty printer."""
    out = io.StringIO()
    printer = pprint.PrettyPrinter(stream=out)

    def work(item: int) -> int:
        compute()
        if item in SELDOM:
            printer.pprint({"item": item})
        return item

    return Case(work, range(150), left=out.getvalue)


@case("library")
def page_fed_to_a_parser() -> Case:
    """Four of the items feed a parser of the caller's whose handler notes tags."""

    class Tags(html.parser.HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.tags: list[str] = []

        def handle_starttag(self, tag: str, attributes: Any) -> None:
            self.tags.append(tag)

    tags = Tags()

    def work(item: int) -> int:
        compute()
        if item in SELDOM:
            tags.feed(f"<p{item}>")
        return item

    return Case(work, range(150), left=lambda: tags.tags)


@case("library")
def kept_best_by_bisection() -> Case:
    """Four of the items go into a sorted list, by an insort of another name."""
    put, best = bisect.insort, [0]

    def work(item: int) -> int:
        value = compute(item)
        if item in SELDOM:
            put(best, -value)
        return value

    return Case(work, range(150), left=lambda: best)


@case("library")
def numbers_in_an_array() -> Case:
    """Four of the items go into an array by its bytes."""
    numbers = array.array("i")

    def work(item: int) -> int:
        compute()
        if item in SELDOM:
            numbers.frombytes(struct.pack("i", item))
        return item

    return Case(work, range(150), left=numbers.tolist)


@case("library")
def work_for_a_pool_of_tasks() -> Case:
    """Four of the items put work on a queue by a bound method that a dict holds."""
    waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
    actions = {"put": waiting.put, "look": waiting.qsize}

    def work(item: int) -> int:
        compute()
        if item in SELDOM:
            actions["put"](item)
        return item

    return Case(work, range(150), left=lambda: [waiting.get() for _ in range(waiting.qsize())])


@case("library")
def member_of_an_archive_on_disk() -> Case:
    """Four of the items add themselves to an archive by its name."""
    path = folder() / "archive.zip"

    def work(item: int) -> int:
        compute()
        if item in SELDOM:
            with zipfile.ZipFile(path, "a") as archive:
                archive.writestr(f"item{item}", "text")
        return item

    return Case(work, range(150), left=lambda: zipfile.ZipFile(path, "a").namelist())


@case("library")
def protocol_answers() -> Case:
    """Tags of a protocol's commands: the class counts them."""

    class Client(imaplib.IMAP4):
        def __init__(self) -> None:
            self.tagpre, self.tagnum, self._encoding = b"A", 0, "ascii"
            self.tagged_commands: dict[bytes, Any] = {}

    client = Client()

    def work(item: int) -> bytes:
        compute()
        return client._new_tag() if item in SELDOM else b""

    return Case(work, range(150), left=lambda: client.tagnum)


@case("library")
def distribution_kept() -> Case:
    """One object gathers what all items have seen, through a method of a computed name."""

    class Seen(typing.NamedTuple):
        values: list[float]

    seen = Seen([])
    add = "app" + "end"

    def work(item: int) -> float:
        compute()
        if item in SELDOM:
            getattr(seen.values, add)(float(item))
        return statistics.fmean(seen.values) if seen.values else 0.0

    return Case(work, range(150))


@case("files")
def scratch_file_under_one_name() -> Case:
    """Each item writes the same scratch file, and reads it again."""
    path = os.path.join(folder(), "scratch")

    def work(item: int) -> str:
        nap()
        with open(path, "w") as file:
            file.write(str(item))
        nap()
        with open(path) as file:
            return file.read()

    return Case(work, range(130))
