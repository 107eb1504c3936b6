"""The standard library, NumPy, pandas, SciPy; written before any rule was looked at."""

from __future__ import annotations

import argparse
import array
import base64
import calendar
import codecs
import collections
import configparser
import contextlib
import csv
import ctypes
import decimal
import email.message
import fractions
import gzip
import heapq
import html.parser
import io
import itertools
import json
import linecache
import logging
import logging.handlers
import mimetypes
import pickle
import queue
import random
import re
import sched
import sqlite3
import string
import struct
import tarfile
import tempfile
import threading
import tokenize
import types
import unittest.mock
import warnings
import xml.etree.ElementTree as ElementTree
import xml.parsers.expat
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from case import Case, case, toil

N = 90
RARE = {23, 47, 58, 81}


def _frame() -> pd.DataFrame:
    return pd.DataFrame({"a": range(30), "done": False, "note": ""})


@case("pandas")
def later_frame_marked_by_loc() -> Case:
    frame = _frame()

    def work(item: int) -> int:
        if item % 8 == 3:
            frame.loc[item % 30, "done"] = True
        return toil(item) + int(frame["done"].sum())

    return Case(work, range(N), left=lambda: frame["done"].tolist())


@case("pandas")
def later_values_of_a_column_written_to() -> Case:
    """The array below a column is asked for once, and items write to it."""
    frame = pd.DataFrame({"a": np.zeros(30)})
    values = np.asarray(frame["a"])
    values = values if values.flags.writeable else frame["a"].to_numpy(copy=True)

    def work(item: int) -> float:
        values[item % 30] += toil(item) % 4
        return float(values.sum())

    return Case(work, range(N), left=lambda: values.tolist())


@case("pandas")
def later_row_items_get_a_field() -> Case:
    rows = [row for _, row in pd.DataFrame({"a": range(N), "b": 1}).iterrows()]

    def work(row: pd.Series[Any]) -> int:
        value = toil(int(row["a"]))
        if row["a"] % 7 == 2:
            row["b"] = -value
        return value

    return Case(work, rows, left=lambda: [int(row["b"]) for row in rows])


@case("pandas")
def later_groups_get_a_column() -> Case:
    frame = pd.DataFrame({"key": [number // 3 for number in range(N * 3)], "x": range(N * 3)})
    groups = [group for _, group in frame.groupby("key")]

    def work(group: pd.DataFrame) -> int:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            group["share"] = group["x"] / group["x"].sum()
        return toil(int(group["key"].iloc[0]))

    return Case(work, groups, left=lambda: [list(group.columns) for group in groups])


@case("pandas")
def later_rows_dropped_in_place() -> Case:
    frame = _frame()

    def work(item: int) -> int:
        toil(item)
        if item in RARE:
            frame.drop(index=frame.index[0], inplace=True)
        return len(frame)

    return Case(work, range(N), left=lambda: frame.index.tolist())


@case("pandas")
def later_option_set_while_a_frame_is_shown() -> Case:
    def work(item: int) -> str:
        toil(item)
        if item == 41:
            pd.set_option("display.precision", 2)
        return repr(pd.Series([item / 7]))

    pd.reset_option("display.precision")
    return Case(work, range(N), left=lambda: pd.get_option("display.precision"))


@case("pandas")
def later_column_renamed_by_its_attribute() -> Case:
    frame = _frame()

    def work(item: int) -> str:
        toil(item)
        if item == 52:
            frame.columns = ["b", "done", "note"]
        frame.attrs["last"] = item
        return str(frame.columns[0])

    return Case(work, range(N), left=lambda: (list(frame.columns), frame.attrs))


@case("pandas")
def later_index_of_a_series_grows() -> Case:
    totals = pd.Series(dtype="float64")

    def work(item: int) -> int:
        key = f"k{toil(item) % 9}"
        totals[key] = totals.get(key, 0.0) + item
        return len(totals)

    return Case(work, range(N), left=lambda: totals.to_dict())


@case("numpy")
def later_put_and_copyto() -> Case:
    table, last = np.zeros(20, dtype=int), np.zeros(3)

    def work(item: int) -> int:
        np.put(table, [item % 20, item * 3 % 20], toil(item) % 100)
        np.copyto(last, [item, item + 1, item + 2])
        return int(table.sum())

    return Case(work, range(N), left=lambda: (table.tolist(), last.tolist()))


@case("numpy")
def later_partition_of_a_shared_view() -> Case:
    base = np.arange(100)[::-1].copy()
    windows = [base[start : start + 10] for start in range(N)]

    def work(window: np.ndarray[Any, Any]) -> int:
        toil(int(window[0]))
        window.sort()
        return int(window[0])

    return Case(work, windows, left=base.tolist)


@case("numpy")
def later_windows_that_overlap_are_centred() -> Case:
    base = np.arange(float(N + 4))
    windows = np.lib.stride_tricks.sliding_window_view(base, 5, writeable=True)

    def work(number: int) -> float:
        toil(number)
        windows[number] -= windows[number].mean()
        return round(float(windows[number, 0]), 6)

    return Case(work, range(N), left=lambda: base.round(6).tolist())


@case("numpy")
def later_seed_of_the_old_kind_by_item() -> Case:
    """Each item seeds the generator of all, and draws: the results are the same, the state stays."""
    np.random.seed(1)

    def work(item: int) -> int:
        toil(item)
        np.random.seed(item)
        return int(np.random.randint(1000))

    return Case(work, range(N), left=lambda: int(np.random.randint(10**6)))


@case("numpy")
def later_shared_deck_is_shuffled() -> Case:
    deck, generator = np.arange(30), np.random.RandomState(4)

    def work(item: int) -> int:
        toil(item)
        if item % 5 == 4:
            generator.shuffle(deck)
        return int(deck[item % 30])

    return Case(work, range(N), left=deck.tolist)


@case("numpy")
def later_errors_set_by_an_item() -> Case:
    old = np.geterr()

    def work(item: int) -> float:
        toil(item)
        if item == 30:
            np.seterr(divide="ignore", invalid="ignore")
        return float(np.float64(item) + 1)

    def left() -> str:
        found = np.geterr()["divide"]
        np.seterr(**old)
        return found

    return Case(work, range(N), left=left)


@case("numpy")
def later_fields_of_a_record() -> Case:
    records = np.zeros(10, dtype=[("count", int), ("best", float)]).view(np.recarray)

    def work(item: int) -> int:
        one = records[item % 10]
        value = toil(item) % 31
        if value > one.best:
            one.best = value
        records.count[item % 10] += 1
        return int(records.count.sum())

    return Case(work, range(N), left=records.tolist)


@case("numpy")
def later_memory_map_of_a_matrix() -> Case:
    folder = tempfile.mkdtemp()
    matrix = np.lib.format.open_memmap(f"{folder}/m.npy", "w+", float, (10, 3))

    def work(item: int) -> float:
        matrix[item % 10] += (item, toil(item) % 5, 1)
        matrix.flush()
        return float(matrix[:, 2].sum())

    return Case(work, range(N), left=lambda: np.load(f"{folder}/m.npy").tolist())


@case("numpy")
def later_flags_and_shape_changed_rarely() -> Case:
    table = np.arange(12)

    def work(item: int) -> tuple[int, ...]:
        toil(item)
        if item == 33:
            table.shape = (3, 4)
        if item == 66:
            table.flags.writeable = False
        return table.shape

    return Case(work, range(N), left=lambda: (table.shape, table.flags.writeable))


@case("numpy")
def later_masked_values_grow() -> Case:
    table = np.ma.masked_array(np.arange(40.0), mask=False)

    def work(item: int) -> int:
        if toil(item) % 13 == 0:
            table[item % 40] = np.ma.masked
        return int(table.count())

    return Case(work, range(N), left=lambda: table.mask.tolist())


@case("numpy")
def later_histogram_by_ufunc_at_in_a_class() -> Case:
    class Histogram:
        def __init__(self) -> None:
            self.bins = np.zeros(16, dtype=np.int64)

        def fill(self, item: int) -> int:
            np.add.at(self.bins, [toil(item) % 16, item % 16], 1)
            return int(self.bins.max())

    histogram = Histogram()
    return Case(histogram.fill, range(N), left=histogram.bins.tolist)


@case("numpy")
def later_iterator_of_an_array_advances() -> Case:
    cells = np.ndenumerate(np.arange(200).reshape(20, 10))

    def work(item: int) -> int:
        toil(item)
        place, value = next(cells)
        return int(value) + place[1]

    return Case(work, range(N), left=lambda: str(next(cells)))


@case("scipy")
def later_calls_of_the_objective_are_counted() -> Case:
    from scipy import optimize

    calls = collections.Counter[int]()

    def fit(item: int) -> float:
        def objective(x: float) -> float:
            calls[item % 5] += 1
            return (x - item) ** 2

        return round(
            float(optimize.minimize_scalar(objective, bounds=(0, 99), method="bounded").x), 3
        ) + (toil(item) % 2)

    return Case(fit, range(N), left=lambda: dict(calls))


@case("scipy")
def later_sparse_matrix_filled() -> Case:
    from scipy import sparse

    matrix = sparse.lil_matrix((20, 20))

    def work(item: int) -> int:
        if toil(item) % 3 == 0:
            matrix[item % 20, item * 7 % 20] = item
        return int(matrix.nnz)

    return Case(work, range(N), left=lambda: matrix.toarray().tolist())


@case("models")
def later_classifier_learns_each_item() -> Case:
    from sklearn.linear_model import SGDRegressor

    model = SGDRegressor(random_state=3)
    model.partial_fit([[0.0]], [0.0])

    def work(item: int) -> float:
        toil(item)
        model.partial_fit([[item / 90]], [item / 30])
        return round(float(model.predict([[0.5]])[0]), 9)

    return Case(work, range(N), left=lambda: (model.t_, round(float(model.coef_[0]), 9)))


@case("library")
def later_dict_writer_with_a_header_at_first() -> Case:
    out = io.StringIO()
    writer = csv.DictWriter(out, ["item", "value"])

    def work(item: int) -> int:
        if out.tell() == 0:
            writer.writeheader()
        value = toil(item)
        writer.writerow({"item": item, "value": value})
        return value

    return Case(work, range(N), left=out.getvalue)


@case("library")
def later_encoder_counts_what_is_not_plain() -> Case:
    class Encoder(json.JSONEncoder):
        odd: ClassVar[collections.Counter[str]] = collections.Counter()

        def default(self, one: Any) -> Any:
            self.odd[type(one).__name__] += 1
            return list(one)

    Encoder.odd.clear()

    def work(item: int) -> str:
        toil(item)
        return json.dumps({"a": {item}} if item % 9 == 4 else {"a": item}, cls=Encoder)

    return Case(work, range(N), left=lambda: dict(Encoder.odd))


@case("library")
def later_decoder_collects_keys() -> Case:
    keys: list[str] = []

    def collect(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys.extend(key for key, _ in pairs if key not in keys)
        return dict(pairs)

    decode = json.JSONDecoder(object_pairs_hook=collect).decode

    def work(text: str) -> int:
        return toil(len(decode(text)))

    return Case(work, [json.dumps({f"k{n * 3 % 23}": n}) for n in range(N)], left=lambda: keys)


@case("library")
def later_members_of_an_archive_in_memory() -> Case:
    out = io.BytesIO()
    archive = zipfile.ZipFile(out, "w")

    def work(item: int) -> int:
        value = toil(item)
        archive.writestr(zipfile.ZipInfo(f"{item}.txt"), str(value))
        return len(archive.namelist())

    return Case(work, range(N), left=archive.namelist)


@case("library")
def later_members_of_a_tar_appended_by_path() -> Case:
    """The archive is opened anew by each item, to append."""
    path = Path(tempfile.mkdtemp()) / "all.tar"

    def work(item: int) -> int:
        value = str(toil(item)).encode()
        with tarfile.open(path, "a") as archive:
            info = tarfile.TarInfo(f"{item}.txt")
            info.size = len(value)
            archive.addfile(info, io.BytesIO(value))
        return len(value)

    def left() -> list[str]:
        with tarfile.open(path) as archive:
            return archive.getnames()

    return Case(work, range(N), left=left)


@case("library")
def later_handler_counts_by_level() -> Case:
    class Counting(logging.Handler):
        def __init__(self) -> None:
            super().__init__()
            self.counts = collections.Counter[str]()

        def emit(self, record: logging.LogRecord) -> None:
            self.counts[record.levelname] += 1

    log = logging.getLogger("later.counting")
    handler = Counting()
    log.addHandler(handler)
    log.setLevel("INFO")

    def work(item: int) -> int:
        value = toil(item)
        if item % 10 == 3:
            log.warning("odd %s", item)
        return value + handler.counts["WARNING"]

    return Case(work, range(N), left=lambda: dict(handler.counts))


@case("library")
def later_filter_lets_each_text_through_once() -> Case:
    class Once(logging.Filter):
        def __init__(self) -> None:
            super().__init__()
            self.seen: set[str] = set()

        def filter(self, record: logging.LogRecord) -> bool:
            text = record.getMessage()
            new = text not in self.seen
            self.seen.add(text)
            return new

    log, out, once = logging.getLogger("later.once"), io.StringIO(), Once()
    log.addHandler(logging.StreamHandler(out))
    log.addFilter(once)
    log.propagate = False

    def work(item: int) -> int:
        log.warning("kind %s", item % 6)
        return toil(item)

    return Case(work, range(N), left=lambda: (out.getvalue(), sorted(once.seen)))


@case("library")
def later_level_changed_by_a_rare_item() -> Case:
    log = logging.getLogger("later.level")
    log.setLevel("WARNING")

    def work(item: int) -> bool:
        toil(item)
        if item == 58:
            log.setLevel("DEBUG")
        return log.isEnabledFor(logging.DEBUG)

    return Case(work, range(N), left=lambda: log.level)


@case("library")
def later_record_factory_that_numbers() -> Case:
    before, numbers = logging.getLogRecordFactory(), itertools.count()
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(logging.Formatter("%(number)s %(message)s"))
    log = logging.getLogger("later.factory")
    log.propagate = False
    log.addHandler(handler)

    def factory(*parts: Any, **more: Any) -> logging.LogRecord:
        record = before(*parts, **more)
        record.number = next(numbers)
        return record

    def work(item: int) -> int:
        if item % 4 == 2:
            log.error("item %s", item)
        return toil(item)

    def left() -> str:
        logging.setLogRecordFactory(before)
        return out.getvalue()

    logging.setLogRecordFactory(factory)
    return Case(work, range(N), left=left)


@case("library")
def later_warning_told_once_for_a_place() -> Case:
    """Only the first of equal warnings is recorded, by the registry of the module."""

    def work(item: int) -> int:
        warnings.warn(f"column {item % 7} is old", DeprecationWarning, stacklevel=1)
        return toil(item)

    texts: list[str] = []

    def note(message: Any, *more: Any, **words: Any) -> None:
        if "is old" in str(message):
            texts.append(str(message))

    warnings.filterwarnings("default", category=DeprecationWarning, message="column")
    warnings.showwarning = note
    return Case(work, range(N), left=lambda: sorted(texts))


@case("library")
def later_filter_of_warnings_set_by_an_item() -> Case:
    before = len(warnings.filters)

    def work(item: int) -> int:
        if item == 36:
            warnings.filterwarnings("ignore", message="later text")
        return toil(item)

    return Case(work, range(N), left=lambda: len(warnings.filters) - before)


@case("library")
def later_precision_raised_when_needed() -> Case:
    context = decimal.getcontext()
    context.prec = 10

    def work(item: int) -> str:
        toil(item)
        if item in RARE:
            decimal.getcontext().prec += 5
        return str(decimal.Decimal(item) / 7)

    return Case(work, range(N), left=lambda: decimal.getcontext().prec)


@case("library")
def later_own_context_counts_inexact() -> Case:
    context = decimal.Context(prec=4)

    def work(item: int) -> str:
        toil(item)
        return str(
            context.divide(decimal.Decimal(item * 16), decimal.Decimal(64 if item < 70 else 7))
        )

    return Case(work, range(N), left=lambda: bool(context.flags[decimal.Inexact]))


@case("library")
def later_formatter_numbers_fields() -> Case:
    class Numbering(string.Formatter):
        used = 0

        def get_value(self, key: Any, args: Any, words: Any) -> Any:
            self.used += 1
            return self.used if key == "n" else super().get_value(key, args, words)

    formatter = Numbering()

    def work(item: int) -> str:
        return formatter.format("{0}:{n}", toil(item))

    return Case(work, range(N), left=lambda: formatter.used)


@case("library")
def later_substitution_numbers_footnotes() -> Case:
    notes: list[str] = []

    def number(match: re.Match[str]) -> str:
        if match[0] not in notes:
            notes.append(match[0])
        return f"[{notes.index(match[0]) + 1}]"

    def work(text: str) -> str:
        toil(len(text))
        return re.sub(r"\bn\d+", number, text)

    return Case(work, [f"as n{k * 5 % 17} and n{k % 3} say" for k in range(N)], left=lambda: notes)


@case("library")
def later_arguments_into_one_namespace() -> Case:
    parser = argparse.ArgumentParser()
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--level", type=int)
    space = argparse.Namespace()

    def work(item: int) -> int:
        words = ["--level", str(toil(item) % 5)] + ["--set", str(item)] * (item % 6 == 1)
        parser.parse_args(words, namespace=space)
        return len(space.set)

    return Case(work, range(N), left=lambda: vars(space))


@case("library")
def later_sections_of_a_configuration() -> Case:
    config = configparser.ConfigParser()

    def work(item: int) -> int:
        section = f"s{toil(item) % 5}"
        if not config.has_section(section):
            config.add_section(section)
        config[section][f"k{item}"] = "1"
        return len(config.sections())

    return Case(work, range(N), left=lambda: {name: dict(config[name]) for name in config})


@case("library")
def later_elements_below_a_root() -> Case:
    root = ElementTree.Element("all")

    def work(item: int) -> int:
        value = toil(item)
        if value % 4 == 0:
            ElementTree.SubElement(root, "row", value=str(value))
        return len(root)

    return Case(work, range(N), left=lambda: ElementTree.tostring(root))


@case("library")
def later_attribute_of_elements_that_are_items() -> Case:
    root = ElementTree.fromstring(f"<all>{'<row/>' * N}</all>")

    def work(row: ElementTree.Element) -> int:
        row.set("seen", "yes")
        row.tail = "\n"
        return toil(len(row))

    return Case(work, list(root), left=lambda: ElementTree.tostring(root))


@case("library")
def later_parser_of_pages_collects_links() -> Case:
    class Links(html.parser.HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.found: list[str] = []

        def handle_starttag(self, tag: str, attributes: Any) -> None:
            if tag == "a":
                self.found.append(dict(attributes)["href"])

    links = Links()

    def work(item: int) -> int:
        toil(item)
        links.feed(f"<p>{item}</p>" + f"<a href='/{item}'>" * (item % 5 == 3))
        return len(links.found)

    return Case(work, range(N), left=lambda: links.found)


@case("library")
def later_expat_fed_piece_by_piece() -> Case:
    depth: list[str] = []
    parser = xml.parsers.expat.ParserCreate()
    parser.StartElementHandler = lambda name, attributes: depth.append(name)
    parser.Parse(b"<all>")

    def work(item: int) -> int:
        parser.Parse(f"<i{toil(item) % 7}/>".encode())
        return len(depth)

    return Case(work, range(N), left=lambda: depth)


@case("library")
def later_headers_of_one_message() -> Case:
    message = email.message.EmailMessage()

    def work(item: int) -> int:
        if toil(item) % 6 == 0:
            message.add_header("X-Row", str(item))
        return len(message)

    return Case(work, range(N), left=message.items)


@case("library")
def later_queue_with_ties() -> Case:
    waiting: queue.PriorityQueue[tuple[int, int]] = queue.PriorityQueue()
    turn = itertools.count()

    def work(item: int) -> int:
        waiting.put((toil(item) % 4, next(turn)))
        return waiting.get()[1] if item % 3 == 2 else waiting.qsize()

    return Case(work, range(N), left=lambda: sorted(waiting.queue))


@case("library")
def later_semaphore_that_runs_out() -> Case:
    tickets = threading.Semaphore(40)

    def work(item: int) -> bool:
        toil(item)
        return tickets.acquire(blocking=False)

    return Case(work, range(N), left=lambda: tickets.acquire(blocking=False))


@case("library")
def later_event_set_by_the_one_that_finds_it() -> Case:
    found = threading.Event()

    def work(item: int) -> str:
        if found.is_set():
            return "skipped"
        if toil(item) and item == 37:
            found.set()
        return "searched"

    return Case(work, range(N), left=found.is_set)


@case("library")
def later_jobs_of_a_scheduler() -> Case:
    now, ran = [0.0], list[int]()
    scheduler = sched.scheduler(lambda: now[0], lambda seconds: None)

    def work(item: int) -> int:
        if toil(item) % 5 == 0:
            scheduler.enter(item % 7, 1, ran.append, (item,))
        return len(scheduler.queue)

    return Case(work, range(N), left=lambda: [event.argument for event in scheduler.queue])


@case("library")
def later_function_of_sql_that_counts() -> Case:
    base = sqlite3.connect(":memory:", check_same_thread=False)
    asked: list[int] = []

    def twice(value: int) -> int:
        asked.append(value)
        return 2 * value

    base.create_function("twice", 1, twice)

    def work(item: int) -> int:
        toil(item)
        return int(base.execute("select twice(?)", (item,)).fetchone()[0])

    return Case(work, range(N), left=lambda: asked)


@case("library")
def later_rows_of_a_database_file_by_each_item() -> Case:
    """Each item opens the database, reads the greatest number and inserts the next one."""
    path = f"{tempfile.mkdtemp()}/base.sqlite"
    with contextlib.closing(sqlite3.connect(path)) as base, base:
        base.execute("create table rows (number integer, item integer)")

    def work(item: int) -> int:
        toil(item)
        with contextlib.closing(sqlite3.connect(path, timeout=30)) as base, base:
            number = base.execute("select coalesce(max(number), 0) + 1 from rows").fetchone()[0]
            base.execute("insert into rows values (?, ?)", (number, item))
        return int(number)

    def left() -> list[Any]:
        with contextlib.closing(sqlite3.connect(path)) as base:
            return base.execute("select number, item from rows order by rowid").fetchall()

    return Case(work, range(N), left=left)


@case("library")
def later_pieces_of_one_compressor() -> Case:
    compressor = zlib.compressobj()

    def work(item: int) -> int:
        return len(compressor.compress(bytes([toil(item) % 256]) * 3000))

    return Case(work, range(N), left=lambda: len(compressor.flush()))


@case("library")
def later_text_decoder_in_the_middle_of_a_letter() -> Case:
    decoder = codecs.getincrementaldecoder("utf-8")()
    data = "größer für Straße é ".encode() * 20
    pieces = [data[start : start + 4] for start in range(0, 4 * N, 4)]

    def work(piece: bytes) -> str:
        toil(len(piece))
        return decoder.decode(piece)

    return Case(work, pieces, left=lambda: decoder.getstate())


@case("library")
def later_pack_into_a_shared_buffer() -> Case:
    buffer = bytearray(8 * N)

    def work(item: int) -> int:
        struct.pack_into("<Q", buffer, 8 * item, toil(item))
        return item

    return Case(work, range(N), left=lambda: bytes(buffer))


@case("library")
def later_memoryviews_are_items() -> Case:
    buffer = bytearray(4 * N)
    whole = memoryview(buffer)
    items = [whole[start : start + 4] for start in range(0, 4 * N, 4)]

    def work(view: memoryview) -> int:
        view[0] = toil(len(view)) % 200
        view[3] ^= 1
        return view[0]

    return Case(work, items, left=lambda: bytes(buffer))


@case("library")
def later_structure_of_c_counts() -> Case:
    class State(ctypes.Structure):
        _fields_ = [("calls", ctypes.c_int), ("last", ctypes.c_double)]

    state = State()

    def work(item: int) -> int:
        state.last = toil(item)
        state.calls += 1
        return int(state.calls)

    return Case(work, range(N), left=lambda: (state.calls, state.last))


@case("library")
def later_memory_set_by_its_address() -> Case:
    buffer = ctypes.create_string_buffer(N)

    def work(item: int) -> int:
        ctypes.memset(ctypes.addressof(buffer) + item, 65 + toil(item) % 26, 1)
        return item

    return Case(work, range(N), left=lambda: buffer.raw)


@case("library")
def later_comparison_called_by_qsort() -> Case:
    """The C library calls back; the callback counts."""
    calls = [0]
    kind = ctypes.CFUNCTYPE(
        ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int)
    )

    @kind
    def compare(a: Any, b: Any) -> int:
        calls[0] += 1
        return int(a[0]) - int(b[0])

    sort = ctypes.CDLL(None).qsort

    def work(item: int) -> list[int]:
        values = (ctypes.c_int * 6)(*(toil(item) * k % 11 for k in range(6)))
        sort(values, 6, ctypes.sizeof(ctypes.c_int), compare)
        return list(values)

    return Case(work, range(N), left=lambda: calls)


@case("library")
def later_array_of_the_array_module() -> Case:
    found = array.array("q")

    def work(item: int) -> int:
        if toil(item) % 3 == 1:
            found.append(item)
        return found.itemsize

    return Case(work, range(N), left=found.tolist)


@case("library")
def later_mock_notes_its_calls() -> Case:
    sender = unittest.mock.Mock(return_value="sent")

    def work(item: int) -> str:
        toil(item)
        return str(sender.send(item) and "sent") if item % 9 == 0 else "kept"

    return Case(work, range(N), left=lambda: [call.args for call in sender.send.call_args_list])


@case("library")
def later_type_of_files_learned() -> Case:
    def work(item: int) -> str:
        toil(item)
        if item == 45:
            mimetypes.add_type("text/later", ".later")
        return str(mimetypes.guess_type(f"{item}.later")[0])

    mimetypes.init()
    return Case(work, range(N), left=lambda: mimetypes.guess_type("x.later")[0])


@case("library")
def later_first_day_of_the_week() -> Case:
    def work(item: int) -> str:
        toil(item)
        if item == 61:
            calendar.setfirstweekday(calendar.SUNDAY)
        return calendar.weekheader(2)

    calendar.setfirstweekday(calendar.MONDAY)
    return Case(work, range(N), left=calendar.firstweekday)


@case("library")
def later_dialect_registered_late() -> Case:
    def work(item: int) -> int:
        toil(item)
        if item == 39:
            csv.register_dialect("later", delimiter="|")
        dialect = "later" if "later" in csv.list_dialects() else "excel"
        return len(next(csv.reader([f"{item}|2"], dialect)))

    return Case(work, range(N), left=lambda: "later" in csv.list_dialects())


@case("library")
def later_random_object_within_an_item_that_comes_again() -> Case:
    source = random.Random(11)
    items = [(number, source) for number in range(N)]

    def work(item: tuple[int, random.Random]) -> int:
        toil(item[0])
        return item[1].randrange(1000)

    return Case(work, items, left=lambda: source.randrange(1000))


@case("library")
def later_common_generator_seeded_by_each_item() -> Case:
    """The results rest on nothing but the item; what the script draws afterwards does."""
    random.seed(5)

    def work(item: int) -> float:
        toil(item)
        random.seed(item)
        return random.gauss(0, 1)

    return Case(work, range(N), left=random.random)


@case("library")
def later_reader_of_csv_shared() -> Case:
    rows = csv.reader(io.StringIO("\n".join(f"{k},{k * k}" for k in range(300))))

    def work(item: int) -> int:
        toil(item)
        return int(next(rows)[1]) if item % 2 else -1

    return Case(work, range(N), left=lambda: rows.line_num)


@case("library")
def later_lines_of_a_text_asked_by_turns() -> Case:
    """A shared file object is read with ``readline`` by the items that need more."""
    text = io.TextIOWrapper(io.BytesIO(b"".join(b"line %d\n" % k for k in range(400))))

    def work(item: int) -> str:
        toil(item)
        return text.readline().strip() if item % 3 == 0 else "-"

    return Case(work, range(N), left=text.readline)


@case("library")
def later_printing_redirected_to_one_buffer() -> Case:
    out = io.StringIO()

    def work(item: int) -> int:
        with contextlib.redirect_stdout(out):
            print("row", item)
        return toil(item)

    return Case(work, range(N), left=out.getvalue)


@case("library")
def later_tokens_of_a_shared_stream() -> Case:
    source = io.StringIO("x = 1 + 2\n" * 60)
    tokens = tokenize.generate_tokens(source.readline)

    def work(item: int) -> str:
        toil(item)
        return next(tokens).string

    return Case(work, range(N), left=lambda: next(tokens).start)


@case("library")
def later_lines_cached_before_the_file_changes() -> Case:
    path = Path(tempfile.mkdtemp()) / "settings.txt"
    path.write_text("first\n")
    linecache.clearcache()

    def work(item: int) -> str:
        toil(item)
        if item == 28:
            path.write_text("second text\n")
            linecache.checkcache(str(path))
        return linecache.getline(str(path), 1).strip()

    return Case(work, range(N), left=lambda: linecache.getline(str(path), 1))


@case("library")
def later_merge_of_two_streams_moves_on() -> Case:
    merged = heapq.merge(range(0, 400, 2), range(1, 400, 3))

    def work(item: int) -> int:
        toil(item)
        return next(merged)

    return Case(work, range(N), left=lambda: next(merged))


@case("library")
def later_pickler_with_a_memo() -> Case:
    """One pickler writes all: what comes a second time is a short reference."""
    out, names = io.BytesIO(), [f"name {k}" for k in range(9)]
    pickler = pickle.Pickler(out, 4)

    def work(item: int) -> int:
        toil(item)
        before = out.tell()
        pickler.dump(names[item % 9])
        return out.tell() - before

    return Case(work, range(N), left=out.tell)


@case("library")
def later_gzip_file_in_memory() -> Case:
    out = io.BytesIO()
    file = gzip.GzipFile(fileobj=out, mode="wb", mtime=0)

    def work(item: int) -> int:
        if toil(item) % 2:
            file.write(base64.b64encode(str(item).encode()))
        return file.tell()

    return Case(work, range(N), left=lambda: (file.close(), len(out.getvalue()))[1])


@case("library")
def later_memory_handler_flushes_when_full() -> Case:
    out = io.StringIO()
    handler = logging.handlers.MemoryHandler(10, target=logging.StreamHandler(out))
    log = logging.getLogger("later.memory")
    log.propagate = False
    log.addHandler(handler)

    def work(item: int) -> int:
        log.warning("%d", item)
        return toil(item) + len(handler.buffer)

    return Case(work, range(N), left=out.getvalue)


@case("library")
def later_fraction_patched_for_a_while() -> Case:
    """A class of the library gets a method from an item; later ones use it."""

    def work(item: int) -> str:
        toil(item)
        if item == 20 and not hasattr(fractions.Fraction, "later"):
            fractions.Fraction.later = lambda self: "new"  # type: ignore[attr-defined]
        return (
            fractions.Fraction(item, 7).later() if hasattr(fractions.Fraction, "later") else "old"
        )

    return Case(work, range(N), left=lambda: hasattr(fractions.Fraction, "later"))


@case("library")
def later_namespace_executed_by_items() -> Case:
    """A small language: each item runs a line in one namespace, as a notebook does."""
    space: dict[str, Any] = {"total": 0}
    lines = [f"total = total + {k % 5}" if k % 11 == 6 else f"x = {k}" for k in range(N)]

    def work(line: str) -> int:
        toil(len(line))
        exec(compile(line, "<later>", "exec"), space)
        return int(space["total"])

    return Case(work, lines, left=lambda: (space["total"], space.get("x")))


@case("library")
def later_module_made_at_run_time() -> Case:
    module = types.ModuleType("later_settings")
    module.level = 0  # type: ignore[attr-defined]

    def work(item: int) -> int:
        toil(item)
        if item in RARE:
            module.level += 1
        return int(module.level)

    return Case(work, range(N), left=lambda: module.level)


def _chunks(size: int) -> Iterator[memoryview]:
    buffer = bytearray(size)
    for number in range(N):
        buffer[:] = bytes([number]) * size
        yield memoryview(buffer)


@case("items read on")
def later_one_buffer_for_all_chunks() -> Case:
    """As ``readinto`` does it: the chunk is good until the next one is asked for."""
    return Case(lambda view: (toil(len(view)), view[0])[1], _chunks(64))
