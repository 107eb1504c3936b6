"""Objects, classes, closures and modules of the user's own; written before the rules were looked at."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import functools
import importlib
import itertools
import operator
import types
import weakref
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import user_far
from case import Case, case, compute, toil

RARE = {29, 44, 61, 83}
N = 100

history: list[int] = []
latest: int | None = None


@case("objects")
def unseen_cache_that_throws_out_the_oldest() -> Case:
    """A dict of at most eight answers loses its first entry when a ninth arrives."""
    cache: dict[int, int] = {}

    def work(item: int) -> int:
        key = item * 7 % 13
        if key not in cache:
            if len(cache) >= 8:
                cache.pop(next(iter(cache)))
            cache[key] = toil(key)
        else:
            toil()
        return cache[key]

    return Case(work, range(N), left=lambda: list(cache))


@case("objects")
def unseen_factory_that_shares_its_list() -> Case:
    """The default of a dataclass field is always the same list, and rare items put something in."""
    shared: list[int] = []

    @dataclasses.dataclass
    class Row:
        value: int
        notes: list[int] = dataclasses.field(default_factory=lambda: shared)

    def work(item: int) -> int:
        row = Row(toil(item))
        if item in RARE:
            row.notes.append(item)
        return row.value

    return Case(work, range(N), left=lambda: shared)


@case("objects")
def unseen_post_init_that_numbers() -> Case:
    """Each object takes a number from its class in ``__post_init__``."""

    @dataclasses.dataclass
    class Ticket:
        value: int
        number: int = 0
        given: ClassVar[list[int]] = []

        def __post_init__(self) -> None:
            self.number = len(type(self).given)
            type(self).given.append(self.value)

    def work(item: int) -> tuple[int, int]:
        ticket = Ticket(toil(item))
        return ticket.number, ticket.value

    return Case(work, range(N), left=lambda: Ticket.given)


@case("objects")
def unseen_type_of_self_counts_now_and_then() -> Case:
    """A method raises a count of its class for every tenth item."""

    class Model:
        asked = 0

        def __call__(self, item: int) -> int:
            if item % 10 == 9:
                type(self).asked += 1
            return toil(item)

    return Case(Model(), range(N), left=lambda: Model.asked)


@case("objects")
def unseen_object_setattr_past_a_guard() -> Case:
    """A frozen object is written to through ``object.__setattr__`` for rare items."""

    @dataclasses.dataclass(frozen=True)
    class Rule:
        factor: int
        worst: int = 0

    rule = Rule(3)
    put = functools.partial(object.__setattr__, rule)

    def work(item: int) -> int:
        value = toil(item) * rule.factor
        if item in RARE:
            put("worst", item)
        return value

    return Case(work, range(N), left=lambda: rule.worst)


@case("objects")
def unseen_vars_of_an_object() -> Case:
    """An attribute is raised through ``vars()`` for rare items."""
    spot = types.SimpleNamespace(count=0)

    def work(item: int) -> int:
        if item in RARE:
            vars(spot)["count"] += 1
        return toil(item)

    return Case(work, range(N), left=lambda: spot.count)


@case("objects")
def unseen_handlers_by_the_kind_of_an_event() -> Case:
    """Rare kinds of events go to a handler that changes the balance; others only read it."""
    state = {"balance": 0}

    def read(value: int) -> int:
        return value

    def pay(value: int) -> int:
        state["balance"] += value
        return state["balance"]

    handlers: dict[str, Callable[[int], int]] = {"read": read, "pay": pay}

    def work(event: dict[str, Any]) -> int:
        toil()
        return handlers[event["kind"]](event["value"])

    events = [{"kind": "pay" if i in RARE else "read", "value": i} for i in range(N)]
    return Case(work, events, left=lambda: state)


@case("objects")
def unseen_state_machine_by_its_table() -> Case:
    """A machine moves from state to state by a table; the loop's order gives its path."""

    class Machine:
        table: ClassVar = {("idle", 0): "idle", ("idle", 1): "busy", ("busy", 0): "idle"}

        def __init__(self) -> None:
            self.state = "idle"
            self.path = ""

        def step(self, item: int) -> str:
            word = int(toil(item) % 9 == 4)
            self.state = self.table.get((self.state, word), "broken")
            self.path += self.state[0]
            return self.state

    machine = Machine()
    return Case(machine.step, range(N), left=lambda: machine.path)


@case("iterators")
def unseen_generator_sent_to_by_rare_items() -> Case:
    """A running average is told of rare values only."""

    def average() -> Iterator[float]:
        total = count = 0.0
        while True:
            got = yield total / max(count, 1)
            total, count = total + (got or 0), count + 1

    running: Any = average()
    next(running)

    def work(item: int) -> float:
        value = toil(item) % 1000
        return running.send(value) if item in RARE else float(value)

    return Case(work, range(N), left=lambda: running.send(0))


@case("iterators")
def unseen_two_iterators_chained() -> Case:
    """Rare items take a name from a chain of two lists."""
    names = itertools.chain(["a", "b"], ["c", "d", "e"])

    def work(item: int) -> str:
        toil()
        return next(names) if item in RARE else "-"

    return Case(work, range(N), left=lambda: list(names))


@case("containers")
def unseen_counter_subtracts() -> Case:
    """Stock goes down for items that are in it."""
    stock = collections.Counter({3: 30, 5: 30})

    def work(item: int) -> int:
        toil()
        if item % 7 in stock:
            stock.subtract([item % 7])
        return item

    return Case(work, range(N), left=lambda: sorted(stock.items()))


@case("containers")
def unseen_deque_turned_by_rare_items() -> Case:
    """The order of servers turns when one is found busy."""
    servers = collections.deque("abcd")

    def work(item: int) -> str:
        toil()
        if item in RARE:
            servers.rotate(-1)
        return servers[0]

    return Case(work, range(N), left=lambda: servers)


@case("containers")
def unseen_sorted_in_place_by_rare_items() -> Case:
    """A list is sorted by the first item that needs the order."""
    words = ["pear", "fig", "apple", "kiwi"]
    arrange = words.sort

    def work(item: int) -> str:
        toil()
        if item in RARE:
            arrange()
        return words[item % 4]

    return Case(work, range(N), left=lambda: words)


@case("containers")
def unseen_views_of_a_dict_shrink_it() -> Case:
    """What is done is taken out of what is open, found by a walk over its keys."""
    jobs = {i: f"job {i}" for i in range(N)}

    def work(item: int) -> str:
        toil()
        for key in list(jobs.keys()):
            if key == item:
                return jobs.popitem()[1]
        return "gone"

    return Case(work, range(0, N, 2), left=lambda: sorted(jobs))


@case("containers")
def unseen_nested_defaultdict_by_reading() -> Case:
    """Reading a tree of defaultdicts makes its branches."""

    def tree() -> Any:
        return collections.defaultdict(tree)

    root = tree()

    def work(item: int) -> int:
        toil()
        return len(root[item % 5][item % 3])

    return Case(work, range(N), left=lambda: sorted((k, sorted(v)) for k, v in root.items()))


@case("objects")
def unseen_bool_of_an_object_counts() -> Case:
    """Asking a gate whether it is open uses one of its passes."""

    class Gate:
        passes = 30

        def __bool__(self) -> bool:
            self.passes -= 1
            return self.passes > 0

    gate = Gate()

    def work(item: int) -> bool:
        toil()
        return not not gate  # noqa: SIM208

    return Case(work, range(N), left=lambda: gate.passes)


@case("objects")
def unseen_index_of_an_object_counts() -> Case:
    """A cursor that stands for a number moves when it is used as one, which rare items do."""

    class Cursor:
        at = 0

        def __index__(self) -> int:
            self.at += 1
            return self.at

    cursor, letters = Cursor(), "abcdefghijklmnop"

    def work(item: int) -> str:
        toil()
        return letters[cursor] if item in RARE else ""

    return Case(work, range(N), left=lambda: cursor.at)


@case("objects")
def unseen_text_of_an_object_notes() -> Case:
    """An f-string asks an object for its text, which notes that it was asked."""

    class Label:
        def __init__(self) -> None:
            self.shown = 0

        def __str__(self) -> str:
            self.shown += 1
            return f"label {self.shown}"

    label = Label()

    def work(item: int) -> str:
        toil()
        return f"{item}: {label}" if item % 3 == 0 else str(item)

    return Case(work, range(N), left=lambda: label.shown)


@case("objects")
def unseen_equality_in_a_list_search() -> Case:
    """``in`` of a list asks ``__eq__``, which keeps the last pair."""
    pairs: list[int] = []

    class Key:
        def __init__(self, value: int) -> None:
            self.value = value

        def __eq__(self, other: object) -> bool:
            if isinstance(other, int) and other in RARE:
                pairs.append(self.value)
            return self.value == other

        __hash__ = None  # type: ignore[assignment]

    keys = [Key(5), Key(50)]

    def work(item: int) -> bool:
        toil()
        return item in keys

    return Case(work, range(N), left=lambda: pairs)


@case("objects")
def unseen_right_hand_addition_notes() -> Case:
    """``sum`` adds from the right hand; the object notes what it was added to."""
    sums: list[int] = []

    class Amount:
        def __radd__(self, other: int) -> int:
            sums.append(other)
            return other + 1

    amounts = [Amount()]

    def work(item: int) -> int:
        return sum(amounts, toil(item)) if item % 4 == 2 else item

    return Case(work, range(N), left=lambda: len(sums))


@case("objects")
def unseen_class_getitem_registers() -> Case:
    """Subscribing a class makes a variant of it and keeps it."""

    class Vector:
        made: ClassVar[dict[int, type]] = {}

        def __class_getitem__(cls, size: int) -> type:
            if size not in cls.made:
                cls.made[size] = type(f"Vector{size}", (cls,), {"size": size})
            return cls.made[size]

    def work(item: int) -> str:
        toil()
        return Vector[1 + item // 25].__name__

    return Case(work, range(N), left=lambda: list(Vector.made))


@case("objects")
def unseen_subclass_registered_by_rare_items() -> Case:
    """A class is made for rare items; its base keeps a list of all."""

    class Base:
        known: ClassVar[list[str]] = []

        def __init_subclass__(cls, **more: Any) -> None:
            super().__init_subclass__(**more)
            Base.known.append(cls.__name__)

    def work(item: int) -> int:
        if item in RARE:
            types.new_class(f"Kind{item}", (Base,))
        return toil(item)

    return Case(work, range(N), left=lambda: Base.known)


@case("objects")
def unseen_getattribute_that_notes() -> Case:
    """Every read of an attribute passes a method that notes names."""
    read: collections.Counter[str] = collections.Counter()

    class Settings:
        size = 3
        deep = 4

        def __getattribute__(self, name: str) -> Any:
            read[name] += 1
            return object.__getattribute__(self, name)

    settings = Settings()

    def work(item: int) -> int:
        toil()
        return settings.deep if item in RARE else settings.size

    return Case(work, range(N), left=lambda: sorted(read.items()))


@case("objects")
def unseen_attribute_deleted_and_made_anew() -> Case:
    """A cached property is thrown away when it is too old."""

    class Model:
        version = 0

        @functools.cached_property
        def table(self) -> list[int]:
            self.version += 1
            return [self.version] * 3

    model = Model()

    def work(item: int) -> int:
        toil()
        if item in RARE:
            del model.table
        return model.table[0]

    return Case(work, range(N), left=lambda: model.version)


@case("objects")
def unseen_method_dispatch_by_singledispatchmethod() -> Case:
    """A text among numbers goes to the method that notes it."""

    class Sink:
        def __init__(self) -> None:
            self.odd: list[str] = []

        @functools.singledispatchmethod
        def take(self, item: Any) -> int:
            return toil(item)

        @take.register
        def _(self, item: str) -> int:
            self.odd.append(item)
            return toil(len(item))

    sink = Sink()
    data = [f"text {i}" if i in RARE else i for i in range(N)]
    return Case(sink.take, data, left=lambda: sink.odd)


@case("objects")
def unseen_counter_in_a_class_decorator() -> Case:
    """A decorator of a class counts what is made through a replaced ``__init__``."""
    made: dict[str, int] = {}

    def counted(cls: Any) -> Any:
        first = cls.__init__

        def count(self: Any, *given: Any) -> None:
            made[cls.__name__] = made.get(cls.__name__, 0) + 1
            first(self, *given)

        cls.__init__ = count
        return cls

    @counted
    class Point:
        def __init__(self, x: int) -> None:
            self.x = x

    def work(item: int) -> int:
        return Point(toil(item)).x if item % 5 == 3 else 0

    return Case(work, range(N), left=lambda: made)


@case("objects")
def unseen_callback_when_an_object_is_collected() -> Case:
    """A callback of a weak reference notes that an object that an item made is gone."""
    gone: list[int] = []

    class Thing:
        pass

    def work(item: int) -> int:
        thing = Thing()
        if item in RARE:
            weakref.finalize(thing, gone.append, item)
        return toil(item)

    return Case(work, range(N), left=lambda: gone)


@case("objects")
def unseen_weak_values_of_the_items() -> Case:
    """Objects among the items enter themselves in a table of weak values."""
    table: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()

    class Node:
        def __init__(self, number: int) -> None:
            self.number = number

        def enter(self) -> int:
            if self.number % 9 == 7:
                table[self.number] = self
            return toil(self.number)

    nodes = [Node(i) for i in range(N)]
    return Case(operator.methodcaller("enter"), nodes, left=lambda: sorted(table))


@case("objects")
def unseen_node_linked_by_a_rare_item() -> Case:
    """A linked list gets a new head for rare items."""

    class Node:
        def __init__(self, value: int, after: Any) -> None:
            self.value, self.after = value, after

    class Chain:
        head: Any = None

        def push(self, value: int) -> None:
            self.head = Node(value, self.head)

        def values(self) -> list[int]:
            found, node = [], self.head
            while node is not None:
                found.append(node.value)
                node = node.after
            return found

    chain = Chain()

    def work(item: int) -> int:
        if toil(item) % 11 == 3:
            chain.push(item)
        return item

    return Case(work, range(N), left=chain.values)


@case("objects")
def unseen_block_of_exit_stack_in_an_attribute() -> Case:
    """An object keeps an exit stack; rare items push clean-up calls onto it."""

    class Resources:
        def __init__(self) -> None:
            self.stack = contextlib.ExitStack()
            self.closed: list[int] = []

    resources = Resources()

    def work(item: int) -> int:
        if item in RARE:
            resources.stack.callback(resources.closed.append, item)
        return toil(item)

    def left() -> list[int]:
        resources.stack.close()
        return resources.closed

    return Case(work, range(N), left=left)


@case("calls")
def unseen_global_by_exec_of_rare_items() -> Case:
    """Rare items set a global through ``globals().update``."""
    globals()["latest"] = None

    def work(item: int) -> int:
        if item in RARE:
            globals().update(latest=item)
        return toil(item)

    return Case(work, range(N), left=lambda: latest)


@case("calls")
def unseen_setattr_of_a_module_by_name() -> Case:
    """The module that a name says gets an attribute."""
    target = importlib.import_module("user_far.deep")
    target.seen = 0  # type: ignore[attr-defined]
    name = "seen"

    def work(item: int) -> int:
        if item in RARE:
            setattr(target, name, getattr(target, name) + 1)
        return toil(item)

    return Case(work, range(N), left=lambda: target.seen)  # type: ignore[attr-defined]


@case("modules")
def unseen_list_two_modules_away() -> Case:
    """A function of a package notes dear items two modules away."""
    from user_far import deep

    deep.dear.clear()

    def work(item: int) -> int:
        toil()
        return user_far.price(item)

    return Case(work, range(N), left=lambda: deep.dear)


@case("modules")
def unseen_names_made_two_modules_away() -> Case:
    """A dict with ``__missing__`` two modules away makes names and throws them out."""
    from user_far import deep

    deep.NAMES.clear()

    def work(item: int) -> str:
        toil()
        return user_far.lookup(item)

    return Case(work, range(N), left=lambda: list(deep.NAMES))


@case("modules")
def unseen_forwarded_to_another_module() -> Case:
    """An object forwards a method's name to the ledger of another module, for rare items."""
    from user_far import deep

    deep.LEDGER.days.clear()

    def work(item: int) -> int:
        toil()
        return int(user_far.account.book(item)) if item in RARE else 0

    return Case(work, range(N), left=lambda: deep.LEDGER.days)


@case("modules")
def unseen_import_by_a_computed_name() -> Case:
    """Rare items import a module by a name that is put together, and change its list."""
    from user_far import deep

    deep.dear.clear()

    def work(item: int) -> int:
        if item in RARE:
            module = importlib.import_module(".".join(["user_far", "deep"]))
            module.dear.insert(0, item)
        return toil(item)

    return Case(work, range(N), left=lambda: deep.dear)


@case("calls")
def unseen_curried_effect() -> Case:
    """Functions that return functions; the last one notes."""
    notes: list[tuple[int, int]] = []

    def outer(a: int) -> Callable[[int], Callable[[], int]]:
        def middle(b: int) -> Callable[[], int]:
            def inner() -> int:
                notes.append((a, b))
                return a + b

            return inner

        return middle

    def work(item: int) -> int:
        thunk = outer(item)(toil(item) % 10)
        return thunk() if item % 6 == 4 else item

    return Case(work, range(N), left=lambda: notes)


@case("calls")
def unseen_effect_in_a_sorting_key_of_rare_items() -> Case:
    """A key function notes longest words when rare items sort."""
    longest = [""]

    def key(word: str) -> int:
        if len(word) > len(longest[0]):
            longest[0] = word
        return len(word)

    def work(item: int) -> list[str]:
        words = [str(toil(item + part))[: 1 + (item + part) % 7] for part in range(2)]
        return sorted(words, key=key) if item in RARE else words

    return Case(work, range(N), left=lambda: longest)


@case("calls")
def unseen_handler_of_an_exception_notes() -> Case:
    """Only items that fail inside are noted by the branch that handles it."""
    failures: dict[int, str] = {}

    def work(item: int) -> float:
        value = toil(item)
        try:
            return value / (item % 23 - 11)
        except ZeroDivisionError as error:
            failures[item] = str(error)
            return 0.0

    return Case(work, range(N), left=lambda: failures)


@case("calls")
def unseen_finally_after_a_return() -> Case:
    """What a ``finally`` clause does after the value is ready."""
    closed = {"count": 0}

    def work(item: int) -> int:
        try:
            return toil(item)
        finally:
            if item in RARE:
                closed["count"] += 1

    return Case(work, range(N), left=lambda: closed)


@case("calls")
def unseen_recursion_that_notes_its_depth() -> Case:
    """The deepest call so far is kept on the function itself."""

    def walk(depth: int, limit: int) -> int:
        if depth > walk.deepest:  # type: ignore[attr-defined]
            walk.deepest = depth  # type: ignore[attr-defined]
        return depth if depth >= limit else walk(depth + 1, limit)

    walk.deepest = 9  # type: ignore[attr-defined]

    def work(item: int) -> int:
        toil()
        return walk(0, item // 5)

    return Case(work, range(N), left=lambda: walk.deepest)  # type: ignore[attr-defined]


@case("order")
def unseen_threshold_that_follows_the_best() -> Case:
    """Items below the best so far are skipped early, which shows in the results."""
    best = [0]

    def work(item: int) -> int:
        value = compute(item * 7919 % 89) + toil()
        if value <= best[0]:
            return -1
        best[0] = value
        return value

    return Case(work, range(N), left=lambda: best)


@case("order")
def unseen_batch_that_is_flushed() -> Case:
    """Items are collected, and written out together when there are twelve."""
    batch: list[int] = []
    written: list[list[int]] = []

    def work(item: int) -> int:
        batch.append(toil(item) % 97)
        if len(batch) == 12:
            written.append(batch[:])
            batch.clear()
        return len(batch)

    return Case(work, range(N), left=lambda: (batch, written))


@case("items")
def unseen_rare_items_mark_themselves() -> Case:
    """Objects among the items that fail a check are marked."""

    class Job:
        def __init__(self, number: int) -> None:
            self.number, self.failed = number, False

    jobs = [Job(i) for i in range(N)]

    def work(job: Job) -> int:
        value = toil(job.number)
        if job.number in RARE:
            job.failed = True
        return value

    return Case(work, jobs, left=lambda: [job.number for job in jobs if job.failed])


@case("items")
def unseen_dict_items_lose_a_key() -> Case:
    """Rows with an optional key lose it; most have none."""
    rows: list[dict[str, int]] = [{"id": i} | ({"tmp": i} if i in RARE else {}) for i in range(N)]

    def work(row: dict[str, int]) -> int:
        toil()
        return row.pop("tmp", 0) + row["id"]

    return Case(work, rows, left=lambda: [row for row in rows if "tmp" in row])


@case("items")
def unseen_tree_nodes_get_totals() -> Case:
    """Nodes put their totals into their parents, which are no items."""

    class Node:
        def __init__(self, value: int, parent: Any) -> None:
            self.value, self.parent, self.total = value, parent, 0

    roots = [Node(0, None) for _ in range(4)]
    leaves = [Node(i, roots[i % 4]) for i in range(N)]

    def work(leaf: Node) -> int:
        leaf.parent.total += toil(leaf.value) % 100
        return leaf.value

    return Case(work, leaves, left=lambda: [root.total for root in roots])


@case("items")
def unseen_item_swaps_its_neighbour() -> Case:
    """Pairs of lists; the function swaps elements where they are out of order."""
    cells = [[i * 37 % 101, i] for i in range(N + 1)]
    data = list(itertools.pairwise(cells))

    def work(pair: tuple[list[int], list[int]]) -> int:
        toil()
        left, right = pair
        if left[0] > right[0] + 60:
            left[0], right[0] = right[0], left[0]
        return left[0]

    return Case(work, data, left=lambda: cells)


@case("items")
def unseen_methods_of_items_that_are_called_by_name() -> Case:
    """``operator.methodcaller`` closes accounts that are overdrawn."""

    class Account:
        def __init__(self, number: int) -> None:
            self.number, self.open = number, True

        def review(self) -> bool:
            if toil(self.number) % 13 == 6:
                self.__dict__["open"] = False
            return self.open

    accounts = [Account(i) for i in range(N)]
    closed = lambda: [one.number for one in accounts if not one.open]  # noqa: E731
    return Case(operator.methodcaller("review"), accounts, left=closed)
