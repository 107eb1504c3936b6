"""Functions that change objects of the caller, as scripts have them; written before the rules."""

from __future__ import annotations

import ast
import builtins
import collections
import contextlib
import copy
import dataclasses
import enum
import functools
import io
import itertools
import operator
import re
import sqlite3
import string
import sys
import threading
import types
import weakref
from collections.abc import Iterator
from typing import Any, ClassVar

from case import Case, case, compute

N = 120


@case("objects")
def script_vocabulary_by_its_factory() -> Case:
    """A word gets the next number when it is first met."""
    ids: dict[str, int] = collections.defaultdict(itertools.count().__next__)

    def work(item: int) -> list[int]:
        compute(item)
        return [ids[f"w{(item * k) % 50}"] for k in (3, 7, 11)]

    return Case(work, range(N), left=lambda: dict(ids))


@case("objects")
def script_seen_in_a_filter() -> Case:
    """The well-known line that leaves out what was seen."""
    seen: set[int] = set()

    def work(item: int) -> list[int]:
        compute(item)
        return [n for n in range(item, item + 3) if not (n in seen or seen.add(n))]  # type: ignore[func-returns-value]

    return Case(work, range(N), left=lambda: sorted(seen))


@case("objects")
def script_shallow_copy_of_settings() -> Case:
    """The copy of the settings shares its inner dictionary."""
    base: dict[str, Any] = {"name": "run", "options": {"depth": 1, "tried": []}}

    def work(item: int) -> int:
        own = copy.copy(base)
        own["name"] = str(item)
        own["options"]["depth"] = item
        own["options"]["tried"].append(item)
        return compute(item)

    return Case(work, range(N), left=lambda: base)


@case("objects")
def script_lists_that_are_one() -> Case:
    """``dict.fromkeys(..., [])``: all keys share one list."""
    groups: dict[str, list[int]] = dict.fromkeys("abc", [])  # noqa: RUF024

    def work(item: int) -> int:
        groups["abc"[item % 3]] += [item]
        return compute(item) + len(groups["a"])

    return Case(work, range(N), left=lambda: groups)


@case("objects")
def script_copies_with_a_shared_memo() -> Case:
    """``deepcopy`` with a memo of the caller."""
    memo: dict[int, Any] = {}
    part = [1, 2, 3]

    def work(item: int) -> int:
        compute(item)
        made = copy.deepcopy({"item": item, "part": part}, memo)
        made["part"].append(item)
        return len(made["part"])

    return Case(work, range(N))


@case("objects")
def script_missing_keys_noted() -> Case:
    """``format_map`` notes the keys that it has not."""
    missing: list[str] = []

    class Noting(dict):  # type: ignore[type-arg]
        def __missing__(self, key: str) -> str:
            missing.append(key)
            return "?"

    table = Noting(name="x")

    def work(item: int) -> str:
        compute(item)
        return f"{{name}} {{k{item % 10}}}".format_map(table)

    return Case(work, range(N), left=lambda: missing)


@case("objects")
def script_hash_that_counts() -> Case:
    """Each look-up by an object counts its hash."""
    counted = collections.Counter()  # type: ignore[var-annotated]

    class Key:
        def __init__(self, name: int) -> None:
            self.name = name

        def __hash__(self) -> int:
            counted["hash"] += 1
            return self.name

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Key) and other.name == self.name

    table = {Key(n): n for n in range(10)}
    counted.clear()

    def work(item: int) -> int:
        return compute(item) + table[Key(item % 10)]

    return Case(work, range(N), left=lambda: dict(counted))


@case("objects")
def script_membership_that_notes() -> Case:
    """``in`` asks an object that notes it."""

    class Bloom:
        def __init__(self) -> None:
            self.asked: list[int] = []

        def __contains__(self, item: int) -> bool:
            self.asked.append(item)
            return item % 3 == 0

    bloom = Bloom()

    def work(item: int) -> bool:
        compute(item)
        return item in bloom

    return Case(work, range(N), left=lambda: bloom.asked)


@case("objects")
def script_isinstance_that_counts() -> Case:
    """A metaclass counts the questions of isinstance."""

    class Meta(type):
        asked = 0

        def __instancecheck__(cls, other: object) -> bool:
            Meta.asked += 1
            return type(other) is int

    class Number(metaclass=Meta):
        pass

    def work(item: int) -> bool:
        compute(item)
        return isinstance(item, Number)

    return Case(work, range(N), left=lambda: Meta.asked)


@case("objects")
def script_path_object_that_numbers() -> Case:
    """``open`` asks an object for its path, which counts."""

    class Null:
        opened = 0

        def __fspath__(self) -> str:
            Null.opened += 1
            return "/dev/null"

    null = Null()

    def work(item: int) -> int:
        with open(null) as file:
            return compute(item) + len(file.read())

    return Case(work, range(N), left=lambda: Null.opened)


@case("objects")
def script_copies_counted_by_reduce() -> Case:
    """A prototype notes how often it was copied."""

    class Prototype:
        def __init__(self) -> None:
            self.copies = 0

        def __copy__(self) -> Prototype:
            self.copies += 1
            return Prototype()

    prototype = Prototype()

    def work(item: int) -> int:
        copy.copy(prototype)
        return compute(item)

    return Case(work, range(N), left=lambda: prototype.copies)


@case("objects")
def script_text_made_lazily_with_a_number() -> Case:
    """An object gets its number when it is first shown."""

    class Node:
        numbers = itertools.count(1)

        def __init__(self) -> None:
            self.number: int | None = None

        def __repr__(self) -> str:
            if self.number is None:
                self.number = next(Node.numbers)
            return f"n{self.number}"

    nodes = [Node() for _ in range(N)]

    def work(item: int) -> str:
        compute(item)
        return f"{nodes[item * 7 % N]}"

    return Case(work, range(N), left=lambda: str(nodes))


@case("objects")
def script_descriptor_with_weak_history() -> Case:
    """A descriptor keeps each value that was set, by object."""

    class Tracked:
        def __init__(self) -> None:
            self.history: Any = weakref.WeakKeyDictionary()

        def __get__(self, owner: Any, kind: Any = None) -> Any:
            return self if owner is None else self.history[owner][-1]

        def __set__(self, owner: Any, value: Any) -> None:
            self.history.setdefault(owner, []).append(value)

    class Sensor:
        level = Tracked()

    sensor = Sensor()

    def work(item: int) -> int:
        sensor.level = compute(item)
        return int(sensor.level)

    return Case(work, range(N), left=lambda: list(Sensor.__dict__["level"].history[sensor]))


@case("objects")
def script_objects_counted_by_their_metaclass() -> Case:
    """The call of a class is counted by its metaclass."""

    class Counting(type):
        def __call__(cls, *words: Any) -> Any:
            cls.made = getattr(cls, "made", 0) + 1
            return super().__call__(*words)

    class Row(metaclass=Counting):
        def __init__(self, item: int) -> None:
            self.value = compute(item)

    def work(item: int) -> int:
        return Row(item).value

    return Case(work, range(N), left=lambda: Row.made)  # type: ignore[attr-defined]


@case("dataclasses")
def script_numbers_by_a_default_factory() -> Case:
    """A field's factory numbers the objects."""
    numbers = itertools.count(100)

    @dataclasses.dataclass
    class Ticket:
        item: int
        number: int = dataclasses.field(default_factory=lambda: next(numbers))

    def work(item: int) -> Any:
        compute(item)
        return dataclasses.astuple(Ticket(item))

    return Case(work, range(N), left=lambda: next(numbers))


@case("dataclasses")
def script_replace_counts_versions() -> Case:
    """``dataclasses.replace`` runs ``__post_init__``, which counts on the class."""

    @dataclasses.dataclass(frozen=True)
    class Config:
        size: int = 1
        versions: ClassVar[int] = 0

        def __post_init__(self) -> None:
            type(self).versions += 1

    base = Config()

    def work(item: int) -> int:
        return compute(dataclasses.replace(base, size=item).size)

    return Case(work, range(N), left=lambda: Config.versions)


@case("objects")
def script_members_made_when_missing() -> Case:
    """An enumeration makes members for what it does not know."""

    class Kind(enum.IntEnum):
        ONE = 1

        @classmethod
        def _missing_(cls, value: object) -> Any:
            member = int.__new__(cls, value)  # type: ignore[call-overload]
            member._name_ = f"KIND{len(cls._value2member_map_)}"
            member._value_ = value
            cls._value2member_map_[value] = member
            return member

    def work(item: int) -> str:
        compute(item)
        return Kind((item * 7) % 13 + 1).name

    return Case(work, range(N), left=lambda: sorted(Kind._value2member_map_))


@case("objects")
def script_attributes_made_and_numbered() -> Case:
    """``__getattr__`` makes what is not there."""

    class Lazy:
        def __getattr__(self, name: str) -> Any:
            value = len(vars(self))
            setattr(self, name, value)
            return value

    lazy = Lazy()

    def work(item: int) -> int:
        compute(item)
        return getattr(lazy, f"field{item * 5 % 17}")

    return Case(work, range(N), left=lambda: vars(lazy))


@case("objects")
def script_least_recently_used_by_hand() -> Case:
    """An ordered dictionary that forgets the oldest."""
    recent: collections.OrderedDict[int, int] = collections.OrderedDict()

    def work(item: int) -> str:
        key = item * 7 % 13
        if key in recent:
            recent.move_to_end(key)
            return f"hit {recent[key]}"
        recent[key] = compute(item)
        if len(recent) > 5:
            recent.popitem(last=False)
        return f"miss {recent[key]}"

    return Case(work, range(N), left=lambda: list(recent))


@case("generators")
def script_average_that_is_yielded_from() -> Case:
    """A generator that delegates keeps a running mean."""

    def inner() -> Iterator[Any]:
        total, count, mean = 0, 0, None
        while True:
            value = yield mean
            total += value
            count += 1
            mean = total / count

    def outer() -> Iterator[Any]:
        yield from inner()

    running = outer()
    next(running)

    def work(item: int) -> float:
        return round(running.send(compute(item) % 100), 6)  # type: ignore[attr-defined]

    return Case(work, range(N))


@case("generators")
def script_depth_of_blocks() -> Case:
    """A context manager made of a generator counts entries."""
    state = {"depth": 0, "entered": 0}

    @contextlib.contextmanager
    def block() -> Iterator[int]:
        state["depth"] += 1
        state["entered"] += 1
        try:
            yield state["entered"]
        finally:
            state["depth"] -= 1

    def work(item: int) -> int:
        with block() as number:
            compute(item)
            return number

    return Case(work, range(N), left=lambda: state)


@case("iterators")
def script_three_from_the_stream() -> Case:
    """``islice`` of an iterator that all share."""
    stream = iter(range(10 * N))

    def work(item: int) -> list[int]:
        compute(item)
        return list(itertools.islice(stream, 3))

    return Case(work, range(N), left=lambda: next(stream))


@case("iterators")
def script_searched_by_in() -> Case:
    """``in`` on an iterator goes on to what it finds."""
    stream = iter(range(0, 20 * N, 2))

    def work(item: int) -> bool:
        compute(item)
        return item * 3 in stream

    return Case(work, range(N), left=lambda: next(stream, None))


@case("iterators")
def script_zipped_with_a_shared_one() -> Case:
    """``zip`` takes from an iterator of the caller."""
    labels = (f"l{n}" for n in itertools.count())

    def work(item: int) -> list[Any]:
        compute(item)
        return list(zip(range(2), labels, strict=False))

    return Case(work, range(N), left=lambda: next(labels))


@case("iterators")
def script_read_until_empty() -> Case:
    """``iter(callable, sentinel)`` over a text of the caller."""
    text = io.StringIO("".join(f"{n}\n\n" if n % 4 == 3 else f"{n}\n" for n in range(5 * N)))

    def work(item: int) -> list[str]:
        compute(item)
        return list(iter(text.readline, "\n"))

    return Case(work, range(N), left=text.tell)


@case("decorators")
def script_first_calls_are_dearer() -> Case:
    """A decorator keeps how often a function was called, on the wrapper."""

    def counted(func: Any) -> Any:
        @functools.wraps(func)
        def wrapper(*words: Any) -> Any:
            wrapper.calls += 1  # type: ignore[attr-defined]
            return func(*words), wrapper.calls  # type: ignore[attr-defined]

        wrapper.calls = 0  # type: ignore[attr-defined]
        return wrapper

    work = counted(compute)
    return Case(work, range(N), left=lambda: work.calls)


@case("decorators")
def script_setter_that_keeps_history() -> Case:
    """A property's setter keeps the values."""

    class Account:
        def __init__(self) -> None:
            self._balance, self.history = 0, [0]

        @property
        def balance(self) -> int:
            return self._balance

        @balance.setter
        def balance(self, value: int) -> None:
            self.history.append(value)
            self._balance = value

    account = Account()

    def work(item: int) -> int:
        account.balance += compute(item) % 10
        return account.balance

    return Case(work, range(N), left=lambda: account.history)


@case("decorators")
def script_method_cache_with_a_counter() -> Case:
    """A cached method notes what it really computed."""

    class Model:
        def __init__(self) -> None:
            self.computed: list[int] = []

        @functools.cache  # noqa: B019
        def score(self, key: int) -> int:
            self.computed.append(key)
            return compute(key)

    model = Model()

    def work(item: int) -> int:
        return model.score(item * 7 % 60) + compute(item)

    return Case(work, range(N), left=lambda: model.computed)


@case("objects")
def script_observers_by_weak_methods() -> Case:
    """Observers are called through weak references to methods."""

    class View:
        def __init__(self) -> None:
            self.drawn: list[int] = []

        def draw(self, value: int) -> None:
            self.drawn.append(value)

    view = View()
    observers = [weakref.WeakMethod(view.draw)]

    def work(item: int) -> int:
        value = compute(item)
        for observer in observers:
            method = observer()
            if method is not None:
                method(value)
        return value

    return Case(work, range(N), left=lambda: view.drawn)


@case("calls")
def script_replaced_by_a_counting_function() -> Case:
    """``re.sub`` with a method that numbers its matches."""

    class Numberer:
        def __init__(self) -> None:
            self.number = 0

        def replace(self, match: Any) -> str:
            self.number += 1
            return f"[{self.number}]{match.group()}"

    numberer = Numberer()
    pattern = re.compile("[ab]")

    def work(item: int) -> str:
        compute(item)
        return pattern.sub(numberer.replace, "xaybz")

    return Case(work, range(N), left=lambda: numberer.number)


@case("calls")
def script_called_through_a_type() -> Case:
    """``types.FunctionType`` with other globals."""
    names: dict[str, Any] = {"rows": []}

    def body(item: int) -> int:
        rows.append(item)  # type: ignore[name-defined] # noqa: F821
        return len(rows)  # type: ignore[name-defined] # noqa: F821

    moved = types.FunctionType(body.__code__, names)

    def work(item: int) -> int:
        compute(item)
        return int(moved(item))

    return Case(work, range(N), left=lambda: names["rows"])


@case("calls")
def script_expression_in_a_text() -> Case:
    """``eval`` of an expression with an effect."""
    found: list[int] = []
    expression = compile("found.append(item) or len(found)", "<rule>", "eval")

    def work(item: int) -> int:
        compute(item)
        return int(eval(expression, {"found": found, "item": item}))

    return Case(work, range(N), left=lambda: found)


@case("calls")
def script_visitor_of_trees() -> Case:
    """A visitor of syntax trees gathers names."""

    class Names(ast.NodeVisitor):
        def __init__(self) -> None:
            self.names: list[str] = []

        def visit_Name(self, node: ast.Name) -> None:
            self.names.append(node.id)

    names = Names()

    def work(item: int) -> int:
        names.visit(ast.parse(f"x{item} = y + {item}"))
        return compute(item)

    return Case(work, range(N), left=lambda: names.names)


@case("calls")
def script_formatter_that_numbers() -> Case:
    """A formatter of texts keeps what it did not use."""

    class Formatter(string.Formatter):
        unused = 0

        def check_unused_args(self, used: Any, args: Any, kwargs: Any) -> None:
            self.unused += len(args) - len(used)

    formatter = Formatter()

    def work(item: int) -> str:
        compute(item)
        return formatter.format("{0}", item, "never")

    return Case(work, range(N), left=lambda: formatter.unused)


@case("calls")
def script_reduced_in_place() -> Case:
    """``reduce`` with an operator that changes its start."""
    total: list[int] = []

    def work(item: int) -> int:
        compute(item)
        return len(functools.reduce(operator.iadd, [[item], [item + 1]], total))

    return Case(work, range(N), left=lambda: total)


@case("calls")
def script_function_of_sqlite_that_counts() -> Case:
    """SQL calls a function of Python's that counts."""
    calls: list[int] = []
    base = sqlite3.connect(":memory:", check_same_thread=False)

    def note(value: int) -> int:
        calls.append(value)
        return len(calls)

    base.create_function("note", 1, note)

    def work(item: int) -> Any:
        compute(item)
        return base.execute("select note(?)", (item,)).fetchone()[0]

    return Case(work, range(N), left=lambda: calls)


@case("monkeypatching")
def script_method_patched_on_the_way() -> Case:
    """Some item replaces a method for all that follow."""

    class Client:
        def price(self, item: int) -> int:
            return item

    client = Client()

    def work(item: int) -> int:
        if item == 40:
            Client.price = lambda self, item: -item  # type: ignore[method-assign]
        return compute(item) * 0 + client.price(item)

    return Case(work, range(N), left=lambda: client.price(7))


@case("monkeypatching")
def script_builtin_replaced_for_a_while() -> Case:
    """``open`` is another function within the call, and notes names."""
    opened: list[str] = []
    real = builtins.open

    def noting(name: Any, *words: Any, **more: Any) -> Any:
        opened.append(str(name))
        return real(name, *words, **more)

    def work(item: int) -> int:
        builtins.open = noting
        try:
            with open("/dev/null") as file:
                file.read()
        finally:
            builtins.open = real
        return compute(item)

    return Case(work, range(N), left=lambda: opened)


@case("monkeypatching")
def script_item_class_gets_attributes() -> Case:
    """The class of the items is given a table of what was met."""

    class Item:
        def __init__(self, key: int) -> None:
            self.key = key

    def work(item: Item) -> int:
        kind = item.__class__
        met = kind.__dict__.get("met", ())
        kind.met = (*met, item.key)  # type: ignore[attr-defined]
        return compute(item.key) + len(met)

    return Case(work, [Item(n) for n in range(N)], left=lambda: Item.met)  # type: ignore[attr-defined]


@case("objects")
def script_slots_and_a_chain() -> Case:
    """The last node of a chain gets the next."""

    class Node:
        __slots__ = ("next", "value")

        def __init__(self, value: int) -> None:
            self.value = value
            self.next: Node | None = None

    head = Node(-1)
    tail = [head]

    def work(item: int) -> int:
        node = Node(compute(item))
        tail[0].next = tail[0] = node
        return node.value

    def left() -> list[int]:
        found, node = [], head.next
        while node is not None:
            found.append(node.value)
            node = node.next
        return found

    return Case(work, range(N), left=left)


@case("objects")
def script_namespace_and_lock() -> Case:
    """A namespace is counted up under a lock."""
    stats = types.SimpleNamespace(count=0, worst=0)
    lock = threading.Lock()

    def work(item: int) -> int:
        value = compute(item) % 1000
        with lock:
            stats.count += 1
            stats.worst = max(stats.worst, value)
            return stats.count

    return Case(work, range(N), left=lambda: vars(stats))


@case("defaults")
def script_default_of_a_keyword() -> Case:
    """A default of a keyword grows."""

    def work(item: int, *, cache: dict[int, int] = {}) -> int:  # noqa: B006
        cache[item % 20] = cache.get(item % 20, 0) + compute(item) % 7
        return cache[item % 20]

    return Case(work, range(N), left=lambda: work.__kwdefaults__)


@case("defaults")
def script_default_of_a_lambda() -> Case:
    """The default of a lambda counts."""
    work = lambda item, seen=[0]: (seen.__setitem__(0, seen[0] + 1), compute(item) + seen[0])[1]  # noqa: E731

    return Case(work, range(N), left=lambda: work.__defaults__)


@case("order")
def script_best_so_far_is_passed_on() -> Case:
    """A bound that the best found so far gives cuts the work of the next."""

    class Search:
        bound = sys.maxsize

    def work(item: int) -> Any:
        value = ((item + 3) * 7919) % 1009 + 100
        if value > Search.bound:
            return None
        compute(item)
        Search.bound = min(Search.bound, value)
        return value

    return Case(work, range(N), left=lambda: Search.bound)


@case("order")
def script_patience_that_runs_out() -> Case:
    """After ten failures an error ends the run."""
    failures: list[int] = []

    def work(item: int) -> int:
        compute(item)
        if item % 3 == 0:
            failures.append(item)
            if len(failures) > 10:
                raise RuntimeError(f"too many failures: {failures}")
        return item

    return Case(work, range(N), left=lambda: failures)
