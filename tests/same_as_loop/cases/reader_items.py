"""Items that are changed, used up, shared, or that must come back as themselves."""

import functools
import threading
import types
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass, field
from operator import attrgetter, methodcaller

from case import Case, case, compute, nap, release


@case("items", effect=True)
def rows_sorted_in_place():
    """The result is the smallest; that the row is sorted now is not said."""
    rows = [[(i * k) % 17 for k in range(5, 0, -1)] for i in range(150)]

    def f(row):
        compute()
        row.sort()
        return row[0]

    return Case(f, rows, left=lambda: rows)


def cleaned(record):
    compute()
    name = record.pop("name", "?")
    return name.title()


@case("items", effect=True)
def field_popped_from_a_record():
    """A dict is an argument; pop shortens the caller's."""
    records = [{"id": i, "name": f"person {i}"} for i in range(150)]
    return Case(cleaned, records, left=lambda: records)


@dataclass
class Invoice:
    net: int
    gross: float = 0.0
    lines: list = field(default_factory=list)


@case("items", effect=True, documented=True)
def the_item_itself_comes_back():
    """Changed and returned: the results are the caller's own objects."""
    invoices = [Invoice(i) for i in range(150)]

    def f(invoice):
        nap()
        invoice.gross = invoice.net * 1.19
        return invoice

    return Case(f, invoices, left=lambda: sum(invoice.gross for invoice in invoices))


class Company:
    def __init__(self):
        self.wages = 0


class Worker:
    def __init__(self, company, wage):
        self.company, self.wage = company, wage


@case("items", effect=True)
def all_items_share_a_parent():
    """Each worker pays into the one company that all of them refer to."""
    company = Company()

    def f(worker):
        compute()
        worker.company.wages += worker.wage
        return worker.company.wages

    return Case(f, [Worker(company, i) for i in range(150)], left=lambda: vars(company))


@case("items", effect=True)
def one_list_many_times():
    """``[[0]] * 150``: the same list again and again."""

    def f(cell):
        compute()
        cell[0] += 1
        return tuple(cell)

    cells = [[0]] * 150
    return Case(f, cells, left=lambda: cells[149])


@case("items", effect=True)
def generators_as_items():
    """Each item is a generator; one step is taken, the caller goes on with the rest."""

    def steps(n):
        total = n
        while True:
            total += n
            yield total

    running = [steps(i) for i in range(150)]

    def f(generator):
        compute()
        return next(generator)

    return Case(f, running, left=lambda: [next(generator) for generator in running])


@case("items", effect=True)
def futures_are_fulfilled():
    """The items are promises that somebody holds."""
    promises = [Future() for _ in range(130)]
    heard = []
    promises[7].add_done_callback(lambda future: heard.append(future.result()))

    def f(promise):
        nap()
        promise.set_result(len(heard))
        return promise.done()

    return Case(f, promises, left=lambda: [promise.done() for promise in promises] + heard)


class Parcel:
    """Its volume is worked out once, and kept in the object."""

    def __init__(self, side):
        self.side = side

    @functools.cached_property
    def volume(self):
        return self.side**3


@case("items", effect=True)
def cached_property_fills_the_item():
    """Reads an attribute by attrgetter; the object has one more afterwards."""
    parcels = [Parcel(i) for i in range(150)]
    volume = attrgetter("volume")

    def f(parcel):
        compute()
        return volume(parcel)

    return Case(f, parcels, left=lambda: [sorted(vars(parcel)) for parcel in parcels])


@dataclass(frozen=True)
class Point:
    x: int
    length: float = 0.0


@case("items", effect=True)
def frozen_item_written_to():
    """object.__setattr__ on a frozen dataclass: frozen, but not for those who insist."""
    points = [Point(i) for i in range(150)]

    def f(point):
        compute()
        object.__setattr__(point, "length", point.x**0.5)
        return point.x

    return Case(f, points, left=lambda: points)


@case("items", effect=True)
def classes_as_items():
    """The items are classes; an attribute is set on each."""
    classes = [type(f"Model{i}", (), {"size": i}) for i in range(150)]

    def f(model):
        compute()
        model.label = f"{model.__name__.lower()}s"
        return model.size

    return Case(f, classes, left=lambda: [model.label for model in classes])


@case("items", effect=True)
def class_of_an_item_changes():
    """State machine by ``self.__class__ = Closed``."""

    class Open:
        def __init__(self, number):
            self.number = number

    class Closed(Open):
        pass

    doors = [Open(i) for i in range(150)]

    def f(door):
        compute()
        if door.number % 3:
            door.__class__ = Closed
        return door.number

    return Case(f, doors, left=lambda: [type(door).__name__ for door in doors])


@case("items", effect=True)
def neighbours_through_links():
    """Items are nodes of a chain: each takes something from the node before it."""

    class Node:
        def __init__(self, value, before):
            self.value, self.before = value, before

    nodes = [Node(1, None)]
    for i in range(1, 150):
        nodes.append(Node(i % 5, nodes[-1]))

    def f(node):
        compute()
        node.value += node.before.value if node.before else 0
        return node.value

    return Case(f, nodes, left=lambda: nodes[-1].value)


@case("items", effect=True)
def errors_get_notes():
    """add_note on exceptions that were collected earlier."""
    errors = [ValueError(f"line {i}") for i in range(150)]

    def f(error):
        compute()
        error.add_note(f"in {error.args[0].split()[1]}.txt")
        return str(error)

    return Case(f, errors, left=lambda: [error.__notes__ for error in errors])


@case("items", effect=True)
def methodcaller_is_the_function():
    """No Python function in sight: methodcaller('step') of objects that advance."""

    class Walker:
        def __init__(self, start):
            self.place = start

        def step(self):
            release()
            self.place += self.place % 7 + 1
            return self.place

    walkers = [Walker(i) for i in range(75)]
    return Case(methodcaller("step"), walkers * 2, left=lambda: [w.place for w in walkers])


@case("items", effect=True)
def items_carry_their_own_callback():
    """Each item brings a bound method; calling it is a push on the caller's deque."""
    done = deque(maxlen=40)
    items = [(i, done.append if i % 2 else done.appendleft) for i in range(150)]

    def f(item):
        number, tell = item
        compute()
        tell(number)
        return number

    return Case(f, items, left=lambda: done)


@case("items", effect=True)
def functions_as_items_get_attributes():
    """Functions are decorated in place: a mark is set on each."""
    functions = [types.FunctionType((lambda: 0).__code__, {}, f"view{i}") for i in range(150)]

    def f(view):
        compute()
        view.route = f"/{view.__name__}"
        return len(view.route)

    return Case(f, functions, left=lambda: [view.route for view in functions])


@case("items", effect=True)
def threads_are_started():
    """The items are threads, not yet begun."""
    places = [0] * 130
    threads = [
        threading.Thread(target=places.__setitem__, args=(i, i * i), daemon=True)
        for i in range(130)
    ]

    def f(thread):
        nap()
        thread.start()
        thread.join()
        return thread.is_alive()

    return Case(f, threads, left=lambda: places)


@case("items", effect=True)
def list_within_a_tuple():
    """Tuples cannot change; what is in them can."""
    pairs = [(i, [i]) for i in range(150)]

    def f(pair):
        compute()
        number, history = pair
        history *= 2
        return number

    return Case(f, pairs, left=lambda: pairs)


@case("items", effect=True)
def views_of_one_bytearray():
    """The items are memoryview slices; the caller owns the bytes."""
    memory = bytearray(range(150))
    views = [memoryview(memory)[i : i + 2] for i in range(150)]

    def f(view):
        nap()
        view[0] ^= 0xFF if len(view) == 2 and view[1] % 2 else 0x0F
        return view[0]

    return Case(f, views, left=memory.hex)
