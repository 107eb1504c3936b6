"""Objects, calls, closures and modules of a user's own; written before the rules were looked at."""

from __future__ import annotations

import collections
import contextlib
import contextvars
import copy
import dataclasses
import enum
import functools
import gc
import importlib
import itertools
import threading
import types
import weakref
from collections.abc import Callable, Generator, Iterator, MutableMapping
from typing import Any, ClassVar

import user_pipeline
from case import Case, case, toil

N = 70
TALLY = {"seen": 0}
_VARIABLE: contextvars.ContextVar[int] = contextvars.ContextVar("heldout", default=0)


@case("modules")
def heldout_bus_of_events() -> Case:
    """A handler that was put on a bus elsewhere changes a list."""
    bus, heard = user_pipeline.Bus(), []
    bus.on("done", lambda item, total: heard.append((item, total)))

    def work(item: int) -> int:
        total = toil(item)
        bus.emit("done", item, total)
        return total

    return Case(work, range(N), left=lambda: heard)


@case("modules")
def heldout_meter_of_the_program() -> Case:
    """A meter is found by a class method, wherever it is needed."""
    user_pipeline.Meter._default = None

    def work(item: int) -> int:
        total = toil(item)
        user_pipeline.Meter.default().observe("toil", total, kind=item % 3)
        return total

    return Case(work, range(N), left=lambda: sorted(user_pipeline.Meter.default().sums.items()))


@case("modules")
def heldout_repository_with_versions() -> Case:
    """A repository counts how often a key was saved."""
    repository = user_pipeline.Repository()

    def work(item: int) -> int:
        return repository.save(item % 6, toil(item))

    return Case(work, range(N), left=repository.dump)


@case("modules")
def heldout_unit_of_work() -> Case:
    """What is to be saved is saved on leaving a block."""
    repository = user_pipeline.Repository()

    def work(item: int) -> int:
        with user_pipeline.UnitOfWork(repository) as unit:
            total = toil(item)
            unit.add(item % 4, total)
        return total

    return Case(work, range(N), left=repository.dump)


@case("modules")
def heldout_labels_in_order_of_meeting() -> Case:
    """A dictionary gives a number to each new name."""
    labels = user_pipeline.Labels()
    words = [f"w{number * 37 % 41}" for number in range(N)]

    def work(word: str) -> int:
        toil()
        return labels[word]

    return Case(work, words, left=lambda: list(labels))


@case("modules")
def heldout_settings_overridden_for_a_while() -> Case:
    """Settings of a module are other ones while an item runs, and are put back."""

    def work(item: int) -> int:
        with user_pipeline.overridden(scale=item):
            toil()
            return user_pipeline.scaled(2)

    return Case(work, range(N), left=user_pipeline.settings)


@case("modules")
def heldout_settings_from_a_function() -> Case:
    """A function of a module hands out its dictionary, and an item sets a value."""
    user_pipeline.settings()["scale"] = 3

    def work(item: int) -> int:
        toil()
        if item == 30:
            user_pipeline.settings().update(scale=10)
        return user_pipeline.scaled(item)

    return Case(work, range(N), left=lambda: dict(user_pipeline.settings()))


@case("modules")
def heldout_attribute_of_a_module_by_name() -> Case:
    """A module that is imported by name gets an attribute."""
    module = importlib.import_module("user_pipeline")
    module.latest = None

    def work(item: int) -> int:
        if item % 11 == 3:
            vars(importlib.import_module("user_pipeline"))["latest"] = item
        return toil(item)

    return Case(work, range(N), left=lambda: user_pipeline.latest)


@case("modules")
def heldout_global_of_this_module() -> Case:
    """A global dictionary is changed by a nested function."""
    TALLY["seen"] = 0

    def note() -> None:
        TALLY["seen"] += 1

    def work(item: int) -> int:
        note()
        return toil(item)

    return Case(work, range(N), left=lambda: TALLY)


@case("modules")
def heldout_points_added_in_place() -> Case:
    """A value of another module is added to in place."""
    state = {"sum": user_pipeline.Point(0, 0)}

    def work(item: int) -> int:
        state["sum"] += user_pipeline.Point(item, 1)
        return toil(item)

    return Case(work, range(N), left=lambda: (state["sum"].x, state["sum"].y))


@case("objects")
def heldout_members_of_an_enumeration() -> Case:
    """An enumeration makes members for values it did not know."""

    class Code(enum.IntEnum):
        OK = 0

        @classmethod
        def _missing_(cls, value: object) -> Any:
            member = int.__new__(cls, value)  # type: ignore[call-overload]
            member._name_, member._value_ = f"CODE_{value}", value
            return cls._value2member_map_.setdefault(value, member)

    def work(item: int) -> str:
        toil()
        return Code(item % 13).name

    return Case(work, range(N), left=lambda: sorted(Code._value2member_map_))  # type: ignore[type-var]


@case("objects")
def heldout_subclasses_that_register() -> Case:
    """Classes made by the function enter themselves into a list."""

    class Base:
        known: ClassVar[list[str]] = []

        def __init_subclass__(cls) -> None:
            Base.known.append(cls.__name__)

    def work(item: int) -> str:
        toil()
        return types.new_class(f"Own{item}", (Base,)).__name__

    return Case(work, range(N), left=lambda: Base.known)


@case("objects")
def heldout_property_that_counts() -> Case:
    """Reading a property counts."""

    class Sensor:
        def __init__(self) -> None:
            self.reads = 0

        @property
        def value(self) -> int:
            self.reads += 1
            return self.reads

    sensor = Sensor()

    def work(item: int) -> int:
        toil()
        return sensor.value + item

    return Case(work, range(N), left=lambda: sensor.reads)


@case("objects")
def heldout_descriptor_with_a_store() -> Case:
    """A descriptor keeps values of instances in a dictionary of its own."""

    class Stored:
        def __init__(self) -> None:
            self.values: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()

        def __get__(self, instance: Any, owner: type) -> int:
            return self.values.get(instance, 0)

        def __set__(self, instance: Any, value: int) -> None:
            self.values[instance] = value

    class Account:
        balance = Stored()

    accounts = [Account() for _ in range(4)]

    def work(item: int) -> int:
        account = accounts[item % 4]
        account.balance += item
        toil()
        return account.balance

    return Case(work, range(N), left=lambda: [account.balance for account in accounts])


@case("objects")
def heldout_count_of_the_dead() -> Case:
    """Instances count themselves when they are deleted."""

    class Job:
        dead = 0

        def __del__(self) -> None:
            Job.dead += 1

    def work(item: int) -> int:
        job = Job()
        total = toil(item)
        del job
        return total

    return Case(work, range(N), left=lambda: Job.dead)


@case("objects")
def heldout_finalizers() -> Case:
    """A finalizer notes the end of each object."""
    ended: list[int] = []

    class Handle:
        pass

    def work(item: int) -> int:
        handle = Handle()
        weakref.finalize(handle, ended.append, item)
        return toil(item)

    return Case(work, range(N), left=lambda: ended)


@case("objects")
def heldout_weak_cache() -> Case:
    """Objects that live elsewhere are put in a weak dictionary."""

    class Node:
        def __init__(self, number: int) -> None:
            self.number = number

    nodes = [Node(number) for number in range(N)]
    alive: weakref.WeakValueDictionary[int, Node] = weakref.WeakValueDictionary()

    def work(item: int) -> int:
        alive[item * 3] = nodes[item]
        return toil(item)

    return Case(work, range(N), left=lambda: sorted(alive))


@case("objects")
def heldout_instances_listed_by_their_class() -> Case:
    """Each new instance enters the list of its class."""

    class Event:
        instances: ClassVar[list[Any]] = []

        def __init__(self, item: int) -> None:
            self.item = item
            type(self).instances.append(self)

    def work(item: int) -> int:
        return toil(Event(item).item)

    return Case(work, range(N), left=lambda: [event.item for event in Event.instances])


@case("objects")
def heldout_number_of_a_dataclass() -> Case:
    """A dataclass numbers its instances after they are made."""

    @dataclasses.dataclass
    class Ticket:
        item: int
        number: int = 0
        next_number = 0

        def __post_init__(self) -> None:
            cls = self.__class__
            cls.next_number, self.number = cls.next_number + 1, cls.next_number

    def work(item: int) -> int:
        toil()
        return Ticket(item).number

    return Case(work, range(N), left=lambda: Ticket.next_number)


@case("objects")
def heldout_average_that_is_sent_to() -> Case:
    """A generator keeps a running mean."""

    def mean() -> Generator[float, int, None]:
        total, count, value = 0, 0, 0.0
        while True:
            total += yield value
            count += 1
            value = total / count

    running = mean()
    next(running)

    def work(item: int) -> float:
        return running.send(toil(item) % 10)

    return Case(work, range(N), left=lambda: running.send(5))


@case("objects")
def heldout_mapping_of_the_users_own() -> Case:
    """A mapping writes its history."""

    class Journal(MutableMapping[int, int]):
        def __init__(self) -> None:
            self._now: dict[int, int] = {}
            self.history: list[tuple[int, int]] = []

        def __getitem__(self, key: int) -> int:
            return self._now[key]

        def __setitem__(self, key: int, value: int) -> None:
            self._now[key] = value
            self.history.append((key, value))

        def __delitem__(self, key: int) -> None:
            del self._now[key]

        def __iter__(self) -> Iterator[int]:
            return iter(self._now)

        def __len__(self) -> int:
            return len(self._now)

    journal = Journal()

    def work(item: int) -> int:
        journal.setdefault(item % 5, item)
        journal.update({item % 3: item})
        return toil(item)

    return Case(work, range(N), left=lambda: (journal.history, sorted(journal.items())))


@case("objects")
def heldout_lock_around_a_total() -> Case:
    """A total is guarded by a lock, and read after it has been added to."""

    class Total:
        def __init__(self) -> None:
            self._lock = threading.Lock()
            self.value = 0

        def add(self, amount: int) -> int:
            with self._lock:
                self.value += amount
                return self.value

    total = Total()

    def work(item: int) -> int:
        toil()
        return total.add(item)

    return Case(work, range(N), left=lambda: total.value)


@case("objects")
def heldout_property_computed_once() -> Case:
    """A cached property of shared objects notes that it was computed."""
    computed: list[int] = []

    class Sheet:
        def __init__(self, number: int) -> None:
            self.number = number

        @functools.cached_property
        def area(self) -> int:
            computed.append(self.number)
            return self.number**2

    sheets = [Sheet(number) for number in range(10)]

    def work(item: int) -> int:
        return toil(sheets[item // 7].area)

    return Case(work, range(N), left=lambda: computed)


@case("objects")
def heldout_state_machine() -> Case:
    """An object goes from state to state."""

    class Light:
        def __init__(self) -> None:
            self.turn = self.green

        def green(self) -> str:
            self.turn = self.red
            return "green"

        def red(self) -> str:
            self.turn = self.green
            return "red"

    light = Light()

    def work(item: int) -> str:
        toil()
        return light.turn()

    return Case(work, range(N), left=lambda: light.turn.__name__)


@case("objects")
def heldout_limiter_of_calls() -> Case:
    """After some calls a breaker lets nothing through."""

    class Breaker:
        failures = 0
        open = False

        def call(self, item: int) -> int:
            if self.open:
                return -1
            if item % 9 == 8:
                self.failures += 1
                self.open = self.failures >= 3
            return toil(item)

    breaker = Breaker()
    return Case(breaker.call, range(N), left=lambda: vars(breaker))


@case("objects")
def heldout_dictionary_of_an_object() -> Case:
    """Attributes are set through the dictionary of an object."""
    box = types.SimpleNamespace(last=None)

    def work(item: int) -> int:
        box.__dict__.update(last=item, **{f"a{item % 3}": item})
        return toil(item)

    return Case(work, range(N), left=lambda: sorted(vars(box).items(), key=str))


@case("objects")
def heldout_truth_that_counts() -> Case:
    """Asking for the truth of an object counts."""

    class Flag:
        asked = 0

        def __bool__(self) -> bool:
            self.asked += 1
            return self.asked % 2 == 0

    flag = Flag()

    def work(item: int) -> str:
        toil()
        return "even" if flag else "odd"

    return Case(work, range(N), left=lambda: flag.asked)


@case("objects")
def heldout_comparison_that_notes() -> Case:
    """A comparison by ``in`` notes what it is compared with."""

    class Anything:
        def __init__(self) -> None:
            self.met: list[object] = []

        def __eq__(self, other: object) -> bool:
            self.met.append(other)
            return False

        __hash__ = None  # type: ignore[assignment]

    anything = Anything()

    def work(item: int) -> bool:
        toil()
        return item in [anything]

    return Case(work, range(N), left=lambda: anything.met)


@case("calls")
def heldout_decorator_that_retries() -> Case:
    """A decorator tries again, and counts in its closure."""

    def retried(function: Callable[[int], int]) -> Any:
        tries = 0

        @functools.wraps(function)
        def inner(item: int) -> int:
            nonlocal tries
            for turn in range(3):
                tries += 1
                if (item + turn) % 3:
                    return function(item)
            return 0

        inner.tries = lambda: tries  # type: ignore[attr-defined]
        return inner

    work = retried(toil)
    return Case(work, range(N), left=lambda: work.tries())


@case("calls")
def heldout_class_as_decorator() -> Case:
    """A class wraps the function, and remembers its calls."""

    class Timed:
        def __init__(self, function: Callable[[int], int]) -> None:
            functools.update_wrapper(self, function)
            self.function, self.calls = function, collections.Counter()

        def __call__(self, item: int) -> int:
            self.calls[item % 4] += 1
            return self.function(item)

    @Timed
    def work(item: int) -> int:
        return toil(item)

    return Case(work, range(N), left=lambda: sorted(work.calls.items()))


@case("calls")
def heldout_number_on_the_function() -> Case:
    """The function counts its calls on itself."""

    def work(item: int) -> int:
        work.calls = getattr(work, "calls", 0) + 1  # type: ignore[attr-defined]
        toil()
        return work.calls  # type: ignore[attr-defined]

    return Case(work, range(N), left=lambda: work.calls)  # type: ignore[attr-defined]


@case("calls")
def heldout_memo_in_a_default() -> Case:
    """A default keeps the place of each key."""

    def work(item: int, places: dict[int, int] = {}) -> int:  # noqa: B006
        toil()
        return places.setdefault(item * 5 % 17, len(places))

    return Case(work, range(N), left=lambda: work.__defaults__)


@case("calls")
def heldout_code_in_a_text() -> Case:
    """Code in a text runs in a namespace that stays."""
    space = {"total": 0}
    code = compile("total += item; out = total", "heldout", "exec")

    def work(item: int) -> int:
        exec(code, space, None) if space.update(item=item) is None else None
        toil()
        return space["out"]

    return Case(work, range(N), left=lambda: space["total"])


@case("calls")
def heldout_steps_of_a_list() -> Case:
    """Steps are functions in a list, and one of them remembers."""
    last = [0]

    def double(number: int) -> int:
        return number * 2

    def difference(number: int) -> int:
        before, last[0] = last[0], number
        return number - before

    steps = [toil, double, difference]

    def work(item: int) -> int:
        return functools.reduce(lambda value, step: step(value), steps, item)

    return Case(work, range(N), left=lambda: last)


@case("calls")
def heldout_table_of_methods() -> Case:
    """What is called stands in a table by a key."""
    account = {"balance": 0}
    actions = {
        0: lambda amount: account.__setitem__("balance", account["balance"] + amount),
        1: lambda amount: account.__setitem__("balance", account["balance"] - amount),
    }

    def work(item: int) -> int:
        toil()
        actions[item % 2](item)
        return account["balance"]

    return Case(work, range(N), left=lambda: account)


@case("calls")
def heldout_search_that_fills() -> Case:
    """A test of all fills a set until it fails."""
    seen: set[int] = set()

    def fresh(number: int) -> bool:
        return number not in seen and not seen.add(number)

    def work(item: int) -> bool:
        toil()
        return all(fresh(number * number % 53) for number in (item, item + 1))

    return Case(work, range(N), left=lambda: sorted(seen))


@case("calls")
def heldout_partial_method() -> Case:
    """A partial method of a shared object books."""

    class Book:
        def __init__(self) -> None:
            self.lines: list[tuple[str, int]] = []

        def book(self, side: str, amount: int) -> int:
            self.lines.append((side, amount))
            return toil(amount)

        debit = functools.partialmethod(book, "debit")

    book = Book()
    return Case(book.debit, range(N), left=lambda: book.lines)


@case("calls")
def heldout_block_with_an_exit() -> Case:
    """A context manager of a closure writes down who entered and left."""
    log: list[str] = []

    @contextlib.contextmanager
    def noted(name: str) -> Iterator[None]:
        log.append(f"+{name}")
        try:
            yield
        finally:
            log.append(f"-{name}")

    def work(item: int) -> int:
        with noted(str(item)):
            return toil(item)

    return Case(work, range(N), left=lambda: log)


@case("calls")
def heldout_memo_of_a_copy() -> Case:
    """Copies share a memo that grows."""
    memo: dict[int, Any] = {}
    parts = [[number] for number in range(8)]

    def work(item: int) -> list[int]:
        toil()
        return copy.deepcopy(parts[item % 8], memo)

    return Case(work, range(N), left=lambda: len(memo))


@case("context")
def heldout_variable_that_is_added_to() -> Case:
    """A context variable is set and never put back."""
    _VARIABLE.set(0)

    def work(item: int) -> int:
        toil()
        _VARIABLE.set(_VARIABLE.get() + 1)
        return _VARIABLE.get()

    return Case(work, range(N), left=_VARIABLE.get)


@case("context")
def heldout_variable_filled_with_a_dictionary() -> Case:
    """A context variable holds a dictionary that items write to."""
    scope: contextvars.ContextVar[dict[str, int]] = contextvars.ContextVar("scope")
    scope.set({})

    def work(item: int) -> int:
        scope.get()[f"k{item % 6}"] = item
        return toil(item)

    return Case(work, range(N), left=lambda: sorted(scope.get().items()))


@case("threadbound")
def heldout_counter_of_a_thread() -> Case:
    """A thread counts in an attribute of its own, in a list."""
    local = threading.local()

    def work(item: int) -> int:
        if not hasattr(local, "seen"):
            local.seen = []
        local.seen.append(item)
        toil()
        return len(local.seen)

    return Case(work, range(N), left=lambda: len(local.seen))


@case("threadbound")
def heldout_user_of_a_thread() -> Case:
    """A subclass of thread-local data has a value that the caller has set."""

    class Session(threading.local):
        def __init__(self) -> None:
            self.user = "nobody"

    session = Session()
    session.user = "ann"

    def work(item: int) -> str:
        toil()
        return f"{session.user}{item}"

    return Case(work, range(N), left=lambda: session.user)


@case("items")
def heldout_items_that_lose_a_key() -> Case:
    """Each item is a dictionary from which a key is taken."""
    items = [{"id": number, "raw": number} for number in range(N)]

    def work(item: dict[str, int]) -> int:
        return toil(item.pop("raw"))

    return Case(work, items, left=lambda: [sorted(item) for item in items])


@case("items")
def heldout_items_that_share_a_part() -> Case:
    """Items hold one shared list, and write to it."""
    shared: list[int] = []
    items = [(number, shared) for number in range(N)]

    def work(item: tuple[int, list[int]]) -> int:
        number, into = item
        into.append(number)
        return toil(number)

    return Case(work, items, left=lambda: shared)


@case("items")
def heldout_items_linked_to_the_next() -> Case:
    """Items are linked, and each passes a value on."""

    class Cell:
        next: Any = None
        value = 1

    cells = [Cell() for _ in range(N)]
    for one, other in itertools.pairwise(cells):
        one.next = other

    def work(cell: Any) -> int:
        toil()
        if cell.next is not None:
            cell.next.value = (cell.value * 3 + 1) % 1009
        return cell.value

    return Case(work, cells, left=lambda: [cell.value for cell in cells])


@case("items")
def heldout_items_finished_by_a_method() -> Case:
    """Each item is an object whose method marks it as done."""

    @dataclasses.dataclass
    class Job:
        number: int
        done: bool = False
        log: list[str] = dataclasses.field(default_factory=list)

        def run(self) -> int:
            total = toil(self.number)
            self.log.append(f"ran {self.number}")
            self.done = True
            return total

    jobs = [Job(number) for number in range(N)]
    return Case(Job.run, jobs, left=lambda: [(job.done, job.log) for job in jobs])


@case("process")
def heldout_callbacks_of_the_collector() -> Case:
    """A callback of the garbage collector is added and stays."""
    before = len(gc.callbacks)
    heard: list[str] = []

    def hear(phase: str, info: dict[str, int]) -> None:
        heard.append(phase)

    def work(item: int) -> int:
        if item == 20:
            gc.callbacks.append(hear)
        return toil(item)

    def left() -> int:
        added = len(gc.callbacks) - before
        del gc.callbacks[before:]
        return added

    return Case(work, range(N), left)
