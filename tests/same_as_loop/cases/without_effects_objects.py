"""Objects, modules and threads used without an effect: they have to run in parallel."""

from __future__ import annotations

import contextlib
import contextvars
import copy
import dataclasses
import decimal
import enum
import functools
import threading
from collections.abc import Iterator
from fractions import Fraction
from typing import Any, ClassVar

import user_helpers
import user_settings
from case import Case, case, compute, nap, release
from user_helpers import Rule, Vector, slow_square

_LOCAL = threading.local()
_LAZY: dict[int, str] | None = None


class _Scaler:
    """Reads its own attributes only."""

    places: ClassVar[int] = 3

    def __init__(self, low: float, high: float) -> None:
        self.low, self.high = low, high

    @property
    def span(self) -> float:
        return self.high - self.low

    def scale(self, item: int) -> float:
        compute()
        return round((item - self.low) / self.span, self.places)

    def __call__(self, item: int) -> float:
        return self.scale(item) + 1


@case("without effects", effect=False)
def method_that_reads_self() -> Case:
    """Nothing is left behind: a method reads attributes, a property and a constant of the class."""
    return Case(_Scaler(1.0, 99.0).scale, range(180))


@case("without effects", effect=False)
def callable_object() -> Case:
    """Nothing is left behind: an instance is called, and calls its own method."""
    return Case(_Scaler(0.0, 50.0), range(180))


@case("without effects", effect=False)
def object_in_a_closure() -> Case:
    """Nothing is left behind: a function asks an object for a value."""
    scaler = _Scaler(2.0, 20.0)

    def work(item: int) -> str:
        return f"{scaler.scale(item)} of {scaler.span}"

    return Case(work, range(180))


@case("without effects", effect=False)
def static_and_class_methods() -> Case:
    """Nothing is left behind: a class makes instances of itself."""

    class Money:
        def __init__(self, cents: int) -> None:
            self.cents = cents

        @staticmethod
        def rounded(value: float) -> int:
            return round(value)

        @classmethod
        def of(cls, text: str) -> Money:
            return cls(cls.rounded(float(text) * 100))

    def work(item: int) -> int:
        compute()
        return Money.of(f"{item}.25").cents

    return Case(work, range(180))


@dataclasses.dataclass(order=True)
class _Version:
    major: int
    minor: int = 0
    tags: list[str] = dataclasses.field(default_factory=list)


@case("without effects", effect=False)
def dataclasses_made_and_changed() -> Case:
    """Nothing is left behind: data classes are made, changed and returned."""

    def work(item: int) -> _Version:
        compute()
        version = _Version(item)
        version.minor = item % 5
        version.tags.append("new")
        return dataclasses.replace(version, major=item + 1)

    return Case(work, range(180))


@case("without effects", effect=False)
def frozen_rule_of_a_module() -> Case:
    """Nothing is left behind: a frozen object of a class in another file is read."""
    rule = Rule("r", 3)

    def work(item: int) -> str:
        nap()
        return rule.apply(item)

    return Case(work, range(150))


@case("without effects", effect=False)
def operators_that_make_new_objects() -> Case:
    """Nothing is left behind: overloaded operators make new vectors."""

    def work(item: int) -> float:
        compute()
        return abs(Vector(1.0, 2.0) * item + Vector(float(item), 0.0))

    return Case(work, range(180))


@case("without effects", effect=False)
def helpers_of_a_module() -> Case:
    """Nothing is left behind: functions of another module read its constants and patterns."""

    def work(item: int) -> tuple[list[str], int]:
        compute()
        return user_helpers.words(f"Item {item} Of Many"), user_helpers.size(f"{item} kb")

    return Case(work, range(180))


@case("without effects", effect=False)
def cached_helper_of_a_module() -> Case:
    """Nothing is left behind but a cache of another module that only saves work."""

    def work(item: int) -> int:
        compute()
        return slow_square(item % 12)

    return Case(work, range(180))


@case("without effects", effect=False)
def decorator_of_a_module() -> Case:
    """Nothing is left behind: a decorator of another module turns errors into a default."""

    def parse(text: str) -> int:
        compute()
        return int(text)

    texts = [str(number) if number % 4 else "none" for number in range(180)]
    return Case(user_helpers.with_default(parse, -1), texts)


@case("without effects", effect=False)
def settings_that_are_read() -> Case:
    """Nothing is left behind: settings of another module are read as they were imported."""

    def work(item: int) -> float:
        release(item)
        return user_settings.tax(item) + user_settings.TABLE["small"]

    return Case(work, range(180))


@case("without effects", effect=False)
def enumerations() -> Case:
    """Nothing is left behind: members of an enumeration are looked up."""

    class Colour(enum.Enum):
        RED = 1
        GREEN = 2
        BLUE = 3

        @property
        def short(self) -> str:
            return self.name[0]

    def work(item: int) -> str:
        compute()
        return Colour(item % 3 + 1).short

    return Case(work, range(180))


@case("without effects", effect=False)
def inheritance() -> Case:
    """Nothing is left behind: methods of two classes work on arguments only."""

    class Shape:
        def area(self, size: int) -> float:
            raise NotImplementedError

        def text(self, size: int) -> str:
            return f"{type(self).__name__} {self.area(size):.2f}"

    class Square(Shape):
        def area(self, size: int) -> float:
            return float(size * size)

    class Circle(Shape):
        def area(self, size: int) -> float:
            return 3.14159 * size * size

    shapes = (Square(), Circle())

    def work(item: int) -> str:
        compute()
        return shapes[item % 2].text(item)

    return Case(work, range(180))


def _connection_of_thread() -> dict[str, int]:
    if not hasattr(_LOCAL, "connection"):
        _LOCAL.connection = {"factor": 3}
    return _LOCAL.connection


@case("without effects", effect=False)
def connection_for_each_thread() -> Case:
    """Nothing is left behind but a connection for each thread, opened where missing."""

    def work(item: int) -> int:
        nap()
        return item * _connection_of_thread()["factor"]

    return Case(work, range(150))


@case("without effects", effect=False)
def connection_for_each_thread_elsewhere() -> Case:
    """Nothing is left behind but what another module opens for each thread that asks."""

    def work(item: int) -> int:
        compute()
        return user_helpers.connection().query(item)

    return Case(work, range(180))


@case("without effects", effect=False)
def local_of_a_closure() -> Case:
    """Nothing is left behind but a buffer for each thread, made where missing and written anew."""
    local = threading.local()

    def work(item: int) -> str:
        try:
            buffer = local.buffer
        except AttributeError:
            buffer = local.buffer = bytearray(8)
        buffer[:] = release(item).encode()
        return bytes(buffer).decode()

    return Case(work, range(180))


def _lazy_table() -> dict[int, str]:
    global _LAZY
    if _LAZY is None:
        _LAZY = {number: f"name {number}" for number in range(200)}
    return _LAZY


@case("without effects", effect=False)
def table_loaded_once() -> Case:
    """Nothing is left behind but a table that is loaded once and then only read."""

    def work(item: int) -> str:
        compute()
        return _lazy_table()[item]

    return Case(work, range(180))


class _Loaded:
    """Loads its table at first use."""

    def __init__(self) -> None:
        self._table: list[int] | None = None

    @property
    def table(self) -> list[int]:
        if self._table is None:
            self._table = [number * number for number in range(200)]
        return self._table

    def value(self, item: int) -> int:
        compute()
        return self.table[item]


@case("without effects", effect=False)
def model_loaded_once_by_an_object() -> Case:
    """Nothing is left behind but what an object loads at first use, and then only reads."""
    return Case(_Loaded().value, range(180))


@case("without effects", effect=False)
def cached_property_of_an_object() -> Case:
    """Nothing is left behind but a property that is worked out once."""

    class Corpus:
        @functools.cached_property
        def index(self) -> dict[str, int]:
            return {f"w{number}": number for number in range(50)}

    corpus = Corpus()

    def work(item: int) -> int:
        compute()
        return corpus.index[f"w{item % 50}"]

    return Case(work, range(180))


@case("without effects", effect=False)
def block_that_only_wraps() -> Case:
    """Nothing is left behind: a context manager gives a name and handles errors."""

    @contextlib.contextmanager
    def named(item: int) -> Iterator[str]:
        yield f"n{item}"

    def work(item: int) -> str:
        with named(item) as name, contextlib.suppress(KeyError):
            compute()
            return name
        return ""

    return Case(work, range(180))


@case("without effects", effect=False)
def decimal_context_of_the_function() -> Case:
    """Nothing is left behind: decimals are divided in a context that ends with the block."""

    def work(item: int) -> str:
        compute()
        with decimal.localcontext() as context:
            context.prec = 30
            return str(decimal.Decimal(1) / decimal.Decimal(item + 7))

    return Case(work, range(180))


@case("without effects", effect=False)
def context_variable_of_the_function() -> Case:
    """Nothing is left behind: a context variable is set and given back in the function."""
    depth: contextvars.ContextVar[int] = contextvars.ContextVar("depth", default=0)

    def inner(item: int) -> int:
        return depth.get() * item

    def work(item: int) -> int:
        compute()
        token = depth.set(2)
        try:
            return inner(item)
        finally:
            depth.reset(token)

    return Case(work, range(180))


@case("without effects", effect=False)
def copies_of_a_template() -> Case:
    """Nothing is left behind: a template of the caller is copied deeply before it is filled."""
    template: dict[str, Any] = {"head": {"title": ""}, "rows": []}

    def work(item: int) -> dict[str, Any]:
        compute()
        page = copy.deepcopy(template)
        page["head"]["title"] = f"page {item}"
        page["rows"].append(item)
        return page

    return Case(work, range(180), left=lambda: template)


@case("without effects", effect=False)
def class_made_inside() -> Case:
    """Nothing is left behind: a class is made in the function, and an attribute of it is set."""

    def work(item: int) -> tuple[str, int]:
        class Local:
            factor = 2

            def double(self) -> int:
                return item * self.factor

        Local.factor = 3
        compute()
        made = Local()
        setattr(made, "x", 1)  # noqa: B010
        return Local.__name__, made.double()

    return Case(work, range(180))


@case("without effects", effect=False)
def lock_made_inside() -> Case:
    """Nothing is left behind: a lock, an event and a queue live in the function."""

    def work(item: int) -> int:
        import queue

        lock, done = threading.Lock(), threading.Event()
        jobs: queue.Queue[int] = queue.Queue()
        with lock:
            jobs.put(compute(item))
            done.set()
        return jobs.get() + done.is_set()

    return Case(work, range(180))


@case("without effects", effect=False)
def fractions_and_exact_numbers() -> Case:
    """Nothing is left behind: fractions are added."""

    def work(item: int) -> Fraction:
        compute()
        return sum((Fraction(1, n) for n in range(item + 1, item + 5)), Fraction(0))

    return Case(work, range(180))


class _Ring:
    """A ring that special methods read."""

    def __init__(self, *names: str) -> None:
        self._names = names

    def __getitem__(self, index: int) -> str:
        return self._names[index % len(self._names)]

    def __len__(self) -> int:
        return len(self._names)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __format__(self, spec: str) -> str:
        return spec.join(self._names)


@case("without effects", effect=False)
def special_methods_that_read() -> Case:
    """Nothing is left behind: special methods of an object of the caller only read."""
    ring = _Ring("a", "b", "c")

    def work(item: int) -> str:
        compute()
        return f"{ring[item]} {len(ring)} {'b' in ring} {ring:-} {''.join(ring)}"

    return Case(work, range(180))


@case("without effects", effect=False)
def getattr_of_a_constant_name() -> Case:
    """Nothing is left behind: methods are found by names that are put together."""

    class Visitor:
        def visit_even(self, item: int) -> str:
            return f"even {item}"

        def visit_odd(self, item: int) -> str:
            return f"odd {item}"

    visitor = Visitor()

    def work(item: int) -> str:
        nap()
        return getattr(visitor, f"visit_{'odd' if item % 2 else 'even'}")(item)

    return Case(work, range(150))


@case("without effects", effect=False)
def single_dispatch_without_effect() -> Case:
    """Nothing is left behind: implementations by type only work out results."""

    @functools.singledispatch
    def show(value: object) -> str:
        return "?"

    show.register(int, lambda value: f"int {value}")
    show.register(str, lambda value: f"str {value}")

    def work(item: Any) -> str:
        compute()
        return show(item)

    return Case(work, [number if number % 2 else str(number) for number in range(180)])
