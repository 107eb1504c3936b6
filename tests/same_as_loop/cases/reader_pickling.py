"""Values that are not the same once they have been through a pickle."""

import math
import re
import sys
from dataclasses import dataclass

import numpy as np
from case import Case, case, compute, nap

NO_LIMIT = object()
MISSING = (math.nan, -999.0)
TABLE = np.arange(600).reshape(150, 4)


class Failure:
    """What went wrong, with the error under the error."""

    def __init__(self, error):
        self.error = error

    def __repr__(self):
        return f"{self.error!r} because of {self.error.__cause__!r}"


def parsed(number):
    compute()
    try:
        try:
            return 1000 // (number % 9)
        except ZeroDivisionError as cause:
            raise ValueError(number) from cause
    except ValueError as error:
        return Failure(error)


@case("pickling", effect=True)
def cause_of_a_returned_exception():
    """Pickling an exception forgets its __cause__."""
    return Case(parsed, range(150))


@dataclass
class Quota:
    used: int
    limit: object = NO_LIMIT


def room(quota):
    compute()
    return "any" if quota.limit is NO_LIMIT else quota.limit - quota.used


@case("pickling", effect=True)
def sentinel_compared_by_is():
    """A marker made by object() is another one once it has been copied."""
    return Case(room, [Quota(i, 200) if i % 3 else Quota(i) for i in range(150)])


def filled(number):
    compute()
    return 0.0 if number in MISSING else number


@case("pickling", effect=True)
def nan_found_by_identity():
    """``nan in MISSING`` holds for the very object only."""
    return Case(filled, [math.nan if i % 6 == 1 else i / 4 for i in range(150)])


@case("pickling", effect=True)
def table_keyed_by_objects():
    """Items without __eq__ are the keys of a dict; a copy is no key."""

    class City:
        def __init__(self, name):
            self.name = name

    cities = [City(f"c{i}") for i in range(150)]
    population = {city: i * 1000 for i, city in enumerate(cities)}

    def f(city):
        compute()
        return population.get(city, "unknown")

    return Case(f, cities)


class Node:
    """Prints whether it is still the one that the register knows."""

    known = {}  # noqa: RUF012

    def __init__(self, key):
        self.key = key
        Node.known[key] = self

    def __repr__(self):
        return f"{self.key}:{'known' if Node.known[self.key] is self else 'a copy'}"


@case("pickling", effect=True)
def results_are_objects_of_the_caller():
    """A lookup returns the caller's own objects, to be changed later."""
    nodes = [Node(i) for i in range(20)]

    def f(x):
        compute()
        return nodes[x * x % 20]

    return Case(f, range(150))


class Session:
    """Leaves out its key when it is pickled, as it should."""

    def __init__(self, number):
        self.number, self.key = number, f"secret {number}"

    def __getstate__(self):
        return {"number": self.number, "key": None}

    def __repr__(self):
        return f"Session({self.number}, {self.key})"


def logged_in(number):
    compute()
    return Session(number)


@case("pickling", effect=True)
def state_left_out_of_a_pickle():
    """A new object each time; its __getstate__ drops what must not leave the process."""
    return Case(logged_in, range(150))


class Feed:
    """Closes itself before it is pickled."""

    def __init__(self, number):
        self.number, self.open = number, True

    def __getstate__(self):
        self.open = False
        return vars(self)


@case("pickling", effect=True)
def pickling_changes_the_item():
    """The function only reads; to send an item elsewhere would close it."""
    feeds = [Feed(i) for i in range(150)]

    def f(feed):
        compute()
        return feed.number * 2

    return Case(f, feeds, left=lambda: [feed.open for feed in feeds])


@case("pickling", effect=True)
def matches_cannot_be_pickled():
    """re.Match as a result: pure, and at home in its process only."""
    pattern = re.compile(r"(\w)(\d+)")

    def f(text):
        nap()
        return pattern.search(text)

    return Case(f, [f"--x{i}" if i % 4 else "none" for i in range(130)])


class Chain:
    """A linked list, deeper than a pickle may go."""

    def __init__(self, value, rest):
        self.value, self.rest = value, rest

    def __repr__(self):
        node, length, total = self, 0, 0
        while node is not None:
            length, total, node = length + 1, total + node.value, node.rest
        return f"Chain of {length}, {total}"


def linked(number):
    nap()
    node = None
    for i in range(sys.getrecursionlimit() * 2 + number):
        node = Chain(i, node)
    return node


@case("pickling", effect=True)
def results_too_deep_to_pickle():
    """Long linked lists: pickle recurses, and fails."""
    return Case(linked, range(130))


class Later:
    """A lazy result: numbers come when somebody looks."""

    def __init__(self, numbers):
        self.numbers, self.seen = numbers, None

    def __repr__(self):
        if self.seen is None:
            self.seen = list(self.numbers)
        return f"Later({self.seen})"


@case("pickling", effect=True)
def results_are_lazy():
    """Each result holds a generator that looks at the caller's list when it is read."""
    offsets = []

    def f(x):
        nap()
        return Later(x + offset for offset in offsets)

    def left():
        offsets.append(7)
        return offsets

    return Case(f, range(130), left=left)


class Window:
    """Rows of a table, which it shares."""

    def __init__(self, rows):
        self.rows = rows

    def __repr__(self):
        return f"{self.rows.tolist()} {'shared' if np.shares_memory(self.rows, TABLE) else 'own'}"


def window(number):
    compute()
    return Window(TABLE[number, 1:3])


@case("pickling", effect=True)
def results_are_views_of_the_table():
    """Writing to a result later is meant to write to the table."""
    return Case(window, range(150))


class Refused(Exception):
    """Made of two things, printed as one: a pickle cannot make it again."""

    def __init__(self, code, reason):
        super().__init__(f"{code}: {reason}")
        self.code = code


def judged(number):
    compute()
    return Refused(number, "too odd") if number % 2 else number


@case("pickling", effect=True)
def exception_with_two_arguments():
    """Returned, not raised; unpickling would call it with one argument."""
    return Case(judged, range(150))


@case("pickling", effect=True)
def results_share_one_object():
    """All results of a group hold the same list, which is still growing."""
    groups = {}

    class Member:
        def __init__(self, group):
            self.group = group

        def __repr__(self):
            return f"Member of {len(self.group)}"

    def f(x):
        compute()
        group = groups.setdefault(x % 4, [])
        member = Member(group)
        group.append(member)
        return member

    return Case(f, range(150), left=lambda: [len(group) for group in groups.values()])


@case("pickling", effect=True)
def class_shadowed_by_its_replacement():
    """Two classes of one name, an old one held by the closure: pickle finds the other."""

    def make(version):
        class Format:
            def __repr__(self):
                return f"Format v{version}"

        Format.__qualname__ = "Format"
        return Format

    old, new = make(1), make(2)
    globals()["Format"] = new

    def f(x):
        nap()
        return old() if x % 2 else new()

    return Case(f, range(130))
