"""Attributes of objects and classes that change while items run."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from case import Case, case, compute, nap, release

COUNT = 0


class _Account:
    """Takes amounts in, and counts them."""

    def __init__(self) -> None:
        self.balance = 0
        self.entries = 0

    def book(self, amount: int) -> int:
        compute()
        self.balance += amount
        self.entries += 1
        return self.balance


@case("objects")
def bound_method() -> Case:
    """The loop leaves a balance; each result is the balance so far."""
    account = _Account()
    return Case(account.book, range(150), left=lambda: vars(account))


@case("objects")
def callable_instance() -> Case:
    """The loop leaves the number of calls in an instance that is called like a function."""

    class Model:
        def __init__(self) -> None:
            self.calls = 0

        def __call__(self, item: int) -> int:
            self.calls += 1
            return compute(item)

    model = Model()
    return Case(model, range(150), left=lambda: model.calls)


@case("objects")
def instances_counted_by_their_class() -> Case:
    """The loop leaves how many instances a class has made; each gets the next number."""

    class Ticket:
        made = 0

        def __init__(self, price: int) -> None:
            type(self).made += 1
            self.number = self.made
            self.price = price

    def sell(item: int) -> str:
        ticket = Ticket(compute(item) % 10)
        return f"{ticket.number}: {ticket.price}"

    return Case(sell, range(150), left=lambda: Ticket.made)


@case("objects")
def property_with_a_setter() -> Case:
    """The loop leaves the highest value that was ever set through a property, and how many were."""

    class Gauge:
        def __init__(self) -> None:
            self._value = 0
            self.peak = 0
            self.readings = 0

        @property
        def value(self) -> int:
            return self._value

        @value.setter
        def value(self, new: int) -> None:
            self._value = new
            self.readings += 1
            self.peak = max(self.peak, new)

    gauge = Gauge()

    def read(item: int) -> int:
        nap()
        gauge.value = item * 37 % 101
        return gauge.value

    return Case(read, range(150), left=lambda: vars(gauge))


@case("objects")
def setattr_by_name() -> Case:
    """The loop leaves attributes whose names were put together."""
    settings = SimpleNamespace()

    def configure(item: int) -> int:
        value = compute(item)
        setattr(settings, f"option_{item % 20}", value)
        return value

    return Case(configure, range(150), left=lambda: sorted(vars(settings).items()))


@case("objects")
def update_of_the_instance_dict() -> Case:
    """The loop leaves attributes put in through the dict of an instance."""
    state = SimpleNamespace(rounds=0)

    def step(item: int) -> int:
        compute()
        state.__dict__.update(rounds=state.rounds + 1, last=item)
        return item

    return Case(step, range(150), left=lambda: sorted(vars(state).items()))


@dataclass
class _Stats:
    errors: int = 0
    seen: list[int] = field(default_factory=list)

    def note(self, item: int) -> None:
        if item % 13 == 0:
            self.errors += 1
        self.seen.append(item)


@dataclass
class _Service:
    name: str
    stats: _Stats = field(default_factory=_Stats)

    def handle(self, item: int) -> str:
        return f"{self.name}: {release(item)}"


class _App:
    def __init__(self) -> None:
        self.service = _Service("main")

    def serve(self, item: int) -> str:
        answer = self.service.handle(item)
        self.service.stats.note(item)
        return answer


@case("objects")
def two_objects_down() -> Case:
    """The loop leaves counts in an object that an object of the method's object holds."""
    app = _App()
    return Case(app.serve, range(150), left=lambda: app.service.stats)


@case("objects")
def frozen_dataclass_with_a_cache() -> Case:
    """The loop leaves what a frozen dataclass keeps behind its own back."""

    @dataclass(frozen=True)
    class Table:
        size: int
        cache: int = 0

        def lookup(self, item: int) -> int:
            object.__setattr__(self, "cache", self.cache + item)
            return compute(item) % self.size

    table = Table(1000)
    return Case(table.lookup, range(150), left=lambda: table)


class _Positive:
    """A descriptor that keeps values, and how often each name was set, in itself."""

    def __init__(self) -> None:
        self.values: dict[int, int] = {}
        self.writes = 0

    def __get__(self, instance: Any, owner: type) -> int:
        return self.values.get(instance.number, 0)

    def __set__(self, instance: Any, value: int) -> None:
        self.values[instance.number] = abs(value)
        self.writes += 1


@case("objects")
def descriptor_that_keeps_values() -> Case:
    """The loop leaves values in a descriptor of a class."""

    class Sensor:
        level = _Positive()

        def __init__(self, number: int) -> None:
            self.number = number

    descriptor = vars(Sensor)["level"]

    def measure(item: int) -> int:
        sensor = Sensor(item % 10)
        sensor.level = -compute(item) % 1000
        return sensor.level

    return Case(
        measure, range(150), left=lambda: (descriptor.writes, sorted(descriptor.values.items()))
    )


@case("objects")
def registry_of_subclasses() -> Case:
    """The loop leaves classes in the registry of their base, which each new one enters by itself."""

    class Base:
        registry: dict[str, type] = {}  # noqa: RUF012

        def __init_subclass__(cls, **words: Any) -> None:
            super().__init_subclass__(**words)
            cls.registry[cls.__name__] = cls

    def define(item: int) -> str:
        compute()
        return type(f"Row{item}", (Base,), {"width": item}).__name__

    return Case(define, range(150), left=lambda: list(Base.registry))


class _Counting(type):
    """A metaclass that counts the instances of its classes."""

    def __init__(cls, name: str, bases: tuple[type, ...], space: dict[str, Any]) -> None:
        super().__init__(name, bases, space)
        cls.instances = 0

    def __call__(cls, *args: Any) -> Any:
        cls.instances += 1
        return super().__call__(*args)


@case("objects")
def metaclass_that_counts() -> Case:
    """The loop leaves how many instances were made, counted by the class of the class."""

    class Point(metaclass=_Counting):
        def __init__(self, x: int) -> None:
            self.x = x

    def make(item: int) -> int:
        return Point(compute(item)).x

    return Case(make, range(150), left=lambda: Point.instances)


@case("objects")
def pool_behind_new() -> Case:
    """The loop leaves one instance for each name, made by `__new__` where it was missing."""

    class Symbol:
        pool: dict[str, Symbol] = {}  # noqa: RUF012

        def __new__(cls, name: str) -> Symbol:
            found = cls.pool.get(name)
            if found is None:
                found = cls.pool[name] = super().__new__(cls)
                found.order = len(cls.pool)
            return found

    def order(item: int) -> int:
        nap()
        return Symbol(f"s{item // 3}").order

    return Case(order, range(150), left=lambda: list(Symbol.pool))


@case("objects")
def attributes_that_arise_when_missing() -> Case:
    """The loop leaves a list of the attributes that were asked for and not there."""

    class Lazy:
        def __init__(self) -> None:
            self.asked: list[str] = []

        def __getattr__(self, name: str) -> int:
            self.__dict__["asked"].append(name)
            self.__dict__[name] = value = compute(len(name))
            return value

    lazy = Lazy()

    def ask(item: int) -> int:
        compute()
        return getattr(lazy, "a" * (item % 40 + 1))

    return Case(ask, range(200), left=lambda: lazy.asked)


class _Stopwatch:
    """Collects what ran inside of it."""

    def __init__(self) -> None:
        self.laps: list[str] = []
        self.open = 0

    def __enter__(self) -> _Stopwatch:
        self.open += 1
        return self

    def __exit__(self, kind: type[BaseException] | None, *more: object) -> bool:
        self.open -= 1
        self.laps.append("good" if kind is None else kind.__name__)
        return kind is not None


@case("objects")
def block_that_counts() -> Case:
    """The loop leaves how each block ended in the object of the `with` statement."""
    watch = _Stopwatch()

    def risky(item: int) -> int:
        with watch:
            value = compute(item)
            if item % 10 == 3:
                raise KeyError(item)
            return value
        return -1

    return Case(risky, range(150), left=lambda: (watch.open, watch.laps))


@case("objects")
def lookup_that_counts() -> Case:
    """The loop leaves the hits of a table whose lookup counts them."""

    class Table:
        def __init__(self) -> None:
            self.hits = [0] * 10

        def __getitem__(self, key: int) -> int:
            self.hits[key % 10] += 1
            return key * key

        def __contains__(self, key: int) -> bool:
            self.hits[0] += 100
            return key < 100

    table = Table()

    def lookup(item: int) -> int:
        compute()
        return table[item] if item in table else -1  # noqa: SIM401

    return Case(lookup, range(150), left=lambda: table.hits)


@case("objects")
def formatting_that_counts() -> Case:
    """The loop leaves how often a value was put into a text."""

    class Serial:
        def __init__(self) -> None:
            self.used = 0

        def __format__(self, spec: str) -> str:
            self.used += 1
            return format(self.used, spec)

    serial = Serial()

    def label(item: int) -> str:
        return f"{serial:05}-{release(item)}"

    return Case(label, range(150), left=lambda: serial.used)


@case("objects")
def comparison_that_counts() -> Case:
    """The loop leaves how often a threshold was compared with."""

    class Threshold:
        def __init__(self, value: int) -> None:
            self.value = value
            self.compared = 0

        def __lt__(self, other: int) -> bool:
            self.compared += 1
            return self.value < other

    threshold = Threshold(77)

    def above(item: int) -> bool:
        compute()
        return item > threshold  # int does not know: the reflected method of Threshold is called

    return Case(above, range(150), left=lambda: threshold.compared)


@case("objects")
def sum_through_iadd() -> Case:
    """The loop leaves a sum of money that adds in place."""

    class Money:
        def __init__(self, cents: int = 0) -> None:
            self.cents = cents

        def __iadd__(self, cents: int) -> Money:
            self.cents += cents
            return self

    purse = [Money()]

    def pay(item: int) -> int:
        nap()
        purse[0] += item
        return item

    return Case(pay, range(150), left=lambda: purse[0].cents)


@case("objects")
def what_dies_leaves_a_note() -> Case:
    """The loop leaves a note for each object that was thrown away inside of the function."""
    buried: list[int] = []

    class Temporary:
        pass

    def use(item: int) -> int:
        temporary = Temporary()
        weakref.finalize(temporary, buried.append, item)
        return compute(item)

    return Case(use, range(150), left=lambda: buried)


@case("objects")
def destructor_that_counts() -> Case:
    """The loop leaves how many handles were given back by their destructor."""

    class Handle:
        open_handles = 0
        closed = 0

        def __init__(self) -> None:
            Handle.open_handles += 1

        def __del__(self) -> None:
            Handle.open_handles -= 1
            Handle.closed += 1

    def use(item: int) -> int:
        handle = Handle()
        value = compute(item)
        del handle
        return value

    return Case(use, range(150), left=lambda: (Handle.open_handles, Handle.closed))


@case("objects")
def observers() -> Case:
    """The loop leaves what observers of a subject were told."""

    class Subject:
        def __init__(self) -> None:
            self.observers: list[Any] = []

        def tell(self, event: int) -> int:
            return len([observer(event) for observer in self.observers])

    log: list[int] = []
    odd: set[int] = set()
    subject = Subject()
    subject.observers += [log.append, lambda event: odd.add(event % 10)]

    def publish(item: int) -> int:
        compute()
        return subject.tell(item)

    return Case(publish, range(150), left=lambda: (log, sorted(odd)))


@case("objects")
def running_generator_in_an_attribute() -> Case:
    """The results are running means by a generator that an object keeps."""

    class Mean:
        def __init__(self) -> None:
            self._steps = self._run()
            next(self._steps)

        def _run(self) -> Iterator[float]:
            total, count = 0.0, 0
            while True:
                value = yield total / count if count else 0.0
                total, count = total + value, count + 1

        def add(self, value: int) -> float:
            compute()
            return self._steps.send(value)

    mean = Mean()
    return Case(mean.add, range(150), left=lambda: mean.add(0))


@case("objects")
def attribute_of_the_function_itself() -> Case:
    """The loop leaves the number of calls in an attribute of the function."""

    def work(item: int) -> int:
        work.calls += 1
        return compute(item)

    work.calls = 0
    return Case(work, range(150), left=lambda: work.calls)


def _through_globals(item: int) -> int:
    value = compute(item)
    globals()["COUNT"] += 1
    return value


@case("objects")
def global_by_name() -> Case:
    """The loop leaves a count in a global that is reached by its name."""
    global COUNT
    COUNT = 0
    return Case(_through_globals, range(150), left=lambda: COUNT)


@case("objects")
def nonlocal_count() -> Case:
    """The loop leaves a count in a variable of the enclosing function."""
    done = 0

    def work(item: int) -> str:
        nonlocal done
        done += 1
        return release(item)

    return Case(work, range(150), left=lambda: done)


@case("objects")
def cached_property_with_a_witness() -> Case:
    """The loop leaves a shared object whose property was worked out once, and one witness of that."""

    class Corpus:
        def __init__(self) -> None:
            self.loads = 0

        @functools.cached_property
        def words(self) -> list[str]:
            self.loads += 1
            return [f"word{number}" for number in range(100)]

    corpora = [Corpus() for _ in range(75)]

    def pick(item: int) -> str:
        compute()
        return corpora[item // 2].words[item % 100]

    return Case(
        pick,
        range(150),
        left=lambda: [(one.loads, "words" in vars(one)) for one in corpora],
    )


@case("objects")
def method_put_in_at_run_time() -> Case:
    """The loop leaves totals kept by a method that was bound to an instance by hand."""

    class Plain:
        total = 0

        def add(self, item: int) -> None:
            raise NotImplementedError

    def add(self: Plain, item: int) -> None:
        self.total += item

    plain = Plain()
    plain.add = add.__get__(plain)  # type: ignore[method-assign]

    def work(item: int) -> int:
        value = compute(item)
        plain.add(item)
        return value

    return Case(work, range(150), left=lambda: plain.total)
