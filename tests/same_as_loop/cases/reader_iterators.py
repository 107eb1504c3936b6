"""Sources and functions that talk to each other: reading ahead shows."""

import contextlib
import copy
import io
import itertools
import sqlite3
import xml.etree.ElementTree as ET
from collections import deque
from contextvars import ContextVar

from case import Case, case, compute, nap, release

TENANT = ContextVar("TENANT", default="nobody")


@case("iterators", effect=True)
def list_grows_while_it_is_walked():
    """Breadth first on a plain list: the function appends to the list that is the data."""
    todo = [1]

    def f(x):
        compute()
        todo.extend(child for child in (2 * x, 2 * x + 1) if child < 151)
        return x

    return Case(f, todo, left=lambda: todo)


@case("iterators", effect=True)
def crawler_feeds_its_own_source():
    """The source pops from a queue that the function fills."""
    frontier, known = deque([0]), {0}

    def pages():
        while frontier:
            yield frontier.popleft()

    def f(page):
        nap()
        links = [page * 2 % 127, (page * 3 + 1) % 127, (page + 5) % 127]
        for link in links:
            if link not in known:
                known.add(link)
                frontier.append(link)
        return len(known)

    return Case(f, pages(), left=lambda: (sorted(known), len(frontier)))


@case("iterators", effect=True)
def source_refills_one_buffer():
    """Like readinto: the same bytearray comes every time, with other contents."""

    def blocks():
        block = bytearray(16)
        for i in range(150):
            block[:] = bytes((i * k) % 256 for k in range(16))
            yield block

    def f(block):
        compute()
        return sum(block)

    return Case(f, blocks())


@case("iterators", effect=True)
def groups_of_groupby():
    """A group is empty as soon as the next one has been asked for."""
    rows = [(i // 3, i) for i in range(450)]
    groups = (group for _, group in itertools.groupby(rows, key=lambda row: row[0]))

    def f(group):
        compute()
        return [number for _, number in group]

    return Case(f, groups)


@case("iterators", effect=True)
def header_and_body_from_one_file():
    """The data are the lines of a file; for a header the function reads the next line itself."""
    text = io.StringIO("".join(f"HEAD {i}\nbody {i * i}\n" for i in range(140)))

    def f(line):
        nap()
        return line.strip(), next(text).strip()

    return Case(f, text, left=text.read)


@case("iterators", effect=True)
def source_works_under_a_name():
    """The source sets who it is for, around each yield; the function only reads it."""

    def rows():
        for i in range(150):
            token = TENANT.set(f"tenant {i % 4}")
            try:
                yield i
            finally:
                TENANT.reset(token)

    def f(row):
        compute()
        return f"{TENANT.get()}: {row}"

    return Case(f, rows(), left=TENANT.get)


@case("iterators", effect=True)
def source_keeps_a_diary():
    """What a progress bar sees: begun, done, begun, done."""
    diary = []

    def told(numbers):
        for number in numbers:
            diary.append(f"+{number}")
            yield number
        diary.append("end")

    def f(x):
        compute()
        diary.append(f"-{x}")
        return x

    return Case(f, told(range(150)), left=lambda: diary)


@case("iterators", effect=True)
def feedback_to_a_bisection():
    """The next question depends on the last answer, through a cell that both hold."""
    answer = [0]

    def questions():
        low, high = 0, 10**9
        for _ in range(150):
            middle = (low + high) // 2
            yield middle
            low, high = (middle, high) if answer[0] < 0 else (low, middle)
            if high - low < 2:
                low, high = 0, 10**9 + middle % 1000

    def f(guess):
        compute()
        answer[0] = -1 if guess * guess < 123456789012345 else 1
        return guess

    return Case(f, questions(), left=lambda: answer)


@case("iterators", effect=True)
def generator_resumed_with_send():
    """A generator with send(): a running mean, resumed by every item."""

    def mean():
        total, count = 0, 0
        while True:
            value = yield (total / count if count else None)
            total, count = total + value, count + 1

    running = mean()
    next(running)

    def f(x):
        nap()
        return round(running.send(x * 7 % 50), 9)

    return Case(f, range(130), left=lambda: running.send(0))


@case("iterators", effect=True)
def cycle_deals_cards():
    """next() of itertools.cycle in a dictionary of the closure."""
    table = {"players": itertools.cycle("NESW")}

    def f(card):
        compute()
        return next(table["players"]), card

    return Case(f, range(149), left=lambda: next(table["players"]))


@case("iterators", effect=True)
def in_operator_uses_up_an_iterator():
    """``x in iterator``: asking whether it is there consumes all before it."""
    squares = (i * i for i in range(150))

    def f(x):
        compute()
        return x in squares

    data = [i * i if i % 3 else i * i + 1 for i in range(2, 60)] + list(range(92))
    return Case(f, data, left=lambda: list(squares))


@case("iterators", effect=True)
def islice_takes_pages_from_a_stream():
    """Each item takes as many as it needs from one stream."""
    stream = iter(range(10**6))

    def f(size):
        release()
        return sum(itertools.islice(stream, size))

    return Case(f, [i % 7 for i in range(150)], left=lambda: next(stream))


@case("iterators", effect=True)
def parsed_elements_are_cleared():
    """iterparse: the function clears each element, and the tree that is built is the sum of it."""
    xml = "<log>" + "".join(f'<e n="{i}"><v>{i * 3}</v></e>' for i in range(150)) + "</log>"
    parser = ET.iterparse(io.BytesIO(xml.encode()))
    elements = (element for _, element in parser if element.tag == "e")

    def f(element):
        compute()
        value = int(element.findtext("v"))
        element.clear()
        return value

    return Case(f, elements, left=lambda: (len(parser.root), parser.root[7].attrib))


@case("iterators", effect=True)
def cursor_read_while_rows_change():
    """The data is a cursor; the function deletes rows that it has yet to reach."""
    base = sqlite3.connect(":memory:", isolation_level=None)
    base.execute("create table t (x integer primary key)")
    base.executemany("insert into t values (?)", [(i,) for i in range(160)])

    def f(row):
        nap()
        if row[0] % 10 == 3:
            base.execute("delete from t where x = ?", (row[0] + 100,))
        return row[0]

    cursor = base.execute("select x from t order by x")
    return Case(f, cursor, left=lambda: base.execute("select count(*) from t").fetchone())


@case("iterators", effect=True)
def source_has_a_finally():
    """The source is closed at its end; the function looks whether it is still open."""
    state = {"open": False}

    def lines():
        state["open"] = True
        try:
            yield from range(140)
        finally:
            state["open"] = False

    def f(x):
        nap()
        return x, state["open"]

    return Case(f, lines(), left=lambda: state)


class Sliding:
    """The old sequence protocol: __getitem__ alone; it notes which index was asked for."""

    def __init__(self):
        self.asked = []

    def __getitem__(self, index):
        self.asked.append(index)
        if index >= 150:
            raise IndexError(index)
        return index * 2


@case("iterators", effect=True)
def getitem_notes_and_function_looks():
    """How far the source has been asked is in the result."""
    source = Sliding()

    def f(x):
        compute()
        return x, len(source.asked)

    return Case(f, source, left=lambda: source.asked)


@case("iterators", effect=True)
def copies_of_an_iterator():
    """A copied list iterator is independent; the original is advanced through a nested helper."""
    numbers = iter(list(range(1000)))

    def peek():
        return next(copy.copy(numbers))

    def f(x):
        compute()
        ahead = peek()
        return ahead, next(numbers) if ahead <= x else None

    return Case(f, [i // 2 for i in range(150)], left=lambda: next(numbers))


@case("iterators", effect=True)
def suspended_context_manager_counts_bodies():
    """One context manager object of contextlib as decorator around pure work."""
    depth = {"most": 0, "now": 0, "all": 0}

    @contextlib.contextmanager
    def tracked():
        depth["now"] += 1
        depth["all"] += 1
        depth["most"] = max(depth["most"], depth["now"])
        yield
        depth["now"] -= 1

    @tracked()
    def f(x):
        nap()
        return x * 2

    return Case(f, range(130), left=lambda: depth)
