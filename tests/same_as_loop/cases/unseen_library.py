"""Objects of the standard library, NumPy and pandas; written before the rules were looked at."""

from __future__ import annotations

import argparse
import array
import codecs
import configparser
import copyreg
import csv
import ctypes
import decimal
import difflib
import email.charset
import email.message
import graphlib
import heapq
import hmac
import html.parser
import io
import json
import linecache
import logging
import lzma
import mimetypes
import mmap
import os
import pathlib
import pickle
import queue
import random
import selectors
import shelve
import shutil
import socket
import sqlite3
import string
import struct
import tarfile
import tempfile
import threading
import types
import unittest.mock
import urllib.request
import uuid
import xml.dom.minidom
import xml.etree.ElementTree as ElementTree
import xml.sax
import zlib
from typing import Any

import numpy as np
import pandas as pd
from case import Case, case, toil

RARE = {29, 44, 61, 83}
N = 100


@case("library")
def unseen_nodes_appended_to_a_document() -> Case:
    """Rare items get an element in a shared document."""
    page = xml.dom.minidom.parseString("<all/>")

    def work(item: int) -> int:
        if item in RARE:
            node = page.createElement(f"n{item}")
            page.documentElement.appendChild(node)
        return toil(item)

    return Case(work, range(N), left=page.toxml)


@case("library")
def unseen_tree_text_of_rare_items() -> Case:
    """The text of a shared element is set by rare items."""
    root = ElementTree.fromstring("<a><b>0</b></a>")

    def work(item: int) -> int:
        for node in root.iter("b"):
            if item in RARE:
                node.text = str(item)
        return toil(item)

    return Case(work, range(N), left=lambda: ElementTree.tostring(root))


@case("library")
def unseen_sax_handler_counts_tags() -> Case:
    """A handler of a parser counts tags of all documents."""

    class Handler(xml.sax.ContentHandler):
        tags = 0

        def startElement(self, name: str, attributes: Any) -> None:  # noqa: N802
            self.tags += name == "b"

    handler = Handler()

    def work(item: int) -> int:
        toil()
        xml.sax.parseString(b"<a>" + b"<b/>" * (item % 3) + b"</a>", handler)
        return item

    return Case(work, range(N), left=lambda: handler.tags)


@case("library")
def unseen_links_found_by_a_parser() -> Case:
    """A parser of pages collects links in an attribute."""

    class Links(html.parser.HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.found: list[str | None] = []

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            self.found += [value for name, value in attrs if name == "href"]

    links = Links()

    def work(item: int) -> int:
        toil()
        links.feed(f'<p><a href="/{item}">x</a>' if item in RARE else "<p>nothing</p>")
        return item

    return Case(work, range(N), left=lambda: links.found)


@case("library")
def unseen_argument_added_by_rare_items() -> Case:
    """A parser of words learns options as they turn up."""
    parser = argparse.ArgumentParser(add_help=False)

    def work(item: int) -> int:
        if item in RARE:
            parser.add_argument(f"--n{item}")
        return toil(item)

    return Case(work, range(N), left=parser.format_usage)


@case("library")
def unseen_defaults_of_a_configuration() -> Case:
    """A configuration read in pieces."""
    config = configparser.ConfigParser()

    def work(item: int) -> int:
        if item % 20 == 15:
            config.read_string(f"[s{item}]\nvalue = {item}")
        return toil(item)

    return Case(work, range(N), left=lambda: {s: dict(config[s]) for s in config.sections()})


@case("library")
def unseen_header_replaced_by_rare_items() -> Case:
    """A message's header is replaced by item assignment after deletion."""
    message = email.message.Message()
    message["X-Worst"] = "0"

    def work(item: int) -> int:
        value = toil(item)
        if item in RARE:
            message.replace_header("X-Worst", str(item))
        return value

    return Case(work, range(N), left=message.items)


@case("library")
def unseen_level_name_of_logging() -> Case:
    """Rare items name a level of the logging module."""

    def work(item: int) -> int:
        if item in RARE:
            logging.addLevelName(item, f"LEVEL{item}")
        return toil(item)

    return Case(work, range(N), left=lambda: [logging.getLevelName(i) for i in sorted(RARE)])


@case("library")
def unseen_handler_added_by_rare_items() -> Case:
    """A logger gets one handler for each tenant that turns up."""
    logger = logging.getLogger("unseen.handlers")
    logger.handlers.clear()

    def work(item: int) -> int:
        if item in RARE:
            handler = logging.NullHandler()
            handler.set_name(f"tenant {item}")
            logger.addHandler(handler)
        return toil(item)

    return Case(work, range(N), left=lambda: [h.get_name() for h in logger.handlers])


@case("library")
def unseen_logging_disabled_on_the_way() -> Case:
    """From some item on nothing is logged any more."""
    logging.disable(logging.NOTSET)
    logger = logging.getLogger("unseen.disabled")

    def work(item: int) -> bool:
        toil()
        if item == 44:
            logging.disable(logging.CRITICAL)
        return logger.isEnabledFor(logging.ERROR)

    return Case(work, range(N), left=lambda: logging.root.manager.disable)


@case("library")
def unseen_member_added_to_an_archive() -> Case:
    """Rare items become members of an archive in memory."""
    out = io.BytesIO()
    archive = tarfile.open(fileobj=out, mode="w")  # noqa: SIM115

    def work(item: int) -> int:
        if item in RARE:
            info = tarfile.TarInfo(f"m{item}")
            info.size = 2
            archive.addfile(info, io.BytesIO(b"xx"))
        return toil(item)

    return Case(work, range(N), left=archive.getnames)


@case("library")
def unseen_compressor_shared_by_all() -> Case:
    """All items go through one compressor in turn."""
    packer = lzma.LZMACompressor(preset=0)
    pieces: dict[int, int] = {}

    def work(item: int) -> int:
        return len(packer.compress(str(toil(item)).encode() * 300))

    return Case(work, range(N), left=lambda: (len(packer.flush()), pieces))


@case("library")
def unseen_checksum_by_a_global_of_bytes() -> Case:
    """A running checksum is kept in a one-element list."""
    state = [0]

    def work(item: int) -> int:
        state[0] = zlib.crc32(str(toil(item)).encode(), state[0])
        return state[0]

    return Case(work, range(N), left=lambda: state)


@case("library")
def unseen_signature_of_all_items() -> Case:
    """A keyed hash takes in rare items."""
    mac = hmac.new(b"key", digestmod="sha256")

    def work(item: int) -> int:
        if item in RARE:
            mac.update(str(item).encode())
        return toil(item)

    return Case(work, range(N), left=mac.hexdigest)


@case("library")
def unseen_encoder_that_remembers() -> Case:
    """An incremental encoder writes its mark only once."""
    encoder = codecs.getincrementalencoder("utf-16")()

    def work(item: int) -> int:
        toil()
        return len(encoder.encode(str(item))) if item % 3 == 1 else 0

    return Case(work, range(N), left=encoder.getstate)


@case("library")
def unseen_dialect_registered_by_rare_items() -> Case:
    """Dialects are registered as they turn up."""
    for name in csv.list_dialects():
        if name.startswith("d"):
            csv.unregister_dialect(name)

    def work(item: int) -> int:
        if item in RARE:
            csv.register_dialect(f"d{item}", delimiter=";")
        return toil(item)

    return Case(work, range(N), left=csv.list_dialects)


@case("library")
def unseen_limit_of_fields_of_csv() -> Case:
    """A long field makes the limit larger, for all that follow."""
    csv.field_size_limit(131072)

    def work(item: int) -> int:
        if item in RARE:
            csv.field_size_limit(200_000 + item)
        return toil(item)

    return Case(work, range(N), left=csv.field_size_limit)


@case("library")
def unseen_reducer_by_rare_items() -> Case:
    """How a class is pickled is told when one is met."""

    class Thing:
        pass

    def work(item: int) -> int:
        if item in RARE:
            copyreg.pickle(Thing, lambda thing: (Thing, ()))  # type: ignore[arg-type,return-value]
        return toil(item)

    return Case(work, range(N), left=lambda: Thing in copyreg.dispatch_table)


@case("library")
def unseen_charset_by_rare_items() -> Case:
    """An alias of a character set is made when it is met."""
    email.charset.ALIASES.pop("strange", None)

    def work(item: int) -> int:
        if item in RARE:
            email.charset.add_alias("strange", f"utf-{item}")
        return toil(item)

    return Case(work, range(N), left=lambda: email.charset.ALIASES.get("strange"))


@case("library")
def unseen_adapter_of_a_database() -> Case:
    """How a class is stored is told to the database module when one is met."""

    class Money:
        pass

    sqlite3.adapters.pop((Money, sqlite3.PrepareProtocol), None)

    def work(item: int) -> int:
        if item in RARE:
            sqlite3.register_adapter(Money, str)
        return toil(item)

    left = lambda: (Money, sqlite3.PrepareProtocol) in sqlite3.adapters  # noqa: E731
    return Case(work, range(N), left=left)


@case("library")
def unseen_tables_of_types_read_again() -> Case:
    """A private table of file types learns from rare items."""
    table = mimetypes.MimeTypes()

    def work(item: int) -> int:
        if item in RARE:
            table.add_type("x/rare", f".r{item}")
        return toil(item)

    return Case(work, range(N), left=lambda: sorted(table.guess_all_extensions("x/rare")))


@case("library")
def unseen_jobs_taken_from_a_heap() -> Case:
    """Each item takes the most urgent job off a heap, by the object's own method."""

    class Agenda:
        def __init__(self) -> None:
            self.heap = [(i * 37 % 101, i) for i in range(N)]
            heapq.heapify(self.heap)

        def take(self) -> int:
            return heapq.heappop(self.heap)[1]

    agenda = Agenda()

    def work(item: int) -> int:
        toil()
        return agenda.take() if item % 2 else -1

    return Case(work, range(N), left=lambda: sorted(agenda.heap))


@case("library")
def unseen_queue_filled_by_rare_items() -> Case:
    """Rare items are put into a simple queue."""
    box: queue.SimpleQueue[int] = queue.SimpleQueue()

    def work(item: int) -> int:
        if item in RARE:
            box.put_nowait(item)
        return toil(item)

    return Case(work, range(N), left=box.qsize)


@case("library")
def unseen_nodes_done_of_a_graph() -> Case:
    """A sorter of dependences is told of each job that is done."""
    graph = graphlib.TopologicalSorter({i: {i - 1} if i % 10 else set() for i in range(N)})
    graph.prepare()

    def work(item: int) -> list[int]:
        ready = sorted(graph.get_ready())
        toil()
        graph.done(*ready)
        return ready

    return Case(work, range(12), left=graph.is_active)


@case("library")
def unseen_bits_in_a_structure() -> Case:
    """A field of a C structure is set by rare items."""

    class Flags(ctypes.Structure):
        _fields_ = (("worst", ctypes.c_int), ("count", ctypes.c_int))

    flags = Flags()

    def work(item: int) -> int:
        if item in RARE:
            flags.worst = item
        return toil(item)

    return Case(work, range(N), left=lambda: flags.worst)


@case("library")
def unseen_packed_into_a_bytearray_by_rare_items() -> Case:
    """Rare items pack a number into a place of a shared buffer."""
    buffer = bytearray(8 * N)
    pack = struct.Struct("<q").pack_into

    def work(item: int) -> int:
        if item in RARE:
            pack(buffer, 8 * item, item)
        return toil(item)

    return Case(work, range(N), left=lambda: zlib.crc32(buffer))


@case("library")
def unseen_array_of_numbers_grows() -> Case:
    """Rare items extend an array of numbers."""
    found = array.array("l")

    def work(item: int) -> int:
        value = toil(item)
        if item in RARE:
            found.extend([item, item + 1])
        return value

    return Case(work, range(N), left=lambda: found)


@case("library")
def unseen_words_of_a_memory_map() -> Case:
    """Rare items write a byte into anonymous memory that is private to the process."""
    memory = mmap.mmap(-1, 4096, flags=mmap.MAP_PRIVATE)

    def work(item: int) -> int:
        if item in RARE:
            memory[item] = 1
        return toil(item)

    return Case(work, range(N), left=lambda: sum(memory[:]))


@case("library")
def unseen_rows_of_a_database_in_memory() -> Case:
    """Rare items add a row to a database in memory, through an object."""

    class Store:
        def __init__(self) -> None:
            self.link = sqlite3.connect(":memory:", check_same_thread=False)
            self.link.execute("create table t(x)")

        def keep(self, item: int) -> None:
            with self.link as link:
                link.execute("insert into t values (?)", (item,))

    store = Store()

    def work(item: int) -> int:
        value = toil(item)
        if item in RARE:
            store.keep(item)
        return value

    left = lambda: store.link.execute("select x from t").fetchall()  # noqa: E731
    return Case(work, range(N), left=left)


@case("library")
def unseen_mock_configured_by_rare_items() -> Case:
    """What a mock returns is changed on the way."""
    service = unittest.mock.Mock(return_value=1)

    def work(item: int) -> int:
        toil()
        if item in RARE:
            service.configure_mock(return_value=item)
        return int(service(item))

    return Case(work, range(N), left=lambda: service.call_count)


@case("library")
def unseen_patch_that_is_started() -> Case:
    """A patch of a module's name is started by a rare item and never stopped."""
    patch = unittest.mock.patch("string.ascii_letters", "xyz")
    string.ascii_letters = "abc"

    def work(item: int) -> str:
        toil()
        if item == 44:
            patch.start()
        return string.ascii_letters

    return Case(work, range(N), left=lambda: string.ascii_letters)


@case("library")
def unseen_numbers_of_a_generator_for_rare_items() -> Case:
    """Only rare items draw from the caller's own generator."""
    rng = random.Random(3)

    def work(item: int) -> float:
        toil()
        return rng.random() if item in RARE else 0.0

    return Case(work, range(N), left=rng.random)


@case("library")
def unseen_bag_shuffled_by_rare_items() -> Case:
    """Rare items shuffle a shared list with a generator of their own."""
    deck = list(range(20))

    def work(item: int) -> int:
        toil()
        if item in RARE:
            random.Random(item).shuffle(deck)
        return deck[0]

    return Case(work, range(N), left=lambda: deck)


@case("library")
def unseen_precision_raised_by_rare_items() -> Case:
    """Rare items raise the precision of decimals, for all that follow."""
    decimal.getcontext().prec = 10

    def work(item: int) -> str:
        toil()
        if item in RARE:
            decimal.getcontext().prec += 1
        return str(decimal.Decimal(1) / decimal.Decimal(7))

    return Case(work, range(N), left=lambda: decimal.getcontext().prec)


@case("library")
def unseen_matcher_of_one_text() -> Case:
    """A matcher keeps the second text and is given the first by each item."""
    matcher: difflib.SequenceMatcher[str] = difflib.SequenceMatcher(b="abcdefgh")

    def work(item: int) -> float:
        matcher.set_seq1(str(toil(item)))
        return round(matcher.ratio(), 3)

    return Case(work, range(N), left=lambda: matcher.a)


@case("library")
def unseen_template_variables_in_a_proxy() -> Case:
    """A read-only view of a dict; rare items change the dict behind it."""
    table = {"a": 1}
    view = types.MappingProxyType(table)

    def work(item: int) -> int:
        toil()
        if item in RARE:
            table["a"] = item
        return view["a"]

    return Case(work, range(N), left=lambda: dict(view))


@case("library")
def unseen_hook_of_json_that_counts_rare_keys() -> Case:
    """A hook of a decoder notes keys that it does not know."""
    unknown: list[str] = []

    def hook(pairs: dict[str, Any]) -> dict[str, Any]:
        unknown.extend(key for key in pairs if key not in ("a", "b"))
        return pairs

    decode = json.JSONDecoder(object_hook=hook).decode

    def work(item: int) -> Any:
        toil()
        return decode('{"zz": 1}' if item in RARE else '{"a": 1}')

    return Case(work, range(N), left=lambda: unknown)


@case("library")
def unseen_pickler_with_a_persistent_table() -> Case:
    """A pickler of the user's gives numbers to the objects that it meets."""
    numbers: dict[str, int] = {}

    class Out(pickle.Pickler):
        def persistent_id(self, obj: Any) -> Any:
            if isinstance(obj, complex):
                return numbers.setdefault(str(obj), len(numbers))
            return None

    def work(item: int) -> int:
        toil()
        out = io.BytesIO()
        Out(out).dump([complex(item, 0)] if item in RARE else [item])
        return len(out.getvalue())

    return Case(work, range(N), left=lambda: numbers)


@case("library")
def unseen_opener_gets_headers() -> Case:
    """An opener of addresses gets a header when a rare item is met."""
    opener = urllib.request.build_opener()

    def work(item: int) -> int:
        if item in RARE:
            opener.addheaders.append(("X-Item", str(item)))
        return toil(item)

    return Case(work, range(N), left=lambda: opener.addheaders[1:])


@case("held")
def unseen_socket_registered_by_a_rare_item() -> Case:
    """A selector gets a socket when a rare item is met."""
    selector = selectors.DefaultSelector()
    pairs = socket.socketpair()

    def work(item: int) -> int:
        if item == 44:
            selector.register(pairs[0], selectors.EVENT_READ, "rare")
        return toil(item)

    return Case(work, range(N), left=lambda: [key.data for key in selector.get_map().values()])


@case("held")
def unseen_numbers_over_a_pair_of_sockets() -> Case:
    """A server in a thread doubles numbers; rare items ask it."""
    ours, theirs = socket.socketpair()

    def serve() -> None:
        while got := theirs.recv(4):
            theirs.sendall(struct.pack("<i", struct.unpack("<i", got)[0] * 2))

    threading.Thread(target=serve, daemon=True).start()

    def work(item: int) -> int:
        toil()
        if item % 5:
            return item
        ours.sendall(struct.pack("<i", item))
        return int(struct.unpack("<i", ours.recv(4))[0])

    return Case(work, range(N))


@case("files")
def unseen_rows_put_on_a_shelf() -> Case:
    """Rare items are put on a shelf that the caller keeps open."""
    folder = tempfile.mkdtemp()
    shelf = shelve.open(os.path.join(folder, "s"))  # noqa: SIM115

    def work(item: int) -> int:
        value = toil(item)
        if item in RARE:
            shelf[str(item)] = value
        return value

    return Case(work, range(N), left=lambda: sorted(shelf))


@case("files")
def unseen_rotating_log_of_rare_items() -> Case:
    """Rare items write a line; a file is moved aside when it has two."""
    folder = pathlib.Path(tempfile.mkdtemp())
    log = folder / "log"

    def work(item: int) -> int:
        value = toil(item)
        if item in RARE:
            if log.exists() and len(log.read_text().splitlines()) >= 2:
                shutil.move(log, folder / f"log.{item}")
            with log.open("a") as file:
                file.write(f"{item}\n")
        return value

    return Case(
        work, range(N), left=lambda: sorted((p.name, p.read_text()) for p in folder.iterdir())
    )


@case("files")
def unseen_counter_in_a_json_file() -> Case:
    """A count in a file is read and written by rare items."""
    path = os.path.join(tempfile.mkdtemp(), "count.json")
    with open(path, "w") as file:
        json.dump({"count": 0}, file)

    def bump() -> int:
        with open(path) as file:
            state = json.load(file)
        state["count"] += 1
        with open(path, "w") as file:
            json.dump(state, file)
        return int(state["count"])

    def work(item: int) -> int:
        toil()
        return bump() if item % 9 == 5 else 0

    return Case(work, range(N), left=lambda: open(path).read())


@case("files")
def unseen_two_lines_of_a_buffered_file() -> Case:
    """Rare items write to a file that is open, and what is written stays in its buffer."""
    file = tempfile.TemporaryFile("w+")  # noqa: SIM115

    def work(item: int) -> int:
        if item in RARE:
            print(item, file=file)
        return toil(item)

    def left() -> str:
        file.seek(0)
        return file.read()

    return Case(work, range(N), left=left)


@case("library")
def unseen_lines_kept_of_a_lazy_source() -> Case:
    """The cache of source lines learns texts of rare items."""
    for name in [name for name in linecache.cache if name.startswith("<r")]:
        del linecache.cache[name]

    def work(item: int) -> int:
        if item in RARE:
            linecache.cache[f"<r{item}>"] = (1, None, ["x\n"], f"<r{item}>")
        return toil(item)

    return Case(work, range(N), left=lambda: sorted(n for n in linecache.cache if n[:2] == "<r"))


@case("library")
def unseen_named_identifiers_in_order() -> Case:
    """Identifiers are made of the one before."""
    state = {"last": uuid.UUID(int=0)}

    def work(item: int) -> str:
        toil()
        state["last"] = uuid.uuid5(state["last"], str(item))
        return str(state["last"])[:8]

    return Case(work, range(N), left=lambda: state)


@case("numpy")
def unseen_diagonal_filled_by_rare_items() -> Case:
    """Rare items fill the diagonal of a shared matrix."""
    table = np.zeros((4, 4))

    def work(item: int) -> int:
        if item in RARE:
            np.fill_diagonal(table, item)
        return toil(item)

    return Case(work, range(N), left=table.tolist)


@case("numpy")
def unseen_positional_out_of_rare_items() -> Case:
    """A ufunc's third argument is where the result goes."""
    worst = np.zeros(3)

    def work(item: int) -> int:
        value = toil(item)
        if item in RARE:
            np.maximum(worst, item, worst)
        return value

    return Case(work, range(N), left=worst.tolist)


@case("numpy")
def unseen_missing_values_mended_in_place() -> Case:
    """Missing values of a shared array are mended when a rare item asks."""
    values = np.array([1.0, np.nan, 3.0])

    def work(item: int) -> float:
        toil()
        if item in RARE:
            np.nan_to_num(values, copy=False)
        return float(np.nansum(values)) + float(np.isnan(values).sum())

    return Case(work, range(N), left=values.tolist)


@case("numpy")
def unseen_running_sum_through_out() -> Case:
    """A running sum goes to a shared array by keyword."""
    out = np.zeros(5)

    def work(item: int) -> float:
        np.cumsum(np.arange(5) * (toil(item) % 7), out=out)
        return float(out[-1])

    return Case(work, range(N), left=out.tolist)


@case("numpy")
def unseen_row_through_an_iterator_of_arrays() -> Case:
    """An iterator over a shared array writes to it."""
    grid = np.zeros(6)

    def work(item: int) -> int:
        if item in RARE:
            with np.nditer(grid, op_flags=[["readwrite"]]) as cells:
                for cell in cells:
                    cell[...] = item
        return toil(item)

    return Case(work, range(N), left=grid.tolist)


@case("numpy")
def unseen_array_attribute_of_a_model() -> Case:
    """Weights of a model are moved a little for items that it gets wrong."""

    class Perceptron:
        def __init__(self) -> None:
            self.weights = np.array([0.5, -0.2])

        def learn(self, item: int) -> int:
            x = np.array([1.0, (toil(item) % 13) / 13 - 0.5])
            said = int(self.weights @ x > 0)
            if said != item % 2:
                self.weights += 0.1 * (item % 2 - said) * x
            return said

    model = Perceptron()
    return Case(model.learn, range(N), left=lambda: model.weights.round(6).tolist())


@case("numpy")
def unseen_permutation_of_own_generator() -> Case:
    """A generator of the caller permutes a shared array in place for rare items."""
    rng = np.random.default_rng(5)
    cards = np.arange(8)

    def work(item: int) -> int:
        toil()
        if item in RARE:
            rng.permuted(cards, out=cards)
        return int(cards[0])

    return Case(work, range(N), left=cards.tolist)


@case("numpy")
def unseen_error_handler_of_numpy() -> Case:
    """Rare items switch errors of NumPy off, for all that follow."""
    np.seterr(all="warn")

    def work(item: int) -> str:
        toil()
        if item in RARE:
            np.seterr(divide="ignore")
        return np.geterr()["divide"]

    return Case(work, range(N), left=np.geterr)


@case("numpy")
def unseen_column_inserted_into_a_table() -> Case:
    """Rare items put a column into a shared table."""
    table = pd.DataFrame({"a": [1, 2]})

    def work(item: int) -> int:
        if item in RARE:
            table.insert(1, f"c{item}", item)
        return toil(item)

    return Case(work, range(N), left=lambda: list(table.columns))


@case("numpy")
def unseen_series_updated_by_rare_items() -> Case:
    """Rare items update a shared series."""
    series = pd.Series([1, 2, 3])

    def work(item: int) -> int:
        if item in RARE:
            series.update(pd.Series([item], index=[1]))
        return toil(item)

    return Case(work, range(N), left=series.tolist)


@case("numpy")
def unseen_accessor_registered_by_a_rare_item() -> Case:
    """A table's last row is written by label, through ``loc``."""
    table = pd.DataFrame({"a": [0]})

    def work(item: int) -> int:
        value = toil(item)
        if item in RARE:
            table.loc[len(table)] = item
        return value

    return Case(work, range(N), left=lambda: table["a"].tolist())
