"""Objects with a memory: what looks like reading, comparing or making one leaves a trace."""

import functools
import gc
import weakref
from dataclasses import dataclass, field
from unittest import mock

from case import Case, case, compute, nap, release


class Gauge:
    """A reading is counted: attribute access is a call."""

    def __init__(self):
        self._value, self._reads = 7, 0

    @property
    def value(self):
        self._reads += 1
        return self._value + self._reads // 10


GAUGE = Gauge()


def scaled(number):
    compute()
    return number * GAUGE.value


@case("objects", effect=True)
def property_that_counts_its_reads():
    """Looks like reading a constant of a global object."""
    return Case(scaled, range(150), left=lambda: vars(GAUGE))


@case("objects", effect=True)
def comparisons_are_counted():
    """A pure sort of local values; the comparison function counts its calls."""
    calls = [0]

    def by_last_digit(a, b):
        calls[0] += 1
        return (a % 10 > b % 10) - (a % 10 < b % 10)

    def f(x):
        compute()
        return sorted([x * k % 101 for k in range(8)], key=functools.cmp_to_key(by_last_digit))

    return Case(f, range(150), left=lambda: calls)


class Ema:
    """An exponential moving average, called like a function."""

    def __init__(self, alpha):
        self.alpha, self.level = alpha, 0.0

    def __call__(self, value):
        compute()
        self.level += self.alpha * (value - self.level)
        return round(self.level, 9)


@case("objects", effect=True)
def callable_object_with_a_level():
    """The function handed over is an object, and remembers."""
    ema = Ema(0.25)
    return Case(ema, [(i * 31) % 17 for i in range(150)], left=lambda: vars(ema))


class Ticket:
    """Numbered by its class."""

    last = 0

    def __init__(self, subject):
        type(self).last += 1
        self.number, self.subject = self.last, subject

    def __repr__(self):
        return f"Ticket({self.number}, {self.subject})"


def opened(subject):
    compute()
    return Ticket(subject)


@case("objects", effect=True)
def instances_numbered_by_their_class():
    """Only a new object is made; its number comes from a class attribute."""
    return Case(opened, range(150), left=lambda: Ticket.last)


class Basket:
    """The classic mistake: one list for all baskets."""

    goods = []  # noqa: RUF012

    def put(self, what):
        self.goods.append(what)
        return self


@case("objects", effect=True)
def local_object_shares_its_class_list():
    """The basket is local to the call; the list in it belongs to the class."""

    def f(x):
        nap()
        return len(Basket().put(x).put(-x).goods)

    return Case(f, range(130), left=lambda: Basket.goods)


@case("objects", effect=True)
def finaliser_writes_the_log():
    """The object dies at the end of the call; its finaliser tells."""
    deaths = []

    class Handle:
        def __init__(self, number):
            self.number = number
            weakref.finalize(self, deaths.append, number)

    def f(x):
        compute()
        return Handle(x).number * 2

    return Case(f, range(150), left=lambda: (gc.collect() >= 0, deaths))


@case("objects", effect=True)
def notes_by_weak_key():
    """Remarks about the items are kept beside them, by identity, in a weak dictionary."""

    class Part:
        def __init__(self, number):
            self.number = number

    parts = [Part(i) for i in range(150)]
    remarks = weakref.WeakKeyDictionary()

    def f(part):
        compute()
        remarks[part] = "odd" if part.number % 2 else "even"
        return part.number

    return Case(f, parts, left=lambda: [remarks.get(part) for part in parts])


class Shape:
    """Every subclass enters itself."""

    known = {}  # noqa: RUF012

    def __init_subclass__(cls, **options):
        super().__init_subclass__(**options)
        Shape.known[cls.__name__] = cls.sides


def shaped(sides):
    nap()
    return type(f"Gon{sides % 40}", (Shape,), {"sides": sides}).sides


@case("objects", effect=True)
def classes_made_on_the_fly_register():
    """type(...) makes a local class; __init_subclass__ of its base keeps its name."""
    return Case(shaped, range(3, 140), left=lambda: Shape.known)


def visits(number):
    compute()
    visits.count = getattr(visits, "count", 0) + number % 3
    return number


@case("objects", effect=True)
def attribute_of_the_function_itself():
    """The function keeps its count in its own attribute."""
    return Case(visits, range(150), left=lambda: vars(visits))


class Positive:
    """A descriptor that remembers the largest value ever set, of whichever object."""

    def __init__(self):
        self.largest = 0

    def __set_name__(self, owner, name):
        self.slot = "_" + name

    def __get__(self, instance, owner=None):
        return self if instance is None else getattr(instance, self.slot)

    def __set__(self, instance, value):
        self.largest = max(self.largest, value)
        setattr(instance, self.slot, value)


class Order:
    amount = Positive()

    def __init__(self, amount):
        self.amount = amount


def ordered(number):
    compute()
    return Order(number * 13 % 149).amount


@case("objects", effect=True)
def descriptor_remembers_across_objects():
    """A local object's attribute is set; the descriptor of its class takes note."""
    return Case(ordered, range(150), left=lambda: Order.amount.largest)


@case("objects", effect=True)
def with_statement_on_a_shared_meter():
    """``with meter:`` around pure work; __exit__ adds up."""

    class Meter:
        entered = failed = 0

        def __enter__(self):
            self.entered += 1
            return self

        def __exit__(self, kind, error, trace):
            self.failed += kind is not None
            return kind is ZeroDivisionError

    meter = Meter()

    def f(x):
        release()
        with meter:
            return 100 / (x % 7)
        return "failed"

    return Case(f, range(150), left=lambda: (meter.entered, meter.failed))


class Flyweight(type):
    """One object per key: a metaclass keeps them."""

    def __init__(cls, *arguments):
        super().__init__(*arguments)
        cls.pool = {}

    def __call__(cls, key):
        if key not in cls.pool:
            cls.pool[key] = super().__call__(key)
        return cls.pool[key]


class Glyph(metaclass=Flyweight):
    def __init__(self, key):
        self.key, self.uses = key, 0

    def draw(self):
        self.uses += 1
        return f"{self.key}/{self.uses}"


@case("objects", effect=True)
def metaclass_hands_out_pooled_objects():
    """``Glyph(x % 12)`` reads like a new object; it is an old one."""

    def f(x):
        compute()
        return Glyph(x % 12).draw()

    return Case(f, range(150), left=lambda: {k: g.uses for k, g in Glyph.pool.items()})


@case("objects", effect=True)
def mock_keeps_its_calls():
    """The collaborator is a Mock; the caller checks afterwards how it was called."""
    sender = mock.Mock(name="sender")
    sender.send.side_effect = lambda to, text: len(text)

    def f(x):
        nap()
        return sender.send(x % 5, text="." * (x % 11))

    return Case(f, range(125), left=lambda: (sender.send.call_count, sender.send.call_args_list))


@dataclass
class Account:
    """A subject with observers that somebody else attached."""

    balance: int = 0
    observers: list = field(default_factory=list)

    def deposit(self, amount):
        self.balance += amount
        for observer in self.observers:
            observer(self.balance)
        return self.balance


@case("objects", effect=True)
def observers_are_told():
    """A bound method is the function; observers write down what they hear."""
    account, heard = Account(), set()
    account.observers.append(lambda balance: heard.add(balance % 19))

    def f(x):
        compute()
        return account.deposit(x)

    return Case(f, range(150), left=lambda: (account.balance, sorted(heard)))


@functools.cache
def rows_of(group):
    """An empty list, made once for each group."""
    return []


@case("objects", effect=True)
def cached_list_is_filled():
    """lru_cache hands the same list to all callers of a group, and one of them appends."""

    def f(x):
        compute()
        rows = rows_of(x % 6)
        rows.append(x)
        return len(rows)

    return Case(f, range(150), left=lambda: [rows_of(group) for group in range(6)])


@case("objects", effect=True)
def memo_of_a_function_that_counts():
    """The memo matters: the first call for a name draws the next number."""
    numbers = iter(range(1000))

    @functools.cache
    def number_of(name):
        return next(numbers)

    def f(x):
        compute()
        return number_of(f"n{x * x % 31}")

    return Case(f, range(150), left=lambda: next(numbers))


class Money:
    """Prints itself; and each printing is on record."""

    printed = 0

    def __init__(self, cents):
        self.cents = cents

    def __format__(self, spec):
        Money.printed += 1
        return f"{self.cents / 100:{spec or '.2f'}}"


def invoice(number):
    compute()
    return f"no. {number}: {Money(number * 99):.1f} / {Money(number)}"


@case("objects", effect=True)
def format_string_calls_a_counting_method():
    """An f-string, nothing else; __format__ counts in the class."""
    return Case(invoice, range(150), left=lambda: Money.printed)


@case("objects", effect=True)
def singledispatch_learns_types():
    """An implementation is registered at the first item of a type and used for all later ones."""

    @functools.singledispatch
    def show(value):
        return "?"

    def f(x):
        nap()
        known = show(x)
        if known == "?":
            rank = len(show.registry)
            show.register(type(x), lambda value, rank=rank: f"type {rank}")
        return known

    data = [(i, float(i), str(i), (i,), [i])[i * i % 5] for i in range(130)]
    return Case(f, data, left=lambda: sorted(t.__name__ for t in show.registry))


class Record:
    """Attributes come from a dict; unknown ones are asked for, and noted, on the class."""

    misses = {}  # noqa: RUF012

    def __init__(self, **fields):
        self.__dict__.update(fields)

    def __getattr__(self, name):
        Record.misses[name] = Record.misses.get(name, 0) + 1


@case("objects", effect=True)
def unknown_attributes_are_noted():
    """A local object; a missing attribute ends in __getattr__, which notes it."""

    def f(x):
        compute()
        record = Record(**{f"field{x % 4}": x})
        return [record.field0, record.field1, getattr(record, "field2", "none")]

    return Case(f, range(150), left=lambda: sorted(Record.misses.items()))


class Interval:
    """Hashing is costly, so it is kept: the objects of a module's table change when looked up."""

    def __init__(self, low, high):
        self.low, self.high, self.hashes = low, high, 0

    def __hash__(self):
        self.hashes += 1
        return hash((self.low, self.high))

    def __eq__(self, other):
        return (self.low, self.high) == (other.low, other.high)


INTERVALS = [Interval(i, i + 5) for i in range(20)]


def overlap(number):
    compute()
    return len({INTERVALS[number % 20], INTERVALS[number * 3 % 20], INTERVALS[0]})


@case("objects", effect=True)
def hashing_changes_the_object():
    """A set of three objects is local; __hash__ counts in each."""
    return Case(overlap, range(150), left=lambda: [interval.hashes for interval in INTERVALS])
