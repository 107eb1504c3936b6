"""Calls that do not look like calls, and callees that do not look like pushes."""

import asyncio
import contextvars
import functools
import threading
import types
from collections import deque

import user_decorators
from case import Case, case, compute, nap, release
from user_decorators import checked, counted


@checked
@counted
def doubled(number):
    compute()
    return number * 2


@case("calls", effect=True)
def decorated_twice_in_another_file():
    """The body is pure; the inner of two wrappers counts in its own module."""
    return Case(doubled, range(150), left=lambda: user_decorators.counts)


@case("calls", effect=True)
def key_function_that_records():
    """max() of a local list; its key function is a closure that notes what it is asked."""
    asked = []

    def by_square(value):
        asked.append(value)
        return value * value % 11

    def f(x):
        compute()
        return max([x, x + 1, x + 2], key=by_square)

    return Case(f, range(150), left=lambda: asked)


@case("calls", effect=True)
def operator_of_a_sink():
    """``sink << x`` as with streams: an operator of the user's own class."""

    class Sink:
        def __init__(self):
            self.lines = []

        def __lshift__(self, value):
            self.lines.append(value)
            return self

    sink = Sink()

    def f(x):
        nap()
        sink << x << -x
        return x

    return Case(f, range(130), left=lambda: sink.lines)


@case("calls", effect=True)
def membership_test_that_adds():
    """``x in seen`` of a filter that takes in whatever it is asked for."""

    class Seen:
        bits = 0

        def __contains__(self, value):
            bit = 1 << (value * 2654435761 % 64)
            before, self.bits = self.bits & bit, self.bits | bit
            return bool(before)

    seen = Seen()

    def f(x):
        compute()
        return x * 5 in seen

    return Case(f, range(150), left=lambda: bin(seen.bits))


@case("calls", effect=True)
def drained_map_of_a_bound_method():
    """deque(map(push, ...), maxlen=0): the idiom to use up an iterator in C."""
    found = []

    def f(x):
        compute()
        deque(map(found.append, range(x % 4)), maxlen=0)
        return x

    return Case(f, range(150), left=lambda: found)


@case("calls", effect=True)
def method_named_in_a_setting():
    """getattr with a name out of a table: what will be called is data."""
    store, actions = {1, 2, 3}, ["add", "discard", "add", "symmetric_difference_update"]

    def f(x):
        compute()
        action = actions[x % 4]
        getattr(store, action)([x % 20] if action.endswith("update") else x % 29)
        return action

    return Case(f, range(150), left=lambda: sorted(store))


@case("calls", effect=True)
def method_type_bound_by_hand():
    """types.MethodType makes a bound method of a list's own class."""
    found = []
    put = types.MethodType(list.append, found)

    def f(x):
        release()
        return put(x) or x

    return Case(f, range(150), left=lambda: found)


@case("calls", effect=True)
def coroutine_inside():
    """asyncio.run in the function; the coroutine rebinds a nonlocal of the maker."""
    total = 0

    async def add(x):
        nonlocal total
        await asyncio.sleep(0)
        total += x
        return total

    def f(x):
        return asyncio.run(add(x))

    def g(x):
        compute()
        return f(x)

    return Case(g, range(130), left=lambda: total)


@case("calls", effect=True)
def thread_inside():
    """The function starts a thread, which does the pushing, and waits for it."""
    found = []

    def f(x):
        compute()
        thread = threading.Thread(target=found.append, args=(x,))
        thread.start()
        thread.join()
        return x

    return Case(f, range(150), left=lambda: found)


@case("calls", effect=True)
def run_in_a_copied_context():
    """Context.run calls the method; the context is a copy, the list is not."""
    found = []

    def f(x):
        compute()
        contextvars.copy_context().run(found.insert, 0, x)
        return x

    return Case(f, range(150), left=lambda: found)


@case("calls", effect=True)
def class_statement_inside():
    """A class body is code that runs; a descriptor's __set_name__ is called by it."""
    columns = []

    class Column:
        def __set_name__(self, owner, name):
            columns.append(f"{owner.__name__}.{name}")

    def f(x):
        compute()

        class Table:
            key = Column()
            width = x

        return Table.width

    return Case(f, range(150), left=lambda: columns)


@case("calls", effect=True)
def walrus_in_a_comprehension():
    """The walrus inside of any() binds a nonlocal: a witness that lives on."""
    witness = None

    def f(x):
        nonlocal witness
        nap()
        return any((witness := candidate) % 7 == 0 for candidate in range(x, x + 5))

    return Case(f, range(130), left=lambda: witness)


class Account:
    """Matched by a class pattern, which reads attributes; one of them counts."""

    __match_args__ = ("kind", "number")
    looked = 0

    def __init__(self, number):
        self.number = number

    @property
    def kind(self):
        Account.looked += 1
        return "even" if self.number % 2 == 0 else "odd"


def matched(number):
    compute()
    match Account(number):
        case Account("odd", n):
            return n
        case Account("even"):
            return -1
    return None


@case("calls", effect=True)
def match_statement_reads_a_property():
    """``case Account("odd", n)``: patterns read attributes of a local object."""
    return Case(matched, range(150), left=lambda: Account.looked)


@case("calls", effect=True)
def reduce_with_an_accumulator_from_outside():
    """functools.reduce starts from the caller's list and works on it."""
    start = []

    def step(accumulator, value):
        if value % 3:
            accumulator.append(value)
        return accumulator

    def f(x):
        compute()
        return len(functools.reduce(step, [x, x + 1], start))

    return Case(f, range(150), left=lambda: start)


@case("calls", effect=True)
def function_defined_anew_under_a_global_name():
    """def of a global name inside: the last item's closure is what others call afterwards."""

    def f(x):
        global latest
        compute()

        def latest():
            return x

        return latest() + 1

    return Case(f, range(150), left=lambda: latest())


latest = None
