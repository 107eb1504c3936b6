"""Objects as data scientists and engineers make them by hand; written before any rule was looked at."""

from __future__ import annotations

import abc
import asyncio
import bisect
import collections
import contextlib
import copy
import dataclasses
import enum
import functools
import itertools
import math
import operator
import pickle
import threading
import types
import weakref
from collections.abc import Callable, Generator, Iterator
from typing import Any, ClassVar

import numpy as np
from case import Case, case, compute, toil

N = 90
RARE = {23, 47, 58, 81}


class Session:
    """The shape of ``requests.Session``: headers, cookies, a budget of retries, an adapter."""

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}
        self.cookies: dict[str, int] = {}
        self.budget = 5
        self.adapters = {"https://": Adapter()}

    def request(self, number: int) -> str:
        answer = self.adapters["https://"].send(number)
        if answer is None:
            if self.budget == 0:
                return "given up"
            self.budget -= 1
            answer = "again"
        self.cookies["last"] = number
        return answer


class Adapter:
    def send(self, number: int) -> str | None:
        toil(number)
        return None if number % 11 == 3 else "ok"


@case("objects")
def later_session_with_a_budget_of_retries() -> Case:
    session = Session()
    return Case(session.request, range(N), left=lambda: (session.budget, session.cookies))


@case("objects")
def later_session_that_keeps_only_rare_cookies() -> Case:
    """Most answers set nothing: only some hosts give a cookie."""
    session = Session()

    def fetch(item: int) -> int:
        value = toil(item)
        if item in RARE:
            session.headers.setdefault("cookie", f"c{item}")
        return value + len(session.headers)

    return Case(fetch, range(N), left=lambda: session.headers)


class Pool:
    """Connections that are taken from the left and given back on the right."""

    def __init__(self, size: int) -> None:
        self.free = collections.deque(range(size))

    @contextlib.contextmanager
    def connection(self) -> Iterator[int]:
        number = self.free.popleft()
        try:
            yield number
        finally:
            self.free.append(number)


@case("objects")
def later_pool_gives_connections_in_turn() -> Case:
    pool = Pool(7)

    def query(item: int) -> tuple[int, int]:
        with pool.connection() as number:
            return number, toil(item)

    return Case(query, range(N), left=lambda: list(pool.free))


class Tokenizer:
    """Words get numbers in the order in which they come."""

    def __init__(self, limit: int) -> None:
        self.vocabulary: dict[str, int] = {"<unk>": 0}
        self.limit = limit
        self.cache: dict[str, list[int]] = {}

    def encode(self, text: str) -> list[int]:
        toil()
        if text in self.cache:
            return self.cache[text]
        found = []
        for word in text.split():
            if word not in self.vocabulary and len(self.vocabulary) < self.limit:
                self.vocabulary[word] = len(self.vocabulary)
            found.append(self.vocabulary.get(word, 0))
        self.cache[text] = found
        return found


def _texts() -> list[str]:
    return [f"the w{number * 5 % 41} of w{number * 3 % 29}" for number in range(N)]


@case("objects")
def later_tokenizer_that_learns_words() -> Case:
    tokenizer = Tokenizer(40)
    return Case(tokenizer.encode, _texts(), left=lambda: sorted(tokenizer.vocabulary.items()))


@case("objects")
def later_tokenizer_whose_answer_is_changed_by_its_user() -> Case:
    """The cache hands out its own list, and the caller of it adds to it."""
    tokenizer = Tokenizer(1000)
    for text in _texts():
        tokenizer.vocabulary.update((word, len(word)) for word in text.split())

    def padded(item: int) -> list[int]:
        found = tokenizer.encode(f"the w{item % 9}")
        if len(found) < 5:
            found.append(-item)
        return list(found)

    return Case(padded, range(N), left=lambda: tokenizer.cache)


class Regressor:
    """A linear model that is fitted row by row, its weights in place."""

    def __init__(self, width: int) -> None:
        self.coef_ = np.zeros(width)
        self.n_iter_ = 0

    def partial_fit(self, row: np.ndarray[Any, Any], target: float) -> Regressor:
        error = target - float(row @ self.coef_)
        self.coef_ += 0.01 * error * row
        self.n_iter_ += 1
        return self


@case("objects")
def later_regressor_fitted_row_by_row() -> Case:
    model = Regressor(4)

    def step(item: int) -> float:
        row = np.array([1.0, item % 3, item % 5, item % 7])
        toil()
        model.partial_fit(row, float(item % 4))
        return round(float(row @ model.coef_), 9)

    return Case(step, range(N), left=lambda: (model.n_iter_, model.coef_.round(9).tolist()))


class Welford:
    """Count, mean and variance, updated by ``+=``."""

    __slots__ = ("count", "m2", "mean")

    def __init__(self) -> None:
        self.count, self.mean, self.m2 = 0, 0.0, 0.0

    def __iadd__(self, value: float) -> Welford:
        self.count += 1
        delta = value - self.mean
        self.mean += delta / self.count
        self.m2 += delta * (value - self.mean)
        return self


@case("objects")
def later_statistics_by_augmented_assignment() -> Case:
    holder = types.SimpleNamespace(stats=Welford())

    def z_score(item: int) -> float:
        value = toil(item) % 101
        holder.stats += value
        return round(value - holder.stats.mean, 9)

    return Case(z_score, range(N), left=lambda: (holder.stats.count, round(holder.stats.m2, 6)))


@case("objects")
def later_outliers_by_a_moving_average() -> Case:
    """An exponential average by ``nonlocal``, changed only where the value is near enough."""
    average = 10.0

    def is_outlier(item: int) -> bool:
        nonlocal average
        value = 10 + (toil(item) % 3 if item % 13 else 90)
        if abs(value - average) > 20:
            return True
        average = 0.9 * average + 0.1 * value
        return False

    return Case(is_outlier, range(N), left=lambda: round(average, 9))


class Progress:
    """A bar that prints nothing: it counts what was entered and left."""

    def __init__(self, total: int) -> None:
        self.total, self.done, self.lines = total, 0, list[str]()

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *error: object) -> None:
        self.done += 1
        if self.done % 30 == 0:
            self.lines.append(f"{self.done / self.total:.0%}")


@case("objects")
def later_progress_counted_on_the_way_out() -> Case:
    bar = Progress(N)

    def work(item: int) -> int:
        with bar:
            return toil(item)

    return Case(work, range(N), left=lambda: (bar.done, bar.lines))


class Reservoir:
    """Ten of many, chosen by a generator of its own arithmetic."""

    def __init__(self) -> None:
        self.seen, self.state, self.kept = 0, 12345, list[int]()

    def offer(self, value: int) -> bool:
        self.seen += 1
        self.state = (self.state * 1103515245 + 12345) % 2**31
        if len(self.kept) < 10:
            self.kept.append(value)
            return True
        place = self.state % self.seen
        if place < 10:
            self.kept[place] = value
            return True
        return False


@case("objects")
def later_reservoir_sample() -> Case:
    reservoir = Reservoir()
    return Case(lambda item: reservoir.offer(toil(item)), range(N), left=lambda: reservoir.kept)


class Plugin:
    known: ClassVar[list[str]] = []

    def __init_subclass__(cls, **more: Any) -> None:
        super().__init_subclass__(**more)
        Plugin.known.append(cls.__name__)


@case("objects")
def later_classes_made_by_items_enroll() -> Case:
    Plugin.known.clear()

    def work(item: int) -> str:
        toil(item)
        if item % 17 == 4:
            made = type(f"Plugin{item}", (Plugin,), {"item": item})
            return made.__name__
        return "none"

    return Case(work, range(N), left=lambda: list(Plugin.known))


class Column:
    """A descriptor that numbers itself."""

    order = itertools.count()

    def __set_name__(self, owner: type, name: str) -> None:
        self.place, self.name = next(Column.order), name

    def __get__(self, instance: object, owner: type | None = None) -> int:
        return self.place


@case("objects")
def later_columns_of_a_table_numbered_as_made() -> Case:
    Column.order = itertools.count()

    def work(item: int) -> int:
        toil(item)

        class Row:
            first = Column()
            second = Column()

        return Row.first + Row.second

    return Case(work, range(N), left=lambda: next(copy.copy(Column.order)))


class Interned(type):
    """One object for equal arguments."""

    table: ClassVar[dict[tuple[type, int], Any]] = {}

    def __call__(cls, number: int) -> Any:
        key = cls, number
        if key not in Interned.table:
            Interned.table[key] = super().__call__(number)
        return Interned.table[key]


class Point(metaclass=Interned):
    def __init__(self, number: int) -> None:
        self.number, self.asked = number, 0


@case("objects")
def later_flyweights_by_a_metaclass() -> Case:
    Interned.table.clear()

    def work(item: int) -> int:
        point = Point(toil(item) % 6)
        point.asked += 1
        return point.asked

    return Case(work, range(N), left=lambda: [p.asked for p in Interned.table.values()])


@case("objects")
def later_singledispatch_learns_a_type() -> Case:
    """The first float registers how floats are shown; strings come rarely."""

    @functools.singledispatch
    def show(value: object) -> str:
        return "unknown"

    def work(item: int) -> str:
        toil(item)
        if item == 44:
            show.register(float, lambda value: f"{value:.1f}")
        return show(item / 2)

    return Case(work, range(N), left=lambda: len(show.registry))


class Document:
    read: ClassVar[list[int]] = []

    def __init__(self, number: int) -> None:
        self.number = number

    @functools.cached_property
    def words(self) -> int:
        self.read.append(self.number)
        return toil(self.number)


@case("objects")
def later_cached_property_of_shared_documents() -> Case:
    Document.read.clear()
    documents = [Document(number) for number in range(30)]
    return Case(
        lambda item: documents[item % 30].words + toil(item) % 2,
        range(N),
        left=lambda: (Document.read, ["words" in vars(one) for one in documents].count(True)),
    )


class Tagger:
    seen: ClassVar[list[int]] = []
    total = 0

    def tag(self, item: int) -> int:
        value = toil(item)
        if value % 19 == 0:
            self.seen += [item]
        return value + len(self.seen)


@case("objects")
def later_class_list_extended_through_an_instance() -> Case:
    Tagger.seen.clear()
    tagger = Tagger()
    return Case(tagger.tag, range(N), left=lambda: (Tagger.seen, sorted(vars(tagger))))


@case("objects")
def later_closures_made_in_a_loop_each_with_a_list() -> Case:
    def handler(kind: int, got: list[int] = []) -> Callable[[int], int]:  # noqa: B006
        mine: list[int] = []

        def handle(item: int) -> int:
            mine.append(item)
            if len(mine) % 4 == kind % 4:
                got.append(item)
            return len(mine)

        handle.mine = mine  # type: ignore[attr-defined]
        return handle

    handlers = [handler(kind) for kind in range(5)]

    def route(item: int) -> int:
        toil(item)
        return handlers[item % 5](item)

    return Case(
        route,
        range(N),
        left=lambda: ([one.mine for one in handlers], handler.__defaults__),  # type: ignore[attr-defined]
    )


@case("objects")
def later_running_mean_by_send() -> Case:
    """The generator that averages was primed by the script; items send values."""

    def averages() -> Generator[float, float, None]:
        total, count = 0.0, 0
        value = yield 0.0
        while True:
            total, count = total + value, count + 1
            value = yield total / count

    average = averages()
    next(average)

    def work(item: int) -> float:
        return round(average.send(float(toil(item) % 50)), 9)

    return Case(work, range(N), left=lambda: round(average.send(0.0), 9))


@case("objects")
def later_coroutine_step_by_step_among_partials() -> Case:
    """The generator is an attribute of a small object whose method is the function."""

    class Filter:
        def __init__(self) -> None:
            self.steps = self.smooth()
            next(self.steps)

        def smooth(self) -> Generator[float, float, None]:
            state = 0.0
            while True:
                state = state * 0.5 + (yield state)

        def __call__(self, item: int) -> float:
            return round(self.steps.send(float(toil(item) % 9)), 9)

    return Case(Filter(), range(N))


@case("objects")
def later_callbacks_pushed_on_an_exit_stack() -> Case:
    stack, closed = contextlib.ExitStack(), list[int]()

    def work(item: int) -> int:
        value = toil(item)
        if item % 9 == 8:
            stack.callback(closed.append, item)
        return value

    def left() -> list[int]:
        stack.close()
        return closed

    return Case(work, range(N), left=left)


class Frame:
    def __init__(self, number: int) -> None:
        self.number = number


@case("objects")
def later_finalizers_note_what_died() -> Case:
    gone: list[int] = []

    def work(item: int) -> int:
        frame = Frame(toil(item))
        weakref.finalize(frame, gone.append, item)
        return frame.number

    return Case(work, range(N), left=lambda: gone)


@case("objects")
def later_weak_reference_with_a_callback() -> Case:
    died = collections.Counter[str]()
    held: dict[int, Any] = {}

    def note(reference: object) -> None:
        died["frames"] += 1

    def work(item: int) -> int:
        frame = Frame(item)
        held[0] = weakref.ref(frame, note)
        return toil(frame.number)

    return Case(work, range(N), left=lambda: died["frames"])


class Timed:
    spent: ClassVar[list[int]] = []

    def __init__(self, number: int) -> None:
        self.number = number

    def __del__(self) -> None:
        if self.number % 10 == 7:
            Timed.spent.append(self.number)


@case("objects")
def later_objects_note_their_end() -> Case:
    Timed.spent.clear()

    def work(item: int) -> int:
        timed = Timed(item)
        return toil(timed.number)

    return Case(work, range(N), left=lambda: Timed.spent)


class Snapshot:
    """Counts how often its kind is copied: a hook of pickling and of ``copy``."""

    taken = 0

    def __init__(self) -> None:
        self.values = [1, 2, 3]

    def __getstate__(self) -> dict[str, Any]:
        Snapshot.taken += 1
        return {"values": self.values}


@case("objects")
def later_copies_counted_by_getstate() -> Case:
    Snapshot.taken = 0
    base = Snapshot()

    def work(item: int) -> int:
        mine = copy.deepcopy(base)
        mine.values.append(item)
        return toil(sum(mine.values))

    return Case(work, range(N), left=lambda: Snapshot.taken)


class Versioned:
    """The item's own class counts its pickles; only some items are pickled by the function."""

    pickled: ClassVar[list[int]] = []

    def __init__(self, number: int) -> None:
        self.number = number

    def __reduce__(self) -> Any:
        Versioned.pickled.append(self.number)
        return Versioned, (self.number,)


@case("objects")
def later_items_whose_pickling_is_noted() -> Case:
    Versioned.pickled.clear()

    def size(item: Versioned) -> int:
        toil(item.number)
        return len(pickle.dumps(item)) if item.number % 5 == 2 else 0

    items = [Versioned(number) for number in range(N)]
    return Case(size, items, left=lambda: list(Versioned.pickled))


class Colour(enum.Enum):
    RED = 1
    GREEN = 2

    @classmethod
    def _missing_(cls, value: object) -> Any:
        misses.append(value)
        return cls.RED


misses: list[object] = []


@case("objects")
def later_enum_notes_what_it_misses() -> Case:
    misses.clear()

    def work(item: int) -> str:
        return Colour(1 + toil(item) % 3).name

    return Case(work, range(N), left=lambda: list(misses))


class Rights(enum.Flag):
    READ = 1
    WRITE = 2
    RUN = 4
    OWN = 8


@case("objects")
def later_rights_collected_as_flags() -> Case:
    granted = {"all": Rights(0)}

    def work(item: int) -> str:
        right = Rights(1 << toil(item) % 4)
        if item % 20 == 13:
            granted["all"] |= right
        return str(right)

    return Case(work, range(N), left=lambda: granted["all"].value)


@case("objects")
def later_virtual_subclass_from_an_item_on() -> Case:
    class Shape(abc.ABC):  # noqa: B024
        pass

    class Square:
        pass

    def work(item: int) -> bool:
        toil(item)
        if item == 40:
            Shape.register(Square)
        return isinstance(Square(), Shape)

    return Case(work, range(N), left=lambda: issubclass(Square, Shape))


@case("objects")
def later_object_becomes_another_class() -> Case:
    class Closed:
        def accept(self, item: int) -> str:
            if item == 37:
                self.__class__ = Open  # type: ignore[assignment]
            return "closed"

    class Open:
        def accept(self, item: int) -> str:
            return "open"

    gate = Closed()

    def work(item: int) -> str:
        toil(item)
        return gate.accept(item)

    return Case(work, range(N), left=lambda: type(gate).__name__)


@case("objects")
def later_settings_loaded_by_getattr() -> Case:
    """A lazy object of settings: what is asked for first is noted, in order."""

    class Lazy:
        def __init__(self) -> None:
            self.order: list[str] = []

        def __getattr__(self, name: str) -> int:
            if name.startswith("_"):
                raise AttributeError(name)
            self.order.append(name)
            value = len(self.order)
            setattr(self, name, value)
            return value

    lazy = Lazy()

    def work(item: int) -> int:
        toil(item)
        return int(getattr(lazy, f"option{item * 7 % 12}"))

    return Case(work, range(N), left=lambda: lazy.order)


@case("objects")
def later_property_with_a_history() -> Case:
    class Knob:
        def __init__(self) -> None:
            self._value, self.changes = 0, 0

        @property
        def value(self) -> int:
            return self._value

        @value.setter
        def value(self, new: int) -> None:
            if new > self._value:
                self._value, self.changes = new, self.changes + 1

    knob = Knob()

    def work(item: int) -> int:
        knob.value = toil(item) % 89
        return knob.value

    return Case(work, range(N), left=lambda: knob.changes)


class Bus:
    """Events and those who listen; a listener may leave."""

    def __init__(self) -> None:
        self.listeners: dict[str, list[Callable[[int], Any]]] = collections.defaultdict(list)

    def on(self, name: str, listener: Callable[[int], Any]) -> None:
        self.listeners[name].append(listener)

    def emit(self, name: str, item: int) -> int:
        for listener in list(self.listeners[name]):
            if listener(item) == "stop":
                self.listeners[name].remove(listener)
        return len(self.listeners[name])


@case("objects")
def later_listener_that_leaves() -> Case:
    bus, heard = Bus(), list[int]()

    def listener(item: int) -> str | None:
        if item % 25 == 24:
            heard.append(item)
        return "stop" if item == 74 else None

    bus.on("row", listener)

    def work(item: int) -> int:
        toil(item)
        return bus.emit("row", item)

    return Case(work, range(N), left=lambda: heard)


@case("objects")
def later_same_row_returned_each_time() -> Case:
    """The function fills one dict again and again, and returns it: all results are its last state."""
    row: dict[str, int] = {}

    def work(item: int) -> dict[str, int]:
        row["value"] = toil(item)
        row["item"] = item
        return row

    return Case(work, range(N), left=lambda: row)


@case("objects")
def later_results_are_views_of_one_matrix() -> Case:
    matrix = np.zeros((10, 4))

    def work(item: int) -> np.ndarray[Any, Any]:
        line: np.ndarray[Any, Any] = matrix[item % 10]
        line += toil(item) % 5
        return line

    return Case(work, range(N), left=lambda: matrix.tolist(), show=lambda line: line.tolist())


@case("objects")
def later_items_share_an_inner_list() -> Case:
    shared: list[int] = []
    items = [{"number": number, "log": shared} for number in range(N)]

    def work(item: dict[str, Any]) -> int:
        if item["number"] % 8 == 5:
            item["log"].append(item["number"])
        return toil(item["number"]) + len(item["log"])

    return Case(work, items, left=lambda: shared)


class Bloom:
    def __init__(self) -> None:
        self.bits = bytearray(64)

    def add(self, number: int) -> bool:
        known = True
        for factor in (31, 37, 41):
            place, bit = divmod(number * factor % 512, 8)
            known = known and bool(self.bits[place] >> bit & 1)
            self.bits[place] |= 1 << bit
        return known


@case("objects")
def later_bloom_filter_of_those_seen() -> Case:
    bloom = Bloom()
    return Case(
        lambda item: bloom.add(toil(item) % 60), range(N), left=lambda: bytes(bloom.bits).hex()
    )


@case("objects")
def later_roots_of_joined_sets() -> Case:
    """Union and find with halved paths."""
    parent = list(range(40))

    def find(one: int) -> int:
        while parent[one] != one:
            parent[one] = parent[parent[one]]
            one = parent[one]
        return one

    def join(item: tuple[int, int]) -> bool:
        toil(item[0])
        first, second = find(item[0]), find(item[1])
        parent[first] = second
        return first != second

    pairs = [(number * 7 % 40, number * 11 % 40) for number in range(N)]
    return Case(join, pairs, left=lambda: parent)


@case("objects")
def later_ordered_dict_moves_to_the_end() -> Case:
    table = collections.OrderedDict((number, number * number) for number in range(12))

    def work(item: int) -> int:
        table.move_to_end(toil(item) % 12)
        return next(iter(table))

    return Case(work, range(N), left=lambda: list(table))


@case("objects")
def later_identity_by_a_default_factory() -> Case:
    numbers = itertools.count(100)

    @dataclasses.dataclass
    class Order:
        price: int
        number: int = dataclasses.field(default_factory=numbers.__next__)

    return Case(lambda item: Order(toil(item)).number, range(N), left=lambda: next(numbers))


class Ticket:
    def __init__(self) -> None:
        self.shown = 0

    def __format__(self, spec: str) -> str:
        self.shown += 1
        return f"{self.shown:{spec}}"


@case("objects")
def later_format_that_counts() -> Case:
    ticket = Ticket()
    return Case(lambda item: f"{toil(item)}-{ticket:04d}", range(N), left=lambda: ticket.shown)


class Compared:
    comparisons = 0

    def __init__(self, key: int) -> None:
        self.key = key

    def __lt__(self, other: Compared) -> bool:
        Compared.comparisons += 1
        return self.key < other.key


@case("objects")
def later_comparisons_counted_by_bisect() -> Case:
    Compared.comparisons = 0
    table = [Compared(key) for key in range(0, 300, 7)]

    def work(item: int) -> int:
        return bisect.bisect_left(table, Compared(toil(item) % 300))

    return Case(work, range(N), left=lambda: Compared.comparisons)


class SelfOrganizing(list[int]):
    """What is asked for moves to the front."""

    def __contains__(self, key: object) -> bool:
        for place, one in enumerate(self):
            if one == key:
                self.insert(0, self.pop(place))
                return True
        return False


@case("objects")
def later_list_that_orders_itself() -> Case:
    table = SelfOrganizing(range(20))
    return Case(lambda item: toil(item) % 25 in table, range(N), left=lambda: list(table))


class BatchNorm:
    """A layer with a running mean, which counts only while it trains."""

    def __init__(self) -> None:
        self.running_mean = np.zeros(3)
        self.training = True
        self.buffers: dict[str, int] = {"num_batches_tracked": 0}

    def forward(self, x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        if self.training:
            self.running_mean *= 0.9
            self.running_mean += 0.1 * x.mean(axis=0)
            self.buffers["num_batches_tracked"] += 1
        return x - self.running_mean


class Model:
    def __init__(self) -> None:
        self.layers = [BatchNorm(), BatchNorm()]

    def __call__(self, x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        for layer in self.layers:
            x = layer.forward(x)
        return x


@case("objects")
def later_network_left_in_training() -> Case:
    model = Model()

    def infer(item: int) -> float:
        toil(item)
        return round(float(model(np.full((2, 3), float(item))).sum()), 6)

    return Case(
        infer, range(N), left=lambda: [one.running_mean.round(6).tolist() for one in model.layers]
    )


@case("objects")
def later_optimizer_step_with_a_schedule() -> Case:
    class Optimizer:
        def __init__(self, parameters: list[np.ndarray[Any, Any]]) -> None:
            self.groups = [{"params": parameters, "lr": 0.1}]
            self.steps = 0

        def step(self, gradient: float) -> float:
            for group in self.groups:
                for parameter in group["params"]:  # type: ignore[attr-defined]
                    np.subtract(parameter, group["lr"] * gradient, out=parameter)  # type: ignore[operator]
                if self.steps % 20 == 19:
                    group["lr"] *= 0.5  # type: ignore[operator]
            self.steps += 1
            return float(self.groups[0]["lr"])  # type: ignore[arg-type]

    weights = [np.ones(3), np.zeros(2)]
    optimizer = Optimizer(weights)
    return Case(
        lambda item: optimizer.step(toil(item) % 7 / 10),
        range(N),
        left=lambda: [one.round(6).tolist() for one in weights],
    )


@case("objects")
def later_circuit_that_opens() -> Case:
    """After three failures in a row nothing is tried any more for ten calls."""

    class Breaker:
        failures = 0
        rest = 0

        def call(self, func: Callable[[int], int], item: int) -> str:
            if self.rest:
                self.rest -= 1
                return "open"
            try:
                value = func(item)
            except ValueError:
                self.failures += 1
                if self.failures == 3:
                    self.failures, self.rest = 0, 10
                return "failed"
            self.failures = 0
            return str(value)

    def risky(item: int) -> int:
        toil(item)
        if item in (50, 51, 52):
            raise ValueError(item)
        return item

    breaker = Breaker()
    return Case(functools.partial(breaker.call, risky), range(N), left=lambda: vars(breaker))


@case("objects")
def later_early_stop_with_patience() -> Case:
    best = {"loss": math.inf, "bad": 0}

    def epoch(item: int) -> str:
        if best["bad"] >= 8:
            return "stopped"
        loss = abs(60 - item) + toil(item) % 2
        if loss < best["loss"]:
            best.update(loss=loss, bad=0)
        else:
            best["bad"] += 1
        return "ran"

    return Case(epoch, range(N), left=lambda: best)


@case("objects")
def later_difference_to_the_row_before() -> Case:
    class Delta:
        def __init__(self) -> None:
            self.before: list[int] = [0, 0, 0]

        def encode(self, item: int) -> list[int]:
            toil(item)
            row = [item, item * item % 17, item % 5]
            found = list(map(operator.sub, row, self.before))
            self.before[:] = row
            return found

    delta = Delta()
    return Case(delta.encode, range(N), left=lambda: delta.before)


@case("objects")
def later_hysteresis_of_a_switch() -> Case:
    """On above 70, off below 30, else as before: most items change nothing."""
    heater = types.SimpleNamespace(on=False)

    def work(item: int) -> bool:
        value = toil(item) % 1 + round(50 + 45 * math.sin(item / 9))
        if heater.on and value < 30:
            heater.on = False
        elif not heater.on and value > 70:
            heater.on = True
        return heater.on

    return Case(work, range(N), left=lambda: heater.on)


@case("objects")
def later_undo_stack_of_commands() -> Case:
    class Editor:
        def __init__(self) -> None:
            self.text, self.undo = "", list[str]()

        def run(self, item: int) -> int:
            toil(item)
            if item % 6 == 5 and self.undo:
                self.text = self.undo.pop()
            else:
                self.undo.append(self.text)
                self.text += chr(97 + item % 26)
            return len(self.text)

    editor = Editor()
    return Case(editor.run, range(N), left=lambda: editor.text)


@case("objects")
def later_async_function_counts_its_turns() -> Case:
    """Awaits between reading and writing: the loop, one after the other, loses nothing."""
    state = {"done": 0}

    async def work(item: int) -> int:
        before = state["done"]
        await asyncio.sleep(0.004)
        state["done"] = before + 1
        return state["done"]

    def run(item: int) -> int:
        return asyncio.run(work(item))

    return Case(run, range(N), left=lambda: state)


@case("objects")
def later_singleton_made_by_new() -> Case:
    class Config:
        _one: Config | None = None
        loads = 0

        def __new__(cls) -> Config:
            if cls._one is None:
                cls._one = super().__new__(cls)
            return cls._one

        def __init__(self) -> None:
            self.loads = self.loads + 1

    def work(item: int) -> int:
        return toil(item) % 3 + Config().loads

    return Case(work, range(N), left=lambda: Config().loads)


@case("objects")
def later_lru_cache_over_a_function_that_notes() -> Case:
    paid: list[int] = []

    @functools.lru_cache(maxsize=4)
    def price(key: int) -> int:
        paid.append(key)
        return toil(key)

    def work(item: int) -> int:
        toil()
        return price(item * 5 % 9)

    return Case(work, range(N), left=lambda: (paid, price.cache_info()))


@case("objects")
def later_pipeline_fitted_at_its_first_call() -> Case:
    """The scaler takes mean and width of the first chunk that it sees, and keeps them."""

    class Scaler:
        mean_: float | None = None

        def fit_transform(self, values: list[float]) -> list[float]:
            if self.mean_ is None:
                self.mean_ = sum(values) / len(values)
            return [round(value - self.mean_, 6) for value in values]

    scalers = {kind: Scaler() for kind in "abcdef"}

    def work(item: int) -> list[float]:
        toil(item)
        return scalers["abcdef"[item // 3 % 6]].fit_transform([item, item + 2.0])

    return Case(work, range(N), left=lambda: [one.mean_ for one in scalers.values()])


@case("objects")
def later_lock_taken_and_not_given_back() -> Case:
    """The first item that comes is the leader: it keeps the lock."""
    lock = threading.Lock()

    def work(item: int) -> str:
        toil(item)
        if item < 10:
            return "early"
        return "leader" if lock.acquire(blocking=False) else "follower"

    return Case(work, range(N), left=lock.locked)


@case("objects")
def later_ties_go_to_the_first_that_came() -> Case:
    best: dict[int, tuple[int, int]] = {}

    def work(item: int) -> bool:
        toil(item)
        group, score = item % 4, item * 13 % 9
        if group not in best or score > best[group][0]:
            best[group] = score, item
            return True
        return False

    return Case(work, range(N), left=lambda: best)


@case("objects")
def later_iterator_made_from_a_callable() -> Case:
    numbers = iter(iter([3, 1, 4, 1, 5, 9, 2, 6] * 20).__next__, 7)

    def work(item: int) -> int:
        return toil(item) + next(numbers)

    return Case(work, range(N), left=lambda: next(numbers))


@case("objects")
def later_recorder_wraps_the_function_compute() -> Case:
    """A wrapper with a ``__wrapped__`` that counts, as tracing libraries put it on."""
    spans: list[str] = []

    def traced(func: Callable[[int], int]) -> Callable[[int], int]:
        @functools.wraps(func)
        def inner(item: int) -> int:
            result = func(item)
            spans.append(f"{func.__name__}:{item}") if item % 12 == 7 else None
            return result

        return inner

    @traced
    def work(item: int) -> int:
        return toil(item) + compute(item) % 2

    return Case(work, range(N), left=lambda: spans)
