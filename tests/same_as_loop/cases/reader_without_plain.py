"""Pure functions, as they are written: nothing is left behind, whoever runs them."""

import bisect
import copy
import dataclasses
import decimal
import enum
import fractions
import functools
import itertools
import json
import logging
import math
import operator
import re
import statistics
import string
import struct
import textwrap
import zlib
from collections import Counter, defaultdict, deque
from datetime import UTC, datetime, timedelta

import numpy as np
import user_tables
from case import Case, case, compute, nap, release

LOG = logging.getLogger("reader.quiet")
PATTERN = re.compile(r"(?P<word>[a-z]+)(?P<number>\d*)")
PRIMES = [n for n in range(2, 400) if all(n % d for d in range(2, int(n**0.5) + 1))]
ROWS = np.arange(2400.0).reshape(150, 16)
TEMPLATE = {"title": "?", "tags": ["new"], "size": {"w": 0, "h": 0}}
_powers = None


@case("without", effect=False)
def arithmetic():
    """Numbers in, numbers out."""

    def f(x):
        compute()
        return math.gcd(x * 12, 90) + math.isqrt(x) + x // 7

    return Case(f, range(150))


def powers():
    global _powers
    if _powers is None:
        _powers = {n: n**5 for n in range(200)}
    return _powers


def fifth_power(number):
    compute()
    return powers()[number]


@case("without", effect=False)
def table_loaded_when_first_needed():
    """A global is set, once, to what it would be in any process."""
    return Case(fifth_power, range(150))


@functools.lru_cache(maxsize=512)
def partitions(number, largest):
    if number == 0:
        return 1
    return sum(partitions(number - k, min(k, number - k)) for k in range(1, largest + 1))


def partitioned(number):
    compute()
    return partitions(number % 40, number % 40)


@case("without", effect=False)
def memo_of_a_pure_recursion():
    """lru_cache: it saves time, nothing else."""
    return Case(partitioned, range(150))


@case("without", effect=False)
def logs_below_the_level():
    """Debug messages that nobody has asked for."""

    def f(x):
        nap()
        LOG.debug("begin %s", x)
        result = x * 2 + 1
        LOG.debug("end %s -> %s", x, result)
        return result

    return Case(f, range(130))


@case("without", effect=False)
def constants_and_helpers_of_another_module():
    """Reads and calls what another of the user's files offers."""

    def f(x):
        compute()
        return user_tables.checksum(x * 101), user_tables.label(x), user_tables.WEIGHTS[x % 8]

    return Case(f, range(150))


class Tariff:
    """Constants of a class, a static and a class method."""

    BASE, STEPS = 4, (0, 10, 50, 100)

    @staticmethod
    def step(units):
        return bisect.bisect(Tariff.STEPS, units)

    @classmethod
    def price(cls, units):
        return cls.BASE + cls.step(units) * units


@case("without", effect=False)
def constants_of_a_class():
    """A class method, handed over as it is bound."""

    def f(x):
        compute()
        return Tariff.price(x)

    return Case(f, range(150))


@case("without", effect=False)
def local_list_is_pushed_popped_and_sorted():
    """All the verbs of change, on a list of the call's own."""

    def f(x):
        compute()
        stack = [x]
        while stack[-1] > 1:
            stack.append(stack[-1] // 2 if stack[-1] % 2 == 0 else stack[-1] * 3 + 1)
        stack.sort()
        stack.pop()
        del stack[:1]
        stack.reverse()
        return stack[:3]

    return Case(f, range(1, 151))


@case("without", effect=False)
def linear_algebra():
    """Solves a small system; in place, but in arrays of its own."""

    def f(x):
        release()
        a = np.eye(4) * (x + 1)
        a[0, 1:] += 1
        b = np.empty(4)
        np.multiply(np.arange(4), x, out=b)
        return np.linalg.solve(a, b).round(6).tolist()

    return Case(f, range(150))


@case("without", effect=False)
def rows_of_a_matrix_are_only_read():
    """The items are views, and stay as they are."""

    def f(row):
        compute()
        centred = row - row.mean()
        centred /= np.abs(centred).max()
        return float(centred.std().round(9))

    return Case(f, ROWS)


@case("without", effect=False)
def regular_expression_with_a_callback():
    """re.sub calls a local function back, which is pure."""

    def f(text):
        compute()
        swap = lambda match: f"{match['number']}{match['word'].upper()}"  # noqa: E731
        return PATTERN.sub(swap, text)

    return Case(f, [f"ab{i} c d{i * i}" for i in range(150)])


@case("without", effect=False)
def json_there_and_back():
    """A hook that fills a list of the call's own."""

    def f(x):
        compute()
        keys = []

        def hook(value):
            keys.extend(value)
            return value

        value = json.loads(json.dumps({"a": x, "b": [{"c": x / 2}]}), object_hook=hook)
        return value, keys

    return Case(f, range(150))


@case("without", effect=False)
def decimals_in_a_context_of_their_own():
    """Context objects made inside: the thread's stays as it is."""

    def f(x):
        nap()
        context = decimal.Context(prec=30, rounding=decimal.ROUND_DOWN)
        return context.divide(decimal.Decimal(x), decimal.Decimal(7)).quantize(
            decimal.Decimal("0.0001"), context=context
        )

    return Case(f, range(130))


@dataclasses.dataclass(order=True, frozen=True)
class Version:
    major: int
    minor: int = 0
    tags: tuple = ()

    def next(self):
        return dataclasses.replace(self, minor=self.minor + 1, tags=(*self.tags, "next"))


def successor(number):
    compute()
    return max(Version(number % 5, number).next(), Version(3))


@case("without", effect=False)
def frozen_dataclasses():
    """replace() makes new ones."""
    return Case(successor, range(150))


@case("without", effect=False)
def generators_of_its_own():
    """yield, send, close: all within one call."""

    def windows(numbers, size):
        window = deque(maxlen=size)
        for number in numbers:
            window.append(number)
            if len(window) == size:
                yield tuple(window)

    def f(x):
        compute()
        return [sum(window) for window in windows(range(x, x + 9), 4)]

    return Case(f, range(150))


@case("without", effect=False)
def nested_functions_with_a_nonlocal():
    """nonlocal, but of the call itself."""

    def f(x):
        compute()
        count = 0

        def walk(low, high):
            nonlocal count
            count += 1
            if high - low > 3:
                middle = (low + high) // 2
                walk(low, middle)
                walk(middle, high)

        walk(0, x)
        return count

    return Case(f, range(150))


def permutations(letters):
    if len(letters) < 2:
        return [letters]
    return [
        letter + rest
        for i, letter in enumerate(letters)
        for rest in permutations(letters[:i] + letters[i + 1 :])
    ]


def anagrams(number):
    nap()
    return len(set(permutations("aabc"[: number % 4 + 1])))


@case("without", effect=False)
def recursion():
    """A function that calls itself."""
    return Case(anagrams, range(130))


@case("without", effect=False)
def template_deeply_copied():
    """A global is copied; the copy is changed in all its depths."""

    def f(x):
        compute()
        page = copy.deepcopy(TEMPLATE)
        page["tags"].append(str(x))
        page["size"].update(w=x, h=x * 2)
        page["title"] = page.pop("title") * (x % 3)
        return page

    return Case(f, range(150))


@case("without", effect=False)
def counters_of_its_own():
    """Counter and defaultdict, made and left in the call."""

    def f(text):
        compute()
        tally, places = Counter(text), defaultdict(list)
        for place, letter in enumerate(text):
            places[letter].append(place)
        return tally.most_common(2), sorted(places.items())[-1]

    return Case(f, [f"{i * 7919:x}abba" for i in range(150)])


@case("without", effect=False)
def sorted_list_of_the_module_is_searched():
    """bisect on a global: reading only."""

    def f(x):
        compute()
        i = bisect.bisect_left(PRIMES, x)
        return i, PRIMES[i], PRIMES[i : i + 2], sum(PRIMES[-3:])

    return Case(f, range(150))


class Vector:
    """Operators that make new objects; ``add`` and ``append`` that change nothing."""

    __slots__ = ("parts",)

    def __init__(self, *parts):
        self.parts = parts

    def __add__(self, other):
        return Vector(*map(operator.add, self.parts, other.parts))

    def __matmul__(self, other):
        return sum(map(operator.mul, self.parts, other.parts))

    def append(self, part):
        return Vector(*self.parts, part)


UNIT = Vector(1, 1)


def projected(number):
    compute()
    longer = UNIT.append(number)
    longer += longer
    return longer @ longer, len(UNIT.parts)


@case("without", effect=False)
def append_that_changes_nothing():
    """A persistent class: what sounds like change returns a new one, and += rebinds a local."""
    return Case(projected, range(150))


class Colour(enum.Enum):
    RED = 1
    GREEN = 2
    BLUE = 3


def mixed(number):
    compute()
    match Colour(number % 3 + 1), number:
        case Colour.RED, n if n > 50:
            return Colour.GREEN
        case Colour.BLUE, n:
            return [Colour.BLUE, n]
        case other:
            return other


@case("without", effect=False)
def enum_and_match():
    """Members come back as members."""
    return Case(mixed, range(150))


@case("without", effect=False)
def reduce_over_pure_operators():
    """functools and itertools only."""
    compose = functools.partial(functools.reduce, operator.xor)

    def f(x):
        compute()
        pairs = itertools.pairwise(range(x, x + 9))
        return compose(itertools.starmap(operator.mul, pairs), 0)

    return Case(f, range(150))


@case("without", effect=False)
def bytes_packed_into_a_buffer():
    """pack_into and a memoryview, over a bytearray of the call."""
    layout = struct.Struct("<HhI")

    def f(x):
        compute()
        page = bytearray(16)
        layout.pack_into(page, 4, x, -x, x * x)
        view = memoryview(page)
        view[0:2] = view[4:6]
        return bytes(page), layout.unpack_from(page, 4)

    return Case(f, range(150))


@case("without", effect=False)
def compressor_of_its_own():
    """Objects with a state, which ends with the call."""
    text = b"the quick brown fox " * 50

    def f(x):
        release()
        packer = zlib.compressobj(6)
        packed = packer.compress(text * (x % 3 + 1)) + packer.flush()
        return len(zlib.decompress(packed)), zlib.crc32(text, x)

    return Case(f, range(150))


@case("without", effect=False)
def calendar_arithmetic():
    """datetime: replace() and friends are pure."""
    start = datetime(2024, 1, 31, tzinfo=UTC)

    def f(x):
        compute()
        day = (start + timedelta(days=x)).replace(hour=x % 24)
        return day.isoformat(), day.isocalendar().week, day.strftime("%j")

    return Case(f, range(150))


@case("without", effect=False)
def text_laid_out():
    """string.Template, format, textwrap."""
    form = string.Template("$name has $count things, of which $half are here")

    def f(x):
        compute()
        text = form.safe_substitute(name=f"No. {x:>04d}", count=x, half=f"{x / 2:.1f}")
        return textwrap.fill(text, 20).splitlines()

    return Case(f, range(150))


@case("without", effect=False)
def exact_fractions_and_statistics():
    """Fractions, complex numbers, statistics."""

    def f(x):
        nap()
        parts = [fractions.Fraction(x, k) for k in range(1, 6)]
        return statistics.median(parts), sum(parts), complex(x, 1) ** 2

    return Case(f, range(130))


@case("without", effect=False)
def copies_of_items_are_changed():
    """The item is copied shallowly first; only the copy changes."""

    def f(record):
        compute()
        mine = dict(record, seen=True)
        mine["values"] = sorted(mine["values"])
        mine.pop("id")
        return mine

    records = [{"id": i, "values": [(i * k) % 7 for k in range(4)]} for i in range(150)]
    return Case(f, records)


class Model:
    """Trained before; predicts without changing. Its index is built when it is first used."""

    def __init__(self, weights):
        self.weights, self._order = weights, None

    def order(self):
        if self._order is None:
            self._order = sorted(range(len(self.weights)), key=self.weights.__getitem__)
        return self._order

    def predict(self, number):
        compute()
        return sum(self.weights[i] * (number >> i & 1) for i in self.order())


@case("without", effect=False)
def bound_method_of_a_trained_model():
    """self is read; one attribute is worked out late, always to the same."""
    return Case(Model([3, 1, 4, 1, 5, 9, 2, 6]).predict, range(150))


class Threshold:
    def __init__(self, value):
        self.value = value

    def __call__(self, number):
        nap()
        return number * 7 % 100 > self.value


@case("without", effect=False)
def callable_object_that_only_reads():
    """An object as a function, with settings in its attributes."""
    return Case(Threshold(40), range(130))


def scored(number, weights=(), limits={"low": 20, "high": 120}):  # noqa: B006
    compute()
    return limits["low"] <= number < limits["high"], sum(weights)


@case("without", effect=False)
def mutable_default_that_is_only_read():
    """A dict as a default argument is not yet a memory."""
    return Case(scored, range(150))


@case("without", effect=False)
def large_table_in_the_closure():
    """Reads by fancy indices from an array that is captured."""
    table = np.sin(np.arange(5000)).round(6)

    def f(x):
        release()
        picked = table[[x, x * 2, x * 3]]
        picked += 1
        picked.sort()
        return picked.round(6).tolist()

    return Case(f, range(150))
