"""Items that are changed by the function, or good only until the next one is read."""

from __future__ import annotations

import ctypes
import io
import itertools
import tempfile
import xml.etree.ElementTree as ElementTree
from array import array
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from case import Case, case, compute, nap, release

ROWS = [(key, value) for key in range(150) for value in range(key % 7 + 1)]


@case("items changed")
def rows_with_a_new_key() -> Case:
    """The loop leaves a total in every row of the data."""
    rows: list[dict[str, int]] = [{"price": number, "count": number % 5} for number in range(150)]

    def work(row: dict[str, int]) -> int:
        compute()
        row["total"] = row["price"] * row["count"]
        return row["total"]

    return Case(work, rows, left=lambda: rows)


@case("items changed")
def lists_sorted() -> Case:
    """The loop leaves every list of the data sorted, while the largest value is returned."""
    lists = [[number * factor % 101 for factor in (7, 3, 5, 2)] for number in range(150)]

    def work(values: list[int]) -> int:
        compute()
        values.sort()
        return values[-1]

    return Case(work, lists, left=lambda: lists)


@dataclass
class _Job:
    number: int
    state: str = "new"
    notes: list[str] = field(default_factory=list)

    def run(self) -> int:
        compute()
        self.state = "done"
        self.notes.append(f"ran {self.number}")
        return self.number * 2


@case("items changed")
def jobs_run_by_their_own_method() -> Case:
    """The loop leaves every job done, with a note: the function is a method of the items."""
    jobs = [_Job(number) for number in range(150)]
    return Case(_Job.run, jobs, left=lambda: jobs)


@case("items changed")
def arrays_scaled() -> Case:
    """The loop leaves every array of the data scaled to one, while its sum is returned."""
    arrays = [np.arange(1.0, number + 3) for number in range(150)]

    def work(values: np.ndarray) -> float:
        release()
        total = float(values.sum())
        values /= total
        return total

    return Case(work, arrays, left=lambda: [round(float(one.sum()), 9) for one in arrays])


@case("items changed")
def shared_basket_in_the_items() -> Case:
    """The loop leaves all numbers in one basket that every item refers to."""
    basket: list[int] = []
    data = [(number, basket) for number in range(150)]

    def work(pair: tuple[int, list[int]]) -> int:
        number, into = pair
        nap()
        into.append(number)
        return number

    return Case(work, data, left=lambda: basket)


class _Node:
    def __init__(self, number: int, parent: _Node | None) -> None:
        self.number, self.parent, self.finished = number, parent, 0


@case("items changed")
def parents_of_items() -> Case:
    """The loop leaves in every parent how many of its children are finished."""
    parents = [_Node(number, None) for number in range(5)]
    nodes = [_Node(number, parents[number % 5]) for number in range(150)]

    def work(node: _Node) -> int:
        compute()
        if node.parent is not None:
            node.parent.finished += 1
        return node.number

    return Case(work, nodes, left=lambda: [parent.finished for parent in parents])


@case("items changed")
def iterators_as_items() -> Case:
    """The loop leaves iterators of which the first two values are gone."""
    data = [iter(range(number, number + 4)) for number in range(150)]

    def work(values: Iterator[int]) -> int:
        compute()
        return next(values) + next(values)

    return Case(work, data, left=lambda: [list(values) for values in data])


@case("items changed")
def open_files_as_items() -> Case:
    """The loop leaves files open at the place after their first line."""
    folder = Path(tempfile.mkdtemp())
    files = []
    for number in range(120):
        path = folder / f"{number}.txt"
        path.write_text(f"first {number}\nsecond {number}\n")
        files.append(path.open())

    def work(file: Any) -> str:
        compute()
        return file.readline()

    return Case(work, files, left=lambda: [file.read() for file in files])


@case("items changed")
def one_object_many_times() -> Case:
    """The results count how often the one object of the data has been met."""
    job = _Job(0)

    def work(one: _Job) -> int:
        compute()
        one.number += 1
        return one.number

    return Case(work, [job] * 150, left=lambda: job)


@case("items changed")
def bytes_flipped() -> Case:
    """The loop leaves the first byte of every item flipped: byte arrays, typed arrays, structures."""

    class Pair(ctypes.Structure):
        _fields_ = (("first", ctypes.c_int), ("second", ctypes.c_int))

    data: list[Any] = []
    for number in range(50):
        data += [bytearray([number, 7]), array("i", [number, 7]), Pair(number, 7)]

    def work(one: Any) -> int:
        compute()
        if isinstance(one, Pair):
            one.first ^= 255
            return one.first
        one[0] ^= 255
        return one[0]

    def left() -> list[int]:
        return [one.first if isinstance(one, Pair) else one[0] for one in data]

    return Case(work, data, left=left)


@case("items changed")
def queues_emptied() -> Case:
    """The loop leaves the queues of the data without their first entry."""
    queues = [deque([number, number + 1]) for number in range(150)]

    def work(queue: deque[int]) -> int:
        nap()
        return queue.popleft()

    return Case(work, queues, left=lambda: queues)


@case("items changed")
def elements_of_a_document() -> Case:
    """The loop leaves a document whose elements carry a mark."""
    root = ElementTree.fromstring("<r>" + "".join(f"<e n='{n}'/>" for n in range(150)) + "</r>")

    def work(element: ElementTree.Element) -> int:
        compute()
        element.set("seen", "yes")
        element.text = "x" * (int(element.get("n", "0")) % 4)
        return len(element.text)

    return Case(work, list(root), left=lambda: ElementTree.tostring(root))


@case("items changed")
def nested_deep_in_an_item() -> Case:
    """The loop leaves changed lists inside of tuples inside of the items."""
    data = [(number, {"path": ([number], "x")}) for number in range(150)]

    def work(pair: Any) -> int:
        compute()
        number, (path, _) = pair[0], pair[1]["path"]
        path.append(number * 2)
        return sum(path)

    return Case(work, data, left=lambda: data)


@case("items read on")
def groups_of_rows() -> Case:
    """The results are sums of groups that end when the next group is read."""

    def work(group: tuple[int, Iterator[tuple[int, int]]]) -> tuple[int, int]:
        compute()
        key, rows = group
        return key, sum(value for _, value in rows)

    return Case(work, itertools.groupby(ROWS, key=lambda row: row[0]))


@case("items read on")
def groups_of_rows_waiting() -> Case:
    """The results are sizes of groups that end when the next is read; items wait."""

    def work(group: tuple[int, Iterator[tuple[int, int]]]) -> tuple[int, int]:
        nap()
        return group[0], len(list(group[1]))

    return Case(work, itertools.groupby(ROWS, key=lambda row: row[0]))


@case("items read on")
def frames_in_one_array() -> Case:
    """The results are sums of frames that the data writes into one array after the other."""

    def frames() -> Iterator[np.ndarray]:
        frame = np.empty(1000)
        for number in range(150):
            frame[:] = number
            yield frame

    def work(frame: np.ndarray) -> float:
        compute()
        return float(frame.sum())

    return Case(work, frames())


@case("items read on")
def blocks_read_into_one_buffer() -> Case:
    """The results are first bytes of blocks that are read into one buffer."""
    source = io.BytesIO(b"".join(bytes([number]) * 100 for number in range(150)))

    def blocks() -> Iterator[bytearray]:
        buffer = bytearray(100)
        while source.readinto(buffer):
            yield buffer

    def work(block: bytearray) -> int:
        nap()
        return block[0] + block[-1]

    return Case(work, blocks())


@case("items read on")
def elements_cleared() -> Case:
    """The results are texts of elements that the data clears when the next is asked for."""
    text = "<r>" + "".join(f"<e><v>{number}</v></e>" for number in range(150)) + "</r>"

    def elements() -> Iterator[ElementTree.Element]:
        for _, element in ElementTree.iterparse(io.BytesIO(text.encode())):
            if element.tag == "e":
                yield element
                element.clear()

    def work(element: ElementTree.Element) -> str | None:
        compute()
        return element.findtext("v")

    return Case(work, elements())


@case("items read on")
def one_dict_for_all_rows() -> Case:
    """The results come from one dict that the data fills anew for every row."""

    def rows() -> Iterator[dict[str, int]]:
        row: dict[str, int] = {}
        for number in range(150):
            row.update(number=number, square=number * number)
            yield row

    def work(row: dict[str, int]) -> int:
        compute()
        return row["square"] - row["number"]

    return Case(work, rows())


@case("items read on")
def views_that_are_released() -> Case:
    """The results are sums of views that the data releases when the next is asked for."""
    data = bytes(range(200)) * 2

    def views() -> Iterator[memoryview]:
        for number in range(150):
            with memoryview(data)[number : number + 10] as view:
                yield view

    def work(view: memoryview) -> int:
        compute()
        return sum(view)

    return Case(work, views())


@case("items read on")
def files_closed_by_the_data() -> Case:
    """The results are contents of files that the data closes when the next is asked for."""
    folder = Path(tempfile.mkdtemp())
    for number in range(120):
        (folder / f"{number}.txt").write_text(f"text {number}")

    def files() -> Iterator[Any]:
        for number in range(120):
            with open(folder / f"{number}.txt") as file:
                yield file

    def work(file: Any) -> str:
        nap()
        return file.read()

    return Case(work, files())


@case("items read on")
def records_of_a_cursor_object() -> Case:
    """The results come from one record object whose fields the data moves on."""

    class Record:
        def __init__(self) -> None:
            self.values = [0, 0]

    def records() -> Iterator[Record]:
        record = Record()
        for number in range(150):
            record.values = [number, number + 1]
            yield record

    def work(record: Record) -> int:
        compute()
        return sum(record.values)

    return Case(work, records())


@case("items read on")
def links_found_on_the_way() -> Case:
    """The results are all pages that can be reached: the function adds to what the data gives."""
    frontier = deque([1])
    known = {1}

    def pages() -> Iterator[int]:
        while frontier:
            yield frontier.popleft()

    def visit(page: int) -> int:
        compute()
        for link in (page * 2, page * 2 + 1):
            if link <= 150 and link not in known:
                known.add(link)
                frontier.append(link)
        return page

    return Case(visit, pages(), left=lambda: sorted(known))


@case("items read on")
def data_that_ends_when_told() -> Case:
    """The loop ends when the function has found what it looks for: the data asks a flag."""
    found = {"it": False}

    def numbers() -> Iterator[int]:
        number = 0
        while not found["it"] and number < 1000:
            yield number
            number += 1

    def work(number: int) -> int:
        value = compute(number)
        if number == 140:
            found["it"] = True
        return value

    return Case(work, numbers(), left=lambda: found)


@case("items read on")
def data_that_follows_the_results() -> Case:
    """The items are worked out from the last result, which the function leaves for the data."""
    state = type("State", (), {"last": 1})()

    def numbers() -> Iterator[int]:
        for _ in range(150):
            yield state.last

    def work(number: int) -> int:
        compute()
        state.last = number * 3 % 1009
        return state.last

    return Case(work, numbers(), left=lambda: state.last)


@case("items read on")
def decoded_with_the_state_of_the_data() -> Case:
    """The results use a table that the data changes while it gives items."""
    table = {"scale": 0}

    def numbers() -> Iterator[int]:
        for number in range(150):
            table["scale"] = number // 10
            yield number

    def work(number: int) -> int:
        compute()
        return number * table["scale"]

    return Case(work, numbers(), left=lambda: table)
