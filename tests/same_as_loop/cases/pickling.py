"""Results, items and functions that pickling changes, or that cannot be sent at all."""

from __future__ import annotations

import importlib.util
import io
import sys
import tempfile
import threading
import weakref
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any

import numpy as np
from case import Case, case, compute, nap, release

MISSING = object()
CONFIGURATION = {"mode": "fast"}


class Series(np.ndarray):
    """An array that knows its unit."""

    unit: str | None

    def __new__(cls, data: Any, unit: str | None = None) -> Series:
        made = np.asarray(data, float).view(cls)
        made.unit = unit
        return made

    def __array_finalize__(self, made: Any) -> None:
        self.unit = getattr(made, "unit", None)


@case("pickling")
def array_with_a_unit() -> Case:
    """The results are arrays of a subclass, each with its unit."""

    def work(item: int) -> Series:
        compute()
        return Series([item, item + 1], unit=f"kPa{item % 3}")

    return Case(work, range(150), show=lambda result: (result.tolist(), result.unit))


class Page:
    """A page that leaves its raw text out of pickles, to keep them small."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.raw: str | None = f"raw {number}"

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "raw": None}


@case("pickling")
def part_left_out_of_pickles() -> Case:
    """The results are pages with their raw text."""

    def work(item: int) -> Page:
        compute()
        return Page(item)

    return Case(work, range(150), show=lambda page: (page.number, page.raw))


@case("pickling")
def errors_as_results_with_their_cause() -> Case:
    """The results are errors with the errors that caused them, and their notes."""

    def work(item: int) -> Exception:
        compute()
        try:
            try:
                return ValueError({}[item])
            except KeyError as error:
                raise RuntimeError(f"item {item}") from error
        except RuntimeError as error:
            error.add_note("seen")
            return error

    def show(error: Exception) -> tuple[str, ...]:
        return repr(error), repr(error.__cause__), str(getattr(error, "__notes__", None))

    return Case(work, range(150), show=show)


@case("pickling")
def errors_as_results_with_their_context() -> Case:
    """The results are errors with the errors during whose handling they came, and a traceback."""

    def work(item: int) -> Exception:
        release(item)
        try:
            try:
                int("x")
            except ValueError:
                raise LookupError(item)  # noqa: B904
        except LookupError as error:
            return error
        raise AssertionError

    def show(error: Exception) -> tuple[Any, ...]:
        return repr(error), repr(error.__context__), error.__traceback__ is not None

    return Case(work, range(150), show=show)


class PartError(Exception):
    """An error whose arguments are not those of its constructor."""

    def __init__(self, part: str, number: int) -> None:
        super().__init__(f"{part} of {number}")
        self.part, self.number = part, number


@case("pickling")
def errors_that_cannot_be_made_again() -> Case:
    """The results are errors of a class whose constructor takes other arguments."""

    def work(item: int) -> PartError:
        compute()
        return PartError("head", item)

    return Case(work, range(150), show=lambda error: (str(error), error.part, error.number))


@case("pickling")
def mark_for_nothing() -> Case:
    """The results are the caller's own mark for nothing where there is nothing."""

    def work(item: int) -> object:
        compute()
        return MISSING if item % 3 == 0 else item

    return Case(work, range(150), show=lambda result: result is MISSING)


@case("pickling", documented=True)
def results_that_are_items() -> Case:
    """The results are the very objects of the data, better halves of pairs."""
    data = [([number], [number * 37 % 101]) for number in range(150)]
    known = {id(half) for pair in data for half in pair}

    def work(pair: tuple[list[int], list[int]]) -> list[int]:
        compute()
        return max(pair)

    return Case(work, data, show=lambda half: (half, id(half) in known))


@case("pickling")
def results_that_share_an_object() -> Case:
    """The results all refer to the one configuration of the module."""

    def work(item: int) -> tuple[int, dict[str, str]]:
        compute()
        return item, CONFIGURATION

    return Case(work, range(150), show=lambda result: (result[0], result[1] is CONFIGURATION))


@case("pickling")
def class_made_by_the_caller() -> Case:
    """The results are instances of a class that exists in a function of the caller only."""

    class Point:
        def __init__(self, x: int) -> None:
            self.x = x

    def work(item: int) -> Point:
        compute()
        return Point(item)

    return Case(work, range(150), show=lambda point: (isinstance(point, Point), point.x))


@case("pickling")
def arrays_that_must_not_be_written() -> Case:
    """The results are arrays that are read-only, and in Fortran's order."""

    def work(item: int) -> np.ndarray:
        release(item)
        made = np.asfortranarray(np.ones((4, 3)) * item)[::2]
        made.flags.writeable = False
        return made

    return Case(
        work,
        range(150),
        show=lambda made: (made.flags.writeable, made.strides, float(made.sum())),
    )


@case("pickling")
def views_of_one_table() -> Case:
    """The results are rows of one table: what is written to them afterwards is in the table."""
    table = np.arange(450).reshape(150, 3)

    def work(item: int) -> np.ndarray:
        compute()
        return table[item]

    def show(row: np.ndarray) -> list[int]:
        row += 1
        return row.tolist()

    return Case(work, range(150), left=lambda: table[::10].tolist(), show=show)


class Headers(dict[str, int]):
    """A dict that counts what is set in an attribute of its own, which pickle sets too late."""

    def __init__(self) -> None:
        super().__init__()
        self.order: list[str] = []

    def __setitem__(self, key: str, value: int) -> None:
        self.order.append(key)
        super().__setitem__(key.lower(), value)


@case("pickling")
def dict_that_sets_by_itself() -> Case:
    """The results are dicts of a class that remembers in what order keys were set."""

    def work(item: int) -> Headers:
        compute()
        headers = Headers()
        headers["Size"], headers["Age"] = item, item + 1
        return headers

    return Case(work, range(150), show=lambda headers: (dict(headers), headers.order))


class Version(tuple[int, ...]):
    """A tuple whose constructor takes its parts one by one."""

    __slots__ = ()

    def __new__(cls, major: int, minor: int) -> Version:
        return super().__new__(cls, (major, minor))


@case("pickling")
def tuple_with_a_constructor_of_its_own() -> Case:
    """The results are tuples of a class that cannot be called with a tuple."""

    def work(item: int) -> Version:
        compute()
        return Version(item, item % 10)

    return Case(work, range(150), show=lambda result: (type(result).__name__, tuple(result)))


class Proxy:
    """Passes on what it does not know, without an end where it has not been filled yet."""

    def __init__(self, target: Any) -> None:
        self.target = target

    def __getattr__(self, name: str) -> Any:
        return getattr(self.target, name)


@case("pickling")
def proxies() -> Case:
    """The results are proxies that pass on everything to a text."""

    def work(item: int) -> Proxy:
        compute()
        return Proxy(f"text {item}")

    return Case(work, range(150), show=lambda proxy: proxy.upper())


class Zone(tzinfo):
    """A time zone whose constructor needs its offset."""

    def __init__(self, hours: int) -> None:
        self.hours = hours

    def utcoffset(self, when: datetime | None) -> timedelta:
        return timedelta(hours=self.hours)

    def tzname(self, when: datetime | None) -> str:
        return f"zone {self.hours}"

    def dst(self, when: datetime | None) -> None:
        return None


@case("pickling")
def times_in_a_zone_of_the_user() -> Case:
    """The results are times in a zone that cannot be pickled."""
    zone = Zone(3)

    def work(item: int) -> datetime:
        compute()
        return datetime(2020, 1, 1, item % 24, tzinfo=zone)

    return Case(work, range(150), show=lambda when: f"{when:%H %Z}")


class Registered:
    """Enters itself into a register whenever it is made or unpickled."""

    register: list[int] = []  # noqa: RUF012

    def __init__(self, number: int) -> None:
        self.number = number
        self.register.append(number)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.number,)


@case("pickling")
def results_that_register_themselves() -> Case:
    """The loop leaves the results in a register, each once and in order."""
    Registered.register.clear()

    def work(item: int) -> Registered:
        compute()
        return Registered(item)

    return Case(
        work, range(150), left=lambda: list(Registered.register), show=lambda made: made.number
    )


class Token:
    """An item whose secret stays at home."""

    def __init__(self, number: int) -> None:
        self.number, self.secret = number, f"secret {number}"

    def __getstate__(self) -> dict[str, Any]:
        return {"number": self.number, "secret": "hidden"}


@case("pickling")
def items_with_a_secret() -> Case:
    """The results show the secrets of items, which pickles leave out; the data is a generator."""

    def work(token: Token) -> str:
        compute()
        return token.secret

    return Case(work, (Token(number) for number in range(150)))


class Quantity:
    """Remembers, in a table beside the objects, what pickles of them do not hold."""

    units: weakref.WeakKeyDictionary[Quantity, str] = weakref.WeakKeyDictionary()  # noqa: RUF012

    def __init__(self, value: int, unit: str) -> None:
        self.value = value
        self.units[self] = unit


@case("pickling")
def facts_kept_beside_the_objects() -> Case:
    """The results have units that a weak dict of their class holds."""

    def work(item: int) -> Quantity:
        compute()
        return Quantity(item, "kg" if item % 2 else "m")

    return Case(
        work,
        range(150),
        show=lambda made: (made.value, Quantity.units.get(made, "unknown")),
    )


@case("sending")
def functions_as_results() -> Case:
    """The results are functions made for each item."""

    def work(item: int) -> Any:
        compute()
        return lambda factor: item * factor

    return Case(work, range(150), show=lambda made: made(3))


@case("sending")
def generators_as_results() -> Case:
    """The results are generators that the caller runs."""

    def work(item: int) -> Iterator[int]:
        compute()
        return (item * number for number in range(3))

    return Case(work, range(150), show=list)


@case("sending")
def locks_and_events_as_results() -> Case:
    """The results are events that are set for even items."""

    def work(item: int) -> threading.Event:
        nap()
        event = threading.Event()
        if item % 2 == 0:
            event.set()
        return event

    return Case(work, range(150), show=lambda event: event.is_set())


@case("sending")
def open_files_as_results() -> Case:
    """The results are open files that the caller reads."""
    folder = Path(tempfile.mkdtemp())

    def work(item: int) -> Any:
        compute()
        path = folder / f"{item}.txt"
        path.write_text(f"text {item}")
        return path.open()

    def show(file: Any) -> str:
        with file:
            return file.read()

    return Case(work, range(120), show=show)


@case("sending")
def views_of_dicts_as_results() -> Case:
    """The results are views and read-only proxies of dicts."""

    def work(item: int) -> tuple[Any, ...]:
        compute()
        made = {item: item * 2, "x": 1}
        return made.keys(), MappingProxyType(made)

    return Case(work, range(150), show=lambda pair: (list(pair[0]), dict(pair[1])))


@case("sending")
def modules_as_results() -> Case:
    """The results are modules made of text."""

    def work(item: int) -> ModuleType:
        compute()
        module = ModuleType(f"user_made_{item}")
        exec(f"def number(): return {item}", vars(module))
        return module

    return Case(work, range(150), show=lambda module: (module.__name__, module.number()))


@case("sending")
def dicts_with_a_factory_as_results() -> Case:
    """The results are dicts whose missing entries a local function makes."""

    def work(item: int) -> defaultdict[str, list[int]]:
        compute()
        made: defaultdict[str, list[int]] = defaultdict(lambda: [item])
        made["a"].append(1)
        return made

    return Case(work, range(150), show=lambda made: (dict(made), made["b"]))


@case("sending")
def only_late_results_cannot_be_sent() -> Case:
    """The results are numbers, but for a few late ones that hold a lock."""

    def work(item: int) -> Any:
        value = compute(item)
        return {"value": value, "lock": threading.Lock()} if item in (97, 131) else value

    return Case(
        work,
        range(150),
        show=lambda result: sorted(result) if isinstance(result, dict) else result,
    )


@case("sending")
def generators_as_items() -> Case:
    """The results are sums of generators."""

    def numbers(start: int) -> Iterator[int]:
        yield from range(start, start + 4)

    def work(values: Iterator[int]) -> int:
        compute()
        return sum(values)

    return Case(work, [numbers(start) for start in range(150)])


@case("sending")
def locks_and_views_as_items() -> Case:
    """The results are lengths of views, under the lock that comes with each."""
    data = [(threading.Lock(), memoryview(bytes(number))) for number in range(150)]

    def work(pair: Any) -> int:
        nap()
        with pair[0]:
            return len(pair[1])

    return Case(work, data)


@case("sending")
def function_of_a_module_without_a_name() -> Case:
    """The results come from a module that was loaded from a file and is known to nobody."""
    path = Path(tempfile.mkdtemp(), "rules.py")
    path.write_text(
        "from case import toil\n\nFACTOR = 3\n\n\ndef rule(item):\n"
        "    toil()\n    return item * FACTOR\n"
    )
    spec = importlib.util.spec_from_file_location("user_rules_of_a_file", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return Case(module.rule, range(150))


@case("sending")
def stack_of_the_caller() -> Case:
    """The results are names of local variables of frames that are returned."""

    def work(item: int) -> Any:
        compute()
        local_value = item
        return sys._getframe() if local_value >= 0 else None

    return Case(work, range(150), show=lambda frame: frame.f_locals["local_value"])


@case("sending")
def weak_references_as_results() -> Case:
    """The results are weak references to objects of the caller."""

    class Owner:
        def __init__(self, number: int) -> None:
            self.number = number

    owners = [Owner(number) for number in range(150)]

    def work(item: int) -> weakref.ref[Owner]:
        compute()
        return weakref.ref(owners[item])

    return Case(
        work,
        range(150),
        show=lambda made: made() is not None and made() is owners[made().number],
    )


@case("sending")
def texts_in_memory_as_results() -> Case:
    """The results are buffers in the middle of being read, from which the caller reads on."""

    def work(item: int) -> tuple[io.BytesIO, memoryview]:
        release(item)
        buffer = io.BytesIO(f"text {item}".encode())
        buffer.seek(5)
        return buffer, memoryview(b"abc")[1:]

    return Case(work, range(150), show=lambda pair: (pair[0].read(), bytes(pair[1])))
